/*
 * rng.c - randomness: the kernel's, or a repeatable one for simulations.
 */
#include "common/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void
real_fill(struct rng *r, void *buf, size_t n)
{
	uint8_t *p = buf;

	(void)r;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();	/* no randomness, no keys */
		p += got;
		n -= (size_t)got;
	}
}

struct rng *
rng_real(void)
{
	static struct rng real = { real_fill };

	return &real;
}

static uint64_t
rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* xoshiro256**, Blackman and Vigna 2018 */
static uint64_t
seeded_next(struct rng_seed *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static void
seeded_fill(struct rng *rng, void *buf, size_t n)
{
	struct rng_seed *r = (struct rng_seed *)rng;	/* its first member */
	uint8_t *p = buf;

	while (n > 0) {
		uint64_t v = seeded_next(r);
		size_t take = n < sizeof(v) ? n : sizeof(v);

		memcpy(p, &v, take);
		p += take;
		n -= take;
	}
}

struct rng *
rng_seeded(struct rng_seed *storage, uint64_t seed)
{
	storage->rng.fill = seeded_fill;
	for (int i = 0; i < 4; i++) {	/* splitmix64 spreads the seed */
		uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		storage->s[i] = z ^ (z >> 31);
	}
	return &storage->rng;
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t v;

	r->fill(r, &v, sizeof(v));
	return v;
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	uint64_t limit, v;

	if (n <= 1)
		return 0;
	limit = UINT64_MAX - UINT64_MAX % n;
	do
		v = rng_u64(r);
	while (v >= limit);
	return v % n;
}

double
rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}
