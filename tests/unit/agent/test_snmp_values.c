/*
 * test_snmp_values.c - wraps, resets and restarts told apart.
 */
#include "agent/snmp_values.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "agent/probe.h"
#include "common/clock.h"
#include "suite.h"

#define STEP (10 * NS_PER_S)

static struct snmp_reading a, b;
static struct sample_value value[SAMPLE_VALUES];
static const double *scale;		/* of named objects */
static uint32_t values;

static bool
set(struct snmp_reading *r, enum snmp_slot slot, enum snmp_type type, uint64_t v)
{
	struct snmp_value value_in = { .type = type, .number = (int64_t)v };

	return snmp_reading_add(r, slot, &value_in);
}

/* Two readings a step apart, of a device that has been up for a day, 1 Gb/s. */
static void
begin(void)
{
	snmp_reading_init(&a, NS_PER_S);
	snmp_reading_init(&b, NS_PER_S + STEP);
	scale = NULL;
	a.if_index = b.if_index = 3;
	set(&a, SNMP_UPTIME, SNMP_TYPE_TICKS, 8640000);
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 8641000);
	set(&a, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 1000);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 1000);
}

static double
role(uint32_t r)
{
	for (uint32_t i = 0; i < values; i++)
		if (value[i].role == r)
			return value[i].value;
	return NAN;
}

static uint32_t
compare(void)
{
	return snmp_values(&a, &b, scale, value, &values);
}

START_TEST(test_first_reading_has_no_rates)
{
	begin();
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1000);
	a.any = false;
	ck_assert_uint_eq(compare(), 0);
	ck_assert(isnan(role(ROLE_IN_BPS)));
	ck_assert_double_eq(role(ROLE_UPTIME_S), 86410);
	ck_assert_double_eq(role(ROLE_SPEED_BPS), 1e9);
}
END_TEST

START_TEST(test_rates)
{
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 5);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 5 + 1250000);
	set(&a, SNMP_OUT_ERRORS, SNMP_TYPE_COUNTER32, 7);
	set(&b, SNMP_OUT_ERRORS, SNMP_TYPE_COUNTER32, 27);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_BPS), 1e6);
	ck_assert_double_eq(role(ROLE_OUT_ERRORS), 2);
	ck_assert(isnan(role(ROLE_OUT_BPS)));
}
END_TEST

START_TEST(test_64_bits_win_over_32)
{
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 0);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1250);
	set(&a, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 9);
	set(&b, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 0);
	set(&a, SNMP_OUT_OCTETS_32, SNMP_TYPE_COUNTER32, 0);
	set(&b, SNMP_OUT_OCTETS_32, SNMP_TYPE_COUNTER32, 2500);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
	ck_assert_double_eq(role(ROLE_OUT_BPS), 2000);
}
END_TEST

START_TEST(test_wrap_of_32_bits)
{
	begin();
	set(&a, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, UINT32_MAX - 99);
	set(&b, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 1150);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
}
END_TEST

/* At 10 Gb/s 32 bits wrap within 3.4 s: nobody can tell how often. */
START_TEST(test_wraps_that_cannot_be_counted)
{
	begin();
	set(&a, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 10000);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 10000);
	set(&a, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 100);
	set(&b, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 200);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert(isnan(role(ROLE_IN_BPS)));
}
END_TEST

START_TEST(test_wrap_of_64_bits)
{
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, UINT64_MAX - 99);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1150);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
}
END_TEST

START_TEST(test_reset_is_no_wrap)
{
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 123456789);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 5);
	set(&a, SNMP_IN_ERRORS, SNMP_TYPE_COUNTER32, 4000);
	set(&b, SNMP_IN_ERRORS, SNMP_TYPE_COUNTER32, 3);
	set(&a, SNMP_OUT_ERRORS, SNMP_TYPE_COUNTER32, 4000);
	set(&b, SNMP_OUT_ERRORS, SNMP_TYPE_COUNTER32, 4010);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert(isnan(role(ROLE_IN_BPS)));
	ck_assert(isnan(role(ROLE_IN_ERRORS)));
	ck_assert_double_eq(role(ROLE_OUT_ERRORS), 1);
}
END_TEST

START_TEST(test_discontinuity_of_the_interface)
{
	begin();
	set(&a, SNMP_DISCONTINUITY, SNMP_TYPE_TICKS, 0);
	set(&b, SNMP_DISCONTINUITY, SNMP_TYPE_TICKS, 8640500);
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 100);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 999999);	/* grown all the same */
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert(isnan(role(ROLE_IN_BPS)));
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 100);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 200);
	b.if_index = 4;				/* the name stands at another index */
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
}
END_TEST

START_TEST(test_reboot)
{
	begin();
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 300);
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 100);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 999);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_REBOOT));
	ck_assert(isnan(role(ROLE_IN_BPS)));
	ck_assert_double_eq(role(ROLE_UPTIME_S), 3);
}
END_TEST

START_TEST(test_uptime_wrap_is_no_reboot)
{
	begin();
	set(&a, SNMP_UPTIME, SNMP_TYPE_TICKS, UINT32_MAX - 500);
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 499);
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 0);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1250);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
}
END_TEST

START_TEST(test_time_that_stands_still)
{
	begin();
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 0);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1250);
	b.at_ns = a.at_ns;
	ck_assert_uint_eq(compare(), 0);
	ck_assert(isnan(role(ROLE_IN_BPS)));
}
END_TEST

START_TEST(test_host)
{
	struct snmp_tables t;
	struct snmp_value load = { .type = SNMP_TYPE_INTEGER, .number = 30 };
	struct snmp_value size = { .type = SNMP_TYPE_INTEGER, .number = 1000 };
	struct snmp_value used = { .type = SNMP_TYPE_INTEGER, .number = 250 };

	begin();
	set(&b, SNMP_CPU_IDLE, SNMP_TYPE_INTEGER, 90);
	set(&b, SNMP_MEM_TOTAL, SNMP_TYPE_INTEGER, 1000);
	set(&b, SNMP_MEM_AVAILABLE, SNMP_TYPE_INTEGER, 200);
	set(&b, SNMP_MEM_CACHED, SNMP_TYPE_INTEGER, 300);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.1, 1e-9);
	ck_assert_double_eq_tol(role(ROLE_MEM_RATIO), 0.5, 1e-9);
	ck_assert(isnan(role(ROLE_STORAGE_RATIO)));
	snmp_tables_init(&t);
	snmp_tables_cpu(&t, &load);
	load.number = 50;
	snmp_tables_cpu(&t, &load);
	load.number = 101;			/* nonsense is left out */
	snmp_tables_cpu(&t, &load);
	snmp_tables_storage(&t, STORAGE_DISK, &size, &used);
	used.number = 990;
	snmp_tables_storage(&t, STORAGE_OTHER, &size, &used);
	snmp_tables_storage(&t, STORAGE_RAM, &size, &used);
	size.number = 0;
	snmp_tables_storage(&t, STORAGE_DISK, &size, &used);
	snmp_reading_init(&b, STEP);
	snmp_reading_tables(&b, &t);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.4, 1e-9);
	ck_assert_double_eq_tol(role(ROLE_MEM_RATIO), 0.99, 1e-9);
	ck_assert_double_eq_tol(role(ROLE_STORAGE_RATIO), 0.25, 1e-9);
}
END_TEST

START_TEST(test_named_oids)
{
	struct snmp_value text = { .type = SNMP_TYPE_STRING, .text = (const uint8_t *)"0.42",
		.len = 4 };

	begin();
	ck_assert(snmp_reading_add(&b, SNMP_OID0, &text));
	ck_assert(set(&b, SNMP_OID0 + 1, SNMP_TYPE_INTEGER, (uint64_t)-7));
	ck_assert(set(&a, SNMP_OID0 + 15, SNMP_TYPE_COUNTER64, 10));
	ck_assert(set(&b, SNMP_OID0 + 15, SNMP_TYPE_COUNTER64, 30));
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_OID0), 0.42);
	ck_assert_double_eq(role(ROLE_OID0 + 1), -7);
	ck_assert_double_eq(role(ROLE_OID0 + 15), 2);
}
END_TEST

START_TEST(test_what_is_not_taken)
{
	static const char *const text[] = { "", "nan", "inf", "0x10", "1e999", "12 ", "up",
		"1\0", NULL };
	struct snmp_value v = { .type = SNMP_TYPE_DOUBLE, .real = NAN };

	begin();
	ck_assert(!snmp_reading_add(&b, SNMP_OID0, &v));
	for (unsigned i = 0; text[i] != NULL; i++) {
		v = (struct snmp_value){ .type = SNMP_TYPE_STRING,
			.text = (const uint8_t *)text[i], .len = i == 7 ? 2 : strlen(text[i]) };
		ck_assert_msg(!snmp_reading_add(&b, SNMP_OID0, &v), "'%s'", text[i]);
	}
	ck_assert(!set(&b, SNMP_OID0, SNMP_TYPE_NONE, 1));
	ck_assert(!set(&b, SNMP_OID0, SNMP_TYPE_OID, 1));
	ck_assert(!set(&b, SNMP_IN_OCTETS, SNMP_TYPE_INTEGER, 1));	/* no counter */
	ck_assert(!set(&b, SNMP_OPER_STATUS, SNMP_TYPE_COUNTER32, 1));	/* no gauge */
	ck_assert(!set(&b, SNMP_UPTIME, SNMP_TYPE_INTEGER, 1));
	ck_assert(!set(&b, SNMP_IF_NAME, SNMP_TYPE_INTEGER, 1));
	ck_assert(!set(&b, SNMP_SLOTS, SNMP_TYPE_INTEGER, 1));
}
END_TEST

START_TEST(test_names)
{
	struct snmp_value v = { .type = SNMP_TYPE_STRING, .text = (const uint8_t *)"eth0\0\0",
		.len = 6 };
	static uint8_t longest[256];

	ck_assert(snmp_is_name(&v, "eth0"));
	ck_assert(!snmp_is_name(&v, "eth"));
	ck_assert(!snmp_is_name(&v, "eth01"));
	v.len = 4;
	ck_assert(snmp_is_name(&v, "eth0"));
	v.type = SNMP_TYPE_NONE;
	ck_assert(!snmp_is_name(&v, "eth0"));
	/* what is longer than a name can be is none: it is not matched at all */
	memset(longest, 'a', sizeof longest);
	v = (struct snmp_value){ .type = SNMP_TYPE_STRING, .text = longest, .len = 255 };
	ck_assert(snmp_is_name(&v, "*a"));
	v.len = 256;
	ck_assert(!snmp_is_name(&v, "*a"));
}
END_TEST

START_TEST(test_full_sample)
{
	begin();
	for (unsigned i = 0; i < SNMP_SLOTS; i++) {
		enum snmp_type type = (i >= SNMP_IN_OCTETS && i <= SNMP_OUT_DISCARDS) ||
		    (i >= SNMP_RAW_USER && i <= SNMP_RAW_STEAL) ? SNMP_TYPE_COUNTER64 :
		    i == SNMP_UPTIME || i == SNMP_DISCONTINUITY ?
		    SNMP_TYPE_TICKS : SNMP_TYPE_INTEGER;

		set(&a, i, type, 8640000);
		set(&b, i, type, 8640000);
	}
	compare();
	ck_assert_uint_eq(values, SAMPLE_VALUES);	/* and not one more */
}
END_TEST

/* A device that was off for longer than it had been up: its uptime has risen, but not enough. */
START_TEST(test_reboot_between_distant_polls)
{
	begin();
	b.at_ns = a.at_ns + 600 * NS_PER_S;
	set(&a, SNMP_UPTIME, SNMP_TYPE_TICKS, 1000);
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 2000);
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 100);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 999);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_REBOOT));
	/* a clock that runs ahead is no restart, nor is one a little behind */
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 1000 + 70000);
	ck_assert_uint_eq(compare(), 0);
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 1000 + 59000);
	ck_assert_uint_eq(compare(), 0);
	/* without an uptime nobody can tell */
	b.slot[SNMP_UPTIME].have = false;
	ck_assert_uint_eq(compare(), 0);
}
END_TEST

/* "clear counters" at a fast interface: no thousand million errors. */
START_TEST(test_cleared_errors_are_no_wrap)
{
	begin();
	b.at_ns = a.at_ns + 60 * NS_PER_S;
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 8646000);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 100000);
	set(&a, SNMP_IN_ERRORS, SNMP_TYPE_COUNTER32, 100);
	set(&b, SNMP_IN_ERRORS, SNMP_TYPE_COUNTER32, 0);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert(isnan(role(ROLE_IN_ERRORS)));
	/* while a true wrap still counts */
	set(&a, SNMP_IN_ERRORS, SNMP_TYPE_COUNTER32, UINT32_MAX - 599);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_IN_ERRORS), 10);
}
END_TEST

/* Old devices have neither ifHighSpeed nor counters of 64 bits. */
START_TEST(test_speed_of_an_old_interface)
{
	begin();
	a.slot[SNMP_HIGH_SPEED].have = b.slot[SNMP_HIGH_SPEED].have = false;
	set(&a, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 0);
	set(&b, SNMP_IN_OCTETS_32, SNMP_TYPE_COUNTER32, 1250);
	ck_assert_uint_eq(compare(), 0);		/* says nothing of its speed */
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
	ck_assert(isnan(role(ROLE_SPEED_BPS)));
	set(&b, SNMP_SPEED, SNMP_TYPE_GAUGE, 100000000);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_SPEED_BPS), 1e8);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 0);
	compare();
	ck_assert_double_eq(role(ROLE_SPEED_BPS), 1e8);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 200);
	compare();
	ck_assert_double_eq(role(ROLE_SPEED_BPS), 2e8);
}
END_TEST

/* A discontinuity is the interface's alone. */
START_TEST(test_discontinuity_leaves_objects_alone)
{
	begin();
	b.if_index = 4;
	set(&a, SNMP_OID0, SNMP_TYPE_COUNTER64, 10);
	set(&b, SNMP_OID0, SNMP_TYPE_COUNTER64, 30);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert_double_eq(role(ROLE_OID0), 2);
}
END_TEST

static void
object(size_t i, uint32_t type, enum snmp_type told, uint64_t before, uint64_t now)
{
	struct snmp_value v = { .type = told, .number = (int64_t)before, .real = (double)before };

	ck_assert(snmp_reading_object(&a, i, type, &v));
	v.number = (int64_t)now;
	v.real = (double)now;
	ck_assert(snmp_reading_object(&b, i, type, &v));
}

START_TEST(test_types_of_objects)
{
	begin();
	object(0, OID_AUTO, SNMP_TYPE_COUNTER32, 100, 200);
	object(1, OID_GAUGE, SNMP_TYPE_COUNTER64, 100, 200);
	object(2, OID_COUNTER, SNMP_TYPE_GAUGE, UINT32_MAX - 9, 40);	/* 32 bits begin again */
	object(3, OID_COUNTER, SNMP_TYPE_INTEGER, 5, 25);
	object(4, OID_COUNTER, SNMP_TYPE_DOUBLE, 5, 30);
	object(5, OID_AUTO, SNMP_TYPE_GAUGE, 5, 30);
	object(6, OID_GAUGE, SNMP_TYPE_INTEGER, 5, 31);
	object(7, OID_COUNTER, SNMP_TYPE_TICKS, 100, 1100);
	object(8, OID_COUNTER, SNMP_TYPE_COUNTER64, 100, 300);
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_OID0), 10);
	ck_assert_double_eq(role(ROLE_OID0 + 1), 200);
	ck_assert_double_eq(role(ROLE_OID0 + 2), 5);
	ck_assert_double_eq(role(ROLE_OID0 + 3), 2);
	ck_assert_double_eq(role(ROLE_OID0 + 4), 2.5);
	ck_assert_double_eq(role(ROLE_OID0 + 5), 30);
	ck_assert_double_eq(role(ROLE_OID0 + 6), 31);
	ck_assert_double_eq(role(ROLE_OID0 + 7), 100);
	ck_assert_double_eq(role(ROLE_OID0 + 8), 20);
	/* a number without a known end that falls was reset */
	object(3, OID_COUNTER, SNMP_TYPE_INTEGER, 25, 5);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	ck_assert(isnan(role(ROLE_OID0 + 3)));
	ck_assert(!snmp_reading_object(&b, SNMP_OIDS_MAX, OID_AUTO, &(struct snmp_value){
	    .type = SNMP_TYPE_INTEGER }));
	ck_assert(!snmp_reading_object(&b, 0, OID_AUTO, &(struct snmp_value){
	    .type = SNMP_TYPE_MISSING }));
}
END_TEST

START_TEST(test_scale)
{
	double factor[SNMP_OIDS_MAX] = { 0.1, 8, 1e300, 1 };

	begin();
	object(0, OID_AUTO, SNMP_TYPE_GAUGE, 0, 235);		/* 23.5 degrees */
	object(1, OID_AUTO, SNMP_TYPE_COUNTER64, 0, 1000);
	object(2, OID_AUTO, SNMP_TYPE_COUNTER64, 0, UINT64_MAX);
	set(&a, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 0);
	set(&b, SNMP_IN_OCTETS, SNMP_TYPE_COUNTER64, 1250);
	scale = factor;
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq_tol(role(ROLE_OID0), 23.5, 1e-9);
	ck_assert_double_eq(role(ROLE_OID0 + 1), 800);
	ck_assert(isnan(role(ROLE_OID0 + 2)));			/* no number any more */
	ck_assert_double_eq(role(ROLE_IN_BPS), 1000);
}
END_TEST

static void
set_ticks(struct snmp_reading *r, uint64_t user, uint64_t system, uint64_t idle, uint64_t wait)
{
	set(r, SNMP_RAW_USER, SNMP_TYPE_COUNTER32, user);
	set(r, SNMP_RAW_SYSTEM, SNMP_TYPE_COUNTER32, system);
	set(r, SNMP_RAW_IDLE, SNMP_TYPE_COUNTER32, idle);
	set(r, SNMP_RAW_WAIT, SNMP_TYPE_COUNTER32, wait);
}

START_TEST(test_processor_ticks)
{
	begin();
	set_ticks(&a, 1000, 500, 9000, 10);
	set_ticks(&b, 1200, 600, 9600, 110);
	set(&b, SNMP_CPU_IDLE, SNMP_TYPE_INTEGER, 1);	/* older than the ticks */
	ck_assert(snmp_has_ticks(&a, &b));
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.3, 1e-9);
	/* where the kernel's are counted, those of the system hold the waiting too */
	set(&a, SNMP_RAW_KERNEL, SNMP_TYPE_COUNTER32, 0);
	set(&b, SNMP_RAW_KERNEL, SNMP_TYPE_COUNTER32, 50);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 300.0 / 900, 1e-9);
	/* they wrap like any counter */
	begin();
	set_ticks(&a, 0, 0, UINT32_MAX - 99, 0);
	set_ticks(&b, 100, 0, 200, 0);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.25, 1e-9);
}
END_TEST

/* A device that counts ticks only from time to time, or has not begun to. */
START_TEST(test_ticks_that_tell_nothing)
{
	begin();
	set_ticks(&a, 1000, 500, 9000, 10);
	set_ticks(&b, 1000, 500, 9000, 10);
	compare();
	ck_assert(isnan(role(ROLE_CPU_RATIO)));
	set(&b, SNMP_CPU_IDLE, SNMP_TYPE_INTEGER, 60);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.4, 1e-9);
	set_ticks(&a, 0, 0, 0, 0);
	ck_assert(!snmp_has_ticks(&a, &b));
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.4, 1e-9);
	/* after a restart they are those of another life */
	set_ticks(&a, 10, 10, 10, 10);
	set(&b, SNMP_UPTIME, SNMP_TYPE_TICKS, 300);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_REBOOT));
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.4, 1e-9);
	a.any = false;
	ck_assert(!snmp_has_ticks(&a, &b));
}
END_TEST

START_TEST(test_kinds_of_storage)
{
	uint8_t type[] = { 0x2b, 6, 1, 2, 1, 25, 2, 1, 4 };
	struct snmp_value v = { .type = SNMP_TYPE_OID, .text = type, .len = sizeof type };

	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_DISK);
	type[8] = 2;
	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_RAM);
	type[8] = 3;
	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_OTHER);
	type[7] = 2;
	type[8] = 4;
	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_OTHER);
	v.len--;
	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_OTHER);
	v.type = SNMP_TYPE_STRING;
	ck_assert_int_eq(snmp_storage_kind(&v), STORAGE_OTHER);
}
END_TEST

/* What a host cannot mean: left out, whatever else it says. */
START_TEST(test_nonsense_of_a_host)
{
	static const struct { enum snmp_type type; int64_t size, used; } row[] = {
		{ SNMP_TYPE_STRING, 10, 5 }, { SNMP_TYPE_INTEGER, -10, 5 }, { SNMP_TYPE_INTEGER, 10, -5 },
	};
	struct snmp_value size, used, load = { .type = SNMP_TYPE_STRING };
	struct snmp_tables t;

	begin();
	snmp_tables_init(&t);
	for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
		size = (struct snmp_value){ .type = row[i].type, .number = row[i].size };
		used = (struct snmp_value){ .type = SNMP_TYPE_INTEGER, .number = row[i].used };
		snmp_tables_storage(&t, STORAGE_DISK, &size, &used);
		snmp_tables_storage(&t, STORAGE_DISK, &used, &size);
	}
	snmp_tables_cpu(&t, &load);
	load = (struct snmp_value){ .type = SNMP_TYPE_INTEGER, .number = -1 };
	snmp_tables_cpu(&t, &load);
	snmp_reading_tables(&b, &t);
	set(&b, SNMP_CPU_IDLE, SNMP_TYPE_INTEGER, 101);
	set(&b, SNMP_MEM_TOTAL, SNMP_TYPE_INTEGER, 0);
	set(&b, SNMP_MEM_AVAILABLE, SNMP_TYPE_INTEGER, 5);
	compare();
	ck_assert(isnan(role(ROLE_CPU_RATIO)));
	ck_assert(isnan(role(ROLE_MEM_RATIO)));
	ck_assert(isnan(role(ROLE_STORAGE_RATIO)));
	set(&b, SNMP_CPU_IDLE, SNMP_TYPE_INTEGER, (uint64_t)-1);
	b.slot[SNMP_MEM_AVAILABLE].have = false;
	set(&b, SNMP_MEM_TOTAL, SNMP_TYPE_INTEGER, 10);
	compare();
	ck_assert(isnan(role(ROLE_CPU_RATIO)));
	ck_assert(isnan(role(ROLE_MEM_RATIO)));
	/* more used than there is, more free than there is */
	size = (struct snmp_value){ .type = SNMP_TYPE_INTEGER, .number = 10 };
	used = (struct snmp_value){ .type = SNMP_TYPE_INTEGER, .number = 20 };
	snmp_tables_storage(&t, STORAGE_DISK, &size, &used);
	snmp_reading_tables(&b, &t);
	set(&b, SNMP_MEM_AVAILABLE, SNMP_TYPE_INTEGER, 50);
	set(&b, SNMP_MEM_BUFFER, SNMP_TYPE_INTEGER, (uint64_t)-5);
	compare();
	ck_assert_double_eq(role(ROLE_STORAGE_RATIO), 1);
	ck_assert_double_eq(role(ROLE_MEM_RATIO), 0);
}
END_TEST

/* A counter that is of another width in the next reading, ticks that come or go, a dead speed. */
START_TEST(test_readings_that_differ_in_kind)
{
	begin();
	set(&a, SNMP_OID0, SNMP_TYPE_COUNTER32, 10);
	set(&b, SNMP_OID0, SNMP_TYPE_COUNTER64, 30);
	ck_assert_uint_eq(compare(), CAUSE_BIT(CAUSE_DISCONTINUITY));
	begin();
	a.slot[SNMP_UPTIME].have = false;
	set_ticks(&b, 1, 1, 1, 1);
	ck_assert(!snmp_has_ticks(&a, &b));
	ck_assert_uint_eq(compare(), 0);
	ck_assert(isnan(role(ROLE_CPU_RATIO)));
	begin();
	set_ticks(&a, 1, 1, 1, 1);
	set(&b, SNMP_HIGH_SPEED, SNMP_TYPE_GAUGE, 0);
	set(&b, SNMP_SPEED, SNMP_TYPE_GAUGE, 0);
	ck_assert(!snmp_has_ticks(&a, &b));
	ck_assert_uint_eq(compare(), 0);
	ck_assert_double_eq(role(ROLE_SPEED_BPS), 0);
	/* only some of the ticks are counted in both */
	set_ticks(&b, 11, 1, 31, 1);
	set(&b, SNMP_RAW_STEAL, SNMP_TYPE_COUNTER32, 1000);
	compare();
	ck_assert_double_eq_tol(role(ROLE_CPU_RATIO), 0.25, 1e-9);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_first_reading_has_no_rates, test_rates, test_64_bits_win_over_32,
		test_wrap_of_32_bits, test_wraps_that_cannot_be_counted, test_wrap_of_64_bits,
		test_reset_is_no_wrap, test_discontinuity_of_the_interface, test_reboot,
		test_uptime_wrap_is_no_reboot, test_time_that_stands_still, test_host,
		test_named_oids, test_what_is_not_taken, test_names, test_full_sample,
		test_reboot_between_distant_polls, test_cleared_errors_are_no_wrap,
		test_speed_of_an_old_interface, test_discontinuity_leaves_objects_alone,
		test_types_of_objects, test_scale, test_processor_ticks,
		test_ticks_that_tell_nothing, test_kinds_of_storage,
		test_nonsense_of_a_host, test_readings_that_differ_in_kind, NULL,
	};

	return run_suite("snmp_values", tests);
}
