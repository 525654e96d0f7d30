/*
 * sim_world.h - time, chance and the processes of a simulated world.
 *
 * Everything happens in events, one after the other, in the order of the true
 * time; the same seed gives the same world.  A process has a disk, a clock of
 * its own and lives: when it is killed (by plan, or because its disk view died
 * in the middle of a write) all its events are void and a new life begins
 * later.  While its code still runs on after the view died, nothing that it
 * does reaches the world.
 */
#pragma once

#include "common/clock.h"
#include "common/disk.h"
#include "common/rng.h"
#include "tests/sim/sim_disk.h"

struct world;
struct proc;
struct net;

struct proc_ops {
	void (*start)(struct proc *);	/* view is new */
	void (*stop)(struct proc *);	/* as on SIGTERM: what it still does counts; may be NULL */
	/* Frees what the process held; the view is dead, its connections are gone. */
	void (*gone)(struct proc *);
};

struct proc {
	struct clock clock;		/* its own; first */
	struct world *world;
	const struct proc_ops *ops;
	char name[32];
	struct sim_platter *platter;
	struct disk *view;
	uint64_t life;			/* +1 with each start and end */
	bool up;
	int64_t wall_offset;		/* of its wall clock from the true time */
	uint64_t kills, cuts;
	struct proc *next;
};

struct world {
	uint64_t seed;
	struct rng_seed rng_seed;
	struct rng *rng;
	int64_t now;			/* true time, ns */
	struct sim_event *heap;
	size_t events, cap;
	uint64_t serial, steps;
	struct proc *procs;
	struct net *net;
	const char *bug;		/* planted; "" none */
	struct world_block *blocks;
	bool failed, verbose;
	char why[512];
};

#define SIM_EPOCH (INT64_C(1768435200) * NS_PER_S)	/* the wall clock when a world begins */

void world_init(struct world *, uint64_t seed, const char *bug, bool verbose);
void world_fini(struct world *);
/* Calls fn after delay, unless the life of p that runs now has ended (p NULL: in any case). */
void world_after(
    struct world *, int64_t delay_ns, struct proc *p, void (*fn)(void *arg), void *arg);
/* One event; false when there is none before until, or the world has failed. */
bool world_step(struct world *, int64_t until);
/* Memory that lives as long as the world, zeroed. */
void *world_alloc(struct world *, size_t n);
/* The first failure stands. */
void world_fail(struct world *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of what happens, for --verbose. */
void world_trace(const struct world *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool world_has_bug(const struct world *, const char *name);
/* Uniform in [a, b]. */
int64_t world_between(struct world *, int64_t a, int64_t b);
bool world_chance(struct world *, double p);

void proc_init(struct proc *, struct world *, const char *name, const struct proc_ops *);
void proc_start(struct proc *);
/* kill -9, or with power the whole machine; a new life begins after 0.1 to `pause` seconds. */
void proc_kill(struct proc *, bool power, double pause_s);
/* A clean end; a new life begins as after proc_kill(). */
void proc_stop(struct proc *, double pause_s);
void proc_fini(struct proc *);
/* May what it does still reach the world? */
bool proc_acts(const struct proc *);
