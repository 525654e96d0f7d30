/*
 * run.c - options, the table of commands, talking to alertd.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alertd/ctl/client.h"
#include "alertd/ctl/ctl.h"
#include "common/conf.h"
#include "common/mem.h"
#include "common/model.h"

#define DEFAULT_SOCKET "/run/linkwatch/alertd.sock"

#define NOTE OPTION(OPT_NOTE)

const struct ctl_command ctl_commands[] = {
	{ "status", NULL, 0, 0, 0, cmd_status, "", "总览", "the whole at a glance" },
	{ "incident", "list", OPTION(OPT_STATE) | OPTION(OPT_VENDOR) | OPTION(OPT_ALL) |
	    OPTION(OPT_LIMIT), 0, 0, cmd_incident_list,
	    "[--all] [--state STATE] [--vendor ID] [--limit N]", "故障单列表", "list incidents" },
	{ "incident", "show", 0, 1, 1, cmd_incident_show, "NUMBER", "故障单详情与下一步",
	    "everything about one, and what to do next" },
	{ "incident", "ack", NOTE | OPTION(OPT_ETA), 1, 1, cmd_incident_ack,
	    "NUMBER [--eta HH:MM] [--note TEXT]", "受理", "acknowledge: you handle it" },
	{ "incident", "note", NOTE, 1, 2, cmd_incident_note, "NUMBER TEXT", "记录进展",
	    "add a note to the time line" },
	{ "incident", "set", FIELD_OPTIONS | NOTE, 1, 1, cmd_incident_set, "NUMBER [FIELDS]",
	    "填写办结要素", "set fields that closing needs" },
	{ "incident", "close", FIELD_OPTIONS | NOTE, 1, 1, cmd_incident_close, "NUMBER [FIELDS]",
	    "办结", "close: recovered, all fields set" },
	{ "incident", "reopen", NOTE, 1, 1, cmd_incident_reopen, "NUMBER --note TEXT", "重新打开",
	    "reopen a closed one" },
	{ "incident", "cancel", NOTE, 1, 1, cmd_incident_cancel, "NUMBER --note TEXT",
	    "撤销（误报）", "cancel a false alarm" },
	{ "link", "list", OPTION(OPT_STATE) | OPTION(OPT_VENDOR) | OPTION(OPT_AGENT), 0, 0,
	    cmd_link_list, "[--state STATE] [--vendor ID] [--agent ID]", "链路列表",
	    "list links" },
	{ "link", "show", 0, 1, 1, cmd_link_show, "AGENT/LINK", "链路详情", "one link" },
	{ "agent", "list", 0, 0, 0, cmd_agent_list, "", "探针列表", "list agents" },
	{ "why", NULL, 0, 1, 1, cmd_why, "AGENT/LINK", "链路为何处于当前状态",
	    "why a link is in its state" },
	{ "reload", NULL, 0, 0, 0, cmd_reload, "", "重新读取告警配置、策略和 links.yaml",
	    "read alertd's files and links.yaml again" },
	{ "check", NULL, 0, 0, -1, cmd_check, "[FILE|DIRECTORY ...]", "检查配置文件",
	    "check configuration files, also against each other" },
	{ NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL },
};

enum { ARG_JSON = 256, ARG_SOCKET, ARG_LANG, ARG_OPTION };

static const struct option options[] = {
	{ "json", no_argument, NULL, ARG_JSON },
	{ "socket", required_argument, NULL, ARG_SOCKET },
	{ "lang", required_argument, NULL, ARG_LANG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "note", required_argument, NULL, ARG_OPTION + OPT_NOTE },
	{ "eta", required_argument, NULL, ARG_OPTION + OPT_ETA },
	{ "cause", required_argument, NULL, ARG_OPTION + OPT_CAUSE },
	{ "root-cause", required_argument, NULL, ARG_OPTION + OPT_ROOT_CAUSE },
	{ "responsible", required_argument, NULL, ARG_OPTION + OPT_RESPONSIBLE },
	{ "measure", required_argument, NULL, ARG_OPTION + OPT_MEASURE },
	{ "grade-final", required_argument, NULL, ARG_OPTION + OPT_GRADE_FINAL },
	{ "state", required_argument, NULL, ARG_OPTION + OPT_STATE },
	{ "vendor", required_argument, NULL, ARG_OPTION + OPT_VENDOR },
	{ "agent", required_argument, NULL, ARG_OPTION + OPT_AGENT },
	{ "all", no_argument, NULL, ARG_OPTION + OPT_ALL },
	{ "limit", required_argument, NULL, ARG_OPTION + OPT_LIMIT },
	{ NULL, 0, NULL, 0 },
};

const char *
ctl_option_name(enum ctl_option option)
{
	for (const struct option *o = options; o->name != NULL; o++)
		if (o->val == ARG_OPTION + (int)option)
			return o->name;
	return "?";
}

/* ------------------------------------------------------------ small helpers */

int
ctl_misuse(struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;

	fputs("linkctl: ", ctl->err);
	va_start(ap, fmt);
	vfprintf(ctl->err, fmt, ap);
	va_end(ap);
	fputc('\n', ctl->err);
	return 2;
}

unsigned long long
ctl_number(const char *s)
{
	char *end;
	unsigned long long n;

	if (*s < '0' || *s > '9')
		return 0;
	errno = 0;
	n = strtoull(s, &end, 10);
	return *end == '\0' && errno == 0 && n <= INT64_MAX ? n : 0;
}

const char *
ctl_str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

double
ctl_num(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *
ctl_name(const struct ctl *ctl, const json_t *object, const char *zh, const char *en)
{
	const char *first = ctl_str(object, ctl->out.zh ? zh : en);

	return *first != '\0' ? first : ctl_str(object, ctl->out.zh ? en : zh);
}

/* The errors of a file that cannot be loaded are a line each. */
static void
print_refusal(const struct ctl *ctl, const char *why)
{
	char *lines = xstrdup(why), *save, *text;

	for (char *l = strtok_r(lines, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		text = out_escape(l);
		fprintf(ctl->err, "linkctl: %s\n", text);
		free(text);
	}
	free(lines);
}

json_t *
ctl_ask(struct ctl *ctl, const char *cmd, json_t *args)
{
	json_t *data = NULL;
	char why[256];

	switch (client_call(ctl->socket, cmd, args, &data, why, sizeof(why))) {
	case CLIENT_OK:
		return data != NULL ? data : json_object();
	case CLIENT_REFUSED:
		if (ctl->out.json)
			out_json(&ctl->out, data);
		print_refusal(ctl, ctl_name(ctl, data, "zh", "en"));
		json_decref(data);
		return NULL;
	case CLIENT_AWAY:
		break;
	}
	if (ctl->out.zh)
		fprintf(ctl->err, "linkctl: 连不上 linkwatch-alertd（%s）：%s\n"
		    "  启动：linkwatch-alertd -c /etc/linkwatch/alertd.yaml"
		    "；套接字在别处时用 --socket 指明\n", ctl->socket, why);
	else
		fprintf(ctl->err, "linkctl: cannot reach linkwatch-alertd at %s: %s\n"
		    "  start it: linkwatch-alertd -c /etc/linkwatch/alertd.yaml"
		    "; name its socket with --socket if it is elsewhere\n", ctl->socket, why);
	return NULL;
}

/* --------------------------------------------------------------------- help */

static void
print_help(const struct ctl *ctl, FILE *to)
{
	bool zh = ctl->out.zh;

	fputs(zh ? "用法：linkctl [选项] 命令 ...\n\n" : "usage: linkctl [OPTIONS] COMMAND ...\n\n", to);
	for (const struct ctl_command *c = ctl_commands; c->noun != NULL; c++)
		fprintf(to, "  %s%s%s%s%s\n      %s\n", c->noun, c->verb != NULL ? " " : "",
		    c->verb != NULL ? c->verb : "", *c->words != '\0' ? " " : "", c->words,
		    zh ? c->zh : c->en);
	fputs(zh ? "\n办结要素（FIELDS）：--cause 101..901 --root-cause TEXT --responsible UNIT"
		   " --measure TEXT --grade-final 1..4\n"
		   "选项：--json  --socket PATH  --lang zh|en  --version  --help\n" :
		   "\nFIELDS: --cause 101..901 --root-cause TEXT --responsible UNIT --measure TEXT"
		   " --grade-final 1..4\n"
		   "OPTIONS: --json  --socket PATH  --lang zh|en  --version  --help\n", to);
}

static int
unknown(struct ctl *ctl, const char *what, const char *word, const char *const *names)
{
	const char *near = conf_suggest(word, names);
	char *text = out_escape(word);

	if (near != NULL)
		fprintf(ctl->err, ctl->out.zh ? "linkctl: 没有%s '%s'，是不是 '%s'？\n" :
						"linkctl: unknown %s '%s' (did you mean '%s'?)\n",
		    what, text, near);
	else
		fprintf(ctl->err, ctl->out.zh ? "linkctl: 没有%s '%s'，见 linkctl --help\n" :
						"linkctl: unknown %s '%s'; see linkctl --help\n",
		    what, text);
	free(text);
	return 2;
}

/* ------------------------------------------------------------------ commands */

/* The row of these words; *used gets how many they were.  NULL: told why. */
static const struct ctl_command *
find_command(struct ctl *ctl, int argc, char **argv, int *used)
{
	const char *nouns[16], *verbs[16];
	size_t n = 0, v = 0;

	for (const struct ctl_command *c = ctl_commands; c->noun != NULL; c++) {
		if (n == 0 || strcmp(nouns[n - 1], c->noun) != 0)
			nouns[n++] = c->noun;
		if (strcmp(c->noun, argv[0]) != 0)
			continue;
		*used = c->verb == NULL ? 1 : 2;
		if (c->verb == NULL || (argc > 1 && strcmp(c->verb, argv[1]) == 0))
			return c;
		verbs[v++] = c->verb;
	}
	nouns[n] = verbs[v] = NULL;
	if (v == 0)
		unknown(ctl, out_lang(&ctl->out, "命令", "command"), argv[0], nouns);
	else if (argc > 1)
		unknown(ctl, out_lang(&ctl->out, "命令", "command"), argv[1], verbs);
	else
		ctl_misuse(ctl, out_lang(&ctl->out, "'%s' 之后还需要一个词，如 '%s'",
		    "'%s' needs one word more, such as '%s'"), argv[0], verbs[0]);
	return NULL;
}

/* Is the value of --state, if given, a state of this noun?  0, else 2 and told. */
static int
check_state(struct ctl *ctl, const char *noun)
{
	static const char *const links[] = { "up", "degraded", "down", "planned", "not-observed",
		NULL };
	static const char *const incidents[] = { "open", "handling", "hold", "recovered", "review",
		"closed", "archived", "cancelled", "merged", NULL };
	const char *const *names = strcmp(noun, "link") == 0 ? links : incidents;

	if (ctl->option[OPT_STATE] == NULL)
		return 0;
	for (size_t i = 0; names[i] != NULL; i++)
		if (strcmp(names[i], ctl->option[OPT_STATE]) == 0)
			return 0;
	return unknown(ctl, out_lang(&ctl->out, "状态", "state"), ctl->option[OPT_STATE], names);
}

static int
run_command(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *c;
	int used = 0;

	c = find_command(ctl, argc, argv, &used);
	if (c == NULL)
		return 2;
	for (int o = 0; o < OPT_MAX; o++)
		if (ctl->option[o] != NULL && (c->options & OPTION(o)) == 0)
			return ctl_misuse(ctl, out_lang(&ctl->out,
			    "'--%s' 不适用于 '%s%s%s'", "'--%s' means nothing to '%s%s%s'"),
			    ctl_option_name((enum ctl_option)o), c->noun,
			    c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "");
	if (check_state(ctl, c->noun) != 0)
		return 2;
	argc -= used;
	argv += used;
	if (argc < c->min || (c->max >= 0 && argc > c->max))
		return ctl_misuse(ctl, out_lang(&ctl->out, "用法：linkctl %s%s%s%s%s",
		    "usage: linkctl %s%s%s%s%s"), c->noun, c->verb != NULL ? " " : "",
		    c->verb != NULL ? c->verb : "", *c->words != '\0' ? " " : "", c->words);
	return c->run(ctl, argc, argv);
}

static int
bad_option(struct ctl *ctl, int opt, char **argv)
{
	const char *names[32], *word = argv[optind - 1];
	size_t n = 0;

	if (opt == ':')
		return ctl_misuse(ctl, out_lang(&ctl->out, "'%s' 之后缺少值",
		    "'%s' needs a value"), word);
	for (const struct option *o = options; o->name != NULL; o++)
		names[n++] = o->name;
	names[n] = NULL;
	while (*word == '-')
		word++;
	return unknown(ctl, out_lang(&ctl->out, "选项", "option"), word, names);
}

static bool
speaks_chinese(void)
{
	const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);
		if (v != NULL && *v != '\0')
			return strncmp(v, "zh", 2) == 0;
	}
	return false;
}

/* One option; -1: go on, else the exit status. */
static int
take_option(struct ctl *ctl, int opt, char **argv)
{
	switch (opt) {
	case ARG_JSON:
		ctl->out.json = true;
		return -1;
	case ARG_SOCKET:
		ctl->socket = optarg;
		ctl->socket_given = true;
		return -1;
	case ARG_LANG:
		if (strcmp(optarg, "zh") != 0 && strcmp(optarg, "en") != 0)
			return ctl_misuse(ctl, "--lang is 'zh' or 'en'");
		ctl->out.zh = optarg[0] == 'z';
		return -1;
	case 'h':
		print_help(ctl, ctl->out.file);
		return 0;
	case 'V':
		fputs("linkctl " LW_VERSION "\n", ctl->out.file);
		return 0;
	}
	if (opt < ARG_OPTION)
		return bad_option(ctl, opt, argv);
	ctl->option[opt - ARG_OPTION] = optarg == NULL ? "" : optarg;
	return -1;
}

/* What was printed must have arrived: /dev/full, a closed pipe. */
static int
close_output(struct ctl *ctl, int status)
{
	if (fflush(ctl->out.file) == 0 && ferror(ctl->out.file) == 0)
		return status;
	fprintf(ctl->err, "linkctl: cannot write the output: %s\n", strerror(errno));
	return status != 0 ? status : 1;
}

int
ctl_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl ctl = { .out = { .file = out }, .err = err };
	const char *no_colour = getenv("NO_COLOR"), *env = getenv("LINKWATCH_SOCKET");
	int opt, status = -1;

	ctl.out.zh = speaks_chinese();
	ctl.out.colour = fileno(out) >= 0 && isatty(fileno(out)) &&
			 (no_colour == NULL || *no_colour == '\0');
	ctl.socket = env != NULL && *env != '\0' ? env : DEFAULT_SOCKET;
	optind = 0;
	opterr = 0;
	while (status < 0 && (opt = getopt_long(argc, argv, ":hV", options, NULL)) != -1)
		status = take_option(&ctl, opt, argv);
	if (status < 0 && optind >= argc) {
		print_help(&ctl, err);
		status = 2;
	}
	if (status < 0)
		status = run_command(&ctl, argc - optind, argv + optind);
	return close_output(&ctl, status);
}
