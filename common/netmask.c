/*
 * netmask.c - blocks of addresses.
 */
#include "common/netmask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address with its family; IPv4 that came over an IPv6 socket is IPv4. */
static bool
parse_address(const char *text, int *family, uint8_t out[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	memset(out, 0, 16);
	*family = AF_INET;
	if (inet_pton(AF_INET, text, out) == 1)
		return true;
	*family = AF_INET6;
	if (inet_pton(AF_INET6, text, out) != 1)
		return false;
	if (memcmp(out, mapped, sizeof mapped) == 0) {
		memmove(out, out + 12, 4);
		memset(out + 4, 0, 12);
		*family = AF_INET;
	}
	return true;
}

static bool
bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 &&
	    (rest == 0 || ((a[whole] ^ b[whole]) & (0xff << (8 - rest) & 0xff)) == 0);
}

int
netmask_parse(const char *text, struct netmask *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN], *end;
	struct netmask m = { 0 };
	uint8_t rest[16] = { 0 };
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;

	if (len >= sizeof address)
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!parse_address(address, &m.family, m.address))
		return -EINVAL;
	m.bits = m.family == AF_INET ? 32 : 128;
	if (slash != NULL) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		bits = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || bits > m.bits)
			return -EINVAL;
		m.bits = (unsigned)bits;
	}
	memcpy(rest, m.address, (m.bits + 7) / 8);
	if (m.bits % 8 != 0)
		rest[m.bits / 8] &= (uint8_t)(0xff << (8 - m.bits % 8));
	if (memcmp(rest, m.address, sizeof rest) != 0)
		return -EINVAL;		/* 10.1.2.3/8 is nobody's intention */
	*out = m;
	return 0;
}

bool
netmask_has(const struct netmask *m, const char *address)
{
	uint8_t a[16];
	int family;

	return parse_address(address, &family, a) && family == m->family &&
	    bits_equal(a, m->address, m->bits);
}
