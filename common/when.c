/*
 * when.c - instants as people write and read them (see when.h).
 */
#include "common/when.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ZONE_S (8 * 3600)		/* UTC+8 */
#define DAY_S 86400

struct civil { int year, month, day, hour, minute, second; };

/* Days since 1970 of a date of the Gregorian calendar; years begin in March, so that leap days come last. */
static int64_t
days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
civil_is_valid(const struct civil *c)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return c->year >= 1970 && c->year <= 2261 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	    c->day <= days[c->month - 1] + (c->month == 2 && is_leap(c->year)) && c->hour < 24 &&
	    c->minute < 60 && c->second < 60;
}

/* n digits, no more and no less, at *s, which moves on. */
static bool
digits(const char **s, int n, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*out = v;
	return true;
}

static bool
literal(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* ".25" at *s, if it stands there: nanoseconds; digits beyond the ninth are passed over. */
static bool
fraction(const char **s, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (!literal(s, '.'))
		return true;
	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s); (*s)++, unit /= 10)
		*ns += (**s - '0') * unit;
	return true;
}

/* "Z", "+08:00" or nothing: seconds east of Greenwich. */
static bool
zone(const char **s, int *east)
{
	int sign = **s == '-' ? -1 : 1, hour, minute;

	*east = ZONE_S;
	if (**s == '\0')
		return true;
	if (literal(s, 'Z') || literal(s, 'z')) {
		*east = 0;
		return true;
	}
	if (!literal(s, '+') && !literal(s, '-'))
		return false;
	if (!digits(s, 2, &hour) || !literal(s, ':') || !digits(s, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*east = sign * (hour * 3600 + minute * 60);
	return true;
}

static bool
parse_date(const char *s, int64_t *out)
{
	struct civil c = { 0 };
	int64_t ns = 0;
	int east = ZONE_S;

	if (!digits(&s, 4, &c.year) || !literal(&s, '-') || !digits(&s, 2, &c.month) || !literal(&s, '-') ||
	    !digits(&s, 2, &c.day))
		return false;
	if (*s != '\0') {
		if (!literal(&s, 'T') && !literal(&s, 't') && !literal(&s, ' '))
			return false;
		if (!digits(&s, 2, &c.hour) || !literal(&s, ':') || !digits(&s, 2, &c.minute))
			return false;
		if (literal(&s, ':') && (!digits(&s, 2, &c.second) || !fraction(&s, &ns)))
			return false;
		if (!zone(&s, &east))
			return false;
	}
	if (*s != '\0' || !civil_is_valid(&c))
		return false;
	*out = (days_of(c.year, c.month, c.day) * DAY_S + c.hour * 3600 + c.minute * 60 + c.second - east) *
	    NS_PER_S + ns;
	return *out >= 0;
}

/* A whole number at *s without a sign, at most 18 digits. */
static bool
whole(const char **s, int64_t *out)
{
	const char *begin = *s;
	int64_t v = 0;

	for (; isdigit((unsigned char)**s) && *s - begin < 18; (*s)++)
		v = v * 10 + (**s - '0');
	*out = v;
	return *s > begin && !isdigit((unsigned char)**s);
}

static bool
parse_ago(const char *s, int64_t now, int64_t *out)
{
	static const struct { char name; int64_t s; } unit[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', DAY_S }, { 'w', 7 * DAY_S },
	};
	int sign = *s == '-' ? -1 : 1;
	int64_t n;

	s++;
	if (!whole(&s, &n) || *s == '\0' || s[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++)
		if (*s == unit[i].name)
			return !__builtin_mul_overflow(n, sign * unit[i].s * NS_PER_S, &n) &&
			    !__builtin_add_overflow(now, n, out) && *out >= 0;
	return false;
}

static bool
parse_epoch(const char *s, int64_t *out)
{
	int64_t n, ns;

	return whole(&s, &n) && fraction(&s, &ns) && *s == '\0' && !__builtin_mul_overflow(n, NS_PER_S, &n) &&
	    !__builtin_add_overflow(n, ns, out);
}

int
when_parse(const char *s, struct wall now, struct wall *out)
{
	struct wall t = now;
	bool good;

	if (strcmp(s, "now") == 0)
		good = true;
	else if (*s == '-' || *s == '+')
		good = parse_ago(s, now.ns, &t.ns);
	else if (strlen(s) >= 10 && s[4] == '-')
		good = parse_date(s, &t.ns);
	else
		good = parse_epoch(s, &t.ns);
	if (!good)
		return -EINVAL;
	*out = t;
	return 0;
}

char *
when_format(char *buf, size_t n, struct wall t)
{
	char day[32];

	wall_format(day, sizeof day, t);
	day[10] = '\0';			/* wall_format() has a blank there */
	snprintf(buf, n, "%.10sT%.8s.%09" PRId64 "+08:00", day, day + 11,
	    (t.ns % NS_PER_S + NS_PER_S) % NS_PER_S);
	return buf;
}
