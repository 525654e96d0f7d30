/*
 * test_when.c - instants as people write them, against the C library's calendar.
 */
#include "common/when.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/rng.h"

static const struct wall now = { INT64_C(1768437067) * NS_PER_S + 250 * NS_PER_MS };

static void
expect(const char *s, int64_t ns)
{
	struct wall t = { 0 };

	ck_assert_msg(when_parse(s, now, &t) == 0, "'%s' is refused", s);
	ck_assert_msg(t.ns == ns, "'%s' is %lld, not %lld", s, (long long)t.ns, (long long)ns);
}

START_TEST(forms)
{
	const int64_t day = INT64_C(1768406400) * NS_PER_S;	/* 2026-01-15 at UTC+8 */

	expect("now", now.ns);
	expect("-2h", now.ns - 7200 * NS_PER_S);
	expect("-90s", now.ns - 90 * NS_PER_S);
	expect("-30m", now.ns - 1800 * NS_PER_S);
	expect("-7d", now.ns - 7 * 86400 * NS_PER_S);
	expect("-2w", now.ns - 14 * 86400 * NS_PER_S);
	expect("+1h", now.ns + 3600 * NS_PER_S);
	expect("0", 0);
	expect("1768437067", now.ns - 250 * NS_PER_MS);
	expect("1768437067.25", now.ns);
	expect("1768437067.2500000001", now.ns);
	expect("2026-01-15", day);
	expect("2026-01-15 08:31", day + (8 * 60 + 31) * 60 * NS_PER_S);
	expect("2026-01-15T08:31:07", day + ((8 * 60 + 31) * 60 + 7) * NS_PER_S);
	expect("2026-01-15t08:31:07.5+08:00", day + ((8 * 60 + 31) * 60 + 7) * NS_PER_S + NS_PER_S / 2);
	expect("2026-01-15T00:31:07.5Z", day + ((8 * 60 + 31) * 60 + 7) * NS_PER_S + NS_PER_S / 2);
	expect("2026-01-14T20:01:07-04:30", day + ((8 * 60 + 31) * 60 + 7) * NS_PER_S);
	expect("2024-02-29T00:00Z", INT64_C(1709164800) * NS_PER_S);
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = { "", " ", "yesterday", "now ", "-", "-h", "-2", "-2x", "-2hh", "2h", "-2.5h",
		"--2h", "-99999999999w", "-100000w", "1e9", "1768437067.", ".5", "99999999999999999999", "-1", "0x10",
		"2026-1-15", "2026-01-15T", "2026-01-15T08", "2026-01-15T08:31:", "2026-01-15T08:31:07.",
		"2026-13-01", "2026-00-01", "2026-02-29", "2026-04-31", "2026-01-00", "2026-01-15T24:00",
		"2026-01-15T08:60", "2026-01-15T08:31:60", "2026-01-15T08:31:07+8", "2026-01-15T08:31:07+24:00",
		"2026-01-15T08:31:07Zx", "2026-01-15 08:31:07 Z", "1969-12-31", "1970-01-01", "2262-01-01",
		"2026-01-15T08:31Z+08:00", "2026/01/15", "\xff" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct wall t = { 42 };

		ck_assert_msg(when_parse(bad[i], now, &t) == -EINVAL, "'%s' is taken", bad[i]);
		ck_assert_int_eq(t.ns, 42);
	}
}
END_TEST

/* Whatever TZ says, what is written is read back, and timegm() agrees. */
START_TEST(round_trips)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 11);

	setenv("TZ", ":../../etc/passwd", 1);
	for (int i = 0; i < 20000; i++) {
		struct wall t = { (int64_t)rng_below(rng, (uint64_t)INT64_C(9183000000) * NS_PER_S) }, back = { 0 };
		char text[WHEN_RFC3339_LEN], utc[64];
		struct tm tm;
		time_t s = (time_t)(t.ns / NS_PER_S);

		ck_assert_int_eq(when_parse(when_format(text, sizeof text, t), now, &back), 0);
		ck_assert_int_eq(back.ns, t.ns);
		ck_assert_uint_eq(strlen(text), WHEN_RFC3339_LEN - 1);
		gmtime_r(&s, &tm);
		strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", &tm);
		ck_assert_int_eq(when_parse(utc, now, &back), 0);
		ck_assert_int_eq(back.ns, (int64_t)s * NS_PER_S);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("when");
	TCase *t = tcase_create("when");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, forms);
	tcase_add_test(t, refused);
	tcase_add_test(t, round_trips);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
