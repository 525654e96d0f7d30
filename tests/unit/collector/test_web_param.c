/*
 * test_web_param.c - queries, forms, paths, cookies and escaping of collector/http_param.c.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/http_param.h"
#include "collector/page.h"

static int
parse(struct http_params *p, const char *s)
{
	return http_params_parse(p, s, strlen(s));
}

START_TEST(query_is_decoded)
{
	struct http_params p;

	ck_assert_int_eq(parse(&p, "kind=rtt&name=%E4%BA%91+a%2Bb&empty=&flag&&x=1"), 0);
	ck_assert_uint_eq(p.n, 5);
	ck_assert_str_eq(http_param(&p, "kind"), "rtt");
	ck_assert_str_eq(http_param(&p, "name"), "云 a+b");
	ck_assert_str_eq(http_param(&p, "empty"), "");
	ck_assert_str_eq(http_param(&p, "flag"), "");
	ck_assert_ptr_null(http_param(&p, "missing"));
	http_params_free(&p);
	ck_assert_int_eq(http_params_parse(&p, NULL, 0), 0);
	ck_assert_uint_eq(p.n, 0);
	http_params_free(&p);
}
END_TEST

START_TEST(form_keeps_lines)
{
	struct http_params p;

	ck_assert_int_eq(parse(&p, "note=a%0D%0Ab%09c"), 0);
	ck_assert_str_eq(http_param(&p, "note"), "a\nb\tc");
	http_params_free(&p);
}
END_TEST

static const char *const bad_queries[] = {
	"a=%", "a=%4", "a=%zz", "a=%00", "a=%0", "%=1", "=1", "a=1&a=2", "a=%ff", "a=%c0%af", "a=%ed%a0%80",
	"a=%f4%90%80%80", "a=%e4%ba", "a=%1b[31m", "a=\x01", "a=%7f", "a=%c2%85", "a=%0d", "a%0ab=%80",
};

START_TEST(bad_query_is_refused)
{
	struct http_params p;

	ck_assert_int_eq(parse(&p, bad_queries[_i]), -EINVAL);
	http_params_free(&p);
}
END_TEST

START_TEST(too_many_are_refused)
{
	char s[400] = "";
	struct http_params p;

	for (int i = 0; i < HTTP_PARAMS_MAX; i++)
		sprintf(s + strlen(s), "a%d=1&", i);
	ck_assert_int_eq(parse(&p, s), 0);
	ck_assert_uint_eq(p.n, HTTP_PARAMS_MAX);
	http_params_free(&p);
	strcat(s, "more=1");
	ck_assert_int_eq(parse(&p, s), -E2BIG);
	http_params_free(&p);
}
END_TEST

START_TEST(numbers_have_a_range)
{
	static const char *const bad[] = { "v=", "v=x", "v=1x", "v=11", "v=-6", "v=+1", "v= 1", "v=1.5", "v=0x1",
		"v=99999999999999999999", "v=-", "v=--1" };
	struct http_params p;
	int64_t v;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(parse(&p, bad[i]), 0);
		ck_assert_msg(http_param_int(&p, "v", -5, 10, 3, &v) == -EINVAL, "%s was taken", bad[i]);
		http_params_free(&p);
	}
	ck_assert_int_eq(parse(&p, "v=-5&w=10"), 0);
	ck_assert_int_eq(http_param_int(&p, "v", -5, 10, 3, &v), 0);
	ck_assert_int_eq(v, -5);
	ck_assert_int_eq(http_param_int(&p, "w", -5, 10, 3, &v), 0);
	ck_assert_int_eq(v, 10);
	ck_assert_int_eq(http_param_int(&p, "none", -5, 10, 3, &v), 0);
	ck_assert_int_eq(v, 3);
	http_params_free(&p);
}
END_TEST

START_TEST(path_is_split)
{
	struct http_path p;

	ck_assert_int_eq(http_path_parse(&p, "/"), 0);
	ck_assert_uint_eq(p.n, 0);
	ck_assert_int_eq(http_path_parse(&p, "/link/sh%2Dgw/a+b"), 0);
	ck_assert_uint_eq(p.n, 3);
	ck_assert_str_eq(p.seg[1], "sh-gw");
	ck_assert_str_eq(p.seg[2], "a+b");
}
END_TEST

static const char *const bad_paths[] = {
	"", "a", "//", "/a/", "/a//b", "/..", "/a/../b", "/.", "/%2e%2e", "/%2E./x", "/a%2fb", "/a%5cb", "/a\\b",
	"/%00", "/%", "/%4", "/%zz", "/%c0%ae%c0%ae", "/a%0ab", "/a\tb", "/\xff",
};

START_TEST(bad_path_is_refused)
{
	struct http_path p;

	ck_assert_int_eq(http_path_parse(&p, bad_paths[_i]), -EINVAL);
}
END_TEST

START_TEST(long_path_is_refused)
{
	char s[HTTP_PATH_MAX + 2];
	struct http_path p;

	memset(s, 'a', sizeof s);
	s[0] = '/';
	s[sizeof s - 1] = '\0';
	ck_assert_int_eq(http_path_parse(&p, s), -E2BIG);
	s[HTTP_PATH_MAX - 1] = '\0';
	ck_assert_int_eq(http_path_parse(&p, s), 0);
	ck_assert_int_eq(http_path_parse(&p, "/1/2/3/4/5/6/7"), -E2BIG);
	ck_assert_int_eq(http_path_parse(&p, NULL), -EINVAL);
}
END_TEST

START_TEST(cookie_is_found)
{
	char buf[8];

	ck_assert(http_cookie("a=1; lw=abc; b=2", "lw", buf, sizeof buf));
	ck_assert_str_eq(buf, "abc");
	ck_assert(http_cookie("lw=abc", "lw", buf, sizeof buf));
	ck_assert(!http_cookie("xlw=abc", "lw", buf, sizeof buf));
	ck_assert(!http_cookie("lwx=abc", "lw", buf, sizeof buf));
	ck_assert(!http_cookie("lw=abcdefgh", "lw", buf, sizeof buf));
	ck_assert(!http_cookie("lw=abc; lw=def", "lw", buf, sizeof buf));
	ck_assert(!http_cookie("lw=", "lw", buf, sizeof buf) || *buf == '\0');
	ck_assert(!http_cookie(NULL, "lw", buf, sizeof buf));
	ck_assert(!http_cookie(";;; ;", "lw", buf, sizeof buf));
}
END_TEST

START_TEST(markup_is_escaped)
{
	char *s = http_escape("<a href=\"x\">'&'</a>云");

	ck_assert_str_eq(s, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;云");
	free(s);
}
END_TEST

START_TEST(template_is_filled)
{
	static const unsigned char text[] = "a {{x}} b {{y}}{{none}} {{ {{x}} }} {{x";
	const struct page_asset a = { "t.html", text, text + sizeof text - 1 };
	const struct page_var vars[] = { { "x", "<1>" }, { "y", NULL }, { NULL, NULL } };
	size_t len;
	char *s = page_render(&a, vars, &len);

	ck_assert_str_eq(s, "a &lt;1&gt; b   }} {{x");
	ck_assert_uint_eq(len, strlen(s));
	free(s);
}
END_TEST

/* Every file that a page names is built in; no page has a script or style of its own. */
START_TEST(assets_are_complete)
{
	for (const struct page_asset *a = page_assets; a->name != NULL; a++) {
		size_t n = (size_t)(a->end - a->data);
		char *s = strndup((const char *)a->data, n);

		ck_assert_uint_gt(n, 100);
		ck_assert_str_ne(page_type(a->name), "application/octet-stream");
		/* the description of the API names a pattern, "/assets/{name}" */
		for (char *at = s; strstr(a->name, ".json") == NULL && (at = strstr(at, "\"/assets/")) != NULL;
		    at += 9) {
			char name[64];

			ck_assert_int_eq(sscanf(at, "\"/assets/%60[a-z.]\"", name), 1);
			ck_assert_msg(page_asset(name) != NULL, "%s names %s", a->name, name);
		}
		ck_assert_ptr_null(strstr(s, "http://cdn"));
		ck_assert_ptr_null(strstr(s, "https://"));
		if (strstr(a->name, ".html") != NULL)
			ck_assert_ptr_null(strstr(s, "<script>"));
		free(s);
	}
	ck_assert_ptr_nonnull(page_asset("shell.html"));
	ck_assert_ptr_null(page_asset("../shell.html"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_param");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, query_is_decoded);
	tcase_add_test(t, form_keeps_lines);
	tcase_add_loop_test(t, bad_query_is_refused, 0, sizeof bad_queries / sizeof *bad_queries);
	tcase_add_test(t, too_many_are_refused);
	tcase_add_test(t, numbers_have_a_range);
	tcase_add_test(t, path_is_split);
	tcase_add_loop_test(t, bad_path_is_refused, 0, sizeof bad_paths / sizeof *bad_paths);
	tcase_add_test(t, long_path_is_refused);
	tcase_add_test(t, cookie_is_found);
	tcase_add_test(t, markup_is_escaped);
	tcase_add_test(t, template_is_filled);
	tcase_add_test(t, assets_are_complete);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
