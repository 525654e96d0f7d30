/*
 * test_packet.c - are the answers of the emulator sound packets, with sums that hold?
 */
#include "tests/impair/packet.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

static uint8_t p[2048];

/* Plain RFC 1071, and nothing of the code under test. */
static uint32_t
add(const uint8_t *b, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	return s;
}

static bool
holds(uint32_t s)
{
	while (s > 0xffff)
		s = (s >> 16) + (s & 0xffff);
	return s == 0xffff;
}

/* Do length and all checksums of the packet hold? */
static bool
sound(size_t len)
{
	bool v6 = p[0] >> 4 == 6;
	uint8_t proto = v6 ? p[6] : p[9];
	size_t head = v6 ? 40 : 20;
	uint32_t s = add(p + head, len - head);

	if (v6 ? ((size_t)p[4] << 8 | p[5]) != len - 40 : ((size_t)p[2] << 8 | p[3]) != len)
		return false;
	if (!v6 && !holds(add(p, 20)))
		return false;
	if (v6)
		s += add(p + 8, 32) + proto + (uint32_t)(len - head);
	else if (proto != 1)
		s += add(p + 12, 8) + proto + (uint32_t)(len - head);
	return holds(s);
}

static void
sum_at(size_t len, size_t at)
{
	uint32_t s = 0;

	p[at] = p[at + 1] = 0;
	for (uint32_t v = 0; v < 0x10000; v++) {	/* the one that makes it sound: slow and sure */
		p[at] = (uint8_t)(v >> 8);
		p[at + 1] = (uint8_t)v;
		if (sound(len))
			return;
		s++;
	}
	ck_abort_msg("no sum of %u makes it sound", s);
}

/* 10.0.0.1 to 10.0.0.9, or fd00::1 to fd00::9. */
static size_t
packet(bool v6, uint8_t proto, size_t n)
{
	size_t head = v6 ? 40 : 20, len = head + n;
	uint32_t s;

	memset(p, 0, sizeof p);
	if (v6) {
		p[0] = 0x6b;
		p[1] = 0x80;
		p[4] = (uint8_t)(n >> 8);
		p[5] = (uint8_t)n;
		p[6] = proto;
		p[7] = 61;
		p[8] = p[24] = 0xfd;
		p[23] = 1;
		p[39] = 9;
		return len;
	}
	p[0] = 0x45;
	p[1] = 0xb8;
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	p[6] = 0x40;
	p[8] = 61;
	p[9] = proto;
	p[12] = p[16] = 10;
	p[15] = 1;
	p[19] = 9;
	s = add(p, 20);
	while (s > 0xffff)
		s = (s >> 16) + (s & 0xffff);
	p[10] = (uint8_t)(~s >> 8);
	p[11] = (uint8_t)~s;
	return len;
}

static size_t
request(bool v6, size_t data)
{
	size_t len = packet(v6, v6 ? 58 : 1, 8 + data), at = v6 ? 40 : 20;

	p[at] = v6 ? 128 : 8;
	p[at + 4] = 0x12;
	p[at + 5] = 0x34;
	p[at + 7] = 7;
	for (size_t i = 0; i < data; i++)
		p[at + 8 + i] = (uint8_t)(i * 37);
	sum_at(len, at + 2);
	return len;
}

static size_t
reply(bool v6, size_t data)
{
	struct packet_info info;
	size_t len = request(v6, data);

	ck_assert(packet_read(p, len, &info));
	return packet_echo_reply(p, len, &info);
}

START_TEST(test_echo)
{
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (size_t data = 0; data < 70; data += 23) {
			struct packet_info info;
			size_t len = request(v6, data);
			char src[ADDRESS_TEXT], dst[ADDRESS_TEXT];

			ck_assert(packet_read(p, len, &info));
			ck_assert(info.request && info.echo == (v6 ? 40u : 20u) && info.df);
			ck_assert(info.id == 0x1234 && info.seq == 7 && info.tos == 0xb8 &&
			    info.ttl == 61);
			ck_assert_uint_eq(packet_echo_reply(p, len, &info), len);
			ck_assert(sound(len));
			ck_assert(packet_read(p, len, &info) && !info.request && info.echo != 0);
			address_text(info.src, src);
			address_text(info.dst, dst);
			ck_assert_str_eq(src, v6 ? "fd00::9" : "10.0.0.9");
			ck_assert_str_eq(dst, v6 ? "fd00::1" : "10.0.0.1");
		}
}
END_TEST

static size_t
segment(bool v6, uint8_t flags, size_t data)
{
	size_t len = packet(v6, 6, 24 + data), t = v6 ? 40 : 20;

	p[t + 1] = 99;
	p[t + 3] = 80;
	p[t + 7] = 10;			/* seq */
	p[t + 11] = 77;			/* ack */
	p[t + 12] = 6 << 4;
	p[t + 13] = flags;
	return len;
}

START_TEST(test_tcp)
{
	static const struct { uint8_t flags; size_t data; bool refuse; uint8_t answer, ack; } want[] = {
		{ 2, 0, false, 18, 11 }, { 2, 0, true, 20, 11 }, { 16, 0, false, 0, 0 },
		{ 24, 5, false, 16, 15 }, { 17, 0, false, 17, 11 }, { 4, 0, false, 0, 0 },
		{ 4, 0, true, 0, 0 }, { 24, 5, true, 20, 15 },
	};

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
			struct packet_info info;
			size_t len = segment(v6, want[i].flags, want[i].data), t = v6 ? 40 : 20;

			ck_assert(packet_read(p, len, &info) && info.id == 99 && info.seq == 80);
			len = packet_tcp_reply(p, len, &info, want[i].refuse);
			if (want[i].answer == 0) {
				ck_assert_uint_eq(len, 0);
				continue;
			}
			ck_assert_uint_eq(len, t + 20);
			ck_assert(sound(len));
			ck_assert_uint_eq(p[t + 13], want[i].answer);
			ck_assert_uint_eq(p[t + 11], want[i].ack);
			ck_assert(p[t + 1] == 80 && p[t + 3] == 99);
		}
}
END_TEST

START_TEST(test_tcp_cut)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t whole = segment(v6, 24, 5);

		for (size_t len = 0; len < whole; len++) {
			struct packet_info info;

			segment(v6, 24, 5);
			if (packet_read(p, len, &info) && len < (v6 ? 40u : 20u) + 24)
				ck_assert_uint_eq(packet_tcp_reply(p, len, &info, false), 0);
		}
	}
}
END_TEST

START_TEST(test_errors)
{
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned all = 0; all < 2; all++) {
			size_t len = request(v6, 1400), head = v6 ? 40 : 20, n;
			uint8_t was[2048];
			struct packet_info info;
			struct address via;

			memcpy(was, p, sizeof was);
			ck_assert_int_eq(address_parse(v6 ? "fd00::fe" : "10.0.0.254", &via), 0);
			ck_assert(packet_read(p, len, &info));
			n = packet_icmp_error(p, len, &info, v6 ? 2 : 3, v6 ? 0 : 4, 1300, via,
			    all ? 5000 : 8);
			ck_assert_uint_eq(n, all ? PACKET_ROOM : head + 8 + head + 8);
			ck_assert(sound(n));
			ck_assert_uint_eq(p[head], v6 ? 2 : 3);
			ck_assert_uint_eq(p[head + 6] << 8 | p[head + 7], 1300);
			ck_assert_mem_eq(p + head + 8, was, n - head - 8);
			ck_assert(packet_read(p, n, &info) && info.echo == 0);
			ck_assert_mem_eq(&info.src, &via, sizeof via);
		}
}
END_TEST

/* Each bit behind the header is hit about as often as any other, and no sum holds any more. */
START_TEST(test_corrupt)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t len = reply(v6, 56), head = v6 ? 40 : 20;
		unsigned seen[64] = { 0 };
		uint8_t was[2048];
		double x2 = 0;

		memcpy(was, p, sizeof was);
		srand48(5);
		for (unsigned i = 0; i < 6400; i++) {
			unsigned bits = 0;

			packet_corrupt(p, len, (uint64_t)mrand48() << 32 ^ (uint64_t)lrand48(), false);
			ck_assert(!sound(len));
			for (size_t k = 0; k < len; k++)
				if (p[k] != was[k]) {
					bits += (unsigned)__builtin_popcount(p[k] ^ was[k]);
					ck_assert_uint_ge(k, head);
					seen[k - head]++;
				}
			ck_assert_uint_eq(bits, 1);
			memcpy(p, was, len);
		}
		for (unsigned k = 0; k < 64; k++)
			x2 += (seen[k] - 100.0) * (seen[k] - 100.0) / 100;
		ck_assert_double_lt(x2, 116);	/* 63 degrees of freedom, 1 in 10^4 */
		for (unsigned i = 0; i < 24 * 8; i++) {
			packet_corrupt(p, len, i, true);
			ck_assert(sound(len));
			ck_assert_int_ne(memcmp(p + head + 8, was + head + 8, 24), 0);
			ck_assert_mem_eq(p + head + 32, was + head + 32, len - head - 32);
			memcpy(p, was, len);
		}
	}
}
END_TEST

START_TEST(test_forge)
{
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (int what = FORGE_SOURCE; what < FORGE_MAX; what++)
			for (uint64_t random = 0; random < 200000; random += 1777) {
				size_t len = reply(v6, 56), n;
				uint8_t was[2048];

				memcpy(was, p, sizeof was);
				n = packet_forge(p, len, (enum forgery)what, random);
				ck_assert_uint_ge(n, (v6 ? 40u : 20u) + 8);
				ck_assert(n != len || memcmp(p, was, n) != 0);
				ck_assert_int_eq(what == FORGE_SHORT, n < len);
				ck_assert_int_eq(what == FORGE_LONG, n > len);
				ck_assert_int_eq(sound(n), what != FORGE_SUM);
			}
}
END_TEST

START_TEST(test_fragments)
{
	struct packet_info info;
	size_t len = request(false, 64);
	uint8_t was[2048];

	p[6] = 0x20;			/* the second of three, eight bytes on */
	p[7] = 1;
	memcpy(was, p, sizeof was);
	ck_assert(packet_read(p, len, &info) && info.rest && info.echo == 0 && !info.df);
	ck_assert_uint_eq(packet_echo_reply(p, len, &info), len);
	ck_assert_mem_eq(p + 20, was + 20, len - 20);
	ck_assert_mem_eq(p + 12, was + 16, 4);
	len = packet(true, 44, 8 + 16);
	p[40] = 58;
	p[43] = 8 | 1;
	ck_assert(packet_read(p, len, &info) && info.rest && info.proto == 58 && !info.df);
	p[43] = 1;			/* the first */
	p[48] = 128;
	ck_assert(packet_read(p, len, &info) && !info.rest && info.request && info.echo == 48);
}
END_TEST

START_TEST(test_cut)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		size_t whole = request(v6, 24);

		for (size_t len = 0; len < whole; len++) {
			struct packet_info info;

			request(v6, 24);
			if (packet_read(p, len, &info) && info.echo != 0)
				packet_echo_reply(p, len, &info);
			packet_corrupt(p, len, 12345, true);
			packet_forge(p, len, FORGE_SHORT, 12345);
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_echo, test_tcp, test_tcp_cut, test_errors, test_corrupt, test_forge,
		test_fragments, test_cut, NULL,
	};

	return run_suite("packet", tests);
}
