/*
 * tls_server.c - accepting TLS connections within bounds (see tls.h).
 */
#include "common/tls.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/listener.h>

#include "common/conn_tls.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/tls_queue.h"
#include "common/tls_resume.h"

#define BACKLOG 4096			/* as far as net.core.somaxconn goes */
#define ACCEPT_PAUSE_MS 250		/* after EMFILE and its like */
#define RECHECK_SLICE 32		/* certificates in one pass of the loop: 0.2 ms each */
#define HANDSHAKES 16
#define WAITING_MAX 4096
#define BUSY_NS (NS_PER_S / 2)		/* a handshake that takes longer waits for its peer, not for us */
#define QUIET_NS (NS_PER_S / 20)	/* a client speaks first: one that does not, or not to the end, gives way sooner */
#define STILL_MAX 1024			/* of those, all together */
#define PATIENCE_NS (30 * NS_PER_S)	/* who waited so long has given up: ours do */
#define LINE_TICK_US 50000
#define STORM 100			/* in the line: worth a word in the log */

struct tls_server {
	struct event_base *base;	/* borrowed */
	SSL_CTX *ctx;			/* a reference of our own */
	struct evconnlistener *listener;	/* owned */
	struct event *resume;		/* owned */
	struct event *recheck;		/* owned */
	struct event *line;		/* owned: ticks while somebody waits or shakes hands */
	size_t unchecked;		/* conn[0] up to it are to be judged anew */
	struct tls_conn_opts o;
	struct conn **conn;		/* owned array of all connections, of max */
	size_t conns, max;
	struct tls_queue *queue;	/* owned: accepted, nothing done yet */
	TAILQ_HEAD(shaking, tls_seat) shaking;
	size_t busy, busy_max, shakes;	/* shakes: length of shaking */
	struct mono storm;		/* since when; 0: none */
	uint64_t storm_opened, storm_resumed;
	struct tls_server_stat stat;
	uint16_t port;
};

static struct mono
now(void)
{
	return clock_mono(clock_real());
}

static void
put(struct tls_server *s, size_t slot, struct conn *conn)
{
	s->conn[slot] = conn;
	tls_conn_seat(conn)->slot = slot;
}

/* --------------------------------------------------------------- the line */

static void
turn_away(struct tls_server *s, const struct tls_waiting *w, const char *why)
{
	char address[64];

	close(w->fd);
	s->stat.turned_away++;
	tls_address_format(address, sizeof address, &w->addr.sa, w->len);
	log_limited(LOG_WARNING, "tls-full", 1, "peer=%s: turned away: %s", address, why);
}

/* Is the far side still there?  A handshake with who has given up is work for nothing. */
static bool
still_there(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof info;

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
	    info.tcpi_state == TCP_ESTABLISHED;
}

static void
begin_handshake(struct tls_server *s, const struct tls_waiting *w)
{
	struct tls_seat *seat;
	struct conn *conn;

	if (tls_conn_accept(&conn, s->base, s->ctx, w->fd, &w->addr.sa, w->len, &s->o) != 0)
		return;
	put(s, s->conns++, conn);
	seat = tls_conn_seat(conn);
	seat->conn = conn;
	seat->began = now();
	seat->shaking = seat->busy = true;
	TAILQ_INSERT_TAIL(&s->shaking, seat, entry);
	s->shakes++;
	s->busy++;
}

/* A storm begins with a long line, and ends with an empty one. */
static void
watch_storm(struct tls_server *s)
{
	size_t n = tls_queue_count(s->queue);

	if (s->storm.ns == 0 && n >= STORM) {
		s->storm = now();
		s->storm_opened = s->stat.opened;
		s->storm_resumed = s->stat.resumed;
		log_notice("tls: many connect at once, %zu wait for their handshake", n);
	} else if (s->storm.ns != 0 && n == 0) {
		log_notice("tls: nobody waits any more, %" PRIu64 " came in within %.1f s, %" PRIu64
		    " of them by resumption", s->stat.opened - s->storm_opened,
		    (double)(now().ns - s->storm.ns) / NS_PER_S, s->stat.resumed - s->storm_resumed);
		s->storm.ns = 0;
	}
}

/* Whoever's turn it is, as long as there is room. */
static void
serve_line(struct tls_server *s)
{
	static const struct timeval tick = { .tv_usec = LINE_TICK_US };
	struct tls_waiting w;

	while (s->busy < s->busy_max && s->shakes < s->busy_max + STILL_MAX &&
	    tls_queue_get(s->queue, &w)) {
		if (now().ns - w.since.ns > PATIENCE_NS || !still_there(w.fd)) {
			close(w.fd);
			s->stat.turned_away++;
		} else {
			begin_handshake(s, &w);
		}
	}
	watch_storm(s);
	if ((s->shakes > 0 || tls_queue_count(s->queue) > 0) && !evtimer_pending(s->line, NULL))
		event_add(s->line, &tick);
}

static void
leave_line(struct tls_server *s, struct tls_seat *seat)
{
	if (!seat->shaking)
		return;
	TAILQ_REMOVE(&s->shaking, seat, entry);
	seat->shaking = false;
	s->shakes--;
	s->busy -= seat->busy;
	seat->busy = false;
}

/* Those who keep us waiting give up their place, and if there are too many of them, the oldest go. */
static void
on_line(evutil_socket_t fd, short what, void *arg)
{
	struct tls_server *s = arg;
	struct tls_seat *seat, *next;
	struct mono t = now();

	(void)fd, (void)what;
	for (seat = TAILQ_FIRST(&s->shaking); seat != NULL && t.ns - seat->began.ns >= QUIET_NS; seat = next) {
		bool slow = t.ns - seat->began.ns >= BUSY_NS;

		next = TAILQ_NEXT(seat, entry);
		if (!slow && !(seat->busy && tls_conn_is_quiet(seat->conn)))
			continue;
		s->busy -= seat->busy;
		seat->busy = false;
		if (slow && tls_queue_count(s->queue) > 0 && s->shakes >= s->busy_max + STILL_MAX)
			tls_conn_give_up(seat->conn, "its handshake is slow, and others wait");
	}
	serve_line(s);
}

/* A handshake is over, one way or the other. */
static void
on_shaken(void *owner, struct conn *conn, bool good)
{
	struct tls_server *s = owner;

	leave_line(s, tls_conn_seat(conn));
	s->stat.opened += good;
	s->stat.failed += !good;
	s->stat.resumed += good && tls_conn_is_resumed(conn);
	if (tls_queue_count(s->queue) > 0 || s->storm.ns != 0)
		serve_line(s);
}

/* A connection is about to be freed. */
static void
server_conn_gone(void *owner, struct conn *conn)
{
	struct tls_server *s = owner;
	size_t at = tls_conn_seat(conn)->slot, last = --s->conns;

	leave_line(s, tls_conn_seat(conn));
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
	struct tls_waiting out = { .fd = fd, .len = (socklen_t)len };

	(void)l;
	if (out.len > sizeof out.addr)
		out.len = sizeof out.addr;
	memcpy(&out.addr, sa, out.len);
	if (s->conns + tls_queue_count(s->queue) >= s->max) {
		char why[64];

		snprintf(why, sizeof why, "%zu connections are the limit", s->max);
		turn_away(s, &out, why);
		return;
	}
	if (tls_queue_put(s->queue, fd, sa, (socklen_t)len, now(), &out))
		turn_away(s, &out, "too many of its address wait");
	serve_line(s);
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
	static const struct timeval soon = { 0 };
	struct tls_server *s = arg;

	(void)fd, (void)what;
	for (int i = 0; i < RECHECK_SLICE && s->unchecked > 0; i++)
		tls_conn_recheck(s->conn[--s->unchecked], s->ctx);
	if (s->unchecked > 0)
		event_add(s->recheck, &soon);
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
	s->busy_max = opts->handshakes > 0 ? (size_t)opts->handshakes : HANDSHAKES;
	s->queue = tls_queue_new(opts->waiting_max > 0 ? (size_t)opts->waiting_max : WAITING_MAX);
	TAILQ_INIT(&s->shaking);
	s->conn = xcalloc(s->max, sizeof *s->conn);
	s->o = (struct tls_conn_opts){
		.handshake_ms = opts->handshake_ms, .idle_ms = opts->idle_ms,
		.queue_max = opts->queue_max, .ticket_ns = opts->ticket_ns, .h = h, .arg = arg, .gone = server_conn_gone,
		.shaken = on_shaken, .owner = s,
	};
	tls_conn_defaults(&s->o);
	SSL_CTX_up_ref(ctx);
	s->ctx = ctx;
	errno = 0;
	s->resume = evtimer_new(base, on_resume, s);
	s->recheck = evtimer_new(base, on_recheck, s);
	s->line = evtimer_new(base, on_line, s);
	s->listener = evconnlistener_new_bind(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG, ai->ai_addr, (int)ai->ai_addrlen);
	freeaddrinfo(ai);
	if (s->resume == NULL || s->recheck == NULL || s->line == NULL || s->listener == NULL) {
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

void
tls_server_stat(const struct tls_server *s, struct tls_server_stat *st)
{
	*st = s->stat;
	st->conns = s->conns;
	st->shaking = s->shakes;
	st->waiting = tls_queue_count(s->queue);
}

bool
tls_server_context(struct tls_server *s, struct ssl_ctx_st *ctx)
{
	static const struct timeval soon = { 0 };
	bool judge = !tls_resume_same_trust(s->ctx, ctx);

	SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->ctx);
	s->ctx = ctx;
	if (judge) {
		s->unchecked = s->conns;
		event_add(s->recheck, &soon);
	}
	return judge;
}

void
tls_server_free(struct tls_server *s)
{
	struct tls_waiting w;

	if (s == NULL)
		return;
	if (s->listener != NULL)
		evconnlistener_free(s->listener);
	while (tls_queue_get(s->queue, &w))
		close(w.fd);
	while (s->conns > 0)
		tls_conn_abort(s->conn[s->conns - 1], "the server stops");
	if (s->resume != NULL)
		event_free(s->resume);
	if (s->recheck != NULL)
		event_free(s->recheck);
	if (s->line != NULL)
		event_free(s->line);
	tls_queue_free(s->queue);
	SSL_CTX_free(s->ctx);
	free(s->conn);
	free(s);
}
