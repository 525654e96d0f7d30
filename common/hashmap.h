/*
 * hashmap.h - a table from strings to pointers (pure).
 *
 * Open addressing with linear probing, grown at two thirds.  Keys are copied;
 * values are borrowed.  The order of walking is that of the table, so nothing
 * that must be the same twice may depend on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct hashmap;

/* Empty; keys are copied. */
struct hashmap *hashmap_new(void);
void hashmap_free(struct hashmap *);	/* NULL is allowed; values are left alone */
/* NULL: no such key. */
void *hashmap_get(const struct hashmap *, const char *key);
/* Sets key to value (not NULL); returns the value that stood there before, or NULL. */
void *hashmap_put(struct hashmap *, const char *key, void *value);
/* Takes key out; returns its value, or NULL. */
void *hashmap_del(struct hashmap *, const char *key);
size_t hashmap_count(const struct hashmap *);
