/*
 * test_http_server.c - the real server over TLS on loopback: caps of connections, certificates,
 * and streams: who gets which event, and what becomes of a reader that does not read.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/http_server.h"
#include "collector/sse.h"
#include "tests/unit/common/testcert.h"

#define LIMIT_MS 20000
#define STREAMS 4

static char dir[] = "/tmp/lw-http-XXXXXX", cert[80], key[80], err[300];
static struct event_base *base;
static struct http_server *server;
static struct sse *sse;
static SSL_CTX *client_ctx;
static struct testcert tc;
static uint64_t next_owner;

/* "/s/SCOPE" streams, all else is answered with its path. */
static void
handle(void *arg, struct evhttp_request *req)
{
	const char *uri = evhttp_request_get_uri(req);

	(void)arg;
	if (strncmp(uri, "/s/", 3) != 0)
		http_reply(req, 200, "text/plain", uri, strlen(uri));
	else if (!sse_add(sse, req, ++next_owner, uri + 3))
		http_reply(req, 503, NULL, NULL, 0);
}

static void
setup(void)
{
	struct http_server_opts o = { .address = "127.0.0.1", .cert = cert, .key = key, .max_conns = 8,
		.max_of_address = 5 };

	signal(SIGPIPE, SIG_IGN);	/* as the program does */
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(cert, sizeof cert, "%s/a.pem", dir);
	snprintf(key, sizeof key, "%s/a.key", dir);
	tc = testcert_make(&(struct testcert_spec){ .cn = "page", .dns = "localhost" });
	testcert_save(&tc, dir, "a");
	base = event_base_new();
	client_ctx = SSL_CTX_new(TLS_client_method());
	next_owner = 0;
	ck_assert_msg(http_server_new(&server, base, &o, handle, NULL, err, sizeof err) == 0, "%s", err);
	sse = sse_new(base, STREAMS);
}

static void
teardown(void)
{
	char cmd[100];

	sse_free(sse);
	http_server_free(server);
	SSL_CTX_free(client_ctx);
	event_base_free(base);
	testcert_free(&tc);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* ----------------------------------------------------------------- clients */

struct client { struct bufferevent *bev; bool gone; };

static void
client_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		c->gone = true;
}

/* from: NULL or a local address. */
static void
dial(struct client *c, const char *from, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(http_server_port(server)) };
	struct sockaddr_in me = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*c = (struct client){ 0 };
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	inet_pton(AF_INET, from != NULL ? from : "127.0.0.1", &me.sin_addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
	c->bev = bufferevent_openssl_socket_new(base, fd, SSL_new(client_ctx), BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE);
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, NULL, NULL, client_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(c->bev), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	ck_assert_int_eq(bufferevent_socket_connect(c->bev, (struct sockaddr *)&to, sizeof to), 0);
}

static void
hang_up(struct client *c)
{
	bufferevent_free(c->bev);
}

static bool
has_got(const struct client *c, const char *text)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	return evbuffer_search(in, text, strlen(text), NULL).pos >= 0;
}

#define UNTIL(condition) do { \
	int left_ = LIMIT_MS; \
	while (!(condition)) { \
		struct timeval tick_ = { 0, 1000 }; \
		ck_assert_msg(--left_ > 0, "never: %s", #condition); \
		event_base_loopexit(base, &tick_); \
		event_base_dispatch(base); \
	} } while (0)

/* ------------------------------------------------------------------- caps */

START_TEST(one_address_has_a_cap)
{
	struct http_server_stat s;
	struct client c[7], other, more[3];
	unsigned good = 0;

	for (int i = 0; i < 7; i++)
		dial(&c[i], "127.0.0.2", "/hello");
	UNTIL((http_server_stat(server, &s), s.over_address == 2));
	for (int i = 0; i < 7; i++) {
		UNTIL(c[i].gone || has_got(&c[i], "/hello"));
		good += !c[i].gone;
	}
	ck_assert_uint_eq(good, 5);
	dial(&other, "127.0.0.3", "/other");	/* one who has none yet */
	UNTIL(has_got(&other, "/other"));
	for (int i = 0; i < 3; i++)		/* 6 stand, 8 may */
		dial(&more[i], "127.0.0.4", "/more");
	UNTIL((http_server_stat(server, &s), s.over_cap == 1));
	for (int i = 0; i < 7; i++)
		hang_up(&c[i]);
	hang_up(&other);
	for (int i = 0; i < 3; i++)
		hang_up(&more[i]);
	UNTIL((http_server_stat(server, &s), s.conns == 0));
	ck_assert_uint_eq(s.accepted, 11);
	dial(&other, "127.0.0.2", "/again");	/* and the place is free again */
	UNTIL(has_got(&other, "/again"));
	hang_up(&other);
}
END_TEST

/* ------------------------------------------------------------ certificates */

START_TEST(certificate_is_read_again)
{
	char other[80], other_key[80];
	struct client c;
	struct testcert t = testcert_make(&(struct testcert_spec){ .cn = "new", .dns = "localhost" });
	X509 *seen;

	testcert_save(&t, dir, "b");
	snprintf(other, sizeof other, "%s/b.pem", dir);
	snprintf(other_key, sizeof other_key, "%s/b.key", dir);
	ck_assert_int_eq(http_server_reload(server, "/nonexistent.pem", key, err, sizeof err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent.pem"));
	ck_assert_int_eq(http_server_reload(server, other, key, err, sizeof err), -EINVAL);	/* not its key */
	for (int round = 0; round < 2; round++) {
		dial(&c, NULL, "/x");
		UNTIL(has_got(&c, "/x"));
		seen = SSL_get1_peer_certificate(bufferevent_openssl_get_ssl(c.bev));
		ck_assert_int_eq(X509_cmp(seen, round == 0 ? tc.cert : t.cert), 0);
		X509_free(seen);
		hang_up(&c);
		ck_assert_int_eq(http_server_reload(server, other, other_key, err, sizeof err), 0);
	}
	testcert_free(&t);
}
END_TEST

/* ---------------------------------------------------------------- streams */

static char scopes[200];

static void
note_scope(void *arg, const char *scope)
{
	char text[100];

	snprintf(scopes + strlen(scopes), sizeof scopes - strlen(scopes), "[%s]", scope);
	snprintf(text, sizeof text, "{\"only\":\"%s\"}", scope);
	sse_send(arg, scope, "links", text, strlen(text));
}

START_TEST(each_scope_gets_its_own)
{
	static const char *const path[STREAMS] = { "/s/", "/s/cloud-a", "/s/cloud-b", "/s/cloud-a" };
	struct client c[STREAMS], more;

	for (int i = 0; i < STREAMS; i++) {
		dial(&c[i], NULL, path[i]);
		UNTIL(has_got(&c[i], "retry: 3000"));
	}
	dial(&more, NULL, "/s/");
	UNTIL(has_got(&more, "503"));		/* the cap of streams */
	hang_up(&more);
	*scopes = '\0';
	sse_scopes(sse, note_scope, sse);
	ck_assert_uint_eq(strlen(scopes), strlen("[][cloud-a][cloud-b]"));
	ck_assert(strstr(scopes, "[]") && strstr(scopes, "[cloud-a]") && strstr(scopes, "[cloud-b]"));
	for (int i = 0; i < STREAMS; i++) {
		char want[60];

		snprintf(want, sizeof want, "event: links\ndata: {\"only\":\"%s\"}\n\n", path[i] + 3);
		UNTIL(has_got(&c[i], want));
		ck_assert_msg(!has_got(&c[i], i != 2 ? "cloud-b" : "cloud-a") &&
		    (i != 0 || !has_got(&c[i], "cloud-a")), "what is another's came to %s", path[i]);
	}
	for (int i = 0; i < STREAMS; i++)
		hang_up(&c[i]);
	UNTIL(sse_count(sse) == 0);
}
END_TEST

static bool
not_the_first(void *arg, uint64_t owner)
{
	(void)arg;
	return owner != 1;
}

START_TEST(an_owner_is_shown_out)
{
	struct client a, b;

	dial(&a, NULL, "/s/");
	UNTIL(has_got(&a, "retry"));
	dial(&b, NULL, "/s/");
	UNTIL(has_got(&b, "retry"));
	sse_filter(sse, not_the_first, NULL);
	ck_assert_uint_eq(sse_count(sse), 1);
	UNTIL(a.gone || has_got(&a, "\r\n0\r\n\r\n"));
	sse_send(sse, "", "status", "still", 5);
	UNTIL(has_got(&b, "still"));
	ck_assert(!has_got(&a, "still"));
	hang_up(&a);
	hang_up(&b);
	UNTIL(sse_count(sse) == 0);
}
END_TEST

/* H23: who does not read is closed when SSE_QUEUE_MAX waits for him; who reads is not. */
START_TEST(a_reader_that_does_not_read_is_closed)
{
	static char data[256 * 1024];
	struct client lazy, good;
	size_t sent = 0;

	memset(data, 'x', sizeof data);
	dial(&lazy, NULL, "/s/");
	UNTIL(has_got(&lazy, "retry"));
	dial(&good, NULL, "/s/");
	UNTIL(has_got(&good, "retry"));
	bufferevent_disable(lazy.bev, EV_READ);
	while (sse_count(sse) == 2) {
		ck_assert_uint_lt(sent, SSE_QUEUE_MAX + 32 * 1024 * 1024);	/* it, and what kernels keep */
		sse_send(sse, "", "links", data, sizeof data);
		sent += sizeof data;
		UNTIL(evbuffer_get_length(bufferevent_get_input(good.bev)) >= sizeof data);
		evbuffer_drain(bufferevent_get_input(good.bev), sizeof data);
	}
	ck_assert_uint_gt(sent, SSE_QUEUE_MAX);
	ck_assert_uint_eq(sse_count(sse), 1);
	sse_send(sse, "", "status", "still", 5);
	UNTIL(has_got(&good, "still"));
	hang_up(&lazy);
	hang_up(&good);
	UNTIL(sse_count(sse) == 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_server");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_address_has_a_cap);
	tcase_add_test(t, certificate_is_read_again);
	tcase_add_test(t, each_scope_gets_its_own);
	tcase_add_test(t, an_owner_is_shown_out);
	tcase_add_test(t, a_reader_that_does_not_read_is_closed);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
