/*
 * rng.h - the second door: randomness.
 *
 * rng_real() is getrandom(2); rng_seeded() is a repeatable xoshiro256**
 * for simulation and tests, never for keys.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(struct rng *, void *buf, size_t n);
};

struct rng_seed { struct rng rng; uint64_t s[4]; };

/* The kernel's; static. */
struct rng *rng_real(void);
/* The same numbers for the same seed; lives in *storage. */
struct rng *rng_seeded(struct rng_seed *storage, uint64_t seed);

uint64_t rng_u64(struct rng *);
/* Uniform in [0, n); n > 0; no modulo bias. */
uint64_t rng_below(struct rng *, uint64_t n);
/* Uniform in [0, 1). */
double rng_double(struct rng *);
