/*
 * snmp_poll.c - what a GET costs the agent: its own worker on a loop.
 *
 *   snmp_poll FIRST-ADDRESS DEVICES PORT ROUNDS OIDS COMMUNITY-FILE
 *
 * Each round polls every device once; DEVICES addresses from FIRST-ADDRESS on.
 * A poll is one GET of sysUpTime and OIDS - 1 columns of interface 1.  Prints one
 * line of JSON: gets, ok, wall_s, cpu_us (of this process, per GET), rss_kib,
 * rtt_us (median).
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/snmp_worker.h"
#include "agent/target.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/rng.h"

#define PATIENCE_S 30

struct bench {
	struct event_base *base;
	struct snmp_worker *worker;
	uint32_t *device;
	unsigned devices, rounds, done, round;
	unsigned waiting;
	unsigned ok;
	uint32_t first;
	uint16_t port;
	int64_t *rtt_ns;
};

static double
cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void
begin_round(struct bench *b)
{
	b->waiting = b->devices;
	for (unsigned i = 0; i < b->devices; i++) {
		const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(b->port),
			.sin_addr.s_addr = htonl(b->first + i) };

		if (snmp_worker_poll(b->worker, b->device[i], b->round,
		    (const struct sockaddr *)&to, sizeof to) != 0)
			abort();
	}
}

static void
on_polled(void *arg, const struct probe_result *r)
{
	struct bench *b = arg;

	if (r->outcome == PROBE_EXTRA)
		return;
	if (r->outcome == PROBE_REPLY && r->causes == 0)
		b->rtt_ns[b->ok++] = r->rtt_ns;
	b->done++;
	if (--b->waiting > 0)
		return;
	if (++b->round < b->rounds)
		begin_round(b);
	else
		event_base_loopbreak(b->base);
}

static void
add_devices(struct bench *b, unsigned oids)
{
	char name[SNMP_WORKER_WINDOW][40], *oid[SNMP_WORKER_WINDOW], why[160];
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct target t;

	l.id = "device";
	l.probe = PROBE_SNMP;
	l.target = "127.0.0.1";		/* each poll names its own */
	l.port = b->port;
	l.step_ms = 10000;
	l.timeout_ms = 2000;
	l.credential = "bench";
	l.oid = oid;
	for (unsigned i = 0; i + 1 < oids; i++) {
		snprintf(name[i], sizeof name[i], "1.3.6.1.2.1.2.2.1.%u.1", 10 + i);
		oid[l.n_oid++] = name[i];
	}
	l.host = false;
	if (l.n_oid == 0)		/* a link reads something: the uptime twice */
		oid[l.n_oid++] = strcpy(name[0], "1.3.6.1.2.1.1.3.0");
	if (target_init(&t, &l, why, sizeof why) != 0) {
		fprintf(stderr, "snmp_poll: %s\n", why);
		exit(2);
	}
	for (unsigned i = 0; i < b->devices; i++)
		b->device[i] = snmp_worker_add(b->worker, &t, on_polled, b);
	target_fini(&t);
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(struct bench *b, double cpu, double wall)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	qsort(b->rtt_ns, b->ok, sizeof b->rtt_ns[0], by_size);
	printf("{\"gets\": %u, \"ok\": %u, \"wall_s\": %.3f, \"cpu_us\": %.2f, \"rss_kib\": %ld, "
	    "\"rtt_us\": %.1f}\n", b->done, b->ok, wall, b->done > 0 ? cpu * 1e6 / b->done : 0,
	    r.ru_maxrss, b->ok > 0 ? (double)b->rtt_ns[b->ok / 2] / 1e3 : 0);
}

int
main(int argc, char **argv)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct snmp_credential credential = { .name = (char *)"bench", .version = SNMP_V2C };
	struct bench b = { 0 };
	double cpu, wall;

	if (argc != 7) {
		fprintf(stderr, "usage: snmp_poll ADDRESS DEVICES PORT ROUNDS OIDS COMMUNITY-FILE\n");
		return 2;
	}
	b.first = ntohl(inet_addr(argv[1]));
	b.devices = (unsigned)atoi(argv[2]);
	b.port = (uint16_t)atoi(argv[3]);
	b.rounds = (unsigned)atoi(argv[4]);
	credential.community_file = argv[6];
	b.device = xcalloc(b.devices, sizeof *b.device);
	b.rtt_ns = xcalloc((size_t)b.devices * b.rounds, sizeof *b.rtt_ns);
	b.base = event_base_new();
	if (b.base == NULL ||
	    snmp_worker_new(&b.worker, clock_real(), rng_real(), &credential, 1) != 0 ||
	    snmp_worker_attach(b.worker, b.base) != 0)
		return 1;
	add_devices(&b, (unsigned)atoi(argv[5]));
	cpu = cpu_s();
	wall = (double)clock_mono(clock_real()).ns / 1e9;
	begin_round(&b);
	event_base_loopexit(b.base, &patience);
	event_base_dispatch(b.base);
	report(&b, cpu_s() - cpu, (double)clock_mono(clock_real()).ns / 1e9 - wall);
	snmp_worker_free(b.worker);
	event_base_free(b.base);
	free(b.device);
	free(b.rtt_ns);
	return b.done == b.devices * b.rounds ? 0 : 1;
}
