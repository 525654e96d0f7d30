/*
 * spool.h - what was measured and not yet acknowledged, on disk.
 *
 * A journal (journal.h) of JREC_SPOOL records, each a packed Batch whose seq is
 * its record number.  The file "boot_id" names that numbering: 16 random bytes,
 * made with the spool and made anew whenever numbers could be used twice.
 *
 *  - A batch can be read only when it is durable, so nothing is ever sent that
 *    a crash could take back.
 *  - Acknowledged batches leave by whole segments; the first that is not yet
 *    acknowledged is kept in the cursor "acked", which is written with a put, and
 *    not with each.
 *  - Bounded: beyond max_bytes the oldest go, acknowledged or not.  What was lost
 *    goes as a Gap into the next batch: first the file "gap" is written, then
 *    the batches go, so that a crash in between loses neither.
 *  - A disk that is full or fails does not stop the agent: up to memory_bytes of
 *    packed batches wait in memory, after that the newest are dropped, as a Gap
 *    too.
 *  - What is damaged is passed over: batches before and behind it are still sent,
 *    and a Gap names the numbers between, with count 0: nobody knows how many
 *    samples they had.  Only a spool of which nothing can be read is put aside
 *    (files "damaged.*", the last one only) and begun anew, with a Gap that says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/batch.h"
#include "common/clock.h"
#include "common/disk.h"
#include "common/model.h"
#include "common/rng.h"

struct spool;

struct spool_opts {
	uint64_t max_bytes;		/* 0: 1 GiB */
	uint64_t segment_bytes;		/* 0: 1/64 of max_bytes, within 64 KiB..4 MiB */
	uint64_t memory_bytes;		/* 0: 8 MiB */
};

struct spool_stat {
	uint64_t first_seq;		/* from here on it holds every batch, or will say which are damaged */
	uint64_t next_seq;		/* of the next batch */
	uint64_t acked_seq;		/* highest acknowledged; 0: none */
	uint64_t batches;		/* that wait for an acknowledgement, in memory too */
	uint64_t bytes;			/* on disk */
	uint64_t dropped_samples;	/* since open */
	uint64_t memory_bytes;		/* waiting for the disk */
	int error;			/* -errno of the last write; 0: all well */
};

struct spool_batch {
	uint64_t seq;
	const void *data;		/* borrowed until the next call on the spool */
	size_t len;
};

/* disk and rng are borrowed and outlive the spool.  0 with what a person should know in why (torn
 * tail, damage put aside; often empty), or -errno with the reason; -EBUSY: another agent has it. */
int spool_open(struct spool **out, struct disk *disk, struct rng *rng,
    const struct spool_opts *, struct wall now, char *why, size_t n);
void spool_close(struct spool *);	/* saves the cursor; NULL is allowed */

/* BOOT_ID_LEN bytes.  Another one after spool_restart(), and after damage found while running. */
const uint8_t *spool_boot_id(const struct spool *);
/* What it holds, and counts since spool_open(). */
void spool_stat(const struct spool *, struct spool_stat *);

/*
 * Adds pending gaps to b, packs it, numbers it and makes it durable; b is empty afterwards.
 * 0, or -errno: it waits in memory (or was dropped, which a Gap will tell) and the next put
 * or flush tries again.  An empty b with no gap to tell is 0 and no batch.
 */
int spool_put(struct spool *, struct batch_builder *b, struct wall now);
/* Tries again what waits in memory.  0: nothing waits any more. */
int spool_flush(struct spool *, struct wall now);

/*
 * 1: *out is the durable batch seq, or the first after it if seq is gone or damaged.  0: none yet, or
 * none before an earlier damage is told.  -errno: the disk does not answer; try again later.
 *
 * What is damaged counts as lost when all before it is acknowledged, and stat.first_seq is behind it
 * from then on.
 */
int spool_get(struct spool *, uint64_t seq, struct spool_batch *out);

/* Everything up to and including seq is durable at the collector.  -ERANGE: it never was sent:
 * nothing is purged. */
int spool_ack(struct spool *, uint64_t seq);

/*
 * Does a collector that holds batches of this boot_id up to acked show that this spool lost some
 * (a disk that lied), so that their numbers would be used twice?  sent: highest seq that this
 * process has sent under this boot_id, 0: none.
 */
bool spool_lost_numbers(const struct spool *, uint64_t acked, uint64_t sent);
/* The answer to it: a new boot_id, under which numbers begin with the first batch that was written
 * since spool_open(); those before count as acknowledged.  0, or -errno and nothing has changed. */
int spool_restart(struct spool *);
