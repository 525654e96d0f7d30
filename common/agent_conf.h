/*
 * agent_conf.h - agent.yaml: what the owner of a host grants the agent.
 *
 *   collectors: ["10.1.1.5:4433", "collector.example:4433", "[2001:db8::5]:4433"]
 *   collector_id: main              # optional: this one only
 *   state_dir: /var/lib/linkwatch-agent
 *   user: linkwatch
 *   tls:   {ca: ca.pem, cert: agent.pem, key: agent.key, crl: crl.pem}
 *   spool: {max_size: 1G}
 *   guard: {allow: ["10.0.0.0/8", "::1", "www.example.com", "*.corp.example"], max_pps: 1000}
 *   snmp_credentials:
 *     - {name: core, version: v3, user: mon, auth: sha256, auth_secret_file: a.key,
 *        priv: aes128, priv_secret_file: p.key}
 *     - {name: old, version: v2c, community_file: community}
 *
 * Lives in common/ because linkctl checks it too.  Nothing in it can come from
 * a collector.  Secrets stand in files of their own, never here.
 */
#pragma once

#include "common/conf.h"

enum snmp_version { SNMP_V2C = 0, SNMP_V3 = 1 };
enum snmp_auth { SNMP_AUTH_NONE = 0, SNMP_AUTH_MD5, SNMP_AUTH_SHA1, SNMP_AUTH_SHA224,
    SNMP_AUTH_SHA256, SNMP_AUTH_SHA384, SNMP_AUTH_SHA512 };
enum snmp_priv { SNMP_PRIV_NONE = 0, SNMP_PRIV_DES, SNMP_PRIV_AES128, SNMP_PRIV_AES192,
    SNMP_PRIV_AES256 };

struct snmp_credential {
	struct conf_where where;
	char *name;			/* what links.yaml calls it */
	int version;			/* enum snmp_version */
	char *community_file;		/* v2c: first line is the community */
	char *user, *context;		/* v3 */
	int auth, priv;			/* enum snmp_auth, snmp_priv */
	char *auth_secret_file, *priv_secret_file;	/* first line is the pass phrase */
};

struct agent_conf {
	struct conf_where where;
	struct conf_list collectors;	/* char *: "HOST:PORT" */
	char *collector_id;		/* NULL: any */
	char *state_dir;
	char *user;			/* NULL: stay, but without capabilities */
	int log_level;			/* enum log_level */
	struct { struct conf_where where; char *ca, *cert, *key, *crl; } tls;
	struct { struct conf_where where; int64_t max_size; } spool;
	struct { struct conf_where where; struct conf_list allow; int64_t max_pps; } guard;
	struct conf_list snmp_credentials;	/* struct snmp_credential */
};

extern const struct conf_schema agent_conf_schema;

/* Reads and checks the whole file, also across keys.  0, or -EINVAL with lines in errs; warnings
 * may stand there in both cases.  agent_conf_free() after success only. */
int agent_conf_load(const char *path, struct agent_conf *out, struct conf_errors *errs);
/* The same from memory. */
int agent_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct agent_conf *out, struct conf_errors *errs);
void agent_conf_free(struct agent_conf *);

/* "host:port" or "[v6]:port" into host (n bytes, without brackets) and port.  -EINVAL. */
int agent_conf_collector(const char *text, char *host, size_t n, char port[6]);

/* A rule of guard.allow. */
struct allow_rule {
	bool is_network;		/* else a name, or "*." and a name */
	uint8_t addr[16];		/* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;			/* of addr that count: 96.. for IPv4 */
};
/* 0, or -EINVAL: neither network nor name. */
int agent_conf_allow(const char *text, struct allow_rule *out);
