/*
 * sandbox.h - giving up power for good.
 */
#pragma once

/*
 * Drops to user (NULL or "": stays the same uid), all supplementary groups,
 * every capability except those in keep (NULL-terminated list of CAP_ numbers
 * ended by -1; NULL: none; those we do not have are passed over) and sets
 * no_new_privs.  0 or -errno; why gets a line; after an error the process must
 * end.  Without the right to change groups and user: the same user only.
 */
int sandbox_drop(const char *user, const int *keep, char *why, unsigned n);
/* No core dumps with secrets, umask 0077, SIGPIPE ignored, stdio on valid fds; the
 * first thing in main. */
void sandbox_early(void);
