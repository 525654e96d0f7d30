/*
 * test_journal.c - the journal under truncation, bit flips, full disks, failed
 * syncs, kill -9 and readers in other processes.
 */
#include "common/journal.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/journal_format.h"
#include "common/journal_scan.h"
#include "common/mem.h"
#include "common/rng.h"

#define SEGMENT_1 "00000000000000000001.seg"

static char dir[64];
static struct disk *disk;

static void
setup(void)
{
	snprintf(dir, sizeof dir, "%s/lw-journal-XXXXXX", access("/dev/shm", W_OK) == 0 ?
	    "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(disk_open_real(dir, &disk), 0);
}

static void
unlink_each(void *arg, const char *name)
{
	struct disk *d = arg;

	d->ops->unlink(d, name);
}

static void
teardown(void)
{
	disk->ops->list(disk, unlink_each, disk);
	disk->ops->close(disk);
	rmdir(dir);
}

/* The content of record seq, from its number alone. */
static size_t
content(uint64_t seq, uint8_t *out)
{
	size_t n = seq * 13 % 60;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(seq * 31 + i);
	return n;
}

static int
append(struct journal *j, uint64_t expect)
{
	uint8_t data[64];
	uint64_t seq = 0;
	size_t n = content(expect, data);
	int r = journal_append(j, (uint16_t)(expect % 5 + 1), (struct wall){ (int64_t)expect * 1000 },
	    data, n, &seq);

	if (r == 0)
		ck_assert_uint_eq(seq, expect);
	return r;
}

static struct journal *
open_journal(struct disk *d, uint64_t segment_bytes, struct journal_recovery *rec)
{
	struct journal_opts o = { .segment_bytes = segment_bytes };
	struct journal_recovery ignored;
	struct journal *j;
	int r = journal_open(&j, d, &o, rec != NULL ? rec : &ignored);

	ck_assert_msg(r == 0, "open: %s (%s)", strerror(-r), rec != NULL ? rec->detail : ignored.detail);
	return j;
}

/* Writes records 1..n, synced after each `group`. */
static void
fill(uint64_t segment_bytes, uint64_t n, uint64_t group)
{
	struct journal *j = open_journal(disk, segment_bytes, NULL);

	for (uint64_t i = 1; i <= n; i++) {
		ck_assert_int_eq(append(j, i), 0);
		if (i % group == 0)
			ck_assert_int_eq(journal_sync(j), 0);
	}
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
}

static void
check_record(const struct journal_record *r)
{
	uint8_t data[64];
	size_t n = content(r->seq, data);

	ck_assert_uint_eq(r->len, n);
	ck_assert_int_eq(memcmp(r->data, data, n), 0);
	ck_assert_uint_eq(r->type, r->seq % 5 + 1);
	ck_assert_int_eq(r->wall.ns, (int64_t)r->seq * 1000);
}

/* Reads from `from` on; returns how many came; every one must be as written. */
static uint64_t
read_all(struct disk *d, uint64_t from, int *end)
{
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t n = 0;
	int e;

	ck_assert_int_eq(journal_reader_open(&rd, d, from), 0);
	while ((e = journal_reader_next(rd, &r)) == 1) {
		ck_assert_uint_eq(r.seq, from + n);
		check_record(&r);
		n++;
	}
	journal_reader_close(rd);
	if (end != NULL)
		*end = e;
	else
		ck_assert_int_eq(e, 0);
	return n;
}

static size_t
load(const char *name, uint8_t *out, size_t max)
{
	void *data;
	size_t n;

	ck_assert_int_eq(disk_read_file(disk, name, max, &data, &n), 0);
	memcpy(out, data, n);
	free(data);
	return n;
}

static void
store(const char *name, const uint8_t *data, size_t n)
{
	struct disk_file *f;
	struct iovec v = { .iov_base = (void *)data, .iov_len = n };

	ck_assert_int_eq(disk->ops->open(disk, name, DISK_WRITE | DISK_CREATE, &f), 0);
	ck_assert_int_eq(f->ops->truncate(f, 0), 0);
	if (n > 0)
		ck_assert_int_eq(f->ops->pwritev(f, &v, 1, 0), 0);
	f->ops->close(f);
}

/* ---------------------------------------------------------------- the basics */

START_TEST(crc_agrees)
{
	static const char digits[] = "123456789";
	uint8_t buf[300];
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 7);

	ck_assert_uint_eq(crc32c(0, digits, 9), 0xe3069283);	/* RFC 3720 */
	ck_assert_uint_eq(crc32c_soft(0, digits, 9), 0xe3069283);
	rng->fill(rng, buf, sizeof buf);
	for (size_t n = 0; n <= sizeof buf; n++) {
		ck_assert_uint_eq(crc32c(5, buf, n), crc32c_soft(5, buf, n));
		ck_assert_uint_eq(crc32c(crc32c(0, buf, n), buf + n, sizeof buf - n),
		    crc32c(0, buf, sizeof buf));
	}
}
END_TEST

START_TEST(writes_and_reads)
{
	struct journal_recovery rec;
	struct journal_stat st;
	struct journal *j = open_journal(disk, 0, &rec);

	ck_assert(rec.created);
	ck_assert_uint_eq(rec.first_seq, 1);
	ck_assert_uint_eq(rec.next_seq, 1);
	ck_assert_int_eq(journal_sync(j), 0);
	for (uint64_t i = 1; i <= 20; i++)
		ck_assert_int_eq(append(j, i), 0);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 0);	/* nothing before the sync */
	ck_assert_int_eq(journal_sync(j), 0);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 20);
	ck_assert_uint_eq(read_all(disk, 15, NULL), 6);
	ck_assert_uint_eq(read_all(disk, 21, NULL), 0);
	ck_assert_uint_eq(read_all(disk, 999, NULL), 0);
	journal_stat(j, &st);
	ck_assert_uint_eq(st.next_seq, 21);
	ck_assert_uint_eq(st.synced_seq, 20);
	ck_assert_uint_eq(st.segments, 1);
	journal_close(j);
	j = open_journal(disk, 0, &rec);
	ck_assert(!rec.created);
	ck_assert_uint_eq(rec.next_seq, 21);
	ck_assert_uint_eq(rec.torn_bytes, 0);
	ck_assert_int_eq(append(j, 21), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 21);
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
	ck_assert_uint_eq(rec.next_seq, 22);
}
END_TEST

START_TEST(refuses_second_writer)
{
	struct journal *j = open_journal(disk, 0, NULL), *second;
	struct journal_recovery rec;

	ck_assert_int_eq(journal_open(&second, disk, NULL, &rec), -EBUSY);
	ck_assert_ptr_null(second);
	journal_close(j);
	journal_close(open_journal(disk, 0, NULL));
}
END_TEST

START_TEST(bounds_sizes)
{
	struct journal *j = open_journal(disk, 0, NULL);
	struct journal_reader *rd;
	struct journal_record r;
	uint8_t *big = xcalloc(1, JOURNAL_RECORD_MAX + 1);
	uint64_t seq = 0, n = 0;
	int e;

	ck_assert_int_eq(journal_append(j, 1, (struct wall){ 1 }, big, JOURNAL_RECORD_MAX + 1, &seq),
	    -EMSGSIZE);
	while ((e = journal_append(j, 1, (struct wall){ 1 }, big, JOURNAL_RECORD_MAX, &seq)) == 0)
		n++;
	ck_assert_int_eq(e, -ENOBUFS);
	ck_assert_uint_eq(seq, n);
	ck_assert_uint_ge(n, 120);
	ck_assert_uint_eq(journal_rollback(j), n);
	ck_assert_int_eq(journal_append(j, 1, (struct wall){ 1 }, big, JOURNAL_RECORD_MAX, &seq), 0);
	ck_assert_uint_eq(seq, 1);
	ck_assert_int_eq(journal_sync(j), 0);
	ck_assert_int_eq(journal_reader_open(&rd, disk, 0), 0);
	ck_assert_int_eq(journal_reader_next(rd, &r), 1);
	ck_assert_uint_eq(r.len, JOURNAL_RECORD_MAX);
	ck_assert_int_eq(memcmp(r.data, big, r.len), 0);
	ck_assert_int_eq(journal_reader_next(rd, &r), 0);
	journal_reader_close(rd);
	journal_close(j);
	free(big);
}
END_TEST

START_TEST(rolls_back)
{
	struct journal *j = open_journal(disk, 100, NULL);
	struct journal_recovery rec;

	ck_assert_int_eq(append(j, 1), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(append(j, 2), 0);
		ck_assert_int_eq(append(j, 3), 0);
		ck_assert_uint_eq(journal_rollback(j), 2);
	}
	ck_assert_uint_eq(journal_rollback(j), 0);
	ck_assert_int_eq(append(j, 2), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 2);
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
}
END_TEST

START_TEST(changes_segments)
{
	struct journal_recovery rec;
	struct journal_stat st;
	struct journal *j;

	fill(500, 200, 3);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 200);
	for (uint64_t from = 1; from <= 201; from++)
		ck_assert_uint_eq(read_all(disk, from, NULL), 201 - from);
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
	j = open_journal(disk, 500, NULL);
	journal_stat(j, &st);
	ck_assert_uint_gt(st.segments, 20);
	journal_close(j);
}
END_TEST

START_TEST(reader_follows)
{
	struct journal *j = open_journal(disk, 700, NULL);
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t next = 1;

	ck_assert_int_eq(journal_reader_open(&rd, disk, 0), 0);
	ck_assert_int_eq(journal_reader_next(rd, &r), 0);
	for (uint64_t i = 1; i <= 300; i++) {
		ck_assert_int_eq(append(j, i), 0);
		if (i % 7 == 0) {
			ck_assert_int_eq(journal_sync(j), 0);
			ck_assert_uint_eq(journal_reader_limit(rd), i + 1);
		}
		while (i % 5 == 0 && journal_reader_next(rd, &r) == 1) {
			ck_assert_uint_eq(r.seq, next++);
			check_record(&r);
		}
		ck_assert_uint_le(next, i / 7 * 7 + 1);
	}
	journal_reader_close(rd);
	journal_close(j);
}
END_TEST

/* ------------------------------------------------------------------- purging */

START_TEST(purges)
{
	struct journal *j;
	struct journal_reader *slow, *fresh;
	struct journal_record r;
	struct journal_recovery rec;
	struct journal_stat st;
	uint64_t first;

	fill(500, 100, 2);
	j = open_journal(disk, 500, NULL);
	ck_assert_int_eq(journal_reader_open(&slow, disk, 1), 0);
	ck_assert_int_eq(journal_reader_next(slow, &r), 1);
	ck_assert_int_eq(journal_purge(j, 50), 0);
	journal_stat(j, &st);
	first = st.first_seq;
	ck_assert_uint_gt(first, 30);
	ck_assert_uint_le(first, 50);
	/* It holds the first segment open and reads it to its end, then it learns what is gone. */
	for (int e; (e = journal_reader_next(slow, &r)) != -ESTALE;)
		ck_assert_int_eq(e, 1);
	ck_assert_uint_eq(r.seq, first);
	ck_assert_int_eq(journal_reader_next(slow, &r), 1);
	ck_assert_uint_eq(r.seq, first);
	check_record(&r);
	ck_assert_int_eq(journal_reader_open(&fresh, disk, 1), 0);	/* 1: the first that stands */
	ck_assert_int_eq(journal_reader_next(fresh, &r), 1);
	ck_assert_uint_eq(r.seq, first);
	journal_reader_close(fresh);
	ck_assert_int_eq(journal_reader_open(&fresh, disk, 2), 0);
	ck_assert_int_eq(journal_reader_next(fresh, &r), -ESTALE);
	ck_assert_uint_eq(r.seq, first);
	ck_assert_int_eq(journal_reader_next(fresh, &r), 1);
	ck_assert_uint_eq(r.seq, first);
	journal_reader_close(fresh);
	ck_assert_int_eq(journal_purge(j, UINT64_MAX), 0);	/* never the last */
	journal_stat(j, &st);
	ck_assert_uint_eq(st.segments, 1);
	ck_assert_uint_eq(st.next_seq, 101);
	journal_close(j);
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
	ck_assert_uint_eq(rec.next_seq, 101);
	j = open_journal(disk, 500, &rec);
	ck_assert_uint_eq(rec.next_seq, 101);
	journal_close(j);
	journal_reader_close(slow);
}
END_TEST

START_TEST(says_where_to_purge)
{
	struct journal *j;
	struct journal_stat st;
	uint64_t all;

	fill(500, 100, 2);
	j = open_journal(disk, 500, NULL);
	journal_stat(j, &st);
	all = st.bytes;
	ck_assert_uint_eq(journal_purge_point(j, UINT64_MAX, (struct wall){ 0 }), 1);
	ck_assert_int_eq(journal_purge(j, journal_purge_point(j, all / 2, (struct wall){ 0 })), 0);
	journal_stat(j, &st);
	ck_assert_uint_le(st.bytes, all / 2);
	ck_assert_uint_gt(st.bytes, all / 2 - 700);
	ck_assert_int_eq(journal_purge(j, journal_purge_point(j, UINT64_MAX, (struct wall){ 80000 })), 0);
	journal_stat(j, &st);
	ck_assert_uint_le(st.first_seq, 80);	/* 80 itself is not older than its own time */
	ck_assert_uint_gt(st.first_seq, 70);
	journal_close(j);
	journal_close(j = open_journal(disk, 500, NULL));
}
END_TEST

START_TEST(keeps_cursors)
{
	uint64_t v;
	uint8_t bytes[64];
	size_t n;

	ck_assert_uint_eq(journal_cursor_lowest(disk), UINT64_MAX);
	ck_assert_int_eq(journal_cursor_load(disk, "store", &v), -ENOENT);
	ck_assert_int_eq(journal_cursor_save(disk, "../store", 1), -EINVAL);
	ck_assert_int_eq(journal_cursor_save(disk, "store", 41), 0);
	ck_assert_int_eq(journal_cursor_save(disk, "web", 17), 0);
	ck_assert_int_eq(journal_cursor_save(disk, "store", 42), 0);
	ck_assert_int_eq(journal_cursor_load(disk, "store", &v), 0);
	ck_assert_uint_eq(v, 42);
	ck_assert_uint_eq(journal_cursor_lowest(disk), 17);
	n = load("cursor.store", bytes, sizeof bytes);
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 4;
		store("cursor.store", bytes, n);
		ck_assert_int_eq(journal_cursor_load(disk, "store", &v), -EBADMSG);
		ck_assert_uint_eq(journal_cursor_lowest(disk), 0);	/* holds everything back */
		bytes[i] ^= 4;
	}
	for (size_t i = 0; i < n; i++) {
		store("cursor.store", bytes, i);
		ck_assert_int_eq(journal_cursor_load(disk, "store", &v), -EBADMSG);
	}
}
END_TEST

/* -------------------------------------------------------------------- damage */

/* Whole records in the first n bytes of the one segment. */
static uint64_t
whole_records(const uint8_t *seg, size_t n)
{
	struct segment_header sh;
	struct record_header h;
	uint64_t records = 0;
	size_t at = SEGMENT_HEADER;
	ssize_t len;

	if (journal_segment_decode(seg, n, &sh) != 0)
		return 0;
	while ((len = journal_record_decode(seg + at, n - at, sh.seed, &h)) > 0) {
		at += (size_t)len;
		records++;
	}
	return records;
}

START_TEST(truncated_at_every_byte)
{
	uint8_t seg[4096], tip[64];
	struct journal_recovery rec;
	struct journal *j;
	size_t n, tip_len;

	fill(0, 9, 3);
	n = load(SEGMENT_1, seg, sizeof seg);
	tip_len = load("tip", tip, sizeof tip);
	for (size_t cut = 0; cut < n; cut++) {
		uint64_t whole = whole_records(seg, cut);

		/* Published records are gone: said, never papered over. */
		store(SEGMENT_1, seg, cut);
		store("tip", tip, tip_len);
		ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), -EBADMSG);
		ck_assert_ptr_null(j);
		ck_assert_uint_gt(strlen(rec.detail), 0);
		ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);
		/* Nothing was published: a torn tail is cut, whole records stay. */
		disk->ops->unlink(disk, "tip");
		j = open_journal(disk, 0, &rec);
		ck_assert_uint_eq(rec.next_seq, whole + 1);
		ck_assert_uint_eq(read_all(disk, 1, NULL), whole);
		ck_assert_int_eq(append(j, whole + 1), 0);
		ck_assert_int_eq(journal_sync(j), 0);
		journal_close(j);
		ck_assert_uint_eq(read_all(disk, 1, NULL), whole + 1);
		ck_assert_int_eq(journal_verify(disk, &rec), 0);
		ck_assert_uint_eq(rec.torn_bytes, 0);
	}
}
END_TEST

START_TEST(flipped_at_every_byte)
{
	static const uint8_t mask[] = { 0x01, 0x80, 0xff };
	uint8_t seg[4096], tip[64];
	struct journal_recovery rec;
	struct journal *j;
	size_t n, tip_len;
	int end;

	fill(0, 9, 3);
	n = load(SEGMENT_1, seg, sizeof seg);
	tip_len = load("tip", tip, sizeof tip);
	for (size_t i = 0; i < n * 3; i++) {
		size_t at = i / 3;

		seg[at] ^= mask[i % 3];
		store(SEGMENT_1, seg, n);
		store("tip", tip, tip_len);
		ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), -EBADMSG);
		ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);
		ck_assert_uint_lt(read_all(disk, 1, &end), 9);
		ck_assert_int_eq(end, -EBADMSG);
		/* Without the tip only the last group may count as torn. */
		disk->ops->unlink(disk, "tip");
		if (journal_open(&j, disk, NULL, &rec) == 0) {
			ck_assert_uint_ge(rec.next_seq, 7);
			ck_assert_uint_le(rec.next_seq, 9);
			ck_assert_uint_gt(rec.torn_bytes, 0);
			journal_close(j);
			ck_assert_uint_eq(read_all(disk, 1, NULL), rec.next_seq - 1);
		} else {
			ck_assert_ptr_null(j);
			ck_assert_uint_gt(strlen(rec.detail), 0);
		}
		seg[at] ^= mask[i % 3];
	}
	store(SEGMENT_1, seg, n);
	store("tip", tip, tip_len);
	for (size_t i = 0; i < tip_len; i++) {	/* a bad tip says nothing and is mended */
		tip[i] ^= 0x10;
		store("tip", tip, tip_len);
		ck_assert_uint_eq(read_all(disk, 1, NULL), 0);
		journal_close(open_journal(disk, 0, &rec));
		ck_assert_uint_eq(rec.next_seq, 10);
		ck_assert_uint_eq(read_all(disk, 1, NULL), 9);
		tip[i] ^= 0x10;
	}
}
END_TEST

/* The last group was never synced and the disk took its records in another order. */
START_TEST(torn_group_out_of_order)
{
	uint8_t seg[4096];
	struct segment_header sh;
	struct record_header h;
	struct journal_recovery rec;
	size_t n, at = SEGMENT_HEADER;
	ssize_t len = 0;

	fill(0, 9, 3);
	n = load(SEGMENT_1, seg, sizeof seg);
	ck_assert_int_eq(journal_segment_decode(seg, n, &sh), 0);
	for (int i = 1; i <= 8; i++) {
		at += (size_t)len;
		len = journal_record_decode(seg + at, n - at, sh.seed, &h);
		ck_assert_int_gt(len, 0);
	}
	ck_assert_uint_eq(h.seq, 8);
	ck_assert_uint_eq(h.durable, 7);
	memset(seg + at, 0, (size_t)len);	/* 8 is lost, 9 stands */
	store(SEGMENT_1, seg, n);
	disk->ops->unlink(disk, "tip");
	journal_close(open_journal(disk, 0, &rec));
	ck_assert_uint_eq(rec.next_seq, 8);
	ck_assert_uint_eq(read_all(disk, 1, NULL), 7);
}
END_TEST

/* A sender's data that look like records never make a torn tail look like damage. */
START_TEST(forged_records_in_data)
{
	struct journal *j = open_journal(disk, 0, NULL);
	struct record_header h = { .len = 0, .seq = 50, .durable = 40 };
	uint8_t forged[20 * RECORD_HEADER], seg[8192];
	struct journal_recovery rec;
	size_t n;

	for (size_t i = 0; i < 20; i++)
		journal_record_encode(forged + i * RECORD_HEADER, &h, forged, (uint32_t)i);
	ck_assert_int_eq(append(j, 1), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	ck_assert_int_eq(journal_append(j, 1, (struct wall){ 2 }, forged, sizeof forged, NULL), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	n = load(SEGMENT_1, seg, sizeof seg);
	store(SEGMENT_1, seg, n - 1);
	disk->ops->unlink(disk, "tip");
	journal_close(open_journal(disk, 0, &rec));
	ck_assert_uint_eq(rec.next_seq, 2);
}
END_TEST

START_TEST(missing_and_foreign_segments)
{
	struct journal_recovery rec;
	struct journal *j;
	struct disk *copy;
	uint8_t seg[8192];
	uint64_t *v, middle;
	size_t n;
	char name[SEGMENT_NAME_LEN + 1], other[80];
	int end;

	fill(500, 60, 2);
	ck_assert_int_eq(journal_segments(disk, &v, &n), 0);
	ck_assert_uint_gt(n, 8);
	middle = v[3];
	free(v);
	journal_segment_name(name, middle);
	/* A hole in the middle: verification and readers say so. */
	n = load(name, seg, sizeof seg);
	disk->ops->unlink(disk, name);
	ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);
	ck_assert_uint_eq(read_all(disk, 1, &end), middle - 1);
	ck_assert_int_eq(end, -EBADMSG);
	store(name, seg, n);
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
	/* A segment of another journal under a right name breaks the chain. */
	snprintf(other, sizeof other, "%s.other", dir);
	ck_assert_int_eq(disk_open_real(other, &copy), 0);
	j = open_journal(copy, 500, NULL);
	for (uint64_t i = 1; i <= 30; i++) {
		uint8_t data[64];

		n = content(i, data);
		ck_assert_int_eq(journal_append(j, (uint16_t)(i % 5 + 1), (struct wall){ (int64_t)i },
		    data, n, NULL), 0);
		if (i % 2 == 0)
			ck_assert_int_eq(journal_sync(j), 0);
	}
	journal_close(j);
	{
		void *data;

		ck_assert_int_eq(disk_read_file(copy, name, sizeof seg, &data, &n), 0);
		store(name, data, n);
		free(data);
	}
	ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);
	copy->ops->list(copy, unlink_each, copy);
	copy->ops->close(copy);
	rmdir(other);
	/* All segments gone, but records were published. */
	for (uint64_t i = 1; i <= 60; i++) {
		journal_segment_name(name, i);
		disk->ops->unlink(disk, name);
	}
	ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), -EBADMSG);
	ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);
}
END_TEST

/* ----------------------------------------------------- a disk that refuses */

struct bad_disk {
	struct disk disk;
	struct disk *real;
	int64_t room;			/* bytes that may still be written; -1: any */
	int sync_fails_in;		/* the n-th sync from now fails; 0: none */
	int sync_error;
};

struct bad_file {
	struct disk_file file;
	struct disk_file *real;
	struct bad_disk *disk;
	bool in_place;			/* the tip: written over, never grows */
};

static ssize_t
bad_pread(struct disk_file *f, void *buf, size_t n, int64_t off)
{
	struct disk_file *r = ((struct bad_file *)f)->real;

	return r->ops->pread(r, buf, n, off);
}

static int
bad_pwritev(struct disk_file *f, const struct iovec *v, int n, int64_t off)
{
	struct bad_file *b = (struct bad_file *)f;
	struct iovec part = v[0];

	ck_assert_int_eq(n, 1);
	if (b->disk->room < 0 || b->in_place)
		return b->real->ops->pwritev(b->real, v, n, off);
	if ((int64_t)part.iov_len > b->disk->room)
		part.iov_len = (size_t)b->disk->room;
	b->disk->room -= (int64_t)part.iov_len;
	if (part.iov_len > 0)
		ck_assert_int_eq(b->real->ops->pwritev(b->real, &part, 1, off), 0);
	return part.iov_len == v[0].iov_len ? 0 : -ENOSPC;
}

static int
bad_sync(struct disk_file *f)
{
	struct bad_file *b = (struct bad_file *)f;

	if (b->disk->sync_fails_in > 0 && --b->disk->sync_fails_in == 0)
		return b->disk->sync_error;
	return b->real->ops->sync(b->real);
}

static int
bad_truncate(struct disk_file *f, int64_t size)
{
	struct disk_file *r = ((struct bad_file *)f)->real;

	return r->ops->truncate(r, size);
}

static int64_t
bad_size(struct disk_file *f)
{
	struct disk_file *r = ((struct bad_file *)f)->real;

	return r->ops->size(r);
}

static void
bad_close(struct disk_file *f)
{
	struct disk_file *r = ((struct bad_file *)f)->real;

	r->ops->close(r);
	free(f);
}

static const struct disk_file_ops bad_file_ops = { .pread = bad_pread, .pwritev = bad_pwritev,
	.sync = bad_sync, .truncate = bad_truncate, .size = bad_size, .close = bad_close };

static int
bad_open(struct disk *d, const char *name, int flags, struct disk_file **out)
{
	struct bad_disk *b = (struct bad_disk *)d;
	struct bad_file *f = xcalloc(1, sizeof *f);
	int r = b->real->ops->open(b->real, name, flags, &f->real);

	f->file.ops = &bad_file_ops;
	f->disk = b;
	f->in_place = strcmp(name, "tip") == 0;
	if (r != 0)
		free(f);
	else
		*out = &f->file;
	return r;
}

static int
bad_unlink(struct disk *d, const char *name)
{
	struct disk *r = ((struct bad_disk *)d)->real;

	return r->ops->unlink(r, name);
}

static int
bad_rename(struct disk *d, const char *from, const char *to)
{
	struct disk *r = ((struct bad_disk *)d)->real;

	return r->ops->rename(r, from, to);
}

static int
bad_sync_dir(struct disk *d)
{
	struct disk *r = ((struct bad_disk *)d)->real;

	return r->ops->sync_dir(r);
}

static int
bad_list(struct disk *d, void (*each)(void *arg, const char *name), void *arg)
{
	struct disk *r = ((struct bad_disk *)d)->real;

	return r->ops->list(r, each, arg);
}

static const struct disk_ops bad_disk_ops = { .open = bad_open, .unlink = bad_unlink,
	.rename = bad_rename, .sync_dir = bad_sync_dir, .list = bad_list };

START_TEST(full_disk_changes_nothing)
{
	struct bad_disk bad = { .disk.ops = &bad_disk_ops, .real = disk, .room = -1 };
	struct journal_recovery rec;

	for (int64_t room = 0; room < 400; room++) {
		struct journal *j = open_journal(&bad.disk, 300, NULL);
		struct journal_stat before, st;
		uint64_t first;

		journal_stat(j, &before);
		first = before.next_seq;
		bad.room = room;
		if (append(j, first) == 0 && append(j, first + 1) == 0 && journal_sync(j) == 0) {
			bad.room = -1;
		} else {
			ck_assert_int_eq(journal_sync(j) == 0 && append(j, first) == 0, 0);
			journal_stat(j, &st);
			ck_assert_uint_eq(st.synced_seq, before.synced_seq);
			ck_assert_uint_eq(read_all(disk, 1, NULL), first - 1);
			bad.room = -1;
			journal_rollback(j);
			ck_assert_int_eq(append(j, first), 0);
			ck_assert_int_eq(append(j, first + 1), 0);
			ck_assert_int_eq(journal_sync(j), 0);
		}
		ck_assert_uint_eq(read_all(disk, 1, NULL), first + 1);
		journal_close(j);
	}
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
	ck_assert_uint_eq(rec.next_seq, 801);
}
END_TEST

START_TEST(failed_sync_poisons)
{
	struct bad_disk bad = { .disk.ops = &bad_disk_ops, .real = disk, .room = -1,
		.sync_error = -EIO };
	struct journal_recovery rec;
	uint64_t next = 1;

	for (int nth = 1; nth <= 4; nth++) {
		struct journal *j = open_journal(&bad.disk, 200, &rec);
		uint64_t acked;

		ck_assert_uint_ge(rec.next_seq, next);
		next = rec.next_seq;
		bad.sync_fails_in = nth;
		for (acked = next - 1; append(j, acked + 1) == 0 && journal_sync(j) == 0; acked++)
			;
		ck_assert_int_eq(journal_sync(j), -EIO);
		ck_assert_int_eq(append(j, acked + 2), -EIO);
		ck_assert_uint_eq(read_all(disk, 1, NULL), acked);
		journal_close(j);
		next = acked + 1;
	}
	journal_close(open_journal(disk, 200, NULL));
	ck_assert_int_eq(journal_verify(disk, &rec), 0);
}
END_TEST

START_TEST(full_tmpfs)
{
	struct journal *j;
	struct disk *small;
	struct journal_recovery rec;
	uint8_t block[4096];
	uint64_t n = 0;
	int r;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=256k") != 0)
		return;			/* needs root; full_disk_changes_nothing has the same cases */
	ck_assert_int_eq(disk_open_real(dir, &small), 0);
	j = open_journal(small, 32 * 1024, NULL);
	memset(block, 'x', sizeof block);
	for (r = 0; r == 0 && n < 1000; n += r == 0) {
		r = journal_append(j, 1, (struct wall){ 1 }, block, sizeof block, NULL);
		if (r == 0)
			r = journal_sync(j);
	}
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_uint_gt(n, 40);
	ck_assert_uint_lt(n, 64);
	ck_assert_int_eq(journal_purge(j, 20), 0);
	r = journal_sync(j);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(journal_append(j, 1, (struct wall){ 1 }, block, sizeof block, NULL), 0);
	ck_assert_int_eq(journal_sync(j), 0);
	journal_close(j);
	ck_assert_int_eq(journal_verify(small, &rec), 0);
	ck_assert_uint_ge(rec.next_seq, n + 2);
	small->ops->close(small);
	umount(dir);
}
END_TEST

/* -------------------------------------------------------- several processes */

static void
write_for_ever(int acked_fd, uint64_t limit)
{
	struct disk *d;
	struct journal *j;
	struct journal_recovery rec;
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, (uint64_t)getpid());
	uint64_t next;

	if (disk_open_real(dir, &d) != 0 ||
	    journal_open(&j, d, &(struct journal_opts){ .segment_bytes = 2000 }, &rec) != 0)
		_exit(3);
	next = rec.next_seq;
	while (next <= limit) {
		uint64_t acked, n = rng_below(rng, 8) + 1;
		uint8_t data[64];

		for (uint64_t i = 0; i < n; i++, next++)
			if (journal_append(j, (uint16_t)(next % 5 + 1), (struct wall){ (int64_t)next * 1000 },
			    data, content(next, data), NULL) != 0)
				_exit(4);
		if (journal_sync(j) != 0)
			_exit(5);
		acked = next - 1;
		if (write(acked_fd, &acked, sizeof acked) != sizeof acked)
			_exit(6);
		if (acked % 64 == 0 && acked > 3000 && journal_purge(j, acked - 3000) != 0)
			_exit(7);
	}
	journal_close(j);
	d->ops->close(d);
	_exit(0);
}

static pid_t
start_writer(int *fd, uint64_t limit)
{
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(p[0]);
		write_for_ever(p[1], limit);
	}
	close(p[1]);
	*fd = p[0];
	return pid;
}

START_TEST(killed_100_times)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 42);
	struct journal_recovery rec;
	uint64_t torn = 0;

	for (int round = 0; round < 100; round++) {
		uint64_t acked = 0, v;
		struct journal_stat st;
		struct journal *j;
		int fd, status;
		pid_t pid = start_writer(&fd, UINT64_MAX);

		ck_assert_int_eq(read(fd, &v, sizeof v), sizeof v);
		acked = v;
		usleep((useconds_t)rng_below(rng, 3000));
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		while (read(fd, &v, sizeof v) == sizeof v)
			acked = v;
		close(fd);
		ck_assert_int_eq(journal_verify(disk, &rec), 0);
		ck_assert_uint_gt(rec.next_seq, acked);
		torn += rec.torn_bytes > 0;
		j = open_journal(disk, 2000, &rec);
		journal_stat(j, &st);
		ck_assert_uint_eq(read_all(disk, st.first_seq, NULL), st.next_seq - st.first_seq);
		journal_close(j);
	}
	printf("killed 100 times, %llu records, %llu torn tails\n",
	    (unsigned long long)rec.next_seq - 1, (unsigned long long)torn);
}
END_TEST

/* Reads until `until` while the writer writes and purges. Exit status 0: all in order. */
static void
read_while_written(uint64_t until, uint64_t pause_every)
{
	struct disk *d;
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t expect = 0;
	uint8_t data[64];

	if (disk_open_real(dir, &d) != 0 || journal_reader_open(&rd, d, 1) != 0)
		_exit(3);
	while (expect <= until) {
		int e = journal_reader_next(rd, &r);

		if (e == -ESTALE && r.seq > expect) {
			expect = r.seq;
		} else if (e == 1) {
			if (expect != 0 && r.seq != expect)
				_exit(4);
			if (r.len != content(r.seq, data) || memcmp(r.data, data, r.len) != 0)
				_exit(5);
			expect = r.seq + 1;
			if (pause_every != 0 && r.seq % pause_every == 0)
				usleep(1000);
		} else if (e == 0) {
			usleep(200);
		} else {
			fprintf(stderr, "reader: %d at %llu: %s\n", e, (unsigned long long)expect,
			    journal_reader_detail(rd));
			_exit(6);
		}
	}
	journal_reader_close(rd);
	d->ops->close(d);
	_exit(0);
}

START_TEST(read_while_written_by_others)
{
	uint64_t pause[3] = { 0, 50, 7 };
	pid_t reader[3], writer;
	int fd, status;
	uint64_t v;

	writer = start_writer(&fd, 20000);
	for (int i = 0; i < 3; i++) {
		reader[i] = fork();
		ck_assert_int_ge(reader[i], 0);
		if (reader[i] == 0)
			read_while_written(20000, pause[i]);
	}
	while (read(fd, &v, sizeof v) == sizeof v)
		;
	close(fd);
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert_int_eq(status, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(waitpid(reader[i], &status, 0), reader[i]);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, crc_agrees);
	tcase_add_test(tc, writes_and_reads);
	tcase_add_test(tc, refuses_second_writer);
	tcase_add_test(tc, bounds_sizes);
	tcase_add_test(tc, rolls_back);
	tcase_add_test(tc, changes_segments);
	tcase_add_test(tc, reader_follows);
	tcase_add_test(tc, purges);
	tcase_add_test(tc, says_where_to_purge);
	tcase_add_test(tc, keeps_cursors);
	tcase_add_test(tc, truncated_at_every_byte);
	tcase_add_test(tc, flipped_at_every_byte);
	tcase_add_test(tc, torn_group_out_of_order);
	tcase_add_test(tc, forged_records_in_data);
	tcase_add_test(tc, missing_and_foreign_segments);
	tcase_add_test(tc, full_disk_changes_nothing);
	tcase_add_test(tc, failed_sync_poisons);
	tcase_add_test(tc, full_tmpfs);
	tcase_add_test(tc, killed_100_times);
	tcase_add_test(tc, read_while_written_by_others);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
