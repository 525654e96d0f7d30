/*
 * test_parts.c - the parts of a plan are those that links_for_agent() makes of it.
 */
#include "collector/parts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/links.h"

/* Links of four agents in no order; a4 has none. */
static Linkwatch__Pb__Plan *
make_plan(void)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan;
	char text[8192];
	size_t n = (size_t)snprintf(text, sizeof text, "{vendors: [{id: v, code: V}], agents: [{id: a1, vendor: v}, "
	    "{id: a2, vendor: v}, {id: a3, vendor: v}, {id: a4, vendor: v}], links: [");

	for (int i = 0; i < 50; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "{id: l%d, agent: a%d, probe: icmp, target: h%d},", i,
		    1 + i * 7 % 5 % 3, i);
	snprintf(text + n, sizeof text - n, "]}");
	ck_assert_int_eq(links_parse(text, strlen(text), "t", &plan, &errs), 0);
	return plan;
}

START_TEST(they_are_what_the_agent_should_have)
{
	Linkwatch__Pb__Plan *plan = make_plan();
	struct parts *parts = parts_new(plan);

	/* Asked twice: the second answer comes from memory. */
	for (int round = 0; round < 2; round++)
		for (int a = 1; a <= 4; a++) {
			char id[8];
			Linkwatch__Pb__Plan *want, *got;

			snprintf(id, sizeof id, "a%d", a);
			want = links_for_agent(plan, id);
			ck_assert_uint_eq(parts_revision(parts, id), want->revision);
			got = parts_plan(parts, id);
			ck_assert_uint_eq(got->revision, want->revision);
			ck_assert_uint_eq(got->n_link, want->n_link);
			ck_assert(a == 4 ? got->n_link == 0 : got->n_link > 5);
			for (size_t i = 0; i < got->n_link; i++) {
				ck_assert_str_eq(got->link[i]->id, want->link[i]->id);
				ck_assert_str_eq(got->link[i]->agent, id);
				ck_assert_str_eq(got->link[i]->name_zh, "");
			}
			links_free(want);
			links_free(got);
		}
	parts_free(parts);
	links_free(plan);
}
END_TEST

START_TEST(strangers_have_none)
{
	Linkwatch__Pb__Plan *plan = make_plan();
	struct parts *parts = parts_new(plan);

	ck_assert_uint_eq(parts_revision(parts, "a5"), 0);
	ck_assert_ptr_null(parts_plan(parts, "a5"));
	ck_assert_uint_eq(parts_revision(parts, ""), 0);
	parts_free(parts);
	parts_free(NULL);
	links_free(plan);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parts");
	TCase *t = tcase_create("parts");
	SRunner *runner;
	int failed;

	tcase_add_test(t, they_are_what_the_agent_should_have);
	tcase_add_test(t, strangers_have_none);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
