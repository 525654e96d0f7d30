/*
 * test_adhoc_stats.c - fates, quantiles as those of samples, rows that hold all.
 */
#include "agent/adhoc_stats.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "common/stats.h"
#include "suite.h"

START_TEST(test_fates)
{
	static const int64_t exact[] = { 64, 65, 1000000, INT64_C(2147483647) };
	static const int64_t coarse[] = { INT64_C(2147483648), INT64_C(60000000000) };

	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(fate_rtt(fate_of_rtt(exact[i])), exact[i]);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(fate_rtt(fate_of_rtt(coarse[i])), coarse[i] / 100 * 100);
	ck_assert_uint_eq(fate_of_rtt(1), FATE_RTT);
	ck_assert_uint_eq(fate_of_rtt(INT64_MAX), UINT32_MAX);
	ck_assert_uint_lt(fate_of_rtt(INT64_C(2147483647)), fate_of_rtt(INT64_C(2147483648)));
	ck_assert(fate_is_unsent(CAUSE_RESOLVE) && fate_is_unsent(CAUSE_NOT_SENT) &&
	    fate_is_unsent(CAUSE_LOCAL) && !fate_is_unsent(CAUSE_TIMEOUT));
}
END_TEST

START_TEST(test_counts)
{
	const uint32_t fate[] = { 2000, CAUSE_TIMEOUT, 1000, CAUSE_NOT_SENT, FATE_PENDING,
		FATE_EXCUSED, FATE_NONE, CAUSE_HOST_UNREACHABLE, CAUSE_LOCAL };
	uint32_t scratch[9];
	struct adhoc_stats s;

	adhoc_stats(&s, fate, 9, scratch);
	ck_assert_uint_eq(s.tried, 8);
	ck_assert_uint_eq(s.sent, 4);
	ck_assert_uint_eq(s.received, 2);
	ck_assert_uint_eq(s.pending, 2);
	ck_assert_uint_eq(s.cause[CAUSE_TIMEOUT], 1);
	ck_assert_uint_eq(s.cause[CAUSE_HOST_UNREACHABLE], 1);
	ck_assert_uint_eq(s.cause[CAUSE_NOT_SENT], 1);
	ck_assert_uint_eq(s.cause[CAUSE_LOCAL], 1);
	ck_assert(s.min == 1000 && s.max == 2000 && s.p50 == 1500);
	ck_assert(scratch[0] == 1000 && scratch[1] == 2000);
}
END_TEST

START_TEST(test_nothing)
{
	const uint32_t fate[] = { CAUSE_TIMEOUT, FATE_NONE };
	uint32_t scratch[2];
	struct adhoc_stats s;

	adhoc_stats(&s, fate, 2, scratch);
	ck_assert(s.sent == 1 && s.received == 0);
	ck_assert(isnan(s.min) && isnan(s.p50) && isnan(s.p90) && isnan(s.max) && isnan(s.pdv));
}
END_TEST

/* The same words mean the same here and in a sample. */
START_TEST(test_as_in_samples)
{
	uint32_t fate[SAMPLE_RTT_MAX], scratch[SAMPLE_RTT_MAX], v[SAMPLE_RTT_MAX];
	struct rtt_stats theirs;
	struct adhoc_stats ours;

	srandom(7);
	for (size_t n = 1; n <= SAMPLE_RTT_MAX; n = n * 3 / 2 + 1) {
		for (size_t i = 0; i < n; i++) {
			v[i] = 1 + (uint32_t)random() % 20000000;
			fate[i] = fate_of_rtt((int64_t)v[i] * 100);
		}
		rtt_stats(&theirs, v, n);
		adhoc_stats(&ours, fate, n, scratch);
		ck_assert_double_eq_tol(ours.min, theirs.min, 0.01);
		ck_assert_double_eq_tol(ours.p50, theirs.p50, 0.01);
		ck_assert_double_eq_tol(ours.p90, theirs.p90, 0.01);
		ck_assert_double_eq_tol(ours.max, theirs.max, 0.01);
		ck_assert_double_eq_tol(ours.pdv, theirs.pdv, 0.01);
	}
}
END_TEST

/* In place: the scratch may be the fates themselves. */
START_TEST(test_in_place)
{
	uint32_t fate[] = { CAUSE_TIMEOUT, 900, FATE_NONE, 300, 600 };
	struct adhoc_stats s;

	adhoc_stats(&s, fate, 5, fate);
	ck_assert_uint_eq(s.received, 3);
	ck_assert(fate[0] == 300 && fate[1] == 600 && fate[2] == 900);
}
END_TEST

static size_t
held(const struct adhoc_hist *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->rows; i++)
		n += h->count[i];
	return n;
}

START_TEST(test_histogram)
{
	uint32_t v[100];
	struct adhoc_hist h;

	for (uint32_t i = 0; i < 100; i++)
		v[i] = 1000000 + i * 10000;
	v[99] = 900000000;
	adhoc_hist(&h, v, 100, 8);
	ck_assert_uint_eq(held(&h), 100);
	ck_assert_uint_le(h.rows, 8);
	ck_assert(h.base <= 1000000 && h.base + h.width > 1000000);
	ck_assert(h.width == 200000 || h.width == 500000);
	ck_assert(h.open);
	for (size_t i = 0; i + 1 < h.rows; i++) {
		size_t n = 0;

		for (size_t k = 0; k < 100; k++)
			n += v[k] >= h.base + (double)i * h.width && v[k] < h.base + (double)(i + 1) * h.width;
		ck_assert_uint_eq(h.count[i], n);
	}
}
END_TEST

START_TEST(test_histogram_of_one)
{
	const uint32_t one[] = { 64 }, same[] = { 5000, 5000, 5000 };
	struct adhoc_hist h;

	adhoc_hist(&h, one, 1, 2);
	ck_assert(h.rows == 1 && h.count[0] == 1 && !h.open);
	adhoc_hist(&h, same, 3, ADHOC_ROWS);
	ck_assert_uint_eq(held(&h), 3);
	ck_assert(!h.open && h.width > 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_fates, test_counts, test_nothing, test_as_in_samples,
		test_in_place, test_histogram, test_histogram_of_one, NULL };

	return run_suite("adhoc_stats", tests);
}
