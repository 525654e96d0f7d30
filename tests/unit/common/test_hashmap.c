/*
 * test_hashmap.c - the table against a plain list, through growth and deletion.
 */
#include "common/hashmap.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 500

START_TEST(test_like_a_list)
{
	struct hashmap *m = hashmap_new();
	static int value[KEYS];
	bool in[KEYS] = { false };
	uint32_t rnd = 1;
	size_t count = 0;
	char key[32];

	for (int n = 0; n < 40000; n++) {
		int k;

		rnd = rnd * 1664525 + 1013904223;
		k = (int)((rnd >> 8) % KEYS);
		snprintf(key, sizeof(key), "agent-%d/link", k);
		ck_assert_ptr_eq(hashmap_get(m, key), in[k] ? &value[k] : NULL);
		if ((rnd >> 20 & 3) == 0) {
			ck_assert_ptr_eq(hashmap_del(m, key), in[k] ? &value[k] : NULL);
			count -= in[k];
			in[k] = false;
		} else {
			ck_assert_ptr_eq(hashmap_put(m, key, &value[k]), in[k] ? &value[k] : NULL);
			count += !in[k];
			in[k] = true;
		}
		ck_assert_uint_eq(hashmap_count(m), count);
	}
	for (int k = 0; k < KEYS; k++) {
		snprintf(key, sizeof(key), "agent-%d/link", k);
		ck_assert_ptr_eq(hashmap_get(m, key), in[k] ? &value[k] : NULL);
	}
	hashmap_free(m);
}
END_TEST

START_TEST(test_empty)
{
	struct hashmap *m = hashmap_new();

	ck_assert_ptr_null(hashmap_get(m, ""));
	ck_assert_ptr_null(hashmap_del(m, "x"));
	ck_assert_uint_eq(hashmap_count(m), 0);
	hashmap_free(m);
	hashmap_free(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hashmap");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, test_like_a_list);
	tcase_add_test(t, test_empty);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
