/*
 * channel_template.c - see channel_template.h.
 */
#include "alertd/channel_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

struct out { char *p; size_t n, size; };

static void
put(struct out *o, const char *s, size_t n)
{
	if (o->n + n + 1 > o->size) {
		o->size = (o->n + n + 1) * 2;
		o->p = xreallocarray(o->p, o->size, 1);
	}
	memcpy(o->p + o->n, s, n);
	o->n += n;
	o->p[o->n] = '\0';
}

static void
put_format(struct out *o, const char *format, unsigned byte)
{
	char buf[8];

	snprintf(buf, sizeof(buf), format[0] == '%' ? "%%%02X" : "\\u%04x", byte);
	put(o, buf, strlen(buf));
}

static int
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void
put_json(struct out *o, unsigned char c)
{
	char pair[2] = { '\\', (char)c };

	if (c == '"' || c == '\\')
		put(o, pair, 2);
	else if (c < 0x20 || c == 0x7f)
		put_format(o, "u", c);
	else
		put(o, (char *)&c, 1);
}

static void
put_xml(struct out *o, unsigned char c)
{
	static const struct { char c; const char *entity; } entities[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" },
		{ '\'', "&#39;" },
	};

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		if (entities[i].c == (char)c) {
			put(o, entities[i].entity, strlen(entities[i].entity));
			return;
		}
	}
	if (c >= 0x20 || c == '\n' || c == '\t')	/* others cannot stand in XML at all */
		put(o, (char *)&c, 1);
}

static void
put_escaped(struct out *o, const char *s, enum template_escape how)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (how == ESCAPE_JSON)
			put_json(o, c);
		else if (how == ESCAPE_XML)
			put_xml(o, c);
		else if (how == ESCAPE_URL && !is_unreserved(c))
			put_format(o, "%", c);
		else if (how != ESCAPE_HEADER || (c >= 0x20 && c != 0x7f))
			put(o, s, 1);
	}
}

char *
template_escape(const char *s, enum template_escape how)
{
	struct out o = { 0 };

	put(&o, "", 0);
	put_escaped(&o, s, how);
	return o.p;
}

char *
template_expand(const char *template, const struct template_values *v, enum template_escape how)
{
	const struct { const char *name, *value; } known[] = {
		{ "{phone}", v->phone }, { "{text}", v->text }, { "{key}", v->key },
		{ "{user}", v->user }, { "{password}", v->password },
	};
	struct out o = { 0 };

	put(&o, "", 0);
	while (*template != '\0') {
		size_t i, n = sizeof(known) / sizeof(known[0]);
		for (i = 0; i < n; i++)
			if (strncmp(template, known[i].name, strlen(known[i].name)) == 0)
				break;
		if (i == n) {
			put(&o, template++, 1);
			continue;
		}
		put_escaped(&o, known[i].value == NULL ? "" : known[i].value, how);
		template += strlen(known[i].name);
	}
	return o.p;
}

enum template_escape
template_escape_for(const char *content_type)
{
	if (content_type == NULL || strcasestr(content_type, "urlencoded") != NULL)
		return ESCAPE_URL;
	if (strcasestr(content_type, "json") != NULL)
		return ESCAPE_JSON;
	if (strcasestr(content_type, "xml") != NULL)
		return ESCAPE_XML;
	return ESCAPE_NONE;
}
