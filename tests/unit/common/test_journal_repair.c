/*
 * test_journal_repair.c - a damaged journal is read around the damage, and goes
 * on behind it when its writer wants that.
 */
#include <fcntl.h>

#include "common/journal_format.h"
#include "tests/rounds.h"
#include "journal_fixture.h"

#define RECORDS 24
#define SEGMENTS_MAX 16

static uint64_t first[SEGMENTS_MAX + 1];
static size_t segments;

static void
note_segment(void *arg, const char *name)
{
	uint64_t seq;

	(void)arg;
	if (journal_segment_name_parse(name, &seq)) {
		ck_assert_uint_lt(segments, SEGMENTS_MAX);
		first[segments++] = seq;
	}
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* RECORDS records in some segments, whose firsts are noted. */
static void
fill_segments(void)
{
	fill(400, RECORDS, 2);
	segments = 0;
	ck_assert_int_eq(disk->ops->list(disk, note_segment, NULL), 0);
	qsort(first, segments, sizeof *first, compare);
	first[segments] = RECORDS + 1;
	ck_assert_uint_gt(segments, 3);
}

static long
segment_size(size_t i)
{
	char name[SEGMENT_NAME_LEN + 1];
	struct disk_file *f;
	int64_t n;

	journal_segment_name(name, first[i]);
	ck_assert_int_eq(disk->ops->open(disk, name, DISK_READ, &f), 0);
	n = f->ops->size(f);
	f->ops->close(f);
	return (long)n;
}

/* Turns bits of one byte; done twice, it is as it was. */
static void
flip(size_t i, long at, uint8_t mask)
{
	char path[128];
	uint8_t b;
	int fd;

	snprintf(path, sizeof path, "%s/%020llu.seg", dir, (unsigned long long)first[i]);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &b, 1, at), 1);
	b ^= mask;
	ck_assert_int_eq(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

/* Reads all that can be had from record 1 on, each as it was written; skips counts the damages met. */
static uint64_t
read_around(unsigned *skips)
{
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t n = 0, at = 1, seq;
	int e;

	*skips = 0;
	ck_assert_int_eq(journal_reader_open(&rd, disk, 1), 0);
	while ((e = journal_reader_next(rd, &r)) != 0) {
		if (e == -EBADMSG) {
			ck_assert_uint_le(++*skips, 4);
			e = journal_reader_skip(rd, &seq);
			ck_assert_int_ge(e, 0);
			if (e == 0)
				break;
			ck_assert_uint_ge(seq, at);
			continue;
		}
		if (e == -ESTALE)		/* a segment that was put aside was the first */
			continue;
		ck_assert_int_eq(e, 1);
		ck_assert_uint_ge(r.seq, at);
		at = r.seq + 1;
		if (r.seq <= RECORDS)
			check_record(&r);
		n++;
	}
	journal_reader_close(rd);
	return n;
}

/* Any byte of any segment: the reader loses the one record that it belongs to, or the segment. */
START_TEST(read_around_any_byte)
{
	unsigned skips;

	fill_segments();
	ck_assert_uint_eq(read_around(&skips), RECORDS);
	ck_assert_uint_eq(skips, 0);
	for (size_t i = 0; i < segments; i++)
		for (long at = 0; at < segment_size(i); at += ROUNDS_STRIDE) {
			uint64_t lost = at < SEGMENT_HEADER ? first[i + 1] - first[i] : 1;

			flip(i, at, 0x40);
			ck_assert_uint_eq(read_around(&skips), RECORDS - lost);
			ck_assert_uint_eq(skips, 1);
			flip(i, at, 0x40);
		}
	ck_assert_uint_eq(read_around(&skips), RECORDS);
}
END_TEST

/* Two damages, the second right behind the first, and one that takes the end. */
START_TEST(read_around_several)
{
	unsigned skips;

	fill_segments();
	flip(0, SEGMENT_HEADER + 3, 1);
	flip(1, 5, 1);
	flip(segments - 1, segment_size(segments - 1) - 1, 1);
	ck_assert_uint_eq(read_around(&skips), RECORDS - 1 - (first[2] - first[1]) - 1);
	ck_assert_uint_eq(skips, 3);
}
END_TEST

/* What opening refuses goes on after a repair, whatever byte was hit. */
START_TEST(repaired_after_any_byte)
{
	struct journal_recovery rec;
	struct journal *j;
	uint64_t gone, seq;
	unsigned skips;
	bool header;

	fill_segments();
	for (size_t i = 0; i < segments; i += segments - 1)
		for (long at = 0; at < segment_size(i); at += ROUNDS_STRIDE) {
			header = at < SEGMENT_HEADER;
			flip(i, at, 0x08);
			if (journal_open(&j, disk, NULL, &rec) == 0) {
				ck_assert(i == 0 && !header);	/* not walked: readers find it */
				journal_close(j);
				flip(i, at, 0x08);
				continue;
			}
			ck_assert_int_eq(journal_repair(disk, (struct wall){ 7 }, &gone), 0);
			ck_assert_uint_eq(gone, header ? first[i] : 0);
			j = open_journal(disk, 400, &rec);
			ck_assert_uint_eq(rec.next_seq, RECORDS + 1);
			ck_assert_int_eq(journal_append(j, 1, (struct wall){ 8 }, "x", 1, &seq), 0);
			ck_assert_uint_eq(seq, RECORDS + 1);
			ck_assert_int_eq(journal_sync(j), 0);
			journal_close(j);
			ck_assert_uint_eq(read_around(&skips), RECORDS + 1 -
			    (header ? first[i + 1] - first[i] : 1));
			teardown();
			setup();
			fill_segments();
		}
}
END_TEST

/* The end that was published is gone, or all of it. */
START_TEST(repaired_without_an_end)
{
	char name[SEGMENT_NAME_LEN + 1];
	struct journal_recovery rec;
	struct journal *j;
	uint64_t gone;
	unsigned skips;

	fill_segments();
	journal_segment_name(name, first[segments - 1]);
	ck_assert_int_eq(disk->ops->unlink(disk, name), 0);
	ck_assert_int_eq(journal_open(&j, disk, NULL, &rec), -EBADMSG);
	ck_assert_int_eq(journal_repair(disk, (struct wall){ 7 }, &gone), 0);
	ck_assert_uint_eq(gone, 0);
	j = open_journal(disk, 400, &rec);
	ck_assert_uint_eq(rec.next_seq, RECORDS + 1);
	/* nobody else repairs under its hands */
	ck_assert_int_eq(journal_repair(disk, (struct wall){ 7 }, &gone), -EBUSY);
	journal_close(j);
	ck_assert_uint_eq(read_around(&skips), first[segments - 1] - 1);
	for (size_t i = 0; i + 1 < segments; i++) {
		journal_segment_name(name, first[i]);
		ck_assert_int_eq(disk->ops->unlink(disk, name), 0);
	}
	journal_segment_name(name, RECORDS + 1);
	ck_assert_int_eq(disk->ops->unlink(disk, name), 0);
	ck_assert_int_eq(journal_repair(disk, (struct wall){ 7 }, &gone), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal_repair");
	TCase *tc = tcase_create("journal_repair");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, read_around_any_byte);
	tcase_add_test(tc, read_around_several);
	tcase_add_test(tc, repaired_after_any_byte);
	tcase_add_test(tc, repaired_without_an_end);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
