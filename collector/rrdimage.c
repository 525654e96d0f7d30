/*
 * rrdimage.c - the format of librrd 1.4 to 1.9 on a 64-bit machine, native byte order:
 *
 *   head   "RRD\0" "0003\0" or later, double 8.642135E130 at 16, ds_cnt at 24,
 *          rra_cnt at 32, pdp_step at 40, 10 words that librrd leaves alone: 128 bytes;
 *          ours: "LWCRC32C" at 48, at 56 the CRC of head to ptr without these 16 bytes
 *   ds     for each: name[20] type[20] heartbeat min max, 7 words: 120 bytes
 *   rra    for each: cf[20] (4) row_cnt pdp_cnt xff, 9 words: 120 bytes
 *   live   last update: seconds, microseconds: 16 bytes
 *   pdp    for each ds: last_ds[30] (2) unknown seconds, value, 8 words: 112 bytes
 *   cdp    for each rra and ds: value so far, unknown steps so far, 6 words, last
 *          row, fill: 80 bytes
 *   ptr    for each rra: current row: 8 bytes
 *   data   for each rra: row_cnt x ds_cnt doubles, a ring
 *
 * Rows on the grid leave nothing in pdp.  cdp gathers the row that each coarse
 * archive will write next: a sum, or the least or greatest, and a count of unknown
 * steps; a row of more than XFF unknown ones is unknown (rrd_update.c of librrd:
 * update_cdp, initialize_cdp_val; tests/unit/collector/test_rrdimage.c compares).
 */
#include "collector/rrdimage.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "common/mem.h"

#define HEAD 128
#define DS 120
#define RRA 120
#define LIVE 16
#define PDP 112
#define CDP 80
#define PTR 8
#define COOKIE 8.642135E130
#define SEAL "LWCRC32C"
#define SEAL_AT 48
#define SEAL_LEN 16
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define DAY_S 86400
#define TIME_MAX INT64_C(4102444800)	/* 2100-01-01 */
#define XFF 0.9
#define CDP_VALUE 0
#define CDP_UNKNOWN 8
#define CDP_PRIMARY 64
#define CDP_SECONDARY 72

static const char *const cfs[] = { "AVERAGE", "MIN", "MAX" };

int
rrd_say(char *why, size_t n, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, n, fmt, ap);
	va_end(ap);
	return r;
}

static uint64_t
word(const uint8_t *p, size_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof v);
	return v;
}

static double
real(const uint8_t *p, size_t off)
{
	double v;

	memcpy(&v, p + off, sizeof v);
	return v;
}

static void
put_word(uint8_t *p, size_t off, uint64_t v)
{
	memcpy(p + off, &v, sizeof v);
}

static void
put_real(uint8_t *p, size_t off, double v)
{
	memcpy(p + off, &v, sizeof v);
}

static bool
same_real(double a, double b)
{
	return isnan(a) ? isnan(b) : a >= b && a <= b;
}

/* ------------------------------------------------------------------- places */

static size_t
live_at(const struct series_def *d)
{
	return HEAD + d->ds_n * DS + d->rra_n * RRA;
}

static size_t
pdp_at(const struct series_def *d, size_t ds)
{
	return live_at(d) + LIVE + ds * PDP;
}

static size_t
cdp_at(const struct series_def *d, size_t rra, size_t ds)
{
	return pdp_at(d, d->ds_n) + (rra * d->ds_n + ds) * CDP;
}

static size_t
ptr_at(const struct series_def *d, size_t rra)
{
	return cdp_at(d, d->rra_n, 0) + rra * PTR;
}

size_t
rrdimage_head(const struct series_def *d)
{
	return ptr_at(d, d->rra_n);
}

int64_t
rrdimage_archive(const struct series_def *d, size_t i)
{
	int64_t rows = 0;

	for (size_t k = 0; k < i; k++)
		rows += d->rra[k].rows;
	return (int64_t)rrdimage_head(d) + rows * (int64_t)(d->ds_n * sizeof(double));
}

int64_t
rrdimage_size(const struct series_def *d)
{
	return rrdimage_archive(d, d->rra_n);
}

uint64_t
rrdimage_pointer(const uint8_t *head, const struct series_def *d, size_t i)
{
	return word(head, ptr_at(d, i));
}

static uint32_t
crc_of(const uint8_t *p, const struct series_def *d)
{
	uint32_t crc = crc32c(0, p, SEAL_AT);

	return crc32c(crc, p + SEAL_AT + SEAL_LEN, rrdimage_head(d) - SEAL_AT - SEAL_LEN);
}

void
rrdimage_seal(uint8_t *p, const struct series_def *d)
{
	memcpy(p + SEAL_AT, SEAL, 8);
	put_word(p, SEAL_AT + 8, crc_of(p, d));
}

/* ------------------------------------------------------------------- making */

/* What a coarse row begins with. */
static double
nothing_yet(const char *cf)
{
	return cf[0] == 'A' ? 0 : cf[1] == 'I' ? INFINITY : -INFINITY;
}

void
rrdimage_init(uint8_t *p, const struct series_def *d, int64_t last)
{
	memset(p, 0, rrdimage_head(d));
	memcpy(p, "RRD\0" "0003", 8);
	put_real(p, 16, COOKIE);
	put_word(p, 24, d->ds_n);
	put_word(p, 32, d->rra_n);
	put_word(p, 40, d->step_s);
	put_word(p, live_at(d), (uint64_t)last);
	for (size_t i = 0; i < d->ds_n; i++) {
		uint8_t *ds = p + HEAD + i * DS;

		snprintf((char *)ds, 20, "%s", d->ds[i].name);
		memcpy(ds + 20, "GAUGE", 6);
		put_word(ds, 40, d->heartbeat_s);
		put_real(ds, 48, d->ds[i].min);
		put_real(ds, 56, d->ds[i].max);
		memcpy(p + pdp_at(d, i), "U", 2);
	}
	for (size_t i = 0; i < d->rra_n; i++) {
		uint8_t *rra = p + HEAD + d->ds_n * DS + i * RRA;

		snprintf((char *)rra, 20, "%s", d->rra[i].cf);
		put_word(rra, 24, d->rra[i].rows);
		put_word(rra, 32, d->rra[i].pdp);
		put_real(rra, 40, XFF);
		put_word(p, ptr_at(d, i), d->rra[i].rows - 1);
		for (size_t k = 0; k < d->ds_n; k++) {
			uint8_t *c = p + cdp_at(d, i, k);

			put_real(c, CDP_VALUE, nothing_yet(d->rra[i].cf));
			put_word(c, CDP_UNKNOWN, (uint64_t)(last / d->step_s) % d->rra[i].pdp);
			put_real(c, CDP_PRIMARY, NAN);
			put_real(c, CDP_SECONDARY, NAN);
		}
	}
	rrdimage_seal(p, d);
}

void
rrdimage_preset(uint8_t *p, const struct series_def *d, size_t i, size_t ds, double sofar, uint64_t unknown)
{
	uint8_t *c = p + cdp_at(d, i, ds);

	put_real(c, CDP_VALUE, isnan(sofar) ? nothing_yet(d->rra[i].cf) : sofar);
	put_word(c, CDP_UNKNOWN, unknown);
}

/* ----------------------------------------------------------------- checking */

/* Is this the start of some RRD file of this machine? */
static int
check_magic(const uint8_t *p, size_t len, char *why, size_t n)
{
	if (len < HEAD)
		return rrd_say(why, n, -EBADMSG, "%zu bytes are too short for a header", len);
	if (memcmp(p, "RRD\0" "000", 7) != 0 || p[7] < '3' || p[7] > '5' || p[8] != 0)
		return rrd_say(why, n, -EBADMSG, "no RRD file of a version that we know");
	if (!same_real(real(p, 16), COOKIE))
		return rrd_say(why, n, -EBADMSG, "written by another kind of machine");
	return 0;
}

static int
layout_ds(const uint8_t *p, struct series_def *d, char *why, size_t n)
{
	for (size_t i = 0; i < d->ds_n; i++) {
		const uint8_t *ds = p + HEAD + i * DS;

		if (memchr(ds, '\0', 20) == NULL || ds[0] == '\0' || memcmp(ds + 20, "GAUGE", 6) != 0)
			return rrd_say(why, n, -EBADMSG, "data source %zu is no gauge", i);
		if (ds[strspn((const char *)ds, NAME_LETTERS)] != '\0')
			return rrd_say(why, n, -EBADMSG, "data source %zu has no proper name", i);
		memcpy(d->ds[i].name, ds, 20);
		d->ds[i].min = real(ds, 48);
		d->ds[i].max = real(ds, 56);
		d->heartbeat_s = (uint32_t)word(ds, 40);
	}
	return 0;
}

static int
layout_rra(const uint8_t *p, struct series_def *d, char *why, size_t n)
{
	for (size_t i = 0; i < d->rra_n; i++) {
		const uint8_t *rra = p + HEAD + d->ds_n * DS + i * RRA;
		uint64_t rows = word(rra, 24), pdp = word(rra, 32);

		for (size_t k = 0; k < sizeof cfs / sizeof cfs[0]; k++)
			if (strncmp((const char *)rra, cfs[k], 20) == 0)
				d->rra[i].cf = cfs[k];
		if (d->rra[i].cf == NULL || rows == 0 || rows > UINT32_MAX / 1024 || pdp == 0 ||
		    pdp > 86400 * 366)
			return rrd_say(why, n, -EBADMSG, "archive %zu is none of ours", i);
		d->rra[i].rows = (uint32_t)rows;
		d->rra[i].pdp = (uint32_t)pdp;
	}
	return 0;
}

int
rrdimage_layout(const uint8_t *p, size_t len, struct series_def *d, char *why, size_t n)
{
	int r = check_magic(p, len, why, n);
	uint64_t ds, rra, step;

	memset(d, 0, sizeof *d);
	if (r != 0)
		return r;
	ds = word(p, 24);
	rra = word(p, 32);
	step = word(p, 40);
	if (ds == 0 || ds > SERIES_DS_MAX || rra == 0 || rra > SERIES_RRA_MAX || step == 0 || step > 3600)
		return rrd_say(why, n, -EBADMSG, "%" PRIu64 " data sources, %" PRIu64 " archives, step %" PRIu64
		    " s: none of ours", ds, rra, step);
	d->ds_n = (size_t)ds;
	d->rra_n = (size_t)rra;
	d->step_s = (uint32_t)step;
	if (len < rrdimage_head(d))
		return rrd_say(why, n, -EBADMSG, "%zu bytes are too short for its header", len);
	r = layout_ds(p, d, why, n);
	return r != 0 ? r : layout_rra(p, d, why, n);
}

/* Do data sources and archives stand as def has them? -ESTALE: otherwise, but it may be sound. */
static int
check_layout(const uint8_t *p, const struct series_def *d, char *why, size_t n)
{
	if (word(p, 24) != d->ds_n || word(p, 32) != d->rra_n || word(p, 40) != d->step_s)
		return rrd_say(why, n, -ESTALE, "step %" PRIu64 " s, %" PRIu64 " data sources, %" PRIu64
		    " archives; wanted %u, %zu, %zu", word(p, 40), word(p, 24), word(p, 32), d->step_s,
		    d->ds_n, d->rra_n);
	for (size_t i = 0; i < d->ds_n; i++) {
		const uint8_t *ds = p + HEAD + i * DS;

		if (strncmp((const char *)ds, d->ds[i].name, 20) != 0 ||
		    strncmp((const char *)ds + 20, "GAUGE", 20) != 0 || word(ds, 40) != d->heartbeat_s ||
		    !same_real(real(ds, 48), d->ds[i].min) || !same_real(real(ds, 56), d->ds[i].max))
			return rrd_say(why, n, -ESTALE, "data source %zu is not %s", i, d->ds[i].name);
	}
	for (size_t i = 0; i < d->rra_n; i++) {
		const uint8_t *rra = p + HEAD + d->ds_n * DS + i * RRA;

		if (strncmp((const char *)rra, d->rra[i].cf, 20) != 0 || word(rra, 24) != d->rra[i].rows ||
		    word(rra, 32) != d->rra[i].pdp)
			return rrd_say(why, n, -ESTALE, "archive %zu is not %s of %u steps, %u rows", i,
			    d->rra[i].cf, d->rra[i].pdp, d->rra[i].rows);
	}
	return 0;
}

/* What changes with every update: times and pointers. The layout is as wanted. */
static int
check_live(const uint8_t *p, const struct series_def *d, int64_t now, int64_t *last, char *why, size_t n)
{
	size_t live = live_at(d);

	*last = (int64_t)word(p, live);
	if (word(p, live + 8) >= 1000000)
		return rrd_say(why, n, -EBADMSG, "last update has %" PRIu64 " microseconds", word(p, live + 8));
	if (*last < 0 || *last > now + DAY_S)
		return rrd_say(why, n, -EBADMSG, "last update %" PRId64 " lies in the future", *last);
	if (*last % d->step_s != 0)
		return rrd_say(why, n, -EBADMSG, "last update %" PRId64 " is not on the grid", *last);
	for (size_t i = 0; i < d->ds_n; i++)
		if (memchr(p + pdp_at(d, i), '\0', 30) == NULL || word(p, pdp_at(d, i) + 32) > d->step_s)
			return rrd_say(why, n, -EBADMSG, "state of data source %s is damaged", d->ds[i].name);
	for (size_t i = 0; i < d->rra_n; i++) {
		for (size_t k = 0; k < d->ds_n; k++)
			if (word(p, cdp_at(d, i, k) + CDP_UNKNOWN) > d->rra[i].pdp)
				return rrd_say(why, n, -EBADMSG, "state of archive %zu is damaged", i);
		if (word(p, ptr_at(d, i)) >= d->rra[i].rows)
			return rrd_say(why, n, -EBADMSG, "row pointer of archive %zu is out of range", i);
	}
	return 0;
}

static int
check_seal(const uint8_t *p, const struct series_def *d, char *why, size_t n)
{
	static const uint8_t none[SEAL_LEN];

	if (memcmp(p + SEAL_AT, none, SEAL_LEN) == 0)
		return 0;
	if (memcmp(p + SEAL_AT, SEAL, 8) != 0 || word(p, SEAL_AT + 8) != crc_of(p, d))
		return rrd_say(why, n, -EBADMSG, "its checksum is wrong: damaged, or changed by another program");
	return 0;
}

int
rrdimage_check(const uint8_t *p, size_t len, int64_t size, const struct series_def *d, int64_t now,
    int64_t *last, char *why, size_t n)
{
	int r = check_magic(p, len, why, n);

	*last = 0;
	if (r == 0 && len >= rrdimage_head(d))
		r = check_layout(p, d, why, n);
	if (r == 0 && (size != rrdimage_size(d) || len < rrdimage_head(d)))
		r = rrd_say(why, n, -EBADMSG, "%" PRId64 " bytes long, must be %" PRId64, size, rrdimage_size(d));
	if (r == 0)
		r = check_live(p, d, now, last, why, n);
	return r == 0 ? check_seal(p, d, why, n) : r;
}

/* ------------------------------------------------------------------ feeding */

/* What is being fed into one archive. */
struct feed {
	uint8_t *head;
	const struct series_def *d;
	struct rrd_sink *sink;
	size_t rra;
	double *cells;			/* rows that this archive has made and not yet put */
	size_t n, room;
};

/* Puts n rows behind the current one, around the end of the ring. */
static void
put_rows(struct feed *f, const double *v, size_t n)
{
	size_t width = f->d->ds_n * sizeof(double), rows = f->d->rra[f->rra].rows;
	int64_t at = rrdimage_archive(f->d, f->rra);
	size_t next = (word(f->head, ptr_at(f->d, f->rra)) + 1) % rows;

	if (n == 0)
		return;
	if (n > rows) {			/* the first of them would be overwritten at once */
		next = (next + n - rows) % rows;
		v += (n - rows) * f->d->ds_n;
		n = rows;
	}
	if (next + n > rows) {
		size_t fit = rows - next;

		f->sink->put(f->sink, at + (int64_t)(next * width), v, fit * width);
		f->sink->put(f->sink, at, v + fit * f->d->ds_n, (n - fit) * width);
	} else {
		f->sink->put(f->sink, at + (int64_t)(next * width), v, n * width);
	}
	put_word(f->head, ptr_at(f->d, f->rra), (next + n - 1) % rows);
}

static void
put_cells(struct feed *f)
{
	put_rows(f, f->cells, f->n);
	f->n = 0;
}

/* n rows of unknowns. */
static void
put_unknown(struct feed *f, uint64_t n)
{
	size_t rows = f->d->rra[f->rra].rows, chunk = f->room;
	uint64_t ptr;

	put_cells(f);
	if (n > rows) {
		ptr = word(f->head, ptr_at(f->d, f->rra));
		put_word(f->head, ptr_at(f->d, f->rra), (ptr + n % rows) % rows);
		n = rows;
	}
	for (size_t i = 0; i < chunk * f->d->ds_n; i++)
		f->cells[i] = NAN;
	for (; n > 0; n -= chunk) {
		chunk = n < chunk ? (size_t)n : chunk;
		put_rows(f, f->cells, chunk);
	}
}

/* The coarse row is complete: it goes out and the next begins. */
static void
end_cell(struct feed *f)
{
	const struct series_rra *a = &f->d->rra[f->rra];

	if (f->n == f->room)
		put_cells(f);
	for (size_t k = 0; k < f->d->ds_n; k++) {
		uint8_t *c = f->head + cdp_at(f->d, f->rra, k);
		uint64_t unknown = word(c, CDP_UNKNOWN);
		double v = real(c, CDP_VALUE);

		if ((double)unknown > a->pdp * XFF || unknown >= a->pdp)
			v = NAN;
		else if (a->cf[0] == 'A')
			v /= (double)(a->pdp - unknown);
		f->cells[f->n * f->d->ds_n + k] = v;
		put_real(c, CDP_PRIMARY, v);
		put_real(c, CDP_VALUE, nothing_yet(a->cf));
		put_word(c, CDP_UNKNOWN, 0);
	}
	f->n++;
}

/* n values, width doubles apart, go into what the coarse row has so far; the count of unknown ones. */
static size_t
add_up(double *sofar, const char *cf, const double *v, size_t width, size_t n)
{
	double s = isnan(*sofar) ? nothing_yet(cf) : *sofar;	/* librrd begins with NaN */
	size_t unknown = 0;

	for (size_t i = 0; i < n; i++, v += width)
		if (isnan(*v))
			unknown++;
		else if (cf[0] == 'A')
			s += *v;
		else if (cf[1] == 'I' ? *v < s : *v > s)
			s = *v;
	*sofar = s;
	return unknown;
}

/* n rows on end, of which the first is slot number first. */
static void
feed_run(struct feed *f, uint64_t first, const double *v, size_t n)
{
	const struct series_rra *a = &f->d->rra[f->rra];
	size_t ds = f->d->ds_n;

	if (a->pdp == 1) {
		put_cells(f);
		put_rows(f, v, n);
		return;
	}
	while (n > 0) {
		size_t left = a->pdp - (size_t)((first - 1) % a->pdp), take = n < left ? n : left;

		for (size_t k = 0; k < ds; k++) {
			uint8_t *c = f->head + cdp_at(f->d, f->rra, k);
			double sofar = real(c, CDP_VALUE);
			size_t unknown = add_up(&sofar, a->cf, v + k, ds, take);

			put_real(c, CDP_VALUE, sofar);
			put_word(c, CDP_UNKNOWN, word(c, CDP_UNKNOWN) + unknown);
		}
		if (take == left)
			end_cell(f);
		first += take;
		v += take * ds;
		n -= take;
	}
}

/* n slots without a row, of which the first is slot number first. */
static void
feed_hole(struct feed *f, uint64_t first, uint64_t n)
{
	uint32_t pdp = f->d->rra[f->rra].pdp;
	uint64_t left = pdp - (first - 1) % pdp, take = n < left ? n : left;

	if (pdp == 1) {
		put_unknown(f, n);
		return;
	}
	for (int part = 0; part < 2; part++) {
		for (size_t k = 0; k < f->d->ds_n; k++) {
			uint8_t *c = f->head + cdp_at(f->d, f->rra, k);

			put_word(c, CDP_UNKNOWN, word(c, CDP_UNKNOWN) + take);
		}
		if (take == left) {
			end_cell(f);
			put_unknown(f, (n - take) / pdp);
		}
		take = take == left ? (n - take) % pdp : 0;
		left = pdp;
	}
}

/* Every row's slot follows the one before, or leaves a hole. */
static void
feed_archive(struct feed *f, const struct rrd_rows *rows, int64_t last)
{
	uint32_t step = f->d->step_s;
	size_t i = 0, end;

	while (i < rows->n) {
		if (rows->t[i] > last + step)
			feed_hole(f, (uint64_t)(last / step + 1), (uint64_t)((rows->t[i] - last) / step - 1));
		for (end = i + 1; end < rows->n && rows->t[end] == rows->t[end - 1] + step;)
			end++;
		feed_run(f, (uint64_t)(rows->t[i] / step), rows->v + i * f->d->ds_n, end - i);
		last = rows->t[end - 1];
		i = end;
	}
	put_cells(f);
}

static void
feed_live(uint8_t *p, const struct series_def *d, int64_t last, const double *v)
{
	put_word(p, live_at(d), (uint64_t)last);
	put_word(p, live_at(d) + 8, 0);
	for (size_t k = 0; k < d->ds_n; k++) {
		uint8_t *pdp = p + pdp_at(d, k);

		memset(pdp, 0, 30);	/* nothing of a longer number before */
		if (isnan(v[k]))
			strcpy((char *)pdp, "U");
		else
			snprintf((char *)pdp, 30, "%.10g", v[k]);
		put_word(pdp, 32, 0);
		put_real(pdp, 40, isnan(v[k]) ? NAN : 0);
		for (size_t i = 0; i < d->rra_n; i++) {
			uint8_t *c = p + cdp_at(d, i, k);

			put_real(c, CDP_SECONDARY, v[k]);
			if (d->rra[i].pdp == 1)
				put_real(c, CDP_PRIMARY, v[k]);
		}
	}
}

int
rrdimage_feed(uint8_t *head, const struct series_def *d, const struct rrd_rows *rows, struct rrd_sink *sink)
{
	int64_t last = (int64_t)word(head, live_at(d)), before = last;
	struct feed f = { .head = head, .d = d, .sink = sink, .room = 64 };

	for (size_t i = 0; i < rows->n; i++) {
		if (rows->t[i] % d->step_s != 0 || rows->t[i] <= before || rows->t[i] >= TIME_MAX)
			return -EINVAL;
		before = rows->t[i];
	}
	if (rows->n == 0)
		return 0;
	f.cells = xcalloc(f.room * d->ds_n, sizeof *f.cells);
	for (f.rra = 0; f.rra < d->rra_n; f.rra++)
		feed_archive(&f, rows, last);
	free(f.cells);
	feed_live(head, d, before, rows->v + (rows->n - 1) * d->ds_n);
	rrdimage_seal(head, d);
	return 0;
}
