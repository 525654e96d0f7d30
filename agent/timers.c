/*
 * timers.c - the heap, whose first element stands at 1.
 */
#include "agent/timers.h"

#include <stdlib.h>

#include "common/mem.h"

void
timers_fini(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){ 0 };
}

static void
put(struct timers *all, size_t pos, struct timer *t)
{
	all->heap[pos] = t;
	t->pos = pos;
}

static void
sift(struct timers *all, struct timer *t)
{
	size_t pos = t->pos, child;

	for (; pos > 1 && all->heap[pos / 2]->due_ns > t->due_ns; pos /= 2)
		put(all, pos, all->heap[pos / 2]);
	for (; (child = 2 * pos) <= all->n; pos = child) {
		if (child < all->n && all->heap[child + 1]->due_ns < all->heap[child]->due_ns)
			child++;
		if (all->heap[child]->due_ns >= t->due_ns)
			break;
		put(all, pos, all->heap[child]);
	}
	put(all, pos, t);
}

static void
take_out(struct timers *all, struct timer *t)
{
	struct timer *last = all->heap[all->n--];

	if (last != t) {
		last->pos = t->pos;
		sift(all, last);
	}
	t->pos = 0;
}

void
timers_set(struct timers *all, struct timer *t, int64_t due_ns)
{
	t->due_ns = due_ns;
	if (due_ns == INT64_MAX) {
		if (t->pos != 0)
			take_out(all, t);
		return;
	}
	if (t->pos == 0) {
		if (all->n + 2 > all->cap) {
			all->cap = all->cap > 0 ? 2 * all->cap : 64;
			all->heap = xreallocarray(all->heap, all->cap, sizeof *all->heap);
		}
		t->pos = ++all->n;
	}
	sift(all, t);
}

struct timer *
timers_first(const struct timers *t)
{
	return t->n > 0 ? t->heap[1] : NULL;
}
