/*
 * snmp_fake.h - a v2c device on the test's own loop, honest or hostile.
 *
 * It answers GET and GETBULK from a list of objects in the order of their
 * names; hooks bend what it says.
 */
#pragma once

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/snmp_message.h"
#include "suite.h"

#define FAKE_OBJECTS 64
#define FAKE_TEXT 60000

struct fake_object { struct snmp_var name; uint8_t type; const char *value; size_t n; };

struct fake {
	struct event *readable;
	int fd;
	uint16_t port;
	struct fake_object object[FAKE_OBJECTS];
	size_t objects;
	unsigned requests, gets, bulks;	/* that came */
	size_t last_vars, most_vars;	/* in the last, in any GET */
	/* how it misbehaves */
	uint32_t id_off;		/* added to the id */
	uint32_t status, index;		/* error instead of values, if status > 0 */
	size_t room;			/* variables; more are tooBig; 0: any number */
	unsigned copies;		/* of each answer; 0: silent */
	unsigned skip;			/* so many requests stay unanswered */
	bool hold;			/* answers wait for fake_release() */
	unsigned twist;			/* enum fake_twist */
	int other_fd;			/* answers leave by this socket; -1: the usual one */
	struct sockaddr_storage held_to;
	socklen_t held_len;
	uint8_t held[FAKE_TEXT];
	size_t held_n;
};

enum fake_twist {
	FAKE_STRAIGHT, FAKE_CUT, FAKE_BAD_BIND, FAKE_LONG_NAME, FAKE_NOT_ASKED, FAKE_FEWER,
	FAKE_ENDLESS, FAKE_CIRCLE, FAKE_BACKWARDS, FAKE_EMPTY, FAKE_HUGE, FAKE_NOISE,
};

static inline void
fake_add(struct fake *f, const char *oid, uint8_t type, const char *value, size_t n)
{
	struct fake_object *o = &f->object[f->objects++];

	ck_assert_uint_le(f->objects, FAKE_OBJECTS);
	*o = (struct fake_object){ .type = type, .value = value, .n = n };
	snmp_var_parse(&o->name, SNMP_UPTIME, oid);
}

static inline struct fake_object *
fake_find(struct fake *f, const char *oid)
{
	struct snmp_var v;

	snmp_var_parse(&v, SNMP_UPTIME, oid);
	for (size_t i = 0; i < f->objects; i++)
		if (snmp_name_compare(f->object[i].name.name, f->object[i].name.len, v.name,
		    v.len) == 0)
			return &f->object[i];
	return NULL;
}

static inline void
fake_put(struct ber_out *o, const struct snmp_var *name, uint8_t type, const void *value, size_t n)
{
	const uint8_t *end = o->p;

	ber_put(o, value, n);
	ber_head(o, type, o->p + n);
	ber_put_name(o, name->name, name->len);
	ber_head(o, BER_SEQUENCE, end);
}

/* The object of this name, or the one behind it. */
static inline const struct fake_object *
fake_lookup(const struct fake *f, const struct snmp_var *name, bool next)
{
	const struct fake_object *best = NULL;

	for (size_t i = 0; i < f->objects; i++) {
		const struct snmp_var *v = &f->object[i].name;
		int c = snmp_name_compare(v->name, v->len, name->name, name->len);

		if (!next && c == 0)
			return &f->object[i];
		if (next && c > 0 && (best == NULL || snmp_name_compare(v->name, v->len,
		    best->name.name, best->name.len) < 0))
			best = &f->object[i];
	}
	return best;
}

struct fake_request {
	struct ber_in community;
	uint8_t pdu;
	uint32_t id, rows;
	struct snmp_var var[SNMP_VARS_MAX];
	size_t vars;
};

static inline void
fake_parse(struct fake_request *r, const uint8_t *p, size_t n)
{
	struct ber_in all = { p, p + n }, message, pdu, binds, bind, name;
	uint32_t version, zero;

	ck_assert_int_eq(ber_expect(&all, BER_SEQUENCE, &message), 0);
	ck_assert_int_eq(ber_expect_number(&message, &version), 0);
	ck_assert_int_eq(ber_expect(&message, BER_STRING, &r->community), 0);
	ck_assert_int_eq(ber_take(&message, &r->pdu, &pdu), 0);
	ck_assert_int_eq(ber_expect_number(&pdu, &r->id), 0);
	ck_assert_int_eq(ber_expect_number(&pdu, &zero), 0);
	ck_assert_int_eq(ber_expect_number(&pdu, &r->rows), 0);
	ck_assert_int_eq(ber_expect(&pdu, BER_SEQUENCE, &binds), 0);
	for (r->vars = 0; binds.p < binds.end; r->vars++) {
		struct snmp_var *v = &r->var[r->vars];
		int len;

		ck_assert_int_eq(ber_expect(&binds, BER_SEQUENCE, &bind), 0);
		ck_assert_int_eq(ber_expect(&bind, BER_OID, &name), 0);
		len = ber_name(name, v->name, SNMP_NAME_MAX);
		ck_assert_int_gt(len, 0);
		v->len = (size_t)len;
	}
}

/* What a walk says that never ends, turns round, or steps back. */
static inline void
fake_twisted_row(const struct fake *f, struct snmp_var *at, unsigned row)
{
	if (f->twist == FAKE_ENDLESS)
		at->name[at->len++] = 1;
	else if (f->twist == FAKE_BACKWARDS)
		at->name[at->len - 1]--;
	else if (row % 2 == 0)
		at->name[at->len++] = 7;	/* FAKE_CIRCLE */
	else
		at->len--;
	if (at->len > SNMP_NAME_MAX - 1)
		at->len = SNMP_NAME_MAX - 1;
}

/* Rows are collected first: they are written from the last to the first. */
static inline void
fake_bulk(const struct fake *f, const struct fake_request *r, struct ber_out *o)
{
	static struct { struct snmp_var name; const struct fake_object *object; } cell[64 * 3];
	struct snmp_var at[3];
	size_t n = 0;

	memcpy(at, r->var, r->vars * sizeof at[0]);
	for (unsigned row = 0; row < r->rows && row < 64; row++)
		for (size_t c = 0; c < r->vars && c < 3; c++, n++) {
			if (f->twist >= FAKE_ENDLESS && f->twist <= FAKE_BACKWARDS) {
				fake_twisted_row(f, &at[c], row);
				cell[n].object = &f->object[0];
			} else {
				cell[n].object = fake_lookup(f, &at[c], true);
				if (cell[n].object != NULL)
					at[c] = cell[n].object->name;
			}
			cell[n].name = at[c];
		}
	while (n-- > 0) {
		if (cell[n].object == NULL)
			fake_put(o, &cell[n].name, BER_END_OF_VIEW, "", 0);
		else
			fake_put(o, &cell[n].name, cell[n].object->type, cell[n].object->value,
			    cell[n].object->n);
	}
}

static inline void
fake_get(const struct fake *f, const struct fake_request *r, struct ber_out *o)
{
	static const uint8_t zeros[50000];

	for (size_t i = r->vars; i-- > (f->twist == FAKE_FEWER ? 1 : 0);) {
		const struct fake_object *x = fake_lookup(f, &r->var[i], false);
		struct snmp_var name = r->var[i];

		if (f->twist == FAKE_LONG_NAME)	/* 200 sub-identifiers */
			for (const uint8_t *end = o->p;;) {
				ber_put(o, "\x05\x00", 2);
				ber_put(o, zeros, 199);
				ber_put(o, "\x06\x81\xc8\x2b", 4);
				ber_head(o, BER_SEQUENCE, end);
				break;
			}
		else if (f->twist == FAKE_HUGE)
			fake_put(o, &name, BER_STRING, zeros, sizeof zeros / (r->vars + 1));
		else if (f->twist == FAKE_BAD_BIND)
			fake_put(o, &name, BER_INTEGER, "", 0);
		else if (x == NULL)
			fake_put(o, &name, BER_NO_OBJECT, "", 0);
		else {
			name.name[0] = f->twist == FAKE_NOT_ASKED ? 2 : name.name[0];
			fake_put(o, &name, x->type, x->value, x->n);
		}
	}
}

static inline void
fake_answer(const struct fake *f, const struct fake_request *r, struct ber_out *o)
{
	bool big = f->room > 0 && r->vars > f->room && r->pdu == SNMP_PDU_GET;
	uint32_t status = big ? SNMP_TOO_BIG : f->status;
	const uint8_t *end = o->p;

	if (status == 0 && f->twist != FAKE_EMPTY) {
		if (r->pdu == SNMP_PDU_GET)
			fake_get(f, r, o);
		else
			fake_bulk(f, r, o);
	}
	ber_head(o, BER_SEQUENCE, end);
	ber_put_number(o, big ? 0 : f->index);
	ber_put_number(o, status);
	ber_put_number(o, (r->id + f->id_off) & SNMP_ID_MAX);
	ber_head(o, SNMP_PDU_RESPONSE, end);
	ber_put_string(o, r->community.p, (size_t)(r->community.end - r->community.p));
	ber_put_number(o, 1);
	ber_head(o, BER_SEQUENCE, end);
	ck_assert(!o->full);
}

static inline void
fake_release(struct fake *f)
{
	(void)sendto(f->other_fd >= 0 ? f->other_fd : f->fd, f->held, f->held_n, 0,
	    (struct sockaddr *)&f->held_to, f->held_len);
}

static inline void
fake_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t text[4096], out[FAKE_TEXT];
	static struct fake_request r;
	struct fake *f = arg;
	struct ber_out o;
	ssize_t n;

	(void)what;
	f->held_len = sizeof f->held_to;
	n = recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&f->held_to, &f->held_len);
	if (n <= 0)
		return;
	fake_parse(&r, text, (size_t)n);
	f->requests++;
	f->last_vars = r.vars;
	if (r.pdu == SNMP_PDU_GET) {
		f->gets++;
		f->most_vars = r.vars > f->most_vars ? r.vars : f->most_vars;
	} else {
		f->bulks++;
	}
	ber_out_init(&o, out, sizeof out);
	fake_answer(f, &r, &o);
	f->held_n = (size_t)(out + sizeof out - o.p);
	memcpy(f->held, o.p, f->held_n);
	if (f->twist == FAKE_CUT)
		f->held_n -= 3;
	if (f->twist == FAKE_NOISE)
		memset(f->held, 0xff, f->held_n);
	if (f->skip > 0)
		f->skip--;
	else
		for (unsigned i = 0; i < f->copies && !f->hold; i++)
			fake_release(f);
}

/* address: "127.0.0.1", "::1"; port 0: any. */
static inline int
fake_socket(const char *address, uint16_t port, uint16_t *got)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool six = strchr(address, ':') != NULL;
	struct sockaddr *a = six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t len = six ? sizeof a6 : sizeof a4;
	int fd = socket(a->sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(inet_pton(a->sa_family, address, six ? (void *)&a6.sin6_addr :
	    (void *)&a4.sin_addr), 1);
	ck_assert_int_eq(bind(fd, a, len), 0);
	ck_assert_int_eq(getsockname(fd, a, &len), 0);
	*got = ntohs(six ? a6.sin6_port : a4.sin_port);
	return fd;
}

static inline struct fake *
fake_new(struct event_base *base, const char *address)
{
	struct fake *f = calloc(1, sizeof *f);

	f->fd = fake_socket(address, 0, &f->port);
	f->copies = 1;
	f->other_fd = -1;
	f->readable = event_new(base, f->fd, EV_READ | EV_PERSIST, fake_readable, f);
	event_add(f->readable, NULL);
	fake_add(f, "1.3.6.1.2.1.1.3.0", BER_TICKS, "\x01\x00\x00", 3);
	return f;
}

static inline void
fake_free(struct fake *f)
{
	event_free(f->readable);
	close(f->fd);
	free(f);
}
