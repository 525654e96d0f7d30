/*
 * journal.c - the writer of a journal: opening, appending, syncing, purging.
 *
 * journal_format.c opens with the format, byte by byte.  Everything that was
 * appended since the last sync stands in one buffer and goes to the file in
 * one write, then fdatasync, then the tip.  A group never spans two segments:
 * a new one is begun by the first record behind a sync, and its file and
 * directory entry are durable before that record is.
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

#define SEGMENT_BYTES_DEFAULT (16 * 1024 * 1024)
#define BUFFER_MAX (64 * 1024 * 1024)
#define BUFFER_KEEP (1024 * 1024)
#define REWRITE_CHUNK (1024 * 1024)

struct segment {
	uint64_t first_seq;
	int64_t wall_ns;		/* of its first record */
	int64_t bytes;
};

struct journal {
	struct disk *disk;		/* borrowed */
	struct disk_file *lock, *tip;	/* owned */
	struct disk_file *file;		/* owned: the last segment; NULL: none yet */
	struct journal_chain *chain;	/* owned */
	struct segment *seg;		/* owned: all, by number */
	size_t segs, segs_cap;
	uint64_t segment_bytes;
	uint32_t seed;			/* of the last segment */
	int64_t end;			/* of what is synced in the last segment */
	uint64_t synced;		/* the first number that is not durable */
	uint64_t next;			/* the number that the next record gets */
	uint8_t synced_hash[JOURNAL_HASH_LEN], hash[JOURNAL_HASH_LEN];
	uint8_t *buf;			/* owned: records synced..next - 1 */
	size_t buf_len, buf_cap;
	bool poisoned;
};

/* ENOSPC by all its names, so that callers look for one. */
static int
disk_error(int r)
{
	return r == -EDQUOT || r == -EFBIG ? -ENOSPC : r;
}

static int
write_at(struct disk_file *f, const void *data, size_t n, int64_t off)
{
	struct iovec v = { .iov_base = (void *)data, .iov_len = n };

	return disk_error(f->ops->pwritev(f, &v, 1, off));
}

static void
add_segment(struct journal *j, uint64_t first_seq, int64_t wall_ns, int64_t bytes)
{
	if (j->segs == j->segs_cap) {
		j->segs_cap = j->segs_cap * 2 + 16;
		j->seg = xreallocarray(j->seg, j->segs_cap, sizeof *j->seg);
	}
	j->seg[j->segs++] = (struct segment){ .first_seq = first_seq, .wall_ns = wall_ns,
		.bytes = bytes };
}

static int
publish(struct journal *j)
{
	struct journal_tip tip = {
		.next_seq = j->synced,
		.segment = j->segs > 0 ? j->seg[j->segs - 1].first_seq : 0,
		.offset = (uint64_t)j->end,
	};
	uint8_t bytes[TIP_LEN];

	journal_tip_encode(bytes, &tip);
	return write_at(j->tip, bytes, sizeof bytes, 0);
}

/* --------------------------------------------------------------- opening */

/* Reads the tip; one that is torn or not there says nothing (0 and 1: new). */
static int
read_tip(struct journal *j, struct journal_tip *tip)
{
	uint8_t bytes[TIP_LEN];
	ssize_t n = j->tip->ops->pread(j->tip, bytes, sizeof bytes, 0);

	if (n < 0)
		return (int)n;
	if (journal_tip_decode(bytes, (size_t)n, tip) != 0)
		memset(tip, 0, sizeof *tip);
	return n == 0;
}

/* Takes in one segment that is not the last: its size and first time. */
static int
load_segment(struct journal *j, uint64_t first_seq, struct journal_recovery *rec)
{
	struct journal_scan s;
	int r = journal_scan_open(&s, j->disk, first_seq);

	if (r == -EBADMSG)
		snprintf(rec->detail, sizeof rec->detail,
		    "%020" PRIu64 ".seg, offset 0: the segment's header is damaged", first_seq);
	if (r != 0)
		return r;
	add_segment(j, first_seq, s.head.wall_ns, s.limit);
	journal_scan_close(&s);
	return 0;
}

/* Lists the segments; one whose creation was cut short is removed. */
static int
load_segments(struct journal *j, const struct journal_tip *tip, struct journal_recovery *rec)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint64_t *v;
	size_t n;
	int r = journal_segments(j->disk, &v, &n);

	if (r == 0 && n > 0 && tip->next_seq <= v[n - 1]) {
		r = journal_is_stillborn(j->disk, v[n - 1]);
		if (r == 1) {
			journal_segment_name(name, v[--n]);
			r = j->disk->ops->unlink(j->disk, name);
		}
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = load_segment(j, v[i], rec);
	free(v);
	if (r == 0 && n == 0 && tip->next_seq > 1) {
		snprintf(rec->detail, sizeof rec->detail,
		    "no segment stands, but record %" PRIu64 " was published", tip->next_seq - 1);
		r = -EBADMSG;
	}
	return r;
}

/*
 * Writes the bytes from..end again and syncs them.  After a sync that failed
 * the kernel may hold pages as clean that the disk never got: only bytes
 * written anew are sure to be synced.
 */
static int
rewrite(struct journal *j, int64_t from, int64_t end)
{
	uint8_t *buf = xmalloc(REWRITE_CHUNK);
	int r = 0;

	while (from < end && r == 0) {
		size_t want = end - from < REWRITE_CHUNK ? (size_t)(end - from) : REWRITE_CHUNK;
		ssize_t n = j->file->ops->pread(j->file, buf, want, from);

		if (n <= 0)
			r = n < 0 ? (int)n : -EIO;
		else
			r = write_at(j->file, buf, (size_t)n, from);
		from += n;
	}
	free(buf);
	return r != 0 ? r : j->file->ops->sync(j->file);
}

/* Finds the end of the last segment, cuts what is torn, makes the rest durable. */
static int
recover_last(struct journal *j, const struct journal_tip *tip, struct journal_recovery *rec)
{
	char name[SEGMENT_NAME_LEN + 1];
	struct journal_tail t = { 0 };
	uint64_t first_seq = j->seg[j->segs - 1].first_seq;
	int r = journal_walk(j->disk, j->chain, first_seq, tip->next_seq, true, &t, rec);

	if (r != 0)
		return r;
	journal_segment_name(name, first_seq);
	r = j->disk->ops->open(j->disk, name, DISK_READ | DISK_WRITE, &j->file);
	if (r != 0) {
		j->file = NULL;
		return r;
	}
	if (t.size > t.end) {
		rec->torn_bytes = (uint64_t)(t.size - t.end);
		r = j->file->ops->truncate(j->file, t.end);
	}
	/* A segment without records: the sync of its header may have failed, too. */
	if (r == 0 && (tip->next_seq < t.next_seq || t.size > t.end || t.next_seq == first_seq))
		r = rewrite(j, t.group == SEGMENT_HEADER ? 0 : t.group, t.end);
	j->seg[j->segs - 1].bytes = j->end = t.end;
	j->seed = t.seed;
	j->synced = j->next = t.next_seq;
	memcpy(j->hash, t.hash, sizeof j->hash);
	memcpy(j->synced_hash, t.hash, sizeof j->synced_hash);
	return r;
}

static int
open_files(struct journal *j, struct journal_tip *tip, struct journal_recovery *rec)
{
	int r = j->disk->ops->open(
	    j->disk, "lock", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_LOCK, &j->lock);

	if (r != 0) {
		j->lock = NULL;
		return r;
	}
	r = j->disk->ops->open(j->disk, "tip", DISK_READ | DISK_WRITE | DISK_CREATE, &j->tip);
	if (r != 0) {
		j->tip = NULL;
		return r;
	}
	r = read_tip(j, tip);
	rec->created = r == 1;
	return r < 0 ? r : 0;
}

int
journal_open(struct journal **out, struct disk *disk, const struct journal_opts *opts,
    struct journal_recovery *rec)
{
	struct journal *j = xcalloc(1, sizeof *j);
	struct journal_tip tip;
	int r;

	memset(rec, 0, sizeof *rec);
	*out = NULL;
	j->disk = disk;
	j->chain = journal_chain_new();
	j->segment_bytes = opts != NULL && opts->segment_bytes > 0 ? opts->segment_bytes :
	    SEGMENT_BYTES_DEFAULT;
	j->synced = j->next = 1;
	if ((r = open_files(j, &tip, rec)) != 0 ||
	    (r = load_segments(j, &tip, rec)) != 0 ||
	    (j->segs > 0 && (r = recover_last(j, &tip, rec)) != 0) ||
	    (r = disk->ops->sync_dir(disk)) != 0 ||
	    (r = publish(j)) != 0)
		goto out;
	rec->created = rec->created && j->segs == 0;
	rec->first_seq = j->segs > 0 ? j->seg[0].first_seq : 1;
	rec->next_seq = j->next;
	*out = j;
	j = NULL;
out:
	journal_close(j);
	return disk_error(r);
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->file != NULL)
		j->file->ops->close(j->file);
	if (j->tip != NULL)
		j->tip->ops->close(j->tip);
	if (j->lock != NULL)
		j->lock->ops->close(j->lock);
	journal_chain_free(j->chain);
	free(j->seg);
	free(j->buf);
	free(j);
}

/* ------------------------------------------------------------- appending */

/* Writes the new segment's file and makes it and its name durable. */
static int
create_segment(struct journal *j, const char *name, struct segment_header *h,
    struct disk_file **out)
{
	uint8_t bytes[SEGMENT_HEADER];
	struct disk_file *f;
	int r = j->disk->ops->open(j->disk, name, DISK_READ | DISK_WRITE | DISK_CREATE, &f);

	if (r != 0)
		return disk_error(r);
	journal_segment_encode(bytes, h);
	if ((r = disk_error(f->ops->truncate(f, 0))) != 0 ||
	    (r = write_at(f, bytes, sizeof bytes, 0)) != 0 ||
	    (r = disk_error(f->ops->sync(f))) != 0 ||
	    (r = disk_error(j->disk->ops->sync_dir(j->disk))) != 0) {
		f->ops->close(f);
		j->disk->ops->unlink(j->disk, name);
		return r;
	}
	*out = f;
	return 0;
}

/*
 * Begins a new segment; nothing is buffered.  Whether one is due depends on
 * the size of the last alone: when this fails it is tried again before any
 * other record, so that a file left behind always has the right number.
 */
static int
rotate(struct journal *j, struct wall t)
{
	struct segment_header h = { .first_seq = j->next, .wall_ns = t.ns };
	char name[SEGMENT_NAME_LEN + 1];
	struct disk_file *f;
	int r;

	memcpy(h.prev_hash, j->hash, sizeof h.prev_hash);
	journal_segment_name(name, h.first_seq);
	r = create_segment(j, name, &h, &f);
	if (r != 0) {
		j->poisoned = r != -ENOSPC && r != -EMFILE && r != -ENFILE;
		return j->poisoned ? -EIO : r;
	}
	if (j->file != NULL)
		j->file->ops->close(j->file);
	j->file = f;
	j->seed = h.seed;
	j->end = SEGMENT_HEADER;
	add_segment(j, h.first_seq, h.wall_ns, SEGMENT_HEADER);
	return 0;
}

int
journal_append(struct journal *j, uint16_t type, struct wall t, const void *data, size_t len,
    uint64_t *seq)
{
	struct record_header h = { .type = type, .seq = j->next, .wall_ns = t.ns,
		.durable = j->synced };
	size_t need;
	int r;

	if (j->poisoned)
		return -EIO;
	if (len > JOURNAL_RECORD_MAX)
		return -EMSGSIZE;
	h.len = (uint32_t)len;
	need = j->buf_len + RECORD_HEADER + len;
	if (need > BUFFER_MAX)
		return -ENOBUFS;
	if ((j->file == NULL || (j->buf_len == 0 && (uint64_t)j->end >= j->segment_bytes)) &&
	    (r = rotate(j, t)) != 0)
		return r;
	if (need > j->buf_cap) {
		j->buf_cap = need * 2;
		j->buf = xreallocarray(j->buf, j->buf_cap, 1);
	}
	journal_chain_hash(j->chain, j->hash, &h, data, h.hash);
	memcpy(j->hash, h.hash, sizeof j->hash);
	journal_record_encode(j->buf + j->buf_len, &h, data, j->seed);
	if (len > 0)
		memcpy(j->buf + j->buf_len + RECORD_HEADER, data, len);
	j->buf_len = need;
	if (seq != NULL)
		*seq = h.seq;
	j->next++;
	return 0;
}

/* Undoes a write that failed; what was buffered stays buffered. */
static int
undo_write(struct journal *j, int why)
{
	if (j->file->ops->truncate(j->file, j->end) != 0 || j->file->ops->sync(j->file) != 0 ||
	    why != -ENOSPC) {
		j->poisoned = true;
		return -EIO;
	}
	return why;
}

static void
empty_buffer(struct journal *j)
{
	j->buf_len = 0;
	if (j->buf_cap > BUFFER_KEEP) {
		free(j->buf);
		j->buf = NULL;
		j->buf_cap = 0;
	}
}

int
journal_sync(struct journal *j)
{
	int r;

	if (j->poisoned)
		return -EIO;
	if (j->buf_len == 0)
		return 0;
	r = write_at(j->file, j->buf, j->buf_len, j->end);
	if (r != 0)
		return undo_write(j, r);
	if (j->file->ops->sync(j->file) != 0) {
		j->poisoned = true;
		return -EIO;
	}
	j->end += (int64_t)j->buf_len;
	j->seg[j->segs - 1].bytes = j->end;
	j->synced = j->next;
	memcpy(j->synced_hash, j->hash, sizeof j->hash);
	empty_buffer(j);
	if (publish(j) != 0) {
		j->poisoned = true;	/* durable, but no reader would ever see it */
		return -EIO;
	}
	return 0;
}

uint64_t
journal_rollback(struct journal *j)
{
	uint64_t n = j->next - j->synced;

	j->next = j->synced;
	memcpy(j->hash, j->synced_hash, sizeof j->hash);
	empty_buffer(j);
	return n;
}

/* --------------------------------------------------------------- purging */

int
journal_purge(struct journal *j, uint64_t seq)
{
	char name[SEGMENT_NAME_LEN + 1];
	size_t gone = 0;
	int r = 0;

	/* One by one, oldest first, each made sure: a cut in between leaves no hole. */
	while (gone + 1 < j->segs && j->seg[gone + 1].first_seq <= seq) {
		journal_segment_name(name, j->seg[gone].first_seq);
		r = j->disk->ops->unlink(j->disk, name);
		if (r != 0 && r != -ENOENT)
			break;
		gone++;
		if ((r = j->disk->ops->sync_dir(j->disk)) != 0)
			break;
	}
	if (gone > 0) {
		j->segs -= gone;
		memmove(j->seg, j->seg + gone, j->segs * sizeof *j->seg);
	}
	return disk_error(r);
}

uint64_t
journal_purge_keeps(const struct journal *j, uint64_t seq)
{
	size_t i = 0;

	while (i + 1 < j->segs && j->seg[i + 1].first_seq <= seq)
		i++;
	return j->segs > 0 ? j->seg[i].first_seq : 1;
}

uint64_t
journal_purge_point(const struct journal *j, uint64_t max_bytes, struct wall oldest)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < j->segs; i++)
		bytes += (uint64_t)j->seg[i].bytes;
	for (i = 0; i + 1 < j->segs; i++) {
		if (bytes <= max_bytes && j->seg[i + 1].wall_ns >= oldest.ns)
			break;
		bytes -= (uint64_t)j->seg[i].bytes;
	}
	return j->segs > 0 ? j->seg[i].first_seq : 1;
}

void
journal_stat(const struct journal *j, struct journal_stat *st)
{
	memset(st, 0, sizeof *st);
	st->first_seq = j->segs > 0 ? j->seg[0].first_seq : 1;
	st->next_seq = j->next;
	st->synced_seq = j->synced - 1;
	memcpy(st->head, j->synced_hash, sizeof st->head);
	st->segments = j->segs;
	for (size_t i = 0; i < j->segs; i++)
		st->bytes += (uint64_t)j->seg[i].bytes;
}
