/*
 * icmp_wire.h - echo packets: built, and what comes back taken apart (pure, fuzzed).
 *
 * Payload of each request, big endian, TARGET_SIZE_MIN bytes or more:
 *
 *   byte 0..3    tag: random for the process; the kernel's filter looks at it
 *   byte 4..7    link: number of the probe within the process
 *   byte 8..15   token: number of the request on its socket
 *   byte 16..23  SipHash-2-4 with a secret key over bytes 0..15 and seq (the
 *                id of a ping socket is the kernel's)
 *   byte 24..    zeros
 *
 * Nobody who has not seen a request can make its reply, and no time is taken
 * from a packet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICMP_WIRE_HEADER 8
#define ICMP_WIRE_COOKIE 24

struct icmp_key { uint64_t k[2]; uint32_t tag; };

struct icmp_request { uint16_t id, seq; uint32_t link; uint64_t token; };

enum icmp_news_kind {
	ICMP_NEWS_NONE,			/* not for us, or not sound */
	ICMP_NEWS_REPLY,		/* an echo reply with our cookie */
	ICMP_NEWS_FORGED,		/* a reply with our tag and a wrong cookie */
	ICMP_NEWS_ERROR,		/* an error that quotes a request with our cookie */
	ICMP_NEWS_ERROR_SHORT,		/* one that quotes only id and seq of a request */
	ICMP_NEWS_REQUEST,		/* our own request (error queue of a ping socket) */
};

struct icmp_news {
	enum icmp_news_kind kind;
	struct icmp_request request;	/* which it is about; link and token not in a SHORT one */
	size_t len;			/* of a reply: bytes, from its type on */
	uint32_t cause;			/* of an error: enum cause */
	const uint8_t *quoted_to;	/* of an error: destination that it quotes, 4 or 16 bytes */
};

/* Writes an echo request with size bytes of payload (>= ICMP_WIRE_COOKIE) into out, which has
 * room for ICMP_WIRE_HEADER + size; returns that length.  The ICMPv6 checksum is the kernel's. */
size_t icmp_wire_echo(uint8_t *out, bool v6, const struct icmp_request *, const struct icmp_key *,
    size_t size);
/* An IPv4 packet, header and all, as a raw socket gives it. */
void icmp_wire_parse_ip4(const uint8_t *p, size_t n, const struct icmp_key *key,
    struct icmp_news *out);
/* An ICMP message without IP header.  checked: the kernel has seen to its checksum. */
void icmp_wire_parse_4(const uint8_t *p, size_t n, bool checked, const struct icmp_key *,
    struct icmp_news *out);
/* The same of ICMPv6, whose checksum the kernel has always seen to. */
void icmp_wire_parse_6(const uint8_t *p, size_t n, const struct icmp_key *, struct icmp_news *out);
/* enum cause of an error's type and code; CAUSE_NONE: it does not end a request. */
uint32_t icmp_wire_cause(bool v6, uint8_t type, uint8_t code);
/* SipHash-2-4 of n bytes. */
uint64_t icmp_wire_siphash(const uint64_t key[2], const uint8_t *p, size_t n);
