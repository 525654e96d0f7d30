/*
 * out.h - the one writer of linkctl: text, tables, JSON (no state but the stream).
 *
 * Whatever comes from elsewhere goes through out_text(), which shows control
 * characters as \xNN: a name cannot move the cursor or colour the terminal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_t;
struct table;

enum style { STYLE_NONE = 0, STYLE_BAD, STYLE_WARN, STYLE_GOOD, STYLE_DIM, STYLE_BOLD };

struct out {
	FILE *file;
	bool json, zh, colour;
};

/* zh or en, as the person reads. */
const char *out_lang(const struct out *, const char *zh, const char *en)
    __attribute__((format_arg(2), format_arg(3)));
void out_text(const struct out *, enum style, const char *s);
/* A line of our own words. */
void out_line(const struct out *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "name  value", the names padded to `width` columns; nothing when value is NULL or "". */
void out_fact(const struct out *, int width, const char *name, const char *value);
void out_json(const struct out *, const struct json_t *);

/* A table of so many columns; cells are copied as they are printed: escaped, at most max columns wide. */
struct table *table_new(size_t columns);
void table_free(struct table *);
void table_cell(struct table *, enum style, const char *text);	/* the next one, row by row */
void table_cell_right(struct table *, enum style, const char *text);
/* The first row is the head.  Columns are padded to their widest cell. */
void table_print(const struct table *, const struct out *);
/* The same without a head. */
void table_print_bare(const struct table *, const struct out *);
size_t table_rows(const struct table *);

/* "2026-01-15 08:31" at UTC+8, or "-" for 0; returns buf (n >= 20). */
char *out_time(char *buf, size_t n, double seconds);
/* "41m", "2h03m", "3d04h"; returns buf (n >= 16). */
char *out_span(char *buf, size_t n, double seconds);
/* s escaped; malloc'd. */
char *out_escape(const char *s);
