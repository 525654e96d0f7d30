/*
 * test_resolver.c - names for real, as far as they need no network: /etc/hosts,
 * names that cannot be, and a name server that never answers.
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
#include "suite.h"

struct asked { unsigned answers; struct resolver_answer last; bool failed; };

static struct event_base *base;
static struct resolver *resolver;

static void
begin(void)
{
	base = event_base_new();
	ck_assert_int_eq(resolver_new(&resolver, base), 0);
}

static void
end(void)
{
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
	ck_assert((a->n == 0) == (a->error != NULL));
}

static void
wait_for(struct asked *q)
{
	int64_t until = clock_mono(clock_real()).ns + 10 * NS_PER_S;

	while (q->answers == 0 && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(q->answers, 1);
}

START_TEST(test_localhost)
{
	struct asked q = { 0 };
	struct sockaddr_in *a;

	begin();
	ck_assert_ptr_nonnull(resolver_ask(resolver, "localhost", AF_INET, 4433, on_answer, &q));
	ck_assert_uint_eq(q.answers, 0);	/* never from inside */
	wait_for(&q);
	ck_assert_uint_ge(q.last.n, 1);
	a = (struct sockaddr_in *)&q.last.addr[0];
	ck_assert_uint_eq(ntohl(a->sin_addr.s_addr), INADDR_LOOPBACK);
	ck_assert_uint_eq(ntohs(a->sin_port), 4433);
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
	before = clock_mono(clock_real()).ns;
	for (unsigned i = 0; i < 2; i++)
		resolver_ask(resolver, "www.example.com", AF_INET, 1, on_answer, &slow[i]);
	resolver_ask(resolver, "localhost", AF_INET, 1, on_answer, &quick);
	wait_for(&quick);
	ck_assert_uint_eq(slow[0].answers + slow[1].answers, 0);
	end();
	ck_assert_int_lt(clock_mono(clock_real()).ns - before, 2 * NS_PER_S);
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
	const TTest *const tests[] = { test_localhost, test_wrong_names, test_cancelled,
		test_dead_name_server, test_bounded, NULL };

	return run_suite("resolver", tests);
}
