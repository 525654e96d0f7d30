/*
 * probe.c - the table of kinds.
 */
#include "agent/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/probe_icmp.h"
#include "agent/target.h"
#include "common/mem.h"

static const struct probe_ops *const kinds[] = {
	&probe_icmp_ops,
	&probe_tcp_ops,
	&probe_snmp_ops,
};

const struct probe_ops *
probe_ops_find(uint32_t kind)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i]->kind == kind)
			return kinds[i];
	return NULL;
}

int
probe_open(struct probe *p, struct probe_env *env, const struct target *target,
    void *owner, char *why, size_t n)
{
	const struct probe_ops *ops = probe_ops_find(target->kind);
	int rc;

	*p = (struct probe){ .env = env, .target = target, .owner = owner };
	if (ops == NULL)
		return snprintf(why, n, "unknown probe %u", target->kind), -EINVAL;
	p->state = xcalloc(1, ops->state_size);
	rc = ops->open(p, why, n);
	if (rc != 0) {
		free(p->state);
		*p = (struct probe){ 0 };
		return rc;
	}
	p->ops = ops;
	return 0;
}

void
probe_flush(const struct probe_env *env)
{
	if (env->icmp != NULL)
		icmp_flush(env->icmp);
}

void
probe_close(struct probe *p)
{
	if (p->ops == NULL)
		return;
	p->ops->close(p);
	free(p->state);
	*p = (struct probe){ 0 };
}
