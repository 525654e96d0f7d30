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

#define INBOX 64			/* packets for one recvmmsg() */
#define ROUNDS 64			/* of them in one drain: the loop has other work */
#define ARENA (64 * 1024)		/* bytes of waiting requests */
#define CONTROL_OUT 96			/* source and device, class of service, hops */
#define CONTROL_IN 192			/* a stamp and an extended error */
#define RECEIVE_BYTES (4 * 1024 * 1024)
#define SEND_BYTES (1024 * 1024)
#define STAMPS (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | \
	SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY)

union address { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; };

struct waiting {
	struct iovec iov;
	union address to;
	bool df;
	union { struct cmsghdr align; uint8_t bytes[CONTROL_OUT]; } control;
};

struct icmp_socket {
	int fd;
	bool v6, df;			/* df: as it is set at present */
	enum icmp_mode mode;
	struct icmp_key key;
	uint64_t next;			/* number of the next request */
	uint64_t base;			/* number that the kernel counts as 0 */
	uint64_t stamped;		/* stamps that are still to come, at most */
	unsigned waiting;
	size_t used;			/* of the arena */
	struct waiting wait[ICMP_QUEUE];
	struct mmsghdr msg[ICMP_QUEUE];
	uint8_t arena[ARENA];
};

struct icmp_inbox {
	size_t size;			/* of a packet */
	struct mmsghdr msg[INBOX];
	struct iovec iov[INBOX];
	union address from[INBOX];
	union { struct cmsghdr align; uint8_t bytes[CONTROL_IN]; } control[INBOX];
	uint8_t data[];			/* INBOX * size */
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
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tag, 5, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_DST_UNREACH, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6_PACKET_TOO_BIG, 1, 0),
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
stamps_on(struct icmp_socket *s, uint64_t base)
{
	int off = 0, on = STAMPS;

	s->base = base;
	if (setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPING, &off, sizeof off) != 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof on) != 0)
		return -errno;
	return 0;
}

static void
set_room(int fd, int force, int plain, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

static int
set_options(struct icmp_socket *s)
{
	int one = 1, level = s->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int rc;

	set_room(s->fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BYTES);
	set_room(s->fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BYTES);
	rc = s->mode == ICMP_MODE_RAW ?
	    (s->v6 ? filter_6 : filter_4)(s->fd, s->key.tag) :
	    setsockopt(s->fd, level, s->v6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof one);
	if (rc != 0)
		return -errno;
	return stamps_on(s, 0);
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
icmp_socket_drops(const struct icmp_socket *s)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof info;

	/* the number that SO_RXQ_OVFL gives, but now and not with some later packet */
	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

/* ------------------------------------------------------------------ requests */

/* Adds one control message; *c is where. */
static void
add_control(struct msghdr *m, struct cmsghdr **c, int level, int type, const void *data, size_t n)
{
	(*c)->cmsg_level = level;
	(*c)->cmsg_type = type;
	(*c)->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(*c), data, n);
	m->msg_controllen += CMSG_SPACE(n);
	*c = (struct cmsghdr *)((uint8_t *)*c + CMSG_SPACE(n));
}

static void
add_options(bool v6, struct msghdr *m, struct waiting *w, const struct icmp_options *o)
{
	struct cmsghdr *c = &w->control.align;
	int tos = o->tos, ttl = o->ttl;

	m->msg_control = w->control.bytes;
	m->msg_controllen = 0;
	if ((o->source != NULL || o->device != 0) && v6) {
		struct in6_pktinfo info = { .ipi6_ifindex = o->device };

		if (o->source != NULL)
			info.ipi6_addr = ((const struct sockaddr_in6 *)o->source)->sin6_addr;
		add_control(m, &c, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	} else if (o->source != NULL || o->device != 0) {
		struct in_pktinfo info = { .ipi_ifindex = (int)o->device };

		if (o->source != NULL)
			info.ipi_spec_dst = ((const struct sockaddr_in *)o->source)->sin_addr;
		add_control(m, &c, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	}
	if (tos != 0)
		add_control(m, &c, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos,
		    sizeof tos);
	if (ttl != 0)
		add_control(m, &c, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, &ttl,
		    sizeof ttl);
	if (m->msg_controllen == 0)
		m->msg_control = NULL;
}

void *
icmp_socket_queue(struct icmp_socket *s, size_t n, const struct sockaddr *to, socklen_t to_len,
    const struct icmp_options *options, uint64_t *number)
{
	struct waiting *w = &s->wait[s->waiting];
	struct msghdr *m = &s->msg[s->waiting].msg_hdr;

	if (s->waiting == ICMP_QUEUE || n > ARENA - s->used)
		return NULL;
	memcpy(&w->to, to, to_len);
	w->iov = (struct iovec){ .iov_base = s->arena + s->used, .iov_len = n };
	w->df = options->df;
	*m = (struct msghdr){ .msg_name = &w->to, .msg_namelen = to_len, .msg_iov = &w->iov,
		.msg_iovlen = 1 };
	add_options(s->v6, m, w, options);
	s->used += (n + 7) & ~(size_t)7;
	if (s->used > ARENA)
		s->used = ARENA;
	s->waiting++;
	*number = s->next++;
	return w->iov.iov_base;
}

unsigned
icmp_socket_waiting(const struct icmp_socket *s)
{
	return s->waiting;
}

/* Whether a request may be fragmented is a matter of the socket, not of the message. */
static void
set_df(struct icmp_socket *s, bool df)
{
	int how = s->v6 ? (df ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT) :
	    (df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT);

	if (df == s->df)
		return;
	s->df = df;
	(void)setsockopt(s->fd, s->v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    s->v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &how, sizeof how);
}

/* How many of those from `first` on can go in one call. */
static unsigned
run_of(const struct icmp_socket *s, unsigned first)
{
	unsigned n = 1;

	while (first + n < s->waiting && s->wait[first + n].df == s->wait[first].df)
		n++;
	return n;
}

void
icmp_socket_flush(struct icmp_socket *s, void (*failed)(void *arg, bool v6, uint64_t number,
    int err), void *arg)
{
	uint64_t first = s->next - s->waiting;
	unsigned i = 0;
	bool again = false;

	while (i < s->waiting) {
		int n, err;

		set_df(s, s->wait[i].df);
		n = sendmmsg(s->fd, s->msg + i, run_of(s, i), MSG_DONTWAIT);
		if (n > 0) {
			i += (unsigned)n;
			s->stamped += (unsigned)n;
			again = false;
			continue;
		}
		err = errno;
		/* a ping socket may hand us the error of an earlier request: once more */
		if (err == EINTR || (s->mode == ICMP_MODE_PING && !again)) {
			again = err != EINTR;
			continue;
		}
		again = false;
		(void)stamps_on(s, first + i + 1);	/* did the kernel count it? start afresh */
		failed(arg, s->v6, first + i, err);
		i++;
	}
	s->waiting = 0;
	s->used = 0;
}

/* -------------------------------------------------------------------- replies */

struct icmp_inbox *
icmp_inbox_new(size_t n)
{
	struct icmp_inbox *in = xcalloc(1, sizeof *in + INBOX * n);

	in->size = n;
	for (unsigned i = 0; i < INBOX; i++) {
		in->iov[i] = (struct iovec){ .iov_base = in->data + i * n, .iov_len = n };
		in->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &in->from[i], .msg_iov = &in->iov[i], .msg_iovlen = 1,
			.msg_control = in->control[i].bytes,
		};
	}
	return in;
}

void
icmp_inbox_free(struct icmp_inbox *in)
{
	free(in);
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

/* An error that quotes the header of a request alone: the kernel knows where that went. */
static bool
short_error(const struct icmp_socket *s, const struct msghdr *m, const uint8_t *data, size_t n,
    struct icmp_news *out)
{
	const union address *to = m->msg_name;

	if (n < ICMP_WIRE_HEADER || n >= ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE ||
	    to->sa.sa_family != (s->v6 ? AF_INET6 : AF_INET))
		return false;
	out->kind = ICMP_NEWS_ERROR_SHORT;
	out->request.seq = (uint16_t)(data[6] << 8 | data[7]);
	out->quoted_to = s->v6 ? (const uint8_t *)&to->in6.sin6_addr :
	    (const uint8_t *)&to->in.sin_addr;
	return true;
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
		uint32_t low = (uint32_t)s->base + ee.ee_data;

		s->stamped -= s->stamped > 0;
		if (at > 0)	/* the kernel counts in 32 bits */
			to->left(arg, s->v6, s->next - (uint32_t)((uint32_t)s->next - low), at);
		return;
	}
	if (ee.ee_origin != SO_EE_ORIGIN_ICMP && ee.ee_origin != SO_EE_ORIGIN_ICMP6)
		return;
	if (s->v6)
		icmp_wire_parse_6(data, n, &s->key, &p.news);
	else
		icmp_wire_parse_4(data, n, true, &s->key, &p.news);
	p.news.cause = icmp_wire_cause(s->v6, ee.ee_type, ee.ee_code);
	if (p.news.cause == 0)
		return;
	if (p.news.kind == ICMP_NEWS_REQUEST)
		p.news.kind = ICMP_NEWS_ERROR;
	else if (!short_error(s, m, data, n, &p.news))
		return;
	to->packet(arg, s->v6, &p);
}

static void
take_packet(struct icmp_socket *s, struct msghdr *m, const uint8_t *data, size_t n,
    const struct icmp_receiver *to, void *arg)
{
	struct icmp_packet p = { .from = m->msg_name };

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

/* Takes at most INBOX messages; false: there are no more. */
static bool
drain_some(struct icmp_socket *s, struct icmp_inbox *in, bool errors,
    const struct icmp_receiver *to, void *arg)
{
	int n;

	for (unsigned i = 0; i < INBOX; i++) {
		in->msg[i].msg_hdr.msg_namelen = sizeof in->from[i];
		in->msg[i].msg_hdr.msg_controllen = CONTROL_IN;
	}
	n = recvmmsg(s->fd, in->msg, INBOX, MSG_DONTWAIT | (errors ? MSG_ERRQUEUE : 0), NULL);
	for (int i = 0; i < n; i++) {
		struct msghdr *m = &in->msg[i].msg_hdr;
		const uint8_t *data = in->iov[i].iov_base;

		if (errors)
			take_error(s, m, data, in->msg[i].msg_len, to, arg);
		else if ((m->msg_flags & MSG_TRUNC) == 0)
			take_packet(s, m, data, in->msg[i].msg_len, to, arg);
	}
	/* another error than "empty" is a pending one of a ping socket: taken by this */
	return n == INBOX || (n < 0 && errno != EAGAIN);
}

void
icmp_socket_drain(struct icmp_socket *s, struct icmp_inbox *in, const struct icmp_receiver *to,
    void *arg)
{
	unsigned round = 0;

	if (s->stamped > 0 || s->mode == ICMP_MODE_PING)
		while (drain_some(s, in, true, to, arg) && ++round < ROUNDS)
			continue;
	round = 0;
	while (drain_some(s, in, false, to, arg) && ++round < ROUNDS)
		continue;
}
