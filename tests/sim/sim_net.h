/*
 * sim_net.h - a network that delays and cuts: the simulated side of conn.h.
 *
 * A connection carries frames in order, each as late as chance wills, at a
 * bounded rate.  It can be cut at any moment: what is under way is lost, and
 * each side hears of it in its own time.  A side that was killed says nothing
 * any more.  A tap sees every frame when it is sent.
 */
#pragma once

#include "common/conn.h"
#include "tests/sim/sim_world.h"

struct net;

/* A server as the world knows it: who, and where its events go while it is up. */
struct net_server {
	struct proc *proc;
	struct identity identity;
	const struct conn_handler *handler;
	void *arg;			/* NULL: it does not listen now */
};

struct net_stat { uint64_t frames, lost, connects, cuts; };

struct net *net_new(struct world *);
void net_free(struct net *);
/* from: who sends; the id is that of the client of the connection. */
void net_tap(struct net *, void (*tap)(void *arg, struct proc *from, const struct identity *client,
    uint8_t type, const uint8_t *payload, size_t len), void *arg);
/* As tls_connect(). */
int net_connect(struct net *, struct proc *client, const struct identity *who,
    struct net_server *server, const struct conn_handler *h, void *arg, struct conn **out);
/* Cuts the connections of p (a client), for as long as `blocked_ns` nothing of it gets through. */
void net_cut(struct net *, struct proc *p, int64_t blocked_ns);
/* Every connection from now on: latency and rate (bytes a second). */
void net_quality(struct net *, int64_t latency_max_ns, int64_t rate);
void net_proc_gone(struct net *, struct proc *p);
void net_stat(const struct net *, struct net_stat *);
