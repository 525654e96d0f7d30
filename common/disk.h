/*
 * disk.h - the third door: durable storage.
 *
 * A struct disk is one directory with flat file names; the journal, its
 * cursors and small state files live behind it.  The real side works with
 * openat() on a directory opened once (so privileges may be dropped later);
 * the simulated side (tests/sim) forgets or tears what was not synced.
 * All functions return 0 (or a count) or -errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum disk_flag {
	DISK_READ = 1, DISK_WRITE = 2, DISK_CREATE = 4, DISK_EXCL = 8,
	DISK_LOCK = 16,		/* locks the file until it is closed; -EBUSY: another holds it */
};

struct disk_file { const struct disk_file_ops *ops; };
struct disk { const struct disk_ops *ops; };

struct disk_file_ops {
	ssize_t (*pread)(struct disk_file *, void *buf, size_t n, int64_t off);
	/* Writes all or says -errno; after an error the file may hold a part. */
	int (*pwritev)(struct disk_file *, const struct iovec *, int n, int64_t off);
	int (*sync)(struct disk_file *);	/* fdatasync */
	int (*truncate)(struct disk_file *, int64_t size);
	int64_t (*size)(struct disk_file *);
	void (*close)(struct disk_file *);	/* frees it */
};

struct disk_ops {
	int (*open)(struct disk *, const char *name, int flags, struct disk_file **out);
	int (*unlink)(struct disk *, const char *name);
	int (*rename)(struct disk *, const char *from, const char *to);
	int (*sync_dir)(struct disk *);
	/* Calls back with every file name; order is not defined. */
	int (*list)(struct disk *, void (*each)(void *arg, const char *name), void *arg);
	void (*close)(struct disk *);		/* frees it */
};

/* Opens the directory path, which it makes (0700, and durably) with what is missing above it; owned by
 * the caller. */
int disk_open_real(const char *path, struct disk **out);

/* The directory that holds path knows its name after a power cut, too: for who has just made it. */
int disk_sync_parent(const char *path);

/* Replaces name by data: temporary file, sync, rename, sync of the directory. */
int disk_write_file(struct disk *, const char *name, const void *data, size_t n);
/* Reads a whole file of at most max bytes; *data is malloc'd with a NUL behind it, owned by the
 * caller.  -EFBIG beyond max. */
int disk_read_file(struct disk *, const char *name, size_t max, void **data, size_t *n);
