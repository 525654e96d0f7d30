/*
 * test_graph_pool.c - drawing processes that draw, fail, hang, die and babble.
 *
 * The workers are this program: as `--role graph` it is the real worker, or
 * what WORKER in the environment says.
 */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <rrd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/graph_worker.h"
#include "common/mem.h"

static struct event_base *base;
static struct graph_pool *pool;
static int calls, good, last_error;
static size_t last_len;
static uint32_t last_width;
static char last_why[200];

static void
start(const char *worker)
{
	if (worker != NULL)
		setenv("WORKER", worker, 1);
	else
		unsetenv("WORKER");
	calls = good = last_error = 0;
	last_len = 0;
	base = event_base_new();
	pool = graph_pool_new(base, NULL, 2);
}

static void
stop(void)
{
	graph_pool_free(pool);
	event_base_free(base);
}

static void
done(void *arg, const struct graph_image *g)
{
	(void)arg;
	calls++;
	good += g->error == 0;
	last_error = g->error;
	last_len = g->error == 0 ? g->len : 0;
	last_width = g->width;
	strncpy(last_why, g->why != NULL ? g->why : "", sizeof last_why - 1);
	if (g->error == 0 && g->png[0] != '{')
		ck_assert_int_eq(memcmp(g->png, "\x89PNG", 4), 0);
}

static uint64_t
ask(const char *const *argv)
{
	struct graph_args args = { 0 };

	for (; argv[args.argc] != NULL; args.argc++)
		args.argv[args.argc] = xstrdup(argv[args.argc]);
	uint64_t ticket = graph_pool_draw(pool, &args, done, NULL);
	if (ticket == 0)
		graph_args_free(&args);
	return ticket;
}

static const char *const picture[] = { "graph", "-", "--start", "1767225600", "--end", "1767229200",
	"--width", "300", "--height", "100", "HRULE:1#ff0000", NULL };
static const char *const no_file[] = { "fetch", "/nonexistent/x.rrd", "AVERAGE", "1767225600",
	"1767229200", "60", NULL };

/* Runs the loop until so many answers came, 20 s at most. */
static void
await(int n)
{
	for (int i = 0; i < 20000 && calls < n; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (calls < n)
			usleep(1000);
	}
	ck_assert_int_eq(calls, n);
}

START_TEST(draws)
{
	start(NULL);
	ck_assert_uint_ne(ask(picture), 0);
	await(1);
	ck_assert_int_eq(last_error, 0);
	ck_assert_uint_gt(last_len, 500);
	ck_assert_uint_eq(last_width, 300);
	ck_assert_uint_ne(ask(no_file), 0);	/* its worker lives on */
	await(2);
	ck_assert_int_eq(last_error, -ENODATA);
	ck_assert_str_ne(last_why, "");
	ck_assert_uint_ne(ask(picture), 0);
	await(3);
	ck_assert_int_eq(last_error, 0);
	stop();
}
END_TEST

/* Holds the file as one who writes it, for a while; the length of the while is what is tested.
 * *let_go becomes readable before it lets go. */
static pid_t
hold(const char *file, int *let_go)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ready[2], fd = open(file, O_RDWR | O_CLOEXEC);
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(200 * 1000);
		_exit(write(ready[1], "y", 1) != 1);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(fd);
	close(ready[1]);
	*let_go = ready[0];
	return pid;
}

/* The store writes a file while it is drawn: that is waited for. */
START_TEST(waits_for_the_writer)
{
	const char *ds[] = { "DS:loss:GAUGE:20:0:1", "RRA:AVERAGE:0.5:1:360" };
	char file[] = "/tmp/test_graph_pool.XXXXXX";
	const char *const fetch[] = { "fetch", file, "AVERAGE", "1767225600", "1767229200", "60", NULL };
	int fd = mkstemp(file), status, let_go;
	char c;
	pid_t pid;

	close(fd);
	ck_assert_int_eq(rrd_create_r(file, 10, 1767225600, 2, ds), 0);
	start(NULL);
	pid = hold(file, &let_go);
	ck_assert_int_eq(fcntl(let_go, F_SETFL, O_NONBLOCK), 0);
	ck_assert_uint_ne(ask(fetch), 0);
	await(1);
	ck_assert_int_eq(read(let_go, &c, 1), 1);	/* not before the other was done */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(let_go);
	ck_assert_msg(last_error == 0, "%s", last_why);
	stop();
	unlink(file);
}
END_TEST

START_TEST(hangs)
{
	start("hang");
	ck_assert_uint_ne(ask(picture), 0);
	await(1);
	ck_assert_int_eq(last_error, -ETIME);
	unsetenv("WORKER");
	ck_assert_uint_ne(ask(picture), 0);	/* by the one that replaces it, in the end */
	ck_assert_uint_ne(ask(picture), 0);
	ck_assert_uint_ne(ask(picture), 0);
	await(4);
	ck_assert_int_ge(good, 2);		/* the other first worker hangs too */
	stop();
}
END_TEST

START_TEST(dies_and_babbles)
{
	static const char *const ways[] = { "die", "short", "long", "junk" };

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		start(ways[i]);
		ck_assert_uint_ne(ask(picture), 0);
		await(1);
		ck_assert_int_lt(last_error, 0);
		stop();
	}
}
END_TEST

START_TEST(is_bounded)
{
	uint64_t ticket = 0, first = 0;
	int taken = 0;

	start("hang");
	for (int i = 0; i < 2 * GRAPH_QUEUE_MAX; i++) {
		ticket = ask(picture);
		taken += ticket != 0;
		if (i == 0)
			first = ticket;
	}
	ck_assert_uint_eq(ticket, 0);
	ck_assert_int_ge(taken, GRAPH_QUEUE_MAX);
	ck_assert_int_le(taken, GRAPH_QUEUE_MAX + 2);
	graph_pool_cancel(pool, first);
	graph_pool_cancel(pool, 999999);
	stop();				/* nobody is called any more */
	ck_assert_int_eq(calls, 0);
}
END_TEST

/* What a worker must not do. */
static int
misbehave(const char *how)
{
	char buf[4096];
	uint32_t len = strcmp(how, "long") == 0 ? UINT32_MAX : strcmp(how, "short") == 0 ? 3 : 36;

	if (strcmp(how, "hang") == 0)
		for (;;)
			pause();
	if (read(0, buf, sizeof buf) <= 0 || strcmp(how, "die") == 0)
		return 1;
	memset(buf, 0xee, sizeof buf);
	memcpy(buf, &len, sizeof len);
	if (write(0, buf, 40) != 40)
		return 1;
	while (read(0, buf, sizeof buf) > 0)
		;
	return 0;
}

int
main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;
	SRunner *sr;
	int failed;

	if (argc == 3 && strcmp(argv[1], "--role") == 0 && strcmp(argv[2], "graph") == 0)
		return getenv("WORKER") != NULL ? misbehave(getenv("WORKER")) : graph_worker_main();
	s = suite_create("graph_pool");
	tc = tcase_create("all");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, draws);
	tcase_add_test(tc, waits_for_the_writer);
	tcase_add_test(tc, hangs);
	tcase_add_test(tc, dies_and_babbles);
	tcase_add_test(tc, is_bounded);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
