/*
 * sim_bugs.h - bugs planted on purpose, to prove that the simulator finds them.
 *
 * They live here alone: as faults of the simulated disk, or as functions of the
 * product that the linker replaces in this program (ld --wrap).
 */
#pragma once

#include "tests/sim/sim_world.h"

/* The world that runs now, for the replaced functions. */
void sim_bugs_world(struct world *);
/* What the planted bug does to a disk. */
void sim_bugs_disk(const struct proc *, struct sim_disk_faults *);
