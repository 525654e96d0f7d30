/*
 * test_resolver.c - names for real: /etc/hosts, names that cannot be, a name
 * server that answers well, badly, falsely or never, and one that is replaced.
 */
#include "agent/resolver.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/clock.h"
#include "dns.h"
#include "suite.h"
#include "tests/unit/own_time.h"

struct asked {
	unsigned answers;
	struct resolver_answer last;	/* but for address, which is gone */
	struct resolver_address address[RESOLVER_ADDRESSES];
	bool failed;
};

static struct event_base *base;
static struct resolver *resolver;
static struct dns dns;

/* Every name server is silence: this process alone sees it. */
static void
silence(void)
{
	FILE *f = fopen("/tmp/test_resolver.conf", "we");

	ck_assert_ptr_nonnull(f);
	fputs("nameserver 127.0.0.1\noptions timeout:5 attempts:3\n", f);
	fclose(f);
	ck_assert_int_eq(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("/tmp/test_resolver.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL),
	    0);
	unlink("/tmp/test_resolver.conf");
	ck_assert_int_eq(system("ip link set lo up"), 0);
}

static void
begin(void)
{
	base = event_base_new();
	ck_assert_int_eq(resolver_new(&resolver, base), 0);
}

/* With a name server that knows some names. */
static void
begin_dns(void)
{
	begin();
	dns_begin(&dns, base);
	resolver_servers(resolver, dns.address);
	dns_add(&dns, "four.test", DNS_A, 300, "10.1.1.1");
	dns_add(&dns, "four.test", DNS_A, 200, "10.1.1.2");
	dns_add(&dns, "both.test", DNS_A, 30, "10.1.1.3");
	dns_add(&dns, "both.test", DNS_AAAA, 20, "fd77::3");
	dns_add(&dns, "a.test", DNS_CNAME, 17, "b.test");
	dns_add(&dns, "b.test", DNS_CNAME, 400, "four.test");
	dns_add(&dns, "loop.test", DNS_CNAME, 17, "loop.test");
	dns_add(&dns, "old.test", DNS_A, 0x80000001u, "10.1.1.4");
}

static void
end(void)
{
	dns_end(&dns);
	resolver_free(resolver);
	event_base_free(base);
}

static void
on_answer(void *arg, const struct resolver_answer *a)
{
	struct asked *q = arg;

	q->answers++;
	q->last = *a;
	q->failed = a->n == 0;
	ck_assert_uint_le(a->n, RESOLVER_ADDRESSES);
	if (a->n > 0)
		memcpy(q->address, a->address, a->n * sizeof *a->address);
	ck_assert((a->status == RESOLVER_FOUND) == (a->n > 0));
	ck_assert((a->n == 0) == (a->error != NULL));
}

static void
wait_for(struct asked *q)
{
	int64_t until = clock_mono(clock_real()).ns + 20 * NS_PER_S;

	while (q->answers == 0 && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(q->answers, 1);
}

START_TEST(test_localhost)
{
	struct asked q = { 0 };
	struct sockaddr_in *a;

	begin();
	ck_assert(!resolver_is_up(resolver));
	ck_assert_ptr_nonnull(resolver_ask(resolver, "localhost", AF_INET, 4433, on_answer, &q));
	ck_assert_uint_eq(q.answers, 0);	/* never from inside */
	wait_for(&q);
	ck_assert_uint_ge(q.last.n, 1);
	a = (struct sockaddr_in *)&q.address[0].addr;
	ck_assert_uint_eq(ntohl(a->sin_addr.s_addr), INADDR_LOOPBACK);
	ck_assert_uint_eq(ntohs(a->sin_port), 4433);
	ck_assert(q.last.local);
	ck_assert(resolver_is_up(resolver));
	end();
}
END_TEST

static const char *
text(const struct resolver_address *a)
{
	static char buf[INET6_ADDRSTRLEN];
	bool six = a->addr.ss_family == AF_INET6;

	return inet_ntop(a->addr.ss_family, six ?
	    (const void *)&((const struct sockaddr_in6 *)&a->addr)->sin6_addr :
	    (const void *)&((const struct sockaddr_in *)&a->addr)->sin_addr, buf, sizeof buf);
}

static const struct asked *
ask(const char *name, int family)
{
	static struct asked q;

	q = (struct asked){ 0 };
	ck_assert_ptr_nonnull(resolver_ask(resolver, name, family, 7, on_answer, &q));
	ck_assert_uint_eq(q.answers, 0);
	wait_for(&q);
	return &q;
}

START_TEST(test_answers)
{
	const struct asked *q;

	begin_dns();
	q = ask("four.test", AF_INET);
	ck_assert_uint_eq(q->last.n, 2);
	ck_assert_str_eq(text(&q->address[0]), "10.1.1.1");
	ck_assert_uint_eq(q->last.ttl_s, 200);
	ck_assert(!q->last.local);
	ck_assert_uint_eq(ntohs(((const struct sockaddr_in *)&q->address[1].addr)->sin_port), 7);
	q = ask("FOUR.test", AF_INET);
	ck_assert_uint_eq(q->last.n, 2);
	q = ask("both.test", AF_INET6);
	ck_assert_uint_eq(q->last.n, 1);
	ck_assert_str_eq(text(&q->address[0]), "fd77::3");
	q = ask("both.test", AF_UNSPEC);
	ck_assert_uint_eq(q->last.n, 2);
	ck_assert_uint_eq(q->last.ttl_s, 20);
	ck_assert_int_eq(q->last.failed_family, AF_UNSPEC);
	q = ask("a.test", AF_INET);		/* the shortest of a chain counts */
	ck_assert_uint_eq(q->last.n, 2);
	ck_assert_uint_eq(q->last.ttl_s, 17);
	q = ask("old.test", AF_INET);
	ck_assert_uint_eq(q->last.ttl_s, 0);
	q = ask("192.0.2.7", AF_UNSPEC);
	ck_assert_str_eq(text(&q->address[0]), "192.0.2.7");
	ck_assert(q->last.local);
	q = ask("fd77::7", AF_UNSPEC);
	ck_assert_str_eq(text(&q->address[0]), "fd77::7");
	end();
}
END_TEST

/* What the file lacks of localhost is known all the same, and is never asked for. */
START_TEST(test_no_hosts_file)
{
	static const char *const name[] = { "localhost", "LocalHost" };
	const struct asked *q;

	silence();
	ck_assert_int_eq(mount("/dev/null", "/etc/hosts", NULL, MS_BIND, NULL), 0);
	begin_dns();
	for (unsigned i = 0; i < 2; i++) {
		q = ask(name[i], AF_INET6);
		ck_assert_uint_eq(q->last.n, 1);
		ck_assert_str_eq(text(&q->address[0]), "::1");
		q = ask(name[i], AF_INET);
		ck_assert_str_eq(text(&q->address[0]), "127.0.0.1");
		q = ask(name[i], AF_UNSPEC);
		ck_assert_uint_eq(q->last.n, 2);
	}
	ck_assert_uint_eq(dns.asked, 0);
	end();
}
END_TEST

/* That a name is gone and that a server does not say are two things. */
START_TEST(test_failures)
{
	static const enum dns_mood mood[] = { DNS_SERVFAIL, DNS_REFUSED, DNS_CUT, DNS_LIES };
	const struct asked *q;

	begin_dns();
	ck_assert_int_eq(ask("none.test", AF_INET)->last.status, RESOLVER_GONE);
	ck_assert_int_eq(ask("none.test", AF_UNSPEC)->last.status, RESOLVER_GONE);
	ck_assert_int_eq(ask("four.test", AF_INET6)->last.status, RESOLVER_GONE);
	ck_assert(ask("loop.test", AF_INET)->failed);
	for (unsigned i = 0; i < sizeof mood / sizeof mood[0]; i++) {
		dns.mood = mood[i];
		q = ask("four.test", AF_INET);
		ck_assert_msg(q->last.status == RESOLVER_FAILED, "mood %d: %d, %s", mood[i],
		    q->last.status, q->last.error != NULL ? q->last.error : "");
	}
	dns.mood = DNS_WELL;
	ck_assert_uint_eq(ask("four.test", AF_INET)->last.n, 2);
	dns_end(&dns);				/* nobody listens there */
	ck_assert_int_eq(ask("four.test", AF_UNSPEC)->last.status, RESOLVER_FAILED);
	end();
}
END_TEST

/* One family of two: what came is of use, and what did not come is told. */
START_TEST(test_half_an_answer)
{
	const struct asked *q;

	begin_dns();
	dns.mood = DNS_SERVFAIL;
	dns.mood_type = DNS_AAAA;
	q = ask("both.test", AF_UNSPEC);
	ck_assert_uint_eq(q->last.n, 1);
	ck_assert_str_eq(text(&q->address[0]), "10.1.1.3");
	ck_assert_int_eq(q->last.failed_family, AF_INET6);
	dns.mood_type = DNS_A;
	q = ask("both.test", AF_UNSPEC);
	ck_assert_str_eq(text(&q->address[0]), "fd77::3");
	ck_assert_int_eq(q->last.failed_family, AF_INET);
	q = ask("four.test", AF_UNSPEC);	/* no AAAA, and none can say whether an A */
	ck_assert_int_eq(q->last.status, RESOLVER_FAILED);
	end();
}
END_TEST

/* What others send is no answer, and does no harm to the true one. */
START_TEST(test_false_answers)
{
	static const enum dns_mood mood[] = { DNS_WRONG_ID, DNS_WRONG_SOURCE };
	const struct asked *q;

	begin_dns();
	for (unsigned i = 0; i < 2; i++) {
		dns.mood = mood[i];
		q = ask("four.test", AF_INET);
		ck_assert_uint_eq(q->last.n, 2);
		ck_assert_str_eq(text(&q->address[1]), "10.1.1.2");
	}
	end();
}
END_TEST

START_TEST(test_hundred_addresses)
{
	static char data[100][16];
	const struct asked *q;

	begin_dns();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(data[i], sizeof data[i], "10.2.0.%u", i);
		dns_add(&dns, "many.test", DNS_A, 60, data[i]);
	}
	q = ask("many.test", AF_INET);
	ck_assert_uint_eq(q->last.n, 100);
	ck_assert_str_eq(text(&q->address[99]), "10.2.0.99");
	end();
}
END_TEST

/* Silence and garbage, with a name from /etc/hosts beside them that waits for neither. */
START_TEST(test_silence)
{
	struct asked slow[2] = { 0 }, quick = { 0 };
	int64_t before = clock_mono(clock_real()).ns, took;

	begin_dns();
	dns.mood = DNS_SILENT;
	resolver_ask(resolver, "four.test", AF_INET, 1, on_answer, &slow[0]);
	resolver_ask(resolver, "both.test", AF_UNSPEC, 1, on_answer, &slow[1]);
	resolver_ask(resolver, "localhost", AF_INET, 1, on_answer, &quick);
	wait_for(&quick);
	ck_assert_uint_eq(slow[0].answers + slow[1].answers, 0);
	while (dns.asked < 3)
		event_base_loop(base, EVLOOP_ONCE);
	dns.mood = DNS_GARBAGE;
	wait_for(&slow[0]);
	wait_for(&slow[1]);
	took = clock_mono(clock_real()).ns - before;
	ck_assert_int_eq(slow[0].last.status, RESOLVER_FAILED);
	ck_assert_int_eq(slow[1].last.status, RESOLVER_FAILED);
	ck_assert_int_lt(took, 9 * NS_PER_S);	/* 1 + 2 + 4 */
	end();
}
END_TEST

START_TEST(test_wrong_names)
{
	static const char *const name[] = { "", "a b", "..", "-", NULL };

	begin();
	for (unsigned i = 0; name[i] != NULL; i++) {
		struct asked q = { 0 };

		ck_assert_ptr_nonnull(resolver_ask(resolver, name[i], AF_UNSPEC, 1, on_answer, &q));
		wait_for(&q);
		ck_assert_msg(q.failed, "'%s'", name[i]);
	}
	end();
}
END_TEST

START_TEST(test_cancelled)
{
	struct asked gone = { 0 }, q = { 0 };
	struct resolver_query *query;

	begin();
	query = resolver_ask(resolver, "localhost", AF_INET, 1, on_answer, &gone);
	resolver_cancel(resolver, query);
	resolver_cancel(resolver, NULL);
	for (unsigned i = 0; i < 50; i++) {
		q.answers = 0;
		resolver_ask(resolver, "localhost", AF_INET, 1, on_answer, &q);
		wait_for(&q);
	}
	ck_assert_uint_eq(gone.answers, 0);
	end();
}
END_TEST

static void
write_conf(const char *line)
{
	FILE *f = fopen("/etc/resolv.conf", "we");	/* our own, bound there */

	ck_assert_ptr_nonnull(f);
	fprintf(f, "%s\n", line);
	ck_assert_int_eq(fclose(f), 0);
}

static void
serve_at(struct dns *d, const char *address, const char *data)
{
	dns_begin_at(d, base, address, 53);
	dns_add(d, "where.test", DNS_A, 60, data);
}

/* The file names another server: new questions go there, old ones end where they are. */
START_TEST(test_resolv_conf_changes)
{
	struct asked under_way = { 0 };
	struct dns other;

	silence();
	begin();
	serve_at(&dns, "127.0.0.1", "10.3.0.1");
	serve_at(&other, "127.0.0.2", "10.3.0.2");
	ck_assert_str_eq(text(&ask("where.test", AF_INET)->address[0]), "10.3.0.1");
	dns.mood = DNS_SILENT;
	resolver_ask(resolver, "where.test", AF_INET, 1, on_answer, &under_way);
	while (dns.asked < 2)
		event_base_loop(base, EVLOOP_ONCE);
	write_conf("nameserver 127.0.0.2 # another");
	ck_assert_str_eq(text(&ask("where.test", AF_INET)->address[0]), "10.3.0.2");
	ck_assert_uint_eq(under_way.answers, 0);
	dns.mood = DNS_WELL;
	wait_for(&under_way);
	ck_assert_str_eq(text(&under_way.address[0]), "10.3.0.1");
	ck_assert_str_eq(text(&ask("where.test", AF_INET)->address[0]), "10.3.0.2");
	write_conf("# nobody");
	ck_assert_str_eq(text(&ask("where.test", AF_INET)->address[0]), "10.3.0.1");
	dns_end(&other);
	end();
}
END_TEST

static int
black_hole(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* The loop goes on, and the end does not wait for the name server. */
START_TEST(test_dead_name_server)
{
	struct asked slow[2] = { 0 }, quick = { 0 };
	int64_t before;
	int fd;

	silence();
	fd = black_hole();
	begin();
	before = own_time_ns();
	for (unsigned i = 0; i < 2; i++)
		resolver_ask(resolver, "www.example.com", AF_INET, 1, on_answer, &slow[i]);
	resolver_ask(resolver, "localhost", AF_INET, 1, on_answer, &quick);
	wait_for(&quick);
	ck_assert_uint_eq(slow[0].answers + slow[1].answers, 0);
	end();
	ck_assert_int_lt(own_time_ns() - before, 2 * NS_PER_S);
	close(fd);
}
END_TEST

START_TEST(test_bounded)
{
	struct asked slow = { 0 };
	unsigned taken = 0;
	int fd;

	silence();
	fd = black_hole();
	begin();
	while (resolver_ask(resolver, "www.example.com", AF_INET, 1, on_answer, &slow) != NULL)
		ck_assert_uint_le(++taken, RESOLVER_QUEUE);
	ck_assert_uint_eq(taken, RESOLVER_QUEUE);
	end();
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_localhost, test_answers, test_failures,
		test_half_an_answer, test_false_answers, test_hundred_addresses, test_silence,
		test_wrong_names, test_cancelled, test_no_hosts_file, test_resolv_conf_changes,
		test_dead_name_server, test_bounded, NULL };

	return run_suite("resolver", tests);
}
