/*
 * http_server.h - HTTPS with evhttp: TLS, limits, deadlines, and replies with the right headers.
 *
 * evhttp's own timeout runs from read to read, so a peer that sends a byte a
 * second would hold its connection for ever.  Here each connection has one
 * deadline for a whole request (TLS handshake included) and one for taking a
 * whole reply; beyond the cap, or the cap of one address (IPv6: one /64), new
 * connections are closed at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADER_MAX 8192
#define HTTP_BODY_MAX 65536
#define HTTP_REQUEST_S 15		/* handshake and request, or an idle kept connection */
#define HTTP_REPLY_S 60

struct event_base;
struct evhttp_request;
struct http_server;

struct http_server_opts {
	const char *address;
	uint16_t port;			/* 0: the kernel chooses */
	const char *cert, *key;		/* PEM */
	int max_conns, max_of_address;
};

struct http_server_stat {
	int conns;			/* now */
	uint64_t accepted, over_cap, over_address, late;	/* since the start; late: a deadline passed */
};

/* handler() gets every request; it, or somebody later, answers it by one http_reply() or a stream. */
int http_server_new(struct http_server **out, struct event_base *, const struct http_server_opts *,
    void (*handler)(void *arg, struct evhttp_request *), void *arg, char *err, size_t n);
/* Closes all connections.  No request may be waiting for its answer any more. */
void http_server_free(struct http_server *);
uint16_t http_server_port(const struct http_server *);
void http_server_stat(const struct http_server *, struct http_server_stat *);
/* Certificate and key again, for new connections; on failure the old ones stay. */
int http_server_reload(struct http_server *, const char *cert, const char *key, char *err, size_t n);

/* One more header of the answer; value is ours, never a stranger's line. */
void http_header(struct evhttp_request *, const char *name, const char *value);
/*
 * The whole answer (to HEAD: without the body).  Copies body.  The request is
 * gone afterwards; it does not matter whether its connection still stands.
 */
void http_reply(struct evhttp_request *, int code, const char *type, const void *body, size_t len);
/* Begins an endless answer: no deadline from now on; the caller bounds what it queues. */
void http_stream_begin(struct evhttp_request *, const char *type);
/* Bytes waiting for the peer; 0 when the connection is gone. */
size_t http_queued(struct evhttp_request *);
/* "192.0.2.7", or "?" when the connection is gone. */
const char *http_peer(struct evhttp_request *);
