/*
 * spool.c - batches on disk until the collector has them.
 *
 * Files beside those of the journal: "boot_id" and "damaged.*" (spool_files.h),
 * "gap" (spool_gap.h), and "cursor.acked".
 */
#include "agent/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/spool_files.h"
#include "agent/spool_gap.h"
#include "common/journal.h"
#include "common/mem.h"

#define CURSOR "acked"
#define TELLERS 256			/* newest batches looked at for gaps that are told */
#define CURSOR_EVERY 32			/* acknowledged batches between two saves */
#define MAX_BYTES_DEFAULT (UINT64_C(1) << 30)
#define MEMORY_DEFAULT (UINT64_C(8) << 20)

struct waiting {			/* a packed batch that the disk did not take */
	struct waiting *next;
	uint8_t *data;
	size_t len;
};

struct spool {
	struct disk *disk;
	struct rng *rng;
	struct journal_opts journal_opts;
	uint64_t max_bytes, memory_max;
	struct journal *journal;	/* NULL: could not be reopened yet */
	struct journal_reader *reader;
	uint64_t reader_seq;		/* that it yields next; 0: unknown */
	uint8_t *repacked;		/* of the last spool_get(), if it had to be */
	uint8_t boot_id[BOOT_ID_LEN];
	uint64_t numbering_first;	/* numbers of this boot_id begin here */
	uint64_t opened_next;		/* the next number when it was opened */
	uint64_t acked, saved;		/* highest acknowledged; as the cursor has it */
	struct gaps gaps;
	bool gaps_unsaved;
	struct gap hole;		/* damaged batches that were met and are not yet lost */
	uint64_t hole_end;		/* the last damaged number that was lost; 0: none */
	uint64_t gone;			/* first number of a segment that was put aside; 0: none */
	int64_t read_ns;		/* when the batch that was read last was written */
	uint64_t dropped;
	struct waiting *head, **tail;
	uint64_t waiting_bytes, waiting_n;
	int error;
};

/* ------------------------------------------------------------ the numbering */

static int
boot_new(struct spool *s, uint64_t first)
{
	uint8_t id[BOOT_ID_LEN];
	int rc;

	s->rng->fill(s->rng, id, sizeof id);
	rc = spool_boot_save(s->disk, id, first);
	if (rc != 0)
		return rc;
	memcpy(s->boot_id, id, sizeof id);
	s->numbering_first = first;
	return 0;
}

/* ------------------------------------------------------- opening and damage */

/* A new spool where a damaged one was. */
static int
begin_anew(struct spool *s, struct wall now, struct journal_recovery *rec)
{
	struct gap lost = { .any = true, .from_ns = now.ns, .to_ns = now.ns };
	struct gaps all = s->gaps;
	int rc;

	gaps_add(&all, GAP_DAMAGED, &lost);
	rc = gaps_save(&all, s->disk);
	if (rc == 0)
		rc = spool_put_aside(s->disk);
	if (rc == 0)
		rc = journal_open(&s->journal, s->disk, &s->journal_opts, rec);
	if (rc == 0)
		s->gaps = all;
	return rc;
}

static int
write_cursor(struct spool *s)
{
	int rc = s->saved != s->acked ? journal_cursor_save(s->disk, CURSOR, s->acked + 1) : 0;

	if (rc == 0)
		s->saved = s->acked;
	return rc;
}

/*
 * What is lost counts as acknowledged.  It stands in the file "gap" before the
 * cursor passes it or it is purged, and until the cursor has passed it: a crash
 * must neither forget it nor count it again.
 */
static int
write_account(struct spool *s)
{
	int rc = 0;

	if (s->gaps_unsaved && !gaps_any(&s->gaps))
		rc = write_cursor(s);
	if (rc == 0 && s->gaps_unsaved)
		rc = gaps_save(&s->gaps, s->disk);
	if (rc == 0)
		s->gaps_unsaved = false;
	return rc;
}

static int
save_cursor(struct spool *s)
{
	int rc = write_account(s);

	return rc != 0 ? rc : write_cursor(s);
}

static void
account(struct spool *s, enum gap_reason reason, const struct gap *lost)
{
	gaps_add(&s->gaps, reason, lost);
	s->dropped += lost->count;
	s->gaps_unsaved = true;
}

static bool
names(const struct gap *g, const struct gap *part)
{
	return g->any && g->first_seq <= part->first_seq && g->last_seq >= part->last_seq;
}

/*
 * Counts the damaged batches as lost when all before them is acknowledged; one stretch at a time,
 * so that the Gap names no sound batch between two.
 */
static void
settle_hole(struct spool *s)
{
	struct gap *h = &s->hole;
	const struct gap *waiting = &s->gaps.gap[GAP_DAMAGED];

	if (!h->any || h->first_seq > s->acked + 1)
		return;
	if (h->first_seq <= s->acked)
		h->first_seq = s->acked + 1;
	if (h->last_seq > s->acked) {
		bool known = names(waiting, h) || names(&s->gaps.telling[GAP_DAMAGED], h);

		if (waiting->any && !known)
			return;
		if (!known)
			account(s, GAP_DAMAGED, h);
		s->acked = h->last_seq;
	}
	if (h->last_seq > s->hole_end)
		s->hole_end = h->last_seq;
	h->any = false;
}

/* Does one of the newest batches tell what is being told? */
static bool
is_told(struct spool *s, uint64_t next_seq)
{
	uint64_t seq = next_seq > TELLERS ? next_seq - TELLERS : 1;
	struct spool_batch b;

	for (; seq < next_seq && spool_get(s, seq, &b) == 1; seq = b.seq + 1)
		if (gaps_are_told_by(&s->gaps, b.data, b.len))
			return true;
	return false;
}

/* After a crash or a failed sync: what was being told either stands in a batch or is told again. */
static void
resolve_gaps(struct spool *s, uint64_t next_seq)
{
	if (!gaps_are_being_told(&s->gaps))
		return;
	gaps_resolve(&s->gaps, is_told(s, next_seq));
	s->gaps_unsaved = true;
}

/* Goes on behind the damage, or anew if nothing can be read (*anew). */
static int
mend(struct spool *s, struct wall now, struct journal_recovery *rec, bool *anew)
{
	int rc;

	spool_remove_aside(s->disk);
	rc = journal_repair(s->disk, now, &s->gone);
	if (rc == 0)
		rc = journal_open(&s->journal, s->disk, &s->journal_opts, rec);
	*anew = rc == -ENOENT || rc == -EBADMSG;
	return *anew ? begin_anew(s, now, rec) : rc;
}

static int
open_journal(struct spool *s, struct wall now, char *why, size_t n)
{
	struct journal_recovery rec;
	char damage[sizeof rec.detail];
	bool anew;
	int rc = journal_open(&s->journal, s->disk, &s->journal_opts, &rec);

	why[0] = '\0';
	if (rc == -EBADMSG) {
		memcpy(damage, rec.detail, sizeof damage);
		rc = mend(s, now, &rec, &anew);
		if (rc == 0)
			snprintf(why, n, "damaged, %s: %s", anew ? "put aside, begun anew" :
			    "what can be read is still sent", damage);
	} else if (rc == 0 && rec.torn_bytes > 0) {
		snprintf(why, n, "cut a torn tail of %" PRIu64 " bytes", rec.torn_bytes);
	}
	if (rc != 0) {
		snprintf(why, n, "%s%s%s", strerror(-rc), rec.detail[0] != '\0' ? ": " : "",
		    rec.detail);
		return rc;
	}
	s->opened_next = rec.next_seq;
	return 0;
}

/* What the first segments held is damaged: nothing of it can be sent. */
static void
lose_front(struct spool *s, uint64_t first_seq, struct wall now)
{
	s->hole = (struct gap){ .any = true, .from_ns = now.ns, .to_ns = now.ns,
		.first_seq = s->gone > s->acked ? s->gone : s->acked + 1, .last_seq = first_seq - 1 };
	if (s->gone == 0 || s->hole.first_seq > s->hole.last_seq)
		s->hole.any = false;
	else
		s->acked = s->hole.first_seq - 1;
	settle_hole(s);
}

static int
open_state(struct spool *s, struct wall now, char *why, size_t n)
{
	struct journal_stat js;
	const struct gap *lost;
	uint64_t cursor = 0;
	int rc = spool_boot_load(s->disk, s->boot_id, &s->numbering_first);

	journal_stat(s->journal, &js);
	if (rc == -ENOENT || rc == -EBADMSG)	/* batches of an unknown numbering: all are new */
		rc = boot_new(s, js.first_seq);
	if (rc != 0) {
		snprintf(why, n, "boot_id: %s", strerror(-rc));
		return rc;
	}
	if (journal_cursor_load(s->disk, CURSOR, &cursor) == 0 && cursor > 0)
		s->acked = cursor - 1;
	if (s->acked >= js.next_seq)
		s->acked = js.next_seq - 1;
	if (s->acked + 1 < js.first_seq)
		lose_front(s, js.first_seq, now);
	if (s->acked + 1 < js.first_seq)
		s->acked = js.first_seq - 1;
	if (s->acked + 1 < s->numbering_first)
		s->acked = s->numbering_first - 1;
	s->saved = s->acked;
	/* Lost by our own account, though the cursor is older and the purge was cut short. */
	lost = &s->gaps.telling[GAP_SPOOL_FULL];
	if (!lost->any || s->gaps.gap[GAP_SPOOL_FULL].last_seq > lost->last_seq)
		lost = &s->gaps.gap[GAP_SPOOL_FULL];
	if (lost->any && lost->last_seq > s->acked && lost->last_seq < js.next_seq)
		s->acked = lost->last_seq;
	(void)gaps_tell(&s->gaps);	/* the file may be older than the batch that tells it */
	resolve_gaps(s, js.next_seq);
	return 0;
}

int
spool_open(struct spool **out, struct disk *disk, struct rng *rng, const struct spool_opts *opts,
    struct wall now, char *why, size_t n)
{
	struct spool *s = xcalloc(1, sizeof *s);
	uint64_t segment;
	int rc;

	*out = NULL;
	s->disk = disk;
	s->rng = rng;
	s->max_bytes = opts->max_bytes > 0 ? opts->max_bytes : MAX_BYTES_DEFAULT;
	s->memory_max = opts->memory_bytes > 0 ? opts->memory_bytes : MEMORY_DEFAULT;
	segment = s->max_bytes / 64;
	segment = segment < 64 * 1024 ? 64 * 1024 : segment > (4 << 20) ? 4 << 20 : segment;
	s->journal_opts.segment_bytes = opts->segment_bytes > 0 ? opts->segment_bytes : segment;
	s->tail = &s->head;
	gaps_load(&s->gaps, disk);
	rc = open_journal(s, now, why, n);
	if (rc == 0)
		rc = open_state(s, now, why, n);
	if (rc != 0)
		spool_close(s);
	else
		*out = s;
	return rc;
}

static void
close_reader(struct spool *s)
{
	journal_reader_close(s->reader);
	s->reader = NULL;
	s->reader_seq = 0;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	if (s->journal != NULL && s->saved != s->acked)
		(void)save_cursor(s);
	close_reader(s);
	journal_close(s->journal);
	while (s->head != NULL) {
		struct waiting *w = s->head;

		s->head = w->next;
		free(w->data);
		free(w);
	}
	free(s->repacked);
	free(s);
}

/* ------------------------------------------------------------------ writing */

static uint64_t
next_seq(const struct spool *s)
{
	struct journal_stat js;

	if (s->journal == NULL)
		return 0;
	journal_stat(s->journal, &js);
	return js.next_seq;
}

/* One durable record, or nothing. */
static int
write_record(struct spool *s, struct wall now, const void *data, size_t len)
{
	uint64_t seq;
	int rc = journal_append(s->journal, JREC_SPOOL, now, data, len, &seq);

	if (rc == 0)
		rc = journal_sync(s->journal);
	if (rc != 0)
		(void)journal_rollback(s->journal);
	return rc;
}

/* The batch under another number or numbering; *data is replaced. */
static int
renumber(struct spool *s, uint64_t seq, uint8_t **data, size_t *len)
{
	Linkwatch__Pb__Batch *b = linkwatch__pb__batch__unpack(NULL, *len, *data);
	ProtobufCBinaryData id = { .len = BOOT_ID_LEN, .data = s->boot_id }, old;

	if (b == NULL)
		return -EBADMSG;
	old = b->boot_id;
	b->boot_id = id;
	b->seq = seq;
	*len = linkwatch__pb__batch__get_packed_size(b);
	free(*data);
	*data = xmalloc(*len);
	linkwatch__pb__batch__pack(b, *data);
	b->boot_id = old;
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

static void
pop_waiting(struct spool *s)
{
	struct waiting *w = s->head;

	s->head = w->next;
	if (s->head == NULL)
		s->tail = &s->head;
	s->waiting_bytes -= w->len;
	s->waiting_n--;
	free(w->data);
	free(w);
}

/* After a failed sync a record may stand or not: is the first that waits the newest on disk? */
static void
drop_if_written(struct spool *s)
{
	struct spool_batch last;
	uint64_t next = next_seq(s);

	if (s->head == NULL || next < 2 || spool_get(s, next - 1, &last) != 1)
		return;
	if (last.len == s->head->len && memcmp(last.data, s->head->data, last.len) == 0)
		pop_waiting(s);
}

static int
reopen(struct spool *s, struct wall now)
{
	struct journal_recovery rec;
	bool anew;
	int rc;

	close_reader(s);
	journal_close(s->journal);
	s->journal = NULL;
	rc = journal_open(&s->journal, s->disk, &s->journal_opts, &rec);
	if (rc == 0) {
		drop_if_written(s);
		resolve_gaps(s, next_seq(s));
		return 0;
	}
	if (rc != -EBADMSG)
		return rc;
	rc = mend(s, now, &rec, &anew);
	if (rc != 0)
		return rc;
	if (!anew) {
		drop_if_written(s);
		resolve_gaps(s, next_seq(s));
		return 0;
	}
	s->opened_next = rec.next_seq;
	s->acked = s->saved = 0;
	return boot_new(s, rec.first_seq);
}

/* Keeps b for later; what does not fit any more is lost, and counted. */
static void
wait_for_disk(struct spool *s, uint8_t *data, size_t len)
{
	struct waiting *w;

	if (s->waiting_bytes + len > s->memory_max) {
		struct gap lost = { 0 };

		(void)gap_count_batch(&lost, &s->gaps, data, len, false);
		account(s, GAP_DISK, &lost);
		free(data);
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->data = data;
	w->len = len;
	*s->tail = w;
	s->tail = &w->next;
	s->waiting_bytes += len;
	s->waiting_n++;
}

/* Tells what the file says: a crash on the way then finds out whether it was told. */
static int
write_gaps(struct spool *s, struct wall now)
{
	uint8_t *data;
	size_t len;
	int rc = write_account(s);

	if (rc != 0 || !gaps_tell(&s->gaps))
		return rc;
	gaps_pack(&s->gaps, s->boot_id, next_seq(s), &data, &len);
	rc = write_record(s, now, data, len);
	free(data);
	if (rc != -EIO) {		/* -EIO: reopen() sees what became of it */
		gaps_resolve(&s->gaps, rc == 0);
		s->gaps_unsaved = rc == 0;
	}
	return rc;
}

/* The samples of batches [from, to) that go unacknowledged. */
static void
count_lost(struct spool *s, uint64_t from, uint64_t to, struct gap *lost)
{
	struct spool_batch b;

	for (uint64_t seq = from; seq < to; seq = b.seq + 1)
		if (spool_get(s, seq, &b) != 1 || b.seq >= to ||
		    gap_count_batch(lost, &s->gaps, b.data, b.len, true) != 0)
			break;
	lost->any = true;		/* even if they can no longer be read */
	lost->first_seq = from;
	lost->last_seq = to - 1;
}

/* Back below max_bytes: the oldest segments go. */
static int
keep_bounds(struct spool *s)
{
	struct gap lost = { 0 };
	struct journal_stat js;
	uint64_t to;
	int rc;

	journal_stat(s->journal, &js);
	if (js.bytes <= s->max_bytes)
		return 0;
	to = journal_purge_point(s->journal, s->max_bytes, (struct wall){ INT64_MIN });
	if (to > s->acked + 1) {
		count_lost(s, s->acked + 1, to, &lost);
		account(s, GAP_SPOOL_FULL, &lost);
		if (s->acked < to - 1)
			s->acked = to - 1;
	}
	rc = write_account(s);		/* before it goes */
	if (rc != 0)
		return rc;
	close_reader(s);
	return journal_purge(s->journal, to);
}

int
spool_flush(struct spool *s, struct wall now)
{
	int rc = 0;

	if (s->journal == NULL || s->error == -EIO)
		rc = reopen(s, now);
	while (rc == 0 && s->head != NULL) {
		s->waiting_bytes -= s->head->len;	/* another number may have another length */
		rc = renumber(s, next_seq(s), &s->head->data, &s->head->len);
		s->waiting_bytes += s->head->len;
		if (rc == 0)
			rc = write_record(s, now, s->head->data, s->head->len);
		if (rc == 0 || rc == -EBADMSG)
			pop_waiting(s);
	}
	if (rc == 0 && gaps_any(&s->gaps))
		rc = write_gaps(s, now);
	if (rc == 0)
		rc = keep_bounds(s);
	if (rc == 0)
		(void)write_account(s);	/* if it fails: with the next step */
	if (rc == 0 && s->acked - s->saved >= CURSOR_EVERY)
		(void)save_cursor(s);	/* old, it costs a repeat, not a loss */
	s->error = rc;
	return rc;
}

int
spool_put(struct spool *s, struct batch_builder *b, struct wall now)
{
	uint8_t *data;
	size_t len;
	int rc;

	if (!batch_builder_is_empty(b)) {
		rc = batch_builder_finish(b, s->boot_id, next_seq(s), &data, &len);
		if (rc != 0)
			return rc;
		wait_for_disk(s, data, len);
	}
	return spool_flush(s, now);
}

/* ------------------------------------------------------------------ reading */

static int
open_reader(struct spool *s, uint64_t seq)
{
	int rc;

	close_reader(s);
	rc = journal_reader_open(&s->reader, s->disk, seq);
	if (rc == 0)
		s->reader_seq = seq;
	return rc;
}

/* Batches from before a new numbering go out under its name. */
static int
under_this_boot(struct spool *s, struct spool_batch *out)
{
	const uint8_t *p = out->data;

	/* every batch begins with its boot id: field 1, 16 bytes */
	if (out->len > 2 + BOOT_ID_LEN && p[0] == 0x0a && p[1] == BOOT_ID_LEN &&
	    memcmp(p + 2, s->boot_id, BOOT_ID_LEN) == 0)
		return 0;
	free(s->repacked);
	s->repacked = xmalloc(out->len);
	memcpy(s->repacked, out->data, out->len);
	if (renumber(s, out->seq, &s->repacked, &out->len) != 0)
		return -EBADMSG;
	out->data = s->repacked;
	return 0;
}

/* The reader met damage where seq should stand: *r is the first batch behind it.  As spool_get(). */
static int
pass_damage(struct spool *s, uint64_t seq, struct journal_record *r)
{
	struct journal_stat js;
	uint64_t found;
	int rc = journal_reader_skip(s->reader, &found);

	if (rc == 1)
		rc = journal_reader_next(s->reader, r);
	if (rc < 0)
		return rc;
	journal_stat(s->journal, &js);
	if (rc == 0) {			/* nothing sound behind it: it goes up to the end */
		found = js.synced_seq + 1;
		r->wall.ns = s->read_ns;
	}
	s->hole = (struct gap){ .any = true, .to_ns = r->wall.ns,
		.from_ns = s->read_ns < r->wall.ns ? s->read_ns : r->wall.ns,
		.first_seq = seq > js.first_seq ? seq : js.first_seq, .last_seq = found - 1 };
	settle_hole(s);
	return rc;
}

int
spool_get(struct spool *s, uint64_t seq, struct spool_batch *out)
{
	struct journal_record r;
	struct journal_stat js;
	int rc = 0;

	if (s->journal == NULL)
		return 0;
	if (seq < s->numbering_first)
		seq = s->numbering_first;
	journal_stat(s->journal, &js);
	if (seq > js.synced_seq)
		return 0;
	if (s->reader == NULL || s->reader_seq != seq)
		rc = open_reader(s, seq);
	if (rc != 0)
		return rc;
	rc = journal_reader_next(s->reader, &r);
	if (rc == -ESTALE)
		rc = journal_reader_next(s->reader, &r);
	if (rc == -EBADMSG || rc == -EIO)
		rc = pass_damage(s, seq, &r);
	if (rc <= 0) {
		if (rc < 0)
			close_reader(s);
		return rc;
	}
	s->reader_seq = r.seq + 1;
	s->read_ns = r.wall.ns;
	*out = (struct spool_batch){ .seq = r.seq, .data = r.data, .len = r.len };
	rc = under_this_boot(s, out);
	return rc != 0 ? rc : 1;
}

/* ---------------------------------------------------------- acknowledgement */

int
spool_ack(struct spool *s, uint64_t seq)
{
	struct journal_stat js;
	int rc;

	if (s->journal == NULL)
		return 0;
	journal_stat(s->journal, &js);
	if (seq > js.synced_seq)
		return -ERANGE;
	if (seq <= s->acked)
		return 0;
	s->acked = seq;
	settle_hole(s);
	rc = write_account(s);
	return rc != 0 ? rc : journal_purge(s->journal, s->acked + 1);
}

bool
spool_lost_numbers(const struct spool *s, uint64_t acked, uint64_t sent)
{
	return acked >= s->opened_next && acked > sent;
}

int
spool_restart(struct spool *s)
{
	int rc = boot_new(s, s->opened_next);

	if (rc != 0)
		return rc;
	close_reader(s);
	if (s->acked + 1 < s->opened_next)
		s->acked = s->opened_next - 1;
	s->saved = 0;
	return 0;
}

const uint8_t *
spool_boot_id(const struct spool *s)
{
	return s->boot_id;
}

/* Behind what is gone, of another numbering or damaged. */
static uint64_t
first_to_send(const struct spool *s, uint64_t first)
{
	if (first < s->numbering_first)
		first = s->numbering_first;
	return first > s->hole_end ? first : s->hole_end + 1;
}

void
spool_stat(const struct spool *s, struct spool_stat *out)
{
	struct journal_stat js = { 0 };

	if (s->journal != NULL)
		journal_stat(s->journal, &js);
	*out = (struct spool_stat){
		.first_seq = first_to_send(s, js.first_seq),
		.next_seq = js.next_seq, .acked_seq = s->acked, .bytes = js.bytes,
		.batches = s->waiting_n, .dropped_samples = s->dropped,
		.memory_bytes = s->waiting_bytes, .error = s->error,
	};
	if (js.next_seq > s->acked + 1)
		out->batches += js.next_seq - 1 - s->acked;
}
