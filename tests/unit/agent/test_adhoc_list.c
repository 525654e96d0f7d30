/*
 * test_adhoc_list.c - targets as people write them, and what they are told if not.
 */
#include "agent/adhoc_list.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/model.h"
#include "suite.h"

static const struct adhoc_form icmp = { .kind = PROBE_ICMP, .family = AF_UNSPEC };
static const struct adhoc_form tcp = { .kind = PROBE_TCP, .family = AF_UNSPEC };
static const struct adhoc_form tcp443 = { .kind = PROBE_TCP, .family = AF_UNSPEC, .port = 443 };

static void
taken(const struct adhoc_form *form, const char *word, const char *host, uint16_t port)
{
	struct adhoc_list l = { 0 };
	char why[256] = "";

	ck_assert_msg(adhoc_list_add(&l, form, word, why, sizeof why) == 0, "%s: %s", word, why);
	ck_assert_uint_eq(l.n, 1);
	ck_assert_str_eq(adhoc_list_host(&l, 0), host);
	ck_assert_uint_eq(l.entry[0].port, port);
	adhoc_list_free(&l);
}

static void
refused(const struct adhoc_form *form, const char *word, const char *text)
{
	struct adhoc_list l = { 0 };
	char why[512] = "";

	ck_assert_msg(adhoc_list_add(&l, form, word, why, sizeof why) == -EINVAL, "%s taken", word);
	ck_assert_msg(strstr(why, text) != NULL, "'%s' does not say '%s'", why, text);
	adhoc_list_free(&l);
}

START_TEST(test_hosts)
{
	taken(&icmp, "10.0.0.1", "10.0.0.1", 0);
	taken(&icmp, "2001:db8::1", "2001:db8::1", 0);
	taken(&icmp, "www.example-2.com", "www.example-2.com", 0);
	taken(&tcp443, "www.example.com", "www.example.com", 443);
	taken(&tcp443, "www.example.com:80", "www.example.com", 80);
	taken(&tcp443, "2001:db8::1", "2001:db8::1", 443);
	taken(&tcp, "[2001:db8::1]:22", "2001:db8::1", 22);
	taken(&tcp443, "[::1]", "::1", 443);
}
END_TEST

START_TEST(test_not_hosts)
{
	static const char *const bad[] = { "", "a b", "-x", ".x", "1.2.3.400", "1.2.3", "999",
		"a:b:c", "::g", "x/y", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/2x", "::/129",
		"a\tb", "\x1b[31m", "h\xc3\xb6st", "127.0.0.1:80" };
	char longest[300];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused(&icmp, bad[i], "is not a host name or address");
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	refused(&icmp, longest, "is not a host name or address");
	refused(&tcp443, longest, "is not a host name or address");
	refused(&icmp, "\x1b[31m", "\\x1b");
	refused(&icmp, "224.0.0.1", "is not the address of one host");
	refused(&icmp, "255.255.255.255", "is not the address of one host");
	refused(&icmp, "ff02::1", "is not the address of one host");
	refused(&icmp, "0.0.0.0", "is not the address of one host");
}
END_TEST

START_TEST(test_ports)
{
	refused(&tcp, "www.example.com", "needs a port");
	refused(&tcp, "10.0.0.1", "needs a port");
	refused(&tcp, "\x1b[2J.example", "'\\x1b[2J.example' needs a port");
	refused(&tcp443, "h:0", "no port of 1..65535");
	refused(&tcp443, "h:65536", "no port of 1..65535");
	refused(&tcp443, "h:", "no port of 1..65535");
	refused(&tcp443, "h:x", "no port of 1..65535");
	refused(&tcp443, "h:000080", "no port of 1..65535");
	refused(&tcp443, "[::1]x", "is not a host name or address");
	refused(&tcp443, "[::1", "is not a host name or address");
	refused(&tcp443, "[host]:1", "is not a host name or address");
	refused(&tcp443, "10.0.0.0/24", "is a network, which belongs to icmp");
}
END_TEST

START_TEST(test_family)
{
	struct adhoc_form four = { .kind = PROBE_ICMP, .family = AF_INET };
	struct adhoc_form six = { .kind = PROBE_ICMP, .family = AF_INET6 };

	refused(&four, "::1", "other family");
	refused(&six, "10.0.0.1", "other family");
	refused(&six, "10.0.0.0/30", "other family");
	taken(&six, "host", "host", 0);
}
END_TEST

static void
network(const char *word, size_t n, const char *first, const char *last)
{
	struct adhoc_list l = { 0 };
	char why[256] = "";

	ck_assert_msg(adhoc_list_add(&l, &icmp, word, why, sizeof why) == 0, "%s: %s", word, why);
	ck_assert_uint_eq(l.n, n);
	ck_assert_str_eq(adhoc_list_host(&l, 0), first);
	ck_assert_str_eq(adhoc_list_host(&l, n - 1), last);
	adhoc_list_free(&l);
}

START_TEST(test_networks)
{
	network("10.0.0.0/24", 254, "10.0.0.1", "10.0.0.254");
	network("10.1.2.77/28", 14, "10.1.2.65", "10.1.2.78");
	network("10.0.0.4/31", 2, "10.0.0.4", "10.0.0.5");
	network("10.0.0.4/32", 1, "10.0.0.4", "10.0.0.4");
	network("10.200.0.0/16", 65534, "10.200.0.1", "10.200.255.254");
	network("2001:db8::ff00/120", 256, "2001:db8::ff00", "2001:db8::ffff");
	network("2001:db8::/112", 65536, "2001:db8::", "2001:db8::ffff");
	refused(&icmp, "10.0.0.0/15", "has more than 65536 addresses");
	refused(&icmp, "2001:db8::/64", "has more than 65536 addresses");
	refused(&icmp, "224.0.0.0/30", "is not the address of one host");
}
END_TEST

START_TEST(test_too_many)
{
	struct adhoc_list l = { 0 };
	char why[256] = "";

	ck_assert_int_eq(adhoc_list_add(&l, &icmp, "10.0.0.0/16", why, sizeof why), 0);
	ck_assert_int_eq(adhoc_list_add(&l, &icmp, "10.1.0.0/30", why, sizeof why), 0);
	ck_assert_int_eq(adhoc_list_add(&l, &icmp, "10.1.0.9", why, sizeof why), -EINVAL);
	ck_assert_str_eq(why, "more than 65536 targets");
	ck_assert_uint_eq(l.n, ADHOC_TARGETS_MAX);
	adhoc_list_free(&l);
}
END_TEST

/* Reads text as a file; what was said of it into said. */
static unsigned
read_text(struct adhoc_list *l, const char *text, size_t len, char *said, size_t n)
{
	FILE *f = fmemopen((void *)text, len, "r"), *err = fmemopen(said, n, "w");
	unsigned faults = adhoc_list_read(l, &icmp, f, "list.txt", err);

	fclose(f);
	fclose(err);
	return faults;
}

START_TEST(test_file)
{
	static const char good[] = "# head\n10.0.0.1\n\n \t\n  host.example  # gateway\r\n10.0.0.2";
	static const char bad[] = "10.0.0.1\na b\n \t1.2.3.400\n10.0.0.2\n\x00x\n";
	struct adhoc_list l = { 0 };
	char said[4096] = "";

	ck_assert_uint_eq(read_text(&l, good, sizeof good - 1, said, sizeof said), 0);
	ck_assert_uint_eq(l.n, 3);
	ck_assert_str_eq(adhoc_list_host(&l, 1), "host.example");
	ck_assert_uint_eq(read_text(&l, bad, sizeof bad - 1, said, sizeof said), 3);
	ck_assert_uint_eq(l.n, 5);
	ck_assert_ptr_nonnull(strstr(said, "list.txt:2:1: 'a b' is not a host name or address\n"));
	ck_assert_ptr_nonnull(strstr(said, "list.txt:3:3: '1.2.3.400' is not"));
	ck_assert_ptr_nonnull(strstr(said, "list.txt:5:1: '\\x01x' is not"));
	adhoc_list_free(&l);
}
END_TEST

START_TEST(test_file_is_bounded)
{
	static char text[300 * 1024], said[64 * 1024];
	struct adhoc_list l = { 0 };

	memset(text, 'x', sizeof text);
	ck_assert_uint_eq(read_text(&l, text, sizeof text, said, sizeof said), 1);
	ck_assert_ptr_nonnull(strstr(said, "list.txt:1:1: line of more than 1023 bytes"));
	for (size_t i = 0; i < sizeof text; i += 2)
		memcpy(text + i, "!\n", 2);
	ck_assert_uint_eq(read_text(&l, text, sizeof text, said, sizeof said), 100);
	ck_assert_ptr_nonnull(strstr(said, "more than 100 faults"));
	ck_assert_uint_eq(l.n, 0);
	adhoc_list_free(&l);
}
END_TEST

START_TEST(test_endless_file)
{
	char said[256] = "";
	FILE *f = fopen("/dev/zero", "r"), *err = fmemopen(said, sizeof said, "w");
	struct adhoc_list l = { 0 };

	ck_assert_uint_eq(adhoc_list_read(&l, &icmp, f, "zero", err), 1);
	fclose(f);
	fclose(err);
	ck_assert_str_eq(said, "zero: more than 33554432 bytes\n");
	adhoc_list_free(&l);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_hosts, test_not_hosts, test_ports, test_family,
		test_networks, test_too_many, test_file, test_file_is_bounded,
		test_endless_file, NULL };

	return run_suite("adhoc_list", tests);
}
