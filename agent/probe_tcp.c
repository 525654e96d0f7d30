/*
 * probe_tcp.c - TCP connect time, from SYN to SYN-ACK or RST.
 *
 * A refused connection is a reply of the far stack, told apart by its cause.
 * The RTT of an accepted one is the kernel's own (TCP_INFO), taken at the SYN-ACK, so
 * that a late loop does not enter it; that of a refused one can only be ours.
 * Connections end with a RST, so that no port stays in TIME_WAIT.
 */
#include "agent/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/target.h"
#include "common/mem.h"

#define SLACK_NS NS_PER_MS

struct attempt {
	struct attempt *next;
	struct probe *probe;
	uint64_t token;
	int fd;
	int64_t sent_ns;		/* mono */
	int64_t refused_ns;		/* refused within connect() already, after so long; 0: no */
	struct event *ready;
};

struct tcp_state { struct attempt *out; };

static void
attempt_free(struct attempt *a)
{
	if (a->ready != NULL)
		event_free(a->ready);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

static void
unlink_attempt(struct tcp_state *st, struct attempt *a)
{
	struct attempt **at = &st->out;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
}

/* What the kernel measured, if it is plausible; else what we did. */
static int64_t
connect_rtt(int fd, int64_t ours_ns)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof info;
	int64_t rtt;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return ours_ns;
	rtt = info.tcpi_rtt * NS_PER_US;
	/* the kernel counts from the SYN that was answered; a lost one is not hidden by that */
	if (rtt == 0 || rtt > ours_ns + SLACK_NS || info.tcpi_total_retrans > 0)
		return ours_ns;
	return rtt;
}

static uint32_t
cause_of(int err)
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
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct probe *p = a->probe;
	struct probe_result r = { .token = a->token };
	int64_t ours = clock_mono(p->env->clock).ns - a->sent_ns;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int), peer_len = sizeof peer;
	int err = 0;

	if (a->refused_ns > 0)
		ours = a->refused_ns;
	/* after a long sleep both have happened: the answer counts, not the timer */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (a->refused_ns > 0)
		err = ECONNREFUSED;
	if (err == 0 && getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0)
		err = (what & EV_TIMEOUT) != 0 ? ETIMEDOUT : errno;
	if (err == 0 || err == ECONNREFUSED) {
		r.outcome = PROBE_REPLY;
		r.rtt_ns = err == 0 ? connect_rtt(fd, ours) : ours;
		r.causes = err == 0 ? 0 : CAUSE_BIT(CAUSE_REFUSED);
	} else {
		uint32_t cause = cause_of(err);

		r.outcome = cause == CAUSE_LOCAL ? PROBE_NOT_SENT : PROBE_LOST;
		r.causes = CAUSE_BIT(cause);
	}
	unlink_attempt(p->state, a);
	attempt_free(a);
	p->env->done(p, &r);
}

static int
probe_tcp_open(struct probe *p, char *why, size_t n)
{
	(void)p;
	(void)why;
	(void)n;
	return 0;
}

static void
probe_tcp_close(struct probe *p)
{
	struct tcp_state *st = p->state;

	while (st->out != NULL) {
		struct attempt *a = st->out;

		st->out = a->next;
		attempt_free(a);
	}
}

static int
begin(struct probe *p, struct attempt *a)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int one = 1;

	a->fd = socket(p->to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return -errno;
	(void)setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (p->target->source_len > 0 &&
	    bind(a->fd, (const struct sockaddr *)&p->target->source, p->target->source_len) != 0)
		return -errno;
	a->sent_ns = clock_mono(p->env->clock).ns;
	if (connect(a->fd, (struct sockaddr *)&p->to, p->to_len) == 0 || errno == EINPROGRESS)
		return 0;
	if (errno != ECONNREFUSED)
		return -errno;
	a->refused_ns = clock_mono(p->env->clock).ns - a->sent_ns;
	if (a->refused_ns < 1)
		a->refused_ns = 1;
	return 0;
}

static int
probe_tcp_send(struct probe *p, uint64_t token)
{
	struct tcp_state *st = p->state;
	struct timeval tv = {
		.tv_sec = p->target->timeout_ns / NS_PER_S,
		.tv_usec = p->target->timeout_ns % NS_PER_S / NS_PER_US,
	};
	struct attempt *a = xcalloc(1, sizeof *a);
	int rc;

	a->probe = p;
	a->token = token;
	rc = begin(p, a);
	if (rc == 0) {
		a->ready = event_new(p->env->base, a->fd, EV_WRITE, on_ready, a);
		if (a->ready == NULL || event_add(a->ready, &tv) != 0)
			rc = -ENOMEM;
	}
	if (rc != 0) {
		attempt_free(a);
		return rc;
	}
	if (a->refused_ns > 0)
		event_active(a->ready, EV_WRITE, 1);
	a->next = st->out;
	st->out = a;
	return 0;
}

const struct probe_ops probe_tcp_ops = {
	.kind = PROBE_TCP, .keyword = "tcp", .state_size = sizeof(struct tcp_state),
	.open = probe_tcp_open, .send = probe_tcp_send, .close = probe_tcp_close,
};
