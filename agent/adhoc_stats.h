/*
 * adhoc_stats.h - the fate of each request in 32 bits, and figures made of many (pure).
 *
 * A fate is nothing yet, in flight, lost or not sent by a cause, or an RTT: in
 * nanoseconds up to 2^31 of them, beyond that in units of 100.  Fates that are
 * RTTs order as their RTTs do.
 *
 * Quantiles and PDV are those of common/stats.h: type 7, and p90 - minimum
 * (RFC 5481).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model.h"

enum {
	FATE_NONE = 0,			/* not tried */
	/* 1 .. CAUSE_MAX: enum cause, of a request that was lost or not sent */
	FATE_PENDING = 62,		/* in flight */
	FATE_EXCUSED = 63,		/* in flight, and our own socket may have lost its reply */
	FATE_RTT = 64,			/* this and all above: an RTT */
};

#define ADHOC_ROWS 12

struct adhoc_stats {
	uint32_t tried;			/* all but FATE_NONE */
	uint32_t sent, received;	/* as in a sample: what was not sent does not count */
	uint32_t pending;		/* neither sent nor lost: nobody waited long enough */
	uint32_t cause[CAUSE_MAX + 1];	/* of those without an RTT */
	double min, p50, p90, max, pdv;	/* ns; NaN: nothing received */
};

struct adhoc_hist {
	double base, width;		/* ns: row i begins at base + i x width */
	size_t rows;
	bool open;			/* the last row holds all above it too */
	uint32_t count[ADHOC_ROWS];
};

/* rtt_ns > 0. */
uint32_t fate_of_rtt(int64_t rtt_ns);
int64_t fate_rtt(uint32_t fate);		/* fate >= FATE_RTT */
/* Does the cause say that the request is not in `sent`? */
bool fate_is_unsent(uint32_t fate);

/* Counts all n; the RTTs among them stand in scratch (room for n), sorted, afterwards. */
void adhoc_stats(struct adhoc_stats *, const uint32_t *fate, size_t n, uint32_t *scratch);
/* At most rows <= ADHOC_ROWS rows of a round width for n > 0 RTTs, sorted. */
void adhoc_hist(struct adhoc_hist *, const uint32_t *sorted, size_t n, size_t rows);
