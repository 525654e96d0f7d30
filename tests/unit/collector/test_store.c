/*
 * test_store.c - the store as a process: journal in, RRD files out, whatever happens to it.
 */
#include "tests/unit/collector/store_lab.h"

/* --------------------------------------------------------------------- tests */

START_TEST(a_wish_brings_everything_to_the_file)
{
	append_range(0, 100);
	start_store(false);
	wait_caught_up();
	ck_assert_str_eq(ask("flush a1/gw"), "ok");
	check_file(100);
	/* Also what was committed a moment ago. */
	append_range(100, 103);
	ck_assert_str_eq(ask("flush a1/gw"), "ok");
	check_file(103);
}
END_TEST

START_TEST(bad_wishes_are_answered)
{
	static const char *const bad[] = { "flush", "flush ", "flush a1", "flush a1/none", "flush ../../etc/passwd",
		"", "help", "rebuild x/y", "FLUSH a1/gw", "flush a1/gw " };

	start_store(false);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(strncmp(ask(bad[i]), "error ", 6) == 0, "'%s'", bad[i]);
	ck_assert_str_eq(ask("flush a1/gw"), "ok");
}
END_TEST

START_TEST(a_long_line_ends_the_reader_only)
{
	char line[2000], answer[64];

	start_store(false);
	ask("stat");
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	store_ask(conf, line, answer, sizeof answer);
	ck_assert_int_eq(strncmp(ask("stat"), "ok", 2), 0);
}
END_TEST

START_TEST(rows_are_written_when_old_enough_and_at_the_end)
{
	append_range(0, 3);
	start_store(false);
	wait_caught_up();
	wait_for("rows", 3);		/* fewer than `rows`, but older than `age` */
	check_file(3);
	append_range(3, 5);
	wait_caught_up();
	end_store(SIGTERM);
	check_file(5);
}
END_TEST

/* R15: where no sample is, no value is, neither the one before nor the one after. */
START_TEST(holes_and_disorder)
{
	unsigned long long late;

	append_range(0, 10);
	for (int i = 20; i < 30; i += 2) {
		append_sample(i + 1, false);
		append_sample(i, true);
	}
	append_sample(25, true);		/* a repeat: the first stays */
	append_range(200, 210);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(210);
	/* Too late for the file, not for the journal: counted. */
	late = stat_value("late");
	append_sample(100, false);
	model[100] = 0;
	ck_assert_int_eq(journal_sync(journal), 0);
	ask("flush a1/gw");
	ck_assert_uint_eq(stat_value("late"), late + 1);
	check_file(210);
}
END_TEST

/* R13 */
START_TEST(killed_again_and_again)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 7);
	int at = 0;

	for (int round = 0; round < 25; round++) {
		int n = 1 + (int)rng_below(rng, 60);

		start_store(false);
		append_range(at, at + n / 2);
		if (round % 3 != 0)
			ask("stat");
		append_range(at + n / 2, at + n);
		at += n;
		usleep((useconds_t)rng_below(rng, 60000));
		end_store(SIGKILL);
	}
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(at);
	ck_assert_int_eq(count_aside("damaged"), 0);
	ck_assert_int_eq(count_aside("old"), 0);
}
END_TEST

START_TEST(links_that_nobody_plans_are_counted)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	struct test_batch t = { .boot = 1, .seq = 1, .link = "unplanned", .start_ns = begin_s * NS_PER_S };
	uint8_t *p;
	size_t n;

	p = test_batch(&t, &n);
	sb.agent = (char *)"a1";
	sb.batch = (ProtobufCBinaryData){ .len = n, .data = p };
	append(JREC_BATCH, &sb.base);
	sb.agent = (char *)"../../etc";
	append(JREC_BATCH, &sb.base);
	sb.batch.len = 5;
	append(JREC_BATCH, &sb.base);
	ck_assert_int_eq(journal_append(journal, JREC_BATCH, (struct wall){ 0 }, "\xff\xff", 2, NULL), 0);
	ck_assert_int_eq(journal_append(journal, JREC_PLAN, (struct wall){ 0 }, "\xff\xff", 2, NULL), 0);
	append_range(0, 5);
	start_store(false);
	wait_caught_up();
	ck_assert_uint_ge(stat_value("odd"), 3);
	ask("flush a1/gw");
	check_file(5);
	free(p);
}
END_TEST

START_TEST(what_retention_took_is_no_end)
{
	struct journal_stat st;

	for (int i = 0; i < 300; i += 10)
		append_range(i, i + 10);
	journal_stat(journal, &st);
	ck_assert_int_eq(journal_purge(journal, st.next_seq - 50), 0);
	journal_stat(journal, &st);
	ck_assert_uint_gt(st.first_seq, 2);
	append_plan(LINKS);
	memset(model, 0, sizeof model);
	append_range(300, 320);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	/* What stood before the plan cannot be placed; what follows is whole. */
	check_file(320);
}
END_TEST

START_TEST(two_stores_never_write_together)
{
	pid_t first;
	int status;

	start_store(false);
	ask("stat");
	first = store;
	start_store(false);
	ck_assert_int_eq(waitpid(store, &status, 0), store);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	store = first;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_wish_brings_everything_to_the_file);
	tcase_add_test(t, bad_wishes_are_answered);
	tcase_add_test(t, a_long_line_ends_the_reader_only);
	tcase_add_test(t, rows_are_written_when_old_enough_and_at_the_end);
	tcase_add_test(t, holes_and_disorder);
	tcase_add_test(t, killed_again_and_again);
	tcase_add_test(t, links_that_nobody_plans_are_counted);
	tcase_add_test(t, what_retention_took_is_no_end);
	tcase_add_test(t, two_stores_never_write_together);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
