/*
 * web_graph.c - /graph/AGENT/LINK and /api/series/AGENT/LINK.
 *
 * A request goes: parameters, then the store is asked to write what it has
 * gathered of this link (at most FLUSH_MS, it may be away), then a worker
 * draws.  Where the canvas lies in the image stands in X-Graph-* headers, so
 * that the page can turn pixels into time.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/graph_worker.h"
#include "collector/http_server.h"
#include "collector/series.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"
#include "common/log.h"
#include "common/mem.h"

#define FLUSH_MS 300
#define SERIES_ROWS 2000		/* about so many when no resolution is asked for */

struct drawing {
	struct web_req *q;
	struct bufferevent *bev;	/* to the store; NULL: done with it */
	struct event *timer;
	struct graph_args args;
	char *path;			/* of the file: it may come into being by the flush */
	double scale;			/* 0: a series, no image */
	struct drawing *next, **at;	/* in web->drawings */
};

static void
drawing_free(struct drawing *d)
{
	if (d->bev != NULL)
		bufferevent_free(d->bev);
	if (d->timer != NULL)
		event_free(d->timer);
	*d->at = d->next;
	if (d->next != NULL)
		d->next->at = d->at;
	graph_args_free(&d->args);
	free(d->path);
	free(d);
}

static void
add_number(struct web_req *q, const char *name, long long v)
{
	char s[24];

	snprintf(s, sizeof s, "%lld", v);
	http_header(q->req, name, s);
}

static void
drawn(void *arg, const struct graph_image *g)
{
	struct drawing *d = arg;
	struct web_req *q = d->q;
	double scale = d->scale;

	drawing_free(d);
	if (g->error == -ETIME) {
		web_fail(q, 504, "too-slow", "绘图超时", "the drawing took too long");
	} else if (g->error == -EBUSY) {
		web_fail(q, 503, "busy", "绘图繁忙，请稍后再试", "too many drawings wait");
	} else if (g->error != 0) {
		log_limited(LOG_WARNING, "web-graph", 5, "link=%s/%s: no graph: %s",
		    q->path.seg[q->path.n - 2], q->path.seg[q->path.n - 1], g->why);
		web_fail(q, 500, "graph", "数据文件无法读取", "the series cannot be read");
	} else {
		add_number(q, "X-Graph-From", g->from);
		add_number(q, "X-Graph-To", g->to);
		add_number(q, "X-Graph-Left", (long long)(g->left * scale + 0.5));
		add_number(q, "X-Graph-Top", (long long)(g->top * scale + 0.5));
		add_number(q, "X-Graph-Width", (long long)(g->width * scale + 0.5));
		add_number(q, "X-Graph-Height", (long long)(g->height * scale + 0.5));
		web_answer(q, 200, scale == 0 ? "application/json; charset=utf-8" : "image/png", g->png, g->len);
	}
}

static void
draw(struct drawing *d)
{
	struct web_req *q = d->q;

	if (d->bev != NULL)
		bufferevent_free(d->bev);
	d->bev = NULL;
	event_del(d->timer);
	if (access(d->path, R_OK) != 0) {
		drawing_free(d);
		web_fail(q, 404, "no-data", "还没有数据：第一个样本到达后约一分钟内出图",
		    "no data yet: the first graph comes within a minute of the first sample");
		return;
	}
	if (graph_pool_draw(q->web->pool, &d->args, drawn, d) == 0) {
		drawing_free(d);
		web_fail(q, 503, "busy", "绘图繁忙，请稍后再试", "too many drawings wait");
	}
}

static void
flush_answered(struct bufferevent *bev, void *arg)
{
	(void)bev;
	draw(arg);
}

static void
flush_ended(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) == 0)
		draw(arg);		/* the store is away: what is on disk will do */
}

static void
flush_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	draw(arg);
}

/* Asks the store for a flush of the link, then draws. */
static void
flush_then_draw(struct web_req *q, const char *path, struct graph_args *args, double scale)
{
	struct timeval limit = { 0, FLUSH_MS * 1000 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct drawing *d = xcalloc(1, sizeof *d);

	*d = (struct drawing){ .q = q, .args = *args, .scale = scale, .path = xstrdup(path),
		.next = q->web->drawings, .at = &q->web->drawings };
	if (d->next != NULL)
		d->next->at = &d->next;
	q->web->drawings = d;
	d->timer = evtimer_new(q->web->base, flush_late, d);
	evtimer_add(d->timer, &limit);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", q->web->store_socket);
	d->bev = bufferevent_socket_new(q->web->base, -1, BEV_OPT_CLOSE_ON_FREE |
	    BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(d->bev, flush_answered, NULL, flush_ended, d);
	bufferevent_enable(d->bev, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(d->bev), "flush %s/%s\n",
	    q->path.seg[q->path.n - 2], q->path.seg[q->path.n - 1]);
	if (bufferevent_socket_connect(d->bev, (struct sockaddr *)&un, sizeof un) != 0)
		draw(d);
}

void
web_graph_close(struct web *w)
{
	while (w->drawings != NULL)
		drawing_free(w->drawings);
}

/* ------------------------------------------------------------- parameters */

/* The link and the path of its file; false when it was answered (404). */
static bool
find_series(struct web_req *q, const struct live_link **link, char *path, size_t n)
{
	const char *agent = q->path.seg[q->path.n - 2], *id = q->path.seg[q->path.n - 1];
	char file[SERIES_PATH_MAX];

	*link = web_find_link(q, agent, id);
	if (!id_is_valid(agent) || !id_is_valid(id) || *link == NULL ||
	    series_path(file, sizeof file, agent, id) != 0 ||
	    (size_t)snprintf(path, n, "%s/%s", q->web->rrd, file) >= n) {
		web_fail(q, 404, "not-found", "计划中没有这条链路", "the plan has no such link");
		return false;
	}
	return true;
}

/* from and to in seconds, default the last hour. */
static int
get_span(struct web_req *q, int64_t now, int64_t *from, int64_t *to)
{
	const int64_t latest = INT64_C(4102444800);	/* 2100 */

	if (http_param_int(&q->query, "to", 0, latest, now, to) != 0 ||
	    http_param_int(&q->query, "from", 0, latest, *to - 3600, from) != 0)
		return -EINVAL;
	return *to - *from < GRAPH_SPAN_MIN || *to - *from > GRAPH_SPAN_MAX ? -EINVAL : 0;
}

static bool
incident_names(json_t *incident, const struct live_link *link)
{
	json_t *list = json_object_get(incident, "links"), *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *agent = json_string_value(json_object_get(one, "agent"));
		const char *id = json_string_value(json_object_get(one, "link"));

		if (agent != NULL && id != NULL && strcmp(agent, link->conf->agent) == 0 &&
		    strcmp(id, link->conf->id) == 0)
			return true;
	}
	return false;
}

/* Shades the incidents of this link that fall into the span. */
static void
add_bands(struct web_req *q, const struct live_link *link, struct graph_request *g)
{
	const char *key;
	json_t *one;

	json_object_foreach(alertd_incidents(q->web->alertd), key, one) {
		int64_t from = (int64_t)json_number_value(json_object_get(one, "first_fail"));
		int64_t to = (int64_t)json_number_value(json_object_get(one, "recovered"));

		if (to == 0)
			to = (int64_t)json_number_value(json_object_get(one, "closed"));
		if (to == 0)
			to = g->now;
		if (from <= 0 || from > g->to || to < g->from || g->bands == GRAPH_BANDS_MAX)
			continue;
		if (incident_names(one, link))
			g->band[g->bands++] = (struct graph_band){ from, to };
	}
}

static int
get_look(struct web_req *q, struct graph_request *g)
{
	const char *kind = http_param(&q->query, "kind"), *theme = http_param(&q->query, "theme");
	int64_t w, h, scale;
	int k = graph_kind_parse(kind != NULL ? kind : "rtt");

	if (k < 0 || http_param_int(&q->query, "w", 100, 2000, 800, &w) != 0 ||
	    http_param_int(&q->query, "h", 40, 800, 220, &h) != 0 ||
	    http_param_int(&q->query, "scale", 100, 300, 100, &scale) != 0)
		return -EINVAL;
	if (theme != NULL && strcmp(theme, "light") != 0 && strcmp(theme, "dark") != 0)
		return -EINVAL;
	g->kind = (enum graph_kind)k;
	g->theme = theme != NULL && strcmp(theme, "dark") == 0 ? GRAPH_DARK : GRAPH_LIGHT;
	g->lang = q->lang == WEB_ZH ? GRAPH_ZH : GRAPH_EN;
	g->width = (uint32_t)w;
	g->height = (uint32_t)h;
	g->scale = (double)scale / 100;
	return 0;
}

void
web_graph(struct web_req *q)
{
	struct graph_request g = { .now = clock_wall(q->web->clock).ns / NS_PER_S };
	const struct live_link *link;
	struct graph_args args;
	char path[4096];

	if (!find_series(q, &link, path, sizeof path))
		return;
	g.rrd = path;
	g.step_s = link->conf->step_ms < 1000 ? 1 : link->conf->step_ms / 1000;
	g.roles = web_roles(link->conf);
	if (get_span(q, g.now, &g.from, &g.to) != 0 || get_look(q, &g) != 0 ||
	    (graph_kinds_of(link->conf->probe, g.roles) & 1u << g.kind) == 0) {
		web_fail(q, 400, "parameters", "绘图参数不正确", "these are no proper graph parameters");
		return;
	}
	add_bands(q, link, &g);
	for (size_t i = 0; i < GRAPH_OBJECTS && i < link->conf->n_oid; i++) {
		g.object_name[i] = web_object_name(link->conf, i);
		g.object_unit[i] = web_object_unit(link->conf, i);
	}
	if (graph_build(&g, &args) != 0) {
		web_fail(q, 400, "parameters", "绘图参数不正确", "these are no proper graph parameters");
		return;
	}
	flush_then_draw(q, path, &args, g.scale);
}

void
web_series(struct web_req *q)
{
	int64_t now = clock_wall(q->web->clock).ns / NS_PER_S, from, to, resolution;
	const char *cf = http_param(&q->query, "cf");
	const struct live_link *link;
	struct graph_args args;
	char path[4096];

	if (!find_series(q, &link, path, sizeof path))
		return;
	if (get_span(q, now, &from, &to) != 0 || http_param_int(&q->query, "resolution", 1, 31536000,
	    (to - from) / SERIES_ROWS + 1, &resolution) != 0 ||
	    graph_fetch_build(path, cf != NULL ? cf : "AVERAGE", from, to, resolution, &args) != 0) {
		web_fail(q, 400, "parameters", "参数不正确", "these are no proper parameters");
		return;
	}
	flush_then_draw(q, path, &args, 0);
}
