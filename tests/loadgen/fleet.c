/*
 * fleet.c - all agents of a load together: when they come, go and end (see fleet.h).
 */
#include "tests/loadgen/fleet.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/batch.h"
#include "common/mem.h"

#define TICK_MS 20
#define PING_S 25			/* a collector ends who says nothing for 90 s */
#define LAST_ACKS_NS (10 * NS_PER_S)	/* that the last acks may take */
#define SETTLE_NS (NS_PER_S / 2)	/* between two storms */

bool
fleet_spend(struct fleet *f, uint32_t samples)
{
	struct mono now;

	if (f->o.rate == 0)
		return true;
	now = clock_mono(f->clock);
	f->credit += (double)(now.ns - f->credit_at.ns) / 1e9 * (double)f->o.rate;
	f->credit_at = now;
	if (f->credit > (double)f->o.rate / 10)
		f->credit = (double)f->o.rate / 10;
	if (f->credit < (double)samples && f->credit < (double)f->o.rate / 20)
		return false;
	f->credit -= (double)samples;
	return true;
}

static uint32_t
behaving(const struct fleet *f)
{
	return f->n - (f->o.misbehaviour != NULL ? f->o.bad : 0);
}

void
fleet_up(struct fleet *f)
{
	struct mono now = clock_mono(f->clock);

	if (++f->up < behaving(f) || f->settled)
		return;
	f->settled = true;
	report_event(f, f->storm_began.ns != 0 ? "storm" : "up",
	    (double)(now.ns - (f->storm_began.ns != 0 ? f->storm_began.ns : f->began.ns)) / 1e9);
	f->storm_began = now;
}

void
fleet_down(struct fleet *f)
{
	f->up--;
}

/* All leave and come back at once. */
static void
storm(struct fleet *f)
{
	f->settled = false;
	f->storm_began = clock_mono(f->clock);
	for (uint32_t i = 0; i < behaving(f); i++)
		agent_leave(&f->agent[i]);
	for (uint32_t i = 0; i < behaving(f); i++)
		agent_connect(&f->agent[i]);
}

static void
stop(struct fleet *f)
{
	if (f->stopping)
		return;
	f->stopping = true;
	f->stop_at = clock_mono(f->clock);
}

/* Is everything acknowledged that was to be? */
static bool
is_done(const struct fleet *f)
{
	for (uint32_t i = 0; i < behaving(f); i++) {
		const struct load_agent *a = &f->agent[i];

		if (a->acked < (f->stopping ? a->sent_max : a->end))
			return false;
	}
	return true;
}

static void
connect_some(struct fleet *f, struct mono now)
{
	uint64_t due = f->n;

	if (f->o.connects > 0)
		due = (uint64_t)(now.ns - f->began.ns) * f->o.connects / (uint64_t)NS_PER_S + 1;
	while (f->connected < f->n && f->connected < due)
		agent_connect(&f->agent[f->connected++]);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct fleet *f = arg;
	struct mono now = clock_mono(f->clock);

	(void)fd, (void)what;
	if (!f->stopping)
		connect_some(f, now);
	if (f->settled && f->storms < f->o.storms && now.ns - f->storm_began.ns > SETTLE_NS) {
		f->storms++;
		storm(f);
	}
	if (f->o.duration_ns > 0 && now.ns - f->began.ns >= f->o.duration_ns)
		stop(f);
	if (!f->o.live && !f->o.control && f->o.duration_ns == 0 && f->settled && f->storms >= f->o.storms &&
	    is_done(f))
		stop(f);
	if (f->stopping && (is_done(f) || now.ns - f->stop_at.ns > LAST_ACKS_NS))
		event_base_loopbreak(f->base);
}

static void
on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	struct fleet *f = arg;

	(void)fd, (void)what;
	for (uint32_t i = 0; i < behaving(f); i++)
		if (f->agent[i].state == AGENT_UP)
			agent_ping(&f->agent[i]);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	stop(arg);
}

/* A line on stdin: storm, stat or stop. */
static void
on_line(evutil_socket_t fd, short what, void *arg)
{
	struct fleet *f = arg;
	char line[256];
	ssize_t n = read(fd, line, sizeof line - 1);

	(void)what;
	if (n <= 0) {
		event_del(f->line);
		stop(f);
		return;
	}
	line[n] = '\0';
	for (char *word = strtok(line, " \r\n"); word != NULL; word = strtok(NULL, " \r\n")) {
		if (strcmp(word, "storm") == 0)
			storm(f);
		else if (strcmp(word, "stat") == 0)
			report_event(f, "stat", (double)(clock_mono(f->clock).ns - f->began.ns) / 1e9);
		else if (strcmp(word, "stop") == 0)
			stop(f);
		else
			fprintf(stderr, "linkwatch-loadgen: '%s' is none of storm, stat, stop\n", word);
	}
}

/* --------------------------------------------------------------- begin and end */

static void
begin(struct fleet *f)
{
	static const struct timeval tick = { .tv_usec = TICK_MS * 1000 }, ping = { .tv_sec = PING_S };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	f->base = event_base_new();
	f->bb = batch_builder_new();
	f->agent = xcalloc(f->n, sizeof *f->agent);
	for (uint32_t i = 0; i < f->n; i++)
		agent_init(&f->agent[i], f, i);
	f->tick = event_new(f->base, -1, EV_PERSIST, on_tick, f);
	f->housekeeping = event_new(f->base, -1, EV_PERSIST, on_housekeeping, f);
	f->line = event_new(f->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_line, f);
	f->term = evsignal_new(f->base, SIGTERM, on_signal, f);
	f->intr = evsignal_new(f->base, SIGINT, on_signal, f);
	event_add(f->tick, &tick);
	event_add(f->housekeeping, &ping);
	event_add(f->term, NULL);
	event_add(f->intr, NULL);
	if (f->o.control)
		event_add(f->line, NULL);
}

static void
end(struct fleet *f)
{
	struct event *ev[] = { f->tick, f->housekeeping, f->line, f->term, f->intr };

	for (uint32_t i = 0; i < f->n; i++)
		agent_leave(&f->agent[i]);
	for (uint32_t i = 0; i < f->n; i++)
		agent_fini(&f->agent[i]);
	for (size_t i = 0; i < sizeof ev / sizeof ev[0]; i++)
		event_free(ev[i]);
	batch_builder_free(f->bb);
	free(f->agent);
}

int
fleet_run(const struct site *site, const struct fleet_opts *o)
{
	struct fleet f = { .site = site, .o = *o, .clock = clock_real() };
	char why[256];

	f.n = o->agents > 0 && o->agents < site->shape.agents ? o->agents : site->shape.agents;
	if (f.o.bad > f.n)
		f.o.bad = f.n;
	begin(&f);
	if (o->resume && state_load(&f, why, sizeof why) != 0) {
		fprintf(stderr, "linkwatch-loadgen: %s\n", why);
		f.status = 1;
	} else {
		/* Keys and certificates of 10,000 agents take 20 s to read: before anybody connects, so that no server waits. */
		for (uint32_t i = 0; i < f.n; i++)
			(void)agent_context(&f.agent[i]);
		f.began = f.credit_at = clock_mono(f.clock);
		event_base_dispatch(f.base);
		if (!is_done(&f)) {
			fprintf(stderr, "linkwatch-loadgen: some of what was sent was not acknowledged\n");
			f.status = 1;
		}
		report_print(&f);
		if (state_save(&f, why, sizeof why) != 0) {
			fprintf(stderr, "linkwatch-loadgen: %s\n", why);
			f.status = 1;
		}
	}
	end(&f);
	/* What was said last goes out; a storm's goodbyes end here, too. */
	event_base_loopexit(f.base, &(struct timeval){ .tv_usec = 50000 });
	event_base_dispatch(f.base);
	event_base_free(f.base);
	return f.status;
}
