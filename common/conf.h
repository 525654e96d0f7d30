/*
 * conf.h - configuration as tables.
 *
 * A file is YAML (libyaml gives every node its line and column); what may
 * stand in it is a struct conf_schema: one row for each key.  The parser, the
 * check (-n, linkctl check), the printed effective configuration, the sample
 * file and the test of the man page all read the same table.
 *
 * All errors of a file come in one run, one line each:
 *   links.yaml:12:7: unknown key 'intervall' in link 'sh-gw' (did you mean 'interval'?)
 *   agent.yaml:3:9: 'step' is 10m, expected 1s..300s
 *
 * Values land in a plain struct at the offsets of the rows; strings and arrays
 * are malloc'd and owned by that struct until conf_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_STR,		/* char *; min..max characters (UTF-16 units) */
	CONF_ID,		/* char *, id_is_valid() */
	CONF_PATH,		/* char *; relative ones start at the file's directory */
	CONF_SECRET_FILE,	/* as PATH; must be readable; warned if others may read it */
	CONF_INT,		/* int64_t, min..max */
	CONF_DURATION,		/* int64_t ns; "250ms" "10s" "5m" "2h" "3d"; min..max in ns */
	CONF_SIZE,		/* int64_t bytes; "64k" "16M" "1G" */
	CONF_RATIO,		/* double; "5%" or 0.05; 0..1 unless the row has (whole) limits */
	CONF_DOUBLE,		/* double, min..max (whole numbers in the row) */
	CONF_BOOL,		/* bool; true/false/yes/no/on/off */
	CONF_ENUM,		/* int; names[] NULL-terminated, value = index + min */
	CONF_STR_LIST,		/* struct conf_list of char * */
	CONF_ID_LIST,
	CONF_MAP,		/* a struct in place, schema sub */
	CONF_MAP_LIST,		/* struct conf_list of structs, schema sub */
};

struct conf_list { void *v; size_t n; };	/* v: n elements of the row's element */

enum conf_flag { CONF_REQUIRED = 1, CONF_UNIQUE = 2 /* in a MAP_LIST: no two alike */ };

struct conf_schema;
struct conf_scope;

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;
	unsigned flags;
	const char *def;		/* as it would be written; NULL: zero or empty */
	int64_t min, max;		/* both 0: no limits */
	const char *const *names;	/* CONF_ENUM */
	const struct conf_schema *sub;	/* CONF_MAP, CONF_MAP_LIST */
	const char *help;		/* one sentence for sample file and man page */
};

struct conf_schema {
	const char *noun;		/* "link": in messages */
	size_t size;			/* of the struct */
	const struct conf_key *keys;	/* ended by name == NULL */
	/* offset of a struct conf_where in the struct, or SIZE_MAX */
	size_t where;
	/*
	 * Checks across the keys of one mapping of this schema, or NULL.  Called once for each that
	 * stands in the file, inner ones first, also when there were errors before: what could not
	 * be read is zero or NULL.  Reports by conf_scope_error().
	 */
	void (*check)(void *obj, const struct conf_scope *);
};

struct conf_where { int line, col; };	/* where a mapping began, for checks across files */

struct conf_errors {			/* zero to start; at most 1000 errors and as many warnings */
	char **line;
	size_t n;
	size_t warnings;		/* of the n lines, so many are only warnings */
};

/* A mapping while it is being checked: knows the place of each of its values. */
struct conf_node;
struct conf_scope {
	const char *file;		/* as in messages */
	struct conf_errors *errs;
	const struct conf_node *node;
};

/* Was the key written, with a value? */
bool conf_scope_has(const struct conf_scope *, const char *key);
/* The place of the key's value; of the mapping if key is NULL or was not written. */
struct conf_where conf_scope_where(const struct conf_scope *, const char *key);
/* The i-th element of the list key; with key NULL, the other functions take its own place. */
struct conf_scope conf_scope_item(const struct conf_scope *, const char *key, size_t i);
/* conf_error() at the place of the key's value. */
void conf_scope_error(const struct conf_scope *, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads and checks path into obj (schema->size bytes; what stood there is not freed). 0, or -EINVAL
 * with lines in errs; obj is then zeroed.  Warnings may stand in errs in both cases.  At most
 * 8 MiB; a file that cannot be read is a line too. */
int conf_load(const char *path, const struct conf_schema *, void *obj, struct conf_errors *errs);
/* The same from memory; name stands in messages, dir is the base of relative paths. */
int conf_parse(const char *text, size_t len, const char *name, const char *dir,
    const struct conf_schema *, void *obj, struct conf_errors *errs);
void conf_free(const struct conf_schema *, void *obj);

/* Adds "file:line:col: ..." (an error) or "...: warning: ..." */
void conf_error(struct conf_errors *, const char *file, struct conf_where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void conf_warning(struct conf_errors *, const char *file, struct conf_where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool conf_failed(const struct conf_errors *);	/* is any line more than a warning? */
bool conf_errors_full(const struct conf_errors *);	/* will further errors be left out? */
void conf_errors_print(const struct conf_errors *, FILE *);
void conf_errors_free(struct conf_errors *);
/* Every key with its default and help as YAML, all of it commented out: help begins with "# ", a
 * line of YAML with "#" and its indentation, or with "#" and the key. */
void conf_print_sample(const struct conf_schema *, FILE *);
/* The effective configuration as YAML, which reads back as the same. */
void conf_print(const struct conf_schema *, const void *obj, FILE *);
/* The nearest of names to s (edit distance <= 2), or NULL. */
const char *conf_suggest(const char *s, const char *const *names);
