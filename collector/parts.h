/*
 * parts.h - a plan, agent by agent (pure).
 *
 * When ten thousand agents come back, each is asked for its plan: neither may cost a walk
 * over all links then, nor the same digest again.
 */
#pragma once

#include <stdint.h>

#include "common/linkwatch.pb-c.h"

struct parts;

/* plan is borrowed and outlives it. */
struct parts *parts_new(const Linkwatch__Pb__Plan *plan);
void parts_free(struct parts *);	/* NULL is allowed */
/* The revision of an agent's part, as links_for_agent() gives it; 0: it has no entry. */
uint64_t parts_revision(struct parts *, const char *agent);
/* The part itself, owned by the caller (links_free()); NULL: it has no entry. */
Linkwatch__Pb__Plan *parts_plan(struct parts *, const char *agent);
