/*
 * when.h - instants as people write and read them (pure).
 *
 *   now                         this moment
 *   -90s -30m -2h -7d -2w       so long ago (+ as well: so long ahead)
 *   1768437067  1768437067.25   seconds since 1970
 *   2026-01-15                  the day's beginning
 *   2026-01-15T08:31:07.5Z      RFC 3339; seconds, their fraction and the zone may be left out, and
 *                               a blank may stand for the T
 *
 * Without a zone it is UTC+8, as everywhere in LinkWatch: neither TZ nor the locale is asked.
 */
#pragma once

#include <stddef.h>

#include "common/clock.h"

#define WHEN_RFC3339_LEN 36		/* bytes that when_format() needs, NUL included */

/* 0, or -EINVAL: not of these forms, or beyond the years 1970 to 2261; *out is then as it was. */
int when_parse(const char *s, struct wall now, struct wall *out);
/* "2026-01-15T08:31:07.250000000+08:00" into buf (n >= WHEN_RFC3339_LEN); returns buf. */
char *when_format(char *buf, size_t n, struct wall t);
