/*
 * ctl.c - linkctl's entry; run.c does the work.
 */
#include <signal.h>
#include <stdio.h>

#include "alertd/ctl/ctl.h"

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);	/* a closed pipe is a failed write, told as such */
	return ctl_main(argc, argv, stdout, stderr);
}
