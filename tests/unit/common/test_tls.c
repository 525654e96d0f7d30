/*
 * test_tls.c - connections over real TLS, and everybody who must not get one.
 *
 * Server and clients share one loop; peers that speak no frames of ours are
 * plain sockets or a child with a blocking OpenSSL.
 */
#include "common/tls.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/disk.h"
#include "common/frame.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/unit/common/testcert.h"

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

static void
on_opened(void *arg, struct conn *c, const struct identity *peer)
{
	struct side *s = arg;

	s->opened++;
	s->conn = c;
	s->peer = *peer;
	if (s->pause)
		conn_pause(c, 1);
}

static uint64_t
mix(uint64_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ p[i]) * UINT64_C(1099511628211);
	return sum + n;
}

static void
on_frame(void *arg, struct conn *c, uint8_t type, const uint8_t *p, size_t n)
{
	struct side *s = arg;

	s->frames++;
	s->bytes += n;
	s->sum = mix(s->sum, p, n);
	if (s->echo)
		ck_assert_int_eq(conn_send(c, type, p, n), 0);
}

static void
on_closed(void *arg, struct conn *c, const char *why)
{
	struct side *s = arg;

	s->closed++;
	if (s->conn == c)
		s->conn = NULL;
	snprintf(s->why, sizeof s->why, "%s", why);
}

static void
on_refused(void *arg, const char *address, const char *why)
{
	struct side *s = arg;

	ck_assert_int_eq(strncmp(address, "127.0.0.1:", 10), 0);
	s->refused++;
	snprintf(s->why, sizeof s->why, "%s", why);
}

static const struct conn_handler handler = { .opened = on_opened, .frame = on_frame,
	.closed = on_closed, .refused = on_refused };

/* ------------------------------------------------------------------ set-up */

static void
nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* Turns the loop until *n reaches want; fails after WAIT_MS. */
static void
wait_for(const int *n, int want)
{
	struct mono begin = clock_mono(clock_real());
	struct event *tick = event_new(base, -1, EV_PERSIST, nothing, NULL);

	event_add(tick, &(struct timeval){ .tv_usec = 20000 });
	while (*n < want) {
		ck_assert_msg(clock_mono(clock_real()).ns - begin.ns < WAIT_MS * NS_PER_MS,
		    "waited in vain; server: \"%s\", client: \"%s\"", server_side.why, client_side.why);
		event_base_loop(base, EVLOOP_ONCE);
	}
	event_free(tick);
}

static struct testcert
make(const char *uri, const char *eku, const struct testcert *issuer)
{
	return testcert_make(&(struct testcert_spec){ .cn = "test", .uri = { uri }, .eku = eku,
	    .issuer = issuer, .serial = 7 });
}

static const char *
path(const char *name)
{
	static char p[8][128];
	static int i;

	i = (i + 1) % 8;
	snprintf(p[i], sizeof p[i], "%s/%s", dir, name);
	return p[i];
}

static SSL_CTX *
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
static SSL_CTX *
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

static void
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

static struct sockaddr_in
address(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(tls_server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct conn *
connect_with(SSL_CTX *ctx, enum role expect, const char *expect_id)
{
	struct sockaddr_in sin = address();
	struct conn *c = NULL;

	ck_assert_int_eq(tls_connect(&c, base, ctx, (struct sockaddr *)&sin, sizeof sin, expect,
	    expect_id, &handler, &client_side), 0);
	ck_assert_int_eq(conn_send(c, 1, "x", 1), -ENOTCONN);
	return c;
}

static void
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

static void
unlink_each(void *arg, const char *name)
{
	struct disk *d = arg;

	d->ops->unlink(d, name);
}

static void
teardown(void)
{
	struct disk *d;

	tls_server_free(server);
	/* Until the clients have seen the end and nothing is left. */
	for (int i = 0; i < 2000 && event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0; i++) {
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

/* ------------------------------------------------------------- what works */

START_TEST(carries_frames)
{
	static const size_t sizes[] = { 0, 1, 7, 1000, 16384, 65536, FRAME_MAX, 0, 3, FRAME_MAX };
	SSL_CTX *ctx = context("agent", false, NULL);
	uint8_t *data = xmalloc(FRAME_MAX + 1);
	struct rng_seed seed;
	uint64_t sum = 0;
	struct conn *c;
	int sent = 0;

	rng_seeded(&seed, 1)->fill(&seed.rng, data, FRAME_MAX + 1);
	server_side.echo = true;
	start_server((struct tls_server_opts){ 0 });
	c = connect_with(ctx, ROLE_COLLECTOR, "c1");
	wait_for(&client_side.opened, 1);
	ck_assert_str_eq(client_side.peer.id, "c1");
	wait_for(&server_side.opened, 1);
	ck_assert_int_eq(server_side.peer.role, ROLE_AGENT);
	ck_assert_str_eq(server_side.peer.id, "a1");
	ck_assert_int_eq(conn_send(c, 1, data, FRAME_MAX + 1), -EMSGSIZE);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++, sent++) {
			ck_assert_int_eq(conn_send(c, FRAME_BATCH, data, sizes[i]), 0);
			sum = mix(sum, data, sizes[i]);
		}
		wait_for(&client_side.frames, sent);
	}
	ck_assert_uint_eq(server_side.sum, sum);
	ck_assert_uint_eq(client_side.sum, sum);
	ck_assert_uint_eq(conn_queued(c), 0);
	conn_close(c);
	wait_for(&server_side.closed, 1);
	ck_assert_str_eq(server_side.why, "closed by the peer");
	ck_assert_int_eq(client_side.closed, 0);
	free(data);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(pauses_and_resumes)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	uint8_t *data = xcalloc(1, 60000);
	struct conn *c;

	server_side.pause = true;
	start_server((struct tls_server_opts){ 0 });
	c = connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	for (int round = 1; round <= 30; round++) {
		for (int i = 0; i < 50; i++)
			ck_assert_int_eq(conn_send(c, FRAME_BATCH, data, (size_t)(60000 - i * round)), 0);
		for (int i = 0; i < 50; i++)
			event_base_loop(base, EVLOOP_NONBLOCK);
		ck_assert_int_eq(server_side.frames, (round - 1) * 50);
		conn_pause(server_side.conn, 0);
		wait_for(&server_side.frames, round * 50);
		conn_pause(server_side.conn, 1);
	}
	free(data);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(last_words_arrive)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	uint8_t *data = xcalloc(1, 100000);
	struct conn *c;

	start_server((struct tls_server_opts){ 0 });
	c = connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	wait_for(&client_side.opened, 1);
	/* The client floods while the server says its last words and closes. */
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(conn_send(c, FRAME_BATCH, data, 100000), 0);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(conn_send(server_side.conn, FRAME_REFUSAL, data, 100000), 0);
	conn_close(server_side.conn);
	wait_for(&client_side.closed, 1);
	ck_assert_int_eq(client_side.frames, 30);
	ck_assert_int_eq(server_side.closed, 0);
	free(data);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(server_goes)
{
	SSL_CTX *ctx = context("agent", false, NULL);

	start_server((struct tls_server_opts){ 0 });
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	tls_server_free(server);
	server = NULL;
	ck_assert_int_eq(server_side.closed, 1);
	wait_for(&client_side.closed, 1);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(connect_fails)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct sockaddr_in sin;
	struct conn *c;

	start_server((struct tls_server_opts){ 0 });
	sin = address();
	tls_server_free(server);
	server = NULL;
	if (tls_connect(&c, base, ctx, (struct sockaddr *)&sin, sizeof sin, ROLE_COLLECTOR, NULL,
	    &handler, &client_side) == 0) {
		wait_for(&client_side.closed, 1);
		ck_assert_str_eq(client_side.why, "Connection refused");
	}
	ck_assert_int_eq(tls_connect(&c, base, ctx, (struct sockaddr *)&sin, sizeof sin,
	    ROLE_COLLECTOR, "No/Id", &handler, &client_side), -EINVAL);
	ck_assert_int_eq(client_side.opened, 0);
	SSL_CTX_free(ctx);
}
END_TEST

/* ------------------------------------------------------- who is turned away */

static void
refused(struct testcert_spec s, const char *expect)
{
	struct testcert t = testcert_make(&s);
	SSL_CTX *ctx = raw_context(&t, TLS1_3_VERSION);
	int n = server_side.refused;

	client_side.closed = 0;
	connect_with(ctx, ROLE_NOBODY, NULL);
	wait_for(&server_side.refused, n + 1);
	wait_for(&client_side.closed, 1);
	ck_assert_msg(strstr(server_side.why, expect) != NULL, "\"%s\" lacks \"%s\"",
	    server_side.why, expect);
	for (const char *p = server_side.why; *p != '\0'; p++)
		ck_assert_msg((unsigned char)*p >= 0x20, "unclean: %s", server_side.why);
	ck_assert_int_eq(server_side.opened, 0);
	SSL_CTX_free(ctx);
	testcert_free(&t);
}

START_TEST(bad_client_certificates)
{
	struct testcert sub;

	start_server((struct tls_server_opts){ 0 });
#define SPEC(usage, by, ...) (struct testcert_spec){ .cn = "evil\n2026-01-01 notice all is well", \
	.eku = usage, .issuer = by, __VA_ARGS__ }
#define CLIENT "clientAuth"
	refused(SPEC(CLIENT, &other_ca, .uri = { "linkwatch://agent/a1" }), "agent a1");
	refused(SPEC(CLIENT, NULL, .uri = { "linkwatch://agent/a1" }), "agent a1");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a1" }, .from_s = -7200, .to_s = -1),
	    "agent a1: certificate has expired");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a1" }, .from_s = 600), "not yet valid");
	refused(SPEC("serverAuth", &ca, .uri = { "linkwatch://agent/a1" }), "purpose");
	refused(SPEC("emailProtection", &ca, .uri = { "linkwatch://agent/a1" }), "purpose");
	refused(SPEC(NULL, &ca, .uri = { "linkwatch://agent/a1" }), "extendedKeyUsage");
	refused(SPEC(CLIENT, &ca, .no_san = true), "no subjectAltName");
	refused(SPEC(CLIENT, &ca, .dns = "linkwatch://agent/a1"), "no linkwatch: URI");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a1", "linkwatch://agent/a2" }), "more than one");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/A1" }), "no name of ours");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a1\0x" }, .len = { 22 }), "no name of ours");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a1/" }), "no name of ours");
	/* One who was certified as an agent is no authority. */
	sub = testcert_make(&SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/a9" }));
	refused(SPEC(CLIENT, &sub, .uri = { "linkwatch://agent/a1" }), "");
	testcert_free(&sub);
#undef CLIENT
#undef SPEC
	ck_assert_int_eq(server_side.closed, 0);
	ck_assert_uint_eq(tls_server_conns(server), 0);
}
END_TEST

START_TEST(no_certificate_and_old_tls)
{
	struct testcert t = make("linkwatch://agent/a1", "clientAuth", &ca);
	SSL_CTX *ctx = raw_context(NULL, TLS1_3_VERSION);

	start_server((struct tls_server_opts){ 0 });
	connect_with(ctx, ROLE_NOBODY, NULL);
	wait_for(&server_side.refused, 1);
	ck_assert_ptr_nonnull(strstr(server_side.why, "did not return a certificate"));
	wait_for(&client_side.closed, 1);
	SSL_CTX_free(ctx);
	ctx = raw_context(&t, TLS1_2_VERSION);
	connect_with(ctx, ROLE_NOBODY, NULL);
	wait_for(&server_side.refused, 2);
	ck_assert_ptr_nonnull(strstr(server_side.why, "unsupported protocol"));
	wait_for(&client_side.closed, 2);
	SSL_CTX_free(ctx);
	testcert_free(&t);
	ck_assert_int_eq(server_side.opened, 0);
}
END_TEST

static int
plain_socket(void)
{
	struct sockaddr_in sin = address();
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	return fd;
}

START_TEST(no_tls_at_all)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: collector\r\n\r\n";
	static const char ssh[] = "SSH-2.0-OpenSSH_9.2\r\n";
	uint8_t noise[2000];
	struct rng_seed seed;
	int fd;

	start_server((struct tls_server_opts){ .handshake_ms = 300 });
	fd = plain_socket();
	ck_assert_int_eq(write(fd, http, sizeof http - 1), sizeof http - 1);
	wait_for(&server_side.refused, 1);
	ck_assert_ptr_nonnull(strstr(server_side.why, "http request"));
	close(fd);
	fd = plain_socket();
	ck_assert_int_eq(write(fd, ssh, sizeof ssh - 1), sizeof ssh - 1);
	wait_for(&server_side.refused, 2);
	close(fd);
	rng_seeded(&seed, 3)->fill(&seed.rng, noise, sizeof noise);
	fd = plain_socket();
	ck_assert_int_eq(write(fd, noise, sizeof noise), sizeof noise);
	wait_for(&server_side.refused, 3);
	close(fd);
	fd = plain_socket();		/* says nothing */
	wait_for(&server_side.refused, 4);
	ck_assert_ptr_nonnull(strstr(server_side.why, "no TLS handshake within 300 ms"));
	close(fd);
	close(plain_socket());		/* only a TCP probe: nobody is turned away */
	fd = plain_socket();		/* one byte at a time: the deadline is for all of it */
	for (int i = 0; server_side.refused < 5; i++) {
		ck_assert_int_lt(i, 100);
		if (write(fd, &"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[i % 11], 1) != 1)
			break;
		event_base_loopexit(base, &(struct timeval){ .tv_usec = 50000 });
		event_base_loop(base, 0);
	}
	wait_for(&server_side.refused, 5);
	close(fd);
	ck_assert_uint_eq(tls_server_conns(server), 0);
	ck_assert_int_eq(server_side.refused, 5);
	ck_assert_int_eq(server_side.opened + server_side.closed, 0);
}
END_TEST

START_TEST(client_knows_its_server)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct testcert t;

	start_server((struct tls_server_opts){ 0 });
	connect_with(ctx, ROLE_COLLECTOR, "c2");
	wait_for(&client_side.closed, 1);
	ck_assert_str_eq(client_side.why, "the far side is collector c1, expected collector c2");
	connect_with(ctx, ROLE_ALERTD, NULL);
	wait_for(&client_side.closed, 2);
	/* An agent's certificate that may serve is still no collector's. */
	SSL_CTX_free(server_ctx);
	server_ctx = context("fake", true, NULL);
	tls_server_context(server, server_ctx);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&client_side.closed, 3);
	ck_assert_str_eq(client_side.why, "the far side is agent a1, expected collector (any)");
	/* The right name by another authority, and one that may not serve. */
	t = make("linkwatch://collector/c1", "serverAuth", &other_ca);
	ck_assert_int_eq(SSL_CTX_use_certificate(server_ctx, t.cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_ctx, t.key), 1);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&client_side.closed, 4);
	ck_assert_ptr_nonnull(strstr(client_side.why, "certificate of collector c1"));
	testcert_free(&t);
	t = make("linkwatch://collector/c1", "clientAuth", &ca);
	ck_assert_int_eq(SSL_CTX_use_certificate(server_ctx, t.cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_ctx, t.key), 1);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&client_side.closed, 5);
	ck_assert_ptr_nonnull(strstr(client_side.why, "purpose"));
	testcert_free(&t);
	t = make("linkwatch://collector/c1", NULL, &ca);
	ck_assert_int_eq(SSL_CTX_use_certificate(server_ctx, t.cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_ctx, t.key), 1);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&client_side.closed, 6);
	ck_assert_ptr_nonnull(strstr(client_side.why, "extendedKeyUsage"));
	testcert_free(&t);
	ck_assert_int_eq(client_side.opened, 0);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(revoked)
{
	SSL_CTX *ctx = context("agent", false, NULL);

	testcert_save_crl(&ca, 0, dir, "empty.crl");
	testcert_save_crl(&ca, 7, dir, "seven.crl");
	testcert_save_crl(&other_ca, 0, dir, "other.crl");
	SSL_CTX_free(server_ctx);
	server_ctx = context("collector", true, path("empty.crl"));
	start_server((struct tls_server_opts){ 0 });
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	SSL_CTX_free(server_ctx);
	server_ctx = context("collector", true, path("seven.crl"));
	tls_server_context(server, server_ctx);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.refused, 1);
	ck_assert_str_eq(server_side.why, "certificate of agent a1: certificate revoked");
	/* A list of somebody else says nothing of ours: nobody gets in. */
	SSL_CTX_free(server_ctx);
	server_ctx = context("collector", true, path("other.crl"));
	tls_server_context(server, server_ctx);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.refused, 2);
	ck_assert_int_eq(server_side.opened, 1);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(bad_files)
{
	struct tls_files good = { .ca = path("ca.pem"), .cert = path("agent.pem"),
		.key = path("agent.key") }, f;
	struct testcert t;
	char err[300];
	SSL_CTX *ctx;

#define FAILS(is_server, expect) do { \
	err[0] = '\0'; \
	ck_assert_ptr_null(tls_context_new(&f, is_server, err, sizeof err)); \
	ck_assert_msg(strstr(err, expect) != NULL, "\"%s\" lacks \"%s\"", err, expect); \
} while (0)
	f = good; f.ca = path("nothing");
	FAILS(false, "nothing");
	f = good; f.cert = path("nothing");
	FAILS(false, "nothing");
	f = good; f.key = path("nothing");
	FAILS(false, "nothing");
	f = good; f.key = path("collector.key");
	FAILS(false, "collector.key");
	f = good; f.crl = path("nothing");
	FAILS(false, "nothing");
	f = good; f.crl = path("ca.pem");
	FAILS(false, "ca.pem");
	f = good;
	FAILS(true, "serverAuth");
	f.ca = path("agent.key");
	FAILS(false, "agent.key");
	t = testcert_make(&(struct testcert_spec){ .cn = "x", .no_san = true, .issuer = &ca,
	    .eku = "clientAuth" });
	testcert_save(&t, dir, "nameless");
	testcert_free(&t);
	f = good; f.cert = path("nameless.pem"); f.key = path("nameless.key");
	FAILS(false, "no subjectAltName");
#undef FAILS
	ctx = context("agent", false, NULL);
	ck_assert(tls_context_not_after(ctx) > clock_wall(clock_real()).ns);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(cannot_listen)
{
	struct tls_server *s;
	char err[200];
	struct tls_server_opts o = { .address = "not-an-address", .max_conns = 1 };

	ck_assert_int_eq(tls_listen(&s, base, server_ctx, &o, &handler, NULL, err, sizeof err), -EINVAL);
	ck_assert_ptr_null(s);
	start_server((struct tls_server_opts){ 0 });
	o.address = "127.0.0.1";
	o.port = tls_server_port(server);
	ck_assert_int_eq(tls_listen(&s, base, server_ctx, &o, &handler, NULL, err, sizeof err),
	    -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err, "Address already in use"));
}
END_TEST

/* ------------------------------------------------------------ hostile peers */

/* A child that connects with a good certificate, writes n bytes in pieces, then does `last`. */
enum last_act { READ_TO_END, SLEEP, VANISH };

static pid_t
child_sends(const uint8_t *data, size_t n, size_t piece, enum last_act last)
{
	struct sockaddr_in sin = address();
	pid_t pid = fork();
	SSL_CTX *ctx;
	SSL *ssl;
	char buf[4096];
	int fd;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	alarm(30);
	ctx = context("agent", false, NULL);
	ssl = SSL_new(ctx);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof sin) != 0 || SSL_set_fd(ssl, fd) != 1 ||
	    SSL_connect(ssl) != 1)
		_exit(3);
	for (size_t i = 0; i < n; i += piece)
		if (SSL_write(ssl, data + i, (int)(n - i < piece ? n - i : piece)) <= 0)
			_exit(4);
	if (last == VANISH)
		_exit(0);
	while (last == SLEEP)
		pause();
	while (SSL_read(ssl, buf, sizeof buf) > 0)
		;
	_exit(0);
}

static void
end_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

START_TEST(bad_frames)
{
	static const struct { uint8_t bytes[12]; const char *why; } bad[] = {
		{ { 0xff, 0xff, 0xff, 0xff, 5, 1, 0, 0 }, "frame too long" },
		{ { 0x80, 0, 0, 0, 5, 1, 0, 0 }, "frame too long" },
		{ { 0, 0x03, 0xff, 0xf9, 5, 1, 0, 0 }, "frame too long" },
		{ { 0, 0, 0, 1, 0, 1, 0, 0 }, "not a frame" },
		{ { 0, 0, 0, 1, 5, 0, 0, 0 }, "not a frame" },
		{ { 0, 0, 0, 1, 5, 1, 0, 1 }, "not a frame" },
		{ { 'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P' }, "frame too long" },
	};

	start_server((struct tls_server_opts){ 0 });
	for (int i = 0; i < (int)(sizeof bad / sizeof bad[0]); i++) {
		uint8_t data[12 + 9] = { 0, 0, 0, 1, 5, 1, 0, 0, 'x' };
		pid_t pid;

		memcpy(data + 9, bad[i].bytes, 12);	/* a good one before it, none after it */
		pid = child_sends(data, sizeof data, sizeof data, READ_TO_END);
		wait_for(&server_side.closed, i + 1);
		ck_assert_str_eq(server_side.why, bad[i].why);
		ck_assert_int_eq(server_side.frames, i + 1);
		end_child(pid);
	}
}
END_TEST

START_TEST(byte_by_byte_and_cut_off)
{
	uint8_t data[4 * 108];
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		memset(data + i * 108, 'a' + i, 108);
		frame_header(data + i * 108, FRAME_BATCH, 100);
	}
	start_server((struct tls_server_opts){ 0 });
	pid = child_sends(data, sizeof data, 1, VANISH);
	wait_for(&server_side.closed, 1);
	ck_assert_int_eq(server_side.frames, 4);
	ck_assert_uint_eq(server_side.bytes, 400);
	end_child(pid);
	pid = child_sends(data, sizeof data - 1, 7, VANISH);	/* the last one is not whole */
	wait_for(&server_side.closed, 2);
	ck_assert_int_eq(server_side.frames, 7);
	end_child(pid);
}
END_TEST

START_TEST(slow_reader)
{
	uint8_t *data = xcalloc(1, 100000);
	uint8_t hello[9] = { 0, 0, 0, 1, 1, 1, 0, 0, 'x' };
	int r = 0, n;
	pid_t pid;

	start_server((struct tls_server_opts){ .queue_max = 1000000 });
	pid = child_sends(hello, sizeof hello, sizeof hello, SLEEP);
	wait_for(&server_side.frames, 1);
	for (n = 0; n < 1000 && r == 0; n++) {
		r = conn_send(server_side.conn, 1, data, 100000);
		ck_assert_uint_le(conn_queued(server_side.conn), 1000000);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	ck_assert_int_eq(r, -EPIPE);
	wait_for(&server_side.closed, 1);
	ck_assert_ptr_nonnull(strstr(server_side.why, "does not read"));
	end_child(pid);
	free(data);
}
END_TEST

START_TEST(idle_peer)
{
	uint8_t hello[9] = { 0, 0, 0, 1, 1, 1, 0, 0, 'x' };
	pid_t pid;

	start_server((struct tls_server_opts){ .idle_ms = 300 });
	pid = child_sends(hello, sizeof hello, sizeof hello, SLEEP);
	wait_for(&server_side.closed, 1);
	ck_assert_str_eq(server_side.why, "nothing heard for 0.3 s");
	end_child(pid);
	/* While we do not listen, silence is nobody's fault. */
	server_side.pause = true;
	pid = child_sends(hello, sizeof hello, sizeof hello, SLEEP);
	wait_for(&server_side.opened, 2);
	event_base_loopexit(base, &(struct timeval){ .tv_sec = 1 });
	event_base_loop(base, 0);
	ck_assert_int_eq(server_side.closed, 1);
	end_child(pid);
	conn_pause(server_side.conn, 0);
	wait_for(&server_side.closed, 2);
}
END_TEST

START_TEST(caps_connections)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct conn *a;

	start_server((struct tls_server_opts){ .max_conns = 2 });
	a = connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 2);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&client_side.closed, 1);
	ck_assert_uint_eq(tls_server_conns(server), 2);
	conn_close(a);
	wait_for(&server_side.closed, 1);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 3);
	ck_assert_int_eq(client_side.closed, 1);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(out_of_descriptors)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct rlimit old, low;
	int turns = 0, fd, first;
	struct mono begin;

	start_server((struct tls_server_opts){ 0 });
	fd = plain_socket();		/* waits in the backlog */
	first = dup(0);
	close(first);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)first;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	begin = clock_mono(clock_real());
	while (clock_mono(clock_real()).ns - begin.ns < 600 * NS_PER_MS) {
		event_base_loopexit(base, &(struct timeval){ .tv_usec = 100000 });
		event_base_loop(base, EVLOOP_ONCE);
		turns++;
	}
	ck_assert_int_lt(turns, 30);	/* it did not spin */
	ck_assert_uint_eq(tls_server_conns(server), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	connect_with(ctx, ROLE_COLLECTOR, NULL);
	wait_for(&server_side.opened, 1);
	SSL_CTX_free(ctx);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = tcase_create("tls");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, carries_frames);
	tcase_add_test(tc, pauses_and_resumes);
	tcase_add_test(tc, last_words_arrive);
	tcase_add_test(tc, server_goes);
	tcase_add_test(tc, connect_fails);
	tcase_add_test(tc, bad_client_certificates);
	tcase_add_test(tc, no_certificate_and_old_tls);
	tcase_add_test(tc, no_tls_at_all);
	tcase_add_test(tc, client_knows_its_server);
	tcase_add_test(tc, revoked);
	tcase_add_test(tc, bad_files);
	tcase_add_test(tc, cannot_listen);
	tcase_add_test(tc, bad_frames);
	tcase_add_test(tc, byte_by_byte_and_cut_off);
	tcase_add_test(tc, slow_reader);
	tcase_add_test(tc, idle_peer);
	tcase_add_test(tc, caps_connections);
	tcase_add_test(tc, out_of_descriptors);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
