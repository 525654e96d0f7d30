/*
 * stored_event.h - what is in the journal beside samples, written out: what
 * was lost, who came and went, what was turned away.
 *
 * As CSV, one event a line:
 *
 *   type             gap, session or refused
 *   agent            id; of refused also the address of a stranger, or "others"
 *   at, at_ns        when it was recorded, RFC 3339 at +08:00, and ns since 1970
 *   from_ns, to_ns   gap: between which instants samples are missing
 *   samples          gap: so many are lost; refused: so many were in the batch
 *   count            refused: so many alike since the last such line
 *   what             session: up or down; refused: the code's name
 *   reason           a text, in quotes; the sign of a formula at its beginning has a ' before it
 *
 * or as one JSON object a line with the fields that its type has.
 */
#pragma once

#include "collector/pick.h"
#include "collector/stored.h"

struct event_filter {
	const struct pick *pick;	/* strangers only with "all"; borrowed */
	int64_t from_ns, to_ns;		/* of at_ns; a gap counts when it touches the span */
	bool json;
};

void stored_event_head(FILE *);		/* of the CSV */
/* Writes what a record holds of it. How many lines, or -EBADMSG: the record is not sound. */
int stored_events(FILE *, const struct journal_record *, const struct event_filter *);
/*
 * Calls back for the samples of a batch that was refused and kept, because nothing but its times was
 * wrong, when its refusal is within the span. 0 or -EBADMSG.
 */
int stored_walk_refused(const struct journal_record *, const struct event_filter *, const struct stored_fns *);
