/*
 * parts.c - a plan, agent by agent (pure; see parts.h).
 */
#include "collector/parts.h"

#include <stdlib.h>

#include "collector/table.h"
#include "common/links.h"
#include "common/mem.h"

struct part {				/* of one agent */
	Linkwatch__Pb__Link **link;	/* into parts.link */
	size_t n;
	uint64_t revision;		/* 0: never asked for */
};

struct parts {
	struct table by_agent;		/* struct part; its id is the key */
	struct part *part;		/* owned, as many as agents */
	Linkwatch__Pb__Link **link;	/* owned: all, each agent's side by side, in the plan's order */
};

struct parts *
parts_new(const Linkwatch__Pb__Plan *plan)
{
	struct parts *p = xcalloc(1, sizeof *p);
	Linkwatch__Pb__Link **at;

	p->part = xcalloc(plan->n_agent + 1, sizeof *p->part);
	p->link = at = xcalloc(plan->n_link + 1, sizeof(*p->link));
	for (size_t i = 0; i < plan->n_agent; i++)
		if (table_gets(&p->by_agent, plan->agent[i]->id) == NULL)
			table_puts(&p->by_agent, plan->agent[i]->id, &p->part[i]);
	for (size_t i = 0; i < plan->n_link; i++) {
		struct part *part = table_gets(&p->by_agent, plan->link[i]->agent);

		if (part != NULL)
			part->n++;
	}
	for (size_t i = 0; i < plan->n_agent; i++) {
		p->part[i].link = at;
		at += p->part[i].n;
		p->part[i].n = 0;
	}
	for (size_t i = 0; i < plan->n_link; i++) {
		struct part *part = table_gets(&p->by_agent, plan->link[i]->agent);

		if (part != NULL)
			part->link[part->n++] = plan->link[i];
	}
	return p;
}

void
parts_free(struct parts *p)
{
	if (p == NULL)
		return;
	table_fini(&p->by_agent);
	free(p->part);
	free(p->link);
	free(p);
}

Linkwatch__Pb__Plan *
parts_plan(struct parts *p, const char *agent)
{
	struct part *part = table_gets(&p->by_agent, agent);
	Linkwatch__Pb__Plan *plan;

	if (part == NULL)
		return NULL;
	plan = links_part(part->link, part->n);
	part->revision = plan->revision;
	return plan;
}

uint64_t
parts_revision(struct parts *p, const char *agent)
{
	struct part *part = table_gets(&p->by_agent, agent);

	if (part == NULL)
		return 0;
	if (part->revision == 0)
		links_free(parts_plan(p, agent));
	return part->revision;
}
