/*
 * test_snmp_forged.c - ICMP errors about an SNMP device that anybody may have
 * sent.  Needs a raw socket.
 */
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/snmp_worker.h"
#include "agent/target.h"
#include "snmp_fake.h"

#define TIMEOUT_MS 400

static char dir[64], path[96];
static struct event_base *base;
static struct snmp_worker *worker;
static struct fake *fake;
static uint32_t device;
static unsigned results;
static struct probe_result last;

static void
on_done(void *arg, const struct probe_result *r)
{
	(void)arg;
	ck_assert_int_ne(r->outcome, PROBE_EXTRA);
	last = *r;
	results++;
}

/* One device that keeps its answers back, and a link to it. */
static void
begin(void)
{
	const struct snmp_credential c = { .name = (char *)"v2", .version = SNMP_V2C,
		.community_file = path };
	char *oid = (char *)"1.3.6.1.4.1.9999.1.0";
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct target t;
	char why[160];
	FILE *f;

	strcpy(dir, "/tmp/test_snmp.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/secret", dir);
	f = fopen(path, "w");
	fputs("public-enough\n", f);
	ck_assert_int_eq(fclose(f), 0);
	base = event_base_new();
	fake = fake_new(base, "127.0.0.1");
	fake->hold = true;
	ck_assert_int_eq(snmp_worker_new(&worker, clock_real(), rng_real(), &c, 1), 0);
	ck_assert_int_eq(snmp_worker_attach(worker, base), 0);
	l.id = (char *)"d";
	l.probe = PROBE_SNMP;
	l.target = (char *)"127.0.0.1";
	l.port = fake->port;
	l.step_ms = 5000;
	l.timeout_ms = TIMEOUT_MS;
	l.credential = c.name;
	l.oid = &oid;
	l.n_oid = 1;
	ck_assert_msg(target_init(&t, &l, why, sizeof why) == 0, "%s", why);
	device = snmp_worker_add(worker, &t, on_done, NULL);
	target_fini(&t);
}

static void
end(void)
{
	snmp_worker_free(worker);
	fake_free(fake);
	event_base_free(base);
	unlink(path);
	rmdir(dir);
}

static void
start(void)
{
	struct sockaddr_storage to;
	socklen_t len = target_literal("127.0.0.1", fake->port, &to);

	ck_assert_int_eq(snmp_worker_poll(worker, device, 1, (struct sockaddr *)&to, len), 0);
}

static void
wait_for(const unsigned *count, unsigned want)
{
	int64_t until = clock_mono(clock_real()).ns + 20 * NS_PER_S;

	while (*count < want && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(*count, want);
}

/* An ICMP error that quotes a datagram of ours to the fake: its headers and n bytes of text. */
static void
forge_error(uint8_t code, const uint8_t *text, size_t n)
{
	const struct sockaddr_in *us = (const struct sockaddr_in *)&fake->held_to;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = us->sin_addr };
	struct { struct icmphdr icmp; struct iphdr ip; struct udphdr udp; uint8_t text[64]; } x;
	size_t len = offsetof(__typeof__(x), text) + n;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	uint16_t word[sizeof x / 2];
	uint32_t sum = 0;

	ck_assert_int_ge(fd, 0);
	memset(&x, 0, sizeof x);
	x.icmp.type = ICMP_DEST_UNREACH;
	x.icmp.code = code;
	x.ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(28 + n)), .saddr = us->sin_addr.s_addr,
		.daddr = htonl(INADDR_LOOPBACK) };
	x.udp.source = us->sin_port;
	x.udp.dest = htons(fake->port);
	x.udp.len = htons((uint16_t)(8 + n));
	if (n > 0)
		memcpy(x.text, text, n);
	memcpy(word, &x, sizeof x);
	for (size_t i = 0; i < sizeof x / 2; i++)
		sum += word[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	x.icmp.checksum = (uint16_t)~sum;
	ck_assert_int_eq(sendto(fd, &x, len, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)len);
	close(fd);
}

/* Runs the loop for so long. */
static void
pass_ms(unsigned ms)
{
	struct timeval tv = { .tv_usec = (suseconds_t)ms * 1000 };

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

/*
 * Whoever guesses our port can say that a device cannot be reached.  It ends no poll: what answers
 * has answered; of what does not, it is the cause.  With a request quoted that is not ours it is
 * nothing at all.
 */
START_TEST(test_forged_unreachable)
{
	static const uint32_t want[] = { CAUSE_HOST_UNREACHABLE, CAUSE_TIMEOUT };
	const struct snmp_request other = { .pdu = SNMP_PDU_GET, .id = 77 };
	uint8_t text[64];
	struct ber_out o;

	begin();
	ber_out_init(&o, text, sizeof text);
	snmp_put_v2c(&o, "public-enough", &other);
	for (unsigned whole = 0; whole < 2; whole++) {
		for (unsigned answered = 0; answered < 2; answered++) {
			unsigned before = results, requests = fake->requests;

			start();
			wait_for(&fake->requests, requests + 1);
			forge_error(ICMP_HOST_UNREACH, o.p,
			    whole == 1 ? (size_t)(text + sizeof text - o.p) : 0);
			pass_ms(20);
			ck_assert_uint_eq(results, before);
			if (answered == 1)
				fake_release(fake);
			wait_for(&results, before + 1);
			ck_assert_int_eq(last.outcome, answered ? PROBE_REPLY : PROBE_LOST);
			if (answered == 0)
				ck_assert_uint_eq(last.causes, CAUSE_BIT(want[whole]));
		}
	}
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { test_forged_unreachable, NULL };

	return run_suite("snmp_forged", tests);
}
