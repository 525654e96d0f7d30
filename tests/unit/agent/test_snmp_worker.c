/*
 * test_snmp_worker.c - a real snmpd: right and wrong credentials, dead devices
 * that delay nobody, restarts, and a device that answers with rubbish.
 */
#include "agent/snmp_worker.h"

#include <check.h>
#include <event2/event.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/target.h"
#include "suite.h"
#include "tests/unit/own_time.h"

#define DEVICES 32

struct polled {
	uint32_t device;
	struct target target;
	unsigned results;
	struct probe_result last;
	uint32_t extra;			/* causes of EXTRAs */
};

static char dir[64];
static pid_t snmpd, proxy;
static uint16_t port, proxy_port;
static struct event_base *base;
static struct snmp_worker *worker;
static struct polled polled[DEVICES];
static unsigned polleds;
static uint64_t token;

/* ------------------------------------------------------------- the device */

static void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static uint16_t
free_port(int *keep)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	if (keep != NULL)
		*keep = fd;
	else
		close(fd);
	return ntohs(a.sin_port);
}

static bool
is_bound(void)
{
	char line[256], want[16];
	bool found = false;
	FILE *f = fopen("/proc/net/udp", "r");

	snprintf(want, sizeof want, ":%04X ", port);
	while (fgets(line, sizeof line, f) != NULL)
		found |= strstr(line, want) != NULL;
	fclose(f);
	return found;
}

static void
start_snmpd(void)
{
	snmpd = fork();
	if (snmpd == 0) {
		setenv("MIBS", "", 1);
		setenv("SNMP_PERSISTENT_DIR", "persistent", 1);
		execl("/usr/sbin/snmpd", "snmpd", "-f", "-Lf", "snmpd.log", "-C", "-c",
		    "snmpd.conf", "-I", "-smux", (char *)NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 1000 && !is_bound(); i++)
		usleep(10 * 1000);
	ck_assert(is_bound());
}

static void
stop_snmpd(void)
{
	kill(snmpd, SIGTERM);
	ck_assert_int_eq(waitpid(snmpd, NULL, 0), snmpd);
}

static struct snmp_credential
v3(const char *name, const char *user, int auth, const char *auth_file, int priv,
    const char *priv_file)
{
	return (struct snmp_credential){ .name = (char *)name, .version = SNMP_V3,
		.user = (char *)user, .auth = auth, .auth_secret_file = (char *)auth_file,
		.priv = priv, .priv_secret_file = (char *)priv_file };
}

static void
set_credentials(bool changed)
{
	struct snmp_credential c[] = {
		{ .name = "v2", .version = SNMP_V2C, .community_file = "public" },
		{ .name = "v2-wrong", .version = SNMP_V2C, .community_file = "other" },
		v3("v3", "mon", SNMP_AUTH_SHA256, "auth", SNMP_PRIV_AES128, "priv"),
		v3("v3-wrong", "mon", SNMP_AUTH_SHA256, "other", SNMP_PRIV_AES128, "other"),
		v3("v3-wrong-priv", "mon", SNMP_AUTH_SHA256, "auth", SNMP_PRIV_AES128, "other"),
		v3("v3-nobody", "nobody", SNMP_AUTH_SHA256, "auth", SNMP_PRIV_AES128, "priv"),
		v3("sha1", "u1", SNMP_AUTH_SHA1, "auth", SNMP_PRIV_AES128, "priv"),
		v3("sha512", "u512", SNMP_AUTH_SHA512, "auth", SNMP_PRIV_AES256, "priv"),
		v3("md5-des", "umd5", SNMP_AUTH_MD5, "auth", SNMP_PRIV_DES, "priv"),
		v3("sha1-256", "u1x", SNMP_AUTH_SHA1, "auth", SNMP_PRIV_AES256, "priv"),
		v3("sha224", "u224", SNMP_AUTH_SHA224, "auth", SNMP_PRIV_AES192, "priv"),
		v3("sha384", "u384", SNMP_AUTH_SHA384, "auth", SNMP_PRIV_NONE, NULL),
		v3("noauth", "u0", SNMP_AUTH_NONE, NULL, SNMP_PRIV_NONE, NULL),
		v3("missing", "mon", SNMP_AUTH_SHA256, "no-such-file", SNMP_PRIV_NONE, NULL),
		v3("short", "mon", SNMP_AUTH_SHA256, "short", SNMP_PRIV_NONE, NULL),
	};

	if (changed) {
		c[2].auth_secret_file = c[2].priv_secret_file = "other";
		snmp_worker_credentials(worker, c, sizeof c / sizeof c[0]);
		return;
	}
	ck_assert_int_eq(snmp_worker_new(&worker, clock_real(), rng_real(), c,
	    sizeof c / sizeof c[0]), 0);
}

static void
begin_with(const char *more)
{
	char text[2048];

	strcpy(dir, "/tmp/test_snmp.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	port = free_port(NULL);
	snprintf(text, sizeof text, "agentaddress udp:127.0.0.1:%u\n"
	    "rocommunity public 127.0.0.1\n"
	    "createUser mon SHA-256 \"authpass12\" AES \"privpass12\"\nrouser mon authPriv\n"
	    "createUser u1 SHA \"authpass12\" AES \"privpass12\"\nrouser u1 authPriv\n"
	    "createUser u512 SHA-512 \"authpass12\" AES-256 \"privpass12\"\nrouser u512 authPriv\n"
	    "createUser umd5 MD5 \"authpass12\" DES \"privpass12\"\nrouser umd5 authPriv\n"
	    "createUser u1x SHA \"authpass12\" AES-256 \"privpass12\"\nrouser u1x authPriv\n"
	    "createUser u224 SHA-224 \"authpass12\" AES-192 \"privpass12\"\nrouser u224 authPriv\n"
	    "createUser u384 SHA-384 \"authpass12\"\nrouser u384 auth\n"
	    "createUser u0\nrouser u0 noauth\nengineID first\n%s", port, more);
	write_file("snmpd.conf", text);
	write_file("public", "public\n");
	write_file("other", "otherpass99\n");
	write_file("auth", "authpass12\n");
	write_file("priv", "privpass12\n");
	write_file("short", "seven77\n");
	start_snmpd();
	set_credentials(false);
	base = event_base_new();
	ck_assert_int_eq(snmp_worker_attach(worker, base), 0);
}

static void
begin(void)
{
	begin_with("");
}

static void
end(void)
{
	char command[128];

	snmp_worker_free(worker);
	event_base_free(base);
	for (unsigned i = 0; i < polleds; i++)
		target_fini(&polled[i].target);
	stop_snmpd();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
on_done(void *arg, const struct probe_result *r)
{
	struct polled *p = arg;

	if (r->outcome == PROBE_EXTRA) {
		p->extra |= r->causes;
		return;
	}
	ck_assert_uint_eq(r->token, token);
	p->last = *r;
	p->results++;
}

static struct polled *
add(const char *credential, const char *interface, bool host, char **oids, size_t n)
{
	struct polled *p = &polled[polleds++];
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;
	char why[160];

	l.id = "d";
	l.probe = PROBE_SNMP;
	l.target = "127.0.0.1";
	l.port = port;
	l.step_ms = 5000;
	l.timeout_ms = 1000;
	l.credential = (char *)credential;
	l.interface = (char *)interface;
	l.host = host;
	l.oid = oids;
	l.n_oid = n;
	ck_assert_msg(target_init(&p->target, &l, why, sizeof why) == 0, "%s", why);
	p->device = snmp_worker_add(worker, &p->target, on_done, p);
	return p;
}

static void
poll_one(struct polled *p, uint16_t to_port)
{
	struct sockaddr_storage to;
	socklen_t len = target_literal("127.0.0.1", to_port, &to);

	p->results = 0;
	ck_assert_int_eq(snmp_worker_poll(worker, p->device, token, (struct sockaddr *)&to, len), 0);
}

static void
wait_one(struct polled *p)
{
	int64_t until = clock_mono(clock_real()).ns + 10 * NS_PER_S;

	while (p->results == 0 && clock_mono(clock_real()).ns < until)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(p->results, 1);
}

static void
ask(struct polled *p)
{
	token++;
	poll_one(p, port);
	wait_one(p);
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
assert_interface(struct polled *p)
{
	ask(p);
	ck_assert_int_eq(p->last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(p->last.causes, 0);
	ck_assert_int_gt(p->last.rtt_ns, 0);
	ck_assert_int_le(p->last.rtt_ns, p->target.timeout_ns);
	ck_assert_double_eq(role(p, ROLE_OPER_STATUS), 1);
	ck_assert_double_ge(role(p, ROLE_UPTIME_S), 0);
}

static void
assert_rates(struct polled *p)
{
	assert_interface(p);
	ask(p);
	ck_assert_uint_eq(p->last.causes, 0);
	for (uint32_t r = ROLE_IN_BPS; r <= ROLE_OUT_DISCARDS; r++)
		ck_assert_msg(role(p, r) >= 0, "role %u", r);
}

/* -------------------------------------------------------------------- tests */

START_TEST(test_v2c)
{
	begin();
	assert_rates(add("v2", "lo", false, NULL, 0));
	end();
}
END_TEST

START_TEST(test_v3)
{
	static const char *const name[] = { "v3", "sha1", "sha512", "noauth", "md5-des", "sha1-256",
		"sha224", "sha384" };

	begin();
	for (unsigned i = 0; i < sizeof name / sizeof name[0]; i++)
		assert_rates(add(name[i], "lo", false, NULL, 0));
	end();
}
END_TEST

/* Figures of this very machine, but for the processor's, which snmpd has only after a minute. */
static void
host(const char *more, double cpu)
{
	struct polled *p;

	begin_with(more);
	p = add("v3", "", true, NULL, 0);
	ask(p);
	ck_assert_int_eq(p->last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(p->last.causes, 0);
	ck_assert_double_eq_tol(role(p, ROLE_CPU_RATIO), cpu, 1e-9);
	ck_assert_double_gt(role(p, ROLE_MEM_RATIO), 0);
	ck_assert_double_le(role(p, ROLE_MEM_RATIO), 1);
	ck_assert_double_gt(role(p, ROLE_STORAGE_RATIO), 0);
	ck_assert_double_le(role(p, ROLE_STORAGE_RATIO), 1);
	end();
}

START_TEST(test_host)
{
	host("override .1.3.6.1.4.1.2021.11.11.0 integer 75\n", 0.25);
}
END_TEST

START_TEST(test_host_by_processors)
{
	host("override .1.3.6.1.2.1.25.3.3.1.2.196608 integer 30\n"
	    "override .1.3.6.1.2.1.25.3.3.1.2.196609 integer 50\n", 0.4);
}
END_TEST

START_TEST(test_oids)
{
	char *oids[] = { "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.1.0", ".1.3.6.1.2.1.11.1.0" };
	char *none[] = { "1.3.6.1.4.1.99999.1.0" };
	struct polled *p, *q;

	begin();
	p = add("v2", "", false, oids, 3);
	ask(p);
	ask(p);
	ck_assert_uint_eq(p->last.causes, 0);
	ck_assert_double_gt(role(p, ROLE_OID0), 0);
	ck_assert_double_gt(role(p, ROLE_OID0 + 1), 0);		/* ifNumber */
	ck_assert_double_gt(role(p, ROLE_OID0 + 2), 0);		/* snmpInPkts: a rate */
	q = add("v2", "", false, none, 1);
	ask(q);
	ck_assert_int_eq(q->last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(q->last.causes, CAUSE_BIT(CAUSE_SNMP_NO_OBJECT));
	end();
}
END_TEST

START_TEST(test_no_such_interface)
{
	struct polled *p;

	begin();
	p = add("v2", "nope0", false, NULL, 0);
	for (unsigned i = 0; i < 3; i++) {
		ask(p);
		ck_assert_int_eq(p->last.outcome, PROBE_REPLY);
		ck_assert_uint_eq(p->last.causes, CAUSE_BIT(CAUSE_SNMP_NO_OBJECT));
		ck_assert_double_ge(role(p, ROLE_UPTIME_S), 0);
	}
	end();
}
END_TEST

START_TEST(test_wrong_secrets)
{
	static const char *const refused[] = { "v3-wrong", "v3-nobody" };
	struct polled *p;

	begin();
	for (unsigned i = 0; i < 2; i++) {
		p = add(refused[i], "lo", false, NULL, 0);
		ask(p);
		ck_assert_int_eq(p->last.outcome, PROBE_REPLY);	/* it answered: it lives */
		ck_assert_uint_eq(p->last.causes, CAUSE_BIT(CAUSE_SNMP_AUTH));
		ck_assert_uint_eq(p->last.values, 0);
	}
	/* a device says nothing to a wrong community: nobody can tell that from silence */
	p = add("v2-wrong", "lo", false, NULL, 0);
	ask(p);
	ck_assert_int_eq(p->last.outcome, PROBE_LOST);
	ck_assert_uint_eq(p->last.causes, CAUSE_BIT(CAUSE_TIMEOUT));
	p = add("v3-wrong-priv", "lo", false, NULL, 0);
	ask(p);
	ck_assert_int_ne(p->last.outcome, PROBE_NOT_SENT);
	ck_assert_uint_eq(p->last.values, 0);
	end();
}
END_TEST

/* A wrong key for the same user must not spoil the right one. */
START_TEST(test_two_keys_for_one_user)
{
	struct polled *right, *wrong;

	begin();
	right = add("v3", "lo", false, NULL, 0);
	wrong = add("v3-wrong", "lo", false, NULL, 0);
	for (unsigned i = 0; i < 6; i++) {
		token++;
		poll_one(i % 2 == 0 ? right : wrong, port);
		poll_one(i % 2 == 0 ? wrong : right, port);
		wait_one(right);
		wait_one(wrong);
		ck_assert_uint_eq(right->last.causes, 0);
		ck_assert_uint_gt(right->last.values, 2);
		ck_assert_uint_eq(wrong->last.causes, CAUSE_BIT(CAUSE_SNMP_AUTH));
	}
	end();
}
END_TEST

START_TEST(test_unusable_credentials)
{
	begin();
	ck_assert(snmp_worker_knows(worker, "v3"));
	ck_assert(!snmp_worker_knows(worker, "missing"));
	ck_assert(!snmp_worker_knows(worker, "short"));
	ck_assert(!snmp_worker_knows(worker, "never-heard-of"));
	end();
}
END_TEST

/* Twenty dead v3 devices, whose discovery goes unanswered, and one that lives. */
START_TEST(test_dead_devices_delay_nobody)
{
	struct polled *alive;
	int dead, one = 1;
	uint16_t dead_port;
	int64_t before;

	begin();
	dead_port = free_port(&dead);		/* bound and never read: silence */
	ck_assert_int_eq(setsockopt(dead, SOL_SOCKET, SO_RCVBUF, &one, sizeof one), 0);
	alive = add("v3", "lo", false, NULL, 0);
	assert_interface(alive);
	token++;
	for (unsigned i = 0; i < 20; i++) {
		struct polled *p = add(i % 2 == 0 ? "v3" : "v2", "lo", false, NULL, 0);

		poll_one(p, dead_port);
	}
	before = own_time_ns();
	poll_one(alive, port);
	wait_one(alive);
	ck_assert_uint_eq(alive->last.causes, 0);
	ck_assert_int_lt(own_time_ns() - before, 500 * NS_PER_MS);
	for (unsigned i = 1; i <= 20; i++) {
		if (polled[i].results == 0)
			wait_one(&polled[i]);
		ck_assert_int_eq(polled[i].last.outcome, PROBE_LOST);
		ck_assert_uint_eq(polled[i].last.causes, CAUSE_BIT(CAUSE_TIMEOUT));
	}
	ck_assert_int_lt(own_time_ns() - before, 3 * NS_PER_S);
	close(dead);
	end();
}
END_TEST

START_TEST(test_nobody_there)
{
	struct polled *p;

	begin();
	p = add("v3", "lo", false, NULL, 0);
	token++;
	poll_one(p, free_port(NULL));
	wait_one(p);
	ck_assert_int_eq(p->last.outcome, PROBE_LOST);
	ck_assert_uint_eq(p->last.causes, CAUSE_BIT(CAUSE_PORT_UNREACHABLE));
	end();
}
END_TEST

/* A restarted device: its clock begins anew, its engine has other times; the next poll is whole. */
START_TEST(test_restart)
{
	struct polled *two, *three;

	begin();
	two = add("v2", "lo", false, NULL, 0);
	three = add("v3", "lo", false, NULL, 0);
	/* long enough that a new uptime is told from the old one: a condition, not a guess */
	do {
		ask(two);
		ask(three);
		usleep(100 * 1000);
	} while (role(two, ROLE_UPTIME_S) < 8);
	stop_snmpd();
	start_snmpd();
	ask(two);
	ck_assert_int_eq(two->last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(two->last.causes, CAUSE_BIT(CAUSE_REBOOT));
	ck_assert(isnan(role(two, ROLE_IN_BPS)));
	ask(two);
	ck_assert_uint_eq(two->last.causes, 0);
	ck_assert(role(two, ROLE_IN_BPS) >= 0);
	ask(three);
	ck_assert_int_eq(three->last.outcome, PROBE_REPLY);
	ck_assert_uint_eq(three->last.causes & ~CAUSE_BIT(CAUSE_REBOOT), 0);
	/* another engine altogether, as after a replacement: found out within the poll */
	stop_snmpd();
	ck_assert_int_eq(system("sed -i 's/^engineID .*/engineID replaced/' snmpd.conf"), 0);
	start_snmpd();
	ask(three);
	ck_assert_int_eq(three->last.outcome, PROBE_REPLY);
	ck_assert_uint_gt(three->last.values, 2);
	end();
}
END_TEST

START_TEST(test_new_credentials)
{
	struct polled *p;

	begin();
	p = add("v3", "lo", false, NULL, 0);
	assert_interface(p);
	set_credentials(true);
	ask(p);
	ck_assert_uint_eq(p->last.causes, CAUSE_BIT(CAUSE_SNMP_AUTH));
	end();
}
END_TEST

START_TEST(test_removed_in_flight)
{
	struct polled *p;
	int dead;

	begin();
	p = add("v3", "lo", false, NULL, 0);
	token++;
	poll_one(p, free_port(&dead));
	snmp_worker_remove(worker, p->device);
	p = add("v2", "lo", false, NULL, 0);
	assert_interface(p);
	ck_assert_uint_eq(polled[0].results, 0);
	close(dead);
	end();
}
END_TEST

/* Between us and snmpd: cuts, flips, repeats and holds back answers. */
static void
run_proxy(int fd, unsigned seed)
{
	struct sockaddr_in device = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, client = { 0 }, from;
	int back = socket(AF_INET, SOCK_DGRAM, 0);
	struct rng_seed storage;
	struct rng *rng = rng_seeded(&storage, seed);
	uint8_t text[65536];

	ck_assert_int_eq(connect(back, (struct sockaddr *)&device, sizeof device), 0);
	for (;;) {
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { back, POLLIN, 0 } };
		socklen_t len = sizeof from;
		ssize_t n;

		poll(p, 2, -1);
		if (p[0].revents != 0) {
			n = recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &len);
			if (n > 0) {
				client = from;
				(void)send(back, text, (size_t)n, 0);
			}
		}
		if (p[1].revents == 0 || (n = recv(back, text, sizeof text, 0)) <= 0)
			continue;
		for (unsigned copies = 1 + (unsigned)rng_below(rng, 2); copies > 0; copies--) {
			size_t m = (size_t)n;

			for (uint64_t k = rng_below(rng, 4); k > 0; k--)
				text[rng_below(rng, m)] = (uint8_t)rng_u64(rng);
			if (rng_below(rng, 4) == 0)
				m = rng_below(rng, m) + 1;
			(void)sendto(fd, text, m, 0, (struct sockaddr *)&client, sizeof client);
		}
	}
}

START_TEST(test_rubbish)
{
	char *oids[] = { "1.3.6.1.2.1.1.3.0" };
	struct polled *p[4];
	int fd;

	begin();
	proxy_port = free_port(&fd);
	proxy = fork();
	if (proxy == 0)
		run_proxy(fd, 42);
	close(fd);
	p[0] = add("v2", "lo", true, NULL, 0);
	p[1] = add("v3", "lo", false, NULL, 0);
	p[2] = add("v2", "nope", false, oids, 1);
	p[3] = add("noauth", "lo", false, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		polled[i].target.timeout_ns = 100 * NS_PER_MS;
	for (unsigned round = 0; round < 8; round++) {
		token++;
		for (unsigned i = 0; i < 4; i++)
			poll_one(p[i], proxy_port);
		for (unsigned i = 0; i < 4; i++) {
			if (p[i]->results == 0)
				wait_one(p[i]);
			for (uint32_t k = 0; k < p[i]->last.values; k++)
				ck_assert(isfinite(p[i]->last.value[k].value));
		}
	}
	kill(proxy, SIGKILL);
	ck_assert_int_eq(waitpid(proxy, NULL, 0), proxy);
	/* and without it all is well again */
	for (unsigned i = 0; i < 5; i++) {
		ask(p[1]);
		if (p[1]->last.values > 2)
			break;
	}
	ck_assert_uint_gt(p[1]->last.values, 2);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_v2c, test_v3, test_host, test_host_by_processors, test_oids, test_no_such_interface,
		test_wrong_secrets, test_two_keys_for_one_user, test_unusable_credentials,
		test_dead_devices_delay_nobody, test_nobody_there, test_restart,
		test_new_credentials, test_removed_in_flight, test_rubbish, NULL,
	};

	return run_suite("snmp_worker", tests);
}
