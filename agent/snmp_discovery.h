/*
 * snmp_discovery.h - asking an SNMPv3 device for its engine id (pure, fuzzed).
 *
 * RFC 3414, 4: a request without user and engine is answered by a report that
 * names the engine.  net-snmp can ask too, but stops its caller while it waits;
 * so these two messages are made and read here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SNMP_ENGINE_MAX 32
#define SNMP_DISCOVERY_MAX 96

/* Writes the request with this message id (1..2^31-1) into out; returns its length. */
size_t snmp_discovery_request(uint8_t out[SNMP_DISCOVERY_MAX], uint32_t id);

struct snmp_engine { uint8_t id[SNMP_ENGINE_MAX]; size_t len; uint32_t boots, time; };

/* Reads an answer.  0 with the message id that it answers and the engine, or -EBADMSG. */
int snmp_discovery_answer(const uint8_t *p, size_t n, uint32_t *id, struct snmp_engine *out);
