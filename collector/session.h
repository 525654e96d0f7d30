/*
 * session.h - the peers of a collector, without sockets or threads.
 *
 * A hub is the core of ingest: all sessions, the journal, the table of numbers
 * (admit.h), the plan.  It is driven from outside: conn.h callbacks, hub_tick()
 * and hub_commit(); it touches the world only through conn, clock, disk and
 * journal, so tests/sim runs it unchanged.
 *
 * A session (role agent):
 *   HELLO -> WELCOME (acked_seq: highest durable batch of that boot id) -> PLAN,
 *   unless HELLO names the revision that the agent should have -> BATCH ... / ACK ...
 *   CLOCK_PING -> CLOCK_PONG, PLAN_RESULT, any time after HELLO.
 *   - ACK is cumulative and follows the fdatasync.  A batch refused for good
 *     (REFUSAL with drop) uses up its number: the REFUSAL comes before the ACK
 *     that covers it.
 *   - REFUSAL with seq 0 speaks of the session, which then ends.
 *   - Who sends more than its quota (quota.h) is not read for a while; who begins too many sessions is
 *     refused (REFUSE_RATE), as is a fourth connection at a time.
 *   - More than `window` batches without ACK end the session (REFUSE_RATE).
 *   - PAUSE: the journal cannot take more (full disk): keep what you have.
 *     RESUME follows; batches sent before PAUSE was seen are not lost by it.
 *   - A second session of the same agent ends the first (REFUSE_REPLACED).
 *   - The session ends when the peer's certificate expires.
 *   - Numbers: see admit.h.
 * A session (role alertd): HELLO -> WELCOME -> FEED_START -> FEED_RECORD ... / FEED_ACK ..., RELOAD (feed.h).
 * Who may send what and when is the table in session.c.
 */
#pragma once

#include "collector/admit.h"
#include "collector/quota.h"
#include "common/clock.h"
#include "common/conn.h"
#include "common/disk.h"
#include "common/journal.h"

struct hub;

struct hub_opts {
	const struct clock *clock;	/* borrowed */
	struct disk *disk;		/* borrowed: the directory of the journal */
	struct admit_limits admit;
	uint64_t segment_bytes;		/* journal_opts */
	uint32_t window;		/* batches in flight; 0: 256 */
	struct quota_limits quota;	/* of each agent */
	uint64_t pending_max;		/* bytes that may wait for hub_commit(): it is called beyond; 0: 16 MiB */
	uint32_t version_min, version_max;	/* 0: what this build speaks */
	int64_t hello_ns;		/* HELLO must come within; 0: 10 s */
	/* RELOAD came from alertd: read links.yaml, call hub_plan(). 0 and *revision, or -errno and errors
	 * (malloc'd lines, freed by the hub). NULL: refused. */
	int (*reload)(void *arg, uint64_t *revision, char **errors);
	/* Something waits for hub_commit() now and nothing did before; NULL: the caller looks itself. */
	void (*dirty)(void *arg);
	/* An agent has used up half of its window: hub_commit() soon, or it will wait for its ACK (it has a
	 * backlog).  Told once before each commit.  NULL: as above. */
	void (*hurry)(void *arg);
	void *arg;
};

struct hub_stat {
	uint64_t sessions, agents, feeds;
	uint64_t batches, repeats, refused, forked, samples;
	uint64_t commits, pending;	/* pending: bytes that wait for hub_commit() */
	uint64_t throttled;		/* agents that are not read now: over their quota */
	bool stalled;
};

/*
 * Opens the journal (recovery included), restores the table of numbers from its
 * checkpoint and the records behind it, appends CollectorEvent "start".
 * 0 or -errno with a line in why.
 */
int hub_open(struct hub **out, const struct hub_opts *, char *why, size_t n);
/* Acknowledges what it can and ends every session (REFUSE_BUSY); NULL is allowed. */
void hub_stop(struct hub *);
/*
 * Frees it, with what sessions are left; no conn may call back any more.  clean: appends "stop", commits
 * and writes the checkpoint; otherwise nothing is written, as in a crash. NULL is allowed.
 */
void hub_close(struct hub *, bool clean);

/* The callbacks for tls_listen() or a simulated net; arg is the hub. */
const struct conn_handler *hub_handler(void);

/* The whole plan that holds from now on (copied). Journals it if it changed and tells the agents. */
int hub_plan(struct hub *, const Linkwatch__Pb__Plan *);
/* For a start with a links.yaml that cannot be read: the last plan of the journal (reads all of it). -ENOENT: none. */
int hub_restore_plan(struct hub *);
/* The plan that holds (borrowed until the next hub_plan()), or NULL. */
const Linkwatch__Pb__Plan *hub_current_plan(const struct hub *);
/* Is there anything that waits for hub_commit()? */
bool hub_is_dirty(const struct hub *);
/*
 * Makes everything durable, then acknowledges and wakes the feeds. 0; -ENOSPC (or another error
 * that may pass): stalled, nothing is lost, call again; -EIO: the journal is poisoned: close and reopen.
 */
int hub_commit(struct hub *);
/* Once a second: deadlines, rate limits, "alive", counts of refusals, checkpoint, feeds. */
void hub_tick(struct hub *);
/* Deletes what retention no longer keeps: see journal_purge_point(); readers hold back at most hold_bytes more. */
int hub_retain(struct hub *, uint64_t max_bytes, int64_t max_age_ns, uint64_t hold_bytes);
void hub_stat(const struct hub *, struct hub_stat *);
struct journal *hub_journal(struct hub *);
