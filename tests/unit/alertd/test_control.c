/*
 * test_control.c - the control socket: who may speak, order, bounds, and
 * clients that are slow, mute, many or mad.
 */
#include "alertd/control.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control.h"

static char dir[64], path[100];
static struct event_base *base;
static struct control *ctl;
static struct alertd_conf conf;
static struct control_user users[2];
static char *proxies[1];

static int served;
static uint64_t later;			/* ticket to be answered by the test */
static struct control_actor actor;

static void
serve(void *arg, const struct control_request *req)
{
	(void)arg;
	served++;
	actor = req->actor;
	if (strcmp(req->cmd, "echo") == 0) {
		control_ok(ctl, req->ticket, json_deep_copy(req->args));
	} else if (strcmp(req->cmd, "later") == 0) {
		later = req->ticket;
	} else if (strcmp(req->cmd, "subscribe") == 0) {
		control_subscribe(ctl, req->ticket);
		control_ok(ctl, req->ticket, json_object());
	} else if (strcmp(req->cmd, "huge") == 0) {
		char *s = malloc(CONTROL_LINE_MAX + 10);
		memset(s, 'x', CONTROL_LINE_MAX + 9);
		s[CONTROL_LINE_MAX + 9] = '\0';
		control_ok(ctl, req->ticket, json_pack("{ss}", "s", s));
		free(s);
	} else if (strcmp(req->cmd, "big") == 0) {
		char *s = malloc(1000001);
		memset(s, 'x', 1000000);
		s[1000000] = '\0';
		control_ok(ctl, req->ticket, json_pack("{ss}", "s", s));
		free(s);
	} else {
		control_fail(ctl, req->ticket, "not-found", "没有", "none");
	}
}

static void
setup(void)
{
	char why[200];

	signal(SIGPIPE, SIG_IGN);
	served = 0;
	snprintf(dir, sizeof(dir), "/tmp/lw-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub/control.sock", dir);
	memset(&conf, 0, sizeof(conf));
	conf.control.socket = path;
	base = event_base_new();
	ck_assert_msg(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)) == 0, "%s", why);
}

static void
teardown(void)
{
	char cmd[100];

	control_free(ctl);
	event_base_free(base);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
turn(int times)
{
	for (int i = 0; i < times; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
say(int fd, const char *s)
{
	ck_assert_int_eq(send(fd, s, strlen(s), MSG_NOSIGNAL), (ssize_t)strlen(s));
}

/* The next line within 3 s, without its end; "" when the far side has closed. */
static const char *
hear(int fd)
{
	static char line[CONTROL_LINE_MAX + 1000];
	size_t n = 0;

	for (int i = 0; i < 300000 && n < sizeof(line) - 1; i++) {
		ssize_t r = recv(fd, line + n, sizeof(line) - 1 - n, MSG_PEEK);
		char *end = r > 0 ? memchr(line + n, '\n', (size_t)r) : NULL;
		if (r > 0)	/* not what stands behind the line */
			recv(fd, line + n, end != NULL ? (size_t)(end - line) + 1 - n : (size_t)r, 0);
		if (r == 0 || (r < 0 && errno == ECONNRESET))
			break;
		if (r < 0) {
			struct pollfd p = { fd, POLLIN, 0 };
			turn(3);
			if (poll(&p, 1, 1) == 0 && i > 3000)
				ck_abort_msg("no answer");
			continue;
		}
		if (end != NULL) {
			n = (size_t)(end - line);
			break;
		}
		n += (size_t)r;
	}
	line[n] = '\0';
	return line;
}

START_TEST(answers_in_order)
{
	int fd = dial();

	say(fd, "{\"id\":1,\"cmd\":\"echo\",\"args\":{\"a\":1}}\n{\"id\":\"two\",\"cmd\":\"nothing\"}\n"
		"{\"cmd\":\"echo\"}\n");
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true,\"data\":{\"a\":1}}");
	ck_assert_str_eq(hear(fd), "{\"id\":\"two\",\"ok\":false,\"error\":{\"code\":\"not-found\","
				   "\"zh\":\"没有\",\"en\":\"none\"}}");
	ck_assert_str_eq(hear(fd), "{\"ok\":true,\"data\":{}}");
	close(fd);
}
END_TEST

START_TEST(an_answer_may_come_later)
{
	int fd = dial();

	say(fd, "{\"id\":1,\"cmd\":\"later\"}\n{\"id\":2,\"cmd\":\"echo\"}\n");
	turn(20);
	ck_assert_int_eq(served, 1);		/* the second waits for the first */
	control_ok(ctl, later, json_object());
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true,\"data\":{}}");
	ck_assert_str_eq(hear(fd), "{\"id\":2,\"ok\":true,\"data\":{}}");
	/* gone before the answer */
	say(fd, "{\"id\":3,\"cmd\":\"later\"}\n");
	turn(20);
	close(fd);
	turn(20);
	control_ok(ctl, later, json_object());
	control_fail(ctl, later, "x", "x", "x");
	control_ok(ctl, 999, json_object());
	turn(20);
}
END_TEST

START_TEST(half_closed_still_gets_its_answer)
{
	int fd = dial();

	say(fd, "{\"id\":1,\"cmd\":\"later\"}\n");
	shutdown(fd, SHUT_WR);
	turn(20);
	control_ok(ctl, later, json_object());
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true,\"data\":{}}");
	ck_assert_str_eq(hear(fd), "");
	close(fd);
}
END_TEST

static const char *const garbage[] = {
	"\n", "hello\n", "{\n", "[]\n", "[1,2]\n", "null\n", "{}\n", "{\"cmd\":1}\n",
	"{\"cmd\":\"echo\",\"args\":[]}\n", "{\"cmd\":\"echo\",\"cmd\":\"echo\"}\n",
	"{\"cmd\":\"e\\u0000\"}\n", "\xff\xfe\n", "{\"cmd\":\"echo\",\"args\":{\"a\":NaN}}\n",
	"{\"cmd\":\"echo\"} trailing\n", "{\"cmd\":\"echo\",\"as\":{\"user\":\"\"}}\n",
	"{\"cmd\":\"echo\",\"as\":{\"user\":\"a\\nb\",\"role\":\"admin\"}}\n",
	"{\"cmd\":\"echo\",\"as\":{\"user\":\"a\",\"role\":\"god\"}}\n",
	"{\"cmd\":\"echo\",\"as\":{\"user\":\"a\",\"role\":\"vendor\"}}\n",
	"{\"cmd\":\"echo\",\"as\":{\"user\":\"a\",\"role\":\"vendor\",\"vendor\":\"../b\"}}\n",
	"{\"cmd\":\"echo\",\"as\":{\"user\":\"a\",\"role\":\"admin\",\"vendor\":\"b\"}}\n", "{\"cmd\":\"echo\",\"as\":7}\n",
	"{\"cmd\":\"\\ud800\"}\n",
};

START_TEST(garbage_is_answered)
{
	int fd = dial();

	say(fd, garbage[_i]);
	ck_assert_ptr_nonnull(strstr(hear(fd), "\"ok\":false"));
	ck_assert_int_eq(served, 0);
	say(fd, "{\"id\":5,\"cmd\":\"echo\"}\n");	/* and the client lives on */
	ck_assert_str_eq(hear(fd), "{\"id\":5,\"ok\":true,\"data\":{}}");
	close(fd);
}
END_TEST

START_TEST(deep_nesting)
{
	char *line = malloc(60000);
	int fd = dial();

	memset(line, '[', 59000);
	line[59000] = '\n';
	line[59001] = '\0';
	say(fd, line);
	ck_assert_ptr_nonnull(strstr(hear(fd), "\"ok\":false"));
	free(line);
	close(fd);
}
END_TEST

START_TEST(a_request_too_long)
{
	char *line = malloc(CONTROL_REQUEST_MAX + 1);
	int fd = dial();

	memset(line, 'x', CONTROL_REQUEST_MAX);
	line[CONTROL_REQUEST_MAX] = '\0';
	say(fd, line);
	ck_assert_ptr_nonnull(strstr(hear(fd), "too long"));
	ck_assert_str_eq(hear(fd), "");
	free(line);
	close(fd);
}
END_TEST

START_TEST(an_answer_too_long)
{
	int fd = dial();

	say(fd, "{\"id\":1,\"cmd\":\"huge\"}\n");
	ck_assert_ptr_nonnull(strstr(hear(fd), "narrow it down"));
	close(fd);
}
END_TEST

/* It asks and does not read: closed, and our memory stays bounded. */
START_TEST(a_client_that_does_not_read)
{
	int fd = dial();

	for (int i = 0; i < 100; i++) {
		if (send(fd, "{\"cmd\":\"big\"}\n", 14, MSG_NOSIGNAL) < 0)
			break;
		turn(3);
	}
	turn(20);
	ck_assert_int_lt(served, 40);
	close(fd);
}
END_TEST

START_TEST(a_slow_subscriber)
{
	char *s = malloc(100001);
	int slow = dial(), quick = dial(), lines = 0;

	memset(s, 'x', 100000);
	s[100000] = '\0';
	say(slow, "{\"id\":1,\"cmd\":\"subscribe\"}\n");
	say(quick, "{\"id\":1,\"cmd\":\"subscribe\"}\n");
	hear(slow);
	hear(quick);
	ck_assert_uint_eq(control_subscribers(ctl), 2);
	for (int i = 0; i < 300; i++) {
		control_push(ctl, json_pack("{ss}", "event", s));
		lines += *hear(quick) != '\0';
	}
	ck_assert_uint_eq(control_subscribers(ctl), 1);
	ck_assert_int_eq(lines, 300);
	free(s);
	close(slow);
	close(quick);
	turn(10);
	ck_assert_uint_eq(control_subscribers(ctl), 0);
}
END_TEST

START_TEST(many_clients)
{
	enum { MORE = CONTROL_CLIENTS_MAX + 60 };
	int fd[MORE], open = 0;

	for (int i = 0; i < MORE; i++) {
		fd[i] = dial();
		turn(2);
	}
	for (int i = 0; i < MORE; i++) {
		send(fd[i], "{\"cmd\":\"echo\"}\n", 15, MSG_NOSIGNAL);
		turn(2);
		open += *hear(fd[i]) != '\0';
	}
	ck_assert_int_eq(open, CONTROL_CLIENTS_MAX);
	for (int i = 0; i < MORE; i++)
		close(fd[i]);
	turn(20);
	fd[0] = dial();
	say(fd[0], "{\"cmd\":\"echo\"}\n");		/* room again */
	ck_assert_str_eq(hear(fd[0]), "{\"ok\":true,\"data\":{}}");
	close(fd[0]);
}
END_TEST

START_TEST(who_speaks)
{
	char uid[16];
	int fd = dial();

	say(fd, "{\"cmd\":\"echo\"}\n");
	hear(fd);
	ck_assert_int_eq(actor.role, USER_ADMIN);	/* our own uid */
	ck_assert_str_eq(actor.channel, "linkctl");
	say(fd, "{\"cmd\":\"echo\",\"as\":{\"user\":\"张三\",\"role\":\"operator\"}}\n");
	hear(fd);
	ck_assert_str_eq(actor.user, "张三");
	ck_assert_int_eq(actor.role, USER_OPERATOR);
	ck_assert_str_eq(actor.channel, "web");
	ck_assert_str_eq(actor.vendor, "");
	say(fd, "{\"cmd\":\"echo\",\"as\":{\"user\":\"li\",\"role\":\"vendor\",\"vendor\":\"cloud-a\"}}\n");
	hear(fd);
	ck_assert_int_eq(actor.role, USER_VENDOR);
	ck_assert_str_eq(actor.vendor, "cloud-a");
	ck_assert_str_eq(user_role_name(actor.role), "vendor");
	ck_assert_int_eq(user_role_parse("vendor"), USER_NONE);	/* no role of alertd.yaml */
	/* mapped by alertd.yaml, also for a connection that stands */
	snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
	users[0] = (struct control_user){ .login = uid, .name = "li", .role = USER_VIEWER };
	users[1] = (struct control_user){ .login = "no-such-login", .role = USER_ADMIN };
	conf.control.users = (struct conf_list){ users, 2 };
	proxies[0] = uid;
	conf.control.proxies = (struct conf_list){ proxies, 1 };
	control_users(ctl, &conf);
	say(fd, "{\"cmd\":\"echo\"}\n");
	hear(fd);
	ck_assert_str_eq(actor.user, "li");
	ck_assert_int_eq(actor.role, USER_VIEWER);
	close(fd);
}
END_TEST

/* As root only: another uid is nobody, and no proxy. */
START_TEST(a_stranger)
{
	int fd;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(path, 0777), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	fd = dial();
	ck_assert_int_eq(seteuid(0), 0);
	say(fd, "{\"cmd\":\"echo\"}\n");
	hear(fd);
	ck_assert_int_eq(actor.role, USER_NONE);
	served = 0;
	say(fd, "{\"cmd\":\"echo\",\"as\":{\"user\":\"root\",\"role\":\"admin\"}}\n");
	ck_assert_ptr_nonnull(strstr(hear(fd), "only a proxy"));
	ck_assert_int_eq(served, 0);
	close(fd);
}
END_TEST

START_TEST(the_socket_itself)
{
	struct control *other;
	struct stat sb;
	char why[300] = "";

	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_int_eq(sb.st_mode & 0777, 0660);
	ck_assert_int_eq(control_new(&other, base, &conf, serve, NULL, why, sizeof(why)),
	    -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(why, "another linkwatch-alertd"));
	control_free(ctl);
	ck_assert_int_ne(access(path, F_OK), 0);
	/* left behind by a crash */
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	ck_assert_int_eq(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)), 0);
	control_free(ctl);
	/* something of somebody else's stays */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)), -EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
	conf.control.group = "no-such-group";
	ck_assert_int_eq(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)), -ESRCH);
	conf.control.group = NULL;
	ck_assert_int_eq(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("control");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answers_in_order);
	tcase_add_test(tc, an_answer_may_come_later);
	tcase_add_test(tc, half_closed_still_gets_its_answer);
	tcase_add_loop_test(tc, garbage_is_answered, 0, (int)(sizeof(garbage) / sizeof(garbage[0])));
	tcase_add_test(tc, deep_nesting);
	tcase_add_test(tc, a_request_too_long);
	tcase_add_test(tc, an_answer_too_long);
	tcase_add_test(tc, a_client_that_does_not_read);
	tcase_add_test(tc, a_slow_subscriber);
	tcase_add_test(tc, many_clients);
	tcase_add_test(tc, who_speaks);
	tcase_add_test(tc, a_stranger);
	tcase_add_test(tc, the_socket_itself);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
