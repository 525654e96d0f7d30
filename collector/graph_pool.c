/*
 * graph_pool.c - hands drawings to warm worker processes and kills those that hang.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/graph_worker.h"
#include "common/log.h"
#include "common/mem.h"

#define WAIT_MS 10000		/* in the queue, before a request is refused */
#define RESTART_MS 1000		/* after a worker died without ever having answered */
#define ANSWER_HEAD 36		/* behind the length: status .. height */

struct job {
	uint64_t ticket;
	struct graph_args args;
	void (*done)(void *arg, const struct graph_image *);	/* NULL: cancelled */
	void *arg;
	struct event *timer;
	struct graph_pool *pool;
	struct worker *worker;		/* NULL: waits */
	struct job *next;
};

struct worker {
	struct graph_pool *pool;
	struct bufferevent *bev;	/* NULL: not running */
	pid_t pid;
	bool proven;			/* has answered since it was started */
	struct job *job;		/* NULL: idle */
	struct event *restart;
};

struct graph_pool {
	struct event_base *base;
	char *program;
	struct worker *worker;
	unsigned workers;
	struct job *head, **tail;
	size_t waiting;
	uint64_t next_ticket;
	pid_t dying[64];		/* killed, not yet reaped */
	unsigned dying_n;
	struct event *reap;
};

static void dispatch(struct graph_pool *);

static struct timeval
ms_to_timeval(int ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

static void
reap(evutil_socket_t fd, short what, void *arg)
{
	struct graph_pool *p = arg;
	struct timeval again = ms_to_timeval(50);
	unsigned kept = 0;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < p->dying_n; i++)
		if (waitpid(p->dying[i], NULL, WNOHANG) == 0)
			p->dying[kept++] = p->dying[i];
	p->dying_n = kept;
	if (kept > 0)
		evtimer_add(p->reap, &again);
}

static void
worker_stop(struct worker *w)
{
	struct graph_pool *p = w->pool;

	if (w->bev == NULL)
		return;
	bufferevent_free(w->bev);
	w->bev = NULL;
	kill(w->pid, SIGKILL);
	if (p->dying_n == sizeof p->dying / sizeof *p->dying)
		waitpid(w->pid, NULL, 0);
	else
		p->dying[p->dying_n++] = w->pid;
	w->pid = 0;
	reap(-1, 0, p);
}

static void
job_free(struct job *j)
{
	if (j->timer != NULL)
		event_free(j->timer);
	graph_args_free(&j->args);
	free(j);
}

static void
job_finish(struct job *j, const struct graph_image *image)
{
	struct worker *w = j->worker;
	struct graph_pool *p = j->pool;

	if (w != NULL)
		w->job = NULL;
	if (j->done != NULL)
		j->done(j->arg, image);
	job_free(j);
	dispatch(p);
}

static void
job_fail(struct job *j, int error, const char *why)
{
	job_finish(j, &(struct graph_image){ .error = error, .why = why });
}

static void
worker_lost(struct worker *w, int error, const char *why)
{
	struct timeval delay = ms_to_timeval(RESTART_MS);
	struct job *j = w->job;

	worker_stop(w);
	if (!w->proven)
		evtimer_add(w->restart, &delay);
	log_limited(LOG_WARNING, "graph", 10, "graph: %s", why);
	if (j != NULL)
		job_fail(j, error, why);
}

static void
job_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;

	(void)fd;
	(void)what;
	if (j->worker != NULL) {
		worker_lost(j->worker, -ETIME, "a drawing took too long and was ended");
		return;
	}
	for (struct job **at = &j->pool->head; *at != NULL; at = &(*at)->next) {
		if (*at != j)
			continue;
		*at = j->next;
		if (j->pool->tail == &j->next)
			j->pool->tail = at;
		j->pool->waiting--;
		break;
	}
	job_fail(j, -EBUSY, "too many drawings wait");
}

/* Takes the next number out of an answer. */
static void
take(const uint8_t **p, void *to, size_t n)
{
	memcpy(to, *p, n);
	*p += n;
}

static void
answer(struct worker *w, const uint8_t *p, size_t len)
{
	struct graph_image image = { 0 };
	struct job *j = w->job;
	uint32_t status;
	char why[160];

	w->proven = true;
	take(&p, &status, 4);
	take(&p, &image.from, 8);
	take(&p, &image.to, 8);
	take(&p, &image.left, 4);
	take(&p, &image.top, 4);
	take(&p, &image.width, 4);
	take(&p, &image.height, 4);
	image.png = p;
	image.len = len - ANSWER_HEAD;
	if (status != 0) {
		log_escape(why, sizeof why, (const char *)p, image.len);
		image = (struct graph_image){ .error = -ENODATA, .why = why };
	}
	if (j != NULL)
		job_finish(j, &image);
}

static void
worker_read(struct bufferevent *bev, void *arg)
{
	struct worker *w = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	uint32_t len;
	uint8_t *copy;

	if (evbuffer_copyout(in, &len, sizeof len) < (ssize_t)sizeof len)
		return;
	if (len < ANSWER_HEAD || len > GRAPH_ANSWER_MAX) {
		worker_lost(w, -EIO, "a worker gave no sane answer");
		return;
	}
	if (evbuffer_get_length(in) < len + sizeof len)
		return;
	evbuffer_drain(in, sizeof len);
	copy = xmalloc(len);
	evbuffer_remove(in, copy, len);
	answer(w, copy, len);		/* may free the pool's job, never the worker */
	free(copy);
}

static void
worker_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		worker_lost(arg, -EIO, "a worker died while drawing");
}

/* Starts the program with one end of a pair as fd 0. */
static int
worker_spawn(const char *program, int fd, pid_t *pid)
{
	char *argv[] = { (char *)"linkwatch-collector", (char *)"--role", (char *)"graph", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&at);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_adddup2(&fa, fd, STDIN_FILENO);
	rc = posix_spawn(pid, program, &fa, &at, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	return -rc;
}

static int
worker_start(struct worker *w)
{
	struct graph_pool *p = w->pool;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	rc = worker_spawn(p->program, pair[1], &w->pid);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		log_limited(LOG_ERROR, "graph-start", 2, "graph: cannot start a worker: %s", strerror(-rc));
		return rc;
	}
	evutil_make_socket_nonblocking(pair[0]);
	w->bev = bufferevent_socket_new(p->base, pair[0], BEV_OPT_CLOSE_ON_FREE);
	w->proven = false;
	bufferevent_setcb(w->bev, worker_read, NULL, worker_event, w);
	bufferevent_enable(w->bev, EV_READ | EV_WRITE);
	return 0;
}

static void
worker_restart(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	dispatch(w->pool);
}

static void
job_send(struct job *j)
{
	struct evbuffer *out = bufferevent_get_output(j->worker->bev);
	struct timeval deadline = ms_to_timeval(GRAPH_DEADLINE_MS);
	uint32_t argc = (uint32_t)j->args.argc, len = sizeof argc;

	for (int i = 0; i < j->args.argc; i++)
		len += (uint32_t)strlen(j->args.argv[i]) + 1;
	evbuffer_add(out, &len, sizeof len);
	evbuffer_add(out, &argc, sizeof argc);
	for (int i = 0; i < j->args.argc; i++)
		evbuffer_add(out, j->args.argv[i], strlen(j->args.argv[i]) + 1);
	evtimer_add(j->timer, &deadline);
}

/* Gives waiting jobs to idle workers; starts those that are not running. */
static void
dispatch(struct graph_pool *p)
{
	for (unsigned i = 0; i < p->workers && p->head != NULL; i++) {
		struct worker *w = &p->worker[i];
		struct job *j = p->head;
		struct timeval delay = ms_to_timeval(RESTART_MS);

		if (w->job != NULL || evtimer_pending(w->restart, NULL))
			continue;
		if (w->bev == NULL && worker_start(w) != 0) {
			evtimer_add(w->restart, &delay);
			continue;
		}
		p->head = j->next;
		if (p->head == NULL)
			p->tail = &p->head;
		p->waiting--;
		j->next = NULL;
		j->worker = w;
		w->job = j;
		job_send(j);
	}
}

struct graph_pool *
graph_pool_new(struct event_base *base, const char *program, unsigned workers)
{
	struct graph_pool *p = xcalloc(1, sizeof *p);

	p->base = base;
	p->program = xstrdup(program != NULL ? program : "/proc/self/exe");
	p->workers = workers < 1 ? 1 : workers > 16 ? 16 : workers;
	p->worker = xcalloc(p->workers, sizeof *p->worker);
	p->tail = &p->head;
	p->reap = evtimer_new(base, reap, p);
	for (unsigned i = 0; i < p->workers; i++) {
		p->worker[i].pool = p;
		p->worker[i].restart = evtimer_new(base, worker_restart, &p->worker[i]);
		worker_start(&p->worker[i]);
	}
	return p;
}

void
graph_pool_free(struct graph_pool *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->workers; i++) {
		struct worker *w = &p->worker[i];

		if (w->job != NULL)
			job_free(w->job);
		worker_stop(w);
		event_free(w->restart);
	}
	while (p->head != NULL) {
		struct job *j = p->head;

		p->head = j->next;
		job_free(j);
	}
	for (unsigned i = 0; i < p->dying_n; i++)
		waitpid(p->dying[i], NULL, 0);
	event_free(p->reap);
	free(p->worker);
	free(p->program);
	free(p);
}

uint64_t
graph_pool_draw(struct graph_pool *p, struct graph_args *args,
    void (*done)(void *arg, const struct graph_image *), void *arg)
{
	struct timeval wait = ms_to_timeval(WAIT_MS);
	struct job *j;

	if (p->waiting >= GRAPH_QUEUE_MAX) {
		graph_args_free(args);
		return 0;
	}
	j = xcalloc(1, sizeof *j);
	j->ticket = ++p->next_ticket;
	j->args = *args;
	*args = (struct graph_args){ 0 };
	j->done = done;
	j->arg = arg;
	j->pool = p;
	j->timer = evtimer_new(p->base, job_timeout, j);
	evtimer_add(j->timer, &wait);
	*p->tail = j;
	p->tail = &j->next;
	p->waiting++;
	dispatch(p);
	return j->ticket;
}

void
graph_pool_cancel(struct graph_pool *p, uint64_t ticket)
{
	for (unsigned i = 0; i < p->workers; i++)
		if (p->worker[i].job != NULL && p->worker[i].job->ticket == ticket)
			p->worker[i].job->done = NULL;
	for (struct job *j = p->head; j != NULL; j = j->next)
		if (j->ticket == ticket)
			j->done = NULL;
}
