/*
 * test_window.c - sliding counts against a plain list, bounds against known values.
 */
#include "alertd/window.h"

#include <math.h>

#include "tests/unit/alertd/suite.h"

#define S INT64_C(1000000000)

START_TEST(test_slides)
{
	struct window w;
	struct window_sum sum;

	window_init(&w, 300 * S);	/* slots of 10 s */
	for (int i = 0; i < 100; i++)
		window_add(&w, (1000 + i * 10) * S, 10, i == 50);
	sum = window_sum(&w);
	ck_assert_uint_eq(sum.sent, 300);
	ck_assert_uint_eq(sum.lost, 0);
	window_add(&w, (1000 + 995) * S, 10, 4);
	ck_assert_uint_eq(window_sum(&w).lost, 4);
	ck_assert_uint_eq(window_clean(&w), 0);
	window_add(&w, (1000 + 1005) * S, 10, 0);
	ck_assert_uint_eq(window_clean(&w), 10);
	window_add(&w, (1000 + 100) * S, 10, 9);	/* long gone */
	ck_assert_uint_eq(window_sum(&w).lost, 4);
	window_add(&w, 100000 * S, 7, 1);		/* a long pause empties it */
	ck_assert_uint_eq(window_sum(&w).sent, 7);
}
END_TEST

/* Wilson's one-sided bounds of 5 in 100 at 95 %. */
START_TEST(test_bounds)
{
	double z = confidence_z(0.95);

	ck_assert_double_eq_tol(z, 1.645, 0.001);
	ck_assert_double_eq_tol(confidence_z(0.5), 0, 0.001);
	ck_assert_double_eq_tol(ratio_lower(5, 100, z), 0.0247, 0.001);
	ck_assert_double_eq_tol(ratio_upper(5, 100, z), 0.0986, 0.002);
	ck_assert_double_eq(ratio_lower(0, 100, z), 0);
	ck_assert_double_eq(ratio_lower(0, 0, z), 0);
	ck_assert_double_eq(ratio_upper(0, 0, z), 1);
	ck_assert_double_eq_tol(ratio_upper(10, 10, z), 1, 1e-9);
	/* The same ratio proves more with more packets. */
	ck_assert(ratio_lower(50, 1000, z) > ratio_lower(5, 100, z));
}
END_TEST

RUN_SUITE("window", test_slides, test_bounds)
