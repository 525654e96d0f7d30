/*
 * test_metrics.c - the text format: escapes, numbers, what is no number.
 */
#include <check.h>
#include <event2/buffer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collector/metrics.h"

START_TEST(text)
{
	static const char want[] =
	    "# HELP lw_a_total All.\n# TYPE lw_a_total counter\nlw_a_total 123456789012345\n"
	    "# HELP lw_b B.\n# TYPE lw_b gauge\n"
	    "lw_b{name=\"云 \\\"x\\\" \\\\ \\n}{#\",other=\"\"} 0.25\n"
	    "lw_b{name=\"plain\"} -1e-09\n";
	struct metrics m = { .out = evbuffer_new() };

	metrics_one(&m, "lw_a_total", "counter", "All.", 123456789012345.0);
	metrics_one(&m, "lw_gone", "gauge", "Nothing is known of it.", NAN);
	metrics_family(&m, "lw_b", "gauge", "B.");
	metrics_add(&m, 0.25, "name", "云 \"x\" \\ \n}{#", "other", "", NULL);
	metrics_add(&m, NAN, "name", "none", NULL);
	metrics_add(&m, INFINITY, "name", "none", NULL);
	metrics_add(&m, -1e-9, "name", "plain", NULL);
	evbuffer_add(m.out, "", 1);
	ck_assert_str_eq((const char *)evbuffer_pullup(m.out, -1), want);
	evbuffer_free(m.out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");
	SRunner *r = srunner_create(s);

	tcase_add_test(t, text);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
