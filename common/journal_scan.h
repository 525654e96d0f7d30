/*
 * journal_scan.h - walks the records of one segment, for the writer's
 * recovery, for readers and for verification.
 */
#pragma once

#include "common/journal_format.h"

struct journal_scan {
	struct disk_file *file;		/* owned; NULL: closed */
	struct segment_header head;
	int64_t off;			/* in the file: of the next record */
	int64_t limit;			/* the caller's: nothing at or behind it is read */
	uint8_t *buf;			/* owned */
	size_t cap;			/* of buf: grows with the records, up to what the longest takes */
	size_t have, pos;		/* bytes in buf, and of them those already walked over */
};

/*
 * Opens the segment and reads its header; limit is set to the file's size.
 * -ENOENT: no such file.  -EBADMSG: its header is damaged or another's.
 * On error the scan is closed.  The storage must be zero or closed before.
 */
int journal_scan_open(struct journal_scan *, struct disk *, uint64_t first_seq);
void journal_scan_close(struct journal_scan *);
/*
 * 1: *h and *data (borrowed until the next call) are the next record.
 * 0: at the limit.  -EBADMSG: what stands at off is no sound record, or one
 * that runs past the limit; off stays.  Other -errno: of the disk.
 */
int journal_scan_next(struct journal_scan *, struct record_header *h, const uint8_t **data);
/*
 * Goes on to the first sound record from off on whose number is seq or higher, over whatever stands in
 * between.  1: journal_scan_next() gives it; 0: there is none before the limit; or -errno of the disk.
 */
int journal_scan_find(struct journal_scan *, uint64_t seq);
/*
 * Behind the bad record at off: is there a sound one which says that number
 * seq was durable before it?  1, 0 or -errno.
 */
int journal_scan_proves_damage(struct journal_scan *, uint64_t seq);

/* All segments that stand, by number, malloc'd into *v (owned by the caller; NULL when none). */
int journal_segments(struct disk *, uint64_t **v, size_t *n);
