/*
 * packet.h - reads, answers and turns round IP packets in place (pure).
 *
 * All functions take a packet of len bytes that packet_read() has accepted, in a
 * buffer with at least PACKET_ROOM bytes of room, and return the new length, or 0
 * for "no answer".  Checksums of what they make are right.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/impair/address.h"

#define PACKET_ROOM 1280

struct packet_info {
	bool v6;
	uint8_t proto;			/* behind a fragment header of v6 */
	struct address src, dst;
	uint16_t id, seq;		/* echo: those; else the ports */
	size_t head;			/* length of the IP header, a fragment header included */
	size_t echo;			/* offset of the ICMP header; 0: no echo */
	bool request;
	bool rest;			/* a fragment, but not the first */
	uint8_t tos, ttl;
	bool df;			/* v6: always */
};

/* What a forger gets wrong. */
enum forgery {
	FORGE_NOTHING, FORGE_SOURCE, FORGE_ID, FORGE_SEQ, FORGE_COOKIE, FORGE_SHORT, FORGE_LONG,
	FORGE_SUM, FORGE_MAX,
};

/* false: no packet for us (too short, multicast of v6). */
bool packet_read(const uint8_t *p, size_t len, struct packet_info *);
/* Also turns round what is a further fragment of a request. */
size_t packet_echo_reply(uint8_t *p, size_t len, const struct packet_info *);
/* A TCP peer without a memory: opens, takes everything, closes; or refuses. */
size_t packet_tcp_reply(uint8_t *p, size_t len, const struct packet_info *, bool refuse);
/* An ICMP error about the packet, from via; value: the field of it that some have (MTU).
 * quote: bytes behind the IP header that it quotes, as far as there is room. */
size_t packet_icmp_error(uint8_t *p, size_t len, const struct packet_info *, int type, int code,
    uint32_t value, struct address via, size_t quote);
/* Flips a bit behind the IP header, the random one; mend: one of the first 24 bytes of an echo
 * message's data, and the checksum is right again. */
void packet_corrupt(uint8_t *p, size_t len, uint64_t random, bool mend);
/* Makes an echo reply a forged one.  LONG needs 64 bytes more. */
size_t packet_forge(uint8_t *p, size_t len, enum forgery, uint64_t random);
