/*
 * test_address.c - addresses of links on a moving clock, with a real name server:
 * times to live, changes, failures, the guard, and names that are shared.
 */
#include "agent/address.h"

#include <stdlib.h>

#include "agent/guard.h"
#include "agent/resolver.h"
#include "common/model.h"
#include "dns.h"
#include "suite.h"

#define LINKS 2000

struct link {
	struct address address;
	struct sockaddr_storage to;
	socklen_t len;
	unsigned changes;
};

static struct event_base *base;
static struct resolver *resolver;
static struct addresses *addresses;
static struct guard *guard;
static struct dns dns;
static int64_t now_ns;
static uint64_t max_pps = 4000;
static struct rng_seed seed;

static struct mono test_mono(const struct clock *c) { (void)c; return (struct mono){ now_ns }; }
static struct wall test_wall(const struct clock *c) { (void)c; return (struct wall){ now_ns }; }
static const struct clock test_clock = { test_mono, test_wall };

static void
on_changed(void *user, const struct sockaddr *to, socklen_t len)
{
	struct link *l = user;

	ck_assert_uint_le(len, sizeof l->to);
	memcpy(&l->to, to, len);
	l->len = len;
	l->changes++;
}

static struct guard *
new_guard(const char *network)
{
	struct guard *g;
	size_t bad;

	ck_assert_int_eq(guard_new(&g, (char *[]){ (char *)network, (char *)"fd00::/8" }, 2, max_pps, &bad), 0);
	return g;
}

static void
begin(void)
{
	struct addresses_opts o = { .clock = &test_clock, .rng = rng_seeded(&seed, 1),
		.changed = on_changed };

	now_ns = NS_PER_S;
	o.base = base = event_base_new();
	ck_assert_int_eq(resolver_new(&resolver, base), 0);
	dns_begin(&dns, base);
	resolver_servers(resolver, dns.address);
	o.resolver = resolver;
	o.guard = guard = new_guard("10.0.0.0/8");
	ck_assert_int_eq(addresses_new(&addresses, &o), 0);
}

static void
end(void)
{
	struct addresses_stat st;

	addresses_stat(addresses, &st);
	ck_assert_uint_eq(st.names, 0);
	ck_assert_uint_eq(st.failing, 0);
	addresses_free(addresses);
	guard_free(guard);
	resolver_free(resolver);
	dns_end(&dns);
	event_base_free(base);
}

static void
add(struct link *l, const char *host, int family, uint16_t port)
{
	*l = (struct link){ 0 };
	l->len = address_init(&l->address, addresses, host, family, port, l, &l->to);
}

static const char *
text(const struct link *l)
{
	static char buf[64], host[INET6_ADDRSTRLEN];
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&l->to;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&l->to;
	bool is_six = l->to.ss_family == AF_INET6;

	if (l->len == 0)
		return "none";
	inet_ntop(l->to.ss_family, is_six ? (const void *)&six->sin6_addr :
	    (const void *)&four->sin_addr, host, sizeof host);
	snprintf(buf, sizeof buf, "%s %u", host, ntohs(is_six ? six->sin6_port : four->sin_port));
	return buf;
}

/* Runs until the name of l has had its answer and waits again. */
static void
settle(const struct link *l)
{
	int64_t until = clock_mono(clock_real()).ns + 15 * NS_PER_S;
	const int64_t never = INT64_MAX;

	while ((address_state(&l->address) == ADDRESS_ASKED || addresses_tick(addresses).ns == never) &&
	    clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_lt(addresses_tick(addresses).ns, never);
}

/* How long until the next look-up; then it is that time, and the answer came. */
static int64_t
next(const struct link *l)
{
	int64_t due = addresses_tick(addresses).ns, waited = due - now_ns;

	ck_assert_int_lt(due, INT64_MAX);
	now_ns = due - 1;
	ck_assert_int_eq(addresses_tick(addresses).ns, due);	/* not before its time */
	now_ns = due;
	settle(l);
	return waited;
}

static void
assert_about(int64_t waited, int64_t seconds)
{
	ck_assert_msg(waited >= seconds * NS_PER_S && waited <= seconds * NS_PER_S * 11 / 10,
	    "%.3f s and not %d s", (double)waited / NS_PER_S, (int)seconds);
}

START_TEST(test_literal)
{
	struct link four, six;

	begin();
	add(&four, "192.0.2.1", AF_UNSPEC, 80);	/* which the guard saw with the plan */
	ck_assert_str_eq(text(&four), "192.0.2.1 80");
	add(&six, "2001:db8::1", AF_INET6, 443);
	ck_assert_str_eq(text(&six), "2001:db8::1 443");
	ck_assert_int_eq(address_state(&four.address), ADDRESS_GOOD);
	ck_assert_int_eq(addresses_tick(addresses).ns, INT64_MAX);
	ck_assert(!resolver_is_up(resolver));
	address_fini(&four.address);
	address_fini(&six.address);
	end();
}
END_TEST

/* Asked for again when the time to live ends, within bounds; a change is told at once. */
START_TEST(test_time_to_live)
{
	struct link l;

	begin();
	dns_add(&dns, "www.test", DNS_A, 30, "10.1.1.1");
	add(&l, "www.test", AF_INET, 80);
	ck_assert_str_eq(text(&l), "none");
	ck_assert_uint_eq(address_cause(&l.address), CAUSE_RESOLVE);
	settle(&l);
	ck_assert_str_eq(text(&l), "10.1.1.1 80");
	assert_about(next(&l), 30);
	ck_assert_uint_eq(l.changes, 1);
	dns.record[0] = (struct dns_record){ "www.test", DNS_A, 0, "10.1.1.2" };
	assert_about(next(&l), 30);
	ck_assert_str_eq(text(&l), "10.1.1.2 80");
	ck_assert_uint_eq(l.changes, 2);
	dns.record[0].ttl = 86400;
	assert_about(next(&l), 5);		/* 0 is too short */
	dns.record[0].ttl = 7;
	assert_about(next(&l), 3600);		/* a day too long */
	assert_about(next(&l), 7);
	ck_assert_uint_eq(l.changes, 2);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_GOOD);
	address_fini(&l.address);
	end();
}
END_TEST

START_TEST(test_etc_hosts)
{
	struct link l;

	begin();
	guard_free(guard);
	guard = new_guard("127.0.0.0/8");
	addresses_guard(addresses, guard);
	add(&l, "localhost", AF_INET, 80);
	settle(&l);
	ck_assert_str_eq(text(&l), "127.0.0.1 80");
	assert_about(next(&l), 60);
	ck_assert_uint_eq(dns.asked, 0);
	address_fini(&l.address);
	end();
}
END_TEST

/* The server dies, lies or forgets the name: the last address stays, and each is told apart. */
START_TEST(test_failures)
{
	static const int wait[] = { 5, 10, 20, 40, 60, 60 };
	struct addresses_stat st;
	struct link l;

	begin();
	dns_add(&dns, "www.test", DNS_A, 30, "10.1.1.1");
	add(&l, "www.test", AF_INET, 80);
	settle(&l);
	dns.mood = DNS_SERVFAIL;
	assert_about(next(&l), 30);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(address_state(&l.address), ADDRESS_UNANSWERED);
		addresses_stat(addresses, &st);
		ck_assert_uint_eq(st.failing, 1);
		ck_assert_uint_eq(st.failures, i + 1);
		ck_assert_str_eq(text(&l), "10.1.1.1 80");
		assert_about(next(&l), wait[i]);
	}
	dns.mood = DNS_WELL;
	dns.records = 0;
	next(&l);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_GONE);
	ck_assert_str_eq(text(&l), "10.1.1.1 80");
	dns_add(&dns, "www.test", DNS_A, 30, "10.1.1.1");
	next(&l);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_GOOD);
	ck_assert_uint_eq(l.changes, 1);
	addresses_stat(addresses, &st);
	ck_assert_uint_eq(st.failing, 0);
	ck_assert_uint_eq(st.failures, 8);
	dns_end(&dns);				/* nobody listens there */
	assert_about(next(&l), 30);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_UNANSWERED);
	ck_assert_str_eq(text(&l), "10.1.1.1 80");
	assert_about(next(&l), 5);		/* it begins anew */
	address_fini(&l.address);
	end();
}
END_TEST

START_TEST(test_never_had_one)
{
	struct link l;

	begin();
	add(&l, "none.test", AF_UNSPEC, 80);
	settle(&l);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_GONE);
	ck_assert_str_eq(text(&l), "none");
	ck_assert_uint_eq(address_cause(&l.address), CAUSE_RESOLVE);
	dns_add(&dns, "none.test", DNS_AAAA, 30, "fd77::1");
	next(&l);
	ck_assert_str_eq(text(&l), "fd77::1 80");
	address_fini(&l.address);
	end();
}
END_TEST

/* The address in use stays while the answer has it, however the answer is turned round. */
START_TEST(test_many_addresses)
{
	static char data[100][16];
	struct link l;

	begin();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(data[i], sizeof data[i], "10.2.0.%u", i);
		dns_add(&dns, "many.test", DNS_A, 60, data[i]);
	}
	add(&l, "many.test", AF_INET, 80);
	settle(&l);
	ck_assert_str_eq(text(&l), "10.2.0.0 80");
	for (unsigned i = 0; i < 100; i++)
		dns.record[i].data = data[99 - i];
	next(&l);
	ck_assert_str_eq(text(&l), "10.2.0.0 80");
	dns.records = 99;			/* now it is gone */
	next(&l);
	ck_assert_str_eq(text(&l), "10.2.0.99 80");
	address_fini(&l.address);
	end();
}
END_TEST

START_TEST(test_two_families)
{
	struct link four, six, any;

	begin();
	dns_add(&dns, "both.test", DNS_A, 30, "10.1.1.1");
	dns_add(&dns, "both.test", DNS_AAAA, 30, "fd77::1");
	add(&four, "both.test", AF_INET, 80);
	add(&six, "both.test", AF_INET6, 81);
	settle(&four);
	settle(&six);
	ck_assert_str_eq(text(&four), "10.1.1.1 80");
	ck_assert_str_eq(text(&six), "fd77::1 81");
	address_fini(&six.address);
	address_fini(&four.address);
	/* of any family: half an answer does not move it to the other one */
	dns.mood = DNS_SERVFAIL;
	dns.mood_type = DNS_AAAA;
	add(&any, "both.test", AF_UNSPEC, 80);
	settle(&any);
	ck_assert_str_eq(text(&any), "10.1.1.1 80");
	dns.mood_type = DNS_A;
	next(&any);
	ck_assert_str_eq(text(&any), "10.1.1.1 80");
	ck_assert_int_eq(address_state(&any.address), ADDRESS_UNANSWERED);
	address_fini(&any.address);
	end();
}
END_TEST

START_TEST(test_guard)
{
	struct guard *other;
	struct link l;

	begin();
	dns_add(&dns, "www.test", DNS_A, 30, "192.0.2.1");
	dns_add(&dns, "www.test", DNS_A, 30, "0.0.0.0");
	dns_add(&dns, "www.test", DNS_A, 30, "255.255.255.255");
	add(&l, "www.test", AF_INET, 80);
	settle(&l);
	ck_assert_int_eq(address_state(&l.address), ADDRESS_FORBIDDEN);
	ck_assert_uint_eq(address_cause(&l.address), CAUSE_NOT_SENT);
	ck_assert_uint_eq(l.changes, 0);
	dns_add(&dns, "www.test", DNS_A, 30, "10.1.1.1");
	next(&l);
	ck_assert_str_eq(text(&l), "10.1.1.1 80");
	other = new_guard("192.0.2.0/24");
	addresses_guard(addresses, other);
	guard_free(guard);
	guard = other;
	ck_assert_str_eq(text(&l), "none");	/* at once */
	ck_assert_int_eq(addresses_tick(addresses).ns, INT64_MAX);
	settle(&l);
	ck_assert_str_eq(text(&l), "192.0.2.1 80");
	dns.records = 1;
	dns.record[0].data = "10.1.1.1";
	next(&l);
	ck_assert_str_eq(text(&l), "none");
	ck_assert_int_eq(address_state(&l.address), ADDRESS_FORBIDDEN);
	address_fini(&l.address);
	end();
}
END_TEST

/* Links that share a name share its queries; those of many names do not ask at once. */
START_TEST(test_many_links)
{
	static struct link l[LINKS];
	static char name[LINKS][16];
	int64_t until = clock_mono(clock_real()).ns + 30 * NS_PER_S, first, last;
	unsigned known = 0;

	begin();
	dns_add(&dns, "www.test", DNS_A, 60, "10.1.1.1");
	for (unsigned i = 0; i < LINKS; i++)
		add(&l[i], "www.test", AF_INET, (uint16_t)(i + 1));
	settle(&l[0]);
	ck_assert_uint_eq(dns.asked, 1);
	for (unsigned i = 0; i < LINKS; i++) {
		ck_assert_uint_eq(l[i].changes, 1);
		ck_assert_uint_eq(ntohs(((struct sockaddr_in *)&l[i].to)->sin_port), i + 1);
		address_fini(&l[(i * 7) % LINKS].address);
	}
	for (unsigned i = 0; i < LINKS; i++) {
		snprintf(name[i], sizeof name[i], "n%u.test", i % 200);
		if (i < 200)
			dns_add(&dns, name[i], DNS_A, 60, "10.1.1.1");
		add(&l[i], name[i], AF_INET, 80);
	}
	while (known < LINKS && clock_mono(clock_real()).ns < until) {
		event_base_loop(base, EVLOOP_ONCE);
		known = 0;
		for (unsigned i = 0; i < LINKS; i++)
			known += l[i].len > 0;
	}
	ck_assert_uint_eq(known, LINKS);
	ck_assert_uint_eq(dns.asked, 1 + 200);
	first = last = addresses_tick(addresses).ns;
	for (unsigned i = 0; i < 200; i++) {	/* each asks once within the tenth of a minute */
		now_ns = addresses_tick(addresses).ns;
		if (now_ns == INT64_MAX)
			break;
		last = now_ns;
	}
	ck_assert_int_ge(first, 61 * NS_PER_S);
	ck_assert_int_gt(last - first, 4 * NS_PER_S);
	ck_assert_int_le(last, 67 * NS_PER_S);
	for (unsigned i = 0; i < LINKS; i++)
		address_fini(&l[LINKS - 1 - i].address);
	end();
}
END_TEST

/* Names that a plan invents by the hundred do not drive the name server past what the host permits. */
START_TEST(test_capped)
{
	static struct link l[100];
	static char name[100][16];
	int64_t until = clock_mono(clock_real()).ns + 10 * NS_PER_S;

	max_pps = 40;				/* ten look-ups a second */
	begin();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name[i], sizeof name[i], "n%u.test", i);
		dns_add(&dns, name[i], DNS_A, 3600, "10.1.1.1");
		add(&l[i], name[i], AF_INET, 80);
	}
	for (unsigned i = 0; i < 30; i++) {	/* three seconds by the clock that counts */
		addresses_tick(addresses);
		event_base_loop(base, EVLOOP_NONBLOCK);
		now_ns += NS_PER_S / 10;
	}
	while (dns.asked < 28 && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_ge(dns.asked, 28);
	ck_assert_uint_le(dns.asked, 3 + 31);
	for (unsigned i = 0; i < 1000 && clock_mono(clock_real()).ns < until; i++) {
		now_ns += NS_PER_S / 100;	/* and in the end each has its turn */
		addresses_tick(addresses);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	while (dns.asked < 100 && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(dns.asked, 100);
	for (unsigned i = 0; i < 100; i++)
		address_fini(&l[i].address);
	end();
	max_pps = 4000;
}
END_TEST

/* A link that goes while its name is being asked for. */
START_TEST(test_gone_while_asked)
{
	struct link l, other;

	begin();
	dns_add(&dns, "www.test", DNS_A, 60, "10.1.1.1");
	add(&l, "www.test", AF_INET, 80);
	address_fini(&l.address);
	address_fini(&l.address);
	add(&l, "www.test", AF_INET, 80);
	while (dns.asked == 0)
		event_base_loop(base, EVLOOP_ONCE);
	address_fini(&l.address);
	add(&other, "www.test", AF_INET, 81);
	settle(&other);
	ck_assert_str_eq(text(&other), "10.1.1.1 81");
	ck_assert_uint_eq(l.changes, 0);
	address_fini(&other.address);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_literal, test_time_to_live, test_etc_hosts, test_failures,
		test_never_had_one, test_many_addresses, test_two_families, test_guard, test_capped,
		test_many_links, test_gone_while_asked, NULL,
	};

	return run_suite("address", tests);
}
