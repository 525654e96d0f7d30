/*
 * steady.c - wall time that never goes back and never stands still.
 */
#include "alertd/steady.h"

#define SLOWER 8	/* one part in so many is left out while the wall is behind */

struct wall
steady_now(struct steady *s, struct wall wall, struct mono mono)
{
	int64_t passed = mono.ns > s->at.ns ? mono.ns - s->at.ns : 0;

	if (wall.ns >= s->now.ns)
		s->now = wall;
	else
		s->now.ns += passed - passed / SLOWER;
	s->at = mono;
	return s->now;
}
