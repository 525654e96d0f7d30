/*
 * test_shelf.c - many files at once: made lazily and paced, written in turn.
 */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "collector/shelf.h"
#include "collector/shelf_file.h"
#include "tests/unit/collector/peer.h"

#define LINKS_N 60


static int64_t now_ns;
static char *dir;
static struct shelf *shelf;

static struct mono
tick(const struct clock *c)
{
	(void)c;
	now_ns += NS_PER_MS;
	return (struct mono){ now_ns };
}

static struct wall
wall(const struct clock *c)
{
	(void)c;
	return (struct wall){ T0 + now_ns };
}

static const struct clock ticking = { .mono = tick, .wall = wall };

static void
setup(void)
{
	struct shelf_opts o = { .policy = &series_policy_default, .rows = 60, .age_ns = 30 * NS_PER_S,
		.clock = &ticking };
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Link link[LINKS_N], *links[LINKS_N];
	static char id[LINKS_N][16];
	char why[128];

	now_ns = NS_PER_S;
	dir = test_dir();
	o.dir = dir;
	ck_assert_int_eq(shelf_open(&shelf, &o, false, why, sizeof why), 0);
	for (int i = 0; i < LINKS_N; i++) {
		linkwatch__pb__link__init(&link[i]);
		snprintf(id[i], sizeof id[i], "l%d", i);
		link[i].agent = (char *)"a1";
		link[i].id = id[i];
		link[i].probe = PROBE_ICMP;
		link[i].step_ms = 10000;
		link[i].class_ = CLASS_C;
		links[i] = &link[i];
	}
	plan.link = links;
	plan.n_link = LINKS_N;
	shelf_plan(shelf, &plan, false);
}

static void
teardown(void)
{
	shelf_close(shelf, true);
	test_dir_remove(dir);
}

/* A sample of each link, of the step that began `at` seconds after T0. */
static void
samples(int64_t at)
{
	for (int i = 0; i < LINKS_N; i++) {
		Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
		char id[16];
		struct test_batch t = { .boot = 1, .seq = 1, .link = id, .start_ns = T0 + at * NS_PER_S };
		uint8_t *p, *q;
		size_t n;

		snprintf(id, sizeof id, "l%d", i);
		p = test_batch(&t, &n);
		sb.agent = (char *)"a1";
		sb.batch = (ProtobufCBinaryData){ .len = n, .data = p };
		n = linkwatch__pb__stored_batch__get_packed_size(&sb);
		q = xmalloc(n);
		linkwatch__pb__stored_batch__pack(&sb, q);
		shelf_batch(shelf, 1, q, n, false);
		free(p);
		free(q);
	}
}

static struct shelf_stat
stat_now(void)
{
	struct shelf_stat s;

	shelf_stat(shelf, &s);
	return s;
}

/* Nobody writes into them: who opened them like files would wait for ever. */
START_TEST(fifos_hold_nothing_up)
{
	static const char *const names[] = { ".series", ".rebuild", ".plan", ".running" };
	struct shelf_opts o = { .policy = &series_policy_default, .rows = 60, .age_ns = 30 * NS_PER_S,
		.clock = &ticking, .dir = dir };
	Linkwatch__Pb__Plan none = LINKWATCH__PB__PLAN__INIT;
	char why[128];

	shelf_close(shelf, true);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = xasprintf("%s/%s", dir, names[i]);

		ck_assert_int_eq(mkfifo(path, 0600), 0);
		free(path);
	}
	ck_assert_int_eq(shelf_open(&shelf, &o, false, why, sizeof why), 0);
	ck_assert_ptr_null(shelf_saved_plan(shelf));
	shelf_plan(shelf, &none, false);
}
END_TEST

/* R14: a new plan of many links makes no storm: files come with rows, a part of the time, and all in the end. */
START_TEST(files_are_made_lazily_and_paced)
{
	uint64_t made, before = 0;
	int turns = 0;

	ck_assert_uint_eq(stat_now().made, 0);
	samples(0);
	now_ns += 40 * NS_PER_S;	/* each is due */
	shelf_flush(shelf);
	made = stat_now().made;
	ck_assert_uint_ge(made, 1);
	ck_assert_uint_lt(made, LINKS_N / 2);
	/* Whom a reader looks at has a file at once. */
	for (int i = 0; i < LINKS_N; i++) {
		char name[32];

		snprintf(name, sizeof name, "a1/l%d", i);
		if (shelf_find(shelf, name)->gather.n == 0)
			continue;
		ck_assert_int_eq(shelf_flush_one(shelf, shelf_find(shelf, name)), 0);
		ck_assert_uint_eq(stat_now().made, made + 1);
		break;
	}
	for (; stat_now().made < LINKS_N; turns++, before = made) {
		now_ns += 200 * NS_PER_MS;
		shelf_flush(shelf);
		made = stat_now().made;
		ck_assert_int_lt(turns, 500);
		ck_assert_uint_lt(made - before, LINKS_N);
	}
	ck_assert_int_gt(turns, 2);
	ck_assert_uint_eq(stat_now().rows, LINKS_N);	/* and no row was lost over it */
	ck_assert_uint_eq(shelf_lowest(shelf), UINT64_MAX);
}
END_TEST

/* All began in the same second; still no moment writes more than a few. */
START_TEST(writes_are_spread)
{
	uint64_t last = 0, most = 0, writes;

	for (int64_t at = 0; at < 60 * 10 * 2; at += 10) {
		samples(at);
		writes = stat_now().writes;
		if (at >= 600) {
			most = writes - last > most ? writes - last : most;
		}
		last = writes;
	}
	/* 60 files in turns of 60 rows: about one at a time. */
	ck_assert_uint_ge(last, LINKS_N);
	ck_assert_uint_le(most, 6);
}
END_TEST

START_TEST(nothing_is_set_aside_over_another)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	char to[3][ASIDE_MAX], found[ASIDE_MAX];

	ck_assert_int_eq(mkdirat(fd, "a1", 0700), 0);
	ck_assert_int_eq(shelf_file_aside(fd, "a1/x.rrd", "old", 77, to[0]), -ENOENT);
	ck_assert(!shelf_file_last_old(fd, "a1/x.rrd", found));
	for (int i = 0; i < 3; i++) {
		close(openat(fd, "a1/x.rrd", O_CREAT | O_WRONLY, 0600));
		ck_assert_int_eq(shelf_file_aside(fd, "a1/x.rrd", "old", 77, to[i]), 0);
	}
	ck_assert_str_eq(to[0], "a1/x.rrd.old-77");
	ck_assert_str_eq(to[2], "a1/x.rrd.old-77-3");
	ck_assert(shelf_file_last_old(fd, "a1/x.rrd", found));
	ck_assert_str_eq(found, to[2]);
	close(openat(fd, "a1/x.rrd", O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(shelf_file_aside(fd, "a1/x.rrd", "old", 100, to[0]), 0);
	ck_assert(shelf_file_last_old(fd, "a1/x.rrd", found));
	ck_assert_str_eq(found, "a1/x.rrd.old-100");
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("shelf");
	TCase *t = tcase_create("shelf");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, fifos_hold_nothing_up);
	tcase_add_test(t, files_are_made_lazily_and_paced);
	tcase_add_test(t, writes_are_spread);
	tcase_add_test(t, nothing_is_set_aside_over_another);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
