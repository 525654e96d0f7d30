/*
 * adhoc_opts.h - the command line of an ad hoc probe, checked.
 *
 *   linkwatch-agent probe icmp|tcp|snmp [options] TARGET...
 *
 * All faults are told in one run, each in a line of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/adhoc_list.h"
#include "agent/target.h"

#define ADHOC_REQUESTS_MAX 50000000	/* targets x count */

struct adhoc_opts {
	uint32_t kind;			/* enum probe_kind */
	uint32_t count, interval_ms, timeout_ms, rate, size, port, ttl, dscp;
	int family;			/* AF_UNSPEC, AF_INET, AF_INET6 */
	bool df, tls, host, json, quiet;
	bool help;			/* nothing else holds */
	const char *source, *device, *server_name;	/* NULL: not given; borrowed from argv */
	const char *community_file, *config, *credential, *interface, *alias, *file;
	char *oid[TARGET_OIDS_MAX];
	size_t oids;
	struct adhoc_list list;		/* owned: adhoc_list_free() */
};

/*
 * argv[0] is "probe".  Targets of a file are read, "-" from in.  0, or -EINVAL after telling err
 * what is wrong; the list is to be freed in both cases.
 */
int adhoc_opts_parse(struct adhoc_opts *, int argc, char **argv, FILE *in, FILE *err);
void adhoc_usage(FILE *f);
/*
 * What all targets have in common, as the agent would be told it in a plan: flights requests of a
 * target may be in flight.  0 (target_fini() it), or -EINVAL with a line in why.
 */
int adhoc_opts_target(const struct adhoc_opts *, uint32_t flights, struct target *out, char *why,
    size_t n);
