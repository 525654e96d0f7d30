/*
 * journal_tool.h - `linkwatch-collector journal ...`: looking at the evidence.
 *
 *   verify [--head HASH@SEQ]...   walks everything: checksums, chain, numbers, what retention took, how
 *                                 far readers were; and whether record SEQ still has that hash
 *   stat [--types]                where it stands, its head, its readers; --types counts the records
 *   export --link ID...           samples, as CSV or JSON lines, to standard output; --what events: gaps,
 *                                 sessions, refusals; --what refused: the samples of refused batches
 *
 * Reads only; a collector may be running.
 */
#pragma once

#include "collector/journal_place.h"

struct disk;

enum journal_status {			/* exit statuses */
	JOURNAL_GOOD = 0,
	JOURNAL_FAILED = 1,		/* it cannot be read, or the output cannot be written */
	JOURNAL_USAGE = 2,
	JOURNAL_DAMAGED = 3,
};

/* argv[0] is the command. An enum journal_status. */
int journal_tool(const struct journal_place *, int argc, char **argv);
/* "export" with its options (journal_export.c); 2 without a message: wrong usage. */
int journal_export(const struct journal_place *, struct disk *, int argc, char **argv);
