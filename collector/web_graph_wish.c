/*
 * web_graph_wish.c - what picture a browser wants: parameters, links, names, marks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/series.h"
#include "collector/web_graph.h"
#include "common/mem.h"

#define LATEST INT64_C(4102444800)	/* 2100 */

/* ---------------------------------------------------------------- links */

int
wish_link(struct web_req *q, const char *agent, const char *id, const struct live_link **link,
    char path[WISH_PATH])
{
	char file[SERIES_PATH_MAX];

	*link = web_find_link(q, agent, id);
	if (!id_is_valid(agent) || !id_is_valid(id) || *link == NULL ||
	    series_path(file, sizeof file, agent, id) != 0 ||
	    (size_t)snprintf(path, WISH_PATH, "%s/%s", q->web->rrd, file) >= WISH_PATH)
		return -ENOENT;
	return 0;
}

/* One more track. */
static int
add_link(struct web_req *q, struct wish *w, const char *agent, const char *id)
{
	if (w->links == GRAPH_TRACKS_MAX)
		return -EINVAL;
	if (wish_link(q, agent, id, &w->link[w->links], w->path[w->links]) != 0)
		return -ENOENT;
	for (size_t i = 0; i < w->links; i++)
		if (w->link[i] == w->link[w->links])
			return -EINVAL;
	w->links++;
	return 0;
}

/* "AGENT/LINK" or several with commas between them. */
static int
add_links(struct web_req *q, struct wish *w, const char *list)
{
	char *copy = xstrdup(list), *rest = copy, *one;
	int rc = 0;

	while (rc == 0 && (one = strsep(&rest, ",")) != NULL) {
		char *slash = strchr(one, '/');

		if (slash == NULL) {
			rc = -EINVAL;
			break;
		}
		*slash = '\0';
		rc = add_link(q, w, one, slash + 1);
	}
	free(copy);
	return rc;
}

static int
get_links(struct web_req *q, struct wish *w)
{
	const char *with = http_param(&q->query, "with");
	int64_t reverse;
	int rc = add_link(q, w, q->path.seg[q->path.n - 2], q->path.seg[q->path.n - 1]);

	if (rc != 0)
		return rc;
	if (http_param_int(&q->query, "reverse", 0, 1, 0, &reverse) != 0 || (reverse && with != NULL))
		return -EINVAL;
	if (reverse) {
		const struct live_link *back = live_reverse(q->web->live, w->link[0]->conf);

		w->g.way = GRAPH_PAIR;
		return back == NULL ? -ENOENT : add_link(q, w, back->conf->agent, back->conf->id);
	}
	if (with == NULL)
		return 0;
	w->g.way = GRAPH_OVERLAY;
	return add_links(q, w, with);
}

json_t *
wish_peers(struct web_req *q, const struct live_link *k)
{
	const Linkwatch__Pb__Link *c = k->conf;
	json_t *list = json_array();
	size_t n;
	struct live_link *v = live_links(q->web->live, &n);

	for (size_t i = 0; c->probe != PROBE_SNMP && i < n && json_array_size(list) < GRAPH_TRACKS_MAX - 1; i++) {
		const Linkwatch__Pb__Link *o = v[i].conf;

		if (&v[i] == k || o->probe != c->probe || o->port != c->port ||
		    strcmp(o->target, c->target) != 0 || !web_sees(&q->who, o->vendor))
			continue;
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "agent", o->agent, "link", o->id,
		    "name_zh", *o->name_zh ? o->name_zh : o->id, "name_en", *o->name_en ? o->name_en : o->id));
	}
	return list;
}

/* ---------------------------------------------------------------- names */

static const char *
agent_name(struct web_req *q, const struct live_link *k)
{
	const struct live_agent *a = live_agent_find(q->web->live, k->conf->agent);
	const char *name = a == NULL ? "" : q->lang == WEB_ZH ? a->conf->name_zh : a->conf->name_en;

	return *name != '\0' ? name : k->conf->agent;
}

static const char *
link_name(struct web_req *q, const struct live_link *k)
{
	const char *name = q->lang == WEB_ZH ? k->conf->name_zh : k->conf->name_en;

	return *name != '\0' ? name : k->conf->id;
}

/* Cut where it is full; librrd checks its UTF-8, so a cut character goes whole. */
static void __attribute__((format(printf, 2, 3)))
put_name(char out[WISH_NAME], const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(out, WISH_NAME, fmt, ap);
	va_end(ap);
	n = strlen(out);
	if (n < WISH_NAME - 1)
		return;
	while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
		n--;
	out[n > 0 ? n - 1 : 0] = '\0';
}

static void
put_names(struct web_req *q, struct wish *w)
{
	const struct live_link *k = w->link[0];

	for (size_t i = 0; i < w->links; i++) {
		if (w->g.way == GRAPH_PAIR)
			put_name(w->name[i], "%s → %s", agent_name(q, w->link[i]), agent_name(q, w->link[1 - i]));
		else
			put_name(w->name[i], "%s (%s)", agent_name(q, w->link[i]), w->link[i]->key);
		w->g.track[i] = (struct graph_track){ w->path[i], w->name[i] };
	}
	w->g.tracks = w->links;
	put_name(w->title, "%s (%s) - %s", link_name(q, k), k->key, graph_kind_text(w->g.kind, w->g.lang));
	if (w->titled)
		w->g.title = w->title;
	for (size_t i = 0; i < GRAPH_OBJECTS && i < k->conf->n_oid; i++) {
		w->g.object_name[i] = web_object_name(k->conf, i);
		w->g.object_unit[i] = web_object_unit(k->conf, i);
	}
}

/* ------------------------------------------------------------- parameters */

int
wish_span(struct web_req *q, int64_t now, int64_t *from, int64_t *to)
{
	if (http_param_int(&q->query, "to", 0, LATEST, now, to) != 0 ||
	    http_param_int(&q->query, "from", 0, LATEST, *to - 3600, from) != 0)
		return -EINVAL;
	return *to - *from < GRAPH_SPAN_MIN || *to - *from > GRAPH_SPAN_MAX ? -EINVAL : 0;
}

/* The number of one of two words; the first one if the parameter is not given; -1: another word. */
static int
get_word(struct web_req *q, const char *name, const char *zero, const char *one)
{
	const char *s = http_param(&q->query, name);

	return s == NULL || strcmp(s, zero) == 0 ? 0 : strcmp(s, one) == 0 ? 1 : -1;
}

static int
get_look(struct web_req *q, struct wish *w)
{
	const char *kind = http_param(&q->query, "kind");
	struct graph_request *g = &w->g;
	int64_t width, height, scale, mirror, titled;
	int k = kind == NULL ? (w->link[0]->conf->probe == PROBE_SNMP ? GRAPH_TRAFFIC : GRAPH_RTT) :
	    graph_kind_parse(kind);
	int theme = get_word(q, "theme", "light", "dark"), format = get_word(q, "format", "png", "svg");

	if (k < 0 || theme < 0 || format < 0 ||
	    http_param_int(&q->query, "w", 100, 2000, 800, &width) != 0 ||
	    http_param_int(&q->query, "h", 40, 800, 220, &height) != 0 ||
	    http_param_int(&q->query, "scale", 100, 300, 100, &scale) != 0 ||
	    http_param_int(&q->query, "before", 0, GRAPH_BEFORE_MAX, 0, &g->before) != 0 ||
	    http_param_int(&q->query, "mirror", 0, 1, 0, &mirror) != 0 ||
	    http_param_int(&q->query, "title", 0, 1, 0, &titled) != 0)
		return -EINVAL;
	g->kind = (enum graph_kind)k;
	g->theme = (enum graph_theme)theme;
	g->format = (enum graph_format)format;
	g->lang = q->lang == WEB_ZH ? GRAPH_ZH : GRAPH_EN;
	g->width = (uint32_t)width;
	g->height = (uint32_t)height;
	g->scale = (double)scale / 100;
	g->mirror = mirror != 0 && g->kind == GRAPH_TRAFFIC;
	w->titled = titled != 0;
	return 0;
}

int
wish_read(struct web_req *q, struct wish *w)
{
	struct graph_request *g = &w->g;
	int rc;

	memset(w, 0, sizeof *w);
	g->now = clock_wall(q->web->clock).ns / NS_PER_S;
	rc = get_links(q, w);
	if (rc != 0)
		return rc;
	if (get_look(q, w) != 0 || wish_span(q, g->now, &g->from, &g->to) != 0)
		return -EINVAL;
	g->step_s = 1;
	for (size_t i = 0; i < w->links; i++) {
		const Linkwatch__Pb__Link *c = w->link[i]->conf;

		if (c->step_ms / 1000 > g->step_s)
			g->step_s = c->step_ms / 1000;
		if ((graph_kinds_of(c->probe, web_roles(c)) & 1u << g->kind) == 0)
			return -EINVAL;
	}
	g->roles = web_roles(w->link[0]->conf);
	put_names(q, w);
	return 0;
}

void
wish_print(const struct wish *w, char *out, size_t n)
{
	const struct graph_request *g = &w->g;
	size_t used;

	used = (size_t)snprintf(out, n, "kind=%s&from=%" PRId64 "&to=%" PRId64 "&w=%u&h=%u&scale=%d"
	    "&theme=%s&lang=%s&format=%s", graph_kind_name(g->kind), g->from, g->to, g->width, g->height,
	    (int)(g->scale * 100 + 0.5), g->theme == GRAPH_DARK ? "dark" : "light",
	    g->lang == GRAPH_ZH ? "zh" : "en", g->format == GRAPH_SVG ? "svg" : "png");
	for (size_t i = 1; g->way == GRAPH_OVERLAY && i < w->links && used < n; i++)
		used += (size_t)snprintf(out + used, n - used, "%s%s", i == 1 ? "&with=" : ",", w->link[i]->key);
	if (g->way == GRAPH_PAIR && used < n)
		used += (size_t)snprintf(out + used, n - used, "&reverse=1");
	if (g->before != 0 && used < n)
		used += (size_t)snprintf(out + used, n - used, "&before=%" PRId64, g->before);
	if (g->mirror && used < n)
		used += (size_t)snprintf(out + used, n - used, "&mirror=1");
	if (w->titled && used < n)
		(void)snprintf(out + used, n - used, "&title=1");
}

/* ---------------------------------------------------------------- marks */

void
wish_mark(struct wish *w, json_t *answer)
{
	static const char *const lists[MARK_KINDS] = { "unseen", "planned", "faults" };
	json_t *data = json_object_get(answer, "data"), *one;
	size_t i;

	for (int k = 0; k < MARK_KINDS; k++) {
		json_array_foreach(json_object_get(data, lists[k]), i, one) {
			double from = json_number_value(json_object_get(one, "from"));
			double to = json_number_value(json_object_get(one, "to"));

			if (to == 0)
				to = (double)w->g.now;
			if (from >= 0 && from < (double)LATEST && to >= 0 && to < (double)LATEST)
				graph_mark(&w->g, (enum graph_mark_kind)k, (int64_t)from, (int64_t)to);
		}
	}
}
