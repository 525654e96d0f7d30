/*
 * test_channel_http.c - Kannel and template gateways: what is asked, and what
 * is made of every way to answer badly.
 */
#include "alertd/channel_template.h"
#include "tests/unit/alertd/gateway.h"

static struct bench b;
static struct gateway *g;

static void
serve_answer(struct gateway *gw, struct peer *p)
{
	if (gateway_until(gw, p, 0, "\r\n\r\n"))
		peer_say(p, gw->answer);
}

/* The body too: ends with "}" in these tests. */
static void
serve_post(struct gateway *gw, struct peer *p)
{
	if (gateway_until(gw, p, 0, "\r\n\r\n") && gateway_until(gw, p, 0, "}"))
		peer_say(p, gw->answer);
}

static void
serve_hang(struct gateway *gw, struct peer *p)
{
	gateway_until(gw, p, 0, "never");
}

static void
serve_slowly(struct gateway *gw, struct peer *p)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	struct timespec pause = { 0, 200000000 };

	if (!gateway_until(gw, p, 0, "\r\n\r\n"))
		return;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		if (send(p->fd, text + i, 1, MSG_NOSIGNAL) != 1)
			return;
		nanosleep(&pause, NULL);
	}
}

static void
serve_flood(struct gateway *gw, struct peer *p)
{
	static char block[65536];

	if (!gateway_until(gw, p, 0, "\r\n\r\n"))
		return;
	memset(block, 'x', sizeof(block));
	peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
	for (int i = 0; i < 16384; i++)
		if (send(p->fd, block, sizeof(block), MSG_NOSIGNAL) <= 0)
			return;
}

static void
kannel(void (*serve)(struct gateway *, struct peer *), const char *answer)
{
	g = gateway_start(serve, answer);
	snprintf(b.url, sizeof(b.url), "http://127.0.0.1:%d/cgi-bin/sendsms", g->port);
	b.conf.kind = CHANNEL_KANNEL;
	b.conf.url = b.url;
	b.conf.user = "alertd";
	b.conf.password_file = b.secret;
	b.conf.units = 70;
	bench_open(&b);
	gateway_go(g);
}

static void
setup(void)
{
	bench_init(&b);
	g = NULL;
}

static void
teardown(void)
{
	bench_fini(&b);
	if (g != NULL)
		gateway_stop(g);
}

/* ------------------------------------------------------------------ kannel */

START_TEST(kannel_asks_as_it_should)
{
	struct channel_message m = bench_message();

	b.conf.from = "10690001";
	b.conf.dlr_url = "http://127.0.0.1:18080/dlr?id={key}&d=%d";
	kannel(serve_answer, "HTTP/1.1 202 Accepted\r\nContent-Length: 25\r\n\r\n"
			     "0: Accepted for delivery\n");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_str_eq(b.detail, "HTTP 202: 0: Accepted for delivery");
	ck_assert_ptr_nonnull(strstr(g->got, "GET /cgi-bin/sendsms?username=alertd&password="
					     "s3cret%26x&to=%2B8613800138000&from=10690001&"
					     "coding=2&charset=UTF-8&text=%E3%80%90%E4%BA%91"));
	ck_assert_ptr_nonnull(strstr(g->got, "&dlr-mask=31&dlr-url=http%3A%2F%2F127.0.0.1%3A18080"
					     "%2Fdlr%3Fid%3D17%252Fopen%252F1%252Fsms%252Fduty"
					     "%26d%3D%25d "));
}
END_TEST

START_TEST(repeat_is_said_where_it_fits)
{
	struct channel_message m = bench_message();

	m.repeat = true;
	kannel(serve_answer, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	/* (可能重复) */
	ck_assert_ptr_nonnull(strstr(g->got, "%28%E5%8F%AF%E8%83%BD%E9%87%8D%E5%A4%8D%29"));
}
END_TEST

static const struct { const char *answer; enum outbox_outcome outcome; } answers[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", OUTCOME_SENT },
	{ "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok", OUTCOME_SENT },
	{ "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", OUTCOME_REFUSED },
	{ "HTTP/1.1 422 Bad\r\nContent-Length: 0\r\n\r\n", OUTCOME_REFUSED },
	{ "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", OUTCOME_RETRY },
	{ "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", OUTCOME_RETRY },
	{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", OUTCOME_RETRY },
	{ "HTTP/1.1 429 Slow\r\nRetry-After: 1000000000\r\nContent-Length: 0\r\n\r\n",
	    OUTCOME_RETRY },
	{ "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", OUTCOME_RETRY },
	{ "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OUTCOME_RETRY },
	{ "HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n", OUTCOME_UNKNOWN },
	/* not followed: it could lead anywhere */
	{ "HTTP/1.1 302 Away\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
	    OUTCOME_RETRY },
	{ "", OUTCOME_UNKNOWN },				/* closed without a word */
	{ "HTTP/1.1 20", OUTCOME_UNKNOWN },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", OUTCOME_UNKNOWN },
	{ "SSH-2.0-OpenSSH_9.2\r\n", OUTCOME_UNKNOWN },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	    OUTCOME_UNKNOWN },
};

START_TEST(every_answer)
{
	struct channel_message m = bench_message();

	kannel(serve_answer, answers[_i].answer);
	ck_assert_msg(bench_send(&b, &m) == answers[_i].outcome, "%s: %s",
	    answers[_i].answer, b.detail);
	ck_assert_int_eq(g->conns, 1);
	for (const char *p = b.detail; *p != '\0'; p++)
		ck_assert_int_ge((unsigned char)*p, 0x20);
}
END_TEST

START_TEST(nobody_listens)
{
	struct channel_message m = bench_message();

	kannel(serve_answer, "");
	snprintf(b.url, sizeof(b.url), "http://127.0.0.1:1/");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
}
END_TEST

START_TEST(hangs_for_ever)
{
	struct channel_message m = bench_message();

	kannel(serve_hang, "");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(a_byte_now_and_then)
{
	struct channel_message m = bench_message();

	kannel(serve_slowly, "");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_UNKNOWN);
}
END_TEST

/* A gigabyte: we read 64 KiB of it and know the status. */
START_TEST(flood)
{
	struct channel_message m = bench_message();

	kannel(serve_flood, "");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
}
END_TEST

START_TEST(freed_under_way)
{
	struct channel_message m = bench_message();
	static const struct timeval a_while = { 0, 200000 };

	kannel(serve_hang, "");
	channel_send(b.ch, &m);
	event_base_loopexit(b.base, &a_while);
	event_base_dispatch(b.base);
	channel_free(b.ch);
	b.ch = NULL;
	event_base_loopexit(b.base, &a_while);
	event_base_dispatch(b.base);
	ck_assert_int_eq(b.done, 0);
}
END_TEST

/* ---------------------------------------------------------------- templates */

static char *headers[] = { "Content-Type: application/json", "X-Key: {key}",
	"Authorization: Bearer {password}" };

static void
template_gateway(void (*serve)(struct gateway *, struct peer *), const char *answer,
    const char *host, const char *dns)
{
	g = gateway_start(serve, answer);
	snprintf(b.url, sizeof(b.url), "%s://%s:%d/send?to={phone}", dns != NULL ? "https" : "http",
	    host, g->port);
	b.conf.kind = CHANNEL_HTTP;
	b.conf.url = b.url;
	b.conf.method = HTTP_POST;
	b.conf.headers = (struct conf_list){ headers, 3 };
	b.conf.body = "{\"text\":\"{text}\",\"n\":{\"k\":\"{key}\"}}";
	b.conf.success = "\"code\" *: *0[,}]";
	b.conf.password_file = b.secret;
	b.conf.units = 70;
	if (dns != NULL) {
		gateway_tls(g, b.dir, dns);
		g->tls_first = true;
		b.conf.ca = b.ca;
	}
	bench_open(&b);
	gateway_go(g);
}

START_TEST(template_is_filled_and_escaped)
{
	struct channel_message m = bench_message();

	m.body = "a\"b\\c\n\x01{phone}";
	template_gateway(serve_post, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}",
	    "127.0.0.1", NULL);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_ptr_nonnull(strstr(g->got, "POST /send?to=%2B8613800138000 HTTP/1.1"));
	ck_assert_ptr_nonnull(strstr(g->got, "\r\nX-Key: 17/open/1/sms/duty\r\n"));
	ck_assert_ptr_nonnull(strstr(g->got, "\r\nAuthorization: Bearer s3cret&x\r\n"));
	ck_assert_ptr_nonnull(strstr(g->got, "{\"text\":\"a\\\"b\\\\c\\u000a\\u0001{phone}\","
					     "\"n\":{\"k\":\"17/open/1/sms/duty\"}}"));
}
END_TEST

START_TEST(success_must_match)
{
	struct channel_message m = bench_message();

	template_gateway(serve_post, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
				     "{\"code\": 07}", "127.0.0.1", NULL);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
}
END_TEST

START_TEST(tls_is_checked)
{
	struct channel_message m = bench_message();

	template_gateway(serve_post, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}",
	    "localhost", _i == 0 ? "localhost" : "other.example");
	ck_assert_int_eq(bench_send(&b, &m), _i == 0 ? OUTCOME_SENT : OUTCOME_RETRY);
	ck_assert(_i == 0 ? g->n_got > 0 : g->n_got == 0);
}
END_TEST

START_TEST(tls_of_another_ca)
{
	struct channel_message m = bench_message();

	template_gateway(serve_post, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}",
	    "localhost", "localhost");
	struct testcert ca = testcert_make(&(struct testcert_spec){ .cn = "test CA", .ca = true });
	testcert_save(&ca, b.dir, "ca");
	testcert_free(&ca);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_uint_eq(g->n_got, 0);
}
END_TEST

START_TEST(bad_secret)
{
	char why[256];

	b.conf.kind = CHANNEL_KANNEL;
	b.conf.user = "x";
	b.conf.url = "http://127.0.0.1/";
	b.conf.password_file = "/nonexistent/secret";
	ck_assert_ptr_null(channel_new(&b.conf, &b.env, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "/nonexistent/secret"));
	b.conf.password_file = b.secret;
	ck_assert_int_eq(truncate(b.secret, 0), 0);
	ck_assert_ptr_null(channel_new(&b.conf, &b.env, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "first line is empty"));
}
END_TEST

START_TEST(escapes)
{
	static const struct { enum template_escape how; const char *in, *out; } cases[] = {
		{ ESCAPE_URL, "a b&c=1%+/中\n", "a%20b%26c%3D1%25%2B%2F%E4%B8%AD%0A" },
		{ ESCAPE_JSON, "\"\\\t\x7f中", "\\\"\\\\\\u0009\\u007f中" },
		{ ESCAPE_XML, "<a b='1' c=\"2\">&\x01", "&lt;a b=&#39;1&#39; c=&quot;2&quot;&gt;&amp;" },
		{ ESCAPE_HEADER, "a\r\nX: b\x7f", "aX: b" },
		{ ESCAPE_NONE, "as\nis", "as\nis" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *s = template_escape(cases[i].in, cases[i].how);
		ck_assert_str_eq(s, cases[i].out);
		free(s);
	}
	ck_assert_int_eq(template_escape_for(NULL), ESCAPE_URL);
	ck_assert_int_eq(template_escape_for(" application/JSON; charset=utf-8"), ESCAPE_JSON);
	ck_assert_int_eq(template_escape_for("text/xml"), ESCAPE_XML);
	ck_assert_int_eq(template_escape_for("text/plain"), ESCAPE_NONE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel_http");
	TCase *tc = tcase_create("http");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, kannel_asks_as_it_should);
	tcase_add_test(tc, repeat_is_said_where_it_fits);
	tcase_add_loop_test(tc, every_answer, 0, (int)(sizeof(answers) / sizeof(answers[0])));
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, hangs_for_ever);
	tcase_add_test(tc, a_byte_now_and_then);
	tcase_add_test(tc, flood);
	tcase_add_test(tc, freed_under_way);
	tcase_add_test(tc, template_is_filled_and_escaped);
	tcase_add_test(tc, success_must_match);
	tcase_add_loop_test(tc, tls_is_checked, 0, 2);
	tcase_add_test(tc, tls_of_another_ca);
	tcase_add_test(tc, bad_secret);
	tcase_add_test(tc, escapes);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
