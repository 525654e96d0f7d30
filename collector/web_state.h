/*
 * web_state.h - the state of the web process and of one request, for web*.c alone.
 *
 * A struct web_req lives from the arrival of a request to its one answer
 * (web_answer* or web_fail), which frees it; handlers that must wait keep the
 * pointer.  At the end of the process those still waiting get a 503.
 */
#pragma once

#include <jansson.h>

#include "collector/http_param.h"
#include "collector/web_live.h"
#include "collector/web_session.h"
#include "collector/web_token.h"
#include "collector/web_users.h"
#include "common/clock.h"
#include "common/collector_conf.h"

#define GRAPH_KEY_LEN 32
#define SILENT_NS (15 * NS_PER_S)	/* ingest says it is alive every 5 s */

struct alertd;
struct drawing;
struct event_base;
struct evhttp_request;
struct graph_pool;
struct http_server;
struct login;
struct sse;
struct tail;
struct web_req;

struct web {
	const struct collector_conf *conf;
	const struct clock *clock;
	struct event_base *base;
	struct http_server *server;
	struct live *live;
	struct tail *tail;		/* NULL: the journal could not be opened */
	char *journal;			/* its directory */
	char *rrd;			/* directory of the files */
	char *store_socket;
	struct alertd *alertd;
	struct sessions *sessions;
	struct limiter *tries;		/* failed log-ins by address, and by address and user */
	struct users users;
	struct tokens tokens;
	struct timespec tokens_at;	/* when the file that was read had been written; 0: none was */
	struct login *login;
	struct graph_pool *pool;
	struct sse *sse;
	struct event *push;
	uint64_t pushed, pushed_alertd;	/* counters of what the streams have been told */
	unsigned ticks;			/* of web_push.c */
	struct drawing *drawings;	/* under way, of web_graph.c */
	bool graph_key_known;		/* of web_graph_address.c */
	uint8_t graph_key[GRAPH_KEY_LEN];
	struct web_req *pending;
	size_t pending_n;
	struct store_watch *store;
	uint64_t answers[6];		/* by the first digit of the status */
	uint64_t failed_logins, refused_tokens, busy_tokens;
};

enum web_method { WEB_GET = 1, WEB_POST = 2 };

struct web_req {
	struct web *web;
	struct evhttp_request *req;
	struct web_req *next, **at;
	enum web_method method;		/* HEAD counts as GET */
	bool api;			/* errors as JSON */
	bool by_token;			/* no cookie, so no CSRF */
	int lang;			/* enum web_language */
	struct http_path path;
	struct http_params query, form;
	bool logged_in;
	struct session who;		/* a copy */
};

/* Answers and frees q.  json is taken over. */
void web_answer(struct web_req *q, int code, const char *type, const void *body, size_t len);
void web_answer_json(struct web_req *q, int code, json_t *json);
/* An error that says what is wrong: page or {"error":{"code","zh","en"}}. */
void web_fail(struct web_req *q, int code, const char *word, const char *zh, const char *en);
void web_redirect(struct web_req *q, const char *to);

/*
 * Who sees what: web_vendor.c.  A scope is "" (everything) or a vendor's id (only
 * what is his).  Every answer that names a link, an agent or an incident asks here.
 */
const char *web_scope(const struct session *who);
bool web_scope_has(const char *scope, const char *vendor);
bool web_sees(const struct session *who, const char *vendor);
/* The link of the plan, if the asker may know of it; else NULL. */
const struct live_link *web_find_link(const struct web_req *q, const char *agent, const char *link);
/* Is the incident (of alertd) his? Its own vendor counts, not those of the links it drew in. */
bool web_scope_has_incident(const char *scope, const json_t *incident);
/* A link of web_json_link(), taken over: without the number of an incident that is not his. */
json_t *web_scope_link(struct web *, const char *scope, json_t *link);
/* The incident, or data of incident.show or link.show, as this scope may see it: owned by the caller.  A vendor
 * gets no link or anomaly of others, and not whom the supervisor told or how he is reached. */
json_t *web_scope_incident(struct web *, const char *scope, json_t *incident);
json_t *web_scope_incident_doc(struct web *, const char *scope, json_t *data);
json_t *web_scope_link_doc(struct web *, const char *scope, json_t *data);
/* Sends cmd to alertd in the name of the asker; see alertd_ask(). */
void web_ask_alertd(struct web_req *q, const char *cmd, json_t *args,
    void (*done)(void *arg, json_t *answer), void *arg);

/* Where the asker is: an address, of IPv6 its /64, for that is what one peer has. */
void web_peer_block(const struct web_req *q, char *out, size_t n);
/* Is the session or token with this number still good? arg: struct web.  Marks a session as used. */
bool web_owner_stands(void *arg, uint64_t owner);
/* Reads the file of tokens again if it has changed. */
void web_refresh_tokens(struct web *);

/*
 * The routes (web.c).  query and form: names of the parameters that it takes, parted by spaces; NULL: none;
 * "*": a page, whose scripts read them.  "lang" and, in a form, "csrf" are always taken; any other is refused.
 * openapi.json has every one of them; tests hold the two against each other.
 *
 * Which rule a row has for vendors: SHARED (nothing in it belongs to anybody) or OWN (the handler
 * gives a vendor what is his, and 404 for the rest).  A row with neither is not there for vendors.
 */
enum route_flag {
	ROUTE_OPEN = 1,			/* without log-in */
	ROUTE_CHANGES = 2,		/* CSRF token and operator; or a vendor, if the row is OWN */
	ROUTE_SHARED = 4,
	ROUTE_OWN = 8,
	ROUTE_ADMIN = 16,
	ROUTE_SCRAPE = 32,		/* addresses of web.metrics_from need no log-in */
};

struct web_route {
	enum web_method method;
	const char *pattern;		/* '*' is any one segment */
	unsigned flags;			/* enum route_flag */
	void (*handler)(struct web_req *);
	const char *query, *form;
};
extern const struct web_route web_routes[];
extern const size_t web_routes_n;

/* Handlers: web_page.c */
void web_page_shell(struct web_req *q);
void web_page_login(struct web_req *q);
void web_page_asset(struct web_req *q);
void web_page_login_again(struct web_req *q, int code, const char *zh, const char *en);
void web_page_error(struct web_req *q, int code, const char *zh, const char *en);
/* Where the log-in may lead: ?next= if it is a path of this site, else "/". */
const char *web_safe_next(struct web_req *q);
/* web_login.c: passwords are checked in a thread of their own */
struct login *login_new(struct web *);
void login_free(struct login *);
void web_login(struct web_req *q);
void web_logout(struct web_req *q);
/* web_api.c */
void web_api_status(struct web_req *q);
void web_api_links(struct web_req *q);
void web_api_link(struct web_req *q);
void web_api_agents(struct web_req *q);
void web_api_incidents(struct web_req *q);
void web_api_incident(struct web_req *q);
void web_api_incident_act(struct web_req *q);
/* web_graph.c, web_graph_address.c */
void web_graph(struct web_req *q);
void web_series(struct web_req *q);
void web_graph_address(struct web_req *q);
void web_graph_shared(struct web_req *q);
/* Reads the key that signs addresses of graphs, or makes one; while it still may. */
void web_graph_open(struct web *);
/* Forgets the drawings under way; the pool has gone before, their requests wait for an answer. */
void web_graph_close(struct web *);
/* web_admin.c */
void web_api_users(struct web_req *q);
void web_api_tokens(struct web_req *q);
void web_api_sessions(struct web_req *q);
void web_api_session_end(struct web_req *q);
void web_api_openapi(struct web_req *q);
/* web_metrics.c */
void web_metrics(struct web_req *q);
void web_healthz(struct web_req *q);
struct store_watch *store_watch_new(struct event_base *, const struct clock *, const char *socket);
void store_watch_free(struct store_watch *);
/* web_push.c */
void web_events(struct web_req *q);
void web_push_start(struct web *);
void web_push_incident(void *web, json_t *incident);

/* web_json.c: what the table knows, as JSON (owned by the caller). */
json_t *web_json_link(struct web *, const struct live_link *, bool curve);
json_t *web_json_agent(struct web *, const struct live_agent *);
/* The status of what a scope (web_scope) sees. */
json_t *web_json_status(struct web *, const char *scope);
/* Bits 1 << value_role of an snmp link's series. */
uint32_t web_roles(const Linkwatch__Pb__Link *);
/* What people call named object i, its numbers if nothing else; its unit, "" if it has none. */
const char *web_object_name(const Linkwatch__Pb__Link *, size_t i);
const char *web_object_unit(const Linkwatch__Pb__Link *, size_t i);
