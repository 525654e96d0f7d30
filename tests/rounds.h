/*
 * rounds.h - how often a test repeats what chance decides.
 *
 * Under a sanitizer all costs 3 to 12 times as much, and it looks for another
 * thing: memory, which each round uses alike.  The plain build plays all rounds
 * of every seed; the sanitized one plays the first quarter of them.
 */
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROUNDS_SHARE 4
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ROUNDS_SHARE 4
#endif
#ifndef ROUNDS_SHARE
#define ROUNDS_SHARE 1
#endif

/* From one byte to the next of a file that is bent everywhere; 7 meets every field of every record. */
#define ROUNDS_STRIDE (ROUNDS_SHARE == 1 ? 1 : 7)
/* n of the plain build, a quarter (rounded up) with sanitizers. */
#define ROUNDS(n) (((n) + ROUNDS_SHARE - 1) / ROUNDS_SHARE)
