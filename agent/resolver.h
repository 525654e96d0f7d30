/*
 * resolver.h - names to addresses, off the loop's back.
 *
 * Asks the name servers of /etc/resolv.conf over the loop itself (c-ares): no
 * thread, nothing blocks.  /etc/hosts comes first.  A server has a second to
 * answer, then two, then four; each of several is asked in turn, so that a name
 * is given up after 7 s for each server.
 *
 * Nothing is set up before the first question: an agent whose plan has no name
 * needs no name server.  When resolv.conf has changed, the next question goes to
 * the servers that it names now; what is under way ends where it began.
 *
 * Each query is answered once or cancelled.  Bounded: RESOLVER_QUEUE queries in
 * all, RESOLVER_FLIGHT of them on the wire; the rest wait their turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define RESOLVER_ADDRESSES 256		/* of one name; more are left out */
#define RESOLVER_QUEUE 4096
#define RESOLVER_FLIGHT 128

struct event_base;
struct resolver;
struct resolver_query;

enum resolver_status {
	RESOLVER_FOUND,
	RESOLVER_GONE,			/* the servers say that there is none */
	RESOLVER_FAILED,		/* the servers do not say */
};

struct resolver_address {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct resolver_answer {
	enum resolver_status status;
	size_t n;			/* 0: error says why */
	const struct resolver_address *address;	/* gone after done() */
	bool local;			/* out of /etc/hosts: ttl_s has no meaning */
	uint32_t ttl_s;			/* the shortest of all that led to them */
	int failed_family;		/* RESOLVER_FAILED for one family of two; else AF_UNSPEC */
	const char *error;
};

typedef void resolver_done(void *arg, const struct resolver_answer *answer);

/* base is borrowed.  0 or -errno. */
int resolver_new(struct resolver **out, struct event_base *base);
void resolver_free(struct resolver *);	/* cancels all queries; NULL is allowed */

/* Asks these servers from now on ("127.0.0.1:5353,[::1]:53") and not those of resolv.conf. */
void resolver_servers(struct resolver *, const char *servers);
/* Has anything been asked that needed setting up? */
bool resolver_is_up(const struct resolver *);

/*
 * Asks for host (copied), AF_UNSPEC for any family; port goes into the answers.  done comes from
 * the loop, never from inside, and may ask and cancel.  NULL: too many are waiting.  The query is
 * gone when done is called.
 */
struct resolver_query *resolver_ask(struct resolver *, const char *host, int family,
    uint16_t port, resolver_done *done, void *arg);
/* No answer follows; the query is gone.  NULL is allowed. */
void resolver_cancel(struct resolver *, struct resolver_query *);
