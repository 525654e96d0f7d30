/*
 * test_frame.c - the eight bytes in front of every message, at their limits.
 */
#include "common/frame.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(round_trip)
{
	static const uint32_t sizes[] = { 0, 1, 255, 256, 65536, FRAME_MAX };
	uint8_t *p = malloc(FRAME_HEADER + FRAME_MAX);
	struct frame f;

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t n = FRAME_HEADER + sizes[i];

		frame_header(p, FRAME_BATCH, sizes[i]);
		ck_assert_int_eq(frame_parse(p, n, &f), (ssize_t)n);
		ck_assert_uint_eq(f.type, FRAME_BATCH);
		ck_assert_uint_eq(f.version, FRAME_VERSION);
		ck_assert_uint_eq(f.len, sizes[i]);
		ck_assert_ptr_eq(f.payload, p + FRAME_HEADER);
		ck_assert_int_eq(frame_parse(p, FRAME_HEADER + FRAME_MAX, &f), (ssize_t)n);
		for (size_t cut = 0; cut < n; cut += cut < 20 ? 1 : 1000)
			ck_assert_int_eq(frame_parse(p, cut, &f), 0);
	}
	free(p);
}
END_TEST

/* F04, F06: judged by the first four bytes. */
START_TEST(bounds_length)
{
	static const uint32_t bad[] = { FRAME_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff };
	uint8_t p[16] = { 0 };
	struct frame f;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		frame_header(p, 1, bad[i]);
		for (size_t n = 0; n < 4; n++)
			ck_assert_int_eq(frame_parse(p, n, &f), 0);
		for (size_t n = 4; n <= sizeof p; n++)	/* known as soon as it was sent */
			ck_assert_int_eq(frame_parse(p, n, &f), -EMSGSIZE);
	}
}
END_TEST

/* F02, F12 (there is no checksum: TLS has it). */
START_TEST(refuses_what_is_no_frame)
{
	uint8_t p[16];
	struct frame f;

	for (int i = 4; i < 8; i++) {
		frame_header(p, 9, 4);
		p[i] = i < 6 ? 0 : 1;
		ck_assert_int_eq(frame_parse(p, sizeof p, &f), -EPROTO);
		ck_assert_ptr_null(f.payload);
	}
	frame_header(p, 255, 4);	/* unknown types are the session's business */
	p[5] = 77;
	ck_assert_int_eq(frame_parse(p, sizeof p, &f), 12);
	ck_assert_uint_eq(f.version, 77);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(frame_type_name(FRAME_HELLO), "hello");
	ck_assert_str_eq(frame_type_name(FRAME_RELOAD_RESULT), "reload-result");
	for (int t = 0; t < 256; t++)
		ck_assert_ptr_nonnull(frame_type_name((uint8_t)t));
	ck_assert_str_eq(frame_type_name(0), "?");
	ck_assert_str_eq(frame_type_name(255), "?");
	for (uint32_t c = 1; c <= REFUSE_RATE; c++)
		ck_assert_str_ne(refusal_name(c), "?");
	ck_assert_str_eq(refusal_name(0), "?");
	ck_assert_str_eq(refusal_name(UINT32_MAX), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, bounds_length);
	tcase_add_test(tc, refuses_what_is_no_frame);
	tcase_add_test(tc, names);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
