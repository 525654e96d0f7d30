/*
 * test_rrdmove.c - history in another shape: nothing is lost that fits, nothing is invented.
 *
 * The judge is the file that would stand there had its link always been as it is now.
 */
#include <check.h>
#include <math.h>
#include <rrd.h>

#include "collector/rrdfile.h"
#include "tests/unit/collector/peer.h"

#define START (INT64_C(1768000000) / 21600 * 21600)

static char *dir, *path, *twin;
static char why[256];
static const struct series_policy small = { .keep_s = { { 7200, 43200, 345600, 691200, 3456000 },
	{ 14400, 86400, 345600, 691200, 3456000 }, { 3600, 0, 172800, 0, 3456000 } } };

static void
setup(void)
{
	dir = test_dir();
	path = xasprintf("%s/x.rrd", dir);
	twin = xasprintf("%s/twin.rrd", dir);
}

static void
teardown(void)
{
	free(path);
	free(twin);
	test_dir_remove(dir);
}

static struct series_def
define(uint32_t step_s, uint32_t class, bool tls)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct series_def d;

	l.id = l.agent = (char *)"a";
	l.probe = PROBE_TCP;
	l.tls = tls;
	l.step_ms = step_s * 1000;
	l.class_ = class;
	ck_assert_int_eq(series_define(&d, &l, &small), 0);
	return d;
}

/* What the link measured in the second that ends at t; the step's value is that of all its seconds. */
static double
value(size_t ds, int64_t t)
{
	if (t % 977 < 40)
		return NAN;		/* a hole */
	return ds == 0 ? (double)(t / 300 % 2) : 0.001 * (double)(ds + (size_t)(t / 300 % 50));
}

static void
feed(const char *p, const struct series_def *d, int64_t from, int64_t to)
{
	size_t n = (size_t)((to - from) / d->step_s);
	struct rrd_row *row = xcalloc(n + 1, sizeof *row);

	for (size_t i = 0; i < n; i++) {
		row[i].t = from + (int64_t)(i + 1) * d->step_s;
		for (size_t k = 0; k < d->ds_n; k++)
			row[i].v[k] = value(k, row[i].t - 1);
	}
	ck_assert_msg(rrdfile_update(p, d, row, n, why, sizeof why) == 0, "%s", why);
	free(row);
}

static void
make(const char *p, const struct series_def *d, int64_t from, int64_t to)
{
	ck_assert_int_eq(rrdfile_create(p, d, from, why, sizeof why), 0);
	feed(p, d, from, to);
}

/* All rows that rrd_fetch finds of one resolution in (from, to]; the share of them that is known. */
static double *
rows_of(const char *p, const char *cf, unsigned long res, int64_t from, int64_t to, unsigned long *ds_n)
{
	unsigned long step = res;
	time_t begin = from, end = to - 1;
	char **names;
	double *v;

	rrd_clear_error();
	ck_assert_msg(rrd_fetch_r(p, cf, &begin, &end, &step, ds_n, &names, &v) == 0, "%s", rrd_get_error());
	ck_assert_uint_eq(step, res);
	ck_assert_int_eq(begin, from);
	for (size_t i = 0; i < *ds_n; i++)
		free(names[i]);
	free(names);
	return v;
}

/* How many values differ between the two in (from, to] of that resolution, in the first nine sources. */
static size_t
differences(const char *cf, unsigned long res, int64_t from, int64_t to, size_t *known)
{
	unsigned long n, m;
	double *x = rows_of(path, cf, res, from, to, &n), *y = rows_of(twin, cf, res, from, to, &m);
	size_t bad = 0;

	*known = 0;
	for (size_t i = 0; i < (size_t)(to - from) / res; i++)
		for (size_t k = 0; k < 9; k++) {
			double a = x[i * n + k], b = y[i * m + k];

			*known += !isnan(a);
			bad += isnan(a) != isnan(b) || fabs(a - b) > 1e-9;
		}
	free(x);
	free(y);
	return bad;
}

static void
move(const struct series_def *d, int64_t upto, int64_t want_last)
{
	int64_t last;

	ck_assert_msg(rrdfile_move(path, d, path, START + 100 * 86400, upto, &last, why, sizeof why) == 0, "%s",
	    why);
	ck_assert_int_eq(last, want_last);
}

static void
same(const char *cf, unsigned long res, int64_t from, int64_t to)
{
	size_t known, bad = differences(cf, res, from, to, &known);

	ck_assert_msg(bad == 0, "%s of %lu s: %zu values differ", cf, res, bad);
	ck_assert_uint_gt(known, 0);
}

/* tls on and off: the RTTs of months stay, through both, and the file goes on as if nothing had been. */
START_TEST(another_data_source_loses_nothing)
{
	struct series_def plain = define(10, CLASS_A, false), tls = define(10, CLASS_A, true);
	int64_t end = START + 3 * 86400 + 12340;

	make(path, &plain, START, end);
	make(twin, &plain, START, end + 7000);
	move(&tls, INT64_MAX, end);
	feed(path, &tls, end, end + 3000);
	move(&plain, INT64_MAX, end + 3000);
	feed(path, &plain, end + 3000, end + 7000);
	end += 7000;
	same("AVERAGE", 10, end - 7200, end);
	same("AVERAGE", 60, (end - 43000) / 60 * 60, end / 60 * 60);
	same("MIN", 60, (end - 43000) / 60 * 60, end / 60 * 60);
	same("MAX", 600, START + 600, end / 600 * 600);
	same("AVERAGE", 600, START + 600, end / 600 * 600);
	same("MIN", 3600, START + 3600, end / 3600 * 3600);
	same("AVERAGE", 21600, START + 21600, end / 21600 * 21600);
	same("MAX", 21600, START + 21600, end / 21600 * 21600);
}
END_TEST

/* A longer retention: what the old file had is there, and nothing where it had nothing. */
START_TEST(another_retention)
{
	struct series_def a = define(10, CLASS_A, false), b = define(10, CLASS_B, false),
	    c = define(10, CLASS_C, false);
	int64_t end = START + 86400 + 12340;
	unsigned long ds_n;
	double *v;

	make(path, &a, START, end);
	make(twin, &b, START, end);
	move(&b, INT64_MAX, end);
	same("AVERAGE", 10, end - 7200, end);
	same("MIN", 60, (end - 43000) / 60 * 60, end / 60 * 60);
	same("AVERAGE", 21600, START + 21600, end / 21600 * 21600);
	/* What only the minutes knew now stands in each of their steps. */
	v = rows_of(path, "AVERAGE", 10, end - 14400 + 40, end - 7260, &ds_n);
	for (size_t i = 0; i + 6 < (14400 - 40 - 7260) / 10; i++)
		if ((end - 14400 + 40 + (int64_t)(i + 1) * 10) % 60 == 10)
			ck_assert(isnan(v[i * ds_n + 4]) || fabs(v[i * ds_n + 4] - v[(i + 5) * ds_n + 4]) < 1e-12);
	free(v);
	/* Fewer archives, and back. */
	unlink(twin);
	make(twin, &c, START, end);
	move(&c, INT64_MAX, end);
	same("AVERAGE", 10, end - 3600, end);
	same("MAX", 600, START + 600, end / 600 * 600);
}
END_TEST

START_TEST(a_longer_step_is_the_mean_of_its_parts)
{
	struct series_def one = define(1, CLASS_A, false), two = define(2, CLASS_A, false);
	int64_t end = START + 9001;
	unsigned long n, m;
	double *x, *y;

	make(path, &one, START, end);
	make(twin, &one, START, end);
	move(&two, INT64_MAX, end - 1);
	x = rows_of(path, "AVERAGE", 2, end - 7001, end - 1, &n);
	y = rows_of(twin, "AVERAGE", 1, end - 7001, end - 1, &m);
	for (size_t i = 0; i < 3500; i++) {
		double a = y[2 * i * m], b = y[(2 * i + 1) * m];
		double want = isnan(a) ? b : isnan(b) ? a : (a + b) / 2;

		ck_assert(isnan(want) ? isnan(x[i * n]) : fabs(x[i * n] - want) < 1e-12);
	}
	free(x);
	free(y);
	/* The coarse ones are the same, minima and maxima too. */
	same("MIN", 60, START + 60, (end - 1) / 60 * 60);
	same("MAX", 600, START + 600, (end - 1) / 600 * 600);
}
END_TEST

START_TEST(a_shorter_step_repeats_what_was_known)
{
	struct series_def ten = define(10, CLASS_A, false), one = define(1, CLASS_A, false);
	int64_t end = START + 20000;
	unsigned long n;
	double *x;

	make(path, &ten, START, end);
	make(twin, &ten, START, end);
	move(&one, INT64_MAX, end);
	x = rows_of(path, "AVERAGE", 1, end - 7000, end, &n);
	for (size_t i = 0; i < 7000; i++) {
		double want = value(4, end - 7000 + (int64_t)(i / 10 + 1) * 10 - 1);

		ck_assert(isnan(want) ? isnan(x[i * n + 4]) : fabs(x[i * n + 4] - want) < 1e-12);
	}
	free(x);
	same("AVERAGE", 60, START + 60, end / 60 * 60);
}
END_TEST

/* After a power cut the last rows are taken back and written anew: the file is as if they came once. */
START_TEST(rows_taken_back_and_written_again)
{
	struct series_def d = define(10, CLASS_A, false);
	int64_t end = START + 2 * 86400 + 5550, cut = end - 4000;

	make(path, &d, START, end);
	make(twin, &d, START, end + 500);
	move(&d, cut, cut);
	feed(path, &d, cut, end + 500);
	end += 500;
	same("AVERAGE", 10, end - 6000, end);	/* the ring is no longer than it was */
	same("MIN", 60, (end - 40000) / 60 * 60, end / 60 * 60);
	same("AVERAGE", 600, START + 600, end / 600 * 600);
	same("MAX", 3600, START + 3600, end / 3600 * 3600);
	same("AVERAGE", 21600, START + 21600, end / 21600 * 21600);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rrdmove");
	TCase *t = tcase_create("rrdmove");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, another_data_source_loses_nothing);
	tcase_add_test(t, another_retention);
	tcase_add_test(t, a_longer_step_is_the_mean_of_its_parts);
	tcase_add_test(t, a_shorter_step_repeats_what_was_known);
	tcase_add_test(t, rows_taken_back_and_written_again);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
