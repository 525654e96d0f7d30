/*
 * baretls.c - a mutual-TLS client that does nothing: what its libraries alone weigh.
 *
 *   baretls ADDRESS PORT CA CERTIFICATE KEY
 *
 * Connects with libevent and OpenSSL, TLS 1.3, as the agent does; says "connected" and
 * keeps the connection, idle, until SIGTERM or until the server ends it.
 */
#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static void
on_event(struct bufferevent *b, short what, void *arg)
{
	struct event_base *base = arg;
	unsigned long why;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		printf("connected\n");
		fflush(stdout);
		return;
	}
	while ((why = bufferevent_get_openssl_error(b)) != 0)
		fprintf(stderr, "baretls: %s\n", ERR_reason_error_string(why));
	fprintf(stderr, "baretls: the connection ended\n");
	event_base_loopbreak(base);
}

/* NULL: a file cannot be used. */
static SSL_CTX *
context_new(const char *ca, const char *certificate, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct event_base *base;
	struct bufferevent *b;
	SSL_CTX *ctx;

	if (argc != 6 || inet_aton(argv[1], &to.sin_addr) == 0) {
		fprintf(stderr, "usage: baretls ADDRESS PORT CA CERTIFICATE KEY\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	ctx = context_new(argv[3], argv[4], argv[5]);
	base = event_base_new();
	if (ctx == NULL || base == NULL) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	b = bufferevent_openssl_socket_new(base, -1, SSL_new(ctx), BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (b == NULL)
		return 1;
	bufferevent_setcb(b, NULL, NULL, on_event, base);
	bufferevent_enable(b, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(b, (struct sockaddr *)&to, sizeof to) != 0)
		return 1;
	event_base_dispatch(base);
	bufferevent_free(b);
	event_base_free(base);
	SSL_CTX_free(ctx);
	return 1;			/* whoever wants it to end sends a signal */
}
