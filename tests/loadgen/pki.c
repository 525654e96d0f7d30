/*
 * pki.c - certificates by the thousand: what conf/pki.sh makes one at a time (see site.h).
 */
#include "tests/loadgen/site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/mem.h"

#define DAYS 30
#define DAY_S (24 * 60 * 60)

struct pki {
	char *dir;			/* owned: DIR/pki */
	X509 *ca;
	EVP_PKEY *key;
	long serial;
};

static int
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *x;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = x != NULL && X509_add_ext(cert, x, -1) == 1;
	X509_EXTENSION_free(x);
	return ok ? 0 : -EIO;
}

/* A certificate with all but its own extensions and its signature; NULL: OpenSSL would not. */
static X509 *
begin(struct pki *p, EVP_PKEY *key, const char *cn)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if (cert == NULL)
		return NULL;
	name = X509_get_subject_name(cert);
	if (X509_set_version(cert, 2) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++p->serial) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), DAYS * DAY_S) == NULL ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const void *)cn, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(cert, p->ca != NULL ? X509_get_subject_name(p->ca) : name) != 1 ||
	    X509_set_pubkey(cert, key) != 1) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* Opens DIR/pki/NAME.SUFFIX anew. */
static FILE *
create(const struct pki *p, const char *name, const char *suffix)
{
	char *path = xasprintf("%s/%s.%s", p->dir, name, suffix);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	free(path);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int
write_pair(const struct pki *p, const char *name, X509 *cert, EVP_PKEY *key)
{
	FILE *f = create(p, name, "pem");
	int ok = f != NULL && PEM_write_X509(f, cert) == 1;

	if (f != NULL && fclose(f) != 0)
		ok = 0;
	f = create(p, name, "key");
	ok = ok && f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
	if (f != NULL && fclose(f) != 0)
		ok = 0;
	return ok ? 0 : -EIO;
}

struct pki *
pki_new(const char *dir, char *why, size_t n)
{
	struct pki *p = xcalloc(1, sizeof *p);

	p->dir = xasprintf("%s/pki", dir);
	p->key = EVP_EC_gen("P-256");
	p->ca = p->key != NULL ? begin(p, p->key, "load CA") : NULL;
	if ((mkdir(p->dir, 0700) != 0 && errno != EEXIST) || p->ca == NULL ||
	    add_extension(p->ca, p->ca, NID_basic_constraints, "critical,CA:true,pathlen:0") != 0 ||
	    add_extension(p->ca, p->ca, NID_key_usage, "critical,keyCertSign,cRLSign") != 0 ||
	    add_extension(p->ca, p->ca, NID_subject_key_identifier, "hash") != 0 ||
	    X509_sign(p->ca, p->key, EVP_sha256()) == 0 || write_pair(p, "ca", p->ca, p->key) != 0) {
		snprintf(why, n, "%s: no authority can be made", p->dir);
		pki_free(p);
		return NULL;
	}
	return p;
}

int
pki_issue(struct pki *p, const char *name, const char *role, const char *id, const char *address)
{
	char *san = address == NULL ? xasprintf("URI:linkwatch://%s/%s", role, id) :
	    xasprintf("URI:linkwatch://%s/%s,IP:%s", role, id, address);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key != NULL ? begin(p, key, id) : NULL;
	int r = -EIO;

	if (cert != NULL &&
	    add_extension(cert, p->ca, NID_basic_constraints, "critical,CA:false") == 0 &&
	    add_extension(cert, p->ca, NID_key_usage, "critical,digitalSignature") == 0 &&
	    add_extension(cert, p->ca, NID_ext_key_usage, address != NULL ? "serverAuth" : "clientAuth") == 0 &&
	    add_extension(cert, p->ca, NID_subject_key_identifier, "hash") == 0 &&
	    add_extension(cert, p->ca, NID_authority_key_identifier, "keyid") == 0 &&
	    add_extension(cert, p->ca, NID_subject_alt_name, san) == 0 &&
	    X509_sign(cert, p->key, EVP_sha256()) != 0)
		r = write_pair(p, name, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	free(san);
	return r;
}

void
pki_free(struct pki *p)
{
	if (p == NULL)
		return;
	X509_free(p->ca);
	EVP_PKEY_free(p->key);
	free(p->dir);
	free(p);
}
