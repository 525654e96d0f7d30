/*
 * alertd_conf.h - alertd.yaml: where the feed comes from, where state lies,
 * who may act, and the ways to tell people.
 *
 *   collector: {address: "127.0.0.1:7466", id: main}
 *   tls: {ca: pki/ca.pem, cert: pki/alertd.pem, key: pki/alertd.key, crl: pki/crl.pem}
 *   state_dir: /var/lib/linkwatch-alertd      # database, SNMP engine
 *   policy: policy.yaml
 *   user: linkwatch                           # after start as root
 *   log_level: notice                         # error warning notice info debug
 *   stale_after: 10m                          # older samples are recorded, not announced as new
 *   control:
 *     socket: /run/linkwatch/alertd.sock
 *     group: linkwatch                        # may connect (mode 0660)
 *     users: [{login: zhang, name: zhang, role: operator}]
 *     proxies: [linkwatch-web]                # logins that may speak for others
 *   outbox: {retry_first: 5s, retry_max: 5m, tries_before_fallback: 3, dead_after: 60s, give_up: 24h}
 *   channels:
 *     - {name: sms, kind: file, directory: run/outbox, form: sms}
 *     - {name: sms2, kind: kannel, url: "http://127.0.0.1:13013/cgi-bin/sendsms", user: alertd,
 *        password_file: sms.secret, from: "10690001"}
 *     - {name: gw, kind: http, url: "https://gw.example/send?to={phone}", method: POST,
 *        headers: ["Content-Type: application/json"], body: '{"text":"{text}"}', success: '"code":0'}
 *     - {name: mail, kind: smtp, url: "smtp://mail.example:587", user: noc, password_file: mail.secret,
 *        from: noc@example.com, ca: ca.pem}
 *     - {name: trap, kind: trap, managers: [{address: "127.0.0.1:162", version: v3-inform,
 *        user: lw, auth_file: a.key, priv_file: p.key}]}
 *
 * Paths are relative to the file.  A channel's keys are checked against its
 * kind: a key that the kind does not know is an error.
 */
#pragma once

#include "common/conf.h"

/* USER_VENDOR is outside the order: a vendor's engineer, whom a proxy names (common/control.h). */
enum user_role { USER_NONE = 0, USER_VIEWER = 1, USER_OPERATOR = 2, USER_ADMIN = 3, USER_VENDOR = -1 };

enum channel_kind {
	CHANNEL_FILE = 1, CHANNEL_KANNEL = 2, CHANNEL_HTTP = 3, CHANNEL_SMTP = 4,
	CHANNEL_TRAP = 5,
};

enum channel_form { FORM_SMS = 1, FORM_MAIL = 2 };

enum http_method { HTTP_GET = 1, HTTP_POST = 2 };

enum trap_version { TRAP_V2C = 1, TRAP_V3_INFORM = 2, TRAP_V3_TRAP = 3 };

struct trap_manager {
	struct conf_where where;
	char *address;			/* "192.0.2.1:162" */
	int version;			/* enum trap_version */
	char *community_file;		/* v2c */
	char *user;			/* v3 */
	char *auth_file, *priv_file;	/* v3: SHA-256 and AES pass phrases */
};

struct channel_conf {
	struct conf_where where;
	char *name;
	int kind;			/* enum channel_kind */
	int form;			/* file: enum channel_form */
	char *directory;		/* file */
	char *url;			/* kannel, http, smtp */
	char *user, *password_file;	/* kannel, http, smtp */
	char *from;			/* kannel: sender's number; smtp: sender's address */
	char *from_name;		/* smtp */
	char *ca;			/* PEM to check the gateway against; NULL: the system's */
	char *dlr_url;			/* kannel */
	int method;			/* http: enum http_method */
	struct conf_list headers;	/* http: char * "Name: value" */
	char *body;			/* http */
	char *success;			/* http: regular expression that the answer must match */
	int64_t units;			/* UTF-16 units that fit one message; 0: no limit (SMS: 70) */
	int64_t parallel;		/* messages under way at a time */
	int64_t timeout_ns;		/* for one attempt */
	bool plain;			/* smtp: no TLS; only to a loopback address */
	struct conf_list managers;	/* trap: struct trap_manager */
};

struct control_user {
	struct conf_where where;
	char *login;			/* name or number of the uid */
	char *name;			/* as it stands in the log of incidents */
	int role;			/* enum user_role */
};

/* Times of the outbox; outbox.h says what they mean. */
struct outbox_conf {
	int64_t retry_first_ns, retry_max_ns;
	int64_t tries_before_fallback;
	int64_t dead_after_ns;
	int64_t give_up_ns;
};

struct alertd_conf {
	struct { struct conf_where where; char *address, *id; } collector;
	struct { struct conf_where where; char *ca, *cert, *key, *crl; } tls;
	char *state_dir, *policy, *user;
	int log_level;			/* enum log_level */
	int64_t stale_after_ns;
	struct {
		struct conf_where where;
		char *socket, *group;
		struct conf_list users;		/* struct control_user */
		struct conf_list proxies;	/* char *: logins */
	} control;
	struct outbox_conf outbox;
	struct conf_list channels;	/* struct channel_conf */
};

extern const struct conf_schema alertd_conf_schema;

/* Reads and checks, also across keys.  0, or -EINVAL with lines in errs (warnings may come with 0). */
int alertd_conf_load(const char *path, struct alertd_conf *out, struct conf_errors *errs);
/* The same from memory; dir is the base of relative paths. */
int alertd_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct alertd_conf *out, struct conf_errors *errs);
/* After success only. */
void alertd_conf_free(struct alertd_conf *);

const char *channel_kind_name(enum channel_kind kind);		/* "kannel" */
const char *user_role_name(enum user_role role);		/* "operator" */
/* The role of that name, or USER_NONE. */
enum user_role user_role_parse(const char *name);
/* The channel of that name, or NULL. */
const struct channel_conf *alertd_conf_channel(const struct alertd_conf *, const char *name);
