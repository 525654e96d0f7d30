/*
 * test_log.c - what a log line looks like, and what it never holds.
 */
#include "common/log.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *caught;
static char text[1 << 20];

/* stderr into a file, in this (forked) test only. */
static void
catch_stderr(void)
{
	caught = tmpfile();
	ck_assert_ptr_nonnull(caught);
	ck_assert_int_eq(dup2(fileno(caught), STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
}

static const char *
lines(void)
{
	ssize_t n = pread(fileno(caught), text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_int_eq(ftruncate(fileno(caught), 0), 0);
	ck_assert_int_eq(lseek(fileno(caught), 0, SEEK_SET), 0);
	return text;
}

/* Is s "2026-01-15 08:31:07" and then rest? */
static bool
stamped(const char *s, const char *rest)
{
	int y, mo, d, h, m, sec, n = 0;

	return sscanf(s, "%4d-%2d-%2d %2d:%2d:%2d%n", &y, &mo, &d, &h, &m, &sec, &n) == 6 &&
	    n == 19 &&
	    strcmp(s + n, rest) == 0;
}

START_TEST(test_lines)
{
	catch_stderr();
	log_init("agent", LOG_NOTICE);
	log_warning("link=%s: down after %d steps", "sh-gw", 3);
	ck_assert_msg(stamped(lines(), " agent warning link=sh-gw: down after 3 steps\n"), "%s",
	    text);
	log_error("e");
	ck_assert(stamped(lines(), " agent error e\n"));
	log_notice("名");
	ck_assert(stamped(lines(), " agent notice 名\n"));
	log_inform("not asked for");
	log_debug("not asked for");
	ck_assert_str_eq(lines(), "");
	log_set_level(LOG_DEBUGGING);
	log_debug("now it is");
	ck_assert(stamped(lines(), " agent debug now it is\n"));
	log_set_level(LOG_ERROR);
	log_warning("not any more");
	ck_assert_str_eq(lines(), "");
}
END_TEST

START_TEST(test_under_systemd)
{
	char stream[64];
	struct stat st;

	catch_stderr();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("agent", LOG_NOTICE);
	log_warning("x");
	ck_assert_str_eq(lines(), "<4>x\n");
	/* another stream is not ours */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("agent", LOG_NOTICE);
	log_warning("x");
	ck_assert(stamped(lines(), " agent warning x\n"));
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_init("agent", LOG_NOTICE);
	log_warning("x");
	ck_assert(stamped(lines(), " agent warning x\n"));
}
END_TEST

/* What a peer sends cannot forge a line or speak to the terminal. */
START_TEST(test_hostile)
{
	catch_stderr();
	log_init("a", LOG_NOTICE);
	log_notice("peer=%s", "x\n2026-01-01 00:00:00 a error "
	    "forged\r\x1b[2J\x7f\xff\xc2\x85\xe2\x80\xae");
	ck_assert_msg(stamped(lines(), " a notice peer=x\\x0a2026-01-01 00:00:00 a error "
	    "forged\\x0d\\x1b[2J"
	    "\\x7f\\xff\\xc2\\x85\\xe2\\x80\\xae\n"), "%s", text);
}
END_TEST

START_TEST(test_long)
{
	static char big[100000];
	size_t n;

	catch_stderr();
	log_init("a", LOG_NOTICE);
	for (size_t i = 0; i + 4 < sizeof(big); i += 3)
		memcpy(big + i, "\xe4\xba\x91", 3);
	log_notice("%s", big);
	n = strlen(lines());
	ck_assert_uint_lt(n, 2200);
	ck_assert_str_eq(text + n - 7, "\xe4\xba\x91...\n");
	ck_assert_ptr_null(strstr(text, "\\x"));	/* no half of a character */
	memset(big, '\n', 3000);
	big[3000] = '\0';
	log_notice("%s", big);
	n = strlen(lines());
	ck_assert_uint_gt(n, 4 * 2000);
	ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1);
}
END_TEST

START_TEST(test_escape)
{
	char out[16];

	ck_assert_str_eq(log_escape(out, sizeof(out), "a\0b", 3), "a\\x00b");
	ck_assert_str_eq(log_escape(out, sizeof(out), "云\\", 4), "云\\");
	ck_assert_str_eq(log_escape(out, 4, "abcdef", 6), "abc");
	ck_assert_str_eq(log_escape(out, 4, "云云", 6), "云");
	ck_assert_str_eq(log_escape(out, 6, "a\n\n", 3), "a\\x0a");
	ck_assert_str_eq(log_escape(out, 5, "a\n\n", 3), "a");	/* no half of an escape */
	ck_assert_str_eq(log_escape(out, 1, "a", 1), "");
	ck_assert_str_eq(log_escape(out, sizeof(out), "\xe4\xba", 2), "\\xe4\\xba");
}
END_TEST

static int
count(const char *s, const char *what)
{
	int n = 0;

	for (; (s = strstr(s, what)) != NULL; s++)
		n++;
	return n;
}

START_TEST(test_limited)
{
	catch_stderr();
	log_init("a", LOG_NOTICE);
	for (int i = 0; i < 100; i++) {
		log_limited(LOG_WARNING, "gw", 3, "gw=1: failed %d", i);
		log_limited(LOG_WARNING, "other", 1, "other");
		log_limited(LOG_DEBUGGING, "quiet", 1, "quiet");
	}
	(void)lines();
	ck_assert_int_eq(count(text, "gw=1: failed"), 3);
	ck_assert_int_eq(count(text, "other"), 1);
	ck_assert_int_eq(count(text, "quiet"), 0);
	/* more keys than there are rows: bounded, and still each is told */
	for (int i = 0; i < 1000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key-%d", i);
		log_limited(LOG_WARNING, key, 1, "%s!", key);
	}
	ck_assert_int_eq(count(lines(), "!"), 1000);
}
END_TEST

static int64_t now_ns;

static struct mono
mono_now(const struct clock *c)
{
	(void)c;
	return (struct mono){ now_ns };
}

static struct wall
wall_now(const struct clock *c)
{
	(void)c;
	return (struct wall){ now_ns };
}

START_TEST(test_limited_minutes)
{
	static const struct clock moved = { mono_now, wall_now };

	catch_stderr();
	log_init("a", LOG_NOTICE);
	log_set_clock(&moved);
	for (int i = 0; i < 100; i++)
		log_limited(LOG_WARNING, "gw", 2, "gw=1: failed");
	ck_assert_int_eq(count(lines(), "gw=1: failed"), 2);
	now_ns += 60 * NS_PER_S - 1;
	log_limited(LOG_WARNING, "gw", 2, "gw=1: failed");
	ck_assert_str_eq(lines(), "");
	now_ns++;
	log_limited(LOG_WARNING, "gw", 2, "gw=1: failed");
	ck_assert_str_eq(lines(), "1970-01-01 08:01:00 a warning gw: 99 lines alike were left out\n"
	    "1970-01-01 08:01:00 a warning gw=1: failed\n");
	now_ns += 60 * NS_PER_S;
	log_limited(LOG_WARNING, "gw", 2, "gw=1: failed");
	ck_assert_str_eq(lines(), "1970-01-01 08:02:00 a warning gw=1: failed\n");
}
END_TEST

static void *
talk(void *arg)
{
	for (int i = 0; i < 500; i++) {
		log_notice("%s%s", (const char *)arg, (const char *)arg);
		log_limited(LOG_NOTICE, arg, 2, "limited");
	}
	return NULL;
}

/* Threads do not mix their lines. */
START_TEST(test_threads)
{
	static char names[4][40];
	pthread_t t[4];
	int whole = 0;

	catch_stderr();
	ck_assert_int_ge(fcntl(STDERR_FILENO, F_SETFL, O_APPEND), 0);
	log_init("a", LOG_NOTICE);
	for (int i = 0; i < 4; i++) {
		memset(names[i], 'p' + i, 30);
		ck_assert_int_eq(pthread_create(&t[i], NULL, talk, names[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	(void)lines();
	for (int i = 0; i < 4; i++) {
		char want[512];

		snprintf(want, sizeof(want), " a notice %s%s\n", names[i], names[i]);
		whole += count(text, want);
	}
	ck_assert_int_eq(whole, 2000);
	ck_assert_int_eq(count(text, "limited"), 8);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_lines);
	tcase_add_test(t, test_under_systemd);
	tcase_add_test(t, test_hostile);
	tcase_add_test(t, test_long);
	tcase_add_test(t, test_escape);
	tcase_add_test(t, test_limited);
	tcase_add_test(t, test_limited_minutes);
	tcase_add_test(t, test_threads);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
