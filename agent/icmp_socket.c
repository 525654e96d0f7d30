/*
 * icmp_socket.c - raw and ping sockets, the kernel's filter and stamps.
 */
#include "agent/icmp_socket.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* behind the C library's, which they make way for */
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>

#include "common/clock.h"
#include "common/mem.h"

#define BATCH 16			/* packets for one recvmmsg() */
#define PACKET_MAX 9216
#define CONTROL_MAX 512
#define ROUNDS 64			/* batches taken in one drain: the loop has other work */
#define BUFFER_BYTES (4 * 1024 * 1024)
#define STAMPS (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | \
	SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY)

struct icmp_socket {
	int fd;
	bool v6;
	enum icmp_mode mode;
	struct icmp_key key;
	uint32_t next_stamp;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	union { struct cmsghdr align; uint8_t bytes[CONTROL_MAX]; } control[BATCH];
	uint8_t data[BATCH][PACKET_MAX];
};

/* From the IP header on: echo replies with our tag, errors that quote ICMP. */
static int
filter_4(int fd, uint32_t tag)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),			/* X = header length */
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),			/* type */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 8),			/* tag */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tag, 4, 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8 + 9),		/* quoted protocol */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof code[0], .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

/* The same from the ICMPv6 header on. */
static int
filter_6(int fd, uint32_t tag)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_ECHO_REPLY, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tag, 4, 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_DST_UNREACH, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_TIME_EXCEEDED, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8 + 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof code[0], .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

/* Switching it off and on sets the kernel's count of requests to zero. */
static int
stamps_on(struct icmp_socket *s)
{
	int off = 0, on = STAMPS;

	s->next_stamp = 0;
	if (setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPING, &off, sizeof off) != 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof on) != 0)
		return -errno;
	return 0;
}

static int
set_options(struct icmp_socket *s)
{
	int one = 1, bytes = BUFFER_BYTES;
	int level = s->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int rc;

	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	rc = s->mode == ICMP_MODE_RAW ?
	    (s->v6 ? filter_6 : filter_4)(s->fd, s->key.tag) :
	    setsockopt(s->fd, level, s->v6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof one);
	if (rc != 0)
		return -errno;
	return stamps_on(s);
}

static void
prepare_buffers(struct icmp_socket *s)
{
	for (unsigned i = 0; i < BATCH; i++) {
		s->iov[i] = (struct iovec){ .iov_base = s->data[i], .iov_len = PACKET_MAX };
		s->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &s->from[i], .msg_namelen = sizeof s->from[i],
			.msg_iov = &s->iov[i], .msg_iovlen = 1,
			.msg_control = s->control[i].bytes, .msg_controllen = CONTROL_MAX,
		};
	}
}

int
icmp_socket_open(struct icmp_socket **out, bool v6, const struct icmp_key *key, char *why, size_t n)
{
	struct icmp_socket *s = xcalloc(1, sizeof *s);
	int family = v6 ? AF_INET6 : AF_INET, proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int rc, raw_error = 0;

	s->v6 = v6;
	s->key = *key;
	s->mode = ICMP_MODE_RAW;
	s->fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	if (s->fd < 0) {
		raw_error = errno;
		s->mode = ICMP_MODE_PING;
		s->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	}
	rc = s->fd < 0 ? -errno : set_options(s);
	if (rc != 0) {
		snprintf(why, n, "no ICMPv%d socket: raw: %s; ping: %s", v6 ? 6 : 4,
		    raw_error != 0 ? strerror(raw_error) : "opened", strerror(-rc));
		icmp_socket_close(s);
		return rc;
	}
	why[0] = '\0';
	if (raw_error != 0)
		snprintf(why, n, "ICMPv%d: no raw socket (%s), using a ping socket",
		    v6 ? 6 : 4, strerror(raw_error));
	*out = s;
	return 0;
}

void
icmp_socket_close(struct icmp_socket *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

enum icmp_mode
icmp_socket_mode(const struct icmp_socket *s)
{
	return s != NULL ? s->mode : ICMP_MODE_NONE;
}

uint32_t
icmp_socket_drops(struct icmp_socket *s)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof info;

	/* the number that SO_RXQ_OVFL gives, but now and not with some later packet */
	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

static void
set_source(struct msghdr *m, const struct sockaddr *source)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (source->sa_family == AF_INET) {
		struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(c);

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof *info);
		info->ipi_spec_dst = ((const struct sockaddr_in *)source)->sin_addr;
	} else {
		struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(c);

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof *info);
		info->ipi6_addr = ((const struct sockaddr_in6 *)source)->sin6_addr;
	}
	m->msg_controllen = CMSG_SPACE(c->cmsg_len - CMSG_LEN(0));
}

int
icmp_socket_send(struct icmp_socket *s, const void *packet, size_t n, const struct sockaddr *to,
    socklen_t to_len, const struct sockaddr *source, uint32_t *stamp)
{
	union { struct cmsghdr align; uint8_t bytes[64]; } control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = n };
	struct msghdr m = { .msg_name = (void *)to, .msg_namelen = to_len, .msg_iov = &iov,
		.msg_iovlen = 1 };
	int err;

	if (source != NULL) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof control.bytes;
		set_source(&m, source);
	}
	if (sendmsg(s->fd, &m, MSG_DONTWAIT) < 0) {
		err = errno;
		/* a ping socket may hand us the error of an earlier request: once more */
		if (s->mode == ICMP_MODE_RAW || sendmsg(s->fd, &m, MSG_DONTWAIT) < 0) {
			(void)stamps_on(s);	/* did the kernel count it? start afresh */
			return -err;
		}
	}
	*stamp = s->next_stamp++;
	return 0;
}

static int64_t
stamp_of(const struct cmsghdr *c)
{
	struct scm_timestamping ts;

	memcpy(&ts, CMSG_DATA(c), sizeof ts);
	return ts.ts[0].tv_sec * NS_PER_S + ts.ts[0].tv_nsec;
}

static bool
is_extended_error(const struct cmsghdr *c)
{
	return (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
	    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
}

/* From the error queue: a stamp, or (ping sockets) an ICMP error with our request as its data. */
static void
take_error(struct icmp_socket *s, struct msghdr *m, const uint8_t *data, size_t n,
    const struct icmp_receiver *to, void *arg)
{
	struct sock_extended_err ee = { 0 };
	struct icmp_packet p = { 0 };
	int64_t at = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
			at = stamp_of(c);
		else if (is_extended_error(c))
			memcpy(&ee, CMSG_DATA(c), sizeof ee);
	}
	if (ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING) {
		if (at > 0)
			to->left(arg, s->v6, ee.ee_data, at);
		return;
	}
	if (ee.ee_origin != SO_EE_ORIGIN_ICMP && ee.ee_origin != SO_EE_ORIGIN_ICMP6)
		return;
	if (s->v6)
		icmp_wire_parse_6(data, n, &s->key, &p.news);
	else
		icmp_wire_parse_4(data, n, true, &s->key, &p.news);
	p.news.cause = icmp_wire_cause(s->v6, ee.ee_type, ee.ee_code);
	if (p.news.kind != ICMP_NEWS_REQUEST || p.news.cause == 0)
		return;
	p.news.kind = ICMP_NEWS_ERROR;
	to->packet(arg, s->v6, &p);
}

static void
take_packet(struct icmp_socket *s, struct msghdr *m, const struct sockaddr_storage *from,
    const uint8_t *data, size_t n, const struct icmp_receiver *to, void *arg)
{
	struct icmp_packet p = { .from = *from };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
			p.rx_wall_ns = stamp_of(c);
	if (s->v6)
		icmp_wire_parse_6(data, n, &s->key, &p.news);
	else if (s->mode == ICMP_MODE_RAW)
		icmp_wire_parse_ip4(data, n, &s->key, &p.news);
	else
		icmp_wire_parse_4(data, n, true, &s->key, &p.news);
	if (p.news.kind != ICMP_NEWS_NONE && p.news.kind != ICMP_NEWS_REQUEST)
		to->packet(arg, s->v6, &p);
}

static void
drain_queue(struct icmp_socket *s, bool errors, const struct icmp_receiver *to, void *arg)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		int n;

		prepare_buffers(s);
		n = recvmmsg(s->fd, s->msg, BATCH, MSG_DONTWAIT | (errors ? MSG_ERRQUEUE : 0), NULL);
		if (n < 0 && errno == EINTR)
			continue;
		for (int i = 0; i < n; i++) {
			struct msghdr *m = &s->msg[i].msg_hdr;

			if (errors)
				take_error(s, m, s->data[i], s->msg[i].msg_len, to, arg);
			else
				take_packet(s, m, &s->from[i], s->data[i], s->msg[i].msg_len, to,
				    arg);
		}
		if (n < BATCH) {
			if (n < 0 && errno != EAGAIN)
				continue;	/* a pending error of a ping socket: taken by this */
			return;
		}
	}
}

void
icmp_socket_drain(struct icmp_socket *s, const struct icmp_receiver *to, void *arg)
{
	drain_queue(s, true, to, arg);
	drain_queue(s, false, to, arg);
}
