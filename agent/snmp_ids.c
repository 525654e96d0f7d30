/*
 * snmp_ids.c - a small hash table.
 */
#include "agent/snmp_ids.h"

#include <stdlib.h>

#include "common/mem.h"

#define CAP_MIN 64			/* a power of two, as all that follow */

void
snmp_ids_fini(struct snmp_ids *ids)
{
	free(ids->row);
	*ids = (struct snmp_ids){ 0 };
}

/* Where id stands, or the empty row where it would. */
static size_t
find(const struct snmp_ids *ids, uint32_t id)
{
	size_t i = id & (ids->cap - 1);

	while (ids->row[i].id != 0 && ids->row[i].id != id)
		i = (i + 1) & (ids->cap - 1);
	return i;
}

void *
snmp_ids_get(const struct snmp_ids *ids, uint32_t id)
{
	return ids->cap > 0 && id != 0 ? ids->row[find(ids, id)].value : NULL;
}

static void
grow(struct snmp_ids *ids)
{
	struct snmp_ids old = *ids;

	ids->cap = old.cap > 0 ? 2 * old.cap : CAP_MIN;
	ids->row = xcalloc(ids->cap, sizeof *ids->row);
	for (size_t i = 0; i < old.cap; i++)
		if (old.row[i].id != 0)
			ids->row[find(ids, old.row[i].id)] = old.row[i];
	free(old.row);
}

void
snmp_ids_put(struct snmp_ids *ids, uint32_t id, void *value)
{
	if (3 * (ids->n + 1) > 2 * ids->cap)
		grow(ids);
	ids->row[find(ids, id)] = (struct snmp_ids_row){ .id = id, .value = value };
	ids->n++;
}

/* Rows behind the gap that could not stand where they should move up. */
static void
close_gap(struct snmp_ids *ids, size_t gap)
{
	size_t mask = ids->cap - 1;

	for (size_t i = (gap + 1) & mask; ids->row[i].id != 0; i = (i + 1) & mask) {
		size_t home = ids->row[i].id & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		ids->row[gap] = ids->row[i];
		gap = i;
	}
	ids->row[gap] = (struct snmp_ids_row){ 0 };
}

void
snmp_ids_del(struct snmp_ids *ids, uint32_t id)
{
	size_t i;

	if (snmp_ids_get(ids, id) == NULL)
		return;
	i = find(ids, id);
	ids->row[i] = (struct snmp_ids_row){ 0 };
	ids->n--;
	close_gap(ids, i);
}
