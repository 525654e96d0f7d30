/*
 * testcert.h - certificates, good and bad, made by OpenSSL on the spot for the
 * tests of identity and TLS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct testcert {
	X509 *cert;
	EVP_PKEY *key;
};

struct testcert_spec {
	const char *cn;
	const char *uri[3];		/* up to three URIs; lengths in len when not 0 */
	size_t len[3];
	const char *dns;
	const char *eku;		/* "clientAuth"; NULL: none */
	long from_s, to_s;		/* from now; both 0: -1 h .. +1 d */
	bool ca, no_san;
	const struct testcert *issuer;	/* NULL: self-signed */
	int serial;			/* 0: 1 */
};

static inline void
testcert_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

static inline void
testcert_san(X509 *cert, const struct testcert_spec *s)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (int i = 0; i < 3 && s->uri[i] != NULL; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *v = ASN1_IA5STRING_new();

		ASN1_STRING_set(v, s->uri[i], s->len[i] != 0 ? (int)s->len[i] :
		    (int)strlen(s->uri[i]));
		GENERAL_NAME_set0_value(g, GEN_URI, v);
		sk_GENERAL_NAME_push(names, g);
	}
	if (s->dns != NULL) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *v = ASN1_IA5STRING_new();

		ASN1_STRING_set(v, s->dns, -1);
		GENERAL_NAME_set0_value(g, GEN_DNS, v);
		sk_GENERAL_NAME_push(names, g);
	}
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
	GENERAL_NAMES_free(names);
}

static inline struct testcert
testcert_make(const struct testcert_spec *s)
{
	struct testcert t = { .cert = X509_new(), .key = EVP_EC_gen("P-256") };
	X509_NAME *name = X509_get_subject_name(t.cert);
	const struct testcert *by = s->issuer != NULL ? s->issuer : &t;

	X509_set_version(t.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(t.cert), s->serial != 0 ? s->serial : 1);
	X509_gmtime_adj(X509_getm_notBefore(t.cert), s->from_s != 0 ? s->from_s : -3600);
	X509_gmtime_adj(X509_getm_notAfter(t.cert), s->to_s != 0 ? s->to_s : 86400);
	X509_set_pubkey(t.cert, t.key);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, (const unsigned char *)s->cn, -1, -1, 0);
	X509_set_issuer_name(t.cert, X509_get_subject_name(by->cert));
	testcert_ext(t.cert, by->cert, NID_basic_constraints, s->ca ? "critical,CA:TRUE" :
	    "critical,CA:FALSE");
	testcert_ext(t.cert, by->cert, NID_key_usage, s->ca ? "critical,keyCertSign,cRLSign" :
	    "critical,digitalSignature");
	if (s->eku != NULL)
		testcert_ext(t.cert, by->cert, NID_ext_key_usage, s->eku);
	if (!s->ca && !s->no_san)
		testcert_san(t.cert, s);
	X509_sign(t.cert, by->key, EVP_sha256());
	return t;
}

static inline void
testcert_free(struct testcert *t)
{
	X509_free(t->cert);
	EVP_PKEY_free(t->key);
	memset(t, 0, sizeof *t);
}

/* Writes DIR/NAME.pem and DIR/NAME.key. */
static inline void
testcert_save(const struct testcert *t, const char *dir, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.pem", dir, name);
	f = fopen(path, "w");
	PEM_write_X509(f, t->cert);
	fclose(f);
	snprintf(path, sizeof path, "%s/%s.key", dir, name);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, t->key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

/* Writes DIR/NAME: a CRL of issuer that names serial (0: nobody); the next is due in until_s. */
static inline void
testcert_save_crl_until(const struct testcert *issuer, int serial, long until_s, const char *dir,
    const char *name)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = X509_gmtime_adj(NULL, -60);
	char path[256];
	FILE *f;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(crl, t);
	if (serial != 0) {
		X509_REVOKED *r = X509_REVOKED_new();
		ASN1_INTEGER *n = ASN1_INTEGER_new();

		ASN1_INTEGER_set(n, serial);
		X509_REVOKED_set_serialNumber(r, n);
		X509_REVOKED_set_revocationDate(r, t);
		X509_CRL_add0_revoked(crl, r);
		ASN1_INTEGER_free(n);
	}
	X509_gmtime_adj(t, until_s);
	X509_CRL_set1_nextUpdate(crl, t);
	X509_CRL_sign(crl, issuer->key, EVP_sha256());
	ASN1_TIME_free(t);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	PEM_write_X509_CRL(f, crl);
	fclose(f);
	X509_CRL_free(crl);
}

static inline void
testcert_save_crl(const struct testcert *issuer, int serial, const char *dir, const char *name)
{
	testcert_save_crl_until(issuer, serial, 86400, dir, name);
}
