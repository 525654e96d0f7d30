/*
 * test_batch.c - columns built, packed, checked and walked; every way a sender
 * can get them wrong.
 */
#include "common/batch.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bits.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/mem.h"
#include "common/rng.h"

static const uint8_t boot[BOOT_ID_LEN] = "0123456789abcde";
static uint32_t rtts[SAMPLE_RTT_MAX];

static struct sample
sample(const char *link, int64_t start_ns, uint32_t sent, uint32_t replies)
{
	for (uint32_t i = 0; i < replies; i++)
		rtts[i] = 100 + i * 7;
	return (struct sample){ .link = link, .start_ns = start_ns, .step_ms = 1000, .sent = sent,
		.rtt_count = replies, .rtt_100ns = rtts };
}

static Linkwatch__Pb__Batch *
finish(struct batch_builder *bb, uint64_t seq)
{
	Linkwatch__Pb__Batch *b;
	uint8_t *p;
	size_t n;
	char why[200];

	ck_assert_int_eq(batch_builder_finish(bb, boot, seq, &p, &n), 0);
	ck_assert_uint_le(n, BATCH_PACKED_MAX);
	ck_assert(batch_builder_is_empty(bb));
	b = batch_unpack(p, n);
	ck_assert_ptr_nonnull(b);
	ck_assert_msg(batch_check(b, why, sizeof why) == 0, "%s", why);
	ck_assert_str_eq(why, "");
	free(p);
	return b;
}

/* ----------------------------------------------------------- building, walking */

/* Not as bytes: there is padding. */
static void
same_values(const struct sample *a, const struct sample *b)
{
	ck_assert_uint_eq(a->values, b->values);
	for (uint32_t i = 0; i < a->values; i++) {
		ck_assert_uint_eq(a->value[i].role, b->value[i].role);
		ck_assert(a->value[i].value == b->value[i].value);
		ck_assert_uint_eq(a->value[i].raw, b->value[i].raw);
	}
}

/* P14. */
START_TEST(round_trip)
{
	struct batch_builder *bb = batch_builder_new();
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 11);
	struct sample in[300], s;
	uint32_t rtt[300][20];
	struct batch_cursor c;
	Linkwatch__Pb__Batch *b;
	int64_t at = INT64_C(1768437067123456789);

	for (uint64_t round = 1; round <= 3; round++) { /* a builder is used again and again */
		for (int i = 0; i < 300; i++) {
			static const char *const link[] = { "a", "b-2", "gw", "snmp-core" };

			memset(&in[i], 0, sizeof in[i]);
			in[i].link = link[rng_below(rng, 4)];
			at += (int64_t)rng_below(rng, 2000000000) - 500000000;	/* also backwards */
			in[i].start_ns = at;
			in[i].step_ms = 100 + (uint32_t)rng_below(rng, 3000);
			in[i].sent = (uint32_t)rng_below(rng, 21);
			in[i].rtt_count = (uint32_t)rng_below(rng, in[i].sent + 1);
			in[i].flags = (uint32_t)rng_below(rng, SAMPLE_FLAGS + 1);
			for (uint32_t k = 0; k < in[i].rtt_count; k++)
				rtt[i][k] = 1 + (uint32_t)rng_below(rng, UINT32_MAX);
			in[i].rtt_100ns = rtt[i];
			in[i].causes = (uint32_t)rng_below(rng, 4);
			for (uint32_t k = 0; k < in[i].causes; k++)
				in[i].cause[k] = (struct cause_count){ k * 3 + 1, k + 1 };
			in[i].values = (uint32_t)rng_below(rng, 5);
			for (uint32_t k = 0; k < in[i].values; k++)
				in[i].value[k] = (struct sample_value){
				    k + 1, rng_double(rng) * 1e9 - 5e8, rng_u64(rng)};
			ck_assert_int_eq(batch_builder_add(bb, &in[i]), 0);
			ck_assert_uint_eq(batch_builder_samples(bb), (size_t)i + 1);
		}
		b = finish(bb, round);
		ck_assert_uint_eq(b->seq, round);
		batch_cursor_init(&c, b);
		for (int i = 0; i < 300; i++) {
			ck_assert(batch_cursor_next(&c, &s));
			ck_assert_str_eq(s.link, in[i].link);
			ck_assert_int_le(llabs(s.start_ns - in[i].start_ns), 1000);
			ck_assert_uint_eq(s.step_ms, in[i].step_ms);
			ck_assert_uint_eq(s.sent, in[i].sent);
			ck_assert_uint_eq(s.flags, in[i].flags);
			ck_assert_uint_eq(s.rtt_count, in[i].rtt_count);
			ck_assert(s.rtt_count == 0 ||
			    memcmp(s.rtt_100ns, rtt[i], 4 * s.rtt_count) == 0);
			ck_assert_uint_eq(s.causes, in[i].causes);
			ck_assert_int_eq(memcmp(s.cause, in[i].cause, sizeof s.cause), 0);
			same_values(&s, &in[i]);
		}
		ck_assert(!batch_cursor_next(&c, &s));
		linkwatch__pb__batch__free_unpacked(b, NULL);
	}
	batch_builder_free(bb);
	batch_builder_free(NULL);
}
END_TEST

START_TEST(stays_below_the_frame)
{
	struct batch_builder *bb = batch_builder_new();
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 12);
	size_t n = 0;

	for (uint64_t seq = 1; seq <= 20; seq++) {
		for (n = 0;; n++) {
			char link[64];
			struct sample s;
			int r;

			snprintf(link, sizeof link, "link-%040d", (int)rng_below(rng, 5000));
			s = sample(link, (int64_t)rng_u64(rng) / 4, SAMPLE_RTT_MAX, SAMPLE_RTT_MAX);
			s.rtt_count = (uint32_t)rng_below(rng, seq % 2 ? 20 : SAMPLE_RTT_MAX);
			for (uint32_t i = 0; i < s.rtt_count; i++)
				rtts[i] = 1 + (uint32_t)(rng_u64(rng) >> (32 + rng_below(rng, 32)));
			s.values = 16;
			for (uint32_t i = 0; i < 16; i++)
				s.value[i] = (struct sample_value){ i < 12 ? i + 1 : i + 4, 1e300,
					UINT64_MAX };
			r = batch_builder_add(bb, &s);
			if (r != 0) {
				ck_assert_int_eq(r, -ENOSPC);
				break;
			}
		}
		ck_assert_uint_gt(n, 50);
		linkwatch__pb__batch__free_unpacked(finish(bb, seq), NULL);
	}
	batch_builder_free(bb);
}
END_TEST

START_TEST(builder_refuses)
{
	struct batch_builder *bb = batch_builder_new();
	struct sample s = sample("a", 1, 3, 2), bad;
	Linkwatch__Pb__Batch *b;

	bad = s; bad.link = "A";
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.rtt_count = 4;
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.sent = SAMPLE_RTT_MAX + 1;
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.step_ms = 99;
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.flags = 32;
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.values = 1; bad.value[0] = (struct sample_value){ ROLE_IN_BPS, NAN, 0 };
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad.value[0].value = INFINITY;
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	bad = s; bad.causes = 1; bad.cause[0] = (struct cause_count){ CAUSE_NONE, 1 };
	ck_assert_int_eq(batch_builder_add(bb, &bad), -EINVAL);
	ck_assert(batch_builder_is_empty(bb));
	rtts[1] = 0;			/* below 100 ns is not "lost" */
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	b = finish(bb, 1);
	ck_assert_uint_eq(b->rtt_100ns[1], 1);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	batch_builder_free(bb);
}
END_TEST

START_TEST(health_and_gaps)
{
	struct batch_builder *bb = batch_builder_new();
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;
	Linkwatch__Pb__Gap g = LINKWATCH__PB__GAP__INIT;
	Linkwatch__Pb__Batch *b;
	struct sample s;
	struct batch_cursor c;

	h.software = (char *)LW_VERSION;
	h.links = 5;
	batch_builder_health(bb, &h);
	h.links = 6;
	batch_builder_health(bb, &h);		/* the later one stands */
	ck_assert(!batch_builder_is_empty(bb));
	g.from_ns = 10;
	g.to_ns = 20;
	g.count = 7;
	g.first_seq = g.last_seq = 3;
	g.reason = (char *)"spool full";
	for (int i = 0; i < BATCH_GAPS_MAX; i++)
		ck_assert_int_eq(batch_builder_gap(bb, &g), 0);
	ck_assert_int_eq(batch_builder_gap(bb, &g), -ENOSPC);
	b = finish(bb, 9);
	ck_assert_uint_eq(b->health->links, 6);
	ck_assert_uint_eq(b->n_gap, BATCH_GAPS_MAX);
	ck_assert_str_eq(b->gap[63]->reason, "spool full");
	batch_cursor_init(&c, b);
	ck_assert(!batch_cursor_next(&c, &s));
	linkwatch__pb__batch__free_unpacked(b, NULL);
	b = finish(bb, 10);
	ck_assert_ptr_null(b->health);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	batch_builder_free(bb);
}
END_TEST

/* -------------------------------------------------------------- samples in short */

/* As the links of an agent give them: a floor, something above it, now and then a loss. */
static void
add_usual(struct batch_builder *bb, struct rng *rng, unsigned samples)
{
	static const char *const link[] = { "sh-gw-001", "sh-gw-002", "bj-dc2-core-sw-7", "portal" };
	uint32_t rtt[10];

	for (unsigned i = 0; i < samples; i++) {
		struct sample s = { .link = link[i % 4], .step_ms = 10000, .sent = 10, .rtt_100ns = rtt,
			.start_ns = INT64_C(1768437067123456789) + i * INT64_C(50123000) };

		for (unsigned k = 0; k < 10; k++)
			if (rng_below(rng, 50) != 0)
				rtt[s.rtt_count++] = 120000 + (uint32_t)rng_below(rng, 1000);
		ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	}
}

/* A batch of usual samples, packed and malloc'd. */
static uint8_t *
usual(unsigned samples, size_t *n)
{
	struct batch_builder *bb = batch_builder_new();
	struct rng_seed seed;
	uint8_t *p;

	add_usual(bb, rng_seeded(&seed, 3), samples);
	ck_assert_int_eq(batch_builder_finish(bb, boot, 7, &p, n), 0);
	batch_builder_free(bb);
	return p;
}

START_TEST(short_and_plain_say_the_same)
{
	size_t n, m, k;
	uint8_t *p = usual(500, &n), *plain, *again;
	Linkwatch__Pb__Batch *raw = linkwatch__pb__batch__unpack(NULL, n, p), *b;
	char why[100];

	ck_assert_uint_gt(raw->samples.len, 0);		/* that is how it is written */
	ck_assert_uint_eq(raw->n_sent + raw->n_rtt_100ns, 0);
	/* who does not know that must not take it for an empty one */
	ck_assert_int_eq(batch_check(raw, why, sizeof why), REFUSE_COUNTS);
	ck_assert_uint_lt(n, 500 * 20);
	ck_assert_int_eq(batch_to_plain(p, n, &plain, &m), 0);
	ck_assert_uint_gt(m, n * 3 / 2);
	b = linkwatch__pb__batch__unpack(NULL, m, plain);	/* as an older reader does */
	ck_assert_uint_eq(b->samples.len, 0);
	ck_assert_uint_eq(b->n_sent, 500);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	ck_assert_int_eq(batch_to_plain(plain, m, &again, &k), 0);	/* plain stays plain */
	ck_assert_uint_eq(k, m);
	ck_assert_mem_eq(again, plain, m);
	linkwatch__pb__batch__free_unpacked(raw, NULL);
	free(again);
	free(plain);
	free(p);
}
END_TEST

START_TEST(unpacking_refuses)
{
	size_t n, m;
	uint8_t *p = usual(5, &n), out[4096];
	Linkwatch__Pb__Batch *b = linkwatch__pb__batch__unpack(NULL, n, p), *again;
	uint32_t one[] = { 1 };
	uint8_t nothing[] = { 0xf8, 0 };

	ck_assert_uint_lt(n, sizeof out);
	b->n_sent = 1;				/* columns beside it */
	b->sent = one;
	m = linkwatch__pb__batch__pack(b, out);
	ck_assert_ptr_null(batch_unpack(out, m));
	ck_assert_int_eq(batch_to_plain(out, m, &p, &n), -EBADMSG);
	b->n_sent = 0;
	b->sent = NULL;
	b->samples.len--;			/* cut */
	m = linkwatch__pb__batch__pack(b, out);
	ck_assert_ptr_null(batch_unpack(out, m));
	b->samples.len++;
	b->n_link = 0;				/* not marked as one in short */
	m = linkwatch__pb__batch__pack(b, out);
	ck_assert_ptr_null(batch_unpack(out, m));
	b->n_link = 1;
	m = linkwatch__pb__batch__pack(b, out);
	again = batch_unpack(out, m);		/* as it was: nothing wrong with it */
	ck_assert_ptr_nonnull(again);
	linkwatch__pb__batch__free_unpacked(again, NULL);
	free(b->samples.data);
	b->samples = (ProtobufCBinaryData){ .len = sizeof nothing, .data = nothing };
	m = linkwatch__pb__batch__pack(b, out);
	ck_assert_ptr_null(batch_unpack(out, m));
	b->samples = (ProtobufCBinaryData){ 0 };
	linkwatch__pb__batch__free_unpacked(b, NULL);
	free(p);
}
END_TEST

/* Any bit of the stream turned: it is refused, or what it says can be walked and is bounded. */
/* P02. */
START_TEST(any_bit_may_be_wrong)
{
	size_t n, taken = 0;
	uint8_t *p = usual(40, &n);

	for (size_t bit = 0; bit < n * 8; bit++) {
		Linkwatch__Pb__Batch *b;
		struct batch_cursor c;
		struct sample s;
		char why[100];
		size_t walked = 0;

		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		b = batch_unpack(p, n);
		if (b != NULL && batch_check(b, why, sizeof why) == 0) {
			taken++;
			batch_cursor_init(&c, b);
			while (batch_cursor_next(&c, &s))
				walked += 1 + s.rtt_count;
			ck_assert_uint_eq(walked, b->n_sent + b->n_rtt_100ns);
		}
		if (b != NULL)
			linkwatch__pb__batch__free_unpacked(b, NULL);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_uint_gt(taken, n);		/* most bits are of an RTT */
	ck_assert_uint_lt(taken, n * 8);
	free(p);
}
END_TEST

/* A quarter of a megabyte that says "a thousand RTTs, all alike" over and over. */
/* P05, P08. */
START_TEST(nothing_unfolds_without_bound)
{
	Linkwatch__Pb__Batch m = LINKWATCH__PB__BATCH__INIT, *b;
	struct bit_writer w = { 0 };
	uint8_t id[BOOT_ID_LEN] = { 1 }, *p;
	char nothing[] = "", *no_id = nothing;
	unsigned samples = 1800;
	size_t n;

	for (int round = 0; round < 2; round++, samples = 200) {
		w.n = w.fill = 0;
		bits_put_number(&w, samples, 4);
		for (unsigned i = 0; i < samples; i++) {
			bits_put(&w, i == 0, 1);
			if (i == 0) {
				bits_put(&w, 0, 6);
				bits_put(&w, 12 * 38 * 38, 16);		/* "a" */
				bits_put_number(&w, 1000, 13);
				bits_put_number(&w, SAMPLE_RTT_MAX, 4);
				bits_put_number(&w, 0, 0);
			} else {
				bits_put_number(&w, 0, 14);
				bits_put(&w, 1, 1);
			}
			bits_put(&w, 1, 1);
			bits_put_number(&w, 0, 12);
			bits_put(&w, 0, 5);
			for (unsigned k = 0; k < SAMPLE_RTT_MAX; k++)
				bits_put(&w, 1, 1);
		}
		bits_end(&w);
		m.boot_id = (ProtobufCBinaryData){ .len = sizeof id, .data = id };
		m.seq = 1;
		m.n_link = 1;
		m.link = &no_id;
		m.samples = (ProtobufCBinaryData){ .len = w.n, .data = w.p };
		n = linkwatch__pb__batch__get_packed_size(&m);
		ck_assert_uint_lt(n, BATCH_PACKED_MAX);
		p = malloc(n);
		linkwatch__pb__batch__pack(&m, p);
		b = batch_unpack(p, n);
		if (round == 0) {
			ck_assert_ptr_null(b);	/* 1.8 MB of plain columns */
		} else {
			ck_assert_ptr_nonnull(b);
			ck_assert_uint_eq(b->n_rtt_100ns, 200 * SAMPLE_RTT_MAX);
			linkwatch__pb__batch__free_unpacked(b, NULL);
		}
		free(p);
	}
	free(w.p);
}
END_TEST

/* ------------------------------------------------------------------ refusing */

static Linkwatch__Pb__Batch *good;	/* three samples of two links, a cause, two values, a gap */

static void
setup(void)
{
	struct batch_builder *bb = batch_builder_new();
	Linkwatch__Pb__Gap g = LINKWATCH__PB__GAP__INIT;
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;
	struct sample s = sample("a", 1000000, 4, 3);

	s.causes = 2;
	s.cause[0] = (struct cause_count){ CAUSE_TIMEOUT, 1 };
	s.cause[1] = (struct cause_count){ CAUSE_DUPLICATE, 2 };
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	s = sample("b", 2000000, 1, 1);
	s.values = 2;
	s.value[0] = (struct sample_value){ ROLE_IN_BPS, 1.5, 3 };
	s.value[1] = (struct sample_value){ ROLE_OPER_STATUS, 1, 0 };
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	s = sample("a", 3000000, 1, 1);
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	g.from_ns = 1;
	g.to_ns = 2;
	g.first_seq = 3;
	g.last_seq = 4;
	g.reason = (char *)"r";
	ck_assert_int_eq(batch_builder_gap(bb, &g), 0);
	h.software = (char *)"0.1";
	batch_builder_health(bb, &h);
	good = finish(bb, 5);
	batch_builder_free(bb);
}

static void
teardown(void)
{
	linkwatch__pb__batch__free_unpacked(good, NULL);
}

/* Sets one thing, expects one refusal, and puts it back. */
#define REFUSED(lvalue, wrong, code) do { \
	__typeof__(lvalue) kept_ = (lvalue); \
	char why_[100] = ""; \
	(lvalue) = (wrong); \
	ck_assert_int_eq(batch_check(good, why_, sizeof why_), code); \
	ck_assert_uint_gt(strlen(why_), 0); \
	(lvalue) = kept_; \
	ck_assert_int_eq(batch_check(good, why_, sizeof why_), 0); \
} while (0)

START_TEST(refuses_heads)
{
	REFUSED(good->boot_id.len, 15, REFUSE_MALFORMED);
	REFUSED(good->boot_id.len, 0, REFUSE_MALFORMED);
	REFUSED(good->seq, 0, REFUSE_MALFORMED);
	REFUSED(good->link[0], (char *)"", REFUSE_MALFORMED);
	REFUSED(good->link[1], (char *)"../../etc", REFUSE_MALFORMED);
	REFUSED(good->link[1], (char *)"a b", REFUSE_MALFORMED);
	REFUSED(good->link[1], (char *)"x\n", REFUSE_MALFORMED);
	REFUSED(good->link[1], (char *)"%s%n", REFUSE_MALFORMED);
	REFUSED(good->n_link, 4, REFUSE_COUNTS);
	REFUSED(good->n_link, 1, REFUSE_COUNTS);	/* an index has no link */
}
END_TEST

/* P13. */
START_TEST(refuses_columns)
{
	REFUSED(good->n_link_index, 2, REFUSE_COUNTS);
	REFUSED(good->n_dt_us, 2, REFUSE_COUNTS);
	REFUSED(good->n_step_ms, 2, REFUSE_COUNTS);
	REFUSED(good->n_sent, 2, REFUSE_COUNTS);
	REFUSED(good->n_sent, 0, REFUSE_COUNTS);
	REFUSED(good->n_rtt_count, 2, REFUSE_COUNTS);
	REFUSED(good->n_flags, 2, REFUSE_COUNTS);
	REFUSED(good->n_rtt_100ns, 4, REFUSE_COUNTS);
	REFUSED(good->n_cause, 1, REFUSE_COUNTS);
	REFUSED(good->n_cause_count, 1, REFUSE_COUNTS);
	REFUSED(good->n_cause_sample, 1, REFUSE_COUNTS);
	REFUSED(good->n_value, 1, REFUSE_COUNTS);
	REFUSED(good->n_value_role, 1, REFUSE_COUNTS);
	REFUSED(good->n_value_raw, 1, REFUSE_COUNTS);
	REFUSED(good->n_value_sample, 1, REFUSE_COUNTS);
	REFUSED(good->n_gap, BATCH_GAPS_MAX + 1, REFUSE_COUNTS);
}
END_TEST

/* S01, S03. */
START_TEST(refuses_samples)
{
	REFUSED(good->link_index[2], 2, REFUSE_COUNTS);
	REFUSED(good->link_index[2], UINT32_MAX, REFUSE_COUNTS);
	REFUSED(good->sent[0], 2, REFUSE_COUNTS);
	REFUSED(good->sent[0], SAMPLE_RTT_MAX + 1, REFUSE_COUNTS);
	REFUSED(good->rtt_count[1], 2, REFUSE_COUNTS);
	REFUSED(good->rtt_count[0], UINT32_MAX, REFUSE_COUNTS);
	REFUSED(good->rtt_count[0], 2, REFUSE_COUNTS);
	REFUSED(good->step_ms[1], 0, REFUSE_VALUE);
	REFUSED(good->step_ms[1], 3600001, REFUSE_VALUE);
	REFUSED(good->flags[1], 32, REFUSE_VALUE);
	REFUSED(good->rtt_100ns[0], 0, REFUSE_VALUE);
	REFUSED(good->dt_us[1], INT64_MAX, REFUSE_TIME);
	REFUSED(good->dt_us[1], INT64_MIN, REFUSE_TIME);
	REFUSED(good->base_ns, INT64_MAX, REFUSE_TIME);
}
END_TEST

/* S01, P10. */
START_TEST(refuses_causes_and_values)
{
	REFUSED(good->cause_sample[0], 3, REFUSE_COUNTS);
	REFUSED(good->cause_sample[0], 1, REFUSE_COUNTS);	/* not in order */
	REFUSED(good->cause[0], 0, REFUSE_VALUE);
	REFUSED(good->cause[0], CAUSE_MAX + 1, REFUSE_VALUE);
	REFUSED(good->cause[0], UINT32_MAX, REFUSE_VALUE);
	REFUSED(good->cause[0], CAUSE_DUPLICATE, REFUSE_VALUE);	/* twice in one sample */
	REFUSED(good->cause_count[0], 0, REFUSE_COUNTS);
	REFUSED(good->cause_count[0], UINT32_MAX, REFUSE_COUNTS);
	REFUSED(good->value_sample[1], 0, REFUSE_COUNTS);
	REFUSED(good->value_sample[1], 17, REFUSE_COUNTS);
	REFUSED(good->value_role[0], 0, REFUSE_VALUE);
	REFUSED(good->value_role[0], 15, REFUSE_VALUE);
	REFUSED(good->value_role[0], 32, REFUSE_VALUE);
	REFUSED(good->value_role[0], ROLE_OPER_STATUS, REFUSE_VALUE);
	REFUSED(good->value[0], NAN, REFUSE_VALUE);
	REFUSED(good->value[0], INFINITY, REFUSE_VALUE);
	REFUSED(good->value[1], -INFINITY, REFUSE_VALUE);
}
END_TEST

START_TEST(refuses_gaps_and_health)
{
	char longest[BATCH_TEXT_MAX + 2];

	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	REFUSED(good->gap[0]->from_ns, 3, REFUSE_TIME);
	REFUSED(good->gap[0]->first_seq, 5, REFUSE_COUNTS);
	REFUSED(good->gap[0]->last_seq, 5, REFUSE_COUNTS);	/* this batch is not missing */
	REFUSED(good->gap[0]->last_seq, UINT64_MAX, REFUSE_COUNTS);
	REFUSED(good->gap[0]->reason, (char *)"a\nb", REFUSE_MALFORMED);
	REFUSED(good->gap[0]->reason, (char *)"\x1b[31m", REFUSE_MALFORMED);
	REFUSED(good->gap[0]->reason, longest, REFUSE_MALFORMED);
	REFUSED(good->health->software, longest, REFUSE_MALFORMED);
	REFUSED(good->health->software, (char *)"\x7f", REFUSE_MALFORMED);
	/* JSON takes nothing but UTF-8: the agent would vanish from every list */
	REFUSED(good->health->software, (char *)"0.1\xff", REFUSE_MALFORMED);
	REFUSED(good->health->software, (char *)"0.1\u202e", REFUSE_MALFORMED);
	REFUSED(good->gap[0]->reason, (char *)"\xc2\x9b" "31m", REFUSE_MALFORMED);
	REFUSED(good->gap[0]->from_ns, INT64_MIN, REFUSE_TIME);
	REFUSED(good->health->wall_ns, INT64_MIN, REFUSE_VALUE);
	REFUSED(good->health->cert_not_after_ns, INT64_MIN, REFUSE_VALUE);
	REFUSED(good->health->clock_offset_ns, INT64_MIN, REFUSE_VALUE);
}
END_TEST

/* Cut anywhere or with any byte changed: what unpacks and passes the check can be walked. */
START_TEST(survives_damage)
{
	size_t n = linkwatch__pb__batch__get_packed_size(good);
	uint8_t *p = malloc(n), *q = malloc(n);
	static const uint8_t with[] = { 0x00, 0x7f, 0x80, 0xff };
	char why[100];

	ck_assert(p != NULL && q != NULL);
	linkwatch__pb__batch__pack(good, p);
	for (size_t i = 0; i < n * 5; i++) {
		size_t len = i % 5 == 4 ? i / 5 : n;
		Linkwatch__Pb__Batch *b;
		struct batch_cursor c;
		struct sample s;
		size_t walked = 0;

		memcpy(q, p, n);
		if (i % 5 < 4)
			q[i / 5] = with[i % 5];
		b = batch_unpack(q, len);
		if (b == NULL)
			continue;
		if (batch_check(b, why, sizeof why) == 0) {
			batch_cursor_init(&c, b);
			while (batch_cursor_next(&c, &s))
				walked++;
			ck_assert_uint_eq(walked, b->n_sent);
			ck_assert_uint_eq(c.rtt, b->n_rtt_100ns);
			ck_assert_uint_eq(c.cause, b->n_cause);
			ck_assert_uint_eq(c.value, b->n_value);
		}
		linkwatch__pb__batch__free_unpacked(b, NULL);
	}
	free(p);
	free(q);
}
END_TEST

/* What a space gives is what malloc() gives, whatever came before; and it lies where the last one lay. */
START_TEST(a_space_is_used_again)
{
	static const int samples[] = { 5, 400, 1, 40, 40, 400, 2000, 5, 5 };
	struct batch_space *space = batch_space_new();
	const Linkwatch__Pb__Batch *at = NULL;

	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		size_t n, len;
		uint8_t *p = usual(samples[i], &n), *x, *y;
		Linkwatch__Pb__Batch *want = batch_unpack(p, n), *got;

		got = batch_unpack_into(space, p, n);
		ck_assert_ptr_nonnull(got);
		len = linkwatch__pb__batch__get_packed_size(want);
		ck_assert_uint_eq(linkwatch__pb__batch__get_packed_size(got), len);
		x = xmalloc(len);
		y = xmalloc(len);
		linkwatch__pb__batch__pack(want, x);
		linkwatch__pb__batch__pack(got, y);
		ck_assert_int_eq(memcmp(x, y, len), 0);
		got = batch_unpack_into(space, p, n);
		for (int again = 0; again < 3; again++) {
			at = got;
			got = batch_unpack_into(space, p, n);
			ck_assert_ptr_eq(got, at);
			p[n - 1] ^= 0xff;	/* a bad one between them leaves nothing behind */
			batch_unpack_into(space, p, n);
			p[n - 1] ^= 0xff;
		}
		linkwatch__pb__batch__free_unpacked(want, NULL);
		free(x);
		free(y);
		free(p);
	}
	ck_assert_ptr_null(batch_unpack_into(space, "x", 1));
	batch_space_free(space);
	batch_space_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("batch");
	TCase *build = tcase_create("build"), *refuse = tcase_create("refuse");
	SRunner *sr;
	int failed;

	tcase_add_test(build, round_trip);
	tcase_add_test(build, stays_below_the_frame);
	tcase_add_test(build, builder_refuses);
	tcase_add_test(build, health_and_gaps);
	tcase_add_test(build, short_and_plain_say_the_same);
	tcase_add_test(build, unpacking_refuses);
	tcase_add_test(build, any_bit_may_be_wrong);
	tcase_add_test(build, nothing_unfolds_without_bound);
	tcase_add_test(build, a_space_is_used_again);
	suite_add_tcase(s, build);
	tcase_add_checked_fixture(refuse, setup, teardown);
	tcase_add_test(refuse, refuses_heads);
	tcase_add_test(refuse, refuses_columns);
	tcase_add_test(refuse, refuses_samples);
	tcase_add_test(refuse, refuses_causes_and_values);
	tcase_add_test(refuse, refuses_gaps_and_health);
	tcase_add_test(refuse, survives_damage);
	suite_add_tcase(s, refuse);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
