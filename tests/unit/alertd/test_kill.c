/*
 * test_kill.c - the real linkwatch-alertd, killed at random instants while a
 * feed tells of faults: everything that must be told is told.
 *
 * This process is the collector: it keeps the records, serves the feed over
 * TLS and checks that alertd never asks for less than it acknowledged.  Each
 * agent has one link that fails; each must show up in the outbox directory.
 * The program is BUILD/linkwatch-alertd beside this test.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <libgen.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/rng.h"
#include "common/tls.h"
#include "tests/unit/common/testcert.h"

#define AGENTS 12
#define STEP_MS 200
#define RECORDS_MAX 20000
#define SETTLE_S 240		/* a busy machine; else a few */

#define GATEWAY_MS 250		/* that it takes to answer: many kills fall into it */
#define TAKEN_MAX 2000

struct taken { char key[80], text[400]; };	/* what the gateway accepted, in order */

struct record { uint16_t type; int64_t wall_ns; uint8_t *data; size_t len; };

static struct lab {
	char dir[64], program[512];
	struct event_base *base;
	struct tls_server *server;
	struct conn *conn;
	bool streaming;
	struct record record[RECORDS_MAX];
	uint64_t n, sent, acked;	/* numbers are index + 1 */
	uint64_t batch_seq[AGENTS];
	int64_t step;			/* steps since the start */
	int64_t start_ns;
	int64_t fails_from, fails_to;	/* in steps; link i is down in [from + 2i, to + 2i) */
	pid_t pid;
	int kills;
	struct rng_seed seed;
	struct rng *rng;
	struct event *tick, *kill;
	struct evhttp *http;		/* NULL: SMS go to files */
	uint16_t http_port;
	struct taken taken[TAKEN_MAX];
	size_t n_taken;
} lab;

/* ------------------------------------------------------------------ records */

static void
append(uint16_t type, const ProtobufCMessage *m)
{
	struct record *r = &lab.record[lab.n];

	ck_assert_uint_lt(lab.n, RECORDS_MAX);
	r->type = type;
	r->wall_ns = clock_wall(clock_real()).ns;
	r->len = protobuf_c_message_get_packed_size(m);
	r->data = malloc(r->len + 1);
	protobuf_c_message_pack(m, r->data);
	lab.n++;
}

static void
append_plan(void)
{
	static char id[AGENTS][16], vid[AGENTS][16], name[AGENTS][32],
	    target[AGENTS][32];
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Link link[AGENTS], *links[AGENTS];
	Linkwatch__Pb__Vendor vendor[AGENTS], *vendors[AGENTS];
	Linkwatch__Pb__AgentInfo agent[AGENTS], *agents[AGENTS];

	for (int i = 0; i < AGENTS; i++) {
		snprintf(id[i], sizeof(id[i]), "a%d", i);
		snprintf(vid[i], sizeof(vid[i]), "v%d", i);
		snprintf(name[i], sizeof(name[i]), "链路%c", 'A' + i);
		linkwatch__pb__link__init(links[i] = &link[i]);
		linkwatch__pb__vendor__init(vendors[i] = &vendor[i]);
		linkwatch__pb__agent_info__init(agents[i] = &agent[i]);
		link[i].id = (char *)"gw";
		link[i].agent = agent[i].id = id[i];
		link[i].vendor = agent[i].vendor = vendor[i].id = vid[i];
		link[i].probe = PROBE_ICMP;
		snprintf(target[i], sizeof(target[i]), "192.0.2.%d", 10 + i);
		link[i].target = target[i];	/* not one cause: not one incident */
		link[i].step_ms = STEP_MS;
		link[i].count = 2;
		link[i].timeout_ms = 100;
		link[i].class_ = CLASS_A;
		link[i].name_zh = link[i].short_zh = link[i].name_en = link[i].short_en = name[i];
		vendor[i].code = vendor[i].code_en = vendor[i].name_zh = vid[i];
		agent[i].name_zh = agent[i].name_en = id[i];
	}
	plan.revision = 1;
	plan.n_link = plan.n_vendor = plan.n_agent = AGENTS;
	plan.link = links;
	plan.vendor = vendors;
	plan.agent = agents;
	append(JREC_PLAN, &plan.base);
}

static void
append_session(int i)
{
	char id[16];
	Linkwatch__Pb__Session s = LINKWATCH__PB__SESSION__INIT;

	snprintf(id, sizeof(id), "a%d", i);
	s.agent = id;
	s.up = true;
	s.at_ns = clock_wall(clock_real()).ns;
	append(JREC_SESSION, &s.base);
}

static void
append_alive(void)
{
	Linkwatch__Pb__CollectorEvent e = LINKWATCH__PB__COLLECTOR_EVENT__INIT;

	e.what = (char *)"alive";
	e.at_ns = clock_wall(clock_real()).ns;
	append(JREC_COLLECTOR, &e.base);
}

static bool
is_down(int i)
{
	return lab.step >= lab.fails_from + 2 * i && lab.step < lab.fails_to + 2 * i;
}

static void
append_batch(int i)
{
	static const uint8_t boot[BOOT_ID_LEN] = "0123456789abcde";
	static const uint32_t rtt[2] = { 5000, 5100 };
	struct sample s = { .link = "gw", .start_ns = lab.start_ns + lab.step * STEP_MS * NS_PER_MS,
		.step_ms = STEP_MS, .sent = 2, .rtt_count = 2, .rtt_100ns = rtt };
	Linkwatch__Pb__StoredBatch stored = LINKWATCH__PB__STORED_BATCH__INIT;
	struct batch_builder *bb = batch_builder_new();
	char id[16];

	if (is_down(i)) {
		s.rtt_count = 0;
		s.causes = 1;
		s.cause[0] = (struct cause_count){ CAUSE_TIMEOUT, 2 };
	}
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	ck_assert_int_eq(batch_builder_finish(bb, boot, ++lab.batch_seq[i], &stored.batch.data,
	    &stored.batch.len), 0);
	snprintf(id, sizeof(id), "a%d", i);
	stored.agent = id;
	stored.received_ns = clock_wall(clock_real()).ns;
	append(JREC_BATCH, &stored.base);
	free(stored.batch.data);
	batch_builder_free(bb);
}

/* ------------------------------------------------------------- the collector */

static void
stream(void)
{
	while (lab.streaming && lab.sent < lab.n && conn_queued(lab.conn) < 1000000) {
		const struct record *r = &lab.record[lab.sent];
		Linkwatch__Pb__FeedRecord m = LINKWATCH__PB__FEED_RECORD__INIT;
		m.seq = ++lab.sent;
		m.type = r->type;
		m.wall_ns = r->wall_ns;
		m.payload.data = r->data;
		m.payload.len = r->len;
		conn_send_message(lab.conn, FRAME_FEED_RECORD, &m.base);
	}
}

static void
on_opened(void *arg, struct conn *conn, const struct identity *peer)
{
	(void)arg;
	ck_assert_int_eq(peer->role, ROLE_ALERTD);
	lab.conn = conn;
	lab.streaming = false;
}

static void
on_frame(void *arg, struct conn *conn, uint8_t type, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__Welcome welcome = LINKWATCH__PB__WELCOME__INIT;

	(void)arg;
	if (type == FRAME_HELLO) {
		welcome.version = FRAME_VERSION;
		conn_send_message(conn, FRAME_WELCOME, &welcome.base);
	} else if (type == FRAME_FEED_START) {
		Linkwatch__Pb__FeedStart *m = linkwatch__pb__feed_start__unpack(NULL, len, payload);
		ck_assert_msg(m->from_seq == lab.acked + 1 || m->from_seq > lab.acked,
		    "asked from %d, but acknowledged %d", (int)m->from_seq, (int)lab.acked);
		ck_assert_uint_le(m->from_seq, lab.n + 1);
		lab.sent = m->from_seq - 1;
		lab.streaming = true;
		linkwatch__pb__feed_start__free_unpacked(m, NULL);
		stream();
	} else if (type == FRAME_FEED_ACK) {
		Linkwatch__Pb__FeedAck *m = linkwatch__pb__feed_ack__unpack(NULL, len, payload);
		ck_assert_uint_le(m->seq, lab.sent);
		if (m->seq > lab.acked)
			lab.acked = m->seq;
		linkwatch__pb__feed_ack__free_unpacked(m, NULL);
	}
}

static void
on_closed(void *arg, struct conn *conn, const char *why)
{
	(void)arg;
	(void)why;
	if (conn == lab.conn) {
		lab.conn = NULL;
		lab.streaming = false;
	}
}

static const struct conn_handler handler = {
	.opened = on_opened, .frame = on_frame, .closed = on_closed
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	for (int i = 0; i < AGENTS; i++)
		append_batch(i);
	if (lab.step % 5 == 0)
		append_alive();
	lab.step++;
	stream();
}

/* --------------------------------------------------------------- the gateway */

static void
answer_now(evutil_socket_t fd, short what, void *arg)
{
	struct evhttp_request *req = arg;

	(void)fd;
	(void)what;
	evhttp_send_reply(req, 200, "OK", NULL);	/* nobody may be there to hear it */
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	static const struct timeval pause = { 0, GATEWAY_MS * 1000 };
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	struct taken *t = &lab.taken[lab.n_taken++];
	struct evkeyvalq q;

	(void)arg;
	ck_assert_uint_lt(lab.n_taken, TAKEN_MAX);
	evhttp_parse_query_str(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req)), &q);
	snprintf(t->key, sizeof(t->key), "%s", evhttp_find_header(&q, "key"));
	evhttp_clear_headers(&q);
	t->text[evbuffer_copyout(in, t->text, sizeof(t->text) - 1)] = '\0';
	evhttp_request_own(req);
	event_base_once(lab.base, -1, EV_TIMEOUT, answer_now, req, &pause);
}

static void
start_gateway(void)
{
	struct evhttp_bound_socket *s;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	lab.http = evhttp_new(lab.base);
	evhttp_set_gencb(lab.http, on_request, NULL);
	s = evhttp_bind_socket_with_handle(lab.http, "127.0.0.1", 0);
	ck_assert_ptr_nonnull(s);
	getsockname(evhttp_bound_socket_get_fd(s), (struct sockaddr *)&sin, &len);
	lab.http_port = ntohs(sin.sin_port);
}

/* --------------------------------------------------------------- the program */

static void
start_program(void)
{
	char conf[128], log[128];

	snprintf(conf, sizeof(conf), "%s/alertd.yaml", lab.dir);
	snprintf(log, sizeof(log), "%s/alertd.log", lab.dir);
	lab.pid = fork();
	if (lab.pid == 0) {
		if (freopen(log, "a", stderr) == NULL)
			_exit(9);
		execl(lab.program, lab.program, "-c", conf, (char *)NULL);
		_exit(9);
	}
}

static void
stop_program(int sig, int expect)
{
	int status;

	kill(lab.pid, sig);
	ck_assert_int_eq(waitpid(lab.pid, &status, 0), lab.pid);
	if (expect >= 0)
		ck_assert_int_eq(status, expect);
	lab.pid = 0;
}

static void
on_kill(evutil_socket_t fd, short what, void *arg)
{
	int status;
	struct timeval again = { 0, 20000 + (suseconds_t)rng_below(lab.rng, 700000) };

	(void)fd;
	(void)what;
	(void)arg;
	ck_assert_msg(waitpid(lab.pid, &status, WNOHANG) == 0, "it ended by itself: %x", status);
	stop_program(SIGKILL, -1);
	lab.kills++;
	start_program();
	evtimer_add(lab.kill, &again);
}

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", lab.dir, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void
write_conf(uint16_t port)
{
	char text[2000], sms[300];

	if (lab.http != NULL)
		snprintf(sms, sizeof(sms), "{name: sms, kind: http, parallel: 2, body: \"{text}\","
		    " headers: [\"Content-Type: text/plain\"],"
		    " url: \"http://127.0.0.1:%u/?to={phone}&key={key}\"}", lab.http_port);
	else
		snprintf(sms, sizeof(sms), "{name: sms, kind: file, directory: outbox, form: sms}");
	snprintf(text, sizeof(text),
	    "collector: {address: \"127.0.0.1:%u\"}\n"
	    "tls: {ca: ca.pem, cert: alertd.pem, key: alertd.key}\n"
	    "state_dir: state\npolicy: policy.yaml\nlog_level: info\n"
	    "control: {socket: control.sock}\n"
	    "outbox: {retry_first: 500ms}\n"
	    "channels:\n  - %s\n"
	    "  - {name: mail, kind: file, directory: outbox, form: mail}\n", port, sms);
	write_file("alertd.yaml", text);
	write_file("policy.yaml",
	    "contacts:\n"
	    "  - {id: duty, name: 值班, role: duty, phone: \"13800138000\", mail: duty@example.com}\n"
	    "limits:\n"
	    "  grade_1: {group: 1s, tell: 1s, hold: 1s, watch: 1s}\n  grade_2: {group: 1s, tell: 1s, hold: 1s, watch: 1s}\n"
	    "  grade_3: {group: 1s, tell: 1s, hold: 1s, watch: 1s}\n  grade_4: {group: 1s, tell: 1s, hold: 1s, watch: 1s}\n"
	    "quiet: {from: \"00:00\", to: \"00:00\"}\ndigest: {grade: 5}\n"
	    "budget: {per_minute: 50, per_hour: 50, per_day: 50, reserve: 0%}\n"
	    "silent: {after: 60s}\n");
}

static void
find_program(void)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	for (int i = 0; i < 4; i++)
		*strrchr(self, '/') = '\0';
	snprintf(lab.program, sizeof(lab.program), "%.490s/linkwatch-alertd", self);
	ck_assert_msg(access(lab.program, X_OK) == 0, "%s: build it first", lab.program);
}

static void
make_certificates(void)
{
	struct testcert ca = testcert_make(&(struct testcert_spec){ .cn = "test CA", .ca = true });
	struct testcert c = testcert_make(&(struct testcert_spec){ .cn = "c", .issuer = &ca,
	    .serial = 2, .eku = "serverAuth", .uri = { "linkwatch://collector/main" } });
	struct testcert a = testcert_make(&(struct testcert_spec){ .cn = "a", .issuer = &ca,
	    .serial = 3, .eku = "clientAuth", .uri = { "linkwatch://alertd/main" } });

	testcert_save(&ca, lab.dir, "ca");
	testcert_save(&c, lab.dir, "collector");
	testcert_save(&a, lab.dir, "alertd");
	testcert_free(&a);
	testcert_free(&c);
	testcert_free(&ca);
}

static void
listen_tls(void)
{
	char ca[100], cert[100], key[100], err[200];
	struct tls_files files = { ca, cert, key, NULL };
	struct tls_server_opts opts = { .address = "127.0.0.1", .max_conns = 8 };
	struct ssl_ctx_st *ctx;

	snprintf(ca, sizeof(ca), "%s/ca.pem", lab.dir);
	snprintf(cert, sizeof(cert), "%s/collector.pem", lab.dir);
	snprintf(key, sizeof(key), "%s/collector.key", lab.dir);
	ctx = tls_context_new(&files, true, err, sizeof(err));
	ck_assert_msg(ctx != NULL, "%s", err);
	ck_assert_msg(tls_listen(&lab.server, lab.base, ctx, &opts, &handler, NULL, err,
	    sizeof(err)) == 0, "%s", err);
	SSL_CTX_free(ctx);
}

static void
set_up(bool gateway)
{
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	snprintf(lab.dir, sizeof(lab.dir), "/tmp/lw-kill-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(lab.dir));
	find_program();
	make_certificates();
	lab.rng = rng_seeded(&lab.seed, 20260115);
	lab.base = event_base_new();
	if (gateway)
		start_gateway();
	listen_tls();
	write_conf(tls_server_port(lab.server));
	append_plan();
	for (int i = 0; i < AGENTS; i++)
		append_session(i);
	lab.start_ns = clock_wall(clock_real()).ns;
}

static void
setup(void)
{
	set_up(false);
}

static void
setup_gateway(void)
{
	set_up(true);
}

static void
teardown(void)
{
	char cmd[128];

	if (lab.http != NULL)
		evhttp_free(lab.http);
	if (lab.pid > 0)
		stop_program(SIGKILL, -1);
	tls_server_free(lab.server);
	event_base_free(lab.base);
	for (uint64_t i = 0; i < lab.n; i++)
		free(lab.record[i].data);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", lab.dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* ---------------------------------------------------------------- the verdict */

/* How many of the delivered messages of this form hold both words. */
static int
told(const char *form, const char *word, const char *other)
{
	char path[160], text[8192];
	int n = 0;
	DIR *dir;

	if (lab.http != NULL && form[0] == 's') {
		for (size_t i = 0; i < lab.n_taken; i++)
			n += strstr(lab.taken[i].text, word) != NULL &&
			     strstr(lab.taken[i].text, other) != NULL;
		return n;
	}

	snprintf(path, sizeof(path), "%s/outbox/%s", lab.dir, form);
	dir = opendir(path);
	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		char name[512];
		FILE *f;
		size_t len;
		if (d->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, d->d_name);
		f = fopen(name, "r");
		len = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);
		text[len] = '\0';
		if (f != NULL)
			fclose(f);
		n += strstr(text, word) != NULL && strstr(text, other) != NULL;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

static bool
all_told(void)
{
	for (int i = 0; i < AGENTS; i++) {
		char name[32];
		snprintf(name, sizeof(name), "链路%c", 'A' + i);
		/* what began and ended while it was held up is told in one */
		if (told("sms", name, "中断,") == 0 ||
		    told("sms", name, "恢复:") + told("sms", name, "补报:") == 0)
			return false;
	}
	return true;
}

static int
count(const char *sql)
{
	char path[128];
	sqlite3 *s;
	sqlite3_stmt *st;
	int n = -1;

	snprintf(path, sizeof(path), "%s/state/alertd.db", lab.dir);
	ck_assert_int_eq(sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ck_assert_msg(sqlite3_prepare_v2(s, sql, -1, &st, NULL) == SQLITE_OK, "%s",
	    sqlite3_errmsg(s));
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(s);
	return n;
}

static void
run_for(double seconds)
{
	struct timeval tv = { (time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6) };

	event_base_loopexit(lab.base, &tv);
	event_base_dispatch(lab.base);
}

static void
start_lab(void)
{
	static const struct timeval step = { 0, STEP_MS * 1000 };

	lab.tick = event_new(lab.base, -1, EV_PERSIST, on_tick, NULL);
	event_add(lab.tick, &step);
	lab.kill = evtimer_new(lab.base, on_kill, NULL);
	start_program();
}

static void
end_lab(void)
{
	event_free(lab.tick);
	event_free(lab.kill);
	run_for(0.1);
}

static void
wait_until_told(void)
{
	for (int i = 0; i < SETTLE_S * 2 && !all_told(); i++)
		run_for(0.5);
	if (!all_told()) {
		char cmd[300];
		snprintf(cmd, sizeof(cmd), "cat %s/outbox/sms.txt; tail -n 40 %s/alertd.log", lab.dir,
		    lab.dir);
		ck_assert_int_eq(system(cmd), 0);
		ck_abort_msg("not everything was told");
	}
}

START_TEST(everything_is_told)
{
	static const struct timeval first = { 0, 300000 };

	lab.fails_from = 15;
	lab.fails_to = 45;
	start_lab();
	evtimer_add(lab.kill, &first);
	for (run_for(14); lab.kills <= 15;)
		run_for(1);
	event_del(lab.kill);
	wait_until_told();
	stop_program(SIGTERM, 0);
	/* what was decided has ended well, and only what was cut off may be told twice */
	ck_assert_int_eq(count("SELECT count(*) FROM outbox WHERE state IN (2, 3, 5, 6)"), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM outbox WHERE state = 4 AND id NOT IN"
	    " (SELECT message FROM attempt WHERE outcome = 1)"), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM attempt a WHERE outcome = 1 AND EXISTS (SELECT 1"
	    " FROM attempt b WHERE b.message = a.message AND b.id < a.id AND b.outcome = 1)"), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM attempt WHERE outcome IS NULL"), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM incident"), AGENTS);
	/* told: nothing that was not decided */
	ck_assert_int_eq(told("sms", "Key: ", "\n") + told("mail", "Message-ID", "\n"),
	    count("SELECT count(*) FROM outbox WHERE state = 4"));
	end_lab();
}
END_TEST

/*
 * A gateway that takes its time, so that most kills fall between an intent and
 * its outcome.  A message that it took twice has a recorded doubt for each
 * copy, and the copies say so.
 */
START_TEST(slow_gateway)
{
	static const struct timeval first = { 0, 300000 };

	lab.fails_from = 15;
	lab.fails_to = 45;
	start_lab();
	evtimer_add(lab.kill, &first);
	run_for(14);
	event_del(lab.kill);
	wait_until_told();
	run_for(2);
	stop_program(SIGTERM, 0);
	ck_assert_int_eq(count("SELECT count(*) FROM outbox WHERE state <> 4"), 0);
	ck_assert_int_gt(count("SELECT count(*) FROM attempt WHERE outcome = 4"), 3);
	ck_assert_int_eq(count("SELECT count(*) FROM attempt WHERE outcome IS NULL"), 0);
	for (size_t i = 0; i < lab.n_taken; i++) {
		const struct taken *t = &lab.taken[i];
		char sql[300];
		int before = 0;
		for (size_t k = 0; k < i; k++)
			before += strcmp(lab.taken[k].key, t->key) == 0;
		if (before > 0)
			ck_assert_msg(strstr(t->text, "(可能重复)") != NULL, "%s: %s", t->key, t->text);
		snprintf(sql, sizeof(sql), "SELECT count(*) >= %d FROM attempt WHERE outcome = 4 AND"
		    " message = (SELECT id FROM outbox WHERE key = '%s')", before, t->key);
		ck_assert_msg(count(sql) == 1, "%s was taken %d times without a doubt", t->key,
		    before + 1);
	}
	end_lab();
}
END_TEST

/* The database is locked by another process for some seconds: nothing is sent, acknowledged or lost. */
START_TEST(locked_database)
{
	char path[128];
	sqlite3 *s;
	uint64_t acked;
	int sent;

	lab.fails_from = 25;
	lab.fails_to = 60;
	start_lab();
	for (run_for(3); lab.acked == 0;)
		run_for(0.5);
	snprintf(path, sizeof(path), "%s/state/alertd.db", lab.dir);
	ck_assert_int_eq(sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(s, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	run_for(0.5);
	acked = lab.acked;
	sent = told("sms", "Key: ", "\n");
	ck_assert_uint_gt(acked, 0);
	run_for(6);
	ck_assert_uint_eq(lab.acked, acked);
	ck_assert_int_eq(told("sms", "Key: ", "\n"), sent);
	ck_assert_int_eq(sqlite3_exec(s, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(s);
	wait_until_told();
	ck_assert_uint_gt(lab.acked, acked);
	stop_program(SIGTERM, 0);
	ck_assert_int_eq(count("SELECT count(*) FROM outbox WHERE repeat"), 0);
	end_lab();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kill");
	TCase *tc = tcase_create("kill"), *slow = tcase_create("slow gateway");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 400);
	tcase_add_test(tc, everything_is_told);
	tcase_add_test(tc, locked_database);
	tcase_add_checked_fixture(slow, setup_gateway, teardown);
	tcase_set_timeout(slow, 400);
	tcase_add_test(slow, slow_gateway);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, slow);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
