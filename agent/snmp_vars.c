/*
 * snmp_vars.c - the variables of IF-MIB, UCD-SNMP-MIB and SNMPv2-MIB that we read (pure).
 */
#include "agent/snmp_vars.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const struct snmp_var snmp_if_column[SNMP_IF_COLUMNS] = {
	{ SNMP_IF_NAME, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1 } },
	{ SNMP_IF_NAME, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18 } },
	{ SNMP_IF_NAME, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 2 } },
};

struct known { enum snmp_slot slot; unsigned len; unsigned long name[11]; };

static const struct known scalar_of_all[] = {
	{ SNMP_UPTIME, 9, { 1, 3, 6, 1, 2, 1, 1, 3, 0 } },
};
static const struct known column_of_interface[] = {	/* index to be added */
	{ SNMP_IN_OCTETS, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6 } },
	{ SNMP_OUT_OCTETS, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10 } },
	{ SNMP_IN_OCTETS_32, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 10 } },
	{ SNMP_OUT_OCTETS_32, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 16 } },
	{ SNMP_IN_ERRORS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 14 } },
	{ SNMP_OUT_ERRORS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 20 } },
	{ SNMP_IN_DISCARDS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 13 } },
	{ SNMP_OUT_DISCARDS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 19 } },
	{ SNMP_OPER_STATUS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 8 } },
	{ SNMP_HIGH_SPEED, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15 } },
	{ SNMP_DISCONTINUITY, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19 } },
};
static const struct known scalar_of_host[] = {
	{ SNMP_CPU_IDLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 11, 0 } },
	{ SNMP_MEM_TOTAL, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 5, 0 } },
	{ SNMP_MEM_AVAILABLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 6, 0 } },
	{ SNMP_MEM_BUFFER, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 14, 0 } },
	{ SNMP_MEM_CACHED, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 15, 0 } },
};

static void
add(struct snmp_var *v, enum snmp_slot slot, const unsigned long *name, size_t len, uint32_t index)
{
	v->slot = slot;
	memcpy(v->name, name, len * sizeof *name);
	v->len = len;
	if (index > 0)
		v->name[v->len++] = index;
}

size_t
snmp_vars_list(struct snmp_var *out, unsigned column, uint32_t if_index, bool host,
    const struct snmp_var *named, size_t nameds)
{
	const struct snmp_var *c = &snmp_if_column[column];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(scalar_of_all); i++)
		add(&out[n++], scalar_of_all[i].slot, scalar_of_all[i].name, scalar_of_all[i].len, 0);
	if (if_index > 0)
		add(&out[n++], SNMP_IF_NAME, c->name, c->len, if_index);
	for (size_t i = 0; if_index > 0 && i < COUNT(column_of_interface); i++)
		add(&out[n++], column_of_interface[i].slot, column_of_interface[i].name,
		    column_of_interface[i].len, if_index);
	for (size_t i = 0; host && i < COUNT(scalar_of_host); i++)
		add(&out[n++], scalar_of_host[i].slot, scalar_of_host[i].name,
		    scalar_of_host[i].len, 0);
	for (size_t i = 0; i < nameds; i++)
		out[n++] = named[i];
	return n;
}

void
snmp_var_parse(struct snmp_var *out, enum snmp_slot slot, const char *text)
{
	char *end;

	out->slot = slot;
	out->len = 0;
	if (*text == '.')
		text++;
	for (; out->len < SNMP_NAME_MAX; text = end + 1) {
		out->name[out->len++] = strtoul(text, &end, 10);
		if (*end != '.')
			break;
	}
}
