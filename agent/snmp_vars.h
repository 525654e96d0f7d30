/*
 * snmp_vars.h - which variables a poll asks for (pure).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_values.h"

#define SNMP_NAME_MAX 128		/* sub-identifiers (RFC 2578, 3.5) */
#define SNMP_VARS_MAX SNMP_SLOTS

struct snmp_var { enum snmp_slot slot; size_t len; uint32_t name[SNMP_NAME_MAX]; };

/* Where an interface is looked for by name, in this order: ifName, ifAlias, ifDescr. */
#define SNMP_IF_COLUMNS 3
extern const struct snmp_var snmp_if_column[SNMP_IF_COLUMNS];

enum { SNMP_COLUMN_NAME, SNMP_COLUMN_ALIAS, SNMP_COLUMN_DESCR };

/* What a poll is to bring. */
struct snmp_wanted {
	uint32_t if_index;		/* 0: no interface */
	unsigned column;		/* where its name stands: it is asked for too */
	bool host;
	const struct snmp_var *named;
	size_t nameds;
	uint64_t skip;			/* 1 << slot of each that is left out */
};

/* All scalars of a poll into out (SNMP_VARS_MAX); returns how many. */
size_t snmp_vars_list(struct snmp_var *out, const struct snmp_wanted *wanted);
/* text: as target_init() lets it pass, "1.3.6.1" or ".1.3.6.1". */
void snmp_var_parse(struct snmp_var *out, enum snmp_slot slot, const char *text);
/* Is a before b in a walk?  < 0; the same: 0; behind it: > 0. */
int snmp_name_compare(const uint32_t *a, size_t a_len, const uint32_t *b, size_t b_len);
