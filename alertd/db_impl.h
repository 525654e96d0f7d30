/*
 * db_impl.h - what the files of db share: the connection, its statements and
 * the memory of a batch.  Nobody else includes it.
 */
#pragma once

#include <sqlite3.h>

#include "alertd/db.h"

#define DB_SCHEMA 1		/* PRAGMA user_version */
#define DB_APPLICATION 0x4c574131	/* "LWA1", PRAGMA application_id */
#define DB_HASH 32

enum db_statement {
	ST_META_SET, ST_META_GET, ST_PLAN_SET, ST_LINK_STATE, ST_LINK_BLOB, ST_AGENT_BLOB,
	ST_ANOMALY, ST_INCIDENT, ST_INCIDENT_LINK, ST_LOG, ST_LOG_LAST, ST_MESSAGE_NEW,
	ST_MESSAGE_DOC, ST_MESSAGE_SAVE, ST_MESSAGES_STOP, ST_INTENT, ST_OUTCOME,
	ST_ATTEMPTS_LOST,
	ST_MAX
};

struct db {
	sqlite3 *sql;
	sqlite3_stmt *st[ST_MAX];
	uint8_t last_hash[DB_HASH];	/* of the newest row of incident_log that is durable */
	char error[256];
};

/* One thing to write. */
enum db_op_type {
	OP_LINK = 1, OP_LINK_BLOB, OP_AGENT_BLOB, OP_ANOMALY, OP_INCIDENT, OP_LOG, OP_QUEUE,
	OP_STOP, OP_PLAN, OP_CURSOR, OP_MESSAGE, OP_INTENT, OP_OUTCOME,
};

struct db_op_log {
	uint64_t incident;
	struct wall at;
	char *actor, *role, *channel, *from, *to, *what, *note;
};

struct db_op {
	enum db_op_type type;
	struct wall now;
	union {
		struct { char *agent, *link; uint32_t state, cause; struct wall since; } link;
		struct { char *agent, *link; void *data; size_t len; } blob;
		struct anomaly anomaly;
		struct incident *incident;
		struct db_op_log log;
		struct outbox_message message;		/* OP_QUEUE, OP_MESSAGE */
		uint64_t number;			/* OP_STOP, OP_CURSOR */
		struct { uint64_t message; char *channel; bool repeat; } intent;
		struct { uint64_t message; enum outbox_outcome how; char *detail; } outcome;
	};
};

struct db_batch {
	struct db_op *op;
	size_t n, size;
	size_t bytes;
	bool urgent;
	size_t *index;			/* blobs by name: position + 1 in op; 0 empty */
	size_t index_size, blobs;	/* power of two; entries */
	size_t cursor;			/* position + 1 of the one OP_CURSOR; 0 none */
};

/* The statement, reset and with its parameters bound by format: i int64_t, t text or NULL,
 * b blob (pointer, size_t).  NULL: see db_fail(). */
sqlite3_stmt *db_bind(struct db *, enum db_statement which, const char *format, ...);
/* Runs a bound statement that returns no rows.  0 or -errno. */
int db_step(struct db *, sqlite3_stmt *st);
/* -errno for the connection's last error; keeps its text for db_error(). */
int db_fail(struct db *, const char *what);
/* Prepares text that is used once; the caller finalizes. */
sqlite3_stmt *db_prepare(struct db *, const char *sql);
/* Column as text, never NULL. */
const char *db_text(sqlite3_stmt *st, int column);
/* The hash of one row of incident_log, chained to prev. */
void db_log_hash(uint8_t out[DB_HASH], const uint8_t prev[DB_HASH], uint64_t seq,
    const struct db_op_log *row);
/* Empties a batch. */
void db_batch_clear(struct db_batch *);
