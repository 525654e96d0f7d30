/*
 * trap.h - the notifications of LINKWATCH-MIB as alertd sends them.
 *
 * The numbers are those of mibs/LINKWATCH-MIB.txt; tests/unit/alertd/
 * test_trap.c holds the two against each other.
 *
 *   linkwatchMIB           1.3.6.1.4.1.8072.9999.9999.7466
 *   lwNotifications.1..4   .0.1 opened  .0.2 raised  .0.3 recovered  .0.4 closed
 *   lwIncidentEntry.C.N    .1.3.1.C.N: column C of incident number N
 *
 * trap_build() is pure: which notification and which values.  channel_trap.c
 * sends them from the only thread that calls net-snmp.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TRAP_BASE 1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7466
#define TRAP_BASE_LEN 10

enum trap_notification {
	TRAP_OPENED = 1, TRAP_RAISED = 2, TRAP_RECOVERED = 3, TRAP_CLOSED = 4,
};

/* Columns of lwIncidentEntry. */
enum trap_column {
	TRAP_STATE = 2, TRAP_GRADE = 3, TRAP_SEVERITY = 4, TRAP_KIND = 5,
	TRAP_VENDOR = 6, TRAP_AGENT = 7, TRAP_LINK = 8, TRAP_LINK_STATE = 10,
	TRAP_TITLE_ZH = 12, TRAP_TITLE_EN = 13, TRAP_FIRST_FAIL = 14, TRAP_OUTAGE = 16,
};

enum trap_type { TRAP_INTEGER = 1, TRAP_UNSIGNED = 2, TRAP_OCTETS = 3 };

#define TRAP_VALUES 12
#define TRAP_OCTETS_MAX 255

struct trap_value {
	enum trap_column column;
	enum trap_type type;
	uint32_t number;
	uint8_t octets[TRAP_OCTETS_MAX];
	size_t len;
};

struct trap {
	enum trap_notification what;
	uint32_t incident;
	struct trap_value value[TRAP_VALUES];
	size_t values;
};

/*
 * event: of the message ("open", "raise", "recover", "close"; others are told
 * as raised).  doc: JSON of the incident.  0, or -EINVAL: doc is none.
 */
int trap_build(struct trap *out, const char *event, const char *doc);
/* DateAndTime (RFC 2579) at UTC+8 into buf[11]; 8 zero bytes for 0.  Returns the length. */
size_t trap_date(uint8_t buf[11], int64_t seconds);
