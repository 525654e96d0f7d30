/*
 * snmp_usm.h - SNMPv3's user security: keys, MACs, encryption (pure but for
 * OpenSSL's working memory).
 *
 * RFC 3414 (MD5, SHA-1, DES), RFC 3826 (AES-128), RFC 7860 (SHA-2); AES-192 and
 * AES-256 as draft-blumenthal-aes-usm-04 has it.  A pass phrase makes a master
 * key, which is made local to each engine; nothing is kept between calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_message.h"

#define SNMP_KEY_MAX 64

struct snmp_key { size_t len; uint8_t bytes[SNMP_KEY_MAX]; };

/* What seals the messages to one engine; auth and priv are those of agent_conf.h. */
struct snmp_seal {
	int auth, priv;
	const char *user, *context;	/* borrowed */
	struct snmp_engine engine;	/* with the time that it has now */
	struct snmp_key auth_key, priv_key;	/* local to engine */
};

/* The master key of a pass phrase; milliseconds of work.  0 or -EINVAL. */
int snmp_usm_master(int auth, const char *phrase, struct snmp_key *out);
/* The key of this engine, as long as auth makes it. */
int snmp_usm_local(int auth, const struct snmp_key *master, const struct snmp_engine *engine,
    struct snmp_key *out);
/* The same for encryption, as long as priv needs it. */
int snmp_usm_local_priv(int auth, int priv, const struct snmp_key *master,
    const struct snmp_engine *engine, struct snmp_key *out);

/* Writes r as a message; salt must differ from message to message.  0 or -errno. */
int snmp_usm_put(struct ber_out *o, const struct snmp_seal *seal, const struct snmp_request *r,
    uint64_t salt);
/*
 * Opens a message that snmp_take_v3() took out of text (n bytes, which change).  -EACCES: it says
 * that it has a MAC, but has not that of seal; -EBADMSG: not to be read.  out's binds point into
 * text.
 */
int snmp_usm_take(const struct snmp_seal *seal, uint8_t *text, size_t n, const struct snmp_v3 *v3,
    struct snmp_answer *out);
