/*
 * test_journal_tool.c - verify, stat and export, on sound, damaged and absent journals.
 */
#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>

#include "collector/journal_tool.h"
#include "common/frame.h"
#include "tests/unit/collector/peer.h"

static char *dir, *jdir, *out_path;
static const char *bent_name;		/* NULL: as the agent has it */

/* A batch whose link has a name that no agent of ours would send. */
static void
bend_name(Linkwatch__Pb__Batch *b)
{
	free(b->link[0]);
	b->link[0] = xstrdup(bent_name);
}

static void
append_at(struct journal *j, const char *agent, const struct test_batch *t, int64_t wall_ns)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	uint8_t *p, *rec;
	size_t n;

	p = bent_name != NULL ? bent_batch(t, bend_name, &n) : test_batch(t, &n);
	sb.agent = (char *)(uintptr_t)agent;
	sb.batch = (ProtobufCBinaryData){ .len = n, .data = p };
	n = linkwatch__pb__stored_batch__get_packed_size(&sb);
	rec = xmalloc(n);
	linkwatch__pb__stored_batch__pack(&sb, rec);
	ck_assert_int_eq(journal_append(j, JREC_BATCH, (struct wall){ wall_ns }, rec, n, NULL), 0);
	free(rec);
	free(p);
}

static void
append_batch(struct journal *j, const struct test_batch *t)
{
	append_at(j, "a1", t, T0);
}

/* One more record in the journal of the fixture. */
static void
append_as(const char *agent, const struct test_batch *t)
{
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;

	ck_assert_int_eq(disk_open_real(jdir, &disk), 0);
	ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), 0);
	append_at(j, agent, t, T0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	disk->ops->close(disk);
}

/* Another byte at that place of a segment. */
static void
spoil(const char *where, uint64_t first_seq, off_t at)
{
	char *path = xasprintf("%s/%020" PRIu64 ".seg", where, first_seq), c;
	int fd = open(path, O_RDWR);

	ck_assert_int_eq(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x55);
	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
	free(path);
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

/* Runs the tool with words; what it wrote to standard output and standard error, malloc'd. */
static char *
run(const char *where, const char *words, int want)
{
	struct journal_place place = { .dir = (char *)(uintptr_t)where, .past_ns = 3600 * NS_PER_S,
		.future_ns = 300 * NS_PER_S };
	char *copy = strdup(words), *argv[16], *text = xcalloc(1, 65536);
	int argc = 0, out = dup(1), err = dup(2), fd = open(out_path, O_CREAT | O_TRUNC | O_RDWR, 0600), status;

	for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	dup2(fd, 1);
	dup2(fd, 2);
	status = journal_tool(&place, argc, argv);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	ck_assert_int_ge(pread(fd, text, 65535, 0), 0);
	close(fd);
	free(copy);
	ck_assert_msg(status == want, "'%s' ended with %d: %s", words, status, text);
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
	expect("stat", 0, "records 1 to 7, 2026-01-10T07:06:40");
	expect("stat", 0, "segments 1, ");
	expect("stat", 0, "reader store            next 4");
	expect("stat --types", 0, "type batch                 7 records");
}
END_TEST

/* What the head says now is what verify compares later. */
START_TEST(heads)
{
	char *text = run(jdir, "verify", 0), *head = strstr(text, "head "), *words, *stat;

	ck_assert_ptr_nonnull(head);
	head[strcspn(head, "\n")] = '\0';
	ck_assert_str_eq(head + 5 + 64, "@7");
	stat = run(jdir, "stat", 0);
	ck_assert_ptr_nonnull(strstr(stat, head));
	words = xasprintf("verify --head %s", head + 5);
	expect(words, 0, head);
	words[14] = words[14] == '0' ? '1' : '0';
	expect(words, 3, "record 7 has the hash");
	expect("verify --head 0123456789abcdef@8", 3, "ends with record 7");
	expect("verify --head 0123456789abcdef@3", 3, "records 1 to 2 before it are sound");
	free(words);
	free(stat);
	free(text);
}
END_TEST

START_TEST(samples_come_out)
{
	char *text = run(jdir, "export --link a1/gw", 3);	/* record 7 holds nothing sound, which is said */

	ck_assert_ptr_nonnull(strstr(text, "record 7 holds no sound batch"));
	ck_assert_uint_eq(lines(text), 7);	/* with the heading and that line */
	ck_assert_ptr_nonnull(strstr(text, "agent,link,start,start_ns,received_ns,step_ms,sent,replies,flags,"
	    "rtt_ns,causes,values,raw\n"));
	ck_assert_ptr_nonnull(strstr(text,
	    "a1,gw,2026-01-10T07:06:41.000000000+08:00,1768000001000000000,0,1000,1,1,,1234500,,,\n"));
	ck_assert_ptr_nonnull(strstr(text, ",1000,1,0,,,timeout=1,,\n"));
	free(text);
	text = run(jdir, "export --format json --link a1/gw", 3);
	ck_assert_ptr_nonnull(strstr(text, "\"rtt_ns\":[1234500]"));
	ck_assert_ptr_nonnull(strstr(text, "\"causes\":{\"timeout\":1}"));
	free(text);
	text = run(jdir, "export --format json --from 1768000002 --to 2026-01-09T23:06:44Z --link a1/gw", 3);
	ck_assert_uint_eq(lines(text), 3);
	free(text);
	text = run(jdir, "export --format json --link all", 3);
	ck_assert_uint_eq(lines(text), 7);
	free(text);
	text = run(jdir, "export --format json --link a1/web --link a1/gw", 3);
	ck_assert_uint_eq(lines(text), 7);
	free(text);
	text = run(jdir, "export --format json --link a2/gw", 3);
	ck_assert_uint_eq(lines(text), 1);
	free(text);
}
END_TEST

/* Appends a message of the journal that holds no samples of its own. */
static void
append_message(uint16_t type, const ProtobufCMessage *m)
{
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = xmalloc(n + 1);

	protobuf_c_message_pack(m, p);
	ck_assert_int_eq(disk_open_real(jdir, &disk), 0);
	ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), 0);
	ck_assert_int_eq(journal_append(j, type, (struct wall){ T0 }, p, n, NULL), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	disk->ops->close(disk);
	free(p);
}

static void
append_events(void)
{
	Linkwatch__Pb__Session up = LINKWATCH__PB__SESSION__INIT;
	Linkwatch__Pb__Refused stranger = LINKWATCH__PB__REFUSED__INIT, late = LINKWATCH__PB__REFUSED__INIT;
	size_t n;
	uint8_t *p = test_batch(&(struct test_batch){ .seq = 9 }, &n);

	up.agent = "a1";
	up.at_ns = T0;
	up.up = true;
	up.address = "192.0.2.7:4000";
	append_message(JREC_SESSION, &up.base);
	stranger.peer = "192.0.2.66";
	stranger.at_ns = T0 + NS_PER_S;
	stranger.code = REFUSE_UNKNOWN_PEER;
	stranger.reason = "=cmd|\"x\"\n";
	stranger.count = 7;
	append_message(JREC_REFUSED, &stranger.base);
	late.peer = "a1";
	late.at_ns = T0 + 2 * NS_PER_S;
	late.code = REFUSE_TIME;
	late.reason = "of next year";
	late.samples = 1;
	late.count = 1;
	late.batch = (ProtobufCBinaryData){ .len = n, .data = p };
	append_message(JREC_REFUSED, &late.base);
	free(p);
}

/* What was lost, who came, what was turned away, and the samples of a batch that only its times had refused. */
START_TEST(events_come_out)
{
	char *text;

	append_as("a1", &(struct test_batch){ .seq = 9, .gap_first = 7, .gap_last = 8 });
	append_events();
	text = run(jdir, "export --what events --link all", 3);		/* record 7 again */
	ck_assert_ptr_nonnull(strstr(text, "type,agent,at,at_ns,from_ns,to_ns,samples,count,what,reason\n"));
	ck_assert_ptr_nonnull(strstr(text, "gap,\"a1\","));
	ck_assert_ptr_nonnull(strstr(text, ",1768000000000000000,1768000001000000000,1,,,\"spool full\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "session,\"a1\",2026-01-10T07:06:40.000000000+08:00,1768000000000000000,,,,,up,"
	    "\"192.0.2.7:4000\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "refused,\"192.0.2.66\","));
	ck_assert_ptr_nonnull(strstr(text, ",7,unknown-peer,\"'=cmd|\"\"x\"\""));
	ck_assert_ptr_nonnull(strstr(text, ",1,1,time,\"of next year\"\n"));
	ck_assert_uint_eq(lines(text), 6);
	free(text);
	text = run(jdir, "export --what events --format json --agent a1 --from 1768000000 --to 1768000001", 3);
	ck_assert_ptr_nonnull(strstr(text, "{\"type\":\"session\",\"agent\":\"a1\","));
	ck_assert_ptr_null(strstr(text, "192.0.2.66"));
	ck_assert_ptr_null(strstr(text, "next year"));
	free(text);
	text = run(jdir, "export --what events --link a2/gw", 3);	/* the heading alone */
	ck_assert_uint_eq(lines(text), 2);
	free(text);
	text = run(jdir, "export --what refused --agent a1 --format json", 0);
	ck_assert_uint_eq(lines(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "\"rtt_ns\":[1234500]"));
	free(text);
	text = run(jdir, "export --what refused --agent a1 --to 1768000001", 0);
	ck_assert_uint_eq(lines(text), 1);
	free(text);
	append_message(JREC_REFUSED, &(Linkwatch__Pb__Refused){ PROTOBUF_C_MESSAGE_INIT(&linkwatch__pb__refused__descriptor),
	    .peer = "a1", .reason = "r", .at_ns = T0, .batch = { .len = 1, .data = (uint8_t *)"\xff" } }.base);
	expect("export --what refused --agent a1", 3, "holds no sound event");
	expect("export --what nothing --agent a1", 2, "neither samples");
	expect("export --agent ../x", 2, "no id");
}
END_TEST

START_TEST(wrong_words)
{
	static const char *const bad[] = { "", "help", "verify more", "export", "export --link a1", "export a1/gw",
		"export --link a1/gw x", "export --format xml --link a1/gw", "export --link ../../x",
		"export --from yesterday --link a1/gw", "export --to -1 --link a1/gw",
		"export --from 99999999999999999999 --link a1/gw", "export --nonsense --link a1/gw",
		"export --link A1/gw", "export --link =cmd/gw", "export --from now --to -1h --link all", "stat now",
		"verify --head", "verify --head x@1", "verify --head 0123456789abcdef", "verify --head 0123456789abcdef@0",
		"verify --head 0123456789abcdef@-1", "verify --head 0123456789ABCDEF@1", "export --link" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		free(run(jdir, bad[i], 2));
}
END_TEST

/* A name that a spreadsheet would take for a formula is no id: the record is named, not written out. */
START_TEST(no_formula_comes_out)
{
	static const char *const names[] = { "@sum(1)", "-1", "+1", "\tx", "a,b", "\"a" };
	char *text;

	append_as("=cmd|' /C calc'!A0", &(struct test_batch){ .seq = 9 });
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		bent_name = names[i];
		append_as("a1", &(struct test_batch){ .seq = 9, .plain = true });
	}
	bent_name = NULL;
	text = run(jdir, "export --link all", 3);
	ck_assert_ptr_null(strstr(text, "cmd"));
	ck_assert_ptr_null(strstr(text, "@sum"));
	ck_assert_uint_eq(lines(text), 8);	/* heading, six samples, one message */
	for (char *l = strchr(text, '\n'); l != NULL && l[1] != '\0'; l = strchr(l + 1, '\n'))
		ck_assert_msg(strchr("=+-@\t\r\"", l[1]) == NULL, "%s", l);
	free(text);
}
END_TEST

/* The output is full, or nobody reads it. */
START_TEST(output_fails)
{
	int saved = dup(1), p[2], full = open("/dev/full", O_WRONLY);
	struct journal_place place = { .dir = jdir, .past_ns = 1, .future_ns = 1 };
	char *commands[][4] = { { "export", "--link", "all", NULL }, { "stat", NULL }, { "verify", NULL } };

	ck_assert_int_eq(pipe(p), 0);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);	/* as main() does */
	for (size_t i = 0; i < 6; i++) {
		char **argv = commands[i / 2];
		int argc = 0, status;

		while (argv[argc] != NULL)
			argc++;
		fflush(stdout);
		dup2(i % 2 == 0 ? full : p[1], 1);
		status = journal_tool(&place, argc, argv);
		dup2(saved, 1);
		clearerr(stdout);
		ck_assert_msg(status == 1, "%s ended with %d", argv[0], status);
	}
	close(saved);
	close(full);
	close(p[1]);
}
END_TEST

/* An export of one hour in a long journal reads that hour, not what is before it. */
START_TEST(finds_its_start)
{
	struct journal_opts o = { .segment_bytes = 4096 };
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;
	char *where = xasprintf("%s/long", dir), *text;
	struct journal_segment *seg;
	size_t n;

	ck_assert_int_eq(disk_open_real(where, &disk), 0);
	ck_assert_int_eq(journal_open(&j, disk, &o, &rec), 0);
	for (uint64_t i = 1; i <= 2000; i++) {		/* one a minute */
		append_at(j, "a1", &(struct test_batch){ .seq = i, .start_ns = T0 + (int64_t)i * 60 * NS_PER_S },
		    T0 + (int64_t)i * 60 * NS_PER_S);
		if (i % 4 == 0)
			ck_assert_int_eq(journal_sync(j), 0);
	}
	journal_close(j);
	ck_assert_int_eq(journal_segment_list(disk, &seg, &n), 0);
	ck_assert_uint_gt(n, 50);
	/* Damage in what needs not be read is not met; all before it would be. */
	spoil(where, seg[n / 4].first_seq, 200);
	text = run(where, "export --link all --format json --from 1768060000 --to 1768063600", 0);
	ck_assert_uint_eq(lines(text), 60);
	free(text);
	/* But what came late is found: up to `past` behind the end. */
	spoil(where, seg[n - 2].first_seq, 200);
	text = run(where, "export --link all --format json --from 1768060000 --to 1768063600", 0);
	free(text);
	text = run(where, "export --link all --format json --from 1768116000", 3);
	ck_assert_ptr_nonnull(strstr(text, "goes on with record"));
	free(text);
	free(seg);
	disk->ops->close(disk);
	free(where);
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
	spoil(jdir, 1, 300);
	expect("verify", 3, "00000000000000000001.seg, offset ");
	expect("verify", 3, ": record 2 is damaged");
	expect("verify", 3, "records 1 to 1 before it are sound");
	expect("export --link a1/gw", 3, "goes on with record 3");
	expect("export --link a1/gw", 3, "a1,gw,2026-01-10T07:06:45.000000000+08:00");
	expect("stat --types", 3, "record 2 is damaged");
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
	tcase_add_test(t, events_come_out);
	tcase_add_test(t, heads);
	tcase_add_test(t, no_formula_comes_out);
	tcase_add_test(t, output_fails);
	tcase_add_test(t, finds_its_start);
	tcase_add_test(t, wrong_words);
	tcase_add_test(t, no_journal);
	tcase_add_test(t, a_damaged_journal);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
