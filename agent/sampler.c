/*
 * sampler.c - from results to samples (pure).
 */
#include "agent/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

enum fate { FATE_NONE = 0, FATE_PENDING, FATE_REPLIED, FATE_LOST, FATE_NOT_SENT };

/* The order in which causes are told if a step has more than SAMPLE_CAUSES of them. */
static const uint8_t by_weight[] = {
	CAUSE_TIMEOUT, CAUSE_HOST_UNREACHABLE, CAUSE_NET_UNREACHABLE, CAUSE_PROHIBITED,
	CAUSE_PORT_UNREACHABLE, CAUSE_TTL_EXCEEDED, CAUSE_TOO_BIG, CAUSE_REFUSED, CAUSE_LOCAL, CAUSE_NOT_SENT,
	CAUSE_RESOLVE, CAUSE_TLS, CAUSE_SNMP_AUTH, CAUSE_SNMP_ERROR, CAUSE_SNMP_NO_OBJECT, CAUSE_REBOOT,
	CAUSE_DISCONTINUITY, CAUSE_LATE_REPLY, CAUSE_DUPLICATE,
};
_Static_assert(sizeof by_weight == CAUSE_MAX, "every cause has its weight");

void
sampler_init(struct sampler *s, const char *link, uint32_t count, int64_t step_ns,
    int64_t timeout_ns)
{
	*s = (struct sampler){
		.link = link, .count = count, .step_ms = (uint32_t)(step_ns / NS_PER_MS),
		.timeout_ns = timeout_ns,
	};
	for (unsigned i = 0; i < SAMPLER_OPEN; i++) {
		s->step[i].fate = xcalloc(count, sizeof *s->step[i].fate);
		s->step[i].rtt_100ns = xcalloc(count, sizeof *s->step[i].rtt_100ns);
	}
}

void
sampler_fini(struct sampler *s)
{
	for (unsigned i = 0; i < SAMPLER_OPEN; i++) {
		free(s->step[i].fate);
		free(s->step[i].rtt_100ns);
		free(s->step[i].value);
	}
	*s = (struct sampler){ 0 };
}

static struct sampler_step *
find_step(struct sampler *s, uint64_t step)
{
	struct sampler_step *st = &s->step[step % SAMPLER_OPEN];

	return st->open && st->step == step ? st : NULL;
}

/* Where what belongs to no open step is counted: the newest one. */
static struct sampler_step *
newest(struct sampler *s)
{
	struct sampler_step *best = NULL;

	for (unsigned i = 0; i < SAMPLER_OPEN; i++)
		if (s->step[i].open && (best == NULL || s->step[i].step > best->step))
			best = &s->step[i];
	return best;
}

void
sampler_begin(struct sampler *s, uint64_t step, int64_t start_wall_ns)
{
	struct sampler_step *st = &s->step[step % SAMPLER_OPEN];

	memset(st->fate, FATE_NONE, s->count);
	memset(st->causes, 0, sizeof st->causes);
	st->open = true;
	st->step = step;
	st->start_ns = start_wall_ns;
	st->flags = 0;
	st->values = 0;
}

static uint8_t *
find_fate(struct sampler *s, uint64_t token, struct sampler_step **st)
{
	uint32_t packet = token & 1023;

	*st = find_step(s, token >> 10);
	return *st != NULL && packet < s->count ? &(*st)->fate[packet] : NULL;
}

void
sampler_sent(struct sampler *s, uint64_t token)
{
	struct sampler_step *st;
	uint8_t *fate = find_fate(s, token, &st);

	if (fate != NULL && *fate == FATE_NONE)
		*fate = FATE_PENDING;
}

void
sampler_not_sent(struct sampler *s, uint64_t token, enum cause cause)
{
	struct sampler_step *st;
	uint8_t *fate = find_fate(s, token, &st);

	if (fate == NULL || (*fate != FATE_NONE && *fate != FATE_PENDING))
		return;
	*fate = FATE_NOT_SENT;
	st->causes[cause]++;
}

static void
count_causes(struct sampler_step *st, uint32_t causes)
{
	for (unsigned c = 1; st != NULL && c <= CAUSE_MAX; c++)
		if ((causes & CAUSE_BIT(c)) != 0)
			st->causes[c]++;
}

static uint32_t
to_100ns(int64_t ns)
{
	int64_t v = (ns + 50) / 100;

	return v < 1 ? 1 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void
take_values(struct sampler_step *st, const struct probe_result *r)
{
	if (r->values == 0)
		return;
	st->values = r->values < SAMPLE_VALUES ? r->values : SAMPLE_VALUES;
	if (st->value == NULL)
		st->value = xcalloc(SAMPLE_VALUES, sizeof *st->value);
	memcpy(st->value, r->value, st->values * sizeof st->value[0]);
}

/* What came behind a reply: to the step of that, or else to the newest. */
static void
more(struct sampler *s, const struct probe_result *r)
{
	struct sampler_step *st = find_step(s, r->token >> 10);

	if (st == NULL)
		st = newest(s);
	if (st == NULL)
		return;
	count_causes(st, r->causes);
	take_values(st, r);
}

static void
reply(struct sampler *s, struct sampler_step *st, uint8_t *fate, const struct probe_result *r)
{
	if (r->rtt_ns > s->timeout_ns) {
		*fate = FATE_LOST;
		count_causes(st, CAUSE_BIT(CAUSE_TIMEOUT) | CAUSE_BIT(CAUSE_LATE_REPLY));
		return;
	}
	*fate = FATE_REPLIED;
	st->rtt_100ns[r->token & 1023] = to_100ns(r->rtt_ns);
	count_causes(st, r->causes);
	take_values(st, r);
}

void
sampler_result(struct sampler *s, const struct probe_result *r)
{
	struct sampler_step *st;
	uint8_t *fate;

	if (r->outcome == PROBE_EXTRA) {
		count_causes(newest(s), r->causes);
		return;
	}
	if (r->outcome == PROBE_MORE) {
		more(s, r);
		return;
	}
	fate = find_fate(s, r->token, &st);
	if (fate == NULL || *fate != FATE_PENDING) {
		if (r->outcome == PROBE_REPLY)
			count_causes(newest(s), CAUSE_BIT(fate == NULL || *fate == FATE_LOST ?
			    CAUSE_LATE_REPLY : CAUSE_DUPLICATE));
		return;
	}
	switch (r->outcome) {
	case PROBE_REPLY:
		reply(s, st, fate, r);
		break;
	case PROBE_LOST:
		*fate = FATE_LOST;
		count_causes(st, r->causes);
		break;
	case PROBE_NOT_SENT:
		*fate = FATE_NOT_SENT;
		count_causes(st, r->causes);
		break;
	case PROBE_EXTRA:
	case PROBE_MORE:
		break;
	}
}

void
sampler_flag(struct sampler *s, uint64_t step, uint32_t flags)
{
	struct sampler_step *st = find_step(s, step);

	if (st != NULL)
		st->flags |= flags;
}

void
sampler_flag_open(struct sampler *s, uint32_t flags)
{
	for (unsigned i = 0; i < SAMPLER_OPEN; i++)
		if (s->step[i].open)
			s->step[i].flags |= flags;
}

static void
list_causes(const struct sampler_step *st, struct sample *out)
{
	for (size_t i = 0; i < sizeof by_weight && out->causes < SAMPLE_CAUSES; i++) {
		uint32_t n = st->causes[by_weight[i]];

		/* a far side may send as many duplicates as it likes: its sample stays sound */
		if (n > CAUSE_COUNT_MAX)
			n = CAUSE_COUNT_MAX;
		if (n > 0)
			out->cause[out->causes++] = (struct cause_count){ .cause = by_weight[i],
				.count = n };
	}
}

bool
sampler_close(struct sampler *s, uint64_t step, bool excused, struct sample *out)
{
	struct sampler_step *st = find_step(s, step);
	enum cause unanswered;

	if (st == NULL)
		return false;
	*out = (struct sample){ .link = s->link, .start_ns = st->start_ns, .step_ms = s->step_ms };
	excused = excused || (st->flags & SAMPLE_SOCKET_DROPS) != 0;
	unanswered = excused ? CAUSE_LOCAL : CAUSE_TIMEOUT;
	for (uint32_t i = 0; i < s->count; i++) {
		if (st->fate[i] == FATE_PENDING) {
			st->causes[unanswered]++;
			st->fate[i] = excused ? FATE_NOT_SENT : FATE_LOST;
		}
		if (st->fate[i] == FATE_REPLIED)
			st->rtt_100ns[out->rtt_count++] = st->rtt_100ns[i];
		out->sent += st->fate[i] == FATE_REPLIED || st->fate[i] == FATE_LOST;
	}
	out->rtt_100ns = st->rtt_100ns;
	out->flags = st->flags | (out->sent == 0 ? SAMPLE_NOT_OBSERVED : 0);
	list_causes(st, out);
	out->values = st->values;
	if (st->values > 0)
		memcpy(out->value, st->value, st->values * sizeof st->value[0]);
	st->open = false;
	return true;
}

void
sampler_missed(const struct sampler *s, int64_t start_wall_ns, struct sample *out)
{
	*out = (struct sample){
		.link = s->link, .start_ns = start_wall_ns, .step_ms = s->step_ms,
		.flags = SAMPLE_LATE | SAMPLE_NOT_OBSERVED, .causes = 1,
		.cause = { { .cause = CAUSE_LOCAL, .count = s->count } },
	};
}
