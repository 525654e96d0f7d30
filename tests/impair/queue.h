/*
 * queue.h - packets under way, the next one due first (a binary heap).
 */
#pragma once

#include "tests/impair/truth.h"

struct flight {
	int64_t due_ns;
	uint64_t order;			/* of two due at once, the older goes first */
	struct truth truth;
	int fd;				/* where it goes; borrowed */
	size_t len;
	uint8_t data[];
};

struct queue { struct flight **v; size_t n, room; uint64_t order; };

/* Takes the flight over. */
void queue_push(struct queue *, struct flight *);
/* The next one if it is due at now, given to the caller (free); else NULL. */
struct flight *queue_pop(struct queue *, int64_t now_ns);
/* When the next is due; INT64_MAX: none. */
int64_t queue_next(const struct queue *);
