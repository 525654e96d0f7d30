/*
 * explain.h - what an agent sends by a plan, reckoned from the plan alone (pure).
 *
 * Links are held against target_init() and guard_admit() in the order of the
 * plan, as the prober does it, so that the same ones are refused for the same
 * reasons.  Packets and bytes are those of IP, at an MTU of 1500.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/target.h"
#include "common/agent_conf.h"
#include "common/linkwatch.pb-c.h"

struct guard;

/* Of one link in one step. */
struct explain_traffic {
	uint32_t requests;		/* echo requests, connections, polls */
	double packets, bytes;		/* when all is well */
	double packets_most, bytes_most;	/* whatever the other side does */
	bool about;			/* both are estimates: the other side has a say in them */
};

struct explain_link {
	const Linkwatch__Pb__Link *def;	/* borrowed from the plan */
	bool admitted;
	char why[160];			/* not admitted */
	struct target target;		/* admitted */
	bool literal;			/* an address, no name */
	struct explain_traffic traffic;
};

struct explanation {
	struct explain_link *link;
	size_t n, refused, names;	/* names: links whose target is one */
	uint64_t mpps;			/* of the admitted ones, as guard.max_pps counts */
	double pps, bps, pps_most, bps_most;	/* packets and bytes in a second */
};

struct explain_host {			/* what it must know of the host */
	struct guard *guard;		/* NULL: no agent.yaml yet, all links are admitted */
	/* Is there a usable credential of this name? */
	bool (*knows)(void *arg, const char *credential);
	void *arg;
	unsigned syn_retries;		/* net.ipv4.tcp_syn_retries */
};

/* What a link sends in a step.  v6: by the longer headers. */
void explain_traffic(const struct target *, bool v6, unsigned syn_retries,
    struct explain_traffic *out);
/* plan is borrowed and outlives out. */
void explain_plan(const Linkwatch__Pb__Plan *plan, const struct explain_host *host,
    struct explanation *out);
void explain_free(struct explanation *);

/* explain_print.c: conf is NULL when there is no agent.yaml; source says whence the plan is. */
void explain_text(FILE *f, const struct explanation *, const struct agent_conf *conf,
    const char *source, uint64_t revision);
/* 0, or -EIO. */
int explain_json(FILE *f, const struct explanation *, const struct agent_conf *conf,
    const char *source, uint64_t revision);

/* explain_main.c: argv[0] is "explain".  The exit status: 0; 1: no plan or no configuration;
 * 2: usage. */
int explain_main(int argc, char **argv);
