/*
 * test_db.c - the database: all or nothing, whatever the disk, another process
 * or a file of somebody else's does.
 *
 * A VFS of the test's own stands before the real one and lets the k-th write
 * or sync fail; SQLite above it is the real one.
 */
#include "alertd/db.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define T0 (INT64_C(1768437067) * NS_PER_S)

static char dir[64], path[100];
static struct db *db;
static struct db_batch *batch;
static const struct wall now = { T0 };

/* ------------------------------------------------------- a disk that fails */

static struct fault {
	int countdown;			/* writes and syncs until it fails; 0: never */
	int code;			/* SQLITE_FULL, SQLITE_IOERR_WRITE, ... */
	bool stays;			/* and every one after that */
} fault;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs test_vfs;

static bool
fails(void)
{
	if (fault.countdown == 0 || --fault.countdown > 0)
		return false;
	fault.countdown = fault.stays ? 1 : 0;
	return true;
}

/* The real methods work on the same object; ours only look first.  The VFS has a few sets of them,
 * whose writes and syncs are the same. */
static const sqlite3_io_methods *real_methods[4];
static sqlite3_io_methods our_methods[4];

static int
x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	return fails() ? fault.code : real_methods[0]->xWrite(f, p, n, at);
}

static int
x_sync(sqlite3_file *f, int flags)
{
	return fails() ? SQLITE_IOERR_FSYNC : real_methods[0]->xSync(f, flags);
}

static int
x_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	int i = 0, rc = real_vfs->xOpen(real_vfs, name, f, flags, out);

	(void)v;
	if (rc != SQLITE_OK || f->pMethods == NULL)
		return rc;
	while (real_methods[i] != NULL && real_methods[i] != f->pMethods)
		i++;
	ck_assert_int_lt(i, 4);
	real_methods[i] = f->pMethods;
	our_methods[i] = *f->pMethods;
	our_methods[i].xWrite = x_write;
	our_methods[i].xSync = x_sync;
	f->pMethods = &our_methods[i];
	return rc;
}

static void
install_vfs(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	test_vfs = *real_vfs;
	test_vfs.zName = "faulty";
	test_vfs.xOpen = x_open;
	ck_assert_int_eq(sqlite3_vfs_register(&test_vfs, 1), SQLITE_OK);
}

/* ----------------------------------------------------------------- fixture */

static void
open_db(void)
{
	char why[512];
	int rc = db_open(&db, path, why, sizeof(why));

	ck_assert_msg(rc == 0, "%s", why);
}

static void
setup(void)
{
	install_vfs();
	snprintf(dir, sizeof(dir), "/tmp/lw-db-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/alertd.db", dir);
	open_db();
	batch = db_batch_new();
}

static void
teardown(void)
{
	char cmd[128];

	fault = (struct fault){ 0 };
	db_batch_free(batch);
	db_close(db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static int64_t
number(const char *sql)
{
	sqlite3 *s;
	sqlite3_stmt *st;
	int64_t n;

	ck_assert_int_eq(sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
	ck_assert_msg(sqlite3_prepare_v2(s, sql, -1, &st, NULL) == SQLITE_OK, "%s",
	    sqlite3_errmsg(s));
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(s);
	return n;
}

static int
run_sql(const char *sql)
{
	sqlite3 *s;
	int rc;

	ck_assert_int_eq(sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
	rc = sqlite3_exec(s, sql, NULL, NULL, NULL);
	sqlite3_close(s);
	return rc;
}

static void
add_log(uint64_t incident, const char *what, const char *note)
{
	struct decision d = { .type = DEC_LOG, .log = { .incident = incident, .at = now,
	    .actor = "alertd", .role = "system", .channel = "core", .from = "", .to = "open",
	    .what = what, .note = note } };

	db_batch_decision(batch, &d, now);
}

static void
add_message(const char *key, const char *event, const char *address)
{
	struct decision d = { .type = DEC_MESSAGE, .message = { .incident = 17, .key = key,
	    .event = event, .recipient = "duty", .channel = "sms", .fallback = "mail",
	    .fallback_address = "duty@example.com", .address = address, .lang = "zh",
	    .subject = "s", .body = "二级故障" } };

	db_batch_decision(batch, &d, now);
}

static void
add_incident(uint64_t n, enum incident_state state)
{
	struct incident *inc = calloc(1, sizeof(*inc));
	struct decision d = { .type = DEC_INCIDENT, .incident = inc };

	inc->number = n;
	inc->code = (uint16_t)n;
	inc->state = state;
	inc->kind = ANOMALY_DOWN;
	inc->severity = SEVERITY_MAJOR;
	inc->grade = inc->grade_initial = 2;
	inc->link_state = LINK_DOWN;
	snprintf(inc->vendor, sizeof(inc->vendor), "cloud-a");
	snprintf(inc->agent, sizeof(inc->agent), "a1");
	snprintf(inc->link, sizeof(inc->link), "gw");
	snprintf(inc->title_zh, sizeof(inc->title_zh), "浦东'; DROP TABLE incident; --");
	snprintf(inc->fingerprint, sizeof(inc->fingerprint), "a1/gw/down/%d", (int)n);
	inc->links = 1;
	inc->link_list[0] = (struct incident_link){ "a1", "gw", LINK_DOWN };
	inc->opened = inc->first_fail = inc->updated = now;
	inc->version = 1;
	db_batch_decision(batch, &d, now);
	incident_clear(inc);
	free(inc);
}

static void
add_blob(enum decision_type type, const char *agent, const char *link, const char *data)
{
	struct decision d = { .type = type, .blob = { agent, link, data, strlen(data) } };

	db_batch_decision(batch, &d, now);
}

static void
commit(void)
{
	int rc = db_commit(db, batch, NULL, NULL);

	ck_assert_msg(rc == 0, "%s", db_error(db));
	ck_assert(db_batch_is_empty(batch));
}

/* ------------------------------------------------------------------ writing */

START_TEST(cursor_stands)
{
	uint64_t seq;

	ck_assert_int_eq(db_cursor(db, &seq), 0);
	ck_assert_uint_eq(seq, 0);
	db_batch_cursor(batch, 5);
	db_batch_cursor(batch, 9);
	ck_assert(!db_batch_is_urgent(batch));
	commit();
	db_close(db);
	open_db();
	ck_assert_int_eq(db_cursor(db, &seq), 0);
	ck_assert_uint_eq(seq, 9);
}
END_TEST

START_TEST(last_blob_of_a_link_counts)
{
	char text[32], link[32];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(link, sizeof(link), "l%d", i);
			snprintf(text, sizeof(text), "round %d", round);
			add_blob(DEC_LINK_SAVE, "a1", link, text);
		}
		add_blob(DEC_AGENT_SAVE, "a1", NULL, text);
		add_blob(DEC_AGENT_SAVE, "@core", "", text);
	}
	ck_assert(!db_batch_is_urgent(batch));
	commit();
	ck_assert_int_eq(number("SELECT count(*) FROM link_blob WHERE data = 'round 2' OR"
				" data = CAST('round 2' AS BLOB)"), 1000);
	ck_assert_int_eq(number("SELECT count(*) FROM agent_blob"), 2);
}
END_TEST

struct told { int queued, stopped; uint64_t id; char doc[100]; char order[16]; };

static void
on_queued(void *arg, const struct outbox_message *m)
{
	struct told *t = arg;

	strcat(t->order, "q");
	t->queued++;
	t->id = m->id;
	ck_assert_str_eq(m->body, "二级故障");
	snprintf(t->doc, sizeof(t->doc), "%s", m->doc == NULL ? "" : m->doc);
}

static void
on_stopped(void *arg, uint64_t incident)
{
	struct told *t = arg;

	strcat(t->order, "s");
	t->stopped++;
	ck_assert_uint_eq(incident, 17);
}

static const struct db_after after = { on_queued, on_stopped };

START_TEST(messages_are_told_in_order)
{
	struct decision stop = { .type = DEC_STOP_MESSAGES, .stop_incident = 17 };
	struct told t = { 0 };

	add_message("17/open", "open", "138");
	add_message("17/remind/1", "remind", "138");
	db_batch_decision(batch, &stop, now);
	add_message("17/remind/2", "remind", "138");
	add_message("17/open", "open", "138");		/* the key stands already */
	ck_assert(db_batch_is_urgent(batch));
	ck_assert_int_eq(db_commit(db, batch, &after, &t), 0);
	ck_assert_str_eq(t.order, "qqsq");
	ck_assert_str_eq(t.doc, "");
	ck_assert_int_eq(number("SELECT count(*) FROM outbox"), 3);
	ck_assert_int_eq(number("SELECT count(*) FROM outbox WHERE state = 7"), 1);
}
END_TEST

START_TEST(a_trap_keeps_the_incident_as_it_was)
{
	struct told t = { 0 };

	add_incident(17, INC_OPEN);
	add_message("17/open/trap", "open", "");
	add_incident(17, INC_HANDLING);
	ck_assert_int_eq(db_commit(db, batch, &after, &t), 0);
	ck_assert_ptr_nonnull(strstr(t.doc, "\"number\":17"));
	ck_assert_int_eq(number("SELECT doc LIKE '%\"state\":\"open\"%' FROM outbox"), 1);
	ck_assert_int_eq(number("SELECT state = 'handling' FROM incident"), 1);
}
END_TEST

static int pending;
static struct outbox_message last;

static void
on_pending(void *arg, const struct outbox_message *m)
{
	(void)arg;
	pending++;
	last = *m;
	ck_assert_str_eq(m->key, "17/open");
	ck_assert_str_eq(m->fallback_address, "duty@example.com");
}

START_TEST(intent_without_outcome)
{
	struct told t = { 0 };
	struct outbox_message m = { .key = "17/open", .channel = "sms", .fallback = "mail",
		.address = "138", .fallback_address = "duty@example.com",
		.state = OUTBOX_SENDING, .attempts = 1 };

	add_message("17/open", "open", "138");
	ck_assert_int_eq(db_commit(db, batch, &after, &t), 0);
	m.id = t.id;
	db_batch_message(batch, &m, now);
	db_batch_intent(batch, t.id, "sms", now, false);
	commit();
	pending = 0;
	ck_assert_int_eq(db_restore_outbox(db, on_pending, NULL), 0);
	ck_assert_int_eq(pending, 1);
	ck_assert_int_eq(last.state, OUTBOX_SENDING);
	ck_assert_uint_eq(last.attempts, 1);
	m.state = OUTBOX_UNKNOWN;
	m.repeat = true;
	db_batch_message(batch, &m, now);
	db_batch_intent(batch, t.id, "sms", now, true);
	db_batch_outcome(batch, t.id, OUTCOME_SENT, "ok", now);
	m.state = OUTBOX_SENT;
	db_batch_message(batch, &m, now);
	commit();
	ck_assert_int_eq(number("SELECT outcome FROM attempt WHERE id = 1"), OUTCOME_UNKNOWN);
	ck_assert_int_eq(number("SELECT outcome FROM attempt WHERE id = 2"), OUTCOME_SENT);
	pending = 0;
	ck_assert_int_eq(db_restore_outbox(db, on_pending, NULL), 0);
	ck_assert_int_eq(pending, 0);
}
END_TEST

START_TEST(lists_and_views)
{
	json_t *a;

	add_incident(1, INC_CLOSED);
	add_incident(2, INC_OPEN);
	add_log(2, "open", "'; DELETE FROM incident_log; --");
	add_message("17/open", "open", "138");
	commit();
	a = db_incident_list(db, NULL, NULL, NULL, NULL, true, 10);
	ck_assert_uint_eq(json_array_size(a), 1);
	json_decref(a);
	a = db_incident_list(db, NULL, "cloud-a", "a1", "gw", false, 10);
	ck_assert_uint_eq(json_array_size(a), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(a, 0), "number")), 2);
	json_decref(a);
	a = db_incident_list(db, "closed", NULL, NULL, NULL, false, 10);
	ck_assert_uint_eq(json_array_size(a), 1);
	json_decref(a);
	a = db_incident_list(db, "' OR 1=1 --", NULL, NULL, NULL, false, 10);
	ck_assert_uint_eq(json_array_size(a), 0);
	json_decref(a);
	a = db_incident_log(db, 2);
	ck_assert_uint_eq(json_array_size(a), 1);
	ck_assert_uint_eq(strlen(json_string_value(json_object_get(json_array_get(a, 0),
	    "hash"))), 64);
	json_decref(a);
	a = db_incident_messages(db, 17);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(a, 0), "state")),
	    "pending");
	json_decref(a);
	ck_assert_ptr_null(db_incident(db, 99));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static void
add_anomaly(uint64_t id, const char *link, enum anomaly_kind kind, int64_t start_s, int64_t end_s)
{
	struct decision d = { .type = DEC_ANOMALY, .anomaly = { .id = id, .kind = kind, .severity = SEVERITY_MAJOR,
		.start.ns = start_s * NS_PER_S, .end.ns = end_s * NS_PER_S, .incident = 1 } };

	snprintf(d.anomaly.agent, sizeof(d.anomaly.agent), "a1");
	snprintf(d.anomaly.link, sizeof(d.anomaly.link), "%s", link);
	snprintf(d.anomaly.evidence, sizeof(d.anomaly.evidence), "{}");
	db_batch_decision(batch, &d, now);
}

/* What overlaps a stretch of a link's time, its agent's faults too, and nothing of its neighbour. */
START_TEST(faults_of_a_link)
{
	const struct wall from = { 1000 * NS_PER_S }, to = { 2000 * NS_PER_S };
	json_t *a;

	add_incident(1, INC_OPEN);
	add_anomaly(1, "gw", ANOMALY_DOWN, 500, 1000);	/* over as it begins */
	add_anomaly(2, "gw", ANOMALY_LOSS, 900, 1100);
	add_anomaly(3, "", ANOMALY_SILENT, 1500, 0);
	add_anomaly(4, "other", ANOMALY_DOWN, 1200, 1300);
	add_anomaly(5, "gw", ANOMALY_DOWN, 2000, 0);	/* begins as it is over */
	commit();
	a = db_link_faults(db, "a1", "gw", from, to, 10);
	ck_assert_uint_eq(json_array_size(a), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(a, 0), "kind")), "loss");
	ck_assert_double_eq(json_number_value(json_object_get(json_array_get(a, 0), "to")), 1100);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(a, 1), "kind")), "silent");
	ck_assert_double_eq(json_number_value(json_object_get(json_array_get(a, 1), "to")), 0);
	json_decref(a);
	a = db_link_faults(db, "a1", "gw", from, to, 1);
	ck_assert_uint_eq(json_array_size(a), 1);
	json_decref(a);
	a = db_link_faults(db, "a2", "gw", from, to, 10);
	ck_assert_uint_eq(json_array_size(a), 0);
	json_decref(a);
}
END_TEST

/* ---------------------------------------------------------------- the chain */

START_TEST(log_cannot_be_edited)
{
	char why[200];

	for (int i = 0; i < 20; i++)
		add_log(17, "note", i % 2 == 0 ? "a" : "b");
	commit();
	ck_assert_int_ne(run_sql("UPDATE incident_log SET note = 'x'"), SQLITE_OK);
	ck_assert_int_ne(run_sql("DELETE FROM incident_log WHERE seq = 3"), SQLITE_OK);
	ck_assert_int_ne(run_sql("INSERT OR REPLACE INTO incident_log SELECT seq, incident, at,"
	    " 'x', role, channel, source, target, what, note, hash FROM incident_log"), SQLITE_OK);
	ck_assert_int_eq(db_verify_log(db, why, sizeof(why)), 0);
	ck_assert_int_eq(number("SELECT count(*) FROM incident_log"), 20);
}
END_TEST

static const char *const tampering[] = {
	"UPDATE incident_log SET note = 'x' WHERE seq = 7",
	"UPDATE incident_log SET at = at + 1 WHERE seq = 7",
	"UPDATE incident_log SET actor = 'alert', role = 'dsystem' WHERE seq = 7",
	"UPDATE incident_log SET incident = 18 WHERE seq = 7",
	"DELETE FROM incident_log WHERE seq = 7",
	"UPDATE incident_log SET hash = (SELECT hash FROM incident_log WHERE seq = 6) WHERE seq = 7",
};

START_TEST(tampering_is_seen)
{
	char why[200] = "";

	for (int i = 0; i < 20; i++)
		add_log(17, "note", "a");
	commit();
	ck_assert_int_eq(run_sql("DROP TRIGGER incident_log_no_update;"
				 "DROP TRIGGER incident_log_no_delete"), SQLITE_OK);
	ck_assert_int_eq(run_sql(tampering[_i]), SQLITE_OK);
	ck_assert_int_eq(db_verify_log(db, why, sizeof(why)), -EBADMSG);
	ck_assert_msg(strstr(why, "row 7") != NULL, "%s", why);
}
END_TEST

/* ------------------------------------------------------------ when it fails */

START_TEST(locked_by_another)
{
	sqlite3 *other;

	ck_assert_int_eq(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	add_log(17, "open", "kept");
	db_batch_cursor(batch, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(db_commit(db, batch, NULL, NULL), -EBUSY);
		ck_assert(!db_batch_is_empty(batch));
	}
	ck_assert_int_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	commit();
	ck_assert_int_eq(number("SELECT count(*) FROM incident_log"), 1);
}
END_TEST

/* At each write and each sync in turn: nothing of it stands, and the second try is whole. */
START_TEST(all_or_nothing)
{
	static const int codes[] = { SQLITE_FULL, SQLITE_IOERR_WRITE };
	char why[200];
	bool failed = true;

	for (int k = 1; failed; k++) {
		int64_t logs = number("SELECT count(*) FROM incident_log"), seen;
		int rc;
		add_incident((uint64_t)k, INC_OPEN);
		add_log((uint64_t)k, "open", "x");
		for (int i = 0; i < 200; i++) {		/* more than one page */
			char link[32];
			snprintf(link, sizeof(link), "l%d", i);
			add_blob(DEC_LINK_SAVE, "a1", link, "0123456789012345678901234567890");
		}
		db_batch_cursor(batch, (uint64_t)k);
		fault = (struct fault){ .countdown = k, .code = codes[_i], .stays = false };
		rc = db_commit(db, batch, NULL, NULL);
		failed = fault.countdown == 0;
		fault.countdown = 0;
		ck_assert(failed == (rc != 0) || rc == 0);
		if (rc != 0) {
			ck_assert_int_eq(number("SELECT count(*) FROM incident_log"), logs);
			ck_assert_int_eq(number("SELECT value FROM meta"), k - 1);
			commit();
		}
		seen = number("SELECT count(*) FROM incident_log");
		ck_assert_int_eq(seen, logs + 1);
		ck_assert_int_eq(db_verify_log(db, why, sizeof(why)), 0);
		ck_assert_int_eq(number("SELECT value FROM meta"), k);
	}
}
END_TEST

START_TEST(full_disk_says_so)
{
	add_log(17, "open", "x");
	fault = (struct fault){ .countdown = 1, .code = SQLITE_FULL, .stays = true };
	ck_assert_int_eq(db_commit(db, batch, NULL, NULL), -ENOSPC);
	ck_assert_int_eq(db_commit(db, batch, NULL, NULL), -ENOSPC);
	fault.countdown = 0;
	commit();
}
END_TEST

/* ------------------------------------------------------------------ opening */

static int
reopen(char *why, size_t n)
{
	struct db *other;
	int rc = db_open(&other, path, why, n);

	db_close(other);
	return rc;
}

static void
overwrite(long at, const char *text)
{
	FILE *f = fopen(path, "r+");

	fseek(f, at, SEEK_SET);
	fputs(text, f);
	fclose(f);
}

START_TEST(damaged_file_is_refused_and_kept)
{
	char why[512] = "";
	struct stat before, later;

	for (int i = 0; i < 500; i++)
		add_log(17, "note", "some text that fills pages and pages of this file");
	commit();
	db_close(db);
	db = NULL;
	switch (_i) {
	case 0:
		overwrite(0, "This is no database at all, not even a bit");
		break;
	case 1:
		overwrite(3 * 4096, "garbage in the middle of a page of the tree, and more of it");
		break;
	case 2:
		ck_assert_int_eq(truncate(path, 4096 * 5 + 100), 0);
		break;
	}
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(reopen(why, sizeof(why)), -EBADMSG);
	ck_assert_msg(strstr(why, "left as it was") != NULL, "%s", why);
	ck_assert_int_eq(stat(path, &later), 0);
	ck_assert_int_eq(before.st_size, later.st_size);
}
END_TEST

START_TEST(other_schemas_are_refused)
{
	char why[512] = "";

	ck_assert_int_eq(run_sql("PRAGMA user_version = 99"), SQLITE_OK);
	ck_assert_int_eq(reopen(why, sizeof(why)), -EPROTONOSUPPORT);
	ck_assert_msg(strstr(why, "version 99") != NULL, "%s", why);
	ck_assert_int_eq(run_sql("PRAGMA application_id = 7"), SQLITE_OK);
	ck_assert_int_eq(reopen(why, sizeof(why)), -EPROTONOSUPPORT);
	ck_assert_msg(strstr(why, "another program") != NULL, "%s", why);
}
END_TEST

START_TEST(not_a_file)
{
	char why[512] = "";

	db_close(db);
	db = NULL;
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_ne(reopen(why, sizeof(why)), 0);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_ne(reopen(why, sizeof(why)), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_ne(reopen(why, sizeof(why)), 0);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* By somebody who may only read it. */
START_TEST(read_only)
{
	int status;
	pid_t pid;

	db_close(db);
	db = NULL;
	ck_assert_int_eq(chmod(path, 0444), 0);
	ck_assert_int_eq(chmod(dir, 0555), 0);
	pid = fork();
	if (pid == 0) {
		char why[512] = "";
		int rc;
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(9);
		rc = reopen(why, sizeof(why));
		_exit((rc == -EROFS || rc == -EACCES) && strstr(why, "must be able to write") ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Killed in the middle of commits: the chain is whole and the cursor fits the log. */
START_TEST(killed_at_any_time)
{
	db_close(db);
	db = NULL;
	for (int round = 0; round < 20; round++) {
		char why[200];
		char first;
		int64_t logs;
		int begun[2];
		pid_t pid;
		ck_assert_int_eq(pipe(begun), 0);
		pid = fork();
		if (pid == 0) {
			char err[200];
			uint64_t seq = 0, round_n = 0;
			(void)close(begun[0]);
			if (db_open(&db, path, err, sizeof(err)) != 0 || db_cursor(db, &seq) != 0)
				_exit(1);
			for (;;) {
				add_log(17, "note", "x");
				db_batch_cursor(batch, ++seq);
				if (db_commit(db, batch, NULL, NULL) != 0)
					_exit(2);
				if (round_n++ == 0 && write(begun[1], "", 1) != 1)
					_exit(3);
			}
		}
		(void)close(begun[1]);
		ck_assert_int_eq(read(begun[0], &first, 1), 1);
		(void)close(begun[0]);
		usleep((useconds_t)(2000 + round * 3700));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		open_db();
		logs = number("SELECT count(*) FROM incident_log");
		ck_assert_int_eq(number("SELECT value FROM meta"), logs);
		ck_assert_int_eq(db_verify_log(db, why, sizeof(why)), 0);
		db_close(db);
		db = NULL;
	}
	ck_assert_int_gt(number("SELECT count(*) FROM incident_log"), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("db");
	TCase *tc = tcase_create("db");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cursor_stands);
	tcase_add_test(tc, last_blob_of_a_link_counts);
	tcase_add_test(tc, messages_are_told_in_order);
	tcase_add_test(tc, a_trap_keeps_the_incident_as_it_was);
	tcase_add_test(tc, intent_without_outcome);
	tcase_add_test(tc, lists_and_views);
	tcase_add_test(tc, faults_of_a_link);
	tcase_add_test(tc, log_cannot_be_edited);
	tcase_add_loop_test(tc, tampering_is_seen, 0,
	    (int)(sizeof(tampering) / sizeof(tampering[0])));
	tcase_add_test(tc, locked_by_another);
	tcase_add_loop_test(tc, all_or_nothing, 0, 2);
	tcase_add_test(tc, full_disk_says_so);
	tcase_add_loop_test(tc, damaged_file_is_refused_and_kept, 0, 3);
	tcase_add_test(tc, other_schemas_are_refused);
	tcase_add_test(tc, not_a_file);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, killed_at_any_time);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
