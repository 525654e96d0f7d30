/*
 * channel_trap.c - notifications of LINKWATCH-MIB to SNMP managers.
 *
 * A message is sent when every manager has it.  Managers that have it are
 * remembered, so that a retry for one that is dead does not repeat the others.
 */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "alertd/channel.h"
#include "alertd/channel_trap.h"
#include "alertd/trap.h"
#include "alertd/trap_engine.h"
#include "common/mem.h"

#define INFORM_TIMEOUT_US 1000000L
#define INFORM_RETRIES 1
#define MANAGERS_MAX 64			/* bits of trap_job.done */

struct trap_target {			/* copied: the configuration may change meanwhile */
	char *address, *user;
	char *community, *auth, *priv;
	enum trap_version version;
};

struct trap_job {
	TAILQ_ENTRY(trap_job) link;
	struct channel *ch;		/* NULL: cancelled, nobody waits */
	uint64_t id;
	struct trap trap;
	struct trap_target target[MANAGERS_MAX];
	size_t targets;
	uint64_t done;			/* bit i: target i has it */
	enum outbox_outcome outcome;
	char detail[200];
};

TAILQ_HEAD(trap_jobs, trap_job);

struct trap_worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct trap_jobs todo, done;	/* under lock */
	struct trap_job *now;		/* under lock: being sent */
	bool stop;			/* under lock */
	int wake;			/* eventfd: something is done */
	struct event *ev;
	struct trap_engine engine;
	struct mono started;
};

struct trap_state {			/* of one channel */
	struct trap_target target[MANAGERS_MAX];
	size_t targets;
	struct { uint64_t id, done; } part[64];	/* messages that some managers have */
	size_t next_part;
};

/* --------------------------------------------------------- in the thread */

static const oid base_oid[] = { TRAP_BASE };
static const oid sys_up_time[] = { 1, 3, 6, 1, 2, 1, 1, 3, 0 };
static const oid snmp_trap_oid[] = { 1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0 };

static void
add_value(netsnmp_pdu *pdu, uint32_t incident, const struct trap_value *v)
{
	oid name[TRAP_BASE_LEN + 5];
	long number = (long)v->number;

	memcpy(name, base_oid, sizeof(base_oid));
	name[TRAP_BASE_LEN] = 1;	/* lwObjects */
	name[TRAP_BASE_LEN + 1] = 3;	/* lwIncidentTable */
	name[TRAP_BASE_LEN + 2] = 1;	/* lwIncidentEntry */
	name[TRAP_BASE_LEN + 3] = (oid)v->column;
	name[TRAP_BASE_LEN + 4] = incident;
	if (v->type == TRAP_OCTETS)
		snmp_pdu_add_variable(pdu, name, TRAP_BASE_LEN + 5, ASN_OCTET_STR, v->octets,
		    v->len);
	else
		snmp_pdu_add_variable(pdu, name, TRAP_BASE_LEN + 5,
		    v->type == TRAP_INTEGER ? ASN_INTEGER : ASN_UNSIGNED, &number,
		    sizeof(number));
}

static netsnmp_pdu *
make_pdu(const struct trap_worker *w, const struct trap *t, bool inform)
{
	netsnmp_pdu *pdu = snmp_pdu_create(inform ? SNMP_MSG_INFORM : SNMP_MSG_TRAP2);
	long ticks = (long)((clock_mono(clock_real()).ns - w->started.ns) / (NS_PER_S / 100));
	oid what[TRAP_BASE_LEN + 2];

	memcpy(what, base_oid, sizeof(base_oid));
	what[TRAP_BASE_LEN] = 0;
	what[TRAP_BASE_LEN + 1] = (oid)t->what;
	snmp_pdu_add_variable(pdu, sys_up_time, OID_LENGTH(sys_up_time), ASN_TIMETICKS, &ticks,
	    sizeof(ticks));
	snmp_pdu_add_variable(pdu, snmp_trap_oid, OID_LENGTH(snmp_trap_oid), ASN_OBJECT_ID, what,
	    sizeof(what));
	for (size_t i = 0; i < t->values; i++)
		add_value(pdu, t->incident, &t->value[i]);
	return pdu;
}

static int
make_key(const oid *proto, size_t proto_len, const char *phrase, u_char *key, size_t *len)
{
	*len = USM_AUTH_KU_LEN;
	return generate_Ku(proto, (u_int)proto_len, (const u_char *)phrase, strlen(phrase), key,
		   len) == SNMPERR_SUCCESS ? 0 : -EINVAL;
}

static int
set_v3(struct trap_worker *w, const struct trap_target *t, netsnmp_session *s)
{
	s->version = SNMP_VERSION_3;
	s->securityName = t->user;
	s->securityNameLen = strlen(t->user);
	s->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
	s->securityAuthProto = (oid *)(uintptr_t)usmHMAC192SHA256AuthProtocol;
	s->securityAuthProtoLen = OID_LENGTH(usmHMAC192SHA256AuthProtocol);
	s->securityPrivProto = (oid *)(uintptr_t)usmAESPrivProtocol;
	s->securityPrivProtoLen = OID_LENGTH(usmAESPrivProtocol);
	if (make_key(s->securityAuthProto, s->securityAuthProtoLen, t->auth, s->securityAuthKey,
		&s->securityAuthKeyLen) != 0 ||
	    make_key(s->securityAuthProto, s->securityAuthProtoLen, t->priv, s->securityPrivKey,
		&s->securityPrivKeyLen) != 0)
		return -EINVAL;
	if (t->version != TRAP_V3_TRAP)
		return 0;
	s->securityEngineID = s->contextEngineID = w->engine.id;
	s->securityEngineIDLen = s->contextEngineIDLen = TRAP_ENGINE_LEN;
	s->flags |= SNMP_FLAGS_DONT_PROBE;
	s->engineBoots = w->engine.boots;
	s->engineTime = (u_int)((clock_mono(clock_real()).ns - w->started.ns) / NS_PER_S) + 1;
	set_enginetime(w->engine.id, TRAP_ENGINE_LEN, s->engineBoots, s->engineTime, TRUE);
	return 0;
}

/* The library keeps a user's keys for ever; next time they may be others. */
static void
forget_users(void)
{
	struct usmUser *user;

	while ((user = usm_get_userList()) != NULL) {
		usm_remove_user(user);
		usm_free_user(user);
	}
}

/* 0, or -errno with a line in why.  The session is open for this one notification only. */
static int
send_one(struct trap_worker *w, const struct trap_target *t, const struct trap *trap, char *why,
    size_t n)
{
	bool inform = t->version == TRAP_V3_INFORM;
	netsnmp_session s;
	netsnmp_pdu *answer = NULL;
	void *open = NULL;
	char *text = NULL;
	int rc = -EIO;

	snmp_sess_init(&s);
	s.peername = t->address;
	s.timeout = INFORM_TIMEOUT_US;
	s.retries = INFORM_RETRIES;
	if (t->version == TRAP_V2C) {
		s.version = SNMP_VERSION_2c;
		s.community = (u_char *)t->community;
		s.community_len = strlen(t->community);
	} else if (set_v3(w, t, &s) != 0) {
		snprintf(why, n, "%s: pass phrase is not fit", t->address);
		return -EINVAL;
	}
	open = snmp_sess_open(&s);
	if (open == NULL) {
		snmp_error(&s, NULL, NULL, &text);
	} else if (inform) {
		rc = snmp_sess_synch_response(open, make_pdu(w, trap, true), &answer) ==
			     STAT_SUCCESS && answer != NULL &&
			     answer->errstat == SNMP_ERR_NOERROR ? 0 : -EIO;
	} else {
		netsnmp_pdu *pdu = make_pdu(w, trap, false);
		rc = snmp_sess_send(open, pdu) != 0 ? 0 : -EIO;
		if (rc != 0)
			snmp_free_pdu(pdu);
	}
	if (rc != 0 && open != NULL)
		snmp_sess_error(open, NULL, NULL, &text);
	if (rc != 0)
		snprintf(why, n, "%s: %.120s", t->address, text == NULL ? "failed" : text);
	SNMP_FREE(text);
	if (answer != NULL)
		snmp_free_pdu(answer);
	if (open != NULL)
		snmp_sess_close(open);
	forget_users();
	return rc;
}

static void
do_job(struct trap_worker *w, struct trap_job *job)
{
	job->outcome = OUTCOME_SENT;
	snprintf(job->detail, sizeof(job->detail), "%zu manager(s)", job->targets);
	for (size_t i = 0; i < job->targets; i++) {
		if ((job->done >> i & 1) != 0)
			continue;
		if (send_one(w, &job->target[i], &job->trap, job->detail, sizeof(job->detail)) == 0)
			job->done |= UINT64_C(1) << i;
		else
			job->outcome = OUTCOME_RETRY;
	}
}

static void *
work(void *arg)
{
	struct trap_worker *w = arg;
	const uint64_t one = 1;
	ssize_t n;

	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
	netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
	snmp_disable_log();
	init_snmp("linkwatch-alertd");
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		w->now = TAILQ_FIRST(&w->todo);
		if (w->now == NULL) {
			pthread_cond_wait(&w->more, &w->lock);
			continue;
		}
		TAILQ_REMOVE(&w->todo, w->now, link);
		pthread_mutex_unlock(&w->lock);
		do_job(w, w->now);
		pthread_mutex_lock(&w->lock);
		TAILQ_INSERT_TAIL(&w->done, w->now, link);
		w->now = NULL;
		n = write(w->wake, &one, sizeof(one));
		(void)n;	/* fails only when the counter is full: then it is awake */
	}
	pthread_mutex_unlock(&w->lock);
	snmp_shutdown("linkwatch-alertd");
	return NULL;
}

/* ----------------------------------------------------------- on the loop */

static void
target_clear(struct trap_target *t)
{
	char *const secret[] = { t->community, t->auth, t->priv };

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		if (secret[i] != NULL)
			explicit_bzero(secret[i], strlen(secret[i]));
		free(secret[i]);
	}
	free(t->address);
	free(t->user);
	memset(t, 0, sizeof(*t));
}

static void
job_free(struct trap_job *job)
{
	for (size_t i = 0; i < job->targets; i++)
		target_clear(&job->target[i]);
	free(job);
}

static void
remember_part(struct trap_state *st, const struct trap_job *job)
{
	st->part[st->next_part].id = job->id;
	st->part[st->next_part].done = job->done;
	st->next_part = (st->next_part + 1) % (sizeof(st->part) / sizeof(st->part[0]));
}

static uint64_t
recall_part(const struct trap_state *st, uint64_t id)
{
	uint64_t done = 0;

	for (size_t i = 0; i < sizeof(st->part) / sizeof(st->part[0]); i++)
		if (st->part[i].id == id)
			done |= st->part[i].done;
	return done;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct trap_worker *w = arg;
	struct trap_job *job;
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
	(void)what;
	for (;;) {
		pthread_mutex_lock(&w->lock);
		job = TAILQ_FIRST(&w->done);
		if (job != NULL)
			TAILQ_REMOVE(&w->done, job, link);
		pthread_mutex_unlock(&w->lock);
		if (job == NULL)
			return;
		if (job->ch != NULL) {
			if (job->outcome != OUTCOME_SENT && job->done != 0)
				remember_part(job->ch->state, job);
			job->ch->env->done(job->ch->env->arg, job->id, job->outcome, job->detail);
		}
		job_free(job);
	}
}

static char *
dup_or_null(const char *s)
{
	return s == NULL ? NULL : xstrdup(s);
}

static void
trap_send(struct channel *ch, const struct channel_message *m)
{
	struct trap_state *st = ch->state;
	struct trap_worker *w = ch->env->traps;
	struct trap_job *job = xcalloc(1, sizeof(*job));

	job->ch = ch;
	job->id = m->id;
	if (trap_build(&job->trap, m->event, m->doc) != 0) {
		free(job);
		channel_later(ch, m->id, OUTCOME_REFUSED, "the message names no incident");
		return;
	}
	job->done = recall_part(st, m->id);
	job->targets = st->targets;
	for (size_t i = 0; i < st->targets; i++) {
		const struct trap_target *t = &st->target[i];
		job->target[i] = (struct trap_target){ dup_or_null(t->address),
			dup_or_null(t->user), dup_or_null(t->community), dup_or_null(t->auth),
			dup_or_null(t->priv), t->version };
	}
	pthread_mutex_lock(&w->lock);
	TAILQ_INSERT_TAIL(&w->todo, job, link);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static int
load_target(struct trap_target *t, const struct trap_manager *m, char *why, size_t n)
{
	t->version = (enum trap_version)m->version;
	t->address = xstrdup(m->address);
	if (m->version == TRAP_V2C) {
		t->community = channel_secret(m->community_file, why, n);
		return t->community == NULL ? -EACCES : 0;
	}
	t->user = xstrdup(m->user);
	t->auth = channel_secret(m->auth_file, why, n);
	t->priv = t->auth == NULL ? NULL : channel_secret(m->priv_file, why, n);
	if (t->priv == NULL)
		return -EACCES;
	if (strlen(t->auth) < USM_LENGTH_P_MIN || strlen(t->priv) < USM_LENGTH_P_MIN) {
		snprintf(why, n, "manager %s: a pass phrase has fewer than %d characters",
		    m->address, USM_LENGTH_P_MIN);
		return -EINVAL;
	}
	return 0;
}

static void
trap_free(struct channel *ch)
{
	struct trap_state *st = ch->state;
	struct trap_worker *w = ch->env->traps;
	struct trap_job *job;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(job, &w->todo, link)
		if (job->ch == ch)
			job->ch = NULL;
	TAILQ_FOREACH(job, &w->done, link)
		if (job->ch == ch)
			job->ch = NULL;
	if (w->now != NULL && w->now->ch == ch)
		w->now->ch = NULL;
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < st->targets; i++)
		target_clear(&st->target[i]);
	free(st);
}

static int
trap_open(struct channel *ch, char *why, size_t n)
{
	const struct trap_manager *m = ch->conf->managers.v;
	struct trap_state *st;
	int rc = 0;

	if (ch->env->traps == NULL || ch->conf->managers.n > MANAGERS_MAX) {
		snprintf(why, n, "channel=%s: more than %d managers", ch->conf->name, MANAGERS_MAX);
		return -EINVAL;
	}
	st = xcalloc(1, sizeof(*st));
	for (size_t i = 0; rc == 0 && i < ch->conf->managers.n; i++)
		rc = load_target(&st->target[st->targets++], &m[i], why, n);
	ch->state = st;
	if (rc != 0)
		trap_free(ch);
	return rc;
}

const struct channel_ops channel_trap_ops = {
	.kind = "trap", .open = trap_open, .send = trap_send, .free = trap_free,
};

int
trap_worker_new(struct trap_worker **out, struct event_base *base, const char *dir, char *why,
    size_t n)
{
	struct trap_worker *w = xcalloc(1, sizeof(*w));
	int rc = trap_engine_load(&w->engine, dir, why, n);

	*out = NULL;
	w->wake = -1;
	if (rc != 0)
		goto out;
	TAILQ_INIT(&w->todo);
	TAILQ_INIT(&w->done);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	w->started = clock_mono(clock_real());
	setenv("MIBS", "", 1);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake < 0) {
		rc = -errno;
		goto out;
	}
	w->ev = event_new(base, w->wake, EV_READ | EV_PERSIST, on_wake, w);
	event_add(w->ev, NULL);
	rc = -pthread_create(&w->thread, NULL, work, w);
	if (rc == 0) {
		*out = w;
		return 0;
	}
	event_free(w->ev);
out:
	if (w->wake >= 0)
		close(w->wake);
	free(w);
	return rc;
}

void
trap_worker_free(struct trap_worker *w)
{
	struct trap_job *job;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	while ((job = TAILQ_FIRST(&w->todo)) != NULL || (job = TAILQ_FIRST(&w->done)) != NULL) {
		if (TAILQ_FIRST(&w->todo) == job)
			TAILQ_REMOVE(&w->todo, job, link);
		else
			TAILQ_REMOVE(&w->done, job, link);
		job_free(job);
	}
	event_free(w->ev);
	close(w->wake);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	free(w);
}
