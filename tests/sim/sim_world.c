/*
 * sim_world.c - time, chance and processes (see sim_world.h).
 */
#include "tests/sim/sim_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/sim/sim_net.h"

struct sim_event {
	int64_t at;
	uint64_t serial;		/* equal times: first come, first served */
	struct proc *proc;
	uint64_t life;
	void (*fn)(void *arg);
	void *arg;
};

struct world_block {
	struct world_block *next;
	max_align_t data[];
};

void *
world_alloc(struct world *w, size_t n)
{
	struct world_block *b = xcalloc(1, sizeof *b + n);

	b->next = w->blocks;
	w->blocks = b;
	return b->data;
}

void
world_init(struct world *w, uint64_t seed, const char *bug, bool verbose)
{
	memset(w, 0, sizeof *w);
	w->verbose = verbose;
	w->seed = seed;
	w->rng = rng_seeded(&w->rng_seed, seed);
	w->bug = bug;
	w->net = net_new(w);
}

void
world_fini(struct world *w)
{
	struct world_block *b;

	net_free(w->net);
	free(w->heap);
	while ((b = w->blocks) != NULL) {
		w->blocks = b->next;
		free(b);
	}
}

void
world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof w->why, fmt, ap);
	va_end(ap);
}

void
world_trace(const struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->verbose)
		return;
	fprintf(stderr, "%10.3f ", (double)w->now / 1e9);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

bool
world_has_bug(const struct world *w, const char *name)
{
	return strcmp(w->bug, name) == 0;
}

int64_t
world_between(struct world *w, int64_t a, int64_t b)
{
	return a + (int64_t)rng_below(w->rng, (uint64_t)(b - a) + 1);
}

bool
world_chance(struct world *w, double p)
{
	return rng_double(w->rng) < p;
}

/* --------------------------------------------------------------- the events */

static bool
earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void
swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event t = *a;

	*a = *b;
	*b = t;
}

void
world_after(struct world *w, int64_t delay_ns, struct proc *p, void (*fn)(void *arg), void *arg)
{
	size_t i = w->events;

	if (w->events == w->cap) {
		w->cap = w->cap * 2 + 64;
		w->heap = xreallocarray(w->heap, w->cap, sizeof *w->heap);
	}
	w->heap[w->events++] = (struct sim_event){.at = w->now + (delay_ns > 0 ? delay_ns : 0),
	    .serial = w->serial++,
	    .proc = p,
	    .life = p != NULL ? p->life : 0,
	    .fn = fn,
	    .arg = arg};
	for (; i > 0 && earlier(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct sim_event
take_first(struct world *w)
{
	struct sim_event first = w->heap[0];
	size_t i = 0;

	w->heap[0] = w->heap[--w->events];
	for (;;) {
		size_t l = 2 * i + 1, r = l + 1, least = i;

		if (l < w->events && earlier(&w->heap[l], &w->heap[least]))
			least = l;
		if (r < w->events && earlier(&w->heap[r], &w->heap[least]))
			least = r;
		if (least == i)
			return first;
		swap(&w->heap[i], &w->heap[least]);
		i = least;
	}
}

bool
world_step(struct world *w, int64_t until)
{
	struct sim_event e;

	if (w->failed || w->events == 0 || w->heap[0].at > until)
		return false;
	e = take_first(w);
	w->now = e.at;
	w->steps++;
	if (e.proc == NULL || (e.proc->up && e.proc->life == e.life))
		e.fn(e.arg);
	for (struct proc *p = w->procs; p != NULL; p = p->next)
		if (p->up && sim_disk_is_dead(p->view))
			proc_kill(p, world_chance(w, 0.5), 5);
	return !w->failed;
}

/* ------------------------------------------------------------- the processes */

static struct mono
proc_mono(const struct clock *c)
{
	const struct proc *p = (const struct proc *)c;

	return (struct mono){ p->world->now + NS_PER_S };
}

static struct wall
proc_wall(const struct clock *c)
{
	const struct proc *p = (const struct proc *)c;

	return (struct wall){ SIM_EPOCH + p->world->now + p->wall_offset };
}

void
proc_init(struct proc *p, struct world *w, const char *name, const struct proc_ops *ops)
{
	p->clock = (struct clock){ .mono = proc_mono, .wall = proc_wall };
	p->world = w;
	p->ops = ops;
	snprintf(p->name, sizeof p->name, "%s", name);
	p->platter = sim_platter_new(rng_u64(w->rng));
	p->next = w->procs;
	w->procs = p;
}

void
proc_start(struct proc *p)
{
	if (p->up)
		return;
	p->life++;
	p->up = true;
	p->view = sim_disk_view(p->platter);
	p->ops->start(p);
}

static void
end_life(struct proc *p)
{
	p->life++;
	p->up = false;
	sim_disk_kill(p->view);
	net_proc_gone(p->world->net, p);
	p->ops->gone(p);
	p->view->ops->close(p->view);
	p->view = NULL;
}

static void
restart(void *arg)
{
	proc_start(arg);
}

static void
restart_later(struct proc *p, double pause_s)
{
	world_after(p->world, world_between(p->world, NS_PER_S / 10,
	    (int64_t)(pause_s * (double)NS_PER_S) + NS_PER_S / 10), NULL, restart, p);
}

void
proc_stop(struct proc *p, double pause_s)
{
	if (!p->up || p->ops->stop == NULL)
		return;
	world_trace(p->world, "%s: stops", p->name);
	p->ops->stop(p);
	end_life(p);
	restart_later(p, pause_s);
}

void
proc_kill(struct proc *p, bool power, double pause_s)
{
	if (!p->up)
		return;
	p->kills++;
	world_trace(p->world, "%s: %s", p->name, power ? "power cut" : "killed");
	end_life(p);
	if (power) {
		p->cuts++;
		sim_platter_cut(p->platter);
	}
	restart_later(p, pause_s);
}

void
proc_fini(struct proc *p)
{
	if (p->up)
		end_life(p);
	sim_platter_free(p->platter);
}

bool
proc_acts(const struct proc *p)
{
	return p->up && !sim_disk_is_dead(p->view);
}
