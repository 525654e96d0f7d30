/*
 * adhoc_run.c - set-up, name look-ups, the tick, and results.
 */
#include "agent/adhoc_run.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/adhoc_stats.h"
#include "agent/guard.h"
#include "agent/probe_icmp.h"
#include "agent/resolver.h"
#include "agent/sampler.h"
#include "agent/snmp_worker.h"
#include "common/agent_conf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"

#define ASKED_AT_ONCE 64		/* names */
#define TICK_REQUESTS 16		/* that leave together, as far as the limits below permit */
#define TICK_MIN_NS NS_PER_MS
#define TICK_MAX_NS (10 * NS_PER_MS)
#define LOOK_NS (100 * NS_PER_MS)	/* between looks at the socket while nothing is to be sent */
#define SENDS_MAX 4096			/* in one tick: replies are to be read, too */
#define SETTLE_NS (50 * NS_PER_MS)	/* before the first: see begin() */
#define GRACE_NS (50 * NS_PER_MS)	/* what a kind may take to tell of a timeout */
#define NOBODY "nobody"

struct asking {				/* a name that is being looked up */
	struct adhoc *a;
	struct resolver_query *query;	/* NULL: free */
	size_t target;
};

struct adhoc {
	const struct adhoc_opts *opts;
	struct adhoc_events events;
	struct probe_env env;
	struct event_base *base;
	struct event *tick, *signal[2];
	struct icmp *icmp;
	struct snmp_worker *snmp;
	struct resolver *resolver;
	struct target profile;		/* of all targets, unless they have one each: */
	struct target *own;		/* with TLS, whose names differ; else NULL */
	struct adhoc_target *target;
	uint32_t *fate;			/* n x count */
	size_t n;
	struct asking asking[ASKED_AT_ONCE];
	size_t next_name, asked;
	struct adhoc_pace pace;
	uint32_t flights;		/* of one target: at most so many in flight */
	int64_t *sent_ns;		/* of a lone target: when each left; else NULL */
	uint32_t judged;		/* and so many of them are over */
	uint64_t outstanding, drops;
	int64_t last_send_ns, tick_ns;
	bool interrupted;
};

const struct adhoc_target *
adhoc_target(const struct adhoc *a, size_t i)
{
	return &a->target[i];
}

uint32_t *
adhoc_fates(struct adhoc *a, size_t i)
{
	return &a->fate[i * a->opts->count];
}

const struct adhoc_pace *
adhoc_pace(const struct adhoc *a)
{
	return &a->pace;
}

uint64_t
adhoc_foreign(const struct adhoc *a)
{
	struct icmp_stat st = { 0 };

	if (a->icmp != NULL)
		icmp_stat(a->icmp, &st);
	return st.foreign;
}

static struct adhoc_more *
more_of(struct adhoc_target *t)
{
	if (t->more == NULL)
		t->more = xcalloc(1, sizeof *t->more);
	return t->more;
}

static struct adhoc *
adhoc_of(const struct probe *p)
{
	return (struct adhoc *)((char *)p->env - offsetof(struct adhoc, env));
}

/* ------------------------------------------------------------------ results */

/* The number of a round in its token: see sampler.h. */
static uint64_t
token_of(const struct adhoc *a, uint32_t round)
{
	return sampler_token(round / a->flights, round % a->flights);
}

static void
tell(struct adhoc *a, size_t target, uint32_t round, uint32_t fate, uint32_t causes)
{
	if (a->events.fate != NULL)
		a->events.fate(a->events.arg, target, round, fate, causes);
}

static void
settle(struct adhoc *a, size_t target, uint32_t round, uint32_t fate, uint32_t causes)
{
	adhoc_fates(a, target)[round] = fate;
	a->outstanding--;
	tell(a, target, round, fate, causes);
}

static void
count_beside(struct adhoc_target *t, uint32_t causes)
{
	for (unsigned c = 1; c <= CAUSE_MAX; c++)
		if ((causes & CAUSE_BIT(c)) != 0)
			more_of(t)->beside[c]++;
}

static uint32_t
first_cause(uint32_t causes)
{
	for (unsigned c = 1; c <= CAUSE_MAX; c++)
		if ((causes & CAUSE_BIT(c)) != 0)
			return c;
	return CAUSE_LOCAL;
}

static void
keep_values(struct adhoc_target *t, const struct probe_result *r)
{
	if (r->values == 0)
		return;
	more_of(t)->values = r->values < SAMPLE_VALUES ? r->values : SAMPLE_VALUES;
	memcpy(t->more->value, r->value, t->more->values * sizeof r->value[0]);
}

static void
on_reply(struct adhoc *a, struct adhoc_target *t, size_t i, uint32_t round,
    const struct probe_result *r)
{
	if (r->rtt_ns > a->profile.timeout_ns) {
		count_beside(t, CAUSE_BIT(CAUSE_LATE_REPLY));
		settle(a, i, round, CAUSE_TIMEOUT, CAUSE_BIT(CAUSE_LATE_REPLY));
		return;
	}
	if (r->causes == 0 && t->probe.target->tls) {
		adhoc_fates(a, i)[round] = fate_of_rtt(r->rtt_ns);
		return;				/* it is over when on_more() is called */
	}
	count_beside(t, r->causes);
	keep_values(t, r);
	settle(a, i, round, fate_of_rtt(r->rtt_ns), r->causes);
}

/* What came behind a connect, its TLS, ends the request too. */
static void
on_more(struct adhoc *a, struct adhoc_target *t, size_t i, uint32_t round,
    const struct probe_result *r)
{
	uint32_t fate = adhoc_fates(a, i)[round];

	if (fate < FATE_RTT)
		return;
	count_beside(t, r->causes);
	keep_values(t, r);
	settle(a, i, round, fate, r->causes);
}

static void
tell_unsent(const struct adhoc *a, size_t target, int err)
{
	log_limited(LOG_WARNING, "send", 3, "%s: cannot send: %s",
	    adhoc_list_host(&a->opts->list, target), strerror(err));
}

static void
on_done(struct probe *p, const struct probe_result *r)
{
	struct adhoc *a = adhoc_of(p);
	struct adhoc_target *t = p->owner;
	size_t i = (size_t)(t - a->target);
	uint64_t round = (r->token >> 10) * a->flights + (r->token & 1023);
	uint32_t fate;

	if (r->outcome == PROBE_EXTRA) {
		count_beside(t, r->causes);
		tell(a, i, UINT32_MAX, FATE_NONE, r->causes);
		return;
	}
	if (round >= a->opts->count)
		return;
	if (r->outcome == PROBE_MORE) {
		on_more(a, t, i, (uint32_t)round, r);
		return;
	}
	fate = adhoc_fates(a, i)[round];
	if (fate != FATE_PENDING && fate != FATE_EXCUSED) {
		if (r->outcome == PROBE_REPLY)
			count_beside(t, CAUSE_BIT(fate >= FATE_RTT ? CAUSE_DUPLICATE :
			    CAUSE_LATE_REPLY));
		return;
	}
	if (r->outcome == PROBE_REPLY) {
		on_reply(a, t, i, (uint32_t)round, r);
		return;
	}
	if (r->outcome == PROBE_NOT_SENT && r->error != 0)
		tell_unsent(a, i, r->error);
	settle(a, i, (uint32_t)round, first_cause(r->causes), 0);
}

/* ------------------------------------------------------------------- the tick */

static void
send_one(struct adhoc *a, uint32_t target, uint32_t round, int64_t now_ns)
{
	struct adhoc_target *t = &a->target[target];
	uint32_t *fate = &adhoc_fates(a, target)[round];
	int rc;

	if (t->probe.to_len == 0) {
		*fate = CAUSE_RESOLVE;
		return;
	}
	*fate = FATE_PENDING;
	a->outstanding++;
	a->last_send_ns = now_ns;
	if (a->sent_ns != NULL)
		a->sent_ns[round] = now_ns;
	rc = t->probe.ops->send(&t->probe, token_of(a, round));
	if (rc == 0)
		return;
	tell_unsent(a, target, -rc);
	settle(a, target, round, CAUSE_NOT_SENT, 0);
}

/* What is in flight while our own socket overflows may have been answered. */
static void
watch_drops(struct adhoc *a)
{
	uint64_t drops;
	uint32_t first = a->pace.round > a->flights ? a->pace.round - a->flights : 0;

	if (a->icmp == NULL)
		return;
	icmp_drain(a->icmp);
	drops = icmp_drops(a->icmp);
	if (drops == a->drops)
		return;
	log_limited(LOG_WARNING, "drops", 1, "our own socket dropped %" PRIu64 " replies; what "
	    "stays unanswered of this time is told as local, not as lost", drops - a->drops);
	a->drops = drops;
	for (size_t i = 0; i < a->n; i++)
		for (uint32_t r = first; r <= a->pace.round && r < a->opts->count; r++)
			if (adhoc_fates(a, i)[r] == FATE_PENDING)
				adhoc_fates(a, i)[r] = FATE_EXCUSED;
}

/* Of a lone target, which a person looks at: each request as soon as it is lost. */
static void
judge_lone(struct adhoc *a, int64_t now_ns)
{
	while (a->sent_ns != NULL && a->judged < a->opts->count) {
		uint32_t fate = a->fate[a->judged];

		if (fate == FATE_NONE || ((fate == FATE_PENDING || fate == FATE_EXCUSED) &&
		    now_ns - a->sent_ns[a->judged] < a->profile.timeout_ns + GRACE_NS))
			return;
		if (fate == FATE_PENDING || fate == FATE_EXCUSED)
			settle(a, 0, a->judged, fate == FATE_PENDING ? CAUSE_TIMEOUT : CAUSE_LOCAL,
			    0);
		a->judged++;
	}
}

static bool
is_over(const struct adhoc *a, int64_t now_ns)
{
	return adhoc_pace_due(&a->pace).ns == INT64_MAX && (a->outstanding == 0 ||
	    now_ns >= a->last_send_ns + a->profile.timeout_ns + GRACE_NS);
}

static void
arm(struct adhoc *a, int64_t now_ns)
{
	int64_t due = adhoc_pace_due(&a->pace).ns;
	/* a person waits for a lone target's reply, and everybody for the last ones */
	int64_t look = a->n == 1 || due == INT64_MAX ? TICK_MAX_NS : LOOK_NS;
	int64_t wait = a->outstanding > 0 && due - now_ns > look ? look : due - now_ns;
	int64_t least = a->n == 1 ? TICK_MIN_NS / 2 : a->tick_ns;
	struct timeval tv;

	if (wait < least)
		wait = least;
	tv = (struct timeval){ .tv_sec = wait / NS_PER_S, .tv_usec = wait % NS_PER_S / NS_PER_US };
	evtimer_add(a->tick, &tv);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct adhoc *a = arg;
	struct mono now = clock_mono(a->env.clock);
	uint32_t target, round;

	(void)fd;
	(void)what;
	watch_drops(a);
	/* half a tick early or late, so that they are on time on average */
	for (unsigned i = 0; i < SENDS_MAX && adhoc_pace_next(&a->pace,
	    (struct mono){ now.ns + a->tick_ns / 2 }, &target, &round); i++)
		send_one(a, target, round, now.ns);
	probe_flush(&a->env);
	judge_lone(a, now.ns);
	if (is_over(a, now.ns))
		event_base_loopbreak(a->base);
	else
		arm(a, now.ns);
}

/* -------------------------------------------------------------------- names */

/* As long as its requests are to different targets, and a target keeps its rhythm to an eighth. */
static int64_t
tick_of(int64_t interval_ns, size_t n)
{
	int64_t tick = interval_ns / (int64_t)n * TICK_REQUESTS;

	if (tick > interval_ns / 4)
		tick = interval_ns / 4;
	return tick < TICK_MIN_NS ? TICK_MIN_NS : tick > TICK_MAX_NS ? TICK_MAX_NS : tick;
}

/*
 * Where nobody else has packets stamped, the kernel begins with it some time after it was asked
 * to, and until then stamps a reply when it is read: a tick too late.
 */
static void
begin(struct adhoc *a)
{
	static const struct timeval soon = { .tv_usec = SETTLE_NS / NS_PER_US };
	const struct adhoc_opts *o = a->opts;
	size_t addresses = 0;
	int64_t interval = adhoc_pace_interval((uint32_t)a->n, o->interval_ms * NS_PER_MS, o->rate);

	if (interval > o->interval_ms * NS_PER_MS && !o->quiet)
		fprintf(stderr, "%zu targets at --rate %" PRIu32 ": one round takes %.3f s, not "
		    "--interval's %.3f s\n", a->n, o->rate, (double)interval / NS_PER_S,
		    o->interval_ms / 1e3);
	a->tick_ns = tick_of(interval, a->n);
	adhoc_pace_init(&a->pace, (uint32_t)a->n, o->count, o->interval_ms * NS_PER_MS, o->rate,
	    (struct mono){ clock_mono(a->env.clock).ns + SETTLE_NS });
	for (size_t i = 0; i < a->n; i++)
		addresses += a->target[i].probe.to_len > 0;
	if (addresses == 0)
		a->pace.round = a->pace.count;	/* nobody to send to */
	evtimer_add(a->tick, &soon);
}

static void ask_more(struct adhoc *a);

static void
on_address(void *arg, const struct resolver_answer *answer)
{
	struct asking *q = arg;
	struct adhoc *a = q->a;
	struct adhoc_target *t = &a->target[q->target];

	q->query = NULL;
	a->asked--;
	for (size_t i = 0; i < answer->n && t->probe.to_len == 0; i++)
		if (guard_one_host((const struct sockaddr *)&answer->address[i].addr)) {
			memcpy(&t->probe.to, &answer->address[i].addr, answer->address[i].len);
			t->probe.to_len = answer->address[i].len;
		}
	if (t->probe.to_len == 0)
		more_of(t)->error = xstrdup(answer->n > 0 ? "no address of one host" :
		    answer->error);
	ask_more(a);
}

/* Keeps some names under way; after the last one it begins. */
static void
ask_more(struct adhoc *a)
{
	const struct adhoc_list *l = &a->opts->list;

	for (; a->next_name < a->n && a->asked < ASKED_AT_ONCE; a->next_name++) {
		struct asking *q = a->asking;

		if (a->target[a->next_name].probe.to_len > 0)
			continue;
		while (q->query != NULL)
			q++;
		q->a = a;
		q->target = a->next_name;
		q->query = resolver_ask(a->resolver, adhoc_list_host(l, a->next_name),
		    a->profile.family, l->entry[a->next_name].port, on_address, q);
		if (q->query == NULL)
			more_of(&a->target[a->next_name])->error = xstrdup("cannot be looked up");
		else
			a->asked++;
	}
	if (a->next_name == a->n && a->asked == 0)
		begin(a);
}

/* ----------------------------------------------------------------- the start */

/* The credentials that the options name; conf is to be freed afterwards. */
static int
open_snmp(struct adhoc *a, struct agent_conf *conf)
{
	struct snmp_credential file = { .name = "community", .version = SNMP_V2C,
		.community_file = (char *)a->opts->community_file }, *v = &file;
	struct conf_errors errs = { 0 };
	size_t n = 1;
	int rc;

	if (a->opts->config != NULL) {
		rc = agent_conf_load(a->opts->config, conf, &errs);
		conf_errors_print(&errs, stderr);
		conf_errors_free(&errs);
		if (rc != 0)
			return rc;
		v = conf->snmp_credentials.v;
		n = conf->snmp_credentials.n;
	}
	rc = snmp_worker_new(&a->snmp, a->env.clock, a->env.rng, v, n);
	if (rc != 0)
		log_error("snmp: %s", strerror(-rc));
	return rc;
}

static int
open_icmp(struct adhoc *a)
{
	char why[512];
	int rc = icmp_new(&a->icmp, a->env.clock, a->env.rng, why, sizeof why);

	if (rc != 0)
		log_error("icmp: %s", why);
	else if (why[0] != '\0' && !a->opts->quiet)
		log_warning("icmp: %s", why);
	return rc;
}

/* Each connection needs a descriptor. */
static void
raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* All that needs root, and then no more root. */
static int
start_as_root(struct adhoc *a)
{
	struct agent_conf conf = { 0 };
	bool root = geteuid() == 0 && getpwnam(NOBODY) != NULL;
	char why[320];
	int rc = 0;

	if (a->opts->kind == PROBE_ICMP)
		rc = open_icmp(a);
	else if (a->opts->kind == PROBE_SNMP)
		rc = open_snmp(a, &conf);
	else
		raise_files();
	if (rc == 0) {
		rc = sandbox_drop(root ? NOBODY : NULL, NULL, why, sizeof why);
		if (rc != 0)
			log_error("cannot give up power: %s", why);
	}
	agent_conf_free(&conf);
	return rc;
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct adhoc *a = arg;

	(void)sig;
	(void)what;
	a->interrupted = true;
	event_base_loopbreak(a->base);
}

static int
make_loop(struct adhoc *a)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct event_config *config = event_config_new();
	int rc = 0;

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		a->base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (a->base == NULL || (a->tick = evtimer_new(a->base, on_tick, a)) == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++) {
		a->signal[i] = evsignal_new(a->base, signals[i], on_signal, a);
		if (a->signal[i] == NULL || evsignal_add(a->signal[i], NULL) != 0)
			return -ENOMEM;
	}
	a->env.base = a->base;
	a->env.icmp = a->icmp;
	a->env.snmp = a->snmp;
	a->env.done = on_done;
	if (a->snmp != NULL)
		rc = snmp_worker_attach(a->snmp, a->base);
	return rc;
}

/* What this one is probed by: all alike, but a TLS handshake says a name. */
static const struct target *
profile_of(struct adhoc *a, size_t i)
{
	if (!a->profile.tls)
		return &a->profile;
	if (a->own == NULL)
		a->own = xcalloc(a->n, sizeof *a->own);
	a->own[i] = a->profile;		/* borrows what it points to */
	a->own[i].host = (char *)adhoc_list_host(&a->opts->list, i);
	a->own[i].port = a->opts->list.entry[i].port;
	return &a->own[i];
}

static int
open_targets(struct adhoc *a)
{
	const struct adhoc_list *l = &a->opts->list;
	bool names = false;
	char why[160];

	for (size_t i = 0; i < a->n; i++) {
		struct adhoc_target *t = &a->target[i];
		int rc = probe_open(&t->probe, &a->env, profile_of(a, i), t, why, sizeof why);
		struct sockaddr_storage to;

		if (rc != 0) {
			log_error("%s: %s", adhoc_list_host(l, i), why);
			return rc;
		}
		t->probe.to_len = target_literal(adhoc_list_host(l, i), l->entry[i].port, &to);
		memcpy(&t->probe.to, &to, t->probe.to_len);
		names |= t->probe.to_len == 0;
	}
	return names ? resolver_new(&a->resolver, a->base) : 0;
}

int
adhoc_new(struct adhoc **out, const struct adhoc_opts *opts, const struct adhoc_events *events)
{
	struct adhoc *a = xcalloc(1, sizeof *a);
	int64_t interval = adhoc_pace_interval((uint32_t)opts->list.n, opts->interval_ms * NS_PER_MS,
	    opts->rate);
	char why[160];
	int rc;

	a->opts = opts;
	a->events = *events;
	a->n = opts->list.n;
	a->env.clock = clock_real();
	a->env.rng = rng_real();
	a->flights = (uint32_t)(opts->timeout_ms * NS_PER_MS / interval + 1);
	rc = start_as_root(a);
	if (rc == 0)
		rc = make_loop(a);
	if (rc == 0) {
		rc = adhoc_opts_target(opts, a->flights, &a->profile, why, sizeof why);
		if (rc != 0)
			log_error("%s", why);
	}
	if (rc == 0) {
		a->target = xcalloc(a->n, sizeof *a->target);
		a->fate = xcalloc(a->n * opts->count, sizeof *a->fate);
		if (a->n == 1)
			a->sent_ns = xcalloc(opts->count, sizeof *a->sent_ns);
		rc = open_targets(a);
	}
	if (rc != 0) {
		adhoc_free(a);
		return rc;
	}
	*out = a;
	return 0;
}

/* What nobody answered in time is lost; after an interrupt some of it still had time. */
static void
close_books(struct adhoc *a)
{
	int64_t over = clock_mono(a->env.clock).ns - a->profile.timeout_ns;
	struct adhoc_pace p = a->pace;

	if (a->pace.n == 0)
		return;			/* interrupted before it began */
	watch_drops(a);
	for (p.target = 0; p.target < a->n; p.target++)
		for (p.round = 0; p.round < a->opts->count; p.round++) {
			uint32_t *fate = &adhoc_fates(a, p.target)[p.round];

			if (a->interrupted && adhoc_pace_due(&p).ns > over)
				break;
			if (*fate == FATE_PENDING)
				*fate = CAUSE_TIMEOUT;
			else if (*fate == FATE_EXCUSED)
				*fate = CAUSE_LOCAL;
		}
}

int
adhoc_run(struct adhoc *a)
{
	ask_more(a);
	if (event_base_dispatch(a->base) < 0)
		return -EIO;
	close_books(a);
	return 0;
}

static void
free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

void
adhoc_free(struct adhoc *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < ASKED_AT_ONCE; i++)
		if (a->asking[i].query != NULL)
			resolver_cancel(a->resolver, a->asking[i].query);
	for (size_t i = 0; a->target != NULL && i < a->n; i++) {
		probe_close(&a->target[i].probe);
		if (a->target[i].more != NULL)
			free(a->target[i].more->error);
		free(a->target[i].more);
	}
	free_event(a->tick);
	free_event(a->signal[0]);
	free_event(a->signal[1]);
	resolver_free(a->resolver);
	snmp_worker_free(a->snmp);
	icmp_free(a->icmp);
	if (a->base != NULL)
		event_base_free(a->base);
	target_fini(&a->profile);
	free(a->own);
	free(a->target);
	free(a->fate);
	free(a->sent_ns);
	free(a);
}
