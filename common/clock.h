/*
 * clock.h - the first door: time.
 *
 * Monotonic and wall time are different types, so that the compiler refuses
 * to mix them.  Intervals and timers run on mono; wall is for stamps that
 * people and files see.  clock_real() is the only place of the product that
 * asks the system for the time; tests give a clock of their own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

struct mono { int64_t ns; };
struct wall { int64_t ns; };		/* since 1970 UTC */

struct clock {
	struct mono (*mono)(const struct clock *);
	struct wall (*wall)(const struct clock *);
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME; lives for ever. */
const struct clock *clock_real(void);

static inline struct mono clock_mono(const struct clock *c) { return c->mono(c); }
static inline struct wall clock_wall(const struct clock *c) { return c->wall(c); }

/* "2026-01-15 08:31:07" at UTC+8 into buf (n >= 20); returns buf. */
char *wall_format(char *buf, size_t n, struct wall t);
/* "08:31" at UTC+8 into buf (n >= 6); returns buf. */
char *wall_format_hm(char *buf, size_t n, struct wall t);
