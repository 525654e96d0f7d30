/*
 * batch.h - samples to and from the columns of a Batch message.
 *
 * The one place that knows the columns.  The agent builds with batch_builder;
 * everyone else unpacks with batch_unpack() and walks with batch_cursor after
 * batch_check() said 0.
 */
#pragma once

#include "common/linkwatch.pb-c.h"
#include "common/model.h"

/*
 * A packed batch is at most this long: wrapped as a StoredBatch in a
 * FeedRecord it still fits a frame.  A receiver refuses a longer one.
 */
#define BATCH_PACKED_MAX (248 * 1024)
#define BATCH_GAPS_MAX 64
#define BATCH_TEXT_MAX 200		/* bytes of a reason or a version in a batch */

struct batch_builder;

struct batch_builder *batch_builder_new(void);
void batch_builder_free(struct batch_builder *);
/*
 * Copies the sample in; an RTT below 100 ns counts as 100 ns.  -ENOSPC: the
 * batch is full (it stays below BATCH_PACKED_MAX): finish it first.  -EINVAL:
 * batch_check() would refuse it.
 */
int batch_builder_add(struct batch_builder *, const struct sample *);
void batch_builder_health(struct batch_builder *, const Linkwatch__Pb__Health *);	/* copies */
/* Copies.  -ENOSPC: BATCH_GAPS_MAX stand already, or the batch is full. */
int batch_builder_gap(struct batch_builder *, const Linkwatch__Pb__Gap *);
size_t batch_builder_samples(const struct batch_builder *);
bool batch_builder_is_empty(const struct batch_builder *);
/* Packs with boot id and seq into malloc'd *out (owned by the caller) and empties the builder. */
int batch_builder_finish(struct batch_builder *, const uint8_t boot_id[BOOT_ID_LEN],
    uint64_t seq, uint8_t **out, size_t *len);

/*
 * A packed Batch with its columns plain, in whatever form they came; samples is empty.  NULL: it does
 * not decode, or its columns would be longer than a builder makes them.  Nothing else is checked.
 * linkwatch__pb__batch__free_unpacked(b, NULL) frees it.
 */
Linkwatch__Pb__Batch *batch_unpack(const void *data, size_t len);

/*
 * For who unpacks one batch after the other: memory that is used again, so that nothing is
 * allocated for a sample or a batch.  What one takes beyond BATCH_SPACE_KEEP goes with the next.
 */
struct batch_space;
#define BATCH_SPACE_KEEP (256 * 1024)

struct batch_space *batch_space_new(void);
void batch_space_free(struct batch_space *);	/* NULL is allowed */
/* As batch_unpack(), but the batch belongs to the space, until the next call with that. */
Linkwatch__Pb__Batch *batch_unpack_into(struct batch_space *, const void *data, size_t len);
/* The same batch as whoever speaks PROTOCOL_SHORT - 1 reads it; *out is malloc'd.  -EBADMSG. */
int batch_to_plain(const void *data, size_t len, uint8_t **out, size_t *out_len);

/*
 * Is the shape of what batch_unpack() gave sound: columns agree, indexes in range, ids valid, rtt_count <= sent <= SAMPLE_RTT_MAX,
 * step 100 ms..1 h, known flags, causes and roles, finite values.  Says nothing of ownership or time
 * (collector/admit.c does).  Returns 0 or an enum refusal; why gets a line.
 */
int batch_check(const Linkwatch__Pb__Batch *, char *why, size_t n);

struct batch_cursor {
	const Linkwatch__Pb__Batch *b;
	size_t i, rtt, cause, value;
	int64_t at_ns;
};

void batch_cursor_init(struct batch_cursor *, const Linkwatch__Pb__Batch *checked);
/* true: *s is the next sample; pointers are into the batch (rtt_100ns NULL when nothing came back). */
bool batch_cursor_next(struct batch_cursor *, struct sample *s);
