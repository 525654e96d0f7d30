/*
 * shell_outbox.c - the outbox's policy, the database and the channels together.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/shell.h"
#include "common/log.h"
#include "common/mem.h"

struct shell_channel {
	TAILQ_ENTRY(shell_channel) link;
	struct shell *sh;
	struct shell_conf *conf;	/* counted: channel->conf points into it */
	struct channel *channel;
	struct channel_env env;		/* the shell's, with this entry for arg */
	const char *name;		/* in conf */
	uint32_t under_way;
	bool retired;			/* a reload replaced it: goes when nothing is under way */
	bool told_dead;
};

static struct shell_channel *
find(const struct shell *sh, const char *name)
{
	struct shell_channel *sc;

	TAILQ_FOREACH(sc, &sh->channels, link)
		if (!sc->retired && strcmp(sc->name, name) == 0)
			return sc;
	return NULL;
}

static void
entry_free(struct shell_channel *sc)
{
	TAILQ_REMOVE(&sc->sh->channels, sc, link);
	channel_free(sc->channel);
	shell_conf_release(sc->conf);
	free(sc);
}

static void on_done(void *arg, uint64_t id, enum outbox_outcome how, const char *detail);

static int
entry_open(struct shell *sh, const struct channel_conf *cc, char *why, size_t n)
{
	struct shell_channel *sc = xcalloc(1, sizeof(*sc)), *old;

	sc->env = sh->env;
	sc->env.done = on_done;
	sc->env.arg = sc;
	sc->channel = channel_new(cc, &sc->env, why, n);
	if (sc->channel == NULL) {
		int rc = -errno;
		free(sc);
		return rc;
	}
	sc->sh = sh;
	sc->conf = sh->conf;
	sc->conf->refs++;
	sc->name = cc->name;
	TAILQ_FOREACH(old, &sh->channels, link)
		if (strcmp(old->name, cc->name) == 0)
			sc->told_dead = old->told_dead;	/* the core still believes it */
	TAILQ_INSERT_TAIL(&sh->channels, sc, link);
	outbox_channel_set(sh->outbox, cc->name, (uint32_t)cc->parallel);
	return 0;
}

int
shell_channels_open(struct shell *sh, char *why, size_t n)
{
	const struct channel_conf *cc = sh->conf->conf.channels.v;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sh->conf->conf.channels.n; i++)
		rc = entry_open(sh, &cc[i], why, n);
	return rc;
}

/* A channel that was dead and is configured no more: nobody will say that it works. */
static void
forget_removed(struct shell *sh)
{
	struct shell_channel *sc;

	TAILQ_FOREACH(sc, &sh->channels, link) {
		struct event ev = { .type = EV_CHANNEL };

		if (!sc->retired || !sc->told_dead || find(sh, sc->name) != NULL)
			continue;
		sc->told_dead = false;
		ev.channel.name = sc->name;
		ev.channel.up = true;
		ev.channel.detail = "it is configured no more";
		shell_event(sh, &ev);
	}
}

/* The configuration is new: channels that send finish with the old one. */
void
shell_channels_reload(struct shell *sh)
{
	const struct channel_conf *cc = sh->conf->conf.channels.v;
	struct shell_channel *sc;
	char why[256];

	TAILQ_FOREACH(sc, &sh->channels, link) {
		outbox_channel_remove(sh->outbox, sc->name);
		sc->retired = true;
	}
	for (size_t i = 0; i < sh->conf->conf.channels.n; i++)
		if (entry_open(sh, &cc[i], why, sizeof(why)) != 0)
			log_error("channel=%s: not opened: %s", cc[i].name, why);
	forget_removed(sh);
}

void
shell_channels_presume(struct shell *sh)
{
	struct shell_channel *sc;

	TAILQ_FOREACH(sc, &sh->channels, link) {
		struct event ev = { .type = EV_CHANNEL };

		ev.channel.name = sc->name;
		ev.channel.up = true;
		ev.channel.detail = "alertd starts";
		shell_event(sh, &ev);
	}
}

void
shell_channels_reap(struct shell *sh)
{
	struct shell_channel *sc, *next;

	for (sc = TAILQ_FIRST(&sh->channels); sc != NULL; sc = next) {
		next = TAILQ_NEXT(sc, link);
		if (sc->retired && sc->under_way == 0)
			entry_free(sc);
	}
}

void
shell_channels_free(struct shell *sh)
{
	while (!TAILQ_EMPTY(&sh->channels))
		entry_free(TAILQ_FIRST(&sh->channels));
}

/* ---------------------------------------------------------------- the rows */

static void
add_row(void *arg, const struct outbox_message *m)
{
	struct shell *sh = arg;

	outbox_add(sh->outbox, m, shell_now(sh));
}

static void
stop_rows(void *arg, uint64_t incident)
{
	struct shell *sh = arg;

	outbox_stop(sh->outbox, incident, shell_now(sh));
}

const struct db_after shell_outbox_after = { add_row, stop_rows };

void
shell_outbox_restore(struct shell *sh)
{
	db_restore_outbox(sh->db, add_row, sh);
}

/* A final row: the core hears what became of the message. */
static void
tell_core(struct shell *sh, const struct outbox_message *m)
{
	struct event ev = { .type = EV_DELIVERY };

	if (m->state != OUTBOX_SENT && m->state != OUTBOX_FAILED && m->state != OUTBOX_EXPIRED)
		return;
	if (m->state != OUTBOX_SENT)
		log_warning("message=%s: %s: %s", m->key, outbox_state_name(m->state), m->detail);
	else
		log_inform("message=%s: sent by %s", m->key, m->channel);
	ev.delivery.message = m->id;
	ev.delivery.key = m->key;
	ev.delivery.delivered = m->state == OUTBOX_SENT;
	ev.delivery.detail = m->detail;
	shell_event(sh, &ev);
}

static void
remember_start(struct shell *sh, uint64_t id)
{
	if (sh->n_starting == sh->size_starting) {
		sh->size_starting = sh->size_starting == 0 ? 64 : sh->size_starting * 2;
		sh->starting = xreallocarray(sh->starting, sh->size_starting,
		    sizeof(sh->starting[0]));
	}
	sh->starting[sh->n_starting++] = id;
}

static void
set_alarm(struct shell *sh)
{
	struct wall at = outbox_wake(sh->outbox);
	int64_t wait = at.ns - sh->now.ns;
	struct timeval tv;

	if (at.ns == INT64_MAX)
		return;
	if (wait < NS_PER_MS)
		wait = NS_PER_MS;
	if (wait > 60 * NS_PER_S)
		wait = 60 * NS_PER_S;
	tv.tv_sec = (time_t)(wait / NS_PER_S);
	tv.tv_usec = (suseconds_t)(wait % NS_PER_S / NS_PER_US);
	evtimer_add(sh->wake, &tv);
}

void
shell_outbox_pump(struct shell *sh)
{
	struct outbox_action act;
	struct wall now = shell_now(sh);

	if (sh->db_failing)
		return;
	while ((act = outbox_next(sh->outbox, now)).verb != OUTBOX_IDLE) {
		const struct outbox_message *m = act.message;
		db_batch_message(sh->batch, m, now);
		if (act.verb == OUTBOX_SEND) {
			db_batch_intent(sh->batch, m->id, m->channel, now, m->repeat);
			remember_start(sh, m->id);
		} else {
			tell_core(sh, m);
		}
		shell_flush_soon(sh);
	}
	set_alarm(sh);
}

static void
send_now(struct shell *sh, uint64_t id)
{
	const struct outbox_message *m = outbox_find(sh->outbox, id);
	struct shell_channel *sc = m == NULL ? NULL : find(sh, m->channel);

	if (m == NULL)
		return;
	if (sc == NULL) {	/* a reload took it away between intent and send */
		outbox_outcome(sh->outbox, id, OUTCOME_RETRY, "no such channel", shell_now(sh));
		db_batch_outcome(sh->batch, id, OUTCOME_RETRY, "no such channel", sh->now);
		shell_flush_soon(sh);
		return;
	}
	sc->under_way++;
	channel_send(sc->channel, &(struct channel_message){
	    .id = m->id, .key = m->key, .event = m->event, .recipient = m->recipient,
	    .address = m->address, .lang = m->lang, .subject = m->subject, .body = m->body,
	    .doc = m->doc, .decided = m->decided, .now = shell_now(sh), .repeat = m->repeat });
}

void
shell_outbox_sends(struct shell *sh)
{
	size_t n = sh->n_starting;

	sh->n_starting = 0;
	for (size_t i = 0; i < n; i++)
		send_now(sh, sh->starting[i]);
}

/* ------------------------------------------------------------------ outcomes */

static void
on_done(void *arg, uint64_t id, enum outbox_outcome how, const char *detail)
{
	struct shell_channel *sc = arg;
	struct shell *sh = sc->sh;
	struct wall now = shell_now(sh);
	const struct outbox_message *m = outbox_find(sh->outbox, id);

	sc->under_way--;
	if (m != NULL && how != OUTCOME_SENT)
		log_limited(LOG_WARNING, m->channel, 3, "message=%s: channel %s: %s: %s", m->key,
		    m->channel, outbox_outcome_name(how), detail);
	if (outbox_outcome(sh->outbox, id, how, detail, now) != 0)
		return;
	/* Outcome and row in one transaction: a success that is recorded is never sent again. */
	db_batch_outcome(sh->batch, id, how, detail, now);
	db_batch_message(sh->batch, outbox_find(sh->outbox, id), now);
	shell_outbox_judge(sh);
	shell_outbox_pump(sh);
	shell_flush_soon(sh);
}

static void
judge_one(void *arg, const struct outbox_channel *c)
{
	struct shell *sh = arg;
	struct shell_channel *sc = find(sh, c->name);
	struct event ev = { .type = EV_CHANNEL };

	if (sc == NULL || sc->told_dead == c->dead)
		return;
	sc->told_dead = c->dead;
	if (c->dead)
		log_error("channel=%s: dead: %s", c->name, c->detail);
	else
		log_notice("channel=%s: works again", c->name);
	ev.channel.name = c->name;
	ev.channel.up = !c->dead;
	ev.channel.detail = c->detail;
	shell_event(sh, &ev);
}

void
shell_outbox_judge(struct shell *sh)
{
	if (sh->db_failing)
		return;
	outbox_judge(sh->outbox, shell_now(sh));
	outbox_each_channel(sh->outbox, judge_one, sh);
}
