/*
 * detect_down.c - no path (down), and a path to a door that is shut (service).
 *
 * Both count steps in a row.  Down: steps in which every packet was lost; for
 * an SNMP link: readings that say ifOperStatus is not up.  Service: steps in
 * which every answer was a refusal, or a connection over which no TLS handshake
 * came about.  Each ends after up_after good steps in a row, at the begin of
 * the first of them.
 */
#include <inttypes.h>
#include <stdio.h>

#include "alertd/detect.h"

struct run_state {
	struct detect_head head;
	uint32_t bad, good;		/* steps in a row */
	int64_t bad_since, good_since;
	uint32_t packets;		/* of the bad run */
	uint32_t cause;			/* the latest, enum cause; SNMP: ifOperStatus */
};

/* Adds one step to the run of its sort and draws the verdict. */
static void
run_feed(struct run_state *r, const struct detect_step *d, bool bad, uint32_t after, uint32_t end)
{
	/* Too long ago to be in a row. */
	if (d->gap_ns > 3 * (d->end_ns - d->start_ns))
		r->bad = r->good = 0;
	if (bad) {
		if (r->bad++ == 0) {
			r->bad_since = d->start_ns;
			r->packets = 0;
		}
		r->good = 0;
		r->packets += d->sent;
	} else {
		if (r->good++ == 0)
			r->good_since = d->start_ns;
		r->bad = 0;
	}
	if (!r->head.raised && bad && r->bad >= after) {
		r->head.raised = true;
		r->head.start_ns = r->bad_since;
		r->head.severity = SEVERITY_CRITICAL;
	} else if (r->head.raised && !bad && r->good >= end) {
		r->head.raised = false;
		r->head.end_ns = r->good_since;
	}
}

static uint32_t
loss_cause(const struct sample *s)
{
	for (uint32_t c = CAUSE_NET_UNREACHABLE; c <= CAUSE_TTL_EXCEEDED; c++)
		if (sample_cause(s, c) > 0)
			return c;
	return CAUSE_TIMEOUT;
}

static void
down_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	struct run_state *r = state;
	double status = 1;
	bool bad = d->all_lost;

	if (c->probe == PROBE_SNMP && d->answered > 0) {
		bad = sample_role(d->s, ROLE_OPER_STATUS, &status) && status != 1;
		if (bad)
			r->cause = status > 0 && status < 256 ? (uint32_t)status : 0;
	} else if (bad) {
		r->cause = loss_cause(d->s);
	}
	run_feed(r, d, bad, c->down_after, c->up_after);
	if (r->head.raised && bad)
		r->head.figure = d->answered == 0;
}

static void
down_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct run_state *r = state;

	snprintf(buf, n, "{\"steps\":%" PRIu32 ",\"needed\":%" PRIu32 ",\"packets\":%" PRIu32
	    ",\"since\":%.3f,\"cause\":\"%s\",\"good_steps\":%" PRIu32 "}",
	    r->bad, c->down_after, r->packets, (double)r->bad_since / 1e9,
	    c->probe == PROBE_SNMP && r->cause > CAUSE_TIMEOUT ? "oper-status" :
	    cause_name(r->cause), r->good);
}

const struct detect_ops detect_down_ops = {
	.keyword = "down", .kind = ANOMALY_DOWN,
	.probes = 1u << PROBE_ICMP | 1u << PROBE_TCP | 1u << PROBE_SNMP,
	.state_size = sizeof(struct run_state), .feed = down_feed, .evidence = down_evidence,
};

static void
service_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	struct run_state *r = state;

	/* No answer at all says nothing about the door: that is down's part. */
	if (d->answered == 0)
		return;
	run_feed(r, d, !d->open, c->service_after, c->up_after);
	if (!d->open)
		r->cause = sample_cause(d->s, CAUSE_TLS) > sample_cause(d->s, CAUSE_REFUSED) ?
		    CAUSE_TLS : CAUSE_REFUSED;
	r->head.figure = 1;
}

static void
service_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct run_state *r = state;

	snprintf(buf, n, "{\"refused_steps\":%" PRIu32 ",\"needed\":%" PRIu32
	    ",\"packets\":%" PRIu32 ",\"since\":%.3f,\"cause\":\"%s\",\"good_steps\":%" PRIu32 "}",
	    r->bad, c->service_after, r->packets, (double)r->bad_since / 1e9,
	    cause_name(r->cause), r->good);
}

const struct detect_ops detect_service_ops = {
	.keyword = "service", .kind = ANOMALY_SERVICE, .probes = 1u << PROBE_TCP,
	.state_size = sizeof(struct run_state), .feed = service_feed,
	.evidence = service_evidence,
};
