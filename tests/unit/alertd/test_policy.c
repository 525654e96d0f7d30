/*
 * test_policy.c - policy.yaml: defaults, the sample, the manual, and every
 * mistake with its line.
 */
#include "alertd/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/alertd/suite.h"
#include "tests/unit/common/testlines.h"

#define SAMPLE "conf/policy.yaml"
#define MANUAL "alertd/linkwatch-policy.5"
#define PEOPLE "contacts: [{id: duty, phone: '123'}]\n"

static char *
printed(const struct policy *p)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	conf_print(&policy_schema, p, f);
	fclose(f);
	return text;
}

/* The sample says what applies when nothing is said, people aside. */
START_TEST(test_sample_is_the_default)
{
	struct policy *sample = NULL, *none = policy_default();
	struct conf_errors errs = { 0 };
	char *a, *b;
	size_t people;

	ck_assert_int_eq(policy_load(SAMPLE, &sample, &errs), 0);
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_uint_eq(sample->contacts.n, 4);
	people = sample->contacts.n;
	sample->contacts.n = 0;
	a = printed(sample);
	sample->contacts.n = people;
	b = printed(none);
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	policy_free(sample);
	policy_free(none);
}
END_TEST

static void
named_in(const struct conf_schema *s, const char *manual, const char *sample)
{
	for (const struct conf_key *k = s->keys; k->name != NULL; k++) {
		char item[80];

		snprintf(item, sizeof(item), "\n.It Ic %s\n", k->name);
		ck_assert_msg(strstr(manual, item) != NULL, "the manual has no %s", k->name);
		ck_assert_msg(strstr(sample, k->name) != NULL, "the sample has no %s", k->name);
		ck_assert_ptr_nonnull(k->help);
		if (k->sub != NULL)
			named_in(k->sub, manual, sample);
	}
}

static char *
whole_file(const char *path)
{
	char *text = calloc(1, 200000);
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_gt(fread(text, 1, 199999, f), 0);
	fclose(f);
	return text;
}

START_TEST(test_manual_and_sample_name_every_key)
{
	char *manual = whole_file(MANUAL), *sample = whole_file(SAMPLE);

	named_in(&policy_schema, manual, sample);
	free(manual);
	free(sample);
}
END_TEST

START_TEST(test_contacts_alone_work)
{
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };

	ck_assert_int_eq(policy_parse(PEOPLE, strlen(PEOPLE), "p", &p, &errs), 0);
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_uint_eq(p->routes.n, 1);
	ck_assert_uint_eq(p->escalation.n, 5);
	ck_assert_uint_gt(p->rules.n, 0);
	ck_assert_str_eq(policy_contact(p, "duty")->name, "duty");
	ck_assert_str_eq(policy_contact(p, "duty")->role, "duty");
	ck_assert_ptr_null(policy_contact(p, "nobody"));
	ck_assert(policy_channel_is_sms(p, "sms") && !policy_channel_is_sms(p, "mail"));
	ck_assert(policy_channel_is_mail(p, "mail") && !policy_channel_is_mail(p, "sms"));
	ck_assert_ptr_eq(policy_limits(p, 0), policy_limits(p, 1));
	ck_assert_ptr_eq(policy_limits(p, 9), policy_limits(p, 4));
	policy_free(p);
	policy_free(NULL);
}
END_TEST

static const struct { const char *text, *line; } wrong[] = {
	{ "down: {class_d: 3}\n", "p:1:8: unknown key 'class_d'" },
	{ PEOPLE "routes: [{grade: 4, contacts: [dutty], channels: [sms]}]\n",
	    "p:2:10: route names contact 'dutty', who is not there" },
	{ PEOPLE "routes: [{grade: 4, channels: [sms]}]\n", "neither contacts nor roles" },
	{ PEOPLE "routes: [{grade: 4, roles: [duty]}]\n", "route has no channels" },
	{ PEOPLE "routes: [{roles: [duty], channels: [sms], kind: sound}]\n", "kind 'sound', which is none" },
	{ PEOPLE "routes: [{grade: 7, roles: [duty], channels: [sms]}]\n", "p:2:18: 'grade' is 7" },
	{ PEOPLE "escalation: [{roles: [x], channels: [sms]}]\n", "it never comes" },
	{ PEOPLE "escalation: [{channels: [sms], unacknowledged: {grade_1: 1m}}]\n", "neither contacts nor roles" },
	{ PEOPLE "escalation: [{roles: [x], unacknowledged: {grade_1: 1m}}]\n", "step has no channels" },
	{ "contacts: [{id: a, phone: '12a'}]\n", "expected 3 to 20 digits" },
	{ "contacts: [{id: a, phone: '+'}]\n", "expected 3 to 20 digits" },
	{ "contacts: [{id: a, mail: a b@c}]\n", "expected name@host" },
	{ "contacts: [{id: a, mail: \"a@b\\r\\nBcc: c@d\"}]\n", "expected name@host" },
	{ "contacts: [{id: a, mail: a@b@c}]\n", "expected name@host" },
	{ "contacts: [{id: a}]\n", "neither phone nor mail" },
	{ "contacts: [{id: a, phone: '123', name: \"a\\nb\"}]\n", "control character" },
	{ "contacts: [{id: a, phone: '123'}, {id: a, phone: '124'}]\n", "p:1:" },
	{ "loss: {warning: 5%, critical: 1%}\n", "'warning' is above 'critical'" },
	{ "loss: {confidence: 10%}\n", "'confidence' is not" },
	{ "loss: {hysteresis: 100%}\n", "'hysteresis' is not" },
	{ "latency: {bad: 6, of: 5}\n", "'bad' is above 'of'" },
	{ "latency: {share: 100%}\n", "'share' is not" },
	{ "snmp: {load_warning: 99%}\n", "above its critical one" },
	{ "segments: [{segment: access, rtt_warning: 9ms, rtt_critical: 5ms}]\n", "segment access" },
	{ "segments: [{segment: core}]\n", "p:1:" },
	{ "quiet: {from: '25:00'}\n", "quiet: 'from' is '25:00', expected HH:MM" },
	{ "digest: {at: '9:00'}\n", "digest: 'at' is '9:00'" },
	{ "planned: [{name: x, from: '2026-02-30 00:00', to: '2026-03-01 00:00'}]\n", "'from' of planned window 'x'" },
	{ "planned: [{name: x, from: '2026-02-01 00:00', to: 'later'}]\n", "'to' of planned window 'x'" },
	{ "guarded: [{name: x, from: '2026-02-02 00:00', to: '2026-02-01 00:00'}]\n", "ends before it begins" },
	{ "signature: 一二三四五六七八九十一二三\n", "longer than 12" },
	{ "limits: {grade_1: {acknowledge: soon}}\n", "p:1:" },
	{ "budget: {reserve: 200%}\n", "p:1:" },
};

START_TEST(test_mistakes)
{
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };

	ck_assert_int_eq(policy_parse(wrong[_i].text, strlen(wrong[_i].text), "p", &p, &errs), -EINVAL);
	ck_assert_ptr_null(p);
	ck_assert_msg(has_line(&errs, wrong[_i].line), "%s: no line with '%s' but %s", wrong[_i].text,
	    wrong[_i].line, errs.n > 0 ? errs.line[0] : "none");
	conf_errors_free(&errs);
}
END_TEST

/* All mistakes come in one run. */
START_TEST(test_all_at_once)
{
	static const char text[] = "contacts: [{id: a}]\nquiet: {from: x}\nloss: {confidence: 0}\n";
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };

	ck_assert_int_eq(policy_parse(text, sizeof(text) - 1, "p", &p, &errs), -EINVAL);
	ck_assert_uint_ge(errs.n, 3);
	conf_errors_free(&errs);
	errs = (struct conf_errors){ 0 };
	ck_assert_int_eq(policy_load("/nonexistent/policy.yaml", &p, &errs), -EINVAL);
	ck_assert_uint_eq(errs.n, 1);
	conf_errors_free(&errs);
}
END_TEST

static struct wall
at(const char *s)
{
	struct wall t = { 0 };

	ck_assert_int_eq(policy_time_parse(s, &t), 0);
	return t;
}

START_TEST(test_times)
{
	static const char *const bad[] = { "", "2026-01-10", "2026-13-01 00:00", "2026-02-29 00:00",
		"2026-01-10T00:00", "1890-01-01 00:00", "2026-01-10 24:00", "2026-01-10 00:60",
		"2026-01-1a 00:00", "2026-01-10 00:00:00" };
	struct wall t, until;
	struct policy *p = policy_default();
	int m;

	ck_assert_int_eq(at("2000-01-01 08:00").ns, INT64_C(946684800) * NS_PER_S);
	ck_assert_int_eq(at("2024-02-29 00:00").ns, INT64_C(1709136000) * NS_PER_S);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(policy_time_parse(bad[i], &t), -EINVAL);
	ck_assert_int_eq(policy_minute_parse("23:59", &m), 0);
	ck_assert_int_eq(m, 1439);
	ck_assert_int_eq(policy_minute_parse("2x:59", &m), -EINVAL);
	/* 22:00 to 07:00 */
	ck_assert(!policy_is_quiet(p, at("2026-01-15 21:59"), NULL));
	ck_assert(policy_is_quiet(p, at("2026-01-15 22:00"), &until));
	ck_assert_int_eq(until.ns, at("2026-01-16 07:00").ns);
	ck_assert(policy_is_quiet(p, at("2026-01-15 06:59"), &until));
	ck_assert_int_eq(until.ns, at("2026-01-15 07:00").ns);
	ck_assert(!policy_is_quiet(p, at("2026-01-15 07:00"), NULL));
	p->quiet.from_min = 60, p->quiet.to_min = 120;
	ck_assert(policy_is_quiet(p, at("2026-01-15 01:30"), &until));
	ck_assert_int_eq(until.ns, at("2026-01-15 02:00").ns);
	p->quiet.to_min = 60;
	ck_assert(!policy_is_quiet(p, at("2026-01-15 01:00"), NULL));
	policy_free(p);
}
END_TEST

START_TEST(test_windows)
{
	static const char text[] = PEOPLE "planned:\n"
	    "  - {name: v, from: '2026-01-10 00:00', to: '2026-01-11 00:00', vendor: ayun}\n"
	    "  - {name: l, from: '2026-01-12 00:00', to: '2026-01-13 00:00', agent: a1, links: [gw, db]}\n";
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };

	ck_assert_int_eq(policy_parse(text, sizeof(text) - 1, "p", &p, &errs), 0);
	ck_assert_ptr_nonnull(policy_window_at(&p->planned, at("2026-01-10 00:00"), "ayun", "x", "y"));
	ck_assert_ptr_null(policy_window_at(&p->planned, at("2026-01-10 00:00"), "byun", "x", "y"));
	ck_assert_ptr_null(policy_window_at(&p->planned, at("2026-01-11 00:00"), "ayun", "x", "y"));
	ck_assert_ptr_nonnull(policy_window_at(&p->planned, at("2026-01-12 10:00"), "", "a1", "db"));
	ck_assert_ptr_null(policy_window_at(&p->planned, at("2026-01-12 10:00"), "", "a2", "db"));
	ck_assert_ptr_null(policy_window_at(&p->planned, at("2026-01-12 10:00"), "", "a1", "web"));
	policy_free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, test_sample_is_the_default);
	tcase_add_test(t, test_manual_and_sample_name_every_key);
	tcase_add_test(t, test_contacts_alone_work);
	tcase_add_loop_test(t, test_mistakes, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, test_all_at_once);
	tcase_add_test(t, test_times);
	tcase_add_test(t, test_windows);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
