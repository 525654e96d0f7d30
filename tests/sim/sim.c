/*
 * sim.c - runs simulated worlds from the command line.
 *
 *   sim [--seed N] [--count N] [--steps M] [--bug NAME] [--verbose] [--list]
 *
 * Prints a line for each world that fails, with its seed, and a summary.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "tests/sim/sim_run.h"

struct args {
	uint64_t seed, count, steps;
	const char *bug;
	bool verbose;
};

static int
usage(void)
{
	fprintf(stderr,
	    "usage: sim [--seed N] [--count N] [--steps M] [--bug NAME] [--verbose] [--list]\n");
	return 2;
}

static bool
bug_is_known(const char *name)
{
	for (const struct sim_bug *b = sim_bugs; b->name != NULL; b++)
		if (strcmp(b->name, name) == 0)
			return true;
	return false;
}

static void
list_bugs(void)
{
	for (const struct sim_bug *b = sim_bugs; b->name != NULL; b++)
		printf("%-24s %s\n", b->name, b->what);
}

/* 0: go on; else the exit status + 1. */
static int
parse(int argc, char **argv, struct args *a)
{
	for (int i = 1; i < argc; i++) {
		uint64_t *number = strcmp(argv[i], "--seed") == 0 ? &a->seed :
		    strcmp(argv[i], "--count") == 0 ? &a->count :
		    strcmp(argv[i], "--steps") == 0 ? &a->steps : NULL;
		char *end;

		if (strcmp(argv[i], "--verbose") == 0) {
			a->verbose = true;
		} else if (strcmp(argv[i], "--list") == 0) {
			list_bugs();
			return 1;
		} else if (i + 1 >= argc) {
			return usage() + 1;
		} else if (number != NULL) {
			errno = 0;
			*number = strtoull(argv[++i], &end, 0);
			if (errno != 0 || *end != '\0')
				return usage() + 1;
		} else if (strcmp(argv[i], "--bug") == 0 && bug_is_known(argv[i + 1])) {
			a->bug = argv[++i];
		} else {
			return usage() + 1;
		}
	}
	return 0;
}

static void
add(struct sim_result *sum, const struct sim_result *r)
{
	sum->steps += r->steps;
	sum->seconds += r->seconds;
	sum->kills += r->kills;
	sum->cuts += r->cuts;
	sum->disk_errors += r->disk_errors;
	sum->frames_lost += r->frames_lost;
	sum->samples += r->samples;
	sum->delivered += r->delivered;
	sum->gaps += r->gaps;
	sum->refused += r->refused;
	sum->excused += r->excused;
	sum->acks += r->acks;
	sum->messages += r->messages;
	sum->accepted += r->accepted;
	sum->repeats += r->repeats;
	sum->incidents += r->incidents;
	sum->outages += r->outages;
}

int
main(int argc, char **argv)
{
	struct args a = { .seed = 1, .count = 1, .bug = "" };
	struct sim_result sum = { 0 }, r;
	struct sim_opts o;
	uint64_t failed = 0;
	int stop = parse(argc, argv, &a);

	if (stop != 0)
		return stop - 1;
	log_init("sim", a.verbose ? LOG_DEBUGGING : (enum log_level)0);
	for (uint64_t i = 0; i < a.count; i++) {
		o = (struct sim_opts){ .seed = a.seed + i, .max_steps = a.steps, .bug = a.bug,
			.verbose = a.verbose };
		sim_run(&o, &r);
		add(&sum, &r);
		failed += r.failed;
		if (r.failed)
			printf("seed %" PRIu64 ": %s (step %" PRIu64 ", %.1f s)\n", a.seed + i,
			    r.why, r.steps, r.seconds);
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " events, %.0f s; kills %" PRIu64
	       " power cuts %" PRIu64 " disk errors %" PRIu64 " frames lost %" PRIu64
	       "\nsamples %" PRIu64 ": delivered %" PRIu64 ", told as lost %" PRIu64
	       ", refused %" PRIu64 ", gone with a killed process %" PRIu64 "; acks %" PRIu64
	       "\noutages %" PRIu64 ", incidents %" PRIu64 ", messages %" PRIu64
	       ", taken by gateways %" PRIu64 ", possible repeats %" PRIu64
	       "\nfailed worlds %" PRIu64 "\n",
	    a.count, sum.steps, sum.seconds, sum.kills, sum.cuts, sum.disk_errors, sum.frames_lost,
	    sum.samples, sum.delivered, sum.gaps, sum.refused, sum.excused, sum.acks, sum.outages,
	    sum.incidents, sum.messages, sum.accepted, sum.repeats, failed);
	return failed == 0 ? 0 : 1;
}
