/*
 * packet.c - see packet.h.
 */
#include "tests/impair/packet.h"

#include <string.h>

#define IP4_HEADER(p) ((size_t)((p)[0] & 15) * 4)
#define COOKIE 24			/* bytes of an echo message's data that may hold a secret */
#define LONGER 64			/* bytes that a forged reply is too long */
enum { TH_FIN = 1, TH_SYN = 2, TH_RST = 4, TH_ACK = 16 };
enum { ICMP4_REPLY = 0, ICMP4_REQUEST = 8, ICMP6_REQUEST = 128, ICMP6_REPLY = 129 };
enum { P_ICMP = 1, P_TCP = 6, P_FRAGMENT = 44, P_ICMP6 = 58 };

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

static void
put_address(uint8_t *p, bool v6, struct address a)
{
	if (v6) {
		put32(p, (uint32_t)(a.hi >> 32));
		put32(p + 4, (uint32_t)a.hi);
		put32(p + 8, (uint32_t)(a.lo >> 32));
		p += 12;
	}
	put32(p, (uint32_t)a.lo);
}

static void
swap_bytes(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t kept[16];

	memcpy(kept, a, n);
	memcpy(a, b, n);
	memcpy(b, kept, n);
}

static void
swap_addresses(uint8_t *p, bool v6)
{
	if (v6)
		swap_bytes(p + 8, p + 24, 16);
	else
		swap_bytes(p + 12, p + 16, 4);
}

/* ------------------------------------------------------------------ reading */

static void
read_4(const uint8_t *p, struct packet_info *out)
{
	out->head = IP4_HEADER(p);
	out->proto = p[9];
	out->src = address_4(get32(p + 12));
	out->dst = address_4(get32(p + 16));
	out->tos = p[1];
	out->ttl = p[8];
	out->df = (p[6] & 0x40) != 0;
	out->rest = (get16(p + 6) & 0x1fff) != 0;
}

static void
read_6(const uint8_t *p, size_t len, struct packet_info *out)
{
	out->head = 40;
	out->proto = p[6];
	out->src = address_6(p + 8);
	out->dst = address_6(p + 24);
	out->tos = (uint8_t)(p[0] << 4 | p[1] >> 4);
	out->ttl = p[7];
	out->df = true;
	if (out->proto != P_FRAGMENT || len < 48)
		return;
	out->head = 48;
	out->proto = p[40];
	out->df = false;
	out->rest = (get16(p + 42) & 0xfff8) != 0;
}

bool
packet_read(const uint8_t *p, size_t len, struct packet_info *out)
{
	size_t at;

	*out = (struct packet_info){ .v6 = len > 0 && p[0] >> 4 == 6 };
	if (len < (out->v6 ? 40 : 20) || (out->v6 && p[24] == 0xff))
		return false;
	if (out->v6)
		read_6(p, len, out);
	else
		read_4(p, out);
	at = out->head;
	if (out->rest || len < at + 8)
		return true;
	if (out->proto == (out->v6 ? P_ICMP6 : P_ICMP)) {
		out->request = p[at] == (out->v6 ? ICMP6_REQUEST : ICMP4_REQUEST);
		if (out->request || p[at] == (out->v6 ? ICMP6_REPLY : ICMP4_REPLY))
			out->echo = at;
		at += 4;
	}
	out->id = get16(p + at);
	out->seq = get16(p + at + 2);
	return true;
}

/* ---------------------------------------------------------------- checksums */

/* Of the len - head bytes behind the header, with the pseudo header where there is one. */
static uint16_t
upper_sum(const uint8_t *p, size_t len, size_t head, bool v6, uint8_t proto)
{
	size_t n = len - head;
	uint32_t s = 0;

	if (v6)
		s = sum(p + 8, 32, (uint32_t)n + proto);
	else if (proto != P_ICMP)
		s = sum(p + 12, 8, (uint32_t)n + proto);
	return fold(sum(p + head, n, s));
}

static void
set_sum(uint8_t *p, size_t len, size_t head, bool v6, uint8_t proto, size_t at)
{
	put16(p + head + at, 0);
	put16(p + head + at, upper_sum(p, len, head, v6, proto));
}

/* Writes the length, and what follows from it, into the IP header. */
static void
set_length(uint8_t *p, size_t len, bool v6)
{
	if (v6) {
		put16(p + 4, (uint32_t)len - 40);
		return;
	}
	put16(p + 2, (uint32_t)len);
	put16(p + 10, 0);
	put16(p + 10, fold(sum(p, IP4_HEADER(p), 0)));
}

/* ------------------------------------------------------------------ answers */

size_t
packet_echo_reply(uint8_t *p, size_t len, const struct packet_info *info)
{
	uint8_t *icmp = p + info->echo;
	uint8_t type = info->v6 ? ICMP6_REPLY : ICMP4_REPLY;

	swap_addresses(p, info->v6);
	if (!info->rest) {
		/* RFC 1624: only the type changes, swapping addresses changes no sum. */
		uint32_t s = (uint16_t)~get16(icmp + 2);

		s += (uint16_t)~(icmp[0] << 8);
		s += (uint32_t)type << 8;
		icmp[0] = type;
		put16(icmp + 2, fold(s));
	}
	return len;
}

/* What a peer without a memory says to a segment; 0: nothing. */
static uint8_t
tcp_answer(const uint8_t *t, uint32_t payload, bool refuse, uint32_t *seq, uint32_t *ack)
{
	uint8_t flags = t[13];

	*seq = get32(t + 8);
	*ack = get32(t + 4) + payload;
	if ((flags & TH_RST) != 0)
		return 0;
	if (refuse) {
		*seq = (flags & TH_ACK) != 0 ? *seq : 0;
		*ack += ((flags & TH_SYN) != 0) + ((flags & TH_FIN) != 0);
		return TH_RST | TH_ACK;
	}
	if ((flags & TH_SYN) != 0) {
		*seq = get32(t + 4) * UINT32_C(2654435761);
		*ack = get32(t + 4) + 1;
		return TH_SYN | TH_ACK;
	}
	if ((flags & TH_FIN) != 0) {
		(*ack)++;
		return TH_FIN | TH_ACK;
	}
	return payload > 0 ? TH_ACK : 0;
}

size_t
packet_tcp_reply(uint8_t *p, size_t len, const struct packet_info *info, bool refuse)
{
	size_t ip = info->head, header;
	uint8_t *t = p + ip, answer;
	uint32_t seq, ack;

	if (info->rest || len < ip + 20)
		return 0;
	header = (size_t)(t[12] >> 4) * 4;
	if (header < 20 || len < ip + header)
		return 0;
	answer = tcp_answer(t, (uint32_t)(len - ip - header), refuse, &seq, &ack);
	if (answer == 0)
		return 0;
	swap_addresses(p, info->v6);
	swap_bytes(t, t + 2, 2);
	put32(t + 4, seq);
	put32(t + 8, ack);
	t[12] = 5 << 4;
	t[13] = answer;
	put16(t + 14, 65535);
	memset(t + 16, 0, 4);
	set_length(p, ip + 20, info->v6);
	set_sum(p, ip + 20, ip, info->v6, P_TCP, 16);
	return ip + 20;
}

size_t
packet_icmp_error(uint8_t *p, size_t len, const struct packet_info *info, int type, int code,
    uint32_t value, struct address via, size_t quote)
{
	uint8_t out[PACKET_ROOM] = { info->v6 ? 0x60 : 0x45 };
	size_t ip = info->v6 ? 40 : 20, most = sizeof out - ip - 8, n = info->head + quote;

	n = n > len ? len : n;
	n = n > most ? most : n;
	if (info->v6) {
		out[6] = P_ICMP6;
		out[7] = 64;
	} else {
		out[8] = 64;
		out[9] = P_ICMP;
	}
	put_address(out + (info->v6 ? 8 : 12), info->v6, via);
	put_address(out + (info->v6 ? 24 : 16), info->v6, info->src);
	out[ip] = (uint8_t)type;
	out[ip + 1] = (uint8_t)code;
	put32(out + ip + 4, value);
	memcpy(out + ip + 8, p, n);
	n += ip + 8;
	set_length(out, n, info->v6);
	set_sum(out, n, ip, info->v6, info->v6 ? P_ICMP6 : P_ICMP, 2);
	memcpy(p, out, n);
	return n;
}

/* ------------------------------------------------------------------- damage */

void
packet_corrupt(uint8_t *p, size_t len, uint64_t random, bool mend)
{
	struct packet_info info;
	uint8_t bit = (uint8_t)(1 << (random & 7));
	size_t from, n;

	if (!packet_read(p, len, &info) || len <= info.head)
		return;
	from = info.head;
	n = len - from;
	mend = mend && info.echo != 0 && n > 8;
	if (mend) {
		from += 8;
		n = n - 8 < COOKIE ? n - 8 : COOKIE;
	}
	p[from + (random >> 3) % n] ^= bit;
	if (mend)
		set_sum(p, len, info.head, info.v6, info.proto, 2);
}

size_t
packet_forge(uint8_t *p, size_t len, enum forgery what, uint64_t random)
{
	struct packet_info info;
	uint8_t *icmp;

	if (!packet_read(p, len, &info) || info.echo == 0 || len < info.head + 8 + COOKIE)
		return 0;
	icmp = p + info.echo;
	switch (what) {
	case FORGE_SOURCE:
		p[info.v6 ? 23 : 15] ^= 1;
		break;
	case FORGE_ID:
		put16(icmp + 4, info.id ^ (1 + random % 65535));
		break;
	case FORGE_SEQ:
		put16(icmp + 6, info.seq ^ (1 + random % 65535));
		break;
	case FORGE_COOKIE:
		packet_corrupt(p, len, random, true);
		break;
	case FORGE_SHORT:
		len -= 1 + random % (len - info.head - 8);	/* often the cookie too */
		break;
	case FORGE_LONG:
		memset(p + len, 0, LONGER);
		len += LONGER;
		break;
	case FORGE_SUM:
		put16(icmp + 2, get16(icmp + 2) ^ (1 + random % 65534));
		return len;
	case FORGE_NOTHING:
	case FORGE_MAX:
		return 0;
	}
	set_length(p, len, info.v6);
	set_sum(p, len, info.head, info.v6, info.proto, 2);
	return len;
}
