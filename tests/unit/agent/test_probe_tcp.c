/*
 * test_probe_tcp.c - connects for real: open, refused, dropped, unreachable,
 * as the link's options want them.  Needs root for its namespaces.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/tcp_engine.h"

#include "bench.h"
#include "net.h"
#include "suite.h"

/* A listener on a port of the kernel's choice; backlog as listen() takes it. */
static int
listener(const char *address, int backlog, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = target_literal(address, 0, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

static void
begin(const char *host, uint16_t port, uint32_t timeout_ms)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_TCP, host, port);

	l.timeout_ms = timeout_ms;
	bench_begin();
	bench_open(&l);
}

static void
end(void)
{
	bench_close();
	ck_assert_ptr_null(bench.env.tcp);
	bench_end();
}

/* Runs a command in the shell, $u being where we are and $r the router. */
static void
sh(const char *command)
{
	char line[1024];

	snprintf(line, sizeof line, "u=%s r=%s; set -e; %s", net_us, net_router, command);
	ck_assert_int_eq(system(line), 0);
}

static void
open_port(const char *address)
{
	uint16_t port;
	int fd = listener(address, 16, &port);

	begin(address, port, 1000);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(bench_send(i), 0);
	ck_assert_uint_eq(bench.results, 0);
	bench_wait(5);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
		ck_assert_uint_eq(bench.result[i].causes, 0);
		ck_assert_int_gt(bench.result[i].rtt_ns, 0);
		ck_assert_int_lt(bench.result[i].rtt_ns, 50 * NS_PER_MS);
	}
	end();
	close(fd);
}

START_TEST(test_open)
{
	open_port("127.0.0.1");
	open_port("::1");
}
END_TEST

static void
refused(const char *address)
{
	uint16_t port;
	int fd = listener(address, -1, &port);	/* bound, so that nobody else listens there */

	begin(address, port, 1000);
	ck_assert_int_eq(bench_send(1), 0);
	ck_assert_uint_eq(bench.results, 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_REFUSED));
	ck_assert(bench.result[0].rtt_ns > 0 && bench.result[0].rtt_ns < 50 * NS_PER_MS);
	end();
	close(fd);
}

START_TEST(test_refused)
{
	refused("127.0.0.1");
	refused("::1");
}
END_TEST

static void
refused_by(const char *neighbour)
{
	begin(neighbour, 9, 1000);
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_REFUSED));
	ck_assert(bench.result[0].rtt_ns > 0 && bench.result[0].rtt_ns < 50 * NS_PER_MS);
	end();
}

START_TEST(test_refused_by_a_neighbour)
{
	net_begin();
	refused_by("10.77.0.2");
	refused_by("fd77::2");
	net_end();
}
END_TEST

/* It connects, and the server throws it out before we look. */
START_TEST(test_thrown_out)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	uint16_t port;
	int fd = listener("127.0.0.1", 16, &port), conn;

	begin("127.0.0.1", port, 1000);
	ck_assert_int_eq(bench_send(1), 0);
	conn = accept(fd, NULL, NULL);
	setsockopt(conn, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(conn);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, 0);
	ck_assert(bench.result[0].rtt_ns > 0 && bench.result[0].rtt_ns < 50 * NS_PER_MS);
	end();
	close(fd);
}
END_TEST

/* A full queue: the kernel drops SYNs, as a filter would. */
START_TEST(test_timeout)
{
	int64_t before;
	uint16_t port;
	int fd = listener("127.0.0.1", 0, &port), filler[4];

	for (unsigned i = 0; i < 4; i++) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&to, sizeof to);
	}
	begin("127.0.0.1", port, 300);
	before = clock_mono(clock_real()).ns;
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_TIMEOUT));
	ck_assert_int_ge(clock_mono(clock_real()).ns - before, 290 * NS_PER_MS);
	end();
	for (unsigned i = 0; i < 4; i++)
		close(filler[i]);
	close(fd);
}
END_TEST

static void
error_is(const char *host, uint32_t cause)
{
	begin(host, 80, 500);
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_msg(bench.result[0].causes == CAUSE_BIT(cause), "%s: %x", host,
	    bench.result[0].causes);
	end();
}

START_TEST(test_unreachable)
{
	net_begin();
	error_is("10.88.0.1", CAUSE_HOST_UNREACHABLE);
	error_is("198.51.100.1", CAUSE_NET_UNREACHABLE);
	error_is("10.89.0.1", CAUSE_PROHIBITED);
	error_is("10.90.0.1", CAUSE_TIMEOUT);
	sh("ip netns exec $r sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0; "
	    "ip -n $r route add unreachable fd88::/64; "
	    "ip -n $r route add prohibit fd89::/64; ip -n $r route add blackhole fd90::/64");
	error_is("fd88::1", CAUSE_NET_UNREACHABLE);	/* of IPv6: no route */
	error_is("fd89::1", CAUSE_PROHIBITED);
	error_is("2001:db8::1", CAUSE_NET_UNREACHABLE);
	error_is("fd90::1", CAUSE_TIMEOUT);
	net_end();
}
END_TEST

/* Several at once, and each of them gets its own error. */
START_TEST(test_all_unreachable)
{
	net_begin();
	begin("10.88.0.1", 80, 500);
	for (unsigned i = 0; i < 4; i++)	/* more the router does not answer at once */
		ck_assert_int_eq(bench_send(i), 0);
	bench_wait(4);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(bench.result[i].causes, CAUSE_BIT(CAUSE_HOST_UNREACHABLE));
	end();
	net_end();
}
END_TEST

START_TEST(test_no_route_is_not_sent)
{
	net_begin();
	sh("ip -n $u route del default; ip -n $u -6 route del default");
	begin("2001:db8::1", 80, 500);
	ck_assert_int_eq(bench_send(1), -ENETUNREACH);
	bench_run(50);
	ck_assert_uint_eq(bench.results, 0);
	end();
	net_end();
}
END_TEST

/* Ends with a RST: no port waits, and the service sees no half-open connection. */
START_TEST(test_nothing_lingers)
{
	uint16_t port;
	int fd = listener("127.0.0.1", 300, &port);
	char command[160];

	begin("127.0.0.1", port, 1000);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(bench_send(i), 0);
	bench_wait(200);
	end();
	snprintf(command, sizeof command,
	    "test \"$(cat /proc/net/tcp | grep -ci ':%04X 06')\" = 0", port);
	ck_assert_int_eq(system(command), 0);
	close(fd);
}
END_TEST

/* The loop slept longer than the timeout: the kernel's figure counts, and it is no loss. */
START_TEST(test_late_loop)
{
	uint16_t port;
	int fd = listener("127.0.0.1", 16, &port);

	begin("127.0.0.1", port, 100);
	ck_assert_int_eq(bench_send(1), 0);
	usleep(300 * 1000);			/* the loop is held up: that is what is tested */
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_int_lt(bench.result[0].rtt_ns, 50 * NS_PER_MS);
	end();
	close(fd);
}
END_TEST

START_TEST(test_closed_probe_gets_nothing)
{
	uint16_t port;
	int fd = listener("127.0.0.1", 16, &port);

	begin("127.0.0.1", port, 1000);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(bench_send(i), 0);
	bench_close();
	bench_run(50);
	ck_assert_uint_eq(bench.results, 0);
	bench_end();
	close(fd);
}
END_TEST

/* The loop slept behind the timeout: who knows when the RST came?  Not we. */
START_TEST(test_late_loop_refused)
{
	net_begin();
	begin("10.77.0.2", 9, 100);
	ck_assert_int_eq(bench_send(1), 0);
	usleep(300 * 1000);			/* as above */
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_NOT_SENT);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_LOCAL));
	end();
	net_end();
}
END_TEST

/* The first SYN is lost, the second answered: counted from the first, without the loop's sleep. */
START_TEST(test_syn_sent_again)
{
	uint16_t port;
	int fd;

	net_begin();
	net_enter(net_router);
	fd = listener("10.77.0.2", 16, &port);
	net_enter(net_us);
	sh("ip -n $r route add blackhole 10.77.0.1");
	begin("10.77.0.2", port, 3000);
	ck_assert_int_eq(bench_send(1), 0);
	bench_run(300);
	ck_assert_uint_eq(bench.results, 0);
	sh("ip -n $r route del blackhole 10.77.0.1");
	usleep(1200 * 1000);			/* as above */
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, 0);
	ck_assert_msg(bench.result[0].rtt_ns > 950 * NS_PER_MS && bench.result[0].rtt_ns <
	    1150 * NS_PER_MS, "%.1f ms", (double)bench.result[0].rtt_ns / NS_PER_MS);
	end();
	close(fd);
	net_end();
}
END_TEST

/* ------------------------------------------------------------------- options */

/* Who connected, and the header of its SYN. */
static void
seen_by(int fd, struct sockaddr_storage *peer, uint8_t head[128])
{
	socklen_t len = sizeof *peer, n = 128;
	int conn = accept(fd, (struct sockaddr *)peer, &len);

	ck_assert_int_ge(conn, 0);
	ck_assert_int_eq(getsockopt(conn, IPPROTO_TCP, TCP_SAVED_SYN, head, &n), 0);
	close(conn);
}

static void
options(const char *address, const char *source)
{
	Linkwatch__Pb__Link l;
	struct sockaddr_storage peer, want;
	uint8_t head[128];
	uint16_t port;
	int fd = listener(address, 16, &port), one = 1;
	bool v6 = strchr(address, ':') != NULL;

	setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, &one, sizeof one);
	bench_begin();
	l = bench_link(PROBE_TCP, address, port);
	l.source = (char *)source;
	l.device = (char *)"lo";
	l.ttl = 3;
	l.dscp = 46;
	bench_open(&l);
	ck_assert_int_eq(bench_send(1), 0);
	seen_by(fd, &peer, head);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, 0);
	target_literal(source, 0, &want);
	if (v6) {
		ck_assert_mem_eq(&((struct sockaddr_in6 *)&peer)->sin6_addr,
		    &((struct sockaddr_in6 *)&want)->sin6_addr, 16);
		ck_assert_uint_eq((head[0] << 4 | head[1] >> 4) & 0xff, 46 << 2);
		ck_assert_uint_eq(head[7], 3);
	} else {
		ck_assert_mem_eq(&((struct sockaddr_in *)&peer)->sin_addr,
		    &((struct sockaddr_in *)&want)->sin_addr, 4);
		ck_assert_uint_eq(head[1], 46 << 2);
		ck_assert_uint_eq(head[8], 3);
	}
	end();
	close(fd);
}

START_TEST(test_options)
{
	net_begin();
	sh("ip addr add fd66::1/128 dev lo");
	options("127.0.0.1", "127.0.0.77");
	options("::1", "fd66::1");
	net_end();
}
END_TEST

static void
device_gives(const char *device, int rc, enum probe_outcome outcome)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_TCP, "10.77.0.2", 9);

	bench_begin();
	l.device = (char *)device;
	l.timeout_ms = 100;
	bench_open(&l);
	ck_assert_int_eq(bench_send(1), rc);
	if (rc == 0) {
		bench_wait(1);
		ck_assert_int_eq(bench.result[0].outcome, outcome);
	}
	end();
}

/* By one device the neighbour is there, by another not; and root is not needed. */
START_TEST(test_device)
{
	net_begin();
	for (unsigned i = 0; i < 2; i++) {
		device_gives("v0", 0, PROBE_REPLY);
		device_gives("lo", 0, PROBE_LOST);
		device_gives("nosuch", -ENODEV, PROBE_LOST);
		if (i == 0)
			ck_assert_int_eq(seteuid(65534), 0);
	}
	ck_assert_int_eq(seteuid(0), 0);
	net_end();
}
END_TEST

START_TEST(test_source_that_is_not_ours)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_TCP, "127.0.0.1", 80);

	bench_begin();
	l.source = (char *)"192.0.2.1";
	bench_open(&l);
	ck_assert_int_eq(bench_send(1), -EADDRNOTAVAIL);
	bench_run(20);
	ck_assert_uint_eq(bench.results, 0);
	end();
}
END_TEST

static void
ttl_gives(const char *host, uint32_t ttl, uint32_t cause)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_TCP, host, 80);

	bench_begin();
	l.ttl = ttl;
	l.timeout_ms = 300;
	bench_open(&l);
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_msg(bench.result[0].causes == CAUSE_BIT(cause), "%s ttl %u: %x", host, ttl,
	    bench.result[0].causes);
	end();
}

START_TEST(test_ttl)
{
	net_begin();
	sh("ip -n $r link add w0 type veth peer name w1; "
	    "ip -n $r addr add 10.92.0.1/24 dev w0; ip -n $r addr add fd92::1/64 dev w0 nodad; "
	    "ip -n $r link set w0 up; ip -n $r link set w1 up; "
	    "ip netns exec $r sysctl -qw net.ipv6.conf.all.forwarding=1");
	ttl_gives("10.92.0.9", 1, CAUSE_TTL_EXCEEDED);
	ttl_gives("fd92::9", 1, CAUSE_TTL_EXCEEDED);
	ttl_gives("10.92.0.1", 1, CAUSE_REFUSED);
	ttl_gives("10.92.0.9", 2, CAUSE_TIMEOUT);
	net_end();
}
END_TEST

/* -------------------------------------------------------------------- bounds */

/* Sent in a row they do not leave in a row: TCP_BURST of them, then the loop has its turn. */
START_TEST(test_spread)
{
	uint16_t port;
	int fd = listener("127.0.0.1", 400, &port), at_once = 0;

	begin("127.0.0.1", port, 1000);
	for (unsigned i = 0; i < 300; i++)
		ck_assert_int_eq(bench_send(i), 0);
	for (int conn; (conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0 && ++at_once < 300;) {
		struct pollfd more = { .fd = fd, .events = POLLIN };

		close(conn);
		if (poll(&more, 1, 0) != 1)
			break;
	}
	/* a machine that held us up for a while may have let go some more */
	ck_assert(at_once >= TCP_BURST && at_once < 300);
	bench_wait(300);
	for (unsigned i = 0; i < 300; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
		ck_assert_uint_eq(bench.result[i].causes, 0);
	}
	for (unsigned i = 0; i < 300; i++)
		ck_assert_int_eq(bench_send(i), 0);
	end();					/* with some that still wait for their turn */
	ck_assert_uint_eq(bench.results, 300);
	close(fd);
}
END_TEST

/* With few descriptors a part is not sent; nothing is lost of what was, and then it goes on. */
START_TEST(test_few_descriptors)
{
	struct rlimit lim = { .rlim_cur = 60, .rlim_max = 60 };
	unsigned sent = 0;
	uint16_t port;
	int fd = listener("127.0.0.1", 64, &port), spare;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	begin("127.0.0.1", port, 500);
	while (bench_send(sent) == 0)
		ck_assert_uint_lt(++sent, 60);
	ck_assert_uint_eq(sent, 30);
	ck_assert_int_eq(bench_send(99), -EMFILE);
	spare = dup(fd);			/* others are not starved */
	ck_assert_int_ge(spare, 0);
	bench_wait(sent);
	for (unsigned i = 0; i < sent; i++)
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
	ck_assert_int_eq(bench_send(100), 0);
	bench_wait(sent + 1);
	while (dup(fd) >= 0)
		;
	ck_assert_int_eq(bench_send(101), -EMFILE);
	bench_run(20);
	ck_assert_uint_eq(bench.results, sent + 1);
	end();
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_open, test_refused, test_refused_by_a_neighbour, test_thrown_out,
		test_timeout, test_unreachable, test_all_unreachable,
		test_no_route_is_not_sent, test_nothing_lingers, test_late_loop,
		test_late_loop_refused, test_syn_sent_again, test_closed_probe_gets_nothing,
		test_options, test_device, test_source_that_is_not_ours, test_ttl, test_spread,
		test_few_descriptors, NULL,
	};

	return run_suite("probe_tcp", tests);
}
