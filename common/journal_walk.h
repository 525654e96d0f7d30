/*
 * journal_walk.h - following the chain through a segment: what is sound, what
 * is a torn tail, what is damage.  Reads only.
 */
#pragma once

#include "common/journal_scan.h"

/* Where a journal, or one segment of it, ends. */
struct journal_tail {
	uint64_t segment;		/* first_seq of the last segment; 0: there is none */
	uint32_t seed;			/* of that segment */
	uint64_t next_seq;
	int64_t end;			/* of the last sound record in the file */
	int64_t group;			/* of the last group, which may never have been synced */
	int64_t size;			/* of the file; beyond end: torn */
	uint8_t hash[JOURNAL_HASH_LEN];	/* of the last record */
	journal_each_fn *each;		/* the caller's: told of every sound record; NULL: nobody is */
	void *arg;
};

/*
 * Walks segment first_seq.  t holds the end of the segment before it, or
 * t->segment is 0 (nothing to compare with), or is first_seq itself: goes on at
 * t->end.  On 0 it holds the end of this one, on -EBADMSG the last sound record.
 * published: numbers below were published (0: unknown).  last: a torn tail is
 * allowed.  -EBADMSG: damage, told in detail.  -ENOENT and other -errno as the
 * disk says.
 */
int journal_walk(struct disk *, struct journal_chain *, uint64_t first_seq, uint64_t published,
    bool last, struct journal_tail *t, struct journal_recovery *rec);

/*
 * Is the last segment one whose creation was cut short: too small to hold a
 * record, its header unsound?  1, 0 or -errno.
 */
int journal_is_stillborn(struct disk *, uint64_t first_seq);
