/*
 * powercut.c - a disk that keeps only what was synced, for LD_PRELOAD.
 *
 *   POWERCUT_STATE    the directory that a program writes
 *   POWERCUT_MIRROR   what the disk holds of it: this is all that a power cut leaves
 *   POWERCUT_DELAY_US a sync takes up to so long (by chance), as on a disk; 0: none
 *
 * The program writes as ever; what it has written is in the page cache.  Then
 *   fsync, fdatasync of a file   put its bytes into MIRROR/ino/NUMBER;
 *   fsync of a directory         makes the names in MIRROR/tree the same as now (hard links to ino/),
 *                                and no sooner: a new file, a rename or an unlink is lost before;
 *   syncfs, sync                 do both for everything below STATE.
 * A file whose name was made durable but whose bytes never were is empty.  That is less than ext4 keeps;
 * it is all that POSIX promises.  Mapped pages count like written ones.  Several processes may share one
 * disk: a lock makes each of these steps one.  kill -9 in the middle of one leaves a part of it, as a
 * disk would.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
#define PATH_BYTES 1024
#define DEPTH_MAX 8

int fsync(int fd);
int fdatasync(int fd);
int syncfs(int fd);
void sync(void);
int unlink(const char *path);
int unlinkat(int dir, const char *path, int flags);
int rename(const char *from, const char *to);
int renameat(int dir_from, const char *from, int dir_to, const char *to);

static char state[PATH_BYTES], mirror[PATH_BYTES];
static long delay_us;

__attribute__((noreturn, format(printf, 1, 2)))
static void
broken(const char *fmt, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	__builtin_va_end(ap);
	fprintf(stderr, " (powercut: %s)\n", strerror(errno));
	_exit(99);			/* a disk that lies would make the test worthless */
}

__attribute__((constructor))
static void
begin(void)
{
	const char *s = getenv("POWERCUT_STATE"), *m = getenv("POWERCUT_MIRROR"), *d = getenv("POWERCUT_DELAY_US");

	if (s == NULL || m == NULL)
		return;
	snprintf(state, sizeof state, "%s", s);
	snprintf(mirror, sizeof mirror, "%s", m);
	delay_us = d != NULL ? atol(d) : 0;
}

/* ------------------------------------------------------------------- places */

/* The path of fd below STATE ("" is STATE itself) into rel; false: it is elsewhere. */
static bool
is_inside(int fd, char rel[PATH_BYTES])
{
	char link[64], path[PATH_BYTES];
	size_t n = strlen(state);
	ssize_t len;

	if (n == 0)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	if (strncmp(path, state, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return false;
	snprintf(rel, PATH_BYTES, "%s", path[n] == '/' ? path + n + 1 : "");
	return true;
}

__attribute__((format(printf, 2, 3)))
static void
path_of(char out[PATH_BYTES], const char *fmt, ...)
{
	__builtin_va_list ap;
	int n;

	__builtin_va_start(ap, fmt);
	n = vsnprintf(out, PATH_BYTES, fmt, ap);
	__builtin_va_end(ap);
	if (n >= PATH_BYTES)
		broken("path too long: %s", out);
}

static int
lock(void)
{
	char path[PATH_BYTES];
	int fd;

	path_of(path, "%s/lock", mirror);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		broken("%s", path);
	return fd;
}

static void
wait_for_the_disk(void)
{
	struct timespec now, t = { 0 };

	if (delay_us <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	t.tv_nsec = now.tv_nsec / 64 % (delay_us + 1) * 1000;
	nanosleep(&t, NULL);
}

/* --------------------------------------------------------------- the mirror */

/* The bytes of the open file `in` as they are now, into ino/. */
static void
keep_bytes(int in, const struct stat *st)
{
	static char now[BLOCK], was[BLOCK];
	char path[PATH_BYTES];
	off_t off = 0;
	ssize_t n;
	int out;

	path_of(path, "%s/ino/%llu", mirror, (unsigned long long)st->st_ino);
	out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (out < 0)
		broken("%s", path);
	while ((n = pread(in, now, sizeof now, off)) > 0) {
		if (pread(out, was, (size_t)n, off) != n || memcmp(now, was, (size_t)n) != 0)
			if (pwrite(out, now, (size_t)n, off) != n)
				broken("%s", path);
		off += n;
	}
	if (n < 0 || ftruncate(out, off) != 0)
		broken("%s", path);
	close(out);
}

static void
keep_file(int fd)
{
	char link[64];
	struct stat st;
	int in;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	in = open(link, O_RDONLY | O_CLOEXEC);	/* fd itself may be for writing only */
	if (in < 0 || fstat(in, &st) != 0)
		broken("%s", link);
	keep_bytes(in, &st);
	close(in);
}

/* The name rel/name of the file st is durable from now on. */
static void
keep_name(const char *rel, const char *name, const struct stat *st)
{
	char path[PATH_BYTES], ino[PATH_BYTES], fresh[PATH_BYTES];
	struct stat there, bytes;
	int fd;

	path_of(ino, "%s/ino/%llu", mirror, (unsigned long long)st->st_ino);
	path_of(path, "%s/tree/%s/%s", mirror, rel, name);
	path_of(fresh, "%s/fresh.%d", mirror, (int)getpid());
	fd = open(ino, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &bytes) != 0)
		broken("%s", ino);
	close(fd);
	if (lstat(path, &there) == 0 && there.st_ino == bytes.st_ino)
		return;
	syscall(SYS_unlink, fresh);
	if (link(ino, fresh) != 0 || syscall(SYS_rename, fresh, path) != 0)
		broken("%s", path);
}

/* Names that STATE/rel has no more go. */
static void
drop_names(const char *rel)
{
	char path[PATH_BYTES], real[PATH_BYTES];
	struct dirent *e;
	struct stat st;
	DIR *d;

	path_of(path, "%s/tree/%s", mirror, rel);
	d = opendir(path);
	if (d == NULL)
		broken("%s", path);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		path_of(real, "%s/%s/%s", state, rel, e->d_name);
		path_of(path, "%s/tree/%s/%s", mirror, rel, e->d_name);
		if (lstat(real, &st) != 0 && syscall(SYS_unlink, path) != 0 && rmdir(path) != 0)
			broken("%s", path);
	}
	closedir(d);
}

/* everything: bytes and what is below, too. */
static void
keep_directory(const char *rel, bool everything, int depth)
{
	char path[PATH_BYTES];
	struct dirent *e;
	DIR *d;

	path_of(path, "%s/tree/%s", mirror, rel);
	if (access(path, F_OK) != 0)
		return;			/* its own name is not durable: nothing in it can be */
	path_of(path, "%s/%s", state, rel);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct stat st;
		int fd;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		path_of(path, "%s/%s/%s", state, rel, e->d_name);
		if (lstat(path, &st) != 0)
			continue;
		if (S_ISREG(st.st_mode)) {
			fd = everything ? open(path, O_RDONLY | O_CLOEXEC) : -1;
			if (fd >= 0)
				keep_bytes(fd, &st);
			if (fd >= 0)
				close(fd);
			keep_name(rel, e->d_name, &st);
		} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			path_of(path, "%s/tree/%s/%s", mirror, rel, e->d_name);
			(void)mkdir(path, 0700);
			path_of(path, "%s%s%s", rel, *rel != '\0' ? "/" : "", e->d_name);
			if (everything)
				keep_directory(path, true, depth + 1);
		}
	}
	if (d != NULL)
		closedir(d);
	drop_names(rel);
}

static void
keep(int fd)
{
	char rel[PATH_BYTES];
	struct stat st;
	int held;

	if (!is_inside(fd, rel) || fstat(fd, &st) != 0)
		return;
	wait_for_the_disk();
	held = lock();
	if (S_ISDIR(st.st_mode))
		keep_directory(rel, false, 0);
	else
		keep_file(fd);
	close(held);
}

static void
keep_everything(void)
{
	int held;

	if (state[0] == '\0')
		return;
	wait_for_the_disk();
	held = lock();
	keep_directory("", true, 0);
	close(held);
}

/* ------------------------------------------------------- what programs call */

int
fsync(int fd)
{
	int r = (int)syscall(SYS_fsync, fd);

	if (r == 0)
		keep(fd);
	return r;
}

int
fdatasync(int fd)
{
	int r = (int)syscall(SYS_fdatasync, fd);

	if (r == 0)
		keep(fd);
	return r;
}

int
syncfs(int fd)
{
	(void)fd;			/* of the whole file system: nobody waits for that here */
	keep_everything();
	return 0;
}

void
sync(void)
{
	keep_everything();
}

/* The file that goes with its last name: its number may soon be another's. */
static bool
is_last_name(int dir, const char *path, struct stat *st)
{
	return state[0] != '\0' && fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode) &&
	    st->st_nlink == 1;
}

static void
forget(const struct stat *st)
{
	char path[PATH_BYTES];

	path_of(path, "%s/ino/%llu", mirror, (unsigned long long)st->st_ino);
	syscall(SYS_unlink, path);
}

int
unlinkat(int dir, const char *path, int flags)
{
	struct stat st;
	bool last = is_last_name(dir, path, &st);
	int r = (int)syscall(SYS_unlinkat, dir, path, flags);

	if (r == 0 && last)
		forget(&st);
	return r;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
renameat(int dir_from, const char *from, int dir_to, const char *to)
{
	struct stat st;
	bool last = is_last_name(dir_to, to, &st);
	int r = (int)syscall(SYS_renameat2, dir_from, from, dir_to, to, 0);

	if (r == 0 && last)
		forget(&st);
	return r;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
