/*
 * sim_run.h - one simulated world from its beginning to its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_result {
	bool failed;
	char why[512];
	uint64_t steps;
	double seconds;			/* simulated */
	uint64_t kills, cuts, disk_errors, frames_lost;
	uint64_t samples, delivered, gaps, refused, excused, acks;
	uint64_t messages, accepted, repeats, incidents, outages; /* of worlds with an alertd */
};

/* The planted bugs, ended by NULL. */
extern const struct sim_bug {
	const char *name, *what;
	bool alerts;			/* needs a world with an alertd */
} sim_bugs[];

struct sim_opts {
	uint64_t seed, max_steps;	/* max_steps 0: no limit */
	const char *bug;		/* "" or one of sim_bugs */
	bool verbose;			/* what happens goes to stderr */
};

void sim_run(const struct sim_opts *, struct sim_result *out);
