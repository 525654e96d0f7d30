/*
 * batch_pack.c - the samples of a Batch in short (pure).  The format:
 *
 * A stream of bits, the most significant first; "number(k)" is one of order k
 * (bits.h).  First the count of samples, number(4), at least 1.  Then for each
 * sample:
 *
 *   link     1 and an id that is new in this batch, or
 *            0 and its index among those that came before, in as few bits as
 *            the last of them needs.
 *            The id: in 6 bits, how many characters it shares with the front of
 *            the new id before it; then the others, three in 16 bits as
 *            (38 a + b) 38 + c, each its place in "-0123456789a..z" from 1 on.
 *            0 ends the id and fills up the three.
 *   start    number(14): dt_us, 0 -1 1 -2 ... as 0 1 2 3 ...  Not for the first
 *            sample, which has 0.
 *   shape    1: step, packets and flags are those of the sample before, or
 *            0 (not written for the first sample) and
 *            step_ms number(13), sent number(4), flags number(0).
 *   replies  1: as many as were sent, or 0 and rtt_count number(4), which is less.
 *   RTTs     If there are any: the least of them less 1, number(12).  If there
 *            are two or more: 5 bits k, and for each, in order, what it has above
 *            the least, number(k).
 *
 * Zeroes fill the last byte.  A round trip is a floor and something above it, so
 * that is what is written; k is what makes these numbers shortest.
 *
 * No sample takes less than 18 bits and no RTT less than 1, and the reader stops
 * at the size that plain columns may have: nothing unfolds without bound.
 */
#include "common/batch_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bits.h"
#include "common/mem.h"
#include "common/model.h"

#define ORDER_COUNT 4
#define ORDER_DT 14
#define ORDER_STEP 13
#define ORDER_SENT 4
#define ORDER_FLAGS 0
#define ORDER_LEAST 12
#define SYMBOLS 38			/* 0: the end of an id */
#define SAMPLE_BITS_MIN 18		/* of all samples but the first */

static unsigned
index_bits(size_t links)
{
	return links > 1 ? 64 - (unsigned)__builtin_clzll(links - 1) : 0;
}

/* ------------------------------------------------------------------- writing */

static unsigned
symbol_of(char c)
{
	return c == '\0' ? 0 : c == '-' ? 1 : c <= '9' ? 2 + (unsigned)(c - '0') :
	    12 + (unsigned)(c - 'a');
}

static void
put_id(struct bit_writer *w, const char *before, const char *id)
{
	unsigned shared = 0, symbol[3];
	bool ended = false;

	while (id[shared] != '\0' && id[shared] == before[shared])
		shared++;
	bits_put(w, shared, 6);
	id += shared;
	while (!ended) {
		for (int i = 0; i < 3; i++) {
			symbol[i] = symbol_of(*id);
			ended = *id == '\0';
			id += !ended;
		}
		bits_put(w, (symbol[0] * SYMBOLS + symbol[1]) * SYMBOLS + symbol[2], 16);
	}
}

/* The order in which these n numbers take the fewest bits. */
static unsigned
best_order(const uint32_t *v, uint32_t n, uint32_t least)
{
	unsigned best = 0;
	uint64_t bits, fewest = UINT64_MAX;

	for (unsigned k = 0; k <= BITS_ORDER_MAX; k++) {
		bits = 0;
		for (uint32_t i = 0; i < n; i++)
			bits += bits_number_len(v[i] - least, k);
		if (bits < fewest) {
			fewest = bits;
			best = k;
		} else if (bits > fewest + n) {
			break;		/* from here on each order is worse than the one before */
		}
	}
	return best;
}

static void
put_rtts(struct bit_writer *w, const uint32_t *v, uint32_t n)
{
	uint32_t least = UINT32_MAX;
	unsigned k;

	for (uint32_t i = 0; i < n; i++)
		least = v[i] < least ? v[i] : least;
	bits_put_number(w, least - 1, ORDER_LEAST);
	if (n == 1)
		return;
	k = best_order(v, n, least);
	bits_put(w, k, 5);
	for (uint32_t i = 0; i < n; i++)
		bits_put_number(w, v[i] - least, k);
}

static void
put_shape(struct bit_writer *w, const Linkwatch__Pb__Batch *b, size_t i)
{
	if (i > 0) {
		bool same = b->step_ms[i] == b->step_ms[i - 1] && b->sent[i] == b->sent[i - 1] &&
		    b->flags[i] == b->flags[i - 1];

		bits_put(w, same, 1);
		if (same)
			return;
	}
	bits_put_number(w, b->step_ms[i], ORDER_STEP);
	bits_put_number(w, b->sent[i], ORDER_SENT);
	bits_put_number(w, b->flags[i], ORDER_FLAGS);
}

void
batch_shorten(const Linkwatch__Pb__Batch *b, uint8_t **out, size_t *n)
{
	struct bit_writer w = { 0 };
	const uint32_t *rtt = b->rtt_100ns;
	size_t links = 0;

	bits_put_number(&w, b->n_sent, ORDER_COUNT);
	for (size_t i = 0; i < b->n_sent; i++) {
		bool is_new = b->link_index[i] == links;
		bool all = b->rtt_count[i] == b->sent[i];

		bits_put(&w, is_new, 1);
		if (is_new) {
			put_id(&w, links > 0 ? b->link[links - 1] : "", b->link[links]);
			links++;
		} else {
			bits_put(&w, b->link_index[i], index_bits(links));
		}
		if (i > 0)
			bits_put_number(&w, (uint64_t)b->dt_us[i] << 1 ^
			    (uint64_t)(b->dt_us[i] >> 63), ORDER_DT);
		put_shape(&w, b, i);
		bits_put(&w, all, 1);
		if (!all)
			bits_put_number(&w, b->rtt_count[i], ORDER_COUNT);
		if (b->rtt_count[i] == 0)
			continue;	/* rtt may be NULL */
		put_rtts(&w, rtt, b->rtt_count[i]);
		rtt += b->rtt_count[i];
	}
	bits_end(&w);
	*out = w.p;
	*n = w.n;
}

/* ------------------------------------------------------------------- reading */

/* Columns on their way; b takes them over when all is well. */
struct columns {
	Linkwatch__Pb__Batch b;
	size_t cap_link, cap_rtt;
	size_t left;			/* bytes that plain columns may still take */
	ProtobufCAllocator *a;		/* borrowed; NULL: malloc */
};

static void *
take(ProtobufCAllocator *a, size_t n)
{
	return a != NULL ? a->alloc(a->allocator_data, n) : xmalloc(n);
}

static void
give(ProtobufCAllocator *a, void *p)
{
	if (a != NULL)
		a->free(a->allocator_data, p);
	else
		free(p);
}

/* old, which holds used bytes, with room for n. */
static void *
more(ProtobufCAllocator *a, void *old, size_t used, size_t n)
{
	void *p = take(a, n);

	if (used > 0)
		memcpy(p, old, used);
	give(a, old);
	return p;
}

static size_t
varint_len(uint64_t v)
{
	return (70 - (size_t)__builtin_clzll(v | 1)) / 7;
}

/* May so many bytes more be taken? */
static bool
spend(struct columns *c, size_t bytes)
{
	if (bytes > c->left)
		return false;
	c->left -= bytes;
	return true;
}

static bool
get_id(struct bit_reader *r, struct columns *c)
{
	static const char alphabet[] = "?-0123456789abcdefghijklmnopqrstuvwxyz";
	const char *before = c->b.n_link > 0 ? c->b.link[c->b.n_link - 1] : "";
	size_t n = bits_get(r, 6);
	char id[ID_MAX + 4];
	bool ended = false;

	if (n > strlen(before))
		return false;
	memcpy(id, before, n);
	while (!ended) {
		unsigned v = (unsigned)bits_get(r, 16);
		unsigned symbol[3] = { v / (SYMBOLS * SYMBOLS), v / SYMBOLS % SYMBOLS, v % SYMBOLS };

		if (symbol[0] >= SYMBOLS || n > ID_MAX)
			return false;
		for (int i = 0; i < 3; i++) {
			if (ended && symbol[i] != 0)
				return false;
			ended = symbol[i] == 0;
			if (!ended)
				id[n++] = alphabet[symbol[i]];
		}
	}
	id[n] = '\0';
	if (r->bad || !spend(c, 2 + n))	/* whether it is an id, batch_check() says */
		return false;
	if (c->b.n_link == c->cap_link) {
		c->cap_link = 2 * c->cap_link + 16;
		c->b.link = more(c->a, c->b.link, c->b.n_link * sizeof *c->b.link,
		    c->cap_link * sizeof *c->b.link);
	}
	c->b.link[c->b.n_link++] = memcpy(take(c->a, n + 1), id, n + 1);
	return true;
}

static bool
get_link(struct bit_reader *r, struct columns *c, size_t i)
{
	size_t links = c->b.n_link;

	if (bits_get(r, 1) == 1) {
		c->b.link_index[i] = (uint32_t)links;
		return get_id(r, c);
	}
	c->b.link_index[i] = (uint32_t)bits_get(r, index_bits(links));
	return c->b.link_index[i] < links;
}

static void
get_shape(struct bit_reader *r, struct columns *c, size_t i)
{
	if (i > 0 && bits_get(r, 1) == 1) {
		c->b.step_ms[i] = c->b.step_ms[i - 1];
		c->b.sent[i] = c->b.sent[i - 1];
		c->b.flags[i] = c->b.flags[i - 1];
	} else {
		uint64_t step = bits_get_number(r, ORDER_STEP), sent = bits_get_number(r, ORDER_SENT);
		uint64_t flags = bits_get_number(r, ORDER_FLAGS);

		/* batch_check() knows what they may be; here they must only fit */
		if (step > UINT32_MAX || sent > SAMPLE_RTT_MAX || flags > UINT32_MAX)
			r->bad = true;
		c->b.step_ms[i] = (uint32_t)step;
		c->b.sent[i] = (uint32_t)sent;
		c->b.flags[i] = (uint32_t)flags;
	}
}

static bool
get_rtts(struct bit_reader *r, struct columns *c, uint32_t n)
{
	uint64_t least = bits_get_number(r, ORDER_LEAST) + 1, v;
	unsigned k = n > 1 ? (unsigned)bits_get(r, 5) : 0;
	bool touched = n == 1;
	uint32_t *rtt;

	if (c->b.n_rtt_100ns + n > c->cap_rtt) {
		c->cap_rtt = 2 * c->cap_rtt + SAMPLE_RTT_MAX;
		c->b.rtt_100ns = more(c->a, c->b.rtt_100ns, c->b.n_rtt_100ns * sizeof *rtt,
		    c->cap_rtt * sizeof *rtt);
	}
	rtt = c->b.rtt_100ns + c->b.n_rtt_100ns;
	for (uint32_t i = 0; i < n; i++) {
		v = least + (n > 1 ? bits_get_number(r, k) : 0);
		touched |= v == least;
		if (r->bad || v > UINT32_MAX || !spend(c, varint_len(v)))
			return false;
		rtt[i] = (uint32_t)v;
	}
	c->b.n_rtt_100ns += n;
	return touched;			/* else the least was not the least */
}

static bool
get_sample(struct bit_reader *r, struct columns *c, size_t i)
{
	uint64_t dt, count;

	if (!get_link(r, c, i))
		return false;
	dt = i > 0 ? bits_get_number(r, ORDER_DT) : 0;
	c->b.dt_us[i] = (int64_t)(dt >> 1) ^ -(int64_t)(dt & 1);
	get_shape(r, c, i);
	count = c->b.sent[i];
	if (bits_get(r, 1) == 0) {
		count = bits_get_number(r, ORDER_COUNT);
		if (count >= c->b.sent[i])
			return false;
	}
	c->b.rtt_count[i] = (uint32_t)count;
	if (r->bad || !spend(c, varint_len(c->b.link_index[i]) + varint_len(dt) +
	    varint_len(c->b.step_ms[i]) + varint_len(c->b.sent[i]) + varint_len(count) +
	    varint_len(c->b.flags[i])))
		return false;
	return count == 0 || get_rtts(r, c, (uint32_t)count);
}

static void
free_columns(struct columns *c)
{
	Linkwatch__Pb__Batch *b = &c->b;

	for (size_t i = 0; i < b->n_link; i++)
		give(c->a, b->link[i]);
	give(c->a, b->link);
	give(c->a, b->link_index);
	give(c->a, b->dt_us);
	give(c->a, b->step_ms);
	give(c->a, b->sent);
	give(c->a, b->rtt_count);
	give(c->a, b->flags);
	give(c->a, b->rtt_100ns);
}

static void
make_columns(struct columns *c, size_t n)
{
	Linkwatch__Pb__Batch *b = &c->b;

	b->link_index = take(c->a, n * sizeof *b->link_index);
	b->dt_us = take(c->a, n * sizeof *b->dt_us);
	b->step_ms = take(c->a, n * sizeof *b->step_ms);
	b->sent = take(c->a, n * sizeof *b->sent);
	b->rtt_count = take(c->a, n * sizeof *b->rtt_count);
	b->flags = take(c->a, n * sizeof *b->flags);
	b->n_link_index = b->n_dt_us = b->n_step_ms = b->n_sent = b->n_rtt_count = b->n_flags = n;
}

/* b gets the columns of from. */
static void
take_columns(Linkwatch__Pb__Batch *b, const Linkwatch__Pb__Batch *from, ProtobufCAllocator *a)
{
	give(a, b->link[0]);
	give(a, b->link);
	b->n_link = from->n_link;
	b->link = from->link;
	b->n_link_index = b->n_dt_us = b->n_step_ms = b->n_sent = b->n_rtt_count = b->n_flags =
	    from->n_sent;
	b->link_index = from->link_index;
	b->dt_us = from->dt_us;
	b->step_ms = from->step_ms;
	b->sent = from->sent;
	b->rtt_count = from->rtt_count;
	b->flags = from->flags;
	b->n_rtt_100ns = from->n_rtt_100ns;
	b->rtt_100ns = from->rtt_100ns;
	give(a, b->samples.data);
	b->samples = (ProtobufCBinaryData){ 0 };
}

int
batch_lengthen(Linkwatch__Pb__Batch *b, size_t plain_max, ProtobufCAllocator *a)
{
	struct columns c = { .left = plain_max, .a = a };
	struct bit_reader r;
	uint64_t n;
	bool ok;

	if (b->n_link != 1 || b->link[0][0] != '\0' || b->n_link_index > 0 || b->n_dt_us > 0 || b->n_step_ms > 0 ||
	    b->n_sent > 0 || b->n_rtt_count > 0 || b->n_flags > 0 || b->n_rtt_100ns > 0)
		return -EBADMSG;
	bits_init(&r, b->samples.data, b->samples.len);
	n = bits_get_number(&r, ORDER_COUNT);
	if (r.bad || n == 0 || n - 1 > (r.bits - r.at) / SAMPLE_BITS_MIN)
		return -EBADMSG;
	make_columns(&c, n);
	ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = get_sample(&r, &c, i);
	if (!ok || !bits_are_done(&r)) {
		free_columns(&c);
		return -EBADMSG;
	}
	take_columns(b, &c.b, a);
	return 0;
}
