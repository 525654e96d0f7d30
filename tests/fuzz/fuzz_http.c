/*
 * fuzz_http.c - what a browser may say: query, form, cookie, path, and what is made of them.
 *
 * The first byte chooses the parser; the rest is its input.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/graph.h"
#include "collector/http_param.h"
#include "collector/web_users.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_params(const char *s, size_t n)
{
	struct http_params p;
	int64_t v;

	if (http_params_parse(&p, s, n) == 0) {
		assert(p.n <= HTTP_PARAMS_MAX);
		for (size_t i = 0; i < p.n; i++) {
			assert(http_text_is_clean(p.v[i].name) && http_text_is_clean(p.v[i].value));
			assert(http_param(&p, p.v[i].name) == p.v[i].value);
			if (http_param_int(&p, p.v[i].name, -7, 1000, 3, &v) == 0)
				assert(v >= -7 && v <= 1000);
		}
	}
	http_params_free(&p);
}

static void
try_path(const char *s)
{
	struct http_path p;

	if (http_path_parse(&p, s) != 0)
		return;
	assert(p.n <= HTTP_SEGMENTS_MAX);
	for (size_t i = 0; i < p.n; i++)
		assert(*p.seg[i] != '\0' && strcmp(p.seg[i], "..") != 0 && strchr(p.seg[i], '/') == NULL);
}

static void
try_cookie(const char *s)
{
	char buf[65];

	if (http_cookie(s, "__Host-lw", buf, sizeof buf))
		assert(strlen(buf) < sizeof buf && strchr(buf, ';') == NULL);
}

/* What has been escaped holds nothing that HTML or librrd would take for a sign of its own. */
static void
try_escape(const char *s)
{
	char small[16], out[256], *html = http_escape(s);

	assert(strpbrk(html, "<>\"'") == NULL);
	free(html);
	graph_escape(out, sizeof out, s);
	graph_escape(small, sizeof small, s);
	for (const char *c = out; *c != '\0'; c++)
		assert(*c != '%' && *c != '\n' && (*c != ':' || (c > out && c[-1] == '\\')));
}

static void
try_users(const char *s, size_t n)
{
	struct conf_errors errs = { 0 };
	struct users all;

	if (users_parse(s, n, "users", &all, &errs) == 0)
		for (size_t i = 0; i < all.n; i++) {
			char *line = user_line(&all.v[i]);

			assert(strchr(line, '\n') == NULL);
			free(line);
		}
	users_free(&all);
	conf_errors_free(&errs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s;

	if (size == 0 || size > 8192)
		return 0;
	s = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		try_params((const char *)data + 1, size - 1);
		break;
	case 1:
		try_path(s);
		break;
	case 2:
		try_cookie(s);
		break;
	case 3:
		try_escape(s);
		break;
	default:
		try_users((const char *)data + 1, size - 1);
	}
	free(s);
	return 0;
}
