/*
 * tls_resume.c - tickets, their keys, and a client's memory (see tls_resume.h).
 */
#include "common/tls_resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/crc32c.h"
#include "common/mem.h"
#include "common/tls.h"

#define TICKET_S (7 * 86400L)		/* the longest that RFC 8446 allows */
#define KEY_FRESH_NS (INT64_C(86400) * NS_PER_S)
#define KEY_GOOD_NS (KEY_FRESH_NS + TICKET_S * NS_PER_S)
#define KEYS 8				/* of eight days */
#define MEMORY 8			/* far sides that a client remembers */
#define KEY_NAME 16
#define FAR_MAX 200

struct ticket_key {
	int64_t made_ns;		/* wall time; 0: none */
	uint8_t name[KEY_NAME], aes[32], mac[32];
};

/* As kept in the file of tls_tickets_new(). */
struct key_file {
	char magic[8];
	struct ticket_key key[KEYS];	/* the newest first */
	uint32_t crc;			/* of all before it */
};

struct tls_tickets {
	int fd;				/* borrowed; -1: none */
	struct key_file f;
};

struct memory {
	char far[FAR_MAX];
	SSL_SESSION *session;		/* owned; NULL: free */
	int64_t until_ns;
};

struct resume {				/* of one context */
	struct tls_tickets *tickets;	/* borrowed; a server's */
	uint8_t trust[32];		/* digest of its CA certificates and CRLs */
	int64_t lists_until_ns;		/* the earliest nextUpdate of its CRLs */
	struct memory memory[MEMORY];	/* a client's; the last used first */
};

/* ------------------------------------------------------------ of a context */

static void
free_resume(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct resume *r = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (r == NULL)
		return;
	for (size_t i = 0; i < MEMORY; i++)
		SSL_SESSION_free(r->memory[i].session);
	free(r);
}

/* OpenSSL's number for what we hang on a context; contexts are made by one thread. */
static int
ex_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_resume);
	return index;
}

static struct resume *
resume_of(const SSL_CTX *ctx)
{
	return SSL_CTX_get_ex_data(ctx, ex_index());
}

/* ns since 1970; INT64_MAX for none; 0 for a time that cannot be read. */
static int64_t
time_ns(const ASN1_TIME *t)
{
	struct tm tm;

	if (t == NULL)
		return INT64_MAX;
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return timegm(&tm) < INT64_MAX / NS_PER_S ? timegm(&tm) * NS_PER_S : INT64_MAX;
}

/* Whom the context believes: a digest of each certificate and list in its store. */
static int
digest_trust(SSL_CTX *ctx, uint8_t out[32], int64_t *until_ns)
{
	STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	int ok = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1;

	*until_ns = INT64_MAX;
	for (int i = 0; ok && i < sk_X509_OBJECT_num(all); i++) {
		X509_OBJECT *o = sk_X509_OBJECT_value(all, i);
		X509_CRL *crl = X509_OBJECT_get0_X509_CRL(o);
		X509 *cert = X509_OBJECT_get0_X509(o);
		uint8_t one[32];

		ok = (crl != NULL ? X509_CRL_digest(crl, EVP_sha256(), one, NULL) :
		    X509_digest(cert, EVP_sha256(), one, NULL)) == 1 &&
		    EVP_DigestUpdate(sum, one, sizeof one) == 1;
		if (crl != NULL && time_ns(X509_CRL_get0_nextUpdate(crl)) < *until_ns)
			*until_ns = time_ns(X509_CRL_get0_nextUpdate(crl));
	}
	ok = ok && EVP_DigestFinal_ex(sum, out, NULL) == 1;
	EVP_MD_CTX_free(sum);
	return ok ? 0 : -ENOMEM;
}

/* The peer of a full handshake is proven until then: by each certificate of its chain and each list. */
static int64_t
proven_until(SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	int64_t until = resume_of(SSL_get_SSL_CTX(ssl))->lists_until_ns;

	if (chain == NULL || sk_X509_num(chain) == 0)
		return 0;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t t = time_ns(X509_get0_notAfter(sk_X509_value(chain, i)));

		until = t < until ? t : until;
	}
	return until;
}

/* ------------------------------------------------------------- the client's */

static struct memory *
recall(struct resume *r, const char *far)
{
	for (size_t i = 0; i < MEMORY; i++)
		if (r->memory[i].session != NULL && strcmp(r->memory[i].far, far) == 0)
			return &r->memory[i];
	return NULL;
}

/* The server gave a ticket.  1: the session is ours now. */
static int
on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct resume *r = resume_of(SSL_get_SSL_CTX(ssl));
	const char *far = tls_resume_key(ssl);
	struct memory *m, fresh;

	if (r == NULL || far == NULL || strlen(far) >= FAR_MAX)
		return 0;
	m = recall(r, far);
	if (SSL_session_reused(ssl) && m == NULL)
		return 0;		/* forgotten meanwhile */
	fresh = (struct memory){ .session = session,
		.until_ns = SSL_session_reused(ssl) ? m->until_ns : proven_until(ssl) };
	memcpy(fresh.far, far, strlen(far) + 1);
	if (m == NULL)
		m = &r->memory[MEMORY - 1];
	SSL_SESSION_free(m->session);
	memmove(r->memory + 1, r->memory, (size_t)(m - r->memory) * sizeof *m);
	r->memory[0] = fresh;
	return 1;
}

void
tls_resume_offer(SSL *ssl, const char *far)
{
	struct resume *r = resume_of(SSL_get_SSL_CTX(ssl));
	struct memory *m = r != NULL ? recall(r, far) : NULL;

	if (m == NULL)
		return;
	if (clock_wall(clock_real()).ns >= m->until_ns)
		tls_resume_forget(SSL_get_SSL_CTX(ssl), far);
	else
		SSL_set_session(ssl, m->session);
}

void
tls_resume_forget(SSL_CTX *ctx, const char *far)
{
	struct resume *r = resume_of(ctx);
	struct memory *m = r != NULL ? recall(r, far) : NULL;

	if (m == NULL)
		return;
	SSL_SESSION_free(m->session);
	*m = (struct memory){ 0 };
}

/* ------------------------------------------------------------- ticket keys */

static uint32_t
file_crc(const struct key_file *f)
{
	return crc32c(0, f, offsetof(struct key_file, crc));
}

struct tls_tickets *
tls_tickets_new(int fd)
{
	struct tls_tickets *t = xcalloc(1, sizeof *t);

	t->fd = fd;
	if (fd >= 0 && pread(fd, &t->f, sizeof t->f, 0) == (ssize_t)sizeof t->f &&
	    memcmp(t->f.magic, "LWTKEYS1", sizeof t->f.magic) == 0 && file_crc(&t->f) == t->f.crc)
		return t;
	memset(&t->f, 0, sizeof t->f);
	memcpy(t->f.magic, "LWTKEYS1", sizeof t->f.magic);
	return t;
}

void
tls_tickets_free(struct tls_tickets *t)
{
	if (t == NULL)
		return;
	OPENSSL_cleanse(&t->f, sizeof t->f);
	free(t);
}

/* The key that seals now; NULL if there is no randomness. */
static const struct ticket_key *
key_now(struct tls_tickets *t)
{
	int64_t now = clock_wall(clock_real()).ns;
	struct ticket_key k = { .made_ns = now };

	/* A clock that was set back makes a new one too: no key is young for ever. */
	if (t->f.key[0].made_ns != 0 && now >= t->f.key[0].made_ns &&
	    now - t->f.key[0].made_ns < KEY_FRESH_NS)
		return &t->f.key[0];
	if (RAND_bytes(k.name, sizeof k.name) != 1 || RAND_priv_bytes(k.aes, sizeof k.aes) != 1 ||
	    RAND_priv_bytes(k.mac, sizeof k.mac) != 1)
		return NULL;
	memmove(t->f.key + 1, t->f.key, (KEYS - 1) * sizeof k);
	t->f.key[0] = k;
	OPENSSL_cleanse(&k, sizeof k);
	t->f.crc = file_crc(&t->f);
	/* If it cannot be kept, a successor starts with full handshakes. */
	if (t->fd >= 0 && pwrite(t->fd, &t->f, sizeof t->f, 0) != (ssize_t)sizeof t->f)
		t->fd = -1;
	return &t->f.key[0];
}

static const struct ticket_key *
key_named(const struct tls_tickets *t, const uint8_t name[KEY_NAME])
{
	int64_t now = clock_wall(clock_real()).ns;

	for (size_t i = 0; i < KEYS; i++) {
		const struct ticket_key *k = &t->f.key[i];

		if (k->made_ns != 0 && now - k->made_ns < KEY_GOOD_NS &&
		    memcmp(k->name, name, KEY_NAME) == 0)
			return k;
	}
	return NULL;
}

/* Keys cipher and MAC for one ticket. 1; 0: no such key (a full handshake follows); -1: no ticket. */
static int
on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int enc)
{
	struct tls_tickets *t = resume_of(SSL_get_SSL_CTX(ssl))->tickets;
	const struct ticket_key *k = enc ? key_now(t) : key_named(t, name);
	OSSL_PARAM param[3];

	if (k == NULL)
		return enc ? -1 : 0;
	if (enc) {
		memcpy(name, k->name, KEY_NAME);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
	}
	param[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->mac,
	    sizeof k->mac);
	param[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
	param[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, param) != 1 ||
	    EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv, enc) != 1)
		return -1;
	return 1;
}

/* ------------------------------------------------------------- the server's */

/* A ticket is about to be written: it says how long the proof holds. */
static int
on_make_ticket(SSL *ssl, void *arg)
{
	int64_t until;

	(void)arg;
	if (SSL_session_reused(ssl))
		return 1;		/* it has the one of its full handshake */
	until = proven_until(ssl);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &until, sizeof until);
}

static SSL_TICKET_RETURN
on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t len,
    SSL_TICKET_STATUS status, void *arg)
{
	int64_t until = 0;
	void *data;
	size_t n;

	(void)ssl, (void)name, (void)len, (void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) == 1 && n == sizeof until)
		memcpy(&until, data, sizeof until);
	return clock_wall(clock_real()).ns < until ? SSL_TICKET_RETURN_USE_RENEW :
	    SSL_TICKET_RETURN_IGNORE_RENEW;
}

int
tls_resume_init(SSL_CTX *ctx, bool server)
{
	struct resume *r = xcalloc(1, sizeof *r);

	if (SSL_CTX_set_ex_data(ctx, ex_index(), r) != 1) {
		free(r);
		return -ENOMEM;
	}
	/* OpenSSL itself ignores a ticket of another session context. */
	if (digest_trust(ctx, r->trust, &r->lists_until_ns) != 0 ||
	    SSL_CTX_set_session_id_context(ctx, r->trust, sizeof r->trust) != 1)
		return -ENOMEM;
	if (!server) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	}
	return 0;
}

bool
tls_resume_same_trust(const SSL_CTX *a, const SSL_CTX *b)
{
	return memcmp(resume_of(a)->trust, resume_of(b)->trust, sizeof resume_of(a)->trust) == 0;
}

void
tls_context_tickets(struct ssl_ctx_st *ctx, struct tls_tickets *tickets)
{
	resume_of(ctx)->tickets = tickets;
	SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_timeout(ctx, TICKET_S);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key);
	SSL_CTX_set_session_ticket_cb(ctx, on_make_ticket, on_ticket, NULL);
}
