/*
 * tail.h - `linkwatch-collector tail`: live samples at a terminal.
 *
 *   tail [--link AGENT/LINK]... [--agent AGENT]... [--json] [--journal DIR]
 *
 * One more reader of the journal: reads only, holds nobody back, and needs no
 * more than the right to read its files.  Samples go to standard output as they
 * are published, everything that is no sample of a picked link and still must
 * be known (gaps, agents that come and go) as lines of their own; what is wrong
 * with the journal or ingest goes to standard error.  Ends with its output.
 */
#pragma once

/* argv[0] is "tail"; conf: path of collector.yaml. The exit status: 1 for a failure, 2 for wrong usage. */
int tail_main(const char *conf, int argc, char **argv);
