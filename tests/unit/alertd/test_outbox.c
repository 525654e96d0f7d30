/*
 * test_outbox.c - what is tried next, on a clock that the test moves.
 */
#include "alertd/outbox.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define S NS_PER_S
#define T0 (INT64_C(1768437067) * S)

static const struct outbox_conf limits = {
	.retry_first_ns = 5 * S, .retry_max_ns = 300 * S, .tries_before_fallback = 3,
	.dead_after_ns = 60 * S, .give_up_ns = 86400 * S,
};

static struct rng_seed seed;
static struct outbox *ob;
static struct wall now;

static void
setup(void)
{
	now.ns = T0;
	ob = outbox_new(&limits, rng_seeded(&seed, 7));
	outbox_channel_set(ob, "sms", 4);
	outbox_channel_set(ob, "mail", 4);
}

static void
teardown(void)
{
	outbox_free(ob);
}

static struct outbox_message
message(uint64_t id, uint64_t incident, const char *event)
{
	static char key[64];

	snprintf(key, sizeof key, "%d/%s/%d", (int)incident, event, (int)id);
	return (struct outbox_message){ .id = id, .incident = incident, .key = key,
		.event = (char *)event, .recipient = "duty", .channel = "sms",
		.address = "13800138000", .lang = "zh", .subject = "", .body = "text",
		.decided = now, .state = OUTBOX_PENDING, .next_at = now };
}

static void
add(uint64_t id, uint64_t incident, const char *event)
{
	struct outbox_message m = message(id, incident, event);

	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
}

static void
add_with_fallback(uint64_t id, uint64_t incident, const char *event)
{
	struct outbox_message m = message(id, incident, event);

	m.fallback = "mail";
	m.fallback_address = "duty@example.com";
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
}

/* The next action but saves of rows; 0: idle. */
static uint64_t
next_send(void)
{
	struct outbox_action a;

	while ((a = outbox_next(ob, now)).verb == OUTBOX_SAVE)
		;
	return a.verb == OUTBOX_SEND ? a.message->id : 0;
}

static struct outbox_message
next_save(void)
{
	struct outbox_action a = outbox_next(ob, now);

	ck_assert_int_eq(a.verb, OUTBOX_SAVE);
	return *a.message;	/* its strings must not be read later */
}

static void
outcome(uint64_t id, enum outbox_outcome how)
{
	ck_assert_int_eq(outbox_outcome(ob, id, how, outbox_outcome_name(how), now), 0);
}

/* Retries planned by a clock that ran a year ahead do not wait for a year. */
START_TEST(restored_from_the_future)
{
	struct outbox_message m = message(1, 17, "open"), quiet = message(2, 18, "open");

	m.next_at.ns = now.ns + INT64_C(31536000) * NS_PER_S;
	m.failures = 2;
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	quiet.not_before.ns = quiet.next_at.ns = now.ns + INT64_C(36000) * NS_PER_S;
	ck_assert_int_eq(outbox_add(ob, &quiet, now), 0);
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 0);	/* what must wait, waits */
	now = quiet.not_before;
	ck_assert_uint_eq(next_send(), 2);
}
END_TEST

START_TEST(sent_at_once)
{
	struct outbox_message m;

	add(1, 17, "open");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 0);
	ck_assert_int_eq(outbox_find(ob, 1)->state, OUTBOX_SENDING);
	outcome(1, OUTCOME_SENT);
	m = next_save();
	ck_assert_int_eq(m.state, OUTBOX_SENT);
	ck_assert_int_eq(m.sent.ns, now.ns);
	ck_assert_uint_eq(m.attempts, 1);
	ck_assert(!m.repeat);
	ck_assert_uint_eq(next_send(), 0);
	ck_assert_ptr_null(outbox_find(ob, 1));
	ck_assert_int_eq(outbox_wake(ob).ns, INT64_MAX);
}
END_TEST

START_TEST(same_id_refused)
{
	struct outbox_message m;

	add(1, 17, "open");
	m = message(1, 18, "open");
	ck_assert_int_eq(outbox_add(ob, &m, now), -EEXIST);
}
END_TEST

/* Recovery waits for the alarm on the same channel and recipient, others do not. */
START_TEST(order_in_a_lane)
{
	struct outbox_message other;

	add(1, 17, "open");
	add(2, 17, "recover");
	other = message(3, 17, "recover");
	other.recipient = "boss";
	ck_assert_int_eq(outbox_add(ob, &other, now), 0);
	add(4, 18, "open");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 3);
	ck_assert_uint_eq(next_send(), 4);
	ck_assert_uint_eq(next_send(), 0);
	outcome(1, OUTCOME_RETRY);
	ck_assert_uint_eq(next_send(), 0);	/* 1 waits, and 2 behind it */
	now.ns += 7 * S;
	ck_assert_uint_eq(next_send(), 1);
	outcome(1, OUTCOME_SENT);
	ck_assert_uint_eq(next_send(), 2);
}
END_TEST

/* Messages about the monitor itself have no order among them. */
START_TEST(no_lane_without_incident)
{
	add(1, 0, "open");
	add(2, 0, "open");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 2);
}
END_TEST

START_TEST(backoff_doubles_with_jitter)
{
	int64_t expect = 5 * S;

	add(1, 17, "open");
	for (int i = 0; i < 12; i++) {
		int64_t wait;
		ck_assert_uint_eq(next_send(), 1);
		outcome(1, OUTCOME_RETRY);
		ck_assert_uint_eq(next_send(), 0);
		wait = outbox_find(ob, 1)->next_at.ns - now.ns;
		ck_assert_msg(wait >= expect * 8 / 10 && wait <= expect * 12 / 10,
		    "try %d: %ld s", i, (long)(wait / S));
		now = outbox_wake(ob);	/* the message's time, or the dead channel's if later */
		ck_assert_int_ge(now.ns, outbox_find(ob, 1)->next_at.ns);
		expect = expect * 2 < 300 * S ? expect * 2 : 300 * S;
	}
}
END_TEST

START_TEST(falls_back_after_three_tries)
{
	struct outbox_action a;

	add_with_fallback(1, 17, "open");
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(next_send(), 1);
		outcome(1, OUTCOME_RETRY);
		now.ns += 30 * S;
	}
	a = outbox_next(ob, now);
	ck_assert_int_eq(a.verb, OUTBOX_SAVE);
	ck_assert_str_eq(a.message->channel, "mail");
	ck_assert_str_eq(a.message->address, "duty@example.com");
	ck_assert_ptr_null(a.message->fallback);
	ck_assert_uint_eq(next_send(), 1);
	outcome(1, OUTCOME_SENT);
	ck_assert_int_eq(next_save().state, OUTBOX_SENT);
}
END_TEST

START_TEST(refusal_falls_back_at_once_or_fails)
{
	add_with_fallback(1, 17, "open");
	add(2, 18, "open");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 2);
	outcome(1, OUTCOME_REFUSED);
	outcome(2, OUTCOME_REFUSED);
	ck_assert_uint_eq(next_send(), 1);	/* by mail now */
	ck_assert_str_eq(outbox_find(ob, 1)->channel, "mail");
	ck_assert_int_eq(next_save().state, OUTBOX_FAILED);
	ck_assert_int_eq(outbox_next(ob, now).verb, OUTBOX_IDLE);
	ck_assert_ptr_null(outbox_find(ob, 2));
}
END_TEST

START_TEST(no_fallback_without_address)
{
	struct outbox_message m = message(1, 17, "open");

	m.fallback = "mail";
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(next_send(), 1);
		outcome(1, OUTCOME_RETRY);
		now.ns += 200 * S;
	}
	ck_assert_str_eq(outbox_find(ob, 1)->channel, "sms");
}
END_TEST

/* An intent without an outcome from an earlier life. */
START_TEST(unknown_after_a_crash)
{
	struct outbox_message m = message(1, 17, "open");
	struct outbox_action a;

	m.state = OUTBOX_SENDING;
	m.attempts = 1;
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	a = outbox_next(ob, now);
	ck_assert_int_eq(a.verb, OUTBOX_SAVE);
	ck_assert_int_eq(a.message->state, OUTBOX_UNKNOWN);
	a = outbox_next(ob, now);
	ck_assert_int_eq(a.verb, OUTBOX_SEND);
	ck_assert(a.message->repeat);
	ck_assert_uint_eq(a.message->attempts, 2);
}
END_TEST

START_TEST(lost_answer_is_a_repeat)
{
	add(1, 17, "open");
	ck_assert_uint_eq(next_send(), 1);
	outcome(1, OUTCOME_UNKNOWN);
	ck_assert_int_eq(next_save().state, OUTBOX_UNKNOWN);
	now.ns += 10 * S;
	ck_assert_uint_eq(next_send(), 1);
	ck_assert(outbox_find(ob, 1)->repeat);
	outcome(1, OUTCOME_RETRY);
	now.ns += 20 * S;
	ck_assert_uint_eq(next_send(), 1);
	ck_assert(outbox_find(ob, 1)->repeat);	/* for ever */
}
END_TEST

START_TEST(expiry_and_giving_up)
{
	struct outbox_message m = message(1, 17, "remind");

	m.expires.ns = now.ns + 60 * S;
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	add(2, 18, "open");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 2);
	outcome(1, OUTCOME_RETRY);
	outcome(2, OUTCOME_RETRY);
	ck_assert_uint_eq(next_send(), 0);
	now.ns = T0 + 60 * S;
	ck_assert_int_eq(next_save().state, OUTBOX_EXPIRED);
	now.ns = T0 + 86400 * S;
	ck_assert_int_eq(next_save().state, OUTBOX_FAILED);
	ck_assert_int_eq(outbox_next(ob, now).verb, OUTBOX_IDLE);
}
END_TEST

/* Expired or not: what is under way stays under way. */
START_TEST(expiry_waits_for_the_outcome)
{
	struct outbox_message m = message(1, 17, "open");

	m.expires.ns = now.ns + 60 * S;
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	ck_assert_uint_eq(next_send(), 1);
	now.ns += 90 * S;
	ck_assert_uint_eq(next_send(), 0);
	outcome(1, OUTCOME_SENT);
	ck_assert_int_eq(next_save().state, OUTBOX_SENT);
}
END_TEST

START_TEST(not_before)
{
	struct outbox_message m = message(1, 17, "open");

	m.not_before.ns = now.ns + 3600 * S;
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	ck_assert_uint_eq(next_send(), 0);
	ck_assert_int_eq(outbox_wake(ob).ns, T0 + 3600 * S);
	now.ns += 3600 * S;
	ck_assert_uint_eq(next_send(), 1);
}
END_TEST

START_TEST(stop_takes_back_reminders_only)
{
	add(1, 17, "open");
	add(2, 17, "remind");
	add(3, 17, "escalate");
	add(4, 17, "recover");
	add(5, 18, "remind");
	ck_assert_uint_eq(next_send(), 1);
	ck_assert_uint_eq(next_send(), 5);
	outbox_stop(ob, 17, now);
	ck_assert_int_eq(next_save().state, OUTBOX_STOPPED);
	ck_assert_int_eq(next_save().state, OUTBOX_STOPPED);
	outcome(1, OUTCOME_SENT);
	ck_assert_uint_eq(next_send(), 4);
}
END_TEST

START_TEST(parallel_is_a_limit)
{
	for (uint64_t i = 1; i <= 10; i++)
		add(i, i, "open");
	for (uint64_t i = 1; i <= 4; i++)
		ck_assert_uint_eq(next_send(), i);
	ck_assert_uint_eq(next_send(), 0);
	outcome(2, OUTCOME_SENT);
	ck_assert_uint_eq(next_send(), 5);
	ck_assert_uint_eq(next_send(), 0);
}
END_TEST

static bool dead;

static void
note_dead(void *arg, const struct outbox_channel *c)
{
	(void)arg;
	if (c->name[0] == 's')
		dead = c->dead;
}

/* A dead channel: one probe at a time; who has a fallback does not wait. */
START_TEST(dead_channel)
{
	add(1, 17, "open");
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(next_send(), 1);
		outcome(1, OUTCOME_RETRY);
		next_save();
		now = outbox_wake(ob);
	}
	outbox_each_channel(ob, note_dead, NULL);
	ck_assert(dead);
	add(2, 18, "open");
	ck_assert_uint_eq(next_send(), 1);	/* the probe */
	ck_assert_uint_eq(next_send(), 0);	/* 2 waits for its end */
	add_with_fallback(3, 19, "open");
	ck_assert_uint_eq(next_send(), 3);
	ck_assert_str_eq(outbox_find(ob, 3)->channel, "mail");
	outcome(1, OUTCOME_SENT);
	outbox_each_channel(ob, note_dead, NULL);
	ck_assert(!dead);
	ck_assert_uint_eq(next_send(), 2);
}
END_TEST

START_TEST(dies_by_the_passing_of_time)
{
	add_with_fallback(1, 17, "open");
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(next_send(), 1);
		outcome(1, OUTCOME_RETRY);
		if (i < 2)
			now = outbox_find(ob, 1)->next_at;
	}
	ck_assert(!outbox_judge(ob, now));
	now.ns = T0 + 61 * S;
	ck_assert(outbox_judge(ob, now));
	ck_assert(!outbox_judge(ob, now));
	/* a refusal is an answer: it lives */
	now.ns += 600 * S;
	add(2, 18, "open");
	ck_assert_uint_eq(next_send(), 1);	/* on mail */
	ck_assert_uint_eq(next_send(), 2);
	outcome(2, OUTCOME_REFUSED);
	outbox_each_channel(ob, note_dead, NULL);
	ck_assert(!dead);
}
END_TEST

/* A message by mail that could go by SMS. */
static void
add_by_mail(uint64_t id, uint64_t incident, const char *event)
{
	struct outbox_message m = message(id, incident, event);

	m.channel = "mail";
	m.address = "duty@example.com";
	m.fallback = "sms";
	m.fallback_address = "13800138000";
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
}

static void
sends_by(uint64_t id, const char *channel)
{
	ck_assert_uint_eq(next_send(), id);
	ck_assert_str_eq(outbox_find(ob, id)->channel, channel);
}

/* Everybody avoids a dead channel: still it is found out that it works again. */
START_TEST(dead_channel_is_tried_again)
{
	add_with_fallback(1, 17, "open");
	for (int i = 0; i < 3; i++) {
		sends_by(1, "sms");
		outcome(1, OUTCOME_RETRY);
		if (i < 2)
			now = outbox_find(ob, 1)->next_at;
	}
	now.ns = T0 + 61 * S;
	ck_assert(outbox_judge(ob, now));
	sends_by(1, "mail");
	outcome(1, OUTCOME_SENT);
	add_by_mail(2, 18, "open");
	now.ns += 600 * S;
	sends_by(2, "mail");			/* an alarm does not wait for a dead channel */
	outcome(2, OUTCOME_SENT);
	add_by_mail(3, 19, "remind");
	add_by_mail(4, 20, "remind");
	sends_by(3, "sms");			/* one that can wait tries it */
	sends_by(4, "mail");
	outcome(4, OUTCOME_SENT);
	outcome(3, OUTCOME_RETRY);
	now = outbox_find(ob, 3)->next_at;
	sends_by(3, "mail");
	outcome(3, OUTCOME_SENT);
	now.ns += 600 * S;
	add_by_mail(5, 21, "recover");
	sends_by(5, "sms");
	outcome(5, OUTCOME_SENT);
	outbox_each_channel(ob, note_dead, NULL);
	ck_assert(!dead);
}
END_TEST

/* The gateway is back: nobody sits out five minutes of back-off. */
START_TEST(success_wakes_the_others)
{
	for (uint64_t i = 1; i <= 3; i++)
		add(i, i, "open");
	for (int round = 0; round < 6; round++) {
		for (uint64_t i = 1; i <= 3; i++)
			if (next_send() == 0)
				break;
		for (uint64_t i = 1; i <= 3; i++)
			if (outbox_find(ob, i)->state == OUTBOX_SENDING)
				outcome(i, OUTCOME_RETRY);
		now.ns += 600 * S;
	}
	ck_assert_uint_eq(next_send(), 1);	/* dead: one probe */
	ck_assert_uint_eq(next_send(), 0);
	outcome(1, OUTCOME_SENT);
	ck_assert_uint_eq(next_send(), 2);
	ck_assert_uint_eq(next_send(), 3);
}
END_TEST

START_TEST(unknown_channel)
{
	struct outbox_message m = message(1, 17, "open");

	m.channel = "pager";
	ck_assert_int_eq(outbox_add(ob, &m, now), 0);
	ck_assert_uint_eq(next_send(), 0);
	outbox_channel_set(ob, "pager", 1);	/* after a reload */
	ck_assert_uint_eq(next_send(), 1);
	outcome(1, OUTCOME_SENT);
	outbox_channel_remove(ob, "sms");
	add_with_fallback(2, 18, "open");
	ck_assert_uint_eq(next_send(), 2);
	ck_assert_str_eq(outbox_find(ob, 2)->channel, "mail");
}
END_TEST

START_TEST(foreign_outcomes_are_ignored)
{
	ck_assert_int_eq(outbox_outcome(ob, 9, OUTCOME_SENT, "", now), -ENOENT);
	add(1, 17, "open");
	ck_assert_int_eq(outbox_outcome(ob, 1, OUTCOME_SENT, "", now), -ENOENT);
	ck_assert_uint_eq(next_send(), 1);
	outcome(1, OUTCOME_SENT);
	ck_assert_int_eq(outbox_outcome(ob, 1, OUTCOME_SENT, "", now), -ENOENT);
}
END_TEST

/*
 * A year of lying gateways: whatever they answer, each message ends, nothing
 * overtakes in a lane, and a message is final only once.
 */
START_TEST(nothing_is_lost)
{
	enum { N = 400 };
	uint64_t last_final[40] = { 0 };
	int final[N + 1] = { 0 };
	struct rng_seed rs;
	struct rng *rng = rng_seeded(&rs, (uint64_t)_i + 1);
	uint64_t next_id = 1, under_way[16];
	size_t n = 0;

	for (int step = 0; step < 40000; step++) {
		struct outbox_action a;
		if (next_id <= N && rng_below(rng, 20) == 0) {
			struct outbox_message m = message(next_id, 1 + rng_below(rng, 30), "open");
			if (rng_below(rng, 2) == 0)
				m.fallback = "mail", m.fallback_address = "a@b";
			ck_assert_int_eq(outbox_add(ob, &m, now), 0);
			next_id++;
		}
		while ((a = outbox_next(ob, now)).verb != OUTBOX_IDLE) {
			const struct outbox_message *m = a.message;
			if (a.verb == OUTBOX_SEND) {
				ck_assert_uint_lt(n, 16);
				under_way[n++] = m->id;
			} else if (m->state >= OUTBOX_SENT) {
				ck_assert_int_eq(final[m->id]++, 0);
				if (m->channel[0] == 's') {
					ck_assert_uint_gt(m->id, last_final[m->incident]);
					last_final[m->incident] = m->id;
				}
			}
		}
		if (n > 0 && rng_below(rng, 3) == 0) {
			size_t i = (size_t)rng_below(rng, n);
			enum outbox_outcome how = (enum outbox_outcome)(1 + rng_below(rng, 4));
			outcome(under_way[i], how);
			under_way[i] = under_way[--n];
		}
		now.ns += (int64_t)rng_below(rng, 20 * S);
	}
	for (uint64_t i = 1; i < next_id; i++)
		ck_assert_msg(final[i] == 1, "message %d never ended", (int)i);
	ck_assert_uint_gt(next_id, N / 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outbox");
	TCase *tc = tcase_create("outbox");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sent_at_once);
	tcase_add_test(tc, restored_from_the_future);
	tcase_add_test(tc, same_id_refused);
	tcase_add_test(tc, order_in_a_lane);
	tcase_add_test(tc, no_lane_without_incident);
	tcase_add_test(tc, backoff_doubles_with_jitter);
	tcase_add_test(tc, falls_back_after_three_tries);
	tcase_add_test(tc, refusal_falls_back_at_once_or_fails);
	tcase_add_test(tc, no_fallback_without_address);
	tcase_add_test(tc, unknown_after_a_crash);
	tcase_add_test(tc, lost_answer_is_a_repeat);
	tcase_add_test(tc, expiry_and_giving_up);
	tcase_add_test(tc, expiry_waits_for_the_outcome);
	tcase_add_test(tc, not_before);
	tcase_add_test(tc, stop_takes_back_reminders_only);
	tcase_add_test(tc, parallel_is_a_limit);
	tcase_add_test(tc, dead_channel);
	tcase_add_test(tc, dead_channel_is_tried_again);
	tcase_add_test(tc, dies_by_the_passing_of_time);
	tcase_add_test(tc, success_wakes_the_others);
	tcase_add_test(tc, unknown_channel);
	tcase_add_test(tc, foreign_outcomes_are_ignored);
	tcase_add_loop_test(tc, nothing_is_lost, 0, 20);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
