/*
 * feed.h - the journal to one reader beyond the process: alertd.
 *
 *   FEED_START {from_seq, window}: records from from_seq on (0: the oldest that
 *   stands), at most window of them beyond the last FEED_ACK.  A from_seq behind
 *   the end of the journal is refused (REFUSE_ORDER): it belongs to another journal.
 *   Records that retention took are told as lost_before of the next one.  A record
 *   longer than a frame spans several FEED_RECORDs (more).
 *   FEED_ACK moves the durable cursor "feed-ID" (saved at most every 5 s), which
 *   holds retention back.
 *
 * Nothing is buffered: what the peer is slow to take stays in the journal.
 */
#pragma once

#include <stdbool.h>

#include "common/clock.h"
#include "common/conn.h"
#include "common/disk.h"

struct feed;

/* conn and disk are borrowed; id names the cursor; plain: the peer reads no batches with samples in
 * short. */
struct feed *feed_new(struct conn *conn, struct disk *disk, const char *id, bool plain);
void feed_free(struct feed *);		/* saves the cursor; NULL is allowed */

/* 0; -ERANGE with a line in why; or -errno of the journal. */
int feed_start(struct feed *, uint64_t from_seq, uint32_t window, char *why, size_t n);
/* -ERANGE: seq was never sent. */
int feed_ack(struct feed *, uint64_t seq);
/* Sends what window and connection have room for, FEED_CHUNK at most. 0, or -errno with a line in why. */
int feed_pump(struct feed *, char *why, size_t n);
/* Once a second: saves the cursor when it is due. */
void feed_tick(struct feed *, struct mono now);
bool feed_is_started(const struct feed *);

#define FEED_CHUNK 1024
#define FEED_WINDOW_MAX 65536
