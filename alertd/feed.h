/*
 * feed.h - the session with the collector: journal records in, events out.
 *
 * Sans I/O: written against conn.h and the doors of clock and randomness;
 * main.c connects.
 *
 *   -> HELLO                      <- WELCOME
 *   -> FEED_START{from, window}   <- FEED_RECORD ...
 *   -> FEED_ACK{seq}              after the commit of what the record decided
 *   -> RELOAD                     <- RELOAD_RESULT
 *
 * A record that cannot be read (foreign version, damage) is counted, logged
 * once a minute and passed over: one bad record must not end all alarms.
 * Records repeated by the collector are dropped; numbers that retention took
 * are told by lost().  A collector whose journal ends before our cursor has
 * another journal: the feed starts at its beginning and says so.
 */
#pragma once

#include "alertd/core.h"
#include "common/conn.h"
#include "common/rng.h"

struct feed;

struct feed_ops {
	/* One event of a record; stale already set.  Pointers live for the call. */
	void (*event)(void *arg, struct event *ev);
	/* All events of record seq were given: it may be acknowledged once they are durable. */
	void (*done)(void *arg, uint64_t seq);
	/* WELCOME came (up), or the session or an attempt to have one ended (why: one line). */
	void (*state)(void *arg, bool up, const char *why);
	/* Retention took count records before seq. */
	void (*lost)(void *arg, uint64_t seq, uint64_t count);
	void (*reloaded)(void *arg, uint64_t id, bool ok, uint64_t revision, const char *errors);
};

struct feed_stat {
	bool up;
	uint64_t seq;			/* last record seen */
	struct wall record_wall;	/* its time */
	uint64_t bad, repeated, lost;
};

struct feed_opts {
	uint64_t next_seq;		/* first record wanted; 0: the first that stands */
	int64_t stale_after_ns;
	const struct clock *clock;	/* borrowed */
	struct rng *rng;		/* borrowed: jitter of the back-off */
	const struct feed_ops *ops;	/* borrowed */
	void *arg;
};

struct feed *feed_new(const struct feed_opts *);
void feed_free(struct feed *);		/* closes its connection; NULL is allowed */
void feed_stale_after(struct feed *, int64_t stale_after_ns);

/* Handler for tls_connect(); arg is the struct feed. */
extern const struct conn_handler feed_conn_handler;
/* When to connect: 0.5 s to 10 s after a failure, with jitter; INT64_MAX while a connection stands. */
struct mono feed_retry_at(const struct feed *);
/* The connection that was started; the feed owns it from here on. */
void feed_connecting(struct feed *, struct conn *conn);
/* It could not even be started. */
void feed_failed(struct feed *, const char *why);
/* Deadlines: WELCOME within 15 s, something heard within 45 s.  Call about once a second. */
void feed_tick(struct feed *);
/* Everything up to seq is durable: tell the collector. */
void feed_ack(struct feed *, uint64_t seq);
/* Stops or goes on reading (the database is not writable). */
void feed_pause(struct feed *, bool on);
/* -ENOTCONN; the answer comes by reloaded(). */
int feed_reload(struct feed *, uint64_t id);
void feed_stat(const struct feed *, struct feed_stat *);
