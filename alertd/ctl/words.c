/*
 * words.c - the protocol's key words as people read them.
 */
#include <string.h>

#include "alertd/ctl/ctl.h"

struct word { const char *key, *zh, *en; enum style style; };

static const struct word states[] = {
	{ "up", "正常", "up", STYLE_GOOD },
	{ "degraded", "劣化", "degraded", STYLE_WARN },
	{ "down", "中断", "down", STYLE_BAD },
	{ "planned", "计划内", "planned", STYLE_DIM },
	{ "not-observed", "无观测", "not observed", STYLE_WARN },
	{ "open", "待受理", "open", STYLE_BAD },
	{ "handling", "处理中", "handling", STYLE_WARN },
	{ "hold", "挂起", "on hold", STYLE_WARN },
	{ "recovered", "已恢复待核验", "recovered", STYLE_GOOD },
	{ "review", "待复核", "in review", STYLE_WARN },
	{ "closed", "已办结", "closed", STYLE_DIM },
	{ "archived", "已归档", "archived", STYLE_DIM },
	{ "cancelled", "已撤销", "cancelled", STYLE_DIM },
	{ "merged", "已并单", "merged", STYLE_DIM },
	{ "pending", "待发", "pending", STYLE_WARN },
	{ "sending", "发送中", "sending", STYLE_WARN },
	{ "unknown", "结果不明", "unknown", STYLE_WARN },
	{ "sent", "已发", "sent", STYLE_GOOD },
	{ "failed", "失败", "failed", STYLE_BAD },
	{ "expired", "过期未发", "expired", STYLE_BAD },
	{ "stopped", "已停发", "stopped", STYLE_DIM },
	{ NULL, NULL, NULL, STYLE_NONE },
};

static const struct word kinds[] = {
	{ "down", "中断", "down", STYLE_NONE },
	{ "loss", "丢包", "loss", STYLE_NONE },
	{ "latency", "时延升高", "latency", STYLE_NONE },
	{ "variation", "抖动", "delay variation", STYLE_NONE },
	{ "service", "服务拒绝", "service refused", STYLE_NONE },
	{ "utilisation", "利用率过高", "utilisation", STYLE_NONE },
	{ "errors", "接口错误", "interface errors", STYLE_NONE },
	{ "silent", "探针失联", "agent silent", STYLE_NONE },
	{ "clock", "时钟偏差", "clock", STYLE_NONE },
	{ "self", "平台自身", "monitor itself", STYLE_NONE },
	{ NULL, NULL, NULL, STYLE_NONE },
};

static const struct word *
find(const struct word *words, const char *key)
{
	for (; words->key != NULL; words++)
		if (strcmp(words->key, key) == 0)
			return words;
	return NULL;
}

const char *
ctl_state(const struct ctl *ctl, const char *state, enum style *style)
{
	const struct word *w = find(states, state);

	if (style != NULL)
		*style = w == NULL ? STYLE_NONE : w->style;
	return w == NULL ? state : out_lang(&ctl->out, w->zh, w->en);
}

const char *
ctl_kind(const struct ctl *ctl, const char *kind)
{
	const struct word *w = find(kinds, kind);

	return w == NULL ? kind : out_lang(&ctl->out, w->zh, w->en);
}

const char *
ctl_grade(const struct ctl *ctl, int grade)
{
	static const char *const zh[] = { "-", "一级", "二级", "三级", "四级" };
	static const char *const en[] = { "-", "P1", "P2", "P3", "P4" };

	if (grade < 0 || grade > 4)
		grade = 0;
	return ctl->out.zh ? zh[grade] : en[grade];
}
