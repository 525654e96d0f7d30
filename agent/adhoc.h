/*
 * adhoc.h - `linkwatch-agent probe`: a measurement by hand, with the daemon's own probes.
 *
 * It needs neither collector nor configuration.  Its parts: adhoc_opts.c reads
 * the command line, adhoc_run.c sends and waits, adhoc_stats.c reckons,
 * adhoc_print.c tells.
 */
#pragma once

/* argv[0] is "probe".  The exit status of the process:
 * 0: all targets answered as asked, 1: some did not, 2: some names have no address, 3: wrong
 * usage, 4: could not start. */
int adhoc_main(int argc, char **argv);
