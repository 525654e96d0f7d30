/*
 * test_supervisor.c - children that live, die, hang and refuse to end.
 *
 * The supervisor starts /proc/self/exe with --role: this program itself, which
 * then plays the child. Each life of a child is one line in the file named by
 * the "configuration": "ROLE PID AFTER-SIGNAL".
 */
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "collector/heartbeat.h"
#include "collector/supervisor.h"
#include "tests/unit/collector/peer.h"

static char *dir, *log_path;
static pid_t supervisor;

/* ------------------------------------------------------------------ the child */

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	event_base_loopbreak(arg);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	dprintf(*(int *)arg, "hup %d 0\n", (int)getpid());
}

/* Beats and ends on SIGTERM. */
static int
steady(int out)
{
	struct event_base *base = event_base_new();
	struct event *term = evsignal_new(base, SIGTERM, on_term, base);
	struct event *hup = evsignal_new(base, SIGHUP, on_hup, &out);
	struct heartbeat *hb = heartbeat_new(base);

	event_add(term, NULL);
	event_add(hup, NULL);
	event_base_dispatch(base);
	heartbeat_free(hb);
	event_free(term);
	event_free(hup);
	event_base_free(base);
	return hb == NULL;
}

static int
play(char **argv)
{
	const char *role = argv[4];
	int out = open(argv[2], O_WRONLY | O_APPEND);
	struct event_base *base;

	dprintf(out, "%s %d %s\n", role, (int)getpid(), argv[6]);
	if (strcmp(role, "keeps") != 0)
		dprintf(out, "file %d 0\n", supervisor_kept_fd());
	if (strcmp(role, "steady") == 0)
		return steady(out);
	if (strcmp(role, "crashes") == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (strcmp(role, "fails") == 0)
		return 1;
	if (strcmp(role, "keeps") == 0) {	/* one byte more in each life */
		int fd = supervisor_kept_fd();
		off_t n = lseek(fd, 0, SEEK_END);

		dprintf(out, "kept %d %d\n", (int)n, fcntl(fd, F_GETFD) & FD_CLOEXEC);
		return write(fd, "x", 1) != 1;
	}
	base = event_base_new();
	heartbeat_new(base);			/* one beat, and no more */
	if (strcmp(role, "stubborn") == 0) {
		signal(SIGABRT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
	}
	for (;;)
		pause();
}

/* ----------------------------------------------------------------- the tests */

static void
setup(void)
{
	dir = test_dir();
	log_path = xasprintf("%s/log", dir);
	close(open(log_path, O_CREAT | O_WRONLY, 0600));
}

static void
start(const char *a, const char *b)
{
	const char *role[] = { a, b, NULL };
	struct supervisor_opts o = { .conf_path = log_path, .role = role, .keeper = "keeps",
		.hang_ns = 4 * NS_PER_S, .stop_ns = 3 * NS_PER_S };

	supervisor = fork();
	if (supervisor == 0) {
		int fd = open("/dev/null", O_WRONLY);

		dup2(fd, 2);
		_exit(supervisor_run(&o));
	}
}

static void
teardown(void)
{
	if (supervisor > 0) {
		kill(supervisor, SIGKILL);
		waitpid(supervisor, NULL, 0);
	}
	supervisor = 0;
	free(log_path);
	test_dir_remove(dir);
}

struct life { char role[32]; int pid, after; };

static int
lives(const char *role, struct life *last)
{
	FILE *f = fopen(log_path, "r");
	struct life l;
	int n = 0;

	while (fscanf(f, "%31s %d %d", l.role, &l.pid, &l.after) == 3)
		if (strcmp(l.role, role) == 0) {
			n++;
			*last = l;
		}
	fclose(f);
	return n;
}

static void
wait_lives(const char *role, int n, struct life *last)
{
	for (int i = 0; i < 2000; i++) {
		if (lives(role, last) >= n)
			return;
		usleep(10000);
	}
	ck_abort_msg("%s did not live %d times", role, n);
}

static void
wait_gone(int pid)
{
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, 0) != 0)
			return;
		usleep(10000);
	}
	ck_abort_msg("%d still lives", pid);
}

static void
stop(void)
{
	int status;

	kill(supervisor, SIGTERM);
	ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	supervisor = 0;
}

START_TEST(all_start_and_all_end)
{
	struct life a, b;

	start("steady", "hangs");
	wait_lives("steady", 1, &a);
	wait_lives("hangs", 1, &b);
	stop();
	wait_gone(a.pid);
	wait_gone(b.pid);
}
END_TEST

START_TEST(one_that_is_killed_comes_back_and_knows_how_it_died)
{
	struct life a, b;

	start("steady", NULL);
	wait_lives("steady", 1, &a);
	ck_assert_int_eq(a.after, 0);
	kill(a.pid, SIGKILL);
	wait_lives("steady", 2, &b);
	ck_assert_int_ne(a.pid, b.pid);
	ck_assert_int_eq(b.after, SIGKILL);
	stop();
}
END_TEST

START_TEST(one_that_crashes_does_not_touch_the_other)
{
	struct life a, b;
	int64_t begin = clock_mono(clock_real()).ns;

	start("steady", "crashes");
	wait_lives("crashes", 4, &b);
	/* 0.25 + 0.5 + 1 s of back-off lie between four lives. */
	ck_assert_int_ge(clock_mono(clock_real()).ns - begin, 1700 * NS_PER_MS);
	ck_assert_int_eq(b.after, SIGSEGV);
	ck_assert_int_eq(lives("steady", &a), 1);
	ck_assert_int_eq(kill(a.pid, 0), 0);
	stop();
}
END_TEST

START_TEST(one_that_fails_is_tried_again)
{
	struct life a;

	start("fails", NULL);
	wait_lives("fails", 3, &a);
	ck_assert_int_eq(a.after, 0);
	stop();
}
END_TEST

START_TEST(one_that_hangs_is_ended_and_started_again)
{
	struct life a, b;

	start("hangs", NULL);
	wait_lives("hangs", 1, &a);
	wait_lives("hangs", 2, &b);
	ck_assert_int_eq(b.after, SIGABRT);
	wait_gone(a.pid);
	stop();
}
END_TEST

START_TEST(one_that_does_not_want_to_end_is_killed)
{
	struct life a, b;

	start("stubborn", NULL);
	wait_lives("stubborn", 1, &a);
	wait_lives("stubborn", 2, &b);
	ck_assert_int_eq(b.after, SIGKILL);
	stop();
	wait_gone(b.pid);
}
END_TEST

START_TEST(what_one_keeps_its_successor_finds)
{
	struct life a, b;

	start("steady", "keeps");
	wait_lives("kept", 3, &a);
	ck_assert_int_ge(a.pid, 2);		/* bytes of two lives before it */
	ck_assert_int_eq(a.after, FD_CLOEXEC);
	wait_lives("file", 1, &b);
	ck_assert_int_eq(b.pid, -1);		/* the other has no such file */
	stop();
}
END_TEST

START_TEST(hup_is_passed_on)
{
	struct life a, h;

	start("steady", NULL);
	wait_lives("steady", 1, &a);
	/* Until its handler stands SIGHUP would end it: it comes back, with more time each round. */
	for (int i = 0; i < 40 && lives("hup", &h) == 0; i++) {
		kill(supervisor, SIGHUP);
		usleep(50000 * (useconds_t)(i + 1));
	}
	ck_assert_int_ge(lives("hup", &h), 1);
	stop();
}
END_TEST

START_TEST(children_do_not_outlive_a_killed_supervisor)
{
	struct life a, b;

	start("steady", "stubborn");
	wait_lives("steady", 1, &a);
	wait_lives("stubborn", 1, &b);
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	supervisor = 0;
	wait_gone(a.pid);
	wait_gone(b.pid);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("supervisor");
	TCase *t = tcase_create("supervisor");
	SRunner *r = srunner_create(s);
	int failed;

	if (argc == 7 && strcmp(argv[3], "--role") == 0) {
		srunner_free(r);
		return play(argv);
	}
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_start_and_all_end);
	tcase_add_test(t, one_that_is_killed_comes_back_and_knows_how_it_died);
	tcase_add_test(t, one_that_crashes_does_not_touch_the_other);
	tcase_add_test(t, one_that_fails_is_tried_again);
	tcase_add_test(t, one_that_hangs_is_ended_and_started_again);
	tcase_add_test(t, one_that_does_not_want_to_end_is_killed);
	tcase_add_test(t, what_one_keeps_its_successor_finds);
	tcase_add_test(t, hup_is_passed_on);
	tcase_add_test(t, children_do_not_outlive_a_killed_supervisor);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
