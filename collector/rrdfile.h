/*
 * rrdfile.h - the only calls that make and write RRD files.
 *
 * librrd trusts its files: a damaged one can crash it, a far stamp bricks one
 * for ever.  So a file is read and compared with what it must look like
 * before librrd sees it, and so is every stamp and value.  Blocking.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/series.h"

struct rrd_row {
	int64_t t;			/* end of the slot, seconds */
	double v[SERIES_DS_MAX];	/* ds_n of them */
};

/*
 * 0: *last is the stamp of its last row.  -ENOENT: no file.  -ESTALE: sound, but another step or
 * other data sources than def wants.  -EBADMSG: damaged, no plain file, or its last row lies
 * behind now + 1 day.  Or -errno of reading it.  why gets a line.
 */
int rrdfile_check(const char *path, const struct series_def *, int64_t now, int64_t *last,
    char *why, size_t n);
/* Makes a file whose first row may be at start + step. 0 or -errno (often -ENOSPC). */
int rrdfile_create(const char *path, const struct series_def *, int64_t start, char *why, size_t n);
/*
 * Writes rows in one call. They must ascend, lie on the grid and be later than the last row of a file
 * that rrdfile_check() found sound.  0; -EAGAIN: another process has locked it; -EBADMSG: librrd
 * refused (why says what).
 */
int rrdfile_update(const char *path, const struct series_def *, const struct rrd_row *, size_t rows,
    char *why, size_t n);
