/*
 * probe.h - what every kind of probe promises the agent, and what a sample
 * made of its results means.
 *
 * schedule.c says when to send; a kind (probe_icmp.c, probe_tcp.c,
 * probe_snmp.c) says how; sampler.c adds up.  A new kind is one file and one
 * row in probe.c.
 *
 *  - send() sends one request, or queues it, and returns at once.  0: it has left
 *    the host, or is about to.  -errno: it did not leave; nothing follows.
 *    probe_flush() behind each group of sends lets out what is queued.
 *  - Each send() that returned 0 is answered by at most one done() that carries
 *    its token, from the loop, never inside send() itself.  A request that
 *    nothing answers before its step closes is lost: a kind needs no timer for
 *    that, and a missing reply is never an RTT of zero.
 *  - done() with PROBE_EXTRA may come at any time: duplicates, late replies.
 *  - A REPLY may be followed by one done() with PROBE_MORE and the same token: what
 *    came behind it (TLS).  It belongs to the step of that token, to a later one
 *    if that is closed, and changes neither count.
 *  - close() forgets what is in flight: no done() follows.
 *  - Nothing here blocks.
 *
 * What the sample of a step says (struct sample in model.h):
 *
 *   sent        requests that left this host and whose fate we can tell
 *   rtt_count   those answered within the timeout, each with its RTT
 *   lost        = sent - rtt_count, and each lost one has exactly one cause out
 *               of TIMEOUT, NET_UNREACHABLE, HOST_UNREACHABLE, PORT_UNREACHABLE,
 *               PROHIBITED, TTL_EXCEEDED, TOO_BIG
 *   beside      causes that do not change the two counts:
 *               REFUSED      answered by a RST: the RTT is there and counts as a
 *                            reply of the far stack; the service is not
 *               TLS          connected, so the RTT is there and counts as a reply;
 *                            but no TLS handshake followed within 7/8 of the
 *                            timeout (counted from the SYN): the service is not
 *               DUPLICATE, LATE_REPLY (its request was already lost: TIMEOUT)
 *               NOT_SENT, RESOLVE, LOCAL  requests that are not in `sent`: we
 *                            could not send, or cannot tell what became of them
 *                            (TOO_BIG too: it did not fit our own interface)
 *               SNMP_AUTH, SNMP_NO_OBJECT, SNMP_ERROR  the device did answer
 *                            (sent 1, rtt_count 1) but not with what was asked
 *               DISCONTINUITY, REBOOT  it answered; the values lack rates
 *   flags       LATE: some request left later than planned or was left out for
 *               that; NOT_OBSERVED: sent is 0, no verdict; SOCKET_DROPS: our own
 *               socket overflowed: unanswered requests stand under LOCAL, not
 *               in `sent`; CLOCK_JUMP: wall clock moved in the step; BURST: two
 *               requests left closer than half of their distance
 *
 * An snmp step is one sample with sent 1: the RTT is that of its first request.
 *
 * Values of a tcp step with tls are those of the last handshake of the step that
 * came to its end: TLS_S, from the moment at which the loop knew of the connect
 * to the last byte of the handshake, our own arithmetic included; CERT_DAYS, to
 * the notAfter of the server's certificate, negative behind it, in fractions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/model.h"
#include "common/rng.h"

struct event_base;
struct icmp;
struct probe;
struct snmp_worker;
struct target;
struct tcp_engine;

enum probe_outcome {
	PROBE_REPLY,			/* rtt_ns holds; causes: what came beside */
	PROBE_LOST,			/* it left; causes: one bit, why no reply */
	PROBE_NOT_SENT,			/* it turned out that it did not leave */
	PROBE_EXTRA,			/* causes only: DUPLICATE, LATE_REPLY */
	PROBE_MORE,			/* behind a REPLY: causes and values */
};

#define CAUSE_BIT(c) (UINT32_C(1) << (c))

struct probe_result {
	uint64_t token;			/* as given to send(); of no use in an EXTRA */
	enum probe_outcome outcome;
	uint32_t causes;		/* CAUSE_BIT() of each */
	int error;			/* errno of a NOT_SENT; 0: not known */
	int64_t rtt_ns;			/* > 0 in a REPLY */
	uint32_t values;		/* so many of value[] hold: snmp; tcp in a MORE */
	struct sample_value value[SAMPLE_VALUES];
};

/* What the kinds share; owned by the agent, outlives every probe. */
struct probe_env {
	struct event_base *base;
	const struct clock *clock;
	struct rng *rng;
	struct icmp *icmp;		/* NULL: no socket could be had */
	struct snmp_worker *snmp;	/* NULL: none wanted */
	struct tcp_engine *tcp;		/* NULL at first: made and ended by the tcp probes */
	/* A result, from the loop.  May not close the probe. */
	void (*done)(struct probe *p, const struct probe_result *r);
};

struct probe_ops {
	uint32_t kind;			/* enum probe_kind */
	const char *keyword;		/* in links.yaml, such as "tcp" */
	size_t state_size;
	/* 0, or -errno with a line in why: this link cannot be probed. */
	int (*open)(struct probe *p, char *why, size_t n);
	int (*send)(struct probe *p, uint64_t token);
	void (*close)(struct probe *p);
};

/* Where requests go: no larger than it must be, since there may be 50,000 of them. */
union probe_address { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; };

struct probe {
	const struct probe_ops *ops;
	struct probe_env *env;		/* borrowed */
	const struct target *target;	/* borrowed, outlives the probe */
	union probe_address to;		/* where to send; set before send() */
	socklen_t to_len;		/* 0: no address yet */
	void *owner;			/* of the caller of probe_open() */
	void *state;			/* state_size zeroed bytes, owned */
};

extern const struct probe_ops probe_icmp_ops, probe_tcp_ops, probe_snmp_ops;

/* The row of a kind, or NULL. */
const struct probe_ops *probe_ops_find(uint32_t kind);

/* Makes *p ready for target; on error *p needs no probe_close(). */
int probe_open(struct probe *p, struct probe_env *env, const struct target *target, void *owner,
    char *why, size_t n);
/* Lets out what send() of any probe of this environment has queued; done() may come from here. */
void probe_flush(const struct probe_env *env);
/* Ends it: no result follows.  A zeroed *p is allowed. */
void probe_close(struct probe *p);
