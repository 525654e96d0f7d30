/*
 * truth.h - impair's record of what it really did to each packet.
 *
 * A log is a file of struct truth as they stand in memory (one machine, one
 * build); `impair dump` prints it as CSV.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "tests/impair/rule.h"

struct truth {
	int64_t in_ns, out_ns;		/* wall clock; out 0: never left */
	int64_t planned_ns;		/* delay that the rule gave */
	struct address src, dst;
	uint16_t id, seq, len;
	uint8_t proto, dir, verdict, rule;
	uint8_t copy;			/* 1: made by dup= or forge=, no packet of its own */
	uint8_t tos, ttl, df;		/* of the request */
};

const char *verdict_name(enum verdict);
void truth_write(FILE *, const struct truth *);	/* NULL: nowhere */
/* The log at path as CSV to out; 0 or -errno. */
int truth_dump(const char *path, FILE *out);
/* How late packets left, compared with the plan: one line to out; 0 or -errno. */
int truth_stat(const char *path, FILE *out);
