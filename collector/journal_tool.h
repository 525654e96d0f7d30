/*
 * journal_tool.h - `linkwatch-collector journal ...`: looking at the evidence.
 *
 *   verify               walks everything: checksums, chain, numbers
 *   stat                 records, times, bytes, readers
 *   export AGENT/LINK    its samples, as CSV or JSON lines, to standard output
 *
 * Reads only; a collector may be running.
 */
#pragma once

/* dir: the journal's directory; argv[0] is the command. The exit status 0, 1 or 2. */
int journal_tool(const char *dir, int argc, char **argv);
