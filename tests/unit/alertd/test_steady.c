/*
 * test_steady.c - the time to decide with, while somebody turns the clock.
 */
#include "alertd/steady.h"

#include "tests/unit/alertd/suite.h"

#define HOUR (3600 * NS_PER_S)
#define T0 (INT64_C(1768437000) * NS_PER_S)

START_TEST(follows_the_wall)
{
	struct steady s = { 0 };

	ck_assert_int_eq(steady_now(&s, (struct wall){ T0 }, (struct mono){ 5 }).ns, T0);
	ck_assert_int_eq(steady_now(&s, (struct wall){ T0 + HOUR }, (struct mono){ 6 }).ns,
	    T0 + HOUR);
}
END_TEST

/* An hour back: a timer of ten minutes fires within twelve, and the wall is met again. */
START_TEST(an_hour_back)
{
	struct steady s = { 0 };
	int64_t last, due, fired = 0, met = 0;

	last = steady_now(&s, (struct wall){ T0 }, (struct mono){ 0 }).ns;
	due = T0 + 600 * NS_PER_S;
	for (int64_t t = 1; t < 10 * 3600; t++) {
		struct wall wall = { T0 - HOUR + t * NS_PER_S };
		int64_t now = steady_now(&s, wall, (struct mono){ t * NS_PER_S }).ns;

		ck_assert_int_ge(now, last);
		last = now;
		if (fired == 0 && now >= due)
			fired = t;
		if (met == 0 && now == wall.ns)
			met = t;
	}
	ck_assert_int_gt(fired, 0);
	ck_assert_int_le(fired, 720);
	ck_assert_int_gt(met, 0);
}
END_TEST

/* Twice in the same instant, and a monotonic clock that seems to go back: it stands. */
START_TEST(never_goes_back)
{
	struct steady s = { 0 };

	steady_now(&s, (struct wall){ T0 }, (struct mono){ HOUR });
	ck_assert_int_eq(steady_now(&s, (struct wall){ T0 - 1 }, (struct mono){ HOUR }).ns, T0);
	ck_assert_int_eq(steady_now(&s, (struct wall){ 0 }, (struct mono){ 0 }).ns, T0);
}
END_TEST

RUN_SUITE("steady", follows_the_wall, an_hour_back, never_goes_back)
