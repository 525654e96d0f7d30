/*
 * snmp_ber.c - reading and writing BER (pure).
 */
#include "agent/snmp_ber.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------------ reading */

int
ber_take(struct ber_in *b, uint8_t *type, struct ber_in *v)
{
	size_t len;
	unsigned more;

	if (b->end - b->p < 2)
		return -EBADMSG;
	*type = b->p[0];
	len = b->p[1];
	b->p += 2;
	if (len >= 0x80) {
		more = len & 0x7f;
		if (more < 1 || more > 4 || (size_t)(b->end - b->p) < more)
			return -EBADMSG;
		for (len = 0; more > 0; more--)
			len = len << 8 | *b->p++;
	}
	if (len > (size_t)(b->end - b->p))
		return -EBADMSG;
	*v = (struct ber_in){ b->p, b->p + len };
	b->p += len;
	return 0;
}

int
ber_expect(struct ber_in *b, uint8_t type, struct ber_in *v)
{
	uint8_t found;

	return ber_take(b, &found, v) == 0 && found == type ? 0 : -EBADMSG;
}

int
ber_signed(struct ber_in v, int64_t *out)
{
	uint64_t n;

	if (v.end - v.p < 1 || v.end - v.p > 8)
		return -EBADMSG;
	n = (*v.p & 0x80) != 0 ? UINT64_MAX : 0;
	while (v.p < v.end)
		n = n << 8 | *v.p++;
	*out = (int64_t)n;
	return 0;
}

int
ber_unsigned(struct ber_in v, uint64_t *out)
{
	uint64_t n = 0;

	if (v.end - v.p > 1 && *v.p == 0)
		v.p++;
	if (v.end - v.p < 1 || v.end - v.p > 8)
		return -EBADMSG;
	while (v.p < v.end)
		n = n << 8 | *v.p++;
	*out = n;
	return 0;
}

int
ber_expect_number(struct ber_in *b, uint32_t *out)
{
	struct ber_in v;
	int64_t n;

	if (ber_expect(b, BER_INTEGER, &v) != 0 || ber_signed(v, &n) != 0 || n < 0 ||
	    n > INT32_MAX)
		return -EBADMSG;
	*out = (uint32_t)n;
	return 0;
}

/* The next sub-identifier: seven bits a byte, the highest bit says that more follow. */
static int
take_sub(struct ber_in *v, uint64_t *out)
{
	uint64_t n = 0;

	do {
		if (v->p == v->end || n >> 32 != 0)
			return -EBADMSG;
		n = n << 7 | (*v->p & 0x7f);
	} while ((*v->p++ & 0x80) != 0);
	*out = n;
	return 0;
}

int
ber_name(struct ber_in v, uint32_t *name, size_t max)
{
	uint64_t sub;
	size_t n = 2;

	if (max < 2 || take_sub(&v, &sub) != 0)
		return -EBADMSG;
	name[0] = sub < 40 ? 0 : sub < 80 ? 1 : 2;	/* the first two share one */
	sub -= 40 * (uint64_t)name[0];
	if (sub > UINT32_MAX)
		return -EBADMSG;
	name[1] = (uint32_t)sub;
	while (v.p < v.end) {
		if (n == max || take_sub(&v, &sub) != 0 || sub > UINT32_MAX)
			return -EBADMSG;
		name[n++] = (uint32_t)sub;
	}
	return (int)n;
}

/* ------------------------------------------------------------------ writing */

void
ber_out_init(struct ber_out *o, void *buf, size_t n)
{
	*o = (struct ber_out){ .begin = buf, .p = (uint8_t *)buf + n };
}

void
ber_put(struct ber_out *o, const void *bytes, size_t n)
{
	if (o->full || (size_t)(o->p - o->begin) < n) {
		o->full = true;
		return;
	}
	o->p -= n;
	if (n > 0)
		memcpy(o->p, bytes, n);
}

void
ber_head(struct ber_out *o, uint8_t type, const uint8_t *end)
{
	size_t len = (size_t)(end - o->p);
	uint8_t text[4] = { type, (uint8_t)len };
	size_t n = 2;

	if (len > 0xff) {
		text[1] = 0x82;
		text[2] = (uint8_t)(len >> 8);
		text[3] = (uint8_t)len;
		n = 4;
	} else if (len > 0x7f) {
		text[1] = 0x81;
		text[2] = (uint8_t)len;
		n = 3;
	}
	if (len > UINT16_MAX)
		o->full = true;
	ber_put(o, text, n);
}

void
ber_put_string(struct ber_out *o, const void *bytes, size_t n)
{
	const uint8_t *end = o->p;

	ber_put(o, bytes, n);
	ber_head(o, BER_STRING, end);
}

void
ber_put_number(struct ber_out *o, uint32_t v)
{
	const uint8_t *end = o->p;
	uint8_t text[5] = { 0, (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		(uint8_t)v };
	size_t skip = 0;

	/* no more bytes than the number and its sign need */
	while (skip < 4 && text[skip] == 0 && (text[skip + 1] & 0x80) == 0)
		skip++;
	ber_put(o, text + skip, sizeof text - skip);
	ber_head(o, BER_INTEGER, end);
}

static void
put_sub(struct ber_out *o, uint64_t v)
{
	uint8_t text[5];
	size_t n = sizeof text;

	text[--n] = v & 0x7f;
	while ((v >>= 7) > 0)
		text[--n] = 0x80 | (v & 0x7f);
	ber_put(o, text + n, sizeof text - n);
}

void
ber_put_name(struct ber_out *o, const uint32_t *name, size_t n)
{
	const uint8_t *end = o->p;

	while (n > 2)
		put_sub(o, name[--n]);
	put_sub(o, 40 * (uint64_t)name[0] + name[1]);
	ber_head(o, BER_OID, end);
}
