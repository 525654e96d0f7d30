/*
 * control.h - alertd's side of the control socket (common/control.h has the words).
 *
 * Who speaks is told by SO_PEERCRED and alertd.yaml.  A request is one line of
 * at most CONTROL_REQUEST_MAX bytes; a client that sends more, that is slow in
 * the middle of a line (30 s) or that does not read what it asked for
 * (16 MiB wait) is closed.  At most CONTROL_CLIENTS_MAX at a time.
 */
#pragma once

#include "alertd/alertd_conf.h"
#include "alertd/core.h"

#define CONTROL_CLIENTS_MAX 256

struct control;
struct control_client;
struct event_base;
struct json_t;

struct control_actor {
	char user[64];
	enum user_role role;
	char vendor[ID_MAX + 1];	/* of USER_VENDOR: only this one's links and incidents */
	const char *channel;		/* "linkctl", or "web" through a proxy */
};

struct control_request {
	const char *cmd;
	const struct json_t *args;	/* an object */
	struct control_actor actor;
	uint64_t ticket;		/* for control_answer() */
};

/*
 * Does one request; calls control_ok() or control_fail() for its ticket, now
 * or later.
 */
typedef void control_serve(void *arg, const struct control_request *);

/* Makes the socket (an old one is replaced if nobody listens on it).  -errno with a line in why; -EADDRINUSE: another alertd. */
int control_new(struct control **out, struct event_base *, const struct alertd_conf *conf,
    control_serve *serve, void *arg, char *why, size_t n);
void control_free(struct control *);
/* New users and proxies, for connections from now on and those that stand. */
void control_users(struct control *, const struct alertd_conf *conf);

/* Answers; data and error texts are copied or (data) taken over.  A client that went away is fine. */
void control_ok(struct control *, uint64_t ticket, struct json_t *data);
void control_fail(struct control *, uint64_t ticket, const char *code, const char *zh, const char *en);
/* From now on this client gets what control_push() sends. */
void control_subscribe(struct control *, uint64_t ticket);
/* One line to all subscribers; object is taken over. */
void control_push(struct control *, struct json_t *object);
size_t control_subscribers(const struct control *);
