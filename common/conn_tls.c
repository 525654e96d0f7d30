/*
 * conn_tls.c - the real side of conn.h: frames over TLS over libevent.
 *
 * A connection is HANDSHAKE, then OPEN, then CLOSING (we said goodbye: what is
 * queued goes out, what comes in is thrown away so that no RST overtakes our
 * last words) or FAILED (the handler is told from the loop).  It is freed only
 * from its timer or a libevent callback, never inside a call on the conn.
 *
 * The input is bounded by a high-water mark of one whole frame, so that what is
 * left in it is always less.  While paused it may stand above the mark; then
 * reading must be disabled too, or libevent 2.1 calls back for ever.
 */
#include "common/conn_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/util.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/frame.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/tls_resume.h"

#define HANDSHAKE_MS 10000
#define PATIENCE_MS 30000		/* a client's: it may have to wait in the server's line */
#define IDLE_MS 90000
#define QUEUE_MAX ((size_t)4 * 1024 * 1024)
#define CLOSING_MS 2000
#define TICKET_NS (12 * 3600 * NS_PER_S)
#define INPUT_MAX (FRAME_HEADER + FRAME_MAX)

enum state { HANDSHAKE, OPEN, CLOSING, FAILED };

struct tls_conn {
	struct conn conn;		/* first: the handler's view */
	struct tls_conn_opts o;
	struct bufferevent *bev;	/* owned */
	struct event *timer;		/* owned: deadline of the state */
	enum state state;
	bool paused, opened, said_goodbye;
	bool silent;			/* never sent a byte before it went */
	bool server;
	enum role expect;		/* clients: ROLE_NOBODY is any */
	char expect_id[ID_MAX + 1];
	char *far;			/* owned; clients: whose session to resume */
	struct tls_seat seat;		/* servers: the listener's */
	struct mono ticket_at;		/* servers: of the last ticket */
	char address[64];
	char why[256];			/* of FAILED, and what the verifier found */
};

static const struct conn_ops tls_conn_ops;

void
tls_conn_defaults(struct tls_conn_opts *o)
{
	if (o->handshake_ms <= 0)
		o->handshake_ms = HANDSHAKE_MS;
	if (o->idle_ms <= 0)
		o->idle_ms = IDLE_MS;
	if (o->queue_max == 0)
		o->queue_max = QUEUE_MAX;
	if (o->ticket_ns == 0)
		o->ticket_ns = TICKET_NS;
}

void
tls_address_format(char *out, size_t n, const struct sockaddr *sa, socklen_t len)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const void *)sa;

		evutil_inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(out, n, "%s:%u", host, ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in = (const void *)sa;

		evutil_inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(out, n, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		snprintf(out, n, "?");
	}
}

static void
set_timer(struct tls_conn *c, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(c->timer, &tv);
}

static void
conn_destroy(struct tls_conn *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

	if (c->o.gone != NULL)
		c->o.gone(c->o.owner, &c->conn);
	SSL_set_app_data(ssl, NULL);
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN | SSL_SENT_SHUTDOWN);
	bufferevent_free(c->bev);
	event_free(c->timer);
	ERR_clear_error();
	free(c->far);
	free(c);
}

/* The end, told to whom it concerns; from the loop only. */
static void
conn_finish(struct tls_conn *c)
{
	if (c->state == FAILED) {
		if (c->opened || !c->server) {
			c->o.h->closed(c->o.arg, &c->conn, c->why);
		} else if (c->silent) {
			log_debug("peer=%s: came and went without a word", c->address);
		} else {
			log_limited(LOG_WARNING, "tls-refused", 10, "peer=%s: refused: %s",
			    c->address, c->why);
			if (c->o.h->refused != NULL)
				c->o.h->refused(c->o.arg, c->address, c->why);
		}
	}
	conn_destroy(c);
}

/* Marks it as failed; conn_finish() follows from the loop.  The first reason stands. */
__attribute__((format(printf, 2, 3)))
static void
conn_fail(struct tls_conn *c, const char *fmt, ...)
{
	va_list ap;

	if (c->state == FAILED)
		return;
	if (c->state == HANDSHAKE && c->server)
		c->o.shaken(c->o.owner, &c->conn, false);
	if (c->state != CLOSING) {
		va_start(ap, fmt);
		vsnprintf(c->why, sizeof c->why, fmt, ap);
		va_end(ap);
		c->state = FAILED;
	}
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	set_timer(c, 0);
}

/* ------------------------------------------------------- certificate checks */

/* Called by OpenSSL for each certificate of the chain; keeps the reason of a refusal. */
static int
verify_callback(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *c = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	const char *reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
	struct identity id = { 0 };
	char subject[96] = "", clean[200], ignored[8];

	if (ok || c == NULL)
		return ok;
	if (cert != NULL && identity_from_cert(cert, &id, ignored, sizeof ignored) == 0) {
		snprintf(c->why, sizeof c->why, "certificate of %s %s: %s", role_name(id.role),
		    id.id, reason);
	} else {
		if (cert != NULL)
			X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
		snprintf(c->why, sizeof c->why, "certificate \"%s\": %s",
		    log_escape(clean, sizeof clean, subject, strlen(subject)), reason);
	}
	return 0;
}

/* The chain is good: is the peer somebody whom this side may talk to? */
static int
check_peer(struct tls_conn *c, struct identity *peer)
{
	X509 *cert = SSL_get0_peer_certificate(bufferevent_openssl_get_ssl(c->bev));
	uint32_t want = c->server ? XKU_SSL_CLIENT : XKU_SSL_SERVER, usage;
	char why[200];

	if (cert == NULL) {
		conn_fail(c, "no certificate");
		return -EACCES;
	}
	if (identity_from_cert(cert, peer, why, sizeof why) != 0) {
		conn_fail(c, "%s", why);
		return -EACCES;
	}
	/* OpenSSL lets a certificate without the extension pass for every purpose. */
	usage = X509_get_extended_key_usage(cert);
	if (usage == UINT32_MAX || (usage & want) == 0) {
		conn_fail(c, "certificate of %s %s: extendedKeyUsage does not name %s",
		    role_name(peer->role), peer->id, c->server ? "clientAuth" : "serverAuth");
		return -EACCES;
	}
	if ((c->expect != ROLE_NOBODY && peer->role != c->expect) ||
	    (c->expect_id[0] != '\0' && strcmp(peer->id, c->expect_id) != 0)) {
		conn_fail(c, "the far side is %s %s, expected %s %s", role_name(peer->role),
		    peer->id, role_name(c->expect),
		    c->expect_id[0] != '\0' ? c->expect_id : "(any)");
		return -EACCES;
	}
	return 0;
}

/* What a full handshake would say now of the chain that the peer sent, in c->why: 1, or not. */
static int
verify_again(struct tls_conn *c, SSL_CTX *ctx)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	X509_STORE_CTX *v = X509_STORE_CTX_new();
	int r = 0;

	snprintf(c->why, sizeof c->why, "its certificate cannot be verified");
	if (v != NULL && X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ctx),
	    SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl)) == 1 &&
	    X509_STORE_CTX_set_default(v, "ssl_client") == 1 &&
	    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(v), SSL_CTX_get0_param(ctx)) == 1 &&
	    X509_STORE_CTX_set_ex_data(v, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) == 1) {
		X509_STORE_CTX_set_verify_cb(v, verify_callback);
		r = X509_verify_cert(v);
	}
	X509_STORE_CTX_free(v);
	ERR_clear_error();
	return r;
}

void
tls_conn_recheck(struct conn *conn, SSL_CTX *ctx)
{
	struct tls_conn *c = (struct tls_conn *)conn;
	char why[sizeof c->why];

	/* One whose session was resumed sent no chain: if it needs more than its own certificate it
	 * fails here, and comes back by a full handshake. */
	if (c->state != OPEN || verify_again(c, ctx) == 1)
		return;
	memcpy(why, c->why, sizeof why);
	conn_fail(c, "%s", why);
}

/* --------------------------------------------------------------- the loop */

/* Hands every whole frame in the input to the handler. */
static void
take_frames(struct tls_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	while (c->state == OPEN && !c->paused) {
		size_t have = evbuffer_get_length(in), want;
		uint8_t head[FRAME_HEADER];
		struct frame f;
		const uint8_t *p;
		ssize_t n;

		if (have < FRAME_HEADER)
			return;
		evbuffer_copyout(in, head, sizeof head);
		n = frame_parse(head, sizeof head, &f);
		if (n < 0) {
			conn_fail(c, "%s", n == -EMSGSIZE ? "frame too long" : "not a frame");
			return;
		}
		want = FRAME_HEADER + ((size_t)head[0] << 24 | (size_t)head[1] << 16 |
		    (size_t)head[2] << 8 | head[3]);
		if (have < want)
			return;
		p = evbuffer_pullup(in, (ev_ssize_t)want);
		if (p == NULL || frame_parse(p, want, &f) <= 0) {
			conn_fail(c, "not a frame");
			return;
		}
		c->o.h->frame(c->o.arg, &c->conn, f.type, f.payload, f.len);
		evbuffer_drain(in, want);
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct tls_conn *c = arg;

	if (c->state == CLOSING) {
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
		return;
	}
	if (c->state != OPEN)
		return;
	set_timer(c, c->o.idle_ms);
	take_frames(c);
}

/* Everything queued was handed over: in CLOSING that was the last word. */
static void
on_write(struct bufferevent *bev, void *arg)
{
	struct tls_conn *c = arg;

	if (c->state != CLOSING || c->said_goodbye ||
	    evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	c->said_goodbye = true;
	SSL_shutdown(bufferevent_openssl_get_ssl(bev));
	ERR_clear_error();
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

/* Empties OpenSSL's and libevent's errors into one line. */
static void
describe_error(struct tls_conn *c, int sock_error, char *out, size_t n)
{
	unsigned long e, first = 0;
	const char *reason;

	while ((e = bufferevent_get_openssl_error(c->bev)) != 0)
		if (first == 0 && ERR_GET_LIB(e) != 0)
			first = e;
	ERR_clear_error();
	reason = first != 0 ? ERR_reason_error_string(first) : NULL;
	if (reason != NULL && c->state == HANDSHAKE && !c->server)
		tls_resume_forget(SSL_get_SSL_CTX(bufferevent_openssl_get_ssl(c->bev)), c->far);
	if (c->state == HANDSHAKE && c->why[0] != '\0')
		snprintf(out, n, "%s", c->why);		/* the verifier knows better */
	else if (reason != NULL)
		snprintf(out, n, "TLS: %s", reason);
	else if (sock_error != 0)
		snprintf(out, n, "%s", evutil_socket_error_to_string(sock_error));
	else
		snprintf(out, n, "%s", c->state == HANDSHAKE ?
		    "closed during the handshake" : "closed by the peer");
}

static void
on_connected(struct tls_conn *c)
{
	struct identity peer;
	int one = 1;

	c->why[0] = '\0';
	/* An end without close_notify is an end too: frames have lengths, batches acks. */
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	setsockopt(bufferevent_getfd(c->bev), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (check_peer(c, &peer) != 0)
		return;
	c->state = OPEN;
	c->opened = true;
	if (c->server) {
		c->ticket_at = clock_mono(clock_real());
		c->o.shaken(c->o.owner, &c->conn, true);
	}
	set_timer(c, c->o.idle_ms);
	c->o.h->opened(c->o.arg, &c->conn, &peer);
	take_frames(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct tls_conn *c = arg;
	int sock_error = EVUTIL_SOCKET_ERROR();
	char why[256];

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0) {
		if (c->state == HANDSHAKE)
			on_connected(c);
		return;
	}
	if (c->state == OPEN)
		take_frames(c);		/* what came before the end */
	/* A port that is probed by TCP alone, by an agent of ours perhaps, turns nobody away. */
	c->silent = c->state == HANDSHAKE &&
	    BIO_number_read(SSL_get_rbio(bufferevent_openssl_get_ssl(c->bev))) == 0;
	describe_error(c, (what & BEV_EVENT_ERROR) != 0 ? sock_error : 0, why, sizeof why);
	conn_fail(c, "%s", why);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tls_conn *c = arg;

	(void)fd, (void)what;
	switch (c->state) {
	case HANDSHAKE:
		conn_fail(c, "no TLS handshake within %d ms", c->o.handshake_ms);
		break;
	case OPEN:
		if (c->paused) {	/* we do not listen: no fault of the peer's */
			set_timer(c, c->o.idle_ms);
			break;
		}
		conn_fail(c, "nothing heard for %.1f s", c->o.idle_ms / 1000.0);
		break;
	case CLOSING:
	case FAILED:
		conn_finish(c);
		break;
	}
}

/* ---------------------------------------------------------- the conn's side */

/* A ticket is good for a week, a connection may stand for years: the next write takes a new one along. */
static void
renew_ticket(struct tls_conn *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	struct mono now = clock_mono(clock_real());

	if (now.ns - c->ticket_at.ns < c->o.ticket_ns)
		return;
	c->ticket_at = now;
	if (SSL_get_num_tickets(ssl) > 0)
		(void)SSL_new_session_ticket(ssl);
}

static int
tls_send(struct conn *conn, uint8_t type, const void *payload, size_t len)
{
	struct tls_conn *c = (struct tls_conn *)conn;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct evbuffer_iovec v;

	if (len > FRAME_MAX)
		return -EMSGSIZE;
	if (c->state == HANDSHAKE)
		return -ENOTCONN;
	if (c->state != OPEN)
		return -EPIPE;
	if (evbuffer_get_length(out) + FRAME_HEADER + len > c->o.queue_max) {
		conn_fail(c, "the peer does not read: %zu bytes wait", evbuffer_get_length(out));
		return -EPIPE;
	}
	if (c->server)
		renew_ticket(c);
	if (evbuffer_reserve_space(out, (ev_ssize_t)(FRAME_HEADER + len), &v, 1) != 1)
		abort();		/* out of memory */
	frame_header(v.iov_base, type, (uint32_t)len);
	if (len > 0)
		memcpy((uint8_t *)v.iov_base + FRAME_HEADER, payload, len);
	v.iov_len = FRAME_HEADER + len;
	evbuffer_commit_space(out, &v, 1);
	return 0;
}

static size_t
tls_queued(const struct conn *conn)
{
	const struct tls_conn *c = (const struct tls_conn *)conn;

	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void
tls_pause(struct conn *conn, int paused)
{
	struct tls_conn *c = (struct tls_conn *)conn;

	if (c->state != OPEN || c->paused == (paused != 0))
		return;
	c->paused = paused != 0;
	if (c->paused) {
		bufferevent_disable(c->bev, EV_READ);
	} else {
		bufferevent_enable(c->bev, EV_READ);
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS |
		    BEV_TRIG_DEFER_CALLBACKS);
	}
}

static void
tls_close(struct conn *conn)
{
	struct tls_conn *c = (struct tls_conn *)conn;

	if (c->state == CLOSING)
		return;
	/* FAILED: closed() was still to come; now it will not. */
	if (c->state == FAILED || c->state == HANDSHAKE) {
		c->state = CLOSING;
		set_timer(c, 0);
		return;
	}
	c->state = CLOSING;
	c->paused = false;
	set_timer(c, CLOSING_MS);
	bufferevent_enable(c->bev, EV_READ);
	bufferevent_trigger(c->bev, EV_READ | EV_WRITE, BEV_TRIG_IGNORE_WATERMARKS |
	    BEV_TRIG_DEFER_CALLBACKS);
}

static const char *
tls_address(const struct conn *conn)
{
	return ((const struct tls_conn *)conn)->address;
}

static const struct conn_ops tls_conn_ops = {
	.send = tls_send, .queued = tls_queued, .pause = tls_pause, .close = tls_close,
	.address = tls_address,
};

struct tls_seat *
tls_conn_seat(struct conn *conn)
{
	return &((struct tls_conn *)conn)->seat;
}

bool
tls_conn_is_quiet(const struct conn *conn)
{
	const struct tls_conn *c = (const struct tls_conn *)conn;

	return BIO_number_written(SSL_get_wbio(bufferevent_openssl_get_ssl(c->bev))) == 0;
}

void
tls_conn_give_up(struct conn *conn, const char *why)
{
	struct tls_conn *c = (struct tls_conn *)conn;

	if (c->state == HANDSHAKE)
		conn_fail(c, "%s", why);
}

bool
tls_conn_is_resumed(const struct conn *conn)
{
	const struct tls_conn *c = (const struct tls_conn *)conn;

	return SSL_session_reused(bufferevent_openssl_get_ssl(c->bev)) == 1;
}

const char *
tls_resume_key(const SSL *ssl)
{
	const struct tls_conn *c = SSL_get_app_data(ssl);

	return c != NULL && !c->server ? c->far : NULL;
}

void
tls_conn_abort(struct conn *conn, const char *why)
{
	struct tls_conn *c = (struct tls_conn *)conn;

	if (c->opened && c->state != CLOSING)
		c->o.h->closed(c->o.arg, &c->conn, why);
	conn_destroy(c);
}

/* ---------------------------------------------------------------- beginnings */

static struct tls_conn *
conn_new(struct event_base *base, struct ssl_ctx_st *ctx, int fd, const struct tls_conn_opts *o)
{
	struct tls_conn *c = xcalloc(1, sizeof *c);
	SSL *ssl;

	c->conn.ops = &tls_conn_ops;
	c->o = *o;
	c->server = o->gone != NULL;
	ERR_clear_error();
	ssl = SSL_new(ctx);
	if (ssl == NULL) {
		free(c);
		return NULL;
	}
	SSL_set_app_data(ssl, c);
	SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify_callback);
	c->bev = bufferevent_openssl_socket_new(base, fd, ssl, c->server ?
	    BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (c->bev == NULL) {
		SSL_free(ssl);
		free(c);
		return NULL;
	}
	bufferevent_setwatermark(c->bev, EV_READ, 0, INPUT_MAX);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	c->timer = evtimer_new(base, on_timer, c);
	if (c->timer == NULL)
		abort();		/* out of memory */
	set_timer(c, c->o.handshake_ms);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	return c;
}

int
tls_conn_accept(struct conn **out, struct event_base *base, struct ssl_ctx_st *ctx, int fd,
    const struct sockaddr *sa, socklen_t len, const struct tls_conn_opts *o)
{
	struct tls_conn *c = conn_new(base, ctx, fd, o);

	if (c == NULL) {
		close(fd);
		return -EIO;
	}
	tls_address_format(c->address, sizeof c->address, sa, len);
	*out = &c->conn;
	return 0;
}

int
tls_connect(struct conn **out, struct event_base *base, struct ssl_ctx_st *ctx,
    const struct sockaddr *sa, socklen_t len, enum role expect, const char *expect_id,
    const struct conn_handler *h, void *arg)
{
	struct tls_conn_opts o = { .h = h, .arg = arg };
	struct tls_conn *c;
	int r;

	if (expect_id != NULL && !id_is_valid(expect_id))
		return -EINVAL;
	o.handshake_ms = PATIENCE_MS;
	tls_conn_defaults(&o);
	c = conn_new(base, ctx, -1, &o);
	if (c == NULL)
		return -EIO;
	c->expect = expect;
	snprintf(c->expect_id, sizeof c->expect_id, "%s", expect_id != NULL ? expect_id : "");
	tls_address_format(c->address, sizeof c->address, sa, len);
	c->far = xasprintf("%s %s at %s", role_name(expect), c->expect_id, c->address);
	tls_resume_offer(bufferevent_openssl_get_ssl(c->bev), c->far);
	errno = 0;
	if (bufferevent_socket_connect(c->bev, sa, (int)len) != 0) {
		r = errno > 0 ? -errno : -EIO;
		conn_destroy(c);
		return r;
	}
	*out = &c->conn;
	return 0;
}
