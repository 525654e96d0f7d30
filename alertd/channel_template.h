/*
 * channel_template.h - placeholders in what is sent to a gateway (pure).
 *
 * {phone} {text} {key} {user} {password} are replaced; everything else,
 * braces of JSON too, stays as it is.  Each value is escaped for the place
 * where the template stands, so that no text can leave its string.
 */
#pragma once

#include <stddef.h>

enum template_escape {
	ESCAPE_NONE = 0,		/* text/plain */
	ESCAPE_URL,			/* percent-encoding: also of forms */
	ESCAPE_JSON,			/* inside a JSON string */
	ESCAPE_XML,			/* inside XML text or an attribute */
	ESCAPE_HEADER,			/* control characters are left out */
};

struct template_values { const char *phone, *text, *key, *user, *password; };

/* malloc'd. */
char *template_expand(const char *template, const struct template_values *, enum template_escape);
/* s escaped; malloc'd. */
char *template_escape(const char *s, enum template_escape);
/* How values in a body of this Content-Type are escaped (NULL: a form's). */
enum template_escape template_escape_for(const char *content_type);
