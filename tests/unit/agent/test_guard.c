/*
 * test_guard.c - what may be probed, and how fast; and what a plan may ask for.
 */
#include "agent/guard.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "agent/target.h"
#include "suite.h"

static struct guard *
make(const char *const *rules, uint64_t max_pps)
{
	struct guard *g;
	size_t n = 0, bad;

	while (rules[n] != NULL)
		n++;
	ck_assert_int_eq(guard_new(&g, (char *const *)rules, n, max_pps, &bad), 0);
	return g;
}

static bool
allows(const struct guard *g, const char *name, const char *address)
{
	struct sockaddr_storage ss;

	ck_assert_msg(target_literal(address, 0, &ss) > 0, "%s", address);
	return guard_allows(g, name, (struct sockaddr *)&ss);
}

START_TEST(test_networks)
{
	struct guard *g = make((const char *[]){ "10.1.0.0/16", "192.0.2.7", "2001:db8::/33",
	    "::1", "172.16.0.128/25", NULL }, 10);

	ck_assert(allows(g, NULL, "10.1.255.255"));
	ck_assert(!allows(g, NULL, "10.2.0.0"));
	ck_assert(allows(g, NULL, "192.0.2.7"));
	ck_assert(!allows(g, NULL, "192.0.2.6"));
	ck_assert(allows(g, NULL, "172.16.0.129"));
	ck_assert(!allows(g, NULL, "172.16.0.127"));
	ck_assert(allows(g, NULL, "2001:db8:7fff::1"));
	ck_assert(!allows(g, NULL, "2001:db8:8000::1"));
	ck_assert(allows(g, NULL, "::1"));
	ck_assert(!allows(g, NULL, "::2"));
	/* an IPv4 address in IPv6 clothes is the same host */
	ck_assert(allows(g, NULL, "::ffff:10.1.2.3"));
	ck_assert(!allows(g, NULL, "::ffff:10.2.2.3"));
	guard_free(g);
}
END_TEST

/* All of IPv6 is not all there is: IPv4 needs a rule of its own, in whatever clothes it comes. */
START_TEST(test_families_apart)
{
	static const char *const six[] = { "::/0", "::/80", "::/95", "::ffff:0:0/90", NULL };

	for (unsigned i = 0; six[i] != NULL; i++) {
		struct guard *g = make((const char *[]){ six[i], NULL }, 10);

		ck_assert_msg(!allows(g, NULL, "192.0.2.1"), "%s", six[i]);
		ck_assert_msg(!allows(g, NULL, "::ffff:192.0.2.1"), "%s", six[i]);
		ck_assert_msg(!allows(g, "some.example", "127.0.0.1"), "%s", six[i]);
		ck_assert_int_eq(allows(g, NULL, "2001:db8::1"), i == 0);
		guard_free(g);
	}
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct guard *g = make((const char *[]){ v6 ? "::ffff:0:0/96" : "0.0.0.0/0", NULL },
		    10);

		ck_assert(allows(g, NULL, "192.0.2.1"));
		ck_assert(allows(g, NULL, "::ffff:192.0.2.1"));
		ck_assert(!allows(g, NULL, "2001:db8::1"));
		guard_free(g);
	}
}
END_TEST

START_TEST(test_never_allowed)
{
	static const char *const never[] = { "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255",
		"240.0.0.1", "::", "ff02::1", "::ffff:224.0.0.1", NULL };
	struct guard *g = make((const char *[]){ "0.0.0.0/0", "::/0", "all.example", NULL }, 10);

	for (unsigned i = 0; never[i] != NULL; i++) {
		ck_assert_msg(!allows(g, NULL, never[i]), "%s", never[i]);
		ck_assert_msg(!allows(g, "all.example", never[i]), "%s", never[i]);
	}
	ck_assert(allows(g, NULL, "223.255.255.255"));
	guard_free(g);
}
END_TEST

START_TEST(test_names)
{
	struct guard *g = make((const char *[]){ "www.example.com", "*.corp.example", NULL }, 10);

	ck_assert(allows(g, "www.example.com", "203.0.113.9"));
	ck_assert(allows(g, "WWW.Example.COM", "203.0.113.9"));
	ck_assert(allows(g, "a.b.corp.example", "203.0.113.9"));
	ck_assert(!allows(g, "corp.example", "203.0.113.9"));
	ck_assert(!allows(g, "evilcorp.example", "203.0.113.9"));
	ck_assert(!allows(g, "www.example.com.evil", "203.0.113.9"));
	ck_assert(!allows(g, NULL, "203.0.113.9"));
	guard_free(g);
}
END_TEST

START_TEST(test_bad_rules)
{
	static const char *const bad[] = { "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8",
		"::/129", "::1/x", "1.2.3.4.5", "300.1.1.1", "a b", "*.", "*", "-x", "a/b", "x;y",
		".example", NULL };

	for (unsigned i = 0; bad[i] != NULL; i++) {
		const char *const rules[] = { "10.0.0.0/8", bad[i] };
		struct guard *g = NULL;
		size_t which = 99;

		ck_assert_msg(guard_new(&g, (char *const *)rules, 2, 1, &which) == -EINVAL,
		    "'%s' was taken", bad[i]);
		ck_assert_uint_eq(which, 1);
	}
}
END_TEST

static int
admit(struct guard *g, const char *host, uint32_t step_ms, uint32_t count, char *why, size_t n)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct target t;
	int rc;

	l.id = "x";
	l.probe = PROBE_ICMP;
	l.target = (char *)host;
	l.step_ms = step_ms;
	l.count = count;
	l.timeout_ms = 500;
	ck_assert_int_eq(target_init(&t, &l, why, n), 0);
	rc = guard_admit(g, &t, why, n);
	target_fini(&t);
	return rc;
}

START_TEST(test_admit)
{
	char why[160];
	struct guard *none = make((const char *[]){ NULL }, 100);
	struct guard *g = make((const char *[]){ "10.0.0.0/8", "www.example.com", NULL }, 100);
	struct guard *names = make((const char *[]){ "www.example.com", NULL }, 100);

	ck_assert_int_eq(admit(none, "10.0.0.1", 1000, 1, why, sizeof why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "no guard.allow"));
	ck_assert_int_eq(admit(g, "10.0.0.1", 1000, 1, why, sizeof why), 0);
	ck_assert_int_eq(admit(g, "11.0.0.1", 1000, 1, why, sizeof why), -EPERM);
	ck_assert_str_eq(why, "not in allow-list");
	/* a name may yet resolve into an allowed network; where there is none it cannot */
	ck_assert_int_eq(admit(g, "other.example", 1000, 1, why, sizeof why), 0);
	ck_assert_int_eq(admit(names, "other.example", 1000, 1, why, sizeof why), -EPERM);
	ck_assert_int_eq(admit(names, "www.example.com", 1000, 1, why, sizeof why), 0);
	guard_free(none);
	guard_free(g);
	guard_free(names);
}
END_TEST

START_TEST(test_cap_of_a_plan)
{
	char why[160];
	struct guard *g = make((const char *[]){ "10.0.0.0/8", NULL }, 100);

	ck_assert_int_eq(admit(g, "10.0.0.1", 1000, 60, why, sizeof why), 0);
	ck_assert_int_eq(admit(g, "10.0.0.2", 1000, 41, why, sizeof why), -EPERM);
	ck_assert_ptr_nonnull(strstr(why, "cap of 100"));
	ck_assert_int_eq(admit(g, "10.0.0.3", 1000, 40, why, sizeof why), 0);
	ck_assert_int_eq(admit(g, "10.0.0.4", 300000, 1, why, sizeof why), -EPERM);
	guard_begin(g);
	ck_assert_int_eq(admit(g, "10.0.0.4", 1000, 100, why, sizeof why), 0);
	guard_free(g);
}
END_TEST

START_TEST(test_cap_of_packets)
{
	struct guard *g = make((const char *[]){ "10.0.0.0/8", NULL }, 100);
	struct guard *slow = make((const char *[]){ "10.0.0.0/8", NULL }, 1);
	struct mono now = { 5 * NS_PER_S };
	unsigned sent = 0;

	while (guard_take(g, now))
		sent++;
	ck_assert_uint_eq(sent, 25);		/* a quarter second's worth */
	for (unsigned i = 0; i < 10000; i++) {
		now.ns += NS_PER_MS;
		sent += guard_take(g, now);
	}
	ck_assert_uint_ge(sent, 25 + 999);
	ck_assert_uint_le(sent, 25 + 1001);
	now.ns -= 100 * NS_PER_S;		/* a clock that goes back gives nothing */
	ck_assert(!guard_take(g, now));
	ck_assert(guard_take(slow, (struct mono){ NS_PER_S }));
	ck_assert(!guard_take(slow, (struct mono){ NS_PER_S + NS_PER_S / 2 }));
	ck_assert(guard_take(slow, (struct mono){ 2 * NS_PER_S }));
	guard_free(g);
	guard_free(slow);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_networks, test_families_apart, test_never_allowed, test_names, test_bad_rules, test_admit,
		test_cap_of_a_plan, test_cap_of_packets, NULL,
	};

	return run_suite("guard", tests);
}
