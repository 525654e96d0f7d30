/*
 * web_json.c - links, agents and status as JSON: the journal's figures with alertd's verdicts.
 */
#include <math.h>
#include <string.h>

#include "collector/graph.h"
#include "collector/series.h"
#include "collector/web_alertd.h"
#include "collector/web_state.h"
#include "collector/web_tail.h"
#include "common/health.h"

#define CURVE_POINTS 40

static json_t *
number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
ms(double ns)
{
	return number(round(ns / 1e3) / 1e3);
}

static double
seconds(int64_t ns)
{
	return (double)(ns / NS_PER_MS) / 1e3;
}

uint32_t
web_roles(const Linkwatch__Pb__Link *link)
{
	struct series_def def;
	uint32_t roles = 0;

	if (series_define(&def, link, &series_policy_default) != 0)
		return 0;
	for (size_t i = 0; i < def.ds_n; i++)
		if (def.ds[i].role > 0 && def.ds[i].role <= ROLE_MAX)
			roles |= UINT32_C(1) << def.ds[i].role;
	return roles;
}

const char *
web_object_name(const Linkwatch__Pb__Link *link, size_t i)
{
	return i < link->n_oid_name && link->oid_name[i][0] != '\0' ? link->oid_name[i] :
	    link->oid[i];
}

const char *
web_object_unit(const Linkwatch__Pb__Link *link, size_t i)
{
	return i < link->n_oid_unit ? link->oid_unit[i] : "";
}

/* What stands behind the keys oid0, oid1 ... of the values, in their order. */
static json_t *
objects_of(const Linkwatch__Pb__Link *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_oid && ROLE_OID0 + i <= ROLE_MAX; i++)
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}",
		    "key", value_role_name(ROLE_OID0 + (uint32_t)i), "oid", c->oid[i],
		    "name", web_object_name(c, i), "unit", web_object_unit(c, i)));
	return list;
}

/* The medians of the last steps in ms, oldest first: null = not observed, -1 = nothing came back. */
static json_t *
curve_of(const struct live_link *k)
{
	json_t *list = json_array();

	for (unsigned i = k->points > CURVE_POINTS ? k->points - CURVE_POINTS : 0; i < k->points; i++) {
		const struct live_point *p = live_point(k, i);

		json_array_append_new(list, p->sent > 0 && p->lost == p->sent ? json_integer(-1)
		    : ms(p->p50_ns));
	}
	return list;
}

static json_t *
values_of(const struct live_link *k)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < k->values && i < SAMPLE_VALUES; i++)
		json_object_set_new(o, value_role_name(k->value[i].role), number(k->value[i].value));
	return o;
}

static json_t *
causes_of(const struct live_link *k)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < k->causes && i < SAMPLE_CAUSES; i++)
		json_object_set_new(o, cause_name(k->cause[i].cause), json_integer(k->cause[i].count));
	return o;
}

static json_t *
flags_of(const struct live_link *k)
{
	static const char *const names[] = { "late", "not-observed", "socket-drops", "clock-jump",
		"burst" };
	json_t *list = json_array();

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if ((k->flags & 1u << i) != 0)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* state, cause, since and incident from alertd; null when it is away or has no verdict yet. */
static void
add_verdict(struct web *w, const struct live_link *k, json_t *o)
{
	static const char *const take[] = { "state", "cause", "since", "incident" };
	json_t *verdict = alertd_link(w->alertd, k->key);

	for (size_t i = 0; i < sizeof take / sizeof *take; i++) {
		json_t *v = json_object_get(verdict, take[i]);

		json_object_set_new(o, take[i], v != NULL ? json_incref(v) : json_null());
	}
}

static json_t *
identity_of(const Linkwatch__Pb__Link *c)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:i,s:i}",
	    "agent", c->agent, "link", c->id, "name_zh", *c->name_zh ? c->name_zh : c->id,
	    "name_en", *c->name_en ? c->name_en : c->id, "short_zh", c->short_zh, "short_en",
	    c->short_en, "probe", probe_kind_name(c->probe), "target", c->target, "port",
	    (int)c->port, "class", link_class_name(c->class_), "vendor", c->vendor, "zone", c->zone,
	    "chain", c->chain, "segment", c->segment != 0 ? segment_name(c->segment) : "", "step_ms",
	    (int)c->step_ms, "count", (int)c->count);
}

static void
add_kinds(const Linkwatch__Pb__Link *c, json_t *o)
{
	uint32_t kinds = graph_kinds_of(c->probe, web_roles(c));
	json_t *list = json_array();

	for (int i = 0; i < GRAPH_KINDS; i++)
		if ((kinds & 1u << i) != 0)
			json_array_append_new(list, json_string(graph_kind_name(i)));
	json_object_set_new(o, "graphs", list);
	json_object_set_new(o, "limit_loss", number(c->limit_loss));
	json_object_set_new(o, "limit_rtt_ms", ms((double)c->limit_rtt_ns));
	json_object_set_new(o, "interface", json_string(c->interface));
	json_object_set_new(o, "tls", json_boolean(c->tls));
	json_object_set_new(o, "alias", json_string(c->alias));
}

json_t *
web_json_link(struct web *w, const struct live_link *k, bool full)
{
	json_t *o = identity_of(k->conf);

	if (o == NULL)			/* a text that is no UTF-8: the plan was checked, so never */
		return json_object();
	add_verdict(w, k, o);
	json_object_set_new(o, "at", k->at_ns != 0 ? json_real(seconds(k->at_ns)) : json_null());
	json_object_set_new(o, "loss", number(live_loss(k)));
	json_object_set_new(o, "rtt_ms", ms(k->rtt.p50));
	json_object_set_new(o, "sent", json_integer(k->sent));
	json_object_set_new(o, "replies", json_integer(k->replies));
	json_object_set_new(o, "values", values_of(k));
	if (k->conf->n_oid > 0)
		json_object_set_new(o, "objects", objects_of(k->conf));
	json_object_set_new(o, "causes", causes_of(k));
	json_object_set_new(o, "flags", flags_of(k));
	if (!full)
		return o;
	json_object_set_new(o, "rtt_min_ms", ms(k->rtt.min));
	json_object_set_new(o, "rtt_max_ms", ms(k->rtt.max));
	json_object_set_new(o, "pdv_ms", ms(k->rtt.pdv));
	json_object_set_new(o, "curve", curve_of(k));
	add_kinds(k->conf, o);
	return o;
}

/* What the journal knows of an agent; alertd's view is laid over it. */
json_t *
web_json_agent(struct web *w, const struct live_agent *a)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:I,s:I,s:I}", "agent", a->conf->id,
	    "vendor", a->conf->vendor, "zone", a->conf->zone, "name_zh",
	    *a->conf->name_zh ? a->conf->name_zh : a->conf->id, "name_en",
	    *a->conf->name_en ? a->conf->name_en : a->conf->id, "links", (int)a->links,
	    "refused_links", (int)a->refused_links, "spool_batches", (json_int_t)a->health.spool_batches,
	    "spool_dropped", (json_int_t)a->health.spool_dropped, "late_sends", (json_int_t)a->health.late_sends);
	int64_t now = clock_wall(w->clock).ns;
	bool fresh = now - a->last_batch_ns < SILENT_NS;

	if (o == NULL)
		return json_object();
	json_object_set_new(o, "connected", a->known ? json_boolean(a->connected || fresh) : json_null());
	json_object_set_new(o, "silent", json_null());
	json_object_set_new(o, "since", json_real(seconds(a->since_ns)));
	json_object_set_new(o, "last_batch", json_real(seconds(a->last_batch_ns)));
	json_object_set_new(o, "address", json_string(a->address));
	json_object_set_new(o, "version", json_string(a->software));
	json_object_set_new(o, "last_error", json_string(a->error));
	json_object_set_new(o, "last_error_at", json_real(seconds(a->error_ns)));
	json_object_set_new(o, "clock_offset_ms", a->health_known && a->health.clock_rtt_ns > 0
	    ? ms((double)a->health.clock_offset_ns) : json_null());
	json_object_set_new(o, "loop_lag_ms", a->health_known ? ms((double)a->health.loop_lag_ns) :
	    json_null());
	json_object_set_new(o, "health", health_json(a->health_known ? &a->health : NULL));
	json_object_set_new(o, "cert_days", a->cert_not_after_ns > 0
	    ? json_real(floor(seconds(a->cert_not_after_ns - now) / 86400)) : json_null());
	json_object_update_existing(o, alertd_agent(w->alertd, a->conf->id));
	return o;
}

static void
count(json_t *o, const char *key, bool also)
{
	if (key != NULL)
		json_object_set_new(o, key, json_integer(json_integer_value(json_object_get(o, key)) + also));
}

/* alertd's status as a vendor may see it: what is his, counted; nothing of feed, outbox and channels. */
static json_t *
vendor_status(struct web *w, const char *vendor)
{
	static const char *const states[] = { "up", "degraded", "down", "planned", "not-observed" };
	static const char *const lives[] = { "open", "handling", "recovered", "review", "hold" };
	json_t *links = json_object(), *agents = json_object(), *incidents = json_object(), *one;
	struct live_link *k;
	struct live_agent *a;
	const char *key;
	size_t n;

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		count(links, states[i], false);
	k = live_links(w->live, &n);
	for (size_t i = 0; i < n; i++)
		count(links, json_string_value(json_object_get(alertd_link(w->alertd, k[i].key), "state")),
		    web_scope_has(vendor, k[i].conf->vendor));
	count(agents, "connected", false);
	count(agents, "silent", false);
	a = live_agents(w->live, &n);
	for (size_t i = 0; i < n; i++) {
		json_t *known = alertd_agent(w->alertd, a[i].conf->id);
		bool his = web_scope_has(vendor, a[i].conf->vendor);

		count(agents, "connected", his && json_is_true(json_object_get(known, "connected")));
		count(agents, "silent", his && json_is_true(json_object_get(known, "silent")));
	}
	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++)
		count(incidents, lives[i], false);
	json_object_foreach(alertd_incidents(w->alertd), key, one) {
		const char *state = json_string_value(json_object_get(one, "state"));

		if (state != NULL && json_object_get(incidents, state) != NULL)
			count(incidents, state, web_scope_has_incident(vendor, one));
	}
	return json_pack("{s:o,s:o,s:o}", "links", links, "agents", agents, "incidents", incidents);
}

json_t *
web_json_status(struct web *w, const char *scope)
{
	json_t *status = *scope == '\0' || alertd_status(w->alertd) == NULL ?
	    json_incref(alertd_status(w->alertd)) : vendor_status(w, scope);
	int64_t now = clock_wall(w->clock).ns, last = live_last_ns(w->live);
	const char *trouble = w->tail != NULL ? tail_trouble(w->tail) : "no journal yet";
	json_t *o = json_pack("{s:s,s:f,s:{s:b,s:f,s:s*},s:{s:b,s:b,s:o?}}", "version", LW_VERSION,
	    "now", seconds(now), "ingest", "silent", now - last > SILENT_NS, "last", seconds(last),
	    "trouble", trouble, "alertd", "up", alertd_is_up(w->alertd), "configured",
	    alertd_is_configured(w->alertd), "status", status);
	size_t links, own = 0, seen = 0;
	struct live_link *v = live_links(w->live, &links);

	for (size_t i = 0; i < links; i++)
		if (web_scope_has(scope, v[i].conf->vendor)) {
			own++;
			seen += v[i].at_ns != 0;
		}
	json_object_set_new(o, "links", json_integer((json_int_t)own));
	json_object_set_new(o, "links_seen", json_integer((json_int_t)seen));
	return o;
}
