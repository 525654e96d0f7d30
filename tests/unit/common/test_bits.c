/*
 * test_bits.c - streams of bits: what is written is read, and a stream that is
 * cut or senseless is known as such.
 */
#include "common/bits.h"

#include <check.h>
#include <stdlib.h>

#include "common/rng.h"
#include "tests/unit/agent/suite.h"

#define N 5000

START_TEST(what_is_written_is_read)
{
	static uint64_t v[N];
	static unsigned order[N], bits[N];
	struct bit_writer w = { 0 };
	struct rng_seed seed;
	struct rng *rng = rng_seeded(&seed, 5);
	struct bit_reader r;
	size_t total = 0;

	for (int i = 0; i < N; i++) {
		order[i] = (unsigned)rng_below(rng, BITS_ORDER_MAX + 1);
		bits[i] = (unsigned)rng_below(rng, 34);	/* 33: a number */
		v[i] = rng_u64(rng) >> rng_below(rng, 64);
		if (bits[i] == 33) {
			v[i] &= BITS_NUMBER_MAX;
			bits_put_number(&w, v[i], order[i]);
			total += bits_number_len(v[i], order[i]);
		} else {
			v[i] &= (UINT64_C(1) << bits[i]) - 1;
			bits_put(&w, v[i], bits[i]);
			total += bits[i];
		}
	}
	bits_end(&w);
	ck_assert_uint_eq(w.n, (total + 7) / 8);
	bits_init(&r, w.p, w.n);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(bits[i] == 33 ? bits_get_number(&r, order[i]) :
		    bits_get(&r, bits[i]), v[i]);
	ck_assert(bits_are_done(&r));
	free(w.p);
}
END_TEST

/* Every power of two and its neighbours, in every order, and alone in its stream. */
START_TEST(the_ends_of_the_range)
{
	for (unsigned order = 0; order <= BITS_ORDER_MAX; order++)
		for (unsigned b = 0; b <= 55; b++)
			for (int d = -1; d <= 1; d++) {
				uint64_t v = ((UINT64_C(1) << b) + (uint64_t)d) & BITS_NUMBER_MAX;
				struct bit_writer w = { 0 };
				struct bit_reader r;

				bits_put_number(&w, v, order);
				ck_assert_uint_eq(w.n * 8 + w.fill, bits_number_len(v, order));
				bits_end(&w);
				bits_init(&r, w.p, w.n);
				ck_assert_uint_eq(bits_get_number(&r, order), v);
				ck_assert(bits_are_done(&r));
				bits_init(&r, w.p, w.n - 1);
				ck_assert_uint_eq(bits_get_number(&r, order), 0);
				ck_assert(r.bad);
				free(w.p);
			}
}
END_TEST

START_TEST(bad_streams)
{
	static const uint8_t zeroes[16], ones[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t long_one[16] = { 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff };
	struct bit_reader r;

	bits_init(&r, NULL, 0);
	ck_assert(bits_are_done(&r));
	ck_assert_uint_eq(bits_get(&r, 1), 0);
	ck_assert(r.bad && !bits_are_done(&r));
	for (unsigned order = 0; order <= BITS_ORDER_MAX; order++) {
		bits_init(&r, zeroes, sizeof zeroes);
		ck_assert_uint_eq(bits_get_number(&r, order), 0);
		ck_assert(r.bad);
		ck_assert_uint_eq(bits_get(&r, 8), 0);	/* and stays so */
		bits_init(&r, long_one, sizeof long_one);
		ck_assert_uint_eq(bits_get_number(&r, order), 0);
		ck_assert(r.bad);
	}
	bits_init(&r, ones, 1);
	ck_assert_uint_eq(bits_get(&r, 7), 127);
	ck_assert(!bits_are_done(&r));		/* a one is left */
	bits_init(&r, zeroes, 2);
	bits_get(&r, 8);
	ck_assert(!bits_are_done(&r));		/* a whole byte is left */
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_written_is_read, the_ends_of_the_range, bad_streams, NULL,
	};

	return run_suite("bits", tests);
}
