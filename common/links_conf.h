/*
 * links_conf.h - links.yaml as it stands in memory between the reader
 * (links.c) and the plan (links_plan.c); nobody else uses it.
 */
#pragma once

#include "common/conf.h"

struct links_vendor {
	struct conf_where where;
	char *id, *code, *code_en, *name, *name_en;
};

struct links_agent {
	struct conf_where where;
	char *id, *vendor, *zone, *name, *name_en;
};

struct links_zone {
	struct conf_where where;
	char *id, *name, *name_en;
};

struct links_chain {
	struct conf_where where;
	char *id, *name, *name_en;
};

struct links_object {
	struct conf_where where;
	char *oid, *name, *unit;
	int type;			/* enum oid_type */
	double scale;
};

struct links_limits { double loss; int64_t rtt_ns; };

struct links_link {
	struct conf_where where;
	char *id, *agent;
	int probe;			/* enum probe_kind; 0: could not be read */
	char *target, *source;
	int64_t port;
	int64_t step_ns, timeout_ns, count, size;	/* 0: by the kind of probe */
	int family;			/* 0 any, 1 IPv4, 2 IPv6 */
	bool df, tls;
	int64_t dscp, ttl;
	char *device, *server_name;
	char *credential, *interface, *alias;
	bool host;
	struct conf_list oids;		/* char * */
	struct conf_list objects;	/* struct links_object */
	int class, segment;		/* enum link_class, enum segment */
	char *name, *name_en, *short_zh, *short_en;
	char *vendor, *zone, *chain;
	char *reverse;			/* "AGENT/LINK", as written */
	struct links_link *reverse_of;	/* the way back, once checked; into the same list */
	int64_t down_after;
	struct links_limits limits;
};

struct links_conf {
	struct conf_list vendors, zones, agents, chains, links;
};

/* Reports what `reverse` may not name, and sets reverse_of of both links of each pair. */
void links_check_pairs(const struct conf_scope *, struct conf_list *links);
/* The step, also when it was left out. */
int64_t links_step_ns(const struct links_link *);
