/*
 * snmp_device.c - one device: session, engine, interface index, polls.
 */
#include "agent/snmp_device.h"

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/library/snmp_transport.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/snmp_discovery.h"
#include "agent/snmp_session.h"
#include "agent/snmp_values.h"
#include "agent/snmp_vars.h"
#include "agent/target.h"
#include "common/agent_conf.h"
#include "common/mem.h"

#define CHUNK_MAX 16			/* variables in a GET */
#define BULK_ROWS 20
#define ROWS_MAX 4096			/* of a table: then it has no end */
#define STORAGE_ROWS_MAX 256
#define SEARCH_AGAIN_NS (60 * NS_PER_S)	/* for an interface that was not found */
#define SEARCHES_MAX 2			/* in one poll */

#define PROCESSOR_LOAD_LEN 11

enum phase { IDLE, DISCOVERY, WAITING, SEARCH, GET, STORAGE, PROCESSORS };

struct snmp_device {
	const struct snmp_device_env *env;
	uint32_t id;
	/* what to do */
	char *credential, *interface;
	bool host_values;
	struct snmp_var named[SNMP_OIDS_MAX];
	size_t nameds;
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
	bool search_cut;		/* the last poll's time was up in it: go on there */
	oid walk[MAX_OID_LEN];		/* last name of the table under way */
	size_t walk_len;
	struct snmp_var *var;		/* SNMP_VARS_MAX of them */
	size_t vars, next_var, chunk;	/* of var: asked so far; in the last GET */
	struct snmp_reading now;
	struct snmp_tables tables;
};

static const oid storage_column[3][11] = {
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 2 },	/* type */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 5 },	/* size */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 6 },	/* used */
};
static const oid processor_load[PROCESSOR_LOAD_LEN] = { 1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2 };

static void go_on(struct snmp_device *d);

/* --------------------------------------------------------------- sessions */

static int
on_answer(int op, struct snmp_session *session, int request, struct snmp_pdu *pdu, void *magic);

static bool
open_session(struct snmp_device *d)
{
	struct snmp_secret *k = d->env->secret(d->env->arg, d->credential);

	if (k != NULL)
		d->session = snmp_session_open(k, &d->to, &d->engine, d->timeout_ns, on_answer, d);
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
	d->search_cut = d->phase == SEARCH && d->rtt_ns > 0;
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
		snmp_session_forget_user(&d->engine, k->user);
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
		if (d->search_cut) {
			d->search_cut = false;
			d->phase = SEARCH;
			send_bulk(d);
			return;
		}
		d->column = 0;
		begin_walk(d, SEARCH, snmp_if_column[0].name, snmp_if_column[0].len);
		return;
	}
	if (d->interface != NULL && d->if_index == 0)
		d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	d->next_var = 0;
	d->vars = snmp_vars_list(d->var, d->column, d->if_index, d->host_values, d->named,
	    d->nameds);
	snmp_reading_init(&d->now, 0);
	d->now.if_index = d->if_index;
	d->phase = GET;
	send_get(d);
}

/* ------------------------------------------------------------------ answers */

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
	const oid *root = snmp_if_column[d->column].name;
	size_t len = snmp_if_column[d->column].len;
	bool more = pdu->variables != NULL;

	for (const struct variable_list *v = pdu->variables; v != NULL; v = v->next_variable) {
		struct snmp_value value = snmp_session_value(v);

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
		begin_walk(d, SEARCH, snmp_if_column[d->column].name,
		    snmp_if_column[d->column].len);
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
take_scalar(struct snmp_device *d, const struct snmp_var *var, const struct variable_list *v)
{
	struct snmp_value value = snmp_session_value(v);

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

static void
end_of_storage(struct snmp_device *d)
{
	if (!d->now.slot[SNMP_CPU_IDLE].have) {
		begin_walk(d, PROCESSORS, processor_load, PROCESSOR_LOAD_LEN);
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
		struct snmp_value size_value = snmp_session_value(size), used_value = snmp_session_value(used);

		if (!is_below(v, storage_column[0], 11) || !walk_on(d, v) ||
		    d->rows > STORAGE_ROWS_MAX) {
			end_of_storage(d);
			return;
		}
		if (v->name_length == 12 && is_below(size, storage_column[1], 11) &&
		    is_below(used, storage_column[2], 11) && size->name[11] == v->name[11] &&
		    used->name[11] == v->name[11])
			snmp_tables_storage(&d->tables, snmp_session_storage(v), &size_value, &used_value);
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
		struct snmp_value value = snmp_session_value(v);

		if (!is_below(v, processor_load, PROCESSOR_LOAD_LEN) || !walk_on(d, v)) {
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
		snmp_var_parse(&d->named[d->nameds], SNMP_OID0 + d->nameds,
		    t->oid[d->nameds].oid);
	d->var = xcalloc(SNMP_VARS_MAX, sizeof *d->var);
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
	d->search_cut = false;
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
