/*
 * adhoc_print.h - how an ad hoc probe tells what it found.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "agent/adhoc_run.h"
#include "agent/adhoc_stats.h"

struct adhoc_view {			/* one target, as it is told */
	const struct adhoc_opts *opts;
	const char *name;
	uint16_t port;
	const char *address;		/* NULL: none */
	const uint32_t *fate;		/* opts->count of them */
	const struct adhoc_more *more;	/* NULL: nothing */
	struct adhoc_stats stats;
	const uint32_t *sorted;		/* stats.received RTTs */
};

/* One request of a lone target, as its fate is known; round UINT32_MAX: an extra. */
void adhoc_print_fate(FILE *f, const char *name, uint32_t round, uint32_t fate, uint32_t causes);
/* A lone target: a few lines and a histogram.  utf8: with block characters. */
void adhoc_print_lone(FILE *f, const struct adhoc_view *, bool utf8);
/* Head and row of a table; width: of the column of names. */
void adhoc_print_head(FILE *f, int width);
void adhoc_print_row(FILE *f, const struct adhoc_view *, int width, bool utf8);
/* RTTs of all targets together; n > 0. */
void adhoc_print_hist(FILE *f, const uint32_t *sorted, size_t n, bool utf8);
/* The object of one target, one line. */
void adhoc_print_json(FILE *f, const struct adhoc_view *);
