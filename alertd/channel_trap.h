/*
 * channel_trap.h - the one thread that calls net-snmp.
 *
 * net-snmp blocks while it looks for a manager's engine and is not safe in
 * threads; so all notifications of the process go through one worker, whose
 * answers come back through the loop.
 */
#pragma once

#include <stddef.h>

struct event_base;
struct trap_worker;

/*
 * Reads or makes DIR/snmp-engine (our engine id; boots, which grow with each
 * start) and starts the thread.  -errno with a line in why.
 */
int trap_worker_new(struct trap_worker **out, struct event_base *base, const char *dir, char *why,
    size_t n);
/* Waits for what is being sent (a few seconds at most); the rest is dropped.  NULL is allowed. */
void trap_worker_free(struct trap_worker *);
