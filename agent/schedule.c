/*
 * schedule.c - steps, slots and phases on a heap (pure).
 */
#include "agent/schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "common/mem.h"

#define STEER 200			/* a step gives way by 1/200 at most */
#define SNAP_NS NS_PER_MS		/* so near a multiple is on it */
#define LATE_MIN_NS (5 * NS_PER_MS)
#define LATE_MAX_NS (100 * NS_PER_MS)

struct schedule {
	struct schedule_entry **heap;
	size_t n, cap;
};

struct schedule *
schedule_new(void)
{
	return xcalloc(1, sizeof(struct schedule));
}

void
schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	free(s->heap);
	free(s);
}

static void
put(struct schedule *s, size_t pos, struct schedule_entry *e)
{
	s->heap[pos] = e;
	e->pos = pos;
}

static void
sift_up(struct schedule *s, size_t pos)
{
	struct schedule_entry *e = s->heap[pos];

	while (pos > 0 && s->heap[(pos - 1) / 2]->due_ns > e->due_ns) {
		put(s, pos, s->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	put(s, pos, e);
}

static void
sift_down(struct schedule *s, size_t pos)
{
	struct schedule_entry *e = s->heap[pos];

	for (;;) {
		size_t child = 2 * pos + 1;

		if (child >= s->n)
			break;
		if (child + 1 < s->n && s->heap[child + 1]->due_ns < s->heap[child]->due_ns)
			child++;
		if (s->heap[child]->due_ns >= e->due_ns)
			break;
		put(s, pos, s->heap[child]);
		pos = child;
	}
	put(s, pos, e);
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

static void
reckon_due(struct schedule_entry *e)
{
	e->due_ns = send_ns(e);
	if (e->closings > 0 && e->close_ns[0] < e->due_ns)
		e->due_ns = e->close_ns[0];
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
	reckon_due(e);
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 64;
		s->heap = xreallocarray(s->heap, s->cap, sizeof(struct schedule_entry *));
	}
	put(s, s->n++, e);
	sift_up(s, e->pos);
}

void
schedule_remove(struct schedule *s, struct schedule_entry *e)
{
	size_t pos = e->pos;
	struct schedule_entry *last;

	assert(pos < s->n && s->heap[pos] == e);
	last = s->heap[--s->n];
	if (last == e)
		return;
	put(s, pos, last);
	sift_up(s, pos);
	sift_down(s, last->pos);
}

static void
request_out(struct schedule_entry *e, int64_t wall_ns)
{
	if (++e->next < e->count)
		return;
	assert(e->closings < 2);
	e->closing[e->closings] = e->step;
	e->close_ns[e->closings++] = e->start_ns + e->phase_ns +
	    (int64_t)(e->count - 1) * e->slot_ns + e->timeout_ns;
	advance(e, wall_ns);
}

static void
take_close(struct schedule_entry *e, struct schedule_action *out)
{
	out->what = SCHEDULE_CLOSE;
	out->step = e->closing[0];
	e->closing[0] = e->closing[1];
	e->close_ns[0] = e->close_ns[1];
	e->closings--;
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
schedule_next(struct schedule *s, struct mono now, int64_t wall_ns, struct schedule_action *out)
{
	struct schedule_entry *e;
	bool missed;

	if (s->n == 0 || s->heap[0]->due_ns > now.ns)
		return false;
	e = s->heap[0];
	missed = e->next == 0 && now.ns - e->start_ns >= e->step_ns + e->phase_ns;
	*out = (struct schedule_action){ .entry = e, .late_ns = now.ns - e->due_ns };
	/* samples of a link come in order: what was missed only after what is still open */
	if (e->closings > 0 && (missed || e->close_ns[0] <= send_ns(e))) {
		take_close(e, out);
	} else if (missed) {
		take_missed(e, now.ns, wall_ns, out);
	} else {
		out->what = out->late_ns >= e->slot_ns ? SCHEDULE_SKIP : SCHEDULE_SEND;
		out->step = e->step;
		out->packet = e->next;
		out->start_wall_ns = wall_start(e, wall_ns);
		request_out(e, wall_ns);
	}
	reckon_due(e);
	sift_down(s, 0);
	return true;
}

struct mono
schedule_due(const struct schedule *s)
{
	return (struct mono){ s->n > 0 ? s->heap[0]->due_ns : INT64_MAX };
}

int64_t
schedule_tolerance(const struct schedule_entry *e)
{
	int64_t t = e->slot_ns / 4;

	return t < LATE_MIN_NS ? LATE_MIN_NS : t > LATE_MAX_NS ? LATE_MAX_NS : t;
}
