/*
 * test_netmask.c - blocks of addresses.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/netmask.h"

START_TEST(good_ones)
{
	static const struct { const char *mask, *in, *out; } rows[] = {
		{ "192.0.2.7", "192.0.2.7", "192.0.2.8" },
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.1" },
		{ "10.16.0.0/13", "10.23.255.255", "10.24.0.0" },
		{ "0.0.0.0/0", "203.0.113.1", "::1" },
		{ "127.0.0.1", "::ffff:127.0.0.1", "::1" },
		{ "::1", "::1", "::2" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "::/0", "2001:db8::1", "192.0.2.1" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct netmask m;

		ck_assert_msg(netmask_parse(rows[i].mask, &m) == 0, "%s", rows[i].mask);
		ck_assert_msg(netmask_has(&m, rows[i].in), "%s in %s", rows[i].in, rows[i].mask);
		ck_assert_msg(!netmask_has(&m, rows[i].out), "%s in %s", rows[i].out, rows[i].mask);
		ck_assert(!netmask_has(&m, "?"));
		ck_assert(!netmask_has(&m, ""));
	}
}
END_TEST

START_TEST(bad_ones)
{
	static const char *const rows[] = {
		"", "/", "/8", "localhost", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
		"10.1.2.3/8", "10.0.0.128/24", "::1/129", "2001:db8::1/64", "10.0.0/8", " 10.0.0.1",
		"10.0.0.0/99999999999999999999", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1",
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct netmask m;

		ck_assert_msg(netmask_parse(rows[i], &m) == -EINVAL, "'%s'", rows[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netmask");
	TCase *t = tcase_create("netmask");
	SRunner *r = srunner_create(s);

	tcase_add_test(t, good_ones);
	tcase_add_test(t, bad_ones);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
