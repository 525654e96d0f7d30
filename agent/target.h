/*
 * target.h - what one link measures, checked (pure).
 *
 * A plan comes from a peer: whatever it says is held against limits here,
 * before anything is allocated by it or sent because of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/linkwatch.pb-c.h"
#include "common/model.h"

#define TARGET_HOST_MAX 253
#define TARGET_SIZE_MIN 24		/* ICMP payload: our cookie must fit */
#define TARGET_SIZE_MAX 8952
#define TARGET_OIDS_MAX 16		/* ROLE_OID0 .. ROLE_MAX */

/* A named object of a device: what it is told as. */
struct target_oid {
	char *oid;
	uint32_t type;			/* enum oid_type */
	double scale;
};

struct target {
	char id[ID_MAX + 1];
	uint32_t kind;			/* enum probe_kind */
	char *host;			/* name or address literal */
	uint16_t port;			/* tcp, snmp */
	int64_t step_ns, timeout_ns;
	uint32_t count;			/* requests in a step; 1 for snmp */
	uint32_t size;			/* ICMP payload */
	int family;			/* AF_UNSPEC, AF_INET, AF_INET6 */
	bool df;			/* icmp: may not be fragmented */
	uint8_t dscp, ttl;		/* icmp, tcp; ttl 0: the system's */
	char device[16];		/* icmp, tcp: interface to leave by; "": any */
	bool tls;			/* tcp: shake hands too */
	char *server_name;		/* tcp with tls; NULL: host, if it is a name */
	char *credential, *interface;	/* snmp; NULL: none */
	char *alias;			/* snmp: pattern of ifAlias; NULL: none */
	bool host_values;		/* snmp: CPU, memory, storage */
	struct target_oid *oid;
	size_t oids;
	struct sockaddr_storage source;	/* source_len 0: any */
	socklen_t source_len;
};

/* 0 with *out (target_fini() frees what it holds), or -EINVAL with a line in why. */
int target_init(struct target *out, const Linkwatch__Pb__Link *link, char *why, size_t n);
void target_fini(struct target *);	/* a zeroed one is allowed */
/* Would both be probed in just the same way, under the same name? */
bool target_equal(const struct target *, const struct target *);
/* Is host an address literal?  Then *out and the length of it, else 0. */
socklen_t target_literal(const char *host, uint16_t port, struct sockaddr_storage *out);
/* Most packets in a second that it asks for, times 1000. */
uint64_t target_mpps(const struct target *);
