/*
 * icmp_flight.c - a ring of requests, and the RTT of one (pure).
 */
#include "agent/icmp_flight.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"

#define SIZE_FIRST 1024
#define KEEP_NS (500 * NS_PER_MS)	/* duplicates come within this */
#define LEAVES_NS NS_PER_S		/* a stamp later than this belongs to another request */
#define SLACK_NS NS_PER_MS		/* by which two readings of two clocks may differ */

static bool
is_needed(const struct icmp_flight *f, int64_t now_ns, int64_t hold_ns)
{
	int64_t age = now_ns - f->mono_ns;

	if (f->state == FLIGHT_FREE)
		return false;
	return age < KEEP_NS || (f->state == FLIGHT_OUT && age < hold_ns);
}

static void
grow(struct icmp_flights *fs)
{
	uint32_t size = fs->size > 0 ? 2 * fs->size : SIZE_FIRST;
	struct icmp_flight *v = xcalloc(size, sizeof *v);

	for (uint64_t n = fs->next > fs->size ? fs->next - fs->size : 0; n < fs->next; n++)
		v[n & (size - 1)] = fs->v[n & (fs->size - 1)];
	free(fs->v);
	fs->v = v;
	fs->size = size;
}

struct icmp_flight *
icmp_flights_add(struct icmp_flights *fs, int64_t now_ns, int64_t hold_ns)
{
	struct icmp_flight *f;

	if (fs->size == 0 || (fs->size < ICMP_FLIGHTS_MAX &&
	    is_needed(&fs->v[fs->next & (fs->size - 1)], now_ns, hold_ns)))
		grow(fs);
	f = &fs->v[fs->next++ & (fs->size - 1)];
	*f = (struct icmp_flight){ .mono_ns = now_ns, .tx_ns = ICMP_TX_UNKNOWN };
	return f;
}

struct icmp_flight *
icmp_flights_find(const struct icmp_flights *fs, uint64_t number)
{
	struct icmp_flight *f;

	if (number >= fs->next || fs->next - number > fs->size)
		return NULL;
	f = &fs->v[number & (fs->size - 1)];
	return f->state != FLIGHT_FREE ? f : NULL;
}

void
icmp_flights_fini(struct icmp_flights *fs)
{
	free(fs->v);
	*fs = (struct icmp_flights){ 0 };
}

void
icmp_flight_left(struct icmp_flight *f, int64_t tx_wall_ns)
{
	int64_t after = tx_wall_ns - f->wall_ns;

	if (after >= 0 && after < LEAVES_NS)
		f->tx_ns = (uint32_t)after;
}

int64_t
icmp_flight_rtt(const struct icmp_flight *f, int64_t rx_wall_ns, int64_t now_mono_ns,
    int64_t now_wall_ns)
{
	int64_t most = now_mono_ns - f->mono_ns;
	int64_t set = (now_wall_ns - f->wall_ns) - most;	/* by so much, since it left */
	int64_t rtt = rx_wall_ns - f->wall_ns - (f->tx_ns != ICMP_TX_UNKNOWN ? f->tx_ns : 0);

	if (rx_wall_ns == 0)
		rtt = most;
	else if (rtt <= 0 || rtt > most + SLACK_NS)
		rtt -= set;
	if (rtt > most + SLACK_NS || rtt <= 0)
		rtt = most;
	return rtt > 0 ? rtt : 1;
}
