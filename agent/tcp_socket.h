/*
 * tcp_socket.h - the socket of one connect probe: made as the link wants it,
 * and asked what became of it.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct target;

enum tcp_fate {
	TCP_FATE_PENDING,		/* nothing came back yet */
	TCP_FATE_OPEN,			/* SYN-ACK: connected, be it closed again since */
	TCP_FATE_REFUSED,		/* RST */
	TCP_FATE_FAILED,		/* an error instead; cause says which */
};

struct tcp_news {
	enum tcp_fate fate;
	uint32_t cause;			/* FAILED: enum cause, LOCAL: our own host's */
	int64_t rtt_ns;			/* OPEN: the kernel's, from SYN to SYN-ACK; 0: it has none */
	int64_t ago_ns;			/* OPEN: so long ago it came, to about 4 ms */
	uint32_t resent;		/* OPEN: SYNs that nothing answered */
};

/*
 * A socket with source, device, ttl and dscp of the target, not blocking, that
 * closes with a RST; not connected.  The descriptor, or -errno.
 */
int tcp_socket_new(const struct target *, int family);
/* What became of a connect(). */
void tcp_socket_news(int fd, int family, struct tcp_news *out);
