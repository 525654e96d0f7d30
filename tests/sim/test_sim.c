/*
 * test_sim.c - the simulator as a test: CLEAN worlds without a planted bug all
 * hold, and each planted bug is found within BUG_WORLDS seeds.
 *
 * Worlds run in children, so that one that crashes is a failure with a seed
 * like any other.  SIM_CLEAN and SIM_SEED in the environment change the count
 * and the first seed.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/sim/sim_run.h"
#include "tests/rounds.h"

#define CLEAN ROUNDS(600)
#define BUG_WORLDS 300
#define WORKERS 2
#define WORLD_SECONDS 60		/* a world that takes longer hangs */

struct job {				/* shared with the workers */
	uint64_t first;
	const char *bug;
	uint64_t worlds;
	bool stop_at_first;
	_Atomic uint64_t next;
	_Atomic uint64_t running[WORKERS];	/* seed + 1; 0: none */
	_Atomic uint64_t failed;	/* how many */
	_Atomic uint64_t found;		/* first failing world, counted from 1; 0: none */
	_Atomic uint64_t samples, kills, cuts;
};

static void
work(struct job *j, int worker)
{
	uint64_t i;

	while ((i = atomic_fetch_add(&j->next, 1)) < j->worlds) {
		struct sim_opts o = { .seed = j->first + i, .bug = j->bug };
		struct sim_result r;

		if (j->stop_at_first && j->found != 0)
			break;
		atomic_store(&j->running[worker], o.seed + 1);
		alarm(WORLD_SECONDS);
		sim_run(&o, &r);
		alarm(0);
		atomic_store(&j->running[worker], 0);
		atomic_fetch_add(&j->samples, r.samples);
		atomic_fetch_add(&j->kills, r.kills);
		atomic_fetch_add(&j->cuts, r.cuts);
		if (!r.failed)
			continue;
		if (atomic_fetch_add(&j->failed, 1) == 0 || !j->stop_at_first)
			printf("  %s%sseed %" PRIu64 ": %s\n", j->bug,
			    j->bug[0] != '\0' ? ": " : "", o.seed, r.why);
		if (j->found == 0 || i + 1 < j->found)
			j->found = i + 1;
	}
	fflush(stdout);
	_exit(0);
}

static void
run(struct job *j)
{
	pid_t pid[WORKERS];
	int status;

	fflush(stdout);
	for (int w = 0; w < WORKERS; w++) {
		pid[w] = fork();
		if (pid[w] == 0)
			work(j, w);
	}
	for (int w = 0; w < WORKERS; w++) {
		if (pid[w] < 0 || waitpid(pid[w], &status, 0) != pid[w] || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 0) {
			printf("  %s seed %" PRIu64 ": the world itself fell (status %x)\n", j->bug,
			    j->running[w] - 1, (unsigned)status);
			j->failed++;
			j->found = j->worlds + 1;	/* falling is not finding */
		}
	}
}

static struct job *
job_new(uint64_t first, const char *bug, uint64_t worlds, bool stop_at_first)
{
	struct job *j =
	    mmap(NULL, sizeof *j, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (j == MAP_FAILED)
		abort();
	j->first = first;
	j->bug = bug;
	j->worlds = worlds;
	j->stop_at_first = stop_at_first;
	return j;
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s != NULL ? strtoull(s, NULL, 0) : otherwise;
}

int
main(void)
{
	uint64_t clean = number("SIM_CLEAN", CLEAN), seed = number("SIM_SEED", 1), passed, failed;
	struct job *j = job_new(seed, "", clean, false);

	log_init("sim", (enum log_level)0);
	run(j);
	failed = j->failed;
	passed = clean - (failed < clean ? failed : clean);
	printf("clean: %" PRIu64 " worlds, %" PRIu64 " samples, %" PRIu64 " kills, %" PRIu64
	    " power cuts: %" PRIu64 " failed\n", clean, j->samples, j->kills, j->cuts, failed);
	munmap(j, sizeof *j);
	for (const struct sim_bug *b = sim_bugs; b->name != NULL; b++) {
		bool found;

		j = job_new(seed, b->name, BUG_WORLDS, true);
		run(j);
		found = j->found > 0 && j->found <= BUG_WORLDS;
		if (found)
			printf("bug %s: found in world %" PRIu64 "\n", b->name, j->found);
		else
			printf("bug %s: NOT found in %d worlds\n", b->name, BUG_WORLDS);
		passed += found;
		failed += !found;
		munmap(j, sizeof *j);
	}
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
