/*
 * report.c - what a load saw: figures, the state that lasts, and the journal held
 * against it (see fleet.h).
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/disk.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"
#include "common/mem.h"
#include "tests/loadgen/fleet.h"

/* ------------------------------------------------------------------------ state */

static json_t *
agent_to_json(const struct load_agent *a)
{
	char boot[2 * BOOT_ID_LEN + 1];

	for (int i = 0; i < BOOT_ID_LEN; i++)
		snprintf(boot + 2 * i, 3, "%02x", a->numbering.boot[i]);
	return json_pack("{s:s, s:I, s:I, s:I}", "boot", boot, "start_ns", (json_int_t)a->numbering.start_ns,
	    "sent", (json_int_t)a->sent_max, "acked", (json_int_t)a->acked);
}

static int
agent_from_json(json_t *o, struct load_numbering *n, uint64_t *sent, uint64_t *acked)
{
	json_int_t start, s, k;
	const char *boot;

	if (json_unpack(o, "{s:s, s:I, s:I, s:I}", "boot", &boot, "start_ns", &start, "sent", &s, "acked", &k) != 0 ||
	    strlen(boot) != 2 * BOOT_ID_LEN || s < 0 || k < 0 || k > s)
		return -EINVAL;
	for (int i = 0; i < BOOT_ID_LEN; i++)
		if (sscanf(boot + 2 * i, "%2hhx", &n->boot[i]) != 1)
			return -EINVAL;
	n->start_ns = start;
	*sent = (uint64_t)s;
	*acked = (uint64_t)k;
	return 0;
}

int
state_save(const struct fleet *f, char *why, size_t n)
{
	char *path = site_path(f->site->dir, "state.json", NULL), *temp = xasprintf("%s.new", path);
	json_t *o = json_array();
	int r = 0;

	for (uint32_t i = 0; i < f->n; i++)
		if (!f->agent[i].bad)
			json_array_append_new(o, agent_to_json(&f->agent[i]));
	if (json_dump_file(o, temp, JSON_INDENT(1)) != 0 || rename(temp, path) != 0) {
		snprintf(why, n, "%s: cannot be written", path);
		r = -EIO;
	}
	json_decref(o);
	free(temp);
	free(path);
	return r;
}

/* The array of state.json; NULL with a line in why. */
static json_t *
read_state(const char *dir, char *why, size_t n)
{
	char *path = site_path(dir, "state.json", NULL);
	json_error_t e;
	json_t *o = json_load_file(path, 0, &e);

	if (!json_is_array(o)) {
		snprintf(why, n, "%s: %s", path, o == NULL ? e.text : "is no list of agents");
		json_decref(o);
		o = NULL;
	}
	free(path);
	return o;
}

int
state_load(struct fleet *f, char *why, size_t n)
{
	json_t *all = read_state(f->site->dir, why, n);
	int r = all != NULL ? 0 : -ENOENT;

	for (uint32_t i = 0; r == 0 && i < f->n && i < json_array_size(all); i++) {
		struct load_agent *a = &f->agent[i];

		if (a->bad)
			continue;
		r = agent_from_json(json_array_get(all, i), &a->numbering, &a->sent_max, &a->acked);
		if (r != 0)
			snprintf(why, n, "state.json: agent %u is unsound", i);
		a->sent = a->acked;
		if (a->end != UINT64_MAX && !f->o.idle)
			a->end = source_next(&f->site->shape, &a->numbering, clock_wall(f->clock).ns) - 1;
	}
	json_decref(all);
	return r;
}

/* ---------------------------------------------------------------------- figures */

static json_t *
spread_to_json(const struct spread *s)
{
	if (s->n == 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:I}", "median", (double)spread_quantile(s, 0.5) / 1e6, "p99",
	    (double)spread_quantile(s, 0.99) / 1e6, "max", (double)s->max_ns / 1e6, "n", (json_int_t)s->n);
}

static json_t *
refusals_to_json(const uint64_t *refusal)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < REFUSALS; i++)
		if (refusal[i] > 0)
			json_object_set_new(o, refusal_name(i), json_integer((json_int_t)refusal[i]));
	return o;
}

static json_t *
figures(const struct fleet *f)
{
	const struct fleet_stat *s = &f->stat;
	double seconds = (double)(s->last_ack_ns - s->first_ack_ns) / 1e9;
	json_t *o = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o}", "agents", (int)f->n,
	    "up", (int)f->up, "samples_sent", (json_int_t)s->samples_sent, "samples_acked",
	    (json_int_t)s->samples_acked, "batches_acked", (json_int_t)s->batches_acked, "batches_again",
	    (json_int_t)s->again, "batches_refused", (json_int_t)s->refused_batches, "bytes_sent",
	    (json_int_t)s->bytes_sent, "seconds", seconds, "samples_per_s",
	    seconds > 0 ? (double)s->samples_acked / seconds : 0.0, "ack_ms", spread_to_json(&s->ack),
	    "live_lag_ms", spread_to_json(&s->live_lag), "welcome_ms", spread_to_json(&s->welcome));

	json_object_set_new(o, "connects", json_integer((json_int_t)s->connects));
	json_object_set_new(o, "reconnects", json_integer((json_int_t)(s->welcomes > f->n ? s->welcomes - f->n : 0)));
	json_object_set_new(o, "resumed", json_integer((json_int_t)s->resumed));
	json_object_set_new(o, "lost", json_integer((json_int_t)s->lost));
	json_object_set_new(o, "pauses", json_integer((json_int_t)s->pauses));
	json_object_set_new(o, "refusals", refusals_to_json(s->refusal));
	if (f->o.misbehaviour != NULL)
		json_object_set_new(o, "bad", json_pack("{s:s, s:i, s:I, s:I, s:I, s:o}", "mode",
		    misbehaviour_name(f->o.misbehaviour), "agents", (int)f->o.bad, "welcomes",
		    (json_int_t)s->bad_welcomes, "ended", (json_int_t)s->bad_ended, "frames",
		    (json_int_t)s->bad_frames, "refusals", refusals_to_json(s->bad_refusal)));
	return o;
}

void
report_print(const struct fleet *f)
{
	json_t *o = figures(f);

	json_dumpf(o, stdout, f->o.control ? JSON_COMPACT : JSON_INDENT(1));
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

void
report_event(const struct fleet *f, const char *event, double seconds)
{
	json_t *o;

	if (!f->o.control)
		return;
	o = figures(f);
	json_object_set_new(o, "event", json_string(event));
	json_object_set_new(o, "event_s", json_real(seconds));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

/* ------------------------------------------------------------ journal and state */

struct seen {				/* of one agent */
	struct load_numbering numbering;
	uint64_t sent, acked, last;	/* last: the highest number in the journal so far */
};

struct verdict { uint64_t batches, odd, twice, order; };

/* A batch of the load that the journal holds. */
static void
look_at(const struct site *site, struct batch_builder *bb, struct seen *all, size_t n,
    const Linkwatch__Pb__StoredBatch *sb, struct verdict *v)
{
	Linkwatch__Pb__Batch *b = batch_unpack(sb->batch.data, sb->batch.len);
	unsigned agent;
	struct seen *s;
	uint8_t *p;
	size_t len;

	if (b == NULL || sscanf(sb->agent, "load-%u", &agent) != 1 || agent >= n)
		goto out;
	s = &all[agent];
	if (b->boot_id.len != BOOT_ID_LEN || memcmp(b->boot_id.data, s->numbering.boot, BOOT_ID_LEN) != 0)
		goto out;		/* of a run before */
	v->batches++;
	if (b->seq <= s->last)
		v->twice++;
	else if (b->seq != s->last + 1)
		v->order++;
	s->last = b->seq > s->last ? b->seq : s->last;
	source_batch(bb, &site->shape, &s->numbering, agent, b->seq, &p, &len);
	v->odd += b->seq > s->sent || len != sb->batch.len || memcmp(p, sb->batch.data, len) != 0;
	free(p);
out:
	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
}

static int
walk(const struct site *site, struct seen *all, size_t n, const char *journal, struct verdict *v)
{
	struct batch_builder *bb = batch_builder_new();
	struct journal_reader *reader = NULL;
	struct journal_record rec;
	struct disk *disk = NULL;
	int r = access(journal, R_OK | X_OK) != 0 ? -errno : disk_open_real(journal, &disk);

	if (r == 0)
		r = journal_reader_open(&reader, disk, 0);
	while (r == 0 && (r = journal_reader_next(reader, &rec)) == 1) {
		Linkwatch__Pb__StoredBatch *sb = NULL;

		r = 0;
		if (rec.type == JREC_BATCH)
			sb = linkwatch__pb__stored_batch__unpack(NULL, rec.len, rec.data);
		if (sb != NULL) {
			look_at(site, bb, all, n, sb, v);
			linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
		}
	}
	journal_reader_close(reader);
	if (disk != NULL)
		disk->ops->close(disk);
	batch_builder_free(bb);
	return r;
}

int
check_journal(const struct site *site, const char *journal)
{
	struct verdict v = { 0 };
	char why[256];
	json_t *state = read_state(site->dir, why, sizeof why);
	size_t n = state != NULL ? json_array_size(state) : 0;
	struct seen *all = xcalloc(n + 1, sizeof *all);
	uint64_t missing = 0, acked = 0;
	int r = state != NULL ? 0 : -ENOENT;

	for (size_t i = 0; i < n && r == 0; i++)
		if ((r = agent_from_json(json_array_get(state, i), &all[i].numbering, &all[i].sent, &all[i].acked)) != 0)
			snprintf(why, sizeof why, "state.json: agent %zu is unsound", i);
	if (r == 0 && (r = walk(site, all, n, journal, &v)) != 0)
		snprintf(why, sizeof why, "%s: %s", journal, strerror(-r));
	for (size_t i = 0; i < n; i++) {
		acked += all[i].acked;
		missing += all[i].last < all[i].acked ? all[i].acked - all[i].last : 0;
	}
	if (r != 0)
		fprintf(stderr, "linkwatch-loadgen: %s\n", why);
	else
		printf("{\"acked\": %llu, \"batches\": %llu, \"missing\": %llu, \"holes\": %llu, \"twice\": %llu, "
		    "\"differing\": %llu}\n", (unsigned long long)acked, (unsigned long long)v.batches,
		    (unsigned long long)missing, (unsigned long long)v.order, (unsigned long long)v.twice,
		    (unsigned long long)v.odd);
	json_decref(state);
	free(all);
	return r == 0 && missing + v.order + v.twice + v.odd == 0 ? 0 : 1;
}
