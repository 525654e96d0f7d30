/*
 * notes.c - the time line as people read it: deeds, places, and the notes that
 * alertd itself writes.
 *
 * alertd keeps its notes as they were said first, since each entry is sealed by
 * a hash.  Here the known ones are given in Chinese; what a person wrote, and
 * what is not known, stands as it is.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "alertd/ctl/ctl.h"

struct pair { const char *key, *zh, *en; };

static const struct pair deeds[] = {
	{ "open", "开单", "opened" }, { "ack", "受理", "acknowledged" },
	{ "note", "说明", "note" }, { "hold", "挂起", "put on hold" },
	{ "resume", "继续处理", "resumed" }, { "set", "填写要素", "field set" },
	{ "close", "办结", "closed" }, { "reopen", "重新打开", "reopened" },
	{ "cancel", "撤销", "cancelled" }, { "review", "待复核", "to review" },
	{ "grade", "定级", "grade" }, { "tell", "通知", "told" },
	{ "suppress", "未通知", "not told" }, { "defer", "暂缓通知", "deferred" },
	{ "escalate", "升级通知", "escalated" }, { "undelivered", "未送达", "not delivered" },
	{ "join", "并入", "joined" }, { "gone", "撤出计划", "left the plan" },
	{ "evidence", "证据", "evidence" }, { "recover", "恢复", "recovered" },
	{ "relapse", "复发", "relapsed" }, { "flapping", "反复通断", "flapping" },
	{ "verdict", "抖动结论", "verdict" }, { "overdue", "超时未恢复", "overdue" },
	{ "lapse", "预计恢复已过", "lapsed" }, { "ack-broken", "须重新受理", "ack withdrawn" },
	{ "archive", "归档", "archived" }, { NULL, NULL, NULL },
};

static const struct pair places[] = {
	{ "1", "用户侧", "user" }, { "2", "接入线路", "access line" }, { "3", "政务外网", "extranet" },
	{ "4", "云边界", "cloud edge" }, { "5", "云内网络", "VPC" }, { "6", "主机", "host" },
	{ "7", "应用", "application" }, { NULL, NULL, NULL },
};

static const struct pair phrases[] = {
	{ "by policy, as it lasts", "按策略，因持续时间", NULL },
	{ "set by a person", "人工定级", NULL },
	{ "the recovery limit expired", "已超恢复时限", NULL },
	{ "the grade rose", "级别已上升", NULL },
	{ "the promised end has passed", "预计恢复时间已过", NULL },
	{ "quiet hours", "免打扰时段", NULL },
	{ "up and down again and again", "反复中断与恢复", NULL },
	{ "stays down", "持续中断", NULL },
	{ "stays up", "持续正常", NULL },
	{ "nobody to tell", "没有通知对象", NULL },
	{ "over before it could be told", "通知前已恢复", NULL },
	{ "left to the daily digest", "留待日报", NULL },
	{ "told in the summary of the storm", "已在告警汇总中通知", NULL },
	{ "within planned maintenance", "在计划维护时段内", NULL },
	{ "never heard", "从未上报", NULL },
	{ "connected, but sends nothing", "已连接，但没有数据", NULL },
	{ "session ended", "连接已断开", NULL },
	{ NULL, NULL, NULL },
};

/* The messages that "tell" and "suppress" name before a colon. */
static const struct pair events[] = {
	{ "open", "开单", NULL }, { "raise", "级别上升", NULL }, { "remind", "催办", NULL },
	{ "escalate", "升级", NULL }, { "ack", "受理", NULL }, { "lapse", "预计已过", NULL },
	{ "recover", "恢复", NULL }, { "relapse", "复发", NULL }, { "flap", "抖动", NULL },
	{ "verdict", "抖动结论", NULL }, { "past", "补报", NULL }, { "close", "办结", NULL },
	{ "cancel", "撤销", NULL }, { "reopen", "重开", NULL }, { NULL, NULL, NULL },
};

/* "set" names the field. */
static const struct pair fields[] = {
	{ "cause", "原因类别", NULL }, { "root-cause", "根本原因", NULL },
	{ "responsible", "责任单位", NULL }, { "measure", "整改措施", NULL },
	{ "grade-final", "终定级", NULL }, { NULL, NULL, NULL },
};

static const struct pair *
find(const struct pair *p, const char *key, size_t n)
{
	for (; p->key != NULL; p++)
		if (strlen(p->key) == n && strncmp(p->key, key, n) == 0)
			return p;
	return NULL;
}

const char *
ctl_deed(const struct ctl *ctl, const char *what)
{
	const struct pair *p = find(deeds, what, strlen(what));

	return p == NULL ? what : out_lang(&ctl->out, p->zh, p->en);
}

static const char *
place(const struct ctl *ctl, char digit)
{
	const struct pair *p = find(places, &digit, 1);

	return p == NULL ? "?" : out_lang(&ctl->out, p->zh, p->en);
}

char *
ctl_located(const struct ctl *ctl, char *buf, size_t n, const char *located)
{
	char a, b, to[4], end;

	if (sscanf(located, "segment %c%c", &a, &end) == 1)
		snprintf(buf, n, "%s", place(ctl, a));
	else if (sscanf(located, "ambiguous: %c %3[a-z] %c", &a, to, &b) == 3)
		snprintf(buf, n, out_lang(&ctl->out, "%s%s%s（不确定）", "%s%s%s (unclear)"),
		    place(ctl, a), strcmp(to, "or") == 0 ? out_lang(&ctl->out, "或", " or ") :
		    out_lang(&ctl->out, "至", " to "), place(ctl, b));
	else
		snprintf(buf, n, "%s", located);
	return buf;
}

char *
ctl_note(const struct ctl *ctl, char *buf, size_t n, const json_t *row, const json_t *inc)
{
	const char *note = ctl_str(row, "note"), *what = ctl_str(row, "what");
	const char *colon = strstr(note, ": ");
	const struct pair *p = find(phrases, note, strlen(note));
	const struct pair *f = find(fields, note, strlen(note));

	if (!ctl->out.zh)
		snprintf(buf, n, "%s", note);
	else if (f != NULL && strcmp(what, "set") == 0)
		snprintf(buf, n, "%s", f->zh);
	else if (p != NULL && strcmp(ctl_str(row, "role"), "system") == 0)
		snprintf(buf, n, "%s", p->zh);
	else if (strcmp(what, "open") == 0 && strcmp(note, ctl_str(inc, "title_en")) == 0)
		snprintf(buf, n, "%s", ctl_str(inc, "title_zh"));
	else if ((strcmp(what, "tell") == 0 || strcmp(what, "suppress") == 0) && colon != NULL &&
		 (p = find(events, note, (size_t)(colon - note))) != NULL)
		snprintf(buf, n, "%s：%s", p->zh, strcmp(colon, ": muted") == 0 ? "通知暂停" :
		    colon + 2);
	else
		snprintf(buf, n, "%s", note);
	return buf;
}
