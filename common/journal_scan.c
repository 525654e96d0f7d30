/*
 * journal_scan.c - walking the records of one segment (see journal_scan.h).
 */
#include "common/journal_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define SCAN_BUF (JOURNAL_RECORD_MAX + 64 * 1024)
#define SCAN_BUF_FIRST (64 * 1024)	/* enough for most: an agent keeps one for ever */

_Static_assert(SCAN_BUF >= RECORD_HEADER + JOURNAL_RECORD_MAX, "the longest record must fit");

int
journal_scan_open(struct journal_scan *s, struct disk *disk, uint64_t first_seq)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint8_t head[SEGMENT_HEADER];
	ssize_t n;
	int r;

	memset(s, 0, sizeof *s);
	journal_segment_name(name, first_seq);
	r = disk->ops->open(disk, name, DISK_READ, &s->file);
	if (r != 0) {
		s->file = NULL;
		return r;
	}
	n = s->file->ops->pread(s->file, head, sizeof head, 0);
	s->limit = s->file->ops->size(s->file);
	if (n < 0 || s->limit < 0) {
		r = n < 0 ? (int)n : (int)s->limit;
		journal_scan_close(s);
		return r;
	}
	if (journal_segment_decode(head, (size_t)n, &s->head) != 0 ||
	    s->head.first_seq != first_seq) {
		journal_scan_close(s);
		return -EBADMSG;
	}
	s->off = SEGMENT_HEADER;
	s->cap = SCAN_BUF_FIRST;
	s->buf = xmalloc(s->cap);
	return 0;
}

void
journal_scan_close(struct journal_scan *s)
{
	if (s->file != NULL)
		s->file->ops->close(s->file);
	free(s->buf);
	s->file = NULL;
	s->buf = NULL;
	s->have = s->pos = 0;
}

static void
grow(struct journal_scan *s, size_t cap)
{
	s->cap = cap < SCAN_BUF ? cap : SCAN_BUF;
	s->buf = xreallocarray(s->buf, s->cap, 1);
}

/* Reads on behind what the buffer holds: bytes read, 0 at the limit, -errno. */
static ssize_t
scan_fill(struct journal_scan *s)
{
	int64_t at = s->off + (int64_t)(s->have - s->pos), left = s->limit - at;
	size_t room;
	ssize_t n;

	if (s->pos > 0) {
		memmove(s->buf, s->buf + s->pos, s->have - s->pos);
		s->have -= s->pos;
		s->pos = 0;
	}
	if (s->have == s->cap)
		grow(s, 2 * s->cap);	/* to what the records need: few are long */
	room = s->cap - s->have;
	if (left <= 0 || room == 0)
		return 0;
	if ((uint64_t)left < room)
		room = (size_t)left;
	n = s->file->ops->pread(s->file, s->buf + s->have, room, at);
	if (n > 0)
		s->have += (size_t)n;
	return n;
}

int
journal_scan_next(struct journal_scan *s, struct record_header *h, const uint8_t **data)
{
	for (;;) {
		ssize_t n =
		    journal_record_decode(s->buf + s->pos, s->have - s->pos, s->head.seed, h);

		if (n < 0)
			return -EBADMSG;
		if (n > 0) {
			*data = s->buf + s->pos + RECORD_HEADER;
			s->pos += (size_t)n;
			s->off += n;
			return 1;
		}
		n = scan_fill(s);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return s->have > s->pos ? -EBADMSG : 0;
	}
}

/* Is there a sound record that proves it in p[0..n)?  Looks at every byte. */
static bool
window_proves(const struct journal_scan *s, const uint8_t *p, size_t n, int64_t at, uint64_t seq)
{
	struct record_header h;
	uint8_t *data = NULL;
	bool proven = false;

	for (size_t i = 0; i + RECORD_HEADER <= n && !proven; i++) {
		struct record_header whole;

		if (journal_record_decode_header(p + i, s->head.seed, &h) != 0 || h.durable <= seq)
			continue;
		data = xreallocarray(data, RECORD_HEADER + h.len, 1);
		if (s->file->ops->pread(s->file, data, RECORD_HEADER + h.len,
		    at + (int64_t)i) != (ssize_t)(RECORD_HEADER + h.len))
			continue;
		proven =
		    journal_record_decode(data, RECORD_HEADER + h.len, s->head.seed, &whole) > 0;
	}
	free(data);
	return proven;
}

int
journal_scan_proves_damage(struct journal_scan *s, uint64_t seq)
{
	int64_t at = s->off + 1;
	bool proven = false;

	grow(s, SCAN_BUF);
	while (at < s->limit && !proven) {
		ssize_t n = s->file->ops->pread(s->file, s->buf, SCAN_BUF, at);

		if (n < 0)
			return (int)n;
		if (n < RECORD_HEADER)
			break;
		proven = window_proves(s, s->buf, (size_t)n, at, seq);
		at += n - (RECORD_HEADER - 1);
	}
	s->have = s->pos = 0;		/* off stays true: the buffer is filled again */
	return proven;
}

/* The first byte behind off where a sound record begins: off; 0: there is none. */
static int
next_sound(struct journal_scan *s)
{
	struct record_header h;
	int64_t at = s->off + 1;

	grow(s, SCAN_BUF);
	while (at < s->limit) {
		size_t want = s->limit - at < SCAN_BUF ? (size_t)(s->limit - at) : SCAN_BUF;
		ssize_t n = s->file->ops->pread(s->file, s->buf, want, at);

		s->have = s->pos = 0;	/* the buffer was used for something else */
		if (n < 0)
			return (int)n;
		for (size_t i = 0; i + RECORD_HEADER <= (size_t)n; i++) {
			/* The longest record fits, but perhaps not from here on. */
			ssize_t m = journal_record_decode(s->buf + i, (size_t)n - i, s->head.seed, &h);

			if (m == 0 && i > 0 && at + n < s->limit) {
				n = (ssize_t)(i + RECORD_HEADER - 1);
				break;
			}
			if (m > 0) {
				s->off = at + (int64_t)i;
				return 1;
			}
		}
		if (n < RECORD_HEADER)
			break;
		at += n - (RECORD_HEADER - 1);
	}
	s->have = s->pos = 0;
	return 0;
}

int
journal_scan_find(struct journal_scan *s, uint64_t seq)
{
	for (;;) {
		struct record_header h;
		const uint8_t *data;
		int64_t at = s->off;
		int r = journal_scan_next(s, &h, &data);

		if (r == 1 && h.seq >= seq) {
			s->pos -= (size_t)(s->off - at);	/* back to it */
			s->off = at;
			return 1;
		}
		if (r == -EBADMSG)
			r = next_sound(s);
		if (r != 1)
			return r;
	}
}

struct listing {
	uint64_t *v;
	size_t n, cap;
};

static void
listing_each(void *arg, const char *name)
{
	struct listing *l = arg;
	uint64_t seq;

	if (!journal_segment_name_parse(name, &seq))
		return;
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 16;
		l->v = xreallocarray(l->v, l->cap, sizeof *l->v);
	}
	l->v[l->n++] = seq;
}

static int
seq_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
journal_segments(struct disk *disk, uint64_t **v, size_t *n)
{
	struct listing l = { 0 };
	int r = disk->ops->list(disk, listing_each, &l);

	if (r != 0) {
		free(l.v);
		l = (struct listing){ 0 };
	} else if (l.n > 1) {
		qsort(l.v, l.n, sizeof *l.v, seq_compare);
	}
	*v = l.v;
	*n = l.n;
	return r;
}
