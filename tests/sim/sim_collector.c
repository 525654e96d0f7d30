/*
 * sim_collector.c - the collector's ingest (see sim_collector.h).
 */
#include "tests/sim/sim_collector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/session.h"
#include "common/links.h"
#include "common/log.h"

#define COMMIT_MAX_NS (50 * NS_PER_MS)
#define SEGMENT_BYTES (16 * 1024)

Linkwatch__Pb__Plan *
sim_plan_new(int agents)
{
	char yaml[4096];
	size_t n = 0;
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan = NULL;

	n += (size_t)snprintf(yaml + n, sizeof yaml - n,
	    "vendors:\n"
	    "  - {id: v1, code: \"A云\", code_en: CloudA, name: \"甲云\", name_en: Cloud A}\n"
	    "agents:\n");
	for (int i = 0; i < agents; i++)
		n += (size_t)snprintf(yaml + n, sizeof yaml - n,
		    "  - {id: a%d, vendor: v1, zone: z%d, name: \"探针%d\", name_en: probe %d}\n",
		    i, i, i, i);
	n += (size_t)snprintf(yaml + n, sizeof yaml - n, "links:\n");
	for (int i = 0; i < agents * 2; i++)
		n += (size_t)snprintf(yaml + n, sizeof yaml - n,
		    "  - {id: l%d, agent: a%d, probe: icmp, target: 192.0.2.%d, step: 1s, "
		    "count: 5, timeout: 500ms, class: A, name: \"链路%d\", name_en: link %d}\n",
		    i % 2, i / 2, i + 1, i, i);
	if (links_parse(yaml, n, "links.yaml", &plan, &errs) != 0)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	return plan;
}

/* Everything that a process outside can see now must stay. */
static void
look(struct sim_collector *c)
{
	struct disk *view;

	view = sim_disk_view(c->proc.platter);
	oracle_look(c->oracle, view);
	view->ops->close(view);
}

static void
commit(void *arg)
{
	struct sim_collector *c = arg;
	int r;

	c->commit_due = false;
	if (!hub_is_dirty(c->hub))
		return;
	r = hub_commit(c->hub);
	if (r == -EIO)
		sim_disk_kill(c->proc.view);	/* the journal is poisoned: it exits */
	look(c);
}

static void
soon(void *arg)
{
	struct sim_collector *c = arg;

	if (c->commit_due)
		return;
	c->commit_due = true;
	world_after(
	    c->proc.world, world_between(c->proc.world, 0, COMMIT_MAX_NS), &c->proc, commit, c);
}

static void
second(void *arg)
{
	struct sim_collector *c = arg;

	world_after(c->proc.world, NS_PER_S, &c->proc, second, c);
	hub_tick(c->hub);
	if (hub_is_dirty(c->hub))
		soon(c);
	if (c->retain_bytes > 0) {
		oracle_purged(c->oracle, journal_purge_point(hub_journal(c->hub), c->retain_bytes,
		    (struct wall){ INT64_MIN }));
		hub_retain(c->hub, c->retain_bytes, INT64_MAX / 4, c->retain_bytes);
	}
	look(c);
}

static void
collector_start(struct proc *p)
{
	struct sim_collector *c = (struct sim_collector *)p;
	struct hub_opts o = { .clock = &p->clock, .disk = p->view, .segment_bytes = SEGMENT_BYTES,
		.admit = { .past_ns = INT64_C(72) * 3600 * NS_PER_S, .future_ns = 60 * NS_PER_S },
		.window = 64, .dirty = soon, .arg = c };
	struct disk *view;
	char why[256] = "";
	int r;

	c->commit_due = false;
	r = hub_open(&c->hub, &o, why, sizeof why);
	if (r != 0) {
		c->hub = NULL;
		if (r == -EBADMSG && proc_acts(p))
			world_fail(p->world, "the collector does not open its journal: %s", why);
		sim_disk_kill(p->view);
		return;
	}
	if (!proc_acts(p))
		return;
	view = sim_disk_view(p->platter);
	oracle_scan(c->oracle, view, false);
	view->ops->close(view);
	r = hub_plan(c->hub, c->plan);
	if (r != 0) {
		sim_disk_kill(p->view);
		return;
	}
	c->server.arg = c->hub;
	world_after(p->world, NS_PER_S, p, second, c);
	soon(c);
}

static void
collector_gone(struct proc *p)
{
	struct sim_collector *c = (struct sim_collector *)p;

	c->server.arg = NULL;
	hub_close(c->hub, false);
	c->hub = NULL;
	look(c);			/* readers outlive it */
}

static void
collector_stop(struct proc *p)
{
	struct sim_collector *c = (struct sim_collector *)p;

	hub_stop(c->hub);
	hub_close(c->hub, true);
	c->hub = NULL;
	look(c);
}

static const struct proc_ops collector_ops = { collector_start, collector_stop, collector_gone };

void
sim_collector_init(struct sim_collector *c, struct world *w, struct oracle *oracle,
    Linkwatch__Pb__Plan *plan)
{
	memset(c, 0, sizeof *c);
	proc_init(&c->proc, w, "collector", &collector_ops);
	c->oracle = oracle;
	c->plan = plan;
	c->server = (struct net_server){ .proc = &c->proc, .handler = hub_handler(),
		.identity = { .role = ROLE_COLLECTOR, .id = "c1" } };
}
