/*
 * journal_cursor.c - where a reader goes on: the file "cursor.NAME", which is
 * replaced as a whole and holds one line, "next NUMBER crc HEX".
 */
#include "common/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "common/model.h"

#define PREFIX "cursor."
#define LINE_MAX_BYTES 64

static int
cursor_line(char line[LINE_MAX_BYTES], uint64_t next_seq)
{
	int n = snprintf(line, LINE_MAX_BYTES, "next %" PRIu64, next_seq);

	return n + snprintf(line + n, LINE_MAX_BYTES - (size_t)n, " crc %08" PRIx32 "\n",
	    crc32c(0, line, (size_t)n));
}

int
journal_cursor_save(struct disk *disk, const char *name, uint64_t next_seq)
{
	char file[sizeof PREFIX + ID_MAX], line[LINE_MAX_BYTES];
	int n;

	if (!id_is_valid(name))
		return -EINVAL;
	snprintf(file, sizeof file, PREFIX "%s", name);
	n = cursor_line(line, next_seq);
	return disk_write_file(disk, file, line, (size_t)n);
}

int
journal_cursor_load(struct disk *disk, const char *name, uint64_t *next_seq)
{
	char file[sizeof PREFIX + ID_MAX], line[LINE_MAX_BYTES];
	void *data = NULL;
	size_t n;
	uint64_t v;
	int r;

	*next_seq = 0;
	if (!id_is_valid(name))
		return -EINVAL;
	snprintf(file, sizeof file, PREFIX "%s", name);
	r = disk_read_file(disk, file, LINE_MAX_BYTES, &data, &n);
	if (r != 0)
		return r == -EFBIG ? -EBADMSG : r;
	r = -EBADMSG;
	if (n > 5 && n < LINE_MAX_BYTES && memcmp(data, "next ", 5) == 0) {
		char text[LINE_MAX_BYTES + 1];

		memcpy(text, data, n);
		text[n] = '\0';
		v = strtoull(text + 5, NULL, 10);
		if (v > 0 && cursor_line(line, v) == (int)n && memcmp(line, data, n) == 0) {
			*next_seq = v;
			r = 0;
		}
	}
	free(data);
	return r;
}

struct lowest {
	struct disk *disk;
	uint64_t seq;
};

static void
lowest_each(void *arg, const char *name)
{
	struct lowest *l = arg;
	uint64_t seq;

	if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 ||
	    !id_is_valid(name + sizeof PREFIX - 1))
		return;
	/* A cursor that cannot be read holds everything back. */
	if (journal_cursor_load(l->disk, name + sizeof PREFIX - 1, &seq) != 0)
		seq = 0;
	if (seq < l->seq)
		l->seq = seq;
}

uint64_t
journal_cursor_lowest(struct disk *disk)
{
	struct lowest l = { .disk = disk, .seq = UINT64_MAX };

	if (disk->ops->list(disk, lowest_each, &l) != 0)
		return 0;
	return l.seq;
}
