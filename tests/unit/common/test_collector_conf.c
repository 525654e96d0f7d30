/*
 * test_collector_conf.c - collector.yaml: the example, the manual, and what is wrong.
 *
 * Runs in the top directory of the sources.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/collector_conf.h"
#include "common/log.h"
#include "common/mem.h"

#define SAMPLE "conf/collector.yaml"
#define MANUAL "collector/linkwatch-collector.yaml.5"

static char dir[] = "/tmp/lw-conf-XXXXXX";
static struct conf_errors errs;

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *s = xcalloc(1, 256 * 1024);

	ck_assert_msg(f != NULL, "%s: run this in the top directory of the sources", path);
	*n = fread(s, 1, 256 * 1024 - 1, f);
	fclose(f);
	return s;
}

static void
touch(const char *name, int mode)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fclose(f);
	chmod(path, (mode_t)mode);
	free(path);
}

static void
setup(void)
{
	char *pki;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	pki = xasprintf("%s/pki", dir);
	mkdir(pki, 0700);
	free(pki);
	touch("pki/collector-main.key", 0600);
	touch("pki/web.key", 0600);
	memset(&errs, 0, sizeof errs);
}

static void
teardown(void)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);

	conf_errors_free(&errs);
	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
}

/* The sample with every commented key made live. */
static char *
uncomment(const char *s)
{
	char *out = xcalloc(1, strlen(s) + 1), *at = out;

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		/* "#key:", "#  key:", "# key:" inside of a map; prose has "# Word". */
		if (s[0] == '#') {
			const char *k = s + 1 + strspn(s + 1, " ");
			size_t w = strspn(k, "abcdefghijklmnopqrstuvwxyz_");

			if (w > 0 && k[w] == ':' && (k[w + 1] == '\n' || k[w + 1] == ' ')) {
				if (s[1] == ' ')
					*at++ = ' ';
				memcpy(at, s + 1, n - 1);
				at += n - 1;
				*at++ = '\n';
			}
		} else {
			memcpy(at, s, n);
			at += n;
			*at++ = '\n';
		}
		s += n + (s[n] == '\n');
	}
	return out;
}

/* Each fault of a retention is told by name and place. */
START_TEST(retention_is_checked)
{
	static const struct { const char *keep, *says; } cases[] = {
		{ "detail: 30m", "detail" }, { "minutes: 5m", "'minutes' is less than ten" },
		{ "detail: 2d", "'minutes' is not kept longer than 'detail'" },
		{ "hours: 5d", "'hours' is not kept longer than 'ten_minutes'" },
		{ "minutes: 0s, ten_minutes: 0s, hours: 2d, six_hours: 1d", "'six_hours' is" },
		{ "minuets: 2d", "did you mean 'minutes'" },
		{ "detail: 2d, minutes: 0s", NULL }, { "six_hours: 0s", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct conf_errors said = { 0 };
		struct collector_conf *c;
		size_t n;
		char *text = slurp(SAMPLE, &n), *whole;
		int r;

		whole = xasprintf("%.*s\nstore:\n  class_b: {%s}\n", (int)n, text, cases[i].keep);
		r = collector_conf_parse(whole, strlen(whole), "c.yaml", dir, &c, &said);
		ck_assert_msg((r == 0) == (cases[i].says == NULL), "%s", cases[i].keep);
		if (cases[i].says != NULL)
			ck_assert_msg(said.n >= 1 && strstr(said.line[0], cases[i].says) != NULL &&
			    strncmp(said.line[0], "c.yaml:", 7) == 0, "%s: %s", cases[i].keep,
			    said.n > 0 ? said.line[0] : "nothing said");
		if (r == 0)
			collector_conf_free(c);
		conf_errors_free(&said);
		free(whole);
		free(text);
	}
}
END_TEST

START_TEST(the_example_is_sound)
{
	struct collector_conf *c;
	size_t n;
	char *text = slurp(SAMPLE, &n);
	int r = collector_conf_parse(text, n, SAMPLE, dir, &c, &errs);

	conf_errors_print(&errs, stderr);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_str_eq(c->id, "main");
	ck_assert_int_eq(c->listen.port, 7466);
	ck_assert_int_eq(c->ingest.commit_ns, 20 * NS_PER_MS);
	ck_assert_int_eq(c->store.keep[1].detail_ns, 12 * 3600 * NS_PER_S);
	ck_assert_int_eq(c->store.keep[2].hours_ns, 40 * 86400 * NS_PER_S);
	ck_assert_int_eq(c->log_level, LOG_NOTICE);
	ck_assert_int_eq(c->web.language, WEB_ZH);
	ck_assert(c->journal.reader_share > 0.24 && c->journal.reader_share < 0.26);
	ck_assert_ptr_null(c->user);
	collector_conf_free(c);
	free(text);
}
END_TEST

START_TEST(what_the_example_shows_as_default_is_the_default)
{
	struct collector_conf *plain, *full;
	char *a = NULL, *b = NULL;
	size_t n, na, nb;
	char *text = slurp(SAMPLE, &n), *all = uncomment(text);
	FILE *fa = open_memstream(&a, &na), *fb = open_memstream(&b, &nb);

	ck_assert_int_eq(collector_conf_parse(text, n, SAMPLE, dir, &plain, &errs), 0);
	if (collector_conf_parse(all, strlen(all), "all", dir, &full, &errs) != 0) {
		conf_errors_print(&errs, stderr);
		ck_abort_msg("%s", all);
	}
	/* These have no default; the example only shows how they are written. */
	free(full->user);
	free(full->listen.crl);
	free(full->web.control);
	free(full->web.tokens);
	full->user = full->listen.crl = full->web.control = full->web.tokens = NULL;
	conf_print(&collector_schema, plain, fa);
	conf_print(&collector_schema, full, fb);
	fclose(fa);
	fclose(fb);
	ck_assert_str_eq(a, b);
	collector_conf_free(plain);
	collector_conf_free(full);
	free(a);
	free(b);
	free(all);
	free(text);
}
END_TEST

static void
every_key(const struct conf_schema *s, const char *sample, const char *manual)
{
	for (const struct conf_key *k = s->keys; k->name != NULL; k++) {
		char *yaml = xasprintf("%s:", k->name), *mdoc = xasprintf(".It Ic %s\n", k->name);

		ck_assert_msg(strstr(sample, yaml) != NULL, "%s lacks '%s'", SAMPLE, k->name);
		ck_assert_msg(strstr(manual, mdoc) != NULL, "%s lacks '%s'", MANUAL, k->name);
		ck_assert_ptr_nonnull(k->help);
		free(yaml);
		free(mdoc);
		if (k->type == CONF_MAP)
			every_key(k->sub, sample, manual);
	}
}

START_TEST(every_key_is_in_example_and_manual)
{
	size_t n;
	char *sample = slurp(SAMPLE, &n), *manual = slurp(MANUAL, &n);

	every_key(&collector_schema, sample, manual);
	free(sample);
	free(manual);
}
END_TEST

static void
expect(const char *text, const char *line)
{
	struct collector_conf *c;
	bool found = false;

	memset(&errs, 0, sizeof errs);
	ck_assert_int_eq(collector_conf_parse(text, strlen(text), "c.yaml", dir, &c, &errs), -EINVAL);
	ck_assert_ptr_null(c);
	for (size_t i = 0; i < errs.n; i++)
		found |= strstr(errs.line[i], line) != NULL;
	if (!found)
		conf_errors_print(&errs, stderr);
	ck_assert_msg(found, "no line says: %s", line);
	conf_errors_free(&errs);
	memset(&errs, 0, sizeof errs);
}

#define HEAD "id: main\nlinks: l.yaml\nlisten: {ca: a, cert: b, key: pki/web.key}\n"
#define WEB "web: {cert: a, key: pki/web.key, users: u}\n"

START_TEST(wrong_ones_are_told)
{
	expect(HEAD "web: {enabled: true}\n", "needs 'cert', 'key' and 'users'");
	expect(HEAD WEB "jornal: {}\n", "c.yaml:5:1: unknown key 'jornal'");
	expect(HEAD WEB "jornal: {}\n", "did you mean 'journal'");
	expect(HEAD WEB "ingest: {commit: 10s}\n", "'commit' is 10s");
	expect(HEAD WEB "ingest: {window: 0}\n", "window");
	expect(HEAD WEB "ingest: {window: many}\n", "window");
	expect(HEAD WEB "journal: {max_bytes: 1M, segment: 1M}\n", "less than four segments");
	expect(HEAD WEB "log_level: loud\n", "log_level");
	expect(HEAD "web: {cert: a, key: pki/web.key, users: u, session_idle: 5h, session_max: 1h}\n",
	    "longer than 'session_max'");
	expect("links: l.yaml\nlisten: {ca: a, cert: b, key: pki/web.key}\n" WEB, "id");
	expect("id: Main\nlinks: l.yaml\nlisten: {ca: a, cert: b, key: pki/web.key}\n" WEB, "id");
	expect("id: main\nlinks: l.yaml\nlisten: {ca: a, cert: b, key: nowhere.key}\n" WEB, "nowhere.key");
	expect("id: main\nlinks: l.yaml\nlisten: {ca: a, cert: b, key: pki/web.key, port: 70000}\n" WEB, "port");
	expect("", "id");
	expect(HEAD "web: {cert: a, key: pki/web.key, users: u, metrics_from: [10.0.0.0/8, 10.0.0.1/8]}\n",
	     "'10.0.0.1/8' of 'metrics_from'");
	expect("- a\n- b\n", "c.yaml:1:1");
	/* All of them in one run. */
	expect("id: Main\nfoo: 1\nlisten: {port: -1}\n" WEB, "foo");
	expect("id: Main\nfoo: 1\nlisten: {port: -1}\n" WEB, "port");
	expect("id: Main\nfoo: 1\nlisten: {port: -1}\n" WEB, "links");
}
END_TEST

START_TEST(a_key_that_all_may_read_is_warned_of)
{
	const char *text = HEAD WEB;
	struct collector_conf *c;

	touch("pki/web.key", 0644);
	ck_assert_int_eq(collector_conf_parse(text, strlen(text), "c.yaml", dir, &c, &errs), 0);
	ck_assert_uint_ge(errs.n, 1);
	ck_assert_ptr_nonnull(strstr(errs.line[0], "warning"));
	collector_conf_free(c);
}
END_TEST

START_TEST(no_file)
{
	struct collector_conf *c;

	ck_assert_int_eq(collector_conf_load("/nowhere/collector.yaml", &c, &errs), -EINVAL);
	ck_assert_ptr_null(c);
	ck_assert_uint_eq(errs.n, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("collector_conf");
	TCase *t = tcase_create("collector_conf");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_example_is_sound);
	tcase_add_test(t, retention_is_checked);
	tcase_add_test(t, what_the_example_shows_as_default_is_the_default);
	tcase_add_test(t, every_key_is_in_example_and_manual);
	tcase_add_test(t, wrong_ones_are_told);
	tcase_add_test(t, a_key_that_all_may_read_is_warned_of);
	tcase_add_test(t, no_file);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
