/*
 * detect_snmp.c - what a device reports of itself: utilisation (of an
 * interface against its speed; of CPU, memory, storage) and errors.
 *
 * Each slot is judged by the mean of its readings; n of m slots raise.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "alertd/detect.h"

struct snmp_state {
	struct detect_head head;
	struct slots slots[2];		/* warning, critical */
	uint8_t raised[2];
	uint32_t readings;		/* of this slot */
	double sum;			/* of readings, each relative to its warning limit */
	double sum_critical;
	double mean, worst;		/* of the last finished slot; worst: the raw figure */
	double raw;			/* worst raw figure of this slot */
};

static void
level_close(struct snmp_state *m, const struct detect_conf *c, int i, int64_t t_ns, double mean)
{
	slots_close(&m->slots[i], t_ns, c->snmp_slot_ns, mean > 1, mean <= 0.8);
	if (!m->raised[i])
		m->raised[i] = slots_are_bad(&m->slots[i], c->snmp_bad, c->snmp_of);
	else
		m->raised[i] = !slots_are_clean(&m->slots[i], c->snmp_bad, c->snmp_of);
}

/* One reading as parts of its limits (1: just at the limit); NaN: none today. */
static void
snmp_feed(struct snmp_state *m, const struct detect_conf *c, const struct detect_step *d,
    double part, double part_critical, double raw)
{
	bool was = m->head.raised;

	if (m->slots[0].slot == 0)
		m->slots[0].slot = m->slots[1].slot = d->start_ns / c->snmp_slot_ns;
	if (slots_is_over(&m->slots[0], d->start_ns, c->snmp_slot_ns)) {
		m->slots[1].slot = m->slots[0].slot;
		if (m->readings > 0) {
			m->mean = m->sum / m->readings;
			m->worst = m->raw;
			level_close(m, c, 1, d->start_ns, m->sum_critical / m->readings);
			level_close(m, c, 0, d->start_ns, m->mean);
		} else {
			m->slots[0].slot = d->start_ns / c->snmp_slot_ns;
		}
		m->readings = 0;
		m->sum = m->sum_critical = m->raw = 0;
	}
	if (!isnan(part)) {
		m->readings++;
		m->sum += part;
		m->sum_critical += part_critical;
		m->raw = fmax(m->raw, raw);
	}
	m->head.raised = m->raised[0] || m->raised[1];
	m->head.severity = m->raised[1] ? SEVERITY_MAJOR : SEVERITY_MINOR;
	m->head.figure = m->worst;
	if (m->head.raised && !was)
		m->head.start_ns = d->start_ns;
	else if (!m->head.raised && was)
		m->head.end_ns = d->start_ns;
}

/* The reading that lies nearest to its limit. */
static void
take(double value, const double limit[2], double *part, double *critical, double *raw)
{
	double p = limit[0] > 0 ? value / limit[0] : NAN;

	if (isnan(p) || (!isnan(*part) && p <= *part))
		return;
	*part = p;
	*critical = limit[1] > 0 ? value / limit[1] : 0;
	*raw = value;
}

static void
utilisation_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	double speed, v, part = NAN, critical = NAN, raw = NAN;

	if (sample_role(d->s, ROLE_SPEED_BPS, &speed) && speed > 0) {
		if (sample_role(d->s, ROLE_IN_BPS, &v))
			take(v / speed, c->utilisation, &part, &critical, &raw);
		if (sample_role(d->s, ROLE_OUT_BPS, &v))
			take(v / speed, c->utilisation, &part, &critical, &raw);
	}
	for (enum value_role r = ROLE_CPU_RATIO; r <= ROLE_STORAGE_RATIO; r++)
		if (sample_role(d->s, r, &v))
			take(v, c->load, &part, &critical, &raw);
	snmp_feed(state, c, d, part, critical, raw);
}

static void
utilisation_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct snmp_state *m = state;

	snprintf(buf, n, "{\"ratio\":%.4f,\"of_limit\":%.4f,\"utilisation\":[%g,%g],"
	    "\"load\":[%g,%g],\"of\":%" PRIu32 "}", m->worst, m->mean, c->utilisation[0],
	    c->utilisation[1], c->load[0], c->load[1], c->snmp_of);
}

const struct detect_ops detect_utilisation_ops = {
	.keyword = "utilisation", .kind = ANOMALY_UTILISATION, .probes = 1u << PROBE_SNMP,
	.state_size = sizeof(struct snmp_state), .feed = utilisation_feed,
	.evidence = utilisation_evidence,
};

static void
errors_feed(void *state, const struct detect_conf *c, const struct detect_step *d)
{
	double v, sum = 0, part = NAN;
	bool any = false;

	for (enum value_role r = ROLE_IN_ERRORS; r <= ROLE_OUT_DISCARDS; r++)
		if (sample_role(d->s, r, &v)) {
			sum += v;
			any = true;
		}
	if (any && c->errors > 0)
		part = sum / c->errors;
	snmp_feed(state, c, d, part, part / 10, sum);
}

static void
errors_evidence(const void *state, const struct detect_conf *c, char *buf, size_t n)
{
	const struct snmp_state *m = state;

	snprintf(buf, n, "{\"per_s\":%.4f,\"of_limit\":%.4f,\"limit\":%g,\"of\":%" PRIu32 "}",
	    m->worst, m->mean, c->errors, c->snmp_of);
}

const struct detect_ops detect_errors_ops = {
	.keyword = "errors", .kind = ANOMALY_ERRORS, .probes = 1u << PROBE_SNMP,
	.state_size = sizeof(struct snmp_state), .feed = errors_feed, .evidence = errors_evidence,
};
