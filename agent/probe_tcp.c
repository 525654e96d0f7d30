/*
 * probe_tcp.c - TCP connect time, from SYN to SYN-ACK or RST, and the TLS
 * handshake behind it.
 *
 * A refused connection is a reply of the far stack, told apart by its cause.
 * The RTT of an accepted one is the kernel's own, so that neither a late loop
 * nor many in flight enter it.  That of a refused one is ours: it ends when
 * the loop learns of it.  So does one whose SYN had to be sent again, counted
 * from the first: what was lost is not hidden.
 *
 * Connections end with a RST, so that no port stays in TIME_WAIT.  One that
 * shook hands takes its leave first, and lets the server close, so that it has
 * nothing to complain of.
 */
#include "agent/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/handshake.h"
#include "agent/target.h"
#include "agent/tcp_engine.h"
#include "agent/tcp_socket.h"
#include "common/log.h"
#include "common/mem.h"

#define SLACK_NS NS_PER_MS
#define LAG_NS (10 * NS_PER_MS)		/* no timer of a loop that runs is so late */
#define LEAVE_NS NS_PER_S
#define DAY_S 86400.0
#define TELL_TLS 4			/* lines of a link in a minute */

struct tcp_state {
	struct attempts out;
	char *server_name;		/* owned; NULL: ask for none */
	bool told_tls;
};

/* It may not be touched any more.  keep: its socket may serve again. */
static void
end(struct attempt *a, bool keep)
{
	LIST_REMOVE(a, mine);
	handshake_free(a->handshake);
	tcp_engine_end(a->probe->env->tcp, a, keep);
}

/* What an attempt came to, and its end. */
static void
finish(struct attempt *a, bool keep, const struct probe_result *r)
{
	struct probe *p = a->probe;

	end(a, keep);
	p->env->done(p, r);
}

/* ------------------------------------------------------------ the handshake */

static void
tell_tls(struct probe *p, const char *why)
{
	struct tcp_state *st = p->state;
	char key[48];			/* the far side may change its mind with each request */

	snprintf(key, sizeof key, "tls of %.39s", p->target->id);
	if (why == NULL && st->told_tls)
		log_limited(LOG_NOTICE, key, TELL_TLS, "link=%s: shakes hands by TLS again",
		    p->target->id);
	else if (why != NULL && !st->told_tls)
		log_limited(LOG_WARNING, key, TELL_TLS, "link=%s: connected, but no TLS: %s",
		    p->target->id, why);
	st->told_tls = why != NULL;
}

/* Its result, and then its leave: the far side has LEAVE_NS to close. */
static void
shaken(struct attempt *a, struct probe_result *r)
{
	struct probe *p = a->probe;
	/* the clock again: our own part of the arithmetic is a part of the handshake */
	struct mono now = clock_mono(p->env->clock);
	int64_t took = now.ns - a->shake_ns, end_s;

	r->value[r->values++] = (struct sample_value){ .role = ROLE_TLS_S,
		.value = (double)took / NS_PER_S };
	if (handshake_cert_end(a->handshake, &end_s))
		r->value[r->values++] = (struct sample_value){ .role = ROLE_CERT_DAYS,
			.value = ((double)end_s - (double)clock_wall(p->env->clock).ns /
			    NS_PER_S) / DAY_S };
	handshake_leave(a->handshake, a->fd);
	tell_tls(p, NULL);
	a->leaves = !handshake_is_left(a->handshake, a->fd);
	if (a->leaves)
		tcp_engine_until(p->env->tcp, a, now.ns + LEAVE_NS, now);
	else
		end(a, false);
	p->env->done(p, r);
}

static void
shake(struct attempt *a, bool expired)
{
	struct probe_result r = { .token = a->token, .outcome = PROBE_MORE };
	int rc = handshake_go(a->handshake, a->fd);

	if (rc == 0) {
		shaken(a, &r);
	} else if (rc != -EAGAIN || expired) {
		r.causes = CAUSE_BIT(CAUSE_TLS);
		tell_tls(a->probe, rc == -EAGAIN ? "no answer in time" :
		    handshake_why(a->handshake));
		finish(a, false, &r);
	}
}

/* The loop came late: what the far side did in time was perhaps just read.  One chance more. */
static bool
second_chance(struct attempt *a, int64_t lag_ns, struct mono now)
{
	int64_t eighth = a->probe->target->timeout_ns / 8;

	if (a->again || lag_ns < eighth / 2)
		return false;
	a->again = true;
	tcp_engine_until(a->probe->env->tcp, a, now.ns + eighth, now);
	return true;
}

/* Connected after so long, and the handshake begins.  It must end a little before the timeout, so
 * that its step, which closes then, still hears of it. */
static void
begin_shaking(struct attempt *a, int64_t rtt_ns)
{
	struct probe *p = a->probe;
	int64_t timeout = p->target->timeout_ns;
	int64_t last = a->sent_ns + timeout - timeout / 8;
	struct mono now;
	int one = 1;

	a->handshake = handshake_new(tcp_engine_tls(p->env->tcp),
	    ((struct tcp_state *)p->state)->server_name);
	if (a->handshake == NULL) {
		finish(a, false, &(struct probe_result){ .token = a->token, .outcome = PROBE_MORE,
		    .causes = CAUSE_BIT(CAUSE_LOCAL) });
		return;
	}
	(void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	now = clock_mono(p->env->clock);
	a->shake_ns = now.ns;
	if (now.ns < last || !second_chance(a, now.ns - a->sent_ns - rtt_ns, now))
		tcp_engine_until(p->env->tcp, a, last, now);
	shake(a, false);
}

/* -------------------------------------------------------------- the connect */

static int64_t
connect_rtt(const struct tcp_news *news, int64_t ours_ns)
{
	int64_t rtt = news->rtt_ns;

	if (rtt > 0 && rtt <= ours_ns + SLACK_NS)
		return rtt;
	/* sent again: from the first SYN, but without the time that the loop slept since */
	return news->ago_ns < ours_ns ? ours_ns - news->ago_ns : ours_ns;
}

static void
failed(struct attempt *a, uint32_t cause)
{
	struct probe_result r = { .token = a->token, .causes = CAUSE_BIT(cause),
		.outcome = cause == CAUSE_LOCAL ? PROBE_NOT_SENT : PROBE_LOST };

	finish(a, false, &r);
}

static void
on_ready(struct attempt *a, struct mono now, bool expired, bool error)
{
	struct probe_result r = { .token = a->token, .outcome = PROBE_REPLY };
	int64_t ours = now.ns > a->sent_ns ? now.ns - a->sent_ns : 1;
	struct tcp_news news = { .fate = TCP_FATE_REFUSED };

	if (a->leaves) {
		if (expired || handshake_is_left(a->handshake, a->fd))
			end(a, false);
		return;
	}
	if (a->handshake != NULL) {
		shake(a, expired && !second_chance(a, now.ns - a->deadline.due_ns, now));
		return;
	}
	if (a->refused_ns > 0)
		ours = a->refused_ns;
	else
		tcp_socket_news(a->fd, ((struct sockaddr *)&a->probe->to)->sa_family,
		    &news);
	switch (news.fate) {
	case TCP_FATE_PENDING:
		if (expired)
			failed(a, CAUSE_TIMEOUT);
		return;
	case TCP_FATE_FAILED:
		failed(a, news.cause);
		return;
	case TCP_FATE_REFUSED:
		/* the timer is overdue, so the loop slept: nobody knows when the RST came */
		if (ours > a->probe->target->timeout_ns + LAG_NS) {
			failed(a, CAUSE_LOCAL);
			return;
		}
		r.rtt_ns = ours;
		r.causes = CAUSE_BIT(CAUSE_REFUSED);
		finish(a, false, &r);
		return;
	case TCP_FATE_OPEN:
		r.rtt_ns = connect_rtt(&news, ours);
		if (a->probe->target->tls) {
			/* at once: its step may close before hands are shaken */
			a->probe->env->done(a->probe, &r);
			begin_shaking(a, r.rtt_ns);
			return;
		}
		/* an error may be waiting still, and must not be taken for the next one's */
		finish(a, !error, &r);
		return;
	}
}

static int
start(struct attempt *a)
{
	struct probe *p = a->probe;
	const struct sockaddr *to = (struct sockaddr *)&p->to;

	bool is_new = a->fd < 0;
	int rc = 0;

	if (is_new)
		a->fd = tcp_socket_new(p->target, to->sa_family);
	if (a->fd < 0)
		return a->fd;
	a->sent_ns = clock_mono(p->env->clock).ns;
	if (connect(a->fd, to, p->to_len) != 0 && errno != EINPROGRESS) {
		if (errno != ECONNREFUSED)
			return -errno;
		a->refused_ns = clock_mono(p->env->clock).ns - a->sent_ns;
		if (a->refused_ns < 1)
			a->refused_ns = 1;
	}
	if (is_new)
		rc = tcp_engine_watch(p->env->tcp, a, p->target->tls);
	if (rc == 0)
		tcp_engine_until(p->env->tcp, a, a->sent_ns + p->target->timeout_ns,
		    (struct mono){ a->sent_ns });
	return rc;
}

static void
on_turn(struct attempt *a)
{
	struct probe_result r = { .token = a->token, .outcome = PROBE_NOT_SENT,
		.causes = CAUSE_BIT(CAUSE_NOT_SENT) };

	if (start(a) != 0)
		finish(a, false, &r);
}

static int
probe_tcp_send(struct probe *p, uint64_t token)
{
	struct tcp_state *st = p->state;
	const struct sockaddr *to = (struct sockaddr *)&p->to;
	struct attempt *a = tcp_engine_take(p->env->tcp, !p->target->tls &&
	    tcp_socket_is_plain(p->target, to) ? to->sa_family : AF_UNSPEC);
	int rc = 0;

	if (a == NULL)
		return -EMFILE;
	a->probe = p;
	a->token = token;
	LIST_INSERT_HEAD(&st->out, a, mine);
	if (tcp_engine_turn(p->env->tcp, a, clock_mono(p->env->clock)))
		rc = start(a);
	if (rc != 0)
		end(a, false);
	return rc;
}

/* ------------------------------------------------------------ open and close */

/* The name to ask for: as given, or the host; an address is none (RFC 6066), nor is a last dot. */
static char *
name_to_ask(const struct target *t)
{
	const char *name = t->server_name != NULL ? t->server_name : t->host;
	struct sockaddr_storage ss;
	size_t n = strlen(name);
	char *copy;

	if (target_literal(name, 0, &ss) > 0 || strchr(name, ':') != NULL)
		return NULL;
	copy = xstrdup(name);
	if (n > 0 && copy[n - 1] == '.')
		copy[n - 1] = '\0';
	return copy;
}

static int
probe_tcp_open(struct probe *p, char *why, size_t n)
{
	static const struct tcp_ops ops = { .begin = on_turn, .ready = on_ready };
	struct tcp_state *st = p->state;
	int rc = tcp_engine_join(&p->env->tcp, p->env->base, p->env->clock, &ops);

	if (rc != 0)
		return snprintf(why, n, "tcp: %s", strerror(-rc)), rc;
	if (p->target->tls && tcp_engine_tls(p->env->tcp) == NULL) {
		tcp_engine_leave(&p->env->tcp);
		return snprintf(why, n, "no TLS: OpenSSL makes no context"), -ENOMEM;
	}
	LIST_INIT(&st->out);
	if (p->target->tls)
		st->server_name = name_to_ask(p->target);
	return 0;
}

static void
probe_tcp_close(struct probe *p)
{
	struct tcp_state *st = p->state;
	struct attempt *a;

	while ((a = LIST_FIRST(&st->out)) != NULL)
		end(a, false);
	free(st->server_name);
	tcp_engine_leave(&p->env->tcp);
}

const struct probe_ops probe_tcp_ops = {
	.kind = PROBE_TCP, .keyword = "tcp", .state_size = sizeof(struct tcp_state),
	.open = probe_tcp_open, .send = probe_tcp_send, .close = probe_tcp_close,
};
