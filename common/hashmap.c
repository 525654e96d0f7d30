/*
 * hashmap.c - a table from strings to pointers.
 *
 * FNV-1a over the key; deletion moves later entries of the same run back, so
 * that no tombstones are needed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/hashmap.h"
#include "common/mem.h"

#define FIRST_SLOTS 16			/* a power of two, as every size is */

struct slot {
	char *key;			/* NULL: free */
	void *value;
	uint64_t hash;
};

struct hashmap {
	struct slot *slot;
	size_t slots, count;
};

static uint64_t
hash_of(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h ^ (h >> 29);
}

/* The slot of key, or the free one where it would stand. */
static struct slot *
slot_find(const struct hashmap *m, const char *key, uint64_t hash)
{
	size_t i = hash & (m->slots - 1);

	while (m->slot[i].key != NULL &&
	    (m->slot[i].hash != hash || strcmp(m->slot[i].key, key) != 0))
		i = (i + 1) & (m->slots - 1);
	return &m->slot[i];
}

static void
grow(struct hashmap *m)
{
	struct slot *old = m->slot;
	size_t n = m->slots;

	m->slots = 2 * n;
	m->slot = xcalloc(m->slots, sizeof(*m->slot));
	for (size_t i = 0; i < n; i++)
		if (old[i].key != NULL)
			*slot_find(m, old[i].key, old[i].hash) = old[i];
	free(old);
}

struct hashmap *
hashmap_new(void)
{
	struct hashmap *m = xcalloc(1, sizeof(*m));

	m->slots = FIRST_SLOTS;
	m->slot = xcalloc(m->slots, sizeof(*m->slot));
	return m;
}

void
hashmap_free(struct hashmap *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->slots; i++)
		free(m->slot[i].key);
	free(m->slot);
	free(m);
}

void *
hashmap_get(const struct hashmap *m, const char *key)
{
	return slot_find(m, key, hash_of(key))->value;
}

void *
hashmap_put(struct hashmap *m, const char *key, void *value)
{
	uint64_t hash = hash_of(key);
	struct slot *s = slot_find(m, key, hash);
	void *before = s->value;

	if (s->key == NULL) {
		if (3 * (m->count + 1) > 2 * m->slots) {
			grow(m);
			s = slot_find(m, key, hash);
		}
		s->key = xstrdup(key);
		s->hash = hash;
		m->count++;
	}
	s->value = value;
	return before;
}

void *
hashmap_del(struct hashmap *m, const char *key)
{
	struct slot *s = slot_find(m, key, hash_of(key));
	size_t hole = (size_t)(s - m->slot), mask = m->slots - 1;
	void *before = s->value;

	if (s->key == NULL)
		return NULL;
	free(s->key);
	m->count--;
	for (size_t i = (hole + 1) & mask; m->slot[i].key != NULL; i = (i + 1) & mask) {
		/* An entry may move back unless its home lies behind the hole. */
		if (((i - m->slot[i].hash) & mask) < ((i - hole) & mask))
			continue;
		m->slot[hole] = m->slot[i];
		hole = i;
	}
	memset(&m->slot[hole], 0, sizeof(m->slot[hole]));
	return before;
}

size_t
hashmap_count(const struct hashmap *m)
{
	return m->count;
}
