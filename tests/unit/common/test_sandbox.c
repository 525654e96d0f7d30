/*
 * test_sandbox.c - what is left after a drop, and that it stays away.
 *
 * Each case runs in a process of its own (Check forks).  Those that need root
 * are the same code path as others, and pass over themselves without it.
 */
#include "common/sandbox.h"

#include <check.h>
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

static char why[200];

/* "CapEff" and the like of /proc/self/status. */
static unsigned long long
status(const char *field)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long v = 0;
	char line[256];
	size_t n = strlen(field);

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, n) == 0 && line[n] == ':')
			v = strtoull(line + n + 1, NULL, 16);
	fclose(f);
	return v;
}

static void
powerless(unsigned long long kept)
{
	ck_assert_uint_eq(status("CapEff"), kept);
	ck_assert_uint_eq(status("CapPrm"), kept);
	ck_assert_uint_eq(status("CapInh"), 0);
	ck_assert_uint_eq(status("CapAmb"), 0);
	ck_assert_uint_eq(status("NoNewPrivs"), 1);
}

START_TEST(test_same_user)
{
	gid_t groups[3] = { 1, 2, 3 };
	bool root = geteuid() == 0;

	if (root)
		ck_assert_int_eq(setgroups(3, groups), 0);
	ck_assert_msg(sandbox_drop(NULL, NULL, why, sizeof(why)) == 0, "%s", why);
	powerless(0);
	if (!root)
		return;
	ck_assert_uint_eq(geteuid(), 0);
	ck_assert_uint_eq(status("CapBnd"), 0);
	ck_assert_int_eq(getgroups(3, groups), 0);
	/* uid 0 without its powers: other people's files, low ports and raw sockets are out */
	ck_assert_int_eq(setuid(65534), -1);
	ck_assert_int_eq(socket(AF_INET, SOCK_RAW, 1), -1);
	ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(test_other_user)
{
	uid_t r, e, s;

	if (geteuid() != 0)
		return;
	ck_assert_msg(sandbox_drop("nobody", NULL, why, sizeof(why)) == 0, "%s", why);
	powerless(0);
	ck_assert_uint_eq(status("CapBnd"), 0);
	ck_assert_int_eq(getresuid(&r, &e, &s), 0);
	ck_assert(r != 0 && r == e && e == s);
	ck_assert_int_eq(getgroups(0, NULL), 0);
	ck_assert_uint_eq(getegid(), getpwnam("nobody")->pw_gid);
	ck_assert_int_eq(setuid(0), -1);
	ck_assert_int_eq(seteuid(0), -1);
	ck_assert_int_eq(open("/etc/shadow", O_RDONLY), -1);
}
END_TEST

START_TEST(test_kept)
{
	const int keep[] = { CAP_NET_RAW, -1 };
	int fd;

	if (geteuid() != 0 || (status("CapPrm") & 1ULL << CAP_NET_RAW) == 0)
		return;
	ck_assert_msg(sandbox_drop("nobody", keep, why, sizeof(why)) == 0, "%s", why);
	powerless(1ULL << CAP_NET_RAW);
	ck_assert_uint_eq(status("CapBnd"), 1ULL << CAP_NET_RAW);
	ck_assert_uint_ne(geteuid(), 0);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	ck_assert_int_ge(fd, 0);
	/* twice is no harm, and less is possible */
	ck_assert_msg(sandbox_drop(NULL, keep, why, sizeof(why)) == 0, "%s", why);
	powerless(1ULL << CAP_NET_RAW);
	ck_assert_msg(sandbox_drop(NULL, NULL, why, sizeof(why)) == 0, "%s", why);
	powerless(0);
	ck_assert_int_eq(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), -1);
	/* more is not */
	ck_assert_msg(sandbox_drop("", keep, why, sizeof(why)) == 0, "%s", why);
	powerless(0);
}
END_TEST

START_TEST(test_bad_users)
{
	ck_assert_int_eq(sandbox_drop("no-such-user", NULL, why, sizeof(why)), -ENOENT);
	ck_assert_str_eq(why, "user 'no-such-user': no such user");
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(sandbox_drop("nobody", NULL, why, sizeof(why)), 0);
	ck_assert_int_eq(sandbox_drop("root", NULL, why, sizeof(why)), -EPERM);
	ck_assert_str_eq(why, "cannot become user 'root': started without the right to");
	ck_assert_int_eq(sandbox_drop("nobody", NULL, why, sizeof(why)), 0);	/* who we are */
}
END_TEST

START_TEST(test_early)
{
	struct rlimit limit;
	struct stat st;
	int fd;

	close(0);
	close(1);
	sandbox_early();
	fd = open("/dev/zero", O_RDONLY);
	ck_assert_int_gt(fd, 2);	/* 0 and 1 are taken: by /dev/null */
	ck_assert_int_eq(fstat(1, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur + limit.rlim_max, 0);
	ck_assert_int_eq(umask(0), 0077);
	ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_IGN);
#if !defined(SANITIZED)		/* the leak check traces its own process */
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
#endif
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("sandbox");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_same_user);
	tcase_add_test(t, test_other_user);
	tcase_add_test(t, test_kept);
	tcase_add_test(t, test_bad_users);
	tcase_add_test(t, test_early);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_set_fork_status(r, CK_FORK);	/* a drop is for good */
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
