/*
 * test_adhoc_opts.c - the command line of a probe by hand: what holds, what is told.
 */
#include "agent/adhoc_opts.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "suite.h"

static char said[4096];

/* Parses "probe" and these words, parted by blanks; stdin holds in. */
static int
parse(struct adhoc_opts *o, const char *words, const char *in)
{
	static char text[4096];
	char *argv[64] = { "probe" };
	int argc = 1, rc;
	FILE *f = fmemopen((void *)in, strlen(in) > 0 ? strlen(in) : 1, "r");
	FILE *err = fmemopen(said, sizeof said, "w");

	snprintf(text, sizeof text, "%s", words);
	for (char *w = strtok(text, " "); w != NULL; w = strtok(NULL, " "))
		argv[argc++] = w;
	if (*in == '\0')
		(void)getc(f);
	rc = adhoc_opts_parse(o, argc, argv, f, err);
	fclose(f);
	fclose(err);
	return rc;
}

static void
refused(const char *words, const char *text)
{
	struct adhoc_opts o;

	ck_assert_msg(parse(&o, words, "") == -EINVAL, "taken: %s", words);
	ck_assert_msg(strstr(said, text) != NULL, "'%s' does not say '%s'", said, text);
	adhoc_list_free(&o.list);
}

START_TEST(test_defaults)
{
	struct adhoc_opts o;

	ck_assert_msg(parse(&o, "icmp 10.0.0.1", "") == 0, "%s", said);
	ck_assert(o.count == 10 && o.interval_ms == 1000 && o.timeout_ms == 1000);
	ck_assert(o.rate == 1000 && o.size == 56 && o.list.n == 1);
	adhoc_list_free(&o.list);
	ck_assert_msg(parse(&o, "snmp --community-file c sw1", "") == 0, "%s", said);
	ck_assert(o.count == 2 && o.interval_ms == 2000 && o.timeout_ms == 2000);
	ck_assert_uint_eq(o.list.entry[0].port, 161);
	adhoc_list_free(&o.list);
	ck_assert_msg(parse(&o, "snmp --community-file c --timeout 5000 sw1", "") == 0, "%s", said);
	ck_assert_uint_eq(o.interval_ms, 5000);
	adhoc_list_free(&o.list);
	ck_assert_msg(parse(&o, "snmp --community-file c --interval 500 sw1", "") == 0, "%s", said);
	ck_assert_uint_eq(o.timeout_ms, 500);
	adhoc_list_free(&o.list);
}
END_TEST

START_TEST(test_all_of_them)
{
	struct adhoc_opts o;
	struct target t;
	char why[160];

	ck_assert_msg(parse(&o, "icmp -4 --count 3 h1 --interval 20 --timeout 300 --rate 50 --size 100 "
	    "--source 10.0.0.9 --device eth0 --ttl 9 --dscp 46 --df --json -q h2", "") == 0, "%s",
	    said);
	ck_assert(o.count == 3 && o.interval_ms == 20 && o.json && o.quiet && o.list.n == 2);
	ck_assert_int_eq(adhoc_opts_target(&o, 16, &t, why, sizeof why), 0);
	ck_assert(t.count == 16 && t.step_ns == 320 * NS_PER_MS && t.timeout_ns == 300 * NS_PER_MS);
	ck_assert(t.size == 100 && t.ttl == 9 && t.dscp == 46 && t.df && t.source_len > 0);
	ck_assert_str_eq(t.device, "eth0");
	ck_assert_int_eq(t.family, AF_INET);
	target_fini(&t);
	adhoc_list_free(&o.list);
	ck_assert_msg(parse(&o, "tcp --tls --server-name www.example.com [::1]:443", "") == 0, "%s",
	    said);
	ck_assert_int_eq(adhoc_opts_target(&o, 1, &t, why, sizeof why), 0);
	ck_assert(t.tls);
	ck_assert_str_eq(t.server_name, "www.example.com");
	target_fini(&t);
	adhoc_list_free(&o.list);
}
END_TEST

START_TEST(test_snmp)
{
	struct adhoc_opts o;
	struct target t;
	char why[160];

	ck_assert_msg(parse(&o, "snmp --config a.yaml --credential core --interface lo --oid 1.3.6.1 "
	    "--oid 1.3.6.2 --host sw1", "") == 0, "%s", said);
	ck_assert_int_eq(adhoc_opts_target(&o, 1, &t, why, sizeof why), 0);
	ck_assert_str_eq(t.credential, "core");
	ck_assert(t.oids == 2 && t.host_values);
	target_fini(&t);
	adhoc_list_free(&o.list);
	ck_assert_int_eq(parse(&o, "snmp --community-file c sw1", ""), 0);
	ck_assert_int_eq(adhoc_opts_target(&o, 1, &t, why, sizeof why), 0);
	ck_assert_uint_eq(t.oids, 1);
	target_fini(&t);
	adhoc_list_free(&o.list);
	refused("snmp sw1", "snmp needs --community-file, or --config and --credential");
	refused("snmp --config x sw1", "snmp needs --community-file, or");
	refused("snmp --community-file c --credential x sw1", "excludes");
	refused("snmp --community-file c --timeout 3000 --interval 1000 sw1",
	    "--timeout is 3000 ms, expected at most --interval (1000 ms)");
	refused("snmp --community-file c --oid 1.x sw1", "oid 1 is not of the form");
	refused("snmp --community-file c --interface a --alias b sw1", "both interface and alias");
}
END_TEST

START_TEST(test_numbers)
{
	refused("icmp --count x h", "--count is 'x', expected 1..10000");
	refused("icmp --count 0 h", "--count is '0', expected 1..10000");
	refused("icmp --count 10001 h", "--count is '10001', expected 1..10000");
	refused("icmp --count -1 h", "--count is '-1', expected 1..10000");
	refused("icmp --count 5x h", "--count is '5x', expected 1..10000");
	refused("icmp --count 99999999999999999999999 h", "expected 1..10000");
	refused("icmp --rate 0 h", "--rate is '0', expected 1..1000000");
	refused("icmp --size 23 h", "--size is '23', expected 24..8952");
	refused("icmp --timeout 9 h", "--timeout is '9', expected 10..60000");
	refused("icmp --ttl 256 h", "--ttl is '256', expected 1..255");
	refused("icmp --interval 1 --timeout 1000 h", "expected less than 1000 times --interval");
	refused("icmp --count 10000 10.0.0.0/18", "are more than 50000000 requests");
}
END_TEST

START_TEST(test_words)
{
	refused("", "'' is not icmp, tcp or snmp");
	refused("udp h", "'udp' is not icmp, tcp or snmp");
	refused("icmp", "no target");
	refused("icmp --foo h", "unknown option '--foo'");
	refused("icmp -x h", "unknown option '-x'");
	refused("icmp h --count", "--count needs a value");
	refused("icmp --df=1 h", "--df takes no value");
	refused("icmp --tls --port 1 h", "--tls does not belong to icmp");
	refused("tcp --size 100 h:1", "--size does not belong to tcp");
	refused("icmp -4 -6 h", "-4 and -6 exclude each other");
	refused("tcp --server-name x h:1", "--server-name needs --tls");
	refused("icmp --source x h", "source is not an address");
	refused("icmp -6 --source 10.0.0.1 h", "source is of the other address family");
	refused("icmp --file /nonexistent/list", "/nonexistent/list: No such file");
}
END_TEST

START_TEST(test_all_faults_at_once)
{
	struct adhoc_opts o;

	ck_assert_int_eq(parse(&o, "icmp --count x --tls --file - 1.2.3.400", "h1\n!\n"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(said, "--count is 'x'"));
	ck_assert_ptr_nonnull(strstr(said, "--tls does not belong"));
	ck_assert_ptr_nonnull(strstr(said, "'1.2.3.400' is not"));
	ck_assert_ptr_nonnull(strstr(said, "stdin:2:1: '!' is not"));
	adhoc_list_free(&o.list);
}
END_TEST

START_TEST(test_stdin)
{
	struct adhoc_opts o;

	ck_assert_msg(parse(&o, "icmp --file - h0", "h1\nh2\n") == 0, "%s", said);
	ck_assert_uint_eq(o.list.n, 3);
	ck_assert_str_eq(adhoc_list_host(&o.list, 2), "h2");
	adhoc_list_free(&o.list);
}
END_TEST

START_TEST(test_help)
{
	struct adhoc_opts o;

	ck_assert_int_eq(parse(&o, "--help", ""), 0);
	ck_assert(o.help);
	ck_assert_int_eq(parse(&o, "icmp -h", ""), 0);
	ck_assert(o.help);
	adhoc_list_free(&o.list);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_defaults, test_all_of_them, test_snmp, test_numbers,
		test_words, test_all_faults_at_once, test_stdin, test_help, NULL };

	return run_suite("adhoc_opts", tests);
}
