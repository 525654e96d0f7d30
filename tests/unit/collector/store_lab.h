/*
 * store_lab.h - a journal, a store as a process on it, and the question that its tests end with:
 * does each slot of the file hold what the journal says, and nothing where it says nothing?
 */
#pragma once

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

static inline void
append(uint16_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = xmalloc(n + 1);

	protobuf_c_message_pack(m, p);
	ck_assert_int_eq(journal_append(journal, type, clock_wall(clock_real()), p, n, NULL), 0);
	free(p);
}

static inline void
append_plan(const char *text)
{
	Linkwatch__Pb__Plan *plan = test_plan(text);

	append(JREC_PLAN, &plan->base);
	links_free(plan);
}

/* One sample of a1/gw for second `at` after the first. */
static inline void
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

static inline void
append_range(int from, int to)
{
	for (int i = from; i < to; i++)
		append_sample(i, i % 13 == 5);
	ck_assert_int_eq(journal_sync(journal), 0);
}

/* ---------------------------------------------------------------- the process */

static inline void
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
static inline const char *
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

static inline unsigned long long
stat_value(const char *key)
{
	const char *s = ask("stat"), *at;
	char want[32];

	snprintf(want, sizeof want, " %s=", key);
	at = strstr(s, want);
	ck_assert_msg(at != NULL, "no %s in: %s", key, s);
	return strtoull(at + strlen(want), NULL, 10);
}

static inline void
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
static inline void
wait_caught_up(void)
{
	struct journal_stat st;

	journal_stat(journal, &st);
	wait_for("next", st.next_seq);
	wait_for("rebuilding", 0);
}

static inline void
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

static inline char *
file_path(const char *sub)
{
	return collector_conf_path(conf, sub);
}

static inline void
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

static inline int
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

static inline void
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

static inline void
teardown(void)
{
	if (store > 0)
		end_store(SIGKILL);
	journal_close(journal);
	disk->ops->close(disk);
	collector_conf_free(conf);
	test_dir_remove(dir);
}
