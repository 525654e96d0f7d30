/*
 * agent_conf.c - the keys of agent.yaml, and what must fit together.
 */
#include "common/agent_conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static const char *const version_names[] = { "v2c", "v3", NULL };
static const char *const auth_names[] = { "none", "md5", "sha1", "sha224", "sha256", "sha384",
	"sha512", NULL };
static const char *const priv_names[] = { "none", "des", "aes128", "aes192", "aes256", NULL };
static const char *const level_names[] = { "error", "warning", "notice", "info", "debug", NULL };

#define AT(member) offsetof(struct agent_conf, member)
#define IN(s, member) offsetof(s, member)

static const struct conf_key tls_keys[] = {
	{ .name = "ca", .type = CONF_PATH, .offset = AT(tls.ca) - AT(tls), .flags = CONF_REQUIRED,
	  .help = "Certificate of the authority that signed the collector's." },
	{ .name = "cert", .type = CONF_PATH, .offset = AT(tls.cert) - AT(tls),
	  .flags = CONF_REQUIRED,
	  .help = "This agent's certificate; its linkwatch://agent/ID names the agent." },
	{ .name = "key", .type = CONF_SECRET_FILE, .offset = AT(tls.key) - AT(tls),
	  .flags = CONF_REQUIRED, .help = "Its private key; nobody else should be able to read it." },
	{ .name = "crl", .type = CONF_PATH, .offset = AT(tls.crl) - AT(tls),
	  .help = "Revoked certificates; without it none is." },
	{ 0 },
};
static const struct conf_schema tls_schema = {
	.noun = "tls", .size = sizeof(((struct agent_conf *)0)->tls), .keys = tls_keys,
	.where = AT(tls.where) - AT(tls),
};

static const struct conf_key spool_keys[] = {
	{ .name = "max_size", .type = CONF_SIZE, .offset = AT(spool.max_size) - AT(spool),
	  .def = "1G", .min = 1 << 20, .max = INT64_C(1) << 40,
	  .help = "Most that may wait on disk for the collector; beyond it the oldest goes." },
	{ 0 },
};
static const struct conf_schema spool_schema = {
	.noun = "spool", .size = sizeof(((struct agent_conf *)0)->spool), .keys = spool_keys,
	.where = AT(spool.where) - AT(spool),
};

static const struct conf_key guard_keys[] = {
	{ .name = "allow", .type = CONF_STR_LIST, .offset = AT(guard.allow) - AT(guard),
	  .help = "Networks (10.0.0.0/8, ::1) and names (www.example.com, *.corp.example) that may "
	    "be probed. Without it nothing may." },
	{ .name = "max_pps", .type = CONF_INT, .offset = AT(guard.max_pps) - AT(guard),
	  .def = "1000", .min = 1, .max = 1000000,
	  .help = "Most packets in a second, all links together." },
	{ 0 },
};
static const struct conf_schema guard_schema = {
	.noun = "guard", .size = sizeof(((struct agent_conf *)0)->guard), .keys = guard_keys,
	.where = AT(guard.where) - AT(guard),
};

#define CRED(member) IN(struct snmp_credential, member)

static const struct conf_key credential_keys[] = {
	{ .name = "name", .type = CONF_ID, .offset = CRED(name),
	  .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "What links.yaml calls it." },
	{ .name = "version", .type = CONF_ENUM, .offset = CRED(version), .names = version_names,
	  .flags = CONF_REQUIRED, .help = "v2c or v3." },
	{ .name = "community_file", .type = CONF_SECRET_FILE, .offset = CRED(community_file),
	  .help = "v2c: a file whose first line is the community." },
	{ .name = "user", .type = CONF_STR, .offset = CRED(user), .help = "v3: the user's name." },
	{ .name = "context", .type = CONF_STR, .offset = CRED(context),
	  .help = "v3: the context; empty for most devices." },
	{ .name = "auth", .type = CONF_ENUM, .offset = CRED(auth), .names = auth_names,
	  .def = "none", .help = "v3: how messages are authenticated." },
	{ .name = "auth_secret_file", .type = CONF_SECRET_FILE, .offset = CRED(auth_secret_file),
	  .help = "v3: a file whose first line is the pass phrase for auth." },
	{ .name = "priv", .type = CONF_ENUM, .offset = CRED(priv), .names = priv_names,
	  .def = "none", .help = "v3: how messages are encrypted." },
	{ .name = "priv_secret_file", .type = CONF_SECRET_FILE, .offset = CRED(priv_secret_file),
	  .help = "v3: a file whose first line is the pass phrase for priv." },
	{ 0 },
};
static const struct conf_schema credential_schema = {
	.noun = "credential", .size = sizeof(struct snmp_credential), .keys = credential_keys,
	.where = CRED(where),
};

static const struct conf_key agent_keys[] = {
	{ .name = "collectors", .type = CONF_STR_LIST, .offset = AT(collectors),
	  .flags = CONF_REQUIRED, .help = "HOST:PORT of each collector, tried in turn." },
	{ .name = "collector_id", .type = CONF_ID, .offset = AT(collector_id),
	  .help = "Id that the collector's certificate must name; without it any of our CA." },
	{ .name = "state_dir", .type = CONF_PATH, .offset = AT(state_dir), .flags = CONF_REQUIRED,
	  .help = "Directory of the spool and the last plan; made if missing." },
	{ .name = "user", .type = CONF_STR, .offset = AT(user),
	  .help = "Whom to become once the sockets are open; without it root stays, but without "
	    "capabilities." },
	{ .name = "log_level", .type = CONF_ENUM, .offset = AT(log_level), .names = level_names,
	  .def = "notice", .min = LOG_ERROR, .help = "error, warning, notice, info or debug." },
	{ .name = "tls", .type = CONF_MAP, .offset = AT(tls), .sub = &tls_schema,
	  .flags = CONF_REQUIRED, .help = "Who the agent is, and whom it trusts." },
	{ .name = "spool", .type = CONF_MAP, .offset = AT(spool), .sub = &spool_schema,
	  .help = "What waits for the collector." },
	{ .name = "guard", .type = CONF_MAP, .offset = AT(guard), .sub = &guard_schema,
	  .help = "What this host permits, whatever a plan says." },
	{ .name = "snmp_credentials", .type = CONF_MAP_LIST, .offset = AT(snmp_credentials),
	  .sub = &credential_schema, .help = "How SNMP devices let us in." },
	{ 0 },
};
const struct conf_schema agent_conf_schema = {
	.noun = "agent", .size = sizeof(struct agent_conf), .keys = agent_keys,
	.where = AT(where),
};

int
agent_conf_collector(const char *text, char *host, size_t n, char port[6])
{
	const char *colon = strrchr(text, ':'), *begin = text;
	size_t len;
	char *end;
	long v;

	if (colon == NULL || colon == text)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		if (len < 3 || text[len - 1] != ']')
			return -EINVAL;
		begin++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return -EINVAL;		/* an IPv6 address needs its brackets */
	}
	v = strtol(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || v < 1 || v > 65535 || len >= n ||
	    strlen(colon + 1) > 5)
		return -EINVAL;
	memcpy(host, begin, len);
	host[len] = '\0';
	strcpy(port, colon + 1);
	return 0;
}

static bool
network_parse(const char *text, struct allow_rule *out)
{
	char host[INET6_ADDRSTRLEN], *end;
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned long bits = 128, base = 0;

	*out = (struct allow_rule){ .is_network = true, .addr = { [10] = 0xff, [11] = 0xff } };
	if (n >= sizeof host)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, out->addr + 12) == 1)
		base = 96;
	else if (inet_pton(AF_INET6, host, out->addr) != 1)
		return false;
	if (slash != NULL) {
		if (!isdigit((unsigned char)slash[1]))
			return false;
		bits = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || bits > 128 - base)
			return false;
		bits += base;
	}
	out->bits = (unsigned)bits;
	return true;
}

int
agent_conf_allow(const char *text, struct allow_rule *out)
{
	if (network_parse(text, out))
		return 0;
	*out = (struct allow_rule){ .is_network = false };
	if (strncmp(text, "*.", 2) == 0)
		text += 2;
	if (*text == '\0' || strlen(text) > 253 || *text == '-' || *text == '.')
		return -EINVAL;
	if (text[strspn(text, "0123456789.")] == '\0')
		return -EINVAL;		/* meant as an address, and is none */
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && strchr("._-", *text) == NULL)
			return -EINVAL;
	return 0;
}

static void
check_guard(const char *file, const struct agent_conf *c, struct conf_errors *errs)
{
	struct conf_where where = c->guard.where.line > 0 ? c->guard.where : c->where;
	char *const *v = c->guard.allow.v;
	struct allow_rule rule;

	for (size_t i = 0; i < c->guard.allow.n; i++)
		if (agent_conf_allow(v[i], &rule) != 0)
			conf_error(errs, file, where,
			    "'%s' in guard.allow is neither a network nor a name", v[i]);
	if (c->guard.allow.n == 0)
		conf_warning(errs, file, where, "no guard.allow: every target will be refused");
}

static void
check_collectors(const char *file, const struct agent_conf *c, struct conf_errors *errs)
{
	char *const *v = c->collectors.v;
	char host[256], port[6];

	if (c->collectors.n == 0)
		conf_error(errs, file, c->where, "'collectors' is empty");
	for (size_t i = 0; i < c->collectors.n; i++)
		if (agent_conf_collector(v[i], host, sizeof host, port) != 0)
			conf_error(errs, file, c->where,
			    "collector '%s' is not HOST:PORT or [ADDRESS]:PORT", v[i]);
}

static void
check_v3(const char *file, const struct snmp_credential *k, struct conf_errors *errs)
{
	if (k->user == NULL || k->user[0] == '\0')
		conf_error(errs, file, k->where, "credential '%s' is v3 and needs a user", k->name);
	if (k->community_file != NULL)
		conf_error(errs, file, k->where, "credential '%s' is v3: no community_file", k->name);
	if ((k->auth != SNMP_AUTH_NONE) != (k->auth_secret_file != NULL))
		conf_error(errs, file, k->where,
		    "credential '%s' needs both auth and auth_secret_file, or neither", k->name);
	if ((k->priv != SNMP_PRIV_NONE) != (k->priv_secret_file != NULL))
		conf_error(errs, file, k->where,
		    "credential '%s' needs both priv and priv_secret_file, or neither", k->name);
	if (k->priv != SNMP_PRIV_NONE && k->auth == SNMP_AUTH_NONE)
		conf_error(errs, file, k->where, "credential '%s' has priv without auth", k->name);
	if (k->auth == SNMP_AUTH_MD5 || k->priv == SNMP_PRIV_DES)
		conf_warning(errs, file, k->where, "credential '%s' uses %s, which is broken",
		    k->name, k->auth == SNMP_AUTH_MD5 ? "md5" : "des");
}

static void
check_credential(const char *file, const struct snmp_credential *k, struct conf_errors *errs)
{
	if (k->version == SNMP_V3) {
		check_v3(file, k, errs);
		return;
	}
	if (k->community_file == NULL)
		conf_error(errs, file, k->where, "credential '%s' is v2c and needs a community_file",
		    k->name);
	if (k->user != NULL || k->context != NULL || k->auth != SNMP_AUTH_NONE ||
	    k->priv != SNMP_PRIV_NONE || k->auth_secret_file != NULL || k->priv_secret_file != NULL)
		conf_error(errs, file, k->where,
		    "credential '%s' is v2c: user, context, auth and priv belong to v3", k->name);
}

/* What no single key shows; obj was parsed without error. */
static int
check(const char *file, struct agent_conf *c, struct conf_errors *errs)
{
	struct snmp_credential *k = c->snmp_credentials.v;

	check_collectors(file, c, errs);
	for (size_t i = 0; i < c->snmp_credentials.n; i++)
		check_credential(file, &k[i], errs);
	check_guard(file, c, errs);
	if (!conf_failed(errs))
		return 0;
	agent_conf_free(c);
	return -EINVAL;
}

int
agent_conf_load(const char *path, struct agent_conf *out, struct conf_errors *errs)
{
	const char *base = strrchr(path, '/');
	int rc;

	memset(out, 0, sizeof *out);
	rc = conf_load(path, &agent_conf_schema, out, errs);
	return rc != 0 ? rc : check(base != NULL ? base + 1 : path, out, errs);
}

int
agent_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct agent_conf *out, struct conf_errors *errs)
{
	int rc;

	memset(out, 0, sizeof *out);
	rc = conf_parse(text, len, name, dir, &agent_conf_schema, out, errs);
	return rc != 0 ? rc : check(name, out, errs);
}

void
agent_conf_free(struct agent_conf *c)
{
	conf_free(&agent_conf_schema, c);
	memset(c, 0, sizeof *c);
}
