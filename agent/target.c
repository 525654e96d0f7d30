/*
 * target.c - a Link of a plan held against the limits (pure).
 */
#include "agent/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/utf.h"

#define STEP_MIN_MS 1000
#define STEP_MAX_MS (300 * 1000)
#define TIMEOUT_MIN_MS 10
#define TEXT_MAX 255
#define SNMP_REQUESTS 4			/* at most, in a step */

static bool
host_is_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > TARGET_HOST_MAX || s[0] == '-' || s[0] == '.')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("._-:%", *s) == NULL)
			return false;
	return true;
}

static bool
device_is_valid(const char *s)
{
	if (strlen(s) >= IFNAMSIZ)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '/')
			return false;
	return true;
}

/* Printable, of bearable length; what lies above 0x7f is UTF-8 (an ifAlias may be Chinese). */
static bool
text_is_valid(const char *s)
{
	return strlen(s) <= TEXT_MAX && utf_is_line(s);
}

static bool
oid_is_valid(const char *s)
{
	unsigned parts = 0;

	if (*s == '.')
		s++;
	for (;; s++) {
		unsigned long long v = 0;

		if (!isdigit((unsigned char)*s))
			return false;
		for (; isdigit((unsigned char)*s); s++) {
			v = v * 10 + (unsigned)(*s - '0');
			if (v > UINT32_MAX)
				return false;
		}
		if ((++parts == 1 && v > 2) || parts > 64)
			return false;
		if (*s == '\0')
			return parts >= 3;
		if (*s != '.')
			return false;
	}
}

socklen_t
target_literal(const char *host, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)out;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
	char bare[INET6_ADDRSTRLEN];
	const char *zone = strchr(host, '%');
	size_t n = zone != NULL ? (size_t)(zone - host) : strlen(host);

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, host, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		return sizeof *sin;
	}
	if (n >= sizeof bare)
		return 0;
	memcpy(bare, host, n);
	bare[n] = '\0';
	if (inet_pton(AF_INET6, bare, &sin6->sin6_addr) != 1)
		return 0;
	if (zone != NULL && (sin6->sin6_scope_id = if_nametoindex(zone + 1)) == 0)
		return 0;
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	return sizeof *sin6;
}

static int
check_numbers(const Linkwatch__Pb__Link *l, char *why, size_t n)
{
	if (!id_is_valid(l->id))
		return snprintf(why, n, "not a valid id"), -EINVAL;
	if (l->probe < PROBE_ICMP || l->probe > PROBE_SNMP)
		return snprintf(why, n, "unknown probe %u", l->probe), -EINVAL;
	if (!host_is_valid(l->target))
		return snprintf(why, n, "target is not a host name or address"), -EINVAL;
	if (l->step_ms < STEP_MIN_MS || l->step_ms > STEP_MAX_MS)
		return snprintf(why, n, "step of %u ms, expected 1 s to 300 s", l->step_ms), -EINVAL;
	if (l->timeout_ms < TIMEOUT_MIN_MS || l->timeout_ms > l->step_ms)
		return snprintf(why, n, "timeout of %u ms, expected 10 ms to one step",
		    l->timeout_ms), -EINVAL;
	if (l->probe != PROBE_SNMP && (l->count < 1 || l->count > SAMPLE_RTT_MAX))
		return snprintf(why, n, "count of %u, expected 1 to %d", l->count,
		    SAMPLE_RTT_MAX), -EINVAL;
	if (l->probe != PROBE_ICMP && l->port > UINT16_MAX)
		return snprintf(why, n, "port %u", l->port), -EINVAL;
	if (l->probe == PROBE_TCP && l->port == 0)
		return snprintf(why, n, "tcp without a port"), -EINVAL;
	if (l->ttl > 255 || l->dscp > 63)
		return snprintf(why, n, "ttl %u or dscp %u, expected at most 255 and 63", l->ttl,
		    l->dscp), -EINVAL;
	if (!device_is_valid(l->device))
		return snprintf(why, n, "device is not the name of an interface"), -EINVAL;
	if (l->server_name[0] != '\0' && !host_is_valid(l->server_name))
		return snprintf(why, n, "server_name is not a host name"), -EINVAL;
	if (l->probe == PROBE_ICMP && l->size > TARGET_SIZE_MAX)
		return snprintf(why, n, "size of %u, expected at most %d", l->size,
		    TARGET_SIZE_MAX), -EINVAL;
	if (l->family != 0 && l->family != 4 && l->family != 6)
		return snprintf(why, n, "family %u, expected 4 or 6", l->family), -EINVAL;
	return 0;
}

static int
check_snmp(const Linkwatch__Pb__Link *l, char *why, size_t n)
{
	bool interface = l->interface[0] != '\0' || l->alias[0] != '\0';

	if (!text_is_valid(l->credential) || l->credential[0] == '\0')
		return snprintf(why, n, "snmp without a credential"), -EINVAL;
	if (!text_is_valid(l->interface))
		return snprintf(why, n, "interface name with unprintable bytes"), -EINVAL;
	if (!text_is_valid(l->alias))
		return snprintf(why, n, "alias with unprintable bytes"), -EINVAL;
	if (interface && l->interface[0] != '\0' && l->alias[0] != '\0')
		return snprintf(why, n, "both interface and alias"), -EINVAL;
	if (l->n_oid > TARGET_OIDS_MAX)
		return snprintf(why, n, "%zu oids, expected at most %d", l->n_oid,
		    TARGET_OIDS_MAX), -EINVAL;
	for (size_t i = 0; i < l->n_oid; i++)
		if (!oid_is_valid(l->oid[i]))
			return snprintf(why, n, "oid %zu is not of the form 1.3.6.1", i + 1), -EINVAL;
	if ((l->n_oid_type != 0 && l->n_oid_type != l->n_oid) ||
	    (l->n_oid_scale != 0 && l->n_oid_scale != l->n_oid))
		return snprintf(why, n, "columns of oids differ in length"), -EINVAL;
	for (size_t i = 0; i < l->n_oid; i++)
		if ((l->n_oid_type > 0 && l->oid_type[i] > OID_TYPE_MAX) ||
		    (l->n_oid_scale > 0 && !isfinite(l->oid_scale[i])))
			return snprintf(why, n, "type or scale of oid %zu", i + 1), -EINVAL;
	if (1 + (interface ? 8 : 0) + (l->host ? 3 : 0) + l->n_oid > SAMPLE_VALUES)
		return snprintf(why, n, "more than %d values in a sample", SAMPLE_VALUES), -EINVAL;
	if (!interface && !l->host && l->n_oid == 0)
		return snprintf(why, n, "snmp without interface, host or oid"), -EINVAL;
	return 0;
}

static char *
copy_or_null(const char *s)
{
	return s[0] != '\0' ? xstrdup(s) : NULL;
}

static void
fill_snmp(struct target *out, const Linkwatch__Pb__Link *l)
{
	out->credential = copy_or_null(l->credential);
	out->interface = copy_or_null(l->interface);
	out->alias = copy_or_null(l->alias);
	out->host_values = l->host;
	out->oid = xcalloc(l->n_oid, sizeof *out->oid);
	for (size_t i = 0; i < l->n_oid; i++)
		out->oid[out->oids++] = (struct target_oid){
			.oid = xstrdup(l->oid[i]),
			.type = l->n_oid_type > 0 ? l->oid_type[i] : OID_AUTO,
			.scale = l->n_oid_scale > 0 ? l->oid_scale[i] : 1,
		};
}

int
target_init(struct target *out, const Linkwatch__Pb__Link *l, char *why, size_t n)
{
	struct sockaddr_storage to;
	int rc = check_numbers(l, why, n);

	*out = (struct target){ .kind = l->probe };
	if (rc == 0 && l->probe == PROBE_SNMP)
		rc = check_snmp(l, why, n);
	if (rc != 0)
		return rc;
	if (l->source[0] != '\0') {
		out->source_len = target_literal(l->source, 0, &out->source);
		if (out->source_len == 0)
			return snprintf(why, n, "source is not an address"), -EINVAL;
	}
	out->family = l->family == 4 ? AF_INET : l->family == 6 ? AF_INET6 : AF_UNSPEC;
	if (out->source_len > 0 && out->family != AF_UNSPEC &&
	    out->source.ss_family != out->family)
		return snprintf(why, n, "source is of the other address family"), -EINVAL;
	if (out->source_len > 0)
		out->family = out->source.ss_family;
	if (out->family != AF_UNSPEC && target_literal(l->target, 0, &to) > 0 &&
	    to.ss_family != out->family)
		return snprintf(why, n, "target is an address of the other family"), -EINVAL;
	memcpy(out->id, l->id, strlen(l->id) + 1);
	out->host = xstrdup(l->target);
	out->port = (uint16_t)(l->probe == PROBE_ICMP ? 0 : l->port);
	if (l->probe == PROBE_SNMP && out->port == 0)
		out->port = 161;
	out->step_ns = l->step_ms * NS_PER_MS;
	out->timeout_ns = l->timeout_ms * NS_PER_MS;
	out->count = l->probe == PROBE_SNMP ? 1 : l->count;
	if (l->probe == PROBE_ICMP)
		out->size = l->size < TARGET_SIZE_MIN ? TARGET_SIZE_MIN : l->size;
	out->df = l->probe == PROBE_ICMP && l->df;
	out->dscp = (uint8_t)l->dscp;
	out->ttl = (uint8_t)l->ttl;
	memcpy(out->device, l->device, strlen(l->device) + 1);
	out->tls = l->probe == PROBE_TCP && l->tls;
	out->server_name = copy_or_null(l->server_name);
	if (l->probe == PROBE_SNMP)
		fill_snmp(out, l);
	return 0;
}

void
target_fini(struct target *t)
{
	free(t->host);
	free(t->credential);
	free(t->interface);
	free(t->alias);
	free(t->server_name);
	for (size_t i = 0; i < t->oids; i++)
		free(t->oid[i].oid);
	free(t->oid);
	*t = (struct target){ 0 };
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
target_equal(const struct target *a, const struct target *b)
{
	if (strcmp(a->id, b->id) != 0 || a->kind != b->kind || !same_text(a->host, b->host) ||
	    a->port != b->port || a->step_ns != b->step_ns || a->timeout_ns != b->timeout_ns ||
	    a->count != b->count || a->size != b->size || a->family != b->family ||
	    !same_text(a->credential, b->credential) ||
	    !same_text(a->interface, b->interface) || a->host_values != b->host_values ||
	    a->df != b->df || a->dscp != b->dscp || a->ttl != b->ttl || a->tls != b->tls ||
	    strcmp(a->device, b->device) != 0 || !same_text(a->server_name, b->server_name) ||
	    !same_text(a->alias, b->alias) || a->oids != b->oids || a->source_len != b->source_len ||
	    memcmp(&a->source, &b->source, a->source_len) != 0)
		return false;
	for (size_t i = 0; i < a->oids; i++)
		if (!same_text(a->oid[i].oid, b->oid[i].oid) || a->oid[i].type != b->oid[i].type ||
		    a->oid[i].scale != b->oid[i].scale)
			return false;
	return true;
}

uint64_t
target_mpps(const struct target *t)
{
	uint64_t packets = t->kind == PROBE_SNMP ? SNMP_REQUESTS : t->count;

	return (packets * 1000 * (uint64_t)NS_PER_S + (uint64_t)t->step_ns - 1) /
	    (uint64_t)t->step_ns;
}
