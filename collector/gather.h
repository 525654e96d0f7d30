/*
 * gather.h - rows of one RRD file before they are written (pure).
 *
 * Rows may come in any order; they leave ascending, one for each slot, with a
 * row of unknowns wherever slots are missing, so that librrd never paints a
 * value over a hole.  Bounded: GATHER_MAX rows; the caller writes them before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/rrdfile.h"

#define GATHER_MAX 4096

struct gather {				/* all zero: empty */
	struct rrd_row *row;		/* ascending */
	size_t n, cap;
	uint64_t first_seq;		/* lowest record that a row came from; 0: no rows */
	int64_t oldest_ns;		/* monotonic: when the first of them came */
};

enum gather_result {
	GATHER_ADDED,
	GATHER_REPEAT,			/* the slot has a row already: the first stays */
	GATHER_FULL,
};

/* v: ds values, copied. seq: the record of the journal that it came from. */
enum gather_result gather_add(struct gather *, int64_t t, const double *v, size_t ds, uint64_t seq,
    int64_t now_ns);
/* Is it time to write? */
bool gather_is_due(const struct gather *, size_t rows, int64_t age_ns, int64_t now_ns);
/*
 * The rows later than last with unknowns between them; malloc'd into *out, owned by the caller.
 * *late counts those that are not later than last: they cannot be written any more.
 */
size_t gather_rows(const struct gather *, int64_t last, uint32_t step_s, size_t ds, struct rrd_row **out,
    size_t *late);
void gather_empty(struct gather *);
void gather_fini(struct gather *);
