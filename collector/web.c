/*
 * web.c - the web process: set-up, routes, dispatch, end.
 */
#include "collector/web.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/graph_worker.h"
#include "collector/heartbeat.h"
#include "collector/http_server.h"
#include "collector/sse.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"
#include "collector/web_tail.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"

#define PENDING_MAX 512
#define FREE_TRIES 5
#define COOKIE "__Host-lw"

/*
 * Which rule a row has for vendors: SHARED (nothing in it belongs to anybody) or OWN (the handler
 * gives a vendor what is his, and 404 for the rest).  A row with neither is not there for vendors.
 */
enum route_flag {
	OPEN = 1,			/* without log-in */
	CHANGES = 2,			/* CSRF token and operator; or a vendor, if the row is OWN */
	SHARED = 4,
	OWN = 8,
};

static const struct route {
	enum web_method method;
	const char *pattern;		/* '*' is any one segment */
	unsigned flags;
	void (*handler)(struct web_req *);
} routes[] = {
	{ WEB_GET, "", SHARED, web_page_shell },
	{ WEB_GET, "link/*/*", OWN, web_page_shell },
	{ WEB_GET, "incidents", SHARED, web_page_shell },
	{ WEB_GET, "incident/*", SHARED, web_page_shell },
	{ WEB_GET, "agents", SHARED, web_page_shell },
	{ WEB_GET, "agent/*", OWN, web_page_shell },
	{ WEB_GET, "chains", SHARED, web_page_shell },
	{ WEB_GET, "matrix", SHARED, web_page_shell },
	{ WEB_GET, "login", OPEN, web_page_login },
	{ WEB_POST, "login", OPEN, web_login },
	{ WEB_POST, "logout", SHARED, web_logout },
	{ WEB_GET, "assets/*", OPEN, web_page_asset },
	{ WEB_GET, "favicon.ico", OPEN, web_page_asset },
	{ WEB_GET, "graph/*/*", OWN, web_graph },
	{ WEB_GET, "api/status", OWN, web_api_status },
	{ WEB_GET, "api/links", OWN, web_api_links },
	{ WEB_GET, "api/link/*/*", OWN, web_api_link },
	{ WEB_GET, "api/series/*/*", OWN, web_series },
	{ WEB_GET, "api/agents", OWN, web_api_agents },
	{ WEB_GET, "api/incidents", OWN, web_api_incidents },
	{ WEB_GET, "api/incident/*", OWN, web_api_incident },
	{ WEB_POST, "api/incident/*/*", CHANGES | OWN, web_api_incident_act },
	{ WEB_GET, "api/events", OWN, web_events },
};

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
static const struct route *
find_route(const struct web_req *q, const struct route **other)
{
	*other = NULL;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!pattern_fits(routes[i].pattern, &q->path))
			continue;
		if (routes[i].method == q->method)
			return &routes[i];
		*other = &routes[i];
	}
	return NULL;
}

static const char *
header(struct web_req *q, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(q->req), name);
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
refuse_method(struct web_req *q, const struct route *other)
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

static void
dispatch(struct web_req *q)
{
	const struct route *other, *r = find_route(q, &other);

	if (r == NULL && other != NULL) {
		refuse_method(q, other);
	} else if (r == NULL) {
		web_fail(q, 404, "not-found", "没有这个地址", "there is nothing at this address");
	} else if (q->method == WEB_POST && !origin_is_ours(q)) {
		web_fail(q, 403, "origin", "请求来自其他网站", "the request comes from another site");
	} else if ((r->flags & OPEN) == 0 && !q->logged_in) {
		ask_to_log_in(q);
	} else if (q->method == WEB_POST && (r->flags & OPEN) == 0 && !change_is_allowed(q)) {
		return;
	} else if (q->who.role == WEB_VENDOR && (r->flags & (OPEN | SHARED | OWN)) == 0) {
		web_fail(q, 404, "not-found", "没有这个地址", "there is nothing at this address");
	} else if ((r->flags & CHANGES) != 0 && q->who.role < WEB_OPERATOR &&
	    (q->who.role != WEB_VENDOR || (r->flags & OWN) == 0)) {
		web_fail(q, 403, "denied", "只读账号不能操作", "this account may only look");
	} else {
		r->handler(q);
	}
}

/* Method, path and parameters; false when it was answered as bad. */
static bool
understand(struct web_req *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->req);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	enum evhttp_cmd_type cmd = evhttp_request_get_command(q->req);

	q->api = path != NULL && (strncmp(path, "/api/", 5) == 0 || strncmp(path, "/graph/", 7) == 0);
	q->lang = q->web->conf->web.language;
	q->method = cmd == EVHTTP_REQ_POST ? WEB_POST : WEB_GET;
	if (cmd != EVHTTP_REQ_GET && cmd != EVHTTP_REQ_HEAD && cmd != EVHTTP_REQ_POST) {
		http_header(q->req, "Allow", "GET, HEAD, POST");
		web_fail(q, 405, "method", "不支持该请求方法", "this method is not supported");
	} else if (header(q, "Transfer-Encoding") != NULL) {
		web_fail(q, 411, "length", "请求须注明长度", "a request must tell its length");
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
	find_session(q);
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
		(int)c->connections };
	char err[300];

	load_users(w);
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
	open_tail(-1, 0, w);
	web_push_start(w);
	log_notice("web: listening on https://%s%s%s:%u/", strchr(c->address, ':') ? "[" : "",
	    c->address, strchr(c->address, ':') ? "]" : "", http_server_port(w->server));
	return 0;
}

static void
web_close(struct web *w)
{
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
