/*
 * uplink.c - the session with the collector: in order, acknowledged, resumed.
 */
#include "agent/uplink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/spool.h"
#include "common/batch.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"

#define BACKOFF_MIN (NS_PER_S / 2)
#define BACKOFF_MAX (60 * NS_PER_S)
#define CONNECT_NS (30 * NS_PER_S)	/* from connect() to opened(): a collector may have a line */
#define WELCOME_NS (15 * NS_PER_S)
#define STEADY_NS (30 * NS_PER_S)	/* UP for so long: the back-off is forgotten */
#define SILENCE_NS (30 * NS_PER_S)
#define PING_NS (10 * NS_PER_S)
#define PING_FIRST 4			/* the first few exchanges follow each second */
#define RETRY_AFTER_MAX_MS (10 * 60 * 1000)
#define WINDOW_DEFAULT 64
#define EXCHANGES 8
#define DETAIL_MAX 200

struct exchange { int64_t offset_ns, rtt_ns; };

struct uplink {
	const struct uplink_ops *ops;
	void *arg;
	struct spool *spool;
	const struct clock *clock;
	struct rng *rng;
	size_t collectors, index;	/* index: of the one in use or next */
	char *collector_id, *host;

	enum uplink_state state;
	struct conn *conn;
	struct mono since;		/* of the state */
	struct mono due;		/* WAITING: of the next try */
	int64_t backoff_ns;
	struct mono heard;		/* last frame */

	uint8_t boot_id[BOOT_ID_LEN];	/* as in HELLO of this session */
	uint32_t window;
	bool plain;			/* the collector reads no other batches */
	bool paused;
	uint64_t next_send, acked, sent_max;
	struct mono hold;		/* no batch before */

	struct mono ping_due;
	struct mono ping_at;		/* of the one that is out; 0: none */
	int64_t ping_t1_ns;
	unsigned pings;
	struct exchange exchange[EXCHANGES];
	unsigned exchanges;

	uint64_t plan_revision;
	Linkwatch__Pb__PlanResult *plan_result;	/* not yet sent */
	uint64_t refused, sessions;
};

static struct mono
after(struct mono t, int64_t ns)
{
	return (struct mono){ t.ns + ns };
}

static void
enter(struct uplink *u, enum uplink_state state, const char *detail)
{
	u->state = state;
	u->since = clock_mono(u->clock);
	u->ops->state(u->arg, state, detail);
}

/* Ends what there is of a session; the next try comes no earlier than at_least_ns. */
static void
give_up(struct uplink *u, const char *why, int64_t at_least_ns)
{
	struct mono now = clock_mono(u->clock);
	int64_t wait;

	if (u->conn != NULL)
		conn_close(u->conn);
	u->conn = NULL;
	if (u->state == UPLINK_UP && now.ns - u->since.ns >= STEADY_NS)
		u->backoff_ns = BACKOFF_MIN;
	wait = u->backoff_ns / 2 + (int64_t)rng_below(u->rng, (uint64_t)u->backoff_ns / 2 + 1);
	u->backoff_ns = u->backoff_ns >= BACKOFF_MAX / 2 ? BACKOFF_MAX : 2 * u->backoff_ns;
	u->due = after(now, wait > at_least_ns ? wait : at_least_ns);
	u->index = (u->index + 1) % u->collectors;
	u->paused = false;
	enter(u, UPLINK_WAITING, why);
}

static void
fail(struct uplink *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
fail(struct uplink *u, const char *fmt, ...)
{
	char why[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	give_up(u, why, 0);
}

struct uplink *
uplink_new(const struct uplink_opts *opts, const struct uplink_ops *ops, void *arg,
    struct spool *spool, const struct clock *clock, struct rng *rng)
{
	struct uplink *u = xcalloc(1, sizeof *u);

	u->ops = ops;
	u->arg = arg;
	u->spool = spool;
	u->clock = clock;
	u->rng = rng;
	u->collectors = opts->collectors;
	u->collector_id = opts->collector_id != NULL ? xstrdup(opts->collector_id) : NULL;
	u->host = xstrdup(opts->host != NULL ? opts->host : "");
	u->backoff_ns = BACKOFF_MIN;
	u->state = UPLINK_WAITING;
	u->due = u->since = clock_mono(clock);
	return u;
}

static void
drop_plan_result(struct uplink *u)
{
	if (u->plan_result != NULL)
		linkwatch__pb__plan_result__free_unpacked(u->plan_result, NULL);
	u->plan_result = NULL;
}

void
uplink_free(struct uplink *u)
{
	if (u == NULL)
		return;
	if (u->conn != NULL)
		conn_close(u->conn);
	drop_plan_result(u);
	free(u->collector_id);
	free(u->host);
	free(u);
}

/* ------------------------------------------------------------------ sending */

static bool
send_message(struct uplink *u, uint8_t type, const void *message)
{
	int rc = conn_send_message(u->conn, type, message);

	if (rc != 0)
		fail(u, "cannot send %s: %s", frame_type_name(type), strerror(-rc));
	return rc == 0;
}

static void
send_hello(struct uplink *u)
{
	Linkwatch__Pb__Hello hello = LINKWATCH__PB__HELLO__INIT;
	struct spool_stat st;

	spool_stat(u->spool, &st);
	if (st.next_seq == 0) {		/* its disk fails: what it holds cannot be told */
		fail(u, "the spool cannot be read now");
		return;
	}
	if (memcmp(u->boot_id, spool_boot_id(u->spool), sizeof u->boot_id) != 0)
		u->sent_max = 0;
	memcpy(u->boot_id, spool_boot_id(u->spool), sizeof u->boot_id);
	hello.version_min = PROTOCOL_MIN;
	hello.version_max = PROTOCOL_MAX;
	hello.software = LW_VERSION;
	hello.boot_id.data = u->boot_id;
	hello.boot_id.len = sizeof u->boot_id;
	hello.first_seq = st.first_seq;
	hello.next_seq = st.next_seq;
	hello.plan_revision = u->plan_revision;
	hello.wall_ns = clock_wall(u->clock).ns;
	hello.host = u->host;
	send_message(u, FRAME_HELLO, &hello.base);
}

static void
send_ping(struct uplink *u)
{
	Linkwatch__Pb__ClockPing ping = LINKWATCH__PB__CLOCK_PING__INIT;

	u->ping_at = clock_mono(u->clock);
	u->ping_t1_ns = ping.t1_ns = clock_wall(u->clock).ns;
	u->pings++;
	u->ping_due = after(u->ping_at, u->pings < PING_FIRST ? NS_PER_S : PING_NS);
	send_message(u, FRAME_CLOCK_PING, &ping.base);
}

static bool
may_send_batch(const struct uplink *u, struct mono now)
{
	return u->state == UPLINK_UP && !u->paused && now.ns >= u->hold.ns &&
	    u->next_send - 1 - u->acked < u->window && conn_queued(u->conn) < UPLINK_BYTES;
}

static int
send_batch(struct uplink *u, const struct spool_batch *b)
{
	uint8_t *plain;
	size_t len;
	int rc;

	if (!u->plain)
		return conn_send(u->conn, FRAME_BATCH, b->data, b->len);
	rc = batch_to_plain(b->data, b->len, &plain, &len);
	if (rc != 0)
		return rc;
	rc = conn_send(u->conn, FRAME_BATCH, plain, len);
	free(plain);
	return rc;
}

static void
send_batches(struct uplink *u, struct mono now)
{
	struct spool_batch b;
	struct spool_stat st;
	int rc;

	while (may_send_batch(u, now)) {
		rc = spool_get(u->spool, u->next_send, &b);
		if (rc == 0)
			return;
		if (rc < 0) {
			u->hold = after(now, 5 * NS_PER_S);
			log_limited(LOG_ERROR, "spool-read", 1,
			    "spool: cannot read batch %" PRIu64 ": %s", u->next_send,
			    strerror(-rc));
			return;
		}
		if (b.seq != u->next_send) {
			spool_stat(u->spool, &st);
			if (st.acked_seq + 1 < b.seq)
				return;		/* damage: what stands before it must arrive first */
			/* dropped under our feet: the next HELLO says so */
			fail(u, "batches up to %" PRIu64 " were dropped from the spool", b.seq - 1);
			u->due = now;
			return;
		}
		rc = send_batch(u, &b);
		if (rc != 0) {
			fail(u, "cannot send batch %" PRIu64 ": %s", b.seq, strerror(-rc));
			return;
		}
		if (b.seq > u->sent_max)
			u->sent_max = b.seq;
		u->next_send++;
	}
}

static void
send_plan_result(struct uplink *u)
{
	if (u->state != UPLINK_UP || u->plan_result == NULL)
		return;
	if (send_message(u, FRAME_PLAN_RESULT, &u->plan_result->base))
		drop_plan_result(u);
}

/* --------------------------------------------------------------- connection */

static void
try_connect(struct uplink *u, struct mono now)
{
	int rc;

	enter(u, UPLINK_CONNECTING, "");
	rc = u->ops->connect(u->arg, u->index, u, &u->conn);
	if (rc == 0)
		return;
	u->conn = NULL;
	if (rc == -EAGAIN) {		/* its name is being looked up: neither success nor failure */
		u->state = UPLINK_WAITING;
		u->due = after(now, NS_PER_S / 4);
		return;
	}
	fail(u, "cannot connect: %s", strerror(-rc));
}

static void
check_deadlines(struct uplink *u, struct mono now)
{
	int64_t in_state = now.ns - u->since.ns;

	if (u->state == UPLINK_CONNECTING && in_state >= CONNECT_NS)
		fail(u, "no connection after %d s", (int)(CONNECT_NS / NS_PER_S));
	else if (u->state == UPLINK_GREETING && in_state >= WELCOME_NS)
		fail(u, "no WELCOME after %d s", (int)(WELCOME_NS / NS_PER_S));
	else if (u->state == UPLINK_UP && now.ns - u->heard.ns >= SILENCE_NS)
		fail(u, "nothing heard for %d s", (int)(SILENCE_NS / NS_PER_S));
	else if (u->state == UPLINK_UP &&
	    memcmp(u->boot_id, spool_boot_id(u->spool), BOOT_ID_LEN) != 0)
		fail(u, "the spool has a new numbering");
}

static struct mono
earliest(const struct uplink *u, struct mono now)
{
	struct mono t = { INT64_MAX };

	switch (u->state) {
	case UPLINK_WAITING:
		return u->due;
	case UPLINK_CONNECTING:
		return after(u->since, CONNECT_NS);
	case UPLINK_GREETING:
		return after(u->since, WELCOME_NS);
	case UPLINK_UP:
		t = after(u->heard, SILENCE_NS);
		if (u->ping_due.ns < t.ns)
			t = u->ping_due;
		if (u->hold.ns > now.ns && u->hold.ns < t.ns)
			t = u->hold;
	}
	return t;
}

struct mono
uplink_tick(struct uplink *u)
{
	struct mono now = clock_mono(u->clock);

	check_deadlines(u, now);
	if (u->state == UPLINK_WAITING && now.ns >= u->due.ns)
		try_connect(u, now);
	if (u->state == UPLINK_UP && now.ns >= u->ping_due.ns)
		send_ping(u);
	send_plan_result(u);
	send_batches(u, now);
	return earliest(u, now);
}

static void
on_opened(void *arg, struct conn *c, const struct identity *peer)
{
	struct uplink *u = arg;

	if (c != u->conn)
		return;
	if (peer->role != ROLE_COLLECTOR) {
		fail(u, "peer is %s '%s', not a collector", role_name(peer->role), peer->id);
		return;
	}
	if (u->collector_id != NULL && strcmp(u->collector_id, peer->id) != 0) {
		fail(u, "peer is collector '%s', expected '%s'", peer->id, u->collector_id);
		return;
	}
	enter(u, UPLINK_GREETING, peer->id);
	send_hello(u);
}

static void
on_closed(void *arg, struct conn *c, const char *why)
{
	struct uplink *u = arg;

	if (c != u->conn)
		return;
	u->conn = NULL;			/* it is gone already */
	give_up(u, why, 0);
}

/* ---------------------------------------------------------------- receiving */

static void
on_welcome(struct uplink *u, const Linkwatch__Pb__Welcome *w)
{
	char detail[DETAIL_MAX];
	struct spool_stat st;

	if (w->version < PROTOCOL_MIN || w->version > PROTOCOL_MAX) {
		fail(u, "collector speaks version %u", w->version);
		return;
	}
	if (spool_lost_numbers(u->spool, w->acked_seq, u->sent_max)) {
		int rc = spool_restart(u->spool);

		fail(u, "collector holds %" PRIu64 " batches, the spool lost some: %s",
		    w->acked_seq, rc == 0 ? "new numbering" : strerror(-rc));
		if (rc == 0)
			u->due = clock_mono(u->clock);
		return;
	}
	spool_stat(u->spool, &st);
	u->window = w->window == 0 ? WINDOW_DEFAULT :
	    w->window < UPLINK_WINDOW_MAX ? w->window : UPLINK_WINDOW_MAX;
	if (w->acked_seq > 0)
		(void)spool_ack(u->spool, w->acked_seq);
	u->plain = w->version < PROTOCOL_SHORT;
	u->acked = w->acked_seq + 1 < st.first_seq ? st.first_seq - 1 : w->acked_seq;
	u->next_send = u->acked + 1;
	u->paused = false;
	u->hold = u->heard = u->ping_due = clock_mono(u->clock);
	u->pings = 0;
	u->sessions++;
	snprintf(detail, sizeof detail, "%s, %" PRIu64 " batches to send",
	    conn_address(u->conn), st.next_seq - u->next_send);
	enter(u, UPLINK_UP, detail);
}

static void
on_ack(struct uplink *u, const Linkwatch__Pb__Ack *a)
{
	int rc;

	if (a->boot_id.len != BOOT_ID_LEN || memcmp(a->boot_id.data, u->boot_id, BOOT_ID_LEN) != 0)
		return;			/* of another numbering: none of this session's */
	if (a->seq <= u->acked)
		return;
	if (a->seq > u->sent_max) {
		fail(u, "ack for batch %" PRIu64 " that was not sent", a->seq);
		return;
	}
	u->acked = a->seq;
	if (u->next_send <= u->acked)
		u->next_send = u->acked + 1;
	rc = spool_ack(u->spool, a->seq);
	if (rc != 0)
		log_limited(LOG_ERROR, "spool-ack", 1, "spool: cannot purge: %s", strerror(-rc));
}

static void
on_refusal(struct uplink *u, const Linkwatch__Pb__Refusal *r)
{
	char reason[DETAIL_MAX], why[DETAIL_MAX];
	uint32_t ms = r->retry_after_ms < RETRY_AFTER_MAX_MS ? r->retry_after_ms :
	    RETRY_AFTER_MAX_MS;
	struct mono hold;

	log_escape(reason, sizeof reason, r->reason, strlen(r->reason));
	if (r->seq == 0) {
		snprintf(why, sizeof why, "refused (%s): %.150s", refusal_name(r->code), reason);
		give_up(u, why, ms * NS_PER_MS);
		return;
	}
	if (r->boot_id.len != BOOT_ID_LEN ||
	    memcmp(r->boot_id.data, u->boot_id, BOOT_ID_LEN) != 0 || r->seq > u->sent_max)
		return;
	if (r->drop) {
		u->refused++;
		u->ops->refused(u->arg, r->seq, r->code, reason);
		return;
	}
	hold = after(clock_mono(u->clock), ms > 0 ? ms * NS_PER_MS : u->backoff_ns);
	if (hold.ns > u->hold.ns)
		u->hold = hold;
	u->next_send = u->acked + 1;
}

static void
on_pong(struct uplink *u, const Linkwatch__Pb__ClockPong *p)
{
	struct mono now = clock_mono(u->clock);
	int64_t whole, far, t4;

	if (u->ping_at.ns == 0 || p->t1_ns != u->ping_t1_ns)
		return;
	whole = now.ns - u->ping_at.ns;
	u->ping_at.ns = 0;
	if (p->t2_ns < 0 || p->t3_ns < 0)	/* before 1970; and then nothing below overflows */
		return;
	far = p->t3_ns - p->t2_ns;
	if (far < 0 || far > whole)
		return;
	t4 = p->t1_ns + whole;		/* by the monotonic clock: a jump between does no harm */
	u->exchange[u->exchanges++ % EXCHANGES] = (struct exchange){
		.offset_ns = p->t2_ns / 2 - p->t1_ns / 2 + (p->t3_ns / 2 - t4 / 2),
		.rtt_ns = whole - far > 0 ? whole - far : 1,
	};
}

/* What WELCOME, PLAN ... stand for, by frame type. */
struct handling {
	uint8_t type;
	bool greeting;			/* may come before WELCOME */
	const ProtobufCMessageDescriptor *message;	/* NULL: empty */
};

static const struct handling *
find_handling(uint8_t type)
{
	static const struct handling table[] = {
		{ FRAME_WELCOME, true, &linkwatch__pb__welcome__descriptor },
		{ FRAME_REFUSAL, true, &linkwatch__pb__refusal__descriptor },
		{ FRAME_PLAN, false, &linkwatch__pb__plan__descriptor },
		{ FRAME_ACK, false, &linkwatch__pb__ack__descriptor },
		{ FRAME_CLOCK_PONG, false, &linkwatch__pb__clock_pong__descriptor },
		{ FRAME_PAUSE, false, NULL },
		{ FRAME_RESUME, false, NULL },
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].type == type)
			return &table[i];
	return NULL;
}

static void
act_on(struct uplink *u, uint8_t type, const void *message)
{
	switch (type) {
	case FRAME_WELCOME:
		on_welcome(u, message);
		break;
	case FRAME_REFUSAL:
		on_refusal(u, message);
		break;
	case FRAME_PLAN:
		u->ops->plan(u->arg, message);
		break;
	case FRAME_ACK:
		on_ack(u, message);
		break;
	case FRAME_CLOCK_PONG:
		on_pong(u, message);
		break;
	case FRAME_PAUSE:
	case FRAME_RESUME:
		u->paused = type == FRAME_PAUSE;
		break;
	}
}

static void
on_frame(void *arg, struct conn *c, uint8_t type, const uint8_t *payload, size_t len)
{
	struct uplink *u = arg;
	const struct handling *h = find_handling(type);
	ProtobufCMessage *m = NULL;

	if (c != u->conn)
		return;
	u->heard = clock_mono(u->clock);
	if (h == NULL)
		return;			/* of a later version: not for us */
	if (h->greeting != (u->state == UPLINK_GREETING) && type != FRAME_REFUSAL) {
		fail(u, "%s out of turn", frame_type_name(type));
		return;
	}
	if (h->message != NULL) {
		m = protobuf_c_message_unpack(h->message, NULL, len, payload);
		if (m == NULL) {
			fail(u, "malformed %s", frame_type_name(type));
			return;
		}
	}
	act_on(u, type, m);
	if (m != NULL)
		protobuf_c_message_free_unpacked(m, NULL);
}

const struct conn_handler uplink_handler = {
	.opened = on_opened, .frame = on_frame, .closed = on_closed,
};

/* ------------------------------------------------------------------- others */

void
uplink_plan_result(struct uplink *u, const Linkwatch__Pb__PlanResult *result)
{
	size_t len = linkwatch__pb__plan_result__get_packed_size(result);
	uint8_t *copy = xmalloc(len);

	drop_plan_result(u);
	linkwatch__pb__plan_result__pack(result, copy);
	u->plan_result = linkwatch__pb__plan_result__unpack(NULL, len, copy);
	free(copy);
	u->plan_revision = result->revision;
	send_plan_result(u);
}

void
uplink_set_plan_revision(struct uplink *u, uint64_t revision)
{
	u->plan_revision = revision;
}

void
uplink_reconnect(struct uplink *u, size_t collectors)
{
	u->collectors = collectors;
	u->backoff_ns = BACKOFF_MIN;
	u->index = collectors - 1;	/* give_up() goes on to the first */
	give_up(u, "new configuration", 0);
	u->due = clock_mono(u->clock);
}

void
uplink_stat(const struct uplink *u, struct uplink_stat *out)
{
	unsigned n = u->exchanges < EXCHANGES ? u->exchanges : EXCHANGES;

	*out = (struct uplink_stat){
		.state = u->state, .paused = u->paused, .collector = u->index,
		.acked_seq = u->acked, .sent_seq = u->sent_max, .refused_batches = u->refused,
		.sessions = u->sessions,
	};
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || u->exchange[i].rtt_ns < out->clock_rtt_ns) {
			out->clock_offset_ns = u->exchange[i].offset_ns;
			out->clock_rtt_ns = u->exchange[i].rtt_ns;
		}
}

const char *
uplink_state_name(enum uplink_state state)
{
	static const char *const name[] = { "waiting", "connecting", "greeting", "up" };

	return (unsigned)state < sizeof name / sizeof name[0] ? name[state] : "?";
}
