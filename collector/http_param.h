/*
 * http_param.h - what a browser may say, checked before anyone believes it (pure).
 *
 * Everything here works on bytes that a stranger chose: bounded in number and
 * length, percent escapes strict, text valid UTF-8 without control characters
 * (line feed and tab excepted), a name given twice refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PARAMS_MAX 32
#define HTTP_SEGMENTS_MAX 6
#define HTTP_PATH_MAX 512

struct http_param { char *name, *value; };	/* into the storage of the set */

struct http_params {
	size_t n;
	struct http_param v[HTTP_PARAMS_MAX];
	char *storage;			/* owned */
};

/*
 * Parses "a=1&b=%E4%BA%91" (query or form body) of len bytes; NULL counts as empty.
 * -EINVAL: escape, character or a name given twice; -E2BIG: too many.  Free it in any case.
 */
int http_params_parse(struct http_params *, const char *s, size_t len);
void http_params_free(struct http_params *);
const char *http_param(const struct http_params *, const char *name);	/* NULL: not given */
/* Whole decimal number in min..max; *out = def when not given. -EINVAL when it is anything else. */
int http_param_int(const struct http_params *, const char *name, int64_t min, int64_t max,
    int64_t def, int64_t *out);

struct http_path {
	size_t n;
	char *seg[HTTP_SEGMENTS_MAX];	/* into text */
	char text[HTTP_PATH_MAX];
};

/*
 * Splits "/link/bj/gw" into segments, decoded.  -EINVAL: it does not begin with a slash, has an
 * empty segment (but a single "/" has none), "." or "..", a slash or control character hidden
 * in an escape; -E2BIG: too long or too deep.
 */
int http_path_parse(struct http_path *, const char *raw);

/* The value of cookie name out of a Cookie header (NULL: none) into buf; false: absent, too long or ambiguous. */
bool http_cookie(const char *header, const char *name, char *buf, size_t n);

/* Is s valid UTF-8 without control characters other than line feed and tab? */
bool http_text_is_clean(const char *s);

/* s with & < > " ' as entities, malloc'd, owned by the caller. */
char *http_escape(const char *s);
