/*
 * test_web_alertd.c - the page's view of alertd: what it keeps, what it
 * forgets, and peers on the socket that are mute, mad or gone.
 */
#include <check.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/web_alertd.h"

static char dir[64], path[100];
static struct event_base *base;
static struct alertd *a;
static int listener, peer, told, answers;
static bool answer_was_null;

static void
on_incident(void *arg, json_t *incident)
{
	(void)arg;
	told += json_is_object(incident);
}

static void
setup(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(dir, sizeof dir, "/tmp/lw-web-alertd-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&un, sizeof un), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	told = answers = 0;
	base = event_base_new();
	a = alertd_new(base, path, on_incident, NULL);
	peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
}

static void
teardown(void)
{
	alertd_free(a);
	event_base_free(base);
	close(listener);
	if (peer >= 0)
		close(peer);
	unlink(path);
	rmdir(dir);
}

static void
turn(void)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* The next request that was sent to us. */
static json_t *
request(void)
{
	char line[4096];
	size_t n = 0;
	json_t *json;

	for (int i = 0; i < 5000; i++) {
		turn();
		if (read(peer, &line[n], 1) != 1) {
			usleep(1000);
			continue;
		}
		if (line[n++] == '\n')
			break;
		ck_assert_uint_lt(n, sizeof line);
	}
	json = json_loadb(line, n, 0, NULL);
	ck_assert_ptr_nonnull(json);
	return json;
}

static void
say(const char *text)
{
	ck_assert_int_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	turn();
}

/* Answers the next request, which must be cmd; "rest" goes behind its id. */
static void
answer(const char *cmd, const char *rest)
{
	json_t *r = request();
	char line[4096];

	ck_assert_str_eq(json_string_value(json_object_get(r, "cmd")), cmd);
	snprintf(line, sizeof line, "{\"id\":%lld,%s}\n",
	    (long long)json_integer_value(json_object_get(r, "id")), rest);
	json_decref(r);
	say(line);
}

#define LINK(id, state) "{\"agent\":\"a\",\"link\":\"" id "\",\"state\":\"" state "\"}"

static void
come_up(void)
{
	answer("subscribe", "\"ok\":true,\"data\":{}");
	answer("status", "\"ok\":true,\"data\":{\"version\":\"1\"}");
	answer("link.list", "\"ok\":true,\"data\":{\"links\":[" LINK("x", "up") "," LINK("y", "down") "]}");
	answer("agent.list", "\"ok\":true,\"data\":{\"agents\":[{\"agent\":\"a\"}]}");
	answer("incident.list", "\"ok\":true,\"data\":{\"incidents\":[{\"number\":7}]}");
}

static const char *
state_of(const char *key)
{
	return json_string_value(json_object_get(alertd_link(a, key), "state"));
}

START_TEST(keeps_the_latest)
{
	uint64_t before;

	come_up();
	ck_assert(alertd_is_up(a));
	ck_assert_str_eq(state_of("a/y"), "down");
	ck_assert_ptr_nonnull(alertd_agent(a, "a"));
	ck_assert_uint_eq(json_object_size(alertd_incidents(a)), 1);
	before = alertd_link_changed(a, NULL);
	say("{\"event\":\"link\",\"link\":" LINK("y", "down") "}\n");
	ck_assert_uint_eq(alertd_link_changed(a, NULL), before);	/* nothing new */
	say("{\"event\":\"link\",\"link\":" LINK("y", "up") "}\n");
	ck_assert_str_eq(state_of("a/y"), "up");
	ck_assert_uint_gt(alertd_link_changed(a, "a/y"), before);
	ck_assert_uint_le(alertd_link_changed(a, "a/x"), before);
	say("{\"event\":\"incident\",\"incident\":{\"number\":8}}\n");
	ck_assert_int_eq(told, 1);
	ck_assert_uint_eq(json_object_size(alertd_incidents(a)), 2);
}
END_TEST

START_TEST(forgets_when_it_is_gone)
{
	come_up();
	close(peer);
	peer = -1;
	turn();
	ck_assert(!alertd_is_up(a));
	ck_assert_ptr_null(alertd_link(a, "a/x"));
	ck_assert_ptr_null(alertd_status(a));
	ck_assert_uint_eq(json_object_size(alertd_incidents(a)), 0);
}
END_TEST

/* A list that is refused (too long for a line) says nothing about the links. */
START_TEST(a_refused_list_clears_nothing)
{
	static const char no[] = "\"ok\":false,\"error\":{\"code\":\"usage\",\"zh\":\"多\",\"en\":\"too much\"}";
	json_t *r;

	come_up();
	do {				/* it asks again after a while; the status comes in between */
		char line[300];

		r = request();
		snprintf(line, sizeof line, "{\"id\":%lld,%s}\n",
		    (long long)json_integer_value(json_object_get(r, "id")), no);
		say(line);
		told = strcmp(json_string_value(json_object_get(r, "cmd")), "incident.list") == 0;
		json_decref(r);
	} while (!told);
	ck_assert_str_eq(state_of("a/x"), "up");
	ck_assert_ptr_nonnull(alertd_agent(a, "a"));
	ck_assert_uint_eq(json_object_size(alertd_incidents(a)), 1);
}
END_TEST

static void
done(void *arg, json_t *json)
{
	(void)arg;
	answers++;
	answer_was_null = json == NULL;
}

START_TEST(asks_for_a_user)
{
	json_t *r;

	come_up();
	alertd_ask(a, "incident.ack", json_pack("{s:i}", "number", 7), json_pack("{s:s,s:s}", "user",
	    "li\"\n", "role", "operator"), done, NULL);
	r = request();
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(r, "as"), "user")), "li\"\n");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(r, "as"), "role")), "operator");
	json_decref(r);
	say("{\"id\":424242,\"ok\":true}\n");	/* nobody's */
	ck_assert_int_eq(answers, 0);
	close(peer);
	peer = -1;
	turn();
	ck_assert_int_eq(answers, 1);
	ck_assert(answer_was_null);
	alertd_ask(a, "status", NULL, NULL, done, NULL);	/* away: at once */
	ck_assert_int_eq(answers, 2);
}
END_TEST

START_TEST(odd_lines)
{
	static const char *const harmless[] = { "{}\n", "{\"event\":7}\n", "{\"event\":\"link\"}\n",
		"{\"event\":\"link\",\"link\":{\"agent\":\"../x\",\"link\":\"y\"}}\n",
		"{\"event\":\"link\",\"link\":[1]}\n", "{\"event\":\"incident\",\"incident\":{\"number\":-1}}\n",
		"{\"event\":\"agent\",\"agent\":null}\n", "{\"id\":\"x\"}\n" };

	come_up();
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		say(harmless[i]);
	ck_assert(alertd_is_up(a));
	ck_assert_uint_eq(json_object_size(alertd_incidents(a)), 1);
	say("no json\n");
	ck_assert(!alertd_is_up(a));
}
END_TEST

START_TEST(is_not_configured)
{
	struct alertd *none = alertd_new(base, NULL, on_incident, NULL);

	ck_assert(!alertd_is_configured(none));
	ck_assert(!alertd_is_up(none));
	alertd_ask(none, "status", json_object(), json_object(), done, NULL);
	ck_assert_int_eq(answers, 1);
	alertd_free(none);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_alertd");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, keeps_the_latest);
	tcase_add_test(tc, forgets_when_it_is_gone);
	tcase_add_test(tc, a_refused_list_clears_nothing);
	tcase_add_test(tc, asks_for_a_user);
	tcase_add_test(tc, odd_lines);
	tcase_add_test(tc, is_not_configured);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
