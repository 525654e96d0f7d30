/*
 * spool_files.c - the small files of a spool (see spool_files.h).
 */
#include "agent/spool_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define BOOT_FILE "boot_id"
#define BOOT_FILE_LEN (BOOT_ID_LEN + 8)
#define DAMAGED "damaged."

int
spool_boot_save(struct disk *disk, const uint8_t id[BOOT_ID_LEN], uint64_t first)
{
	uint8_t file[BOOT_FILE_LEN];

	memcpy(file, id, BOOT_ID_LEN);
	for (unsigned i = 0; i < 8; i++)
		file[BOOT_ID_LEN + i] = (uint8_t)(first >> 8 * i);
	return disk_write_file(disk, BOOT_FILE, file, sizeof file);
}

int
spool_boot_load(struct disk *disk, uint8_t id[BOOT_ID_LEN], uint64_t *first)
{
	void *data = NULL;
	size_t n;
	int rc = disk_read_file(disk, BOOT_FILE, BOOT_FILE_LEN, &data, &n);

	if (rc == 0 && n != BOOT_FILE_LEN)
		rc = -EBADMSG;
	if (rc == 0) {
		memcpy(id, data, BOOT_ID_LEN);
		*first = 0;
		for (unsigned i = 0; i < 8; i++)
			*first |= (uint64_t)((uint8_t *)data)[BOOT_ID_LEN + i] << 8 * i;
	}
	free(data);
	return rc;
}

struct names { char **v; size_t n; };

static void
collect_name(void *arg, const char *name)
{
	struct names *names = arg;

	names->v = xreallocarray(names->v, names->n + 1, sizeof *names->v);
	names->v[names->n++] = xstrdup(name);
}

static bool
is_aside(const char *name)
{
	return strncmp(name, DAMAGED, strlen(DAMAGED)) == 0;
}

void
spool_remove_aside(struct disk *disk)
{
	struct names names = { 0 };

	(void)disk->ops->list(disk, collect_name, &names);
	for (size_t i = 0; i < names.n; i++) {
		if (is_aside(names.v[i]))
			(void)disk->ops->unlink(disk, names.v[i]);
		free(names.v[i]);
	}
	free(names.v);
}

int
spool_put_aside(struct disk *disk)
{
	struct names names = { 0 };
	int rc = disk->ops->list(disk, collect_name, &names);

	for (size_t i = 0; i < names.n; i++) {
		char *to = xasprintf(DAMAGED "%s", names.v[i]);

		if (rc == 0 && !is_aside(names.v[i]) && strcmp(names.v[i], "gap") != 0)
			rc = disk->ops->rename(disk, names.v[i], to);
		free(to);
		free(names.v[i]);
	}
	free(names.v);
	return rc != 0 ? rc : disk->ops->sync_dir(disk);
}
