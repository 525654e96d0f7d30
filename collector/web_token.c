/*
 * web_token.c - reads, checks and writes API tokens.
 */
#include "collector/web_token.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_users.h"
#include "common/mem.h"
#include "common/model.h"

#define LATEST INT64_C(4102444800)	/* 2100 */

/* Takes one line apart; NULL or what is wrong with it. */
static const char *
parse_line(char *line, struct token *t)
{
	char *save = NULL, *name = strtok_r(line, ":", &save), *role = strtok_r(NULL, ":", &save);
	char *expires = strtok_r(NULL, ":", &save), *key = strtok_r(NULL, "", &save), *end;

	if (name == NULL || role == NULL || expires == NULL || key == NULL)
		return "expected NAME:ROLE:EXPIRES:sha256$...";
	if (!id_is_valid(name) || strlen(name) > TOKEN_NAME_MAX)
		return "the name is no id ([a-z0-9][a-z0-9-]*, at most 48)";
	if (!web_role_parse(role, &t->role, t->vendor))
		return "the role is none of viewer, operator, admin, vendor=ID";
	if (*expires < '0' || *expires > '9')
		return "EXPIRES is seconds since 1970";
	errno = 0;
	t->expires_s = strtoll(expires, &end, 10);
	if (errno != 0 || *end != '\0' || t->expires_s > LATEST)
		return "EXPIRES is seconds since 1970";
	if (strncmp(key, "sha256$", 7) != 0 || !secret_from_hex(t->key, sizeof t->key, key + 7))
		return "expected sha256$ and 64 hex digits as `token` writes them";
	snprintf(t->name, sizeof t->name, "%s", name);
	t->credit = TOKEN_BURST;
	return NULL;
}

static void
take_line(char *line, int number, const char *name, struct tokens *out, struct conf_errors *errs)
{
	struct conf_where at = { number, 1 };
	struct token t = { 0 };
	const char *wrong;

	line[strcspn(line, "#\r")] = '\0';
	if (line[strspn(line, " \t")] == '\0')
		return;
	wrong = parse_line(line + strspn(line, " \t"), &t);
	for (size_t i = 0; wrong == NULL && i < out->n; i++)
		if (strcmp(out->v[i].name, t.name) == 0)
			wrong = "this name stands twice";
	if (wrong == NULL && out->n == TOKENS_MAX)
		wrong = "too many tokens";
	if (wrong != NULL) {
		conf_error(errs, name, at, "%s", wrong);
		return;
	}
	out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
	out->v[out->n++] = t;
}

int
tokens_parse(const char *text, size_t len, const char *name, struct tokens *out,
    struct conf_errors *errs)
{
	char *copy = xstrndup(text, len), *line, *rest = copy;
	int number = 0;

	*out = (struct tokens){ 0 };
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(line, ++number, name, out, errs);
	free(copy);
	return conf_failed(errs) ? -EINVAL : 0;
}

int
tokens_load(const char *path, struct tokens *out, struct conf_errors *errs)
{
	size_t len;
	char *text = secret_file_read(path, &len, errs);
	int rc = text != NULL ? tokens_parse(text, len, path, out, errs) : -EINVAL;

	if (text == NULL)
		*out = (struct tokens){ 0 };
	free(text);
	return rc;
}

void
tokens_free(struct tokens *t)
{
	free(t->v);
	*t = (struct tokens){ 0 };
}

void
tokens_replace(struct tokens *old, struct tokens *fresh)
{
	for (size_t i = 0; i < fresh->n; i++) {
		struct token *f = &fresh->v[i];

		for (size_t k = 0; k < old->n; k++) {
			const struct token *o = &old->v[k];

			if (memcmp(o->key, f->key, sizeof f->key) != 0)
				continue;
			f->credit = o->credit;
			f->credit_at = o->credit_at;
			f->used_s = o->used_s;
		}
	}
	tokens_free(old);
	*old = *fresh;
	*fresh = (struct tokens){ 0 };
}

static bool
text_is_fit(const char *text)
{
	return strlen(text) == TOKEN_LEN && strncmp(text, "lw_", 3) == 0 &&
	    strspn(text + 3, "0123456789abcdef") == SESSION_TOKEN_LEN;
}

struct token *
tokens_find(struct tokens *all, const char *text, int64_t now_s)
{
	struct token *found = NULL;
	uint8_t key[32];

	if (!text_is_fit(text))
		return NULL;
	SHA256((const unsigned char *)text, TOKEN_LEN, key);
	for (size_t i = 0; i < all->n; i++)
		if (CRYPTO_memcmp(key, all->v[i].key, sizeof key) == 0 && all->v[i].expires_s > now_s)
			found = &all->v[i];
	return found;
}

uint64_t
token_id(const struct token *t)
{
	uint8_t what[sizeof t->key + 1 + sizeof t->vendor] = { 0 }, md[SHA256_DIGEST_LENGTH];
	uint64_t id;

	memcpy(what, t->key, sizeof t->key);
	what[sizeof t->key] = (uint8_t)t->role;
	snprintf((char *)what + sizeof t->key + 1, sizeof t->vendor, "%s", t->vendor);
	SHA256(what, sizeof what, md);
	memcpy(&id, md, sizeof id);
	return id | TOKEN_ID;
}

struct token *
tokens_by_id(struct tokens *all, uint64_t id, int64_t now_s)
{
	for (size_t i = 0; i < all->n; i++)
		if (token_id(&all->v[i]) == id && all->v[i].expires_s > now_s)
			return &all->v[i];
	return NULL;
}

bool
token_take(struct token *t, struct mono now)
{
	double more = (double)(now.ns - t->credit_at.ns) / (double)NS_PER_S * TOKEN_RATE;

	t->credit = t->credit + more > TOKEN_BURST ? TOKEN_BURST : t->credit + more;
	t->credit_at = now;
	if (t->credit < 1)
		return false;
	t->credit--;
	return true;
}

void
token_make(struct token *t, struct rng *rng, char out[TOKEN_LEN + 1])
{
	uint8_t raw[SESSION_TOKEN_LEN / 2];

	rng->fill(rng, raw, sizeof raw);
	memcpy(out, "lw_", 3);
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(out + 3 + 2 * i, 3, "%02x", raw[i]);
	SHA256((const unsigned char *)out, TOKEN_LEN, t->key);
	OPENSSL_cleanse(raw, sizeof raw);
}

char *
tokens_text(const struct tokens *all)
{
	char *text = xstrdup("# tokens of programs: NAME:ROLE:EXPIRES:sha256$...; written by `token`\n");

	for (size_t i = 0; i < all->n; i++) {
		const struct token *t = &all->v[i];
		char role[WEB_ROLE_TEXT_MAX], key[65], *longer;

		web_role_text(role, t->role, t->vendor);
		secret_to_hex(key, t->key, sizeof t->key);
		longer = xasprintf("%s%s:%s:%" PRId64 ":sha256$%s\n", text, t->name, role, t->expires_s,
		    key);
		free(text);
		text = longer;
	}
	return text;
}
