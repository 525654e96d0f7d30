/*
 * core_incident.c - anomalies become incidents; an incident's problem comes,
 * goes and returns.
 *
 * One problem is one incident: a link that is already in one stays in it; a
 * link that fails at the same time as others on the same target, chain, agent
 * or zone joins theirs; a fault that returns within a day is the old one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "alertd/correlate.h"
#include "common/mem.h"
#include "common/utf.h"

/* ------------------------------------------------------------------- finding */

/* Cancelled so long ago that only the database knows it, whether it has left memory or not. */
static bool
is_forgotten(const struct core *c, const struct entry *e)
{
	return !incident_is_open(&e->inc) && e->inc.state != INC_CLOSED &&
	    c->now.ns - e->inc.updated.ns >= c->policy->life.keep;
}

struct entry *
incident_find(const struct core *c, uint64_t number)
{
	size_t low = 0, high = c->entries;

	while (number != 0 && low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->entry[mid]->inc.number == number)
			return is_forgotten(c, c->entry[mid]) ? NULL : c->entry[mid];
		if (c->entry[mid]->inc.number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct entry *
incident_by_fingerprint(const struct core *c, const char *fingerprint)
{
	struct entry *recovered = NULL;

	for (size_t i = c->entries; i > 0; i--) {
		struct entry *e = c->entry[i - 1];

		if (strcmp(e->inc.fingerprint, fingerprint) != 0)
			continue;
		if (incident_is_active(e))
			return e;
		if (recovered == NULL && incident_is_open(&e->inc))
			recovered = e;
	}
	return recovered;
}

bool
incident_is_active(const struct entry *e)
{
	return e->inc.state == INC_OPEN || e->inc.state == INC_HANDLING ||
	    e->inc.state == INC_HOLD;
}

void
incident_touch(struct core *c, struct entry *e)
{
	e->dirty = true;
	e->inc.updated = c->now;
}

void
incident_state(struct core *c, struct entry *e, enum incident_state to, const char *what,
    const char *note)
{
	out_log(c, e, what, incident_state_name(e->inc.state), incident_state_name(to), note);
	e->inc.state = to;
	incident_touch(c, e);
}

void
incident_attach(struct entry *e, struct link_entry *l)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->link[i] == l)
			return;
	if (e->n == e->room) {
		e->room = e->room == 0 ? 4 : 2 * e->room;
		e->link = xreallocarray(e->link, e->room, sizeof(struct link_entry *));
	}
	e->link[e->n++] = l;
}

void
incident_forget_link(struct entry *e, const struct link_entry *l)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->link[i] == l) {
			e->link[i] = e->link[--e->n];
			return;
		}
}

void
incident_detach(struct core *c, struct entry *e)
{
	(void)c;
	for (size_t i = 0; i < e->n; i++)
		for (int cls = 0; cls < FAULT_CLASSES; cls++)
			if (e->link[i]->m.incident[cls] == e->inc.number) {
				e->link[i]->m.incident[cls] = 0;
				e->link[i]->dirty = true;
			}
	e->n = 0;
}

void
incident_drop(struct core *c, struct entry *e)
{
	for (size_t i = 0; i < c->entries; i++)
		if (c->entry[i] == e) {
			memmove(&c->entry[i], &c->entry[i + 1],
			    (c->entries - i - 1) * sizeof(struct entry *));
			c->entries--;
			break;
		}
	incident_detach(c, e);
	c->dropped = xreallocarray(c->dropped, c->dropped_n + 1, sizeof(struct entry *));
	c->dropped[c->dropped_n++] = e;
}

/* --------------------------------------------------------------------- titles */

void
incident_put_line(char *buf, size_t n, const char *s)
{
	size_t at = 0, len;
	uint32_t cp;

	while (*s != '\0' && at + 5 < n) {
		len = utf_next(s, strlen(s), &cp);
		if (len > 0 && utf_is_printable(cp)) {
			memcpy(buf + at, s, len);
			at += len;
		}
		s += len > 0 ? len : 1;
	}
	buf[at] = '\0';
}

static const char *
either(const char *a, const char *b)
{
	return a != NULL && *a != '\0' ? a : b;
}

/* "A云浦东专线" "A-Pudong": code of the vendor, short name of the link. */
static void
link_object(const struct link_entry *l, char *zh, char *en, size_t n)
{
	const Linkwatch__Pb__Vendor *v = l->vendor == NULL ? NULL : l->vendor->conf;
	char buf[256];

	snprintf(buf, sizeof(buf), "%s%s", v == NULL ? "" : v->code,
	    either(l->conf->short_zh, either(l->conf->name_zh, l->conf->id)));
	incident_put_line(zh, n, buf);
	snprintf(buf, sizeof(buf), "%s%s%s", v == NULL ? "" : either(v->code_en, v->id),
	    v == NULL ? "" : "-",
	    either(l->conf->short_en, either(l->conf->name_en, l->conf->id)));
	incident_put_line(en, n, buf);
}

void
incident_titles(struct core *c, struct entry *e)
{
	struct incident *inc = &e->inc;
	struct link_entry *l = save_find_link(c, inc->agent, inc->link);
	char zh[48], en[48];

	if (l != NULL) {
		link_object(l, zh, en, sizeof(zh));
		if (inc->links > 1) {
			snprintf(inc->object_zh, sizeof(inc->object_zh), "%.*s等%u条",
			    (int)utf_cut(zh, 11), zh, inc->links);
			snprintf(inc->object_en, sizeof(inc->object_en), "%.*s +%u",
			    (int)utf_cut(en, 11), en, inc->links - 1);
		} else {
			snprintf(inc->object_zh, sizeof(inc->object_zh), "%s", zh);
			snprintf(inc->object_en, sizeof(inc->object_en), "%s", en);
		}
	}
	snprintf(inc->title_zh, sizeof(inc->title_zh), "%s%s", inc->object_zh,
	    message_state(inc->kind, LANG_ZH));
	snprintf(inc->title_en, sizeof(inc->title_en), "%s%s%s", inc->object_en,
	    inc->kind == ANOMALY_SELF ? "" : " ", message_state(inc->kind, LANG_EN));
}

/* --------------------------------------------------------------------- locating */

/* A sample speaks for a segment only if it is newer than the failure it is held against. */
static enum segment_health
health_of(const struct link_entry *l, int64_t first_fail)
{
	if (l->m.blind != 0 || l->m.state == 0 || l->m.state == LINK_NOT_OBSERVED)
		return HEALTH_UNKNOWN;
	if (link_is_bad(l, FAULT_PATH))
		return HEALTH_BROKEN;
	return l->m.last_start >= first_fail ? HEALTH_GOOD : HEALTH_UNKNOWN;
}

void
incident_locate(struct core *c, struct entry *e)
{
	enum segment_health health[SEG_APP + 1] = { 0 };
	char text[sizeof(e->inc.located)];
	const char *chain = NULL;
	enum segment seg;

	for (size_t i = 0; i < e->n; i++) {
		const Linkwatch__Pb__Link *conf = e->link[i]->conf;

		if (conf->chain[0] != '\0' && conf->segment != 0 &&
		    (chain == NULL || strcmp(conf->chain, chain) < 0))
			chain = conf->chain;
	}
	if (chain == NULL)
		return;
	for (size_t i = 0; i < c->links; i++) {
		const struct link_entry *l = c->link[i];
		uint32_t s = l->conf->segment;
		enum segment_health h;

		if (strcmp(l->conf->chain, chain) != 0 || s == SEG_NONE || s > SEG_APP)
			continue;
		h = health_of(l, e->inc.first_fail.ns);
		if (h > health[s])
			health[s] = h;
	}
	seg = correlate_locate(health, text, sizeof(text));
	if (seg == SEG_NONE ||
	    (seg == e->inc.segment && strcmp(text, e->inc.located) == 0))
		return;		/* where it was is kept once it is over */
	e->inc.segment = seg;
	snprintf(e->inc.located, sizeof(e->inc.located), "%s", text);
	incident_touch(c, e);
}

/* ---------------------------------------------------------------------- opening */

static uint16_t
free_code(const struct core *c, uint64_t number)
{
	for (uint64_t k = number; ; k++) {
		uint16_t code = (uint16_t)(k % 10000);
		bool taken = code == 0;

		for (size_t i = 0; i < c->entries && !taken; i++)
			taken = incident_is_open(&c->entry[i]->inc) &&
			    c->entry[i]->inc.code == code;
		if (!taken || k > number + 10000)
			return code;
	}
}

struct entry *
incident_new(struct core *c, const char *fingerprint, enum anomaly_kind kind, enum severity severity,
    struct wall since)
{
	struct entry *e = xcalloc(1, sizeof(*e));
	struct incident *inc = &e->inc;

	inc->number = ++c->last_incident;
	inc->code = free_code(c, inc->number);
	snprintf(inc->fingerprint, sizeof(inc->fingerprint), "%s", fingerprint);
	inc->state = INC_OPEN;
	inc->kind = kind;
	inc->severity = severity;
	inc->link_state = LINK_NOT_OBSERVED;
	inc->first_fail = inc->outage_start = since;
	inc->opened = inc->raise_base = c->now;
	inc->evidence = c->ev->journal_seq;
	inc->stale = c->ev->stale;
	c->entry = xreallocarray(c->entry, c->entries + 1, sizeof(struct entry *));
	c->entry[c->entries++] = e;
	return e;
}

void
incident_list_put(struct entry *e, const char *agent, const char *link, enum link_state state)
{
	uint32_t n = e->inc.links < INCIDENT_LINKS ? e->inc.links : INCIDENT_LINKS;
	struct incident_link *slot;

	for (uint32_t i = 0; i < n; i++) {
		slot = &e->inc.link_list[i];
		if (strcmp(slot->agent, agent) == 0 && strcmp(slot->link, link) == 0) {
			slot->state = state;
			return;
		}
	}
	if (e->inc.links < INCIDENT_LINKS) {
		slot = &e->inc.link_list[e->inc.links];
		snprintf(slot->agent, sizeof(slot->agent), "%s", agent);
		snprintf(slot->link, sizeof(slot->link), "%s", link);
		slot->state = state;
	}
	e->inc.links++;
}

static int
badness(enum link_state s)
{
	/* up, degraded, down, planned, not observed */
	static const int rank[] = { 0, 1, 3, 5, 2, 4 };

	return rank[s];
}

/* Refreshes its links' states and the worst of them. */
static void
refresh_states(struct core *c, struct entry *e)
{
	enum link_state worst = e->n > 0 ? LINK_UP : e->inc.link_state;
	uint32_t cause;

	for (size_t i = 0; i < e->n; i++) {
		enum link_state s = link_state_now(c, e->link[i], &cause);

		for (uint32_t k = 0; k < e->inc.links && k < INCIDENT_LINKS; k++)
			if (strcmp(e->inc.link_list[k].agent, e->link[i]->conf->agent) == 0 &&
			    strcmp(e->inc.link_list[k].link, e->link[i]->conf->id) == 0 &&
			    e->inc.link_list[k].state != s) {
				e->inc.link_list[k].state = s;
				incident_touch(c, e);
			}
		if (badness(s) > badness(worst))
			worst = s;
	}
	if (worst != e->inc.link_state) {
		e->inc.link_state = worst;
		incident_touch(c, e);
	}
}

static void
join(struct core *c, struct entry *e, struct link_entry *l, enum fault_class cls)
{
	uint32_t cause, before = e->inc.links;

	l->m.incident[cls] = e->inc.number;
	l->dirty = true;
	incident_attach(e, l);
	incident_list_put(e, l->conf->agent, l->conf->id, link_state_now(c, l, &cause));
	if (before > 0 && e->inc.links > before)
		out_log(c, e, "join", "", "", out_text(c, "%s/%s", l->conf->agent, l->conf->id));
	incident_locate(c, e);
	incident_titles(c, e);
	incident_touch(c, e);
}

static struct entry *
open_for_link(struct core *c, struct link_entry *l, enum fault_class cls,
    const struct anomaly *a)
{
	static const char *const names[] = { "path", "capacity", "errors" };
	struct entry *e = incident_new(c, out_text(c, "%s:%s/%s", names[cls], l->conf->agent,
	    l->conf->id), a->kind, a->severity, a->start);

	snprintf(e->inc.agent, sizeof(e->inc.agent), "%s", l->conf->agent);
	snprintf(e->inc.link, sizeof(e->inc.link), "%s", l->conf->id);
	snprintf(e->inc.vendor, sizeof(e->inc.vendor), "%s", l->conf->vendor);
	snprintf(e->inc.zone, sizeof(e->inc.zone), "%s", l->conf->zone);
	e->inc.segment = l->conf->segment <= SEG_APP ? (enum segment)l->conf->segment : SEG_NONE;
	if (a->evidence_first != 0)
		e->inc.evidence = a->evidence_first;
	join(c, e, l, cls);
	life_opened(c, e);
	return e;
}

/* ------------------------------------------------------------------ correlation */

/* Does a new fault of l belong to e? */
static bool
belongs(const struct core *c, const struct entry *e, const struct link_entry *l)
{
	int64_t window = policy_limits(c->policy, e->inc.grade)->group;
	bool fresh = c->now.ns - e->inc.opened.ns <= window;
	enum tie best = TIE_NONE;

	for (size_t i = 0; i < e->n; i++) {
		const struct link_entry *o = e->link[i];
		enum tie t = correlate_links(l->conf, o->conf);

		if (t > best)
			best = t;
		/* What lies behind a broken segment is its consequence, however late. */
		if (t == TIE_CHAIN && o->conf->segment != 0 && l->conf->segment > o->conf->segment &&
		    link_is_bad(o, FAULT_PATH))
			return true;
	}
	return fresh && best != TIE_NONE;
}

static struct entry *
find_related(struct core *c, struct link_entry *l)
{
	struct vendor_state *v = l->vendor;
	struct entry *e;

	for (size_t i = 0; i < c->entries; i++) {
		e = c->entry[i];
		if (incident_is_active(e) && e->n > 0 && fault_class_of(e->inc.kind) == FAULT_PATH &&
		    e->inc.kind != ANOMALY_SILENT && belongs(c, e, l))
			return e;
	}
	if (v == NULL || !v->m.in_storm)
		return NULL;
	e = incident_find(c, v->m.storm_incident);
	return e != NULL && incident_is_active(e) && e->n > 0 ? e : NULL;
}

/* Does the incident name this link? */
static bool
names_link(const struct entry *e, const struct link_entry *l)
{
	for (uint32_t i = 0; i < e->inc.links && i < INCIDENT_LINKS; i++)
		if (strcmp(e->inc.link_list[i].agent, l->conf->agent) == 0 &&
		    strcmp(e->inc.link_list[i].link, l->conf->id) == 0)
			return true;
	return false;
}

struct entry *
incident_naming(const struct core *c, const struct link_entry *l, enum fault_class cls)
{
	for (size_t i = 0; i < c->entries; i++) {
		struct entry *e = c->entry[i];

		if (incident_is_active(e) && e->inc.link[0] != '\0' &&
		    fault_class_of(e->inc.kind) == cls && names_link(e, l))
			return e;
	}
	return NULL;
}

/* The incident of a link's fault: its own, a related one, or a new one. */
static struct entry *
entry_for(struct core *c, struct link_entry *l, const struct anomaly *a)
{
	enum fault_class cls = fault_class_of(a->kind);
	struct entry *e = incident_find(c, l->m.incident[cls]);

	if (e != NULL && incident_is_active(e))
		return e;
	if (e != NULL && incident_is_open(&e->inc)) {
		if (incident_naming(c, l, cls) == NULL &&
		    a->start.ns - e->inc.recovered.ns <= c->policy->life.relapse)
			return e;
		incident_forget_link(e, l);
		incident_touch(c, e);
	}
	l->m.incident[cls] = 0;
	e = incident_naming(c, l, cls);	/* it left the plan and came back */
	if (e == NULL && cls == FAULT_PATH)
		e = find_related(c, l);
	if (e == NULL)
		return open_for_link(c, l, cls, a);
	join(c, e, l, cls);
	return e;
}

/* ---------------------------------------------------------- problems come and go */

static void
relapse(struct core *c, struct entry *e)
{
	bool acked = e->inc.acked.ns != 0;

	e->inc.relapses++;
	e->inc.recovered.ns = 0;
	incident_state(c, e, acked ? INC_HANDLING : INC_OPEN, "relapse", "");
	e->inc.raise_base = c->now;
	e->inc.overdue = false;
	escalate_limit(c->policy, &e->inc);
	if (e->inc.announced.ns != 0) {
		escalate_start(c->policy, &e->inc, c->now);
		if (acked)
			escalate_acked(c->policy, &e->inc, c->now);
		notify(c, e, MSG_RELAPSE, 0);
	} else if (e->inc.announce_at.ns == 0 && !e->inc.stormy) {
		life_schedule(c, e);	/* only in a digest so far */
	}
}

void
incident_problem_on(struct core *c, struct entry *e, int64_t since)
{
	if (e->inc.outage_start.ns != 0)
		return;
	e->inc.outage_start.ns = since;
	e->inc.clean_since.ns = 0;
	incident_touch(c, e);
	if (e->inc.state == INC_RECOVERED || e->inc.state == INC_REVIEW)
		relapse(c, e);
}

void
incident_problem_off(struct core *c, struct entry *e, int64_t at)
{
	if (e->inc.outage_start.ns == 0)
		return;
	if (at < e->inc.outage_start.ns)
		at = e->inc.outage_start.ns;
	e->inc.outage_ns += at - e->inc.outage_start.ns;
	e->inc.outages++;
	e->inc.outage_start.ns = 0;
	e->inc.clean_since.ns = at;
	incident_touch(c, e);
}

static const struct detect_head *
head_at(const struct link_entry *l, size_t row)
{
	return (const struct detect_head *)((const char *)l->m.detect + detect_offset(row));
}

void
incident_review(struct core *c, struct entry *e)
{
	enum fault_class cls = fault_class_of(e->inc.kind);
	int64_t start = INT64_MAX, end = 0;
	bool bad = false;

	if (!incident_is_open(&e->inc) || e->n == 0)
		return;
	for (size_t i = 0; i < e->n; i++)
		for (size_t row = 0; detect_table[row] != NULL; row++) {
			const struct anomaly *a = e->link[i]->active[row];
			const struct detect_head *h = head_at(e->link[i], row);

			if (fault_class_of(detect_table[row]->kind) != cls)
				continue;
			if (a != NULL && a->start.ns < start)
				start = a->start.ns;
			bad = bad || a != NULL;
			if (a == NULL && h->end_ns > end)
				end = h->end_ns;
		}
	if (bad) {
		incident_problem_on(c, e, start);
	} else {
		incident_problem_off(c, e, end);
	}
	refresh_states(c, e);
}

struct wall
incident_proven(const struct core *c, const struct entry *e)
{
	struct wall t = c->now;

	for (size_t i = 0; i < e->n; i++) {
		const struct link_entry *l = e->link[i];

		if (l->m.last_end < t.ns)
			t.ns = l->m.last_end;
		if (l->m.state == LINK_NOT_OBSERVED)
			t.ns = 0;
	}
	return t;
}

void
incident_link_changed(struct core *c, struct link_entry *l)
{
	for (int cls = 0; cls < FAULT_CLASSES; cls++) {
		struct entry *e = incident_find(c, l->m.incident[cls]);

		if (e == NULL || !incident_is_open(&e->inc))
			continue;
		refresh_states(c, e);
		if (cls == FAULT_PATH && e->inc.announced.ns == 0)
			incident_locate(c, e);
	}
}

/* -------------------------------------------------------------------- anomalies */

static int
kind_rank(enum anomaly_kind k)
{
	static const int rank[] = { 9, 0, 2, 3, 4, 1, 5, 6, 0, 0, 0 };

	return rank[k <= ANOMALY_SELF ? k : 0];
}

/* Its kind and severity are the worst there were; the figure is of the kind. */
static void
worsen(struct core *c, struct entry *e, const struct anomaly *a, const struct detect_head *h)
{
	struct incident *inc = &e->inc;

	if (kind_rank(a->kind) < kind_rank(inc->kind)) {
		inc->kind = a->kind;
		inc->figure = 0;
	}
	if (a->severity < inc->severity)
		inc->severity = a->severity;
	if (a->kind == inc->kind && h->figure > inc->figure) {
		inc->figure = h->figure;
		inc->limit = h->limit;
	}
	incident_titles(c, e);
	incident_touch(c, e);
}

void
incident_tell_anomaly(struct core *c, const struct anomaly *a)
{
	struct decision d = { .type = DEC_ANOMALY, .anomaly = *a };

	out_add(c, &d);
}

static struct anomaly *
raise_anomaly(struct core *c, struct link_entry *l, size_t row, uint64_t seq)
{
	struct anomaly *a = xcalloc(1, sizeof(*a));

	a->id = ++c->last_anomaly;
	snprintf(a->agent, sizeof(a->agent), "%s", l->conf->agent);
	snprintf(a->link, sizeof(a->link), "%s", l->conf->id);
	a->kind = detect_table[row]->kind;
	a->start.ns = head_at(l, row)->start_ns;
	a->evidence_first = l->m.first_seq != 0 ? l->m.first_seq : seq;
	l->active[row] = a;
	return a;
}

void
incident_anomaly(struct core *c, struct link_entry *l, size_t row, uint64_t seq)
{
	const struct detect_head *h = head_at(l, row);
	struct anomaly *a = l->active[row];
	struct entry *e;

	if (!h->raised) {
		a->end.ns = h->end_ns != 0 ? h->end_ns : l->m.last_end;
		a->evidence_last = seq;
		incident_tell_anomaly(c, a);
		l->active[row] = NULL;
		free(a);
		return;		/* link_sample() reviews its incidents */
	}
	if (a == NULL)
		a = raise_anomaly(c, l, row, seq);
	a->severity = h->severity;
	a->evidence_last = seq;
	detect_table[row]->evidence((const char *)l->m.detect + detect_offset(row), &l->limits,
	    a->evidence, sizeof(a->evidence));
	e = entry_for(c, l, a);
	a->incident = e->inc.number;
	worsen(c, e, a, h);
	incident_tell_anomaly(c, a);
}
