/*
 * tcp_engine.h - what all TCP probes of a process share.
 *
 * All connects in flight hang on one epoll of our own, which is one event of
 * the loop, and their deadlines on one wheel with one timer.  At most
 * TCP_BURST of them begin in one turn of the loop; the others wait, and each
 * TCP_SPREAD_NS as many more begin, so that neither the loop is held up nor the
 * answers come all at once.
 * At most TCP_FLYING_MAX are in flight, and never so many that the process
 * would lack descriptors for the rest of its work: beyond that a request is
 * not sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "agent/wheel.h"

#define TCP_BURST 64
#define TCP_SPREAD_NS NS_PER_MS
#define TCP_FLYING_MAX 8192
#define TCP_RESERVE 128			/* descriptors left to others; of few, the half */

struct handshake;
struct probe;
struct ssl_ctx_st;
struct tcp_engine;

/* One request.  All but the engine's links is probe_tcp.c's. */
struct attempt {
	struct wheel_item deadline;	/* first: the wheel gives it back */
	LIST_ENTRY(attempt) mine;	/* of its probe */
	TAILQ_ENTRY(attempt) waiting;
	bool waits;			/* not begun yet */
	int fd;
	struct probe *probe;
	uint64_t token;
	int64_t sent_ns;		/* mono */
	int64_t refused_ns;		/* refused within connect() already, after so long; 0: no */
	int64_t rtt_ns;			/* > 0: connected, and shakes hands */
	int64_t shake_ns;		/* mono: when that began */
	bool again;			/* it had its second chance, see probe_tcp.c */
	bool leaves;			/* its result is told; only the far side has to close */
	struct handshake *handshake;
};

LIST_HEAD(attempts, attempt);

struct tcp_ops {
	/* Its turn has come, after it had to wait.  It may end it. */
	void (*begin)(struct attempt *);
	/* Something happened on its descriptor, seen at now, or its deadline passed. */
	void (*ready)(struct attempt *, struct mono now, bool expired);
};

struct event_base;

/* One more probe uses *e; the first one makes it.  ops: borrowed for ever.  0 or -errno. */
int tcp_engine_join(struct tcp_engine **e, struct event_base *, const struct clock *,
    const struct tcp_ops *ops);
/* One less, which has ended its attempts; with the last one *e goes and is NULL. */
void tcp_engine_leave(struct tcp_engine **e);
/* A zeroed one with no descriptor; NULL: too many are in flight. */
struct attempt *tcp_engine_take(struct tcp_engine *);
/* Takes it off epoll, wheel and queue, and closes its descriptor. */
void tcp_engine_end(struct tcp_engine *, struct attempt *);
/* May one begin at now?  If not, it stands in the queue, and begin() follows. */
bool tcp_engine_turn(struct tcp_engine *, struct attempt *, struct mono now);
/* Watches its descriptor, for reading too if so wished, until due_ns.  0 or -errno. */
int tcp_engine_watch(struct tcp_engine *, struct attempt *, bool reading, int64_t due_ns);
/* Another deadline. */
void tcp_engine_until(struct tcp_engine *, struct attempt *, int64_t due_ns);
/* The context of all handshakes, made when first asked for; NULL: OpenSSL lets us down. */
struct ssl_ctx_st *tcp_engine_tls(struct tcp_engine *);
