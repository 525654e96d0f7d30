/*
 * db_batch.c - what is to be written in one transaction, kept in memory until
 * it stands (pure).
 *
 * The core cannot take a decision back, so a transaction that fails must be
 * tried again from copies.  Saves of a detector's memory come with every
 * sample; only the last one of a link is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "alertd/db_impl.h"
#include "common/mem.h"

static char *
copy(const char *s)
{
	return s == NULL ? NULL : xstrdup(s);
}

struct db_batch *
db_batch_new(void)
{
	return xcalloc(1, sizeof(struct db_batch));
}

static void
message_clear(struct outbox_message *m)
{
	char *const owned[] = { m->key, m->event, m->recipient, m->channel, m->fallback,
		m->address, m->fallback_address, m->lang, m->subject, m->body, m->doc };

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
}

static void
op_clear(struct db_op *op)
{
	switch (op->type) {
	case OP_LINK:
		free(op->link.agent);
		free(op->link.link);
		break;
	case OP_LINK_BLOB:
	case OP_AGENT_BLOB:
	case OP_PLAN:
		free(op->blob.agent);
		free(op->blob.link);
		free(op->blob.data);
		break;
	case OP_INCIDENT:
		incident_clear(op->incident);
		free(op->incident);
		break;
	case OP_LOG: {
		char *const owned[] = { op->log.actor, op->log.role, op->log.channel,
			op->log.from, op->log.to, op->log.what, op->log.note };
		for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
			free(owned[i]);
		break;
	}
	case OP_QUEUE:
	case OP_MESSAGE:
		message_clear(&op->message);
		break;
	case OP_INTENT:
		free(op->intent.channel);
		break;
	case OP_OUTCOME:
		free(op->outcome.detail);
		break;
	case OP_ANOMALY:
	case OP_STOP:
	case OP_CURSOR:
		break;
	}
}

void
db_batch_clear(struct db_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		op_clear(&b->op[i]);
	b->n = 0;
	b->bytes = 0;
	b->blobs = b->cursor = 0;
	b->urgent = false;
	if (b->index_size > 0)
		memset(b->index, 0, b->index_size * sizeof(b->index[0]));
}

void
db_batch_free(struct db_batch *b)
{
	if (b == NULL)
		return;
	db_batch_clear(b);
	free(b->op);
	free(b->index);
	free(b);
}

static struct db_op *
add(struct db_batch *b, enum db_op_type type, struct wall now)
{
	struct db_op *op;

	if (b->n == b->size) {
		b->size = b->size == 0 ? 64 : b->size * 2;
		b->op = xreallocarray(b->op, b->size, sizeof(b->op[0]));
	}
	op = &b->op[b->n++];
	memset(op, 0, sizeof(*op));
	op->type = type;
	op->now = now;
	b->bytes += sizeof(*op);
	return op;
}

/* ------------------------------------------------------ the last save of a link */

static size_t
hash_name(enum db_op_type type, const char *agent, const char *link)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)type;

	for (const char *p = agent; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	h = (h ^ '/') * UINT64_C(0x100000001b3);
	for (const char *p = link; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32);
}

/* The slot of that name: the one that has it, or the empty one where it belongs. */
static size_t *
slot_of(struct db_batch *b, enum db_op_type type, const char *agent, const char *link)
{
	size_t i = hash_name(type, agent, link);

	for (;; i++) {
		size_t *slot = &b->index[i & (b->index_size - 1)];
		if (*slot == 0)
			return slot;
		const struct db_op *op = &b->op[*slot - 1];
		if (op->type == type && strcmp(op->blob.agent, agent) == 0 &&
		    strcmp(op->blob.link, link) == 0)
			return slot;
	}
}

static void
index_grow(struct db_batch *b)
{
	size_t *old = b->index, old_size = b->index_size;

	b->index_size = old_size == 0 ? 256 : old_size * 2;
	b->index = xcalloc(b->index_size, sizeof(b->index[0]));
	for (size_t i = 0; i < old_size; i++) {
		if (old[i] == 0)
			continue;
		const struct db_op *op = &b->op[old[i] - 1];
		*slot_of(b, op->type, op->blob.agent, op->blob.link) = old[i];
	}
	free(old);
}

static void
add_blob(struct db_batch *b, enum db_op_type type, const struct dec_blob *blob, struct wall now)
{
	const char *link = blob->link == NULL ? "" : blob->link;
	struct db_op *op;
	size_t *slot;

	if (b->blobs * 2 >= b->index_size)
		index_grow(b);
	slot = slot_of(b, type, blob->agent, link);
	if (*slot != 0) {
		op = &b->op[*slot - 1];
		b->bytes -= op->blob.len;
		free(op->blob.data);
	} else {
		op = add(b, type, now);
		*slot = b->n;
		b->blobs++;
		op->blob.agent = xstrdup(blob->agent);
		op->blob.link = xstrdup(link);
	}
	op->blob.data = xmalloc(blob->len > 0 ? blob->len : 1);
	if (blob->len > 0)
		memcpy(op->blob.data, blob->data, blob->len);
	op->blob.len = blob->len;
	b->bytes += blob->len;
}

/* ---------------------------------------------------------------- decisions */

static void
add_log(struct db_batch *b, const struct dec_log *log, struct wall now)
{
	struct db_op *op = add(b, OP_LOG, now);

	op->log = (struct db_op_log){
		.incident = log->incident, .at = log->at, .actor = copy(log->actor),
		.role = copy(log->role), .channel = copy(log->channel), .from = copy(log->from),
		.to = copy(log->to), .what = copy(log->what), .note = copy(log->note),
	};
	b->bytes += log->note == NULL ? 0 : strlen(log->note);
}

static void
add_message(struct db_batch *b, const struct dec_message *m, struct wall now)
{
	struct db_op *op = add(b, OP_QUEUE, now);

	op->message = (struct outbox_message){
		.incident = m->incident, .key = copy(m->key), .event = copy(m->event),
		.recipient = copy(m->recipient), .channel = copy(m->channel),
		.fallback = copy(m->fallback), .address = copy(m->address),
		.fallback_address = copy(m->fallback_address), .lang = copy(m->lang),
		.subject = copy(m->subject), .body = copy(m->body), .decided = now,
		.not_before = m->not_before, .expires = m->expires, .state = OUTBOX_PENDING,
		.next_at = m->not_before.ns > now.ns ? m->not_before : now,
	};
	b->bytes += m->body == NULL ? 0 : strlen(m->body);
}

static void
add_link(struct db_batch *b, const struct dec_link *l, struct wall now)
{
	struct db_op *op = add(b, OP_LINK, now);

	op->link.agent = copy(l->agent);
	op->link.link = copy(l->link);
	op->link.state = l->to;
	op->link.cause = l->cause;
	op->link.since = l->since;
}

static void
add_incident(struct db_batch *b, const struct incident *inc, struct wall now)
{
	struct db_op *op = add(b, OP_INCIDENT, now);

	op->incident = xcalloc(1, sizeof(*op->incident));
	incident_copy(op->incident, inc);
	b->bytes += sizeof(*inc);
}

void
db_batch_decision(struct db_batch *b, const struct decision *dec, struct wall now)
{
	switch (dec->type) {
	case DEC_LINK_SAVE:
		add_blob(b, OP_LINK_BLOB, &dec->blob, now);
		return;
	case DEC_AGENT_SAVE:
		add_blob(b, OP_AGENT_BLOB, &dec->blob, now);
		return;
	case DEC_LINK:
		add_link(b, &dec->link, now);
		break;
	case DEC_ANOMALY:
		add(b, OP_ANOMALY, now)->anomaly = dec->anomaly;
		break;
	case DEC_INCIDENT:
		add_incident(b, dec->incident, now);
		break;
	case DEC_LOG:
		add_log(b, &dec->log, now);
		break;
	case DEC_MESSAGE:
		add_message(b, &dec->message, now);
		break;
	case DEC_STOP_MESSAGES:
		add(b, OP_STOP, now)->number = dec->stop_incident;
		break;
	case DEC_REPLY:
	case DEC_LOCAL:
		return;
	}
	b->urgent = true;
}

void
db_batch_plan(struct db_batch *b, const Linkwatch__Pb__Plan *plan)
{
	struct db_op *op = add(b, OP_PLAN, (struct wall){ 0 });

	op->blob.len = linkwatch__pb__plan__get_packed_size(plan);
	op->blob.data = xmalloc(op->blob.len > 0 ? op->blob.len : 1);
	linkwatch__pb__plan__pack(plan, op->blob.data);
	b->bytes += op->blob.len;
	b->urgent = true;
}

void
db_batch_cursor(struct db_batch *b, uint64_t next_seq)
{
	if (b->cursor == 0) {
		add(b, OP_CURSOR, (struct wall){ 0 });
		b->cursor = b->n;
	}
	b->op[b->cursor - 1].number = next_seq;
}

void
db_batch_message(struct db_batch *b, const struct outbox_message *row, struct wall now)
{
	struct db_op *op = add(b, OP_MESSAGE, now);

	op->message = *row;
	op->message.key = copy(row->key);
	op->message.event = copy(row->event);
	op->message.recipient = copy(row->recipient);
	op->message.channel = copy(row->channel);
	op->message.fallback = copy(row->fallback);
	op->message.address = copy(row->address);
	op->message.fallback_address = copy(row->fallback_address);
	op->message.lang = copy(row->lang);
	op->message.subject = op->message.body = op->message.doc = NULL;	/* never change */
	b->urgent = true;
}

void
db_batch_intent(struct db_batch *b, uint64_t message, const char *channel, struct wall at,
    bool repeat)
{
	struct db_op *op = add(b, OP_INTENT, at);

	op->intent.message = message;
	op->intent.channel = xstrdup(channel);
	op->intent.repeat = repeat;
	b->urgent = true;
}

void
db_batch_outcome(struct db_batch *b, uint64_t message, enum outbox_outcome how,
    const char *detail, struct wall at)
{
	struct db_op *op = add(b, OP_OUTCOME, at);

	op->outcome.message = message;
	op->outcome.how = how;
	op->outcome.detail = copy(detail);
	b->urgent = true;
}

bool
db_batch_is_empty(const struct db_batch *b)
{
	return b->n == 0;
}

bool
db_batch_is_urgent(const struct db_batch *b)
{
	return b->urgent;
}

size_t
db_batch_size(const struct db_batch *b)
{
	return b->bytes;
}
