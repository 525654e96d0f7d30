/*
 * snmp_secret.h - the credentials of agent.yaml with their secrets, in memory.
 *
 * Files are read once, while root can; the pass phrases go as soon as keys are
 * made of them, which is when the first device asks for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/snmp_usm.h"

struct snmp_credential;

struct snmp_secret {
	char *name;
	int version;			/* enum snmp_version and so on, of agent_conf.h */
	char *community;
	char *user, *context;
	int auth, priv;
	char *auth_phrase, *priv_phrase;
	bool made;			/* the master keys: */
	struct snmp_key auth_key, priv_key;
};

struct snmp_secrets { struct snmp_secret *v; size_t n; };

/* Reads the files of all credentials; one whose secret is unusable is logged and left out. */
void snmp_secrets_load(struct snmp_secrets *out, const struct snmp_credential *credential,
    size_t n);
/* Frees what it holds, secrets overwritten. */
void snmp_secrets_free(struct snmp_secrets *s);
/* The one of this name, or NULL. */
struct snmp_secret *snmp_secrets_find(const struct snmp_secrets *s, const char *name);

/* Fills what a v3 secret and an engine give; user and context are borrowed from k.  0 or -EINVAL. */
int snmp_secret_seal(struct snmp_secret *k, const struct snmp_engine *engine,
    struct snmp_seal *out);
