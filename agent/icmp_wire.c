/*
 * icmp_wire.c - the bytes of echo packets (pure).
 */
#include "agent/icmp_wire.h"

#include <string.h>

#include "common/model.h"

enum {
	ECHO_REPLY_4 = 0, UNREACHABLE_4 = 3, ECHO_4 = 8, EXCEEDED_4 = 11,
	UNREACHABLE_6 = 1, TOO_BIG_6 = 2, EXCEEDED_6 = 3, ECHO_6 = 128, ECHO_REPLY_6 = 129,
};
#define IP4_HEADER 20
#define IP6_HEADER 40
#define PROTO_ICMP_4 1
#define PROTO_ICMP_6 58

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

static uint64_t
get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static void
put(uint8_t *p, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void
sip_rounds(uint64_t v[4], unsigned n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

uint64_t
icmp_wire_siphash(const uint64_t key[2], const uint8_t *p, size_t n)
{
	uint64_t v[4] = {
		key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t m;
	size_t i, rest = n % 8;

	for (i = 0; i <= n / 8; i++) {
		size_t take = i < n / 8 ? 8 : rest;

		m = i < n / 8 ? 0 : (uint64_t)n << 56;
		for (size_t k = 0; k < take; k++)
			m |= (uint64_t)p[8 * i + k] << 8 * k;
		v[3] ^= m;
		sip_rounds(v, 2);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
cookie(const uint8_t *payload, uint16_t seq, const struct icmp_key *key)
{
	uint8_t text[18];

	memcpy(text, payload, 16);
	put(text + 16, seq, 2);
	return icmp_wire_siphash(key->k, text, sizeof text);
}

static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (; n > 1; n -= 2, p += 2)
		sum += get16(p);
	if (n > 0)
		sum += (uint32_t)*p << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t
icmp_wire_echo(uint8_t *out, bool v6, const struct icmp_request *r, const struct icmp_key *key,
    size_t size)
{
	uint8_t *payload = out + ICMP_WIRE_HEADER;

	memset(out, 0, ICMP_WIRE_HEADER + size);
	out[0] = v6 ? ECHO_6 : ECHO_4;
	put(out + 4, r->id, 2);
	put(out + 6, r->seq, 2);
	put(payload, key->tag, 4);
	put(payload + 4, r->link, 4);
	put(payload + 8, r->token, 8);
	put(payload + 16, cookie(payload, r->seq, key), 8);
	if (!v6)
		put(out + 2, checksum(out, ICMP_WIRE_HEADER + size), 2);
	return ICMP_WIRE_HEADER + size;
}

/* p: an echo message from its type on.  Is the cookie ours? */
static bool
read_request(const uint8_t *p, size_t n, const struct icmp_key *key, struct icmp_request *out)
{
	const uint8_t *payload = p + ICMP_WIRE_HEADER;

	out->id = get16(p + 4);
	out->seq = get16(p + 6);
	if (n < ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE || get32(payload) != key->tag ||
	    get64(payload + 16) != cookie(payload, out->seq, key))
		return false;
	out->link = get32(payload + 4);
	out->token = get64(payload + 8);
	return true;
}

uint32_t
icmp_wire_cause(bool v6, uint8_t type, uint8_t code)
{
	static const uint8_t unreachable_4[] = {
		CAUSE_NET_UNREACHABLE, CAUSE_HOST_UNREACHABLE, CAUSE_PORT_UNREACHABLE,
		CAUSE_PORT_UNREACHABLE, CAUSE_TOO_BIG, CAUSE_NET_UNREACHABLE, CAUSE_NET_UNREACHABLE,
		CAUSE_HOST_UNREACHABLE, CAUSE_HOST_UNREACHABLE, CAUSE_PROHIBITED,
		CAUSE_PROHIBITED, CAUSE_NET_UNREACHABLE, CAUSE_HOST_UNREACHABLE,
		CAUSE_PROHIBITED, CAUSE_PROHIBITED, CAUSE_PROHIBITED,
	};
	static const uint8_t unreachable_6[] = {
		CAUSE_NET_UNREACHABLE, CAUSE_PROHIBITED, CAUSE_NET_UNREACHABLE,
		CAUSE_HOST_UNREACHABLE, CAUSE_PORT_UNREACHABLE, CAUSE_PROHIBITED,
		CAUSE_PROHIBITED,
	};

	if (type == (v6 ? EXCEEDED_6 : EXCEEDED_4))
		return code == 0 ? CAUSE_TTL_EXCEEDED : CAUSE_NONE;
	if (v6 && type == TOO_BIG_6)
		return CAUSE_TOO_BIG;
	if (v6 && type == UNREACHABLE_6 && code < sizeof unreachable_6)
		return unreachable_6[code];
	if (!v6 && type == UNREACHABLE_4 && code < sizeof unreachable_4)
		return unreachable_4[code];
	return CAUSE_NONE;
}

/* p: what an error quotes, from the echo header on; at least its eight bytes. */
static void
read_quoted(const uint8_t *p, size_t n, uint8_t echo, const struct icmp_key *key,
    struct icmp_news *out)
{
	if (n < ICMP_WIRE_HEADER || p[0] != echo || p[1] != 0)
		return;
	if (read_request(p, n, key, &out->request))
		out->kind = ICMP_NEWS_ERROR;
	else if (n < ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE)
		out->kind = ICMP_NEWS_ERROR_SHORT;
}

static void
parse_error_4(const uint8_t *p, size_t n, const struct icmp_key *key, struct icmp_news *out)
{
	const uint8_t *ip = p + ICMP_WIRE_HEADER;
	size_t room = n - ICMP_WIRE_HEADER, header;

	out->cause = icmp_wire_cause(false, p[0], p[1]);
	if (out->cause == CAUSE_NONE || room < IP4_HEADER || ip[0] >> 4 != 4 ||
	    ip[9] != PROTO_ICMP_4)
		return;
	header = (ip[0] & 15) * 4u;
	if (header < IP4_HEADER || header > room || (get16(ip + 6) & 0x1fff) != 0)
		return;
	out->quoted_to = ip + 16;
	read_quoted(ip + header, room - header, ECHO_4, key, out);
}

static void
parse_error_6(const uint8_t *p, size_t n, const struct icmp_key *key, struct icmp_news *out)
{
	const uint8_t *ip = p + ICMP_WIRE_HEADER;
	size_t room = n - ICMP_WIRE_HEADER;

	out->cause = icmp_wire_cause(true, p[0], p[1]);
	if (out->cause == CAUSE_NONE || room < IP6_HEADER || ip[0] >> 4 != 6 ||
	    ip[6] != PROTO_ICMP_6)
		return;
	out->quoted_to = ip + 24;
	read_quoted(ip + IP6_HEADER, room - IP6_HEADER, ECHO_6, key, out);
}

/* p: an echo message, from its type on. */
static void
read_echo(const uint8_t *p, size_t n, bool reply, const struct icmp_key *key, struct icmp_news *out)
{
	if (p[1] != 0)
		return;
	out->len = n;
	if (read_request(p, n, key, &out->request))
		out->kind = reply ? ICMP_NEWS_REPLY : ICMP_NEWS_REQUEST;
	else if (reply && n >= ICMP_WIRE_HEADER + 4 && get32(p + ICMP_WIRE_HEADER) == key->tag)
		out->kind = ICMP_NEWS_FORGED;
}

void
icmp_wire_parse_4(const uint8_t *p, size_t n, bool checked, const struct icmp_key *key,
    struct icmp_news *out)
{
	*out = (struct icmp_news){ .kind = ICMP_NEWS_NONE };
	if (n < ICMP_WIRE_HEADER || (!checked && checksum(p, n) != 0))
		return;
	if (p[0] == ECHO_REPLY_4 || p[0] == ECHO_4) {
		read_echo(p, n, p[0] == ECHO_REPLY_4, key, out);
	} else {
		parse_error_4(p, n, key, out);
	}
}

void
icmp_wire_parse_ip4(const uint8_t *p, size_t n, const struct icmp_key *key, struct icmp_news *out)
{
	size_t header;

	*out = (struct icmp_news){ .kind = ICMP_NEWS_NONE };
	if (n < IP4_HEADER || p[0] >> 4 != 4 || p[9] != PROTO_ICMP_4)
		return;
	header = (p[0] & 15) * 4u;
	if (header < IP4_HEADER || header > n || get16(p + 2) != n)
		return;
	icmp_wire_parse_4(p + header, n - header, false, key, out);
}

void
icmp_wire_parse_6(const uint8_t *p, size_t n, const struct icmp_key *key, struct icmp_news *out)
{
	*out = (struct icmp_news){ .kind = ICMP_NEWS_NONE };
	if (n < ICMP_WIRE_HEADER)
		return;
	if (p[0] == ECHO_REPLY_6 || p[0] == ECHO_6) {
		read_echo(p, n, p[0] == ECHO_REPLY_6, key, out);
	} else {
		parse_error_6(p, n, key, out);
	}
}
