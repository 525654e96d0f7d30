/*
 * test_journal_tool.c - verify, stat and export, on sound, damaged and absent journals.
 */
#include <check.h>
#include <fcntl.h>

#include "collector/journal_tool.h"
#include "tests/unit/collector/peer.h"

static char *dir, *jdir, *out_path;

static void
append_batch(struct journal *j, const struct test_batch *t)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	uint8_t *p, *rec;
	size_t n;

	p = test_batch(t, &n);
	sb.agent = (char *)"a1";
	sb.batch = (ProtobufCBinaryData){ .len = n, .data = p };
	n = linkwatch__pb__stored_batch__get_packed_size(&sb);
	rec = xmalloc(n);
	linkwatch__pb__stored_batch__pack(&sb, rec);
	ck_assert_int_eq(journal_append(j, JREC_BATCH, (struct wall){ T0 }, rec, n, NULL), 0);
	free(rec);
	free(p);
}

static void
setup(void)
{
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;

	dir = test_dir();
	jdir = xasprintf("%s/journal", dir);
	out_path = xasprintf("%s/out", dir);
	ck_assert_int_eq(disk_open_real(jdir, &disk), 0);
	ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), 0);
	for (uint64_t i = 1; i <= 5; i++)
		append_batch(j, &(struct test_batch){ .seq = i, .lost = i == 3 });
	append_batch(j, &(struct test_batch){ .seq = 6, .link = "web" });
	ck_assert_int_eq(journal_append(j, JREC_BATCH, (struct wall){ T0 }, "\xff", 1, NULL), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	ck_assert_int_eq(journal_cursor_save(disk, "store", 4), 0);
	journal_close(j);
	disk->ops->close(disk);
}

static void
teardown(void)
{
	free(jdir);
	free(out_path);
	test_dir_remove(dir);
}

/* Runs the tool with words; what it wrote to standard output, malloc'd. */
static char *
run(const char *where, const char *words, int want)
{
	char *copy = strdup(words), *argv[16], *text = xcalloc(1, 65536);
	int argc = 0, saved = dup(1), fd = open(out_path, O_CREAT | O_TRUNC | O_RDWR, 0600), status;

	for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	dup2(fd, 1);
	status = journal_tool(where, argc, argv);
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	ck_assert_int_ge(pread(fd, text, 65535, 0), 0);
	close(fd);
	free(copy);
	ck_assert_msg(status == want, "'%s' ended with %d", words, status);
	return text;
}

static void
expect(const char *words, int want, const char *part)
{
	char *text = run(jdir, words, want);

	ck_assert_msg(strstr(text, part) != NULL, "'%s' says: %s", words, text);
	free(text);
}

static size_t
lines(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

START_TEST(a_sound_journal)
{
	expect("verify", 0, "records 1 to 7 are sound");
	expect("stat", 0, "records 1 to 7");
	expect("stat", 0, "batch");
	expect("stat", 0, "reader store");
}
END_TEST

START_TEST(samples_come_out)
{
	char *text = run(jdir, "export a1/gw", 0);

	ck_assert_uint_eq(lines(text), 6);	/* with its heading */
	ck_assert_ptr_nonnull(strstr(text, "1000,1,1,0,1.2345,"));
	ck_assert_ptr_nonnull(strstr(text, "1000,1,0,0,,timeout=1,"));
	free(text);
	text = run(jdir, "export --format json a1/gw", 0);
	ck_assert_uint_eq(lines(text), 5);
	ck_assert_ptr_nonnull(strstr(text, "\"rtt_ms\":[1.2345]"));
	free(text);
	text = run(jdir, "export --format json --from 1768000002 --to 1768000004 a1/gw", 0);
	ck_assert_uint_eq(lines(text), 2);
	free(text);
	text = run(jdir, "export --format json a2/gw", 0);
	ck_assert_uint_eq(lines(text), 0);
	free(text);
}
END_TEST

START_TEST(wrong_words)
{
	static const char *const bad[] = { "", "help", "verify more", "export", "export a1", "export a1/gw x",
		"export --format xml a1/gw", "export ../../x", "export --from yesterday a1/gw", "export --to -1 a1/gw",
		"export --from 99999999999999999999 a1/gw", "export --nonsense a1/gw", "export A1/gw" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		free(run(jdir, bad[i], 2));
}
END_TEST

START_TEST(no_journal)
{
	struct stat st;

	free(run("/nowhere/at/all", "verify", 1));
	free(run("/nowhere/at/all", "stat", 1));
	ck_assert_int_ne(stat("/nowhere", &st), 0);
}
END_TEST

START_TEST(a_damaged_journal)
{
	char *seg = xasprintf("%s/00000000000000000001.seg", jdir), *text;
	int fd = open(seg, O_WRONLY);

	ck_assert_int_eq(pwrite(fd, "X", 1, 300), 1);
	close(fd);
	free(run(jdir, "verify", 1));
	text = run(jdir, "export a1/gw", 1);
	free(text);
	free(run(jdir, "stat", 1));
	free(seg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal_tool");
	TCase *t = tcase_create("journal_tool");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_sound_journal);
	tcase_add_test(t, samples_come_out);
	tcase_add_test(t, wrong_words);
	tcase_add_test(t, no_journal);
	tcase_add_test(t, a_damaged_journal);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
