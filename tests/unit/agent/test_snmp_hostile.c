/*
 * test_snmp_hostile.c - what a device may do to the one who asks: each has its
 * answer, and the next poll of an honest device is whole.
 */
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/snmp_device.h"
#include "agent/snmp_worker.h"
#include "agent/target.h"
#include "snmp_fake.h"

#define TIMEOUT_MS 400
#define PATIENT_MS 1500			/* where a busy host must not count */

struct polled {
	uint32_t device;
	unsigned results, extras;
	uint32_t extra;			/* causes of EXTRAs */
	struct probe_result last;
	int64_t at_ns;			/* of the last result */
};

static char dir[64];
static struct event_base *base;
static struct snmp_worker *worker;
static struct fake *fake;
static uint64_t token;

static void
on_done(void *arg, const struct probe_result *r)
{
	struct polled *p = arg;

	if (r->outcome == PROBE_EXTRA) {
		p->extra |= r->causes;
		p->extras++;
		return;
	}
	p->last = *r;
	p->at_ns = clock_mono(clock_real()).ns;
	p->results++;
}

static void
begin_at(const char *address)
{
	static char path[96];
	struct snmp_credential c[] = {
		{ .name = (char *)"v2", .version = SNMP_V2C, .community_file = path },
		{ .name = (char *)"v3", .version = SNMP_V3, .user = (char *)"mon",
		  .auth = SNMP_AUTH_SHA256, .auth_secret_file = path },
	};
	FILE *f;

	strcpy(dir, "/tmp/test_snmp.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/secret", dir);
	f = fopen(path, "w");
	fputs("public-enough\n", f);
	ck_assert_int_eq(fclose(f), 0);
	base = event_base_new();
	fake = fake_new(base, address);
	ck_assert_int_eq(snmp_worker_new(&worker, clock_real(), rng_real(), c, 2), 0);
	ck_assert_int_eq(snmp_worker_attach(worker, base), 0);
}

static void
begin(void)
{
	begin_at("127.0.0.1");
}

static void
end(void)
{
	char command[96];

	snmp_worker_free(worker);
	fake_free(fake);
	event_base_free(base);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A link with what a test wants to differ. */
static void
add_link(struct polled *p, Linkwatch__Pb__Link *l)
{
	struct target t;
	char why[160];

	*p = (struct polled){ 0 };
	l->id = (char *)"d";
	l->probe = PROBE_SNMP;
	if (l->target[0] == '\0')
		l->target = (char *)"127.0.0.1";
	l->port = fake->port;
	l->step_ms = 5000;
	if (l->timeout_ms == 0)
		l->timeout_ms = TIMEOUT_MS;
	if (l->credential[0] == '\0')
		l->credential = (char *)"v2";
	ck_assert_msg(target_init(&t, l, why, sizeof why) == 0, "%s", why);
	p->device = snmp_worker_add(worker, &t, on_done, p);
	target_fini(&t);
}

static void
add(struct polled *p, const char *interface, bool host, size_t oids)
{
	static char text[16][32];
	static char *oid[16];
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	for (size_t i = 0; i < oids; i++) {
		snprintf(text[i], sizeof text[i], "1.3.6.1.4.1.9999.%zu.0", i + 1);
		oid[i] = text[i];
	}
	l.interface = (char *)interface;
	l.host = host;
	l.oid = oid;
	l.n_oid = oids;
	add_link(p, &l);
}

static void
start_at(struct polled *p, const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = target_literal(address, port, &to);

	ck_assert_int_eq(snmp_worker_poll(worker, p->device, ++token, (struct sockaddr *)&to, len),
	    0);
}

static void
wait_for(const unsigned *count, unsigned want)
{
	int64_t until = clock_mono(clock_real()).ns + 20 * NS_PER_S;

	while (*count < want && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(*count, want);
}

static void
ask(struct polled *p)
{
	unsigned before = p->results;

	start_at(p, "127.0.0.1", fake->port);
	wait_for(&p->results, before + 1);
	ck_assert_uint_eq(p->last.token, token);
}

static void
expect(struct polled *p, enum probe_outcome outcome, uint32_t cause)
{
	ask(p);
	ck_assert_int_eq(p->last.outcome, outcome);
	if (cause == 0)
		ck_assert_uint_eq(p->last.causes, 0);
	else
		ck_assert_uint_eq(p->last.causes, CAUSE_BIT(cause));
	for (uint32_t i = 0; i < p->last.values; i++)
		ck_assert(isfinite(p->last.value[i].value));
}

static double
role(const struct polled *p, uint32_t r)
{
	for (uint32_t i = 0; i < p->last.values; i++)
		if (p->last.value[i].role == r)
			return p->last.value[i].value;
	return NAN;
}

static void
add_objects(size_t n)
{
	static char name[FAKE_OBJECTS][40];

	for (size_t i = 0; i < n; i++) {
		snprintf(name[i], sizeof name[i], "1.3.6.1.4.1.9999.%zu.0", i + 1);
		fake_add(fake, name[i], BER_GAUGE32, "\x2a", 1);
	}
}

/* Interface index with this name and alias, its counters at zero. */
static void
add_interface(unsigned index, const char *name, const char *alias)
{
	static const char *const column[] = { "1.3.6.1.2.1.31.1.1.1.6", "1.3.6.1.2.1.31.1.1.1.10" };
	char oid[64];

	snprintf(oid, sizeof oid, "1.3.6.1.2.1.31.1.1.1.1.%u", index);
	fake_add(fake, oid, BER_STRING, name, strlen(name));
	snprintf(oid, sizeof oid, "1.3.6.1.2.1.31.1.1.1.18.%u", index);
	fake_add(fake, oid, BER_STRING, alias, strlen(alias));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(oid, sizeof oid, "%s.%u", column[i], index);
		fake_add(fake, oid, BER_COUNTER64, "\x05", 1);
	}
	snprintf(oid, sizeof oid, "1.3.6.1.2.1.2.2.1.8.%u", index);	/* told apart by status */
	fake_add(fake, oid, BER_INTEGER, index == 2 ? "\x02" : index == 5 ? "\x05" : "\x01", 1);
}

/* -------------------------------------------------------------------- tests */

START_TEST(test_honest)
{
	struct polled p;

	begin();
	add_objects(2);
	add(&p, "", false, 2);
	expect(&p, PROBE_REPLY, 0);
	ck_assert_double_eq(role(&p, ROLE_OID0 + 1), 42);
	ck_assert_uint_eq(fake->requests, 1);	/* several objects in one datagram */
	end();
}
END_TEST

/* What does not answer the question counts as if it had not come. */
START_TEST(test_other_ids_and_senders)
{
	struct snmp_worker_stat stat;
	struct polled p;
	uint16_t other;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	fake->id_off = 1;
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	fake->id_off = 0;
	fake->twist = FAKE_NOISE;
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	fake->twist = FAKE_STRAIGHT;
	fake->other_fd = fake_socket("127.0.0.1", 0, &other);	/* the right host, not the port */
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	close(fake->other_fd);
	fake->other_fd = fake_socket("127.0.0.2", fake->port, &other);
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	close(fake->other_fd);
	fake->other_fd = -1;
	snmp_worker_stat(worker, &stat);
	ck_assert_uint_ge(stat.foreign, 8);	/* each poll asks twice */
	ck_assert_uint_eq(stat.answered, 0);
	expect(&p, PROBE_REPLY, 0);
	end();
}
END_TEST

/* It lives, but what it says cannot be used: answered, and an error. */
START_TEST(test_malformed)
{
	static const unsigned twist[] = { FAKE_CUT, FAKE_BAD_BIND, FAKE_LONG_NAME, FAKE_NOT_ASKED,
		FAKE_FEWER, FAKE_HUGE };
	struct polled p;

	begin();
	add_objects(3);
	add(&p, "", false, 3);
	for (unsigned i = 0; i < sizeof twist / sizeof twist[0]; i++) {
		fake->twist = twist[i];
		ask(&p);
		ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
		ck_assert_uint_ne(p.last.causes & CAUSE_BIT(CAUSE_SNMP_ERROR), 0);
		ck_assert(isnan(role(&p, ROLE_OID0)));
	}
	fake->twist = FAKE_STRAIGHT;
	expect(&p, PROBE_REPLY, 0);
	end();
}
END_TEST

START_TEST(test_errors)
{
	struct polled p;

	begin();
	add_objects(3);
	add(&p, "", false, 3);
	fake->status = 5;			/* genErr, says not of what */
	expect(&p, PROBE_REPLY, CAUSE_SNMP_ERROR);
	ck_assert_uint_eq(p.last.values, 0);
	fake->index = 1000000;
	expect(&p, PROBE_REPLY, CAUSE_SNMP_ERROR);
	/* of one by one: the others are asked for again without it, to the end and no further */
	fake->index = 1;
	fake->requests = 0;
	ask(&p);
	ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
	ck_assert_uint_ne(p.last.causes & CAUSE_BIT(CAUSE_SNMP_ERROR), 0);
	ck_assert_uint_eq(fake->requests, 4);
	fake->status = SNMP_NOT_AUTHORIZED;
	expect(&p, PROBE_REPLY, CAUSE_SNMP_AUTH);
	fake->status = 0;
	expect(&p, PROBE_REPLY, 0);
	end();
}
END_TEST

/* A device that holds only five variables in an answer. */
START_TEST(test_too_big)
{
	struct polled p;

	begin();
	add_objects(15);
	add(&p, "", false, 15);
	fake->room = 5;
	expect(&p, PROBE_REPLY, 0);
	ck_assert_double_eq(role(&p, ROLE_OID0 + 14), 42);
	fake->requests = 0;
	fake->most_vars = 0;
	expect(&p, PROBE_REPLY, 0);		/* it remembers */
	ck_assert_uint_le(fake->most_vars, 5);
	fake->room = 0;
	fake->status = SNMP_TOO_BIG;		/* even of a single one */
	ask(&p);
	ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
	ck_assert_uint_ne(p.last.causes & CAUSE_BIT(CAUSE_SNMP_ERROR), 0);
	end();
}
END_TEST

START_TEST(test_no_such_object)
{
	struct polled p;

	begin();
	add_objects(1);
	add(&p, "", false, 2);
	expect(&p, PROBE_REPLY, CAUSE_SNMP_NO_OBJECT);
	ck_assert_double_eq(role(&p, ROLE_OID0), 42);
	ck_assert(isnan(role(&p, ROLE_OID0 + 1)));
	end();
}
END_TEST

/* Walks that never end, turn in circles or go back: given up, within bounds. */
START_TEST(test_walks)
{
	static const unsigned twist[] = { FAKE_CIRCLE, FAKE_BACKWARDS, FAKE_EMPTY };
	struct polled p, q;

	begin();
	add_objects(1);
	add(&p, "eth0", false, 1);
	add(&q, "", true, 0);
	for (unsigned i = 0; i < 3; i++) {
		fake->twist = twist[i];
		fake->requests = 0;
		ask(&p);
		ask(&q);
		ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
		ck_assert_int_eq(q.last.outcome, PROBE_REPLY);
		ck_assert_uint_ne(p.last.causes, 0);
		ck_assert_uint_le(fake->requests, 12);
	}
	snmp_worker_remove(worker, p.device);
	add(&p, "eth0", false, 1);		/* its search has not been given up yet */
	fake->twist = FAKE_ENDLESS;
	for (unsigned i = 0; i < 3; i++) {
		fake->requests = 0;
		ask(&p);
		ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
		ck_assert_uint_le(fake->requests, SNMP_POLL_REQUESTS + 4);
		fake->requests = 0;
		ask(&q);
		ck_assert_int_eq(q.last.outcome, PROBE_REPLY);
		ck_assert_uint_le(fake->requests, SNMP_POLL_REQUESTS + 4);
	}
	end();
}
END_TEST

/* Slower than half of the timeout, so that we ask twice: the first answer counts. */
START_TEST(test_slow)
{
	struct polled p;
	int64_t began;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	fake->hold = true;
	began = clock_mono(clock_real()).ns;
	start_at(&p, "127.0.0.1", fake->port);
	wait_for(&fake->requests, 1);
	memcpy(fake->held + FAKE_TEXT / 2, fake->held, fake->held_n);	/* the first one's */
	wait_for(&fake->requests, 2);
	memcpy(fake->held, fake->held + FAKE_TEXT / 2, fake->held_n);
	fake_release(fake);
	wait_for(&p.results, 1);
	ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(p.last.causes, 0);
	ck_assert_int_ge(p.last.rtt_ns, TIMEOUT_MS / 2 * NS_PER_MS - NS_PER_MS);
	ck_assert_int_le(p.last.rtt_ns, p.at_ns - began);
	end();
}
END_TEST

/* After the timeout: lost, and said to have come late. */
START_TEST(test_late)
{
	struct polled p;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	fake->hold = true;
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	fake_release(fake);
	wait_for(&p.extras, 1);
	ck_assert_uint_eq(p.extra, CAUSE_BIT(CAUSE_LATE_REPLY));
	/* in the next poll nobody waits for it any more */
	expect(&p, PROBE_LOST, CAUSE_TIMEOUT);
	fake->hold = false;
	expect(&p, PROBE_REPLY, 0);
	ck_assert_uint_eq(p.extras, 1);
	end();
}
END_TEST

START_TEST(test_duplicates)
{
	struct polled p;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	fake->copies = 3;
	expect(&p, PROBE_REPLY, 0);
	wait_for(&p.extras, 2);
	ck_assert_uint_eq(p.extra, CAUSE_BIT(CAUSE_DUPLICATE));
	end();
}
END_TEST

/* One datagram lost: asked again, no loss. */
START_TEST(test_lost_once)
{
	int64_t began = clock_mono(clock_real()).ns;
	struct polled p;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	fake->skip = 1;
	expect(&p, PROBE_REPLY, 0);
	ck_assert_int_lt(p.last.rtt_ns, p.at_ns - began - TIMEOUT_MS / 2 * NS_PER_MS +
	    NS_PER_MS);			/* from its own sending */
	ck_assert_uint_eq(fake->requests, 2);
	end();
}
END_TEST

/* Names and aliases by pattern: the lowest index, and where it has moved to. */
START_TEST(test_patterns)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct polled p, q, none;

	begin();
	add_interface(5, "eth1", "uplink 上海 b");
	add_interface(2, "eth2", "uplink 上海 a");
	add_interface(1, "lo", "");
	add(&p, "eth?", false, 0);
	l.alias = (char *)"uplink*?海 b";
	add_link(&q, &l);
	l.alias = (char *)"eth*";			/* no alias is like that */
	add_link(&none, &l);
	expect(&p, PROBE_REPLY, 0);
	ck_assert_double_eq(role(&p, ROLE_OPER_STATUS), 2);
	expect(&q, PROBE_REPLY, 0);
	ck_assert_double_eq(role(&q, ROLE_OPER_STATUS), 5);
	expect(&none, PROBE_REPLY, CAUSE_SNMP_NO_OBJECT);
	/* the names change places: followed in the same poll, and no rate is made of two */
	fake_find(fake, "1.3.6.1.2.1.31.1.1.1.1.2")->value = "wan2";
	fake_find(fake, "1.3.6.1.2.1.31.1.1.1.18.5")->value = "uplink 上海 a";
	fake_find(fake, "1.3.6.1.2.1.31.1.1.1.18.2")->value = "uplink 上海 b";
	expect(&p, PROBE_REPLY, CAUSE_DISCONTINUITY);
	ck_assert_double_eq(role(&p, ROLE_OPER_STATUS), 5);
	expect(&q, PROBE_REPLY, CAUSE_DISCONTINUITY);
	ck_assert_double_eq(role(&q, ROLE_OPER_STATUS), 2);
	expect(&q, PROBE_REPLY, 0);
	ck_assert_double_eq(role(&q, ROLE_IN_BPS), 0);
	end();
}
END_TEST

START_TEST(test_objects_by_type)
{
	char *oid[] = { (char *)"1.3.6.1.4.1.9999.1.0", (char *)"1.3.6.1.4.1.9999.2.0" };
	uint32_t type[] = { OID_COUNTER, OID_GAUGE };
	double scale[] = { 8, 0.1 };
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	struct polled p;

	begin();
	fake_add(fake, oid[0], BER_GAUGE32, "\x05", 1);
	fake_add(fake, oid[1], BER_COUNTER32, "\x64", 1);
	l.oid = oid;
	l.oid_type = type;
	l.oid_scale = scale;
	l.n_oid = l.n_oid_type = l.n_oid_scale = 2;
	add_link(&p, &l);
	expect(&p, PROBE_REPLY, 0);
	ck_assert(isnan(role(&p, ROLE_OID0)));
	ck_assert_double_eq_tol(role(&p, ROLE_OID0 + 1), 10, 1e-9);
	fake->object[1].value = "\x06";
	expect(&p, PROBE_REPLY, 0);
	ck_assert_double_gt(role(&p, ROLE_OID0), 0);
	end();
}
END_TEST

/* The sender's address is what the plan says, in both families. */
START_TEST(test_source)
{
	static const char *const to[] = { "127.0.0.1", "::1" }, *const source[] = { "127.0.0.77",
		"::1" };

	for (unsigned i = 0; i < 2; i++) {
		Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
		char text[INET6_ADDRSTRLEN];
		struct polled p, none;

		begin_at(to[i]);
		l.target = (char *)to[i];
		l.source = (char *)source[i];
		l.host = true;
		add_link(&p, &l);
		start_at(&p, to[i], fake->port);
		wait_for(&p.results, 1);
		ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
		inet_ntop(fake->held_to.ss_family, i == 0 ?
		    (void *)&((struct sockaddr_in *)&fake->held_to)->sin_addr :
		    (void *)&((struct sockaddr_in6 *)&fake->held_to)->sin6_addr, text,
		    sizeof text);
		ck_assert_str_eq(text, source[i]);
		/* one that this host has not: said so, nothing is sent from another */
		fake->requests = 0;
		l.source = (char *)(i == 0 ? "192.0.2.9" : "2001:db8::9");
		add_link(&none, &l);
		start_at(&none, to[i], fake->port);
		wait_for(&none.results, 1);
		ck_assert_int_eq(none.last.outcome, PROBE_NOT_SENT);
		ck_assert_uint_eq(none.last.causes, CAUSE_BIT(CAUSE_NOT_SENT));
		ck_assert_uint_eq(fake->requests, 0);
		end();
	}
}
END_TEST

/* Nobody listens there: the host says so, at once, in both versions. */
START_TEST(test_port_unreachable)
{
	static const char *const credential[] = { "v2", "v3" };
	struct polled p[2];
	uint16_t port;

	begin();
	close(fake_socket("127.0.0.1", 0, &port));
	for (unsigned i = 0; i < 2; i++) {
		Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

		l.credential = (char *)credential[i];
		l.host = true;
		add_link(&p[i], &l);
		start_at(&p[i], "127.0.0.1", port);
		wait_for(&p[i].results, 1);
		ck_assert_int_eq(p[i].last.outcome, PROBE_LOST);
		ck_assert_uint_eq(p[i].last.causes, CAUSE_BIT(CAUSE_PORT_UNREACHABLE));
	}
	end();
}
END_TEST

#define DEAD 50
#define LIVE 10

/* Fifty dead v3 devices and ten that live: all these have answered before one of those is lost. */
START_TEST(test_dead_among_living)
{
	static struct polled dead[DEAD], live[LIVE];
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	uint16_t port;
	int fd;

	begin();
	fd = fake_socket("127.0.0.1", 0, &port);	/* bound and never read */
	l.host = true;
	l.timeout_ms = PATIENT_MS;
	for (unsigned i = 0; i < LIVE; i++)
		add_link(&live[i], &l);
	l.credential = (char *)"v3";
	for (unsigned i = 0; i < DEAD; i++)
		add_link(&dead[i], &l);
	for (unsigned round = 1; round <= 2; round++) {
		for (unsigned i = 0; i < DEAD; i++)
			start_at(&dead[i], "127.0.0.1", port);
		for (unsigned i = 0; i < LIVE; i++)
			start_at(&live[i], "127.0.0.1", fake->port);
		for (unsigned i = 0; i < LIVE; i++) {
			wait_for(&live[i].results, round);
			ck_assert_int_eq(live[i].last.outcome, PROBE_REPLY);
		}
		for (unsigned i = 0; i < DEAD; i++)
			ck_assert_uint_eq(dead[i].results, round - 1);
		for (unsigned i = 0; i < DEAD; i++) {
			wait_for(&dead[i].results, round);
			ck_assert_int_eq(dead[i].last.outcome, PROBE_LOST);
			ck_assert_uint_eq(dead[i].last.causes, CAUSE_BIT(CAUSE_TIMEOUT));
		}
	}
	close(fd);
	end();
}
END_TEST

#define MANY 2000

/* Two thousand due at once: no buffer overflows, the RTT is not that of the queue. */
START_TEST(test_paced)
{
	static struct polled many[MANY];
	struct snmp_worker_stat stat;
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	int room = 64 * 1024;
	int64_t began, longest = 0;

	begin();
	ck_assert_int_eq(setsockopt(fake->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
	l.timeout_ms = 5000;
	l.host = true;			/* three requests each */
	for (unsigned i = 0; i < MANY; i++)
		add_link(&many[i], &l);
	for (unsigned round = 1; round <= 2; round++) {
		began = clock_mono(clock_real()).ns;
		for (unsigned i = 0; i < MANY; i++)
			start_at(&many[i], "127.0.0.1", fake->port);
		for (unsigned i = 0; i < MANY; i++) {
			wait_for(&many[i].results, round);
			ck_assert_int_eq(many[i].last.outcome, PROBE_REPLY);
			if (many[i].last.rtt_ns > longest)
				longest = many[i].last.rtt_ns;
		}
	}
	ck_assert_int_lt(longest, (clock_mono(clock_real()).ns - began) / 2);
	snmp_worker_stat(worker, &stat);
	ck_assert_uint_eq(stat.drops, 0);
	ck_assert_uint_ge(stat.answered, 2 * 3 * MANY);
	ck_assert_uint_le(stat.sent, stat.answered + stat.answered / 20);
	end();
}
END_TEST

static bool
take(void *arg)
{
	unsigned *left = arg;

	return *left > 0 && (*left)-- > 0;
}

/* The packet cap of the host holds for what a poll sends after its first. */
START_TEST(test_cap)
{
	unsigned left = 3;
	struct polled p;

	begin();
	add_interface(1, "lo", "");
	add(&p, "nothing", true, 0);
	snmp_worker_cap(worker, take, &left);
	ask(&p);
	ck_assert_int_eq(p.last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(p.last.causes, CAUSE_BIT(CAUSE_SNMP_ERROR) |
	    CAUSE_BIT(CAUSE_SNMP_NO_OBJECT));		/* no such interface either */
	ck_assert_uint_eq(fake->requests, 4);
	left = 100;
	ask(&p);
	ck_assert_uint_eq(p.last.causes, CAUSE_BIT(CAUSE_SNMP_NO_OBJECT));
	ck_assert_int_eq(snmp_worker_poll(worker, 12345, 1, NULL, 0), -EINVAL);
	end();
}
END_TEST

/* A second order before the first has begun; devices that go in every state. */
START_TEST(test_orders)
{
	struct sockaddr_storage to;
	struct polled p, q, r;
	socklen_t len;

	begin();
	add_objects(1);
	add(&p, "", false, 1);
	add(&q, "", false, 1);
	add(&r, "", false, 1);
	len = target_literal("127.0.0.1", fake->port, &to);
	start_at(&p, "127.0.0.1", fake->port);
	ck_assert_int_eq(snmp_worker_poll(worker, p.device, 9, (struct sockaddr *)&to, len),
	    -EAGAIN);
	start_at(&q, "127.0.0.1", fake->port);
	snmp_worker_remove(worker, q.device);		/* before it began */
	wait_for(&p.results, 1);
	fake->hold = true;
	start_at(&r, "127.0.0.1", fake->port);
	wait_for(&fake->requests, 2);
	snmp_worker_remove(worker, r.device);		/* while it is asked */
	fake->hold = false;
	fake_release(fake);
	add(&r, "", false, 1);				/* the same number, another device */
	expect(&r, PROBE_REPLY, 0);
	ck_assert_uint_eq(r.results, 1);
	ck_assert_uint_eq(q.results, 0);
	snmp_worker_credentials(worker, NULL, 0);	/* none left */
	ck_assert(!snmp_worker_knows(worker, "v2"));
	expect(&r, PROBE_NOT_SENT, CAUSE_LOCAL);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_honest, test_other_ids_and_senders, test_malformed, test_errors, test_too_big,
		test_no_such_object, test_walks, test_slow, test_late, test_duplicates,
		test_lost_once, test_patterns, test_objects_by_type, test_source,
		test_port_unreachable, test_dead_among_living, test_paced, test_cap, test_orders,
		NULL,
	};

	return run_suite("snmp_hostile", tests);
}
