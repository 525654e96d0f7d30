/*
 * test_table.c - the map against a plain array, through growth and deletion.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/table.h"
#include "common/rng.h"

#define KEYS 500

static struct table t;
static int value[KEYS];

START_TEST(empty_has_nothing)
{
	size_t i = 0;

	ck_assert_ptr_null(table_gets(&t, "a"));
	ck_assert_ptr_null(table_dels(&t, "a"));
	ck_assert_ptr_null(table_next(&t, &i));
	table_fini(&t);
}
END_TEST

START_TEST(keys_are_bytes)
{
	table_put(&t, "a\0b", 3, &value[0]);
	table_put(&t, "a\0c", 3, &value[1]);
	table_put(&t, "", 0, &value[2]);
	ck_assert_ptr_eq(table_get(&t, "a\0b", 3), &value[0]);
	ck_assert_ptr_eq(table_get(&t, "a\0c", 3), &value[1]);
	ck_assert_ptr_eq(table_gets(&t, ""), &value[2]);
	ck_assert_ptr_null(table_gets(&t, "a"));
	table_put(&t, "", 0, &value[3]);
	ck_assert_ptr_eq(table_gets(&t, ""), &value[3]);
	ck_assert_uint_eq(t.n, 3);
	table_fini(&t);
	ck_assert_uint_eq(t.n, 0);
}
END_TEST

START_TEST(the_same_as_an_array)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 5);
	bool there[KEYS] = { false };
	size_t n = 0;

	for (int round = 0; round < 100000; round++) {
		size_t k = rng_below(rng, KEYS), i = 0, seen = 0;
		char key[16];

		snprintf(key, sizeof key, "key-%zu", k);
		ck_assert_ptr_eq(table_gets(&t, key), there[k] ? &value[k] : NULL);
		if (rng_below(rng, 2) == 0) {
			table_puts(&t, key, &value[k]);
			n += !there[k];
			there[k] = true;
		} else {
			ck_assert_ptr_eq(table_dels(&t, key), there[k] ? &value[k] : NULL);
			n -= there[k];
			there[k] = false;
		}
		ck_assert_uint_eq(t.n, n);
		if (round % 1000 != 0)
			continue;
		while (table_next(&t, &i) != NULL)
			seen++;
		ck_assert_uint_eq(seen, n);
	}
	table_fini(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("table");
	TCase *c = tcase_create("table");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(c, 30);
	tcase_add_test(c, empty_has_nothing);
	tcase_add_test(c, keys_are_bytes);
	tcase_add_test(c, the_same_as_an_array);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
