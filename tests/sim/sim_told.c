/*
 * sim_told.c - what alertd decided and who was told (see sim_told.h).
 */
#include "tests/sim/sim_told.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/incident.h"
#include "common/batch.h"
#include "common/journal.h"
#include "common/mem.h"

#define KEY_MAX 200
#define OUTAGE_STEPS 6			/* lost steps in a row that nobody can overlook */
#define LINKS_MAX 16

enum op_type { OP_MESSAGE = 1, OP_STOP, OP_INTENT, OP_OUTCOME, OP_CURSOR, OP_INCIDENT };

struct message {
	char key[KEY_MAX], event[16], recipient[ID_MAX + 1];
	uint64_t incident;
	int64_t expires_ns;
	bool stopped;
	bool intent;			/* committed and not yet answered */
	bool sent;			/* its success is committed */
	bool doubtful; /* an attempt may have got through, and no outcome is committed */
	uint32_t accepted;
};

struct op {
	enum op_type type;
	char key[KEY_MAX];
	struct message message;
	enum outbox_outcome outcome;
	uint64_t number;		/* incident or cursor */
	struct incident *incident;	/* owned */
};

struct told {
	struct world *world;
	struct message *m;
	size_t n, cap;
	struct op *op;			/* of the transaction that is being gathered */
	size_t ops, ops_cap;
	struct incident **inc;		/* owned: as last committed, by number */
	size_t incs, incs_cap;
	uint64_t cursor;
	struct told_stat stat;
};

struct told *
told_new(struct world *w)
{
	struct told *t = xcalloc(1, sizeof *t);

	t->world = w;
	return t;
}

static void
incident_drop_copy(struct incident *inc)
{
	if (inc != NULL)
		incident_clear(inc);
	free(inc);
}

void
told_free(struct told *t)
{
	told_lost(t);
	for (size_t i = 0; i < t->incs; i++)
		incident_drop_copy(t->inc[i]);
	free(t->inc);
	free(t->m);
	free(t->op);
	free(t);
}

static struct message *
find(const struct told *t, const char *key)
{
	for (size_t i = t->n; i > 0; i--)
		if (strcmp(t->m[i - 1].key, key) == 0)
			return &t->m[i - 1];
	return NULL;
}

/* ------------------------------------------------------------- one transaction */

static struct op *
add_op(struct told *t, enum op_type type, const char *key)
{
	struct op *op;

	if (t->ops == t->ops_cap) {
		t->ops_cap = t->ops_cap * 2 + 64;
		t->op = xreallocarray(t->op, t->ops_cap, sizeof *t->op);
	}
	op = &t->op[t->ops++];
	memset(op, 0, sizeof *op);
	op->type = type;
	snprintf(op->key, sizeof op->key, "%s", key);
	return op;
}

void
told_decision(struct told *t, const struct decision *d)
{
	struct op *op;

	if (d->type == DEC_MESSAGE) {
		op = add_op(t, OP_MESSAGE, d->message.key);
		snprintf(op->message.key, sizeof op->message.key, "%s", d->message.key);
		snprintf(op->message.event, sizeof op->message.event, "%s", d->message.event);
		snprintf(op->message.recipient, sizeof op->message.recipient, "%s",
		    d->message.recipient);
		op->message.incident = d->message.incident;
		op->message.expires_ns = d->message.expires.ns;
	} else if (d->type == DEC_STOP_MESSAGES) {
		add_op(t, OP_STOP, "")->number = d->stop_incident;
	} else if (d->type == DEC_INCIDENT) {
		op = add_op(t, OP_INCIDENT, "");
		op->number = d->incident->number;
		op->incident = xcalloc(1, sizeof *op->incident);
		incident_copy(op->incident, d->incident);
	}
}

void
told_intent(struct told *t, const char *key)
{
	add_op(t, OP_INTENT, key);
}

void
told_outcome(struct told *t, const char *key, enum outbox_outcome how)
{
	add_op(t, OP_OUTCOME, key)->outcome = how;
}

void
told_cursor(struct told *t, uint64_t next_seq)
{
	add_op(t, OP_CURSOR, "")->number = next_seq;
}

static bool
is_reminder(const char *event)
{
	return strcmp(event, "remind") == 0 || strcmp(event, "escalate") == 0;
}

static void
apply_message(struct told *t, const struct message *m)
{
	if (find(t, m->key) != NULL) {
		world_fail(t->world, "message %s was decided twice", m->key);
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->m = xreallocarray(t->m, t->cap, sizeof *t->m);
	}
	t->m[t->n++] = *m;
	t->stat.messages++;
}

static void
apply_outcome(struct told *t, const struct op *op)
{
	struct message *m = find(t, op->key);

	if (m == NULL)
		return;
	m->intent = false;
	if (op->outcome == OUTCOME_SENT)
		m->sent = true;
}

static void
apply_incident(struct told *t, struct op *op)
{
	size_t i = 0;

	while (i < t->incs && t->inc[i]->number != op->number)
		i++;
	if (i == t->incs) {
		if (t->incs == t->incs_cap) {
			t->incs_cap = t->incs_cap * 2 + 16;
			t->inc = xreallocarray(t->inc, t->incs_cap, sizeof *t->inc);
		}
		t->inc[t->incs++] = NULL;
		t->stat.incidents++;
	}
	incident_drop_copy(t->inc[i]);
	t->inc[i] = op->incident;
	op->incident = NULL;
}

void
told_committed(struct told *t)
{
	for (size_t i = 0; i < t->ops; i++) {
		struct op *op = &t->op[i];
		struct message *m = find(t, op->key);

		switch (op->type) {
		case OP_MESSAGE:
			apply_message(t, &op->message);
			break;
		case OP_STOP:
			for (size_t k = 0; k < t->n; k++)
				if (t->m[k].incident == op->number && is_reminder(t->m[k].event))
					t->m[k].stopped = true;
			break;
		case OP_INTENT:
			if (m != NULL)
				m->intent = true;
			break;
		case OP_OUTCOME:
			apply_outcome(t, op);
			break;
		case OP_CURSOR:
			t->cursor = op->number;
			break;
		case OP_INCIDENT:
			apply_incident(t, op);
			break;
		}
	}
	t->ops = 0;
}

void
told_lost(struct told *t)
{
	for (size_t i = 0; i < t->ops; i++)
		incident_drop_copy(t->op[i].incident);
	t->ops = 0;
}

/* ------------------------------------------------------------------- gateways */

void
told_attempt(struct told *t, const char *key, bool repeat)
{
	struct message *m = find(t, key);

	if (m == NULL) {
		world_fail(t->world, "message %s is sent and was never committed", key);
		return;
	}
	if (!m->intent)
		world_fail(t->world, "message %s is sent before its intent is committed", key);
	if (m->sent)
		world_fail(
		    t->world, "message %s is sent again after its success was committed", key);
	if (m->doubtful && !repeat)
		world_fail(t->world, "message %s is sent again and does not say so", key);
	m->doubtful = true;
	t->stat.repeats += repeat;
}

void
told_accepted(struct told *t, const char *key)
{
	struct message *m = find(t, key);

	if (m == NULL)
		return;
	m->accepted++;
	t->stat.accepted++;
}

void
told_rejected(struct told *t, const char *key)
{
	struct message *m = find(t, key);

	if (m != NULL)
		m->doubtful = false;
}

void
told_feed_ack(struct told *t, uint64_t seq)
{
	if (seq >= t->cursor && seq > 0)
		world_fail(t->world,
		    "record %" PRIu64 " was acknowledged to the collector, but the "
		    "cursor that is committed is %" PRIu64,
		    seq, t->cursor);
}

/* --------------------------------------------------------------------- the end */

size_t
told_missing(const struct told *t, char *out, size_t n)
{
	int64_t now = SIM_EPOCH + t->world->now;
	size_t missing = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct message *m = &t->m[i];

		if (m->accepted > 0 || m->stopped ||
		    (m->expires_ns != 0 && m->expires_ns <= now))
			continue;
		if (missing++ == 0)
			snprintf(out, n, "message %s (%s to %s) was decided and never sent", m->key,
			    m->event, m->recipient);
	}
	return missing;
}

struct outage {				/* of one link, as its samples in the journal show */
	char agent[ID_MAX + 1], link[ID_MAX + 1];
	int64_t last_ns;		/* start of the last sample */
	int64_t first_lost_ns;
	uint32_t lost;			/* steps in a row */
};

/* An incident that names the link and lasted when the outage did. */
static const struct incident *
incident_of(const struct told *t, const struct outage *o)
{
	for (size_t i = 0; i < t->incs; i++) {
		const struct incident *inc = t->inc[i];

		if (inc->first_fail.ns > o->last_ns ||
		    (inc->recovered.ns != 0 && inc->recovered.ns < o->first_lost_ns))
			continue;
		for (uint32_t k = 0; k < inc->links && k < INCIDENT_LINKS; k++)
			if (strcmp(inc->link_list[k].agent, o->agent) == 0 &&
			    strcmp(inc->link_list[k].link, o->link) == 0)
				return inc;
	}
	return NULL;
}

static bool
anybody_heard(const struct told *t, uint64_t incident)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->m[i].incident == incident && t->m[i].accepted > 0)
			return true;
	return false;
}

static void
outage_ends(struct told *t, struct outage *o)
{
	const struct incident *inc;

	if (o->lost >= OUTAGE_STEPS) {
		t->stat.outages++;
		inc = incident_of(t, o);
		if (inc == NULL)
			world_fail(t->world,
			    "link %s/%s lost %" PRIu32 " steps in a row up to %.0f s, and no "
			    "incident says so",
			    o->agent, o->link, o->lost, (double)(o->last_ns - SIM_EPOCH) / 1e9);
		else if (!anybody_heard(t, inc->number) && inc->acked.ns == 0)
			world_fail(t->world, "incident %" PRIu64 " (%s/%s) was told to nobody",
			    inc->number, o->agent, o->link);
	}
	o->lost = 0;
}

static void
outage_sample(struct told *t, struct outage *o, const struct sample *s)
{
	bool follows = s->start_ns - o->last_ns < 3 * NS_PER_S / 2;

	if (s->start_ns <= o->last_ns)
		return;			/* later ones were judged already */
	if (!follows || s->rtt_count > 0)
		outage_ends(t, o);
	o->last_ns = s->start_ns;
	if (s->rtt_count > 0)
		return;
	if (o->lost++ == 0)
		o->first_lost_ns = s->start_ns;
}

static void
read_batch(struct told *t, const struct journal_record *r, struct outage *all, size_t *n)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	Linkwatch__Pb__Batch *b = sb != NULL ?
	    batch_unpack(sb->batch.data, sb->batch.len) : NULL;
	struct batch_cursor c;
	struct sample s;
	size_t i;

	if (b != NULL) {
		batch_cursor_init(&c, b);
		while (batch_cursor_next(&c, &s)) {
			for (i = 0; i < *n && (strcmp(all[i].agent, sb->agent) != 0 ||
			    strcmp(all[i].link, s.link) != 0); i++)
				;
			if (i == *n && *n < LINKS_MAX) {
				memset(&all[i], 0, sizeof all[i]);
				snprintf(all[i].agent, sizeof all[i].agent, "%s", sb->agent);
				snprintf(all[i].link, sizeof all[i].link, "%s", s.link);
				++*n;
			}
			if (i < *n)
				outage_sample(t, &all[i], &s);
		}
		linkwatch__pb__batch__free_unpacked(b, NULL);
	}
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

bool
told_is_lasting(const struct incident *inc)
{
	/* That a dead channel works again shows only in a message; acknowledged, it causes none. */
	if (inc->state == INC_HANDLING && strncmp(inc->fingerprint, "self:channel:", 13) == 0)
		return false;
	return inc->state == INC_OPEN || inc->state == INC_HANDLING;
}

/* Who was alarmed by an incident that is over must have heard that it is. */
static void
check_recovery(struct told *t, const struct incident *inc)
{
	const struct message *last;

	for (uint32_t k = 0; k < inc->told_n; k++) {
		last = NULL;
		for (size_t i = 0; i < t->n; i++)
			if (t->m[i].incident == inc->number &&
			    strcmp(t->m[i].recipient, inc->told[k].recipient) == 0)
				last = &t->m[i];
		if (last == NULL || strcmp(last->event, "recover") != 0)
			world_fail(t->world,
			    "incident %" PRIu64 " is over; %s, who was alarmed, heard "
			    "\"%s\" last",
			    inc->number, inc->told[k].recipient,
			    last != NULL ? last->event : "nothing");
	}
}

static void
check_incidents(struct told *t, uint64_t last_seq)
{
	for (size_t i = 0; i < t->incs; i++) {
		const struct incident *inc = t->inc[i];

		if (inc->evidence > last_seq || (inc->evidence == 0 && inc->kind != ANOMALY_SELF &&
		    inc->kind != ANOMALY_SILENT))
			world_fail(t->world,
			    "incident %" PRIu64 " (%s) has no evidence: record %" PRIu64
			    " of %" PRIu64,
			    inc->number, inc->title_en, inc->evidence, last_seq);
		if (inc->state == INC_RECOVERED)
			check_recovery(t, inc);
		else if (told_is_lasting(inc))
			world_fail(t->world, "incident %" PRIu64 " (%s) is still %s", inc->number,
			    inc->title_en, incident_state_name(inc->state));
	}
}

void
told_check(struct told *t, struct disk *collector)
{
	struct outage all[LINKS_MAX];
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t last = 0;
	size_t n = 0;
	char line[300];

	journal_reader_open(&rd, collector, 1);
	while (journal_reader_next(rd, &r) == 1) {
		last = r.seq;
		if (r.type == JREC_BATCH)
			read_batch(t, &r, all, &n);
	}
	journal_reader_close(rd);
	for (size_t i = 0; i < n; i++)
		outage_ends(t, &all[i]);
	if (told_missing(t, line, sizeof line) > 0)
		world_fail(t->world, "%s", line);
	check_incidents(t, last);
}

void
told_stat(const struct told *t, struct told_stat *st)
{
	*st = t->stat;
}
