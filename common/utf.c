/*
 * utf.c - UTF-8: validity, length in UTF-16 units, width in columns (pure).
 */
#include "common/utf.h"

#include <string.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct range { uint32_t from, to; };

/* East Asian Width W and F of Unicode 15, joined over numbers that nothing has. */
static const struct range wide[] = {
	{ 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2329, 0x232a }, { 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 }, { 0x23f3, 0x23f3 }, { 0x25fd, 0x25fe }, { 0x2614, 0x2615 },
	{ 0x2648, 0x2653 }, { 0x267f, 0x267f }, { 0x2693, 0x2693 }, { 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab }, { 0x26bd, 0x26be }, { 0x26c4, 0x26c5 }, { 0x26ce, 0x26ce },
	{ 0x26d4, 0x26d4 }, { 0x26ea, 0x26ea }, { 0x26f2, 0x26f3 }, { 0x26f5, 0x26f5 },
	{ 0x26fa, 0x26fa }, { 0x26fd, 0x26fd }, { 0x2705, 0x2705 }, { 0x270a, 0x270b },
	{ 0x2728, 0x2728 }, { 0x274c, 0x274c }, { 0x274e, 0x274e }, { 0x2753, 0x2755 },
	{ 0x2757, 0x2757 }, { 0x2795, 0x2797 }, { 0x27b0, 0x27b0 }, { 0x27bf, 0x27bf },
	{ 0x2b1b, 0x2b1c }, { 0x2b50, 0x2b50 }, { 0x2b55, 0x2b55 }, { 0x2e80, 0x303e },
	{ 0x3041, 0x3247 }, { 0x3250, 0x4dbf }, { 0x4e00, 0xa4c6 }, { 0xa960, 0xa97c },
	{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe10, 0xfe19 }, { 0xfe30, 0xfe6b },
	{ 0xff01, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x16fe0, 0x1b2fb }, { 0x1f004, 0x1f004 },
	{ 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a }, { 0x1f200, 0x1f320 },
	{ 0x1f32d, 0x1f335 }, { 0x1f337, 0x1f37c }, { 0x1f37e, 0x1f393 }, { 0x1f3a0, 0x1f3ca },
	{ 0x1f3cf, 0x1f3d3 }, { 0x1f3e0, 0x1f3f0 }, { 0x1f3f4, 0x1f3f4 }, { 0x1f3f8, 0x1f43e },
	{ 0x1f440, 0x1f440 }, { 0x1f442, 0x1f4fc }, { 0x1f4ff, 0x1f53d }, { 0x1f54b, 0x1f54e },
	{ 0x1f550, 0x1f567 }, { 0x1f57a, 0x1f57a }, { 0x1f595, 0x1f596 }, { 0x1f5a4, 0x1f5a4 },
	{ 0x1f5fb, 0x1f64f }, { 0x1f680, 0x1f6c5 }, { 0x1f6cc, 0x1f6cc }, { 0x1f6d0, 0x1f6d2 },
	{ 0x1f6d5, 0x1f6df }, { 0x1f6eb, 0x1f6ec }, { 0x1f6f4, 0x1f6fc }, { 0x1f7e0, 0x1f7f0 },
	{ 0x1f90c, 0x1f93a }, { 0x1f93c, 0x1f945 }, { 0x1f947, 0x1f9ff }, { 0x1fa70, 0x1faf8 },
	{ 0x20000, 0x2fffd }, { 0x30000, 0x3fffd },
};

/* Marks that take no column, of the scripts that may meet us. */
static const struct range zero[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x064b, 0x065f },
	{ 0x0f71, 0x0f7e }, { 0x0f80, 0x0f84 }, { 0x1ab0, 0x1ace }, { 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x2064 }, { 0x2066, 0x206f },
	{ 0x20d0, 0x20f0 }, { 0x302a, 0x302d }, { 0x3099, 0x309a }, { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};

/* What would break a line or turn the order of what is read. */
static const struct range unprintable[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x061c, 0x061c }, { 0x200e, 0x200f },
	{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
};

static bool
in_ranges(const struct range *r, size_t n, uint32_t cp)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cp > r[mid].to)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && cp >= r[low].from;
}

size_t
utf_next(const char *s, size_t len, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	size_t n;

	if (len == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	n = (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0 || n > len)
		return 0;
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return n;
}

bool
utf_is_valid(const char *s, size_t len)
{
	uint32_t cp;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf_next(s + i, len - i, &cp);
		if (n == 0)
			return false;
	}
	return true;
}

bool
utf_is_printable(uint32_t cp)
{
	return !in_ranges(unprintable, LEN(unprintable), cp);
}

bool
utf_is_line(const char *s)
{
	size_t len = strlen(s);
	uint32_t cp;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf_next(s + i, len - i, &cp);
		if (n == 0 || !utf_is_printable(cp))
			return false;
	}
	return true;
}

/* As utf_next(), but an invalid byte is a character of its own. */
static size_t
lenient_next(const char *s, size_t len, uint32_t *cp)
{
	size_t n = utf_next(s, len, cp);

	if (n == 0) {
		*cp = 0xfffd;
		n = 1;
	}
	return n;
}

static size_t
units_of(uint32_t cp)
{
	return cp > 0xffff ? 2 : 1;
}

static size_t
width_of(uint32_t cp)
{
	if (in_ranges(zero, LEN(zero), cp))
		return 0;
	return in_ranges(wide, LEN(wide), cp) ? 2 : 1;
}

/* Bytes of the longest beginning whose weights sum to at most limit; the sum in *sum. */
static size_t
take(const char *s, size_t limit, size_t (*weight)(uint32_t), size_t *sum)
{
	size_t len = strlen(s), i = 0;
	uint32_t cp;

	*sum = 0;
	while (i < len) {
		size_t n = lenient_next(s + i, len - i, &cp), w = weight(cp);

		if (w > limit - *sum)
			break;
		*sum += w;
		i += n;
	}
	return i;
}

size_t
utf_units(const char *s)
{
	size_t sum;

	(void)take(s, SIZE_MAX, units_of, &sum);
	return sum;
}

size_t
utf_cut(const char *s, size_t units)
{
	size_t sum;

	return take(s, units, units_of, &sum);
}

size_t
utf_width(const char *s)
{
	size_t sum;

	(void)take(s, SIZE_MAX, width_of, &sum);
	return sum;
}

size_t
utf_cut_width(const char *s, size_t columns)
{
	size_t sum;

	return take(s, columns, width_of, &sum);
}
