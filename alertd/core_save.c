/*
 * core_save.c - what the core remembers: links, agents, vendors and contacts
 * by name, saving what changed, and restoring it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"

#define KEY_MAX (2 * ID_MAX + 2)
/*
 * Number of the layout of what is saved: raise it when a field of a struct *_mem or of a
 * detector's state changes its place or meaning without changing a size.
 */
#define LAYOUT 2u
#define AWAY_NS (2 * NS_PER_S)	/* a longer pause was no mere restart of the process */

/* ---------------------------------------------------------------------- layout */

static uint32_t
mix(uint32_t h, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		h = (h ^ (uint8_t)(v >> 8 * i)) * 16777619u;
	return h;
}

/* A build whose structs look otherwise has another one, and its blobs are not ours. */
static uint32_t
layout(void)
{
	const size_t sizes[] = { sizeof(struct link_mem), sizeof(struct agent_mem),
		sizeof(struct core_mem), sizeof(struct vendor_mem), sizeof(struct contact_mem),
		sizeof(struct ledger), sizeof(struct detect_head), sizeof(struct slots),
		offsetof(struct link_mem, change), offsetof(struct link_mem, ledger),
		offsetof(struct link_mem, detect), LINK_NOT_OBSERVED, FAULT_CLASSES };
	uint32_t h = mix(2166136261u, LAYOUT);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		h = mix(h, sizes[i]);
	for (size_t row = 0; detect_table[row] != NULL; row++)
		h = mix(mix(h, detect_table[row]->kind), detect_table[row]->state_size);
	return h;
}

struct mem_head
save_head(uint32_t magic, size_t size)
{
	return (struct mem_head){ magic ^ layout(), (uint32_t)size };
}

/* --------------------------------------------------------------------- by name */

static const char *
link_key(char buf[KEY_MAX], const char *agent, const char *link)
{
	snprintf(buf, KEY_MAX, "%s/%s", agent, link);
	return buf;
}

struct link_entry *
save_find_link(const struct core *c, const char *agent, const char *link)
{
	char key[KEY_MAX];

	return hashmap_get(c->link_by_key, link_key(key, agent, link));
}

struct agent_state *
save_find_agent(const struct core *c, const char *id)
{
	return id == NULL ? NULL : hashmap_get(c->agent_by_id, id);
}

struct contact_state *
save_contact(struct core *c, const char *id)
{
	struct contact_state *k;

	for (size_t i = 0; i < c->contacts; i++)
		if (strcmp(c->contact[i]->id, id) == 0)
			return c->contact[i];
	k = xcalloc(1, sizeof(*k));
	snprintf(k->id, sizeof(k->id), "%s", id);
	k->m.head = save_head(CONTACT_MAGIC, sizeof(k->m));
	c->contact = xreallocarray(c->contact, c->contacts + 1, sizeof(struct contact_state *));
	c->contact[c->contacts++] = k;
	return k;
}

struct vendor_state *
save_vendor(struct core *c, const char *id)
{
	struct vendor_state *v;

	for (size_t i = 0; i < c->vendors; i++)
		if (strcmp(c->vendor[i]->id, id) == 0)
			return c->vendor[i];
	v = xcalloc(1, sizeof(*v));
	snprintf(v->id, sizeof(v->id), "%s", id);
	v->m.head = save_head(VENDOR_MAGIC, sizeof(v->m));
	c->vendor = xreallocarray(c->vendor, c->vendors + 1, sizeof(struct vendor_state *));
	c->vendor[c->vendors++] = v;
	return v;
}

static struct agent_state *
agent_make(struct core *c, const char *id)
{
	struct agent_state *a = save_find_agent(c, id);

	if (a != NULL)
		return a;
	a = xcalloc(1, sizeof(*a));
	snprintf(a->id, sizeof(a->id), "%s", id);
	a->m.head = save_head(AGENT_MAGIC, sizeof(a->m));
	a->m.first_s = c->now.ns / NS_PER_S;
	a->dirty = true;
	hashmap_put(c->agent_by_id, id, a);
	c->agent = xreallocarray(c->agent, c->agents + 1, sizeof(struct agent_state *));
	c->agent[c->agents++] = a;
	return a;
}

/* ------------------------------------------------------------------------- plan */

static Linkwatch__Pb__Plan *
copy_plan(const Linkwatch__Pb__Plan *p)
{
	size_t n = linkwatch__pb__plan__get_packed_size(p);
	uint8_t *bytes = xmalloc(n + 1);
	Linkwatch__Pb__Plan *copy;

	linkwatch__pb__plan__pack(p, bytes);
	copy = linkwatch__pb__plan__unpack(NULL, n, bytes);
	free(bytes);
	return copy;
}

static struct link_entry *
link_make(struct core *c, const Linkwatch__Pb__Link *conf)
{
	struct link_entry *l = xcalloc(1, sizeof(*l));

	l->conf = conf;
	l->m.head = save_head(LINK_MAGIC, sizeof(l->m));
	l->m.shown = LINK_NOT_OBSERVED;
	l->m.heard_s = c->now.ns / NS_PER_S;
	l->m.state_since = c->now.ns;
	l->dirty = true;
	return l;
}

/* An incident whose links have all left the plan cannot be proven clean: people review it. */
static void
entry_without_links(struct core *c, struct entry *e)
{
	if (e->n > 0 || !incident_is_active(e))
		return;
	escalate_stop(&e->inc);
	e->inc.announce_at.ns = 0;
	e->inc.link_state = LINK_NOT_OBSERVED;
	if (e->inc.outage_start.ns != 0) {
		e->inc.outage_ns += c->now.ns - e->inc.outage_start.ns;
		e->inc.outages++;
		e->inc.outage_start.ns = 0;
	}
	incident_state(c, e, INC_REVIEW, "gone", "its links left the plan");
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES, .stop_incident = e->inc.number });
}

void
link_gone(struct core *c, struct link_entry *l)
{
	for (int row = 0; row < DETECT_MAX; row++) {
		struct decision d = { .type = DEC_ANOMALY };

		if (l->active[row] == NULL)
			continue;
		l->active[row]->end = c->now;
		d.anomaly = *l->active[row];
		out_add(c, &d);
		free(l->active[row]);
		l->active[row] = NULL;
	}
	for (size_t i = 0; i < c->entries; i++) {
		struct entry *e = c->entry[i];

		for (size_t k = 0; k < e->n; k++)
			if (e->link[k] == l) {
				e->link[k] = e->link[--e->n];
				out_log(c, e, "gone", "", "", out_text(c, "%s/%s left the plan",
				    l->conf->agent, l->conf->id));
				incident_touch(c, e);
				entry_without_links(c, e);
				break;
			}
	}
}

/* Agents that left the plan: what was wrong with them is history. */
static void
agents_gone(struct core *c)
{
	static const char *const what[] = { "silent", "clock", "certificate", "refused" };

	for (size_t i = 0; i < c->agents; i++) {
		struct agent_state *a = c->agent[i];

		if (a->conf != NULL || a->links > 0)
			continue;
		for (size_t k = 0; k < sizeof(what) / sizeof(what[0]); k++)
			incident_condition_end(c, out_text(c, "%s:%s", what[k], a->id), c->now);
		a->m.silent = a->m.clock_bad = a->m.cert_bad = a->m.refused = 0;
		a->m.incident = 0;
		a->m.jump_s = 0;
		a->dirty = true;
	}
}

static void
count_vendors(struct core *c)
{
	for (size_t i = 0; i < c->vendors; i++)
		c->vendor[i]->links_ab = c->vendor[i]->down_ab = 0;
	for (size_t i = 0; i < c->links; i++) {
		struct link_entry *l = c->link[i];

		if (l->vendor == NULL || l->conf->class_ > CLASS_B)
			continue;
		l->vendor->links_ab++;
		l->vendor->down_ab += l->m.shown == LINK_DOWN;
	}
}

/* Names of vendors and agents, then the links, old ones with their memory. */
static void
apply_names(struct core *c)
{
	for (size_t i = 0; i < c->vendors; i++)
		c->vendor[i]->conf = NULL;
	for (size_t i = 0; i < c->agents; i++) {
		c->agent[i]->conf = NULL;
		c->agent[i]->links = 0;
	}
	for (size_t i = 0; i < c->plan->n_vendor; i++)
		save_vendor(c, c->plan->vendor[i]->id)->conf = c->plan->vendor[i];
	for (size_t i = 0; i < c->plan->n_agent; i++)
		agent_make(c, c->plan->agent[i]->id)->conf = c->plan->agent[i];
}

static void
apply_links(struct core *c, struct hashmap *old)
{
	char key[KEY_MAX];

	c->link = xcalloc(c->plan->n_link + 1, sizeof(struct link_entry *));
	c->links = 0;
	for (size_t i = 0; i < c->plan->n_link; i++) {
		const Linkwatch__Pb__Link *conf = c->plan->link[i];
		struct link_entry *l;

		link_key(key, conf->agent, conf->id);
		if (hashmap_get(c->link_by_key, key) != NULL)
			continue;	/* twice in the plan: the first counts */
		l = hashmap_del(old, key);
		if (l == NULL)
			l = link_make(c, conf);
		l->conf = conf;
		l->agent = agent_make(c, conf->agent);
		l->vendor = conf->vendor[0] == '\0' ? NULL : save_vendor(c, conf->vendor);
		if (l->agent->links++ == 0 || conf->step_ms < l->agent->min_step_ms)
			l->agent->min_step_ms = conf->step_ms;
		link_limits(c, l);
		hashmap_put(c->link_by_key, key, l);
		c->link[c->links++] = l;
	}
}

int
save_plan(struct core *c, const Linkwatch__Pb__Plan *p, bool announce)
{
	Linkwatch__Pb__Plan *before = c->plan;
	struct hashmap *old = c->link_by_key;
	struct link_entry **list = c->link;
	size_t n = c->links;

	if (announce && before != NULL && p->revision != 0 && p->revision == before->revision)
		return 0;
	c->plan = copy_plan(p);
	c->link_by_key = hashmap_new();
	apply_names(c);
	apply_links(c, old);
	for (size_t i = 0; i < n; i++) {
		char key[KEY_MAX];

		if (hashmap_del(old, link_key(key, list[i]->conf->agent, list[i]->conf->id)) == NULL)
			continue;	/* it stays */
		link_gone(c, list[i]);
		free(list[i]);
	}
	free(list);
	hashmap_free(old);
	if (before != NULL)
		linkwatch__pb__plan__free_unpacked(before, NULL);
	count_vendors(c);
	if (announce)
		agents_gone(c);
	return 0;
}

/* ----------------------------------------------------------------------- saving */

static void
save_blob(struct core *c, enum decision_type type, const char *agent, const char *link,
    const void *data, size_t len)
{
	struct decision d = { .type = type,
		.blob = { .agent = agent, .link = link, .data = data, .len = len } };

	out_add(c, &d);
}

static void
save_link(struct core *c, struct link_entry *l)
{
	if (l == NULL || !l->dirty)
		return;
	save_blob(c, DEC_LINK_SAVE, l->conf->agent, l->conf->id, &l->m, sizeof(l->m));
	l->dirty = false;
}

static void
save_agent(struct core *c, struct agent_state *a)
{
	if (a == NULL || !a->dirty)
		return;
	save_blob(c, DEC_AGENT_SAVE, a->id, "", &a->m, sizeof(a->m));
	a->dirty = false;
}

void
save_dirty(struct core *c)
{
	for (size_t i = 0; i < c->entries; i++)
		if (c->entry[i]->dirty) {
			struct decision d = { .type = DEC_INCIDENT, .incident = &c->entry[i]->inc };

			c->entry[i]->dirty = false;
			c->entry[i]->inc.version++;
			out_add(c, &d);
		}
	if (c->ev->type == EV_SAMPLE) {		/* touches one link: no need to look at all */
		save_link(c, save_find_link(c, c->ev->agent, c->ev->sample->link));
		save_agent(c, save_find_agent(c, c->ev->agent));
	} else {
		for (size_t i = 0; i < c->links; i++)
			save_link(c, c->link[i]);
		for (size_t i = 0; i < c->agents; i++)
			save_agent(c, c->agent[i]);
	}
	for (size_t i = 0; i < c->vendors; i++)
		if (c->vendor[i]->dirty) {
			save_blob(c, DEC_AGENT_SAVE, out_text(c, "@vendor/%s", c->vendor[i]->id), "",
			    &c->vendor[i]->m, sizeof(c->vendor[i]->m));
			c->vendor[i]->dirty = false;
		}
	for (size_t i = 0; i < c->contacts; i++)
		if (c->contact[i]->dirty) {
			save_blob(c, DEC_AGENT_SAVE, out_text(c, "@contact/%s", c->contact[i]->id),
			    "", &c->contact[i]->m, sizeof(c->contact[i]->m));
			c->contact[i]->dirty = false;
		}
	if (c->dirty) {
		save_blob(c, DEC_AGENT_SAVE, "@core", "", &c->m, sizeof(c->m));
		c->dirty = false;
	}
}

/* -------------------------------------------------------------------- restoring */

int
core_restore_plan(struct core *c, const Linkwatch__Pb__Plan *p)
{
	return save_plan(c, p, false);
}

int
core_restore_incident(struct core *c, const struct incident *inc)
{
	struct entry *e;
	size_t at = c->entries;

	if (inc->number == 0 || inc->grade < 1 || inc->grade > GRADES ||
	    inc->told_n > INCIDENT_TOLD || incident_find(c, inc->number) != NULL)
		return -EINVAL;
	e = xcalloc(1, sizeof(*e));
	incident_copy(&e->inc, inc);
	c->entry = xreallocarray(c->entry, c->entries + 1, sizeof(struct entry *));
	while (at > 0 && c->entry[at - 1]->inc.number > inc->number) {
		c->entry[at] = c->entry[at - 1];
		at--;
	}
	c->entry[at] = e;
	c->entries++;
	if (inc->number > c->last_incident)
		c->last_incident = inc->number;
	return 0;
}

int
core_restore_anomaly(struct core *c, const struct anomaly *a)
{
	struct link_entry *l = save_find_link(c, a->agent, a->link);

	if (a->id > c->last_anomaly)
		c->last_anomaly = a->id;
	if (a->end.ns != 0)
		return -EINVAL;
	if (a->link[0] == '\0') {
		c->condition = xreallocarray(c->condition, c->conditions + 1,
		    sizeof(*c->condition));
		c->condition[c->conditions++] = *a;
		return 0;
	}
	for (size_t row = 0; l != NULL && detect_table[row] != NULL; row++)
		if (detect_table[row]->kind == a->kind && l->active[row] == NULL) {
			l->active[row] = xcalloc(1, sizeof(*a));
			*l->active[row] = *a;
			return 0;
		}
	return -EINVAL;
}

static bool
blob_fits(const struct dec_blob *b, uint32_t magic, size_t size)
{
	struct mem_head head;

	if (b->len != size)
		return false;
	memcpy(&head, b->data, sizeof(head));
	return head.magic == save_head(magic, size).magic && head.size == size;
}

/* What the detectors of a link remembered can be what they would have written. */
static bool
heads_are_sane(const struct link_mem *m)
{
	for (size_t row = 0; detect_table[row] != NULL; row++) {
		struct detect_head h;

		memcpy(&h, (const char *)m->detect + detect_offset(row), sizeof(h));
		if (h.raised > 1 || h.severity > SEVERITY_INFO)
			return false;
	}
	return true;
}

int
core_restore_link(struct core *c, const struct dec_blob *b)
{
	struct link_entry *l = save_find_link(c, b->agent, b->link);
	struct link_mem m;

	if (l == NULL || !blob_fits(b, LINK_MAGIC, sizeof(m)))
		return -EINVAL;
	memcpy(&m, b->data, sizeof(m));
	if (m.state > LINK_NOT_OBSERVED || m.shown > LINK_NOT_OBSERVED || m.changes >= 2 * CHANGES ||
	    !heads_are_sane(&m))
		return -EINVAL;
	l->m = m;
	l->dirty = false;
	return 0;
}

static int
restore_own(struct core *c, const struct dec_blob *b)
{
	const char *id = strchr(b->agent, '/');

	if (strcmp(b->agent, "@core") == 0 && blob_fits(b, CORE_MAGIC, sizeof(c->m))) {
		memcpy(&c->m, b->data, sizeof(c->m));
		return 0;
	}
	if (id == NULL || strlen(id + 1) > ID_MAX)
		return -EINVAL;
	if (strncmp(b->agent, "@vendor/", 8) == 0 &&
	    blob_fits(b, VENDOR_MAGIC, sizeof(struct vendor_mem))) {
		memcpy(&save_vendor(c, id + 1)->m, b->data, b->len);
		return 0;
	}
	if (strncmp(b->agent, "@contact/", 9) == 0 &&
	    blob_fits(b, CONTACT_MAGIC, sizeof(struct contact_mem))) {
		struct contact_mem m;

		memcpy(&m, b->data, sizeof(m));
		if (m.budget.next >= BUDGET_DAY || m.budget.n > BUDGET_DAY)
			return -EINVAL;
		save_contact(c, id + 1)->m = m;
		return 0;
	}
	return -EINVAL;
}

int
core_restore_agent(struct core *c, const struct dec_blob *b)
{
	struct agent_state *a;

	if (b->agent[0] == '@')
		return restore_own(c, b);
	a = save_find_agent(c, b->agent);
	if (a == NULL && blob_fits(b, AGENT_MAGIC, sizeof(a->m)) && id_is_valid(b->agent))
		a = agent_make(c, b->agent);	/* it left the plan, and may come back */
	if (a == NULL || !blob_fits(b, AGENT_MAGIC, sizeof(a->m)))
		return -EINVAL;
	memcpy(&a->m, b->data, sizeof(a->m));
	a->m.address[sizeof(a->m.address) - 1] = '\0';
	a->dirty = false;
	return 0;
}

void
save_attach(struct core *c, struct link_entry *l)
{
	for (int cls = 0; cls < FAULT_CLASSES; cls++) {
		struct entry *e = incident_find(c, l->m.incident[cls]);

		if (e != NULL && incident_is_open(&e->inc))
			incident_attach(e, l);
		else
			l->m.incident[cls] = 0;
	}
}

void
core_restore_done(struct core *c, uint64_t last_incident, uint64_t last_anomaly, struct wall now)
{
	for (size_t i = 0; i < c->links; i++)
		save_attach(c, c->link[i]);
	count_vendors(c);
	if (last_incident > c->last_incident)
		c->last_incident = last_incident;
	if (last_anomaly > c->last_anomaly)
		c->last_anomaly = last_anomaly;
	if (c->m.feed_up && now.ns > c->m.now + AWAY_NS) {
		/* We were away: nobody was silent for that reason. */
		c->m.feed_up = 0;
		c->m.feed_since = now.ns;
	}
	c->now = now;
}
