/*
 * shelf_notes.c - lists of names, the marker and the plan beside the RRD files.
 *
 * .opening tells a store what the one before was doing when it was killed. It is
 * mapped, so that noting costs no system call: it survives the process, not the
 * machine. Its lock keeps two stores off the same files. 64 KiB, native order:
 *   0     "AGENT/LINK\n": the file that is worked on; 0: none
 *   160   "LWHEAD1\0" when a head follows, else 0
 *   168   inode of the file
 *   176   length of the head
 *   184   CRC32C of the head
 *   192   the head
 * A head is noted whole before it is written, and the rows that it speaks of are
 * in the file by then: after a kill it is written again, and nothing is torn.
 */
#include "collector/shelf_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/rrdimage.h"
#include "collector/series.h"
#include "common/crc32c.h"
#include "common/log.h"
#include "common/mem.h"

#define OPENING ".opening"
#define PLAN ".plan"
#define RUNNING ".running"
#define OPENING_LEN 160
#define FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)	/* a FIFO by one of these names holds nothing up */
#define HEAD_MARK "LWHEAD1"
#define HEAD_AT 192
#define OPENING_SIZE (RRDIMAGE_HEAD_MAX + 4096)
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define PLAN_MAX (8 * 1024 * 1024)

struct opening {
	char name[OPENING_LEN];
	char mark[8];
	uint64_t inode, len, crc;
	uint8_t head[OPENING_SIZE - HEAD_AT];
};

_Static_assert(offsetof(struct opening, head) == HEAD_AT, "as the head of this file says");

struct shelf_notes {
	int dirfd;			/* borrowed */
	int fd;				/* owned; holds the lock */
	struct opening *opening;	/* mapped, or only memory when the disk is full */
	struct opening *was;		/* owned: as the process before left it */
};

bool
shelf_notes_is_name(const char *s)
{
	char agent[ID_MAX + 1];
	const char *slash = strchr(s, '/');

	if (slash == NULL || (size_t)(slash - s) > ID_MAX)
		return false;
	memcpy(agent, s, (size_t)(slash - s));
	agent[slash - s] = '\0';
	return id_is_valid(agent) && id_is_valid(slash + 1);
}

/* Room for all of it on disk first: a full one is then no signal in the midst of a note. */
static struct opening *
map_opening(int fd)
{
	void *zero = xcalloc(1, sizeof(struct opening)), *p = MAP_FAILED;

	if (pwrite(fd, zero, sizeof(struct opening), 0) == (ssize_t)sizeof(struct opening))
		p = mmap(NULL, sizeof(struct opening), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		log_warning("store: %s cannot be written (%s): a kill may damage a file", OPENING, strerror(errno));
		p = mmap(NULL, sizeof(struct opening), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	}
	free(zero);
	return p == MAP_FAILED ? NULL : p;
}

int
shelf_notes_open(struct shelf_notes **out, int dirfd, char *why, size_t n)
{
	struct shelf_notes *sn;
	int fd = openat(dirfd, OPENING, O_RDWR | O_CREAT | FLAGS, 0600);

	*out = NULL;
	if (fd < 0) {
		snprintf(why, n, "%s: %s", OPENING, strerror(errno));
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		snprintf(why, n, "another store writes these files");
		return -EBUSY;
	}
	sn = xcalloc(1, sizeof *sn);
	sn->dirfd = dirfd;
	sn->fd = fd;
	sn->was = xcalloc(1, sizeof *sn->was);
	if (pread(fd, sn->was, sizeof *sn->was, 0) > 0) {
		sn->was->name[sizeof sn->was->name - 1] = '\0';
		sn->was->name[strcspn(sn->was->name, "\n")] = '\0';
		if (!shelf_notes_is_name(sn->was->name))
			sn->was->name[0] = '\0';
	}
	sn->opening = map_opening(fd);
	if (sn->opening == NULL) {
		snprintf(why, n, "%s: %s", OPENING, strerror(errno));
		shelf_notes_close(sn);
		return -ENOMEM;
	}
	*out = sn;
	return 0;
}

void
shelf_notes_close(struct shelf_notes *sn)
{
	if (sn == NULL)
		return;
	if (sn->opening != NULL)
		munmap(sn->opening, sizeof *sn->opening);
	close(sn->fd);
	free(sn->was);
	free(sn);
}

/* What the loop does next must not begin before what was noted stands. */
static void
barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void
shelf_notes_opening(struct shelf_notes *sn, const char *name)
{
	struct opening *o = sn->opening;

	barrier();
	memset(o->mark, 0, sizeof o->mark);
	o->name[0] = '\0';
	barrier();
	if (name == NULL)
		return;
	snprintf(o->name + 1, sizeof o->name - 1, "%s\n", name + 1);
	barrier();
	o->name[0] = name[0];
	barrier();
}

void
shelf_notes_head(struct shelf_notes *sn, uint64_t inode, const uint8_t *head, size_t len)
{
	struct opening *o = sn->opening;

	barrier();
	memset(o->mark, 0, sizeof o->mark);
	if (len == 0 || len > sizeof o->head)
		return;
	barrier();
	memcpy(o->head, head, len);
	o->inode = inode;
	o->len = len;
	o->crc = crc32c(0, head, len);
	barrier();
	memcpy(o->mark, HEAD_MARK, sizeof o->mark);
	barrier();
}

bool
shelf_notes_was_opening(struct shelf_notes *sn, char *name, size_t n)
{
	snprintf(name, n, "%s", sn->was->name);
	return sn->was->name[0] != '\0';
}

const uint8_t *
shelf_notes_was_writing(struct shelf_notes *sn, uint64_t *inode, size_t *len)
{
	const struct opening *o = sn->was;

	if (o->name[0] == '\0' || memcmp(o->mark, HEAD_MARK, sizeof o->mark) != 0 ||
	    o->len > sizeof o->head || crc32c(0, o->head, (size_t)o->len) != o->crc)
		return NULL;
	*inode = o->inode;
	*len = (size_t)o->len;
	return o->head;
}

/* ------------------------------------------------------- the machine's life */

/* The first line of a small file, or "". */
static void
read_line(int dirfd, const char *name, char *line, size_t n)
{
	int fd = openat(dirfd, name, O_RDONLY | FLAGS);
	ssize_t got = fd >= 0 ? read(fd, line, n - 1) : 0;

	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

bool
shelf_notes_begin(struct shelf_notes *sn)
{
	char before[64], now[64];
	int fd;

	read_line(sn->dirfd, RUNNING, before, sizeof before);
	read_line(AT_FDCWD, BOOT_ID_FILE, now, sizeof now);
	if (strcmp(before, now) == 0)
		return false;
	fd = openat(sn->dirfd, RUNNING, O_WRONLY | O_CREAT | O_TRUNC | FLAGS, 0600);
	if (fd < 0 || dprintf(fd, "%s\n", now) < 0 || fsync(fd) != 0 || fsync(sn->dirfd) != 0)
		log_warning("store: %s cannot be written: %s", RUNNING, strerror(errno));
	if (fd >= 0)
		close(fd);
	return before[0] != '\0';
}

void
shelf_notes_end(struct shelf_notes *sn)
{
	if (unlinkat(sn->dirfd, RUNNING, 0) != 0 && errno != ENOENT)
		log_warning("store: %s cannot be removed: %s", RUNNING, strerror(errno));
}

/* ------------------------------------------------------------------- lists */

int
shelf_notes_add(struct shelf_notes *sn, const char *file, const char *name)
{
	char line[SERIES_PATH_MAX + 1];
	int len = snprintf(line, sizeof line, "%s\n", name);
	int fd = openat(sn->dirfd, file, O_WRONLY | O_CREAT | O_APPEND | FLAGS, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, line, (size_t)len) != len)
		r = errno != 0 ? -errno : -EIO;
	close(fd);
	return r;
}

void
shelf_notes_each(struct shelf_notes *sn, const char *file, void (*each)(void *arg, const char *name),
    void *arg)
{
	char line[SERIES_PATH_MAX + 2];
	int fd = openat(sn->dirfd, file, O_RDONLY | FLAGS);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (fgets(line, sizeof line, f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (shelf_notes_is_name(line))
			each(arg, line);
	}
	fclose(f);
}

int
shelf_notes_clear(struct shelf_notes *sn, const char *file)
{
	return unlinkat(sn->dirfd, file, 0) != 0 && errno != ENOENT ? -errno : 0;
}

/* -------------------------------------------------------------------- plan */

void
shelf_notes_save_plan(struct shelf_notes *sn, const Linkwatch__Pb__Plan *plan)
{
	size_t n = linkwatch__pb__plan__get_packed_size(plan);
	uint8_t *p = xmalloc(n + 1);
	int fd = openat(sn->dirfd, PLAN ".new", O_WRONLY | O_CREAT | O_TRUNC | FLAGS, 0600);

	linkwatch__pb__plan__pack(plan, p);
	errno = 0;
	if (fd < 0 || write(fd, p, n) != (ssize_t)n || fsync(fd) != 0 ||
	    renameat(sn->dirfd, PLAN ".new", sn->dirfd, PLAN) != 0)
		log_warning("store: the plan cannot be kept: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	free(p);
}

Linkwatch__Pb__Plan *
shelf_notes_load_plan(struct shelf_notes *sn)
{
	int fd = openat(sn->dirfd, PLAN, O_RDONLY | FLAGS);
	Linkwatch__Pb__Plan *plan = NULL;
	struct stat st;
	uint8_t *p;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= PLAN_MAX) {
		p = xmalloc((size_t)st.st_size + 1);
		if (read(fd, p, (size_t)st.st_size) == st.st_size)
			plan = linkwatch__pb__plan__unpack(NULL, (size_t)st.st_size, p);
		free(p);
	}
	close(fd);
	return plan;
}
