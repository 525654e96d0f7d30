/*
 * adhoc_stats.c - fates, quantiles and rows of a histogram.
 */
#include "agent/adhoc_stats.h"

#include <math.h>
#include <stdlib.h>

#define COARSE (UINT32_C(1) << 31)
#define COARSE_NS 100
#define TAIL 0.95			/* what lies above this quantile may share the last row */

_Static_assert((int)CAUSE_MAX < (int)FATE_PENDING, "every cause is a fate");

uint32_t
fate_of_rtt(int64_t rtt_ns)
{
	if (rtt_ns < FATE_RTT)
		return FATE_RTT;
	if (rtt_ns < COARSE)
		return (uint32_t)rtt_ns;
	rtt_ns /= COARSE_NS;
	return rtt_ns < COARSE ? COARSE | (uint32_t)rtt_ns : UINT32_MAX;
}

int64_t
fate_rtt(uint32_t fate)
{
	return fate < COARSE ? fate : (int64_t)(fate & ~COARSE) * COARSE_NS;
}

bool
fate_is_unsent(uint32_t fate)
{
	return fate == CAUSE_NOT_SENT || fate == CAUSE_RESOLVE || fate == CAUSE_LOCAL;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
quantile(const uint32_t *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	double lo = (double)fate_rtt(v[i]), hi = (double)fate_rtt(v[i + 1 < n ? i + 1 : i]);

	return lo + (at - (double)i) * (hi - lo);
}

void
adhoc_stats(struct adhoc_stats *s, const uint32_t *fate, size_t n, uint32_t *scratch)
{
	*s = (struct adhoc_stats){ .min = NAN, .p50 = NAN, .p90 = NAN, .max = NAN, .pdv = NAN };
	for (size_t i = 0; i < n; i++) {
		uint32_t f = fate[i];

		s->tried += f != FATE_NONE;
		if (f >= FATE_RTT)
			scratch[s->received++] = f;
		else if (f >= FATE_PENDING)
			s->pending++;
		else if (f != FATE_NONE)
			s->cause[f]++;
		s->sent += f >= FATE_RTT || (f != FATE_NONE && f < FATE_PENDING && !fate_is_unsent(f));
	}
	if (s->received == 0)
		return;
	qsort(scratch, s->received, sizeof *scratch, by_value);
	s->min = (double)fate_rtt(scratch[0]);
	s->max = (double)fate_rtt(scratch[s->received - 1]);
	s->p50 = quantile(scratch, s->received, 0.5);
	s->p90 = quantile(scratch, s->received, 0.9);
	s->pdv = s->p90 - s->min;
}

/* The least of 1, 2, 5, 10, 20 ... that is not below x. */
static double
round_up(double x)
{
	for (double ten = 1;; ten *= 10)
		for (unsigned i = 0; i < 3; i++)
			if ((double[]){ 1, 2, 5 }[i] * ten >= x)
				return (double[]){ 1, 2, 5 }[i] * ten;
}

void
adhoc_hist(struct adhoc_hist *h, const uint32_t *sorted, size_t n, size_t rows)
{
	double min = (double)fate_rtt(sorted[0]);
	double span = quantile(sorted, n, TAIL) - min;

	if (span < 1)
		span = min > 100 ? min / 100 : 1;
	*h = (struct adhoc_hist){ .width = round_up(span / (double)(rows - 1)) };
	h->base = floor(min / h->width) * h->width;
	for (size_t i = 0; i < n; i++) {
		double at = ((double)fate_rtt(sorted[i]) - h->base) / h->width;
		size_t row = at < (double)rows ? (size_t)at : rows - 1;

		h->open |= at >= (double)rows;
		h->count[row]++;
		if (row >= h->rows)
			h->rows = row + 1;
	}
}
