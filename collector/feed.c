/*
 * feed.c - the journal to alertd (see feed.h).
 */
#include "collector/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"

#define QUEUE_MAX (2 * 1024 * 1024)	/* bytes handed to the connection */
#define PIECE_MAX (FRAME_MAX - 256)	/* payload bytes of one frame */
#define SAVE_NS (5 * NS_PER_S)

struct feed {
	struct conn *conn;
	struct disk *disk;
	struct journal_reader *reader;	/* owned; NULL: not started */
	char cursor[ID_MAX + 1];
	uint64_t next;			/* all before it were sent or lost; 0: not known yet */
	uint64_t acked;			/* highest acknowledged */
	uint64_t saved;
	struct mono saved_at;
	uint32_t window;
	bool plain;			/* batches go with plain columns */
};

struct feed *
feed_new(struct conn *conn, struct disk *disk, const char *id, bool plain)
{
	struct feed *f = xcalloc(1, sizeof *f);

	f->conn = conn;
	f->disk = disk;
	f->plain = plain;
	snprintf(f->cursor, sizeof f->cursor, "feed-%.58s", id);
	return f;
}

static void
save(struct feed *f)
{
	int r;

	if (f->reader == NULL || f->acked + 1 == f->saved || f->acked == 0)
		return;
	r = journal_cursor_save(f->disk, f->cursor, f->acked + 1);
	if (r != 0)
		log_limited(LOG_WARNING, f->cursor, 1, "feed=%s: cursor not saved: %s", f->cursor,
		    strerror(-r));
	else
		f->saved = f->acked + 1;
}

void
feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	save(f);
	journal_reader_close(f->reader);
	free(f);
}

bool
feed_is_started(const struct feed *f)
{
	return f->reader != NULL;
}

int
feed_start(struct feed *f, uint64_t from_seq, uint32_t window, char *why, size_t n)
{
	struct journal_reader *reader;
	uint64_t limit;
	int r = journal_reader_open(&reader, f->disk, from_seq);

	if (r != 0) {
		snprintf(why, n, "journal: %s", strerror(-r));
		return r;
	}
	limit = journal_reader_limit(reader);
	if (from_seq > limit) {
		snprintf(why, n, "record %" PRIu64 " was asked for, the journal ends before %" PRIu64,
		    from_seq, limit);
		journal_reader_close(reader);
		return -ERANGE;
	}
	journal_reader_close(f->reader);
	f->reader = reader;
	f->next = from_seq;		/* 0 until the first record is known */
	f->acked = from_seq > 0 ? from_seq - 1 : 0;
	f->window = window == 0 ? 1024 : window > FEED_WINDOW_MAX ? FEED_WINDOW_MAX : window;
	return 0;
}

int
feed_ack(struct feed *f, uint64_t seq)
{
	if (f->reader == NULL || seq >= f->next)
		return -ERANGE;
	if (seq > f->acked)
		f->acked = seq;
	return 0;
}

/* The StoredBatch with plain columns, malloc'd into *out; NULL: it goes as it stands. */
static void
make_plain(const struct journal_record *r, uint8_t **out, size_t *len)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	ProtobufCBinaryData plain = { 0 }, stored;

	*out = NULL;
	if (sb != NULL && batch_to_plain(sb->batch.data, sb->batch.len, &plain.data, &plain.len) == 0) {
		stored = sb->batch;
		sb->batch = plain;
		*len = linkwatch__pb__stored_batch__get_packed_size(sb);
		*out = xmalloc(*len);
		linkwatch__pb__stored_batch__pack(sb, *out);
		sb->batch = stored;
		free(plain.data);
	}
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

static int
send_record(struct feed *f, const struct journal_record *r, uint64_t lost)
{
	const uint8_t *p = r->data;
	uint8_t *plain = NULL;
	size_t left = r->len;
	int e;

	if (f->plain && r->type == JREC_BATCH)
		make_plain(r, &plain, &left);
	if (plain != NULL)
		p = plain;

	do {
		Linkwatch__Pb__FeedRecord m = LINKWATCH__PB__FEED_RECORD__INIT;

		m.seq = r->seq;
		m.type = r->type;
		m.wall_ns = r->wall.ns;
		m.payload.len = left < PIECE_MAX ? left : PIECE_MAX;
		m.payload.data = (uint8_t *)p;
		m.lost_before = lost;
		p += m.payload.len;
		left -= m.payload.len;
		m.more = left > 0;
		lost = 0;
		e = conn_send_message(f->conn, FRAME_FEED_RECORD, &m.base);
	} while (e == 0 && left > 0);
	free(plain);
	return e;
}

/* 1: sent one; 0: no more now; or -errno. */
static int
pump_one(struct feed *f, uint64_t *lost, char *why, size_t n)
{
	struct journal_record r;
	int e = journal_reader_next(f->reader, &r);

	if (e == -ESTALE) {
		*lost += f->next > 0 && r.seq > f->next ? r.seq - f->next : 0;
		f->next = r.seq;
		f->acked = r.seq - 1;	/* what is gone is not in flight */
		return 1;
	}
	if (e == 0)
		return 0;
	if (e < 0) {
		snprintf(why, n, "journal: %s", e == -EBADMSG ? journal_reader_detail(f->reader) :
		    strerror(-e));
		return e;
	}
	if (f->next == 0)
		f->acked = r.seq - 1;
	e = send_record(f, &r, *lost);
	if (e != 0) {
		snprintf(why, n, "send: %s", strerror(-e));
		return e;
	}
	*lost = 0;
	f->next = r.seq + 1;
	return 1;
}

int
feed_pump(struct feed *f, char *why, size_t n)
{
	uint64_t lost = 0;
	int e = 1;

	if (f->reader == NULL)
		return 0;
	for (int i = 0; e == 1 && (i < FEED_CHUNK || lost > 0); i++) {
		if (lost == 0 && f->next > f->acked + f->window)
			break;
		if (lost == 0 && conn_queued(f->conn) > QUEUE_MAX)
			break;
		e = pump_one(f, &lost, why, n);
	}
	return e < 0 ? e : 0;
}

void
feed_tick(struct feed *f, struct mono now)
{
	if (now.ns - f->saved_at.ns < SAVE_NS)
		return;
	f->saved_at = now;
	save(f);
}
