/*
 * core.c - the one door: an event in, the decisions that follow from it out.
 */
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"

struct core *
core_new(const struct policy *policy)
{
	struct core *c = xcalloc(1, sizeof(*c));

	c->policy = policy;
	c->m.head = save_head(CORE_MAGIC, sizeof(c->m));
	c->out = out_new();
	c->link_by_key = hashmap_new();
	c->agent_by_id = hashmap_new();
	return c;
}

static void
free_entry(struct entry *e)
{
	incident_clear(&e->inc);
	free(e->link);
	free(e);
}

static void
free_dropped(struct core *c)
{
	for (size_t i = 0; i < c->dropped_n; i++)
		free_entry(c->dropped[i]);
	c->dropped_n = 0;
}

void
core_free(struct core *c)
{
	if (c == NULL)
		return;
	free_dropped(c);
	free(c->dropped);
	for (size_t i = 0; i < c->entries; i++)
		free_entry(c->entry[i]);
	for (size_t i = 0; i < c->links; i++) {
		for (int row = 0; row < DETECT_MAX; row++)
			free(c->link[i]->active[row]);
		free(c->link[i]);
	}
	for (size_t i = 0; i < c->agents; i++) {
		if (c->agent[i]->health != NULL)
			linkwatch__pb__health__free_unpacked(c->agent[i]->health, NULL);
		free(c->agent[i]);
	}
	for (size_t i = 0; i < c->vendors; i++)
		free(c->vendor[i]);
	for (size_t i = 0; i < c->contacts; i++)
		free(c->contact[i]);
	free(c->entry);
	free(c->link);
	free(c->agent);
	free(c->vendor);
	free(c->contact);
	free(c->condition);
	hashmap_free(c->link_by_key);
	hashmap_free(c->agent_by_id);
	if (c->plan != NULL)
		linkwatch__pb__plan__free_unpacked(c->plan, NULL);
	out_free(c->out);
	free(c);
}

void
core_policy(struct core *c, const struct policy *policy)
{
	c->policy = policy;
	for (size_t i = 0; i < c->links; i++)
		link_limits(c, c->link[i]);
	for (size_t i = 0; i < c->entries; i++)
		if (incident_is_active(c->entry[i]))
			escalate_limit(policy, &c->entry[i]->inc);
}

/* What became of a message: the key names the incident. */
static void
delivery(struct core *c, const struct event *ev)
{
	const char *key = ev->delivery.key;
	struct entry *e;

	if (key == NULL)
		return;
	e = incident_find(c, strtoull(key, NULL, 10));
	if (e == NULL || ev->delivery.delivered)
		return;		/* the outbox has it; only failures belong to the story */
	out_log(c, e, "undelivered", "", "", out_text(c, "%s: %s", key,
	    ev->delivery.detail == NULL ? "" : ev->delivery.detail));
}

static void
tick(struct core *c)
{
	agent_tick(c);
	life_tick(c);
	notify_tick(c);
}

static void
advance(struct core *c, struct wall now)
{
	int64_t second;

	if (now.ns > c->now.ns)
		c->now = now;
	second = c->now.ns - c->now.ns % NS_PER_S;
	if (c->m.now != second) {	/* how far we have come, for those who restore us */
		c->m.now = second;
		c->dirty = true;
	}
}

const struct decisions *
core_event(struct core *c, const struct event *ev)
{
	free_dropped(c);
	out_begin(c->out);
	c->ev = ev;
	advance(c, ev->now);
	switch (ev->type) {
	case EV_SAMPLE:
		link_sample(c, ev);
		break;
	case EV_HEALTH:
		agent_health(c, ev);
		break;
	case EV_SESSION:
		agent_session(c, ev);
		break;
	case EV_PLAN:
		save_plan(c, ev->plan, true);
		break;
	case EV_REFUSED:
		agent_refused(c, ev);
		break;
	case EV_COLLECTOR:
		agent_collector(c, ev);
		break;
	case EV_FEED:
		agent_feed(c, ev);
		break;
	case EV_TICK:
		tick(c);
		break;
	case EV_COMMAND:
		command_do(c, ev->command);
		break;
	case EV_DELIVERY:
		delivery(c, ev);
		break;
	case EV_CHANNEL:
		agent_channel(c, ev);
		break;
	}
	save_dirty(c);
	c->ev = NULL;
	return out_end(c);
}
