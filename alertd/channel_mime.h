/*
 * channel_mime.h - one mail, from head to last line (pure).
 *
 * Header fields are built from checked or encoded parts only: nothing that a
 * link's name or a person's note holds can add a field or end the head.
 */
#pragma once

#include <stdbool.h>

#include "common/clock.h"

struct mime_mail {
	const char *from, *from_name;	/* address; name may be NULL */
	const char *to;			/* address */
	const char *subject, *body;	/* UTF-8, any length; may be NULL */
	const char *key;		/* makes the Message-ID: the same for every attempt */
	const char *host;		/* right side of the Message-ID */
	struct wall date;
};

/* Is s one plain address (local@domain, ASCII, no comment, no quoting)? */
bool mime_address_is_valid(const char *s);
/*
 * The mail with CRLF line ends: Date, From, To, Subject (RFC 2047), Message-ID,
 * Auto-Submitted, base64 body in UTF-8.  malloc'd; NULL when an address is no address.
 */
char *mime_build(const struct mime_mail *);
