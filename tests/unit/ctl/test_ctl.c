/*
 * test_ctl.c - linkctl's words, tables, exit status and advice, against the
 * real control socket with data of the test's own.
 */
#include "alertd/ctl/ctl.h"

#include <check.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alertd/control.h"

static char dir[64], path[100];
static char *out, *err;
static size_t out_n, err_n;
static pid_t server;

/* ---------------------------------------------------------------- the server */

static struct control *ctl;

static const char links[] =
    "{\"links\":[{\"agent\":\"a1\",\"link\":\"gw\",\"name_zh\":\"浦东外网专线\",\"name_en\":\"Pudong\","
    "\"probe\":\"icmp\",\"target\":\"192.0.2.1\",\"port\":0,\"class\":\"A\",\"vendor\":\"cloud-a\","
    "\"vendor_code\":\"A云\",\"zone\":\"sh\",\"step_ms\":1000,\"state\":\"down\",\"cause\":\"down\","
    "\"since\":1768437067.25,\"last_sample\":1768437070,\"loss\":1.0,\"rtt_ms\":null,\"incident\":17,"
    "\"values\":{}},"
    "{\"agent\":\"a1\",\"link\":\"evil\",\"name_zh\":\"\\u001b[31m红\\n\",\"name_en\":\"x\",\"probe\":\"snmp\","
    "\"target\":\"192.0.2.2\",\"port\":161,\"class\":\"B\",\"vendor\":\"cloud-a\",\"vendor_code\":\"A云\","
    "\"zone\":\"\",\"step_ms\":5000,\"state\":\"up\",\"cause\":\"\",\"since\":0,\"last_sample\":0,"
    "\"loss\":0.0004,\"rtt_ms\":12.345,\"incident\":0,\"values\":{\"in_bps\":1234567.0}}]}";

static const char incident[] =
    "{\"number\":17,\"code\":21,\"state\":\"recovered\",\"grade\":2,\"kind\":\"down\",\"vendor\":\"cloud-a\","
    "\"located\":\"segment 3\",\"link_state\":\"up\",\"links\":[{\"agent\":\"a1\",\"link\":\"gw\","
    "\"state\":\"up\"}],\"first_fail\":1768437067,\"opened\":1768437070,\"acked\":1768437540,"
    "\"recovered\":1768439520,\"closed\":0,\"updated\":1768439520,\"eta\":0,\"outage_s\":2453,"
    "\"outages\":1,\"handler\":\"张三\",\"fields\":{\"cause\":\"101\",\"responsible\":\"A云\"},"
    "\"title_zh\":\"A云浦东外网专线中断\",\"title_en\":\"A-Pudong DOWN\"}";

/* Of one that lasts: what alertd writes into the time line by itself, and a person's own words. */
static json_t *
lasting_data(void)
{
	json_t *inc = json_loads(incident, 0, NULL);

	json_object_set_new(inc, "state", json_string("handling"));
	json_object_set_new(inc, "link_state", json_string("down"));
	json_object_set_new(inc, "located", json_string("ambiguous: 3 or 4"));
	json_object_set_new(inc, "outage_start", json_real((double)time(NULL) - 75));
	return json_pack("{so so s[]}", "incident", inc, "log", json_loads(
	    "[{\"at\":1768437070,\"actor\":\"alertd\",\"role\":\"system\",\"from\":\"4\",\"to\":\"3\","
	    "\"what\":\"grade\",\"note\":\"by policy, as it lasts\"},"
	    "{\"at\":1768437071,\"actor\":\"alertd\",\"role\":\"system\",\"from\":\"\",\"to\":\"\","
	    "\"what\":\"tell\",\"note\":\"raise: sms:duty\"},"
	    "{\"at\":1768437072,\"actor\":\"li\",\"role\":\"operator\",\"from\":\"open\","
	    "\"to\":\"handling\",\"what\":\"ack\",\"note\":\"stays down\"}]", 0, NULL), "messages");
}

static json_t *
show_data(void)
{
	return json_pack("{so ss so so}", "incident", json_loads(incident, 0, NULL), "x", "y", "log",
	    json_loads("[{\"seq\":1,\"at\":1768437070,\"actor\":\"alertd\",\"role\":\"system\","
		       "\"channel\":\"core\",\"from\":\"\",\"to\":\"open\",\"what\":\"open\","
		       "\"note\":\"A-Pudong DOWN\"}]",
		0, NULL), "messages",
	    json_loads("[{\"id\":3,\"event\":\"open\",\"channel\":\"sms\",\"recipient\":\"duty\","
		       "\"address\":\"138\",\"state\":\"failed\",\"attempts\":4,\"decided\":1768437070,"
		       "\"sent\":0,\"subject\":\"\",\"body\":\"二级故障\",\"detail\":\"HTTP 500: \"}]", 0, NULL));
}

static void
serve(void *arg, const struct control_request *req)
{
	const char *cmd = req->cmd;
	json_int_t n = json_integer_value(json_object_get(req->args, "number"));

	(void)arg;
	if (strcmp(cmd, "link.list") == 0)
		control_ok(ctl, req->ticket, json_loads(links, 0, NULL));
	else if (strcmp(cmd, "incident.list") == 0)
		control_ok(ctl, req->ticket, json_pack("{s[o]}", "incidents",
		    json_loads(incident, 0, NULL)));
	else if (strcmp(cmd, "incident.show") == 0 && n == 17)
		control_ok(ctl, req->ticket, show_data());
	else if (strcmp(cmd, "incident.show") == 0 && n == 18)
		control_ok(ctl, req->ticket, lasting_data());
	else if (strcmp(cmd, "incident.show") == 0)
		control_fail(ctl, req->ticket, "not-found", "没有这个故障单", "no such incident");
	else if (strcmp(cmd, "incident.close") == 0)
		control_fail(ctl, req->ticket, "denied", "没有权限", "li may not do this");
	else if (strcmp(cmd, "reload") == 0)
		control_fail(ctl, req->ticket, "config", "a.yaml:1:1: x\nb.yaml:2:1: \x1b y", "");
	else if (strncmp(cmd, "incident.", 9) == 0)
		control_ok(ctl, req->ticket, json_pack("{ss sO}", "en", "done: yes", "args", req->args));
	else if (strcmp(cmd, "status") == 0)
		control_ok(ctl, req->ticket, json_loads("{\"version\":\"0.1.0\",\"now\":1,\"feed\":{\"up\":true,"
		    "\"seq\":9,\"lag_s\":75.2},\"links\":{\"up\":2,\"degraded\":0,\"down\":1,\"planned\":0,"
		    "\"not-observed\":0},\"agents\":{\"connected\":1,\"silent\":0},\"incidents\":{\"open\":1,"
		    "\"handling\":0},\"outbox\":{\"pending\":0,\"unknown\":0,\"failed\":2},\"channels\":["
		    "{\"name\":\"sms\",\"up\":false,\"detail\":\"HTTP 503\"}],\"database\":{\"up\":true,"
		    "\"detail\":\"\"}}", 0, NULL));
	else
		control_fail(ctl, req->ticket, "usage", "没有这个命令", "there is no such command");
}

static void
run_server(int ready)
{
	struct event_base *base = event_base_new();
	struct alertd_conf conf;
	char why[200];

	memset(&conf, 0, sizeof(conf));
	conf.control.socket = path;
	if (control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)) != 0)
		_exit(1);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	event_base_dispatch(base);
	_exit(0);
}

static void
setup(void)
{
	int fds[2];
	char c;

	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "/tmp/lw-ctl-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	ck_assert_int_eq(pipe(fds), 0);
	server = fork();
	if (server == 0)
		run_server(fds[1]);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);
	setenv("LINKWATCH_SOCKET", path, 1);
	setenv("LC_ALL", "C", 1);
}

static void
teardown(void)
{
	char cmd[100];

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	free(out);
	free(err);
	out = err = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* Runs linkctl with these words; out and err hold what it said. */
static int
run(const char *line)
{
	char words[600], *argv[32] = { (char *)"linkctl" }, *save;
	int argc = 1, status;
	FILE *o, *e;

	free(out);
	free(err);
	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	o = open_memstream(&out, &out_n);
	e = open_memstream(&err, &err_n);
	status = ctl_main(argc, argv, o, e);
	fclose(o);
	fclose(e);
	return status;
}

#define ck_has(text, part) ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text)

/* ---------------------------------------------------------------------- tests */

START_TEST(link_table_zh)
{
	ck_assert_int_eq(run("--lang zh link list"), 0);
	ck_assert_str_eq(out,
	    "链路     名称            云   级  方式  状态    丢包  时延ms  自                   故障\n"
	    "a1/gw    浦东外网专线    A云  A   icmp  中断  100.0%       -  2026-01-15 08:31:07    17\n"
	    "a1/evil  \\x1b[31m红\\x0a  A云  B   snmp  正常  0.040%   12.35  -                    \n");
	ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(incident_table_en)
{
	ck_assert_int_eq(run("--lang en incident list"), 0);
	ck_assert_str_eq(out,
	    "NO  CODE  GRADE  STATE      OPENED               LASTED  HANDLER  WHAT\n"
	    "17  0021  P2     recovered  2026-01-15 08:31:10     40m  张三     A-Pudong DOWN\n");
}
END_TEST

START_TEST(show_says_what_is_next)
{
	ck_assert_int_eq(run("--lang en incident show 17"), 0);
	ck_has(out, "incident 17  P2  recovered  A-Pudong DOWN\n");
	ck_has(out, "  first failure     2026-01-15 08:31:07\n");
	ck_has(out, "  outages           40m in 1 outage\n");
	ck_has(out, "  located           extranet\n");
	ck_has(out, "   2026-01-15 08:31:10  alertd (core)  -> open  A-Pudong DOWN\n");
	ck_has(out, "  root cause        (missing)\n");
	ck_has(out, "    a1/gw  up\n");
	ck_has(out, "sms > duty  failed (4 tries)  HTTP 500: \n    二级故障\n");
	ck_has(out, "\nnext\n  linkctl incident close 17 --root-cause TEXT --measure TEXT"
		    " --grade-final 1..4\n");
	ck_assert_int_eq(run("--lang zh incident show 17"), 0);
	ck_has(out, "故障单 17  二级  已恢复待核验  A云浦东外网专线中断\n");
	ck_has(out, "  根本原因          （未填）\n");
	ck_has(out, "  定界              政务外网\n");
	ck_has(out, "-> 待受理  A云浦东外网专线中断\n");
}
END_TEST

START_TEST(show_what_lasts)
{
	ck_assert_int_eq(run("--lang en incident show 18"), 0);
	ck_has(out, "  outage            lasting since ");
	ck_assert_msg(strstr(out, ", 75s\n") != NULL || strstr(out, ", 76s\n") != NULL, "%s", out);
	ck_has(out, "  outages before    40m in 1 outage\n");
	ck_has(out, "  located           extranet or cloud edge (unclear)\n");
	ck_has(out, "P4 -> P3                  by policy, as it lasts\n");
	ck_has(out, "acknowledged -> handling  stays down\n");
	ck_assert_int_eq(run("--lang zh incident show 18"), 0);
	ck_has(out, "  本次中断          自 ");
	ck_has(out, "  定界              政务外网或云边界（不确定）\n");
	ck_has(out, "四级 -> 三级    按策略，因持续时间\n");
	ck_has(out, "通知            级别上升：sms:duty\n");
	ck_has(out, "受理 -> 处理中  stays down\n");
}
END_TEST

START_TEST(status_and_language)
{
	ck_assert_int_eq(run("status"), 0);
	ck_has(out, "connected  record 9, 75s behind");
	ck_has(out, "Channel    sms  fails  HTTP 503\n");
	setenv("LC_ALL", "", 1);
	setenv("LANG", "zh_CN.UTF-8", 1);
	ck_assert_int_eq(run("status"), 0);
	ck_has(out, "通道    sms  故障  HTTP 503\n");
	ck_assert_int_eq(run("--lang en status"), 0);
	ck_has(out, "Channel");
	ck_assert_int_eq(run("--lang fr status"), 2);
}
END_TEST

START_TEST(json_everywhere)
{
	static const char *const commands[] = { "--json status", "--json link list",
		"--json incident list", "--json incident show 17", "--json incident ack 17" };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		json_t *json;
		ck_assert_int_eq(run(commands[i]), 0);
		json = json_loads(out, 0, NULL);
		ck_assert_msg(json_is_object(json), "%s", out);
		json_decref(json);
	}
	ck_assert_int_eq(run("--json incident show 99"), 1);
	ck_has(out, "\"code\": \"not-found\"");
}
END_TEST

START_TEST(what_is_sent)
{
	ck_assert_int_eq(run("--json incident ack 17 --eta 10:00 --note x"), 0);
	ck_has(out, "\"eta\": \"10:00\"");
	ck_has(out, "\"note\": \"x\"");
	ck_has(out, "\"number\": 17");
	ck_assert_int_eq(run("--json incident set 17 --cause 101 --root-cause cut --grade-final 2"), 0);
	ck_has(out, "\"root-cause\": \"cut\"");
	ck_has(out, "\"grade-final\": \"2\"");
	ck_assert_int_eq(run("incident note 17 text"), 0);
	ck_assert_str_eq(out, "done: yes\n");
}
END_TEST

START_TEST(refusals)
{
	ck_assert_int_eq(run("incident show 99"), 1);
	ck_assert_str_eq(err, "linkctl: no such incident\n");
	ck_assert_int_eq(run("--lang zh incident close 17"), 1);
	ck_assert_str_eq(err, "linkctl: 没有权限\n");
	ck_assert_int_eq(run("reload"), 1);
	ck_assert_str_eq(err, "linkctl: a.yaml:1:1: x\nlinkctl: b.yaml:2:1: \\x1b y\n");
}
END_TEST

static const struct { const char *line, *says; } misuses[] = {
	{ "stats", "did you mean 'status'?" },
	{ "incident lst", "did you mean 'list'?" },
	{ "incident", "needs one word more" },
	{ "incident show", "usage: linkctl incident show NUMBER" },
	{ "incident show 17 18", "usage: linkctl incident show NUMBER" },
	{ "incident show abc", "'abc' is no number" },
	{ "incident show 0", "is no number" },
	{ "incident show -- -1", "is no number" },
	{ "incident show 99999999999999999999", "is no number" },
	{ "incident note 17", "the text is missing" },
	{ "incident note 17 a --note b", "give the text once" },
	{ "incident reopen 17", "say why with --note" },
	{ "incident cancel 17", "say why with --note" },
	{ "incident set 17", "name a field at least" },
	{ "incident list --limit many", "--limit is a positive number" },
	{ "incident list --state opn", "unknown state 'opn' (did you mean 'open'?)" },
	{ "link list --state open", "unknown state 'open'" },
	{ "status extra", "usage: linkctl status\n" },
	{ "status --note x", "'--note' means nothing to 'status'" },
	{ "link list --cause 101", "'--cause' means nothing to 'link list'" },
	{ "link show gw", "must be AGENT/LINK" },
	{ "why gw", "must be AGENT/LINK" },
	{ "--jsn status", "did you mean 'json'?" },
	{ "-x status", "unknown option" },
	{ "incident ack 17 --eta", "needs a value" },
	{ "check /etc/passwd", "the name must be agent, collector" },
	{ "", "usage: linkctl" },
	{ "\x1b[31m", "unknown command '\\x1b[31m'" },
};

START_TEST(each_misuse)
{
	ck_assert_msg(run(misuses[_i].line) == 2, "%s", misuses[_i].line);
	ck_has(err, misuses[_i].says);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(nobody_there)
{
	ck_assert_int_eq(run("--socket /nonexistent/s status"), 1);
	ck_has(err, "cannot reach linkwatch-alertd at /nonexistent/s: No such file or directory");
	ck_has(err, "linkwatch-alertd -c");
	ck_assert_int_eq(run("--lang zh --socket /nonexistent/s status"), 1);
	ck_has(err, "连不上");
}
END_TEST

/* What was printed did not arrive. */
START_TEST(lost_output)
{
	char *argv[] = { (char *)"linkctl", (char *)"status" }, *help[] = { (char *)"linkctl", (char *)"-h" };
	FILE *full = fopen("/dev/full", "w"), *e = fopen("/dev/null", "w"), *p;
	int fds[2];

	ck_assert_int_eq(ctl_main(2, argv, full, e), 1);
	fclose(full);
	full = fopen("/dev/full", "w");
	ck_assert_int_eq(ctl_main(2, help, full, e), 1);
	fclose(full);
	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	p = fdopen(fds[1], "w");
	ck_assert_int_eq(ctl_main(2, argv, p, e), 1);
	fclose(p);
	fclose(e);
}
END_TEST

START_TEST(help_and_version)
{
	ck_assert_int_eq(run("--help"), 0);
	ck_has(out, "incident close NUMBER [FIELDS]");
	ck_assert_int_eq(run("--version"), 0);
	ck_has(out, "linkctl 0.");
	for (const struct ctl_command *c = ctl_commands; c->noun != NULL; c++) {
		ck_assert_int_eq(run("--lang zh --help"), 0);
		ck_has(out, c->zh);
	}
}
END_TEST

/* --------------------------------------------------------------------- check */

static void
put(const char *name, const char *text)
{
	char file[200];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "w");
	fputs(text, f);
	fclose(f);
	chmod(file, 0600);
}

START_TEST(check_across)
{
	char line[200];

	put("k", "key\n");
	put("alertd.yaml", "collector: {address: \"127.0.0.1:7466\", id: other}\n"
	    "tls: {ca: k, cert: k, key: k}\npolicy: policy.yaml\n"
	    "channels:\n  - {name: sms, kind: file, directory: d}\n");
	put("policy.yaml", "sms_channels: [sms]\nmail_channels: [mail]\ncontacts:\n"
	    "  - {id: duty, name: x, phone: \"138\", mail: a@b.example, vendor: nobody}\n");
	put("links.yaml", "vendors: [{id: cloud-a, code: A, name: a}]\nagents: [{id: a1, vendor: cloud-a}]\n"
	    "links:\n  - {id: gw, agent: a1, probe: icmp, target: 127.0.0.1, class: A, name: gw}\n");
	snprintf(line, sizeof(line), "check %s", dir);
	ck_assert_int_eq(run(line), 1);
	ck_has(err, "channel 'mail', which");
	ck_has(err, "vendor 'nobody', which");
	ck_has(out, "alertd.yaml: ok");
	ck_has(out, "links.yaml: ok");
	snprintf(line, sizeof(line), "--json check %s", dir);
	ck_assert_int_eq(run(line), 1);
	ck_has(out, "\"ok\": false");
	put("links.yaml", "linkz: []\n");
	snprintf(line, sizeof(line), "check %s/links.yaml", dir);
	ck_assert_int_eq(run(line), 1);
	ck_has(err, "links.yaml:1:");
	snprintf(line, sizeof(line), "check %s/agent.yaml", dir);
	ck_assert_int_eq(run(line), 1);
	ck_has(err, "No such file or directory");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl");
	TCase *tc = tcase_create("ctl");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, link_table_zh);
	tcase_add_test(tc, incident_table_en);
	tcase_add_test(tc, show_says_what_is_next);
	tcase_add_test(tc, show_what_lasts);
	tcase_add_test(tc, status_and_language);
	tcase_add_test(tc, json_everywhere);
	tcase_add_test(tc, what_is_sent);
	tcase_add_test(tc, refusals);
	tcase_add_loop_test(tc, each_misuse, 0, (int)(sizeof(misuses) / sizeof(misuses[0])));
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, lost_output);
	tcase_add_test(tc, help_and_version);
	tcase_add_test(tc, check_across);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
