/*
 * adhoc_pace.c - an even stream of requests.
 */
#include "agent/adhoc_pace.h"

int64_t
adhoc_pace_interval(uint32_t n, int64_t interval_ns, uint32_t rate)
{
	int64_t least = ((int64_t)n * NS_PER_S + rate - 1) / rate;

	return least > interval_ns ? least : interval_ns;
}

void
adhoc_pace_init(struct adhoc_pace *p, uint32_t n, uint32_t count, int64_t interval_ns,
    uint32_t rate, struct mono start)
{
	*p = (struct adhoc_pace){
		.start_ns = start.ns, .n = n, .count = count,
		.interval_ns = adhoc_pace_interval(n, interval_ns, rate),
	};
	p->slack_ns = p->interval_ns / 4;
	if (p->slack_ns < ADHOC_SLACK_MIN_NS)
		p->slack_ns = ADHOC_SLACK_MIN_NS;
	if (p->slack_ns > ADHOC_SLACK_MAX_NS)
		p->slack_ns = ADHOC_SLACK_MAX_NS;
}

struct mono
adhoc_pace_due(const struct adhoc_pace *p)
{
	if (p->round == p->count)
		return (struct mono){ INT64_MAX };
	return (struct mono){ p->start_ns + p->round * p->interval_ns +
	    p->target * p->interval_ns / p->n };
}

bool
adhoc_pace_next(struct adhoc_pace *p, struct mono now, uint32_t *target, uint32_t *round)
{
	struct mono due = adhoc_pace_due(p);

	if (due.ns > now.ns)
		return false;
	if (now.ns - due.ns > p->slack_ns) {
		p->start_ns += now.ns - due.ns - p->slack_ns;
		p->slipped_ns += now.ns - due.ns - p->slack_ns;
	}
	*target = p->target;
	*round = p->round;
	if (++p->target == p->n) {
		p->target = 0;
		p->round++;
	}
	return true;
}
