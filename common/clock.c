/*
 * clock.c - the only place that asks the system for the time.
 */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

#define UTC8_S (8 * 3600)

static int64_t
now_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static struct mono
real_mono(const struct clock *c)
{
	(void)c;
	return (struct mono){ now_ns(CLOCK_MONOTONIC) };
}

static struct wall
real_wall(const struct clock *c)
{
	(void)c;
	return (struct wall){ now_ns(CLOCK_REALTIME) };
}

const struct clock *
clock_real(void)
{
	static const struct clock real = { real_mono, real_wall };

	return &real;
}

/* Broken-down time at UTC+8, which knows no daylight saving. */
static void
to_tm(struct wall t, struct tm *tm)
{
	int64_t s = t.ns / NS_PER_S - (t.ns % NS_PER_S < 0);
	time_t at = (time_t)(s + UTC8_S);

	if (gmtime_r(&at, tm) == NULL)
		*tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
}

char *
wall_format(char *buf, size_t n, struct wall t)
{
	struct tm tm;

	to_tm(t, &tm);
	if (strftime(buf, n, "%Y-%m-%d %H:%M:%S", &tm) == 0 && n > 0)
		buf[0] = '\0';
	return buf;
}

char *
wall_format_hm(char *buf, size_t n, struct wall t)
{
	struct tm tm;

	to_tm(t, &tm);
	if (strftime(buf, n, "%H:%M", &tm) == 0 && n > 0)
		buf[0] = '\0';
	return buf;
}
