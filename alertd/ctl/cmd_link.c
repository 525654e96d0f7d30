/*
 * cmd_link.c - linkctl link list|show, why, agent list.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/ctl/ctl.h"

static json_t *
filters(const struct ctl *ctl)
{
	static const enum ctl_option known[] = { OPT_STATE, OPT_VENDOR, OPT_AGENT };
	json_t *args = json_object();

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ctl->option[known[i]] != NULL)
			json_object_set_new(args, ctl_option_name(known[i]),
			    json_string(ctl->option[known[i]]));
	return args;
}

static const char *
percent(char *buf, size_t n, const json_t *value)
{
	double v = json_number_value(value);

	if (!json_is_number(value))
		snprintf(buf, n, "-");
	else
		snprintf(buf, n, v > 0 && v < 0.001 ? "%.3f%%" : "%.1f%%", v * 100);
	return buf;
}

static const char *
millis(char *buf, size_t n, const json_t *value)
{
	if (!json_is_number(value))
		snprintf(buf, n, "-");
	else
		snprintf(buf, n, "%.2f", json_number_value(value));
	return buf;
}

static void
head(struct table *t, const struct ctl *ctl, const char *const *zh, const char *const *en, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_cell(t, STYLE_NONE, ctl->out.zh ? zh[i] : en[i]);
}

static void
link_row(struct table *t, const struct ctl *ctl, const json_t *l)
{
	char buf[64], name[160];
	enum style style;
	const char *state = ctl_state(ctl, ctl_str(l, "state"), &style);

	snprintf(name, sizeof(name), "%s/%s", ctl_str(l, "agent"), ctl_str(l, "link"));
	table_cell(t, STYLE_NONE, name);
	table_cell(t, STYLE_NONE, ctl_name(ctl, l, "name_zh", "name_en"));
	table_cell(t, STYLE_NONE, ctl_str(l, "vendor_code"));
	table_cell(t, STYLE_NONE, ctl_str(l, "class"));
	table_cell(t, STYLE_NONE, ctl_str(l, "probe"));
	table_cell(t, style, state);
	table_cell_right(t, STYLE_NONE, percent(buf, sizeof(buf), json_object_get(l, "loss")));
	table_cell_right(t, STYLE_NONE, millis(buf, sizeof(buf), json_object_get(l, "rtt_ms")));
	table_cell(t, STYLE_NONE, out_time(buf, sizeof(buf), ctl_num(l, "since")));
	snprintf(buf, sizeof(buf), "%.0f", ctl_num(l, "incident"));
	table_cell_right(t, STYLE_BAD, ctl_num(l, "incident") > 0 ? buf : "");
}

int
cmd_link_list(struct ctl *ctl, int argc, char **argv)
{
	static const char *const zh[] = { "链路", "名称", "云", "级", "方式", "状态", "丢包",
		"时延ms", "自", "故障" };
	static const char *const en[] = { "LINK", "NAME", "VENDOR", "CL", "PROBE", "STATE",
		"LOSS", "RTT ms", "SINCE", "INCIDENT" };
	json_t *data = ctl_ask(ctl, "link.list", filters(ctl)), *l;
	struct table *t;
	size_t i;

	(void)argc;
	(void)argv;
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
		json_decref(data);
		return 0;
	}
	t = table_new(10);
	head(t, ctl, zh, en, 10);
	json_array_foreach(json_object_get(data, "links"), i, l)
		link_row(t, ctl, l);
	table_print(t, &ctl->out);
	table_free(t);
	json_decref(data);
	return 0;
}

static void
print_values(const struct ctl *ctl, json_t *values)
{
	const char *key;
	json_t *value;
	char text[64];

	json_object_foreach(values, key, value) {
		snprintf(text, sizeof(text), "%.6g", json_number_value(value));
		out_fact(&ctl->out, 14, key, json_is_number(value) ? text : "-");
	}
}

static void
print_link(const struct ctl *ctl, const json_t *l)
{
	const struct out *o = &ctl->out;
	char buf[64], line[512];
	enum style style;

	snprintf(line, sizeof(line), "%s/%s  %s", ctl_str(l, "agent"), ctl_str(l, "link"),
	    ctl_name(ctl, l, "name_zh", "name_en"));
	out_text(o, STYLE_BOLD, line);
	fputs("  ", o->file);
	const char *state = ctl_state(ctl, ctl_str(l, "state"), &style);
	out_text(o, style, state);
	fputc('\n', o->file);
	snprintf(line, sizeof(line), "%s %s", ctl_str(l, "probe"), ctl_str(l, "target"));
	if (ctl_num(l, "port") > 0)
		snprintf(line, sizeof(line), "%s %s:%.0f", ctl_str(l, "probe"),
		    ctl_str(l, "target"), ctl_num(l, "port"));
	out_fact(o, 14, out_lang(o, "目标", "target"), line);
	out_fact(o, 14, out_lang(o, "云与区域", "vendor, zone"), *ctl_str(l, "zone") == '\0' ?
	    ctl_str(l, "vendor") : (snprintf(line, sizeof(line), "%s, %s", ctl_str(l, "vendor"),
	    ctl_str(l, "zone")), line));
	out_fact(o, 14, out_lang(o, "级别", "class"), ctl_str(l, "class"));
	out_fact(o, 14, out_lang(o, "原因", "cause"), ctl_kind(ctl, ctl_str(l, "cause")));
	out_fact(o, 14, out_lang(o, "自", "since"), out_time(buf, sizeof(buf), ctl_num(l, "since")));
	out_fact(o, 14, out_lang(o, "最近样本", "last sample"),
	    out_time(buf, sizeof(buf), ctl_num(l, "last_sample")));
	out_fact(o, 14, out_lang(o, "丢包率", "loss"),
	    percent(buf, sizeof(buf), json_object_get(l, "loss")));
	out_fact(o, 14, out_lang(o, "时延中位 ms", "RTT median ms"),
	    millis(buf, sizeof(buf), json_object_get(l, "rtt_ms")));
	print_values(ctl, json_object_get(l, "values"));
}

static void
print_incidents(const struct ctl *ctl, json_t *incidents)
{
	size_t i;
	json_t *inc;
	char at[32], line[512];

	json_array_foreach(incidents, i, inc) {
		if (i == 0)
			out_line(&ctl->out, "%s", out_lang(&ctl->out, "故障单", "incidents"));
		snprintf(line, sizeof(line), "%.0f  %s  %s  %s", ctl_num(inc, "number"),
		    out_time(at, sizeof(at), ctl_num(inc, "opened")),
		    ctl_state(ctl, ctl_str(inc, "state"), NULL),
		    ctl_name(ctl, inc, "title_zh", "title_en"));
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, STYLE_NONE, line);
		fputc('\n', ctl->out.file);
	}
}

/* One figure; large numbers of seconds are times. */
static void
print_figure(const struct ctl *ctl, const json_t *value)
{
	double v = json_number_value(value);
	char buf[32], *text;

	fputs("  ", ctl->out.file);
	if (json_is_number(value) && v > 1e9 && v < 1e11) {
		out_text(&ctl->out, STYLE_NONE, out_time(buf, sizeof(buf), v));
	} else {
		text = json_is_string(value) ? NULL :
		    json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		out_text(&ctl->out, STYLE_NONE, text == NULL ? json_string_value(value) : text);
		free(text);
	}
	fputc('\n', ctl->out.file);
}

/* An object of figures, one a line; what is nested is indented. */
static void
print_why(const struct ctl *ctl, json_t *why, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach(why, key, value) {
		fprintf(ctl->out.file, "%*s", depth * 2, "");
		out_text(&ctl->out, STYLE_DIM, key);
		if (json_is_object(value)) {
			fputc('\n', ctl->out.file);
			print_why(ctl, value, depth + 1);
		} else {
			print_figure(ctl, value);
		}
	}
}

static int
show(struct ctl *ctl, const char *name, bool why_only)
{
	json_t *data;

	if (strchr(name, '/') == NULL)
		return ctl_misuse(ctl, out_lang(&ctl->out, "'%s' 应写成 探针/链路",
		    "'%s' must be AGENT/LINK"), name);
	data = ctl_ask(ctl, "link.show", json_pack("{ss}", "link", name));
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, why_only ? json_object_get(data, "why") : data);
	} else if (why_only) {
		const json_t *l = json_object_get(data, "link");
		enum style style;
		const char *state = ctl_state(ctl, ctl_str(l, "state"), &style);
		out_text(&ctl->out, STYLE_BOLD, name);
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, style, state);
		fputc('\n', ctl->out.file);
		print_why(ctl, json_object_get(data, "why"), 1);
	} else {
		print_link(ctl, json_object_get(data, "link"));
		print_incidents(ctl, json_object_get(data, "incidents"));
	}
	json_decref(data);
	return 0;
}

int
cmd_link_show(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return show(ctl, argv[0], false);
}

int
cmd_why(struct ctl *ctl, int argc, char **argv)
{
	(void)argc;
	return show(ctl, argv[0], true);
}

static void
agent_row(struct table *t, const struct ctl *ctl, const json_t *a)
{
	bool silent = json_is_true(json_object_get(a, "silent"));
	bool connected = json_is_true(json_object_get(a, "connected"));
	const json_t *offset = json_object_get(a, "clock_offset_ms");
	const json_t *days = json_object_get(a, "cert_days");
	char buf[64];

	table_cell(t, STYLE_NONE, ctl_str(a, "agent"));
	table_cell(t, STYLE_NONE, ctl_name(ctl, a, "name_zh", "name_en"));
	table_cell(t, STYLE_NONE, ctl_str(a, "vendor_code"));
	table_cell(t, silent ? STYLE_BAD : connected ? STYLE_GOOD : STYLE_WARN,
	    silent ? out_lang(&ctl->out, "失联", "silent") : connected ?
	    out_lang(&ctl->out, "在线", "connected") : out_lang(&ctl->out, "离线", "away"));
	table_cell(t, STYLE_NONE, out_time(buf, sizeof(buf), ctl_num(a, "last_batch")));
	snprintf(buf, sizeof(buf), "%.0f", ctl_num(a, "links"));
	table_cell_right(t, STYLE_NONE, buf);
	snprintf(buf, sizeof(buf), "%.0f", ctl_num(a, "refused_links"));
	table_cell_right(t, ctl_num(a, "refused_links") > 0 ? STYLE_WARN : STYLE_NONE, buf);
	snprintf(buf, sizeof(buf), "%.0f", ctl_num(a, "spool_batches"));
	table_cell_right(t, STYLE_NONE, buf);
	snprintf(buf, sizeof(buf), "%.1f", json_number_value(offset));
	table_cell_right(t, STYLE_NONE, json_is_number(offset) ? buf : "-");
	snprintf(buf, sizeof(buf), "%.0f", floor(json_number_value(days)));
	table_cell_right(t, json_is_number(days) && json_number_value(days) < 30 ? STYLE_WARN :
	    STYLE_NONE, json_is_number(days) ? buf : "-");
	table_cell(t, STYLE_NONE, ctl_str(a, "version"));
	table_cell(t, STYLE_DIM, ctl_str(a, "address"));
}

int
cmd_agent_list(struct ctl *ctl, int argc, char **argv)
{
	static const char *const zh[] = { "探针", "名称", "云", "状态", "最近数据", "链路", "拒绝",
		"积压", "时差ms", "证书天", "版本", "地址" };
	static const char *const en[] = { "AGENT", "NAME", "VENDOR", "STATE", "LAST DATA", "LINKS",
		"REFUSED", "SPOOL", "CLOCK ms", "CERT days", "VERSION", "ADDRESS" };
	json_t *data = ctl_ask(ctl, "agent.list", NULL), *a;
	struct table *t;
	size_t i;

	(void)argc;
	(void)argv;
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
		json_decref(data);
		return 0;
	}
	t = table_new(12);
	head(t, ctl, zh, en, 12);
	json_array_foreach(json_object_get(data, "agents"), i, a)
		agent_row(t, ctl, a);
	table_print(t, &ctl->out);
	table_free(t);
	json_decref(data);
	return 0;
}
