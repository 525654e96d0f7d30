/*
 * bits.h - streams of bits, the most significant first, and numbers in them (pure).
 *
 * A number is written by an order k that writer and reader agree on
 * (exponential Golomb code): with u = number + 2^k of b bits, b - 1 - k zeros
 * and then u.  So numbers below 2^k take k + 1 bits, and any larger one two bits
 * more for each doubling.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BITS_NUMBER_MAX ((UINT64_C(1) << 55) - 1)
#define BITS_ORDER_MAX 31

struct bit_writer {
	uint8_t *p;			/* owned by the caller: free() */
	size_t n, cap;			/* whole bytes in p */
	uint64_t acc;			/* the last `fill` bits are not in p yet */
	unsigned fill;
};

/* A writer begins as zeroes.  n <= 32; bits of v above n must be 0. */
void bits_put(struct bit_writer *, uint64_t v, unsigned n);
/* v <= BITS_NUMBER_MAX, order <= BITS_ORDER_MAX. */
void bits_put_number(struct bit_writer *, uint64_t v, unsigned order);
/* Fills the last byte with zeroes. */
void bits_end(struct bit_writer *);
/* How many bits bits_put_number() takes. */
unsigned bits_number_len(uint64_t v, unsigned order);

struct bit_reader {
	const uint8_t *p;		/* borrowed */
	size_t bits, at;		/* all, and those already read */
	bool bad;			/* something was no number, or the stream was too short */
};

void bits_init(struct bit_reader *, const uint8_t *p, size_t n);
/* Is all read but less than a byte of zeroes? */
bool bits_are_done(const struct bit_reader *);

/* In the header since a batch calls them for each of its RTTs. */
#define BITS_WINDOW 56			/* bits that one look can always show */

/* The next BITS_WINDOW bits or more at the top; zeroes behind the end. */
static inline uint64_t
bits_peek(const struct bit_reader *r)
{
	size_t at = r->at / 8, left = r->bits / 8 - at;
	uint64_t v = 0;

	if (left >= sizeof v)
		memcpy(&v, r->p + at, sizeof v);
	else if (left > 0)
		memcpy(&v, r->p + at, left);
	return be64toh(v) << r->at % 8;
}

static inline void
bits_skip(struct bit_reader *r, unsigned n)
{
	if (n > r->bits - r->at) {
		r->bad = true;
		r->at = r->bits;
	} else {
		r->at += n;
	}
}

/* n <= 32.  0 once the reader is bad. */
static inline uint64_t
bits_get(struct bit_reader *r, unsigned n)
{
	uint64_t v = n > 0 ? bits_peek(r) >> (64 - n) : 0;

	bits_skip(r, n);
	return r->bad ? 0 : v;
}

/* 0 once the reader is bad; more than BITS_NUMBER_MAX makes it bad. */
static inline uint64_t
bits_get_number(struct bit_reader *r, unsigned order)
{
	uint64_t window = bits_peek(r), u;
	unsigned zeros = (unsigned)__builtin_clzll(window | 1), b = zeros + 1 + order;

	if (zeros + b <= BITS_WINDOW) {	/* nearly always: one look shows all of it */
		u = window << zeros >> (64 - b);
		bits_skip(r, zeros + b);
	} else {
		if (b > BITS_WINDOW) {
			r->bad = true;
			return 0;
		}
		bits_skip(r, zeros);
		u = b > 32 ? bits_get(r, b - 32) : 0;
		u = u << (b > 32 ? 32 : b) | bits_get(r, b > 32 ? 32 : b);
	}
	u -= UINT64_C(1) << order;
	if (u > BITS_NUMBER_MAX)
		r->bad = true;
	return r->bad ? 0 : u;
}
