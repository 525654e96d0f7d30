/*
 * timers.h - whose time comes next: a binary heap (pure).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct timer { int64_t due_ns; size_t pos; void *owner; };	/* pos 0: not in the heap */

struct timers { struct timer **heap; size_t n, cap; };

void timers_fini(struct timers *t);	/* a zeroed one is empty */
/* Sets when t is due, wherever it stands; INT64_MAX takes it out. */
void timers_set(struct timers *all, struct timer *t, int64_t due_ns);
/* The first, or NULL. */
struct timer *timers_first(const struct timers *t);
