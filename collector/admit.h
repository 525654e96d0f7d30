/*
 * admit.h - is this batch this agent's, in order, sane? (pure)
 *
 * Holds what is needed to answer: who owns which link (by plan; a link that a
 * later plan took away stays admissible for past_ns, for what waits in the
 * agent's spool), and for each numbering (agent, boot id) the last number
 * taken and the hashes of the last ADMIT_HASHES batches.
 *
 * Numbers.  With `taken` the last number of a numbering:
 *   seq == taken + 1   is taken, or refused for good (then the number is used up);
 *   seq <= taken       is a repeat: acknowledged again, stored never.  Another
 *                      content under the same number is refused and counted;
 *   seq >  taken + 1   is taken only if what is missing is explained: by a Gap
 *                      of this batch that names the numbers, or by HELLO
 *                      (first_seq: the agent holds nothing older).  Otherwise
 *                      REFUSE_ORDER without drop, and the session ends: the
 *                      HELLO of the next one tells what the agent still has.
 *
 * Bounded: ADMIT_BOOTS numberings for each agent (the one unused for longest goes).
 */
#pragma once

#include "common/batch.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"
#include "common/model.h"

#define ADMIT_BOOTS 16
#define ADMIT_HASHES 512
/* The biggest Batch: FRAME_FEED_RECORD must hold it with its envelope. */
#define ADMIT_BATCH_MAX BATCH_PACKED_MAX

struct admit;

struct admit_limits {
	int64_t past_ns, future_ns;	/* how far the start of a sample may lie from now */
};

enum admit_verdict {
	ADMIT_TAKE = 1,			/* append, then admit_took() */
	ADMIT_REPEAT,			/* acknowledge again */
	ADMIT_REFUSE,			/* tell code and why; drop says whether for good */
};

struct admit_result {
	enum admit_verdict verdict;
	uint32_t code;			/* enum refusal */
	bool drop;			/* this number is used up: append a Refused, then admit_took() */
	bool end;			/* the session cannot go on */
	bool forked;			/* same number, other content */
	uint64_t seq;			/* the batch's number; 0: not known */
	uint32_t samples;		/* in it, whatever the verdict on its content */
	uint64_t missing_first, missing_last;	/* explained numbers that will never come; 0: none */
	uint64_t hash;
	char why[192];
};

struct admit *admit_new(const struct admit_limits *);
void admit_free(struct admit *);

/* From now on this is who owns what. */
void admit_plan(struct admit *, const Linkwatch__Pb__Plan *, struct wall now);
/* Is the agent in the plan that holds? */
bool admit_knows(const struct admit *, const char *agent);
/* May this agent speak of this link? */
bool admit_owns(const struct admit *, const char *agent, const char *link);

/*
 * Judges the bytes of one FRAME_BATCH. boot and first_seq are those of the session's HELLO.
 * Changes nothing.
 */
void admit_batch(const struct admit *, const char *agent, const uint8_t boot[BOOT_ID_LEN],
    uint64_t first_seq, const uint8_t *bytes, size_t len, struct wall now, struct admit_result *);
/* The number of this batch is used: taken (hash) or refused for good (hash 0). */
void admit_took(struct admit *, const char *agent, const uint8_t boot[BOOT_ID_LEN], uint64_t seq,
    uint64_t hash);
/* All that was taken up to now is durable. */
void admit_committed(struct admit *);
/* Highest durable number of a numbering; 0: none. */
uint64_t admit_durable(const struct admit *, const char *agent, const uint8_t boot[BOOT_ID_LEN]);

/* After a restart: tells the table what a record of the journal says. Foreign or odd records are ignored. */
void admit_replay(struct admit *, const struct journal_record *);
/* The table as bytes (malloc'd, owned by the caller), good for a replay from next_seq on. */
void admit_save(const struct admit *, uint64_t next_seq, uint8_t **out, size_t *n);
/* Into an empty table. 0 and *next_seq, or -EBADMSG (damaged: replay everything; the table is empty). */
int admit_load(struct admit *, const uint8_t *p, size_t n, uint64_t *next_seq);
