/*
 * agent.c - the process: one loop, its timers, and who hands what to whom.
 */
#include "agent/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "agent/guard.h"
#include "agent/probe_icmp.h"
#include "agent/prober.h"
#include "agent/resolver.h"
#include "agent/snmp_worker.h"
#include "agent/spool.h"
#include "agent/target.h"
#include "agent/uplink.h"
#include "common/batch.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "common/tls.h"

#define HEALTH_NS (10 * NS_PER_S)
#define PLAN_FILE "plan"
#define PLAN_MAX (1024 * 1024)
#define COLLECTORS_MAX 16

struct collector {
	char host[256];
	uint16_t port;
	struct sockaddr_storage addr;
	socklen_t len;			/* 0: never had one */
	struct resolver_query *query;
	bool fresh, failed;		/* what the last look-up gave; used up by the next attempt */
	struct agent *agent;
};

struct agent {
	struct agent_conf conf;
	char *path;
	const struct clock *clock;
	struct rng *rng;
	struct event_base *base;
	struct event *signal[3], *second, *link_tick;
	struct ssl_ctx_st *tls;
	struct icmp *icmp;
	struct snmp_worker *snmp;
	struct resolver *resolver;
	struct guard *guard;
	struct prober *prober;
	struct disk *state_disk, *spool_disk;
	struct spool *spool;
	struct batch_builder *batch;
	struct uplink *uplink;
	struct collector collector[COLLECTORS_MAX];
	size_t collectors;
	char host[256];
	Linkwatch__Pb__Plan *plan;	/* the last one; NULL: none yet */
	struct mono started, health_due;
	bool disk_failing;
	char last_failure[256];
	uint64_t failures;		/* alike since it was told */
};

/* ------------------------------------------------------------ into the spool */

static void
put_batch(struct agent *a)
{
	int rc = spool_put(a->spool, a->batch, clock_wall(a->clock));

	if (rc != 0 && !a->disk_failing)
		log_error("spool: cannot write: %s; keeping samples in memory", strerror(-rc));
	if (rc == 0 && a->disk_failing)
		log_notice("spool: writes again");
	a->disk_failing = rc != 0;
}

static void
on_sample(void *arg, const struct sample *s)
{
	struct agent *a = arg;
	int rc = batch_builder_add(a->batch, s);

	if (rc == -ENOSPC) {
		put_batch(a);
		rc = batch_builder_add(a->batch, s);
	}
	if (rc != 0)
		log_error("link=%s: sample does not fit: %s", s->link, strerror(-rc));
}

/* Bytes of memory in use; 0: not known. */
static uint64_t
resident(void)
{
	unsigned long long all, now = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu %llu", &all, &now) != 2)
		now = 0;
	fclose(f);
	return now * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
add_health(struct agent *a)
{
	Linkwatch__Pb__Health h = LINKWATCH__PB__HEALTH__INIT;
	struct prober_stat ps;
	struct spool_stat ss;
	struct uplink_stat us;
	struct icmp_stat is = { 0 };
	struct snmp_worker_stat snmp;

	prober_stat(a->prober, &ps);
	spool_stat(a->spool, &ss);
	uplink_stat(a->uplink, &us);
	snmp_worker_stat(a->snmp, &snmp);
	if (a->icmp != NULL)
		icmp_stat(a->icmp, &is);
	h.wall_ns = clock_wall(a->clock).ns;
	h.uptime_ns = clock_mono(a->clock).ns - a->started.ns;
	h.plan_revision = ps.revision;
	h.links = ps.links;
	h.refused_links = ps.refused;
	h.spool_batches = ss.batches;
	h.spool_bytes = ss.bytes;
	h.spool_dropped = ss.dropped_samples;
	h.late_sends = ps.late_sends;
	h.loop_lag_ns = ps.loop_lag_ns;
	h.socket_drops = is.drops + snmp.drops;
	h.foreign_replies = is.foreign + snmp.foreign;
	h.clock_offset_ns = us.clock_offset_ns;
	h.clock_rtt_ns = us.clock_rtt_ns;
	h.cert_not_after_ns = tls_context_not_after(a->tls);
	h.software = LW_VERSION;
	h.clock_jumps = ps.clock_jumps;
	h.resolver_failures = ps.resolver_failures;
	h.names_failing = ps.names_failing;
	h.ping_mode = is.mode;
	h.starved_steps = ps.starved_steps;
	h.duplicate_replies = is.duplicates;
	h.late_replies = is.late;
	h.capped = ps.capped;
	h.guard_refused = ps.guard_refused;
	h.produced = ps.produced;
	h.spool_limit = (uint64_t)a->conf.spool.max_size;
	h.refused_batches = us.refused_batches;
	h.memory_bytes = resident();
	batch_builder_health(a->batch, &h);
}

static void tick_uplink(struct agent *a);

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	struct mono now = clock_mono(a->clock);

	(void)fd;
	(void)what;
	if (now.ns >= a->health_due.ns) {
		add_health(a);
		a->health_due.ns = now.ns + HEALTH_NS;
	}
	put_batch(a);
	tick_uplink(a);
}

/* --------------------------------------------------------------- the uplink */

static void
on_link_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick_uplink(arg);
}

static void
tick_uplink(struct agent *a)
{
	struct mono due = uplink_tick(a->uplink);
	int64_t wait = due.ns - clock_mono(a->clock).ns;
	struct timeval tv;

	if (due.ns == INT64_MAX)
		return;
	if (wait < NS_PER_MS)
		wait = NS_PER_MS;
	tv = (struct timeval){ .tv_sec = wait / NS_PER_S, .tv_usec = wait % NS_PER_S / NS_PER_US };
	evtimer_add(a->link_tick, &tv);
}

/* uplink_handler with a look at what has become possible behind it. */
static void
on_opened(void *arg, struct conn *c, const struct identity *peer)
{
	struct agent *a = arg;

	uplink_handler.opened(a->uplink, c, peer);
	tick_uplink(a);
}

static void
on_frame(void *arg, struct conn *c, uint8_t type, const uint8_t *payload, size_t len)
{
	struct agent *a = arg;

	uplink_handler.frame(a->uplink, c, type, payload, len);
	tick_uplink(a);
}

static void
on_closed(void *arg, struct conn *c, const char *why)
{
	struct agent *a = arg;

	uplink_handler.closed(a->uplink, c, why);
	tick_uplink(a);
}

static const struct conn_handler conn_callbacks = {
	.opened = on_opened, .frame = on_frame, .closed = on_closed,
};

static void
on_collector_address(void *arg, const struct resolver_answer *answer)
{
	struct collector *c = arg;

	c->query = NULL;
	c->failed = answer->n == 0;
	c->fresh = !c->failed;
	if (answer->n > 0) {
		c->addr = answer->address[0].addr;
		c->len = answer->address[0].len;
	} else {
		log_limited(LOG_WARNING, "collector-name", 1, "uplink: cannot resolve %s: %s%s",
		    c->host, answer->error, c->len > 0 ? "; trying its last address" : "");
	}
	tick_uplink(c->agent);
}

/* A name is looked up for each attempt; if that fails, the last address must do. */
static int
collector_address(struct collector *c)
{
	struct sockaddr_storage addr;
	socklen_t literal;

	if (c->fresh || (c->failed && c->len > 0)) {
		c->fresh = c->failed = false;
		return 0;
	}
	if (c->failed) {
		c->failed = false;
		return -EHOSTUNREACH;
	}
	literal = target_literal(c->host, c->port, &addr);
	if (literal > 0) {
		c->addr = addr;
		c->len = literal;
		return 0;
	}
	if (c->query == NULL)
		c->query = resolver_ask(c->agent->resolver, c->host, AF_UNSPEC, c->port,
		    on_collector_address, c);
	return -EAGAIN;
}

static int
start_connection(void *arg, size_t index, struct uplink *u, struct conn **out)
{
	struct agent *a = arg;
	struct collector *c = &a->collector[index];
	int rc = collector_address(c);

	(void)u;
	if (rc != 0)
		return rc;
	return tls_connect(out, a->base, a->tls, (struct sockaddr *)&c->addr, c->len,
	    ROLE_COLLECTOR, a->conf.collector_id, &conn_callbacks, a);
}

static void
on_uplink_state(void *arg, enum uplink_state state, const char *detail)
{
	struct agent *a = arg;

	if (state == UPLINK_UP) {
		if (a->failures > 1)
			log_notice("uplink: connected to %s, after %" PRIu64 " failures", detail,
			    a->failures);
		else
			log_notice("uplink: connected to %s", detail);
		a->failures = 0;
		a->last_failure[0] = '\0';
	} else if (state == UPLINK_WAITING) {
		a->failures++;
		if (strcmp(detail, a->last_failure) != 0)
			log_warning("uplink: %s", detail);
		snprintf(a->last_failure, sizeof a->last_failure, "%s", detail);
	}
}

static void
on_refused(void *arg, uint64_t seq, uint32_t code, const char *reason)
{
	(void)arg;
	(void)code;
	log_limited(LOG_ERROR, "refused", 5, "uplink: batch %" PRIu64 " refused: %s", seq, reason);
}

/* ----------------------------------------------------------------- the plan */

static void
adopt_plan(struct agent *a, const Linkwatch__Pb__Plan *plan)
{
	Linkwatch__Pb__PlanResult *result;

	prober_plan(a->prober, plan, &result);
	uplink_plan_result(a->uplink, result);
	linkwatch__pb__plan_result__free_unpacked(result, NULL);
	(void)malloc_trim(0);		/* what reading files and plans took goes back */
}

static Linkwatch__Pb__Plan *
copy_plan(const Linkwatch__Pb__Plan *plan, uint8_t **packed, size_t *len)
{
	*len = linkwatch__pb__plan__get_packed_size(plan);
	*packed = xmalloc(*len);
	linkwatch__pb__plan__pack(plan, *packed);
	return linkwatch__pb__plan__unpack(NULL, *len, *packed);
}

static void
on_plan(void *arg, const Linkwatch__Pb__Plan *plan)
{
	struct agent *a = arg;
	uint8_t *packed;
	size_t len;
	int rc;

	if (a->plan != NULL)
		linkwatch__pb__plan__free_unpacked(a->plan, NULL);
	a->plan = copy_plan(plan, &packed, &len);
	rc = disk_write_file(a->state_disk, PLAN_FILE, packed, len);
	if (rc != 0)
		log_error("plan: cannot be kept for a restart: %s", strerror(-rc));
	free(packed);
	adopt_plan(a, plan);
}

/* Probing goes on by the last plan, whether the collector is there or not. */
static void
load_plan(struct agent *a)
{
	void *data = NULL;
	size_t len;
	int rc = disk_read_file(a->state_disk, PLAN_FILE, PLAN_MAX, &data, &len);

	if (rc == 0) {
		a->plan = linkwatch__pb__plan__unpack(NULL, len, data);
		rc = a->plan == NULL ? -EBADMSG : 0;
	}
	free(data);
	if (rc != 0 && rc != -ENOENT)
		log_warning("plan: the kept one cannot be used: %s", strerror(-rc));
	if (a->plan != NULL)
		adopt_plan(a, a->plan);
}

/* ------------------------------------------------------------ configuration */

/* What was known of the same collector before: its name server may be dead now. */
static void
keep_address(struct collector *c, const struct collector *old, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(old[i].host, c->host) == 0 && old[i].port == c->port) {
			c->addr = old[i].addr;
			c->len = old[i].len;
			return;
		}
}

static int
read_collectors(struct agent *a, const struct agent_conf *conf)
{
	struct collector old[COLLECTORS_MAX];
	size_t olds = a->collectors;
	char *const *v = conf->collectors.v;
	char port[6];

	memcpy(old, a->collector, sizeof old);
	for (size_t i = 0; i < a->collectors; i++)
		if (a->collector[i].query != NULL)
			resolver_cancel(a->resolver, a->collector[i].query);
	memset(a->collector, 0, sizeof a->collector);
	a->collectors = conf->collectors.n < COLLECTORS_MAX ? conf->collectors.n : COLLECTORS_MAX;
	for (size_t i = 0; i < a->collectors; i++) {
		struct collector *c = &a->collector[i];

		if (agent_conf_collector(v[i], c->host, sizeof c->host, port) != 0)
			return -EINVAL;
		c->port = (uint16_t)atoi(port);
		c->agent = a;
		keep_address(c, old, olds);
	}
	return 0;
}

static struct ssl_ctx_st *
load_tls(const struct agent_conf *conf)
{
	struct tls_files files = { .ca = conf->tls.ca, .cert = conf->tls.cert,
		.key = conf->tls.key, .crl = conf->tls.crl };
	struct ssl_ctx_st *tls;
	char err[256];

	tls = tls_context_new(&files, false, err, sizeof err);
	if (tls == NULL)
		log_error("tls: %s", err);
	return tls;
}

static int
load_guard(const struct agent_conf *conf, struct guard **out)
{
	size_t bad;

	return guard_new(out, conf->guard.allow.v, conf->guard.allow.n,
	    (uint64_t)conf->guard.max_pps, &bad);
}

static void
log_conf_errors(const struct conf_errors *errs, size_t level)
{
	for (size_t i = 0; i < errs->n; i++)
		log_msg((enum log_level)level, "%s", errs->line[i]);
}

/* What cannot change without a restart keeps its value. */
static void
warn_of_fixed(const struct agent *a, const struct agent_conf *conf)
{
	bool user = (conf->user == NULL) != (a->conf.user == NULL) ||
	    (conf->user != NULL && strcmp(conf->user, a->conf.user) != 0);

	if (user || strcmp(conf->state_dir, a->conf.state_dir) != 0 ||
	    conf->spool.max_size != a->conf.spool.max_size)
		log_warning("reload: user, state_dir and spool change with a restart only");
}

static void
adopt_conf(struct agent *a, struct agent_conf *conf, struct ssl_ctx_st *tls, struct guard *guard)
{
	struct guard *old_guard = a->guard;
	struct agent_conf old = a->conf;

	warn_of_fixed(a, conf);
	a->conf = *conf;
	log_set_level((enum log_level)conf->log_level);
	SSL_CTX_free(a->tls);
	a->tls = tls;
	a->guard = guard;
	(void)read_collectors(a, conf);
	prober_guard(a->prober, guard);
	snmp_worker_credentials(a->snmp, conf->snmp_credentials.v, conf->snmp_credentials.n);
	prober_restart_kind(a->prober, PROBE_SNMP);
	if (a->plan != NULL)
		adopt_plan(a, a->plan);
	uplink_reconnect(a->uplink, a->collectors);
	guard_free(old_guard);
	agent_conf_free(&old);
}

static void
reload(struct agent *a)
{
	struct conf_errors errs = { 0 };
	struct agent_conf conf;
	struct ssl_ctx_st *tls;
	struct guard *guard = NULL;
	int rc = agent_conf_load(a->path, &conf, &errs);

	log_conf_errors(&errs, rc != 0 ? LOG_ERROR : LOG_WARNING);
	conf_errors_free(&errs);
	if (rc != 0) {
		log_error("reload: %s is not valid; the old configuration stays", a->path);
		return;
	}
	tls = load_tls(&conf);
	if (tls == NULL || load_guard(&conf, &guard) != 0) {
		log_error("reload: the old configuration stays");
		SSL_CTX_free(tls);
		agent_conf_free(&conf);
		return;
	}
	adopt_conf(a, &conf, tls, guard);
	log_notice("reload: done");
	tick_uplink(a);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct agent *a = arg;

	(void)what;
	if (sig == SIGHUP) {
		reload(a);
		return;
	}
	log_notice("signal %d: ending", (int)sig);
	event_base_loopbreak(a->base);
}

/* ----------------------------------------------------------------- the start */

/* The state directory must belong to whom we become. */
static int
give_state_dir(const struct agent_conf *conf)
{
	struct passwd *pw;

	if (mkdir(conf->state_dir, 0700) != 0 && errno != EEXIST) {
		log_error("%s: %s", conf->state_dir, strerror(errno));
		return -errno;
	}
	(void)disk_sync_parent(conf->state_dir);	/* if it fails, the spool says why */
	if (conf->user == NULL || geteuid() != 0)
		return 0;
	pw = getpwnam(conf->user);
	if (pw == NULL) {
		log_error("user '%s' is unknown", conf->user);
		return -ENOENT;
	}
	if (lchown(conf->state_dir, pw->pw_uid, pw->pw_gid) != 0) {
		log_error("%s: %s", conf->state_dir, strerror(errno));
		return -errno;
	}
	return 0;
}

/* All that needs root, and then no more root. */
static int
start_as_root(struct agent *a)
{
	char why[320];
	int rc = give_state_dir(&a->conf);

	if (rc != 0)
		return rc;
	a->tls = load_tls(&a->conf);
	if (a->tls == NULL)
		return -EINVAL;
	rc = icmp_new(&a->icmp, a->clock, a->rng, why, sizeof why);
	if (rc != 0)
		log_error("icmp: %s; icmp links will be refused", why);
	else if (why[0] != '\0')
		log_warning("icmp: %s", why);
	/* secrets are read while root can; afterwards only what the user may read */
	rc = snmp_worker_new(&a->snmp, a->clock, a->rng, a->conf.snmp_credentials.v,
	    a->conf.snmp_credentials.n);
	if (rc != 0) {
		log_error("snmp: %s", strerror(-rc));
		return rc;
	}
	rc = sandbox_drop(a->conf.user, NULL, why, sizeof why);
	if (rc != 0)
		log_error("cannot give up power: %s", why);
	return rc;
}

static int
open_spool(struct agent *a)
{
	struct spool_opts opts = { .max_bytes = (uint64_t)a->conf.spool.max_size };
	char *dir = xasprintf("%s/spool", a->conf.state_dir);
	char why[320];
	int rc = disk_open_real(a->conf.state_dir, &a->state_disk);

	if (rc == 0)
		rc = disk_open_real(dir, &a->spool_disk);
	if (rc != 0)
		log_error("%s: %s", dir, strerror(-rc));
	free(dir);
	if (rc != 0)
		return rc;
	rc = spool_open(&a->spool, a->spool_disk, a->rng, &opts, clock_wall(a->clock), why,
	    sizeof why);
	if (rc != 0)
		log_error("spool: %s", why);
	else if (why[0] != '\0')
		log_warning("spool: %s", why);
	return rc;
}

static int
make_events(struct agent *a)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	static const struct timeval second = { .tv_sec = 1 };

	a->second = event_new(a->base, -1, EV_PERSIST, on_second, a);
	a->link_tick = evtimer_new(a->base, on_link_tick, a);
	if (a->second == NULL || a->link_tick == NULL || evtimer_add(a->second, &second) != 0)
		return -ENOMEM;
	for (unsigned i = 0; i < 3; i++) {
		a->signal[i] = evsignal_new(a->base, signals[i], on_signal, a);
		if (a->signal[i] == NULL || evsignal_add(a->signal[i], NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

static bool
take_packet(void *arg)
{
	struct agent *a = arg;

	return prober_take(a->prober);
}

static int
make_parts(struct agent *a)
{
	static const struct uplink_ops ops = {
		.connect = start_connection, .plan = on_plan, .state = on_uplink_state,
		.refused = on_refused,
	};
	struct uplink_opts uplink_opts = { .collectors = a->collectors,
		.collector_id = a->conf.collector_id, .host = a->host };
	struct prober_opts opts = { .sample = on_sample, .arg = a };
	int rc = resolver_new(&a->resolver, a->base);

	if (rc == 0)
		rc = snmp_worker_attach(a->snmp, a->base);
	if (rc == 0)
		rc = load_guard(&a->conf, &a->guard);
	if (rc != 0)
		return rc;
	opts.env = (struct probe_env){ .base = a->base, .clock = a->clock, .rng = a->rng,
		.icmp = a->icmp, .snmp = a->snmp };
	opts.resolver = a->resolver;
	opts.guard = a->guard;
	rc = prober_new(&a->prober, &opts);
	if (rc != 0)
		return rc;
	snmp_worker_cap(a->snmp, take_packet, a);
	a->batch = batch_builder_new();
	a->uplink = uplink_new(&uplink_opts, &ops, a, a->spool, a->clock, a->rng);
	return 0;
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	return base;
}

int
agent_new(struct agent **out, struct agent_conf *conf, const char *path)
{
	struct agent *a = xcalloc(1, sizeof *a);
	int rc;

	a->conf = *conf;
	a->path = xstrdup(path);
	a->clock = clock_real();
	a->rng = rng_real();
	a->started = a->health_due = clock_mono(a->clock);
	if (gethostname(a->host, sizeof a->host - 1) != 0)
		a->host[0] = '\0';
	rc = start_as_root(a);
	if (rc == 0)
		rc = open_spool(a);
	if (rc == 0 && (a->base = new_base()) == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = read_collectors(a, &a->conf);
	if (rc == 0)
		rc = make_parts(a);
	if (rc == 0)
		rc = make_events(a);
	if (rc != 0) {
		agent_free(a);
		return rc;
	}
	load_plan(a);
	*out = a;
	return 0;
}

int
agent_run(struct agent *a)
{
	log_notice("started, version %s", LW_VERSION);
	tick_uplink(a);
	return event_base_dispatch(a->base) < 0 ? -EIO : 0;
}

static void
free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

/* What goes out last goes out within this time. */
static void
end_session(struct agent *a)
{
	struct timeval most = { .tv_usec = 300 * 1000 };

	uplink_free(a->uplink);
	a->uplink = NULL;
	free_event(a->second);
	free_event(a->link_tick);
	a->second = a->link_tick = NULL;
	event_base_loopexit(a->base, &most);
	event_base_dispatch(a->base);
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	prober_free(a->prober);
	if (a->spool != NULL && a->batch != NULL)
		put_batch(a);
	if (a->uplink != NULL)
		uplink_tick(a->uplink);	/* the last batch goes out before the session ends */
	for (size_t i = 0; i < a->collectors && a->resolver != NULL; i++)
		if (a->collector[i].query != NULL)
			resolver_cancel(a->resolver, a->collector[i].query);
	for (unsigned i = 0; i < 3; i++)
		free_event(a->signal[i]);
	if (a->uplink != NULL)
		end_session(a);
	free_event(a->second);
	free_event(a->link_tick);
	resolver_free(a->resolver);
	snmp_worker_free(a->snmp);
	icmp_free(a->icmp);
	batch_builder_free(a->batch);
	guard_free(a->guard);
	spool_close(a->spool);
	if (a->spool_disk != NULL)
		a->spool_disk->ops->close(a->spool_disk);
	if (a->state_disk != NULL)
		a->state_disk->ops->close(a->state_disk);
	if (a->plan != NULL)
		linkwatch__pb__plan__free_unpacked(a->plan, NULL);
	if (a->base != NULL)
		event_base_free(a->base);
	SSL_CTX_free(a->tls);
	agent_conf_free(&a->conf);
	free(a->path);
	free(a);
}
