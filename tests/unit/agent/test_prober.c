/*
 * test_prober.c - a whole plan on a real loop: what is measured, what is
 * refused, a plan that changes, and a process that is stopped.
 */
#include "agent/prober.h"

#include <check.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard.h"
#include "agent/probe_icmp.h"
#include "agent/resolver.h"
#include "common/batch.h"
#include "common/frame.h"
#include "dns.h"
#include "suite.h"

#define SAMPLES_MAX 4096

struct got { char link[ID_MAX + 1]; struct sample s; uint32_t rtt[32]; };

static struct event_base *base;
static struct icmp *icmp;
static struct resolver *resolver;
static struct guard *guard;
static struct prober *prober;
static Linkwatch__Pb__Plan plan;
static Linkwatch__Pb__Link def[16], *defs[16];
static struct got got[SAMPLES_MAX];
static unsigned gots;
static int64_t wall_jump;

/* The real clock, whose wall side the test may move. */
static struct mono moved_mono(const struct clock *c) { (void)c; return clock_mono(clock_real()); }
static struct wall moved_wall(const struct clock *c)
{
	(void)c;
	return (struct wall){ clock_wall(clock_real()).ns + wall_jump };
}
static const struct clock moved = { moved_mono, moved_wall };

static void
on_sample(void *arg, const struct sample *s)
{
	struct batch_builder *b = batch_builder_new();
	struct got *g = &got[gots];

	ck_assert_ptr_eq(arg, &got);
	ck_assert_uint_lt(gots, SAMPLES_MAX);
	ck_assert_int_eq(batch_builder_add(b, s), 0);	/* sound by the rules of the wire */
	batch_builder_free(b);
	snprintf(g->link, sizeof g->link, "%s", s->link);
	g->s = *s;
	for (uint32_t i = 0; i < s->rtt_count && i < 32; i++)
		g->rtt[i] = s->rtt_100ns[i];
	gots++;
}

static void
begin(const char *const *allow, uint64_t max_pps)
{
	struct prober_opts opts = { .sample = on_sample, .arg = &got };
	size_t n = 0, bad;
	char why[320];

	while (allow[n] != NULL)
		n++;
	base = event_base_new();
	ck_assert_int_eq(icmp_new(&icmp, clock_real(), rng_real(), why, sizeof why), 0);
	ck_assert_int_eq(resolver_new(&resolver, base), 0);
	resolver_servers(resolver, "127.0.0.1:1");	/* nobody: /etc/hosts must do */
	ck_assert_int_eq(guard_new(&guard, (char *const *)allow, n, max_pps, &bad), 0);
	opts.env = (struct probe_env){ .base = base, .clock = &moved, .rng = rng_real(),
		.icmp = icmp };
	opts.resolver = resolver;
	opts.guard = guard;
	ck_assert_int_eq(prober_new(&prober, &opts), 0);
	linkwatch__pb__plan__init(&plan);
	plan.revision = 1;
	plan.link = defs;
}

static void
end(void)
{
	prober_free(prober);
	guard_free(guard);
	resolver_free(resolver);
	icmp_free(icmp);
	event_base_free(base);
}

static Linkwatch__Pb__Link *
want(const char *id, uint32_t kind, const char *target, uint32_t port, uint32_t count)
{
	Linkwatch__Pb__Link *l = &def[plan.n_link];

	defs[plan.n_link++] = l;
	linkwatch__pb__link__init(l);
	l->id = (char *)id;
	l->probe = kind;
	l->target = (char *)target;
	l->port = port;
	l->step_ms = 1000;
	l->count = count;
	l->timeout_ms = 200;
	return l;
}

/* The reason for which id was refused, or NULL. */
static const char *
adopt(const char *id)
{
	static char reason[256];
	Linkwatch__Pb__PlanResult *r;
	bool found = false;

	prober_plan(prober, &plan, &r);
	ck_assert_uint_eq(r->revision, plan.revision);
	ck_assert_uint_eq(r->n_link, r->n_reason);
	for (size_t i = 0; i < r->n_link; i++)
		if (id != NULL && strcmp(r->link[i], id) == 0) {
			snprintf(reason, sizeof reason, "%s", r->reason[i]);
			found = true;
		}
	ck_assert(id != NULL || r->n_link == 0);
	linkwatch__pb__plan_result__free_unpacked(r, NULL);
	return found ? reason : NULL;
}

static unsigned
count(const char *id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gots; i++)
		n += strcmp(got[i].link, id) == 0;
	return n;
}

/* Runs until there are n samples of id, 15 s at most. */
static void
run(const char *id, unsigned n)
{
	int64_t until = clock_mono(clock_real()).ns + 15 * NS_PER_S;

	while (count(id) < n && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_ge(count(id), n);
}

static const struct got *
last(const char *id)
{
	for (unsigned i = gots; i-- > 0;)
		if (strcmp(got[i].link, id) == 0)
			return &got[i];
	ck_abort_msg("no sample of %s", id);
}

static uint32_t
cause(const struct got *g, uint32_t c)
{
	for (uint32_t i = 0; i < g->s.causes; i++)
		if (g->s.cause[i].cause == c)
			return g->s.cause[i].count;
	return 0;
}

static const char *const loopback[] = { "127.0.0.0/8", "::1", NULL };

START_TEST(test_measures)
{
	begin(loopback, 1000);
	want("v4", PROBE_ICMP, "127.0.0.1", 0, 5);
	want("v6", PROBE_ICMP, "::1", 0, 5);
	want("named", PROBE_ICMP, "localhost", 0, 2)->family = 4;
	want("closed", PROBE_TCP, "127.0.0.1", 1, 2);
	ck_assert_ptr_null(adopt(NULL));
	run("closed", 2);
	run("named", 2);
	run("v4", 2);
	run("v6", 2);
	for (unsigned i = 0; i < gots; i++) {
		ck_assert_int_eq(got[i].s.start_ns % NS_PER_S, 0);
		ck_assert_uint_eq(got[i].s.step_ms, 1000);
	}
	ck_assert_uint_eq(last("v4")->s.sent, 5);
	ck_assert_uint_eq(last("v4")->s.rtt_count, 5);
	ck_assert_uint_eq(last("v6")->s.rtt_count, 5);
	ck_assert_uint_eq(last("named")->s.rtt_count, 2);
	ck_assert_uint_eq(last("closed")->s.rtt_count, 2);
	ck_assert_uint_eq(cause(last("closed"), CAUSE_REFUSED), 2);
	end();
}
END_TEST

START_TEST(test_refuses)
{
	begin(loopback, 10);
	want("far", PROBE_ICMP, "192.0.2.1", 0, 1);
	ck_assert_str_eq(adopt("far"), "not in allow-list");
	want("fast", PROBE_ICMP, "127.0.0.1", 0, 11);
	ck_assert_ptr_nonnull(strstr(adopt("fast"), "cap of 10"));
	want("../x", PROBE_ICMP, "127.0.0.1", 0, 1);
	ck_assert_str_eq(adopt("../x"), "not a valid id");
	want("snmp", PROBE_SNMP, "127.0.0.1", 0, 1)->credential = "none";
	def[3].host = true;
	ck_assert_ptr_nonnull(strstr(adopt("snmp"), "credential 'none'"));
	want("v6", PROBE_ICMP, "::1", 0, 1)->family = 4;
	ck_assert_ptr_nonnull(strstr(adopt("v6"), "other family"));
	want("twice", PROBE_ICMP, "::1", 0, 1);
	want("twice", PROBE_ICMP, "::1", 0, 1);
	ck_assert_ptr_nonnull(strstr(adopt("twice"), "twice"));
	end();
}
END_TEST

/* A plan that is all wrong, or very large: answered at once, and the answer fits a frame. */
START_TEST(test_large_plan)
{
	enum { N = 20000 };
	Linkwatch__Pb__Link *links = calloc(N, sizeof *links);
	Linkwatch__Pb__Link **list = calloc(N, sizeof(*list));
	char (*ids)[64] = calloc(N, sizeof(*ids));
	int64_t begin_ns = clock_mono(clock_real()).ns;
	Linkwatch__Pb__PlanResult *r;
	struct prober_stat st;

	begin(loopback, 1000000);
	for (unsigned i = 0; i < N; i++) {
		linkwatch__pb__link__init(&links[i]);
		/* of every ten, one is allowed */
		snprintf(ids[i], sizeof ids[i], "%063u", i);
		links[i].id = ids[i];
		links[i].probe = PROBE_ICMP;
		links[i].target = i % 10 == 0 ? "127.0.0.1" : "192.0.2.1";
		links[i].step_ms = 300000;
		links[i].count = 1;
		links[i].timeout_ms = 1000;
		list[i] = &links[i];
	}
	plan.link = list;
	plan.n_link = N;
	for (unsigned round = 0; round < 2; round++) {
		prober_plan(prober, &plan, &r);
		ck_assert_uint_eq(r->n_link, PROBER_REFUSALS_MAX);
		ck_assert_uint_lt(linkwatch__pb__plan_result__get_packed_size(r), FRAME_MAX);
		linkwatch__pb__plan_result__free_unpacked(r, NULL);
		prober_stat(prober, &st);
		ck_assert_uint_eq(st.links, N / 10);
		ck_assert_uint_eq(st.refused, N - N / 10);
	}
	ck_assert_int_lt(clock_mono(clock_real()).ns - begin_ns, 10 * NS_PER_S);
	plan.n_link = 0;
	prober_plan(prober, &plan, &r);
	linkwatch__pb__plan_result__free_unpacked(r, NULL);
	end();
	free(links);
	free(list);
	free(ids);
}
END_TEST

/* A name that leads out of what is allowed is never sent to. */
START_TEST(test_name_out_of_bounds)
{
	static const char *const allow[] = { "10.0.0.0/8", NULL };

	begin(allow, 100);
	want("named", PROBE_ICMP, "localhost", 0, 2);
	ck_assert_ptr_null(adopt(NULL));
	run("named", 2);
	ck_assert_uint_eq(last("named")->s.sent, 0);
	ck_assert_uint_eq(last("named")->s.flags & SAMPLE_NOT_OBSERVED, SAMPLE_NOT_OBSERVED);
	ck_assert_uint_eq(cause(last("named"), CAUSE_NOT_SENT), 2);
	end();
}
END_TEST

START_TEST(test_name_that_does_not_resolve)
{
	static const char *const allow[] = { "no.invalid", NULL };

	struct prober_stat st;

	begin(allow, 100);
	want("named", PROBE_ICMP, "no.invalid", 0, 2);
	ck_assert_ptr_null(adopt(NULL));
	prober_stat(prober, &st);
	for (unsigned n = 1; st.names_failing == 0 && n < 12; n++) {
		run("named", n);
		prober_stat(prober, &st);
	}
	ck_assert_uint_eq(st.names_failing, 1);
	ck_assert_uint_ge(st.resolver_failures, 1);
	ck_assert_uint_eq(last("named")->s.sent, 0);
	ck_assert_uint_eq(last("named")->s.flags & SAMPLE_NOT_OBSERVED, SAMPLE_NOT_OBSERVED);
	ck_assert_uint_eq(cause(last("named"), CAUSE_RESOLVE), 2);
	end();
}
END_TEST

/* A name with two kinds of address is two links; one moves, then the name server dies. */
START_TEST(test_name_moves)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct prober_stat st;
	struct dns dns;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(fd, 128), 0);	/* nobody accepts */
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	begin(loopback, 1000);
	dns_begin(&dns, base);
	dns_add(&dns, "www.test", DNS_A, 0, "127.0.0.1");
	dns_add(&dns, "www.test", DNS_AAAA, 600, "::1");
	resolver_servers(resolver, dns.address);
	want("four", PROBE_TCP, "www.test", ntohs(a.sin_port), 4)->family = 4;
	want("six", PROBE_ICMP, "www.test", 0, 4)->family = 6;
	ck_assert_ptr_null(adopt(NULL));
	run("four", 2);
	ck_assert_uint_eq(cause(last("four"), CAUSE_REFUSED), 0);
	dns.record[0].data = "127.0.0.2";	/* where nobody listens */
	for (unsigned n = 3; cause(last("four"), CAUSE_REFUSED) < 4 && n < 12; n++)
		run("four", n);
	ck_assert_uint_eq(cause(last("four"), CAUSE_REFUSED), 4);
	dns_end(&dns);
	prober_stat(prober, &st);
	for (unsigned n = count("four"); st.names_failing == 0 && n < 24; n++) {
		run("four", n);
		prober_stat(prober, &st);
	}
	ck_assert_uint_eq(st.names_failing, 1);
	run("four", count("four") + 2);
	run("six", count("four"));
	for (unsigned i = 0; i < gots; i++) {
		ck_assert_msg(got[i].s.sent == 4 && got[i].s.rtt_count == 4,
		    "%s, sample %u: %u sent, %u replies, %u timeouts", got[i].link, i,
		    got[i].s.sent, got[i].s.rtt_count, cause(&got[i], CAUSE_TIMEOUT));
	}
	ck_assert_uint_eq(cause(last("four"), CAUSE_REFUSED), 4);
	close(fd);
	end();
}
END_TEST

/* What stays in the plan goes on without a missing step; what goes is silent. */
START_TEST(test_plan_changes)
{
	int64_t before = 0;

	begin(loopback, 1000);
	want("stays", PROBE_ICMP, "127.0.0.1", 0, 4);
	want("goes", PROBE_ICMP, "127.0.0.2", 0, 4);
	want("changes", PROBE_ICMP, "127.0.0.3", 0, 4);
	ck_assert_ptr_null(adopt(NULL));
	run("stays", 2);
	for (unsigned i = 0; i < 5; i++) {
		plan.n_link = 0;
		plan.revision++;
		want("new", PROBE_ICMP, "127.0.0.5", 0, 4);
		want("stays", PROBE_ICMP, "127.0.0.1", 0, 4);
		want("changes", PROBE_ICMP, i % 2 == 0 ? "127.0.0.4" : "127.0.0.3", 0, 4);
		ck_assert_ptr_null(adopt(NULL));
		if (i == 0) {
			ck_assert_uint_le(count("goes"), 2);
			gots = 0;
		}
		run("stays", i + 1);
	}
	run("new", 2);
	run("changes", 2);
	ck_assert_uint_eq(count("goes"), 0);
	for (unsigned i = 0; i < gots; i++) {
		if (strcmp(got[i].link, "stays") != 0)
			continue;
		if (before != 0)
			ck_assert_int_eq(got[i].s.start_ns - before, NS_PER_S);
		before = got[i].s.start_ns;
		ck_assert_uint_eq(got[i].s.rtt_count, 4);
	}
	end();
}
END_TEST

/* An hour forward, then two back: stamps move, nothing is lost, no RTT is the jump, no request is
 * sent sooner or more often for it. */
START_TEST(test_clock_jumps)
{
	static const int64_t jump[] = { 3600 * NS_PER_S, -3600 * NS_PER_S };
	struct prober_stat st;

	begin(loopback, 1000);
	want("v4", PROBE_ICMP, "127.0.0.1", 0, 4);
	want("v6", PROBE_ICMP, "::1", 0, 4);
	want("tcp", PROBE_TCP, "127.0.0.1", 1, 4);
	ck_assert_ptr_null(adopt(NULL));
	run("v4", 1);
	for (unsigned k = 0; k < 2; k++) {
		int64_t since = clock_mono(clock_real()).ns, wall = clock_wall(clock_real()).ns, took;
		unsigned flagged = 0, v4 = 0;

		gots = 0;
		wall_jump = jump[k];
		run("v4", 5);
		took = clock_mono(clock_real()).ns - since;
		for (unsigned i = 0; i < gots; i++) {
			const struct got *g = &got[i];

			ck_assert_uint_eq(g->s.rtt_count, g->s.sent);
			ck_assert_uint_eq(cause(g, CAUSE_TIMEOUT), 0);
			for (uint32_t r = 0; r < g->s.rtt_count; r++)	/* timeout: 200 ms */
				ck_assert_uint_le(g->rtt[r], 2000000);
			if (strcmp(g->link, "v4") != 0)
				continue;
			v4++;
			flagged += (g->s.flags & SAMPLE_CLOCK_JUMP) != 0;
		}
		ck_assert_uint_ge(flagged, 1);
		ck_assert_uint_le(flagged, 3);
		ck_assert_int_ge(took, (v4 - 2) * NS_PER_S);	/* no steps for an hour that never was */
		ck_assert_int_le(llabs(last("v4")->s.start_ns - wall - jump[k]), took + 2 * NS_PER_S);
	}
	prober_stat(prober, &st);
	ck_assert_uint_eq(st.clock_jumps, 2);
	end();
}
END_TEST

/* Stopped for some seconds: steps that are not observed, not one lost packet. */
START_TEST(test_stopped)
{
	pid_t self = getpid(), helper;
	unsigned unobserved = 0, whole = 0;
	int64_t before = 0;
	struct prober_stat st;

	begin(loopback, 1000);
	want("v4", PROBE_ICMP, "127.0.0.1", 0, 10);
	want("tcp", PROBE_TCP, "127.0.0.1", 1, 10);
	ck_assert_ptr_null(adopt(NULL));
	run("v4", 2);
	run("tcp", 2);
	helper = fork();
	if (helper == 0) {
		kill(self, SIGSTOP);
		sleep(5);			/* the length of the stop is what is tested */
		kill(self, SIGCONT);
		_exit(0);
	}
	run("v4", 12);
	run("tcp", 12);
	ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
	for (unsigned i = 0; i < gots; i++) {
		const struct got *g = &got[i];

		ck_assert_uint_eq(g->s.rtt_count, g->s.sent);
		ck_assert_uint_eq(cause(g, CAUSE_TIMEOUT), 0);
		unobserved += (g->s.flags & SAMPLE_NOT_OBSERVED) != 0;
		whole += g->s.sent == 10;
		if (strcmp(g->link, "v4") != 0)
			continue;
		if (before != 0)		/* no step is missing */
			ck_assert_int_eq(g->s.start_ns - before, NS_PER_S);
		before = g->s.start_ns;
	}
	ck_assert_uint_ge(unobserved, 2 * 3);
	ck_assert_uint_ge(whole, 2 * 4);
	prober_stat(prober, &st);
	ck_assert_int_gt(st.loop_lag_ns, 4 * NS_PER_S);
	end();
}
END_TEST

/* A loop that is held up again and again: what it has to make up for leaves in groups. */
START_TEST(test_no_bursts)
{
	static char host[16][16];
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
		"l", "m", "n", "o", "p" };
	uint64_t sent, most = 0;
	int64_t from;
	struct icmp_stat st;

	begin(loopback, 10000);
	for (unsigned i = 0; i < 16; i++) {	/* 8,000 in a second */
		snprintf(host[i], sizeof host[i], "127.0.0.%u", i + 1);
		want(names[i], PROBE_ICMP, host[i], 0, 500);
	}
	ck_assert_ptr_null(adopt(NULL));
	run("a", 1);
	icmp_stat(icmp, &st);
	sent = st.sent;
	from = clock_mono(clock_real()).ns;
	for (unsigned i = 0; i < 40; i++) {
		int64_t until = clock_mono(clock_real()).ns + 20 * NS_PER_MS;

		usleep(15 * 1000);		/* 120 fall due meanwhile */
		while (clock_mono(clock_real()).ns < until) {
			uint64_t before = st.sent;

			event_base_loop(base, EVLOOP_ONCE);
			icmp_stat(icmp, &st);
			if (st.sent - before > most)
				most = st.sent - before;
		}
	}
	ck_assert_uint_gt(most, 16);
	ck_assert_uint_le(most, 32);
	/* and it does make up for it, but for what is too late by now: much, on a busy machine */
	ck_assert_uint_gt(st.sent - sent, (uint64_t)(clock_mono(clock_real()).ns - from) / 1000000);
	end();
}
END_TEST

/* A new guard: what it does not allow any more ends with the next plan. */
START_TEST(test_new_guard)
{
	static const char *const less[] = { "::1", NULL };
	struct guard *other;
	size_t bad;

	begin(loopback, 1000);
	want("v4", PROBE_ICMP, "127.0.0.1", 0, 4);
	want("v6", PROBE_ICMP, "::1", 0, 4);
	ck_assert_ptr_null(adopt(NULL));
	run("v4", 1);
	ck_assert_int_eq(guard_new(&other, (char *const *)less, 1, 100, &bad), 0);
	prober_guard(prober, other);
	ck_assert_str_eq(adopt("v4"), "not in allow-list");
	gots = 0;
	run("v6", 2);
	ck_assert_uint_eq(count("v4"), 0);
	guard_free(guard);
	guard = other;
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_measures, test_refuses, test_large_plan, test_name_out_of_bounds,
		test_name_that_does_not_resolve, test_name_moves, test_plan_changes,
		test_clock_jumps, test_no_bursts, test_stopped, test_new_guard, NULL,
	};

	return run_suite("prober", tests);
}
