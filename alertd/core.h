/*
 * core.h - the pure heart of alertd: events in, decisions out.
 *
 * No I/O, no clock, no randomness, no globals: the same events give the same
 * decisions live, in scenarios on a moving clock, in the simulator and in
 * back-tests on the journal.  The shell (main.c) turns feed records, timer
 * ticks, commands and outcomes into events, and writes the decisions of one
 * call, with the feed cursor, in one SQLite transaction before it acts.
 *
 * Time is an argument of each event: `now` is wall time as the shell sees it
 * (never going back: the shell holds it still when the wall clock is set back);
 * what a sample proves is judged by the sample's own time.
 *
 * Memory: O(1) for each link and each open incident.
 */
#pragma once

#include "alertd/incident.h"
#include "common/clock.h"
#include "common/linkwatch.pb-c.h"
#include "common/model.h"

struct core;
struct policy;				/* policy.h */

/* ------------------------------------------------------------------ events */

enum event_type {
	EV_SAMPLE = 1,			/* one sample of one link */
	EV_HEALTH,			/* an agent about itself */
	EV_SESSION,			/* an agent came or went */
	EV_PLAN,			/* the links from now on */
	EV_REFUSED,
	EV_COLLECTOR,			/* collector start, stop, stalled, alive */
	EV_FEED,			/* our own feed: connected or lost */
	EV_TICK,			/* time passes: at least once a second */
	EV_COMMAND,			/* a person acts */
	EV_DELIVERY,			/* outcome of a message */
	EV_CHANNEL,			/* a channel died or works again */
};

struct command {
	const char *verb;		/* "ack" "note" "close" "reopen" "cancel" "set" "grade" */
	uint64_t incident;		/* number */
	const char *actor, *role, *channel;	/* "zhang", "operator", "linkctl" */
	const char *note;		/* may be NULL */
	int64_t eta_ns;			/* ack: expected end; 0 none */
	const char *const *field;	/* set, close: name, value, name, value, ..., NULL */
	uint32_t version;		/* of the incident as the actor saw it; 0: do not care */
};

struct event {
	enum event_type type;
	struct wall now;
	bool stale;			/* replayed backlog: record, do not announce as new */
	uint64_t journal_seq;		/* 0: not from the journal; evidence otherwise */
	const char *agent;
	union {
		const struct sample *sample;
		const Linkwatch__Pb__Health *health;
		const Linkwatch__Pb__Session *session;
		const Linkwatch__Pb__Plan *plan;
		const Linkwatch__Pb__Refused *refused;
		const Linkwatch__Pb__CollectorEvent *collector;
		bool feed_up;
		const struct command *command;
		struct { uint64_t message; bool delivered; const char *detail; const char *key; } delivery;
		struct { const char *name; bool up; const char *detail; } channel;
	};
};

/* --------------------------------------------------------------- decisions */

enum decision_type {
	DEC_LINK = 1,			/* link's state changed (also degraded causes) */
	DEC_LINK_SAVE,			/* its detectors' memory changed: persist the blob */
	DEC_AGENT_SAVE,
	DEC_ANOMALY,			/* raised, changed or cleared */
	DEC_INCIDENT,			/* upsert: whole record */
	DEC_LOG,			/* append to the incident's time line */
	DEC_MESSAGE,			/* put into the outbox, text frozen now */
	DEC_STOP_MESSAGES,		/* drop reminders of that incident not yet sent */
	DEC_REPLY,			/* answer to the command of this call */
	DEC_LOCAL,			/* one line for the log: nobody to tell otherwise */
};

/*
 * Within one call: incidents first, then anomalies, links, logs, messages to
 * be stopped, messages, lines for the log, the reply, blobs.
 */

/* Why a link is not observed: an enum cause, or this plus ANOMALY_SILENT or ANOMALY_SELF. */
#define CAUSE_OF_ANOMALY 100

struct dec_link {
	const char *agent, *link;
	enum link_state from, to;
	/* anomaly kind or, not observed, as above: core_cause_name() */
	uint32_t cause;
	struct wall since;		/* by the sample's time */
};

/*
 * Of one link, or (link "") of one agent.  Names that begin with '@' are the
 * core's own and no agent's: "@core", "@contact/ID", "@vendor/ID"; they are
 * saved and restored as agents' blobs.  Of several saves of the same name in
 * one transaction only the last counts.
 */
struct dec_blob { const char *agent, *link; const void *data; size_t len; };

struct anomaly {
	uint64_t id;
	char agent[ID_MAX + 1], link[ID_MAX + 1];	/* link "": the agent itself */
	enum anomaly_kind kind;
	enum severity severity;
	struct wall start, end;		/* end 0: lasting */
	uint64_t evidence_first, evidence_last;	/* journal numbers */
	char evidence[256];		/* the figures that made it, as JSON object */
	uint64_t incident;
};

struct dec_log {
	uint64_t incident;
	struct wall at;
	const char *actor, *role, *channel;	/* "alertd", "system", "core" for our own */
	const char *from, *to;		/* states, or "" */
	const char *what;		/* "open" "ack" "note" "grade" "recover" "relapse" ... */
	const char *note;
};

/* One message to one recipient by one channel. */
struct dec_message {
	uint64_t incident;		/* 0: about the monitor itself */
	const char *key;		/* unique for ever: "17/open/1/sms/duty" */
	/* "open" "remind" "escalate" "raise" "ack" "recover" "close" ... */
	const char *event;
	const char *recipient;		/* contact's id in policy.yaml */
	const char *channel;		/* of alertd.yaml: "sms", "mail", "trap" */
	const char *fallback;		/* next channel or NULL */
	const char *address;		/* number or mail address; "" for traps */
	const char *fallback_address;	/* of the recipient on the fallback channel; NULL: none */
	const char *lang;		/* "zh" "en" */
	const char *subject;		/* mail */
	const char *body;
	struct wall not_before;		/* quiet hours, budgets; 0: now */
	struct wall expires;		/* after that it is recorded, not sent; 0: never */
};

struct dec_reply {
	bool ok;
	/* "not-found" "closed" "missing-fields" "link-down" "conflict" "usage" */
	const char *code;
	const char *zh, *en;		/* one line for the person */
};

struct decision {
	enum decision_type type;
	union {
		struct dec_link link;
		struct dec_blob blob;
		struct anomaly anomaly;
		const struct incident *incident;
		struct dec_log log;
		struct dec_message message;
		uint64_t stop_incident;
		struct dec_reply reply;
		const char *local;
	};
};

/* What one call decided, in order.  Strings and incidents live until the next call on the core. */
struct decisions { struct decision *v; size_t n; };

/* ------------------------------------------------------------------ calls */

/* policy: borrowed, outlives the core or is replaced by core_policy(). */
struct core *core_new(const struct policy *policy);
void core_free(struct core *);
void core_policy(struct core *, const struct policy *);

/* The one door.  Returns decisions owned by the core, good until the next call. */
const struct decisions *core_event(struct core *, const struct event *);

/*
 * Restores what the decisions of an earlier life wrote, before the first
 * event: plan first, then every incident that is not archived, lasting
 * anomalies, blobs.  -EINVAL: a blob of another version (that link starts
 * afresh), or a record that makes no sense.
 */
int core_restore_plan(struct core *, const Linkwatch__Pb__Plan *);
int core_restore_incident(struct core *, const struct incident *);
int core_restore_anomaly(struct core *, const struct anomaly *);
int core_restore_link(struct core *, const struct dec_blob *);
int core_restore_agent(struct core *, const struct dec_blob *);
/* After all of it: the highest numbers ever given. */
void core_restore_done(struct core *, uint64_t last_incident, uint64_t last_anomaly, struct wall now);

/* ------------------------------------------------- views (for status, web, MIB) */

struct link_view {
	const char *agent, *link;
	const Linkwatch__Pb__Link *conf;	/* NULL: gone from the plan */
	enum link_state state;
	uint32_t cause;
	struct wall since, last_sample;
	double loss;			/* of the last minute or 3 steps; NaN: nothing observed */
	double rtt_p50_ns;		/* NaN: none */
	uint64_t incident;		/* open one, or 0 */
	uint32_t values;		/* snmp: of the last sample */
	struct sample_value value[SAMPLE_VALUES];
};

struct agent_view {
	const char *agent;
	const Linkwatch__Pb__AgentInfo *conf;
	bool connected, silent;
	struct wall last_batch, since;
	const Linkwatch__Pb__Health *health;	/* NULL: never heard */
	const char *address;
	uint64_t incident;
};

void core_each_link(const struct core *, void (*each)(void *arg, const struct link_view *), void *arg);
void core_each_agent(const struct core *, void (*each)(void *arg, const struct agent_view *), void *arg);
void core_each_incident(const struct core *, void (*each)(void *arg, const struct incident *), void *arg);
/* NULL: not in memory */
const struct incident *core_incident(const struct core *, uint64_t number);
/* The key word of a link's cause: "down", "silent", "resolve"; "" for none. */
const char *core_cause_name(enum link_state state, uint32_t cause);
/*
 * Why a link is in its state: detectors' figures as a JSON object into buf.  0; -ENOENT: no
 * such link; -ENOSPC.
 */
int core_why(const struct core *, const char *agent, const char *link, char *buf, size_t n);
