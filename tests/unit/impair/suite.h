/*
 * suite.h - runs a list of tests as one suite.
 */
#pragma once

#include <check.h>
#include <stdlib.h>

#define SUITE_SECONDS 60

/* tests: ended by NULL.  Returns the exit status of main(). */
static inline int
run_suite(const char *name, const TTest *const *tests)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(t, SUITE_SECONDS);
	for (; *tests != NULL; tests++)
		tcase_add_test(t, *tests);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
