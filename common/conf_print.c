/*
 * conf_print.c - a schema as a sample file, a configuration as YAML.
 */
#include "common/conf.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf_value.h"
#include "common/mem.h"

/* ------------------------------------------------- the effective configuration */

static void print_keys(const struct conf_schema *, const char *obj, int indent, bool in_list,
    FILE *);

static void
print_strings(const struct conf_list *list, FILE *f)
{
	fputs(" [", f);
	for (size_t i = 0; i < list->n; i++) {
		char *s = conf_value_quote(((char **)list->v)[i]);

		fprintf(f, "%s%s", i > 0 ? ", " : "", s);
		free(s);
	}
	fputs("]\n", f);
}

static void
print_value(const struct conf_key *k, const char *field, int indent, FILE *f)
{
	const struct conf_list *list = (const struct conf_list *)field;
	char *s;

	switch (k->type) {
	case CONF_MAP:
		fputs("\n", f);
		print_keys(k->sub, field, indent + 2, false, f);
		return;
	case CONF_MAP_LIST:
		fputs(list->n > 0 ? "\n" : " []\n", f);
		for (size_t i = 0; i < list->n; i++)
			print_keys(k->sub, (char *)list->v + i * k->sub->size, indent + 4, true, f);
		return;
	case CONF_STR_LIST:
	case CONF_ID_LIST:
		print_strings(list, f);
		return;
	default:
		s = conf_value_format(k, field);
		fprintf(f, " %s\n", s);
		free(s);
	}
}

/*
 * Was it left out, or is it as good as left out: zero with no other default?
 * A mapping was left out if it lacks what it requires.
 */
static bool
is_unset(const struct conf_key *k, const char *field)
{
	bool zero = k->def == NULL && (k->flags & CONF_REQUIRED) == 0;

	switch (k->type) {
	case CONF_MAP:
		for (const struct conf_key *s = k->sub->keys; s->name != NULL; s++)
			if ((s->flags & CONF_REQUIRED) != 0 && is_unset(s, field + s->offset))
				return true;
		return false;
	case CONF_STR_LIST:
	case CONF_ID_LIST:
	case CONF_MAP_LIST:
		return (k->flags & CONF_REQUIRED) != 0 &&
		    ((const struct conf_list *)field)->n == 0;
	case CONF_STR:
	case CONF_ID:
	case CONF_PATH:
	case CONF_SECRET_FILE:
		return *(char *const *)field == NULL;
	case CONF_ENUM:
		return *(const int *)field < k->min;	/* no default, not written */
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		return *(const int64_t *)field == 0 && (zero || k->min > 0);
	case CONF_RATIO:
	case CONF_DOUBLE:
		return *(const double *)field == 0 && zero;
	default:
		return false;
	}
}

static void
print_keys(const struct conf_schema *schema, const char *obj, int indent, bool in_list, FILE *f)
{
	bool first = in_list;

	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		if (is_unset(k, obj + k->offset))
			continue;
		if (first)
			fprintf(f, "%*s- %s:", indent - 2, "", k->name);
		else
			fprintf(f, "%*s%s:", indent, "", k->name);
		first = false;
		print_value(k, obj + k->offset, indent, f);
	}
	if (first)
		fprintf(f, "%*s- {}\n", indent - 2, "");
}

void
conf_print(const struct conf_schema *schema, const void *obj, FILE *f)
{
	print_keys(schema, obj, 0, false, f);
}

/* --------------------------------------------------------------- the sample */

/* Something that would stand there, for a row without a default. */
static char *
example(const struct conf_key *k)
{
	int64_t v = k->min > 0 ? k->min : k->max > 0 ? k->max : 0;
	double d = 0;

	switch (k->type) {
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return conf_value_format(k, &v);
	case CONF_RATIO:
	case CONF_DOUBLE:
		d = (double)k->min;
		return conf_value_format(k, &d);
	case CONF_BOOL:
		return xstrdup("no");
	case CONF_ENUM:
		return xstrdup(k->names[0]);
	case CONF_ID:
		return xstrdup("name");
	case CONF_STR_LIST:
	case CONF_ID_LIST:
		return xstrdup("[]");
	case CONF_PATH:
	case CONF_SECRET_FILE:
		return xstrdup("\"file\"");
	default:
		return xstrdup("\"text\"");
	}
}

static char *
sample_value(const struct conf_key *k)
{
	bool string = k->type == CONF_STR || k->type == CONF_PATH || k->type == CONF_SECRET_FILE;

	if (k->def == NULL)
		return example(k);
	return string ? conf_value_quote(k->def) : xstrdup(k->def);
}

static void
sample_help(const struct conf_key *k, int indent, FILE *f)
{
	char expected[512] = "";
	const char *what = expected;

	if (k->type == CONF_MAP || k->type == CONF_MAP_LIST || k->type == CONF_STR_LIST ||
	    k->type == CONF_ID_LIST)
		what = k->type == CONF_MAP ? "a mapping" : "a list";
	else
		conf_value_expected(k, expected, sizeof(expected));
	fprintf(f, "# %*s%s (%s", indent, "", k->help != NULL ? k->help : "", what);
	if ((k->flags & CONF_REQUIRED) != 0)
		fputs("; required", f);
	else if (k->def != NULL)
		fprintf(f, "; default %s", k->def);
	fputs(")\n", f);
}

static void
sample_keys(const struct conf_schema *schema, int indent, bool in_list, FILE *f)
{
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		sample_help(k, indent, f);
		if (in_list && k == schema->keys)
			fprintf(f, "#%*s- %s:", indent - 2, "", k->name);
		else
			fprintf(f, "#%*s%s:", indent, "", k->name);
		if (k->type == CONF_MAP || k->type == CONF_MAP_LIST) {
			bool list = k->type == CONF_MAP_LIST;

			fputs("\n", f);
			sample_keys(k->sub, indent + (list ? 4 : 2), list, f);
		} else {
			char *s = sample_value(k);

			fprintf(f, " %s\n", s);
			free(s);
		}
	}
}

void
conf_print_sample(const struct conf_schema *schema, FILE *f)
{
	fprintf(f, "# %s: every key, with its default or an example\n", schema->noun);
	sample_keys(schema, 0, false, f);
}
