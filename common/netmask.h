/*
 * netmask.h - a block of addresses, as a configuration writes it (pure).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct netmask {
	int family;			/* AF_INET or AF_INET6 */
	uint8_t address[16];		/* network order, host bits 0 */
	unsigned bits;			/* 0..32 or 0..128 */
};

/* "192.0.2.7", "10.0.0.0/8", "2001:db8::/32". 0, or -EINVAL: anything else, or host bits that are set. */
int netmask_parse(const char *text, struct netmask *out);
/* Is the address (text; IPv4 also as ::ffff:a.b.c.d) in the block? What is no address is in none. */
bool netmask_has(const struct netmask *, const char *address);
