/*
 * scenario.h - stories for the alert core on a moving clock.
 *
 * A scenario is a text file, read line by line:
 *
 *   # words                     ignored
 *   start 2026-01-15 08:30:00   UTC+8; before anything else
 *   policy                      the indented lines that follow are policy.yaml
 *   links                       the same for links.yaml; again later: a new plan
 *   set AGENT/LINK MODE [N]     what its steps show from now on: good, lost, loss PERCENT,
 *                               slow MS, refused, unseen, quiet (no samples), oper-down, busy
 *   agent ID dead|alive|offline|online   dead: no word, nothing measured; offline: it spools,
 *                               online: it delivers what it spooled at once
 *   feed up|down, channel NAME up|down, collector dead|alive|stalled|resumed
 *   health ID offset=MS cert=DAYS jumps=N
 *   session ID up|down, refused ID REASON
 *   clock AGENT SECONDS         the agent's clock jumps by so much (its samples say so)
 *   do VERB N KEY=VALUE ...     a command: actor= role= eta=+SECONDS note= version= NAME=VALUE
 *                               (an underscore stands for a blank)
 *   away SECONDS                alertd does not run for so long, then catches up
 *   run TIME [by TIME]          the clock runs (10s 5m 2h 3d), with a tick each second or `by`
 *   why AGENT/LINK              prints the ledger
 *
 * After what makes something happen stand all lines that it must print, each
 * behind "> ": states of links, the incidents' log, messages, answers.  Other
 * lines, or lines missing, fail the scenario.  "quiet" before a run lets it
 * print nothing but counts.
 *
 * Every scenario is run three times: at the second the core is thrown away after
 * each event and restored from what it had decided so far, at the third after
 * each seventh (times 1000 in a story that begins with "# long").  All must
 * print the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs the file; what it printed goes to *out (malloc'd).  restore_every: 0 never.  0 or
 * -EINVAL with a line on stderr.
 */
int scenario_run(const char *path, unsigned restore_every, char **out);
