/*
 * conf_value.c - durations, sizes, ratios and the like, to and from text.
 */
#include "common/conf_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/model.h"
#include "common/utf.h"

struct unit { const char *name; int64_t factor; };

static const struct unit durations[] = {	/* the largest first */
	{ "d", 86400 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S },
	{ "s", NS_PER_S }, { "ms", NS_PER_MS }, { "us", NS_PER_US }, { "ns", 1 },
	{ NULL, 0 },
};
static const struct unit sizes[] = {
	{ "T", INT64_C(1) << 40 }, { "G", INT64_C(1) << 30 }, { "M", INT64_C(1) << 20 },
	{ "k", INT64_C(1) << 10 }, { "K", INT64_C(1) << 10 }, { "", 1 },
	{ NULL, 0 },
};

static bool
has_limits(const struct conf_key *k)
{
	return k->min != 0 || k->max != 0;
}

/* ------------------------------------------------------------------ format */

/* n with the largest unit that divides it. */
static char *
format_units(const struct unit *u, int64_t n)
{
	if (n == 0)
		return xasprintf("0%s", u == durations ? "s" : "");
	while (u->factor > 1 && n % u->factor != 0)
		u++;
	return xasprintf("%lld%s", (long long)(n / u->factor), u->name);
}

/* "1s..300s": the upper limit in the unit of the lower one while it stays readable. */
static void
format_range(const struct unit *units, const struct conf_key *k, char *out, size_t n)
{
	const struct unit *u = units;
	char *low = format_units(units, k->min), *high;

	while (u->factor > 1 && (k->min == 0 || k->min % u->factor != 0))
		u++;
	if (k->min != 0 && k->max % u->factor == 0 && k->max / u->factor < 1000)
		high = xasprintf("%lld%s", (long long)(k->max / u->factor), u->name);
	else
		high = format_units(units, k->max);
	snprintf(out, n, "%s..%s", low, high);
	free(low);
	free(high);
}

/* The shortest text that reads back as d. */
static char *
format_double(double d)
{
	char *s = NULL;

	for (int digits = 6; digits <= 17; digits++) {
		free(s);
		s = xasprintf("%.*g", digits, d);
		if (strtod(s, NULL) == d)
			break;
	}
	return s;
}

/* c as an escape of YAML. */
static int
escape(char *out, uint32_t c)
{
	return sprintf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

char *
conf_value_quote(const char *s)
{
	size_t len = strlen(s);
	char *out = xmalloc(len * 4 + 3), *o = out;	/* an escape: at most 4 for a byte */

	*o++ = '"';
	for (size_t i = 0, n; i < len; i += n) {
		uint32_t c = (unsigned char)s[i];

		n = utf_next(s + i, len - i, &c);
		if (n == 0 || !utf_is_printable(c) || c == 0xfffe || c == 0xffff) {
			n = n > 0 ? n : 1;
			o += escape(o, c);
			continue;
		}
		if (c == '"' || c == '\\')
			*o++ = '\\';
		memcpy(o, s + i, n);
		o += n;
	}
	*o++ = '"';
	*o = '\0';
	return out;
}

static const char *
enum_name(const struct conf_key *k, int value)
{
	for (int64_t i = 0; k->names[i] != NULL; i++)
		if (i + k->min == value)
			return k->names[i];
	return "?";
}

char *
conf_value_format(const struct conf_key *k, const void *field)
{
	const char *s;

	switch (k->type) {
	case CONF_INT:
		return xasprintf("%lld", (long long)*(const int64_t *)field);
	case CONF_DURATION:
		return format_units(durations, *(const int64_t *)field);
	case CONF_SIZE:
		return format_units(sizes, *(const int64_t *)field);
	case CONF_RATIO:
	case CONF_DOUBLE:
		return format_double(*(const double *)field);
	case CONF_BOOL:
		return xstrdup(*(const bool *)field ? "yes" : "no");
	case CONF_ENUM:
		return xstrdup(enum_name(k, *(const int *)field));
	default:
		s = *(char *const *)field;
		return s != NULL ? conf_value_quote(s) : NULL;
	}
}

/* ------------------------------------------------------------- what is right */

/* "icmp, tcp or snmp" */
static void
list_names(const char *const *names, char *out, size_t n)
{
	size_t o = 0;

	out[0] = '\0';
	for (size_t i = 0; names[i] != NULL && o < n; i++)
		o += (size_t)snprintf(out + o, n - o, "%s%s",
		    i == 0 ? "" : names[i + 1] != NULL ? ", " : " or ", names[i]);
}

/* The limits alone; "" if the row has none. */
static void
describe_limits(const struct conf_key *k, char *out, size_t n)
{
	out[0] = '\0';
	if (k->type == CONF_RATIO && !has_limits(k))
		snprintf(out, n, "0%%..100%%");
	else if (!has_limits(k))
		return;
	else if (k->type == CONF_DURATION)
		format_range(durations, k, out, n);
	else if (k->type == CONF_SIZE)
		format_range(sizes, k, out, n);
	else if (k->type == CONF_RATIO)
		snprintf(out, n, "%lld%%..%lld%%", (long long)k->min * 100,
		    (long long)k->max * 100);
	else
		snprintf(out, n, "%lld..%lld", (long long)k->min, (long long)k->max);
}

void
conf_value_expected(const struct conf_key *k, char *out, size_t n)
{
	static const char *const what[] = {
		[CONF_STR] = "a string", [CONF_PATH] = "a path", [CONF_SECRET_FILE] = "a path",
		[CONF_ID] = "an id (a-z, 0-9 and '-', at most 63, not '-' first)",
		[CONF_ID_LIST] = "an id (a-z, 0-9 and '-', at most 63, not '-' first)",
		[CONF_STR_LIST] = "a string", [CONF_INT] = "a whole number",
		[CONF_DURATION] = "a duration such as 500ms, 10s or 5m",
		[CONF_SIZE] = "a size such as 64k, 16M or 1G",
		[CONF_RATIO] = "a ratio such as 5% or 0.05", [CONF_DOUBLE] = "a number",
		[CONF_BOOL] = "yes or no", [CONF_MAP] = "a mapping",
		[CONF_MAP_LIST] = "a list of mappings",
	};
	char limits[64];

	if (k->type == CONF_ENUM) {
		list_names(k->names, out, n);
		return;
	}
	if (k->type == CONF_STR && has_limits(k)) {
		snprintf(out, n, "a string of %lld to %lld characters", (long long)k->min,
		    (long long)k->max);
		return;
	}
	describe_limits(k, limits, sizeof(limits));
	snprintf(out, n, "%s%s%s", what[k->type],
	    limits[0] == '\0' ? "" : k->type == CONF_INT || k->type == CONF_DOUBLE ? " " : ", ",
	    limits);
}

/* ------------------------------------------------------------------- parse */

/* Result of the parsers below: is it malformed, or only out of limits? */
enum verdict { GOOD, MALFORMED, OUTSIDE };

static enum verdict
within(const struct conf_key *k, int64_t v)
{
	return !has_limits(k) || (v >= k->min && v <= k->max) ? GOOD : OUTSIDE;
}

static enum verdict
parse_int(const struct conf_key *k, const char *text, int64_t *out)
{
	size_t sign = text[0] == '-';
	char *end;

	if (text[sign] == '\0' || text[sign + strspn(text + sign, "0123456789")] != '\0')
		return MALFORMED;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno != 0 ? OUTSIDE : within(k, *out);
}

/* Digits, perhaps a fraction, and one of the units: "1.5s". */
static enum verdict
parse_units(const struct unit *u, const struct conf_key *k, const char *text, int64_t *out)
{
	int64_t whole = 0, part = 0, scale = 1;
	const char *p = text;
	bool over = false;

	if (*p < '0' || *p > '9')
		return MALFORMED;
	for (; *p >= '0' && *p <= '9'; p++)
		over |= __builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *p - '0', &whole);
	if (*p == '.' && p[1] >= '0' && p[1] <= '9')
		for (p++; *p >= '0' && *p <= '9'; p++)
			if (scale < NS_PER_S) {
				part = part * 10 + (*p - '0');
				scale *= 10;
			}
	while (u->name != NULL && strcmp(u->name, p) != 0)
		u++;
	if (u->name == NULL)
		return MALFORMED;
	over |= __builtin_mul_overflow(whole, u->factor, out) ||
	    __builtin_add_overflow(*out, (int64_t)((__int128)part * u->factor / scale), out);
	return over ? OUTSIDE : within(k, *out);
}

static enum verdict
parse_double(const char *text, size_t len, double *out)
{
	char *end;

	if (len == 0 || strspn(text, "0123456789+-.eE") < len)
		return MALFORMED;
	*out = strtod(text, &end);
	return end != text + len ? MALFORMED : isfinite(*out) ? GOOD : OUTSIDE;
}

static enum verdict
parse_number(const struct conf_key *k, const char *text, double *out)
{
	size_t len = strlen(text);
	double low = (double)k->min, high = (double)k->max, percent = 1;
	enum verdict v;

	if (k->type == CONF_RATIO) {
		if (len > 0 && text[len - 1] == '%') {
			len--;
			percent = 100;
		}
		if (!has_limits(k))
			high = 1;
	}
	v = parse_double(text, len, out);
	*out /= percent;
	if (v != GOOD || (k->type == CONF_DOUBLE && !has_limits(k)))
		return v;
	return *out >= low && *out <= high ? GOOD : OUTSIDE;
}

static enum verdict
parse_bool(const char *text, bool *out)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0) {
			*out = i % 2 == 1;
			return GOOD;
		}
	return MALFORMED;
}

static enum verdict
parse_enum(const struct conf_key *k, const char *text, int *out)
{
	for (int i = 0; k->names[i] != NULL; i++)
		if (strcmp(k->names[i], text) == 0) {
			*out = i + (int)k->min;
			return GOOD;
		}
	return MALFORMED;
}

static enum verdict
parse_string(const struct conf_key *k, const char *text, const char *dir, char **out)
{
	bool path = k->type == CONF_PATH || k->type == CONF_SECRET_FILE;
	bool id = k->type == CONF_ID || k->type == CONF_ID_LIST;

	if (strlen(text) > CONF_TEXT_MAX || (path && text[0] == '\0') ||
	    (id && !id_is_valid(text)))
		return MALFORMED;
	if (k->type == CONF_STR && within(k, (int64_t)utf_units(text)) != GOOD)
		return MALFORMED;
	*out = path && text[0] != '/' ? xasprintf("%s/%s", dir, text) : xstrdup(text);
	return GOOD;
}

static enum verdict
parse_any(const struct conf_key *k, const char *text, const char *dir, void *field)
{
	switch (k->type) {
	case CONF_INT:
		return parse_int(k, text, field);
	case CONF_DURATION:
		return parse_units(durations, k, text, field);
	case CONF_SIZE:
		return parse_units(sizes, k, text, field);
	case CONF_RATIO:
	case CONF_DOUBLE:
		return parse_number(k, text, field);
	case CONF_BOOL:
		return parse_bool(text, field);
	case CONF_ENUM:
		return parse_enum(k, text, field);
	case CONF_MAP:
	case CONF_MAP_LIST:
		return MALFORMED;
	default:
		return parse_string(k, text, dir, field);
	}
}

int
conf_value_parse(const struct conf_key *k, const char *text, const char *dir, void *field,
    char *expected, size_t n)
{
	enum verdict v = parse_any(k, text, dir, field);
	const char *hint;

	if (v == GOOD)
		return 0;
	if (v == OUTSIDE)
		describe_limits(k, expected, n);
	if (v == MALFORMED || expected[0] == '\0')
		conf_value_expected(k, expected, n);
	hint = k->type == CONF_ENUM ? conf_suggest(text, k->names) : NULL;
	if (hint != NULL) {
		size_t o = strlen(expected);

		snprintf(expected + o, n - o, " (did you mean '%s'?)", hint);
	}
	if (strlen(text) > CONF_TEXT_MAX)
		snprintf(expected, n, "at most %d bytes", CONF_TEXT_MAX);
	return -EINVAL;
}
