/*
 * rrdfile.c - RRD files: our own check of the bytes, then librrd.
 *
 * A file of librrd 1.4 to 1.9 on a 64-bit machine, native byte order:
 *   head   "RRD\0" "0003\0" or later, double 8.642135E130 at 16, ds_cnt at 24,
 *          rra_cnt at 32, pdp_step at 40, 10 unused words: 128 bytes
 *   ds     for each: name[20] type[20] heartbeat min max, 7 words: 120 bytes
 *   rra    for each: cf[20] (4) row_cnt pdp_cnt, 10 words: 120 bytes
 *   live   last update: seconds, microseconds: 16 bytes
 *   pdp    for each ds: last_ds[30] (2), 10 words: 112 bytes
 *   cdp    for each rra and ds: 10 words: 80 bytes
 *   ptr    for each rra: current row: 8 bytes
 *   data   for each rra: row_cnt x ds_cnt doubles
 */
#include "collector/rrdfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <rrd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define HEAD 128
#define DS 120
#define RRA 120
#define LIVE 16
#define PDP 112
#define CDP 80
#define PTR 8
#define COOKIE 8.642135E130
#define DAY_S 86400
#define XFF 0.9

static int __attribute__((format(printf, 4, 5)))
say(char *why, size_t n, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, n, fmt, ap);
	va_end(ap);
	return r;
}

/* ------------------------------------------------------------ our own check */

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

static bool
same_real(double a, double b)
{
	return isnan(a) ? isnan(b) : a >= b && a <= b;
}

static size_t
head_size(const struct series_def *d)
{
	return HEAD + d->ds_n * DS + d->rra_n * RRA + LIVE + d->ds_n * PDP + d->rra_n * d->ds_n * CDP +
	    d->rra_n * PTR;
}

static int64_t
file_size(const struct series_def *d)
{
	int64_t rows = 0;

	for (size_t i = 0; i < d->rra_n; i++)
		rows += d->rra[i].rows;
	return (int64_t)head_size(d) + rows * (int64_t)(d->ds_n * sizeof(double));
}

/* Is this the start of some RRD file of this machine? */
static int
check_magic(const uint8_t *p, size_t len, char *why, size_t n)
{
	double cookie;

	if (len < HEAD)
		return say(why, n, -EBADMSG, "%zu bytes are too short for a header", len);
	cookie = real(p, 16);
	if (memcmp(p, "RRD\0" "000", 7) != 0 || p[7] < '3' || p[7] > '5' || p[8] != 0)
		return say(why, n, -EBADMSG, "no RRD file of a version that we know");
	if (!same_real(cookie, COOKIE))
		return say(why, n, -EBADMSG, "written by another kind of machine");
	return 0;
}

/* Do data sources and archives stand as def has them? -ESTALE: otherwise, but it may be sound. */
static int
check_layout(const uint8_t *p, const struct series_def *d, char *why, size_t n)
{
	if (word(p, 24) != d->ds_n || word(p, 32) != d->rra_n || word(p, 40) != d->step_s)
		return say(why, n, -ESTALE, "step %" PRIu64 " s, %" PRIu64 " data sources, %" PRIu64
		    " archives; wanted %u, %zu, %zu", word(p, 40), word(p, 24), word(p, 32), d->step_s,
		    d->ds_n, d->rra_n);
	for (size_t i = 0; i < d->ds_n; i++) {
		const uint8_t *ds = p + HEAD + i * DS;

		if (strncmp((const char *)ds, d->ds[i].name, 20) != 0 ||
		    strncmp((const char *)ds + 20, "GAUGE", 20) != 0 || word(ds, 40) != d->heartbeat_s ||
		    !same_real(real(ds, 48), d->ds[i].min) || !same_real(real(ds, 56), d->ds[i].max))
			return say(why, n, -ESTALE, "data source %zu is not %s", i, d->ds[i].name);
	}
	for (size_t i = 0; i < d->rra_n; i++) {
		const uint8_t *rra = p + HEAD + d->ds_n * DS + i * RRA;

		if (strncmp((const char *)rra, d->rra[i].cf, 20) != 0 || word(rra, 24) != d->rra[i].rows ||
		    word(rra, 32) != d->rra[i].pdp)
			return say(why, n, -ESTALE, "archive %zu is not %s of %u steps, %u rows", i,
			    d->rra[i].cf, d->rra[i].pdp, d->rra[i].rows);
	}
	return 0;
}

/* What changes with every update: times and pointers. The layout is as wanted. */
static int
check_live(const uint8_t *p, const struct series_def *d, int64_t now, int64_t *last, char *why, size_t n)
{
	size_t off = HEAD + d->ds_n * DS + d->rra_n * RRA;

	*last = (int64_t)word(p, off);
	if (word(p, off + 8) >= 1000000)
		return say(why, n, -EBADMSG, "last update has %" PRIu64 " microseconds", word(p, off + 8));
	if (*last < 0 || *last > now + DAY_S)
		return say(why, n, -EBADMSG, "last update %" PRId64 " lies in the future", *last);
	off += LIVE;
	for (size_t i = 0; i < d->ds_n; i++)
		if (memchr(p + off + i * PDP, '\0', 30) == NULL || word(p, off + i * PDP + 32) > d->step_s)
			return say(why, n, -EBADMSG, "state of data source %s is damaged", d->ds[i].name);
	off += d->ds_n * PDP;
	for (size_t i = 0; i < d->rra_n; i++)
		for (size_t k = 0; k < d->ds_n; k++)
			if (word(p, off + (i * d->ds_n + k) * CDP + 8) > d->rra[i].pdp)
				return say(why, n, -EBADMSG, "state of archive %zu is damaged", i);
	off += d->rra_n * d->ds_n * CDP;
	for (size_t i = 0; i < d->rra_n; i++)
		if (word(p, off + i * PTR) >= d->rra[i].rows)
			return say(why, n, -EBADMSG, "row pointer of archive %zu is out of range", i);
	return 0;
}

static int
check_bytes(int fd, const struct series_def *d, int64_t now, int64_t *last, char *why, size_t n)
{
	size_t want = head_size(d);
	uint8_t *p = xcalloc(1, want);
	struct stat st;
	ssize_t got;
	int r;

	if (fstat(fd, &st) != 0) {
		r = say(why, n, -errno, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		r = say(why, n, -EBADMSG, "no plain file");
		goto out;
	}
	got = pread(fd, p, want, 0);
	if (got < 0) {
		r = say(why, n, -errno, "%s", strerror(errno));
		goto out;
	}
	if ((r = check_magic(p, (size_t)got, why, n)) != 0 ||
	    (r = (size_t)got < want ? 0 : check_layout(p, d, why, n)) != 0)
		goto out;
	if (st.st_size != file_size(d)) {
		r = say(why, n, -EBADMSG, "%jd bytes long, must be %" PRId64, (intmax_t)st.st_size, file_size(d));
		goto out;
	}
	r = check_live(p, d, now, last, why, n);
out:
	free(p);
	return r;
}

int
rrdfile_check(const char *path, const struct series_def *d, int64_t now, int64_t *last, char *why, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int r;

	*last = 0;
	if (fd < 0) {
		r = errno == ELOOP ? -EBADMSG : -errno;
		return say(why, n, r, "%s", strerror(errno));
	}
	r = check_bytes(fd, d, now, last, why, n);
	close(fd);
	return r;
}

/* ------------------------------------------------------------------- librrd */

/* What librrd said of its failure; it sometimes says nothing. */
static const char *
rrd_words(void)
{
	const char *s = rrd_get_error();

	return s != NULL && s[0] != '\0' ? s : "librrd does not say why";
}

static void
limit_text(char *out, size_t n, double v)
{
	if (isnan(v))
		snprintf(out, n, "U");
	else
		snprintf(out, n, "%.10g", v);
}

int
rrdfile_create(const char *path, const struct series_def *d, int64_t start, char *why, size_t n)
{
	char text[SERIES_DS_MAX + SERIES_RRA_MAX][96], min[32], max[32];
	const char *argv[SERIES_DS_MAX + SERIES_RRA_MAX];
	struct stat st;
	int argc = 0;

	for (size_t i = 0; i < d->ds_n; i++, argc++) {
		limit_text(min, sizeof min, d->ds[i].min);
		limit_text(max, sizeof max, d->ds[i].max);
		snprintf(text[argc], sizeof text[argc], "DS:%s:GAUGE:%u:%s:%s", d->ds[i].name, d->heartbeat_s,
		    min, max);
	}
	for (size_t i = 0; i < d->rra_n; i++, argc++)
		snprintf(text[argc], sizeof text[argc], "RRA:%s:%g:%u:%u", d->rra[i].cf, XFF, d->rra[i].pdp,
		    d->rra[i].rows);
	for (int i = 0; i < argc; i++)
		argv[i] = text[i];
	rrd_clear_error();
	errno = 0;
	if (rrd_create_r(path, d->step_s, start, argc, argv) != 0)
		return say(why, n, errno != 0 ? -errno : -EIO, "create: %s", rrd_words());
	/* On a full disk librrd may report success and leave nothing, or a part. */
	if (stat(path, &st) != 0 || st.st_size != file_size(d)) {
		unlink(path);
		return say(why, n, -ENOSPC, "create: no whole file was left");
	}
	return 0;
}

int
rrdfile_update(const char *path, const struct series_def *d, const struct rrd_row *row, size_t rows,
    char *why, size_t n)
{
	size_t width = 24 + d->ds_n * 24;
	char *text = xmalloc(rows * width + 1);
	const char **argv = xcalloc(rows + 1, sizeof *argv);
	int r = 0;

	for (size_t i = 0; i < rows; i++) {
		char *at = text + i * width;
		size_t used = (size_t)snprintf(at, width, "%" PRId64, row[i].t);

		argv[i] = at;
		for (size_t k = 0; k < d->ds_n; k++)
			if (isfinite(row[i].v[k]))
				used += (size_t)snprintf(at + used, width - used, ":%.12g", row[i].v[k]);
			else
				used += (size_t)snprintf(at + used, width - used, ":U");
	}
	rrd_clear_error();
	if (rows > 0 && rrd_update_r(path, NULL, (int)rows, argv) != 0)
		r = say(why, n, strstr(rrd_words(), "lock") != NULL ? -EAGAIN : -EBADMSG, "update: %s", rrd_words());
	free(argv);
	free(text);
	return r;
}
