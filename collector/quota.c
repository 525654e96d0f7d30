/*
 * quota.c - buckets that fill with time (pure; see quota.h).
 */
#include "collector/quota.h"

#define HOLDS 2.0			/* seconds of bytes, batches and samples */

static void
fill(double *have, double amount, double max)
{
	*have = *have + amount < max ? *have + amount : max;
}

void
quota_init(struct quota *q, const struct quota_limits *l, struct mono now)
{
	*q = (struct quota){ .bytes = HOLDS * l->bytes, .batches = HOLDS * l->batches,
		.samples = HOLDS * l->samples, .sessions = l->sessions, .at = now };
}

void
quota_refill(struct quota *q, const struct quota_limits *l, struct mono now)
{
	double dt = (double)(now.ns - q->at.ns) / NS_PER_S;

	q->at = now;
	if (dt <= 0)
		return;
	fill(&q->bytes, dt * l->bytes, HOLDS * l->bytes);
	fill(&q->batches, dt * l->batches, HOLDS * l->batches);
	fill(&q->samples, dt * l->samples, HOLDS * l->samples);
	fill(&q->sessions, dt * l->sessions / 60, l->sessions);
}

void
quota_spend(struct quota *q, size_t bytes, size_t samples)
{
	q->bytes -= (double)bytes;
	q->batches -= 1;
	q->samples -= (double)samples;
}

bool
quota_is_good(const struct quota *q, const struct quota_limits *l)
{
	return (l->bytes == 0 || q->bytes >= 0) && (l->batches == 0 || q->batches >= 0) &&
	    (l->samples == 0 || q->samples >= 0);
}

bool
quota_session(struct quota *q, const struct quota_limits *l)
{
	if (l->sessions == 0)
		return true;
	if (q->sessions < 1)
		return false;
	q->sessions -= 1;
	return true;
}

bool
quota_is_full(const struct quota *q, const struct quota_limits *l)
{
	return q->bytes >= HOLDS * l->bytes && q->batches >= HOLDS * l->batches &&
	    q->samples >= HOLDS * l->samples && q->sessions >= l->sessions;
}
