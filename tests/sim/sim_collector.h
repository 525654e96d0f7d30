/*
 * sim_collector.h - the collector's ingest of the simulated world: the product's
 * hub with its sessions, table of numbers and journal.
 */
#pragma once

#include "common/linkwatch.pb-c.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_oracle.h"

struct hub;

struct sim_collector {
	struct proc proc;		/* first */
	struct net_server server;
	struct oracle *oracle;		/* borrowed */
	struct hub *hub;
	Linkwatch__Pb__Plan *plan;	/* borrowed */
	bool commit_due;
	uint64_t retain_bytes;		/* 0: keeps everything */
};

void sim_collector_init(struct sim_collector *, struct world *, struct oracle *,
    Linkwatch__Pb__Plan *plan);
/* Of agents a0.. with links l0 and l1; owned by the caller (links_free). */
Linkwatch__Pb__Plan *sim_plan_new(int agents);
