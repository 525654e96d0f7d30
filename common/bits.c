/*
 * bits.c - streams of bits (pure; see bits.h).
 */
#include "common/bits.h"

#include <endian.h>
#include <string.h>

#include "common/mem.h"

#define WINDOW 56			/* bits that peek() can always show */

static unsigned
length(uint64_t v)
{
	return 64 - (unsigned)__builtin_clzll(v | 1);
}

/* ------------------------------------------------------------------- writing */

void
bits_put(struct bit_writer *w, uint64_t v, unsigned n)
{
	w->acc = w->acc << n | v;
	w->fill += n;
	if (w->n + 8 > w->cap) {
		w->cap = 2 * w->cap + 256;
		w->p = xreallocarray(w->p, w->cap, 1);
	}
	while (w->fill >= 8) {
		w->fill -= 8;
		w->p[w->n++] = (uint8_t)(w->acc >> w->fill);
	}
}

unsigned
bits_number_len(uint64_t v, unsigned order)
{
	return 2 * length(v + (UINT64_C(1) << order)) - 1 - order;
}

void
bits_put_number(struct bit_writer *w, uint64_t v, unsigned order)
{
	uint64_t u = v + (UINT64_C(1) << order);
	unsigned b = length(u), zeros = b - 1 - order;

	bits_put(w, 0, zeros > 32 ? zeros - 32 : 0);
	bits_put(w, 0, zeros > 32 ? 32 : zeros);
	if (b > 32) {
		bits_put(w, u >> 32, b - 32);
		u &= UINT32_MAX;
		b = 32;
	}
	bits_put(w, u, b);
}

void
bits_end(struct bit_writer *w)
{
	if (w->fill > 0)
		bits_put(w, 0, 8 - w->fill);
}

/* ------------------------------------------------------------------- reading */

void
bits_init(struct bit_reader *r, const uint8_t *p, size_t n)
{
	*r = (struct bit_reader){ .p = p, .bits = 8 * n };
}

/* The next WINDOW bits or more at the top; zeroes behind the end. */
static inline uint64_t
peek(const struct bit_reader *r)
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
skip(struct bit_reader *r, unsigned n)
{
	if (n > r->bits - r->at) {
		r->bad = true;
		r->at = r->bits;
	} else {
		r->at += n;
	}
}

uint64_t
bits_get(struct bit_reader *r, unsigned n)
{
	uint64_t v = n > 0 ? peek(r) >> (64 - n) : 0;

	skip(r, n);
	return r->bad ? 0 : v;
}

uint64_t
bits_get_number(struct bit_reader *r, unsigned order)
{
	uint64_t window = peek(r), u;
	unsigned zeros = (unsigned)__builtin_clzll(window | 1), b = zeros + 1 + order;

	if (zeros + b <= WINDOW) {	/* nearly always: one look shows all of it */
		u = window << zeros >> (64 - b);
		skip(r, zeros + b);
	} else {
		if (b > WINDOW) {
			r->bad = true;
			return 0;
		}
		skip(r, zeros);
		u = b > 32 ? bits_get(r, b - 32) : 0;
		u = u << (b > 32 ? 32 : b) | bits_get(r, b > 32 ? 32 : b);
	}
	u -= UINT64_C(1) << order;
	if (u > BITS_NUMBER_MAX)
		r->bad = true;
	return r->bad ? 0 : u;
}

bool
bits_are_done(const struct bit_reader *r)
{
	return !r->bad && r->bits - r->at < 8 && (r->bits == r->at || peek(r) == 0);
}
