/*
 * steady.h - wall time that never goes back and never stands still (pure).
 *
 * What is decided is written with wall time and timers compare with it.  When
 * somebody sets the host's clock back, reminders, escalations and retries must
 * neither fire twice nor wait until the old hour is reached again: the time
 * goes on by the monotonic clock, an eighth slower, until the wall is there.
 */
#pragma once

#include "common/clock.h"

struct steady { struct wall now; struct mono at; };	/* all zero: not started */

/* The time to decide with, given both clocks; never earlier than the time before. */
struct wall steady_now(struct steady *, struct wall wall, struct mono mono);
