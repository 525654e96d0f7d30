/*
 * snmp_usm.c - keys, MACs and ciphers by OpenSSL.
 */
#include "agent/snmp_usm.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "common/agent_conf.h"

#define STRETCH (1024 * 1024)		/* bytes of repeated pass phrase in a master key */
#define SALT 8
#define IV 16
#define MAC_MAX 48
#define DES_BLOCK 8

/* ---------------------------------------------------------------- protocols */

static const EVP_MD *
digest(int auth)
{
	switch (auth) {
	case SNMP_AUTH_MD5:
		return EVP_md5();
	case SNMP_AUTH_SHA1:
		return EVP_sha1();
	case SNMP_AUTH_SHA224:
		return EVP_sha224();
	case SNMP_AUTH_SHA256:
		return EVP_sha256();
	case SNMP_AUTH_SHA384:
		return EVP_sha384();
	case SNMP_AUTH_SHA512:
		return EVP_sha512();
	}
	return NULL;
}

/* Bytes of the hash that a message carries. */
static size_t
mac_len(int auth)
{
	switch (auth) {
	case SNMP_AUTH_SHA224:
		return 16;
	case SNMP_AUTH_SHA256:
		return 24;
	case SNMP_AUTH_SHA384:
		return 32;
	case SNMP_AUTH_SHA512:
		return MAC_MAX;
	}
	return 12;
}

static size_t
priv_key_len(int priv)
{
	return priv == SNMP_PRIV_AES192 ? 24 : priv == SNMP_PRIV_AES256 ? 32 : 16;
}

/* DES is triple DES with one key: that needs no legacy provider. */
static const EVP_CIPHER *
cipher(int priv)
{
	switch (priv) {
	case SNMP_PRIV_DES:
		return EVP_des_ede3_cbc();
	case SNMP_PRIV_AES128:
		return EVP_aes_128_cfb128();
	case SNMP_PRIV_AES192:
		return EVP_aes_192_cfb128();
	case SNMP_PRIV_AES256:
		return EVP_aes_256_cfb128();
	}
	return NULL;
}

/* --------------------------------------------------------------------- keys */

int
snmp_usm_master(int auth, const char *phrase, struct snmp_key *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = strlen(phrase), at = 0;
	unsigned n = 0;
	uint8_t block[64];
	bool good = ctx != NULL && len > 0 && digest(auth) != NULL &&
	    EVP_DigestInit_ex(ctx, digest(auth), NULL) == 1;

	for (size_t done = 0; good && done < STRETCH; done += sizeof block) {
		for (size_t i = 0; i < sizeof block; i++, at = at + 1 < len ? at + 1 : 0)
			block[i] = (uint8_t)phrase[at];
		good = EVP_DigestUpdate(ctx, block, sizeof block) == 1;
	}
	good = good && EVP_DigestFinal_ex(ctx, out->bytes, &n) == 1;
	out->len = n;
	EVP_MD_CTX_free(ctx);
	OPENSSL_cleanse(block, sizeof block);
	return good ? 0 : -EINVAL;
}

int
snmp_usm_local(int auth, const struct snmp_key *master, const struct snmp_engine *engine,
    struct snmp_key *out)
{
	uint8_t text[2 * SNMP_KEY_MAX + SNMP_ENGINE_MAX];
	unsigned n = 0;
	size_t len = master->len;
	bool good;

	memcpy(text, master->bytes, len);
	memcpy(text + len, engine->id, engine->len);
	memcpy(text + len + engine->len, master->bytes, len);
	good = digest(auth) != NULL &&
	    EVP_Digest(text, 2 * len + engine->len, out->bytes, &n, digest(auth), NULL) == 1;
	OPENSSL_cleanse(text, sizeof text);
	out->len = n;
	return good ? 0 : -EINVAL;
}

int
snmp_usm_local_priv(int auth, int priv, const struct snmp_key *master,
    const struct snmp_engine *engine, struct snmp_key *out)
{
	size_t want = priv_key_len(priv);
	uint8_t more[SNMP_KEY_MAX];
	unsigned n = 0;

	if (snmp_usm_local(auth, master, engine, out) != 0)
		return -EINVAL;
	while (out->len < want) {	/* too short a hash is lengthened by its own hash */
		if (EVP_Digest(out->bytes, out->len, more, &n, digest(auth), NULL) != 1)
			return -EINVAL;
		if (n > sizeof out->bytes - out->len)
			n = (unsigned)(sizeof out->bytes - out->len);
		memcpy(out->bytes + out->len, more, n);
		out->len += n;
	}
	OPENSSL_cleanse(more, sizeof more);
	out->len = want;
	return 0;
}

/* --------------------------------------------------------------- encryption */

static void
put_u32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* text of n bytes into out, in whole blocks for DES.  0 or -EBADMSG. */
static int
crypt_text(const struct snmp_seal *seal, const struct snmp_engine *engine, const uint8_t salt[SALT],
    bool encrypt, const uint8_t *text, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[IV], key[32];
	int len = 0;
	bool good;

	if (seal->priv == SNMP_PRIV_DES) {
		for (unsigned i = 0; i < SALT; i++)
			iv[i] = seal->priv_key.bytes[8 + i] ^ salt[i];
		for (unsigned i = 0; i < 3; i++)
			memcpy(key + 8 * i, seal->priv_key.bytes, 8);
	} else {
		put_u32(iv, engine->boots);
		put_u32(iv + 4, engine->time);
		memcpy(iv + 8, salt, SALT);
		memcpy(key, seal->priv_key.bytes, sizeof key);
	}
	good = ctx != NULL && cipher(seal->priv) != NULL &&
	    EVP_CipherInit_ex(ctx, cipher(seal->priv), NULL, key, iv, encrypt) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	    EVP_CipherUpdate(ctx, out, &len, text, (int)n) == 1 && (size_t)len == n;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(key, sizeof key);
	return good ? 0 : -EBADMSG;
}

/* Puts the scoped PDU, encrypted if seal says so. */
static int
put_scoped(struct ber_out *o, const struct snmp_seal *seal, const struct snmp_request *r,
    const uint8_t salt[SALT])
{
	const char *context = seal->context != NULL ? seal->context : "";
	uint8_t plain[2048], secret[sizeof plain];
	struct ber_out in;
	const uint8_t *end;
	size_t n;

	ber_out_init(&in, plain, sizeof plain - DES_BLOCK);	/* room for DES behind it */
	end = in.p;
	snmp_put_pdu(&in, r);
	ber_put_string(&in, context, strlen(context));
	ber_put_string(&in, seal->engine.id, seal->engine.len);
	ber_head(&in, BER_SEQUENCE, end);
	n = (size_t)(end - in.p);
	if (in.full)
		return -EMSGSIZE;
	if (seal->priv == SNMP_PRIV_NONE) {
		ber_put(o, in.p, n);
		return 0;
	}
	memset(plain + sizeof plain - DES_BLOCK, 0, DES_BLOCK);
	if (seal->priv == SNMP_PRIV_DES)
		n = (n + DES_BLOCK - 1) / DES_BLOCK * DES_BLOCK;
	if (crypt_text(seal, &seal->engine, salt, true, in.p, n, secret) != 0)
		return -EINVAL;
	ber_put_string(o, secret, n);
	return 0;
}

static bool
mac_of(const struct snmp_seal *seal, const uint8_t *text, size_t n, uint8_t out[EVP_MAX_MD_SIZE])
{
	unsigned len = 0;

	return digest(seal->auth) != NULL && HMAC(digest(seal->auth), seal->auth_key.bytes,
	    (int)seal->auth_key.len, text, n, out, &len) != NULL && len >= mac_len(seal->auth);
}

/* The security parameters, with room for the MAC, to which the result points. */
static uint8_t *
put_security(struct ber_out *o, const struct snmp_seal *seal, const uint8_t salt[SALT])
{
	static const uint8_t zero[MAC_MAX];
	const uint8_t *end = o->p;
	uint8_t *mac;

	ber_put_string(o, salt, seal->priv != SNMP_PRIV_NONE ? SALT : 0);
	ber_put_string(o, zero, seal->auth != SNMP_AUTH_NONE ? mac_len(seal->auth) : 0);
	mac = o->p + 2;			/* behind its header */
	ber_put_string(o, seal->user, strlen(seal->user));
	ber_put_number(o, seal->engine.time);
	ber_put_number(o, seal->engine.boots);
	ber_put_string(o, seal->engine.id, seal->engine.len);
	ber_head(o, BER_SEQUENCE, end);
	ber_head(o, BER_STRING, end);
	return mac;
}

int
snmp_usm_put(struct ber_out *o, const struct snmp_seal *seal, const struct snmp_request *r,
    uint64_t salt)
{
	uint8_t flags = SNMP_FLAG_REPORT | (seal->auth != SNMP_AUTH_NONE ? SNMP_FLAG_AUTH : 0) |
	    (seal->priv != SNMP_PRIV_NONE ? SNMP_FLAG_PRIV : 0);
	uint8_t salt_text[SALT], mac[EVP_MAX_MD_SIZE], *at;
	const uint8_t *end = o->p, *header;
	int rc;

	put_u32(salt_text, seal->priv == SNMP_PRIV_DES ? seal->engine.boots :
	    (uint32_t)(salt >> 32));
	put_u32(salt_text + 4, (uint32_t)salt);
	rc = put_scoped(o, seal, r, salt_text);
	if (rc != 0)
		return rc;
	at = put_security(o, seal, salt_text);
	header = o->p;
	ber_put_number(o, 3);
	ber_put_string(o, &flags, 1);
	ber_put_number(o, SNMP_ANSWER_MAX);
	ber_put_number(o, r->id);
	ber_head(o, BER_SEQUENCE, header);
	ber_put_number(o, 3);
	ber_head(o, BER_SEQUENCE, end);
	if (o->full)
		return -EMSGSIZE;
	if (seal->auth == SNMP_AUTH_NONE)
		return 0;
	if (!mac_of(seal, o->p, (size_t)(end - o->p), mac))
		return -EINVAL;
	memcpy(at, mac, mac_len(seal->auth));
	return 0;
}

/* ------------------------------------------------------------------ opening */

static bool
mac_is_right(const struct snmp_seal *seal, uint8_t *text, size_t n, struct ber_in at)
{
	uint8_t said[MAC_MAX], mac[EVP_MAX_MD_SIZE];
	size_t len = mac_len(seal->auth);

	if (seal->auth == SNMP_AUTH_NONE || (size_t)(at.end - at.p) != len)
		return false;
	memcpy(said, at.p, len);
	memset(text + (at.p - text), 0, len);	/* it is reckoned over zeros in its place */
	return mac_of(seal, text, n, mac) && CRYPTO_memcmp(said, mac, len) == 0;
}

int
snmp_usm_take(const struct snmp_seal *seal, uint8_t *text, size_t n, const struct snmp_v3 *v3,
    struct snmp_answer *out)
{
	size_t len = (size_t)(v3->data.end - v3->data.p);
	uint8_t *data = text + (v3->data.p - text);

	if ((v3->flags & SNMP_FLAG_AUTH) != 0) {
		if (v3->engine.len != seal->engine.len ||
		    memcmp(v3->engine.id, seal->engine.id, seal->engine.len) != 0 ||
		    !mac_is_right(seal, text, n, v3->mac))
			return -EACCES;
	}
	if ((v3->flags & SNMP_FLAG_PRIV) != 0) {
		if ((v3->flags & SNMP_FLAG_AUTH) == 0 || v3->salt.end - v3->salt.p != SALT ||
		    (seal->priv == SNMP_PRIV_DES && len % DES_BLOCK != 0) || len == 0 ||
		    crypt_text(seal, &v3->engine, v3->salt.p, false, data, len, data) != 0)
			return -EBADMSG;
	}
	return snmp_take_scoped(v3->data, out);
}
