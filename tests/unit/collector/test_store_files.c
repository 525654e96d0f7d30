/*
 * test_store_files.c - the store and its files: damaged, lost, locked, of another shape, older than the journal.
 */
#include "tests/unit/collector/store_lab.h"

/* What is done to the file while the store is away, or while it is not. */
static void break_short(const char *p) { ck_assert_int_eq(truncate(p, 1000), 0); }
static void break_empty(const char *p) { ck_assert_int_eq(truncate(p, 0), 0); }
static void break_gone(const char *p) { ck_assert_int_eq(unlink(p), 0); }

static void
break_dir(const char *p)
{
	ck_assert_int_eq(unlink(p), 0);
	ck_assert_int_eq(mkdir(p, 0700), 0);
}

static void
break_noise(const char *p)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 9);
	uint8_t noise[4096];
	int fd = open(p, O_WRONLY);

	for (int i = 0; i < 300; i++) {
		rng->fill(rng, noise, sizeof noise);
		ck_assert_int_eq(write(fd, noise, sizeof noise), sizeof noise);
	}
	close(fd);
}

/* One stamp of 2100: librrd alone would refuse every row from then on. */
static void
break_future(const char *p)
{
	const char *argv[] = { "4102444790:0:1:1:1:1:1:1:1:1" };

	rrd_clear_error();
	ck_assert_int_eq(rrd_update_r(p, NULL, 1, argv), 0);
}

static const struct { const char *name; void (*hit)(const char *); bool aside; } breaks[] = {
	{ "short", break_short, true }, { "empty", break_empty, true }, { "gone", break_gone, false },
	{ "directory", break_dir, true }, { "noise", break_noise, true }, { "future", break_future, true },
};

/* R02, R07, R09 */
START_TEST(a_damaged_file_is_set_aside_and_made_anew)
{
	char *path = file_path(FILE_A1);

	append_range(0, 100);
	start_store(false);
	wait_caught_up();
	if (_i % 2 == 0) {		/* half of them while it is away */
		end_store(SIGTERM);
		breaks[_i / 2].hit(path);
		start_store(false);
	} else {
		ask("flush a1/gw");
		breaks[_i / 2].hit(path);
	}
	append_range(100, 130);
	wait_caught_up();
	ask("flush a1/gw");		/* finds it */
	wait_for("rebuilding", 0);
	append_range(130, 140);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(140);
	ck_assert_int_eq(count_aside("damaged"), breaks[_i / 2].aside);
	free(path);
}
END_TEST

START_TEST(killed_while_rebuilding)
{
	char *path = file_path(FILE_A1);

	append_range(0, 1500);
	start_store(false);
	wait_caught_up();
	end_store(SIGTERM);
	break_noise(path);
	for (int i = 0; i < 12; i++) {
		start_store(false);
		append_range(1500 + i, 1501 + i);
		ask("flush a1/gw");
		usleep(3000 * (useconds_t)i);
		end_store(SIGKILL);
	}
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	wait_for("rebuilding", 0);
	ask("flush a1/gw");
	check_file(1512);
	free(path);
}
END_TEST

START_TEST(a_file_that_crashed_librrd_is_set_aside)
{
	char *marker = file_path("rrd/.opening");
	FILE *f;

	append_range(0, 50);
	start_store(false);
	wait_caught_up();
	end_store(SIGTERM);
	/* As the dead process would have left it; kill -9 alone is no sign of a bad file. */
	f = fopen(marker, "w");
	fputs("a1/gw\n", f);
	fclose(f);
	start_store(false);
	wait_caught_up();
	ck_assert_int_eq(count_aside("damaged"), 0);
	end_store(SIGTERM);
	f = fopen(marker, "w");
	fputs("a1/gw\n", f);
	fclose(f);
	start_store(true);
	wait_caught_up();
	ck_assert_int_eq(count_aside("damaged"), 1);
	ask("flush a1/gw");
	check_file(50);
	free(marker);
}
END_TEST

START_TEST(asked_to_rebuild)
{
	char why[128], *rrd_dir = file_path("rrd");

	append_range(0, 50);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	ck_assert_str_eq(ask("rebuild a1/gw"), "ok");
	wait_for("rebuilding", 0);
	ask("flush a1/gw");
	check_file(50);
	ck_assert_int_eq(count_aside("old"), 1);
	/* A running store keeps others off. */
	ck_assert_int_eq(shelf_note_rebuild(rrd_dir, "a1/gw", why, sizeof why), -EBUSY);
	end_store(SIGTERM);
	ck_assert_int_eq(shelf_note_rebuild(rrd_dir, "../x", why, sizeof why), -EINVAL);
	ck_assert_int_eq(shelf_note_rebuild(rrd_dir, "a1/gw", why, sizeof why), 0);
	append_range(50, 60);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(60);
	free(rrd_dir);
}
END_TEST

START_TEST(another_step_makes_another_file)
{
	char *text = strdup(LINKS), *at = strstr(text, "step: 1s");
	char *path = file_path(FILE_A1);
	rrd_info_t *info, *i;
	unsigned long step = 0;

	append_range(0, 100);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	memcpy(at, "step: 2s", 8);
	append_plan(text);
	append_range(100, 120);
	wait_caught_up();
	ask("flush a1/gw");
	ck_assert_uint_eq(stat_value("moved"), 1);
	ck_assert_int_eq(count_aside("old"), 0);
	info = rrd_info_r(path);
	ck_assert_ptr_nonnull(info);
	for (i = info; i != NULL; i = i->next)
		if (strcmp(i->key, "step") == 0)
			step = i->value.u_cnt;
	rrd_info_free(info);
	ck_assert_uint_eq(step, 2);
	free(path);
	free(text);
}
END_TEST

/* As the plan has it, then with tls, then without: each time a file with all that the journal has. */
START_TEST(tls_switched_on_and_off)
{
	static const char *const plans[] = {
		"probe: tcp, port: 443", "probe: tcp, port: 443, tls: true", "probe: tcp, port: 443" };
	const char *at = strstr(LINKS, "probe: icmp");
	char *path = file_path(FILE_A1);

	ck_assert_ptr_nonnull(at);
	start_store(false);
	for (int i = 0; i < 3; i++) {
		char *text = xasprintf("%.*s%s%s", (int)(at - LINKS), LINKS, plans[i],
		    at + strlen("probe: icmp"));

		append_plan(text);
		append_range(100 * i, 100 * (i + 1));
		wait_caught_up();
		ask("flush a1/gw");
		wait_for("rebuilding", 0);
		ask("flush a1/gw");
		ck_assert_int_eq(count_aside("old"), 0);
		ck_assert_uint_eq(stat_value("moved"), (unsigned)i);
		check_file(100 * (i + 1));
		free(text);
	}
	free(path);
}
END_TEST

/* So few records are left that most of what the file knows is in it alone. */
static void
forget_the_journal(int from, int to)
{
	struct journal_stat st;

	for (int i = from; i < to; i++)
		append_sample(i, false);
	ck_assert_int_eq(journal_sync(journal), 0);
	wait_caught_up();
	ask("flush a1/gw");
	journal_stat(journal, &st);
	ck_assert_int_eq(journal_purge(journal, st.next_seq - 20), 0);
	journal_stat(journal, &st);
	ck_assert_uint_gt(st.first_seq, 100);
}

/* Another set of values, another step and back, two rebuilds in one second: what is older than the journal stays. */
START_TEST(history_is_kept_that_the_journal_has_not)
{
	const char *at = strstr(LINKS, "probe: icmp");
	char *text = xasprintf("%.*sprobe: tcp, port: 443, tls: true%s", (int)(at - LINKS), LINKS,
	    at + strlen("probe: icmp"));

	start_store(false);
	for (int i = 0; i < 300; i += 10) {
		append_range(i, i + 10);
	}
	forget_the_journal(300, 310);
	append_plan(text);
	append_range(310, 320);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(320);
	ck_assert_uint_eq(stat_value("moved"), 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(ask("rebuild a1/gw"), "ok");
		wait_for("rebuilding", 0);
		ask("flush a1/gw");
		check_file(320);
	}
	ck_assert_int_eq(count_aside("old"), 2);	/* neither took the other's name */
	/* Also when the store is stopped between the wish and the new file. */
	ask("rebuild a1/gw");
	end_store(SIGKILL);
	start_store(false);
	wait_caught_up();
	append_range(320, 325);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(325);
	free(text);
}
END_TEST

/* The power fails: the cursor is old, the head is new, and some rows never reached the disk. */
START_TEST(rows_that_a_power_cut_took)
{
	char *path = file_path(FILE_A1), *running = file_path("rrd/.running");
	double lost[50 * 9];
	int64_t first_row;
	struct stat st;
	FILE *f;
	int fd;

	append_range(0, 100);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	end_store(SIGKILL);
	ck_assert_int_eq(stat(running, &st), 0);
	for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
		lost[i] = 0.5;
	first_row = 128 + 9 * 120 + 13 * 120 + 16 + 9 * 112 + 13 * 9 * 80 + 13 * 8;
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, lost, sizeof lost, first_row + 50 * 72), sizeof lost);
	close(fd);
	/* The same boot: the kernel kept what was written, and so rows are not written twice. */
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	ck_assert_uint_eq(stat_value("moved"), 0);
	ck_assert_uint_eq(stat_value("rows"), 0);
	end_store(SIGKILL);
	f = fopen(running, "w");
	fputs("00000000-0000-0000-0000-000000000000\n", f);
	fclose(f);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	check_file(100);
	append_range(100, 110);
	wait_caught_up();
	end_store(SIGTERM);
	check_file(110);
	ck_assert_int_eq(stat(running, &st), -1);	/* a clean stop is no power cut */
	ck_assert_int_eq(count_aside("damaged"), 0);
	free(path);
	free(running);
}
END_TEST

/* R10: rows wait for a file that another program has locked, and none is lost. */
START_TEST(a_locked_file_makes_rows_wait)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path = file_path(FILE_A1);
	int fd;

	append_range(0, 10);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	fd = open(path, O_RDWR);
	ck_assert_int_eq(fcntl(fd, F_SETLK, &lock), 0);
	append_range(10, 100);
	wait_caught_up();
	ck_assert_int_eq(strncmp(ask("flush a1/gw"), "error ", 6), 0);
	close(fd);
	ck_assert_str_eq(ask("flush a1/gw"), "ok");
	check_file(100);
	ck_assert_int_eq(count_aside("damaged"), 0);
	free(path);
}
END_TEST

/* R09: another sound file is put in its place while the store runs. */
START_TEST(a_file_replaced_by_an_older_one)
{
	char *path = file_path(FILE_A1), *cmd = xasprintf("cp %s %s.copy", path, path);

	append_range(0, 50);
	start_store(false);
	wait_caught_up();
	ask("flush a1/gw");
	ck_assert_int_eq(system(cmd), 0);
	append_range(50, 100);
	wait_caught_up();
	ask("flush a1/gw");
	free(cmd);
	cmd = xasprintf("mv %s.copy %s", path, path);
	ck_assert_int_eq(system(cmd), 0);
	append_range(100, 120);
	wait_caught_up();
	ask("flush a1/gw");
	wait_for("rebuilding", 0);
	ask("flush a1/gw");
	check_file(120);
	ck_assert_int_eq(count_aside("damaged"), 1);
	free(cmd);
	free(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_files");
	TCase *t = tcase_create("store_files");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_damaged_file_is_set_aside_and_made_anew, 0,
	    2 * (int)(sizeof breaks / sizeof breaks[0]));
	tcase_add_test(t, killed_while_rebuilding);
	tcase_add_test(t, a_file_that_crashed_librrd_is_set_aside);
	tcase_add_test(t, asked_to_rebuild);
	tcase_add_test(t, another_step_makes_another_file);
	tcase_add_test(t, tls_switched_on_and_off);
	tcase_add_test(t, history_is_kept_that_the_journal_has_not);
	tcase_add_test(t, rows_that_a_power_cut_took);
	tcase_add_test(t, a_locked_file_makes_rows_wait);
	tcase_add_test(t, a_file_replaced_by_an_older_one);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
