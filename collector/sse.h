/*
 * sse.h - server-sent events: one message to all browsers that look, by what they may see (scope).
 *
 * Bounded: at most `cap` readers; one that lets SSE_QUEUE_MAX bytes pile up is
 * closed (its browser connects again and asks for everything anew).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSE_QUEUE_MAX (4 * 1024 * 1024)
#define SSE_KEEPALIVE_S 15
#define SSE_SCOPE_MAX 63

struct event_base;
struct evhttp_request;
struct sse;

struct sse *sse_new(struct event_base *, size_t cap);
/* Ends all streams. */
void sse_free(struct sse *);
/* Takes the request over and begins the stream; false: the cap is reached, the request is untouched.
 * owner: number of the session it belongs to; scope (web_scope) is copied. */
bool sse_add(struct sse *, struct evhttp_request *, uint64_t owner, const char *scope);
/* Ends the streams whose owner keep() does not want any more. */
void sse_filter(struct sse *, bool (*keep)(void *arg, uint64_t owner), void *arg);
/* To the readers of this scope alone.  data: one line without line ends. */
void sse_send(struct sse *, const char *scope, const char *event, const char *data, size_t len);
/* Calls each() once for every scope that has readers; it may send, but not add. */
void sse_scopes(struct sse *, void (*each)(void *arg, const char *scope), void *arg);
size_t sse_count(const struct sse *);
