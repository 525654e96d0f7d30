/*
 * test_alertd_conf.c - alertd.yaml: the sample, and every mistake in one run.
 */
#include "alertd/alertd_conf.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void
touch(const char *name)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs("secret\n", f);
	fclose(f);
	chmod(path, 0600);
}

static void
setup(void)
{
	char path[100];

	snprintf(dir, sizeof(dir), "/tmp/lw-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pki", dir);
	mkdir(path, 0700);
	touch("pki/alertd.key");
	touch("s");
}

static void
teardown(void)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static char *
load_sample(void)
{
	static char text[65536];
	FILE *f = fopen("conf/alertd.yaml", "r");

	ck_assert_msg(f != NULL, "run from the top of the tree");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

START_TEST(sample_as_it_stands)
{
	char *text = load_sample();
	struct conf_errors errs = { 0 };
	struct alertd_conf conf;

	if (alertd_conf_parse(text, strlen(text), "alertd.yaml", dir, &conf, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		ck_abort();
	}
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_str_eq(conf.collector.address, "127.0.0.1:7466");
	ck_assert_uint_eq(conf.channels.n, 2);
	ck_assert_int_eq(alertd_conf_channel(&conf, "sms")->units, 70);
	ck_assert_int_eq(alertd_conf_channel(&conf, "mail")->units, 0);
	ck_assert_ptr_null(alertd_conf_channel(&conf, "pager"));
	ck_assert_int_eq(conf.outbox.give_up_ns, INT64_C(86400) * 1000000000);
	alertd_conf_free(&conf);
	conf_errors_free(&errs);
}
END_TEST

/* The sample with every commented key taken in: each line of it is right. */
START_TEST(sample_uncommented)
{
	char *text = load_sample(), *full = calloc(1, 70000), *line, *save;
	static const char *const secrets[] = { "kannel.secret", "gw.secret", "mail.secret",
		"trap-auth.secret", "trap-priv.secret", "trap-community.secret" };
	struct conf_errors errs = { 0 };
	struct alertd_conf conf;
	bool channels = false;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		touch(secrets[i]);
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		channels = channels || strcmp(line, "channels:") == 0;
		if (strcmp(line, "  proxies: []") == 0)
			continue;
		if (line[0] == '#' && line[1] == ' ' && line[2] == ' ')
			line++;				/* "#  key": a key commented out */
		/* only one channel of a name */
		if (channels && strcmp(line, "  - name: sms") == 0 && strstr(full, "- name: sms") != NULL)
			line = (char *)"  - name: sms2";
		if (channels && strcmp(line, "  - name: mail") == 0 && strstr(full, "- name: mail") != NULL)
			line = (char *)"  - name: mail2";
		strcat(strcat(full, line), "\n");
	}
	if (alertd_conf_parse(full, strlen(full), "alertd.yaml", dir, &conf, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		ck_abort();
	}
	ck_assert_uint_eq(conf.channels.n, 6);
	ck_assert_uint_eq(conf.control.users.n, 2);
	ck_assert_uint_eq(alertd_conf_channel(&conf, "trap")->managers.n, 2);
	alertd_conf_free(&conf);
	conf_errors_free(&errs);
	free(full);
}
END_TEST

#define HEAD "collector: {address: \"127.0.0.1:7466\"}\n" \
	"tls: {ca: ca, cert: c, key: pki/alertd.key}\npolicy: p\nchannels:\n"

static const struct { const char *text, *error; } mistakes[] = {
	{ HEAD "  - {name: a, kind: fax}\n", "'kind' is fax, expected" },
	{ HEAD "  - {name: a, kind: file}\n", "'directory' is missing in channel 'a' of kind file" },
	{ HEAD "  - {name: a, kind: file, directory: d, url: \"http://x\"}\n",
	    "'url' means nothing to channel 'a' of kind file" },
	{ HEAD "  - {name: a, kind: kannel, url: \"http://127.0.0.1/\"}\n",
	    "'user' is missing in channel 'a' of kind kannel" },
	{ HEAD "  - {name: a, kind: kannel, url: \"file:///etc/passwd\", user: u, password_file: s}\n",
	    "must begin with http:// or https://" },
	{ HEAD "  - {name: a, kind: smtp, url: \"http://x\", from: a@b}\n",
	    "must begin with smtp:// or smtps://" },
	{ HEAD "  - {name: a, kind: smtp, url: \"smtp://mail.example\", from: a@b, plain: yes}\n",
	    "'plain' of channel 'a' is allowed only for a loopback address" },
	{ HEAD "  - {name: a, kind: http, url: \"https://x/send\", body: \"{text}\"}\n",
	    "names {phone} neither in 'url' nor in 'body'" },
	{ HEAD "  - {name: a, kind: http, url: \"https://x/{phone}\", success: \"a(\"}\n",
	    "'success' of channel 'a'" },
	{ HEAD "  - {name: a, kind: http, url: \"https://x/{phone}\", headers: [\"NoColon\"]}\n",
	    "header 1 of channel 'a' is not 'Name: value'" },
	{ HEAD "  - {name: a, kind: http, url: \"https://x/{phone}\", headers: [\"A: b\\r\\nC: d\"]}\n",
	    "header 1 of channel 'a' is not 'Name: value'" },
	{ HEAD "  - {name: a, kind: smtp, url: \"smtp://x\", from: \"a@b\\r\\nBcc: c@d\"}\n",
	    "control character" },
	{ HEAD "  - {name: a, kind: trap}\n", "'managers' is missing" },
	{ HEAD "  - {name: a, kind: trap, managers: [{address: nms.example, version: v2c,"
	    " community_file: s}]}\n", "expected an IP address and a port" },
	{ HEAD "  - {name: a, kind: trap, managers: [{address: \"127.0.0.1:162\", user: u}]}\n",
	    "needs 'user', 'auth_file' and 'priv_file'" },
	{ HEAD "  - {name: a, kind: trap, managers: [{address: \"127.0.0.1:162\", version: v2c}]}\n",
	    "'community_file' is missing" },
	{ HEAD "  - {name: a, kind: file, directory: d}\n  - {name: a, kind: file, directory: d}\n",
	    "'a'" },
	{ HEAD "  - {name: a, kind: file, directory: d, form: pigeon}\n", "'form' is pigeon, expected" },
	{ HEAD "  - {name: a, kind: file, direktory: d}\n", "did you mean 'directory'" },
	{ HEAD "  - {name: a, kind: file, directory: d, timeout: 0s}\n", "'timeout'" },
	{ HEAD "  - {name: a, kind: file, directory: d, parallel: 0}\n", "'parallel'" },
	{ HEAD "  - {name: a, kind: kannel, url: \"http://127.0.0.1/\", user: u, password_file: nope}\n",
	    "nope" },
	{ HEAD "  - {name: a, kind: file, directory: d}\ncontrol: {users: [{login: x, role: god}]}\n",
	    "'role' is god, expected" },
	{ HEAD "  - {name: a, kind: file, directory: d}\noutbox: {retry_first: 10m, retry_max: 1s}\n",
	    "'retry_max' of outbox is shorter than 'retry_first'" },
	{ "tls: {ca: ca, cert: c, key: pki/alertd.key}\npolicy: p\nchannels: []\n", "'collector'" },
	{ "collector: {address: collector.example:7466}\ntls: {ca: a, cert: b, key: pki/alertd.key}\n"
	  "policy: p\nchannels:\n  - {name: a, kind: file, directory: d}\n",
	    "expected an IP address and a port" },
};

START_TEST(each_mistake)
{
	struct conf_errors errs = { 0 };
	struct alertd_conf conf;
	bool found = false;

	ck_assert_int_eq(alertd_conf_parse(mistakes[_i].text, strlen(mistakes[_i].text),
	    "alertd.yaml", dir, &conf, &errs), -EINVAL);
	for (size_t i = 0; i < errs.n; i++) {
		found = found || strstr(errs.line[i], mistakes[_i].error) != NULL;
		ck_assert_msg(strncmp(errs.line[i], "alertd.yaml:", 12) == 0, "%s", errs.line[i]);
	}
	if (!found)
		conf_errors_print(&errs, stderr);
	ck_assert_msg(found, "no line with: %s", mistakes[_i].error);
	conf_errors_free(&errs);
}
END_TEST

START_TEST(warnings)
{
	static const char text[] = HEAD
	    "  - {name: a, kind: kannel, url: \"http://gw.example/\", user: u, password_file: s}\n";
	struct conf_errors errs = { 0 };
	struct alertd_conf conf;

	ck_assert_int_eq(alertd_conf_parse(text, strlen(text), "alertd.yaml", dir, &conf, &errs), 0);
	ck_assert_uint_eq(errs.warnings, 1);
	ck_assert_ptr_nonnull(strstr(errs.line[0], "over plain http"));
	alertd_conf_free(&conf);
	conf_errors_free(&errs);
}
END_TEST

static void
each_key_is_in(const char *page, const struct conf_schema *schema)
{
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		char item[100];
		snprintf(item, sizeof(item), "\n.It Cm %s", k->name);
		ck_assert_msg(strstr(page, item) != NULL, "the manual lacks '%s' of %s", k->name,
		    schema->noun);
		ck_assert_msg(k->help != NULL && *k->help != '\0', "'%s' has no help", k->name);
		if (k->sub != NULL)
			each_key_is_in(page, k->sub);
	}
}

START_TEST(manual_has_every_key)
{
	static char page[65536];
	FILE *f = fopen("alertd/linkwatch-alertd.yaml.5", "r");

	ck_assert_msg(f != NULL, "run from the top of the tree");
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	each_key_is_in(page, &alertd_conf_schema);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(channel_kind_name(CHANNEL_SMTP), "smtp");
	ck_assert_str_eq(channel_kind_name(99), "?");
	ck_assert_str_eq(user_role_name(USER_ADMIN), "admin");
	ck_assert_str_eq(user_role_name(USER_NONE), "none");
	ck_assert_int_eq(user_role_parse("operator"), USER_OPERATOR);
	ck_assert_int_eq(user_role_parse("Admin"), USER_NONE);
	ck_assert_int_eq(user_role_parse(NULL), USER_NONE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("alertd_conf");
	TCase *tc = tcase_create("conf");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sample_as_it_stands);
	tcase_add_test(tc, sample_uncommented);
	tcase_add_loop_test(tc, each_mistake, 0, (int)(sizeof(mistakes) / sizeof(mistakes[0])));
	tcase_add_test(tc, warnings);
	tcase_add_test(tc, manual_has_every_key);
	tcase_add_test(tc, names);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
