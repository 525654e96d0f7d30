/*
 * web_token.h - tokens by which programs use the API.
 *
 * A token is "lw_" and 64 hex digits (32 random bytes); the file holds its
 * SHA-256 alone, which is enough for a secret that nobody can guess.  One line
 * each, '#' begins a comment:
 *   NAME:ROLE:EXPIRES:sha256$HEX
 * NAME is an id of at most 48, ROLE as in web_users.h, EXPIRES seconds since 1970 UTC.
 * `linkwatch-collector token` writes the file (0600) and shows a new token once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/web_session.h"
#include "common/conf.h"

#define TOKENS_MAX 200
#define TOKEN_NAME_MAX 48
#define TOKEN_LEN (3 + SESSION_TOKEN_LEN)
#define TOKEN_ID (UINT64_C(1) << 63)	/* set in session.id of a request by token */
/* Requests of one token: so many a second, so many at once; beyond it 429. */
#define TOKEN_RATE 20
#define TOKEN_BURST 100

struct token {
	char name[TOKEN_NAME_MAX + 1];
	enum web_role role;
	char vendor[SESSION_USER_MAX + 1];
	int64_t expires_s;
	uint8_t key[32];		/* SHA-256 of the token */
	double credit;			/* requests it may make now */
	struct mono credit_at;
	int64_t used_s;			/* last used, wall; 0: not since the start */
};

struct tokens { struct token *v; size_t n; };

/* 0 or -EINVAL with "file:line: ..." in errs.  tokens_free() in any case. */
int tokens_load(const char *path, struct tokens *out, struct conf_errors *errs);
int tokens_parse(const char *text, size_t len, const char *name, struct tokens *out,
    struct conf_errors *errs);
void tokens_free(struct tokens *);
/* What is known of those that stay (credit, use) goes over to fresh, which takes the place of old. */
void tokens_replace(struct tokens *old, struct tokens *fresh);
/* The token of this text, if it has not expired; NULL: none. */
struct token *tokens_find(struct tokens *, const char *text, int64_t now_s);
/* The one with this number (token_id), if it has not expired. */
struct token *tokens_by_id(struct tokens *, uint64_t id, int64_t now_s);
/* Another role or vendor is another number: what was begun under the old one does not go on. */
uint64_t token_id(const struct token *);
/* May it make a request now?  Counts it if so. */
bool token_take(struct token *, struct mono now);
/* Gives it a new secret; the text (shown once) goes to out. */
void token_make(struct token *, struct rng *, char out[TOKEN_LEN + 1]);
/* The file's text; malloc'd, owned by the caller. */
char *tokens_text(const struct tokens *);
