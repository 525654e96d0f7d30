/*
 * spool_gap.h - what the spool has lost and not yet told (pure but for the file "gap").
 *
 * One Gap for each reason; what is lost again for the same reason widens it.
 * What is being told is kept apart: whether a batch that was written while the
 * disk failed stands is known only later, by finding exactly these gaps in it.
 *
 * The file "gap" is a packed Batch that has nothing but gaps; the last base_ns
 * of them are those being told.  A crash may leave it older than the batch that
 * tells them, never newer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/disk.h"
#include "common/linkwatch.pb-c.h"

enum gap_reason { GAP_SPOOL_FULL, GAP_DISK, GAP_DAMAGED, GAP_REASONS };

struct gap {
	uint64_t count;			/* samples; 0 may be true of GAP_DAMAGED only: unknown */
	int64_t from_ns, to_ns;
	uint64_t first_seq, last_seq;	/* 0: they never had numbers */
	bool any;
};

struct gaps {
	struct gap gap[GAP_REASONS];
	struct gap telling[GAP_REASONS];
};

/* Is there a loss that is not told, or being told? */
bool gaps_any(const struct gaps *);
/* Widens the gap of this reason; if !lost->any, nothing. */
void gaps_add(struct gaps *, enum gap_reason, const struct gap *lost);
/* What there is is being told from now on.  false: there is nothing, or an earlier telling is not
 * resolved. */
bool gaps_tell(struct gaps *);
/* It was told, or it was not and is to be told again. */
void gaps_resolve(struct gaps *, bool told);
/* Do these bytes (a packed Batch) tell exactly what is being told? */
bool gaps_are_told_by(const struct gaps *, const void *data, size_t len);
/* Between a gaps_tell() that gave true and its gaps_resolve()? */
bool gaps_are_being_told(const struct gaps *);
/*
 * Counts the samples of a packed batch into *lost (its numbers only if numbered); the gaps that it
 * would have told go to *again, to be told by another.  -EBADMSG.
 */
int gap_count_batch(struct gap *lost, struct gaps *again, const void *data, size_t len,
    bool numbered);
/* Packs the Batch that tells what is being told. *out is malloc'd. */
void gaps_pack(const struct gaps *g, const uint8_t *boot_id, uint64_t seq, uint8_t **out,
    size_t *len);
/* The file "gap": written, or removed if there is nothing to tell. 0 or -errno. */
int gaps_save(const struct gaps *, struct disk *disk);
/* Missing or damaged: nothing. */
void gaps_load(struct gaps *, struct disk *disk);
