/*
 * sim_run.c - one simulated world: its parts, its faults, its end.
 *
 * For a minute or two anything may fail; then everything works again and the
 * world must become quiet: all that was made has arrived or is told as lost.
 */
#include "tests/sim/sim_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/frame.h"
#include "common/links.h"
#include "collector/session.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/sim_alertd.h"
#include "tests/sim/sim_bugs.h"
#include "tests/sim/sim_collector.h"

#define HEAL_NS (300 * NS_PER_S)	/* within this everything must have drained */
#define SETTLE_MIN_NS (60 * NS_PER_S)	/* alertd: after the last fault */
#define SETTLE_NS (600 * NS_PER_S)
#define ALERT_SHARE 0.4			/* of the worlds have an alertd */
#define OUTAGES_MAX 2			/* of an agent's links: more would be flapping */

struct run {
	struct world w;
	struct oracle *oracle;
	struct sim_collector collector;
	struct sim_agent agent[ORACLE_AGENTS];
	int agents;
	bool alerts;			/* this world has an alertd */
	bool crowded;			/* this world's spools are too small */
	struct sim_alertd alertd;
	struct told *told;
	int outages[ORACLE_AGENTS];
	int64_t faults_until;
	struct {			/* how likely each kind of fault is, in this world */
		double kill_agent, kill_collector, kill_alertd, die_in_write, cut, block, full,
		    sync, clock, outage, stop;
	} p;
};

/* ---------------------------------------------------------------------- the tap */

static void
tap_feed_ack(struct run *r, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__FeedAck *ack = linkwatch__pb__feed_ack__unpack(NULL, len, payload);

	if (ack != NULL) {
		told_feed_ack(r->told, ack->seq);
		linkwatch__pb__feed_ack__free_unpacked(ack, NULL);
	}
}

static void
tap(void *arg, struct proc *from, const struct identity *client, uint8_t type,
    const uint8_t *payload, size_t len)
{
	struct run *r = arg;
	int agent = client->role == ROLE_AGENT ? client->id[1] - '0' : -1;
	Linkwatch__Pb__Ack *ack;
	Linkwatch__Pb__Hello *hello;

	if (from == &r->alertd.proc && type == FRAME_FEED_ACK)
		tap_feed_ack(r, payload, len);
	if (agent < 0)
		return;
	if (from == &r->agent[agent].proc && type == FRAME_HELLO &&
	    (hello = linkwatch__pb__hello__unpack(NULL, len, payload)) != NULL) {
		oracle_hello(r->oracle, agent, hello->boot_id.data, hello->first_seq);
		linkwatch__pb__hello__free_unpacked(hello, NULL);
	}
	if (from == &r->agent[agent].proc && type == FRAME_BATCH)
		oracle_batch(r->oracle, agent, payload, len);
	if (from != &r->collector.proc || type != FRAME_ACK)
		return;
	ack = linkwatch__pb__ack__unpack(NULL, len, payload);
	if (ack != NULL && ack->boot_id.len == BOOT_ID_LEN)
		oracle_promise(r->oracle, agent, ack->boot_id.data, ack->seq);
	if (ack != NULL)
		linkwatch__pb__ack__free_unpacked(ack, NULL);
}

/* -------------------------------------------------------------------- the faults */

static double
sometimes(struct world *w, double share, double p)
{
	return world_chance(w, share) ? p : 0;
}

static struct proc *
any_proc(struct run *r)
{
	uint64_t n = rng_below(r->w.rng, (uint64_t)r->agents + 2);

	return n < (uint64_t)r->agents ? &r->agent[n].proc : &r->collector.proc;
}

static void
mend_disk(void *arg)
{
	struct proc *p = arg;
	struct sim_disk_faults f = { 0 };

	world_trace(p->world, "%s: disk mended", p->name);
	sim_bugs_disk(p, &f);
	sim_platter_faults(p->platter, &f);
}

static void
disk_fault(struct run *r, double capacity_share)
{
	struct proc *p = any_proc(r);
	struct sim_disk_faults f = { 0 };
	struct sim_disk_stat st;

	sim_platter_stat(p->platter, &st);
	world_trace(&r->w, "%s: %s", p->name, capacity_share > 0 ? "disk full" : "syncs fail");
	if (capacity_share > 0)
		f.capacity = world_between(&r->w, 1, 200000);
	else
		f.sync_fails = 0.3;
	sim_bugs_disk(p, &f);
	sim_platter_faults(p->platter, &f);
	world_after(&r->w, world_between(&r->w, NS_PER_S / 10, 20 * NS_PER_S), NULL, mend_disk, p);
}

static void
link_comes_back(void *arg)
{
	struct sim_agent *a = arg;

	world_trace(a->proc.world, "%s: its links work again", a->proc.name);
	a->link_down = false;
}

static void
outage(struct run *r, struct sim_agent *a)
{
	if (a->link_down || r->outages[a->number]++ >= OUTAGES_MAX)
		return;
	world_trace(&r->w, "%s: its links are down", a->proc.name);
	a->link_down = true;
	world_after(
	    &r->w, world_between(&r->w, 2 * NS_PER_S, 40 * NS_PER_S), NULL, link_comes_back, a);
}

static void
one_fault(struct run *r)
{
	struct world *w = &r->w;
	struct sim_agent *a = &r->agent[rng_below(w->rng, (uint64_t)r->agents)];

	if (world_chance(w, r->p.kill_agent))
		proc_kill(&a->proc, world_chance(w, 0.5), 10);
	if (world_chance(w, r->p.kill_collector))
		proc_kill(&r->collector.proc, world_chance(w, 0.5), 10);
	if (world_chance(w, r->p.die_in_write)) {
		struct proc *p = any_proc(r);

		if (p->up)
			sim_disk_die_in(p->view, world_between(w, 0, 30));
	}
	if (r->alerts && world_chance(w, r->p.kill_alertd))
		proc_kill(&r->alertd.proc, false, 10);
	if (r->alerts && world_chance(w, r->p.cut))
		net_cut(w->net, &r->alertd.proc, world_chance(w, 0.5) ?
		    world_between(w, NS_PER_S, 40 * NS_PER_S) : 0);
	if (world_chance(w, r->p.outage))
		outage(r, a);
	if (world_chance(w, r->p.stop))
		proc_stop(r->alerts && world_chance(w, 0.3) ? &r->alertd.proc : any_proc(r), 5);
	if (world_chance(w, r->p.cut))
		net_cut(w->net, &a->proc, 0);
	if (world_chance(w, r->p.block))
		net_cut(w->net, &a->proc, world_between(w, NS_PER_S, 60 * NS_PER_S));
	if (world_chance(w, r->p.full))
		disk_fault(r, 1);
	if (world_chance(w, r->p.sync))
		disk_fault(r, 0);
	if (world_chance(w, r->p.clock))
		any_proc(r)->wall_offset += world_between(w, -7200 * NS_PER_S, 7200 * NS_PER_S);
}

static void
faults(void *arg)
{
	struct run *r = arg;

	if (r->w.now >= r->faults_until)
		return;
	one_fault(r);
	world_after(&r->w, world_between(&r->w, NS_PER_S / 10, 4 * NS_PER_S), NULL, faults, r);
}

/* ------------------------------------------------------------------- a whole world */

static void
choose_faults(struct run *r)
{
	struct world *w = &r->w;

	r->p.kill_agent = sometimes(w, 0.6, 0.08);
	r->p.kill_collector = sometimes(w, 0.6, 0.08);
	r->p.die_in_write = sometimes(w, 0.6, 0.15);
	r->p.cut = sometimes(w, 0.6, 0.2);
	r->p.block = sometimes(w, 0.5, 0.1);
	r->p.full = sometimes(w, 0.3, 0.1);
	r->p.sync = sometimes(w, 0.3, 0.1);
	r->p.clock = r->alerts ? 0 : sometimes(w, 0.2, 0.05);
	r->p.outage = r->alerts ? 0.15 : 0;
	r->p.kill_alertd = sometimes(w, 0.6, 0.1);
	r->faults_until = world_between(w, 30, 120) * NS_PER_S;
	r->p.stop = sometimes(w, 0.4, 0.05);
	if (r->crowded) {		/* spools overflow all the time, and are killed at it */
		r->p.block = 0.3;
		r->p.kill_agent = 0.1;
		r->p.die_in_write = 0.3;
	}
	if (!r->alerts)
		return;
	r->alertd.gateway_fault = sometimes(w, 0.7, 0.3);
	r->alertd.db_fault = sometimes(w, 0.3, 0.2);
	r->alertd.die = sometimes(w, 0.6, 0.01);
	r->alertd.people = sometimes(w, 0.5, 0.05);
}

static bool
needs_alerts(const char *bug)
{
	for (const struct sim_bug *b = sim_bugs; b->name != NULL; b++)
		if (strcmp(b->name, bug) == 0)
			return b->alerts;
	return false;
}

static void
set_up(struct run *r, const struct sim_opts *o, Linkwatch__Pb__Plan **plan)
{
	struct world *w = &r->w;

	world_init(w, o->seed, o->bug, o->verbose);
	sim_bugs_world(w);
	r->oracle = oracle_new(w);
	r->agents = (int)world_between(w, 1, 3);
	r->crowded = world_chance(w, 0.2);
	*plan = sim_plan_new(r->agents);
	sim_collector_init(&r->collector, w, r->oracle, *plan);
	for (int i = 0; i < r->agents; i++) {
		sim_agent_init(&r->agent[i], w, i, &r->collector.server, r->oracle);
		if (r->crowded || world_chance(w, 0.4)) {
			r->agent[i].max_bytes = (uint64_t)world_between(w, 4000, 20000);
			r->agent[i].segment_bytes = (uint64_t)world_between(w, 1000, 3000);
		}
		if (world_chance(w, 0.5))
			r->agent[i].memory_bytes = (uint64_t)world_between(w, 500, 5000);
	}
	for (struct proc *p = w->procs; p != NULL; p = p->next)
		mend_disk(p);
	net_tap(w->net, tap, r);
	net_quality(
	    w->net, world_between(w, NS_PER_MS, 2 * NS_PER_S), world_between(w, 3000, 10000000));
	r->told = told_new(w);
	r->alerts = world_chance(w, ALERT_SHARE) || needs_alerts(o->bug);
	if (r->alerts)
		sim_alertd_init(&r->alertd, w, &r->collector.server, r->told);
	else if (world_chance(w, 0.2))
		r->collector.retain_bytes = (uint64_t)world_between(w, 20000, 100000);
	choose_faults(r);
	proc_start(&r->collector.proc);
	for (int i = 0; i < r->agents; i++)
		proc_start(&r->agent[i].proc);
	if (r->alerts)
		proc_start(&r->alertd.proc);
	faults(r);
}

/* From here on nothing fails any more. */
static void
heal(struct run *r)
{
	net_quality(r->w.net, 50 * NS_PER_MS, 10000000);
	for (struct proc *p = r->w.procs; p != NULL; p = p->next) {
		mend_disk(p);
		if (p->up)
			sim_disk_die_in(p->view, -1);
	}
	for (int i = 0; i < r->agents; i++) {
		net_cut(r->w.net, &r->agent[i].proc, 1);
		r->agent[i].link_down = false;
	}
	if (r->alerts) {
		net_cut(r->w.net, &r->alertd.proc, 1);
		r->alertd.gateway_fault = r->alertd.db_fault = r->alertd.die = 0;
	}
	world_trace(&r->w, "everything works again");
}

/* Has alertd decided on everything that the agents have measured, and told it? */
static bool
is_settled(const struct run *r, char *out, size_t n)
{
	struct journal_stat st;

	for (int i = 0; i < r->agents; i++)
		if (!sim_agent_is_live(&r->agent[i])) {
			sim_agent_describe(&r->agent[i], out, n);
			return false;
		}
	if (!r->collector.proc.up || r->collector.hub == NULL) {
		snprintf(out, n, "the collector does not run");
		return false;
	}
	journal_stat(hub_journal(r->collector.hub), &st);
	if (r->alertd.decided_seq + 10 < st.next_seq) {
		snprintf(out, n, "alertd has decided up to record %" PRIu64 " of %" PRIu64,
		    r->alertd.decided_seq, st.next_seq - 1);
		return false;
	}
	return sim_alertd_is_quiet(&r->alertd, out, n);
}

/* The agents go on measuring, all is well: alertd must come to rest. */
static void
settle(struct run *r, uint64_t max_steps)
{
	int64_t begin = r->w.now;
	bool settled = false;
	struct disk *view;
	char text[256] = "";

	while (!settled && (max_steps == 0 || r->w.steps < max_steps) &&
	    world_step(&r->w, begin + SETTLE_NS))
		settled = r->w.steps % 64 == 0 && r->w.now - begin >= SETTLE_MIN_NS &&
		    is_settled(r, text, sizeof text);
	if (r->w.failed || (max_steps != 0 && r->w.steps >= max_steps))
		return;
	if (!settled && !is_settled(r, text, sizeof text)) {
		world_fail(&r->w, "%.0f s after the last fault alertd is not at rest: %s",
		    (double)SETTLE_NS / 1e9, text);
		return;
	}
	view = sim_disk_view(r->collector.proc.platter);
	told_check(r->told, view);
	view->ops->close(view);
}

static bool
is_quiet(const struct run *r)
{
	for (int i = 0; i < r->agents; i++)
		if (!sim_agent_is_done(&r->agent[i]))
			return false;
	return r->collector.proc.up && r->collector.hub != NULL;
}

static void
check_end(struct run *r, bool quiet)
{
	struct disk *view;
	char text[256];

	if (r->w.failed)
		return;
	if (!quiet) {
		for (int i = 0; i < r->agents; i++) {
			sim_agent_describe(&r->agent[i], text, sizeof text);
			if (!sim_agent_is_done(&r->agent[i]))
				world_fail(&r->w,
				    "%.0f s after the last fault not all has arrived: %s",
				    (double)HEAL_NS / 1e9, text);
		}
		world_fail(&r->w, "the collector does not run %.0f s after the last fault",
		    (double)HEAL_NS / 1e9);
		return;
	}
	view = sim_disk_view(r->collector.proc.platter);
	oracle_look(r->oracle, view);
	oracle_scan(r->oracle, view, true);
	view->ops->close(view);
}

static void
tear_down(struct run *r, struct sim_result *out)
{
	struct oracle_stat os;
	struct net_stat ns;
	struct sim_disk_stat ds;
	struct told_stat ts;

	told_stat(r->told, &ts);
	oracle_stat(r->oracle, &os);
	net_stat(r->w.net, &ns);
	*out = (struct sim_result){ .failed = r->w.failed, .steps = r->w.steps,
		.seconds = (double)r->w.now / 1e9, .frames_lost = ns.lost, .samples = os.produced,
		.delivered = os.delivered, .gaps = os.gaps, .refused = os.refused,
		.excused = os.excused, .acks = os.acks, .messages = ts.messages,
		.accepted = ts.accepted, .repeats = ts.repeats, .incidents = ts.incidents,
		.outages = ts.outages };
	snprintf(out->why, sizeof out->why, "%s", r->w.why);
	for (struct proc *p = r->w.procs; p != NULL; p = p->next) {
		sim_platter_stat(p->platter, &ds);
		out->kills += p->kills;
		out->cuts += p->cuts;
		out->disk_errors += ds.failed_syncs + ds.full;
		proc_fini(p);
	}
	sim_alertd_fini(&r->alertd);
	world_fini(&r->w);
	oracle_free(r->oracle);
	told_free(r->told);
}

void
sim_run(const struct sim_opts *o, struct sim_result *out)
{
	struct run r;
	Linkwatch__Pb__Plan *plan;
	bool quiet = false;
	int64_t until;

	memset(&r, 0, sizeof r);
	set_up(&r, o, &plan);
	while (world_step(&r.w, r.faults_until) && (o->max_steps == 0 || r.w.steps < o->max_steps))
		;
	heal(&r);
	if (r.alerts)
		settle(&r, o->max_steps);
	for (int i = 0; i < r.agents; i++)
		r.agent[i].silent = true;
	until = r.w.now + HEAL_NS;
	while (!quiet && (o->max_steps == 0 || r.w.steps < o->max_steps) && world_step(&r.w, until))
		quiet = r.w.steps % 64 == 0 && is_quiet(&r);
	if (o->max_steps == 0 || r.w.steps < o->max_steps)
		check_end(&r, quiet || is_quiet(&r));
	tear_down(&r, out);
	links_free(plan);
}
