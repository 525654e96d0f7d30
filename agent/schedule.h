/*
 * schedule.h - when each request of each link leaves (pure).
 *
 * A step begins on a multiple of its length in wall time, so that one step is
 * one row of the history.  Its `count` requests are spread evenly over it, all
 * shifted by the link's own random phase within one slot (step / count), so
 * that links do not fire together.  schedule_phase() draws it from a grid: few
 * wake-ups then serve many links.  It closes a timeout after its last one.
 *
 * Everything runs on the monotonic clock.  The wall clock only steers: each
 * step may be stretched or shrunk by a two-hundredth to come back onto the
 * multiples, so that a jump of the wall clock moves stamps but no interval.
 *
 * A request that is overdue by a slot or more (and 20 ms) is not sent any more
 * (SKIP): a process that slept does not make up for it with a burst.  Steps that passed
 * whole are reported as MISSED, at most SCHEDULE_MISSED_MAX of the newest.
 *
 * Links stand in two heaps, by the request and by the end of a step that is due
 * first; no dead link delays a live one.  Who drives it wakes rarely and sends
 * many: requests may leave a little before their time together with those that
 * are due (early_ns), and an end waits up to SCHEDULE_CLOSE_SLACK_NS for company,
 * since replies are judged by their own stamps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define SCHEDULE_MISSED_MAX 120
#define SCHEDULE_CLOSE_SLACK_NS (100 * NS_PER_MS)

struct schedule;

/* One link; lives in its owner.  Only user is to be touched from outside. */
struct schedule_entry {
	void *user;
	int64_t step_ns, slot_ns, phase_ns, timeout_ns;
	uint32_t count;
	uint64_t step;			/* number of the step whose requests are being sent */
	int64_t start_ns;		/* mono: where it begins */
	uint32_t next;			/* request in it */
	uint64_t closing[2];		/* steps whose requests are all out */
	int64_t close_ns[2];
	unsigned closings;
	int64_t send_ns;		/* mono: when `next` is due */
	size_t pos[2];			/* in the two heaps */
};

enum schedule_what {
	SCHEDULE_SEND,			/* send request `packet` of `step` */
	SCHEDULE_SKIP,			/* leave it out: too late */
	SCHEDULE_MISSED,		/* the whole step went by */
	SCHEDULE_CLOSE,			/* `step` ends: take its sample */
};

struct schedule_action {
	struct schedule_entry *entry;
	enum schedule_what what;
	uint64_t step;
	uint32_t packet;		/* 0: the step begins with it */
	int64_t start_wall_ns;		/* begin of the step; SEND, SKIP and MISSED */
	int64_t late_ns;		/* behind its time; < 0: before it */
};

/* Empty: nothing is due. */
struct schedule *schedule_new(void);
void schedule_free(struct schedule *);	/* entries are the owners' */

/*
 * A phase in [0, 1) of a slot, drawn by `draw` (which is one, too).  Where a grid fits the slot,
 * the request falls on a grid of up to 250 ms that begins at offset_ns: so wide that about
 * SCHEDULE_TOGETHER requests fall on a point of it if mpps leave in 1,000 seconds.
 */
double schedule_phase(int64_t slot_ns, uint64_t mpps, int64_t offset_ns, double draw);
#define SCHEDULE_TOGETHER 16
/*
 * Adds a link whose first step begins at the next multiple of its length; wall_ns = wall - mono
 * at this moment.  phase in [0, 1): of a slot.
 */
void schedule_add(struct schedule *, struct schedule_entry *, void *user, int64_t step_ns,
    uint32_t count, int64_t timeout_ns, double phase, struct mono now, int64_t wall_ns);
/* It must stand in the schedule; nothing of it falls due any more. */
void schedule_remove(struct schedule *, struct schedule_entry *);

/*
 * The earliest thing that is due at now, or a request that is within early_ns (less than half of
 * the shortest slot, or nothing would be even); ends come first.  false: nothing is.  Call until
 * false.
 */
bool schedule_next(struct schedule *s, struct mono now, int64_t early_ns, int64_t wall_ns,
    struct schedule_action *out);
/* Is the end of a step due? */
bool schedule_closes(const struct schedule *, struct mono now);
/* When to call again at the latest; INT64_MAX: never. */
struct mono schedule_due(const struct schedule *);
/* How late may a request of this link leave without being called late? */
int64_t schedule_tolerance(const struct schedule_entry *);
