/*
 * guard.c - target allow-list and packet cap (pure).
 */
#include "agent/guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/target.h"
#include "common/agent_conf.h"
#include "common/mem.h"

/* What is taken costs NS_PER_S / rate of the tokens. */
struct bucket { int64_t tokens_ns; struct mono filled; };

struct guard {
	struct allow_rule *net;
	size_t nets;
	char **name;
	size_t names;
	uint64_t max_pps;
	uint64_t planned_mpps;		/* packets in 1000 s of what was admitted */
	struct bucket packets, looks;
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
address_bytes(const struct sockaddr *sa, uint8_t out[16])
{
	if (sa->sa_family == AF_INET) {
		memcpy(out, mapped, sizeof mapped);
		memcpy(out + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
		return true;
	}
	return false;
}

static bool
network_holds(const struct allow_rule *net, const uint8_t addr[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	/* "::/0" is all of IPv6, in which IPv4 addresses stand here, too: but it was not meant */
	if (net->bits < 8 * sizeof mapped && memcmp(addr, mapped, sizeof mapped) == 0)
		return false;
	if (memcmp(net->addr, addr, whole) != 0)
		return false;
	return rest == 0 || ((net->addr[whole] ^ addr[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

int
guard_new(struct guard **out, char *const *allow, size_t n, uint64_t max_pps, size_t *bad)
{
	struct guard *g = xcalloc(1, sizeof *g);

	g->net = xcalloc(n, sizeof *g->net);
	g->name = xcalloc(n, sizeof *g->name);
	g->max_pps = max_pps;
	for (size_t i = 0; i < n; i++) {
		struct allow_rule rule;

		if (agent_conf_allow(allow[i], &rule) != 0) {
			*bad = i;
			guard_free(g);
			return -EINVAL;
		}
		if (rule.is_network)
			g->net[g->nets++] = rule;
		else
			g->name[g->names++] = xstrdup(allow[i]);
	}
	*out = g;
	return 0;
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->names; i++)
		free(g->name[i]);
	free(g->name);
	free(g->net);
	free(g);
}

/* Multicast, broadcast, "any", the old 0.0.0.0/8: never a target. */
static bool
address_is_one_host(const uint8_t a[16])
{
	static const uint8_t any[16];

	if (memcmp(a, mapped, sizeof mapped) == 0)
		return a[12] != 0 && a[12] < 224;
	return a[0] != 0xff && memcmp(a, any, sizeof any) != 0;
}

bool
guard_one_host(const struct sockaddr *to)
{
	uint8_t addr[16];

	return address_bytes(to, addr) && address_is_one_host(addr);
}

static bool
name_is_listed(const struct guard *g, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < g->names; i++) {
		const char *rule = g->name[i];
		size_t tail;

		if (strcasecmp(rule, name) == 0)
			return true;
		if (rule[0] != '*')
			continue;
		tail = strlen(rule) - 1;	/* ".corp.example" */
		if (n > tail && strcasecmp(name + n - tail, rule + 1) == 0)
			return true;
	}
	return false;
}

bool
guard_allows(const struct guard *g, const char *name, const struct sockaddr *to)
{
	uint8_t addr[16];

	if (!address_bytes(to, addr) || !address_is_one_host(addr))
		return false;
	if (name != NULL && name_is_listed(g, name))
		return true;
	for (size_t i = 0; i < g->nets; i++)
		if (network_holds(&g->net[i], addr))
			return true;
	return false;
}

void
guard_begin(struct guard *g)
{
	g->planned_mpps = 0;
}

int
guard_admit(struct guard *g, const struct target *t, char *why, size_t n)
{
	struct sockaddr_storage ss;
	uint64_t mpps = target_mpps(t);
	bool literal = target_literal(t->host, 0, &ss) > 0;
	bool ok = literal ? guard_allows(g, NULL, (struct sockaddr *)&ss) :
	    name_is_listed(g, t->host) || g->nets > 0;

	if (g->nets + g->names == 0) {
		snprintf(why, n, "agent.yaml has no guard.allow: nothing is allowed");
		return -EPERM;
	}
	if (!ok) {
		snprintf(why, n, "not in allow-list");
		return -EPERM;
	}
	if (g->planned_mpps + mpps > g->max_pps * 1000) {
		snprintf(why, n, "over the cap of %llu packets per second",
		    (unsigned long long)g->max_pps);
		return -EPERM;
	}
	g->planned_mpps += mpps;
	return 0;
}

static bool
take(struct bucket *b, uint64_t rate, struct mono now)
{
	int64_t cost = NS_PER_S / (int64_t)rate, room = NS_PER_S / 4;

	if (room < cost)
		room = cost;
	if (b->filled.ns == 0) {
		b->tokens_ns = room;
	} else if (now.ns > b->filled.ns) {
		int64_t gained = now.ns - b->filled.ns;

		b->tokens_ns = gained > room - b->tokens_ns ? room : b->tokens_ns + gained;
	}
	b->filled = now;
	if (b->tokens_ns < cost)
		return false;
	b->tokens_ns -= cost;
	return true;
}

bool
guard_take(struct guard *g, struct mono now)
{
	return g->max_pps > 0 && take(&g->packets, g->max_pps, now);
}

bool
guard_look(struct guard *g, struct mono now)
{
	return g->max_pps > 0 && take(&g->looks, (g->max_pps + 3) / 4, now);
}
