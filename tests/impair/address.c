/*
 * address.c - see address.h.
 */
#include "tests/impair/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED (UINT64_C(0xffff) << 32)

struct address
address_4(uint32_t host_order)
{
	return (struct address){ .lo = MAPPED | host_order };
}

struct address
address_6(const uint8_t bytes[16])
{
	struct address a = { 0 };

	for (unsigned i = 0; i < 8; i++) {
		a.hi = a.hi << 8 | bytes[i];
		a.lo = a.lo << 8 | bytes[8 + i];
	}
	return a;
}

bool
address_is_4(struct address a)
{
	return a.hi == 0 && a.lo >> 32 == 0xffff;
}

void
address_text(struct address a, char out[ADDRESS_TEXT])
{
	uint8_t bytes[16];

	for (unsigned i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(a.hi >> (56 - 8 * i));
		bytes[8 + i] = (uint8_t)(a.lo >> (56 - 8 * i));
	}
	if (address_is_4(a))
		inet_ntop(AF_INET, bytes + 12, out, ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, bytes, out, ADDRESS_TEXT);
}

int
address_parse(const char *s, struct address *a)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET6, s, bytes) == 1) {
		*a = address_6(bytes);
		return 0;
	}
	if (inet_pton(AF_INET, s, bytes) != 1)
		return -1;
	*a = address_4((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3]);
	return 0;
}

static uint64_t
high_bits(unsigned n)
{
	return n == 0 ? 0 : n >= 64 ? UINT64_MAX : UINT64_MAX << (64 - n);
}

int
prefix_parse(const char *s, struct prefix *p)
{
	char text[64], *slash, *end;
	unsigned width;
	long bits;

	*p = (struct prefix){ 0 };
	if (strcmp(s, "all") == 0)
		return 0;
	if (snprintf(text, sizeof text, "%s", s) >= (int)sizeof text)
		return -1;
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (address_parse(text, &p->net) != 0)
		return -1;
	width = address_is_4(p->net) ? 32 : 128;
	bits = width;
	if (slash != NULL) {
		bits = strtol(slash, &end, 10);
		if (end == slash || *end != '\0' || bits < 0 || bits > (long)width)
			return -1;
	}
	p->bits = (unsigned)bits + 128 - width;
	p->mask = (struct address){ high_bits(p->bits), high_bits(p->bits > 64 ? p->bits - 64 : 0) };
	p->net.hi &= p->mask.hi;
	p->net.lo &= p->mask.lo;
	return 0;
}

bool
prefix_holds(const struct prefix *p, struct address a)
{
	return (a.hi & p->mask.hi) == p->net.hi && (a.lo & p->mask.lo) == p->net.lo;
}
