/*
 * session.c - one peer of the collector: a table says who may send which
 * message when, a function for each does it (see session.h).
 */
#include "collector/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/hub.h"
#include "common/frame.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"

#define CREDIT_RATE 20.0		/* frames other than batches, a second */
#define CREDIT_MAX 100.0
#define MERCY_RATE 1.0			/* bad batches, a second */
#define MERCY_MAX 60.0
#define RETRY_MS 2000
#define RETRY_STRANGER_MS 60000
#define AGENT_CONNS 3			/* one that is up, one that replaces it, one more */
#define TEXT_MAX 200			/* of strings that a peer sent, in records and logs */
#define PLAN_RESULT_ROOM (256 * 1024)	/* bytes of refused links that one record takes */

/* ------------------------------------------------------------ begin and end */

/* A copy of what a peer says of itself, short and fit for a log. */
static void
clean(char *out, size_t n, const char *s)
{
	log_escape(out, n, s, strnlen(s, TEXT_MAX));
}

static void
journal_session(struct session *s, bool up, const char *software, const char *reason)
{
	Linkwatch__Pb__Session m = LINKWATCH__PB__SESSION__INIT;

	if (s->peer.role != ROLE_AGENT)
		return;
	m.agent = s->peer.id;
	m.at_ns = clock_wall(s->hub->o.clock).ns;
	m.up = up;
	m.address = (char *)conn_address(s->conn);
	m.software = (char *)software;
	m.reason = (char *)reason;
	m.cert_not_after_ns = s->peer.not_after_ns;
	hub_append(s->hub, JREC_SESSION, &m.base);
}

void
session_gone(struct session *s, const char *why)
{
	struct hub *h = s->hub;

	/* Out of the tables first: a journal that fails tells every agent in them. */
	if (s->peer.role == ROLE_AGENT && table_gets(&h->agents, s->peer.id) == s)
		table_dels(&h->agents, s->peer.id);
	table_del(&h->conns, &s->conn, sizeof(s->conn));
	if (s->quota != NULL)
		s->quota->conns--;
	if (s->state == SESSION_UP) {
		log_notice("%s=%s: session ended: %s", role_name(s->peer.role), s->peer.id, why);
		journal_session(s, false, "", why);
	}
	feed_free(s->feed);
	free(s->refusal);
	free(s);
}

/* Tells a refusal; the payload of a session's own has seq 0. */
static void
send_refusal(struct session *s, uint64_t seq, uint32_t code, const char *why, bool drop,
    uint32_t retry_ms)
{
	Linkwatch__Pb__Refusal m = LINKWATCH__PB__REFUSAL__INIT;

	if (seq != 0)
		m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = s->boot };
	m.seq = seq;
	m.code = code;
	m.reason = (char *)why;
	m.drop = drop;
	m.retry_after_ms = retry_ms;
	conn_send_message(s->conn, FRAME_REFUSAL, &m.base);
}

void
session_end(struct session *s, uint32_t code, const char *why, uint32_t retry_ms)
{
	struct conn *conn = s->conn;

	if (code != 0)
		send_refusal(s, 0, code, why, false, retry_ms);
	session_gone(s, why);
	conn_close(conn);
}

/* Ends it for a fault of the peer: counted and journaled. */
static void
turn_away(struct session *s, uint32_t code, const char *why, uint32_t retry_ms)
{
	refusals_note(s->hub, s->peer.role == ROLE_NOBODY ? conn_address(s->conn) : s->peer.id, code, why);
	session_end(s, code, why, retry_ms);
}

/* Takes one from a bucket that fills at rate up to max. */
static bool
spend(double *credit, double max)
{
	if (*credit > max)
		*credit = max;
	if (*credit < 1.0)
		return false;
	*credit -= 1.0;
	return true;
}

static void
refill(struct session *s)
{
	struct mono now = clock_mono(s->hub->o.clock);
	double dt = (double)(now.ns - s->credit_at.ns) / 1e9;

	s->credit_at = now;
	if (dt <= 0)
		return;
	s->credit += dt * CREDIT_RATE;
	s->mercy += dt * MERCY_RATE;
	if (s->mercy > MERCY_MAX)
		s->mercy = MERCY_MAX;
}

/* The agent's buckets; made when they are asked for. */
static struct agent_quota *
quota_of(struct hub *h, const char *id)
{
	struct agent_quota *aq = table_gets(&h->quotas, id);

	if (aq == NULL) {
		aq = xcalloc(1, sizeof *aq);
		snprintf(aq->id, sizeof aq->id, "%s", id);
		quota_init(&aq->q, &h->o.quota, clock_mono(h->o.clock));
		table_puts(&h->quotas, aq->id, aq);
	}
	return aq;
}

/* Is it to be read?  Over its quota it is not, until a tick finds it good again. */
static void
throttle(struct session *s)
{
	struct hub *h = s->hub;
	bool good;

	if (s->quota == NULL)
		return;
	quota_refill(&s->quota->q, &h->o.quota, clock_mono(h->o.clock));
	good = quota_is_good(&s->quota->q, &h->o.quota);
	if (good == !s->throttled)
		return;
	s->throttled = !good;
	conn_pause(s->conn, s->throttled);
	if (s->throttled)
		log_limited(LOG_NOTICE, s->peer.id, 1, "agent=%s: sends more than its share: read no "
		    "faster than it may", s->peer.id);
}

/* --------------------------------------------------------------- what to say */

void
session_set_paused(struct session *s, bool paused)
{
	if (s->state != SESSION_UP || s->peer.role != ROLE_AGENT || s->paused == paused)
		return;
	s->paused = paused;
	conn_send(s->conn, paused ? FRAME_PAUSE : FRAME_RESUME, NULL, 0);
}

void
session_answer(struct session *s)
{
	Linkwatch__Pb__Ack m = LINKWATCH__PB__ACK__INIT;

	for (size_t i = 0; i < s->refusals; i++)
		send_refusal(s, s->refusal[i].seq, s->refusal[i].code, s->refusal[i].why, true, 0);
	s->refusals = 0;
	if (!s->answer)
		return;
	s->answer = false;
	s->inflight = 0;
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = s->boot };
	m.seq = admit_durable(s->hub->admit, s->peer.id, s->boot);
	conn_send_message(s->conn, FRAME_ACK, &m.base);
}

void
session_push_plan(struct session *s)
{
	Linkwatch__Pb__Plan *plan;
	uint64_t revision;

	if (s->state != SESSION_UP || s->peer.role != ROLE_AGENT || s->hub->plan == NULL)
		return;
	revision = parts_revision(s->hub->parts, s->peer.id);
	if (revision == 0) {
		session_end(s, REFUSE_UNKNOWN_PEER, "this agent is no longer in the plan", RETRY_STRANGER_MS);
		return;
	}
	if (revision == s->plan_revision)
		return;
	plan = parts_plan(s->hub->parts, s->peer.id);
	if (conn_send_message(s->conn, FRAME_PLAN, &plan->base) == 0) {
		s->plan_revision = plan->revision;
		log_notice("agent=%s: plan %016" PRIx64 " sent, %zu links", s->peer.id, plan->revision,
		    plan->n_link);
	}
	links_free(plan);
}

void
session_pump(struct session *s)
{
	char why[192];

	if (s->feed != NULL && feed_pump(s->feed, why, sizeof why) != 0) {
		log_error("alertd=%s: feed: %s", s->peer.id, why);
		session_end(s, REFUSE_BUSY, why, RETRY_MS);
	}
}

void
session_tick(struct session *s)
{
	struct mono now = clock_mono(s->hub->o.clock);

	if (s->state == SESSION_OPENED && now.ns - s->since.ns > s->hub->o.hello_ns) {
		turn_away(s, REFUSE_STATE, "no hello in time", RETRY_MS);
		return;
	}
	if (s->peer.not_after_ns != 0 && clock_wall(s->hub->o.clock).ns > s->peer.not_after_ns) {
		turn_away(s, REFUSE_UNKNOWN_PEER, "its certificate has expired", RETRY_STRANGER_MS);
		return;
	}
	refill(s);
	throttle(s);
	if (s->feed != NULL) {
		feed_tick(s->feed, now);
		session_pump(s);
	}
}

/* ------------------------------------------------------------- what is said */

/* Each handler may free s; the payload was unpacked to m by the table below. */

/* The version that both speak, or 0. */
static uint32_t
agree(const struct hub_opts *o, uint32_t min, uint32_t max)
{
	uint32_t v = max < o->version_max ? max : o->version_max;

	return min <= max && v >= min && v >= o->version_min ? v : 0;
}

/* An agent's HELLO is in order: one line in why if it is not. */
static uint32_t
check_agent_hello(struct session *s, const Linkwatch__Pb__Hello *m, char *why, size_t n)
{
	if (m->boot_id.len != BOOT_ID_LEN) {
		snprintf(why, n, "hello with a boot id of %zu bytes", m->boot_id.len);
		return REFUSE_MALFORMED;
	}
	if (m->first_seq > m->next_seq || m->next_seq > INT64_MAX) {
		snprintf(why, n, "hello with batches %" PRIu64 " to %" PRIu64, m->first_seq, m->next_seq);
		return REFUSE_MALFORMED;
	}
	if (s->quota == NULL) {
		snprintf(why, n, "agent '%s' is not in links.yaml", s->peer.id);
		return REFUSE_UNKNOWN_PEER;
	}
	return 0;
}

static void
welcome(struct session *s, const char *software)
{
	Linkwatch__Pb__Welcome w = LINKWATCH__PB__WELCOME__INIT;
	struct hub *h = s->hub;

	s->state = SESSION_UP;
	w.version = s->version;
	w.software = (char *)LW_VERSION;
	w.window = h->o.window;
	w.wall_ns = clock_wall(h->o.clock).ns;
	if (s->peer.role == ROLE_AGENT)
		w.acked_seq = admit_durable(h->admit, s->peer.id, s->boot);
	conn_send_message(s->conn, FRAME_WELCOME, &w.base);
	log_notice("%s=%s: session from %s, version %s, acked %" PRIu64, role_name(s->peer.role),
	    s->peer.id, conn_address(s->conn), software, w.acked_seq);
	journal_session(s, true, software, "");
}

static void
greet_agent(struct session *s, const Linkwatch__Pb__Hello *m, const char *software)
{
	struct hub *h = s->hub;
	struct session *older = table_gets(&h->agents, s->peer.id);

	quota_refill(&s->quota->q, &h->o.quota, clock_mono(h->o.clock));
	if (!quota_session(&s->quota->q, &h->o.quota)) {
		turn_away(s, REFUSE_RATE, "too many sessions of this agent within a minute",
		    RETRY_STRANGER_MS);
		return;
	}
	memcpy(s->boot, m->boot_id.data, BOOT_ID_LEN);
	s->first_seq = m->first_seq > 0 ? m->first_seq : 1;
	s->plan_revision = m->plan_revision;
	if (older != NULL)
		turn_away(older, REFUSE_REPLACED, "another session of this agent began", RETRY_STRANGER_MS);
	table_puts(&h->agents, s->peer.id, s);
	welcome(s, software);
	session_set_paused(s, h->stalled);
	session_push_plan(s);
}

static void
on_hello(struct session *s, const void *msg)
{
	const Linkwatch__Pb__Hello *m = msg;
	char software[4 * TEXT_MAX + 1], why[192];
	uint32_t code;

	s->version = agree(&s->hub->o, m->version_min, m->version_max);
	if (s->version == 0) {
		snprintf(why, sizeof why, "it speaks protocol %u to %u, we speak %u to %u",
		    m->version_min, m->version_max, s->hub->o.version_min, s->hub->o.version_max);
		turn_away(s, REFUSE_VERSION, why, RETRY_STRANGER_MS);
		return;
	}
	clean(software, sizeof software, m->software);
	if (s->peer.role == ROLE_ALERTD) {
		s->feed = feed_new(s->conn, s->hub->o.disk, s->peer.id,
		    s->version < PROTOCOL_SHORT);
		welcome(s, software);
		return;
	}
	code = check_agent_hello(s, m, why, sizeof why);
	if (code != 0)
		turn_away(s, code, why, RETRY_STRANGER_MS);
	else
		greet_agent(s, m, software);
}

/* A batch that will never be taken: its number is used up, and the journal says so. */
static int
append_refused(struct session *s, const struct admit_result *r, const uint8_t *p, size_t n)
{
	Linkwatch__Pb__Refused m = LINKWATCH__PB__REFUSED__INIT;

	m.peer = s->peer.id;
	m.at_ns = clock_wall(s->hub->o.clock).ns;
	m.code = r->code;
	m.reason = (char *)r->why;
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = s->boot };
	m.seq = r->seq;
	m.count = 1;
	m.samples = r->samples;
	if (r->code == REFUSE_TIME)
		m.batch = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)p };
	return hub_append(s->hub, JREC_REFUSED, &m.base);
}

static int
append_batch(struct session *s, const uint8_t *p, size_t n)
{
	Linkwatch__Pb__StoredBatch m = LINKWATCH__PB__STORED_BATCH__INIT;

	m.agent = s->peer.id;
	m.received_ns = clock_wall(s->hub->o.clock).ns;
	m.batch = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)p };
	return hub_append(s->hub, JREC_BATCH, &m.base);
}

static void
remember_refusal(struct session *s, const struct admit_result *r)
{
	struct pending_refusal *p;

	s->refusal = xreallocarray(s->refusal, s->refusals + 1, sizeof *s->refusal);
	p = &s->refusal[s->refusals++];
	p->seq = r->seq;
	p->code = r->code;
	snprintf(p->why, sizeof p->why, "%s", r->why);
}

/* The verdict was REFUSE. */
static void
refuse_batch(struct session *s, const struct admit_result *r, const uint8_t *p, size_t n)
{
	struct hub *h = s->hub;

	if (r->end) {
		turn_away(s, r->code, r->why, RETRY_MS);
		return;
	}
	if (!spend(&s->mercy, MERCY_MAX)) {
		turn_away(s, REFUSE_RATE, "too many bad batches", RETRY_STRANGER_MS);
		return;
	}
	if (r->forked) {
		h->stat.forked++;
		refusals_note(h, s->peer.id, r->code, r->why);
	} else {
		if (append_refused(s, r, p, n) != 0) {
			session_end(s, REFUSE_BUSY, "the journal takes nothing now", RETRY_MS);
			return;
		}
		h->stat.refused++;
		log_limited(LOG_WARNING, s->peer.id, 5, "agent=%s: batch %" PRIu64 " refused (%s): %s",
		    s->peer.id, r->seq, refusal_name(r->code), r->why);
		admit_took(h->admit, s->peer.id, s->boot, r->seq, 0);
	}
	remember_refusal(s, r);
	s->answer = true;
}

/* Numbers that will never come, and the agent says so: the journal must too. */
static void
tell_missing(struct session *s, const struct admit_result *r)
{
	char detail[ID_MAX + 96];

	if (r->missing_first == 0)
		return;
	snprintf(detail, sizeof detail, "agent=%s batches %" PRIu64 "..%" PRIu64, s->peer.id,
	    r->missing_first, r->missing_last);
	log_limited(LOG_WARNING, s->peer.id, 5, "agent=%s: batches %" PRIu64 " to %" PRIu64
	    " are lost at the agent", s->peer.id, r->missing_first, r->missing_last);
	hub_event(s->hub, clock_wall(s->hub->o.clock), "missing", detail);
}

static void
take_batch(struct session *s, const struct admit_result *r, const uint8_t *p, size_t n)
{
	struct hub *h = s->hub;
	int e;

	/* The loop reads nobody while the disk is busy, and so a slow disk slows the agents down. */
	if (h->stat.pending >= h->o.pending_max && !h->stalled)
		hub_commit(h);
	e = append_batch(s, p, n);
	if (e != 0) {
		session_end(s, REFUSE_BUSY, "the journal takes nothing now", RETRY_MS);
		return;
	}
	tell_missing(s, r);
	admit_took(h->admit, s->peer.id, s->boot, r->seq, r->hash);
	h->stat.batches++;
	h->stat.samples += r->samples;
	s->answer = true;
}

static void
on_batch(struct session *s, const uint8_t *p, size_t n)
{
	struct hub *h = s->hub;
	struct admit_result r;

	if (++s->inflight > h->o.window) {
		turn_away(s, REFUSE_RATE, "more batches in flight than the window allows", RETRY_MS);
		return;
	}
	if (2 * s->inflight >= h->o.window)
		hub_hurry(h);
	admit_batch(h->admit, s->peer.id, s->boot, s->first_seq, p, n, clock_wall(h->o.clock), &r);
	quota_spend(&s->quota->q, n, r.samples);
	throttle(s);
	switch (r.verdict) {
	case ADMIT_TAKE:
		take_batch(s, &r, p, n);
		break;
	case ADMIT_REPEAT:
		h->stat.repeats++;
		s->answer = true;
		hub_touch(h);
		break;
	case ADMIT_REFUSE:
		refuse_batch(s, &r, p, n);
		break;
	}
}

static void
on_clock_ping(struct session *s, const void *msg)
{
	const Linkwatch__Pb__ClockPing *m = msg;
	Linkwatch__Pb__ClockPong pong = LINKWATCH__PB__CLOCK_PONG__INIT;

	pong.t1_ns = m->t1_ns;
	pong.t2_ns = pong.t3_ns = clock_wall(s->hub->o.clock).ns;
	conn_send_message(s->conn, FRAME_CLOCK_PONG, &pong.base);
}

/* The record keeps what fits; the strings of a peer are cleaned first. */
static void
on_plan_result(struct session *s, const void *msg)
{
	const Linkwatch__Pb__PlanResult *m = msg;
	Linkwatch__Pb__AgentPlanResult rec = LINKWATCH__PB__AGENT_PLAN_RESULT__INIT;
	Linkwatch__Pb__PlanResult res = LINKWATCH__PB__PLAN_RESULT__INIT;
	char text[4 * TEXT_MAX + 1];

	if (m->n_link != m->n_reason || m->n_link > 10000) {
		turn_away(s, REFUSE_MALFORMED, "plan result whose columns disagree", RETRY_MS);
		return;
	}
	res.revision = m->revision;
	res.link = xcalloc(m->n_link + 1, sizeof *res.link);
	res.reason = xcalloc(m->n_link + 1, sizeof *res.reason);
	/* Escaping makes reasons longer than they came: the record takes what fits. */
	for (size_t i = 0, room = PLAN_RESULT_ROOM; i < m->n_link; i++) {
		if (!id_is_valid(m->link[i]))
			continue;
		clean(text, sizeof text, m->reason[i]);
		if (strlen(m->link[i]) + strlen(text) + 16 > room)
			break;
		room -= strlen(m->link[i]) + strlen(text) + 16;
		res.link[res.n_link++] = m->link[i];
		res.reason[res.n_reason++] = xstrdup(text);
		log_limited(LOG_WARNING, s->peer.id, 20, "link=%s/%s: refused by the agent: %s",
		    s->peer.id, m->link[i], text);
	}
	rec.agent = s->peer.id;
	rec.at_ns = clock_wall(s->hub->o.clock).ns;
	rec.result = &res;
	hub_append(s->hub, JREC_PLANRESULT, &rec.base);
	for (size_t i = 0; i < res.n_reason; i++)
		free(res.reason[i]);
	free(res.reason);
	free(res.link);
}

static void
on_feed_start(struct session *s, const void *msg)
{
	const Linkwatch__Pb__FeedStart *m = msg;
	char why[192];

	switch (feed_start(s->feed, m->from_seq, m->window, why, sizeof why)) {
	case 0:
		log_notice("alertd=%s: feed from record %" PRIu64, s->peer.id, m->from_seq);
		session_pump(s);
		break;
	case -ERANGE:
		turn_away(s, REFUSE_ORDER, why, RETRY_STRANGER_MS);
		break;
	default:
		session_end(s, REFUSE_BUSY, why, RETRY_MS);
	}
}

static void
on_feed_ack(struct session *s, const void *msg)
{
	const Linkwatch__Pb__FeedAck *m = msg;

	if (feed_ack(s->feed, m->seq) != 0)
		turn_away(s, REFUSE_ORDER, "feed ack for what was never sent", RETRY_MS);
	else
		session_pump(s);
}

static void
on_reload(struct session *s, const void *msg)
{
	const Linkwatch__Pb__ReloadRequest *m = msg;
	Linkwatch__Pb__ReloadResult res = LINKWATCH__PB__RELOAD_RESULT__INIT;
	struct hub *h = s->hub;
	char *errors = NULL;
	int r = h->o.reload != NULL ? h->o.reload(h->o.arg, &res.revision, &errors) : -ENOSYS;

	res.id = m->id;
	res.ok = r == 0;
	res.errors = errors != NULL ? errors : (char *)(r == 0 ? "" : strerror(-r));
	if (strlen(res.errors) > FRAME_MAX / 2)
		res.errors[FRAME_MAX / 2] = '\0';
	conn_send_message(s->conn, FRAME_RELOAD_RESULT, &res.base);
	free(errors);
}

/* --------------------------------------------------------------- the table */

#define AGENT (1u << ROLE_AGENT)
#define ALERTD (1u << ROLE_ALERTD)

static const struct rule {
	uint8_t type;
	unsigned roles;			/* who may send it */
	enum session_state state;	/* when */
	bool is_free;			/* other limits bound it: no credit is taken */
	const ProtobufCMessageDescriptor *message;
	void (*handle)(struct session *, const void *msg);
	void (*handle_raw)(struct session *, const uint8_t *p, size_t n);
} rules[] = {
	{ FRAME_HELLO, AGENT | ALERTD, SESSION_OPENED, false, &linkwatch__pb__hello__descriptor, on_hello, NULL },
	{ FRAME_BATCH, AGENT, SESSION_UP, true, NULL, NULL, on_batch },
	{ FRAME_CLOCK_PING, AGENT | ALERTD, SESSION_UP, false, &linkwatch__pb__clock_ping__descriptor,
	  on_clock_ping, NULL },
	{ FRAME_PLAN_RESULT, AGENT, SESSION_UP, false, &linkwatch__pb__plan_result__descriptor,
	  on_plan_result, NULL },
	{ FRAME_FEED_START, ALERTD, SESSION_UP, false, &linkwatch__pb__feed_start__descriptor,
	  on_feed_start, NULL },
	{ FRAME_FEED_ACK, ALERTD, SESSION_UP, true, &linkwatch__pb__feed_ack__descriptor, on_feed_ack, NULL },
	{ FRAME_RELOAD, ALERTD, SESSION_UP, false, &linkwatch__pb__reload_request__descriptor, on_reload, NULL },
};

static const struct rule *
rule_of(uint8_t type)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

static void
dispatch(struct session *s, const struct rule *rule, const uint8_t *p, size_t n)
{
	ProtobufCMessage *m;

	if (rule->handle_raw != NULL) {
		rule->handle_raw(s, p, n);
		return;
	}
	m = protobuf_c_message_unpack(rule->message, NULL, n, p);
	if (m == NULL) {
		turn_away(s, REFUSE_MALFORMED, "a message that does not decode", RETRY_MS);
		return;
	}
	rule->handle(s, m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void
on_frame(void *arg, struct conn *conn, uint8_t type, const uint8_t *p, size_t n)
{
	struct hub *h = arg;
	struct session *s = table_get(&h->conns, &conn, sizeof(conn));
	const struct rule *rule = rule_of(type);
	char why[96];

	if (s == NULL)
		return;
	refill(s);
	if (rule == NULL) {
		snprintf(why, sizeof why, "a frame of unknown type %u", type);
		turn_away(s, REFUSE_STATE, why, RETRY_MS);
	} else if ((rule->roles & 1u << s->peer.role) == 0) {
		snprintf(why, sizeof why, "%s is not for %s to send", frame_type_name(type),
		    role_name(s->peer.role));
		turn_away(s, REFUSE_ROLE, why, RETRY_STRANGER_MS);
	} else if (rule->state != s->state) {
		snprintf(why, sizeof why, s->state == SESSION_OPENED ? "%s before hello" :
		    "%s again", frame_type_name(type));
		turn_away(s, REFUSE_STATE, why, RETRY_MS);
	} else if (!rule->is_free && !spend(&s->credit, CREDIT_MAX)) {
		turn_away(s, REFUSE_RATE, "too many messages a second", RETRY_STRANGER_MS);
	} else {
		dispatch(s, rule, p, n);
	}
}

static void
on_opened(void *arg, struct conn *conn, const struct identity *peer)
{
	struct hub *h = arg;
	struct session *s = xcalloc(1, sizeof *s);
	char why[128];

	s->hub = h;
	s->conn = conn;
	s->peer = *peer;
	s->state = SESSION_OPENED;
	s->since = s->credit_at = clock_mono(h->o.clock);
	s->credit = CREDIT_MAX;
	s->mercy = MERCY_MAX;
	table_put(&h->conns, &conn, sizeof(conn), s);
	if (peer->role == ROLE_AGENT && admit_knows(h->admit, peer->id)) {
		s->quota = quota_of(h, peer->id);
		s->quota->conns++;
	}
	if (s->quota != NULL && s->quota->conns > AGENT_CONNS) {
		turn_away(s, REFUSE_RATE, "too many connections of this agent", RETRY_STRANGER_MS);
		return;
	}
	if (peer->role != ROLE_AGENT && peer->role != ROLE_ALERTD) {
		snprintf(why, sizeof why, "a certificate of role %s has no business here",
		    role_name(peer->role));
		turn_away(s, REFUSE_ROLE, why, RETRY_STRANGER_MS);
	}
}

static void
on_closed(void *arg, struct conn *conn, const char *why)
{
	struct hub *h = arg;
	struct session *s = table_get(&h->conns, &conn, sizeof(conn));

	if (s == NULL)
		return;
	if (s->state == SESSION_OPENED)
		refusals_note(h, s->peer.id, REFUSE_STATE, why);
	session_gone(s, why);
}

/* Never let in: no certificate, a wrong one, garbage. */
static void
on_refused(void *arg, const char *address, const char *why)
{
	char peer[ID_MAX + 1];
	char *colon;

	/* The port would make each a kind of its own. */
	snprintf(peer, sizeof peer, "%s", address);
	colon = strrchr(peer, ':');
	if (colon != NULL)
		*colon = '\0';
	refusals_note(arg, peer, REFUSE_UNKNOWN_PEER, why);
}

const struct conn_handler *
hub_handler(void)
{
	static const struct conn_handler handler = {
		.opened = on_opened, .frame = on_frame, .closed = on_closed,
		.refused = on_refused,
	};

	return &handler;
}
