/*
 * tcp_engine.c - epoll, deadlines, turns and the pool of attempts.
 */
#include "agent/tcp_engine.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/handshake.h"
#include "common/mem.h"

#define BATCH 128			/* events in one pass: the loop has other work too */

TAILQ_HEAD(queue, attempt);

struct tcp_engine {
	const struct tcp_ops *ops;
	const struct clock *clock;
	int epoll;
	struct event *ready, *timer, *turn;
	struct wheel wheel;
	int64_t armed_ns;		/* when the timer fires; INT64_MAX: it does not */
	struct queue queue;		/* those whose turn has not come */
	int64_t begun_ns;		/* when the last one began */
	unsigned begun;			/* in this turn of the loop */
	size_t flying, flying_max;
	struct attempts pool;
	struct ssl_ctx_st *tls;
	size_t users;
};

static void
arm(struct event *timer, int64_t wait_ns)
{
	struct timeval tv;

	if (wait_ns < 0)
		wait_ns = 0;
	wait_ns += NS_PER_US - 1;
	tv = (struct timeval){ .tv_sec = wait_ns / NS_PER_S,
		.tv_usec = wait_ns % NS_PER_S / NS_PER_US };
	evtimer_add(timer, &tv);
}

static void
arm_deadline(struct tcp_engine *e, int64_t at_ns, int64_t now_ns)
{
	if (at_ns >= e->armed_ns)
		return;
	e->armed_ns = at_ns;
	arm(e->timer, at_ns - now_ns);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct epoll_event ev[BATCH];
	struct tcp_engine *e = arg;
	int n = epoll_wait(fd, ev, BATCH, 0);
	/* one stamp for all: those at the end do not pay for the work on the others */
	struct mono now = clock_mono(e->clock);

	(void)what;
	e->begun = 0;
	for (int i = 0; i < n; i++) {
		struct attempt *a = ev[i].data.ptr;

		if (a->fd >= 0)
			e->ops->ready(a, now, false);
	}
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_engine *e = arg;
	struct mono now = clock_mono(e->clock);
	struct wheel_item *item;

	(void)fd;
	(void)what;
	e->begun = 0;
	while ((item = wheel_take(&e->wheel, now)) != NULL)
		e->ops->ready((struct attempt *)item, now, true);
	e->armed_ns = INT64_MAX;
	if (wheel_next(&e->wheel) != INT64_MAX)
		arm_deadline(e, wheel_next(&e->wheel), now.ns);
}

/* Counts one that begins; false: this turn of the loop has had its share.  That a turn is over we
 * know when the loop calls us, or when nothing has begun for a while. */
static bool
take_turn(struct tcp_engine *e, struct mono now)
{
	if (now.ns - e->begun_ns >= TCP_SPREAD_NS)
		e->begun = 0;
	if (e->begun >= TCP_BURST)
		return false;
	e->begun++;
	e->begun_ns = now.ns;
	return true;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_engine *e = arg;
	struct attempt *a;

	(void)fd;
	(void)what;
	e->begun = 0;
	while ((a = TAILQ_FIRST(&e->queue)) != NULL) {
		if (!take_turn(e, clock_mono(e->clock))) {
			arm(e->turn, TCP_SPREAD_NS);
			return;
		}
		TAILQ_REMOVE(&e->queue, a, waiting);
		a->waits = false;
		e->ops->begin(a);
	}
}

bool
tcp_engine_turn(struct tcp_engine *e, struct attempt *a, struct mono now)
{
	if (TAILQ_EMPTY(&e->queue) && take_turn(e, now))
		return true;
	if (TAILQ_EMPTY(&e->queue))
		arm(e->turn, TCP_SPREAD_NS);
	TAILQ_INSERT_TAIL(&e->queue, a, waiting);
	a->waits = true;
	return false;
}

int
tcp_engine_watch(struct tcp_engine *e, struct attempt *a, bool reading, int64_t due_ns)
{
	/* by edges: whoever is told tries until the socket has no more */
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET, .data.ptr = a };

	if (reading)
		ev.events |= EPOLLIN | EPOLLRDHUP;
	if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, a->fd, &ev) != 0)
		return -errno;
	arm_deadline(e, wheel_add(&e->wheel, &a->deadline, due_ns), a->sent_ns);
	return 0;
}

void
tcp_engine_until(struct tcp_engine *e, struct attempt *a, int64_t due_ns)
{
	wheel_remove(&e->wheel, &a->deadline);
	arm_deadline(e, wheel_add(&e->wheel, &a->deadline, due_ns), clock_mono(e->clock).ns);
}

struct attempt *
tcp_engine_take(struct tcp_engine *e)
{
	struct attempt *a = LIST_FIRST(&e->pool);

	if (e->flying >= e->flying_max)
		return NULL;
	e->flying++;
	if (a != NULL)
		LIST_REMOVE(a, mine);
	else
		a = xmalloc(sizeof *a);
	memset(a, 0, sizeof *a);
	a->fd = -1;
	return a;
}

void
tcp_engine_end(struct tcp_engine *e, struct attempt *a)
{
	if (a->waits)
		TAILQ_REMOVE(&e->queue, a, waiting);
	a->waits = false;
	wheel_remove(&e->wheel, &a->deadline);
	if (a->fd >= 0)
		close(a->fd);		/* epoll forgets it with that */
	a->fd = -1;
	LIST_INSERT_HEAD(&e->pool, a, mine);
	e->flying--;
}

struct ssl_ctx_st *
tcp_engine_tls(struct tcp_engine *e)
{
	if (e->tls == NULL)
		e->tls = handshake_context();
	return e->tls;
}

static size_t
flying_max(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur > TCP_FLYING_MAX + TCP_RESERVE)
		return TCP_FLYING_MAX;
	return lim.rlim_cur > 2 * TCP_RESERVE ? lim.rlim_cur - TCP_RESERVE : lim.rlim_cur / 2;
}

static void
engine_free(struct tcp_engine *e)
{
	struct event *event[] = { e->ready, e->timer, e->turn };
	struct attempt *a;

	for (size_t i = 0; i < sizeof event / sizeof event[0]; i++)
		if (event[i] != NULL)
			event_free(event[i]);
	while ((a = LIST_FIRST(&e->pool)) != NULL) {
		LIST_REMOVE(a, mine);
		free(a);
	}
	if (e->epoll >= 0)
		close(e->epoll);
	SSL_CTX_free(e->tls);
	free(e);
}

static int
engine_new(struct tcp_engine **out, struct event_base *base, const struct clock *clock,
    const struct tcp_ops *ops)
{
	struct tcp_engine *e = xcalloc(1, sizeof *e);
	int rc = -ENOMEM;

	e->ops = ops;
	e->clock = clock;
	e->armed_ns = INT64_MAX;
	e->flying_max = flying_max();
	wheel_init(&e->wheel, clock_mono(clock));
	TAILQ_INIT(&e->queue);
	LIST_INIT(&e->pool);
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll < 0) {
		rc = -errno;
		goto out;
	}
	e->ready = event_new(base, e->epoll, EV_READ | EV_PERSIST, on_ready, e);
	e->timer = evtimer_new(base, on_deadline, e);
	e->turn = evtimer_new(base, on_turn, e);
	if (e->ready == NULL || e->timer == NULL || e->turn == NULL ||
	    event_add(e->ready, NULL) != 0)
		goto out;
	*out = e;
	return 0;
out:
	engine_free(e);
	return rc;
}

int
tcp_engine_join(struct tcp_engine **e, struct event_base *base, const struct clock *clock,
    const struct tcp_ops *ops)
{
	int rc = *e == NULL ? engine_new(e, base, clock, ops) : 0;

	if (rc == 0)
		(*e)->users++;
	return rc;
}

void
tcp_engine_leave(struct tcp_engine **e)
{
	if (--(*e)->users > 0)
		return;
	engine_free(*e);
	*e = NULL;
}
