/*
 * test_agent_conf.c - agent.yaml: each rule with its line, sample and manual.
 */
#include "common/agent_conf.h"

#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "testlines.h"

#define MANUAL "agent/linkwatch-agent.yaml.5"
#define SAMPLE "conf/agent.yaml"

static char dir[64];

static char *
whole_file(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_msg(f != NULL, "%s: run from the top of the tree", path);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* A directory with the files that the sample names. */
static void
make_files(void)
{
	static const char *const name[] = { "tls/agent.key", "secrets/core-auth",
		"secrets/core-priv", "secrets/community", NULL };
	char path[160];

	strcpy(dir, "/tmp/test_agent_conf.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/tls", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/secrets", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (unsigned i = 0; name[i] != NULL; i++) {
		FILE *f;

		snprintf(path, sizeof path, "%s/%s", dir, name[i]);
		f = fopen(path, "w");
		ck_assert_ptr_nonnull(f);
		fclose(f);
		ck_assert_int_eq(chmod(path, 0600), 0);
	}
}

static void
remove_files(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

#define HEAD "collectors: [\"c:1\"]\nstate_dir: s\n" \
	"tls: {ca: a, cert: b, key: tls/agent.key}\n"
#define ALLOW "guard: {allow: [\"::1\"]}\n"

/* Lines 1 to 3 are HEAD. */
static void
lines(const char *text, int result, const char *want)
{
	struct conf_errors errs = { 0 };
	struct agent_conf c;
	int rc;

	make_files();
	rc = agent_conf_parse(text, strlen(text), "a.yaml", dir, &c, &errs);
	assert_lines(&errs, want);
	ck_assert_int_eq(rc, result);
	if (rc == 0)
		agent_conf_free(&c);
	conf_errors_free(&errs);
	remove_files();
}

START_TEST(test_sample)
{
	struct conf_errors errs = { 0 };
	struct agent_conf c;
	const struct snmp_credential *k;
	char *text = whole_file(SAMPLE);

	make_files();
	ck_assert_int_eq(agent_conf_parse(text, strlen(text), "agent.yaml", dir, &c, &errs), 0);
	assert_lines(&errs, "");
	ck_assert_uint_eq(c.collectors.n, 3);
	ck_assert_str_eq(c.collector_id, "main");
	ck_assert_int_eq(c.log_level, LOG_NOTICE);
	ck_assert_int_eq(c.spool.max_size, 1 << 30);
	ck_assert_uint_eq(c.guard.allow.n, 5);
	ck_assert_int_eq(c.guard.max_pps, 1000);
	ck_assert_uint_eq(c.snmp_credentials.n, 2);
	k = c.snmp_credentials.v;
	ck_assert_int_eq(k[0].version, SNMP_V3);
	ck_assert_int_eq(k[0].auth, SNMP_AUTH_SHA256);
	ck_assert_int_eq(k[0].priv, SNMP_PRIV_AES128);
	ck_assert_int_eq(k[1].version, SNMP_V2C);
	agent_conf_free(&c);
	remove_files();
}
END_TEST

START_TEST(test_defaults)
{
	static const char text[] = HEAD ALLOW;
	struct conf_errors errs = { 0 };
	struct agent_conf c;

	make_files();
	ck_assert_int_eq(agent_conf_parse(text, strlen(text), "a.yaml", dir, &c, &errs), 0);
	assert_lines(&errs, "");
	ck_assert_ptr_null(c.user);
	ck_assert_ptr_null(c.collector_id);
	ck_assert_int_eq(c.guard.max_pps, 1000);
	ck_assert_int_eq(c.spool.max_size, 1 << 30);
	ck_assert_int_eq(c.log_level, LOG_NOTICE);
	agent_conf_free(&c);
	remove_files();
}
END_TEST

START_TEST(test_no_allow_list)
{
	lines(HEAD, 0, "a.yaml:1:1: warning: no guard.allow: every target will be refused\n");
}
END_TEST

START_TEST(test_bad_collectors)
{
	static const char *const bad[] = { "c", "c:", ":1", "c:0", "c:65536", "c:x", "c:1x",
		"2001:db8::1:4433", "[::1]", "[]:1", "[::1:1", "c:000001", NULL };
	char host[256], port[6];

	for (unsigned i = 0; bad[i] != NULL; i++)
		ck_assert_msg(agent_conf_collector(bad[i], host, sizeof host, port) != 0, "%s",
		    bad[i]);
	ck_assert_int_eq(agent_conf_collector("[2001:db8::1]:4433", host, sizeof host, port), 0);
	ck_assert_str_eq(host, "2001:db8::1");
	ck_assert_str_eq(port, "4433");
	ck_assert_int_ne(agent_conf_collector("abc:1", host, 3, port), 0);
	lines("collectors: [\"nowhere\", \"a:1\", \"b:x\"]\nstate_dir: s\n"
	    "tls: {ca: a, cert: b, key: tls/agent.key}\n" ALLOW, -22,
	    "a.yaml:1:1: collector 'nowhere' is not HOST:PORT or [ADDRESS]:PORT\n"
	    "a.yaml:1:1: collector 'b:x' is not HOST:PORT or [ADDRESS]:PORT\n");
}
END_TEST

START_TEST(test_bad_allow)
{
	lines(HEAD "guard: {allow: [\"10.0.0.0/40\", \"a b\", \"ok.example\"]}\n", -22,
	    "a.yaml:4:8: '10.0.0.0/40' in guard.allow is neither a network nor a name\n"
	    "a.yaml:4:8: 'a b' in guard.allow is neither a network nor a name\n");
}
END_TEST

#define CRED(text) HEAD ALLOW "snmp_credentials:\n  - {name: x, " text "}\n"

START_TEST(test_credentials)
{
	lines(CRED("version: v2c"), -22,
	    "a.yaml:6:5: credential 'x' is v2c and needs a community_file\n");
	lines(CRED("version: v2c, community_file: secrets/community, user: u"), -22,
	    "a.yaml:6:5: credential 'x' is v2c: user, context, auth and priv belong to v3\n");
	lines(CRED("version: v3"), -22, "a.yaml:6:5: credential 'x' is v3 and needs a user\n");
	lines(CRED("version: v3, user: u, auth: sha256"), -22,
	    "a.yaml:6:5: credential 'x' needs both auth and auth_secret_file, or neither\n");
	lines(CRED("version: v3, user: u, priv: aes128, priv_secret_file: secrets/core-priv"), -22,
	    "a.yaml:6:5: credential 'x' has priv without auth\n");
	lines(CRED("version: v3, user: u, auth: md5, auth_secret_file: secrets/core-auth"), 0,
	    "a.yaml:6:5: warning: credential 'x' uses md5, which is broken\n");
	lines(CRED("version: v3, user: u, community_file: secrets/community"), -22,
	    "a.yaml:6:5: credential 'x' is v3: no community_file\n");
}
END_TEST

START_TEST(test_unknown_key)
{
	lines(HEAD "guard: {alow: [\"::1\"]}\n", -22,
	    "a.yaml:4:9: unknown key 'alow' in guard (did you mean 'allow'?)\n");
}
END_TEST

static int
count_keys(const struct conf_schema *schema, const char *text, const char *fmt)
{
	int n = 0;

	for (const struct conf_key *k = schema->keys; k->name != NULL; k++, n++) {
		char want[64];

		snprintf(want, sizeof want, "%s%s", fmt, k->name);
		ck_assert_msg(strstr(text, want) != NULL, "%s has no '%s'", schema->noun, want);
		ck_assert_int_eq(k->help[strlen(k->help) - 1], '.');
		if (k->sub != NULL)
			n += count_keys(k->sub, text, fmt);
	}
	return n;
}

START_TEST(test_manual_and_sample_name_every_key)
{
	int n = count_keys(&agent_conf_schema, whole_file(MANUAL), "\n.It Cm "), named = 0;
	const char *text = whole_file(MANUAL);

	/* and the manual names no key that is none: as many items as rows */
	for (; (text = strstr(text, "\n.It Cm ")) != NULL; text++)
		named++;
	ck_assert_int_eq(named, n);
	(void)count_keys(&agent_conf_schema, whole_file(SAMPLE), "");
}
END_TEST

START_TEST(test_mandoc)
{
	if (system("command -v mandoc >/dev/null") != 0)
		return;
	/* only the manuals that are not installed may be missed */
	ck_assert_int_eq(system("mandoc -Tlint " MANUAL " agent/linkwatch-agent.8 | "
	    "grep -v 'referenced manual not found' >&2"), 256);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("agent_conf");
	TCase *t = tcase_create("agent_conf");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_sample);
	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_no_allow_list);
	tcase_add_test(t, test_bad_collectors);
	tcase_add_test(t, test_bad_allow);
	tcase_add_test(t, test_credentials);
	tcase_add_test(t, test_unknown_key);
	tcase_add_test(t, test_manual_and_sample_name_every_key);
	tcase_add_test(t, test_mandoc);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
