/*
 * snmp_session.h - credentials, and sessions of net-snmp made with them.
 *
 * Keys are given to the library ready-made and the engine's id with them, so
 * that opening a session sends nothing and waits for nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/snmp_discovery.h"
#include "agent/snmp_values.h"

#define SNMP_KEY_MAX 64

struct snmp_pdu;
struct snmp_session;
struct variable_list;

/* A credential with its secrets.  The pass phrases go as soon as the keys are made of them. */
struct snmp_secret {
	char *name;
	int version;			/* enum snmp_version and so on, of agent_conf.h */
	char *community;
	char *user, *context;
	int auth, priv;
	char *auth_phrase, *priv_phrase;
	bool keys;			/* made: */
	uint8_t auth_key[SNMP_KEY_MAX], priv_key[SNMP_KEY_MAX];
	size_t auth_key_len, priv_key_len;
};

/* Frees what it holds, secrets overwritten. */
void snmp_secret_fini(struct snmp_secret *secret);

/* Once in a process, before any thread: the library reads no files and writes no log. */
void snmp_library_init(void);
/* Forgets all users and keys that the library holds; no session may be open. */
void snmp_library_forget(void);

/* As net-snmp calls back; pdu is the library's. */
typedef int snmp_session_answer(int op, struct snmp_session *session, int request,
    struct snmp_pdu *pdu, void *magic);

/*
 * A session for the single session API (snmp_sess_close() ends it), or NULL: the secret makes no
 * key, or no socket could be had.  engine: for v3.  Requests are sent once.
 */
void *snmp_session_open(struct snmp_secret *secret, const struct sockaddr_storage *to,
    const struct snmp_engine *engine, int64_t timeout_ns, snmp_session_answer *answer, void *magic);
/* The library keeps a user for each engine, and an old one would win over new keys: forgets it. */
void snmp_session_forget_user(const struct snmp_engine *engine, char *user);

/* A variable as the library parsed it; its text is borrowed from v. */
struct snmp_value snmp_session_value(const struct variable_list *v);
/* Is v, an hrStorageType, RAM or a fixed disk? */
enum snmp_storage snmp_session_storage(const struct variable_list *v);
