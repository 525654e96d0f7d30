/*
 * snmp_glob.c - matching with '*' and '?' (pure).
 *
 * Only the last '*' is ever tried again: what an earlier one took can be had
 * by the later one as well.
 */
#include "agent/snmp_glob.h"

/* Bytes of the character at p. */
static size_t
character(const uint8_t *p, const uint8_t *end)
{
	size_t want = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 1;
	size_t n = 1;

	while (n < want && p + n < end && (p[n] & 0xc0) == 0x80)
		n++;
	return n == want ? n : 1;
}

bool
snmp_glob(const char *pattern, const uint8_t *text, size_t n)
{
	const uint8_t *end = text + n, *from = NULL;
	const char *star = NULL;

	while (text < end) {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern == '?') {
			pattern++;
			text += character(text, end);
		} else if (*pattern != '\0' && (uint8_t)*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			from += character(from, end);
			text = from;
			pattern = star;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
