/*
 * detect.h - the contract of a detector, and the table of them (pure).
 *
 * A detector watches one link for one kind of anomaly.  Its memory is a block
 * of state_size bytes without pointers (zeroed at first), which the core saves
 * and restores as it is; it begins with a struct detect_head.  feed() is given
 * every step in the order of its time and says by the head whether the anomaly
 * stands; the core compares with what stood before.  Learning detectors fit in
 * the same way: what they learn is in their block.
 *
 *  - A step that was not observed is not given to a detector at all.
 *  - Limits are arguments: when they change, the next steps are judged by the
 *    new ones.
 *  - Evidence is what made the verdict: a JSON object of numbers.
 */
#pragma once

#include "common/clock.h"
#include "common/model.h"

#define DETECT_EVIDENCE 256

/* The limits of one link, made from plan and policy. */
struct detect_conf {
	uint32_t probe, link_class, step_ms, count;
	uint32_t down_after, up_after, service_after;
	double loss_limit[2];		/* [0] warning, [1] critical; 0: none */
	int64_t loss_span_ns[2];
	uint32_t loss_min_lost;
	double loss_z, loss_hysteresis;
	uint32_t rtt_limit_100ns[2];	/* 0: none */
	int64_t rtt_slot_ns;
	uint32_t rtt_bad, rtt_of;
	double rtt_share, rtt_hysteresis;
	double utilisation[2], load[2], errors;
	int64_t snmp_slot_ns;
	uint32_t snmp_bad, snmp_of;
};

/* One observed step, as a detector sees it. */
struct detect_step {
	const struct sample *s;
	int64_t start_ns, end_ns;
	uint32_t sent, answered, lost;
	uint32_t refused;		/* of those answered: by a RST, or without the TLS asked for */
	bool all_lost;			/* nothing came back, and the network is to blame */
	bool open;			/* at least one answer that was no refusal */
	bool doubtful;			/* the agent itself had trouble: its losses prove nothing */
	int64_t gap_ns;			/* between the step before and this one */
};

struct detect_head {
	uint8_t raised;			/* 0, 1: no bool, as it comes from a file */
	uint8_t severity;		/* enum severity; holds while raised */
	int64_t start_ns;		/* of what is raised */
	int64_t end_ns;			/* when it ended, once it is not raised any more */
	double figure, limit;		/* what people are told: ratio, RTT in ns, rate */
};

struct detect_ops {
	const char *keyword;
	enum anomaly_kind kind;
	uint32_t probes;		/* bit of each probe kind that it can watch */
	size_t state_size;
	void (*feed)(void *state, const struct detect_conf *c, const struct detect_step *step);
	/* The numbers of its verdict as a JSON object into buf (n >= DETECT_EVIDENCE). */
	void (*evidence)(const void *state, const struct detect_conf *c, char *buf, size_t n);
};

#define DETECT_MAX 8
#define DETECT_STATE 1216		/* bytes of all detectors of one link */

extern const struct detect_ops detect_down_ops, detect_service_ops, detect_loss_ops,
    detect_latency_ops, detect_utilisation_ops, detect_errors_ops;

/*
 * The table: NULL-terminated, at most DETECT_MAX rows; where each one's block begins in
 * DETECT_STATE.
 */
extern const struct detect_ops *const detect_table[];
size_t detect_offset(size_t row);

/*
 * Makes a step of a sample.  false: it was not observed (our own fault, no
 * name, nothing sent), and cause says why (enum cause).
 */
bool detect_step_init(struct detect_step *step, const struct sample *s, uint32_t probe,
    uint32_t *cause);
/* How often a cause stands in a sample. */
uint32_t sample_cause(const struct sample *s, enum cause cause);
/* The value of a role; false: it is not in the sample. */
bool sample_role(const struct sample *s, enum value_role role, double *value);

/* n of m: the verdict of a row of slots, judged one by one. */
struct slots {
	int64_t slot;			/* number of the running one; 0: none yet */
	uint32_t bad, clean;		/* bits of the last ones, newest lowest */
	uint32_t seen;			/* how many of them count */
};
/* Is t in a later slot than the running one?  The caller then closes it with slots_close(). */
bool slots_is_over(const struct slots *s, int64_t t_ns, int64_t slot_ns);
/*
 * Judges the running slot (bad, clean: it fulfils the limit with hysteresis) and begins that of
 * t.
 */
void slots_close(struct slots *s, int64_t t_ns, int64_t slot_ns, bool bad, bool clean);
bool slots_are_bad(const struct slots *s, uint32_t bad, uint32_t of);
bool slots_are_clean(const struct slots *s, uint32_t bad, uint32_t of);
