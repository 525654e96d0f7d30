/*
 * fuzz_identity.c - a URI as it may stand in a certificate, then the same bytes
 * as a whole certificate.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int r, const struct identity *id)
{
	if (r != 0) {
		assert(id->role == ROLE_NOBODY && id->id[0] == '\0');
		return;
	}
	assert(id->role >= ROLE_AGENT && id->role <= ROLE_ALERTD);
	assert(id_is_valid(id->id));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity id;
	const uint8_t *p = data;
	char why[200] = "";
	X509 *cert;
	int r;

	r = identity_parse((const char *)data, size, &id);
	check(r, &id);
	if (r == 0)			/* nothing but the name itself makes that name */
		assert(
		    size == strlen("linkwatch:///") + strlen(role_name(id.role)) + strlen(id.id));
	cert = d2i_X509(NULL, &p, (long)size);
	if (cert != NULL) {
		r = identity_from_cert(cert, &id, why, sizeof why);
		check(r, &id);
		assert((r == 0) == (why[0] == '\0'));
		for (const char *c = why; *c != '\0'; c++)
			assert((unsigned char)*c >= 0x20);
		X509_free(cert);
	}
	ERR_clear_error();
	return 0;
}
