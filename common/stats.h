/*
 * stats.h - order statistics of the RTTs of a step (pure).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rtt_stats {			/* ns; all NaN when n == 0 */
	double min, p10, p25, p50, p75, p90, max;
	double pdv;			/* RFC 5481: p90 of (RTT - minimum of the step) */
	double mean;
	size_t n;
};

/* v: n values of 100 ns each, any order, not changed. n <= SAMPLE_RTT_MAX. Quantiles: type 7. */
void rtt_stats(struct rtt_stats *, const uint32_t *v_100ns, size_t n);
