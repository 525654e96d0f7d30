/*
 * snmp_ids.h - who waits for an answer: from ids to pointers (pure).
 *
 * Open addressing with linear probing, grown at two thirds.  An id is a random
 * number, so it is its own hash.  0 is no id.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct snmp_ids { size_t n, cap; struct snmp_ids_row { uint32_t id; void *value; } *row; };

void snmp_ids_fini(struct snmp_ids *ids);	/* a zeroed one is empty */
/* NULL: nobody. */
void *snmp_ids_get(const struct snmp_ids *ids, uint32_t id);
/* id is not there yet; value is borrowed, not NULL. */
void snmp_ids_put(struct snmp_ids *ids, uint32_t id, void *value);
void snmp_ids_del(struct snmp_ids *ids, uint32_t id);
