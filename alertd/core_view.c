/*
 * core_view.c - looking at the core: for status, page and MIB.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"

const char *
core_cause_name(enum link_state state, uint32_t cause)
{
	if (cause == 0)
		return "";
	if (state != LINK_NOT_OBSERVED)
		return anomaly_kind_name(cause);
	return cause > CAUSE_OF_ANOMALY ? anomaly_kind_name(cause - CAUSE_OF_ANOMALY) :
	    cause_name(cause);
}

static uint64_t
open_incident(const struct core *c, const struct link_entry *l)
{
	for (int cls = 0; cls < FAULT_CLASSES; cls++) {
		const struct entry *e = incident_find(c, l->m.incident[cls]);

		if (e != NULL && incident_is_open(&e->inc))
			return e->inc.number;
	}
	return 0;
}

void
core_each_link(const struct core *c, void (*each)(void *arg, const struct link_view *), void *arg)
{
	for (size_t i = 0; i < c->links; i++) {
		const struct link_entry *l = c->link[i];
		uint32_t sent = l->view_sent[0] + l->view_sent[1] + l->view_sent[2];
		uint32_t lost = l->view_lost[0] + l->view_lost[1] + l->view_lost[2];
		struct link_view v = { .agent = l->conf->agent, .link = l->conf->id,
			.conf = l->conf, .last_sample.ns = l->m.last_start,
			.loss = sent == 0 ? NAN : (double)lost / sent,
			.rtt_p50_ns = sent == 0 ? NAN : l->view_rtt_ns,
			.incident = open_incident(c, l), .values = l->values };

		v.state = link_state_now(c, l, &v.cause);
		v.since.ns = l->m.blind != 0 ? l->m.blind_since : l->m.state_since;
		memcpy(v.value, l->value, sizeof(v.value));
		each(arg, &v);
	}
}

void
core_each_agent(const struct core *c, void (*each)(void *arg, const struct agent_view *),
    void *arg)
{
	for (size_t i = 0; i < c->agents; i++) {
		const struct agent_state *a = c->agent[i];
		struct agent_view v = { .agent = a->id, .conf = a->conf,
			.connected = a->m.connected, .silent = a->m.silent,
			.last_batch.ns = a->m.heard_s * NS_PER_S, .since.ns = a->m.since,
			.health = a->health, .address = a->m.address, .incident = a->m.incident };

		if (a->conf != NULL || a->links > 0)
			each(arg, &v);
	}
}

void
core_each_incident(const struct core *c, void (*each)(void *arg, const struct incident *),
    void *arg)
{
	for (size_t i = 0; i < c->entries; i++)
		each(arg, &c->entry[i]->inc);
}

const struct incident *
core_incident(const struct core *c, uint64_t number)
{
	const struct entry *e = incident_find(c, number);

	return e == NULL ? NULL : &e->inc;
}

static json_t *
ledger_json(const struct ledger_sum *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "from", json_real((double)s->from_ns / 1e9));
	json_object_set_new(o, "to", json_real((double)s->to_ns / 1e9));
	for (uint32_t i = LINK_UP; i < LEDGER_STATES; i++)
		json_object_set_new(o, link_state_name(i), json_real((double)s->ns[i] / 1e9));
	return o;
}

/* What each detector that watches this link goes by. */
static json_t *
detectors_json(const struct link_entry *l)
{
	json_t *all = json_object();

	for (size_t row = 0; detect_table[row] != NULL; row++) {
		const char *state = (const char *)l->m.detect + detect_offset(row);
		char buf[DETECT_EVIDENCE];
		json_t *o;

		if ((detect_table[row]->probes & 1u << l->conf->probe) == 0)
			continue;
		detect_table[row]->evidence(state, &l->limits, buf, sizeof(buf));
		o = json_loads(buf, 0, NULL);
		if (o == NULL)
			o = json_object();
		json_object_set_new(o, "raised",
		    json_boolean(((const struct detect_head *)state)->raised));
		json_object_set_new(all, detect_table[row]->keyword, o);
	}
	return all;
}

int
core_why(const struct core *c, const char *agent, const char *link, char *buf, size_t n)
{
	const struct link_entry *l = save_find_link(c, agent, link);
	uint32_t cause;
	json_t *o, *ledger;
	size_t len;

	if (l == NULL)
		return -ENOENT;
	o = json_object();
	ledger = json_object();
	json_object_set_new(o, "state", json_string(link_state_name(link_state_now(c, l, &cause))));
	json_object_set_new(o, "cause", json_string(core_cause_name(link_state_now(c, l, &cause),
	    cause)));
	json_object_set_new(o, "by_samples", json_string(l->m.state == 0 ? "none yet" :
	    link_state_name(l->m.state)));
	json_object_set_new(o, "unseen_steps", json_integer(l->m.unseen));
	json_object_set_new(o, "unseen_cause", json_string(cause_name(l->m.unseen_cause)));
	json_object_set_new(o, "flapping", json_boolean(link_is_flapping(c, l)));
	json_object_set_new(o, "planned", json_boolean(l->m.planned));
	json_object_set_new(o, "detectors", detectors_json(l));
	json_object_set_new(ledger, "all", ledger_json(&l->m.ledger.all));
	json_object_set_new(ledger, "month", ledger_json(&l->m.ledger.month));
	json_object_set_new(ledger, "last_month", ledger_json(&l->m.ledger.last_month));
	json_object_set_new(o, "ledger", ledger);
	len = json_dumpb(o, buf, n, JSON_REAL_PRECISION(12));
	json_decref(o);
	if (len >= n)
		return -ENOSPC;
	buf[len] = '\0';
	return 0;
}
