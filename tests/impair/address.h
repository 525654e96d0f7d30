/*
 * address.h - addresses of both families in 128 bits, and their prefixes (pure).
 *
 * IPv4 stands in ::ffff:0:0/96, so that one comparison serves both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT 46

struct address { uint64_t hi, lo; };
struct prefix { struct address net, mask; unsigned bits; };	/* bits: of 128 */

struct address address_4(uint32_t host_order);
struct address address_6(const uint8_t bytes[16]);
bool address_is_4(struct address);
void address_text(struct address, char out[ADDRESS_TEXT]);
/* 0; -1: not an address. */
int address_parse(const char *s, struct address *);
/* "10.0.0.0/8", "fd00::/64", an address, or "all"; -1: none of them. */
int prefix_parse(const char *s, struct prefix *);
bool prefix_holds(const struct prefix *, struct address);
