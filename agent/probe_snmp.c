/*
 * probe_snmp.c - an SNMP link: hands its polls to the worker.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/probe.h"
#include "agent/snmp_worker.h"
#include "agent/target.h"

struct snmp_state { uint32_t device; };

static void
on_polled(void *arg, const struct probe_result *r)
{
	struct probe *p = arg;

	p->env->done(p, r);
}

static int
probe_snmp_open(struct probe *p, char *why, size_t n)
{
	struct snmp_state *st = p->state;

	if (p->env->snmp == NULL || !snmp_worker_knows(p->env->snmp, p->target->credential)) {
		snprintf(why, n, "credential '%s' is not in agent.yaml, or its secret is unusable",
		    p->target->credential);
		return -ENOENT;
	}
	st->device = snmp_worker_add(p->env->snmp, p->target, on_polled, p);
	return 0;
}

static int
probe_snmp_send(struct probe *p, uint64_t token)
{
	struct snmp_state *st = p->state;

	return snmp_worker_poll(p->env->snmp, st->device, token,
	    (const struct sockaddr *)&p->to, p->to_len);
}

static void
probe_snmp_close(struct probe *p)
{
	struct snmp_state *st = p->state;

	snmp_worker_remove(p->env->snmp, st->device);
}

const struct probe_ops probe_snmp_ops = {
	.kind = PROBE_SNMP, .keyword = "snmp", .state_size = sizeof(struct snmp_state),
	.open = probe_snmp_open, .send = probe_snmp_send, .close = probe_snmp_close,
};
