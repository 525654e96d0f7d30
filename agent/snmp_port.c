/*
 * snmp_port.c - sockets and their users.
 */
#include "agent/snmp_port.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct snmp_port *p = arg;
	const struct snmp_ports *all = p->owner;

	(void)fd;
	(void)what;
	all->readable(p);
}

static struct snmp_port *
open_port(struct snmp_ports *all, int family, const union snmp_address *source,
    socklen_t source_len)
{
	struct snmp_port *p;
	int fd = snmp_socket_open(family, &source->any, source_len);

	if (fd < 0) {
		log_limited(LOG_WARNING, "snmp-socket", 60, "snmp: no socket: %s", strerror(-fd));
		return NULL;
	}
	p = xcalloc(1, sizeof *p);
	*p = (struct snmp_port){ .next = all->first, .owner = all, .source = *source,
		.source_len = source_len, .family = family, .fd = fd };
	p->readable = event_new(all->base, fd, EV_READ | EV_PERSIST, on_readable, p);
	if (p->readable != NULL && event_add(p->readable, NULL) == 0) {
		all->first = p;
		return p;
	}
	log_limited(LOG_WARNING, "snmp-socket", 60, "snmp: the loop takes no more sockets");
	if (p->readable != NULL)
		event_free(p->readable);
	close(fd);
	free(p);
	return NULL;
}

struct snmp_port *
snmp_port_enter(struct snmp_ports *all, int family, const union snmp_address *source,
    socklen_t source_len)
{
	struct snmp_port *p = all->first;

	while (p != NULL && (p->family != family || p->source_len != source_len ||
	    memcmp(&p->source, source, source_len) != 0))
		p = p->next;
	if (p == NULL)
		p = open_port(all, family, source, source_len);
	if (p != NULL)
		p->users++;
	return p;
}

void
snmp_port_leave(struct snmp_ports *all, struct snmp_port *p)
{
	struct snmp_port **at = &all->first;

	if (p == NULL || --p->users > 0)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	all->closed_drops += p->drops;
	event_free(p->readable);
	close(p->fd);
	free(p);
}

void
snmp_ports_listen(const struct snmp_ports *all, bool listen)
{
	for (struct snmp_port *p = all->first; p != NULL; p = p->next) {
		if (listen)
			event_add(p->readable, NULL);
		else
			event_del(p->readable);
	}
}

uint64_t
snmp_ports_drops(const struct snmp_ports *all)
{
	uint64_t n = all->closed_drops;

	for (const struct snmp_port *p = all->first; p != NULL; p = p->next)
		n += p->drops;
	return n;
}
