/*
 * prober.c - the loop's side of probing.
 */
#include "agent/prober.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/address.h"
#include "agent/guard.h"
#include "agent/probe_icmp.h"
#include "agent/sampler.h"
#include "agent/schedule.h"
#include "agent/target.h"
#include "common/hashmap.h"
#include "common/log.h"
#include "common/mem.h"

#define CLOCK_JUMP_NS (100 * NS_PER_MS)
#define SLEPT_NS (500 * NS_PER_MS)	/* so late a loop may have missed replies */
#define ACTIONS_MAX 4096		/* in one pass: the loop has other work too */
#define ACTIONS_CLOCK 16		/* the clock is read again after so many */
#define TICK_MAX_NS (10 * NS_PER_MS)
#define TICK_MIN_NS (250 * NS_PER_US)
#define TOGETHER_MIN (2 * SCHEDULE_TOGETHER)	/* requests in one tick */

struct link {
	struct prober *prober;
	struct target target;
	struct probe probe;
	struct sampler sampler;
	struct schedule_entry entry;
	struct address address;
	bool told_send;
	int64_t last_send_ns;		/* mono */
	uint32_t flags_next;		/* for the step that begins next */
	bool keep;			/* in the plan that is being adopted */
};

struct prober {
	struct probe_env env;
	struct addresses *addresses;
	struct guard *guard;
	void (*sample)(void *arg, const struct sample *);
	void *arg;
	struct schedule *schedule;
	struct event *tick;
	uint64_t plan_mpps;		/* packets in 1000 s that the plan asks for */
	int64_t offset_ns;		/* of our grid: agents do not fire together */
	int64_t tick_ns;		/* at least, between two wake-ups to send */
	unsigned together;		/* requests that may leave in one of them */
	int64_t armed_ns;		/* mono: when the next is to be; 0: none */
	struct link **link;
	size_t links;
	uint32_t refused;
	uint64_t revision;
	int64_t wall_ns;		/* wall - mono when last looked */
	uint64_t drops;
	uint64_t starved_steps, capped, guard_refused, produced;
	uint64_t late_sends, clock_jumps;
	int64_t loop_lag_ns;
};

static int64_t
wall_offset(const struct prober *pr)
{
	return clock_wall(pr->env.clock).ns - clock_mono(pr->env.clock).ns;
}

/* Requests that fall due within a tick leave together: wake-ups are what a probe costs most.
 * behind: there were too many for one. */
static void
arm(struct prober *pr, int64_t now, bool behind)
{
	int64_t due = schedule_due(pr->schedule).ns, least = pr->tick_ns, wait;
	struct timeval tv;

	pr->armed_ns = 0;
	if (due == INT64_MAX) {
		evtimer_del(pr->tick);
		return;
	}
	if (behind)
		least = pr->tick_ns / 4 < TICK_MIN_NS ? TICK_MIN_NS : pr->tick_ns / 4;
	if (due < now + least)
		due = now + least;
	pr->armed_ns = due;
	wait = due - clock_mono(pr->env.clock).ns;
	if (wait < 0)
		wait = 0;
	tv = (struct timeval){ .tv_sec = wait / NS_PER_S, .tv_usec = wait % NS_PER_S / NS_PER_US };
	event_base_update_cache_time(pr->env.base);	/* or it counts from before the callback */
	evtimer_add(pr->tick, &tv);
}

/* The tick that suits the links: no two requests of one link in one, and few in all; after a late
 * one not more than twice as many. */
static void
choose_tick(struct prober *pr)
{
	int64_t tick = TICK_MAX_NS;
	uint64_t mpps = 0, usual;

	for (size_t i = 0; i < pr->links; i++) {
		const struct target *t = &pr->link[i]->target;

		mpps += target_mpps(t);
		if (t->step_ns / t->count / 2 < tick)
			tick = t->step_ns / t->count / 2;
	}
	if (mpps > 0 && (int64_t)(SCHEDULE_TOGETHER * 1000 * NS_PER_S / mpps) < tick)
		tick = (int64_t)(SCHEDULE_TOGETHER * 1000 * NS_PER_S / mpps);
	pr->tick_ns = tick < TICK_MIN_NS ? TICK_MIN_NS : tick;
	usual = mpps * (uint64_t)pr->tick_ns / (1000 * NS_PER_S);
	pr->together = 2 * usual > TOGETHER_MIN ? (unsigned)(2 * usual) : TOGETHER_MIN;
}

/* addresses: where the packets of a link go from now on */
static void
on_address(void *user, const struct sockaddr *to, socklen_t len)
{
	struct link *l = user;

	memcpy(&l->probe.to, to, len);
	l->probe.to_len = len;
}

/* ------------------------------------------------------------------ actions */

static void
begin_step(struct link *l, const struct schedule_action *a)
{
	sampler_begin(&l->sampler, a->step, a->start_wall_ns);
	sampler_flag(&l->sampler, a->step, l->flags_next);
	l->flags_next = 0;
}

static void
tell_send_error(struct link *l, int err)
{
	if (!l->told_send)
		log_warning("link=%s: cannot send: %s", l->target.id, strerror(err));
	l->told_send = true;
}

static bool
take(struct prober *pr, struct mono now)
{
	if (guard_take(pr->guard, now))
		return true;
	pr->capped++;
	log_limited(LOG_WARNING, "cap", 1, "guard: packet cap reached, requests left out");
	return false;
}

bool
prober_take(struct prober *pr)
{
	return take(pr, clock_mono(pr->env.clock));
}

/* CAUSE_NONE: it may leave now. */
static enum cause
held_back(struct link *l, struct mono now)
{
	struct prober *pr = l->prober;

	if (l->probe.to_len == 0) {
		enum cause cause = (enum cause)address_cause(&l->address);

		pr->guard_refused += cause == CAUSE_NOT_SENT;
		return cause;
	}
	return take(pr, now) ? CAUSE_NONE : CAUSE_NOT_SENT;
}

static void
send_request(struct link *l, const struct schedule_action *a, struct mono now)
{
	struct prober *pr = l->prober;
	uint64_t token = sampler_token(a->step, a->packet);
	enum cause held = held_back(l, now);
	int rc;

	if (a->late_ns > schedule_tolerance(a->entry)) {
		pr->late_sends++;
		sampler_flag(&l->sampler, a->step, SAMPLE_LATE);
	}
	if (l->last_send_ns != 0 && now.ns - l->last_send_ns < a->entry->slot_ns / 2)
		sampler_flag(&l->sampler, a->step, SAMPLE_BURST);
	l->last_send_ns = now.ns;
	if (held != CAUSE_NONE) {
		sampler_not_sent(&l->sampler, token, held);
		return;
	}
	sampler_sent(&l->sampler, token);
	rc = l->probe.ops->send(&l->probe, token);
	if (rc == 0)
		return;
	sampler_not_sent(&l->sampler, token, CAUSE_NOT_SENT);
	tell_send_error(l, -rc);
}

static void
emit(struct link *l, const struct sample *s)
{
	struct prober *pr = l->prober;

	if (s->sent > 0 && l->told_send) {
		log_notice("link=%s: requests leave again", l->target.id);
		l->told_send = false;
	}
	pr->produced++;
	pr->sample(pr->arg, s);
}

static void
act(struct prober *pr, const struct schedule_action *a, struct mono now)
{
	struct link *l = a->entry->user;
	struct sample s;

	switch (a->what) {
	case SCHEDULE_SEND:
		if (a->packet == 0)
			begin_step(l, a);
		send_request(l, a, now);
		break;
	case SCHEDULE_SKIP:
		if (a->packet == 0)
			begin_step(l, a);
		pr->late_sends++;
		sampler_flag(&l->sampler, a->step, SAMPLE_LATE);
		sampler_not_sent(&l->sampler, sampler_token(a->step, a->packet), CAUSE_NOT_SENT);
		break;
	case SCHEDULE_MISSED:
		sampler_missed(&l->sampler, a->start_wall_ns, &s);
		pr->starved_steps++;
		emit(l, &s);
		break;
	case SCHEDULE_CLOSE:
		if (!sampler_close(&l->sampler, a->step, a->late_ns > SLEPT_NS, &s))
			break;
		pr->starved_steps += (s.flags & SAMPLE_NOT_OBSERVED) != 0 &&
		    (s.flags & (SAMPLE_LATE | SAMPLE_SOCKET_DROPS)) != 0;
		emit(l, &s);
		break;
	}
}

static void
flag_all(struct prober *pr, uint32_t kind, uint32_t flags, bool next_too)
{
	for (size_t i = 0; i < pr->links; i++) {
		if (kind != 0 && pr->link[i]->target.kind != kind)
			continue;
		sampler_flag_open(&pr->link[i]->sampler, flags);
		if (next_too)
			pr->link[i]->flags_next |= flags;
	}
}

static void
watch_clock(struct prober *pr)
{
	int64_t offset = wall_offset(pr), moved = offset - pr->wall_ns;

	pr->wall_ns = offset;
	if (moved > -CLOCK_JUMP_NS && moved < CLOCK_JUMP_NS)
		return;
	pr->clock_jumps++;
	log_warning("clock: the wall clock jumped by %.3f s", (double)moved / NS_PER_S);
	flag_all(pr, 0, SAMPLE_CLOCK_JUMP, true);
}

/* Before a step is judged: what we lost ourselves is not lost by the link. */
static void
watch_drops(struct prober *pr)
{
	uint64_t drops;

	if (pr->env.icmp == NULL)
		return;
	drops = icmp_drops(pr->env.icmp);
	if (drops == pr->drops)
		return;
	log_limited(LOG_WARNING, "icmp-drops", 1, "icmp: our socket dropped %" PRIu64 " datagrams",
	    drops - pr->drops);
	pr->drops = drops;
	flag_all(pr, PROBE_ICMP, SAMPLE_SOCKET_DROPS, false);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct prober *pr = arg;
	struct mono begin = clock_mono(pr->env.clock), now = begin;
	struct schedule_action a;
	unsigned sends = 0;

	(void)fd;
	(void)what;
	if (pr->armed_ns != 0 && now.ns - pr->armed_ns > pr->loop_lag_ns)
		pr->loop_lag_ns = now.ns - pr->armed_ns;
	watch_clock(pr);
	if (pr->env.icmp != NULL)
		icmp_drain(pr->env.icmp);
	if (schedule_closes(pr->schedule, now))
		watch_drops(pr);
	for (unsigned i = 1; i < ACTIONS_MAX && sends < pr->together; i++) {
		if (!schedule_next(pr->schedule, now, pr->tick_ns / 2, pr->wall_ns, &a))
			break;
		act(pr, &a, now);
		sends += a.what == SCHEDULE_SEND;
		if (i % ACTIONS_CLOCK == 0)
			now = clock_mono(pr->env.clock);
	}
	probe_flush(&pr->env);
	arm(pr, begin.ns, sends == pr->together);
}

static void
on_done(struct probe *p, const struct probe_result *r)
{
	struct link *l = p->owner;

	if (r->outcome == PROBE_NOT_SENT && r->error != 0)
		tell_send_error(l, r->error);
	sampler_result(&l->sampler, r);
}

/* ----------------------------------------------------------------- the plan */

static void
link_free(struct link *l)
{
	address_fini(&l->address);
	probe_close(&l->probe);
	sampler_fini(&l->sampler);
	target_fini(&l->target);
	free(l);
}

static void
link_remove(struct link *l)
{
	schedule_remove(l->prober->schedule, &l->entry);
	link_free(l);
}

/* Takes over *t.  NULL with a line in why. */
static struct link *
link_add(struct prober *pr, struct target *t, char *why, size_t n)
{
	struct link *l = xcalloc(1, sizeof *l);
	struct sockaddr_storage known;
	double phase;

	l->prober = pr;
	l->target = *t;
	if (probe_open(&l->probe, &pr->env, &l->target, l, why, n) != 0) {
		target_fini(&l->target);
		free(l);
		return NULL;
	}
	sampler_init(&l->sampler, l->target.id, l->target.count, l->target.step_ns,
	    l->target.timeout_ns);
	l->probe.to_len = address_init(&l->address, pr->addresses, l->target.host,
	    l->target.family, l->target.port, l, &known);
	memcpy(&l->probe.to, &known, l->probe.to_len);
	phase = schedule_phase(l->target.step_ns / l->target.count, pr->plan_mpps, pr->offset_ns,
	    rng_double(pr->env.rng));
	schedule_add(pr->schedule, &l->entry, l, l->target.step_ns, l->target.count,
	    l->target.timeout_ns, phase, clock_mono(pr->env.clock), pr->wall_ns);
	pr->link = xreallocarray(pr->link, pr->links + 1, sizeof *pr->link);
	pr->link[pr->links++] = l;
	return l;
}

/* One link of the plan; false with a line in why: refused. */
static bool
adopt(struct prober *pr, struct hashmap *by_id, const Linkwatch__Pb__Link *def, char *why, size_t n)
{
	struct target t;
	struct link *l;

	if (target_init(&t, def, why, n) != 0) {
		target_fini(&t);
		return false;
	}
	l = hashmap_get(by_id, t.id);
	if (l != NULL && l->keep) {
		snprintf(why, n, "id occurs twice in the plan");
		target_fini(&t);
		return false;
	}
	if (guard_admit(pr->guard, &t, why, n) != 0) {
		target_fini(&t);
		return false;
	}
	if (l != NULL && target_equal(&l->target, &t)) {
		target_fini(&t);
		l->keep = true;
		return true;
	}
	if (l != NULL)
		l->target.id[0] = '\0';	/* its name is taken by the new one; it goes below */
	l = link_add(pr, &t, why, n);
	if (l == NULL)
		return false;
	l->keep = true;
	(void)hashmap_put(by_id, l->target.id, l);
	return true;
}

static void
refuse(struct prober *pr, Linkwatch__Pb__PlanResult *r, const char *link, const char *reason)
{
	char id[4 * ID_MAX + 1];

	if (pr->refused++ >= PROBER_REFUSALS_MAX)
		return;			/* the count goes on */
	log_escape(id, sizeof id, link, strnlen(link, ID_MAX));
	log_warning("link=%s: refused: %s%s", id, reason,
	    pr->refused == PROBER_REFUSALS_MAX ? "; further ones are only counted" : "");
	r->link = xreallocarray(r->link, r->n_link + 1, sizeof *r->link);
	r->reason = xreallocarray(r->reason, r->n_reason + 1, sizeof *r->reason);
	r->link[r->n_link++] = xstrdup(id);
	r->reason[r->n_reason++] = xstrdup(reason);
}

/* Requests in 1,000 seconds, before any is refused. */
static uint64_t
rate_of(const Linkwatch__Pb__Plan *plan)
{
	uint64_t mpps = 0;

	for (size_t i = 0; i < plan->n_link; i++)
		if (plan->link[i]->step_ms > 0)
			mpps += plan->link[i]->count * UINT64_C(1000000) / plan->link[i]->step_ms;
	return mpps;
}

static void
remove_others(struct prober *pr)
{
	size_t kept = 0;

	for (size_t i = 0; i < pr->links; i++) {
		if (pr->link[i]->keep)
			pr->link[kept++] = pr->link[i];
		else
			link_remove(pr->link[i]);
	}
	pr->links = kept;
}

void
prober_plan(struct prober *pr, const Linkwatch__Pb__Plan *plan, Linkwatch__Pb__PlanResult **result)
{
	Linkwatch__Pb__PlanResult *r = xcalloc(1, sizeof *r);
	struct hashmap *by_id = hashmap_new();
	char why[160];

	linkwatch__pb__plan_result__init(r);
	r->revision = pr->revision = plan->revision;
	guard_begin(pr->guard);
	pr->plan_mpps = rate_of(plan);
	pr->refused = 0;
	for (size_t i = 0; i < pr->links; i++) {
		pr->link[i]->keep = false;
		(void)hashmap_put(by_id, pr->link[i]->target.id, pr->link[i]);
	}
	for (size_t i = 0; i < plan->n_link; i++)
		if (!adopt(pr, by_id, plan->link[i], why, sizeof why))
			refuse(pr, r, plan->link[i]->id, why);
	hashmap_free(by_id);
	remove_others(pr);
	log_notice("plan %016" PRIx64 ": %zu links, %u refused", plan->revision, pr->links,
	    pr->refused);
	choose_tick(pr);
	arm(pr, clock_mono(pr->env.clock).ns - pr->tick_ns, false);
	*result = r;
}

void
prober_guard(struct prober *pr, struct guard *guard)
{
	pr->guard = guard;
	addresses_guard(pr->addresses, guard);
}

void
prober_restart_kind(struct prober *pr, uint32_t kind)
{
	char why[160];

	for (size_t i = 0; i < pr->links; i++) {
		struct link *l = pr->link[i];
		union probe_address to = l->probe.to;
		socklen_t len = l->probe.to_len;

		if (l->target.kind != kind)
			continue;
		probe_close(&l->probe);
		if (probe_open(&l->probe, &pr->env, &l->target, l, why, sizeof why) != 0) {
			log_warning("link=%s: %s", l->target.id, why);
			link_remove(l);
			pr->link[i--] = pr->link[--pr->links];
			continue;
		}
		l->probe.to = to;
		l->probe.to_len = len;
	}
}

/* ------------------------------------------------------------------- others */

int
prober_new(struct prober **out, const struct prober_opts *opts)
{
	struct addresses_opts addresses = { .base = opts->env.base, .clock = opts->env.clock,
		.rng = opts->env.rng, .resolver = opts->resolver, .guard = opts->guard,
		.changed = on_address };
	struct prober *pr = xcalloc(1, sizeof *pr);

	pr->env = opts->env;
	pr->env.done = on_done;
	pr->guard = opts->guard;
	pr->sample = opts->sample;
	pr->arg = opts->arg;
	pr->schedule = schedule_new();
	pr->tick_ns = TICK_MAX_NS;
	pr->together = TOGETHER_MIN;
	pr->offset_ns = (int64_t)rng_below(pr->env.rng, NS_PER_S);
	pr->wall_ns = wall_offset(pr);
	pr->tick = evtimer_new(pr->env.base, on_tick, pr);
	if (pr->tick == NULL || addresses_new(&pr->addresses, &addresses) != 0) {
		prober_free(pr);
		return -ENOMEM;
	}
	*out = pr;
	return 0;
}

void
prober_free(struct prober *pr)
{
	if (pr == NULL)
		return;
	for (size_t i = 0; i < pr->links; i++)
		link_free(pr->link[i]);
	free(pr->link);
	schedule_free(pr->schedule);
	if (pr->tick != NULL)
		event_free(pr->tick);
	addresses_free(pr->addresses);
	free(pr);
}

void
prober_stat(struct prober *pr, struct prober_stat *out)
{
	struct addresses_stat names;

	addresses_stat(pr->addresses, &names);
	*out = (struct prober_stat){
		.links = (uint32_t)pr->links, .refused = pr->refused, .revision = pr->revision,
		.late_sends = pr->late_sends, .loop_lag_ns = pr->loop_lag_ns,
		.starved_steps = pr->starved_steps, .capped = pr->capped,
		.guard_refused = pr->guard_refused, .produced = pr->produced,
		.clock_jumps = pr->clock_jumps, .resolver_failures = names.failures,
		.names_failing = names.failing,
	};
	pr->loop_lag_ns = 0;
}
