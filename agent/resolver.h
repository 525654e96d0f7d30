/*
 * resolver.h - names to addresses, off the loop.
 *
 * getaddrinfo() may block for as long as a name server pleases, so it runs in
 * a few threads; answers come back on the loop.  Each query is answered once
 * or cancelled.  Bounded: RESOLVER_QUEUE queries may wait.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define RESOLVER_ADDRESSES 16
#define RESOLVER_QUEUE 4096

struct event_base;
struct resolver;
struct resolver_query;

struct resolver_answer {
	size_t n;			/* 0: error says why */
	struct sockaddr_storage addr[RESOLVER_ADDRESSES];
	socklen_t len[RESOLVER_ADDRESSES];
	const char *error;
};

typedef void resolver_done(void *arg, const struct resolver_answer *answer);

/* base is borrowed.  0 or -errno. */
int resolver_new(struct resolver **out, struct event_base *base);
/* Cancels all queries and leaves threads that still wait for a name server to end by themselves. */
void resolver_free(struct resolver *);

/*
 * Asks for host (copied), AF_UNSPEC for any family; port goes into the answers.  done comes from
 * the loop, never from inside.  NULL: too many are waiting.  The query is gone when done is called.
 */
struct resolver_query *resolver_ask(struct resolver *, const char *host, int family,
    uint16_t port, resolver_done *done, void *arg);
/* No answer follows; the query is gone.  NULL is allowed. */
void resolver_cancel(struct resolver *, struct resolver_query *);
