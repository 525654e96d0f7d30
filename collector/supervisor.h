/*
 * supervisor.h - keeps the collector's processes alive.
 *
 * Each child is this program again (fork and exec of /proc/self/exe with --role).
 * A child that dies or whose heartbeat (heartbeat.h) stops is started again:
 * at once after a long life, else after 0.25 s, doubled up to 30 s.  Children
 * die with the supervisor (PR_SET_PDEATHSIG).  SIGHUP is passed on; SIGTERM
 * and SIGINT stop the children in reverse order, with SIGKILL after 10 s.
 *
 * One role may have a file in memory that outlives its processes: what it keeps
 * there (the keys of TLS tickets) its successor finds again, and nobody else
 * sees it, on no disk.
 */
#pragma once

#include <stdint.h>

#include "common/collector_conf.h"

struct supervisor_opts {
	const char *conf_path;
	const char *const *role;	/* names for --role, in the order of starting; ended by NULL */
	const char *keeper;		/* the role that has such a file; NULL: none */
	int64_t hang_ns;		/* without a heartbeat for so long: hung; 0: HEARTBEAT_LIMIT_S */
	int64_t stop_ns;		/* to end after SIGTERM or SIGABRT; 0: 10 s */
};

/* Runs until a signal says stop: the exit status. */
int supervisor_run(const struct supervisor_opts *);
/* In a child: that file, closed on exec from now on; -1 without a supervisor or for another role. */
int supervisor_kept_fd(void);
