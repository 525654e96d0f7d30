/*
 * snmp_device.h - polls of one device; with snmp_session.c the only code that calls net-snmp.
 *
 * net-snmp is not safe in threads, so all of this runs in one thread
 * (snmp_worker.c).  Nothing here blocks: an SNMPv3 engine is asked for its id
 * by a datagram of our own.
 *
 * A poll: [engine discovery] -> [search of the interface by name] -> GETs of
 * all scalars -> [tables of storage and processors].  It ends with one result,
 * at the latest when its time is up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/probe.h"
#include "common/clock.h"
#include "common/rng.h"

struct snmp_device;
struct snmp_secret;
struct target;

/*
 * The library keeps one key for a user of an engine.  Two credentials that name the same user of
 * the same device with different keys (one of them wrong) must take turns.
 */
enum snmp_turn { SNMP_TURN_FREE, SNMP_TURN_SHARED, SNMP_TURN_BUSY };

struct snmp_device_env {
	const struct clock *clock;
	struct rng *rng;
	/* The credential of that name now, or NULL. */
	struct snmp_secret *(*secret)(void *arg, const char *name);
	/* May d use its keys now?  SHARED: yes, but they must be put in again. */
	enum snmp_turn (*turn)(void *arg, const struct snmp_device *d);
	/* The end of a poll; may not free the device. */
	void (*done)(void *arg, struct snmp_device *d, const struct probe_result *r);
	void *arg;
};

/* env is borrowed; of target only what is needed is copied. */
struct snmp_device *snmp_device_new(const struct snmp_device_env *env, uint32_t id,
    const struct target *target);
/* A poll under way ends unanswered; NULL is allowed. */
void snmp_device_free(struct snmp_device *);
/* As given to snmp_device_new(). */
uint32_t snmp_device_id(const struct snmp_device *);
/* Begins a poll; one that is still under way ends first, as a timeout. */
void snmp_device_poll(struct snmp_device *, uint64_t token, const struct sockaddr_storage *to,
    socklen_t len);
/* Sockets to wait on: at most two, -1: none. */
void snmp_device_fds(const struct snmp_device *, int fd[2]);
void snmp_device_read(struct snmp_device *, int fd);
/* What time alone brings.  Returns false when idle. */
bool snmp_device_tick(struct snmp_device *);
/* Do the two want different keys for one user?  With what consequence for a? */
enum snmp_turn snmp_device_turn(const struct snmp_device *a, const struct snmp_device *b);
/* Ends the session; what was learnt of the device goes too (new credentials). */
void snmp_device_reset(struct snmp_device *);
