/*
 * test_schedule.c - when requests leave, on a clock that the test moves.
 */
#include "agent/schedule.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define WALL (INT64_C(1760000000) * S)	/* a multiple of every step in use here */

static struct schedule *sched;

struct seen { unsigned send, skip, missed, close; int64_t first_ns, last_ns; };

/* All that is due up to until_ns, at the very moment that it is due. */
static struct seen
run(struct schedule *s, int64_t until_ns, int64_t wall_ns)
{
	struct schedule_action a;
	struct seen seen = { .first_ns = -1 };

	while (schedule_due(s).ns <= until_ns) {
		struct mono now = schedule_due(s);

		ck_assert(schedule_next(s, now, 0, wall_ns, &a));
		ck_assert_int_ge(a.late_ns, 0);
		ck_assert_int_le(a.late_ns, a.what == SCHEDULE_CLOSE ? SCHEDULE_CLOSE_SLACK_NS : 0);
		switch (a.what) {
		case SCHEDULE_SEND:
			seen.send++;
			if (seen.first_ns < 0)
				seen.first_ns = now.ns;
			seen.last_ns = now.ns;
			break;
		case SCHEDULE_SKIP:
			seen.skip++;
			break;
		case SCHEDULE_MISSED:
			seen.missed++;
			break;
		case SCHEDULE_CLOSE:
			seen.close++;
			break;
		}
	}
	return seen;
}

static void
add(struct schedule_entry *e, int64_t step, uint32_t count, int64_t timeout, double phase,
    int64_t now, int64_t wall)
{
	if (sched == NULL)
		sched = schedule_new();
	schedule_add(sched, e, NULL, step, count, timeout, phase, (struct mono){ now }, wall);
}

START_TEST(test_empty)
{
	struct schedule *s = schedule_new();
	struct schedule_action a;

	ck_assert_int_eq(schedule_due(s).ns, INT64_MAX);
	ck_assert(!schedule_next(s, (struct mono){ INT64_MAX }, 0, 0, &a));
	schedule_free(s);
	schedule_free(NULL);
}
END_TEST

START_TEST(test_begins_on_a_multiple)
{
	struct schedule_entry e;
	struct schedule_action a;

	add(&e, 10 * S, 10, S, 0.5, 3 * S, WALL);	/* wall: 3 s past a multiple */
	ck_assert_int_eq(schedule_due(sched).ns, 10 * S + 500 * MS);
	ck_assert(!schedule_next(sched, (struct mono){ 10 * S }, 0, WALL, &a));
	ck_assert(schedule_next(sched, schedule_due(sched), 0, WALL, &a));
	ck_assert_int_eq(a.what, SCHEDULE_SEND);
	ck_assert_uint_eq(a.packet, 0);
	ck_assert_int_eq(a.start_wall_ns, WALL + 10 * S);
	ck_assert_ptr_eq(a.entry, &e);
	schedule_free(sched);
}
END_TEST

START_TEST(test_evenly_spread)
{
	struct schedule_entry e;
	struct schedule_action a;
	int64_t before = -1;

	add(&e, 10 * S, 10, S, 0.25, 0, WALL);
	for (unsigned i = 0; i < 1000; i++) {
		struct mono now = schedule_due(sched);

		ck_assert(schedule_next(sched, now, 0, WALL, &a));
		if (a.what != SCHEDULE_SEND)
			continue;
		if (before >= 0)
			ck_assert_int_eq(now.ns - before, S);
		before = now.ns;
		ck_assert_int_eq(now.ns % S, 250 * MS);
		ck_assert_int_eq(a.start_wall_ns % (10 * S), 0);
	}
	schedule_free(sched);
}
END_TEST

START_TEST(test_closes_a_timeout_after_the_last)
{
	struct schedule_entry e;
	struct schedule_action a = { 0 };

	add(&e, 10 * S, 5, 2 * S, 0, 0, WALL);
	while (a.what != SCHEDULE_CLOSE) {
		struct mono now = schedule_due(sched);

		ck_assert(schedule_next(sched, now, 0, WALL, &a));
		if (a.what == SCHEDULE_CLOSE)
			ck_assert_int_eq(now.ns - a.late_ns, 8 * S + 2 * S);
	}
	ck_assert_uint_eq(a.step, 0);
	schedule_free(sched);
}
END_TEST

/* Every step closes once, in order, and never are more than two open. */
START_TEST(test_two_open_at_most)
{
	static const struct { int64_t step, timeout; uint32_t count; double phase; } kind[] = {
		{ 1 * S, 1 * S, 1, 0.999 }, { 1 * S, 1 * S, 1000, 0.999 }, { 10 * S, 10 * S, 20, 0 },
		{ 300 * S, 300 * S, 1, 0.5 }, { 1 * S, 10 * MS, 1, 0 },
	};

	for (unsigned k = 0; k < sizeof kind / sizeof kind[0]; k++) {
		struct schedule_entry e;
		struct schedule_action a;
		uint64_t begun = 0, closed = 0;
		int64_t wall = WALL + 123 * MS;

		add(&e, kind[k].step, kind[k].count, kind[k].timeout, kind[k].phase, 0, wall);
		for (unsigned i = 0; i < 20000; i++) {
			/* the wall clock runs away: steps are being steered all the time */
			wall += kind[k].step / 5000;
			ck_assert(schedule_next(sched, schedule_due(sched), 0, wall, &a));
			if (a.what == SCHEDULE_SEND && a.packet == 0) {
				ck_assert_uint_eq(a.step, begun);
				begun++;
				ck_assert_uint_le(begun - closed, 2);
			} else if (a.what == SCHEDULE_CLOSE) {
				ck_assert_uint_eq(a.step, closed);
				closed++;
			}
		}
		ck_assert_uint_gt(closed, 5);
		schedule_free(sched);
		sched = NULL;
	}
}
END_TEST

START_TEST(test_a_dead_link_delays_nobody)
{
	struct schedule_entry e[50];
	struct seen seen;

	for (unsigned i = 0; i < 50; i++)
		add(&e[i], (1 + i % 5) * S, 1 + i % 7, S, i / 50.0, 0, WALL);
	seen = run(sched, 60 * S, WALL);	/* each on time: late_ns is 0 in run() */
	ck_assert_uint_gt(seen.send, 50 * 12);
	ck_assert_uint_eq(seen.skip + seen.missed, 0);
	for (unsigned i = 0; i < 50; i += 2)
		schedule_remove(sched, &e[i]);
	seen = run(sched, 120 * S, WALL);
	ck_assert_uint_gt(seen.send, 25 * 12);
	for (unsigned i = 1; i < 50; i += 2)
		schedule_remove(sched, &e[i]);
	ck_assert_int_eq(schedule_due(sched).ns, INT64_MAX);
	schedule_free(sched);
}
END_TEST

START_TEST(test_late_and_too_late)
{
	struct schedule_entry e;
	struct schedule_action a;

	add(&e, 10 * S, 10, S, 0, 0, WALL);
	ck_assert_int_eq(schedule_tolerance(&e), 100 * MS);
	ck_assert(schedule_next(sched, (struct mono){ 900 * MS }, 0, WALL, &a));
	ck_assert_int_eq(a.what, SCHEDULE_SEND);
	ck_assert_int_eq(a.late_ns, 900 * MS);
	/* request 1 was due at 1 s, 2 at 2 s: at 2.1 s the first is a whole slot late */
	ck_assert(schedule_next(sched, (struct mono){ 2100 * MS }, 0, WALL, &a));
	ck_assert_int_eq(a.what, SCHEDULE_SKIP);
	ck_assert_uint_eq(a.packet, 1);
	ck_assert(schedule_next(sched, (struct mono){ 2100 * MS }, 0, WALL, &a));
	ck_assert_int_eq(a.what, SCHEDULE_SEND);
	ck_assert_uint_eq(a.packet, 2);
	ck_assert(!schedule_next(sched, (struct mono){ 2100 * MS }, 0, WALL, &a));
	schedule_free(sched);
}
END_TEST

/* Stopped for 60 s in the middle of a step of 1 s. */
START_TEST(test_slept)
{
	struct schedule_entry e;
	struct schedule_action a;
	struct mono wake = { 100 * S + 550 * MS };
	unsigned skip = 0, missed = 0, close = 0, send = 0;
	uint64_t step = 40;

	add(&e, S, 10, S, 0, 0, WALL);
	run(sched, 40 * S + 350 * MS, WALL);	/* requests 0 to 3 of step 40 are out */
	while (schedule_next(sched, wake, 0, WALL, &a)) {
		switch (a.what) {
		case SCHEDULE_SKIP:
			skip++;
			break;
		case SCHEDULE_MISSED:
			missed++;
			ck_assert_uint_eq(close, 2);	/* in order: 39 and 40 are told already */
			ck_assert_uint_eq(a.step, ++step);
			ck_assert_int_eq(a.start_wall_ns, WALL + (int64_t)step * S);
			break;
		case SCHEDULE_CLOSE:
			close++;
			break;
		case SCHEDULE_SEND:
			send++;
			ck_assert_int_lt(a.late_ns, 100 * MS);
		}
	}
	ck_assert_uint_eq(close, 2);		/* 39 and 40 */
	ck_assert_uint_eq(missed, 59);		/* 41 to 99 */
	ck_assert_uint_eq(skip, 6 + 5);		/* of 40, of 100 */
	ck_assert_uint_eq(send, 1);
	ck_assert_int_ge(schedule_due(sched).ns, wake.ns);
	schedule_free(sched);
}
END_TEST

START_TEST(test_slept_for_a_day)
{
	struct schedule_entry e;
	struct schedule_action a;
	struct mono wake = { 86400 * S };
	unsigned missed = 0, all = 0;

	add(&e, S, 1, 500 * MS, 0.5, 0, WALL);
	while (schedule_next(sched, wake, 0, WALL, &a)) {
		missed += a.what == SCHEDULE_MISSED;
		all++;
	}
	ck_assert_uint_ge(missed, SCHEDULE_MISSED_MAX - 1);
	ck_assert_uint_le(all, SCHEDULE_MISSED_MAX + 3);
	ck_assert_int_gt(schedule_due(sched).ns, wake.ns);
	ck_assert_int_le(schedule_due(sched).ns, wake.ns + S);
	schedule_free(sched);
}
END_TEST

/* A jump of the wall clock moves stamps; no interval changes by more than a two-hundredth. */
START_TEST(test_wall_clock_jumps)
{
	static const int64_t jump[] = { 3600 * S, -3600 * S, 370 * MS, -4 * S, 86400 * 365 * S };

	for (unsigned k = 0; k < sizeof jump / sizeof jump[0]; k++) {
		struct schedule_entry e;
		struct schedule_action a;
		int64_t before = -1, wall = WALL;
		bool aligned = false;

		add(&e, 10 * S, 1, S, 0.3, 0, wall);
		for (unsigned i = 0; i < 800; i++) {
			struct mono now = schedule_due(sched);

			if (i == 100)
				wall += jump[k];
			ck_assert(schedule_next(sched, now, 0, wall, &a));
			if (a.what != SCHEDULE_SEND)
				continue;
			if (before >= 0)
				ck_assert_int_le(llabs(now.ns - before - 10 * S), 50 * MS);
			before = now.ns;
			aligned = a.start_wall_ns % (10 * S) == 0;
		}
		ck_assert_msg(aligned, "after a jump of %lld s", (long long)(jump[k] / S));
		schedule_free(sched);
		sched = NULL;
	}
}
END_TEST

/* A hundred links of ten requests a second in all fall on four moments a second. */
START_TEST(test_grid)
{
	int64_t offset = 123 * MS + 456789;
	bool seen[40] = { false };
	unsigned points = 0;

	for (unsigned i = 0; i < 1000; i++) {
		double phase = schedule_phase(10 * S, 10 * 1000, offset, i / 1000.0);
		int64_t ns = (int64_t)(phase * 10e9 + 0.5);

		ck_assert(phase >= 0 && phase < 1);
		ck_assert_int_eq(ns % (250 * MS), offset % (250 * MS));
		seen[ns / (250 * MS)] = true;
	}
	for (unsigned i = 0; i < 40; i++)
		points += seen[i];
	ck_assert_uint_eq(points, 40);		/* and use all of them */
	/* 1,000 a second: 10 ms; a slot that no grid fits, or one alone: anywhere */
	ck_assert_int_eq((int64_t)(schedule_phase(S, 1000 * 1000, 0, 0.777) * 1e9 + 0.5), 770 * MS);
	ck_assert_double_eq(schedule_phase(333 * MS, 1000, 0, 0.777), 0.777);
	ck_assert_double_eq(schedule_phase(MS, 1000 * 1000, 0, 0.777), 0.777);
	ck_assert_double_eq(schedule_phase(S, 1000 * 1000 * 1000, 0, 0.777), 0.777);
	ck_assert(schedule_phase(S, 0, 999 * MS, 0.999999) < 1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_empty, test_begins_on_a_multiple, test_evenly_spread,
		test_closes_a_timeout_after_the_last, test_two_open_at_most,
		test_a_dead_link_delays_nobody, test_late_and_too_late, test_slept,
		test_slept_for_a_day, test_wall_clock_jumps, test_grid, NULL,
	};

	return run_suite("schedule", tests);
}
