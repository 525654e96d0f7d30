/*
 * web_session.c - table of log-ins and of failed ones.
 */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_session.h"
#include "common/mem.h"
#include "common/model.h"

#define LIMITER_WAIT_MAX_S 300
#define LIMITER_FORGET_S 900

struct sessions {
	struct rng *rng;
	int64_t idle_ns, max_ns;
	uint64_t last_id;
	size_t n;
	struct session v[SESSIONS_MAX];
};

struct limiter_entry { uint64_t key; unsigned fails; struct mono last; };

struct limiter {
	unsigned free_tries;
	size_t n;
	struct limiter_entry v[LIMITER_KEYS];
};

static const char *const role_names[] = { "?", "vendor", "viewer", "operator", "admin" };

const char *
web_role_name(enum web_role r)
{
	return (unsigned)r <= WEB_ADMIN ? role_names[r] : "?";
}

bool
web_role_parse(const char *s, enum web_role *role, char vendor[SESSION_USER_MAX + 1])
{
	*vendor = '\0';
	if (strncmp(s, "vendor=", 7) == 0 && id_is_valid(s + 7)) {
		snprintf(vendor, SESSION_USER_MAX + 1, "%s", s + 7);
		*role = WEB_VENDOR;
		return true;
	}
	for (int i = WEB_VIEWER; i <= WEB_ADMIN; i++) {
		if (strcmp(role_names[i], s) != 0)
			continue;
		*role = (enum web_role)i;
		return true;
	}
	return false;
}

void
web_role_text(char out[WEB_ROLE_TEXT_MAX], enum web_role role, const char *vendor)
{
	snprintf(out, WEB_ROLE_TEXT_MAX, "%s%s%s", web_role_name(role), *vendor != '\0' ? "=" : "",
	    vendor);
}

static void
random_token(struct rng *rng, char out[SESSION_TOKEN_LEN + 1])
{
	uint8_t raw[SESSION_TOKEN_LEN / 2];

	rng->fill(rng, raw, sizeof raw);
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	OPENSSL_cleanse(raw, sizeof raw);
}

struct sessions *
sessions_new(struct rng *rng, int64_t idle_ns, int64_t max_ns)
{
	struct sessions *t = xcalloc(1, sizeof *t);

	t->rng = rng;
	t->idle_ns = idle_ns;
	t->max_ns = max_ns;
	return t;
}

void
sessions_free(struct sessions *t)
{
	if (t != NULL)
		OPENSSL_cleanse(t, sizeof *t);
	free(t);
}

static void
remove_at(struct sessions *t, size_t i)
{
	t->v[i] = t->v[--t->n];
	OPENSSL_cleanse(&t->v[t->n], sizeof t->v[t->n]);
}

static bool
has_ended(const struct sessions *t, const struct session *s, struct mono now)
{
	return now.ns - s->used.ns > t->idle_ns || now.ns - s->opened.ns > t->max_ns;
}

static void
make_room(struct sessions *t, struct mono now)
{
	size_t oldest = 0;

	for (size_t i = t->n; i-- > 0;)
		if (has_ended(t, &t->v[i], now))
			remove_at(t, i);
	if (t->n < SESSIONS_MAX)
		return;
	for (size_t i = 1; i < t->n; i++)
		if (t->v[i].used.ns < t->v[oldest].used.ns)
			oldest = i;
	remove_at(t, oldest);
}

const struct session *
session_open(struct sessions *t, const char *user, enum web_role role, const char *vendor,
    struct mono now, char cookie[SESSION_TOKEN_LEN + 1])
{
	struct session *s;

	make_room(t, now);
	s = &t->v[t->n++];
	*s = (struct session){ .id = ++t->last_id, .role = role, .opened = now, .used = now };
	snprintf(s->user, sizeof s->user, "%s", user);
	snprintf(s->vendor, sizeof s->vendor, "%s", vendor);
	random_token(t->rng, cookie);
	random_token(t->rng, s->csrf);
	SHA256((const unsigned char *)cookie, SESSION_TOKEN_LEN, s->key);
	return s;
}

const struct session *
session_find(struct sessions *t, const char *cookie, struct mono now)
{
	uint8_t key[32];

	if (strlen(cookie) != SESSION_TOKEN_LEN)
		return NULL;
	SHA256((const unsigned char *)cookie, SESSION_TOKEN_LEN, key);
	for (size_t i = 0; i < t->n; i++) {
		if (CRYPTO_memcmp(key, t->v[i].key, sizeof key) != 0)
			continue;
		if (has_ended(t, &t->v[i], now)) {
			remove_at(t, i);
			return NULL;
		}
		t->v[i].used = now;
		return &t->v[i];
	}
	return NULL;
}

const struct session *
session_by_id(struct sessions *t, uint64_t id, struct mono now)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].id == id)
			return has_ended(t, &t->v[i], now) ? NULL : &t->v[i];
	return NULL;
}

bool
session_touch(struct sessions *t, uint64_t id, struct mono now)
{
	struct session *s = (struct session *)session_by_id(t, id, now);

	if (s != NULL)
		s->used = now;
	return s != NULL;
}

void
session_close(struct sessions *t, uint64_t id)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].id != id)
			continue;
		remove_at(t, i);
		return;
	}
}

void
sessions_filter(struct sessions *t, bool (*keep)(void *arg, const struct session *), void *arg)
{
	for (size_t i = t->n; i-- > 0;)
		if (!keep(arg, &t->v[i]))
			remove_at(t, i);
}

size_t
sessions_count(const struct sessions *t)
{
	return t->n;
}

bool
session_csrf_is_good(const struct session *s, const char *token)
{
	return token != NULL && strlen(token) == SESSION_TOKEN_LEN &&
	    CRYPTO_memcmp(token, s->csrf, SESSION_TOKEN_LEN) == 0;
}

struct limiter *
limiter_new(unsigned free_tries)
{
	struct limiter *l = xcalloc(1, sizeof *l);

	l->free_tries = free_tries;
	return l;
}

void
limiter_free(struct limiter *l)
{
	free(l);
}

static uint64_t
limiter_key(const char *key)
{
	uint8_t d[32];
	uint64_t v;

	SHA256((const unsigned char *)key, strlen(key), d);
	memcpy(&v, d, sizeof v);
	return v;
}

static struct limiter_entry *
limiter_find(const struct limiter *l, uint64_t key)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].key == key)
			return (struct limiter_entry *)&l->v[i];
	return NULL;
}

unsigned
limiter_wait(const struct limiter *l, const char *key, struct mono now)
{
	const struct limiter_entry *e = limiter_find(l, limiter_key(key));
	int64_t age, wait = 1;

	if (e == NULL || e->fails < l->free_tries)
		return 0;
	age = now.ns - e->last.ns;
	if (age > LIMITER_FORGET_S * NS_PER_S)
		return 0;
	for (unsigned i = l->free_tries; i < e->fails && wait < LIMITER_WAIT_MAX_S; i++)
		wait *= 2;
	if (wait > LIMITER_WAIT_MAX_S)
		wait = LIMITER_WAIT_MAX_S;
	wait = wait * NS_PER_S - age;
	return wait <= 0 ? 0 : (unsigned)((wait + NS_PER_S - 1) / NS_PER_S);
}

void
limiter_fail(struct limiter *l, const char *key, struct mono now)
{
	uint64_t k = limiter_key(key);
	struct limiter_entry *e = limiter_find(l, k);

	if (e == NULL && l->n < LIMITER_KEYS) {
		e = &l->v[l->n++];
		*e = (struct limiter_entry){ .key = k, .last = now };
	} else if (e == NULL) {
		e = &l->v[0];
		for (size_t i = 1; i < l->n; i++)
			if (l->v[i].last.ns < e->last.ns)
				e = &l->v[i];
		*e = (struct limiter_entry){ .key = k, .last = now };
	}
	if (now.ns - e->last.ns > LIMITER_FORGET_S * NS_PER_S)
		e->fails = 0;
	e->fails++;
	e->last = now;
}

void
limiter_clear(struct limiter *l, const char *key)
{
	struct limiter_entry *e = limiter_find(l, limiter_key(key));

	if (e != NULL)
		*e = l->v[--l->n];
}
