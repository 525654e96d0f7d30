/*
 * packet.h - reads, answers and turns round IP packets in place (pure).
 *
 * All functions take a packet of len bytes that packet_read() has accepted, in a
 * buffer of at least PACKET_ROOM bytes, and return the new length, or 0 for "no answer".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_ROOM 256

struct packet_info {
	bool v6;
	uint8_t proto;
	uint32_t src, dst;		/* v6: the last 32 bits */
	uint16_t id, seq;		/* echo: those; else the ports */
	size_t echo;			/* offset of the ICMP header; 0: no echo */
	bool request;
};

/* false: no packet for us (too short, multicast of v6). */
bool packet_read(const uint8_t *p, size_t len, struct packet_info *);
size_t packet_echo_reply(uint8_t *p, size_t len, const struct packet_info *);
/* A TCP peer without a memory: opens, takes everything, closes; or refuses. */
size_t packet_tcp_reply(uint8_t *p, size_t len, bool refuse);
/* An ICMP error about the packet (v4). */
size_t packet_icmp_error(uint8_t *p, size_t len, int type, int code);
