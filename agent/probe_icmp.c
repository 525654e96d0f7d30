/*
 * probe_icmp.c - echo requests and what becomes of them.
 *
 * A request is known by its number on its socket, which travels in it as the
 * token (icmp_wire.h) and, cut to 16 bits, as the sequence number.
 */
#include "agent/probe_icmp.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/icmp_flight.h"
#include "agent/probe.h"
#include "agent/target.h"
#include "common/mem.h"

#define ID_LIFE_NS (60 * NS_PER_S)	/* a new identifier: a firewall may have lost the old */
#define LINKS_MAX 65536
#define DEVICES 16
#define DEVICE_LIFE_NS NS_PER_S
#define INBOX_BYTES 512			/* of a packet; more when a link sends larger ones */
#define HEADERS (60 + ICMP_WIRE_HEADER)	/* an IPv4 header has 60 bytes at most */

struct icmp_state {
	uint32_t link;			/* slot in the icmp's table, with generation */
	uint16_t id;
	int64_t id_since_ns;
};

struct device { char name[IFNAMSIZ]; unsigned index; int64_t since_ns; };

struct refused { uint64_t number; int err; bool v6; };

struct icmp {
	const struct clock *clock;
	struct rng *rng;
	struct icmp_key key;
	struct side { struct icmp_socket *socket; struct icmp_flights flights; } side[2]; /* [v6] */
	struct icmp_inbox *inbox;
	size_t inbox_bytes;
	struct probe **probe;		/* by the low 16 bits of its link */
	uint16_t *generation;
	uint32_t *free;			/* slots that are, as a stack */
	size_t probes, frees;
	int64_t hold_ns;		/* the longest timeout of any probe so far */
	struct device device[DEVICES];
	struct refused *refused;	/* by the kernel, to be told by icmp_flush() */
	size_t refuseds, refused_cap;
	struct icmp_stat stat;
};

int
icmp_new(struct icmp **out, const struct clock *clock, struct rng *rng, char *why, size_t n)
{
	struct icmp *icmp = xcalloc(1, sizeof *icmp);
	char text[2][160] = { "", "" };
	int rc = 0;

	icmp->clock = clock;
	icmp->rng = rng;
	rng->fill(rng, &icmp->key, sizeof icmp->key);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		int r = icmp_socket_open(&icmp->side[v6].socket, v6 == 1, &icmp->key, text[v6],
		    sizeof text[v6]);

		rc = rc != 0 ? rc : r;
	}
	snprintf(why, n, "%s%s%s", text[0], text[0][0] != '\0' && text[1][0] != '\0' ? "; " : "",
	    text[1]);
	if (icmp->side[0].socket == NULL && icmp->side[1].socket == NULL) {
		icmp_free(icmp);
		return rc;
	}
	*out = icmp;
	return 0;
}

void
icmp_free(struct icmp *icmp)
{
	if (icmp == NULL)
		return;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		icmp_socket_close(icmp->side[v6].socket);
		icmp_flights_fini(&icmp->side[v6].flights);
	}
	icmp_inbox_free(icmp->inbox);
	free(icmp->probe);
	free(icmp->generation);
	free(icmp->free);
	free(icmp->refused);
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

static const uint8_t *
address_bytes(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ?
	    (const uint8_t *)&((const struct sockaddr_in6 *)sa)->sin6_addr :
	    (const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr;
}

/* An address in 32 bits; of IPv6 so that nobody can look for another that gives the same. */
static uint32_t
fold(const struct icmp *icmp, bool v6, const uint8_t *address)
{
	uint32_t v;

	if (v6)
		return (uint32_t)icmp_wire_siphash(icmp->key.k, address, 16);
	memcpy(&v, address, sizeof v);
	return v;
}

/* -------------------------------------------------------------------- replies */

static void
extra(struct icmp *icmp, struct probe *p, enum cause cause)
{
	struct probe_result r = { .outcome = PROBE_EXTRA, .causes = CAUSE_BIT(cause) };

	*(cause == CAUSE_DUPLICATE ? &icmp->stat.duplicates : &icmp->stat.late) += 1;
	p->env->done(p, &r);
}

static void
take_reply(struct icmp *icmp, bool v6, struct probe *p, const struct icmp_packet *packet)
{
	const struct icmp_request *request = &packet->news.request;
	struct icmp_flight *f = icmp_flights_find(&icmp->side[v6].flights, request->token);
	struct probe_result r = { .outcome = PROBE_REPLY };

	if (f == NULL) {
		extra(icmp, p, CAUSE_LATE_REPLY);
		return;
	}
	/* what comes back is what was sent; the identifier of a ping socket is the kernel's own */
	if (packet->news.len != ICMP_WIRE_HEADER + p->target->size ||
	    f->to != fold(icmp, v6, address_bytes(packet->from)) || f->link != request->link ||
	    (f->id != request->id && icmp_socket_mode(icmp->side[v6].socket) == ICMP_MODE_RAW)) {
		icmp->stat.foreign++;
		return;
	}
	if (f->state != FLIGHT_OUT) {
		extra(icmp, p, f->state == FLIGHT_ANSWERED ? CAUSE_DUPLICATE : CAUSE_LATE_REPLY);
		return;
	}
	f->state = FLIGHT_ANSWERED;
	icmp->stat.replies++;
	r.token = f->token;
	r.rtt_ns = icmp_flight_rtt(f, packet->rx_wall_ns, clock_mono(icmp->clock).ns,
	    clock_wall(icmp->clock).ns);
	p->env->done(p, &r);
}

static void
take_icmp_error(struct icmp *icmp, bool v6, struct probe *p, const struct icmp_news *news)
{
	struct icmp_flight *f = icmp_flights_find(&icmp->side[v6].flights, news->request.token);
	struct probe_result r = { .outcome = PROBE_LOST, .causes = CAUSE_BIT(news->cause) };

	if (f == NULL || f->state != FLIGHT_OUT || f->link != news->request.link)
		return;
	f->state = FLIGHT_FAILED;
	r.token = f->token;
	p->env->done(p, &r);
}

/* An error that quotes too little for the cookie: id, number and destination must do. */
static bool
complete_short(struct icmp *icmp, bool v6, struct icmp_news *news)
{
	const struct icmp_flights *fs = &icmp->side[v6].flights;
	uint64_t number = fs->next - (uint16_t)((uint16_t)fs->next - news->request.seq);
	const struct icmp_flight *f = icmp_flights_find(fs, number);

	if (f == NULL || news->quoted_to == NULL || (f->id != news->request.id &&
	    icmp_socket_mode(icmp->side[v6].socket) == ICMP_MODE_RAW) ||
	    f->to != fold(icmp, v6, news->quoted_to))
		return false;
	news->request.link = f->link;
	news->request.token = number;
	return true;
}

static void
on_packet(void *arg, bool v6, const struct icmp_packet *packet)
{
	struct icmp *icmp = arg;
	struct icmp_news news = packet->news;
	struct probe *p;

	if (news.kind == ICMP_NEWS_FORGED) {
		icmp->stat.foreign++;
		return;
	}
	if (news.kind == ICMP_NEWS_ERROR_SHORT && !complete_short(icmp, v6, &news))
		return;
	p = find_probe(icmp, news.request.link);
	if (p == NULL)
		return;			/* of a link that is no more */
	if (news.kind == ICMP_NEWS_REPLY)
		take_reply(icmp, v6, p, packet);
	else
		take_icmp_error(icmp, v6, p, &news);
}

static void
on_left(void *arg, bool v6, uint64_t number, int64_t tx_wall_ns)
{
	struct icmp *icmp = arg;
	struct icmp_flight *f = icmp_flights_find(&icmp->side[v6].flights, number);

	if (f != NULL)
		icmp_flight_left(f, tx_wall_ns);
}

void
icmp_drain(struct icmp *icmp)
{
	static const struct icmp_receiver receiver = { .packet = on_packet, .left = on_left };

	for (unsigned v6 = 0; v6 < 2; v6++)
		if (icmp->side[v6].flights.next > 0)
			icmp_socket_drain(icmp->side[v6].socket, icmp->inbox, &receiver, icmp);
}

uint64_t
icmp_drops(const struct icmp *icmp)
{
	uint64_t n = 0;

	for (unsigned v6 = 0; v6 < 2; v6++)
		if (icmp->side[v6].flights.next > 0)
			n += icmp_socket_drops(icmp->side[v6].socket);
	return n;
}

void
icmp_stat(const struct icmp *icmp, struct icmp_stat *out)
{
	*out = icmp->stat;
	out->drops = icmp_drops(icmp);
	for (unsigned v6 = 0; v6 < 2; v6++)
		if (icmp_socket_mode(icmp->side[v6].socket) > out->mode)
			out->mode = icmp_socket_mode(icmp->side[v6].socket);
}

/* ------------------------------------------------------------------- requests */

static void
on_refused(void *arg, bool v6, uint64_t number, int err)
{
	struct icmp *icmp = arg;

	if (icmp->refuseds == icmp->refused_cap) {
		icmp->refused_cap = icmp->refused_cap > 0 ? 2 * icmp->refused_cap : ICMP_QUEUE;
		icmp->refused = xreallocarray(icmp->refused, icmp->refused_cap,
		    sizeof *icmp->refused);
	}
	icmp->refused[icmp->refuseds++] =
	    (struct refused){ .number = number, .err = err, .v6 = v6 };
}

static void
send_waiting(struct icmp *icmp, struct side *side)
{
	unsigned n = icmp_socket_waiting(side->socket);
	int64_t mono = clock_mono(icmp->clock).ns, wall = clock_wall(icmp->clock).ns;

	for (unsigned i = 1; i <= n; i++) {
		struct icmp_flight *f = icmp_flights_find(&side->flights, side->flights.next - i);

		if (f == NULL)
			continue;	/* its probe was closed meanwhile: let it go */
		f->mono_ns = mono;
		f->wall_ns = wall;
	}
	icmp_socket_flush(side->socket, on_refused, icmp);
	icmp->stat.sent += n;
}

/* Told once everything is out: who is told may send again. */
static void
tell_refused(struct icmp *icmp)
{
	for (size_t i = 0; i < icmp->refuseds; i++) {
		struct refused *x = &icmp->refused[i];
		struct icmp_flight *f = icmp_flights_find(&icmp->side[x->v6].flights, x->number);
		struct probe *p = f != NULL ? find_probe(icmp, f->link) : NULL;
		struct probe_result r = { .outcome = PROBE_NOT_SENT, .error = x->err,
			.causes = CAUSE_BIT(x->err == EMSGSIZE ? CAUSE_TOO_BIG : CAUSE_NOT_SENT) };

		icmp->stat.sent--;
		if (p == NULL)
			continue;
		f->state = FLIGHT_FREE;
		r.token = f->token;
		p->env->done(p, &r);
	}
	icmp->refuseds = 0;
}

void
icmp_flush(struct icmp *icmp)
{
	for (unsigned v6 = 0; v6 < 2; v6++)
		if (icmp->side[v6].socket != NULL &&
		    icmp_socket_waiting(icmp->side[v6].socket) > 0)
			send_waiting(icmp, &icmp->side[v6]);
	tell_refused(icmp);
}

/* ---------------------------------------------------------------- the probe */

/* The number of an interface, looked up again each second: it may have come anew. */
static unsigned
device_index(struct icmp *icmp, const char *name, int64_t now_ns)
{
	struct device *d = icmp->device, *oldest = d;

	for (; d < icmp->device + DEVICES; d++) {
		if (strcmp(d->name, name) == 0)
			break;
		if (d->since_ns < oldest->since_ns)
			oldest = d;
	}
	if (d == icmp->device + DEVICES) {
		d = oldest;
		*d = (struct device){ .since_ns = 0 };
		memcpy(d->name, name, strlen(name) + 1);
	}
	if (d->since_ns == 0 || now_ns - d->since_ns > DEVICE_LIFE_NS) {
		d->index = if_nametoindex(name);
		d->since_ns = now_ns;
	}
	return d->index;
}

static void
more_slots(struct icmp *icmp)
{
	size_t n = icmp->probes, more = n > 0 ? 2 * n : 64;

	icmp->probe = xreallocarray(icmp->probe, more, sizeof *icmp->probe);
	icmp->generation = xreallocarray(icmp->generation, more, sizeof *icmp->generation);
	icmp->free = xreallocarray(icmp->free, more, sizeof *icmp->free);
	memset(icmp->probe + n, 0, (more - n) * sizeof *icmp->probe);
	memset(icmp->generation + n, 0, (more - n) * sizeof *icmp->generation);
	for (size_t i = more; i-- > n;)
		icmp->free[icmp->frees++] = (uint32_t)i;
	icmp->probes = more;
}

/* Replies of so large requests must fit. */
static void
fit_inbox(struct icmp *icmp, uint32_t size)
{
	size_t n = size + HEADERS < INBOX_BYTES ? INBOX_BYTES : size + HEADERS;

	if (n <= icmp->inbox_bytes)
		return;
	icmp_inbox_free(icmp->inbox);
	icmp->inbox = icmp_inbox_new(n);
	icmp->inbox_bytes = n;
}

static int
probe_icmp_open(struct probe *p, char *why, size_t n)
{
	struct icmp *icmp = p->env->icmp;
	struct icmp_state *st = p->state;
	uint32_t slot;

	if (icmp == NULL)
		return snprintf(why, n, "the agent has no ICMP socket"), -EACCES;
	if (icmp->frees == 0 && icmp->probes == LINKS_MAX)
		return snprintf(why, n, "too many icmp links"), -ENOSPC;
	if (icmp->frees == 0)
		more_slots(icmp);
	slot = icmp->free[--icmp->frees];
	icmp->probe[slot] = p;
	icmp->generation[slot]++;
	st->link = (uint32_t)icmp->generation[slot] << 16 | slot;
	fit_inbox(icmp, p->target->size);
	if (icmp->hold_ns < p->target->timeout_ns)
		icmp->hold_ns = p->target->timeout_ns;
	return 0;
}

static void
probe_icmp_close(struct probe *p)
{
	struct icmp_state *st = p->state;
	struct icmp *icmp = p->env->icmp;
	uint32_t slot = st->link & 0xffff;

	icmp->probe[slot] = NULL;
	icmp->free[icmp->frees++] = slot;
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
options_of(struct icmp *icmp, const struct target *t, bool v6, int64_t now_ns,
    struct icmp_options *out)
{
	*out = (struct icmp_options){ .df = t->df, .tos = (uint8_t)(t->dscp << 2), .ttl = t->ttl };
	if (t->source_len > 0)
		out->source = (const struct sockaddr *)&t->source;
	if (out->source != NULL && out->source->sa_family != (v6 ? AF_INET6 : AF_INET))
		return -EAFNOSUPPORT;
	/* of a raw IPv6 socket the kernel takes a device for a wish; a source address it heeds */
	if (t->device[0] != '\0' && v6)
		return -EOPNOTSUPP;
	if (t->device[0] != '\0' && (out->device = device_index(icmp, t->device, now_ns)) == 0)
		return -ENODEV;
	return 0;
}

static int
probe_icmp_send(struct probe *p, uint64_t token)
{
	struct icmp *icmp = p->env->icmp;
	struct icmp_state *st = p->state;
	bool v6 = p->to.sa.sa_family == AF_INET6;
	struct side *side = &icmp->side[v6];
	size_t n = ICMP_WIRE_HEADER + p->target->size;
	int64_t now = clock_mono(icmp->clock).ns;
	struct icmp_request r = { .link = st->link };
	struct icmp_options options;
	struct icmp_flight *f;
	void *packet;
	int rc;

	if (side->socket == NULL)
		return -EAFNOSUPPORT;
	rc = options_of(icmp, p->target, v6, now, &options);
	if (rc != 0)
		return rc;
	packet = icmp_socket_queue(side->socket, n, &p->to.sa, p->to_len, &options, &r.token);
	if (packet == NULL) {
		send_waiting(icmp, side);
		packet = icmp_socket_queue(side->socket, n, &p->to.sa, p->to_len, &options,
		    &r.token);
	}
	choose_id(icmp, st, now);
	f = icmp_flights_add(&side->flights, now, icmp->hold_ns);
	f->token = token;
	f->link = st->link;
	f->to = fold(icmp, v6, address_bytes(&p->to.sa));
	f->id = r.id = st->id;
	f->state = FLIGHT_OUT;
	r.seq = (uint16_t)r.token;
	(void)icmp_wire_echo(packet, v6, &r, &icmp->key, p->target->size);
	return 0;
}

const struct probe_ops probe_icmp_ops = {
	.kind = PROBE_ICMP, .keyword = "icmp", .state_size = sizeof(struct icmp_state),
	.open = probe_icmp_open, .send = probe_icmp_send, .close = probe_icmp_close,
};
