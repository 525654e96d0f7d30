/*
 * http_param.c - queries, forms, cookies and paths of strangers.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/http_param.h"
#include "common/mem.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes n bytes of src into dst (which has room for n + 1).  -EINVAL: bad escape or NUL. */
static int
decode(char *dst, const char *src, size_t n, bool plus)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)src[i];

		if (c == '%') {
			if (n - i < 3 || hex(src[i + 1]) < 0 || hex(src[i + 2]) < 0)
				return -EINVAL;
			c = hex(src[i + 1]) << 4 | hex(src[i + 2]);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return -EINVAL;
		dst[o++] = (char)c;
	}
	dst[o] = '\0';
	return 0;
}

/* Length of the well-formed UTF-8 character at s (Unicode, table 3-7); 0: none. */
static size_t
utf8_length(const unsigned char *s)
{
	static const struct { unsigned char lo, hi, second_lo, second_hi, len; } rows[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (s[0] < rows[i].lo || s[0] > rows[i].hi)
			continue;
		if (s[1] < rows[i].second_lo || s[1] > rows[i].second_hi)
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

bool
http_text_is_clean(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p != '\0') {
		size_t len = utf8_length(p);

		if (len == 0 || (*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return false;
		if (*p == 0xc2 && p[1] < 0xa0)	/* C1 controls */
			return false;
		p += len;
	}
	return true;
}

/* Browsers end lines of a form with CR LF; what remains is LF. */
static void
drop_cr(char *s)
{
	char *o = s;

	for (; *s != '\0'; s++)
		if (s[0] != '\r' || s[1] != '\n')
			*o++ = *s;
	*o = '\0';
}

static int
param_add(struct http_params *p, char *room, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len);
	size_t name_len = eq != NULL ? (size_t)(eq - s) : len;
	char *name = room, *value = room + name_len + 1;
	int rc;

	if (p->n == HTTP_PARAMS_MAX)
		return -E2BIG;
	rc = decode(name, s, name_len, true);
	if (rc == 0 && eq != NULL)
		rc = decode(value, eq + 1, len - name_len - 1, true);
	else
		*value = '\0';
	if (rc != 0)
		return rc;
	drop_cr(value);
	if (*name == '\0' || !http_text_is_clean(name) || !http_text_is_clean(value) ||
	    http_param(p, name) != NULL)
		return -EINVAL;
	p->v[p->n++] = (struct http_param){ name, value };
	return 0;
}

int
http_params_parse(struct http_params *p, const char *s, size_t len)
{
	size_t at = 0;
	char *room;
	int rc = 0;

	*p = (struct http_params){ 0 };
	if (s == NULL || len == 0)
		return 0;
	p->storage = room = xmalloc(2 * len + 4);	/* each piece needs at most its bytes and two NULs */
	while (at < len && rc == 0) {
		const char *amp = memchr(s + at, '&', len - at);
		size_t n = amp != NULL ? (size_t)(amp - s) - at : len - at;

		if (n > 0) {
			rc = param_add(p, room, s + at, n);
			room += n + 2;
		}
		at += n + 1;
	}
	return rc;
}

void
http_params_free(struct http_params *p)
{
	free(p->storage);
	*p = (struct http_params){ 0 };
}

const char *
http_param(const struct http_params *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return p->v[i].value;
	return NULL;
}

int
http_param_int(const struct http_params *p, const char *name, int64_t min, int64_t max,
    int64_t def, int64_t *out)
{
	const char *s = http_param(p, name);
	long long v;
	char *end;

	*out = def;
	if (s == NULL)
		return 0;
	if (!isdigit((unsigned char)s[*s == '-']))
		return -EINVAL;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static bool
segment_is_good(const char *s)
{
	if (*s == '\0' || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	if (strpbrk(s, "/\\\n\t") != NULL)
		return false;
	return http_text_is_clean(s);
}

int
http_path_parse(struct http_path *p, const char *raw)
{
	char *room = p->text;
	const char *s = raw;

	p->n = 0;
	if (raw == NULL || *raw != '/')
		return -EINVAL;
	if (strlen(raw) >= HTTP_PATH_MAX)
		return -E2BIG;
	if (raw[1] == '\0')
		return 0;
	while (*s == '/') {
		size_t len = strcspn(s + 1, "/");

		if (p->n == HTTP_SEGMENTS_MAX)
			return -E2BIG;
		if (decode(room, s + 1, len, false) != 0 || !segment_is_good(room))
			return -EINVAL;
		p->seg[p->n++] = room;
		room += len + 1;
		s += len + 1;
	}
	return 0;
}

bool
http_cookie(const char *header, const char *name, char *buf, size_t n)
{
	size_t want = strlen(name);
	bool found = false;

	while (header != NULL && *header != '\0') {
		size_t len;

		header += strspn(header, " \t;");
		len = strcspn(header, ";");
		if (len > want && header[want] == '=' && memcmp(header, name, want) == 0) {
			if (found || len - want - 1 >= n)
				return false;
			memcpy(buf, header + want + 1, len - want - 1);
			buf[len - want - 1] = '\0';
			found = true;
		}
		header += len;
	}
	return found;
}

char *
http_escape(const char *s)
{
	static const struct { char c; const char *entity; } rows[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
	};
	char *out = xmalloc(strlen(s) * 6 + 1), *o = out;

	for (; *s != '\0'; s++) {
		size_t i = 0;

		while (i < 5 && rows[i].c != *s)
			i++;
		if (i < 5)
			o = stpcpy(o, rows[i].entity);
		else
			*o++ = *s;
	}
	*o = '\0';
	return out;
}
