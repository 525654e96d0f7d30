/*
 * rrdfile.h - RRD files on disk: made, appended to, moved to another shape.
 *
 * rrdimage.c knows the bytes; here are the system calls.  librrd writes none of
 * them: a damaged file can crash it, one stamp of 2100 closes a file to it for ever,
 * and a process that is killed in it may leave a file half written.  Here a file is
 * checked before each use, and:
 *  - it is made and moved beside its name and renamed, so there is never a part of one;
 *  - an update writes the rows first, which no one sees yet, then the head; the head is
 *    noted elsewhere before (struct rrd_note), so that a kill in the midst of it is
 *    made good by rrdfile_redo();
 *  - nothing is mapped: a full disk is an error, not a signal.
 * The file is locked as librrd does meanwhile.  Blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/rrdimage.h"

struct rrd_note {
	/* The head that will stand in that file (its inode), valid until the next call; len 0: it stands there. */
	void (*head)(struct rrd_note *, uint64_t inode, const uint8_t *head, size_t len);
};

struct rrd_append {
	struct rrd_rows rows;		/* in: ascending; those not later than the file's last are left out */
	int64_t now;			/* in: seconds */
	struct rrd_note *note;		/* in: or NULL */
	int64_t written;		/* in: its last row must not be before this; 0: whatever */
	bool repeat_is_stale;		/* in: a row that is not later than the last is -ERANGE instead */
	int64_t last;			/* out: stamp of the last row before */
	size_t late;			/* out: rows left out */
};

/*
 * 0: *last is the stamp of its last row.  -ENOENT: no file.  -ESTALE: sound, but another step or
 * other data sources than def wants.  -EBADMSG: damaged, no plain file, or its last row lies
 * behind now + 1 day.  Or -errno of reading it.  why gets a line.
 */
int rrdfile_check(const char *path, const struct series_def *, int64_t now, int64_t *last,
    char *why, size_t n);
/* The same for a file of whatever shape, before librrd reads it: 0, -ENOENT, -EBADMSG or -errno. */
int rrdfile_check_any(const char *path, int64_t now, char *why, size_t n);
/* Makes a file whose first row may be at start + step. 0 or -errno (often -ENOSPC). */
int rrdfile_create(const char *path, const struct series_def *, int64_t start, char *why, size_t n);
/*
 * Checks as rrdfile_check() and appends, by one opening.  Besides its errors: -EAGAIN, another process has
 * locked it; -EINVAL, a row off the grid or behind 2099.  A file that lost rows is -EBADMSG.
 */
int rrdfile_append(const char *path, const struct series_def *, struct rrd_append *, char *why, size_t n);
/*
 * Makes `to` of shape def with the history that `from` has up to the stamp upto (INT64_MAX: all), whatever
 * shape that has; they may be the same.  *last is the stamp of the last row.  -EBADMSG: from is damaged.
 */
int rrdfile_move(const char *to, const struct series_def *, const char *from, int64_t now, int64_t upto,
    int64_t *last, char *why, size_t n);
/* A head that was noted, and perhaps not written: writes it, if path is still that file. 0 or -errno. */
int rrdfile_redo(const char *path, uint64_t inode, const uint8_t *head, size_t len);

struct rrd_row {
	int64_t t;			/* end of the slot, seconds */
	double v[SERIES_DS_MAX];	/* ds_n of them */
};
/* Appends rows that all are later than the file's last; infinite values count as unknown. */
int rrdfile_update(const char *path, const struct series_def *, const struct rrd_row *, size_t rows,
    char *why, size_t n);
