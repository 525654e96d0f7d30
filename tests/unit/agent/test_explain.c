/*
 * test_explain.c - packets and bytes of a plan, counted by hand; and the daemon's refusals.
 */
#include "agent/explain.h"

#include <check.h>
#include <jansson.h>
#include <string.h>

#include "agent/guard.h"
#include "common/clock.h"
#include "suite.h"

static Linkwatch__Pb__Link
link_of(char *id, uint32_t probe, char *target)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = id;
	l.probe = probe;
	l.target = target;
	l.step_ms = 10000;
	l.count = 5;
	l.timeout_ms = 3500;
	l.port = probe == PROBE_TCP ? 443 : 0;
	l.size = 56;
	if (probe == PROBE_SNMP) {
		l.credential = "core";
		l.interface = "eth0";
	}
	return l;
}

static struct explain_traffic
traffic_of(const Linkwatch__Pb__Link *l, bool v6, unsigned syn_retries)
{
	struct explain_traffic x;
	struct target t;
	char why[160];

	ck_assert_msg(target_init(&t, l, why, sizeof why) == 0, "%s", why);
	explain_traffic(&t, v6, syn_retries, &x);
	target_fini(&t);
	return x;
}

START_TEST(test_echo)
{
	Linkwatch__Pb__Link l = link_of("x", PROBE_ICMP, "host");
	struct explain_traffic x = traffic_of(&l, false, 6);

	ck_assert(x.requests == 5 && x.packets == 5 && x.bytes == 5 * 84 && !x.about);
	ck_assert(x.packets_most == x.packets && x.bytes_most == x.bytes);
	ck_assert(traffic_of(&l, true, 6).bytes == 5 * 104);
	l.size = 1472;			/* fits exactly */
	ck_assert(traffic_of(&l, false, 6).packets == 5);
	l.size = 1473;
	x = traffic_of(&l, false, 6);
	ck_assert(x.packets == 10 && x.bytes == 5 * (1481 + 2 * 20));
	l.size = 1452;
	ck_assert(traffic_of(&l, true, 6).packets == 5);
	l.size = 1453;
	x = traffic_of(&l, true, 6);
	ck_assert(x.packets == 10 && x.bytes == 5 * (1461 + 2 * 48));
	l.df = true;
	ck_assert(traffic_of(&l, false, 6).packets == 5);
}
END_TEST

START_TEST(test_connect)
{
	Linkwatch__Pb__Link l = link_of("x", PROBE_TCP, "host");
	struct explain_traffic x = traffic_of(&l, false, 6);

	ck_assert(x.packets == 15 && x.bytes == 15 * 60 && !x.about);
	ck_assert(x.packets_most == 5 * 6 && x.bytes_most == 30 * 60);	/* SYNs at 1, 2 and 3 s */
	ck_assert(traffic_of(&l, false, 2).packets_most == 5 * 5);
	ck_assert(traffic_of(&l, true, 6).bytes == 15 * 80);
	l.timeout_ms = 900;
	ck_assert(traffic_of(&l, false, 6).packets_most == 15);
	l.tls = true;
	ck_assert(traffic_of(&l, false, 6).about && traffic_of(&l, false, 6).packets > 15);
}
END_TEST

START_TEST(test_poll)
{
	Linkwatch__Pb__Link l = link_of("x", PROBE_SNMP, "host");
	struct explain_traffic x = traffic_of(&l, false, 6);

	ck_assert(x.requests == 1 && x.packets == 1 && x.about && x.packets_most >= 64);
	l.host = true;
	ck_assert(traffic_of(&l, false, 6).packets == 4);
}
END_TEST

static bool
knows(void *arg, const char *credential)
{
	return strcmp(credential, arg) == 0;
}

/* Explains a plan of these links with allow 10.0.0.0/8 and example.com, 2 packets a second. */
static void
explain(struct explanation *x, struct guard **g, Linkwatch__Pb__Link **v, size_t n,
    Linkwatch__Pb__Plan *plan)
{
	char *const allow[] = { "10.0.0.0/8", "www.example.com" };
	struct explain_host host = { .knows = knows, .arg = "core", .syn_retries = 6 };
	size_t bad;

	*plan = (Linkwatch__Pb__Plan)LINKWATCH__PB__PLAN__INIT;
	plan->link = v;
	plan->n_link = n;
	ck_assert_int_eq(guard_new(g, allow, 2, 2, &bad), 0);
	host.guard = *g;
	explain_plan(plan, &host, x);
}

START_TEST(test_refusals)
{
	Linkwatch__Pb__Link l[] = {
		link_of("a", PROBE_ICMP, "10.0.0.1"), link_of("a", PROBE_ICMP, "10.0.0.2"),
		link_of("b", PROBE_ICMP, "192.0.2.1"), link_of("c", PROBE_ICMP, "10.0.0.3"),
		link_of("d", PROBE_SNMP, "10.0.0.4"), link_of("e", PROBE_TCP, "www.example.com"),
		link_of("f", PROBE_ICMP, "::1"), link_of("G", PROBE_ICMP, "10.0.0.1"),
		link_of("c", PROBE_ICMP, "10.0.0.3"),
	};
	static const char *const why[] = { NULL, "occurs twice", "not in allow-list",
		"over the cap of 2", "credential 'other'", NULL, "other family", "not a valid id",
		NULL };
	Linkwatch__Pb__Link *v[9];
	Linkwatch__Pb__Plan plan;
	struct explanation x;
	struct guard *g;

	for (size_t i = 0; i < 9; i++)
		v[i] = &l[i];
	l[3].count = 100;
	l[4].credential = "other";
	l[6].family = 4;
	explain(&x, &g, v, 9, &plan);
	ck_assert_uint_eq(x.refused, 6);
	for (size_t i = 0; i < 9; i++) {
		ck_assert_msg(x.link[i].admitted == (why[i] == NULL), "link %zu: %s", i,
		    x.link[i].why);
		ck_assert(why[i] == NULL || strstr(x.link[i].why, why[i]) != NULL);
	}
	/* two of icmp at 5 in 10 s, one of tcp */
	ck_assert_uint_eq(x.mpps, 1500);
	ck_assert_double_eq_tol(x.pps, 0.5 + 1.5 + 0.5, 1e-9);
	ck_assert_double_eq_tol(x.bps, 2 * 5 * 84 / 10.0 + 15 * 80 / 10.0, 1e-9);
	ck_assert_uint_eq(x.names, 1);
	explain_free(&x);
	guard_free(g);
}
END_TEST

START_TEST(test_text_and_json)
{
	Linkwatch__Pb__Link l[] = { link_of("a", PROBE_ICMP, "10.0.0.1"),
		link_of("\xff\x1b[31m", PROBE_ICMP, "10.0.0.1"),
		link_of("d", PROBE_SNMP, "10.0.0.2") };
	Linkwatch__Pb__Link *v[] = { &l[0], &l[1], &l[2] };
	Linkwatch__Pb__Plan plan;
	struct explanation x;
	struct guard *g;
	static char text[16384];
	FILE *f = fmemopen(text, sizeof text, "w");
	json_t *o;

	l[2].source = "10.0.0.9";
	explain(&x, &g, v, 3, &plan);
	explain_text(f, &x, NULL, "links.yaml", 42);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "a: icmp echo to 10.0.0.1\n"));
	ck_assert_ptr_nonnull(strstr(text, "0.500 packets/s, 42 bytes/s"));
	ck_assert_ptr_nonnull(strstr(text, "d: snmp over udp to 10.0.0.2"));
	ck_assert_ptr_nonnull(strstr(text, "\n    from 10.0.0.9\n"));
	ck_assert_ptr_nonnull(strstr(text, "No agent.yaml was read"));
	ck_assert_ptr_nonnull(strstr(text, "\\xff\\x1b[31m: not a valid id"));
	ck_assert_ptr_null(strchr(text, '\x1b'));
	f = fmemopen(text, sizeof text, "w");
	ck_assert_int_eq(explain_json(f, &x, NULL, "links.yaml", 42), 0);
	fclose(f);
	o = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "links")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(o, "plan")), "000000000000002a");
	json_decref(o);
	explain_free(&x);
	guard_free(g);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_echo, test_connect, test_poll, test_refusals,
		test_text_and_json, NULL };

	return run_suite("explain", tests);
}
