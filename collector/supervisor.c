/*
 * supervisor.c - fork, exec, listen for heartbeats, restart (see supervisor.h).
 */
#include "collector/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/heartbeat.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define CHILDREN_MAX 4
#define KEPT_ENV "LINKWATCH_KEPT_FD"
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 30000
#define LONG_LIFE_NS (60 * NS_PER_S)
#define FIRST_BEAT_NS (600 * NS_PER_S)	/* recovery of a big journal comes before it */
#define STOP_NS (10 * NS_PER_S)
#define TICK_US 200000

struct child {
	struct supervisor *sup;
	const char *role;
	pid_t pid;			/* 0: not running */
	int pipe;			/* read end of its heartbeat; -1 */
	struct event *beat;		/* owned; NULL while not running */
	struct event *restart;		/* owned */
	struct mono started, beaten;
	bool has_beaten;
	bool is_told;			/* SIGABRT was sent */
	int backoff_ms;
	int last_signal;		/* that ended the one before; 0: none */
};

struct supervisor {
	struct supervisor_opts o;
	struct event_base *base;
	struct child child[CHILDREN_MAX];
	size_t n;
	int kept;			/* the keeper's file; -1: none */
	bool stopping;
	struct mono stop_since;
	struct event *chld, *hup, *term, *intr, *tick;
};

static struct mono
now(void)
{
	return clock_mono(clock_real());
}

/* ---------------------------------------------------------------- one child */

/* In the child, between fork and exec. Does not return. */
static void
child_exec(const struct child *c, int write_end, pid_t parent)
{
	char fd[16], kept[16], sig[16];
	const char *argv[] = { "linkwatch-collector", "-c", c->sup->o.conf_path, "--role", c->role,
		"--after-signal", sig, NULL };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	snprintf(fd, sizeof fd, "%d", write_end);
	snprintf(sig, sizeof sig, "%d", c->last_signal);
	setenv(HEARTBEAT_ENV, fd, 1);
	fcntl(write_end, F_SETFD, 0);
	unsetenv(KEPT_ENV);
	if (c->sup->kept >= 0 && strcmp(c->role, c->sup->o.keeper) == 0) {
		snprintf(kept, sizeof kept, "%d", c->sup->kept);
		setenv(KEPT_ENV, kept, 1);
		fcntl(c->sup->kept, F_SETFD, 0);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	char bytes[256];
	ssize_t r = read(fd, bytes, sizeof bytes);

	(void)what;
	if (r > 0) {
		c->beaten = now();
		c->has_beaten = true;
	} else if (r == 0) {
		event_del(c->beat);	/* it closed its end; SIGCHLD will follow */
	}
}

static void
child_start(struct child *c)
{
	pid_t parent = getpid();
	int fd[2] = { -1, -1 };

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0 || (c->pid = fork()) < 0) {
		log_error("%s: cannot be started: %s", c->role, strerror(errno));
		if (fd[0] >= 0) {
			close(fd[0]);
			close(fd[1]);
		}
		c->pid = 0;
		return;
	}
	if (c->pid == 0)
		child_exec(c, fd[1], parent);
	close(fd[1]);
	c->pipe = fd[0];
	c->started = c->beaten = now();
	c->has_beaten = c->is_told = false;
	c->beat = event_new(c->sup->base, c->pipe, EV_READ | EV_PERSIST, on_beat, c);
	event_add(c->beat, NULL);
	log_notice("%s: started, pid %d", c->role, (int)c->pid);
}

static void
child_restart_later(struct child *c)
{
	struct timeval tv;

	c->backoff_ms = now().ns - c->started.ns > LONG_LIFE_NS || c->backoff_ms == 0 ? BACKOFF_MIN_MS :
	    c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
	tv = (struct timeval){ .tv_sec = c->backoff_ms / 1000, .tv_usec = c->backoff_ms % 1000 * 1000 };
	event_add(c->restart, &tv);
}

static void
on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;

	(void)fd, (void)what;
	if (c->sup->stopping)
		return;
	child_start(c);
	if (c->pid == 0)
		child_restart_later(c);
}

static void
child_ended(struct child *c, int status)
{
	if (c->beat != NULL)
		event_free(c->beat);
	c->beat = NULL;
	close(c->pipe);
	c->pipe = -1;
	c->last_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (WIFSIGNALED(status))
		log_error("%s: pid %d ended by signal %d (%s)", c->role, (int)c->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0 || !c->sup->stopping)
		log_error("%s: pid %d ended with status %d", c->role, (int)c->pid, WEXITSTATUS(status));
	c->pid = 0;
}

/* ----------------------------------------------------------------- all of them */

/* Stops the last that still runs; true: none does. */
static bool
stop_next(struct supervisor *sup)
{
	for (size_t i = sup->n; i > 0; i--) {
		struct child *c = &sup->child[i - 1];

		if (c->pid == 0)
			continue;
		kill(c->pid, SIGTERM);
		sup->stop_since = now();
		return false;
	}
	return true;
}

static void
on_child(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;
	int status;
	pid_t pid;

	(void)fd, (void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < sup->n; i++)
			if (sup->child[i].pid == pid) {
				child_ended(&sup->child[i], status);
				if (!sup->stopping)
					child_restart_later(&sup->child[i]);
			}
	if (sup->stopping && stop_next(sup))
		event_base_loopbreak(sup->base);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;

	(void)fd, (void)what;
	if (sup->stopping)
		return;
	sup->stopping = true;
	log_notice("stopping");
	for (size_t i = 0; i < sup->n; i++)
		event_del(sup->child[i].restart);
	if (stop_next(sup))
		event_base_loopbreak(sup->base);
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < sup->n; i++)
		if (sup->child[i].pid != 0)
			kill(sup->child[i].pid, SIGHUP);
}

/* SIGABRT to one that hangs, so that it can be told from one that was killed; then SIGKILL. */
static void
judge_child(const struct supervisor *sup, struct child *c, struct mono t)
{
	int64_t limit = c->has_beaten ? sup->o.hang_ns : FIRST_BEAT_NS;
	int64_t silent = t.ns - c->beaten.ns;

	if (sup->stopping ? t.ns - sup->stop_since.ns > sup->o.stop_ns : silent > limit + sup->o.stop_ns) {
		log_error("%s: does not end: killed", c->role);
		kill(c->pid, SIGKILL);
	} else if (!sup->stopping && silent > limit && !c->is_told) {
		c->is_told = true;
		log_error("%s: hangs: no heartbeat for %.1f s", c->role, (double)silent / 1e9);
		kill(c->pid, SIGABRT);
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *sup = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < sup->n; i++)
		if (sup->child[i].pid != 0)
			judge_child(sup, &sup->child[i], now());
}

static struct event *
add_signal(struct supervisor *sup, int sig, event_callback_fn fn)
{
	struct event *ev = evsignal_new(sup->base, sig, fn, sup);

	event_add(ev, NULL);
	return ev;
}

int
supervisor_run(const struct supervisor_opts *o)
{
	static const struct timeval tick = { .tv_usec = TICK_US };
	struct supervisor sup = { .o = *o, .base = event_base_new(), .kept = -1 };

	if (sup.o.hang_ns == 0)
		sup.o.hang_ns = HEARTBEAT_LIMIT_S * NS_PER_S;
	if (sup.o.stop_ns == 0)
		sup.o.stop_ns = STOP_NS;
	if (o->keeper != NULL && (sup.kept = memfd_create("kept", MFD_CLOEXEC)) < 0)
		log_warning("%s: no memory that outlives it: %s", o->keeper, strerror(errno));
	sup.chld = add_signal(&sup, SIGCHLD, on_child);
	sup.hup = add_signal(&sup, SIGHUP, on_hup);
	sup.term = add_signal(&sup, SIGTERM, on_stop);
	sup.intr = add_signal(&sup, SIGINT, on_stop);
	sup.tick = event_new(sup.base, -1, EV_PERSIST, on_tick, &sup);
	event_add(sup.tick, &tick);
	for (size_t i = 0; o->role[i] != NULL && i < CHILDREN_MAX; i++) {
		struct child *c = &sup.child[sup.n++];

		*c = (struct child){ .sup = &sup, .role = o->role[i], .pipe = -1 };
		c->restart = evtimer_new(sup.base, on_restart, c);
		child_start(c);
		if (c->pid == 0)
			child_restart_later(c);
	}
	event_base_dispatch(sup.base);
	for (size_t i = 0; i < sup.n; i++)
		event_free(sup.child[i].restart);
	event_free(sup.chld);
	event_free(sup.hup);
	event_free(sup.term);
	event_free(sup.intr);
	event_free(sup.tick);
	event_base_free(sup.base);
	if (sup.kept >= 0)
		close(sup.kept);
	log_notice("stopped");
	return 0;
}

int
supervisor_kept_fd(void)
{
	const char *text = getenv(KEPT_ENV);
	char *end;
	long fd;

	if (text == NULL)
		return -1;
	fd = strtol(text, &end, 10);
	if (*text == '\0' || *end != '\0' || fd < 3 || fd > 1024 || fcntl((int)fd, F_GETFD) < 0)
		return -1;
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}
