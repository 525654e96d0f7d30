/*
 * cmd_incident.c - linkctl incident: list, and what people do to one.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/ctl/ctl.h"
#include "common/clock.h"

static void
incident_row(struct table *t, const struct ctl *ctl, const json_t *inc)
{
	char buf[64];
	enum style style;
	const char *state_key = ctl_str(inc, "state"), *state = ctl_state(ctl, state_key, &style);
	bool over = strcmp(state_key, "open") != 0 && strcmp(state_key, "handling") != 0 &&
		    strcmp(state_key, "hold") != 0;
	double end = ctl_num(inc, "recovered") > 0 ? ctl_num(inc, "recovered") : over ?
	    ctl_num(inc, "updated") : (double)(clock_wall(clock_real()).ns / NS_PER_S);

	snprintf(buf, sizeof(buf), "%.0f", ctl_num(inc, "number"));
	table_cell_right(t, STYLE_BOLD, buf);
	snprintf(buf, sizeof(buf), "%04.0f", ctl_num(inc, "code"));
	table_cell(t, STYLE_NONE, buf);
	table_cell(t, ctl_num(inc, "grade") <= 2 ? STYLE_BAD : STYLE_NONE,
	    ctl_grade(ctl, (int)ctl_num(inc, "grade")));
	table_cell(t, style, state);
	table_cell(t, STYLE_NONE, out_time(buf, sizeof(buf), ctl_num(inc, "opened")));
	table_cell_right(t, STYLE_NONE, out_span(buf, sizeof(buf),
	    end - ctl_num(inc, "first_fail")));
	table_cell(t, STYLE_NONE, ctl_str(inc, "handler"));
	table_cell(t, STYLE_NONE, ctl_name(ctl, inc, "title_zh", "title_en"));
}

int
cmd_incident_list(struct ctl *ctl, int argc, char **argv)
{
	static const char *const zh[] = { "编号", "回复码", "等级", "状态", "发生", "历时",
		"处理人", "内容" };
	static const char *const en[] = { "NO", "CODE", "GRADE", "STATE", "OPENED", "LASTED",
		"HANDLER", "WHAT" };
	json_t *args = json_object(), *data, *inc;
	struct table *t;
	size_t i;

	(void)argc;
	(void)argv;
	if (ctl->option[OPT_LIMIT] != NULL && ctl_number(ctl->option[OPT_LIMIT]) == 0) {
		json_decref(args);
		return ctl_misuse(ctl, out_lang(&ctl->out, "--limit 应为正整数",
		    "--limit is a positive number"));
	}
	if (ctl->option[OPT_LIMIT] != NULL)
		json_object_set_new(args, "limit",
		    json_integer((json_int_t)ctl_number(ctl->option[OPT_LIMIT])));
	if (ctl->option[OPT_STATE] != NULL)
		json_object_set_new(args, "state", json_string(ctl->option[OPT_STATE]));
	if (ctl->option[OPT_VENDOR] != NULL)
		json_object_set_new(args, "vendor", json_string(ctl->option[OPT_VENDOR]));
	json_object_set_new(args, "all", json_boolean(ctl->option[OPT_ALL] != NULL));
	data = ctl_ask(ctl, "incident.list", args);
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
		json_decref(data);
		return 0;
	}
	t = table_new(8);
	for (i = 0; i < 8; i++)
		table_cell(t, STYLE_NONE, ctl->out.zh ? zh[i] : en[i]);
	json_array_foreach(json_object_get(data, "incidents"), i, inc)
		incident_row(t, ctl, inc);
	if (table_rows(t) > 1)
		table_print(t, &ctl->out);
	else
		out_line(&ctl->out, "%s", out_lang(&ctl->out, "没有故障单", "no incidents"));
	table_free(t);
	json_decref(data);
	return 0;
}

/* ------------------------------------------------------------------ acting */

static json_t *
field_args(const struct ctl *ctl, json_t *args)
{
	for (int o = OPT_CAUSE; o <= OPT_GRADE_FINAL; o++)
		if (ctl->option[o] != NULL)
			json_object_set_new(args, ctl_option_name((enum ctl_option)o),
			    json_string(ctl->option[o]));
	return args;
}

/* Sends one verb; prints the line that alertd answers. */
static int
act(struct ctl *ctl, const char *cmd, const char *word, json_t *args)
{
	unsigned long long number = ctl_number(word);
	json_t *data;

	if (number == 0) {
		json_decref(args);
		return ctl_misuse(ctl, out_lang(&ctl->out, "'%s' 不是故障编号",
		    "'%s' is no number of an incident"), word);
	}
	json_object_set_new(args, "number", json_integer((json_int_t)number));
	if (ctl->option[OPT_NOTE] != NULL)
		json_object_set_new(args, "note", json_string(ctl->option[OPT_NOTE]));
	data = ctl_ask(ctl, cmd, args);
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
	} else {
		const char *line = ctl_name(ctl, data, "zh", "en");
		out_text(&ctl->out, STYLE_GOOD, *line != '\0' ? line :
		    out_lang(&ctl->out, "已办理", "done"));
		fputc('\n', ctl->out.file);
	}
	json_decref(data);
	return 0;
}

int
cmd_incident_ack(struct ctl *ctl, int argc, char **argv)
{
	json_t *args = json_object();

	(void)argc;
	if (ctl->option[OPT_ETA] != NULL)
		json_object_set_new(args, "eta", json_string(ctl->option[OPT_ETA]));
	return act(ctl, "incident.ack", argv[0], args);
}

int
cmd_incident_note(struct ctl *ctl, int argc, char **argv)
{
	if (argc == 2 && ctl->option[OPT_NOTE] != NULL)
		return ctl_misuse(ctl, "%s", out_lang(&ctl->out, "正文与 --note 只能给一个",
		    "give the text once: as a word or by --note"));
	if (argc == 2)
		ctl->option[OPT_NOTE] = argv[1];
	if (ctl->option[OPT_NOTE] == NULL || *ctl->option[OPT_NOTE] == '\0')
		return ctl_misuse(ctl, "%s", out_lang(&ctl->out, "请写明正文", "the text is missing"));
	return act(ctl, "incident.note", argv[0], json_object());
}

int
cmd_incident_set(struct ctl *ctl, int argc, char **argv)
{
	json_t *args = field_args(ctl, json_object());

	(void)argc;
	if (json_object_size(args) == 0) {
		json_decref(args);
		return ctl_misuse(ctl, "%s", out_lang(&ctl->out,
		    "请至少给出一个要素，如 --cause 101", "name a field at least, such as --cause 101"));
	}
	return act(ctl, "incident.set", argv[0], args);
}

int
cmd_incident_close(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return act(ctl, "incident.close", argv[0], field_args(ctl, json_object()));
}

static int
act_with_reason(struct ctl *ctl, const char *cmd, char **argv)
{
	if (ctl->option[OPT_NOTE] == NULL || *ctl->option[OPT_NOTE] == '\0')
		return ctl_misuse(ctl, "%s", out_lang(&ctl->out, "请用 --note 写明理由",
		    "say why with --note TEXT"));
	return act(ctl, cmd, argv[0], json_object());
}

int
cmd_incident_reopen(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return act_with_reason(ctl, "incident.reopen", argv);
}

int
cmd_incident_cancel(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return act_with_reason(ctl, "incident.cancel", argv);
}
