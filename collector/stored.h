/*
 * stored.h - the samples in the records of the journal, and how they are
 * written out.
 *
 * Reads what may be years old, or forged: a record is believed only after
 * batch_check(), and names are ids or it is not sound.
 */
#pragma once

#include <stdio.h>

#include "collector/pick.h"
#include "common/batch.h"
#include "common/journal.h"

struct stored {				/* where a sample or a gap comes from */
	const char *agent;
	int64_t received_ns;		/* wall clock of the collector */
	uint64_t seq;			/* of the record */
};

struct stored_fns {
	void (*sample)(void *arg, const struct stored *, const struct sample *);
	void (*gap)(void *arg, const struct stored *, const Linkwatch__Pb__Gap *);	/* may be NULL */
	void *arg;
};

/* Calls back for what a JREC_BATCH holds of the picked links, and its gaps. 0, or -EBADMSG: it is not sound. */
int stored_walk(const struct journal_record *, const struct pick *, const struct stored_fns *);
/* The same for a batch as the agent packed it, which is not in such a record. */
int stored_walk_batch(const struct stored *, const uint8_t *packed, size_t len, const struct pick *,
    const struct stored_fns *);

/*
 * CSV (RFC 4180, but lines end with LF), one sample a line:
 *
 *   agent,link       ids
 *   start            begin of the step, RFC 3339 with nanoseconds, at +08:00
 *   start_ns         the same, ns since 1970
 *   received_ns      when the collector got it, ns since 1970
 *   step_ms          length of the step
 *   sent, replies    packets
 *   flags            words, a blank between two: late not-observed socket-drops clock-jump burst
 *   rtt_ns           round trips in the order of sending, a blank between two
 *   causes           CAUSE=COUNT, a blank between two
 *   values           ROLE=VALUE of SNMP and TLS, a blank between two; every digit that counts
 *   raw              ROLE=COUNTER as the device told it, where it is one
 *
 * No field begins with anything but a small letter or a digit, so that no spreadsheet takes one for a
 * formula, and none holds a quote, a comma or a line end.
 */
void stored_csv_head(FILE *);
void stored_csv(FILE *, const struct stored *, const struct sample *);
/* The same as one JSON object and a newline; lists are arrays, causes, values and raw objects. */
void stored_json(FILE *, const struct stored *, const struct sample *);

/* Its flags, causes and values in words, a blank between two. */
void stored_notes(FILE *, const struct sample *);

/* A text that came from outside, on one line: what is not printable stands as \xNN. */
void stored_text(FILE *, const char *);
/* The same as a JSON string with its quotes. */
void stored_text_json(FILE *, const char *);
