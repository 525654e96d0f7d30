/*
 * scenario.c - reads a scenario and plays it to the core.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core.h"
#include "alertd/policy.h"
#include "common/links.h"
#include "common/mem.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/store.h"

#define LINKS_MAX 128
#define ARGS_MAX 24
#define STALE_NS (10 * 60 * NS_PER_S)

enum mode { GOOD, LOST, LOSS, SLOW, REFUSED, UNSEEN, QUIET, OPER_DOWN, BUSY, NO_TLS };
static const char *const mode_names[] = { "good", "lost", "loss", "slow", "refused", "unseen",
	"quiet", "oper-down", "busy", "no-tls", NULL };

struct probe {				/* one link as its agent measures it */
	const Linkwatch__Pb__Link *conf;
	char agent[64], link[64];
	enum mode mode;
	double arg;
	int64_t next_ns;		/* begin of the running step, true time */
	uint32_t acc;			/* of loss: parts of a packet */
};

struct host { char id[64]; bool dead, offline; int64_t offset_ns; uint32_t flags; };

struct spooled { char agent[64], link[64]; struct sample s; uint32_t rtt[64]; };

struct play {
	const char *path;
	int line;
	struct policy *policy;
	Linkwatch__Pb__Plan *plan;
	struct core *core;
	struct store *store;
	struct wall now;
	struct probe probe[LINKS_MAX];
	size_t probes;
	struct host host[16];
	size_t hosts;
	struct spooled *spool;
	size_t spooled;
	bool collector_dead, feed_down, away, quiet;
	uint64_t seq;
	unsigned restore_every, events;
	unsigned long counts[DEC_LOCAL + 1];
	FILE *out;
};

static int
fail(const struct play *p, const char *why)
{
	fprintf(stderr, "%s:%d: %s\n", p->path, p->line, why);
	return -EINVAL;
}

/* -------------------------------------------------------------------- printing */

static void
stamp(struct play *p, const char *what)
{
	char buf[32];

	fprintf(p->out, "> %s %s", wall_format(buf, sizeof(buf), p->now) + 11, what);
}

static void
print_message(struct play *p, const struct dec_message *m)
{
	char buf[32];

	stamp(p, m->channel);
	fprintf(p->out, " %s %s%s%s: %s", m->recipient, m->event,
	    m->not_before.ns != 0 ? " at " : "",
	    m->not_before.ns != 0 ? wall_format(buf, sizeof(buf), m->not_before) + 11 : "",
	    strcmp(m->channel, "mail") == 0 ? m->subject : m->body);
	fputc('\n', p->out);
}

static void
print_log(struct play *p, const struct dec_log *l)
{
	if (strcmp(l->what, "tell") == 0)
		return;		/* the messages themselves are printed */
	stamp(p, "incident");
	fprintf(p->out, " %" PRIu64 " %s", l->incident, l->what);
	if (l->from[0] != '\0' || l->to[0] != '\0')
		fprintf(p->out, " %s->%s", l->from, l->to);
	if (strcmp(l->actor, "alertd") != 0)
		fprintf(p->out, " by %s", l->actor);
	fprintf(p->out, "%s%s\n", l->note[0] != '\0' ? ": " : "", l->note);
}

static void
print_decision(struct play *p, const struct decision *d)
{
	char since[32];

	p->counts[d->type]++;
	if (p->quiet)
		return;
	switch (d->type) {
	case DEC_LINK:
		stamp(p, "link");
		fprintf(p->out, " %s/%s %s->%s (%s) since %s\n", d->link.agent, d->link.link,
		    link_state_name(d->link.from), link_state_name(d->link.to),
		    d->link.cause == 0 ? "-" : core_cause_name(d->link.to, d->link.cause),
		    wall_format(since, sizeof(since), d->link.since) + 11);
		break;
	case DEC_LOG:
		print_log(p, &d->log);
		break;
	case DEC_MESSAGE:
		print_message(p, &d->message);
		break;
	case DEC_REPLY:
		fprintf(p->out, "> %s %s / %s\n", d->reply.ok ? "ok" : d->reply.code, d->reply.zh,
		    d->reply.en);
		break;
	case DEC_LOCAL:
		stamp(p, "local");
		fprintf(p->out, " %s\n", d->local);
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------------- events */

static void
give(struct play *p, struct event *ev)
{
	const struct decisions *ds;

	ev->now = p->now;
	ds = core_event(p->core, ev);
	store_decisions(p->store, ds);
	for (size_t i = 0; i < ds->n; i++)
		print_decision(p, &ds->v[i]);
	if (p->restore_every != 0 && ++p->events % p->restore_every == 0) {
		core_free(p->core);
		p->core = store_restore(p->store, p->policy, p->now);
	}
}

static struct host *
host_of(struct play *p, const char *id)
{
	for (size_t i = 0; i < p->hosts; i++)
		if (strcmp(p->host[i].id, id) == 0)
			return &p->host[i];
	if (p->hosts == 16)
		return NULL;
	snprintf(p->host[p->hosts].id, sizeof(p->host[0].id), "%s", id);
	return &p->host[p->hosts++];
}

static void
give_sample(struct play *p, const char *agent, const struct sample *s)
{
	struct event ev = { .type = EV_SAMPLE, .agent = agent, .sample = s, .journal_seq = ++p->seq,
		.stale = p->now.ns - s->start_ns > STALE_NS };

	give(p, &ev);
}

static void
deliver_spool(struct play *p, const char *agent)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->spooled; i++) {
		struct spooled *q = &p->spool[i];

		if (agent != NULL && strcmp(q->agent, agent) != 0) {
			p->spool[kept++] = *q;
			continue;
		}
		q->s.link = q->link;
		q->s.rtt_100ns = q->rtt;
		give_sample(p, q->agent, &q->s);
	}
	p->spooled = kept;
}

static void
add_value(struct sample *s, uint32_t role, double value)
{
	s->value[s->values++] = (struct sample_value){ .role = role, .value = value };
}

/* What one step of a link shows, by its mode. */
static void
measure(struct probe *pr, struct sample *s, uint32_t *rtt)
{
	uint32_t lost = 0;

	s->sent = pr->conf->count > 0 ? pr->conf->count : 1;
	if (s->sent > 64)
		s->sent = 64;
	if (pr->mode == LOST) {
		lost = s->sent;
	} else if (pr->mode == LOSS) {
		pr->acc += (uint32_t)(pr->arg * 100) * s->sent;
		lost = pr->acc / 10000;
		pr->acc %= 10000;
	} else if (pr->mode == UNSEEN) {
		s->flags |= SAMPLE_NOT_OBSERVED;
		s->cause[s->causes++] = (struct cause_count){ CAUSE_RESOLVE, s->sent };
		s->sent = 0;
	}
	s->rtt_count = s->sent - lost;
	for (uint32_t i = 0; i < s->rtt_count; i++)
		rtt[i] = pr->mode == SLOW ? (uint32_t)(pr->arg * 10000) : 8000;
	if (lost > 0)
		s->cause[s->causes++] = (struct cause_count){ CAUSE_TIMEOUT, lost };
	if (pr->mode == REFUSED)
		s->cause[s->causes++] = (struct cause_count){ CAUSE_REFUSED, s->rtt_count };
	if (pr->mode == NO_TLS)
		s->cause[s->causes++] = (struct cause_count){ CAUSE_TLS, s->rtt_count };
	if (pr->conf->probe == PROBE_SNMP && s->rtt_count > 0) {
		add_value(s, ROLE_OPER_STATUS, pr->mode == OPER_DOWN ? 2 : 1);
		add_value(s, ROLE_SPEED_BPS, 1e9);
		add_value(s, ROLE_IN_BPS, pr->mode == BUSY ? pr->arg * 1e7 : 1e6);
	}
}

/* A step has ended: its sample goes off, or into the spool. */
static void
step(struct play *p, struct probe *pr)
{
	struct host *h = host_of(p, pr->agent);
	struct sample s = { .link = pr->link, .step_ms = pr->conf->step_ms };
	uint32_t rtt[64];

	s.start_ns = pr->next_ns + h->offset_ns;
	s.flags = h->flags;
	h->flags = 0;
	pr->next_ns += (int64_t)pr->conf->step_ms * NS_PER_MS;
	if (h->dead || pr->mode == QUIET)
		return;
	measure(pr, &s, rtt);
	s.rtt_100ns = rtt;
	if (!h->offline && !p->feed_down && !p->away) {
		give_sample(p, pr->agent, &s);
		return;
	}
	p->spool = xreallocarray(p->spool, p->spooled + 1, sizeof(*p->spool));
	memcpy(p->spool[p->spooled].agent, pr->agent, sizeof(pr->agent));
	memcpy(p->spool[p->spooled].link, pr->link, sizeof(pr->link));
	memcpy(p->spool[p->spooled].rtt, rtt, sizeof(rtt));
	p->spool[p->spooled++].s = s;
}

static void
give_collector(struct play *p, const char *what)
{
	Linkwatch__Pb__CollectorEvent c;
	struct event ev = { .type = EV_COLLECTOR, .collector = &c, .journal_seq = ++p->seq };

	linkwatch__pb__collector_event__init(&c);
	c.at_ns = p->now.ns;
	c.what = (char *)(uintptr_t)what;
	c.detail = (char *)(uintptr_t)"store";
	give(p, &ev);
}

static void
move(struct play *p, int64_t until_ns, int64_t by_ns)
{
	struct event tick = { .type = EV_TICK };

	while (p->now.ns < until_ns) {
		p->now.ns += by_ns;
		for (size_t i = 0; i < p->probes; i++)
			while (p->probe[i].next_ns + (int64_t)p->probe[i].conf->step_ms * NS_PER_MS <=
			    p->now.ns)
				step(p, &p->probe[i]);
		if (p->away)
			continue;
		if (!p->collector_dead && !p->feed_down &&
		    (by_ns > 5 * NS_PER_S || p->now.ns / NS_PER_S % 5 == 0))
			give_collector(p, "alive");
		give(p, &tick);
	}
}

/* -------------------------------------------------------------------- sentences */

static int64_t
duration(const char *s)
{
	char *end;
	int64_t n = strtoll(s, &end, 10), unit = *end == 'd' ? 86400 : *end == 'h' ? 3600 :
	    *end == 'm' ? 60 : 1;

	return n * unit * NS_PER_S;
}

static struct probe *
probe_of(struct play *p, const char *name)
{
	char key[160];

	for (size_t i = 0; i < p->probes; i++) {
		snprintf(key, sizeof(key), "%s/%s", p->probe[i].agent, p->probe[i].link);
		if (strcmp(key, name) == 0)
			return &p->probe[i];
	}
	return NULL;
}

static int
do_set(struct play *p, char **arg, int n)
{
	struct probe *pr = n > 2 ? probe_of(p, arg[1]) : NULL;
	int mode = 0;

	if (pr == NULL)
		return fail(p, "set: no such link");
	while (mode_names[mode] != NULL && strcmp(mode_names[mode], arg[2]) != 0)
		mode++;
	if (mode_names[mode] == NULL)
		return fail(p, "set: no such mode");
	pr->mode = (enum mode)mode;
	pr->arg = n > 3 ? atof(arg[3]) : 0;
	return 0;
}

static int
do_agent(struct play *p, char **arg, int n)
{
	struct host *h = n > 2 ? host_of(p, arg[1]) : NULL;

	if (h == NULL)
		return fail(p, "agent: ID dead|alive|offline|online");
	h->dead = strcmp(arg[2], "dead") == 0;
	h->offline = strcmp(arg[2], "offline") == 0;
	if (!h->offline)
		deliver_spool(p, h->id);
	return 0;
}

static int
do_switch(struct play *p, char **arg, int n)
{
	struct event ev = { .type = EV_FEED };
	const char *to = arg[n - 1];

	if (n < 2)
		return fail(p, "what?");
	if (strcmp(arg[0], "feed") == 0) {
		ev.feed_up = strcmp(to, "up") == 0;
		p->feed_down = !ev.feed_up;
		give(p, &ev);
		if (ev.feed_up)
			deliver_spool(p, NULL);
	} else if (strcmp(arg[0], "channel") == 0) {
		ev.type = EV_CHANNEL;
		ev.channel.name = arg[1];
		ev.channel.up = strcmp(to, "up") == 0;
		ev.channel.detail = "no answer";
		give(p, &ev);
	} else if (strcmp(to, "dead") == 0 || strcmp(to, "alive") == 0) {
		p->collector_dead = strcmp(to, "dead") == 0;
	} else {
		give_collector(p, to);
	}
	return 0;
}

static const char *
option(char **arg, int n, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < n; i++)
		if (strncmp(arg[i], name, len) == 0 && arg[i][len] == '=') {
			for (char *s = arg[i] + len + 1; *s != '\0'; s++)
				if (*s == '_')
					*s = ' ';
			return arg[i] + len + 1;
		}
	return NULL;
}

static int
do_health(struct play *p, char **arg, int n)
{
	Linkwatch__Pb__Health h;
	struct event ev = { .type = EV_HEALTH, .health = &h, .agent = arg[1],
		.journal_seq = ++p->seq };
	const char *offset = option(arg, n, "offset"), *cert = option(arg, n, "cert");
	const char *jumps = option(arg, n, "jumps");

	linkwatch__pb__health__init(&h);
	h.wall_ns = p->now.ns;
	h.clock_rtt_ns = NS_PER_MS;
	h.clock_offset_ns = offset == NULL ? 0 : atoll(offset) * NS_PER_MS;
	h.cert_not_after_ns = p->now.ns + (cert == NULL ? 365 : atoll(cert)) * 86400 * NS_PER_S;
	h.clock_jumps = jumps == NULL ? 0 : strtoull(jumps, NULL, 10);
	give(p, &ev);
	return 0;
}

static int
do_session(struct play *p, char **arg, int n)
{
	Linkwatch__Pb__Session s;
	struct event ev = { .type = EV_SESSION, .session = &s, .agent = arg[1] };

	linkwatch__pb__session__init(&s);
	s.agent = arg[1];
	s.at_ns = p->now.ns;
	s.up = n > 2 && strcmp(arg[2], "up") == 0;
	s.address = (char *)(uintptr_t)"192.0.2.7";
	give(p, &ev);
	return 0;
}

static int
do_refused(struct play *p, char **arg, int n)
{
	Linkwatch__Pb__Refused r;
	struct event ev = { .type = EV_REFUSED, .refused = &r };

	if (n < 3)
		return fail(p, "refused: ID REASON");
	linkwatch__pb__refused__init(&r);
	r.peer = arg[1];
	r.reason = arg[2];
	r.count = 1;
	give(p, &ev);
	return 0;
}

static int
do_clock(struct play *p, char **arg, int n)
{
	struct host *h = n > 2 ? host_of(p, arg[1]) : NULL;

	if (h == NULL)
		return fail(p, "clock: AGENT SECONDS");
	h->offset_ns += atoll(arg[2]) * NS_PER_S;
	h->flags = SAMPLE_CLOCK_JUMP;
	return 0;
}

static int
do_command(struct play *p, char **arg, int n)
{
	const char *field[ARGS_MAX + 1], *eta = option(arg, n, "eta");
	const char *version = option(arg, n, "version");
	struct command cmd = { .verb = arg[1], .incident = n > 2 ? strtoull(arg[2], NULL, 10) : 0,
		.actor = option(arg, n, "actor"), .role = option(arg, n, "role"),
		.channel = "linkctl", .note = option(arg, n, "note") };
	struct event ev = { .type = EV_COMMAND, .command = &cmd };
	int k = 0;

	if (cmd.actor == NULL)
		cmd.actor = "zhang";
	if (cmd.role == NULL)
		cmd.role = "operator";
	if (eta != NULL)
		cmd.eta_ns = p->now.ns + (*eta == '-' ? -1 : 1) * duration(eta + 1);
	if (version != NULL)
		cmd.version = (uint32_t)atoi(version);
	for (int i = 3; i < n && k < ARGS_MAX - 2; i++) {
		char *eq = strchr(arg[i], '=');

		if (eq == NULL)
			return fail(p, "do: KEY=VALUE");
		*eq = '\0';
		if (strcmp(arg[i], "actor") == 0 || strcmp(arg[i], "role") == 0 ||
		    strcmp(arg[i], "note") == 0 || strcmp(arg[i], "eta") == 0 ||
		    strcmp(arg[i], "version") == 0)
			continue;
		for (char *s = eq + 1; *s != '\0'; s++)
			if (*s == '_')
				*s = ' ';
		field[k++] = arg[i];
		field[k++] = eq + 1;
	}
	field[k] = NULL;
	cmd.field = k > 0 ? field : NULL;
	give(p, &ev);
	return 0;
}

static int
do_away(struct play *p, char **arg, int n)
{
	struct event ev = { .type = EV_FEED, .feed_up = true };

	if (n < 2)
		return fail(p, "away: how long?");
	p->away = true;
	move(p, p->now.ns + duration(arg[1]), NS_PER_S);
	p->away = false;
	core_free(p->core);
	p->core = store_restore(p->store, p->policy, p->now);
	give(p, &ev);
	deliver_spool(p, NULL);
	return 0;
}

static int
do_run(struct play *p, char **arg, int n)
{
	int64_t by = n > 3 && strcmp(arg[2], "by") == 0 ? duration(arg[3]) : NS_PER_S;

	if (n < 2)
		return fail(p, "run: how long?");
	memset(p->counts, 0, sizeof(p->counts));
	move(p, p->now.ns + duration(arg[1]), by);
	if (p->quiet)
		fprintf(p->out, "> counted: %lu messages, %lu lines of log, %lu changes of links\n",
		    p->counts[DEC_MESSAGE], p->counts[DEC_LOG], p->counts[DEC_LINK]);
	p->quiet = false;
	return 0;
}

static int
do_why(struct play *p, char **arg, int n)
{
	static char buf[16384];
	char *slash = n > 1 ? strchr(arg[1], '/') : NULL;
	json_t *o, *all;

	if (slash == NULL)
		return fail(p, "why: AGENT/LINK");
	*slash = '\0';
	if (core_why(p->core, arg[1], slash + 1, buf, sizeof(buf)) != 0)
		return fail(p, "why: no such link");
	o = json_loads(buf, 0, NULL);
	all = json_object_get(json_object_get(o, "ledger"), "all");
	fprintf(p->out, "> ledger:");
	for (uint32_t s = LINK_UP; s <= LINK_NOT_OBSERVED; s++)
		fprintf(p->out, " %s %.0f", link_state_name(s),
		    json_number_value(json_object_get(all, link_state_name(s))));
	fprintf(p->out, " of %.0f\n", json_number_value(json_object_get(all, "to")) -
	    json_number_value(json_object_get(all, "from")));
	json_decref(o);
	return 0;
}

/* ------------------------------------------------------------------- the blocks */

static int
take_policy(struct play *p, const char *text)
{
	struct policy *policy = NULL;
	struct conf_errors errs = { 0 };
	int rc = policy_parse(text, strlen(text), p->path, &policy, &errs);

	if (rc < 0)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc < 0)
		return fail(p, "policy is not valid");
	if (p->core == NULL) {
		struct event ev = { .type = EV_FEED, .feed_up = true };

		p->policy = policy;
		p->core = core_new(policy);
		give(p, &ev);
	} else {
		core_policy(p->core, policy);
		policy_free(p->policy);
		p->policy = policy;
	}
	return 0;
}

static int
take_links(struct play *p, const char *text)
{
	Linkwatch__Pb__Plan *plan = NULL, *before = p->plan;
	struct conf_errors errs = { 0 };
	struct event ev = { .type = EV_PLAN };
	struct probe old[LINKS_MAX];
	size_t n = p->probes;
	int rc = links_parse(text, strlen(text), p->path, &plan, &errs);

	if (rc < 0)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc < 0 || plan->n_link > LINKS_MAX)
		return fail(p, "links are not valid");
	memcpy(old, p->probe, sizeof(old));
	for (size_t i = 0; i < plan->n_link; i++) {
		struct probe *pr = &p->probe[i];

		*pr = (struct probe){ .conf = plan->link[i], .next_ns = p->now.ns };
		snprintf(pr->agent, sizeof(pr->agent), "%s", plan->link[i]->agent);
		snprintf(pr->link, sizeof(pr->link), "%s", plan->link[i]->id);
		for (size_t k = 0; k < n; k++)
			if (strcmp(old[k].agent, pr->agent) == 0 &&
			    strcmp(old[k].link, pr->link) == 0) {
				*pr = old[k];
				pr->conf = plan->link[i];
			}
	}
	p->probes = plan->n_link;
	p->plan = plan;
	ev.plan = plan;
	ev.journal_seq = ++p->seq;
	store_plan(p->store, plan);
	give(p, &ev);
	if (before != NULL)
		links_free(before);
	return 0;
}

/* The indented lines that follow, without the indentation of the first. */
static char *
read_block(struct play *p, FILE *in, char **next)
{
	char *text = NULL, *line = NULL;
	size_t size = 0, room = 0;
	FILE *o = open_memstream(&text, &size);

	*next = NULL;
	while (getline(&line, &room, in) > 0) {
		if (line[0] != ' ' && line[0] != '\n') {
			*next = xstrdup(line);
			break;
		}
		p->line++;
		fprintf(p->out, "%s", line);
		fputs(line[0] == ' ' ? line + 2 : line, o);
	}
	free(line);
	fclose(o);
	return text;
}

static int
sentence(struct play *p, char **arg, int n)
{
	static const struct { const char *word; int (*run)(struct play *, char **, int); } words[] = {
		{ "set", do_set }, { "agent", do_agent }, { "feed", do_switch },
		{ "channel", do_switch }, { "collector", do_switch }, { "health", do_health },
		{ "session", do_session }, { "refused", do_refused }, { "clock", do_clock },
		{ "do", do_command }, { "away", do_away }, { "run", do_run }, { "why", do_why },
	};

	if (strcmp(arg[0], "quiet") == 0) {
		p->quiet = true;
		return 0;
	}
	if (strcmp(arg[0], "start") == 0) {
		char both[32];

		snprintf(both, sizeof(both), "%s %.5s", arg[1], n > 2 ? arg[2] : "");
		return policy_time_parse(both, &p->now) < 0 ? fail(p, "start: when?") : 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, arg[0]) == 0)
			return p->core == NULL ? fail(p, "policy comes first") :
			    words[i].run(p, arg, n);
	return fail(p, "no such word");
}

static int
one_line(struct play *p, FILE *in, char *line, char **next)
{
	char *arg[ARGS_MAX], *save = NULL, *text;
	int n = 0, rc;

	*next = NULL;
	if (line[0] == '>')
		return 0;
	fputs(line, p->out);
	if (line[0] == '#' || line[0] == '\n')
		return 0;
	for (char *s = strtok_r(line, " \n", &save); s != NULL && n < ARGS_MAX;
	    s = strtok_r(NULL, " \n", &save))
		arg[n++] = s;
	if (n == 0)
		return 0;
	if (strcmp(arg[0], "policy") != 0 && strcmp(arg[0], "links") != 0)
		return sentence(p, arg, n);
	text = read_block(p, in, next);
	rc = arg[0][0] == 'p' ? take_policy(p, text) : take_links(p, text);
	free(text);
	return rc;
}

int
scenario_run(const char *path, unsigned restore_every, char **out)
{
	struct play *p = xcalloc(1, sizeof(*p));
	char *line = NULL, *next = NULL;
	size_t room = 0, size = 0;
	FILE *in = fopen(path, "r");
	int rc = 0;

	*out = NULL;
	p->path = path;
	p->restore_every = restore_every;
	p->store = store_new();
	p->out = open_memstream(out, &size);
	if (in == NULL)
		rc = fail(p, strerror(errno));
	while (rc == 0 && (next != NULL || getline(&line, &room, in) > 0)) {
		char *current = next != NULL ? next : xstrdup(line);

		p->line++;
		rc = one_line(p, in, current, &next);
		free(current);
	}
	free(next);
	if (in != NULL)
		fclose(in);
	fclose(p->out);
	free(line);
	core_free(p->core);
	store_free(p->store);
	if (p->plan != NULL)
		links_free(p->plan);
	policy_free(p->policy);
	free(p->spool);
	free(p);
	return rc;
}
