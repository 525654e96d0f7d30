/*
 * detect_loss.c - too many packets lost while there is a path.
 *
 * Two windows, one for each limit, long enough that the limit can be seen at
 * this link's rate (three packets at the limit).  Raised when at least min_lost
 * were lost and the lower bound of the true ratio passes the limit; ended when
 * the window's ratio lies below the limit by the hysteresis, or when so many
 * packets came through without a loss that the limit is refuted (rule of
 * three).  Steps that lost everything wait: if the link turns out to be down
 * they are no loss but an outage, and so are its edges: the step in which it
 * began and the one in which it ended, of which a part was lost.
 */
#include <inttypes.h>
#include <stdio.h>

#include "alertd/detect.h"
#include "alertd/window.h"

struct loss_state {
	struct detect_head head;
	struct window window[2];	/* warning, critical */
	uint32_t pending_sent, pending_steps;	/* of lost steps in a row */
	int64_t pending_ns;
	uint32_t edge_sent, edge_lost;	/* of a lossy step that may be the begin of an outage */
	int64_t edge_ns;
	uint8_t over[2];
};

static void
judge(struct loss_state *l, const struct detect_conf *c, int i)
{
	bool was = l->over[i];
	struct window_sum sum = window_sum(&l->window[i]);
	double limit = c->loss_limit[i];
	double ratio = sum.sent == 0 ? 0 : (double)sum.lost / (double)sum.sent;

	if (limit <= 0)
		l->over[i] = false;
	else if (!l->over[i])
		l->over[i] = sum.lost >= c->loss_min_lost &&
		    ratio_lower(sum.lost, sum.sent, c->loss_z) > limit;
	else
		l->over[i] = ratio > limit * (1 - c->loss_hysteresis) &&
		    (double)window_clean(&l->window[i]) * limit < 3;
	/* What lies before the end must not raise it again. */
	if (was && !l->over[i])
		window_init(&l->window[i], c->loss_span_ns[i]);
}

static void
add(struct loss_state *l, const struct detect_conf *c, int64_t at_ns, uint32_t sent, uint32_t lost)
{
	for (int i = 0; i < 2; i++) {
		if (l->window[i].slot_ns != c->loss_span_ns[i] / WINDOW_SLOTS)
			window_init(&l->window[i], c->loss_span_ns[i]);
		window_add(&l->window[i], at_ns, sent, lost);
	}
}

/* What waited is loss, or, before an outage, none; was there one? */
static bool
settle(struct loss_state *l, const struct detect_conf *c)
{
	bool outage = l->pending_steps >= c->down_after;

	if (!outage && l->edge_sent > 0)
		add(l, c, l->edge_ns, l->edge_sent, l->edge_lost);
	if (!outage && l->pending_steps > 0)
		add(l, c, l->pending_ns, l->pending_sent, l->pending_sent);
	l->pending_steps = l->pending_sent = 0;
	l->edge_sent = l->edge_lost = 0;
	return outage;
}

/* Takes a step into the windows; false: it waits, or is none of ours. */
static bool
take(struct loss_state *l, const struct detect_conf *c, const struct detect_step *d)
{
	if (d->all_lost) {
		if (l->pending_steps++ == 0)
			l->pending_ns = d->start_ns;
		l->pending_sent += d->sent;
		return false;
	}
	if (settle(l, c) && d->lost > 0)
		return false;
	if (d->lost == 0) {
		add(l, c, d->start_ns, d->sent, 0);
		return true;
	}
	if (!d->doubtful) {
		l->edge_ns = d->start_ns;
		l->edge_sent = d->sent;
		l->edge_lost = d->lost;
	}
	return !d->doubtful;
}

static void
loss_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	struct loss_state *l = state;
	bool was = l->head.raised;
	struct window_sum sum;
	int worst;

	if (!take(l, c, d))
		return;
	judge(l, c, 0);
	judge(l, c, 1);
	l->head.raised = l->over[0] || l->over[1];
	worst = l->over[1] ? 1 : 0;
	if (l->head.raised) {
		sum = window_sum(&l->window[worst]);
		l->head.severity = worst == 1 ? SEVERITY_CRITICAL : SEVERITY_MAJOR;
		l->head.figure = sum.sent == 0 ? 0 : (double)sum.lost / (double)sum.sent;
		l->head.limit = c->loss_limit[worst];
		if (!was)
			l->head.start_ns = d->start_ns;
	} else if (was) {
		l->head.end_ns = d->start_ns;
	}
}

static void
loss_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct loss_state *l = state;
	struct window_sum w = window_sum(&l->window[0]), k = window_sum(&l->window[1]);

	snprintf(buf, n, "{\"warning\":{\"lost\":%" PRIu64 ",\"sent\":%" PRIu64
	    ",\"limit\":%g,\"window_s\":%" PRId64 "},\"critical\":{\"lost\":%" PRIu64
	    ",\"sent\":%" PRIu64 ",\"limit\":%g,\"window_s\":%" PRId64 "}}",
	    w.lost, w.sent, c->loss_limit[0], c->loss_span_ns[0] / NS_PER_S,
	    k.lost, k.sent, c->loss_limit[1], c->loss_span_ns[1] / NS_PER_S);
}

const struct detect_ops detect_loss_ops = {
	.keyword = "loss", .kind = ANOMALY_LOSS,
	.probes = 1u << PROBE_ICMP | 1u << PROBE_TCP,
	.state_size = sizeof(struct loss_state), .feed = loss_feed, .evidence = loss_evidence,
};
