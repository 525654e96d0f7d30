/*
 * test_rng.c - the seeded generator repeats and is what it says; ranges hold.
 */
#include "common/rng.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_seeded_repeats)
{
	struct rng_seed a, b, c;
	struct rng *ra = rng_seeded(&a, 42), *rb = rng_seeded(&b, 42), *rc = rng_seeded(&c, 43);
	int alike = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t v = rng_u64(ra);

		ck_assert_uint_eq(v, rng_u64(rb));
		alike += v == rng_u64(rc);
	}
	ck_assert_int_eq(alike, 0);
}
END_TEST

/* xoshiro256** from the state {1, 2, 3, 4}: the first words of the authors' program. */
START_TEST(test_seeded_is_xoshiro)
{
	static const uint64_t want[] = { 11520, 0, 1509978240, UINT64_C(1215971899390074240) };
	struct rng_seed a;
	struct rng *r = rng_seeded(&a, 0);

	a.s[0] = 1, a.s[1] = 2, a.s[2] = 3, a.s[3] = 4;
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(rng_u64(r), want[i]);
}
END_TEST

static void
ranges(struct rng *r)
{
	int seen[7] = { 0 };
	double sum = 0;

	for (int i = 0; i < 70000; i++)
		seen[rng_below(r, 7)]++;
	for (int i = 0; i < 7; i++)
		ck_assert_msg(seen[i] > 9500 && seen[i] < 10500, "%d: %d", i, seen[i]);
	ck_assert_uint_eq(rng_below(r, 1), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_lt(rng_below(r, (UINT64_C(1) << 63) + 1), (UINT64_C(1) << 63) + 1);
	for (int i = 0; i < 10000; i++) {
		double d = rng_double(r);

		ck_assert(d >= 0 && d < 1);
		sum += d;
	}
	ck_assert(sum > 4800 && sum < 5200);
}

START_TEST(test_ranges)
{
	struct rng_seed a;

	ranges(rng_seeded(&a, 7));
	ranges(rng_real());
}
END_TEST

START_TEST(test_fill)
{
	uint8_t a[100] = { 0 }, b[100] = { 0 };
	struct rng_seed s;
	struct rng *r = rng_seeded(&s, 1);
	int zeros = 0;

	for (size_t n = 0; n <= 17; n++) {	/* no byte behind n is touched */
		memset(a, 0xee, sizeof(a));
		r->fill(r, a, n);
		ck_assert_int_eq(a[n], 0xee);
	}
	rng_real()->fill(rng_real(), a, sizeof(a));
	rng_real()->fill(rng_real(), b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	ck_assert_int_lt(zeros, 10);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rng");
	TCase *t = tcase_create("rng");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_seeded_repeats);
	tcase_add_test(t, test_seeded_is_xoshiro);
	tcase_add_test(t, test_ranges);
	tcase_add_test(t, test_fill);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
