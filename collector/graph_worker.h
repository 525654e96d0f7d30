/*
 * graph_worker.h - a warm process that draws, and the pool that feeds several.
 *
 * The pool starts workers by fork and exec of this program (`--role graph`)
 * with one end of a socket pair as their standard input.  One request is under
 * way in each; a worker that has not answered within GRAPH_DEADLINE_MS is
 * killed and replaced, and that request fails with -ETIME.  Beyond
 * GRAPH_QUEUE_MAX waiting requests new ones are refused.
 *
 * On the socket, both ways: u32 length of what follows (native order), then
 *   request   u32 argc, then argc strings each with its NUL
 *             ("graph", ...: as rrd_graph_v; "fetch", FILE, CF, FROM, TO, RESOLUTION:
 *             rows as JSON, {"from","to","step","ds":[NAME...],"rows":[[NUMBER|null...]...]})
 *   answer    u32 status (0 good, 1 failed), i64 from, to (s), u32 left, top,
 *             width, height of the canvas in the image, then PNG, JSON or the error text
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/graph.h"

#define GRAPH_DEADLINE_MS 5000
#define GRAPH_QUEUE_MAX 64
#define GRAPH_ANSWER_MAX (8 * 1024 * 1024)

/* The worker: serves fd 0 until it closes.  Returns the exit status. */
int graph_worker_main(void);
/* Does nothing; who calls it has the writer of PNG of graph_png.c in the program. */
void graph_png_use(void);

struct graph_image {
	/* 0 or -ETIME, -EBUSY (waited in vain), -EIO (the worker died), -ENODATA (librrd said no) */
	int error;
	const char *why;		/* one line; NULL when good */
	const uint8_t *png;		/* or JSON; borrowed during the callback */
	size_t len;
	int64_t from, to;
	uint32_t left, top, width, height;
};

struct event_base;
struct graph_pool;

/* program: path to exec, or NULL for the running one.  workers: 1..16. */
struct graph_pool *graph_pool_new(struct event_base *, const char *program, unsigned workers);
/* Kills and reaps the workers; requests under way are dropped without a callback. */
void graph_pool_free(struct graph_pool *);
/*
 * Draws; done() is called once, from the loop.  The arguments are taken over
 * (freed by the pool).  Returns a ticket for graph_pool_cancel(); 0: the
 * queue is full and done() will not be called.
 */
uint64_t graph_pool_draw(struct graph_pool *, struct graph_args *args,
    void (*done)(void *arg, const struct graph_image *), void *arg);
/* done() will not be called any more for this ticket. */
void graph_pool_cancel(struct graph_pool *, uint64_t ticket);
