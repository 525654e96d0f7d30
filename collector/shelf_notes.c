/*
 * shelf_notes.c - lists of names, the marker and the plan beside the RRD files.
 *
 * The marker is one line of OPENING_LEN bytes that is overwritten in place: it
 * must survive the death of the process, not of the machine.  Its lock keeps
 * two stores off the same files.
 */
#include "collector/shelf_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/series.h"
#include "common/log.h"
#include "common/mem.h"

#define OPENING ".opening"
#define PLAN ".plan"
#define OPENING_LEN 160
#define PLAN_MAX (8 * 1024 * 1024)

struct shelf_notes {
	int dirfd;			/* borrowed */
	int opening;			/* owned */
	char was[OPENING_LEN];
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

int
shelf_notes_open(struct shelf_notes **out, int dirfd, char *why, size_t n)
{
	struct shelf_notes *sn;
	char line[OPENING_LEN] = "";
	int fd = openat(dirfd, OPENING, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

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
	sn->opening = fd;
	if (pread(fd, line, sizeof line - 1, 0) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (shelf_notes_is_name(line))
			memcpy(sn->was, line, sizeof sn->was);
	}
	shelf_notes_opening(sn, NULL);
	*out = sn;
	return 0;
}

void
shelf_notes_close(struct shelf_notes *sn)
{
	if (sn == NULL)
		return;
	close(sn->opening);
	free(sn);
}

void
shelf_notes_opening(struct shelf_notes *sn, const char *name)
{
	char line[OPENING_LEN] = "";

	if (name != NULL)
		snprintf(line, sizeof line, "%s\n", name);
	if (pwrite(sn->opening, line, sizeof line, 0) != (ssize_t)sizeof line)
		log_limited(LOG_WARNING, "opening", 1, "store: %s cannot be written: %s", OPENING,
		    strerror(errno));
}

bool
shelf_notes_was_opening(struct shelf_notes *sn, char *name, size_t n)
{
	snprintf(name, n, "%s", sn->was);
	return sn->was[0] != '\0';
}

int
shelf_notes_add(struct shelf_notes *sn, const char *file, const char *name)
{
	char line[SERIES_PATH_MAX + 1];
	int len = snprintf(line, sizeof line, "%s\n", name);
	int fd = openat(sn->dirfd, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
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
	int fd = openat(sn->dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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
	int fd = openat(sn->dirfd, PLAN ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

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
	int fd = openat(sn->dirfd, PLAN, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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
