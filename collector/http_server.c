/*
 * http_server.c - evhttp over TLS with a cap, deadlines and security headers.
 *
 * What belongs to a connection hangs on its SSL object (ex_data): that object
 * lives exactly as long as evhttp keeps the connection, and its free callback
 * is the only sign of the end that never fails to come.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/http_server.h"
#include "common/log.h"
#include "common/mem.h"

struct http_server {
	struct evhttp *http;
	struct event_base *base;
	SSL_CTX *ctx;
	int ex_index;
	int max_conns, max_of_address;
	int admitted;
	struct http_server_stat stat;
	struct http_conn *head;
	uint16_t port;
	void (*handler)(void *arg, struct evhttp_request *);
	void *arg;
};

struct http_conn {
	struct http_server *server;
	struct bufferevent *bev;	/* evhttp's */
	struct event *deadline;
	bool looked_at, admitted;
	uint8_t peer[16];		/* an IPv4 address, or the first half of an IPv6 one */
	struct http_conn *next, **at;
};

static const char *const security_headers[][2] = {
	{ "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "
	    "img-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
	    "base-uri 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "same-origin" },	/* with no-referrer a form tells its origin as "null" */
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), microphone=(), geolocation=()" },
	{ "Strict-Transport-Security", "max-age=31536000" },
};

static void
set_deadline(struct http_conn *c, int seconds)
{
	struct timeval tv = { seconds, 0 };

	if (seconds < 0)
		event_del(c->deadline);
	else
		evtimer_add(c->deadline, &tv);
}

/* Fills c->peer. false: the peer is gone already. */
static bool
learn_peer(struct http_conn *c, evutil_socket_t fd)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&ss, &len) != 0)
		return false;
	if (ss.ss_family == AF_INET6) {
		const uint8_t *a = ((struct sockaddr_in6 *)&ss)->sin6_addr.s6_addr;

		memcpy(c->peer, a, memcmp(a, mapped, sizeof mapped) == 0 ? 16 : 8);
	} else if (ss.ss_family == AF_INET) {
		memcpy(c->peer, mapped, sizeof mapped);
		memcpy(c->peer + 12, &((struct sockaddr_in *)&ss)->sin_addr, 4);
	}
	return true;
}

/* Evhttp gives the socket to a new connection only after conn_new(): so the caps are looked at one turn later. */
static bool
admit(struct http_conn *c, evutil_socket_t fd)
{
	struct http_server *s = c->server;
	int same = 0;

	c->looked_at = true;
	if (!learn_peer(c, fd))
		return false;
	for (const struct http_conn *o = s->head; o != NULL; o = o->next)
		same += o->admitted && memcmp(o->peer, c->peer, sizeof c->peer) == 0;
	if (s->admitted >= s->max_conns) {
		s->stat.over_cap++;
		log_limited(LOG_WARNING, "web-cap", 2, "web: more than %d connections: closed",
		    s->max_conns);
		return false;
	}
	if (same >= s->max_of_address) {
		s->stat.over_address++;
		log_limited(LOG_WARNING, "web-peer", 2, "web: more than %d connections of one address:"
		    " closed", s->max_of_address);
		return false;
	}
	c->admitted = true;
	s->admitted++;
	set_deadline(c, HTTP_REQUEST_S);
	return true;
}

static void
deadline_passed(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;
	bool young = !c->looked_at;

	(void)fd;
	(void)what;
	fd = bufferevent_getfd(c->bev);
	if (young && admit(c, fd))
		return;
	if (!young)
		c->server->stat.late++;
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);	/* evhttp sees the end and cleans up */
}

/* CRYPTO_EX_free: the SSL object, and with it the connection, goes. */
static void
conn_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct http_conn *c = ptr;

	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (c == NULL)
		return;
	c->server->stat.conns--;
	c->server->admitted -= c->admitted;
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	event_free(c->deadline);
	free(c);
}

static struct bufferevent *
conn_new(struct event_base *base, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c = xcalloc(1, sizeof *c);
	SSL *ssl = SSL_new(s->ctx);

	c->server = s;
	c->deadline = evtimer_new(base, deadline_passed, c);
	if (ssl == NULL || c->deadline == NULL || SSL_set_ex_data(ssl, s->ex_index, c) != 1)
		abort();
	c->bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		abort();
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	s->stat.conns++;
	s->stat.accepted++;
	c->at = &s->head;
	c->next = s->head;
	if (c->next != NULL)
		c->next->at = &c->next;
	s->head = c;
	set_deadline(c, 0);		/* admit() */
	return c->bev;
}

/* NULL when the connection is gone. */
static struct http_conn *
conn_of(struct evhttp_request *req)
{
	struct evhttp_connection *ec = evhttp_request_get_connection(req);
	struct bufferevent *bev = ec != NULL ? evhttp_connection_get_bufferevent(ec) : NULL;
	SSL *ssl = bev != NULL ? bufferevent_openssl_get_ssl(bev) : NULL;
	struct http_server *s = ssl != NULL ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

	return s != NULL ? SSL_get_ex_data(ssl, s->ex_index) : NULL;
}

static void
reply_taken(struct evhttp_request *req, void *arg)
{
	struct http_conn *c = conn_of(req);

	(void)arg;
	if (c != NULL)
		set_deadline(c, HTTP_REQUEST_S);
}

static void
got_request(struct evhttp_request *req, void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c = conn_of(req);

	if (c != NULL)
		set_deadline(c, HTTP_REPLY_S);
	evhttp_request_set_on_complete_cb(req, reply_taken, NULL);
	s->handler(s->arg, req);
}

static SSL_CTX *
make_context(struct http_server *s, const char *cert, const char *key, char *err, size_t n)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const char *what = NULL;

	ERR_clear_error();
	if (ctx == NULL)
		abort();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	    SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_app_data(ctx, s);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		what = cert;
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		what = key;
	if (what == NULL)
		return ctx;
	snprintf(err, n, "%s: %s", what, ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

static int
bind_socket(struct http_server *s, const struct http_server_opts *o, char *err, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct evhttp_bound_socket *b = evhttp_bind_socket_with_handle(s->http, o->address, o->port);

	if (b == NULL) {
		int e = errno != 0 ? errno : EINVAL;

		snprintf(err, n, "cannot listen on %s port %u: %s", o->address, o->port, strerror(e));
		return -e;
	}
	if (getsockname(evhttp_bound_socket_get_fd(b), (struct sockaddr *)&ss, &len) != 0)
		return -errno;
	s->port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
	    : ((struct sockaddr_in *)&ss)->sin_port);
	return 0;
}

int
http_server_new(struct http_server **out, struct event_base *base, const struct http_server_opts *o,
    void (*handler)(void *arg, struct evhttp_request *), void *arg, char *err, size_t n)
{
	struct http_server *s = xcalloc(1, sizeof *s);
	int rc;

	s->base = base;
	s->handler = handler;
	s->arg = arg;
	s->max_conns = o->max_conns;
	s->max_of_address = o->max_of_address > 0 ? o->max_of_address : o->max_conns;
	s->ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, conn_freed);
	s->http = evhttp_new(base);
	s->ctx = make_context(s, o->cert, o->key, err, n);
	if (s->http == NULL || s->ctx == NULL) {
		rc = -EINVAL;
		goto out;
	}
	evhttp_set_bevcb(s->http, conn_new, s);
	evhttp_set_gencb(s->http, got_request, s);
	evhttp_set_max_headers_size(s->http, HTTP_HEADER_MAX);
	evhttp_set_max_body_size(s->http, HTTP_BODY_MAX);
	evhttp_set_timeout(s->http, HTTP_REQUEST_S + 5);
	evhttp_set_default_content_type(s->http, NULL);
	/* The rest is refused by the handler, which can say why. */
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
	    EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	rc = bind_socket(s, o, err, n);
out:
	if (rc != 0) {
		http_server_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	if (s->http != NULL)
		evhttp_free(s->http);
	event_base_loop(s->base, EVLOOP_NONBLOCK);	/* deferred frees of bufferevents */
	SSL_CTX_free(s->ctx);
	CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, s->ex_index);
	free(s);
}

uint16_t
http_server_port(const struct http_server *s)
{
	return s->port;
}

void
http_server_stat(const struct http_server *s, struct http_server_stat *out)
{
	*out = s->stat;
}

int
http_server_reload(struct http_server *s, const char *cert, const char *key, char *err, size_t n)
{
	SSL_CTX *ctx = make_context(s, cert, key, err, n);

	if (ctx == NULL)
		return -EINVAL;
	SSL_CTX_free(s->ctx);		/* connections hold their own reference */
	s->ctx = ctx;
	return 0;
}

void
http_header(struct evhttp_request *req, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(req), name, value);
}

static void
common_headers(struct evhttp_request *req, const char *type)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);

	for (size_t i = 0; i < sizeof security_headers / sizeof *security_headers; i++)
		if (evhttp_find_header(h, security_headers[i][0]) == NULL)	/* a stricter one may stand there */
			evhttp_add_header(h, security_headers[i][0], security_headers[i][1]);
	if (type != NULL)
		evhttp_add_header(h, "Content-Type", type);
	if (evhttp_find_header(h, "Cache-Control") == NULL)
		evhttp_add_header(h, "Cache-Control", "no-store");
}

void
http_reply(struct evhttp_request *req, int code, const char *type, const void *body, size_t len)
{
	struct evbuffer *buf = evbuffer_new();
	char number[24];

	common_headers(req, type);
	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
		snprintf(number, sizeof number, "%zu", len);
		http_header(req, "Content-Length", number);
	} else if (len > 0) {
		evbuffer_add(buf, body, len);
	}
	evhttp_send_reply(req, code, NULL, buf);
	evbuffer_free(buf);
}

void
http_stream_begin(struct evhttp_request *req, const char *type)
{
	struct http_conn *c = conn_of(req);

	common_headers(req, type);
	if (c != NULL) {
		set_deadline(c, -1);
		evhttp_connection_set_timeout(evhttp_request_get_connection(req), 86400);
	}
	evhttp_send_reply_start(req, 200, NULL);
}

size_t
http_queued(struct evhttp_request *req)
{
	struct http_conn *c = conn_of(req);

	return c != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

const char *
http_peer(struct evhttp_request *req)
{
	struct evhttp_connection *ec = evhttp_request_get_connection(req);
	char *address = NULL;
	uint16_t port;

	if (ec != NULL)
		evhttp_connection_get_peer(ec, &address, &port);
	return address != NULL ? address : "?";
}
