/*
 * trap_engine.h - who we are in SNMPv3, kept over restarts.
 *
 * DIR/snmp-engine holds two lines: our engine id in hex, and engineBoots.  A
 * receiver refuses traps whose boots went back (RFC 3414, 2.3).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TRAP_ENGINE_LEN 17		/* 5 + 12 bytes: RFC 3411, format "octets" */

struct trap_engine {
	uint8_t id[TRAP_ENGINE_LEN];
	uint32_t boots;
};

/* Reads or makes the file and counts one boot more.  0, or -errno with a line in why. */
int trap_engine_load(struct trap_engine *, const char *dir, char *why, size_t n);
