/*
 * test_escalate.c - what falls due, and what stops it.
 */
#include "alertd/escalate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/alertd/suite.h"

#define NOW (INT64_C(1768437060) * NS_PER_S)
#define MIN (60 * NS_PER_S)

static struct wall
after(int64_t minutes)
{
	return (struct wall){ NOW + minutes * MIN };
}

static struct incident *
opened(const struct policy *p, unsigned grade)
{
	struct incident *i = xcalloc(1, sizeof(*i));

	i->state = INC_OPEN;
	i->grade = (uint8_t)grade;
	i->opened.ns = i->raise_base.ns = i->outage_start.ns = NOW;
	escalate_limit(p, i);
	escalate_start(p, i, after(0));
	return i;
}

/* Runs a day minute by minute; "S0@10 R@10 ..." */
static const char *
play(const struct policy *p, struct incident *i, int64_t ack_at, int64_t until)
{
	static char buf[2048];
	static const char *const names[] = { "", "lapse", "raise", "overdue", "S", "R", "P" };
	unsigned step = 0;
	bool unrecovered;
	enum due d;

	buf[0] = '\0';
	for (int64_t m = 0; m <= until; m++) {
		if (m == ack_at) {
			i->state = INC_HANDLING;
			escalate_acked(p, i, after(m));
		}
		while ((d = escalate_due(p, i, after(m), &step, &unrecovered)) != DUE_NOTHING) {
			snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s%s@%d ", names[d],
			    d != DUE_STEP ? "" : (char[]){ (char)('0' + step), unrecovered ? 'u' : 0, 0 },
			    (int)m);
			if (d == DUE_LAPSE || d == DUE_RAISE)
				return buf;
			escalate_done(p, i, after(m), d, step);
		}
	}
	return buf;
}

START_TEST(test_nobody_acknowledges)
{
	struct policy *p = policy_default();
	struct incident *i = opened(p, 1);

	ck_assert_int_eq(i->ack_due.ns, NOW + 10 * MIN);
	ck_assert_str_eq(play(p, i, -1, 600),
	    "S0@10 R@10 S1@15 R@20 S2@30 S3@30 R@30 R@40 R@50 S4@60 R@60 overdue@120 ");
	ck_assert_int_eq(i->escalation, 5);
	free(i);
	i = opened(p, 2);
	ck_assert_str_eq(play(p, i, -1, 600),
	    "S0@15 R@15 S1@30 R@30 R@45 S2@60 R@60 R@75 R@90 S3@120 raise@240 ");
	free(i);
	i = opened(p, 4);
	ck_assert_str_eq(play(p, i, -1, 600), "");
	free(i);
	policy_free(p);
}
END_TEST

START_TEST(test_ack_stops)
{
	struct policy *p = policy_default();
	struct incident *i = opened(p, 1);

	ck_assert_str_eq(play(p, i, 12, 100), "S0@10 R@10 P@42 P@72 ");
	free(i);
	i = opened(p, 2);
	i->grade = 2;
	ck_assert_str_eq(play(p, i, 1, 239), "P@61 P@121 P@181 ");
	ck_assert_int_eq(i->ack_due.ns, 0);
	escalate_stop(i);
	ck_assert_int_eq(i->next_reminder.ns, 0);
	free(i);
	policy_free(p);
}
END_TEST

START_TEST(test_lapse)
{
	struct policy *p = policy_default();
	struct incident *i = opened(p, 1);

	i->eta = after(30);
	ck_assert_str_eq(play(p, i, 1, 100), "P@31 lapse@60 ");
	p->life.lapse = 0;
	i->eta = after(30);
	ck_assert_str_eq(play(p, i, 1, 29), "");
	free(i);
	policy_free(p);
}
END_TEST

START_TEST(test_quiet_when_over)
{
	struct policy *p = policy_default();
	struct incident *i = opened(p, 1);

	i->clean_since = after(1);	/* in the recovery hold */
	ck_assert_str_eq(play(p, i, -1, 300), "");
	i->clean_since.ns = 0;
	i->state = INC_RECOVERED;
	ck_assert_str_eq(play(p, i, -1, 300), "");
	i->state = INC_OPEN;
	i->announce_at = after(1000);	/* not told yet: no reminders of what nobody knows */
	ck_assert_str_eq(play(p, i, -1, 300), "overdue@120 ");
	free(i);
	policy_free(p);
}
END_TEST

RUN_SUITE("escalate", test_nobody_acknowledges, test_ack_stops, test_lapse, test_quiet_when_over)
