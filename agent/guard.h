/*
 * guard.h - what the owner of the host allows (pure).
 *
 * Rules come from agent.yaml alone: networks ("10.0.0.0/8", "::1"), names
 * ("www.example.com") and names below one ("*.corp.example").  Without a rule
 * nothing is allowed.  A network of IPv6 holds no address of IPv4, "::/0"
 * neither.  Multicast, broadcast and unspecified addresses are never allowed.
 *
 * A target given as an address needs a network that holds it.  A target given
 * as a name needs either its name in the list, or every packet goes only to
 * those of its addresses that a network holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/clock.h"

struct guard;
struct target;

/* 0, or -EINVAL: *bad is the index of the rule that is neither network nor name. */
int guard_new(struct guard **out, char *const *allow, size_t n, uint64_t max_pps, size_t *bad);
void guard_free(struct guard *);	/* NULL is allowed */

/* May packets go to this address, when the target was given as name (NULL: as an address)? */
bool guard_allows(const struct guard *, const char *name, const struct sockaddr *to);
/* Is it the address of one host: neither multicast, broadcast nor unspecified? */
bool guard_one_host(const struct sockaddr *to);
/* Begins the count of a new plan. */
void guard_begin(struct guard *);
/* Takes the target into the plan, within the cap.  0, or -EPERM with a line in why. */
int guard_admit(struct guard *, const struct target *, char *why, size_t n);
/* Is there room for one more packet at this moment (a bucket of a quarter second)?  Takes it. */
bool guard_take(struct guard *, struct mono now);
/* The same for one more look-up of a name: a quarter as many, beside the packets. */
bool guard_look(struct guard *, struct mono now);
