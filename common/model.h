/*
 * model.h - the words that all programs share: kinds of probe, causes,
 * roles of SNMP values, link states, and one measured sample.
 *
 * Every enum that crosses the wire or stands in a journal has explicit
 * numbers, which never change.  The *_name() functions return the key word
 * used in configuration, JSON and logs; they never return NULL ("?" for a
 * number that is none of ours).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_VERSION "0.1.0"
#define ID_MAX 63		/* bytes of an id, without the NUL */
#define BOOT_ID_LEN 16
#define SAMPLE_RTT_MAX 1000	/* packets in one step */

enum probe_kind { PROBE_ICMP = 1, PROBE_TCP = 2, PROBE_SNMP = 3 };
/* How a named OID is told: as the device says, as it stands, or as a rate per second. */
enum oid_type { OID_AUTO = 0, OID_GAUGE = 1, OID_COUNTER = 2, OID_TYPE_MAX = 2 };
enum link_class { CLASS_A = 1, CLASS_B = 2, CLASS_C = 3 };

/* Segments of a chain, from the user to the application (design, "chain"). */
enum segment {
	SEG_NONE = 0, SEG_USER = 1, SEG_ACCESS = 2, SEG_EXTRANET = 3,
	SEG_EDGE = 4, SEG_VPC = 5, SEG_HOST = 6, SEG_APP = 7,
};

/* Why a reply did not come, or what came instead of one. */
enum cause {
	CAUSE_NONE = 0,
	CAUSE_TIMEOUT = 1,		/* nothing came in time: loss */
	CAUSE_REFUSED = 2,		/* TCP RST: a reply of the far stack */
	CAUSE_NET_UNREACHABLE = 3,
	CAUSE_HOST_UNREACHABLE = 4,
	CAUSE_PORT_UNREACHABLE = 5,
	CAUSE_PROHIBITED = 6,
	CAUSE_TTL_EXCEEDED = 7,
	CAUSE_RESOLVE = 8,		/* name has no address: never loss */
	CAUSE_NOT_SENT = 9,		/* our host did not let it out */
	CAUSE_DUPLICATE = 10,
	CAUSE_LATE_REPLY = 11,		/* after the timeout: counted lost */
	CAUSE_SNMP_AUTH = 12,		/* wrong user, key or community */
	CAUSE_SNMP_NO_OBJECT = 13,
	CAUSE_SNMP_ERROR = 14,
	CAUSE_DISCONTINUITY = 15,	/* counters restarted: no rate */
	CAUSE_REBOOT = 16,		/* the device restarted */
	CAUSE_LOCAL = 17,		/* any other fault of our own host */
	CAUSE_TLS = 18,			/* connected, but the TLS handshake failed */
	CAUSE_TOO_BIG = 19,		/* may not be fragmented and does not fit */
	CAUSE_MAX = 19,
};

/* What the step itself suffered; bits. */
enum sample_flag {
	SAMPLE_LATE = 1,		/* the agent sent later than planned */
	SAMPLE_NOT_OBSERVED = 2,	/* no verdict: our own fault, see cause */
	SAMPLE_SOCKET_DROPS = 4,	/* our socket lost datagrams */
	SAMPLE_CLOCK_JUMP = 8,
	SAMPLE_BURST = 16,		/* packets could not be spread evenly */
	SAMPLE_FLAGS = 31,		/* all that are known */
};

/* What an SNMP value is; rates are per second. */
enum value_role {
	ROLE_IN_BPS = 1, ROLE_OUT_BPS = 2,
	ROLE_IN_ERRORS = 3, ROLE_OUT_ERRORS = 4,
	ROLE_IN_DISCARDS = 5, ROLE_OUT_DISCARDS = 6,
	ROLE_OPER_STATUS = 7,		/* RFC 2863: 1 up, 2 down ... */
	ROLE_SPEED_BPS = 8,
	ROLE_CPU_RATIO = 9, ROLE_MEM_RATIO = 10, ROLE_STORAGE_RATIO = 11,
	ROLE_UPTIME_S = 12,
	ROLE_TLS_S = 13,		/* tcp: time of the TLS handshake, seconds */
	ROLE_CERT_DAYS = 14,		/* tcp: days until the certificate ends; < 0: it has */
	ROLE_OID0 = 16,			/* first named OID, then 17 ... */
	ROLE_MAX = 31,
};

enum link_state {
	LINK_UP = 1, LINK_DEGRADED = 2, LINK_DOWN = 3, LINK_PLANNED = 4,
	LINK_NOT_OBSERVED = 5,
};

enum anomaly_kind {
	ANOMALY_DOWN = 1, ANOMALY_LOSS = 2, ANOMALY_LATENCY = 3,
	ANOMALY_VARIATION = 4, ANOMALY_SERVICE = 5, ANOMALY_UTILISATION = 6,
	ANOMALY_ERRORS = 7, ANOMALY_SILENT = 8, ANOMALY_CLOCK = 9,
	ANOMALY_SELF = 10,		/* a fault of the monitor itself */
};

enum severity {
	SEVERITY_CRITICAL = 1, SEVERITY_MAJOR = 2, SEVERITY_MINOR = 3,
	SEVERITY_INFO = 4,
};

struct cause_count { uint32_t cause; uint32_t count; };
struct sample_value { uint32_t role; double value; uint64_t raw; };

#define SAMPLE_CAUSES 8
#define CAUSE_COUNT_MAX 1000000	/* of one cause in a sample; more are told as so many */
#define SAMPLE_VALUES 16

/*
 * One step of one link.  rtt_100ns points to rtt_count values in the order
 * of sending (lost ones left out); who fills the sample owns that array.
 */
struct sample {
	const char *link;		/* borrowed */
	int64_t start_ns;		/* wall clock: begin of the step */
	uint32_t step_ms;
	uint32_t sent;
	uint32_t rtt_count;
	uint32_t flags;
	const uint32_t *rtt_100ns;
	uint32_t causes, values;
	struct cause_count cause[SAMPLE_CAUSES];
	struct sample_value value[SAMPLE_VALUES];
};

const char *probe_kind_name(uint32_t kind);
const char *link_class_name(uint32_t c);	/* "A" */
const char *segment_name(uint32_t s);		/* "extranet" */
const char *cause_name(uint32_t c);		/* "timeout" */
const char *value_role_name(uint32_t role);	/* "in_bps", "oid0" */
const char *link_state_name(uint32_t s);	/* "not-observed" */
const char *anomaly_kind_name(uint32_t k);	/* "latency" */
const char *severity_name(uint32_t s);		/* "critical" */

/* The number of a key word as above, or -1. */
int probe_kind_parse(const char *s);
int link_class_parse(const char *s);
int segment_parse(const char *s);

/* Is s an id: [a-z0-9][a-z0-9-]{0,62}? */
bool id_is_valid(const char *s);
