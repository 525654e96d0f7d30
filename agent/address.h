/*
 * address.h - where a link's packets go: the address of its name, kept up to
 * date.
 *
 * A literal stands at once.  A name is asked for at the family wanted, and again
 * when its time to live ends (5 s to an hour, 60 s for /etc/hosts, a tenth more
 * by chance so that names drift apart).  Links with the same name and family
 * share it: one query, one address, one line in the log.
 *
 * A failure takes nothing away: the last address stays in use, the name is
 * asked for again after 5 s, then 10 s and so on to 60 s.  It is told when it
 * begins and when it ends.  GONE (the servers say that there is no such name or
 * address) and UNANSWERED (they do not say) are two states.
 *
 * No more look-ups leave in a second than the guard permits, whatever names a plan
 * has; the others wait their turn.
 *
 * An address that the guard does not allow is never handed out.  The one in use
 * stays as long as the answer still has it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/rng.h"

#define ADDRESS_TTL_MIN_NS (5 * NS_PER_S)
#define ADDRESS_TTL_MAX_NS (3600 * NS_PER_S)
#define ADDRESS_TTL_HOSTS_NS (60 * NS_PER_S)
#define ADDRESS_RETRY_MIN_NS (5 * NS_PER_S)
#define ADDRESS_RETRY_MAX_NS (60 * NS_PER_S)
#define ADDRESS_CAPPED_NS (NS_PER_S / 10)

struct address_name;
struct addresses;
struct event_base;
struct guard;
struct resolver;

enum address_state {
	ADDRESS_ASKED,			/* no answer yet */
	ADDRESS_GOOD,			/* by the last answer, or a literal */
	ADDRESS_FORBIDDEN,		/* the guard allows none that it has */
	ADDRESS_GONE,			/* there is no such name or address; the last one stays */
	ADDRESS_UNANSWERED,		/* the name servers fail; the last one stays */
};

/* Of one link; lives in its owner, does not move.  Only user is to be touched from outside. */
struct address {
	struct address_name *name;	/* NULL: a literal */
	struct address *next, **prev;	/* others of that name */
	void *user;
	uint16_t port;
};

struct addresses_stat {
	size_t names;
	uint32_t failing;		/* names that do not resolve at present */
	uint64_t failures;		/* look-ups that failed, since the start */
};

struct addresses_opts {
	struct event_base *base;	/* all borrowed */
	const struct clock *clock;
	struct rng *rng;
	struct resolver *resolver;
	struct guard *guard;		/* NULL: everything is allowed */
	/*
	 * Where the packets of user go from now on, port included; len 0: nowhere.  From the loop,
	 * or inside addresses_guard() and addresses_tick().  May not add or take away an address.
	 */
	void (*changed)(void *user, const struct sockaddr *to, socklen_t len);
};

/* 0 or -ENOMEM. */
int addresses_new(struct addresses **out, const struct addresses_opts *);
/* Every address must be gone.  NULL is allowed. */
void addresses_free(struct addresses *);
/* Another guard: what it does not allow is taken away at once, and such names are asked for anew. */
void addresses_guard(struct addresses *, struct guard *guard);
/* Asks for what is due (its own timer does so too); when the next one is, INT64_MAX: never. */
struct mono addresses_tick(struct addresses *);
void addresses_stat(const struct addresses *, struct addresses_stat *);

/*
 * Adds one: host (copied) is a literal or a name.  Its length with *to if the address is known
 * already; 0: changed() will tell.
 */
socklen_t address_init(struct address *, struct addresses *, const char *host, int family,
    uint16_t port, void *user, struct sockaddr_storage *to);
void address_fini(struct address *);	/* a zeroed one is allowed */
enum address_state address_state(const struct address *);
/* Why nothing can be sent while there is no address: an enum cause of model.h. */
uint32_t address_cause(const struct address *);
