/*
 * bench.h - a loop, the shared parts of probes, and what they report.
 */
#pragma once

#include <check.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/probe.h"
#include "agent/probe_icmp.h"
#include "agent/target.h"

#define BENCH_MAX 4096

struct bench {
	struct event_base *base;
	struct probe_env env;
	struct target target;
	struct probe probe;
	struct probe_result result[BENCH_MAX];
	unsigned results;
};

static struct bench bench;

static inline void
bench_done(struct probe *p, const struct probe_result *r)
{
	ck_assert_ptr_eq(p->owner, &bench);
	ck_assert_uint_lt(bench.results, BENCH_MAX);
	bench.result[bench.results++] = *r;
}

static inline void
bench_begin(void)
{
	bench = (struct bench){ .base = event_base_new() };
	ck_assert_ptr_nonnull(bench.base);
	bench.env = (struct probe_env){ .base = bench.base, .clock = clock_real(),
		.rng = rng_real(), .done = bench_done };
}

static inline Linkwatch__Pb__Link
bench_link(uint32_t kind, const char *host, uint32_t port)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = "x1";
	l.probe = kind;
	l.target = (char *)host;
	l.port = port;
	l.step_ms = 10000;
	l.count = 10;
	l.timeout_ms = 1000;
	l.size = 56;
	return l;
}

static inline void
bench_open(const Linkwatch__Pb__Link *l)
{
	struct sockaddr_storage to;
	char why[160] = "";

	ck_assert_msg(target_init(&bench.target, l, why, sizeof why) == 0, "%s", why);
	ck_assert_msg(probe_open(&bench.probe, &bench.env, &bench.target, &bench, why,
	    sizeof why) == 0, "%s", why);
	bench.probe.to_len = target_literal(bench.target.host, bench.target.port, &to);
	ck_assert_uint_gt(bench.probe.to_len, 0);
	memcpy(&bench.probe.to, &to, bench.probe.to_len);
}

static inline void
bench_close(void)
{
	probe_close(&bench.probe);
	target_fini(&bench.target);
}

static inline int
bench_send(uint64_t token)
{
	int rc = bench.probe.ops->send(&bench.probe, token);

	probe_flush(&bench.env);
	return rc;
}

/* One turn of the loop, ms at most, and a look at the sockets. */
static inline void
bench_turn(int ms)
{
	struct timeval most = { .tv_usec = ms * 1000 };

	event_base_loopexit(bench.base, &most);
	event_base_dispatch(bench.base);
	if (bench.env.icmp != NULL)
		icmp_drain(bench.env.icmp);
}

/* Runs the loop until n results are there, 10 s at most. */
static inline void
bench_wait(unsigned n)
{
	int64_t until = clock_mono(clock_real()).ns + 10 * NS_PER_S;

	while (bench.results < n && clock_mono(clock_real()).ns < until)
		bench_turn(10);
	ck_assert_uint_ge(bench.results, n);
}

/* Runs it for so long, whatever comes: to see that nothing does. */
static inline void
bench_run(int ms)
{
	for (int i = 0; i < ms; i += 10)
		bench_turn(10);
}

static inline void
bench_end(void)
{
	event_base_free(bench.base);
}
