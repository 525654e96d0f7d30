/*
 * test_model.c - key words are what files and journals know, and never change.
 */
#include "common/model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* n names from number first on, separated by blanks; one before and one behind are unknown. */
static void
names(const char *(*name)(uint32_t), uint32_t first, const char *words, bool none_before)
{
	char buf[512];
	char *save = NULL;
	uint32_t n = first;

	snprintf(buf, sizeof(buf), "%s", words);
	for (char *w = strtok_r(buf, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		ck_assert_str_eq(name(n++), w);
	ck_assert_str_eq(name(n), "?");
	ck_assert_str_eq(name(UINT32_MAX), "?");
	if (none_before)
		ck_assert_str_eq(name(first - 1), "?");
}

START_TEST(test_names)
{
	names(probe_kind_name, 1, "icmp tcp snmp", true);
	names(link_class_name, 1, "A B C", true);
	names(segment_name, 0, "none user access extranet edge vpc host app", false);
	names(cause_name, 0, "none timeout refused net-unreachable host-unreachable "
	    "port-unreachable "
	    "prohibited ttl-exceeded resolve not-sent duplicate late-reply snmp-auth "
	    "snmp-no-object "
	    "snmp-error discontinuity reboot local tls too-big", false);
	names(value_role_name, 1, "in_bps out_bps in_errors out_errors in_discards out_discards "
	    "oper_status speed_bps cpu_ratio mem_ratio storage_ratio uptime_s tls_s cert_days", true);
	names(value_role_name, 16, "oid0 oid1 oid2 oid3 oid4 oid5 oid6 oid7 oid8 oid9 oid10 "
	    "oid11 oid12 oid13 oid14 oid15", true);
	names(link_state_name, 1, "up degraded down planned not-observed", true);
	names(anomaly_kind_name, 1, "down loss latency variation service utilisation errors "
	    "silent clock self", true);
	names(severity_name, 1, "critical major minor info", true);
	ck_assert_str_eq(cause_name(CAUSE_MAX), "too-big");
	ck_assert_str_eq(value_role_name(ROLE_MAX), "oid15");
}
END_TEST

START_TEST(test_parse)
{
	for (uint32_t i = 1; i <= 3; i++) {
		ck_assert_int_eq(probe_kind_parse(probe_kind_name(i)), (int)i);
		ck_assert_int_eq(link_class_parse(link_class_name(i)), (int)i);
	}
	for (uint32_t i = 0; i <= 7; i++)
		ck_assert_int_eq(segment_parse(segment_name(i)), (int)i);
	ck_assert_int_eq(probe_kind_parse("ICMP"), -1);
	ck_assert_int_eq(probe_kind_parse(""), -1);
	ck_assert_int_eq(link_class_parse("a"), -1);
	ck_assert_int_eq(segment_parse("?"), -1);
}
END_TEST

START_TEST(test_ids)
{
	static const char *const good[] = { "a", "0", "sh-gw", "a--b", "a-",
		"a23456789012345678901234567890123456789012345678901234567890123" };
	static const char *const bad[] = { "", "-a", "A", "a_b", "a.b", "a/b", "..", "a b", "a\n",
	    "云",
		"a234567890123456789012345678901234567890123456789012345678901234" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(id_is_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!id_is_valid(bad[i]), "%s", bad[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("model");
	TCase *t = tcase_create("model");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_names);
	tcase_add_test(t, test_parse);
	tcase_add_test(t, test_ids);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
