/*
 * journal_walk.c - following the chain through a segment (see journal_walk.h).
 */
#include "common/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Notes what is wrong with record seq, at off in the segment: -EBADMSG. */
__attribute__((format(printf, 5, 6)))
static int
damage(struct journal_recovery *rec, uint64_t segment, int64_t off, uint64_t seq, const char *fmt, ...)
{
	char name[SEGMENT_NAME_LEN + 1];
	va_list ap;
	int n;

	rec->bad_segment = segment;
	rec->bad_offset = off;
	rec->bad_seq = seq;
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
		return damage(rec, s->head.first_seq, s->off, t->next_seq, "record %" PRIu64
		    " is damaged and later segments stand", t->next_seq);
	if (t->next_seq < published)
		return damage(rec, s->head.first_seq, s->off, t->next_seq,
		    "record %" PRIu64 " is damaged and was published (up to %" PRIu64 ")",
		    t->next_seq, published - 1);
	r = journal_scan_proves_damage(s, t->next_seq);
	if (r == 1)
		return damage(rec, s->head.first_seq, s->off, t->next_seq, "record %" PRIu64
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
		return damage(rec, t->segment, off, t->next_seq, "record %" PRIu64 " stands where %" PRIu64
		    " should", h->seq, t->next_seq);
	journal_chain_hash(chain, t->hash, h, data, hash);
	if (memcmp(hash, h->hash, sizeof hash) != 0)
		return damage(rec, t->segment, off, h->seq, "record %" PRIu64 " breaks the hash chain", h->seq);
	memcpy(t->hash, hash, sizeof hash);
	if (h->durable == h->seq)
		t->group = off;
	if (t->each != NULL)
		t->each(t->arg, &(struct journal_record){ .seq = h->seq, .type = h->type,
			.wall = { h->wall_ns }, .data = data, .len = h->len }, hash);
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

/* Does the segment that s has opened continue what t ends with?  Then t stands at its beginning. */
static int
enter_segment(const struct journal_scan *s, struct journal_tail *t, struct journal_recovery *rec)
{
	uint64_t first_seq = s->head.first_seq;

	if (t->segment != 0 && t->next_seq != first_seq)
		return damage(rec, first_seq, 0, t->next_seq, "the segment begins with record %" PRIu64
		    ", the one before it ends with %" PRIu64, first_seq, t->next_seq - 1);
	if (t->segment != 0 && memcmp(t->hash, s->head.prev_hash, sizeof t->hash) != 0)
		return damage(rec, first_seq, 0, first_seq, "the segment of record %" PRIu64
		    " does not continue the one before it", first_seq);
	t->segment = t->next_seq = first_seq;
	t->seed = s->head.seed;
	t->end = t->group = SEGMENT_HEADER;
	memcpy(t->hash, s->head.prev_hash, sizeof t->hash);
	return 0;
}

int
journal_walk(struct disk *disk, struct journal_chain *chain, uint64_t first_seq,
    uint64_t published, bool last, struct journal_tail *t, struct journal_recovery *rec)
{
	struct journal_scan s;
	int r = journal_scan_open(&s, disk, first_seq);

	if (r == -EBADMSG)
		return damage(rec, first_seq, 0, first_seq, "the header of the segment of record %" PRIu64
		    " is damaged", first_seq);
	if (r != 0)
		return r;
	if (t->segment == first_seq)
		s.off = t->end;
	else
		r = enter_segment(&s, t, rec);
	t->size = s.limit;
	if (r == 0)
		r = walk_records(&s, chain, published, last, t, rec);
	if (r == 0 && last && t->next_seq < published)
		r = damage(rec, first_seq, t->end, t->next_seq,
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
