/*
 * outbox.h - what is tried next, when and by which channel (pure).
 *
 * No I/O and no clock: main.c records, sends and reports back; tests/sim does
 * the same with gateways that lie.  The order that keeps the promise:
 *
 *   1. DEC_MESSAGE stands in the database with the decision   (pending)
 *   2. outbox_next() says OUTBOX_SEND; the intent is recorded and committed
 *      before the gateway hears of it                         (sending)
 *   3. the channel answers; the outcome is recorded           (sent, pending, failed)
 *
 * A message found as "sending" when the program starts has an intent without
 * an outcome: it may have been sent.  It becomes "unknown" and is sent again
 * with the same key, marked as a possible repeat.  The same holds when the
 * gateway's answer was lost.
 *
 * Rules
 *  - Order: a message waits for every earlier one of the same incident,
 *    recipient and channel that is not final; recovery never overtakes alarm.
 *  - Retry: after retry_first_ns, doubled each time up to retry_max_ns, with a
 *    jitter of +-20 %.
 *  - Fallback: after tries_before_fallback failures, at once after a permanent
 *    refusal, or when the channel is dead, the message goes to its fallback
 *    channel with the address there; without one it keeps trying (permanent
 *    refusal: failed).
 *  - Expiry: after `expires` it is recorded as expired, not sent; give_up_ns
 *    after the decision it has failed.
 *  - A channel is dead when it has failed at least tries_before_fallback times
 *    and for dead_after_ns without one success; then one message at a time
 *    probes it and the others take their fallback at once.  When nothing goes
 *    to it any more, a message that can wait and has it as its fallback probes
 *    it.  A refusal of one message shows that the channel lives.
 *
 * Memory grows with the messages not yet final; each is at most a few kB.
 */
#pragma once

#include <stdbool.h>

#include "alertd/alertd_conf.h"
#include "common/clock.h"
#include "common/model.h"
#include "common/rng.h"

enum outbox_state {
	OUTBOX_PENDING = 1,		/* to be sent at next_at */
	OUTBOX_SENDING = 2,		/* an intent stands, no outcome yet */
	OUTBOX_UNKNOWN = 3,		/* perhaps sent: to be sent again at next_at */
	OUTBOX_SENT = 4,
	OUTBOX_FAILED = 5,
	OUTBOX_EXPIRED = 6,
	OUTBOX_STOPPED = 7,		/* taken back before it was sent */
};

enum outbox_outcome {
	OUTCOME_SENT = 1,		/* the gateway took it */
	OUTCOME_RETRY = 2,		/* it did not, and may later */
	OUTCOME_REFUSED = 3,		/* it never will */
	OUTCOME_UNKNOWN = 4,		/* the answer was lost */
};

struct outbox_message {
	uint64_t id;			/* row of the database: order of decision */
	uint64_t incident;
	char *key, *event, *recipient, *channel, *fallback;
	char *address, *fallback_address;
	char *lang, *subject, *body;
	char *doc;			/* JSON of the incident at the decision; NULL: none */
	struct wall decided, not_before, expires;
	enum outbox_state state;
	bool repeat;			/* may have been sent before */
	uint32_t attempts;		/* all, on every channel */
	uint32_t failures;		/* in a row, on this channel */
	struct wall next_at;
	struct wall sent;
	char detail[200];		/* of the last outcome */
};

enum outbox_verb {
	OUTBOX_IDLE = 0,
	OUTBOX_SEND,			/* record the intent, commit, then send */
	OUTBOX_SAVE,			/* the row changed: save it; a final one then leaves */
};

struct outbox_action {
	enum outbox_verb verb;
	const struct outbox_message *message;	/* good until the next call */
};

struct outbox_channel {			/* what the outbox knows of one channel */
	const char *name;
	bool dead;
	uint32_t failures;		/* in a row */
	uint32_t pending, under_way;
	struct wall failing_since;	/* 0: not failing */
	char detail[200];		/* of the last failure */
};

struct outbox_counts { uint64_t pending, unknown, sending, sent, failed, expired; };

struct outbox;

/* limits and channels are copied; rng (borrowed) makes the jitter. */
struct outbox *outbox_new(const struct outbox_conf *limits, struct rng *rng);
void outbox_free(struct outbox *);
void outbox_limits(struct outbox *, const struct outbox_conf *);
/* Names the channels there are (also again after a reload); parallel: messages under way at a time. */
void outbox_channel_set(struct outbox *, const char *name, uint32_t parallel);
void outbox_channel_remove(struct outbox *, const char *name);

/*
 * Takes a message decided now or restored (copied); ids only grow but for
 * what is restored in order.  One in state OUTBOX_SENDING is from an earlier
 * life and becomes unknown.  -EEXIST: that id is here already.
 */
int outbox_add(struct outbox *, const struct outbox_message *, struct wall now);
/* Takes back the reminders and escalations of that incident that are not under way. */
void outbox_stop(struct outbox *, uint64_t incident, struct wall now);
/* What to do now; call until it says OUTBOX_IDLE.  After OUTBOX_SEND the message counts as under way. */
struct outbox_action outbox_next(struct outbox *, struct wall now);
/* How an attempt ended.  A message that is not under way is left alone (-ENOENT). */
int outbox_outcome(struct outbox *, uint64_t id, enum outbox_outcome how, const char *detail,
    struct wall now);
/* Looks whether channels have died by the passing of time; true: some `dead` changed. */
bool outbox_judge(struct outbox *, struct wall now);
/* When outbox_next() may have something new; INT64_MAX: never by itself. */
struct wall outbox_wake(const struct outbox *);

/* NULL: not here (final ones leave once they were saved). */
const struct outbox_message *outbox_find(const struct outbox *, uint64_t id);
void outbox_count(const struct outbox *, struct outbox_counts *);
void outbox_each_channel(const struct outbox *,
    void (*each)(void *arg, const struct outbox_channel *), void *arg);

const char *outbox_state_name(enum outbox_state state);		/* "pending" */
const char *outbox_outcome_name(enum outbox_outcome outcome);	/* "sent" */
