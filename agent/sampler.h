/*
 * sampler.h - adds up the results of one link into samples (pure).
 *
 * The sender says what left, probes say what came back, schedule.c says when a
 * step begins and closes; out comes a struct sample as probe.h states it.  Two
 * steps of a link may be open at once: the last replies of one are awaited
 * while the next is being sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/probe.h"
#include "common/model.h"

#define SAMPLER_OPEN 2

struct sampler_step {
	bool open;
	uint64_t step;
	int64_t start_ns;		/* wall */
	uint32_t flags;
	uint32_t causes[CAUSE_MAX + 1];
	uint8_t *fate;			/* enum fate of each request */
	uint32_t *rtt_100ns;		/* of each request; packed at the end */
	uint32_t values;
	struct sample_value *value;	/* SAMPLE_VALUES of them, once there was one */
};

struct sampler {
	const char *link;		/* borrowed */
	uint32_t count, step_ms;
	int64_t timeout_ns;
	struct sampler_step step[SAMPLER_OPEN];
};

/* For one link, whose name is borrowed and outlives it; count requests a step. */
void sampler_init(struct sampler *, const char *link, uint32_t count, int64_t step_ns,
    int64_t timeout_ns);
void sampler_fini(struct sampler *);	/* open steps are dropped */

/* The token of a request: unique for 2^53 steps. */
static inline uint64_t sampler_token(uint64_t step, uint32_t packet) { return step << 10 | packet; }

/* A step begins.  One that still stands in its place is closed without a word. */
void sampler_begin(struct sampler *, uint64_t step, int64_t start_wall_ns);
/* The request is about to leave; a done() may follow. */
void sampler_sent(struct sampler *, uint64_t token);
/* It did not leave (also after sampler_sent()): NOT_SENT, RESOLVE or LOCAL. */
void sampler_not_sent(struct sampler *, uint64_t token, enum cause cause);
/* What a probe says.  Tokens of closed steps are late replies. */
void sampler_result(struct sampler *, const struct probe_result *r);
/* The step, or all open ones, suffered this. */
void sampler_flag(struct sampler *, uint64_t step, uint32_t flags);
void sampler_flag_open(struct sampler *, uint32_t flags);

/* Ends the step.  excused: we could not have seen replies (the process slept): what is unanswered
 * is LOCAL, not TIMEOUT.  false: it was not open.  out->rtt_100ns is good until the next begin. */
bool sampler_close(struct sampler *, uint64_t step, bool excused, struct sample *out);
/* The sample of a step in which nothing was done. */
void sampler_missed(const struct sampler *, int64_t start_wall_ns, struct sample *out);
