/*
 * probe_icmp.c - echo requests and what becomes of them.
 *
 * RTT = the kernel's stamp of the reply minus its stamp of the request.  Both
 * are wall time: a jump in between shows in that the result is negative or
 * longer than the monotonic clock allows, and then the latter's figure holds.
 */
#include "agent/probe_icmp.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "agent/target.h"
#include "common/mem.h"

#define TICK_MS 10			/* between looks while replies are fresh */
#define TICK_SLOW_MS 50			/* later: only stragglers are awaited */
#define FRESH_NS (200 * NS_PER_MS)
#define ID_LIFE_NS (60 * NS_PER_S)	/* a new identifier: a firewall may have lost the old */
#define LINKS_MAX 65536
#define STAMP_RING 8192
#define SLACK_NS NS_PER_MS

enum flight_state { FLIGHT_FREE, FLIGHT_OUT, FLIGHT_ANSWERED };

struct flight {
	uint64_t token;
	int64_t mono_ns, wall_ns;	/* before sendmsg() */
	int64_t tx_wall_ns;		/* the kernel's; 0: not known */
	uint8_t state;
};

struct icmp_state {
	uint32_t link;			/* number in the icmp's table, with generation */
	uint16_t id;
	int64_t id_since_ns;
	uint32_t flights;
	struct flight *flight;		/* of two steps: count each */
};

struct sent_stamp { uint64_t token; uint32_t link; };
struct sent_seq { uint64_t token; uint32_t link; uint16_t id; };

struct icmp {
	const struct clock *clock;
	struct rng *rng;
	struct icmp_key key;
	struct icmp_socket *socket[2];	/* [v6] */
	struct event *tick;
	struct probe **probe;		/* by the low 16 bits of its number */
	uint16_t *generation;
	size_t probes;
	uint16_t seq;
	struct sent_seq *by_seq;	/* 65536: for errors that quote no more */
	struct sent_stamp *by_stamp[2];	/* STAMP_RING each */
	uint64_t out;			/* in flight, those given up included until their slot is used */
	int64_t last_send_ns;
	uint64_t foreign, sent, replies;
	uint8_t packet[ICMP_WIRE_HEADER + TARGET_SIZE_MAX];
};

static void icmp_tick(evutil_socket_t fd, short what, void *arg);

int
icmp_new(struct icmp **out, const struct clock *clock, struct rng *rng, char *why, size_t n)
{
	struct icmp *icmp = xcalloc(1, sizeof *icmp);
	char text[2][160] = { "", "" };
	int rc = 0;

	icmp->clock = clock;
	icmp->rng = rng;
	rng->fill(rng, &icmp->key, sizeof icmp->key);
	icmp->by_seq = xcalloc(65536, sizeof *icmp->by_seq);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		int r = icmp_socket_open(&icmp->socket[v6], v6 == 1, &icmp->key, text[v6],
		    sizeof text[v6]);

		rc = rc != 0 ? rc : r;
		icmp->by_stamp[v6] = xcalloc(STAMP_RING, sizeof *icmp->by_stamp[v6]);
	}
	snprintf(why, n, "%s%s%s", text[0], text[0][0] != '\0' && text[1][0] != '\0' ? "; " : "",
	    text[1]);
	if (icmp->socket[0] == NULL && icmp->socket[1] == NULL) {
		icmp_free(icmp);
		return rc;
	}
	*out = icmp;
	return 0;
}

int
icmp_attach(struct icmp *icmp, struct event_base *base)
{
	icmp->tick = evtimer_new(base, icmp_tick, icmp);
	return icmp->tick != NULL ? 0 : -ENOMEM;
}

void
icmp_free(struct icmp *icmp)
{
	if (icmp == NULL)
		return;
	if (icmp->tick != NULL)
		event_free(icmp->tick);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		icmp_socket_close(icmp->socket[v6]);
		free(icmp->by_stamp[v6]);
	}
	free(icmp->by_seq);
	free(icmp->probe);
	free(icmp->generation);
	free(icmp);
}

static struct probe *
find_probe(const struct icmp *icmp, uint32_t link)
{
	uint32_t slot = link & 0xffff;

	if (slot >= icmp->probes || icmp->generation[slot] != link >> 16)
		return NULL;
	return icmp->probe[slot];
}

static struct flight *
flight_slot(const struct probe *p, uint64_t token)
{
	struct icmp_state *st = p->state;
	uint32_t count = p->target->count;

	return &st->flight[((token >> 10) & 1) * count + (token & 1023) % count];
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* RTT by the best clocks that there are. */
static int64_t
round_trip(const struct flight *f, int64_t rx_wall_ns, int64_t now_ns)
{
	int64_t most = now_ns - f->mono_ns;
	int64_t from = f->tx_wall_ns > 0 ? f->tx_wall_ns : f->wall_ns;
	int64_t rtt = rx_wall_ns - from;

	if (rx_wall_ns == 0 || rtt <= 0 || rtt > most + SLACK_NS)
		rtt = most;
	return rtt > 0 ? rtt : 1;
}

static void
extra(struct probe *p, enum cause cause)
{
	struct probe_result r = { .outcome = PROBE_EXTRA, .causes = CAUSE_BIT(cause) };

	p->env->done(p, &r);
}

static void
take_reply(struct icmp *icmp, struct probe *p, const struct icmp_packet *packet)
{
	struct probe_result r = { .token = packet->news.request.token, .outcome = PROBE_REPLY };
	struct flight *f = flight_slot(p, r.token);

	if (!same_address(&packet->from, &p->to)) {
		icmp->foreign++;
		return;
	}
	if (f->token != r.token || f->state == FLIGHT_FREE) {
		extra(p, CAUSE_LATE_REPLY);
		return;
	}
	if (f->state == FLIGHT_ANSWERED) {
		extra(p, CAUSE_DUPLICATE);
		return;
	}
	f->state = FLIGHT_ANSWERED;
	icmp->out--;
	icmp->replies++;
	r.rtt_ns = round_trip(f, packet->rx_wall_ns, clock_mono(icmp->clock).ns);
	p->env->done(p, &r);
}

static void
take_icmp_error(struct icmp *icmp, struct probe *p, const struct icmp_news *news)
{
	struct probe_result r = {
		.token = news->request.token, .outcome = PROBE_LOST,
		.causes = CAUSE_BIT(news->cause),
	};
	struct flight *f = flight_slot(p, r.token);

	if (f->token != r.token || f->state != FLIGHT_OUT)
		return;
	f->state = FLIGHT_ANSWERED;
	icmp->out--;
	p->env->done(p, &r);
}

/* An error that quotes too little for the cookie: id, number and destination must do. */
static bool
complete_short(struct icmp *icmp, bool v6, struct icmp_news *news)
{
	const struct sent_seq *sent = &icmp->by_seq[news->request.seq];
	const struct probe *p = find_probe(icmp, sent->link);
	const void *to;

	if (p == NULL || sent->id != news->request.id || news->quoted_to == NULL ||
	    p->to.ss_family != (v6 ? AF_INET6 : AF_INET))
		return false;
	to = v6 ? (const void *)&((const struct sockaddr_in6 *)&p->to)->sin6_addr :
	    (const void *)&((const struct sockaddr_in *)&p->to)->sin_addr;
	if (memcmp(to, news->quoted_to, v6 ? 16 : 4) != 0)
		return false;
	news->request.link = sent->link;
	news->request.token = sent->token;
	return true;
}

static void
on_packet(void *arg, bool v6, const struct icmp_packet *packet)
{
	struct icmp *icmp = arg;
	struct icmp_news news = packet->news;
	struct probe *p;

	if (news.kind == ICMP_NEWS_ERROR_SHORT && !complete_short(icmp, v6, &news))
		return;
	p = find_probe(icmp, news.request.link);
	if (p == NULL)
		return;			/* of a link that is no more */
	if (news.kind == ICMP_NEWS_REPLY)
		take_reply(icmp, p, packet);
	else
		take_icmp_error(icmp, p, &news);
}

static void
on_left(void *arg, bool v6, uint32_t stamp, int64_t tx_wall_ns)
{
	struct icmp *icmp = arg;
	const struct sent_stamp *sent = &icmp->by_stamp[v6][stamp % STAMP_RING];
	struct probe *p = find_probe(icmp, sent->link);
	struct flight *f;

	if (p == NULL)
		return;
	f = flight_slot(p, sent->token);
	/* a number that went wrong would give a stamp from another time */
	if (f->token == sent->token && tx_wall_ns >= f->wall_ns - SLACK_NS &&
	    tx_wall_ns < f->wall_ns + NS_PER_S)
		f->tx_wall_ns = tx_wall_ns;
}

void
icmp_drain(struct icmp *icmp)
{
	static const struct icmp_receiver receiver = { .packet = on_packet, .left = on_left };

	for (unsigned v6 = 0; v6 < 2; v6++)
		if (icmp->socket[v6] != NULL)
			icmp_socket_drain(icmp->socket[v6], &receiver, icmp);
}

static void
arm_tick(struct icmp *icmp)
{
	int64_t idle = clock_mono(icmp->clock).ns - icmp->last_send_ns;
	int ms = idle < FRESH_NS ? TICK_MS : TICK_SLOW_MS;
	struct timeval tv = { .tv_usec = ms * 1000 };

	if (icmp->tick != NULL && icmp->out > 0 && !evtimer_pending(icmp->tick, NULL))
		evtimer_add(icmp->tick, &tv);
}

static void
icmp_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	icmp_drain(arg);
	arm_tick(arg);
}

void
icmp_stat(struct icmp *icmp, struct icmp_stat *out)
{
	*out = (struct icmp_stat){
		.foreign = icmp->foreign, .sent = icmp->sent, .replies = icmp->replies,
	};
	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (icmp->socket[v6] == NULL)
			continue;
		out->drops += icmp_socket_drops(icmp->socket[v6]);
		if (icmp_socket_mode(icmp->socket[v6]) > out->mode)
			out->mode = icmp_socket_mode(icmp->socket[v6]);
	}
}

/* ---------------------------------------------------------------- the probe */

static int
probe_icmp_open(struct probe *p, char *why, size_t n)
{
	struct icmp *icmp = p->env->icmp;
	struct icmp_state *st = p->state;
	size_t slot = 0;

	if (icmp == NULL)
		return snprintf(why, n, "the agent has no ICMP socket"), -EACCES;
	while (slot < icmp->probes && icmp->probe[slot] != NULL)
		slot++;
	if (slot == LINKS_MAX)
		return snprintf(why, n, "too many icmp links"), -ENOSPC;
	if (slot == icmp->probes) {
		icmp->probes = icmp->probes > 0 ? 2 * icmp->probes : 64;
		icmp->probe = xreallocarray(icmp->probe, icmp->probes, sizeof *icmp->probe);
		icmp->generation = xreallocarray(icmp->generation, icmp->probes,
		    sizeof *icmp->generation);
		memset(icmp->probe + slot, 0, (icmp->probes - slot) * sizeof *icmp->probe);
		memset(icmp->generation + slot, 0,
		    (icmp->probes - slot) * sizeof *icmp->generation);
	}
	icmp->probe[slot] = p;
	icmp->generation[slot]++;
	st->link = (uint32_t)icmp->generation[slot] << 16 | (uint32_t)slot;
	st->flights = 2 * p->target->count;
	st->flight = xcalloc(st->flights, sizeof *st->flight);
	return 0;
}

static void
probe_icmp_close(struct probe *p)
{
	struct icmp_state *st = p->state;
	struct icmp *icmp = p->env->icmp;

	for (uint32_t i = 0; i < st->flights; i++)
		if (st->flight[i].state == FLIGHT_OUT)
			icmp->out--;
	icmp->probe[st->link & 0xffff] = NULL;
	free(st->flight);
}

static void
choose_id(struct icmp *icmp, struct icmp_state *st, int64_t now_ns)
{
	if (st->id_since_ns != 0 && now_ns - st->id_since_ns < ID_LIFE_NS)
		return;
	st->id = (uint16_t)rng_below(icmp->rng, 65536);
	st->id_since_ns = now_ns;
}

static int
probe_icmp_send(struct probe *p, uint64_t token)
{
	struct icmp *icmp = p->env->icmp;
	struct icmp_state *st = p->state;
	struct flight *f = flight_slot(p, token);
	bool v6 = p->to.ss_family == AF_INET6;
	const struct sockaddr *source = p->target->source_len > 0 ?
	    (const struct sockaddr *)&p->target->source : NULL;
	struct icmp_request r = { .seq = icmp->seq++, .link = st->link, .token = token };
	uint32_t stamp;
	size_t n;
	int rc;

	if (icmp->socket[v6] == NULL)
		return -EAFNOSUPPORT;
	choose_id(icmp, st, clock_mono(icmp->clock).ns);
	r.id = st->id;
	n = icmp_wire_echo(icmp->packet, v6, &r, &icmp->key, p->target->size);
	if (f->state == FLIGHT_OUT)
		icmp->out--;		/* of two steps ago; nobody waits for it any more */
	*f = (struct flight){
		.token = token, .state = FLIGHT_OUT, .wall_ns = clock_wall(icmp->clock).ns,
		.mono_ns = clock_mono(icmp->clock).ns,
	};
	rc = icmp_socket_send(icmp->socket[v6], icmp->packet, n, (struct sockaddr *)&p->to,
	    p->to_len, source, &stamp);
	if (rc != 0) {
		f->state = FLIGHT_FREE;
		return rc;
	}
	icmp->by_seq[r.seq] = (struct sent_seq){ .token = token, .link = st->link, .id = r.id };
	icmp->by_stamp[v6][stamp % STAMP_RING] =
	    (struct sent_stamp){ .token = token, .link = st->link };
	icmp->out++;
	icmp->sent++;
	icmp->last_send_ns = f->mono_ns;
	arm_tick(icmp);
	return 0;
}

const struct probe_ops probe_icmp_ops = {
	.kind = PROBE_ICMP, .keyword = "icmp", .state_size = sizeof(struct icmp_state),
	.open = probe_icmp_open, .send = probe_icmp_send, .close = probe_icmp_close,
};
