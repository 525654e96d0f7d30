/*
 * model.c - key words of the shared enums (pure).
 */
#include "common/model.h"

#include <string.h>

struct word { uint32_t n; const char *name; };

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct word kinds[] = {
	{ PROBE_ICMP, "icmp" }, { PROBE_TCP, "tcp" }, { PROBE_SNMP, "snmp" },
};
static const struct word classes[] = { { CLASS_A, "A" }, { CLASS_B, "B" }, { CLASS_C, "C" } };
static const struct word segments[] = {
	{ SEG_USER, "user" }, { SEG_ACCESS, "access" }, { SEG_EXTRANET, "extranet" },
	{ SEG_EDGE, "edge" }, { SEG_VPC, "vpc" }, { SEG_HOST, "host" }, { SEG_APP, "app" },
	{ SEG_NONE, "none" },
};
static const struct word causes[] = {
	{ CAUSE_NONE, "none" }, { CAUSE_TIMEOUT, "timeout" }, { CAUSE_REFUSED, "refused" },
	{ CAUSE_NET_UNREACHABLE, "net-unreachable" },
	{ CAUSE_HOST_UNREACHABLE, "host-unreachable" },
	{ CAUSE_PORT_UNREACHABLE, "port-unreachable" }, { CAUSE_PROHIBITED, "prohibited" },
	{ CAUSE_TTL_EXCEEDED, "ttl-exceeded" }, { CAUSE_RESOLVE, "resolve" },
	{ CAUSE_NOT_SENT, "not-sent" }, { CAUSE_DUPLICATE, "duplicate" },
	{ CAUSE_LATE_REPLY, "late-reply" }, { CAUSE_SNMP_AUTH, "snmp-auth" },
	{ CAUSE_SNMP_NO_OBJECT, "snmp-no-object" }, { CAUSE_SNMP_ERROR, "snmp-error" },
	{ CAUSE_DISCONTINUITY, "discontinuity" }, { CAUSE_REBOOT, "reboot" },
	{ CAUSE_LOCAL, "local" }, { CAUSE_TLS, "tls" }, { CAUSE_TOO_BIG, "too-big" },
};
static const struct word roles[] = {
	{ ROLE_IN_BPS, "in_bps" }, { ROLE_OUT_BPS, "out_bps" }, { ROLE_IN_ERRORS, "in_errors" },
	{ ROLE_OUT_ERRORS, "out_errors" }, { ROLE_IN_DISCARDS, "in_discards" },
	{ ROLE_OUT_DISCARDS, "out_discards" }, { ROLE_OPER_STATUS, "oper_status" },
	{ ROLE_SPEED_BPS, "speed_bps" }, { ROLE_CPU_RATIO, "cpu_ratio" },
	{ ROLE_MEM_RATIO, "mem_ratio" }, { ROLE_STORAGE_RATIO, "storage_ratio" },
	{ ROLE_UPTIME_S, "uptime_s" },
	{ ROLE_TLS_S, "tls_s" },
	{ ROLE_CERT_DAYS, "cert_days" },
	{ 16, "oid0" }, { 17, "oid1" }, { 18, "oid2" }, { 19, "oid3" }, { 20, "oid4" },
	{ 21, "oid5" }, { 22, "oid6" }, { 23, "oid7" }, { 24, "oid8" }, { 25, "oid9" },
	{ 26, "oid10" }, { 27, "oid11" }, { 28, "oid12" }, { 29, "oid13" }, { 30, "oid14" },
	{ 31, "oid15" },
};
static const struct word states[] = {
	{ LINK_UP, "up" }, { LINK_DEGRADED, "degraded" }, { LINK_DOWN, "down" },
	{ LINK_PLANNED, "planned" }, { LINK_NOT_OBSERVED, "not-observed" },
};
static const struct word anomalies[] = {
	{ ANOMALY_DOWN, "down" }, { ANOMALY_LOSS, "loss" }, { ANOMALY_LATENCY, "latency" },
	{ ANOMALY_VARIATION, "variation" }, { ANOMALY_SERVICE, "service" },
	{ ANOMALY_UTILISATION, "utilisation" }, { ANOMALY_ERRORS, "errors" },
	{ ANOMALY_SILENT, "silent" }, { ANOMALY_CLOCK, "clock" }, { ANOMALY_SELF, "self" },
};
static const struct word severities[] = {
	{ SEVERITY_CRITICAL, "critical" }, { SEVERITY_MAJOR, "major" },
	{ SEVERITY_MINOR, "minor" }, { SEVERITY_INFO, "info" },
};

static const char *
name_of(const struct word *w, size_t len, uint32_t n)
{
	for (size_t i = 0; i < len; i++) {
		if (w[i].n == n)
			return w[i].name;
	}
	return "?";
}

static int
number_of(const struct word *w, size_t len, const char *s)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(w[i].name, s) == 0)
			return (int)w[i].n;
	}
	return -1;
}

const char *probe_kind_name(uint32_t n) { return name_of(kinds, LEN(kinds), n); }
const char *link_class_name(uint32_t n) { return name_of(classes, LEN(classes), n); }
const char *segment_name(uint32_t n) { return name_of(segments, LEN(segments), n); }
const char *cause_name(uint32_t n) { return name_of(causes, LEN(causes), n); }
const char *value_role_name(uint32_t n) { return name_of(roles, LEN(roles), n); }
const char *link_state_name(uint32_t n) { return name_of(states, LEN(states), n); }
const char *anomaly_kind_name(uint32_t n) { return name_of(anomalies, LEN(anomalies), n); }
const char *severity_name(uint32_t n) { return name_of(severities, LEN(severities), n); }

int probe_kind_parse(const char *s) { return number_of(kinds, LEN(kinds), s); }
int link_class_parse(const char *s) { return number_of(classes, LEN(classes), s); }
int segment_parse(const char *s) { return number_of(segments, LEN(segments), s); }

bool
id_is_valid(const char *s)
{
	size_t n = 0;

	/* each sample of a backlog comes by here: strspn() makes a table at each call */
	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '-')
		if (++n > ID_MAX)
			return false;
	return n >= 1 && s[n] == '\0' && s[0] != '-';
}
