/*
 * correlate.h - which faults are one problem, and where on a chain it sits (pure).
 */
#pragma once

#include <stddef.h>

#include "common/linkwatch.pb-c.h"
#include "common/model.h"

/* What two links have in common; the stronger, the greater. */
enum tie { TIE_NONE = 0, TIE_ZONE, TIE_AGENT, TIE_CHAIN, TIE_TARGET };

enum tie correlate_links(const Linkwatch__Pb__Link *a, const Linkwatch__Pb__Link *b);

/* What is known of one segment of a chain. */
enum segment_health { HEALTH_UNKNOWN = 0, HEALTH_GOOD, HEALTH_BROKEN };

/*
 * The first broken segment of health[0..SEG_APP]: text gets "segment 3",
 * "ambiguous: 3 or 4" when the segments before it are not known to be good, or
 * "".  Returns the (nearest certain) broken segment, SEG_NONE: none is broken.
 */
enum segment correlate_locate(const enum segment_health health[SEG_APP + 1], char *text, size_t n);
