/*
 * test_tls_hostile.c - peers with a good certificate and bad manners, and too
 * many of them.
 */
#include "common/tls.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "common/frame.h"
#include "common/mem.h"
#include "tests/unit/common/tls_fixture.h"

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

/* F04, F05, F06, F07, F13. */
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
		static const uint8_t good[9] = { 0, 0, 0, 1, 5, 1, 0, 0, 'x' };
		uint8_t data[12 + 9 + 9];
		pid_t pid;

		/* A good one before it; the one behind it must not be found: no way back after F07. */
		memcpy(data, good, 9);
		memcpy(data + 9, bad[i].bytes, 12);
		memcpy(data + 9 + 12, good, 9);
		pid = child_sends(data, sizeof data, sizeof data, READ_TO_END);
		wait_for(&server_side.closed, i + 1);
		ck_assert_str_eq(server_side.why, bad[i].why);
		ck_assert_int_eq(server_side.frames, i + 1);
		end_child(pid);
	}
}
END_TEST

/* F11: as many frames as one record holds, and each is heard. */
START_TEST(many_frames_in_one_record)
{
	static uint8_t data[2000 * FRAME_HEADER];
	pid_t pid;

	for (size_t i = 0; i < sizeof data; i += FRAME_HEADER)
		frame_header(data + i, FRAME_CLOCK_PING, 0);
	start_server((struct tls_server_opts){ 0 });
	pid = child_sends(data, sizeof data, sizeof data, VANISH);
	wait_for(&server_side.closed, 1);
	ck_assert_int_eq(server_side.frames, 2000);
	ck_assert_uint_eq(server_side.bytes, 0);
	end_child(pid);
}
END_TEST

/* F10, T18. */
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

/* F19, X05. */
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
	Suite *s = suite_create("tls_hostile");
	TCase *tc = tcase_create("tls_hostile");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bad_frames);
	tcase_add_test(tc, many_frames_in_one_record);
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
