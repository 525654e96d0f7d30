/*
 * snmp_socket.h - one UDP socket for all devices of a family and source address.
 *
 * It is not connected; who answered is checked by the caller.  The kernel's
 * stamp says when a datagram came, so that a busy loop does not enter an RTT.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/snmp_message.h"
#include "common/clock.h"
#include "common/model.h"

#define SNMP_SOCKET_BATCH 32

union snmp_address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };

/* A datagram, out or in. */
struct snmp_parcel {
	union snmp_address address;
	socklen_t address_len;
	uint8_t *text;
	size_t n;
	int64_t at_ns;			/* mono: when it came */
};

/* source_len 0: any.  A descriptor, or -errno. */
int snmp_socket_open(int family, const struct sockaddr *source, socklen_t source_len);
/* How many of n left; if none, -errno of the first (-EAGAIN, -ENOBUFS: later). */
int snmp_socket_send(int fd, const struct snmp_parcel *parcel, size_t n);
/*
 * Up to SNMP_SOCKET_BATCH that wait, each with SNMP_ANSWER_MAX bytes of room at text; returns how
 * many.  *drops: what the socket has lost so far, left alone if that is not told.
 */
size_t snmp_socket_receive(int fd, const struct clock *clock, struct snmp_parcel *parcel,
    uint32_t *drops);
/*
 * The next message of the network about a datagram of ours: false: none.  p->address: where it went
 * to; *cause: CAUSE_NONE if it is none of loss; p->text: how it began, as far as that came back, in
 * the room of p->n bytes given.
 */
bool snmp_socket_error(int fd, struct snmp_parcel *p, enum cause *cause);
/* Same host and port? */
bool snmp_same_address(const struct sockaddr *a, const struct sockaddr *b);
