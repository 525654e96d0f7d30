/*
 * tail_line.h - what `tail` writes: one line for each thing, for a person or
 * as JSON.
 *
 * For a person: columns under a heading, in Chinese when the locale is, padded
 * by what a terminal shows.  Text that came from outside is escaped.
 */
#pragma once

#include "collector/stored.h"

struct tail_line {
	struct pick pick;		/* owned */
	bool json, zh;
	bool again;			/* repeat the heading: a person looks on */
	size_t link_width;		/* columns of the widest link so far */
	unsigned since_head;		/* lines */
};

void tail_line_init(struct tail_line *, bool terminal);	/* asks LC_ALL, LC_MESSAGES and LANG */
void tail_line_fini(struct tail_line *);
void tail_line_head(struct tail_line *);
void tail_line_sample(struct tail_line *, const struct stored *, const struct sample *);
void tail_line_gap(struct tail_line *, const char *agent, const Linkwatch__Pb__Gap *);
void tail_line_session(struct tail_line *, const Linkwatch__Pb__Session *);
/* To standard error, in the reader's language; each format takes the number as PRIu64. */
void tail_line_note(const struct tail_line *, const char *zh, const char *en, uint64_t number);
