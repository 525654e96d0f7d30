/*
 * window.c - counts of packets over a sliding time, and what they prove.
 */
#include <math.h>
#include <string.h>

#include "alertd/window.h"

void
window_init(struct window *w, int64_t span_ns)
{
	memset(w, 0, sizeof(*w));
	w->slot_ns = span_ns / WINDOW_SLOTS;
	w->head = -1;
}

/* Makes the slot of number n the newest; those skipped are empty. */
static void
window_move(struct window *w, int64_t n)
{
	int64_t steps = w->head < 0 || n - w->head > WINDOW_SLOTS ? WINDOW_SLOTS : n - w->head;

	for (int64_t i = 0; i < steps; i++)
		w->slot[(n - i) % WINDOW_SLOTS] = (struct window_slot){ 0 };
	w->head = n;
}

void
window_add(struct window *w, int64_t at_ns, uint32_t sent, uint32_t lost)
{
	int64_t n = at_ns < 0 ? 0 : at_ns / w->slot_ns;
	struct window_slot *s;

	if (n > w->head)
		window_move(w, n);
	if (n <= w->head - WINDOW_SLOTS)
		return;
	s = &w->slot[n % WINDOW_SLOTS];
	s->sent += sent;
	s->lost += lost;
}

struct window_sum
window_sum(const struct window *w)
{
	struct window_sum sum = { 0 };

	for (int i = 0; i < WINDOW_SLOTS; i++) {
		sum.sent += w->slot[i].sent;
		sum.lost += w->slot[i].lost;
	}
	return sum;
}

uint64_t
window_clean(const struct window *w)
{
	uint64_t sent = 0;

	for (int64_t n = w->head; n > w->head - WINDOW_SLOTS && n >= 0; n--) {
		const struct window_slot *s = &w->slot[n % WINDOW_SLOTS];

		if (s->lost > 0)
			break;
		sent += s->sent;
	}
	return sent;
}

/* Middle and half width of Wilson's interval. */
static void
wilson(uint64_t lost, uint64_t sent, double z, double *mid, double *half)
{
	double n = (double)sent, p = (double)lost / n, zz = z * z;

	*mid = (p + zz / (2 * n)) / (1 + zz / n);
	*half = z / (1 + zz / n) * sqrt(p * (1 - p) / n + zz / (4 * n * n));
}

double
ratio_lower(uint64_t lost, uint64_t sent, double z)
{
	double mid, half;

	if (sent == 0 || lost == 0)
		return 0;
	wilson(lost, sent, z, &mid, &half);
	return fmax(0, mid - half);
}

double
ratio_upper(uint64_t lost, uint64_t sent, double z)
{
	double mid, half;

	if (sent == 0)
		return 1;
	wilson(lost, sent, z, &mid, &half);
	return fmin(1, mid + half);
}

double
confidence_z(double confidence)
{
	double low = 0, high = 5;

	for (int i = 0; i < 40; i++) {
		double mid = (low + high) / 2;

		if (0.5 * erfc(-mid / sqrt(2)) < confidence)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}
