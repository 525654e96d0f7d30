/*
 * test_gather.c - rows wait sorted, once each, and leave without holes.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "collector/gather.h"

START_TEST(rows_leave_sorted_once_and_without_holes)
{
	static const int64_t in[] = { 50, 20, 30, 20, 90, 10 };
	struct gather g = { 0 };
	struct rrd_row *rows;
	size_t n, late;
	double v;

	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		v = (double)in[i];
		ck_assert_int_eq(gather_add(&g, in[i], &v, 1, 100 - i, 7), i == 3 ? GATHER_REPEAT : GATHER_ADDED);
	}
	ck_assert_uint_eq(g.first_seq, 95);
	n = gather_rows(&g, 10, 10, 1, &rows, &late);
	ck_assert_uint_eq(late, 1);
	/* 20 30 (40) 50 (80) 90 */
	ck_assert_uint_eq(n, 6);
	ck_assert(rows[0].t == 20 && rows[1].t == 30 && rows[2].t == 40 && rows[3].t == 50);
	ck_assert(rows[4].t == 80 && rows[5].t == 90);
	ck_assert(isnan(rows[2].v[0]) && isnan(rows[4].v[0]));
	ck_assert_double_eq(rows[3].v[0], 50);
	free(rows);
	/* The first row after a long silence gets its hole too. */
	n = gather_rows(&g, -1000, 10, 1, &rows, &late);
	ck_assert(rows[0].t == 0 && isnan(rows[0].v[0]));
	ck_assert_uint_eq(late, 0);
	ck_assert_uint_eq(n, 8);
	free(rows);
	gather_fini(&g);
}
END_TEST

START_TEST(gathering_is_bounded_and_due_in_time)
{
	struct gather g = { 0 };
	double v = 1;

	ck_assert(!gather_is_due(&g, 1, 0, 0));
	gather_add(&g, 1, &v, 1, 5, 1000);
	ck_assert(gather_is_due(&g, 1, 1000000, 1000));
	ck_assert(!gather_is_due(&g, 2, 500, 1499));
	ck_assert(gather_is_due(&g, 2, 500, 1500));
	for (int64_t i = 2; i <= GATHER_MAX; i++)
		ck_assert_int_eq(gather_add(&g, i, &v, 1, 5, 1000), GATHER_ADDED);
	ck_assert_int_eq(gather_add(&g, GATHER_MAX + 1, &v, 1, 5, 1000), GATHER_FULL);
	gather_empty(&g);
	ck_assert(g.n == 0 && g.first_seq == 0);
	gather_fini(&g);
}
END_TEST

#define ADD(name) tcase_add_test(t, name)

int
main(void)
{
	Suite *s = suite_create("gather");
	TCase *t = tcase_create("gather");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	ADD(rows_leave_sorted_once_and_without_holes);
	ADD(gathering_is_bounded_and_due_in_time);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
