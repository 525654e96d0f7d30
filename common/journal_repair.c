/*
 * journal_repair.c - a damaged journal that is to go on all the same.
 *
 * What is damaged stays as it is: only the last segment is walked when a journal
 * is opened, so an empty one begun behind it is enough.  Its first number is
 * behind everything that was published and everything sound that stands.
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

#define ASIDE "damaged."

/* The number behind the last sound record of a segment: *next, if it is higher.  -EBADMSG: no header. */
static int
last_of(struct disk *disk, uint64_t first_seq, uint64_t *next)
{
	struct journal_scan s;
	struct record_header h;
	const uint8_t *data;
	int r = journal_scan_open(&s, disk, first_seq);

	if (r != 0)
		return r;
	if (first_seq > *next)
		*next = first_seq;
	/* A sector that cannot be read ends the search: what was published is known anyway. */
	while (journal_scan_find(&s, *next) == 1 && journal_scan_next(&s, &h, &data) == 1)
		*next = h.seq + 1;
	journal_scan_close(&s);
	return 0;
}

static int
put_aside(struct disk *disk, uint64_t first_seq)
{
	char from[SEGMENT_NAME_LEN + 1];
	char *to;
	int r;

	journal_segment_name(from, first_seq);
	to = xasprintf(ASIDE "%s", from);
	r = disk->ops->rename(disk, from, to);
	free(to);
	return r;
}

static int
begin_segment(struct disk *disk, uint64_t first_seq, struct wall now)
{
	struct segment_header h = { .first_seq = first_seq, .wall_ns = now.ns };
	char name[SEGMENT_NAME_LEN + 1];
	uint8_t bytes[SEGMENT_HEADER];

	journal_segment_encode(bytes, &h);
	journal_segment_name(name, first_seq);
	return disk_write_file(disk, name, bytes, sizeof bytes);
}

static uint64_t
published(struct disk *disk)
{
	struct journal_tip tip;
	void *data = NULL;
	uint64_t next = 1;
	size_t n;

	if (disk_read_file(disk, "tip", TIP_LEN, &data, &n) == 0 &&
	    journal_tip_decode(data, n, &tip) == 0)
		next = tip.next_seq;
	free(data);
	return next;
}

int
journal_repair(struct disk *disk, struct wall now, uint64_t *gone)
{
	struct disk_file *lock;
	uint64_t next = published(disk), *v = NULL;
	size_t n = 0;
	int r = disk->ops->open(disk, "lock", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_LOCK, &lock);

	*gone = 0;
	if (r != 0)
		return r;
	r = journal_segments(disk, &v, &n);
	if (r == 0 && n == 0)
		r = -ENOENT;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = last_of(disk, v[i], &next);
		if (r == -EBADMSG) {
			*gone = *gone == 0 ? v[i] : *gone;
			r = put_aside(disk, v[i]);
		}
	}
	if (r == 0)
		r = begin_segment(disk, next, now);
	free(v);
	lock->ops->close(lock);
	return r;
}
