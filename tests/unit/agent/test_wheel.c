/*
 * test_wheel.c - deadlines against a plain list of them.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "agent/wheel.h"
#include "suite.h"

#define ITEMS 500

static struct wheel wheel;
static struct wheel_item item[ITEMS];

static struct mono
at(int64_t ns)
{
	return (struct mono){ ns };
}

START_TEST(test_empty)
{
	wheel_init(&wheel, at(5 * NS_PER_S));
	ck_assert_int_eq(wheel_next(&wheel), INT64_MAX);
	ck_assert_ptr_null(wheel_take(&wheel, at(5 * NS_PER_S)));
	ck_assert_ptr_null(wheel_take(&wheel, at(5000 * NS_PER_S)));
}
END_TEST

START_TEST(test_one)
{
	int64_t due = 7 * NS_PER_S + 12345, told;

	wheel_init(&wheel, at(7 * NS_PER_S));
	item[0] = (struct wheel_item){ 0 };
	told = wheel_add(&wheel, &item[0], due);
	ck_assert(told >= due && told <= due + WHEEL_TICK_NS);
	ck_assert_int_eq(wheel_next(&wheel), told);
	ck_assert_ptr_null(wheel_take(&wheel, at(due - 1)));
	ck_assert_ptr_eq(wheel_take(&wheel, at(due)), &item[0]);
	ck_assert_int_eq(wheel_next(&wheel), INT64_MAX);
	wheel_remove(&wheel, &item[0]);	/* in no wheel: nothing */
	/* what is past already comes at once */
	wheel_add(&wheel, &item[0], 0);
	ck_assert_int_le(wheel_next(&wheel), due + 2 * WHEEL_TICK_NS);
	ck_assert_ptr_eq(wheel_take(&wheel, at(due)), &item[0]);
}
END_TEST

/* Far beyond one turn, and then a jump over many. */
START_TEST(test_turns)
{
	int64_t now = 0, due = 300 * NS_PER_S;
	unsigned calls = 0;

	wheel_init(&wheel, at(0));
	item[0] = (struct wheel_item){ 0 };
	wheel_add(&wheel, &item[0], due);
	while (wheel_take(&wheel, at(now)) == NULL) {
		ck_assert_int_gt(wheel_next(&wheel), now);
		now = wheel_next(&wheel);
		ck_assert_uint_lt(++calls, 1000);
	}
	ck_assert(now >= due && now <= due + WHEEL_TICK_NS);
	wheel_add(&wheel, &item[0], now + 5 * NS_PER_S);
	ck_assert_ptr_eq(wheel_take(&wheel, at(now + 5000 * NS_PER_S)), &item[0]);
}
END_TEST

/* Random adding, removing and taking: none early, none forgotten, none later than a tick. */
START_TEST(test_many)
{
	bool in[ITEMS] = { false };
	int64_t now = 1000 * NS_PER_S;

	srandom(7);
	wheel_init(&wheel, at(now));
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)random() % ITEMS;
		struct wheel_item *taken;

		if (!in[i]) {
			item[i] = (struct wheel_item){ 0 };
			wheel_add(&wheel, &item[i], now + random() % (4 * NS_PER_S));
		} else {
			wheel_remove(&wheel, &item[i]);
		}
		in[i] = !in[i];
		if (round % 16 != 0)
			continue;
		now = random() % 8 != 0 && wheel_next(&wheel) != INT64_MAX ? wheel_next(&wheel) :
		    now + random() % (3 * NS_PER_S);
		while ((taken = wheel_take(&wheel, at(now))) != NULL) {
			ck_assert(in[taken - item] && taken->due_ns <= now);
			in[taken - item] = false;
		}
		for (i = 0; i < ITEMS; i++)
			ck_assert(!in[i] || item[i].due_ns > now);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_empty, test_one, test_turns, test_many, NULL };

	return run_suite("wheel", tests);
}
