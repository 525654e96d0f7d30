/*
 * sim_net.c - a network that delays and cuts (see sim_net.h).
 *
 * Pipes live as long as the world: events in flight point to them.
 */
#include "tests/sim/sim_net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/frame.h"
#include "common/mem.h"

#define QUEUE_MAX (4 * 1024 * 1024)
#define HANDSHAKE_NS (10 * NS_PER_S)

struct packet {
	struct packet *next;		/* of those held back */
	struct packet *before, *after;	/* of all there are */
	struct end *to;
	uint8_t type;
	size_t len;
	uint8_t payload[];
};

struct end {
	struct conn conn;		/* first */
	struct pipe *pipe;
	struct proc *proc;
	uint64_t life;			/* of the process that holds this end */
	const struct conn_handler *h;
	void *arg;
	bool opened, closed;		/* closed: no more calls back */
	bool paused;
	struct packet *held, **held_tail;	/* came while paused */
	int64_t departs, arrives;	/* of the last packet sent from here */
};

struct pipe {
	struct end end[2];		/* 0: client, 1: server */
	struct net *net;
	struct identity who, server_id;
	struct net_server *server;
	int64_t latency_max, rate;
	bool cut;
	struct pipe *next;
};

struct net {
	struct world *world;
	struct pipe *pipes;
	struct packet *packets;
	struct blocked { struct proc *proc; int64_t until; } blocked[8];
	int64_t latency_max, rate;
	void (*tap)(void *arg, struct proc *from, const struct identity *client, uint8_t type,
	    const uint8_t *payload, size_t len);
	void *tap_arg;
	struct net_stat stat;
	/*
	 * Pipes come from here.  The product hashes the addresses of connections: they must be
	 * the same each time for a seed to give the same world.
	 */
	uint8_t *arena;
	size_t arena_used;
};

#define ARENA_AT ((void *)0x500000000000)
#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

static struct pipe *
pipe_new(struct net *n)
{
	size_t size = (sizeof(struct pipe) + 63) & ~(size_t)63;
	struct pipe *p = (struct pipe *)(n->arena + n->arena_used);

	if (n->arena_used + size > ARENA_BYTES)
		abort();
	n->arena_used += size;
	p->net = n;
	p->next = n->pipes;
	n->pipes = p;
	return p;
}

struct net *
net_new(struct world *w)
{
	struct net *n = xcalloc(1, sizeof *n);

	n->world = w;
	n->arena = mmap(ARENA_AT, ARENA_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (n->arena != ARENA_AT)
		abort();
	n->latency_max = 20 * NS_PER_MS;
	n->rate = 10 * 1000 * 1000;
	return n;
}

static struct packet *
packet_new(struct net *n, struct end *to, uint8_t type, const void *payload, size_t len)
{
	struct packet *p = xmalloc(sizeof *p + len);

	*p = (struct packet){ .to = to, .type = type, .len = len, .after = n->packets };
	if (len > 0)
		memcpy(p->payload, payload, len);
	if (n->packets != NULL)
		n->packets->before = p;
	n->packets = p;
	return p;
}

static void
packet_free(struct net *n, struct packet *p)
{
	if (p->before != NULL)
		p->before->after = p->after;
	else
		n->packets = p->after;
	if (p->after != NULL)
		p->after->before = p->before;
	free(p);
}

static void
drop_held(struct end *e)
{
	struct packet *p;

	while ((p = e->held) != NULL) {
		e->held = p->next;
		packet_free(e->pipe->net, p);
	}
	e->held_tail = &e->held;
}

void
net_free(struct net *n)
{
	while (n->packets != NULL)
		packet_free(n, n->packets);
	munmap(n->arena, ARENA_BYTES);
	free(n);
}

void
net_tap(struct net *n, void (*tap)(void *arg, struct proc *from, const struct identity *client,
    uint8_t type, const uint8_t *payload, size_t len), void *arg)
{
	n->tap = tap;
	n->tap_arg = arg;
}

void
net_quality(struct net *n, int64_t latency_max_ns, int64_t rate)
{
	n->latency_max = latency_max_ns;
	n->rate = rate;
}

void
net_stat(const struct net *n, struct net_stat *st)
{
	*st = n->stat;
}

static int64_t
blocked_until(const struct net *n, const struct proc *p)
{
	for (size_t i = 0; i < sizeof n->blocked / sizeof n->blocked[0]; i++)
		if (n->blocked[i].proc == p)
			return n->blocked[i].until;
	return 0;
}

static bool
end_is_alive(const struct end *e)
{
	return !e->closed && e->proc->up && e->proc->life == e->life;
}

static struct end *
other(const struct end *e)
{
	return e == &e->pipe->end[0] ? &e->pipe->end[1] : &e->pipe->end[0];
}

/* ------------------------------------------------------------------- the ends */

static void
tell_closed(void *arg)
{
	struct end *e = arg;

	if (!end_is_alive(e) || !proc_acts(e->proc))
		return;
	e->closed = true;
	drop_held(e);
	e->h->closed(e->arg, &e->conn, "simulated: the connection ended");
}

static void
end_soon(struct end *e, int64_t after_ns)
{
	world_after(e->pipe->net->world, after_ns, e->proc, tell_closed, e);
}

static void
hand_over(struct end *e, struct packet *p)
{
	struct net *n = e->pipe->net;

	e->h->frame(e->arg, &e->conn, p->type, p->payload, p->len);
	packet_free(n, p);
}

static void
deliver(void *arg)
{
	struct packet *p = arg;
	struct end *e = p->to;

	if (e->pipe->cut || !end_is_alive(e) || !e->opened || !proc_acts(e->proc)) {
		e->pipe->net->stat.lost++;
		packet_free(e->pipe->net, p);
	} else if (e->paused || e->held != NULL) {
		p->next = NULL;
		*e->held_tail = p;
		e->held_tail = &p->next;
	} else {
		hand_over(e, p);
	}
}

static void
deliver_held(void *arg)
{
	struct end *e = arg;
	struct packet *p;

	while (end_is_alive(e) && proc_acts(e->proc) && !e->paused && (p = e->held) != NULL) {
		e->held = p->next;
		if (e->held == NULL)
			e->held_tail = &e->held;
		hand_over(e, p);
	}
}

static int64_t
delay(struct pipe *p)
{
	return world_between(p->net->world, NS_PER_MS / 10, p->latency_max);
}

static size_t
end_queued(const struct conn *conn)
{
	const struct end *e = (const struct end *)conn;
	int64_t left = e->departs - e->pipe->net->world->now;

	return left > 0 ? (size_t)((double)left / 1e9 * (double)e->pipe->rate) : 0;
}

static int
end_send(struct conn *conn, uint8_t type, const void *payload, size_t len)
{
	struct end *e = (struct end *)conn;
	struct net *n = e->pipe->net;
	struct world *w = n->world;
	struct packet *p;
	int64_t arrives;

	if (len > FRAME_MAX)
		return -EMSGSIZE;
	if (!e->opened)
		return -ENOTCONN;
	if (!proc_acts(e->proc) || e->life != e->proc->life)
		return -EPIPE;
	if (e->closed)
		world_fail(w, "%s sends on a connection that it closed", e->proc->name);
	if (end_queued(conn) > QUEUE_MAX) {
		end_soon(e, 0);
		return -EPIPE;
	}
	if (n->tap != NULL)
		n->tap(n->tap_arg, e->proc, &e->pipe->who, type, payload, len);
	n->stat.frames++;
	p = packet_new(n, other(e), type, payload, len);
	if (e->departs < w->now)
		e->departs = w->now;
	e->departs += (int64_t)((double)(len + FRAME_HEADER) / (double)e->pipe->rate * 1e9);
	arrives = e->departs + delay(e->pipe);
	if (e->arrives < arrives)
		e->arrives = arrives;
	world_after(w, e->arrives - w->now, NULL, deliver, p);
	return 0;
}

static void
end_pause(struct conn *conn, int paused)
{
	struct end *e = (struct end *)conn;

	e->paused = paused != 0;
	if (!e->paused && e->held != NULL)
		world_after(e->pipe->net->world, 0, e->proc, deliver_held, e);
}

static void
end_close(struct conn *conn)
{
	struct end *e = (struct end *)conn;
	struct world *w = e->pipe->net->world;

	if (e->closed)
		return;
	e->closed = true;
	drop_held(e);
	if (!proc_acts(e->proc))
		return;			/* in vain: net_proc_gone() tells the other side */
	end_soon(other(e), (e->arrives > w->now ? e->arrives - w->now : 0) + delay(e->pipe));
}

static const char *
end_address(const struct conn *conn)
{
	(void)conn;
	return "192.0.2.1:4433";
}

static const struct conn_ops end_ops = { .send = end_send, .queued = end_queued,
	.pause = end_pause, .close = end_close, .address = end_address };

/* ----------------------------------------------------------------- connecting */

/* The server's side comes to be. */
static void
arrive(void *arg)
{
	struct pipe *p = arg;
	struct end *s = &p->end[1];

	if (p->cut || p->server->arg == NULL || !proc_acts(p->server->proc)) {
		end_soon(&p->end[0], delay(p));
		return;
	}
	s->proc = p->server->proc;
	s->life = s->proc->life;
	s->h = p->server->handler;
	s->arg = p->server->arg;
	s->opened = true;
	s->closed = false;
	s->h->opened(s->arg, &s->conn, &p->who);
}

static void
client_opened(void *arg)
{
	struct pipe *p = arg;
	struct end *c = &p->end[0];

	if (p->cut || !end_is_alive(c) || !proc_acts(c->proc))
		return;
	if (p->end[1].proc == NULL)
		return;			/* refused: closed() is on its way */
	c->opened = true;
	c->h->opened(c->arg, &c->conn, &p->server_id);
}

int
net_connect(struct net *n, struct proc *client, const struct identity *who,
    struct net_server *server, const struct conn_handler *h, void *arg, struct conn **out)
{
	struct pipe *p = pipe_new(n);
	int64_t there = world_between(n->world, NS_PER_MS, 2 * n->latency_max);

	p->who = *who;
	p->server_id = server->identity;
	p->server = server;
	p->latency_max = n->latency_max;
	p->rate = n->rate;
	n->stat.connects++;
	for (int i = 0; i < 2; i++) {
		p->end[i].conn.ops = &end_ops;
		p->end[i].pipe = p;
		p->end[i].held_tail = &p->end[i].held;
	}
	p->end[0].proc = client;
	p->end[0].life = client->life;
	p->end[0].h = h;
	p->end[0].arg = arg;
	p->end[1].closed = true;
	*out = &p->end[0].conn;
	if (blocked_until(n, client) > n->world->now) {
		p->cut = true;
		end_soon(&p->end[0], HANDSHAKE_NS);
		return 0;
	}
	world_after(n->world, there, NULL, arrive, p);
	world_after(n->world, there + delay(p), client, client_opened, p);
	return 0;
}

/* --------------------------------------------------------------------- faults */

static void
cut_pipe(struct pipe *p, int64_t told_within_ns)
{
	struct world *w = p->net->world;

	if (p->cut)
		return;
	p->cut = true;
	p->net->stat.cuts++;
	for (int i = 0; i < 2; i++)
		if (p->end[i].proc != NULL && end_is_alive(&p->end[i]))
			end_soon(&p->end[i], world_between(w, 0, told_within_ns));
}

void
net_cut(struct net *n, struct proc *proc, int64_t blocked_ns)
{
	for (size_t i = 0; blocked_ns > 0 && i < sizeof n->blocked / sizeof n->blocked[0]; i++) {
		if (n->blocked[i].proc == NULL || n->blocked[i].proc == proc) {
			n->blocked[i].proc = proc;
			n->blocked[i].until = n->world->now + blocked_ns;
			break;
		}
	}
	for (struct pipe *p = n->pipes; p != NULL; p = p->next)
		if (p->end[0].proc == proc)
			cut_pipe(p, world_chance(n->world, 0.2) ? 60 * NS_PER_S : NS_PER_S);
}

void
net_proc_gone(struct net *n, struct proc *proc)
{
	for (struct pipe *p = n->pipes; p != NULL; p = p->next) {
		bool mine = false;

		for (int i = 0; i < 2; i++) {
			if (p->end[i].proc != proc || (p->end[i].closed && p->cut))
				continue;
			mine = true;
			p->end[i].closed = true;
			drop_held(&p->end[i]);
		}
		if (mine)
			cut_pipe(p, world_chance(n->world, 0.1) ? 60 * NS_PER_S : NS_PER_S);
	}
}
