/*
 * wheel.h - deadlines of many short-lived things (pure).
 *
 * A ring of slots of WHEEL_TICK_NS each: adding, removing and finding the next
 * one cost the same, however many there are.  A deadline beyond one turn waits
 * in its slot until its turn comes.  A deadline is told late by up to one tick,
 * never early.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define WHEEL_TICK_NS (INT64_C(1) << 20)	/* about a millisecond */
#define WHEEL_SLOTS 1024

/* Lives in its owner; at is NULL while it stands in no wheel. */
struct wheel_item {
	struct wheel_item *next, **at;
	int64_t due_ns;			/* mono */
	uint32_t slot;
};

struct wheel {
	int64_t tick;			/* whatever was due before it has been taken */
	uint64_t used[WHEEL_SLOTS / 64];	/* bit of each slot that is not empty */
	struct wheel_item *slot[WHEEL_SLOTS];
};

/* Empty, with its hand at now. */
void wheel_init(struct wheel *, struct mono now);
/* Stands in no wheel yet.  Returns when wheel_take() will find it, if that is in this turn. */
int64_t wheel_add(struct wheel *, struct wheel_item *, int64_t due_ns);
void wheel_remove(struct wheel *, struct wheel_item *);	/* one that is in no wheel is allowed */
/* Takes out one that is due at now; NULL: none is. */
struct wheel_item *wheel_take(struct wheel *, struct mono now);
/* When to call wheel_take() again (mono, ns); INT64_MAX: it is empty. */
int64_t wheel_next(const struct wheel *);
