/*
 * sim_oracle.h - what really happened, kept outside of all processes, and the
 * checks of what must always hold.
 *
 *  - a batch that the collector acknowledged stands in its journal, once,
 *    after any crash and cut (or as refused);
 *  - a record that a reader has seen never changes and never goes;
 *  - a number of a numbering never carries two contents;
 *  - what never arrives is told by gaps or refusals.  A gap may name batches
 *    that had arrived after all (the agent cannot know what became of what it
 *    had sent): their samples do not count as told.
 * Every sample carries a number of its own, 1, 2, 3 ... for each agent.
 */
#pragma once

#include "common/journal.h"
#include "common/model.h"
#include "tests/sim/sim_world.h"

#define ORACLE_AGENTS 4

struct oracle;

struct oracle_stat { uint64_t produced, delivered, gaps, refused, excused, batches, acks, scans; };

struct oracle *oracle_new(struct world *);
void oracle_free(struct oracle *);

/* Agent `agent` (0..) made samples first..last; sure: its spool said that they are safe. */
void oracle_produced(struct oracle *, int agent, uint64_t first, uint64_t last, bool sure);
/* All that waited is safe (or counted as lost by the spool). */
void oracle_sure(struct oracle *, int agent);
/* Its life ended: what was only in its memory may be lost without a word. */
void oracle_forgets(struct oracle *, int agent);
/* A frame was sent. */
void oracle_batch(struct oracle *, int agent, const uint8_t *payload, size_t len);
/* HELLO: it holds nothing older than first_seq any more. */
void oracle_hello(struct oracle *, int agent, const uint8_t boot[BOOT_ID_LEN], uint64_t first_seq);
void oracle_promise(struct oracle *, int agent, const uint8_t boot[BOOT_ID_LEN], uint64_t seq);
/* Records below seq may have been purged. */
void oracle_purged(struct oracle *, uint64_t seq);

/* Reads what is published since the last look: it must never change from now on. */
void oracle_look(struct oracle *, struct disk *collector);
/* Reads the collector's journal from its first record and checks everything said above. */
void oracle_scan(struct oracle *, struct disk *collector, bool final);
void oracle_stat(const struct oracle *, struct oracle_stat *);
