/*
 * conn_tls.h - one TLS connection over libevent, between tls_server.c (which
 * accepts) and conn_tls.c.  Programs use tls.h and conn.h.
 */
#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/queue.h>

#include "common/tls.h"

struct tls_conn_opts {
	int handshake_ms, idle_ms;
	size_t queue_max;
	int64_t ticket_ns;
	const struct conn_handler *h;	/* borrowed */
	void *arg;
	/* A listener's: the connection is about to be freed.  NULL: a client's. */
	void (*gone)(void *owner, struct conn *);
	/* A listener's: its handshake is done, before opened(); or it has failed. */
	void (*shaken)(void *owner, struct conn *, bool good);
	void *owner;
};

/* Fills zeroes with the defaults of tls.h. */
void tls_conn_defaults(struct tls_conn_opts *);
/* Takes fd (closed on failure too).  -errno. */
int tls_conn_accept(struct conn **out, struct event_base *, struct ssl_ctx_st *, int fd,
    const struct sockaddr *, socklen_t, const struct tls_conn_opts *);
/* What a listener keeps with each of its connections. */
struct tls_seat {
	struct conn *conn;
	size_t slot;			/* in the array of all */
	struct mono began;		/* its handshake */
	bool shaking;			/* which is not done yet */
	bool busy;			/* and counts among those that are bounded */
	TAILQ_ENTRY(tls_seat) entry;	/* of those that are shaking, the oldest first */
};
struct tls_seat *tls_conn_seat(struct conn *);
/* Ends it now: closed() if it was opened, then gone(). */
void tls_conn_abort(struct conn *, const char *why);
bool tls_conn_is_quiet(const struct conn *);	/* it has sent nothing, or too little to be answered */
/* A handshake that takes too long while others wait: fails with this line, from the loop. */
void tls_conn_give_up(struct conn *, const char *why);
/* Fails it if its peer's certificate would not be taken by this context; closed() follows from the loop. */
void tls_conn_recheck(struct conn *, SSL_CTX *);
/* "192.0.2.7:4433", "[2001:db8::1]:4433". */
void tls_address_format(char *out, size_t n, const struct sockaddr *, socklen_t);
