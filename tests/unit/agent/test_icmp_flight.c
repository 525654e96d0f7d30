/*
 * test_icmp_flight.c - the ring of requests, and RTTs when clocks are set.
 */
#include "agent/icmp_flight.h"

#include <check.h>

#include "common/clock.h"
#include "suite.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define WALL (INT64_C(1760000000) * S)

static struct icmp_flights flights;

static struct icmp_flight *
add(int64_t now_ns)
{
	struct icmp_flight *f = icmp_flights_add(&flights, now_ns, S);

	f->state = FLIGHT_OUT;
	f->token = flights.next - 1;
	return f;
}

START_TEST(test_found_by_number)
{
	ck_assert_ptr_null(icmp_flights_find(&flights, 0));
	for (uint64_t n = 0; n < 5000; n++)
		add((int64_t)n * MS / 100);
	for (uint64_t n = 0; n < 5000; n++)
		ck_assert_uint_eq(icmp_flights_find(&flights, n)->token, n);
	ck_assert_ptr_null(icmp_flights_find(&flights, 5000));
	ck_assert_ptr_null(icmp_flights_find(&flights, UINT64_MAX));
	icmp_flights_find(&flights, 7)->state = FLIGHT_FREE;
	ck_assert_ptr_null(icmp_flights_find(&flights, 7));
	icmp_flights_fini(&flights);
}
END_TEST

/* 100,000 a second: as many as are awaited stand, and no more memory is taken than that. */
START_TEST(test_size)
{
	for (uint64_t n = 0; n < 500000; n++) {
		add((int64_t)n * 10 * NS_PER_US);
		if (n >= 99999)		/* sent a second ago less 10 us: still awaited */
			ck_assert_uint_eq(icmp_flights_find(&flights, n - 99999)->token, n - 99999);
	}
	ck_assert_uint_eq(flights.size, 131072);
	icmp_flights_fini(&flights);
	/* answered at once: half a second of them, so that a duplicate is known */
	for (uint64_t n = 0; n < 500000; n++) {
		add((int64_t)n * 10 * NS_PER_US)->state = FLIGHT_ANSWERED;
		if (n >= 49999)
			ck_assert_ptr_nonnull(icmp_flights_find(&flights, n - 49999));
	}
	ck_assert_uint_eq(flights.size, 65536);
	icmp_flights_fini(&flights);
	/* one a second: the first size does, for ever */
	for (uint64_t n = 0; n < 10000; n++)
		add((int64_t)n * S);
	ck_assert_uint_eq(flights.size, 1024);
	ck_assert_ptr_null(icmp_flights_find(&flights, 10000 - 1025));
	ck_assert_uint_eq(icmp_flights_find(&flights, 10000 - 1024)->token, 10000 - 1024);
	icmp_flights_fini(&flights);
}
END_TEST

START_TEST(test_bounded)
{
	for (uint64_t n = 0; n < 3 * (uint64_t)ICMP_FLIGHTS_MAX; n++)
		add(0);			/* all at one moment, none answered */
	ck_assert_uint_eq(flights.size, ICMP_FLIGHTS_MAX);
	icmp_flights_fini(&flights);
}
END_TEST

START_TEST(test_rtt)
{
	struct icmp_flight f = { .mono_ns = 5 * S, .wall_ns = WALL, .tx_ns = ICMP_TX_UNKNOWN };

	/* no stamp of the request: from the moment before it was handed over */
	ck_assert_int_eq(icmp_flight_rtt(&f, WALL + 20 * MS, 5 * S + 90 * MS, WALL + 90 * MS),
	    20 * MS);
	icmp_flight_left(&f, WALL + 3 * MS);
	ck_assert_int_eq(icmp_flight_rtt(&f, WALL + 20 * MS, 5 * S + 90 * MS, WALL + 90 * MS),
	    17 * MS);
	/* stamps that cannot be this request's change nothing */
	icmp_flight_left(&f, WALL - 1);
	icmp_flight_left(&f, WALL + S);
	ck_assert_int_eq(icmp_flight_rtt(&f, WALL + 20 * MS, 5 * S + 90 * MS, WALL + 90 * MS),
	    17 * MS);
	/* no stamp at all: what is left is when it was read */
	ck_assert_int_eq(icmp_flight_rtt(&f, 0, 5 * S + 90 * MS, WALL + 90 * MS), 90 * MS);
	ck_assert_int_eq(icmp_flight_rtt(&f, 0, 5 * S, WALL), 1);
}
END_TEST

/* The wall clock is set while a request is out, by an hour or a second, either way. */
START_TEST(test_clock_is_set)
{
	static const int64_t set[] = { 3600 * S, -3600 * S, S, -S };

	for (unsigned i = 0; i < 4; i++) {
		struct icmp_flight f = { .mono_ns = 5 * S, .wall_ns = WALL, .tx_ns = MS };
		int64_t now_mono = 5 * S + 90 * MS, now_wall = WALL + 90 * MS + set[i];

		/* before the reply came ... */
		ck_assert_int_eq(icmp_flight_rtt(&f, WALL + 21 * MS + set[i], now_mono, now_wall),
		    20 * MS);
		/* ... and after it, but before it was read */
		ck_assert_int_eq(icmp_flight_rtt(&f, WALL + 21 * MS, now_mono, now_wall), 20 * MS);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_found_by_number, test_size, test_bounded, test_rtt, test_clock_is_set, NULL,
	};

	return run_suite("icmp_flight", tests);
}
