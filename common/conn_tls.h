/*
 * conn_tls.h - one TLS connection over libevent, between tls_server.c (which
 * accepts) and conn_tls.c.  Programs use tls.h and conn.h.
 */
#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>

#include "common/tls.h"

struct tls_conn_opts {
	int handshake_ms, idle_ms;
	size_t queue_max;
	int64_t ticket_ns;
	const struct conn_handler *h;	/* borrowed */
	void *arg;
	/* A listener's: the connection is about to be freed.  NULL: a client's. */
	void (*gone)(void *owner, struct conn *);
	void *owner;
};

/* Fills zeroes with the defaults of tls.h. */
void tls_conn_defaults(struct tls_conn_opts *);
/* Takes fd (closed on failure too).  -errno. */
int tls_conn_accept(struct conn **out, struct event_base *, struct ssl_ctx_st *, int fd,
    const struct sockaddr *, socklen_t, const struct tls_conn_opts *);
/* Where its owner has it, for gone(). */
size_t tls_conn_slot(const struct conn *);
void tls_conn_set_slot(struct conn *, size_t slot);
/* Ends it now: closed() if it was opened, then gone(). */
void tls_conn_abort(struct conn *, const char *why);
/* Fails it if its peer's certificate would not be taken by this context; closed() follows from the loop. */
void tls_conn_recheck(struct conn *, SSL_CTX *);
/* "192.0.2.7:4433", "[2001:db8::1]:4433". */
void tls_address_format(char *out, size_t n, const struct sockaddr *, socklen_t);
