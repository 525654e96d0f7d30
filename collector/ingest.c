/*
 * ingest.c - the loop of the ingest process (see ingest.h).
 *
 * The first record that waits arms the commit timer; when it fires, everything
 * that came meanwhile shares one fdatasync, and is acknowledged.  An agent with a
 * backlog does not wait for it: half a window is a group.
 */
#include "collector/ingest.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collector/heartbeat.h"
#include "collector/session.h"
#include "collector/supervisor.h"
#include "common/collector_conf.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "common/tls.h"

#define RETAIN_TICKS 60			/* seconds between two looks at retention */
#define STALL_RETRY_S 1
#define OTHER_DESCRIPTORS 32		/* journal, its readers, cursors, files being read */

struct ingest {
	const struct collector_conf *conf;
	const char *conf_path;
	const struct clock *clock;
	struct event_base *base;
	struct disk *disk;
	struct hub *hub;
	struct ssl_ctx_st *ctx;
	struct tls_tickets *tickets;
	struct tls_server *server;
	struct event *commit, *tick, *term, *intr, *hup;
	struct heartbeat *heartbeat;
	unsigned ticks;
	int status;
};

/* ------------------------------------------------------------ configuration */

static struct ssl_ctx_st *
new_context(const struct ingest *in, char *why, size_t n)
{
	const struct collector_listen_conf *l = &in->conf->listen;
	struct tls_files files = { .ca = l->ca, .cert = l->cert, .key = l->key, .crl = l->crl };
	struct ssl_ctx_st *ctx = tls_context_new(&files, true, why, n);

	if (ctx != NULL)
		tls_context_tickets(ctx, in->tickets);
	return ctx;
}

/* New connections get what the files say now; if it is about whom we believe, the old ones are judged by it. */
static void
reload_tls(struct ingest *in)
{
	char why[256];
	struct ssl_ctx_st *ctx = new_context(in, why, sizeof why);

	if (ctx == NULL) {
		log_error("tls: %s: the certificate in use stays", why);
		return;
	}
	if (tls_server_context(in->server, ctx))
		log_notice("tls: CA or CRL changed: every peer is judged anew");
	SSL_CTX_free(in->ctx);
	in->ctx = ctx;
}

/* All lines of errs, each ended by a newline; malloc'd. */
static char *
join(const struct conf_errors *errs)
{
	size_t n = 1, at = 0;
	char *s;

	for (size_t i = 0; i < errs->n; i++)
		n += strlen(errs->line[i]) + 1;
	s = xmalloc(n);
	for (size_t i = 0; i < errs->n; i++)
		at += (size_t)snprintf(s + at, n - at, "%s\n", errs->line[i]);
	s[at] = '\0';
	return s;
}

/* Reads links.yaml and gives it to the hub; *errors gets malloc'd lines or NULL. */
static int
reload_links(struct ingest *in, uint64_t *revision, char **errors)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan;
	int r = links_load(in->conf->links, &plan, &errs);

	for (size_t i = 0; i < errs.n; i++)
		log_warning("%s", errs.line[i]);
	*errors = errs.n > 0 ? join(&errs) : NULL;
	conf_errors_free(&errs);
	if (r != 0)
		return r;
	r = hub_plan(in->hub, plan);
	if (r != 0)
		log_error("plan: not taken: %s", strerror(-r));
	*revision = plan->revision;
	links_free(plan);
	return r;
}

static int
on_reload(void *arg, uint64_t *revision, char **errors)
{
	struct ingest *in = arg;
	int r;

	reload_tls(in);
	r = reload_links(in, revision, errors);
	log_notice("reload: %s", r == 0 ? "done" : "links.yaml refused, the plan in use stays");
	return r;
}

/* ------------------------------------------------------------------- events */

static void
on_dirty(void *arg)
{
	struct ingest *in = arg;
	struct timeval tv = { .tv_usec = (suseconds_t)(in->conf->ingest.commit_ns / NS_PER_US) };

	if (in->commit != NULL && !evtimer_pending(in->commit, NULL))
		evtimer_add(in->commit, &tv);
}

/* With the next pass of the loop: what else has come by then is in it. */
static void
on_hurry(void *arg)
{
	static const struct timeval now = { 0 };
	struct ingest *in = arg;

	if (in->commit != NULL)
		evtimer_add(in->commit, &now);
}

static void
on_commit(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval again = { .tv_sec = STALL_RETRY_S };
	struct ingest *in = arg;
	int r = hub_commit(in->hub);

	(void)fd, (void)what;
	if (r == -EIO) {
		log_error("journal: poisoned by a failed sync: starting anew");
		in->status = 1;
		event_base_loopbreak(in->base);
	} else if (r != 0) {
		evtimer_add(in->commit, &again);
	}
}

static void
retain(struct ingest *in)
{
	const struct collector_journal_conf *j = &in->conf->journal;
	double hold = (double)j->max_bytes * j->reader_share;
	int r = hub_retain(in->hub, (uint64_t)j->max_bytes, j->max_age_ns, (uint64_t)hold);

	if (r != 0)
		log_limited(LOG_WARNING, "retain", 1, "journal: old files not deleted: %s", strerror(-r));
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ingest *in = arg;

	(void)fd, (void)what;
	hub_tick(in->hub);
	if (++in->ticks % RETAIN_TICKS == 1)
		retain(in);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	uint64_t revision;
	char *errors = NULL;

	(void)fd, (void)what;
	on_reload(arg, &revision, &errors);
	free(errors);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct ingest *in = arg;

	(void)fd, (void)what;
	event_base_loopbreak(in->base);
}

/* ------------------------------------------------------------ begin and end */

static int
open_hub(struct ingest *in, char *why, size_t n)
{
	const struct collector_ingest_conf *c = &in->conf->ingest;
	struct hub_opts o = {
		.clock = in->clock, .admit = { .past_ns = c->past_ns, .future_ns = c->future_ns },
		.segment_bytes = (uint64_t)in->conf->journal.segment_bytes, .window = (uint32_t)c->window,
		.quota = { .bytes = (double)c->agent_bytes, .batches = (double)c->agent_batches,
		    .samples = (double)c->agent_samples, .sessions = (double)c->agent_sessions },
		.pending_max = (uint64_t)c->pending_bytes,
		.reload = on_reload, .dirty = on_dirty, .hurry = on_hurry, .arg = in,
	};
	char *dir = collector_conf_path(in->conf, "journal"), *errors = NULL;
	uint64_t revision;
	int r = disk_open_real(dir, &in->disk);

	if (r != 0) {
		in->disk = NULL;
		snprintf(why, n, "%s: %s", dir, strerror(-r));
		goto out;
	}
	o.disk = in->disk;
	r = hub_open(&in->hub, &o, why, n);
	if (r != 0)
		goto out;
	r = reload_links(in, &revision, &errors);
	if (r != 0 && hub_restore_plan(in->hub) == 0) {
		log_error("%s cannot be used: the last plan of the journal holds", in->conf->links);
		r = 0;
	}
	if (r != 0)
		snprintf(why, n, "%s: %s", in->conf->links, errors != NULL ? "see above" : strerror(-r));
out:
	free(errors);
	free(dir);
	return r;
}

/* As many connections as there are descriptors for, of those that are wanted. */
static int64_t
conns_possible(int64_t want)
{
	struct rlimit r;
	rlim_t need = (rlim_t)want + OTHER_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= need)
		return want;
	r.rlim_cur = need;
	if (r.rlim_max < need)
		r.rlim_max = need;	/* root may */
	if (setrlimit(RLIMIT_NOFILE, &r) == 0)
		return want;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
	want = r.rlim_cur > OTHER_DESCRIPTORS + 1 ? (int64_t)(r.rlim_cur - OTHER_DESCRIPTORS) : 1;
	log_warning("listen: max_conns is %" PRId64 " and not what is configured: %" PRIu64
	    " descriptors are the limit of this process", want, (uint64_t)r.rlim_cur);
	return want;
}

static int
listen_tls(struct ingest *in, char *why, size_t n)
{
	const struct collector_listen_conf *l = &in->conf->listen;
	struct tls_server_opts o = { .address = l->address, .port = (uint16_t)l->port,
		.max_conns = (int)conns_possible(l->max_conns), .handshakes = (int)l->handshakes,
		.waiting_max = (int)l->waiting };

	in->tickets = tls_tickets_new(supervisor_kept_fd());
	in->ctx = new_context(in, why, n);
	if (in->ctx == NULL)
		return -EINVAL;
	return tls_listen(&in->server, in->base, in->ctx, &o, hub_handler(), in->hub, why, n);
}

static void
add_signal(struct ingest *in, struct event **ev, int sig, event_callback_fn fn)
{
	*ev = evsignal_new(in->base, sig, fn, in);
	event_add(*ev, NULL);
}

static int
ingest_open(struct ingest *in, char *why, size_t n)
{
	static const struct timeval second = { .tv_sec = 1 }, now = { 0 };
	int r;

	in->commit = evtimer_new(in->base, on_commit, in);
	in->tick = event_new(in->base, -1, EV_PERSIST, on_tick, in);
	if ((r = open_hub(in, why, n)) != 0 || (r = listen_tls(in, why, n)) != 0 ||
	    (r = sandbox_drop(in->conf->user, NULL, why, (unsigned)n)) != 0)
		return r;
	add_signal(in, &in->term, SIGTERM, on_stop);
	add_signal(in, &in->intr, SIGINT, on_stop);
	add_signal(in, &in->hup, SIGHUP, on_hup);
	event_add(in->tick, &second);
	evtimer_add(in->commit, &now);
	in->heartbeat = heartbeat_new(in->base);
	log_notice("ingest: listening on %s port %u", in->conf->listen.address,
	    tls_server_port(in->server));
	return 0;
}

/* What was said last may still go out, for a second at most. */
static void
last_words(struct ingest *in)
{
	static const struct timeval slice = { .tv_usec = 20000 };

	for (int i = 0; i < 50 && in->server != NULL && tls_server_conns(in->server) > 0; i++) {
		event_base_loopexit(in->base, &slice);
		event_base_dispatch(in->base);
	}
}

static void
ingest_fini(struct ingest *in)
{
	struct event *ev[] = { in->commit, in->tick, in->term, in->intr, in->hup };

	heartbeat_free(in->heartbeat);
	if (in->status == 0)
		hub_stop(in->hub);
	last_words(in);
	tls_server_free(in->server);
	in->commit = NULL;
	hub_close(in->hub, in->status == 0);
	SSL_CTX_free(in->ctx);
	tls_tickets_free(in->tickets);
	for (size_t i = 0; i < sizeof ev / sizeof ev[0]; i++)
		if (ev[i] != NULL)
			event_free(ev[i]);
	if (in->disk != NULL)
		in->disk->ops->close(in->disk);
	event_base_free(in->base);
}

int
ingest_main(const struct collector_conf *conf, const char *conf_path)
{
	struct ingest in = { .conf = conf, .conf_path = conf_path, .clock = clock_real(),
		.base = event_base_new() };
	char why[512] = "";

	if (ingest_open(&in, why, sizeof why) != 0) {
		log_error("ingest: %s", why);
		in.status = 1;
	} else {
		event_base_dispatch(in.base);
		log_notice("ingest: stopping");
	}
	ingest_fini(&in);
	return in.status;
}
