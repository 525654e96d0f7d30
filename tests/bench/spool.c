/*
 * spool.c - what a long outage costs: a real spool is filled as an agent of
 * many links fills it, and read as the uplink reads it.
 *
 *   spool links N                  the ids of the links, one a line
 *   spool fill DIR N STEP HOURS    fills DIR with HOURS of N links, which end now
 *   spool read DIR                 reads everything in order
 *
 * Time is made up and nothing waits for the disk while it fills; everything
 * else (samples, batches of a second, a report every ten, records, segments)
 * goes the agent's own way.  fill and read print one JSON object.
 *
 * A link has a round trip of 0.3 to 40 ms, a jitter of its own (exponential,
 * 10 us and up to 4 % of the round trip), outliers of some ms in a hundredth of
 * the replies, and once in a while loses packets, a few steps in a row.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "agent/spool.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/mem.h"

#define COUNT 10			/* packets in a step */
#define HEALTH_S 10
#define LINKS_MAX 10000
#define SPOOL_MAX (INT64_C(4) << 30)

struct link {
	char id[ID_MAX + 1];
	double rtt_us, jitter_us;
	int64_t phase_ns;
	unsigned bad_steps;		/* so many more lose packets */
};

struct totals { uint64_t samples, rtts, batches, bytes; };

/* ---------------------------------------------------------------- the links */

/* Ids as people give them, 8 to 24 bytes. */
static void
name_link(struct link *l, unsigned i, struct rng *rng)
{
	static const char *const site[] = { "sh", "bj-dc2", "pudong", "gz", "chengdu", "hz-az1", "wuhan" };
	static const char *const what[] = { "gw", "extranet", "dns", "vpc-peer", "core-sw", "db",
		"portal-api", "access" };

	snprintf(l->id, sizeof l->id, "%s-%s-%03u", site[rng_below(rng, 7)], what[rng_below(rng, 8)],
	    i);
}

static int
by_phase(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->phase_ns > y->phase_ns) - (x->phase_ns < y->phase_ns);
}

static struct link *
make_links(unsigned n, int64_t step_ns, struct rng *rng)
{
	struct link *l = xcalloc(n, sizeof *l);

	for (unsigned i = 0; i < n; i++) {
		name_link(&l[i], i, rng);
		l[i].rtt_us = 300.0 * exp(rng_double(rng) * log(40000.0 / 300.0));
		l[i].jitter_us = 10 + l[i].rtt_us * 0.04 * rng_double(rng);
		l[i].phase_ns = (int64_t)rng_below(rng, (uint64_t)step_ns);
	}
	qsort(l, n, sizeof *l, by_phase);
	return l;
}

/* One step of a link; rtt has room for COUNT. */
static void
measure(struct link *l, struct rng *rng, struct sample *s, uint32_t *rtt)
{
	if (l->bad_steps > 0)
		l->bad_steps--;
	else if (rng_below(rng, 2000) == 0)
		l->bad_steps = 1 + (unsigned)rng_below(rng, 12);
	for (unsigned i = 0; i < COUNT; i++) {
		double us = l->rtt_us - l->jitter_us * log(1 - rng_double(rng));

		if (l->bad_steps > 0 && rng_below(rng, 3) == 0)
			continue;
		if (rng_below(rng, 100) == 0)
			us -= 3000 * log(1 - rng_double(rng));
		rtt[s->rtt_count++] = (uint32_t)(us * 10);
	}
	s->link = l->id;
	s->sent = COUNT;
	s->rtt_100ns = rtt;
	if (s->rtt_count < COUNT)
		s->cause[s->causes++] = (struct cause_count){ CAUSE_TIMEOUT, COUNT - s->rtt_count };
}

/* ------------------------------------------------------- a disk without waiting */

/* Syncs do nothing, the rest is the real disk's. */
static int
no_sync(struct disk_file *f)
{
	(void)f;
	return 0;
}

static int
no_sync_dir(struct disk *d)
{
	(void)d;
	return 0;
}

/* The real disk with its table of calls replaced: files are its own. */
struct hasty { struct disk_file_ops file; struct disk_ops disk; const struct disk_ops *real; };

static struct hasty hasty;		/* one in this program */

static int
hasty_open(struct disk *d, const char *name, int flags, struct disk_file **out)
{
	int rc = hasty.real->open(d, name, flags, out);

	if (rc == 0) {
		hasty.file = *(*out)->ops;
		hasty.file.sync = no_sync;
		(*out)->ops = &hasty.file;
	}
	return rc;
}

static void
make_hasty(struct disk *d)
{
	hasty.real = d->ops;
	hasty.disk = *d->ops;
	hasty.disk.open = hasty_open;
	hasty.disk.sync_dir = no_sync_dir;
	d->ops = &hasty.disk;
}

/* ------------------------------------------------------------------- filling */

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
print(const struct totals *t, double cpu, double wall)
{
	printf("{\"samples\": %" PRIu64 ", \"rtts\": %" PRIu64 ", \"batches\": %" PRIu64
	    ", \"bytes\": %" PRIu64 ", \"cpu_s\": %.3f, \"wall_s\": %.3f}\n", t->samples, t->rtts,
	    t->batches, t->bytes, cpu, wall);
}

static double
now_s(void)
{
	return (double)clock_mono(clock_real()).ns / 1e9;
}

static struct spool *
open_spool(const char *dir, struct disk **disk, bool is_hasty)
{
	struct spool_opts opts = { .max_bytes = SPOOL_MAX };
	struct spool *s = NULL;
	char why[256];

	if (disk_open_real(dir, disk) != 0) {
		fprintf(stderr, "spool: %s: cannot open\n", dir);
		exit(1);
	}
	if (is_hasty)
		make_hasty(*disk);
	/* segments as with the default size of a spool */
	opts.segment_bytes = 4 << 20;
	if (spool_open(&s, *disk, rng_real(), &opts, clock_wall(clock_real()), why, sizeof why) != 0) {
		fprintf(stderr, "spool: %s: %s\n", dir, why);
		exit(1);
	}
	return s;
}

static void
report(struct batch_builder *b, const struct totals *t, int64_t now, unsigned links)
{
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;

	h.wall_ns = now;
	h.uptime_ns = (int64_t)t->batches * NS_PER_S;
	h.plan_revision = UINT64_C(0x8877665544332211);
	h.links = links;
	h.spool_batches = t->batches;
	h.spool_bytes = t->batches * 700;
	h.loop_lag_ns = 310000;
	h.cert_not_after_ns = now + 86400 * 90 * NS_PER_S;
	h.software = LW_VERSION;
	h.ping_mode = 1;
	h.produced = t->samples;
	h.memory_bytes = 7 << 20;
	h.spool_limit = 1 << 30;
	batch_builder_health(b, &h);
}

static void
fill(struct spool *s, struct link *l, unsigned n, int64_t step_s, int64_t seconds, struct rng *rng,
    struct totals *t)
{
	struct batch_builder *b = batch_builder_new();
	int64_t begin = clock_wall(clock_real()).ns - (seconds + step_s) * NS_PER_S;
	unsigned at = 0;
	uint32_t rtt[COUNT];

	for (int64_t k = 0; k < seconds; k++) {
		int64_t base = begin + (k - k % step_s) * NS_PER_S;

		if (k % step_s == 0)
			at = 0;
		for (; at < n && l[at].phase_ns < (k % step_s + 1) * NS_PER_S; at++) {
			struct sample sm = { .start_ns = base + l[at].phase_ns,
				.step_ms = (uint32_t)step_s * 1000 };

			measure(&l[at], rng, &sm, rtt);
			t->samples++;
			t->rtts += sm.rtt_count;
			if (batch_builder_add(b, &sm) != 0)
				abort();
		}
		if (k % HEALTH_S == 0)
			report(b, t, begin + k * NS_PER_S, n);
		if (spool_put(s, b, (struct wall){ begin + (k + step_s) * NS_PER_S }) != 0)
			abort();
		t->batches++;
	}
	batch_builder_free(b);
}

static int
run_fill(const char *dir, unsigned n, int64_t step_s, int64_t hours)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 72);
	struct link *l = make_links(n, step_s * NS_PER_S, rng);
	double cpu = cpu_s(), wall = now_s();
	struct totals t = { 0 };
	struct spool_stat st;
	struct disk *disk;
	struct spool *s = open_spool(dir, &disk, true);

	fill(s, l, n, step_s, hours * 3600, rng, &t);
	spool_stat(s, &st);
	t.bytes = st.bytes;
	spool_close(s);
	disk->ops->close(disk);
	free(l);
	print(&t, cpu_s() - cpu, now_s() - wall);
	return st.dropped_samples == 0 ? 0 : 1;
}

/* ------------------------------------------------------------------- reading */

/* As the uplink does: each batch behind the header of its frame. */
static int
run_read(const char *dir)
{
	static uint8_t out[FRAME_HEADER + FRAME_MAX];
	double cpu = cpu_s(), wall = now_s();
	struct totals t = { 0 };
	struct spool_batch b;
	struct disk *disk;
	struct spool *s = open_spool(dir, &disk, false);
	uint64_t seq = 1;
	int rc;

	for (; (rc = spool_get(s, seq, &b)) == 1; seq = b.seq + 1) {
		frame_header(out, FRAME_BATCH, (uint32_t)b.len);
		memcpy(out + FRAME_HEADER, b.data, b.len);
		t.batches++;
		t.bytes += FRAME_HEADER + b.len;
	}
	spool_close(s);
	disk->ops->close(disk);
	print(&t, cpu_s() - cpu, now_s() - wall);
	return rc == 0 ? 0 : 1;
}

static int
run_links(unsigned n)
{
	struct rng_seed seed;
	struct link *l = make_links(n, 10 * NS_PER_S, rng_seeded(&seed, 72));

	for (unsigned i = 0; i < n; i++)
		puts(l[i].id);
	free(l);
	return 0;
}

int
main(int argc, char **argv)
{
	long n = argc > 2 ? strtol(argv[argc == 3 ? 2 : 3], NULL, 10) : 0;

	if (argc == 3 && strcmp(argv[1], "links") == 0 && n > 0 && n <= LINKS_MAX)
		return run_links((unsigned)n);
	if (argc == 3 && strcmp(argv[1], "read") == 0)
		return run_read(argv[2]);
	if (argc == 6 && strcmp(argv[1], "fill") == 0 && n > 0 && n <= LINKS_MAX && atoi(argv[4]) > 0 &&
	    atoi(argv[5]) > 0)
		return run_fill(argv[2], (unsigned)n, atoi(argv[4]), atoi(argv[5]));
	fprintf(stderr, "usage: spool links N | fill DIR N STEP HOURS | read DIR\n");
	return 2;
}
