/*
 * snmp_poll.c - what a GET costs the agent: its own worker on a loop.
 *
 * A round polls every device once, all of them due at once.  The community stands in
 * the file that the environment calls COMMUNITY_FILE.
 */
#include <event2/event.h>
#include <string.h>

#include "agent/snmp_worker.h"
#include "agent/target.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/bench/snmp_bench.h"

#define VARIABLES_MAX 16

struct bench {
	struct event_base *base;
	struct snmp_worker *worker;
	uint32_t *device;
	struct bench_args args;
	unsigned done, round, waiting, ok;
	int64_t *rtt_ns;
};

static void
begin_round(struct bench *b)
{
	b->waiting = b->args.devices;
	for (unsigned i = 0; i < b->args.devices; i++) {
		const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(b->args.port),
			.sin_addr.s_addr = htonl(b->args.first + i) };

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
	if (++b->round < b->args.rounds)
		begin_round(b);
	else
		event_base_loopbreak(b->base);
}

static void
add_devices(struct bench *b)
{
	char name[VARIABLES_MAX][40], *oid[VARIABLES_MAX], why[160];
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct target t;

	l.id = "device";
	l.probe = PROBE_SNMP;
	l.target = "127.0.0.1";		/* each poll names its own */
	l.port = b->args.port;
	l.step_ms = 60000;
	l.timeout_ms = 30000;		/* a busy host is no loss here */
	l.credential = "bench";
	l.oid = oid;
	for (unsigned i = 0; i + 1 < b->args.variables && i < VARIABLES_MAX; i++) {
		snprintf(name[i], sizeof name[i], "1.3.6.1.2.1.2.2.1.%u.1", 10 + i);
		oid[l.n_oid++] = name[i];
	}
	if (l.n_oid == 0)		/* a link reads something: the uptime twice */
		oid[l.n_oid++] = strcpy(name[0], "1.3.6.1.2.1.1.3.0");
	if (target_init(&t, &l, why, sizeof why) != 0) {
		fprintf(stderr, "snmp_poll: %s\n", why);
		exit(2);
	}
	for (unsigned i = 0; i < b->args.devices; i++)
		b->device[i] = snmp_worker_add(b->worker, &t, on_polled, b);
	target_fini(&t);
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	static const struct timeval patience = { .tv_sec = 120 };
	struct snmp_credential credential = { .name = (char *)"bench", .version = SNMP_V2C,
		.community_file = getenv("COMMUNITY_FILE") };
	struct bench b = { .args = bench_args(argc, argv) };
	double cpu, wall;

	b.device = xcalloc(b.args.devices, sizeof *b.device);
	b.rtt_ns = xcalloc(b.args.total, sizeof *b.rtt_ns);
	b.base = event_base_new();
	if (credential.community_file == NULL || b.base == NULL ||
	    snmp_worker_new(&b.worker, clock_real(), rng_real(), &credential, 1) != 0 ||
	    snmp_worker_attach(b.worker, b.base) != 0)
		return 2;
	add_devices(&b);
	cpu = bench_cpu_s();
	wall = bench_now_s();
	begin_round(&b);
	event_base_loopexit(b.base, &patience);
	event_base_dispatch(b.base);
	cpu = bench_cpu_s() - cpu;
	wall = bench_now_s() - wall;
	qsort(b.rtt_ns, b.ok, sizeof b.rtt_ns[0], by_size);
	bench_report(b.done, b.ok, cpu, wall, b.ok > 0 ? (double)b.rtt_ns[b.ok / 2] / 1e3 : 0);
	snmp_worker_free(b.worker);
	event_base_free(b.base);
	free(b.device);
	free(b.rtt_ns);
	return b.done == b.args.total ? 0 : 1;
}
