/*
 * icmp_socket.h - one socket for all echo requests of a family.
 *
 * Raw where root (or CAP_NET_RAW) permits, with a filter in the kernel that
 * lets pass only replies with our tag and errors about echo requests; else an
 * unprivileged ping socket.  The kernel stamps every packet when it leaves and
 * when it comes (SO_TIMESTAMPING), so that neither a late loop nor a busy host
 * enters an RTT, and both ways many packets cross in one system call.
 *
 * Requests are numbered 0, 1, 2 ... as they are queued, for the life of the
 * socket; everything that the kernel says of one is told under its number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/icmp_wire.h"

#define ICMP_QUEUE 32			/* requests for one sendmmsg() */

enum icmp_mode { ICMP_MODE_NONE = 0, ICMP_MODE_RAW = 1, ICMP_MODE_PING = 2 };

struct icmp_inbox;
struct icmp_socket;

/* How a request is to travel; all zero: as the system does it. */
struct icmp_options {
	bool df;			/* may not be fragmented, nor by a remembered path MTU */
	uint8_t tos, ttl;		/* ttl 0: the system's */
	unsigned device;		/* index of the interface to leave by; 0: by route */
	const struct sockaddr *source;	/* NULL: any; borrowed within the call */
};

struct icmp_packet {
	struct icmp_news news;
	const struct sockaddr *from;	/* of a reply or an error packet; NULL: not known */
	int64_t rx_wall_ns;		/* the kernel's stamp; 0: none */
};

struct icmp_receiver {
	void (*packet)(void *arg, bool v6, const struct icmp_packet *);
	/* Request `number` left at tx_wall_ns. */
	void (*left)(void *arg, bool v6, uint64_t number, int64_t tx_wall_ns);
};

/* 0 or -errno with a line in why; 0 with a line: it is a ping socket, and why. */
int icmp_socket_open(struct icmp_socket **out, bool v6, const struct icmp_key *key,
    char *why, size_t n);
void icmp_socket_close(struct icmp_socket *);	/* and frees; NULL is allowed */
enum icmp_mode icmp_socket_mode(const struct icmp_socket *);	/* NULL: NONE */
/* Datagrams that the kernel dropped for want of room, since open. */
uint32_t icmp_socket_drops(const struct icmp_socket *);

/*
 * Room for a request of n bytes (at most ICMP_WIRE_HEADER + TARGET_SIZE_MAX), to be written before
 * the next call; *number is its own.  NULL: ICMP_QUEUE of them wait, or too many bytes: flush first.
 */
void *icmp_socket_queue(struct icmp_socket *, size_t n, const struct sockaddr *to, socklen_t to_len,
    const struct icmp_options *, uint64_t *number);
/* Requests that wait; they have the numbers up to the last one queued. */
unsigned icmp_socket_waiting(const struct icmp_socket *);
/* Sends them all; failed() is called for each that the kernel refused, with an errno. */
void icmp_socket_flush(struct icmp_socket *,
    void (*failed)(void *arg, bool v6, uint64_t number, int err), void *arg);

/* Buffers for packets of at most n bytes with their IP header; longer ones are not taken. */
struct icmp_inbox *icmp_inbox_new(size_t n);
void icmp_inbox_free(struct icmp_inbox *);	/* NULL is allowed */
/* Hands over all that has come: stamps of requests first, then packets. */
void icmp_socket_drain(struct icmp_socket *, struct icmp_inbox *, const struct icmp_receiver *,
    void *arg);
