/*
 * incident.c - names of an incident's states, and copies of its record.
 */
#include <stdlib.h>
#include <string.h>

#include "alertd/incident.h"
#include "common/mem.h"

static const struct { const char *name, *zh; } states[] = {
	[INC_OPEN] = { "open", "待受理" },
	[INC_HANDLING] = { "handling", "处理中" },
	[INC_HOLD] = { "hold", "挂起" },
	[INC_RECOVERED] = { "recovered", "已恢复待核验" },
	[INC_REVIEW] = { "review", "待复核" },
	[INC_CLOSED] = { "closed", "已办结" },
	[INC_ARCHIVED] = { "archived", "已归档" },
	[INC_CANCELLED] = { "cancelled", "已撤销" },
	[INC_MERGED] = { "merged", "已并单" },
};

static const char *const fields[FIELD_MAX] = {
	[FIELD_CAUSE] = "cause", [FIELD_ROOT_CAUSE] = "root-cause",
	[FIELD_RESPONSIBLE] = "responsible", [FIELD_MEASURE] = "measure",
	[FIELD_GRADE_FINAL] = "grade-final",
};

const char *
incident_state_name(enum incident_state s)
{
	return s >= INC_OPEN && s <= INC_MERGED ? states[s].name : "?";
}

int
incident_state_parse(const char *s)
{
	for (int i = INC_OPEN; i <= INC_MERGED; i++)
		if (strcmp(states[i].name, s) == 0)
			return i;
	return -1;
}

const char *
incident_state_zh(enum incident_state s)
{
	return s >= INC_OPEN && s <= INC_MERGED ? states[s].zh : "?";
}

const char *
incident_field_name(enum incident_field f)
{
	return (unsigned)f < FIELD_MAX ? fields[f] : "?";
}

const char *
incident_field_zh(enum incident_field f)
{
	static const char *const zh[FIELD_MAX] = { "原因类别", "根本原因", "责任单位", "整改措施", "终定级" };

	return (unsigned)f < FIELD_MAX ? zh[f] : "?";
}

const char *
incident_link_zh(enum link_state s)
{
	static const char *const zh[] = { "?", "正常", "劣化", "中断", "计划内", "无观测" };

	return (size_t)s < sizeof(zh) / sizeof(zh[0]) ? zh[s] : "?";
}

bool
incident_is_open(const struct incident *inc)
{
	return inc->state >= INC_OPEN && inc->state <= INC_REVIEW;
}

void
incident_clear(struct incident *inc)
{
	for (int f = 0; f < FIELD_MAX; f++) {
		free(inc->field[f]);
		inc->field[f] = NULL;
	}
}

void
incident_copy(struct incident *to, const struct incident *from)
{
	if (to == from)
		return;
	incident_clear(to);
	*to = *from;
	for (int f = 0; f < FIELD_MAX; f++)
		to->field[f] = from->field[f] == NULL ? NULL : xstrdup(from->field[f]);
}
