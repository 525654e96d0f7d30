/*
 * web_token_cmd.c - `linkwatch-collector token add|list|revoke FILE ...`.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/web.h"
#include "collector/web_token.h"
#include "collector/web_users.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/model.h"

#define DAYS_DEFAULT 90
#define DAYS_MAX 3660
#define DAY_S 86400

static int
usage(int status)
{
	fputs("usage: linkwatch-collector token add FILE NAME viewer|operator|admin|vendor=ID [DAYS]\n"
	    "       linkwatch-collector token list FILE\n"
	    "       linkwatch-collector token revoke FILE NAME\n", stderr);
	return status;
}

static int64_t
now_s(void)
{
	return clock_wall(clock_real()).ns / NS_PER_S;
}

static bool
load(const char *path, bool may_be_new, struct tokens *all)
{
	struct conf_errors errs = { 0 };
	bool good = (may_be_new && access(path, F_OK) != 0) || tokens_load(path, all, &errs) == 0;

	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	return good;
}

static int
save(const char *path, const struct tokens *all)
{
	char *text = tokens_text(all);
	int rc = secret_file_write(path, text);

	free(text);
	if (rc != 0)
		fprintf(stderr, "token: %s: %s\n", path, strerror(-rc));
	return rc != 0;
}

static struct token *
find(struct tokens *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].name, name) == 0)
			return &all->v[i];
	return NULL;
}

static int
add(const char *path, const struct token *wish)
{
	struct tokens all = { 0 };
	char secret[TOKEN_LEN + 1];
	struct token t = *wish;
	int rc = 1;

	if (!load(path, true, &all))
		goto out;
	if (find(&all, t.name) != NULL || all.n == TOKENS_MAX) {
		fprintf(stderr, "token: %s\n", all.n == TOKENS_MAX ? "too many: revoke some"
		    : "this name stands already: revoke it first");
		goto out;
	}
	token_make(&t, rng_real(), secret);
	all.v = xreallocarray(all.v, all.n + 1, sizeof *all.v);
	all.v[all.n++] = t;
	rc = save(path, &all);
	if (rc == 0) {
		puts(secret);
		fputs("token: shown this once; the file keeps only its hash\n", stderr);
	}
	OPENSSL_cleanse(secret, sizeof secret);
out:
	tokens_free(&all);
	return rc;
}

static int
list(const char *path)
{
	struct tokens all = { 0 };
	int rc = load(path, false, &all) ? 0 : 1;

	for (size_t i = 0; i < all.n; i++) {
		const struct token *t = &all.v[i];
		time_t end = (time_t)t->expires_s;
		char role[WEB_ROLE_TEXT_MAX], day[32];
		struct tm tm;

		web_role_text(role, t->role, t->vendor);
		gmtime_r(&end, &tm);
		strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%SZ", &tm);
		printf("%s %s %s%s\n", t->name, role, day, t->expires_s <= now_s() ? " expired" : "");
	}
	tokens_free(&all);
	return rc;
}

static int
drop(const char *path, const char *name)
{
	struct tokens all = { 0 };
	struct token *t;
	int rc = 1;

	if (!load(path, false, &all))
		goto out;
	t = find(&all, name);
	if (t == NULL) {
		fprintf(stderr, "token: %s: no token '%s'\n", path, name);
		goto out;
	}
	memmove(t, t + 1, (size_t)(all.v + all.n - t - 1) * sizeof *t);
	all.n--;
	rc = save(path, &all);
out:
	tokens_free(&all);
	return rc;
}

static int
add_main(int argc, char **argv)
{
	struct token t = { .credit = TOKEN_BURST };
	long days = DAYS_DEFAULT;
	char *end = NULL;

	if (argc < 5 || argc > 6)
		return usage(2);
	if (argc == 6)
		days = strtol(argv[5], &end, 10);
	if ((end != NULL && (*end != '\0' || end == argv[5])) || days < 1 || days > DAYS_MAX) {
		fprintf(stderr, "token: DAYS is 1 to %d\n", DAYS_MAX);
		return 2;
	}
	if (!id_is_valid(argv[3]) || strlen(argv[3]) > TOKEN_NAME_MAX) {
		fputs("token: a name is [a-z0-9][a-z0-9-]*, at most 48 bytes\n", stderr);
		return 2;
	}
	if (!web_role_parse(argv[4], &t.role, t.vendor)) {
		fputs("token: the role is viewer, operator, admin or vendor=ID\n", stderr);
		return 2;
	}
	snprintf(t.name, sizeof t.name, "%s", argv[3]);
	t.expires_s = now_s() + days * DAY_S;
	return add(argv[2], &t);
}

int
web_token_main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "add") == 0)
		return add_main(argc, argv);
	if (strcmp(verb, "list") == 0 && argc == 3)
		return list(argv[2]);
	if (strcmp(verb, "revoke") == 0 && argc == 4)
		return drop(argv[2], argv[3]);
	return usage(strcmp(verb, "-h") == 0 || strcmp(verb, "--help") == 0 ? 0 : 2);
}
