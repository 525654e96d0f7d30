/*
 * test_rrdfile.c - good files, damaged ones, and none that librrd should not see.
 */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <rrd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "collector/rrdfile.h"
#include "common/rng.h"
#include "tests/unit/collector/peer.h"

#define START INT64_C(1768000000)

static char *dir, *path;
static struct series_def def;
static char why[256];

static void
setup(void)
{
	static const struct series_policy policy = { .detail_s = { 3600, 3600, 3600 } };
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = l.agent = (char *)"a";
	l.probe = PROBE_TCP;
	l.step_ms = 10000;
	l.class_ = CLASS_A;
	ck_assert_int_eq(series_define(&def, &l, &policy), 0);
	dir = test_dir();
	path = xasprintf("%s/x.rrd", dir);
}

static void
teardown(void)
{
	free(path);
	test_dir_remove(dir);
}

static int
check(int64_t *last)
{
	return rrdfile_check(path, &def, START + 100000, last, why, sizeof why);
}

static void
make(size_t rows)
{
	struct rrd_row *row = xcalloc(rows + 1, sizeof *row);

	unlink(path);
	ck_assert_int_eq(rrdfile_create(path, &def, START, why, sizeof why), 0);
	for (size_t i = 0; i < rows; i++) {
		row[i].t = START + 10 * (int64_t)(i + 1);
		for (size_t k = 0; k < def.ds_n; k++)
			row[i].v[k] = k == 0 ? 0.25 : i % 7 == 3 ? NAN : 0.001 * (double)(i % 100 + k);
	}
	ck_assert_msg(rrdfile_update(path, &def, row, rows, why, sizeof why) == 0, "%s", why);
	free(row);
}

START_TEST(what_was_written_is_read_back)
{
	unsigned long step = 1, ds_n;
	time_t from = START, to = START + 200;
	char **names;
	double *v;
	int64_t last;

	make(20);
	ck_assert_msg(check(&last) == 0, "%s", why);
	ck_assert_int_eq(last, START + 200);
	ck_assert_int_eq(rrd_fetch_r(path, "AVERAGE", &from, &to, &step, &ds_n, &names, &v), 0);
	ck_assert_uint_eq(step, 10);
	ck_assert_uint_eq(ds_n, 9);
	for (size_t i = 0; i < 20; i++) {
		ck_assert_double_eq_tol(v[i * ds_n], 0.25, 1e-12);
		if (i % 7 == 3)
			ck_assert(isnan(v[i * ds_n + 4]));
		else
			ck_assert_double_eq_tol(v[i * ds_n + 4], 0.001 * (double)(i + 4), 1e-12);
	}
	for (size_t i = 0; i < ds_n; i++)
		free(names[i]);
	free(names);
	free(v);
}
END_TEST

START_TEST(no_file)
{
	int64_t last;

	ck_assert_int_eq(check(&last), -ENOENT);
}
END_TEST

START_TEST(things_that_are_no_file)
{
	int64_t last;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	unlink(path);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(check(&last), -EBADMSG);
}
END_TEST

START_TEST(every_other_length)
{
	struct stat st;
	int64_t last;

	make(3);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t n = st.st_size - 1; n > 0; n = n > 20000 ? n / 2 : n - 97) {
		ck_assert_int_eq(truncate(path, n), 0);
		ck_assert_msg(check(&last) == -EBADMSG, "%jd bytes passed", (intmax_t)n);
	}
	make(3);
	ck_assert_int_eq(truncate(path, st.st_size + 1), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(truncate(path, st.st_size), 0);	/* all zero */
	ck_assert_int_eq(check(&last), -EBADMSG);
}
END_TEST

START_TEST(another_layout)
{
	struct series_def other = def;
	int64_t last;

	make(1);
	other.step_s = 20;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	other.ds_n--;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	strcpy(other.ds[3].name, "other");
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	other.rra[1].rows++;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
}
END_TEST

START_TEST(a_last_row_in_the_future_is_damage)
{
	struct rrd_row r = { .t = 4102444790 };
	int64_t last;

	make(1);
	ck_assert_int_eq(rrdfile_update(path, &def, &r, 1, why, sizeof why), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "future"));
}
END_TEST

START_TEST(rows_that_go_back_are_refused)
{
	struct rrd_row r = { .t = START + 10 };

	make(3);
	ck_assert_int_eq(rrdfile_update(path, &def, &r, 1, why, sizeof why), -EBADMSG);
}
END_TEST

/* A child that reads and writes the file; how it ended. */
static int
use_in_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct rrd_row r[2] = { { .t = START + 90000 }, { .t = START + 90010 } };
		int64_t last;

		alarm(20);
		if (check(&last) == 0 && last < r[0].t)
			rrdfile_update(path, &def, r, 2, why, sizeof why);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

/*
 * Bytes of the header bent at random: what passes the check must be harmless to librrd.
 * The rows themselves may say anything.
 */
START_TEST(bent_headers_do_not_crash_librrd)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 20260115);
	size_t passed = 0, head = 128 + 9 * 120 + def.rra_n * 120 + 16 + 9 * 112 + def.rra_n * 9 * 80 +
	    def.rra_n * 8;

	make(50);
	for (int i = 0; i < 1500; i++) {
		uint8_t was[4], is[4];
		off_t at = (off_t)rng_below(rng, head - 4);
		size_t n = 1 + rng_below(rng, 4);
		int fd = open(path, O_RDWR), status;
		int64_t last;

		rng->fill(rng, is, sizeof is);
		ck_assert_int_eq(pread(fd, was, n, at), (ssize_t)n);
		ck_assert_int_eq(pwrite(fd, is, n, at), (ssize_t)n);
		close(fd);
		if (check(&last) == 0) {
			passed++;
			status = use_in_child();
			ck_assert_msg(WIFEXITED(status), "round %d: byte %jd kills librrd with signal %d", i,
			    (intmax_t)at, WTERMSIG(status));
			make(50);
		} else {
			fd = open(path, O_WRONLY);
			ck_assert_int_eq(pwrite(fd, was, n, at), (ssize_t)n);
			close(fd);
		}
	}
	ck_assert_uint_gt(passed, 0);		/* else this proves nothing */
}
END_TEST

/* A file system of 256 KiB that only we see. */
START_TEST(a_full_disk_leaves_no_file)
{
	int64_t last;
	int r;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=256k") != 0) {
		fprintf(stderr, "a_full_disk_leaves_no_file: needs root and mount(2): not run\n");
		return;
	}
	r = rrdfile_create(path, &def, START, why, sizeof why);
	ck_assert_int_ne(r, 0);
	ck_assert(why[0] != '\0');
	ck_assert_int_eq(check(&last), -ENOENT);
	umount(dir);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rrdfile");
	TCase *t = tcase_create("rrdfile");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 180);
	tcase_add_test(t, what_was_written_is_read_back);
	tcase_add_test(t, no_file);
	tcase_add_test(t, things_that_are_no_file);
	tcase_add_test(t, every_other_length);
	tcase_add_test(t, another_layout);
	tcase_add_test(t, a_last_row_in_the_future_is_damage);
	tcase_add_test(t, rows_that_go_back_are_refused);
	tcase_add_test(t, bent_headers_do_not_crash_librrd);
	tcase_add_test(t, a_full_disk_leaves_no_file);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
