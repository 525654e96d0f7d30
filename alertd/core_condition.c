/*
 * core_condition.c - incidents that belong to no link: a silent agent, a wrong
 * clock, a fault of the monitor itself.
 *
 * A condition has a name (its fingerprint, "silent:a1"); whoever sees it begin
 * and end says so, and it lives like any other incident in between.
 */
#include <stdio.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"
#include "common/utf.h"

static struct anomaly *
condition_of(struct core *c, uint64_t incident)
{
	for (size_t i = 0; i < c->conditions; i++)
		if (c->condition[i].incident == incident)
			return &c->condition[i];
	return NULL;
}

static void
condition_anomaly(struct core *c, struct entry *e, const char *agent, struct wall since,
    const char *note)
{
	struct anomaly *a;

	if (condition_of(c, e->inc.number) != NULL)
		return;
	c->condition = xreallocarray(c->condition, c->conditions + 1, sizeof(*c->condition));
	a = &c->condition[c->conditions++];
	*a = (struct anomaly){ .id = ++c->last_anomaly, .kind = e->inc.kind,
		.severity = e->inc.severity, .start = since, .evidence_first = c->ev->journal_seq,
		.evidence_last = c->ev->journal_seq, .incident = e->inc.number };
	snprintf(a->agent, sizeof(a->agent), "%s", agent);
	snprintf(a->evidence, sizeof(a->evidence), "{\"since\":%.3f,\"connected\":%s}",
	    (double)since.ns / 1e9, strstr(note, "connected") == note ? "true" : "false");
	incident_tell_anomaly(c, a);
}

static void
condition_anomaly_end(struct core *c, const struct entry *e, struct wall at)
{
	struct anomaly *a = condition_of(c, e->inc.number);

	if (a == NULL)
		return;
	a->end = at;
	a->evidence_last = c->ev->journal_seq;
	incident_tell_anomaly(c, a);
	*a = c->condition[--c->conditions];
}

/* Agents of one zone that fall silent together are one problem. */
static struct entry *
related_silence(struct core *c, const struct agent_state *a)
{
	for (size_t i = 0; a != NULL && a->conf != NULL && i < c->entries; i++) {
		struct entry *e = c->entry[i];
		int64_t window = policy_limits(c->policy, e->inc.grade)->group;

		if (e->inc.kind == ANOMALY_SILENT && incident_is_active(e) &&
		    e->inc.outage_start.ns != 0 && c->now.ns - e->inc.opened.ns <= window &&
		    a->conf->vendor[0] != '\0' && strcmp(e->inc.vendor, a->conf->vendor) == 0 &&
		    strcmp(e->inc.zone, a->conf->zone) == 0)
			return e;
	}
	return NULL;
}

static struct entry *
open_condition(struct core *c, const char *fingerprint, enum anomaly_kind kind,
    const struct agent_state *agent, const char *zh, const char *en, struct wall since)
{
	enum severity severity = kind == ANOMALY_CLOCK ? SEVERITY_MINOR : SEVERITY_MAJOR;
	struct entry *e = incident_new(c, fingerprint, kind, severity, since);

	if (agent != NULL)
		snprintf(e->inc.agent, sizeof(e->inc.agent), "%s", agent->id);
	if (agent != NULL && agent->conf != NULL) {
		snprintf(e->inc.vendor, sizeof(e->inc.vendor), "%s", agent->conf->vendor);
		snprintf(e->inc.zone, sizeof(e->inc.zone), "%s", agent->conf->zone);
	}
	incident_put_line(e->inc.object_zh, sizeof(e->inc.object_zh), zh);
	incident_put_line(e->inc.object_en, sizeof(e->inc.object_en), en);
	return e;
}

void
incident_condition(struct core *c, const char *fingerprint, enum anomaly_kind kind,
    const struct agent_state *agent, const char *zh, const char *en, struct wall since,
    const char *note)
{
	struct entry *e = incident_by_fingerprint(c, fingerprint);
	bool made = false;

	if (e != NULL && !incident_is_active(e) &&
	    since.ns - e->inc.recovered.ns > c->policy->life.relapse)
		e = NULL;
	if (e == NULL && kind == ANOMALY_SILENT)
		e = related_silence(c, agent);
	if (e == NULL) {
		e = open_condition(c, fingerprint, kind, agent, zh, en, since);
		made = true;
	}
	if (agent != NULL) {
		uint32_t before = e->inc.links;

		incident_list_put(e, agent->id, "", LINK_NOT_OBSERVED);
		if (before > 0 && e->inc.links > before) {
			out_log(c, e, "join", "", "", agent->id);
			snprintf(e->inc.object_zh, sizeof(e->inc.object_zh), "%.*s等%u个探针",
			    (int)utf_cut(zh, 8), zh, e->inc.links);
			snprintf(e->inc.object_en, sizeof(e->inc.object_en), "%.*s +%u",
			    (int)utf_cut(en, 11), en, e->inc.links - 1);
		}
	}
	incident_titles(c, e);
	incident_touch(c, e);
	if (made)
		life_opened(c, e);
	else
		incident_problem_on(c, e, since.ns);
	condition_anomaly(c, e, agent == NULL ? "" : agent->id, since, note);
	out_log(c, e, "evidence", "", "", note);
}

void
incident_condition_end(struct core *c, const char *fingerprint, struct wall at)
{
	struct entry *e = incident_by_fingerprint(c, fingerprint);

	if (e == NULL)
		return;
	for (uint32_t i = 0; i < e->inc.links && i < INCIDENT_LINKS; i++)
		e->inc.link_list[i].state = LINK_UP;
	e->inc.link_state = LINK_UP;
	incident_problem_off(c, e, at.ns);
	condition_anomaly_end(c, e, at);
	incident_touch(c, e);
}
