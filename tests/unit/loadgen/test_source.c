/*
 * test_source.c - what the load generator says and how it counts: would a real agent say that?
 */
#include "tests/loadgen/source.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/loadgen/spread.h"

static const struct load_shape shape = { .agents = 3, .links = 7, .step_ms = 2000, .rtts = 10, .batch = 20, .seed = 9 };
static const struct load_numbering numbering = { .boot = "0123456789abcde", .start_ns = 1000 * NS_PER_S };

static Linkwatch__Pb__Batch *
batch(const struct load_shape *s, uint32_t agent, uint64_t seq)
{
	struct batch_builder *bb = batch_builder_new();
	Linkwatch__Pb__Batch *b;
	uint8_t *p;
	size_t n;

	source_batch(bb, s, &numbering, agent, seq, &p, &n);
	b = batch_unpack(p, n);
	ck_assert_ptr_nonnull(b);
	free(p);
	batch_builder_free(bb);
	return b;
}

START_TEST(samples_follow_each_other_through_all_batches)
{
	uint64_t j = 0;

	for (uint64_t seq = 1; seq <= 30; seq++) {
		Linkwatch__Pb__Batch *b = batch(&shape, 1, seq);
		struct batch_cursor c;
		struct sample s;
		char why[100], id[ID_MAX + 1];

		ck_assert_msg(batch_check(b, why, sizeof why) == 0, "%s", why);
		ck_assert_uint_eq(b->seq, seq);
		ck_assert_uint_eq(b->n_sent, shape.batch);
		batch_cursor_init(&c, b);
		for (; batch_cursor_next(&c, &s); j++) {
			int64_t step = (int64_t)(j / 7) * 2 * NS_PER_S, phase = (int64_t)(j % 7) * 2 * NS_PER_S / 7;

			source_link_id(id, (uint32_t)(j % 7));
			ck_assert_str_eq(s.link, id);
			/* columns keep microseconds */
			ck_assert_int_le(llabs(s.start_ns - numbering.start_ns - step - phase), 20 * NS_PER_US);
			ck_assert_uint_eq(s.rtt_count + (s.causes > 0 ? s.cause[0].count : 0), shape.rtts);
			ck_assert_int_le(s.start_ns + 2 * NS_PER_S, source_due_ns(&shape, &numbering, seq) + 1000);
		}
		linkwatch__pb__batch__free_unpacked(b, NULL);
	}
	ck_assert_uint_eq(j, 600);
}
END_TEST

START_TEST(a_batch_depends_on_agent_number_and_seed)
{
	struct load_shape other = shape;
	Linkwatch__Pb__Batch *a = batch(&shape, 1, 5), *b = batch(&shape, 2, 5), *c;

	other.seed++;
	c = batch(&other, 1, 5);
	ck_assert_uint_ne(a->rtt_100ns[0], b->rtt_100ns[0]);
	ck_assert_uint_ne(a->rtt_100ns[0], c->rtt_100ns[0]);
	linkwatch__pb__batch__free_unpacked(a, NULL);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	linkwatch__pb__batch__free_unpacked(c, NULL);
}
END_TEST

START_TEST(the_first_incomplete_batch_is_found)
{
	for (uint64_t seq = 1; seq < 100; seq++) {
		int64_t due = source_due_ns(&shape, &numbering, seq);

		ck_assert_uint_eq(source_next(&shape, &numbering, due - 1), seq);
		ck_assert_uint_eq(source_next(&shape, &numbering, due), seq + 1);
	}
}
END_TEST

START_TEST(a_spread_keeps_order_within_its_step)
{
	struct spread *s = calloc(1, sizeof *s);

	ck_assert_int_eq(spread_quantile(s, 0.5), 0);
	for (int64_t i = 1; i <= 100000; i++)
		spread_add(s, i * 1000);
	for (int q = 1; q < 100; q++) {
		double is = (double)spread_quantile(s, q / 100.0), want = q * 1e6;

		ck_assert_msg(is >= want && is <= want * 1.017, "%d %%: %g instead of %g", q, is, want);
	}
	ck_assert_int_eq(spread_quantile(s, 1), 100000000);
	spread_add(s, INT64_MAX);
	spread_add(s, -1);
	ck_assert_int_eq(s->max_ns, INT64_MAX);
	ck_assert_int_eq(spread_quantile(s, 0), 0);
	free(s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("loadgen");
	TCase *t = tcase_create("source");
	SRunner *runner;
	int failed;

	tcase_add_test(t, samples_follow_each_other_through_all_batches);
	tcase_add_test(t, a_batch_depends_on_agent_number_and_seed);
	tcase_add_test(t, the_first_incomplete_batch_is_found);
	tcase_add_test(t, a_spread_keeps_order_within_its_step);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
