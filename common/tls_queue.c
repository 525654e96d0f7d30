/*
 * tls_queue.c - the line of those who wait (pure; see tls_queue.h).
 */
#include "common/tls_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hashmap.h"
#include "common/mem.h"

struct waiting {
	struct tls_waiting w;
	struct waiting *newer, *older;
};

struct place {				/* an address with somebody waiting */
	char name[40];
	struct waiting *oldest, *newest;
	size_t n;
	struct place *next, *prev;	/* a ring, in the order of their turns */
};

struct tls_queue {
	struct hashmap *places;		/* struct place, by name */
	struct place *turn;		/* the next one; NULL: nobody waits */
	size_t n, max;
};

struct tls_queue *
tls_queue_new(size_t max)
{
	struct tls_queue *q = xcalloc(1, sizeof *q);

	q->places = hashmap_new();
	q->max = max > 0 ? max : 1;
	return q;
}

void
tls_queue_free(struct tls_queue *q)
{
	struct tls_waiting w;

	if (q == NULL)
		return;
	while (tls_queue_get(q, &w))
		;
	hashmap_free(q->places);
	free(q);
}

/* Hex of what counts as one address; out holds 40 bytes. */
static void
name_of(char *out, const struct sockaddr *sa, socklen_t len)
{
	const uint8_t *p = NULL;
	size_t n = 0;

	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		p = (const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		n = 4;
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		p = a->s6_addr;
		n = IN6_IS_ADDR_V4MAPPED(a) ? 16 : 8;
	}
	*out = '\0';
	for (size_t i = 0; i < n; i++)
		out += sprintf(out, "%02x", p[i]);
}

static struct place *
place_of(struct tls_queue *q, const struct sockaddr *sa, socklen_t len)
{
	struct place *p;
	char name[sizeof p->name];

	name_of(name, sa, len);
	p = hashmap_get(q->places, name);
	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof *p);
	memcpy(p->name, name, sizeof name);
	hashmap_put(q->places, name, p);
	if (q->turn == NULL) {
		p->next = p->prev = p;
		q->turn = p;
	} else {			/* at the end: before the one whose turn it is */
		p->next = q->turn;
		p->prev = q->turn->prev;
		p->prev->next = p->next->prev = p;
	}
	return p;
}

static void
drop_place(struct tls_queue *q, struct place *p)
{
	if (q->turn == p)
		q->turn = p->next != p ? p->next : NULL;
	p->next->prev = p->prev;
	p->prev->next = p->next;
	hashmap_del(q->places, p->name);
	free(p);
}

/* Takes one out of its place's line. */
static void
take(struct tls_queue *q, struct place *p, struct waiting *w, struct tls_waiting *out)
{
	*out = w->w;
	if (w->older != NULL)
		w->older->newer = w->newer;
	else
		p->oldest = w->newer;
	if (w->newer != NULL)
		w->newer->older = w->older;
	else
		p->newest = w->older;
	free(w);
	p->n--;
	q->n--;
	if (p->n == 0)
		drop_place(q, p);
}

/* The place where most wait; of equals the last in turn. */
static struct place *
longest(const struct tls_queue *q)
{
	struct place *p = q->turn->prev, *most = p;

	for (; p != q->turn; p = p->prev)
		if (p->n > most->n)
			most = p;
	return p->n > most->n ? p : most;
}

bool
tls_queue_put(struct tls_queue *q, int fd, const struct sockaddr *sa, socklen_t len, struct mono now,
    struct tls_waiting *out)
{
	struct place *p = place_of(q, sa, len);
	struct waiting *w = xcalloc(1, sizeof *w);

	w->w.fd = fd;
	w->w.since = now;
	w->w.len = len < (socklen_t)sizeof w->w.addr ? len : (socklen_t)sizeof w->w.addr;
	memcpy(&w->w.addr, sa, w->w.len);
	w->older = p->newest;
	if (p->newest != NULL)
		p->newest->newer = w;
	else
		p->oldest = w;
	p->newest = w;
	p->n++;
	q->n++;
	if (q->n <= q->max)
		return false;
	p = longest(q);
	take(q, p, p->newest, out);
	return true;
}

bool
tls_queue_get(struct tls_queue *q, struct tls_waiting *out)
{
	struct place *p = q->turn;

	if (p == NULL)
		return false;
	q->turn = p->next;
	take(q, p, p->oldest, out);
	return true;
}

size_t
tls_queue_count(const struct tls_queue *q)
{
	return q->n;
}
