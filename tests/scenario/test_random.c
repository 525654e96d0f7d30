/*
 * test_random.c - random events against the core, and what must always hold.
 *
 * The same events go to two cores: one lives on, the other is thrown away at
 * random and restored from what it had decided.  Both must decide the same.
 * On the way: at most one active incident of a link and class; none closed
 * while its link is down; no key of a message used twice; no short message
 * above 70 units; recovery told only to those who were alarmed; every second
 * of a ledger in one state.
 *
 *   test_random [SEED [COUNT]]     a failure prints its seed
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core.h"
#include "alertd/policy.h"
#include "common/hashmap.h"
#include "common/links.h"
#include "common/mem.h"
#include "common/utf.h"
#include "tests/rounds.h"
#include "tests/scenario/store.h"

#define LINKS 6
#define EVENTS 1500

static const char policy_text[] =
    "contacts:\n"
    "  - {id: duty, name: 值班, phone: '13800000001', mail: d@example.com}\n"
    "  - {id: lee, name: Lee, lang: en, phone: '13800000002', role: vendor, vendor: ayun}\n"
    "  - {id: boss, name: 组长, phone: '13800000003', role: vendor-lead}\n"
    "trap_channel: trap\n"
    "limits:\n"
    "  grade_1: {watch: 20s, hold: 20s}\n"
    "  grade_2: {watch: 20s, hold: 20s, recover: 20m}\n"
    "  grade_3: {watch: 20s, hold: 20s, recover: 10m, group: 10s}\n"
    "  grade_4: {watch: 20s, hold: 20s, recover: 5m, group: 10s}\n"
    "storm: {incidents: 3}\n"
    "life: {keep: 30m, relapse: 1h}\n";

static const char links_text[] =
    "vendors: [{id: ayun, code: A云, code_en: A, name: 甲云}]\n"
    "agents: [{id: a1, vendor: ayun, zone: z1, name: 浦东}, {id: a2, vendor: ayun, zone: z2, name: 徐汇}]\n"
    "chains: [{id: svc, name: 服务}]\n"
    "links:\n"
    "  - {id: l0, agent: a1, probe: icmp, target: 192.0.2.1, step: 5s, count: 5, class: A, chain: svc, segment: access}\n"
    "  - {id: l1, agent: a1, probe: icmp, target: 192.0.2.2, step: 5s, count: 5, class: B, chain: svc, segment: edge}\n"
    "  - {id: l2, agent: a1, probe: tcp, port: 443, target: 192.0.2.3, step: 5s, count: 2, class: C}\n"
    "  - {id: l3, agent: a2, probe: icmp, target: 192.0.2.1, step: 5s, count: 5, class: A}\n"
    "  - {id: l4, agent: a2, probe: tcp, port: 80, target: 192.0.2.5, step: 10s, count: 2, class: B, chain: svc, segment: app}\n"
    "  - {id: l5, agent: a2, probe: icmp, target: 192.0.2.6, step: 10s, count: 5, class: C}\n";

struct world {
	uint64_t rnd;
	struct policy *policy;
	Linkwatch__Pb__Plan *plan, *less;
	struct core *plain, *restored;
	struct store *store;
	struct wall now;
	int64_t next_ns[LINKS];
	int mode[LINKS];
	uint64_t seq;
	struct hashmap *keys;
	bool less_now;
};

static uint64_t seed_now;

static void
require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "seed %" PRIu64 ": %s\n", seed_now, what);
	exit(1);
}

static uint32_t
rnd(struct world *w, uint32_t n)
{
	w->rnd = w->rnd * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(w->rnd >> 33) % n;
}

/* ------------------------------------------------------------------ comparing */

static void
print_one(FILE *o, const struct decision *d)
{
	json_t *j;
	char *s;

	fprintf(o, "%d ", d->type);
	switch (d->type) {
	case DEC_LINK:
		fprintf(o, "%s %s %d %d %u %" PRId64, d->link.agent, d->link.link, d->link.from,
		    d->link.to, d->link.cause, d->link.since.ns);
		break;
	case DEC_LINK_SAVE:
	case DEC_AGENT_SAVE:
		fprintf(o, "%s %s %zu ", d->blob.agent, d->blob.link, d->blob.len);
		for (size_t i = 0; i < d->blob.len; i++)
			fprintf(o, "%02x", ((const unsigned char *)d->blob.data)[i]);
		break;
	case DEC_ANOMALY:
		fprintf(o, "%" PRIu64 " %s %s %d %" PRId64 " %" PRId64 " %s %" PRIu64,
		    d->anomaly.id, d->anomaly.agent, d->anomaly.link, d->anomaly.kind,
		    d->anomaly.start.ns, d->anomaly.end.ns, d->anomaly.evidence,
		    d->anomaly.incident);
		break;
	case DEC_INCIDENT:
		j = incident_to_json(d->incident);
		s = json_dumps(j, JSON_SORT_KEYS);
		fputs(s, o);
		free(s);
		json_decref(j);
		break;
	case DEC_LOG:
		fprintf(o, "%" PRIu64 " %s %s %s %s %s", d->log.incident, d->log.actor, d->log.from,
		    d->log.to, d->log.what, d->log.note);
		break;
	case DEC_MESSAGE:
		fprintf(o, "%s %s %s %" PRId64 " %s", d->message.key, d->message.address,
		    d->message.body, d->message.not_before.ns, d->message.subject);
		break;
	case DEC_STOP_MESSAGES:
		fprintf(o, "%" PRIu64, d->stop_incident);
		break;
	case DEC_REPLY:
		fprintf(o, "%d %s %s", d->reply.ok, d->reply.code, d->reply.en);
		break;
	case DEC_LOCAL:
		fputs(d->local, o);
		break;
	}
	fputc('\n', o);
}

static char *
print_all(const struct decisions *ds)
{
	char *text = NULL;
	size_t n = 0;
	FILE *o = open_memstream(&text, &n);

	for (size_t i = 0; i < ds->n; i++)
		print_one(o, &ds->v[i]);
	fclose(o);
	return text;
}

/* ------------------------------------------------------------- what always holds */

static void
check_message(struct world *w, const struct dec_message *m)
{
	const struct incident *inc = core_incident(w->plain, m->incident);
	bool told = false;

	require(hashmap_put(w->keys, m->key, w) == NULL, "a key of a message is used twice");
	if (strcmp(m->channel, "sms") == 0)
		require(utf_units(m->body) <= 70 && utf_is_line(m->body), "a short message is too long");
	if (strcmp(m->event, "recover") != 0)
		return;
	for (uint32_t i = 0; inc != NULL && i < inc->told_n; i++)
		told = told || strcmp(inc->told[i].recipient, m->recipient) == 0;
	require(told, "recovery is told to one who was not alarmed");
}

static void
check_decisions(struct world *w, const struct decisions *ds)
{
	for (size_t i = 0; i < ds->n; i++) {
		const struct decision *d = &ds->v[i];

		if (d->type == DEC_MESSAGE)
			check_message(w, &d->message);
		if (d->type == DEC_INCIDENT && d->incident->state == INC_CLOSED)
			require(d->incident->link_state != LINK_DOWN ||
			    d->incident->outage_start.ns == 0, "closed while down");
	}
}

struct census { struct world *w; char key[64][160]; size_t n; };

static void
count_active(void *arg, const struct incident *inc)
{
	struct census *c = arg;

	if (inc->state != INC_OPEN && inc->state != INC_HANDLING && inc->state != INC_HOLD)
		return;
	require(inc->grade >= 1 && inc->grade <= 4, "no grade");
	require((inc->clean_since.ns == 0) != (inc->outage_start.ns == 0),
	    "neither clean nor failing, or both");
	for (uint32_t i = 0; i < inc->links && i < INCIDENT_LINKS && c->n < 64; i++) {
		snprintf(c->key[c->n], sizeof(c->key[0]), "%s/%s/%.3s", inc->link_list[i].agent,
		    inc->link_list[i].link, inc->fingerprint);
		for (size_t k = 0; k < c->n; k++)
			require(strcmp(c->key[k], c->key[c->n]) != 0, c->key[k]);
		c->n++;
	}
}

static void
check_ledgers(struct world *w)
{
	static char buf[16384];

	for (int i = 0; i < LINKS; i++) {
		char id[8];
		json_t *o, *all;
		double sum = 0;

		snprintf(id, sizeof(id), "l%d", i);
		if (core_why(w->plain, i < 3 ? "a1" : "a2", id, buf, sizeof(buf)) != 0)
			continue;
		o = json_loads(buf, 0, NULL);
		require(o != NULL, "why is no JSON");
		all = json_object_get(json_object_get(o, "ledger"), "all");
		for (uint32_t s = LINK_UP; s <= LINK_NOT_OBSERVED; s++)
			sum += json_number_value(json_object_get(all, link_state_name(s)));
		sum -= json_number_value(json_object_get(all, "to")) -
		    json_number_value(json_object_get(all, "from"));
		require(sum < 0.01 && sum > -0.01, "a ledger does not add up");
		json_decref(o);
	}
}

/* ---------------------------------------------------------------------- events */

static void
give(struct world *w, struct event *ev)
{
	const struct decisions *a, *b;
	struct census census = { .w = w };
	char *x, *y;

	ev->now = w->now;
	a = core_event(w->plain, ev);
	b = core_event(w->restored, ev);
	x = print_all(a);
	y = print_all(b);
	if (strcmp(x, y) != 0)
		fprintf(stderr, "lives on:\n%s\nrestored:\n%s\n", x, y);
	require(strcmp(x, y) == 0, "a restored core decides otherwise");
	free(x);
	free(y);
	check_decisions(w, a);
	store_decisions(w->store, b);
	core_each_incident(w->plain, count_active, &census);
	if (rnd(w, 40) == 0) {
		core_free(w->restored);
		w->restored = store_restore(w->store, w->policy, w->now);
	}
}

static void
sample(struct world *w, int i)
{
	char id[8];
	uint32_t rtt[8];
	const Linkwatch__Pb__Link *conf = w->plan->link[i];
	struct sample s = { .link = id, .step_ms = conf->step_ms, .sent = conf->count,
		.start_ns = w->next_ns[i], .rtt_100ns = rtt };
	struct event ev = { .type = EV_SAMPLE, .agent = conf->agent, .sample = &s,
		.journal_seq = ++w->seq, .stale = rnd(w, 30) == 0 };

	snprintf(id, sizeof(id), "%s", conf->id);
	w->next_ns[i] += (int64_t)conf->step_ms * NS_PER_MS;
	if (rnd(w, 25) == 0)
		w->mode[i] = (int)rnd(w, 6);
	if (rnd(w, 200) == 0)
		s.flags = SAMPLE_CLOCK_JUMP;
	if (rnd(w, 300) == 0)
		s.start_ns -= 3600 * NS_PER_S;
	if (rnd(w, 300) == 0)
		s.start_ns += 24 * 3600 * NS_PER_S;
	s.rtt_count = w->mode[i] == 1 ? 0 : w->mode[i] == 2 ? rnd(w, s.sent + 1) : s.sent;
	if (w->mode[i] == 3) {
		s.flags |= SAMPLE_NOT_OBSERVED;
		s.sent = s.rtt_count = 0;
	}
	if (w->mode[i] == 4)
		s.cause[s.causes++] = (struct cause_count){ CAUSE_REFUSED, s.rtt_count };
	for (uint32_t k = 0; k < s.rtt_count; k++)
		rtt[k] = w->mode[i] == 5 ? 900000 : 5000 + rnd(w, 1000);
	give(w, &ev);
}

static void
command(struct world *w)
{
	static const char *const verbs[] = { "ack", "note", "close", "reopen", "cancel", "set",
		"grade", "hold", "resume" };
	static const char *const all[] = { "cause", "101", "root-cause", "光缆", "responsible", "A云",
		"measure", "更换", "grade-final", "3", NULL };
	static const char *const grade[] = { "grade", "2", NULL };
	struct command cmd = { .verb = verbs[rnd(w, 9)], .incident = 1 + rnd(w, 12),
		.actor = "zhang", .role = rnd(w, 9) == 0 ? "viewer" : "operator",
		.channel = "linkctl", .note = rnd(w, 4) == 0 ? NULL : "说明" };
	struct event ev = { .type = EV_COMMAND, .command = &cmd };

	cmd.field = strcmp(cmd.verb, "grade") == 0 ? grade : rnd(w, 2) == 0 ? all : NULL;
	if (rnd(w, 3) == 0)
		cmd.eta_ns = w->now.ns + 60 * NS_PER_S;
	give(w, &ev);
}

static void
other(struct world *w)
{
	Linkwatch__Pb__Session session = LINKWATCH__PB__SESSION__INIT;
	Linkwatch__Pb__Health health = LINKWATCH__PB__HEALTH__INIT;
	Linkwatch__Pb__CollectorEvent coll = LINKWATCH__PB__COLLECTOR_EVENT__INIT;
	Linkwatch__Pb__Refused refused = LINKWATCH__PB__REFUSED__INIT;
	struct event ev = { .type = EV_TICK, .agent = rnd(w, 2) == 0 ? "a1" : "a2" };
	static const char *const what[] = { "alive", "stalled", "resumed", "start", "stop" };

	switch (rnd(w, 8)) {
	case 0:
		session.agent = (char *)(uintptr_t)ev.agent;
		session.up = rnd(w, 2) == 0;
		ev.type = EV_SESSION;
		ev.session = &session;
		break;
	case 1:
		health.clock_rtt_ns = NS_PER_MS;
		health.clock_offset_ns = rnd(w, 2) == 0 ? 0 : 5 * NS_PER_S;
		health.clock_jumps = rnd(w, 3);
		ev.type = EV_HEALTH;
		ev.health = &health;
		break;
	case 2:
		coll.what = (char *)(uintptr_t)what[rnd(w, 5)];
		ev.type = EV_COLLECTOR;
		ev.collector = &coll;
		break;
	case 3:
		refused.peer = (char *)(uintptr_t)ev.agent;
		refused.reason = (char *)(uintptr_t)"order";
		ev.type = EV_REFUSED;
		ev.refused = &refused;
		break;
	case 4:
		ev.type = EV_FEED;
		ev.feed_up = rnd(w, 4) != 0;
		break;
	case 5:
		ev.type = EV_CHANNEL;
		ev.channel.name = "sms";
		ev.channel.up = rnd(w, 2) == 0;
		break;
	case 6:
		ev.type = EV_DELIVERY;
		ev.delivery.key = "1/open/1/sms/duty";
		ev.delivery.delivered = rnd(w, 2) == 0;
		break;
	default:
		if (rnd(w, 6) != 0)
			break;
		w->less_now = !w->less_now;
		ev.type = EV_PLAN;
		ev.plan = w->less_now ? w->less : w->plan;
		store_plan(w->store, ev.plan);
		break;
	}
	give(w, &ev);
}

static Linkwatch__Pb__Plan *
plan_of(const char *text)
{
	Linkwatch__Pb__Plan *p = NULL;
	struct conf_errors errs = { 0 };

	if (links_parse(text, strlen(text), "links", &p, &errs) != 0)
		conf_errors_print(&errs, stderr);
	require(p != NULL, "links are not valid");
	conf_errors_free(&errs);
	return p;
}

static void
world_init(struct world *w, uint64_t seed)
{
	struct conf_errors errs = { 0 };
	struct event ev = { .type = EV_PLAN };
	char *less = xstrdup(links_text);

	*w = (struct world){ .rnd = seed * 977 + 1, .store = store_new(),
		.now.ns = (INT64_C(1768437000) + (int64_t)(seed % 7) * 10000) * NS_PER_S };
	require(policy_parse(policy_text, strlen(policy_text), "policy", &w->policy, &errs) == 0,
	    "policy is not valid");
	conf_errors_free(&errs);
	w->keys = hashmap_new();
	w->plain = core_new(w->policy);
	w->restored = core_new(w->policy);
	w->plan = plan_of(links_text);
	*strstr(less, "  - {id: l5") = '\0';
	w->less = plan_of(less);
	free(less);
	for (int i = 0; i < LINKS; i++)
		w->next_ns[i] = w->now.ns;
	ev.plan = w->plan;
	store_plan(w->store, w->plan);
	give(w, &ev);
	ev = (struct event){ .type = EV_FEED, .feed_up = true };
	give(w, &ev);
}

static void
world_fini(struct world *w)
{
	core_free(w->plain);
	core_free(w->restored);
	store_free(w->store);
	links_free(w->plan);
	links_free(w->less);
	policy_free(w->policy);
	hashmap_free(w->keys);
}

static void
run_seed(uint64_t seed)
{
	struct world *w = xcalloc(1, sizeof(*w));

	seed_now = seed;
	world_init(w, seed);
	for (int n = 0; n < EVENTS; n++) {
		struct event tick = { .type = EV_TICK };

		w->now.ns += (int64_t)(1 + (rnd(w, 50) == 0 ? rnd(w, 300) : rnd(w, 5))) * NS_PER_S;
		for (int i = 0; i < LINKS; i++)
			while (w->next_ns[i] + (int64_t)w->plan->link[i]->step_ms * NS_PER_MS <=
			    w->now.ns) {
				if (rnd(w, 400) == 0)	/* a hole */
					w->next_ns[i] = w->now.ns;
				else
					sample(w, i);
			}
		if (rnd(w, 20) == 0)
			command(w);
		if (rnd(w, 30) == 0)
			other(w);
		give(w, &tick);
	}
	check_ledgers(w);
	world_fini(w);
	free(w);
}

int
main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : ROUNDS(12);

	for (uint64_t s = first; s < first + count; s++)
		run_seed(s);
	printf("%" PRIu64 " passed, 0 failed\n", count);
	return 0;
}
