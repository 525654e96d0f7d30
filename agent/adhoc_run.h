/*
 * adhoc_run.h - sends what an ad hoc probe asks for and notes what became of it.
 *
 * One tick drives all targets (adhoc_pace.h); a target is one struct and
 * `count` fates, so that 50,000 of them are cheap.  All that needs root
 * happens in adhoc_new(), before the first foreign byte; then root is gone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/adhoc_opts.h"
#include "agent/adhoc_pace.h"
#include "agent/probe.h"

/* What few targets have. */
struct adhoc_more {
	char *error;			/* no address, and why; NULL: it has one */
	uint32_t beside[CAUSE_MAX + 1];	/* causes beside an RTT: duplicates and the like */
	uint32_t values;		/* of the newest reply that had some */
	struct sample_value value[SAMPLE_VALUES];
};

struct adhoc_target {
	struct probe probe;
	struct adhoc_more *more;	/* NULL: nothing of it */
};

struct adhoc;

/* What a person may want to see while it happens. */
struct adhoc_events {
	/* The fate of a request is known (or that of an answered one got a beside); from the loop. */
	void (*fate)(void *arg, size_t target, uint32_t round, uint32_t fate, uint32_t causes);
	void *arg;
};

/*
 * Opens sockets, reads secrets, gives up all power.  opts is borrowed and outlives it.  Notes that
 * are no errors (a ping socket instead of a raw one) go to stderr unless opts->quiet.  0, or -errno
 * after telling stderr why.
 */
int adhoc_new(struct adhoc **out, const struct adhoc_opts *opts, const struct adhoc_events *events);
/* Looks names up, sends, waits; returns when all is known, or at SIGINT or SIGTERM.  0 or -errno. */
int adhoc_run(struct adhoc *);
void adhoc_free(struct adhoc *);	/* NULL is allowed */

const struct adhoc_target *adhoc_target(const struct adhoc *, size_t i);
/* opts->count of them, in the order of sending. */
uint32_t *adhoc_fates(struct adhoc *, size_t i);
const struct adhoc_pace *adhoc_pace(const struct adhoc *);
uint64_t adhoc_foreign(const struct adhoc *);	/* replies of somebody else */
