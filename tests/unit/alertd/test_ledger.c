/*
 * test_ledger.c - every second in one state, months at UTC+8.
 */
#include "alertd/ledger.h"

#include "common/clock.h"
#include "tests/unit/alertd/suite.h"

#define T(s) ((int64_t)(s) * NS_PER_S)
/* 2026-02-01 00:00 at UTC+8 */
#define FEBRUARY T(1769875200)

START_TEST(test_sums)
{
	struct ledger l;
	uint32_t rnd = 7;
	int64_t t = T(1000);

	ledger_init(&l, t);
	for (int i = 0; i < 5000; i++) {
		rnd = rnd * 1664525 + 1013904223;
		t += T((rnd >> 8) % 90000);
		ledger_credit(&l, t - T((rnd >> 5) % 7), LINK_UP + (rnd >> 28) % 5);
		ck_assert_int_eq(ledger_total(&l.all), l.all.to_ns - l.all.from_ns);
		ck_assert_int_eq(ledger_total(&l.month), l.month.to_ns - l.month.from_ns);
		ck_assert_int_eq(ledger_total(&l.last_month), l.last_month.to_ns -
		    l.last_month.from_ns);
		ck_assert_int_eq(l.all.to_ns, l.to_ns);
	}
}
END_TEST

START_TEST(test_never_goes_back)
{
	struct ledger l;

	ledger_init(&l, T(100));
	ledger_credit(&l, T(200), LINK_UP);
	ledger_credit(&l, T(150), LINK_DOWN);
	ck_assert_int_eq(l.all.ns[LINK_UP], T(100));
	ck_assert_int_eq(l.all.ns[LINK_DOWN], 0);
}
END_TEST

START_TEST(test_month)
{
	struct ledger l;
	int64_t begin, end;

	ledger_month(FEBRUARY, &begin, &end);
	ck_assert_int_eq(begin, FEBRUARY);
	ck_assert_int_eq(end, FEBRUARY + T(28 * 86400));
	ledger_month(FEBRUARY - 1, &begin, &end);
	ck_assert_int_eq(end, FEBRUARY);
	ledger_init(&l, FEBRUARY - T(3600));
	ledger_credit(&l, FEBRUARY + T(1800), LINK_DOWN);
	ck_assert_int_eq(l.last_month.ns[LINK_DOWN], T(3600));
	ck_assert_int_eq(l.month.ns[LINK_DOWN], T(1800));
	ck_assert_int_eq(l.all.ns[LINK_DOWN], T(5400));
	/* two months at once */
	ledger_credit(&l, FEBRUARY + T(70 * 86400), LINK_UP);
	ck_assert_int_eq(l.last_month.ns[LINK_UP], T(31 * 86400));
}
END_TEST

RUN_SUITE("ledger", test_sums, test_never_goes_back, test_month)
