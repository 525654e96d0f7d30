/*
 * test_ingest.c - ingest as a process, over real TLS: what was acknowledged is
 * in the journal once, whoever is killed and however full the disk is.
 */
#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "collector/ingest.h"
#include "common/batch.h"
#include "common/collector_conf.h"
#include "common/rng.h"
#include "common/tls.h"
#include "tests/unit/collector/peer.h"
#include "tests/unit/common/testcert.h"

#define WAIT_S 30

static char *dir;
static struct collector_conf *conf;
static pid_t ingest;
static uint16_t port;
static struct event_base *base;
static struct testcert ca;
static int64_t begin_ns;		/* of the samples */

/* ------------------------------------------------------------ certificates */

static void
write_pem(const char *name, const struct testcert *t)
{
	char *cert = xasprintf("%s/%s.pem", dir, name), *key = xasprintf("%s/%s.key", dir, name);
	FILE *f = fopen(cert, "w");

	PEM_write_X509(f, t->cert);
	fclose(f);
	f = fopen(key, "w");
	PEM_write_PrivateKey(f, t->key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	chmod(key, 0600);
	free(cert);
	free(key);
}

static void
make_cert(const char *name, const char *uri, const char *eku, const struct testcert *issuer)
{
	struct testcert_spec s = { .cn = name, .uri = { uri }, .eku = eku, .issuer = issuer };
	struct testcert t = testcert_make(&s);

	write_pem(name, &t);
	X509_free(t.cert);
	EVP_PKEY_free(t.key);
}

static struct ssl_ctx_st *
context(const char *name)
{
	char *ca_path = xasprintf("%s/ca.pem", dir), *cert = xasprintf("%s/%s.pem", dir, name);
	char *key = xasprintf("%s/%s.key", dir, name), why[256];
	struct tls_files files = { .ca = ca_path, .cert = cert, .key = key };
	struct ssl_ctx_st *ctx = tls_context_new(&files, false, why, sizeof why);

	ck_assert_msg(ctx != NULL, "%s", why);
	free(ca_path);
	free(cert);
	free(key);
	return ctx;
}

/* ---------------------------------------------------------------- the process */

static void
start_ingest(void)
{
	ingest = fork();
	ck_assert_int_ge(ingest, 0);
	if (ingest == 0) {
		int fd = open("/dev/null", O_WRONLY);

		if (getenv("VERBOSE") == NULL)
			dup2(fd, 2);
		exit(ingest_main(conf, "c.yaml"));
	}
}

static int
end_ingest(int sig)
{
	int status;

	kill(ingest, sig);
	ck_assert_int_eq(waitpid(ingest, &status, 0), ingest);
	ingest = 0;
	return status;
}

static void
write_links(const char *text)
{
	FILE *f = fopen(conf->links, "w");

	fputs(text, f);
	fclose(f);
}

/* A port that was free a moment ago. */
static uint16_t
free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	getsockname(fd, (struct sockaddr *)&sa, &n);
	close(fd);
	return ntohs(sa.sin_port);
}

/* ------------------------------------------------------------- an agent of ours */

struct peer {
	struct conn *conn;		/* NULL: closed */
	struct ssl_ctx_st *ctx;
	bool is_agent;
	int opened, closed, welcomes, plans, paused, resumed, refusals, records;
	uint64_t acked, sent, last_record;
	uint32_t code, window;
	char why[200];
};

static void
peer_say(struct peer *p, uint8_t type, const ProtobufCMessage *m)
{
	if (p->conn != NULL)
		conn_send_message(p->conn, type, m);
}

static void
on_opened(void *arg, struct conn *conn, const struct identity *who)
{
	Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;
	struct peer *p = arg;
	uint8_t b[BOOT_ID_LEN];

	(void)conn;
	ck_assert_int_eq(who->role, ROLE_COLLECTOR);
	p->opened++;
	boot_id(b, 1);
	m.version_min = m.version_max = 1;
	m.software = (char *)"test";
	if (p->is_agent) {
		m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = b };
		m.first_seq = 1;
		m.next_seq = 1;
	}
	peer_say(p, FRAME_HELLO, &m.base);
}

static void
take_welcome(struct peer *p, const uint8_t *data, size_t n)
{
	Linkwatch__Pb__Welcome *w = linkwatch__pb__welcome__unpack(NULL, n, data);

	ck_assert_ptr_nonnull(w);
	/* What was acknowledged once stays so. */
	ck_assert_uint_ge(w->acked_seq, p->acked);
	p->acked = p->sent = w->acked_seq;
	p->window = w->window;
	p->welcomes++;
	linkwatch__pb__welcome__free_unpacked(w, NULL);
}

static void
take_refusal(struct peer *p, const uint8_t *data, size_t n)
{
	Linkwatch__Pb__Refusal *r = linkwatch__pb__refusal__unpack(NULL, n, data);

	p->refusals++;
	p->code = r->code;
	snprintf(p->why, sizeof p->why, "%s", r->reason);
	linkwatch__pb__refusal__free_unpacked(r, NULL);
}

static void
on_frame(void *arg, struct conn *conn, uint8_t type, const uint8_t *data, size_t n)
{
	struct peer *p = arg;
	Linkwatch__Pb__Ack *a;
	Linkwatch__Pb__FeedRecord *fr;

	(void)conn;
	switch (type) {
	case FRAME_WELCOME:
		take_welcome(p, data, n);
		break;
	case FRAME_PLAN:
		p->plans++;
		break;
	case FRAME_PAUSE:
		p->paused++;
		break;
	case FRAME_RESUME:
		p->resumed++;
		break;
	case FRAME_REFUSAL:
		take_refusal(p, data, n);
		break;
	case FRAME_ACK:
		a = linkwatch__pb__ack__unpack(NULL, n, data);
		ck_assert_uint_ge(a->seq, p->acked);
		ck_assert_uint_le(a->seq, p->sent);
		p->acked = a->seq;
		linkwatch__pb__ack__free_unpacked(a, NULL);
		break;
	case FRAME_FEED_RECORD:
		fr = linkwatch__pb__feed_record__unpack(NULL, n, data);
		ck_assert_uint_eq(fr->seq, p->last_record + 1);
		p->last_record = fr->seq;
		p->records++;
		linkwatch__pb__feed_record__free_unpacked(fr, NULL);
		break;
	}
}

static void
on_closed(void *arg, struct conn *conn, const char *why)
{
	struct peer *p = arg;

	(void)conn;
	p->closed++;
	p->conn = NULL;
	if (p->refusals == 0)
		snprintf(p->why, sizeof p->why, "%s", why);
}

static const struct conn_handler handler = { .opened = on_opened, .frame = on_frame, .closed = on_closed };

static void
peer_connect(struct peer *p)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };

	ck_assert_int_eq(tls_connect(&p->conn, base, p->ctx, (struct sockaddr *)&sa, sizeof sa, ROLE_COLLECTOR,
	    "main", &handler, p), 0);
}

static void
nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

/* Turns the loop until cond holds. */
#define WAIT(cond) do { \
	struct mono wait_begin = clock_mono(clock_real()); \
	struct event *wait_tick = event_new(base, -1, EV_PERSIST, nothing, NULL); \
	event_add(wait_tick, &(struct timeval){ .tv_usec = 10000 }); \
	while (!(cond)) { \
		ck_assert_msg(clock_mono(clock_real()).ns - wait_begin.ns < WAIT_S * NS_PER_S, "in vain: " #cond); \
		event_base_loop(base, EVLOOP_ONCE); \
	} \
	event_free(wait_tick); \
} while (0)

/* Connects until it is let in; the collector may be about to start. */
static void
peer_greet(struct peer *p)
{
	int before = p->welcomes;

	for (int i = 0; i < 300 && p->welcomes == before; i++) {
		int closed = p->closed;

		peer_connect(p);
		WAIT(p->welcomes > before || p->closed > closed);
		if (p->welcomes == before)
			usleep(20000);
	}
	ck_assert_msg(p->welcomes > before, "not let in: %s", p->why);
}

static struct peer
peer_new(const char *cert, bool is_agent)
{
	return (struct peer){ .ctx = context(cert), .is_agent = is_agent };
}

static void
peer_fini(struct peer *p)
{
	if (ingest > 0)
		end_ingest(SIGKILL);
	WAIT(p->conn == NULL);
	SSL_CTX_free(p->ctx);
}

static void
peer_batch(struct peer *p, int samples)
{
	struct test_batch t = { .boot = 1, .seq = ++p->sent, .samples = samples };
	size_t n;
	uint8_t *b;

	/* The same number has the same content when it is sent again. */
	t.start_ns = begin_ns + (int64_t)t.seq * NS_PER_MS;
	b = test_batch(&t, &n);
	if (p->conn != NULL)
		conn_send(p->conn, FRAME_BATCH, b, n);
	free(b);
}

/* ------------------------------------------------------------------ the journal */

/* Every number up to upto is there once, whatever else is. */
static void
check_journal(uint64_t upto)
{
	char *path = collector_conf_path(conf, "journal");
	struct journal_reader *r;
	struct journal_record rec;
	struct disk *disk;
	uint8_t *seen = xcalloc(upto + 1, 1);

	ck_assert_int_eq(disk_open_real(path, &disk), 0);
	ck_assert_int_eq(journal_reader_open(&r, disk, 0), 0);
	while (journal_reader_next(r, &rec) == 1) {
		Linkwatch__Pb__StoredBatch *sb;
		Linkwatch__Pb__Batch *b;

		if (rec.type != JREC_BATCH)
			continue;
		sb = linkwatch__pb__stored_batch__unpack(NULL, rec.len, rec.data);
		b = batch_unpack(sb->batch.data, sb->batch.len);
		if (b->seq <= upto) {
			ck_assert_msg(seen[b->seq] == 0, "batch %" PRIu64 " stands twice", b->seq);
			seen[b->seq] = 1;
		}
		linkwatch__pb__batch__free_unpacked(b, NULL);
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
	}
	for (uint64_t i = 1; i <= upto; i++)
		ck_assert_msg(seen[i], "batch %" PRIu64 " was acknowledged and is not there", i);
	journal_reader_close(r);
	disk->ops->close(disk);
	free(seen);
	free(path);
}

/* ---------------------------------------------------------------------- fixture */

static void
setup(void)
{
	struct testcert_spec s = { .cn = "ca", .ca = true, .no_san = true };
	struct conf_errors errs = { 0 };
	char *text, *state;

	dir = test_dir();
	ca = testcert_make(&s);
	write_pem("ca", &ca);
	make_cert("col", "linkwatch://collector/main", "serverAuth", &ca);
	make_cert("a1", "linkwatch://agent/a1", "clientAuth", &ca);
	make_cert("stranger", "linkwatch://agent/stranger", "clientAuth", &ca);
	make_cert("alertd", "linkwatch://alertd/main", "clientAuth", &ca);
	port = free_port();
	text = xasprintf("id: main\nlinks: links.yaml\nstate: state\nlisten: {address: 127.0.0.1, port: %u, "
	    "ca: ca.pem, cert: col.pem, key: col.key}\nweb: {enabled: false}\ningest: {window: 64}\n"
	    "journal: {segment: 64k}\n", port);
	ck_assert_int_eq(collector_conf_parse(text, strlen(text), "c.yaml", dir, &conf, &errs), 0);
	free(text);
	state = xasprintf("%s/state", dir);
	mkdir(state, 0700);
	free(state);
	write_links(LINKS);
	base = event_base_new();
	begin_ns = clock_wall(clock_real()).ns - 3600 * NS_PER_S;
	ingest = 0;
}

static void
teardown(void)
{
	if (ingest > 0)
		end_ingest(SIGKILL);
	event_base_free(base);
	X509_free(ca.cert);
	EVP_PKEY_free(ca.key);
	collector_conf_free(conf);
	test_dir_remove(dir);
}

/* ------------------------------------------------------------------------ tests */

START_TEST(an_agent_over_tls)
{
	struct peer p = peer_new("a1", true);

	start_ingest();
	peer_greet(&p);
	WAIT(p.plans == 1);
	for (int i = 0; i < 10; i++)
		peer_batch(&p, 3);
	WAIT(p.acked == 10);
	ck_assert(end_ingest(SIGTERM) == 0);
	WAIT(p.conn == NULL);
	ck_assert_int_eq(p.code, REFUSE_BUSY);	/* it said that it stops */
	check_journal(10);
	peer_fini(&p);
}
END_TEST

START_TEST(killed_between_append_and_ack)
{
	struct peer p = peer_new("a1", true);
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 11);

	for (int round = 0; round < 15; round++) {
		uint64_t goal;

		start_ingest();
		peer_greet(&p);
		goal = p.acked + rng_below(rng, 200);
		while (p.acked < goal) {
			uint64_t before = p.acked;

			while (p.sent < p.acked + p.window)
				peer_batch(&p, 1);
			WAIT(p.acked > before);
		}
		while (p.sent < p.acked + p.window)
			peer_batch(&p, 1);
		if (round % 2 == 0)
			usleep((useconds_t)rng_below(rng, 25000));
		end_ingest(SIGKILL);
		/* Acks that were on the way when it died count as well. */
		WAIT(p.conn == NULL);
		check_journal(p.acked);
	}
	ck_assert_uint_gt(p.acked, 1000);
	peer_fini(&p);
}
END_TEST

START_TEST(strangers_stay_outside)
{
	struct peer s = peer_new("stranger", true), p = peer_new("a1", true);
	int fd;

	start_ingest();
	peer_greet(&p);
	peer_connect(&s);
	WAIT(s.refusals == 1 && s.closed == 1);
	ck_assert_int_eq(s.code, REFUSE_UNKNOWN_PEER);
	ck_assert_int_eq(s.welcomes, 0);
	/* Garbage and silence on the port hurt nobody else. */
	for (int i = 0; i < 20; i++) {
		struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons(port) };

		fd = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
		if (i % 2 == 0)
			ck_assert_int_gt(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 0);
		close(fd);
	}
	peer_batch(&p, 1);
	WAIT(p.acked == 1);
	ck_assert(end_ingest(SIGTERM) == 0);
	peer_fini(&s);
	peer_fini(&p);
}
END_TEST

START_TEST(links_change_while_it_runs)
{
	struct peer p = peer_new("a1", true);
	char *text = strdup(LINKS);

	start_ingest();
	peer_greet(&p);
	WAIT(p.plans == 1);
	memcpy(strstr(text, "192.0.2.2"), "192.0.2.8", 9);
	write_links(text);
	kill(ingest, SIGHUP);
	peer_batch(&p, 1);
	WAIT(p.plans == 2 && p.acked == 1);
	/* A broken file changes nothing. */
	write_links("vendors: [\n");
	kill(ingest, SIGHUP);
	peer_batch(&p, 1);
	WAIT(p.acked == 2);
	ck_assert_int_eq(p.plans, 2);
	ck_assert_ptr_nonnull(p.conn);
	/* Nor does a start with it: the plan of the journal holds. */
	end_ingest(SIGTERM);
	WAIT(p.conn == NULL);
	start_ingest();
	peer_greet(&p);
	WAIT(p.plans == 3);
	peer_batch(&p, 1);
	WAIT(p.acked == 3);
	free(text);
	peer_fini(&p);
}
END_TEST

START_TEST(the_first_start_needs_sound_links)
{
	write_links("vendors: [\n");
	start_ingest();
	ck_assert_int_eq(WEXITSTATUS(end_ingest(0)), 1);
}
END_TEST

START_TEST(a_revoked_certificate_is_out_with_the_next_reload)
{
	struct testcert_spec s = { .cn = "r1", .uri = { "linkwatch://agent/a1" }, .eku = "clientAuth",
		.issuer = &ca, .serial = 4711 };
	struct testcert t = testcert_make(&s);
	struct peer p = peer_new("a1", true), f = peer_new("alertd", false), r;
	int closed;

	write_pem("r1", &t);
	testcert_free(&t);
	conf->listen.crl = xasprintf("%s/crl.pem", dir);
	testcert_save_crl(&ca, 0, dir, "crl.pem");
	r = peer_new("r1", true);
	start_ingest();
	peer_greet(&r);
	peer_greet(&f);
	/* The same files again: nobody is disturbed. */
	kill(ingest, SIGHUP);
	peer_batch(&r, 1);
	WAIT(r.acked == 1);
	testcert_save_crl(&ca, 4711, dir, "crl.pem");
	kill(ingest, SIGHUP);
	WAIT(r.conn == NULL);
	closed = r.closed;
	peer_connect(&r);		/* its ticket is void too */
	WAIT(r.closed > closed);
	ck_assert_int_eq(r.welcomes, 1);
	/* Whom the list does not name has noticed nothing: T10. */
	ck_assert_ptr_nonnull(f.conn);
	ck_assert_int_eq(f.closed, 0);
	peer_greet(&p);
	ck_assert_uint_eq(p.acked, 1);
	peer_fini(&p);
	peer_fini(&f);
	peer_fini(&r);
}
END_TEST

START_TEST(the_feed_over_tls)
{
	struct peer p = peer_new("a1", true), f = peer_new("alertd", false);
	Linkwatch__Pb__FeedStart m = LINKWATCH__PB__FEED_START__INIT;

	start_ingest();
	peer_greet(&p);
	peer_greet(&f);
	m.window = 10000;
	peer_say(&f, FRAME_FEED_START, &m.base);
	for (int i = 0; i < 60; i++)
		peer_batch(&p, 20);
	WAIT(p.acked == 60 && f.records >= 62);
	ck_assert(end_ingest(SIGTERM) == 0);
	peer_fini(&p);
	peer_fini(&f);
}
END_TEST

START_TEST(two_of_them_never_write_together)
{
	struct peer p = peer_new("a1", true);
	pid_t first;
	int status;

	start_ingest();
	peer_greet(&p);
	first = ingest;
	start_ingest();
	ck_assert_int_eq(waitpid(ingest, &status, 0), ingest);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ingest = first;
	peer_fini(&p);
}
END_TEST

/* The journal on a file system of 1 MiB that only we and our children see. */
START_TEST(a_full_disk_and_room_again)
{
	struct peer p = peer_new("a1", true);
	char *jdir = collector_conf_path(conf, "journal"), *ballast = xasprintf("%s/ballast", jdir);
	char block[4096] = { 1 };
	int fd;

	mkdir(jdir, 0700);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", jdir, "tmpfs", 0, "size=1m") != 0) {
		fprintf(stderr, "a_full_disk_and_room_again: needs root and mount(2): not run\n");
		goto out;
	}
	start_ingest();
	peer_greet(&p);
	peer_batch(&p, 1);
	WAIT(p.acked == 1);
	fd = open(ballast, O_CREAT | O_WRONLY, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	close(fd);
	/* Fills what is left of the last page, then stalls. */
	while (p.paused == 0) {
		uint64_t before = p.acked;

		for (int i = 0; i < 8 && p.sent < p.acked + p.window; i++)
			peer_batch(&p, 200);
		WAIT(p.acked > before || p.paused > 0);
	}
	ck_assert_uint_lt(p.acked, p.sent);
	check_journal(p.acked);
	ck_assert_int_eq(p.resumed, 0);
	unlink(ballast);
	WAIT(p.resumed == 1 && p.acked == p.sent);
	ck_assert_ptr_nonnull(p.conn);
	ck_assert(end_ingest(SIGTERM) == 0);
	check_journal(p.acked);
	umount(jdir);
out:
	free(jdir);
	free(ballast);
	peer_fini(&p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ingest");
	TCase *t = tcase_create("ingest");
	SRunner *r = srunner_create(s);
	int failed;

	signal(SIGPIPE, SIG_IGN);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, an_agent_over_tls);
	tcase_add_test(t, killed_between_append_and_ack);
	tcase_add_test(t, strangers_stay_outside);
	tcase_add_test(t, links_change_while_it_runs);
	tcase_add_test(t, the_first_start_needs_sound_links);
	tcase_add_test(t, a_revoked_certificate_is_out_with_the_next_reload);
	tcase_add_test(t, the_feed_over_tls);
	tcase_add_test(t, two_of_them_never_write_together);
	tcase_add_test(t, a_full_disk_and_room_again);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
