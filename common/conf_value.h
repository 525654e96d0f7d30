/*
 * conf_value.h - one value between its text and its place in a struct, by
 * the row of the schema (pure); only conf*.c use it.
 */
#pragma once

#include "common/conf.h"

#define CONF_TEXT_MAX 16384		/* bytes of one string */

/*
 * Text to the field of a row that is no list and no mapping (for lists: to one
 * element).  dir: base of relative paths.  0; -EINVAL: expected (n bytes) says
 * what should stand there.  Strings are malloc'd.
 */
int conf_value_parse(const struct conf_key *, const char *text, const char *dir, void *field,
    char *expected, size_t n);
/* What should stand there, such as "a whole number 1..65535". */
void conf_value_expected(const struct conf_key *, char *out, size_t n);
/* The field as it would be written; malloc'd, owned by the caller; NULL: a string not set. */
char *conf_value_format(const struct conf_key *, const void *field);
/* A string in double quotes, escaped for YAML; malloc'd, owned by the caller. */
char *conf_value_quote(const char *s);
