/*
 * gather.c - sorting, filling and counting rows (pure; see gather.h).
 */
#include "collector/gather.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum gather_result
gather_add(struct gather *g, int64_t t, const double *v, size_t ds, uint64_t seq, int64_t now_ns)
{
	size_t at = g->n;

	while (at > 0 && g->row[at - 1].t > t)
		at--;
	if (at > 0 && g->row[at - 1].t == t)
		return GATHER_REPEAT;
	if (g->n == GATHER_MAX)
		return GATHER_FULL;
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 16 : 2 * g->cap;
		g->row = xreallocarray(g->row, g->cap, sizeof *g->row);
	}
	memmove(&g->row[at + 1], &g->row[at], (g->n - at) * sizeof *g->row);
	g->row[at].t = t;
	memcpy(g->row[at].v, v, ds * sizeof *v);
	if (g->n == 0)
		g->oldest_ns = now_ns;
	if (g->first_seq == 0 || seq < g->first_seq)
		g->first_seq = seq;
	g->n++;
	return GATHER_ADDED;
}

bool
gather_is_due(const struct gather *g, size_t rows, int64_t age_ns, int64_t now_ns)
{
	return g->n > 0 && (g->n >= rows || now_ns - g->oldest_ns >= age_ns);
}

static void
unknown(struct rrd_row *r, int64_t t, size_t ds)
{
	r->t = t;
	for (size_t i = 0; i < ds; i++)
		r->v[i] = NAN;
}

size_t
gather_rows(const struct gather *g, int64_t last, uint32_t step_s, size_t ds, struct rrd_row **out,
    size_t *late)
{
	struct rrd_row *rows = xcalloc(2 * g->n + 1, sizeof *rows);
	size_t n = 0;

	*late = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (g->row[i].t <= last) {
			++*late;
			continue;
		}
		if (g->row[i].t - last > step_s)
			unknown(&rows[n++], g->row[i].t - step_s, ds);
		rows[n++] = g->row[i];
		last = g->row[i].t;
	}
	*out = rows;
	return n;
}

void
gather_empty(struct gather *g)
{
	g->n = 0;
	g->first_seq = 0;
}

void
gather_fini(struct gather *g)
{
	free(g->row);
	memset(g, 0, sizeof *g);
}
