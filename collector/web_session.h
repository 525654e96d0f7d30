/*
 * web_session.h - who is logged in, and how often somebody may try (pure but for the rng given).
 *
 * A session is named by 32 random bytes that only the browser keeps (as a
 * cookie of 64 hex digits); the table holds their SHA-256.  It ends after
 * `idle` without a request, after `max` in any case, by log-out, or when
 * the table is full and it is the one longest unused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"
#include "common/rng.h"

#define SESSION_TOKEN_LEN 64		/* hex digits of cookie and CSRF token */
#define SESSION_USER_MAX 63
#define SESSIONS_MAX 1024

/* WEB_VENDOR: a vendor's engineer, who answers for what is his vendor's and sees nothing else. */
enum web_role { WEB_VENDOR = 1, WEB_VIEWER = 2, WEB_OPERATOR = 3, WEB_ADMIN = 4 };

struct session {
	uint64_t id;			/* never 0, never used again */
	uint8_t key[32];		/* SHA-256 of the cookie */
	char user[SESSION_USER_MAX + 1];
	enum web_role role;
	char vendor[SESSION_USER_MAX + 1];	/* of WEB_VENDOR alone, else "" */
	char csrf[SESSION_TOKEN_LEN + 1];
	struct mono opened, used;
};

struct sessions;

/* rng: borrowed, outlives the table. */
struct sessions *sessions_new(struct rng *rng, int64_t idle_ns, int64_t max_ns);
void sessions_free(struct sessions *);
/* A new session; cookie gets its name.  The result lives until the next call that changes the table. */
const struct session *session_open(struct sessions *, const char *user, enum web_role role,
    const char *vendor, struct mono now, char cookie[SESSION_TOKEN_LEN + 1]);
/* The session of this cookie, marked as used now; NULL: none or ended. */
const struct session *session_find(struct sessions *, const char *cookie, struct mono now);
/* As session_find by number, without marking it as used. */
const struct session *session_by_id(struct sessions *, uint64_t id, struct mono now);
/* Marks it as used now: an open page that takes events is in use. false: none or ended. */
bool session_touch(struct sessions *, uint64_t id, struct mono now);
void session_close(struct sessions *, uint64_t id);
/* Ends the sessions of users that keep() does not want any more (role changed, user gone). */
void sessions_filter(struct sessions *, bool (*keep)(void *arg, const struct session *), void *arg);
size_t sessions_count(const struct sessions *);
/* Does token equal the session's, in constant time? */
bool session_csrf_is_good(const struct session *, const char *token);

const char *web_role_name(enum web_role);	/* "operator" */
/* "operator" or "vendor=ID" into role and vendor ("" but for a vendor); false: neither. */
bool web_role_parse(const char *s, enum web_role *role, char vendor[SESSION_USER_MAX + 1]);
/* The same written again, for files and lists. */
#define WEB_ROLE_TEXT_MAX (SESSION_USER_MAX + 10)
void web_role_text(char out[WEB_ROLE_TEXT_MAX], enum web_role, const char *vendor);

/*
 * Failed log-ins by key (an address, or address and user): after `free_tries`
 * failures each further one doubles the wait, 1 s to 5 min; forgotten after
 * 15 min without a try.  When the table is full the oldest entry goes.
 */
#define LIMITER_KEYS 2048
struct limiter;

struct limiter *limiter_new(unsigned free_tries);
void limiter_free(struct limiter *);
/* 0: may try now; else the seconds to wait, rounded up. */
unsigned limiter_wait(const struct limiter *, const char *key, struct mono now);
void limiter_fail(struct limiter *, const char *key, struct mono now);
void limiter_clear(struct limiter *, const char *key);
