/*
 * channel.h - what every way to tell people promises the outbox.
 *
 * A kind (file, kannel, http, smtp, trap) is one const struct channel_ops and
 * one file channel_KIND.c; a channel is one entry of alertd.yaml.
 *  - send() starts one attempt and returns at once.  Each send() is answered
 *    by one done(), from the loop, never inside send().
 *  - OUTCOME_SENT only when the far side has taken responsibility; when its
 *    answer was lost the outcome is OUTCOME_UNKNOWN, never a guess.
 *  - free() gives up what is under way without done().
 *  - No attempt lives longer than the channel's timeout; what a gateway
 *    answers is bounded, and its text reaches logs only escaped.
 */
#pragma once

#include <sys/queue.h>

#include "alertd/alertd_conf.h"
#include "alertd/outbox.h"
#include "common/clock.h"

struct event_base;
struct curl_pool;
struct trap_worker;
struct channel;

struct channel_message {		/* borrowed for the call of send() */
	uint64_t id;
	const char *key;		/* the same for every attempt */
	const char *event, *recipient, *address, *lang, *subject, *body;
	const char *doc;		/* JSON of the incident at the decision, or NULL */
	struct wall decided, now;
	bool repeat;			/* may have been sent before: say so where it fits */
};

/* detail: one line, free of control characters. */
typedef void channel_done(void *arg, uint64_t id, enum outbox_outcome outcome, const char *detail);

struct channel_env {			/* borrowed, outlives the channel */
	struct event_base *base;
	struct curl_pool *curl;		/* channel_curl.h: kannel, http, smtp */
	struct trap_worker *traps;	/* channel_trap.h */
	const char *host;		/* our name in Message-ID and EHLO */
	channel_done *done;
	void *arg;
};

struct channel_answer;

struct channel_ops {
	const char *kind;
	/* 0, or -errno with a line in why. */
	int (*open)(struct channel *, char *why, size_t n);
	void (*send)(struct channel *, const struct channel_message *);
	void (*free)(struct channel *);
};

struct channel {
	const struct channel_ops *ops;
	const struct channel_conf *conf;	/* borrowed, outlives the channel */
	const struct channel_env *env;
	void *state;			/* of the kind */
	struct event *later;		/* channel_later() */
	TAILQ_HEAD(, channel_answer) answers;
};

extern const struct channel_ops channel_file_ops, channel_kannel_ops, channel_http_ops,
    channel_smtp_ops, channel_trap_ops;

/* Opens the channel of conf; owned by the caller.  NULL with a line in why. */
struct channel *channel_new(const struct channel_conf *conf, const struct channel_env *env,
    char *why, size_t n);
void channel_free(struct channel *);
void channel_send(struct channel *, const struct channel_message *);

/* For the kinds: done() for message id, from the loop. */
void channel_later(struct channel *, uint64_t id, enum outbox_outcome outcome, const char *detail);
/*
 * The text to send, malloc'd: body, with "(可能重复)" or "(may be repeated)"
 * behind it when m->repeat and the sum fits into units (0: no limit).
 */
char *channel_text(const struct channel_message *m, int64_t units);
/* The first line of a secret file without its line end, malloc'd; NULL with a line in why. */
char *channel_secret(const char *path, char *why, size_t n);
