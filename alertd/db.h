/*
 * db.h - alertd's memory on disk; the only SQL of the tree.
 *
 * One SQLite file, WAL, synchronous=FULL.  The decisions of a group of events
 * and the feed's cursor are one transaction: what was acknowledged to the
 * collector was decided, and what was decided is told.
 *
 * Tables: meta (schema, cursor, numbers), plan, link_state, link_blob,
 * agent_blob, anomaly, incident (JSON document and the columns to look for),
 * incident_log (hash-chained; triggers forbid UPDATE and DELETE), outbox,
 * attempt.  db.c opens with them.
 *
 * Errors: -EBUSY another process holds a lock; -ENOSPC; -EROFS; -EBADMSG
 * damage; -EPROTONOSUPPORT a schema that is not this program's; -EIO the rest.
 * After an error of db_commit() nothing of that transaction stands, and it may
 * be tried again with the same batch.
 */
#pragma once

#include "alertd/core.h"
#include "alertd/outbox.h"

struct db;
struct db_batch;
struct json_t;

/* ---------------------------------------------------------------- opening */

/*
 * Opens or makes path.  Checks its integrity first: a damaged file is left as
 * it is (-EBADMSG) and why says what to do.  So is one of another schema or
 * another program (-EPROTONOSUPPORT).
 */
int db_open(struct db **out, const char *path, char *why, size_t n);
void db_close(struct db *);
const char *db_error(const struct db *);	/* of the last error, one line */

/* ------------------------------------------- what is to be written together */

struct db_batch *db_batch_new(void);
void db_batch_free(struct db_batch *);
/* Copies what must be kept of a decision; later saves of the same link replace earlier ones. */
void db_batch_decision(struct db_batch *, const struct decision *dec, struct wall now);
void db_batch_plan(struct db_batch *, const Linkwatch__Pb__Plan *plan);
void db_batch_cursor(struct db_batch *, uint64_t next_seq);
/* A row that changed now. */
void db_batch_message(struct db_batch *, const struct outbox_message *row, struct wall now);
void db_batch_intent(struct db_batch *, uint64_t message, const char *channel, struct wall at,
    bool repeat);
void db_batch_outcome(struct db_batch *, uint64_t message, enum outbox_outcome how,
    const char *detail, struct wall at);
bool db_batch_is_empty(const struct db_batch *);
/* Is there more in it than saves of blobs and the cursor: something that people wait for? */
bool db_batch_is_urgent(const struct db_batch *);
size_t db_batch_size(const struct db_batch *);	/* about so many bytes of memory */
/* What the outbox in memory must follow, in the order of the decisions; called after the commit. */
struct db_after {
	void (*queued)(void *arg, const struct outbox_message *);	/* a new row with its id */
	void (*stopped)(void *arg, uint64_t incident);			/* its reminders were taken back */
};

/*
 * Writes all of it in one transaction.  0: durable, `after` (may be NULL) was
 * told and the batch is empty again.  Otherwise -errno, and the batch is as it
 * was.
 */
int db_commit(struct db *, struct db_batch *, const struct db_after *after, void *arg);

/* ---------------------------------------------------------------- reading */

/* The first record of the feed not yet decided on; 0: none yet. */
int db_cursor(struct db *, uint64_t *next_seq);
/* The plan as last seen; owned by the caller.  -ENOENT: none yet. */
int db_plan(struct db *, Linkwatch__Pb__Plan **out);
/* Everything that an earlier life decided, into a fresh core. */
int db_restore_core(struct db *, struct core *, struct wall now);
/* Messages that are not final, in order. */
int db_restore_outbox(struct db *, void (*each)(void *arg, const struct outbox_message *), void *arg);

/* Arrays of objects as control.h names them; owned by the caller; NULL: see db_error(). */
struct json_t *db_incident_log(struct db *, uint64_t incident);
struct json_t *db_incident_messages(struct db *, uint64_t incident);
struct json_t *db_incident_anomalies(struct db *, uint64_t incident);
/*
 * {"kind","from","to","incident"} of each anomaly of this link, and of its whole agent (link ""), that
 * overlaps from..to; to 0: it lasts.  Oldest first, at most limit.
 */
struct json_t *db_link_faults(struct db *, const char *agent, const char *link, struct wall from,
    struct wall to, int limit);
/* The incident as last written; NULL with errno ENOENT: there is none. */
struct json_t *db_incident(struct db *, uint64_t incident);
/* Newest first.  state, vendor, agent, link: NULL is any.  open_only: those not closed, archived, cancelled or merged. */
struct json_t *db_incident_list(struct db *, const char *state, const char *vendor,
    const char *agent, const char *link, bool open_only, int limit);
/* Messages that ended as failed or expired since a time. */
int db_outbox_failed(struct db *, struct wall since, uint64_t *count);
/* Walks the chain of incident_log.  0, or -EBADMSG with the first bad row in why. */
int db_verify_log(struct db *, char *why, size_t n);
