/*
 * bits.c - streams of bits (pure; see bits.h).
 */
#include "common/bits.h"

#include <string.h>

#include "common/mem.h"

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

bool
bits_are_done(const struct bit_reader *r)
{
	return !r->bad && r->bits - r->at < 8 && (r->bits == r->at || bits_peek(r) == 0);
}
