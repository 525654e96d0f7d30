/*
 * spool_files.h - the small files of a spool, beside its journal.
 *
 *   boot_id     16 bytes that name the numbering, then its first number as 8 bytes,
 *               little endian
 *   damaged.*   what was put aside
 */
#pragma once

#include <stdint.h>

#include "common/disk.h"
#include "common/model.h"

/* 0 or -errno. */
int spool_boot_save(struct disk *, const uint8_t id[BOOT_ID_LEN], uint64_t first);
/* 0, -ENOENT, -EBADMSG or another -errno; on failure nothing is set. */
int spool_boot_load(struct disk *, uint8_t id[BOOT_ID_LEN], uint64_t *first);
/* Removes what was put aside at an earlier time; what cannot be removed stays. */
void spool_remove_aside(struct disk *);
/* Gives every file but "gap" a name that begins with "damaged.".  0 or -errno. */
int spool_put_aside(struct disk *);
