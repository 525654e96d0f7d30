/*
 * tcp_cost.c - CPU time of a TCP connect probe: the agent's own code, or the
 * barest loop that the kernel allows, against the same targets.
 *
 *   tcp_cost ours|bare ADDRESS TARGETS PORT PROBES WINDOW
 *
 * Targets are ADDRESS, ADDRESS + 1, ... (IPv4); WINDOW connects are in flight at
 * any time.  Prints "replies N cpu_us X wall_us Y rtt_us Z": Z is the median.
 * tcp.py runs both by turns against the emulator.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/probe.h"
#include "agent/target.h"
#include "common/mem.h"

#define BATCH 256
#define PATIENCE_NS (10 * NS_PER_S)

struct run {
	uint32_t address;		/* host byte order */
	uint16_t port;
	unsigned targets, probes, window;
	unsigned sent, ended, replies;
	int64_t *rtt_ns;		/* of each reply */
	int64_t *begin_ns;		/* bare: by descriptor */
};

static int64_t
now_ns(void)
{
	return clock_mono(clock_real()).ns;
}

static double
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* ------------------------------------------------------------ the bare loop */

static int
bare_connect(struct run *r, int ep)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(r->port),
		.sin_addr.s_addr = htonl(r->address + r->sent % r->targets) };
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLONESHOT };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || fd >= 65536)
		return -EMFILE;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	r->begin_ns[fd] = now_ns();
	r->sent++;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
		r->ended++;
		close(fd);
		return 0;
	}
	ev.data.fd = fd;
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

static int
run_bare(struct run *r)
{
	int ep = epoll_create1(0), rc = 0;

	r->begin_ns = xcalloc(65536, sizeof *r->begin_ns);
	while (rc == 0 && r->ended < r->probes) {
		struct epoll_event ev[BATCH];
		int64_t now;
		int n;

		while (rc == 0 && r->sent < r->probes && r->sent - r->ended < r->window)
			rc = bare_connect(r, ep);
		n = epoll_wait(ep, ev, BATCH, 2000);
		if (n <= 0)
			break;
		now = now_ns();
		for (int i = 0; i < n; i++) {
			int err = 0, fd = ev[i].data.fd;
			socklen_t len = sizeof err;

			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
			if (err == 0)
				r->rtt_ns[r->replies++] = now - r->begin_ns[fd];
			r->ended++;
			close(fd);
		}
	}
	close(ep);
	free(r->begin_ns);
	return rc;
}

/* --------------------------------------------------------- the agent's probe */

static void
on_done(struct probe *p, const struct probe_result *res)
{
	struct run *r = p->owner;

	r->ended++;
	if (res->outcome == PROBE_REPLY && res->causes == 0)
		r->rtt_ns[r->replies++] = res->rtt_ns;
}

static int
open_target(struct run *r, struct probe_env *env, struct target *t, struct probe *p,
    uint32_t address)
{
	struct in_addr in = { .s_addr = htonl(address) };
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	char host[INET_ADDRSTRLEN], why[160];

	inet_ntop(AF_INET, &in, host, sizeof host);
	l.id = (char *)"bench";
	l.probe = PROBE_TCP;
	l.target = host;
	l.port = r->port;
	l.step_ms = 10000;
	l.count = 1;
	l.timeout_ms = 2000;
	if (target_init(t, &l, why, sizeof why) != 0 ||
	    probe_open(p, env, t, r, why, sizeof why) != 0) {
		fprintf(stderr, "tcp_cost: %s\n", why);
		return -EINVAL;
	}
	p->to_len = target_literal(host, r->port, (void *)&p->to);
	return 0;
}

static int
run_ours(struct run *r)
{
	struct event_base *base = event_base_new();
	struct probe_env env = { .base = base, .clock = clock_real(), .rng = rng_real(),
		.done = on_done };
	struct target *target = xcalloc(r->targets, sizeof *target);
	struct probe *probe = xcalloc(r->targets, sizeof *probe);
	int64_t until = now_ns() + PATIENCE_NS + (int64_t)r->probes * NS_PER_MS;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < r->targets; i++)
		rc = open_target(r, &env, &target[i], &probe[i], r->address + i);
	while (rc == 0 && r->ended < r->probes && now_ns() < until) {
		while (rc == 0 && r->sent < r->probes && r->sent - r->ended < r->window) {
			struct probe *p = &probe[r->sent % r->targets];

			rc = p->ops->send(p, r->sent++);
		}
		event_base_loop(base, EVLOOP_ONCE);
	}
	for (unsigned i = 0; i < r->targets; i++) {
		probe_close(&probe[i]);
		target_fini(&target[i]);
	}
	free(probe);
	free(target);
	event_base_free(base);
	return rc;
}

/* --------------------------------------------------------------------- main */

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	struct run r = { 0 };
	struct in_addr in;
	int64_t begin;
	double cpu;
	int rc;

	if (argc != 7 || inet_pton(AF_INET, argv[2], &in) != 1) {
		fprintf(stderr, "usage: tcp_cost ours|bare ADDRESS TARGETS PORT PROBES WINDOW\n");
		return 2;
	}
	r.address = ntohl(in.s_addr);
	r.targets = (unsigned)atoi(argv[3]);
	r.port = (uint16_t)atoi(argv[4]);
	r.probes = (unsigned)atoi(argv[5]);
	r.window = (unsigned)atoi(argv[6]);
	r.rtt_ns = xcalloc(r.probes + 1, sizeof *r.rtt_ns);
	begin = now_ns();
	cpu = cpu_us();
	rc = strcmp(argv[1], "ours") == 0 ? run_ours(&r) : run_bare(&r);
	cpu = cpu_us() - cpu;
	if (rc != 0)
		fprintf(stderr, "tcp_cost: %s\n", strerror(-rc));
	qsort(r.rtt_ns, r.replies, sizeof *r.rtt_ns, by_size);
	printf("replies %u cpu_us %.3f wall_us %.3f rtt_us %.1f\n", r.replies, cpu / r.probes,
	    (double)(now_ns() - begin) / 1e3 / r.probes,
	    r.replies > 0 ? (double)r.rtt_ns[r.replies / 2] / 1e3 : 0.0);
	free(r.rtt_ns);
	return rc == 0 ? 0 : 1;
}
