/*
 * journal_verify.c - is every record as it was written, and where does the
 * journal stand?  Reads only, also while another process writes and purges.
 */
#include "common/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/journal_format.h"
#include "common/journal_scan.h"
#include "common/journal_walk.h"
#include "common/mem.h"

#define TIP_TRIES 4			/* a read may meet a half-written tip */

/* The tip as it is now; one that is torn or not there says nothing: all zero. */
static int
read_tip(struct disk *disk, struct journal_tip *tip)
{
	int r = 0;

	memset(tip, 0, sizeof *tip);
	for (int i = 0; i < TIP_TRIES && r == 0; i++) {
		void *data = NULL;
		size_t n;
		bool sound;

		r = disk_read_file(disk, "tip", TIP_LEN, &data, &n);
		sound = r == 0 && journal_tip_decode(data, n, tip) == 0;
		free(data);
		if (sound)
			return 0;
	}
	memset(tip, 0, sizeof *tip);
	return r == -ENOENT || r == -EFBIG ? 0 : r;
}

static int
nothing_stands(const struct journal_tip *tip, struct journal_recovery *rec)
{
	if (tip->next_seq <= 1)
		return 0;
	rec->bad_seq = tip->next_seq - 1;
	snprintf(rec->detail, sizeof rec->detail, "no segment stands, but record %" PRIu64 " was published",
	    tip->next_seq - 1);
	return -EBADMSG;
}

/*
 * The last segment, in which a writer may be at work: what looked damaged was only half written if more
 * has been published meanwhile.  Then it is read again from the last sound record on.
 */
static int
walk_last(struct disk *disk, struct journal_chain *chain, uint64_t first_seq, struct journal_tip *tip,
    struct journal_tail *t, struct journal_recovery *rec)
{
	for (;;) {
		uint64_t published = tip->next_seq;
		int r = journal_walk(disk, chain, first_seq, published, true, t, rec), e;

		if (r != -EBADMSG || t->segment != first_seq)
			return r;
		e = read_tip(disk, tip);
		if (e != 0)
			return e;
		if (tip->next_seq <= published)
			return r;
		rec->detail[0] = '\0';
	}
}

/* Walks the n segments of v. -ENOENT: one of them has gone since they were listed. */
static int
walk_listed(struct disk *disk, struct journal_chain *chain, const uint64_t *v, size_t n,
    struct journal_tip *tip, struct journal_tail *t, struct journal_recovery *rec)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		bool last = i + 1 == n;

		if (v[i] < t->next_seq && t->segment != 0)
			continue;		/* done before the list was made anew */
		if (last && tip->next_seq <= v[i] && journal_is_stillborn(disk, v[i]) == 1)
			break;
		if (t->segment == 0)
			rec->first_seq = v[i];
		r = last ? walk_last(disk, chain, v[i], tip, t, rec) :
		    journal_walk(disk, chain, v[i], tip->next_seq, false, t, rec);
	}
	return r;
}

/* Was record next taken by retention: is the first segment that stands behind it? */
static bool
was_purged(const uint64_t *v, size_t n, const struct journal_tail *t)
{
	return n > 0 && t->segment != 0 && v[0] >= t->next_seq;
}

int
journal_check(struct disk *disk, journal_each_fn *each, void *arg, struct journal_recovery *rec)
{
	struct journal_chain *chain = journal_chain_new();
	struct journal_tail t = { .each = each, .arg = arg };
	struct journal_tip tip;
	bool again = false;
	int r;

	memset(rec, 0, sizeof *rec);
	rec->first_seq = rec->next_seq = 1;
	do {
		uint64_t *v = NULL;
		size_t n = 0;

		r = read_tip(disk, &tip);
		if (r == 0)
			r = journal_segments(disk, &v, &n);
		if (r == 0 && n == 0)
			r = nothing_stands(&tip, rec);
		if (r == 0 && again && was_purged(v, n, &t))
			t = (struct journal_tail){ .each = each, .arg = arg };
		if (r == 0)
			r = walk_listed(disk, chain, v, n, &tip, &t, rec);
		free(v);
		again = r == -ENOENT;		/* it always is about a later one */
	} while (again);
	if (t.segment != 0) {
		rec->next_seq = t.next_seq;
		memcpy(rec->head, t.hash, sizeof rec->head);
	} else {
		rec->next_seq = rec->first_seq;
	}
	if (r == 0 && t.segment != 0)
		rec->torn_bytes = (uint64_t)(t.size - t.end);
	journal_chain_free(chain);
	return r;
}

int
journal_verify(struct disk *disk, struct journal_recovery *rec)
{
	return journal_check(disk, NULL, NULL, rec);
}

/* ------------------------------------------------------------ where it stands */

int
journal_segment_list(struct disk *disk, struct journal_segment **out, size_t *n)
{
	uint64_t *seq;
	int r = journal_segments(disk, &seq, n);

	*out = NULL;
	if (r != 0)
		return r;
	*out = xcalloc(*n + 1, sizeof **out);
	for (size_t i = 0; i < *n; i++) {
		struct journal_segment *s = &(*out)[i];
		struct journal_scan scan = { 0 };

		s->first_seq = seq[i];
		if (journal_scan_open(&scan, disk, seq[i]) != 0)
			continue;
		s->wall.ns = scan.head.wall_ns;
		s->bytes = (uint64_t)scan.limit;
		journal_scan_close(&scan);
	}
	free(seq);
	return 0;
}

int
journal_head(struct disk *disk, uint64_t *seq, uint8_t hash[JOURNAL_HASH_LEN], struct wall *at)
{
	struct journal_scan scan = { 0 };
	struct record_header h;
	struct journal_tip tip;
	const uint8_t *data;
	int r = read_tip(disk, &tip);

	*seq = 0;
	memset(hash, 0, JOURNAL_HASH_LEN);
	if (r != 0 || tip.segment == 0)
		return r;
	r = journal_scan_open(&scan, disk, tip.segment);
	if (r == 0)
		scan.limit = (int64_t)tip.offset;
	while (r == 0 && (r = journal_scan_next(&scan, &h, &data)) == 1) {
		*seq = h.seq;
		memcpy(hash, h.hash, JOURNAL_HASH_LEN);
		*at = (struct wall){ h.wall_ns };
		r = 0;
	}
	if (r == 0 && *seq == 0 && tip.next_seq > tip.segment)
		r = -EBADMSG;
	if (r == 0 && *seq == 0) {		/* the segment is new and empty: the one before it ended so */
		*seq = tip.next_seq - 1;
		memcpy(hash, scan.head.prev_hash, JOURNAL_HASH_LEN);
		*at = (struct wall){ scan.head.wall_ns };
	}
	if (scan.file != NULL)
		journal_scan_close(&scan);
	return r;
}
