/*
 * web_api.c - JSON under /api/.  Log in first (cookie); GET unless said otherwise.
 *
 *   status              {"version","now","ingest":{"silent","last","trouble"?},"alertd":{"up","configured",
 *                       "status":{...}|null},"links","links_seen"}; alertd's own status as control.h says
 *   links               ?agent=ID (of one agent) &curve=0 (without curves): {"now","links":[LINK...],"vendors":[
 *                       {"id","code","name_zh","name_en"}...],"zones":[{"id","name_zh","name_en"}...] (those with a
 *                       name),"chains":[{"id","name_zh","name_en"}...]}
 *   link/AGENT/LINK     {"link":LINK,"peers":[{"agent","link","name_zh","name_en"}],"vendors":[...],"zones":[...],
 *                       "alertd":{...}|null}; peers: other links to the same target; alertd: the data of its link.show
 *   graph-address/AGENT/LINK  parameters of graphs, days=1..400 (90): {"path":"/shared/...","expires":S}, an address
 *                       of this one picture that opens without log-in, see web_graph_address.c
 *   series/AGENT/LINK   ?from=&to=&resolution=&cf=AVERAGE|MAX: rows of the RRD file, see graph_worker.h
 *   agents              {"agents":[AGENT...],"vendors":[...],"zones":[...]}
 *   incidents           {"up":BOOL,"incidents":[INCIDENT...],"vendors":[...],"zones":[...]}, newest first
 *   incident/N          the data of alertd's incident.show; 503 while it is away
 *   POST incident/N/ACT ACT one of ack, note, set, grade, hold, resume, close, reopen, cancel; form: note, eta, version,
 *                       cause, root-cause, responsible, measure, grade-final; X-CSRF-Token; role operator.  A vendor may
 *                       ack and note, with note, eta and version: he answers, he does not judge
 *   events              server-sent events, see web_push.c
 *
 *   LINK   {"agent","link","name_zh","name_en","short_zh","short_en","probe","target","port","class","vendor",
 *          "zone","chain","segment","step_ms","count", from alertd or null: "state","cause","since","incident",
 *          from the journal: "at" (s, end of the last step, null: none yet),"loss" (of a minute or three steps),
 *          "rtt_ms" (median of the last step),"sent","replies","values":{ROLE:NUMBER},"causes":{CAUSE:COUNT},
 *          "flags":[...]; in lists and link/ also "rtt_min_ms","rtt_max_ms","pdv_ms","curve","graphs":[KIND...],
 *          "limit_loss","limit_rtt_ms","interface","reverse" ("AGENT/LINK" that measures the way back, or null)}
 *   graphs  /graph/AGENT/LINK?kind=&from=&to=&w=&h=&scale=&theme=light|dark&lang=zh|en&format=png|svg; where its
 *          canvas lies stands in X-Graph-Left, -Top, -Width, -Height, its time in X-Graph-From, -To.  with=A/L,A/L
 *          draws those too, reverse=1 the way back downwards (rtt, loss, pdv); before=S what was S seconds ago behind;
 *          mirror=1 traffic out downwards; title=1 the name above
 *
 * A vendor gets of everything only what is his; of the rest he gets 404, as if it were not there.
 *
 * Errors: {"error":{"code","zh","en"}} with 400, 401, 403, 404, 405, 409, 411, 429, 500, 503 or 504.
 * Times are seconds since 1970 UTC.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/web_alertd.h"
#include "collector/web_graph.h"
#include "collector/web_state.h"

static double
now_s(struct web *w)
{
	return (double)(clock_wall(w->clock).ns / NS_PER_MS) / 1e3;
}

/* The vendors whom the asker may know of. */
static json_t *
vendors_of(struct web_req *q)
{
	const Linkwatch__Pb__Plan *p = live_current_plan(q->web->live);
	json_t *list = json_array();

	for (size_t i = 0; p != NULL && i < p->n_vendor; i++)
		if (web_sees(&q->who, p->vendor[i]->id))
			json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "id",
			    p->vendor[i]->id, "code", p->vendor[i]->code, "name_zh",
			    p->vendor[i]->name_zh, "name_en", p->vendor[i]->name_en));
	return list;
}

/* The names of the zones in which something stands that the asker may see. */
static json_t *
zones_of(const struct web_req *q)
{
	const Linkwatch__Pb__Plan *p = live_current_plan(q->web->live);
	json_t *list = json_array();

	for (size_t i = 0; p != NULL && i < p->n_zone; i++) {
		bool sees = *q->who.vendor == '\0';

		for (size_t k = 0; k < p->n_link && !sees; k++)
			sees = strcmp(p->link[k]->zone, p->zone[i]->id) == 0 && web_sees(&q->who, p->link[k]->vendor);
		for (size_t k = 0; k < p->n_agent && !sees; k++)
			sees = strcmp(p->agent[k]->zone, p->zone[i]->id) == 0 && web_sees(&q->who, p->agent[k]->vendor);
		if (sees)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "id", p->zone[i]->id, "name_zh",
			    p->zone[i]->name_zh, "name_en", p->zone[i]->name_en));
	}
	return list;
}

/* The chains on which a link stands that the asker may see. */
static json_t *
chains_of(const struct web_req *q)
{
	const Linkwatch__Pb__Plan *p = live_current_plan(q->web->live);
	json_t *list = json_array();

	for (size_t i = 0; p != NULL && i < p->n_chain; i++) {
		bool sees = *q->who.vendor == '\0';

		for (size_t k = 0; k < p->n_link && !sees; k++)
			sees = strcmp(p->link[k]->chain, p->chain[i]->id) == 0 &&
			    web_sees(&q->who, p->link[k]->vendor);
		if (sees)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "id", p->chain[i]->id,
			    "name_zh", p->chain[i]->name_zh, "name_en", p->chain[i]->name_en));
	}
	return list;
}

void
web_api_status(struct web_req *q)
{
	web_answer_json(q, 200, web_json_status(q->web, web_scope(&q->who)));
}

/* A link in full; its way back is named to those alone who may see that link. */
static json_t *
link_of(struct web_req *q, const struct live_link *k, bool full)
{
	json_t *o = web_scope_link(q->web, web_scope(&q->who), web_json_link(q->web, k, full));
	const struct live_link *back = live_reverse(q->web->live, k->conf);

	if (back != NULL && web_sees(&q->who, back->conf->vendor))
		json_object_set_new(o, "reverse", json_string(back->key));
	else
		json_object_set_new(o, "reverse", json_null());
	return o;
}

void
web_api_links(struct web_req *q)
{
	const char *agent = http_param(&q->query, "agent");
	json_t *list;
	int64_t curve;
	size_t n;
	struct live_link *v = live_links(q->web->live, &n);

	if (http_param_int(&q->query, "curve", 0, 1, 1, &curve) != 0 || (agent != NULL && !id_is_valid(agent))) {
		web_fail(q, 400, "parameters", "参数不正确", "these are no proper parameters");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		if (web_sees(&q->who, v[i].conf->vendor) && (agent == NULL || strcmp(v[i].conf->agent, agent) == 0))
			json_array_append_new(list, link_of(q, &v[i], curve != 0));
	web_answer_json(q, 200, json_pack("{s:f,s:o,s:o,s:o,s:o}", "now", now_s(q->web), "links", list,
	    "vendors", vendors_of(q), "zones", zones_of(q), "chains", chains_of(q)));
}

static void
answer_link(struct web_req *q, json_t *verdict)
{
	const struct live_link *k = web_find_link(q, q->path.seg[2], q->path.seg[3]);

	if (k == NULL) {
		web_fail(q, 404, "not-found", "计划中没有这条链路", "the plan has no such link");
		return;
	}
	web_answer_json(q, 200, json_pack("{s:f,s:o,s:o,s:o,s:o,s:O?}", "now", now_s(q->web), "link",
	    link_of(q, k, true), "peers", wish_peers(q, k), "vendors", vendors_of(q), "zones", zones_of(q),
	    "alertd", verdict));
}

static void
link_shown(void *arg, json_t *answer)
{
	struct web_req *q = arg;
	json_t *data = web_scope_link_doc(q->web, web_scope(&q->who), json_object_get(answer, "data"));

	answer_link(q, data);
	json_decref(data);
}

void
web_api_link(struct web_req *q)
{
	if (web_find_link(q, q->path.seg[2], q->path.seg[3]) == NULL || !alertd_is_up(q->web->alertd))
		answer_link(q, NULL);
	else
		web_ask_alertd(q, "link.show", json_pack("{s:s,s:s}", "agent", q->path.seg[2], "link",
		    q->path.seg[3]), link_shown, q);
}

void
web_api_agents(struct web_req *q)
{
	json_t *list = json_array();
	size_t n;
	struct live_agent *v = live_agents(q->web->live, &n);

	for (size_t i = 0; i < n; i++)
		if (web_sees(&q->who, v[i].conf->vendor))
			json_array_append_new(list, web_json_agent(q->web, &v[i]));
	web_answer_json(q, 200, json_pack("{s:f,s:o,s:o,s:o}", "now", now_s(q->web), "agents", list,
	    "vendors", vendors_of(q), "zones", zones_of(q)));
}

static int
newest_first(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "number"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "number"));

	return x < y ? 1 : x > y ? -1 : 0;
}

void
web_api_incidents(struct web_req *q)
{
	json_t *known = alertd_incidents(q->web->alertd), *list = json_array(), *one;
	size_t n = json_object_size(known), i = 0;
	json_t **v = calloc(n + 1, sizeof *v);
	const char *key, *scope = web_scope(&q->who);

	if (v == NULL)
		abort();
	json_object_foreach(known, key, one)
		v[i++] = one;
	qsort(v, n, sizeof *v, newest_first);
	for (i = 0; i < n; i++)
		if (web_scope_has_incident(scope, v[i]))
			json_array_append_new(list, web_scope_incident(q->web, scope, v[i]));
	free(v);
	web_answer_json(q, 200, json_pack("{s:f,s:b,s:o,s:o,s:o}", "now", now_s(q->web), "up",
	    alertd_is_up(q->web->alertd), "incidents", list, "vendors", vendors_of(q), "zones", zones_of(q)));
}

/* The HTTP status for an error word of control.h. */
static int
status_of(const char *word)
{
	static const struct { const char *word; int status; } rows[] = {
		{ "usage", 400 }, { "denied", 403 }, { "not-found", 404 }, { "closed", 409 },
		{ "missing-fields", 409 }, { "link-down", 409 }, { "conflict", 409 },
	};

	for (size_t i = 0; word != NULL && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].status;
	return 503;
}

/* What alertd says of an incident, as the asker may see it; alertd has looked whose it is, and so do we. */
static void
answer_incident(struct web_req *q, json_t *data)
{
	const char *scope = web_scope(&q->who);

	if (web_scope_has_incident(scope, json_object_get(data, "incident")))
		web_answer_json(q, 200, web_scope_incident_doc(q->web, scope, data));
	else
		web_fail(q, 404, "not-found", "没有这个故障", "there is no such incident");
}

static void
alertd_answered(void *arg, json_t *answer)
{
	struct web_req *q = arg;
	json_t *error = json_object_get(answer, "error");
	const char *word = json_string_value(json_object_get(error, "code"));
	const char *zh = json_string_value(json_object_get(error, "zh"));
	const char *en = json_string_value(json_object_get(error, "en"));

	if (json_is_true(json_object_get(answer, "ok")))
		answer_incident(q, json_object_get(answer, "data"));
	else if (answer == NULL)
		web_fail(q, 503, "unavailable", "告警服务暂不可用", "the alert service does not answer");
	else
		web_fail(q, status_of(word), word != NULL ? word : "unavailable", zh != NULL ? zh : "失败",
		    en != NULL ? en : "failed");
}

/* The N of incident/N, or 0. */
static json_int_t
incident_number(const struct web_req *q)
{
	const char *s = q->path.seg[2];

	if (*s == '\0' || strlen(s) > 15 || strspn(s, "0123456789") != strlen(s))
		return 0;
	return strtoll(s, NULL, 10);
}

void
web_api_incident(struct web_req *q)
{
	json_int_t number = incident_number(q);

	if (number == 0)
		web_fail(q, 404, "not-found", "没有这个故障", "there is no such incident");
	else
		web_ask_alertd(q, "incident.show", json_pack("{s:I}", "number", number), alertd_answered, q);
}

void
web_api_incident_act(struct web_req *q)
{
	static const struct { const char *act, *cmd; bool vendor; } commands[] = {
		{ "ack", "incident.ack", true }, { "note", "incident.note", true },
		{ "set", "incident.set", false }, { "grade", "incident.grade", false },
		{ "hold", "incident.hold", false }, { "resume", "incident.resume", false },
		{ "close", "incident.close", false }, { "reopen", "incident.reopen", false },
		{ "cancel", "incident.cancel", false },
	};
	static const char *const texts[] = { "note", "eta", "cause", "root-cause", "responsible", "measure",
		"grade-final" };
	const size_t n_texts = sizeof texts / sizeof *texts, n_answers = 2;	/* those of an answer come first */
	json_int_t number = incident_number(q);
	const char *cmd = NULL;
	bool may = true;
	int64_t version;
	json_t *args;

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].act, q->path.seg[3]) != 0)
			continue;
		cmd = commands[i].cmd;
		may = commands[i].vendor || q->who.role != WEB_VENDOR;
	}
	for (size_t i = n_answers; i < n_texts && q->who.role == WEB_VENDOR; i++)
		may &= http_param(&q->form, texts[i]) == NULL || *http_param(&q->form, texts[i]) == '\0';
	if (number == 0 || cmd == NULL) {
		web_fail(q, 404, "not-found", "没有这个操作", "there is no such action");
		return;
	}
	if (!may) {
		web_fail(q, 403, "denied", "服务商账号只能确认和填写说明", "a vendor may acknowledge and note");
		return;
	}
	if (http_param_int(&q->form, "version", 0, UINT32_MAX, 0, &version) != 0) {
		web_fail(q, 400, "parameters", "参数不正确", "these are no proper parameters");
		return;
	}
	args = json_pack("{s:I,s:I}", "number", number, "version", (json_int_t)version);
	for (size_t i = 0; i < n_texts; i++)
		if (http_param(&q->form, texts[i]) != NULL && *http_param(&q->form, texts[i]) != '\0')
			json_object_set_new(args, texts[i], json_string(http_param(&q->form, texts[i])));
	web_ask_alertd(q, cmd, args, alertd_answered, q);
}
