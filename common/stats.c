/*
 * stats.c - order statistics of the RTTs of a step (pure).
 */
#include "common/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/model.h"

#define UNIT_NS 100.0
#define FEW 32				/* that are sorted by insertion */

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A step has ten or twenty RTTs, nearly in order often: qsort() takes eight times as long. */
static void
sort(uint32_t *v, size_t n)
{
	if (n > FEW) {
		qsort(v, n, sizeof(v[0]), by_value);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		uint32_t x = v[i];
		size_t at = i;

		for (; at > 0 && v[at - 1] > x; at--)
			v[at] = v[at - 1];
		v[at] = x;
	}
}

/* Type 7 of Hyndman and Fan 1996: linear between order statistics. */
static double
quantile(const uint32_t *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	double lo = v[i], hi = v[i + 1 < n ? i + 1 : i];

	return (lo + (at - (double)i) * (hi - lo)) * UNIT_NS;
}

void
rtt_stats(struct rtt_stats *s, const uint32_t *v_100ns, size_t n)
{
	uint32_t v[SAMPLE_RTT_MAX];
	double sum = 0;

	if (n > SAMPLE_RTT_MAX)
		n = SAMPLE_RTT_MAX;
	s->n = n;
	if (n == 0) {
		s->min = s->p10 = s->p25 = s->p50 = s->p75 = s->p90 = s->max = NAN;
		s->pdv = s->mean = NAN;
		return;
	}
	memcpy(v, v_100ns, n * sizeof(v[0]));
	sort(v, n);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	s->mean = sum / (double)n * UNIT_NS;
	s->min = v[0] * UNIT_NS;
	s->max = v[n - 1] * UNIT_NS;
	s->p10 = quantile(v, n, 0.10);
	s->p25 = quantile(v, n, 0.25);
	s->p50 = quantile(v, n, 0.50);
	s->p75 = quantile(v, n, 0.75);
	s->p90 = quantile(v, n, 0.90);
	s->pdv = s->p90 - s->min;
}
