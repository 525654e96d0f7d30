/*
 * test_snmp_discovery.c - the messages of engine discovery, right and wrong.
 */
#include "agent/snmp_discovery.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "suite.h"

/* The report of an snmpd 5.9 to a discovery with message id 0x01020304. */
static const uint8_t report[] = {
	0x30, 0x6c, 0x02, 0x01, 0x03, 0x30, 0x11, 0x02, 0x04, 0x01, 0x02, 0x03, 0x04, 0x02, 0x03,
	0x00, 0xff, 0xe3, 0x04, 0x01, 0x00, 0x02, 0x01, 0x03, 0x04, 0x21, 0x30, 0x1f, 0x04, 0x11,
	0x80, 0x00, 0x1f, 0x88, 0x80, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
	0xbb, 0xcc, 0x02, 0x01, 0x05, 0x02, 0x01, 0x7f, 0x04, 0x00, 0x04, 0x00, 0x04, 0x00, 0x30,
	0x31, 0x04, 0x11, 0x80, 0x00, 0x1f, 0x88, 0x80, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
	0x88, 0x99, 0xaa, 0xbb, 0xcc, 0x04, 0x00, 0xa8, 0x1a, 0x02, 0x02, 0x37, 0xf0, 0x02, 0x01,
	0x00, 0x02, 0x01, 0x00, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x06, 0x03,
	0x0f, 0x01, 0x01, 0x41, 0x00,
};

START_TEST(test_request)
{
	uint8_t out[SNMP_DISCOVERY_MAX];
	size_t n = snmp_discovery_request(out, 0x01020304);

	ck_assert_uint_eq(n, 64);
	ck_assert_uint_eq(out[1], n - 2);
	ck_assert_mem_eq(out + 9, "\x01\x02\x03\x04", 4);
	ck_assert_mem_eq(out + 50, "\x02\x04\x01\x02\x03\x04", 6);
}
END_TEST

START_TEST(test_answer)
{
	struct snmp_engine e;
	uint32_t id;

	ck_assert_int_eq(snmp_discovery_answer(report, sizeof report, &id, &e), 0);
	ck_assert_uint_eq(id, 0x01020304);
	ck_assert_uint_eq(e.len, 17);
	ck_assert_mem_eq(e.id, report + 30, 17);
	ck_assert_uint_eq(e.boots, 5);
	ck_assert_uint_eq(e.time, 127);
}
END_TEST

START_TEST(test_cut)
{
	struct snmp_engine e;
	uint32_t id;

	for (size_t n = 0; n < sizeof report; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, report, n);
		ck_assert_int_eq(snmp_discovery_answer(exact, n, &id, &e), -EBADMSG);
		free(exact);
	}
}
END_TEST

START_TEST(test_lengths)
{
	static const uint8_t bad[][8] = {
		{ 0x30, 0x80, 0x02, 0x01, 0x03 },		/* indefinite */
		{ 0x30, 0x84, 0xff, 0xff, 0xff, 0xff },
		{ 0x30, 0x85, 0, 0, 0, 0, 1 },			/* length of five bytes */
		{ 0x30, 0xff },
		{ 0x30, 0x00 },
		{ 0x30, 0x03, 0x02, 0x01, 0x01 },		/* version 1 */
		{ 0x04, 0x03, 0x02, 0x01, 0x03 },
		{ 0x30, 0x06, 0x02, 0x04, 0xff, 0xff, 0xff, 0xff },	/* negative */
	};
	struct snmp_engine e;
	uint32_t id;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(snmp_discovery_answer(bad[i], sizeof bad[i], &id, &e), -EBADMSG);
}
END_TEST

START_TEST(test_engine_of_wrong_length)
{
	uint8_t text[sizeof report];
	struct snmp_engine e;
	uint32_t id;

	for (unsigned len = 0; len < 256; len++) {
		memcpy(text, report, sizeof text);
		text[29] = (uint8_t)len;
		if (len != 17)
			ck_assert_int_eq(snmp_discovery_answer(text, sizeof text, &id, &e),
			    -EBADMSG);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_request, test_answer, test_cut, test_lengths,
		test_engine_of_wrong_length, NULL };

	return run_suite("snmp_discovery", tests);
}
