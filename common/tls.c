/*
 * tls.c - contexts for mutual TLS 1.3 (see tls.h).
 */
#include "common/tls.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/identity.h"
#include "common/tls_resume.h"

#define CHAIN_DEPTH 3
#define CERT_LIST_MAX (32 * 1024)	/* bytes of certificates that a peer may send */

/* The oldest reason in OpenSSL's queue; empties it. */
static const char *
openssl_reason(void)
{
	unsigned long e = ERR_get_error();
	const char *s = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return s != NULL ? s : "unknown error";
}

static int
no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return 0;			/* never ask at a terminal */
}

static int
load_crl(SSL_CTX *ctx, const char *path)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
		return -1;
	return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1 ? 0 : -1;
}

static int
load_files(SSL_CTX *ctx, const struct tls_files *f, char *err, size_t n)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	if (SSL_CTX_load_verify_file(ctx, f->ca) != 1) {
		snprintf(err, n, "%s: %s", f->ca, openssl_reason());
		return -1;
	}
	if (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1) {
		snprintf(err, n, "%s: %s", f->cert, openssl_reason());
		return -1;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1) {
		snprintf(err, n, "%s: %s", f->key, openssl_reason());
		return -1;
	}
	if (SSL_CTX_check_private_key(ctx) != 1) {
		snprintf(err, n, "%s does not belong to %s: %s", f->key, f->cert, openssl_reason());
		return -1;
	}
	if (f->crl != NULL && load_crl(ctx, f->crl) != 0) {
		snprintf(err, n, "%s: %s", f->crl, openssl_reason());
		return -1;
	}
	return 0;
}

/* Is our own certificate one that the far side could accept? */
static int
check_own(SSL_CTX *ctx, const char *path, bool server, char *err, size_t n)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	struct identity id;
	char why[200];
	uint32_t want = server ? XKU_SSL_SERVER : XKU_SSL_CLIENT;

	if (identity_from_cert(cert, &id, why, sizeof why) != 0) {
		snprintf(err, n, "%s: %s", path, why);
		return -1;
	}
	if ((X509_get_extended_key_usage(cert) & want) == 0) {
		snprintf(err, n, "%s: its extendedKeyUsage does not name %s", path,
		    server ? "serverAuth" : "clientAuth");
		return -1;
	}
	return 0;
}

struct ssl_ctx_st *
tls_context_new(const struct tls_files *files, bool server, char *err, size_t n)
{
	const int purpose = server ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (ctx == NULL) {
		snprintf(err, n, "OpenSSL: %s", openssl_reason());
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
	    SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_purpose(ctx, purpose) != 1) {
		snprintf(err, n, "OpenSSL: %s", openssl_reason());
		goto fail;
	}
	if (load_files(ctx, files, err, n) != 0 || check_own(ctx, files->cert, server, err, n) != 0)
		goto fail;
	if (tls_resume_init(ctx, server) != 0) {
		snprintf(err, n, "OpenSSL: %s", openssl_reason());
		goto fail;
	}
	ERR_clear_error();
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

int64_t
tls_context_not_after(struct ssl_ctx_st *ctx)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	struct identity id;
	char why[8];

	if (cert == NULL || identity_from_cert(cert, &id, why, sizeof why) != 0)
		return 0;
	return id.not_after_ns;
}
