/*
 * shelf.h - all RRD files of a store: which there are, what waits for them,
 * and what happens to a bad one.
 *
 * A file that has another layout than its link now wants is moved to the new one
 * with its history.  A damaged one is set aside (renamed to LINK.rrd.damaged-TIME, told
 * in the log) and its series "wants a rebuild": the store reads the journal again
 * for it; so does a series whose rows could not be written for long.  One that is
 * rebuilt on a wish becomes LINK.rrd.old-TIME, and what it knew from before the journal
 * begins goes into the new one.
 *
 * Making and moving files takes at most a quarter of the time: the rows of others wait
 * meanwhile, up to HOLD_MAX each.
 *
 * Files in the directory of the RRD files:
 *   .series    AGENT/LINK, one a line: files that have been made
 *   .rebuild   AGENT/LINK, one a line: rebuilds that are not finished
 *   .opening   the file that is written right now, and its head (shelf_notes.c)
 *   .running   the boot id of the machine while a store runs
 *   .plan      the last Plan
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/gather.h"
#include "collector/series.h"
#include "collector/table.h"
#include "common/clock.h"

struct shelf;

enum series_state {
	SERIES_READY = 0,
	SERIES_WANTS_REBUILD,		/* rows of the live stream are left out */
	SERIES_REBUILDING,		/* a pass over the journal brings its rows */
};

struct series {
	char name[SERIES_PATH_MAX];	/* "AGENT/LINK" */
	char path[SERIES_PATH_MAX];	/* "AGENT/LINK.rrd" */
	struct series_def def;
	struct gather gather;
	enum series_state state;
	uint32_t phase;			/* of its turn to be written (gather.h) */
	bool is_known;			/* has had a file */
	bool is_suspect;		/* the machine died: its last rows may not be what they seem */
	unsigned failures;		/* on end */
	int64_t retry_ns;		/* monotonic: not before; 0: at once */
	int64_t written;		/* stamp of the last row that this process wrote */
};

struct shelf_opts {
	const char *dir;		/* copied; must exist */
	const struct series_policy *policy;	/* copied */
	size_t rows;
	int64_t age_ns;
	const struct clock *clock;	/* borrowed */
};

struct shelf_stat {
	uint64_t series, rows, writes, late, repeats, odd, aside, failures, waiting, made, moved;
};

/*
 * crashed: the process before died of a signal of its own making: the file it worked on is set aside.
 * -errno with a line in why.
 */
int shelf_open(struct shelf **out, const struct shelf_opts *, bool crashed, char *why, size_t n);
/* Writes nothing; NULL is allowed. clean: all is on disk (shelf_sync() after the last flush). */
void shelf_close(struct shelf *, bool clean);

/* Which links there are from now on; save: also into .plan. */
void shelf_plan(struct shelf *, const Linkwatch__Pb__Plan *, bool save);
/* The Plan of .plan, owned by the caller, or NULL. */
Linkwatch__Pb__Plan *shelf_saved_plan(const struct shelf *);

/* Takes in the samples of one JREC_BATCH payload. rebuilding: for the series of a pass only, else for the others. */
void shelf_batch(struct shelf *, uint64_t seq, const void *data, size_t len, bool rebuilding);
/*
 * The reader is behind the journal's end: until it is not, more rows are gathered for a file, as far as
 * BACKLOG_BYTES reach.
 */
void shelf_backlog(struct shelf *, bool is_behind);
/* Writes what is due, for about 50 ms at most; the next call goes on. */
void shelf_flush(struct shelf *);
/* Writes all that waits, however long it takes; beat(arg) is called now and then. */
void shelf_flush_all(struct shelf *, void (*beat)(void *arg), void *arg);
struct series *shelf_find(const struct shelf *, const char *name);
/* Writes this one at once; 0 or -errno (it then wants a rebuild, or waits). */
int shelf_flush_one(struct shelf *, struct series *);
/* Sets the file aside and lets the series be rebuilt. */
void shelf_rebuild(struct shelf *, struct series *);

/* For when no store runs: sets the file of name in dir aside and notes that it is to be rebuilt. */
int shelf_note_rebuild(const char *dir, const char *name, char *why, size_t n);

/* Does any series want a rebuild and may it begin? Then they are REBUILDING from here on. */
bool shelf_begin_pass(struct shelf *);
/* The pass has reached the live stream. */
void shelf_end_pass(struct shelf *);

/* The lowest record whose rows are not in a file; UINT64_MAX: none waits. */
uint64_t shelf_lowest(const struct shelf *);
/* Begins to make durable what was written, beside the loop; false: that is under way already. */
bool shelf_sync_begin(struct shelf *);
/* -EINPROGRESS; then, once, 0 or -errno of what was begun. */
int shelf_sync_end(struct shelf *);
/* The same, waiting. */
int shelf_sync(struct shelf *);
void shelf_stat(const struct shelf *, struct shelf_stat *);
