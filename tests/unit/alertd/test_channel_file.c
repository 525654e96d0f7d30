/*
 * test_channel_file.c - messages as files: whole or not at all, and what the
 * phone would show; also the mark of a repeat and secrets.
 */
#include <dirent.h>
#include <fcntl.h>

#include "tests/unit/alertd/gateway.h"

static struct bench b;
static char outbox[100];

static void
setup(void)
{
	bench_init(&b);
	snprintf(outbox, sizeof(outbox), "%s/outbox", b.dir);
	b.conf.kind = CHANNEL_FILE;
	b.conf.form = FORM_SMS;
	b.conf.directory = outbox;
	b.conf.units = 70;
}

static void
teardown(void)
{
	bench_fini(&b);
}

static const char *
read_all(const char *name)
{
	static char text[65536];
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", outbox, name);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static int
files_in(const char *sub)
{
	char path[300];
	int n = 0;

	snprintf(path, sizeof(path), "%s/%s", outbox, sub);
	DIR *d = opendir(path);
	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

START_TEST(as_the_phone_shows_it)
{
	struct channel_message m = bench_message();

	m.decided.ns = m.now.ns = INT64_C(1768437067) * NS_PER_S;
	bench_open(&b);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_str_eq(read_all("sms/20260115-083107-000007.txt"),
	    "To: +8613800138000\nTime: 2026-01-15 08:31:07\nKey: 17/open/1/sms/duty\n\n"
	    "【云监管】二级故障3721:A云浦东外网专线中断\n");
	ck_assert_str_eq(read_all("sms.txt"), "2026-01-15 08:31:07  To: +8613800138000  "
					      "【云监管】二级故障3721:A云浦东外网专线中断\n");
	/* again: the same file */
	m.repeat = true;
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_ptr_nonnull(strstr(read_all("sms/20260115-083107-000007.txt"), "中断(可能重复)\n"));
	ck_assert_int_eq(files_in("sms"), 1);
}
END_TEST

START_TEST(as_the_mailbox_shows_it)
{
	struct channel_message m = bench_message();

	b.conf.form = FORM_MAIL;
	b.conf.units = 0;
	m.address = "duty@example.com";
	m.decided.ns = m.now.ns = INT64_C(1768437067) * NS_PER_S;
	bench_open(&b);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_ptr_nonnull(strstr(read_all("mail/20260115-083107-000007.eml"),
	    "\r\nSubject: =?UTF-8?B?"));
	ck_assert_ptr_nonnull(strstr(read_all("mail.txt"), "Subject: 二级故障3721\n\n【云监管】"));
	m.address = "no address";
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_REFUSED);
}
END_TEST

START_TEST(mark_only_where_it_fits)
{
	struct channel_message m = bench_message();
	char body[400] = "", *text;

	m.body = body;
	m.repeat = true;
	for (int i = 0; i < 64; i++)
		strcat(body, "云");
	text = channel_text(&m, 70);
	ck_assert_ptr_nonnull(strstr(text, "(可能重复)"));	/* 64 + 6 */
	free(text);
	strcat(body, "云");
	text = channel_text(&m, 70);
	ck_assert_str_eq(text, body);
	free(text);
	text = channel_text(&m, 0);
	ck_assert_ptr_nonnull(strstr(text, "(可能重复)"));
	free(text);
	m.lang = "en";
	m.body = "short";
	text = channel_text(&m, 70);
	ck_assert_str_eq(text, "short (may be repeated)");
	free(text);
	m.repeat = false;
	text = channel_text(&m, 70);
	ck_assert_str_eq(text, "short");
	free(text);
}
END_TEST

START_TEST(no_way_to_write)
{
	struct channel_message m = bench_message();
	char why[300] = "", cmd[200];
	int fd;

	bench_open(&b);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", outbox);
	ck_assert_int_eq(system(cmd), 0);
	fd = open(outbox, O_CREAT | O_WRONLY, 0600);	/* a file where the directory was */
	close(fd);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_str_eq(b.detail, "Not a directory");
	channel_free(b.ch);
	b.ch = channel_new(&b.conf, &b.env, why, sizeof(why));
	ck_assert_ptr_null(b.ch);
	ck_assert_ptr_nonnull(strstr(why, "Not a directory"));
	unlink(outbox);
	bench_open(&b);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
}
END_TEST

/* A full disk: nothing half-written is left. */
START_TEST(full_disk)
{
	struct channel_message m = bench_message();
	struct stat sb;
	char path[300];

	bench_open(&b);
	snprintf(path, sizeof(path), "%s/sms/.20260115-083107-000007.txt.new", outbox);
	m.decided.ns = INT64_C(1768437067) * NS_PER_S;
	ck_assert_int_eq(symlink("/dev/full", path), 0);	/* O_NOFOLLOW: refused, not followed */
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert_int_ne(lstat(path, &sb), 0);			/* and out of the way */
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_SENT);
	ck_assert_int_eq(files_in("sms"), 1);
}
END_TEST

START_TEST(freed_before_it_answered)
{
	struct channel_message m = bench_message();

	bench_open(&b);
	channel_send(b.ch, &m);
	channel_free(b.ch);
	b.ch = NULL;
	event_base_loop(b.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(b.done, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel_file");
	TCase *tc = tcase_create("file");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_the_phone_shows_it);
	tcase_add_test(tc, as_the_mailbox_shows_it);
	tcase_add_test(tc, mark_only_where_it_fits);
	tcase_add_test(tc, no_way_to_write);
	tcase_add_test(tc, full_disk);
	tcase_add_test(tc, freed_before_it_answered);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
