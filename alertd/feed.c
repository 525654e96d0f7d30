/*
 * feed.c - the collector's journal, record by record, as events of the core.
 */
#include "alertd/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/log.h"
#include "common/mem.h"

#define WELCOME_NS (15 * NS_PER_S)
#define SILENCE_NS (45 * NS_PER_S)	/* the collector says "alive" every 5 s */
#define RETRY_FIRST_NS (NS_PER_S / 2)
#define RETRY_MAX_NS (10 * NS_PER_S)
#define WINDOW 4096			/* records that may come before an acknowledgement */

enum feed_phase { FEED_IDLE, FEED_CONNECTING, FEED_GREETING, FEED_STREAMING };

struct feed {
	struct feed_opts opts;
	struct conn *conn;		/* owned; NULL when idle */
	enum feed_phase phase;
	struct mono since, heard, retry_at;
	uint32_t failures;
	uint64_t next_seq;		/* expected */
	bool paused;
	uint8_t *part;			/* of a record that spans several frames; owned */
	size_t part_len;
	uint64_t part_seq;		/* 0: none */
	struct feed_stat stat;
};

struct feed *
feed_new(const struct feed_opts *opts)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->opts = *opts;
	f->next_seq = opts->next_seq > 0 ? opts->next_seq : 1;
	f->stat.seq = f->next_seq - 1;
	return f;
}

void
feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	if (f->conn != NULL)
		conn_close(f->conn);
	free(f->part);
	free(f);
}

void
feed_stale_after(struct feed *f, int64_t stale_after_ns)
{
	f->opts.stale_after_ns = stale_after_ns;
}

void
feed_stat(const struct feed *f, struct feed_stat *st)
{
	*st = f->stat;
	st->up = f->phase == FEED_STREAMING;
}

struct mono
feed_retry_at(const struct feed *f)
{
	return f->phase == FEED_IDLE ? f->retry_at : (struct mono){ INT64_MAX };
}

void
feed_connecting(struct feed *f, struct conn *conn)
{
	f->conn = conn;
	f->phase = FEED_CONNECTING;
	f->since = f->heard = clock_mono(f->opts.clock);
}

/* The connection is gone: again after a pause that doubles. */
static void
ended(struct feed *f, const char *why)
{
	int64_t wait = RETRY_FIRST_NS;

	for (uint32_t i = 0; i < f->failures && wait < RETRY_MAX_NS; i++)
		wait *= 2;
	if (wait > RETRY_MAX_NS)
		wait = RETRY_MAX_NS;
	f->failures++;
	f->retry_at.ns = clock_mono(f->opts.clock).ns +
			 (int64_t)((double)wait * (0.5 + 0.5 * rng_double(f->opts.rng)));
	f->conn = NULL;
	f->phase = FEED_IDLE;
	f->paused = false;
	f->part_seq = 0;
	f->opts.ops->state(f->opts.arg, false, why);
}

void
feed_failed(struct feed *f, const char *why)
{
	ended(f, why);
}

static void
give_up(struct feed *f, const char *why)
{
	conn_close(f->conn);
	ended(f, why);
}

void
feed_tick(struct feed *f)
{
	struct mono now = clock_mono(f->opts.clock);

	if (f->phase == FEED_IDLE || f->paused)
		return;
	if (f->phase != FEED_STREAMING && now.ns - f->since.ns > WELCOME_NS)
		give_up(f, "the collector did not answer in time");
	else if (f->phase == FEED_STREAMING && now.ns - f->heard.ns > SILENCE_NS)
		give_up(f, "nothing was heard of the collector for too long");
}

void
feed_ack(struct feed *f, uint64_t seq)
{
	Linkwatch__Pb__FeedAck ack = LINKWATCH__PB__FEED_ACK__INIT;

	if (f->phase != FEED_STREAMING)
		return;
	ack.seq = seq;
	conn_send_message(f->conn, FRAME_FEED_ACK, &ack.base);
}

void
feed_pause(struct feed *f, bool on)
{
	if (f->conn == NULL || f->phase < FEED_GREETING || f->paused == on)
		return;
	f->paused = on;
	f->heard = clock_mono(f->opts.clock);
	conn_pause(f->conn, on);
}

int
feed_reload(struct feed *f, uint64_t id)
{
	Linkwatch__Pb__ReloadRequest req = LINKWATCH__PB__RELOAD_REQUEST__INIT;

	if (f->phase != FEED_STREAMING)
		return -ENOTCONN;
	req.id = id;
	return conn_send_message(f->conn, FRAME_RELOAD, &req.base) == 0 ? 0 : -ENOTCONN;
}

/* ----------------------------------------------------------------- records */

static void
give(struct feed *f, struct event *ev, enum event_type type, const char *agent, int64_t at_ns)
{
	ev->type = type;
	ev->agent = agent;
	ev->now = clock_wall(f->opts.clock);
	ev->stale = ev->now.ns - at_ns > f->opts.stale_after_ns;
	f->opts.ops->event(f->opts.arg, ev);
}

static bool
batch_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	Linkwatch__Pb__StoredBatch *stored = linkwatch__pb__stored_batch__unpack(NULL,
	    r->payload.len, r->payload.data);
	Linkwatch__Pb__Batch *batch = NULL;
	struct batch_cursor cursor;
	struct sample sample;
	char why[160];
	bool good = false;

	if (stored != NULL && id_is_valid(stored->agent))
		batch = batch_unpack(stored->batch.data, stored->batch.len);
	if (batch != NULL && batch_check(batch, why, sizeof(why)) == 0) {
		good = true;
		batch_cursor_init(&cursor, batch);
		while (batch_cursor_next(&cursor, &sample)) {
			struct event ev = { .journal_seq = r->seq, .sample = &sample };
			give(f, &ev, EV_SAMPLE, stored->agent, sample.start_ns);
		}
		if (batch->health != NULL) {
			struct event ev = { .journal_seq = r->seq, .health = batch->health };
			give(f, &ev, EV_HEALTH, stored->agent, batch->health->wall_ns);
		}
	}
	if (batch != NULL)
		linkwatch__pb__batch__free_unpacked(batch, NULL);
	if (stored != NULL)
		linkwatch__pb__stored_batch__free_unpacked(stored, NULL);
	return good;
}

static bool
session_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	Linkwatch__Pb__Session *m = linkwatch__pb__session__unpack(NULL, r->payload.len,
	    r->payload.data);
	bool good = m != NULL && id_is_valid(m->agent);

	if (good) {
		struct event ev = { .journal_seq = r->seq, .session = m };
		give(f, &ev, EV_SESSION, m->agent, m->at_ns);
	}
	if (m != NULL)
		linkwatch__pb__session__free_unpacked(m, NULL);
	return good;
}

static bool
plan_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	Linkwatch__Pb__Plan *m = linkwatch__pb__plan__unpack(NULL, r->payload.len,
	    r->payload.data);

	if (m == NULL)
		return false;
	struct event ev = { .journal_seq = r->seq, .plan = m };
	give(f, &ev, EV_PLAN, NULL, r->wall_ns);
	linkwatch__pb__plan__free_unpacked(m, NULL);
	return true;
}

static bool
refused_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	Linkwatch__Pb__Refused *m = linkwatch__pb__refused__unpack(NULL, r->payload.len,
	    r->payload.data);

	if (m == NULL)
		return false;
	struct event ev = { .journal_seq = r->seq, .refused = m };
	give(f, &ev, EV_REFUSED, id_is_valid(m->peer) ? m->peer : NULL, m->at_ns);
	linkwatch__pb__refused__free_unpacked(m, NULL);
	return true;
}

static bool
collector_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	Linkwatch__Pb__CollectorEvent *m = linkwatch__pb__collector_event__unpack(NULL,
	    r->payload.len, r->payload.data);

	if (m == NULL)
		return false;
	struct event ev = { .journal_seq = r->seq, .collector = m };
	give(f, &ev, EV_COLLECTOR, NULL, m->at_ns);
	linkwatch__pb__collector_event__free_unpacked(m, NULL);
	return true;
}

static bool
record_events(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	switch (r->type) {
	case JREC_BATCH:
		return batch_record(f, r);
	case JREC_SESSION:
		return session_record(f, r);
	case JREC_PLAN:
		return plan_record(f, r);
	case JREC_REFUSED:
		return refused_record(f, r);
	case JREC_COLLECTOR:
		return collector_record(f, r);
	default:
		return true;	/* of a newer collector, or none of our business */
	}
}

static void
take_record(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	if (r->seq < f->next_seq) {
		f->stat.repeated++;
		return;
	}
	if (r->seq > f->next_seq) {
		f->stat.lost += r->seq - f->next_seq;
		f->opts.ops->lost(f->opts.arg, r->seq, r->seq - f->next_seq);
	}
	f->next_seq = r->seq + 1;
	f->stat.seq = r->seq;
	f->stat.record_wall.ns = r->wall_ns;
	if (!record_events(f, r)) {
		f->stat.bad++;
		log_limited(LOG_ERROR, "feed-bad", 1,
		    "feed: record %" PRIu64 " of type %u cannot be read, passed over", r->seq,
		    r->type);
	}
	f->opts.ops->done(f->opts.arg, r->seq);
}

/* ------------------------------------------------------------------ frames */

static void
on_opened(void *arg, struct conn *conn, const struct identity *peer)
{
	struct feed *f = arg;
	Linkwatch__Pb__Hello hello = LINKWATCH__PB__HELLO__INIT;
	char host[128] = "";

	(void)conn;
	(void)peer;
	gethostname(host, sizeof(host) - 1);
	hello.version_min = PROTOCOL_MIN;
	hello.version_max = PROTOCOL_MAX;
	hello.software = (char *)(uintptr_t)LW_VERSION;
	hello.wall_ns = clock_wall(f->opts.clock).ns;
	hello.host = host;
	f->phase = FEED_GREETING;
	conn_send_message(f->conn, FRAME_HELLO, &hello.base);
}

static int
on_welcome(struct feed *f, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__Welcome *w = linkwatch__pb__welcome__unpack(NULL, len, payload);
	Linkwatch__Pb__FeedStart start = LINKWATCH__PB__FEED_START__INIT;

	if (w == NULL || f->phase != FEED_GREETING) {
		if (w != NULL)
			linkwatch__pb__welcome__free_unpacked(w, NULL);
		return -EPROTO;
	}
	linkwatch__pb__welcome__free_unpacked(w, NULL);
	start.from_seq = f->next_seq;
	start.window = WINDOW;
	f->phase = FEED_STREAMING;
	f->failures = 0;
	conn_send_message(f->conn, FRAME_FEED_START, &start.base);
	f->opts.ops->state(f->opts.arg, true, "connected");
	return 0;
}

/* Keeps a part of a record.  -EPROTO: it does not belong to what came before, or is too long. */
static int
keep_part(struct feed *f, const Linkwatch__Pb__FeedRecord *r)
{
	if (f->part_seq == 0)
		f->part_len = 0;
	else if (f->part_seq != r->seq)
		return -EPROTO;
	if (f->part_len + r->payload.len > JOURNAL_RECORD_MAX)
		return -EPROTO;
	f->part_seq = r->seq;
	f->part = xreallocarray(f->part, f->part_len + r->payload.len + 1, 1);
	if (r->payload.len > 0)
		memcpy(f->part + f->part_len, r->payload.data, r->payload.len);
	f->part_len += r->payload.len;
	return 0;
}

/* A record, or the last part of one. */
static int
whole_record(struct feed *f, Linkwatch__Pb__FeedRecord *r)
{
	ProtobufCBinaryData last = r->payload;

	if (f->part_seq == 0) {
		take_record(f, r);
		return 0;
	}
	if (keep_part(f, r) != 0)
		return -EPROTO;
	f->part_seq = 0;
	r->payload.data = f->part;
	r->payload.len = f->part_len;
	take_record(f, r);
	r->payload = last;
	return 0;
}

static int
on_record(struct feed *f, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__FeedRecord *r = linkwatch__pb__feed_record__unpack(NULL, len, payload);
	int rc = -EPROTO;

	if (r != NULL && f->phase == FEED_STREAMING && r->seq != 0)
		rc = r->more ? keep_part(f, r) : whole_record(f, r);
	if (r != NULL)
		linkwatch__pb__feed_record__free_unpacked(r, NULL);
	return rc;
}

static int
on_reload_result(struct feed *f, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__ReloadResult *m = linkwatch__pb__reload_result__unpack(NULL, len, payload);

	if (m == NULL)
		return -EPROTO;
	f->opts.ops->reloaded(f->opts.arg, m->id, m->ok, m->revision, m->errors);
	linkwatch__pb__reload_result__free_unpacked(m, NULL);
	return 0;
}

/* Always ends the session. */
static int
on_refusal(struct feed *f, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__Refusal *m = linkwatch__pb__refusal__unpack(NULL, len, payload);
	char why[200], reason[120] = "";

	if (m == NULL)
		return -EPROTO;
	if (m->code == REFUSE_ORDER && f->phase == FEED_STREAMING && f->next_seq > 1) {
		log_error("feed: the collector's journal ends before record %" PRIu64
			  ": it is another one; we start at its beginning", f->next_seq);
		f->next_seq = 1;
		f->stat.seq = 0;
	}
	log_escape(reason, sizeof(reason), m->reason, strlen(m->reason));
	snprintf(why, sizeof(why), "the collector refuses us: %s (%s)", refusal_name(m->code),
	    reason);
	linkwatch__pb__refusal__free_unpacked(m, NULL);
	give_up(f, why);
	return 0;
}

static void
on_frame(void *arg, struct conn *conn, uint8_t type, const uint8_t *payload, size_t len)
{
	struct feed *f = arg;
	int rc = 0;

	(void)conn;
	f->heard = clock_mono(f->opts.clock);
	switch (type) {
	case FRAME_WELCOME:
		rc = on_welcome(f, payload, len);
		break;
	case FRAME_FEED_RECORD:
		rc = on_record(f, payload, len);
		break;
	case FRAME_RELOAD_RESULT:
		rc = on_reload_result(f, payload, len);
		break;
	case FRAME_REFUSAL:
		rc = on_refusal(f, payload, len);
		break;
	default:
		break;		/* of a newer collector */
	}
	if (rc != 0)
		give_up(f, "the collector sent what we cannot read");
}

static void
on_closed(void *arg, struct conn *conn, const char *why)
{
	(void)conn;
	ended(arg, why);
}

const struct conn_handler feed_conn_handler = {
	.opened = on_opened, .frame = on_frame, .closed = on_closed
};
