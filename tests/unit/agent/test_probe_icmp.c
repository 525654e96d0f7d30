/*
 * test_probe_icmp.c - echo requests for real: this host, a router next door,
 * addresses that answer with errors or not at all.  Needs root.
 */
#include "agent/probe_icmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/sampler.h"
#include "bench.h"
#include "net.h"
#include "suite.h"

static struct icmp *icmp;

static void
begin(const char *host)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, host, 0);
	char why[320];

	bench_begin();
	ck_assert_msg(icmp_new(&icmp, bench.env.clock, bench.env.rng, why, sizeof why) == 0,
	    "%s", why);
	ck_assert_int_eq(icmp_attach(icmp, bench.base), 0);
	bench.env.icmp = icmp;
	bench_open(&l);
}

static void
end(void)
{
	bench_close();
	icmp_free(icmp);
	bench_end();
}

static void
answers(const char *host)
{
	struct icmp_stat st;

	begin(host);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(bench_send(sampler_token(0, i)), 0);
	ck_assert_uint_eq(bench.results, 0);	/* never inside send() */
	bench_wait(10);
	bench_run(100);
	ck_assert_uint_eq(bench.results, 10);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
		ck_assert_uint_eq(bench.result[i].token, i);
		ck_assert_int_gt(bench.result[i].rtt_ns, 0);
		/* the kernel's stamps: the tick that we look at is not in it */
		ck_assert_int_lt(bench.result[i].rtt_ns, 5 * NS_PER_MS);
	}
	icmp_stat(icmp, &st);
	ck_assert_uint_eq(st.sent, 10);
	ck_assert_uint_eq(st.replies, 10);
	ck_assert_uint_eq(st.drops + st.foreign, 0);
	end();
}

START_TEST(test_loopback)
{
	answers("127.0.0.1");
}
END_TEST

START_TEST(test_loopback_6)
{
	answers("::1");
}
END_TEST

START_TEST(test_router)
{
	net_begin();
	answers("10.77.0.2");
	answers("fd77::2");
	net_end();
}
END_TEST

/* Without the right to raw sockets: ping sockets, with the same results and the same errors. */
START_TEST(test_ping_socket)
{
	struct icmp_stat st;

	net_begin();
	ck_assert_int_eq(system("sysctl -qw net.ipv4.ping_group_range='0 2147483647'"), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	answers("10.77.0.2");
	answers("fd77::2");
	begin("10.88.0.1");
	icmp_stat(icmp, &st);
	ck_assert_int_eq(st.mode, ICMP_MODE_PING);
	ck_assert_int_eq(bench_send(0), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_HOST_UNREACHABLE));
	end();
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	net_end();
}
END_TEST

static void
error_is(const char *host, uint32_t cause)
{
	begin(host);
	ck_assert_int_eq(bench_send(sampler_token(5, 3)), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].token, sampler_token(5, 3));
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(cause));
	end();
}

START_TEST(test_errors)
{
	net_begin();
	error_is("10.88.0.1", CAUSE_HOST_UNREACHABLE);
	error_is("10.89.0.1", CAUSE_PROHIBITED);
	error_is("198.51.100.1", CAUSE_NET_UNREACHABLE);
	net_end();
}
END_TEST

START_TEST(test_silence)
{
	net_begin();
	begin("10.90.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	bench_run(300);
	ck_assert_uint_eq(bench.results, 0);	/* the step's end says that it is lost */
	end();
	net_end();
}
END_TEST

/* A request that does not leave is an error of send(), not a loss. */
START_TEST(test_not_sent)
{
	net_begin();
	begin("10.77.0.2");
	ck_assert_int_eq(system("ip link set v0 down"), 0);
	ck_assert_int_lt(bench_send(0), 0);
	ck_assert_int_eq(system("ip link set v0 up && ip route replace default via 10.77.0.2"), 0);
	/* and stamps are right again afterwards */
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_uint_eq(bench.result[0].token, 1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	bench_run(50);
	ck_assert_uint_eq(bench.results, 1);
	end();
	net_end();
}
END_TEST

/* Somebody who has seen a request answers it twice, from elsewhere, late, or changed. */
struct forger { int fd; uint8_t packet[2048]; ssize_t n; struct sockaddr_in from; };

static void
overhear(struct forger *f)
{
	struct pollfd p;

	/* raw sockets see requests that arrive at this host */
	f->fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_eq(bench_send(0), 0);
	p = (struct pollfd){ .fd = f->fd, .events = POLLIN };
	do {
		ck_assert_int_eq(poll(&p, 1, 2000), 1);
		f->n = recv(f->fd, f->packet, sizeof f->packet, 0);
	} while (f->packet[20] != ICMP_ECHO);
}

static void
forge(struct forger *f, const char *from, int flip)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from) };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	uint8_t *icmp_part = f->packet + 20;
	size_t n = (size_t)f->n - 20;
	uint32_t sum = 0;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&source, sizeof source), 0);
	icmp_part[0] = ICMP_ECHOREPLY;
	if (flip >= 0)
		icmp_part[8 + flip] ^= 1;
	icmp_part[2] = icmp_part[3] = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)icmp_part[i] << 8 : icmp_part[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	icmp_part[2] = (uint8_t)(~sum >> 8);
	icmp_part[3] = (uint8_t)~sum;
	ck_assert_int_eq(sendto(fd, icmp_part, n, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)n);
	if (flip >= 0)
		icmp_part[8 + flip] ^= 1;
	close(fd);
}

START_TEST(test_forged_and_repeated)
{
	struct forger f;
	struct icmp_stat st;

	begin("127.0.0.1");
	overhear(&f);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	forge(&f, "127.0.0.5", -1);		/* from elsewhere */
	forge(&f, "127.0.0.1", 5);		/* another link */
	forge(&f, "127.0.0.1", 12);		/* another token */
	forge(&f, "127.0.0.1", 20);		/* another cookie */
	icmp_drain(icmp);
	ck_assert_uint_eq(bench.results, 1);
	icmp_stat(icmp, &st);
	ck_assert_uint_eq(st.foreign, 1);
	for (unsigned i = 0; i < 100; i++)
		forge(&f, "127.0.0.1", -1);
	icmp_drain(icmp);
	ck_assert_uint_eq(bench.results, 101);
	for (unsigned i = 1; i < 101; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_EXTRA);
		ck_assert_uint_eq(bench.result[i].causes, CAUSE_BIT(CAUSE_DUPLICATE));
	}
	/* its place has been taken by the same request two steps later */
	ck_assert_int_eq(bench_send(sampler_token(2, 0)), 0);
	forge(&f, "127.0.0.1", -1);
	bench_wait(103);
	ck_assert_int_eq(bench.result[101].outcome, PROBE_REPLY);
	ck_assert_int_eq(bench.result[102].outcome, PROBE_EXTRA);
	ck_assert_uint_eq(bench.result[102].causes, CAUSE_BIT(CAUSE_LATE_REPLY));
	close(f.fd);
	end();
}
END_TEST

/* A loop that is busy does not lengthen an RTT. */
START_TEST(test_late_loop)
{
	begin("127.0.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	usleep(200 * 1000);			/* the loop is held up: that is what is tested */
	bench_wait(1);
	ck_assert_int_lt(bench.result[0].rtt_ns, 20 * NS_PER_MS);
	end();
}
END_TEST

/* More replies than the socket has room for: told as drops. */
START_TEST(test_overflow)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, "127.0.0.1", 0);
	struct icmp_stat st;

	begin("127.0.0.1");
	bench_close();
	l.size = 8000;
	l.count = 1000;
	bench_open(&l);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(bench_send(sampler_token(0, i)), 0);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(bench_send(sampler_token(1, i)), 0);
	icmp_stat(icmp, &st);
	ck_assert_uint_gt(st.drops, 0);
	bench_run(100);
	ck_assert_uint_gt(bench.results, 100);
	ck_assert_uint_lt(bench.results, 2000);
	/* whatever is missing is among them (so are requests that passed by on loopback) */
	ck_assert_uint_ge(bench.results + st.drops, 2000);
	end();
}
END_TEST

START_TEST(test_closed_probe_gets_nothing)
{
	begin("127.0.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	bench_close();
	bench_run(100);
	ck_assert_uint_eq(bench.results, 0);
	icmp_free(icmp);
	bench_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_loopback, test_loopback_6, test_router, test_ping_socket, test_errors,
		test_silence, test_not_sent, test_forged_and_repeated, test_late_loop,
		test_overflow, test_closed_probe_gets_nothing, NULL,
	};

	return run_suite("probe_icmp", tests);
}
