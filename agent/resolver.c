/*
 * resolver.c - c-ares on the loop.
 *
 * Two kinds of channel: one that reads /etc/hosts only and answers at once, and
 * one that asks name servers.  A name of any family is two questions, since the
 * answer of c-ares to both together does not tell that one of them failed.
 *
 * c-ares 1.18 reads resolv.conf but once, so the channel is replaced when the
 * file is another one; the old channel goes when its last query has ended.
 */
#include "agent/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define TIMEOUT_MS 1000			/* of the first try; doubled by each further one */
#define TRIES 3
#define NAME_MAX_LEN 255
#define STARTS_MAX 64			/* in one pass: the loop has other work too */

struct channel;

/* One question to the servers. */
struct part {
	struct resolver_query *query;
	struct channel *channel;
	int family, status;		/* of c-ares */
};

struct resolver_query {
	TAILQ_ENTRY(resolver_query) entry;
	struct resolver *resolver;
	char *host;
	int family;
	uint16_t port;
	resolver_done *done;
	void *arg;
	bool started, cancelled, local;
	struct part part[2];
	unsigned parts, left;
	struct resolver_address *address;
	size_t n;
	uint32_t ttl_s;
};

/* A socket that c-ares wants watched. */
struct watch {
	SLIST_ENTRY(watch) entry;
	ares_socket_t fd;
	struct event *event;
	struct channel *channel;
};

struct channel {
	SLIST_ENTRY(channel) entry;
	struct resolver *resolver;
	ares_channel ares;
	struct event *timer;
	SLIST_HEAD(, watch) watches;
	unsigned asking;
};

struct resolver {
	struct event_base *base;
	struct event *kick;		/* something is to be begun or cleared away */
	TAILQ_HEAD(, resolver_query) waiting;
	size_t queries;			/* waiting and started */
	unsigned flying;
	bool library, ending;
	ares_channel hosts;
	struct channel *servers;	/* NULL: none yet, or to be made anew */
	SLIST_HEAD(, channel) old;	/* until their last query has ended */
	struct stat conf;		/* of which servers was made */
	char *fixed;			/* of resolver_servers(); NULL: by resolv.conf */
};

/* ----------------------------------------------------------------- channels */

static void
arm(struct channel *c)
{
	struct timeval tv;

	if (ares_timeout(c->ares, NULL, &tv) != NULL)
		evtimer_add(c->timer, &tv);
	else
		evtimer_del(c->timer);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(c);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = ((struct watch *)arg)->channel;	/* the watch may end inside */

	ares_process_fd(c->ares, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	arm(c);
}

static void
unwatch(struct channel *c, struct watch *w)
{
	SLIST_REMOVE(&c->watches, w, watch, entry);
	event_free(w->event);
	free(w);
}

/* c-ares: fd is to be watched for this; neither: it is about to be closed. */
static void
on_watch(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = arg;
	struct watch *w;

	SLIST_FOREACH(w, &c->watches, entry)
		if (w->fd == fd)
			break;
	if (w != NULL)
		unwatch(c, w);
	if (!readable && !writable)
		return;
	w = xcalloc(1, sizeof *w);
	w->fd = fd;
	w->channel = c;
	w->event = event_new(c->resolver->base, fd, (short)(EV_PERSIST |
	    (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0)), on_socket, w);
	if (w->event == NULL || event_add(w->event, NULL) != 0) {
		if (w->event != NULL)
			event_free(w->event);
		free(w);		/* the timeout tells it as no answer */
		return;
	}
	SLIST_INSERT_HEAD(&c->watches, w, entry);
}

static void
channel_free(struct channel *c)
{
	struct watch *w;

	if (c == NULL)
		return;
	if (c->ares != NULL)
		ares_destroy(c->ares);
	while ((w = SLIST_FIRST(&c->watches)) != NULL)
		unwatch(c, w);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c);
}

/* An ARES_ status, with *out if it is success. */
static int
channel_new(struct resolver *r, struct channel **out)
{
	struct ares_options o = { .timeout = TIMEOUT_MS, .tries = TRIES, .lookups = (char[]){ "b" },
		.sock_state_cb = on_watch };
	struct channel *c = xcalloc(1, sizeof *c);
	int rc;

	c->resolver = r;
	o.sock_state_cb_data = c;
	c->timer = evtimer_new(r->base, on_timer, c);
	rc = c->timer == NULL ? ARES_ENOMEM : ares_init_options(&c->ares, &o, ARES_OPT_TIMEOUTMS |
	    ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS)
		c->ares = NULL;
	else if (r->fixed != NULL)
		rc = ares_set_servers_ports_csv(c->ares, r->fixed);
	if (rc != ARES_SUCCESS) {
		channel_free(c);
		return rc;
	}
	*out = c;
	return ARES_SUCCESS;
}

/* No new question to the present servers. */
static void
retire(struct resolver *r)
{
	if (r->servers == NULL)
		return;
	SLIST_INSERT_HEAD(&r->old, r->servers, entry);
	r->servers = NULL;
	event_active(r->kick, EV_TIMEOUT, 0);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Sets r->servers, by what resolv.conf says now. */
static int
find_servers(struct resolver *r)
{
	struct stat st = { 0 };

	if (stat(RESOLV_CONF, &st) != 0)
		st = (struct stat){ 0 };
	if (r->servers != NULL && same_file(&st, &r->conf))
		return ARES_SUCCESS;
	retire(r);
	r->conf = st;
	return channel_new(r, &r->servers);
}

/* What both kinds of channel need first. */
static int
set_up(struct resolver *r)
{
	struct ares_options o = { .lookups = (char[]){ "f" },
		.resolvconf_path = (char[]){ "/dev/null" } };	/* it asks no server */
	int rc = ARES_SUCCESS;

	if (!r->library)
		rc = ares_library_init(ARES_LIB_INIT_ALL);
	r->library = r->library || rc == ARES_SUCCESS;
	if (rc == ARES_SUCCESS && r->hosts == NULL)
		rc = ares_init_options(&r->hosts, &o, ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF);
	return rc;
}

/* ------------------------------------------------------------------ answers */

static void
query_free(struct resolver_query *q)
{
	free(q->address);
	free(q->host);
	free(q);
}

static void
add_address(struct resolver_query *q, const struct ares_addrinfo_node *node)
{
	struct resolver_address *a;

	if (q->n == RESOLVER_ADDRESSES || node->ai_addrlen > sizeof a->addr ||
	    (node->ai_family != AF_INET && node->ai_family != AF_INET6))
		return;
	q->address = xreallocarray(q->address, q->n + 1, sizeof *q->address);
	a = &q->address[q->n++];
	*a = (struct resolver_address){ .len = node->ai_addrlen };
	memcpy(&a->addr, node->ai_addr, node->ai_addrlen);
	if (node->ai_family == AF_INET)
		((struct sockaddr_in *)&a->addr)->sin_port = htons(q->port);
	else
		((struct sockaddr_in6 *)&a->addr)->sin6_port = htons(q->port);
}

static void
shorten_ttl(struct resolver_query *q, int ttl)
{
	if (ttl < 0)
		ttl = 0;		/* beyond 2^31: RFC 2181 takes it for zero */
	if ((uint32_t)ttl < q->ttl_s)
		q->ttl_s = (uint32_t)ttl;
}

static void
add_result(struct resolver_query *q, struct ares_addrinfo *result)
{
	if (result == NULL)
		return;
	for (struct ares_addrinfo_node *n = result->nodes; n != NULL; n = n->ai_next) {
		add_address(q, n);
		shorten_ttl(q, n->ai_ttl);
	}
	for (struct ares_addrinfo_cname *c = result->cnames; c != NULL; c = c->next)
		shorten_ttl(q, c->ttl);
	ares_freeaddrinfo(result);
}

/* Has this host a way there?  Sends nothing. */
static bool
has_route(const struct resolver_address *a)
{
	int fd = socket(a->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	struct resolver_address to = *a;
	bool ok;

	if (fd < 0)
		return false;
	if (to.addr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to.addr)->sin6_port = htons(9);
	ok = connect(fd, (struct sockaddr *)&to.addr, to.len) == 0;
	close(fd);
	return ok;
}

/* IPv6 first, if there is a way to it; within a family the order of the answer. */
static void
put_in_order(struct resolver_query *q)
{
	struct resolver_address *sorted;
	const struct resolver_address *six = NULL;
	int first = AF_INET;
	size_t n = 0;

	for (size_t i = 0; i < q->n && six == NULL; i++)
		if (q->address[i].addr.ss_family == AF_INET6)
			six = &q->address[i];
	if (q->family != AF_UNSPEC || six == NULL)
		return;
	if (has_route(six))
		first = AF_INET6;
	sorted = xcalloc(q->n, sizeof *sorted);
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < q->n; i++)
			if ((q->address[i].addr.ss_family == first) == (pass == 0))
				sorted[n++] = q->address[i];
	free(q->address);
	q->address = sorted;
}

static enum resolver_status
meaning(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return RESOLVER_FOUND;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
	case ARES_ENONAME:
		return RESOLVER_GONE;
	default:
		return RESOLVER_FAILED;
	}
}

static const char *
words(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
		return "it has no such address";
	case ARES_ENOTFOUND:
		return "no such name";
	case ARES_EBADNAME:
	case ARES_ENONAME:
		return "not a name";
	case ARES_ETIMEOUT:
		return "no name server answers";
	case ARES_ECONNREFUSED:		/* or SERVFAIL, REFUSED: c-ares does not tell */
		return "no name server can be reached, or all of them fail";
	case ARES_EBADRESP:
		return "the name server's answer makes no sense";
	default:
		return ares_strerror(status);
	}
}

/* Every part has ended.  q is gone afterwards. */
static void
finish(struct resolver_query *q)
{
	struct resolver *r = q->resolver;
	struct resolver_answer a = { .n = q->n, .local = q->local, .ttl_s = q->ttl_s };
	int worst = ARES_SUCCESS;

	r->flying--;
	r->queries--;
	for (unsigned i = 0; i < q->parts; i++) {
		if (meaning(q->part[i].status) >= meaning(worst))
			worst = q->part[i].status;
		if (q->n > 0 && meaning(q->part[i].status) == RESOLVER_FAILED)
			a.failed_family = q->part[i].family;
	}
	if (q->n == 0) {
		a.status = meaning(worst) == RESOLVER_FOUND ? RESOLVER_GONE : meaning(worst);
		a.error = words(worst);
	}
	if (!q->cancelled && !r->ending) {
		put_in_order(q);
		a.address = q->address;
		q->done(q->arg, &a);
	}
	query_free(q);
	if (!r->ending)
		event_active(r->kick, EV_TIMEOUT, 0);
}

static void
on_part(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct part *p = arg;

	(void)timeouts;
	p->status = status;
	p->channel->asking--;
	add_result(p->query, result);
	if (--p->query->left == 0)
		finish(p->query);
}

/* ---------------------------------------------------------------- questions */

static void
on_local(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	(void)status;
	(void)timeouts;
	add_result(arg, result);
}

/* RFC 6761: localhost is loopback, whatever the file lacks. */
static void
add_loopback(struct resolver_query *q)
{
	struct sockaddr_in four = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

	if (q->family != AF_INET6)
		add_address(q, &(struct ares_addrinfo_node){ .ai_family = AF_INET,
		    .ai_addr = (struct sockaddr *)&four, .ai_addrlen = sizeof four });
	if (q->family != AF_INET)
		add_address(q, &(struct ares_addrinfo_node){ .ai_family = AF_INET6,
		    .ai_addr = (struct sockaddr *)&six, .ai_addrlen = sizeof six });
}

/*
 * Is it in /etc/hosts, or an address already?  c-ares 1.18 misses an IPv4 address when any family
 * is asked for, and leaks when the file lacks "localhost" in small letters.
 */
static bool
find_local(struct resolver *r, struct resolver_query *q)
{
	struct ares_addrinfo_hints hints = { .ai_family = q->family, .ai_socktype = SOCK_DGRAM,
		.ai_flags = ARES_AI_NOSORT };
	bool localhost = strcasecmp(q->host, "localhost") == 0;
	struct in_addr four;

	if (q->family == AF_UNSPEC && inet_pton(AF_INET, q->host, &four) == 1)
		hints.ai_family = AF_INET;
	ares_getaddrinfo(r->hosts, localhost ? "LOCALHOST" : q->host, NULL, &hints, on_local, q);
	if (q->n == 0 && localhost)
		add_loopback(q);
	q->local = q->n > 0;
	if (!q->local)
		q->ttl_s = UINT32_MAX;
	return q->local;
}

static void
ask_servers(struct resolver_query *q, struct channel *c)
{
	unsigned parts = q->family == AF_UNSPEC ? 2 : 1;

	q->parts = q->left = parts;
	for (unsigned i = 0; i < parts; i++) {
		q->part[i] = (struct part){ .query = q, .channel = c,
			.family = parts == 1 ? q->family : i == 0 ? AF_INET : AF_INET6 };
		c->asking++;
	}
	/* with the last part q may be gone at once */
	for (unsigned i = 0; i < parts; i++) {
		struct ares_addrinfo_hints hints = { .ai_family = q->part[i].family,
			.ai_socktype = SOCK_DGRAM, .ai_flags = ARES_AI_NOSORT };

		ares_getaddrinfo(c->ares, q->host, NULL, &hints, on_part, &q->part[i]);
	}
	arm(c);
}

static void
start(struct resolver *r, struct resolver_query *q)
{
	int rc;

	q->started = true;
	r->flying++;
	q->parts = 1;
	q->part[0] = (struct part){ .query = q, .family = q->family, .status = ARES_EBADNAME };
	if (q->host[0] == '\0' || strlen(q->host) > NAME_MAX_LEN) {
		finish(q);
		return;
	}
	rc = set_up(r);
	if (rc == ARES_SUCCESS && find_local(r, q)) {
		q->parts = 0;
		finish(q);
		return;
	}
	if (rc == ARES_SUCCESS)
		rc = find_servers(r);
	if (rc == ARES_SUCCESS) {
		ask_servers(q, r->servers);
		return;
	}
	q->part[0].status = rc;
	finish(q);
}

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct resolver_query *q;
	struct channel *c, *next;

	(void)fd;
	(void)what;
	for (c = SLIST_FIRST(&r->old); c != NULL; c = next) {
		next = SLIST_NEXT(c, entry);
		if (c->asking > 0)
			continue;
		SLIST_REMOVE(&r->old, c, channel, entry);
		channel_free(c);
	}
	for (unsigned i = 0; i < STARTS_MAX && r->flying < RESOLVER_FLIGHT; i++) {
		q = TAILQ_FIRST(&r->waiting);
		if (q == NULL)
			return;
		TAILQ_REMOVE(&r->waiting, q, entry);
		start(r, q);
	}
	if (!TAILQ_EMPTY(&r->waiting) && r->flying < RESOLVER_FLIGHT)
		event_active(r->kick, EV_TIMEOUT, 0);
}

struct resolver_query *
resolver_ask(struct resolver *r, const char *host, int family, uint16_t port,
    resolver_done *done, void *arg)
{
	struct resolver_query *q;

	if (r->queries >= RESOLVER_QUEUE)
		return NULL;
	q = xcalloc(1, sizeof *q);
	q->resolver = r;
	q->host = xstrdup(host);
	q->family = family;
	q->port = port;
	q->done = done;
	q->arg = arg;
	q->ttl_s = UINT32_MAX;
	TAILQ_INSERT_TAIL(&r->waiting, q, entry);
	r->queries++;
	if (r->flying < RESOLVER_FLIGHT)
		event_active(r->kick, EV_TIMEOUT, 0);
	return q;
}

void
resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	if (q == NULL)
		return;
	if (q->started) {
		q->cancelled = true;	/* goes when the servers have answered or not */
		return;
	}
	TAILQ_REMOVE(&r->waiting, q, entry);
	r->queries--;
	query_free(q);
}

/* ------------------------------------------------------------------- others */

void
resolver_servers(struct resolver *r, const char *servers)
{
	free(r->fixed);
	r->fixed = xstrdup(servers);
	retire(r);
}

bool
resolver_is_up(const struct resolver *r)
{
	return r->library;
}

int
resolver_new(struct resolver **out, struct event_base *base)
{
	struct resolver *r = xcalloc(1, sizeof *r);

	r->base = base;
	TAILQ_INIT(&r->waiting);
	r->kick = event_new(base, -1, 0, on_kick, r);
	if (r->kick == NULL) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void
resolver_free(struct resolver *r)
{
	struct resolver_query *q;
	struct channel *c;

	if (r == NULL)
		return;
	r->ending = true;
	while ((q = TAILQ_FIRST(&r->waiting)) != NULL)
		resolver_cancel(r, q);
	while ((c = SLIST_FIRST(&r->old)) != NULL) {
		SLIST_REMOVE_HEAD(&r->old, entry);
		channel_free(c);
	}
	channel_free(r->servers);
	if (r->hosts != NULL)
		ares_destroy(r->hosts);
	if (r->library)
		ares_library_cleanup();
	event_free(r->kick);
	free(r->fixed);
	free(r);
}
