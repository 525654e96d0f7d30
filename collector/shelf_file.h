/*
 * shelf_file.h - names and durability of the files of a shelf.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/series.h"

#define ASIDE_MAX (SERIES_PATH_MAX + 64)

/*
 * Renames path to "PATH.HOW-TIME", or "PATH.HOW-TIME-2" and so on: never over another. to (ASIDE_MAX) is
 * the new name. 0 or -errno (-ENOENT: there is none).
 */
int shelf_file_aside(int dirfd, const char *path, const char *how, int64_t now_s, char *to);
/* The last of those that were set aside as "old", into found (ASIDE_MAX); false: none. */
bool shelf_file_last_old(int dirfd, const char *path, char *found);

/* syncfs() in a thread of its own. */
struct sync;
struct sync *sync_new(int dirfd);	/* borrowed */
void sync_free(struct sync *);		/* waits for the end; NULL is allowed */
bool sync_begin(struct sync *);		/* false: one is under way */
/* -EINPROGRESS: under way. Once: 0 or -errno. -ENOENT: none was begun. wait: never -EINPROGRESS. */
int sync_end(struct sync *, bool wait);
