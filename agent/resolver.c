/*
 * resolver.c - threads that wait for name servers.
 *
 * The threads share one struct shared with the loop, under its lock; the last
 * to leave frees it, so that the process may end while a name server sleeps.
 */
#include "agent/resolver.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/mem.h"

#define THREADS 3

struct resolver_query {
	struct resolver_query *next;
	char *host;
	int family;
	uint16_t port;
	resolver_done *done;
	void *arg;
	bool cancelled;			/* loop's; read by the loop alone */
	struct resolver_answer answer;
};

struct list { struct resolver_query *head, **tail; };

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list todo, done;
	size_t waiting;
	int fd;				/* eventfd: something is done */
	bool ending;
	unsigned refs;
};

struct resolver {
	struct shared *shared;
	struct event *ready;
};

static void
push(struct list *l, struct resolver_query *q)
{
	q->next = NULL;
	*l->tail = q;
	l->tail = &q->next;
}

static struct resolver_query *
pop(struct list *l)
{
	struct resolver_query *q = l->head;

	if (q == NULL)
		return NULL;
	l->head = q->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return q;
}

static void
query_free(struct resolver_query *q)
{
	free(q->host);
	free(q);
}

/* With the lock held; lets it go. */
static void
shared_leave(struct shared *s)
{
	bool last = --s->refs == 0;
	struct resolver_query *q;

	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	while ((q = pop(&s->todo)) != NULL || (q = pop(&s->done)) != NULL)
		query_free(q);
	close(s->fd);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET)
		((struct sockaddr_in *)ss)->sin_port = htons(port);
	else if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
}

static void
look_up(struct resolver_query *q)
{
	struct addrinfo hints = { .ai_family = q->family, .ai_socktype = SOCK_DGRAM }, *list = NULL;
	int rc = getaddrinfo(q->host, NULL, &hints, &list);

	if (rc != 0)
		q->answer.error = gai_strerror(rc);
	for (struct addrinfo *ai = list; ai != NULL && q->answer.n < RESOLVER_ADDRESSES;
	    ai = ai->ai_next) {
		size_t i = q->answer.n;

		if (ai->ai_addrlen > sizeof q->answer.addr[i] ||
		    (ai->ai_family != AF_INET && ai->ai_family != AF_INET6))
			continue;
		memcpy(&q->answer.addr[i], ai->ai_addr, ai->ai_addrlen);
		q->answer.len[i] = ai->ai_addrlen;
		set_port(&q->answer.addr[i], q->port);
		q->answer.n++;
	}
	if (rc == 0 && q->answer.n == 0)
		q->answer.error = "no usable address";
	if (list != NULL)
		freeaddrinfo(list);
}

static void *
work(void *arg)
{
	struct shared *s = arg;
	struct resolver_query *q;
	uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->ending && s->todo.head == NULL)
			pthread_cond_wait(&s->more, &s->lock);
		if (s->ending)
			break;
		q = pop(&s->todo);
		pthread_mutex_unlock(&s->lock);
		look_up(q);
		pthread_mutex_lock(&s->lock);
		push(&s->done, q);
		if (write(s->fd, &one, sizeof one) < 0)
			continue;	/* the counter is full: the loop has been told often enough */
	}
	shared_leave(s);
	return NULL;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct resolver_query *q;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
		return;
	for (;;) {
		pthread_mutex_lock(&r->shared->lock);
		q = pop(&r->shared->done);
		if (q != NULL)
			r->shared->waiting--;
		pthread_mutex_unlock(&r->shared->lock);
		if (q == NULL)
			return;
		if (!q->cancelled)
			q->done(q->arg, &q->answer);
		query_free(q);
	}
}

static int
start_threads(struct shared *s)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int rc = 0;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_BLOCK, &all, &old);	/* signals are the loop's */
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < THREADS && rc == 0; i++) {
		rc = pthread_create(&t, &attr, work, s);
		if (rc == 0)
			s->refs++;
	}
	pthread_mutex_unlock(&s->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

int
resolver_new(struct resolver **out, struct event_base *base)
{
	struct resolver *r = xcalloc(1, sizeof *r);
	struct shared *s = xcalloc(1, sizeof *s);
	int rc;

	r->shared = s;
	s->todo.tail = &s->todo.head;
	s->done.tail = &s->done.head;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rc = s->fd < 0 ? -errno : start_threads(s);
	if (rc == 0) {
		r->ready = event_new(base, s->fd, EV_READ | EV_PERSIST, on_ready, r);
		if (r->ready == NULL || event_add(r->ready, NULL) != 0)
			rc = -ENOMEM;
	}
	if (rc != 0) {
		resolver_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	if (r->ready != NULL)
		event_free(r->ready);
	pthread_mutex_lock(&r->shared->lock);
	r->shared->ending = true;
	pthread_cond_broadcast(&r->shared->more);
	shared_leave(r->shared);
	free(r);
}

struct resolver_query *
resolver_ask(struct resolver *r, const char *host, int family, uint16_t port,
    resolver_done *done, void *arg)
{
	struct resolver_query *q = NULL;

	pthread_mutex_lock(&r->shared->lock);
	if (r->shared->waiting < RESOLVER_QUEUE) {
		q = xcalloc(1, sizeof *q);
		q->host = xstrdup(host);
		q->family = family;
		q->port = port;
		q->done = done;
		q->arg = arg;
		push(&r->shared->todo, q);
		r->shared->waiting++;
		pthread_cond_signal(&r->shared->more);
	}
	pthread_mutex_unlock(&r->shared->lock);
	return q;
}

void
resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	(void)r;
	if (q != NULL)
		q->cancelled = true;	/* freed when its answer comes */
}
