/*
 * cmd_status.c - linkctl status: feed, links, agents, incidents, messages.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/ctl/ctl.h"
#include "common/mem.h"

/* "up 12  degraded 1 ..." of the members of an object, in its order. */
static void
print_counts(const struct ctl *ctl, const char *title, json_t *counts)
{
	const char *key;
	json_t *value;

	fprintf(ctl->out.file, "%s", title);
	json_object_foreach(counts, key, value) {
		enum style style;
		const char *word = ctl_state(ctl, key, &style);
		char text[64];
		if (strcmp(key, "connected") == 0)
			word = out_lang(&ctl->out, "在线", "connected"), style = STYLE_GOOD;
		else if (strcmp(key, "silent") == 0)
			word = out_lang(&ctl->out, "失联", "silent"), style = STYLE_BAD;
		snprintf(text, sizeof(text), "%s %lld", word,
		    (long long)json_integer_value(value));
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, json_integer_value(value) == 0 ? STYLE_DIM : style, text);
	}
	fputc('\n', ctl->out.file);
}

static void
print_feed(const struct ctl *ctl, const json_t *feed)
{
	bool up = json_is_true(json_object_get(feed, "up"));
	char lag[32];

	fprintf(ctl->out.file, "%s  ", out_lang(&ctl->out, "数据源", "Feed     "));
	out_text(&ctl->out, up ? STYLE_GOOD : STYLE_BAD, up ?
	    out_lang(&ctl->out, "已连接", "connected") :
	    out_lang(&ctl->out, "未连接", "not connected"));
	out_line(&ctl->out, out_lang(&ctl->out, "  记录 %lld，滞后 %s", "  record %lld, %s behind"),
	    (long long)ctl_num(feed, "seq"), out_span(lag, sizeof(lag), ctl_num(feed, "lag_s")));
}

static void
print_channels(const struct ctl *ctl, json_t *channels)
{
	size_t i;
	json_t *c;

	json_array_foreach(channels, i, c) {
		bool up = json_is_true(json_object_get(c, "up"));
		fputs(out_lang(&ctl->out, "通道    ", "Channel    "), ctl->out.file);
		out_text(&ctl->out, STYLE_NONE, ctl_str(c, "name"));
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, up ? STYLE_GOOD : STYLE_BAD, up ?
		    out_lang(&ctl->out, "正常", "works") : out_lang(&ctl->out, "故障", "fails"));
		fputs("  ", ctl->out.file);
		out_text(&ctl->out, STYLE_DIM, ctl_str(c, "detail"));
		fputc('\n', ctl->out.file);
	}
}

int
cmd_status(struct ctl *ctl, int argc, char **argv)
{
	json_t *data = ctl_ask(ctl, "status", NULL);
	const json_t *db;

	(void)argc;
	(void)argv;
	if (data == NULL)
		return 1;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
		json_decref(data);
		return 0;
	}
	print_feed(ctl, json_object_get(data, "feed"));
	print_counts(ctl, out_lang(&ctl->out, "链路  ", "Links    "), json_object_get(data, "links"));
	print_counts(ctl, out_lang(&ctl->out, "探针  ", "Agents   "), json_object_get(data, "agents"));
	print_counts(ctl, out_lang(&ctl->out, "故障单", "Incidents"),
	    json_object_get(data, "incidents"));
	print_counts(ctl, out_lang(&ctl->out, "消息  ", "Messages "), json_object_get(data, "outbox"));
	print_channels(ctl, json_object_get(data, "channels"));
	db = json_object_get(data, "database");
	if (!json_is_true(json_object_get(db, "up"))) {
		fputs(out_lang(&ctl->out, "数据库  不可写：", "Database   cannot be written: "),
		    ctl->out.file);
		out_text(&ctl->out, STYLE_BAD, ctl_str(db, "detail"));
		fputc('\n', ctl->out.file);
	}
	json_decref(data);
	return 0;
}

/* What the collector said, line by line. */
static void
print_collector(const struct ctl *ctl, const json_t *data)
{
	const char *text = ctl_str(data, "collector");

	do {
		size_t n = strcspn(text, "\n");
		char *line = xstrndup(text, n);
		fputs("collector: ", ctl->out.file);
		out_text(&ctl->out, STYLE_NONE, line);
		if (strcmp(line, "ok") == 0)
			fprintf(ctl->out.file, out_lang(&ctl->out, "，计划版本 %s",
			    ", plan revision %s"), ctl_str(data, "revision"));
		fputc('\n', ctl->out.file);
		free(line);
		text += n + (text[n] == '\n');
	} while (*text != '\0');
}

int
cmd_reload(struct ctl *ctl, int argc, char **argv)
{
	json_t *data = ctl_ask(ctl, "reload", NULL);
	bool good;

	(void)argc;
	(void)argv;
	if (data == NULL)
		return 1;
	good = strcmp(ctl_str(data, "alertd"), "ok") == 0 &&
	       strcmp(ctl_str(data, "collector"), "ok") == 0;
	if (ctl->out.json) {
		out_json(&ctl->out, data);
	} else {
		out_line(&ctl->out, "alertd: %s", ctl_str(data, "alertd"));
		print_collector(ctl, data);
	}
	json_decref(data);
	return good ? 0 : 1;
}
