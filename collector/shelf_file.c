/*
 * shelf_file.c - names and durability of the files of a shelf (see shelf_file.h).
 */
#include "collector/shelf_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define SAME_SECOND_MAX 1000

int
shelf_file_aside(int dirfd, const char *path, const char *how, int64_t now_s, char *to)
{
	for (int i = 1; i <= SAME_SECOND_MAX; i++) {
		if (i == 1)
			snprintf(to, ASIDE_MAX, "%s.%s-%" PRId64, path, how, now_s);
		else
			snprintf(to, ASIDE_MAX, "%s.%s-%" PRId64 "-%d", path, how, now_s, i);
		if (renameat2(dirfd, path, dirfd, to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* "...-TIME" or "...-TIME-N": the later of two. */
static bool
is_later(const char *a, const char *b)
{
	long long time[2] = { 0, 0 };
	int nth[2] = { 1, 1 };

	sscanf(a, "%lld-%d", &time[0], &nth[0]);
	sscanf(b, "%lld-%d", &time[1], &nth[1]);
	return time[0] != time[1] ? time[0] > time[1] : nth[0] > nth[1];
}

bool
shelf_file_last_old(int dirfd, const char *path, char *found)
{
	const char *slash = strrchr(path, '/');
	char dir[SERIES_PATH_MAX], begin[ASIDE_MAX];
	struct dirent *e;
	bool any = false;
	size_t n;
	DIR *d;
	int fd;

	snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) : 1, slash != NULL ? path : ".");
	n = (size_t)snprintf(begin, sizeof begin, "%s.old-", slash != NULL ? slash + 1 : path);
	fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	found[0] = '\0';
	while ((e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, begin, n) != 0 || strlen(e->d_name) > n + 40 ||
		    (any && !is_later(e->d_name + n, strrchr(found, '/') + 1 + n)))
			continue;
		any = (size_t)snprintf(found, ASIDE_MAX, "%s/%s", dir, e->d_name) < ASIDE_MAX;
	}
	closedir(d);
	return any;
}

/* --------------------------------------------------------------- durability */

struct sync {
	int dirfd;			/* borrowed */
	pthread_t thread;
	bool is_running;		/* the thread must be joined */
	bool done;			/* atomic */
	int result;			/* of the thread, when done */
};

struct sync *
sync_new(int dirfd)
{
	struct sync *s = xcalloc(1, sizeof *s);

	s->dirfd = dirfd;
	return s;
}

static void *
run(void *arg)
{
	struct sync *s = arg;

	s->result = syncfs(s->dirfd) == 0 ? 0 : -errno;
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
	return NULL;
}

bool
sync_begin(struct sync *s)
{
	if (s->is_running)
		return false;
	s->done = false;
	s->is_running = pthread_create(&s->thread, NULL, run, s) == 0;
	return s->is_running;
}

int
sync_end(struct sync *s, bool wait)
{
	if (!s->is_running)
		return -ENOENT;
	if (!wait && !__atomic_load_n(&s->done, __ATOMIC_ACQUIRE))
		return -EINPROGRESS;
	pthread_join(s->thread, NULL);
	s->is_running = false;
	return s->result;
}

void
sync_free(struct sync *s)
{
	if (s == NULL)
		return;
	sync_end(s, true);
	free(s);
}
