/*
 * rrdimage.h - the bytes of an RRD file: making, checking, feeding them (pure).
 *
 * The format is librrd's (rrdimage.c opens with it): rrdtool, rrd_fetch and
 * rrd_graph read what stands here.  Only the part before the rows, the head,
 * is in memory; rows leave through a sink.  Ours are narrower than librrd's
 * files: gauges, rows on the grid of the step, one for each slot.  So feeding
 * one is a copy and a few sums, without text: a tenth of what rrd_update takes.
 *
 * The head carries a CRC32C of itself in a word that librrd leaves alone.  A
 * file of librrd alone has none and is taken as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/series.h"

#define RRDIMAGE_HEAD_MAX (64 * 1024)	/* no head is longer */

struct rrd_rows {			/* borrowed */
	const int64_t *t;		/* ends of slots, seconds, ascending */
	const double *v;		/* n x ds_n, NaN: unknown */
	size_t n;
};

struct rrd_sink {
	/* n bytes for offset off of the file; called many times, in no order, also twice for one place. */
	void (*put)(struct rrd_sink *, int64_t off, const void *data, size_t n);
};

size_t rrdimage_head(const struct series_def *);	/* bytes of the head */
int64_t rrdimage_size(const struct series_def *);	/* bytes of the whole file */
/* Where the rows of archive i begin. */
int64_t rrdimage_archive(const struct series_def *, size_t i);
/* The row of archive i that was written last: 0 .. rows - 1. */
uint64_t rrdimage_pointer(const uint8_t *head, const struct series_def *, size_t i);

/* The head of a file whose rows are all unknown and whose first may be later than last. */
void rrdimage_init(uint8_t *head, const struct series_def *, int64_t last);
/* Writes the line into why (n bytes, cut) and gives r back. */
int rrd_say(char *why, size_t n, int r, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/*
 * What layout this head has, into *def: names, limits, archives.  -EBADMSG: none that we would make
 * (another machine's, counters, more than SERIES_DS_MAX sources ...); why gets a line.
 */
int rrdimage_layout(const uint8_t *head, size_t len, struct series_def *, char *why, size_t n);
/*
 * Is this the head of a sound file of that layout?  len: bytes at hand; size: of the file.  0 with *last, the
 * stamp of its last row.  -ESTALE: sound as far as one can see, but another layout.  -EBADMSG: damaged, or its
 * last row lies behind now + 1 day; why gets a line.
 */
int rrdimage_check(const uint8_t *head, size_t len, int64_t size, const struct series_def *, int64_t now,
    int64_t *last, char *why, size_t n);
/*
 * Appends rows: the archives' go to the sink, the head is brought up to date and sealed.  Slots without
 * a row become unknown.  The head must have passed the check; -EINVAL, nothing done: a row is not on the
 * grid, not later than the one before, or behind 2099.
 */
int rrdimage_feed(uint8_t *head, const struct series_def *, const struct rrd_rows *, struct rrd_sink *);
/* The coarse row that archive i is making has this so far: a sum or an extreme, NaN: nothing; unknown steps. */
void rrdimage_preset(uint8_t *head, const struct series_def *, size_t i, size_t ds, double sofar,
    uint64_t unknown);
/* Sets the CRC, for who changed the head by hand. */
void rrdimage_seal(uint8_t *head, const struct series_def *);
