/*
 * journal_walk.c - following the chain through a segment (see journal_walk.h).
 */
#include "common/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 5)))
static int
damage(struct journal_recovery *rec, uint64_t segment, int64_t off, const char *fmt, ...)
{
	char name[SEGMENT_NAME_LEN + 1];
	va_list ap;
	int n;

	journal_segment_name(name, segment);
	n = snprintf(rec->detail, sizeof rec->detail, "%s, offset %" PRId64 ": ", name, off);
	va_start(ap, fmt);
	vsnprintf(rec->detail + n, sizeof rec->detail - (size_t)n, fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

/* The bad record at s->off has number t->next_seq: torn (0) or damaged (-EBADMSG)? */
static int
judge_bad(struct journal_scan *s, uint64_t published, bool last, const struct journal_tail *t,
    struct journal_recovery *rec)
{
	int r;

	if (!last)
		return damage(rec, s->head.first_seq, s->off, "record %" PRIu64
		    " is damaged and later segments stand", t->next_seq);
	if (t->next_seq < published)
		return damage(rec, s->head.first_seq, s->off,
		    "record %" PRIu64 " is damaged and was published (up to %" PRIu64 ")",
		    t->next_seq, published - 1);
	r = journal_scan_proves_damage(s, t->next_seq);
	if (r == 1)
		return damage(rec, s->head.first_seq, s->off, "record %" PRIu64
		    " is damaged and sound ones stand behind it", t->next_seq);
	return r;
}

/* Does the sound record h continue the chain that ends at t? */
static int
take_record(struct journal_chain *chain, const struct record_header *h, const uint8_t *data,
    int64_t off, struct journal_tail *t, struct journal_recovery *rec)
{
	uint8_t hash[JOURNAL_HASH_LEN];

	if (h->seq != t->next_seq)
		return damage(rec, t->segment, off, "record %" PRIu64 " stands where %" PRIu64
		    " should", h->seq, t->next_seq);
	journal_chain_hash(chain, t->hash, h, data, hash);
	if (memcmp(hash, h->hash, sizeof hash) != 0)
		return damage(
		    rec, t->segment, off, "record %" PRIu64 " breaks the hash chain", h->seq);
	memcpy(t->hash, hash, sizeof hash);
	if (h->durable == h->seq)
		t->group = off;
	t->next_seq++;
	return 0;
}

static int
walk_records(struct journal_scan *s, struct journal_chain *chain, uint64_t published, bool last,
    struct journal_tail *t, struct journal_recovery *rec)
{
	for (;;) {
		struct record_header h;
		const uint8_t *data;
		int64_t off = s->off;
		int r = journal_scan_next(s, &h, &data);

		if (r == -EBADMSG)
			return judge_bad(s, published, last, t, rec);
		if (r <= 0)
			return r;
		if ((r = take_record(chain, &h, data, off, t, rec)) != 0)
			return r;
		t->end = s->off;
	}
}

int
journal_walk(struct disk *disk, struct journal_chain *chain, uint64_t first_seq,
    uint64_t published, bool last, struct journal_tail *t, struct journal_recovery *rec)
{
	struct journal_scan s;
	int r = journal_scan_open(&s, disk, first_seq);

	if (r == -EBADMSG)
		return damage(rec, first_seq, 0, "the segment's header is damaged");
	if (r != 0)
		return r;
	if (t->segment != 0 && t->next_seq != first_seq)
		r = damage(rec, first_seq, 0, "the segment before it ends with record %" PRIu64,
		    t->next_seq - 1);
	else if (t->segment != 0 && memcmp(t->hash, s.head.prev_hash, sizeof t->hash) != 0)
		r = damage(rec, first_seq, 0, "the segment does not continue the one before it");
	if (r == 0) {
		t->segment = t->next_seq = first_seq;
		t->seed = s.head.seed;
		t->end = t->group = SEGMENT_HEADER;
		t->size = s.limit;
		memcpy(t->hash, s.head.prev_hash, sizeof t->hash);
		r = walk_records(&s, chain, published, last, t, rec);
	}
	if (r == 0 && last && t->next_seq < published)
		r = damage(rec, first_seq, t->end,
		    "the journal ends with record %" PRIu64 ", %" PRIu64 " was published",
		    t->next_seq - 1, published - 1);
	journal_scan_close(&s);
	return r;
}

int
journal_is_stillborn(struct disk *disk, uint64_t first_seq)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint8_t head[SEGMENT_HEADER];
	struct segment_header h;
	struct disk_file *f;
	int64_t size;
	ssize_t n;
	int r;

	journal_segment_name(name, first_seq);
	r = disk->ops->open(disk, name, DISK_READ, &f);
	if (r != 0)
		return r;
	size = f->ops->size(f);
	n = f->ops->pread(f, head, sizeof head, 0);
	f->ops->close(f);
	if (size < 0 || n < 0)
		return size < 0 ? (int)size : (int)n;
	return size <= SEGMENT_HEADER && journal_segment_decode(head, (size_t)n, &h) != 0;
}
