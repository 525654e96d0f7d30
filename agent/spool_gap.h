/*
 * spool_gap.h - what the spool has lost and not yet told (pure but for the file "gap").
 *
 * One Gap for each reason; what is lost again for the same reason widens it.
 * The file "gap" holds them as a packed Batch that has nothing but gaps.
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

struct gaps { struct gap gap[GAP_REASONS]; };

bool gaps_any(const struct gaps *);
void gaps_add(struct gaps *, enum gap_reason, const struct gap *lost);
/*
 * Counts the samples of a packed batch into *lost (its numbers only if numbered); the gaps that it
 * would have told go to *again, to be told by another.  -EBADMSG.
 */
int gap_count_batch(struct gap *lost, struct gaps *again, const void *data, size_t len,
    bool numbered);
/* Packs a Batch that tells them. *out is malloc'd. */
void gaps_pack(const struct gaps *g, const uint8_t *boot_id, uint64_t seq, uint8_t **out,
    size_t *len);
/*
 * These bytes (a packed Batch) stand on the way to the collector: what they tell of *g is told.
 * g may have grown since they were written.  true: something was.
 */
bool gaps_forget_told(struct gaps *g, const void *data, size_t len);

/* The file "gap": written, or removed if there is nothing to tell. 0 or -errno. */
int gaps_save(const struct gaps *, struct disk *disk);
/* Missing or damaged: nothing. */
void gaps_load(struct gaps *, struct disk *disk);
