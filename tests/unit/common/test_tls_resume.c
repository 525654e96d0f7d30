/*
 * test_tls_resume.c - sessions that are resumed, and each reason for which they must not be:
 * nothing may come in by a ticket that a full handshake would turn away.
 */
#include <sys/mman.h>

#include "common/frame.h"
#include "common/tls_resume.h"
#include "tests/unit/common/tls_fixture.h"

static struct tls_tickets *tickets;

static void
setup_tickets(void)
{
	setup();
	tickets = tls_tickets_new(-1);
	tls_context_tickets(server_ctx, tickets);
}

static void
teardown_tickets(void)
{
	teardown();
	tls_tickets_free(tickets);
}

/* The server goes on with this context, with tickets of the same keys. */
static void
server_uses(SSL_CTX *ctx)
{
	SSL_CTX_free(server_ctx);
	server_ctx = ctx;
	tls_context_tickets(ctx, tickets);
	tls_server_context(server, ctx);
}

/* Connects and is let in: was it by resumption, in the eyes of both? */
static bool
comes_in(SSL_CTX *ctx, const char *id)
{
	int server_opened = server_side.opened, client_opened = client_side.opened;
	int frames = client_side.frames, closed = server_side.closed;
	struct conn *c = connect_with(ctx, ROLE_COLLECTOR, "c1");
	bool resumed;

	wait_for(&client_side.opened, client_opened + 1);
	wait_for(&server_side.opened, server_opened + 1);
	ck_assert_str_eq(client_side.peer.id, "c1");
	ck_assert_str_eq(server_side.peer.id, id);
	ck_assert_int_eq(server_side.peer.role, ROLE_AGENT);
	ck_assert(server_side.peer.not_after_ns > clock_wall(clock_real()).ns);
	resumed = tls_conn_is_resumed(server_side.conn);
	ck_assert(tls_conn_is_resumed(client_side.conn) == resumed);
	/* A word from the server, with which its ticket has come too. */
	ck_assert_int_eq(conn_send(server_side.conn, FRAME_ACK, "", 0), 0);
	wait_for(&client_side.frames, frames + 1);
	conn_close(c);
	wait_for(&server_side.closed, closed + 1);
	return resumed;
}

static void
is_turned_away(SSL_CTX *ctx, const char *expect)
{
	int opened = server_side.opened, refused = server_side.refused;

	connect_with(ctx, ROLE_COLLECTOR, "c1");
	wait_for(&server_side.refused, refused + 1);
	ck_assert_msg(strstr(server_side.why, expect) != NULL, "\"%s\" lacks \"%s\"",
	    server_side.why, expect);
	ck_assert_int_eq(server_side.opened, opened);
}

/* A context of an agent of its own; its certificate ends at to_s from now (0: tomorrow). */
static SSL_CTX *
agent_context(const char *id, int serial, long to_s)
{
	char uri[64];
	struct testcert t;
	SSL_CTX *ctx;

	snprintf(uri, sizeof uri, "linkwatch://agent/%s", id);
	t = testcert_make(&(struct testcert_spec){ .cn = "test", .uri = { uri }, .eku = "clientAuth",
	    .issuer = &ca, .serial = serial, .to_s = to_s });
	testcert_save(&t, dir, id);
	ctx = context(id, false, NULL);
	testcert_free(&t);
	return ctx;
}

START_TEST(resumes)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0), *a3 = agent_context("a3", 9, 0);

	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(!comes_in(a3, "a3"));
	for (int i = 0; i < 3; i++) {		/* each with the ticket of the one before */
		ck_assert(comes_in(a2, "a2"));
		ck_assert(comes_in(a3, "a3"));
	}
	/* Another certificate is another context, and remembers nothing. */
	SSL_CTX_free(a2);
	a2 = agent_context("a2", 10, 0);
	ck_assert(!comes_in(a2, "a2"));
	/* A reload that changes nobody whom the server believes. */
	server_uses(context("collector", true, NULL));
	ck_assert(comes_in(a2, "a2"));
	SSL_CTX_free(a2);
	SSL_CTX_free(a3);
}
END_TEST

START_TEST(no_tickets_without_keys)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);

	SSL_CTX_free(server_ctx);
	server_ctx = context("collector", true, NULL);
	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(!comes_in(a2, "a2"));
	SSL_CTX_free(a2);
}
END_TEST

/* The ticket is good, the certificate in it has expired: T09. */
START_TEST(expired_since)
{
	SSL_CTX *a2 = agent_context("a2", 8, 4);
	int64_t end = tls_context_not_after(a2);

	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(comes_in(a2, "a2"));
	while (clock_wall(clock_real()).ns <= end + NS_PER_S)
		usleep(50000);
	is_turned_away(a2, "agent a2: certificate has expired");
	SSL_CTX_free(a2);
}
END_TEST

/* T10, T14: a ticket does not outlive the revocation of its certificate. */
START_TEST(revoked_since)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0), *a3 = agent_context("a3", 9, 0);

	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(!comes_in(a3, "a3"));
	testcert_save_crl(&ca, 8, dir, "crl.pem");
	server_uses(context("collector", true, path("crl.pem")));
	is_turned_away(a2, "agent a2: certificate revoked");
	is_turned_away(a2, "agent a2: certificate revoked");
	/* Whom the list does not name comes in by a full handshake once, and then resumes. */
	ck_assert(!comes_in(a3, "a3"));
	ck_assert(comes_in(a3, "a3"));
	/* The next list names nobody that is here: again once in full. */
	testcert_save_crl(&ca, 0, dir, "crl.pem");
	server_uses(context("collector", true, path("crl.pem")));
	ck_assert(!comes_in(a3, "a3"));
	ck_assert(comes_in(a3, "a3"));
	SSL_CTX_free(a2);
	SSL_CTX_free(a3);
}
END_TEST

/* A list that is out of date fails a full handshake, and so no ticket rests on it. */
START_TEST(list_expires)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);
	int64_t end = clock_wall(clock_real()).ns + 4 * NS_PER_S;

	testcert_save_crl_until(&ca, 0, 4, dir, "crl.pem");
	SSL_CTX_free(server_ctx);
	server_ctx = context("collector", true, path("crl.pem"));
	tls_context_tickets(server_ctx, tickets);
	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(comes_in(a2, "a2"));
	while (clock_wall(clock_real()).ns <= end + NS_PER_S)
		usleep(50000);
	is_turned_away(a2, "CRL has expired");
	SSL_CTX_free(a2);
}
END_TEST

/* A new list is applied to who is connected: in full, by resumption, and to nobody else. */
START_TEST(revoked_while_connected)
{
	SSL_CTX *ctx[50];
	struct conn *c[50];
	char id[8], why[64];

	start_server((struct tls_server_opts){ .max_conns = 60 });
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof id, "b%d", i);
		ctx[i] = agent_context(id, 100 + i, 0);
		if (i % 2 == 0)
			ck_assert(!comes_in(ctx[i], id));
	}
	client_side.opened = server_side.opened = client_side.closed = server_side.closed = 0;
	for (int i = 0; i < 50; i++) {
		c[i] = connect_with(ctx[i], ROLE_COLLECTOR, "c1");
		wait_for(&client_side.opened, i + 1);
		wait_for(&server_side.opened, i + 1);
		ck_assert(tls_conn_is_resumed(server_side.conn) == (i % 2 == 0));
	}
	for (int i = 0; i < 50; i += 17) {		/* 0, 17, 34 */
		testcert_save_crl(&ca, 100 + i, dir, "crl.pem");
		server_uses(context("collector", true, path("crl.pem")));
		wait_for(&server_side.closed, 1 + i / 17);
		snprintf(why, sizeof why, "certificate of agent b%d: certificate revoked", i);
		ck_assert_str_eq(server_side.why, why);
		wait_for(&client_side.closed, 1 + i / 17);
		c[i] = NULL;
	}
	for (int i = 0; i < 50; i++)
		if (c[i] != NULL)
			ck_assert_int_eq(conn_send(c[i], FRAME_BATCH, "x", 1), 0);
	wait_for(&server_side.frames, 47);
	ck_assert_int_eq(server_side.closed, 3);
	for (int i = 0; i < 50; i++) {
		if (c[i] != NULL)
			conn_close(c[i]);
		SSL_CTX_free(ctx[i]);
	}
}
END_TEST

START_TEST(ca_changed)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);
	struct testcert t = make("linkwatch://collector/c1", "serverAuth", &ca);
	struct tls_files f = { .ca = path("other-ca.pem"), .cert = path("collector.pem"),
		.key = path("collector.key") };
	char err[200];
	SSL_CTX *ctx;

	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	ctx = tls_context_new(&f, true, err, sizeof err);
	ck_assert_msg(ctx != NULL, "%s", err);
	server_uses(ctx);
	is_turned_away(a2, "agent a2");
	testcert_free(&t);
	SSL_CTX_free(a2);
}
END_TEST

/* Keys that the server has not, and keys that its predecessor left. */
START_TEST(keys)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);
	int fd = memfd_create("keys", 0);
	struct tls_tickets *first = tickets;
	uint8_t byte;

	ck_assert_int_ge(fd, 0);
	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	tickets = tls_tickets_new(fd);
	server_uses(context("collector", true, NULL));
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(comes_in(a2, "a2"));
	for (int i = 0; i < 2; i++) {		/* a successor, twice */
		tls_tickets_free(first);
		first = tickets;
		tickets = tls_tickets_new(fd);
		server_uses(context("collector", true, NULL));
		ck_assert(comes_in(a2, "a2"));
	}
	/* Damage: it begins anew, and so does everybody. */
	ck_assert_int_eq(pread(fd, &byte, 1, 40), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, 40), 1);
	tls_tickets_free(first);
	first = tickets;
	tickets = tls_tickets_new(fd);
	server_uses(context("collector", true, NULL));
	ck_assert(!comes_in(a2, "a2"));
	ck_assert(comes_in(a2, "a2"));
	tls_tickets_free(first);
	close(fd);
	SSL_CTX_free(a2);
}
END_TEST

/* A peer that stays is given a new ticket: the old one's key may be gone when it needs it. */
START_TEST(a_new_ticket_for_who_stays)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);
	struct tls_tickets *old = tickets;
	struct conn *c;

	start_server((struct tls_server_opts){ .ticket_ns = 1 });
	c = connect_with(a2, ROLE_COLLECTOR, "c1");
	wait_for(&server_side.opened, 1);
	wait_for(&client_side.opened, 1);
	/* The keys under the connection's own context change, as after a week. */
	tickets = tls_tickets_new(-1);
	tls_context_tickets(server_ctx, tickets);
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(conn_send(server_side.conn, FRAME_ACK, "abc", 3), 0);
		wait_for(&client_side.frames, i);
		ck_assert_int_eq(conn_send(c, FRAME_BATCH, "defg", 4), 0);
		wait_for(&server_side.frames, i);
	}
	ck_assert_uint_eq(client_side.bytes, 9);
	ck_assert_uint_eq(server_side.bytes, 12);
	conn_close(c);
	wait_for(&server_side.closed, 1);
	ck_assert(comes_in(a2, "a2"));
	tls_tickets_free(old);
	SSL_CTX_free(a2);
}
END_TEST

/* Nothing that a client may offer as a ticket stops it from a full handshake, or lets in another. */
START_TEST(bad_tickets)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0), *a3 = agent_context("a3", 9, 0);
	struct tls_tickets *old = tickets;

	start_server((struct tls_server_opts){ 0 });
	ck_assert(!comes_in(a2, "a2"));
	tickets = tls_tickets_new(-1);		/* sealed by nobody that is known here */
	server_uses(context("collector", true, NULL));
	ck_assert(!comes_in(a2, "a2"));
	/* a3 has the key of a2's session as little as anybody: its own comes first. */
	ck_assert(!comes_in(a3, "a3"));
	ck_assert(comes_in(a2, "a2"));
	tls_tickets_free(old);
	SSL_CTX_free(a2);
	SSL_CTX_free(a3);
}
END_TEST

/* Refused connections say nothing of a session: it is offered when the server is back. */
START_TEST(outlives_a_restart)
{
	SSL_CTX *a2 = agent_context("a2", 8, 0);
	struct tls_server_opts o = { 0 };
	struct sockaddr_in sin;
	struct conn *c;
	int closed;

	start_server(o);
	sin = address();
	ck_assert(!comes_in(a2, "a2"));
	o.port = tls_server_port(server);
	tls_server_free(server);
	for (int i = 0; i < 2; i++) {
		closed = client_side.closed;
		if (tls_connect(&c, base, a2, (struct sockaddr *)&sin, sizeof sin, ROLE_COLLECTOR, "c1",
		    &handler, &client_side) == 0)
			wait_for(&client_side.closed, closed + 1);
	}
	start_server(o);
	ck_assert(comes_in(a2, "a2"));
	SSL_CTX_free(a2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_resume");
	TCase *tc = tcase_create("tls_resume");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup_tickets, teardown_tickets);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, resumes);
	tcase_add_test(tc, no_tickets_without_keys);
	tcase_add_test(tc, expired_since);
	tcase_add_test(tc, revoked_since);
	tcase_add_test(tc, list_expires);
	tcase_add_test(tc, revoked_while_connected);
	tcase_add_test(tc, ca_changed);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, a_new_ticket_for_who_stays);
	tcase_add_test(tc, bad_tickets);
	tcase_add_test(tc, outlives_a_restart);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
