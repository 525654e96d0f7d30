/*
 * dns.h - a small name server on the test's own loop: UDP and TCP on loopback, a
 * table of records, and moods in which it does what name servers do at their worst.
 */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_A 1
#define DNS_CNAME 5
#define DNS_AAAA 28
#define DNS_RECORDS 256

enum dns_mood {
	DNS_WELL, DNS_SERVFAIL, DNS_REFUSED, DNS_SILENT, DNS_CUT, DNS_GARBAGE,
	DNS_WRONG_ID,			/* a false answer first, then the true one */
	DNS_WRONG_SOURCE,		/* likewise, from another port */
	DNS_LIES,			/* counts more records than there are */
};

struct dns_record { const char *name; uint16_t type; uint32_t ttl; const char *data; };

struct dns {
	int fd, tcp;
	struct event *event, *tcp_event, *stream_event;
	char address[32];		/* for resolver_servers() */
	enum dns_mood mood;
	uint16_t mood_type;		/* in that mood for this type alone; 0: for all */
	struct dns_record record[DNS_RECORDS];
	unsigned records, asked;
};

static inline uint8_t *
dns_put_name(uint8_t *p, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		*p++ = (uint8_t)n;
		memcpy(p, name, n);
		p += n;
		name += n + (name[n] == '.');
	}
	*p++ = 0;
	return p;
}

static inline uint8_t *
dns_put_record(uint8_t *p, const struct dns_record *r)
{
	uint8_t *len;
	uint16_t n;

	p = dns_put_name(p, r->name);
	*p++ = 0;
	*p++ = (uint8_t)r->type;
	*p++ = 0;
	*p++ = 1;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(r->ttl >> shift);
	len = p;
	p += 2;
	if (r->type == DNS_CNAME)
		p = dns_put_name(p, r->data);
	else if (inet_pton(r->type == DNS_A ? AF_INET : AF_INET6, r->data, p) == 1)
		p += r->type == DNS_A ? 4 : 16;
	n = (uint16_t)(p - len - 2);
	len[0] = (uint8_t)(n >> 8);
	len[1] = (uint8_t)n;
	return p;
}

/* The answer section for name and type; *rcode becomes 3 if no such name is known. */
static inline uint8_t *
dns_answer(const struct dns *d, uint8_t *p, const char *name, uint16_t type, unsigned *count,
    unsigned *rcode)
{
	*rcode = 3;
	for (unsigned hop = 0; name != NULL && hop < 8; hop++) {
		const char *next = NULL;

		for (unsigned i = 0; i < d->records; i++) {
			const struct dns_record *r = &d->record[i];

			if (strcasecmp(r->name, name) != 0)
				continue;
			*rcode = 0;
			if (r->type != type && r->type != DNS_CNAME)
				continue;
			p = dns_put_record(p, r);
			++*count;
			if (r->type == DNS_CNAME)
				next = r->data;
		}
		name = next;
	}
	return p;
}

static inline size_t
dns_parse_name(const uint8_t *q, size_t len, char *name)
{
	size_t at = 12, n = 0;

	while (at < len && q[at] != 0) {
		ck_assert_uint_lt(at + q[at] + 1, len);
		memcpy(name + n, q + at + 1, q[at]);
		n += q[at];
		name[n++] = '.';
		at += q[at] + 1u;
	}
	name[n > 0 ? n - 1 : 0] = '\0';
	return at + 1;
}

static inline void
dns_send_false(const struct dns *d, const uint8_t *good, size_t len,
    const struct sockaddr_in *to)
{
	uint8_t bad[8192];
	int fd = d->fd;

	memcpy(bad, good, len);
	for (unsigned i = 1; i <= 4; i++)	/* another address at the end of it */
		bad[len - i] = 66;
	if (d->mood == DNS_WRONG_ID)
		bad[0] ^= 0x55;
	else
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(sendto(fd, bad, len, 0, (const struct sockaddr *)to, sizeof *to), 0);
	if (fd != d->fd)
		close(fd);
}

/* Answers the question q into a; the length, or 0: silence. */
static inline size_t
dns_reply(struct dns *d, const uint8_t *q, size_t n, uint8_t *a, enum dns_mood *mood)
{
	unsigned count = 0, rcode = 0;
	char name[512];
	size_t end, len;
	uint16_t type;
	uint8_t *p;

	ck_assert_uint_gt(n, 16);
	d->asked++;
	end = dns_parse_name(q, n, name);
	type = q[end + 1];
	*mood = d->mood_type == 0 || d->mood_type == type ? d->mood : DNS_WELL;
	if (*mood == DNS_SILENT)
		return 0;
	memcpy(a, q, end + 4);
	p = a + end + 4;
	if (*mood != DNS_SERVFAIL && *mood != DNS_REFUSED)
		p = dns_answer(d, p, name, type, &count, &rcode);
	else
		rcode = *mood == DNS_SERVFAIL ? 2 : 5;
	len = (size_t)(p - a);
	a[2] = 0x81;
	a[3] = (uint8_t)(0x80 | rcode);
	memset(a + 4, 0, 8);
	a[5] = 1;
	a[7] = (uint8_t)(count + (*mood == DNS_LIES ? 5 : 0));
	if (*mood == DNS_GARBAGE)
		memset(a + 2, 0xff, len - 2);
	return len - (*mood == DNS_CUT ? 7 : 0);
}

static inline void
dns_on_udp(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;
	uint8_t q[512], a[8192];
	struct sockaddr_in from;
	socklen_t from_len = sizeof from;
	ssize_t n = recvfrom(fd, q, sizeof q, 0, (struct sockaddr *)&from, &from_len);
	enum dns_mood mood;
	size_t len;

	(void)what;
	ck_assert_int_gt(n, 0);
	len = dns_reply(d, q, (size_t)n, a, &mood);
	if (len == 0)
		return;
	if (len > 512) {
		a[2] |= 2;			/* cut off: come by TCP */
		len = 512;
	}
	if (mood == DNS_WRONG_ID || mood == DNS_WRONG_SOURCE)
		dns_send_false(d, a, len, &from);
	ck_assert_int_ge(sendto(fd, a, len, 0, (struct sockaddr *)&from, from_len), 0);
}

/* One question for each connection, which ends by its client. */
static inline void
dns_on_stream(evutil_socket_t fd, short what, void *arg)
{
	struct dns *d = arg;
	uint8_t q[514], a[8194];
	enum dns_mood mood;
	size_t len;
	ssize_t n = recv(fd, q, sizeof q, 0);

	(void)what;
	if (n <= 0) {
		event_free(d->stream_event);
		d->stream_event = NULL;
		close(fd);
		return;
	}
	ck_assert_int_eq(n, 2 + q[0] * 256 + q[1]);
	len = dns_reply(d, q + 2, (size_t)n - 2, a + 2, &mood);
	a[0] = (uint8_t)(len >> 8);
	a[1] = (uint8_t)len;
	ck_assert_int_eq(send(fd, a, len + 2, MSG_NOSIGNAL), (ssize_t)len + 2);
}

static inline void
dns_on_tcp(evutil_socket_t listener, short what, void *arg)
{
	struct dns *d = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(d->stream_event);
	d->stream_event = event_new(event_get_base(d->event), fd, EV_READ | EV_PERSIST,
	    dns_on_stream, d);
	ck_assert_int_eq(event_add(d->stream_event, NULL), 0);
}

/* Serves at an address of loopback; port 0: any. */
static inline void
dns_begin_at(struct dns *d, struct event_base *base, const char *address, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t len = sizeof a;

	ck_assert_int_eq(inet_pton(AF_INET, address, &a.sin_addr), 1);
	/* A port that is free for one protocol may be taken for the other: then another one. */
	for (int tries = 0;; tries++) {
		*d = (struct dns){ .tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
		ck_assert_int_eq(setsockopt(d->tcp, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
		a.sin_port = htons((uint16_t)port);
		ck_assert_int_eq(bind(d->fd, (struct sockaddr *)&a, len), 0);
		ck_assert_int_eq(getsockname(d->fd, (struct sockaddr *)&a, &len), 0);
		if (bind(d->tcp, (struct sockaddr *)&a, len) == 0)
			break;
		ck_assert_msg(errno == EADDRINUSE && port == 0 && tries < 50, "TCP port %d: %s", ntohs(a.sin_port),
		    strerror(errno));
		close(d->fd);
		close(d->tcp);
	}
	ck_assert_int_eq(listen(d->tcp, 5), 0);
	snprintf(d->address, sizeof d->address, "%s:%d", address, ntohs(a.sin_port));
	d->event = event_new(base, d->fd, EV_READ | EV_PERSIST, dns_on_udp, d);
	d->tcp_event = event_new(base, d->tcp, EV_READ | EV_PERSIST, dns_on_tcp, d);
	ck_assert_int_eq(event_add(d->event, NULL), 0);
	ck_assert_int_eq(event_add(d->tcp_event, NULL), 0);
}

static inline void
dns_begin(struct dns *d, struct event_base *base)
{
	dns_begin_at(d, base, "127.0.0.1", 0);
}

/* Its ports are closed from now on; an ended one is allowed. */
static inline void
dns_end(struct dns *d)
{
	if (d->event == NULL)
		return;
	event_free(d->event);
	event_free(d->tcp_event);
	if (d->stream_event != NULL) {
		close(event_get_fd(d->stream_event));
		event_free(d->stream_event);
	}
	close(d->fd);
	close(d->tcp);
	d->event = NULL;
}

/* All strings are borrowed. */
static inline void
dns_add(struct dns *d, const char *name, uint16_t type, uint32_t ttl, const char *data)
{
	ck_assert_uint_lt(d->records, DNS_RECORDS);
	d->record[d->records++] = (struct dns_record){ name, type, ttl, data };
}
