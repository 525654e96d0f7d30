/*
 * snmp_bench.h - what the loops of the SNMP bench share: their arguments, and how they
 * report.
 *
 *   X FIRST-ADDRESS DEVICES PORT ROUNDS [VARIABLES]
 *
 * Each polls DEVICES addresses from FIRST-ADDRESS on, ROUNDS times, community "public",
 * sysUpTime and VARIABLES - 1 more in one GET, and prints one line of JSON.
 */
#pragma once

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define BENCH_WINDOW 50			/* requests that the bare loops have out */
#define BENCH_PATIENCE_S 3		/* without any answer: the rest is lost */

struct bench_args { uint32_t first; uint16_t port; unsigned devices, rounds, variables, total; };

static inline struct bench_args
bench_args(int argc, char **argv)
{
	struct bench_args a;

	if (argc < 5) {
		fprintf(stderr, "usage: %s FIRST-ADDRESS DEVICES PORT ROUNDS [VARIABLES]\n", argv[0]);
		exit(2);
	}
	a = (struct bench_args){ .first = ntohl(inet_addr(argv[1])),
		.devices = (unsigned)atoi(argv[2]), .port = (uint16_t)atoi(argv[3]),
		.rounds = (unsigned)atoi(argv[4]), .variables = argc > 5 ? (unsigned)atoi(argv[5]) : 1 };
	a.total = a.devices * a.rounds;
	return a;
}

static inline double
bench_cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static inline double
bench_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The most memory that this program had; getrusage() would count its parent's too. */
static inline long
bench_rss_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

static inline void
bench_report(unsigned gets, unsigned ok, double cpu_s, double wall_s, double rtt_us)
{
	printf("{\"gets\": %u, \"ok\": %u, \"wall_s\": %.3f, \"cpu_us\": %.2f, \"rss_kib\": %ld, "
	    "\"rtt_us\": %.1f}\n", gets, ok, wall_s, ok > 0 ? cpu_s * 1e6 / ok : 0, bench_rss_kib(),
	    rtt_us);
}
