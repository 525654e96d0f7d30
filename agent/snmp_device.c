/*
 * snmp_device.c - polls: how they begin and end, what is asked and how often.
 */
#include "agent/snmp_device.h"

#include <stdlib.h>
#include <string.h>

#include "agent/snmp_device_state.h"
#include "agent/snmp_secret.h"
#include "agent/target.h"
#include "common/agent_conf.h"
#include "common/mem.h"

#define CHUNK_MAX 24			/* variables in a GET */
#define BULK_ROWS 24			/* rows in an answer */
#define SEARCHES_MAX 2			/* in one poll */
#define AGAIN_MIN_NS (250 * NS_PER_MS)	/* once it has answered: so long is a loss waited for */
#define AGAIN_RTTS 8

static struct snmp_secret *
secret_of(const struct snmp_device *d)
{
	return d->env->secret(d->env->arg, d->credential);
}

/* ------------------------------------------------------------- end of a poll */

static void
drop_asks(struct snmp_device *d)
{
	while (d->asks > 0)
		d->env->forget(d->env->arg, d->ask[--d->asks].id);
}

static void
drop_walk(struct snmp_device *d)
{
	free(d->walk);
	d->walk = NULL;
}

/* Values and, for the next poll, the reading that they were made of. */
static void
settle(struct snmp_device *d, struct probe_result *r)
{
	static const struct snmp_reading nothing;

	if (d->now == NULL || !d->now->any)
		return;
	r->causes |= snmp_values(d->before != NULL ? d->before : &nothing, d->now, d->scale,
	    r->value, &r->values);
	free(d->before);
	d->before = d->now;
	d->now = NULL;
}

void
snmp_device_finish(struct snmp_device *d, enum probe_outcome outcome, uint32_t causes)
{
	struct probe_result r = { .token = d->token, .outcome = outcome, .causes = causes };

	d->phase = IDLE;
	if (outcome == PROBE_REPLY || outcome == PROBE_LOST)
		d->life = outcome == PROBE_REPLY ? SNMP_LIVES : SNMP_IS_SILENT;
	if (outcome == PROBE_REPLY) {
		r.rtt_ns = d->rtt_ns;
		r.causes |= d->causes;
		settle(d, &r);
	}
	free(d->now);
	d->now = NULL;
	if (!d->search_cut)
		drop_walk(d);
	d->env->done(d->env->arg, d, &r);
}

static void
time_is_up(struct snmp_device *d, bool dropped)
{
	d->search_cut = d->phase == SEARCH && d->rtt_ns > 0;
	if (d->rtt_ns > 0) {
		snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
	} else if (!d->left || dropped) {
		snmp_device_finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
	} else {
		d->peer_stale = true;	/* it may have been replaced, or lost its clock */
		snmp_device_finish(d, PROBE_LOST,
		    CAUSE_BIT(d->hint != CAUSE_NONE ? d->hint : CAUSE_TIMEOUT));
	}
}

/* ----------------------------------------------------------------- requests */

/* The next request, other than the one before. */
void
snmp_device_request(struct snmp_device *d)
{
	drop_asks(d);
	d->ask_engine = false;
	d->again_ns = INT64_MAX;
	if (++d->requests > SNMP_POLL_REQUESTS)
		time_is_up(d, false);
	else
		d->env->want(d->env->arg, d);
}

/* The same once more; an answer to the first is still taken. */
static void
request_again(struct snmp_device *d)
{
	d->again_ns = INT64_MAX;
	d->agains++;
	if (d->asks < SNMP_ASKS_MAX && ++d->requests <= SNMP_POLL_REQUESTS)
		d->env->want(d->env->arg, d);
}

void
snmp_device_walk(struct snmp_device *d, enum phase phase, const uint32_t *from, size_t len)
{
	if (d->walk == NULL)
		d->walk = xmalloc(sizeof *d->walk);
	d->phase = phase;
	d->walk->rows = 0;
	d->walk->len = len;
	memcpy(d->walk->name, from, len * sizeof *from);
	snmp_device_request(d);
}

size_t
snmp_device_list(const struct snmp_device *d)
{
	const struct snmp_wanted wanted = {
		.if_index = d->if_index, .column = d->column, .host = d->host_values,
		.named = d->named, .nameds = d->nameds, .skip = d->skip,
	};

	return snmp_vars_list(d->env->var, &wanted);
}

static uint64_t
new_salt(const struct snmp_device *d, const struct snmp_secret *k)
{
	return k->priv != SNMP_PRIV_NONE ? rng_u64(d->env->rng) : 0;
}

static int
put_get(struct snmp_device *d, struct snmp_secret *k, uint32_t id, int64_t now_ns,
    struct ber_out *o)
{
	size_t vars = snmp_device_list(d);
	uint64_t salt = new_salt(d, k);
	const struct ber_out empty = *o;
	int rc;

	d->chunk = vars - d->next_var < d->chunk_max ? vars - d->next_var : d->chunk_max;
	for (;; d->chunk /= 2) {	/* as many as one datagram holds */
		const struct snmp_request r = { .pdu = SNMP_PDU_GET, .id = id,
			.var = d->env->var + d->next_var, .vars = d->chunk };

		*o = empty;
		rc = snmp_peer_put(&d->peer, k, &r, salt, now_ns, o);
		if (rc == 0 || d->chunk <= 1)
			return rc;
	}
}

static int
put_bulk(struct snmp_device *d, struct snmp_secret *k, uint32_t id, int64_t now_ns,
    struct ber_out *o)
{
	struct snmp_request r = { .pdu = SNMP_PDU_GETBULK, .id = id, .rows = BULK_ROWS,
		.var = d->env->var, .vars = d->phase == STORAGE ? 3 : 1 };

	for (size_t i = 0; i < r.vars; i++) {
		struct snmp_var *v = &d->env->var[i];

		memcpy(v->name, d->walk->name, d->walk->len * sizeof v->name[0]);
		v->len = d->walk->len;
		if (d->phase == STORAGE)	/* the same row in all three columns */
			v->name[10] = snmp_storage_column[i][10];
	}
	return snmp_peer_put(&d->peer, k, &r, new_salt(d, k), now_ns, o);
}

size_t
snmp_device_write(struct snmp_device *d, uint32_t id, uint8_t buf[SNMP_REQUEST_MAX],
    uint8_t **text, int64_t now_ns)
{
	struct snmp_secret *k = secret_of(d);
	struct ber_out o;
	int rc = 0;

	ber_out_init(&o, buf, SNMP_REQUEST_MAX);
	if (d->phase == DISCOVERY || d->ask_engine)
		snmp_put_discovery(&o, id);
	else if (k == NULL)
		rc = -1;
	else if (d->phase == GET)
		rc = put_get(d, k, id, now_ns, &o);
	else
		rc = put_bulk(d, k, id, now_ns, &o);
	if (rc != 0 || o.full) {
		snmp_device_failed(d);
		return 0;
	}
	*text = o.p;
	return (size_t)(buf + SNMP_REQUEST_MAX - o.p);
}

/* How long the answer to what was just sent is waited for. */
static int64_t
patience(const struct snmp_device *d)
{
	int64_t half = d->timeout_ns / 2, wait = AGAIN_RTTS * d->rtt_ns;

	if (d->rtt_ns == 0)
		return half;
	if (wait < AGAIN_MIN_NS)
		wait = AGAIN_MIN_NS;
	return wait < half ? wait : half;
}

void
snmp_device_sent(struct snmp_device *d, uint32_t id, int64_t now_ns)
{
	d->left = true;
	if (d->asks == SNMP_ASKS_MAX)
		return;			/* never: request_again() counts */
	d->ask[d->asks++] = (struct ask){ .id = id, .sent_ns = now_ns };
	if (d->agains == 0 || (d->rtt_ns > 0 && d->agains < SNMP_ASKS_MAX - 1))
		d->again_ns = now_ns + patience(d);
}

void
snmp_device_failed(struct snmp_device *d)
{
	if (d->phase == IDLE)
		return;
	if (d->rtt_ns > 0)
		snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
	else if (d->left)
		d->again_ns = INT64_MAX;	/* what left before may still be answered */
	else
		snmp_device_finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_NOT_SENT));
}

/* ------------------------------------------------------------ what comes next */

/* What the last reading has made needless. */
static uint64_t
needless(const struct snmp_device *d)
{
	const struct snmp_reading *b = d->before;
	uint64_t skip = 0;

	if (b == NULL || b->if_index != d->if_index)
		return 0;
	if (b->slot[SNMP_IN_OCTETS].have && b->slot[SNMP_OUT_OCTETS].have)
		skip |= UINT64_C(1) << SNMP_IN_OCTETS_32 | UINT64_C(1) << SNMP_OUT_OCTETS_32;
	if (b->slot[SNMP_HIGH_SPEED].have && b->slot[SNMP_HIGH_SPEED].real > 0)
		skip |= UINT64_C(1) << SNMP_SPEED;
	return skip;
}

static void
begin_search(struct snmp_device *d)
{
	d->searches++;
	if (d->search_cut && d->walk != NULL) {
		d->search_cut = false;
		d->phase = SEARCH;
		snmp_device_request(d);
		return;
	}
	d->column = d->by_alias ? SNMP_COLUMN_ALIAS : SNMP_COLUMN_NAME;
	snmp_device_walk(d, SEARCH, snmp_if_column[d->column].name, snmp_if_column[d->column].len);
}

void
snmp_device_go_on(struct snmp_device *d, int64_t now_ns)
{
	struct snmp_secret *k = secret_of(d);

	if (k == NULL) {
		snmp_device_finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
		return;
	}
	if (snmp_peer_is_new(&d->peer, k) || (d->peer_stale && d->peer.seal != NULL)) {
		d->peer_stale = false;
		d->phase = DISCOVERY;
		snmp_device_request(d);
		return;
	}
	if (d->pattern != NULL && d->if_index == 0 && now_ns >= d->search_ns &&
	    d->searches < SEARCHES_MAX) {
		begin_search(d);
		return;
	}
	if (d->pattern != NULL && d->if_index == 0)
		d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	if (d->now == NULL)
		d->now = xmalloc(sizeof *d->now);
	snmp_reading_init(d->now, 0);
	d->now->if_index = d->if_index;
	d->next_var = 0;
	d->skip = needless(d);
	d->phase = GET;
	snmp_device_request(d);
}

/* ------------------------------------------------------------------ answers */

static void
take_said(struct snmp_device *d, enum snmp_said said, struct snmp_answer *a, int64_t now_ns)
{
	switch (said) {
	case SNMP_SAID_ANSWER:
		snmp_device_take(d, a, now_ns);
		break;
	case SNMP_SAID_ENGINE:
		d->ask_engine = false;
		if (d->phase == DISCOVERY)
			snmp_device_go_on(d, now_ns);
		else
			request_again(d);
		break;
	case SNMP_SAID_DENIED:
		d->causes = 0;
		d->peer_stale = true;
		snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_AUTH));
		break;
	case SNMP_SAID_RUBBISH:
		snmp_device_rubbish(d);
		break;
	case SNMP_SAID_NOTHING:
		break;
	}
}

void
snmp_device_answer(struct snmp_device *d, uint32_t id, uint8_t *text, size_t n, int64_t at_ns,
    int64_t now_ns)
{
	struct snmp_secret *k = secret_of(d);
	struct snmp_answer a;
	enum snmp_said said;
	unsigned i = 0;

	while (i < d->asks && d->ask[i].id != id)
		i++;
	if (i == d->asks || k == NULL)
		return;
	if (d->phase == IDLE || d->ask[i].answered) {
		const struct probe_result extra = { .outcome = PROBE_EXTRA,
			.causes = CAUSE_BIT(d->ask[i].answered ? CAUSE_DUPLICATE :
			    CAUSE_LATE_REPLY) };

		if (d->life == SNMP_IS_SILENT || d->ask[i].answered)
			d->env->done(d->env->arg, d, &extra);
		d->ask[i].answered = true;
		return;
	}
	if (at_ns > now_ns || at_ns < d->ask[i].sent_ns - NS_PER_MS)
		at_ns = now_ns;		/* a stamp of a clock that was set meanwhile */
	said = snmp_peer_take(&d->peer, k, text, n, at_ns, &a);
	if (said == SNMP_SAID_NOTHING)
		return;
	d->ask[i].answered = true;
	if (d->rtt_ns == 0)
		d->rtt_ns = at_ns > d->ask[i].sent_ns ? at_ns - d->ask[i].sent_ns : 1;
	take_said(d, said, &a, at_ns);
}

/* ------------------------------------------------------------- the outside */

struct snmp_device *
snmp_device_new(const struct snmp_device_env *env, void *owner, const struct target *t)
{
	struct snmp_device *d = xcalloc(1, sizeof *d);
	const char *pattern = t->alias != NULL ? t->alias : t->interface;

	d->env = env;
	d->owner = owner;
	d->credential = xstrdup(t->credential);
	d->pattern = pattern != NULL ? xstrdup(pattern) : NULL;
	d->by_alias = t->alias != NULL;
	d->host_values = t->host_values;
	d->timeout_ns = t->timeout_ns;
	d->chunk_max = CHUNK_MAX;
	d->life = SNMP_NEVER_ASKED;
	d->named = t->oids > 0 ? xcalloc(t->oids, sizeof *d->named) : NULL;
	for (; d->nameds < t->oids; d->nameds++) {
		snmp_var_parse(&d->named[d->nameds], SNMP_OID0 + d->nameds,
		    t->oid[d->nameds].oid);
		d->type[d->nameds] = t->oid[d->nameds].type;
		d->scale[d->nameds] = t->oid[d->nameds].scale;
	}
	return d;
}

void
snmp_device_free(struct snmp_device *d)
{
	if (d == NULL)
		return;
	drop_asks(d);
	snmp_peer_forget(&d->peer);
	drop_walk(d);
	free(d->before);
	free(d->now);
	free(d->credential);
	free(d->pattern);
	free(d->named);
	free(d);
}

void *
snmp_device_owner(const struct snmp_device *d)
{
	return d->owner;
}

const struct sockaddr *
snmp_device_to(const struct snmp_device *d, socklen_t *len)
{
	*len = d->to_len;
	return &d->to.any;
}

void
snmp_device_reset(struct snmp_device *d)
{
	if (d->phase != IDLE)
		snmp_device_finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
	drop_asks(d);
	snmp_peer_forget(&d->peer);
	d->search_cut = false;
	drop_walk(d);
	d->if_index = 0;
	d->search_ns = 0;
	d->chunk_max = CHUNK_MAX;
	d->life = SNMP_NEVER_ASKED;
	free(d->before);
	d->before = NULL;
}

void
snmp_device_poll(struct snmp_device *d, uint64_t token, const struct sockaddr *to, socklen_t len,
    int64_t now_ns)
{
	if (len > sizeof d->to)
		len = 0;
	if (d->phase != IDLE)
		time_is_up(d, false);
	if (len != d->to_len || memcmp(to, &d->to, len) != 0) {
		snmp_device_reset(d);
		memcpy(&d->to, to, len);
		d->to_len = len;
	}
	d->token = token;
	d->deadline_ns = now_ns + d->timeout_ns;
	d->rtt_ns = 0;
	d->causes = 0;
	d->requests = d->searches = d->agains = 0;
	d->left = false;
	d->hint = CAUSE_NONE;
	snmp_device_go_on(d, now_ns);
}

void
snmp_device_unreachable(struct snmp_device *d, enum cause cause)
{
	if (d->phase == IDLE)
		return;
	if (d->rtt_ns > 0)
		snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
	else
		snmp_device_finish(d, PROBE_LOST, CAUSE_BIT(cause));
}

void
snmp_device_hint(struct snmp_device *d, enum cause cause)
{
	d->hint = cause;
}

int64_t
snmp_device_due(const struct snmp_device *d)
{
	if (d->phase == IDLE)
		return INT64_MAX;
	return d->again_ns < d->deadline_ns ? d->again_ns : d->deadline_ns;
}

void
snmp_device_tick(struct snmp_device *d, int64_t now_ns, bool dropped)
{
	if (d->phase == IDLE)
		return;
	if (now_ns >= d->deadline_ns) {
		time_is_up(d, dropped);
		return;
	}
	if (now_ns < d->again_ns)
		return;
	/* a datagram was lost, or the device has become another engine */
	if (d->rtt_ns == 0 && d->peer.seal != NULL && d->phase != DISCOVERY)
		d->ask_engine = true;
	request_again(d);
}

bool
snmp_device_is_idle(const struct snmp_device *d)
{
	return d->phase == IDLE;
}

bool
snmp_device_has_sent(const struct snmp_device *d)
{
	return d->left;
}

enum snmp_life
snmp_device_life(const struct snmp_device *d)
{
	return d->phase != IDLE && d->rtt_ns > 0 ? SNMP_LIVES : d->life;
}
