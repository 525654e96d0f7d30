/*
 * test_timers.c - the heap of deadlines.
 */
#include "agent/timers.h"

#include "common/rng.h"
#include "tests/unit/agent/suite.h"

#define MANY 300

START_TEST(test_order)
{
	static struct timer t[MANY];
	struct rng_seed storage;
	struct rng *rng = rng_seeded(&storage, 3);
	struct timers all = { 0 };
	int64_t last = 0;
	size_t n = 0;

	ck_assert_ptr_null(timers_first(&all));
	for (unsigned round = 0; round < 20000; round++) {
		struct timer *x = &t[rng_below(rng, MANY)];

		timers_set(&all, x, rng_below(rng, 4) == 0 ? INT64_MAX :
		    (int64_t)rng_below(rng, 1000));
	}
	for (unsigned i = 0; i < MANY; i++)
		n += t[i].pos != 0;
	ck_assert_uint_eq(n, all.n);
	while (all.n > 0) {
		struct timer *x = timers_first(&all);

		ck_assert_int_ge(x->due_ns, last);
		last = x->due_ns;
		timers_set(&all, x, INT64_MAX);
		ck_assert_uint_eq(x->pos, 0);
		n--;
	}
	ck_assert_uint_eq(n, 0);
	timers_set(&all, &t[0], INT64_MAX);	/* it is not there: nothing happens */
	ck_assert_ptr_null(timers_first(&all));
	timers_fini(&all);
}
END_TEST

int
main(void)
{
	return run_suite("timers", (const TTest *const[]){ test_order, NULL });
}
