/*
 * sse.c - readers of server-sent events.
 *
 * evhttp frees a streamed request only when its reply is ended, also after the
 * peer has gone: so the close callback takes itself off and ends the reply.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/http_server.h"
#include "collector/sse.h"
#include "common/mem.h"

struct reader {
	struct sse *hub;
	struct evhttp_request *req;
	uint64_t owner;
	char scope[SSE_SCOPE_MAX + 1];
	bool marked;
	struct reader *next;
};

struct sse {
	struct reader *head;
	size_t n, cap;
	struct event *keepalive;
};

static void
reader_end(struct reader *r)
{
	struct evhttp_connection *ec = evhttp_request_get_connection(r->req);
	struct reader **at = &r->hub->head;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->hub->n--;
	if (ec != NULL)
		evhttp_connection_set_closecb(ec, NULL, NULL);
	evhttp_send_reply_end(r->req);
	free(r);
}

static void
peer_gone(struct evhttp_connection *ec, void *arg)
{
	(void)ec;
	reader_end(arg);
}

static void
send_text(struct reader *r, struct evbuffer *text)
{
	struct evbuffer *copy = evbuffer_new();

	evbuffer_add(copy, evbuffer_pullup(text, -1), evbuffer_get_length(text));
	evhttp_send_reply_chunk(r->req, copy);
	evbuffer_free(copy);
}

/* scope NULL: to all. */
static void
send_all(struct sse *s, const char *scope, struct evbuffer *text)
{
	struct reader *r, *next;

	for (r = s->head; r != NULL; r = next) {
		next = r->next;
		if (scope != NULL && strcmp(scope, r->scope) != 0)
			continue;
		if (http_queued(r->req) > SSE_QUEUE_MAX)
			reader_end(r);
		else
			send_text(r, text);
	}
}

static void
keepalive(evutil_socket_t fd, short what, void *arg)
{
	struct evbuffer *b = evbuffer_new();

	(void)fd;
	(void)what;
	evbuffer_add_printf(b, ": still here\n\n");
	send_all(arg, NULL, b);
	evbuffer_free(b);
}

struct sse *
sse_new(struct event_base *base, size_t cap)
{
	struct timeval every = { SSE_KEEPALIVE_S, 0 };
	struct sse *s = xcalloc(1, sizeof *s);

	s->cap = cap;
	s->keepalive = event_new(base, -1, EV_PERSIST, keepalive, s);
	event_add(s->keepalive, &every);
	return s;
}

void
sse_free(struct sse *s)
{
	if (s == NULL)
		return;
	while (s->head != NULL)
		reader_end(s->head);
	event_free(s->keepalive);
	free(s);
}

bool
sse_add(struct sse *s, struct evhttp_request *req, uint64_t owner, const char *scope)
{
	struct reader *r;
	struct evbuffer *b;

	if (s->n >= s->cap)
		return false;
	r = xcalloc(1, sizeof *r);
	r->hub = s;
	r->req = req;
	r->owner = owner;
	snprintf(r->scope, sizeof r->scope, "%s", scope);
	r->next = s->head;
	s->head = r;
	s->n++;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), peer_gone, r);
	http_stream_begin(req, "text/event-stream; charset=utf-8");
	b = evbuffer_new();
	evbuffer_add_printf(b, "retry: 3000\n\n");
	send_text(r, b);
	evbuffer_free(b);
	return true;
}

void
sse_filter(struct sse *s, bool (*keep)(void *arg, uint64_t owner), void *arg)
{
	struct reader *r, *next;

	for (r = s->head; r != NULL; r = next) {
		next = r->next;
		if (!keep(arg, r->owner))
			reader_end(r);
	}
}

void
sse_send(struct sse *s, const char *scope, const char *event, const char *data, size_t len)
{
	struct evbuffer *b;

	if (s->head == NULL)
		return;
	b = evbuffer_new();
	evbuffer_add_printf(b, "event: %s\ndata: ", event);
	evbuffer_add(b, data, len);
	evbuffer_add(b, "\n\n", 2);
	send_all(s, scope, b);
	evbuffer_free(b);
}

/* The first reader whose scope was not met yet; marks all of that scope. */
static struct reader *
next_scope(struct sse *s)
{
	struct reader *first = s->head;

	while (first != NULL && first->marked)
		first = first->next;
	for (struct reader *r = first; r != NULL; r = r->next)
		r->marked |= strcmp(r->scope, first->scope) == 0;
	return first;
}

void
sse_scopes(struct sse *s, void (*each)(void *arg, const char *scope), void *arg)
{
	const struct reader *r;

	for (struct reader *m = s->head; m != NULL; m = m->next)
		m->marked = false;
	while ((r = next_scope(s)) != NULL) {
		char scope[SSE_SCOPE_MAX + 1];	/* sending may end the reader */

		memcpy(scope, r->scope, sizeof scope);
		each(arg, scope);
	}
}

size_t
sse_count(const struct sse *s)
{
	return s->n;
}
