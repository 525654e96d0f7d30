/*
 * test_web_routes.c - the table of routes and openapi.json tell the same: every route with its parameters,
 * its rule for vendors and its role stands in the file, and nothing else does.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "collector/page.h"
#include "collector/web_state.h"

static json_t *api;

static void
setup(void)
{
	const struct page_asset *a = page_asset("openapi.json");
	json_error_t e;

	ck_assert_ptr_nonnull(a);
	api = json_loadb((const char *)a->data, (size_t)(a->end - a->data), JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(api != NULL, "line %d: %s", e.line, e.text);
}

static void
teardown(void)
{
	json_decref(api);
}

/* "/link/{agent}/{link}" as the table writes it: without the slash ahead, '*' for what is in braces. */
static void
pattern_of(const char *path, char *out)
{
	for (path++; *path != '\0'; path++) {
		*out++ = *path == '{' ? '*' : *path;
		if (*path == '{')
			path = strchr(path, '}');
	}
	*out = '\0';
}

static json_t *
operation_of(const struct web_route *r)
{
	const char *path;
	json_t *item;

	json_object_foreach(json_object_get(api, "paths"), path, item) {
		char pattern[200];

		pattern_of(path, pattern);
		if (strcmp(pattern, r->pattern) == 0)
			return json_object_get(item, r->method == WEB_POST ? "post" : "get");
	}
	return NULL;
}

static bool
is_word_of(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p != NULL && (p = strstr(p, word)) != NULL; p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

static unsigned
words(const char *list)
{
	unsigned n = list != NULL && *list != '\0' && *list != '*';

	for (; n > 0 && *list != '\0'; list++)
		n += *list == ' ';
	return n;
}

START_TEST(every_route_is_described)
{
	for (size_t i = 0; i < web_routes_n; i++) {
		const struct web_route *r = &web_routes[i];
		json_t *op = operation_of(r), *one, *form;
		const char *vendor, *role, *name;
		unsigned query = 0, fields = 0;
		size_t k;

		ck_assert_msg(op != NULL, "'%s' is not in openapi.json", r->pattern);
		json_array_foreach(json_object_get(op, "parameters"), k, one) {
			name = json_string_value(json_object_get(one, "name"));
			if (strcmp(json_string_value(json_object_get(one, "in")), "query") != 0 ||
			    strcmp(name, "lang") == 0)
				continue;
			query++;
			ck_assert_msg(is_word_of(r->query, name), "'%s' takes no '%s'", r->pattern, name);
		}
		ck_assert_msg(query == words(r->query), "'%s' takes more than is described", r->pattern);
		form = json_object_get(json_object_get(json_object_get(json_object_get(json_object_get(op,
		    "requestBody"), "content"), "application/x-www-form-urlencoded"), "schema"),
		    "properties");
		json_object_foreach(form, name, one) {
			if (strcmp(name, "csrf") == 0)
				continue;
			fields++;
			ck_assert_msg(is_word_of(r->form, name), "'%s' takes no '%s'", r->pattern, name);
		}
		ck_assert_msg(fields == words(r->form), "'%s' takes more than is described", r->pattern);
		vendor = (r->flags & ROUTE_OPEN) != 0 ? "open" : (r->flags & ROUTE_OWN) != 0 ? "own" :
		    (r->flags & ROUTE_SHARED) != 0 ? "shared" : "none";
		if ((r->flags & ROUTE_OPEN) != 0)
			ck_assert_uint_eq(json_array_size(json_object_get(op, "security")), 0);
		else
			ck_assert_str_eq(json_string_value(json_object_get(op, "x-vendor")), vendor);
		ck_assert_msg(((r->flags & ROUTE_OPEN) != 0) == (json_object_get(op, "security") != NULL),
		    "'%s': who may come in", r->pattern);
		role = json_string_value(json_object_get(op, "x-role"));
		ck_assert_msg(((r->flags & ROUTE_ADMIN) != 0) == (role != NULL && strcmp(role, "admin") == 0),
		    "'%s': role admin", r->pattern);
		ck_assert_msg((r->flags & (ROUTE_CHANGES | ROUTE_ADMIN)) != ROUTE_CHANGES ||
		    (role != NULL && strcmp(role, "operator") == 0), "'%s': role operator", r->pattern);
	}
}
END_TEST

START_TEST(nothing_else_is_described)
{
	const char *path, *method;
	json_t *item, *op;

	json_object_foreach(json_object_get(api, "paths"), path, item)
		json_object_foreach(item, method, op) {
			char pattern[200];
			bool found = false;

			pattern_of(path, pattern);
			for (size_t i = 0; i < web_routes_n; i++)
				found |= strcmp(web_routes[i].pattern, pattern) == 0 &&
				    (web_routes[i].method == WEB_POST) == (strcmp(method, "post") == 0);
			ck_assert_msg(found, "%s %s is no route", method, path);
		}
}
END_TEST

/* A route that changes something is a POST, and a POST that needs a log-in is behind a CSRF token: so no GET changes. */
START_TEST(methods_fit)
{
	for (size_t i = 0; i < web_routes_n; i++)
		ck_assert_msg((web_routes[i].flags & ROUTE_CHANGES) == 0 || web_routes[i].method == WEB_POST,
		    "'%s'", web_routes[i].pattern);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_routes");
	TCase *t = tcase_create("web_routes");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_route_is_described);
	tcase_add_test(t, nothing_else_is_described);
	tcase_add_test(t, methods_fit);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
