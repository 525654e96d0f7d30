/*
 * tls_fixture.h - a CA, a server and clients in one loop, and handlers that
 * note what they saw; for the tests of TLS.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "common/disk.h"
#include "tests/unit/common/testcert.h"

#include "common/tls.h"

#define WAIT_MS 10000

struct side {				/* what a handler saw */
	struct conn *conn;		/* of the last opened, until closed */
	int opened, closed, frames, refused;
	size_t bytes;
	uint64_t sum;			/* of all payload bytes and lengths, in order */
	struct identity peer;
	char why[300];
	bool echo, pause;
};

static char dir[64];
static struct event_base *base;
static struct testcert ca, other_ca;
static struct side server_side, client_side;
static struct tls_server *server;
static SSL_CTX *server_ctx;

static inline void
on_opened(void *arg, struct conn *c, const struct identity *peer)
{
	struct side *s = arg;

	s->opened++;
	s->conn = c;
	s->peer = *peer;
	if (s->pause)
		conn_pause(c, 1);
}

static inline uint64_t
mix(uint64_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ p[i]) * UINT64_C(1099511628211);
	return sum + n;
}

static inline void
on_frame(void *arg, struct conn *c, uint8_t type, const uint8_t *p, size_t n)
{
	struct side *s = arg;

	s->frames++;
	s->bytes += n;
	s->sum = mix(s->sum, p, n);
	if (s->echo)
		ck_assert_int_eq(conn_send(c, type, p, n), 0);
}

static inline void
on_closed(void *arg, struct conn *c, const char *why)
{
	struct side *s = arg;

	s->closed++;
	if (s->conn == c)
		s->conn = NULL;
	snprintf(s->why, sizeof s->why, "%s", why);
}

static inline void
on_refused(void *arg, const char *address, const char *why)
{
	struct side *s = arg;

	ck_assert_int_eq(strncmp(address, "127.0.0.", 8), 0);
	s->refused++;
	snprintf(s->why, sizeof s->why, "%s", why);
}

static const struct conn_handler handler = { .opened = on_opened, .frame = on_frame,
	.closed = on_closed, .refused = on_refused };

/* ------------------------------------------------------------------ set-up */

static inline void
nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* Turns the loop until *n reaches want; fails after WAIT_MS. */
static inline void
wait_for(const int *n, int want)
{
	struct mono begin = clock_mono(clock_real());
	struct event *tick = event_new(base, -1, EV_PERSIST, nothing, NULL);

	event_add(tick, &(struct timeval){ .tv_usec = 20000 });
	while (*n < want) {
		ck_assert_msg(clock_mono(clock_real()).ns - begin.ns < WAIT_MS * NS_PER_MS,
		    "waited in vain; server: \"%s\", client: \"%s\"", server_side.why,
		    client_side.why);
		event_base_loop(base, EVLOOP_ONCE);
	}
	event_free(tick);
}

static inline struct testcert
make(const char *uri, const char *eku, const struct testcert *issuer)
{
	return testcert_make(&(struct testcert_spec){ .cn = "test", .uri = { uri }, .eku = eku,
	    .issuer = issuer, .serial = 7 });
}

static inline const char *
path(const char *name)
{
	static char p[8][128];
	static int i;

	i = (i + 1) % 8;
	snprintf(p[i], sizeof p[i], "%s/%s", dir, name);
	return p[i];
}

static inline SSL_CTX *
context(const char *name, bool is_server, const char *crl)
{
	struct tls_files f = { .ca = path("ca.pem"), .crl = crl };
	char cert[128], key[128], err[300] = "";
	SSL_CTX *ctx;

	snprintf(cert, sizeof cert, "%s/%s.pem", dir, name);
	snprintf(key, sizeof key, "%s/%s.key", dir, name);
	f.cert = cert;
	f.key = key;
	ctx = tls_context_new(&f, is_server, err, sizeof err);
	ck_assert_msg(ctx != NULL, "%s", err);
	return ctx;
}

/* A client's context without any of our own checks. */
static inline SSL_CTX *
raw_context(const struct testcert *t, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (t != NULL) {
		ck_assert_int_eq(SSL_CTX_use_certificate(ctx, t->cert), 1);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, t->key), 1);
	}
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	return ctx;
}

static inline void
start_server(struct tls_server_opts o)
{
	char err[200];
	int r;

	if (o.address == NULL)
		o.address = "127.0.0.1";
	if (o.max_conns == 0)
		o.max_conns = 20;
	r = tls_listen(&server, base, server_ctx, &o, &handler, &server_side, err, sizeof err);
	ck_assert_msg(r == 0, "%s", err);
	ck_assert_uint_ne(tls_server_port(server), 0);
}

static inline struct sockaddr_in
address(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(tls_server_port(server)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline struct conn *
connect_with(SSL_CTX *ctx, enum role expect, const char *expect_id)
{
	struct sockaddr_in sin = address();
	struct conn *c = NULL;

	ck_assert_int_eq(tls_connect(&c, base, ctx, (struct sockaddr *)&sin, sizeof sin, expect,
	    expect_id, &handler, &client_side), 0);
	ck_assert_int_eq(conn_send(c, 1, "x", 1), -ENOTCONN);
	return c;
}

static inline void
setup(void)
{
	static const char *const names[][3] = {
		{ "collector", "linkwatch://collector/c1", "serverAuth" },
		{ "agent", "linkwatch://agent/a1", "clientAuth" },
		{ "fake", "linkwatch://agent/a1", "serverAuth" },
	};

	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/lw-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	base = event_base_new();
	ca = testcert_make(&(struct testcert_spec){ .cn = "test CA", .ca = true });
	other_ca = testcert_make(&(struct testcert_spec){ .cn = "test CA", .ca = true });
	testcert_save(&ca, dir, "ca");
	testcert_save(&other_ca, dir, "other-ca");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct testcert t = make(names[i][1], names[i][2], &ca);

		testcert_save(&t, dir, names[i][0]);
		testcert_free(&t);
	}
	server_ctx = context("collector", true, NULL);
}

static inline void
unlink_each(void *arg, const char *name)
{
	struct disk *d = arg;

	d->ops->unlink(d, name);
}

static inline void
teardown(void)
{
	struct disk *d;

	tls_server_free(server);
	/* Until the clients have seen the end and nothing is left. */
	for (int i = 0; i < 2000 && event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0;
	     i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	SSL_CTX_free(server_ctx);
	testcert_free(&ca);
	testcert_free(&other_ca);
	event_base_free(base);
	if (disk_open_real(dir, &d) == 0) {
		d->ops->list(d, unlink_each, d);
		d->ops->close(d);
	}
	rmdir(dir);
}

static inline int
plain_socket(void)
{
	struct sockaddr_in sin = address();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	return fd;
}

