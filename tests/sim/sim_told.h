/*
 * sim_told.h - what alertd decided, what became of it, and who was told: kept
 * outside of alertd.
 *
 *  - a message that was decided and committed reaches a gateway at least once
 *    (but for reminders that were taken back or expired);
 *  - it is handed over only when its intent is committed, never again after its
 *    success is, and a possible repeat says so;
 *  - the feed is acknowledged only as far as its cursor is committed;
 *  - every outage that the journal shows has its incident, every incident
 *    its evidence in the journal, and who heard the alarm hears of the recovery.
 */
#pragma once

#include "alertd/core.h"
#include "alertd/outbox.h"
#include "common/disk.h"
#include "tests/sim/sim_world.h"

struct told;

struct told_stat { uint64_t messages, accepted, repeats, incidents, outages; };

struct told *told_new(struct world *);
void told_free(struct told *);

/* Of the transaction that is being gathered. */
void told_decision(struct told *, const struct decision *);
void told_intent(struct told *, const char *key);
void told_outcome(struct told *, const char *key, enum outbox_outcome);
void told_cursor(struct told *, uint64_t next_seq);
/* The transaction stands; or it never will (its process ended). */
void told_committed(struct told *);
void told_lost(struct told *);

/* alertd hands a message to a gateway; repeat: it says that it may be a repeat. */
void told_attempt(struct told *, const char *key, bool repeat);
/* The gateway took it. */
void told_accepted(struct told *, const char *key);
/* The gateway did not take it, and said so: another attempt is no repeat. */
void told_rejected(struct told *, const char *key);
void told_feed_ack(struct told *, uint64_t seq);

/* Everything is quiet: is it so?  disk: of the collector's journal. */
void told_check(struct told *, struct disk *collector);
/* Messages that nobody has got yet and somebody should; a line about the first. */
size_t told_missing(const struct told *, char *out, size_t n);
/* Is it one that should be over when all is well? */
bool told_is_lasting(const struct incident *);
void told_stat(const struct told *, struct told_stat *);
