/*
 * tls.h - mutual TLS 1.3 and the connections built on it.
 *
 * One SSL_CTX for each side: TLS 1.3 only, the peer's certificate required
 * and verified against our CA (purpose checked), CRL checked when a file is
 * named.  A reload builds a new context and swaps it.
 *
 * Sessions are resumed (tls_resume.h says under which conditions): by a client
 * always, by a server whose context was given keys for its tickets.
 */
#pragma once

#include <stdbool.h>
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
 * serverAuth); whether it has expired is the far side's to judge.
 */
struct ssl_ctx_st *tls_context_new(const struct tls_files *, bool server, char *err, size_t n);
/* notAfter of the context's own certificate, ns since 1970; 0 if unknown. */
int64_t tls_context_not_after(struct ssl_ctx_st *);

/*
 * The keys of a server's tickets, made anew each day and good for a week.  fd: of a file in memory
 * (memfd_create) that another process keeps open, so that a successor knows them; -1: none.  It is
 * borrowed, as are the tickets by the contexts that use them; both outlive those.
 */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(int fd);
void tls_tickets_free(struct tls_tickets *);	/* NULL is allowed */
/* A server's context gives tickets from now on, and takes them. */
void tls_context_tickets(struct ssl_ctx_st *, struct tls_tickets *);

struct tls_server_opts {
	const char *address;		/* "0.0.0.0", "::1" */
	uint16_t port;			/* 0: the kernel chooses */
	int max_conns;			/* beyond: closed at once */
	/*
	 * Handshakes that may take the loop's time at once (0: 16), so that a storm of them never holds up
	 * whom we serve for longer than these cost, about a millisecond each.  Whoever comes beyond
	 * waits in the line of tls_queue.h, of waiting_max places (0: 4096).  One that stands still for
	 * half a second, or has sent no whole ClientHello in a twentieth, is no longer counted, so that
	 * nobody can occupy the place.
	 */
	int handshakes, waiting_max;
	int handshake_ms, idle_ms;	/* deadlines; 0: 10 s, 90 s without a byte from the peer */
	size_t queue_max;		/* bytes queued to a slow reader: closed beyond; 0: 4 MiB */
	int64_t ticket_ns;		/* a peer that stays gets a new ticket so often; 0: 12 h */
};

/* h and arg are borrowed.  -errno with a line in err. */
int tls_listen(struct tls_server **out, struct event_base *, struct ssl_ctx_st *,
    const struct tls_server_opts *, const struct conn_handler *h, void *arg,
    char *err, size_t n);
uint16_t tls_server_port(const struct tls_server *);
/*
 * For new connections from now on.  If it believes others than the one before (CA, CRL), each open
 * connection is judged anew, some in each pass of the loop: whom it would not let in now is closed.
 * true: that has begun.
 */
bool tls_server_context(struct tls_server *, struct ssl_ctx_st *);
size_t tls_server_conns(const struct tls_server *);	/* open, shaking hands or closing */
struct tls_server_stat {
	size_t conns, shaking, waiting;	/* conns: as above */
	uint64_t opened, resumed;	/* handshakes that succeeded; by a ticket */
	uint64_t failed;		/* that did not */
	uint64_t turned_away;		/* for want of room, or who had gone when their turn came */
};
void tls_server_stat(const struct tls_server *, struct tls_server_stat *);
/* Did this connection resume a session?  From opened() on. */
bool tls_conn_is_resumed(const struct conn *);
/* Ends all connections at once; each that was opened gets closed().  Not from a callback; NULL is
 * allowed. */
void tls_server_free(struct tls_server *);

/*
 * Starts to connect; opened() or closed() follows.  expect: the role that the
 * far side must have; expect_id: its id, or NULL for any.  The handshake may
 * take 30 s, since a server may let us wait in its line; the other deadline and
 * the bound of the queue are the defaults of tls_server_opts.  0 or -errno.
 */
int tls_connect(struct conn **out, struct event_base *, struct ssl_ctx_st *,
    const struct sockaddr *, socklen_t, enum role expect, const char *expect_id,
    const struct conn_handler *h, void *arg);
