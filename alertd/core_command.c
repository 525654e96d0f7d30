/*
 * core_command.c - people act on incidents: one row for each verb.
 *
 * A refusal changes nothing and says why in one line of Chinese and English.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"
#include "common/utf.h"

#define TEXT_UNITS 500

static void
reply(struct core *c, bool ok, const char *code, const char *zh, const char *en)
{
	struct decision d = { .type = DEC_REPLY,
		.reply = { .ok = ok, .code = code, .zh = zh, .en = en } };

	out_add(c, &d);
}

static bool
refuse(struct core *c, const char *code, const char *zh, const char *en)
{
	reply(c, false, code, zh, en);
	return false;
}

static void
put_name(char *buf, size_t n, const char *s)
{
	size_t len = utf_cut(s, (n - 1) / 4);

	memcpy(buf, s, len);
	buf[len] = '\0';
}

/* ------------------------------------------------------------------------ verbs */

static bool
need_note(struct core *c, const struct command *cmd)
{
	return (cmd->note != NULL && *cmd->note != '\0') ||
	    refuse(c, "usage", "请填写说明", "a note is needed");
}

static bool
do_ack(struct core *c, struct entry *e, const struct command *cmd)
{
	if (!incident_is_active(e))
		return refuse(c, "closed", "故障已恢复，无需确认",
		    "it has recovered: nothing to acknowledge");
	if (cmd->eta_ns != 0 && cmd->eta_ns <= c->now.ns)
		return refuse(c, "usage", "预计恢复时间已过", "the expected end is in the past");
	e->inc.acked = c->now;
	e->inc.eta.ns = cmd->eta_ns;
	e->inc.lapsed = false;
	put_name(e->inc.handler, sizeof(e->inc.handler), cmd->actor);
	incident_state(c, e, INC_HANDLING, "ack", cmd->note);
	escalate_acked(c->policy, &e->inc, c->now);
	if (e->inc.announce_at.ns != 0) {	/* somebody knows before it was told */
		e->inc.announce_at.ns = 0;
		e->inc.announced = c->now;
	}
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES,
	    .stop_incident = e->inc.number });
	notify(c, e, MSG_ACK, 0);
	return true;
}

static bool
do_note(struct core *c, struct entry *e, const struct command *cmd)
{
	if (!need_note(c, cmd))
		return false;
	out_log(c, e, "note", "", "", cmd->note);
	incident_touch(c, e);
	return true;
}

static bool
do_hold(struct core *c, struct entry *e, const struct command *cmd)
{
	if (!need_note(c, cmd))
		return false;
	if (e->inc.state != INC_OPEN && e->inc.state != INC_HANDLING)
		return refuse(c, "usage", "只能挂起待受理或处理中的故障",
		    "only an open or handled incident can be held");
	escalate_stop(&e->inc);
	incident_state(c, e, INC_HOLD, "hold", cmd->note);
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES,
	    .stop_incident = e->inc.number });
	return true;
}

static bool
do_resume(struct core *c, struct entry *e, const struct command *cmd)
{
	if (e->inc.state != INC_HOLD)
		return refuse(c, "usage", "故障未挂起", "it is not on hold");
	e->inc.acked = c->now;
	put_name(e->inc.handler, sizeof(e->inc.handler), cmd->actor);
	incident_state(c, e, INC_HANDLING, "resume", cmd->note);
	escalate_acked(c->policy, &e->inc, c->now);
	return true;
}

/* ------------------------------------------------------------------------ fields */

static bool
cause_is_known(const char *s)
{
	static const char *const known[] = { "101", "102", "103", "201", "202", "203", "204", "301",
		"302", "303", "401", "402", "403", "501", "502", "601", "602", "701", "801", "901" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], s) == 0)
			return true;
	return false;
}

static int
field_parse(const char *name)
{
	for (int f = 0; f < FIELD_MAX; f++)
		if (strcmp(incident_field_name((enum incident_field)f), name) == 0)
			return f;
	return -1;
}

static bool
check_field(struct core *c, const char *name, const char *value)
{
	int f = field_parse(name);

	if (f < 0)
		return refuse(c, "usage", out_text(c, "没有字段 %s", name),
		    out_text(c, "no such field: %s", name));
	if (value == NULL || *value == '\0' || !utf_is_line(value) || utf_units(value) > TEXT_UNITS)
		return refuse(c, "usage", out_text(c, "字段 %s 须为一行文字，不超过%d字", name, TEXT_UNITS),
		    out_text(c, "%s: one line of at most %d characters", name, TEXT_UNITS));
	if (f == FIELD_CAUSE && !cause_is_known(value))
		return refuse(c, "usage", "原因类别须为101至901的编号",
		    "cause: a category number, 101 to 901");
	if (f == FIELD_GRADE_FINAL && (strlen(value) != 1 || *value < '1' || *value > '4'))
		return refuse(c, "usage", "终定级须为1至4", "grade-final: 1 to 4");
	return true;
}

static bool
check_fields(struct core *c, const struct command *cmd)
{
	for (size_t i = 0; cmd->field != NULL && cmd->field[i] != NULL; i += 2) {
		if (!check_field(c, cmd->field[i], cmd->field[i + 1]))
			return false;
	}
	return true;
}

static const char *
given(const struct command *cmd, int f)
{
	const char *name = incident_field_name((enum incident_field)f), *value = NULL;

	for (size_t i = 0; cmd->field != NULL && cmd->field[i] != NULL; i += 2)
		if (strcmp(cmd->field[i], name) == 0)
			value = cmd->field[i + 1];
	return value;
}

static void
take_fields(struct core *c, struct entry *e, const struct command *cmd)
{
	for (int f = 0; f < FIELD_MAX; f++) {
		const char *value = given(cmd, f);

		if (value == NULL)
			continue;
		out_log(c, e, "set", e->inc.field[f] == NULL ? "" : out_text(c, "%s",
		    e->inc.field[f]), value, incident_field_name((enum incident_field)f));
		free(e->inc.field[f]);
		e->inc.field[f] = xstrdup(value);
		if (f == FIELD_GRADE_FINAL)
			e->inc.grade_final = (uint8_t)(*value - '0');
	}
	incident_touch(c, e);
}

static bool
do_set(struct core *c, struct entry *e, const struct command *cmd)
{
	if (cmd->field == NULL || cmd->field[0] == NULL)
		return refuse(c, "usage", "未给出字段", "no fields given");
	if (!check_fields(c, cmd))
		return false;
	take_fields(c, e, cmd);
	if (e->inc.state == INC_RECOVERED)
		incident_state(c, e, INC_REVIEW, "review", "");
	return true;
}

static bool
do_grade(struct core *c, struct entry *e, const struct command *cmd)
{
	const char *value = cmd->field == NULL || cmd->field[0] == NULL ? NULL : cmd->field[1];

	if (value == NULL || strlen(value) != 1 || *value < '1' || *value > '4')
		return refuse(c, "usage", "级别须为1至4", "grade: 1 to 4");
	e->inc.grade_set = true;
	life_set_grade(c, e, (unsigned)(*value - '0'),
	    cmd->note == NULL ? "set by a person" : cmd->note);
	incident_touch(c, e);
	return true;
}

/* ----------------------------------------------------------------------- closing */

static bool
missing_fields(struct core *c, const struct entry *e, const struct command *cmd)
{
	char zh[160] = "", en[160] = "";
	size_t z = 0, n = 0;

	for (int i = 0; i < FIELD_MAX; i++) {
		enum incident_field f = (enum incident_field)i;

		if (e->inc.field[i] != NULL || given(cmd, i) != NULL)
			continue;
		n += (size_t)snprintf(en + n, sizeof(en) - n, "%s%s", n > 0 ? ", " : "",
		    incident_field_name(f));
		z += (size_t)snprintf(zh + z, sizeof(zh) - z, "%s%s", z > 0 ? "、" : "",
		    incident_field_zh(f));
	}
	if (n == 0)
		return false;
	refuse(c, "missing-fields", out_text(c, "不能办结，缺少：%s", zh),
	    out_text(c, "cannot be closed, missing: %s", en));
	return true;
}

static bool
is_clean(struct core *c, const struct entry *e)
{
	int64_t watch = policy_limits(c->policy, e->inc.grade)->watch, clean;
	char had[32], needed[32];

	if (e->inc.clean_since.ns == 0) {
		enum link_state s = e->inc.link_state;

		return refuse(c, "link-down",
		    out_text(c, "不能办结，故障仍在（%s）", incident_link_zh(s)),
		    out_text(c, "cannot be closed: the fault lasts (%s)", link_state_name(s)));
	}
	for (size_t i = 0; i < e->n; i++) {
		uint32_t cause;

		if (link_state_now(c, e->link[i], &cause) == LINK_NOT_OBSERVED)
			return refuse(c, "link-down", out_text(c, "不能办结，链路 %s/%s 未被观测",
			    e->link[i]->conf->agent, e->link[i]->conf->id),
			    out_text(c, "cannot be closed: link %s/%s is not observed",
			    e->link[i]->conf->agent, e->link[i]->conf->id));
	}
	clean = incident_proven(c, e).ns - e->inc.clean_since.ns;
	if (clean >= watch)
		return true;
	message_duration(had, sizeof(had), clean, LANG_ZH);
	message_duration(needed, sizeof(needed), watch, LANG_ZH);
	refuse(c, "link-down", out_text(c, "不能办结，恢复后仅正常%s，须满%s", had, needed),
	    out_text(c, "cannot be closed: clean for %" PRId64 " s, %" PRId64 " s are needed",
	    clean / NS_PER_S, watch / NS_PER_S));
	return false;
}

static bool
links_left(const struct entry *e)
{
	return e->n > 0 || e->inc.link[0] == '\0';
}

static bool
do_close(struct core *c, struct entry *e, const struct command *cmd)
{
	if (!check_fields(c, cmd))
		return false;
	if (links_left(e) && !is_clean(c, e))
		return false;
	if (missing_fields(c, e, cmd))
		return false;
	take_fields(c, e, cmd);
	if (e->inc.recovered.ns == 0)
		e->inc.recovered = e->inc.clean_since;
	e->inc.closed = c->now;
	e->inc.announce_at.ns = 0;
	escalate_stop(&e->inc);
	incident_state(c, e, INC_CLOSED, "close", cmd->note);
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES,
	    .stop_incident = e->inc.number });
	notify(c, e, MSG_CLOSE, 0);
	incident_detach(c, e);
	return true;
}

static bool
do_cancel(struct core *c, struct entry *e, const struct command *cmd)
{
	if (!need_note(c, cmd))
		return false;
	e->inc.closed = c->now;
	e->inc.announce_at.ns = 0;
	escalate_stop(&e->inc);
	incident_state(c, e, INC_CANCELLED, "cancel", cmd->note);
	out_add(c, &(struct decision){ .type = DEC_STOP_MESSAGES,
	    .stop_incident = e->inc.number });
	notify(c, e, MSG_CANCEL, 0);
	incident_detach(c, e);
	return true;
}

/* Its links come back to it, unless they have another incident by now. */
static void
attach_again(struct core *c, struct entry *e)
{
	enum fault_class cls = fault_class_of(e->inc.kind);

	for (uint32_t i = 0; i < e->inc.links && i < INCIDENT_LINKS; i++) {
		struct link_entry *l = save_find_link(c, e->inc.link_list[i].agent,
		    e->inc.link_list[i].link);

		struct entry *o = l == NULL ? NULL : incident_find(c, l->m.incident[cls]);

		if (l == NULL || (o != NULL && o != e && incident_is_active(o)))
			continue;
		if (o != NULL && o != e)
			incident_forget_link(o, l);
		l->m.incident[cls] = e->inc.number;
		l->dirty = true;
		incident_attach(e, l);
	}
}

/* Another incident has taken up the same fault since. */
static struct entry *
successor(struct core *c, const struct entry *e)
{
	enum fault_class cls = fault_class_of(e->inc.kind);
	struct entry *o;

	if (e->inc.link[0] == '\0') {
		o = incident_by_fingerprint(c, e->inc.fingerprint);
		return o != e && o != NULL && incident_is_active(o) ? o : NULL;
	}
	for (uint32_t i = 0; i < e->inc.links && i < INCIDENT_LINKS; i++) {
		struct link_entry *l = save_find_link(c, e->inc.link_list[i].agent,
		    e->inc.link_list[i].link);

		o = l == NULL ? NULL : incident_naming(c, l, cls);
		if (o != NULL && o != e)
			return o;
	}
	return NULL;
}

static bool
do_reopen(struct core *c, struct entry *e, const struct command *cmd)
{
	struct entry *other;

	if (e->inc.state != INC_CLOSED && e->inc.state != INC_CANCELLED &&
	    e->inc.state != INC_RECOVERED && e->inc.state != INC_REVIEW)
		return refuse(c, "usage", "故障未办结，无需重开", "it is not closed");
	if (!need_note(c, cmd))
		return false;
	other = successor(c, e);
	if (other != NULL)
		return refuse(c, "conflict", out_text(c, "同一故障已另建故障%" PRIu64,
		    other->inc.number), out_text(c, "incident %" PRIu64 " has the same fault by now",
		    other->inc.number));
	e->inc.closed.ns = e->inc.recovered.ns = 0;
	put_name(e->inc.handler, sizeof(e->inc.handler), cmd->actor);
	e->inc.acked = c->now;
	e->inc.raise_base = c->now;
	e->inc.overdue = false;
	/* A person doubts the recovery: it is watched from here again. */
	if (e->inc.outage_start.ns == 0)
		e->inc.clean_since = c->now;
	incident_state(c, e, INC_HANDLING, "reopen", cmd->note);
	escalate_limit(c->policy, &e->inc);
	escalate_acked(c->policy, &e->inc, c->now);
	attach_again(c, e);
	incident_review(c, e);
	notify(c, e, MSG_REOPEN, 0);
	return true;
}

/* ------------------------------------------------------------------------- door */

static const struct verb {
	const char *name;
	bool (*run)(struct core *, struct entry *, const struct command *);
	bool on_closed;			/* makes sense for one that is not open any more */
	const char *zh, *en;
} verbs[] = {
	{ "ack", do_ack, false, "已确认", "acknowledged" },
	{ "note", do_note, true, "已记录", "noted" },
	{ "set", do_set, false, "已填写", "set" },
	{ "grade", do_grade, false, "已定级", "graded" },
	{ "hold", do_hold, false, "已挂起", "on hold" },
	{ "resume", do_resume, false, "已继续处理", "resumed" },
	{ "close", do_close, false, "已办结", "closed" },
	{ "reopen", do_reopen, true, "已重开", "reopened" },
	{ "cancel", do_cancel, false, "已撤销", "cancelled" },
};

static bool
may_act(const char *role, const char *verb)
{
	if (role != NULL && strcmp(role, "vendor") == 0)	/* answers; judging is for others */
		return strcmp(verb, "ack") == 0 || strcmp(verb, "note") == 0;
	return role != NULL && (strcmp(role, "operator") == 0 || strcmp(role, "admin") == 0);
}

static bool
may_run(struct core *c, const struct entry *e, const struct verb *v, const struct command *cmd)
{
	if (cmd->version != 0 && cmd->version != e->inc.version)
		return refuse(c, "conflict", out_text(c, "故障%" PRIu64 "已被他人修改，请刷新后重试",
		    cmd->incident), out_text(c, "incident %" PRIu64
		    " was changed by somebody else: look again", cmd->incident));
	if (!v->on_closed && !incident_is_open(&e->inc))
		return refuse(c, "closed", out_text(c, "故障%" PRIu64 "%s", cmd->incident,
		    incident_state_zh(e->inc.state)), out_text(c, "incident %" PRIu64 " is %s",
		    cmd->incident, incident_state_name(e->inc.state)));
	if (cmd->note != NULL && (!utf_is_valid(cmd->note, strlen(cmd->note)) ||
	    utf_units(cmd->note) > 4 * TEXT_UNITS))
		return refuse(c, "usage", "说明过长或含无效字符", "note: too long, or not UTF-8");
	return true;
}

void
command_do(struct core *c, const struct command *cmd)
{
	const struct verb *v = NULL;
	struct entry *e = incident_find(c, cmd->incident);

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, cmd->verb) == 0)
			v = &verbs[i];
	if (v == NULL)
		refuse(c, "usage", out_text(c, "没有操作 %s", cmd->verb),
		    out_text(c, "no such action: %s", cmd->verb));
	else if (!may_act(cmd->role, cmd->verb) || cmd->actor == NULL || *cmd->actor == '\0')
		refuse(c, "denied", "没有权限", "not permitted for your role");
	else if (e == NULL)
		refuse(c, "not-found", out_text(c, "没有故障%" PRIu64, cmd->incident),
		    out_text(c, "no incident %" PRIu64, cmd->incident));
	else if (may_run(c, e, v, cmd) && v->run(c, e, cmd))
		reply(c, true, "", out_text(c, "故障%" PRIu64 "%s", cmd->incident, v->zh),
		    out_text(c, "incident %" PRIu64 " %s", cmd->incident, v->en));
}
