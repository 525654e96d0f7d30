/*
 * web_users.h - the file of people who may log in.
 *
 * One line each, '#' begins a comment:
 *   NAME:ROLE:scrypt$LOGN$R$P$SALT$HASH
 * NAME is an id as links have them; ROLE viewer, operator, admin or vendor=ID;
 * SALT 16 and HASH 32 bytes in hex.  `linkwatch-collector passwd` writes it (0600).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/web_session.h"
#include "common/conf.h"
#include "common/rng.h"

#define USERS_MAX 1000
#define PASSWORD_MAX 256

struct user {
	char name[SESSION_USER_MAX + 1];
	enum web_role role;
	char vendor[SESSION_USER_MAX + 1];	/* of WEB_VENDOR alone, else "" */
	uint32_t log_n, r, p;
	uint8_t salt[16], hash[32];
};

struct users { struct user *v; size_t n; };

/* 0 or -EINVAL with "file:line: ..." in errs.  users_free() in any case. */
int users_load(const char *path, struct users *out, struct conf_errors *errs);
int users_parse(const char *text, size_t len, const char *name, struct users *out,
    struct conf_errors *errs);
void users_free(struct users *);
const struct user *users_find(const struct users *, const char *name);	/* NULL: none */

/*
 * Is this u's password?  Takes some 60 ms and 32 MiB of work by design, so never on a loop.  u NULL:
 * does the same work and says no, so that time does not tell who exists.
 */
bool user_password_is_good(const struct user *u, const char *password);
/* Fills salt and hash. */
void user_set_password(struct user *, const char *password, struct rng *);
/* The line of the file without its end, malloc'd, owned by the caller. */
char *user_line(const struct user *);

/* Files of secrets (users and tokens alike).  The text, malloc'd; NULL with a line in errs.  Warns if others may read. */
char *secret_file_read(const char *path, size_t *len, struct conf_errors *errs);
/* Writes text beside path (0600, with the owner of the file that stood there), syncs and renames over it. 0 or -errno. */
int secret_file_write(const char *path, const char *text);
/* 2 n hex digits (lower case) into n bytes; false: s is anything else. */
bool secret_from_hex(uint8_t *out, size_t n, const char *s);
void secret_to_hex(char *out, const uint8_t *v, size_t n);	/* 2 n digits and a NUL */
