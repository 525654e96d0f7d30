/*
 * cmd_show.c - linkctl incident show: facts, what is missing, time line,
 * messages, and the command to give next.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/ctl/ctl.h"
#include "common/clock.h"

#define WIDTH 16

static const struct field { const char *key, *zh, *en; } fields[] = {
	{ "cause", "原因类别", "cause" },
	{ "root-cause", "根本原因", "root cause" },
	{ "responsible", "责任单位", "responsible" },
	{ "measure", "整改措施", "measure" },
	{ "grade-final", "终定级", "final grade" },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static void
fact_time(const struct ctl *ctl, const json_t *inc, const char *key, const char *zh,
    const char *en)
{
	char buf[32];

	if (ctl_num(inc, key) > 0)
		out_fact(&ctl->out, WIDTH, out_lang(&ctl->out, zh, en),
		    out_time(buf, sizeof(buf), ctl_num(inc, key)));
}

static void
print_head(const struct ctl *ctl, const json_t *inc)
{
	char line[512];
	enum style style;
	const char *state = ctl_state(ctl, ctl_str(inc, "state"), &style);

	snprintf(line, sizeof(line), "%s %.0f  %s  ", out_lang(&ctl->out, "故障单", "incident"),
	    ctl_num(inc, "number"), ctl_grade(ctl, (int)ctl_num(inc, "grade")));
	out_text(&ctl->out, STYLE_BOLD, line);
	out_text(&ctl->out, style, state);
	fputs("  ", ctl->out.file);
	out_text(&ctl->out, STYLE_BOLD, ctl_name(ctl, inc, "title_zh", "title_en"));
	fputc('\n', ctl->out.file);
}

/* The outages that are over, and the one that lasts. */
static void
print_outages(const struct ctl *ctl, const json_t *inc)
{
	const struct out *o = &ctl->out;
	double over = ctl_num(inc, "outages"), start = ctl_num(inc, "outage_start");
	char at[64], span[64], line[256];

	if (start > 0) {
		snprintf(line, sizeof(line), out_lang(o, "自 %s 起持续，已 %s", "lasting since %s, %s"),
		    out_time(at, sizeof(at), start), out_span(span, sizeof(span),
		    (double)(clock_wall(clock_real()).ns / NS_PER_S) - start));
		out_fact(o, WIDTH, out_lang(o, "本次中断", "outage"), line);
	}
	if (over == 0)
		return;
	snprintf(line, sizeof(line), out_lang(o, "%s，%.0f 次", over == 1 ? "%s in %.0f outage" :
	    "%s in %.0f outages"), out_span(span, sizeof(span), ctl_num(inc, "outage_s")), over);
	out_fact(o, WIDTH, start > 0 ? out_lang(o, "此前中断", "outages before") :
	    out_lang(o, "累计中断", "outages"), line);
}

static void
print_facts(const struct ctl *ctl, const json_t *inc)
{
	const struct out *o = &ctl->out;
	char buf[64], line[256];

	snprintf(buf, sizeof(buf), "%04.0f", ctl_num(inc, "code"));
	out_fact(o, WIDTH, out_lang(o, "回复码", "reply code"), buf);
	out_fact(o, WIDTH, out_lang(o, "类型", "kind"), ctl_kind(ctl, ctl_str(inc, "kind")));
	out_fact(o, WIDTH, out_lang(o, "云", "vendor"), ctl_str(inc, "vendor"));
	out_fact(o, WIDTH, out_lang(o, "定界", "located"),
	    ctl_located(ctl, line, sizeof(line), ctl_str(inc, "located")));
	out_fact(o, WIDTH, out_lang(o, "链路现状", "links now"),
	    ctl_state(ctl, ctl_str(inc, "link_state"), NULL));
	fact_time(ctl, inc, "first_fail", "首次异常", "first failure");
	fact_time(ctl, inc, "acked", "受理", "acknowledged");
	out_fact(o, WIDTH, out_lang(o, "处理人", "handler"), ctl_str(inc, "handler"));
	fact_time(ctl, inc, "eta", "预计恢复", "expected end");
	fact_time(ctl, inc, "recovered", "恢复", "recovered");
	fact_time(ctl, inc, "closed", "办结", "closed");
	print_outages(ctl, inc);
}

static void
print_links(const struct ctl *ctl, json_t *links)
{
	size_t i;
	json_t *l;

	json_array_foreach(links, i, l) {
		char line[256];
		enum style style;
		const char *state = ctl_state(ctl, ctl_str(l, "state"), &style);
		snprintf(line, sizeof(line), "%s%s%s  ", ctl_str(l, "agent"),
		    *ctl_str(l, "link") != '\0' ? "/" : "", ctl_str(l, "link"));
		fputs("    ", ctl->out.file);
		out_text(&ctl->out, STYLE_NONE, line);
		out_text(&ctl->out, style, state);
		fputc('\n', ctl->out.file);
	}
}

static void
print_fields(const struct ctl *ctl, const json_t *inc)
{
	const json_t *set = json_object_get(inc, "fields");

	for (size_t i = 0; i < FIELDS; i++) {
		const char *value = ctl_str(set, fields[i].key);
		out_fact(&ctl->out, WIDTH, out_lang(&ctl->out, fields[i].zh, fields[i].en),
		    *value != '\0' ? value : out_lang(&ctl->out, "（未填）", "(missing)"));
	}
}

/* "acknowledged -> handling"; "-> open" where the deed adds nothing to the state. */
static void
put_step(const struct ctl *ctl, char *buf, size_t n, const json_t *row)
{
	const char *what = ctl_str(row, "what"), *deed = ctl_deed(ctl, what);
	const char *to = ctl_state(ctl, ctl_str(row, "to"), NULL);

	if (strcmp(what, "open") == 0 || strcmp(deed, to) == 0)
		snprintf(buf, n, "-> %s", to);
	else
		snprintf(buf, n, "%s -> %s", deed, to);
}

static void
print_log(const struct ctl *ctl, json_t *log, const json_t *inc)
{
	struct table *t = table_new(5);
	size_t i;
	json_t *row;

	out_line(&ctl->out, "%s", out_lang(&ctl->out, "\n时间线", "\ntime line"));
	json_array_foreach(log, i, row) {
		const char *from = ctl_str(row, "from"), *to = ctl_str(row, "to");
		char at[32], who[160], what[160], note[1024];
		out_time(at, sizeof(at), ctl_num(row, "at"));
		snprintf(who, sizeof(who), "%s", ctl_str(row, "actor"));
		if (*ctl_str(row, "channel") != '\0' &&
		    strcmp(ctl_str(row, "channel"), ctl_str(row, "actor")) != 0)
			snprintf(who, sizeof(who), "%s (%s)", ctl_str(row, "actor"),
			    ctl_str(row, "channel"));
		snprintf(what, sizeof(what), "%s", ctl_deed(ctl, ctl_str(row, "what")));
		table_cell(t, STYLE_NONE, " ");
		table_cell(t, STYLE_NONE, at);
		table_cell(t, STYLE_NONE, who);
		if (strcmp(ctl_str(row, "what"), "grade") == 0)
			snprintf(what, sizeof(what), "%s -> %s", ctl_grade(ctl, atoi(from)),
			    ctl_grade(ctl, atoi(to)));
		else if (strcmp(from, to) != 0)
			put_step(ctl, what, sizeof(what), row);
		table_cell(t, STYLE_NONE, what);
		table_cell(t, STYLE_NONE, ctl_note(ctl, note, sizeof(note), row, inc));
	}
	/* no head: the first row is a row */
	table_print_bare(t, &ctl->out);
	table_free(t);
}

static void
print_messages(const struct ctl *ctl, json_t *messages)
{
	size_t i;
	json_t *m;

	if (json_array_size(messages) == 0)
		return;
	out_line(&ctl->out, "%s", out_lang(&ctl->out, "\n通知", "\nmessages"));
	json_array_foreach(messages, i, m) {
		char at[32], line[512];
		enum style style;
		const char *state = ctl_state(ctl, ctl_str(m, "state"), &style);
		snprintf(line, sizeof(line), "  %s  %s > %s  ",
		    out_time(at, sizeof(at), ctl_num(m, "decided")), ctl_str(m, "channel"),
		    ctl_str(m, "recipient"));
		out_text(&ctl->out, STYLE_NONE, line);
		out_text(&ctl->out, style, state);
		if (ctl_num(m, "attempts") > 1)
			fprintf(ctl->out.file, out_lang(&ctl->out, " (%.0f 次)", " (%.0f tries)"),
			    ctl_num(m, "attempts"));
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, STYLE_DIM, strcmp(ctl_str(m, "state"), "sent") == 0 ?
		    "" : ctl_str(m, "detail"));
		fputs("\n    ", ctl->out.file);
		out_text(&ctl->out, STYLE_NONE, *ctl_str(m, "subject") != '\0' ?
		    ctl_str(m, "subject") : ctl_str(m, "body"));
		fputc('\n', ctl->out.file);
	}
}

/* linkctl incident close 17 --cause 101..901 ...: only the options that are missing. */
static void
print_close(const struct ctl *ctl, const json_t *inc)
{
	static const char *const sample[] = { "101", "TEXT", "UNIT", "TEXT", "1..4" };
	const json_t *set = json_object_get(inc, "fields");

	for (size_t i = 0; i < FIELDS; i++)
		if (*ctl_str(set, fields[i].key) == '\0')
			fprintf(ctl->out.file, " --%s %s", fields[i].key, sample[i]);
}

static void
print_next(const struct ctl *ctl, const json_t *inc)
{
	const char *state = ctl_str(inc, "state"), *verb = NULL;
	bool bad = strcmp(ctl_str(inc, "link_state"), "down") == 0;

	if (strcmp(state, "open") == 0 && bad)
		verb = "ack";
	else if (strcmp(state, "recovered") == 0 || strcmp(state, "review") == 0 ||
		 strcmp(state, "open") == 0)
		verb = "close";
	else if (strcmp(state, "handling") == 0)
		verb = bad ? "note" : "close";
	if (verb == NULL)
		return;
	fprintf(ctl->out.file, "\n%s\n  linkctl", out_lang(&ctl->out, "下一步", "next"));
	if (ctl->socket_given)
		fprintf(ctl->out.file, " --socket %s", ctl->socket);
	fprintf(ctl->out.file, " incident %s %.0f", verb, ctl_num(inc, "number"));
	if (strcmp(verb, "ack") == 0)
		fputs(" --eta HH:MM --note TEXT", ctl->out.file);
	else if (strcmp(verb, "note") == 0)
		fputs(" TEXT", ctl->out.file);
	else
		print_close(ctl, inc);
	fputc('\n', ctl->out.file);
}

int
cmd_incident_show(struct ctl *ctl, int argc, char **argv)
{
	unsigned long long number = ctl_number(argv[0]);
	json_t *data;
	const json_t *inc;

	(void)argc;
	if (number == 0)
		return ctl_misuse(ctl, out_lang(&ctl->out, "'%s' 不是故障编号",
		    "'%s' is no number of an incident"), argv[0]);
	data = ctl_ask(ctl, "incident.show", json_pack("{sI}", "number", (json_int_t)number));
	if (data == NULL)
		return 1;
	inc = json_object_get(data, "incident");
	if (ctl->out.json) {
		out_json(&ctl->out, data);
	} else {
		print_head(ctl, inc);
		print_facts(ctl, inc);
		print_links(ctl, json_object_get(inc, "links"));
		print_fields(ctl, inc);
		print_log(ctl, json_object_get(data, "log"), inc);
		print_messages(ctl, json_object_get(data, "messages"));
		print_next(ctl, inc);
	}
	json_decref(data);
	return 0;
}
