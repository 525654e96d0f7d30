/*
 * test_channel_smtp.c - mail: the dialogue, TLS that cannot be talked away,
 * every way to fail, and the text itself.
 */
#include "alertd/channel_mime.h"
#include "tests/unit/alertd/gateway.h"

#include <openssl/evp.h>

/* How this server answers; NULL: as a good one does. */
static struct script {
	const char *greeting, *ehlo, *starttls, *auth, *mail, *rcpt, *data, *end;
	bool no_tls;			/* does not offer STARTTLS */
} script;

static struct bench b;
static struct gateway *g;
static size_t line_at;

/* The next line of the client's, NUL-terminated, or NULL. */
static const char *
next_line(struct gateway *gw, struct peer *p)
{
	static char line[2048];
	char *end;

	if (!gateway_until(gw, p, line_at, "\r\n"))
		return NULL;
	end = strstr(gw->got + line_at, "\r\n");
	snprintf(line, sizeof(line), "%.*s", (int)(end - gw->got - (long)line_at),
	    gw->got + line_at);
	line_at = (size_t)(end - gw->got) + 2;
	return line;
}

static bool
say(struct peer *p, const char *special, const char *usual)
{
	const char *s = special != NULL ? special : usual;

	if (strcmp(s, "CLOSE") == 0)
		return false;
	if (strcmp(s, "HANG") == 0) {
		char c;
		peer_read(p, &c, 1);
		return false;
	}
	peer_say(p, s);
	return true;
}

static bool
take_data(struct gateway *gw, struct peer *p)
{
	if (!say(p, script.data, "354 go on\r\n"))
		return false;
	if (script.data != NULL)
		return true;
	if (!gateway_until(gw, p, line_at, "\r\n.\r\n"))
		return false;
	line_at = gw->n_got;
	return say(p, script.end, "250 2.0.0 queued\r\n");
}

static void
serve_smtp(struct gateway *gw, struct peer *p)
{
	const char *l;

	line_at = gw->n_got;
	if (!say(p, script.greeting, "220 mail.test ESMTP\r\n"))
		return;
	while ((l = next_line(gw, p)) != NULL) {
		bool on = true;
		if (strncmp(l, "EHLO", 4) == 0)
			on = say(p, script.ehlo, script.no_tls || p->ssl != NULL ?
			    "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n" :
			    "250-mail.test\r\n250 STARTTLS\r\n");
		else if (strcmp(l, "STARTTLS") == 0)
			on = say(p, script.starttls, "220 ready\r\n") &&
			     (script.starttls != NULL || peer_tls(gw, p));
		else if (strncmp(l, "AUTH", 4) == 0)
			on = say(p, script.auth, strcmp(l, "AUTH PLAIN") == 0 ? "334 \r\n" :
			    "235 welcome\r\n");
		else if (strncmp(l, "MAIL", 4) == 0)
			on = say(p, script.mail, "250 ok\r\n");
		else if (strncmp(l, "RCPT", 4) == 0)
			on = say(p, script.rcpt, "250 ok\r\n");
		else if (strcmp(l, "DATA") == 0)
			on = take_data(gw, p);
		else if (strcmp(l, "QUIT") == 0)
			on = (peer_say(p, "221 bye\r\n"), false);
		else
			peer_say(p, "235 welcome\r\n");	/* the answer to 334 */
		if (!on)
			return;
	}
}

static void
start(const char *dns)
{
	g = gateway_start(serve_smtp, NULL);
	gateway_tls(g, b.dir, dns);
	snprintf(b.url, sizeof(b.url), "smtp://localhost:%d", g->port);
	b.conf.kind = CHANNEL_SMTP;
	b.conf.url = b.url;
	b.conf.user = "noc";
	b.conf.password_file = b.secret;
	b.conf.from = "noc@example.com";
	b.conf.from_name = "云监管";
	b.conf.ca = b.ca;
	bench_open(&b);
	gateway_go(g);
}

static struct channel_message
mail(void)
{
	struct channel_message m = bench_message();

	m.address = "duty@example.com";
	return m;
}

static void
setup(void)
{
	memset(&script, 0, sizeof(script));
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

START_TEST(good_dialogue)
{
	struct channel_message m = mail();

	start("localhost");
	ck_assert_msg(bench_send(&b, &m) == OUTCOME_SENT, "%s", b.detail);
	ck_assert_ptr_nonnull(strstr(g->got, "MAIL FROM:<noc@example.com>"));
	ck_assert_ptr_nonnull(strstr(g->got, "RCPT TO:<duty@example.com>"));
	ck_assert_ptr_nonnull(strstr(g->got, "\r\nMessage-ID: <linkwatch.17.open.1.sms.duty@"
					     "test.example>\r\n"));
	ck_assert_ptr_nonnull(strstr(g->got, "\r\nAuto-Submitted: auto-generated\r\n"));
	/* log-in only behind TLS */
	ck_assert_ptr_nonnull(strstr(g->got, "AUTH"));
	ck_assert(strstr(g->got, "STARTTLS") < strstr(g->got, "AUTH"));
}
END_TEST

START_TEST(starttls_stripped)
{
	struct channel_message m = mail();

	script.no_tls = true;
	start("localhost");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_ptr_null(strstr(g->got, "AUTH"));
	ck_assert_ptr_null(strstr(g->got, "MAIL"));
}
END_TEST

START_TEST(starttls_refused)
{
	struct channel_message m = mail();

	script.starttls = "454 TLS not available\r\n";
	start("localhost");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_ptr_null(strstr(g->got, "MAIL"));
}
END_TEST

/* Commands slipped in behind 220, before TLS: must not count. */
START_TEST(starttls_injection)
{
	struct channel_message m = mail();

	script.starttls = "220 ready\r\n250-fake\r\n250 AUTH PLAIN\r\n";
	start("localhost");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_ptr_null(strstr(g->got, "MAIL"));
}
END_TEST

START_TEST(wrong_tls_name)
{
	struct channel_message m = mail();

	start("other.example");
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_ptr_null(strstr(g->got, "MAIL"));
}
END_TEST

static const struct { struct script script; enum outbox_outcome outcome; } failures[] = {
	{ { .greeting = "421 busy\r\n" }, OUTCOME_RETRY },
	{ { .greeting = "554 go away\r\n" }, OUTCOME_RETRY },
	{ { .greeting = "CLOSE" }, OUTCOME_RETRY },
	{ { .greeting = "HANG" }, OUTCOME_RETRY },
	{ { .greeting = "HTTP/1.1 400 Bad\r\n\r\n" }, OUTCOME_RETRY },
	{ { .ehlo = "502 what\r\n" }, OUTCOME_RETRY },
	{ { .auth = "535 5.7.8 wrong\r\n" }, OUTCOME_RETRY },
	{ { .auth = "454 later\r\n" }, OUTCOME_RETRY },
	{ { .mail = "451 later\r\n" }, OUTCOME_RETRY },
	{ { .mail = "550 not you\r\n" }, OUTCOME_REFUSED },
	{ { .rcpt = "451 greylisted\r\n" }, OUTCOME_RETRY },
	{ { .rcpt = "550 no such user\r\n" }, OUTCOME_REFUSED },
	{ { .rcpt = "421 closing\r\n" }, OUTCOME_RETRY },
	{ { .rcpt = "CLOSE" }, OUTCOME_RETRY },
	{ { .rcpt = "HANG" }, OUTCOME_RETRY },
	{ { .data = "451 later\r\n" }, OUTCOME_RETRY },
	{ { .end = "451 4.3.0 later\r\n" }, OUTCOME_RETRY },
	{ { .end = "550 5.7.1 spam\r\n" }, OUTCOME_REFUSED },
	{ { .end = "CLOSE" }, OUTCOME_UNKNOWN },
	{ { .end = "HANG" }, OUTCOME_UNKNOWN },
};

START_TEST(every_failure)
{
	struct channel_message m = mail();

	script = failures[_i].script;
	start("localhost");
	ck_assert_msg(bench_send(&b, &m) == failures[_i].outcome, "case %d: %s (%s)", _i,
	    outbox_outcome_name(b.outcome), b.detail);
}
END_TEST

START_TEST(address_that_is_none)
{
	static const char *const bad[] = { "", "duty", "@x", "a@", "a@b\r\nRCPT TO:<c@d>", "a b@c",
		"<a@b>", "a@b,c@d", "-oQ/tmp@x", "a@-b", "用户@例子", "\"a\"@b" };
	struct channel_message m = mail();

	start("localhost");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.address = bad[i];
		ck_assert_msg(bench_send(&b, &m) == OUTCOME_REFUSED, "%s", bad[i]);
	}
	ck_assert_int_eq(g->conns, 0);
}
END_TEST

/* --------------------------------------------------------------- the text */

static struct mime_mail
plain(void)
{
	return (struct mime_mail){ .from = "noc@example.com", .to = "duty@example.com",
		.subject = "hello", .body = "text", .key = "k", .host = "h",
		.date.ns = INT64_C(1768437067) * NS_PER_S };
}

/* The decoded body of a mail. */
static void
body_of(const char *text, char *out)
{
	const char *p = strstr(text, "\r\n\r\n") + 4;
	char joined[8192];
	size_t n = 0;
	int len;

	for (; *p != '\0'; p++)
		if (*p != '\r' && *p != '\n')
			joined[n++] = *p;
	joined[n] = '\0';
	len = EVP_DecodeBlock((unsigned char *)out, (unsigned char *)joined, (int)n);
	for (size_t i = n; i > 0 && joined[i - 1] == '='; i--)
		len--;
	out[len] = '\0';
}

START_TEST(head_and_body)
{
	struct mime_mail m = plain();
	char *t, body[8192];

	m.body = "一行\n.\n两行\r\nend";
	t = mime_build(&m);
	ck_assert_ptr_nonnull(strstr(t, "Date: Thu, 15 Jan 2026 08:31:07 +0800\r\n"));
	ck_assert_ptr_nonnull(strstr(t, "From: <noc@example.com>\r\nTo: <duty@example.com>\r\n"
					"Subject: hello\r\n"));
	body_of(t, body);
	ck_assert_str_eq(body, "一行\r\n.\r\n两行\r\nend\r\n");
	free(t);
}
END_TEST

/* Nothing that a name holds becomes a field of its own. */
START_TEST(no_header_injection)
{
	static const char *const nasty[] = { "a\r\nBcc: x@y", "a\nBcc: x@y", "a\rBcc: x@y",
		"a\r\n\r\nbody", "=?UTF-8?B?QQ==?=", "\"quoted\\", "\x01\x7f\xff\xfe" };

	for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
		struct mime_mail m = plain();
		char *t;
		m.subject = m.from_name = m.key = m.host = nasty[i];
		t = mime_build(&m);
		for (char *line = t; line != strstr(t, "\r\n\r\n") + 2; line = strstr(line, "\r\n") + 2)
			ck_assert_msg(strncmp(line, "Bcc", 3) != 0 && strncmp(line, "body", 4) != 0,
			    "%s", t);
		ck_assert_ptr_eq(strstr(t, "QQ==?="), NULL);
		for (char *p = t; *p != '\0'; p++)
			ck_assert((*p >= 0x20 && *p < 0x7f) || *p == '\r' || *p == '\n');
		free(t);
	}
}
END_TEST

/* RFC 2047: at most 75 columns a word, no character split, lines of at most 76. */
START_TEST(long_subject)
{
	struct mime_mail m = plain();
	char subject[1000] = "", *t, *p;
	size_t seen = 0;

	for (int i = 0; i < 60; i++)
		strcat(subject, i % 7 == 0 ? "x😀" : "故障");
	m.subject = subject;
	t = mime_build(&m);
	p = strstr(t, "Subject: ");
	for (char *line = t; *line != '\0'; line = strstr(line, "\r\n") + 2)
		ck_assert_int_le(strstr(line, "\r\n") - line, 90);
	while ((p = strstr(p, "=?UTF-8?B?")) != NULL) {
		unsigned char word[128];
		char *end = strstr(p, "?=");
		int len;
		ck_assert_int_le(end + 2 - p, 75);
		*end = '\0';
		len = EVP_DecodeBlock(word, (unsigned char *)p + 10, (int)(end - p - 10));
		while (end[-1] == '=')
			len--, end--;
		ck_assert_int_eq(memcmp(word, subject + seen, (size_t)len), 0);
		ck_assert((subject[seen] & 0xc0) != 0x80);
		seen += (size_t)len;
		p = end + strlen(end) + 1;
	}
	ck_assert_uint_eq(seen, strlen(subject));
	free(t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel_smtp");
	TCase *tc = tcase_create("smtp");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, good_dialogue);
	tcase_add_test(tc, starttls_stripped);
	tcase_add_test(tc, starttls_refused);
	tcase_add_test(tc, starttls_injection);
	tcase_add_test(tc, wrong_tls_name);
	tcase_add_loop_test(tc, every_failure, 0, (int)(sizeof(failures) / sizeof(failures[0])));
	tcase_add_test(tc, address_that_is_none);
	tcase_add_test(tc, head_and_body);
	tcase_add_test(tc, no_header_injection);
	tcase_add_test(tc, long_subject);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
