/*
 * explain.c - a plan to packets.
 */
#include "agent/explain.h"

#include <stdlib.h>
#include <string.h>

#include "agent/guard.h"
#include "agent/snmp_device.h"
#include "common/clock.h"
#include "common/hashmap.h"
#include "common/log.h"
#include "common/mem.h"

#define MTU 1500
#define IP4 20
#define IP6 40
#define IP6_FRAGMENT 8
#define ICMP_HEADER 8
#define UDP_HEADER 8
#define TCP_MOST 40			/* header with the options of a SYN */
#define SYN_AGAIN_NS NS_PER_S		/* the kernel waits at least so long for an answer */
#define TLS_PACKETS 12			/* of a handshake and its end, sent by us */
#define TLS_BYTES 4096
#define SNMP_VARS 16			/* in a request */
#define SNMP_BYTES 400			/* of a request with so many */

static void
echo_traffic(const struct target *t, bool v6, struct explain_traffic *out)
{
	uint32_t ip = v6 ? IP6 : IP4, message = ICMP_HEADER + t->size, pieces = 1;
	uint32_t room = v6 ? (MTU - IP6 - IP6_FRAGMENT) / 8 * 8 : (MTU - IP4) / 8 * 8;

	if (ip + message > MTU && !t->df) {
		pieces = (message + room - 1) / room;
		if (v6)
			ip += IP6_FRAGMENT;
	}
	out->packets = out->packets_most = (double)pieces * t->count;
	out->bytes = out->bytes_most = (double)(message + pieces * ip) * t->count;
}

/* SYN, ACK and RST of each connection; a SYN that nothing answers is sent again. */
static void
connect_traffic(const struct target *t, bool v6, unsigned syn_retries, struct explain_traffic *out)
{
	double each = (v6 ? IP6 : IP4) + TCP_MOST, packets = 3, more = 0;
	unsigned again = (unsigned)(t->timeout_ns / SYN_AGAIN_NS);

	if (again > syn_retries)
		again = syn_retries;
	out->about = t->tls;
	if (t->tls) {
		packets += TLS_PACKETS;
		more = TLS_BYTES;
	}
	out->packets = packets * t->count;
	out->bytes = (3 * each + more) * t->count;
	out->packets_most = (packets + again) * t->count;
	out->bytes_most = ((3 + again) * each + more) * t->count;
}

static void
poll_traffic(const struct target *t, bool v6, struct explain_traffic *out)
{
	bool interface = t->interface != NULL || t->alias != NULL;
	size_t vars = 1 + (interface ? 12 : 0) + (t->host_values ? 5 : 0) + t->oids;
	double ip = (v6 ? IP6 : IP4) + UDP_HEADER;

	/* a device has few disks and rows of 20 come at once: two requests for its tables */
	out->packets = (double)((vars + SNMP_VARS - 1) / SNMP_VARS) + (t->host_values ? 2 : 0);
	out->bytes = out->packets * (ip + SNMP_BYTES);
	out->packets_most = SNMP_POLL_REQUESTS;
	out->bytes_most = SNMP_POLL_REQUESTS * (ip + SNMP_REQUEST_MAX);
	out->about = true;
}

void
explain_traffic(const struct target *t, bool v6, unsigned syn_retries, struct explain_traffic *out)
{
	*out = (struct explain_traffic){ .requests = t->count };
	if (t->kind == PROBE_ICMP)
		echo_traffic(t, v6, out);
	else if (t->kind == PROBE_TCP)
		connect_traffic(t, v6, syn_retries, out);
	else
		poll_traffic(t, v6, out);
}

/* As prober.c and the opening of the probe have it, in the same order. */
static bool
admit(const Linkwatch__Pb__Link *def, const struct explain_host *host, struct hashmap *ids,
    struct explain_link *out)
{
	size_t n = sizeof out->why;

	if (target_init(&out->target, def, out->why, n) != 0)
		return false;
	if (hashmap_get(ids, out->target.id) != NULL) {
		snprintf(out->why, n, "id occurs twice in the plan");
		return false;
	}
	if (host->guard != NULL && guard_admit(host->guard, &out->target, out->why, n) != 0)
		return false;
	if (host->guard != NULL && out->target.kind == PROBE_SNMP &&
	    !host->knows(host->arg, out->target.credential)) {
		snprintf(out->why, n, "credential '%s' is not in agent.yaml, or its secret is "
		    "unusable", out->target.credential);
		return false;
	}
	(void)hashmap_put(ids, out->target.id, out);
	return true;
}

static void
add_link(struct explanation *x, struct explain_link *l, unsigned syn_retries)
{
	struct sockaddr_storage to;
	double steps = (double)NS_PER_S / (double)l->target.step_ns;
	int family = l->target.family;

	l->literal = target_literal(l->target.host, 0, &to) > 0;
	if (l->literal)
		family = to.ss_family;
	explain_traffic(&l->target, family != AF_INET, syn_retries, &l->traffic);
	x->names += !l->literal;
	x->mpps += target_mpps(&l->target);
	x->pps += l->traffic.packets * steps;
	x->bps += l->traffic.bytes * steps;
	x->pps_most += l->traffic.packets_most * steps;
	x->bps_most += l->traffic.bytes_most * steps;
}

void
explain_plan(const Linkwatch__Pb__Plan *plan, const struct explain_host *host,
    struct explanation *out)
{
	struct hashmap *ids = hashmap_new();

	*out = (struct explanation){ .n = plan->n_link };
	out->link = xcalloc(plan->n_link, sizeof *out->link);
	if (host->guard != NULL)
		guard_begin(host->guard);
	for (size_t i = 0; i < plan->n_link; i++) {
		struct explain_link *l = &out->link[i];

		l->def = plan->link[i];
		l->admitted = admit(l->def, host, ids, l);
		if (l->admitted) {
			add_link(out, l, host->syn_retries);
		} else {
			target_fini(&l->target);
			out->refused++;
		}
	}
	hashmap_free(ids);
}

void
explain_free(struct explanation *x)
{
	for (size_t i = 0; i < x->n; i++)
		target_fini(&x->link[i].target);
	free(x->link);
	*x = (struct explanation){ 0 };
}
