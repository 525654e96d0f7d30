/*
 * batch.c - the columns of a Batch: building, checking, walking (pure).
 *
 * A builder keeps plain columns and writes them in short (batch_pack.h).  It
 * counts what they take plain, so that both forms stay below BATCH_PACKED_MAX.
 */
#include "common/batch.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch_pack.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/mem.h"
#include "common/utf.h"

#define STEP_MIN_MS 100
#define STEP_MAX_MS (60 * 60 * 1000)
#define FIXED_BYTES 512			/* tags and lengths of all fields, boot id, seq, base */

_Static_assert(BATCH_PACKED_MAX + 1024 <= FRAME_MAX, "a stored batch must fit a feed record");

/* Room of the columns; the columns themselves stand in b. */
struct batch_builder {
	Linkwatch__Pb__Batch b;
	size_t cap_link, cap_sample, cap_rtt, cap_cause, cap_value;
	size_t bytes;			/* packed size when plain, never too small */
	size_t hint;			/* link index that probably comes next */
	int64_t at_ns;			/* start of the last sample as the columns have it */
	Linkwatch__Pb__Health *health;	/* owned copy */
};

struct batch_builder *
batch_builder_new(void)
{
	struct batch_builder *bb = xcalloc(1, sizeof *bb);

	linkwatch__pb__batch__init(&bb->b);
	bb->bytes = FIXED_BYTES;
	return bb;
}

static void
builder_empty(struct batch_builder *bb)
{
	Linkwatch__Pb__Batch *b = &bb->b;

	for (size_t i = 0; i < b->n_link; i++)
		free(b->link[i]);
	for (size_t i = 0; i < b->n_gap; i++)
		linkwatch__pb__gap__free_unpacked(b->gap[i], NULL);
	if (bb->health != NULL)
		linkwatch__pb__health__free_unpacked(bb->health, NULL);
	bb->health = b->health = NULL;
	b->n_link = b->n_gap = 0;
	b->n_link_index = b->n_dt_us = b->n_step_ms = b->n_sent = 0;
	b->n_rtt_count = b->n_flags = b->n_rtt_100ns = 0;
	b->n_cause_sample = b->n_cause = b->n_cause_count = 0;
	b->n_value_sample = b->n_value_role = b->n_value = b->n_value_raw = 0;
	bb->bytes = FIXED_BYTES;
	bb->hint = 0;
}

void
batch_builder_free(struct batch_builder *bb)
{
	Linkwatch__Pb__Batch *b;

	if (bb == NULL)
		return;
	builder_empty(bb);
	b = &bb->b;
	free(b->link);
	free(b->link_index);
	free(b->dt_us);
	free(b->step_ms);
	free(b->sent);
	free(b->rtt_count);
	free(b->flags);
	free(b->rtt_100ns);
	free(b->cause_sample);
	free(b->cause);
	free(b->cause_count);
	free(b->value_sample);
	free(b->value_role);
	free(b->value);
	free(b->value_raw);
	free(b->gap);
	free(bb);
}

static size_t
varint_len(uint64_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static bool
role_is_known(uint32_t role)
{
	return (role >= ROLE_IN_BPS && role <= ROLE_CERT_DAYS) ||
	    (role >= ROLE_OID0 && role <= ROLE_MAX);
}

static int
sample_check(const struct sample *s)
{
	uint32_t roles = 0, causes = 0;

	if (!id_is_valid(s->link) || s->sent > SAMPLE_RTT_MAX || s->rtt_count > s->sent ||
	    s->step_ms < STEP_MIN_MS || s->step_ms > STEP_MAX_MS ||
	    (s->flags & ~(uint32_t)SAMPLE_FLAGS) != 0 ||
	    s->causes > SAMPLE_CAUSES || s->values > SAMPLE_VALUES)
		return -EINVAL;
	for (uint32_t i = 0; i < s->causes; i++) {
		uint32_t c = s->cause[i].cause;

		if (c == CAUSE_NONE || c > CAUSE_MAX || (causes & UINT32_C(1) << c) != 0 ||
		    s->cause[i].count == 0 || s->cause[i].count > CAUSE_COUNT_MAX)
			return -EINVAL;
		causes |= UINT32_C(1) << c;
	}
	for (uint32_t i = 0; i < s->values; i++) {
		uint32_t role = s->value[i].role;

		if (!role_is_known(role) || (roles & UINT32_C(1) << role) != 0 ||
		    !isfinite(s->value[i].value))
			return -EINVAL;
		roles |= UINT32_C(1) << role;
	}
	return 0;
}

/* Index of link among the batch's links, or n_link: not there yet. */
static size_t
find_link(const struct batch_builder *bb, const char *link)
{
	size_t n = bb->b.n_link;

	for (size_t k = 0; k < n; k++) {
		size_t i = (bb->hint + k) % n;

		if (strcmp(bb->b.link[i], link) == 0)
			return i;
	}
	return n;
}

static void
grow(void *column, size_t cap, size_t size)
{
	void **v = column;

	*v = xreallocarray(*v, cap, size);
}

#define GROW(column, cap) grow(&(column), (cap), sizeof *(column))

/* Makes room for one more sample with its RTTs, causes and values. */
static void
make_room(struct batch_builder *bb, const struct sample *s)
{
	Linkwatch__Pb__Batch *b = &bb->b;

	if (b->n_link == bb->cap_link) {
		bb->cap_link = bb->cap_link * 2 + 16;
		GROW(b->link, bb->cap_link);
	}
	if (b->n_sent == bb->cap_sample) {
		bb->cap_sample = bb->cap_sample * 2 + 64;
		GROW(b->link_index, bb->cap_sample);
		GROW(b->dt_us, bb->cap_sample);
		GROW(b->step_ms, bb->cap_sample);
		GROW(b->sent, bb->cap_sample);
		GROW(b->rtt_count, bb->cap_sample);
		GROW(b->flags, bb->cap_sample);
	}
	if (b->n_rtt_100ns + s->rtt_count > bb->cap_rtt) {
		bb->cap_rtt = bb->cap_rtt * 2 + SAMPLE_RTT_MAX;
		GROW(b->rtt_100ns, bb->cap_rtt);
	}
	if (b->n_cause + s->causes > bb->cap_cause) {
		bb->cap_cause = bb->cap_cause * 2 + SAMPLE_CAUSES;
		GROW(b->cause_sample, bb->cap_cause);
		GROW(b->cause, bb->cap_cause);
		GROW(b->cause_count, bb->cap_cause);
	}
	if (b->n_value + s->values > bb->cap_value) {
		bb->cap_value = bb->cap_value * 2 + SAMPLE_VALUES;
		GROW(b->value_sample, bb->cap_value);
		GROW(b->value_role, bb->cap_value);
		GROW(b->value, bb->cap_value);
		GROW(b->value_raw, bb->cap_value);
	}
}

static size_t
sample_bytes(const struct sample *s, size_t index, size_t link, bool new_link, int64_t dt_us)
{
	size_t n = varint_len(link) + varint_len(zigzag(dt_us)) + varint_len(s->step_ms) +
	    varint_len(s->sent) + varint_len(s->rtt_count) + varint_len(s->flags);

	if (new_link)
		n += 2 + strlen(s->link);
	for (uint32_t i = 0; i < s->rtt_count; i++)
		n += varint_len(s->rtt_100ns[i]);
	for (uint32_t i = 0; i < s->causes; i++)
		n += varint_len(index) + 1 + varint_len(s->cause[i].count);
	for (uint32_t i = 0; i < s->values; i++)
		n += varint_len(index) + 1 + 8 + varint_len(s->value[i].raw);
	return n;
}

static void
push_sample(struct batch_builder *bb, const struct sample *s, size_t link, int64_t dt_us)
{
	Linkwatch__Pb__Batch *b = &bb->b;
	uint32_t index = (uint32_t)b->n_sent;

	b->link_index[b->n_link_index++] = (uint32_t)link;
	b->dt_us[b->n_dt_us++] = dt_us;
	b->step_ms[b->n_step_ms++] = s->step_ms;
	b->sent[b->n_sent++] = s->sent;
	b->rtt_count[b->n_rtt_count++] = s->rtt_count;
	b->flags[b->n_flags++] = s->flags;
	for (uint32_t i = 0; i < s->rtt_count; i++)
		b->rtt_100ns[b->n_rtt_100ns++] = s->rtt_100ns[i] > 0 ? s->rtt_100ns[i] : 1;
	for (uint32_t i = 0; i < s->causes; i++) {
		b->cause_sample[b->n_cause_sample++] = index;
		b->cause[b->n_cause++] = s->cause[i].cause;
		b->cause_count[b->n_cause_count++] = s->cause[i].count;
	}
	for (uint32_t i = 0; i < s->values; i++) {
		b->value_sample[b->n_value_sample++] = index;
		b->value_role[b->n_value_role++] = s->value[i].role;
		b->value[b->n_value++] = s->value[i].value;
		b->value_raw[b->n_value_raw++] = s->value[i].raw;
	}
}

int
batch_builder_add(struct batch_builder *bb, const struct sample *s)
{
	Linkwatch__Pb__Batch *b = &bb->b;
	int64_t dt_us = 0;
	size_t link, bytes;

	if (sample_check(s) != 0)
		return -EINVAL;
	if (b->n_sent > 0) {
		if (__builtin_sub_overflow(s->start_ns, bb->at_ns, &dt_us))
			return -EINVAL;
		dt_us /= NS_PER_US;
	}
	link = find_link(bb, s->link);
	bytes = bb->bytes + sample_bytes(s, b->n_sent, link, link == b->n_link, dt_us);
	if (bytes > BATCH_PACKED_MAX)
		return -ENOSPC;
	make_room(bb, s);
	if (link == b->n_link)
		b->link[b->n_link++] = xstrdup(s->link);
	if (b->n_sent == 0)
		bb->at_ns = b->base_ns = s->start_ns;
	push_sample(bb, s, link, dt_us);
	bb->at_ns += dt_us * NS_PER_US;
	bb->hint = link + 1;
	bb->bytes = bytes;
	return 0;
}

void
batch_builder_health(struct batch_builder *bb, const Linkwatch__Pb__Health *h)
{
	size_t n = linkwatch__pb__health__get_packed_size(h);
	uint8_t *p = xmalloc(n);

	linkwatch__pb__health__pack(h, p);
	if (bb->health != NULL) {
		bb->bytes -= linkwatch__pb__health__get_packed_size(bb->health) + 8;
		linkwatch__pb__health__free_unpacked(bb->health, NULL);
	}
	bb->health = bb->b.health = linkwatch__pb__health__unpack(NULL, n, p);
	bb->bytes += bb->health != NULL ? n + 8 : 0;
	free(p);
}

int
batch_builder_gap(struct batch_builder *bb, const Linkwatch__Pb__Gap *gap)
{
	size_t n = linkwatch__pb__gap__get_packed_size(gap);
	uint8_t *p;

	if (bb->b.n_gap >= BATCH_GAPS_MAX || bb->bytes + n + 8 > BATCH_PACKED_MAX)
		return -ENOSPC;
	if (bb->b.gap == NULL)
		GROW(bb->b.gap, BATCH_GAPS_MAX);
	p = xmalloc(n);
	linkwatch__pb__gap__pack(gap, p);
	bb->b.gap[bb->b.n_gap] = linkwatch__pb__gap__unpack(NULL, n, p);
	if (bb->b.gap[bb->b.n_gap] != NULL)
		bb->b.n_gap++;
	bb->bytes += n + 8;
	free(p);
	return 0;
}

size_t
batch_builder_samples(const struct batch_builder *bb)
{
	return bb->b.n_sent;
}

bool
batch_builder_is_empty(const struct batch_builder *bb)
{
	return bb->b.n_sent == 0 && bb->b.n_gap == 0 && bb->health == NULL;
}

static void
pack(const Linkwatch__Pb__Batch *b, uint8_t **out, size_t *len)
{
	*len = linkwatch__pb__batch__get_packed_size(b);
	*out = xmalloc(*len);
	linkwatch__pb__batch__pack(b, *out);
}

int
batch_builder_finish(struct batch_builder *bb, const uint8_t boot_id[BOOT_ID_LEN],
    uint64_t seq, uint8_t **out, size_t *len)
{
	Linkwatch__Pb__Batch b = bb->b, in_short;
	char nothing[] = "", *no_id = nothing;
	uint8_t id[BOOT_ID_LEN];

	memcpy(id, boot_id, sizeof id);
	b.boot_id.data = id;
	b.boot_id.len = sizeof id;
	b.seq = seq;
	if (b.n_sent == 0) {
		b.base_ns = 0;
		pack(&b, out, len);
	} else {
		in_short = b;
		in_short.n_link = 1;
		in_short.link = &no_id;
		in_short.n_rtt_100ns = 0;
		in_short.n_link_index = in_short.n_dt_us = in_short.n_step_ms = in_short.n_sent =
		    in_short.n_rtt_count = in_short.n_flags = 0;
		batch_shorten(&b, &in_short.samples.data, &in_short.samples.len);
		/* RTTs with neither rhyme nor reason may take more in short */
		pack(linkwatch__pb__batch__get_packed_size(&in_short) <
		    linkwatch__pb__batch__get_packed_size(&b) ? &in_short : &b, out, len);
		free(in_short.samples.data);
	}
	builder_empty(bb);
	return 0;
}

/* --------------------------------------------------------------- unpacking */

static Linkwatch__Pb__Batch *
unpack(const void *data, size_t len, ProtobufCAllocator *a)
{
	Linkwatch__Pb__Batch *b = linkwatch__pb__batch__unpack(a, len, data);

	if (b != NULL && b->samples.len > 0 &&
	    batch_lengthen(b, BATCH_PACKED_MAX - FIXED_BYTES, a) != 0) {
		linkwatch__pb__batch__free_unpacked(b, a);
		b = NULL;
	}
	return b;
}

Linkwatch__Pb__Batch *
batch_unpack(const void *data, size_t len)
{
	return unpack(data, len, NULL);
}

/* Blocks are taken from the front; what does not fit gets one of its own until the next batch. */
struct batch_space {
	ProtobufCAllocator a;
	uint8_t *block;			/* owned */
	size_t cap, used;
	size_t wanted;			/* by this batch, all in all */
	void **extra;			/* owned */
	size_t extras, extras_cap;
};

static void *
space_take(void *arg, size_t n)
{
	struct batch_space *s = arg;

	n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	s->wanted += n;
	if (n <= s->cap - s->used) {
		s->used += n;
		return s->block + s->used - n;
	}
	if (s->extras == s->extras_cap) {
		s->extras_cap = 2 * s->extras_cap + 16;
		s->extra = xreallocarray(s->extra, s->extras_cap, sizeof *s->extra);
	}
	return s->extra[s->extras++] = xmalloc(n);
}

static void
space_give(void *arg, void *p)
{
	(void)arg, (void)p;		/* all of it goes with the next batch */
}

/* All that was taken is free again, and the block fits a batch like the last one. */
static void
space_empty(struct batch_space *s)
{
	for (size_t i = 0; i < s->extras; i++)
		free(s->extra[i]);
	if (s->wanted > s->cap && s->cap < BATCH_SPACE_KEEP) {
		free(s->block);
		s->cap = s->wanted < BATCH_SPACE_KEEP ? s->wanted : BATCH_SPACE_KEEP;
		s->block = xmalloc(s->cap);
	}
	s->extras = s->used = s->wanted = 0;
}

struct batch_space *
batch_space_new(void)
{
	struct batch_space *s = xcalloc(1, sizeof *s);

	s->a = (ProtobufCAllocator){ .alloc = space_take, .free = space_give, .allocator_data = s };
	return s;
}

void
batch_space_free(struct batch_space *s)
{
	if (s == NULL)
		return;
	space_empty(s);
	free(s->extra);
	free(s->block);
	free(s);
}

Linkwatch__Pb__Batch *
batch_unpack_into(struct batch_space *s, const void *data, size_t len)
{
	space_empty(s);
	return unpack(data, len, &s->a);
}

int
batch_to_plain(const void *data, size_t len, uint8_t **out, size_t *out_len)
{
	Linkwatch__Pb__Batch *b = batch_unpack(data, len);

	if (b == NULL)
		return -EBADMSG;
	pack(b, out, out_len);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

/* -------------------------------------------------------------- checking */

static int
refuse(int code, char *why, size_t n, const char *what, size_t at)
{
	snprintf(why, n, "%s (at %zu)", what, at);
	return code;
}

/* Text that may stand in a log line, on a page and in JSON, which takes none that is not UTF-8. */
static bool
text_is_sane(const char *s)
{
	return strlen(s) <= BATCH_TEXT_MAX && utf_is_line(s);
}

static int
check_head(const Linkwatch__Pb__Batch *b, char *why, size_t n)
{
	if (b->boot_id.len != BOOT_ID_LEN)
		return refuse(REFUSE_MALFORMED, why, n, "boot id is not 16 bytes", b->boot_id.len);
	if (b->seq == 0)
		return refuse(REFUSE_MALFORMED, why, n, "sequence number is missing", 0);
	if (b->n_link_index != b->n_sent || b->n_dt_us != b->n_sent || b->n_step_ms != b->n_sent ||
	    b->n_rtt_count != b->n_sent || b->n_flags != b->n_sent)
		return refuse(
		    REFUSE_COUNTS, why, n, "columns of samples differ in length", b->n_sent);
	if (b->n_cause != b->n_cause_sample || b->n_cause_count != b->n_cause_sample)
		return refuse(REFUSE_COUNTS, why, n, "columns of causes differ in length",
		    b->n_cause_sample);
	if (b->n_value_role != b->n_value_sample || b->n_value != b->n_value_sample ||
	    b->n_value_raw != b->n_value_sample)
		return refuse(REFUSE_COUNTS, why, n, "columns of values differ in length",
		    b->n_value_sample);
	if (b->n_link > b->n_sent)
		return refuse(REFUSE_COUNTS, why, n, "more links than samples", b->n_link);
	for (size_t i = 0; i < b->n_link; i++)
		if (!id_is_valid(b->link[i]))
			return refuse(REFUSE_MALFORMED, why, n, "link id is not valid", i);
	return 0;
}

static int
check_samples(const Linkwatch__Pb__Batch *b, char *why, size_t n)
{
	size_t rtts = 0;
	int64_t at = b->base_ns, dt;

	for (size_t i = 0; i < b->n_sent; i++) {
		if (b->link_index[i] >= b->n_link)
			return refuse(REFUSE_COUNTS, why, n, "link index out of range", i);
		if (b->sent[i] > SAMPLE_RTT_MAX || b->rtt_count[i] > b->sent[i])
			return refuse(REFUSE_COUNTS, why, n, "more replies than packets", i);
		if (b->step_ms[i] < STEP_MIN_MS || b->step_ms[i] > STEP_MAX_MS)
			return refuse(REFUSE_VALUE, why, n, "step out of range", i);
		if ((b->flags[i] & ~(uint32_t)SAMPLE_FLAGS) != 0)
			return refuse(REFUSE_VALUE, why, n, "unknown flag", i);
		if (__builtin_mul_overflow(b->dt_us[i], NS_PER_US, &dt) ||
		    __builtin_add_overflow(at, dt, &at))
			return refuse(REFUSE_TIME, why, n, "time overflows", i);
		rtts += b->rtt_count[i];
	}
	if (rtts != b->n_rtt_100ns)
		return refuse(
		    REFUSE_COUNTS, why, n, "RTTs do not match their counts", b->n_rtt_100ns);
	for (size_t i = 0; i < b->n_rtt_100ns; i++)
		if (b->rtt_100ns[i] == 0)
			return refuse(REFUSE_VALUE, why, n, "RTT of zero", i);
	return 0;
}

/* The sparse columns: in order of samples, each key at most once in a sample. */
static int
check_sparse(const Linkwatch__Pb__Batch *b, const uint32_t *sample, const uint32_t *key,
    size_t count, size_t per_sample, char *why, size_t n)
{
	uint32_t seen = 0;
	size_t run = 0;

	for (size_t i = 0; i < count; i++) {
		if (sample[i] >= b->n_sent || (i > 0 && sample[i] < sample[i - 1]))
			return refuse(REFUSE_COUNTS, why, n, "sample index out of order", i);
		if (i > 0 && sample[i] != sample[i - 1])
			seen = 0, run = 0;
		if (++run > per_sample)
			return refuse(REFUSE_COUNTS, why, n, "too many entries of one sample", i);
		if (key[i] > 31 || (seen & UINT32_C(1) << key[i]) != 0)
			return refuse(REFUSE_VALUE, why, n, "unknown or repeated cause or role", i);
		seen |= UINT32_C(1) << key[i];
	}
	return 0;
}

static int
check_causes_and_values(const Linkwatch__Pb__Batch *b, char *why, size_t n)
{
	int r = check_sparse(b, b->cause_sample, b->cause, b->n_cause, SAMPLE_CAUSES, why, n);

	if (r == 0)
		r = check_sparse(
		    b, b->value_sample, b->value_role, b->n_value, SAMPLE_VALUES, why, n);
	if (r != 0)
		return r;
	for (size_t i = 0; i < b->n_cause; i++) {
		if (b->cause[i] == CAUSE_NONE || b->cause[i] > CAUSE_MAX)
			return refuse(REFUSE_VALUE, why, n, "unknown cause", i);
		if (b->cause_count[i] == 0 || b->cause_count[i] > CAUSE_COUNT_MAX)
			return refuse(REFUSE_COUNTS, why, n, "count of a cause out of range", i);
	}
	for (size_t i = 0; i < b->n_value; i++) {
		if (!role_is_known(b->value_role[i]))
			return refuse(REFUSE_VALUE, why, n, "unknown role of a value", i);
		if (!isfinite(b->value[i]))
			return refuse(REFUSE_VALUE, why, n, "value is not finite", i);
	}
	return 0;
}

/* Who reads them takes differences of these times. */
static int
check_health(const Linkwatch__Pb__Health *h, char *why, size_t n)
{
	if (!text_is_sane(h->software))
		return refuse(REFUSE_MALFORMED, why, n, "software version is no text", 0);
	if (h->wall_ns < 0 || h->uptime_ns < 0 || h->loop_lag_ns < 0 || h->clock_rtt_ns < 0 ||
	    h->cert_not_after_ns < 0)
		return refuse(REFUSE_VALUE, why, n, "a time of the health is negative", 0);
	if (h->clock_offset_ns > INT64_MAX / 2 || h->clock_offset_ns < -(INT64_MAX / 2))
		return refuse(REFUSE_VALUE, why, n, "clock offset of centuries", 0);
	return 0;
}

static int
check_gaps_and_health(const Linkwatch__Pb__Batch *b, char *why, size_t n)
{
	if (b->n_gap > BATCH_GAPS_MAX)
		return refuse(REFUSE_COUNTS, why, n, "too many gaps", b->n_gap);
	for (size_t i = 0; i < b->n_gap; i++) {
		const Linkwatch__Pb__Gap *g = b->gap[i];

		if (g->from_ns > g->to_ns || g->from_ns < 0)
			return refuse(REFUSE_TIME, why, n, "gap ends before it begins", i);
		if (g->first_seq > g->last_seq || g->last_seq >= b->seq)
			return refuse(REFUSE_COUNTS, why, n, "gap's numbers make no sense", i);
		if (!text_is_sane(g->reason))
			return refuse(REFUSE_MALFORMED, why, n, "gap's reason is no text", i);
	}
	return b->health != NULL ? check_health(b->health, why, n) : 0;
}

int
batch_check(const Linkwatch__Pb__Batch *b, char *why, size_t n)
{
	int r;

	if (n > 0)
		why[0] = '\0';
	if ((r = check_head(b, why, n)) != 0 ||
	    (r = check_samples(b, why, n)) != 0 ||
	    (r = check_causes_and_values(b, why, n)) != 0)
		return r;
	return check_gaps_and_health(b, why, n);
}

/* --------------------------------------------------------------- walking */

void
batch_cursor_init(struct batch_cursor *c, const Linkwatch__Pb__Batch *checked)
{
	memset(c, 0, sizeof *c);
	c->b = checked;
	c->at_ns = checked->base_ns;
}

bool
batch_cursor_next(struct batch_cursor *c, struct sample *s)
{
	const Linkwatch__Pb__Batch *b = c->b;
	size_t i = c->i;

	if (i >= b->n_sent)
		return false;
	memset(s, 0, sizeof *s);
	c->at_ns += b->dt_us[i] * NS_PER_US;
	s->link = b->link[b->link_index[i]];
	s->start_ns = c->at_ns;
	s->step_ms = b->step_ms[i];
	s->sent = b->sent[i];
	s->rtt_count = b->rtt_count[i];
	s->flags = b->flags[i];
	s->rtt_100ns = s->rtt_count > 0 ? b->rtt_100ns + c->rtt : NULL;
	c->rtt += s->rtt_count;
	for (; c->cause < b->n_cause && b->cause_sample[c->cause] == i; c->cause++)
		s->cause[s->causes++] = (struct cause_count){ .cause = b->cause[c->cause],
			.count = b->cause_count[c->cause] };
	for (; c->value < b->n_value && b->value_sample[c->value] == i; c->value++)
		s->value[s->values++] = (struct sample_value){ .role = b->value_role[c->value],
			.value = b->value[c->value], .raw = b->value_raw[c->value] };
	c->i++;
	return true;
}
