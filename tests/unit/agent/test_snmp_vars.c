/*
 * test_snmp_vars.c - which variables a poll asks for.
 */
#include "agent/snmp_vars.h"

#include <string.h>

#include "tests/unit/agent/suite.h"

static struct snmp_var vars[SNMP_VARS_MAX + 1], named[SNMP_OIDS_MAX];

static const struct snmp_var *
find(size_t n, enum snmp_slot slot)
{
	for (size_t i = 0; i < n; i++)
		if (vars[i].slot == slot)
			return &vars[i];
	return NULL;
}

static size_t
list(unsigned column, uint32_t index, bool host, size_t nameds)
{
	const struct snmp_wanted w = { .column = column, .if_index = index, .host = host,
		.named = named, .nameds = nameds };

	return snmp_vars_list(vars, &w);
}

static void
is(const struct snmp_var *v, const char *text)
{
	struct snmp_var want;

	snmp_var_parse(&want, SNMP_UPTIME, text);
	ck_assert_ptr_nonnull(v);
	ck_assert_uint_eq(v->len, want.len);
	ck_assert_int_eq(memcmp(v->name, want.name, want.len * sizeof *want.name), 0);
}

START_TEST(test_only_what_is_wanted)
{
	size_t n = list(0, 0, false, 0);

	ck_assert_uint_eq(n, 1);			/* a reboot shows in any poll */
	is(find(n, SNMP_UPTIME), "1.3.6.1.2.1.1.3.0");
	n = list(0, 0, true, 0);
	is(find(n, SNMP_CPU_IDLE), "1.3.6.1.4.1.2021.11.11.0");
	ck_assert_ptr_null(find(n, SNMP_IN_OCTETS));
	n = list(0, 7, false, 0);
	ck_assert_ptr_null(find(n, SNMP_CPU_IDLE));
	is(find(n, SNMP_IN_OCTETS), "1.3.6.1.2.1.31.1.1.1.6.7");
	is(find(n, SNMP_IN_OCTETS_32), "1.3.6.1.2.1.2.2.1.10.7");
	is(find(n, SNMP_OPER_STATUS), "1.3.6.1.2.1.2.2.1.8.7");
}
END_TEST

/* The name is read from the column in which it was found. */
START_TEST(test_name_column)
{
	static const char *const at[SNMP_IF_COLUMNS] = {
		"1.3.6.1.2.1.31.1.1.1.1.4000000000", "1.3.6.1.2.1.31.1.1.1.18.4000000000",
		"1.3.6.1.2.1.2.2.1.2.4000000000",
	};

	for (unsigned c = 0; c < SNMP_IF_COLUMNS; c++)
		is(find(list(c, 4000000000, false, 0), SNMP_IF_NAME), at[c]);
}
END_TEST

/* All at once: as many as the array holds at most, each slot once. */
START_TEST(test_all_of_it_fits)
{
	unsigned char seen[SNMP_SLOTS] = { 0 };
	size_t n;

	for (unsigned i = 0; i < SNMP_OIDS_MAX; i++)
		snmp_var_parse(&named[i], SNMP_OID0 + i, ".1.3.6.1.4.1.9.9");
	n = list(1, 3, true, SNMP_OIDS_MAX);
	ck_assert_uint_le(n, SNMP_VARS_MAX);
	ck_assert_uint_eq(n, SNMP_SLOTS);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(seen[vars[i].slot]++, 0);
	is(find(n, SNMP_OID0 + SNMP_OIDS_MAX - 1), "1.3.6.1.4.1.9.9");
}
END_TEST

START_TEST(test_names_are_parsed)
{
	char text[2 * (SNMP_NAME_MAX + 10) + 1] = "1";
	struct snmp_var v;

	snmp_var_parse(&v, SNMP_OID0, ".1.3.6.4294967295");
	ck_assert_uint_eq(v.len, 4);
	ck_assert_uint_eq(v.name[3], 4294967295);
	ck_assert_uint_eq(v.slot, SNMP_OID0);
	for (size_t i = 1; i < SNMP_NAME_MAX + 10; i++)
		strcat(text, ".1");
	snmp_var_parse(&v, SNMP_OID0, text);		/* too long: cut */
	ck_assert_uint_eq(v.len, SNMP_NAME_MAX);
}
END_TEST

START_TEST(test_skipped)
{
	struct snmp_wanted w = { .if_index = 3, .host = true, .named = named, .nameds = 2 };
	size_t all;

	snmp_var_parse(&named[0], SNMP_OID0, "1.3.6.1");
	snmp_var_parse(&named[1], SNMP_OID0 + 1, "1.3.6.2");
	all = snmp_vars_list(vars, &w);
	w.skip = UINT64_C(1) << SNMP_OID0 | UINT64_C(1) << SNMP_IN_OCTETS_32 |
	    UINT64_C(1) << SNMP_IF_NAME;
	ck_assert_uint_eq(snmp_vars_list(vars, &w), all - 3);
	ck_assert_ptr_null(find(all - 3, SNMP_OID0));
	ck_assert_ptr_null(find(all - 3, SNMP_IF_NAME));
	is(find(all - 3, SNMP_OID0 + 1), "1.3.6.2");
}
END_TEST

START_TEST(test_order_of_names)
{
	static const uint32_t a[] = { 1, 3, 6 }, b[] = { 1, 3, 6, 0 }, c[] = { 1, 3, 4000000000 };

	ck_assert_int_eq(snmp_name_compare(a, 3, a, 3), 0);
	ck_assert_int_lt(snmp_name_compare(a, 3, b, 4), 0);
	ck_assert_int_gt(snmp_name_compare(b, 4, a, 3), 0);
	ck_assert_int_lt(snmp_name_compare(b, 4, c, 3), 0);
	ck_assert_int_gt(snmp_name_compare(c, 3, b, 4), 0);
}
END_TEST

int
main(void)
{
	return run_suite("snmp_vars", (const TTest *const[]){ test_only_what_is_wanted,
	    test_name_column, test_all_of_it_fits, test_names_are_parsed,
	    test_skipped, test_order_of_names, NULL });
}
