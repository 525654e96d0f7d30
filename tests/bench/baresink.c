/*
 * baresink.c - a mutual-TLS server that only takes: what libevent and OpenSSL cost a collector.
 *
 *   baresink ADDRESS PORT CA CERTIFICATE KEY [silent]
 *
 * It welcomes whoever comes and answers what has come in one go by one ACK, whose payload is
 * copied off the front of the last batch; it decodes nothing and keeps nothing.  silent: not
 * even that.  SIGUSR1: says how many connections are open and how many frames have come.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define HEADER 8
#define HELLO 1
#define WELCOME 2
#define BATCH 5
#define ACK 6
#define ACK_MAX (2 + 16 + 1 + 10)	/* boot id and number, as a Batch begins */

static SSL_CTX *ctx;
static bool silent;
static unsigned long conns, shaken, resumed, frames;

static void
answer(struct bufferevent *b, int type, const unsigned char *payload, size_t n)
{
	unsigned char head[HEADER] = { 0, 0, 0, (unsigned char)n, (unsigned char)type, 1 };

	bufferevent_write(b, head, sizeof head);
	bufferevent_write(b, payload, n);
}

static void
on_read(struct bufferevent *b, void *arg)
{
	static const unsigned char welcome[] = { 0x08, 2, 0x20, 0x80, 8 };	/* version 2, window 1024 */
	struct evbuffer *in = bufferevent_get_input(b);
	unsigned char head[HEADER + ACK_MAX], ack[ACK_MAX];
	size_t ack_len = 0;

	(void)arg;
	while (evbuffer_copyout(in, head, sizeof head) >= HEADER) {
		size_t n = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

		if (evbuffer_get_length(in) < HEADER + n)
			break;
		frames++;
		if (head[4] == HELLO && !silent)
			answer(b, WELCOME, welcome, sizeof welcome);
		if (head[4] == BATCH) {
			ack_len = 2 + 16 + 2;
			while (ack_len < ACK_MAX && (head[HEADER + ack_len - 1] & 0x80) != 0)
				ack_len++;
			memcpy(ack, head + HEADER, ack_len);
		}
		evbuffer_drain(in, HEADER + n);
	}
	if (ack_len > 0 && !silent)
		answer(b, ACK, ack, ack_len);
}

static void
on_event(struct bufferevent *b, short what, void *arg)
{
	(void)arg;
	if ((what & BEV_EVENT_CONNECTED) != 0) {
		shaken++;
		resumed += SSL_session_reused(bufferevent_openssl_get_ssl(b)) != 0;
		return;
	}
	while (bufferevent_get_openssl_error(b) != 0)
		;
	ERR_clear_error();
	/* Without this a session cannot be resumed: it looks like one that broke. */
	SSL_set_shutdown(bufferevent_openssl_get_ssl(b), SSL_RECEIVED_SHUTDOWN | SSL_SENT_SHUTDOWN);
	bufferevent_free(b);
	conns--;
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct bufferevent *b = bufferevent_openssl_socket_new(evconnlistener_get_base(l), fd, SSL_new(ctx),
	    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);

	(void)sa, (void)len, (void)arg;
	if (b == NULL)
		exit(1);
	bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	bufferevent_setcb(b, on_read, NULL, on_event, NULL);
	bufferevent_enable(b, EV_READ | EV_WRITE);
	conns++;
}

static void
on_usr1(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	printf("{\"conns\": %lu, \"handshakes\": %lu, \"resumed\": %lu, \"frames\": %lu}\n", conns, shaken, resumed,
	    frames);
	fflush(stdout);
}

/* NULL: a file cannot be used. */
static SSL_CTX *
context_new(const char *ca, const char *certificate, const char *key)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	if (c == NULL || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_load_verify_locations(c, ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(c, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_session_id_context(c, (const void *)"bare", 4) != 1)
		return NULL;
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);	/* tickets hold all: nothing stays here */
	return c;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct event_base *base = event_base_new();
	struct rlimit files;

	if (argc < 6 || base == NULL || inet_aton(argv[1], &at.sin_addr) == 0) {
		fprintf(stderr, "usage: baresink ADDRESS PORT CA CERTIFICATE KEY [silent]\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	silent = argc > 6;
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	ctx = context_new(argv[3], argv[4], argv[5]);
	if (ctx == NULL) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	if (evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 4096,
	    (struct sockaddr *)&at, sizeof at) == NULL) {
		perror("baresink");
		return 1;
	}
	event_add(evsignal_new(base, SIGUSR1, on_usr1, NULL), NULL);
	printf("listening\n");
	fflush(stdout);
	event_base_dispatch(base);
	return 1;			/* whoever wants it to end sends a signal */
}
