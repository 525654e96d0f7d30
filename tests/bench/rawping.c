/*
 * rawping.c - what the kernel permits for ICMP echo probing: the bare limit.
 *
 * One thread, one raw socket, sendmmsg and recvmmsg, stamps by the kernel, and
 * nothing else: no names, no plan, no records.  The bench holds the agent against it.
 *
 *   rawping -t ADDRESS [-n TARGETS] [-R ROUNDS] [-r PPS] [-b BATCH] [-W WINDOW]
 *           [-m user|rx|txrx] [-k TICK_MS] [-w WAIT_MS] [-o CSV]
 *
 * Targets are TARGETS addresses from ADDRESS upwards, each asked ROUNDS times.
 * -r: paced; without it at most WINDOW probes are out at once, as fast as it goes.
 * -m: who stamps the sending and the receipt: user both here, rx the kernel the
 *     receipt, txrx the kernel both.
 * -k: wakes only every TICK_MS; without it, for each packet.
 * -o: a line for each probe, "address,sequence,rtt_ns" (-1: lost).
 * The last line is JSON: sent, received, duplicates, pps, cpu_us (a probe), rss_kb.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"

enum { BATCH_MAX = 256, PAYLOAD = 56, MAGIC = 0x52504e47, MS = 1000000 };
enum stamps { STAMP_USER, STAMP_RX, STAMP_TXRX };

struct echo {
	struct icmphdr head;
	uint32_t index, magic;
	uint8_t fill[PAYLOAD - 8];
};

/* Room for one call of sendmmsg or recvmmsg. */
struct room {
	struct mmsghdr msg[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	struct sockaddr_in to[BATCH_MAX];
	struct echo out[BATCH_MAX];
	uint8_t in[BATCH_MAX][256], control[BATCH_MAX][256];
};

struct ping {
	uint32_t base, targets, batch, window;
	uint64_t total;
	double pps;
	int64_t tick_ns, wait_ns;
	enum stamps stamps;
	int fd;
	uint16_t id;
	struct room send, receive;
	int64_t *tx_ns, *rx_ns;		/* owned: total each; rx 0: not yet */
	uint64_t sent, received, duplicates, stamped;
	int64_t start_ns, last_send_ns, last_reply_ns;
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint16_t
checksum(const void *p, size_t n)
{
	const uint16_t *w = p;
	uint32_t s = 0;

	for (; n > 1; n -= 2)
		s += *w++;
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* Lets only echo replies with our identifier through; 0 or -errno. */
static int
attach_filter(int fd, uint16_t id)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
	};
	struct sock_fprog program = { sizeof code / sizeof code[0], code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ? -errno : 0;
}

/* The socket, with room for the whole window and the stamps asked for; 0 or -errno. */
static int
open_socket(struct ping *p)
{
	int receive = 64 << 20, send = 16 << 20;
	int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

	p->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (p->fd < 0)
		return -errno;
	p->id = (uint16_t)getpid();
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) != 0 ||
	    setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send) != 0)
		return -errno;
	if (p->stamps == STAMP_TXRX)
		flags |= SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	if (p->stamps != STAMP_USER &&
	    setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) != 0)
		return -errno;
	return attach_filter(p->fd, p->id);
}

/* ------------------------------------------------------------------- sending */

static void
fill(struct ping *p, uint32_t slot, uint64_t index)
{
	struct echo *e = &p->send.out[slot];
	struct sockaddr_in *to = &p->send.to[slot];

	e->head = (struct icmphdr){ .type = ICMP_ECHO };
	e->head.un.echo.id = htons(p->id);
	e->head.un.echo.sequence = htons((uint16_t)(index / p->targets));
	e->index = (uint32_t)index;
	e->magic = MAGIC;
	e->head.checksum = checksum(e, sizeof *e);
	*to = (struct sockaddr_in){ .sin_family = AF_INET };
	to->sin_addr.s_addr = htonl(p->base + (uint32_t)(index % p->targets));
	p->send.iov[slot] = (struct iovec){ e, sizeof *e };
	p->send.msg[slot].msg_hdr = (struct msghdr){
		.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &p->send.iov[slot], .msg_iovlen = 1,
	};
}

/* How many probes should have left by now. */
static uint64_t
due(struct ping *p, int64_t now)
{
	uint64_t n = p->sent;

	if (p->pps > 0) {
		n = (uint64_t)((double)(now - p->start_ns) * 1e-9 * p->pps) + 1;
	} else if (p->sent - p->received < p->window) {
		n += p->batch;
	} else if (now - p->last_reply_ns > 20 * MS) {	/* the window is lost: move on */
		n += p->batch;
		p->last_reply_ns = now;
	}
	return n < p->total ? n : p->total;
}

/* Sends what is due, at most a batch; were there any?  -errno: the socket fails. */
static int
send_due(struct ping *p)
{
	int64_t now = now_ns();
	uint64_t n = due(p, now);
	int rc;

	if (n <= p->sent)
		return 0;
	n = n - p->sent < p->batch ? n - p->sent : p->batch;
	for (uint32_t i = 0; i < n; i++) {
		fill(p, i, p->sent + i);
		p->tx_ns[p->sent + i] = now;
	}
	rc = sendmmsg(p->fd, p->send.msg, (unsigned)n, 0);
	if (rc < 0)
		return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? 1 : -errno;
	p->sent += (uint64_t)rc;
	p->last_send_ns = now;
	return 1;
}

/* ----------------------------------------------------------------- receiving */

static void
make_room(struct room *r)
{
	for (uint32_t i = 0; i < BATCH_MAX; i++) {
		r->iov[i] = (struct iovec){ r->in[i], sizeof r->in[i] };
		r->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = &r->iov[i], .msg_iovlen = 1,
			.msg_control = r->control[i], .msg_controllen = sizeof r->control[i],
		};
	}
}

/* The kernel's stamp of a message, or other; *index, if the message is about a sending. */
static int64_t
stamp(struct msghdr *m, int64_t other, uint32_t *index)
{
	struct sock_extended_err err;
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			memcpy(&t, CMSG_DATA(c), sizeof t);
			other = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) {
			memcpy(&err, CMSG_DATA(c), sizeof err);
			if (err.ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
				*index = err.ee_data;
		}
	}
	return other;
}

static void
take_reply(struct ping *p, uint32_t slot, int64_t now)
{
	const uint8_t *packet = p->receive.in[slot];
	size_t head = (size_t)(packet[0] & 15) * 4, len = p->receive.msg[slot].msg_len;
	uint32_t unused, index, magic;

	if (len < head + offsetof(struct echo, fill))
		return;
	memcpy(&index, packet + head + offsetof(struct echo, index), sizeof index);
	memcpy(&magic, packet + head + offsetof(struct echo, magic), sizeof magic);
	if (magic != MAGIC || index >= p->total)
		return;
	if (p->rx_ns[index] != 0) {
		p->duplicates++;
		return;
	}
	p->rx_ns[index] = stamp(&p->receive.msg[slot].msg_hdr, now, &unused);
	p->received++;
	p->last_reply_ns = now;
}

/* Takes one batch of replies; were there any? */
static bool
receive_replies(struct ping *p)
{
	int64_t now;
	int n;

	make_room(&p->receive);
	n = recvmmsg(p->fd, p->receive.msg, BATCH_MAX, MSG_DONTWAIT, NULL);
	now = now_ns();
	for (int i = 0; i < n; i++)
		take_reply(p, (uint32_t)i, now);
	return n > 0;
}

/* Takes the stamps of sendings that have come back; were there any? */
static bool
receive_stamps(struct ping *p)
{
	bool any = false;
	int n;

	if (p->stamps != STAMP_TXRX)
		return false;
	while (p->stamped < p->sent) {
		make_room(&p->receive);
		n = recvmmsg(p->fd, p->receive.msg, BATCH_MAX, MSG_ERRQUEUE | MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			uint32_t index = UINT32_MAX;
			int64_t t = stamp(&p->receive.msg[i].msg_hdr, 0, &index);

			if (index < p->total && t != 0)
				p->tx_ns[index] = t;
		}
		if (n <= 0)
			break;
		p->stamped += (uint64_t)n;
		any = true;
	}
	return any;
}

/* ---------------------------------------------------------------------- loop */

/* Sleeps to the next tick, the next sending or the next packet. */
static void
rest(struct ping *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	struct timespec t = { 0 };
	double wait = 1.0 * MS;

	if (p->tick_ns > 0) {
		t.tv_nsec = p->tick_ns;
		nanosleep(&t, NULL);
		return;
	}
	if (p->sent < p->total && p->pps > 0)
		wait = (double)p->start_ns + (double)p->sent * 1e9 / p->pps - (double)now_ns();
	else if (p->sent < p->total && p->sent - p->received < p->window)
		wait = 0;
	t.tv_nsec = wait < 0 ? 0 : wait > 5.0 * MS ? 5 * MS : (long)wait;
	if (t.tv_nsec > 0)
		ppoll(&pfd, 1, &t, NULL);
}

static bool
over(const struct ping *p)
{
	return p->sent == p->total &&
	    (p->received == p->total || now_ns() - p->last_send_ns > p->wait_ns);
}

static int
run(struct ping *p)
{
	p->start_ns = p->last_reply_ns = now_ns();
	while (!over(p)) {
		int sent = send_due(p);
		bool got;

		if (sent < 0)
			return sent;
		got = receive_replies(p);
		got |= receive_stamps(p);
		if (!got && (p->tick_ns == 0 || sent == 0))
			rest(p);
	}
	receive_stamps(p);
	return 0;
}

/* -------------------------------------------------------------------- report */

static int
write_csv(const struct ping *p, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return -errno;
	for (uint64_t i = 0; i < p->total; i++) {
		struct in_addr a = { htonl(p->base + (uint32_t)(i % p->targets)) };

		fprintf(f, "%s,%" PRIu64 ",%" PRId64 "\n", inet_ntoa(a), i / p->targets,
		    p->rx_ns[i] != 0 ? p->rx_ns[i] - p->tx_ns[i] : -1);
	}
	return fclose(f) != 0 ? -errno : 0;
}

static void
report(const struct ping *p)
{
	struct rusage ru;
	double cpu, wall = (double)(p->last_send_ns - p->start_ns) * 1e-9;

	getrusage(RUSAGE_SELF, &ru);
	cpu = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"duplicates\": %" PRIu64
	    ", \"pps\": %.0f, \"cpu_us\": %.3f, \"rss_kb\": %ld}\n", p->sent, p->received, p->duplicates,
	    wall > 0 ? (double)p->sent / wall : 0, cpu / (double)p->sent, ru.ru_maxrss);
}

static int
usage(void)
{
	fprintf(stderr, "usage: rawping -t ADDRESS [-n TARGETS] [-R ROUNDS] [-r PPS] [-b BATCH] [-W WINDOW]\n"
	    "               [-m user|rx|txrx] [-k TICK_MS] [-w WAIT_MS] [-o CSV]\n");
	return 2;
}

static int
fail(const char *what, int rc)
{
	fprintf(stderr, "rawping: %s: %s\n", what, strerror(-rc));
	return 1;
}

int
main(int argc, char **argv)
{
	static struct ping p = { .batch = 64, .window = 4096, .wait_ns = 1000 * MS, .stamps = STAMP_RX };
	uint64_t targets = 1, rounds = 10;
	const char *csv = NULL;
	struct in_addr base = { 0 };
	int opt, rc;

	while ((opt = getopt(argc, argv, "t:n:R:r:b:W:m:k:w:o:")) != -1)
		switch (opt) {
		case 't': rc = inet_aton(optarg, &base); break;
		case 'n': targets = strtoull(optarg, NULL, 10); break;
		case 'R': rounds = strtoull(optarg, NULL, 10); break;
		case 'r': p.pps = atof(optarg); break;
		case 'b': p.batch = (uint32_t)atoi(optarg); break;
		case 'W': p.window = (uint32_t)atoi(optarg); break;
		case 'm': p.stamps = optarg[0] == 'u' ? STAMP_USER : optarg[0] == 'r' ? STAMP_RX : STAMP_TXRX; break;
		case 'k': p.tick_ns = (int64_t)(atof(optarg) * MS); break;
		case 'w': p.wait_ns = (int64_t)(atof(optarg) * MS); break;
		case 'o': csv = optarg; break;
		default: return usage();
		}
	p.base = ntohl(base.s_addr);
	p.targets = (uint32_t)targets;
	p.total = targets * rounds;
	if (p.base == 0 || p.total == 0 || p.total > UINT32_MAX || p.batch == 0 || p.batch > BATCH_MAX ||
	    p.tick_ns < 0 || p.tick_ns >= 1000 * MS)
		return usage();
	p.tx_ns = xcalloc(p.total, sizeof *p.tx_ns);
	p.rx_ns = xcalloc(p.total, sizeof *p.rx_ns);
	rc = open_socket(&p);
	if (rc != 0)
		return fail("socket", rc);
	prctl(PR_SET_TIMERSLACK, 1);
	rc = run(&p);
	if (rc != 0)
		return fail("sendmmsg", rc);
	if (csv != NULL && (rc = write_csv(&p, csv)) != 0)
		return fail(csv, rc);
	report(&p);
	free(p.tx_ns);
	free(p.rx_ns);
	return 0;
}
