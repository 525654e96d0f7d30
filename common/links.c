/*
 * links.c - links.yaml: its schema and the checks across its keys.
 *
 * links_plan.c turns what was read into a Plan.
 */
#include "common/links.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/links_conf.h"
#include "common/mem.h"
#include "common/model.h"
#include "common/utf.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define HOST_NAME_MAX_BYTES 253
#define LINKS_MAX 20000
#define OTHERS_MAX 20000			/* vendors, agents, chains, of each */
#define TCP_SPACING_NS (10 * MS)	/* at least, between two connections to one target */

/* ------------------------------------------------------------------- schema */

static const char *const kind_names[] = { "icmp", "tcp", "snmp", NULL };
static const char *const class_names[] = { "A", "B", "C", NULL };
static const char *const segment_names[] = {
	"none", "user", "access", "extranet", "edge", "vpc", "host", "app", NULL
};
static const char *const family_names[] = { "any", "4", "6", NULL };

static const char *const oid_type_names[] = { "auto", "gauge", "counter", NULL };

#define ROW(s, m, ...) { .offset = offsetof(struct s, m), __VA_ARGS__ }

static const struct conf_key vendor_keys[] = {
	ROW(links_vendor, id, .name = "id", .type = CONF_ID,
	    .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "The id that agents and links name."),
	ROW(links_vendor, code, .name = "code", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .min = 1, .max = 8, .help = "Short code for Chinese messages, such as A云."),
	ROW(links_vendor, code_en, .name = "code_en", .type = CONF_STR, .min = 1, .max = 8,
	    .help = "Short code for English messages; the id's beginning if left out."),
	ROW(links_vendor, name, .name = "name", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "Chinese name; the id if left out."),
	ROW(links_vendor, name_en, .name = "name_en", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "English name; the id if left out."),
	{ .name = NULL },
};

static const struct conf_key agent_keys[] = {
	ROW(links_agent, id, .name = "id", .type = CONF_ID, .flags = CONF_REQUIRED | CONF_UNIQUE,
	    .help = "The id in the agent's certificate, linkwatch://agent/ID."),
	ROW(links_agent, vendor, .name = "vendor", .type = CONF_ID, .flags = CONF_REQUIRED,
	    .help = "The vendor on whose host it runs."),
	ROW(links_agent, zone, .name = "zone", .type = CONF_ID,
	    .help = "The zone in which it stands."),
	ROW(links_agent, name, .name = "name", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "Chinese name; the id if left out."),
	ROW(links_agent, name_en, .name = "name_en", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "English name; the id if left out."),
	{ .name = NULL },
};

static const struct conf_key zone_keys[] = {
	ROW(links_zone, id, .name = "id", .type = CONF_ID, .flags = CONF_REQUIRED | CONF_UNIQUE,
	    .help = "The id that agents and links name."),
	ROW(links_zone, name, .name = "name", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "Chinese name; the id if left out."),
	ROW(links_zone, name_en, .name = "name_en", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "English name; the id if left out."),
	{ .name = NULL },
};

static const struct conf_key chain_keys[] = {
	ROW(links_chain, id, .name = "id", .type = CONF_ID, .flags = CONF_REQUIRED | CONF_UNIQUE,
	    .help = "The id that links name."),
	ROW(links_chain, name, .name = "name", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "Chinese name of the service; the id if left out."),
	ROW(links_chain, name_en, .name = "name_en", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "English name of the service; the id if left out."),
	{ .name = NULL },
};

static const struct conf_key limits_keys[] = {
	ROW(links_limits, loss, .name = "loss", .type = CONF_RATIO,
	    .help = "Loss that a contract allows; policy.yaml's if left out."),
	ROW(links_limits, rtt_ns, .name = "rtt", .type = CONF_DURATION, .min = 10 * NS_PER_US,
	    .max = 60 * S, .help = "RTT that a contract allows; policy.yaml's if left out."),
	{ .name = NULL },
};

static const struct conf_schema limits_schema = {
	.noun = "limits", .size = sizeof(struct links_limits), .keys = limits_keys,
	.where = SIZE_MAX,
};

static void check_object(void *obj, const struct conf_scope *scope);

static const struct conf_key object_keys[] = {
	ROW(links_object, oid, .name = "oid", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "The object, numeric such as 1.3.6.1.2.1.25.1.6.0."),
	ROW(links_object, name, .name = "name", .type = CONF_STR, .min = 1, .max = 32,
	    .help = "What people call it; its numbers if left out."),
	ROW(links_object, unit, .name = "unit", .type = CONF_STR, .min = 1, .max = 12,
	    .help = "Unit of the value after scale, such as V or %; none if left out."),
	ROW(links_object, type, .name = "type", .type = CONF_ENUM, .names = oid_type_names,
	    .def = "auto", .help = "gauge: the value as it stands; counter: what it grew by in "
		"a second; auto: as the device says."),
	ROW(links_object, scale, .name = "scale", .type = CONF_DOUBLE, .min = -1000000000,
	    .max = 1000000000, .def = "1", .help = "What is read is multiplied by this."),
	{ .name = NULL },
};

static const struct conf_schema object_schema = {
	.noun = "object", .size = sizeof(struct links_object), .keys = object_keys,
	.where = offsetof(struct links_object, where), .check = check_object,
};

static const struct conf_key link_keys[] = {
	ROW(links_link, id, .name = "id", .type = CONF_ID, .flags = CONF_REQUIRED,
	    .help = "The id of the link, unique within its agent."),
	ROW(links_link, agent, .name = "agent", .type = CONF_ID, .flags = CONF_REQUIRED,
	    .help = "The agent that measures it."),
	ROW(links_link, probe, .name = "probe", .type = CONF_ENUM, .names = kind_names,
	    .min = PROBE_ICMP, .flags = CONF_REQUIRED, .help = "How it is measured."),
	ROW(links_link, target, .name = "target", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "Host name, IPv4 or IPv6 address; without port."),
	ROW(links_link, port, .name = "port", .type = CONF_INT, .min = 1, .max = 65535,
	    .help = "tcp: the port, required; snmp: 161 if left out."),
	ROW(links_link, step_ns, .name = "step", .type = CONF_DURATION, .min = S, .max = 300 * S,
	    .help = "The period; 10s for icmp and tcp, 1m for snmp if left out."),
	ROW(links_link, count, .name = "count", .type = CONF_INT, .min = 1, .max = SAMPLE_RTT_MAX,
	    .help = "icmp, tcp: packets or connections in a step, spread evenly; 10 for icmp, "
		    "2 for tcp if left out."),
	ROW(links_link, timeout_ns, .name = "timeout", .type = CONF_DURATION, .min = 10 * MS,
	    .max = 300 * S,
	    .help = "How long an answer may take, at most one step; 1s for icmp and tcp, 2s for "
		    "snmp, or the step if that is shorter, if left out."),
	ROW(links_link, size, .name = "size", .type = CONF_INT, .min = 24, .max = 8952,
	    .help = "icmp: bytes of payload; 56 if left out."),
	ROW(links_link, family, .name = "family", .type = CONF_ENUM, .names = family_names,
	    .def = "any", .help = "Which addresses of a host name are used: IPv4, IPv6 or any."),
	ROW(links_link, source, .name = "source", .type = CONF_STR,
	    .help = "Local address to send from; any if left out."),
	ROW(links_link, device, .name = "device", .type = CONF_STR, .min = 1, .max = 15,
	    .help = "icmp, tcp: local network interface to leave by; by route if left out."),
	ROW(links_link, ttl, .name = "ttl", .type = CONF_INT, .min = 1, .max = 255,
	    .help = "icmp, tcp: hops that a request may take; the system's if left out."),
	ROW(links_link, dscp, .name = "dscp", .type = CONF_INT, .min = 0, .max = 63, .def = "0",
	    .help = "icmp, tcp: class of service that requests are marked with."),
	ROW(links_link, df, .name = "df", .type = CONF_BOOL, .def = "no",
	    .help = "icmp: requests may not be fragmented on the way."),
	ROW(links_link, tls, .name = "tls", .type = CONF_BOOL, .def = "no",
	    .help = "tcp: shake hands by TLS too; its time and the days of the certificate "
		"are kept."),
	ROW(links_link, server_name, .name = "server_name", .type = CONF_STR, .min = 1, .max = 253,
	    .help = "tcp with tls: the name to ask for; the target, if a name, if left out."),
	ROW(links_link, credential, .name = "credential", .type = CONF_ID,
	    .help = "snmp: name of the entry in the agent's own file, required."),
	ROW(links_link, interface, .name = "interface", .type = CONF_STR, .min = 1, .max = 255,
	    .help = "snmp: the interface to read: its ifName, ifAlias or ifDescr; * and ? stand "
		"for any characters."),
	ROW(links_link, alias, .name = "alias", .type = CONF_STR, .min = 1, .max = 255,
	    .help = "snmp: the interface to read, by its ifAlias; * and ? as above."),
	ROW(links_link, host, .name = "host", .type = CONF_BOOL, .def = "no",
	    .help = "snmp: read CPU, memory and storage of the device."),
	ROW(links_link, oids, .name = "oids", .type = CONF_STR_LIST,
	    .help = "snmp: objects to read, numeric such as 1.3.6.1.2.1.25.1.6.0."),
	ROW(links_link, objects, .name = "objects", .type = CONF_MAP_LIST, .sub = &object_schema,
	    .help = "snmp: objects to read, behind those of oids, each with name and unit."),
	ROW(links_link, class, .name = "class", .type = CONF_ENUM, .names = class_names,
	    .min = CLASS_A, .def = "C", .help = "Importance; A is the highest."),
	ROW(links_link, name, .name = "name", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "Chinese name; the id if left out."),
	ROW(links_link, name_en, .name = "name_en", .type = CONF_STR, .min = 1, .max = 64,
	    .help = "English name; the id if left out."),
	ROW(links_link, short_zh, .name = "short", .type = CONF_STR, .min = 1, .max = 16,
	    .help = "Chinese name in short messages; the beginning of the name if left out."),
	ROW(links_link, short_en, .name = "short_en", .type = CONF_STR, .min = 1, .max = 16,
	    .help = "English name in short messages; the beginning of the name if left out."),
	ROW(links_link, vendor, .name = "vendor", .type = CONF_ID,
	    .help = "The vendor responsible; that of the agent if left out."),
	ROW(links_link, zone, .name = "zone", .type = CONF_ID,
	    .help = "The zone of the target; that of the agent if left out."),
	ROW(links_link, chain, .name = "chain", .type = CONF_ID,
	    .help = "The chain of which it is a part."),
	ROW(links_link, segment, .name = "segment", .type = CONF_ENUM, .names = segment_names,
	    .def = "none", .help = "Where in the chain, from the user to the application."),
	ROW(links_link, reverse, .name = "reverse", .type = CONF_STR, .max = 2 * ID_MAX + 1,
	    .help = "icmp, tcp: the link that measures the way back, as AGENT/LINK; one of the two "
		"names the other."),
	ROW(links_link, down_after, .name = "down_after", .type = CONF_INT, .min = 1, .max = 1000,
	    .help = "Lost steps in a row that mean down; by class (policy.yaml) if left out."),
	ROW(links_link, limits, .name = "limits", .type = CONF_MAP, .sub = &limits_schema,
	    .help = "Fixed limits of a contract."),
	{ .name = NULL },
};

/* ---------------------------------------------------------------- texts */

/* Texts that people read: one line, and without the brackets that gateways keep to themselves. */
static void
check_text(const struct conf_scope *scope, const char *key, const char *text)
{
	if (text == NULL)
		return;
	if (!utf_is_line(text))
		conf_scope_error(scope, key, "'%s' holds a character that cannot be printed", key);
	else if (strstr(text, "【") != NULL || strstr(text, "】") != NULL)
		conf_scope_error(scope, key,
		    "'%s' holds 【 or 】, which SMS gateways keep for the signature", key);
}

static void
check_vendor(void *obj, const struct conf_scope *scope)
{
	const struct links_vendor *v = obj;

	check_text(scope, "code", v->code);
	check_text(scope, "code_en", v->code_en);
	check_text(scope, "name", v->name);
	check_text(scope, "name_en", v->name_en);
}

static void
check_agent(void *obj, const struct conf_scope *scope)
{
	const struct links_agent *a = obj;

	check_text(scope, "name", a->name);
	check_text(scope, "name_en", a->name_en);
}

static void
check_zone(void *obj, const struct conf_scope *scope)
{
	const struct links_zone *z = obj;

	check_text(scope, "name", z->name);
	check_text(scope, "name_en", z->name_en);
}

static void
check_chain(void *obj, const struct conf_scope *scope)
{
	const struct links_chain *c = obj;

	check_text(scope, "name", c->name);
	check_text(scope, "name_en", c->name_en);
}

/* ------------------------------------------------------------------- targets */

/* AF_INET or AF_INET6 of an address literal (an IPv6 zone may follow), else 0. */
static int
literal_family(const char *s)
{
	unsigned char addr[16];
	char bare[INET6_ADDRSTRLEN];
	size_t n = strcspn(s, "%");

	if (inet_pton(AF_INET, s, addr) == 1)
		return AF_INET;
	if (n >= sizeof(bare) || (s[n] == '%' && (strlen(s + n) < 2 || strlen(s + n) > 16)))
		return 0;
	memcpy(bare, s, n);
	bare[n] = '\0';
	return inet_pton(AF_INET6, bare, addr) == 1 ? AF_INET6 : 0;
}

/* Labels of letters, digits and '-', the last one not of digits alone. */
static bool
is_host_name(const char *s)
{
	static const char alnum[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	bool digits = true;

	if (strlen(s) > HOST_NAME_MAX_BYTES)
		return false;
	for (;;) {
		size_t n = strcspn(s, ".");

		if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
			return false;
		for (size_t i = 0; i < n; i++)
			if (strchr(alnum, s[i]) == NULL && s[i] != '-')
				return false;
		digits = strspn(s, "0123456789") >= n;
		if (s[n] == '\0')
			return !digits;
		s += n + 1;
	}
}

/* Why s is no target. */
static const char *
target_fault(const char *s)
{
	const char *colon = strrchr(s, ':');

	if (strstr(s, "://") != NULL)
		return "a URL; write the host alone";
	if (s[0] == '[')
		return "in brackets; write the address alone and the port as 'port'";
	if (colon != NULL && colon == strchr(s, ':') && colon[1] != '\0' &&
	    colon[1 + strspn(colon + 1, "0123456789")] == '\0')
		return "with a port; write it as 'port'";
	if (strchr(s, '/') != NULL)
		return "a network or path, expected one host";
	if (s[0] != '\0' && s[strspn(s, "0123456789.")] == '\0')
		return "not an IPv4 address";
	if (colon != NULL)
		return "not an IPv6 address";
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			return "not ASCII; write the name in its xn-- form";
	return "not a host name or address";
}

/* As the kernel takes it, and without what would be odd in a log. */
static bool
is_device(const char *s)
{
	if (strlen(s) > 15 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '/' || *s == ':')
			return false;
	return true;
}

static void
check_target(const struct conf_scope *scope, const struct links_link *l)
{
	int want = l->family == 1 ? AF_INET : l->family == 2 ? AF_INET6 : 0;
	int target = l->target != NULL ? literal_family(l->target) : 0;
	int source = l->source != NULL ? literal_family(l->source) : 0;

	if (l->target != NULL && target == 0 && !is_host_name(l->target))
		conf_scope_error(scope, "target", "'target' is %s, %s", l->target,
		    target_fault(l->target));
	if (l->source != NULL && source == 0)
		conf_scope_error(scope, "source", "'source' is %s, expected an IP address",
		    l->source);
	if (target != 0 && want != 0 && target != want)
		conf_scope_error(scope, "family",
		    "'family' is %s, but the target is an IPv%d address", family_names[l->family],
		    target == AF_INET ? 4 : 6);
	if (source != 0 && target != 0 && source != target)
		conf_scope_error(scope, "source",
		    "'source' is an IPv%d address, but the target is an IPv%d address",
		    source == AF_INET ? 4 : 6, target == AF_INET ? 4 : 6);
	else if (source != 0 && want != 0 && source != want)
		conf_scope_error(scope, "source",
		    "'source' is an IPv%d address, but 'family' is %s", source == AF_INET ? 4 : 6, family_names[l->family]);
}

/* ------------------------------------------------ what a kind of probe knows */

#define K(kind) (1U << (kind))

static const struct kind_rule {
	const char *key;
	unsigned knows, needs;		/* bits K(kind) */
} kind_rules[] = {
	{ "port", K(PROBE_TCP) | K(PROBE_SNMP), K(PROBE_TCP) },
	{ "count", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
	{ "size", K(PROBE_ICMP), 0 },
	{ "device", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
	{ "ttl", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
	{ "dscp", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
	{ "df", K(PROBE_ICMP), 0 },
	{ "tls", K(PROBE_TCP), 0 },
	{ "server_name", K(PROBE_TCP), 0 },
	{ "credential", K(PROBE_SNMP), K(PROBE_SNMP) },
	{ "interface", K(PROBE_SNMP), 0 },
	{ "alias", K(PROBE_SNMP), 0 },
	{ "host", K(PROBE_SNMP), 0 },
	{ "oids", K(PROBE_SNMP), 0 },
	{ "objects", K(PROBE_SNMP), 0 },
	{ "limits", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
	{ "reverse", K(PROBE_ICMP) | K(PROBE_TCP), 0 },
};

/* Does the link say something by the key?  `no`, 0 and empty lists say nothing. */
static bool
says(const struct conf_scope *scope, const struct links_link *l, const char *key)
{
	if (strcmp(key, "host") == 0)
		return l->host;
	if (strcmp(key, "df") == 0)
		return l->df;
	if (strcmp(key, "tls") == 0)
		return l->tls;
	if (strcmp(key, "dscp") == 0)
		return l->dscp > 0;
	if (strcmp(key, "oids") == 0)
		return l->oids.n > 0;
	if (strcmp(key, "objects") == 0)
		return l->objects.n > 0;
	if (strcmp(key, "limits") == 0)
		return l->limits.loss > 0 || l->limits.rtt_ns > 0;
	return conf_scope_has(scope, key);
}

static void
check_kind(const struct conf_scope *scope, const struct links_link *l)
{
	const char *id = l->id != NULL ? l->id : "?";

	for (size_t i = 0; i < sizeof(kind_rules) / sizeof(kind_rules[0]); i++) {
		const struct kind_rule *r = &kind_rules[i];
		bool has = says(scope, l, r->key);

		if (has && (r->knows & K(l->probe)) == 0)
			conf_scope_error(scope, r->key,
			    "'%s' means nothing to link '%s' of probe %s", r->key, id, probe_kind_name((uint32_t)l->probe));
		if (!has && (r->needs & K(l->probe)) != 0)
			conf_scope_error(scope, NULL, "'%s' is missing in link '%s' of probe %s",
			    r->key, id, probe_kind_name((uint32_t)l->probe));
	}
}

/* Numbers with dots, at least three, each of at most 32 bits. */
static bool
is_oid(const char *s)
{
	size_t parts = 0;

	s += *s == '.';
	for (;; s++) {
		unsigned long long v = 0;
		size_t n = strspn(s, "0123456789");

		if (n == 0 || n > 10)
			return false;
		for (size_t i = 0; i < n; i++)
			v = v * 10 + (unsigned)(s[i] - '0');
		if (v > UINT32_MAX || (parts++ == 0 && v > 2) || parts > 64)
			return false;
		s += n;
		if (*s == '\0')
			return parts >= 3;
		if (*s != '.')
			return false;
	}
}

static void
check_object(void *obj, const struct conf_scope *scope)
{
	const struct links_object *o = obj;

	check_text(scope, "name", o->name);
	check_text(scope, "unit", o->unit);
	if (o->oid != NULL && !is_oid(o->oid))
		conf_scope_error(scope, "oid", "'oid' is %s, expected numbers such as "
		    "1.3.6.1.2.1.25.1.6.0", o->oid);
	if (conf_scope_has(scope, "scale") && o->scale == 0)
		conf_scope_error(scope, "scale", "'scale' is 0, which leaves nothing of the value");
}

static void
check_interface(const struct conf_scope *scope, const struct links_link *l)
{
	if (l->interface != NULL && !utf_is_line(l->interface))
		conf_scope_error(scope, "interface",
		    "'interface' holds a character that cannot be printed");
	if (l->alias != NULL && !utf_is_line(l->alias))
		conf_scope_error(scope, "alias", "'alias' holds a character that cannot be printed");
	if (l->interface != NULL && l->alias != NULL)
		conf_scope_error(scope, "alias", "'alias' and 'interface' stand in one link; one of "
		    "them names the interface");
}

/* How many values a sample of the link holds: SAMPLE_VALUES at most. */
static void
check_snmp(const struct conf_scope *scope, const struct links_link *l)
{
	char *const *oid = l->oids.v;
	bool interface = says(scope, l, "interface") || says(scope, l, "alias");
	size_t room = SAMPLE_VALUES - (interface ? 8 : 0) - (l->host ? 3 : 0) - 1;

	if (!interface && !l->host && l->oids.n + l->objects.n == 0)
		conf_scope_error(scope, NULL,
		    "link '%s' of probe snmp reads nothing; name an interface, host, oids or objects",
		    l->id != NULL ? l->id : "?");
	for (size_t i = 0; i < l->oids.n; i++) {
		struct conf_scope item = conf_scope_item(scope, "oids", i);

		if (oid[i] != NULL && !is_oid(oid[i]))
			conf_scope_error(&item, NULL, "an element of 'oids' is %s, expected "
			    "numbers such as 1.3.6.1.2.1.25.1.6.0", oid[i]);
	}
	if (l->oids.n + l->objects.n > room)
		conf_scope_error(scope, l->oids.n > 0 ? "oids" : "objects",
		    "'%s' names %zu objects, room is for %zu beside what else the link reads",
		    l->oids.n > 0 ? "oids" : "objects", l->oids.n + l->objects.n, room);
	check_interface(scope, l);
}

static void
check_timing(const struct conf_scope *scope, const struct links_link *l)
{
	int64_t step = links_step_ns(l);

	if (l->timeout_ns > step)
		conf_scope_error(scope, "timeout", "'timeout' is longer than the step of %lldms",
		    (long long)(step / MS));
	if (l->probe == PROBE_TCP && l->count > step / TCP_SPACING_NS)
		conf_scope_error(scope, "count",
		    "'count' is %lld, at most %lld connections fit into a step of %lldms",
		    (long long)l->count, (long long)(step / TCP_SPACING_NS),
		    (long long)(step / MS));
	if (step % MS != 0)
		conf_scope_error(scope, "step", "'step' is finer than a millisecond");
	if (l->timeout_ns % MS != 0)
		conf_scope_error(scope, "timeout", "'timeout' is finer than a millisecond");
}

static void
check_link(void *obj, const struct conf_scope *scope)
{
	const struct links_link *l = obj;

	check_text(scope, "name", l->name);
	check_text(scope, "name_en", l->name_en);
	check_text(scope, "short", l->short_zh);
	check_text(scope, "short_en", l->short_en);
	check_target(scope, l);
	if (l->chain != NULL && !conf_scope_has(scope, "segment"))
		conf_scope_error(scope, "chain", "'segment' is missing in link '%s' of chain '%s'",
		    l->id != NULL ? l->id : "?", l->chain);
	if (l->probe == 0)
		return;			/* the rest hangs on the kind */
	check_kind(scope, l);
	check_timing(scope, l);
	if (l->server_name != NULL && !is_host_name(l->server_name))
		conf_scope_error(scope, "server_name", "'server_name' is %s, expected a host name",
		    l->server_name);
	if (l->server_name != NULL && !l->tls && l->probe == PROBE_TCP)
		conf_scope_error(scope, "server_name", "'server_name' is for tls: yes");
	if (l->device != NULL && !is_device(l->device))
		conf_scope_error(scope, "device", "'device' is %s, expected the name of a network "
		    "interface", l->device);
	if (l->device != NULL && l->probe == PROBE_ICMP && (l->family == 2 ||
	    (l->target != NULL && literal_family(l->target) == AF_INET6)))
		conf_scope_error(scope, "device", "'device' is not possible for icmp over IPv6; name "
		    "a 'source'");
	if (l->probe == PROBE_SNMP)
		check_snmp(scope, l);
}

/* ---------------------------------------------------------------- references */

/* Ids of one list, sorted for look-ups and, as they stand, for suggestions. */
struct index {
	const char **sorted, **all;	/* all ends with NULL */
	size_t n;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of a list of structs of size bytes, whose id stands at offset. */
static struct index
index_new(const struct conf_list *list, size_t size, size_t offset)
{
	struct index x = { xcalloc(list->n + 1, sizeof(char *)),
		xcalloc(list->n + 1, sizeof(char *)), 0 };

	for (size_t i = 0; i < list->n; i++) {
		const char *id = *(char *const *)((const char *)list->v + i * size + offset);

		if (id == NULL)
			continue;
		x.sorted[x.n] = id;
		x.all[x.n++] = id;
	}
	qsort(x.sorted, x.n, sizeof(*x.sorted), by_name);
	return x;
}

static void
index_free(struct index *x)
{
	free(x->sorted);
	free(x->all);
}

/* Is id, which the mapping of scope names by key, in the index? */
static void
check_reference(const struct index *x, const struct conf_scope *scope, const char *noun,
    const char *own_id, const char *key, const char *id)
{
	const char *hint;

	if (id == NULL || bsearch(&id, x->sorted, x->n, sizeof(*x->sorted), by_name) != NULL)
		return;
	hint = conf_errors_full(scope->errs) ? NULL : conf_suggest(id, x->all);
	conf_scope_error(scope, key, "%s '%s' names %s '%s', which is not defined%s%s%s", noun,
	    own_id != NULL ? own_id : "?", key, id, hint != NULL ? " (did you mean '" : "",
	    hint != NULL ? hint : "", hint != NULL ? "'?)" : "");
}

static int
by_agent_and_id(const void *a, const void *b)
{
	const struct links_link *x = *(const struct links_link *const *)a;
	const struct links_link *y = *(const struct links_link *const *)b;
	int c = strcmp(x->agent, y->agent);

	if (c == 0)
		c = strcmp(x->id, y->id);
	return c != 0 ? c : x < y ? -1 : 1;
}

/* A link's id may stand once in its agent. */
static void
check_twice(const struct conf_scope *scope, const struct conf_list *links)
{
	const struct links_link *l = links->v, **v = xcalloc(links->n + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < links->n; i++)
		if (l[i].id != NULL && l[i].agent != NULL)
			v[n++] = &l[i];
	qsort(v, n, sizeof(*v), by_agent_and_id);
	for (size_t i = 1, first = 0; i < n; i++) {
		struct conf_scope item;

		if (strcmp(v[i]->agent, v[first]->agent) != 0 ||
		    strcmp(v[i]->id, v[first]->id) != 0) {
			first = i;
			continue;
		}
		item = conf_scope_item(scope, "links", (size_t)(v[i] - l));
		conf_scope_error(&item, "id",
		    "link '%s' of agent '%s' stands twice (first in line %d)", v[i]->id,
		    v[i]->agent, v[first]->where.line);
	}
	free(v);
}

/* More than a plan can hold, or than is looked through in bearable time? */
static bool
is_too_large(const struct conf_scope *scope, const char *key, const struct conf_list *list,
    size_t max)
{
	if (list->n <= max)
		return false;
	conf_scope_error(scope, key, "'%s' has %zu elements, at most %zu are possible", key,
	    list->n, max);
	return true;
}

static void
check_file(void *obj, const struct conf_scope *scope)
{
	struct links_conf *c = obj;
	const struct links_agent *a = c->agents.v;
	const struct links_link *l = c->links.v;
	struct index vendors, zones, agents, chains;

	if (is_too_large(scope, "vendors", &c->vendors, OTHERS_MAX) ||
	    is_too_large(scope, "zones", &c->zones, OTHERS_MAX) ||
	    is_too_large(scope, "agents", &c->agents, OTHERS_MAX) ||
	    is_too_large(scope, "chains", &c->chains, OTHERS_MAX) ||
	    is_too_large(scope, "links", &c->links, LINKS_MAX))
		return;
	vendors = index_new(&c->vendors, sizeof(struct links_vendor),
	    offsetof(struct links_vendor, id));
	zones = index_new(&c->zones, sizeof(struct links_zone), offsetof(struct links_zone, id));
	agents = index_new(&c->agents, sizeof(*a), offsetof(struct links_agent, id));
	chains = index_new(&c->chains, sizeof(struct links_chain),
	    offsetof(struct links_chain, id));
	for (size_t i = 0; i < c->agents.n; i++) {
		struct conf_scope item = conf_scope_item(scope, "agents", i);

		check_reference(&vendors, &item, "agent", a[i].id, "vendor", a[i].vendor);
		if (c->zones.n > 0)
			check_reference(&zones, &item, "agent", a[i].id, "zone", a[i].zone);
	}
	for (size_t i = 0; i < c->links.n; i++) {
		struct conf_scope item = conf_scope_item(scope, "links", i);

		check_reference(&agents, &item, "link", l[i].id, "agent", l[i].agent);
		check_reference(&vendors, &item, "link", l[i].id, "vendor", l[i].vendor);
		if (c->zones.n > 0)
			check_reference(&zones, &item, "link", l[i].id, "zone", l[i].zone);
		check_reference(&chains, &item, "link", l[i].id, "chain", l[i].chain);
	}
	check_twice(scope, &c->links);
	links_check_pairs(scope, &c->links);
	index_free(&vendors);
	index_free(&zones);
	index_free(&agents);
	index_free(&chains);
}

#define SCHEMA(id, text, type, rows, func)                                                         \
	static const struct conf_schema id = {                                                     \
		.noun = text, .size = sizeof(struct type), .keys = rows,                           \
		.where = offsetof(struct type, where), .check = func                               \
	}
SCHEMA(vendor_schema, "vendor", links_vendor, vendor_keys, check_vendor);
SCHEMA(zone_schema, "zone", links_zone, zone_keys, check_zone);
SCHEMA(agent_schema, "agent", links_agent, agent_keys, check_agent);
SCHEMA(chain_schema, "chain", links_chain, chain_keys, check_chain);
SCHEMA(link_schema, "link", links_link, link_keys, check_link);

static const struct conf_key file_keys[] = {
	ROW(links_conf, vendors, .name = "vendors", .type = CONF_MAP_LIST, .flags = CONF_REQUIRED,
	    .sub = &vendor_schema, .help = "The cloud providers under supervision."),
	ROW(links_conf, zones, .name = "zones", .type = CONF_MAP_LIST, .sub = &zone_schema,
	    .help = "Names of zones; when it stands, every zone must be in it."),
	ROW(links_conf, agents, .name = "agents", .type = CONF_MAP_LIST, .flags = CONF_REQUIRED,
	    .sub = &agent_schema, .help = "The hosts that measure."),
	ROW(links_conf, chains, .name = "chains", .type = CONF_MAP_LIST, .sub = &chain_schema,
	    .help = "End-to-end paths of services."),
	ROW(links_conf, links, .name = "links", .type = CONF_MAP_LIST, .sub = &link_schema,
	    .help = "What is measured."),
	{ .name = NULL },
};

const struct conf_schema links_schema = {
	.noun = "links.yaml", .size = sizeof(struct links_conf), .keys = file_keys,
	.where = SIZE_MAX, .check = check_file,
};
