/*
 * snmp_device.h - one device: what is asked of it, and what its answers come to.
 *
 * A poll: [engine discovery] -> [search of the interface by name] -> GETs of
 * all scalars -> [tables of storage and processors].  It ends with one result,
 * at the latest when its time is up.
 *
 * No socket is touched here: the device says that it wants to send, the caller
 * lets it write the datagram when it may leave, and brings what comes back.
 * At most SNMP_POLL_REQUESTS datagrams leave in one poll, whatever the device
 * answers; a search that needs more goes on in the next.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/probe.h"
#include "common/clock.h"

#define SNMP_REQUEST_MAX 1400		/* bytes: never in fragments */
#define SNMP_POLL_REQUESTS 64

struct snmp_device;
struct snmp_secret;
struct snmp_var;
struct target;

struct snmp_device_env {
	struct rng *rng;
	struct snmp_var *var;		/* SNMP_VARS_MAX, for passing use */
	/* The credential of that name now, or NULL. */
	struct snmp_secret *(*secret)(void *arg, const char *name);
	/* snmp_device_write() may be called from now on, once. */
	void (*want)(void *arg, struct snmp_device *d);
	/* No answer to this id is waited for any more. */
	void (*forget)(void *arg, uint32_t id);
	/* The end of a poll, or an EXTRA; may not free the device. */
	void (*done)(void *arg, struct snmp_device *d, const struct probe_result *r);
	void *arg;
};

/* env is borrowed; of target only what is needed is copied.  owner: for snmp_device_owner(). */
struct snmp_device *snmp_device_new(const struct snmp_device_env *env, void *owner,
    const struct target *target);
/* A poll under way ends unanswered; NULL is allowed. */
void snmp_device_free(struct snmp_device *);
void *snmp_device_owner(const struct snmp_device *);
/* What is asked from now on.  Valid until the next poll; len 0: never polled. */
const struct sockaddr *snmp_device_to(const struct snmp_device *, socklen_t *len);

/* Begins a poll; one that is still under way ends first, as a timeout. */
void snmp_device_poll(struct snmp_device *, uint64_t token, const struct sockaddr *to,
    socklen_t len, int64_t now_ns);
/*
 * Writes what is wanted, with this id (1 .. SNMP_ID_MAX), to the end of buf; *text is where it
 * begins.  Its length, or 0: it cannot be made, as if snmp_device_failed() had been called.
 */
size_t snmp_device_write(struct snmp_device *, uint32_t id, uint8_t buf[SNMP_REQUEST_MAX],
    uint8_t **text, int64_t now_ns);
/* What was written has left, or could not: then the poll ends, unless something left before. */
void snmp_device_sent(struct snmp_device *, uint32_t id, int64_t now_ns);
void snmp_device_failed(struct snmp_device *);
/* A datagram of this device with the id of one that was sent; text changes.  at_ns: when it came. */
void snmp_device_answer(struct snmp_device *, uint32_t id, uint8_t *text, size_t n, int64_t at_ns,
    int64_t now_ns);
/* The network says that it cannot be reached: one of the causes of loss. */
void snmp_device_unreachable(struct snmp_device *, enum cause cause);
/* Somebody says so, who may not know: the cause of loss if this poll is not answered. */
void snmp_device_hint(struct snmp_device *, enum cause cause);
/* When time alone brings something (mono); INT64_MAX: never. */
int64_t snmp_device_due(const struct snmp_device *);
/* That time has come.  dropped: our own socket lost datagrams since the poll began. */
void snmp_device_tick(struct snmp_device *, int64_t now_ns, bool dropped);
bool snmp_device_is_idle(const struct snmp_device *);
/* Did a datagram of this poll leave already? */
bool snmp_device_has_sent(const struct snmp_device *);
/* Did it answer, in this poll or in the last that ended? */
enum snmp_life { SNMP_LIVES, SNMP_NEVER_ASKED, SNMP_IS_SILENT };
enum snmp_life snmp_device_life(const struct snmp_device *);
/* What was learnt of the device goes (new credentials); a poll under way ends as LOCAL. */
void snmp_device_reset(struct snmp_device *);
