/*
 * table.c - open addressing with linear probing, at most half full (pure).
 */
#include "collector/table.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

static uint64_t
hash_of(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h ^ h >> 29;
}

/* The slot of key, or the free one where it would go; cap > n. */
static struct table_slot *
find(const struct table *t, const void *key, size_t len, uint64_t hash)
{
	size_t i = hash & (t->cap - 1);

	while (t->slot[i].key != NULL) {
		const struct table_slot *s = &t->slot[i];

		if (s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0)
			break;
		i = (i + 1) & (t->cap - 1);
	}
	return &t->slot[i];
}

static void
grow(struct table *t)
{
	struct table old = *t;

	t->cap = old.cap == 0 ? 16 : 2 * old.cap;
	t->slot = xcalloc(t->cap, sizeof *t->slot);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slot[i].key != NULL)
			*find(t, old.slot[i].key, old.slot[i].len, old.slot[i].hash) = old.slot[i];
	free(old.slot);
}

void *
table_get(const struct table *t, const void *key, size_t len)
{
	return t->n == 0 ? NULL : find(t, key, len, hash_of(key, len))->value;
}

void
table_put(struct table *t, const void *key, size_t len, void *value)
{
	uint64_t hash = hash_of(key, len);
	struct table_slot *s;

	if (2 * (t->n + 1) > t->cap)
		grow(t);
	s = find(t, key, len, hash);
	if (s->key == NULL) {
		s->key = xmalloc(len != 0 ? len : 1);
		memcpy(s->key, key, len);
		s->len = len;
		s->hash = hash;
		t->n++;
	}
	s->value = value;
}

void *
table_del(struct table *t, const void *key, size_t len)
{
	struct table_slot *s;
	void *value;
	size_t hole;

	if (t->n == 0)
		return NULL;
	s = find(t, key, len, hash_of(key, len));
	if (s->key == NULL)
		return NULL;
	value = s->value;
	free(s->key);
	memset(s, 0, sizeof *s);
	t->n--;
	/* Those behind the hole may have been pushed there by what left: seat them anew. */
	hole = (size_t)(s - t->slot);
	for (size_t i = (hole + 1) & (t->cap - 1); t->slot[i].key != NULL; i = (i + 1) & (t->cap - 1)) {
		struct table_slot moved = t->slot[i];

		memset(&t->slot[i], 0, sizeof moved);
		*find(t, moved.key, moved.len, moved.hash) = moved;
	}
	return value;
}

void *
table_next(const struct table *t, size_t *i)
{
	while (*i < t->cap)
		if (t->slot[(*i)++].key != NULL)
			return t->slot[*i - 1].value;
	return NULL;
}

void
table_fini(struct table *t)
{
	for (size_t i = 0; i < t->cap; i++)
		free(t->slot[i].key);
	free(t->slot);
	memset(t, 0, sizeof *t);
}

void *
table_gets(const struct table *t, const char *key)
{
	return table_get(t, key, strlen(key));
}

void
table_puts(struct table *t, const char *key, void *value)
{
	table_put(t, key, strlen(key), value);
}

void *
table_dels(struct table *t, const char *key)
{
	return table_del(t, key, strlen(key));
}
