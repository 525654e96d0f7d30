/*
 * test_tls_queue.c - the line before the handshake: in turn, in order, bounded.
 */
#include "common/tls_queue.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>

static struct tls_queue *q;

/* Puts fd in; returns who had to go, or -1. */
static int
put(const char *ip, int fd)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct tls_waiting out;
	bool is6 = inet_pton(AF_INET, ip, &in.sin_addr) != 1;

	if (is6)
		ck_assert_int_eq(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
	return tls_queue_put(q, fd, is6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
	    is6 ? sizeof in6 : sizeof in, (struct mono){ fd }, &out) ? out.fd : -1;
}

static int
get(void)
{
	struct tls_waiting out;

	if (!tls_queue_get(q, &out))
		return -1;
	ck_assert_int_eq(out.since.ns, out.fd);
	return out.fd;
}

START_TEST(in_order_of_coming)
{
	q = tls_queue_new(10);
	ck_assert_int_eq(get(), -1);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(put("192.0.2.1", i), -1);
	ck_assert_uint_eq(tls_queue_count(q), 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(get(), i);
	ck_assert_int_eq(get(), -1);
	tls_queue_free(q);
}
END_TEST

/* X03: a thousand from one address are one place in the line for another. */
START_TEST(in_turn_by_address)
{
	q = tls_queue_new(2000);
	for (int i = 0; i < 1000; i++)
		put("192.0.2.1", i);
	put("192.0.2.2", 5000);
	put("192.0.2.2", 5001);
	put("2001:db8:0:1::1", 6000);
	put("2001:db8:0:1::2", 6001);		/* the same /64 */
	put("::ffff:192.0.2.9", 7000);
	put("::ffff:192.0.2.10", 7001);		/* but each of these is its own */
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(get(), 5000);
	ck_assert_int_eq(get(), 6000);
	ck_assert_int_eq(get(), 7000);
	ck_assert_int_eq(get(), 7001);
	ck_assert_int_eq(get(), 1);
	ck_assert_int_eq(get(), 5001);
	ck_assert_int_eq(get(), 6001);
	for (int i = 2; i < 1000; i++)
		ck_assert_int_eq(get(), i);
	ck_assert_int_eq(get(), -1);
	tls_queue_free(q);
}
END_TEST

/* When it is full the flood pays, with its newest, and nobody else. */
START_TEST(the_longest_line_pays)
{
	q = tls_queue_new(100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(put("192.0.2.1", i), -1);
	ck_assert_int_eq(put("192.0.2.1", 100), 100);
	ck_assert_int_eq(put("192.0.2.2", 200), 99);
	ck_assert_int_eq(put("192.0.2.3", 300), 98);
	ck_assert_int_eq(put("192.0.2.1", 101), 101);
	ck_assert_uint_eq(tls_queue_count(q), 100);
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(get(), 200);
	ck_assert_int_eq(get(), 300);
	/* As many addresses as there is room: the last to come goes. */
	tls_queue_free(q);
	q = tls_queue_new(3);
	ck_assert_int_eq(put("192.0.2.1", 1), -1);
	ck_assert_int_eq(put("192.0.2.2", 2), -1);
	ck_assert_int_eq(put("192.0.2.3", 3), -1);
	ck_assert_int_eq(put("192.0.2.4", 4), 4);
	ck_assert_int_eq(get(), 1);
	ck_assert_int_eq(put("192.0.2.4", 4), -1);
	ck_assert_int_eq(get(), 2);
	ck_assert_int_eq(get(), 3);
	ck_assert_int_eq(get(), 4);
	ck_assert_int_eq(get(), -1);
	tls_queue_free(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_queue");
	TCase *tc = tcase_create("tls_queue");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, in_order_of_coming);
	tcase_add_test(tc, in_turn_by_address);
	tcase_add_test(tc, the_longest_line_pays);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
