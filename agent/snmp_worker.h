/*
 * snmp_worker.h - the thread that talks SNMP.
 *
 * Requests go to it through a queue, results come back on the loop.  However
 * slow or dead a device is, neither the loop nor another device waits for it.
 * Bounded: one poll of a device at a time, SNMP_WORKER_QUEUE orders waiting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/probe.h"
#include "common/agent_conf.h"

#define SNMP_WORKER_QUEUE 8192

struct event_base;
struct snmp_worker;

/*
 * Reads the secrets (a credential whose file cannot be read is logged and not known), prepares the
 * library.  clock and rng are borrowed; rng must be safe in threads (rng_real()).  0 or -errno.
 */
int snmp_worker_new(struct snmp_worker **out, const struct clock *clock, struct rng *rng,
    const struct snmp_credential *credential, size_t n);
/* Starts the thread; results come on this loop. */
int snmp_worker_attach(struct snmp_worker *, struct event_base *base);
/* Ends the thread; no result follows.  NULL is allowed. */
void snmp_worker_free(struct snmp_worker *);

/* Other credentials from now on; sessions begin anew. */
void snmp_worker_credentials(struct snmp_worker *, const struct snmp_credential *credential,
    size_t n);
/* Is there a credential of this name? */
bool snmp_worker_knows(const struct snmp_worker *, const char *credential);

typedef void snmp_worker_done(void *arg, const struct probe_result *r);

/* A device to poll; what is needed of target is copied.  Returns its number, > 0. */
uint32_t snmp_worker_add(struct snmp_worker *, const struct target *target,
    snmp_worker_done *done, void *arg);
/* Forgets it: no done() follows. */
void snmp_worker_remove(struct snmp_worker *, uint32_t device);
/* Begins a poll.  0: one done() follows.  -EAGAIN: the queue is full. */
int snmp_worker_poll(struct snmp_worker *, uint32_t device, uint64_t token,
    const struct sockaddr *to, socklen_t len);
