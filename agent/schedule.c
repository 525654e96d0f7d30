/*
 * schedule.c - steps, slots and phases on two heaps (pure).
 */
#include "agent/schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "common/mem.h"

#define STEER 200			/* a step gives way by 1/200 at most */
#define SNAP_NS NS_PER_MS		/* so near a multiple is on it */
#define LATE_MIN_NS (10 * NS_PER_MS)
#define LATE_MAX_NS (100 * NS_PER_MS)
#define SKIP_MIN_NS (20 * NS_PER_MS)	/* a little late is not left out, however short the slot */

enum { SEND, CLOSE };

/* Keys stand in the heap: those of a thousand links are in a few cache lines then. */
struct node { int64_t key; struct schedule_entry *entry; };

struct heap {
	int which;			/* SEND, CLOSE: of pos */
	struct node *v;
	size_t n, cap;
};

struct schedule { struct heap heap[2]; };

struct schedule *
schedule_new(void)
{
	struct schedule *s = xcalloc(1, sizeof *s);

	s->heap[CLOSE].which = CLOSE;
	return s;
}

void
schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	free(s->heap[SEND].v);
	free(s->heap[CLOSE].v);
	free(s);
}

static void
put(struct heap *h, size_t pos, struct node node)
{
	h->v[pos] = node;
	node.entry->pos[h->which] = pos;
}

static void
sift_up(struct heap *h, size_t pos)
{
	struct node node = h->v[pos];

	while (pos > 0 && h->v[(pos - 1) / 2].key > node.key) {
		put(h, pos, h->v[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	put(h, pos, node);
}

static void
sift_down(struct heap *h, size_t pos)
{
	struct node node = h->v[pos];

	for (;;) {
		size_t child = 2 * pos + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->v[child + 1].key < h->v[child].key)
			child++;
		if (h->v[child].key >= node.key)
			break;
		put(h, pos, h->v[child]);
		pos = child;
	}
	put(h, pos, node);
}

/* The entry's key has become a later one. */
static void
heap_later(struct heap *h, struct schedule_entry *e, int64_t key)
{
	h->v[e->pos[h->which]].key = key;
	sift_down(h, e->pos[h->which]);
}

static void
heap_add(struct heap *h, struct schedule_entry *e, int64_t key)
{
	if (h->n == h->cap) {
		h->cap = h->cap > 0 ? 2 * h->cap : 64;
		h->v = xreallocarray(h->v, h->cap, sizeof *h->v);
	}
	put(h, h->n++, (struct node){ .key = key, .entry = e });
	sift_up(h, e->pos[h->which]);
}

static void
heap_remove(struct heap *h, struct schedule_entry *e)
{
	size_t pos = e->pos[h->which];
	struct node last;

	assert(pos < h->n && h->v[pos].entry == e);
	last = h->v[--h->n];
	if (last.entry == e)
		return;
	put(h, pos, last);
	sift_up(h, pos);
	sift_down(h, last.entry->pos[h->which]);
}

static int64_t
send_ns(const struct schedule_entry *e)
{
	return e->start_ns + e->phase_ns + (int64_t)e->next * e->slot_ns;
}

/* How far t lies beyond the nearest multiple of step; in (-step/2, step/2]. */
static int64_t
off_multiple(int64_t t, int64_t step)
{
	int64_t off = t % step;

	if (off < 0)
		off += step;
	return off > step / 2 ? off - step : off;
}

static int64_t
wall_start(const struct schedule_entry *e, int64_t wall_ns)
{
	int64_t t = e->start_ns + wall_ns, off = off_multiple(t, e->step_ns);

	return off > -SNAP_NS && off < SNAP_NS ? t - off : t;
}

/* On to the next step, which gives way towards the multiples of wall time. */
static void
advance(struct schedule_entry *e, int64_t wall_ns)
{
	int64_t start = e->start_ns + e->step_ns, most = e->step_ns / STEER;
	int64_t off = off_multiple(start + wall_ns, e->step_ns);

	if (off > most)
		off = most;
	if (off < -most)
		off = -most;
	e->start_ns = start - off;
	e->step++;
	e->next = 0;
}

double
schedule_phase(int64_t slot_ns, uint64_t mpps, int64_t offset_ns, double draw)
{
	static const int64_t grids[] = { 250 * NS_PER_MS, 100 * NS_PER_MS, 50 * NS_PER_MS,
		20 * NS_PER_MS, 10 * NS_PER_MS };
	int64_t most = mpps > 0 ? (int64_t)(SCHEDULE_TOGETHER * 1000 * NS_PER_S / mpps) : INT64_MAX;

	for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
		int64_t grid = grids[i], points = slot_ns / grid;

		if (grid > most || slot_ns % grid != 0 || points < 2)
			continue;
		return (double)((int64_t)(draw * (double)points) * grid + offset_ns % grid) /
		    (double)slot_ns;
	}
	return draw;
}

void
schedule_add(struct schedule *s, struct schedule_entry *e, void *user, int64_t step_ns,
    uint32_t count, int64_t timeout_ns, double phase, struct mono now, int64_t wall_ns)
{
	int64_t into;

	assert(step_ns > 0 && count > 0 && timeout_ns <= step_ns);
	*e = (struct schedule_entry){
		.user = user, .step_ns = step_ns, .slot_ns = step_ns / count,
		.timeout_ns = timeout_ns, .count = count,
	};
	/* a steered step must not begin before the last but one is closed */
	if (e->timeout_ns > step_ns - 2 * (step_ns / STEER))
		e->timeout_ns = step_ns - 2 * (step_ns / STEER);
	e->phase_ns = (int64_t)(phase * (double)e->slot_ns);
	into = (now.ns + wall_ns) % step_ns;
	if (into < 0)
		into += step_ns;
	e->start_ns = now.ns + (into == 0 ? 0 : step_ns - into);
	e->send_ns = send_ns(e);
	heap_add(&s->heap[SEND], e, e->send_ns);
}

void
schedule_remove(struct schedule *s, struct schedule_entry *e)
{
	heap_remove(&s->heap[SEND], e);
	if (e->closings > 0)
		heap_remove(&s->heap[CLOSE], e);
}

static void
request_out(struct schedule *s, struct schedule_entry *e, int64_t wall_ns)
{
	if (++e->next < e->count)
		return;
	assert(e->closings < 2);
	e->closing[e->closings] = e->step;
	e->close_ns[e->closings++] = e->start_ns + e->phase_ns +
	    (int64_t)(e->count - 1) * e->slot_ns + e->timeout_ns;
	if (e->closings == 1)
		heap_add(&s->heap[CLOSE], e, e->close_ns[0]);
	advance(e, wall_ns);
}

static void
take_close(struct schedule *s, struct schedule_entry *e, int64_t now_ns,
    struct schedule_action *out)
{
	*out = (struct schedule_action){ .entry = e, .late_ns = now_ns - e->close_ns[0] };
	out->what = SCHEDULE_CLOSE;
	out->step = e->closing[0];
	e->closing[0] = e->closing[1];
	e->close_ns[0] = e->close_ns[1];
	if (--e->closings > 0)
		heap_later(&s->heap[CLOSE], e, e->close_ns[0]);
	else
		heap_remove(&s->heap[CLOSE], e);
}

/* The step that is about to begin went by already: how it is told. */
static void
take_missed(struct schedule_entry *e, int64_t now_ns, int64_t wall_ns, struct schedule_action *out)
{
	int64_t behind = (now_ns - e->start_ns) / e->step_ns;

	if (behind > SCHEDULE_MISSED_MAX) {
		e->step += (uint64_t)(behind - SCHEDULE_MISSED_MAX);
		e->start_ns += (behind - SCHEDULE_MISSED_MAX) * e->step_ns;
	}
	out->what = SCHEDULE_MISSED;
	out->step = e->step;
	out->start_wall_ns = wall_start(e, wall_ns);
	advance(e, wall_ns);
}

bool
schedule_closes(const struct schedule *s, struct mono now)
{
	return s->heap[CLOSE].n > 0 && s->heap[CLOSE].v[0].key <= now.ns;
}

/* Two steps of a link stand open at most: a third waits, if need be until it is due. */
static bool
may_send(const struct schedule_entry *e, int64_t now_ns, int64_t early_ns)
{
	return e->send_ns <= now_ns + early_ns && (e->closings < 2 || e->next > 0);
}

static bool
is_too_late(const struct schedule_entry *e, int64_t late_ns)
{
	return late_ns >= e->slot_ns && late_ns >= SKIP_MIN_NS;
}

bool
schedule_next(struct schedule *s, struct mono now, int64_t early_ns, int64_t wall_ns,
    struct schedule_action *out)
{
	struct schedule_entry *e;

	/* samples of a link come in order: what was missed only after what is still open */
	if (schedule_closes(s, now)) {
		take_close(s, s->heap[CLOSE].v[0].entry, now.ns, out);
		return true;
	}
	if (s->heap[SEND].n == 0 || !may_send(s->heap[SEND].v[0].entry, now.ns, early_ns))
		return false;
	e = s->heap[SEND].v[0].entry;
	*out = (struct schedule_action){ .entry = e, .late_ns = now.ns - e->send_ns };
	if (e->next == 0 && now.ns - e->start_ns >= e->step_ns + e->phase_ns) {
		take_missed(e, now.ns, wall_ns, out);
	} else {
		out->what = is_too_late(e, out->late_ns) ? SCHEDULE_SKIP : SCHEDULE_SEND;
		out->step = e->step;
		out->packet = e->next;
		out->start_wall_ns = wall_start(e, wall_ns);
		request_out(s, e, wall_ns);
	}
	e->send_ns = send_ns(e);
	heap_later(&s->heap[SEND], e, e->send_ns);
	return true;
}

struct mono
schedule_due(const struct schedule *s)
{
	const struct heap *send = &s->heap[SEND], *close = &s->heap[CLOSE];
	int64_t due = send->n > 0 ? send->v[0].key : INT64_MAX;

	if (close->n > 0 && close->v[0].key + SCHEDULE_CLOSE_SLACK_NS < due)
		due = close->v[0].key + SCHEDULE_CLOSE_SLACK_NS;
	return (struct mono){ due };
}

int64_t
schedule_tolerance(const struct schedule_entry *e)
{
	int64_t t = e->slot_ns / 4;

	return t < LATE_MIN_NS ? LATE_MIN_NS : t > LATE_MAX_NS ? LATE_MAX_NS : t;
}
