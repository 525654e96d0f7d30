/*
 * test_trap.c - notifications: their values, their numbers against the MIB's
 * text, and how a real snmptrapd receives them.
 */
#include "alertd/trap.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/wait.h>

#include "alertd/channel_trap.h"
#include "alertd/incident.h"
#include "alertd/trap_engine.h"
#include "tests/unit/alertd/gateway.h"
#include "tests/unit/own_time.h"

static const char doc[] =
    "{\"number\":17,\"code\":3721,\"state\":\"open\",\"grade\":2,\"severity\":\"major\","
    "\"kind\":\"loss\",\"vendor\":\"cloud-a\",\"agent\":\"a1\",\"link\":\"gw\","
    "\"link_state\":\"degraded\",\"title_zh\":\"A云浦东外网专线丢包\",\"title_en\":\"A-Pudong LOSS\","
    "\"first_fail\":1768437067.5,\"outage_s\":61.2}";

/* --------------------------------------------------------------------- pure */

static const struct trap_value *
value(const struct trap *t, enum trap_column column)
{
	for (size_t i = 0; i < t->values; i++)
		if (t->value[i].column == column)
			return &t->value[i];
	return NULL;
}

START_TEST(values)
{
	static const uint8_t date[11] = { 0x07, 0xea, 1, 15, 8, 31, 7, 0, '+', 8, 0 };
	struct trap t;

	ck_assert_int_eq(trap_build(&t, "open", doc), 0);
	ck_assert_int_eq(t.what, TRAP_OPENED);
	ck_assert_uint_eq(t.incident, 17);
	ck_assert_uint_eq(value(&t, TRAP_STATE)->number, INC_OPEN);
	ck_assert_uint_eq(value(&t, TRAP_GRADE)->number, 2);
	ck_assert_int_eq(value(&t, TRAP_GRADE)->type, TRAP_UNSIGNED);
	ck_assert_uint_eq(value(&t, TRAP_SEVERITY)->number, SEVERITY_MAJOR);
	ck_assert_uint_eq(value(&t, TRAP_KIND)->number, ANOMALY_LOSS);
	ck_assert_uint_eq(value(&t, TRAP_LINK_STATE)->number, LINK_DEGRADED);
	ck_assert_mem_eq(value(&t, TRAP_VENDOR)->octets, "cloud-a", 7);
	ck_assert_mem_eq(value(&t, TRAP_FIRST_FAIL)->octets, date, 11);
	ck_assert_ptr_null(value(&t, TRAP_OUTAGE));
	ck_assert_int_eq(trap_build(&t, "recover", doc), 0);
	ck_assert_int_eq(t.what, TRAP_RECOVERED);
	ck_assert_uint_eq(value(&t, TRAP_OUTAGE)->number, 61);
	ck_assert_int_eq(trap_build(&t, "close", doc), 0);
	ck_assert_int_eq(t.what, TRAP_CLOSED);
	ck_assert_int_eq(trap_build(&t, "raise", doc), 0);
	ck_assert_int_eq(t.what, TRAP_RAISED);
}
END_TEST

START_TEST(bad_documents)
{
	static const char *const bad[] = { "", "{", "[]", "null", "{}", "{\"number\":0}",
		"{\"number\":-1}", "{\"number\":4294967296}", "{\"number\":\"17\"}" };
	struct trap t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(trap_build(&t, "open", bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(trap_build(&t, "open", NULL), -EINVAL);
	ck_assert_int_eq(trap_build(&t, NULL, "{\"number\":1,\"grade\":-7,\"state\":5}"), 0);
	ck_assert_uint_eq(value(&t, TRAP_GRADE)->number, 0);
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
	char text[2000] = "{\"number\":1,\"title_zh\":\"";
	const struct trap_value *v;
	struct trap t;

	for (int i = 0; i < 200; i++)
		strcat(text, "云");
	strcat(text, "\"}");
	ck_assert_int_eq(trap_build(&t, "open", text), 0);
	v = value(&t, TRAP_TITLE_ZH);
	ck_assert_uint_eq(v->len, 255);
	ck_assert_mem_eq(v->octets + 252, "云", 3);
}
END_TEST

/* "name OBJECT-TYPE ... ::= { lwIncidentEntry N }" in the MIB's own text; 0: not there. */
static int
mib_number(const char *mib, const char *name, const char *kind, const char *parent)
{
	char head[100], tail[100];
	const char *p;
	int n = 0;

	snprintf(head, sizeof(head), "\n%s %s", name, kind);
	snprintf(tail, sizeof(tail), "::= { %s ", parent);
	p = strstr(mib, head);
	p = p == NULL ? NULL : strstr(p, "::= {");
	if (p == NULL || strncmp(p, tail, strlen(tail)) != 0)
		return 0;
	sscanf(p + strlen(tail), "%d", &n);
	return n;
}

START_TEST(numbers_are_the_mibs)
{
	static const struct { const char *name; int column; } columns[] = {
		{ "lwIncidentState", TRAP_STATE }, { "lwIncidentGrade", TRAP_GRADE },
		{ "lwIncidentSeverity", TRAP_SEVERITY }, { "lwIncidentKind", TRAP_KIND },
		{ "lwIncidentVendor", TRAP_VENDOR }, { "lwIncidentAgent", TRAP_AGENT },
		{ "lwIncidentLink", TRAP_LINK }, { "lwIncidentLinkState", TRAP_LINK_STATE },
		{ "lwIncidentTitleZh", TRAP_TITLE_ZH }, { "lwIncidentTitleEn", TRAP_TITLE_EN },
		{ "lwIncidentFirstFail", TRAP_FIRST_FAIL }, { "lwIncidentOutage", TRAP_OUTAGE },
	};
	static char mib[65536];
	FILE *f = fopen("mibs/LINKWATCH-MIB.txt", "r");
	struct trap t;

	ck_assert_msg(f != NULL, "run from the top of the tree");
	mib[fread(mib, 1, sizeof(mib) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		ck_assert_int_eq(mib_number(mib, columns[i].name, "OBJECT-TYPE", "lwIncidentEntry"),
		    columns[i].column);
	ck_assert_int_eq(mib_number(mib, "lwIncidentOpened", "NOTIFICATION-TYPE", "lwNotifications"),
	    TRAP_OPENED);
	ck_assert_int_eq(mib_number(mib, "lwIncidentRaised", "NOTIFICATION-TYPE", "lwNotifications"),
	    TRAP_RAISED);
	ck_assert_int_eq(mib_number(mib, "lwIncidentRecovered", "NOTIFICATION-TYPE",
	    "lwNotifications"), TRAP_RECOVERED);
	ck_assert_int_eq(mib_number(mib, "lwIncidentClosed", "NOTIFICATION-TYPE", "lwNotifications"),
	    TRAP_CLOSED);
	ck_assert_ptr_nonnull(strstr(mib, "::= { netSnmpPlaypen 7466 }"));
	ck_assert_int_eq(trap_build(&t, "recover", doc), 0);
	ck_assert_uint_eq(t.values, sizeof(columns) / sizeof(columns[0]));
}
END_TEST

/* ------------------------------------------------------------- the engine */

static struct bench b;

START_TEST(engine_is_kept_and_counts_boots)
{
	struct trap_engine e, again;
	char why[200], file[100];
	FILE *f;

	ck_assert_int_eq(trap_engine_load(&e, b.dir, why, sizeof(why)), 0);
	ck_assert_uint_eq(e.boots, 2);		/* the worker was the first */
	ck_assert_int_eq(trap_engine_load(&again, b.dir, why, sizeof(why)), 0);
	ck_assert_uint_eq(again.boots, 3);
	ck_assert_mem_eq(e.id, again.id, TRAP_ENGINE_LEN);
	snprintf(file, sizeof(file), "%s/snmp-engine", b.dir);
	f = fopen(file, "w");
	fputs("rubbish", f);
	fclose(f);
	ck_assert_int_eq(trap_engine_load(&again, b.dir, why, sizeof(why)), 0);
	ck_assert_uint_eq(again.boots, 1);
	ck_assert_mem_ne(e.id, again.id, TRAP_ENGINE_LEN);
	ck_assert_int_ne(trap_engine_load(&e, "/proc/nowhere", why, sizeof(why)), 0);
	ck_assert_ptr_nonnull(strstr(why, "snmp-engine"));
}
END_TEST

/* ------------------------------------------------------- a real snmptrapd */

static pid_t receiver;
static char address[40], log_path[100], auth[100], priv[100], community[100];
static struct trap_manager manager;

static void
write_file(const char *name, const char *text, char *where, size_t n)
{
	FILE *f;

	snprintf(where, n, "%s/%s", b.dir, name);
	f = fopen(where, "w");
	fputs(text, f);
	fclose(f);
}

static int
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	close(fd);
	return ntohs(sin.sin_port);
}

static bool
logged(const char *word)
{
	static char text[100000];
	FILE *f = fopen(log_path, "r");
	size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);

	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	return strstr(text, word) != NULL;
}

static void
wait_for(const char *word)
{
	for (int i = 0; i < 500; i++) {
		if (logged(word))
			return;
		usleep(20000);
	}
	ck_abort_msg("snmptrapd never wrote '%s'", word);
}

static void
start_receiver(void)
{
	struct trap_engine e;
	char text[1000], conf[100], hex[2 * TRAP_ENGINE_LEN + 1], persistent[120], why[200];

	/* for v3 traps the receiver must know our engine, which the worker made, beforehand */
	ck_assert_int_eq(trap_engine_load(&e, b.dir, why, sizeof(why)), 0);
	for (int i = 0; i < TRAP_ENGINE_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", e.id[i]);
	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	snprintf(text, sizeof(text), "createUser -e 0x%s lw SHA-256 \"auth pass 12\" AES \"priv pass 12\"\n"
	    "createUser lw SHA-256 \"auth pass 12\" AES \"priv pass 12\"\n"
	    "authUser log lw authPriv\nauthCommunity log secret\n"
	    "format2 GOT %%v\\n\noutputOption fnq\n", hex);
	write_file("snmptrapd.conf", text, conf, sizeof(conf));
	snprintf(log_path, sizeof(log_path), "%s/trapd.log", b.dir);
	snprintf(persistent, sizeof(persistent), "%s/persistent", b.dir);
	receiver = fork();
	if (receiver == 0) {
		char lf[120], udp[60];
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		setenv("MIBS", "", 1);
		setenv("SNMP_PERSISTENT_DIR", persistent, 1);
		snprintf(lf, sizeof(lf), "%s", log_path);
		snprintf(udp, sizeof(udp), "udp:%s", address);
		execlp("snmptrapd", "snmptrapd", "-f", "-Lf", lf, "-C", "-c", conf, "-On", udp,
		    (char *)NULL);
		_exit(127);
	}
	wait_for("NET-SNMP version");
}

static void
setup(void)
{
	char why[200];

	bench_init(&b);
	receiver = 0;
	ck_assert_msg(trap_worker_new(&b.env.traps, b.base, b.dir, why, sizeof(why)) == 0, "%s", why);
}

static void
teardown(void)
{
	if (receiver > 0) {
		kill(receiver, SIGKILL);
		waitpid(receiver, NULL, 0);
	}
	channel_free(b.ch);
	b.ch = NULL;
	trap_worker_free(b.env.traps);
	bench_fini(&b);
}

static void
open_channel(enum trap_version version)
{
	write_file("auth", "auth pass 12\n", auth, sizeof(auth));
	write_file("priv", "priv pass 12\n", priv, sizeof(priv));
	write_file("community", "secret\n", community, sizeof(community));
	manager = (struct trap_manager){ .address = address, .version = version };
	if (version == TRAP_V2C)
		manager.community_file = community;
	else
		manager.user = "lw", manager.auth_file = auth, manager.priv_file = priv;
	b.conf.kind = CHANNEL_TRAP;
	b.conf.managers = (struct conf_list){ &manager, 1 };
	bench_open(&b);
}

static struct channel_message
trap_message(const char *event)
{
	struct channel_message m = bench_message();

	m.event = event;
	m.address = "";
	m.doc = doc;
	return m;
}

START_TEST(a_manager_gets_it)
{
	static const enum trap_version versions[] = { TRAP_V2C, TRAP_V3_INFORM, TRAP_V3_TRAP };
	struct channel_message m = trap_message("recover");

	start_receiver();
	open_channel(versions[_i]);
	ck_assert_msg(bench_send(&b, &m) == OUTCOME_SENT, "%s", b.detail);
	wait_for("GOT");
	ck_assert(logged(".1.3.6.1.6.3.1.1.4.1.0 .1.3.6.1.4.1.8072.9999.9999.7466.0.3"));
	ck_assert(logged(".1.3.6.1.4.1.8072.9999.9999.7466.1.3.1.3.17 2"));
	ck_assert(logged(".1.3.6.1.4.1.8072.9999.9999.7466.1.3.1.7.17 \"a1\""));
	ck_assert(logged(".1.3.6.1.4.1.8072.9999.9999.7466.1.3.1.16.17 61"));
}
END_TEST

START_TEST(wrong_key)
{
	struct channel_message m = trap_message("open");

	start_receiver();
	open_channel(TRAP_V3_INFORM);
	channel_free(b.ch);
	write_file("auth", "another pass phrase\n", auth, sizeof(auth));
	bench_open(&b);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert(!logged("GOT"));
	/* mended: the library must not remember the old key */
	channel_free(b.ch);
	write_file("auth", "auth pass 12\n", auth, sizeof(auth));
	bench_open(&b);
	ck_assert_msg(bench_send(&b, &m) == OUTCOME_SENT, "%s", b.detail);
	wait_for("GOT");
}
END_TEST

/* A dead manager holds up its own thread, not the loop, and not for long. */
START_TEST(dead_manager)
{
	struct channel_message m = trap_message("open");
	int64_t begin = own_time_ns();
	struct timeval tick = { 0, 10000 };

	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	open_channel(TRAP_V3_INFORM);
	channel_send(b.ch, &m);
	event_base_loopexit(b.base, &tick);
	event_base_dispatch(b.base);
	ck_assert_int_lt(own_time_ns() - begin, 500 * NS_PER_MS);
	if (b.done == 0) {
		struct timeval patience = { 60, 0 };
		event_base_loopexit(b.base, &patience);
		event_base_dispatch(b.base);
	}
	ck_assert_int_eq(b.done, 1);
	ck_assert_int_eq(b.outcome, OUTCOME_RETRY);
	ck_assert_int_lt(own_time_ns() - begin, 20 * NS_PER_S);
}
END_TEST

/* The retry for a dead one does not repeat the other. */
START_TEST(two_managers)
{
	struct channel_message m = trap_message("open");
	struct trap_manager both[2];
	char other[40];

	start_receiver();
	open_channel(TRAP_V2C);
	channel_free(b.ch);
	both[0] = manager;
	both[1] = manager;
	snprintf(other, sizeof(other), "127.0.0.1:%d", free_port());
	both[1].address = other;
	both[1].version = TRAP_V3_INFORM;
	both[1].community_file = NULL;
	both[1].user = "lw";
	both[1].auth_file = auth;
	both[1].priv_file = priv;
	b.conf.managers = (struct conf_list){ both, 2 };
	bench_open(&b);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	wait_for("GOT");
	ck_assert_int_eq(truncate(log_path, 0), 0);
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_RETRY);
	ck_assert(!logged("GOT"));
}
END_TEST

START_TEST(message_without_incident)
{
	struct channel_message m = trap_message("open");

	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	open_channel(TRAP_V2C);
	m.doc = NULL;
	ck_assert_int_eq(bench_send(&b, &m), OUTCOME_REFUSED);
}
END_TEST

START_TEST(freed_under_way)
{
	struct channel_message m = trap_message("open");

	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	open_channel(TRAP_V3_INFORM);
	channel_send(b.ch, &m);
	channel_free(b.ch);
	b.ch = NULL;
}
END_TEST

START_TEST(short_pass_phrase)
{
	char why[256] = "";

	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	open_channel(TRAP_V3_INFORM);
	channel_free(b.ch);
	b.ch = NULL;
	write_file("priv", "short\n", priv, sizeof(priv));
	ck_assert_ptr_null(channel_new(&b.conf, &b.env, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "fewer than 8"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trap");
	TCase *pure = tcase_create("pure"), *tc = tcase_create("trap");
	SRunner *sr;
	int failed;

	tcase_add_test(pure, values);
	tcase_add_test(pure, bad_documents);
	tcase_add_test(pure, long_texts_are_cut_between_characters);
	tcase_add_test(pure, numbers_are_the_mibs);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, engine_is_kept_and_counts_boots);
	tcase_add_loop_test(tc, a_manager_gets_it, 0, 3);
	tcase_add_test(tc, wrong_key);
	tcase_add_test(tc, dead_manager);
	tcase_add_test(tc, two_managers);
	tcase_add_test(tc, message_without_incident);
	tcase_add_test(tc, freed_under_way);
	tcase_add_test(tc, short_pass_phrase);
	suite_add_tcase(s, pure);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
