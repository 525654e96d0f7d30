/*
 * sim_agent.c - an agent of the simulated world (see sim_agent.h).
 */
#include "tests/sim/sim_agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/spool.h"
#include "agent/uplink.h"

#define STEP_NS NS_PER_S
#define LINKS 2
#define PACKETS 5

static void tick(void *arg);

/* Calls uplink_tick() when it wants to be called, and again at that time. */
static void
drive(struct sim_agent *a)
{
	struct world *w = a->proc.world;
	struct mono now = clock_mono(&a->proc.clock), at;

	at = uplink_tick(a->uplink);
	if (world_has_bug(w, "purge-before-ack")) {
		struct uplink_stat st;

		uplink_stat(a->uplink, &st);
		if (st.sent_seq > 0)
			spool_ack(a->spool, st.sent_seq);
	}
	if (at.ns == INT64_MAX)
		return;
	if (at.ns <= now.ns)
		at.ns = now.ns + NS_PER_MS;
	if (a->tick_due > w->now && a->tick_due <= w->now + (at.ns - now.ns))
		return;
	a->tick_due = w->now + (at.ns - now.ns);
	world_after(w, at.ns - now.ns, &a->proc, tick, a);
}

static void
tick(void *arg)
{
	struct sim_agent *a = arg;

	a->tick_due = 0;
	drive(a);
}

/* ------------------------------------------------------- the uplink's events */

static void
on_opened(void *arg, struct conn *c, const struct identity *peer)
{
	struct sim_agent *a = arg;

	uplink_handler.opened(a->uplink, c, peer);
	drive(a);
}

static void
on_frame(void *arg, struct conn *c, uint8_t type, const uint8_t *payload, size_t len)
{
	struct sim_agent *a = arg;

	uplink_handler.frame(a->uplink, c, type, payload, len);
	drive(a);
}

static void
on_closed(void *arg, struct conn *c, const char *why)
{
	struct sim_agent *a = arg;

	uplink_handler.closed(a->uplink, c, why);
	drive(a);
}

static const struct conn_handler handler = { .opened = on_opened, .frame = on_frame,
	.closed = on_closed };

static int
start_connection(void *arg, size_t index, struct uplink *u, struct conn **out)
{
	struct sim_agent *a = arg;

	(void)index, (void)u;
	return net_connect(a->proc.world->net, &a->proc, &a->who, a->collector, &handler, a, out);
}

static void
take_plan(void *arg, const Linkwatch__Pb__Plan *plan)
{
	struct sim_agent *a = arg;
	Linkwatch__Pb__PlanResult r = LINKWATCH__PB__PLAN_RESULT__INIT;

	r.revision = plan->revision;
	uplink_plan_result(a->uplink, &r);
}

static void
new_state(void *arg, enum uplink_state state, const char *detail)
{
	const struct sim_agent *a = arg;

	world_trace(a->proc.world, "%s: %s %s", a->proc.name, uplink_state_name(state), detail);
}

static void
batch_refused(void *arg, uint64_t seq, uint32_t code, const char *reason)
{
	(void)arg, (void)seq, (void)code, (void)reason;
}

static const struct uplink_ops ops = { .connect = start_connection, .plan = take_plan,
	.state = new_state, .refused = batch_refused };

/* ------------------------------------------------------------------- measuring */

static void
add_sample(struct sim_agent *a, int link, uint64_t id)
{
	struct world *w = a->proc.world;
	uint32_t rtt[PACKETS];
	char name[16];
	struct sample s = { .link = name, .step_ms = 1000, .sent = PACKETS, .rtt_100ns = rtt };

	snprintf(name, sizeof name, "l%d", link);
	s.start_ns = clock_wall(&a->proc.clock).ns - STEP_NS;
	s.rtt_count = a->link_down ? 0 : PACKETS;
	for (uint32_t i = 0; i < s.rtt_count; i++)
		rtt[i] = 10000 + (uint32_t)rng_below(w->rng, 1000);
	if (s.rtt_count < s.sent)
		s.cause[s.causes++] = (struct cause_count){ CAUSE_TIMEOUT, s.sent - s.rtt_count };
	s.value[s.values++] = (struct sample_value){ ROLE_OID0, 0, id };
	if (batch_builder_add(a->builder, &s) != 0)
		world_fail(w, "a%d: the builder takes no sample", a->number);
}

static void
measure(void *arg)
{
	struct sim_agent *a = arg;
	struct world *w = a->proc.world;
	uint64_t first = a->next_sample + 1;
	int r;

	world_after(w, STEP_NS, &a->proc, measure, a);
	if (!a->silent)
		for (int i = 0; i < LINKS; i++)
			add_sample(a, i, ++a->next_sample);
	r = spool_put(a->spool, a->builder, clock_wall(&a->proc.clock));
	if (!proc_acts(&a->proc))
		r = -1;
	if (r != 0)
		world_trace(
		    w, "%s: put of samples up to %" PRIu64 ": %d", a->proc.name, a->next_sample, r);
	if (a->next_sample >= first)
		oracle_produced(a->oracle, a->number, first, a->next_sample, r == 0);
	if (r == 0)
		oracle_sure(a->oracle, a->number);
	drive(a);
}

/* --------------------------------------------------------------------- its lives */

static void
agent_start(struct proc *p)
{
	struct sim_agent *a = (struct sim_agent *)p;
	struct spool_opts so = {.max_bytes = a->max_bytes,
	    .segment_bytes = a->segment_bytes > 0 ? a->segment_bytes : 8192,
	    .memory_bytes = a->memory_bytes};
	struct uplink_opts uo = { .collectors = 1, .host = p->name };
	char why[256];
	int r = spool_open(
	    &a->spool, p->view, p->world->rng, &so, clock_wall(&p->clock), why, sizeof why);

	a->tick_due = 0;
	a->born = p->world->now;
	world_trace(p->world, "%s: starts: %d %s", p->name, r, why);
	if (r != 0) {			/* it exits, and is started again */
		a->spool = NULL;
		sim_disk_kill(p->view);
		return;
	}
	a->builder = batch_builder_new();
	a->uplink = uplink_new(&uo, &ops, a, a->spool, &p->clock, p->world->rng);
	world_after(p->world, world_between(p->world, 0, STEP_NS), p, measure, a);
	world_after(p->world, 0, p, tick, a);
}

static void
agent_gone(struct proc *p)
{
	struct sim_agent *a = (struct sim_agent *)p;

	uplink_free(a->uplink);
	spool_close(a->spool);
	batch_builder_free(a->builder);
	a->uplink = NULL;
	a->spool = NULL;
	a->builder = NULL;
	oracle_forgets(a->oracle, a->number);
}

static void
agent_stop(struct proc *p)
{
	struct sim_agent *a = (struct sim_agent *)p;

	uplink_free(a->uplink);
	spool_close(a->spool);
	a->uplink = NULL;
	a->spool = NULL;
}

static const struct proc_ops agent_ops = { agent_start, agent_stop, agent_gone };

void
sim_agent_init(struct sim_agent *a, struct world *w, int number, struct net_server *collector,
    struct oracle *oracle)
{
	char name[16];

	memset(a, 0, sizeof *a);
	snprintf(name, sizeof name, "a%d", number);
	proc_init(&a->proc, w, name, &agent_ops);
	a->number = number;
	a->who.role = ROLE_AGENT;
	snprintf(a->who.id, sizeof a->who.id, "%s", name);
	a->collector = collector;
	a->oracle = oracle;
}

bool
sim_agent_is_done(const struct sim_agent *a)
{
	struct spool_stat st;
	struct uplink_stat us;

	/* What an earlier life lost is told with the first step. */
	if (!a->proc.up || a->spool == NULL || a->proc.world->now - a->born < 3 * NS_PER_S)
		return false;
	spool_stat(a->spool, &st);
	uplink_stat(a->uplink, &us);
	return st.batches == 0 && st.memory_bytes == 0 && us.state == UPLINK_UP;
}

bool
sim_agent_is_live(const struct sim_agent *a)
{
	struct spool_stat st;
	struct uplink_stat us;

	if (!a->proc.up || a->spool == NULL)
		return false;
	spool_stat(a->spool, &st);
	uplink_stat(a->uplink, &us);
	return st.batches <= 2 && st.memory_bytes == 0 && us.state == UPLINK_UP;
}

void
sim_agent_describe(const struct sim_agent *a, char *out, size_t n)
{
	struct spool_stat st;
	struct uplink_stat us;

	if (a->spool == NULL) {
		snprintf(out, n, "a%d: not running", a->number);
		return;
	}
	spool_stat(a->spool, &st);
	uplink_stat(a->uplink, &us);
	snprintf(out, n,
	    "a%d: %s%s, batches %" PRIu64 "..%" PRIu64 ", acked %" PRIu64 ", sent %" PRIu64
	    ", %" PRIu64 " bytes in memory, error %d",
	    a->number, uplink_state_name(us.state), us.paused ? " (paused)" : "", st.first_seq,
	    st.next_seq - 1, st.acked_seq, us.sent_seq, st.memory_bytes, st.error);
}
