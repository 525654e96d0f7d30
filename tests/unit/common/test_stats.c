/*
 * test_stats.c - order statistics against known values and a naive second way.
 */
#include "common/stats.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/model.h"
#include "common/rng.h"

START_TEST(test_none)
{
	struct rtt_stats s;

	rtt_stats(&s, NULL, 0);
	ck_assert_uint_eq(s.n, 0);
	ck_assert(isnan(s.min) && isnan(s.p10) && isnan(s.p25) && isnan(s.p50) && isnan(s.p75) &&
	    isnan(s.p90) && isnan(s.max) && isnan(s.pdv) && isnan(s.mean));
}
END_TEST

START_TEST(test_one)
{
	const uint32_t v = 12345;
	struct rtt_stats s;

	rtt_stats(&s, &v, 1);
	ck_assert_uint_eq(s.n, 1);
	ck_assert(s.min == 1234500 && s.p10 == 1234500 && s.p90 == 1234500 && s.max == 1234500);
	ck_assert(s.mean == 1234500 && s.pdv == 0);
}
END_TEST

/* 1..10 ms, shuffled: quantiles of type 7 are 1 + 9q ms. */
START_TEST(test_ten)
{
	const uint32_t v[] = { 70000, 10000, 100000, 40000, 20000, 90000, 30000, 80000, 60000,
	    50000 };
	uint32_t before[10];
	struct rtt_stats s;

	memcpy(before, v, sizeof(v));
	rtt_stats(&s, v, 10);
	ck_assert_double_eq_tol(s.min, 1e6, 0.1);
	ck_assert_double_eq_tol(s.p10, 1.9e6, 0.1);
	ck_assert_double_eq_tol(s.p25, 3.25e6, 0.1);
	ck_assert_double_eq_tol(s.p50, 5.5e6, 0.1);
	ck_assert_double_eq_tol(s.p75, 7.75e6, 0.1);
	ck_assert_double_eq_tol(s.p90, 9.1e6, 0.1);
	ck_assert_double_eq_tol(s.max, 10e6, 0.1);
	ck_assert_double_eq_tol(s.pdv, 8.1e6, 0.1);
	ck_assert_double_eq_tol(s.mean, 5.5e6, 0.1);
	ck_assert_mem_eq(v, before, sizeof(v));
}
END_TEST

START_TEST(test_extremes)
{
	const uint32_t v[] = { UINT32_MAX, 0, UINT32_MAX };
	struct rtt_stats s;

	rtt_stats(&s, v, 3);
	ck_assert_double_eq_tol(s.max, 429496729500.0, 1);
	ck_assert_double_eq(s.min, 0);
	ck_assert_double_eq_tol(s.mean, 286331153000.0, 1);
}
END_TEST

/* The k-th smallest by counting, without sorting. */
static uint32_t
kth(const uint32_t *v, size_t n, size_t k)
{
	for (size_t i = 0; i < n; i++) {
		size_t less = 0, same = 0;

		for (size_t j = 0; j < n; j++) {
			less += v[j] < v[i];
			same += v[j] == v[i];
		}
		if (k >= less && k < less + same)
			return v[i];
	}
	return 0;
}

static double
naive(const uint32_t *v, size_t n, double q)
{
	double h = q * (double)(n - 1), low = floor(h), high = ceil(h);

	return 100.0 * (kth(v, n, (size_t)low) + (h - low) * ((double)kth(v, n, (size_t)high) -
	    (double)kth(v, n, (size_t)low)));
}

START_TEST(test_naive)
{
	struct rng_seed seed;
	struct rng *r = rng_seeded(&seed, 9);
	uint32_t v[SAMPLE_RTT_MAX];

	for (int round = 0; round < 60; round++) {
		size_t n = round == 0 ? SAMPLE_RTT_MAX : 1 + rng_below(r, 120);
		struct rtt_stats s;

		for (size_t i = 0; i < n; i++)
			v[i] = (uint32_t)rng_below(r, round % 2 == 0 ? 50 : 1000000);
		rtt_stats(&s, v, n);
		ck_assert_double_eq_tol(s.min, 100.0 * kth(v, n, 0), 1e-3);
		ck_assert_double_eq_tol(s.max, 100.0 * kth(v, n, n - 1), 1e-3);
		ck_assert_double_eq_tol(s.p10, naive(v, n, 0.10), 1e-3);
		ck_assert_double_eq_tol(s.p25, naive(v, n, 0.25), 1e-3);
		ck_assert_double_eq_tol(s.p50, naive(v, n, 0.50), 1e-3);
		ck_assert_double_eq_tol(s.p75, naive(v, n, 0.75), 1e-3);
		ck_assert_double_eq_tol(s.p90, naive(v, n, 0.90), 1e-3);
		ck_assert_double_eq_tol(s.pdv, s.p90 - s.min, 1e-3);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stats");
	TCase *t = tcase_create("stats");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_none);
	tcase_add_test(t, test_one);
	tcase_add_test(t, test_ten);
	tcase_add_test(t, test_extremes);
	tcase_add_test(t, test_naive);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
