/*
 * trap_engine.c - see trap_engine.h.
 */
#include "alertd/trap_engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/disk.h"
#include "common/log.h"
#include "common/rng.h"

static void
make(struct trap_engine *e)
{
	static const uint8_t head[5] = { 0x80, 0x00, 0x1f, 0x88, 0x05 };

	memcpy(e->id, head, sizeof(head));
	rng_real()->fill(rng_real(), e->id + sizeof(head), TRAP_ENGINE_LEN - sizeof(head));
	e->boots = 0;
}

static bool
parse(struct trap_engine *e, const char *text)
{
	unsigned boots;

	for (int i = 0; i < TRAP_ENGINE_LEN; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		e->id[i] = (uint8_t)byte;
	}
	if (sscanf(text + 2 * TRAP_ENGINE_LEN, "\n%u", &boots) != 1 || boots >= INT32_MAX)
		return false;
	e->boots = boots;
	return true;
}

static int
save(const struct trap_engine *e, struct disk *disk)
{
	char text[2 * TRAP_ENGINE_LEN + 32];
	int n = 0;

	for (int i = 0; i < TRAP_ENGINE_LEN; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%02x", e->id[i]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\n%" PRIu32 "\n", e->boots);
	return disk_write_file(disk, "snmp-engine", text, (size_t)n);
}

int
trap_engine_load(struct trap_engine *e, const char *dir, char *why, size_t n)
{
	struct disk *disk = NULL;
	void *data = NULL;
	size_t len = 0;
	char text[128] = "";
	int rc = disk_open_real(dir, &disk);

	if (rc != 0)
		goto out;
	rc = disk_read_file(disk, "snmp-engine", sizeof(text) - 1, &data, &len);
	if (rc == 0)
		memcpy(text, data, len);
	if (rc == -ENOENT || rc == -EFBIG)	/* none yet, or not ours */
		rc = 0;
	if (rc == 0 && !parse(e, text)) {
		if (text[0] != '\0')
			log_warning("%s/snmp-engine: cannot be read, a new engine id is made", dir);
		make(e);
	}
	e->boots++;
	if (rc == 0)
		rc = save(e, disk);
out:
	if (rc != 0)
		snprintf(why, n, "%s/snmp-engine: %s", dir, strerror(-rc));
	free(data);
	if (disk != NULL)
		disk->ops->close(disk);
	return rc;
}
