/*
 * store.c - what it costs to bring samples into RRD files: the store beside librrd and rrdcached.
 *
 *   store journal STATE LINKS STEP FROM TO   appends what so many links measured in the
 *                                      seconds FROM to TO of the bench's time, AGENT_LINKS an agent
 *   store drain CONF                   runs the real store until it has read the journal and stopped
 *   store make STATE LINKS STEP        makes the files of the store beforehand
 *   store create DIR LINKS STEP        makes the same files by librrd
 *   store librrd DIR LINKS STEP FROM TO ROWS  writes the same rows by rrd_update_r(), ROWS a call
 *   store rrdcached SOCKET DIR LINKS STEP FROM TO   hands them to rrdcached in batches
 *
 * Each prints one JSON object: samples, CPU seconds, bytes that it made dirty (write_bytes of
 * /proc/self/io), wall seconds.  Time is made up: second 0 of it is a day ago, on the grid.
 * What the peers are given is made before their clock begins, where it does not fit the memory it is made
 * as they go and its cost taken off.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <rrd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/rrdfile.h"
#include "collector/series.h"
#include "collector/store.h"
#include "common/batch.h"
#include "common/collector_conf.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/mem.h"

#define AGENT_LINKS 200
#define COUNT 10			/* packets in a step */
#define DS 9
#define ROW_TEXT 200

struct used { double cpu_s, wall_s; uint64_t write_bytes; };

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ------------------------------------------------------------------ figures */

static uint64_t
write_bytes(pid_t pid)
{
	char path[64], line[128];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "write_bytes: %" SCNu64, &n) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return n;
}

static double
seconds(struct timeval a, struct timeval b)
{
	return (double)(a.tv_sec + b.tv_sec) + (double)(a.tv_usec + b.tv_usec) / 1e6;
}

static struct used
used_so_far(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct used){ seconds(u.ru_utime, u.ru_stime), (double)clock_mono(clock_real()).ns / 1e9,
		write_bytes(getpid()) };
}

static void
print(uint64_t samples, struct used from, struct used to)
{
	printf("{\"samples\": %" PRIu64 ", \"cpu_s\": %.4f, \"wall_s\": %.3f, \"write_bytes\": %" PRIu64 "}\n",
	    samples, to.cpu_s - from.cpu_s, to.wall_s - from.wall_s, to.write_bytes - from.write_bytes);
}

/* -------------------------------------------------------------- the samples */

/* Second 0: the same for all calls of a day, so that files go on. */
static int64_t
begin_s(void)
{
	const char *given = getenv("STORE_BENCH_BEGIN");

	if (given == NULL)
		die("STORE_BENCH_BEGIN is not set");
	return strtoll(given, NULL, 10) / 21600 * 21600;
}

static uint32_t
noise(uint64_t a, uint64_t b)
{
	uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b * UINT64_C(0xbf58476d1ce4e5b9);

	x ^= x >> 31;
	x *= UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x >> 32);
}

static void
fill_rtts(uint32_t *rtt, unsigned link, int64_t second)
{
	for (unsigned i = 0; i < COUNT; i++)
		rtt[i] = 10000 + link * 17 % 200000 + noise(link * 100 + i, (uint64_t)second) % 3000;
}

static Linkwatch__Pb__Link
link_of(unsigned i, unsigned step, char *agent, char *id)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	sprintf(agent, "a%u", i / AGENT_LINKS);
	sprintf(id, "sh-extranet-%05u", i);
	l.agent = agent;
	l.id = id;
	l.probe = PROBE_ICMP;
	l.target = (char *)"192.0.2.1";
	l.step_ms = step * 1000;
	l.count = COUNT;
	l.timeout_ms = 500;
	l.class_ = CLASS_C;
	return l;
}

static void
append(struct journal *j, uint16_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = xmalloc(n + 1);
	int r;

	protobuf_c_message_pack(m, p);
	r = journal_append(j, type, clock_wall(clock_real()), p, n, NULL);
	if (r == -ENOBUFS && journal_sync(j) == 0)
		r = journal_append(j, type, clock_wall(clock_real()), p, n, NULL);
	if (r != 0)
		die("append: %s", strerror(-r));
	free(p);
}

static void
append_plan(struct journal *j, unsigned links, unsigned step)
{
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Link *l = xcalloc(links, sizeof *l), **p = xcalloc(links, sizeof(*p));
	char (*text)[2][32] = xcalloc(links, sizeof *text);

	for (unsigned i = 0; i < links; i++) {
		l[i] = link_of(i, step, text[i][0], text[i][1]);
		p[i] = &l[i];
	}
	plan.revision = 1;
	plan.n_link = links;
	plan.link = p;
	append(j, JREC_PLAN, &plan.base);
	free(l);
	free(p);
	free(text);
}

/* One step of the links of one agent. */
static void
append_batch(struct journal *j, struct batch_builder *b, unsigned first, unsigned n, unsigned step,
    int64_t second)
{
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	static uint64_t seq;
	uint8_t boot[BOOT_ID_LEN] = { 1 };
	char agent[32], id[32];
	uint32_t rtt[COUNT];

	for (unsigned i = first; i < first + n; i++) {
		struct sample s = { .start_ns = (begin_s() + second) * NS_PER_S + 1000 * (i % 900),
			.step_ms = step * 1000, .sent = COUNT, .rtt_count = COUNT, .rtt_100ns = rtt, .link = id };

		link_of(i, step, agent, id);
		fill_rtts(rtt, i, second);
		if (batch_builder_add(b, &s) != 0)
			die("a sample does not fit");
	}
	sb.agent = agent;
	batch_builder_finish(b, boot, ++seq, &sb.batch.data, &sb.batch.len);
	append(j, JREC_BATCH, &sb.base);
	free(sb.batch.data);
}

static int
write_journal(const char *state, unsigned links, unsigned step, int64_t from, int64_t to)
{
	struct batch_builder *b = batch_builder_new();
	char *dir = xasprintf("%s/journal", state);
	struct journal_opts opts = { .segment_bytes = 64 << 20 };
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;
	struct stat st;
	struct used before = used_so_far();

	mkdir(state, 0700);
	mkdir(dir, 0700);
	if (disk_open_real(dir, &disk) != 0 || journal_open(&j, disk, &opts, &rec) != 0)
		die("%s: no journal", dir);
	if (rec.next_seq <= 1)
		append_plan(j, links, step);
	for (int64_t t = from; t < to; t += step)
		for (unsigned a = 0; a < links; a += AGENT_LINKS)
			append_batch(j, b, a, links - a < AGENT_LINKS ? links - a : AGENT_LINKS, step, t);
	if (journal_sync(j) != 0 || stat(dir, &st) != 0)
		die("%s: not synced", dir);
	journal_close(j);
	disk->ops->close(disk);
	batch_builder_free(b);
	free(dir);
	print((uint64_t)((to - from) / step) * links, before, used_so_far());
	return 0;
}

/* ---------------------------------------------------------------- the store */

static unsigned long long
value_of(const char *stat, const char *key)
{
	char want[32];
	const char *at;

	snprintf(want, sizeof want, " %s=", key);
	at = strstr(stat, want);
	return at == NULL ? 0 : strtoull(at + strlen(want), NULL, 10);
}

static uint64_t
journal_end(const struct collector_conf *conf)
{
	char *dir = collector_conf_path(conf, "journal");
	struct journal_opts opts = { .segment_bytes = 64 << 20 };
	struct journal_recovery rec;
	struct journal *j;
	struct disk *disk;

	if (disk_open_real(dir, &disk) != 0 || journal_open(&j, disk, &opts, &rec) != 0)
		die("%s: no journal", dir);
	journal_close(j);
	disk->ops->close(disk);
	free(dir);
	return rec.next_seq;
}

static int
drain(const char *path)
{
	struct conf_errors errs = { 0 };
	struct collector_conf *conf;
	struct used used[2];
	char answer[512] = "";
	struct rusage u;
	uint64_t end, rows;
	pid_t pid;
	int status;

	if (collector_conf_load(path, &conf, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		return 1;
	}
	end = journal_end(conf);
	used[0] = (struct used){ 0, (double)clock_mono(clock_real()).ns / 1e9, 0 };
	pid = fork();
	if (pid == 0)
		exit(store_main(conf, false));
	while (value_of(answer, "next") < end) {
		usleep(100 * 1000);
		if (store_ask(conf, "stat", answer, sizeof answer) != 0 && waitpid(pid, &status, WNOHANG) == pid)
			die("the store ended: status %x", (unsigned)status);
	}
	used[1].wall_s = (double)clock_mono(clock_real()).ns / 1e9;
	kill(pid, SIGTERM);
	/* What it writes when it is told to stop counts too: read until it is gone. */
	for (siginfo_t ended = { 0 }; ended.si_pid == 0; usleep(1000)) {
		uint64_t n = write_bytes(pid);

		if (n > 0)
			used[1].write_bytes = n;
		if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0)
			break;
	}
	if (wait4(pid, &status, 0, &u) != pid || status != 0)
		die("the store ended badly: status %x", (unsigned)status);
	used[1].cpu_s = seconds(u.ru_utime, u.ru_stime);
	rows = value_of(answer, "rows");
	fprintf(stderr, "%s; peak %ld MB\n", answer, u.ru_maxrss / 1024);
	print(rows, used[0], used[1]);
	return 0;
}

/* ---------------------------------------------------------------- the peers */

static const struct series_policy policy = { .keep_s = { { 0 }, { 0 }, { 3600, 7200, 86400, 345600, 864000 } } };

static void
file_name(char *out, size_t n, const char *dir, unsigned i)
{
	snprintf(out, n, "%s/%u/%05u.rrd", dir, i / AGENT_LINKS, i);
}

static int
make(const char *state, unsigned links, unsigned step)
{
	char agent[32], id[32], why[128], path[512];
	Linkwatch__Pb__Link l = link_of(0, step, agent, id);
	struct used before = used_so_far();
	struct series_def d;

	if (series_define(&d, &l, &policy) != 0)
		die("no such series");
	mkdir(state, 0700);
	snprintf(path, sizeof path, "%s/rrd", state);
	mkdir(path, 0700);
	for (unsigned i = 0; i < links; i++) {
		link_of(i, step, agent, id);
		snprintf(path, sizeof path, "%s/rrd/%s", state, agent);
		mkdir(path, 0700);
		snprintf(path, sizeof path, "%s/rrd/%s/%s.rrd", state, agent, id);
		if (rrdfile_create(path, &d, begin_s(), why, sizeof why) != 0)
			die("%s: %s", path, why);
	}
	print(links, before, used_so_far());
	return 0;
}

static int
create(const char *dir, unsigned links, unsigned step)
{
	char text[SERIES_DS_MAX + SERIES_RRA_MAX][96], agent[32], id[32], path[512];
	const char *argv[SERIES_DS_MAX + SERIES_RRA_MAX];
	Linkwatch__Pb__Link l = link_of(0, step, agent, id);
	struct used before = used_so_far();
	struct series_def d;
	int argc = 0;

	if (series_define(&d, &l, &policy) != 0 || d.ds_n != DS)
		die("no such series");
	for (size_t i = 0; i < d.ds_n; i++, argc++)
		snprintf(text[argc], sizeof text[0], "DS:%s:GAUGE:%u:%g:%g", d.ds[i].name, d.heartbeat_s,
		    d.ds[i].min, d.ds[i].max);
	for (size_t i = 0; i < d.rra_n; i++, argc++)
		snprintf(text[argc], sizeof text[0], "RRA:%s:0.9:%u:%u", d.rra[i].cf, d.rra[i].pdp, d.rra[i].rows);
	for (int i = 0; i < argc; i++)
		argv[i] = text[i];
	mkdir(dir, 0700);
	for (unsigned i = 0; i < links; i++) {
		if (i % AGENT_LINKS == 0) {
			snprintf(path, sizeof path, "%s/%u", dir, i / AGENT_LINKS);
			mkdir(path, 0700);
		}
		file_name(path, sizeof path, dir, i);
		if (rrd_create_r(path, step, begin_s(), argc, argv) != 0)
			die("%s: %s", path, rrd_get_error());
	}
	print(links, before, used_so_far());
	return 0;
}

/* "TIME:V:V..." as cheap as text can be made: the rows of a link differ in their time and one value. */
static size_t
row_text(char *out, unsigned link, int64_t t, int64_t second)
{
	static char tail[64];

	if (tail[0] == '\0')
		snprintf(tail, sizeof tail, ":0.001:0.0011:0.0012:0.0013:0.0014:0.0015:0.0016:0.0005");
	return (size_t)sprintf(out, "%" PRId64 ":0.%u%s", t, noise(link, (uint64_t)second) % 10, tail);
}

static int
by_librrd(const char *dir, unsigned links, unsigned step, int64_t from, int64_t to, unsigned rows)
{
	char *text = xmalloc((size_t)rows * ROW_TEXT), path[512];
	const char **argv = xcalloc(rows, sizeof(*argv));
	struct used before = used_so_far();

	for (int64_t t = from; t < to; t += (int64_t)rows * step)
		for (unsigned i = 0; i < links; i++) {
			unsigned n = 0;

			for (; n < rows && t + n * step < to; n++) {
				argv[n] = text + (size_t)n * ROW_TEXT;
				row_text(text + (size_t)n * ROW_TEXT, i, begin_s() + t + (n + 1) * step, t + n);
			}
			file_name(path, sizeof path, dir, i);
			rrd_clear_error();
			if (rrd_update_r(path, NULL, (int)n, argv) != 0)
				die("%s: %s", path, rrd_get_error());
		}
	print((uint64_t)((to - from) / step) * links, before, used_so_far());
	free(text);
	free(argv);
	return 0;
}

/* Reads the answers of rrdcached up to its count of errors. */
static void
answer(FILE *f)
{
	char line[512];

	if (fgets(line, sizeof line, f) == NULL || strtol(line, NULL, 10) != 0)
		die("rrdcached: %s", line);
}

static int
by_rrdcached(const char *sock, const char *dir, unsigned links, unsigned step, int64_t from, int64_t to)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct used before = used_so_far();
	char path[512], row[ROW_TEXT];
	FILE *in, *out;

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", sock);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		die("%s: %s", sock, strerror(errno));
	in = fdopen(dup(fd), "r");
	out = fdopen(fd, "w");
	for (int64_t t = from; t < to; t += step) {
		fputs("BATCH\n", out);
		fflush(out);
		answer(in);
		for (unsigned i = 0; i < links; i++) {
			file_name(path, sizeof path, dir, i);
			row_text(row, i, begin_s() + t + step, t);
			fprintf(out, "UPDATE %s %s\n", path, row);
		}
		fputs(".\n", out);
		fflush(out);
		answer(in);
	}
	print((uint64_t)((to - from) / step) * links, before, used_so_far());
	fclose(in);
	fclose(out);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int64_t v[5] = { 0 };
	int skip = strcmp(what, "rrdcached") == 0 ? 4 : 3;

	for (int i = skip; i < argc && i < skip + 5; i++)
		v[i - skip] = strtoll(argv[i], NULL, 10);
	if (argc == 3 && strcmp(what, "drain") == 0)
		return drain(argv[2]);
	if (argc == 7 && strcmp(what, "journal") == 0)
		return write_journal(argv[2], (unsigned)v[0], (unsigned)v[1], v[2], v[3]);
	if (argc == 5 && strcmp(what, "make") == 0)
		return make(argv[2], (unsigned)v[0], (unsigned)v[1]);
	if (argc == 5 && strcmp(what, "create") == 0)
		return create(argv[2], (unsigned)v[0], (unsigned)v[1]);
	if (argc == 8 && strcmp(what, "librrd") == 0)
		return by_librrd(argv[2], (unsigned)v[0], (unsigned)v[1], v[2], v[3], (unsigned)v[4]);
	if (argc == 8 && strcmp(what, "rrdcached") == 0)
		return by_rrdcached(argv[2], argv[3], (unsigned)v[0], (unsigned)v[1], v[2], v[3]);
	fprintf(stderr, "store: journal STATE LINKS STEP FROM TO | drain CONF | make STATE LINKS STEP | create DIR LINKS STEP |\n"
	    "    librrd DIR LINKS STEP FROM TO ROWS | rrdcached SOCKET DIR LINKS STEP FROM TO\n");
	return 2;
}
