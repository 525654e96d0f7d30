/*
 * route.h - who hears of an incident, by which channel, and how many short
 * messages a person can bear (pure).
 */
#pragma once

#include "alertd/incident.h"
#include "alertd/policy.h"

#define ROUTE_TARGETS 512
#define CHANNELS_DOWN 16

struct channels_down { char name[CHANNELS_DOWN][ID_MAX + 1]; };	/* "": free */

struct route_target {
	const struct policy_contact *contact;
	const char *channel, *address;
	const char *fallback, *fallback_address;	/* NULL: none */
};

/*
 * Who is told at once: every contact of every route that fits the incident's
 * vendor, kind and grade, once for each channel.  Nobody: all of the role
 * "duty", else everybody.  Returns how many of out[max] were filled.
 */
size_t route_select(const struct policy *, const struct incident *, const struct channels_down *,
    struct route_target *out, size_t max);
/* The same for one step of the escalation; may be nobody. */
size_t route_step(const struct policy *, const struct policy_step *, const struct incident *,
    const struct channels_down *, struct route_target *out, size_t max);
/* One contact on one channel.  false: no address there, and no fallback either. */
bool route_target(const struct policy *, const struct policy_contact *, const char *channel,
    const struct channels_down *, struct route_target *out);

#define BUDGET_DAY 50

/* Times of the short messages to one person; saved as bytes. */
struct budget {
	int64_t sent_s[BUDGET_DAY];	/* ring, ascending */
	uint32_t next, n;
	uint32_t withheld;		/* since the last notice about that */
	int64_t withheld_s;
};

/* When one more may be sent: at_ns <= now: at once.  Grades 3 and 4 may not touch the reserve. */
int64_t budget_next(const struct budget *, const struct policy *, unsigned grade, int64_t now_ns);
void budget_take(struct budget *, int64_t at_ns);
