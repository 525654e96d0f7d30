/*
 * snmp_values.h - from what a device answered to the values of a sample (pure, fuzzed).
 *
 * A reading is one poll.  Gauges come from one reading, rates from two: a
 * counter that wrapped, one that was reset, and a device that restarted are
 * told apart, and none of them gives a number that was not measured.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model.h"

#define SNMP_OIDS_MAX 16

/* A value as it came, whatever the device says that it is. */
enum snmp_type {
	SNMP_TYPE_NONE,			/* null, an address ... */
	SNMP_TYPE_MISSING,		/* noSuchObject, noSuchInstance, endOfMibView */
	SNMP_TYPE_INTEGER, SNMP_TYPE_GAUGE, SNMP_TYPE_COUNTER32, SNMP_TYPE_COUNTER64,
	SNMP_TYPE_TICKS, SNMP_TYPE_STRING, SNMP_TYPE_OID, SNMP_TYPE_DOUBLE,
};

struct snmp_value {
	enum snmp_type type;
	int64_t number;			/* INTEGER; other numbers: their bits */
	double real;			/* DOUBLE */
	const uint8_t *text;		/* STRING, OID in BER: len bytes, borrowed */
	size_t len;
};

/* What a value is asked for as. */
enum snmp_slot {
	SNMP_UPTIME, SNMP_IF_NAME,
	SNMP_IN_OCTETS, SNMP_OUT_OCTETS,	/* 64 bits */
	SNMP_IN_OCTETS_32, SNMP_OUT_OCTETS_32,	/* taken if the others are missing */
	SNMP_IN_ERRORS, SNMP_OUT_ERRORS, SNMP_IN_DISCARDS, SNMP_OUT_DISCARDS,
	SNMP_OPER_STATUS, SNMP_HIGH_SPEED, SNMP_SPEED, SNMP_DISCONTINUITY,
	/* ticks of the processors, counters */
	SNMP_RAW_USER, SNMP_RAW_NICE, SNMP_RAW_SYSTEM, SNMP_RAW_IDLE, SNMP_RAW_WAIT,
	SNMP_RAW_KERNEL, SNMP_RAW_IRQ, SNMP_RAW_SOFTIRQ, SNMP_RAW_STEAL,
	SNMP_CPU_IDLE, SNMP_MEM_TOTAL, SNMP_MEM_AVAILABLE, SNMP_MEM_BUFFER, SNMP_MEM_CACHED,
	SNMP_OID0,
	SNMP_SLOTS = SNMP_OID0 + SNMP_OIDS_MAX,
};

/* bits: of a counter; 0: a gauge; SNMP_REAL: a number that grows, without end. */
#define SNMP_REAL 1
struct snmp_number { bool have; uint8_t bits; uint64_t v; double real; };

struct snmp_reading {
	bool any;
	int64_t at_ns;			/* mono, of the answer */
	uint32_t if_index;		/* 0: none */
	struct snmp_number slot[SNMP_SLOTS];
	double cpu, memory, storage;	/* ratios from tables; < 0: none */
};

/* Nothing read yet, at this moment. */
void snmp_reading_init(struct snmp_reading *, int64_t at_ns);
/* Takes a value in; true if it is of a kind that this slot can hold. */
bool snmp_reading_add(struct snmp_reading *, enum snmp_slot, const struct snmp_value *);
/* The same for named object i, told as type (enum oid_type) whatever the device says. */
bool snmp_reading_object(struct snmp_reading *, size_t i, uint32_t type,
    const struct snmp_value *);
/* Is v a name that the pattern of snmp_glob.h matches (trailing NULs aside)? */
bool snmp_is_name(const struct snmp_value *v, const char *pattern);

/* Tables that are walked: of processors, and of storage. */
struct snmp_tables {
	uint64_t cpu_sum;
	uint32_t cpus;
	double storage;			/* fullest fixed disk; < 0: none */
	double memory;			/* RAM; < 0: none */
};

/* No row yet. */
void snmp_tables_init(struct snmp_tables *);
/* The load of one more processor in percent; what is none is left out. */
void snmp_tables_cpu(struct snmp_tables *, const struct snmp_value *load);
enum snmp_storage { STORAGE_OTHER, STORAGE_RAM, STORAGE_DISK };
/* What an hrStorageType says. */
enum snmp_storage snmp_storage_kind(const struct snmp_value *type);
/* One more row of hrStorageTable, in its own units; what makes no sense is left out. */
void snmp_tables_storage(struct snmp_tables *, enum snmp_storage, const struct snmp_value *size,
    const struct snmp_value *used);
/* What the rows came to, into the reading. */
void snmp_reading_tables(struct snmp_reading *, const struct snmp_tables *);

/* Do the ticks of the processors give a ratio, so that nothing else need be asked? */
bool snmp_has_ticks(const struct snmp_reading *before, const struct snmp_reading *now);

/*
 * The values of now, rates against before (any false: none yet).  scale: of each named object, or
 * NULL: all 1.  Returns causes that go beside them (CAUSE_BIT of DISCONTINUITY, REBOOT): then the
 * rates that they speak of are missing.
 */
uint32_t snmp_values(const struct snmp_reading *before, const struct snmp_reading *now,
    const double *scale, struct sample_value out[SAMPLE_VALUES], uint32_t *n);
