/*
 * snmp_device.c - one device: session, engine, interface index, polls.
 */
#include "agent/snmp_device.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/library/snmp_transport.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/snmp_discovery.h"
#include "agent/snmp_values.h"
#include "agent/target.h"
#include "common/agent_conf.h"
#include "common/mem.h"

#define CHUNK_MAX 16			/* variables in a GET */
#define BULK_ROWS 20
#define ROWS_MAX 4096			/* of a table: then it has no end */
#define STORAGE_ROWS_MAX 256
#define SEARCH_AGAIN_NS (60 * NS_PER_S)	/* for an interface that was not found */
#define SEARCHES_MAX 2			/* in one poll */

enum phase { IDLE, DISCOVERY, WAITING, SEARCH, GET, STORAGE, PROCESSORS };

struct var { enum snmp_slot slot; size_t len; oid name[MAX_OID_LEN]; };

struct snmp_device {
	const struct snmp_device_env *env;
	uint32_t id;
	/* what to do */
	char *credential, *interface;
	bool host_values;
	oid named[SNMP_OIDS_MAX][MAX_OID_LEN];
	size_t named_len[SNMP_OIDS_MAX], nameds;
	int64_t timeout_ns;
	/* what is known of the device */
	struct sockaddr_storage to;
	socklen_t to_len;
	void *session;
	bool in_library;		/* within a callback: the session must not go yet */
	bool session_ends;
	struct snmp_engine engine;	/* len 0: never known */
	bool engine_stale;		/* ask again */
	unsigned column;		/* in which the interface's name was found */
	uint32_t if_index;		/* 0: not found yet */
	int64_t search_ns;		/* not before */
	size_t chunk_max;
	struct snmp_reading before;
	/* the poll under way */
	enum phase phase;
	uint64_t token;
	int64_t sent_ns, deadline_ns;
	int64_t rtt_ns;			/* 0: nothing came yet */
	uint32_t causes;
	int discovery_fd;
	uint32_t discovery_id;
	int64_t discovery_again_ns;	/* when to ask once more */
	int request;			/* id of the one that is out; 0: none */
	bool asked_twice;		/* it was sent again already */
	bool fresh;			/* its turn has not come yet */
	unsigned searches, rows;
	oid walk[MAX_OID_LEN];		/* last name of the table under way */
	size_t walk_len;
	struct var *var;
	size_t vars, next_var, chunk;	/* of var: asked so far; in the last GET */
	struct snmp_reading now;
	struct snmp_tables tables;
};

static const oid if_columns[3][11] = {
	{ 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1 },	/* ifName */
	{ 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18 },	/* ifAlias */
	{ 1, 3, 6, 1, 2, 1, 2, 2, 1, 2 },	/* ifDescr */
};
static const size_t if_column_len[3] = { 11, 11, 10 };
static const oid storage_types[] = { 1, 3, 6, 1, 2, 1, 25, 2, 1 };
static const oid storage_column[3][11] = {
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 2 },	/* type */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 5 },	/* size */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 6 },	/* used */
};
static const oid processor_load[] = { 1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2 };

struct known { enum snmp_slot slot; unsigned len; oid name[11]; };

static const struct known scalar_of_all[] = {
	{ SNMP_UPTIME, 9, { 1, 3, 6, 1, 2, 1, 1, 3, 0 } },
};
static const struct known column_of_interface[] = {	/* index to be added */
	{ SNMP_IN_OCTETS, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6 } },
	{ SNMP_OUT_OCTETS, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10 } },
	{ SNMP_IN_OCTETS_32, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 10 } },
	{ SNMP_OUT_OCTETS_32, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 16 } },
	{ SNMP_IN_ERRORS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 14 } },
	{ SNMP_OUT_ERRORS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 20 } },
	{ SNMP_IN_DISCARDS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 13 } },
	{ SNMP_OUT_DISCARDS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 19 } },
	{ SNMP_OPER_STATUS, 10, { 1, 3, 6, 1, 2, 1, 2, 2, 1, 8 } },
	{ SNMP_HIGH_SPEED, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15 } },
	{ SNMP_DISCONTINUITY, 11, { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19 } },
};
static const struct known scalar_of_host[] = {
	{ SNMP_CPU_IDLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 11, 11, 0 } },
	{ SNMP_MEM_TOTAL, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 5, 0 } },
	{ SNMP_MEM_AVAILABLE, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 6, 0 } },
	{ SNMP_MEM_BUFFER, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 14, 0 } },
	{ SNMP_MEM_CACHED, 10, { 1, 3, 6, 1, 4, 1, 2021, 4, 15, 0 } },
};

static void go_on(struct snmp_device *d);

/* ---------------------------------------------------------------- secrets */

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

/* -------------------------------------------------------------- the library */

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

static int
on_answer(int op, struct snmp_session *session, int request, struct snmp_pdu *pdu, void *magic);

static void
peer_name(const struct snmp_device *d, char text[80])
{
	char host[INET6_ADDRSTRLEN];

	if (d->to.ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&d->to;

		inet_ntop(AF_INET6, &a->sin6_addr, host, sizeof host);
		snprintf(text, 80, "udp6:[%s]:%u", host, ntohs(a->sin6_port));
	} else {
		const struct sockaddr_in *a = (const struct sockaddr_in *)&d->to;

		inet_ntop(AF_INET, &a->sin_addr, host, sizeof host);
		snprintf(text, 80, "udp:%s:%u", host, ntohs(a->sin_port));
	}
}

static void
session_v3(struct snmp_session *s, struct snmp_device *d, struct snmp_secret *k)
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
	s->securityEngineID = s->contextEngineID = d->engine.id;
	s->securityEngineIDLen = s->contextEngineIDLen = d->engine.len;
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

/* The library keeps a user for each engine: an old one of the same name would win over new keys. */
static void
forget_user(const struct snmp_device *d, char *name)
{
	struct usmUser *u = usm_get_user((u_char *)d->engine.id, d->engine.len, name);

	if (u != NULL) {
		usm_remove_user(u);
		usm_free_user(u);
	}
}

static bool
open_session(struct snmp_device *d)
{
	struct snmp_secret *k = d->env->secret(d->env->arg, d->credential);
	struct snmp_session s;
	char peer[80];

	if (k == NULL || !make_keys(k))
		return false;
	snmp_sess_init(&s);
	peer_name(d, peer);
	s.peername = peer;
	s.retries = 0;			/* we do that: it would not notice another engine */
	s.timeout = (long)(d->timeout_ns / NS_PER_US);
	s.callback = on_answer;
	s.callback_magic = d;
	if (k->version == SNMP_V3) {
		session_v3(&s, d, k);
	} else {
		s.version = SNMP_VERSION_2c;
		s.community = (u_char *)k->community;
		s.community_len = strlen(k->community);
	}
	d->session = snmp_sess_open(&s);
	explicit_bzero(&s, sizeof s);
	return d->session != NULL;
}

static void
close_session(struct snmp_device *d)
{
	d->request = 0;
	d->session_ends = d->in_library;
	if (d->in_library)
		return;
	if (d->session != NULL)
		snmp_sess_close(d->session);
	d->session = NULL;
}

static void
leave_library(struct snmp_device *d)
{
	d->in_library = false;
	if (d->session_ends)
		close_session(d);
}

static void
close_discovery(struct snmp_device *d)
{
	if (d->discovery_fd >= 0)
		close(d->discovery_fd);
	d->discovery_fd = -1;
}

/* ------------------------------------------------------------- end of a poll */

static void
finish(struct snmp_device *d, enum probe_outcome outcome, uint32_t causes)
{
	struct probe_result r = { .token = d->token, .outcome = outcome, .causes = causes };

	close_discovery(d);
	d->request = 0;
	d->phase = IDLE;
	if (outcome == PROBE_REPLY) {
		r.rtt_ns = d->rtt_ns;
		r.causes |= d->causes;
		if (d->now.any) {
			r.causes |= snmp_values(&d->before, &d->now, r.value, &r.values);
			d->before = d->now;
		}
	}
	d->env->done(d->env->arg, d, &r);
}

static void
time_is_up(struct snmp_device *d)
{
	if (d->rtt_ns > 0) {
		finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
		return;
	}
	if (d->phase == WAITING) {
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
		return;
	}
	close_session(d);
	d->engine_stale = true;		/* the device may have been replaced, or lost its clock */
	finish(d, PROBE_LOST, CAUSE_BIT(CAUSE_TIMEOUT));
}

static void
not_let_in(struct snmp_device *d)
{
	close_session(d);
	d->engine_stale = true;
	d->causes = 0;
	finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_AUTH));
}

/* The device said something. */
static void
heard(struct snmp_device *d)
{
	int64_t now = clock_mono(d->env->clock).ns;

	if (d->rtt_ns == 0)
		d->rtt_ns = now > d->sent_ns ? now - d->sent_ns : 1;
}

/* ---------------------------------------------------------------- discovery */

static void
send_discovery(struct snmp_device *d)
{
	uint8_t text[SNMP_DISCOVERY_MAX];
	size_t n = snmp_discovery_request(text, d->discovery_id);

	d->sent_ns = clock_mono(d->env->clock).ns;
	d->discovery_again_ns = d->sent_ns + d->timeout_ns / 2;
	(void)send(d->discovery_fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
discover(struct snmp_device *d)
{
	d->phase = DISCOVERY;
	d->discovery_id = (uint32_t)rng_below(d->env->rng, INT32_MAX) + 1;
	d->discovery_fd = socket(d->to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->discovery_fd < 0 ||
	    connect(d->discovery_fd, (struct sockaddr *)&d->to, d->to_len) != 0) {
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_NOT_SENT));
		return;
	}
	send_discovery(d);
}

static void
read_discovery(struct snmp_device *d)
{
	struct snmp_engine engine;
	uint8_t text[2048];
	uint32_t id;
	ssize_t n = recv(d->discovery_fd, text, sizeof text, MSG_DONTWAIT);

	if (n < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)) {
		finish(d, PROBE_LOST, CAUSE_BIT(errno == ECONNREFUSED ? CAUSE_PORT_UNREACHABLE :
		    errno == EHOSTUNREACH ? CAUSE_HOST_UNREACHABLE : CAUSE_NET_UNREACHABLE));
		return;
	}
	if (n <= 0 || snmp_discovery_answer(text, (size_t)n, &id, &engine) != 0 ||
	    id != d->discovery_id)
		return;
	heard(d);
	close_discovery(d);
	d->engine = engine;
	d->engine_stale = false;
	go_on(d);
}

/* ----------------------------------------------------------------- requests */

static void
send_pdu(struct snmp_device *d, struct snmp_pdu *pdu)
{
	d->sent_ns = clock_mono(d->env->clock).ns;
	d->request = snmp_sess_send(d->session, pdu);
	if (d->request != 0)
		return;
	snmp_free_pdu(pdu);
	close_session(d);
	if (d->rtt_ns > 0)
		finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
	else
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_NOT_SENT));
}

static void
add_var(struct snmp_device *d, enum snmp_slot slot, const oid *name, size_t len, uint32_t index)
{
	struct var *v = &d->var[d->vars++];

	v->slot = slot;
	memcpy(v->name, name, len * sizeof *name);
	v->len = len;
	if (index > 0)
		v->name[v->len++] = index;
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void
list_vars(struct snmp_device *d)
{
	d->vars = d->next_var = 0;
	add_var(d, scalar_of_all[0].slot, scalar_of_all[0].name, scalar_of_all[0].len, 0);
	if (d->if_index > 0)
		add_var(d, SNMP_IF_NAME, if_columns[d->column], if_column_len[d->column],
		    d->if_index);
	for (size_t i = 0; d->if_index > 0 && i < COUNT(column_of_interface); i++)
		add_var(d, column_of_interface[i].slot, column_of_interface[i].name,
		    column_of_interface[i].len, d->if_index);
	for (size_t i = 0; d->host_values && i < COUNT(scalar_of_host); i++)
		add_var(d, scalar_of_host[i].slot, scalar_of_host[i].name, scalar_of_host[i].len,
		    0);
	for (size_t i = 0; i < d->nameds; i++)
		add_var(d, SNMP_OID0 + i, d->named[i], d->named_len[i], 0);
}

static void
send_get(struct snmp_device *d)
{
	struct snmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);

	d->chunk = d->vars - d->next_var < d->chunk_max ? d->vars - d->next_var : d->chunk_max;
	for (size_t i = 0; i < d->chunk; i++)
		snmp_add_null_var(pdu, d->var[d->next_var + i].name, d->var[d->next_var + i].len);
	send_pdu(d, pdu);
}

static void
send_bulk(struct snmp_device *d)
{
	struct snmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETBULK);

	pdu->non_repeaters = 0;
	pdu->max_repetitions = BULK_ROWS;
	if (d->phase != STORAGE) {
		snmp_add_null_var(pdu, d->walk, d->walk_len);
	} else {
		for (unsigned c = 0; c < 3; c++) {
			oid name[MAX_OID_LEN];

			/* the same row in all three columns */
			memcpy(name, d->walk, d->walk_len * sizeof(oid));
			name[10] = storage_column[c][10];
			snmp_add_null_var(pdu, name, d->walk_len);
		}
	}
	send_pdu(d, pdu);
}

static void
begin_walk(struct snmp_device *d, enum phase phase, const oid *from, size_t len)
{
	d->phase = phase;
	d->rows = 0;
	memcpy(d->walk, from, len * sizeof *from);
	d->walk_len = len;
	send_bulk(d);
}

/* false: the other one first. */
static bool
take_turn(struct snmp_device *d, const struct snmp_secret *k)
{
	switch (d->env->turn(d->env->arg, d)) {
	case SNMP_TURN_FREE:
		break;
	case SNMP_TURN_SHARED:
		close_session(d);
		forget_user(d, k->user);
		break;
	case SNMP_TURN_BUSY:
		d->phase = WAITING;
		return false;
	}
	return true;
}

/* What comes next, when the session may not even be open. */
static void
go_on(struct snmp_device *d)
{
	struct snmp_secret *k = d->env->secret(d->env->arg, d->credential);
	int64_t now = clock_mono(d->env->clock).ns;

	if (k == NULL) {
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
		return;
	}
	if (k->version == SNMP_V3 && (d->engine.len == 0 || d->engine_stale)) {
		discover(d);
		return;
	}
	if (k->version == SNMP_V3 && d->fresh && !take_turn(d, k))
		return;
	d->fresh = false;
	if (d->session == NULL && !open_session(d)) {
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
		return;
	}
	if (d->interface != NULL && d->if_index == 0 && now >= d->search_ns &&
	    d->searches < SEARCHES_MAX) {
		d->searches++;
		d->column = 0;
		begin_walk(d, SEARCH, if_columns[0], if_column_len[0]);
		return;
	}
	if (d->interface != NULL && d->if_index == 0)
		d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	list_vars(d);
	snmp_reading_init(&d->now, 0);
	d->now.if_index = d->if_index;
	d->phase = GET;
	send_get(d);
}

/* ------------------------------------------------------------------ answers */

static struct snmp_value
to_value(const struct variable_list *v)
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

static bool
is_below(const struct variable_list *v, const oid *root, size_t len)
{
	return v->name_length > len && memcmp(v->name, root, len * sizeof *root) == 0 &&
	    v->type != SNMP_ENDOFMIBVIEW && v->type != SNMP_NOSUCHOBJECT &&
	    v->type != SNMP_NOSUCHINSTANCE;
}

/* Is v a step forward in the walk?  A device that goes round in circles is not followed. */
static bool
walk_on(struct snmp_device *d, const struct variable_list *v)
{
	if (++d->rows > ROWS_MAX || v->name_length > MAX_OID_LEN ||
	    snmp_oid_compare(v->name, v->name_length, d->walk, d->walk_len) <= 0)
		return false;
	memcpy(d->walk, v->name, v->name_length * sizeof(oid));
	d->walk_len = v->name_length;
	return true;
}

static void
searched(struct snmp_device *d, const struct snmp_pdu *pdu)
{
	const oid *root = if_columns[d->column];
	size_t len = if_column_len[d->column];
	bool more = pdu->variables != NULL;

	for (const struct variable_list *v = pdu->variables; v != NULL; v = v->next_variable) {
		struct snmp_value value = to_value(v);

		if (!is_below(v, root, len) || !walk_on(d, v)) {
			more = false;
			break;
		}
		if (v->name_length == len + 1 && snmp_is_name(&value, d->interface)) {
			d->if_index = (uint32_t)v->name[len];
			go_on(d);
			return;
		}
	}
	if (more) {
		send_bulk(d);
	} else if (++d->column < 3) {
		begin_walk(d, SEARCH, if_columns[d->column], if_column_len[d->column]);
	} else {
		d->column = 0;
		d->search_ns = clock_mono(d->env->clock).ns + SEARCH_AGAIN_NS;
		go_on(d);
	}
}

static void
end_of_scalars(struct snmp_device *d)
{
	if (d->if_index > 0 && !d->now.slot[SNMP_IN_OCTETS].have &&
	    !d->now.slot[SNMP_IN_OCTETS_32].have)
		d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	for (size_t i = 0; i < d->nameds; i++)
		if (!d->now.slot[SNMP_OID0 + i].have)
			d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	if (!d->host_values) {
		finish(d, PROBE_REPLY, 0);
		return;
	}
	snmp_tables_init(&d->tables);
	begin_walk(d, STORAGE, storage_column[0], 11);
}

/* false: the interface has moved to another index. */
static bool
take_scalar(struct snmp_device *d, const struct var *var, const struct variable_list *v)
{
	struct snmp_value value = to_value(v);

	if (v->name_length != var->len || memcmp(v->name, var->name, var->len * sizeof(oid)) != 0)
		return true;		/* not what was asked for */
	if (var->slot == SNMP_IF_NAME)
		return snmp_is_name(&value, d->interface);
	(void)snmp_reading_add(&d->now, var->slot, &value);
	return true;
}

static void
got(struct snmp_device *d, const struct snmp_pdu *pdu)
{
	const struct variable_list *v = pdu->variables;

	if (d->now.at_ns == 0)
		d->now.at_ns = clock_mono(d->env->clock).ns;
	for (size_t i = 0; i < d->chunk && v != NULL; i++, v = v->next_variable) {
		if (take_scalar(d, &d->var[d->next_var + i], v))
			continue;
		d->if_index = 0;
		d->search_ns = 0;
		go_on(d);
		return;
	}
	d->next_var += d->chunk;
	if (d->next_var < d->vars)
		send_get(d);
	else
		end_of_scalars(d);
}

static enum snmp_storage
storage_kind(const struct variable_list *v)
{
	size_t n = v->val_len / sizeof(oid);

	if (v->type != ASN_OBJECT_ID || n != COUNT(storage_types) + 1 ||
	    memcmp(v->val.objid, storage_types, sizeof storage_types) != 0)
		return STORAGE_OTHER;
	return v->val.objid[n - 1] == 2 ? STORAGE_RAM :
	    v->val.objid[n - 1] == 4 ? STORAGE_DISK : STORAGE_OTHER;
}

static void
end_of_storage(struct snmp_device *d)
{
	if (!d->now.slot[SNMP_CPU_IDLE].have) {
		begin_walk(d, PROCESSORS, processor_load, COUNT(processor_load));
		return;
	}
	snmp_reading_tables(&d->now, &d->tables);
	finish(d, PROBE_REPLY, 0);
}

static void
took_storage(struct snmp_device *d, const struct snmp_pdu *pdu)
{
	const struct variable_list *v = pdu->variables;

	while (v != NULL && v->next_variable != NULL && v->next_variable->next_variable != NULL) {
		const struct variable_list *size = v->next_variable, *used = size->next_variable;
		struct snmp_value size_value = to_value(size), used_value = to_value(used);

		if (!is_below(v, storage_column[0], 11) || !walk_on(d, v) ||
		    d->rows > STORAGE_ROWS_MAX) {
			end_of_storage(d);
			return;
		}
		if (v->name_length == 12 && is_below(size, storage_column[1], 11) &&
		    is_below(used, storage_column[2], 11) && size->name[11] == v->name[11] &&
		    used->name[11] == v->name[11])
			snmp_tables_storage(&d->tables, storage_kind(v), &size_value, &used_value);
		v = used->next_variable;
	}
	if (pdu->variables != NULL)
		send_bulk(d);
	else
		end_of_storage(d);
}

static void
took_processors(struct snmp_device *d, const struct snmp_pdu *pdu)
{
	bool more = pdu->variables != NULL;

	for (const struct variable_list *v = pdu->variables; v != NULL; v = v->next_variable) {
		struct snmp_value value = to_value(v);

		if (!is_below(v, processor_load, COUNT(processor_load)) || !walk_on(d, v)) {
			more = false;
			break;
		}
		snmp_tables_cpu(&d->tables, &value);
	}
	if (more) {
		send_bulk(d);
		return;
	}
	snmp_reading_tables(&d->now, &d->tables);
	finish(d, PROBE_REPLY, 0);
}

static void
answer_with_error(struct snmp_device *d, long status)
{
	if (status == SNMP_ERR_TOOBIG && d->phase == GET && d->chunk > 1) {
		d->chunk_max = d->chunk / 2;
		send_get(d);
		return;
	}
	if (status == SNMP_ERR_AUTHORIZATIONERROR || status == SNMP_ERR_NOACCESS) {
		finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_AUTH));
		return;
	}
	d->causes |= CAUSE_BIT(CAUSE_SNMP_ERROR);
	if (d->phase == GET && d->next_var + d->chunk < d->vars) {
		d->next_var += d->chunk;
		send_get(d);
		return;
	}
	finish(d, PROBE_REPLY, 0);
}

static void
take_answer(struct snmp_device *d, struct snmp_pdu *pdu)
{
	heard(d);
	d->request = 0;
	if (pdu->command == SNMP_MSG_REPORT) {
		not_let_in(d);
		return;
	}
	if (pdu->command != SNMP_MSG_RESPONSE)
		return;
	if (pdu->errstat != SNMP_ERR_NOERROR) {
		answer_with_error(d, pdu->errstat);
		return;
	}
	switch (d->phase) {
	case SEARCH:
		searched(d, pdu);
		break;
	case GET:
		got(d, pdu);
		break;
	case STORAGE:
		took_storage(d, pdu);
		break;
	case PROCESSORS:
		took_processors(d, pdu);
		break;
	case IDLE:
	case DISCOVERY:
	case WAITING:
		break;
	}
}

static int
on_answer(int op, struct snmp_session *session, int request, struct snmp_pdu *pdu, void *magic)
{
	struct snmp_device *d = magic;

	bool report = op == NETSNMP_CALLBACK_OP_SEC_ERROR ||
	    (pdu != NULL && pdu->command == SNMP_MSG_REPORT);

	(void)session;
	if (d->phase <= WAITING || d->request == 0 || (request != d->request && !report))
		return 1;		/* of a poll that is over */
	switch (op) {
	case NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE:
		take_answer(d, pdu);
		break;
	case NETSNMP_CALLBACK_OP_TIMED_OUT:
	case NETSNMP_CALLBACK_OP_SEND_FAILED:
		d->request = 0;
		time_is_up(d);
		break;
	case NETSNMP_CALLBACK_OP_SEC_ERROR:
		heard(d);
		d->request = 0;
		not_let_in(d);
		break;
	}
	return 1;
}

/* ------------------------------------------------------------- the outside */

/* text was checked by target_init(). */
static size_t
read_oid(const char *text, oid name[MAX_OID_LEN])
{
	size_t n = 0;
	char *end;

	if (*text == '.')
		text++;
	for (; n < MAX_OID_LEN; text = end + 1) {
		name[n++] = strtoul(text, &end, 10);
		if (*end != '.')
			break;
	}
	return n;
}

struct snmp_device *
snmp_device_new(const struct snmp_device_env *env, uint32_t id, const struct target *t)
{
	struct snmp_device *d = xcalloc(1, sizeof *d);

	d->env = env;
	d->id = id;
	d->credential = xstrdup(t->credential);
	d->interface = t->interface != NULL ? xstrdup(t->interface) : NULL;
	d->host_values = t->host_values;
	d->timeout_ns = t->timeout_ns;
	d->discovery_fd = -1;
	d->chunk_max = CHUNK_MAX;
	for (; d->nameds < t->oids; d->nameds++)
		d->named_len[d->nameds] = read_oid(t->oid[d->nameds], d->named[d->nameds]);
	d->var = xcalloc(2 + COUNT(column_of_interface) + COUNT(scalar_of_host) + SNMP_OIDS_MAX,
	    sizeof *d->var);
	return d;
}

void
snmp_device_free(struct snmp_device *d)
{
	if (d == NULL)
		return;
	d->phase = IDLE;
	close_session(d);
	close_discovery(d);
	free(d->credential);
	free(d->interface);
	free(d->var);
	free(d);
}

uint32_t
snmp_device_id(const struct snmp_device *d)
{
	return d->id;
}

enum snmp_turn
snmp_device_turn(const struct snmp_device *a, const struct snmp_device *b)
{
	const struct snmp_secret *ka = a->env->secret(a->env->arg, a->credential);
	const struct snmp_secret *kb = b->env->secret(b->env->arg, b->credential);

	if (a == b || ka == NULL || kb == NULL || ka == kb || ka->version != SNMP_V3 ||
	    kb->version != SNMP_V3 || strcmp(ka->user, kb->user) != 0 ||
	    a->engine.len != b->engine.len ||
	    memcmp(a->engine.id, b->engine.id, a->engine.len) != 0)
		return SNMP_TURN_FREE;
	return b->phase > WAITING ? SNMP_TURN_BUSY : SNMP_TURN_SHARED;
}

void
snmp_device_reset(struct snmp_device *d)
{
	if (d->phase != IDLE)
		finish(d, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL));
	close_session(d);
	d->engine.len = 0;
	d->if_index = 0;
	d->search_ns = 0;
	d->before.any = false;
}

void
snmp_device_poll(struct snmp_device *d, uint64_t token, const struct sockaddr_storage *to,
    socklen_t len)
{
	if (d->phase != IDLE)
		time_is_up(d);
	if (len != d->to_len || memcmp(to, &d->to, len) != 0) {
		snmp_device_reset(d);
		d->to = *to;
		d->to_len = len;
	}
	d->token = token;
	d->sent_ns = clock_mono(d->env->clock).ns;
	d->deadline_ns = d->sent_ns + d->timeout_ns;
	d->rtt_ns = 0;
	d->causes = 0;
	d->searches = 0;
	d->asked_twice = false;
	d->fresh = true;
	d->now.any = false;
	go_on(d);
}

void
snmp_device_fds(const struct snmp_device *d, int fd[2])
{
	netsnmp_transport *t = d->session != NULL ? snmp_sess_transport(d->session) : NULL;

	fd[0] = t != NULL ? t->sock : -1;
	fd[1] = d->discovery_fd;
}

void
snmp_device_read(struct snmp_device *d, int fd)
{
	netsnmp_large_fd_set set;

	int now[2];

	snmp_device_fds(d, now);
	if (fd == now[1]) {
		read_discovery(d);
		return;
	}
	if (fd != now[0])
		return;			/* closed since it was waited for */
	netsnmp_large_fd_set_init(&set, fd < FD_SETSIZE ? FD_SETSIZE : fd + 1);
	netsnmp_large_fd_setfd(fd, &set);
	d->in_library = true;
	(void)snmp_sess_read2(d->session, &set);
	leave_library(d);
	netsnmp_large_fd_set_cleanup(&set);
}

/* Half of the time is gone: a datagram was lost, or the device has become another engine. */
static void
ask_again(struct snmp_device *d)
{
	d->asked_twice = true;
	if (d->engine.len > 0 && d->rtt_ns == 0) {
		close_session(d);
		d->engine_stale = true;
		d->fresh = true;
		go_on(d);
	} else if (d->phase == GET) {
		send_get(d);
	} else {
		send_bulk(d);
	}
}

bool
snmp_device_tick(struct snmp_device *d)
{
	int64_t now = clock_mono(d->env->clock).ns;

	if (d->phase == IDLE)
		return false;
	if (now >= d->deadline_ns)
		time_is_up(d);
	else if (d->phase > WAITING && !d->asked_twice && now - d->sent_ns >= d->timeout_ns / 2)
		ask_again(d);
	else if (d->phase == DISCOVERY && now >= d->discovery_again_ns)
		send_discovery(d);
	else if (d->phase == WAITING)
		go_on(d);
	else if (d->session != NULL && d->request != 0) {
		d->in_library = true;
		snmp_sess_timeout(d->session);
		leave_library(d);
	}
	return d->phase != IDLE;
}
