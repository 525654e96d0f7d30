/*
 * packet.c - see packet.h.
 */
#include "tests/impair/packet.h"

#include <string.h>

#define IP4_HEADER(p) ((size_t)((p)[0] & 15) * 4)
enum { TH_FIN = 1, TH_SYN = 2, TH_RST = 4, TH_ACK = 16 };
enum { ICMP4_REPLY = 0, ICMP4_REQUEST = 8, ICMP6_REQUEST = 128, ICMP6_REPLY = 129 };

static uint32_t
sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (; n > 1; n -= 2, p += 2)
		s += (uint32_t)(p[0] << 8 | p[1]);
	return n > 0 ? s + (uint32_t)(p[0] << 8) : s;
}

static uint16_t
fold(uint32_t s)
{
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* Swaps source and destination, n bytes each, at off. */
static void
swap_addresses(uint8_t *p, size_t off, size_t n)
{
	uint8_t a[16];

	memcpy(a, p + off, n);
	memcpy(p + off, p + off + n, n);
	memcpy(p + off + n, a, n);
}

bool
packet_read(const uint8_t *p, size_t len, struct packet_info *out)
{
	size_t header = 40;

	*out = (struct packet_info){ .v6 = len > 0 && p[0] >> 4 == 6 };
	if (len < 20 || (out->v6 && len < 40))
		return false;
	if (out->v6) {
		out->proto = p[6];
		out->src = get32(p + 20);
		out->dst = get32(p + 36);
		if (out->proto == 58 && len >= 48 &&
		    (p[40] == ICMP6_REQUEST || p[40] == ICMP6_REPLY))
			out->echo = 40;
		else if (p[24] == 0xff)
			return false;
	} else {
		header = IP4_HEADER(p);
		out->proto = p[9];
		out->src = get32(p + 12);
		out->dst = get32(p + 16);
		if (out->proto == 1 && len >= header + 8)
			out->echo = header;
	}
	if (out->echo != 0) {
		out->request = p[out->echo] == (out->v6 ? ICMP6_REQUEST : ICMP4_REQUEST);
		header = out->echo + 4;
	}
	if (len >= header + 4) {
		out->id = get16(p + header);
		out->seq = get16(p + header + 2);
	}
	return true;
}

size_t
packet_echo_reply(uint8_t *p, size_t len, const struct packet_info *info)
{
	uint8_t *icmp = p + info->echo;
	uint8_t type = info->v6 ? ICMP6_REPLY : ICMP4_REPLY;
	uint32_t s = (uint16_t)~get16(icmp + 2);

	/* RFC 1624: only the type changes, swapping addresses changes no sum. */
	s += (uint16_t)~(icmp[0] << 8);
	s += (uint32_t)type << 8;
	icmp[0] = type;
	put16(icmp + 2, fold(s));
	swap_addresses(p, info->v6 ? 8 : 12, info->v6 ? 16 : 4);
	return len;
}

size_t
packet_tcp_reply(uint8_t *p, size_t len, bool refuse)
{
	size_t ip = IP4_HEADER(p), payload;
	uint8_t *t = p + ip, flags, answer;
	uint32_t seq, ack;

	if (len < ip + 20)
		return 0;
	flags = t[13];
	payload = get16(p + 2) - ip - (size_t)(t[12] >> 4) * 4;
	seq = get32(t + 8);
	ack = get32(t + 4) + (uint32_t)payload;
	if ((flags & TH_RST) != 0)
		return 0;
	if (refuse) {
		answer = TH_RST | TH_ACK;
		seq = (flags & TH_ACK) != 0 ? seq : 0;
		ack += ((flags & TH_SYN) != 0) + ((flags & TH_FIN) != 0);
	} else if ((flags & TH_SYN) != 0) {
		answer = TH_SYN | TH_ACK;
		seq = get32(t + 4) * UINT32_C(2654435761);
		ack = get32(t + 4) + 1;
	} else if ((flags & TH_FIN) != 0) {
		answer = TH_FIN | TH_ACK;
		ack++;
	} else if (payload > 0) {
		answer = TH_ACK;
	} else {
		return 0;
	}
	swap_addresses(p, 12, 4);
	swap_addresses(t, 0, 2);
	put32(t + 4, seq);
	put32(t + 8, ack);
	t[12] = 5 << 4;
	t[13] = answer;
	put16(t + 14, 65535);
	memset(t + 16, 0, 4);
	put16(p + 2, (uint32_t)ip + 20);
	put16(p + 10, 0);
	put16(p + 10, fold(sum(p, ip, 0)));
	put16(t + 16, fold(sum(t, 20, sum(p + 12, 8, 6 + 20))));
	return ip + 20;
}

size_t
packet_icmp_error(uint8_t *p, size_t len, int type, int code)
{
	uint8_t out[PACKET_ROOM] = { 0x45 };
	size_t ip = IP4_HEADER(p), quote = len < ip + 8 ? len : ip + 8;

	put16(out + 2, (uint32_t)(28 + quote));
	out[8] = 64;
	out[9] = 1;
	memcpy(out + 12, p + 16, 4);
	memcpy(out + 16, p + 12, 4);
	put16(out + 10, fold(sum(out, 20, 0)));
	out[20] = (uint8_t)type;
	out[21] = (uint8_t)code;
	memcpy(out + 28, p, quote);
	put16(out + 22, fold(sum(out + 20, 8 + quote, 0)));
	memcpy(p, out, 28 + quote);
	return 28 + quote;
}
