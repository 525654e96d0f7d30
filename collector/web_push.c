/*
 * web_push.c - /api/events: what changed, as server-sent events.
 *
 * Figures go out once a second; a state that changed goes out within STATE_MS.
 *
 *   links     [LINK...] as in /api/links, without curve and graphs: only those that changed
 *   status    as /api/status, every five seconds
 *   incident  INCIDENT as alertd wrote it
 *
 * A vendor's streams tell only what is his.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sse.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"

#define STATUS_EVERY 5			/* s */
#define STATE_MS 250			/* 1000 is a multiple of it */

static void
send_json(struct web *w, const char *scope, const char *event, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

	json_decref(json);
	if (text != NULL)
		sse_send(w->sse, scope, event, text, strlen(text));
	free(text);
}

static json_t *
changed_links(struct web *w, const char *scope)
{
	json_t *list = json_array();
	size_t n;
	struct live_link *v = live_links(w->live, &n);

	for (size_t i = 0; i < n; i++)
		if (web_scope_has(scope, v[i].conf->vendor) && (v[i].changed > w->pushed ||
		    alertd_link_changed(w->alertd, v[i].key) > w->pushed_alertd))
			json_array_append_new(list, web_scope_link(w, scope, web_json_link(w, &v[i],
			    false)));
	return list;
}

bool
web_owner_stands(void *arg, uint64_t owner)
{
	struct web *w = arg;

	if ((owner & TOKEN_ID) != 0)
		return tokens_by_id(&w->tokens, owner, clock_wall(w->clock).ns / NS_PER_S) != NULL;
	return session_touch(w->sessions, owner, clock_mono(w->clock));
}

static void
push_scope(void *arg, const char *scope)
{
	struct web *w = arg;
	json_t *list = changed_links(w, scope);

	if (json_array_size(list) > 0)
		send_json(w, scope, "links", list);
	else
		json_decref(list);
	if (w->ticks % (1000 / STATE_MS) == 0 && clock_wall(w->clock).ns / NS_PER_S % STATUS_EVERY == 0)
		send_json(w, scope, "status", web_json_status(w, scope));
}

static void
each_tick(evutil_socket_t fd, short what, void *arg)
{
	struct web *w = arg;

	(void)fd;
	(void)what;
	if (++w->ticks % (1000 / STATE_MS) != 0 && alertd_link_changed(w->alertd, NULL) == w->pushed_alertd)
		return;
	web_refresh_tokens(w);
	if (sse_count(w->sse) > 0) {
		sse_filter(w->sse, web_owner_stands, w);
		sse_scopes(w->sse, push_scope, w);
	}
	w->pushed = live_changed(w->live);
	w->pushed_alertd = alertd_link_changed(w->alertd, NULL);
}

void
web_push_start(struct web *w)
{
	struct timeval tick = { 0, STATE_MS * 1000 };

	w->push = event_new(w->base, -1, EV_PERSIST, each_tick, w);
	event_add(w->push, &tick);
}

struct push { struct web *web; json_t *incident; };

static void
push_incident(void *arg, const char *scope)
{
	struct push *p = arg;

	if (web_scope_has_incident(scope, p->incident))
		send_json(p->web, scope, "incident", web_scope_incident(p->web, scope, p->incident));
}

void
web_push_incident(void *arg, json_t *incident)
{
	struct web *w = arg;

	if (w->sse != NULL)
		sse_scopes(w->sse, push_incident, &(struct push){ w, incident });
}

void
web_events(struct web_req *q)
{
	struct web *w = q->web;
	struct evhttp_request *req = q->req;

	if (!sse_add(w->sse, req, q->who.id, web_scope(&q->who))) {
		web_fail(q, 503, "busy", "实时连接已达上限", "too many live readers");
		return;
	}
	*q->at = q->next;		/* the stream owns the request from here on */
	if (q->next != NULL)
		q->next->at = q->at;
	w->pending_n--;
	http_params_free(&q->query);
	http_params_free(&q->form);
	free(q);
}
