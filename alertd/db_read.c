/*
 * db_read.c - what an earlier life wrote: for the core, the outbox and people.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/db_impl.h"
#include "common/log.h"
#include "common/mem.h"

static double
seconds(int64_t ns)
{
	return (double)(ns / NS_PER_MS) / 1000.0;
}

/* Steps st; each() is called with every row. The statement is finalized. */
static int
each_row(struct db *db, sqlite3_stmt *st, int (*each)(void *arg, sqlite3_stmt *), void *arg)
{
	int rc = 0, step;

	if (st == NULL)
		return -errno;
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = each(arg, st);
		if (rc != 0)
			break;
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = db_fail(db, "read");
	sqlite3_finalize(st);
	return rc;
}

int
db_cursor(struct db *db, uint64_t *next_seq)
{
	sqlite3_stmt *st = db_bind(db, ST_META_GET, "t", "cursor");
	int rc;

	*next_seq = 0;
	if (st == NULL)
		return db_fail(db, "read");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*next_seq = (uint64_t)sqlite3_column_int64(st, 0);
	rc = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -EBADMSG : db_fail(db, "read");
	sqlite3_reset(st);
	return rc;
}

/* ---------------------------------------------------------------- the core */

static int
unpack_plan(void *arg, sqlite3_stmt *st)
{
	Linkwatch__Pb__Plan **out = arg;

	*out = linkwatch__pb__plan__unpack(NULL, (size_t)sqlite3_column_bytes(st, 0),
	    sqlite3_column_blob(st, 0));
	return *out == NULL ? -EBADMSG : 0;
}

int
db_plan(struct db *db, Linkwatch__Pb__Plan **out)
{
	int rc;

	*out = NULL;
	rc = each_row(db, db_prepare(db, "SELECT data FROM plan"), unpack_plan, out);
	return rc == 0 && *out == NULL ? -ENOENT : rc;
}

static int
parse_incident(const char *doc, struct incident *inc)
{
	json_t *json = json_loads(doc, JSON_REJECT_DUPLICATES, NULL);
	int rc = json == NULL ? -EINVAL : incident_from_json(json, inc);

	json_decref(json);
	return rc;
}

/* One that cannot be read must not keep the others from being told. */
static int
restore_incident(void *arg, sqlite3_stmt *st)
{
	struct incident *inc = xcalloc(1, sizeof(*inc));

	if (parse_incident(db_text(st, 0), inc) != 0 || core_restore_incident(arg, inc) != 0)
		log_error("database: incident %" PRId64 " cannot be read, left out",
		    (int64_t)sqlite3_column_int64(st, 1));
	incident_clear(inc);
	free(inc);
	return 0;
}

static int
restore_anomaly(void *arg, sqlite3_stmt *st)
{
	struct anomaly a = {
		.id = (uint64_t)sqlite3_column_int64(st, 0),
		.kind = sqlite3_column_int(st, 3),
		.severity = sqlite3_column_int(st, 4),
		.start.ns = sqlite3_column_int64(st, 5),
		.end.ns = sqlite3_column_int64(st, 6),
		.evidence_first = (uint64_t)sqlite3_column_int64(st, 7),
		.evidence_last = (uint64_t)sqlite3_column_int64(st, 8),
		.incident = (uint64_t)sqlite3_column_int64(st, 10),
	};

	snprintf(a.agent, sizeof(a.agent), "%s", db_text(st, 1));
	snprintf(a.link, sizeof(a.link), "%s", db_text(st, 2));
	snprintf(a.evidence, sizeof(a.evidence), "%s", db_text(st, 9));
	core_restore_anomaly(arg, &a);
	return 0;
}

/* A blob of another version is not an error: that link starts afresh. */
static int
restore_link(void *arg, sqlite3_stmt *st)
{
	struct dec_blob blob = { db_text(st, 0), db_text(st, 1), sqlite3_column_blob(st, 2),
		(size_t)sqlite3_column_bytes(st, 2) };

	if (core_restore_link(arg, &blob) != 0)
		log_notice("link=%s/%s: its saved memory is of another version or link",
		    blob.agent, blob.link);
	return 0;
}

static int
restore_agent(void *arg, sqlite3_stmt *st)
{
	struct dec_blob blob = { db_text(st, 0), "", sqlite3_column_blob(st, 1),
		(size_t)sqlite3_column_bytes(st, 1) };

	if (core_restore_agent(arg, &blob) != 0)
		log_notice("agent=%s: its saved memory is of another version or agent",
		    blob.agent);
	return 0;
}

static int
take_number(void *arg, sqlite3_stmt *st)
{
	*(int64_t *)arg = sqlite3_column_int64(st, 0);
	return 0;
}

int
db_restore_core(struct db *db, struct core *core, struct wall now)
{
	int64_t last_incident = 0, last_anomaly = 0;
	Linkwatch__Pb__Plan *plan = NULL;
	int rc = db_plan(db, &plan);

	if (rc == 0)
		core_restore_plan(core, plan);
	if (plan != NULL)
		linkwatch__pb__plan__free_unpacked(plan, NULL);
	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT doc, number FROM incident"
		    " WHERE state <> 'archived' ORDER BY number"), restore_incident, core);
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT * FROM anomaly WHERE end = 0 ORDER BY id"),
		    restore_anomaly, core);
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT * FROM link_blob"), restore_link, core);
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT * FROM agent_blob"), restore_agent, core);
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT coalesce(max(number), 0) FROM incident"),
		    take_number, &last_incident);
	if (rc == 0)
		rc = each_row(db, db_prepare(db, "SELECT coalesce(max(id), 0) FROM anomaly"),
		    take_number, &last_anomaly);
	if (rc == 0)
		core_restore_done(core, (uint64_t)last_incident, (uint64_t)last_anomaly, now);
	return rc;
}

/* -------------------------------------------------------------- the outbox */

struct outbox_reader {
	void (*each)(void *arg, const struct outbox_message *);
	void *arg;
};

static char *
column(sqlite3_stmt *st, int i)
{
	return (char *)(uintptr_t)sqlite3_column_text(st, i);	/* borrowed for the row */
}

static int
restore_message(void *arg, sqlite3_stmt *st)
{
	const struct outbox_reader *r = arg;
	struct outbox_message m = {
		.id = (uint64_t)sqlite3_column_int64(st, 0), .key = column(st, 1),
		.incident = (uint64_t)sqlite3_column_int64(st, 2), .event = column(st, 3),
		.recipient = column(st, 4), .channel = column(st, 5), .fallback = column(st, 6),
		.address = column(st, 7), .fallback_address = column(st, 8),
		.lang = column(st, 9), .subject = column(st, 10), .body = column(st, 11),
		.doc = column(st, 12), .decided.ns = sqlite3_column_int64(st, 13),
		.not_before.ns = sqlite3_column_int64(st, 14),
		.expires.ns = sqlite3_column_int64(st, 15), .state = sqlite3_column_int(st, 16),
		.repeat = sqlite3_column_int(st, 17) != 0,
		.attempts = (uint32_t)sqlite3_column_int64(st, 18),
		.failures = (uint32_t)sqlite3_column_int64(st, 19),
		.next_at.ns = sqlite3_column_int64(st, 20), .sent.ns = sqlite3_column_int64(st, 21),
	};

	snprintf(m.detail, sizeof(m.detail), "%s", db_text(st, 23));
	r->each(r->arg, &m);
	return 0;
}

int
db_restore_outbox(struct db *db, void (*each)(void *arg, const struct outbox_message *), void *arg)
{
	struct outbox_reader r = { each, arg };

	return each_row(db, db_prepare(db, "SELECT * FROM outbox WHERE state <= 3 ORDER BY id"),
	    restore_message, &r);
}

/* -------------------------------------------------------------- for people */

/* Rows of a query with one number for a parameter, each made an object by `make`. */
struct collecting {
	json_t *array;
	json_t *(*make)(sqlite3_stmt *);
};

static int
collect(void *arg, sqlite3_stmt *st)
{
	struct collecting *c = arg;
	json_t *object = c->make(st);

	return object == NULL || json_array_append_new(c->array, object) == 0 ? 0 : -ENOMEM;
}

static json_t *
query(struct db *db, sqlite3_stmt *st, json_t *(*make)(sqlite3_stmt *))
{
	struct collecting c = { json_array(), make };

	if (each_row(db, st, collect, &c) != 0) {
		json_decref(c.array);
		return NULL;
	}
	return c.array;
}

static json_t *
query_number(struct db *db, const char *sql, uint64_t number, json_t *(*make)(sqlite3_stmt *))
{
	sqlite3_stmt *st = db_prepare(db, sql);

	if (st != NULL)
		sqlite3_bind_int64(st, 1, (int64_t)number);
	return query(db, st, make);
}

static json_t *
make_log(sqlite3_stmt *st)
{
	char hash[2 * DB_HASH + 1] = "";
	const uint8_t *h = sqlite3_column_blob(st, 10);

	for (int i = 0; i < DB_HASH && i < sqlite3_column_bytes(st, 10); i++)
		snprintf(hash + 2 * i, 3, "%02x", h[i]);
	return json_pack("{sI sI sf ss ss ss ss ss ss ss ss}", "seq",
	    (json_int_t)sqlite3_column_int64(st, 0), "incident",
	    (json_int_t)sqlite3_column_int64(st, 1), "at", seconds(sqlite3_column_int64(st, 2)),
	    "actor", db_text(st, 3), "role", db_text(st, 4), "channel", db_text(st, 5), "from",
	    db_text(st, 6), "to", db_text(st, 7), "what", db_text(st, 8), "note", db_text(st, 9),
	    "hash", hash);
}

json_t *
db_incident_log(struct db *db, uint64_t incident)
{
	return query_number(db, "SELECT * FROM incident_log WHERE incident = ? ORDER BY seq",
	    incident, make_log);
}

static json_t *
make_message(sqlite3_stmt *st)
{
	return json_pack("{sI ss ss ss ss ss sI sb sf sf sf ss ss ss}", "id",
	    (json_int_t)sqlite3_column_int64(st, 0), "event", db_text(st, 1), "channel",
	    db_text(st, 2), "recipient", db_text(st, 3), "address", db_text(st, 4), "state",
	    outbox_state_name(sqlite3_column_int(st, 5)), "attempts",
	    (json_int_t)sqlite3_column_int64(st, 6), "repeat", sqlite3_column_int(st, 7),
	    "decided", seconds(sqlite3_column_int64(st, 8)), "sent",
	    seconds(sqlite3_column_int64(st, 9)), "next", seconds(sqlite3_column_int64(st, 10)),
	    "subject", db_text(st, 11), "body", db_text(st, 12), "detail", db_text(st, 13));
}

json_t *
db_incident_messages(struct db *db, uint64_t incident)
{
	return query_number(db, "SELECT id, event, channel, recipient, address, state, attempts,"
	    " repeat, decided, sent, CASE WHEN state IN (1, 3) THEN next_at ELSE 0 END, subject,"
	    " body, detail FROM outbox WHERE incident = ? ORDER BY id", incident, make_message);
}

static json_t *
make_anomaly(sqlite3_stmt *st)
{
	json_t *evidence = json_loads(db_text(st, 9), 0, NULL);

	return json_pack("{sI ss ss ss ss sf sf sI sI so}", "id",
	    (json_int_t)sqlite3_column_int64(st, 0), "agent", db_text(st, 1), "link",
	    db_text(st, 2), "kind", anomaly_kind_name((uint32_t)sqlite3_column_int(st, 3)),
	    "severity", severity_name((uint32_t)sqlite3_column_int(st, 4)), "start",
	    seconds(sqlite3_column_int64(st, 5)), "end", seconds(sqlite3_column_int64(st, 6)),
	    "evidence_first", (json_int_t)sqlite3_column_int64(st, 7), "evidence_last",
	    (json_int_t)sqlite3_column_int64(st, 8), "evidence",
	    evidence != NULL ? evidence : json_object());
}

json_t *
db_incident_anomalies(struct db *db, uint64_t incident)
{
	return query_number(db, "SELECT * FROM anomaly WHERE incident = ? ORDER BY id", incident,
	    make_anomaly);
}

static json_t *
make_fault(sqlite3_stmt *st)
{
	return json_pack("{ss sf sf sI}", "kind", anomaly_kind_name((uint32_t)sqlite3_column_int(st, 0)),
	    "from", seconds(sqlite3_column_int64(st, 1)), "to", seconds(sqlite3_column_int64(st, 2)),
	    "incident", (json_int_t)sqlite3_column_int64(st, 3));
}

json_t *
db_link_faults(struct db *db, const char *agent, const char *link, struct wall from, struct wall to,
    int limit)
{
	/* by way of the incidents: anomalies are found by those alone */
	sqlite3_stmt *st = db_prepare(db, "SELECT kind, start, end, incident FROM anomaly"
	    " WHERE incident IN (SELECT incident FROM incident_link WHERE agent = ?1 AND link IN (?2, ''))"
	    " AND agent = ?1 AND link IN (?2, '') AND start < ?4 AND (end = 0 OR end > ?3)"
	    " ORDER BY start LIMIT ?5");

	if (st != NULL) {
		sqlite3_bind_text(st, 1, agent, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, link, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, from.ns);
		sqlite3_bind_int64(st, 4, to.ns);
		sqlite3_bind_int(st, 5, limit);
	}
	return query(db, st, make_fault);
}

static json_t *
make_doc(sqlite3_stmt *st)
{
	return json_loads(db_text(st, 0), 0, NULL);
}

json_t *
db_incident(struct db *db, uint64_t incident)
{
	json_t *rows = query_number(db, "SELECT doc FROM incident WHERE number = ?", incident,
	    make_doc);
	json_t *doc = json_incref(json_array_get(rows, 0));

	errno = rows == NULL ? EIO : ENOENT;
	json_decref(rows);
	return doc;
}

json_t *
db_incident_list(struct db *db, const char *state, const char *vendor, const char *agent,
    const char *link, bool open_only, int limit)
{
	sqlite3_stmt *st = db_prepare(db, "SELECT doc FROM incident WHERE (?1 IS NULL OR state = ?1)"
	    " AND (?2 IS NULL OR vendor = ?2) AND (NOT ?5 OR open) AND (?3 IS NULL OR number IN"
	    " (SELECT incident FROM incident_link WHERE agent = ?3 AND (?4 IS NULL OR link = ?4)))"
	    " ORDER BY number DESC LIMIT ?6");

	if (st != NULL) {
		sqlite3_bind_text(st, 1, state, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, vendor, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 3, agent, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 4, link, -1, SQLITE_STATIC);
		sqlite3_bind_int(st, 5, open_only);
		sqlite3_bind_int(st, 6, limit);
	}
	return query(db, st, make_doc);
}

int
db_outbox_failed(struct db *db, struct wall since, uint64_t *count)
{
	sqlite3_stmt *st = db_prepare(db,
	    "SELECT count(*) FROM outbox WHERE state IN (5, 6) AND ended > ?");
	int64_t n = 0;
	int rc;

	if (st != NULL)
		sqlite3_bind_int64(st, 1, since.ns);
	rc = each_row(db, st, take_number, &n);
	*count = (uint64_t)n;
	return rc;
}

/* ---------------------------------------------------------------- the chain */

struct chain {
	uint8_t prev[DB_HASH];
	int64_t seq;
	char *why;
	size_t n;
};

static int
check_row(void *arg, sqlite3_stmt *st)
{
	struct chain *c = arg;
	struct db_op_log row = {
		.incident = (uint64_t)sqlite3_column_int64(st, 1),
		.at.ns = sqlite3_column_int64(st, 2), .actor = column(st, 3),
		.role = column(st, 4), .channel = column(st, 5), .from = column(st, 6),
		.to = column(st, 7), .what = column(st, 8), .note = column(st, 9),
	};
	uint8_t hash[DB_HASH];

	c->seq++;
	db_log_hash(hash, c->prev, (uint64_t)sqlite3_column_int64(st, 0), &row);
	if (sqlite3_column_int64(st, 0) == c->seq && sqlite3_column_bytes(st, 10) == DB_HASH &&
	    memcmp(hash, sqlite3_column_blob(st, 10), DB_HASH) == 0) {
		memcpy(c->prev, hash, DB_HASH);
		return 0;
	}
	snprintf(c->why, c->n, "incident_log row %" PRId64 " is not what was written", c->seq);
	return -EBADMSG;
}

int
db_verify_log(struct db *db, char *why, size_t n)
{
	struct chain c = { .why = why, .n = n };

	return each_row(db, db_prepare(db, "SELECT * FROM incident_log ORDER BY seq"), check_row,
	    &c);
}
