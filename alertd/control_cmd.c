/*
 * control_cmd.c - the commands of common/control.h, one row each.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/shell.h"
#include "common/control.h"
#include "common/log.h"
#include "common/utf.h"

#define LIST_DEFAULT 200
#define LIST_MAX 1000
#define MARKS_MAX 200			/* of each kind, on one graph */
#define NOTE_MAX 2000			/* bytes of a note or field */
#define RELOAD_NS (15 * NS_PER_S)

struct call {
	struct shell *sh;
	const struct control_request *req;
};

static void
ok(const struct call *c, json_t *data)
{
	control_ok(c->sh->control, c->req->ticket, data);
}

static void
fail(const struct call *c, const char *code, const char *zh, const char *en)
{
	control_fail(c->sh->control, c->req->ticket, code, zh, en);
}

/* A text argument, or NULL. */
static const char *
text_arg(const struct call *c, const char *name)
{
	return json_string_value(json_object_get(c->req->args, name));
}

/* A number as number or text; 0 when it is none. */
static uint64_t
number_arg(const struct call *c, const char *name)
{
	const json_t *v = json_object_get(c->req->args, name);
	const char *s = json_string_value(v);
	char *end;

	if (json_is_integer(v))
		return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
	if (s == NULL || *s < '0' || *s > '9')
		return 0;
	errno = 0;
	unsigned long long n = strtoull(s, &end, 10);
	return *end == '\0' && errno == 0 && n <= INT64_MAX ? n : 0;
}

/* May the actor know of what belongs to this vendor? */
static bool
is_of_vendor(const struct call *c, const char *vendor)
{
	return c->req->actor.role != USER_VENDOR ||
	    (vendor != NULL && strcmp(c->req->actor.vendor, vendor) == 0);
}

/* ---------------------------------------------------------------- looking */

static void
cmd_status(const struct call *c)
{
	ok(c, view_status(c->sh));
}

struct link_filter {
	const struct call *c;
	const char *vendor, *agent, *link, *state;
	json_t *array;
};

static void
collect_link(void *arg, const struct link_view *v)
{
	struct link_filter *f = arg;
	const char *vendor = v->conf != NULL ? v->conf->vendor : "";

	if ((f->vendor != NULL && strcmp(f->vendor, vendor) != 0) ||
	    (f->agent != NULL && strcmp(f->agent, v->agent) != 0) ||
	    (f->link != NULL && strcmp(f->link, v->link) != 0) ||
	    (f->state != NULL && strcmp(f->state, link_state_name(v->state)) != 0))
		return;
	json_array_append_new(f->array, view_link(f->c->sh, v));
}

static void
cmd_link_list(const struct call *c)
{
	struct link_filter f = { c, text_arg(c, "vendor"), text_arg(c, "agent"), NULL,
		text_arg(c, "state"), json_array() };

	core_each_link(c->sh->core, collect_link, &f);
	ok(c, json_pack("{so}", "links", f.array));
}

/* agent and link, also as "agent/link" in one; false when one is missing. */
static bool
link_args(const struct call *c, char agent[ID_MAX + 1], char link[ID_MAX + 1])
{
	const char *a = text_arg(c, "agent"), *l = text_arg(c, "link");
	const char *slash = l == NULL ? NULL : strchr(l, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - l);

	if (slash != NULL && n <= ID_MAX) {
		memcpy(agent, l, n);
		agent[n] = '\0';
		l = slash + 1;
	} else {
		snprintf(agent, ID_MAX + 1, "%s", a == NULL ? "" : a);
	}
	snprintf(link, ID_MAX + 1, "%s", l == NULL ? "" : l);
	return id_is_valid(agent) && id_is_valid(link);
}

static json_t *
why_of(const struct call *c, const char *agent, const char *link)
{
	char buf[8192];
	json_t *why = NULL;

	if (core_why(c->sh->core, agent, link, buf, sizeof(buf)) == 0)
		why = json_loads(buf, 0, NULL);
	return why != NULL ? why : json_object();
}

static void
cmd_link_show(const struct call *c)
{
	char agent[ID_MAX + 1], link[ID_MAX + 1];
	struct link_filter f = { c, *c->req->actor.vendor == '\0' ? NULL : c->req->actor.vendor, agent,
		link, NULL, NULL };
	json_t *incidents;

	if (!link_args(c, agent, link)) {
		fail(c, "usage", "请给出 探针/链路", "name the link as AGENT/LINK");
		return;
	}
	f.array = json_array();
	core_each_link(c->sh->core, collect_link, &f);
	if (json_array_size(f.array) == 0) {
		json_decref(f.array);
		fail(c, "not-found", "没有这条链路", "no such link");
		return;
	}
	incidents = db_incident_list(c->sh->db, NULL, f.vendor, agent, link, false, 20);
	ok(c, json_pack("{sO so so}", "link", json_array_get(f.array, 0), "why",
	    why_of(c, agent, link), "incidents", incidents != NULL ? incidents : json_array()));
	json_decref(f.array);
}

/* ---------------------------------------------------------------- marks */

/* The link whose marks are asked for, once it is found. */
struct marked { const char *agent, *link, *vendor; bool unseen; struct wall since; };

static void
find_marked(void *arg, const struct link_view *v)
{
	struct marked *m = arg;

	if (strcmp(v->agent, m->agent) != 0 || strcmp(v->link, m->link) != 0)
		return;
	m->vendor = v->conf != NULL ? v->conf->vendor : "";
	m->unseen = v->state == LINK_NOT_OBSERVED;
	m->since = v->since;
}

static json_t *
planned_marks(const struct call *c, const struct marked *m, struct wall from, struct wall to)
{
	const struct policy_window *w = c->sh->conf->policy->planned.v;
	json_t *list = json_array();

	for (size_t i = 0; i < c->sh->conf->policy->planned.n && json_array_size(list) < MARKS_MAX; i++)
		if (w[i].begin.ns < to.ns && w[i].end.ns > from.ns &&
		    policy_window_covers(&w[i], m->vendor, m->agent, m->link))
			json_array_append_new(list, json_pack("{ss sf sf}", "name",
			    w[i].name != NULL ? w[i].name : "", "from", (double)w[i].begin.ns / 1e9,
			    "to", (double)w[i].end.ns / 1e9));
	return list;
}

/* Takes what made the link invisible out of its faults. */
static json_t *
unseen_marks(json_t *faults, const struct marked *m)
{
	json_t *list = json_array(), *one;

	for (size_t i = 0; i < json_array_size(faults);) {
		one = json_array_get(faults, i);
		if (strcmp(json_string_value(json_object_get(one, "kind")), "silent") != 0) {
			i++;
			continue;
		}
		json_array_append_new(list, json_pack("{sO sO}", "from", json_object_get(one, "from"),
		    "to", json_object_get(one, "to")));
		json_array_remove(faults, i);
	}
	if (m->unseen)
		json_array_append_new(list, json_pack("{sf sf}", "from", (double)m->since.ns / 1e9,
		    "to", 0.0));
	return list;
}

static void
cmd_link_marks(const struct call *c)
{
	char agent[ID_MAX + 1], link[ID_MAX + 1];
	struct marked m = { .agent = agent, .link = link };
	int64_t from = (int64_t)number_arg(c, "from"), to = (int64_t)number_arg(c, "to");
	json_t *faults, *unseen;

	if (!link_args(c, agent, link) || from >= to || to > INT64_MAX / NS_PER_S) {
		fail(c, "usage", "请给出 探针/链路 和起止时间", "give AGENT/LINK, from and to");
		return;
	}
	core_each_link(c->sh->core, find_marked, &m);
	if (m.vendor == NULL || !is_of_vendor(c, m.vendor)) {
		fail(c, "not-found", "没有这条链路", "no such link");
		return;
	}
	faults = db_link_faults(c->sh->db, agent, link, (struct wall){ from * NS_PER_S },
	    (struct wall){ to * NS_PER_S }, MARKS_MAX);
	if (faults == NULL) {
		fail(c, "unavailable", "数据库不可读", db_error(c->sh->db));
		return;
	}
	unseen = unseen_marks(faults, &m);
	ok(c, json_pack("{so so so}", "faults", faults, "planned", planned_marks(c, &m,
	    (struct wall){ from * NS_PER_S }, (struct wall){ to * NS_PER_S }), "unseen", unseen));
}

struct agent_list { const struct call *c; json_t *array; };

static void
collect_agent(void *arg, const struct agent_view *v)
{
	struct agent_list *l = arg;

	json_array_append_new(l->array, view_agent(l->c->sh, v));
}

static void
cmd_agent_list(const struct call *c)
{
	struct agent_list l = { c, json_array() };

	core_each_agent(c->sh->core, collect_agent, &l);
	ok(c, json_pack("{so}", "agents", l.array));
}

static void
cmd_incident_list(const struct call *c)
{
	uint64_t limit = number_arg(c, "limit");
	const char *state = text_arg(c, "state");
	bool all = json_is_true(json_object_get(c->req->args, "all"));
	json_t *rows = db_incident_list(c->sh->db, state, text_arg(c, "vendor"),
	    text_arg(c, "agent"), NULL, !all && state == NULL,
	    limit == 0 ? LIST_DEFAULT : limit > LIST_MAX ? LIST_MAX : (int)limit);

	if (rows == NULL)
		fail(c, "unavailable", "数据库不可读", db_error(c->sh->db));
	else
		ok(c, json_pack("{so}", "incidents", rows));
}

static void
cmd_incident_show(const struct call *c)
{
	uint64_t number = number_arg(c, "number");
	const struct incident *inc = core_incident(c->sh->core, number);
	json_t *doc = inc != NULL ? incident_to_json(inc) : db_incident(c->sh->db, number);
	json_t *log, *messages, *anomalies;

	if (number == 0) {
		fail(c, "usage", "请给出故障编号", "name an incident by its number");
		return;
	}
	if (doc == NULL || !is_of_vendor(c, json_string_value(json_object_get(doc, "vendor")))) {
		json_decref(doc);
		fail(c, "not-found", "没有这个故障单", "no such incident");
		return;
	}
	log = db_incident_log(c->sh->db, number);
	messages = db_incident_messages(c->sh->db, number);
	anomalies = db_incident_anomalies(c->sh->db, number);
	if (log == NULL || messages == NULL || anomalies == NULL) {
		json_decref(doc);
		json_decref(log);
		json_decref(messages);
		json_decref(anomalies);
		fail(c, "unavailable", "数据库不可读", db_error(c->sh->db));
		return;
	}
	ok(c, json_pack("{so so so so}", "incident", doc, "log", log, "messages", messages,
	    "anomalies", anomalies));
}

static void
cmd_subscribe(const struct call *c)
{
	control_subscribe(c->sh->control, c->req->ticket);
	ok(c, json_object());
}

/* ----------------------------------------------------------------- acting */

/* "HH:MM" (the next one at UTC+8), seconds from now, or seconds since 1970; -1: none of them. */
static int64_t
parse_eta(const char *s, double number, struct wall now)
{
	int minute;
	int64_t day = 86400 * NS_PER_S, local, at;

	if (s != NULL && policy_minute_parse(s, &minute) == 0) {
		local = now.ns + 8 * 3600 * NS_PER_S;
		at = local - local % day + minute * 60 * NS_PER_S;
		if (at <= local)
			at += day;
		return at - 8 * 3600 * NS_PER_S;
	}
	if (s != NULL) {
		char *end;
		number = strtod(s, &end);
		if (end == s || *end != '\0')
			return -1;
	}
	if (!(number > 0 && number < 4e9))
		return -1;
	if (number < 1e9)
		number += (double)(now.ns / NS_PER_S);
	return (int64_t)(number * 1e9);
}

static bool
texts_are_fit(const struct call *c)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)c->req->args, key, value) {
		const char *s = json_string_value(value);
		if (s != NULL && (strlen(s) > NOTE_MAX || !utf_is_line(s)))
			return false;
	}
	return true;
}

/* name, value, name, value ... of what the request sets; number_text holds a grade given as number. */
static void
gather_fields(const struct call *c, const char **field, char number_text[24])
{
	size_t n = 0;

	for (int i = 0; i < FIELD_MAX; i++) {
		const char *name = incident_field_name((enum incident_field)i);
		const json_t *v = json_object_get(c->req->args, name);
		const char *s = json_string_value(v);
		if (json_is_integer(v)) {
			char *text = number_text + (i == FIELD_CAUSE ? 0 : 12);
			snprintf(text, 12, "%d", (int)json_integer_value(v));
			s = text;
		}
		if (s == NULL)
			continue;
		field[n++] = name;
		field[n++] = s;
	}
	field[n] = NULL;
}

/* Is it one of the actor's vendor? */
static bool
has_incident(const struct call *c, uint64_t number)
{
	const struct incident *inc = core_incident(c->sh->core, number);
	json_t *doc = inc == NULL ? db_incident(c->sh->db, number) : NULL;
	bool is = inc != NULL ? is_of_vendor(c, inc->vendor) :
	    is_of_vendor(c, json_string_value(json_object_get(doc, "vendor")));

	json_decref(doc);
	return is;
}

static void
cmd_incident_act(const struct call *c)
{
	const char *field[2 * FIELD_MAX + 1];
	char numbers[24];
	const json_t *eta = json_object_get(c->req->args, "eta");
	struct command cmd = {
		.verb = strchr(c->req->cmd, '.') + 1, .incident = number_arg(c, "number"),
		.actor = c->req->actor.user, .role = user_role_name(c->req->actor.role),
		.channel = c->req->actor.channel, .note = text_arg(c, "note"), .field = field,
		.version = (uint32_t)number_arg(c, "version"),
	};

	if (cmd.incident == 0) {
		fail(c, "usage", "请给出故障编号", "name an incident by its number");
		return;
	}
	if (c->req->actor.role == USER_VENDOR && !has_incident(c, cmd.incident)) {
		fail(c, "not-found", "没有这个故障单", "no such incident");
		return;
	}
	if (!texts_are_fit(c)) {
		fail(c, "usage", "文字过长或含有控制字符",
		    "a text is too long or has control characters");
		return;
	}
	if (eta != NULL && !json_is_null(eta)) {
		cmd.eta_ns = parse_eta(json_string_value(eta), json_number_value(eta),
		    shell_now(c->sh));
		if (cmd.eta_ns < 0) {
			fail(c, "usage", "预计时间应为 时:分 或秒数",
			    "eta is HH:MM or a number of seconds");
			return;
		}
	}
	gather_fields(c, field, numbers);
	shell_command(c->sh, &cmd, c->req->ticket);
}

static void
cmd_reload(const struct call *c)
{
	struct shell *sh = c->sh;
	char *errors = shell_reload(sh);

	if (errors != NULL) {
		fail(c, "usage", errors, errors);
		free(errors);
		return;
	}
	if (sh->reload_ticket != 0 || feed_reload(sh->feed, ++sh->reload_id) != 0) {
		ok(c, json_pack("{ss ss sn}", "alertd", "ok", "collector",
		    sh->reload_ticket != 0 ? "busy" : "not connected", "revision"));
		return;
	}
	sh->reload_ticket = c->req->ticket;
	sh->reload_deadline.ns = clock_mono(sh->clock).ns + RELOAD_NS;
}

/* -------------------------------------------------------------- the table */

static const struct control_row {
	const char *cmd;
	enum user_role role;
	bool writes;			/* not while the database cannot be written */
	bool vendor;			/* run() asks is_of_vendor() */
	void (*run)(const struct call *);
} rows[] = {
	{ "status", USER_VIEWER, false, false, cmd_status },
	{ "link.list", USER_VIEWER, false, false, cmd_link_list },
	{ "link.show", USER_VIEWER, false, true, cmd_link_show },
	{ "link.marks", USER_VIEWER, false, true, cmd_link_marks },
	{ "agent.list", USER_VIEWER, false, false, cmd_agent_list },
	{ "incident.list", USER_VIEWER, false, false, cmd_incident_list },
	{ "incident.show", USER_VIEWER, false, true, cmd_incident_show },
	{ "incident.ack", USER_OPERATOR, true, true, cmd_incident_act },
	{ "incident.note", USER_OPERATOR, true, true, cmd_incident_act },
	{ "incident.set", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.grade", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.hold", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.resume", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.close", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.reopen", USER_OPERATOR, true, false, cmd_incident_act },
	{ "incident.cancel", USER_OPERATOR, true, false, cmd_incident_act },
	{ "reload", USER_ADMIN, false, false, cmd_reload },
	{ "subscribe", USER_VIEWER, false, false, cmd_subscribe },
};

void
shell_serve(void *arg, const struct control_request *req)
{
	struct call c = { arg, req };
	char en[160];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].cmd, req->cmd) != 0)
			continue;
		if (req->actor.role == USER_VENDOR ? !rows[i].vendor : req->actor.role < rows[i].role) {
			snprintf(en, sizeof(en), "%s may not do this: it needs the role %s",
			    req->actor.user, user_role_name(rows[i].role));
			fail(&c, "denied", "没有权限", en);
		} else if (rows[i].writes && c.sh->db_failing) {
			fail(&c, "unavailable", "数据库暂不可写，请稍后再试",
			    "the database cannot be written just now: try again later");
		} else {
			rows[i].run(&c);
		}
		return;
	}
	fail(&c, "usage", "没有这个命令", "there is no such command");
}
