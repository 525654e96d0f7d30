/*
 * handshake.c - OpenSSL between two buffers in memory (see handshake.h).
 *
 * We move the bytes between the buffers and the socket ourselves, so that they
 * can be counted.
 */
#include "agent/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/mem.h"

#define CERT_LIST_MAX (64 * 1024)
#define CHUNK (16 * 1024)
#define CIPHERS "DEFAULT:!kDHE:!aNULL"

struct handshake {
	SSL *ssl;
	BIO *in, *out;			/* the ssl's */
	uint32_t received;
	bool shaken;
	char why[80];
};

static int
verify_nothing(X509_STORE_CTX *store, void *arg)
{
	(void)store, (void)arg;
	return 1;
}

struct ssl_ctx_st *
handshake_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	/* or else OpenSSL would build the chain, and only then forget what came of it */
	SSL_CTX_set_cert_verify_callback(ctx, verify_nothing, NULL);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_security_level(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1) {
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

struct handshake *
handshake_new(struct ssl_ctx_st *ctx, const char *server_name)
{
	struct handshake *h = xcalloc(1, sizeof *h);

	h->ssl = SSL_new(ctx);
	h->in = BIO_new(BIO_s_mem());
	h->out = BIO_new(BIO_s_mem());
	if (h->ssl == NULL || h->in == NULL || h->out == NULL) {
		BIO_free(h->in);
		BIO_free(h->out);
		h->in = h->out = NULL;
		handshake_free(h);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_mem_eof_return(h->in, -1);	/* empty: more may come */
	SSL_set_bio(h->ssl, h->in, h->out);
	SSL_set_connect_state(h->ssl);
	if (server_name != NULL)
		(void)SSL_set_tlsext_host_name(h->ssl, server_name);
	return h;
}

static int
fail(struct handshake *h, int rc, const char *why)
{
	snprintf(h->why, sizeof h->why, "%s", why);
	return rc;
}

static int
openssl_fail(struct handshake *h)
{
	unsigned long e = ERR_peek_error();
	const char *s = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return fail(h, -EPROTO, s != NULL ? s : "unknown error");
}

/* Hands the socket what OpenSSL wants to send.  -EAGAIN: it cannot take it all now. */
static int
flush(struct handshake *h, int fd)
{
	char *p;
	long n;

	while ((n = BIO_get_mem_data(h->out, &p)) > 0) {
		char done[1024];
		ssize_t sent = send(fd, p, (size_t)n < sizeof done ? (size_t)n : sizeof done,
		    MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -EAGAIN : fail(h, -errno, strerror(errno));
		(void)BIO_read(h->out, done, (int)sent);
	}
	return 0;
}

/* 0: OpenSSL has more to read. */
static int
fill(struct handshake *h, int fd)
{
	char buf[CHUNK];
	ssize_t n = recv(fd, buf, sizeof buf, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : fail(h, -errno, strerror(errno));
	if (n == 0)
		return fail(h, -ECONNRESET, "closed by the far side");
	h->received += (uint32_t)n;
	if (h->received > HANDSHAKE_BYTES_MAX)
		return fail(h, -EMSGSIZE, "too many bytes");
	return BIO_write(h->in, buf, (int)n) == n ? 0 : fail(h, -ENOMEM, "out of memory");
}

int
handshake_go(struct handshake *h, int fd)
{
	int rc, sent;

	for (;;) {
		ERR_clear_error();
		rc = h->shaken ? 1 : SSL_do_handshake(h->ssl);
		h->shaken = rc == 1;
		if (rc != 1 && SSL_get_error(h->ssl, rc) != SSL_ERROR_WANT_READ) {
			rc = openssl_fail(h);
			(void)flush(h, fd);	/* the alert that says so */
			return rc;
		}
		sent = flush(h, fd);
		if (h->shaken || (sent != 0 && sent != -EAGAIN))
			return sent;
		rc = fill(h, fd);
		if (rc != 0)
			return rc;
	}
}

const char *
handshake_why(const struct handshake *h)
{
	return h->why;
}

bool
handshake_cert_end(const struct handshake *h, int64_t *end_s)
{
	const X509 *cert = SSL_get0_peer_certificate(h->ssl);
	struct tm tm;
	bool ok = cert != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;

	ERR_clear_error();
	if (ok)
		*end_s = timegm(&tm);
	return ok;
}

void
handshake_leave(struct handshake *h, int fd)
{
	(void)SSL_shutdown(h->ssl);
	(void)flush(h, fd);
	ERR_clear_error();
}

bool
handshake_is_left(struct handshake *h, int fd)
{
	char buf[CHUNK];

	while (h->received <= HANDSHAKE_BYTES_MAX) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);

		if (n <= 0)
			return n == 0 || errno != EAGAIN;
		h->received += (uint32_t)n;
	}
	return true;
}

void
handshake_free(struct handshake *h)
{
	if (h == NULL)
		return;
	SSL_free(h->ssl);
	free(h);
}
