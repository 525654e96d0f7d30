/*
 * test_probe_icmp.c - echo requests for real: this host, a router next door,
 * addresses that answer with errors or not at all.  Needs root.
 */
#include "agent/probe_icmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/sampler.h"
#include "bench.h"
#include "net.h"
#include "suite.h"

static struct icmp *icmp;
static int64_t moved_ns;

/* The real clock, moved on. */
static struct mono
moved_mono(const struct clock *c)
{
	(void)c;
	return (struct mono){ clock_mono(clock_real()).ns + moved_ns };
}

static struct wall
moved_wall(const struct clock *c)
{
	(void)c;
	return clock_wall(clock_real());
}

static const struct clock moved = { moved_mono, moved_wall };

static void
begin(const char *host)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, host, 0);
	char why[320];

	bench_begin();
	bench.env.clock = &moved;
	ck_assert_msg(icmp_new(&icmp, bench.env.clock, bench.env.rng, why, sizeof why) == 0,
	    "%s", why);
	bench.env.icmp = icmp;
	bench_open(&l);
}

static void
end(void)
{
	bench_close();
	icmp_free(icmp);
	bench_end();
}

static void
answers(const char *host)
{
	struct icmp_stat st;
	int64_t best = INT64_MAX;

	begin(host);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(bench_send(sampler_token(0, i)), 0);
	ck_assert_uint_eq(bench.results, 0);	/* never inside send() */
	bench_wait(10);
	bench_run(100);
	ck_assert_uint_eq(bench.results, 10);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
		ck_assert_uint_eq(bench.result[i].token, i);
		ck_assert_int_gt(bench.result[i].rtt_ns, 0);
		if (bench.result[i].rtt_ns < best)
			best = bench.result[i].rtt_ns;
	}
	/* the kernel's stamps: the turn in which we look is not in it */
	ck_assert_int_lt(best, 5 * NS_PER_MS);
	icmp_stat(icmp, &st);
	ck_assert_uint_eq(st.sent, 10);
	ck_assert_uint_eq(st.replies, 10);
	ck_assert_uint_eq(st.drops + st.foreign, 0);
	end();
}

START_TEST(test_loopback)
{
	answers("127.0.0.1");
}
END_TEST

START_TEST(test_loopback_6)
{
	answers("::1");
}
END_TEST

START_TEST(test_router)
{
	net_begin();
	answers("10.77.0.2");
	answers("fd77::2");
	net_end();
}
END_TEST

/* Without the right to raw sockets: ping sockets, with the same results and the same errors. */
START_TEST(test_ping_socket)
{
	struct icmp_stat st;

	net_begin();
	ck_assert_int_eq(system("sysctl -qw net.ipv4.ping_group_range='0 2147483647'"), 0);
	ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
	answers("10.77.0.2");
	answers("fd77::2");
	begin("10.88.0.1");
	icmp_stat(icmp, &st);
	ck_assert_int_eq(st.mode, ICMP_MODE_PING);
	ck_assert_int_eq(bench_send(0), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(CAUSE_HOST_UNREACHABLE));
	end();
	ck_assert_int_eq(setresuid(0, 0, 0), 0);
	net_end();
}
END_TEST

static void
error_is(const char *host, uint32_t cause)
{
	begin(host);
	ck_assert_int_eq(bench_send(sampler_token(5, 3)), 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].token, sampler_token(5, 3));
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(cause));
	end();
}

START_TEST(test_errors)
{
	net_begin();
	error_is("10.88.0.1", CAUSE_HOST_UNREACHABLE);
	error_is("10.89.0.1", CAUSE_PROHIBITED);
	error_is("198.51.100.1", CAUSE_NET_UNREACHABLE);
	net_end();
}
END_TEST

/* Opens the probe anew with the link's options, and sends one. */
static void
send_with(const Linkwatch__Pb__Link *l)
{
	bench_close();
	bench_open(l);
	bench.results = 0;
	ck_assert_int_eq(bench_send(1), 0);
}

static void
lost_by(const Linkwatch__Pb__Link *l, uint32_t cause)
{
	send_with(l);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_LOST);
	ck_assert_uint_eq(bench.result[0].causes, CAUSE_BIT(cause));
}

START_TEST(test_options)
{
	static const char *const far[] = { "10.91.0.9", "fd91::9" };
	static const char *const near[] = { "10.77.0.2", "fd77::2" };

	net_begin();
	for (unsigned v6 = 0; v6 < 2; v6++) {
		Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, far[v6], 0);

		begin(far[v6]);
		l.ttl = 1;
		lost_by(&l, CAUSE_TTL_EXCEEDED);
		l.ttl = 0;
		l.df = true;
		l.size = 1400;
		lost_by(&l, CAUSE_TOO_BIG);
		lost_by(&l, CAUSE_TOO_BIG);	/* the path MTU that came back is not believed */
		l.size = 1600;			/* larger than what our own interface takes */
		send_with(&l);
		ck_assert_uint_eq(bench.results, 1);
		ck_assert_int_eq(bench.result[0].outcome, PROBE_NOT_SENT);
		ck_assert_int_eq(bench.result[0].error, EMSGSIZE);
		l.df = false;			/* in fragments it leaves */
		l.target = (char *)near[v6];
		send_with(&l);
		bench_wait(1);
		ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
		end();
	}
	net_end();
}
END_TEST

START_TEST(test_source_and_device)
{
	static const char *const near[] = { "10.77.0.2", "fd77::2" };
	static const char *const source[] = { "10.77.0.9", "fd77::9" };

	net_begin();
	ck_assert_int_eq(system("ip addr add 10.77.0.9/24 dev v0; "
				"ip addr add fd77::9/64 dev v0 nodad; ip link add v1 type veth peer name v2; "
				"ip link set v1 up; ip link set v2 up"), 0);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, near[v6], 0);

		begin(near[v6]);
		l.source = (char *)source[v6];
		l.dscp = 46;
		send_with(&l);
		bench_wait(1);
		ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
		l.device = "v0";
		if (v6) {
			bench_close();
			bench_open(&l);
			ck_assert_int_eq(bench_send(1), -EOPNOTSUPP);
			end();
			break;
		}
		send_with(&l);
		bench_wait(1);
		ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
		l.device = "v1";		/* there nobody has the address */
		send_with(&l);
		bench_run(50);
		ck_assert(bench.results == 0 || bench.result[0].outcome != PROBE_REPLY);
		bench_close();
		l.device = "nosuch";
		bench_open(&l);
		ck_assert_int_eq(bench_send(1), -ENODEV);
		l.device = "";
		l.source = "10.77.0.77";	/* not ours */
		send_with(&l);
		ck_assert_uint_eq(bench.results, 1);
		ck_assert_int_eq(bench.result[0].outcome, PROBE_NOT_SENT);
		end();
	}
	net_end();
}
END_TEST

START_TEST(test_silence)
{
	net_begin();
	begin("10.90.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	bench_run(300);
	ck_assert_uint_eq(bench.results, 0);	/* the step's end says that it is lost */
	end();
	net_end();
}
END_TEST

/* A request that does not leave is told as that, not as a loss. */
START_TEST(test_not_sent)
{
	net_begin();
	begin("10.77.0.2");
	ck_assert_int_eq(system("ip link set v0 down"), 0);
	ck_assert_int_eq(bench_send(0), 0);
	ck_assert_uint_eq(bench.results, 1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_NOT_SENT);
	ck_assert_int_ne(bench.result[0].error, 0);
	ck_assert_int_eq(system("ip link set v0 up && ip route replace default via 10.77.0.2"), 0);
	/* and stamps are right again afterwards */
	ck_assert_int_eq(bench_send(1), 0);
	bench_wait(2);
	ck_assert_uint_eq(bench.result[1].token, 1);
	ck_assert_int_eq(bench.result[1].outcome, PROBE_REPLY);
	ck_assert_int_lt(bench.result[1].rtt_ns, 5 * NS_PER_MS);
	bench_run(50);
	ck_assert_uint_eq(bench.results, 2);
	end();
	net_end();
}
END_TEST

/* Somebody who has seen a request answers it twice, from elsewhere, late, or changed. */
struct forger { int fd; uint8_t packet[2048]; ssize_t n; struct sockaddr_in from; };

static void
overhear(struct forger *f, uint64_t token)
{
	struct pollfd p;

	/* raw sockets see requests that arrive at this host */
	f->fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_eq(bench_send(token), 0);
	p = (struct pollfd){ .fd = f->fd, .events = POLLIN };
	do {
		ck_assert_int_eq(poll(&p, 1, 2000), 1);
		f->n = recv(f->fd, f->packet, sizeof f->packet, 0);
	} while (f->packet[20] != ICMP_ECHO);
}

static void
forge(struct forger *f, const char *from, int flip)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from) };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	uint8_t *icmp_part = f->packet + 20;
	size_t n = (size_t)f->n - 20;
	uint32_t sum = 0;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&source, sizeof source), 0);
	icmp_part[0] = ICMP_ECHOREPLY;
	if (flip >= 0)
		icmp_part[8 + flip] ^= 1;
	icmp_part[2] = icmp_part[3] = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)icmp_part[i] << 8 : icmp_part[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	icmp_part[2] = (uint8_t)(~sum >> 8);
	icmp_part[3] = (uint8_t)~sum;
	ck_assert_int_eq(sendto(fd, icmp_part, n, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)n);
	if (flip >= 0)
		icmp_part[8 + flip] ^= 1;
	close(fd);
}

/* Sends one to this host, and reads on the wire what identifier it has. */
static unsigned
sent_id(uint64_t token)
{
	struct forger f;

	overhear(&f, token);
	close(f.fd);
	return (unsigned)f.packet[24] << 8 | f.packet[25];
}

/* A minute long the same identifier, then another; a reply to the old one is one all the same. */
START_TEST(test_identifier_rotates)
{
	unsigned id, last, others = 0;

	net_begin();				/* where nobody else asks this host */
	begin("127.0.0.1");
	last = sent_id(0);
	for (unsigned minute = 0; minute < 3; minute++) {
		moved_ns += 59 * NS_PER_S;
		ck_assert_uint_eq(sent_id(3 * minute + 1), last);
		moved_ns += 2 * NS_PER_S;
		id = sent_id(3 * minute + 2);
		others += id != last;		/* by chance one of 65,536 is the same */
		last = id;
	}
	ck_assert_uint_ge(others, 2);
	bench_wait(7);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(bench.result[i].outcome, PROBE_REPLY);
	end();
	net_end();
}
END_TEST

START_TEST(test_forged_and_repeated)
{
	struct forger f;
	struct icmp_stat st;

	net_begin();
	begin("127.0.0.1");
	overhear(&f, 0);
	bench_wait(1);
	ck_assert_int_eq(bench.result[0].outcome, PROBE_REPLY);
	forge(&f, "127.0.0.5", -1);		/* from elsewhere */
	forge(&f, "127.0.0.1", 5);		/* another link */
	forge(&f, "127.0.0.1", 12);		/* another token */
	forge(&f, "127.0.0.1", 20);		/* another cookie */
	icmp_drain(icmp);
	ck_assert_uint_eq(bench.results, 1);
	for (unsigned i = 0; i < 100; i++)
		forge(&f, "127.0.0.1", -1);
	icmp_drain(icmp);
	ck_assert_uint_eq(bench.results, 101);
	for (unsigned i = 1; i < 101; i++) {
		ck_assert_int_eq(bench.result[i].outcome, PROBE_EXTRA);
		ck_assert_uint_eq(bench.result[i].causes, CAUSE_BIT(CAUSE_DUPLICATE));
	}
	icmp_stat(icmp, &st);
	ck_assert_uint_eq(st.duplicates, 100);
	ck_assert_uint_eq(st.foreign, 4);	/* the first, and each with its tag and no cookie */
	close(f.fd);
	end();
	net_end();
}
END_TEST

/* A loop that is busy does not lengthen an RTT. */
START_TEST(test_late_loop)
{
	begin("127.0.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	usleep(200 * 1000);			/* the loop is held up: that is what is tested */
	bench_wait(1);
	ck_assert_int_lt(bench.result[0].rtt_ns, 20 * NS_PER_MS);
	end();
}
END_TEST

/* More replies than the socket has room for: told as drops. */
START_TEST(test_overflow)
{
	Linkwatch__Pb__Link l = bench_link(PROBE_ICMP, "127.0.0.1", 0);
	struct icmp_stat st;

	begin("127.0.0.1");
	bench_close();
	l.size = 8000;
	l.count = 1000;
	bench_open(&l);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(bench_send(sampler_token(0, i)), 0);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(bench_send(sampler_token(1, i)), 0);
	icmp_drain(icmp);
	icmp_stat(icmp, &st);
	ck_assert_uint_gt(st.drops, 0);
	bench_run(100);
	ck_assert_uint_gt(bench.results, 100);
	ck_assert_uint_lt(bench.results, 2000);
	/* whatever is missing is among them (so are requests that passed by on loopback) */
	ck_assert_uint_ge(bench.results + st.drops, 2000);
	end();
}
END_TEST

START_TEST(test_closed_probe_gets_nothing)
{
	begin("127.0.0.1");
	ck_assert_int_eq(bench_send(0), 0);
	bench_close();
	bench_run(100);
	ck_assert_uint_eq(bench.results, 0);
	icmp_free(icmp);
	bench_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_loopback, test_loopback_6, test_router, test_ping_socket, test_errors, test_options, test_source_and_device,
		test_silence, test_not_sent, test_identifier_rotates, test_forged_and_repeated, test_late_loop,
		test_overflow, test_closed_probe_gets_nothing, NULL,
	};

	return run_suite("probe_icmp", tests);
}
