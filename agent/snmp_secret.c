/*
 * snmp_secret.c - reading, stretching and forgetting of secrets.
 */
#include "agent/snmp_secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/agent_conf.h"
#include "common/log.h"
#include "common/mem.h"

#define SECRET_MAX 256			/* bytes of a secret */

static void
forget_text(char **s)
{
	if (*s != NULL)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

static void
secret_fini(struct snmp_secret *k)
{
	free(k->name);
	free(k->user);
	free(k->context);
	forget_text(&k->community);
	forget_text(&k->auth_phrase);
	forget_text(&k->priv_phrase);
	explicit_bzero(k, sizeof *k);
}

/* First line of a file; NULL after logging why. */
static char *
read_secret(const char *credential, const char *path)
{
	char line[SECRET_MAX + 2], *out = NULL;
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		log_error("credential=%s: %s: %s", credential, path, strerror(errno));
		return NULL;
	}
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left behind */
	if (fgets(line, sizeof line, f) == NULL)
		line[0] = '\0';
	n = strcspn(line, "\r\n");
	if (n == 0 || n > SECRET_MAX)
		log_error("credential=%s: %s: first line is %s", credential, path,
		    n == 0 ? "empty" : "too long");
	else
		out = xstrndup(line, n);
	explicit_bzero(line, sizeof line);
	fclose(f);
	return out;
}

static bool
read_phrase(const char *credential, const char *path, char **out)
{
	if (path == NULL)
		return true;
	*out = read_secret(credential, path);
	if (*out == NULL)
		return false;
	if (strlen(*out) >= 8)
		return true;
	log_error("credential=%s: %s: a pass phrase has 8 bytes at least (RFC 3414)", credential,
	    path);
	return false;
}

static bool
load_secret(const struct snmp_credential *c, struct snmp_secret *out)
{
	*out = (struct snmp_secret){ .name = xstrdup(c->name), .version = c->version,
		.auth = c->auth, .priv = c->priv };
	if (c->version == SNMP_V2C) {
		out->community = read_secret(c->name, c->community_file);
		return out->community != NULL;
	}
	out->user = xstrdup(c->user);
	out->context = c->context != NULL ? xstrdup(c->context) : NULL;
	return read_phrase(c->name, c->auth_secret_file, &out->auth_phrase) &&
	    read_phrase(c->name, c->priv_secret_file, &out->priv_phrase);
}

void
snmp_secrets_load(struct snmp_secrets *out, const struct snmp_credential *credential, size_t n)
{
	*out = (struct snmp_secrets){ .v = xcalloc(n, sizeof *out->v) };
	for (size_t i = 0; i < n; i++) {
		if (load_secret(&credential[i], &out->v[out->n]))
			out->n++;
		else
			secret_fini(&out->v[out->n]);
	}
}

void
snmp_secrets_free(struct snmp_secrets *s)
{
	for (size_t i = 0; i < s->n; i++)
		secret_fini(&s->v[i]);
	free(s->v);
	*s = (struct snmp_secrets){ 0 };
}

struct snmp_secret *
snmp_secrets_find(const struct snmp_secrets *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

/* Stretching a pass phrase takes milliseconds: once for each credential. */
static int
make_keys(struct snmp_secret *k)
{
	int rc = 0;

	if (k->auth_phrase != NULL)
		rc = snmp_usm_master(k->auth, k->auth_phrase, &k->auth_key);
	if (rc == 0 && k->priv_phrase != NULL)
		rc = snmp_usm_master(k->auth, k->priv_phrase, &k->priv_key);
	if (rc != 0)
		return rc;
	forget_text(&k->auth_phrase);
	forget_text(&k->priv_phrase);
	k->made = true;
	return 0;
}

int
snmp_secret_seal(struct snmp_secret *k, const struct snmp_engine *engine, struct snmp_seal *out)
{
	int rc = k->made ? 0 : make_keys(k);

	*out = (struct snmp_seal){ .auth = k->auth, .priv = k->priv, .user = k->user,
		.context = k->context, .engine = *engine };
	if (rc == 0 && k->auth != SNMP_AUTH_NONE)
		rc = snmp_usm_local(k->auth, &k->auth_key, engine, &out->auth_key);
	if (rc == 0 && k->priv != SNMP_PRIV_NONE)
		rc = snmp_usm_local_priv(k->auth, k->priv, &k->priv_key, engine, &out->priv_key);
	return rc;
}
