/*
 * snmp_socket.c - sending and receiving in batches.
 */
#include "agent/snmp_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (1024 * 1024)		/* asked for; the kernel may give less */
#define CONTROL 256

static void
set(int fd, int level, int option, int value)
{
	/* none of these is needed to measure at all */
	(void)setsockopt(fd, level, option, &value, sizeof value);
}

int
snmp_socket_open(int family, const struct sockaddr *source, socklen_t source_len)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	} else {
		set(fd, IPPROTO_IP, IP_RECVERR, 1);
	}
	if (source_len == 0 || bind(fd, source, source_len) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int
snmp_socket_send(int fd, const struct snmp_parcel *parcel, size_t n)
{
	struct mmsghdr message[SNMP_SOCKET_BATCH];
	struct iovec iov[SNMP_SOCKET_BATCH];
	int sent;

	if (n > SNMP_SOCKET_BATCH)
		n = SNMP_SOCKET_BATCH;
	for (size_t i = 0; i < n; i++) {
		iov[i] = (struct iovec){ parcel[i].text, parcel[i].n };
		message[i].msg_hdr = (struct msghdr){ .msg_name = (void *)&parcel[i].address,
			.msg_namelen = parcel[i].address_len, .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	do
		sent = sendmmsg(fd, message, (unsigned)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* What the kernel says beside a datagram: its stamp, and what was lost. */
static void
read_control(struct msghdr *m, int64_t *stamp_ns, uint32_t *drops)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof t);
			*stamp_ns = (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
		} else if (c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(drops, CMSG_DATA(c), sizeof *drops);
		}
	}
}

size_t
snmp_socket_receive(int fd, const struct clock *clock, struct snmp_parcel *parcel,
    uint32_t *drops)
{
	struct mmsghdr message[SNMP_SOCKET_BATCH];
	struct iovec iov[SNMP_SOCKET_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[SNMP_SOCKET_BATCH][CONTROL];
	int64_t mono, wall;
	int n;

	for (size_t i = 0; i < SNMP_SOCKET_BATCH; i++) {
		iov[i] = (struct iovec){ parcel[i].text, SNMP_ANSWER_MAX };
		message[i].msg_hdr = (struct msghdr){ .msg_name = &parcel[i].address,
			.msg_namelen = sizeof parcel[i].address, .msg_iov = &iov[i],
			.msg_iovlen = 1, .msg_control = control[i], .msg_controllen = CONTROL };
	}
	n = recvmmsg(fd, message, SNMP_SOCKET_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	mono = clock_mono(clock).ns;
	wall = clock_wall(clock).ns;
	for (int i = 0; i < n; i++) {
		int64_t stamp = wall, age;

		read_control(&message[i].msg_hdr, &stamp, drops);
		age = wall - stamp;
		parcel[i].n = message[i].msg_len;
		parcel[i].address_len = message[i].msg_hdr.msg_namelen;
		parcel[i].at_ns = age > 0 ? mono - age : mono;	/* < 0: the clock was set */
	}
	return (size_t)n;
}

/* Causes of loss by type and code of an ICMP message. */
static enum cause
icmp_cause(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6) {
		if (e->ee_type == ICMP6_TIME_EXCEEDED)
			return CAUSE_TTL_EXCEEDED;
		if (e->ee_type != ICMP6_DST_UNREACH)
			return CAUSE_NONE;
		return e->ee_code == ICMP6_DST_UNREACH_NOPORT ? CAUSE_PORT_UNREACHABLE :
		    e->ee_code == ICMP6_DST_UNREACH_NOROUTE ? CAUSE_NET_UNREACHABLE :
		    e->ee_code == ICMP6_DST_UNREACH_ADDR ? CAUSE_HOST_UNREACHABLE :
		    CAUSE_PROHIBITED;
	}
	if (e->ee_origin != SO_EE_ORIGIN_ICMP)
		return e->ee_errno == EHOSTUNREACH ? CAUSE_HOST_UNREACHABLE : CAUSE_NONE;
	if (e->ee_type == ICMP_TIME_EXCEEDED)
		return CAUSE_TTL_EXCEEDED;
	if (e->ee_type != ICMP_DEST_UNREACH)
		return CAUSE_NONE;
	switch (e->ee_code) {
	case ICMP_PORT_UNREACH:
		return CAUSE_PORT_UNREACHABLE;
	case ICMP_NET_UNREACH:
	case ICMP_NET_UNKNOWN:
	case ICMP_NET_UNR_TOS:
		return CAUSE_NET_UNREACHABLE;
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
	case ICMP_PREC_VIOLATION:
	case ICMP_PREC_CUTOFF:
		return CAUSE_PROHIBITED;
	case ICMP_FRAG_NEEDED:
		return CAUSE_NONE;
	}
	return CAUSE_HOST_UNREACHABLE;
}

bool
snmp_socket_error(int fd, struct snmp_parcel *p, enum cause *cause)
{
	_Alignas(struct cmsghdr) uint8_t control[512];
	struct iovec iov = { p->text, p->n };
	struct msghdr m = { .msg_name = &p->address, .msg_namelen = sizeof p->address,
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	struct sock_extended_err e;

	if (n < 0)
		return false;
	*cause = CAUSE_NONE;
	p->n = (size_t)n;
	p->address_len = m.msg_namelen;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		*cause = icmp_cause(&e);
	}
	return true;
}

bool
snmp_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	    memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0 &&
	    (a6->sin6_scope_id == b6->sin6_scope_id || a6->sin6_scope_id == 0 ||
	    b6->sin6_scope_id == 0);
}
