/*
 * address.c - names, each with its address, and when to ask for it again.
 */
#include "agent/address.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "agent/guard.h"
#include "agent/resolver.h"
#include "agent/target.h"
#include "agent/timers.h"
#include "common/hashmap.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"

#define SPREAD 0.1			/* of every wait, by chance on top of it */
#define QUEUE_FULL_NS NS_PER_S

/* One name at one family. */
struct address_name {
	struct addresses *all;
	char *host, *label;		/* label: the key, and how it is told */
	int family;
	struct address *users;
	struct resolver_query *query;
	enum address_state state;
	unsigned failures;		/* one after the other */
	struct sockaddr_storage to;	/* port 0 */
	socklen_t len;			/* 0: none */
	struct timer again;		/* mono; INT64_MAX while it is asked for */
	LIST_ENTRY(address_name) others;
};

struct addresses {
	struct addresses_opts opts;
	struct event *timer;
	struct hashmap *by_label;
	LIST_HEAD(, address_name) names;
	size_t n;			/* of them */
	struct timers timers;
	uint64_t failures;
	uint32_t failing;
};

/* ------------------------------------------------------------------- its time */

static int64_t
first_due(const struct addresses *all)
{
	const struct timer *t = timers_first(&all->timers);

	return t != NULL ? t->due_ns : INT64_MAX;
}

static void
arm(struct addresses *all)
{
	int64_t due = first_due(all), wait;
	struct timeval tv;

	if (due == INT64_MAX) {
		evtimer_del(all->timer);
		return;
	}
	wait = due - clock_mono(all->opts.clock).ns;
	if (wait < 0)
		wait = 0;
	tv = (struct timeval){ .tv_sec = wait / NS_PER_S,
		.tv_usec = wait % NS_PER_S / NS_PER_US + 1 };
	evtimer_add(all->timer, &tv);
}

static void
set_due(struct address_name *n, int64_t due_ns)
{
	timers_set(&n->all->timers, &n->again, due_ns);
}

static void
wait_for(struct address_name *n, int64_t ns)
{
	double more = rng_double(n->all->opts.rng) * SPREAD;

	set_due(n, clock_mono(n->all->opts.clock).ns + ns + (int64_t)((double)ns * more));
	arm(n->all);
}

/* --------------------------------------------------------- what became of it */

static bool
is_failing(enum address_state s)
{
	return s == ADDRESS_GONE || s == ADDRESS_UNANSWERED;
}

static void
set_state(struct address_name *n, enum address_state s)
{
	n->all->failing += (uint32_t)is_failing(s) - (uint32_t)is_failing(n->state);
	n->state = s;
}

/* The address of n with the port of a; its length. */
static socklen_t
for_user(const struct address *a, struct sockaddr_storage *to)
{
	const struct address_name *n = a->name;

	*to = n->to;
	if (to->ss_family == AF_INET)
		((struct sockaddr_in *)to)->sin_port = htons(a->port);
	else if (to->ss_family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = htons(a->port);
	return n->len;
}

static void
tell_users(struct address_name *n)
{
	struct sockaddr_storage to;

	for (struct address *a = n->users; a != NULL; a = a->next) {
		socklen_t len = for_user(a, &to);

		n->all->opts.changed(a->user, (struct sockaddr *)&to, len);
	}
}

static void
set_address(struct address_name *n, const struct resolver_address *a)
{
	char text[NI_MAXHOST];

	if (a == NULL && n->len == 0)
		return;
	if (a == NULL) {
		n->to = (struct sockaddr_storage){ 0 };
		n->len = 0;
	} else {
		n->to = a->addr;
		n->len = a->len;
		if (getnameinfo((struct sockaddr *)&n->to, n->len, text, sizeof text, NULL, 0,
		    NI_NUMERICHOST) != 0)
			snprintf(text, sizeof text, "?");
		log_inform("name=%s: has address %s", n->label, text);
	}
	tell_users(n);
}

static bool
is_allowed(const struct address_name *n, const struct sockaddr_storage *to)
{
	const struct guard *g = n->all->opts.guard;

	return g == NULL || guard_allows(g, n->host, (const struct sockaddr *)to);
}

/* The answer's place of the address in use, else of the first allowed; a->n: none. */
static size_t
choose(const struct address_name *n, const struct resolver_answer *a)
{
	size_t best = a->n;

	for (size_t i = a->n; i-- > 0;) {
		if (!is_allowed(n, &a->address[i].addr))
			continue;
		best = i;
		if (a->address[i].len == n->len &&
		    memcmp(&a->address[i].addr, &n->to, n->len) == 0)
			break;
	}
	return best;
}

static void
fail(struct address_name *n, enum address_state state, const char *error)
{
	int64_t wait = ADDRESS_RETRY_MAX_NS;

	if (n->state != state)
		log_warning("name=%s: %s: %s; %s", n->label,
		    state == ADDRESS_GONE ? "does not resolve" : "cannot be looked up", error,
		    n->len > 0 ? "its last address stays in use" : "it never had an address");
	set_state(n, state);
	if (n->failures < 4)
		wait = ADDRESS_RETRY_MIN_NS << n->failures;
	n->failures++;
	n->all->failures++;
	wait_for(n, wait);
}

static void
succeed(struct address_name *n, const struct resolver_answer *a)
{
	int64_t ttl = a->local ? ADDRESS_TTL_HOSTS_NS : (int64_t)a->ttl_s * NS_PER_S;
	size_t best = choose(n, a);

	if (is_failing(n->state))
		log_notice("name=%s: resolves again, after %u failures", n->label, n->failures);
	n->failures = 0;
	if (best == a->n) {
		if (n->state != ADDRESS_FORBIDDEN)
			log_warning("name=%s: none of its addresses is in the allow-list",
			    n->label);
		set_state(n, ADDRESS_FORBIDDEN);
		set_address(n, NULL);
	} else {
		set_state(n, ADDRESS_GOOD);
		if (a->address[best].len != n->len ||
		    memcmp(&a->address[best].addr, &n->to, n->len) != 0)
			set_address(n, &a->address[best]);
	}
	if (ttl < ADDRESS_TTL_MIN_NS)
		ttl = ADDRESS_TTL_MIN_NS;
	wait_for(n, ttl < ADDRESS_TTL_MAX_NS ? ttl : ADDRESS_TTL_MAX_NS);
}

static void
on_answer(void *arg, const struct resolver_answer *a)
{
	struct address_name *n = arg;

	n->query = NULL;
	if (a->n == 0)
		fail(n, a->status == RESOLVER_GONE ? ADDRESS_GONE : ADDRESS_UNANSWERED, a->error);
	else if (a->failed_family != AF_UNSPEC && n->len > 0 &&
	    n->to.ss_family == a->failed_family)
		/* what the servers did not say cannot have changed */
		fail(n, ADDRESS_UNANSWERED, a->failed_family == AF_INET ?
		    "no answer about IPv4" : "no answer about IPv6");
	else
		succeed(n, a);
}

/* ------------------------------------------------------------------- asking */

struct mono
addresses_tick(struct addresses *all)
{
	int64_t now = clock_mono(all->opts.clock).ns;

	while (first_due(all) <= now) {
		struct address_name *n = timers_first(&all->timers)->owner;

		if (all->opts.guard != NULL &&
		    !guard_look(all->opts.guard, (struct mono){ now })) {
			set_due(n, now + ADDRESS_CAPPED_NS);
			continue;
		}
		n->query = resolver_ask(all->opts.resolver, n->host, n->family, 0, on_answer, n);
		set_due(n, n->query != NULL ? INT64_MAX : now + QUEUE_FULL_NS);
	}
	arm(all);
	return (struct mono){ first_due(all) };
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	addresses_tick(arg);
}

static char *
label_of(const char *host, int family)
{
	return xasprintf("%s%s", host, family == AF_INET ? " (IPv4)" :
	    family == AF_INET6 ? " (IPv6)" : "");
}

/* Takes label over. */
static struct address_name *
name_new(struct addresses *all, const char *host, int family, char *label)
{
	struct address_name *n = xcalloc(1, sizeof *n);

	n->all = all;
	n->host = xstrdup(host);
	n->label = label;
	n->family = family;
	n->again.owner = n;
	hashmap_put(all->by_label, label, n);
	LIST_INSERT_HEAD(&all->names, n, others);
	all->n++;
	set_due(n, INT64_MIN);		/* at once */
	addresses_tick(all);
	return n;
}

static void
name_free(struct address_name *n)
{
	struct addresses *all = n->all;

	set_due(n, INT64_MAX);
	LIST_REMOVE(n, others);
	all->n--;
	resolver_cancel(all->opts.resolver, n->query);
	set_state(n, ADDRESS_ASKED);	/* out of the count */
	hashmap_del(all->by_label, n->label);
	free(n->host);
	free(n->label);
	free(n);
}

socklen_t
address_init(struct address *a, struct addresses *all, const char *host, int family,
    uint16_t port, void *user, struct sockaddr_storage *to)
{
	socklen_t len = target_literal(host, port, to);
	struct address_name *n;
	char *label;

	*a = (struct address){ .user = user, .port = port };
	if (len > 0)
		return len;
	label = label_of(host, family);
	n = hashmap_get(all->by_label, label);
	if (n == NULL)
		n = name_new(all, host, family, label);
	else
		free(label);
	a->name = n;
	a->next = n->users;
	a->prev = &n->users;
	if (n->users != NULL)
		n->users->prev = &a->next;
	n->users = a;
	return for_user(a, to);
}

void
address_fini(struct address *a)
{
	struct address_name *n = a->name;

	if (n == NULL)
		return;
	*a->prev = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
	if (n->users == NULL)
		name_free(n);
	*a = (struct address){ 0 };
}

enum address_state
address_state(const struct address *a)
{
	return a->name == NULL ? ADDRESS_GOOD : a->name->state;
}

uint32_t
address_cause(const struct address *a)
{
	return address_state(a) == ADDRESS_FORBIDDEN ? CAUSE_NOT_SENT : CAUSE_RESOLVE;
}

/* ------------------------------------------------------------------- others */

void
addresses_guard(struct addresses *all, struct guard *guard)
{
	int64_t now = clock_mono(all->opts.clock).ns;
	struct address_name *n;

	all->opts.guard = guard;
	LIST_FOREACH(n, &all->names, others) {
		bool taken = n->len > 0 && !is_allowed(n, &n->to);

		if (taken)
			set_address(n, NULL);
		if (n->query == NULL && n->again.due_ns > now &&
		    (taken || n->state == ADDRESS_FORBIDDEN))
			set_due(n, now);
	}
	arm(all);
}

void
addresses_stat(const struct addresses *all, struct addresses_stat *out)
{
	*out = (struct addresses_stat){ .names = all->n, .failing = all->failing,
		.failures = all->failures };
}

int
addresses_new(struct addresses **out, const struct addresses_opts *opts)
{
	struct addresses *all = xcalloc(1, sizeof *all);

	all->opts = *opts;
	all->timer = evtimer_new(opts->base, on_timer, all);
	if (all->timer == NULL) {
		free(all);
		return -ENOMEM;
	}
	all->by_label = hashmap_new();
	*out = all;
	return 0;
}

void
addresses_free(struct addresses *all)
{
	if (all == NULL)
		return;
	event_free(all->timer);
	hashmap_free(all->by_label);
	timers_fini(&all->timers);
	free(all);
}
