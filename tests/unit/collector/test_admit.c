/*
 * test_admit.c - is every bad batch refused for its own reason, and no good one?
 */
#include <check.h>
#include <math.h>

#include "tests/unit/collector/peer.h"

static struct admit *admit;
static Linkwatch__Pb__Plan *plan;
static struct admit_result res;

static void
setup(void)
{
	struct admit_limits l = { .past_ns = 3600 * NS_PER_S, .future_ns = 60 * NS_PER_S };

	admit = admit_new(&l);
	plan = test_plan(LINKS);
	admit_plan(admit, plan, (struct wall){ T0 });
}

static void
teardown(void)
{
	admit_free(admit);
	links_free(plan);
}

static void
judge_bytes(const uint8_t *p, size_t n, int boot, uint64_t hello_first)
{
	uint8_t b[BOOT_ID_LEN];

	boot_id(b, boot);
	admit_batch(admit, "a1", b, hello_first, p, n, (struct wall){ T0 }, &res);
}

/* Judges the batch as agent a1 whose HELLO said hello_first; takes it if it may. */
static enum admit_verdict
offer(const struct test_batch *t, uint64_t hello_first)
{
	uint8_t b[BOOT_ID_LEN];
	size_t n;
	uint8_t *p = test_batch(t, &n);

	judge_bytes(p, n, t->boot, hello_first);
	boot_id(b, t->boot);
	if (res.verdict == ADMIT_TAKE)
		admit_took(admit, "a1", b, res.seq, res.hash);
	else if (res.verdict == ADMIT_REFUSE && res.drop && !res.forked)
		admit_took(admit, "a1", b, res.seq, 0);
	free(p);
	return res.verdict;
}

static void
offer_bent(void (*bend)(Linkwatch__Pb__Batch *))
{
	struct test_batch t = { .seq = 1, .samples = 2 };
	size_t n;
	uint8_t *p = bent_batch(&t, bend, &n);

	judge_bytes(p, n, 0, 1);
	free(p);
}

START_TEST(takes_in_order_and_knows_repeats)
{
	uint8_t b[BOOT_ID_LEN];

	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1 }, 1), ADMIT_TAKE);
	ck_assert_uint_eq(res.samples, 1);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2 }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2 }, 1), ADMIT_REPEAT);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1 }, 1), ADMIT_REPEAT);
	boot_id(b, 0);
	ck_assert_uint_eq(admit_durable(admit, "a1", b), 0);
	admit_committed(admit);
	ck_assert_uint_eq(admit_durable(admit, "a1", b), 2);
	ck_assert_uint_eq(admit_durable(admit, "a2", b), 0);
}
END_TEST

/* E11, F17. */
START_TEST(another_numbering_begins_at_one)
{
	offer(&(struct test_batch){ .seq = 1 }, 1);
	ck_assert_int_eq(offer(&(struct test_batch){ .boot = 1, .seq = 1 }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .boot = 0, .seq = 1 }, 1), ADMIT_REPEAT);
}
END_TEST

START_TEST(same_number_other_content_is_a_fork)
{
	offer(&(struct test_batch){ .seq = 1 }, 1);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .rtt_100ns = 7 }, 1), ADMIT_REFUSE);
	ck_assert(res.forked && res.drop && !res.end);
	ck_assert_int_eq(res.code, REFUSE_ORDER);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1 }, 1), ADMIT_REPEAT);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2 }, 1), ADMIT_TAKE);
}
END_TEST

/* The collector before this one was older, took the batch plain and died before it said so. */
START_TEST(another_form_is_no_fork)
{
	offer(&(struct test_batch){ .seq = 1, .samples = 40, .plain = true }, 1);
	ck_assert_int_eq(res.verdict, ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .samples = 40 }, 1), ADMIT_REPEAT);
	ck_assert(!res.forked && !res.drop);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .samples = 41 }, 1), ADMIT_REFUSE);
	ck_assert(res.forked && res.drop);
}
END_TEST

START_TEST(a_hole_needs_a_word)
{
	offer(&(struct test_batch){ .seq = 1 }, 1);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 5 }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_ORDER);
	ck_assert(res.end && !res.drop);
	/* A Gap that names only a part does not do. */
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 5, .gap_first = 2, .gap_last = 3 }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 5, .gap_first = 2, .gap_last = 4 }, 1), ADMIT_TAKE);
	ck_assert_uint_eq(res.missing_first, 2);
	ck_assert_uint_eq(res.missing_last, 4);
	/* HELLO said: nothing older than 9. */
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 10 }, 9), ADMIT_REFUSE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 9 }, 9), ADMIT_TAKE);
	/* HELLO and Gap together. */
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 20, .gap_first = 15, .gap_last = 19 }, 15), ADMIT_TAKE);
}
END_TEST

START_TEST(a_gap_to_the_end_of_numbers_is_no_trick)
{
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 9, .gap_first = 1, .gap_last = UINT64_MAX }, 1),
	    ADMIT_REFUSE);
}
END_TEST

/* F17: of 0, and beyond 2^63. */
START_TEST(impossible_numbers)
{
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 0 }, 1), ADMIT_REFUSE);
	ck_assert(res.end && !res.drop);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = UINT64_MAX, .start_ns = T0 }, UINT64_MAX), ADMIT_REFUSE);
	ck_assert(res.end && !res.drop);
}
END_TEST

/*
 * In protobuf the last value of a field holds, but a replay reads the front: a
 * batch with two numbers would come back from the journal under the other one.
 */
/* P06. */
START_TEST(a_batch_with_two_numbers)
{
	static const uint64_t fronts[] = { 7, UINT64_MAX };

	for (size_t i = 0; i < 2; i++) {
		Linkwatch__Pb__Batch two = LINKWATCH__PB__BATCH__INIT;
		struct test_batch t = { .seq = i + 1, .samples = 1 };
		size_t n, front;
		uint8_t *p = test_batch(&t, &n), *both, boot[BOOT_ID_LEN];

		boot_id(boot, 0);
		two.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = boot };
		two.seq = fronts[i];
		front = linkwatch__pb__batch__get_packed_size(&two);
		both = xmalloc(front + n);
		linkwatch__pb__batch__pack(&two, both);
		memcpy(both + front, p, n);
		judge_bytes(both, front + n, 0, 1);
		ck_assert_int_eq(res.verdict, ADMIT_REFUSE);
		ck_assert_int_eq(res.code, REFUSE_MALFORMED);
		ck_assert(res.drop && !res.end);
		ck_assert_uint_eq(res.seq, i + 1);
		admit_took(admit, "a1", boot, res.seq, 0);
		free(both);
		free(p);
	}
}
END_TEST

/* A number beyond all in an old record must not make the checkpoint unreadable. */
START_TEST(a_record_with_an_impossible_number)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	Linkwatch__Pb__Batch b = LINKWATCH__PB__BATCH__INIT;
	struct journal_record rec = { .type = JREC_BATCH, .wall = { T0 } };
	uint8_t boot[BOOT_ID_LEN], inner[64], outer[128], *saved;
	struct admit_limits l = { .past_ns = NS_PER_S, .future_ns = NS_PER_S };
	struct admit *other = admit_new(&l);
	uint64_t next;
	size_t n;

	boot_id(boot, 0);
	b.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = boot };
	b.seq = UINT64_MAX;
	sb.agent = (char *)"a1";
	sb.batch = (ProtobufCBinaryData){ .len = linkwatch__pb__batch__pack(&b, inner), .data = inner };
	rec.len = linkwatch__pb__stored_batch__pack(&sb, outer);
	rec.data = outer;
	admit_replay(admit, &rec);
	admit_save(admit, 5, &saved, &n);
	ck_assert_int_eq(admit_load(other, saved, n, &next), 0);
	ck_assert_uint_eq(next, 5);
	free(saved);
	admit_free(other);
}
END_TEST

static void
many_gaps(Linkwatch__Pb__Batch *b)
{
	static const size_t many = 20000;	/* about 200 KiB: still a batch */

	b->seq = many + 1;
	b->gap = xreallocarray(b->gap, many, sizeof *b->gap);
	b->n_gap = many;
	/* The last one first: each walk over all of them would find one number. */
	for (size_t i = 0; i < many; i++) {
		b->gap[i] = xmalloc(sizeof **b->gap);
		linkwatch__pb__gap__init(b->gap[i]);
		b->gap[i]->first_seq = b->gap[i]->last_seq = many - i;
	}
}

/* More gaps than a batch may hold explain nothing, and are not walked. */
START_TEST(a_flood_of_gaps)
{
	offer_bent(many_gaps);
	ck_assert_int_eq(res.verdict, ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_ORDER);
	ck_assert(res.end && !res.drop);
}
END_TEST

/* S11, S12, S13. */
START_TEST(links_of_others_are_refused)
{
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .link = "nobody" }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_LINK);
	ck_assert(res.drop && !res.end);
	/* The number is used up: the next one follows on. */
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2 }, 1), ADMIT_TAKE);
	ck_assert(admit_owns(admit, "a2", "gw") && !admit_owns(admit, "a2", "web"));
	ck_assert(!admit_owns(admit, "a3", "gw") && !admit_knows(admit, "a3"));
}
END_TEST

/* S03, S04. */
START_TEST(times_out_of_tolerance)
{
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .start_ns = T0 + 59 * NS_PER_S }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2, .start_ns = T0 + 61 * NS_PER_S }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_TIME);
	ck_assert(res.drop);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 3, .start_ns = T0 - 3599 * NS_PER_S }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 4, .start_ns = T0 - 3602 * NS_PER_S }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_TIME);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 5, .start_ns = 4102444800 * NS_PER_S }, 1), ADMIT_REFUSE);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 6, .start_ns = -1 }, 1), ADMIT_REFUSE);
}
END_TEST

static void bend_counts(Linkwatch__Pb__Batch *b) { b->rtt_count[0] = 2; }
static void bend_columns(Linkwatch__Pb__Batch *b) { b->n_sent--; }
static void bend_index(Linkwatch__Pb__Batch *b) { b->link_index[1] = 7; }
static void bend_step(Linkwatch__Pb__Batch *b) { b->step_ms[0] = 0; }
static void bend_flags(Linkwatch__Pb__Batch *b) { b->flags[0] = 1u << 30; }
static void bend_time(Linkwatch__Pb__Batch *b) { b->base_ns = INT64_MAX; b->dt_us[0] = INT64_MAX / 1000; }
static void bend_past(Linkwatch__Pb__Batch *b) { b->base_ns = INT64_MIN; }

static void
bend_boot(Linkwatch__Pb__Batch *b)
{
	b->boot_id.data[0] ^= 1;
}

static void
bend_short_boot(Linkwatch__Pb__Batch *b)
{
	b->boot_id.len = 3;
}

static void
bend_nan(Linkwatch__Pb__Batch *b)
{
	b->value_sample = calloc(1, sizeof(uint32_t));
	b->value_role = calloc(1, sizeof(uint32_t));
	b->value = calloc(1, sizeof(double));
	b->value_raw = calloc(1, sizeof(uint64_t));
	b->n_value_sample = b->n_value_role = b->n_value = b->n_value_raw = 1;
	b->value_role[0] = ROLE_IN_BPS;
	b->value[0] = NAN;
}

static void
bend_infinite(Linkwatch__Pb__Batch *b)
{
	bend_nan(b);
	b->value[0] = INFINITY;
}

static void
bend_path(Linkwatch__Pb__Batch *b)
{
	free(b->link[0]);
	b->link[0] = strdup("../../x");
}

/* P12, P13, S01. */
START_TEST(bent_batches_are_refused)
{
	static const struct { void (*bend)(Linkwatch__Pb__Batch *); bool drop; } bad[] = {
		{ bend_counts, true }, { bend_columns, true }, { bend_index, true }, { bend_step, true },
		{ bend_flags, true }, { bend_time, true }, { bend_past, true }, { bend_nan, true },
		{ bend_infinite, true }, { bend_path, true }, { bend_boot, false }, { bend_short_boot, false },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		offer_bent(bad[i].bend);
		ck_assert_msg(res.verdict == ADMIT_REFUSE, "case %zu was taken", i);
		ck_assert_msg(res.drop == bad[i].drop, "case %zu: drop %d", i, res.drop);
		ck_assert_msg(res.end != bad[i].drop, "case %zu: end %d", i, res.end);
		ck_assert_msg(res.why[0] != '\0', "case %zu says nothing", i);
	}
}
END_TEST

/* P01. */
START_TEST(every_cut_of_a_batch)
{
	struct test_batch t = { .seq = 1, .samples = 3 };
	size_t n;
	uint8_t *p = test_batch(&t, &n);

	for (size_t i = 0; i < n; i++) {
		uint8_t *cut = xmalloc(i + 1);

		memcpy(cut, p, i);
		judge_bytes(cut, i, 0, 1);
		/* Behind boot id, number and base it is a sound batch without samples. */
		ck_assert_msg(res.verdict == ADMIT_REFUSE || (res.verdict == ADMIT_TAKE && res.samples == 0),
		    "cut at %zu of %zu was taken", i, n);
		/* Only if its number could be read may it be used up. */
		if (res.verdict == ADMIT_REFUSE)
			ck_assert_msg(res.drop == (res.seq == 1), "cut at %zu", i);
		free(cut);
	}
	free(p);
}
END_TEST

/* P02. */
START_TEST(every_byte_of_a_batch_bent)
{
	static const uint8_t with[] = { 0x00, 0x7f, 0x80, 0xff };
	struct test_batch t = { .seq = 1, .samples = 2 };
	size_t n;
	uint8_t *p = test_batch(&t, &n);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof with; k++) {
			uint8_t *bent = xmalloc(n);

			memcpy(bent, p, n);
			bent[i] = with[k];
			judge_bytes(bent, n, 0, 1);
			ck_assert(res.verdict == ADMIT_TAKE || res.why[0] != '\0');
			free(bent);
		}
	free(p);
}
END_TEST

/* S09. */
START_TEST(too_long_a_batch)
{
	size_t n = ADMIT_BATCH_MAX + 1;
	uint8_t *p = xcalloc(1, n);

	judge_bytes(p, n, 0, 1);
	ck_assert_int_eq(res.verdict, ADMIT_REFUSE);
	ck_assert_int_eq(res.code, REFUSE_MALFORMED);
	free(p);
}
END_TEST

/* P07: a number written longer than it need be, up to ten bytes; eleven are none. */
START_TEST(long_varints)
{
	for (size_t extra = 0; extra <= 10; extra++) {
		struct test_batch t = { .seq = 1 };
		size_t n, at = 2 + BOOT_ID_LEN + 1;
		uint8_t *p = test_batch(&t, &n), *q = xmalloc(n + extra);

		ck_assert_int_eq(p[at], 1);
		memcpy(q, p, at);
		memset(q + at, 0x80, extra);
		q[at] = extra > 0 ? 0x81 : 0x01;
		if (extra > 0)
			q[at + extra] = 0;
		memcpy(q + at + extra + 1, p + at + 1, n - at - 1);
		judge_bytes(q, n + extra, 0, 1);
		if (extra < 10) {
			ck_assert_msg(res.verdict == ADMIT_TAKE && res.seq == 1, "%zu more bytes", extra);
		} else {
			ck_assert_int_eq(res.verdict, ADMIT_REFUSE);
			ck_assert_int_eq(res.code, REFUSE_MALFORMED);
		}
		free(p);
		free(q);
	}
}
END_TEST

/* P08: fields of a later protocol, as many as a batch has room for, change nothing. */
START_TEST(unknown_fields)
{
	struct test_batch t = { .seq = 1, .samples = 2 };
	size_t n, more = 100000;
	uint8_t *p = test_batch(&t, &n), *q = xmalloc(n + 3 * more);

	memcpy(q, p, n);
	for (size_t i = 0; i < 3 * more; i += 3)
		memcpy(q + n + i, "\xf8\x3f\x01", 3);	/* field 1023, a varint */
	ck_assert_uint_gt(n + 3 * more, ADMIT_BATCH_MAX);
	more = (ADMIT_BATCH_MAX - n) / 3;
	judge_bytes(q, n + 3 * more, 0, 1);
	ck_assert(res.verdict == ADMIT_TAKE || res.verdict == ADMIT_REFUSE);
	ck_assert(res.verdict != ADMIT_TAKE || res.samples == 2);
	judge_bytes(q, n + 3 * 10, 0, 1);
	ck_assert_int_eq(res.verdict, ADMIT_TAKE);
	ck_assert_uint_eq(res.samples, 2);
	free(p);
	free(q);
}
END_TEST

static const char *bad_link;

static void
bend_link(Linkwatch__Pb__Batch *b)
{
	free(b->link[0]);
	b->link[0] = strdup(bad_link);
}

/* P09, S14: what is no id is no link, and what is said of it is clean. */
START_TEST(link_names_that_are_none)
{
	static char long_name[4097];
	const char *const names[] = { "", ".", "..", "../../x", "/etc/passwd", "a/b", "%s%n", "x;rm", "a\nb", "\"",
		"<script>", "a:b", "a\\b", "A", "\xff\xfe", "\xe2\x80\xae" "b", "\033[2J", long_name };

	memset(long_name, 'a', sizeof long_name - 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		bad_link = names[i];
		offer_bent(bend_link);
		ck_assert_msg(res.verdict == ADMIT_REFUSE, "\"%s\" was taken", names[i]);
		for (const char *c = res.why; *c != '\0'; c++)
			ck_assert_msg((unsigned char)*c >= 0x20, "case %zu is unclean: %s", i, res.why);
	}
}
END_TEST

/* S10. */
START_TEST(a_batch_of_nothing)
{
	struct batch_builder *bb = batch_builder_new();
	uint8_t boot[BOOT_ID_LEN], *p;
	size_t n;

	boot_id(boot, 0);
	ck_assert_int_eq(batch_builder_finish(bb, boot, 1, &p, &n), 0);
	judge_bytes(p, n, 0, 1);
	ck_assert_int_eq(res.verdict, ADMIT_TAKE);	/* its number is used; nothing else comes of it */
	ck_assert_uint_eq(res.samples, 0);
	batch_builder_free(bb);
	free(p);
}
END_TEST

START_TEST(a_link_that_left_the_plan_may_still_be_told)
{
	Linkwatch__Pb__Plan *less;
	char *text = strdup(LINKS), *line = strstr(text, "  - {id: web"), *next = strstr(line + 1, "  - {");

	memmove(line, next, strlen(next) + 1);
	less = test_plan(text);
	admit_plan(admit, less, (struct wall){ T0 });
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1, .link = "web" }, 1), ADMIT_TAKE);
	/* Until no spool can hold it any more. */
	admit_plan(admit, less, (struct wall){ T0 + 3601 * NS_PER_S });
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 2, .link = "web" }, 1), ADMIT_REFUSE);
	links_free(less);
	free(text);
}
END_TEST

START_TEST(old_numberings_go_when_there_are_too_many)
{
	for (int i = 0; i < ADMIT_BOOTS + 1; i++)
		ck_assert_int_eq(offer(&(struct test_batch){ .boot = i, .seq = 1 }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .boot = 2, .seq = 1 }, 1), ADMIT_REPEAT);
	ck_assert_int_eq(offer(&(struct test_batch){ .boot = 0, .seq = 1 }, 1), ADMIT_TAKE);
}
END_TEST

START_TEST(saved_and_loaded_it_says_the_same)
{
	struct admit_limits l = { .past_ns = 3600 * NS_PER_S, .future_ns = 60 * NS_PER_S };
	struct admit *old = admit;
	uint64_t next;
	uint8_t *p;
	size_t n;

	for (uint64_t i = 1; i <= 70; i++)
		offer(&(struct test_batch){ .seq = i, .start_ns = T0 }, 1);
	offer(&(struct test_batch){ .boot = 3, .seq = 1, .link = "nobody" }, 1);
	admit_save(old, 4711, &p, &n);
	admit = admit_new(&l);
	ck_assert_int_eq(admit_load(admit, p, n, &next), 0);
	ck_assert_uint_eq(next, 4711);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 70, .start_ns = T0 }, 1), ADMIT_REPEAT);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 70, .start_ns = T0, .rtt_100ns = 3 }, 1), ADMIT_REFUSE);
	ck_assert(res.forked);
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 71, .start_ns = T0 }, 1), ADMIT_TAKE);
	ck_assert_int_eq(offer(&(struct test_batch){ .boot = 3, .seq = 1 }, 1), ADMIT_REPEAT);
	ck_assert(admit_knows(admit, "a2") && admit_owns(admit, "a1", "web"));
	admit_free(old);
	free(p);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused_whole)
{
	struct admit_limits l = { .past_ns = 3600 * NS_PER_S, .future_ns = 60 * NS_PER_S };
	struct admit *a = admit_new(&l);
	uint64_t next;
	uint8_t *p;
	size_t n;

	offer(&(struct test_batch){ .seq = 1 }, 1);
	admit_save(admit, 9, &p, &n);
	for (size_t i = 0; i < n; i++) {
		p[i] ^= 0x10;
		ck_assert_int_eq(admit_load(a, p, n, &next), -EBADMSG);
		p[i] ^= 0x10;
		ck_assert_int_eq(admit_load(a, p, i, &next), -EBADMSG);
	}
	ck_assert(!admit_knows(a, "a1"));
	ck_assert_int_eq(admit_load(a, p, n, &next), 0);
	admit_free(a);
	free(p);
}
END_TEST

START_TEST(replay_of_records_that_are_none)
{
	struct journal_record r = { .seq = 1, .data = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", .len = 11 };

	for (uint16_t t = 0; t < 20; t++) {
		r.type = t;
		admit_replay(admit, &r);
	}
	ck_assert_int_eq(offer(&(struct test_batch){ .seq = 1 }, 1), ADMIT_TAKE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("admit");
	TCase *t = tcase_create("admit");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, takes_in_order_and_knows_repeats);
	tcase_add_test(t, another_numbering_begins_at_one);
	tcase_add_test(t, same_number_other_content_is_a_fork);
	tcase_add_test(t, another_form_is_no_fork);
	tcase_add_test(t, a_hole_needs_a_word);
	tcase_add_test(t, a_gap_to_the_end_of_numbers_is_no_trick);
	tcase_add_test(t, impossible_numbers);
	tcase_add_test(t, a_batch_with_two_numbers);
	tcase_add_test(t, a_record_with_an_impossible_number);
	tcase_add_test(t, a_flood_of_gaps);
	tcase_add_test(t, links_of_others_are_refused);
	tcase_add_test(t, times_out_of_tolerance);
	tcase_add_test(t, bent_batches_are_refused);
	tcase_add_test(t, every_cut_of_a_batch);
	tcase_add_test(t, every_byte_of_a_batch_bent);
	tcase_add_test(t, too_long_a_batch);
	tcase_add_test(t, long_varints);
	tcase_add_test(t, unknown_fields);
	tcase_add_test(t, link_names_that_are_none);
	tcase_add_test(t, a_batch_of_nothing);
	tcase_add_test(t, a_link_that_left_the_plan_may_still_be_told);
	tcase_add_test(t, old_numberings_go_when_there_are_too_many);
	tcase_add_test(t, saved_and_loaded_it_says_the_same);
	tcase_add_test(t, a_damaged_checkpoint_is_refused_whole);
	tcase_add_test(t, replay_of_records_that_are_none);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
