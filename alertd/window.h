/*
 * window.h - counts of packets over a sliding time, in slots (pure, O(1)).
 *
 * A window of `span` is kept as WINDOW_SLOTS slots; what is older than the
 * span falls off slot by slot.  A plain struct without pointers: it may be
 * saved as bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SLOTS 30

struct window_slot { uint32_t sent, lost; };

struct window {
	int64_t slot_ns;		/* 0: not set up */
	int64_t head;			/* number of the newest slot: time / slot_ns */
	struct window_slot slot[WINDOW_SLOTS];
};

struct window_sum { uint64_t sent, lost; };

/* Empties *w and sets its span (>= WINDOW_SLOTS ns). */
void window_init(struct window *w, int64_t span_ns);
/* Adds packets at a time; what lies behind the window is left out. */
void window_add(struct window *w, int64_t at_ns, uint32_t sent, uint32_t lost);
/* Everything in the window. */
struct window_sum window_sum(const struct window *w);
/* The packets since the last slot that lost one (that slot left out). */
uint64_t window_clean(const struct window *w);

/*
 * The bound that the true ratio of loss exceeds with a confidence of
 * 1 - P(Z > z): Wilson's score interval.  0 when nothing was sent.
 */
double ratio_lower(uint64_t lost, uint64_t sent, double z);
double ratio_upper(uint64_t lost, uint64_t sent, double z);	/* 1 when nothing was sent */
/* z of a one-sided confidence (0.5 .. 0.9999), to three digits. */
double confidence_z(double confidence);
