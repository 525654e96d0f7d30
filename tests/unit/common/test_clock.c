/*
 * test_clock.c - the real clock moves, stamps are at UTC+8 whatever the zone.
 */
#include "common/clock.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(test_real)
{
	const struct clock *c = clock_real();
	struct mono a = clock_mono(c), b;
	struct wall w = clock_wall(c);
	time_t now = time(NULL);

	for (int i = 0; i < 1000; i++) {
		b = clock_mono(c);
		ck_assert_int_ge(b.ns, a.ns);
		a = b;
	}
	ck_assert_int_le(llabs(w.ns / NS_PER_S - now), 1);
	ck_assert_ptr_eq(c, clock_real());
}
END_TEST

START_TEST(test_format)
{
	static const struct { int64_t ns; const char *full, *hm; } rows[] = {
		{ 0, "1970-01-01 08:00:00", "08:00" },
		{ INT64_C(1768437067) * NS_PER_S, "2026-01-15 08:31:07", "08:31" },
		{ INT64_C(1768437067) * NS_PER_S + 999999999, "2026-01-15 08:31:07", "08:31" },
		{ INT64_C(1798732799) * NS_PER_S, "2026-12-31 23:59:59", "23:59" },
		{ INT64_C(1798732800) * NS_PER_S, "2027-01-01 00:00:00", "00:00" },
		{ INT64_C(1709136000) * NS_PER_S, "2024-02-29 00:00:00", "00:00" },
		{ -1, "1970-01-01 07:59:59", "07:59" },
		{ -NS_PER_S, "1970-01-01 07:59:59", "07:59" },
		{ INT64_MAX, "2262-04-12 07:47:16", "07:47" },
		{ INT64_MIN, "1677-09-21 08:12:43", "08:12" },
	};
	static const char *const zones[] = { "UTC", "America/New_York", "Asia/Shanghai" };
	char buf[20];

	for (size_t z = 0; z < 3; z++) {
		ck_assert_int_eq(setenv("TZ", zones[z], 1), 0);
		tzset();
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct wall t = { rows[i].ns };

			ck_assert_str_eq(wall_format(buf, sizeof(buf), t), rows[i].full);
			ck_assert_str_eq(wall_format_hm(buf, 6, t), rows[i].hm);
		}
	}
	/* a buffer that is too small holds nothing rather than half of a time */
	ck_assert_str_eq(wall_format(buf, 10, (struct wall){ 0 }), "");
	ck_assert_str_eq(wall_format_hm(buf, 5, (struct wall){ 0 }), "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_real);
	tcase_add_test(t, test_format);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
