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

struct known { enum snmp_slot slot; unsigned len; uint32_t name[11]; };

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
	{ SNMP_SPEED, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 5 } },
	{ SNMP_DISCONTINUITY, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19 } },
};
static const struct known scalar_of_host[] = {
	{ SNMP_RAW_USER, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 50, 0 } },
	{ SNMP_RAW_NICE, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 51, 0 } },
	{ SNMP_RAW_SYSTEM, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 52, 0 } },
	{ SNMP_RAW_IDLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 53, 0 } },
	{ SNMP_RAW_WAIT, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 54, 0 } },
	{ SNMP_RAW_KERNEL, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 55, 0 } },
	{ SNMP_RAW_IRQ, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 56, 0 } },
	{ SNMP_RAW_SOFTIRQ, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 61, 0 } },
	{ SNMP_RAW_STEAL, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 64, 0 } },
	{ SNMP_CPU_IDLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 11, 0 } },
	{ SNMP_MEM_TOTAL, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 5, 0 } },
	{ SNMP_MEM_AVAILABLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 6, 0 } },
	{ SNMP_MEM_BUFFER, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 14, 0 } },
	{ SNMP_MEM_CACHED, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 15, 0 } },
};

/* Adds a group, each name with the index behind it unless that is 0. */
static size_t
add(struct snmp_var *out, size_t n, const struct snmp_wanted *w, const struct known *k,
    size_t count, uint32_t index)
{
	for (size_t i = 0; i < count; i++) {
		struct snmp_var *v = &out[n];

		if ((w->skip & UINT64_C(1) << k[i].slot) != 0)
			continue;
		v->slot = k[i].slot;
		memcpy(v->name, k[i].name, k[i].len * sizeof *k[i].name);
		v->len = k[i].len;
		if (index > 0)
			v->name[v->len++] = index;
		n++;
	}
	return n;
}

size_t
snmp_vars_list(struct snmp_var *out, const struct snmp_wanted *w)
{
	const struct snmp_var *c = &snmp_if_column[w->column];
	struct known name = { SNMP_IF_NAME, (unsigned)c->len, { 0 } };
	size_t n = add(out, 0, w, scalar_of_all, COUNT(scalar_of_all), 0);

	if (w->if_index > 0) {
		memcpy(name.name, c->name, c->len * sizeof *c->name);
		n = add(out, n, w, &name, 1, w->if_index);
		n = add(out, n, w, column_of_interface, COUNT(column_of_interface), w->if_index);
	}
	if (w->host)
		n = add(out, n, w, scalar_of_host, COUNT(scalar_of_host), 0);
	for (size_t i = 0; i < w->nameds; i++)
		if ((w->skip & UINT64_C(1) << w->named[i].slot) == 0)
			out[n++] = w->named[i];
	return n;
}

int
snmp_name_compare(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len)
{
	for (size_t i = 0; i < a_len && i < b_len; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return a_len < b_len ? -1 : a_len > b_len;
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
		out->name[out->len++] = (uint32_t)strtoul(text, &end, 10);
		if (*end != '.')
			break;
	}
}
