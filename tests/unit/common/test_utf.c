/*
 * test_utf.c - UTF-8 against a second decoder (iconv) and known lengths.
 */
#include "common/utf.h"

#include <check.h>
#include <iconv.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Does iconv take the bytes as UTF-8?  *cp: the first character. */
static bool
iconv_takes(iconv_t cd, const char *s, size_t n, uint32_t *cp)
{
	uint32_t out[8];
	char *in = (char *)(uintptr_t)s, *o = (char *)out;
	size_t left = n, room = sizeof(out);

	(void)iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &in, &left, &o, &room) == (size_t)-1 || left > 0)
		return false;
	*cp = out[0];
	return true;
}

static size_t
encode(uint32_t c, char *out)
{
	if (c < 0x80)
		return out[0] = (char)c, 1;
	if (c < 0x800)
		return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
	if (c < 0x10000)
		return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)),
		    out[2] = (char)(0x80 | (c & 63)), 3;
	return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)),
	    out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

START_TEST(test_all_characters)
{
	for (uint32_t c = 0; c < 0x120000; c++) {
		bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
		uint32_t got = 1;
		char s[4];
		size_t n = encode(c, s);

		ck_assert_uint_eq(utf_next(s, n, &got), good ? n : 0);
		if (good)
			ck_assert_uint_eq(got, c);
		for (size_t cut = 0; cut < n; cut++)
			ck_assert_uint_eq(utf_next(s, cut, &got), 0);
	}
}
END_TEST

/* All sequences of two bytes, and many of three and four, as iconv sees them. */
START_TEST(test_as_iconv)
{
	iconv_t cd = iconv_open("UTF-32LE", "UTF-8");
	uint64_t x = 88172645463325252ULL;
	uint32_t a = 0, b = 0;

	ck_assert(cd != (iconv_t)-1);
	for (uint32_t i = 0; i < 65536 + 300000; i++) {
		char s[4];
		size_t n = 2;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		s[0] = (char)(i < 65536 ? i >> 8 : 0xe0 | (x & 31));
		s[1] = (char)(i < 65536 ? i : 0x80 | (x >> 5 & 0x7f));
		s[2] = (char)(0x80 | (x >> 12 & 0x7f));
		s[3] = (char)(0x80 | (x >> 19 & 0x7f));
		if (i >= 65536)
			n = 3 + (x >> 40 & 1);
		ck_assert_msg(utf_is_valid(s, n) == iconv_takes(cd, s, n, &a),
		    "%02x %02x %02x %02x",
		    (unsigned char)s[0], (unsigned char)s[1], (unsigned char)s[2],
		    (unsigned char)s[3]);
		if (utf_is_valid(s, n)) {
			ck_assert_uint_gt(utf_next(s, n, &b), 0);
			ck_assert_uint_eq(a, b);
		}
	}
	iconv_close(cd);
}
END_TEST

START_TEST(test_units)
{
	ck_assert_uint_eq(utf_units(""), 0);
	ck_assert_uint_eq(utf_units("abc"), 3);
	ck_assert_uint_eq(utf_units("【云监管】二级故障3721:A云浦东外网专线中断,08:31起,丢包100%,请15分钟内确认,回复Y3721"), 55);
	ck_assert_uint_eq(utf_units("\xf0\x9f\x98\x80"), 2);	/* a surrogate pair */
	ck_assert_uint_eq(utf_units("a\xff\xe4\xb8"), 4);	/* invalid: one each */
}
END_TEST

START_TEST(test_cut)
{
	static const char s[] = "a云\xf0\x9f\x98\x80z";		/* 1, 3, 4, 1 bytes; 1, 1, 2,
	    1 units */

	ck_assert_uint_eq(utf_cut(s, 0), 0);
	ck_assert_uint_eq(utf_cut(s, 1), 1);
	ck_assert_uint_eq(utf_cut(s, 2), 4);
	ck_assert_uint_eq(utf_cut(s, 3), 4);		/* never half of a pair */
	ck_assert_uint_eq(utf_cut(s, 4), 8);
	ck_assert_uint_eq(utf_cut(s, 5), 9);
	ck_assert_uint_eq(utf_cut(s, SIZE_MAX), 9);
	ck_assert_uint_eq(utf_cut("\xff\xff\xff", 2), 2);
}
END_TEST

START_TEST(test_width)
{
	ck_assert_uint_eq(utf_width("abc"), 3);
	ck_assert_uint_eq(utf_width("浦东外网专线"), 12);
	ck_assert_uint_eq(utf_width("A云 ok"), 6);
	ck_assert_uint_eq(utf_width("e\xcc\x81"), 1);		/* combining acute */
	ck_assert_uint_eq(utf_width("\xf0\x9f\x98\x80"), 2);
	ck_assert_uint_eq(utf_width("，。「」"), 8);
	ck_assert_uint_eq(utf_width("ｱ"), 1);			/* half width */
	ck_assert_uint_eq(utf_width("Ａ"), 2);			/* full width */
	ck_assert_uint_eq(utf_width("\xff"), 1);
	ck_assert_uint_eq(utf_cut_width("浦东外网", 5), 6);
	ck_assert_uint_eq(utf_cut_width("a浦东", 2), 1);
	ck_assert_uint_eq(utf_cut_width("a浦东", 3), 4);
}
END_TEST

/* The C library agrees on what Chinese text is made of, whatever the locale of the caller. */
START_TEST(test_as_wcwidth)
{
	static const struct { uint32_t from, to; } blocks[] = {
		{ 0x20, 0x7e }, { 0xa1, 0xac }, { 0xc0, 0x2ff }, { 0x300, 0x36f }, { 0x391, 0x3a1 },
		{ 0x410, 0x44f }, { 0x2500, 0x257f }, { 0x3041, 0x3096 }, { 0x30a1, 0x30fa },
		{ 0x3105, 0x312f }, { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff }, { 0xac00, 0xd7a3 },
		{ 0xf900, 0xfa6d }, { 0xff01, 0xff60 }, { 0xff61, 0xff9f }, { 0xffe0, 0xffe6 },
		{ 0x1f600, 0x1f64f }, { 0x20000, 0x2a6df }, { 0x30000, 0x3134a },
	};

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		for (uint32_t c = blocks[i].from; c <= blocks[i].to; c++) {
			char s[5] = "";

			(void)encode(c, s);
			ck_assert_msg((int)utf_width(s) == wcwidth((wchar_t)c), "U+%04X: %zu, %d",
			    (unsigned)c, utf_width(s), wcwidth((wchar_t)c));
		}
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C"));
	ck_assert_uint_eq(utf_width("浦东"), 4);
}
END_TEST

START_TEST(test_lines)
{
	ck_assert(utf_is_line("浦东 line, ok: ~"));
	ck_assert(utf_is_line(""));
	ck_assert(!utf_is_line("a\nb"));
	ck_assert(!utf_is_line("a\tb"));
	ck_assert(!utf_is_line("a\x7f"));
	ck_assert(!utf_is_line("\xc2\x85"));		/* next line */
	ck_assert(!utf_is_line("\xe2\x80\xa8"));	/* line separator */
	ck_assert(!utf_is_line("\xe2\x80\xae"));	/* right to left */
	ck_assert(!utf_is_line("\xe2\x81\xa6"));
	ck_assert(!utf_is_line("\xef\xbb\xbf"));
	ck_assert(!utf_is_line("\xff"));
	ck_assert(utf_is_valid("a\0b", 3));
	ck_assert(!utf_is_valid("a\xc0\x80", 3));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("utf");
	TCase *t = tcase_create("utf");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_all_characters);
	tcase_add_test(t, test_as_iconv);
	tcase_add_test(t, test_units);
	tcase_add_test(t, test_cut);
	tcase_add_test(t, test_width);
	tcase_add_test(t, test_as_wcwidth);
	tcase_add_test(t, test_lines);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
