/*
 * snmp_peer.h - how to speak with one device: v2c, or v3 with its engine, its
 * clock and the keys made for it.
 *
 * Nothing is sent or awaited here.  An engine is learnt from the report to a
 * discovery, and again when the device says that it is another one or that its
 * clock has moved on (RFC 3414, 3.2 and 4).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_message.h"
#include "agent/snmp_usm.h"

struct snmp_secret;

struct snmp_peer {
	struct snmp_seal *seal;		/* v3; owned; NULL: the engine is not known */
	uint32_t engine_s;		/* its clock ... */
	int64_t engine_ns;		/* ... at this moment of ours */
};

void snmp_peer_forget(struct snmp_peer *p);
/* Must the engine be asked for before anything else? */
bool snmp_peer_is_new(const struct snmp_peer *p, const struct snmp_secret *k);

/* Writes r.  salt: never the same twice.  0 or -errno (-EMSGSIZE: ask for less). */
int snmp_peer_put(struct snmp_peer *p, const struct snmp_secret *k, const struct snmp_request *r,
    uint64_t salt, int64_t now_ns, struct ber_out *o);

enum snmp_said {
	SNMP_SAID_ANSWER,		/* *out holds */
	SNMP_SAID_ENGINE,		/* now the engine is known, or its time: ask again */
	SNMP_SAID_DENIED,		/* unknown user, wrong key, level not allowed */
	SNMP_SAID_RUBBISH,		/* an answer that cannot be read */
	SNMP_SAID_NOTHING,		/* not to be trusted: as if it had not come */
};
/* What a datagram says; text changes.  out's binds point into it. */
enum snmp_said snmp_peer_take(struct snmp_peer *p, struct snmp_secret *k, uint8_t *text, size_t n,
    int64_t now_ns, struct snmp_answer *out);
