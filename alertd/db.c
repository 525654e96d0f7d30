/*
 * db.c - the database file: opening, schema, statements, errors.
 *
 * Times are INTEGER nanoseconds since 1970 UTC, 0 for never.
 *
 *   meta          key, value             cursor: first record not decided on
 *   plan          the plan, as its Plan message
 *   link_state    state of each link as last decided
 *   link_blob     a link's detectors' memory; agent_blob: an agent's
 *   anomaly       one row for each, rewritten while it lasts
 *   incident      doc is incident_to_json(); columns are what lists look for
 *   incident_link which incidents ever touched a link
 *   incident_log  hash = SHA-256(prev hash, fields); no UPDATE, no DELETE
 *   outbox        messages, frozen at the decision; state: enum outbox_state
 *   attempt       one row for each try: intent first, outcome later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alertd/db_impl.h"
#include "common/log.h"
#include "common/mem.h"

static const char schema_sql[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE plan(id INTEGER PRIMARY KEY CHECK(id = 1), data BLOB NOT NULL);"
    "CREATE TABLE link_state(agent TEXT, link TEXT, state INTEGER NOT NULL, cause INTEGER NOT NULL,"
    " since INTEGER NOT NULL, PRIMARY KEY(agent, link)) WITHOUT ROWID;"
    "CREATE TABLE link_blob(agent TEXT, link TEXT, data BLOB NOT NULL,"
    " PRIMARY KEY(agent, link)) WITHOUT ROWID;"
    "CREATE TABLE agent_blob(agent TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE anomaly(id INTEGER PRIMARY KEY, agent TEXT NOT NULL, link TEXT NOT NULL,"
    " kind INTEGER NOT NULL, severity INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,"
    " evidence_first INTEGER NOT NULL, evidence_last INTEGER NOT NULL, evidence TEXT NOT NULL,"
    " incident INTEGER NOT NULL);"
    "CREATE INDEX anomaly_incident ON anomaly(incident);"
    "CREATE INDEX anomaly_lasting ON anomaly(id) WHERE end = 0;"
    "CREATE TABLE incident(number INTEGER PRIMARY KEY, state TEXT NOT NULL, open INTEGER NOT NULL,"
    " vendor TEXT NOT NULL, opened INTEGER NOT NULL, updated INTEGER NOT NULL, doc TEXT NOT NULL);"
    "CREATE INDEX incident_open ON incident(number) WHERE open;"
    "CREATE TABLE incident_link(agent TEXT, link TEXT, incident INTEGER,"
    " PRIMARY KEY(agent, link, incident)) WITHOUT ROWID;"
    "CREATE TABLE incident_log(seq INTEGER PRIMARY KEY, incident INTEGER NOT NULL, at INTEGER NOT NULL,"
    " actor TEXT NOT NULL, role TEXT NOT NULL, channel TEXT NOT NULL, source TEXT NOT NULL,"
    " target TEXT NOT NULL, what TEXT NOT NULL, note TEXT NOT NULL, hash BLOB NOT NULL);"
    "CREATE INDEX incident_log_incident ON incident_log(incident, seq);"
    "CREATE TRIGGER incident_log_no_update BEFORE UPDATE ON incident_log"
    " BEGIN SELECT RAISE(ABORT, 'incident_log is append-only'); END;"
    "CREATE TRIGGER incident_log_no_delete BEFORE DELETE ON incident_log"
    " BEGIN SELECT RAISE(ABORT, 'incident_log is append-only'); END;"
    "CREATE TRIGGER incident_log_no_replace BEFORE INSERT ON incident_log"
    " WHEN EXISTS(SELECT 1 FROM incident_log WHERE seq = NEW.seq)"
    " BEGIN SELECT RAISE(ABORT, 'incident_log is append-only'); END;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
    " incident INTEGER NOT NULL, event TEXT NOT NULL, recipient TEXT NOT NULL, channel TEXT NOT NULL,"
    " fallback TEXT, address TEXT NOT NULL, fallback_address TEXT, lang TEXT NOT NULL,"
    " subject TEXT NOT NULL, body TEXT NOT NULL, doc TEXT, decided INTEGER NOT NULL,"
    " not_before INTEGER NOT NULL, expires INTEGER NOT NULL, state INTEGER NOT NULL,"
    " repeat INTEGER NOT NULL, attempts INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL, sent INTEGER NOT NULL, ended INTEGER NOT NULL, detail TEXT NOT NULL);"
    "CREATE INDEX outbox_waiting ON outbox(id) WHERE state <= 3;"
    "CREATE INDEX outbox_incident ON outbox(incident, id);"
    "CREATE INDEX outbox_ended ON outbox(ended) WHERE state IN (5, 6);"
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY, message INTEGER NOT NULL, channel TEXT NOT NULL,"
    " started INTEGER NOT NULL, repeat INTEGER NOT NULL, ended INTEGER, outcome INTEGER, detail TEXT);"
    "CREATE INDEX attempt_message ON attempt(message, id);"
    "CREATE INDEX attempt_open ON attempt(message) WHERE outcome IS NULL;"
    "INSERT INTO meta VALUES('cursor', 0);";

static const char *const statement_sql[ST_MAX] = {
	[ST_META_SET] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
	[ST_META_GET] = "SELECT value FROM meta WHERE key = ?",
	[ST_PLAN_SET] = "INSERT OR REPLACE INTO plan VALUES(1, ?)",
	[ST_LINK_STATE] = "INSERT OR REPLACE INTO link_state VALUES(?, ?, ?, ?, ?)",
	[ST_LINK_BLOB] = "INSERT OR REPLACE INTO link_blob VALUES(?, ?, ?)",
	[ST_AGENT_BLOB] = "INSERT OR REPLACE INTO agent_blob VALUES(?, ?)",
	[ST_ANOMALY] = "INSERT OR REPLACE INTO anomaly VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_INCIDENT] = "INSERT OR REPLACE INTO incident VALUES(?, ?, ?, ?, ?, ?, ?)",
	[ST_INCIDENT_LINK] = "INSERT OR IGNORE INTO incident_link VALUES(?, ?, ?)",
	[ST_LOG] = "INSERT INTO incident_log VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ST_LOG_LAST] = "SELECT seq, hash FROM incident_log ORDER BY seq DESC LIMIT 1",
	[ST_MESSAGE_NEW] =
	    "INSERT INTO outbox(key, incident, event, recipient, channel, fallback, address,"
	    " fallback_address, lang, subject, body, decided, not_before, expires, next_at, doc,"
	    " state, repeat, attempts, failures, sent, ended, detail)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
	    /* only what has no address (traps) needs the incident as it was */
	    " CASE WHEN ?7 = '' THEN (SELECT doc FROM incident WHERE number = ?2) END,"
	    " 1, 0, 0, 0, 0, 0, '') ON CONFLICT(key) DO NOTHING",
	[ST_MESSAGE_DOC] = "SELECT doc FROM outbox WHERE id = ?",
	[ST_MESSAGE_SAVE] =
	    "UPDATE outbox SET channel = ?2, fallback = ?3, address = ?4, fallback_address = ?5,"
	    " state = ?6, repeat = ?7, attempts = ?8, failures = ?9, next_at = ?10, sent = ?11,"
	    " ended = ?12, detail = ?13 WHERE id = ?1",
	[ST_MESSAGES_STOP] =
	    "UPDATE outbox SET state = 7, ended = ?2, detail = 'no longer needed'"
	    " WHERE incident = ?1 AND state IN (1, 3) AND event IN ('remind', 'escalate')",
	[ST_INTENT] = "INSERT INTO attempt(message, channel, started, repeat) VALUES(?, ?, ?, ?)",
	[ST_OUTCOME] = "UPDATE attempt SET ended = ?2, outcome = ?3, detail = ?4"
		       " WHERE message = ?1 AND outcome IS NULL",
	[ST_ATTEMPTS_LOST] = "UPDATE attempt SET ended = 0, outcome = 4,"
			     " detail = 'no outcome was recorded'"
			     " WHERE message = ?1 AND outcome IS NULL",
};

/* ------------------------------------------------------------------ errors */

static int
to_errno(sqlite3 *sql, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_IOERR:
		return sql != NULL && (sqlite3_system_errno(sql) == ENOSPC ||
		    sqlite3_system_errno(sql) == EDQUOT) ? -ENOSPC : -EIO;
	case SQLITE_NOMEM:
		abort();
	default:
		return -EIO;
	}
}

int
db_fail(struct db *db, const char *what)
{
	int rc = sqlite3_extended_errcode(db->sql);

	snprintf(db->error, sizeof(db->error), "%s: %s", what, sqlite3_errmsg(db->sql));
	return to_errno(db->sql, rc);
}

const char *
db_error(const struct db *db)
{
	return db->error;
}

/* -------------------------------------------------------------- statements */

sqlite3_stmt *
db_prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) != SQLITE_OK) {
		errno = -db_fail(db, "prepare");
		return NULL;
	}
	return st;
}

sqlite3_stmt *
db_bind(struct db *db, enum db_statement which, const char *format, ...)
{
	sqlite3_stmt *st = db->st[which];
	const void *blob;
	va_list ap;

	if (st == NULL) {
		if (sqlite3_prepare_v3(db->sql, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
			&db->st[which], NULL) != SQLITE_OK)
			return NULL;
		st = db->st[which];
	}
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	va_start(ap, format);
	for (int i = 1; *format != '\0'; format++, i++) {
		switch (*format) {
		case 'i':
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b':
			blob = va_arg(ap, const void *);
			sqlite3_bind_blob64(st, i, blob, va_arg(ap, size_t), SQLITE_STATIC);
			break;
		}
	}
	va_end(ap);
	return st;
}

int
db_step(struct db *db, sqlite3_stmt *st)
{
	int rc;

	if (st == NULL)
		return db_fail(db, "prepare");
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		sqlite3_reset(st);
		return 0;
	}
	rc = db_fail(db, "write");
	sqlite3_reset(st);
	return rc;
}

const char *
db_text(sqlite3_stmt *st, int column)
{
	const unsigned char *s = sqlite3_column_text(st, column);

	return s == NULL ? "" : (const char *)s;
}

/* ----------------------------------------------------------------- opening */

static int
run(struct db *db, const char *sql)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 :
									   db_fail(db, "database");
}

static int
pragma_number(struct db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st = db_prepare(db, sql);
	int rc;

	if (st == NULL)
		return -errno;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*out = sqlite3_column_int64(st, 0);
		rc = 0;
	} else {
		rc = rc == SQLITE_DONE ? -EBADMSG : db_fail(db, "read");
	}
	sqlite3_finalize(st);
	return rc;
}

/* Every page and index; a damaged file is told at once and not at 3 in the morning. */
static int
check_integrity(struct db *db)
{
	sqlite3_stmt *st = db_prepare(db, "PRAGMA integrity_check(1)");
	int rc;

	if (st == NULL)
		return -errno;
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		rc = db_fail(db, "integrity check");
	} else if (strcmp(db_text(st, 0), "ok") != 0) {
		snprintf(db->error, sizeof(db->error), "integrity check: %s", db_text(st, 0));
		for (char *p = db->error; *p != '\0'; p++)
			if (*p == '\n')
				*p = ' ';
		rc = -EBADMSG;
	} else {
		rc = 0;
	}
	sqlite3_finalize(st);
	return rc;
}

static int
make_schema(struct db *db)
{
	char sql[128];
	int rc = run(db, "BEGIN IMMEDIATE");

	if (rc != 0)
		return rc;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
	    DB_SCHEMA, DB_APPLICATION);
	rc = run(db, schema_sql);
	if (rc == 0)
		rc = run(db, sql);
	if (rc != 0)
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static int
check_schema(struct db *db)
{
	int64_t version, application, tables;
	int rc = pragma_number(db, "PRAGMA user_version", &version);

	if (rc == 0)
		rc = pragma_number(db, "PRAGMA application_id", &application);
	if (rc == 0)
		rc = pragma_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc != 0)
		return rc;
	if (version == 0 && application == 0 && tables == 0)
		return make_schema(db);
	if (application != DB_APPLICATION) {
		snprintf(db->error, sizeof(db->error), "it is a database of another program");
		return -EPROTONOSUPPORT;
	}
	if (version != DB_SCHEMA) {
		snprintf(db->error, sizeof(db->error),
		    "its schema is version %" PRId64 ", this program knows %d", version, DB_SCHEMA);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static int
load_last_hash(struct db *db)
{
	sqlite3_stmt *st = db_bind(db, ST_LOG_LAST, "");
	int rc;

	if (st == NULL)
		return db_fail(db, "read");
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 1) == DB_HASH)
		memcpy(db->last_hash, sqlite3_column_blob(st, 1), DB_HASH);
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_fail(db, "read");
}

static int
set_up(struct db *db)
{
	int rc;

	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, 2000);
	rc = check_integrity(db);
	if (rc == 0)
		rc = run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			     "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF");
	if (rc == 0)
		rc = check_schema(db);
	if (rc == 0)
		rc = load_last_hash(db);
	if (rc == 0)
		rc = run(db, "BEGIN IMMEDIATE; ROLLBACK");	/* can we write at all? */
	sqlite3_busy_timeout(db->sql, 50);	/* the loop must not wait: main.c tries again */
	return rc;
}

static const char *
advice(int rc)
{
	switch (rc) {
	case -EBADMSG:
		return "; the file was left as it was: move it away or restore a copy, then start again";
	case -EBUSY:
		return "; another process holds it";
	case -EROFS:
	case -EACCES:
		return "; alertd must be able to write the file and its directory";
	case -ENOSPC:
		return "; the disk is full";
	default:
		return "";
	}
}

int
db_open(struct db **out, const char *path, char *why, size_t n)
{
	struct db *db = xcalloc(1, sizeof(*db));
	struct stat sb;
	int rc;

	*out = NULL;
	if (lstat(path, &sb) == 0 && !S_ISREG(sb.st_mode)) {
		snprintf(why, n, "%s: not a regular file", path);
		free(db);
		return -EINVAL;
	}
	rc = sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	rc = rc == SQLITE_OK ? set_up(db) : db_fail(db, "open");
	if (rc != 0) {
		snprintf(why, n, "%s: %s%s", path, db->error, advice(rc));
		db_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (int i = 0; i < ST_MAX; i++)
		sqlite3_finalize(db->st[i]);
	sqlite3_close(db->sql);
	free(db);
}
