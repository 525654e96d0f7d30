/*
 * test_target.c - what a plan may ask for, and what it is told if not.
 */
#include "agent/target.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <string.h>

#include "suite.h"

static Linkwatch__Pb__Link
sound(uint32_t probe)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = "x1";
	l.probe = probe;
	l.target = "192.0.2.1";
	l.port = probe == PROBE_ICMP ? 0 : 443;
	l.step_ms = 10000;
	l.count = 10;
	l.timeout_ms = 1000;
	l.size = 56;
	if (probe == PROBE_SNMP) {
		l.credential = "core";
		l.interface = "eth0";
	}
	return l;
}

static void
refused(const Linkwatch__Pb__Link *l, const char *text)
{
	struct target t;
	char why[160] = "";

	ck_assert_msg(target_init(&t, l, why, sizeof why) == -EINVAL, "taken: %s", text);
	ck_assert_msg(strstr(why, text) != NULL, "'%s' does not say '%s'", why, text);
	target_fini(&t);
}

START_TEST(test_sound_ones)
{
	struct target t;
	char why[160];

	for (uint32_t kind = PROBE_ICMP; kind <= PROBE_SNMP; kind++) {
		Linkwatch__Pb__Link l = sound(kind);

		ck_assert_msg(target_init(&t, &l, why, sizeof why) == 0, "%s", why);
		ck_assert_int_eq(t.step_ns, 10000 * INT64_C(1000000));
		ck_assert_uint_eq(t.count, kind == PROBE_SNMP ? 1 : 10);
		ck_assert_uint_eq(t.port, kind == PROBE_ICMP ? 0 : 443);
		target_fini(&t);
	}
}
END_TEST

START_TEST(test_defaults)
{
	Linkwatch__Pb__Link l = sound(PROBE_SNMP);
	struct target t;
	char why[160];

	l.port = 0;
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	ck_assert_uint_eq(t.port, 161);
	target_fini(&t);
	l = sound(PROBE_ICMP);
	l.size = 0;
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	ck_assert_uint_eq(t.size, TARGET_SIZE_MIN);
	target_fini(&t);
}
END_TEST

#define REFUSED(kind, field, value, text) do { \
	Linkwatch__Pb__Link l_ = sound(kind); \
	l_.field = value; \
	refused(&l_, text); \
} while (0)

START_TEST(test_family_of_a_literal)
{
	Linkwatch__Pb__Link l = sound(PROBE_ICMP);
	struct target t;
	char why[160];

	l.family = 6;
	refused(&l, "address of the other family");
	l.target = "::1";
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	target_fini(&t);
	l.family = 0;
	l.source = "127.0.0.1";
	refused(&l, "address of the other family");
}
END_TEST

START_TEST(test_numbers)
{
	REFUSED(PROBE_ICMP, probe, 0, "unknown probe 0");
	REFUSED(PROBE_ICMP, probe, UINT32_MAX, "unknown probe");
	REFUSED(PROBE_ICMP, step_ms, 0, "step of 0");
	REFUSED(PROBE_ICMP, step_ms, 999, "step of 999");
	REFUSED(PROBE_ICMP, step_ms, UINT32_MAX, "step of");
	REFUSED(PROBE_ICMP, count, 0, "count of 0");
	REFUSED(PROBE_ICMP, count, 1001, "count of 1001");
	REFUSED(PROBE_ICMP, timeout_ms, 9, "timeout of 9");
	REFUSED(PROBE_ICMP, timeout_ms, 10001, "timeout of 10001");
	REFUSED(PROBE_ICMP, size, TARGET_SIZE_MAX + 1, "size of");
	REFUSED(PROBE_ICMP, family, 5, "family 5");
	REFUSED(PROBE_TCP, port, 0, "without a port");
	REFUSED(PROBE_TCP, port, 65536, "port 65536");
}
END_TEST

START_TEST(test_texts)
{
	static char longest[300];

	memset(longest, 'a', sizeof longest - 1);
	REFUSED(PROBE_ICMP, id, "", "valid id");
	REFUSED(PROBE_ICMP, id, "../x", "valid id");
	REFUSED(PROBE_ICMP, id, "X", "valid id");
	REFUSED(PROBE_ICMP, target, "", "target");
	REFUSED(PROBE_ICMP, target, "a b", "target");
	REFUSED(PROBE_ICMP, target, "-x", "target");
	REFUSED(PROBE_ICMP, target, "x;reboot", "target");
	REFUSED(PROBE_ICMP, target, "x\n", "target");
	REFUSED(PROBE_ICMP, target, longest, "target");
	REFUSED(PROBE_ICMP, source, "eth0", "source");
	REFUSED(PROBE_SNMP, credential, "", "without a credential");
	REFUSED(PROBE_SNMP, interface, "a\x1b[2J", "unprintable");
	REFUSED(PROBE_SNMP, interface, longest, "unprintable");
	/* control characters beyond ASCII, marks that turn the line round, and what is no UTF-8 */
	REFUSED(PROBE_SNMP, interface, "a\xc2\x9b" "2J", "unprintable");
	REFUSED(PROBE_SNMP, alias, "a\xe2\x80\xae" "b", "unprintable");
	REFUSED(PROBE_SNMP, credential, "a\xc2\x9b" "2J", "without a credential");
	REFUSED(PROBE_SNMP, alias, "\xe4", "unprintable");
	REFUSED(PROBE_SNMP, interface, "", "without interface, host or oid");
}
END_TEST

START_TEST(test_oids)
{
	static char *const bad[] = { "", ".", "1", "1.3", "1.3.6.", "1..3", "3.1.1", "1.3.x",
		"1.3.4294967296", "1.3.6.1.2.1.1.3.0 ", "-1.3.6", NULL };
	char *list[TARGET_OIDS_MAX + 1];
	Linkwatch__Pb__Link l;
	struct target t;
	char why[160];

	for (unsigned i = 0; bad[i] != NULL; i++) {
		l = sound(PROBE_SNMP);
		l.n_oid = 1;
		l.oid = (char **)&bad[i];
		refused(&l, "oid 1");
	}
	for (unsigned i = 0; i <= TARGET_OIDS_MAX; i++)
		list[i] = ".1.3.6.1.4.1.4294967295";
	l = sound(PROBE_SNMP);
	l.oid = list;
	l.n_oid = TARGET_OIDS_MAX + 1;
	refused(&l, "17 oids");
	l.n_oid = 8;				/* with eight of the interface and the uptime */
	refused(&l, "more than 16 values");
	l.n_oid = 7;
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	ck_assert_uint_eq(t.oids, 7);
	target_fini(&t);
}
END_TEST

START_TEST(test_source_and_family)
{
	Linkwatch__Pb__Link l = sound(PROBE_ICMP);
	struct target t;
	char why[160];

	l.source = "127.0.0.9";
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	ck_assert_int_eq(t.family, AF_INET);
	target_fini(&t);
	l.family = 6;
	refused(&l, "other address family");
}
END_TEST

START_TEST(test_equal)
{
	Linkwatch__Pb__Link l = sound(PROBE_SNMP), m = sound(PROBE_SNMP);
	char *oid[] = { "1.3.6.1" }, *other[] = { "1.3.6.2" };
	struct target a, b;
	char why[160];

	l.n_oid = m.n_oid = 1;
	l.oid = oid;
	m.oid = other;
	ck_assert_int_eq(target_init(&a, &l, why, sizeof why), 0);
	ck_assert_int_eq(target_init(&b, &m, why, sizeof why), 0);
	ck_assert(target_equal(&a, &a));
	ck_assert(!target_equal(&a, &b));
	target_fini(&b);
	m = l;
	m.interface = "eth1";
	ck_assert_int_eq(target_init(&b, &m, why, sizeof why), 0);
	ck_assert(!target_equal(&a, &b));
	target_fini(&b);
	m = l;
	m.name_zh = "名";			/* not the agent's business */
	ck_assert_int_eq(target_init(&b, &m, why, sizeof why), 0);
	ck_assert(target_equal(&a, &b));
	target_fini(&b);
	target_fini(&a);
}
END_TEST

START_TEST(test_options)
{
	Linkwatch__Pb__Link l = sound(PROBE_ICMP);
	struct target a, b;
	char why[160];

	l.df = true;
	l.dscp = 46;
	l.ttl = 255;
	l.device = "eth0";
	ck_assert_int_eq(target_init(&a, &l, why, sizeof why), 0);
	ck_assert(a.df && a.dscp == 46 && a.ttl == 255 && strcmp(a.device, "eth0") == 0);
	l.df = false;
	ck_assert_int_eq(target_init(&b, &l, why, sizeof why), 0);
	ck_assert(!target_equal(&a, &b));
	target_fini(&a);
	target_fini(&b);
	l.ttl = 256;
	refused(&l, "ttl");
	l.ttl = 1;
	l.dscp = 64;
	refused(&l, "dscp");
	l.dscp = 0;
	l.device = "a-name-too-long-x";
	refused(&l, "device");
	l.device = "../x";
	refused(&l, "device");
}
END_TEST

START_TEST(test_named_oids)
{
	Linkwatch__Pb__Link l = sound(PROBE_SNMP);
	char *oid[] = { "1.3.6.1", "1.3.6.2" };
	uint32_t type[] = { OID_COUNTER, OID_TYPE_MAX };
	double scale[] = { 0.1, 1 };
	struct target t;
	char why[160];

	l.n_oid = l.n_oid_type = l.n_oid_scale = 2;
	l.oid = oid;
	l.oid_type = type;
	l.oid_scale = scale;
	ck_assert_int_eq(target_init(&t, &l, why, sizeof why), 0);
	ck_assert_uint_eq(t.oid[0].type, OID_COUNTER);
	ck_assert_double_eq(t.oid[0].scale, 0.1);
	target_fini(&t);
	scale[1] = NAN;
	refused(&l, "oid 2");
	scale[1] = 1;
	type[1] = OID_TYPE_MAX + 1;
	refused(&l, "oid 2");
	l.n_oid_type = 1;
	refused(&l, "differ in length");
	l = sound(PROBE_SNMP);
	l.alias = "x*";
	refused(&l, "both interface and alias");
}
END_TEST

START_TEST(test_literals)
{
	struct sockaddr_storage ss;

	ck_assert_uint_eq(target_literal("127.0.0.1", 80, &ss), sizeof(struct sockaddr_in));
	ck_assert_uint_eq(target_literal("::1", 80, &ss), sizeof(struct sockaddr_in6));
	ck_assert_uint_eq(target_literal("fe80::1%lo", 80, &ss), sizeof(struct sockaddr_in6));
	ck_assert_uint_eq(target_literal("fe80::1%nosuchif", 80, &ss), 0);
	ck_assert_uint_eq(target_literal("127.1", 80, &ss), 0);
	ck_assert_uint_eq(target_literal("localhost", 80, &ss), 0);
	ck_assert_uint_eq(target_literal("", 80, &ss), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_sound_ones, test_defaults, test_family_of_a_literal, test_numbers, test_texts, test_oids,
		test_source_and_family, test_equal, test_options, test_named_oids, test_literals, NULL,
	};

	return run_suite("target", tests);
}
