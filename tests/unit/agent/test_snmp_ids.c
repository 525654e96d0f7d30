/*
 * test_snmp_ids.c - the table of ids against a plain list.
 */
#include "agent/snmp_ids.h"

#include <stdbool.h>

#include "common/rng.h"
#include "tests/unit/agent/suite.h"

#define MANY 3000

START_TEST(test_empty)
{
	struct snmp_ids ids = { 0 };

	ck_assert_ptr_null(snmp_ids_get(&ids, 1));
	snmp_ids_del(&ids, 1);
	snmp_ids_fini(&ids);
}
END_TEST

/* Thousands come and go; ids that crowd into one place too. */
START_TEST(test_random)
{
	static uint32_t id[MANY];
	static bool in[MANY];
	struct rng_seed storage;
	struct rng *rng = rng_seeded(&storage, 7);
	struct snmp_ids ids = { 0 };
	size_t n = 0;

	for (uint32_t i = 0; i < MANY; i++)
		id[i] = i % 3 == 0 ? (i + 1) * 4096 : i + 1;	/* a third falls on row 0 */
	for (unsigned round = 0; round < 40000; round++) {
		size_t i = rng_below(rng, MANY);

		if (in[i])
			snmp_ids_del(&ids, id[i]);
		else
			snmp_ids_put(&ids, id[i], &id[i]);
		in[i] = !in[i];
		n += in[i] ? 1 : (size_t)-1;
		ck_assert_uint_eq(ids.n, n);
	}
	for (size_t i = 0; i < MANY; i++)
		ck_assert_ptr_eq(snmp_ids_get(&ids, id[i]), in[i] ? &id[i] : NULL);
	ck_assert_ptr_null(snmp_ids_get(&ids, 0));
	snmp_ids_fini(&ids);
	ck_assert_ptr_null(snmp_ids_get(&ids, id[0]));
}
END_TEST

int
main(void)
{
	return run_suite("snmp_ids", (const TTest *const[]){ test_empty, test_random, NULL });
}
