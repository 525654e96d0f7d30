/*
 * control_view.c - what the core knows, as the JSON of common/control.h.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "alertd/shell.h"
#include "common/health.h"

static double
seconds(struct wall t)
{
	return (double)(t.ns / NS_PER_MS) / 1000.0;
}

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static json_t *
number_or_null(double d)
{
	return isfinite(d) ? json_real(d) : json_null();
}

static const char *
vendor_code(const struct shell *sh, const char *vendor)
{
	for (size_t i = 0; sh->plan != NULL && i < sh->plan->n_vendor; i++)
		if (strcmp(sh->plan->vendor[i]->id, vendor) == 0)
			return sh->plan->vendor[i]->code;
	return "";
}

static const char *
cause_text(const struct link_view *v)
{
	return core_cause_name(v->state, v->cause);
}

json_t *
view_link(const struct shell *sh, const struct link_view *v)
{
	static const Linkwatch__Pb__Link none = LINKWATCH__PB__LINK__INIT;
	const Linkwatch__Pb__Link *c = v->conf != NULL ? v->conf : &none;
	json_t *values = json_object();

	for (uint32_t i = 0; i < v->values && i < SAMPLE_VALUES; i++)
		json_object_set_new(values, value_role_name(v->value[i].role),
		    number_or_null(v->value[i].value));
	return json_pack("{ss ss ss ss ss ss sI ss ss ss ss sI ss ss sf sf so so sI so}",
	    "agent", v->agent, "link", v->link, "name_zh", or_empty(c->name_zh), "name_en",
	    or_empty(c->name_en), "probe", v->conf == NULL ? "" : probe_kind_name(c->probe),
	    "target", or_empty(c->target), "port", (json_int_t)c->port, "class",
	    v->conf == NULL ? "" : link_class_name(c->class_), "vendor", or_empty(c->vendor),
	    "vendor_code", vendor_code(sh, or_empty(c->vendor)), "zone", or_empty(c->zone),
	    "step_ms", (json_int_t)c->step_ms, "state", link_state_name(v->state), "cause",
	    cause_text(v), "since", seconds(v->since), "last_sample", seconds(v->last_sample),
	    "loss", number_or_null(v->loss), "rtt_ms", number_or_null(v->rtt_p50_ns / 1e6),
	    "incident", (json_int_t)v->incident, "values", values);
}

/* How many links of the plan are this agent's. */
static json_int_t
links_of(const struct shell *sh, const char *agent)
{
	json_int_t n = 0;

	for (size_t i = 0; sh->plan != NULL && i < sh->plan->n_link; i++)
		n += strcmp(sh->plan->link[i]->agent, agent) == 0;
	return n;
}

json_t *
view_agent(const struct shell *sh, const struct agent_view *v)
{
	static const Linkwatch__Pb__AgentInfo none = LINKWATCH__PB__AGENT_INFO__INIT;
	static const Linkwatch__Pb__Health unknown = LINKWATCH__PB__HEALTH__INIT;
	const Linkwatch__Pb__AgentInfo *c = v->conf != NULL ? v->conf : &none;
	const Linkwatch__Pb__Health *h = v->health != NULL ? v->health : &unknown;
	bool exchanged = v->health != NULL && h->clock_rtt_ns > 0;
	char revision[20];
	double days = (double)(h->cert_not_after_ns - sh->now.ns) / (86400.0 * NS_PER_S);

	snprintf(revision, sizeof(revision), "%016" PRIx64, h->plan_revision);
	return json_pack("{ss ss ss ss ss ss sb sb sf sf ss ss ss sI sI so sI sI so sI so}", "agent",
	    v->agent, "vendor", or_empty(c->vendor), "vendor_code",
	    vendor_code(sh, or_empty(c->vendor)), "zone", or_empty(c->zone), "name_zh",
	    or_empty(c->name_zh), "name_en", or_empty(c->name_en), "connected", v->connected,
	    "silent", v->silent, "since", seconds(v->since), "last_batch",
	    seconds(v->last_batch), "address", or_empty(v->address), "version",
	    or_empty(h->software), "plan_revision", revision, "links", links_of(sh, v->agent),
	    "refused_links", (json_int_t)h->refused_links, "clock_offset_ms",
	    exchanged ? json_real((double)h->clock_offset_ns / 1e6) : json_null(),
	    "spool_batches", (json_int_t)h->spool_batches, "spool_dropped",
	    (json_int_t)h->spool_dropped, "cert_days",
	    h->cert_not_after_ns != 0 ? json_real(floor(days * 10) / 10) : json_null(),
	    "incident", (json_int_t)v->incident, "health", health_json(v->health));
}

/* ------------------------------------------------------------------ status */

struct counts {
	json_int_t link[LINK_NOT_OBSERVED + 1];
	json_int_t connected, silent;
	json_int_t incident[INC_MERGED + 1];
	json_t *channels;
};

static void
count_link(void *arg, const struct link_view *v)
{
	struct counts *n = arg;

	if (v->state <= LINK_NOT_OBSERVED && v->conf != NULL)
		n->link[v->state]++;
}

static void
count_agent(void *arg, const struct agent_view *v)
{
	struct counts *n = arg;

	n->connected += v->connected;
	n->silent += v->silent;
}

static void
count_incident(void *arg, const struct incident *inc)
{
	struct counts *n = arg;

	if (inc->state <= INC_MERGED)
		n->incident[inc->state]++;
}

static void
add_channel(void *arg, const struct outbox_channel *c)
{
	struct counts *n = arg;

	json_array_append_new(n->channels, json_pack("{ss sb sI sI ss}", "name", c->name, "up",
	    !c->dead && c->failures == 0, "pending", (json_int_t)c->pending, "failures",
	    (json_int_t)c->failures, "detail", c->failures > 0 ? c->detail : ""));
}

static json_t *
view_feed(const struct shell *sh)
{
	struct feed_stat st;
	double lag;

	feed_stat(sh->feed, &st);
	lag = st.record_wall.ns == 0 ? 0 : (double)(sh->now.ns - st.record_wall.ns) / 1e9;
	return json_pack("{sb sI sf sI sI}", "up", st.up, "seq", (json_int_t)st.seq, "lag_s",
	    lag > 0 ? floor(lag * 10) / 10 : 0.0, "bad", (json_int_t)st.bad, "lost",
	    (json_int_t)st.lost);
}

json_t *
view_status(struct shell *sh)
{
	struct counts n = { .channels = json_array() };
	struct outbox_counts out;
	uint64_t failed = 0;
	struct wall day = { shell_now(sh).ns - 86400 * NS_PER_S };

	core_each_link(sh->core, count_link, &n);
	core_each_agent(sh->core, count_agent, &n);
	core_each_incident(sh->core, count_incident, &n);
	outbox_count(sh->outbox, &out);
	outbox_each_channel(sh->outbox, add_channel, &n);
	db_outbox_failed(sh->db, day, &failed);
	return json_pack("{ss sf so s{sI sI sI sI sI} s{sI sI} s{sI sI sI sI sI} s{sI sI sI} so"
	    " s{sb ss}}", "version", LW_VERSION, "now", seconds(sh->now), "feed", view_feed(sh),
	    "links", "up", n.link[LINK_UP], "degraded", n.link[LINK_DEGRADED], "down",
	    n.link[LINK_DOWN], "planned", n.link[LINK_PLANNED], "not-observed",
	    n.link[LINK_NOT_OBSERVED], "agents", "connected", n.connected, "silent", n.silent,
	    "incidents", "open", n.incident[INC_OPEN], "handling", n.incident[INC_HANDLING],
	    "recovered", n.incident[INC_RECOVERED], "review", n.incident[INC_REVIEW], "hold",
	    n.incident[INC_HOLD], "outbox", "pending",
	    (json_int_t)(out.pending + out.sending), "unknown", (json_int_t)out.unknown,
	    "failed", (json_int_t)failed, "channels", n.channels, "database", "up",
	    !sh->db_failing, "detail", sh->db_failing ? db_error(sh->db) : "");
}
