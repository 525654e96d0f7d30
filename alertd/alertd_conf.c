/*
 * alertd_conf.c - the schema of alertd.yaml and the checks across its keys.
 */
#include "alertd/alertd_conf.h"

#include <errno.h>
#include <event2/util.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/model.h"

#define KEY(s, m, ...) { .offset = offsetof(struct s, m), __VA_ARGS__ }
#define S NS_PER_S

static const char *const kind_names[] = { "file", "kannel", "http", "smtp", "trap", NULL };
static const char *const form_names[] = { "sms", "mail", NULL };
static const char *const method_names[] = { "GET", "POST", NULL };
static const char *const version_names[] = { "v2c", "v3-inform", "v3-trap", NULL };
static const char *const role_names[] = { "viewer", "operator", "admin", NULL };
static const char *const level_names[] = {
	"error", "warning", "notice", "info", "debug", NULL
};

static const struct conf_key manager_keys[] = {
	KEY(trap_manager, address, .name = "address", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "IP address and UDP port of the SNMP manager."),
	KEY(trap_manager, version, .name = "version", .type = CONF_ENUM, .names = version_names,
	    .min = TRAP_V2C, .def = "v3-inform", .help = "How it wants to be told."),
	KEY(trap_manager, community_file, .name = "community_file", .type = CONF_SECRET_FILE,
	    .help = "v2c: file whose first line is the community."),
	KEY(trap_manager, user, .name = "user", .type = CONF_STR, .help = "v3: user name."),
	KEY(trap_manager, auth_file, .name = "auth_file", .type = CONF_SECRET_FILE,
	    .help = "v3: file with the SHA-256 pass phrase, at least 8 characters."),
	KEY(trap_manager, priv_file, .name = "priv_file", .type = CONF_SECRET_FILE,
	    .help = "v3: file with the AES-128 pass phrase, at least 8 characters."),
	{ .name = NULL },
};

static const struct conf_schema manager_schema = {
	.noun = "manager", .size = sizeof(struct trap_manager), .keys = manager_keys,
	.where = offsetof(struct trap_manager, where),
};

static const struct conf_key channel_keys[] = {
	KEY(channel_conf, name, .name = "name", .type = CONF_ID,
	    .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "The name that policy.yaml uses."),
	KEY(channel_conf, kind, .name = "kind", .type = CONF_ENUM, .flags = CONF_REQUIRED,
	    .names = kind_names, .min = CHANNEL_FILE, .help = "How it sends."),
	KEY(channel_conf, form, .name = "form", .type = CONF_ENUM, .names = form_names,
	    .min = FORM_SMS, .def = "sms", .help = "file: write what a phone or a mailbox shows."),
	KEY(channel_conf, directory, .name = "directory", .type = CONF_PATH,
	    .help = "file: where the messages go; it is made if missing."),
	KEY(channel_conf, url, .name = "url", .type = CONF_STR,
	    .help = "kannel, http: http(s) address; smtp: smtp://HOST:PORT (STARTTLS)."),
	KEY(channel_conf, user, .name = "user", .type = CONF_STR,
	    .help = "kannel, http, smtp: user name at the gateway."),
	KEY(channel_conf, password_file, .name = "password_file", .type = CONF_SECRET_FILE,
	    .help = "kannel, http, smtp: file whose first line is the password."),
	KEY(channel_conf, from, .name = "from", .type = CONF_STR,
	    .help = "kannel: sender's number; smtp: sender's address."),
	KEY(channel_conf, from_name, .name = "from_name", .type = CONF_STR,
	    .help = "smtp: sender's name as people read it."),
	KEY(channel_conf, ca, .name = "ca", .type = CONF_PATH,
	    .help = "CA certificates (PEM) of the gateway; the system's if missing."),
	KEY(channel_conf, dlr_url, .name = "dlr_url", .type = CONF_STR,
	    .help = "kannel: address that Kannel calls with delivery reports."),
	KEY(channel_conf, method, .name = "method", .type = CONF_ENUM, .names = method_names,
	    .min = HTTP_GET, .def = "POST", .help = "http: the method."),
	KEY(channel_conf, headers, .name = "headers", .type = CONF_STR_LIST,
	    .help = "http: header lines 'Name: value'."),
	KEY(channel_conf, body, .name = "body", .type = CONF_STR,
	    .help = "http: what is posted; {phone} {text} {key} {user} {password} are replaced, "
		    "escaped as the Content-Type wants it."),
	KEY(channel_conf, success, .name = "success", .type = CONF_STR,
	    .help = "http: extended regular expression that the answer must match."),
	KEY(channel_conf, units, .name = "units", .type = CONF_INT, .min = 0, .max = 100000,
	    .help = "UTF-16 units that fit into one message; 0: 70 for SMS, no limit for mail."),
	KEY(channel_conf, parallel, .name = "parallel", .type = CONF_INT, .def = "4", .min = 1,
	    .max = 64, .help = "Messages under way at a time."),
	KEY(channel_conf, timeout_ns, .name = "timeout", .type = CONF_DURATION, .def = "30s",
	    .min = S, .max = 600 * S, .help = "Longest time for one attempt."),
	KEY(channel_conf, plain, .name = "plain", .type = CONF_BOOL, .def = "no",
	    .help = "smtp: no TLS; only to a loopback address."),
	KEY(channel_conf, managers, .name = "managers", .type = CONF_MAP_LIST,
	    .sub = &manager_schema, .help = "trap: who gets the notifications."),
	{ .name = NULL },
};

static const struct conf_schema channel_schema = {
	.noun = "channel", .size = sizeof(struct channel_conf), .keys = channel_keys,
	.where = offsetof(struct channel_conf, where),
};

static const struct conf_key user_keys[] = {
	KEY(control_user, login, .name = "login", .type = CONF_STR,
	    .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "Login name or number of the user."),
	KEY(control_user, name, .name = "name", .type = CONF_STR,
	    .help = "The name in the time line of incidents; the login if missing."),
	KEY(control_user, role, .name = "role", .type = CONF_ENUM, .names = role_names,
	    .min = USER_VIEWER, .def = "viewer",
	    .help = "viewer looks, operator acts on incidents, admin also reloads."),
	{ .name = NULL },
};

static const struct conf_schema user_schema = {
	.noun = "user", .size = sizeof(struct control_user), .keys = user_keys,
	.where = offsetof(struct control_user, where),
};

#define SUB(m) __typeof__(((struct alertd_conf *)0)->m)
#define SUBKEY(sub, m, ...) { .offset = offsetof(SUB(sub), m), __VA_ARGS__ }

static const struct conf_key collector_keys[] = {
	SUBKEY(collector, address, .name = "address", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "IP address and port of the collector; a number, so that no name server "
		    "is needed."),
	SUBKEY(collector, id, .name = "id", .type = CONF_ID,
	    .help = "The id in its certificate; any collector if missing."),
	{ .name = NULL },
};

static const struct conf_key tls_keys[] = {
	SUBKEY(tls, ca, .name = "ca", .type = CONF_PATH, .flags = CONF_REQUIRED,
	    .help = "Certificate of our CA (PEM)."),
	SUBKEY(tls, cert, .name = "cert", .type = CONF_PATH, .flags = CONF_REQUIRED,
	    .help = "Our own certificate, linkwatch://alertd/ID."),
	SUBKEY(tls, key, .name = "key", .type = CONF_SECRET_FILE, .flags = CONF_REQUIRED,
	    .help = "Its private key."),
	SUBKEY(tls, crl, .name = "crl", .type = CONF_PATH, .help = "Revoked certificates (PEM)."),
	{ .name = NULL },
};

static const struct conf_key control_keys[] = {
	SUBKEY(control, socket, .name = "socket", .type = CONF_PATH,
	    .def = "/run/linkwatch/alertd.sock", .help = "Where linkctl and the page connect."),
	SUBKEY(control, group, .name = "group", .type = CONF_STR,
	    .help = "Group that may connect; our own if missing."),
	SUBKEY(control, users, .name = "users", .type = CONF_MAP_LIST, .sub = &user_schema,
	    .help = "Who may do what; root and our own user are admin."),
	SUBKEY(control, proxies, .name = "proxies", .type = CONF_STR_LIST,
	    .help = "Logins that may speak for others: the page's."),
	{ .name = NULL },
};

static const struct conf_key outbox_keys[] = {
	KEY(outbox_conf, retry_first_ns, .name = "retry_first", .type = CONF_DURATION,
	    .def = "5s", .min = S / 10, .max = 600 * S,
	    .help = "First pause after a failure; it doubles each time."),
	KEY(outbox_conf, retry_max_ns, .name = "retry_max", .type = CONF_DURATION, .def = "5m",
	    .min = S / 10, .max = 86400 * S, .help = "Longest pause."),
	KEY(outbox_conf, tries_before_fallback, .name = "tries_before_fallback", .type = CONF_INT,
	    .def = "3", .min = 1, .max = 100,
	    .help = "Failures after which the fallback channel is taken."),
	KEY(outbox_conf, dead_after_ns, .name = "dead_after", .type = CONF_DURATION,
	    .def = "60s", .min = S, .max = 86400 * S,
	    .help = "A channel that fails for so long is an incident of its own."),
	KEY(outbox_conf, give_up_ns, .name = "give_up", .type = CONF_DURATION, .def = "24h",
	    .min = S, .max = 30 * 86400 * S, .help = "A message not told by then has failed."),
	{ .name = NULL },
};

#define SCHEMA(id, text, type, rows, place)                                                    \
	static const struct conf_schema id = {                                                 \
		.noun = text, .size = sizeof(type), .keys = rows, .where = place               \
	}
SCHEMA(collector_schema, "collector", SUB(collector), collector_keys, 0);
SCHEMA(tls_schema, "tls", SUB(tls), tls_keys, 0);
SCHEMA(control_schema, "control", SUB(control), control_keys, 0);
SCHEMA(outbox_schema, "outbox", struct outbox_conf, outbox_keys, SIZE_MAX);

static const struct conf_key alertd_keys[] = {
	KEY(alertd_conf, collector, .name = "collector", .type = CONF_MAP, .flags = CONF_REQUIRED,
	    .sub = &collector_schema, .help = "Where the feed comes from."),
	KEY(alertd_conf, tls, .name = "tls", .type = CONF_MAP, .flags = CONF_REQUIRED,
	    .sub = &tls_schema, .help = "Who we are and whom we believe."),
	KEY(alertd_conf, state_dir, .name = "state_dir", .type = CONF_PATH,
	    .def = "/var/lib/linkwatch-alertd", .help = "Database and SNMP engine."),
	KEY(alertd_conf, policy, .name = "policy", .type = CONF_PATH, .flags = CONF_REQUIRED,
	    .help = "Grades, limits, contacts and routes: policy.yaml."),
	KEY(alertd_conf, user, .name = "user", .type = CONF_STR,
	    .help = "Login to become after a start as root."),
	KEY(alertd_conf, log_level, .name = "log_level", .type = CONF_ENUM, .names = level_names,
	    .min = LOG_ERROR, .def = "notice", .help = "What goes to the log."),
	KEY(alertd_conf, stale_after_ns, .name = "stale_after", .type = CONF_DURATION,
	    .def = "10m", .min = 10 * S, .max = 7 * 86400 * S,
	    .help = "Samples older than this are recorded, not announced as new."),
	KEY(alertd_conf, control, .name = "control", .type = CONF_MAP, .sub = &control_schema,
	    .help = "The control socket."),
	KEY(alertd_conf, outbox, .name = "outbox", .type = CONF_MAP, .sub = &outbox_schema,
	    .help = "When a message is tried again."),
	KEY(alertd_conf, channels, .name = "channels", .type = CONF_MAP_LIST,
	    .flags = CONF_REQUIRED, .sub = &channel_schema, .help = "The ways to tell people."),
	{ .name = NULL },
};

const struct conf_schema alertd_conf_schema = {
	.noun = "alertd.yaml", .size = sizeof(struct alertd_conf), .keys = alertd_keys,
	.where = SIZE_MAX,
};

/* ------------------------------------------------- which kind knows which key */

#define K(kind) (1U << (kind))

static const struct channel_rule {
	const char *key;
	size_t offset;
	bool list;
	unsigned knows, needs;		/* bits K(kind) */
} channel_rules[] = {
	{ "directory", offsetof(struct channel_conf, directory), false, K(CHANNEL_FILE),
	    K(CHANNEL_FILE) },
	{ "url", offsetof(struct channel_conf, url), false,
	    K(CHANNEL_KANNEL) | K(CHANNEL_HTTP) | K(CHANNEL_SMTP),
	    K(CHANNEL_KANNEL) | K(CHANNEL_HTTP) | K(CHANNEL_SMTP) },
	{ "user", offsetof(struct channel_conf, user), false,
	    K(CHANNEL_KANNEL) | K(CHANNEL_HTTP) | K(CHANNEL_SMTP), K(CHANNEL_KANNEL) },
	{ "password_file", offsetof(struct channel_conf, password_file), false,
	    K(CHANNEL_KANNEL) | K(CHANNEL_HTTP) | K(CHANNEL_SMTP), K(CHANNEL_KANNEL) },
	{ "from", offsetof(struct channel_conf, from), false,
	    K(CHANNEL_FILE) | K(CHANNEL_KANNEL) | K(CHANNEL_SMTP), K(CHANNEL_SMTP) },
	{ "from_name", offsetof(struct channel_conf, from_name), false, K(CHANNEL_SMTP), 0 },
	{ "ca", offsetof(struct channel_conf, ca), false,
	    K(CHANNEL_KANNEL) | K(CHANNEL_HTTP) | K(CHANNEL_SMTP), 0 },
	{ "dlr_url", offsetof(struct channel_conf, dlr_url), false, K(CHANNEL_KANNEL), 0 },
	{ "headers", offsetof(struct channel_conf, headers), true, K(CHANNEL_HTTP), 0 },
	{ "body", offsetof(struct channel_conf, body), false, K(CHANNEL_HTTP), 0 },
	{ "success", offsetof(struct channel_conf, success), false, K(CHANNEL_HTTP), 0 },
	{ "managers", offsetof(struct channel_conf, managers), true, K(CHANNEL_TRAP),
	    K(CHANNEL_TRAP) },
};

struct checking {
	const char *file;
	struct conf_errors *errs;
};

static void
check_rules(const struct checking *ck, const struct channel_conf *c)
{
	for (size_t i = 0; i < sizeof(channel_rules) / sizeof(channel_rules[0]); i++) {
		const struct channel_rule *r = &channel_rules[i];
		const char *p = (const char *)c + r->offset;
		bool set = r->list ? ((const struct conf_list *)p)->n > 0 :
				     *(char *const *)p != NULL;
		if (set && (r->knows & K(c->kind)) == 0)
			conf_error(ck->errs, ck->file, c->where,
			    "'%s' means nothing to channel '%s' of kind %s", r->key, c->name,
			    channel_kind_name(c->kind));
		if (!set && (r->needs & K(c->kind)) != 0)
			conf_error(ck->errs, ck->file, c->where,
			    "'%s' is missing in channel '%s' of kind %s", r->key, c->name,
			    channel_kind_name(c->kind));
	}
}

static bool
has_control(const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool
starts_with(const char *s, const char *head)
{
	return s != NULL && strncmp(s, head, strlen(head)) == 0;
}

static bool
is_loopback_url(const char *url)
{
	const char *host = strstr(url, "://");

	host = host == NULL ? url : host + 3;
	return starts_with(host, "127.") || starts_with(host, "[::1]") ||
	       starts_with(host, "localhost");
}

static void
check_url(const struct checking *ck, const struct channel_conf *c)
{
	bool smtp = c->kind == CHANNEL_SMTP;

	if (c->url == NULL)
		return;
	if (smtp && !starts_with(c->url, "smtp://") && !starts_with(c->url, "smtps://"))
		conf_error(ck->errs, ck->file, c->where,
		    "'url' of channel '%s' must begin with smtp:// or smtps://", c->name);
	else if (!smtp && !starts_with(c->url, "http://") && !starts_with(c->url, "https://"))
		conf_error(ck->errs, ck->file, c->where,
		    "'url' of channel '%s' must begin with http:// or https://", c->name);
	else if (starts_with(c->url, "http://") && c->password_file != NULL &&
		 !is_loopback_url(c->url))
		conf_warning(ck->errs, ck->file, c->where,
		    "channel '%s' sends its password over plain http", c->name);
	if (c->plain && !is_loopback_url(c->url))
		conf_error(ck->errs, ck->file, c->where,
		    "'plain' of channel '%s' is allowed only for a loopback address", c->name);
}

static void
check_texts(const struct checking *ck, const struct channel_conf *c)
{
	const char *const one_line[] = { c->url, c->user, c->from, c->from_name, c->dlr_url };

	for (size_t i = 0; i < sizeof(one_line) / sizeof(one_line[0]); i++)
		if (has_control(one_line[i]))
			conf_error(ck->errs, ck->file, c->where,
			    "channel '%s' has a control character in a one-line value", c->name);
	for (size_t i = 0; i < c->headers.n; i++) {
		const char *h = ((char **)c->headers.v)[i];
		const char *colon = strchr(h, ':');
		if (colon == NULL || colon == h || has_control(h))
			conf_error(ck->errs, ck->file, c->where,
			    "header %zu of channel '%s' is not 'Name: value'", i + 1, c->name);
	}
	if (c->success != NULL) {
		regex_t re;
		char why[120];
		int rc = regcomp(&re, c->success, REG_EXTENDED | REG_NOSUB);
		if (rc != 0) {
			regerror(rc, &re, why, sizeof(why));
			conf_error(ck->errs, ck->file, c->where,
			    "'success' of channel '%s': %s", c->name, why);
		} else {
			regfree(&re);
		}
	}
	if (c->kind == CHANNEL_HTTP && c->url != NULL && strstr(c->url, "{phone}") == NULL &&
	    (c->body == NULL || strstr(c->body, "{phone}") == NULL))
		conf_error(ck->errs, ck->file, c->where,
		    "channel '%s' names {phone} neither in 'url' nor in 'body'", c->name);
}

static bool
is_address(const char *s)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	in_port_t port;

	memset(&ss, 0, sizeof(ss));
	if (s == NULL || evutil_parse_sockaddr_port(s, (struct sockaddr *)&ss, &len) != 0)
		return false;
	port = ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port :
					  ((struct sockaddr_in *)&ss)->sin_port;
	return port != 0;
}

static void
check_managers(const struct checking *ck, const struct channel_conf *c)
{
	const struct trap_manager *m = c->managers.v;

	for (size_t i = 0; i < c->managers.n; i++, m++) {
		if (!is_address(m->address))
			conf_error(ck->errs, ck->file, m->where,
			    "'address' is '%s', expected an IP address and a port", m->address);
		if (m->version == TRAP_V2C && m->community_file == NULL)
			conf_error(ck->errs, ck->file, m->where,
			    "'community_file' is missing for v2c manager '%s'", m->address);
		if (m->version == TRAP_V2C &&
		    (m->user != NULL || m->auth_file != NULL || m->priv_file != NULL))
			conf_error(ck->errs, ck->file, m->where,
			    "'user', 'auth_file' and 'priv_file' mean nothing to a v2c manager");
		if (m->version != TRAP_V2C &&
		    (m->user == NULL || m->auth_file == NULL || m->priv_file == NULL))
			conf_error(ck->errs, ck->file, m->where,
			    "v3 manager '%s' needs 'user', 'auth_file' and 'priv_file'", m->address);
		if (m->version != TRAP_V2C && m->community_file != NULL)
			conf_error(ck->errs, ck->file, m->where,
			    "'community_file' means nothing to a v3 manager");
	}
}

static int
check_all(const char *path, struct alertd_conf *conf, struct conf_errors *errs)
{
	struct checking ck = { path, errs };
	struct channel_conf *c = conf->channels.v;
	struct control_user *u = conf->control.users.v;

	if (!is_address(conf->collector.address))
		conf_error(errs, path, conf->collector.where,
		    "'address' of the collector is '%s', expected an IP address and a port",
		    conf->collector.address);
	if (conf->outbox.retry_max_ns < conf->outbox.retry_first_ns)
		conf_error(errs, path, (struct conf_where){ 0, 0 },
		    "'retry_max' of outbox is shorter than 'retry_first'");
	for (size_t i = 0; i < conf->channels.n; i++, c++) {
		check_rules(&ck, c);
		check_url(&ck, c);
		check_texts(&ck, c);
		check_managers(&ck, c);
		if (c->units == 0 && (c->kind == CHANNEL_KANNEL || c->kind == CHANNEL_HTTP ||
		    (c->kind == CHANNEL_FILE && c->form == FORM_SMS)))
			c->units = 70;
	}
	for (size_t i = 0; i < conf->control.users.n; i++, u++)
		if (has_control(u->name) || has_control(u->login))
			conf_error(errs, path, u->where, "a user has a control character");
	return conf_failed(errs) ? -EINVAL : 0;
}

int
alertd_conf_load(const char *path, struct alertd_conf *out, struct conf_errors *errs)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = conf_load(path, &alertd_conf_schema, out, errs);
	if (rc != 0)
		return rc;
	rc = check_all(path, out, errs);
	if (rc != 0)
		alertd_conf_free(out);
	return rc;
}

int
alertd_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct alertd_conf *out, struct conf_errors *errs)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = conf_parse(text, len, name, dir, &alertd_conf_schema, out, errs);
	if (rc != 0)
		return rc;
	rc = check_all(name, out, errs);
	if (rc != 0)
		alertd_conf_free(out);
	return rc;
}

void
alertd_conf_free(struct alertd_conf *conf)
{
	conf_free(&alertd_conf_schema, conf);
}

const char *
channel_kind_name(enum channel_kind kind)
{
	if (kind < CHANNEL_FILE || kind > CHANNEL_TRAP)
		return "?";
	return kind_names[kind - CHANNEL_FILE];
}

const char *
user_role_name(enum user_role role)
{
	if (role == USER_VENDOR)
		return "vendor";
	if (role < USER_VIEWER || role > USER_ADMIN)
		return "none";
	return role_names[role - USER_VIEWER];
}

enum user_role
user_role_parse(const char *name)
{
	for (int i = 0; name != NULL && role_names[i] != NULL; i++)
		if (strcmp(name, role_names[i]) == 0)
			return USER_VIEWER + i;
	return USER_NONE;
}

const struct channel_conf *
alertd_conf_channel(const struct alertd_conf *conf, const char *name)
{
	const struct channel_conf *c = conf->channels.v;

	for (size_t i = 0; i < conf->channels.n; i++)
		if (strcmp(c[i].name, name) == 0)
			return &c[i];
	return NULL;
}
