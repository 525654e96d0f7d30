/*
 * test_web_session.c - sessions, CSRF tokens, the limiter and the users' file.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/web.h"
#include "collector/web_session.h"
#include "collector/web_users.h"

#define IDLE (60 * NS_PER_S)
#define MAX (600 * NS_PER_S)

static struct rng_seed seed;

static struct mono
at(int64_t s)
{
	return (struct mono){ s * NS_PER_S };
}

START_TEST(session_lives_and_ends)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 1), IDLE, MAX);
	char cookie[SESSION_TOKEN_LEN + 1], other[SESSION_TOKEN_LEN + 1];
	const struct session *s = session_open(t, "zhang", WEB_OPERATOR, "", at(0), cookie);
	uint64_t id = s->id;

	ck_assert_uint_eq(strlen(cookie), SESSION_TOKEN_LEN);
	ck_assert_str_ne(cookie, s->csrf);
	session_open(t, "li", WEB_VIEWER, "", at(0), other);
	ck_assert_str_ne(cookie, other);
	s = session_find(t, cookie, at(50));
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->user, "zhang");
	ck_assert_ptr_nonnull(session_find(t, cookie, at(110)));	/* used at 50: not idle yet */
	ck_assert_ptr_null(session_find(t, other, at(110)));		/* never used again */
	ck_assert_ptr_nonnull(session_by_id(t, id, at(170)));
	ck_assert_ptr_null(session_by_id(t, id, at(171)));		/* looking is no use */
	ck_assert(session_touch(t, id, at(170)));
	ck_assert(session_touch(t, id, at(230)));
	ck_assert(!session_touch(t, id, at(291)));
	ck_assert(!session_touch(t, 99, at(230)));
	ck_assert_ptr_null(session_find(t, cookie, at(291)));
	ck_assert_uint_eq(sessions_count(t), 0);
	sessions_free(t);
}
END_TEST

START_TEST(session_has_an_end)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 2), IDLE, MAX);
	char cookie[SESSION_TOKEN_LEN + 1];
	int64_t s;

	session_open(t, "zhang", WEB_OPERATOR, "", at(0), cookie);
	for (s = 0; s <= 600; s += 30)
		ck_assert_ptr_nonnull(session_find(t, cookie, at(s)));
	ck_assert_ptr_null(session_find(t, cookie, at(601)));
	sessions_free(t);
}
END_TEST

START_TEST(foreign_cookies_find_nothing)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 3), IDLE, MAX);
	char cookie[SESSION_TOKEN_LEN + 1], bad[SESSION_TOKEN_LEN + 1];

	session_open(t, "zhang", WEB_OPERATOR, "", at(0), cookie);
	ck_assert_ptr_null(session_find(t, "", at(0)));
	ck_assert_ptr_null(session_find(t, "zhang", at(0)));
	strcpy(bad, cookie);
	bad[63] = bad[63] == '0' ? '1' : '0';
	ck_assert_ptr_null(session_find(t, bad, at(0)));
	ck_assert_ptr_nonnull(session_find(t, cookie, at(0)));
	sessions_free(t);
}
END_TEST

START_TEST(log_out_ends_it)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 4), IDLE, MAX);
	char cookie[SESSION_TOKEN_LEN + 1];

	session_close(t, session_open(t, "zhang", WEB_OPERATOR, "", at(0), cookie)->id);
	ck_assert_ptr_null(session_find(t, cookie, at(0)));
	session_close(t, 99);
	sessions_free(t);
}
END_TEST

START_TEST(csrf_belongs_to_the_session)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 5), IDLE, MAX);
	char cookie[SESSION_TOKEN_LEN + 1];
	struct session a = *session_open(t, "a", WEB_OPERATOR, "", at(0), cookie);
	struct session b = *session_open(t, "b", WEB_OPERATOR, "", at(0), cookie);

	ck_assert(session_csrf_is_good(&a, a.csrf));
	ck_assert(!session_csrf_is_good(&a, b.csrf));
	ck_assert(!session_csrf_is_good(&a, NULL));
	ck_assert(!session_csrf_is_good(&a, ""));
	a.csrf[3] = '\0';
	ck_assert(!session_csrf_is_good(&a, a.csrf));
	sessions_free(t);
}
END_TEST

START_TEST(table_is_bounded)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 6), IDLE, MAX);
	char first[SESSION_TOKEN_LEN + 1], second[SESSION_TOKEN_LEN + 1], more[SESSION_TOKEN_LEN + 1];

	session_open(t, "first", WEB_VIEWER, "", at(0), first);
	session_open(t, "second", WEB_VIEWER, "", at(0), second);
	for (int i = 2; i < SESSIONS_MAX; i++)
		session_open(t, "more", WEB_VIEWER, "", at(1), more);
	ck_assert_ptr_nonnull(session_find(t, first, at(2)));
	session_open(t, "last", WEB_VIEWER, "", at(3), more);
	ck_assert_uint_eq(sessions_count(t), SESSIONS_MAX);
	ck_assert_ptr_null(session_find(t, second, at(3)));	/* the one longest unused went */
	ck_assert_ptr_nonnull(session_find(t, first, at(3)));
	sessions_free(t);
}
END_TEST

static bool
keep_li(void *arg, const struct session *s)
{
	(void)arg;
	return strcmp(s->user, "li") == 0;
}

START_TEST(filter_ends_the_others)
{
	struct sessions *t = sessions_new(rng_seeded(&seed, 7), IDLE, MAX);
	char a[SESSION_TOKEN_LEN + 1], b[SESSION_TOKEN_LEN + 1];

	session_open(t, "zhang", WEB_VIEWER, "", at(0), a);
	session_open(t, "li", WEB_VIEWER, "", at(0), b);
	sessions_filter(t, keep_li, NULL);
	ck_assert_ptr_null(session_find(t, a, at(0)));
	ck_assert_ptr_nonnull(session_find(t, b, at(0)));
	sessions_free(t);
}
END_TEST

START_TEST(failures_make_one_wait)
{
	struct limiter *l = limiter_new(3);

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(limiter_wait(l, "x", at(0)), 0);
		limiter_fail(l, "x", at(0));
	}
	ck_assert_uint_eq(limiter_wait(l, "x", at(0)), 1);
	ck_assert_uint_eq(limiter_wait(l, "y", at(0)), 0);
	ck_assert_uint_eq(limiter_wait(l, "x", at(1)), 0);
	for (int i = 0; i < 20; i++)
		limiter_fail(l, "x", at(1));
	ck_assert_uint_eq(limiter_wait(l, "x", at(1)), 300);
	ck_assert_uint_eq(limiter_wait(l, "x", at(300)), 1);
	ck_assert_uint_eq(limiter_wait(l, "x", at(301)), 0);
	limiter_fail(l, "x", at(2000));			/* forgotten meanwhile: counts from one again */
	ck_assert_uint_eq(limiter_wait(l, "x", at(2000)), 0);
	limiter_clear(l, "x");
	limiter_clear(l, "never");
	limiter_free(l);
}
END_TEST

START_TEST(limiter_is_bounded)
{
	struct limiter *l = limiter_new(1);
	char key[16];

	for (int i = 0; i < LIMITER_KEYS + 100; i++) {
		snprintf(key, sizeof key, "k%d", i);
		limiter_fail(l, key, at(i));
	}
	ck_assert_uint_eq(limiter_wait(l, "k0", at(0)), 0);
	ck_assert_uint_gt(limiter_wait(l, key, at(LIMITER_KEYS + 99)), 0);
	limiter_free(l);
}
END_TEST

/* ------------------------------------------------------------------- users */

START_TEST(password_is_checked)
{
	struct conf_errors errs = { 0 };
	struct users all;
	struct user u = { .name = "zhang", .role = WEB_ADMIN };
	char *line;

	user_set_password(&u, "正确的密码 8", rng_seeded(&seed, 8));
	ck_assert(user_password_is_good(&u, "正确的密码 8"));
	ck_assert(!user_password_is_good(&u, "正确的密码 9"));
	ck_assert(!user_password_is_good(&u, ""));
	ck_assert(!user_password_is_good(NULL, "正确的密码 8"));
	line = user_line(&u);
	ck_assert_ptr_null(strstr(line, "密码"));
	ck_assert_int_eq(users_parse(line, strlen(line), "users", &all, &errs), 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_int_eq(all.v[0].role, WEB_ADMIN);
	ck_assert(user_password_is_good(users_find(&all, "zhang"), "正确的密码 8"));
	ck_assert_ptr_null(users_find(&all, "li"));
	users_free(&all);
	free(line);
}
END_TEST

#define SALT "00112233445566778899aabbccddeeff"
#define GOOD "scrypt$15$8$1$" SALT "$" SALT SALT

static const char *const bad_lines[] = {
	"zhang", "zhang:admin", "zhang:admin:", ":admin:" GOOD, "Zhang:admin:" GOOD, "../x:admin:" GOOD,
	"zhang:vendor:" GOOD, "zhang:vendor=:" GOOD, "zhang:vendor=A云:" GOOD, "zhang:viewer=cloud-a:" GOOD,
	"zhang:root:" GOOD, "zhang:admin:md5$1", "zhang:admin:plain", "zhang:admin:scrypt$15$8$1$" SALT,
	"zhang:admin:scrypt$30$8$1$" SALT "$" SALT SALT, "zhang:admin:scrypt$15$99$1$" SALT "$" SALT SALT,
	"zhang:admin:scrypt$15$8$1$0011$" SALT SALT, "zhang:admin:" GOOD "0", "zhang:admin:" GOOD ":more",
	"a:viewer:" GOOD "\na:viewer:" GOOD,
};

START_TEST(vendors_have_an_id)
{
	struct user u = { .name = "li", .role = WEB_VENDOR, .vendor = "cloud-a" };
	struct conf_errors errs = { 0 };
	char cookie[SESSION_TOKEN_LEN + 1], *line = user_line(&u);
	struct sessions *t = sessions_new(rng_seeded(&seed, 9), IDLE, MAX);
	const struct session *s;
	struct users all;

	ck_assert_int_eq(strncmp(line, "li:vendor=cloud-a:scrypt$", 25), 0);
	free(line);
	line = (char *)"li:vendor=cloud-a:" GOOD;
	ck_assert_int_eq(users_parse(line, strlen(line), "users", &all, &errs), 0);
	ck_assert_int_eq(all.v[0].role, WEB_VENDOR);
	ck_assert_str_eq(all.v[0].vendor, "cloud-a");
	s = session_open(t, "li", all.v[0].role, all.v[0].vendor, at(0), cookie);
	ck_assert_str_eq(s->vendor, "cloud-a");
	ck_assert_str_eq(session_open(t, "zhang", WEB_VIEWER, "", at(0), cookie)->vendor, "");
	users_free(&all);
	sessions_free(t);
}
END_TEST

START_TEST(bad_lines_are_named)
{
	struct conf_errors errs = { 0 };
	struct users all;
	char text[1000];

	snprintf(text, sizeof text, "# comment\n\nok-user:viewer:" GOOD "\n%s\n", bad_lines[_i]);
	ck_assert_int_eq(users_parse(text, strlen(text), "users", &all, &errs), -EINVAL);
	ck_assert_uint_eq(errs.n, 1);
	ck_assert_int_eq(strncmp(errs.line[0], "users:", 6), 0);
	ck_assert(errs.line[0][6] == '4' || errs.line[0][6] == '5');
	ck_assert_uint_ge(all.n, 1);
	users_free(&all);
	conf_errors_free(&errs);
}
END_TEST

/* Runs passwd with the text as standard input. */
static int
passwd(const char *input, int argc, const char **argv)
{
	char name[] = "/tmp/lw-passwd-XXXXXX";
	int fd = mkstemp(name), rc;

	unlink(name);
	ck_assert_int_eq(write(fd, input, strlen(input)), (int)strlen(input));
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
	clearerr(stdin);
	rc = web_passwd_main(argc, (char **)argv);
	return rc;
}

START_TEST(passwd_writes_the_file)
{
	struct conf_errors errs = { 0 };
	char dir[] = "/tmp/lw-users-XXXXXX", path[64];
	struct users all;
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/users", dir);
	ck_assert_int_eq(passwd("first password\n", 4, (const char *[]){ "passwd", path, "zhang", "admin", NULL }), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(users_load(path, &all, &errs), 0);
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_uint_eq(all.n, 1);
	ck_assert(user_password_is_good(&all.v[0], "first password"));
	users_free(&all);
	chmod(path, 0644);
	ck_assert_int_eq(users_load(path, &all, &errs), 0);
	ck_assert_uint_eq(errs.warnings, 1);		/* others may read it */
	users_free(&all);
	/* what stands behind a zero is not read, and `passwd` would throw it away */
	ck_assert_int_eq(truncate(path, st.st_size + 1), 0);
	ck_assert_int_eq(users_load(path, &all, &errs), -EINVAL);
	users_free(&all);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);	/* nobody writes: it must not wait */
	ck_assert_int_eq(users_load(path, &all, &errs), -EINVAL);
	users_free(&all);
	conf_errors_free(&errs);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(passwd_refuses)
{
	const char *path = "/nonexistent/users";

	ck_assert_int_eq(passwd("short\n", 3, (const char *[]){ "passwd", path, "zhang", NULL }), 1);
	ck_assert_int_eq(passwd("", 3, (const char *[]){ "passwd", path, "zhang", NULL }), 1);
	ck_assert_int_eq(passwd("long enough\n", 3, (const char *[]){ "passwd", path, "zhang", NULL }), 1);
	ck_assert_int_eq(passwd("long enough\n", 3, (const char *[]){ "passwd", path, "Zhang", NULL }), 2);
	ck_assert_int_eq(passwd("long enough\n", 4, (const char *[]){ "passwd", path, "zhang", "root", NULL }), 2);
	ck_assert_int_eq(passwd("long enough\n", 1, (const char *[]){ "passwd", NULL }), 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_session");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_test(t, session_lives_and_ends);
	tcase_add_test(t, session_has_an_end);
	tcase_add_test(t, foreign_cookies_find_nothing);
	tcase_add_test(t, log_out_ends_it);
	tcase_add_test(t, csrf_belongs_to_the_session);
	tcase_add_test(t, table_is_bounded);
	tcase_add_test(t, filter_ends_the_others);
	tcase_add_test(t, failures_make_one_wait);
	tcase_add_test(t, limiter_is_bounded);
	tcase_add_test(t, password_is_checked);
	tcase_add_test(t, vendors_have_an_id);
	tcase_add_loop_test(t, bad_lines_are_named, 0, sizeof bad_lines / sizeof *bad_lines);
	tcase_add_test(t, passwd_writes_the_file);
	tcase_add_test(t, passwd_refuses);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
