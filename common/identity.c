/*
 * identity.c - the one way from a certificate to a name (see identity.h).
 */
#include "common/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/log.h"

#define SCHEME "linkwatch:"

static const struct {
	const char *name;
	enum role role;
} roles[] = {
	{ "agent", ROLE_AGENT },
	{ "collector", ROLE_COLLECTOR },
	{ "alertd", ROLE_ALERTD },
};

const char *
role_name(enum role role)
{
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "nobody";
}

int
identity_parse(const char *uri, size_t len, struct identity *out)
{
	static const char prefix[] = SCHEME "//";
	const char *p = uri, *end = uri + len;
	size_t n;

	memset(out, 0, sizeof *out);
	if (len < sizeof prefix - 1 || memcmp(p, prefix, sizeof prefix - 1) != 0)
		return -EINVAL;
	p += sizeof prefix - 1;
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		n = strlen(roles[i].name);
		if ((size_t)(end - p) <= n + 1 || memcmp(p, roles[i].name, n) != 0 || p[n] != '/')
			continue;
		p += n + 1;
		n = (size_t)(end - p);
		if (n > ID_MAX || memchr(p, 0, n) != NULL)
			return -EINVAL;
		memcpy(out->id, p, n);
		if (!id_is_valid(out->id)) {
			memset(out, 0, sizeof *out);
			return -EINVAL;
		}
		out->role = roles[i].role;
		return 0;
	}
	return -EINVAL;
}

static int64_t
cert_not_after_ns(const X509 *cert)
{
	struct tm tm;
	time_t t;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return 0;
	t = timegm(&tm);
	if (t <= 0 || t > INT64_MAX / NS_PER_S)
		return 0;
	return (int64_t)t * NS_PER_S;
}

/* Finds the one linkwatch: URI among names. */
static int
identity_of_names(const GENERAL_NAMES *names, struct identity *out, char *why, size_t n)
{
	int found = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const char *uri;
		char text[160];
		size_t len;

		if (g->type != GEN_URI)
			continue;
		uri = (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier);
		len = (size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier);
		if (len < sizeof SCHEME - 1 || strncasecmp(uri, SCHEME, sizeof SCHEME - 1) != 0)
			continue;
		if (++found > 1) {
			snprintf(why, n, "certificate has more than one linkwatch: URI");
			return -EINVAL;
		}
		if (identity_parse(uri, len, out) != 0) {
			snprintf(why, n, "certificate's URI is no name of ours: %s",
			    log_escape(text, sizeof text, uri, len));
			return -EINVAL;
		}
	}
	if (found == 0) {
		snprintf(why, n, "certificate has no linkwatch: URI in subjectAltName");
		return -EINVAL;
	}
	return 0;
}

int
identity_from_cert(struct x509_st *cert, struct identity *out, char *why, size_t n)
{
	GENERAL_NAMES *names;
	int crit, r;

	memset(out, 0, sizeof *out);
	if (n > 0)
		why[0] = '\0';
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, &crit, NULL);
	if (names == NULL) {
		snprintf(why, n, crit == -1 ? "certificate has no subjectAltName" :
		    crit == -2 ? "certificate has more than one subjectAltName" :
		    "certificate has a malformed subjectAltName");
		return -EINVAL;
	}
	r = identity_of_names(names, out, why, n);
	GENERAL_NAMES_free(names);
	if (r != 0)
		memset(out, 0, sizeof *out);
	else
		out->not_after_ns = cert_not_after_ns(cert);
	return r;
}
