/*
 * snmp_device_state.h - the inside of a device, for the two files that make it:
 * snmp_device.c asks, snmp_device_answer.c reads what comes back.
 */
#pragma once

#include <netinet/in.h>

#include "agent/snmp_device.h"
#include "agent/snmp_message.h"
#include "agent/snmp_peer.h"
#include "agent/snmp_values.h"
#include "agent/snmp_vars.h"

#define SNMP_ASKS_MAX 4			/* datagrams that ask the same */

/* What is asked for now. */
enum phase { IDLE, DISCOVERY, SEARCH, GET, STORAGE, PROCESSORS };

struct ask { uint32_t id; int64_t sent_ns; bool answered; };

struct walk { unsigned rows; size_t len; uint32_t name[SNMP_NAME_MAX]; };

struct snmp_device {
	const struct snmp_device_env *env;
	void *owner;
	/* what to do */
	char *credential;
	char *pattern;			/* of the interface; NULL: none */
	bool by_alias, host_values;
	struct snmp_var *named;
	size_t nameds;
	uint32_t type[SNMP_OIDS_MAX];	/* enum oid_type of each */
	double scale[SNMP_OIDS_MAX];
	int64_t timeout_ns;
	/* what is known of the device */
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } to;
	socklen_t to_len;
	struct snmp_peer peer;
	bool peer_stale;		/* it did not answer: ask for its engine again */
	enum snmp_life life;
	unsigned column;		/* in which the interface's name was found */
	uint32_t if_index;		/* 0: not found yet */
	int64_t search_ns;		/* not before */
	size_t chunk_max;
	struct snmp_reading *before;	/* NULL: none yet */
	/* the poll under way */
	enum phase phase;
	uint64_t token;
	int64_t deadline_ns, again_ns;
	int64_t rtt_ns;			/* 0: nothing came yet */
	uint32_t causes;
	struct ask ask[SNMP_ASKS_MAX];
	unsigned asks, agains, requests, searches;
	bool left;			/* a datagram did leave */
	enum cause hint;		/* why there may be no answer; CAUSE_NONE: not known */
	bool ask_engine;		/* the next one asks who it is now */
	bool search_cut;		/* the last poll's time was up in it: go on there */
	struct walk *walk;		/* the table under way; NULL: none */
	size_t next_var, chunk;		/* asked so far; in the last GET */
	uint64_t skip;			/* 1 << slot: not asked for in this poll */
	struct snmp_reading *now;
	struct snmp_tables tables;
};

/* Columns of hrStorageTable: type, size, used; and of hrProcessorTable: load. */
extern const uint32_t snmp_storage_column[3][11], snmp_processor_load[11];

/* The next request, other than the one before; or the end, if there were too many. */
void snmp_device_request(struct snmp_device *d);
/* A walk from here on, and its first request. */
void snmp_device_walk(struct snmp_device *d, enum phase phase, const uint32_t *from, size_t len);
/* What comes next, from the beginning: discovery, search or the scalars. */
void snmp_device_go_on(struct snmp_device *d, int64_t now_ns);
/* All scalars of this poll into env->var; how many. */
size_t snmp_device_list(const struct snmp_device *d);
/* The result; the poll is over. */
void snmp_device_finish(struct snmp_device *d, enum probe_outcome outcome, uint32_t causes);
/* What an answer says; goes on or ends the poll. */
void snmp_device_take(struct snmp_device *d, struct snmp_answer *a, int64_t now_ns);
/* An answer that cannot be read, or not to its end. */
void snmp_device_rubbish(struct snmp_device *d);
