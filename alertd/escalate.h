/*
 * escalate.h - what falls due in the life of an incident (pure).
 *
 * Two clocks run beside each other: not acknowledged, and not recovered.
 * Acknowledging stops the first at once; it breaks when the grade rises and
 * lapses when the promised end has passed.  The recovery limit raises the grade
 * by one and counts anew.
 */
#pragma once

#include "alertd/incident.h"
#include "alertd/policy.h"

enum due {
	DUE_NOTHING = 0,
	DUE_LAPSE,			/* the acknowledgement is void */
	DUE_RAISE,			/* the recovery limit expired: one grade up */
	DUE_OVERDUE,			/* it expired, and there is no grade above */
	DUE_STEP,			/* one step of the escalation */
	DUE_REMIND,			/* nobody acknowledged */
	DUE_PROGRESS,			/* acknowledged, still not recovered */
};

/*
 * The first thing that is due; step gets the number of the step, unrecovered
 * its reason.  The caller does it and calls escalate_done(), then asks again.
 */
enum due escalate_due(const struct policy *, const struct incident *, struct wall now,
    unsigned *step, bool *unrecovered);
void escalate_done(const struct policy *, struct incident *, struct wall now, enum due what,
    unsigned step);
/* It is told for the first time, or must be acknowledged again: the clocks start. */
void escalate_start(const struct policy *, struct incident *, struct wall now);
void escalate_acked(const struct policy *, struct incident *, struct wall now);
/* Recovered, closed, cancelled: nothing falls due any more. */
void escalate_stop(struct incident *);
/* The recovery limit of its grade, counted from raise_base. */
void escalate_limit(const struct policy *, struct incident *);
