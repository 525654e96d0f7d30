/*
 * web_passwd.c - `linkwatch-collector passwd FILE USER [ROLE]`; ROLE vendor=ID is a vendor's engineer.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "collector/web.h"
#include "collector/web_users.h"
#include "common/mem.h"
#include "common/model.h"

#define PASSWORD_MIN 8

static bool
read_secret(const char *prompt, char *buf, size_t n)
{
	struct termios old, quiet;
	bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
	bool got;

	if (tty) {
		fputs(prompt, stderr);
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	got = fgets(buf, (int)n, stdin) != NULL;
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	if (got && strchr(buf, '\n') == NULL && strlen(buf) == n - 1) {
		fprintf(stderr, "passwd: longer than %d bytes\n", PASSWORD_MAX);
		return false;
	}
	if (got)
		buf[strcspn(buf, "\r\n")] = '\0';
	return got;
}

static bool
ask_password(char *buf, size_t n)
{
	char again[PASSWORD_MAX + 2];
	bool same = true;

	if (!read_secret("password: ", buf, n))
		return false;
	if (strlen(buf) < PASSWORD_MIN) {
		fprintf(stderr, "passwd: at least %d bytes\n", PASSWORD_MIN);
		return false;
	}
	if (isatty(STDIN_FILENO))
		same = read_secret("once more: ", again, sizeof again) && strcmp(buf, again) == 0;
	OPENSSL_cleanse(again, sizeof again);
	if (!same)
		fprintf(stderr, "passwd: the two are not the same\n");
	return same;
}

static int
write_users(const char *path, const struct users *u)
{
	char *text = xstrdup("# people who may log in to the page: NAME:ROLE:scrypt$...; written by `passwd`\n");
	int rc;

	for (size_t i = 0; i < u->n; i++) {
		char *line = user_line(&u->v[i]), *longer = xasprintf("%s%s\n", text, line);

		free(line);
		free(text);
		text = longer;
	}
	rc = secret_file_write(path, text);
	free(text);
	return rc;
}

/* Puts u in the place of one of the same name, or at the end. */
static void
put_user(struct users *all, const struct user *u)
{
	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->v[i].name, u->name) == 0) {
			all->v[i] = *u;
			return;
		}
	}
	all->v = xreallocarray(all->v, all->n + 1, sizeof *all->v);
	all->v[all->n++] = *u;
}

static int
set_password(const char *path, struct user *u)
{
	struct conf_errors errs = { 0 };
	struct users all = { 0 };
	char password[PASSWORD_MAX + 2];
	int rc = 1;

	if (access(path, F_OK) == 0 && users_load(path, &all, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		goto out;
	}
	if (!ask_password(password, sizeof password))
		goto out;
	user_set_password(u, password, rng_real());
	OPENSSL_cleanse(password, sizeof password);
	put_user(&all, u);
	rc = write_users(path, &all);
	if (rc != 0)
		fprintf(stderr, "passwd: %s: %s\n", path, strerror(-rc));
	rc = rc != 0;
out:
	users_free(&all);
	conf_errors_free(&errs);
	return rc;
}

int
web_passwd_main(int argc, char **argv)
{
	struct user u = { 0 };
	bool role;

	if (argc < 3 || argc > 4 || argv[1][0] == '-') {
		fprintf(stderr, "usage: linkwatch-collector passwd FILE USER [viewer|operator|admin|vendor=ID]\n");
		return argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) ? 0 : 2;
	}
	role = web_role_parse(argc > 3 ? argv[3] : "operator", &u.role, u.vendor);
	if (!id_is_valid(argv[2]) || !role) {
		fprintf(stderr, "passwd: %s\n", !role ? "the role is viewer, operator, admin or vendor=ID"
		    : "a user is [a-z0-9][a-z0-9-]*, at most 63 bytes");
		return 2;
	}
	snprintf(u.name, sizeof u.name, "%s", argv[2]);
	return set_password(argv[1], &u);
}
