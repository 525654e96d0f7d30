/*
 * test_rrdimage.c - what we write is what librrd would have written.
 *
 * librrd is the judge: the same rows go through rrd_update and through
 * rrdfile_append(), and rrd_fetch must find the same values in every archive.
 */
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <rrd.h>

#include "collector/rrdfile.h"
#include "common/rng.h"
#include "tests/unit/collector/peer.h"

#define START INT64_C(1768000000)
#define ROWS_MAX 2000

static char *dir, *ours, *theirs;
static char why[256];
static struct series_def def;
static int64_t t[ROWS_MAX];
static double v[ROWS_MAX * SERIES_DS_MAX];

static void
setup(void)
{
	dir = test_dir();
	ours = xasprintf("%s/ours.rrd", dir);
	theirs = xasprintf("%s/theirs.rrd", dir);
}

static void
teardown(void)
{
	free(ours);
	free(theirs);
	test_dir_remove(dir);
}

/* Three gauges, archives small enough to go round several times. */
static void
define(uint32_t step)
{
	static const struct series_rra rra[] = {
		{ "AVERAGE", 1, 100 }, { "AVERAGE", 6, 40 }, { "MIN", 6, 40 }, { "MAX", 6, 40 },
		{ "AVERAGE", 60, 30 }, { "MIN", 60, 30 }, { "MAX", 60, 7 }, { "AVERAGE", 7, 1 },
	};

	memset(&def, 0, sizeof def);
	def.step_s = step;
	def.heartbeat_s = 2 * step;
	def.ds_n = 3;
	for (size_t i = 0; i < def.ds_n; i++) {
		snprintf(def.ds[i].name, sizeof def.ds[i].name, "ds%zu", i);
		def.ds[i].min = i == 2 ? NAN : 0;
		def.ds[i].max = i == 1 ? 60 : NAN;
	}
	def.rra_n = sizeof rra / sizeof rra[0];
	memcpy(def.rra, rra, sizeof rra);
}

static void
create_theirs(int64_t start)
{
	char text[SERIES_DS_MAX + SERIES_RRA_MAX][64];
	const char *argv[SERIES_DS_MAX + SERIES_RRA_MAX];
	int argc = 0;

	for (size_t i = 0; i < def.ds_n; i++, argc++)
		snprintf(text[argc], sizeof text[0], "DS:%s:GAUGE:%u:%s:%s", def.ds[i].name, def.heartbeat_s,
		    isnan(def.ds[i].min) ? "U" : "0", isnan(def.ds[i].max) ? "U" : "60");
	for (size_t i = 0; i < def.rra_n; i++, argc++)
		snprintf(text[argc], sizeof text[0], "RRA:%s:0.9:%u:%u", def.rra[i].cf, def.rra[i].pdp,
		    def.rra[i].rows);
	for (int i = 0; i < argc; i++)
		argv[i] = text[i];
	rrd_clear_error();
	ck_assert_msg(rrd_create_r(theirs, def.step_s, start, argc, argv) == 0, "%s", rrd_get_error());
}

/* By librrd, in one call; a row of unknowns stands wherever slots are missing, as librrd needs it. */
static void
update_theirs(const char *path, int64_t last, size_t n)
{
	const char **argv = xcalloc(2 * n, sizeof(*argv));
	char (*row)[128] = xcalloc(2 * n, sizeof *row);
	int argc = 0;

	for (size_t i = 0; i < n; i++) {
		int used;

		if (t[i] - last > def.step_s) {
			snprintf(row[argc], sizeof *row, "%" PRId64 ":U:U:U", t[i] - def.step_s);
			argv[argc] = row[argc];
			argc++;
		}
		used = snprintf(row[argc], sizeof *row, "%" PRId64, t[i]);
		for (size_t k = 0; k < def.ds_n; k++)
			used += isnan(v[i * def.ds_n + k]) ?
			    snprintf(row[argc] + used, sizeof *row - (size_t)used, ":U") :
			    snprintf(row[argc] + used, sizeof *row - (size_t)used, ":%.17g", v[i * def.ds_n + k]);
		argv[argc] = row[argc];
		argc++;
		last = t[i];
	}
	rrd_clear_error();
	ck_assert_msg(rrd_update_r(path, NULL, argc, argv) == 0, "%s", rrd_get_error());
	free(row);
	free(argv);
}

static void
update_ours(const char *path, size_t n)
{
	struct rrd_append a = { .rows = { t, v, n }, .now = START + 1000000000 };

	ck_assert_msg(rrdfile_append(path, &def, &a, why, sizeof why) == 0, "%s", why);
	ck_assert_uint_eq(a.late, 0);
}

/* Rows after last, some with holes before them, some unknown. */
static int64_t
make_rows(struct rng *rng, int64_t last, size_t n, unsigned holes)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t gap = rng_below(rng, 100) < holes ? 1 + rng_below(rng, rng_below(rng, 9) ? 12 : 8000) : 0;

		last += def.step_s * (int64_t)(1 + gap);
		t[i] = last;
		for (size_t k = 0; k < def.ds_n; k++)
			v[i * def.ds_n + k] = rng_below(rng, 6) == 0 ? NAN :
			    (double)rng_below(rng, 60000) / 1000 - (k == 2 ? 30 : 0);
	}
	return last;
}

static void
compare(const char *a, const char *b, int64_t last)
{
	for (size_t i = 0; i < def.rra_n; i++) {
		unsigned long res = def.step_s * def.rra[i].pdp, step[2] = { res, res }, n[2];
		time_t to = last - last % (time_t)res, from = to - (time_t)(res * (def.rra[i].rows - 1));
		time_t from2 = from, to2 = to;
		char **names[2];
		double *x, *y;

		if (i == 7)
			continue;		/* one row: librrd looks elsewhere */
		rrd_clear_error();
		ck_assert_int_eq(rrd_fetch_r(a, def.rra[i].cf, &from, &to, &step[0], &n[0], &names[0], &x), 0);
		ck_assert_int_eq(rrd_fetch_r(b, def.rra[i].cf, &from2, &to2, &step[1], &n[1], &names[1], &y), 0);
		ck_assert_uint_eq(step[0], res);
		ck_assert_uint_eq(step[1], res);
		ck_assert_int_eq(from, from2);
		for (size_t k = 0; k < (size_t)(to - from) / res * n[0]; k++)
			ck_assert_msg((isnan(x[k]) && isnan(y[k])) || fabs(x[k] - y[k]) < 1e-9,
			    "archive %zu, row %zu of %" PRId64 "..: %g and %g", i, k / n[0], (int64_t)from,
			    x[k], y[k]);
		for (int f = 0; f < 2; f++) {
			for (size_t k = 0; k < n[f]; k++)
				free(names[f][k]);
			free(names[f]);
		}
		free(x);
		free(y);
	}
}

static const struct { uint32_t step; size_t rows; unsigned holes; } cases[] = {
	{ 1, 60, 0 }, { 1, 1, 30 }, { 10, 7, 5 }, { 1, 250, 1 }, { 60, 13, 50 }, { 7, 30, 10 }, { 1, 2000, 0 },
};

START_TEST(as_librrd_writes_it)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 100 + (uint64_t)_i);
	int64_t last, start;

	define(cases[_i].step);
	start = last = START - START % def.step_s;
	ck_assert_int_eq(rrdfile_create(ours, &def, start, why, sizeof why), 0);
	create_theirs(start);
	for (int round = 0; round < 12; round++) {
		int64_t before = last;

		last = make_rows(rng, last, cases[_i].rows, cases[_i].holes);
		update_theirs(theirs, before, cases[_i].rows);
		update_ours(ours, cases[_i].rows);
		compare(ours, theirs, last);
	}
	ck_assert_int_eq(rrd_last_r(ours), last);
}
END_TEST

/* The state between rows is the same too: each may go on where the other stopped. */
START_TEST(each_goes_on_with_the_others_file)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 5);
	int64_t last = START;

	define(1);
	create_theirs(last);
	ck_assert_int_eq(rrdfile_create(ours, &def, last, why, sizeof why), 0);
	for (int round = 0; round < 8; round++) {
		int64_t before = last;

		last = make_rows(rng, last, 20, 10);
		update_theirs(theirs, before, 20);
		if (round < 4)
			update_ours(ours, 20);
		else		/* then by librrd alone: no CRC any more that holds */
			update_theirs(ours, before, 20);
		compare(ours, theirs, last);
	}
	/* A file that librrd made has no CRC and is gone on with. */
	for (int round = 0; round < 4; round++) {
		int64_t before = last;

		last = make_rows(rng, last, 20, 10);
		update_theirs(ours, before, 20);
		update_ours(theirs, 20);
		compare(ours, theirs, last);
	}
}
END_TEST

START_TEST(rows_that_no_file_may_see)
{
	static const int64_t bad[][2] = { { 5, 0 }, { 10, 10 }, { 20, 10 }, { 10, 15 },
		{ 10, INT64_C(4102444800) - START }, { 10, INT64_MAX / 16 * 10 - START } };
	int64_t last;

	define(10);
	ck_assert_int_eq(rrdfile_create(ours, &def, START, why, sizeof why), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct rrd_append a = { .rows = { t, v, bad[i][1] == 0 ? 1 : 2 }, .now = START };

		t[0] = START + bad[i][0];
		t[1] = START + bad[i][1];
		ck_assert_msg(rrdfile_append(ours, &def, &a, why, sizeof why) == -EINVAL, "case %zu", i);
		ck_assert_int_eq(rrdfile_check(ours, &def, START, &last, why, sizeof why), 0);
		ck_assert_int_eq(last, START);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rrdimage");
	TCase *c = tcase_create("rrdimage");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, as_librrd_writes_it, 0, (int)(sizeof cases / sizeof cases[0]));
	tcase_add_test(c, each_goes_on_with_the_others_file);
	tcase_add_test(c, rows_that_no_file_may_see);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
