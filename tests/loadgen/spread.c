/*
 * spread.c - a histogram of times (pure; see spread.h).
 */
#include "tests/loadgen/spread.h"

#include <stddef.h>

static size_t
cell_of(uint64_t ns)
{
	unsigned top;

	if (ns < UINT64_C(1) << (SPREAD_FINE + 1))
		return (size_t)ns;
	top = 63 - (unsigned)__builtin_clzll(ns) - SPREAD_FINE;
	return ((size_t)top << SPREAD_FINE) + (size_t)(ns >> top);
}

/* The largest time that falls into a cell. */
static int64_t
end_of(size_t cell)
{
	size_t top = cell >> SPREAD_FINE;

	if (top < 2)
		return (int64_t)cell;
	top--;
	return (int64_t)(((cell - (top << SPREAD_FINE) + 1) << top) - 1);
}

void
spread_add(struct spread *s, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	s->cell[cell_of((uint64_t)ns)]++;
	s->n++;
	if (ns > s->max_ns)
		s->max_ns = ns;
}

int64_t
spread_quantile(const struct spread *s, double q)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < SPREAD_CELLS; i++) {
		seen += s->cell[i];
		if (s->n > 0 && (double)seen >= q * (double)s->n)
			return end_of(i) < s->max_ns ? end_of(i) : s->max_ns;
	}
	return s->max_ns;
}
