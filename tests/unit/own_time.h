/*
 * own_time.h - a clock that stands still while others have the processors.
 *
 * For bounds on what our own process does: "the loop is not held up for 500 ms"
 * must not fail because the machine is busy.  What other processes do for us
 * (servers, children) counts in full.
 */
#pragma once

#include <stdio.h>

#include "common/clock.h"

/* Monotonic ns less those for which the calling process's first thread stood ready and had to
 * wait (the second figure of schedstat; a kernel without it gives none). */
static inline int64_t
own_time_ns(void)
{
	long long ran, waited = 0;
	FILE *f = fopen("/proc/self/schedstat", "re");

	if (f != NULL) {
		if (fscanf(f, "%lld %lld", &ran, &waited) != 2)
			waited = 0;
		fclose(f);
	}
	return clock_mono(clock_real()).ns - waited;
}
