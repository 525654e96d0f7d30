/*
 * quota.h - what one agent may send in a second (pure).
 *
 * Four buckets, each of which fills at its rate and holds two seconds of it
 * (sessions: a minute).  Who has used one up is not read until it fills again,
 * so that nothing is lost by it: the agent's spool keeps what waits.  The
 * buckets belong to the agent, not to a session: a new one finds them as they
 * were left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"

struct quota_limits {
	double bytes, batches, samples;	/* a second; 0: no limit */
	double sessions;		/* a minute; 0: no limit */
};

struct quota {
	double bytes, batches, samples, sessions;	/* what is left; below zero: it is in debt */
	struct mono at;
};

void quota_init(struct quota *, const struct quota_limits *, struct mono now);
/* As time goes by; before the others. */
void quota_refill(struct quota *, const struct quota_limits *, struct mono now);
/* One batch. */
void quota_spend(struct quota *, size_t bytes, size_t samples);
/* Nothing is in debt: it may be read. */
bool quota_is_good(const struct quota *, const struct quota_limits *);
/* It begins a session; false: too many. */
bool quota_session(struct quota *, const struct quota_limits *);
/* As full as it can be: forgetting it changes nothing. */
bool quota_is_full(const struct quota *, const struct quota_limits *);
