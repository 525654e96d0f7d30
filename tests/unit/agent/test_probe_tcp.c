/*
 * test_probe_tcp.c - connects for real: open, refused, dropped, unreachable.
 * Needs root for its namespaces.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

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
	bench_end();
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

START_TEST(test_refused)
{
	uint16_t port;
	int fd = listener("127.0.0.1", -1, &port);	/* bound, so that nobody else listens there */

	begin("127.0.0.1", port, 1000);
	ck_assert_int_eq(bench_send(1), 0);
	ck_assert_uint_eq(bench.results, 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_REFUSED));
	ck_assert_int_gt(bench.result[0].rtt_ns, 0);
	end();
	close(fd);
}
END_TEST

START_TEST(test_refused_by_a_neighbour)
{
	net_begin();
	begin("10.77.0.2", 9, 1000);
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_REFUSED));
	end();
	net_end();
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
	error_is("10.89.0.1", CAUSE_HOST_UNREACHABLE);	/* to a TCP socket the kernel says no more */
	error_is("10.90.0.1", CAUSE_TIMEOUT);
	net_end();
}
END_TEST

START_TEST(test_no_route_is_not_sent)
{
	net_begin();
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

START_TEST(test_source)
{
	Linkwatch__Pb__Link l;
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	uint16_t port;
	int fd = listener("127.0.0.1", 16, &port), conn;

	bench_begin();
	l = bench_link(PROBE_TCP, "127.0.0.1", port);
	l.source = "127.0.0.77";
	bench_open(&l);
	ck_assert_int_eq(bench_send(1), 0);
	conn = accept(fd, (struct sockaddr *)&peer, &len);
	ck_assert_int_ge(conn, 0);
	ck_assert_uint_eq(ntohl(peer.sin_addr.s_addr), 0x7f00004d);
	bench_wait(1);
	close(conn);
	end();
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_open, test_refused, test_refused_by_a_neighbour, test_timeout,
		test_unreachable, test_no_route_is_not_sent, test_nothing_lingers,
		test_late_loop, test_closed_probe_gets_nothing, test_source, NULL,
	};

	return run_suite("probe_tcp", tests);
}
