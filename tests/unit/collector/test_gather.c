/*
 * test_gather.c - rows wait sorted, once each, and leave in turn.
 */
#include <check.h>
#include <stdlib.h>

#include "collector/gather.h"

START_TEST(rows_leave_sorted_and_once)
{
	static const int64_t in[] = { 50, 20, 30, 20, 90, 10 }, out[] = { 10, 20, 30, 50, 90 };
	struct gather g = { 0 };
	struct rrd_rows rows;
	double v[2];

	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		v[0] = (double)in[i];
		v[1] = (double)i;
		ck_assert_int_eq(gather_add(&g, in[i], v, 2, 100 - i, 7), i == 3 ? GATHER_REPEAT : GATHER_ADDED);
	}
	ck_assert_uint_eq(g.first_seq, 95);
	rows = gather_rows(&g, 0);
	ck_assert_uint_eq(rows.n, 5);
	for (size_t i = 0; i < rows.n; i++) {
		ck_assert_int_eq(rows.t[i], out[i]);
		ck_assert_double_eq(rows.v[2 * i], (double)out[i]);
	}
	ck_assert_double_eq(rows.v[3], 1);	/* of the two that say 20 the first */
	/* The newest may stay: they keep their records. */
	ck_assert_uint_eq(gather_rows(&g, 2).n, 3);
	gather_drop(&g, 3, 9);
	ck_assert_uint_eq(g.n, 2);
	ck_assert(g.t[0] == 50 && g.t[1] == 90 && g.oldest_ns == 9);
	ck_assert_double_eq(g.v[2], 90);
	ck_assert_uint_eq(g.first_seq, 96);
	/* Another shape, once all are written. */
	gather_empty(&g);
	v[0] = 7;
	ck_assert_int_eq(gather_add(&g, 10, v, 1, 1, 7), GATHER_ADDED);
	ck_assert_double_eq(gather_rows(&g, 0).v[0], 7);
	gather_fini(&g);
}
END_TEST

START_TEST(gathering_is_bounded)
{
	struct gather g = { 0 };
	double v = 1;

	for (int64_t i = 1; i <= GATHER_MAX; i++)
		ck_assert_int_eq(gather_add(&g, i, &v, 1, 5, 1000), GATHER_ADDED);
	ck_assert_int_eq(gather_add(&g, GATHER_MAX + 1, &v, 1, 5, 1000), GATHER_FULL);
	gather_empty(&g);
	ck_assert(g.n == 0 && g.first_seq == 0);
	ck_assert_uint_lt(g.cap, GATHER_MAX);	/* a backlog's memory does not stay */
	gather_fini(&g);
}
END_TEST

/* Ten thousand series that all began in one moment: each second about as many are due. */
START_TEST(turns_are_spread)
{
	enum { SERIES = 10000, ROWS = 60, AGE_S = 30 };
	static unsigned round_at[ROWS], age_at[AGE_S + 1];
	double v = 1;

	for (uint32_t i = 0; i < SERIES; i++) {
		uint32_t phase = i * UINT32_C(2654435761), rounds = 0;
		struct gather g = { 0 };
		int64_t at;

		for (uint32_t s = 0; s < ROWS; s++)
			if (gather_ends_round(1768000000 + s, phase, ROWS))
				round_at[s]++, rounds++;
		ck_assert_uint_eq(rounds, 1);
		ck_assert(!gather_is_due(&g, phase, AGE_S * INT64_C(1000000000), 0));
		gather_add(&g, 1, &v, 1, 1, INT64_C(500000000));
		for (at = 1; !gather_is_due(&g, phase, AGE_S * INT64_C(1000000000), at * INT64_C(1000000000));)
			at++;
		ck_assert_int_le(at, AGE_S + 1);	/* nobody waits longer */
		age_at[at - 1]++;
		gather_fini(&g);
	}
	for (int s = 0; s < ROWS; s++)
		ck_assert_msg(round_at[s] < 2 * SERIES / ROWS, "%u in second %d", round_at[s], s);
	for (int s = 0; s < AGE_S; s++)
		ck_assert_msg(age_at[s] < 2 * SERIES / AGE_S, "%u in second %d", age_at[s], s);
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
	ADD(rows_leave_sorted_and_once);
	ADD(gathering_is_bounded);
	ADD(turns_are_spread);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
