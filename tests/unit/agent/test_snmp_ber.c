/*
 * test_snmp_ber.c - values in BER, well and badly formed.
 */
#include "agent/snmp_ber.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/agent/suite.h"

static struct ber_in
in(const void *p, size_t n)
{
	return (struct ber_in){ p, (const uint8_t *)p + n };
}

START_TEST(test_lengths)
{
	static const struct { size_t n; uint8_t text[8]; } bad[] = {
		{ 0, { 0 } }, { 1, { 0x30 } },
		{ 2, { 0x30, 0x80 } },				/* indefinite */
		{ 6, { 0x30, 0x84, 0xff, 0xff, 0xff, 0xff } },
		{ 8, { 0x30, 0x85, 0, 0, 0, 0, 1, 0 } },	/* a length of five bytes */
		{ 2, { 0x30, 0xff } }, { 3, { 0x30, 0x82, 0 } }, { 3, { 0x30, 0x02, 0 } },
	};
	struct ber_in b, v;
	uint8_t type;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		b = in(bad[i].text, bad[i].n);
		ck_assert_int_eq(ber_take(&b, &type, &v), -EBADMSG);
	}
	b = in("\x04\x81\x01x\x05\x00", 6);
	ck_assert_int_eq(ber_take(&b, &type, &v), 0);
	ck_assert_uint_eq(type, BER_STRING);
	ck_assert_int_eq(v.end - v.p, 1);
	ck_assert_int_eq(ber_expect(&b, BER_STRING, &v), -EBADMSG);	/* it is a NULL */
}
END_TEST

START_TEST(test_numbers)
{
	int64_t n;
	uint64_t u;

	ck_assert_int_eq(ber_signed(in("\xff", 1), &n), 0);
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(ber_signed(in("\x80\0\0\0\0\0\0\0", 8), &n), 0);
	ck_assert_int_eq(n, INT64_MIN);
	ck_assert_int_eq(ber_signed(in("", 0), &n), -EBADMSG);
	ck_assert_int_eq(ber_signed(in("123456789", 9), &n), -EBADMSG);
	ck_assert_int_eq(ber_unsigned(in("\0\xff\xff\xff\xff\xff\xff\xff\xff", 9), &u), 0);
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert_int_eq(ber_unsigned(in("\xff\xff\xff\xff", 4), &u), 0);	/* no sign byte */
	ck_assert_uint_eq(u, UINT32_MAX);
	ck_assert_int_eq(ber_unsigned(in("\0", 1), &u), 0);
	ck_assert_uint_eq(u, 0);
	ck_assert_int_eq(ber_unsigned(in("", 0), &u), -EBADMSG);
	ck_assert_int_eq(ber_unsigned(in("\1\0\0\0\0\0\0\0\0", 9), &u), -EBADMSG);
}
END_TEST

START_TEST(test_numbers_of_a_header)
{
	uint32_t n;
	struct ber_in b = in("\x02\x04\x7f\xff\xff\xff", 6);

	ck_assert_int_eq(ber_expect_number(&b, &n), 0);
	ck_assert_uint_eq(n, INT32_MAX);
	b = in("\x02\x05\0\x80\0\0\0", 7);
	ck_assert_int_eq(ber_expect_number(&b, &n), -EBADMSG);
	b = in("\x02\x01\xff", 3);
	ck_assert_int_eq(ber_expect_number(&b, &n), -EBADMSG);
	b = in("\x02\x00", 2);
	ck_assert_int_eq(ber_expect_number(&b, &n), -EBADMSG);
}
END_TEST

START_TEST(test_names)
{
	uint8_t many[300];
	uint32_t name[128];

	ck_assert_int_eq(ber_name(in("\x2b\6\1", 3), name, 128), 4);
	ck_assert_uint_eq(name[0], 1);
	ck_assert_uint_eq(name[1], 3);
	ck_assert_int_eq(ber_name(in("\x88\x37", 2), name, 128), 2);	/* 2.999 */
	ck_assert_uint_eq(name[0], 2);
	ck_assert_uint_eq(name[1], 999);
	ck_assert_int_eq(ber_name(in("\5", 1), name, 128), 2);
	ck_assert_uint_eq(name[0], 0);
	ck_assert_int_eq(ber_name(in("\x2b\x8f\xff\xff\xff\x7f", 6), name, 128), 3);
	ck_assert_uint_eq(name[2], UINT32_MAX);
	ck_assert_int_eq(ber_name(in("\x2b\x90\x80\x80\x80\x00", 6), name, 128), -EBADMSG);
	ck_assert_int_eq(ber_name(in("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9), name, 128), -EBADMSG);
	ck_assert_int_eq(ber_name(in("\xff\xff\xff\xff\x7f", 5), name, 128), -EBADMSG);
	ck_assert_int_eq(ber_name(in("\x2b\x80", 2), name, 128), -EBADMSG);	/* cut */
	ck_assert_int_eq(ber_name(in("", 0), name, 128), -EBADMSG);
	ck_assert_int_eq(ber_name(in("\x2b", 1), name, 1), -EBADMSG);
	memset(many, 1, sizeof many);
	ck_assert_int_eq(ber_name(in(many, 127), name, 128), 128);
	ck_assert_int_eq(ber_name(in(many, 128), name, 128), -EBADMSG);
}
END_TEST

/* What is written is read again, at every width. */
START_TEST(test_written)
{
	static const uint32_t number[] = { 0, 1, 127, 128, 255, 256, 32767, 32768, 8388607,
		8388608, INT32_MAX };
	static const uint32_t name[] = { 2, 4000000000, 0, 127, 128, 16383, 16384, UINT32_MAX };
	uint32_t back[128], n;
	uint8_t buf[400];
	struct ber_out o;
	struct ber_in b, v;

	for (unsigned i = 0; i < sizeof number / sizeof number[0]; i++) {
		ber_out_init(&o, buf, sizeof buf);
		ber_put_number(&o, number[i]);
		b = in(o.p, (size_t)(buf + sizeof buf - o.p));
		ck_assert_int_eq(ber_expect_number(&b, &n), 0);
		ck_assert_uint_eq(n, number[i]);
		ck_assert_ptr_eq(b.p, b.end);
	}
	ber_out_init(&o, buf, sizeof buf);
	ber_put_name(&o, name, 8);
	b = in(o.p, (size_t)(buf + sizeof buf - o.p));
	ck_assert_int_eq(ber_expect(&b, BER_OID, &v), 0);
	ck_assert_int_eq(ber_name(v, back, 128), 8);
	ck_assert_mem_eq(back, name, sizeof name);
	for (size_t len = 100; len < 390; len += 80) {
		uint8_t text[400] = { 0 };

		ber_out_init(&o, buf, sizeof buf);
		ber_put_string(&o, text, len);
		ck_assert(!o.full);
		b = in(o.p, (size_t)(buf + sizeof buf - o.p));
		ck_assert_int_eq(ber_expect(&b, BER_STRING, &v), 0);
		ck_assert_uint_eq((size_t)(v.end - v.p), len);
	}
}
END_TEST

START_TEST(test_full)
{
	uint8_t buf[16], text[17] = { 0 };
	struct ber_out o;

	ber_out_init(&o, buf, sizeof buf);
	ber_put_string(&o, text, 14);
	ck_assert(!o.full);
	ck_assert_ptr_eq(o.p, buf);
	ber_put(&o, text, 1);
	ck_assert(o.full);
	ber_out_init(&o, buf, sizeof buf);
	ber_put_string(&o, text, sizeof text);
	ck_assert(o.full);
	ber_put(&o, text, 1);			/* and it stays so */
	ck_assert(o.full);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_lengths, test_numbers, test_numbers_of_a_header,
		test_names, test_written, test_full, NULL };

	return run_suite("snmp_ber", tests);
}
