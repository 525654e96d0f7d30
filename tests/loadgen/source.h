/*
 * source.h - what an agent of the load measures: any batch, from its number alone (pure).
 *
 * Sample j of a numbering (0, 1, ...) is link j % links in step j / links, and batch n (1, 2, ...)
 * holds the samples (n - 1) * batch to n * batch - 1.  So nothing is kept to send a batch again,
 * after a lost session or by another run, and whoever reads a journal can say what must stand there.
 */
#pragma once

#include <stdint.h>

#include "common/batch.h"

#define LOAD_AGENTS_MAX 20000
#define LOAD_LINKS_MAX 1000		/* of one agent */

/* What `prepare` fixed: load.json. */
struct load_shape {
	uint32_t agents;
	uint32_t links;			/* of each agent */
	uint32_t step_ms;
	uint32_t rtts;			/* packets in a step */
	uint32_t batch;			/* samples in a batch */
	uint64_t seed;
};

/* One numbering of one agent; it lasts as long as its boot id. */
struct load_numbering {
	uint8_t boot[BOOT_ID_LEN];
	int64_t start_ns;		/* wall clock: begin of the first step */
};

/* Agent 7 is "load-7", its links are "l0", "l1" ... */
void source_agent_id(char id[ID_MAX + 1], uint32_t agent);
void source_link_id(char id[ID_MAX + 1], uint32_t link);

/* When the last sample of a batch is complete (wall clock). */
int64_t source_due_ns(const struct load_shape *, const struct load_numbering *, uint64_t seq);
/* The number of the first batch that is not complete at that time. */
uint64_t source_next(const struct load_shape *, const struct load_numbering *, int64_t at_ns);
/* Batch seq, packed as an agent packs it; malloc'd, owned by the caller.  bb is empty before and after. */
void source_batch(struct batch_builder *bb, const struct load_shape *, const struct load_numbering *,
    uint32_t agent, uint64_t seq, uint8_t **out, size_t *len);
