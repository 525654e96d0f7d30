/*
 * core_link.c - one sample of one link: is it news, what do the detectors say,
 * which state is the link in, and since when.
 *
 * Time is the sample's own.  The ledger is credited up to the point where the
 * state is certain: a lost step waits until it is known to be an outage or a
 * mere loss, a good step in an outage until it is known to be its end.
 */
#include <math.h>
#include <string.h>

#include "alertd/core_state.h"
#include "alertd/window.h"
#include "common/stats.h"

#define FUTURE_NS (10 * 60 * NS_PER_S)	/* beyond that a sample's time is nonsense */
#define LATE_RUN 5			/* so many in order, but old: its clock was set back */

enum fault_class
fault_class_of(enum anomaly_kind kind)
{
	if (kind == ANOMALY_UTILISATION)
		return FAULT_CAPACITY;
	return kind == ANOMALY_ERRORS ? FAULT_ERRORS : FAULT_PATH;
}

static struct detect_head *
head_of(struct link_entry *l, size_t row)
{
	return (struct detect_head *)((char *)l->m.detect + detect_offset(row));
}

/* ---------------------------------------------------------------------- limits */

static uint32_t
to_100ns(int64_t ns)
{
	int64_t v = ns / 100;

	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

/* The span in which so small a limit can be seen at this link's rate. */
static int64_t
resolvable(const struct link_entry *l, double limit, int64_t span)
{
	double rate = l->conf->count * 1000.0 / (l->conf->step_ms > 0 ? l->conf->step_ms : 1000);
	double need = limit > 0 && rate > 0 ? 3 / limit / rate * 1e9 : 0;
	const double day = 24.0 * 3600 * 1e9;

	if (need > day)
		need = day;
	return need > (double)span ? (int64_t)need : span;
}

static void
loss_limits(const struct policy *p, struct link_entry *l, struct detect_conf *d)
{
	d->loss_limit[0] = l->conf->limit_loss > 0 ? l->conf->limit_loss : p->loss.warning;
	d->loss_limit[1] = l->conf->limit_loss > 0 ? fmin(1, 2 * l->conf->limit_loss) :
	    p->loss.critical;
	d->loss_span_ns[0] = resolvable(l, d->loss_limit[0], p->loss.warning_window);
	d->loss_span_ns[1] = resolvable(l, d->loss_limit[1], p->loss.critical_window);
	d->loss_min_lost = (uint32_t)p->loss.min_lost;
	d->loss_z = confidence_z(p->loss.confidence);
	d->loss_hysteresis = p->loss.hysteresis;
}

static void
rtt_limits(const struct policy *p, struct link_entry *l, struct detect_conf *d)
{
	const struct policy_segment *s = p->segments.v;

	d->rtt_limit_100ns[0] = to_100ns(l->conf->limit_rtt_ns);
	d->rtt_limit_100ns[1] = to_100ns(2 * l->conf->limit_rtt_ns);
	for (size_t i = 0; l->conf->limit_rtt_ns == 0 && i < p->segments.n; i++)
		if ((uint32_t)s[i].segment == l->conf->segment) {
			d->rtt_limit_100ns[0] = to_100ns(s[i].rtt_warning);
			d->rtt_limit_100ns[1] = to_100ns(s[i].rtt_critical);
		}
	d->rtt_slot_ns = p->latency.slot;
	d->rtt_bad = (uint32_t)p->latency.bad;
	d->rtt_of = (uint32_t)p->latency.of;
	d->rtt_share = p->latency.share;
	d->rtt_hysteresis = p->latency.hysteresis;
}

void
link_limits(struct core *c, struct link_entry *l)
{
	const struct policy *p = c->policy;
	struct detect_conf d = { .probe = l->conf->probe, .link_class = l->conf->class_,
		.step_ms = l->conf->step_ms, .count = l->conf->count,
		.up_after = (uint32_t)p->down.up_after,
		.service_after = (uint32_t)p->service.after };

	d.down_after = (uint32_t)(l->conf->class_ == CLASS_A ? p->down.after_a :
	    l->conf->class_ == CLASS_B ? p->down.after_b : p->down.after_c);
	if (l->conf->probe == PROBE_SNMP)
		d.down_after = (uint32_t)p->down.snmp_after;
	if (l->conf->down_after > 0)
		d.down_after = l->conf->down_after;
	loss_limits(p, l, &d);
	rtt_limits(p, l, &d);
	d.utilisation[0] = p->snmp.utilisation_warning;
	d.utilisation[1] = p->snmp.utilisation_critical;
	d.load[0] = p->snmp.load_warning;
	d.load[1] = p->snmp.load_critical;
	d.errors = p->snmp.errors;
	d.snmp_slot_ns = p->snmp.slot;
	d.snmp_bad = (uint32_t)p->snmp.bad;
	d.snmp_of = (uint32_t)p->snmp.of;
	l->limits = d;
}

/* ----------------------------------------------------------------------- state */

enum link_state
link_state_now(const struct core *c, const struct link_entry *l, uint32_t *cause)
{
	(void)c;
	if (l->m.blind != 0) {
		*cause = CAUSE_OF_ANOMALY + l->m.blind;
		return LINK_NOT_OBSERVED;
	}
	*cause = l->m.state_cause;
	if (l->m.state == 0)
		return LINK_NOT_OBSERVED;
	return l->m.planned ? LINK_PLANNED : (enum link_state)l->m.state;
}

bool
link_is_bad(const struct link_entry *l, enum fault_class cls)
{
	for (size_t row = 0; detect_table[row] != NULL; row++)
		if (l->active[row] != NULL && fault_class_of(l->active[row]->kind) == cls)
			return true;
	return false;
}

bool
link_is_flapping(const struct core *c, const struct link_entry *l)
{
	uint32_t n = (uint32_t)c->policy->flap.changes;

	if (l->m.changes < n || n > CHANGES)
		return false;
	return l->m.last_end - l->m.change[(l->m.changes - n) % CHANGES] <= c->policy->flap.within;
}

void
link_show(struct core *c, struct link_entry *l)
{
	struct decision d = { .type = DEC_LINK };
	uint32_t cause;
	enum link_state to = link_state_now(c, l, &cause);
	int64_t since = l->m.blind != 0 ? l->m.blind_since : l->m.state_since;

	if (to == l->m.shown && cause == l->m.shown_cause)
		return;
	if (l->vendor != NULL && l->conf->class_ <= CLASS_B)
		l->vendor->down_ab += (uint32_t)(to == LINK_DOWN) - (l->m.shown == LINK_DOWN);
	d.link = (struct dec_link){ .agent = l->conf->agent, .link = l->conf->id,
		.from = l->m.shown == 0 ? LINK_NOT_OBSERVED : (enum link_state)l->m.shown,
		.to = to, .cause = cause, .since.ns = since };
	l->m.shown = to;
	l->m.shown_cause = cause;
	l->dirty = true;
	out_add(c, &d);
	incident_link_changed(c, l);
}

void
link_blind(struct core *c, struct link_entry *l, uint32_t kind)
{
	if (l->m.blind == kind)
		return;
	if (l->m.blind == 0)
		l->m.blind_since = l->m.last_end != 0 ? l->m.last_end : c->now.ns;
	l->m.blind = kind;
	l->dirty = true;
	if (kind != 0)
		link_show(c, l);
}

/* Credits what is certain: the time up to until was spent as it says. */
static void
credit(struct link_entry *l, int64_t until, uint32_t state)
{
	enum link_state s = state == 0 ? LINK_NOT_OBSERVED : (enum link_state)state;

	ledger_credit(&l->m.ledger, until, l->m.planned ? LINK_PLANNED : s);
}

static void
change(struct link_entry *l, uint32_t to, uint32_t cause, int64_t since)
{
	if (to == l->m.state) {
		l->m.state_cause = cause;
		return;
	}
	credit(l, since, l->m.state);
	if (to != LINK_NOT_OBSERVED) {
		if (l->m.definite != 0 && (to == LINK_DOWN) != (l->m.definite == LINK_DOWN))
			l->m.change[l->m.changes++ % CHANGES] = since;
		l->m.definite = to;
	}
	if (l->m.changes >= 2 * CHANGES)
		l->m.changes -= CHANGES;
	l->m.state = to;
	l->m.state_cause = cause;
	l->m.state_since = since;
}

/* What the detectors' heads say; since: where that began. */
static uint32_t
verdict(struct link_entry *l, const struct detect_step *d, uint32_t *cause, int64_t *since)
{
	uint32_t state = LINK_UP;

	*cause = 0;
	*since = d->start_ns;
	for (size_t row = 0; detect_table[row] != NULL; row++) {
		const struct detect_head *h = head_of(l, row);
		enum anomaly_kind kind = detect_table[row]->kind;

		if (!h->raised || state == LINK_DOWN)
			continue;
		if (kind == ANOMALY_DOWN || kind == ANOMALY_SERVICE) {
			state = LINK_DOWN;
			*cause = kind;
			*since = h->start_ns;
		} else if (state == LINK_UP) {
			state = LINK_DEGRADED;
			*cause = kind;
		}
	}
	if (l->m.state == LINK_DOWN && state != LINK_DOWN)
		for (size_t row = 0; row < 2; row++)	/* down, service */
			if (head_of(l, row)->end_ns > l->m.state_since &&
			    head_of(l, row)->end_ns < *since)
				*since = head_of(l, row)->end_ns;
	return state;
}

/* One observed step has gone through the detectors: draw the state from it. */
static void
settle(struct link_entry *l, const struct detect_step *d)
{
	bool failed = d->all_lost || (d->answered > 0 && !d->open);
	uint32_t cause;
	int64_t since;
	uint32_t to = verdict(l, d, &cause, &since);

	/* From not knowing, only a good step or a finding leads out. */
	if (to == LINK_UP && failed && (l->m.state == 0 || l->m.state == LINK_NOT_OBSERVED))
		return;
	if (l->m.state == LINK_NOT_OBSERVED && since < l->m.ledger.to_ns)
		since = l->m.ledger.to_ns;
	change(l, to, cause, since);
	if (to == LINK_DOWN ? failed : !failed)
		credit(l, d->end_ns, to);
}

/* A step that shows nothing. */
static void
unseen(struct core *c, struct link_entry *l, const struct detect_step *d, uint32_t cause)
{
	if (l->m.unseen++ == 0)
		l->m.unseen_since = d->start_ns;
	l->m.unseen_cause = cause;
	if (l->m.unseen >= (uint64_t)c->policy->silent.steps || l->m.state == 0)
		change(l, LINK_NOT_OBSERVED, cause, l->m.unseen_since);
	if (l->m.state == LINK_NOT_OBSERVED) {
		l->m.state_cause = cause;
		credit(l, d->end_ns, LINK_NOT_OBSERVED);
	}
}

/* ------------------------------------------------------------------- the sample */

/* The clock was set back: time begins anew, verdicts stand until the next steps. */
static void
rebase(struct link_entry *l)
{
	for (size_t row = 0; detect_table[row] != NULL; row++) {
		struct detect_head head = *head_of(l, row);

		memset(head_of(l, row), 0, detect_table[row]->state_size);
		*head_of(l, row) = head;
	}
	l->m.changes = 0;
	l->m.last_start = l->m.last_end = 0;
}

/* Is it newer than all before?  A link whose clock went back is taken up again. */
static bool
is_next(const struct core *c, struct link_entry *l, const struct sample *s)
{
	bool in_order;

	if (s->start_ns > c->now.ns + FUTURE_NS || s->start_ns <= 0 || s->step_ms == 0)
		return false;
	if (s->start_ns > l->m.last_start) {
		l->m.late_run = 0;
		return true;
	}
	in_order = s->start_ns > l->m.late_last;
	l->m.late_last = s->start_ns;
	l->m.late_run = in_order ? l->m.late_run + 1 : 1;
	l->dirty = true;
	if ((s->flags & SAMPLE_CLOCK_JUMP) == 0 && l->m.late_run < LATE_RUN)
		return false;
	l->m.late_run = 0;
	rebase(l);
	return true;
}

/* Time between the last step and this one for which there is nothing. */
static int64_t
account_gap(const struct core *c, struct link_entry *l, const struct detect_step *d)
{
	int64_t step = d->end_ns - d->start_ns, gap;

	if (l->m.ledger.to_ns == 0)
		ledger_init(&l->m.ledger, d->start_ns);
	if (l->m.last_end == 0)
		return 0;
	gap = d->start_ns - l->m.last_end;
	if (gap >= c->policy->silent.steps * step) {
		credit(l, l->m.last_end, l->m.state);
		credit(l, d->start_ns, LINK_NOT_OBSERVED);
		l->m.state_since = d->start_ns;
	}
	return gap > 0 ? gap : 0;
}

static void
remember_view(struct link_entry *l, const struct sample *s, const struct detect_step *d)
{
	struct rtt_stats r;

	l->view_at = (l->view_at + 1) % 3;
	l->view_sent[l->view_at] = d->sent;
	l->view_lost[l->view_at] = d->lost;
	rtt_stats(&r, s->rtt_100ns, s->rtt_count);
	l->view_rtt_ns = r.p50;
	if (s->values > 0) {
		l->values = s->values < SAMPLE_VALUES ? s->values : SAMPLE_VALUES;
		memcpy(l->value, s->value, l->values * sizeof(l->value[0]));
	}
}

/* true: an anomaly began, changed or ended. */
static bool
feed(struct core *c, struct link_entry *l, const struct detect_step *d, uint64_t seq)
{
	bool changed = false;

	if (d->lost == 0 && d->refused == 0)
		l->m.first_seq = 0;
	else if (l->m.first_seq == 0)
		l->m.first_seq = seq;
	l->m.unseen = 0;
	for (size_t row = 0; detect_table[row] != NULL; row++)
		if ((detect_table[row]->probes & 1u << l->conf->probe) != 0)
			detect_table[row]->feed(head_of(l, row), &l->limits, d);
	settle(l, d);
	for (size_t row = 0; detect_table[row] != NULL; row++) {
		const struct detect_head *h = head_of(l, row);

		if (h->raised != (l->active[row] != NULL) ||
		    (h->raised && h->severity != l->active[row]->severity)) {
			incident_anomaly(c, l, row, seq);
			changed = true;
		}
	}
	return changed;
}

/* No tick comes between the samples of a backlog: once a minute of theirs, grades are looked at. */
static bool
is_minute_of_backlog(const struct event *ev, const struct detect_step *d)
{
	const int64_t minute = 60 * NS_PER_S;

	return ev->stale && d->start_ns / minute != d->end_ns / minute;
}

static void
review(struct core *c, struct link_entry *l, bool grade)
{
	for (int cls = 0; cls < FAULT_CLASSES; cls++) {
		struct entry *e = incident_find(c, l->m.incident[cls]);

		if (e == NULL || !incident_is_open(&e->inc))
			continue;
		incident_review(c, e);
		if (grade && incident_is_active(e) && e->inc.outage_start.ns != 0)
			life_grade(c, e);
	}
}

void
link_sample(struct core *c, const struct event *ev)
{
	const struct sample *s = ev->sample;
	struct link_entry *l = save_find_link(c, ev->agent, s->link);
	struct detect_step d;
	bool observed, planned, changed = false;
	uint32_t cause;

	if (l == NULL) {
		struct agent_state *a = save_find_agent(c, ev->agent);

		if (a != NULL)
			agent_heard(c, a);
		return;
	}
	agent_heard(c, l->agent);
	if (!is_next(c, l, s))
		return;
	l->dirty = true;
	l->m.heard_s = c->now.ns / NS_PER_S;
	l->m.behind = ev->stale;
	observed = detect_step_init(&d, s, l->conf->probe, &cause);
	d.gap_ns = account_gap(c, l, &d);
	planned = policy_window_at(&c->policy->planned, (struct wall){ s->start_ns },
	    l->conf->vendor, l->conf->agent, l->conf->id) != NULL;
	if (planned != (l->m.planned != 0)) {
		credit(l, d.start_ns, l->m.state);
		l->m.planned = planned;
	}
	link_blind(c, l, 0);
	if (observed)
		changed = feed(c, l, &d, ev->journal_seq);
	else
		unseen(c, l, &d, cause);
	l->m.last_start = d.start_ns;
	l->m.last_end = d.end_ns;
	l->m.step_ms = s->step_ms;
	remember_view(l, s, &d);
	link_show(c, l);
	if (changed || is_minute_of_backlog(ev, &d))
		review(c, l, is_minute_of_backlog(ev, &d));
}
