/*
 * db_write.c - one batch, one transaction.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/db_impl.h"
#include "common/log.h"
#include "common/mem.h"

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static void
digest_number(EVP_MD_CTX *md, uint64_t n)
{
	uint64_t be = htobe64(n);

	EVP_DigestUpdate(md, &be, sizeof(be));
}

/* Each field with its length before it: no two rows have the same bytes. */
static void
digest_text(EVP_MD_CTX *md, const char *s)
{
	size_t len = strlen(or_empty(s));

	digest_number(md, len);
	EVP_DigestUpdate(md, or_empty(s), len);
}

void
db_log_hash(uint8_t out[DB_HASH], const uint8_t prev[DB_HASH], uint64_t seq,
    const struct db_op_log *row)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	EVP_DigestUpdate(md, prev, DB_HASH);
	digest_number(md, seq);
	digest_number(md, row->incident);
	digest_number(md, (uint64_t)row->at.ns);
	digest_text(md, row->actor);
	digest_text(md, row->role);
	digest_text(md, row->channel);
	digest_text(md, row->from);
	digest_text(md, row->to);
	digest_text(md, row->what);
	digest_text(md, row->note);
	EVP_DigestFinal_ex(md, out, NULL);
	EVP_MD_CTX_free(md);
}

static int
write_log(struct db *db, const struct db_op_log *row)
{
	uint8_t hash[DB_HASH];
	sqlite3_stmt *st = db_bind(db, ST_LOG_LAST, "");
	uint64_t seq = 1;
	int rc;

	if (st == NULL)
		return db_fail(db, "prepare");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		seq = (uint64_t)sqlite3_column_int64(st, 0) + 1;
	else if (rc != SQLITE_DONE)
		return db_fail(db, "read");
	sqlite3_reset(st);
	db_log_hash(hash, db->last_hash, seq, row);
	rc = db_step(db, db_bind(db, ST_LOG, "iiittttttt" "b", (int64_t)seq,
	    (int64_t)row->incident, row->at.ns, or_empty(row->actor), or_empty(row->role),
	    or_empty(row->channel), or_empty(row->from), or_empty(row->to), or_empty(row->what),
	    or_empty(row->note), (const void *)hash, sizeof(hash)));
	if (rc == 0)
		memcpy(db->last_hash, hash, sizeof(hash));
	return rc;
}

static int
write_incident(struct db *db, const struct incident *inc)
{
	json_t *json = incident_to_json(inc);
	char *doc = json_dumps(json, JSON_COMPACT);
	uint32_t named = inc->links < INCIDENT_LINKS ? inc->links : INCIDENT_LINKS;
	int rc;

	json_decref(json);	/* NULL is allowed */
	if (doc == NULL) {	/* it never will have: the others must not wait for it */
		log_error("incident=%" PRIu64 ": not saved, its text is no UTF-8", inc->number);
		return 0;
	}
	rc = db_step(db, db_bind(db, ST_INCIDENT, "itit" "iit", (int64_t)inc->number,
	    incident_state_name(inc->state), (int64_t)incident_is_open(inc), inc->vendor,
	    inc->opened.ns, inc->updated.ns, doc));
	for (uint32_t i = 0; rc == 0 && i < named; i++)
		rc = db_step(db, db_bind(db, ST_INCIDENT_LINK, "tti", inc->link_list[i].agent,
		    inc->link_list[i].link, (int64_t)inc->number));
	free(doc);
	return rc;
}

static int
write_anomaly(struct db *db, const struct anomaly *a)
{
	return db_step(db, db_bind(db, ST_ANOMALY, "ittiiiiiiti", (int64_t)a->id, a->agent,
	    a->link, (int64_t)a->kind, (int64_t)a->severity, a->start.ns, a->end.ns,
	    (int64_t)a->evidence_first, (int64_t)a->evidence_last, a->evidence,
	    (int64_t)a->incident));
}

/* The new row's id goes into m->id (0: its key stands already), its document into m->doc. */
static int
write_new_message(struct db *db, struct outbox_message *m)
{
	sqlite3_stmt *st;
	int rc = db_step(db, db_bind(db, ST_MESSAGE_NEW, "tittttttttt" "iiii",
	    or_empty(m->key), (int64_t)m->incident, or_empty(m->event), or_empty(m->recipient),
	    or_empty(m->channel), m->fallback,
	    or_empty(m->address), m->fallback_address, or_empty(m->lang), or_empty(m->subject),
	    or_empty(m->body), m->decided.ns, m->not_before.ns, m->expires.ns, m->next_at.ns));

	m->id = 0;
	if (rc != 0 || sqlite3_changes(db->sql) == 0)
		return rc;
	m->id = (uint64_t)sqlite3_last_insert_rowid(db->sql);
	if (m->address != NULL && m->address[0] != '\0')
		return 0;
	st = db_bind(db, ST_MESSAGE_DOC, "i", (int64_t)m->id);
	if (st == NULL || sqlite3_step(st) != SQLITE_ROW)
		return db_fail(db, "read");
	free(m->doc);
	m->doc = sqlite3_column_type(st, 0) == SQLITE_NULL ? NULL : xstrdup(db_text(st, 0));
	sqlite3_reset(st);
	return 0;
}

static int
write_message(struct db *db, const struct outbox_message *m, struct wall now)
{
	bool over = m->state >= OUTBOX_SENT;
	int rc = db_step(db, db_bind(db, ST_MESSAGE_SAVE, "itttt" "iiiiiii" "t", (int64_t)m->id,
	    m->channel, m->fallback, or_empty(m->address), m->fallback_address,
	    (int64_t)m->state, (int64_t)m->repeat, (int64_t)m->attempts, (int64_t)m->failures,
	    m->next_at.ns, m->sent.ns, over ? now.ns : 0, m->detail));

	if (rc == 0 && m->state == OUTBOX_UNKNOWN)
		rc = db_step(db, db_bind(db, ST_ATTEMPTS_LOST, "i", (int64_t)m->id));
	return rc;
}

static int
write_op(struct db *db, struct db_op *op)
{
	switch (op->type) {
	case OP_LINK:
		return db_step(db, db_bind(db, ST_LINK_STATE, "ttiii", op->link.agent,
		    op->link.link, (int64_t)op->link.state, (int64_t)op->link.cause,
		    op->link.since.ns));
	case OP_LINK_BLOB:
		return db_step(db, db_bind(db, ST_LINK_BLOB, "ttb", op->blob.agent, op->blob.link,
		    op->blob.data, op->blob.len));
	case OP_AGENT_BLOB:
		return db_step(db, db_bind(db, ST_AGENT_BLOB, "tb", op->blob.agent, op->blob.data,
		    op->blob.len));
	case OP_ANOMALY:
		return write_anomaly(db, &op->anomaly);
	case OP_INCIDENT:
		return write_incident(db, op->incident);
	case OP_LOG:
		return write_log(db, &op->log);
	case OP_QUEUE:
		return write_new_message(db, &op->message);
	case OP_STOP:
		return db_step(db, db_bind(db, ST_MESSAGES_STOP, "ii", (int64_t)op->number,
		    op->now.ns));
	case OP_PLAN:
		return db_step(db, db_bind(db, ST_PLAN_SET, "b", op->blob.data, op->blob.len));
	case OP_CURSOR:
		return db_step(db, db_bind(db, ST_META_SET, "ti", "cursor", (int64_t)op->number));
	case OP_MESSAGE:
		return write_message(db, &op->message, op->now);
	case OP_INTENT:
		return db_step(db, db_bind(db, ST_INTENT, "itii", (int64_t)op->intent.message,
		    op->intent.channel, op->now.ns, (int64_t)op->intent.repeat));
	case OP_OUTCOME:
		return db_step(db, db_bind(db, ST_OUTCOME, "iiit", (int64_t)op->outcome.message,
		    op->now.ns, (int64_t)op->outcome.how, or_empty(op->outcome.detail)));
	}
	return 0;
}

static int
exec(struct db *db, const char *sql)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, sql);
}

static void
tell_after(const struct db_batch *b, const struct db_after *after, void *arg)
{
	for (size_t i = 0; after != NULL && i < b->n; i++) {
		const struct db_op *op = &b->op[i];
		if (op->type == OP_QUEUE && op->message.id != 0)
			after->queued(arg, &op->message);
		else if (op->type == OP_QUEUE)
			log_error("outbox: key %s stands already, message dropped", op->message.key);
		else if (op->type == OP_STOP)
			after->stopped(arg, op->number);
	}
}

int
db_commit(struct db *db, struct db_batch *b, const struct db_after *after, void *arg)
{
	uint8_t before[DB_HASH];
	int rc;

	if (b->n == 0)
		return 0;
	memcpy(before, db->last_hash, sizeof(before));
	rc = exec(db, "BEGIN IMMEDIATE");
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < b->n; i++)
		rc = write_op(db, &b->op[i]);
	if (rc == 0)
		rc = exec(db, "COMMIT");
	if (rc != 0) {
		if (sqlite3_get_autocommit(db->sql) == 0)
			sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
		memcpy(db->last_hash, before, sizeof(before));
		return rc;
	}
	tell_after(b, after, arg);
	db_batch_clear(b);
	return 0;
}
