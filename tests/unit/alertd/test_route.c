/*
 * test_route.c - who is told, by which channel, and how often.
 */
#include "alertd/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/alertd/suite.h"

#define NOW (INT64_C(1768437060) * NS_PER_S)

static struct policy *
policy_of(const char *text)
{
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };

	ck_assert_int_eq(policy_parse(text, strlen(text), "p", &p, &errs), 0);
	conf_errors_free(&errs);
	return p;
}

/* "sms:duty>mail mail:duty" */
static const char *
told(const struct route_target *t, size_t n)
{
	static char buf[1024];

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s%s:%s%s%s",
		    i > 0 ? " " : "", t[i].channel, t[i].contact->id,
		    t[i].fallback != NULL ? ">" : "", t[i].fallback != NULL ? t[i].fallback : "");
	return buf;
}

static const char *
select_for(const struct policy *p, const char *vendor, unsigned grade, enum anomaly_kind kind,
    const struct channels_down *down)
{
	static struct route_target t[ROUTE_TARGETS];
	struct incident *inc = xcalloc(1, sizeof(*inc));
	const char *s;

	strcpy(inc->vendor, vendor);
	inc->grade = (uint8_t)grade;
	inc->kind = kind;
	s = told(t, route_select(p, inc, down, t, ROUTE_TARGETS));
	free(inc);
	return s;
}

static const char people[] =
    "contacts:\n"
    "  - {id: duty, phone: '111', mail: d@x}\n"
    "  - {id: av, phone: '222', role: vendor, vendor: ayun}\n"
    "  - {id: bv, mail: b@x, role: vendor, vendor: byun}\n"
    "  - {id: boss, phone: '333', mail: c@x, role: boss}\n"
    "routes:\n"
    "  - {grade: 3, roles: [duty, vendor], channels: [sms, mail], fallback: [mail, sms]}\n"
    "  - {grade: 1, contacts: [boss, duty], channels: [sms]}\n"
    "  - {grade: 4, kind: self, roles: [boss], channels: [mail]}\n";

START_TEST(test_select)
{
	struct policy *p = policy_of(people);

	ck_assert_str_eq(select_for(p, "ayun", 3, ANOMALY_DOWN, NULL),
	    "sms:duty>mail mail:duty>sms sms:av");
	ck_assert_str_eq(select_for(p, "byun", 3, ANOMALY_DOWN, NULL),
	    "sms:duty>mail mail:duty>sms mail:bv");
	ck_assert_str_eq(select_for(p, "byun", 1, ANOMALY_DOWN, NULL),
	    "sms:duty>mail mail:duty>sms mail:bv sms:boss");
	ck_assert_str_eq(select_for(p, "", 4, ANOMALY_SELF, NULL), "mail:boss");
	/* No route fits: duty; and never somebody of another vendor. */
	ck_assert_str_eq(select_for(p, "ayun", 4, ANOMALY_DOWN, NULL), "sms:duty>mail mail:duty>sms");
	policy_free(p);
	p = policy_of("contacts: [{id: a, phone: '111', role: x}, {id: b, phone: '222', role: y, vendor: v}]\n");
	ck_assert_str_eq(select_for(p, "w", 1, ANOMALY_DOWN, NULL), "sms:a");
	ck_assert_str_eq(select_for(p, "v", 1, ANOMALY_DOWN, NULL), "sms:a sms:b");
	policy_free(p);
	p = policy_default();
	ck_assert_str_eq(select_for(p, "w", 1, ANOMALY_DOWN, NULL), "");
	policy_free(p);
}
END_TEST

START_TEST(test_channel_down)
{
	struct policy *p = policy_of(people);
	struct channels_down down = { .name = { "", "sms" } };

	/* The message goes by mail; once, though mail was wanted too. */
	ck_assert_str_eq(select_for(p, "ayun", 3, ANOMALY_DOWN, &down), "mail:duty>sms sms:av");
	policy_free(p);
}
END_TEST

START_TEST(test_step)
{
	struct policy *p = policy_of("contacts: [{id: lead, phone: '111', role: vendor-lead, vendor: ayun},"
	    " {id: x, phone: '222'}]\n");
	struct incident *inc = xcalloc(1, sizeof(*inc));
	struct route_target t[ROUTE_TARGETS];
	const struct policy_step *s = p->escalation.v;

	strcpy(inc->vendor, "ayun");
	ck_assert_str_eq(told(t, route_step(p, &s[0], inc, NULL, t, ROUTE_TARGETS)), "sms:lead");
	strcpy(inc->vendor, "byun");
	ck_assert_uint_eq(route_step(p, &s[0], inc, NULL, t, ROUTE_TARGETS), 0);
	free(inc);
	policy_free(p);
}
END_TEST

/* Never more than the limits say, whatever the spacing; the reserve stays for the grave. */
START_TEST(test_budget)
{
	struct policy *p = policy_default();
	struct budget b = { 0 };
	int64_t sent[400];
	size_t n = 0;

	for (int64_t t = 0; t < 2 * 86400; t += 7)
		if (budget_next(&b, p, 3, NOW + t * NS_PER_S) <= NOW + t * NS_PER_S && n < 400) {
			budget_take(&b, NOW + t * NS_PER_S);
			sent[n++] = t;
		}
	ck_assert_uint_gt(n, 40);
	for (size_t i = 0; i < n; i++) {
		size_t minute = 0, hour = 0, day = 0;

		for (size_t k = 0; k <= i; k++) {
			minute += sent[i] - sent[k] < 60;
			hour += sent[i] - sent[k] < 3600;
			day += sent[i] - sent[k] < 86400;
		}
		ck_assert_uint_le(minute, 2);
		ck_assert_uint_le(hour, 5);
		ck_assert_uint_le(day, 25);
	}
	/* Just now the lower grades have used up theirs; a grave one still goes. */
	b = (struct budget){ 0 };
	budget_take(&b, NOW);
	budget_take(&b, NOW);
	ck_assert_int_gt(budget_next(&b, p, 4, NOW), NOW);
	ck_assert_int_eq(budget_next(&b, p, 1, NOW), NOW);
	budget_take(&b, NOW);
	ck_assert_int_eq(budget_next(&b, p, 1, NOW), NOW / NS_PER_S * NS_PER_S + 60 * NS_PER_S);
	policy_free(p);
}
END_TEST

RUN_SUITE("route", test_select, test_channel_down, test_step, test_budget)
