/*
 * series.c - the shape of a link's RRD file (pure; see series.h).
 *
 * Archives: every step for as long as the class says, then ever coarser means,
 * minima and maxima, so that a graph of an hour, a day, a week, a month or a year
 * finds about a thousand rows.
 */
#include "collector/series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/stats.h"

#define ROWS_MAX 90000			/* in an archive: a day of seconds, 6.5 MB for nine data sources */
#define DETAIL_MIN_S 3600
#define TIME_MIN INT64_C(946684800)	/* 2000-01-01 */
#define TIME_MAX INT64_C(4102444800)	/* 2100-01-01 */
#define RTT_MAX_S 60.0

static const uint32_t level_s[SERIES_LEVELS] = { 0, 60, 600, 3600, 21600 };

const struct series_policy series_policy_default = { .keep_s = {
	{ 86400, 36 * 3600, 10 * 86400, 40 * 86400, 400 * 86400 },
	{ 43200, 36 * 3600, 10 * 86400, 40 * 86400, 400 * 86400 },
	{ 21600, 36 * 3600, 10 * 86400, 40 * 86400, 400 * 86400 },
} };

int
series_path(char *buf, size_t n, const char *agent, const char *link)
{
	if (!id_is_valid(agent) || !id_is_valid(link))
		return -EINVAL;
	return (size_t)snprintf(buf, n, "%s/%s.rrd", agent, link) < n ? 0 : -ENAMETOOLONG;
}

static void
add_ds(struct series_def *d, const char *name, uint32_t role, double min, double max)
{
	struct series_ds *ds = &d->ds[d->ds_n++];

	snprintf(ds->name, sizeof ds->name, "%s", name);
	ds->role = role;
	ds->min = min;
	ds->max = max;
}

static void
define_rtt(struct series_def *d, const Linkwatch__Pb__Link *l)
{
	static const char *const rtt[] = {
		"rtt_min", "rtt_p10", "rtt_p25", "rtt_p50", "rtt_p75", "rtt_p90", "rtt_max", "pdv",
	};

	add_ds(d, "loss", 0, 0, 1);
	for (size_t i = 0; i < sizeof rtt / sizeof rtt[0]; i++)
		add_ds(d, rtt[i], 0, 0, RTT_MAX_S);
	if (l->probe == PROBE_TCP && l->tls) {
		add_ds(d, value_role_name(ROLE_TLS_S), ROLE_TLS_S, 0, RTT_MAX_S);
		add_ds(d, value_role_name(ROLE_CERT_DAYS), ROLE_CERT_DAYS, NAN, NAN);
	}
}

static void
define_snmp(struct series_def *d, const Linkwatch__Pb__Link *l)
{
	if (l->interface[0] != '\0' || l->alias[0] != '\0')
		for (uint32_t role = ROLE_IN_BPS; role <= ROLE_SPEED_BPS; role++)
			add_ds(d, value_role_name(role), role, 0, NAN);
	if (l->host)
		for (uint32_t role = ROLE_CPU_RATIO; role <= ROLE_UPTIME_S; role++)
			add_ds(d, value_role_name(role), role, 0, NAN);
	for (size_t i = 0; i < l->n_oid && ROLE_OID0 + i <= ROLE_MAX; i++)
		add_ds(d, value_role_name(ROLE_OID0 + (uint32_t)i), ROLE_OID0 + (uint32_t)i, NAN, NAN);
}

static void
add_rra(struct series_def *d, const char *cf, uint32_t pdp, uint32_t rows)
{
	d->rra[d->rra_n++] = (struct series_rra){ .cf = cf, .pdp = pdp, .rows = rows };
}

static uint32_t
rows_of(uint32_t keep_s, uint32_t row_s)
{
	uint32_t rows = keep_s / row_s;

	return rows == 0 ? 1 : rows > ROWS_MAX ? ROWS_MAX : rows;
}

static void
define_archives(struct series_def *d, const uint32_t *keep_s)
{
	uint32_t detail_s = keep_s[SERIES_DETAIL] > DETAIL_MIN_S ? keep_s[SERIES_DETAIL] : DETAIL_MIN_S;

	/* A step as long as a level's rows stands for that level. */
	for (size_t i = SERIES_1M; i < SERIES_LEVELS; i++)
		if (level_s[i] < 2 * d->step_s && keep_s[i] > detail_s)
			detail_s = keep_s[i];
	add_rra(d, "AVERAGE", 1, rows_of(detail_s, d->step_s));
	for (size_t i = SERIES_1M; i < SERIES_LEVELS; i++) {
		uint32_t pdp = level_s[i] / d->step_s, rows;

		if (pdp <= 1 || keep_s[i] == 0)
			continue;
		rows = rows_of(keep_s[i], pdp * d->step_s);
		add_rra(d, "AVERAGE", pdp, rows);
		add_rra(d, "MIN", pdp, rows);
		add_rra(d, "MAX", pdp, rows);
	}
}

int
series_define(struct series_def *d, const Linkwatch__Pb__Link *l, const struct series_policy *policy)
{
	uint32_t c = l->class_ >= CLASS_A && l->class_ <= CLASS_C ? l->class_ : CLASS_C;

	memset(d, 0, sizeof *d);
	if (l->step_ms == 0 || l->step_ms > 3600 * 1000)
		return -EINVAL;
	d->step_s = (l->step_ms + 999) / 1000;
	d->heartbeat_s = 2 * d->step_s;
	if (l->probe == PROBE_ICMP || l->probe == PROBE_TCP)
		define_rtt(d, l);
	else if (l->probe == PROBE_SNMP)
		define_snmp(d, l);
	if (d->ds_n == 0)
		return -EINVAL;
	define_archives(d, policy->keep_s[c - 1]);
	return 0;
}

int
series_ds_index(const struct series_def *d, const char *name)
{
	for (size_t i = 0; i < d->ds_n; i++)
		if (strcmp(d->ds[i].name, name) == 0)
			return (int)i;
	return -1;
}

static double
role_value(const struct sample *s, uint32_t role)
{
	for (uint32_t i = 0; i < s->values; i++)
		if (s->value[i].role == role)
			return s->value[i].value;
	return NAN;
}

void
series_values(const struct series_def *d, const struct sample *s, double *v)
{
	struct rtt_stats st;

	for (size_t i = 0; i < d->ds_n; i++)
		v[i] = NAN;
	if (s->flags & SAMPLE_NOT_OBSERVED)
		return;
	if (d->ds[0].role == 0) {
		if (s->sent == 0 || s->rtt_count > s->sent)
			return;
		rtt_stats(&st, s->rtt_100ns, s->rtt_count);
		v[0] = (double)(s->sent - s->rtt_count) / s->sent;
		v[1] = st.min / 1e9;
		v[2] = st.p10 / 1e9;
		v[3] = st.p25 / 1e9;
		v[4] = st.p50 / 1e9;
		v[5] = st.p75 / 1e9;
		v[6] = st.p90 / 1e9;
		v[7] = st.max / 1e9;
		v[8] = st.pdv / 1e9;
	}
	for (size_t i = 0; i < d->ds_n; i++)
		if (d->ds[i].role != 0)
			v[i] = role_value(s, d->ds[i].role);
	for (size_t i = 0; i < d->ds_n; i++)
		if (!isfinite(v[i]) || v[i] < d->ds[i].min || v[i] > d->ds[i].max)
			v[i] = NAN;
}

int
series_slots(const struct series_def *d, const struct sample *s, int64_t *first, int64_t *last)
{
	int64_t start_s = s->start_ns / NS_PER_S;
	int64_t end_ns;

	if (s->start_ns < 0 || start_s < TIME_MIN || start_s >= TIME_MAX)
		return -ERANGE;
	*first = (start_s / d->step_s + 1) * d->step_s;
	/* A sample of a longer step than the file's (the plan changed) fills several slots. */
	end_ns = s->start_ns + (int64_t)s->step_ms * NS_PER_MS;
	*last = end_ns / NS_PER_S / d->step_s * d->step_s;
	if (*last < *first)
		*last = *first;
	return 0;
}
