/*
 * bits.h - streams of bits, the most significant first, and numbers in them (pure).
 *
 * A number is written by an order k that writer and reader agree on
 * (exponential Golomb code): with u = number + 2^k of b bits, b - 1 - k zeros
 * and then u.  So numbers below 2^k take k + 1 bits, and any larger one two bits
 * more for each doubling.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/* n <= 32.  0 once the reader is bad. */
uint64_t bits_get(struct bit_reader *, unsigned n);
/* 0 once the reader is bad; more than BITS_NUMBER_MAX makes it bad. */
uint64_t bits_get_number(struct bit_reader *, unsigned order);
/* Is all read but less than a byte of zeroes? */
bool bits_are_done(const struct bit_reader *);
