/*
 * series.h - what the RRD file of a link looks like (pure).
 *
 * One file for each link: STATE/rrd/AGENT/LINK.rrd.  icmp and tcp have the
 * data sources of SERIES_RTT_DS in that order (rtt and pdv in seconds, loss
 * a ratio 0..1), tcp with tls also tls_s and cert_days; snmp has one for each role that the link reads, named
 * value_role_name().  Every step of a link is one slot of a grid that begins
 * at 1970: a row is stamped with the end of its slot, so that it fills one
 * primary data point exactly and librrd never interpolates.
 */
#pragma once

#include <limits.h>

#include "common/linkwatch.pb-c.h"
#include "common/model.h"

#define SERIES_DS_MAX 32
#define SERIES_RRA_MAX 16
#define SERIES_PATH_MAX (2 * ID_MAX + 8)

struct series_ds {
	char name[20];
	uint32_t role;			/* enum value_role; 0: from the RTTs */
	double min, max;		/* NaN: no limit */
};

struct series_rra {
	const char *cf;			/* "AVERAGE", "MIN" or "MAX" */
	uint32_t pdp;			/* steps in a row */
	uint32_t rows;
};

struct series_def {
	uint32_t step_s;
	uint32_t heartbeat_s;
	size_t ds_n, rra_n;
	struct series_ds ds[SERIES_DS_MAX];
	struct series_rra rra[SERIES_RRA_MAX];
};

/* Every step, then means, minima and maxima of a minute, ten, an hour, six hours. */
enum series_level { SERIES_DETAIL = 0, SERIES_1M, SERIES_10M, SERIES_1H, SERIES_6H, SERIES_LEVELS };

/* How long each of them is kept, by class A, B, C (index class - 1), in seconds; 0: that level is left out. */
struct series_policy { uint32_t keep_s[3][SERIES_LEVELS]; };

extern const struct series_policy series_policy_default;	/* of collector.yaml without a word on it */

/* "AGENT/LINK.rrd" into buf; -EINVAL if one is no id, -ENAMETOOLONG. */
int series_path(char *buf, size_t n, const char *agent, const char *link);
/* What the file of this link must look like. -EINVAL: unknown probe kind, or an snmp link without roles. */
int series_define(struct series_def *, const Linkwatch__Pb__Link *, const struct series_policy *);
/* Index of the data source called name, or -1. */
int series_ds_index(const struct series_def *, const char *name);
/*
 * The values of a sample, ds_n of them: NaN for what is not known. All NaN when the step was
 * not observed. Infinite values and those outside of min..max become NaN.
 */
void series_values(const struct series_def *, const struct sample *, double *v);
/*
 * The slots that a sample covers: rows at *first, *first + step_s, ... *last (seconds, ends of slots).
 * -ERANGE: a time that no RRD may ever see (before 2000 or after 2099).
 */
int series_slots(const struct series_def *, const struct sample *, int64_t *first, int64_t *last);
