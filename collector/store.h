/*
 * store.h - the process that turns the journal into RRD files: their only writer.
 *
 * Follows the journal with the durable cursor "store", which never runs ahead
 * of what is in the files.  Readers wish by STATE/store.sock, one line each:
 *
 *   flush AGENT/LINK      everything that is in the journal now goes to the file
 *   rebuild AGENT/LINK    sets the file aside and makes it anew from the journal
 *   stat                  "ok KEY=NUMBER ..."
 *
 * answered by "ok ...\n" or "error WHY\n".  Bounded: 64 readers, 256 bytes a
 * line, 30 s of silence.
 */
#pragma once

#include <stdbool.h>

struct collector_conf;

/* Runs until SIGTERM or SIGINT; the exit status. crashed: the one before died by a signal of its own making. */
int store_main(const struct collector_conf *, bool crashed);
/*
 * Sends one line to the store of this state directory and copies its answer (without newline).
 * 0, or -errno; waits at most 10 s.
 */
int store_ask(const struct collector_conf *, const char *line, char *answer, unsigned n);
