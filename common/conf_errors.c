/*
 * conf_errors.c - the list of what is wrong in a file.
 */
#include "common/conf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

#define ERRORS_MAX 1000			/* of each sort; a longer list helps nobody */
#define LINE_MAX_BYTES 1024

/* Appends a line, free of control characters. */
static void
append(struct conf_errors *errs, const char *text)
{
	size_t len = strlen(text), room = len * 4 + 1;
	char *line = xmalloc(room);

	log_escape(line, room, text, len);
	errs->line = xreallocarray(errs->line, errs->n + 1, sizeof(*errs->line));
	errs->line[errs->n++] = line;
}

static void __attribute__((format(printf, 5, 0)))
append_v(struct conf_errors *errs, const char *file, struct conf_where at, const char *kind,
    const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES], place[32] = "";
	char *line;

	if (at.line > 0)
		snprintf(place, sizeof(place), ":%d:%d", at.line, at.col);
	vsnprintf(text, sizeof(text), fmt, ap);
	line = xasprintf("%s%s: %s%s", file, place, kind, text);
	append(errs, line);
	free(line);
}

void
conf_error(struct conf_errors *errs, const char *file, struct conf_where at, const char *fmt, ...)
{
	va_list ap;

	if (conf_errors_full(errs))
		return;
	if (errs->n - errs->warnings == ERRORS_MAX) {
		append(errs, "too many errors, the others are not shown");
		return;
	}
	va_start(ap, fmt);
	append_v(errs, file, at, "", fmt, ap);
	va_end(ap);
}

void
conf_warning(struct conf_errors *errs, const char *file, struct conf_where at, const char *fmt,
    ...)
{
	va_list ap;

	if (errs->warnings >= ERRORS_MAX)
		return;
	va_start(ap, fmt);
	append_v(errs, file, at, "warning: ", fmt, ap);
	va_end(ap);
	errs->warnings++;
}

bool
conf_failed(const struct conf_errors *errs)
{
	return errs->n > errs->warnings;
}

bool
conf_errors_full(const struct conf_errors *errs)
{
	return errs->n - errs->warnings > ERRORS_MAX;
}

void
conf_errors_print(const struct conf_errors *errs, FILE *f)
{
	for (size_t i = 0; i < errs->n; i++)
		fprintf(f, "%s\n", errs->line[i]);
}

void
conf_errors_free(struct conf_errors *errs)
{
	for (size_t i = 0; i < errs->n; i++)
		free(errs->line[i]);
	free(errs->line);
	*errs = (struct conf_errors){ 0 };
}

/* --------------------------------------------------------- did you mean */

#define WORD_MAX 64

static size_t
min2(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours from a to b. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1], la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = min2(up[j] + 1, now[j - 1] + 1);
			now[j] = min2(now[j], up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min2(now[j], up2[j - 2] + 1);
		}
	}
	return row[la % 3][lb];
}

const char *
conf_suggest(const char *s, const char *const *names)
{
	size_t best = 3, len = strlen(s);
	const char *found = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *names != NULL; names++) {
		size_t d, n = strlen(*names);

		if (n > WORD_MAX)
			continue;
		d = distance(s, *names);
		/* a word of two letters is two steps from any other */
		if (d < best && d < min2(len, n)) {
			best = d;
			found = *names;
		}
	}
	return found;
}
