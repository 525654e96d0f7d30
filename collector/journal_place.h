/*
 * journal_place.h - which journal the tools look at.
 */
#pragma once

#include <stdint.h>

struct journal_place {
	char *dir;			/* owned */
	/* How far the start of a sample may lie before and behind the record that holds it. */
	int64_t past_ns, future_ns;
};

/*
 * "--journal DIR" among argv is taken out of it and names a directory (of a copy, say), of whose collector
 * nothing is known; else conf says where.  0, or the exit status after a message.
 */
int journal_place_find(struct journal_place *, const char *conf, int *argc, char **argv);
void journal_place_fini(struct journal_place *);
