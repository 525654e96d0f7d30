/*
 * uplink.h - the agent's session with a collector, without I/O of its own.
 *
 * Reads the spool, speaks frames over a struct conn, takes the time from a
 * struct clock: the same code runs in the agent and in the simulator.
 *
 *   WAITING --due--> CONNECTING --opened--> GREETING --WELCOME--> UP
 *      ^                  |                    |                  |
 *      +------------------+---- closed, refused, silent too long -+
 *
 *  - With TLS 1.3 a client sees its handshake succeed before the server has
 *    looked at its certificate: only WELCOME means "connected".
 *  - Batches go strictly in order, at most `window` of them (or UPLINK_BYTES)
 *    unacknowledged.  Acks are cumulative; the spool is told up to the ack and
 *    no further.  An ack for what was never sent ends the session.
 *  - After a reconnect it goes on behind Welcome.acked_seq.
 *  - A collector that speaks less than PROTOCOL_SHORT is sent plain batches.
 *  - Back-off doubles from 0.5 s to 60 s with jitter of a half, and goes through the
 *    list of collectors in turn; it is forgotten after 30 s of UP.
 *  - REFUSAL of a batch with drop: the batch is left out, counted and told to ops->refused.
 *    Without drop: everything unacknowledged is sent again after retry_after_ms
 *    (or the back-off).  REFUSAL of the session: closed, next try not before retry_after_ms.
 *  - PAUSE stops batches, not clock pings; RESUME lets them go on.
 *  - A collector that sends nothing for 30 s although it was pinged is given up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/conn.h"
#include "common/linkwatch.pb-c.h"
#include "common/rng.h"

struct spool;
struct uplink;

enum uplink_state { UPLINK_WAITING, UPLINK_CONNECTING, UPLINK_GREETING, UPLINK_UP };

#define UPLINK_WINDOW_MAX 1024
#define UPLINK_BYTES (2 * 1024 * 1024)	/* handed to conn and not yet written by it */

struct uplink_ops {
	/*
	 * Starts a connection to the index-th collector, whose events go to uplink_handler with
	 * the uplink as arg.  0 with *out, or -errno; -EAGAIN: its name is still being looked up.
	 */
	int (*connect)(void *arg, size_t index, struct uplink *u, struct conn **out);
	/* A plan came: well-formed protobuf, nothing else is checked.  Answer with
	 * uplink_plan_result(), now or later. */
	void (*plan)(void *arg, const Linkwatch__Pb__Plan *plan);
	/* A new state, for the log; detail is one clean line. */
	void (*state)(void *arg, enum uplink_state state, const char *detail);
	/* The collector will never take this batch. */
	void (*refused)(void *arg, uint64_t seq, uint32_t code, const char *reason);
};

struct uplink_opts {
	size_t collectors;		/* 1.. */
	const char *collector_id;	/* must be its id; NULL: any collector of our CA */
	const char *host;		/* our host name, for HELLO */
};

struct uplink_stat {
	enum uplink_state state;
	bool paused;
	size_t collector;		/* index of the one in use */
	uint64_t acked_seq, sent_seq;	/* of this boot_id; sent by this process */
	uint64_t refused_batches;
	uint64_t sessions;		/* WELCOMEs since start */
	int64_t clock_offset_ns;	/* collector minus agent, best of the last 8 */
	int64_t clock_rtt_ns;		/* of that exchange; 0: never exchanged */
};

/* All pointers are borrowed and outlive the uplink.  The first connect is due at once. */
struct uplink *uplink_new(const struct uplink_opts *, const struct uplink_ops *ops, void *arg,
    struct spool *spool, const struct clock *clock, struct rng *rng);
/* Closes the conn (what is queued still goes) and frees. */
void uplink_free(struct uplink *);

/* Does what is due and returns when to call again.  Call it also after spool_put(), and
 * whenever conn_queued() may have fallen (a pass of the loop). */
struct mono uplink_tick(struct uplink *);

/* Sends the answer to a plan (kept for the next session if there is none now) and gives the
 * revision of later HELLOs; result is copied. */
void uplink_plan_result(struct uplink *, const Linkwatch__Pb__PlanResult *result);
/* The revision that a restarted agent still works by, for HELLO. */
void uplink_set_plan_revision(struct uplink *, uint64_t revision);
/* Drops the session and starts anew at once (new certificate, new collectors). */
void uplink_reconnect(struct uplink *, size_t collectors);

/* How the session stands, and counts since uplink_new(). */
void uplink_stat(const struct uplink *, struct uplink_stat *);
/* Static, for logs: "up". */
const char *uplink_state_name(enum uplink_state);

extern const struct conn_handler uplink_handler;	/* arg: the struct uplink */
