/*
 * correlate.c - which faults are one problem, and where on a chain it sits.
 */
#include <stdio.h>
#include <string.h>

#include "alertd/correlate.h"

/* Both say something, and the same. */
static bool
same(const char *a, const char *b)
{
	return a[0] != '\0' && strcmp(a, b) == 0;
}

enum tie
correlate_links(const Linkwatch__Pb__Link *a, const Linkwatch__Pb__Link *b)
{
	if (same(a->target, b->target))
		return TIE_TARGET;
	if (same(a->chain, b->chain))
		return TIE_CHAIN;
	if (same(a->agent, b->agent))
		return TIE_AGENT;
	if (same(a->vendor, b->vendor) && same(a->zone, b->zone))
		return TIE_ZONE;
	return TIE_NONE;
}

enum segment
correlate_locate(const enum segment_health health[SEG_APP + 1], char *text, size_t n)
{
	int broken = SEG_NONE, good = SEG_NONE;

	text[0] = '\0';
	for (int s = SEG_USER; s <= SEG_APP && broken == SEG_NONE; s++)
		if (health[s] == HEALTH_BROKEN)
			broken = s;
		else if (health[s] == HEALTH_GOOD)
			good = s;
	if (broken == SEG_NONE)
		return SEG_NONE;
	if (good == broken - 1 || good == SEG_NONE)
		snprintf(text, n, "segment %d", broken);
	else if (good == broken - 2)
		snprintf(text, n, "ambiguous: %d or %d", broken - 1, broken);
	else
		snprintf(text, n, "ambiguous: %d to %d", good + 1, broken);
	return (enum segment)broken;
}
