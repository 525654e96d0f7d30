/*
 * test_icmp_wire.c - echo packets, and packets of people who mean no good.
 */
#include "agent/icmp_wire.h"

#include <check.h>
#include <string.h>

#include "common/model.h"
#include "suite.h"

#define SIZE 56
#define TOTAL (ICMP_WIRE_HEADER + SIZE)

static const struct icmp_key key = { .k = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 },
	.tag = 0xdeadbeef };
static const struct icmp_request request = { .id = 0x1234, .seq = 77, .link = 9,
	.token = UINT64_C(0x1122334455667788) };
static uint8_t echo[TOTAL], packet[2048];
static struct icmp_news news;

static void
fix_checksum(uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	p[2] = p[3] = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	p[2] = (uint8_t)(~sum >> 8);
	p[3] = (uint8_t)~sum;
}

/* The reply of a sound host, with options bytes of IP options. */
static size_t
make_reply_4(size_t options)
{
	size_t header = 20 + options, total = header + TOTAL;

	ck_assert_uint_eq(icmp_wire_echo(echo, false, &request, &key, SIZE), TOTAL);
	memset(packet, 0, sizeof packet);
	packet[0] = (uint8_t)(0x40 | header / 4);
	packet[2] = (uint8_t)(total >> 8);
	packet[3] = (uint8_t)total;
	packet[8] = 64;
	packet[9] = 1;
	memcpy(packet + header, echo, TOTAL);
	packet[header] = 0;
	fix_checksum(packet + header, TOTAL);
	return total;
}

/* An unreachable from a router that quotes so much of the request. */
static size_t
make_error_4(uint8_t type, uint8_t code, size_t quoted)
{
	size_t total = 20 + 8 + 20 + quoted;
	uint8_t *icmp = packet + 20, *inner = icmp + 8;

	icmp_wire_echo(echo, false, &request, &key, SIZE);
	memset(packet, 0, sizeof packet);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(total >> 8);
	packet[3] = (uint8_t)total;
	packet[9] = 1;
	icmp[0] = type;
	icmp[1] = code;
	inner[0] = 0x45;
	inner[9] = 1;
	memcpy(inner + 16, "\xc0\x00\x02\x07", 4);
	memcpy(inner + 20, echo, quoted);
	fix_checksum(icmp, total - 20);
	return total;
}

static void
assert_ours(enum icmp_news_kind kind)
{
	ck_assert_int_eq(news.kind, kind);
	ck_assert_uint_eq(news.request.id, request.id);
	ck_assert_uint_eq(news.request.seq, request.seq);
	ck_assert_uint_eq(news.request.link, request.link);
	ck_assert_uint_eq(news.request.token, request.token);
}

START_TEST(test_siphash)
{
	uint8_t text[15];

	/* the vector of the SipHash paper, appendix A */
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)i;
	ck_assert_uint_eq(icmp_wire_siphash(key.k, text, sizeof text), 0xa129ca6149be45e5);
}
END_TEST

START_TEST(test_reply)
{
	for (size_t options = 0; options <= 40; options += 4) {
		size_t n = make_reply_4(options);

		icmp_wire_parse_ip4(packet, n, &key, &news);
		assert_ours(ICMP_NEWS_REPLY);
	}
	icmp_wire_echo(echo, true, &request, &key, SIZE);
	echo[0] = 129;
	icmp_wire_parse_6(echo, TOTAL, &key, &news);
	assert_ours(ICMP_NEWS_REPLY);
}
END_TEST

START_TEST(test_own_request_is_no_reply)
{
	icmp_wire_echo(echo, false, &request, &key, SIZE);
	icmp_wire_parse_4(echo, TOTAL, false, &key, &news);
	assert_ours(ICMP_NEWS_REQUEST);
	icmp_wire_echo(echo, true, &request, &key, SIZE);
	icmp_wire_parse_6(echo, TOTAL, &key, &news);
	assert_ours(ICMP_NEWS_REQUEST);
}
END_TEST

START_TEST(test_cut_everywhere)
{
	size_t n = make_reply_4(0);

	for (size_t i = 0; i < n; i++) {
		uint8_t *exact = malloc(i + 1);		/* so that ASan sees a step too far */

		memcpy(exact, packet, i);
		icmp_wire_parse_ip4(exact, i, &key, &news);
		ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
		icmp_wire_parse_4(exact, i, true, &key, &news);
		icmp_wire_parse_6(exact, i, &key, &news);
		free(exact);
	}
}
END_TEST

/* No single flipped bit passes. */
START_TEST(test_flipped_everywhere)
{
	size_t n = make_reply_4(0);

	for (size_t bit = 0; bit < 8 * (20 + ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE); bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		icmp_wire_parse_ip4(packet, n, &key, &news);
		/* TOS, id, fragment, TTL and addresses are not the parser's business */
		if (bit / 8 >= 20 || bit / 8 == 0 || bit / 8 == 2 || bit / 8 == 3 || bit / 8 == 9)
			ck_assert_msg(news.kind == ICMP_NEWS_NONE, "bit %zu", bit);
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

/* Without the key nobody makes a cookie, even if the checksum is right. */
START_TEST(test_forged)
{
	struct icmp_key wrong = key;
	size_t n = make_reply_4(0);

	for (size_t i = 20 + ICMP_WIRE_HEADER; i < 20 + ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE; i++) {
		packet[i] ^= 1;
		fix_checksum(packet + 20, TOTAL);
		icmp_wire_parse_ip4(packet, n, &key, &news);
		/* a wrong tag is somebody else's, a wrong rest is meant to be ours */
		ck_assert_int_eq(news.kind, i < 20 + ICMP_WIRE_HEADER + 4 ? ICMP_NEWS_NONE :
		    ICMP_NEWS_FORGED);
		packet[i] ^= 1;
	}
	packet[20 + 7] ^= 1;			/* another sequence number */
	fix_checksum(packet + 20, TOTAL);
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_FORGED);
	n = make_reply_4(0);
	wrong.k[1]++;
	icmp_wire_parse_ip4(packet, n, &wrong, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_FORGED);
}
END_TEST

START_TEST(test_errors)
{
	size_t n = make_error_4(3, 1, TOTAL);

	icmp_wire_parse_ip4(packet, n, &key, &news);
	assert_ours(ICMP_NEWS_ERROR);
	ck_assert_uint_eq(news.cause, CAUSE_HOST_UNREACHABLE);
	ck_assert_mem_eq(news.quoted_to, "\xc0\x00\x02\x07", 4);
	n = make_error_4(11, 0, 8);		/* RFC 792: a router need not quote more */
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_ERROR_SHORT);
	ck_assert_uint_eq(news.cause, CAUSE_TTL_EXCEEDED);
	ck_assert_uint_eq(news.request.id, request.id);
	ck_assert_uint_eq(news.request.seq, request.seq);
	n = make_error_4(3, 1, 7);
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
	n = make_error_4(3, 1, TOTAL);
	packet[20 + 8 + 20 + 20] ^= 1;		/* quotes something that we never sent */
	fix_checksum(packet + 20, n - 20);
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
}
END_TEST

START_TEST(test_errors_about_others)
{
	size_t n = make_error_4(3, 1, TOTAL);

	packet[20 + 8 + 9] = 17;		/* about UDP */
	fix_checksum(packet + 20, n - 20);
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
	n = make_error_4(3, 1, TOTAL);
	packet[20 + 8] = 0x4f;			/* a quoted header longer than what is quoted */
	fix_checksum(packet + 20, n - 20);
	icmp_wire_parse_ip4(packet, 20 + 8 + 24, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
	n = make_error_4(3, 1, TOTAL);
	packet[20 + 8 + 7] = 8;			/* a fragment that is not the first */
	fix_checksum(packet + 20, n - 20);
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
	n = make_error_4(5, 1, TOTAL);		/* a redirect ends nothing */
	icmp_wire_parse_ip4(packet, n, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
}
END_TEST

START_TEST(test_errors_6)
{
	uint8_t *inner = packet + 8;

	icmp_wire_echo(echo, true, &request, &key, SIZE);
	memset(packet, 0, sizeof packet);
	packet[0] = 1;
	packet[1] = 4;
	inner[0] = 0x60;
	inner[6] = 58;
	memcpy(inner + 40, echo, TOTAL);
	icmp_wire_parse_6(packet, 8 + 40 + TOTAL, &key, &news);
	assert_ours(ICMP_NEWS_ERROR);
	ck_assert_uint_eq(news.cause, CAUSE_PORT_UNREACHABLE);
	icmp_wire_parse_6(packet, 8 + 40 + 8, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_ERROR_SHORT);
	icmp_wire_parse_6(packet, 8 + 39, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
	inner[6] = 17;
	icmp_wire_parse_6(packet, 8 + 40 + TOTAL, &key, &news);
	ck_assert_int_eq(news.kind, ICMP_NEWS_NONE);
}
END_TEST

START_TEST(test_causes)
{
	ck_assert_uint_eq(icmp_wire_cause(false, 3, 0), CAUSE_NET_UNREACHABLE);
	ck_assert_uint_eq(icmp_wire_cause(false, 3, 4), CAUSE_TOO_BIG);
	ck_assert_uint_eq(icmp_wire_cause(false, 3, 13), CAUSE_PROHIBITED);
	ck_assert_uint_eq(icmp_wire_cause(false, 3, 200), CAUSE_NONE);
	ck_assert_uint_eq(icmp_wire_cause(false, 11, 1), CAUSE_NONE);
	ck_assert_uint_eq(icmp_wire_cause(true, 1, 1), CAUSE_PROHIBITED);
	ck_assert_uint_eq(icmp_wire_cause(true, 2, 0), CAUSE_TOO_BIG);
	ck_assert_uint_eq(icmp_wire_cause(true, 3, 0), CAUSE_TTL_EXCEEDED);
	ck_assert_uint_eq(icmp_wire_cause(true, 1, 255), CAUSE_NONE);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_siphash, test_reply, test_own_request_is_no_reply, test_cut_everywhere,
		test_flipped_everywhere, test_forged, test_errors, test_errors_about_others,
		test_errors_6, test_causes, NULL,
	};

	return run_suite("icmp_wire", tests);
}
