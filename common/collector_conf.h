/*
 * collector_conf.h - collector.yaml: what linkwatch-collector, the page and
 * `linkctl check` know of it.
 *
 * All that the collector writes lies under `state`:
 *   journal/         the journal, cursors, the table of numbers seen
 *   rrd/AGENT/LINK.rrd
 *   store.sock       "flush AGENT/LINK\n" -> "ok\n" (store.h)
 */
#pragma once

#include "common/conf.h"

enum web_language { WEB_ZH = 0, WEB_EN = 1 };

struct collector_listen_conf {
	char *address;
	int64_t port;			/* 0: the kernel chooses */
	char *ca, *cert, *key, *crl;	/* crl: NULL none */
	int64_t max_conns;
	int64_t handshakes;		/* at a time */
	int64_t waiting;		/* connections that wait for theirs */
};

struct collector_ingest_conf {
	int64_t commit_ns;		/* how long a batch may wait for its fdatasync */
	int64_t window;			/* batches of one agent in flight */
	int64_t past_ns, future_ns;	/* how far a sample may lie from our clock */
	int64_t agent_bytes, agent_batches, agent_samples;	/* of one agent in a second */
	int64_t agent_sessions;		/* of one agent in a minute */
	int64_t pending_bytes;		/* that wait for the disk, of all */
};

struct collector_journal_conf {
	int64_t segment_bytes;
	int64_t max_bytes;		/* beyond: the oldest segments go */
	int64_t max_age_ns;
	double reader_share;		/* of max_bytes, that a slow reader may hold back on top */
};

/* How long a link's RRD file has each resolution; 0: not at all. */
struct collector_keep_conf { int64_t detail_ns, minutes_ns, ten_minutes_ns, hours_ns, six_hours_ns; };

struct collector_store_conf {
	int64_t rows;			/* gathered for a file before they are written */
	int64_t age_ns;			/* or when the oldest waits so long */
	struct collector_keep_conf keep[3];	/* of links of class A, B, C */
};

struct collector_web_conf {
	bool enabled;
	char *address;
	int64_t port;			/* HTTPS; 0: the kernel chooses */
	char *cert, *key;
	char *users;			/* file of collector/web_users.h */
	char *tokens;			/* file of collector/web_token.h; NULL: none */
	char *control;			/* alertd's control socket; NULL: none */
	int language;			/* enum web_language: before the browser says otherwise */
	int64_t graph_workers;		/* warm drawing processes */
	int64_t connections;		/* cap */
	int64_t address_connections;	/* of them from one address (IPv6: one /64) */
	bool metrics_links;		/* /metrics tells of each link too */
	struct conf_list metrics_from;	/* char *: blocks (netmask.h) that may read it without a token */
	int64_t streams;		/* readers of server-sent events, cap */
	int64_t session_idle_ns;	/* a log-in ends after so long without a request */
	int64_t session_max_ns;		/* and after so long in any case */
};

struct collector_conf {
	char *id;			/* as in the certificate: linkwatch://collector/ID */
	char *state;
	char *links;			/* links.yaml */
	char *user;			/* NULL: stays who it is, without capabilities */
	int log_level;			/* enum log_level */
	struct collector_listen_conf listen;
	struct collector_ingest_conf ingest;
	struct collector_journal_conf journal;
	struct collector_store_conf store;
	struct collector_web_conf web;
};

extern const struct conf_schema collector_schema;

/*
 * Reads path and checks across keys (the schema cannot say all). 0, or -EINVAL with lines in errs;
 * warnings may stand in errs in both cases. *out is owned by the caller (collector_conf_free).
 */
int collector_conf_load(const char *path, struct collector_conf **out, struct conf_errors *errs);
/* The same from memory; name stands in messages, dir is the base of relative paths. */
int collector_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct collector_conf **out, struct conf_errors *errs);
void collector_conf_free(struct collector_conf *);
/* "STATE/sub" in malloc'd memory, owned by the caller. */
char *collector_conf_path(const struct collector_conf *, const char *sub);
