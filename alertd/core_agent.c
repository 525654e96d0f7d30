/*
 * core_agent.c - agents, the collector, our own feed and channels: who is
 * silent, and whose fault that is.
 *
 * What we do not see is never a link's fault.  While our feed or the collector
 * is at fault no agent is called silent, and an agent's silence makes its links
 * "not observed", never "down".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"

static int64_t
now_s(const struct core *c)
{
	return c->now.ns / NS_PER_S;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static const char *
name_of(const struct agent_state *a, bool zh)
{
	if (a->conf != NULL && zh && a->conf->name_zh[0] != '\0')
		return a->conf->name_zh;
	if (a->conf != NULL && !zh && a->conf->name_en[0] != '\0')
		return a->conf->name_en;
	return a->id;
}

/* A condition of one agent, named by what: "clock:a1". */
static void
agent_condition(struct core *c, struct agent_state *a, const char *what, enum anomaly_kind kind,
    const char *zh, const char *en, struct wall since, const char *note)
{
	incident_condition(c, out_text(c, "%s:%s", what, a->id), kind, a,
	    out_text(c, "%s%s", name_of(a, true), zh), out_text(c, "%s%s", name_of(a, false), en),
	    since, note);
}

static void
agent_condition_end(struct core *c, const struct agent_state *a, const char *what)
{
	incident_condition_end(c, out_text(c, "%s:%s", what, a->id), c->now);
}

/* ---------------------------------------------------------------------- silence */

/* One of a silent group speaks again: the problem ends with the last of them. */
static void
silence_ends(struct core *c, struct agent_state *a)
{
	struct entry *e = incident_find(c, a->m.incident);
	bool all = true;

	a->m.incident = 0;
	if (e == NULL)
		return;
	for (uint32_t i = 0; i < e->inc.links && i < INCIDENT_LINKS; i++) {
		if (strcmp(e->inc.link_list[i].agent, a->id) == 0)
			e->inc.link_list[i].state = LINK_UP;
		all = all && e->inc.link_list[i].state == LINK_UP;
	}
	incident_touch(c, e);
	if (all)
		incident_condition_end(c, e->inc.fingerprint, c->now);
}

void
agent_heard(struct core *c, struct agent_state *a)
{
	if (a->m.heard_s != now_s(c)) {
		a->m.heard_s = now_s(c);
		a->dirty = true;
	}
	if (a->m.silent) {
		a->m.silent = 0;
		a->dirty = true;
		silence_ends(c, a);
	}
}

static void
falls_silent(struct core *c, struct agent_state *a)
{
	struct wall since = { later(a->m.heard_s, a->m.first_s) * NS_PER_S };
	const char *note = a->m.heard_s == 0 ? "never heard" :
	    a->m.connected ? "connected, but sends nothing" : "session ended";
	struct entry *e;

	a->m.silent = 1;
	a->m.silent_since = since.ns;
	a->dirty = true;
	agent_condition(c, a, "silent", ANOMALY_SILENT, "探针", " agent", since, note);
	for (size_t i = c->entries; i > 0 && a->m.incident == 0; i--) {
		e = c->entry[i - 1];
		if (e->inc.kind != ANOMALY_SILENT || !incident_is_active(e))
			continue;
		for (uint32_t k = 0; k < e->inc.links && k < INCIDENT_LINKS; k++)
			if (strcmp(e->inc.link_list[k].agent, a->id) == 0)
				a->m.incident = e->inc.number;
	}
	for (size_t i = 0; i < c->links; i++)
		if (c->link[i]->agent == a)
			link_blind(c, c->link[i], ANOMALY_SILENT);
}

static int64_t
patience_s(const struct core *c, uint32_t step_ms)
{
	int64_t steps = c->policy->silent.steps * step_ms * NS_PER_MS;

	return (later(c->policy->silent.after, steps) + NS_PER_S - 1) / NS_PER_S;
}

static void
watch_agents(struct core *c)
{
	for (size_t i = 0; i < c->agents; i++) {
		struct agent_state *a = c->agent[i];
		int64_t base = later(later(a->m.heard_s, a->m.first_s), c->m.watching_s);

		if (a->links > 0 && !a->m.silent &&
		    now_s(c) - base > patience_s(c, a->min_step_ms))
			falls_silent(c, a);
	}
	for (size_t i = 0; i < c->links; i++) {
		struct link_entry *l = c->link[i];
		int64_t base = later(l->m.heard_s, c->m.watching_s);

		if (l->m.blind == 0 && !l->agent->m.silent &&
		    now_s(c) - base > 2 * patience_s(c, l->conf->step_ms))
			link_blind(c, l, ANOMALY_SILENT);
	}
}

/* ----------------------------------------------------- the collector and our feed */

static void
blind_all(struct core *c)
{
	for (size_t i = 0; i < c->links; i++)
		link_blind(c, c->link[i], ANOMALY_SELF);
}

/* From now on silence counts again. */
static void
watch_anew(struct core *c)
{
	c->m.watching_s = now_s(c);
	c->dirty = true;
}

void
agent_feed(struct core *c, const struct event *ev)
{
	if ((c->m.feed_up != 0) == ev->feed_up)
		return;
	c->m.feed_up = ev->feed_up;
	c->m.feed_since = c->now.ns;
	c->dirty = true;
	if (!ev->feed_up)
		return;
	watch_anew(c);
	if (c->m.feed_told) {
		c->m.feed_told = 0;
		incident_condition_end(c, "self:feed", c->now);
	}
}

void
agent_collector(struct core *c, const struct event *ev)
{
	const char *what = ev->collector->what;

	c->m.alive_s = now_s(c);
	c->dirty = true;
	if (c->m.collector_told && strcmp(what, "stop") != 0) {
		c->m.collector_told = 0;
		watch_anew(c);
		incident_condition_end(c, "self:collector", c->now);
	}
	if (strcmp(what, "start") == 0)
		watch_anew(c);	/* agents must find it again */
	if (ev->stale)
		return;
	if (strcmp(what, "stalled") == 0 && !c->m.stalled) {
		c->m.stalled = 1;
		incident_condition(c, "self:stalled", ANOMALY_SELF, NULL, "采集中心部件停滞",
		    "part of collector stalled", c->now, ev->collector->detail);
	} else if (strcmp(what, "resumed") == 0 && c->m.stalled) {
		c->m.stalled = 0;
		incident_condition_end(c, "self:stalled", c->now);
	}
}

static void
collector_lost(struct core *c, int64_t since_s)
{
	c->m.collector_told = 1;
	c->dirty = true;
	incident_condition(c, "self:collector", ANOMALY_SELF, NULL, "采集中心无心跳",
	    "collector gives no sign of life", (struct wall){ since_s * NS_PER_S },
	    "no sign of life");
	blind_all(c);
}

static void
feed_lost(struct core *c)
{
	c->m.feed_told = 1;
	c->dirty = true;
	incident_condition(c, "self:feed", ANOMALY_SELF, NULL, "告警与采集中心失联",
	    "feed from collector lost", (struct wall){ c->m.feed_since }, "feed is down");
	blind_all(c);
}

void
agent_tick(struct core *c)
{
	int64_t alive = later(c->m.alive_s, c->m.watching_s);

	if (c->m.feed_since == 0) {	/* first tick of a new core */
		c->m.feed_since = c->now.ns;
		c->dirty = true;
	}
	for (size_t i = 0; i < c->agents; i++) {
		struct agent_state *a = c->agent[i];

		if (a->m.refused && now_s(c) - a->m.refused_s > 300) {
			a->m.refused = 0;
			a->dirty = true;
			agent_condition_end(c, a, "refused");
		}
		if (a->m.jump_s != 0 && now_s(c) - a->m.jump_s > 600) {
			a->m.jump_s = 0;
			a->dirty = true;
			if (!a->m.clock_bad)
				agent_condition_end(c, a, "clock");
		}
	}
	if (!c->m.feed_up) {
		if (!c->m.feed_told && c->now.ns - c->m.feed_since > c->policy->self.feed_after)
			feed_lost(c);
		return;
	}
	if (c->m.collector_told)
		return;
	if ((now_s(c) - alive) * NS_PER_S > c->policy->self.collector_after)
		collector_lost(c, alive);
	else
		watch_agents(c);
}

/* --------------------------------------------------------------- health, sessions */

static void
watch_clock(struct core *c, struct agent_state *a, const Linkwatch__Pb__Health *h)
{
	int64_t limit = c->policy->clock.offset, off = h->clock_offset_ns;
	int64_t size = off < 0 ? -off : off;
	bool over = h->clock_rtt_ns > 0 && size > limit && size > h->clock_rtt_ns;
	bool under = h->clock_rtt_ns > 0 && size <= limit - limit / 5;

	a->m.offset_ns = off;
	if (a->m.clock_bad ? under : over)
		a->m.offset_run++;
	else
		a->m.offset_run = 0;
	if (a->m.offset_run >= (uint64_t)c->policy->clock.reports) {
		a->m.offset_run = 0;
		a->m.clock_bad = !a->m.clock_bad;
		if (a->m.clock_bad)
			agent_condition(c, a, "clock", ANOMALY_CLOCK, "探针", " agent", c->now,
			    out_text(c, "offset %" PRId64 " ms", off / NS_PER_MS));
		else
			agent_condition_end(c, a, "clock");
	}
	if (h->clock_jumps > a->m.clock_jumps && !c->ev->stale) {
		a->m.jump_s = now_s(c);
		agent_condition(c, a, "clock", ANOMALY_CLOCK, "探针", " agent", c->now,
		    out_text(c, "clock jumped, %" PRIu64 " times since start", h->clock_jumps));
	}
	a->m.clock_jumps = h->clock_jumps;
}

static void
watch_certificate(struct core *c, struct agent_state *a, int64_t not_after_ns)
{
	int64_t ahead = c->policy->self.certificate;
	bool bad;

	if (not_after_ns == 0)
		return;
	a->m.cert_ns = not_after_ns;
	bad = ahead > 0 && not_after_ns - c->now.ns < ahead;
	if (bad && !a->m.cert_bad)
		agent_condition(c, a, "certificate", ANOMALY_SELF, "探针证书即将到期",
		    " agent certificate ends soon", c->now, out_text(c, "ends in %" PRId64 " days",
		    (not_after_ns - c->now.ns) / (86400 * NS_PER_S)));
	else if (!bad && a->m.cert_bad)
		agent_condition_end(c, a, "certificate");
	a->m.cert_bad = bad;
}

static Linkwatch__Pb__Health *
copy_health(const Linkwatch__Pb__Health *h)
{
	size_t n = linkwatch__pb__health__get_packed_size(h);
	uint8_t *bytes = malloc(n + 1);
	Linkwatch__Pb__Health *copy;

	if (bytes == NULL)
		abort();
	linkwatch__pb__health__pack(h, bytes);
	copy = linkwatch__pb__health__unpack(NULL, n, bytes);
	free(bytes);
	return copy;
}

void
agent_health(struct core *c, const struct event *ev)
{
	struct agent_state *a = save_find_agent(c, ev->agent);

	if (a == NULL)
		return;
	agent_heard(c, a);
	a->dirty = true;
	if (a->health != NULL)
		linkwatch__pb__health__free_unpacked(a->health, NULL);
	a->health = copy_health(ev->health);
	watch_clock(c, a, ev->health);
	watch_certificate(c, a, ev->health->cert_not_after_ns);
}

void
agent_session(struct core *c, const struct event *ev)
{
	struct agent_state *a = save_find_agent(c, ev->session->agent);

	if (a == NULL)
		return;
	a->dirty = true;
	a->m.connected = ev->session->up;
	a->m.since = ev->session->at_ns;
	if (!ev->session->up)
		return;
	snprintf(a->m.address, sizeof(a->m.address), "%s", ev->session->address);
	watch_certificate(c, a, ev->session->cert_not_after_ns);
	if (a->m.refused) {
		a->m.refused = 0;
		agent_condition_end(c, a, "refused");
	}
}

void
agent_refused(struct core *c, const struct event *ev)
{
	const Linkwatch__Pb__Refused *r = ev->refused;
	struct agent_state *a = save_find_agent(c, r->peer);

	if (ev->stale)
		return;
	if (a == NULL) {
		out_local(c, "peer=%s: turned away by the collector: %s (%" PRIu64 " times)",
		    r->peer, r->reason, r->count);
		return;
	}
	if (!a->m.refused)
		agent_condition(c, a, "refused", ANOMALY_SELF, "探针数据被拒",
		    " agent data refused", c->now, r->reason);
	a->m.refused = 1;
	a->m.refused_s = now_s(c);
	a->dirty = true;
}

/* --------------------------------------------------------------------- channels */

void
agent_channel(struct core *c, const struct event *ev)
{
	struct channels_down *down = &c->m.down;
	const char *name = ev->channel.name;
	int free_slot = -1, slot = -1;

	for (int i = 0; i < CHANNELS_DOWN; i++) {
		if (strcmp(down->name[i], name) == 0)
			slot = i;
		else if (down->name[i][0] == '\0' && free_slot < 0)
			free_slot = i;
	}
	if (strlen(name) > ID_MAX || (slot >= 0) == !ev->channel.up ||
	    (!ev->channel.up && free_slot < 0))
		return;
	c->dirty = true;
	if (ev->channel.up) {
		memset(down->name[slot], 0, sizeof(down->name[slot]));
		incident_condition_end(c, out_text(c, "self:channel:%s", name), c->now);
		return;
	}
	memcpy(down->name[free_slot], name, strlen(name) + 1);
	incident_condition(c, out_text(c, "self:channel:%s", name), ANOMALY_SELF, NULL,
	    out_text(c, "通知通道%s不通", name), out_text(c, "channel %s fails", name), c->now,
	    ev->channel.detail == NULL ? "" : ev->channel.detail);
}
