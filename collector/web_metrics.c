/*
 * web_metrics.c - /metrics for Prometheus and /healthz for who spreads load.
 *
 *   /healthz  {"ok":BOOL,"parts":{"journal","ingest","store","alertd"}}: "ok", or one word for what is wrong.
 *             503 when the page could only show what is old: the journal cannot be read or ingest is silent
 *   /metrics  text; by token, log-in (not a vendor's) or from an address of web.metrics_from.  Families end
 *             with those of each link when web.metrics_links is set
 *
 * The store is asked for its figures every WATCH_S seconds; who asks us waits for nobody.
 */
#include <dirent.h>
#include <fcntl.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/http_server.h"
#include "collector/metrics.h"
#include "collector/sse.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"
#include "collector/web_tail.h"
#include "common/mem.h"

#define WATCH_S 5
#define LINE_MAX_BYTES 4096
#define FIGURES_MAX 32

/* ------------------------------------------------------------------ store */

struct figure { char name[24]; double value; };

struct store_watch {
	struct event_base *base;
	const struct clock *clock;
	char *socket;
	struct event *timer;
	struct bufferevent *bev;	/* a question under way */
	struct mono answered;		/* ns 0: never */
	size_t n;
	struct figure v[FIGURES_MAX];
};

static void
hang_up(struct store_watch *s)
{
	if (s->bev != NULL)
		bufferevent_free(s->bev);
	s->bev = NULL;
}

/* "ok KEY=NUMBER ..." */
static void
take_figures(struct store_watch *s, char *line)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);

	if (word == NULL || strcmp(word, "ok") != 0)
		return;
	s->n = 0;
	while (s->n < FIGURES_MAX && (word = strtok_r(NULL, " ", &save)) != NULL) {
		struct figure *f = &s->v[s->n];

		if (sscanf(word, "%23[a-z_]=%lf", f->name, &f->value) == 2)
			s->n++;
	}
	s->answered = clock_mono(s->clock);
}

static void
store_said(struct bufferevent *bev, void *arg)
{
	struct store_watch *s = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);

	if (line == NULL && evbuffer_get_length(in) < LINE_MAX_BYTES)
		return;
	if (line != NULL)
		take_figures(s, line);
	free(line);
	hang_up(s);
}

static void
store_gone(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) == 0)
		hang_up(arg);
}

static void
ask_store(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct store_watch *s = arg;

	(void)fd;
	(void)what;
	hang_up(s);			/* the last question found no answer */
	snprintf(un.sun_path, sizeof un.sun_path, "%s", s->socket);
	s->bev = bufferevent_socket_new(s->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(s->bev, store_said, NULL, store_gone, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(s->bev), "stat\n");
	if (bufferevent_socket_connect(s->bev, (struct sockaddr *)&un, sizeof un) != 0)
		hang_up(s);
}

struct store_watch *
store_watch_new(struct event_base *base, const struct clock *clock, const char *path)
{
	struct store_watch *s = xcalloc(1, sizeof *s);
	struct timeval every = { WATCH_S, 0 };

	s->base = base;
	s->clock = clock;
	s->socket = xstrdup(path);
	s->timer = event_new(base, -1, EV_PERSIST, ask_store, s);
	event_add(s->timer, &every);
	ask_store(-1, 0, s);
	return s;
}

void
store_watch_free(struct store_watch *s)
{
	if (s == NULL)
		return;
	hang_up(s);
	event_free(s->timer);
	free(s->socket);
	free(s);
}

static bool
store_answers(const struct store_watch *s)
{
	return s->answered.ns != 0 &&
	    clock_mono(s->clock).ns - s->answered.ns < 3 * WATCH_S * NS_PER_S;
}

/* NaN: the store is away or does not tell it. */
static double
store_figure(const struct store_watch *s, const char *name)
{
	for (size_t i = 0; store_answers(s) && i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return s->v[i].value;
	return NAN;
}

/* ----------------------------------------------------------------- health */

static const char *
journal_word(const struct web *w)
{
	return w->tail == NULL ? "missing" : tail_trouble(w->tail) != NULL ? "unreadable" : "ok";
}

static bool
ingest_is_alive(const struct web *w)
{
	return clock_wall(w->clock).ns - live_last_ns(w->live) <= SILENT_NS;
}

void
web_healthz(struct web_req *q)
{
	struct web *w = q->web;
	const char *journal = journal_word(w);
	bool alive = ingest_is_alive(w), ok = alive && strcmp(journal, "ok") == 0;

	web_answer_json(q, ok ? 200 : 503, json_pack("{s:b,s:{s:s,s:s,s:s,s:s}}", "ok", ok, "parts",
	    "journal", journal, "ingest", alive ? "ok" : "silent",
	    "store", store_answers(w->store) ? "ok" : "away",
	    "alertd", !alertd_is_configured(w->alertd) ? "none" : alertd_is_up(w->alertd) ? "ok" : "away"));
}

/* ---------------------------------------------------------------- figures */

static void
add_process(struct metrics *m)
{
	struct rusage u;
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;
	double s;

	getrusage(RUSAGE_SELF, &u);
	s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	if (f != NULL && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f != NULL)
		fclose(f);
	metrics_family(m, "linkwatch_build_info", "gauge", "The version of the collector.");
	metrics_add(m, 1, "version", LW_VERSION, NULL);
	metrics_one(m, "process_cpu_seconds_total", "counter", "CPU time of the page's process.", s);
	metrics_one(m, "process_resident_memory_bytes", "gauge", "Memory of the page's process.",
	    (double)pages * (double)sysconf(_SC_PAGESIZE));
}

struct journal_size { double bytes, segments; };

/* Sizes and number of the segments; tells each durable cursor, if m is not NULL, as a sample. */
static struct journal_size
measure_journal(const struct web *w, struct metrics *m)
{
	uint64_t limit = m != NULL && w->tail != NULL ? tail_limit(w->tail) : 0, next;
	struct journal_size size = { 0, 0 };
	DIR *d = opendir(w->journal);
	struct dirent *e;
	struct stat st;

	if (d == NULL)
		return (struct journal_size){ NAN, NAN };
	while ((e = readdir(d)) != NULL) {
		const char *dot = strrchr(e->d_name, '.');

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
			continue;
		size.bytes += (double)st.st_size;
		size.segments += dot != NULL && strcmp(dot, ".seg") == 0;
		if (limit > 0 && strncmp(e->d_name, "cursor.", 7) == 0 &&
		    tail_cursor(w->tail, e->d_name + 7, &next) == 0)
			metrics_add(m, next < limit ? (double)(limit - next) : 0, "reader", e->d_name + 7,
			    NULL);
	}
	closedir(d);
	return size;
}

static void
add_journal(struct metrics *m, const struct web *w)
{
	struct journal_size size = measure_journal(w, NULL);
	struct statvfs vfs;

	metrics_one(m, "linkwatch_journal_readable", "gauge", "1 if the page can read the journal.",
	    strcmp(journal_word(w), "ok") == 0);
	metrics_one(m, "linkwatch_journal_bytes", "gauge", "Size of the journal.", size.bytes);
	metrics_one(m, "linkwatch_journal_segments", "gauge", "Files of the journal.", size.segments);
	metrics_one(m, "linkwatch_journal_next_record", "gauge", "Number of the next record.",
	    w->tail != NULL ? (double)tail_limit(w->tail) : NAN);
	metrics_one(m, "linkwatch_journal_free_bytes", "gauge", "Room on the journal's disk.",
	    statvfs(w->journal, &vfs) == 0 ? (double)vfs.f_bavail * (double)vfs.f_frsize : NAN);
	metrics_family(m, "linkwatch_journal_reader_lag_records", "gauge",
	    "Records that a reader has not done with.");
	measure_journal(w, m);
}

static void
add_ingest(struct metrics *m, const struct web *w)
{
	struct live_counts c;
	struct live_agent *a;
	double connected = 0;
	size_t n;

	live_counts(w->live, &c);
	a = live_agents(w->live, &n);
	for (size_t i = 0; i < n; i++)
		connected += a[i].connected;
	metrics_one(m, "linkwatch_ingest_up", "gauge", "1 if ingest writes its sign of life.",
	    ingest_is_alive(w));
	metrics_one(m, "linkwatch_ingest_last_record_timestamp_seconds", "gauge",
	    "Time of the newest record in the journal.", (double)live_last_ns(w->live) / 1e9);
	metrics_one(m, "linkwatch_ingest_batches_total", "counter",
	    "Batches that the page has read in the journal.", (double)c.batches);
	metrics_one(m, "linkwatch_ingest_samples_total", "counter",
	    "Samples that the page has read in the journal.", (double)c.samples);
	metrics_one(m, "linkwatch_ingest_refused_total", "counter",
	    "Batches and sessions turned away, as far as the journal tells.", (double)c.refused);
	metrics_family(m, "linkwatch_agents", "gauge", "Agents of the plan.");
	metrics_add(m, connected, "state", "connected", NULL);
	metrics_add(m, (double)n - connected, "state", "away", NULL);
}

static void
add_store(struct metrics *m, const struct web *w)
{
	static const struct { const char *figure, *name, *type, *help; } rows[] = {
		{ "series", "linkwatch_store_series", "gauge", "RRD files that the store keeps." },
		{ "rows", "linkwatch_store_rows_total", "counter", "Rows given to RRD files." },
		{ "writes", "linkwatch_store_writes_total", "counter", "Calls that wrote them." },
		{ "late", "linkwatch_store_late_rows_total", "counter", "Rows that came too late for RRD." },
		{ "repeats", "linkwatch_store_repeated_rows_total", "counter", "Rows that stood there already." },
		{ "odd", "linkwatch_store_odd_rows_total", "counter", "Rows that fit no step." },
		{ "aside", "linkwatch_store_damaged_files_total", "counter", "Files set aside." },
		{ "failures", "linkwatch_store_failures_total", "counter", "Writes that failed." },
		{ "rebuilding", "linkwatch_store_rebuilding", "gauge", "Files being made anew." },
	};

	metrics_one(m, "linkwatch_store_up", "gauge", "1 if the store answers.", store_answers(w->store));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		metrics_one(m, rows[i].name, rows[i].type, rows[i].help,
		    store_figure(w->store, rows[i].figure));
}

/* Each number of an object as a sample with its key as label. */
static void
add_numbers(struct metrics *m, const json_t *o, const char *label)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, key, v)
		if (json_is_number(v))
			metrics_add(m, json_number_value(v), label, key, NULL);
}

static void
add_alertd(struct metrics *m, const struct web *w)
{
	json_t *status = alertd_status(w->alertd), *lag;

	metrics_one(m, "linkwatch_alertd_up", "gauge", "1 if alertd answers.", alertd_is_up(w->alertd));
	if (status == NULL)
		return;
	lag = json_object_get(json_object_get(status, "feed"), "lag_s");
	metrics_one(m, "linkwatch_alertd_feed_lag_seconds", "gauge", "How far alertd is behind the journal.",
	    json_is_number(lag) ? json_number_value(lag) : NAN);
	metrics_family(m, "linkwatch_links", "gauge", "Links by the state that alertd finds.");
	add_numbers(m, json_object_get(status, "links"), "state");
	metrics_family(m, "linkwatch_incidents", "gauge", "Incidents that are not closed, by state.");
	add_numbers(m, json_object_get(status, "incidents"), "state");
	metrics_family(m, "linkwatch_alertd_messages", "gauge", "Messages of the outbox by what became of them.");
	add_numbers(m, json_object_get(status, "outbox"), "state");
}

static void
add_web(struct metrics *m, const struct web *w)
{
	static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
	struct http_server_stat s;

	http_server_stat(w->server, &s);
	metrics_one(m, "linkwatch_web_connections", "gauge", "Connections now.", s.conns);
	metrics_one(m, "linkwatch_web_connections_total", "counter", "Connections since the start.",
	    (double)s.accepted);
	metrics_family(m, "linkwatch_web_refused_connections_total", "counter",
	    "Connections closed by us: the cap of all or of one address, or a deadline.");
	metrics_add(m, (double)s.over_cap, "reason", "cap", NULL);
	metrics_add(m, (double)s.over_address, "reason", "address", NULL);
	metrics_add(m, (double)s.late, "reason", "deadline", NULL);
	metrics_family(m, "linkwatch_web_answers_total", "counter", "Answers by class of status.");
	for (size_t i = 2; i < sizeof classes / sizeof *classes; i++)
		metrics_add(m, (double)w->answers[i], "class", classes[i], NULL);
	metrics_one(m, "linkwatch_web_sessions", "gauge", "People logged in.",
	    (double)sessions_count(w->sessions));
	metrics_one(m, "linkwatch_web_streams", "gauge", "Open pages that are kept up to date.",
	    (double)sse_count(w->sse));
	metrics_one(m, "linkwatch_web_failed_logins_total", "counter", "Log-ins with a wrong password.",
	    (double)w->failed_logins);
	metrics_family(m, "linkwatch_web_refused_tokens_total", "counter", "Requests whose token was refused.");
	metrics_add(m, (double)w->refused_tokens, "reason", "unknown", NULL);
	metrics_add(m, (double)w->busy_tokens, "reason", "rate", NULL);
	metrics_one(m, "linkwatch_web_requests_waiting", "gauge", "Requests without an answer yet.",
	    (double)w->pending_n);
	metrics_one(m, "linkwatch_web_graph_workers", "gauge", "Processes that draw graphs.",
	    (double)w->conf->web.graph_workers);
}

static void
add_links(struct metrics *m, const struct web *w)
{
	static const char *const states[] = { "up", "degraded", "down", "planned", "not-observed" };
	size_t n;
	struct live_link *v = live_links(w->live, &n);

	metrics_family(m, "linkwatch_link_state", "gauge", "1 for the state that the link is in, 0 for the others.");
	for (size_t i = 0; i < n; i++) {
		const Linkwatch__Pb__Link *c = v[i].conf;
		const char *is = json_string_value(json_object_get(alertd_link(w->alertd, v[i].key), "state"));

		for (size_t k = 0; is != NULL && k < sizeof states / sizeof *states; k++)
			metrics_add(m, strcmp(states[k], is) == 0, "agent", c->agent, "link", c->id,
			    "vendor", c->vendor, "class", link_class_name(c->class_), "state", states[k],
			    NULL);
	}
	metrics_family(m, "linkwatch_link_loss_ratio", "gauge", "Loss of a minute or three steps.");
	for (size_t i = 0; i < n; i++)
		metrics_add(m, live_loss(&v[i]), "agent", v[i].conf->agent, "link", v[i].conf->id, NULL);
	metrics_family(m, "linkwatch_link_rtt_seconds", "gauge", "Median RTT of the last step.");
	for (size_t i = 0; i < n; i++)
		metrics_add(m, v[i].rtt.p50 / 1e9, "agent", v[i].conf->agent, "link", v[i].conf->id, NULL);
	metrics_family(m, "linkwatch_link_info", "gauge", "The names of a link.");
	for (size_t i = 0; i < n; i++)
		metrics_add(m, 1, "agent", v[i].conf->agent, "link", v[i].conf->id, "name_zh",
		    v[i].conf->name_zh, "name_en", v[i].conf->name_en, "target", v[i].conf->target, NULL);
}

void
web_metrics(struct web_req *q)
{
	struct metrics m = { .out = evbuffer_new() };
	const struct web *w = q->web;

	add_process(&m);
	add_journal(&m, w);
	add_ingest(&m, w);
	add_store(&m, w);
	add_alertd(&m, w);
	add_web(&m, w);
	if (w->conf->web.metrics_links)
		add_links(&m, w);
	web_answer(q, 200, METRICS_TYPE, evbuffer_pullup(m.out, -1), evbuffer_get_length(m.out));
	evbuffer_free(m.out);
}
