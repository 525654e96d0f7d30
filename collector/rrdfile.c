/*
 * rrdfile.c - the system calls around rrdimage.c (see rrdfile.h).
 */
#include "collector/rrdfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/rrdmove.h"
#include "common/mem.h"

#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define FILE_MAX (INT64_C(1) << 30)	/* that one whole file may have when it is moved */
#define CHUNK (64 * 1024)

static int
put_all(int fd, const void *data, size_t n, int64_t off)
{
	const uint8_t *p = data;
	ssize_t put;

	while (n > 0) {
		put = pwrite(fd, p, n, off);
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put == 0)
			return -EIO;
		if (put > 0)
			p += put, off += put, n -= (size_t)put;
	}
	return 0;
}

static ssize_t
get_all(int fd, void *data, size_t n)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = pread(fd, (uint8_t *)data + have, n - have, (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* Opens a plain file; its descriptor or -errno. */
static int
open_plain(const char *path, int how, struct stat *st, char *why, size_t n)
{
	int fd = open(path, how | OPEN_FLAGS), r;

	if (fd < 0) {
		r = errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EBADMSG : -errno;
		return rrd_say(why, n, r, "%s", r == -EBADMSG ? "no plain file" : strerror(errno));
	}
	if (fstat(fd, st) != 0)
		r = rrd_say(why, n, -errno, "%s", strerror(errno));
	else
		r = S_ISREG(st->st_mode) ? 0 : rrd_say(why, n, -EBADMSG, "no plain file");
	if (r != 0)
		close(fd);
	return r != 0 ? r : fd;
}

/* Reads the head into p, rrdimage_head() bytes, and checks it. */
static int
read_head(int fd, const struct stat *st, uint8_t *p, const struct series_def *d, int64_t now, int64_t *last,
    char *why, size_t n)
{
	ssize_t got = get_all(fd, p, rrdimage_head(d));

	if (got < 0)
		return rrd_say(why, n, (int)got, "%s", strerror((int)-got));
	return rrdimage_check(p, (size_t)got, st->st_size, d, now, last, why, n);
}

int
rrdfile_check(const char *path, const struct series_def *d, int64_t now, int64_t *last, char *why, size_t n)
{
	struct stat st;
	uint8_t *head;
	int fd = open_plain(path, O_RDONLY, &st, why, n), r;

	*last = 0;
	if (fd < 0)
		return fd;
	head = xmalloc(rrdimage_head(d));
	r = read_head(fd, &st, head, d, now, last, why, n);
	free(head);
	close(fd);
	return r;
}

int
rrdfile_check_any(const char *path, int64_t now, char *why, size_t n)
{
	struct series_def d;
	struct stat st;
	uint8_t *head;
	int64_t last;
	ssize_t got;
	int fd = open_plain(path, O_RDONLY, &st, why, n), r;

	if (fd < 0)
		return fd;
	head = xmalloc(RRDIMAGE_HEAD_MAX);
	got = get_all(fd, head, RRDIMAGE_HEAD_MAX);
	r = got < 0 ? rrd_say(why, n, (int)got, "%s", strerror((int)-got)) :
	    rrdimage_layout(head, (size_t)got, &d, why, n);
	if (r == 0)
		r = rrdimage_check(head, (size_t)got, st.st_size, &d, now, &last, why, n);
	free(head);
	close(fd);
	return r == -ESTALE ? -EBADMSG : r;
}

/* ------------------------------------------------------------------- making */

/* Opens "PATH.new", empty; the name is malloc'd into *name. */
static int
begin_new(const char *path, char **name, char *why, size_t n)
{
	int fd;

	*name = xasprintf("%s.new", path);
	unlink(*name);			/* of a process that was killed in the midst of it */
	fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | OPEN_FLAGS, 0600);
	return fd >= 0 ? fd : rrd_say(why, n, -errno, "%s: %s", *name, strerror(errno));
}

/* Renames it to path when r is 0, else takes it away. Frees name; fd < 0: there is none. */
static int
end_new(const char *path, char *name, int fd, int r, char *why, size_t n)
{
	if (fd < 0) {
		free(name);
		return fd;
	}
	if (r != 0)
		rrd_say(why, n, r, "create: %s", strerror(-r));
	if (close(fd) != 0 && r == 0)
		r = rrd_say(why, n, -errno, "create: %s", strerror(errno));
	if (r == 0 && rename(name, path) != 0)
		r = rrd_say(why, n, -errno, "rename: %s", strerror(errno));
	if (r != 0)
		unlink(name);
	free(name);
	return r;
}

int
rrdfile_create(const char *path, const struct series_def *d, int64_t start, char *why, size_t n)
{
	size_t head_n = rrdimage_head(d);
	int64_t at = (int64_t)head_n, end = rrdimage_size(d);
	double *unknown = xmalloc(CHUNK);
	uint8_t *head = xmalloc(head_n);
	char *name;
	int fd = begin_new(path, &name, why, n), r = fd < 0 ? fd : 0;

	for (size_t i = 0; i < CHUNK / sizeof *unknown; i++)
		unknown[i] = NAN;
	if (fd >= 0) {
		rrdimage_init(head, d, start);
		r = put_all(fd, head, head_n, 0);
	}
	while (r == 0 && at < end) {
		size_t len = end - at < CHUNK ? (size_t)(end - at) : CHUNK;

		r = put_all(fd, unknown, len, at);
		at += (int64_t)len;
	}
	free(unknown);
	free(head);
	return end_new(path, name, fd, r, why, n);
}

/* The whole file in malloc'd memory and its shape, when sound. */
static int
read_whole(const char *path, uint8_t **image, struct series_def *d, int64_t now, int64_t *last, char *why,
    size_t n)
{
	struct stat st;
	int fd = open_plain(path, O_RDONLY, &st, why, n), r;
	ssize_t got;

	*image = NULL;
	if (fd < 0)
		return fd;
	if (st.st_size > FILE_MAX) {
		r = rrd_say(why, n, -EBADMSG, "%jd bytes are too many", (intmax_t)st.st_size);
		goto out;
	}
	*image = xmalloc((size_t)st.st_size + 1);
	got = get_all(fd, *image, (size_t)st.st_size);
	r = got < 0 ? rrd_say(why, n, (int)got, "%s", strerror((int)-got)) :
	    rrdimage_layout(*image, (size_t)got, d, why, n);
	if (r == 0)
		r = rrdimage_check(*image, (size_t)got, got, d, now, last, why, n);
out:
	close(fd);
	if (r != 0) {
		free(*image);
		*image = NULL;
	}
	return r == -ESTALE ? -EBADMSG : r;
}

int
rrdfile_move(const char *to, const struct series_def *d, const char *from, int64_t now, int64_t upto,
    int64_t *last, char *why, size_t n)
{
	struct series_def from_def;
	uint8_t *old, *image;
	char *name;
	int fd, r = read_whole(from, &old, &from_def, now, last, why, n);

	if (r != 0)
		return r;
	image = xmalloc((size_t)rrdimage_size(d));
	*last = rrdmove(image, d, old, &from_def, *last, upto);
	free(old);
	fd = begin_new(to, &name, why, n);
	if (fd >= 0)
		r = put_all(fd, image, (size_t)rrdimage_size(d), 0);
	r = end_new(to, name, fd, r, why, n);
	free(image);
	return r;
}

/* ---------------------------------------------------------------- appending */

struct file_sink {
	struct rrd_sink sink;
	int fd;
	int error;			/* the first */
};

static void
put_to_file(struct rrd_sink *sink, int64_t off, const void *data, size_t n)
{
	struct file_sink *f = (struct file_sink *)sink;

	if (f->error == 0)
		f->error = put_all(f->fd, data, n, off);
}

static int
write_rows(int fd, const struct stat *st, uint8_t *head, const struct series_def *d, struct rrd_append *a,
    char *why, size_t n)
{
	struct file_sink f = { .sink = { put_to_file }, .fd = fd };
	struct rrd_rows rows = a->rows;
	int r;

	for (a->late = 0; rows.n > 0 && rows.t[0] <= a->last; a->late++)
		rows.t++, rows.v += d->ds_n, rows.n--;
	if (a->last < a->written)
		return rrd_say(why, n, -EBADMSG, "another file lies there: it ends at %" PRId64 ", not %" PRId64, a->last,
		    a->written);
	if (a->late > 0 && a->repeat_is_stale)
		return rrd_say(why, n, -ERANGE, "it holds rows up to %" PRId64 " already", a->last);
	if (rows.n == 0)
		return 0;
	r = rrdimage_feed(head, d, &rows, &f.sink);
	if (r != 0)
		return rrd_say(why, n, r, "a row is off the grid");
	r = f.error;
	if (r == 0) {
		if (a->note != NULL)
			a->note->head(a->note, st->st_ino, head, rrdimage_head(d));
		r = put_all(fd, head, rrdimage_head(d), 0);
		if (a->note != NULL && r == 0)
			a->note->head(a->note, 0, NULL, 0);
	}
	return r == 0 ? 0 : rrd_say(why, n, r, "write: %s", strerror(-r));
}

int
rrdfile_append(const char *path, const struct series_def *d, struct rrd_append *a, char *why, size_t n)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;
	uint8_t *head;
	int fd = open_plain(path, O_RDWR, &st, why, n), r;

	if (fd < 0)
		return fd;
	head = xmalloc(rrdimage_head(d));
	if (fcntl(fd, F_SETLK, &lock) != 0)
		r = errno == EACCES || errno == EAGAIN ? rrd_say(why, n, -EAGAIN, "locked by another process") :
		    rrd_say(why, n, -errno, "lock: %s", strerror(errno));
	else
		r = read_head(fd, &st, head, d, a->now, &a->last, why, n);
	if (r == 0)
		r = write_rows(fd, &st, head, d, a, why, n);
	free(head);
	close(fd);
	return r;
}

int
rrdfile_redo(const char *path, uint64_t inode, const uint8_t *head, size_t len)
{
	struct stat st;
	char why[64];
	int fd = open_plain(path, O_RDWR, &st, why, sizeof why), r;

	if (fd < 0)
		return fd;
	r = st.st_ino == inode && st.st_size > (off_t)len ? put_all(fd, head, len, 0) : -ESTALE;
	close(fd);
	return r;
}

int
rrdfile_update(const char *path, const struct series_def *d, const struct rrd_row *row, size_t rows,
    char *why, size_t n)
{
	int64_t *t = xcalloc(rows + 1, sizeof *t);
	double *v = xcalloc(rows * d->ds_n + 1, sizeof *v);
	struct rrd_append a = { .rows = { t, v, rows }, .now = INT64_MAX / 2 };
	int r;

	for (size_t i = 0; i < rows; i++) {
		t[i] = row[i].t;
		for (size_t k = 0; k < d->ds_n; k++)
			v[i * d->ds_n + k] = isfinite(row[i].v[k]) ? row[i].v[k] : NAN;
	}
	r = rrdfile_append(path, d, &a, why, n);
	if (r == 0 && a.late > 0)
		r = rrd_say(why, n, -EINVAL, "rows are not later than the last, %" PRId64, a.last);
	free(v);
	free(t);
	return r;
}
