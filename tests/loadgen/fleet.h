/*
 * fleet.h - many agents in one process, over real connections.
 *
 * An agent of the load is what agent/uplink.c is to a collector: HELLO, batches in
 * order within the window, again from the last acknowledged one after a lost session.
 * It keeps no spool: source.h makes any batch anew.  agent.c is one of them, fleet.c
 * all together, misbehave.c those that do not keep to the protocol, report.c what
 * they saw.
 */
#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "common/conn.h"
#include "common/clock.h"
#include "tests/loadgen/site.h"
#include "tests/loadgen/spread.h"

#define REFUSALS 16			/* codes of frame.h, told apart up to here */

struct misbehaviour;

struct fleet_opts {
	uint32_t agents;		/* the first so many; 0: all */
	int64_t backlog_ns;		/* begins so long ago */
	uint32_t backlog_agents;	/* the first so many have it; 0: all */
	int64_t duration_ns;		/* 0: until nothing is left to send (live or control: for ever) */
	uint32_t window;		/* batches in flight at most; 0: what WELCOME says */
	uint64_t rate;			/* samples a second, all together; 0: as fast as may be */
	uint32_t connects;		/* begun in a second; 0: all at once */
	uint32_t storms;		/* all leave and come back, so often */
	bool live, idle, resume, control;
	const struct misbehaviour *misbehaviour;	/* NULL: all behave */
	uint32_t bad;			/* the last so many do not */
};

enum agent_state { AGENT_AWAY, AGENT_CONNECTING, AGENT_GREETING, AGENT_UP };

struct load_agent {
	struct fleet *fleet;		/* borrowed */
	uint32_t index;
	bool backlog, bad;
	enum agent_state state;
	struct conn *conn;		/* NULL: none */
	SSL_CTX *ctx;			/* owned; made with the first connection */
	struct load_numbering numbering;
	uint64_t sent, acked;		/* batches */
	uint64_t sent_max;
	uint64_t end;			/* the last batch that is to be sent; UINT64_MAX: none is the last */
	uint64_t plan_revision;
	uint32_t window;
	bool paused;
	int64_t *sent_ns;		/* owned: monotonic, of batch n at n % window_max; NULL: none sent yet */
	struct event *timer;		/* owned: the next try, or the next batch */
	struct mono began;		/* to connect */
	uint64_t odd;			/* misbehave.c: what it has done so far */
	void *raw;			/* misbehave.c: owned */
};

struct fleet_stat {
	uint64_t samples_sent, samples_acked, batches_sent, batches_acked, again, refused_batches;
	uint64_t bytes_sent, connects, welcomes, resumed, lost, pauses;
	uint64_t refusal[REFUSALS], bad_refusal[REFUSALS];
	uint64_t bad_welcomes, bad_ended, bad_frames;
	struct spread ack, live_lag, welcome;
	int64_t first_ack_ns, last_ack_ns;	/* monotonic */
};

struct fleet {
	const struct site *site;	/* borrowed */
	struct fleet_opts o;
	const struct clock *clock;
	struct event_base *base;	/* owned */
	struct load_agent *agent;	/* owned: n */
	uint32_t n, up;			/* up: those that behave and were welcomed */
	struct batch_builder *bb;	/* owned */
	struct event *tick, *housekeeping, *line, *term, *intr;	/* owned */
	struct mono began, stop_at;
	double credit;			/* samples that rate still allows */
	struct mono credit_at;
	uint32_t connected;		/* agents whose first connection was begun */
	bool stopping;
	struct mono storm_began;	/* 0: none is under way */
	uint32_t storms;
	bool settled;			/* all were up once since the last storm */
	struct fleet_stat stat;
	int status;
};

/* Runs until it is over; prints events (control) and the figures as JSON on stdout.  The exit status. */
int fleet_run(const struct site *, const struct fleet_opts *);

/* ---- fleet.c, for agent.c */
/* May so many samples go now? */
bool fleet_spend(struct fleet *, uint32_t samples);
/* An agent that behaves was welcomed, or has lost its session. */
void fleet_up(struct fleet *);
void fleet_down(struct fleet *);

/* ---- agent.c */
void agent_init(struct load_agent *, struct fleet *, uint32_t index);
void agent_fini(struct load_agent *);
void agent_connect(struct load_agent *);
/* Leaves, saying goodbye. */
void agent_leave(struct load_agent *);
/* After ms, or with the next pass of the loop (0). */
void agent_later(struct load_agent *, int64_t ns);
/* Sends what is due and may go. */
void agent_pump(struct load_agent *);
void agent_ping(struct load_agent *);
void agent_hello(struct load_agent *);
/* Its context; NULL with a line on stderr. */
SSL_CTX *agent_context(struct load_agent *);
void fleet_address(const struct fleet *, struct sockaddr_storage *sa, socklen_t *len);

/* ---- misbehave.c */
const struct misbehaviour *misbehaviour_find(const char *name);
void misbehaviour_list(FILE *);
const char *misbehaviour_name(const struct misbehaviour *);
/* Raw ones speak for themselves: begins one.  The others say what they say when they are up. */
bool misbehaviour_is_raw(const struct misbehaviour *);
void misbehave_begin(struct load_agent *);
void misbehave_speak(struct load_agent *);
void misbehave_end(struct load_agent *);

/* ---- report.c */
/* "DIR/state.json": what was sent and acknowledged, by agent.  -errno with a line in why. */
int state_save(const struct fleet *, char *why, size_t n);
int state_load(struct fleet *, char *why, size_t n);
void report_print(const struct fleet *);
/* One line for whoever drives it. */
void report_event(const struct fleet *, const char *event, double seconds);
/* `check`: does the journal hold what state.json says, once each and byte for byte?  The exit status. */
int check_journal(const struct site *, const char *journal);
