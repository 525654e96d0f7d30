/*
 * tls_queue.h - who has connected and waits for a handshake (pure).
 *
 * Served in turn by address (an IPv6 address counts by its /64), and within one
 * address in the order of coming: ten thousand connections from one place cost
 * everybody else one place in the line.  Bounded: when it is full, the address
 * with the most waiting gives up its newest.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/clock.h"

struct tls_queue;

struct tls_waiting {
	int fd;
	union { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; } addr;
	socklen_t len;
	struct mono since;
};

struct tls_queue *tls_queue_new(size_t max);
void tls_queue_free(struct tls_queue *);	/* empty it first: descriptors are not closed; NULL is allowed */
/* Takes fd in.  true: somebody had to go for it, perhaps fd itself: *out is for the caller to close. */
bool tls_queue_put(struct tls_queue *, int fd, const struct sockaddr *, socklen_t, struct mono now,
    struct tls_waiting *out);
/* Whose turn it is; false: nobody waits. */
bool tls_queue_get(struct tls_queue *, struct tls_waiting *out);
size_t tls_queue_count(const struct tls_queue *);
