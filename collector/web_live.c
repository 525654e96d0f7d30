/*
 * web_live.c - the latest sample of each link, the latest of each agent.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_live.h"
#include "common/batch.h"
#include "common/hashmap.h"
#include "common/links.h"
#include "common/mem.h"

struct live {
	Linkwatch__Pb__Plan *plan;	/* owned */
	struct live_link *link;
	size_t links;
	struct live_agent *agent;
	size_t agents;
	struct hashmap *by_key;		/* "agent/link" -> live_link */
	struct hashmap *by_agent;
	uint64_t changed;
	int64_t last_ns;
	struct live_counts counts;
};

struct live *
live_new(void)
{
	struct live *l = xcalloc(1, sizeof *l);

	l->by_key = hashmap_new();
	l->by_agent = hashmap_new();
	return l;
}

static void
clear(struct live *l)
{
	hashmap_free(l->by_key);
	hashmap_free(l->by_agent);
	free(l->link);
	free(l->agent);
	if (l->plan != NULL)
		links_free(l->plan);
}

void
live_free(struct live *l)
{
	if (l == NULL)
		return;
	clear(l);
	free(l);
}

static int
by_key(const void *a, const void *b)
{
	const struct live_link *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static void
add_link(struct live *to, const struct live *from, const Linkwatch__Pb__Link *conf)
{
	struct live_link *n = &to->link[to->links], *old;
	char key[LIVE_KEY_MAX];

	snprintf(key, sizeof key, "%s/%s", conf->agent, conf->id);
	rtt_stats(&n->rtt, NULL, 0);	/* nothing known is no RTT of zero */
	old = hashmap_get(from->by_key, key);
	if (old != NULL && old->conf->probe == conf->probe)
		*n = *old;
	memcpy(n->key, key, sizeof key);
	n->conf = conf;
	n->changed = to->changed;
	to->links++;
}

static void
add_agent(struct live *to, const struct live *from, const Linkwatch__Pb__AgentInfo *conf)
{
	struct live_agent *n = &to->agent[to->agents++], *old = hashmap_get(from->by_agent, conf->id);

	if (old != NULL)
		*n = *old;
	n->conf = conf;
	n->changed = to->changed;
	n->links = 0;
}

void
live_plan(struct live *l, Linkwatch__Pb__Plan *plan)
{
	struct live next = { .plan = plan, .changed = l->changed + 1, .last_ns = l->last_ns,
		.counts = l->counts };

	next.link = xcalloc(plan->n_link + 1, sizeof *next.link);
	next.agent = xcalloc(plan->n_agent + 1, sizeof *next.agent);
	next.by_key = hashmap_new();
	next.by_agent = hashmap_new();
	for (size_t i = 0; i < plan->n_agent; i++)
		add_agent(&next, l, plan->agent[i]);
	for (size_t i = 0; i < plan->n_link; i++)
		if (id_is_valid(plan->link[i]->agent) && id_is_valid(plan->link[i]->id))
			add_link(&next, l, plan->link[i]);
	qsort(next.link, next.links, sizeof *next.link, by_key);
	for (size_t i = 0; i < next.agents; i++)
		hashmap_put(next.by_agent, next.agent[i].conf->id, &next.agent[i]);
	for (size_t i = 0; i < next.links; i++) {
		struct live_agent *a = hashmap_get(next.by_agent, next.link[i].conf->agent);

		hashmap_put(next.by_key, next.link[i].key, &next.link[i]);
		if (a != NULL)
			a->links++;
	}
	clear(l);
	*l = next;
}

const Linkwatch__Pb__Plan *
live_current_plan(const struct live *l)
{
	return l->plan;
}

static void
take_sample(struct live *l, const char *agent, const struct sample *s)
{
	int64_t at = s->start_ns + (int64_t)s->step_ms * NS_PER_MS;
	bool observed = (s->flags & SAMPLE_NOT_OBSERVED) == 0;
	char key[LIVE_KEY_MAX];
	struct live_link *k;

	snprintf(key, sizeof key, "%s/%s", agent, s->link);
	k = hashmap_get(l->by_key, key);
	if (k == NULL || at <= k->at_ns)
		return;			/* not of the plan, or late: RRD and the journal have it */
	k->at_ns = at;
	k->step_ms = s->step_ms;
	k->sent = observed ? s->sent : 0;
	k->replies = observed ? s->rtt_count : 0;
	k->flags = s->flags;
	rtt_stats(&k->rtt, s->rtt_100ns, observed ? s->rtt_count : 0);
	k->causes = s->causes;
	k->values = s->values;
	memcpy(k->cause, s->cause, sizeof k->cause);
	memcpy(k->value, s->value, sizeof k->value);
	k->point[k->head] = (struct live_point){ at, k->sent, k->sent - k->replies, k->rtt.p50 };
	k->head = (k->head + 1) % LIVE_POINTS;
	if (k->points < LIVE_POINTS)
		k->points++;
	k->changed = ++l->changed;
}

/* A cut character would be no UTF-8, and JSON takes nothing else. */
static void
copy_text(char *out, size_t n, const char *s)
{
	size_t len = strnlen(s, n);

	if (len == n)
		for (len--; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out, s, len);
	out[len] = '\0';
}

static void
take_health(struct live_agent *a, const Linkwatch__Pb__Health *h)
{
	a->health_known = true;
	a->health = *h;
	a->health.software = (char *)protobuf_c_empty_string;
	a->health.base.n_unknown_fields = 0;
	a->health.base.unknown_fields = NULL;
	a->refused_links = h->refused_links;
	if (h->cert_not_after_ns != 0)
		a->cert_not_after_ns = h->cert_not_after_ns;
	if (h->software != NULL && *h->software != '\0')
		copy_text(a->software, sizeof a->software, h->software);
}

static int
take_batch(struct live *l, const struct journal_record *r)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	Linkwatch__Pb__Batch *b = NULL;
	struct batch_cursor c;
	struct live_agent *a;
	struct sample s;
	char why[128];
	int rc = -EBADMSG;

	if (sb == NULL)
		return -EBADMSG;
	b = batch_unpack(sb->batch.data, sb->batch.len);
	if (b == NULL || batch_check(b, why, sizeof why) != 0)
		goto out;
	a = hashmap_get(l->by_agent, sb->agent);
	if (a != NULL) {
		a->known = true;
		if (sb->received_ns > a->last_batch_ns)
			a->last_batch_ns = sb->received_ns;
		if (b->health != NULL)
			take_health(a, b->health);
		a->changed = ++l->changed;
	}
	l->counts.batches++;
	for (batch_cursor_init(&c, b); batch_cursor_next(&c, &s); l->counts.samples++)
		take_sample(l, sb->agent, &s);
	rc = 0;
out:
	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
	linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
	return rc;
}

static void
take_error(struct live_agent *a, const char *why, int64_t at_ns)
{
	copy_text(a->error, sizeof a->error, why);
	a->error_ns = at_ns;
}

static int
take_refused(struct live *l, const struct journal_record *r)
{
	Linkwatch__Pb__Refused *m = linkwatch__pb__refused__unpack(NULL, r->len, r->data);
	struct live_agent *a;

	if (m == NULL)
		return -EBADMSG;
	l->counts.refused += m->count;
	a = hashmap_get(l->by_agent, m->peer);
	if (a != NULL) {
		take_error(a, m->reason, m->at_ns);
		a->changed = ++l->changed;
	}
	linkwatch__pb__refused__free_unpacked(m, NULL);
	return 0;
}

static int
take_session(struct live *l, const struct journal_record *r)
{
	Linkwatch__Pb__Session *s = linkwatch__pb__session__unpack(NULL, r->len, r->data);
	struct live_agent *a;

	if (s == NULL)
		return -EBADMSG;
	a = hashmap_get(l->by_agent, s->agent);
	if (a != NULL) {
		a->known = true;
		a->connected = s->up;
		a->since_ns = s->at_ns;
		snprintf(a->address, sizeof a->address, "%s", s->address);
		if (!s->up)
			take_error(a, s->reason, s->at_ns);
		if (*s->software != '\0')
			copy_text(a->software, sizeof a->software, s->software);
		if (s->cert_not_after_ns != 0)
			a->cert_not_after_ns = s->cert_not_after_ns;
		a->changed = ++l->changed;
	}
	linkwatch__pb__session__free_unpacked(s, NULL);
	return 0;
}

int
live_record(struct live *l, const struct journal_record *r)
{
	Linkwatch__Pb__Plan *plan;

	if (r->wall.ns > l->last_ns)
		l->last_ns = r->wall.ns;
	switch (r->type) {
	case JREC_BATCH:
		return take_batch(l, r);
	case JREC_SESSION:
		return take_session(l, r);
	case JREC_REFUSED:
		return take_refused(l, r);
	case JREC_PLAN:
		plan = linkwatch__pb__plan__unpack(NULL, r->len, r->data);
		if (plan == NULL)
			return -EBADMSG;
		live_plan(l, plan);
		return 0;
	default:
		return 0;
	}
}

void
live_counts(const struct live *l, struct live_counts *out)
{
	*out = l->counts;
}

struct live_link *
live_links(struct live *l, size_t *n)
{
	*n = l->links;
	return l->link;
}

struct live_agent *
live_agents(struct live *l, size_t *n)
{
	*n = l->agents;
	return l->agent;
}

const struct live_link *
live_find(const struct live *l, const char *agent, const char *link)
{
	char key[LIVE_KEY_MAX];

	if (strlen(agent) > ID_MAX || strlen(link) > ID_MAX)
		return NULL;
	snprintf(key, sizeof key, "%s/%s", agent, link);
	return hashmap_get(l->by_key, key);
}

const struct live_link *
live_reverse(const struct live *l, const Linkwatch__Pb__Link *c)
{
	return *c->reverse == '\0' ? NULL : hashmap_get(l->by_key, c->reverse);
}

const struct live_agent *
live_agent_find(const struct live *l, const char *agent)
{
	return hashmap_get(l->by_agent, agent);
}

uint64_t
live_changed(const struct live *l)
{
	return l->changed;
}

int64_t
live_last_ns(const struct live *l)
{
	return l->last_ns;
}

const struct live_point *
live_point(const struct live_link *k, unsigned i)
{
	return &k->point[(k->head + LIVE_POINTS - k->points + i) % LIVE_POINTS];
}

double
live_loss(const struct live_link *k)
{
	int64_t span = 3 * (int64_t)k->step_ms * NS_PER_MS;
	uint64_t sent = 0, lost = 0;

	if (span < 60 * NS_PER_S)
		span = 60 * NS_PER_S;
	for (unsigned i = k->points; i-- > 0;) {
		const struct live_point *p = live_point(k, i);

		if (p->at_ns <= k->at_ns - span)
			break;
		sent += p->sent;
		lost += p->lost;
	}
	return sent == 0 ? NAN : (double)lost / (double)sent;
}
