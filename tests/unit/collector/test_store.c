/*
 * test_store.c - the store as a process: journal in, RRD files out, whatever
 * happens to it or to its files.
 *
 * Every test ends with the same question: does each slot of the file hold what
 * the journal says, and nothing where the journal says nothing?
 */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <rrd.h>
#include <signal.h>
#include <sys/wait.h>

#include "collector/shelf.h"
#include "collector/store.h"
#include "common/collector_conf.h"
#include "common/rng.h"
#include "tests/unit/collector/peer.h"

#define FILE_A1 "rrd/a1/gw.rrd"
#define SAMPLES_MAX 4000

static char *dir;
static struct collector_conf *conf;
static struct disk *disk;
static struct journal *journal;
static pid_t store;
static int64_t begin_s;			/* of the first sample, on the grid */
static int model[SAMPLES_MAX];		/* per second of a1/gw: 0 none, 1 reply, 2 lost */
static uint64_t seq;

/* -------------------------------------------------------------- the journal */

static void
append(uint16_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = xmalloc(n + 1);

	protobuf_c_message_pack(m, p);
	ck_assert_int_eq(journal_append(journal, type, clock_wall(clock_real()), p, n, NULL), 0);
	free(p);
}

static void
append_plan(const char *text)
{
	Linkwatch__Pb__Plan *plan = test_plan(text);

	append(JREC_PLAN, &plan->base);
	links_free(plan);
}

/* One sample of a1/gw for second `at` after the first. */
static void
append_sample(int at, bool lost)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	struct test_batch t = { .boot = 1, .seq = ++seq, .lost = lost,
		.start_ns = (begin_s + at) * NS_PER_S + 300 * NS_PER_MS, .rtt_100ns = 10000 + (uint32_t)at };
	uint8_t *p;
	size_t n;

	p = test_batch(&t, &n);
	sb.agent = (char *)"a1";
	sb.batch = (ProtobufCBinaryData){ .len = n, .data = p };
	append(JREC_BATCH, &sb.base);
	free(p);
	if (model[at] == 0)
		model[at] = lost ? 2 : 1;
}

static void
append_range(int from, int to)
{
	for (int i = from; i < to; i++)
		append_sample(i, i % 13 == 5);
	ck_assert_int_eq(journal_sync(journal), 0);
}

/* ---------------------------------------------------------------- the process */

static void
start_store(bool crashed)
{
	store = fork();
	ck_assert_int_ge(store, 0);
	if (store == 0) {
		int fd = open("/dev/null", O_WRONLY);

		if (getenv("VERBOSE") == NULL)
			dup2(fd, 2);
		exit(store_main(conf, crashed));
	}
}

/* Asks until the store answers; the answer. */
static const char *
ask(const char *line)
{
	static char answer[512];
	int r = -1;

	for (int i = 0; i < 1000 && r != 0; i++) {
		r = store_ask(conf, line, answer, sizeof answer);
		if (r != 0)
			usleep(10000);
	}
	ck_assert_msg(r == 0, "the store does not answer");
	return answer;
}

static unsigned long long
stat_value(const char *key)
{
	const char *s = ask("stat"), *at;
	char want[32];

	snprintf(want, sizeof want, " %s=", key);
	at = strstr(s, want);
	ck_assert_msg(at != NULL, "no %s in: %s", key, s);
	return strtoull(at + strlen(want), NULL, 10);
}

static void
wait_for(const char *key, unsigned long long value)
{
	for (int i = 0; i < 2000; i++) {
		if (stat_value(key) == value)
			return;
		usleep(10000);
	}
	ck_abort_msg("%s never became %llu: %s", key, value, ask("stat"));
}

/* The live stream is at the end of the journal and nothing is being rebuilt. */
static void
wait_caught_up(void)
{
	struct journal_stat st;

	journal_stat(journal, &st);
	wait_for("next", st.next_seq);
	wait_for("rebuilding", 0);
}

static void
end_store(int sig)
{
	int status;

	kill(store, sig);
	ck_assert_int_eq(waitpid(store, &status, 0), store);
	if (sig == SIGTERM)
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
	store = 0;
}

/* ----------------------------------------------------------------- the question */

static char *
file_path(const char *sub)
{
	return collector_conf_path(conf, sub);
}

static void
check_file(int upto)
{
	char *path = file_path(FILE_A1);
	time_t from = begin_s - 20, to = begin_s + upto;
	unsigned long step = 1, ds_n;
	char **names;
	double *v;
	int bad = 0;

	rrd_clear_error();
	ck_assert_msg(rrd_fetch_r(path, "AVERAGE", &from, &to, &step, &ds_n, &names, &v) == 0, "%s", rrd_get_error());
	ck_assert_uint_eq(step, 1);
	for (time_t t = from + 1; t <= to; t++) {
		const double *row = v + (size_t)(t - from - 1) * ds_n;
		int64_t at = t - 1 - begin_s;		/* the slot that ends at t */
		int want = at >= 0 && at < upto ? model[at] : 0;

		if (want == 0)
			bad += !isnan(row[0]);
		else if (want == 2)
			bad += !(fabs(row[0] - 1) < 1e-9) || !isnan(row[4]);
		else
			bad += !(fabs(row[0]) < 1e-9) || !(fabs(row[4] - (10000 + (double)at) / 1e7) < 1e-9);
		if (bad == 1)
			ck_abort_msg("slot %lld: %g %g, wanted kind %d", (long long)at, row[0], row[4], want);
	}
	for (size_t i = 0; i < ds_n; i++)
		free(names[i]);
	free(names);
	free(v);
	free(path);
}

static int
count_aside(const char *what)
{
	char *cmd = xasprintf("ls %s/state/rrd/a1 | grep -c 'gw.rrd.%s-'", dir, what);
	FILE *f = popen(cmd, "r");
	int n = 0;

	if (fscanf(f, "%d", &n) != 1)
		n = 0;
	pclose(f);
	free(cmd);
	return n;
}

/* ------------------------------------------------------------------- fixture */

static void
setup(void)
{
	static const char text[] = "id: main\nlinks: l.yaml\nstate: state\n"
	    "listen: {ca: a, cert: b, key: k}\nweb: {enabled: false}\nstore: {rows: 7, age: 1s}\n";
	struct journal_opts opts = { .segment_bytes = 8192 };
	struct journal_recovery rec;
	struct conf_errors errs = { 0 };
	char *key, *state, *jdir;

	dir = test_dir();
	key = xasprintf("%s/k", dir);
	state = xasprintf("%s/state", dir);
	close(open(key, O_CREAT | O_WRONLY, 0600));
	mkdir(state, 0700);
	ck_assert_int_eq(collector_conf_parse(text, sizeof text - 1, "c.yaml", dir, &conf, &errs), 0);
	jdir = collector_conf_path(conf, "journal");
	ck_assert_int_eq(disk_open_real(jdir, &disk), 0);
	ck_assert_int_eq(journal_open(&journal, disk, &opts, &rec), 0);
	free(jdir);
	free(key);
	free(state);
	begin_s = clock_wall(clock_real()).ns / NS_PER_S - 5000;
	memset(model, 0, sizeof model);
	seq = 0;
	store = 0;
	append_plan(LINKS);
	ck_assert_int_eq(journal_sync(journal), 0);
}

static void
teardown(void)
{
	if (store > 0)
		end_store(SIGKILL);
	journal_close(journal);
	disk->ops->close(disk);
	collector_conf_free(conf);
	test_dir_remove(dir);
}

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
	tcase_add_test(t, links_that_nobody_plans_are_counted);
	tcase_add_test(t, what_retention_took_is_no_end);
	tcase_add_test(t, two_stores_never_write_together);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
