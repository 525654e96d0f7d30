/*
 * tcp_socket.c - options, TCP_INFO and the error queue of a connect probe.
 *
 * The kernel's tcpi_rtt after the handshake is the one sample that it has: the
 * time from the SYN's departure to the SYN-ACK's arrival in microseconds, exact
 * however late we look.  Of a SYN that was sent again it has none of use (it
 * may not know which one was answered, or counts from the second).
 *
 * A RST leaves no such figure.  ICMP errors come with type and code through the
 * error queue; without it the kernel folds most of them into "no route to host".
 */
#include "agent/tcp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "agent/icmp_wire.h"
#include "agent/target.h"
#include "common/clock.h"
#include "common/model.h"

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* What the link asks for beyond the system's own ways. */
static int
set_options(int fd, const struct target *t, bool v6)
{
	int rc = 0;

	if (t->ttl != 0)
		rc = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, t->ttl) :
		    set_int(fd, IPPROTO_IP, IP_TTL, t->ttl);
	if (rc == 0 && t->dscp != 0)
		rc = v6 ? set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, t->dscp << 2) :
		    set_int(fd, IPPROTO_IP, IP_TOS, t->dscp << 2);
	if (rc == 0 && t->device[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE,
	    t->device, (socklen_t)strlen(t->device)) != 0)
		rc = -errno;
	if (rc == 0 && t->source_len > 0) {
		/* the port is chosen by connect(): one port may serve many destinations */
		(void)set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		if (bind(fd, (const struct sockaddr *)&t->source, t->source_len) != 0)
			rc = -errno;
	}
	return rc;
}

int
tcp_socket_new(const struct target *t, int family)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	bool v6 = family == AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)set_int(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, 1);
	rc = set_options(fd, t, v6);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* The cause of the ICMP error that ended it; CAUSE_NONE: none did. */
static uint32_t
icmp_cause(int fd, bool v6)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct sock_extended_err) +
		    sizeof(struct sockaddr_in6)) + 64];
	} control;
	struct msghdr msg = { .msg_control = control.buf, .msg_controllen = sizeof control.buf };

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return CAUSE_NONE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		struct sock_extended_err e;

		if (c->cmsg_level != (v6 ? IPPROTO_IPV6 : IPPROTO_IP) ||
		    c->cmsg_type != (v6 ? IPV6_RECVERR : IP_RECVERR) ||
		    c->cmsg_len < CMSG_LEN(sizeof e))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		if (e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6)
			return icmp_wire_cause(v6, e.ee_type, e.ee_code);
	}
	return CAUSE_NONE;
}

static uint32_t
errno_cause(int err)
{
	switch (err) {
	case ENETUNREACH:
		return CAUSE_NET_UNREACHABLE;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		return CAUSE_HOST_UNREACHABLE;
	case EACCES:
	case EPERM:
		return CAUSE_PROHIBITED;
	case ENOPROTOOPT:
		return CAUSE_PORT_UNREACHABLE;
	case ETIMEDOUT:
		return CAUSE_TIMEOUT;
	}
	return CAUSE_LOCAL;
}

static void
open_news(const struct tcp_info *info, struct tcp_news *out)
{
	out->fate = TCP_FATE_OPEN;
	out->resent = info->tcpi_total_retrans;
	out->rtt_ns = out->resent == 0 ? info->tcpi_rtt * NS_PER_US : 0;
	out->ago_ns = info->tcpi_last_ack_recv * NS_PER_MS;
}

void
tcp_socket_news(int fd, int family, struct tcp_news *out)
{
	struct tcp_info info;
	socklen_t len = sizeof info, err_len = sizeof(int);
	int err = 0;

	*out = (struct tcp_news){ .fate = TCP_FATE_FAILED, .cause = CAUSE_LOCAL };
	memset(&info, 0, sizeof info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return;
	if (info.tcpi_state == TCP_SYN_SENT) {
		/* the kernel only notes an ICMP error that meets it inside of connect() */
		out->cause = icmp_cause(fd, family == AF_INET6);
		if (out->cause == CAUSE_NONE)
			out->fate = TCP_FATE_PENDING;
		return;
	}
	if (info.tcpi_state != TCP_CLOSE) {
		open_news(&info, out);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) != 0)
		err = errno;
	/* it stood, and is gone already */
	if (err == 0 || err == ECONNRESET || err == EPIPE) {
		open_news(&info, out);
		return;
	}
	out->cause = icmp_cause(fd, family == AF_INET6);
	if (out->cause == CAUSE_NONE && err == ECONNREFUSED)
		out->fate = TCP_FATE_REFUSED;
	else if (out->cause == CAUSE_NONE)
		out->cause = errno_cause(err);
}
