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
	CONF_STR,		/* char * */
	CONF_ID,		/* char *, id_is_valid() */
	CONF_PATH,		/* char *; relative ones are made absolute against the file's directory */
	CONF_SECRET_FILE,	/* char *: as PATH; must be readable; warned if group or world may read it */
	CONF_INT,		/* int64_t, min..max */
	CONF_DURATION,		/* int64_t ns; "250ms" "10s" "5m" "2h" "3d"; min..max in ns */
	CONF_SIZE,		/* int64_t bytes; "64k" "16M" "1G" */
	CONF_RATIO,		/* double; "5%" or 0.05 */
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
};

struct conf_where { int line, col; };	/* where a mapping began, for checks across files */

struct conf_errors {			/* growing list; zero to start */
	char **line;
	size_t n;
	size_t warnings;		/* of the n lines, so many are only warnings */
};

/* Reads and checks path into obj (schema->size zeroed bytes). 0, or -EINVAL with lines in errs.
 * At most 8 MiB; -errno of the file is reported as a line too. */
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
void conf_errors_print(const struct conf_errors *, FILE *);
void conf_errors_free(struct conf_errors *);
/* Every key with its default and help as commented YAML: the sample file. */
void conf_print_sample(const struct conf_schema *, FILE *);
/* The effective configuration as YAML. */
void conf_print(const struct conf_schema *, const void *obj, FILE *);
/* The nearest of names to s (edit distance <= 2), or NULL. */
const char *conf_suggest(const char *s, const char *const *names);
