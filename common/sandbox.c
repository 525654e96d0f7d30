/*
 * sandbox.c - from root to nobody in particular, for good.
 *
 * Order matters: the bounding set and the groups go while we may still change
 * them, the user next (PR_SET_KEEPCAPS holds what keep names over the change),
 * the capabilities last.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

static int
fail(char *why, unsigned n, const char *what)
{
	int e = errno;

	snprintf(why, n, "%s: %s", what, strerror(e));
	return e != 0 ? -e : -EIO;
}

static bool
is_kept(const int *keep, int cap)
{
	for (; keep != NULL && *keep >= 0; keep++)
		if (*keep == cap)
			return true;
	return false;
}

static bool
may(cap_value_t cap)
{
	cap_flag_value_t v = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps != NULL)
		(void)cap_get_flag(caps, cap, CAP_EFFECTIVE, &v);
	(void)cap_free(caps);
	return v == CAP_SET;
}

static int
drop_bounding(const int *keep, char *why, unsigned n)
{
	if (!may(CAP_SETPCAP))
		return 0;		/* started without power: no_new_privs is enough */
	for (int cap = 0; cap < cap_max_bits(); cap++)
		if (!is_kept(keep, cap) && cap_drop_bound(cap) != 0)
			return fail(why, n, "cannot drop the capability bounding set");
	return 0;
}

static int
become(uid_t uid, gid_t gid, bool change, char *why, unsigned n)
{
	if (may(CAP_SETGID) && setgroups(0, NULL) != 0)
		return fail(why, n, "cannot drop supplementary groups");
	if (!change)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return fail(why, n, "cannot keep capabilities over the change of user");
	if (setresgid(gid, gid, gid) != 0)
		return fail(why, n, "cannot change group");
	if (setresuid(uid, uid, uid) != 0)
		return fail(why, n, "cannot change user");
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return fail(why, n, "the way back to root is still open");
	}
	return 0;
}

/* Leaves of the permitted set what keep names, and makes that effective. */
static int
drop_caps(const int *keep, char *why, unsigned n)
{
	cap_t old = cap_get_proc(), new = cap_init();
	int r = 0;

	if (old == NULL || new == NULL) {
		r = fail(why, n, "cannot read capabilities");
		goto out;
	}
	for (; keep != NULL && *keep >= 0; keep++) {
		cap_value_t cap = *keep;
		cap_flag_value_t have = CAP_CLEAR;

		if (cap_get_flag(old, cap, CAP_PERMITTED, &have) != 0 || have != CAP_SET)
			continue;
		if (cap_set_flag(new, CAP_PERMITTED, 1, &cap, CAP_SET) != 0 ||
		    cap_set_flag(new, CAP_EFFECTIVE, 1, &cap, CAP_SET) != 0) {
			r = fail(why, n, "cannot name a capability");
			goto out;
		}
	}
	(void)cap_reset_ambient();
	if (cap_set_proc(new) != 0)
		r = fail(why, n, "cannot drop capabilities");
out:
	(void)cap_free(old);
	(void)cap_free(new);
	return r;
}

/* uid and gid of a login. */
static int
look_up(const char *user, uid_t *uid, gid_t *gid, char *why, unsigned n)
{
	struct passwd pw, *found = NULL;
	char buf[4096];
	int r = getpwnam_r(user, &pw, buf, sizeof(buf), &found);

	if (found == NULL) {
		snprintf(why, n, "user '%s': %s", user, r != 0 ? strerror(r) : "no such user");
		return r != 0 ? -r : -ENOENT;
	}
	*uid = pw.pw_uid;
	*gid = pw.pw_gid;
	return 0;
}

int
sandbox_drop(const char *user, const int *keep, char *why, unsigned n)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	bool change;
	int r;

	if (n > 0)
		why[0] = '\0';
	if (user != NULL && user[0] != '\0') {
		r = look_up(user, &uid, &gid, why, n);
		if (r != 0)
			return r;
	}
	change = uid != getuid() || uid != geteuid();
	if (change && !may(CAP_SETUID)) {
		snprintf(why, n, "cannot become user '%s': started without the right to", user);
		return -EPERM;
	}
	r = drop_bounding(keep, why, n);
	if (r == 0)
		r = become(uid, gid, change, why, n);
	if (r == 0)
		r = drop_caps(keep, why, n);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		r = fail(why, n, "cannot set no_new_privs");
	return r;
}

void
sandbox_early(void)
{
	const struct rlimit none = { 0, 0 };
	int fd;

	do				/* 0, 1 and 2 stand before anything else is opened */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef SANITIZED			/* the leak check traces its own process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	(void)umask(0077);
	(void)signal(SIGPIPE, SIG_IGN);
}
