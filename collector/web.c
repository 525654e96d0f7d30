/*
 * web.c - the web process: set-up, routes, dispatch, end.
 */
#include "collector/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "collector/graph_worker.h"
#include "collector/heartbeat.h"
#include "collector/http_server.h"
#include "collector/sse.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"
#include "collector/web_tail.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/netmask.h"
#include "common/sandbox.h"

#define PENDING_MAX 512
#define FREE_TRIES 5
#define COOKIE "__Host-lw"

#define GRAPH_PARAMETERS "kind from to w h scale theme format with reverse before mirror title"

const struct web_route web_routes[] = {
	{ WEB_GET, "", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "link/*/*", ROUTE_OWN, web_page_shell, "*", NULL },
	{ WEB_GET, "incidents", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "incident/*", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "agents", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "agent/*", ROUTE_OWN, web_page_shell, "*", NULL },
	{ WEB_GET, "chains", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "matrix", ROUTE_SHARED, web_page_shell, "*", NULL },
	{ WEB_GET, "admin", ROUTE_ADMIN, web_page_shell, "*", NULL },
	{ WEB_GET, "login", ROUTE_OPEN, web_page_login, "next", NULL },
	{ WEB_POST, "login", ROUTE_OPEN, web_login, NULL, "user password next" },
	{ WEB_POST, "logout", ROUTE_SHARED, web_logout, NULL, NULL },
	{ WEB_GET, "assets/*", ROUTE_OPEN, web_page_asset, NULL, NULL },
	{ WEB_GET, "favicon.ico", ROUTE_OPEN, web_page_asset, NULL, NULL },
	{ WEB_GET, "healthz", ROUTE_OPEN, web_healthz, NULL, NULL },
	{ WEB_GET, "metrics", ROUTE_SCRAPE, web_metrics, NULL, NULL },
	{ WEB_GET, "graph/*/*", ROUTE_OWN, web_graph, GRAPH_PARAMETERS, NULL },
	{ WEB_GET, "shared/*/*", ROUTE_OPEN, web_graph_shared, GRAPH_PARAMETERS " expires mac", NULL },
	{ WEB_GET, "api/graph-address/*/*", ROUTE_OWN, web_graph_address, GRAPH_PARAMETERS " days", NULL },
	{ WEB_GET, "api/status", ROUTE_OWN, web_api_status, NULL, NULL },
	{ WEB_GET, "api/links", ROUTE_OWN, web_api_links, "agent curve", NULL },
	{ WEB_GET, "api/link/*/*", ROUTE_OWN, web_api_link, NULL, NULL },
	{ WEB_GET, "api/series/*/*", ROUTE_OWN, web_series, "from to resolution cf", NULL },
	{ WEB_GET, "api/agents", ROUTE_OWN, web_api_agents, NULL, NULL },
	{ WEB_GET, "api/incidents", ROUTE_OWN, web_api_incidents, NULL, NULL },
	{ WEB_GET, "api/incident/*", ROUTE_OWN, web_api_incident, NULL, NULL },
	{ WEB_POST, "api/incident/*/*", ROUTE_CHANGES | ROUTE_OWN, web_api_incident_act, NULL,
	  "note eta version cause root-cause responsible measure grade-final" },
	{ WEB_GET, "api/events", ROUTE_OWN, web_events, NULL, NULL },
	{ WEB_GET, "api/openapi.json", ROUTE_SHARED, web_api_openapi, NULL, NULL },
	{ WEB_GET, "api/users", ROUTE_ADMIN, web_api_users, NULL, NULL },
	{ WEB_GET, "api/tokens", ROUTE_ADMIN, web_api_tokens, NULL, NULL },
	{ WEB_GET, "api/sessions", ROUTE_ADMIN, web_api_sessions, NULL, NULL },
	{ WEB_POST, "api/session/*/end", ROUTE_ADMIN | ROUTE_CHANGES, web_api_session_end, NULL, NULL },
};
const size_t web_routes_n = sizeof web_routes / sizeof *web_routes;

/* ---------------------------------------------------------------- answers */

static void
req_free(struct web_req *q)
{
	*q->at = q->next;
	if (q->next != NULL)
		q->next->at = q->at;
	q->web->pending_n--;
	http_params_free(&q->query);
	http_params_free(&q->form);
	free(q);
}

void
web_answer(struct web_req *q, int code, const char *type, const void *body, size_t len)
{
	q->web->answers[code / 100 % 6]++;
	http_reply(q->req, code, type, body, len);
	req_free(q);
}

void
web_answer_json(struct web_req *q, int code, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

	json_decref(json);
	if (text == NULL) {
		web_fail(q, 500, "internal", "内部错误", "internal error");
		return;
	}
	web_answer(q, code, "application/json; charset=utf-8", text, strlen(text));
	free(text);
}

void
web_fail(struct web_req *q, int code, const char *word, const char *zh, const char *en)
{
	if (q->api)
		web_answer_json(q, code, json_pack("{s:{s:s,s:s,s:s}}", "error", "code", word, "zh", zh,
		    "en", en));
	else
		web_page_error(q, code, zh, en);
}

void
web_redirect(struct web_req *q, const char *to)
{
	http_header(q->req, "Location", to);
	web_answer(q, 303, NULL, NULL, 0);
}

/* --------------------------------------------------------------- dispatch */

static bool
pattern_fits(const char *pattern, const struct http_path *p)
{
	size_t i = 0;

	while (*pattern != '\0') {
		size_t len = strcspn(pattern, "/");

		if (i == p->n)
			return false;
		if ((len != 1 || *pattern != '*') &&
		    (strlen(p->seg[i]) != len || memcmp(pattern, p->seg[i], len) != 0))
			return false;
		pattern += len + (pattern[len] == '/');
		i++;
	}
	return i == p->n;
}

/* The route; NULL with *other = a route of this path under another method, if there is one. */
static const struct web_route *
find_route(const struct web_req *q, const struct web_route **other)
{
	*other = NULL;
	for (size_t i = 0; i < web_routes_n; i++) {
		if (!pattern_fits(web_routes[i].pattern, &q->path))
			continue;
		if (web_routes[i].method == q->method)
			return &web_routes[i];
		*other = &web_routes[i];
	}
	return NULL;
}

/* Is name one of the words of list, or the one that is always taken? */
static bool
name_is_known(const char *list, const char *always, const char *name)
{
	size_t len = strlen(name);

	if (strcmp(name, always) == 0)
		return true;
	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, name, n) == 0)
			return true;
		list += n + strspn(list + n, " ");
	}
	return false;
}

/* The first parameter that the route does not take; NULL: it takes them all. */
static const char *
unknown_parameter(const struct web_route *r, const struct web_req *q)
{
	for (size_t i = 0; i < q->query.n; i++)
		if ((r->query == NULL || *r->query != '*') &&
		    !name_is_known(r->query, "lang", q->query.v[i].name))
			return q->query.v[i].name;
	for (size_t i = 0; i < q->form.n; i++)
		if (!name_is_known(r->form, "csrf", q->form.v[i].name))
			return q->form.v[i].name;
	return NULL;
}

static const char *
header(struct web_req *q, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(q->req), name);
}

/* How often the header stands there. */
static unsigned
header_count(struct web_req *q, const char *name)
{
	unsigned n = 0;

	for (const struct evkeyval *h = evhttp_request_get_input_headers(q->req)->tqh_first; h != NULL;
	    h = h->next.tqe_next)
		n += strcasecmp(h->key, name) == 0;
	return n;
}

static bool
refuse_token(struct web_req *q)
{
	char key[80], peer[INET6_ADDRSTRLEN], retry[16];
	unsigned wait;

	web_peer_block(q, peer, sizeof peer);
	snprintf(key, sizeof key, "t %s", peer);
	wait = limiter_wait(q->web->tries, key, clock_mono(q->web->clock));
	q->web->refused_tokens++;
	http_header(q->req, "WWW-Authenticate", "Bearer");
	if (wait > 0) {
		snprintf(retry, sizeof retry, "%u", wait);
		http_header(q->req, "Retry-After", retry);
		web_fail(q, 429, "busy", "尝试次数过多，请稍候再试", "too many tries: wait a little");
		return false;
	}
	limiter_fail(q->web->tries, key, clock_mono(q->web->clock));
	log_limited(LOG_WARNING, "web-token", 5, "web: no such token, from %s", peer);
	web_fail(q, 401, "token", "令牌无效或已过期", "the token is not known or has expired");
	return false;
}

/* Who asks, by the token in Authorization; a cookie beside it does not count. false when it was answered. */
static bool
take_token(struct web_req *q)
{
	const char *auth = header(q, "Authorization");
	int64_t now_s = clock_wall(q->web->clock).ns / NS_PER_S;
	struct token *t;

	if (strncasecmp(auth, "Bearer ", 7) != 0 || header_count(q, "Authorization") != 1)
		return refuse_token(q);
	t = tokens_find(&q->web->tokens, auth + 7, now_s);
	if (t == NULL)
		return refuse_token(q);
	if (!token_take(t, clock_mono(q->web->clock))) {
		q->web->busy_tokens++;
		http_header(q->req, "Retry-After", "1");
		web_fail(q, 429, "busy", "请求过于频繁", "too many requests with this token");
		return false;
	}
	t->used_s = now_s;
	q->who = (struct session){ .id = token_id(t), .role = t->role };
	snprintf(q->who.user, sizeof q->who.user, "token:%s", t->name);
	snprintf(q->who.vendor, sizeof q->who.vendor, "%s", t->vendor);
	q->logged_in = q->by_token = true;
	return true;
}

static void
find_session(struct web_req *q)
{
	const struct session *s;
	char cookie[SESSION_TOKEN_LEN + 1];

	if (!http_cookie(header(q, "Cookie"), COOKIE, cookie, sizeof cookie))
		return;
	s = session_find(q->web->sessions, cookie, clock_mono(q->web->clock));
	if (s == NULL)
		return;
	q->logged_in = true;
	q->who = *s;
}

/* ?lang= beats the cookie, the cookie beats the configuration. */
static void
find_language(struct web_req *q)
{
	const char *lang = http_param(&q->query, "lang");
	char cookie[4];

	q->lang = q->web->conf->web.language;
	if (lang == NULL && http_cookie(header(q, "Cookie"), "lw_lang", cookie, sizeof cookie))
		lang = cookie;
	if (lang != NULL && strcmp(lang, "zh") == 0)
		q->lang = WEB_ZH;
	else if (lang != NULL && strcmp(lang, "en") == 0)
		q->lang = WEB_EN;
}

/* Another site's page cannot say what our origin is; a browser always tells its own. */
static bool
origin_is_ours(struct web_req *q)
{
	const char *origin = header(q, "Origin"), *host = header(q, "Host");

	if (origin == NULL)
		return true;
	return host != NULL && strncmp(origin, "https://", 8) == 0 && strcmp(origin + 8, host) == 0;
}

static int
parse_form(struct web_req *q)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(q->req);
	size_t len = evbuffer_get_length(in);
	const char *type = header(q, "Content-Type");

	if (len > 0 && (type == NULL ||
	    strncmp(type, "application/x-www-form-urlencoded", 33) != 0))
		return -EINVAL;
	return http_params_parse(&q->form, (const char *)evbuffer_pullup(in, -1), len);
}

static void
refuse_method(struct web_req *q, const struct web_route *other)
{
	http_header(q->req, "Allow", other->method == WEB_POST ? "POST" : "GET, HEAD");
	web_fail(q, 405, "method", "此地址不支持该请求方法", "this address does not take that method");
}

/* What must be so before the handler sees a request that changes something. */
static bool
change_is_allowed(struct web_req *q)
{
	const char *token = header(q, "X-CSRF-Token");

	if (token == NULL)
		token = http_param(&q->form, "csrf");
	if (!session_csrf_is_good(&q->who, token)) {
		web_fail(q, 403, "csrf", "页面已过期，请刷新后重试", "the page is out of date: load it again");
		return false;
	}
	return true;
}

static void
ask_to_log_in(struct web_req *q)
{
	const char *uri = evhttp_request_get_uri(q->req);
	char *encoded, *to;

	if (q->api) {
		web_fail(q, 401, "login", "请先登录", "log in first");
		return;
	}
	encoded = evhttp_encode_uri(uri);
	to = xasprintf("/login?next=%s", encoded);
	web_redirect(q, strcmp(uri, "/") == 0 ? "/login" : to);
	free(encoded);
	free(to);
}

/* May this address read figures without a log-in? */
static bool
may_scrape(const struct web_req *q)
{
	const struct conf_list *from = &q->web->conf->web.metrics_from;
	struct netmask m;

	for (size_t i = 0; i < from->n; i++)
		if (netmask_parse(((char **)from->v)[i], &m) == 0 && netmask_has(&m, http_peer(q->req)))
			return true;
	return false;
}

/* Has the asker, who is logged in, what the route demands? false when it was answered. */
static bool
role_is_fit(struct web_req *q, const struct web_route *r)
{
	bool vendor = q->who.role == WEB_VENDOR;

	if (vendor && (r->flags & (ROUTE_OPEN | ROUTE_SHARED | ROUTE_OWN)) == 0)
		web_fail(q, 404, "not-found", "没有这个地址", "there is nothing at this address");
	else if ((r->flags & ROUTE_ADMIN) != 0 && q->who.role < WEB_ADMIN)
		web_fail(q, 403, "denied", "需要管理员账号", "this needs the role admin");
	else if ((r->flags & ROUTE_CHANGES) != 0 && q->who.role < WEB_OPERATOR && !vendor)
		web_fail(q, 403, "denied", "只读账号不能操作", "this account may only look");
	else
		return true;
	return false;
}

static void
dispatch(struct web_req *q)
{
	const struct web_route *other, *r = find_route(q, &other);
	const char *odd = r != NULL ? unknown_parameter(r, q) : NULL;
	bool open = r != NULL && ((r->flags & ROUTE_OPEN) != 0 ||
	    ((r->flags & ROUTE_SCRAPE) != 0 && !q->logged_in && may_scrape(q)));

	if (r == NULL && other != NULL) {
		refuse_method(q, other);
	} else if (r == NULL) {
		web_fail(q, 404, "not-found", "没有这个地址", "there is nothing at this address");
	} else if (q->method == WEB_POST && !q->by_token && !origin_is_ours(q)) {
		web_fail(q, 403, "origin", "请求来自其他网站", "the request comes from another site");
	} else if (!open && !q->logged_in) {
		ask_to_log_in(q);
	} else if (q->method == WEB_POST && !open && !q->by_token && !change_is_allowed(q)) {
		return;
	} else if (!open && !role_is_fit(q, r)) {
		return;
	} else if (odd != NULL) {
		char zh[160], en[160];

		snprintf(zh, sizeof zh, "不认识参数“%.60s”", odd);
		snprintf(en, sizeof en, "there is no parameter '%.60s'", odd);
		web_fail(q, 400, "parameters", zh, en);
	} else {
		r->handler(q);
	}
}

static bool
is_api(const char *path)
{
	static const char *const heads[] = { "/api/", "/graph/", "/metrics", "/healthz" };

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (strncmp(path, heads[i], strlen(heads[i])) == 0)
			return true;
	return false;
}

/* Method, path and parameters; false when it was answered as bad. */
static bool
understand(struct web_req *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->req);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	enum evhttp_cmd_type cmd = evhttp_request_get_command(q->req);

	q->api = path != NULL && is_api(path);
	q->lang = q->web->conf->web.language;
	q->method = cmd == EVHTTP_REQ_POST ? WEB_POST : WEB_GET;
	if (cmd != EVHTTP_REQ_GET && cmd != EVHTTP_REQ_HEAD && cmd != EVHTTP_REQ_POST) {
		http_header(q->req, "Allow", "GET, HEAD, POST");
		web_fail(q, 405, "method", "不支持该请求方法", "this method is not supported");
	} else if (header(q, "Transfer-Encoding") != NULL) {
		web_fail(q, 411, "length", "请求须注明长度", "a request must tell its length");
	} else if (header_count(q, "Host") != 1 || header_count(q, "Cookie") > 1) {
		web_fail(q, 400, "header", "请求头缺失或重复", "a header is missing or stands twice");
	} else if (path == NULL || http_path_parse(&q->path, path) != 0) {
		web_fail(q, 400, "path", "地址不正确", "this is no proper address");
	} else if (http_params_parse(&q->query, query, query != NULL ? strlen(query) : 0) != 0 ||
	    (q->method == WEB_POST && parse_form(q) != 0)) {
		web_fail(q, 400, "parameters", "参数不正确", "the parameters are not well formed");
	} else {
		return true;
	}
	return false;
}

static void
got_request(void *arg, struct evhttp_request *req)
{
	struct web *w = arg;
	struct web_req *q = xcalloc(1, sizeof *q);

	q->web = w;
	q->req = req;
	q->next = w->pending;
	q->at = &w->pending;
	if (q->next != NULL)
		q->next->at = &q->next;
	w->pending = q;
	if (++w->pending_n > PENDING_MAX) {
		web_fail(q, 503, "busy", "服务繁忙，请稍后再试", "busy: try again in a moment");
		return;
	}
	if (!understand(q))
		return;
	find_language(q);
	if (!q->api || header(q, "Authorization") == NULL)
		find_session(q);	/* pages are for people: a token opens none */
	else if (!take_token(q))
		return;
	dispatch(q);
}

/* ------------------------------------------------------------------- life */

static bool
session_stands(void *arg, const struct session *s)
{
	const struct user *u = users_find(&((struct web *)arg)->users, s->user);

	return u != NULL && u->role == s->role && strcmp(u->vendor, s->vendor) == 0;
}

static void
load_users(struct web *w)
{
	struct conf_errors errs = { 0 };
	struct users fresh;

	if (users_load(w->conf->web.users, &fresh, &errs) == 0) {
		users_free(&w->users);
		w->users = fresh;
		if (w->sessions != NULL)
			sessions_filter(w->sessions, session_stands, w);
	} else {
		users_free(&fresh);
		log_error("web: %s: nobody new may log in", w->conf->web.users);
	}
	for (size_t i = 0; i < errs.n; i++)
		log_warning("web: %s", errs.line[i]);
	conf_errors_free(&errs);
}

void
web_refresh_tokens(struct web *w)
{
	struct conf_errors errs = { 0 };
	struct tokens fresh = { 0 };
	struct stat st = { 0 };

	if (w->conf->web.tokens == NULL || (stat(w->conf->web.tokens, &st) != 0 && errno != ENOENT) ||
	    (st.st_mtim.tv_sec == w->tokens_at.tv_sec && st.st_mtim.tv_nsec == w->tokens_at.tv_nsec))
		return;
	w->tokens_at = st.st_mtim;
	if (st.st_mtim.tv_sec != 0 && tokens_load(w->conf->web.tokens, &fresh, &errs) != 0) {
		log_error("web: %s: no token is good until it can be read", w->conf->web.tokens);
		tokens_free(&fresh);
	}
	for (size_t i = 0; i < errs.n; i++)
		log_warning("web: %s", errs.line[i]);
	conf_errors_free(&errs);
	tokens_replace(&w->tokens, &fresh);
	log_notice("web: %zu tokens", w->tokens.n);
}

static void
on_hangup(evutil_socket_t sig, short what, void *arg)
{
	struct web *w = arg;
	char err[300];

	(void)sig;
	(void)what;
	load_users(w);
	if (w->tail != NULL)
		tail_reload(w->tail);
	if (http_server_reload(w->server, w->conf->web.cert, w->conf->web.key, err, sizeof err) != 0)
		log_error("web: certificate stays as it was: %s", err);
	else
		log_notice("web: users and certificate read again");
}

static void
on_end(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopexit(((struct web *)arg)->base, NULL);
}

/* The journal's directory may not be there before ingest's first start. */
static void
open_tail(evutil_socket_t fd, short what, void *arg)
{
	struct web *w = arg;
	char err[300];

	(void)fd;
	(void)what;
	if (w->tail == NULL && tail_new(&w->tail, w->base, w->live, w->journal, w->conf->links, err,
	    sizeof err) != 0)
		log_limited(LOG_WARNING, "web-tail", 1, "web: %s", err);
}

static int
web_open(struct web *w)
{
	const struct collector_web_conf *c = &w->conf->web;
	const struct http_server_opts opts = { c->address, (uint16_t)c->port, c->cert, c->key,
		(int)c->connections, (int)c->address_connections };
	char err[300];

	web_graph_open(w);
	load_users(w);
	web_refresh_tokens(w);
	if (http_server_new(&w->server, w->base, &opts, got_request, w, err, sizeof err) != 0) {
		log_error("web: %s", err);
		return 1;
	}
	if (sandbox_drop(w->conf->user, NULL, err, sizeof err) != 0) {
		log_error("web: %s", err);
		return 1;
	}
	w->pool = graph_pool_new(w->base, NULL, (unsigned)c->graph_workers);
	w->sessions = sessions_new(rng_real(), c->session_idle_ns, c->session_max_ns);
	w->tries = limiter_new(FREE_TRIES);
	w->login = login_new(w);
	w->sse = sse_new(w->base, (size_t)c->streams);
	w->alertd = alertd_new(w->base, c->control, web_push_incident, w);
	w->store = store_watch_new(w->base, w->clock, w->store_socket);
	open_tail(-1, 0, w);
	web_push_start(w);
	log_notice("web: listening on https://%s%s%s:%u/", strchr(c->address, ':') ? "[" : "",
	    c->address, strchr(c->address, ':') ? "]" : "", http_server_port(w->server));
	return 0;
}

static void
web_close(struct web *w)
{
	store_watch_free(w->store);
	alertd_free(w->alertd);
	login_free(w->login);
	graph_pool_free(w->pool);
	web_graph_close(w);
	sse_free(w->sse);
	while (w->pending != NULL)
		web_fail(w->pending, 503, "ending", "服务正在停止", "the service is ending");
	if (w->push != NULL)
		event_free(w->push);
	tail_free(w->tail);
	http_server_free(w->server);
	sessions_free(w->sessions);
	limiter_free(w->tries);
	users_free(&w->users);
	tokens_free(&w->tokens);
	live_free(w->live);
	free(w->journal);
	free(w->rrd);
	free(w->store_socket);
}

int
web_main(const struct collector_conf *conf)
{
	struct web w = { .conf = conf, .clock = clock_real() };
	struct event *ev[4] = { NULL };
	struct timeval often = { 5, 0 };
	struct heartbeat *beat;
	int rc;

	w.base = event_base_new();
	w.live = live_new();
	w.journal = collector_conf_path(conf, "journal");
	w.rrd = collector_conf_path(conf, "rrd");
	w.store_socket = collector_conf_path(conf, "store.sock");
	ev[0] = evsignal_new(w.base, SIGTERM, on_end, &w);
	ev[1] = evsignal_new(w.base, SIGINT, on_end, &w);
	ev[2] = evsignal_new(w.base, SIGHUP, on_hangup, &w);
	ev[3] = event_new(w.base, -1, EV_PERSIST, open_tail, &w);
	event_add(ev[3], &often);
	for (int i = 0; i < 3; i++)
		event_add(ev[i], NULL);
	beat = heartbeat_new(w.base);
	rc = web_open(&w);
	if (rc == 0)
		event_base_dispatch(w.base);
	heartbeat_free(beat);
	for (int i = 0; i < 4; i++)
		event_free(ev[i]);
	web_close(&w);
	event_base_free(w.base);
	return rc;
}
