/*
 * tls.h - mutual TLS 1.3 and the connections built on it.
 *
 * One SSL_CTX for each side: TLS 1.3 only, the peer's certificate required
 * and verified against our CA (purpose checked), CRL checked when a file is
 * named.  A reload builds a new context and swaps it.
 */
#pragma once

#include <sys/socket.h>

#include "common/clock.h"
#include "common/conn.h"

struct event_base;
struct ssl_ctx_st;
struct tls_server;

struct tls_files {
	const char *ca, *cert, *key;	/* PEM paths */
	const char *crl;		/* NULL: none */
};

/*
 * Owned by the caller (SSL_CTX_free); NULL with a line in err.  Our own
 * certificate must carry a name of ours and fit the side (clientAuth or
 * serverAuth); whether it has expired is the far side's to judge.  Sessions
 * are never resumed: each connection is checked against the CRL of today.
 */
struct ssl_ctx_st *tls_context_new(const struct tls_files *, bool server, char *err, size_t n);
/* notAfter of the context's own certificate, ns since 1970; 0 if unknown. */
int64_t tls_context_not_after(struct ssl_ctx_st *);

struct tls_server_opts {
	const char *address;		/* "0.0.0.0", "::1" */
	uint16_t port;			/* 0: the kernel chooses */
	int max_conns;			/* beyond: closed at once */
	int handshake_ms, idle_ms;	/* deadlines; 0: 10 s, 90 s without a byte from the peer */
	size_t queue_max;		/* bytes queued to a slow reader: closed beyond; 0: 4 MiB */
};

/* h and arg are borrowed.  -errno with a line in err. */
int tls_listen(struct tls_server **out, struct event_base *, struct ssl_ctx_st *,
    const struct tls_server_opts *, const struct conn_handler *h, void *arg,
    char *err, size_t n);
uint16_t tls_server_port(const struct tls_server *);
void tls_server_context(struct tls_server *, struct ssl_ctx_st *);	/* for new connections */
size_t tls_server_conns(const struct tls_server *);	/* open, shaking hands or closing */
/* Ends all connections at once; each that was opened gets closed().  Not from a callback; NULL is
 * allowed. */
void tls_server_free(struct tls_server *);

/*
 * Starts to connect; opened() or closed() follows.  expect: the role that the
 * far side must have; expect_id: its id, or NULL for any.  Deadlines and the
 * bound of the queue are the defaults of tls_server_opts.  0 or -errno.
 */
int tls_connect(struct conn **out, struct event_base *, struct ssl_ctx_st *,
    const struct sockaddr *, socklen_t, enum role expect, const char *expect_id,
    const struct conn_handler *h, void *arg);
