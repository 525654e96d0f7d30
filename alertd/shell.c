/*
 * shell.c - events in, commits, and what follows a commit.
 */
#include "alertd/shell.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alertd/channel_curl.h"
#include "alertd/channel_trap.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/tls.h"

#define BATCH_MAX (4 * 1024 * 1024)	/* committed at once beyond this */
#define COMMIT_EVERY_MS 1000		/* when nobody waits */
#define RETRY_MS 1000			/* a failing database */
#define PUSH_EVERY_NS (5 * NS_PER_S)
#define GOODBYE_S 3

struct wall
shell_now(struct shell *sh)
{
	sh->now = steady_now(&sh->steady, clock_wall(sh->clock), clock_mono(sh->clock));
	return sh->now;
}

/* ----------------------------------------------------------------- pushing */

static void
push(struct shell *sh, const char *event, json_t *object)
{
	if (control_subscribers(sh->control) > 0)
		json_array_append_new(sh->pushes, json_pack("{ss so}", "event", event, event,
		    object));
	else
		json_decref(object);
}

struct push_filter { struct shell *sh; const char *agent, *link; };

static void
push_one_link(void *arg, const struct link_view *v)
{
	const struct push_filter *f = arg;

	if (f->agent != NULL ? strcmp(v->agent, f->agent) == 0 && strcmp(v->link, f->link) == 0 :
			       v->last_sample.ns > f->sh->pushed.ns - PUSH_EVERY_NS)
		push(f->sh, "link", view_link(f->sh, v));
}

static void
push_agent(void *arg, const struct agent_view *v)
{
	push(arg, "agent", view_agent(arg, v));
}

/* Now and then what every sample changes: loss and round-trip times. */
static void
push_views(struct shell *sh)
{
	struct push_filter all = { sh, NULL, NULL };

	if (control_subscribers(sh->control) == 0 || sh->now.ns - sh->pushed.ns < PUSH_EVERY_NS)
		return;
	core_each_link(sh->core, push_one_link, &all);
	core_each_agent(sh->core, push_agent, sh);
	sh->pushed = sh->now;
	shell_flush_soon(sh);
}

/* --------------------------------------------------------------- deciding */

static void
note_decision(struct shell *sh, const struct decision *dec, struct shell_waiting *reply)
{
	struct push_filter one = { sh, dec->link.agent, dec->link.link };

	db_batch_decision(sh->batch, dec, sh->now);
	switch (dec->type) {
	case DEC_LINK:
		if (control_subscribers(sh->control) > 0)
			core_each_link(sh->core, push_one_link, &one);
		break;
	case DEC_INCIDENT:
		push(sh, "incident", incident_to_json(dec->incident));
		break;
	case DEC_REPLY:
		if (reply == NULL)
			break;
		reply->ok = dec->reply.ok;
		snprintf(reply->code, sizeof(reply->code), "%s", dec->reply.code == NULL ? "" :
		    dec->reply.code);
		snprintf(reply->zh, sizeof(reply->zh), "%s", dec->reply.zh == NULL ? "" :
		    dec->reply.zh);
		snprintf(reply->en, sizeof(reply->en), "%s", dec->reply.en == NULL ? "" :
		    dec->reply.en);
		break;
	case DEC_LOCAL:
		log_notice("%s", dec->local);
		break;
	default:
		break;
	}
}

static void
decide(struct shell *sh, struct event *ev, struct shell_waiting *reply)
{
	const struct decisions *out;

	ev->now = shell_now(sh);
	out = core_event(sh->core, ev);
	for (size_t i = 0; i < out->n; i++)
		note_decision(sh, &out->v[i], reply);
	shell_flush_soon(sh);
}

void
shell_event(struct shell *sh, struct event *ev)
{
	decide(sh, ev, NULL);
}

void
shell_command(struct shell *sh, const struct command *cmd, uint64_t ticket)
{
	struct event ev = { .type = EV_COMMAND, .command = cmd };
	struct shell_waiting *w;

	if (sh->n_waiting == sh->size_waiting) {
		sh->size_waiting = sh->size_waiting == 0 ? 16 : sh->size_waiting * 2;
		sh->waiting = xreallocarray(sh->waiting, sh->size_waiting, sizeof(*w));
	}
	w = &sh->waiting[sh->n_waiting++];
	*w = (struct shell_waiting){ .ticket = ticket, .incident = cmd->incident,
		.code = "unavailable", .zh = "没有结果", .en = "no answer" };
	decide(sh, &ev, w);
	event_active(sh->flush, 0, 0);
}

/* ---------------------------------------------------------------- committing */

void
shell_flush_soon(struct shell *sh)
{
	static const struct timeval now = { 0, 0 }, later = { 0, COMMIT_EVERY_MS * 1000 - 1 };

	if (sh->db_failing)
		return;		/* the retry is on its way */
	if (db_batch_is_urgent(sh->batch) || db_batch_size(sh->batch) > BATCH_MAX ||
	    json_array_size(sh->pushes) > 0)
		evtimer_add(sh->flush, &now);
	else if (!evtimer_pending(sh->flush, NULL))
		evtimer_add(sh->flush, &later);
}

static void
commit_failed(struct shell *sh, int rc)
{
	static const struct timeval again = { RETRY_MS / 1000, RETRY_MS % 1000 * 1000 };

	if (!sh->db_failing) {
		sh->db_failing = true;
		sh->db_since = clock_mono(sh->clock);
		log_error("database: cannot write: %s%s; nothing is decided, sent or acknowledged "
			  "until it works", db_error(sh->db),
		    rc == -ENOSPC ? " (disk full)" : rc == -EBUSY ? " (locked)" : "");
		feed_pause(sh->feed, true);
	}
	evtimer_add(sh->flush, &again);
}

static void
commit_works(struct shell *sh)
{
	if (!sh->db_failing)
		return;
	sh->db_failing = false;
	log_notice("database: works again after %.1f s",
	    (double)(clock_mono(sh->clock).ns - sh->db_since.ns) / 1e9);
	feed_pause(sh->feed, false);
}

static void
answer_commands(struct shell *sh)
{
	size_t n = sh->n_waiting;

	sh->n_waiting = 0;
	for (size_t i = 0; i < n; i++) {
		const struct shell_waiting *w = &sh->waiting[i];
		const struct incident *inc = core_incident(sh->core, w->incident);
		json_t *doc = inc != NULL ? incident_to_json(inc) : db_incident(sh->db, w->incident);
		if (w->ok)
			control_ok(sh->control, w->ticket, json_pack("{so* ss ss}", "incident", doc,
			    "zh", w->zh, "en", w->en));
		else
			control_fail(sh->control, w->ticket, w->code, w->zh, w->en);
		if (!w->ok)
			json_decref(doc);
	}
}

static void
tell_subscribers(struct shell *sh)
{
	json_t *pushes = sh->pushes, *object;
	size_t i;

	sh->pushes = json_array();
	json_array_foreach(pushes, i, object)
		control_push(sh->control, json_incref(object));
	json_decref(pushes);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct shell *sh = arg;
	int rc;

	(void)fd;
	(void)what;
	rc = db_commit(sh->db, sh->batch, &shell_outbox_after, sh);
	if (rc != 0) {
		commit_failed(sh, rc);
		return;
	}
	commit_works(sh);
	if (sh->decided_seq > sh->acked_seq) {
		feed_ack(sh->feed, sh->decided_seq);
		sh->acked_seq = sh->decided_seq;
	}
	answer_commands(sh);
	tell_subscribers(sh);
	shell_outbox_sends(sh);
	shell_outbox_pump(sh);
}

/* ------------------------------------------------------------------- feed */

static void
keep_plan(struct shell *sh, const Linkwatch__Pb__Plan *plan)
{
	size_t len = linkwatch__pb__plan__get_packed_size(plan);
	uint8_t *buf = xmalloc(len > 0 ? len : 1);

	linkwatch__pb__plan__pack(plan, buf);
	if (sh->plan != NULL)
		linkwatch__pb__plan__free_unpacked(sh->plan, NULL);
	sh->plan = linkwatch__pb__plan__unpack(NULL, len, buf);
	free(buf);
	db_batch_plan(sh->batch, plan);
}

static void
on_feed_event(void *arg, struct event *ev)
{
	struct shell *sh = arg;

	if (ev->type == EV_PLAN)
		keep_plan(sh, ev->plan);
	shell_event(sh, ev);
}

static void
on_feed_done(void *arg, uint64_t seq)
{
	struct shell *sh = arg;

	sh->decided_seq = seq;
	db_batch_cursor(sh->batch, seq + 1);
	shell_flush_soon(sh);
}

/* The core hears of the feed as soon as it hears anything. */
static void
tell_feed(struct shell *sh)
{
	struct event ev = { .type = EV_FEED };
	struct feed_stat st;

	feed_stat(sh->feed, &st);
	if (sh->db_failing || (sh->feed_told && sh->feed_up == st.up))
		return;
	sh->feed_told = true;
	ev.feed_up = sh->feed_up = st.up;
	shell_event(sh, &ev);
}

static void
on_feed_state(void *arg, bool up, const char *why)
{
	struct shell *sh = arg;
	struct mono at = feed_retry_at(sh->feed);

	if (up)
		log_notice("feed: connected to %s", sh->conf->conf.collector.address);
	else
		log_limited(LOG_WARNING, "feed", 2, "feed: %s; again in %.1f s", why,
		    (double)(at.ns - clock_mono(sh->clock).ns) / 1e9);
	sh->acked_seq = up ? 0 : sh->acked_seq;	/* say again where we are */
	tell_feed(sh);
}

static void
on_feed_lost(void *arg, uint64_t seq, uint64_t count)
{
	(void)arg;
	log_error("feed: %" PRIu64 " record(s) before %" PRIu64 " are gone: the collector kept "
		  "them no longer", count, seq);
}

static void
on_feed_reloaded(void *arg, uint64_t id, bool ok, uint64_t revision, const char *errors)
{
	struct shell *sh = arg;
	uint64_t ticket = sh->reload_ticket;
	char text[20];

	if (id != sh->reload_id || ticket == 0)
		return;
	sh->reload_ticket = 0;
	snprintf(text, sizeof(text), "%016" PRIx64, revision);
	control_ok(sh->control, ticket, json_pack("{ss ss* ss}", "alertd", "ok", "collector",
	    ok ? "ok" : errors, "revision", text));
}

static void
connect_feed(struct shell *sh)
{
	const struct alertd_conf *conf = &sh->conf->conf;
	struct sockaddr_storage ss;
	int len = sizeof(ss), rc;
	struct conn *conn;

	memset(&ss, 0, sizeof(ss));
	if (evutil_parse_sockaddr_port(conf->collector.address, (struct sockaddr *)&ss, &len) != 0)
		return;		/* checked when it was read */
	rc = tls_connect(&conn, sh->base, sh->tls, (struct sockaddr *)&ss, (socklen_t)len,
	    ROLE_COLLECTOR, conf->collector.id, &feed_conn_handler, sh->feed);
	if (rc != 0)
		feed_failed(sh->feed, strerror(-rc));
	else
		feed_connecting(sh->feed, conn);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct shell *sh = arg;
	struct event ev = { .type = EV_TICK };
	struct mono now = clock_mono(sh->clock);

	(void)fd;
	(void)what;
	feed_tick(sh->feed);
	shell_channels_reap(sh);
	if (now.ns >= feed_retry_at(sh->feed).ns && !sh->db_failing)
		connect_feed(sh);
	if (sh->reload_ticket != 0 && now.ns > sh->reload_deadline.ns) {
		control_fail(sh->control, sh->reload_ticket, "unavailable",
		    "采集端没有应答", "alertd is reloaded; the collector did not answer");
		sh->reload_ticket = 0;
	}
	if (sh->db_failing)
		return;
	tell_feed(sh);
	shell_event(sh, &ev);
	shell_outbox_judge(sh);
	shell_outbox_pump(sh);
	push_views(sh);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	shell_outbox_pump(arg);
}

/* ------------------------------------------------------------ configuration */

struct shell_conf *
shell_conf_load(const char *path, struct conf_errors *errs)
{
	struct shell_conf *sc = xcalloc(1, sizeof(*sc));

	sc->refs = 1;
	if (alertd_conf_load(path, &sc->conf, errs) != 0) {
		free(sc);
		return NULL;
	}
	if (policy_load(sc->conf.policy, &sc->policy, errs) != 0) {
		sc->policy = NULL;
		shell_conf_release(sc);
		return NULL;
	}
	return sc;
}

void
shell_conf_release(struct shell_conf *sc)
{
	if (sc == NULL || --sc->refs > 0)
		return;
	policy_free(sc->policy);
	alertd_conf_free(&sc->conf);
	free(sc);
}

static struct ssl_ctx_st *
load_tls(const struct alertd_conf *conf, char *why, size_t n)
{
	struct tls_files files = { conf->tls.ca, conf->tls.cert, conf->tls.key, conf->tls.crl };

	return tls_context_new(&files, false, why, n);
}

static char *
all_lines(const struct conf_errors *errs)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < errs->n; i++) {
		char *longer = xasprintf("%s%s%s", text, i > 0 ? "\n" : "", errs->line[i]);
		free(text);
		text = longer;
	}
	return text;
}

char *
shell_reload(struct shell *sh)
{
	struct conf_errors errs = { 0 };
	struct shell_conf *fresh = shell_conf_load(sh->conf_path, &errs), *old = sh->conf;
	struct ssl_ctx_st *tls = NULL;
	char why[256], *text = NULL;

	if (fresh == NULL) {
		text = all_lines(&errs);
	} else if ((tls = load_tls(&fresh->conf, why, sizeof(why))) == NULL) {
		text = xstrdup(why);
		shell_conf_release(fresh);
	}
	conf_errors_free(&errs);
	if (text != NULL) {
		log_error("reload: kept the old configuration: %s", text);
		return text;
	}
	sh->conf = fresh;
	SSL_CTX_free(sh->tls);
	sh->tls = tls;
	core_policy(sh->core, fresh->policy);
	feed_stale_after(sh->feed, fresh->conf.stale_after_ns);
	outbox_limits(sh->outbox, &fresh->conf.outbox);
	control_users(sh->control, &fresh->conf);
	log_set_level((enum log_level)fresh->conf.log_level);
	shell_channels_reload(sh);
	shell_conf_release(old);
	log_notice("reload: done");
	shell_outbox_pump(sh);
	return NULL;
}

/* ---------------------------------------------------------- start and stop */

static int
restore(struct shell *sh, char *why, size_t n)
{
	uint64_t next = 0;
	char chain[160];
	int rc = db_cursor(sh->db, &next);

	if (rc == 0)
		rc = db_restore_core(sh->db, sh->core, shell_now(sh));
	if (rc != 0) {
		snprintf(why, n, "%s", db_error(sh->db));
		return rc;
	}
	if (db_verify_log(sh->db, chain, sizeof(chain)) != 0)
		log_error("database: %s: somebody or something changed the time line", chain);
	db_plan(sh->db, &sh->plan);
	shell_outbox_restore(sh);
	sh->decided_seq = sh->acked_seq = next > 0 ? next - 1 : 0;
	return 0;
}

static void
make_feed(struct shell *sh)
{
	struct feed_opts opts = { .next_seq = sh->decided_seq + 1,
		.stale_after_ns = sh->conf->conf.stale_after_ns, .clock = sh->clock,
		.rng = sh->rng, .ops = &sh->feed_ops, .arg = sh };

	sh->feed_ops = (struct feed_ops){ on_feed_event, on_feed_done, on_feed_state,
		on_feed_lost, on_feed_reloaded };
	sh->feed = feed_new(&opts);
}

static int
open_database(struct shell *sh, char *why, size_t n)
{
	const char *dir = sh->conf->conf.state_dir;
	char *path;
	int rc;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		rc = -errno;
		snprintf(why, n, "%s: %s", dir, strerror(-rc));
		return rc;
	}
	path = xasprintf("%s/alertd.db", dir);
	rc = db_open(&sh->db, path, why, n);
	free(path);
	return rc;
}

static void
start_events(struct shell *sh)
{
	static const struct timeval second = { 1, 0 };

	sh->flush = evtimer_new(sh->base, on_flush, sh);
	sh->wake = evtimer_new(sh->base, on_wake, sh);
	sh->tick = event_new(sh->base, -1, EV_PERSIST, on_tick, sh);
	event_add(sh->tick, &second);
	event_active(sh->tick, 0, 0);
}

int
shell_start(struct shell *sh, char *why, size_t n)
{
	const struct alertd_conf *conf = &sh->conf->conf;
	int rc;

	gethostname(sh->host, sizeof(sh->host) - 1);
	TAILQ_INIT(&sh->channels);
	sh->pushes = json_array();
	sh->batch = db_batch_new();
	sh->core = core_new(sh->conf->policy);
	sh->outbox = outbox_new(&conf->outbox, sh->rng);
	sh->tls = load_tls(conf, why, n);
	if (sh->tls == NULL)
		return -EINVAL;
	rc = open_database(sh, why, n);
	if (rc == 0)
		rc = restore(sh, why, n);
	if (rc == 0)
		rc = trap_worker_new(&sh->traps, sh->base, conf->state_dir, why, n);
	if (rc != 0)
		return rc;
	make_feed(sh);
	sh->curl = curl_pool_new(sh->base);
	sh->env = (struct channel_env){ .base = sh->base, .curl = sh->curl, .traps = sh->traps,
		.host = sh->host };
	rc = shell_channels_open(sh, why, n);
	if (rc == 0)
		rc = control_new(&sh->control, sh->base, conf, shell_serve, sh, why, n);
	if (rc == 0) {
		start_events(sh);
		shell_channels_presume(sh);
	}
	return rc;
}

static void
free_events(struct shell *sh)
{
	struct event *const events[] = { sh->flush, sh->tick, sh->wake };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] != NULL)
			event_free(events[i]);
}

/* Lets the last acknowledgement out and the connection end, as conn_close() does: from the loop. */
static void
end_feed(struct shell *sh)
{
	static const struct timeval patience = { GOODBYE_S, 0 };

	if (sh->feed == NULL)
		return;
	feed_free(sh->feed);
	event_base_loopexit(sh->base, &patience);
	event_base_dispatch(sh->base);
}

void
shell_stop(struct shell *sh)
{
	if (sh->db != NULL && sh->batch != NULL &&
	    db_commit(sh->db, sh->batch, NULL, NULL) == 0 && sh->feed != NULL)
		feed_ack(sh->feed, sh->decided_seq);
	control_free(sh->control);
	if (sh->outbox != NULL)
		shell_channels_free(sh);
	curl_pool_free(sh->curl);
	trap_worker_free(sh->traps);
	free_events(sh);
	end_feed(sh);
	outbox_free(sh->outbox);
	core_free(sh->core);
	db_batch_free(sh->batch);
	db_close(sh->db);
	if (sh->plan != NULL)
		linkwatch__pb__plan__free_unpacked(sh->plan, NULL);
	SSL_CTX_free(sh->tls);
	json_decref(sh->pushes);
	free(sh->starting);
	free(sh->waiting);
	shell_conf_release(sh->conf);
}
