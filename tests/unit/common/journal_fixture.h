/*
 * journal_fixture.h - a journal in a directory of its own, with records whose
 * content follows from their number; for the tests of the journal.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal.h"

static char dir[64];
static struct disk *disk;

static inline void
setup(void)
{
	snprintf(dir, sizeof dir, "%s/lw-journal-XXXXXX", access("/dev/shm", W_OK) == 0 ?
	    "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(disk_open_real(dir, &disk), 0);
}

static inline void
unlink_each(void *arg, const char *name)
{
	struct disk *d = arg;

	d->ops->unlink(d, name);
}

static inline void
teardown(void)
{
	disk->ops->list(disk, unlink_each, disk);
	disk->ops->close(disk);
	rmdir(dir);
}

/* The content of record seq, from its number alone. */
static inline size_t
content(uint64_t seq, uint8_t *out)
{
	size_t n = seq * 13 % 60;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(seq * 31 + i);
	return n;
}

static inline int
append(struct journal *j, uint64_t expect)
{
	uint8_t data[64];
	uint64_t seq = 0;
	size_t n = content(expect, data);
	int r = journal_append(
	    j, (uint16_t)(expect % 5 + 1), (struct wall){(int64_t)expect * 1000}, data, n, &seq);

	if (r == 0)
		ck_assert_uint_eq(seq, expect);
	return r;
}

static inline struct journal *
open_journal(struct disk *d, uint64_t segment_bytes, struct journal_recovery *rec)
{
	struct journal_opts o = { .segment_bytes = segment_bytes };
	struct journal_recovery ignored;
	struct journal *j;
	int r = journal_open(&j, d, &o, rec != NULL ? rec : &ignored);

	ck_assert_msg(
	    r == 0, "open: %s (%s)", strerror(-r), rec != NULL ? rec->detail : ignored.detail);
	return j;
}

/* Writes records 1..n, synced after each `group`. */
static inline void
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

static inline void
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
static inline uint64_t
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
