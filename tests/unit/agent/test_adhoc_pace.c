/*
 * test_adhoc_pace.c - one even stream, never a burst, never over the rate.
 */
#include "agent/adhoc_pace.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

static const struct mono start = { 5 * NS_PER_S };

START_TEST(test_even)
{
	struct adhoc_pace p;
	uint32_t target, round;

	adhoc_pace_init(&p, 4, 3, NS_PER_S, 1000, start);
	for (uint32_t k = 0; k < 12; k++) {
		struct mono due = { start.ns + k * NS_PER_S / 4 }, before = { due.ns - 1 };

		ck_assert_int_eq(adhoc_pace_due(&p).ns, due.ns);
		ck_assert(!adhoc_pace_next(&p, before, &target, &round));
		ck_assert(adhoc_pace_next(&p, due, &target, &round));
		ck_assert(target == k % 4 && round == k / 4);
	}
	ck_assert(!adhoc_pace_next(&p, (struct mono){ INT64_MAX - 1 }, &target, &round));
	ck_assert_int_eq(adhoc_pace_due(&p).ns, INT64_MAX);
	ck_assert_int_eq(p.slipped_ns, 0);
}
END_TEST

START_TEST(test_rate)
{
	struct adhoc_pace p;

	ck_assert_int_eq(adhoc_pace_interval(10, NS_PER_S, 1000), NS_PER_S);
	ck_assert_int_eq(adhoc_pace_interval(50000, NS_PER_S, 1000), 50 * NS_PER_S);
	ck_assert_int_eq(adhoc_pace_interval(1, NS_PER_MS, 1000), NS_PER_MS);
	ck_assert_int_eq(adhoc_pace_interval(1, NS_PER_MS, 10), 100 * NS_PER_MS);
	adhoc_pace_init(&p, 65536, 10, NS_PER_MS, 100000, start);
	p.round = 9;
	p.target = 65535;
	ck_assert_int_eq(adhoc_pace_due(&p).ns - start.ns, (INT64_C(655360) - 1) * 10000);
}
END_TEST

/* The largest that the options permit does not overflow. */
START_TEST(test_largest)
{
	struct adhoc_pace p;

	adhoc_pace_init(&p, 65536, 10000, INT64_C(3600000) * NS_PER_MS, 1, start);
	p.round = 9999;
	p.target = 65535;
	ck_assert_int_gt(adhoc_pace_due(&p).ns, 0);
	ck_assert_int_gt(p.interval_ns, 65535 * NS_PER_S);
}
END_TEST

START_TEST(test_sleeper_does_not_burst)
{
	struct adhoc_pace p;
	struct mono now = { start.ns + 60 * NS_PER_S };
	uint32_t target, round, sent = 0;

	adhoc_pace_init(&p, 100, 1000, NS_PER_S, 1000, start);
	while (adhoc_pace_next(&p, now, &target, &round))
		sent++;
	/* what fits into the slack, at 100 a second */
	ck_assert_uint_le(sent, 2);
	ck_assert_int_eq(p.slipped_ns, 60 * NS_PER_S - ADHOC_SLACK_MAX_NS);
	now.ns += NS_PER_S;
	for (sent = 0; adhoc_pace_next(&p, now, &target, &round); now.ns += NS_PER_MS)
		sent++;
	ck_assert_uint_le(sent, 2);
}
END_TEST

/* However late each look is, requests to one target keep three quarters of the interval. */
START_TEST(test_rhythm_of_one)
{
	struct adhoc_pace p;
	struct mono now = start, last = { 0 };
	uint32_t target, round, sent = 0;

	srandom(3);
	adhoc_pace_init(&p, 1, 500, 4 * NS_PER_MS, 1000, start);
	while (sent < 500) {
		now.ns += random() % (20 * NS_PER_MS);
		while (adhoc_pace_next(&p, now, &target, &round)) {
			ck_assert(last.ns == 0 || now.ns - last.ns >= 3 * NS_PER_MS - 1);
			last = now;
			sent++;
		}
	}
	ck_assert_int_gt(p.slipped_ns, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_even, test_rate, test_largest,
		test_sleeper_does_not_burst, test_rhythm_of_one, NULL };

	return run_suite("adhoc_pace", tests);
}
