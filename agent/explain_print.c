/*
 * explain_print.c - what is sent, in words for whoever must permit it, or as JSON.
 */
#include "agent/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/tls.h"

static double
seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* A text of a peer or a file, safe on a terminal; borrowed from out. */
static const char *
clean(char out[1024], const char *s)
{
	return log_escape(out, 1024, s, strnlen(s, 255));
}

static const char *
source_text(const struct target *t, char out[NI_MAXHOST])
{
	if (t->source_len == 0 || getnameinfo((const struct sockaddr *)&t->source, t->source_len,
	    out, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
		return "any address of this host";
	return out;
}

/* ---------------------------------------------------------------------- a link */

static void
print_rates(FILE *f, const struct explain_link *l)
{
	const struct explain_traffic *t = &l->traffic;
	double step = seconds(l->target.step_ns);
	bool bounded = t->packets_most > t->packets;

	fprintf(f, "    %s%.3f packets/s, %.0f bytes/s", t->about ? "about " : "",
	    t->packets / step, t->bytes / step);
	if (bounded)
		fprintf(f, "; at most %.3f packets/s, %.0f bytes/s", t->packets_most / step,
		    t->bytes_most / step);
	fputc('\n', f);
}

static void
print_what(FILE *f, const struct explain_link *l)
{
	const struct target *t = &l->target;
	const struct explain_traffic *x = &l->traffic;
	double step = seconds(t->step_ns);
	double each = x->packets / x->requests;

	if (t->kind == PROBE_ICMP) {
		fprintf(f, "    every %g s: %" PRIu32 " echo requests of %" PRIu32 " bytes payload, "
		    "each %g packet%s of together %.0f bytes\n", step, x->requests, t->size, each,
		    each > 1 ? "s (fragments)" : "", x->bytes / x->requests);
	} else if (t->kind == PROBE_TCP) {
		fprintf(f, "    every %g s: %" PRIu32 " connections%s; each a SYN, an ACK and a RST; "
		    "a SYN that nothing answers is sent up to %g times more within %g s\n", step, x->requests,
		    t->tls ? " with a TLS handshake, and no request behind it" :
		    " without any data", (x->packets_most - x->packets) / x->requests,
		    seconds(t->timeout_ns));
	} else {
		fprintf(f, "    every %g s: one poll, of about %g requests (GET, GETBULK; never "
		    "SET), one at a time, at most %g in %g s\n", step, x->packets, x->packets_most,
		    seconds(t->timeout_ns));
	}
}

static void
print_snmp(FILE *f, const struct target *t)
{
	char text[1024], from[NI_MAXHOST];

	fprintf(f, "    reads: uptime");
	if (t->interface != NULL)
		fprintf(f, ", interface '%s'", clean(text, t->interface));
	if (t->alias != NULL)
		fprintf(f, ", interface with alias '%s'", clean(text, t->alias));
	if (t->host_values)
		fprintf(f, ", processor, memory and storage");
	for (size_t i = 0; i < t->oids; i++)
		fprintf(f, ", %s", t->oid[i].oid);
	fprintf(f, "; credential '%s'\n    from %s\n", clean(text, t->credential),
	    source_text(t, from));
}

static void
print_link(FILE *f, const struct explain_link *l)
{
	const struct target *t = &l->target;
	char from[NI_MAXHOST];

	fprintf(f, "%s: %s to %s", t->id, t->kind == PROBE_ICMP ? "icmp echo" :
	    t->kind == PROBE_TCP ? "tcp connect" : "snmp over udp", t->host);
	if (t->port != 0)
		fprintf(f, ", port %u", t->port);
	if (!l->literal)
		fprintf(f, " (a name; %s)", t->family == AF_INET ? "IPv4" :
		    t->family == AF_INET6 ? "IPv6" : "IPv4 or IPv6, reckoned as IPv6");
	fputc('\n', f);
	print_what(f, l);
	print_rates(f, l);
	if (t->kind == PROBE_SNMP) {
		print_snmp(f, t);
		return;
	}
	fprintf(f, "    from %s, %s%s", source_text(t, from), t->device[0] != '\0' ?
	    "by interface " : "by any interface", t->device);
	if (t->ttl != 0)
		fprintf(f, ", TTL %u", t->ttl);
	if (t->dscp != 0)
		fprintf(f, ", DSCP %u", t->dscp);
	fprintf(f, "%s\n", t->df ? ", not to be fragmented" : "");
}

/* ---------------------------------------------------------------------- the rest */

static void
print_sum(FILE *f, const struct explanation *x, const struct agent_conf *conf)
{
	fprintf(f, "\nAll links together\n    %.3f packets/s, %.0f bytes/s; at most %.3f packets/s, "
	    "%.0f bytes/s\n    requests: %.3f a second", x->pps, x->bps, x->pps_most, x->bps_most,
	    (double)x->mpps / 1000);
	if (conf != NULL)
		fprintf(f, " of %" PRId64 " that guard.max_pps permits; it holds when a request "
		    "leaves, too", conf->guard.max_pps);
	fprintf(f, "\n    (an echo request, a connection and a quarter of a poll count as one; "
	    "bytes are of IP, at an MTU of 1500)\n");
}

static void
print_guard(FILE *f, const struct agent_conf *conf)
{
	char *const *v = conf->guard.allow.v;

	fprintf(f, "    probes go only to addresses in, or names of, guard.allow:");
	for (size_t i = 0; i < conf->guard.allow.n; i++)
		fprintf(f, "%s %s", i > 0 ? "," : "", v[i]);
	fprintf(f, "%s\n", conf->guard.allow.n == 0 ? " nothing" : "");
}

static void
print_names(FILE *f, const struct explanation *x)
{
	char text[1024];
	size_t told = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (!x->link[i].admitted || x->link[i].literal)
			continue;
		fprintf(f, "%s %s", told++ > 0 ? "," : "    names of targets:",
		    clean(text, x->link[i].target.host));
	}
	if (told > 0)
		fputc('\n', f);
}

static void
print_beside(FILE *f, const struct explanation *x, const struct agent_conf *conf)
{
	char *const *v = conf->collectors.v;

	fprintf(f, "\nBeside the links\n    one TLS 1.3 connection over TCP, both sides with "
	    "certificates, to one of\n       ");
	for (size_t i = 0; i < conf->collectors.n; i++)
		fprintf(f, " %s", v[i]);
	fprintf(f, "\n    it carries what was measured about once a second, the agent's own state and "
	    "the time every 10 s,\n    and back the plan and acknowledgements; a lost one is tried "
	    "again after 0.5 s to 90 s\n");
	fprintf(f, "    DNS queries to the name servers of this host for names in the plan and in "
	    "collectors,\n    as their time to live says, at the earliest after 5 s, and before "
	    "each connection to a collector;\n    what a server does not answer is asked three times "
	    "in 7 s\n");
	print_names(f, x);
	print_guard(f, conf);
	fprintf(f, "    the kernel may add ARP or neighbour discovery, and a RST where an answer "
	    "comes after the end\n");
	fprintf(f, "\nIt listens on no port and starts no program.  What a collector may change is "
	    "the plan,\nand whatever plan comes is held against guard.allow and guard.max_pps.\n");
}

static void
print_file(FILE *f, const char *path)
{
	if (path != NULL)
		fprintf(f, "           %s\n", path);
}

static void
print_files(FILE *f, const struct agent_conf *conf)
{
	const struct snmp_credential *k = conf->snmp_credentials.v;

	fprintf(f, "\nFiles\n    writes %s/plan and %s/spool/, of which at most %" PRId64 " bytes "
	    "wait for the collector\n", conf->state_dir, conf->state_dir, conf->spool.max_size);
	fprintf(f, "    reads  its configuration, this host's files about names, and\n");
	print_file(f, conf->tls.ca);
	print_file(f, conf->tls.cert);
	print_file(f, conf->tls.key);
	print_file(f, conf->tls.crl);
	for (size_t i = 0; i < conf->snmp_credentials.n; i++) {
		print_file(f, k[i].community_file);
		print_file(f, k[i].auth_secret_file);
		print_file(f, k[i].priv_secret_file);
	}
	fprintf(f, "    runs as %s, without capabilities\n", conf->user != NULL ? conf->user :
	    "the user who started it");
}

void
explain_text(FILE *f, const struct explanation *x, const struct agent_conf *conf,
    const char *source, uint64_t revision)
{
	char text[1024], why[1024];

	fprintf(f, "What the agent sends by plan %016" PRIx64 " (%s): %zu links, %zu refused\n",
	    revision, source, x->n - x->refused, x->refused);
	if (conf == NULL)
		fprintf(f, "No agent.yaml was read: what guard.allow and guard.max_pps of this host "
		    "would refuse stands here as if permitted.\n");
	fputc('\n', f);
	for (size_t i = 0; i < x->n; i++)
		if (x->link[i].admitted)
			print_link(f, &x->link[i]);
	if (x->refused > 0)
		fprintf(f, "\nRefused: nothing is sent for these\n");
	for (size_t i = 0; i < x->n; i++)
		if (!x->link[i].admitted)
			fprintf(f, "%s: %s\n", clean(text, x->link[i].def->id),
			    log_escape(why, sizeof why, x->link[i].why,
			    strlen(x->link[i].why)));
	print_sum(f, x, conf);
	if (conf != NULL) {
		print_beside(f, x, conf);
		print_files(f, conf);
	}
}

/* --------------------------------------------------------------------------- JSON */

static void
set_text(json_t *o, const char *key, const char *s)
{
	char text[1024];
	json_t *v = s != NULL ? json_string(s) : json_null();

	json_object_set_new(o, key, v != NULL ? v : json_string(clean(text, s)));
}

static json_t *
rates_json(double packets, double bytes)
{
	return json_pack("{s:f, s:f}", "packets_per_s", packets, "bytes_per_s", bytes);
}

static json_t *
link_json(const struct explain_link *l)
{
	const struct explain_traffic *x = &l->traffic;
	const struct target *t = &l->target;
	json_t *o = json_object();
	char from[NI_MAXHOST];
	double step = seconds(t->step_ns);

	set_text(o, "id", l->def->id);
	if (!l->admitted) {
		set_text(o, "refused", l->why);
		return o;
	}
	set_text(o, "probe", probe_kind_name(t->kind));
	set_text(o, "target", t->host);
	json_object_set_new(o, "literal", json_boolean(l->literal));
	if (t->port != 0)
		json_object_set_new(o, "port", json_integer(t->port));
	json_object_set_new(o, "step_s", json_real(step));
	json_object_set_new(o, "requests_per_step", json_integer(x->requests));
	json_object_set_new(o, "usual", rates_json(x->packets / step, x->bytes / step));
	json_object_set_new(o, "most", rates_json(x->packets_most / step, x->bytes_most / step));
	json_object_set_new(o, "estimate", json_boolean(x->about));
	set_text(o, "source", t->source_len > 0 ? source_text(t, from) : NULL);
	set_text(o, "device", t->device[0] != '\0' ? t->device : NULL);
	if (t->kind == PROBE_ICMP)
		json_object_set_new(o, "size", json_integer(t->size));
	if (t->kind == PROBE_ICMP)
		json_object_set_new(o, "df", json_boolean(t->df));
	if (t->kind == PROBE_TCP)
		json_object_set_new(o, "tls", json_boolean(t->tls));
	if (t->kind == PROBE_SNMP)
		set_text(o, "credential", t->credential);
	if (t->kind != PROBE_SNMP) {
		json_object_set_new(o, "ttl", json_integer(t->ttl));
		json_object_set_new(o, "dscp", json_integer(t->dscp));
	}
	return o;
}

static json_t *
list_json(const struct conf_list *list)
{
	char *const *v = list->v;
	json_t *a = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(a, json_string(v[i]));
	return a;
}

int
explain_json(FILE *f, const struct explanation *x, const struct agent_conf *conf,
    const char *source, uint64_t revision)
{
	json_t *o = json_object(), *links = json_array();
	char text[24];
	int rc;

	snprintf(text, sizeof text, "%016" PRIx64, revision);
	set_text(o, "plan", text);
	set_text(o, "from", source);
	for (size_t i = 0; i < x->n; i++)
		json_array_append_new(links, link_json(&x->link[i]));
	json_object_set_new(o, "links", links);
	json_object_set_new(o, "refused", json_integer((json_int_t)x->refused));
	json_object_set_new(o, "usual", rates_json(x->pps, x->bps));
	json_object_set_new(o, "most", rates_json(x->pps_most, x->bps_most));
	json_object_set_new(o, "requests_per_s", json_real((double)x->mpps / 1000));
	if (conf != NULL) {
		json_object_set_new(o, "max_pps", json_integer(conf->guard.max_pps));
		json_object_set_new(o, "allow", list_json(&conf->guard.allow));
		json_object_set_new(o, "collectors", list_json(&conf->collectors));
		set_text(o, "state_dir", conf->state_dir);
		json_object_set_new(o, "spool_max_bytes", json_integer(conf->spool.max_size));
		set_text(o, "user", conf->user);
	}
	rc = json_dumpf(o, f, JSON_INDENT(1)) != 0 || fputc('\n', f) == EOF ? -EIO : 0;
	json_decref(o);
	return rc;
}
