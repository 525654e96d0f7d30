/*
 * rrdmove.c - old rows into new archives (pure; see rrdmove.h).
 */
#include "collector/rrdmove.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "collector/rrdimage.h"

#define XFF 0.9

struct source {				/* one archive of the old file */
	const double *rows;		/* the ring */
	size_t n;
	uint64_t ptr;			/* row of the cell that ends at newest */
	int64_t res_s, start, end, newest;	/* (start, end] may be used; end <= newest */
	char cf;			/* second letter: V, I, A */
	bool is_detail;
};

struct move {
	const struct series_def *to_def, *from_def;
	struct source src[SERIES_RRA_MAX];
	int column[SERIES_DS_MAX];	/* of the old file, for each new data source; -1: none */
};

struct sum { double sum, known_s, least, most; };

static const struct sum nothing = { 0, 0, INFINITY, -INFINITY };

static void
open_sources(struct move *m, const uint8_t *from, int64_t last, int64_t upto)
{
	const struct series_def *d = m->from_def;

	for (size_t i = 0; i < d->rra_n; i++) {
		struct source *s = &m->src[i];

		s->rows = (const double *)(const void *)(from + rrdimage_archive(d, i));
		s->n = d->rra[i].rows;
		s->ptr = rrdimage_pointer(from, d, i);
		s->res_s = (int64_t)d->rra[i].pdp * d->step_s;
		s->newest = last - last % s->res_s;
		s->start = s->newest - (int64_t)s->n * s->res_s;
		s->end = s->newest > upto ? upto - upto % s->res_s : s->newest;
		s->cf = d->rra[i].cf[1];
		s->is_detail = d->rra[i].pdp == 1;
	}
	for (size_t k = 0; k < m->to_def->ds_n; k++)
		m->column[k] = series_ds_index(d, m->to_def->ds[k].name);
}

/* Is a better than b for a row of res_s? */
static bool
is_better(const struct source *a, const struct source *b, int64_t res_s)
{
	bool a_fine = a->res_s <= res_s, b_fine = b->res_s <= res_s;
	bool a_even = a_fine && res_s % a->res_s == 0, b_even = b_fine && res_s % b->res_s == 0;

	if (a_fine != b_fine)
		return a_fine;
	if (a_even != b_even)
		return a_even;
	return a_fine ? a->res_s > b->res_s : a->res_s < b->res_s;
}

/* The archive for the time (from, to], or one that has its beginning, or NULL. */
static const struct source *
choose(const struct move *m, char cf, int64_t from, int64_t to, bool whole)
{
	const struct source *best = NULL;

	for (int any = 0; any < 2 && best == NULL; any++)
		for (size_t i = 0; i < m->from_def->rra_n; i++) {
			const struct source *s = &m->src[i];

			if (s->start <= from && (whole ? s->end >= to : s->end > from) &&
			    (s->cf == cf || s->is_detail || (any && s->cf == 'V')) &&
			    (best == NULL || is_better(s, best, to - from)))
				best = s;
		}
	return best;
}

/* What the archive has of (from, to], which it covers. */
static void
add_up(struct sum *sum, const struct source *s, size_t width, size_t column, int64_t from, int64_t to)
{
	for (int64_t begin = from - from % s->res_s; begin < to; begin += s->res_s) {
		size_t back = (size_t)((s->newest - begin) / s->res_s - 1);
		size_t row = (size_t)(s->ptr + s->n - back) % s->n;
		int64_t a = begin > from ? begin : from;
		int64_t b = begin + s->res_s < to ? begin + s->res_s : to;
		double v = s->rows[row * width + column];

		if (!isfinite(v))
			continue;
		sum->sum += v * (double)(b - a);
		sum->known_s += (double)(b - a);
		sum->least = v < sum->least ? v : sum->least;
		sum->most = v > sum->most ? v : sum->most;
	}
}

static double
result(const struct sum *s, char cf)
{
	return cf == 'V' ? s->sum / s->known_s : cf == 'I' ? s->least : s->most;
}

/* All values of the row (from, to]. */
static void
make_row(const struct move *m, char cf, int64_t from, int64_t to, double *out)
{
	const struct source *s = choose(m, cf, from, to, true);
	double whole_s = (double)(to - from);

	for (size_t k = 0; k < m->to_def->ds_n; k++) {
		const struct series_ds *ds = &m->to_def->ds[k];
		struct sum sum = nothing;
		double v;

		if (s != NULL && m->column[k] >= 0)
			add_up(&sum, s, m->from_def->ds_n, (size_t)m->column[k], from, to);
		v = sum.known_s > 0 && whole_s - sum.known_s <= XFF * whole_s ? result(&sum, cf) : NAN;
		out[k] = v < ds->min || v > ds->max ? NAN : v;
	}
}

/* The row that archive i will write next has gathered (from, to] so far. */
static void
begin_row(const struct move *m, uint8_t *head, size_t i, int64_t from, int64_t to)
{
	char cf = m->to_def->rra[i].cf[1];
	struct sum sum[SERIES_DS_MAX];
	const struct source *s;
	int64_t step = m->to_def->step_s, till;

	for (size_t k = 0; k < m->to_def->ds_n; k++)
		sum[k] = nothing;
	for (int64_t at = from; at < to && (s = choose(m, cf, at, to, false)) != NULL; at = till) {
		till = s->end < to ? s->end : to;
		if (s->res_s <= till - at)
			till -= till % s->res_s;
		if (till <= at)
			break;
		for (size_t k = 0; k < m->to_def->ds_n; k++)
			if (m->column[k] >= 0)
				add_up(&sum[k], s, m->from_def->ds_n, (size_t)m->column[k], at, till);
	}
	for (size_t k = 0; k < m->to_def->ds_n; k++) {
		int64_t known = (int64_t)(sum[k].known_s / (double)step + 0.5);
		double v = known > 0 ? result(&sum[k], cf) : NAN;

		rrdimage_preset(head, m->to_def, i, k, cf == 'V' ? v * (double)known : v,
		    (uint64_t)((to - from) / step - known));
	}
}

int64_t
rrdmove(uint8_t *to, const struct series_def *to_def, const uint8_t *from,
    const struct series_def *from_def, int64_t last, int64_t upto)
{
	struct move m = { .to_def = to_def, .from_def = from_def };
	int64_t newest = upto < last ? upto : last;

	newest -= newest % to_def->step_s;
	open_sources(&m, from, last, newest);
	rrdimage_init(to, to_def, newest);
	for (size_t i = 0; i < to_def->rra_n; i++) {
		const struct series_rra *a = &to_def->rra[i];
		double *rows = (double *)(void *)(to + rrdimage_archive(to_def, i));
		int64_t res_s = (int64_t)a->pdp * to_def->step_s, end = newest - newest % res_s;

		/* A new file's pointer stands at its last row. */
		for (int64_t n = 0; n < a->rows; n++)
			make_row(&m, a->cf[1], end - (n + 1) * res_s, end - n * res_s,
			    rows + (size_t)(a->rows - 1 - n) * to_def->ds_n);
		if (a->pdp > 1)
			begin_row(&m, to, i, end, newest);
	}
	rrdimage_seal(to, to_def);
	return newest;
}
