/*
 * pick.h - which links somebody asked for (pure).
 *
 * Links are named AGENT/LINK, as on the page; "all" is every link.  Links and
 * agents add up.  A pick of nothing takes everything: who wants a choice to be
 * made looks at pick_is_empty().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pick {
	char **link, **agent;		/* owned */
	size_t links, agents;
	bool all;
};

void pick_fini(struct pick *);
/* Adds "AGENT/LINK" or "all". 0 or -EINVAL: neither. */
int pick_link(struct pick *, const char *id);
int pick_agent(struct pick *, const char *id);
bool pick_is_empty(const struct pick *);
/* May some link of this agent be among them? */
bool pick_takes_agent(const struct pick *, const char *agent);
bool pick_takes(const struct pick *, const char *agent, const char *link);
