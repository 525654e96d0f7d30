/*
 * detect.c - the table of detectors, and what they share.
 */
#include <string.h>

#include "alertd/detect.h"

const struct detect_ops *const detect_table[] = {
	&detect_down_ops, &detect_service_ops, &detect_loss_ops, &detect_latency_ops,
	&detect_utilisation_ops, &detect_errors_ops, NULL
};

size_t
detect_offset(size_t row)
{
	size_t at = 0;

	for (size_t i = 0; i < row; i++)
		at += (detect_table[i]->state_size + 7) & ~(size_t)7;
	return at;
}

uint32_t
sample_cause(const struct sample *s, enum cause cause)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->causes && i < SAMPLE_CAUSES; i++)
		if (s->cause[i].cause == cause)
			n += s->cause[i].count;
	return n;
}

bool
sample_role(const struct sample *s, enum value_role role, double *value)
{
	for (uint32_t i = 0; i < s->values && i < SAMPLE_VALUES; i++)
		if (s->value[i].role == role) {
			*value = s->value[i].value;
			return true;
		}
	return false;
}

/* The most telling reason why a step shows nothing. */
static uint32_t
blind_cause(const struct sample *s)
{
	static const enum cause order[] = {
		CAUSE_RESOLVE, CAUSE_NOT_SENT, CAUSE_LOCAL, CAUSE_SNMP_AUTH, CAUSE_SNMP_NO_OBJECT,
		CAUSE_SNMP_ERROR
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (sample_cause(s, order[i]) > 0)
			return order[i];
	return CAUSE_LOCAL;
}

bool
detect_step_init(struct detect_step *d, const struct sample *s, uint32_t probe, uint32_t *cause)
{
	*d = (struct detect_step){
		.s = s, .start_ns = s->start_ns,
		.end_ns = s->start_ns + (int64_t)s->step_ms * NS_PER_MS,
		.sent = s->sent, .answered = s->rtt_count,
	};
	*cause = CAUSE_NONE;
	if (probe == PROBE_TCP)
		d->refused = sample_cause(s, CAUSE_REFUSED) + sample_cause(s, CAUSE_TLS);
	if (d->refused > d->answered)
		d->refused = d->answered;
	if ((s->flags & SAMPLE_NOT_OBSERVED) != 0 || s->sent == 0 || s->rtt_count > s->sent) {
		*cause = blind_cause(s);
		return false;
	}
	d->lost = s->sent - s->rtt_count;
	d->doubtful = (s->flags & (SAMPLE_LATE | SAMPLE_SOCKET_DROPS | SAMPLE_CLOCK_JUMP)) != 0 ||
	    sample_cause(s, CAUSE_NOT_SENT) + sample_cause(s, CAUSE_RESOLVE) +
	    sample_cause(s, CAUSE_LOCAL) > 0;
	d->all_lost = d->answered == 0 && !d->doubtful;
	d->open = d->answered > d->refused;
	if (d->answered == 0 && d->doubtful) {
		*cause = blind_cause(s);
		return false;
	}
	/* A device that answers, but not with what was asked, shows nothing of its link. */
	if (probe == PROBE_SNMP && d->answered > 0 && s->values == 0 &&
	    sample_cause(s, CAUSE_DISCONTINUITY) + sample_cause(s, CAUSE_REBOOT) == 0) {
		*cause = blind_cause(s);
		return false;
	}
	return true;
}

bool
slots_is_over(const struct slots *s, int64_t t_ns, int64_t slot_ns)
{
	return s->slot != 0 && t_ns / slot_ns > s->slot;
}

void
slots_close(struct slots *s, int64_t t_ns, int64_t slot_ns, bool bad, bool clean)
{
	s->bad = s->bad << 1 | bad;
	s->clean = s->clean << 1 | clean;
	if (s->seen < 32)
		s->seen++;
	s->slot = t_ns / slot_ns;
}

static uint32_t
newest(const struct slots *s, uint32_t of)
{
	uint32_t n = of < s->seen ? of : s->seen;

	return n == 0 ? 0 : UINT32_MAX >> (32 - n);
}

bool
slots_are_bad(const struct slots *s, uint32_t bad, uint32_t of)
{
	return (uint32_t)__builtin_popcount(s->bad & newest(s, of)) >= bad;
}

bool
slots_are_clean(const struct slots *s, uint32_t bad, uint32_t of)
{
	return (uint32_t)__builtin_popcount(s->clean & newest(s, of)) >= bad;
}
