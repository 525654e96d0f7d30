/*
 * icmp_flight.h - requests that left, by their numbers (pure).
 *
 * A ring: number n stands in slot n modulo its size until another takes the
 * slot.  It grows before one goes that is still awaited or was sent in the last
 * half second (whose duplicates are to be known as such), up to
 * ICMP_FLIGHTS_MAX; beyond that the oldest go, and their replies are late ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICMP_FLIGHTS_MAX (UINT32_C(1) << 20)	/* 40 MB */
#define ICMP_TX_UNKNOWN UINT32_MAX

enum icmp_flight_state {
	FLIGHT_FREE,			/* never left, or its probe is gone */
	FLIGHT_OUT, FLIGHT_ANSWERED, FLIGHT_FAILED /* by an ICMP error */
};

struct icmp_flight {
	uint64_t token;			/* the owner's */
	int64_t mono_ns, wall_ns;	/* just before it was handed to the kernel */
	uint32_t tx_ns;			/* how long after wall_ns it left, by the kernel's stamp */
	uint32_t link;
	uint32_t to;			/* address that it went to, folded */
	uint16_t id;
	uint8_t state;
};

struct icmp_flights {
	struct icmp_flight *v;
	uint32_t size;			/* a power of two; 0: nothing was sent yet */
	uint64_t next;
};

/* The slot for number `next`, cleared; hold_ns: how long an unanswered one is awaited. */
struct icmp_flight *icmp_flights_add(struct icmp_flights *, int64_t now_ns, int64_t hold_ns);
/* Request `number`, or NULL: none of ours, or its slot has been taken. */
struct icmp_flight *icmp_flights_find(const struct icmp_flights *, uint64_t number);
void icmp_flights_fini(struct icmp_flights *);

/* The kernel says that it left at tx_wall_ns; what cannot be is ignored. */
void icmp_flight_left(struct icmp_flight *, int64_t tx_wall_ns);
/*
 * RTT in ns, > 0, of a reply that the kernel stamped rx_wall_ns (0: it did not) and that is read
 * now.  Stamps are wall time; if that was set in between, the one reading that is possible is
 * taken: more than 0 and not more than has passed by the monotonic clock.
 */
int64_t icmp_flight_rtt(const struct icmp_flight *, int64_t rx_wall_ns, int64_t now_mono_ns,
    int64_t now_wall_ns);
