/*
 * web_graph.c - /graph/AGENT/LINK and /api/series/AGENT/LINK.
 *
 * A request goes: parameters (web_graph_wish.c), then alertd is asked what to
 * mark (at most MARKS_MS, it may be away or hang), then the store to write what
 * it has gathered of these links (at most FLUSH_MS, likewise), then a worker
 * draws.  Where the canvas lies in the image stands in X-Graph-* headers, so
 * that the page can turn pixels into time, and how many marks in X-Graph-Marks.
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
#include "collector/web_alertd.h"
#include "collector/web_graph.h"
#include "common/log.h"
#include "common/mem.h"

#define FLUSH_MS 300
#define MARKS_MS 500
#define SERIES_ROWS 2000		/* about so many when no resolution is asked for */

struct drawing {
	struct web_req *q;
	struct bufferevent *bev;	/* to the store; NULL: done with it */
	struct event *timer;
	struct graph_args args;
	char *path;			/* of the first file: it may come into being by the flush */
	size_t flushes;			/* answers of the store still to come */
	double scale;			/* 0: a series, no image */
	bool svg;
	size_t marks;			/* on it */
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
	size_t marks = d->marks;
	const char *type = scale == 0 ? "application/json; charset=utf-8" : d->svg ? "image/svg+xml" :
	    "image/png";

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
		add_number(q, "X-Graph-Marks", (long long)marks);
		/* a picture that is opened as a page of its own is nothing but a picture */
		http_header(q->req, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox");
		web_answer(q, 200, type, g->png, g->len);
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
	struct drawing *d = arg;
	char *line;

	while (d->flushes > 0 && (line = evbuffer_readln(bufferevent_get_input(bev), NULL,
	    EVBUFFER_EOL_LF)) != NULL) {
		free(line);
		d->flushes--;
	}
	if (d->flushes == 0)
		draw(d);
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

/* Asks the store for a flush of n links, then draws; args are taken over.  g NULL: a series, no image. */
static void
flush_then_draw(struct web_req *q, const struct live_link *const *link, size_t n, const char *path,
    struct graph_args *args, const struct graph_request *g)
{
	struct timeval limit = { 0, FLUSH_MS * 1000 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct drawing *d = xcalloc(1, sizeof *d);

	*d = (struct drawing){ .q = q, .args = *args, .path = xstrdup(path),
		.flushes = n, .next = q->web->drawings, .at = &q->web->drawings };
	if (d->next != NULL)
		d->next->at = &d->next;
	q->web->drawings = d;
	if (g != NULL) {
		d->scale = g->scale;
		d->svg = g->format == GRAPH_SVG;
		d->marks = g->marks;
	}
	d->timer = evtimer_new(q->web->base, flush_late, d);
	evtimer_add(d->timer, &limit);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", q->web->store_socket);
	d->bev = bufferevent_socket_new(q->web->base, -1, BEV_OPT_CLOSE_ON_FREE |
	    BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(d->bev, flush_answered, NULL, flush_ended, d);
	bufferevent_enable(d->bev, EV_READ | EV_WRITE);
	for (size_t i = 0; i < n; i++)
		evbuffer_add_printf(bufferevent_get_output(d->bev), "flush %s\n", link[i]->key);
	if (bufferevent_socket_connect(d->bev, (struct sockaddr *)&un, sizeof un) != 0)
		draw(d);
}

void
web_graph_close(struct web *w)
{
	while (w->drawings != NULL)
		drawing_free(w->drawings);
}

/* ------------------------------------------------------------------ marks */

/* A question to alertd; it outlives the request when the answer is late. */
struct marks {
	struct web_req *q;		/* NULL: drawn without */
	struct event *timer;
};

static void
fail_wish(struct web_req *q, int rc)
{
	if (rc == -ENOENT)
		web_fail(q, 404, "not-found", "计划中没有这条链路", "the plan has no such link");
	else
		web_fail(q, 400, "parameters", "绘图参数不正确", "these are no proper graph parameters");
}

static void
draw_wish(struct web_req *q, struct wish *w)
{
	struct graph_args args;

	if (graph_build(&w->g, &args) != 0)
		fail_wish(q, -EINVAL);
	else
		flush_then_draw(q, w->link, w->links, w->path[0], &args, &w->g);
}

/* The plan may have changed since: the wish is read anew. */
static void
draw_marked(struct web_req *q, json_t *answer)
{
	struct wish w;
	int rc = wish_read(q, &w);

	if (rc != 0) {
		fail_wish(q, rc);
		return;
	}
	wish_mark(&w, answer);
	draw_wish(q, &w);
}

static void
marks_late(evutil_socket_t fd, short what, void *arg)
{
	struct marks *m = arg;
	struct web_req *q = m->q;

	(void)fd;
	(void)what;
	m->q = NULL;
	draw_marked(q, NULL);
}

static void
marks_came(void *arg, json_t *answer)
{
	struct marks *m = arg;
	struct web_req *q = m->q;

	event_free(m->timer);
	free(m);
	if (q != NULL)
		draw_marked(q, answer);
}

void
web_graph_draw(struct web_req *q, struct wish *w)
{
	struct timeval limit = { 0, MARKS_MS * 1000 };
	struct marks *m;

	if (!alertd_is_up(q->web->alertd)) {
		draw_wish(q, w);
		return;
	}
	m = xcalloc(1, sizeof *m);
	m->q = q;
	m->timer = evtimer_new(q->web->base, marks_late, m);
	evtimer_add(m->timer, &limit);
	alertd_ask(q->web->alertd, "link.marks", json_pack("{s:s,s:s,s:I,s:I}", "agent",
	    w->link[0]->conf->agent, "link", w->link[0]->conf->id, "from", (json_int_t)w->g.from, "to",
	    (json_int_t)w->g.to), NULL, marks_came, m);
}

void
web_graph(struct web_req *q)
{
	struct wish w;
	int rc = wish_read(q, &w);

	if (rc != 0)
		fail_wish(q, rc);
	else
		web_graph_draw(q, &w);
}

void
web_series(struct web_req *q)
{
	int64_t now = clock_wall(q->web->clock).ns / NS_PER_S, from, to, resolution;
	const char *cf = http_param(&q->query, "cf");
	const struct live_link *link;
	struct graph_args args;
	char path[WISH_PATH];

	if (wish_link(q, q->path.seg[q->path.n - 2], q->path.seg[q->path.n - 1], &link, path) != 0) {
		fail_wish(q, -ENOENT);
		return;
	}
	if (wish_span(q, now, &from, &to) != 0 || http_param_int(&q->query, "resolution", 1, 31536000,
	    (to - from) / SERIES_ROWS + 1, &resolution) != 0 ||
	    graph_fetch_build(path, cf != NULL ? cf : "AVERAGE", from, to, resolution, &args) != 0) {
		web_fail(q, 400, "parameters", "参数不正确", "these are no proper parameters");
		return;
	}
	flush_then_draw(q, &link, 1, path, &args, NULL);
}
