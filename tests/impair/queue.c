/*
 * queue.c - see queue.h.
 */
#include "tests/impair/queue.h"

#include <stdbool.h>

#include "common/mem.h"

static bool
before(const struct flight *a, const struct flight *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

void
queue_push(struct queue *q, struct flight *f)
{
	size_t i = q->n++;

	if (i == q->room) {
		q->room = q->room > 0 ? q->room * 2 : 1024;
		q->v = xreallocarray(q->v, q->room, sizeof q->v[0]);
	}
	f->order = q->order++;
	for (; i > 0 && before(f, q->v[(i - 1) / 2]); i = (i - 1) / 2)
		q->v[i] = q->v[(i - 1) / 2];
	q->v[i] = f;
}

int64_t
queue_next(const struct queue *q)
{
	return q->n > 0 ? q->v[0]->due_ns : INT64_MAX;
}

struct flight *
queue_pop(struct queue *q, int64_t now_ns)
{
	struct flight *top, *last;
	size_t i = 0, child;

	if (queue_next(q) > now_ns)
		return NULL;
	top = q->v[0];
	last = q->v[--q->n];
	while ((child = 2 * i + 1) < q->n) {
		if (child + 1 < q->n && before(q->v[child + 1], q->v[child]))
			child++;
		if (!before(q->v[child], last))
			break;
		q->v[i] = q->v[child];
		i = child;
	}
	if (q->n > 0)
		q->v[i] = last;
	return top;
}
