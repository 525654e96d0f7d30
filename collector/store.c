/*
 * store.c - the loop of the store process (see store.h).
 *
 * Work is done in slices, so that wishes and signals are heard in between: a
 * slice of the live stream, then, if series are to be rebuilt, one of a pass
 * over the old part of the journal.
 */
#include "collector/store.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/heartbeat.h"
#include "collector/shelf.h"
#include "common/collector_conf.h"
#include "common/disk.h"
#include "common/journal.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"

#define CURSOR "store"
#define POLL_MS 200
#define SLICE_NS (150 * NS_PER_MS)
#define SAVE_NS (15 * NS_PER_S)
#define FLUSH_NS (200 * NS_PER_MS)
#define CLIENTS_MAX 64
#define LINE_MAX_BYTES 256
#define IDLE_S 30

struct client {
	struct store *st;
	struct bufferevent *bev;	/* owned */
};

struct store {
	const struct collector_conf *conf;
	const struct clock *clock;
	struct event_base *base;
	struct disk *disk;
	struct shelf *shelf;
	struct journal_reader *live, *pass;	/* pass: NULL without a rebuild */
	uint64_t live_next, pass_next;	/* first record that each has not read */
	uint64_t saved, syncing;	/* cursor; what it will be when the disk has it */
	struct mono saved_at, flushed_at;
	struct evconnlistener *listener;
	struct event *timer, *term, *intr, *hup;
	struct heartbeat *heartbeat;
	size_t clients;
	char *sock;
	int status;
	bool is_clean;			/* stopped, and all is on disk */
};

/* ------------------------------------------------------------ the journal */

static void
take_record(struct store *st, const struct journal_record *r)
{
	Linkwatch__Pb__Plan *plan;

	if (r->type == JREC_BATCH) {
		shelf_batch(st->shelf, r->seq, r->data, r->len, false);
	} else if (r->type == JREC_PLAN) {
		plan = linkwatch__pb__plan__unpack(NULL, r->len, r->data);
		if (plan == NULL)
			return;
		shelf_plan(st->shelf, plan, true);
		linkwatch__pb__plan__free_unpacked(plan, NULL);
	}
}

/* Reads the live stream for a slice. 1: there is more; 0: at its end; -errno: the journal is damaged. */
static int
read_live(struct store *st)
{
	int64_t until = clock_mono(st->clock).ns + SLICE_NS;
	struct journal_record r;
	int e;

	do {
		e = journal_reader_next(st->live, &r);
		if (e == 1) {
			take_record(st, &r);
			st->live_next = r.seq + 1;
		} else if (e == -ESTALE) {
			if (st->live_next > 1)
				log_error("store: records %" PRIu64 " to %" PRIu64 " went before they were read",
				    st->live_next, r.seq - 1);
			st->live_next = r.seq;
			e = 1;
		}
	} while (e == 1 && clock_mono(st->clock).ns < until);
	if (e < 0)
		log_error("store: journal: %s", e == -EBADMSG ? journal_reader_detail(st->live) : strerror(-e));
	return e;
}

static void
end_pass(struct store *st)
{
	journal_reader_close(st->pass);
	st->pass = NULL;
	shelf_end_pass(st->shelf);
}

/* A slice of rebuilding, up to where the live stream stands. 1: there is more. */
static int
read_pass(struct store *st)
{
	int64_t until = clock_mono(st->clock).ns + SLICE_NS;
	struct journal_record r;
	int e = 1;

	if (st->pass == NULL) {
		if (!shelf_begin_pass(st->shelf))
			return 0;
		if (journal_reader_open(&st->pass, st->disk, 0) != 0) {
			st->pass = NULL;
			return 0;
		}
		st->pass_next = 1;
	}
	while (e == 1 && st->pass_next < st->live_next && clock_mono(st->clock).ns < until) {
		e = journal_reader_next(st->pass, &r);
		if (e == 1 && r.seq < st->live_next) {
			if (r.type == JREC_BATCH)
				shelf_batch(st->shelf, r.seq, r.data, r.len, true);
			st->pass_next = r.seq + 1;
		} else if (e == 1 || e == -ESTALE) {
			st->pass_next = r.seq;
			e = 1;
		}
	}
	if (e < 0)
		log_error("store: rebuild: %s", e == -EBADMSG ? journal_reader_detail(st->pass) : strerror(-e));
	if (e != 1 || st->pass_next >= st->live_next) {
		end_pass(st);
		return 0;
	}
	return 1;
}

/* The record up to which everything is in the files. */
static uint64_t
written_upto(const struct store *st)
{
	uint64_t lowest = shelf_lowest(st->shelf);

	return lowest < st->live_next ? lowest : st->live_next;
}

static void
cursor_is(struct store *st, int r, uint64_t next)
{
	if (r == 0)
		r = journal_cursor_save(st->disk, CURSOR, next);
	if (r == 0)
		st->saved = next;
	else
		log_limited(LOG_WARNING, "cursor", 1, "store: cursor not saved: %s", strerror(-r));
}

/* The cursor never runs ahead of what the files hold on disk: the disk does its part beside the loop. */
static void
save_cursor(struct store *st)
{
	int r = shelf_sync_end(st->shelf);
	uint64_t next;

	if (r == -EINPROGRESS)
		return;
	if (r != -ENOENT)
		cursor_is(st, r, st->syncing);
	if (clock_mono(st->clock).ns - st->saved_at.ns < SAVE_NS)
		return;
	st->saved_at = clock_mono(st->clock);
	next = written_upto(st);
	if (next != st->saved && shelf_sync_begin(st->shelf))
		st->syncing = next;
}

static void
turn(struct store *st)
{
	static const struct timeval soon = { .tv_usec = 1000 }, later = { .tv_usec = POLL_MS * 1000 };
	struct mono now;
	int more = read_live(st);

	if (more < 0) {
		st->status = 1;
		event_base_loopbreak(st->base);
		return;
	}
	if (more == 0)
		more = read_pass(st);
	shelf_backlog(st->shelf, more != 0);
	now = clock_mono(st->clock);
	if (now.ns - st->flushed_at.ns >= FLUSH_NS) {
		st->flushed_at = now;
		shelf_flush(st->shelf);
	}
	save_cursor(st);
	heartbeat_beat(st->heartbeat);
	event_add(st->timer, more != 0 ? &soon : &later);
}

/* -------------------------------------------------------------------- wishes */

static void
answer_stat(struct store *st, struct evbuffer *out)
{
	struct shelf_stat s;

	shelf_stat(st->shelf, &s);
	evbuffer_add_printf(out, "ok next=%" PRIu64 " cursor=%" PRIu64 " series=%" PRIu64 " rows=%" PRIu64
	    " writes=%" PRIu64 " late=%" PRIu64 " repeats=%" PRIu64 " odd=%" PRIu64 " aside=%" PRIu64
	    " failures=%" PRIu64 " rebuilding=%" PRIu64 " made=%" PRIu64 " moved=%" PRIu64 "\n",
	    st->live_next, st->saved, s.series, s.rows, s.writes, s.late, s.repeats, s.odd, s.aside,
	    s.failures, s.waiting, s.made, s.moved);
}

static void
answer_link(struct store *st, struct evbuffer *out, const char *name, bool rebuild)
{
	struct series *s;
	int r = 0;

	read_live(st);
	s = shelf_find(st->shelf, name);
	if (s == NULL) {
		evbuffer_add_printf(out, "error no such link\n");
		return;
	}
	if (rebuild)
		shelf_rebuild(st->shelf, s);
	else
		r = shelf_flush_one(st->shelf, s);
	if (r == 0)
		evbuffer_add_printf(out, "ok\n");
	else
		evbuffer_add_printf(out, "error %s\n", strerror(-r));
}

static void
client_free(struct client *c)
{
	c->st->clients--;
	bufferevent_free(c->bev);
	free(c);
}

static void
client_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev), *out = bufferevent_get_output(bev);
	char *line;
	size_t n;

	while ((line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF)) != NULL) {
		if (strlen(line) != n || n >= LINE_MAX_BYTES)
			evbuffer_add_printf(out, "error bad line\n");
		else if (strncmp(line, "flush ", 6) == 0)
			answer_link(c->st, out, line + 6, false);
		else if (strncmp(line, "rebuild ", 8) == 0)
			answer_link(c->st, out, line + 8, true);
		else if (strcmp(line, "stat") == 0)
			answer_stat(c->st, out);
		else
			evbuffer_add_printf(out, "error unknown wish\n");
		free(line);
		if (evbuffer_get_length(out) > 64 * 1024)
			break;
	}
	if (evbuffer_get_length(in) >= LINE_MAX_BYTES || evbuffer_get_length(out) > 64 * 1024)
		client_free(c);
}

static void
client_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	client_free(arg);
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	static const struct timeval idle = { .tv_sec = IDLE_S };
	struct store *st = arg;
	struct client *c;

	(void)l, (void)sa, (void)len;
	if (st->clients >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->st = st;
	c->bev = bufferevent_socket_new(st->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		close(fd);
		free(c);
		return;
	}
	st->clients++;
	bufferevent_setcb(c->bev, client_read, NULL, client_event, c);
	bufferevent_set_timeouts(c->bev, &idle, &idle);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 2 * LINE_MAX_BYTES);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static int
socket_address(struct sockaddr_un *sa, const char *path)
{
	memset(sa, 0, sizeof *sa);
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof sa->sun_path)
		return -ENAMETOOLONG;
	memcpy(sa->sun_path, path, strlen(path));
	return 0;
}

static int
listen_for_wishes(struct store *st)
{
	struct sockaddr_un sa;
	int r = socket_address(&sa, st->sock);

	if (r != 0)
		return r;
	unlink(st->sock);
	st->listener = evconnlistener_new_bind(st->base, on_accept, st,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, (struct sockaddr *)&sa, sizeof sa);
	if (st->listener == NULL)
		return -errno;
	return chmod(st->sock, 0600) == 0 ? 0 : -errno;
}

/* --------------------------------------------------------- begin and end */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	turn(arg);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct store *st = arg;

	(void)fd, (void)what;
	event_base_loopbreak(st->base);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* The plan that held where the cursor stands: kept beside the files, or else looked for. */
static void
find_plan(struct store *st, uint64_t next)
{
	Linkwatch__Pb__Plan *plan = shelf_saved_plan(st->shelf);
	struct journal_reader *reader;
	struct journal_record r;
	int e;

	if (plan == NULL && next > 1 && journal_reader_open(&reader, st->disk, 0) == 0) {
		while ((e = journal_reader_next(reader, &r)) == 1 || e == -ESTALE) {
			if (e == 1 && r.seq >= next)
				break;
			if (e != 1 || r.type != JREC_PLAN)
				continue;
			if (plan != NULL)
				linkwatch__pb__plan__free_unpacked(plan, NULL);
			plan = linkwatch__pb__plan__unpack(NULL, r.len, r.data);
		}
		journal_reader_close(reader);
	}
	if (plan != NULL) {
		shelf_plan(st->shelf, plan, false);
		linkwatch__pb__plan__free_unpacked(plan, NULL);
	}
}

static uint32_t
whole_s(int64_t ns)
{
	return (uint32_t)(ns / NS_PER_S);
}

static struct series_policy
policy_of(const struct collector_store_conf *c)
{
	struct series_policy p;

	for (size_t i = 0; i < 3; i++) {
		const struct collector_keep_conf *k = &c->keep[i];
		uint32_t *s = p.keep_s[i];

		s[SERIES_DETAIL] = whole_s(k->detail_ns);
		s[SERIES_1M] = whole_s(k->minutes_ns);
		s[SERIES_10M] = whole_s(k->ten_minutes_ns);
		s[SERIES_1H] = whole_s(k->hours_ns);
		s[SERIES_6H] = whole_s(k->six_hours_ns);
	}
	return p;
}

static int
open_shelf(struct store *st, bool crashed, char *why, size_t n)
{
	const struct collector_store_conf *c = &st->conf->store;
	struct series_policy policy = policy_of(c);
	struct shelf_opts o = {
		.policy = &policy, .rows = (size_t)c->rows, .age_ns = c->age_ns, .clock = st->clock,
	};
	char *dir = collector_conf_path(st->conf, "rrd");
	int r;

	o.dir = dir;
	r = mkdir(dir, 0700) != 0 && errno != EEXIST ? -errno : 0;
	if (r != 0)
		snprintf(why, n, "%s: %s", dir, strerror(-r));
	else
		r = shelf_open(&st->shelf, &o, crashed, why, n);
	free(dir);
	return r;
}

static int
open_journal(struct store *st, char *why, size_t n)
{
	char *dir = collector_conf_path(st->conf, "journal");
	uint64_t next = 0;
	int r = disk_open_real(dir, &st->disk);

	if (r != 0) {
		st->disk = NULL;
		snprintf(why, n, "%s: %s", dir, strerror(-r));
		goto out;
	}
	r = journal_cursor_load(st->disk, CURSOR, &next);
	if (r != 0 && r != -ENOENT)
		log_warning("store: cursor unusable (%s): reading the journal from its start", strerror(-r));
	st->saved = next;
	st->live_next = next > 0 ? next : 1;
	r = journal_reader_open(&st->live, st->disk, next);
	if (r != 0)
		snprintf(why, n, "journal: %s", strerror(-r));
	else
		find_plan(st, st->live_next);
out:
	free(dir);
	return r;
}

static int
store_open(struct store *st, bool crashed, char *why, size_t n)
{
	static const struct timeval now = { 0 };
	int r;

	if ((r = open_shelf(st, crashed, why, n)) != 0 || (r = open_journal(st, why, n)) != 0)
		return r;
	st->sock = collector_conf_path(st->conf, "store.sock");
	r = listen_for_wishes(st);
	if (r != 0) {
		snprintf(why, n, "%s: %s", st->sock, strerror(-r));
		return r;
	}
	r = sandbox_drop(st->conf->user, NULL, why, (unsigned)n);
	if (r != 0)
		return r;
	st->timer = evtimer_new(st->base, on_timer, st);
	st->term = evsignal_new(st->base, SIGTERM, on_stop, st);
	st->intr = evsignal_new(st->base, SIGINT, on_stop, st);
	st->hup = evsignal_new(st->base, SIGHUP, on_hup, st);
	event_add(st->term, NULL);
	event_add(st->intr, NULL);
	event_add(st->hup, NULL);
	event_add(st->timer, &now);
	st->heartbeat = heartbeat_new(st->base);
	return 0;
}

static void
beat(void *arg)
{
	heartbeat_beat(((struct store *)arg)->heartbeat);
}

/* Everything that waits goes to the files, the files to the disk, the cursor behind them. */
static void
stop(struct store *st)
{
	uint64_t next;
	int r;

	shelf_flush_all(st->shelf, beat, st);
	next = written_upto(st);
	r = shelf_sync(st->shelf);
	st->is_clean = r == 0;
	if (r != 0 || next != st->saved)
		cursor_is(st, r, next);
	log_notice("store: stopped at record %" PRIu64, st->live_next);
}

static void
store_fini(struct store *st)
{
	struct event *ev[] = { st->timer, st->term, st->intr, st->hup };

	heartbeat_free(st->heartbeat);
	for (size_t i = 0; i < sizeof ev / sizeof ev[0]; i++)
		if (ev[i] != NULL)
			event_free(ev[i]);
	if (st->listener != NULL) {
		evconnlistener_free(st->listener);
		unlink(st->sock);
	}
	free(st->sock);
	journal_reader_close(st->live);
	journal_reader_close(st->pass);
	shelf_close(st->shelf, st->is_clean);
	if (st->disk != NULL)
		st->disk->ops->close(st->disk);
	event_base_free(st->base);
}

int
store_main(const struct collector_conf *conf, bool crashed)
{
	struct store st = { .conf = conf, .clock = clock_real(), .base = event_base_new() };
	char why[256] = "";

	if (store_open(&st, crashed, why, sizeof why) != 0) {
		log_error("store: %s", why);
		st.status = 1;
	} else {
		log_notice("store: reading the journal from record %" PRIu64, st.live_next);
		event_base_dispatch(st.base);
		stop(&st);
	}
	store_fini(&st);
	return st.status;
}

int
store_ask(const struct collector_conf *conf, const char *line, char *answer, unsigned n)
{
	struct timeval limit = { .tv_sec = 10 };
	char *path = collector_conf_path(conf, "store.sock");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	ssize_t got;
	size_t have = 0;
	int r = fd < 0 ? -errno : socket_address(&sa, path);

	if (r != 0)
		goto out;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
	    dprintf(fd, "%s\n", line) < 0) {
		r = -errno;
		goto out;
	}
	while (have + 1 < n && (got = read(fd, answer + have, n - 1 - have)) > 0) {
		have += (size_t)got;
		if (memchr(answer, '\n', have) != NULL)
			break;
	}
	answer[have] = '\0';
	r = have > 0 && answer[have - 1] == '\n' ? 0 : -EIO;
	answer[strcspn(answer, "\n")] = '\0';
out:
	if (fd >= 0)
		close(fd);
	free(path);
	return r;
}
