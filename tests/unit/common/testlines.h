/*
 * testlines.h - compares the lines of struct conf_errors with what a test expects.
 */
#pragma once

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/conf.h"

/* want: lines, each ended by '\n', in this order and no others. */
static inline void
assert_lines(const struct conf_errors *errs, const char *want)
{
	char *got = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&got, &n);

	ck_assert_ptr_nonnull(f);
	conf_errors_print(errs, f);
	fclose(f);
	ck_assert_msg(strcmp(got, want) == 0, "expected:\n%sgot:\n%s", want, got);
	free(got);
}

/* Is there a line that contains text? */
static inline bool
has_line(const struct conf_errors *errs, const char *text)
{
	for (size_t i = 0; i < errs->n; i++)
		if (strstr(errs->line[i], text) != NULL)
			return true;
	return false;
}
