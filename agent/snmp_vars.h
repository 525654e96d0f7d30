/*
 * snmp_vars.h - which variables a poll asks for (pure).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_values.h"

#define SNMP_NAME_MAX 128		/* sub-identifiers: MAX_OID_LEN of net-snmp */
#define SNMP_VARS_MAX (2 + SNMP_SLOTS)

/* A name as net-snmp writes it: its oid is an unsigned long. */
struct snmp_var { enum snmp_slot slot; size_t len; unsigned long name[SNMP_NAME_MAX]; };

/* Where an interface is looked for by name, in this order: ifName, ifAlias, ifDescr. */
#define SNMP_IF_COLUMNS 3
extern const struct snmp_var snmp_if_column[SNMP_IF_COLUMNS];

/*
 * All scalars of a poll into out (SNMP_VARS_MAX); returns how many.  if_index 0: no interface, else
 * its name in `column` is asked for too, to see whether it is still the same.
 */
size_t snmp_vars_list(struct snmp_var *out, unsigned column, uint32_t if_index, bool host,
    const struct snmp_var *named, size_t nameds);
/* text: as target_init() lets it pass, "1.3.6.1" or ".1.3.6.1". */
void snmp_var_parse(struct snmp_var *out, enum snmp_slot slot, const char *text);
