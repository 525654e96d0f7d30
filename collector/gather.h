/*
 * gather.h - rows of one RRD file before they are written (pure).
 *
 * Rows may come in any order; they leave ascending, one for each slot.
 * Bounded: GATHER_MAX rows; the caller writes them before.
 *
 * When to write is spread by a phase that each series has of its own: a series of
 * step 1 s with 60 rows a call is written at its second of every minute, whenever
 * the store began.  So ten thousand files take turns and never go in one breath.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/rrdimage.h"

#define GATHER_MAX 4096
#define GATHER_SLACK 2			/* newest rows that stay when a round ends: one before them may still come */

struct gather {				/* all zero: empty */
	int64_t *t;			/* ascending */
	double *v;			/* n x ds */
	uint64_t *seq;			/* the record that each came from */
	size_t n, cap, ds;
	uint64_t first_seq;		/* the lowest of them; 0: no rows */
	int64_t oldest_ns;		/* monotonic: when the first of them came */
};

enum gather_result {
	GATHER_ADDED,
	GATHER_REPEAT,			/* the slot has a row already: the first stays */
	GATHER_FULL,
};

/*
 * v: ds values, copied; ds is the same for all rows that wait. seq: the record of the journal that it
 * came from.
 */
enum gather_result gather_add(struct gather *, int64_t t, const double *v, size_t ds, uint64_t seq,
    int64_t now_ns);
/* Does a row of slot t (its number: t / step) end a round of that many rows? */
bool gather_ends_round(uint64_t slot, uint32_t phase, size_t rows);
/* Has the oldest row waited past its series' turn?  There is one turn in each age_ns. */
bool gather_is_due(const struct gather *, uint32_t phase, int64_t age_ns, int64_t now_ns);
/* All but the newest `but`; valid until the next call. */
struct rrd_rows gather_rows(const struct gather *, size_t but);
/* Forgets the n oldest rows: they are written. */
void gather_drop(struct gather *, size_t n, int64_t now_ns);
void gather_empty(struct gather *);
void gather_fini(struct gather *);
