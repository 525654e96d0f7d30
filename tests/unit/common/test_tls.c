/*
 * test_tls.c - connections over real TLS, and everybody who must not get one.
 *
 * Server and clients share one loop; peers that speak no TLS are plain sockets.
 */
#include "common/tls.h"

#include "common/frame.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/unit/common/tls_fixture.h"

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
			ck_assert_int_eq(
			    conn_send(c, FRAME_BATCH, data, (size_t)(60000 - i * round)), 0);
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
	refused(SPEC(CLIENT, &ca, .uri = {"linkwatch://agent/a1"}, .from_s = 600), "not yet valid");
	refused(SPEC("serverAuth", &ca, .uri = { "linkwatch://agent/a1" }), "purpose");
	refused(SPEC("emailProtection", &ca, .uri = { "linkwatch://agent/a1" }), "purpose");
	refused(SPEC(NULL, &ca, .uri = { "linkwatch://agent/a1" }), "extendedKeyUsage");
	refused(SPEC(CLIENT, &ca, .no_san = true), "no subjectAltName");
	refused(SPEC(CLIENT, &ca, .dns = "linkwatch://agent/a1"), "no linkwatch: URI");
	refused(SPEC(CLIENT, &ca, .uri = {"linkwatch://agent/a1", "linkwatch://agent/a2"}),
	    "more than one");
	refused(SPEC(CLIENT, &ca, .uri = { "linkwatch://agent/A1" }), "no name of ours");
	refused(
	    SPEC(CLIENT, &ca, .uri = {"linkwatch://agent/a1\0x"}, .len = {22}), "no name of ours");
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

	ck_assert_int_eq(
	    tls_listen(&s, base, server_ctx, &o, &handler, NULL, err, sizeof err), -EINVAL);
	ck_assert_ptr_null(s);
	start_server((struct tls_server_opts){ 0 });
	o.address = "127.0.0.1";
	o.port = tls_server_port(server);
	ck_assert_int_eq(tls_listen(&s, base, server_ctx, &o, &handler, NULL, err, sizeof err),
	    -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err, "Address already in use"));
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
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
