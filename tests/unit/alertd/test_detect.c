/*
 * test_detect.c - each detector on samples made for it.
 */
#include "alertd/detect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/window.h"
#include "tests/unit/alertd/suite.h"

#define T0 (INT64_C(1768437000) * NS_PER_S)

static struct detect_conf conf;
static uint64_t state[DETECT_STATE / 8];
static uint32_t rtt[SAMPLE_RTT_MAX];
static int64_t now;

static void
setup(void)
{
	memset(state, 0, sizeof(state));
	now = T0;
	conf = (struct detect_conf){ .probe = PROBE_ICMP, .link_class = CLASS_A, .step_ms = 10000,
		.count = 10, .down_after = 3, .up_after = 2, .service_after = 3,
		.loss_limit = { 0.001, 0.01 }, .loss_span_ns = { 3600 * NS_PER_S, 900 * NS_PER_S },
		.loss_min_lost = 3, .loss_z = 1.645, .loss_hysteresis = 0.2,
		.rtt_limit_100ns = { 50000, 100000 }, .rtt_slot_ns = 60 * NS_PER_S, .rtt_bad = 3,
		.rtt_of = 5, .rtt_share = 0.05, .rtt_hysteresis = 0.2,
		.utilisation = { 0.7, 0.85 }, .load = { 0.8, 0.9 }, .errors = 1,
		.snmp_slot_ns = 60 * NS_PER_S, .snmp_bad = 3, .snmp_of = 5 };
}

static struct sample
sample_of(uint32_t sent, uint32_t answered, double ms)
{
	for (uint32_t i = 0; i < answered; i++)
		rtt[i] = (uint32_t)(ms * 10000);
	return (struct sample){ .start_ns = now, .step_ms = conf.step_ms, .sent = sent,
		.rtt_count = answered, .rtt_100ns = rtt };
}

/* One step to a detector; true: its anomaly stands. */
static bool
feed(const struct detect_ops *ops, struct sample s, int64_t gap_ns)
{
	struct detect_step d;
	uint32_t cause;
	char buf[DETECT_EVIDENCE];
	json_t *o;

	now += (int64_t)conf.step_ms * NS_PER_MS;
	if (!detect_step_init(&d, &s, conf.probe, &cause))
		return ((struct detect_head *)state)->raised;
	d.gap_ns = gap_ns;
	ops->feed(state, &conf, &d);
	ops->evidence(state, &conf, buf, sizeof(buf));
	o = json_loads(buf, 0, NULL);
	ck_assert_msg(o != NULL, "evidence is no JSON: %s", buf);
	json_decref(o);
	return ((struct detect_head *)state)->raised;
}

static bool
lost(void)
{
	return feed(&detect_down_ops, sample_of(10, 0, 0), 0);
}

static bool
good(void)
{
	return feed(&detect_down_ops, sample_of(10, 10, 1), 0);
}

START_TEST(test_down)
{
	const struct detect_head *h = (const struct detect_head *)state;
	int64_t since;

	ck_assert(!good() && !lost() && !lost() && !good());	/* two are not three */
	since = now;
	ck_assert(!lost() && !lost() && lost());
	ck_assert_int_eq(h->start_ns, since);
	ck_assert_int_eq(h->severity, SEVERITY_CRITICAL);
	ck_assert(good() && lost());				/* one good step ends nothing */
	since = now;
	ck_assert(good() && !good());
	ck_assert_int_eq(h->end_ns, since);
	/* One answer of ten is not down. */
	for (int i = 0; i < 10; i++)
		ck_assert(!feed(&detect_down_ops, sample_of(10, 1, 1), 0));
	/* Steps far apart are not in a row. */
	ck_assert(!lost() && !lost());
	ck_assert(!feed(&detect_down_ops, sample_of(10, 0, 0), 31 * NS_PER_S));
	ck_assert(!lost() && lost());
}
END_TEST

/* Whatever was our own fault is never held against the link. */
START_TEST(test_never_down_by_our_fault)
{
	static const enum cause own[] = { CAUSE_NOT_SENT, CAUSE_RESOLVE, CAUSE_LOCAL };
	static const uint32_t flags[] = { SAMPLE_LATE, SAMPLE_SOCKET_DROPS, SAMPLE_CLOCK_JUMP,
		SAMPLE_NOT_OBSERVED };

	for (int n = 0; n < 20; n++) {
		for (size_t i = 0; i < 3; i++) {
			struct sample s = sample_of(i == 0 ? 5 : 0, 0, 0);

			s.cause[s.causes++] = (struct cause_count){ own[i], 5 };
			ck_assert(!feed(&detect_down_ops, s, 0));
		}
		for (size_t i = 0; i < 4; i++) {
			struct sample s = sample_of(flags[i] == SAMPLE_NOT_OBSERVED ? 0 : 10, 0, 0);

			s.flags = flags[i];
			ck_assert(!feed(&detect_down_ops, s, 0));
		}
	}
}
END_TEST

START_TEST(test_step)
{
	struct detect_step d;
	struct sample s = sample_of(0, 0, 0);
	uint32_t cause;

	ck_assert(!detect_step_init(&d, &s, PROBE_ICMP, &cause));
	ck_assert_uint_eq(cause, CAUSE_LOCAL);
	s.cause[s.causes++] = (struct cause_count){ CAUSE_RESOLVE, 1 };
	ck_assert(!detect_step_init(&d, &s, PROBE_ICMP, &cause));
	ck_assert_uint_eq(cause, CAUSE_RESOLVE);
	s = sample_of(3, 5, 1);		/* more answers than packets: nonsense */
	ck_assert(!detect_step_init(&d, &s, PROBE_ICMP, &cause));
	s = sample_of(1, 1, 1);		/* a device that answers, but not what was asked */
	s.cause[s.causes++] = (struct cause_count){ CAUSE_SNMP_AUTH, 1 };
	ck_assert(!detect_step_init(&d, &s, PROBE_SNMP, &cause));
	ck_assert_uint_eq(cause, CAUSE_SNMP_AUTH);
	s.cause[0].cause = CAUSE_REBOOT;
	ck_assert(detect_step_init(&d, &s, PROBE_SNMP, &cause));
	s = sample_of(4, 4, 1);
	s.cause[s.causes++] = (struct cause_count){ CAUSE_REFUSED, 9 };
	ck_assert(detect_step_init(&d, &s, PROBE_TCP, &cause));
	ck_assert(d.refused == 4 && !d.open && !d.all_lost);
	s = sample_of(4, 3, 1);		/* one lost, one refused, two without TLS */
	s.cause[s.causes++] = (struct cause_count){ CAUSE_TIMEOUT, 1 };
	s.cause[s.causes++] = (struct cause_count){ CAUSE_REFUSED, 1 };
	s.cause[s.causes++] = (struct cause_count){ CAUSE_TLS, 2 };
	ck_assert(detect_step_init(&d, &s, PROBE_TCP, &cause));
	ck_assert(d.refused == 3 && d.lost == 1 && !d.open && !d.all_lost && !d.doubtful);
	ck_assert(detect_step_init(&d, &s, PROBE_ICMP, &cause) && d.refused == 0);
}
END_TEST

static bool
refused(uint32_t of)
{
	struct sample s = sample_of(4, 4, 1);

	s.cause[s.causes++] = (struct cause_count){ CAUSE_REFUSED, of };
	return feed(&detect_service_ops, s, 0);
}

START_TEST(test_service)
{
	conf.probe = PROBE_TCP;
	ck_assert(!refused(4) && !refused(4) && !refused(3));	/* one got in */
	ck_assert(!refused(4) && !refused(4));
	ck_assert(!feed(&detect_service_ops, sample_of(4, 0, 0), 0));	/* lost: not its part */
	ck_assert(refused(4));
	ck_assert(refused(0) && !refused(0));
}
END_TEST

/* How its verdict names the cause. */
static void
service_says(const char *cause)
{
	char buf[DETECT_EVIDENCE];
	json_t *o;

	detect_service_ops.evidence(state, &conf, buf, sizeof(buf));
	o = json_loads(buf, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(o, "cause")), cause);
	json_decref(o);
}

static bool
no_tls(uint32_t of, uint32_t refusals)
{
	struct sample s = sample_of(4, 4, 1);

	s.cause[s.causes++] = (struct cause_count){ CAUSE_TLS, of };
	if (refusals > 0)
		s.cause[s.causes++] = (struct cause_count){ CAUSE_REFUSED, refusals };
	return feed(&detect_service_ops, s, 0);
}

/* Connected, but no TLS: as bad as refused, and both together too. */
START_TEST(test_service_without_tls)
{
	conf.probe = PROBE_TCP;
	ck_assert(!no_tls(4, 0) && !no_tls(4, 0) && !no_tls(3, 0));	/* one shook hands */
	ck_assert(!no_tls(4, 0) && !no_tls(3, 1) && no_tls(4, 0));
	service_says("tls");
	ck_assert(no_tls(1, 3));
	service_says("refused");
	ck_assert(refused(0));
	service_says("refused");
	ck_assert(!refused(0));
}
END_TEST

static bool
loss(uint32_t sent, uint32_t missing)
{
	return feed(&detect_loss_ops, sample_of(sent, sent - missing, 1), 0);
}

START_TEST(test_loss)
{
	const struct detect_head *h = (const struct detect_head *)state;
	int n = 0;

	for (int i = 0; i < 30; i++)
		ck_assert(!loss(10, 0));
	ck_assert(!loss(10, 1) && !loss(10, 1));	/* two prove nothing */
	ck_assert(!loss(10, 2));			/* it waits: an outage may begin here */
	ck_assert(loss(10, 2));				/* four in 330 are above 0.1 % ... */
	ck_assert_int_eq(h->severity, SEVERITY_MAJOR);
	for (int i = 0; i < 5; i++)
		loss(10, 2);				/* ... and fourteen above 1 % */
	ck_assert_int_eq(h->severity, SEVERITY_CRITICAL);
	ck_assert_double_eq(h->limit, 0.01);
	ck_assert_double_gt(h->figure, 0.01);
	/* 1 % is refuted by 300 clean packets, 0.1 % by 3000 */
	while (loss(10, 0) && n < 1000)
		n++;
	ck_assert_int_ge(n, 295);
	ck_assert_int_le(n, 330);
	for (int i = 0; i < 500; i++)
		ck_assert(!loss(10, 0));
	/* half of the limit for ever is no anomaly */
	setup();
	conf.loss_limit[0] = 0;
	for (int i = 0; i < 5000; i++)
		ck_assert(!loss(10, i % 20 == 0));
}
END_TEST

/* Lost steps count as loss only when they were not an outage. */
START_TEST(test_loss_and_outage)
{
	conf.loss_limit[0] = 0;
	for (int i = 0; i < 90; i++)
		ck_assert(!loss(10, 0));
	for (int i = 0; i < 20; i++)
		ck_assert(!loss(10, 10));
	for (int i = 0; i < 20; i++)
		ck_assert(!loss(10, 0));
	ck_assert(!loss(10, 10) && !loss(10, 10));
	ck_assert(loss(10, 0));
	/* another limit, another window: it is judged anew */
	conf.loss_limit[1] = 0.5;
	conf.loss_span_ns[1] = 1800 * NS_PER_S;
	ck_assert(!loss(10, 0));
	conf.loss_limit[1] = 0;
	for (int i = 0; i < 20; i++)
		ck_assert(!loss(10, 9));
}
END_TEST

static bool
minute(double ms, const struct detect_ops *ops)
{
	bool raised = false;

	for (int i = 0; i < 6; i++)
		raised = feed(ops, sample_of(10, 10, ms), 0);
	return raised;
}

START_TEST(test_latency)
{
	const struct detect_head *h = (const struct detect_head *)state;

	for (int i = 0; i < 10; i++)
		ck_assert(!minute(4.9, &detect_latency_ops));
	ck_assert(!minute(7, &detect_latency_ops) && !minute(7, &detect_latency_ops));
	ck_assert(!minute(7, &detect_latency_ops));
	ck_assert(minute(7, &detect_latency_ops));	/* the third slot is judged in the fourth */
	ck_assert_int_eq(h->severity, SEVERITY_MAJOR);
	ck_assert_double_eq_tol(h->figure, 7e6, 1);
	for (int i = 0; i < 4; i++)
		ck_assert(minute(30, &detect_latency_ops));
	ck_assert_int_eq(h->severity, SEVERITY_CRITICAL);
	/* just below the limit, inside the hysteresis: it stays */
	for (int i = 0; i < 20; i++)
		ck_assert(minute(4.5, &detect_latency_ops));
	ck_assert(minute(2, &detect_latency_ops));
	minute(2, &detect_latency_ops);
	minute(2, &detect_latency_ops);
	ck_assert(!minute(2, &detect_latency_ops));
	/* no limit, no anomaly */
	conf.rtt_limit_100ns[0] = conf.rtt_limit_100ns[1] = 0;
	for (int i = 0; i < 10; i++)
		ck_assert(!minute(1000, &detect_latency_ops));
}
END_TEST

/* One packet in thirty is below 5 %: the 95th percentile is well. */
START_TEST(test_latency_share)
{
	for (int i = 0; i < 200; i++) {
		struct sample s = sample_of(10, 10, 1);

		if (i % 3 == 0)
			rtt[4] = 4000000;
		ck_assert(!feed(&detect_latency_ops, s, 0));
	}
}
END_TEST

static bool
reading(const struct detect_ops *ops, uint32_t role, double value)
{
	struct sample s = sample_of(1, 1, 1);

	s.value[s.values++] = (struct sample_value){ .role = ROLE_SPEED_BPS, .value = 1e9 };
	s.value[s.values++] = (struct sample_value){ .role = role, .value = value };
	return feed(ops, s, 0);
}

START_TEST(test_snmp)
{
	const struct detect_head *h = (const struct detect_head *)state;

	conf.probe = PROBE_SNMP;
	conf.step_ms = 30000;
	conf.down_after = 2;
	ck_assert(!reading(&detect_down_ops, ROLE_OPER_STATUS, 1));
	ck_assert(!reading(&detect_down_ops, ROLE_OPER_STATUS, 2));
	ck_assert(reading(&detect_down_ops, ROLE_OPER_STATUS, 7));
	ck_assert_double_eq(h->figure, 0);
	reading(&detect_down_ops, ROLE_OPER_STATUS, 1);
	ck_assert(!reading(&detect_down_ops, ROLE_OPER_STATUS, 1));
	setup();
	conf.probe = PROBE_SNMP;
	for (int i = 0; i < 100; i++)
		ck_assert(!reading(&detect_utilisation_ops, ROLE_OUT_BPS, 6.9e8));
	for (int i = 0; i < 40; i++)
		reading(&detect_utilisation_ops, ROLE_OUT_BPS, 7.5e8);
	ck_assert(h->raised && h->severity == SEVERITY_MINOR);
	for (int i = 0; i < 40; i++)
		reading(&detect_utilisation_ops, ROLE_CPU_RATIO, 0.97);
	ck_assert(h->raised && h->severity == SEVERITY_MAJOR);
	ck_assert_double_eq(h->figure, 0.97);
	for (int i = 0; i < 40; i++)
		reading(&detect_utilisation_ops, ROLE_IN_BPS, 1e6);
	ck_assert(!h->raised);
	setup();
	conf.probe = PROBE_SNMP;
	for (int i = 0; i < 40; i++)
		reading(&detect_errors_ops, ROLE_IN_DISCARDS, 3);
	ck_assert(h->raised && h->severity == SEVERITY_MINOR);
	for (int i = 0; i < 40; i++)
		reading(&detect_errors_ops, ROLE_IN_BPS, 3);	/* nothing to judge by: it stays */
	ck_assert(h->raised);
	for (int i = 0; i < 40; i++)
		reading(&detect_errors_ops, ROLE_IN_ERRORS, 0);
	ck_assert(!h->raised);
}
END_TEST

START_TEST(test_table)
{
	size_t n = 0;

	while (detect_table[n] != NULL) {
		ck_assert_uint_eq(detect_offset(n) % 8, 0);
		ck_assert_uint_ge(detect_table[n]->state_size, sizeof(struct detect_head));
		n++;
	}
	ck_assert_uint_le(n, DETECT_MAX);
	ck_assert_uint_le(detect_offset(n), DETECT_STATE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("detect");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_down);
	tcase_add_test(t, test_never_down_by_our_fault);
	tcase_add_test(t, test_step);
	tcase_add_test(t, test_service);
	tcase_add_test(t, test_service_without_tls);
	tcase_add_test(t, test_loss);
	tcase_add_test(t, test_loss_and_outage);
	tcase_add_test(t, test_latency);
	tcase_add_test(t, test_latency_share);
	tcase_add_test(t, test_snmp);
	tcase_add_test(t, test_table);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
