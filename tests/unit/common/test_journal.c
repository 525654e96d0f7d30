/*
 * test_journal.c - the journal: order, numbers, segments, purges, cursors, and
 * damage of every byte.
 */
#include "common/journal.h"

#include "common/crc32c.h"
#include "common/journal_format.h"
#include "common/journal_scan.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/rounds.h"
#include "tests/unit/common/journal_fixture.h"

#define SEGMENT_1 "00000000000000000001.seg"

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

	ck_assert_int_eq(
	    journal_append(j, 1, (struct wall){1}, big, JOURNAL_RECORD_MAX + 1, &seq), -EMSGSIZE);
	while ((e = journal_append(j, 1, (struct wall){ 1 }, big, JOURNAL_RECORD_MAX, &seq)) == 0)
		n++;
	ck_assert_int_eq(e, -ENOBUFS);
	ck_assert_uint_eq(seq, n);
	ck_assert_uint_ge(n, 15);	/* of 64 MiB */
	ck_assert_uint_eq(journal_rollback(j), n);
	ck_assert_int_eq(journal_append(j, 1, (struct wall){1}, big, JOURNAL_RECORD_MAX, &seq), 0);
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
	ck_assert_int_eq(journal_reader_open(&fresh, disk, 1), 0); /* 1: the first that stands */
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
	ck_assert_int_eq(
	    journal_purge(j, journal_purge_point(j, UINT64_MAX, (struct wall){80000})), 0);
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
	for (size_t cut = 0; cut < n; cut += ROUNDS_STRIDE) {
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
	for (size_t i = 0; i < n * 3; i += ROUNDS_STRIDE) {
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
		ck_assert_int_eq(journal_append(j, (uint16_t)(i % 5 + 1), (struct wall){(int64_t)i},
				     data, n, NULL),
		    0);
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

/* ------------------------------------------------- checking beside a writer */

struct beside {
	struct journal *j;
	uint8_t seg[8192], tip[64];	/* as they are to be when record `at` is told */
	size_t n, tip_len;
	uint64_t at, purge, seen, last;
};

static void
each_beside(void *arg, const struct journal_record *r, const uint8_t hash[JOURNAL_HASH_LEN])
{
	struct beside *b = arg;

	(void)hash;
	check_record(r);
	b->seen++;
	b->last = r->seq;
	if (r->seq != b->at)
		return;
	if (b->purge > 0)
		ck_assert_int_eq(journal_purge(b->j, b->purge), 0);
	if (b->n > 0) {
		store(SEGMENT_1, b->seg, b->n);
		store("tip", b->tip, b->tip_len);
	}
}

/* Retention overtakes who reads: what is gone is passed over, and everything else is sound. */
START_TEST(checks_while_purged)
{
	struct beside b = { .at = 20, .purge = 60 };
	struct journal_recovery rec;
	uint8_t head[JOURNAL_HASH_LEN];
	struct journal_segment *v;
	struct wall at;
	uint64_t seq;
	size_t n;

	fill(500, 100, 2);
	b.j = open_journal(disk, 500, NULL);
	ck_assert_int_eq(journal_check(disk, each_beside, &b, &rec), 0);
	ck_assert_uint_eq(b.last, 100);
	ck_assert_uint_lt(b.seen, 80);
	ck_assert_uint_gt(rec.first_seq, 40);
	ck_assert_uint_eq(rec.next_seq, 101);
	ck_assert_uint_eq(journal_purge_keeps(b.j, 0), rec.first_seq);
	ck_assert_int_eq(journal_head(disk, &seq, head, &at), 0);
	ck_assert_uint_eq(seq, 100);
	ck_assert_int_eq(at.ns, 100000);
	ck_assert_int_eq(memcmp(head, rec.head, sizeof head), 0);
	ck_assert_int_eq(journal_segment_list(disk, &v, &n), 0);
	ck_assert_uint_eq(v[0].first_seq, rec.first_seq);
	ck_assert_int_eq(v[0].wall.ns, (int64_t)rec.first_seq * 1000);
	free(v);
	journal_close(b.j);
}
END_TEST

/* A group that was half written when it was read, and has been published since, is no damage. */
START_TEST(checks_while_written)
{
	struct beside b = { .at = 9 };
	uint8_t seg[8192], tip[64];
	struct journal_recovery rec;
	struct journal *j;
	size_t n, old, tip_len;

	fill(0, 9, 3);
	old = load(SEGMENT_1, seg, sizeof seg);
	tip_len = load("tip", tip, sizeof tip);
	j = open_journal(disk, 0, NULL);
	for (uint64_t i = 10; i <= 15; i++) {
		ck_assert_int_eq(append(j, i), 0);
		if (i % 2 == 1)
			ck_assert_int_eq(journal_sync(j), 0);
	}
	journal_close(j);
	b.n = n = load(SEGMENT_1, b.seg, sizeof b.seg);
	b.tip_len = load("tip", b.tip, sizeof b.tip);
	memcpy(seg, b.seg, n);
	memset(seg + old + 80, 0, 3);	/* in record 10 */
	store(SEGMENT_1, seg, n);
	store("tip", tip, tip_len);
	ck_assert_int_eq(journal_verify(disk, &rec), -EBADMSG);	/* nobody mends it: damage */
	ck_assert_uint_eq(rec.bad_seq, 10);
	ck_assert_uint_eq(rec.bad_segment, 1);
	ck_assert_int_eq(rec.bad_offset, (int64_t)old);
	ck_assert_int_eq(journal_check(disk, each_beside, &b, &rec), 0);
	ck_assert_uint_eq(b.seen, 15);	/* each once */
	ck_assert_uint_eq(rec.next_seq, 16);
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
	tcase_add_test(tc, checks_while_purged);
	tcase_add_test(tc, checks_while_written);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
