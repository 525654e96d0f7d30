/*
 * test_journal_faults.c - the journal on full and failing disks, killed a
 * hundred times, and read by other processes while it is written.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "common/journal.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/unit/common/journal_fixture.h"
#include "tests/rounds.h"

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
		return; /* needs root; full_disk_changes_nothing has the same cases */
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
			if (journal_append(j, (uint16_t)(next % 5 + 1),
				(struct wall){(int64_t)next * 1000}, data, content(next, data),
				NULL) != 0)
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

START_TEST(killed_many_times)
{
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 42);
	struct journal_recovery rec;
	uint64_t torn = 0;

	for (int round = 0; round < ROUNDS(100); round++) {
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
	printf("killed %d times, %llu records, %llu torn tails\n", ROUNDS(100),
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
	Suite *s = suite_create("journal_faults");
	TCase *tc = tcase_create("journal_faults");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, full_disk_changes_nothing);
	tcase_add_test(tc, failed_sync_poisons);
	tcase_add_test(tc, full_tmpfs);
	tcase_add_test(tc, killed_many_times);
	tcase_add_test(tc, read_while_written_by_others);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
