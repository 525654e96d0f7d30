/*
 * snmp_worker.c - sockets, lanes and timers of the SNMP devices.
 *
 * A device that has something to ask stands in the queue of a lane: of those
 * that answer, of those not known yet, and of those that did not answer.  A
 * request counts in the window of its lane until it is answered or old enough
 * to be neither on its way nor in a buffer.
 */
#include "agent/snmp_worker.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "agent/snmp_device.h"
#include "agent/snmp_ids.h"
#include "agent/snmp_port.h"
#include "agent/snmp_secret.h"
#include "agent/snmp_socket.h"
#include "agent/timers.h"
#include "agent/snmp_vars.h"
#include "agent/target.h"
#include "common/mem.h"

#define LANES 3				/* one for each enum snmp_life */
#define ROUNDS 8			/* batches received in one go: the loop has other work */
#define LATER_NS NS_PER_MS		/* to try again what the kernel had no room for */
#define SLEPT_NS (5 * NS_PER_MS)	/* so late a tick: the host is busy */
#define RANDOMS 64
#define BUSY 16				/* so many out: answers are fetched in groups ... */
#define FETCH_NS NS_PER_MS		/* ... so often; their stamps are the kernel's */
#define TRIES 8				/* of a batch, against errors of other datagrams */

static const int64_t lane_age_ns[LANES] = { 100 * NS_PER_MS, 100 * NS_PER_MS,
	20 * NS_PER_MS };

struct entry {				/* a device and where it stands */
	struct snmp_device *device;
	uint32_t number;
	snmp_worker_done *done;
	void *arg;
	struct snmp_port *port;		/* NULL: none yet */
	union snmp_address source;
	socklen_t source_len;
	uint32_t drops;			/* of the port when the poll began */
	struct timer timer;
	/* a poll that waits to begin */
	bool ordered;
	uint64_t token;
	union snmp_address to;
	socklen_t to_len;
	TAILQ_ENTRY(entry) orders;
	/* in a lane */
	bool queued, out;
	unsigned lane;
	int64_t out_ns;
	TAILQ_ENTRY(entry) queue, window;
};

TAILQ_HEAD(entries, entry);

struct lane { struct entries queue, window; size_t out; };

struct buffers {			/* nothing of it is kept from one use to the next */
	struct snmp_var var[SNMP_VARS_MAX];
	uint8_t request[SNMP_SOCKET_BATCH][SNMP_REQUEST_MAX];
	uint8_t answer[SNMP_SOCKET_BATCH][SNMP_ANSWER_MAX];
};

struct snmp_worker {
	const struct clock *clock;
	struct rng *rng;
	bool (*take)(void *arg);	/* may one more datagram leave?  NULL: always */
	void *take_arg;
	struct snmp_secrets secrets;
	struct snmp_device_env env;
	struct buffers *buffers;	/* NULL until there is a device */
	struct entry **entry;		/* by number - 1; NULL: free */
	size_t entries, free_from;	/* all before free_from are taken */
	struct snmp_ports ports;
	struct entries orders;
	struct lane lane[LANES];
	struct snmp_ids ids;
	uint32_t random[RANDOMS];	/* ids to come */
	unsigned randoms;
	struct timers timers;
	struct event *pump, *tick;
	bool busy;			/* the sockets wake nobody, the tick fetches */
	int64_t tick_ns;		/* when it comes; INT64_MAX: not at all */
	int64_t later_ns;		/* the kernel had no room: not before */
	struct snmp_worker_stat stat;
};

static int64_t
now_of(const struct snmp_worker *w)
{
	return clock_mono(w->clock).ns;
}

/* -------------------------------------------------------------------- lanes */

static void
leave_queue(struct snmp_worker *w, struct entry *e)
{
	if (e->queued)
		TAILQ_REMOVE(&w->lane[e->lane].queue, e, queue);
	e->queued = false;
}

static void
leave_window(struct snmp_worker *w, struct entry *e)
{
	if (!e->out)
		return;
	TAILQ_REMOVE(&w->lane[e->lane].window, e, window);
	w->lane[e->lane].out--;
	e->out = false;
}

static void
enter_window(struct snmp_worker *w, struct entry *e, int64_t now_ns)
{
	leave_window(w, e);
	TAILQ_INSERT_TAIL(&w->lane[e->lane].window, e, window);
	w->lane[e->lane].out++;
	e->out = true;
	e->out_ns = now_ns;
}

static void
age_windows(struct snmp_worker *w, int64_t now_ns)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct entry *e;

		while ((e = TAILQ_FIRST(&w->lane[i].window)) != NULL &&
		    e->out_ns + lane_age_ns[i] <= now_ns)
			leave_window(w, e);
	}
}

/* We slept, and so may answers have: nothing grows old by that. */
static void
excuse_windows(struct snmp_worker *w, int64_t late_ns)
{
	struct entry *e;

	for (unsigned i = 0; i < LANES && late_ns > SLEPT_NS; i++)
		TAILQ_FOREACH(e, &w->lane[i].window, window)
			e->out_ns += late_ns;
}

static void
set_timer(struct snmp_worker *w, struct entry *e)
{
	timers_set(&w->timers, &e->timer, snmp_device_due(e->device));
}

/* ------------------------------------------------------ what the devices want */

static struct snmp_secret *
find_secret(void *arg, const char *name)
{
	const struct snmp_worker *w = arg;

	return snmp_secrets_find(&w->secrets, name);
}

static void
on_want(void *arg, struct snmp_device *d)
{
	struct snmp_worker *w = arg;
	struct entry *e = snmp_device_owner(d);

	if (e->queued)
		return;
	leave_window(w, e);		/* the lane may be another one now */
	e->lane = (unsigned)snmp_device_life(d);
	e->queued = true;
	TAILQ_INSERT_TAIL(&w->lane[e->lane].queue, e, queue);
}

static void
on_forget(void *arg, uint32_t id)
{
	struct snmp_worker *w = arg;

	snmp_ids_del(&w->ids, id);
}

static void
on_done(void *arg, struct snmp_device *d, const struct probe_result *r)
{
	struct snmp_worker *w = arg;
	struct entry *e = snmp_device_owner(d);

	if (r->outcome != PROBE_EXTRA) {
		leave_queue(w, e);
		leave_window(w, e);
	}
	e->done(e->arg, r);
}

/* ------------------------------------------------------------------ sockets */

/* Gives e the socket of this family and its source; false: it cannot be had. */
static bool
enter_port(struct snmp_worker *w, struct entry *e, int family)
{
	if (e->port != NULL && e->port->family == family)
		return true;
	snmp_port_leave(&w->ports, e->port);
	e->port = snmp_port_enter(&w->ports, family, &e->source, e->source_len);
	return e->port != NULL;
}

/* ------------------------------------------------------------------- errors */

/*
 * Whoever asks at this address hears that it may not be reached.  Such an error quotes no more of
 * the datagram than anybody knows who has guessed our port: it ends no poll, but if no answer comes
 * it says why.
 */
static void
tell_address(struct snmp_worker *w, const struct sockaddr *to, enum cause cause)
{
	for (size_t i = 0; i < w->entries; i++) {
		struct entry *e = w->entry[i];
		socklen_t len;

		if (e == NULL || e->timer.pos == 0 ||
		    !snmp_same_address(snmp_device_to(e->device, &len), to))
			continue;
		snmp_device_hint(e->device, cause);
	}
}

static void
read_errors(struct snmp_worker *w, const struct snmp_port *p)
{
	uint8_t text[256];
	enum cause cause;

	for (unsigned i = 0; i < SNMP_WORKER_WINDOW; i++) {
		struct snmp_parcel about = { .text = text, .n = sizeof text };
		struct entry *e = NULL;
		uint32_t id;
		socklen_t len;

		if (!snmp_socket_error(p->fd, &about, &cause))
			return;
		if (cause == CAUSE_NONE)
			continue;
		/* the request itself stands in most of them, else there is the address */
		if (snmp_message_id(text, about.n, &id) != 0) {
			tell_address(w, &about.address.any, cause);
			continue;
		}
		e = snmp_ids_get(&w->ids, id);	/* NULL: nobody waits for that any more */
		if (e != NULL && snmp_same_address(snmp_device_to(e->device, &len), &about.address.any)) {
			snmp_device_unreachable(e->device, cause);
			set_timer(w, e);
		}
	}
}

/* ------------------------------------------------------------------ sending */

struct batch {
	struct snmp_port *port;
	size_t n;
	struct entry *entry[SNMP_SOCKET_BATCH];
	uint32_t id[SNMP_SOCKET_BATCH];
	struct snmp_parcel parcel[SNMP_SOCKET_BATCH];
};

static uint32_t
new_id(struct snmp_worker *w)
{
	uint32_t id;

	do {
		if (w->randoms == 0) {
			w->rng->fill(w->rng, w->random, sizeof w->random);
			w->randoms = RANDOMS;
		}
		id = w->random[--w->randoms] & SNMP_ID_MAX;
	} while (id == 0 || snmp_ids_get(&w->ids, id) != NULL);
	return id;
}

static bool
may_leave(const struct snmp_worker *w, const struct snmp_device *d)
{
	return w->take == NULL || !snmp_device_has_sent(d) || w->take(w->take_arg);
}

/* Takes from the lane's queue what may leave now, by one socket. */
static void
fill(struct snmp_worker *w, struct lane *lane, struct batch *b, int64_t now_ns)
{
	struct entry *e;

	b->n = 0;
	while (b->n < SNMP_SOCKET_BATCH && lane->out < SNMP_WORKER_WINDOW &&
	    (e = TAILQ_FIRST(&lane->queue)) != NULL && (b->n == 0 || e->port == b->port)) {
		struct snmp_parcel *p = &b->parcel[b->n];

		leave_queue(w, e);
		if (!may_leave(w, e->device)) {
			snmp_device_failed(e->device);
			set_timer(w, e);
			continue;
		}
		b->id[b->n] = new_id(w);
		p->n = snmp_device_write(e->device, b->id[b->n], w->buffers->request[b->n],
		    &p->text, now_ns);
		if (p->n == 0) {
			set_timer(w, e);
			continue;
		}
		memcpy(&p->address, snmp_device_to(e->device, &p->address_len),
		    sizeof p->address);
		enter_window(w, e, now_ns);
		b->port = e->port;
		b->entry[b->n++] = e;
	}
}

/* Back to where they came from, in their order: the kernel has no room. */
static void
put_back(struct snmp_worker *w, struct batch *b, size_t from)
{
	for (size_t i = b->n; i-- > from;) {
		struct entry *e = b->entry[i];

		leave_window(w, e);
		if (e->queued || snmp_device_is_idle(e->device))
			continue;
		e->queued = true;
		TAILQ_INSERT_HEAD(&w->lane[e->lane].queue, e, queue);
	}
	w->later_ns = now_of(w) + LATER_NS;
}

static void
have_left(struct snmp_worker *w, struct batch *b, size_t from, size_t n, int64_t begin_ns)
{
	int64_t took = now_of(w) - begin_ns;

	for (size_t i = 0; i < n; i++) {
		struct entry *e = b->entry[from + i];

		if (snmp_device_is_idle(e->device))
			continue;	/* an error of the network ended it meanwhile */
		/* they left one by one */
		snmp_device_sent(e->device, b->id[from + i],
		    begin_ns + took * (int64_t)i / (int64_t)n);
		snmp_ids_put(&w->ids, b->id[from + i], e);
		set_timer(w, e);
	}
	w->stat.sent += n;
}

/* false: no more for now. */
static bool
send_batch(struct snmp_worker *w, struct batch *b)
{
	unsigned tries = TRIES;

	for (size_t at = 0; at < b->n;) {
		int64_t begin = now_of(w);
		int rc = snmp_socket_send(b->port->fd, &b->parcel[at], b->n - at);

		if (rc > 0) {
			have_left(w, b, at, (size_t)rc, begin);
			at += (size_t)rc;
			continue;
		}
		if (rc == -EAGAIN || rc == -ENOBUFS) {
			put_back(w, b, at);
			return false;
		}
		/* it may be news of another datagram, which the socket tells but once */
		read_errors(w, b->port);
		if (tries-- > 0)
			continue;
		tries = TRIES;
		snmp_device_failed(b->entry[at]->device);
		set_timer(w, b->entry[at]);
		at++;
	}
	return true;
}

static void
send_all(struct snmp_worker *w)
{
	struct batch b;

	for (unsigned i = 0; i < LANES; i++)
		while (now_of(w) >= w->later_ns) {
			fill(w, &w->lane[i], &b, now_of(w));
			if (b.n == 0)
				break;
			if (!send_batch(w, &b))
				return;
		}
}

/* -------------------------------------------------------------------- timers */

static int64_t
next_due(const struct snmp_worker *w)
{
	const struct timer *first = timers_first(&w->timers);
	int64_t due = first != NULL ? first->due_ns : INT64_MAX;

	for (unsigned i = 0; i < LANES; i++) {
		const struct lane *lane = &w->lane[i];
		int64_t room;

		if (TAILQ_EMPTY(&lane->queue))
			continue;
		room = lane->out < SNMP_WORKER_WINDOW ? w->later_ns :
		    TAILQ_FIRST(&lane->window)->out_ns + lane_age_ns[i];
		if (room < due)
			due = room;
	}
	return due;
}

/* With many answers on their way one wake-up for each is too dear. */
static void
set_busy(struct snmp_worker *w)
{
	size_t out = 0;
	bool busy;

	for (unsigned i = 0; i < LANES; i++)
		out += w->lane[i].out;
	busy = out >= BUSY;
	if (busy == w->busy)
		return;
	w->busy = busy;
	snmp_ports_listen(&w->ports, !busy);
}

/* What is left to do when the loop goes to sleep: when to wake. */
static void
arm(struct snmp_worker *w)
{
	int64_t due = next_due(w), wait;
	struct timeval tv;

	set_busy(w);
	if (w->busy && due > now_of(w) + FETCH_NS)
		due = now_of(w) + FETCH_NS;
	if (due >= w->tick_ns)
		return;			/* it comes early enough */
	w->tick_ns = due;
	wait = due - now_of(w);
	if (wait < 0)
		wait = 0;
	tv = (struct timeval){ .tv_sec = wait / NS_PER_S,
		.tv_usec = (wait % NS_PER_S + NS_PER_US - 1) / NS_PER_US };
	evtimer_add(w->tick, &tv);
}

/* ---------------------------------------------------------------- receiving */

static void
take_parcel(struct snmp_worker *w, struct snmp_parcel *p, int64_t now_ns)
{
	struct entry *e = NULL;
	uint32_t id;
	socklen_t len;

	if (snmp_message_id(p->text, p->n, &id) == 0)
		e = snmp_ids_get(&w->ids, id);
	if (e == NULL || !snmp_same_address(snmp_device_to(e->device, &len), &p->address.any)) {
		w->stat.foreign++;
		return;
	}
	w->stat.answered++;
	leave_window(w, e);
	snmp_device_answer(e->device, id, p->text, p->n, p->at_ns, now_ns);
	set_timer(w, e);
}

static void
receive(struct snmp_worker *w, struct snmp_port *p)
{
	struct snmp_parcel parcel[SNMP_SOCKET_BATCH];
	size_t n = SNMP_SOCKET_BATCH;

	for (unsigned i = 0; i < SNMP_SOCKET_BATCH; i++)
		parcel[i].text = w->buffers->answer[i];
	for (unsigned round = 0; round < ROUNDS && n == SNMP_SOCKET_BATCH; round++) {
		n = snmp_socket_receive(p->fd, w->clock, parcel, &p->drops);
		for (size_t i = 0; i < n; i++)
			take_parcel(w, &parcel[i], now_of(w));
		if (n == 0)
			read_errors(w, p);
	}
}

static void
on_readable(struct snmp_port *p)
{
	const struct snmp_ports *ports = p->owner;
	struct snmp_worker *w = ports->owner;

	receive(w, p);
	send_all(w);
	arm(w);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct snmp_worker *w = arg;
	struct timer *t;
	int64_t now, due = w->tick_ns;

	(void)fd;
	(void)what;
	w->tick_ns = INT64_MAX;
	/* what lies in the sockets is in time, however late we are */
	for (struct snmp_port *p = w->ports.first; p != NULL; p = p->next)
		receive(w, p);
	now = now_of(w);
	excuse_windows(w, now - due);
	while ((t = timers_first(&w->timers)) != NULL && t->due_ns <= now) {
		struct entry *e = t->owner;

		snmp_device_tick(e->device, now,
		    e->port != NULL && e->port->drops != e->drops);
		set_timer(w, e);
	}
	age_windows(w, now);
	send_all(w);
	arm(w);
}

/* ------------------------------------------------------------------- orders */

static void
begin_poll(struct snmp_worker *w, struct entry *e)
{
	const struct probe_result failed = { .token = e->token, .outcome = PROBE_NOT_SENT,
		.causes = CAUSE_BIT(CAUSE_NOT_SENT) };

	e->ordered = false;
	if (!enter_port(w, e, e->to.any.sa_family)) {
		snmp_device_reset(e->device);
		set_timer(w, e);
		e->done(e->arg, &failed);
		return;
	}
	e->drops = e->port->drops;
	snmp_device_poll(e->device, e->token, &e->to.any, e->to_len, now_of(w));
	set_timer(w, e);
}

static void
on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct snmp_worker *w = arg;
	struct entry *e;

	(void)fd;
	(void)what;
	while ((e = TAILQ_FIRST(&w->orders)) != NULL) {
		TAILQ_REMOVE(&w->orders, e, orders);
		begin_poll(w, e);
	}
	send_all(w);
	arm(w);
}

static struct entry *
find_entry(const struct snmp_worker *w, uint32_t device)
{
	return device > 0 && device <= w->entries ? w->entry[device - 1] : NULL;
}

int
snmp_worker_poll(struct snmp_worker *w, uint32_t device, uint64_t token,
    const struct sockaddr *to, socklen_t len)
{
	struct entry *e = find_entry(w, device);

	if (e == NULL || len > sizeof e->to)
		return -EINVAL;
	if (e->ordered)
		return -EAGAIN;
	e->ordered = true;
	e->token = token;
	memcpy(&e->to, to, len);
	e->to_len = len;
	if (TAILQ_EMPTY(&w->orders))
		event_active(w->pump, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&w->orders, e, orders);
	return 0;
}

/* ------------------------------------------------------------------ devices */

/* A free place in the table; its number. */
static uint32_t
new_number(struct snmp_worker *w)
{
	size_t i = w->free_from, more = w->entries > 0 ? 2 * w->entries : 16;

	while (i < w->entries && w->entry[i] != NULL)
		i++;
	if (i == w->entries) {
		w->entry = xreallocarray(w->entry, more, sizeof(struct entry *));
		for (; w->entries < more; w->entries++)
			w->entry[w->entries] = NULL;
	}
	w->free_from = i + 1;
	return (uint32_t)i + 1;
}

uint32_t
snmp_worker_add(struct snmp_worker *w, const struct target *target, snmp_worker_done *done,
    void *arg)
{
	struct entry *e = xcalloc(1, sizeof *e);

	if (w->buffers == NULL) {
		w->buffers = xmalloc(sizeof *w->buffers);
		w->env.var = w->buffers->var;
	}
	*e = (struct entry){ .done = done, .arg = arg, .timer = { .owner = e } };
	if (target->source_len > 0 && target->source_len <= sizeof e->source) {
		memcpy(&e->source, &target->source, target->source_len);
		e->source_len = target->source_len;
	}
	e->device = snmp_device_new(&w->env, e, target);
	e->number = new_number(w);
	w->entry[e->number - 1] = e;
	return e->number;
}

static void
entry_free(struct snmp_worker *w, struct entry *e)
{
	if (e->ordered)
		TAILQ_REMOVE(&w->orders, e, orders);
	leave_queue(w, e);
	leave_window(w, e);
	timers_set(&w->timers, &e->timer, INT64_MAX);
	snmp_device_free(e->device);
	snmp_port_leave(&w->ports, e->port);
	w->entry[e->number - 1] = NULL;
	if (w->free_from > e->number - 1)
		w->free_from = e->number - 1;
	free(e);
}

void
snmp_worker_remove(struct snmp_worker *w, uint32_t device)
{
	struct entry *e = find_entry(w, device);

	if (e != NULL)
		entry_free(w, e);
}

/* ------------------------------------------------------------------- others */

int
snmp_worker_new(struct snmp_worker **out, const struct clock *clock, struct rng *rng,
    const struct snmp_credential *credential, size_t n)
{
	struct snmp_worker *w = xcalloc(1, sizeof *w);

	w->clock = clock;
	w->rng = rng;
	w->tick_ns = INT64_MAX;
	w->env = (struct snmp_device_env){ .rng = rng, .secret = find_secret, .want = on_want,
		.forget = on_forget, .done = on_done, .arg = w };
	TAILQ_INIT(&w->orders);
	for (unsigned i = 0; i < LANES; i++) {
		TAILQ_INIT(&w->lane[i].queue);
		TAILQ_INIT(&w->lane[i].window);
	}
	snmp_secrets_load(&w->secrets, credential, n);
	*out = w;
	return 0;
}

int
snmp_worker_attach(struct snmp_worker *w, struct event_base *base)
{
	w->ports = (struct snmp_ports){ .base = base, .owner = w, .readable = on_readable };
	w->pump = event_new(base, -1, 0, on_pump, w);
	w->tick = evtimer_new(base, on_tick, w);
	return w->pump != NULL && w->tick != NULL ? 0 : -ENOMEM;
}

void
snmp_worker_free(struct snmp_worker *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->entries; i++)
		if (w->entry[i] != NULL)
			entry_free(w, w->entry[i]);
	if (w->pump != NULL)
		event_free(w->pump);
	if (w->tick != NULL)
		event_free(w->tick);
	snmp_ids_fini(&w->ids);
	timers_fini(&w->timers);
	snmp_secrets_free(&w->secrets);
	free(w->entry);
	free(w->buffers);
	free(w);
}

void
snmp_worker_cap(struct snmp_worker *w, bool (*take)(void *arg), void *arg)
{
	w->take = take;
	w->take_arg = arg;
}

void
snmp_worker_credentials(struct snmp_worker *w, const struct snmp_credential *credential, size_t n)
{
	snmp_secrets_free(&w->secrets);
	snmp_secrets_load(&w->secrets, credential, n);
	for (size_t i = 0; i < w->entries; i++)
		if (w->entry[i] != NULL) {
			snmp_device_reset(w->entry[i]->device);
			set_timer(w, w->entry[i]);
		}
}

bool
snmp_worker_knows(const struct snmp_worker *w, const char *credential)
{
	return snmp_secrets_find(&w->secrets, credential) != NULL;
}

void
snmp_worker_stat(const struct snmp_worker *w, struct snmp_worker_stat *out)
{
	*out = w->stat;
	out->drops = snmp_ports_drops(&w->ports);
}
