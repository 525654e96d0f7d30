/*
 * identity.h - who a peer is: the URI in its certificate's subjectAltName.
 *
 *   linkwatch://agent/ID   linkwatch://collector/ID   linkwatch://alertd/ID
 *
 * The only function of the product that turns a certificate into a name; the
 * CN is never looked at.  Exactly one linkwatch: URI must stand in the
 * certificate; a NUL inside, upper case, a wildcard or anything behind the id
 * make it invalid.
 */
#pragma once

#include "common/model.h"

enum role { ROLE_NOBODY = 0, ROLE_AGENT = 1, ROLE_COLLECTOR = 2, ROLE_ALERTD = 3 };

struct identity {
	enum role role;
	char id[ID_MAX + 1];
	int64_t not_after_ns;		/* of the certificate; 0 unknown */
};

struct x509_st;

/* 0 or -EINVAL (why gets a line of at most n bytes). */
int identity_from_cert(struct x509_st *cert, struct identity *out, char *why, size_t n);
/* Parses one URI; len given because certificates may hold NULs. */
int identity_parse(const char *uri, size_t len, struct identity *out);
const char *role_name(enum role);
