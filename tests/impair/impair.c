/*
 * impair.c - a link emulator in user space, for kernels without netem.
 *
 * It owns one TUN device (side A, where the agent stands) and, if asked, a second
 * one (side B, a real peer in another namespace).  Packets from A for a prefix are
 * answered by impair itself (ICMP echo, TCP without a stack) or passed to B; packets
 * from B go to A.  Each suffers what the longest matching rule says (rule.h), and
 * what was really done to it goes to a log (truth.h).
 *
 *   impair run -a DEV[@NETNS] -A ADDR/BITS[,ADDR/BITS] [-b DEV[@NETNS] -B ADDR/BITS[,ADDR/BITS]]
 *              [-s CONTROL] [-l LOG] [-p SPIN_US] [-S SEED] ["RULE"...]
 *   impair ctl CONTROL "set RULE" | "reset PREFIX" | "mark N" | "flush" | "stats" | "quit"
 *   impair dump LOG      the truth as CSV
 *   impair stat LOG      how late packets left
 *
 * -p: does not sleep when the next packet is due within so many microseconds; a million
 * (a second) and more: never.
 * ADDR/BITS: of IPv4, IPv6 or, with a comma, of both.
 * "impair: ready" on stderr says that the devices are up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "tests/impair/io.h"
#include "tests/impair/packet.h"
#include "tests/impair/queue.h"
#include "tests/impair/rule.h"
#include "tests/impair/truth.h"

enum { A_TO_B, B_TO_A };
/* QUEUE: packets that a device holds while we are busy; what does not fit would be a loss without a record. */
enum { QUEUE = 100000, READS = 32, WRITES = 32, ROOM = 65536, CALL_NS = 2000, ALWAYS = 1000000000 };

struct impair {
	struct rules rules;
	struct dice dice;
	struct queue queue;
	int fd_a, fd_b, control;
	struct prefix side_b[2];	/* what lies behind B: IPv4, IPv6 */
	FILE *log;
	const char *control_path;
	int64_t spin_ns;
	uint64_t in, out, dropped;
	struct io *io;			/* owned */
	uint8_t (*room)[ROOM];		/* owned: READS for each side */
	size_t appetite[2];		/* packets that the last exchange gave, by side */
	bool quit;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

/* Wall time, as the stamps of the programs under test are. */
static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---------------------------------------------------------------- packets */

static void
drop(struct impair *im, struct truth *t, enum verdict v)
{
	t->verdict = (uint8_t)v;
	im->dropped++;
	truth_write(im->log, t);
}

static void
launch(struct impair *im, struct rule *r, struct truth t, int fd, const uint8_t *p, size_t len)
{
	struct flight *f;
	int64_t due = r != NULL ? rule_due(r, &im->dice, t.in_ns, t.dir, len) : t.in_ns;

	if (due < 0) {
		drop(im, &t, V_QDROP);
		return;
	}
	f = xmalloc(sizeof *f + len);
	*f = (struct flight){ .due_ns = due, .truth = t, .fd = fd, .len = len };
	f->truth.planned_ns = due - t.in_ns;
	memcpy(f->data, p, len);
	if (r != NULL && t.verdict != V_FORGED && dice_hit(&im->dice, r->corrupt)) {
		packet_corrupt(f->data, len, dice_u64(&im->dice), r->mend);
		f->truth.verdict = V_CORRUPT;
	}
	queue_push(&im->queue, f);
}

/* What a forger says who is faster than the target. */
static void
forge(struct impair *im, const struct rule *r, const struct packet_info *info, struct truth t,
    const uint8_t *p, size_t len)
{
	uint8_t copy[65536 + 64];

	memcpy(copy, p, len);
	len = packet_echo_reply(copy, len, info);
	len = packet_forge(copy, len, r->forge, dice_u64(&im->dice));
	t.verdict = V_FORGED;
	t.copy = 1;
	if (len > 0)
		launch(im, NULL, t, im->fd_a, copy, len);
}

static bool
is_side_b(const struct impair *im, const struct packet_info *info)
{
	const struct prefix *p = &im->side_b[info->v6];

	return im->fd_b >= 0 && p->bits > 0 && prefix_holds(p, info->dst);
}

/* Answers for side B if the rule says so.  Returns where the packet goes now; -1: nowhere,
 * t->verdict says why (V_PASS: there is nothing to answer). */
static int
respond(struct impair *im, const struct rule *r, const struct packet_info *info, uint8_t *p,
    size_t *len, struct truth *t)
{
	bool to_b = is_side_b(im, info);
	bool echo = r != NULL && r->echo >= 0 ? r->echo != 0 : !to_b;
	bool icmp = info->proto == (info->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	int type, code;
	uint32_t value;

	if (r != NULL && rule_error(r, info, *len, &type, &code, &value)) {
		struct address via = r->via.hi == 0 && r->via.lo == 0 ? info->dst : r->via;
		size_t quote = r->quote >= 0 ? (size_t)r->quote : info->v6 ? PACKET_ROOM : 8;

		*len = packet_icmp_error(p, *len, info, type, code, value, via, quote);
		t->verdict = V_ERROR;
	} else if (echo && ((info->echo != 0 && info->request) || (icmp && info->rest))) {
		*len = packet_echo_reply(p, *len, info);
	} else if (r != NULL && r->tcp != TCP_OFF && info->proto == IPPROTO_TCP) {
		if (r->tcp == TCP_DROP) {
			t->verdict = V_LOSS;
			return -1;
		}
		*len = packet_tcp_reply(p, *len, info, r->tcp == TCP_RST);
	} else {
		t->verdict = to_b ? V_PASS : V_NOROUTE;
		return to_b ? im->fd_b : -1;
	}
	return *len > 0 ? im->fd_a : -1;
}

static struct truth
describe(const struct packet_info *info, int dir, size_t len)
{
	return (struct truth){
		.in_ns = now_ns(), .src = info->src, .dst = info->dst, .id = info->id,
		.seq = info->seq, .len = (uint16_t)len, .proto = info->proto, .dir = (uint8_t)dir,
		.tos = info->tos, .ttl = info->ttl, .df = info->df,
	};
}

static void
handle(struct impair *im, int dir, uint8_t *p, size_t len)
{
	struct packet_info info;
	struct truth t;
	struct address key;
	struct rule *r;
	int to = im->fd_a;

	im->in++;
	if (!packet_read(p, len, &info))
		return;
	t = describe(&info, dir, len);
	key = dir == A_TO_B ? info.dst : info.src;
	r = rules_match(&im->rules, key);
	if (r != NULL) {
		t.rule = (uint8_t)(r - im->rules.v);
		if (r->forge != FORGE_NOTHING && info.echo != 0 && info.request)
			forge(im, r, &info, t, p, len);
		t.verdict = (uint8_t)rule_fate(r, &im->dice, key, dir);
	}
	if (t.verdict == V_PASS && dir == A_TO_B) {
		to = respond(im, r, &info, p, &len, &t);
		if (to < 0 && t.verdict == V_PASS)
			return;
	}
	if (t.verdict != V_PASS && t.verdict != V_ERROR) {
		drop(im, &t, t.verdict);
		return;
	}
	launch(im, r, t, to, p, len);
	if (r != NULL && dice_hit(&im->dice, r->dup)) {
		t.verdict = V_DUP;
		t.copy = 1;
		launch(im, r, t, to, p, len);
	}
}

/* Puts packets that are due on the list of writes; how many. */
static size_t
departures(struct impair *im, struct flight **going, struct io_op *ops)
{
	int64_t now = now_ns();
	size_t n = 0;

	while (n < WRITES && (going[n] = queue_pop(&im->queue, now)) != NULL) {
		struct flight *f = going[n];

		ops[n++] = (struct io_op){ .fd = f->fd, .write = true, .data = f->data, .len = f->len };
	}
	return n;
}

/* Writes down what has left at now, and forgets it. */
static void
departed(struct impair *im, struct flight **gone, const struct io_op *ops, size_t n, int64_t now)
{
	for (size_t i = 0; i < n; i++) {
		if (ops[i].result == (ssize_t)gone[i]->len) {
			im->out++;
			gone[i]->truth.out_ns = now;
			truth_write(im->log, &gone[i]->truth);
		} else {
			drop(im, &gone[i]->truth, V_FAILED);
		}
		free(gone[i]);
	}
}

/* Puts reads of one side on the list, a few more than it gave the last time; how many. */
static size_t
arrivals(struct impair *im, int fd, int dir, struct io_op *ops)
{
	size_t n = fd < 0 ? 0 : im->appetite[dir] + 1;

	if (n > READS)
		n = READS;
	for (size_t i = 0; i < n; i++)
		ops[i] = (struct io_op){ .fd = fd, .data = im->room[dir * READS + (int)i], .len = ROOM };
	return n;
}

static void
arrived(struct impair *im, int dir, const struct io_op *ops, size_t n)
{
	size_t got = 0;

	for (size_t i = 0; i < n; i++)
		if (ops[i].result > 0) {
			handle(im, dir, ops[i].data, (size_t)ops[i].result);
			got++;
		}
	im->appetite[dir] = got == n ? 2 * n : got;
}

/* Lets go what is due and takes in what has come, both bounded; did anything move? */
static bool
exchange(struct impair *im)
{
	struct flight *going[WRITES];
	struct io_op ops[IO_MAX];
	size_t n = departures(im, going, ops);
	size_t a = arrivals(im, im->fd_a, A_TO_B, ops + n);
	size_t b = arrivals(im, im->fd_b, B_TO_A, ops + n + a);
	int64_t now = now_ns();

	io_run(im->io, ops, n + a + b);
	departed(im, going, ops, n, now);
	arrived(im, A_TO_B, ops + n, a);
	arrived(im, B_TO_A, ops + n + a, b);
	return n > 0 || im->appetite[A_TO_B] > 0 || im->appetite[B_TO_A] > 0;
}

/* ---------------------------------------------------------------- devices */

static int
set_address_4(int s, struct ifreq *q, const struct prefix *p, const char *text)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)(void *)&q->ifr_addr;

	*sin = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, text, &sin->sin_addr);
	if (ioctl(s, SIOCSIFADDR, q) != 0)
		return -errno;
	sin->sin_addr.s_addr = htonl((uint32_t)p->mask.lo);
	return ioctl(s, SIOCSIFNETMASK, q) != 0 ? -errno : 0;
}

/* A device without neighbours asks nobody whether the address is free. */
static int
set_address_6(const char *device, const struct prefix *p, const char *text)
{
	struct { struct in6_addr addr; uint32_t bits; int index; } q = { .bits = p->bits };
	int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	q.index = (int)if_nametoindex(device);
	inet_pton(AF_INET6, text, &q.addr);
	if (s < 0 || ioctl(s, SIOCSIFADDR, &q) != 0)
		rc = -errno;
	if (s >= 0)
		close(s);
	return rc;
}

/* "ADDR/BITS", or one of each family with a comma between; side: what lies behind, [v6]. */
static int
set_addresses(int s, struct ifreq *q, const char *addresses, struct prefix side[2])
{
	char list[128], *save, *text;

	if (snprintf(list, sizeof list, "%s", addresses) >= (int)sizeof list)
		return -EINVAL;
	for (text = strtok_r(list, ",", &save); text != NULL; text = strtok_r(NULL, ",", &save)) {
		char *slash = strchr(text, '/');
		struct prefix p;
		bool v6;
		int rc;

		if (slash == NULL || prefix_parse(text, &p) != 0)
			return -EINVAL;
		v6 = !address_is_4(p.net);
		side[v6] = p;
		*slash = '\0';
		rc = v6 ? set_address_6(q->ifr_name, &p, text) : set_address_4(s, q, &p, text);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
enter_netns(const char *name)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof path, "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = setns(fd, CLONE_NEWNET) != 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Makes "DEV" or "DEV@NETNS" and brings it up; fd or -errno. */
static int
tun_open(char *spec, const char *addresses, struct prefix side[2])
{
	char *ns = strchr(spec, '@');
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1, s = -1, rc = 0;
	struct ifreq q = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (ns != NULL) {
		*ns++ = '\0';
		rc = enter_netns(ns);
		if (rc != 0)
			goto out;
	}
	snprintf(q.ifr_name, sizeof q.ifr_name, "%s", spec);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &q) != 0) {
		rc = -errno;
		goto out;
	}
	rc = set_addresses(s, &q, addresses, side);
	if (rc != 0)
		goto out;
	q.ifr_qlen = QUEUE;
	if (ioctl(s, SIOCSIFTXQLEN, &q) != 0) {
		rc = -errno;
		goto out;
	}
	if (ioctl(s, SIOCGIFFLAGS, &q) == 0) {
		q.ifr_flags |= IFF_UP | IFF_RUNNING;
		rc = ioctl(s, SIOCSIFFLAGS, &q) != 0 ? -errno : 0;
	}
out:
	if (rc != 0 && fd >= 0)
		close(fd);
	if (s >= 0)
		close(s);
	if (ns != NULL && setns(home, CLONE_NEWNET) != 0)
		rc = -errno;
	close(home);
	return rc != 0 ? rc : fd;
}

/* ---------------------------------------------------------------- control */

static bool
command_set(struct impair *im, char *spec)
{
	struct rule *r = rules_set(&im->rules, spec);
	struct truth t = { .in_ns = now_ns(), .verdict = V_SET };

	if (r == NULL)
		return false;
	t.dst = r->prefix.net;
	t.planned_ns = r->delay_ns;
	t.rule = (uint8_t)(r - im->rules.v);
	truth_write(im->log, &t);
	return true;
}

/* Does what cmd says; the answer goes to out. */
static void
command(struct impair *im, char *cmd, char *out, size_t n)
{
	char *arg = strchr(cmd, ' ');
	bool ok = true;

	if (arg != NULL)
		*arg++ = '\0';
	if (strcmp(cmd, "set") == 0 && arg != NULL) {
		ok = command_set(im, arg);
	} else if (strcmp(cmd, "reset") == 0 && arg != NULL) {
		ok = rules_reset(&im->rules, arg);
	} else if (strcmp(cmd, "mark") == 0 && arg != NULL) {
		struct truth t = { .in_ns = now_ns(), .verdict = V_MARK };

		t.dst = address_4((uint32_t)atoi(arg));
		truth_write(im->log, &t);
	} else if (strcmp(cmd, "flush") == 0) {
		ok = im->log == NULL || fflush(im->log) == 0;
	} else if (strcmp(cmd, "stats") == 0) {
		snprintf(out, n, "in=%" PRIu64 " out=%" PRIu64 " dropped=%" PRIu64 " queued=%zu",
		    im->in, im->out, im->dropped, im->queue.n);
		return;
	} else if (strcmp(cmd, "quit") == 0) {
		im->quit = true;
	} else {
		ok = false;
	}
	snprintf(out, n, ok ? "ok" : "error");
}

static void
control_read(struct impair *im)
{
	char buf[1024], out[256];
	struct sockaddr_un from;
	socklen_t len = sizeof from;
	ssize_t n = recvfrom(im->control, buf, sizeof buf - 1, MSG_DONTWAIT,
	    (struct sockaddr *)&from, &len);

	if (n <= 0)
		return;			/* also: there is no control socket */
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	command(im, buf, out, sizeof out);
	if (len > sizeof(sa_family_t))
		sendto(im->control, out, strlen(out), MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

/* A Unix datagram socket at path (paths work across network namespaces); fd or -errno. */
static int
unix_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, rc;

	if (snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= (int)sizeof a.sun_path)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int
main_ctl(const char *path, const char *cmd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 2 };
	char own[64], buf[512];
	ssize_t n = -1;
	int fd;

	snprintf(own, sizeof own, "/tmp/impair-ctl.%d", (int)getpid());
	fd = unix_socket(own);
	if (fd < 0 || snprintf(to.sun_path, sizeof to.sun_path, "%s", path) >= (int)sizeof to.sun_path)
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (sendto(fd, cmd, strlen(cmd), 0, (struct sockaddr *)&to, sizeof to) >= 0)
		n = recv(fd, buf, sizeof buf, 0);
	if (n < 0)
		perror(path);
	else
		printf("%.*s\n", (int)n, buf);
	unlink(own);
	close(fd);
	return n < 0 || strncmp(buf, "error", 5) == 0;
}

/* -------------------------------------------------------------------- run */

/* Waits until something is due or comes; when spinning, not at all. */
static void
rest(struct impair *im)
{
	struct pollfd pfd[3] = {
		{ .fd = im->fd_a, .events = POLLIN }, { .fd = im->fd_b, .events = POLLIN },
		{ .fd = im->control, .events = POLLIN },
	};
	struct timespec ts = { .tv_nsec = 50000000 };
	int64_t next = queue_next(&im->queue), wait = next - now_ns();

	if (im->spin_ns >= ALWAYS || wait <= im->spin_ns) {
		/* A call of the kernel takes longer than this. */
		while (wait > 0 && wait < CALL_NS)
			wait = next - now_ns();
		return;
	}
	if (wait - im->spin_ns < ts.tv_nsec)
		ts.tv_nsec = (long)(wait - im->spin_ns);
	if (ppoll(pfd, 3, &ts, NULL) > 0 && pfd[2].revents != 0)
		control_read(im);
}

static void
loop(struct impair *im)
{
	for (unsigned turn = 0; !stopped && !im->quit; turn++) {
		if (!exchange(im))
			rest(im);
		if (turn % 256 == 0)
			control_read(im);
	}
}

static int
usage(void)
{
	fprintf(stderr, "usage: impair run -a DEV[@NETNS] -A ADDR/BITS [-b DEV[@NETNS] -B ADDR/BITS]\n"
	    "              [-s CONTROL] [-l LOG] [-p SPIN_US] [-S SEED] [RULE...]\n"
	    "       impair ctl CONTROL COMMAND | dump LOG | stat LOG\n");
	return 2;
}

static int
fail(const char *what, int rc)
{
	fprintf(stderr, "impair: %s: %s\n", what, strerror(-rc));
	return 1;
}

/* Opens what the options name; 0 or the exit status. */
static int
set_up(struct impair *im, char *a, const char *address_a, char *b, const char *address_b, const char *log)
{
	struct prefix side_a[2];

	im->fd_a = tun_open(a, address_a, side_a);
	if (im->fd_a < 0)
		return fail(a, im->fd_a);
	if (b != NULL) {
		im->fd_b = tun_open(b, address_b, im->side_b);
		if (im->fd_b < 0)
			return fail(b, im->fd_b);
	}
	im->io = io_new();
	im->room = xcalloc(2 * READS, sizeof im->room[0]);
	if (im->control_path != NULL) {
		im->control = unix_socket(im->control_path);
		if (im->control < 0)
			return fail(im->control_path, im->control);
	}
	if (log != NULL && (im->log = fopen(log, "w")) == NULL)
		return fail(log, -errno);
	return 0;
}

static int
main_run(int argc, char **argv)
{
	struct impair im = { .fd_a = -1, .fd_b = -1, .control = -1, .spin_ns = 50000 };
	char *a = NULL, *b = NULL;
	const char *address_a = NULL, *address_b = NULL, *log = NULL;
	uint64_t seed = 1;
	int opt, rc;

	while ((opt = getopt(argc, argv, "a:A:b:B:s:l:p:S:")) != -1)
		switch (opt) {
		case 'a': a = optarg; break;
		case 'A': address_a = optarg; break;
		case 'b': b = optarg; break;
		case 'B': address_b = optarg; break;
		case 's': im.control_path = optarg; break;
		case 'l': log = optarg; break;
		case 'p': im.spin_ns = (int64_t)(atof(optarg) * 1000); break;
		case 'S': seed = strtoull(optarg, NULL, 10); break;
		default: return usage();
		}
	if (a == NULL || address_a == NULL || (b != NULL && address_b == NULL))
		return usage();
	dice_seed(&im.dice, seed);
	rc = set_up(&im, a, address_a, b, address_b, log);
	if (rc != 0)
		return rc;
	for (; optind < argc; optind++)
		if (!command_set(&im, argv[optind])) {
			fprintf(stderr, "impair: rule not understood: %s\n", argv[optind]);
			return 2;
		}
	prctl(PR_SET_TIMERSLACK, 1);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	fprintf(stderr, "impair: ready\n");
	loop(&im);
	if (im.log != NULL)
		fclose(im.log);
	if (im.control_path != NULL)
		unlink(im.control_path);
	io_free(im.io);
	free(im.room);
	return 0;
}

int
main(int argc, char **argv)
{
	int rc;

	if (argc == 4 && strcmp(argv[1], "ctl") == 0)
		return main_ctl(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "dump") == 0)
		rc = truth_dump(argv[2], stdout);
	else if (argc == 3 && strcmp(argv[1], "stat") == 0)
		rc = truth_stat(argv[2], stdout);
	else if (argc > 2 && strcmp(argv[1], "run") == 0)
		return main_run(argc - 1, argv + 1);
	else
		return usage();
	return rc != 0 ? fail(argv[2], rc) : 0;
}
