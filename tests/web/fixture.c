/*
 * fixture.c - a collector's state with history, written by the product's own code.
 *
 *   fixture DIR DAYS          links.yaml of DIR -> RRD files with DAYS of history, then a journal
 *                             with a plan, sessions and the last ten minutes
 *   fixture DIR DAYS live     then goes on like ingest, a batch a second, until SIGTERM
 *
 * The samples come from a seeded generator with daily load, noise, loss in
 * bursts, one outage and one gap, so that every part of a graph has something
 * to show.  The link "extranet" of the first agent stays lossy, "portal" is down at the end.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/rrdfile.h"
#include "common/batch.h"
#include "common/journal.h"
#include "common/links.h"
#include "common/mem.h"
#include "common/rng.h"

#define CHUNK 2000

static volatile sig_atomic_t ending;

struct world {
	const char *dir;
	Linkwatch__Pb__Plan *plan;
	struct rng_seed seed;
	struct disk *disk;
	struct journal *journal;
	uint64_t *seq;			/* of the next batch, by agent */
	int64_t *due;			/* end of the next step, by link, s */
};

static void
die(const char *what, int rc)
{
	fprintf(stderr, "fixture: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static double
noise(struct world *w)
{
	double u = 0;

	for (int i = 0; i < 6; i++)
		u += rng_double(&w->seed.rng);
	return u - 3;
}

/* Fills s for the step of link i that ends at t; rtt has room for SAMPLE_RTT_MAX. */
static void
make_rtts(struct world *w, const Linkwatch__Pb__Link *l, size_t i, int64_t t, struct sample *s,
    uint32_t *rtt)
{
	double load = 0.5 + 0.5 * sin((double)((t + 8 * 3600) % 86400) / 86400 * 2 * M_PI - M_PI / 2);
	double base = 1.5 + 4.0 * (double)((i * 7) % 5) + (strcmp(l->id, "far") == 0 ? 28 : 0);
	double loss = rng_below(&w->seed.rng, 400) == 0 ? 0.2 : 0.0;
	int64_t now = time(NULL);
	bool outage = t % 43200 > 30000 && t % 43200 < 30600;

	if (strcmp(l->id, "extranet") == 0 && t % 7200 > 5400)
		loss = 0.08 + 0.1 * rng_double(&w->seed.rng);
	if (strcmp(l->id, "portal") == 0 && t > now - 420)
		outage = true;
	if (t % 86400 > 70000 && t % 86400 < 72000)
		s->flags |= SAMPLE_NOT_OBSERVED;
	s->sent = l->count;
	for (uint32_t k = 0; k < l->count; k++) {
		double ms = base * (1 + 0.6 * load * load) + 0.35 * noise(w) * (0.3 + load);

		if (rng_below(&w->seed.rng, 30) == 0)
			ms += base * 0.9 * rng_double(&w->seed.rng);
		if (!outage && rng_double(&w->seed.rng) >= loss)
			rtt[s->rtt_count++] = (uint32_t)(fmax(ms, 0.2) * 10000);
	}
	if (s->rtt_count < s->sent)
		s->cause[s->causes++] = (struct cause_count){ CAUSE_TIMEOUT, s->sent - s->rtt_count };
	s->rtt_100ns = rtt;
}

static void
add_value(struct sample *s, uint32_t role, double v)
{
	s->value[s->values++] = (struct sample_value){ .role = role, .value = v };
}

static void
make_values(struct world *w, const Linkwatch__Pb__Link *l, int64_t t, struct sample *s)
{
	double load = 0.5 + 0.5 * sin((double)((t + 8 * 3600) % 86400) / 86400 * 2 * M_PI - M_PI / 2);

	s->sent = 1;
	s->rtt_count = 0;
	if (l->host) {
		add_value(s, ROLE_CPU_RATIO, 0.12 + 0.5 * load + 0.02 * noise(w));
		add_value(s, ROLE_MEM_RATIO, 0.61 + 0.01 * noise(w));
		add_value(s, ROLE_STORAGE_RATIO, 0.43);
		for (uint32_t i = 0; i < l->n_oid; i++)
			add_value(s, ROLE_OID0 + i, 23.5 + load + i);
		return;
	}
	add_value(s, ROLE_IN_BPS, fabs(4.2e8 * load + 2e7 * noise(w)) + 3e7);
	add_value(s, ROLE_OUT_BPS, fabs(1.8e8 * load + 1e7 * noise(w)) + 1e7);
	add_value(s, ROLE_IN_ERRORS, rng_below(&w->seed.rng, 200) == 0 ? 3.2 : 0);
	add_value(s, ROLE_OUT_ERRORS, 0);
	add_value(s, ROLE_IN_DISCARDS, rng_below(&w->seed.rng, 90) == 0 ? 1.1 : 0);
	add_value(s, ROLE_OUT_DISCARDS, 0);
	add_value(s, ROLE_OPER_STATUS, 1);
	add_value(s, ROLE_SPEED_BPS, 1e9);
}

/* The sample of link i for the step that ends at t. */
static void
make_sample(struct world *w, size_t i, int64_t t, struct sample *s, uint32_t *rtt)
{
	const Linkwatch__Pb__Link *l = w->plan->link[i];

	*s = (struct sample){ .link = l->id, .step_ms = l->step_ms,
		.start_ns = t * NS_PER_S - (int64_t)l->step_ms * NS_PER_MS };
	if (l->probe == PROBE_SNMP)
		make_values(w, l, t, s);
	else
		make_rtts(w, l, i, t, s, rtt);
	if (l->tls && s->rtt_count > 0) {
		add_value(s, ROLE_TLS_S, 0.018 + fabs(0.002 * noise(w)));
		add_value(s, ROLE_CERT_DAYS, 41.5 + (double)(time(NULL) - t) / 86400);
	}
	if ((s->flags & SAMPLE_NOT_OBSERVED) != 0) {
		s->sent = s->rtt_count = s->causes = s->values = 0;
		s->cause[s->causes++] = (struct cause_count){ CAUSE_LOCAL, 1 };
	}
}

/* ------------------------------------------------------------------- files */

static void
write_history(struct world *w, size_t i, int64_t from, int64_t to)
{
	static uint32_t rtt[SAMPLE_RTT_MAX];
	static struct rrd_row rows[CHUNK];
	struct series_def def;
	char path[1024], file[SERIES_PATH_MAX], why[200];
	size_t n = 0;
	int rc;

	rc = series_define(&def, w->plan->link[i], &series_policy_default);
	if (rc != 0 || series_path(file, sizeof file, w->plan->link[i]->agent, w->plan->link[i]->id) != 0)
		die("series", rc);
	snprintf(path, sizeof path, "%s/rrd/%s", w->dir, w->plan->link[i]->agent);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/rrd/%s", w->dir, file);
	from -= from % def.step_s;
	rc = rrdfile_create(path, &def, from, why, sizeof why);
	if (rc != 0)
		die(why, rc);
	for (int64_t t = from + def.step_s; t <= to; t += def.step_s) {
		struct sample s;

		make_sample(w, i, t, &s, rtt);
		rows[n].t = t;
		series_values(&def, &s, rows[n++].v);
		if ((n == CHUNK || t + def.step_s > to) && (rc = rrdfile_update(path, &def, rows, n, why,
		    sizeof why)) != 0)
			die(why, rc);
		n %= CHUNK;
	}
}

static void
append(struct world *w, uint16_t type, int64_t t_ns, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = xmalloc(len + 1);
	uint64_t seq;
	int rc;

	protobuf_c_message_pack(m, buf);
	rc = journal_append(w->journal, type, (struct wall){ t_ns }, buf, len, &seq);
	if (rc != 0)
		die("journal_append", rc);
	free(buf);
}

static void
append_head(struct world *w, int64_t at_ns)
{
	Linkwatch__Pb__CollectorEvent start = LINKWATCH__PB__COLLECTOR_EVENT__INIT;

	start.at_ns = at_ns;
	start.what = (char *)"start";
	append(w, JREC_COLLECTOR, at_ns, &start.base);
	append(w, JREC_PLAN, at_ns, &w->plan->base);
	for (size_t i = 0; i < w->plan->n_agent; i++) {
		Linkwatch__Pb__Session s = LINKWATCH__PB__SESSION__INIT;

		s.agent = w->plan->agent[i]->id;
		s.at_ns = at_ns;
		s.up = true;
		s.address = (char *)"192.0.2.7:40022";
		s.software = (char *)LW_VERSION;
		s.cert_not_after_ns = at_ns + INT64_C(300) * 86400 * NS_PER_S;
		append(w, JREC_SESSION, at_ns, &s.base);
	}
}

static void
append_batch(struct world *w, size_t a, struct batch_builder *b, int64_t t)
{
	static const uint8_t boot[BOOT_ID_LEN] = "fixture-boot-id";
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;
	uint8_t *data;
	size_t len;
	int rc;

	h.wall_ns = t * NS_PER_S;
	h.links = 5;
	h.clock_offset_ns = 1200000;
	h.clock_rtt_ns = 900000;
	h.software = (char *)LW_VERSION;
	batch_builder_health(b, &h);
	rc = batch_builder_finish(b, boot, ++w->seq[a], &data, &len);
	if (rc != 0)
		die("batch_builder_finish", rc);
	sb.agent = w->plan->agent[a]->id;
	sb.received_ns = t * NS_PER_S;
	sb.batch.data = data;
	sb.batch.len = len;
	append(w, JREC_BATCH, t * NS_PER_S, &sb.base);
	free(data);
}

/* What ended up to second t, one batch for each agent. */
static void
append_second(struct world *w, int64_t t)
{
	static uint32_t rtt[SAMPLE_RTT_MAX];
	Linkwatch__Pb__CollectorEvent alive = LINKWATCH__PB__COLLECTOR_EVENT__INIT;

	for (size_t a = 0; a < w->plan->n_agent; a++) {
		struct batch_builder *b = batch_builder_new();

		for (size_t i = 0; i < w->plan->n_link; i++) {
			struct sample s;

			if (strcmp(w->plan->link[i]->agent, w->plan->agent[a]->id) != 0 || w->due[i] > t)
				continue;
			make_sample(w, i, w->due[i], &s, rtt);
			if (batch_builder_add(b, &s) != 0)
				die("batch_builder_add", -ENOSPC);
			w->due[i] += w->plan->link[i]->step_ms / 1000;
		}
		if (!batch_builder_is_empty(b))
			append_batch(w, a, b, t);
		batch_builder_free(b);
	}
	alive.at_ns = t * NS_PER_S;
	alive.what = (char *)"alive";
	if (t % 5 == 0)
		append(w, JREC_COLLECTOR, alive.at_ns, &alive.base);
}

static void
on_term(int sig)
{
	(void)sig;
	ending = 1;
}

static void
go_on(struct world *w)
{
	int64_t last = time(NULL);

	signal(SIGTERM, on_term);
	signal(SIGINT, on_term);
	while (!ending) {
		struct timespec tick = { 0, 200000000 };

		nanosleep(&tick, NULL);
		for (; last < time(NULL); last++)
			append_second(w, last + 1);
		if (journal_sync(w->journal) != 0)
			die("journal_sync", -EIO);
	}
}

int
main(int argc, char **argv)
{
	struct world w = { 0 };
	struct conf_errors errs = { 0 };
	struct journal_recovery rec;
	int64_t now = time(NULL), start = now - 600;
	double days = argc > 2 ? strtod(argv[2], NULL) : 0;
	char path[1024];
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: fixture DIR DAYS [live]\n");
		return 2;
	}
	w.dir = argv[1];
	rng_seeded(&w.seed, 20260115);
	snprintf(path, sizeof path, "%s/links.yaml", w.dir);
	if (links_load(path, &w.plan, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		return 1;
	}
	snprintf(path, sizeof path, "%s/rrd", w.dir);
	mkdir(path, 0700);
	for (size_t i = 0; days > 0 && i < w.plan->n_link; i++)
		write_history(&w, i, start - (int64_t)(days * 86400), start);
	w.seq = xcalloc(w.plan->n_agent + 1, sizeof *w.seq);
	w.due = xcalloc(w.plan->n_link + 1, sizeof *w.due);
	for (size_t i = 0; i < w.plan->n_link; i++)
		w.due[i] = start - start % (w.plan->link[i]->step_ms / 1000) + w.plan->link[i]->step_ms / 1000;
	snprintf(path, sizeof path, "%s/journal", w.dir);
	if ((rc = disk_open_real(path, &w.disk)) != 0 || (rc = journal_open(&w.journal, w.disk,
	    &(struct journal_opts){ 0 }, &rec)) != 0)
		die(path, rc);
	append_head(&w, start * NS_PER_S);
	for (int64_t t = start + 1; days > 0 && t <= now; t++)
		append_second(&w, t);
	if ((rc = journal_sync(w.journal)) != 0)
		die("journal_sync", rc);
	puts("fixture: ready");
	fflush(stdout);
	if (argc > 3)
		go_on(&w);
	journal_close(w.journal);
	w.disk->ops->close(w.disk);
	links_free(w.plan);
	free(w.seq);
	free(w.due);
	return 0;
}
