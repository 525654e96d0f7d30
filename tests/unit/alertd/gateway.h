/*
 * gateway.h - a small gateway in a thread that behaves as the test says, and
 * a loop that waits for what a channel makes of it.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "alertd/channel.h"
#include "alertd/channel_curl.h"
#include "tests/unit/common/testcert.h"

struct peer { int fd; SSL *ssl; };

struct gateway {
	int fd;
	int port;
	pthread_t thread;
	void (*serve)(struct gateway *, struct peer *);
	const char *answer;		/* for serve() */
	SSL_CTX *tls;			/* NULL: plain */
	bool tls_first;
	char got[256 * 1024];		/* all that the peer sent */
	size_t n_got;
	int conns;
};

static inline ssize_t
peer_read(struct peer *p, void *buf, size_t n)
{
	return p->ssl != NULL ? SSL_read(p->ssl, buf, (int)n) : recv(p->fd, buf, n, 0);
}

static inline void
peer_write(struct peer *p, const char *s, size_t n)
{
	if (p->ssl != NULL)
		SSL_write(p->ssl, s, (int)n);
	else
		send(p->fd, s, n, MSG_NOSIGNAL);
}

static inline void
peer_say(struct peer *p, const char *s)
{
	peer_write(p, s, strlen(s));
}

/* Reads until `end` stands in what came since `from`; false: the peer went away. */
static inline bool
gateway_until(struct gateway *g, struct peer *p, size_t from, const char *end)
{
	while (strstr(g->got + from, end) == NULL) {
		ssize_t r = peer_read(p, g->got + g->n_got, sizeof(g->got) - g->n_got - 1);
		if (r <= 0)
			return false;
		g->n_got += (size_t)r;
		g->got[g->n_got] = '\0';
	}
	return true;
}

static inline bool
peer_tls(struct gateway *g, struct peer *p)
{
	p->ssl = SSL_new(g->tls);
	SSL_set_fd(p->ssl, p->fd);
	return SSL_accept(p->ssl) == 1;
}

static inline void *
gateway_run(void *arg)
{
	struct gateway *g = arg;

	for (;;) {
		struct peer p = { .fd = accept(g->fd, NULL, NULL) };
		struct timeval tv = { 20, 0 };
		if (p.fd < 0)
			return NULL;
		setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		g->conns++;
		if (!g->tls_first || peer_tls(g, &p))
			g->serve(g, &p);
		SSL_free(p.ssl);
		close(p.fd);
	}
}

static inline struct gateway *
gateway_start(void (*serve)(struct gateway *, struct peer *), const char *answer)
{
	struct gateway *g = calloc(1, sizeof(*g));
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	g->serve = serve;
	g->answer = answer;
	g->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(g->fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(g->fd, 16), 0);
	getsockname(g->fd, (struct sockaddr *)&sin, &len);
	g->port = ntohs(sin.sin_port);
	return g;
}

static inline void
gateway_go(struct gateway *g)
{
	ck_assert_int_eq(pthread_create(&g->thread, NULL, gateway_run, g), 0);
}

static inline void
gateway_stop(struct gateway *g)
{
	shutdown(g->fd, SHUT_RDWR);
	pthread_join(g->thread, NULL);
	close(g->fd);
	SSL_CTX_free(g->tls);
	free(g);
}

/* The gateway's certificate for a DNS name, by a CA whose file is DIR/ca.pem. */
static inline void
gateway_tls(struct gateway *g, const char *dir, const char *dns)
{
	struct testcert ca = testcert_make(&(struct testcert_spec){ .cn = "test CA", .ca = true });
	struct testcert c = testcert_make(&(struct testcert_spec){ .cn = dns, .dns = dns,
	    .eku = "serverAuth", .issuer = &ca, .serial = 2 });

	testcert_save(&ca, dir, "ca");
	g->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(g->tls, c.cert);
	SSL_CTX_use_PrivateKey(g->tls, c.key);
	testcert_free(&c);
	testcert_free(&ca);
}

/* ---------------------------------------------------------------- the loop */

struct bench {
	char dir[64], url[200], ca[100], secret[100];
	struct event_base *base;
	struct channel_env env;
	struct channel_conf conf;
	struct channel *ch;
	int done;
	uint64_t id;
	enum outbox_outcome outcome;
	char detail[256];
};

static inline void
bench_done(void *arg, uint64_t id, enum outbox_outcome outcome, const char *detail)
{
	struct bench *b = arg;

	b->done++;
	b->id = id;
	b->outcome = outcome;
	snprintf(b->detail, sizeof(b->detail), "%s", detail);
	event_base_loopbreak(b->base);
}

static inline void
bench_init(struct bench *b)
{
	FILE *f;

	signal(SIGPIPE, SIG_IGN);
	memset(b, 0, sizeof(*b));
	snprintf(b->dir, sizeof(b->dir), "/tmp/lw-channel-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(b->dir));
	snprintf(b->ca, sizeof(b->ca), "%s/ca.pem", b->dir);
	snprintf(b->secret, sizeof(b->secret), "%s/secret", b->dir);
	f = fopen(b->secret, "w");
	fputs("s3cret&x\nsecond line\n", f);
	fclose(f);
	b->base = event_base_new();
	b->env = (struct channel_env){ .base = b->base, .curl = curl_pool_new(b->base),
		.host = "test.example", .done = bench_done, .arg = b };
	b->conf = (struct channel_conf){ .name = "c", .timeout_ns = 1500 * NS_PER_MS,
		.parallel = 4 };
}

static inline void
bench_open(struct bench *b)
{
	char why[256] = "";

	b->ch = channel_new(&b->conf, &b->env, why, sizeof(why));
	ck_assert_msg(b->ch != NULL, "%s", why);
}

static inline void
bench_fini(struct bench *b)
{
	char cmd[128];

	channel_free(b->ch);
	curl_pool_free(b->env.curl);
	event_base_free(b->base);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", b->dir);
	ck_assert_int_eq(system(cmd), 0);
}

static inline struct channel_message
bench_message(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (struct channel_message){ .id = 7, .key = "17/open/1/sms/duty", .event = "open",
		.recipient = "duty", .address = "+8613800138000", .lang = "zh",
		.subject = "二级故障3721", .body = "【云监管】二级故障3721:A云浦东外网专线中断",
		.decided.ns = tv.tv_sec * NS_PER_S, .now.ns = tv.tv_sec * NS_PER_S };
}

/* Sends and waits for done(), at most 10 s. */
static inline enum outbox_outcome
bench_send(struct bench *b, const struct channel_message *m)
{
	static const struct timeval patience = { 10, 0 };

	b->done = 0;
	channel_send(b->ch, m);
	ck_assert_int_eq(b->done, 0);	/* never inside send() */
	event_base_loopexit(b->base, &patience);
	event_base_dispatch(b->base);
	ck_assert_int_eq(b->done, 1);
	ck_assert_uint_eq(b->id, m->id);
	return b->outcome;
}
