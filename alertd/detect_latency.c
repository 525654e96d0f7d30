/*
 * detect_latency.c - RTT above a fixed limit.
 *
 * A slot is bad when more than `share` of its packets took longer than the
 * limit: with 5 % that says "the 95th percentile is above", exactly and without
 * keeping the values.  Raised when n of the last m slots are bad, ended when n
 * of m keep the limit with hysteresis.
 */
#include <inttypes.h>
#include <stdio.h>

#include "alertd/detect.h"

struct latency_level {
	uint32_t limit_100ns;		/* that the counts were made with */
	uint32_t over, over_clear;	/* packets of this slot */
	struct slots slots;
	uint8_t raised;
};

struct latency_state {
	struct detect_head head;
	struct latency_level level[2];	/* warning, critical */
	uint32_t packets, steps;	/* of this slot */
	uint64_t rtt_sum_100ns;
	double typical_100ns;		/* mean of the last finished slot */
};

static void
level_close(struct latency_level *v, const struct detect_conf *c, int64_t t_ns, uint32_t packets)
{
	double n = packets;

	if (packets > 0)
		slots_close(&v->slots, t_ns, c->rtt_slot_ns, v->over > n * c->rtt_share,
		    v->over_clear <= n * c->rtt_share);
	else
		v->slots.slot = t_ns / c->rtt_slot_ns;
	v->over = v->over_clear = 0;
	if (!v->raised)
		v->raised = slots_are_bad(&v->slots, c->rtt_bad, c->rtt_of);
	else
		v->raised = !slots_are_clean(&v->slots, c->rtt_bad, c->rtt_of) ||
		    slots_are_bad(&v->slots, c->rtt_bad, c->rtt_of);
}

static void
level_add(struct latency_level *v, const struct detect_conf *c, int i, const struct sample *s)
{
	double clear = c->rtt_limit_100ns[i] * (1 - c->rtt_hysteresis);

	if (v->limit_100ns != c->rtt_limit_100ns[i]) {
		bool raised = v->raised && c->rtt_limit_100ns[i] != 0;

		*v = (struct latency_level){ .limit_100ns = c->rtt_limit_100ns[i],
			.raised = raised };
	}
	if (v->slots.slot == 0)
		v->slots.slot = s->start_ns / c->rtt_slot_ns;
	for (uint32_t k = 0; v->limit_100ns != 0 && k < s->rtt_count; k++) {
		v->over += s->rtt_100ns[k] > v->limit_100ns;
		v->over_clear += s->rtt_100ns[k] > clear;
	}
}

static void
latency_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	struct latency_state *l = state;
	bool was = l->head.raised;
	int worst;

	if (slots_is_over(&l->level[0].slots, d->start_ns, c->rtt_slot_ns)) {
		for (int i = 0; i < 2; i++)
			level_close(&l->level[i], c, d->start_ns, l->packets);
		if (l->packets > 0)
			l->typical_100ns = (double)l->rtt_sum_100ns / l->packets;
		l->packets = l->steps = 0;
		l->rtt_sum_100ns = 0;
	}
	for (int i = 0; i < 2; i++)
		level_add(&l->level[i], c, i, d->s);
	for (uint32_t k = 0; k < d->s->rtt_count; k++)
		l->rtt_sum_100ns += d->s->rtt_100ns[k];
	l->packets += d->s->rtt_count;
	l->steps++;
	worst = l->level[1].raised ? 1 : 0;
	l->head.raised = l->level[0].raised || l->level[1].raised;
	if (l->head.raised) {
		l->head.severity = worst == 1 ? SEVERITY_CRITICAL : SEVERITY_MAJOR;
		l->head.figure = l->typical_100ns * 100;
		l->head.limit = c->rtt_limit_100ns[worst] * 100.0;
		if (!was)
			l->head.start_ns = d->start_ns;
	} else if (was) {
		l->head.end_ns = d->start_ns;
	}
}

static void
latency_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct latency_state *l = state;

	snprintf(buf, n, "{\"mean_ms\":%.3f,\"warning_ms\":%.3f,\"critical_ms\":%.3f,"
	    "\"bad_slots\":[%d,%d],\"of\":%" PRIu32 ",\"slot_s\":%" PRId64 ",\"share\":%g}",
	    l->typical_100ns / 1e4, c->rtt_limit_100ns[0] / 1e4, c->rtt_limit_100ns[1] / 1e4,
	    __builtin_popcount(l->level[0].slots.bad & ((1u << c->rtt_of) - 1)),
	    __builtin_popcount(l->level[1].slots.bad & ((1u << c->rtt_of) - 1)), c->rtt_of,
	    c->rtt_slot_ns / NS_PER_S, c->rtt_share);
}

const struct detect_ops detect_latency_ops = {
	.keyword = "latency", .kind = ANOMALY_LATENCY,
	.probes = 1u << PROBE_ICMP | 1u << PROBE_TCP,
	.state_size = sizeof(struct latency_state), .feed = latency_feed,
	.evidence = latency_evidence,
};
