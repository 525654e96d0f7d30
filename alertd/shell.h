/*
 * shell.h - the thin shell around the core: all state of the process.
 *
 * One loop.  What comes in (a record of the feed, a command, a tick, the
 * outcome of a message) becomes an event; the decisions go into a batch; the
 * batch is committed with the feed's cursor; only then are records
 * acknowledged, commands answered, messages sent and pages told.
 *
 * While the database cannot be written nothing new is decided: the feed is
 * paused, commands are refused, time stands still for the core; the commit is
 * tried again each second.
 */
#pragma once

#include <jansson.h>

#include "alertd/channel.h"
#include "alertd/control.h"
#include "alertd/core.h"
#include "alertd/db.h"
#include "alertd/feed.h"
#include "alertd/outbox.h"
#include "alertd/policy.h"
#include "alertd/steady.h"

struct event;
struct shell_channel;
struct ssl_ctx_st;

struct shell_conf {			/* counted: channels of an old one may still be sending */
	unsigned refs;
	struct alertd_conf conf;
	struct policy *policy;
};

struct shell_waiting {			/* a command that is answered after the commit */
	uint64_t ticket, incident;
	bool ok;
	char code[32], zh[400], en[400];
};

struct shell {
	struct event_base *base;
	const struct clock *clock;
	struct rng *rng;
	char *conf_path;
	char host[128];
	struct shell_conf *conf;
	struct ssl_ctx_st *tls;

	struct core *core;
	Linkwatch__Pb__Plan *plan;	/* owned; NULL: none yet */
	struct feed *feed;
	struct feed_ops feed_ops;
	uint64_t decided_seq, acked_seq;
	bool feed_up, feed_told;	/* what the core was told */

	struct db *db;
	struct db_batch *batch;
	bool db_failing;
	struct mono db_since;		/* failing since */

	struct outbox *outbox;
	struct curl_pool *curl;
	struct trap_worker *traps;
	struct channel_env env;
	TAILQ_HEAD(, shell_channel) channels;
	uint64_t *starting;		/* messages whose intent is in the batch */
	size_t n_starting, size_starting;

	struct control *control;
	struct shell_waiting *waiting;
	size_t n_waiting, size_waiting;
	json_t *pushes;			/* array: told to subscribers after the commit */
	uint64_t reload_id, reload_ticket;
	struct mono reload_deadline;

	struct steady steady;
	struct wall now;		/* never goes back */
	struct wall pushed;		/* views of links were pushed */
	struct event *flush, *tick, *wake;
};

/* Opens everything that conf names and adds it to the loop.  0, or -errno with a line in why. */
int shell_start(struct shell *, char *why, size_t n);
/* Commits what is decided and frees everything. */
void shell_stop(struct shell *);

/* Gives the core one event (now is set here) and keeps its decisions. */
void shell_event(struct shell *, struct event *ev);
/* The time as the core may see it. */
struct wall shell_now(struct shell *);
/* Commits soon: at once when somebody waits for it. */
void shell_flush_soon(struct shell *);
/* A command: decides, and answers the ticket after the commit. */
void shell_command(struct shell *, const struct command *cmd, uint64_t ticket);
/* Reads alertd.yaml and policy.yaml again; errors: malloc'd lines, or NULL when they hold now. */
char *shell_reload(struct shell *);

/* shell_outbox.c: the messages' side. */
int shell_channels_open(struct shell *, char *why, size_t n);
void shell_channels_reload(struct shell *);
/* Once, at the start: an earlier life may have left channels dead in the core's memory, and nothing
 * would be sent to them any more that could show that they work again. */
void shell_channels_presume(struct shell *);
/* Frees the channels of an old configuration that send nothing any more; not from a callback of theirs. */
void shell_channels_reap(struct shell *);
void shell_channels_free(struct shell *);
void shell_outbox_restore(struct shell *);
/* Records intents and what else changed; the sends follow the commit. */
void shell_outbox_pump(struct shell *);
/* After a commit: starts what has its intent on disk. */
void shell_outbox_sends(struct shell *);
/* Tells the core of channels that died or work again. */
void shell_outbox_judge(struct shell *);
extern const struct db_after shell_outbox_after;

struct shell_conf *shell_conf_load(const char *path, struct conf_errors *errs);
void shell_conf_release(struct shell_conf *);

/* control_cmd.c: serves control.h's commands; arg is the shell. */
control_serve shell_serve;
/* control_view.c: objects as common/control.h names them; owned by the caller. */
json_t *view_link(const struct shell *, const struct link_view *);
json_t *view_agent(const struct shell *, const struct agent_view *);
json_t *view_status(struct shell *);
