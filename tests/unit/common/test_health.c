/*
 * test_health.c - every figure of an agent has its name.
 */
#include "common/health.h"

#include <check.h>
#include <stdlib.h>

START_TEST(test_every_figure)
{
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;
	json_t *o, *v;
	const char *key;

	h.wall_ns = 1760000000500000000;
	h.uptime_ns = 90000000000;
	h.plan_revision = 0xabc;
	h.loop_lag_ns = 1500000;
	h.ping_mode = 2;
	h.links = h.refused_links = h.names_failing = 7;
	h.produced = h.spool_batches = h.spool_bytes = h.spool_limit = h.spool_dropped = 7;
	h.late_sends = h.starved_steps = h.socket_drops = h.foreign_replies = 7;
	h.duplicate_replies = h.late_replies = h.clock_jumps = h.resolver_failures = 7;
	h.capped = h.guard_refused = h.memory_bytes = h.refused_batches = 7;
	o = health_json(&h);
	ck_assert_uint_eq(json_object_size(o), 24);
	json_object_foreach(o, key, v)
		if (json_is_integer(v))
			ck_assert_msg(json_integer_value(v) == 7, "%s", key);
	ck_assert_str_eq(json_string_value(json_object_get(o, "plan_revision")), "0000000000000abc");
	ck_assert_str_eq(json_string_value(json_object_get(o, "ping_mode")), "ping");
	ck_assert_double_eq(json_real_value(json_object_get(o, "loop_lag_ms")), 1.5);
	ck_assert_double_eq(json_real_value(json_object_get(o, "uptime_s")), 90);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "held_back"), "cap")), 7);
	json_decref(o);
	h.ping_mode = 3;		/* of a newer agent */
	o = health_json(&h);
	ck_assert_str_eq(json_string_value(json_object_get(o, "ping_mode")), "?");
	json_decref(o);
	ck_assert(json_is_null(health_json(NULL)));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("health");
	TCase *t = tcase_create("health");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_every_figure);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
