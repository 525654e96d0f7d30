/*
 * spread.h - how times are spread: a histogram that never grows (pure).
 *
 * Nanoseconds, in steps of at most 1.6 %.
 */
#pragma once

#include <stdint.h>

#define SPREAD_FINE 6			/* 2^6 steps for each doubling */
#define SPREAD_CELLS ((64 - SPREAD_FINE) << SPREAD_FINE)

struct spread {				/* all zero: empty */
	uint64_t cell[SPREAD_CELLS];
	uint64_t n;
	int64_t max_ns;
};

void spread_add(struct spread *, int64_t ns);	/* less than 0 counts as 0 */
/* So long or less took a share q of them (0 to 1); 0 if there are none. */
int64_t spread_quantile(const struct spread *, double q);
