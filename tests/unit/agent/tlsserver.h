/*
 * tlsserver.h - a server of OpenSSL in a thread, well and badly behaved, for
 * those who shake hands with it.
 */
#pragma once

#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "agent/target.h"
#include "tests/unit/common/testcert.h"

enum tlsserver_way {
	TLSSERVER_GOOD, TLSSERVER_OLD,	/* TLS 1.3, only 1.2 */
	TLSSERVER_ANCIENT,		/* only 1.1 */
	TLSSERVER_STRICT,		/* 1.2, wants a certificate of the client */
	TLSSERVER_LONG,			/* a chain of hundreds of certificates */
	TLSSERVER_BANNER,		/* greets in clear text and waits */
	TLSSERVER_NOISE,		/* sends bytes without end */
	TLSSERVER_HELLOS,		/* sends HelloRequests without end */
	TLSSERVER_STALL,		/* says nothing */
	TLSSERVER_SHUT,			/* closes at once */
};

struct tlsserver {
	enum tlsserver_way way;
	int fd;
	SSL_CTX *ctx;
	pthread_t thread;
	atomic_uint conns, shaken, reused, left;	/* left: with a close_notify */
	char name[300];			/* asked for last, "": none; holds once it has shaken */
};

static inline void
tlsserver_flood(int fd, const char *head, size_t n)
{
	char buf[5 + 16384] = { 0 };

	memcpy(buf, head, n);
	while (send(fd, buf, sizeof buf, MSG_NOSIGNAL) > 0)
		;
}

static inline void
tlsserver_wait(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof buf, 0) > 0)
		;
}

static inline void
tlsserver_shake(struct tlsserver *s, int fd)
{
	SSL *ssl = SSL_new(s->ctx);
	const char *name;
	char buf[16];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		s->reused += SSL_session_reused(ssl) != 0;
		name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(s->name, sizeof s->name, "%s", name != NULL ? name : "");
		s->shaken++;
		if (SSL_read(ssl, buf, sizeof buf) <= 0)
			s->left += (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
	}
	SSL_free(ssl);
}

static inline void *
tlsserver_run(void *arg)
{
	static const char noise[] = "\x16\x03\x03\x40\x00\x7f\xff\xff\xff";
	static const char hellos[] = "\x16\x03\x03\x40";
	struct tlsserver *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		s->conns++;
		switch (s->way) {
		case TLSSERVER_BANNER:
			(void)send(fd, "SSH-2.0-x\r\n", 11, MSG_NOSIGNAL);
			tlsserver_wait(fd);
			break;
		case TLSSERVER_NOISE:
			tlsserver_flood(fd, noise, sizeof noise - 1);
			break;
		case TLSSERVER_HELLOS:
			tlsserver_flood(fd, hellos, sizeof hellos - 1);
			break;
		case TLSSERVER_STALL:
			tlsserver_wait(fd);
			break;
		case TLSSERVER_SHUT:
			break;
		default:
			tlsserver_shake(s, fd);
		}
		close(fd);
	}
	return NULL;
}

static inline int
tlsserver_take_any(int ok, X509_STORE_CTX *store)
{
	(void)ok, (void)store;
	return 1;
}

static inline SSL_CTX *
tlsserver_context(enum tlsserver_way way, long from_s, long to_s)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct testcert c = testcert_make(&(struct testcert_spec){ .cn = "service.test",
	    .dns = "service.test", .eku = "serverAuth", .from_s = from_s, .to_s = to_s });

	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, c.cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, c.key), 1);
	if (way == TLSSERVER_OLD || way == TLSSERVER_STRICT)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (way == TLSSERVER_STRICT)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		    tlsserver_take_any);
	if (way == TLSSERVER_ANCIENT) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	}
	for (unsigned i = 0; way == TLSSERVER_LONG && i < 400; i++)
		ck_assert_int_eq((int)SSL_CTX_add1_chain_cert(ctx, c.cert), 1);
	testcert_free(&c);
	return ctx;
}

/* Its certificate holds from..to, seconds from now, both 0: for a day.  Its port. */
static inline uint16_t
tlsserver_start(struct tlsserver *s, const char *address, enum tlsserver_way way, long from_s,
    long to_s)
{
	struct sockaddr_storage ss;
	socklen_t len = target_literal(address, 0, &ss);

	signal(SIGPIPE, SIG_IGN);
	*s = (struct tlsserver){ .way = way, .ctx = tlsserver_context(way, from_s, to_s) };
	s->fd = socket(ss.ss_family, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(listen(s->fd, 64), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&ss, &len), 0);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, tlsserver_run, s), 0);
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

/* Ends it when it is through with the connections that it has; its counts hold then. */
static inline void
tlsserver_stop(struct tlsserver *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	SSL_CTX_free(s->ctx);
}
