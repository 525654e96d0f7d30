/*
 * probe_icmp.h - what all echo probes share: two sockets and who waits for what.
 *
 * Sockets are opened as root, before the agent gives up its power.  send() of
 * this kind only queues: the owner of the loop calls icmp_flush() behind each
 * group of sends and icmp_drain() before it judges what is lost.  Since the
 * kernel stamps packets, it does not matter when it does either; there is no
 * timer here and no wake-up for a reply.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/icmp_socket.h"
#include "common/clock.h"
#include "common/rng.h"

struct icmp;

struct icmp_stat {
	enum icmp_mode mode;		/* the lesser of the two families that have one */
	uint64_t drops;			/* datagrams that our own sockets had no room for */
	uint64_t foreign;		/* replies with our tag that no request of ours explains */
	uint64_t duplicates, late;	/* replies that came again; when nobody waited any more */
	uint64_t sent, replies;
};

/* Opens what can be had; clock and rng are borrowed.  0: at least one family; why holds what is
 * missing (or is empty).  -errno: none. */
int icmp_new(struct icmp **out, const struct clock *clock, struct rng *rng, char *why, size_t n);
void icmp_free(struct icmp *);		/* NULL is allowed; no probe may be open */
/* Hands what is queued to the kernel.  What it refuses is told as PROBE_NOT_SENT from here. */
void icmp_flush(struct icmp *);
/* Reads all that has come, now; results are told from here. */
void icmp_drain(struct icmp *);
/* Counts since icmp_new(). */
void icmp_stat(const struct icmp *, struct icmp_stat *);
/* Of them, datagrams that our own sockets had no room for. */
uint64_t icmp_drops(const struct icmp *);
