/*
 * adhoc_opts.c - options as a table, and what holds between them.
 */
#include "agent/adhoc_opts.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define ICMP (1u << PROBE_ICMP)
#define TCP (1u << PROBE_TCP)
#define SNMP (1u << PROBE_SNMP)
#define ALL (ICMP | TCP | SNMP)
#define FLIGHTS_MAX 1000		/* of one target: timeout / interval */
#define AT(member) offsetof(struct adhoc_opts, member)

enum value { FLAG, NUMBER, TEXT, OID };

struct row {
	const char *name;
	enum value value;
	unsigned kinds;
	size_t offset;
	uint32_t min, max;
	const char *arg, *help;
};

static const struct row rows[] = {
	{ "file", TEXT, ALL, AT(file), 0, 0, "LIST", "targets, one a line; '-': standard input" },
	{ "count", NUMBER, ALL, AT(count), 1, 10000, "N", "requests to each target (10; snmp 2)" },
	{ "interval", NUMBER, ALL, AT(interval_ms), 1, 3600000, "MS",
	  "between requests to a target (1000; snmp 2000)" },
	{ "timeout", NUMBER, ALL, AT(timeout_ms), 10, 60000, "MS",
	  "later is lost (1000; snmp 2000)" },
	{ "rate", NUMBER, ALL, AT(rate), 1, 1000000, "PPS",
	  "most requests a second, all targets together (1000)" },
	{ "size", NUMBER, ICMP, AT(size), TARGET_SIZE_MIN, TARGET_SIZE_MAX, "B",
	  "bytes of payload (56)" },
	{ "port", NUMBER, TCP | SNMP, AT(port), 1, 65535, "PORT", "where a target names none" },
	{ "source", TEXT, ICMP | TCP, AT(source), 0, 0, "ADDRESS", "send from it" },
	{ "device", TEXT, ICMP | TCP, AT(device), 0, 0, "NAME", "leave by this interface" },
	{ "ttl", NUMBER, ICMP | TCP, AT(ttl), 1, 255, "N", "hops" },
	{ "dscp", NUMBER, ICMP | TCP, AT(dscp), 0, 63, "N", "code point" },
	{ "df", FLAG, ICMP, AT(df), 0, 0, NULL, "may not be fragmented" },
	{ "tls", FLAG, TCP, AT(tls), 0, 0, NULL, "shake hands too" },
	{ "server-name", TEXT, TCP, AT(server_name), 0, 0, "NAME", "to ask for in the handshake" },
	{ "community-file", TEXT, SNMP, AT(community_file), 0, 0, "FILE",
	  "v2c; its first line is the community" },
	{ "config", TEXT, SNMP, AT(config), 0, 0, "FILE", "an agent.yaml with credentials" },
	{ "credential", TEXT, SNMP, AT(credential), 0, 0, "NAME", "which of them" },
	{ "interface", TEXT, SNMP, AT(interface), 0, 0, "NAME", "counters of this interface" },
	{ "alias", TEXT, SNMP, AT(alias), 0, 0, "PATTERN", "the same, found by ifAlias" },
	{ "host", FLAG, SNMP, AT(host), 0, 0, NULL, "processor, memory, storage" },
	{ "oid", OID, SNMP, 0, 0, 0, "OID", "this object; up to 16 times" },
	{ "json", FLAG, ALL, AT(json), 0, 0, NULL, "one JSON object for each target" },
	{ "quiet", FLAG, ALL, AT(quiet), 0, 0, NULL, "the summary only" },
};
#define ROWS (sizeof rows / sizeof rows[0])

/* The parse under way. */
struct parse {
	struct adhoc_opts *o;
	FILE *err;
	unsigned faults;
	bool given[ROWS];
};

static void __attribute__((format(printf, 2, 3)))
fault(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	p->faults++;
	fputs("linkwatch-agent probe: ", p->err);
	va_start(ap, fmt);
	vfprintf(p->err, fmt, ap);
	va_end(ap);
	fputc('\n', p->err);
}

void
adhoc_usage(FILE *f)
{
	fputs("usage: linkwatch-agent probe icmp|tcp|snmp [options] TARGET...\n"
	    "  -4, -6                  this address family only\n", f);
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof left, "%s%s %s", rows[i].value == FLAG && strcmp(
		    rows[i].name, "quiet") == 0 ? "-q, --" : "--", rows[i].name,
		    rows[i].arg != NULL ? rows[i].arg : "");
		fprintf(f, "  %-23s %s%s\n", left, rows[i].kinds == ICMP ? "icmp: " :
		    rows[i].kinds == TCP ? "tcp: " : rows[i].kinds == SNMP ? "snmp: " : "",
		    rows[i].help);
	}
	fputs("TARGET is a name or an address; icmp: also a network (10.0.0.0/24);\n"
	    "tcp, snmp: also HOST:PORT.  Ctrl-C ends it with what there is.\n", f);
}

static void
take_number(struct parse *p, const struct row *r, const char *text)
{
	uint32_t *out = (uint32_t *)((char *)p->o + r->offset);
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || v < r->min || v > r->max)
		fault(p, "--%s is '%s', expected %" PRIu32 "..%" PRIu32, r->name, text, r->min,
		    r->max);
	else
		*out = (uint32_t)v;
}

static void
take(struct parse *p, size_t index, char *text)
{
	const struct row *r = &rows[index];
	char *at = (char *)p->o + r->offset;

	p->given[index] = true;
	switch (r->value) {
	case FLAG:
		*(bool *)at = true;
		break;
	case NUMBER:
		take_number(p, r, text);
		break;
	case TEXT:
		if (*text == '\0')
			fault(p, "--%s is empty", r->name);
		*(const char **)at = text;
		break;
	case OID:
		if (p->o->oids == TARGET_OIDS_MAX)
			fault(p, "--oid more than %d times", TARGET_OIDS_MAX);
		else
			p->o->oid[p->o->oids++] = text;
		break;
	}
}

static void
take_family(struct parse *p, int family)
{
	if (p->o->family != AF_UNSPEC && p->o->family != family)
		fault(p, "-4 and -6 exclude each other");
	p->o->family = family;
}

static void
read_options(struct parse *p, int argc, char **argv)
{
	struct option options[ROWS + 2] = { { 0 } };
	int c;

	for (size_t i = 0; i < ROWS; i++)
		options[i] = (struct option){ .name = rows[i].name, .val = 256 + (int)i,
			.has_arg = rows[i].value == FLAG ? no_argument : required_argument };
	options[ROWS] = (struct option){ .name = "help", .val = 'h' };
	opterr = 0;
	optind = 0;			/* begins anew, in whatever state it was */
	while ((c = getopt_long(argc, argv, ":46qh", options, NULL)) != -1) {
		if (c >= 256)
			take(p, (size_t)c - 256, optarg);
		else if (c == '4' || c == '6')
			take_family(p, c == '4' ? AF_INET : AF_INET6);
		else if (c == 'q')
			p->o->quiet = true;
		else if (c == 'h')
			p->o->help = true;
		else if (c == ':')
			fault(p, "%s needs a value", argv[optind - 1]);
		else if (optopt > 0 && optopt < 256)
			fault(p, "unknown option '-%c'", optopt);
		else if (optopt >= 256)
			fault(p, "--%s takes no value", rows[optopt - 256].name);
		else
			fault(p, "unknown option '%s'", argv[optind - 1]);
	}
}

static void
fill_defaults(struct adhoc_opts *o)
{
	uint32_t usual = o->kind == PROBE_SNMP ? 2000 : 1000;

	if (o->count == 0)
		o->count = o->kind == PROBE_SNMP ? 2 : 10;
	if (o->rate == 0)
		o->rate = 1000;
	if (o->size == 0)
		o->size = 56;
	/* a device is asked one thing at a time */
	if (o->interval_ms == 0)
		o->interval_ms = o->kind == PROBE_SNMP && o->timeout_ms > usual ? o->timeout_ms : usual;
	if (o->timeout_ms == 0)
		o->timeout_ms = o->kind == PROBE_SNMP && o->interval_ms < usual ? o->interval_ms : usual;
	if (o->port == 0 && o->kind == PROBE_SNMP)
		o->port = 161;
}

/* What no single option shows. */
static void
check_together(struct parse *p)
{
	struct adhoc_opts *o = p->o;

	for (size_t i = 0; i < ROWS; i++)
		if (p->given[i] && (rows[i].kinds & 1u << o->kind) == 0)
			fault(p, "--%s does not belong to %s", rows[i].name,
			    probe_kind_name(o->kind));
	if (o->kind == PROBE_SNMP && o->timeout_ms > o->interval_ms)
		fault(p, "--timeout is %" PRIu32 " ms, expected at most --interval (%" PRIu32 " ms) "
		    "with snmp", o->timeout_ms, o->interval_ms);
	if (o->timeout_ms / FLIGHTS_MAX >= o->interval_ms)
		fault(p, "--timeout is %" PRIu32 " ms, expected less than %d times --interval "
		    "(%" PRIu32 " ms)", o->timeout_ms, FLIGHTS_MAX, o->interval_ms);
	if (o->server_name != NULL && !o->tls && o->kind == PROBE_TCP)
		fault(p, "--server-name needs --tls");
	if (o->kind != PROBE_SNMP)
		return;
	if (o->community_file == NULL && (o->config == NULL || o->credential == NULL))
		fault(p, "snmp needs --community-file, or --config and --credential");
	else if (o->community_file != NULL && (o->config != NULL || o->credential != NULL))
		fault(p, "--community-file excludes --config and --credential");
}

static void
read_targets(struct parse *p, char **argv, FILE *in)
{
	struct adhoc_opts *o = p->o;
	struct adhoc_form form = { .kind = o->kind, .family = o->family,
		.port = (uint16_t)o->port };
	char why[512];

	for (; *argv != NULL && o->list.n < ADHOC_TARGETS_MAX; argv++)
		if (adhoc_list_add(&o->list, &form, *argv, why, sizeof why) != 0)
			fault(p, "%s", why);
	if (*argv != NULL)
		fault(p, "more than %d targets", ADHOC_TARGETS_MAX);
	if (o->file != NULL) {
		bool is_in = strcmp(o->file, "-") == 0;
		FILE *f = is_in ? in : fopen(o->file, "re");

		if (f == NULL)
			fault(p, "%s: %s", o->file, strerror(errno));
		else
			p->faults += adhoc_list_read(&o->list, &form, f, is_in ? "stdin" : o->file,
			    p->err);
		if (f != NULL && !is_in)
			fclose(f);
	}
	if (o->list.n == 0 && p->faults == 0)
		fault(p, "no target");
	if ((uint64_t)o->list.n * o->count > ADHOC_REQUESTS_MAX)
		fault(p, "%zu targets with --count %" PRIu32 " are more than %d requests",
		    o->list.n, o->count, ADHOC_REQUESTS_MAX);
}

int
adhoc_opts_parse(struct adhoc_opts *o, int argc, char **argv, FILE *in, FILE *err)
{
	struct parse p = { .o = o, .err = err };
	struct target t = { 0 };
	char why[160];
	int kind = argc > 1 ? probe_kind_parse(argv[1]) : -1;

	*o = (struct adhoc_opts){ .family = AF_UNSPEC };
	if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
		o->help = true;
		return 0;
	}
	if (kind < 0) {
		fault(&p, "'%s' is not icmp, tcp or snmp", argc > 1 ? argv[1] : "");
		return -EINVAL;
	}
	o->kind = (uint32_t)kind;
	read_options(&p, argc - 1, argv + 1);
	if (o->help)
		return p.faults == 0 ? 0 : -EINVAL;
	fill_defaults(o);
	check_together(&p);
	read_targets(&p, argv + 1 + optind, in);
	if (p.faults == 0 && adhoc_opts_target(o, 1, &t, why, sizeof why) != 0)
		fault(&p, "%s", why);
	target_fini(&t);
	return p.faults == 0 ? 0 : -EINVAL;
}

static char *
or_empty(const char *s)
{
	return s != NULL ? (char *)s : (char *)protobuf_c_empty_string;
}

int
adhoc_opts_target(const struct adhoc_opts *o, uint32_t flights, struct target *out, char *why,
    size_t n)
{
	char *uptime[] = { "1.3.6.1.2.1.1.3.0" };
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	int rc;

	l.id = "probe";
	l.probe = o->kind;
	l.target = "192.0.2.1";		/* each target has its own; this one stands for all */
	if (o->family == AF_INET6)
		l.target = "2001:db8::1";
	l.port = o->port > 0 || o->kind == PROBE_ICMP ? o->port : 1;
	l.count = 1;
	l.timeout_ms = o->timeout_ms;
	l.step_ms = o->timeout_ms > 1000 ? o->timeout_ms : 1000;
	l.size = o->kind == PROBE_ICMP ? o->size : 0;
	l.ttl = o->ttl;
	l.dscp = o->dscp;
	l.df = o->df;
	l.tls = o->tls;
	l.host = o->host;
	l.source = or_empty(o->source);
	l.device = or_empty(o->device);
	l.server_name = or_empty(o->server_name);
	l.interface = or_empty(o->interface);
	l.alias = or_empty(o->alias);
	l.credential = o->kind != PROBE_SNMP ? (char *)protobuf_c_empty_string :
	    o->credential != NULL ? (char *)o->credential : "community";
	l.oid = (char **)o->oid;
	l.n_oid = o->oids;
	if (o->kind == PROBE_SNMP && l.n_oid == 0 && !o->host && o->interface == NULL &&
	    o->alias == NULL) {
		l.oid = uptime;
		l.n_oid = 1;
	}
	if (o->source != NULL && strchr(o->source, ':') != NULL)
		l.target = "2001:db8::1";
	l.family = o->family == AF_INET ? 4 : o->family == AF_INET6 ? 6 : 0;
	rc = target_init(out, &l, why, n);
	if (rc == 0) {
		out->count = flights;
		out->step_ns = (int64_t)flights * o->interval_ms * NS_PER_MS;
	}
	return rc;
}
