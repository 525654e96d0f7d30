/*
 * icmp_socket.h - one socket for all echo requests of a family.
 *
 * Raw where root (or CAP_NET_RAW) permits, with a filter in the kernel that
 * lets pass only replies with our tag and errors about echo requests; else an
 * unprivileged ping socket.  The kernel stamps every packet when it leaves and
 * when it comes (SO_TIMESTAMPING), so that neither a late loop nor a busy host
 * enters an RTT.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "agent/icmp_wire.h"

enum icmp_mode { ICMP_MODE_NONE = 0, ICMP_MODE_RAW = 1, ICMP_MODE_PING = 2 };

struct icmp_socket;

struct icmp_packet {
	struct icmp_news news;
	struct sockaddr_storage from;	/* of a reply or an error packet */
	int64_t rx_wall_ns;		/* the kernel's stamp; 0: none */
};

struct icmp_receiver {
	void (*packet)(void *arg, bool v6, const struct icmp_packet *);
	/* Request number stamp (see icmp_socket_send()) left at tx_wall_ns. */
	void (*left)(void *arg, bool v6, uint32_t stamp, int64_t tx_wall_ns);
};

/* 0 or -errno with a line in why. */
int icmp_socket_open(struct icmp_socket **out, bool v6, const struct icmp_key *key,
    char *why, size_t n);
void icmp_socket_close(struct icmp_socket *);	/* and frees; NULL is allowed */
enum icmp_mode icmp_socket_mode(const struct icmp_socket *);	/* NULL: NONE */
/* Datagrams that the kernel dropped for want of room, since open. */
uint32_t icmp_socket_drops(struct icmp_socket *);
/* 0 with the number under which the kernel will tell when it left, or -errno. */
int icmp_socket_send(struct icmp_socket *, const void *packet, size_t n,
    const struct sockaddr *to, socklen_t to_len, const struct sockaddr *source, uint32_t *stamp);
/* Hands over all that has come: stamps of requests first, then packets. */
void icmp_socket_drain(struct icmp_socket *, const struct icmp_receiver *, void *arg);
