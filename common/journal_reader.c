/*
 * journal_reader.c - reading a journal, also while another process writes it.
 *
 * The tip says how far records are published; bytes beyond it are never even
 * read, since the writer may still take them back.  The reader walks from
 * segment to segment by number, so a purge is seen as a segment that is gone.
 */
#include "common/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/journal_format.h"
#include "common/journal_scan.h"
#include "common/mem.h"

#define TIP_TRIES 4			/* a read may meet a half-written tip */
#define LOCATE_TRIES 8			/* and a segment may go while we look for it */

struct journal_reader {
	struct disk *disk;		/* borrowed */
	struct disk_file *tip_file;	/* owned; NULL: not there yet */
	struct journal_tip tip;		/* the last one that was sound */
	struct journal_scan scan;	/* of the segment that holds next */
	uint64_t next;			/* the number to return next */
	bool from_first;		/* next is not fixed yet: the first that stands */
	char detail[160];
};

int
journal_reader_open(struct journal_reader **out, struct disk *disk, uint64_t from_seq)
{
	struct journal_reader *r = xcalloc(1, sizeof *r);

	r->disk = disk;
	r->next = from_seq > 1 ? from_seq : 1;
	r->from_first = from_seq <= 1;
	r->tip.next_seq = 1;
	*out = r;
	return 0;
}

void
journal_reader_close(struct journal_reader *r)
{
	if (r == NULL)
		return;
	journal_scan_close(&r->scan);
	if (r->tip_file != NULL)
		r->tip_file->ops->close(r->tip_file);
	free(r);
}

const char *
journal_reader_detail(const struct journal_reader *r)
{
	return r->detail;
}

/* Reads the tip anew; one that cannot be read sound leaves the old one. */
static int
refresh_tip(struct journal_reader *r)
{
	uint8_t bytes[TIP_LEN];
	struct journal_tip tip;

	if (r->tip_file == NULL) {
		int e = r->disk->ops->open(r->disk, "tip", DISK_READ, &r->tip_file);

		if (e != 0) {
			r->tip_file = NULL;
			return e == -ENOENT ? 0 : e;
		}
	}
	for (int i = 0; i < TIP_TRIES; i++) {
		ssize_t n = r->tip_file->ops->pread(r->tip_file, bytes, sizeof bytes, 0);

		if (n < 0)
			return (int)n;
		if (journal_tip_decode(bytes, (size_t)n, &tip) == 0) {
			r->tip = tip;
			break;
		}
	}
	return 0;
}

uint64_t
journal_reader_limit(struct journal_reader *r)
{
	refresh_tip(r);
	return r->tip.next_seq;
}

/* The record that should be next cannot be had. */
static int
damaged(struct journal_reader *r, const char *what)
{
	char name[SEGMENT_NAME_LEN + 1];

	journal_segment_name(name, r->scan.head.first_seq);
	snprintf(r->detail, sizeof r->detail, "%s, offset %" PRId64 ": record %" PRIu64 " %s",
	    name, r->scan.off, r->next, what);
	return -EBADMSG;
}

/* The segment that holds record next, among v: its index, or n when none does. */
static size_t
segment_of(const uint64_t *v, size_t n, uint64_t next)
{
	size_t i = n;

	while (i > 0 && v[i - 1] > next)
		i--;
	return i > 0 ? i - 1 : n;
}

/* Opens the segment that holds r->next.  1: open; -ESTALE: purged, next moved; else -errno. */
static int
locate(struct journal_reader *r)
{
	for (int i = 0; i < LOCATE_TRIES; i++) {
		uint64_t *v, first_seq;
		size_t n, at;
		bool gone = false;
		int e = journal_segments(r->disk, &v, &n);

		if (e != 0)
			return e;
		if (n == 0) {
			free(v);
			return damaged(r, "is published, but no segment stands");
		}
		if (r->from_first)
			r->next = v[0];
		at = segment_of(v, n, r->next);
		gone = at == n;
		first_seq = gone ? v[0] : v[at];
		free(v);
		if (gone) {
			r->next = first_seq;
			return -ESTALE;
		}
		e = journal_scan_open(&r->scan, r->disk, first_seq);
		if (e == 0) {
			r->from_first = false;
			return 1;
		}
		if (e != -ENOENT) {
			snprintf(r->detail, sizeof r->detail,
			    "%020" PRIu64 ".seg: the segment's header cannot be read", first_seq);
			return e;
		}
	}
	snprintf(r->detail, sizeof r->detail, "segments vanish while they are looked for");
	return -EBADMSG;
}

/* How far the open segment may be read. */
static int
set_limit(struct journal_reader *r)
{
	int64_t size;

	if (r->scan.head.first_seq == r->tip.segment) {
		r->scan.limit = (int64_t)r->tip.offset;
		return 0;
	}
	size = r->scan.file->ops->size(r->scan.file);
	if (size < 0)
		return (int)size;
	r->scan.limit = size;
	return 0;
}

/* The next record of the open segment that is not below r->next: as journal_scan_next. */
static int
next_in_segment(struct journal_reader *r, struct record_header *h, const uint8_t **data)
{
	int e = set_limit(r);

	if (e != 0)
		return e;
	do {
		e = journal_scan_next(&r->scan, h, data);
		if (e == -EBADMSG)
			return damaged(r, "is damaged");
	} while (e == 1 && h->seq < r->next);
	if (e == 1 && h->seq != r->next)
		return damaged(r, "should stand here, but another does");
	return e;
}

/* In segment first_seq: as journal_reader_skip(); -EBADMSG and -EIO: nothing of it can be read. */
static int
skip_in_segment(struct journal_reader *r, uint64_t first_seq)
{
	struct record_header h;
	const uint8_t *data;
	int64_t at;
	int e = journal_scan_open(&r->scan, r->disk, first_seq);

	if (e == 0)
		e = set_limit(r);
	if (e == 0)
		e = journal_scan_find(&r->scan, r->next);
	at = r->scan.off;
	if (e == 1)
		e = journal_scan_next(&r->scan, &h, &data);
	if (e == 1 && h.seq < r->tip.next_seq) {
		r->next = h.seq;
		r->scan.pos -= (size_t)(r->scan.off - at);	/* back to it */
		r->scan.off = at;
		return 1;
	}
	journal_scan_close(&r->scan);
	return e < 0 ? e : 0;
}

int
journal_reader_skip(struct journal_reader *r, uint64_t *seq)
{
	uint64_t *v;
	size_t n, i;
	int e = refresh_tip(r);

	journal_scan_close(&r->scan);
	if (e == 0)
		e = journal_segments(r->disk, &v, &n);
	if (e != 0)
		return e;
	i = segment_of(v, n, r->next);
	for (i = i == n ? 0 : i; i < n && e == 0 && v[i] < r->tip.next_seq; i++) {
		e = skip_in_segment(r, v[i]);
		if (e == -EBADMSG || e == -EIO || e == -ENOENT)
			e = 0;			/* the next one, then */
	}
	free(v);
	r->from_first = r->from_first && e != 1;
	*seq = r->next;
	return e;
}

int
journal_reader_next(struct journal_reader *r, struct journal_record *out)
{
	bool located = false;
	int e;

	memset(out, 0, sizeof *out);
	if (r->next >= r->tip.next_seq && (e = refresh_tip(r)) != 0)
		return e;
	if (r->next >= r->tip.next_seq)
		return 0;
	for (;;) {
		struct record_header h;
		const uint8_t *data;

		if (r->scan.file == NULL) {
			e = locate(r);
			if (e == -ESTALE)
				out->seq = r->next;
			if (e != 1)
				return e;
			located = true;
		}
		e = next_in_segment(r, &h, &data);
		if (e == 1) {
			*out = (struct journal_record){ .seq = h.seq, .type = h.type,
				.wall = { h.wall_ns }, .data = data, .len = h.len };
			r->next++;
			return 1;
		}
		if (e < 0)
			return e;
		/* The segment is done; next is published, so another one has it. */
		if (located || r->scan.head.first_seq == r->tip.segment)
			return damaged(r, "is missing");
		journal_scan_close(&r->scan);
	}
}
