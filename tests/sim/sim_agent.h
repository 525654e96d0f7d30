/*
 * sim_agent.h - an agent of the simulated world: the product's spool and
 * uplink, with samples out of the air.
 */
#pragma once

#include "common/batch.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_oracle.h"

struct spool;
struct uplink;

struct sim_agent {
	struct proc proc;		/* first */
	int number;			/* its id is "a" and this digit */
	struct identity who;
	struct net_server *collector;	/* borrowed */
	struct oracle *oracle;		/* borrowed */
	struct spool *spool;
	struct uplink *uplink;
	struct batch_builder *builder;
	uint64_t next_sample;		/* goes on over all lives */
	uint64_t waiting_since;		/* samples from here on are not sure; 0: all are */
	uint64_t max_bytes, memory_bytes, segment_bytes;	/* of the spool; 0: its defaults */
	int64_t born;			/* true time of this life's begin */
	bool silent;			/* makes nothing any more */
	bool link_down;			/* all packets of its links are lost */
	int64_t tick_due;		/* of the uplink */
};

void sim_agent_init(struct sim_agent *, struct world *, int number, struct net_server *collector,
    struct oracle *);
/* Has it nothing left to send, and is it connected? */
bool sim_agent_is_done(const struct sim_agent *);
/* Is it connected, with no more to send than what it has just measured? */
bool sim_agent_is_live(const struct sim_agent *);
/* One line of its state. */
void sim_agent_describe(const struct sim_agent *, char *out, size_t n);
