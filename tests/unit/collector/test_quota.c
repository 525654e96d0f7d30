/*
 * test_quota.c - buckets: two seconds at once, then the rate, and no bucket helps another.
 */
#include "collector/quota.h"

#include <check.h>
#include <stdlib.h>

static const struct quota_limits limits = { .bytes = 1000, .batches = 10, .samples = 100, .sessions = 6 };

static struct mono
at(double s)
{
	return (struct mono){ (int64_t)(s * 1e9) };
}

START_TEST(two_seconds_at_once_then_the_rate)
{
	struct quota q;
	int n = 0;

	quota_init(&q, &limits, at(0));
	ck_assert(quota_is_full(&q, &limits));
	while (quota_is_good(&q, &limits) && n < 1000) {
		quota_spend(&q, 1, 1);
		n++;
	}
	ck_assert_int_eq(n, 21);		/* 20 batches, and the one that made the debt */
	for (int s = 1; s <= 100; s++) {
		quota_refill(&q, &limits, at(s));
		for (; quota_is_good(&q, &limits); n++)
			quota_spend(&q, 1, 1);
	}
	ck_assert_int_ge(n, 20 + 100 * 10);
	ck_assert_int_le(n, 22 + 100 * 10);
}
END_TEST

START_TEST(each_of_them_binds)
{
	struct quota q;

	quota_init(&q, &limits, at(0));
	quota_spend(&q, 2001, 0);
	ck_assert(!quota_is_good(&q, &limits));
	quota_init(&q, &limits, at(0));
	quota_spend(&q, 0, 201);
	ck_assert(!quota_is_good(&q, &limits));
	quota_refill(&q, &limits, at(0.5));
	ck_assert(quota_is_good(&q, &limits));
	/* Time that stands still or goes back gives nothing. */
	quota_spend(&q, 0, 1000);
	quota_refill(&q, &limits, at(0.5));
	quota_refill(&q, &limits, at(0.2));
	ck_assert(!quota_is_good(&q, &limits));
}
END_TEST

START_TEST(sessions_of_a_minute)
{
	struct quota q;
	int n = 0;

	quota_init(&q, &limits, at(0));
	while (quota_session(&q, &limits) && n < 100)
		n++;
	ck_assert_int_eq(n, 6);
	ck_assert(quota_is_good(&q, &limits));
	quota_refill(&q, &limits, at(10));
	ck_assert(quota_session(&q, &limits));
	ck_assert(!quota_session(&q, &limits));
	ck_assert(!quota_is_full(&q, &limits));
	quota_refill(&q, &limits, at(100));
	ck_assert(quota_is_full(&q, &limits));
}
END_TEST

START_TEST(no_limits)
{
	static const struct quota_limits none = { 0 };
	struct quota q;

	quota_init(&q, &none, at(0));
	for (int i = 0; i < 1000; i++) {
		quota_spend(&q, 1 << 20, 1 << 20);
		ck_assert(quota_is_good(&q, &none) && quota_session(&q, &none));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quota");
	TCase *tc = tcase_create("quota");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, two_seconds_at_once_then_the_rate);
	tcase_add_test(tc, each_of_them_binds);
	tcase_add_test(tc, sessions_of_a_minute);
	tcase_add_test(tc, no_limits);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
