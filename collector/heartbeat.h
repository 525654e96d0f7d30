/*
 * heartbeat.h - how a child tells the supervisor that its loop turns.
 *
 * The supervisor gives each child the write end of a pipe and names it in the
 * environment (LINKWATCH_HEARTBEAT_FD). A byte a second from the child's own
 * loop; when none came for HEARTBEAT_LIMIT_S the child is hung and gets
 * SIGABRT. When the supervisor itself is gone the child gets SIGTERM from its
 * own beat. Without the variable (a child started by hand) nothing happens.
 */
#pragma once

#define HEARTBEAT_ENV "LINKWATCH_HEARTBEAT_FD"
#define HEARTBEAT_LIMIT_S 30

struct event_base;
struct heartbeat;

/* Beats from base until heartbeat_free(); NULL without a supervisor. */
struct heartbeat *heartbeat_new(struct event_base *base);
/* One beat at once, for long work outside of the loop; NULL is allowed. */
void heartbeat_beat(struct heartbeat *);
void heartbeat_free(struct heartbeat *);	/* NULL is allowed */
