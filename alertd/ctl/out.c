/*
 * out.c - see out.h.
 */
#include "alertd/ctl/out.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf.h"

#define GAP 2			/* columns between columns */

struct cell { char *text; enum style style; bool right; };

struct table {
	size_t columns, n, size;
	struct cell *cell;
};

static const char *const codes[] = {
	[STYLE_NONE] = "", [STYLE_BAD] = "\033[31m", [STYLE_WARN] = "\033[33m",
	[STYLE_GOOD] = "\033[32m", [STYLE_DIM] = "\033[2m", [STYLE_BOLD] = "\033[1m",
};

const char *
out_lang(const struct out *o, const char *zh, const char *en)
{
	return o->zh ? zh : en;
}

char *
out_escape(const char *s)
{
	size_t len = strlen(s), n = len * 4 + 1;
	char *text = xmalloc(n);

	return log_escape(text, n, s, len);
}

static void
styled(const struct out *o, enum style style, const char *s)
{
	bool on = o->colour && style != STYLE_NONE;

	fprintf(o->file, "%s%s%s", on ? codes[style] : "", s, on ? "\033[0m" : "");
}

void
out_text(const struct out *o, enum style style, const char *s)
{
	char *text = out_escape(s);

	styled(o, style, text);
	free(text);
}

void
out_line(const struct out *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(o->file, fmt, ap);
	va_end(ap);
	fputc('\n', o->file);
}

static void
pad(const struct out *o, size_t n)
{
	while (n-- > 0)
		fputc(' ', o->file);
}

void
out_fact(const struct out *o, int width, const char *name, const char *value)
{
	size_t w = utf_width(name);

	if (value == NULL || *value == '\0')
		return;
	fprintf(o->file, "  %s", name);
	pad(o, w < (size_t)width ? (size_t)width - w + GAP : GAP);
	out_text(o, STYLE_NONE, value);
	fputc('\n', o->file);
}

void
out_json(const struct out *o, const json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));

	fprintf(o->file, "%s\n", text == NULL ? "null" : text);
	free(text);
}

/* ------------------------------------------------------------------- tables */

struct table *
table_new(size_t columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i].text);
	free(t->cell);
	free(t);
}

static void
add(struct table *t, enum style style, const char *text, bool right)
{
	if (t->n == t->size) {
		t->size = t->size == 0 ? 64 : t->size * 2;
		t->cell = xreallocarray(t->cell, t->size, sizeof(t->cell[0]));
	}
	t->cell[t->n++] = (struct cell){ out_escape(text == NULL ? "" : text), style, right };
}

void
table_cell(struct table *t, enum style style, const char *text)
{
	add(t, style, text, false);
}

void
table_cell_right(struct table *t, enum style style, const char *text)
{
	add(t, style, text, true);
}

size_t
table_rows(const struct table *t)
{
	return t->n / t->columns;
}

static size_t
column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n; i += t->columns)
		if (utf_width(t->cell[i].text) > width)
			width = utf_width(t->cell[i].text);
	return width;
}

static void
print_rows(const struct table *t, const struct out *o, bool head)
{
	size_t *width = xcalloc(t->columns, sizeof(*width));

	for (size_t col = 0; col < t->columns; col++)
		width[col] = column_width(t, col);
	for (size_t row = 0; row < table_rows(t); row++) {
		for (size_t col = 0; col < t->columns; col++) {
			const struct cell *c = &t->cell[row * t->columns + col];
			size_t fill = width[col] - utf_width(c->text);
			bool last = col + 1 == t->columns;
			/* a head stands as what is below it */
			bool right = head && row == 0 && table_rows(t) > 1 ?
			    t->cell[t->columns + col].right : c->right;
			if (right && !(last && c->text[0] == '\0'))
				pad(o, fill);
			styled(o, head && row == 0 ? STYLE_BOLD : c->style, c->text);
			if (!last)
				pad(o, GAP + (right ? 0 : fill));
		}
		fputc('\n', o->file);
	}
	free(width);
}

void
table_print(const struct table *t, const struct out *o)
{
	print_rows(t, o, true);
}

void
table_print_bare(const struct table *t, const struct out *o)
{
	print_rows(t, o, false);
}

/* -------------------------------------------------------------------- times */

char *
out_time(char *buf, size_t n, double seconds)
{
	if (!(seconds > 0 && seconds < 1e11)) {
		snprintf(buf, n, "-");
		return buf;
	}
	return wall_format(buf, n, (struct wall){ (int64_t)seconds * NS_PER_S });
}

char *
out_span(char *buf, size_t n, double seconds)
{
	long s = seconds > 0 && seconds < 1e11 ? (long)seconds : 0;

	if (s < 120)
		snprintf(buf, n, "%lds", s);
	else if (s < 3600)
		snprintf(buf, n, "%ldm", s / 60);
	else if (s < 86400)
		snprintf(buf, n, "%ldh%02ldm", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, n, "%ldd%02ldh", s / 86400, s % 86400 / 3600);
	return buf;
}
