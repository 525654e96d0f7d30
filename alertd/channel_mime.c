/*
 * channel_mime.c - RFC 5322 head, RFC 2047 words, base64 body.
 */
#include "alertd/channel_mime.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "common/utf.h"

#define WORD_BYTES 45		/* of text in one encoded word: 60 characters of base64 */
#define LINE_BYTES 57		/* of body in one line: 76 characters */

struct text { char *p; size_t n, size; };

static void
put(struct text *t, const char *s, size_t n)
{
	if (t->n + n + 1 > t->size) {
		t->size = (t->n + n + 1) * 2;
		t->p = xreallocarray(t->p, t->size, 1);
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static void
puts_to(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void
put_base64(struct text *t, const char *s, size_t n)
{
	unsigned char out[4 * ((LINE_BYTES + 2) / 3) + 1];

	EVP_EncodeBlock(out, (const unsigned char *)s, (int)n);
	puts_to(t, (const char *)out);
}

static bool
is_atom(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-';
}

bool
mime_address_is_valid(const char *s)
{
	const char *at = s == NULL ? NULL : strchr(s, '@');

	if (at == NULL || at == s || at[1] == '\0' || at - s > 64 || strlen(at) > 254 ||
	    s[0] == '-' || at[1] == '-')
		return false;
	for (const char *p = s; p < at; p++)
		if (!is_atom(*p))
			return false;
	for (const char *p = at + 1; *p != '\0'; p++)
		if (!is_host_char(*p))
			return false;
	return true;
}

static bool
is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e || *s == '=' || *s == '"' || *s == '\\')
			return false;
	return true;
}

/* s as encoded words, each at most 75 columns, folded; control characters become spaces. */
static void
put_words(struct text *t, const char *s)
{
	size_t len = strlen(s), n = 0, i = 0;
	char chunk[WORD_BYTES];
	bool first = true;

	while (i <= len) {
		uint32_t cp = 0;
		size_t c = i < len ? utf_next(s + i, len - i, &cp) : 0;
		const char *from = s + i;
		if (i < len && (c == 0 || cp < 0x20 || cp == 0x7f))
			from = c == 0 ? "?" : " ", c = 1;
		if (n > 0 && (i == len || n + c > sizeof(chunk))) {
			puts_to(t, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
			put_base64(t, chunk, n);
			puts_to(t, "?=");
			first = false;
			n = 0;
		}
		if (i == len)
			break;
		memcpy(chunk + n, from, c);
		n += c;
		i += c;
	}
}

static void
put_subject(struct text *t, const char *s)
{
	puts_to(t, "Subject: ");
	if (is_plain(s) && strlen(s) <= 60)
		puts_to(t, s);
	else
		put_words(t, s);
	puts_to(t, "\r\n");
}

/* A body with CRLF line ends, in lines of 76 characters. */
static void
put_body(struct text *t, const char *s)
{
	struct text crlf = { 0 };

	put(&crlf, "", 0);
	for (; *s != '\0'; s++) {
		if (*s == '\r' && s[1] == '\n')
			continue;
		if (*s == '\n' || *s == '\r')
			puts_to(&crlf, "\r\n");
		else
			put(&crlf, s, 1);
	}
	if (crlf.n == 0 || crlf.p[crlf.n - 1] != '\n')
		puts_to(&crlf, "\r\n");
	for (size_t i = 0; i < crlf.n; i += LINE_BYTES) {
		put_base64(t, crlf.p + i, crlf.n - i < LINE_BYTES ? crlf.n - i : LINE_BYTES);
		puts_to(t, "\r\n");
	}
	free(crlf.p);
}

/* RFC 5322 date at UTC+8, without the locale. */
static void
put_date(struct text *t, struct wall at)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t s = (time_t)(at.ns / NS_PER_S) + 8 * 3600;
	struct tm tm;
	char line[64];

	gmtime_r(&s, &tm);
	snprintf(line, sizeof(line), "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0800\r\n",
	    days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	puts_to(t, line);
}

/* What a key may not have in a Message-ID becomes '.'. */
static void
put_message_id(struct text *t, const char *key, const char *host)
{
	puts_to(t, "Message-ID: <linkwatch.");
	for (size_t i = 0; key[i] != '\0' && i < 150; i++)
		put(t, is_host_char(key[i]) || key[i] == '_' ? &key[i] : ".", 1);
	puts_to(t, "@");
	for (size_t i = 0; host[i] != '\0' && i < 100; i++)
		put(t, is_host_char(host[i]) ? &host[i] : ".", 1);
	puts_to(t, ">\r\n");
}

char *
mime_build(const struct mime_mail *m)
{
	struct text t = { 0 };

	if (!mime_address_is_valid(m->from) || !mime_address_is_valid(m->to))
		return NULL;
	put_date(&t, m->date);
	puts_to(&t, "From: ");
	if (m->from_name != NULL && m->from_name[0] != '\0') {
		put_words(&t, m->from_name);
		puts_to(&t, " ");
	}
	puts_to(&t, "<");
	puts_to(&t, m->from);
	puts_to(&t, ">\r\nTo: <");
	puts_to(&t, m->to);
	puts_to(&t, ">\r\n");
	put_subject(&t, m->subject == NULL ? "" : m->subject);
	put_message_id(&t, m->key == NULL ? "" : m->key,
	    m->host == NULL || m->host[0] == '\0' ? "localhost" : m->host);
	puts_to(&t, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		    "Content-Type: text/plain; charset=UTF-8\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n");
	put_body(&t, m->body == NULL ? "" : m->body);
	return t.p;
}
