/*
 * journal.h - append-only record files that survive kill -9 and power cuts.
 *
 * The spine of the product: the agent's spool and the collector's journal are
 * both one of these.  One process writes; any number read, each with its own
 * cursor.  (journal.c opens with the format, byte by byte.)
 *
 *  - Records are numbered 1, 2, 3 ... without holes for the life of the
 *    directory, also when older ones have been purged.
 *  - Each record holds length, type, wall time, CRC32C and a SHA-256 chained
 *    to the record before it.
 *  - journal_append() buffers; only after journal_sync() returned 0 is the
 *    record durable, and only then do readers see it: sync publishes the
 *    number in the file "tip", beyond which no reader goes.
 *  - Opening cuts a torn tail and nothing else: a damaged record that has
 *    valid ones behind it is -EBADMSG and names file and offset.
 *  - A failed sync poisons the writer: every later append says -EIO until the
 *    journal is opened again (what the kernel did with the pages is unknown).
 *    -ENOSPC from append or sync leaves the file as it was before.  What was
 *    written but not acknowledged may stand after the journal is opened again:
 *    who drops repeats looks at the records, not at what it was told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/disk.h"

#define JOURNAL_RECORD_MAX (4 * 1024 * 1024)	/* a plan of 20,000 links */
#define JOURNAL_HASH_LEN 32

struct journal;
struct journal_reader;

struct journal_opts {
	uint64_t segment_bytes;		/* a new file at the first sync beyond this; 0: 16 MiB */
};

struct journal_recovery {		/* what opening found */
	uint64_t first_seq, next_seq;	/* first == next: empty */
	uint64_t torn_bytes;		/* cut from the tail */
	bool created;
	char detail[160];		/* on error: file, offset, record, what */
	/* journal_check(), at -EBADMSG: the first that is wrong; segment 0: no file stands for it. */
	uint64_t bad_segment, bad_seq;
	int64_t bad_offset;
	uint8_t head[JOURNAL_HASH_LEN];	/* journal_check(): of the last sound record; zero: none */
};

struct journal_record {
	uint64_t seq;
	uint16_t type;
	struct wall wall;
	const void *data;		/* borrowed until the next call on the reader */
	size_t len;
};

struct journal_stat {
	uint64_t first_seq, next_seq, synced_seq, bytes, segments;
	uint8_t head[JOURNAL_HASH_LEN];	/* of record synced_seq; zero: none */
};

/* Opens for writing and takes the lock (-EBUSY: another writer).  disk is borrowed, outlives it. */
int journal_open(struct journal **out, struct disk *disk,
    const struct journal_opts *opts, struct journal_recovery *rec);
void journal_close(struct journal *);		/* does not sync; NULL is allowed */

/*
 * Buffers one record; *seq (may be NULL) gets its number.  -EMSGSIZE, -EIO; nothing changed and may
 * be tried again: -ENOSPC, -EMFILE, -ENFILE, -ENOBUFS (64 MiB wait: sync).
 */
int journal_append(struct journal *, uint16_t type, struct wall t,
    const void *data, size_t len, uint64_t *seq);
/*
 * Writes, fdatasyncs and publishes all that was appended.  -ENOSPC: it is still buffered; sync
 * again or roll back.  -EIO: poisoned.
 */
int journal_sync(struct journal *);
/* Forgets what was appended and not yet synced; returns the number of records forgotten. */
uint64_t journal_rollback(struct journal *);
/* Deletes whole segments that lie entirely below seq; never the last one. */
int journal_purge(struct journal *, uint64_t seq);
/* The first record that would stand after journal_purge(seq). */
uint64_t journal_purge_keeps(const struct journal *, uint64_t seq);
/* Oldest record that stands when only max_bytes may be kept and nothing is older than oldest:
 * pass it to journal_purge. */
uint64_t journal_purge_point(const struct journal *, uint64_t max_bytes, struct wall oldest);
void journal_stat(const struct journal *, struct journal_stat *);

/* A reader from record from_seq on (1 or less: the first that stands).  No writer needs to live. */
int journal_reader_open(struct journal_reader **out, struct disk *disk, uint64_t from_seq);
/*
 * 1: *r is the next record.  0: nothing more yet.  -ESTALE: records up to r->seq - 1 were purged
 * (r->seq is the first that stands; the reader has moved there: call again).  -EBADMSG: damage.
 */
int journal_reader_next(struct journal_reader *, struct journal_record *r);
/* The first number that is not published yet; a from_seq beyond it waits. */
uint64_t journal_reader_limit(struct journal_reader *);
/*
 * After -EBADMSG or -EIO: passes over what cannot be read.  1: *seq is the number of the first sound record
 * behind it, which journal_reader_next() gives.  0: none is published behind it.  Other -errno.
 */
int journal_reader_skip(struct journal_reader *, uint64_t *seq);
const char *journal_reader_detail(const struct journal_reader *);	/* of the last error */
void journal_reader_close(struct journal_reader *);

/* Durable cursors, files "cursor.NAME": the first record not yet done with.  -ENOENT: none. */
int journal_cursor_save(struct disk *, const char *name, uint64_t next_seq);
int journal_cursor_load(struct disk *, const char *name, uint64_t *next_seq);
/* The lowest of all cursors; UINT64_MAX if there is none. */
uint64_t journal_cursor_lowest(struct disk *);

/* Walks everything: CRC, chain, numbers.  0, or -EBADMSG with the first bad record in detail. */
int journal_verify(struct disk *, struct journal_recovery *rec);
/*
 * The same, and each (may be NULL) is called for every sound record before the first bad one, in order.
 * A writer may be at work and retention may take what was not read yet: rec->first_seq is then the first
 * record behind the last such hole, next_seq what stood at the end.
 */
typedef void journal_each_fn(void *arg, const struct journal_record *, const uint8_t hash[JOURNAL_HASH_LEN]);
int journal_check(struct disk *, journal_each_fn *each, void *arg, struct journal_recovery *rec);

/* One segment as it stands, for whoever looks for a time without reading everything. */
struct journal_segment { uint64_t first_seq; struct wall wall; uint64_t bytes; };
/*
 * All segments that stand, by number; malloc'd into *v (owned by the caller).  wall is that of the first
 * record, 0 where the header cannot be read.
 */
int journal_segment_list(struct disk *, struct journal_segment **v, size_t *n);
/*
 * The number and hash of the last published record, by reading its segment only; *seq 0: none is.
 * -EBADMSG: it cannot be reached.
 */
int journal_head(struct disk *, uint64_t *seq, uint8_t hash[JOURNAL_HASH_LEN], struct wall *at);

/*
 * After journal_open() said -EBADMSG, for a journal that is no evidence: it opens again and goes on with a
 * number of its own.  Sound records stay; readers meet the damage (journal_reader_skip()).  A segment
 * whose header is damaged gets the name "damaged.*"; *gone is the first number of the first of them, 0:
 * none.  0, or -errno; -ENOENT: no segment stands.
 */
int journal_repair(struct disk *, struct wall now, uint64_t *gone);

/* Types of records in the collector's journal; see linkwatch.proto for what each carries. */
enum journal_type {
	JREC_BATCH = 1, JREC_SESSION = 2, JREC_PLAN = 3, JREC_REFUSED = 4,
	JREC_COLLECTOR = 5, JREC_PLANRESULT = 6,
	JREC_SPOOL = 16,		/* in an agent's spool: a Batch */
};
