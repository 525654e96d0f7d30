/*
 * misbehave.c - agents that break the protocol, each in one way (see fleet.h).
 *
 * The first kind has a good session and abuses it; the raw kind writes bytes of its
 * own into TLS, or into TCP.  Whoever is thrown out comes back.
 */
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/loadgen/fleet.h"

#define AGAIN_NS (10 * NS_PER_MS)
#define BACK_NS (NS_PER_S / 5)		/* before a raw one connects again */
#define MANY 50				/* in one go */

struct misbehaviour {
	const char *name, *help;
	void (*speak)(struct load_agent *);	/* when it is up, and every 10 ms */
	/* Raw: bytes to write, a few at a time; 0: all at once; NULL speak. */
	const uint8_t *bytes;
	size_t n, slice;
	bool tls;
};

/* ------------------------------------------------------------ with a good session */

static void
send_batch(struct load_agent *a, const struct load_shape *s, const struct load_numbering *n, uint32_t as,
    uint64_t seq)
{
	uint8_t *p;
	size_t len;

	source_batch(a->fleet->bb, s, n, as, seq, &p, &len);
	conn_send(a->conn, FRAME_BATCH, p, len);
	free(p);
}

static void
speak_garbage(struct load_agent *a)
{
	uint8_t p[512];

	rng_real()->fill(rng_real(), p, sizeof p);
	conn_send(a->conn, FRAME_BATCH, p, sizeof p);
}

static void
speak_type(struct load_agent *a)
{
	conn_send(a->conn, 99, "x", 1);
}

static void
speak_hello(struct load_agent *a)
{
	agent_hello(a);
}

static void
speak_flood(struct load_agent *a)
{
	for (int i = 0; i < MANY; i++)
		agent_ping(a);
}

/* Asks for answers and never reads one. */
static void
speak_deaf(struct load_agent *a)
{
	conn_pause(a->conn, 1);
	for (int i = 0; i < MANY; i++)
		agent_ping(a);
}

static void
speak_overrun(struct load_agent *a)
{
	for (int i = 0; i < MANY; i++)
		send_batch(a, &a->fleet->site->shape, &a->numbering, a->index, ++a->odd);
}

/* The same number with other contents, every other time. */
static void
speak_fork(struct load_agent *a)
{
	struct load_shape s = a->fleet->site->shape;

	s.seed += a->odd % 2;
	send_batch(a, &s, &a->numbering, a->index, a->odd++ / 2 + 1);
}

static void
speak_repeat(struct load_agent *a)
{
	send_batch(a, &a->fleet->site->shape, &a->numbering, a->index, a->odd++ / 16 + 1);
}

/* One more link than its plan has: another agent's, if it is anybody's. */
static void
speak_forged(struct load_agent *a)
{
	struct load_shape s = a->fleet->site->shape;

	s.links += 1;
	s.batch = s.links;
	if (s.batch > 200)
		s.batch = s.links = 200;
	send_batch(a, &s, &a->numbering, a->index, ++a->odd);
}

static void
speak_future(struct load_agent *a)
{
	struct load_numbering n = a->numbering;

	n.start_ns += 366 * 24 * 3600 * NS_PER_S;
	send_batch(a, &a->fleet->site->shape, &n, a->index, ++a->odd);
}

static void
speak_hole(struct load_agent *a)
{
	send_batch(a, &a->fleet->site->shape, &a->numbering, a->index, a->odd += 2);
}

static void
speak_flap(struct load_agent *a)
{
	agent_leave(a);
	a->fleet->stat.bad_ended++;
	agent_later(a, AGAIN_NS);
}

static const uint8_t http[] = "GET / HTTP/1.1\r\nHost: collector\r\n\r\n";
static const uint8_t huge[FRAME_HEADER] = { 0x7f, 0xff, 0xff, 0xff, FRAME_BATCH, FRAME_VERSION };
static const uint8_t half[] = { 0, 0, 1, 0, FRAME_HELLO, FRAME_VERSION, 0, 0, 8, 1, 16, 2 };

static const struct misbehaviour table[] = {
	{ .name = "garbage", .help = "batches that do not decode", .speak = speak_garbage },
	{ .name = "type", .help = "frames of a type that there is not", .speak = speak_type },
	{ .name = "hello", .help = "HELLO again and again", .speak = speak_hello },
	{ .name = "flood", .help = "clock pings without end", .speak = speak_flood },
	{ .name = "deaf", .help = "clock pings, and never reads", .speak = speak_deaf },
	{ .name = "overrun", .help = "batches beyond the window", .speak = speak_overrun },
	{ .name = "fork", .help = "a number twice, with different contents", .speak = speak_fork },
	{ .name = "repeat", .help = "every batch sixteen times", .speak = speak_repeat },
	{ .name = "forged", .help = "links of another agent", .speak = speak_forged },
	{ .name = "future", .help = "samples of next year", .speak = speak_future },
	{ .name = "hole", .help = "every other number is missing", .speak = speak_hole },
	{ .name = "flap", .help = "leaves as soon as it is welcome, and comes back", .speak = speak_flap },
	{ .name = "frame", .help = "TLS, then bytes that are no frame", .tls = true, .bytes = http, .n = sizeof http - 1 },
	{ .name = "huge", .help = "TLS, then a frame of 2 GiB", .tls = true, .bytes = huge, .n = sizeof huge },
	{ .name = "slow", .help = "TLS, then a HELLO of one byte each 200 ms", .tls = true, .bytes = half,
	  .n = sizeof half, .slice = 1 },
	{ .name = "tcp", .help = "connects, and no TLS comes", .bytes = http, .n = 0 },
	{ .name = "http", .help = "HTTP instead of TLS", .bytes = http, .n = sizeof http - 1 },
};
#define KINDS (sizeof table / sizeof table[0])

const struct misbehaviour *
misbehaviour_find(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

void
misbehaviour_list(FILE *f)
{
	for (size_t i = 0; i < KINDS; i++)
		fprintf(f, "    %-9s %s\n", table[i].name, table[i].help);
}

const char *
misbehaviour_name(const struct misbehaviour *m)
{
	return m->name;
}

bool
misbehaviour_is_raw(const struct misbehaviour *m)
{
	return m->speak == NULL;
}

void
misbehave_speak(struct load_agent *a)
{
	if (a->fleet->stopping)
		return;
	a->fleet->o.misbehaviour->speak(a);
	if (a->state == AGENT_UP)
		agent_later(a, AGAIN_NS);
}

/* -------------------------------------------------------------------- raw ones */

struct raw {
	struct load_agent *a;
	struct bufferevent *bev;	/* owned */
	struct event *timer;		/* owned: the next slice, or the next try */
	size_t said;
};

static void
raw_say(struct raw *r)
{
	static const struct timeval pause = { .tv_usec = 200000 };
	const struct misbehaviour *m = r->a->fleet->o.misbehaviour;
	size_t n = m->slice > 0 ? m->slice : m->n;

	if (r->said >= m->n)
		return;			/* and waits to be thrown out */
	bufferevent_write(r->bev, m->bytes + r->said, n);
	r->said += n;
	evtimer_add(r->timer, &pause);
}

static void
raw_over(struct raw *r)
{
	struct timeval back = { .tv_usec = BACK_NS / NS_PER_US };

	bufferevent_free(r->bev);
	r->bev = NULL;
	r->a->fleet->stat.bad_ended++;
	evtimer_add(r->timer, &back);
}

static void
raw_event(struct bufferevent *bev, short what, void *arg)
{
	struct raw *r = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		raw_say(r);
	else
		raw_over(r);
}

static void
raw_start(struct raw *r)
{
	struct fleet *f = r->a->fleet;
	struct sockaddr_storage sa;
	socklen_t len;

	r->said = 0;
	r->bev = f->o.misbehaviour->tls ? bufferevent_openssl_socket_new(f->base, -1, SSL_new(r->a->ctx),
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS) :
	    bufferevent_socket_new(f->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (r->bev == NULL)
		abort();		/* out of memory */
	bufferevent_setcb(r->bev, NULL, NULL, raw_event, r);
	bufferevent_enable(r->bev, EV_READ | EV_WRITE);
	fleet_address(f, &sa, &len);
	if (bufferevent_socket_connect(r->bev, (struct sockaddr *)&sa, (int)len) != 0)
		raw_over(r);
}

static void
raw_timer(evutil_socket_t fd, short what, void *arg)
{
	struct raw *r = arg;

	(void)fd, (void)what;
	if (r->a->fleet->stopping)
		return;
	if (r->bev == NULL)
		raw_start(r);
	else
		raw_say(r);
}

void
misbehave_begin(struct load_agent *a)
{
	struct raw *r;

	if (agent_context(a) == NULL) {
		a->fleet->status = 1;
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->a = a;
	r->timer = evtimer_new(a->fleet->base, raw_timer, r);
	a->raw = r;
	raw_start(r);
}

void
misbehave_end(struct load_agent *a)
{
	struct raw *r = a->raw;

	if (r == NULL)
		return;
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	event_free(r->timer);
	free(r);
	a->raw = NULL;
}
