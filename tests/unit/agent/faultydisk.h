/*
 * faultydisk.h - a directory whose writes fail when the test says so.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>

#include "common/disk.h"
#include "common/mem.h"

struct faulty {
	struct disk disk;		/* first: what is handed out */
	struct disk *real;
	int write_error, sync_error;	/* -errno, or 0 */
};

struct faulty_file {
	struct disk_file file;
	struct disk_file *real;
	struct faulty *of;
};

static inline struct faulty_file *
ff(struct disk_file *f)
{
	return (struct faulty_file *)f;
}

static inline ssize_t
faulty_pread(struct disk_file *f, void *buf, size_t n, int64_t off)
{
	return ff(f)->real->ops->pread(ff(f)->real, buf, n, off);
}

static inline int
faulty_pwritev(struct disk_file *f, const struct iovec *iov, int n, int64_t off)
{
	int rc = ff(f)->of->write_error;

	return rc != 0 ? rc : ff(f)->real->ops->pwritev(ff(f)->real, iov, n, off);
}

static inline int
faulty_sync(struct disk_file *f)
{
	int rc = ff(f)->of->sync_error;

	return rc != 0 ? rc : ff(f)->real->ops->sync(ff(f)->real);
}

static inline int
faulty_truncate(struct disk_file *f, int64_t size)
{
	return ff(f)->real->ops->truncate(ff(f)->real, size);
}

static inline int64_t
faulty_size(struct disk_file *f)
{
	return ff(f)->real->ops->size(ff(f)->real);
}

static inline void
faulty_close(struct disk_file *f)
{
	ff(f)->real->ops->close(ff(f)->real);
	free(f);
}

static inline int
faulty_open(struct disk *d, const char *name, int flags, struct disk_file **out)
{
	static const struct disk_file_ops ops = { faulty_pread, faulty_pwritev, faulty_sync,
		faulty_truncate, faulty_size, faulty_close };
	struct faulty *of = (struct faulty *)d;
	struct faulty_file *f = xcalloc(1, sizeof *f);
	int rc = of->real->ops->open(of->real, name, flags, &f->real);

	f->file.ops = &ops;
	f->of = of;
	if (rc != 0)
		free(f);
	else
		*out = &f->file;
	return rc;
}

static inline int
faulty_unlink(struct disk *d, const char *name)
{
	struct disk *r = ((struct faulty *)d)->real;

	return r->ops->unlink(r, name);
}

static inline int
faulty_rename(struct disk *d, const char *from, const char *to)
{
	struct disk *r = ((struct faulty *)d)->real;

	return r->ops->rename(r, from, to);
}

static inline int
faulty_sync_dir(struct disk *d)
{
	struct disk *r = ((struct faulty *)d)->real;

	return r->ops->sync_dir(r);
}

static inline int
faulty_list(struct disk *d, void (*each)(void *arg, const char *name), void *arg)
{
	struct disk *r = ((struct faulty *)d)->real;

	return r->ops->list(r, each, arg);
}

static inline void
faulty_end(struct disk *d)
{
	struct disk *r = ((struct faulty *)d)->real;

	r->ops->close(r);
}

/* Takes real over; f->disk.ops->close() ends it. */
static inline void
faulty_init(struct faulty *f, struct disk *real)
{
	static const struct disk_ops ops = { faulty_open, faulty_unlink, faulty_rename,
		faulty_sync_dir, faulty_list, faulty_end };

	*f = (struct faulty){ .disk = { &ops }, .real = real };
}
