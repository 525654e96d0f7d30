/*
 * snmp_worker.h - the polls of all SNMP devices, on the loop.
 *
 * However slow or dead a device is, no other waits for it: nothing here blocks.
 * All devices of a family share one socket (those with a source address of
 * their own: one for each such address), which is opened with the first poll.
 * Requests that fall due together leave in groups, and no more than
 * SNMP_WORKER_WINDOW of them are out at once, so that neither our buffer nor a
 * device's overflows; as many again of devices that did not answer last time,
 * or were never asked: these hold up only each other, and not for long.  An RTT
 * counts from when its request left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/probe.h"
#include "common/agent_conf.h"

#define SNMP_WORKER_WINDOW 64

struct event_base;
struct snmp_worker;

/*
 * Reads the secrets: a credential whose file cannot be read is logged and not known.  clock and rng
 * are borrowed.  0 or -errno.
 */
int snmp_worker_new(struct snmp_worker **out, const struct clock *clock, struct rng *rng,
    const struct snmp_credential *credential, size_t n);
/* All that follows happens on this loop.  0 or -errno. */
int snmp_worker_attach(struct snmp_worker *, struct event_base *base);
/* No result follows.  NULL is allowed. */
void snmp_worker_free(struct snmp_worker *);

/*
 * Every datagram after the first of a poll asks take() for leave; false: it stays, the poll ends.
 * Without this all may go.
 */
void snmp_worker_cap(struct snmp_worker *, bool (*take)(void *arg), void *arg);

/* Other credentials from now on; polls under way end as LOCAL. */
void snmp_worker_credentials(struct snmp_worker *, const struct snmp_credential *credential,
    size_t n);
/* Is there a credential of this name? */
bool snmp_worker_knows(const struct snmp_worker *, const char *credential);

typedef void snmp_worker_done(void *arg, const struct probe_result *r);

/* A device to poll; what is needed of target is copied.  Returns its number, > 0. */
uint32_t snmp_worker_add(struct snmp_worker *, const struct target *target,
    snmp_worker_done *done, void *arg);
/* Forgets it: no done() follows.  Not from within its done(). */
void snmp_worker_remove(struct snmp_worker *, uint32_t device);
/* Begins a poll, from the loop.  0: one done() follows.  -EAGAIN: one waits to begin. */
int snmp_worker_poll(struct snmp_worker *, uint32_t device, uint64_t token,
    const struct sockaddr *to, socklen_t len);

/* Since the start; datagrams. */
struct snmp_worker_stat {
	uint64_t sent, answered;
	uint64_t foreign;		/* no answer to anything asked, or not from whom was asked */
	uint64_t drops;			/* our sockets lost them */
};
void snmp_worker_stat(const struct snmp_worker *, struct snmp_worker_stat *out);
