/*
 * hub.h - what hub.c (the whole), session.c (one peer) and refusals.c share.
 * Others use session.h.
 */
#pragma once

#include "collector/feed.h"
#include "collector/parts.h"
#include "collector/session.h"
#include "collector/table.h"
#include "common/linkwatch.pb-c.h"

#define HUB_REFUSALS_MAX 1024		/* kinds of refusal that are counted apart */

enum session_state {
	SESSION_OPENED = 1,		/* HELLO must come */
	SESSION_UP = 2,
};

struct pending_refusal { uint64_t seq; uint32_t code; char why[192]; };

/* Of an agent that is connected, or whose buckets are not full yet. */
struct agent_quota {
	struct quota q;
	char id[ID_MAX + 1];
	unsigned conns;
};

struct session {
	struct hub *hub;		/* borrowed */
	struct conn *conn;
	struct identity peer;
	enum session_state state;
	struct mono since;		/* opened */
	uint8_t boot[BOOT_ID_LEN];
	uint64_t first_seq;		/* of HELLO */
	uint64_t plan_revision;		/* the one that the agent was told or has */
	uint32_t version;
	uint32_t inflight;		/* batches since the last ACK */
	bool answer;			/* an ACK is due with the next commit */
	bool paused;			/* PAUSE was sent */
	struct pending_refusal *refusal;	/* owned: told by the next commit */
	size_t refusals;
	double credit;			/* of frames other than batches and feed acks */
	struct mono credit_at;
	struct agent_quota *quota;	/* borrowed; role agent, known to the plan: else NULL */
	bool throttled;			/* not read: its quota is used up */
	double mercy;			/* bad batches that are still borne */
	struct feed *feed;		/* owned; role alertd only */
};

struct refusal_count {			/* of one peer and code */
	char key[ID_MAX + 80];
	char peer[ID_MAX + 48];
	uint32_t code;
	uint64_t count;			/* since the last record */
	struct mono told;
	char why[192];
};

struct hub {
	struct hub_opts o;
	struct admit *admit;
	struct journal *journal;
	struct table conns;		/* struct session, by conn pointer */
	struct table agents;		/* struct session of each agent that is up */
	struct table refusals;		/* struct refusal_count */
	struct table quotas;		/* struct agent_quota, by agent */
	Linkwatch__Pb__Plan *plan;	/* owned; NULL: none yet */
	struct parts *parts;		/* owned: of plan */
	uint64_t checkpoint_seq;	/* records before it are in the checkpoint */
	uint64_t plan_seq;		/* its record in the journal */
	bool dirty;			/* hub_commit() has something to do */
	bool hurried;			/* hurry() was told since the last commit */
	int failed;			/* -EIO: the journal is poisoned */
	bool stalled;
	int stall_reason;
	struct wall stalled_at;
	struct mono alive_at, checkpoint_at, head_told_at;
	struct hub_stat stat;
};

/* ---- hub.c */
/* Packs and appends; remembers poisoning. 0 or -errno of journal_append(). */
int hub_append(struct hub *, uint16_t type, const struct ProtobufCMessage *);
/* Appends a CollectorEvent; as hub_append(). */
int hub_event(struct hub *, struct wall at, const char *what, const char *detail);
/* Something waits for hub_commit(). */
void hub_touch(struct hub *);
/* And should not wait for long. */
void hub_hurry(struct hub *);

/* ---- refusals.c: what was turned away, counted and journaled at most once a minute and kind */
void refusals_note(struct hub *, const char *peer, uint32_t code, const char *why);
void refusals_tick(struct hub *, bool all);
void refusals_fini(struct hub *);

/* ---- session.c */
/* After a commit: refusals, then the ACK. */
void session_answer(struct session *);
void session_set_paused(struct session *, bool paused);
/* Sends the agent its part of the plan if it has another; ends sessions of agents that left it. May free s. */
void session_push_plan(struct session *);
/* May free s. */
void session_tick(struct session *);
void session_pump(struct session *);
/* Ends it: the record, the conn, the memory. code 0: without a REFUSAL. */
void session_end(struct session *, uint32_t code, const char *why, uint32_t retry_ms);
/* Without conn_close(): the conn is gone already. */
void session_gone(struct session *, const char *why);
