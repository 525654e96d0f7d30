/*
 * fuzz_conf.c - configuration text: any bytes give either a whole object that
 * prints and reads back the same, or lines that say why not.
 */
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/links.h"
#include "common/mem.h"
#include "common/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
	if (!truth)
		abort();
}

/* The types of value that links.yaml does not have. */
struct other {
	char *path;
	int64_t size, any, wait;
	double number, share;
	struct conf_list ids, inner;
};

static const struct conf_key inner_keys[] = {
	{ .name = "path", .type = CONF_PATH, .offset = offsetof(struct other, path),
	  .flags = CONF_UNIQUE },
	{ .name = "size", .type = CONF_SIZE, .offset = offsetof(struct other, size),
	  .flags = CONF_UNIQUE },
	{ .name = NULL },
};
static const struct conf_schema inner_schema = {
	.noun = "inner", .size = sizeof(struct other), .keys = inner_keys, .where = SIZE_MAX,
};
static const struct conf_key other_keys[] = {
	{ .name = "path", .type = CONF_PATH, .offset = offsetof(struct other, path), .def = "x" },
	{ .name = "size", .type = CONF_SIZE, .offset = offsetof(struct other, size) },
	{ .name = "any", .type = CONF_INT, .offset = offsetof(struct other, any) },
	{ .name = "wait", .type = CONF_DURATION, .offset = offsetof(struct other, wait) },
	{ .name = "number", .type = CONF_DOUBLE, .offset = offsetof(struct other, number) },
	{ .name = "share", .type = CONF_RATIO, .offset = offsetof(struct other, share) },
	{ .name = "ids", .type = CONF_ID_LIST, .offset = offsetof(struct other, ids),
	  .def = "[a, b]" },
	{ .name = "inner", .type = CONF_MAP_LIST, .offset = offsetof(struct other, inner),
	  .sub = &inner_schema },
	{ .name = NULL },
};
static const struct conf_schema other_schema = {
	.noun = "other", .size = sizeof(struct other), .keys = other_keys, .where = SIZE_MAX,
};

static void
check_lines(const struct conf_errors *errs, int r)
{
	require((r != 0) == conf_failed(errs));
	for (size_t i = 0; i < errs->n; i++)
		require(utf_is_line(errs->line[i]));
}

static char *
printed(const struct conf_schema *schema, const void *obj, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	require(f != NULL);
	conf_print(schema, obj, f);
	fclose(f);
	return text;
}

/* What was read is printed, read, printed: the same twice. */
static void
round_trip(const struct conf_schema *schema, const char *text, size_t len)
{
	void *obj = xcalloc(1, schema->size), *again = xcalloc(1, schema->size);
	struct conf_errors errs = { 0 };
	size_t n, m;
	int r = conf_parse(text, len, "fuzz", "/dir", schema, obj, &errs);

	check_lines(&errs, r);
	if (r == 0) {
		char *first = printed(schema, obj, &n), *second;

		require(conf_parse(first, n, "again", "/dir", schema, again, &errs) == 0);
		second = printed(schema, again, &m);
		require(n == m && memcmp(first, second, n) == 0);
		free(first);
		free(second);
		conf_free(schema, again);
		conf_free(schema, obj);
	}
	conf_errors_free(&errs);
	free(obj);
	free(again);
}

/* A plan that was taken keeps the promises of links.h. */
static void
check_plan(const char *text, size_t len)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan;
	size_t links = 0;

	check_lines(&errs, 0);
	if (links_parse(text, len, "fuzz", &plan, &errs) != 0) {
		require(plan == NULL && conf_failed(&errs));
		conf_errors_free(&errs);
		return;
	}
	require(plan->revision != 0);
	for (size_t i = 0; i < plan->n_agent; i++) {
		Linkwatch__Pb__Plan *part = links_for_agent(plan, plan->agent[i]->id);

		require(part != NULL && part->revision != 0);
		links += part->n_link;
		links_free(part);
	}
	require(links == plan->n_link);
	for (size_t i = 0; i < plan->n_link; i++) {
		const Linkwatch__Pb__Link *l = plan->link[i];

		require(l->step_ms >= 1000 && l->step_ms <= 300000);
		require(l->timeout_ms >= 10 && l->timeout_ms <= l->step_ms);
		require(l->count >= 1 && l->count <= 1000 && l->port <= 65535);
		require(utf_units(l->short_zh) <= 16 && utf_is_line(l->name_zh));
	}
	links_free(plan);
	conf_errors_free(&errs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	round_trip(&links_schema, text, size);
	round_trip(&other_schema, text, size);
	check_plan(text, size);
	return 0;
}
