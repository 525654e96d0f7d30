/*
 * disk.c - a directory of the real file system behind the door of disk.h,
 * and whole small files over any disk.
 */
#include "common/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

struct real_file { struct disk_file file; int fd; };
struct real_disk { struct disk disk; int fd; };

static int
fd_of(const struct disk_file *f)
{
	return ((const struct real_file *)f)->fd;
}

static int
dir_of(const struct disk *d)
{
	return ((const struct real_disk *)d)->fd;
}

static ssize_t
real_pread(struct disk_file *f, void *buf, size_t n, int64_t off)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd_of(f), (char *)buf + got, n - got, off + (int64_t)got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static int
write_rest(int fd, const char *p, size_t n, int64_t off)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		if (w == 0)
			return -EIO;
		p += w;
		off += w;
		n -= (size_t)w;
	}
	return 0;
}

static int
real_pwritev(struct disk_file *f, const struct iovec *v, int n, int64_t off)
{
	int fd = fd_of(f);

	while (n > 0) {
		ssize_t w = pwritev(fd, v, n < IOV_MAX ? n : IOV_MAX, off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		off += w;
		for (; n > 0 && (size_t)w >= v->iov_len; v++, n--)
			w -= (ssize_t)v->iov_len;
		if (n > 0 && w >= 0) {	/* the rest of one that was cut; none of it if w is 0 */
			size_t rest = v->iov_len - (size_t)w;
			int r = write_rest(fd, (const char *)v->iov_base + w, rest, off);

			if (r != 0)
				return r;
			off += (int64_t)rest;
			v++;
			n--;
		}
	}
	return 0;
}

static int
real_sync(struct disk_file *f)
{
	return fdatasync(fd_of(f)) == 0 ? 0 : -errno;
}

static int
real_truncate(struct disk_file *f, int64_t size)
{
	int r;

	do
		r = ftruncate(fd_of(f), size);
	while (r < 0 && errno == EINTR);
	return r == 0 ? 0 : -errno;
}

static int64_t
real_size(struct disk_file *f)
{
	struct stat st;

	return fstat(fd_of(f), &st) == 0 ? (int64_t)st.st_size : -errno;
}

static void
real_file_close(struct disk_file *f)
{
	(void)close(fd_of(f));
	free(f);
}

static const struct disk_file_ops real_file_ops = {
	real_pread, real_pwritev, real_sync, real_truncate, real_size, real_file_close,
};

static bool
name_is_flat(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0;
}

static int
real_open(struct disk *d, const char *name, int flags, struct disk_file **out)
{
	int mode = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	struct real_file *f;
	struct stat st;
	int fd, r;

	if (!name_is_flat(name))
		return -EINVAL;
	mode |= (flags & DISK_WRITE) == 0 ? O_RDONLY : (flags & DISK_READ) != 0 ? O_RDWR : O_WRONLY;
	mode |= (flags & DISK_CREATE) != 0 ? O_CREAT : 0;
	mode |= (flags & DISK_EXCL) != 0 ? O_EXCL : 0;
	fd = openat(dir_of(d), name, mode, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if ((flags & DISK_LOCK) != 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		r = 0;
	if (r != 0) {
		(void)close(fd);
		return r;
	}
	f = xmalloc(sizeof(*f));
	*f = (struct real_file){ { &real_file_ops }, fd };
	*out = &f->file;
	return 0;
}

static int
real_unlink(struct disk *d, const char *name)
{
	if (!name_is_flat(name))
		return -EINVAL;
	return unlinkat(dir_of(d), name, 0) == 0 ? 0 : -errno;
}

static int
real_rename(struct disk *d, const char *from, const char *to)
{
	if (!name_is_flat(from) || !name_is_flat(to))
		return -EINVAL;
	return renameat(dir_of(d), from, dir_of(d), to) == 0 ? 0 : -errno;
}

static int
real_sync_dir(struct disk *d)
{
	return fsync(dir_of(d)) == 0 ? 0 : -errno;
}

static bool
entry_is_file(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* The names first, then the calls: each() may unlink and rename. */
static int
real_list(struct disk *d, void (*each)(void *arg, const char *name), void *arg)
{
	char **names = NULL;
	size_t n = 0;
	const struct dirent *e;
	DIR *dir;
	int fd, r;

	fd = openat(dir_of(d), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	for (errno = 0; (e = readdir(dir)) != NULL; errno = 0) {
		if (!entry_is_file(fd, e))
			continue;
		names = xreallocarray(names, n + 1, sizeof(*names));
		names[n++] = xstrdup(e->d_name);
	}
	r = -errno;
	(void)closedir(dir);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			each(arg, names[i]);
		free(names[i]);
	}
	free(names);
	return r;
}

static void
real_disk_close(struct disk *d)
{
	(void)close(dir_of(d));
	free(d);
}

static const struct disk_ops real_disk_ops = {
	real_open, real_unlink, real_rename, real_sync_dir, real_list, real_disk_close,
};

int
disk_sync_parent(const char *path)
{
	char *p = xstrdup(path), *slash;
	int fd, r = 0;

	while ((slash = strrchr(p, '/')) != NULL && slash[1] == '\0' && slash != p)
		*slash = '\0';
	if (slash != NULL)
		slash[slash == p] = '\0';
	fd = open(slash != NULL ? p : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	free(p);
	return r;
}

/* Makes one directory, which a power cut does not take away again. */
static int
make_dir(const char *path)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -errno;
	return disk_sync_parent(path);
}

/* Makes path and what is missing above it. */
static int
make_dirs(const char *path)
{
	char *p = xstrdup(path);
	int r = 0;

	for (char *s = p + 1; r == 0 && *s != '\0'; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		r = make_dir(p);
		*s = '/';
	}
	if (r == 0)
		r = make_dir(p);
	free(p);
	return r;
}

int
disk_open_real(const char *path, struct disk **out)
{
	struct real_disk *d;
	int fd, r;

	if (path[0] == '\0')
		return -EINVAL;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		r = make_dirs(path);
		if (r != 0)
			return r;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	d = xmalloc(sizeof(*d));
	*d = (struct real_disk){ { &real_disk_ops }, fd };
	*out = &d->disk;
	return 0;
}

int
disk_write_file(struct disk *d, const char *name, const void *data, size_t n)
{
	char *tmp = xasprintf("%s.tmp", name);
	struct iovec v = { (void *)(uintptr_t)data, n };
	struct disk_file *f = NULL;
	int r;

	r = d->ops->open(d, tmp, DISK_WRITE | DISK_CREATE, &f);
	if (r != 0)
		goto out;
	r = f->ops->truncate(f, 0);
	if (r == 0 && n > 0)
		r = f->ops->pwritev(f, &v, 1, 0);
	if (r == 0)
		r = f->ops->sync(f);
	f->ops->close(f);
	if (r == 0)
		r = d->ops->rename(d, tmp, name);
	if (r == 0)
		r = d->ops->sync_dir(d);
	else
		(void)d->ops->unlink(d, tmp);
out:
	free(tmp);
	return r;
}

int
disk_read_file(struct disk *d, const char *name, size_t max, void **data, size_t *n)
{
	struct disk_file *f;
	char *buf = NULL;
	int64_t size;
	ssize_t got;
	int r;

	r = d->ops->open(d, name, DISK_READ, &f);
	if (r != 0)
		return r;
	size = f->ops->size(f);
	if (size < 0) {
		r = (int)size;
		goto out;
	}
	if ((uint64_t)size > max) {
		r = -EFBIG;
		goto out;
	}
	buf = xmalloc((size_t)size + 1);
	got = f->ops->pread(f, buf, (size_t)size, 0);
	if (got < 0) {
		r = (int)got;
		goto out;
	}
	buf[got] = '\0';
	*data = buf;
	*n = (size_t)got;
	buf = NULL;
out:
	free(buf);
	f->ops->close(f);
	return r;
}
