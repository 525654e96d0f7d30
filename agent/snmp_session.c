/*
 * snmp_session.c - secrets, keys and sessions of net-snmp.
 */
#include "agent/snmp_session.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/agent_conf.h"
#include "common/clock.h"

static void
forget_text(char **s)
{
	if (*s != NULL)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
snmp_secret_fini(struct snmp_secret *k)
{
	free(k->name);
	free(k->user);
	free(k->context);
	forget_text(&k->community);
	forget_text(&k->auth_phrase);
	forget_text(&k->priv_phrase);
	explicit_bzero(k, sizeof *k);
}

struct protocol { const oid *name; size_t len; };

static struct protocol
auth_protocol(int auth)
{
	switch (auth) {
	case SNMP_AUTH_MD5:
		return (struct protocol){ usmHMACMD5AuthProtocol, 10 };
	case SNMP_AUTH_SHA1:
		return (struct protocol){ usmHMACSHA1AuthProtocol, 10 };
	case SNMP_AUTH_SHA224:
		return (struct protocol){ usmHMAC128SHA224AuthProtocol, 10 };
	case SNMP_AUTH_SHA256:
		return (struct protocol){ usmHMAC192SHA256AuthProtocol, 10 };
	case SNMP_AUTH_SHA384:
		return (struct protocol){ usmHMAC256SHA384AuthProtocol, 10 };
	case SNMP_AUTH_SHA512:
		return (struct protocol){ usmHMAC384SHA512AuthProtocol, 10 };
	}
	return (struct protocol){ usmNoAuthProtocol, 10 };
}

static struct protocol
priv_protocol(int priv)
{
	int type = priv == SNMP_PRIV_DES ? USM_CREATE_USER_PRIV_DES :
	    priv == SNMP_PRIV_AES128 ? USM_CREATE_USER_PRIV_AES :
	    priv == SNMP_PRIV_AES192 ? USM_CREATE_USER_PRIV_AES192 :
	    priv == SNMP_PRIV_AES256 ? USM_CREATE_USER_PRIV_AES256 : USM_CREATE_USER_PRIV_NONE;
	struct protocol p;

	p.name = sc_get_priv_oid(type, &p.len);
	return p;
}

static bool
make_key(struct protocol auth, const char *phrase, uint8_t *key, size_t *len)
{
	*len = SNMP_KEY_MAX;
	return generate_Ku(auth.name, (u_int)auth.len, (const u_char *)phrase, strlen(phrase),
	    key, len) == SNMPERR_SUCCESS;
}

/* Stretching a pass phrase takes milliseconds: once for each credential. */
static bool
make_keys(struct snmp_secret *k)
{
	struct protocol auth = auth_protocol(k->auth);

	if (k->keys)
		return true;
	if (k->auth_phrase != NULL && !make_key(auth, k->auth_phrase, k->auth_key,
	    &k->auth_key_len))
		return false;
	if (k->priv_phrase != NULL && !make_key(auth, k->priv_phrase, k->priv_key,
	    &k->priv_key_len))
		return false;
	forget_text(&k->auth_phrase);
	forget_text(&k->priv_phrase);
	k->keys = true;
	return true;
}

void
snmp_library_init(void)
{
	setenv("MIBS", "", 1);		/* numbers do; no file is to be read */
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
	/* what a device makes the library say goes nowhere; with no logger at all it is stderr */
	snmp_disable_log();
	snmp_enable_calllog();
	init_snmp("linkwatch-agent");
}

void
snmp_library_forget(void)
{
	struct usmUser *u;

	while ((u = usm_get_userList()) != NULL) {
		usm_remove_user(u);
		usm_free_user(u);
	}
}

static void
peer_name(const struct sockaddr_storage *to, char text[80])
{
	char host[INET6_ADDRSTRLEN];

	if (to->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)to;

		inet_ntop(AF_INET6, &a->sin6_addr, host, sizeof host);
		snprintf(text, 80, "udp6:[%s]:%u", host, ntohs(a->sin6_port));
	} else {
		const struct sockaddr_in *a = (const struct sockaddr_in *)to;

		inet_ntop(AF_INET, &a->sin_addr, host, sizeof host);
		snprintf(text, 80, "udp:%s:%u", host, ntohs(a->sin_port));
	}
}

static void
session_v3(struct snmp_session *s, const struct snmp_engine *engine, struct snmp_secret *k)
{
	struct protocol auth = auth_protocol(k->auth), priv = priv_protocol(k->priv);
	const char *context = k->context != NULL ? k->context : "";

	s->version = SNMP_VERSION_3;
	s->securityModel = SNMP_SEC_MODEL_USM;
	s->securityName = k->user;
	s->securityNameLen = strlen(k->user);
	s->contextName = (char *)context;
	s->contextNameLen = strlen(context);
	s->securityLevel = k->priv != SNMP_PRIV_NONE ? SNMP_SEC_LEVEL_AUTHPRIV :
	    k->auth != SNMP_AUTH_NONE ? SNMP_SEC_LEVEL_AUTHNOPRIV : SNMP_SEC_LEVEL_NOAUTH;
	s->securityEngineID = s->contextEngineID = (u_char *)engine->id;
	s->securityEngineIDLen = s->contextEngineIDLen = engine->len;
	s->securityAuthProto = (oid *)auth.name;
	s->securityAuthProtoLen = auth.len;
	memcpy(s->securityAuthKey, k->auth_key, k->auth_key_len);
	s->securityAuthKeyLen = k->auth_key_len;
	if (k->priv != SNMP_PRIV_NONE) {
		s->securityPrivProto = (oid *)priv.name;
		s->securityPrivProtoLen = priv.len;
		memcpy(s->securityPrivKey, k->priv_key, k->priv_key_len);
		s->securityPrivKeyLen = k->priv_key_len;
	}
	s->flags |= SNMP_FLAGS_DONT_PROBE;
}

void
snmp_session_forget_user(const struct snmp_engine *engine, char *user)
{
	struct usmUser *u = usm_get_user((u_char *)engine->id, engine->len, user);

	if (u != NULL) {
		usm_remove_user(u);
		usm_free_user(u);
	}
}

void *
snmp_session_open(struct snmp_secret *k, const struct sockaddr_storage *to,
    const struct snmp_engine *engine, int64_t timeout_ns, snmp_session_answer *answer, void *magic)
{
	struct snmp_session s;
	char peer[80];
	void *session;

	if (!make_keys(k))
		return NULL;
	snmp_sess_init(&s);
	peer_name(to, peer);
	s.peername = peer;
	s.retries = 0;			/* the caller asks again, perhaps another engine */
	s.timeout = (long)(timeout_ns / NS_PER_US);
	s.callback = answer;
	s.callback_magic = magic;
	if (k->version == SNMP_V3) {
		session_v3(&s, engine, k);
	} else {
		s.version = SNMP_VERSION_2c;
		s.community = (u_char *)k->community;
		s.community_len = strlen(k->community);
	}
	session = snmp_sess_open(&s);
	explicit_bzero(&s, sizeof s);
	return session;
}

static const oid storage_types[] = { 1, 3, 6, 1, 2, 1, 25, 2, 1 };

struct snmp_value
snmp_session_value(const struct variable_list *v)
{
	struct snmp_value out = { .type = SNMP_TYPE_NONE };

	switch (v->type) {
	case ASN_INTEGER:
		out = (struct snmp_value){ .type = SNMP_TYPE_INTEGER, .number = *v->val.integer };
		break;
	case ASN_GAUGE:
		out = (struct snmp_value){ .type = SNMP_TYPE_GAUGE, .number = *v->val.integer };
		break;
	case ASN_COUNTER:
		out = (struct snmp_value){ .type = SNMP_TYPE_COUNTER32, .number = *v->val.integer };
		break;
	case ASN_TIMETICKS:
		out = (struct snmp_value){ .type = SNMP_TYPE_TICKS, .number = *v->val.integer };
		break;
	case ASN_COUNTER64:
		out.type = SNMP_TYPE_COUNTER64;
		out.number = (int64_t)((uint64_t)(v->val.counter64->high & UINT32_MAX) << 32 |
		    (v->val.counter64->low & UINT32_MAX));
		break;
	case ASN_OCTET_STR:
		out = (struct snmp_value){ .type = SNMP_TYPE_STRING, .text = v->val.string,
			.len = v->val_len };
		break;
	case ASN_OPAQUE_FLOAT:
		out = (struct snmp_value){ .type = SNMP_TYPE_DOUBLE, .real = (double)*v->val.floatVal };
		break;
	case ASN_OPAQUE_DOUBLE:
		out = (struct snmp_value){ .type = SNMP_TYPE_DOUBLE, .real = *v->val.doubleVal };
		break;
	case ASN_OBJECT_ID:
		out.type = SNMP_TYPE_OID;
		break;
	}
	return out;
}

enum snmp_storage
snmp_session_storage(const struct variable_list *v)
{
	size_t n = v->val_len / sizeof(oid);

	if (v->type != ASN_OBJECT_ID || n != sizeof storage_types / sizeof storage_types[0] + 1 ||
	    memcmp(v->val.objid, storage_types, sizeof storage_types) != 0)
		return STORAGE_OTHER;
	return v->val.objid[n - 1] == 2 ? STORAGE_RAM :
	    v->val.objid[n - 1] == 4 ? STORAGE_DISK : STORAGE_OTHER;
}
