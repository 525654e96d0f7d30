/*
 * snmp_udp.c - what the kernel asks for a GET: one socket, a request made by hand,
 * sendmmsg and recvmmsg; an answer is known by its id and no more is read of it.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/bench/snmp_bench.h"

#define BATCH 32
#define ID_AT 17			/* in the request */

static const uint8_t request[] = { 0x30, 0x29, 2, 1, 1, 4, 6, 'p', 'u', 'b', 'l', 'i', 'c', 0xa0, 0x1c,
	2, 4, 0, 0, 0, 0, 2, 1, 0, 2, 1, 0, 0x30, 0x0e, 0x30, 0x0c, 6, 8, 0x2b, 6, 1, 2, 1, 1, 3, 0,
	5, 0 };

struct batch {
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in to[BATCH];
	uint8_t text[BATCH][512];
};

static void
prepare(struct batch *b, uint16_t port, size_t room)
{
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(b->text[i], request, sizeof request);
		b->iov[i] = (struct iovec){ b->text[i], room };
		b->to[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		b->message[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i], .msg_iovlen = 1 };
		if (room != sizeof request)
			continue;		/* for answers */
		b->message[i].msg_hdr.msg_name = &b->to[i];
		b->message[i].msg_hdr.msg_namelen = sizeof b->to[i];
	}
}

static unsigned
send_some(int fd, struct batch *b, const struct bench_args *a, unsigned sent, unsigned n)
{
	int left;

	for (unsigned i = 0; i < n; i++) {
		uint32_t id = htonl(sent + i + 1);

		memcpy(b->text[i] + ID_AT, &id, sizeof id);
		b->to[i].sin_addr.s_addr = htonl(a->first + (sent + i) % a->devices);
	}
	left = sendmmsg(fd, b->message, n, 0);
	return left > 0 ? (unsigned)left : 0;
}

/* The id that an answer of snmpd carries, in one to four bytes. */
static unsigned
id_of(const uint8_t *p, size_t n)
{
	unsigned id = 0;

	if (n < ID_AT + 4 || p[13] != 0xa2 || p[15] != 2 || p[16] > 4)
		return 0;
	for (unsigned i = 0; i < p[16]; i++)
		id = id << 8 | p[ID_AT + i];
	return id;
}

int
main(int argc, char **argv)
{
	static struct batch out, in;
	struct bench_args a = bench_args(argc, argv);
	struct pollfd p = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
	uint8_t *seen = calloc(a.total + 1, 1);
	unsigned sent = 0, ok = 0;
	double cpu = bench_cpu_s(), wall = bench_now_s();

	prepare(&out, a.port, sizeof request);
	prepare(&in, a.port, sizeof in.text[0]);
	while (ok < a.total) {
		unsigned room = BENCH_WINDOW - (sent - ok), rest = a.total - sent;
		int n;

		if (room > BATCH)
			room = BATCH;
		if (room > rest)
			room = rest;
		if (room > 0 && (room >= BATCH / 2 || room == rest))
			sent += send_some(p.fd, &out, &a, sent, room);
		n = recvmmsg(p.fd, in.message, BATCH, MSG_DONTWAIT, NULL);
		if (n <= 0 && poll(&p, 1, BENCH_PATIENCE_S * 1000) <= 0)
			break;
		for (int i = 0; i < n; i++) {
			unsigned id = id_of(in.text[i], in.message[i].msg_len);

			if (id > 0 && id <= a.total && !seen[id])
				seen[id] = 1, ok++;
		}
	}
	bench_report(sent, ok, bench_cpu_s() - cpu, bench_now_s() - wall, 0);
	free(seen);
	return 0;
}
