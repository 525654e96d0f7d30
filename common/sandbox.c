/*
 * sandbox.c - giving up power for good.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void
sandbox_early(void)
{
	struct rlimit no_core = { 0, 0 };
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)umask(0077);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Becomes user; capabilities survive the change only to be cut right after. */
static int
become(const char *user, char *why, unsigned n)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL) {
		snprintf(why, n, "user '%s' does not exist", user);
		return errno != 0 ? -errno : -ENOENT;
	}
	if (pw->pw_uid == geteuid())
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    initgroups(user, pw->pw_gid) != 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
		snprintf(why, n, "cannot become user '%s': %s", user, strerror(errno));
		return -errno;
	}
	return 0;
}

static int
cut_capabilities(const int *keep, char *why, unsigned n)
{
	cap_t caps = cap_init();
	int err = 0;

	if (caps == NULL)
		return -ENOMEM;
	for (; keep != NULL && *keep >= 0; keep++) {
		cap_value_t v = *keep;

		if (cap_set_flag(caps, CAP_PERMITTED, 1, &v, CAP_SET) != 0 ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &v, CAP_SET) != 0)
			err = -errno;
	}
	if (err == 0 && cap_set_proc(caps) != 0)
		err = -errno;
	if (err != 0)
		snprintf(why, n, "cannot drop capabilities: %s", strerror(-err));
	(void)cap_free(caps);
	return err;
}

int
sandbox_drop(const char *user, const int *keep, char *why, unsigned n)
{
	int err = 0;

	if (n > 0)
		why[0] = '\0';
	/* Bounding set first: it needs CAP_SETPCAP, which goes next. */
	for (int c = 0; geteuid() == 0 && c <= CAP_LAST_CAP; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	if (user != NULL && user[0] != '\0')
		err = become(user, why, n);
	else if (geteuid() == 0 && setgroups(0, NULL) != 0 && errno != EPERM)
		err = -errno;
	if (err == 0)
		err = cut_capabilities(keep, why, n);
	if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		err = -errno;
		snprintf(why, n, "cannot set no_new_privs: %s", strerror(-err));
	}
	return err;
}
