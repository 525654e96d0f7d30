/*
 * core_life.c - time passes for an incident: its grade, its announcement, its
 * recovery, its limits.
 */
#include <string.h>

#include "alertd/core_state.h"
#include "alertd/grade.h"

/* ----------------------------------------------------------------------- grade */

static bool
is_guarded(const struct core *c, const struct entry *e)
{
	const struct incident *inc = &e->inc;

	return policy_window_at(&c->policy->guarded, c->now, inc->vendor, inc->agent,
	    inc->link) != NULL;
}

static void
gather_facts(const struct core *c, const struct entry *e, struct grade_facts *f)
{
	int64_t until = e->n > 0 ? 0 : c->now.ns;

	*f = (struct grade_facts){ .kind = e->inc.kind, .severity = e->inc.severity,
		.guarded = e->inc.guarded };
	for (size_t i = 0; i < e->n; i++) {
		const struct link_entry *l = e->link[i];
		uint32_t class = l->conf->class_ == 0 ? CLASS_C : l->conf->class_;

		if (f->link_class == 0 || class < f->link_class)
			f->link_class = class;
		if (link_is_bad(l, fault_class_of(e->inc.kind)) && l->m.last_end > until)
			until = l->m.last_end;
		f->down = f->down || l->m.state == LINK_DOWN;
		if (l->vendor != NULL && l->vendor->links_ab > 0 &&
		    l->vendor->down_ab >= f->vendor_down) {
			f->vendor_share = (double)l->vendor->down_ab / l->vendor->links_ab;
			f->vendor_down = l->vendor->down_ab;
		}
	}
	if (e->inc.outage_start.ns != 0 && until > e->inc.outage_start.ns)
		f->lasting_ns = until - e->inc.outage_start.ns;
}

/* A graver grade must be acknowledged anew. */
static void
break_ack(struct core *c, struct entry *e)
{
	if (e->inc.state == INC_HANDLING)
		incident_state(c, e, INC_OPEN, "ack-broken", "the grade rose");
	e->inc.acked.ns = e->inc.eta.ns = 0;
	if (e->inc.announced.ns != 0)
		escalate_start(c->policy, &e->inc, c->now);
}

void
life_set_grade(struct core *c, struct entry *e, unsigned grade, const char *why)
{
	unsigned from = e->inc.grade;
	int64_t tell = policy_limits(c->policy, grade)->tell;

	if (grade == from)
		return;
	e->inc.grade = (uint8_t)grade;
	out_log(c, e, "grade", out_text(c, "%u", from), out_text(c, "%u", grade), why);
	escalate_limit(c->policy, &e->inc);
	incident_touch(c, e);
	if (grade > from)
		return;
	break_ack(c, e);
	if (e->inc.announced.ns != 0 || e->inc.stormy) {
		notify(c, e, MSG_RAISE, from);
	} else {
		int64_t at = e->inc.opened.ns + tell;

		e->inc.digest = false;
		e->inc.announce_at.ns = at > c->now.ns ? at : c->now.ns;
	}
}

void
life_grade(struct core *c, struct entry *e)
{
	struct grade_facts f;
	unsigned grade;

	e->inc.guarded = is_guarded(c, e);
	gather_facts(c, e, &f);
	grade = grade_of(c->policy, &f);
	if (grade < e->inc.grade && !e->inc.grade_set)
		life_set_grade(c, e, grade, "by policy, as it lasts");
}

void
life_schedule(struct core *c, struct entry *e)
{
	e->inc.announce_at.ns = c->now.ns + policy_limits(c->policy, e->inc.grade)->tell;
	e->inc.digest = false;
	escalate_limit(c->policy, &e->inc);
	incident_touch(c, e);
}

void
life_opened(struct core *c, struct entry *e)
{
	struct grade_facts f;

	e->inc.guarded = is_guarded(c, e);
	gather_facts(c, e, &f);
	e->inc.grade = (uint8_t)grade_of(c->policy, &f);
	e->inc.grade_initial = e->inc.grade;
	out_log(c, e, "open", "", incident_state_name(INC_OPEN), e->inc.title_en);
	life_schedule(c, e);
	notify_opened(c, e);
}

/* ----------------------------------------------------------------- announcement */

/* Is any of its links still told of by a backlog? */
static bool
is_behind(const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->link[i]->m.behind && !e->link[i]->m.blind)
			return true;
	return false;
}

static bool
is_planned(const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!e->link[i]->m.planned)
			return false;
	return e->n > 0;
}

/* Not told for good, and why. */
static void
suppress(struct core *c, struct entry *e, const char *why)
{
	e->inc.announce_at.ns = 0;
	out_log(c, e, "suppress", "", "", why);
	incident_touch(c, e);
}

static void
announce_now(struct core *c, struct entry *e)
{
	bool past = e->inc.state == INC_RECOVERED;
	bool stale = e->inc.stale;

	e->inc.stale = false;
	if (past && stale && !c->policy->life.announce_past) {
		suppress(c, e, "over before it could be told");
	} else if (e->inc.grade >= c->policy->digest.grade) {
		e->inc.digest = true;
		suppress(c, e, "left to the daily digest");
	} else if (notify_is_stormy(c, e)) {
		e->inc.stormy = true;
		suppress(c, e, "told in the summary of the storm");
	} else {
		e->inc.announce_at.ns = 0;
		escalate_start(c->policy, &e->inc, c->now);
		if (past)
			escalate_stop(&e->inc);
		incident_touch(c, e);
		notify(c, e, past ? MSG_PAST : MSG_OPEN, 0);
	}
}

static void
announce(struct core *c, struct entry *e)
{
	struct incident *inc = &e->inc;
	struct wall until;

	if (inc->announce_at.ns == 0 || c->now.ns < inc->announce_at.ns)
		return;
	if (is_planned(e) && inc->state != INC_RECOVERED)
		return;
	if (is_behind(e) && c->now.ns - inc->opened.ns < c->policy->life.hold_stale)
		return;
	/* In the recovery hold: soon it is either over or worth telling. */
	if (inc->clean_since.ns != 0 && inc->state != INC_RECOVERED)
		return;
	if (is_planned(e)) {
		suppress(c, e, "within planned maintenance");
		return;
	}
	if (inc->grade >= c->policy->quiet.grade && inc->grade < c->policy->digest.grade &&
	    !inc->guarded && policy_is_quiet(c->policy, c->now, &until)) {
		inc->announce_at = until;
		out_log(c, e, "defer", "", "", "quiet hours");
		incident_touch(c, e);
		return;
	}
	announce_now(c, e);
}

/* --------------------------------------------------------------------- flapping */

static bool
has_flapping_link(const struct core *c, const struct entry *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (link_is_flapping(c, e->link[i]))
			return true;
	return false;
}

/* It ends with a verdict: recovered after the hold, or down for good. */
static void
watch_flapping(struct core *c, struct entry *e)
{
	const struct policy_flap *flap = &c->policy->flap;
	struct incident *inc = &e->inc;

	if (!inc->flapping && inc->flap_mute.ns <= c->now.ns && has_flapping_link(c, e)) {
		inc->flapping = true;
		inc->flap_mute.ns = c->now.ns + flap->mute;
		incident_touch(c, e);
		out_log(c, e, "flapping", "", "", "up and down again and again");
		notify(c, e, MSG_FLAP, 0);
	}
	if (!inc->flapping || inc->outage_start.ns == 0)
		return;
	if (inc->outage_start.ns + flap->settle <= incident_proven(c, e).ns) {
		inc->flapping = false;
		incident_touch(c, e);
		out_log(c, e, "verdict", "", "", "stays down");
		notify(c, e, MSG_VERDICT, 0);
	}
}

static void
recover(struct core *c, struct entry *e)
{
	const struct policy_limits *l = policy_limits(c->policy, e->inc.grade);
	int64_t hold = l->hold;
	bool flapped = e->inc.flapping;

	if (flapped && hold < c->policy->flap.settle)
		hold = c->policy->flap.settle;
	if (e->inc.clean_since.ns == 0 ||
	    incident_proven(c, e).ns - e->inc.clean_since.ns < hold)
		return;
	e->inc.recovered = e->inc.clean_since;
	e->inc.flapping = false;
	escalate_stop(&e->inc);
	incident_state(c, e, INC_RECOVERED, "recover", flapped ? "stays up" : "");
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES,
	    .stop_incident = e->inc.number });
	notify(c, e, MSG_RECOVER, 0);
}

/* ----------------------------------------------------------------------- limits */

static void
lapse(struct core *c, struct entry *e)
{
	e->inc.lapsed = true;
	e->inc.acked.ns = e->inc.eta.ns = 0;
	incident_state(c, e, INC_OPEN, "lapse", "the promised end has passed");
	if (e->inc.announced.ns != 0)
		escalate_start(c->policy, &e->inc, c->now);
	notify(c, e, MSG_LAPSE, 0);
}

static void
escalate(struct core *c, struct entry *e)
{
	unsigned step = 0;
	bool unrecovered = false;
	enum due due;

	while ((due = escalate_due(c->policy, &e->inc, c->now, &step, &unrecovered)) !=
	    DUE_NOTHING) {
		if (due == DUE_LAPSE) {
			lapse(c, e);
			continue;
		}
		if (due == DUE_RAISE) {
			e->inc.raise_base = c->now;
			life_set_grade(c, e, e->inc.grade - 1u, "the recovery limit expired");
			continue;
		}
		if (due == DUE_OVERDUE)
			out_log(c, e, "overdue", "", "", "the recovery limit expired");
		else if (due == DUE_STEP)
			notify_step(c, e, step, unrecovered);
		else
			notify(c, e, due == DUE_REMIND ? MSG_REMIND : MSG_PROGRESS, 0);
		escalate_done(c->policy, &e->inc, c->now, due, step);
		incident_touch(c, e);
	}
}

/* Those that are done leave memory in time.  true: it has left. */
static bool
retire(struct core *c, struct entry *e)
{
	if (incident_is_open(&e->inc) ||
	    c->now.ns - e->inc.updated.ns < c->policy->life.keep)
		return false;
	if (e->inc.state == INC_CLOSED) {
		incident_state(c, e, INC_ARCHIVED, "archive", "");
		e->inc.version++;
		out_add(c, &(struct decision){ .type = DEC_INCIDENT, .incident = &e->inc });
	}
	incident_drop(c, e);
	return true;
}

void
life_tick(struct core *c)
{
	for (size_t i = 0; i < c->entries; ) {
		struct entry *e = c->entry[i];

		if (retire(c, e))
			continue;
		i++;
		if (!incident_is_open(&e->inc))
			continue;
		if (incident_is_active(e)) {
			if (e->inc.outage_start.ns != 0)
				life_grade(c, e);
			watch_flapping(c, e);
			recover(c, e);
		}
		announce(c, e);
		escalate(c, e);
	}
}
