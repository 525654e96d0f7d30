/*
 * disk.c - one directory of the real file system behind disk.h.
 *
 * Everything goes by openat() from a descriptor taken once; names are flat,
 * so that nothing of a peer's can climb out of the directory.
 */
#include "common/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

struct real_disk { struct disk disk; int fd; };
struct real_file { struct disk_file file; int fd; };

static ssize_t
file_pread(struct disk_file *f, void *buf, size_t n, int64_t off)
{
	struct real_file *r = (struct real_file *)f;
	uint8_t *p = buf;
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(r->fd, p + done, n - done, off + (int64_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

/* Writes the rest of one vector that a short write began. */
static int
write_all(int fd, const uint8_t *p, size_t n, int64_t off)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, off);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		p += put;
		n -= (size_t)put;
		off += put;
	}
	return 0;
}

static int
file_pwritev(struct disk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct real_file *r = (struct real_file *)f;
	ssize_t put;

	do
		put = pwritev(r->fd, iov, n, off);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		size_t len = iov[i].iov_len;
		size_t done = (size_t)put < len ? (size_t)put : len;
		int err = write_all(r->fd, (const uint8_t *)iov[i].iov_base + done, len - done,
		    off + (int64_t)done);

		if (err != 0)
			return err;
		put -= (ssize_t)done;
		off += (int64_t)len;
	}
	return 0;
}

static int
file_sync(struct disk_file *f)
{
	return fdatasync(((struct real_file *)f)->fd) == 0 ? 0 : -errno;
}

static int
file_truncate(struct disk_file *f, int64_t size)
{
	return ftruncate(((struct real_file *)f)->fd, size) == 0 ? 0 : -errno;
}

static int64_t
file_size(struct disk_file *f)
{
	struct stat st;

	return fstat(((struct real_file *)f)->fd, &st) == 0 ? (int64_t)st.st_size : -errno;
}

static void
file_close(struct disk_file *f)
{
	struct real_file *r = (struct real_file *)f;

	(void)close(r->fd);
	free(r);
}

static const struct disk_file_ops file_ops = {
	file_pread, file_pwritev, file_sync, file_truncate, file_size, file_close,
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
	struct real_disk *r = (struct real_disk *)d;
	struct real_file *f;
	struct stat st;
	int oflags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, fd, err = 0;

	if (!name_is_flat(name))
		return -EINVAL;
	oflags |= flags & DISK_WRITE ? O_RDWR : O_RDONLY;
	oflags |= flags & DISK_CREATE ? O_CREAT : 0;
	oflags |= flags & DISK_EXCL ? O_EXCL : 0;
	fd = openat(r->fd, name, oflags, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;		/* no devices, no pipes, no directories */
	else if ((flags & DISK_LOCK) && flock(fd, LOCK_EX | LOCK_NB) != 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (err != 0) {
		(void)close(fd);
		return err;
	}
	f = xcalloc(1, sizeof(*f));
	f->file.ops = &file_ops;
	f->fd = fd;
	*out = &f->file;
	return 0;
}

static int
real_unlink(struct disk *d, const char *name)
{
	if (!name_is_flat(name))
		return -EINVAL;
	return unlinkat(((struct real_disk *)d)->fd, name, 0) == 0 ? 0 : -errno;
}

static int
real_rename(struct disk *d, const char *from, const char *to)
{
	int fd = ((struct real_disk *)d)->fd;

	if (!name_is_flat(from) || !name_is_flat(to))
		return -EINVAL;
	return renameat(fd, from, fd, to) == 0 ? 0 : -errno;
}

static int
real_sync_dir(struct disk *d)
{
	return fsync(((struct real_disk *)d)->fd) == 0 ? 0 : -errno;
}

static int
real_list(struct disk *d, void (*each)(void *arg, const char *name), void *arg)
{
	int fd = openat(((struct real_disk *)d)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		int err = -errno;

		(void)close(fd);
		return err;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			each(arg, e->d_name);
	}
	(void)closedir(dir);
	return 0;
}

static void
real_close(struct disk *d)
{
	struct real_disk *r = (struct real_disk *)d;

	(void)close(r->fd);
	free(r);
}

static const struct disk_ops real_ops = {
	real_open, real_unlink, real_rename, real_sync_dir, real_list, real_close,
};

int
disk_open_real(const char *path, struct disk **out)
{
	struct real_disk *r;
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = xcalloc(1, sizeof(*r));
	r->disk.ops = &real_ops;
	r->fd = fd;
	*out = &r->disk;
	return 0;
}

int
disk_write_file(struct disk *d, const char *name, const void *data, size_t n)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = n };
	struct disk_file *f = NULL;
	char *tmp = xasprintf("%s.new", name);
	int err;

	err = d->ops->open(d, tmp, DISK_WRITE | DISK_CREATE, &f);
	if (err != 0)
		goto out;
	err = f->ops->truncate(f, 0);
	if (err == 0 && n > 0)
		err = f->ops->pwritev(f, &iov, 1, 0);
	if (err == 0)
		err = f->ops->sync(f);
	f->ops->close(f);
	if (err == 0)
		err = d->ops->rename(d, tmp, name);
	if (err == 0)
		err = d->ops->sync_dir(d);
	else
		(void)d->ops->unlink(d, tmp);
out:
	free(tmp);
	return err;
}

int
disk_read_file(struct disk *d, const char *name, size_t max, void **data, size_t *n)
{
	struct disk_file *f = NULL;
	void *buf = NULL;
	int64_t size;
	ssize_t got;
	int err;

	err = d->ops->open(d, name, DISK_READ, &f);
	if (err != 0)
		return err;
	size = f->ops->size(f);
	if (size < 0 || (uint64_t)size > max) {
		err = size < 0 ? (int)size : -EFBIG;
		goto out;
	}
	buf = xmalloc((size_t)size + 1);
	got = f->ops->pread(f, buf, (size_t)size, 0);
	if (got < 0) {
		err = (int)got;
		goto out;
	}
	((char *)buf)[got] = '\0';	/* a courtesy to readers of text */
	*data = buf;
	*n = (size_t)got;
	buf = NULL;
out:
	free(buf);
	f->ops->close(f);
	return err;
}
