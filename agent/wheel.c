/*
 * wheel.c - a ring of deadlines (pure; see wheel.h).
 */
#include "agent/wheel.h"

#include <string.h>

static uint32_t
slot_of(int64_t tick)
{
	return (uint32_t)(tick & (WHEEL_SLOTS - 1));
}

void
wheel_init(struct wheel *w, struct mono now)
{
	memset(w, 0, sizeof *w);
	w->tick = now.ns / WHEEL_TICK_NS;
}

int64_t
wheel_add(struct wheel *w, struct wheel_item *item, int64_t due_ns)
{
	int64_t tick = due_ns / WHEEL_TICK_NS;

	if (tick < w->tick)
		tick = w->tick;
	item->due_ns = due_ns;
	item->slot = slot_of(tick);
	item->next = w->slot[item->slot];
	item->at = &w->slot[item->slot];
	if (item->next != NULL)
		item->next->at = &item->next;
	w->slot[item->slot] = item;
	w->used[item->slot / 64] |= UINT64_C(1) << item->slot % 64;
	return (tick + 1) * WHEEL_TICK_NS;
}

void
wheel_remove(struct wheel *w, struct wheel_item *item)
{
	if (item->at == NULL)
		return;
	*item->at = item->next;
	if (item->next != NULL)
		item->next->at = item->at;
	item->at = NULL;
	if (w->slot[item->slot] == NULL)
		w->used[item->slot / 64] &= ~(UINT64_C(1) << item->slot % 64);
}

struct wheel_item *
wheel_take(struct wheel *w, struct mono now)
{
	int64_t last = now.ns / WHEEL_TICK_NS;

	/* One turn sees every slot. */
	if (last - w->tick >= WHEEL_SLOTS)
		w->tick = last - WHEEL_SLOTS + 1;
	for (;; w->tick++) {
		struct wheel_item *item = w->slot[slot_of(w->tick)];

		while (item != NULL && item->due_ns > now.ns)
			item = item->next;
		if (item != NULL) {
			wheel_remove(w, item);
			return item;
		}
		if (w->tick >= last)
			return NULL;
	}
}

int64_t
wheel_next(const struct wheel *w)
{
	uint32_t first = slot_of(w->tick);

	for (uint32_t i = 0; i < WHEEL_SLOTS;) {
		uint32_t slot = (first + i) & (WHEEL_SLOTS - 1);
		uint64_t bits = w->used[slot / 64] >> slot % 64;

		if (bits != 0) {
			uint32_t ahead = i + (uint32_t)__builtin_ctzll(bits);

			return (w->tick + ahead + 1) * WHEEL_TICK_NS;
		}
		i += 64 - slot % 64;
	}
	return INT64_MAX;
}
