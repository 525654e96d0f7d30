/*
 * tls_server.c - accepting TLS connections within bounds (see tls.h).
 */
#include "common/tls.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/listener.h>

#include "common/conn_tls.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/tls_resume.h"

#define BACKLOG 1024
#define ACCEPT_PAUSE_MS 250		/* after EMFILE and its like */
#define RECHECK_SLICE 32		/* certificates in one pass of the loop: 0.2 ms each */

struct tls_server {
	struct event_base *base;	/* borrowed */
	SSL_CTX *ctx;			/* a reference of our own */
	struct evconnlistener *listener;	/* owned */
	struct event *resume;		/* owned */
	struct event *recheck;		/* owned */
	size_t unchecked;		/* conn[0] up to it are to be judged anew */
	struct tls_conn_opts o;
	struct conn **conn;		/* owned array of all connections */
	size_t conns, max;
	uint16_t port;
};

static void
put(struct tls_server *s, size_t slot, struct conn *conn)
{
	s->conn[slot] = conn;
	tls_conn_set_slot(conn, slot);
}

/* A connection is about to be freed. */
static void
server_conn_gone(void *owner, struct conn *conn)
{
	struct tls_server *s = owner;

	size_t at = tls_conn_slot(conn), last = --s->conns;

	/* The gap is filled from behind, first within those that a recheck has not seen yet. */
	if (at < s->unchecked) {
		put(s, at, s->conn[--s->unchecked]);
		at = s->unchecked;
	}
	if (at != last)
		put(s, at, s->conn[last]);
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct tls_server *s = arg;
	struct conn *conn;
	char address[64];

	(void)l;
	if (s->conns >= s->max) {
		close(fd);
		tls_address_format(address, sizeof address, sa, (socklen_t)len);
		log_limited(LOG_WARNING, "tls-full", 1,
		    "peer=%s: turned away: %zu connections are the limit", address, s->max);
		return;
	}
	if (tls_conn_accept(&conn, s->base, s->ctx, fd, sa, (socklen_t)len, &s->o) == 0)
		put(s, s->conns++, conn);
}

/* No descriptor left, most likely: the socket stays readable, so stop looking for a while. */
static void
on_accept_error(struct evconnlistener *l, void *arg)
{
	struct tls_server *s = arg;
	struct timeval tv = { .tv_usec = ACCEPT_PAUSE_MS * 1000 };
	int err = EVUTIL_SOCKET_ERROR();

	evconnlistener_disable(l);
	event_add(s->resume, &tv);
	log_limited(LOG_ERROR, "tls-accept", 1, "port=%u: cannot accept: %s", s->port,
	    strerror(err));
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct tls_server *s = arg;

	(void)fd, (void)what;
	evconnlistener_enable(s->listener);
}

/* From behind, so that who comes meanwhile, and is judged by its handshake, is not looked at. */
static void
on_recheck(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval now = { 0 };
	struct tls_server *s = arg;

	(void)fd, (void)what;
	for (int i = 0; i < RECHECK_SLICE && s->unchecked > 0; i++)
		tls_conn_recheck(s->conn[--s->unchecked], s->ctx);
	if (s->unchecked > 0)
		event_add(s->recheck, &now);
}

static int
resolve_numeric(const char *address, uint16_t port, struct addrinfo **out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	char service[8];

	snprintf(service, sizeof service, "%u", port);
	return getaddrinfo(address, service, &hints, out) == 0 ? 0 : -EINVAL;
}

static uint16_t
bound_port(evutil_socket_t fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

int
tls_listen(struct tls_server **out, struct event_base *base, struct ssl_ctx_st *ctx,
    const struct tls_server_opts *opts, const struct conn_handler *h, void *arg,
    char *err, size_t n)
{
	struct tls_server *s;
	struct addrinfo *ai;
	int r = resolve_numeric(opts->address, opts->port, &ai);

	*out = NULL;
	if (r != 0) {
		snprintf(err, n, "%s is no address", opts->address);
		return r;
	}
	s = xcalloc(1, sizeof *s);
	s->base = base;
	s->max = opts->max_conns > 0 ? (size_t)opts->max_conns : 1;
	s->conn = xcalloc(s->max, sizeof *s->conn);
	s->o = (struct tls_conn_opts){
		.handshake_ms = opts->handshake_ms, .idle_ms = opts->idle_ms,
		.queue_max = opts->queue_max, .ticket_ns = opts->ticket_ns, .h = h, .arg = arg, .gone = server_conn_gone,
		.owner = s,
	};
	tls_conn_defaults(&s->o);
	SSL_CTX_up_ref(ctx);
	s->ctx = ctx;
	errno = 0;
	s->resume = evtimer_new(base, on_resume, s);
	s->recheck = evtimer_new(base, on_recheck, s);
	s->listener = evconnlistener_new_bind(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG, ai->ai_addr, (int)ai->ai_addrlen);
	freeaddrinfo(ai);
	if (s->resume == NULL || s->recheck == NULL || s->listener == NULL) {
		r = errno > 0 ? -errno : -EIO;
		snprintf(err, n, "%s port %u: %s", opts->address, opts->port, strerror(-r));
		tls_server_free(s);
		return r;
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	s->port = bound_port(evconnlistener_get_fd(s->listener));
	*out = s;
	return 0;
}

uint16_t
tls_server_port(const struct tls_server *s)
{
	return s->port;
}

size_t
tls_server_conns(const struct tls_server *s)
{
	return s->conns;
}

bool
tls_server_context(struct tls_server *s, struct ssl_ctx_st *ctx)
{
	static const struct timeval now = { 0 };
	bool judge = !tls_resume_same_trust(s->ctx, ctx);

	SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->ctx);
	s->ctx = ctx;
	if (judge) {
		s->unchecked = s->conns;
		event_add(s->recheck, &now);
	}
	return judge;
}

void
tls_server_free(struct tls_server *s)
{
	if (s == NULL)
		return;
	if (s->listener != NULL)
		evconnlistener_free(s->listener);
	while (s->conns > 0)
		tls_conn_abort(s->conn[s->conns - 1], "the server stops");
	if (s->resume != NULL)
		event_free(s->resume);
	if (s->recheck != NULL)
		event_free(s->recheck);
	SSL_CTX_free(s->ctx);
	free(s->conn);
	free(s);
}
