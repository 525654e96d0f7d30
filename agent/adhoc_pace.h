/*
 * adhoc_pace.h - when each request of an ad hoc probe leaves (pure).
 *
 * Target i of n in round r is due at start + r x interval + i x (interval / n):
 * one even stream, with neither a timer for each target nor a burst.  The
 * interval is stretched where n targets in it would be more than the rate.
 *
 * What is late by more than a little (a quarter of the interval, but 1 to 10 ms)
 * is not made up for: everything that follows moves by that much, and
 * slipped_ns says so.  So no two requests to a target come close.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define ADHOC_SLACK_MIN_NS NS_PER_MS
#define ADHOC_SLACK_MAX_NS (10 * NS_PER_MS)

struct adhoc_pace {
	int64_t start_ns;		/* mono */
	int64_t interval_ns;		/* what holds, after the rate */
	int64_t slack_ns;
	uint32_t n, count;		/* targets; rounds */
	uint32_t target, round;		/* of the next request */
	int64_t slipped_ns;
};

/* The interval that n targets at so many packets a second need, if it is longer. */
int64_t adhoc_pace_interval(uint32_t n, int64_t interval_ns, uint32_t rate);
/* n and count > 0. */
void adhoc_pace_init(struct adhoc_pace *, uint32_t n, uint32_t count, int64_t interval_ns,
    uint32_t rate, struct mono start);
/* Is a request due at now?  Then which.  Call until false. */
bool adhoc_pace_next(struct adhoc_pace *, struct mono now, uint32_t *target, uint32_t *round);
/* When the next one is due; INT64_MAX: all are out. */
struct mono adhoc_pace_due(const struct adhoc_pace *);
