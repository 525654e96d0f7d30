/*
 * web_live.h - the latest of everything, as the journal's records tell it (pure).
 *
 * Records in, a table of links and agents out.  Only links of the plan are
 * kept; a new plan carries over what is known of those that stay.  Memory is
 * bounded by the plan.  Each change gives its link or agent a new number from
 * one counter, so a reader can ask for what changed since he last looked.
 */
#pragma once

#include "common/journal.h"
#include "common/linkwatch.pb-c.h"
#include "common/model.h"
#include "common/stats.h"

#define LIVE_POINTS 60			/* steps remembered for the small curve */
#define LIVE_KEY_MAX (2 * ID_MAX + 2)

struct live_point { int64_t at_ns; uint32_t sent, lost; double p50_ns; };	/* p50 NaN: none */

struct live_link {
	const Linkwatch__Pb__Link *conf;	/* into the plan */
	char key[LIVE_KEY_MAX];		/* "agent/link" */
	uint64_t changed;
	int64_t at_ns;			/* end of the last step; 0: no sample yet */
	uint32_t step_ms, sent, replies, flags;
	struct rtt_stats rtt;		/* of the last step, ns */
	uint32_t causes, values;
	struct cause_count cause[SAMPLE_CAUSES];
	struct sample_value value[SAMPLE_VALUES];
	unsigned points, head;		/* ring: head is where the next one goes */
	struct live_point point[LIVE_POINTS];
};

struct live_agent {
	const Linkwatch__Pb__AgentInfo *conf;
	uint64_t changed;
	bool known, connected;		/* known: a session record or a batch was seen */
	char address[64], software[32];
	char error[120];		/* why its last session ended, or what of it was refused; "": neither */
	int64_t error_ns;
	int64_t since_ns, last_batch_ns;
	uint32_t links, refused_links;
	bool health_known;
	Linkwatch__Pb__Health health;	/* the last one, without its text; it is in software */
	int64_t cert_not_after_ns;
};

struct live;

struct live *live_new(void);
void live_free(struct live *);
/* Takes the plan over (freed with links_free() at the next one or the end). */
void live_plan(struct live *, Linkwatch__Pb__Plan *plan);
const Linkwatch__Pb__Plan *live_current_plan(const struct live *);	/* NULL: none yet */
/* 0, or -EBADMSG for a record that cannot be read (nothing changed). */
int live_record(struct live *, const struct journal_record *);

struct live_link *live_links(struct live *, size_t *n);	/* sorted by agent and link id */
struct live_agent *live_agents(struct live *, size_t *n);
const struct live_link *live_find(const struct live *, const char *agent, const char *link);
/* The link that measures the way back of a link of the plan; NULL: none. */
const struct live_link *live_reverse(const struct live *, const Linkwatch__Pb__Link *);
const struct live_agent *live_agent_find(const struct live *, const char *agent);
uint64_t live_changed(const struct live *);	/* the counter now */
int64_t live_last_ns(const struct live *);	/* wall time of the newest record; 0: none */
/* What the records that were read have told, since live_new(). */
struct live_counts { uint64_t batches, samples, refused; };
void live_counts(const struct live *, struct live_counts *);

/* Loss over the last minute or three steps, whichever is longer; NaN: nothing was sent. */
double live_loss(const struct live_link *);
/* The i-th remembered step, 0 the oldest; i < points. */
const struct live_point *live_point(const struct live_link *, unsigned i);
