/*
 * snmp_port.h - which socket a device asks by: one for each family and source
 * address, opened when the first needs it, closed when the last has gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_socket.h"

struct event;
struct event_base;

struct snmp_port {
	struct snmp_port *next;
	void *owner;			/* of the ports */
	union snmp_address source;
	socklen_t source_len;
	int family, fd;
	uint32_t drops;
	size_t users;
	struct event *readable;
};

struct snmp_ports {
	struct event_base *base;
	void *owner;
	void (*readable)(struct snmp_port *p);	/* from the loop */
	struct snmp_port *first;
	uint64_t closed_drops;		/* of ports that are gone */
};

/* The port of this family and source (source_len 0: any), one user more; NULL after a log line. */
struct snmp_port *snmp_port_enter(struct snmp_ports *all, int family,
    const union snmp_address *source, socklen_t source_len);
/* One user less; NULL is allowed. */
void snmp_port_leave(struct snmp_ports *all, struct snmp_port *p);
/* Is readable() to be called, or does the owner look by itself? */
void snmp_ports_listen(const struct snmp_ports *all, bool listen);
/* Datagrams that all of them have lost. */
uint64_t snmp_ports_drops(const struct snmp_ports *all);
