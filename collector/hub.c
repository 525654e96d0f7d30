/*
 * hub.c - the whole of ingest without its sockets: journal, table of numbers,
 * plan and the commits that let sessions acknowledge (see session.h).
 *
 * The checkpoint of the table is the file "admit" beside the journal; the
 * records behind it are replayed at start.  Retention never takes records that
 * the checkpoint does not cover, nor the last PLAN.
 */
#include "collector/hub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"

#define CHECKPOINT "admit"
#define CHECKPOINT_MAX (256 * 1024 * 1024)
#define CHECKPOINT_NS (60 * NS_PER_S)
#define ALIVE_NS (5 * NS_PER_S)
#define STOP_RETRY_MS 1000
#define HEAD_NS (3600 * NS_PER_S)	/* the head of the journal stands in the log that often */

/* --------------------------------------------------------------- appending */

void
hub_touch(struct hub *h)
{
	if (h->dirty)
		return;
	h->dirty = true;
	if (h->o.dirty != NULL)
		h->o.dirty(h->o.arg);
}

void
hub_hurry(struct hub *h)
{
	if (h->hurried || h->stalled)
		return;
	h->hurried = true;
	if (h->o.hurry != NULL)
		h->o.hurry(h->o.arg);
}

static void
tell_paused(struct hub *h)
{
	struct session *s;

	for (size_t i = 0; (s = table_next(&h->agents, &i)) != NULL;)
		session_set_paused(s, h->stalled);
}

/* The journal takes nothing: agents are to keep what they have. */
static void
stall(struct hub *h, int reason)
{
	if (reason == -EIO)
		h->failed = reason;
	if (h->stalled)
		return;
	h->stalled = h->stat.stalled = true;
	h->stalled_at = clock_wall(h->o.clock);
	h->stall_reason = reason;
	log_error("journal: %s: nothing is acknowledged, agents keep their data", strerror(-reason));
	tell_paused(h);
}

int
hub_append(struct hub *h, uint16_t type, const struct ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p;
	int r;

	if (n > JOURNAL_RECORD_MAX)
		return -EMSGSIZE;
	p = xmalloc(n != 0 ? n : 1);
	protobuf_c_message_pack(m, p);
	r = journal_append(h->journal, type, clock_wall(h->o.clock), p, n, NULL);
	free(p);
	if (r == 0)
		h->stat.pending += n;
	else
		stall(h, r);
	/* Also after a failure: hub_commit() tries again, or says that it cannot. */
	hub_touch(h);
	return r;
}

int
hub_event(struct hub *h, struct wall at, const char *what, const char *detail)
{
	Linkwatch__Pb__CollectorEvent m = LINKWATCH__PB__COLLECTOR_EVENT__INIT;

	m.at_ns = at.ns;
	m.what = (char *)what;
	m.detail = (char *)detail;
	return hub_append(h, JREC_COLLECTOR, &m.base);
}

/* -------------------------------------------------------- opening, closing */

/* Reads the checkpoint into the table; *next: the record to replay from. */
static void
load_checkpoint(struct hub *h, uint64_t *next)
{
	void *data = NULL;
	size_t n;
	int r = disk_read_file(h->o.disk, CHECKPOINT, CHECKPOINT_MAX, &data, &n);

	*next = 0;
	if (r == 0)
		r = admit_load(h->admit, data, n, next);
	free(data);
	if (r != 0 && r != -ENOENT)
		log_warning("journal: checkpoint of batch numbers unusable (%s): reading everything",
		    strerror(-r));
}

static int
replay(struct hub *h, uint64_t next, char *why, size_t n)
{
	struct journal_reader *reader;
	struct journal_record rec;
	int r = journal_reader_open(&reader, h->o.disk, next);

	if (r != 0)
		return r;
	do {
		r = journal_reader_next(reader, &rec);
		if (r == 1) {
			admit_replay(h->admit, &rec);
			if (rec.type == JREC_PLAN)
				h->plan_seq = rec.seq;
		}
	} while (r == 1 || r == -ESTALE);
	if (r != 0)
		snprintf(why, n, "journal: %s", r == -EBADMSG ? journal_reader_detail(reader) : strerror(-r));
	journal_reader_close(reader);
	admit_committed(h->admit);
	return r;
}

/* The log goes elsewhere: with a line of it, `journal verify --head` shows whether the past was rewritten. */
static void
log_head(struct hub *h)
{
	char hex[2 * JOURNAL_HASH_LEN + 1] = "";
	struct journal_stat st;

	journal_stat(h->journal, &st);
	for (size_t i = 0; i < JOURNAL_HASH_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", st.head[i]);
	if (st.synced_seq > 0)
		log_notice("journal: head %s@%" PRIu64, hex, st.synced_seq);
	h->head_told_at = clock_mono(h->o.clock);
}

static int
open_journal(struct hub *h, char *why, size_t n)
{
	struct journal_opts opts = { .segment_bytes = h->o.segment_bytes };
	struct journal_recovery rec;
	uint64_t next;
	int r = journal_open(&h->journal, h->o.disk, &opts, &rec);

	if (r != 0) {
		h->journal = NULL;
		snprintf(why, n, "journal: %s%s%s", strerror(-r), rec.detail[0] != '\0' ? ": " : "", rec.detail);
		return r;
	}
	if (rec.torn_bytes > 0)
		log_warning("journal: a torn tail of %" PRIu64 " bytes was cut (nothing of it was acknowledged)",
		    rec.torn_bytes);
	load_checkpoint(h, &next);
	h->checkpoint_seq = next;
	if (next > rec.next_seq) {
		log_warning("journal: the checkpoint is of a later journal: reading everything");
		admit_free(h->admit);
		h->admit = admit_new(&h->o.admit);
		next = 0;
	}
	r = replay(h, next, why, n);
	if (r == 0)
		log_notice("journal: records %" PRIu64 " to %" PRIu64 ", replayed from %" PRIu64,
		    rec.first_seq, rec.next_seq - 1, next);
	if (r == 0)
		log_head(h);
	return r;
}

int
hub_open(struct hub **out, const struct hub_opts *opts, char *why, size_t n)
{
	struct hub *h = xcalloc(1, sizeof *h);
	int r;

	*out = NULL;
	h->o = *opts;
	if (h->o.window == 0)
		h->o.window = 256;
	if (h->o.pending_max == 0)
		h->o.pending_max = 16 * 1024 * 1024;
	if (h->o.hello_ns == 0)
		h->o.hello_ns = 10 * NS_PER_S;
	if (h->o.version_max == 0) {
		h->o.version_min = PROTOCOL_MIN;
		h->o.version_max = PROTOCOL_MAX;
	}
	h->admit = admit_new(&h->o.admit);
	r = open_journal(h, why, n);
	if (r != 0)
		goto out;
	h->alive_at = h->checkpoint_at = clock_mono(h->o.clock);
	hub_event(h, clock_wall(h->o.clock), "start", LW_VERSION);
	*out = h;
	h = NULL;
out:
	if (h != NULL)
		hub_close(h, false);
	return r;
}

static int
checkpoint(struct hub *h)
{
	struct journal_stat st;
	uint8_t *p;
	size_t n;
	int r;

	journal_stat(h->journal, &st);
	admit_save(h->admit, st.next_seq, &p, &n);
	r = disk_write_file(h->o.disk, CHECKPOINT, p, n);
	free(p);
	if (r == 0)
		h->checkpoint_seq = st.next_seq;
	else
		log_limited(LOG_WARNING, "checkpoint", 1, "journal: checkpoint not written: %s", strerror(-r));
	return r;
}

void
hub_stop(struct hub *h)
{
	struct session *s;

	if (h == NULL)
		return;
	hub_commit(h);			/* what can still be acknowledged is */
	for (size_t i = 0; (s = table_next(&h->conns, &i)) != NULL; i = 0)
		session_end(s, REFUSE_BUSY, "the collector stops", STOP_RETRY_MS);
}

void
hub_close(struct hub *h, bool clean)
{
	struct agent_quota *aq;
	struct session *s;

	if (h == NULL)
		return;
	for (size_t i = 0; (s = table_next(&h->conns, &i)) != NULL; i = 0)
		session_end(s, 0, "the collector stops", 0);
	if (clean) {
		refusals_tick(h, true);
		hub_event(h, clock_wall(h->o.clock), "stop", "");
		if (hub_commit(h) == 0) {
			checkpoint(h);
			log_head(h);
		}
	}
	refusals_fini(h);
	table_fini(&h->conns);
	table_fini(&h->agents);
	for (size_t i = 0; (aq = table_next(&h->quotas, &i)) != NULL;)
		free(aq);
	table_fini(&h->quotas);
	admit_free(h->admit);
	journal_close(h->journal);
	parts_free(h->parts);
	links_free(h->plan);
	free(h);
}

/* --------------------------------------------------------------- the plan */

static Linkwatch__Pb__Plan *
plan_copy(const Linkwatch__Pb__Plan *plan)
{
	size_t n = linkwatch__pb__plan__get_packed_size(plan);
	uint8_t *p = xmalloc(n != 0 ? n : 1);
	Linkwatch__Pb__Plan *copy;

	linkwatch__pb__plan__pack(plan, p);
	copy = linkwatch__pb__plan__unpack(NULL, n, p);
	free(p);
	return copy;
}

static int
journal_plan(struct hub *h, const Linkwatch__Pb__Plan *plan)
{
	struct journal_stat st;
	int r;

	journal_stat(h->journal, &st);
	r = hub_append(h, JREC_PLAN, &plan->base);
	if (r == 0)
		h->plan_seq = st.next_seq;
	return r;
}

int
hub_plan(struct hub *h, const Linkwatch__Pb__Plan *plan)
{
	struct session **all;
	size_t n = 0, i = 0;
	Linkwatch__Pb__Plan *copy;
	struct session *s;
	int r;

	if (h->plan != NULL && h->plan->revision == plan->revision)
		return 0;
	r = journal_plan(h, plan);
	if (r != 0)
		return r;
	copy = plan_copy(plan);
	if (copy == NULL)
		return -EINVAL;
	parts_free(h->parts);
	links_free(h->plan);
	h->plan = copy;
	h->parts = parts_new(copy);
	admit_plan(h->admit, copy, clock_wall(h->o.clock));
	log_notice("plan: revision %016" PRIx64 ", %zu agents, %zu links", copy->revision, copy->n_agent,
	    copy->n_link);
	/* Pushing may end sessions: walk over a copy. */
	all = xcalloc(h->agents.n + 1, sizeof(struct session *));
	while ((s = table_next(&h->agents, &i)) != NULL)
		all[n++] = s;
	for (i = 0; i < n; i++)
		session_push_plan(all[i]);
	free(all);
	return 0;
}

int
hub_restore_plan(struct hub *h)
{
	Linkwatch__Pb__Plan *plan = NULL;
	struct journal_reader *reader;
	struct journal_record rec;
	int r = journal_reader_open(&reader, h->o.disk, 0);

	if (r != 0)
		return r;
	while ((r = journal_reader_next(reader, &rec)) == 1 || r == -ESTALE) {
		if (r != 1 || rec.type != JREC_PLAN)
			continue;
		if (plan != NULL)
			linkwatch__pb__plan__free_unpacked(plan, NULL);
		plan = linkwatch__pb__plan__unpack(NULL, rec.len, rec.data);
	}
	journal_reader_close(reader);
	if (plan == NULL)
		return -ENOENT;
	r = hub_plan(h, plan);
	linkwatch__pb__plan__free_unpacked(plan, NULL);
	return r;
}

const Linkwatch__Pb__Plan *
hub_current_plan(const struct hub *h)
{
	return h->plan;
}

/* -------------------------------------------------------------- committing */

bool
hub_is_dirty(const struct hub *h)
{
	return h->dirty;
}

/* Records the stall itself: that it can be is the proof that it is over. */
static int
resume(struct hub *h)
{
	const char *what = strerror(-h->stall_reason);
	int r;

	if ((r = hub_event(h, h->stalled_at, "stalled", what)) != 0 ||
	    (r = hub_event(h, clock_wall(h->o.clock), "resumed", what)) != 0 ||
	    (r = journal_sync(h->journal)) != 0)
		return r;
	h->stalled = h->stat.stalled = false;
	log_notice("journal: writing again");
	tell_paused(h);
	return 0;
}

/* Every session that waits for the disk, then the feeds. */
static void
answer_all(struct hub *h)
{
	struct session **all = xcalloc(h->conns.n + 1, sizeof(struct session *));
	struct session *s;
	size_t n = 0, i = 0;

	while ((s = table_next(&h->conns, &i)) != NULL)
		all[n++] = s;
	for (i = 0; i < n; i++)
		if (all[i]->answer)
			session_answer(all[i]);
	for (i = 0; i < n; i++)
		session_pump(all[i]);
	free(all);
}

int
hub_commit(struct hub *h)
{
	int r = h->failed != 0 ? h->failed : journal_sync(h->journal);

	if (r == 0) {
		h->stat.pending = 0;
		h->stat.commits++;
		admit_committed(h->admit);
		answer_all(h);
		if (h->stalled)
			r = resume(h);
	}
	if (r != 0)
		stall(h, r);
	h->dirty = r != 0;
	h->hurried = false;
	return r;
}

/* Whose buckets are full, and who has no session, is as if it had never been here. */
static void
forget_quotas(struct hub *h)
{
	struct agent_quota *aq, *idle[64];
	size_t n = 0, i = 0;

	while (n < sizeof idle / sizeof idle[0] && (aq = table_next(&h->quotas, &i)) != NULL) {
		if (aq->conns > 0)
			continue;
		quota_refill(&aq->q, &h->o.quota, clock_mono(h->o.clock));
		if (quota_is_full(&aq->q, &h->o.quota))
			idle[n++] = aq;
	}
	while (n > 0)
		free(table_dels(&h->quotas, idle[--n]->id));
}

void
hub_tick(struct hub *h)
{
	struct mono now = clock_mono(h->o.clock);
	struct session **all = xcalloc(h->conns.n + 1, sizeof(struct session *));
	struct session *s;
	size_t n = 0, i = 0;

	while ((s = table_next(&h->conns, &i)) != NULL)
		all[n++] = s;
	for (i = 0; i < n; i++)
		session_tick(all[i]);
	free(all);
	forget_quotas(h);
	if (h->stalled)
		return;
	refusals_tick(h, false);
	if (now.ns - h->alive_at.ns >= ALIVE_NS) {
		char detail[96];

		h->alive_at = now;
		snprintf(detail, sizeof detail, "agents=%zu batches=%" PRIu64 " refused=%" PRIu64,
		    h->agents.n, h->stat.batches, h->stat.refused);
		hub_event(h, clock_wall(h->o.clock), "alive", detail);
	}
	if (now.ns - h->checkpoint_at.ns >= CHECKPOINT_NS && hub_commit(h) == 0) {
		h->checkpoint_at = now;
		checkpoint(h);
	}
	if (now.ns - h->head_told_at.ns >= HEAD_NS)
		log_head(h);
}

/* --------------------------------------------------------------- retention */

/*
 * Says in the journal what goes before it goes, so that who verifies it can tell retention from somebody
 * who took the oldest files away.
 */
static int
purge(struct hub *h, uint64_t seq)
{
	struct journal_stat st;
	char detail[48];
	int r;

	journal_stat(h->journal, &st);
	seq = journal_purge_keeps(h->journal, seq);
	if (seq <= st.first_seq)
		return 0;
	snprintf(detail, sizeof detail, "before=%" PRIu64, seq);
	r = hub_event(h, clock_wall(h->o.clock), "purged", detail);
	if (r == 0)
		r = hub_commit(h);
	return r != 0 ? r : journal_purge(h->journal, seq);
}

int
hub_retain(struct hub *h, uint64_t max_bytes, int64_t max_age_ns, uint64_t hold_bytes)
{
	struct wall oldest = { clock_wall(h->o.clock).ns - max_age_ns };
	uint64_t want = journal_purge_point(h->journal, max_bytes, oldest);
	uint64_t readers = journal_cursor_lowest(h->o.disk);
	uint64_t must = journal_purge_point(h->journal, max_bytes + hold_bytes, (struct wall){ 0 });
	int r;

	/* A reader that is behind keeps what it still needs, as long as there is room for it. */
	if (want > readers)
		want = readers > must ? readers : must;
	if (want > h->checkpoint_seq) {
		if (hub_commit(h) != 0 || checkpoint(h) != 0)
			return 0;
	}
	if (h->plan != NULL && want > h->plan_seq) {
		r = journal_plan(h, h->plan);
		if (r != 0)
			return r;
		r = hub_commit(h);
		if (r != 0)
			return r;
	}
	return purge(h, want);
}

/* ------------------------------------------------------------------- state */

void
hub_stat(const struct hub *h, struct hub_stat *st)
{
	struct session *s;

	*st = h->stat;
	st->sessions = h->conns.n;
	st->agents = h->agents.n;
	st->feeds = st->throttled = 0;
	for (size_t i = 0; (s = table_next(&h->conns, &i)) != NULL;)
		st->feeds += s->feed != NULL && feed_is_started(s->feed),
		    st->throttled += s->throttled;
}

struct journal *
hub_journal(struct hub *h)
{
	return h->journal;
}
