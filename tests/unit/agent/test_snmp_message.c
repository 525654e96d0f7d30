/*
 * test_snmp_message.c - requests as they leave, answers right and wrong.
 */
#include "agent/snmp_message.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/agent/suite.h"

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
/* An answer of snmpd to a GET of sysUpTime.0 with request id 0x01020304. */
static const uint8_t uptime[] = {
	0x30, 0x2d, 0x02, 0x01, 0x01, 0x04, 0x06, 'p', 'u', 'b', 'l', 'i', 'c', 0xa2, 0x20,
	0x02, 0x04, 0x01, 0x02, 0x03, 0x04, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x30, 0x12,
	0x30, 0x10, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x02, 0x01, 0x01, 0x03, 0x00, 0x43, 0x04,
	0x00, 0x01, 0xe2, 0x40,
};

START_TEST(test_get)
{
	static const struct snmp_var var = { SNMP_UPTIME, 9, { 1, 3, 6, 1, 2, 1, 1, 3, 0 } };
	static const uint8_t want[] = { 0x30, 0x29, 2, 1, 1, 4, 6, 'p', 'u', 'b', 'l', 'i', 'c',
		0xa0, 0x1c, 2, 4, 1, 2, 3, 4, 2, 1, 0, 2, 1, 0, 0x30, 0x0e, 0x30, 0x0c, 6, 8, 0x2b,
		6, 1, 2, 1, 1, 3, 0, 5, 0 };
	struct snmp_request r = { .pdu = SNMP_PDU_GET, .id = 0x01020304, .var = &var, .vars = 1,
		.rows = 9 };
	uint8_t buf[200];
	struct ber_out o;

	ber_out_init(&o, buf, sizeof buf);
	snmp_put_v2c(&o, "public", &r);
	ck_assert(!o.full);
	ck_assert_uint_eq((size_t)(buf + sizeof buf - o.p), sizeof want);
	ck_assert_mem_eq(o.p, want, sizeof want);
	r.pdu = SNMP_PDU_GETBULK;
	ber_out_init(&o, buf, sizeof buf);
	snmp_put_v2c(&o, "public", &r);
	ck_assert_uint_eq(o.p[13], 0xa5);
	ck_assert_mem_eq(o.p + 21, "\2\1\0\2\1\x09", 6);	/* no single ones, nine rows */
}
END_TEST

START_TEST(test_discovery)
{
	struct snmp_answer a;
	struct snmp_v3 v3;
	uint8_t buf[200];
	struct ber_out o;
	uint32_t id;
	size_t n;

	ber_out_init(&o, buf, sizeof buf);
	snmp_put_discovery(&o, 0x01020304);
	n = (size_t)(buf + sizeof buf - o.p);
	ck_assert_int_eq(snmp_message_id(o.p, n, &id), 0);
	ck_assert_uint_eq(id, 0x01020304);
	ck_assert_int_eq(snmp_take_v3(o.p, n, &v3), 0);
	ck_assert_uint_eq(v3.flags, SNMP_FLAG_REPORT);
	ck_assert_uint_eq(v3.engine.len, 0);
	ck_assert_int_eq(snmp_take_v3(report, sizeof report, &v3), 0);
	ck_assert_uint_eq(v3.id, 0x01020304);
	ck_assert_uint_eq(v3.engine.len, 17);
	ck_assert_mem_eq(v3.engine.id, report + 30, 17);
	ck_assert_uint_eq(v3.engine.boots, 5);
	ck_assert_uint_eq(v3.engine.time, 127);
	ck_assert_int_eq(snmp_take_scoped(v3.data, &a), 0);
	ck_assert_uint_eq(a.pdu, SNMP_PDU_REPORT);
	ck_assert_uint_eq(snmp_report_kind(&a), 0);	/* its object has no instance */
}
END_TEST

START_TEST(test_kinds_of_report)
{
	uint8_t text[] = { 0x30, 0x0f, 0x06, 0x0a, 0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0, 0x41, 1, 9 };
	struct snmp_answer a = { .binds = { text, text + sizeof text } };

	ck_assert_uint_eq(snmp_report_kind(&a), SNMP_REPORT_ENGINE);
	ck_assert_ptr_eq(a.binds.p, text);		/* only looked at */
	text[12] = 2;
	ck_assert_uint_eq(snmp_report_kind(&a), SNMP_REPORT_TIME);
	text[12] = 7;
	ck_assert_uint_eq(snmp_report_kind(&a), 0);
	text[12] = 2;
	text[9] = 16;
	ck_assert_uint_eq(snmp_report_kind(&a), 0);
	a.binds.p = a.binds.end;
	ck_assert_uint_eq(snmp_report_kind(&a), 0);
}
END_TEST

START_TEST(test_answer)
{
	struct snmp_answer a;
	struct snmp_bind b;
	uint32_t id;

	ck_assert_int_eq(snmp_message_id(uptime, sizeof uptime, &id), 0);
	ck_assert_uint_eq(id, 0x01020304);
	ck_assert_int_eq(snmp_take_v2c(uptime, sizeof uptime, &a), 0);
	ck_assert_uint_eq(a.id, 0x01020304);
	ck_assert_uint_eq(a.status, 0);
	ck_assert_int_eq(snmp_take_bind(&a, &b), 1);
	ck_assert_uint_eq(b.len, 9);
	ck_assert_int_eq(b.value.type, SNMP_TYPE_TICKS);
	ck_assert_int_eq(b.value.number, 123456);
	ck_assert_int_eq(snmp_take_bind(&a, &b), 0);
}
END_TEST

/* Cut anywhere, in memory of just that size: never read beyond, never taken for whole. */
START_TEST(test_cut)
{
	struct snmp_answer a;
	struct snmp_bind b;
	struct snmp_v3 v3;
	uint32_t id;

	for (size_t n = 0; n < sizeof report; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, report, n);
		ck_assert_int_eq(snmp_take_v3(exact, n, &v3), -EBADMSG);
		(void)snmp_message_id(exact, n, &id);
		free(exact);
	}
	for (size_t n = 0; n < sizeof uptime; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, uptime, n);
		ck_assert_int_eq(snmp_take_v2c(exact, n, &a), -EBADMSG);
		(void)snmp_message_id(exact, n, &id);
		free(exact);
	}
	/* lengths that lie inward */
	for (size_t at = 28; at < sizeof uptime; at++) {
		uint8_t text[sizeof uptime];

		memcpy(text, uptime, sizeof text);
		text[at] = 0xff;
		if (snmp_take_v2c(text, sizeof text, &a) != 0)
			continue;
		while (snmp_take_bind(&a, &b) == 1)
			ck_assert_uint_le(b.len, SNMP_NAME_MAX);
	}
}
END_TEST

START_TEST(test_not_an_answer)
{
	uint8_t text[sizeof uptime], v3_text[sizeof report];
	struct snmp_answer a;
	struct snmp_v3 v3;
	uint32_t id;

	memcpy(text, uptime, sizeof text);
	text[4] = 0;				/* version 1 */
	ck_assert_int_eq(snmp_take_v2c(text, sizeof text, &a), -EBADMSG);
	ck_assert_int_eq(snmp_message_id(text, sizeof text, &id), -EBADMSG);
	text[4] = 1;
	text[13] = SNMP_PDU_GET;		/* our own request come back */
	ck_assert_int_eq(snmp_take_v2c(text, sizeof text, &a), -EBADMSG);
	text[13] = SNMP_PDU_REPORT;		/* there is none in v2c */
	ck_assert_int_eq(snmp_take_v2c(text, sizeof text, &a), -EBADMSG);
	ck_assert_int_eq(snmp_take_v3(uptime, sizeof uptime, &v3), -EBADMSG);
	for (unsigned len = 0; len < 256; len++) {	/* engine ids have 5 to 32 bytes */
		memcpy(v3_text, report, sizeof v3_text);
		v3_text[29] = (uint8_t)len;
		if (len != 17)
			ck_assert_int_eq(snmp_take_v3(v3_text, sizeof v3_text, &v3), -EBADMSG);
	}
	memcpy(v3_text, report, sizeof v3_text);
	v3_text[23] = 2;			/* another security model */
	ck_assert_int_eq(snmp_take_v3(v3_text, sizeof v3_text, &v3), -EBADMSG);
	memcpy(v3_text, report, sizeof v3_text);
	v3_text[20] = SNMP_FLAG_PRIV;		/* says that it is encrypted */
	ck_assert_int_eq(snmp_take_v3(v3_text, sizeof v3_text, &v3), -EBADMSG);
}
END_TEST

/* A bind of 1.3 with this value. */
static int
value(const void *text, size_t n, struct snmp_bind *b)
{
	uint8_t all[100] = { 0x30, (uint8_t)(3 + n), 0x06, 1, 0x2b };
	struct snmp_answer a = { .binds = { all, all + 5 + n } };

	memcpy(all + 5, text, n);
	return snmp_take_bind(&a, b);
}

START_TEST(test_values)
{
	static const struct { enum snmp_type type; size_t n; const char *text; } t[] = {
		{ SNMP_TYPE_NONE, 2, "\x05\x00" }, { SNMP_TYPE_NONE, 6, "\x40\x04\x7f\0\0\1" },
		{ SNMP_TYPE_MISSING, 2, "\x80\x00" }, { SNMP_TYPE_MISSING, 2, "\x81\x00" },
		{ SNMP_TYPE_MISSING, 2, "\x82\x00" }, { SNMP_TYPE_INTEGER, 3, "\x02\x01\xff" },
		{ SNMP_TYPE_COUNTER32, 3, "\x41\x01\x05" }, { SNMP_TYPE_GAUGE, 3, "\x42\x01\x05" },
		{ SNMP_TYPE_GAUGE, 3, "\x47\x01\x05" }, { SNMP_TYPE_TICKS, 3, "\x43\x01\x05" },
		{ SNMP_TYPE_COUNTER64, 3, "\x46\x01\x05" }, { SNMP_TYPE_STRING, 3, "\x04\x01x" },
		{ SNMP_TYPE_OID, 3, "\x06\x01\x2b" }, { SNMP_TYPE_NONE, 3, "\x44\x01\x05" },
		{ SNMP_TYPE_NONE, 9, "\x44\x07\x9f\x78\x05\0\0\0\0" },
		{ SNMP_TYPE_NONE, 9, "\x44\x07\x9f\x79\x04\0\0\0\0" },
		{ SNMP_TYPE_NONE, 9, "\x44\x07\x9e\x78\x04\0\0\0\0" },
	};
	struct snmp_bind b;

	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
		ck_assert_int_eq(value(t[i].text, t[i].n, &b), 1);
		ck_assert_int_eq(b.value.type, t[i].type);
	}
	ck_assert_int_eq(value("\x44\x07\x9f\x78\x04\x3f\xc0\0\0", 9, &b), 1);
	ck_assert_int_eq(b.value.type, SNMP_TYPE_DOUBLE);
	ck_assert_double_eq(b.value.real, 1.5);
	ck_assert_int_eq(value("\x44\x0b\x9f\x79\x08\x3f\xf8\0\0\0\0\0\0", 13, &b), 1);
	ck_assert_double_eq(b.value.real, 1.5);
	ck_assert_int_eq(value("\x02\x00", 2, &b), -EBADMSG);
	ck_assert_int_eq(value("\x41\x00", 2, &b), -EBADMSG);
	ck_assert_int_eq(value("\x46\x0a" "1234567890", 12, &b), -EBADMSG);
	ck_assert_int_eq(value("", 0, &b), -EBADMSG);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_get, test_discovery, test_kinds_of_report, test_answer,
		test_cut, test_not_an_answer, test_values, NULL };

	return run_suite("snmp_message", tests);
}
