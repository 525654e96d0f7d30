/*
 * test_web_token.c - tokens of programs: what a file may say, what is found, how often, and the command.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/web.h"
#include "collector/web_token.h"

static struct rng_seed seed;

static struct mono
at(double s)
{
	return (struct mono){ (int64_t)(s * (double)NS_PER_S) };
}

/* All of them as the file's text would give them back. */
static void
reread(struct tokens *all)
{
	struct conf_errors errs = { 0 };
	struct tokens fresh;
	char *text = tokens_text(all);

	ck_assert_int_eq(tokens_parse(text, strlen(text), "tokens", &fresh, &errs), 0);
	ck_assert_uint_eq(errs.n, 0);
	free(text);
	tokens_replace(all, &fresh);
	ck_assert_ptr_null(fresh.v);
}

static struct tokens
two(char one[TOKEN_LEN + 1], char other[TOKEN_LEN + 1])
{
	struct tokens all = { calloc(2, sizeof(struct token)), 2 };

	all.v[0] = (struct token){ .name = "ci", .role = WEB_OPERATOR, .expires_s = 1000,
		.credit = TOKEN_BURST };
	all.v[1] = (struct token){ .name = "cloud", .role = WEB_VENDOR, .vendor = "cloud-a", .expires_s = 2000,
		.credit = TOKEN_BURST };
	token_make(&all.v[0], rng_seeded(&seed, 1), one);
	token_make(&all.v[1], &seed.rng, other);
	return all;
}

START_TEST(is_found_until_it_expires)
{
	char one[TOKEN_LEN + 1], other[TOKEN_LEN + 1], *text;
	struct tokens all = two(one, other);
	uint64_t id;

	ck_assert_str_ne(one, other);
	text = tokens_text(&all);
	ck_assert_ptr_null(strstr(text, one + 3));	/* the file has no secret */
	free(text);
	reread(&all);
	ck_assert_str_eq(tokens_find(&all, one, 999)->name, "ci");
	ck_assert_int_eq(tokens_find(&all, other, 999)->role, WEB_VENDOR);
	ck_assert_str_eq(tokens_find(&all, other, 999)->vendor, "cloud-a");
	ck_assert_ptr_null(tokens_find(&all, one, 1000));
	ck_assert_ptr_nonnull(tokens_find(&all, other, 1000));
	id = token_id(&all.v[0]);
	ck_assert((id & TOKEN_ID) != 0 && id != token_id(&all.v[1]));
	ck_assert_ptr_eq(tokens_by_id(&all, id, 999), &all.v[0]);
	ck_assert_ptr_null(tokens_by_id(&all, id, 1000));
	ck_assert_ptr_null(tokens_by_id(&all, 7, 1));
	/* a stream that it began as somebody else ends */
	all.v[0].role = WEB_VENDOR;
	ck_assert_ptr_null(tokens_by_id(&all, id, 999));
	id = token_id(&all.v[0]);
	strcpy(all.v[0].vendor, "cloud-b");
	ck_assert_ptr_null(tokens_by_id(&all, id, 999));
	one[TOKEN_LEN - 1] ^= 1;
	ck_assert_ptr_null(tokens_find(&all, one, 1));
	ck_assert_ptr_null(tokens_find(&all, "", 1));
	ck_assert_ptr_null(tokens_find(&all, one + 3, 1));
	tokens_free(&all);
}
END_TEST

START_TEST(has_a_rate)
{
	char one[TOKEN_LEN + 1], other[TOKEN_LEN + 1];
	struct tokens all = two(one, other);
	struct token *t = &all.v[0];

	for (int i = 0; i < TOKEN_BURST; i++)
		ck_assert(token_take(t, at(100)));
	ck_assert(!token_take(t, at(100)));
	ck_assert(!token_take(t, at(100 + 0.5 / TOKEN_RATE)));
	ck_assert(token_take(t, at(100 + 1.0 / TOKEN_RATE)));
	ck_assert(token_take(&all.v[1], at(100)));
	t->used_s = 55;
	reread(&all);				/* a new file is no new credit */
	t = &all.v[0];
	ck_assert_int_eq(t->used_s, 55);
	ck_assert(!token_take(t, at(100 + 1.0 / TOKEN_RATE)));
	for (int i = 0; i < TOKEN_BURST; i++)	/* and waiting long gives no more than the burst */
		ck_assert(token_take(t, at(10000)));
	ck_assert(!token_take(t, at(10000)));
	tokens_free(&all);
}
END_TEST

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char *const bad_lines[] = {
	"x", "x:viewer", "x:viewer:1", "x:viewer:1:", "x:viewer:1:sha256$", "x:viewer:1:sha256$00",
	"x:viewer:1:sha256$" HEX "0", "x:viewer:1:md5$" HEX, "x:viewer:1:sha256$" HEX ":more",
	"x:vendor:1:sha256$" HEX, "x:vendor=:1:sha256$" HEX, "x:vendor=A/B:1:sha256$" HEX, "x:root:1:sha256$" HEX,
	"X:viewer:1:sha256$" HEX, "x:viewer:-1:sha256$" HEX, "x:viewer:1x:sha256$" HEX,
	"x:viewer:99999999999999999999:sha256$" HEX, "x:viewer: 1:sha256$" HEX,
	"a234567890123456789012345678901234567890123456789:viewer:1:sha256$" HEX,
	"x:viewer:1:sha256$" HEX "\nx:viewer:1:sha256$" HEX,
};

START_TEST(bad_lines_are_named)
{
	struct conf_errors errs = { 0 };
	struct tokens all;
	char text[1000];

	snprintf(text, sizeof text, "# comment\n\nok:viewer:1:sha256$" HEX "\n%s\n", bad_lines[_i]);
	ck_assert_int_eq(tokens_parse(text, strlen(text), "tokens", &all, &errs), -EINVAL);
	ck_assert_uint_eq(errs.n, 1);
	ck_assert_int_eq(strncmp(errs.line[0], "tokens:", 7), 0);
	tokens_free(&all);
	conf_errors_free(&errs);
}
END_TEST

static int
token(int argc, ...)
{
	const char *argv[8] = { "token" };
	va_list ap;

	va_start(ap, argc);
	for (int i = 1; i < argc; i++)
		argv[i] = va_arg(ap, const char *);
	va_end(ap);
	return web_token_main(argc, (char **)argv);
}

/* The command runs in test_doors.py too, against a page; here what it refuses. */
START_TEST(command_refuses)
{
	char dir[] = "/tmp/lw-tokens-XXXXXX", path[64];
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/tokens", dir);
	ck_assert_int_eq(token(1), 2);
	ck_assert_int_eq(token(2, "burn"), 2);
	ck_assert_int_eq(token(4, "add", path, "ci"), 2);
	ck_assert_int_eq(token(5, "add", path, "ci", "root"), 2);
	ck_assert_int_eq(token(5, "add", path, "ci", "vendor"), 2);
	ck_assert_int_eq(token(5, "add", path, "ci", "vendor="), 2);
	ck_assert_int_eq(token(5, "add", path, "CI", "viewer"), 2);
	ck_assert_int_eq(token(5, "add", path, "a234567890123456789012345678901234567890123456789", "viewer"), 2);
	ck_assert_int_eq(token(6, "add", path, "ci", "viewer", "99999"), 2);
	ck_assert_int_eq(token(6, "add", path, "ci", "viewer", "0"), 2);
	ck_assert_int_eq(token(6, "add", path, "ci", "viewer", "1d"), 2);
	ck_assert_int_eq(token(3, "list", path), 1);
	ck_assert_int_eq(token(4, "revoke", path, "ci"), 1);
	ck_assert_int_eq(token(5, "add", "/nonexistent/tokens", "ci", "viewer"), 1);
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert_int_eq(token(5, "add", path, "ci", "viewer"), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(token(5, "add", path, "ci", "viewer"), 1);	/* stands already */
	ck_assert_int_eq(token(4, "revoke", path, "no"), 1);
	if (geteuid() == 0)			/* the page's user goes on reading it */
		ck_assert_int_eq(chown(path, 12345, 12346), 0);
	ck_assert_int_eq(token(4, "revoke", path, "ci"), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(geteuid() != 0 || (st.st_uid == 12345 && st.st_gid == 12346));
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(token(5, "add", path, "ci", "vendor=cloud-a"), 0);
	unlink(path);
	rmdir(dir);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_token");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, is_found_until_it_expires);
	tcase_add_test(t, has_a_rate);
	tcase_add_loop_test(t, bad_lines_are_named, 0, sizeof bad_lines / sizeof *bad_lines);
	tcase_add_test(t, command_refuses);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
