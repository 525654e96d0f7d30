/*
 * snmp_timers.h - whose time comes next: a binary heap (pure).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct snmp_timer { int64_t due_ns; size_t pos; void *owner; };	/* pos 0: not in the heap */

struct snmp_timers { struct snmp_timer **heap; size_t n, cap; };

void snmp_timers_fini(struct snmp_timers *t);	/* a zeroed one is empty */
/* Sets when t is due, wherever it stands; INT64_MAX takes it out. */
void snmp_timers_set(struct snmp_timers *all, struct snmp_timer *t, int64_t due_ns);
/* The first, or NULL. */
struct snmp_timer *snmp_timers_first(const struct snmp_timers *t);
