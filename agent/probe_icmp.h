/*
 * probe_icmp.h - what all echo probes share: two sockets and who waits for what.
 *
 * Sockets are opened as root, before the agent gives up its power.  They are
 * looked at on a slow tick while something is in flight, and by icmp_drain();
 * since the kernel stamps packets, when we look does not matter.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/icmp_socket.h"
#include "common/clock.h"
#include "common/rng.h"

struct event_base;
struct icmp;

struct icmp_stat {
	enum icmp_mode mode;		/* the lesser of the two families that have one */
	uint64_t drops;			/* datagrams that our own sockets had no room for */
	uint64_t foreign;		/* replies with our cookie from somebody else */
	uint64_t sent, replies;
};

/* Opens what can be had; clock and rng are borrowed.  0: at least one family; why holds what is
 * missing (or is empty).  -errno: none. */
int icmp_new(struct icmp **out, const struct clock *clock, struct rng *rng, char *why, size_t n);
/* Begins to look at the sockets, on this loop. */
int icmp_attach(struct icmp *, struct event_base *base);
void icmp_free(struct icmp *);		/* NULL is allowed; no probe may be open */
/* Reads all that has come, now. */
void icmp_drain(struct icmp *);
/* Counts since icmp_new(). */
void icmp_stat(struct icmp *, struct icmp_stat *);
