/*
 * test_rrdfile.c - good files, damaged ones, full disks, killed writers (R01 to R14).
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <rrd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "collector/rrdfile.h"
#include "common/rng.h"
#include "tests/unit/collector/peer.h"

#define START INT64_C(1768000000)
#define NOW (START + 100000)
#define LIVE_AT (128 + def.ds_n * 120 + def.rra_n * 120)
#define PTR_AT (rrdimage_head(&def) - 8 * def.rra_n)

static char *dir, *path;
static struct series_def def;
static char why[256];

static void
setup(void)
{
	static const struct series_policy policy = { .keep_s = { { 3600, 7200, 86400, 345600, 864000 } } };
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.id = l.agent = (char *)"a";
	l.probe = PROBE_TCP;
	l.step_ms = 10000;
	l.class_ = CLASS_A;
	ck_assert_int_eq(series_define(&def, &l, &policy), 0);
	dir = test_dir();
	path = xasprintf("%s/x.rrd", dir);
}

static void
teardown(void)
{
	free(path);
	test_dir_remove(dir);
}

static int
check(int64_t *last)
{
	return rrdfile_check(path, &def, NOW, last, why, sizeof why);
}

static void
fill(struct rrd_row *row, size_t first, size_t rows)
{
	for (size_t i = 0; i < rows; i++) {
		row[i].t = START + 10 * (int64_t)(first + i + 1);
		for (size_t k = 0; k < def.ds_n; k++)
			row[i].v[k] = k == 0 ? 0.25 : (first + i) % 7 == 3 ? NAN :
			    0.001 * (double)((first + i) % 100 + k);
	}
}

static int
append(size_t first, size_t rows)
{
	struct rrd_row *row = xcalloc(rows + 1, sizeof *row);
	int r;

	fill(row, first, rows);
	r = rrdfile_update(path, &def, row, rows, why, sizeof why);
	free(row);
	return r;
}

static void
make(size_t rows)
{
	unlink(path);
	ck_assert_int_eq(rrdfile_create(path, &def, START, why, sizeof why), 0);
	ck_assert_msg(append(0, rows) == 0, "%s", why);
}

/* Writes n bytes at an offset of the file. */
static void
poke(size_t at, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY);

	ck_assert_int_eq(pwrite(fd, data, n, (off_t)at), (ssize_t)n);
	close(fd);
}

/* The head, malloc'd. */
static uint8_t *
read_head(void)
{
	size_t n = rrdimage_head(&def);
	uint8_t *p = xmalloc(n);
	int fd = open(path, O_RDONLY);

	ck_assert_int_eq(read(fd, p, n), (ssize_t)n);
	close(fd);
	return p;
}

START_TEST(what_was_written_is_read_back)
{
	unsigned long step = 1, ds_n;
	time_t from = START, to = START + 200;
	char **names;
	double *v;
	int64_t last;

	make(20);
	ck_assert_msg(check(&last) == 0, "%s", why);
	ck_assert_int_eq(last, START + 200);
	ck_assert_int_eq(rrd_fetch_r(path, "AVERAGE", &from, &to, &step, &ds_n, &names, &v), 0);
	ck_assert_uint_eq(step, 10);
	ck_assert_uint_eq(ds_n, 9);
	for (size_t i = 0; i < 20; i++) {
		ck_assert_double_eq_tol(v[i * ds_n], 0.25, 1e-12);
		if (i % 7 == 3)
			ck_assert(isnan(v[i * ds_n + 4]));
		else
			ck_assert_double_eq_tol(v[i * ds_n + 4], 0.001 * (double)(i + 4), 1e-12);
	}
	for (size_t i = 0; i < ds_n; i++)
		free(names[i]);
	free(names);
	free(v);
}
END_TEST

START_TEST(no_file)
{
	int64_t last;

	ck_assert_int_eq(check(&last), -ENOENT);
	ck_assert_int_eq(append(0, 1), -ENOENT);
}
END_TEST

/* R02: what lies there under the name of a file is neither followed nor written to nor waited for. */
START_TEST(things_that_are_no_file)
{
	char *other = xasprintf("%s/other", dir), text[32] = "";
	int64_t last;
	int fd;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_int_eq(append(0, 1), -EBADMSG);
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_int_eq(append(0, 1), -EBADMSG);
	unlink(path);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_int_eq(append(0, 1), -EBADMSG);
	unlink(path);
	fd = open(other, O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(write(fd, "not yours\n", 10), 10);
	ck_assert_int_eq(link(other, path), 0);
	ck_assert_int_eq(append(0, 1), -EBADMSG);
	ck_assert_int_eq(pread(fd, text, sizeof text, 0), 10);
	ck_assert_str_eq(text, "not yours\n");
	close(fd);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(check(&last), -EBADMSG);
	free(other);
}
END_TEST

/* R02 */
START_TEST(every_other_length)
{
	struct stat st;
	int64_t last;

	make(3);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t n = st.st_size - 1; n > 0; n = n > 20000 ? n / 2 : n - 97) {
		ck_assert_int_eq(truncate(path, n), 0);
		ck_assert_msg(check(&last) == -EBADMSG, "%jd bytes passed", (intmax_t)n);
	}
	make(3);
	ck_assert_int_eq(truncate(path, st.st_size + 1), 0);
	ck_assert_int_eq(check(&last), -EBADMSG);
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(truncate(path, st.st_size), 0);	/* all zero */
	ck_assert_int_eq(check(&last), -EBADMSG);
}
END_TEST

START_TEST(another_layout)
{
	struct series_def other = def;
	int64_t last;

	make(1);
	other.step_s = 20;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	other.ds_n--;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	strcpy(other.ds[3].name, "other");
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
	other = def;
	other.rra[1].rows++;
	ck_assert_int_eq(rrdfile_check(path, &other, START + 1000, &last, why, sizeof why), -ESTALE);
}
END_TEST

/* R03 to R07: each told by its own words, also where the CRC was made to fit, as an attacker would. */
START_TEST(heads_that_lie)
{
	const uint64_t swapped = __builtin_bswap64(0), many = UINT64_C(1) << 32, none = 0, far = 4102444790,
	    usec = 1000000, minus = (uint64_t)-1;
	const double cookie = 8.642135E130;
	uint64_t big_endian;
	const struct { const char *name; size_t at; const uint64_t *v; int result; } lies[] = {
		{ "R03 other endianness", 16, &big_endian, -EBADMSG },
		{ "R03 no cookie", 16, &swapped, -EBADMSG },
		{ "R04 data sources", 24, &many, -ESTALE },
		{ "R04 archives", 32, &many, -ESTALE },
		{ "R04 rows", 128 + def.ds_n * 120 + 24, &many, -ESTALE },
		{ "R04 steps a row", 128 + def.ds_n * 120 + 32, &none, -ESTALE },
		{ "R05 step 0", 40, &none, -ESTALE },
		{ "R06 pointer", PTR_AT, &many, -EBADMSG },
		{ "R06 pointer, negative", PTR_AT + 8, &minus, -EBADMSG },
		{ "R06 pointer, one too far", PTR_AT, NULL, -EBADMSG },
		{ "R07 last update in 2100", LIVE_AT, &far, -EBADMSG },
		{ "R07 last update negative", LIVE_AT, &minus, -EBADMSG },
		{ "microseconds", LIVE_AT + 8, &usec, -EBADMSG },
	};
	const uint64_t rows = def.rra[0].rows;

	memcpy(&big_endian, &cookie, 8);
	big_endian = __builtin_bswap64(big_endian);
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		int64_t last, moved;
		uint8_t *head;
		int r;

		make(2);
		poke(lies[i].at, lies[i].v != NULL ? lies[i].v : &rows, 8);
		head = read_head();
		rrdimage_seal(head, &def);
		poke(0, head, rrdimage_head(&def));
		free(head);
		r = check(&last);
		ck_assert_msg(r == lies[i].result, "%s: %d %s", lies[i].name, r, why);
		ck_assert(strstr(why, "checksum") == NULL);
		/* What is not ours is not moved either: it has no history that could be trusted. */
		ck_assert_msg(rrdfile_move(path, &def, path, NOW, INT64_MAX, &moved, why, sizeof why) == -EBADMSG,
		    "%s", lies[i].name);
		ck_assert_int_ne(append(5, 1), 0);
	}
}
END_TEST

START_TEST(rows_that_go_back_are_refused)
{
	make(3);
	ck_assert_int_eq(append(0, 1), -EINVAL);
	ck_assert_int_eq(append(3, 1), 0);
}
END_TEST

/* R01: no byte of a head is bent unnoticed. */
START_TEST(bent_heads_are_noticed)
{
	size_t n = rrdimage_head(&def), size = (size_t)rrdimage_size(&def);
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 20260115);
	uint8_t *head;
	int64_t last;

	make(50);
	head = read_head();
	ck_assert_int_eq(rrdimage_check(head, n, (int64_t)size, &def, NOW, &last, why, sizeof why), 0);
	for (int i = 0; i < 20000; i++) {
		size_t at = (size_t)rng_below(rng, n), len = 1 + (size_t)rng_below(rng, 4);
		uint8_t was[4], is[4];

		len = at + len > n ? n - at : len;
		memcpy(was, head + at, len);
		rng->fill(rng, is, sizeof is);
		if (memcmp(was, is, len) == 0)
			continue;
		memcpy(head + at, is, len);
		ck_assert_msg(rrdimage_check(head, n, (int64_t)size, &def, NOW, &last, why, sizeof why) != 0,
		    "round %d: byte %zu passes", i, at);
		memcpy(head + at, was, len);
	}
	free(head);
}
END_TEST

struct memory_sink { struct rrd_sink sink; int64_t first, size; };

static void
put_nowhere(struct rrd_sink *sink, int64_t off, const void *data, size_t n)
{
	struct memory_sink *m = (struct memory_sink *)sink;
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < n; i += 512)
		sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
	if (off < m->first || off + (int64_t)n > m->size)
		abort();
}

/* R01: a file without a CRC, as librrd makes it, may pass bent; then it is fed without harm, inside its bounds. */
START_TEST(bent_heads_without_a_checksum_do_no_harm)
{
	size_t n = rrdimage_head(&def), passed = 0;
	struct memory_sink sink = { { put_nowhere }, (int64_t)n, rrdimage_size(&def) };
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 7);
	uint8_t *head, *bent = xmalloc(n);
	double v[2 * SERIES_DS_MAX] = { 0 };
	int64_t last;

	make(50);
	head = read_head();
	memset(head + 48, 0, 16);
	for (int i = 0; i < 3000; i++) {
		size_t at = (size_t)rng_below(rng, n - 4);
		int64_t t[2];
		struct rrd_rows rows = { t, v, 2 };

		memcpy(bent, head, n);
		rng->fill(rng, bent + at, 1 + (size_t)rng_below(rng, 4));
		if (rrdimage_check(bent, n, sink.size, &def, NOW, &last, why, sizeof why) != 0)
			continue;
		passed++;
		t[0] = last + 10;
		t[1] = last + 10000;
		rrdimage_feed(bent, &def, &rows, &sink.sink);
	}
	ck_assert_uint_gt(passed, 100);		/* else this proves nothing */
	free(bent);
	free(head);
}
END_TEST

/* ------------------------------------------------------------ disks that fail */

/* A file system that only we see, on dir; false: not permitted here. */
static bool
mount_small(const char *options)
{
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", dir, "tmpfs", 0, options) == 0)
		return true;
	fprintf(stderr, "test_rrdfile: needs root and mount(2): a part was not run\n");
	return false;
}

/* What lies in dir. */
static int
entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* R08: no part of a file is left, and what is there stays. */
START_TEST(a_full_disk_leaves_no_file)
{
	int64_t last;

	if (!mount_small("size=32k"))
		return;
	ck_assert_int_eq(rrdfile_create(path, &def, START, why, sizeof why), -ENOSPC);
	ck_assert(why[0] != '\0');
	ck_assert_int_eq(check(&last), -ENOENT);
	ck_assert_int_eq(entries(), 0);
	umount(dir);
}
END_TEST

/* R08: a file with holes on a full disk is an error, not SIGBUS; so is one of which a part was cut off. */
START_TEST(a_full_disk_at_an_update_is_an_error)
{
	char *ballast = xasprintf("%s/ballast", dir), zero[4096] = "";
	uint8_t *head;
	int64_t last;
	int fd;

	if (mount_small("size=4m")) {
		make(1);
		head = read_head();
		ck_assert_int_eq(truncate(path, (off_t)rrdimage_head(&def)), 0);
		ck_assert_int_eq(truncate(path, (off_t)rrdimage_size(&def)), 0);
		fd = open(ballast, O_CREAT | O_WRONLY, 0600);
		while (write(fd, zero, sizeof zero) > 0)
			;
		close(fd);
		ck_assert_int_eq(append(1, 60), -ENOSPC);
		/* The head did not run ahead of its rows. */
		ck_assert_int_eq(check(&last), 0);
		ck_assert_int_eq(last, START + 10);
		unlink(ballast);
		ck_assert_int_eq(append(1, 60), 0);
		free(head);
		umount(dir);
	}
	free(ballast);
}
END_TEST

/* R08 */
START_TEST(a_read_only_disk_is_an_error)
{
	if (!mount_small("size=4m"))
		return;
	make(1);
	ck_assert_int_eq(mount("tmpfs", dir, NULL, MS_REMOUNT | MS_RDONLY, "size=4m"), 0);
	ck_assert_int_eq(append(1, 1), -EROFS);
	ck_assert_int_ne(rrdfile_create(path, &def, START, why, sizeof why), 0);
	umount(dir);
}
END_TEST

/* R14 */
START_TEST(no_inode_is_an_error)
{
	int64_t last;

	if (!mount_small("size=4m,nr_inodes=2"))
		return;
	make(1);
	ck_assert_int_eq(append(1, 1), 0);
	free(path);
	path = xasprintf("%s/y.rrd", dir);
	ck_assert_int_eq(rrdfile_create(path, &def, START, why, sizeof why), -ENOSPC);
	ck_assert_int_eq(check(&last), -ENOENT);
	umount(dir);
}
END_TEST

/* R10 */
START_TEST(a_locked_file_is_left_alone)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ready[2], status, fd;
	pid_t pid;
	char c;

	make(1);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		fd = open(path, O_RDWR);
		if (fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_int_eq(append(1, 1), -EAGAIN);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ck_assert_int_eq(append(1, 1), 0);
}
END_TEST

/* ------------------------------------------------------------- killed writers */

/* The note of the store, in memory that outlives the writer. */
struct shared { uint64_t inode; size_t len, begun; uint8_t head[RRDIMAGE_HEAD_MAX]; };
struct shared_note { struct rrd_note note; struct shared *shared; };

static void
note_head(struct rrd_note *note, uint64_t inode, const uint8_t *head, size_t len)
{
	struct shared *s = ((struct shared_note *)note)->shared;

	s->len = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (len > 0)
		memcpy(s->head, head, len);
	s->inode = inode;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	s->len = len;
	if (len > 0 && ++s->begun % 4 == 0)
		usleep(50);		/* here a kill is to find it now and then */
}

static int
append_noted(struct shared *s, size_t first, size_t rows)
{
	struct shared_note note = { { note_head }, s };
	struct rrd_row *row = xcalloc(rows, sizeof *row);
	int64_t *t = xcalloc(rows, sizeof *t);
	double *v = xcalloc(rows * def.ds_n, sizeof *v);
	struct rrd_append a = { .rows = { t, v, rows }, .now = NOW + 10000000, .note = &note.note };
	int r;

	fill(row, first, rows);
	for (size_t i = 0; i < rows; i++) {
		t[i] = row[i].t;
		memcpy(v + i * def.ds_n, row[i].v, def.ds_n * sizeof *v);
	}
	r = rrdfile_append(path, &def, &a, why, sizeof why);
	free(row);
	free(t);
	free(v);
	return r;
}

/* The whole file; heads are compared without the CRC only in that it is there too. */
static uint8_t *
read_all(const char *p)
{
	size_t n = (size_t)rrdimage_size(&def);
	uint8_t *image = xmalloc(n);
	int fd = open(p, O_RDONLY);

	ck_assert_int_eq(read(fd, image, n), (ssize_t)n);
	close(fd);
	return image;
}

/* Is the file, byte by byte, what an undisturbed writer of so many rows makes? */
static void
compare_with_twin(size_t rows)
{
	uint8_t *got = read_all(path), *want;
	char *kept = xasprintf("%s.kept", path);

	ck_assert_int_eq(rename(path, kept), 0);
	make(rows);
	want = read_all(path);
	ck_assert_int_eq(rename(kept, path), 0);
	ck_assert_msg(memcmp(got, want, (size_t)rrdimage_size(&def)) == 0, "%zu rows: the files differ", rows);
	free(got);
	free(want);
	free(kept);
}

/* R13: killed again and again in the midst of writing, then the note is read and the rest comes again. */
START_TEST(killed_while_writing)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 13);
	size_t noted = 0, done = 0;
	int64_t last;

	make(0);
	for (int round = 0; round < 2000 && (round < 100 || noted < 5); round++) {
		int status;
		pid_t pid;

		s->begun = 0;
		pid = fork();

		if (pid == 0) {
			for (size_t i = done; i < done + 30000; i += 3)
				if (append_noted(s, i, 3) != 0)
					_exit(1);
			_exit(0);
		}
		while (__atomic_load_n(&s->begun, __ATOMIC_RELAXED) == 0 && waitid(P_PID, (id_t)pid,
		    &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0)
			sched_yield();
		usleep((useconds_t)rng_below(rng, 400));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "round %d: %s", round, why);
		if (s->len > 0) {
			noted++;
			ck_assert_int_eq(rrdfile_redo(path, s->inode, s->head, s->len), 0);
			s->len = 0;
		}
		ck_assert_msg(rrdfile_check(path, &def, NOW + 10000000, &last, why, sizeof why) == 0, "round %d: %s",
		    round, why);
		done = (size_t)((last - START) / 10);
	}
	ck_assert_uint_gt(done, 100);
	ck_assert_uint_gt(noted, 0);		/* else it was never hit in the midst */
	/* Rows that the last one wrote and whose head it did not come to lie there unseen: they come again. */
	ck_assert_int_eq(append_noted(s, done, 3), 0);
	compare_with_twin(done + 3);
	munmap(s, sizeof *s);
}
END_TEST

/* R13: the kernel copies a head page by page: whatever part of it stands, the note makes it whole. */
START_TEST(torn_heads_are_made_whole)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t n = rrdimage_head(&def);
	uint8_t *old, *new;
	struct stat st;
	int64_t last;

	for (size_t cut = 0; cut <= n; cut += 512) {
		make(20);
		old = read_head();
		ck_assert_int_eq(append_noted(s, 20, 10), 0);
		new = read_head();
		ck_assert_int_eq(stat(path, &st), 0);
		memcpy(old, new, cut < n ? cut : n);
		poke(0, old, n);
		if (cut > 0 && cut + 512 < n)
			ck_assert_int_eq(check(&last), -EBADMSG);
		ck_assert_int_eq(rrdfile_redo(path, st.st_ino + 1, new, n), -ESTALE);	/* not that file */
		ck_assert_int_eq(rrdfile_redo(path, st.st_ino, new, n), 0);
		ck_assert_int_eq(check(&last), 0);
		ck_assert_int_eq(last, START + 300);
		compare_with_twin(30);
		free(old);
		free(new);
	}
	munmap(s, sizeof *s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rrdfile");
	TCase *t = tcase_create("rrdfile");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_was_written_is_read_back);
	tcase_add_test(t, no_file);
	tcase_add_test(t, things_that_are_no_file);
	tcase_add_test(t, every_other_length);
	tcase_add_test(t, another_layout);
	tcase_add_test(t, heads_that_lie);
	tcase_add_test(t, rows_that_go_back_are_refused);
	tcase_add_test(t, bent_heads_are_noticed);
	tcase_add_test(t, bent_heads_without_a_checksum_do_no_harm);
	tcase_add_test(t, a_full_disk_leaves_no_file);
	tcase_add_test(t, a_full_disk_at_an_update_is_an_error);
	tcase_add_test(t, a_read_only_disk_is_an_error);
	tcase_add_test(t, no_inode_is_an_error);
	tcase_add_test(t, a_locked_file_is_left_alone);
	tcase_add_test(t, killed_while_writing);
	tcase_add_test(t, torn_heads_are_made_whole);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
