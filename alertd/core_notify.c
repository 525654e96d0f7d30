/*
 * core_notify.c - messages: to whom, on which channel, within which budget;
 * storms and digests in place of many.
 *
 * What is not sent is never lost without a word: the incident's log says so.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"

#define MANAGERS "managers"		/* the recipient of SNMP notifications */
#define REMINDER_LIFE (30 * 60 * NS_PER_S)

/* ------------------------------------------------------------------ one message */

static bool
was_told(const struct incident *inc, const char *recipient, const char *channel)
{
	for (uint32_t i = 0; i < inc->told_n; i++)
		if (strcmp(inc->told[i].recipient, recipient) == 0 &&
		    strcmp(inc->told[i].channel, channel) == 0)
			return true;
	return false;
}

static void
add_told(struct incident *inc, const char *recipient, const char *channel)
{
	if (inc->told_n == INCIDENT_TOLD || was_told(inc, recipient, channel))
		return;
	snprintf(inc->told[inc->told_n].recipient, sizeof(inc->told[0].recipient), "%s",
	    recipient);
	snprintf(inc->told[inc->told_n].channel, sizeof(inc->told[0].channel), "%s", channel);
	inc->told_n++;
}

/* Does this event make its readers ones who must hear of the recovery? */
static bool
is_alarm(enum message_event e)
{
	return e == MSG_OPEN || e == MSG_RAISE || e == MSG_ESCALATE || e == MSG_REMIND ||
	    e == MSG_RELAPSE || e == MSG_VERDICT || e == MSG_REOPEN;
}

static bool
is_reminder(enum message_event e)
{
	return e == MSG_REMIND || e == MSG_PROGRESS || e == MSG_LAPSE;
}

struct sending {
	struct core *c;
	const struct message_facts *f;
	struct entry *e;		/* NULL: no incident */
	const char *key;		/* what follows is /CHANNEL/RECIPIENT */
	unsigned grade;			/* for the budget */
	bool must;			/* may wait for the budget, may not be withheld */
	char said[1024];		/* "sms:duty mail:duty", for the log */
	struct { const struct policy_contact *contact; const char *channel; } sent[ROUTE_TARGETS];
	size_t sent_n;
};

/* A fallback may lead to where a message went already.  true: to be sent, and noted. */
static bool
sends_first(struct sending *s, const struct route_target *t)
{
	for (size_t i = 0; i < s->sent_n; i++)
		if (s->sent[i].contact == t->contact && strcmp(s->sent[i].channel, t->channel) == 0)
			return false;
	if (s->sent_n == ROUTE_TARGETS)
		return false;
	s->sent[s->sent_n].contact = t->contact;
	s->sent[s->sent_n++].channel = t->channel;
	return true;
}

static void
say(struct sending *s, const char *what, const char *channel, const char *recipient)
{
	size_t at = strlen(s->said);

	snprintf(s->said + at, sizeof(s->said) - at, "%s%s%s:%s", at > 0 ? " " : "", what, channel,
	    recipient);
}

/* Fits it into the recipient's budget.  false: withheld.  t may become its fallback. */
static bool
fit_budget(struct sending *s, struct route_target *t, struct wall *not_before)
{
	struct core *c = s->c;
	struct contact_state *k = save_contact(c, t->contact->id);
	unsigned grade = s->must ? 2 : s->grade;	/* who was alarmed hears the end soon */
	int64_t at = budget_next(&k->m.budget, c->policy, grade, c->now.ns);

	if (at > c->now.ns && s->grade <= 2 && t->fallback != NULL &&
	    !policy_channel_is_sms(c->policy, t->fallback)) {
		t->channel = t->fallback;
		t->address = t->fallback_address;
		t->fallback = t->fallback_address = NULL;
		return true;
	}
	k->dirty = true;
	if (at > c->now.ns && s->grade > 2 && !s->must) {
		k->m.budget.withheld++;
		k->m.budget.withheld_s = c->now.ns / NS_PER_S;
		say(s, "withheld ", t->channel, t->contact->id);
		return false;
	}
	budget_take(&k->m.budget, at);
	not_before->ns = at > c->now.ns ? at : 0;
	return true;
}

static void
send_one(struct sending *s, struct route_target t)
{
	struct core *c = s->c;
	enum policy_lang lang = (enum policy_lang)t.contact->lang;
	struct decision d = { .type = DEC_MESSAGE };
	struct wall not_before = { 0 };
	char *sms;

	if (policy_channel_is_sms(c->policy, t.channel) && !fit_budget(s, &t, &not_before))
		return;
	if (!sends_first(s, &t))
		return;
	if (policy_channel_is_mail(c->policy, t.channel)) {
		d.message.body = out_own(c, message_mail(c->policy, s->f, lang));
	} else {
		sms = xmalloc(MESSAGE_SMS_BYTES);
		d.message.body = out_own(c, message_sms(sms, MESSAGE_SMS_BYTES, c->policy, s->f,
		    lang));
	}
	d.message.subject = out_own(c, message_subject(c->policy, s->f, lang));
	d.message.incident = s->e == NULL ? 0 : s->e->inc.number;
	d.message.key = out_text(c, "%s/%s/%s", s->key, t.channel, t.contact->id);
	d.message.event = message_event_name(s->f->event);
	d.message.recipient = t.contact->id;
	d.message.channel = t.channel;
	d.message.address = t.address;
	d.message.fallback = t.fallback;
	d.message.fallback_address = t.fallback_address;
	d.message.lang = lang == LANG_ZH ? "zh" : "en";
	d.message.not_before = not_before;
	if (is_reminder(s->f->event))
		d.message.expires.ns = c->now.ns + REMINDER_LIFE;
	out_add(c, &d);
	say(s, "", t.channel, t.contact->id);
	if (s->e != NULL && is_alarm(s->f->event))
		add_told(&s->e->inc, t.contact->id, t.channel);
}

/* SNMP managers hear of four events, at once, whatever people may bear. */
static void
send_managers(struct sending *s)
{
	struct core *c = s->c;
	const char *channel = c->policy->trap_channel;
	enum message_event ev = s->f->event;
	struct decision d = { .type = DEC_MESSAGE };

	if (channel == NULL || *channel == '\0' || s->e == NULL ||
	    (ev != MSG_OPEN && ev != MSG_RAISE && ev != MSG_RECOVER && ev != MSG_CLOSE))
		return;
	if (ev != MSG_OPEN && !was_told(&s->e->inc, MANAGERS, channel))
		return;
	d.message = (struct dec_message){ .incident = s->e->inc.number,
		.key = out_text(c, "%s/%s/%s", s->key, channel, MANAGERS),
		.event = message_event_name(ev), .recipient = MANAGERS, .channel = channel,
		.address = "", .lang = "en", .subject = "", .body = s->e->inc.title_en };
	out_add(c, &d);
	add_told(&s->e->inc, MANAGERS, channel);
}

static const char *
next_key(struct core *c, struct entry *e, enum message_event ev)
{
	incident_touch(c, e);
	return out_text(c, "%" PRIu64 "/%s/%" PRIu32, e->inc.number, message_event_name(ev),
	    ++e->inc.messages);
}

/* ------------------------------------------------------------------- recipients */

static void
send_to_told(struct sending *s)
{
	const struct incident *inc = &s->e->inc;
	uint32_t n = inc->told_n;	/* sending may add */

	for (uint32_t i = 0; i < n; i++) {
		const struct policy_contact *k = policy_contact(s->c->policy,
		    inc->told[i].recipient);
		struct route_target t;

		if (k != NULL && route_target(s->c->policy, k, inc->told[i].channel,
		    &s->c->m.down, &t))
			send_one(s, t);
	}
}

static size_t
send_to_routes(struct sending *s, bool skip_told)
{
	struct route_target *t = xcalloc(ROUTE_TARGETS, sizeof(*t));
	struct incident before = { .told_n = 0 };
	size_t n = route_select(s->c->policy, &s->e->inc, &s->c->m.down, t, ROUTE_TARGETS);

	if (skip_told) {
		memcpy(before.told, s->e->inc.told, sizeof(before.told));
		before.told_n = s->e->inc.told_n;
	}
	for (size_t i = 0; i < n; i++)
		if (!was_told(&before, t[i].contact->id, t[i].channel))
			send_one(s, t[i]);
	free(t);
	return n;
}

static bool
is_muted(const struct core *c, const struct entry *e, enum message_event ev)
{
	const struct vendor_state *v;

	if (ev == MSG_RELAPSE && e->inc.flap_mute.ns > c->now.ns)
		return true;
	if (!e->inc.stormy || !(is_alarm(ev) || is_reminder(ev)))
		return false;
	for (size_t i = 0; i < c->vendors; i++) {
		v = c->vendor[i];
		if (strcmp(v->id, e->inc.vendor) == 0)
			return v->m.in_storm;
	}
	return false;
}

void
notify(struct core *c, struct entry *e, enum message_event ev, unsigned grade_from)
{
	struct message_facts f = { .event = ev, .inc = &e->inc, .now = c->now,
		.grade_from = grade_from, .period_ns = c->policy->flap.mute };
	struct sending s = { .c = c, .f = &f, .e = e, .grade = e->inc.grade,
		.must = ev == MSG_RECOVER || ev == MSG_CLOSE || ev == MSG_CANCEL };
	size_t n = 1;

	if (c->ev->type == EV_COMMAND)
		f.note = c->ev->command->note;
	s.key = next_key(c, e, ev);
	if (ev != MSG_OPEN)		/* they heard of the opening at once */
		send_managers(&s);
	if (is_muted(c, e, ev)) {
		out_log(c, e, "suppress", "", "", out_text(c, "%s: muted",
		    message_event_name(ev)));
		return;
	}
	if (ev == MSG_RAISE || ev == MSG_RELAPSE || ev == MSG_VERDICT || ev == MSG_REOPEN) {
		send_to_told(&s);
		if (e->inc.announced.ns != 0 || e->inc.stormy)
			n = send_to_routes(&s, true);
	} else if (ev == MSG_OPEN || ev == MSG_PAST || is_reminder(ev)) {
		n = send_to_routes(&s, false);
	} else {
		send_to_told(&s);
	}
	if (n == 0) {
		out_log(c, e, "suppress", "", "", "nobody to tell");
		out_local(c, "incident=%" PRIu64 ": nobody to tell: %s", e->inc.number,
		    e->inc.title_en);
	} else if (s.said[0] != '\0') {
		out_log(c, e, "tell", "", "", out_text(c, "%s: %s", message_event_name(ev),
		    s.said));
	}
}

void
notify_step(struct core *c, struct entry *e, unsigned step, bool unrecovered)
{
	const struct policy_step *st = (const struct policy_step *)c->policy->escalation.v + step;
	struct message_facts f = { .event = MSG_ESCALATE, .inc = &e->inc, .now = c->now,
		.unrecovered = unrecovered };
	struct sending s = { .c = c, .f = &f, .e = e, .grade = e->inc.grade };
	struct route_target *t = xcalloc(ROUTE_TARGETS, sizeof(*t));
	size_t n = route_step(c->policy, st, &e->inc, &c->m.down, t, ROUTE_TARGETS);

	s.key = next_key(c, e, MSG_ESCALATE);
	if (is_muted(c, e, MSG_ESCALATE))
		n = 0;
	for (size_t i = 0; i < n; i++)
		send_one(&s, t[i]);
	free(t);
	out_log(c, e, "escalate", "", "", out_text(c, "step %u (%s): %s", step + 1,
	    unrecovered ? "not recovered" : "not acknowledged",
	    s.said[0] != '\0' ? s.said : "nobody"));
}

/* ----------------------------------------------------------------------- storms */

bool
notify_is_stormy(struct core *c, const struct entry *e)
{
	struct vendor_state *v;

	if (e->inc.vendor[0] == '\0')
		return false;
	v = save_vendor(c, e->inc.vendor);
	return v->m.in_storm && e->inc.opened.ns >= v->m.storm_since - c->policy->storm.within;
}

static uint32_t
opened_lately(const struct core *c, const struct vendor_state *v)
{
	uint32_t n = v->m.opened < CHANGES ? v->m.opened : CHANGES, lately = 0;

	for (uint32_t i = 0; i < n; i++)
		lately += (c->now.ns / NS_PER_S - v->m.opened_s[i]) * NS_PER_S <=
		    c->policy->storm.within;
	return lately;
}

/* Tells those who would hear of one grave incident of this vendor. */
static void
tell_storm(struct core *c, struct vendor_state *v, enum message_event ev)
{
	struct entry pseudo = { .inc = { .grade = 2, .kind = ANOMALY_DOWN } };
	struct message_facts f = { .event = ev, .now = c->now,
		.period_ns = c->policy->storm.within, .vendor_zh = v->id, .vendor_en = v->id };
	struct sending s = { .c = c, .f = &f, .grade = 2 };
	struct route_target *t = xcalloc(ROUTE_TARGETS, sizeof(*t));
	size_t n;

	if (v->conf != NULL) {
		f.vendor_zh = v->conf->code;
		f.vendor_en = v->conf->code_en[0] != '\0' ? v->conf->code_en : v->id;
	}
	for (size_t i = 0; i < c->entries; i++) {
		const struct incident *inc = &c->entry[i]->inc;

		if (strcmp(inc->vendor, v->id) != 0 ||
		    inc->opened.ns < v->m.storm_since - c->policy->storm.within)
			continue;
		f.count++;
		f.count_grade[inc->grade - 1]++;
		f.count_open += incident_is_active(c->entry[i]);
	}
	snprintf(pseudo.inc.vendor, sizeof(pseudo.inc.vendor), "%s", v->id);
	s.key = out_text(c, "0/%s/%s/%" PRId64, message_event_name(ev), v->id,
	    c->now.ns / NS_PER_S);
	n = route_select(c->policy, &pseudo.inc, &c->m.down, t, ROUTE_TARGETS);
	for (size_t i = 0; i < n; i++)
		send_one(&s, t[i]);
	out_local(c, "vendor=%s: %s, %" PRIu32 " incidents", v->id, message_event_name(ev),
	    f.count);
	free(t);
}

static void
storm_begins(struct core *c, struct vendor_state *v, const struct entry *e)
{
	v->m.in_storm = 1;
	v->m.storm_since = c->now.ns;
	v->m.storm_next = c->now.ns + c->policy->storm.every;
	v->m.storm_incident = e->inc.number;
	tell_storm(c, v, MSG_STORM);
}

void
notify_opened(struct core *c, struct entry *e)
{
	struct message_facts f = { .event = MSG_OPEN, .inc = &e->inc, .now = c->now };
	struct sending s = { .c = c, .f = &f, .e = e };
	struct vendor_state *v;

	s.key = next_key(c, e, MSG_OPEN);
	send_managers(&s);
	if (e->inc.vendor[0] == '\0' || e->inc.stale)
		return;
	v = save_vendor(c, e->inc.vendor);
	v->m.opened_s[v->m.opened % CHANGES] = c->now.ns / NS_PER_S;
	v->m.opened++;
	v->m.storm_last = c->now.ns;
	v->dirty = true;
	if (!v->m.in_storm && opened_lately(c, v) > (uint64_t)c->policy->storm.incidents)
		storm_begins(c, v, e);
}

static void
watch_storm(struct core *c, struct vendor_state *v)
{
	if (!v->m.in_storm || c->now.ns < v->m.storm_next)
		return;
	v->dirty = true;
	if (v->m.storm_last > v->m.storm_next - c->policy->storm.every) {
		v->m.storm_next += c->policy->storm.every;
		tell_storm(c, v, MSG_STORM);
		return;
	}
	tell_storm(c, v, MSG_STORM_END);
	v->m.in_storm = 0;
	v->m.storm_incident = 0;
	/* What is grave and still there is now told by itself. */
	for (size_t i = 0; i < c->entries; i++) {
		struct entry *e = c->entry[i];

		if (!e->inc.stormy || strcmp(e->inc.vendor, v->id) != 0)
			continue;
		e->inc.stormy = false;
		if (incident_is_active(e) && e->inc.announced.ns == 0)
			e->inc.announce_at = c->now;
		incident_touch(c, e);
	}
}

/* ---------------------------------------------------------------------- digests */

struct digest { struct route_target t; uint32_t count, open; };

static void
digest_add(struct digest *d, size_t *n, const struct route_target *t, bool open)
{
	size_t i = 0;

	while (i < *n && (d[i].t.contact != t->contact || strcmp(d[i].t.channel, t->channel) != 0))
		i++;
	if (i == ROUTE_TARGETS)
		return;
	if (i == *n)
		d[(*n)++] = (struct digest){ .t = *t };
	d[i].count++;
	d[i].open += open;
}

static void
make_digest(struct core *c)
{
	struct digest *d = xcalloc(ROUTE_TARGETS, sizeof(*d));
	struct route_target *t = xcalloc(ROUTE_TARGETS, sizeof(*t));
	size_t n = 0;

	for (size_t i = 0; i < c->entries; i++) {
		struct entry *e = c->entry[i];
		size_t targets;

		if (!e->inc.digest)
			continue;
		e->inc.digest = false;
		incident_touch(c, e);
		targets = route_select(c->policy, &e->inc, &c->m.down, t, ROUTE_TARGETS);
		for (size_t k = 0; k < targets; k++)
			digest_add(d, &n, &t[k], incident_is_active(e));
	}
	for (size_t i = 0; i < n; i++) {
		struct message_facts f = { .event = MSG_DIGEST, .now = c->now,
			.count = d[i].count, .count_open = d[i].open };
		struct sending s = { .c = c, .f = &f, .grade = 3, .must = true };

		s.key = out_text(c, "0/digest/%" PRId64, c->now.ns / NS_PER_S);
		send_one(&s, d[i].t);
	}
	free(d);
	free(t);
}

/* Once the budget has room again: one message says how many were left out. */
static void
tell_withheld(struct core *c, struct contact_state *k)
{
	struct budget *b = &k->m.budget;
	const struct policy_contact *who = policy_contact(c->policy, k->id);
	struct message_facts f = { .event = MSG_WITHHELD, .now = c->now, .count = b->withheld };
	struct sending s = { .c = c, .f = &f, .grade = 3, .must = true };
	struct route_target t;

	if (b->withheld == 0 || c->now.ns / NS_PER_S - b->withheld_s < 60 ||
	    budget_next(b, c->policy, 3, c->now.ns) > c->now.ns)
		return;
	b->withheld = 0;
	k->dirty = true;
	s.key = out_text(c, "0/withheld/%" PRId64, c->now.ns / NS_PER_S);
	if (who != NULL && c->policy->sms_channels.n > 0 && route_target(c->policy, who,
	    ((char **)c->policy->sms_channels.v)[0], &c->m.down, &t))
		send_one(&s, t);
}

void
notify_tick(struct core *c)
{
	int64_t minutes = (c->now.ns / NS_PER_S + 8 * 3600) / 60, day = minutes / (24 * 60);

	for (size_t i = 0; i < c->vendors; i++)
		watch_storm(c, c->vendor[i]);
	if (c->m.digest_day != day && minutes % (24 * 60) >= c->policy->digest.at_min) {
		c->m.digest_day = day;
		c->dirty = true;
		make_digest(c);
	}
	for (size_t i = 0; i < c->contacts; i++)
		tell_withheld(c, c->contact[i]);
}
