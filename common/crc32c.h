/*
 * crc32c.h - the checksum of journals and small state files (pure).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of n more bytes after crc (0 to begin with): crc32c(crc32c(0, a), b) == crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/* The same without the machine's own instruction; for the test that compares them. */
uint32_t crc32c_soft(uint32_t crc, const void *data, size_t n);
