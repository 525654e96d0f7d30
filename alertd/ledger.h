/*
 * ledger.h - how long a link was in each state, by its samples' own time (pure).
 *
 * Every nanosecond from the first sample to `to_ns` is in exactly one state:
 * the sums of a period add up to its length.  What a step proves may be known
 * only later (three lost steps make the first of them "down"), so the link's
 * machine credits time when it is sure, in order and without holes.
 *
 * Kept: all time, this calendar month and the one before (UTC+8).
 */
#pragma once

#include <stdint.h>

#include "common/model.h"

#define LEDGER_STATES (LINK_NOT_OBSERVED + 1)

struct ledger_sum { int64_t from_ns, to_ns, ns[LEDGER_STATES]; };

struct ledger {
	int64_t to_ns;			/* credited up to here; 0: never */
	struct ledger_sum all, month, last_month;
};

/* Nothing credited yet; the first credit counts from at_ns. */
void ledger_init(struct ledger *, int64_t at_ns);
/* The time from where it stands to until_ns was spent in state; nothing if that is not later. */
void ledger_credit(struct ledger *, int64_t until_ns, enum link_state state);
/* First instant of the calendar month (UTC+8) that holds t, and of the next one. */
void ledger_month(int64_t t_ns, int64_t *begin_ns, int64_t *end_ns);
/* Sum of all states; equals to_ns - from_ns. */
int64_t ledger_total(const struct ledger_sum *);
