/*
 * source.c - batches from their numbers (pure; see source.h).
 */
#include "tests/loadgen/source.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

#define LOSS_ONE_IN 400			/* packets */
#define FLOOR_100NS 50000		/* 5 ms, and up to 40 ms more by link */
#define FLOOR_SPREAD 400000
#define NOISE_100NS 4096		/* above the floor, mostly */

void
source_agent_id(char id[ID_MAX + 1], uint32_t agent)
{
	snprintf(id, ID_MAX + 1, "load-%u", agent);
}

void
source_link_id(char id[ID_MAX + 1], uint32_t link)
{
	snprintf(id, ID_MAX + 1, "l%u", link);
}

/* SplitMix64: one number from another. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static int64_t
sample_start_ns(const struct load_shape *s, const struct load_numbering *n, uint64_t j)
{
	int64_t step_ns = s->step_ms * NS_PER_MS;
	uint64_t phase = j % s->links;

	return n->start_ns + (int64_t)(j / s->links) * step_ns + (int64_t)phase * step_ns / s->links;
}

int64_t
source_due_ns(const struct load_shape *s, const struct load_numbering *n, uint64_t seq)
{
	return sample_start_ns(s, n, seq * s->batch - 1) + s->step_ms * NS_PER_MS;
}

uint64_t
source_next(const struct load_shape *s, const struct load_numbering *n, int64_t at_ns)
{
	uint64_t low = 1, high = 2;	/* low - 1 is complete, high is not */

	while (source_due_ns(s, n, high) <= at_ns)
		high *= 2;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (source_due_ns(s, n, middle) <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
fill(struct sample *out, uint32_t *rtt, const struct load_shape *s, uint32_t agent, uint64_t j)
{
	uint32_t link = (uint32_t)(j % s->links), lost = 0;
	uint64_t way = mix(s->seed ^ (uint64_t)agent << 32 ^ link);
	uint32_t floor = FLOOR_100NS + (uint32_t)(way % FLOOR_SPREAD);

	out->step_ms = s->step_ms;
	out->sent = s->rtts;
	out->rtt_count = 0;
	for (uint32_t i = 0; i < s->rtts; i++) {
		uint64_t r = mix(way + j * SAMPLE_RTT_MAX + i);

		if (r % LOSS_ONE_IN == 0)
			lost++;
		else
			rtt[out->rtt_count++] = floor + (uint32_t)(r >> 20) % NOISE_100NS;
	}
	out->rtt_100ns = rtt;
	out->causes = lost > 0;
	out->cause[0] = (struct cause_count){ .cause = CAUSE_TIMEOUT, .count = lost };
}

void
source_batch(struct batch_builder *bb, const struct load_shape *s, const struct load_numbering *n,
    uint32_t agent, uint64_t seq, uint8_t **out, size_t *len)
{
	uint32_t rtt[SAMPLE_RTT_MAX];
	char link[ID_MAX + 1];
	struct sample sample = { .link = link };

	for (uint64_t j = (seq - 1) * s->batch; j < seq * s->batch; j++) {
		source_link_id(link, (uint32_t)(j % s->links));
		sample.start_ns = sample_start_ns(s, n, j);
		fill(&sample, rtt, s, agent, j);
		if (batch_builder_add(bb, &sample) != 0)
			abort();	/* shape_check() lets no shape through that does not fit */
	}
	batch_builder_finish(bb, n->boot, seq, out, len);
}
