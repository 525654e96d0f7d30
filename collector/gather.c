/*
 * gather.c - sorting, counting and timing rows (pure; see gather.h).
 */
#include "collector/gather.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define KEEP 256			/* room for so many rows stays when all are written */

enum gather_result
gather_add(struct gather *g, int64_t t, const double *v, size_t ds, uint64_t seq, int64_t now_ns)
{
	size_t at = g->n;

	while (at > 0 && g->t[at - 1] > t)
		at--;
	if (at > 0 && g->t[at - 1] == t)
		return GATHER_REPEAT;
	if (g->n == GATHER_MAX)
		return GATHER_FULL;
	if (g->n == 0 && g->ds != ds)
		gather_fini(g);
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 16 : 2 * g->cap;
		g->t = xreallocarray(g->t, g->cap, sizeof *g->t);
		g->v = xreallocarray(g->v, g->cap, ds * sizeof *g->v);
		g->seq = xreallocarray(g->seq, g->cap, sizeof *g->seq);
		g->ds = ds;
	}
	memmove(&g->t[at + 1], &g->t[at], (g->n - at) * sizeof *g->t);
	memmove(&g->v[(at + 1) * ds], &g->v[at * ds], (g->n - at) * ds * sizeof *g->v);
	memmove(&g->seq[at + 1], &g->seq[at], (g->n - at) * sizeof *g->seq);
	g->t[at] = t;
	g->seq[at] = seq;
	memcpy(&g->v[at * ds], v, ds * sizeof *v);
	if (g->n == 0)
		g->oldest_ns = now_ns;
	if (g->first_seq == 0 || seq < g->first_seq)
		g->first_seq = seq;
	g->n++;
	return GATHER_ADDED;
}

bool
gather_ends_round(uint64_t slot, uint32_t phase, size_t rows)
{
	return (slot + phase) % rows == 0;
}

bool
gather_is_due(const struct gather *g, uint32_t phase, int64_t age_ns, int64_t now_ns)
{
	int64_t shift = (int64_t)((double)age_ns * (phase / 4294967296.0));

	return g->n > 0 && (now_ns + shift) / age_ns > (g->oldest_ns + shift) / age_ns;
}

struct rrd_rows
gather_rows(const struct gather *g, size_t but)
{
	return (struct rrd_rows){ .t = g->t, .v = g->v, .n = g->n > but ? g->n - but : 0 };
}

void
gather_drop(struct gather *g, size_t n, int64_t now_ns)
{
	if (n >= g->n) {
		gather_empty(g);
		return;
	}
	g->n -= n;
	memmove(g->t, &g->t[n], g->n * sizeof *g->t);
	memmove(g->v, &g->v[n * g->ds], g->n * g->ds * sizeof *g->v);
	memmove(g->seq, &g->seq[n], g->n * sizeof *g->seq);
	g->oldest_ns = now_ns;
	g->first_seq = g->seq[0];
	for (size_t i = 1; i < g->n; i++)
		if (g->seq[i] < g->first_seq)
			g->first_seq = g->seq[i];
}

void
gather_empty(struct gather *g)
{
	if (g->cap > KEEP)
		gather_fini(g);
	g->n = 0;
	g->first_seq = 0;
}

void
gather_fini(struct gather *g)
{
	free(g->t);
	free(g->v);
	free(g->seq);
	memset(g, 0, sizeof *g);
}
