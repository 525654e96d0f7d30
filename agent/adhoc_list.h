/*
 * adhoc_list.h - the targets of an ad hoc probe, as a person writes them (pure but for the
 * stream read).
 *
 *   HOST              name or address
 *   HOST:PORT         tcp and snmp; an IPv6 address then stands in brackets
 *   10.0.0.0/24       icmp: every host of the network
 *
 * A file holds one a line; blank lines and what follows a '#' do not count.
 * Texts stand one behind the other in one block: 50,000 targets are to be cheap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ADHOC_TARGETS_MAX 65536

struct adhoc_entry { uint32_t text; uint16_t port; };

struct adhoc_list {			/* zero to start */
	char *text;
	size_t text_len, text_cap;
	struct adhoc_entry *entry;
	size_t n, cap;
};

/* What a target may be. */
struct adhoc_form {
	uint32_t kind;			/* enum probe_kind */
	int family;			/* AF_UNSPEC: any */
	uint16_t port;			/* where the target names none; 0: it must */
};

void adhoc_list_free(struct adhoc_list *);
/* Name or address of the i-th one. */
const char *adhoc_list_host(const struct adhoc_list *, size_t i);
/* Adds a target, or all of a network.  0, or -EINVAL with a line in why. */
int adhoc_list_add(struct adhoc_list *, const struct adhoc_form *, const char *word, char *why,
    size_t n);
/* Adds all that stand in f, whose faults go to err as "name:line:column: ..."; returns their
 * number. */
unsigned adhoc_list_read(struct adhoc_list *, const struct adhoc_form *, FILE *f, const char *name,
    FILE *err);
