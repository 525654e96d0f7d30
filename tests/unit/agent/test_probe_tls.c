/*
 * test_probe_tls.c - TCP probes that shake hands, with servers good and bad.
 */
#include <math.h>
#include <netinet/in.h>

#include "agent/handshake.h"
#include "bench.h"
#include "suite.h"
#include "tests/unit/own_time.h"
#include "tlsserver.h"

#define DAY 86400

static struct tlsserver server;

/* A link to it; name: server_name. */
static void
begin(const char *host, uint16_t port, const char *name, uint32_t timeout_ms)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_TCP, host, port);

	l.tls = true;
	l.server_name = (char *)name;
	l.timeout_ms = timeout_ms;
	bench_begin();
	bench_open(&l);
}

static void
end(void)
{
	bench_close();
	bench_end();
	ck_assert_ptr_null(bench.env.tcp);
}

static double
value(const struct probe_result *r, uint32_t role)
{
	for (uint32_t i = 0; i < r->values; i++)
		if (r->value[i].role == role)
			return r->value[i].value;
	return NAN;
}

/* The only result of that sort for a request; a reply comes before what follows it. */
static const struct probe_result *
result_of(uint64_t token, enum probe_outcome outcome)
{
	const struct probe_result *found = NULL;

	for (unsigned i = 0; i < bench.results; i++)
		if (bench.result[i].token == token && bench.result[i].outcome == outcome) {
			ck_assert_ptr_null(found);
			found = &bench.result[i];
		}
	ck_assert_ptr_nonnull(found);
	return found;
}

/* The connect alone is a reply, with its RTT, whatever follows. */
static void
check_reply(uint64_t token)
{
	const struct probe_result *r = result_of(token, PROBE_REPLY);

	ck_assert_msg(r->causes == 0, "causes %x", r->causes);
	ck_assert_uint_eq(r->values, 0);
	ck_assert(r->rtt_ns > 0 && r->rtt_ns < 50 * NS_PER_MS);
	ck_assert(r < result_of(token, PROBE_MORE));
}

static void
check_good(uint64_t token, double days)
{
	const struct probe_result *r = result_of(token, PROBE_MORE);

	check_reply(token);
	ck_assert_msg(r->causes == 0, "causes %x", r->causes);
	ck_assert_uint_eq(r->values, 2);
	ck_assert(value(r, ROLE_TLS_S) > 0 && value(r, ROLE_TLS_S) < 0.9);
	ck_assert_msg(fabs(value(r, ROLE_CERT_DAYS) - days) < 0.01, "%f days, not %f",
	    value(r, ROLE_CERT_DAYS), days);
}

/* It shakes hands five times; the certificate ends after so many days. */
static void
good(const char *address, enum tlsserver_way way, long from_s, long to_s, double days)
{
	uint16_t port = tlsserver_start(&server, address, way, from_s, to_s);

	begin(address, port, "service.test", 3000);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(bench_send(i), 0);
	bench_wait(10);
	for (unsigned i = 0; i < 5; i++)
		check_good(i, days);
	for (unsigned i = 0; server.left < 5 && i < 500; i++)
		bench_run(10);
	end();
	tlsserver_stop(&server);
	ck_assert_uint_eq(server.shaken, 5);
	ck_assert_uint_eq(server.reused, 0);
	ck_assert_uint_eq(server.left, 5);	/* and saw us take our leave */
	ck_assert_str_eq(server.name, "service.test");
}

START_TEST(test_good)
{
	good("127.0.0.1", TLSSERVER_GOOD, 0, 30 * DAY + DAY / 4, 30.25);
	good("127.0.0.1", TLSSERVER_OLD, 0, 0, 1);
	good("::1", TLSSERVER_GOOD, 0, 0, 1);
}
END_TEST

START_TEST(test_expired)
{
	good("127.0.0.1", TLSSERVER_GOOD, -20 * DAY, -2 * DAY, -2);
	good("::1", TLSSERVER_GOOD, 10 * DAY, 3000L * DAY, 3000);	/* not yet valid */
}
END_TEST

/* An address is no name to ask for; a name is, without its last dot. */
START_TEST(test_server_name)
{
	uint16_t port = tlsserver_start(&server, "127.0.0.1", TLSSERVER_GOOD, 0, 0);
	static const struct { const char *host, *name, *asked; } cases[] = {
		{ "127.0.0.1", "", "" }, { "127.0.0.1", "a.test.", "a.test" },
		{ "127.0.0.1", "::1", "" }, { "b.test", "", "b.test" },
		{ "b.test.", "c.test", "c.test" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Linkwatch__Pb__Link l = bench_link(PROBE_TCP, cases[i].host, port);
		char why[160];

		l.tls = true;
		l.server_name = (char *)cases[i].name;
		bench_begin();
		ck_assert_int_eq(target_init(&bench.target, &l, why, sizeof why), 0);
		ck_assert_int_eq(probe_open(&bench.probe, &bench.env, &bench.target, &bench, why,
		    sizeof why), 0);
		bench_aim(&bench.probe, "127.0.0.1", port);
		ck_assert_int_eq(bench_send(1), 0);
		bench_wait(2);
		check_good(1, 1);
		for (unsigned k = 0; server.shaken <= i && k < 500; k++)
			bench_run(10);
		end();
		ck_assert_str_eq(server.name, cases[i].asked);
	}
	tlsserver_stop(&server);
}
END_TEST

/* What should follow the connect does not. */
static void
bad(const char *address, enum tlsserver_way way, uint32_t timeout_ms, int64_t most_ns)
{
	uint16_t port = tlsserver_start(&server, address, way, 0, 0);
	int64_t before;

	begin(address, port, "", timeout_ms);
	before = own_time_ns();
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(2);
	ck_assert_int_lt(own_time_ns() - before, most_ns);
	check_reply(1);
	ck_assert_uint_eq(result_of(1, PROBE_MORE)->causes, CAUSE_BIT(CAUSE_TLS));
	ck_assert_uint_eq(result_of(1, PROBE_MORE)->values, 0);
	end();
	tlsserver_stop(&server);
	ck_assert_uint_eq(server.conns, 1);
}

START_TEST(test_bad)
{
	static const enum tlsserver_way ways[] = { TLSSERVER_BANNER, TLSSERVER_NOISE,
		TLSSERVER_HELLOS, TLSSERVER_LONG, TLSSERVER_ANCIENT, TLSSERVER_STRICT,
		TLSSERVER_SHUT };

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
		bad("127.0.0.1", ways[i], 10000, 8 * NS_PER_S);	/* long before the timeout */
	bad("::1", TLSSERVER_NOISE, 10000, 8 * NS_PER_S);
}
END_TEST

/* A server that shakes hands every second time fills no log. */
START_TEST(test_fickle)
{
	uint16_t port = tlsserver_start(&server, "127.0.0.1", TLSSERVER_GOOD, 0, 0);
	FILE *f = tmpfile();
	char line[512];
	unsigned lines = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
	begin("127.0.0.1", port, "", 2000);
	for (unsigned i = 0; i < 20; i++) {
		server.way = i % 2 == 0 ? TLSSERVER_SHUT : TLSSERVER_GOOD;
		ck_assert_int_eq(bench_send(i), 0);
		bench_wait(2 * i + 2);
		ck_assert_uint_eq(result_of(i, PROBE_MORE)->causes,
		    i % 2 == 0 ? CAUSE_BIT(CAUSE_TLS) : 0);
	}
	end();
	tlsserver_stop(&server);
	rewind(f);
	while (fgets(line, sizeof line, f) != NULL)
		lines += strstr(line, "TLS") != NULL;
	ck_assert_uint_ge(lines, 2);
	ck_assert_uint_le(lines, 4);
	fclose(f);
}
END_TEST

/* It ends before the step does: at 7/8 of the timeout. */
START_TEST(test_stall)
{
	bad("127.0.0.1", TLSSERVER_STALL, 2000, 1999 * NS_PER_MS);
	bad("::1", TLSSERVER_STALL, 2000, 1999 * NS_PER_MS);
}
END_TEST

/* One server that stalls delays nobody else. */
START_TEST(test_stall_delays_nobody)
{
	uint16_t port = tlsserver_start(&server, "127.0.0.1", TLSSERVER_STALL, 0, 0);
	struct tlsserver other;
	struct target target;
	struct probe probe;
	Linkwatch__Pb__Link l;
	char why[160];

	begin("127.0.0.1", port, "", 5000);
	l = bench_link(PROBE_TCP, "127.0.0.1", tlsserver_start(&other, "127.0.0.1", TLSSERVER_GOOD,
	    0, 0));
	l.tls = true;
	ck_assert_int_eq(target_init(&target, &l, why, sizeof why), 0);
	ck_assert_int_eq(probe_open(&probe, &bench.env, &target, &bench, why, sizeof why), 0);
	bench_aim(&probe, "127.0.0.1", target.port);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(bench_send(i), 0);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(probe.ops->send(&probe, 100 + i), 0);
	bench_wait(20);			/* ten connects; five of each sort */
	for (unsigned i = 0; i < 5; i++)
		check_good(100 + i, 1);
	probe_close(&probe);
	target_fini(&target);
	end();				/* with ten handshakes under way */
	ck_assert_uint_eq(bench.results, 20);
	tlsserver_stop(&other);
	tlsserver_stop(&server);
}
END_TEST

/* The loop slept over all deadlines: the server is not to blame. */
START_TEST(test_late_loop)
{
	uint16_t port = tlsserver_start(&server, "127.0.0.1", TLSSERVER_GOOD, 0, 0);

	begin("127.0.0.1", port, "", 1000);
	ck_assert_int_eq(bench_send(1), 0);
	usleep(1500 * 1000);		/* the loop is held up: that is what is tested */
	bench_wait(2);
	check_good(1, 1);
	end();
	tlsserver_stop(&server);
}
END_TEST

START_TEST(test_refused_needs_no_tls)
{
	uint16_t port = tlsserver_start(&server, "127.0.0.1", TLSSERVER_GOOD, 0, 0);

	tlsserver_stop(&server);
	begin("127.0.0.1", port, "", 1000);
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_REFUSED));
	end();
}
END_TEST

/* No more is read than was promised. */
START_TEST(test_bytes_are_bounded)
{
	struct ssl_ctx_st *ctx = handshake_context();
	struct handshake *h = handshake_new(ctx, NULL);
	static const char head[] = "\x16\x03\x03\x40";
	char buf[5 + 16384] = { 0 };
	uint64_t eaten = 0;
	int pair[2], rc;

	memcpy(buf, head, sizeof head);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	do {
		ssize_t n = send(pair[1], buf, sizeof buf, MSG_NOSIGNAL);

		eaten += n > 0 ? (uint64_t)n : 0;
		rc = handshake_go(h, pair[0]);
	} while (rc == -EAGAIN && eaten < 10 * HANDSHAKE_BYTES_MAX);
	ck_assert_int_eq(rc, -EMSGSIZE);
	ck_assert_str_ne(handshake_why(h), "");
	ck_assert_uint_le(eaten, HANDSHAKE_BYTES_MAX + 2 * sizeof buf);
	handshake_free(h);
	SSL_CTX_free(ctx);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_good, test_expired, test_server_name, test_bad, test_fickle, test_stall,
		test_stall_delays_nobody, test_late_loop, test_refused_needs_no_tls,
		test_bytes_are_bounded, NULL,
	};

	return run_suite("probe_tls", tests);
}
