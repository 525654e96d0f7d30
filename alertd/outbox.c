/*
 * outbox.c - queues, order, back-off and fallback of messages.
 *
 * All messages stand in one list by id.  A lane is (incident, recipient,
 * channel): only the first message of a lane may be tried, which keeps the
 * order.  Messages about no incident have no lane.
 */
#include "alertd/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mem.h"

struct lane;

struct item {
	struct outbox_message m;
	TAILQ_ENTRY(item) all;		/* by id */
	TAILQ_ENTRY(item) in_lane;	/* by id */
	struct lane *lane;		/* NULL: not ordered */
	bool dirty;			/* to be saved */
};

TAILQ_HEAD(items, item);

struct lane {
	TAILQ_ENTRY(lane) link;
	struct items items;
	uint64_t incident;
	char *recipient, *channel;
};

struct chan {
	TAILQ_ENTRY(chan) link;
	struct outbox_channel c;
	char *name;
	uint32_t parallel;
	struct wall probe_at;		/* dead: not before */
	bool present;			/* configured now */
};

struct outbox {
	struct outbox_conf limits;
	struct rng *rng;
	struct items items;
	TAILQ_HEAD(, lane) lanes;
	TAILQ_HEAD(, chan) chans;
	struct item *leaving;		/* final and handed out: freed at the next call */
	uint32_t dirty;
	uint64_t sent, failed, expired;	/* since the start */
};

static bool
is_final(enum outbox_state s)
{
	return s == OUTBOX_SENT || s == OUTBOX_FAILED || s == OUTBOX_EXPIRED ||
	       s == OUTBOX_STOPPED;
}

static char *
dup_or_null(const char *s)
{
	return s == NULL ? NULL : xstrdup(s);
}

static bool
same(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static void
message_copy(struct outbox_message *to, const struct outbox_message *from)
{
	*to = *from;
	to->key = dup_or_null(from->key);
	to->event = dup_or_null(from->event);
	to->recipient = dup_or_null(from->recipient);
	to->channel = dup_or_null(from->channel);
	to->fallback = dup_or_null(from->fallback);
	to->address = dup_or_null(from->address);
	to->fallback_address = dup_or_null(from->fallback_address);
	to->lang = dup_or_null(from->lang);
	to->subject = dup_or_null(from->subject);
	to->body = dup_or_null(from->body);
	to->doc = dup_or_null(from->doc);
}

static void
message_clear(struct outbox_message *m)
{
	char *const owned[] = { m->key, m->event, m->recipient, m->channel, m->fallback,
		m->address, m->fallback_address, m->lang, m->subject, m->body, m->doc };

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	memset(m, 0, sizeof(*m));
}

/* ------------------------------------------------------------------- lanes */

static void
lane_enter(struct outbox *ob, struct item *it)
{
	struct lane *l;
	struct item *other;

	if (it->m.incident == 0)
		return;
	TAILQ_FOREACH(l, &ob->lanes, link)
		if (l->incident == it->m.incident && same(l->recipient, it->m.recipient) &&
		    same(l->channel, it->m.channel))
			break;
	if (l == NULL) {
		l = xcalloc(1, sizeof(*l));
		TAILQ_INIT(&l->items);
		l->incident = it->m.incident;
		l->recipient = dup_or_null(it->m.recipient);
		l->channel = dup_or_null(it->m.channel);
		TAILQ_INSERT_TAIL(&ob->lanes, l, link);
	}
	it->lane = l;
	TAILQ_FOREACH_REVERSE(other, &l->items, items, in_lane)
		if (other->m.id < it->m.id)
			break;
	if (other != NULL)
		TAILQ_INSERT_AFTER(&l->items, other, it, in_lane);
	else
		TAILQ_INSERT_HEAD(&l->items, it, in_lane);
}

static void
lane_leave(struct outbox *ob, struct item *it)
{
	struct lane *l = it->lane;

	if (l == NULL)
		return;
	TAILQ_REMOVE(&l->items, it, in_lane);
	it->lane = NULL;
	if (!TAILQ_EMPTY(&l->items))
		return;
	TAILQ_REMOVE(&ob->lanes, l, link);
	free(l->recipient);
	free(l->channel);
	free(l);
}

static bool
is_first(const struct item *it)
{
	return it->lane == NULL || TAILQ_FIRST(&it->lane->items) == it;
}

/* ---------------------------------------------------------------- channels */

static struct chan *
chan_find(const struct outbox *ob, const char *name)
{
	struct chan *c;

	TAILQ_FOREACH(c, &ob->chans, link)
		if (same(c->name, name))
			return c;
	return NULL;
}

void
outbox_channel_set(struct outbox *ob, const char *name, uint32_t parallel)
{
	struct chan *c = chan_find(ob, name);

	if (c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->name = xstrdup(name);
		c->c.name = c->name;
		TAILQ_INSERT_TAIL(&ob->chans, c, link);
	}
	c->parallel = parallel > 0 ? parallel : 1;
	c->present = true;
}

void
outbox_channel_remove(struct outbox *ob, const char *name)
{
	struct chan *c = chan_find(ob, name);

	if (c != NULL)
		c->present = false;
}

static int64_t
backoff(struct outbox *ob, uint32_t failures)
{
	int64_t wait = ob->limits.retry_first_ns;

	for (uint32_t i = 1; i < failures && wait < ob->limits.retry_max_ns; i++)
		wait *= 2;
	if (wait > ob->limits.retry_max_ns)
		wait = ob->limits.retry_max_ns;
	return (int64_t)((double)wait * (0.8 + 0.4 * rng_double(ob->rng)));
}

static void
chan_judge(const struct outbox *ob, struct chan *c, struct wall now)
{
	c->c.dead = c->c.failing_since.ns != 0 &&
		    c->c.failures >= (uint32_t)ob->limits.tries_before_fallback &&
		    now.ns - c->c.failing_since.ns >= ob->limits.dead_after_ns;
}

static void
chan_failed(struct outbox *ob, struct chan *c, const char *detail, struct wall now)
{
	if (c->c.failing_since.ns == 0)
		c->c.failing_since = now;
	if (c->c.failures < UINT32_MAX)
		c->c.failures++;
	snprintf(c->c.detail, sizeof(c->c.detail), "%s", detail);
	c->probe_at.ns = now.ns + backoff(ob, c->c.failures);
	chan_judge(ob, c, now);
}

/* The channel lives: what waited only because it had failed need not wait on. */
static void
chan_works(struct outbox *ob, struct chan *c, struct wall now)
{
	struct item *it;

	if (c->c.failures == 0)
		return;
	c->c.failures = 0;
	c->c.failing_since.ns = 0;
	c->c.dead = false;
	c->probe_at.ns = 0;
	TAILQ_FOREACH(it, &ob->items, all)
		if (it->m.failures > 0 && same(it->m.channel, c->name) &&
		    it->m.state != OUTBOX_SENDING && it->m.next_at.ns > now.ns)
			it->m.next_at = now;
}

/* ---------------------------------------------------------------- messages */

static void
mark(struct outbox *ob, struct item *it)
{
	if (!it->dirty)
		ob->dirty++;
	it->dirty = true;
}

/* Sets a final or waiting state; the row is to be saved. */
static void
become(struct outbox *ob, struct item *it, enum outbox_state state, const char *detail)
{
	it->m.state = state;
	if (detail != NULL)
		snprintf(it->m.detail, sizeof(it->m.detail), "%s", detail);
	if (is_final(state))
		lane_leave(ob, it);
	ob->sent += state == OUTBOX_SENT;
	ob->failed += state == OUTBOX_FAILED;
	ob->expired += state == OUTBOX_EXPIRED;
	mark(ob, it);
}

static bool
can_fall_back(const struct item *it)
{
	return it->m.fallback != NULL && it->m.fallback[0] != '\0' &&
	       it->m.fallback_address != NULL;
}

static void
fall_back(struct outbox *ob, struct item *it, struct wall now)
{
	lane_leave(ob, it);
	free(it->m.channel);
	free(it->m.address);
	it->m.channel = it->m.fallback;
	it->m.address = it->m.fallback_address;
	it->m.fallback = it->m.fallback_address = NULL;
	it->m.failures = 0;
	it->m.next_at = now;
	lane_enter(ob, it);
	mark(ob, it);
}

static void
swap_channels(struct outbox *ob, struct item *it)
{
	char *channel = it->m.channel, *address = it->m.address;

	lane_leave(ob, it);
	it->m.channel = it->m.fallback;
	it->m.address = it->m.fallback_address;
	it->m.fallback = channel;
	it->m.fallback_address = address;
	lane_enter(ob, it);
}

/* May so long a wait be put on it as a hanging gateway takes? */
static bool
can_wait(const struct item *it)
{
	return !same(it->m.event, "open") && !same(it->m.event, "raise") &&
	       !same(it->m.event, "escalate") && !same(it->m.event, "relapse");
}

/*
 * Who decides on messages names a dead channel only as the fallback, and so
 * nobody would ever hear that it works again: one message that can wait is
 * tried there first.
 */
static void
probe_dead(struct outbox *ob, struct item *it, struct wall now)
{
	struct chan *c = can_fall_back(it) && can_wait(it) ? chan_find(ob, it->m.fallback) : NULL;

	if (c == NULL || !c->present || !c->c.dead || c->c.under_way > 0 ||
	    now.ns < c->probe_at.ns)
		return;
	swap_channels(ob, it);
	if (!is_first(it))
		swap_channels(ob, it);
}

static struct item *
item_find(const struct outbox *ob, uint64_t id)
{
	struct item *it;

	TAILQ_FOREACH_REVERSE(it, &ob->items, items, all) {
		if (it->m.id == id)
			return it;
		if (it->m.id < id)
			break;
	}
	return NULL;
}

static void
item_free(struct outbox *ob, struct item *it)
{
	TAILQ_REMOVE(&ob->items, it, all);
	lane_leave(ob, it);
	message_clear(&it->m);
	free(it);
}

int
outbox_add(struct outbox *ob, const struct outbox_message *m, struct wall now)
{
	struct item *it, *other;

	if (item_find(ob, m->id) != NULL)
		return -EEXIST;
	it = xcalloc(1, sizeof(*it));
	message_copy(&it->m, m);
	if (it->m.next_at.ns < it->m.not_before.ns)
		it->m.next_at = it->m.not_before;
	/* Restored after the clock was set back: no retry waits longer than the longest. */
	if (it->m.next_at.ns > it->m.not_before.ns &&
	    it->m.next_at.ns - now.ns > 2 * ob->limits.retry_max_ns)
		it->m.next_at = now.ns > it->m.not_before.ns ? now : it->m.not_before;
	TAILQ_FOREACH_REVERSE(other, &ob->items, items, all)
		if (other->m.id < it->m.id)
			break;
	if (other != NULL)
		TAILQ_INSERT_AFTER(&ob->items, other, it, all);
	else
		TAILQ_INSERT_HEAD(&ob->items, it, all);
	lane_enter(ob, it);
	if (it->m.state == OUTBOX_SENDING) {
		it->m.repeat = true;
		it->m.next_at = now;
		become(ob, it, OUTBOX_UNKNOWN, "no outcome was recorded");
	}
	return 0;
}

void
outbox_stop(struct outbox *ob, uint64_t incident, struct wall now)
{
	struct item *it;

	(void)now;
	TAILQ_FOREACH(it, &ob->items, all)
		if (it->m.incident == incident && !is_final(it->m.state) &&
		    it->m.state != OUTBOX_SENDING &&
		    (same(it->m.event, "remind") || same(it->m.event, "escalate")))
			become(ob, it, OUTBOX_STOPPED, "no longer needed");
}

/* -------------------------------------------------------------- what is next */

/* Too late for this message?  True: its state has changed. */
static bool
is_over(struct outbox *ob, struct item *it, struct wall now)
{
	if (it->m.expires.ns != 0 && now.ns >= it->m.expires.ns) {
		become(ob, it, OUTBOX_EXPIRED, it->m.detail[0] != '\0' ? NULL : "expired");
		return true;
	}
	if (now.ns - it->m.decided.ns >= ob->limits.give_up_ns &&
	    now.ns - it->m.not_before.ns >= ob->limits.give_up_ns) {
		become(ob, it, OUTBOX_FAILED, it->m.detail[0] != '\0' ? NULL : "given up");
		return true;
	}
	return false;
}

/* May it be sent now by its channel?  May move it to its fallback. */
static bool
may_send(struct outbox *ob, struct item *it, struct wall now)
{
	struct chan *c = chan_find(ob, it->m.channel);

	if (c == NULL || !c->present) {
		if (can_fall_back(it))
			fall_back(ob, it, now);
		else if (it->m.detail[0] == '\0')
			snprintf(it->m.detail, sizeof(it->m.detail), "no such channel");
		return false;
	}
	chan_judge(ob, c, now);
	if (c->c.dead && (now.ns < c->probe_at.ns || c->c.under_way > 0)) {
		if (can_fall_back(it))
			fall_back(ob, it, now);
		return false;
	}
	return c->c.under_way < c->parallel;
}

static struct outbox_action
hand_out(struct outbox *ob, struct item *it, enum outbox_verb verb)
{
	if (it->dirty)
		ob->dirty--;
	it->dirty = false;
	if (is_final(it->m.state))
		ob->leaving = it;
	return (struct outbox_action){ verb, &it->m };
}

static struct outbox_action
start(struct outbox *ob, struct item *it)
{
	struct chan *c = chan_find(ob, it->m.channel);

	it->m.repeat = it->m.repeat || it->m.state == OUTBOX_UNKNOWN;
	it->m.state = OUTBOX_SENDING;
	it->m.attempts++;
	c->c.under_way++;
	return hand_out(ob, it, OUTBOX_SEND);
}

struct outbox_action
outbox_next(struct outbox *ob, struct wall now)
{
	struct item *it;

	if (ob->leaving != NULL)
		item_free(ob, ob->leaving);
	ob->leaving = NULL;
	TAILQ_FOREACH(it, &ob->items, all) {
		if (!it->dirty && it->m.state != OUTBOX_SENDING && !is_over(ob, it, now) &&
		    is_first(it) && it->m.next_at.ns <= now.ns) {
			probe_dead(ob, it, now);
			if (may_send(ob, it, now))
				return start(ob, it);
		}
		if (it->dirty)
			return hand_out(ob, it, OUTBOX_SAVE);
	}
	return (struct outbox_action){ OUTBOX_IDLE, NULL };
}

/* After a failure: again later, by the fallback, or never. */
static void
retry(struct outbox *ob, struct item *it, enum outbox_outcome how, const char *detail,
    struct wall now)
{
	it->m.failures++;
	it->m.next_at.ns = now.ns + backoff(ob, it->m.failures);
	if (how == OUTCOME_UNKNOWN)
		it->m.repeat = true;
	become(ob, it, how == OUTCOME_UNKNOWN ? OUTBOX_UNKNOWN : OUTBOX_PENDING, detail);
	if (it->m.failures >= (uint32_t)ob->limits.tries_before_fallback && can_fall_back(it))
		fall_back(ob, it, now);
}

int
outbox_outcome(struct outbox *ob, uint64_t id, enum outbox_outcome how, const char *detail,
    struct wall now)
{
	struct item *it = item_find(ob, id);
	struct chan *c;

	if (it == NULL || it->m.state != OUTBOX_SENDING)
		return -ENOENT;
	c = chan_find(ob, it->m.channel);
	if (c->c.under_way > 0)
		c->c.under_way--;
	if (how == OUTCOME_SENT || how == OUTCOME_REFUSED)
		chan_works(ob, c, now);
	else
		chan_failed(ob, c, detail, now);
	switch (how) {
	case OUTCOME_SENT:
		it->m.sent = now;
		become(ob, it, OUTBOX_SENT, detail);
		break;
	case OUTCOME_REFUSED:
		become(ob, it, can_fall_back(it) ? OUTBOX_PENDING : OUTBOX_FAILED, detail);
		if (it->m.state == OUTBOX_PENDING)
			fall_back(ob, it, now);
		break;
	case OUTCOME_RETRY:
	case OUTCOME_UNKNOWN:
		retry(ob, it, how, detail, now);
		break;
	}
	return 0;
}

static void
sooner(struct wall *best, int64_t ns)
{
	if (ns < best->ns)
		best->ns = ns;
}

struct wall
outbox_wake(const struct outbox *ob)
{
	struct wall best = { INT64_MAX };
	const struct item *it;

	if (ob->dirty > 0)
		return (struct wall){ 0 };
	TAILQ_FOREACH(it, &ob->items, all) {
		const struct chan *c = chan_find(ob, it->m.channel);
		int64_t later = it->m.not_before.ns > it->m.decided.ns ? it->m.not_before.ns :
									 it->m.decided.ns;
		if (it->m.state == OUTBOX_SENDING)
			continue;
		if (it->m.expires.ns != 0)
			sooner(&best, it->m.expires.ns);
		sooner(&best, later + ob->limits.give_up_ns);
		if (!is_first(it) || c == NULL || !c->present || c->c.under_way >= c->parallel)
			continue;
		if (c->c.dead && c->c.under_way > 0)
			continue;
		if (c->c.dead && c->probe_at.ns > it->m.next_at.ns)
			sooner(&best, c->probe_at.ns);
		else
			sooner(&best, it->m.next_at.ns);
	}
	return best;
}

/* ------------------------------------------------------------- looking at it */

const struct outbox_message *
outbox_find(const struct outbox *ob, uint64_t id)
{
	const struct item *it = item_find(ob, id);

	return it == NULL ? NULL : &it->m;
}

void
outbox_count(const struct outbox *ob, struct outbox_counts *n)
{
	const struct item *it;

	*n = (struct outbox_counts){ .sent = ob->sent, .failed = ob->failed,
		.expired = ob->expired };
	TAILQ_FOREACH(it, &ob->items, all) {
		n->pending += it->m.state == OUTBOX_PENDING;
		n->unknown += it->m.state == OUTBOX_UNKNOWN;
		n->sending += it->m.state == OUTBOX_SENDING;
	}
}

void
outbox_each_channel(const struct outbox *ob,
    void (*each)(void *arg, const struct outbox_channel *), void *arg)
{
	const struct chan *c;
	const struct item *it;

	TAILQ_FOREACH(c, &ob->chans, link) {
		struct outbox_channel view = c->c;
		if (!c->present)
			continue;
		view.pending = 0;
		TAILQ_FOREACH(it, &ob->items, all)
			view.pending += same(it->m.channel, c->name) && !is_final(it->m.state);
		each(arg, &view);
	}
}

bool
outbox_judge(struct outbox *ob, struct wall now)
{
	struct chan *c;
	bool changed = false;

	TAILQ_FOREACH(c, &ob->chans, link) {
		bool before = c->c.dead;
		chan_judge(ob, c, now);
		changed = changed || before != c->c.dead;
	}
	return changed;
}

struct outbox *
outbox_new(const struct outbox_conf *limits, struct rng *rng)
{
	struct outbox *ob = xcalloc(1, sizeof(*ob));

	ob->limits = *limits;
	ob->rng = rng;
	TAILQ_INIT(&ob->items);
	TAILQ_INIT(&ob->lanes);
	TAILQ_INIT(&ob->chans);
	return ob;
}

void
outbox_free(struct outbox *ob)
{
	struct chan *c;

	if (ob == NULL)
		return;
	while (!TAILQ_EMPTY(&ob->items))
		item_free(ob, TAILQ_FIRST(&ob->items));
	while ((c = TAILQ_FIRST(&ob->chans)) != NULL) {
		TAILQ_REMOVE(&ob->chans, c, link);
		free(c->name);
		free(c);
	}
	free(ob);
}

void
outbox_limits(struct outbox *ob, const struct outbox_conf *limits)
{
	ob->limits = *limits;
}

const char *
outbox_state_name(enum outbox_state state)
{
	static const char *const names[] = { "?", "pending", "sending", "unknown", "sent",
		"failed", "expired", "stopped" };

	return state <= OUTBOX_STOPPED ? names[state] : "?";
}

const char *
outbox_outcome_name(enum outbox_outcome outcome)
{
	static const char *const names[] = { "?", "sent", "retry", "refused", "unknown" };

	return outcome <= OUTCOME_UNKNOWN ? names[outcome] : "?";
}
