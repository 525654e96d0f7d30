/*
 * sim_alertd.c - an alertd of the simulated world (see sim_alertd.h).
 */
#include "tests/sim/sim_alertd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alertd/core.h"
#include "alertd/db.h"
#include "alertd/feed.h"
#include "alertd/outbox.h"
#include "alertd/policy.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/mem.h"

#define COMMIT_EVERY_NS NS_PER_S
#define DB_RETRY_NS NS_PER_S
#define STALE_NS (INT64_C(48) * 3600 * NS_PER_S)
#define HANG_NS (30 * NS_PER_S)

static const char policy_text[] =
    "contacts:\n"
    "  - {id: duty, name: \"值班\", phone: \"13800000001\", mail: duty@example.com, role: duty}\n"
    "  - {id: lead, name: \"主管\", phone: \"13800000002\", mail: lead@example.com, role: lead, "
    "lang: en}\n"
    "routes:\n"
    "  - {grade: 4, roles: [duty], channels: [sms], fallback: [mail]}\n"
    "  - {grade: 4, roles: [lead], channels: [mail]}\n"
    "sms_channels: [sms]\n"
    "mail_channels: [mail]\n"
    "loss: {warning: 0, critical: 0}\n"
    "flapping: {changes: 8, settle: 10s}\n"
    "storm: {incidents: 15}\n"
    "budget: {per_minute: 50, per_hour: 50, per_day: 50, reserve: 0}\n"
    "quiet: {from: \"00:00\", to: \"00:00\"}\n"
    "digest: {grade: 5}\n"
    "limits:\n"
    "  grade_1: {group: 2s, tell: 2s, hold: 5s, watch: 5s, remind: 60s}\n"
    "  grade_2: {group: 2s, tell: 2s, hold: 5s, watch: 5s, remind: 60s}\n"
    "  grade_3: {group: 2s, tell: 2s, hold: 5s, watch: 5s, remind: 60s}\n"
    "  grade_4: {group: 2s, tell: 2s, hold: 5s, watch: 5s, remind: 60s}\n"
    "life: {hold_stale: 1s}\n"
    "self: {certificate: 0s}\n";

static void pump(struct sim_alertd *a);
static void flush_soon(struct sim_alertd *a);

static struct wall
alertd_now(struct sim_alertd *a)
{
	struct wall t = clock_wall(&a->proc.clock);

	if (t.ns > a->now.ns)
		a->now = t;
	return a->now;
}

/* One of the points where a crash hurts most. */
static bool
dies_here(struct sim_alertd *a)
{
	if (!proc_acts(&a->proc))
		return true;
	if (a->die == 0 || !world_chance(a->proc.world, a->die))
		return false;
	sim_disk_kill(a->proc.view);
	return true;
}

/* ------------------------------------------------------------------ deciding */

static void
decide(struct sim_alertd *a, struct event *ev)
{
	const struct decisions *out;

	ev->now = alertd_now(a);
	out = core_event(a->core, ev);
	for (size_t i = 0; i < out->n; i++) {
		db_batch_decision(a->batch, &out->v[i], a->now);
		told_decision(a->told, &out->v[i]);
		if (out->v[i].type == DEC_REPLY)
			a->reply_ok = out->v[i].reply.ok;
		if (out->v[i].type == DEC_LOCAL)
			world_trace(a->proc.world, "alertd: %s", out->v[i].local);
		if (out->v[i].type == DEC_MESSAGE)
			world_trace(a->proc.world, "alertd: message %s", out->v[i].message.key);
	}
	flush_soon(a);
}

static void
on_feed_event(void *arg, struct event *ev)
{
	struct sim_alertd *a = arg;

	if (ev->type == EV_PLAN)
		db_batch_plan(a->batch, ev->plan);
	decide(a, ev);
}

static void
on_feed_done(void *arg, uint64_t seq)
{
	struct sim_alertd *a = arg;

	a->decided_seq = seq;
	db_batch_cursor(a->batch, seq + 1);
	told_cursor(a->told, seq + 1);
	if (world_has_bug(a->proc.world, "ack-before-commit"))
		feed_ack(a->feed, seq);
	flush_soon(a);
}

static void
tell_feed(struct sim_alertd *a)
{
	struct event ev = { .type = EV_FEED };
	struct feed_stat st;

	feed_stat(a->feed, &st);
	if (a->db_failing || (a->feed_told && a->feed_up == st.up))
		return;
	a->feed_told = true;
	ev.feed_up = a->feed_up = st.up;
	decide(a, &ev);
}

static void
on_feed_state(void *arg, bool up, const char *why)
{
	struct sim_alertd *a = arg;

	world_trace(a->proc.world, "alertd: feed %s %s", up ? "up" : "down", why);
	if (up)
		a->acked_seq = 0;
	tell_feed(a);
}

static void
on_feed_lost(void *arg, uint64_t seq, uint64_t count)
{
	struct sim_alertd *a = arg;

	world_fail(
	    a->proc.world, "the feed has lost %" PRIu64 " records before %" PRIu64, count, seq);
}

static void
on_reloaded(void *arg, uint64_t id, bool ok, uint64_t revision, const char *errors)
{
	(void)arg, (void)id, (void)ok, (void)revision, (void)errors;
}

static const struct feed_ops feed_ops = { on_feed_event, on_feed_done, on_feed_state,
	on_feed_lost, on_reloaded };

/* ---------------------------------------------------------------- committing */

static void
add_row(void *arg, const struct outbox_message *m)
{
	struct sim_alertd *a = arg;

	outbox_add(a->outbox, m, alertd_now(a));
}

static void
stop_rows(void *arg, uint64_t incident)
{
	struct sim_alertd *a = arg;

	outbox_stop(a->outbox, incident, alertd_now(a));
}

static const struct db_after after = { add_row, stop_rows };

static void send_all(struct sim_alertd *a);
static void flush(void *arg);

static void
commit_failed(struct sim_alertd *a)
{
	if (!a->db_failing) {
		a->db_failing = true;
		feed_pause(a->feed, true);
	}
	a->flush_due = true;
	world_after(a->proc.world, DB_RETRY_NS, &a->proc, flush, a);
}

static void
flush(void *arg)
{
	struct sim_alertd *a = arg;
	bool cursor_first = world_has_bug(a->proc.world, "cursor-before-decisions");

	a->flush_due = false;
	if (dies_here(a))
		return;
	if (cursor_first && a->decided_seq > a->acked_seq) {
		struct db_batch *early = db_batch_new();

		db_batch_cursor(early, a->decided_seq + 1);
		db_commit(a->db, early, NULL, NULL);
		db_batch_free(early);
		if (dies_here(a))
			return;
	}
	if (world_chance(a->proc.world, a->db_fault)) {
		commit_failed(a);
		return;
	}
	if (db_commit(a->db, a->batch, &after, a) != 0) {
		world_fail(a->proc.world, "alertd: commit: %s", db_error(a->db));
		return;
	}
	told_committed(a->told);
	if (a->db_failing) {
		a->db_failing = false;
		feed_pause(a->feed, false);
	}
	if (dies_here(a))
		return;
	if (a->decided_seq > a->acked_seq) {
		feed_ack(a->feed, a->decided_seq);
		a->acked_seq = a->decided_seq;
	}
	if (dies_here(a))
		return;
	send_all(a);
	pump(a);
}

static void
flush_soon(struct sim_alertd *a)
{
	bool urgent = db_batch_is_urgent(a->batch);

	if (a->db_failing || a->flush_due)
		return;
	a->flush_due = true;
	world_after(a->proc.world, urgent ? 0 : world_between(a->proc.world, 0, COMMIT_EVERY_NS),
	    &a->proc, flush, a);
}

/* ------------------------------------------------------------------- gateways */

struct attempt {
	struct sim_alertd *a;
	uint64_t id;
	char key[200];
	enum outbox_outcome outcome;
};

static void
tell_core(struct sim_alertd *a, const struct outbox_message *m)
{
	struct event ev = { .type = EV_DELIVERY };

	if (m->state != OUTBOX_SENT && m->state != OUTBOX_FAILED && m->state != OUTBOX_EXPIRED)
		return;
	ev.delivery.message = m->id;
	ev.delivery.key = m->key;
	ev.delivery.delivered = m->state == OUTBOX_SENT;
	ev.delivery.detail = m->detail;
	decide(a, &ev);
}

static void
judge_one(void *arg, const struct outbox_channel *c)
{
	struct sim_alertd *a = arg;
	struct event ev = { .type = EV_CHANNEL };
	bool *told_dead = &a->told_dead[strcmp(c->name, "mail") == 0];

	if (*told_dead == c->dead)
		return;
	*told_dead = c->dead;
	ev.channel.name = c->name;
	ev.channel.up = !c->dead;
	ev.channel.detail = c->detail;
	decide(a, &ev);
}

static void
judge_channels(struct sim_alertd *a)
{
	outbox_judge(a->outbox, alertd_now(a));
	outbox_each_channel(a->outbox, judge_one, a);
}

/* The answer comes, in this life. */
static void
answered(void *arg)
{
	struct attempt *t = arg;
	struct sim_alertd *a = t->a;

	if (!dies_here(a) && outbox_outcome(a->outbox, t->id, t->outcome, "simulated",
	    alertd_now(a)) == 0) {
		db_batch_outcome(a->batch, t->id, t->outcome, "simulated", a->now);
		db_batch_message(a->batch, outbox_find(a->outbox, t->id), a->now);
		told_outcome(a->told, t->key, t->outcome);
		judge_channels(a);
		pump(a);
		flush_soon(a);
	}
}

/* What the gateway does with it: takes it or not, says so or not. */
static void
hand_over(struct sim_alertd *a, struct attempt *t, const char *channel)
{
	struct world *w = a->proc.world;
	bool takes = true;
	int64_t wait = world_between(w, NS_PER_MS, 2 * NS_PER_S);

	t->outcome = OUTCOME_SENT;
	if (world_chance(w, a->gateway_fault)) {
		switch (rng_below(w->rng, 5)) {
		case 0:			/* it is down */
		case 1:
			takes = false;
			t->outcome = OUTCOME_RETRY;
			break;
		case 2:			/* it hangs */
			takes = world_chance(w, 0.5);
			t->outcome = OUTCOME_UNKNOWN;
			wait = HANG_NS;
			break;
		case 3:			/* it lies: takes it and says no */
			t->outcome = OUTCOME_RETRY;
			break;
		case 4:			/* it will not have it, ever */
			takes = strcmp(channel, "sms") != 0;
			t->outcome = takes ? OUTCOME_SENT : OUTCOME_REFUSED;
			break;
		}
	}
	if (takes)
		told_accepted(a->told, t->key);
	if (t->outcome == OUTCOME_RETRY || t->outcome == OUTCOME_REFUSED)
		told_rejected(a->told, t->key);
	world_trace(w, "alertd: gateway %s %s %s, answers %s", channel, takes ? "takes" : "drops",
	    t->key, outbox_outcome_name(t->outcome));
	world_after(w, wait, &a->proc, answered, t);
}

static void
send_all(struct sim_alertd *a)
{
	size_t n = a->n_starting;

	a->n_starting = 0;
	for (size_t i = 0; i < n; i++) {
		const struct outbox_message *m = outbox_find(a->outbox, a->starting[i]);
		struct attempt *t;

		if (m == NULL)
			continue;
		if (dies_here(a))
			return;
		t = world_alloc(a->proc.world, sizeof *t);
		*t = (struct attempt){ .a = a, .id = m->id };
		snprintf(t->key, sizeof t->key, "%s", m->key);
		told_attempt(a->told, m->key, m->repeat &&
		    !world_has_bug(a->proc.world, "no-repeat-mark"));
		hand_over(a, t, m->channel);
	}
}

static void
wake(void *arg)
{
	struct sim_alertd *a = arg;

	a->wake_at = 0;
	pump(a);
}

static void
set_alarm(struct sim_alertd *a)
{
	struct world *w = a->proc.world;
	struct wall at = outbox_wake(a->outbox);
	int64_t wait = at.ns - a->now.ns;

	if (at.ns == INT64_MAX)
		return;
	if (wait < NS_PER_MS)
		wait = NS_PER_MS;
	if (a->wake_at > w->now && a->wake_at <= w->now + wait)
		return;
	a->wake_at = w->now + wait;
	world_after(w, wait, &a->proc, wake, a);
}

static void
pump(struct sim_alertd *a)
{
	struct outbox_action act;
	struct wall now = alertd_now(a);

	if (a->db_failing || !proc_acts(&a->proc))
		return;
	while (a->n_starting < sizeof a->starting / sizeof a->starting[0] &&
	    (act = outbox_next(a->outbox, now)).verb != OUTBOX_IDLE) {
		const struct outbox_message *m = act.message;

		db_batch_message(a->batch, m, now);
		if (act.verb == OUTBOX_SEND) {
			db_batch_intent(a->batch, m->id, m->channel, now, m->repeat);
			told_intent(a->told, m->key);
			a->starting[a->n_starting++] = m->id;
		} else {
			tell_core(a, m);
		}
		flush_soon(a);
	}
	if (world_has_bug(a->proc.world, "send-before-commit"))
		send_all(a);
	set_alarm(a);
}

/* --------------------------------------------------------------------------- people */

struct choice { struct sim_alertd *a; uint64_t incident; bool down; uint64_t seen; };

static void
choose(void *arg, const struct incident *inc)
{
	struct choice *c = arg;

	if (!incident_is_open(inc) || rng_below(c->a->proc.world->rng, ++c->seen) != 0)
		return;
	c->incident = inc->number;
	c->down = inc->link_state == LINK_DOWN;
}

/* Somebody acknowledges, notes, or tries to close what cannot be closed yet. */
static void
somebody_acts(struct sim_alertd *a)
{
	static const char *const verbs[] = { "ack", "note", "close" };
	struct choice c = { .a = a };
	struct command cmd = { .verb = verbs[rng_below(a->proc.world->rng, 3)], .actor = "zhang",
		.role = "operator", .channel = "linkctl", .note = "seen" };
	struct event ev = { .type = EV_COMMAND, .command = &cmd };

	core_each_incident(a->core, choose, &c);
	cmd.incident = c.incident;
	if (c.incident == 0)
		return;
	a->reply_ok = false;
	decide(a, &ev);
	world_trace(a->proc.world, "alertd: %s of incident %" PRIu64 ": %s", cmd.verb, c.incident,
	    a->reply_ok ? "ok" : "refused");
	if (a->reply_ok && strcmp(cmd.verb, "close") == 0)
		world_fail(a->proc.world, "incident %" PRIu64 " was closed without its fields%s",
		    c.incident, c.down ? ", its link down" : "");
}

/* ----------------------------------------------------------------------- its lives */

static void
second(void *arg)
{
	static const struct identity who = { .role = ROLE_ALERTD, .id = "main" };
	struct sim_alertd *a = arg;
	struct world *w = a->proc.world;
	struct event ev = { .type = EV_TICK };
	struct conn *conn;

	world_after(w, NS_PER_S, &a->proc, second, a);
	feed_tick(a->feed);
	if (clock_mono(&a->proc.clock).ns >= feed_retry_at(a->feed).ns && !a->db_failing &&
	    net_connect(w->net, &a->proc, &who, a->collector, &feed_conn_handler, a->feed,
		&conn) == 0)
		feed_connecting(a->feed, conn);
	if (a->db_failing)
		return;
	tell_feed(a);
	decide(a, &ev);
	if (world_chance(w, a->people))
		somebody_acts(a);
	judge_channels(a);
	pump(a);
}

static void
restore(struct sim_alertd *a)
{
	uint64_t next = 0;
	char why[200] = "";
	char path[100];

	snprintf(path, sizeof path, "%s/alertd.db", a->dir);
	if (db_open(&a->db, path, why, sizeof why) != 0 || db_cursor(a->db, &next) != 0 ||
	    db_restore_core(a->db, a->core, alertd_now(a)) != 0 ||
	    db_verify_log(a->db, why, sizeof why) != 0 ||
	    db_restore_outbox(a->db, add_row, a) != 0) {
		world_fail(a->proc.world, "alertd does not start: %s %s", why,
		    a->db != NULL ? db_error(a->db) : "");
		return;
	}
	a->decided_seq = a->acked_seq = next > 0 ? next - 1 : 0;
}

/* What an earlier life left dead may work again. */
static void
presume_channels(struct sim_alertd *a)
{
	static const char *const names[] = { "sms", "mail" };

	for (size_t i = 0; i < 2; i++) {
		struct event ev = { .type = EV_CHANNEL };

		ev.channel.name = names[i];
		ev.channel.up = true;
		ev.channel.detail = "alertd starts";
		decide(a, &ev);
	}
}

static void
alertd_start(struct proc *p)
{
	static const struct outbox_conf limits = { .retry_first_ns = NS_PER_S,
		.retry_max_ns = 10 * NS_PER_S, .tries_before_fallback = 3,
		.dead_after_ns = 20 * NS_PER_S, .give_up_ns = INT64_C(24) * 3600 * NS_PER_S };
	struct sim_alertd *a = (struct sim_alertd *)p;
	struct feed_opts fo = {.stale_after_ns = STALE_NS,
	    .clock = &p->clock,
	    .rng = p->world->rng,
	    .ops = &feed_ops,
	    .arg = a};

	world_trace(p->world, "alertd: starts");
	a->flush_due = a->db_failing = a->feed_told = false;
	a->n_starting = 0;
	a->wake_at = 0;
	memset(a->told_dead, 0, sizeof a->told_dead);
	a->now.ns = 0;
	a->batch = db_batch_new();
	a->core = core_new(a->policy);
	a->outbox = outbox_new(&limits, p->world->rng);
	outbox_channel_set(a->outbox, "sms", 2);
	outbox_channel_set(a->outbox, "mail", 2);
	restore(a);
	presume_channels(a);
	fo.next_seq = a->decided_seq + 1;
	a->feed = feed_new(&fo);
	world_after(p->world, 0, p, second, a);
}

static void
alertd_gone(struct proc *p)
{
	struct sim_alertd *a = (struct sim_alertd *)p;

	told_lost(a->told);
	feed_free(a->feed);
	outbox_free(a->outbox);
	core_free(a->core);
	db_batch_free(a->batch);
	if (a->db != NULL)
		db_close(a->db);
	a->feed = NULL;
	a->outbox = NULL;
	a->core = NULL;
	a->batch = NULL;
	a->db = NULL;
}

static void
alertd_stop(struct proc *p)
{
	struct sim_alertd *a = (struct sim_alertd *)p;

	if (!a->db_failing && db_commit(a->db, a->batch, NULL, NULL) == 0) {
		told_committed(a->told);
		feed_ack(a->feed, a->decided_seq);
	}
}

static const struct proc_ops alertd_ops = { alertd_start, alertd_stop, alertd_gone };

int
sim_alertd_init(struct sim_alertd *a, struct world *w, struct net_server *collector,
    struct told *told)
{
	struct conf_errors errs = { 0 };
	int r;

	memset(a, 0, sizeof *a);
	proc_init(&a->proc, w, "alertd", &alertd_ops);
	a->collector = collector;
	a->told = told;
	r = policy_parse(policy_text, sizeof policy_text - 1, "policy", &a->policy, &errs);
	if (r != 0)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	snprintf(a->dir, sizeof a->dir, "%s/lw-sim-XXXXXX", access("/dev/shm", W_OK) == 0 ?
	    "/dev/shm" : "/tmp");
	if (r != 0 || mkdtemp(a->dir) == NULL) {
		world_fail(w, "alertd cannot be set up");
		return -EINVAL;
	}
	return 0;
}

static void
unlink_each(void *arg, const char *name)
{
	struct disk *d = arg;

	d->ops->unlink(d, name);
}

void
sim_alertd_fini(struct sim_alertd *a)
{
	struct disk *d;

	policy_free(a->policy);
	if (a->dir[0] == '\0' || disk_open_real(a->dir, &d) != 0)
		return;
	d->ops->list(d, unlink_each, d);
	d->ops->close(d);
	rmdir(a->dir);
}

struct looking { char *out; size_t n; bool quiet; };

static void
look_link(void *arg, const struct link_view *v)
{
	struct looking *l = arg;

	if (v->state == LINK_UP || !l->quiet)
		return;
	l->quiet = false;
	snprintf(
	    l->out, l->n, "alertd: link %s/%s is %s", v->agent, v->link, link_state_name(v->state));
}

static void
look_incident(void *arg, const struct incident *inc)
{
	struct looking *l = arg;

	if (!told_is_lasting(inc) || !l->quiet)
		return;
	l->quiet = false;
	snprintf(l->out, l->n, "alertd: incident %" PRIu64 " (%s) is %s", inc->number,
	    inc->title_en, incident_state_name(inc->state));
}

bool
sim_alertd_is_quiet(const struct sim_alertd *a, char *out, size_t n)
{
	struct looking l = { .out = out, .n = n, .quiet = true };
	struct outbox_counts c;
	struct feed_stat fs;

	if (a->core == NULL) {
		snprintf(out, n, "alertd does not run");
		return false;
	}
	core_each_link(a->core, look_link, &l);
	core_each_incident(a->core, look_incident, &l);
	outbox_count(a->outbox, &c);
	feed_stat(a->feed, &fs);
	if (l.quiet && (!fs.up || c.pending + c.unknown + c.sending > 0 ||
	    db_batch_is_urgent(a->batch))) {
		l.quiet = false;
		snprintf(out, n,
		    "alertd: feed %s, outbox: %" PRIu64 " pending, %" PRIu64 " unknown, %" PRIu64
		    " sending",
		    fs.up ? "up" : "down", c.pending, c.unknown, c.sending);
	}
	return l.quiet;
}
