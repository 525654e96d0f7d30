/*
 * test_disk.c - the real directory behind the door: names, locks, errors,
 * whole files.
 */
#include "common/disk.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sched.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

static char dir[64];
static struct disk *d;

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/lw-disk-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(disk_open_real(dir, &d), 0);
}

static void
teardown(void)
{
	char cmd[128];

	d->ops->close(d);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *
at(const char *name)
{
	static char path[4][200];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

START_TEST(test_open_directory)
{
	struct disk *e = NULL;
	struct stat st;

	ck_assert_int_eq(disk_open_real(at("a/b/c/"), &e), 0);
	ck_assert_int_eq(stat(at("a/b/c"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	e->ops->close(e);
	ck_assert_int_eq(disk_open_real(at("a/b/c"), &e), 0);	/* it is there already */
	e->ops->close(e);
	ck_assert_int_eq(disk_write_file(d, "plain", "x", 1), 0);
	ck_assert_int_eq(disk_open_real(at("plain"), &e), -ENOTDIR);
	ck_assert_int_eq(disk_open_real(at("plain/below"), &e), -ENOTDIR);
	ck_assert_int_eq(disk_open_real("", &e), -EINVAL);
	ck_assert_int_eq(disk_open_real("/proc/no/such", &e), -ENOENT);
}
END_TEST

/* It is the directory that was opened, wherever its name points later. */
START_TEST(test_moved_directory)
{
	void *data;
	size_t n;
	struct disk *e;

	ck_assert_int_eq(disk_open_real(at("x"), &e), 0);
	ck_assert_int_eq(rename(at("x"), at("y")), 0);
	ck_assert_int_eq(disk_write_file(e, "f", "1", 1), 0);
	ck_assert_int_eq(access(at("y/f"), F_OK), 0);
	ck_assert_int_eq(disk_read_file(e, "f", 1, &data, &n), 0);
	free(data);
	e->ops->close(e);
}
END_TEST

START_TEST(test_names)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/etc/passwd", "../x" };
	struct disk_file *f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(d->ops->open(d, bad[i], DISK_READ, &f), -EINVAL);
		ck_assert_int_eq(d->ops->open(d, bad[i], DISK_WRITE | DISK_CREATE, &f), -EINVAL);
		ck_assert_int_eq(d->ops->unlink(d, bad[i]), -EINVAL);
		ck_assert_int_eq(d->ops->rename(d, bad[i], "b"), -EINVAL);
		ck_assert_int_eq(d->ops->rename(d, "b", bad[i]), -EINVAL);
	}
	ck_assert_int_eq(symlink("/etc/passwd", at("link")), 0);
	ck_assert_int_eq(d->ops->open(d, "link", DISK_READ, &f), -ELOOP);
	ck_assert_int_eq(mkdir(at("sub"), 0700), 0);
	ck_assert_int_eq(d->ops->open(d, "sub", DISK_READ, &f), -EISDIR);
	ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
	ck_assert_int_eq(d->ops->open(d, "fifo", DISK_READ, &f), -EINVAL);
	ck_assert_int_eq(d->ops->open(d, "none", DISK_READ, &f), -ENOENT);
	ck_assert_int_eq(d->ops->open(d, "none", DISK_WRITE, &f), -ENOENT);
	ck_assert_int_eq(d->ops->unlink(d, "none"), -ENOENT);
	ck_assert_int_eq(d->ops->rename(d, "none", "b"), -ENOENT);
}
END_TEST

START_TEST(test_files)
{
	struct disk_file *f, *g;
	char buf[32];
	struct iovec v[3] = { { (void *)(uintptr_t)"abc", 3 }, { NULL, 0 },
		{ (void *)(uintptr_t)"defg", 4 } };
	struct stat st;

	ck_assert_int_eq(d->ops->open(d, "f", DISK_READ | DISK_WRITE | DISK_CREATE | DISK_EXCL,
	    &f), 0);
	ck_assert_int_eq(d->ops->open(d, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL, &g), -EEXIST);
	ck_assert_int_eq(stat(at("f"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 077, 0);
	ck_assert_int_eq(f->ops->size(f), 0);
	ck_assert_int_eq(f->ops->pwritev(f, v, 3, 2), 0);
	ck_assert_int_eq(f->ops->sync(f), 0);
	ck_assert_int_eq(f->ops->size(f), 9);
	ck_assert_int_eq(f->ops->pread(f, buf, sizeof(buf), 0), 9);
	ck_assert_mem_eq(buf, "\0\0abcdefg", 9);
	ck_assert_int_eq(f->ops->pread(f, buf, 2, 4), 2);
	ck_assert_mem_eq(buf, "cd", 2);
	ck_assert_int_eq(f->ops->pread(f, buf, 5, 100), 0);
	ck_assert_int_eq(f->ops->pread(f, buf, 5, -1), -EINVAL);
	ck_assert_int_eq(f->ops->truncate(f, 4), 0);
	ck_assert_int_eq(f->ops->size(f), 4);
	ck_assert_int_eq(f->ops->truncate(f, -1), -EINVAL);
	f->ops->close(f);
	ck_assert_int_eq(d->ops->open(d, "f", DISK_READ, &f), 0);
	ck_assert_int_eq(f->ops->pwritev(f, v, 1, 0), -EBADF);
	f->ops->close(f);
	ck_assert_int_eq(d->ops->rename(d, "f", "g"), 0);
	ck_assert_int_eq(d->ops->sync_dir(d), 0);
	ck_assert_int_eq(d->ops->unlink(d, "g"), 0);
	ck_assert_int_eq(access(at("g"), F_OK), -1);
}
END_TEST

/* More pieces than the kernel takes in one call. */
START_TEST(test_many_pieces)
{
	enum { N = 2 * IOV_MAX + 100 };
	struct iovec *v = xcalloc(N, sizeof(*v));
	unsigned char *data = xmalloc(3 * N), *back;
	struct disk_file *f;
	size_t off = 0, n;

	for (size_t i = 0; i < 3 * N; i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t i = 0; i < N; i++) {
		v[i] = (struct iovec){ data + off, i % 4 };
		off += i % 4;
	}
	ck_assert_int_eq(d->ops->open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
	ck_assert_int_eq(f->ops->pwritev(f, v, N, 0), 0);
	f->ops->close(f);
	ck_assert_int_eq(disk_read_file(d, "f", 1 << 20, (void **)&back, &n), 0);
	ck_assert_uint_eq(n, off);
	ck_assert_mem_eq(back, data, off);
	free(back);
	free(data);
	free(v);
}
END_TEST

/* A write that the system cuts short ends in an error, and never claims to be whole. */
START_TEST(test_cut_write)
{
	static char big[100000];
	struct rlimit limit = { 50000, 50000 };
	struct iovec v[2] = { { big, 30000 }, { big, 30000 } };
	struct disk_file *f;

	ck_assert_int_eq(d->ops->open(d, "f", DISK_WRITE | DISK_CREATE, &f), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(f->ops->pwritev(f, v, 2, 0), -EFBIG);
	ck_assert_int_eq(f->ops->size(f), 50000);
	ck_assert_int_eq(disk_write_file(d, "old", "as it was", 9), 0);
	ck_assert_int_eq(disk_write_file(d, "old", big, sizeof(big)), -EFBIG);
	f->ops->close(f);
	ck_assert_int_eq(access(at("old.tmp"), F_OK), -1);	/* nothing is left behind */
	{
		void *data;
		size_t n;

		ck_assert_int_eq(disk_read_file(d, "old", 100, &data, &n), 0);
		ck_assert_uint_eq(n, 9);
		ck_assert_str_eq(data, "as it was");
		free(data);
	}
}
END_TEST

START_TEST(test_disk_full)
{
	static char big[300000];
	struct disk *e;
	void *data;
	size_t n;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return;			/* needs root; test_cut_write() goes the same way */
	ck_assert_int_eq(mkdir(at("small"), 0700), 0);
	ck_assert_int_eq(mount("none", at("small"), "tmpfs", 0, "size=128k"), 0);
	ck_assert_int_eq(disk_open_real(at("small"), &e), 0);
	ck_assert_int_eq(disk_write_file(e, "state", "good", 4), 0);
	ck_assert_int_eq(disk_write_file(e, "state", big, sizeof(big)), -ENOSPC);
	ck_assert_int_eq(disk_read_file(e, "state", 10, &data, &n), 0);
	ck_assert_str_eq(data, "good");
	free(data);
	e->ops->close(e);
	ck_assert_int_eq(umount(at("small")), 0);
}
END_TEST

START_TEST(test_lock)
{
	struct disk_file *f, *g;

	ck_assert_int_eq(d->ops->open(d, "lock", DISK_WRITE | DISK_CREATE | DISK_LOCK, &f), 0);
	ck_assert_int_eq(d->ops->open(d, "lock", DISK_WRITE | DISK_LOCK, &g), -EBUSY);
	ck_assert_int_eq(d->ops->open(d, "lock", DISK_READ, &g), 0);	/* no lock asked for */
	g->ops->close(g);
	f->ops->close(f);
	ck_assert_int_eq(d->ops->open(d, "lock", DISK_WRITE | DISK_LOCK, &f), 0);
	f->ops->close(f);
}
END_TEST

static int seen, files;

static void
each(void *arg, const char *name)
{
	files++;
	seen += strncmp(name, "n-", 2) == 0 ? atoi(name + 2) : 1000000;
	ck_assert_int_eq(d->ops->unlink(d, name), 0);	/* the list does not mind */
	ck_assert_ptr_eq(arg, &seen);
}

START_TEST(test_list)
{
	ck_assert_int_eq(mkdir(at("sub"), 0700), 0);
	ck_assert_int_eq(symlink("n-1", at("link")), 0);
	for (int i = 1; i <= 300; i++) {
		char name[16];
		struct disk_file *f;

		snprintf(name, sizeof(name), "n-%d", i);
		ck_assert_int_eq(d->ops->open(d, name, DISK_WRITE | DISK_CREATE, &f), 0);
		f->ops->close(f);
	}
	ck_assert_int_eq(d->ops->list(d, each, &seen), 0);
	ck_assert_int_eq(files, 300);
	ck_assert_int_eq(seen, 300 * 301 / 2);
	files = seen = 0;
	ck_assert_int_eq(d->ops->list(d, each, &seen), 0);	/* from the start again */
	ck_assert_int_eq(files, 0);
}
END_TEST

START_TEST(test_whole_files)
{
	void *data = NULL;
	size_t n = 99;

	ck_assert_int_eq(disk_write_file(d, "f", NULL, 0), 0);
	ck_assert_int_eq(disk_read_file(d, "f", 0, &data, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_str_eq(data, "");
	free(data);
	ck_assert_int_eq(disk_write_file(d, "f.tmp", "left over", 9), 0);	/* of a crash */
	ck_assert_int_eq(disk_write_file(d, "f", "a\0b", 3), 0);
	ck_assert_int_eq(disk_read_file(d, "f", 2, &data, &n), -EFBIG);
	ck_assert_int_eq(disk_read_file(d, "f", 3, &data, &n), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(data, "a\0b", 4);
	free(data);
	ck_assert_int_eq(disk_read_file(d, "none", 3, &data, &n), -ENOENT);
	ck_assert_int_eq(disk_write_file(d, "a/b", "x", 1), -EINVAL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("disk");
	TCase *t = tcase_create("disk");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_open_directory);
	tcase_add_test(t, test_moved_directory);
	tcase_add_test(t, test_names);
	tcase_add_test(t, test_files);
	tcase_add_test(t, test_many_pieces);
	tcase_add_test(t, test_cut_write);
	tcase_add_test(t, test_disk_full);
	tcase_add_test(t, test_lock);
	tcase_add_test(t, test_list);
	tcase_add_test(t, test_whole_files);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
