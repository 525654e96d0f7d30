/*
 * prober.h - runs the links of a plan: schedule, resolver, guard, probes and
 * samplers on one loop.
 *
 * A new plan leaves links that did not change alone, so that their steps go on
 * without a gap.  Nothing is sent that the guard does not allow: not at the
 * plan, not after a name got a new address, not beyond the packet cap.
 *
 * A process that slept, or a loop that was late, never reads as loss: requests
 * that were not sent in time are left out and flagged, whole steps are reported
 * as not observed, and what was unanswered when it woke is LOCAL.
 *
 * Requests leave in groups, one for each wake-up: some 16 at most rates, and
 * never more than twice as many as usual (32 at least).  What a late loop has to
 * make up for leaves in several such groups, not in one burst.
 */
#pragma once

#include "agent/probe.h"
#include "common/linkwatch.pb-c.h"

struct guard;
struct prober;
struct resolver;

#define PROBER_REFUSALS_MAX 500	/* told by name; a result must fit a frame */

struct prober_stat {
	uint32_t links, refused;
	uint64_t revision;
	uint64_t late_sends;
	uint64_t starved_steps;		/* not observed for want of our own time or room */
	uint64_t capped, guard_refused;	/* packets that cap and allow-list held back */
	uint64_t produced;		/* samples */
	int64_t loop_lag_ns;		/* worst since the last prober_stat() */
	uint64_t clock_jumps, resolver_failures;
	uint32_t names_failing;		/* names that do not resolve at present */
};

struct prober_opts {
	struct probe_env env;		/* done is the prober's own; the rest borrowed */
	struct resolver *resolver;	/* borrowed */
	struct guard *guard;		/* borrowed */
	/* A finished sample, from the loop; s and all it points to are gone afterwards. */
	void (*sample)(void *arg, const struct sample *s);
	void *arg;
};

/* 0 with *out, which probes nothing before prober_plan(); or -ENOMEM. */
int prober_new(struct prober **out, const struct prober_opts *);
void prober_free(struct prober *);	/* closes every link; NULL is allowed */

/* Adopts a plan.  *result is malloc'd: free with linkwatch__pb__plan_result__free_unpacked(). */
void prober_plan(struct prober *, const Linkwatch__Pb__Plan *plan,
    Linkwatch__Pb__PlanResult **result);
/* Another guard from now on; follow it with prober_plan(). */
void prober_guard(struct prober *, struct guard *guard);
/* Closes and reopens the links of a kind (their credentials changed). */
void prober_restart_kind(struct prober *, uint32_t kind);
/* May one more packet leave at this moment?  Takes it from the cap, or counts that it may not. */
bool prober_take(struct prober *);
/* What stands and what was counted; begins loop_lag_ns anew. */
void prober_stat(struct prober *, struct prober_stat *);
