/*
 * page.c - templates: {{name}} and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/http_param.h"
#include "collector/page.h"
#include "common/mem.h"

const struct page_asset *
page_asset(const char *name)
{
	for (const struct page_asset *a = page_assets; a->name != NULL; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

const char *
page_type(const char *name)
{
	static const char *const rows[][2] = {
		{ ".html", "text/html; charset=utf-8" }, { ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" }, { ".svg", "image/svg+xml" },
		{ ".json", "application/json; charset=utf-8" },
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(dot, rows[i][0]) == 0)
			return rows[i][1];
	return "application/octet-stream";
}

struct text { char *p; size_t n, room; };

static void
put(struct text *t, const char *s, size_t n)
{
	if (t->n + n + 1 > t->room) {
		t->room = 2 * t->room + n + 1;
		t->p = xreallocarray(t->p, t->room, 1);
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static void
put_var(struct text *t, const char *name, size_t n, const struct page_var *v)
{
	char *safe;

	for (; v->name != NULL; v++) {
		if (strlen(v->name) != n || memcmp(v->name, name, n) != 0)
			continue;
		safe = http_escape(v->value != NULL ? v->value : "");
		put(t, safe, strlen(safe));
		free(safe);
		return;
	}
}

char *
page_render(const struct page_asset *a, const struct page_var *vars, size_t *len)
{
	const char *s = (const char *)a->data, *end = (const char *)a->end;
	struct text t = { 0 };

	put(&t, "", 0);
	while (s < end) {
		const char *open = memmem(s, (size_t)(end - s), "{{", 2);
		const char *close = open != NULL ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;

		if (close == NULL) {
			put(&t, s, (size_t)(end - s));
			break;
		}
		put(&t, s, (size_t)(open - s));
		put_var(&t, open + 2, (size_t)(close - open - 2), vars);
		s = close + 2;
	}
	*len = t.n;
	return t.p;
}
