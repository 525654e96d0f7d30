/*
 * conn.h - the fourth door: a connection that carries frames.
 *
 * Sessions (agent/uplink.c, collector/session.c, alertd/feed.c) are written
 * against this and never see a socket; conn_tls.c is the real side over
 * libevent and OpenSSL, tests/sim the simulated one.
 *
 * Callbacks come from the loop, never from inside a call on the conn.
 * After closed() the conn is gone; conn_close() gives no closed(), and the
 * conn must not be used after it.  opened() comes once and before any frame();
 * a connection that was started but never opened gets closed() alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/identity.h"

struct conn { const struct conn_ops *ops; };

struct conn_ops {
	/* Queues one frame; -EMSGSIZE, -ENOTCONN (not opened yet), -EPIPE (failing, or the far
	 * side is too slow to read: closed() follows). Copies. */
	int (*send)(struct conn *, uint8_t type, const void *payload, size_t len);
	size_t (*queued)(const struct conn *);	/* bytes not yet handed to the kernel */
	/* Stop or go on reading; while paused nothing is heard, not even the end. */
	void (*pause)(struct conn *, int paused);
	void (*close)(struct conn *);		/* after what is queued was sent, at most 2 s */
	const char *(*address)(const struct conn *);	/* "192.0.2.7:4433" */
};

struct conn_handler {
	/* TLS stands and the peer's certificate is good: peer says who it is. */
	void (*opened)(void *arg, struct conn *, const struct identity *peer);
	void (*frame)(void *arg, struct conn *, uint8_t type, const uint8_t *payload, size_t len);
	/* why: one line for the log, already free of control characters */
	void (*closed)(void *arg, struct conn *, const char *why);
	/* May be NULL.  A listener turned a stranger away (certificate, deadline, no TLS; not who only
	 * connected and left): both are clean lines; why names the certificate where there was one.
	 * Logged already, within limits. */
	void (*refused)(void *arg, const char *address, const char *why);
};

static inline int
conn_send(struct conn *c, uint8_t t, const void *p, size_t n)
{
	return c->ops->send(c, t, p, n);
}
static inline size_t conn_queued(const struct conn *c) { return c->ops->queued(c); }
static inline void conn_pause(struct conn *c, int on) { c->ops->pause(c, on); }
static inline void conn_close(struct conn *c) { c->ops->close(c); }
static inline const char *conn_address(const struct conn *c) { return c->ops->address(c); }

/* Packs any protobuf-c message and sends it. */
struct ProtobufCMessage;
int conn_send_message(struct conn *, uint8_t type, const struct ProtobufCMessage *);
