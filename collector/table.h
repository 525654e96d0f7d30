/*
 * table.h - a map from short byte strings to pointers.
 *
 * Keys are copied, values borrowed: who puts a value in frees it.  Grows with
 * its contents; who fills it bounds it.  Not for keys that a stranger chooses
 * freely: the hash is not keyed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table_slot { uint8_t *key; size_t len; uint64_t hash; void *value; };	/* key NULL: free */

struct table {				/* all zero: empty */
	struct table_slot *slot;
	size_t n, cap;
};

/* NULL: not there. */
void *table_get(const struct table *, const void *key, size_t len);
/* Sets or replaces; value must not be NULL. */
void table_put(struct table *, const void *key, size_t len, void *value);
/* Takes the key out and returns its value, or NULL. */
void *table_del(struct table *, const void *key, size_t len);
/* Walks the values: start with *i = 0; NULL at the end. Do not put or delete meanwhile. */
void *table_next(const struct table *, size_t *i);
/* Frees keys and slots, not the values. */
void table_fini(struct table *);

void *table_gets(const struct table *, const char *key);
void table_puts(struct table *, const char *key, void *value);
void *table_dels(struct table *, const char *key);
