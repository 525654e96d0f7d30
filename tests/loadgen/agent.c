/*
 * agent.c - one agent of the load: its session with the collector (see fleet.h).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"
#include "common/linkwatch.pb-c.h"
#include "common/mem.h"
#include "common/rng.h"
#include "common/tls.h"
#include "tests/loadgen/fleet.h"

#define WINDOW_MAX 1024			/* what collector.yaml allows at most */
#define QUEUE_MAX (1024 * 1024)		/* bytes of one agent that wait for the kernel */
#define RETRY_NS (NS_PER_S / 2)
#define BURST 64			/* batches of one agent before others have their turn */

/* ------------------------------------------------------------------- beginnings */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct load_agent *a = arg;

	(void)fd, (void)what;
	if (a->state == AGENT_AWAY && !a->fleet->stopping)
		agent_connect(a);
	else if (a->state == AGENT_UP && a->bad)
		misbehave_speak(a);
	else if (a->state == AGENT_UP)
		agent_pump(a);
}

void
agent_init(struct load_agent *a, struct fleet *f, uint32_t index)
{
	const struct fleet_opts *o = &f->o;
	int64_t now = clock_wall(f->clock).ns, back;

	*a = (struct load_agent){ .fleet = f, .index = index };
	a->bad = o->misbehaviour != NULL && index >= f->n - o->bad;
	a->backlog = o->backlog_ns > 0 && (o->backlog_agents == 0 || index < o->backlog_agents);
	back = a->backlog ? o->backlog_ns : 0;
	rng_real()->fill(rng_real(), a->numbering.boot, BOOT_ID_LEN);
	/* Agents are not in step with each other. */
	a->numbering.start_ns = now - back - (int64_t)rng_below(rng_real(),
	    (uint64_t)f->site->shape.step_ms * (uint64_t)NS_PER_MS);
	a->end = o->live || o->control ? UINT64_MAX : source_next(&f->site->shape, &a->numbering, now) - 1;
	if (o->idle)
		a->end = 0;
	a->timer = evtimer_new(f->base, on_timer, a);
	if (a->timer == NULL)
		abort();		/* out of memory */
}

void
agent_fini(struct load_agent *a)
{
	misbehave_end(a);
	SSL_CTX_free(a->ctx);
	event_free(a->timer);
	free(a->sent_ns);
}

void
agent_later(struct load_agent *a, int64_t ns)
{
	struct timeval tv = { 0 };

	if (ns > 0) {
		tv.tv_sec = ns / NS_PER_S;
		tv.tv_usec = ns % NS_PER_S / NS_PER_US;
	}
	event_add(a->timer, &tv);
}

/* Once again later, not all at the same time. */
static void
retry(struct load_agent *a, int64_t ns)
{
	agent_later(a, ns + (int64_t)rng_below(rng_real(), (uint64_t)ns + 1));
}

SSL_CTX *
agent_context(struct load_agent *a)
{
	const char *dir = a->fleet->site->dir;
	char id[ID_MAX + 1], name[ID_MAX + 8], why[256];
	struct tls_files files = { 0 };
	char *ca, *cert, *key;

	if (a->ctx != NULL)
		return a->ctx;
	source_agent_id(id, a->index);
	ca = site_path(dir, "pki", "ca.pem");
	snprintf(name, sizeof name, "%s.pem", id);
	cert = site_path(dir, "pki", name);
	snprintf(name, sizeof name, "%s.key", id);
	key = site_path(dir, "pki", name);
	files.ca = ca;
	files.cert = cert;
	files.key = key;
	a->ctx = tls_context_new(&files, false, why, sizeof why);
	if (a->ctx == NULL)
		fprintf(stderr, "linkwatch-loadgen: %s\n", why);
	free(ca);
	free(cert);
	free(key);
	return a->ctx;
}

void
fleet_address(const struct fleet *f, struct sockaddr_storage *sa, socklen_t *len)
{
	struct sockaddr_in *in = (void *)sa;
	struct sockaddr_in6 *in6 = (void *)sa;

	memset(sa, 0, sizeof *sa);
	if (inet_pton(AF_INET6, f->site->address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(f->site->port);
		*len = sizeof *in6;
		return;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(f->site->port);
	inet_pton(AF_INET, f->site->address, &in->sin_addr);
	*len = sizeof *in;
}

/* --------------------------------------------------------------- sending batches */

/* Sends the batch behind the last sent one.  false: it cannot go now. */
static bool
send_next(struct load_agent *a)
{
	struct fleet *f = a->fleet;
	uint64_t seq = a->sent + 1;
	uint8_t *p;
	size_t n;
	int r;

	source_batch(f->bb, &f->site->shape, &a->numbering, a->index, seq, &p, &n);
	r = conn_send(a->conn, FRAME_BATCH, p, n);
	free(p);
	if (r != 0)
		return false;		/* closed() follows */
	if (a->sent_ns == NULL)
		a->sent_ns = xcalloc(WINDOW_MAX, sizeof *a->sent_ns);
	a->sent_ns[seq % WINDOW_MAX] = clock_mono(f->clock).ns;
	a->sent = seq;
	f->stat.batches_sent++;
	f->stat.bytes_sent += n + FRAME_HEADER;
	if (seq > a->sent_max) {
		a->sent_max = seq;
		f->stat.samples_sent += f->site->shape.batch;
	} else {
		f->stat.again++;
	}
	return true;
}

void
agent_pump(struct load_agent *a)
{
	struct fleet *f = a->fleet;
	const struct load_shape *s = &f->site->shape;
	int64_t now = clock_wall(f->clock).ns, due;

	for (int i = 0; a->state == AGENT_UP && !a->paused; i++) {
		/* While it stops only what was on its way already is sent again. */
		if (a->sent >= a->end || (f->stopping && a->sent >= a->sent_max) ||
		    a->sent - a->acked >= a->window || conn_queued(a->conn) > QUEUE_MAX)
			return;		/* an ACK goes on */
		due = source_due_ns(s, &a->numbering, a->sent + 1);
		if (due > now) {
			agent_later(a, due - now);
			return;
		}
		if (i == BURST || !fleet_spend(f, s->batch)) {
			agent_later(a, i == BURST ? 0 : 2 * NS_PER_MS);
			return;
		}
		if (!send_next(a))
			return;
	}
}

static void
on_ack(struct load_agent *a, const Linkwatch__Pb__Ack *m)
{
	struct fleet *f = a->fleet;
	const struct load_shape *s = &f->site->shape;
	struct mono now = clock_mono(f->clock);
	int64_t wall = clock_wall(f->clock).ns;

	if (m->boot_id.len != BOOT_ID_LEN || memcmp(m->boot_id.data, a->numbering.boot, BOOT_ID_LEN) != 0 ||
	    m->seq > a->sent) {
		fprintf(stderr, "linkwatch-loadgen: load-%u: an ack for batch %llu, %llu were sent\n", a->index,
		    (unsigned long long)m->seq, (unsigned long long)a->sent);
		f->status = 1;
		return;
	}
	for (uint64_t seq = a->acked + 1; seq <= m->seq; seq++) {
		spread_add(&f->stat.ack, now.ns - a->sent_ns[seq % WINDOW_MAX]);
		if (!a->backlog)
			spread_add(&f->stat.live_lag, wall - source_due_ns(s, &a->numbering, seq));
		f->stat.batches_acked++;
		f->stat.samples_acked += s->batch;
	}
	if (m->seq > a->acked) {
		a->acked = m->seq;
		f->stat.last_ack_ns = now.ns;
		if (f->stat.first_ack_ns == 0)
			f->stat.first_ack_ns = now.ns;
	}
	agent_pump(a);
}

/* ------------------------------------------------------------------- the session */

void
agent_hello(struct load_agent *a)
{
	Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;

	m.version_min = PROTOCOL_SHORT;
	m.version_max = PROTOCOL_MAX;
	m.software = (char *)LW_VERSION;
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = a->numbering.boot };
	m.first_seq = 1;
	m.next_seq = a->sent_max + 1;
	m.plan_revision = a->plan_revision;
	m.wall_ns = clock_wall(a->fleet->clock).ns;
	m.host = (char *)"load";
	conn_send_message(a->conn, FRAME_HELLO, &m.base);
}

void
agent_ping(struct load_agent *a)
{
	Linkwatch__Pb__ClockPing m = LINKWATCH__PB__CLOCK_PING__INIT;

	m.t1_ns = clock_wall(a->fleet->clock).ns;
	conn_send_message(a->conn, FRAME_CLOCK_PING, &m.base);
}

static void
on_opened(void *arg, struct conn *conn, const struct identity *peer)
{
	struct load_agent *a = arg;

	(void)peer;
	a->state = AGENT_GREETING;
	a->fleet->stat.resumed += !a->bad && tls_conn_is_resumed(conn);
	agent_hello(a);
}

static void
on_welcome(struct load_agent *a, const Linkwatch__Pb__Welcome *m)
{
	struct fleet *f = a->fleet;

	a->state = AGENT_UP;
	a->window = m->window > 0 && m->window < WINDOW_MAX ? m->window : WINDOW_MAX;
	if (f->o.window > 0 && f->o.window < a->window)
		a->window = f->o.window;
	a->paused = false;
	if (a->bad) {
		f->stat.bad_welcomes++;
		misbehave_speak(a);
		return;
	}
	f->stat.welcomes++;
	spread_add(&f->stat.welcome, clock_mono(f->clock).ns - a->began.ns);
	/* What it has, it had before the session was lost. */
	if (m->acked_seq > a->acked && m->acked_seq <= a->sent_max) {
		f->stat.batches_acked += m->acked_seq - a->acked;
		f->stat.samples_acked += (m->acked_seq - a->acked) * f->site->shape.batch;
	} else if (m->acked_seq < a->acked) {
		fprintf(stderr, "linkwatch-loadgen: load-%u: batch %llu was acknowledged, now only %llu is known\n",
		    a->index, (unsigned long long)a->acked, (unsigned long long)m->acked_seq);
		f->status = 1;
	}
	a->acked = a->sent = m->acked_seq;
	fleet_up(f);
	agent_pump(a);
}

static void
on_plan(struct load_agent *a, const Linkwatch__Pb__Plan *m)
{
	Linkwatch__Pb__PlanResult res = LINKWATCH__PB__PLAN_RESULT__INIT;

	a->plan_revision = res.revision = m->revision;
	conn_send_message(a->conn, FRAME_PLAN_RESULT, &res.base);
}

static void
on_refusal(struct load_agent *a, const Linkwatch__Pb__Refusal *m)
{
	struct fleet *f = a->fleet;
	uint32_t code = m->code < REFUSALS ? m->code : 0;

	if (a->bad)
		f->stat.bad_refusal[code]++;
	else
		f->stat.refusal[code]++;
	if (m->seq != 0 && !a->bad)
		f->stat.refused_batches++;
	if (!a->bad && f->stat.refusal[code] <= 3)
		fprintf(stderr, "linkwatch-loadgen: load-%u: batch %llu: %s: %.200s\n", a->index,
		    (unsigned long long)m->seq, refusal_name(code), m->reason);
}

static void
on_frame(void *arg, struct conn *conn, uint8_t type, const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t type;
		const ProtobufCMessageDescriptor *message;
	} known[] = {
		{ FRAME_WELCOME, &linkwatch__pb__welcome__descriptor },
		{ FRAME_PLAN, &linkwatch__pb__plan__descriptor }, { FRAME_ACK, &linkwatch__pb__ack__descriptor },
		{ FRAME_REFUSAL, &linkwatch__pb__refusal__descriptor },
	};
	struct load_agent *a = arg;
	ProtobufCMessage *m = NULL;

	(void)conn;
	for (size_t i = 0; i < sizeof known / sizeof known[0] && m == NULL; i++)
		if (known[i].type == type)
			m = protobuf_c_message_unpack(known[i].message, NULL, n, p);
	if (a->bad)
		a->fleet->stat.bad_frames++;
	if (type == FRAME_PAUSE || type == FRAME_RESUME) {
		a->paused = type == FRAME_PAUSE;
		a->fleet->stat.pauses += a->paused;
		agent_later(a, 0);
	}
	if (m == NULL)
		return;
	if (type == FRAME_WELCOME)
		on_welcome(a, (const void *)m);
	else if (type == FRAME_PLAN)
		on_plan(a, (const void *)m);
	else if (type == FRAME_REFUSAL)
		on_refusal(a, (const void *)m);
	else if (!a->bad)
		on_ack(a, (const void *)m);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void
gone(struct load_agent *a)
{
	if (a->state == AGENT_UP && !a->bad)
		fleet_down(a->fleet);
	a->conn = NULL;
	a->state = AGENT_AWAY;
}

static void
on_closed(void *arg, struct conn *conn, const char *why)
{
	struct load_agent *a = arg;

	(void)conn;
	if (a->bad)
		a->fleet->stat.bad_ended++;
	else if (a->fleet->stat.lost++ < 3)
		fprintf(stderr, "linkwatch-loadgen: load-%u: %s\n", a->index, why);
	gone(a);
	retry(a, RETRY_NS);
}

void
agent_leave(struct load_agent *a)
{
	struct conn *conn = a->conn;

	if (conn == NULL)
		return;
	gone(a);
	conn_close(conn);
}

void
agent_connect(struct load_agent *a)
{
	static const struct conn_handler handler = { .opened = on_opened, .frame = on_frame, .closed = on_closed };
	struct sockaddr_storage sa;
	socklen_t len;

	if (a->bad && misbehaviour_is_raw(a->fleet->o.misbehaviour)) {
		misbehave_begin(a);
		return;
	}
	if (agent_context(a) == NULL) {
		a->fleet->status = 1;
		return;
	}
	fleet_address(a->fleet, &sa, &len);
	a->began = clock_mono(a->fleet->clock);
	a->fleet->stat.connects += !a->bad;
	a->state = AGENT_CONNECTING;
	if (tls_connect(&a->conn, a->fleet->base, a->ctx, (struct sockaddr *)&sa, len, ROLE_COLLECTOR, "main",
	    &handler, a) != 0) {
		a->conn = NULL;
		a->state = AGENT_AWAY;
		retry(a, RETRY_NS);
	}
}
