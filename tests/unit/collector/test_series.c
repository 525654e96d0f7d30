/*
 * test_series.c - layouts, values and slots of a link's series.
 */
#include <check.h>
#include <math.h>

#include "collector/series.h"
#include "tests/unit/collector/peer.h"

static Linkwatch__Pb__Link
link_of(uint32_t probe, uint32_t step_ms, uint32_t class)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = (char *)"gw";
	l.agent = (char *)"a1";
	l.probe = probe;
	l.step_ms = step_ms;
	l.class_ = class;
	return l;
}

/* R11 */
START_TEST(paths_are_made_of_ids_only)
{
	static const char *const bad[] = { "../x", "a/b", "", ".", "A", "a b", "a\n", "%n", "a;rm", "-a",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	char buf[SERIES_PATH_MAX];

	ck_assert_int_eq(series_path(buf, sizeof buf, "a1", "gw"), 0);
	ck_assert_str_eq(buf, "a1/gw.rrd");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_int_eq(series_path(buf, sizeof buf, bad[i], "gw"), -EINVAL);
		ck_assert_int_eq(series_path(buf, sizeof buf, "a1", bad[i]), -EINVAL);
	}
	ck_assert_int_eq(series_path(buf, 5, "a1", "gw"), -ENAMETOOLONG);
}
END_TEST

START_TEST(every_span_has_its_rows)
{
	static const uint32_t steps[] = { 1, 2, 5, 7, 10, 30, 60, 61, 300 };
	static const struct { int64_t span, res; } want[] = {
		{ 3600, 60 }, { 86400, 300 }, { 7 * 86400, 900 }, { 31 * 86400, 3600 }, { 366 * 86400, 21600 },
	};

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		for (uint32_t class = CLASS_A; class <= CLASS_C; class++) {
			Linkwatch__Pb__Link l = link_of(PROBE_ICMP, steps[i] * 1000, class);
			struct series_def d;
			size_t bytes = 0;

			ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
			ck_assert_uint_eq(d.ds_n, 9);
			ck_assert_uint_le(d.heartbeat_s, 2 * d.step_s);
			ck_assert_uint_le(d.rra_n, SERIES_RRA_MAX);
			for (size_t w = 0; w < sizeof want / sizeof want[0]; w++) {
				bool found = false;
				int64_t res = want[w].res > steps[i] ? want[w].res : steps[i];

				for (size_t r = 0; r < d.rra_n; r++)
					found |= (int64_t)d.rra[r].pdp * d.step_s <= res * 2 &&
					    (int64_t)d.rra[r].pdp * d.step_s * d.rra[r].rows >= want[w].span;
				ck_assert_msg(found, "step %u class %u: nothing for %lld s", steps[i], class,
				    (long long)want[w].span);
			}
			for (size_t r = 0; r < d.rra_n; r++)
				bytes += d.rra[r].rows * d.ds_n * 8;
			ck_assert_uint_lt(bytes, 8 * 1024 * 1024);
		}
}
END_TEST

START_TEST(snmp_has_what_it_reads)
{
	Linkwatch__Pb__Link l = link_of(PROBE_SNMP, 10000, CLASS_B);
	char *oids[] = { (char *)"1.3.6.1", (char *)"1.3.6.2" };
	struct series_def d;

	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), -EINVAL);
	l.interface = (char *)"eth0";
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 8);
	ck_assert_int_ge(series_ds_index(&d, "in_bps"), 0);
	ck_assert_int_eq(series_ds_index(&d, "loss"), -1);
	l.interface = (char *)"";
	l.alias = (char *)"uplink*";		/* found by its alias: the same series */
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 8);
	l.host = true;
	l.oid = oids;
	l.n_oid = 2;
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 14);
	ck_assert_int_ge(series_ds_index(&d, "oid1"), 0);
	l.probe = 99;
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), -EINVAL);
	l = link_of(PROBE_ICMP, 0, CLASS_A);
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), -EINVAL);
}
END_TEST

START_TEST(tls_adds_to_a_tcp_link_only)
{
	Linkwatch__Pb__Link l = link_of(PROBE_TCP, 10000, CLASS_A);
	uint32_t rtt[] = { 10000 };
	struct sample s = { .link = "gw", .start_ns = T0, .step_ms = 10000, .sent = 1, .rtt_count = 1,
		.rtt_100ns = rtt, .values = 2, .value = { { .role = ROLE_CERT_DAYS, .value = -2.5 },
		{ .role = ROLE_TLS_S, .value = 0.0125 } } };
	struct series_def d;
	double v[SERIES_DS_MAX];

	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 9);
	series_values(&d, &s, v);	/* of when the link had tls: no harm */
	l.tls = true;
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 11);
	ck_assert_int_eq(series_ds_index(&d, "tls_s"), 9);
	ck_assert_int_eq(series_ds_index(&d, "cert_days"), 10);
	series_values(&d, &s, v);
	ck_assert_double_eq_tol(v[0], 0, 1e-12);
	ck_assert_double_eq_tol(v[4], 0.001, 1e-12);
	ck_assert_double_eq(v[9], 0.0125);
	ck_assert_double_eq(v[10], -2.5);
	s.values = 0;			/* connected, but no TLS */
	series_values(&d, &s, v);
	ck_assert(!isnan(v[4]) && isnan(v[9]) && isnan(v[10]));
	l.probe = PROBE_ICMP;
	ck_assert_int_eq(series_define(&d, &l, &series_policy_default), 0);
	ck_assert_uint_eq(d.ds_n, 9);
}
END_TEST

START_TEST(values_are_what_was_measured_or_nothing)
{
	Linkwatch__Pb__Link l = link_of(PROBE_ICMP, 1000, CLASS_A);
	uint32_t rtt[] = { 10000, 30000, 20000 };
	struct sample s = { .link = "gw", .start_ns = T0, .step_ms = 1000, .sent = 4, .rtt_count = 3, .rtt_100ns = rtt };
	struct series_def d;
	double v[SERIES_DS_MAX];

	series_define(&d, &l, &series_policy_default);
	series_values(&d, &s, v);
	ck_assert_double_eq_tol(v[0], 0.25, 1e-12);
	ck_assert_double_eq_tol(v[series_ds_index(&d, "rtt_min")], 0.001, 1e-12);
	ck_assert_double_eq_tol(v[series_ds_index(&d, "rtt_p50")], 0.002, 1e-12);
	ck_assert_double_eq_tol(v[series_ds_index(&d, "rtt_max")], 0.003, 1e-12);
	/* All lost: loss 1, and never an RTT of zero. */
	s.rtt_count = 0;
	series_values(&d, &s, v);
	ck_assert_double_eq_tol(v[0], 1, 1e-12);
	for (size_t i = 1; i < d.ds_n; i++)
		ck_assert(isnan(v[i]));
	/* Nothing sent, or not observed: nothing is known. */
	s.flags = SAMPLE_NOT_OBSERVED;
	series_values(&d, &s, v);
	ck_assert(isnan(v[0]));
	s.flags = 0;
	s.sent = 0;
	series_values(&d, &s, v);
	ck_assert(isnan(v[0]));
}
END_TEST

START_TEST(odd_values_become_unknown)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY, -1 };
	Linkwatch__Pb__Link l = link_of(PROBE_SNMP, 10000, CLASS_A);
	struct sample s = { .link = "gw", .start_ns = T0, .step_ms = 10000, .values = 1 };
	struct series_def d;
	double v[SERIES_DS_MAX];

	l.interface = (char *)"eth0";
	series_define(&d, &l, &series_policy_default);
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		s.value[0] = (struct sample_value){ .role = ROLE_IN_BPS, .value = odd[i] };
		series_values(&d, &s, v);
		ck_assert(isnan(v[0]));
	}
	s.value[0].value = 5e9;
	series_values(&d, &s, v);
	ck_assert_double_eq(v[0], 5e9);
	ck_assert(isnan(v[1]));
}
END_TEST

START_TEST(slots_follow_the_grid)
{
	Linkwatch__Pb__Link l = link_of(PROBE_ICMP, 10000, CLASS_A);
	struct sample s = { .link = "gw", .step_ms = 10000 };
	struct series_def d;
	int64_t first, last, base = 1768000000;		/* divisible by 10 */

	series_define(&d, &l, &series_policy_default);
	s.start_ns = base * NS_PER_S;
	ck_assert_int_eq(series_slots(&d, &s, &first, &last), 0);
	ck_assert(first == base + 10 && last == base + 10);
	s.start_ns = base * NS_PER_S + 9999999999;
	ck_assert_int_eq(series_slots(&d, &s, &first, &last), 0);
	ck_assert(first == base + 10 && last == base + 10);
	/* Two neighbours never share one. */
	s.start_ns = base * NS_PER_S + 3700000000;
	series_slots(&d, &s, &first, &last);
	s.start_ns += 10 * NS_PER_S;
	ck_assert_int_eq(series_slots(&d, &s, &last, &last), 0);
	ck_assert_int_eq(last, first + 10);
	/* A step of before the plan changed. */
	s.step_ms = 30000;
	s.start_ns = base * NS_PER_S;
	series_slots(&d, &s, &first, &last);
	ck_assert(first == base + 10 && last == base + 30);
	s.step_ms = 1000;
	series_slots(&d, &s, &first, &last);
	ck_assert(first == base + 10 && last == base + 10);
}
END_TEST

START_TEST(times_that_no_file_may_see)
{
	static const int64_t bad[] = { 0, -1, INT64_MIN, INT64_MAX, 4102444800 * NS_PER_S, 946684799 * NS_PER_S };
	Linkwatch__Pb__Link l = link_of(PROBE_ICMP, 10000, CLASS_A);
	struct sample s = { .link = "gw", .step_ms = 3600000 };
	struct series_def d;
	int64_t first, last;

	series_define(&d, &l, &series_policy_default);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		s.start_ns = bad[i];
		ck_assert_int_eq(series_slots(&d, &s, &first, &last), -ERANGE);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("series");
	TCase *t = tcase_create("series");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, paths_are_made_of_ids_only);
	tcase_add_test(t, every_span_has_its_rows);
	tcase_add_test(t, snmp_has_what_it_reads);
	tcase_add_test(t, tls_adds_to_a_tcp_link_only);
	tcase_add_test(t, values_are_what_was_measured_or_nothing);
	tcase_add_test(t, odd_values_become_unknown);
	tcase_add_test(t, slots_follow_the_grid);
	tcase_add_test(t, times_that_no_file_may_see);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
