/*
 * test_tls_storm.c - many who connect at once: served in order and a few at a time, while whoever
 * is connected goes on; those who stand still, or have gone, or come without a descriptor left.
 *
 * Counted in passes of one loop and in handshakes, not in seconds: the figures of time are
 * tests/bench's.
 */
#include <sys/resource.h>

#include "common/frame.h"
#include "tests/unit/common/tls_fixture.h"

#define CROWD 60
#define AT_ONCE 4

static struct tls_server_stat
stat_now(void)
{
	struct tls_server_stat st;

	tls_server_stat(server, &st);
	return st;
}

/* A socket that comes from this address and speaks its ClientHello, and then no word more. */
static int
half_open(const char *from)
{
	struct sockaddr_in sin = address(), own = { .sin_family = AF_INET };
	SSL_CTX *ctx = raw_context(NULL, TLS1_3_VERSION);
	SSL *ssl = SSL_new(ctx);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char hello[4096];
	int n;

	ck_assert_int_eq(inet_pton(AF_INET, from, &own.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_connect(ssl);
	n = BIO_read(SSL_get_wbio(ssl), hello, sizeof hello);
	ck_assert_int_gt(n, 100);
	ck_assert_int_eq(write(fd, hello, (size_t)n), n);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return fd;
}

/* X04: all come at once, some are served at a time, and the one that is in has its answers meanwhile. */
START_TEST(a_few_at_a_time_while_the_connected_go_on)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct side live = { 0 };
	struct sockaddr_in sin;
	struct conn *c, *crowd[CROWD];
	int asked = 0, rounds = 0;
	uint64_t before = 0, most = 0;

	server_side.echo = true;
	start_server((struct tls_server_opts){ .handshakes = AT_ONCE, .max_conns = 100 });
	sin = address();
	ck_assert_int_eq(tls_connect(&c, base, ctx, (struct sockaddr *)&sin, sizeof sin, ROLE_COLLECTOR,
	    "c1", &handler, &live), 0);
	wait_for(&live.opened, 1);
	for (int i = 0; i < CROWD; i++)
		crowd[i] = connect_with(ctx, ROLE_COLLECTOR, "c1");
	for (int i = 0; client_side.opened < CROWD; i++) {
		struct tls_server_stat st;

		ck_assert_int_lt(i, 100000);
		if (live.frames == asked) {
			st = stat_now();
			most = st.opened - before > most && asked > 0 ? st.opened - before : most;
			before = st.opened;
			ck_assert_int_eq(conn_send(c, FRAME_BATCH, "live", 4), 0);
			asked++;
			rounds++;
		}
		event_base_loop(base, EVLOOP_ONCE);
		st = stat_now();
		ck_assert_uint_le(st.shaking, 2 * AT_ONCE);	/* one that takes half a second frees its place */
	}
	wait_for(&server_side.opened, CROWD + 1);
	/* While sixty came in, it asked and was answered many times; never did more than a few
	 * rounds of handshakes come between. */
	ck_assert_int_ge(rounds, 5);
	ck_assert_uint_le(most, 3 * AT_ONCE);
	ck_assert_int_eq(client_side.closed + live.closed + server_side.refused, 0);
	ck_assert_uint_eq(stat_now().waiting, 0);
	ck_assert_uint_eq(stat_now().opened, CROWD + 1);
	conn_close(c);
	for (int i = 0; i < CROWD; i++)
		conn_close(crowd[i]);
	SSL_CTX_free(ctx);
}
END_TEST

/* X03, T13: those who stand still lose their place; another address does not wait for them. */
START_TEST(who_stands_still_holds_nobody_up)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	int fd[20];
	struct conn *c;

	start_server((struct tls_server_opts){ .handshakes = AT_ONCE, .max_conns = 100 });
	for (int i = 0; i < 20; i++)
		fd[i] = half_open("127.0.0.2");
	while (stat_now().waiting < 20 - AT_ONCE)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(stat_now().shaking, AT_ONCE);
	c = connect_with(ctx, ROLE_COLLECTOR, "c1");
	wait_for(&server_side.opened, 1);
	/* It was the next one, not the twenty-first. */
	ck_assert_uint_ge(stat_now().waiting, 20 - 3 * AT_ONCE);
	while (stat_now().waiting > 0)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(stat_now().shaking, 20);
	for (int i = 0; i < 20; i++)
		close(fd[i]);
	wait_for(&server_side.refused, 20);
	ck_assert_uint_eq(stat_now().shaking, 0);
	conn_close(c);
	SSL_CTX_free(ctx);
}
END_TEST

/* X03: a hundred who connect from addresses of their own and say nothing, or little, take no half second each. */
START_TEST(who_says_nothing_gives_way)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct mono began = clock_mono(clock_real());
	struct sockaddr_in sin, own = { .sin_family = AF_INET };
	struct conn *c;
	int fd[100];

	start_server((struct tls_server_opts){ .handshakes = AT_ONCE, .max_conns = 200 });
	sin = address();
	for (int i = 0; i < 100; i++) {
		own.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)i);
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(bind(fd[i], (struct sockaddr *)&own, sizeof own), 0);
		ck_assert_int_eq(connect(fd[i], (struct sockaddr *)&sin, sizeof sin), 0);
		if (i % 2 == 0)		/* the beginning of a ClientHello */
			ck_assert_int_eq(write(fd[i], "\x16\x03\x01\x02\x00\x01\x00", 7), 7);
	}
	while (stat_now().waiting + stat_now().shaking < 100)
		event_base_loop(base, EVLOOP_ONCE);
	c = connect_with(ctx, ROLE_COLLECTOR, "c1");
	wait_for(&server_side.opened, 1);
	ck_assert_int_lt(clock_mono(clock_real()).ns - began.ns, 100 / AT_ONCE * NS_PER_S / 4);
	for (int i = 0; i < 100; i++)
		close(fd[i]);
	conn_close(c);
	SSL_CTX_free(ctx);
}
END_TEST

/* Who has gone when its turn comes costs no handshake; who finds the line full is turned away. */
START_TEST(gone_and_too_many)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	int fd[20], late[4];
	struct conn *c;

	start_server((struct tls_server_opts){ .handshakes = 2, .waiting_max = 18, .max_conns = 100 });
	for (int i = 0; i < 20; i++)
		fd[i] = half_open("127.0.0.2");
	while (stat_now().waiting < 18)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 0; i < 4; i++)
		late[i] = half_open("127.0.0.2");
	while (stat_now().turned_away < 4)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 2; i < 20; i++)
		close(fd[i]);
	c = connect_with(ctx, ROLE_COLLECTOR, "c1");	/* in place of one of those */
	wait_for(&server_side.opened, 1);
	while (stat_now().waiting > 0)
		event_base_loop(base, EVLOOP_ONCE);
	/* A slow machine may have begun with some of them before they went. */
	ck_assert_uint_ge(stat_now().turned_away, 4 + 9);
	while (stat_now().shaking > 2)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(stat_now().turned_away + stat_now().failed, 4 + 18);
	for (int i = 0; i < 4; i++)
		close(late[i]);
	close(fd[0]);
	close(fd[1]);
	while (stat_now().shaking > 0)
		event_base_loop(base, EVLOOP_ONCE);
	conn_close(c);
	SSL_CTX_free(ctx);
}
END_TEST

static double
cpu_s(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

/* X01: no descriptor is left.  It does not spin, and goes on when there is one again. */
START_TEST(no_descriptor_left)
{
	SSL_CTX *ctx = context("agent", false, NULL);
	struct rlimit old, few;
	int fd[8], first = dup(0);
	double cpu;

	close(first);
	start_server((struct tls_server_opts){ .max_conns = 100 });
	for (int i = 0; i < 8; i++)
		fd[i] = half_open("127.0.0.1");
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = (rlim_t)fd[7] + 4;	/* three more */
	setrlimit(RLIMIT_NOFILE, &few);
	cpu = cpu_s();
	event_base_loopexit(base, &(struct timeval){ .tv_sec = 1 });
	event_base_dispatch(base);
	cpu = cpu_s() - cpu;
	ck_assert_uint_eq(stat_now().conns, 3);
	ck_assert_msg(cpu < 0.5, "%.2f s of CPU within a second of nothing to do", cpu);
	setrlimit(RLIMIT_NOFILE, &old);
	while (stat_now().conns < 8)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	wait_for(&server_side.refused, 8);
	SSL_CTX_free(ctx);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_storm");
	TCase *tc = tcase_create("tls_storm");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_few_at_a_time_while_the_connected_go_on);
	tcase_add_test(tc, who_stands_still_holds_nobody_up);
	tcase_add_test(tc, who_says_nothing_gives_way);
	tcase_add_test(tc, gone_and_too_many);
	tcase_add_test(tc, no_descriptor_left);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
