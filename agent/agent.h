/*
 * agent.h - all state of the process, and how its parts are wired.
 *
 * Samples flow prober -> batch -> spool -> uplink -> collector; plans flow
 * back.  One loop and one thread; nothing in it blocks but the disk, once a second
 * (spool_put()): where a sync takes long, requests leave late meanwhile, and say
 * so.  The agent listens on nothing and runs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/agent_conf.h"

struct agent;

/*
 * Opens the sockets, gives up all power, opens spool and last plan.  conf is taken over (also on
 * error).  path: of the file, for reloads; copied.  0, or -errno after logging why.
 */
int agent_new(struct agent **out, struct agent_conf *conf, const char *path);
/* Runs until SIGTERM or SIGINT.  0 or -errno. */
int agent_run(struct agent *);
/* Writes what was measured to the spool, ends the session, frees all; NULL is allowed. */
void agent_free(struct agent *);
