/*
 * snmp_discovery.c - the two messages of engine discovery, in BER (pure).
 */
#include "agent/snmp_discovery.h"

#include <errno.h>
#include <string.h>

enum { BER_INTEGER = 0x02, BER_STRING = 0x04, BER_SEQUENCE = 0x30 };

size_t
snmp_discovery_request(uint8_t out[SNMP_DISCOVERY_MAX], uint32_t id)
{
	static const uint8_t text[] = {
		0x30, 62,				/* SNMPv3Message */
		0x02, 1, 3,				/* version */
		0x30, 17,				/* header */
		0x02, 4, 0, 0, 0, 0,			/* message id, at 9 */
		0x02, 3, 0x00, 0xff, 0xe3,		/* largest answer: 65507 */
		0x04, 1, 0x04,				/* reportable, no auth, no priv */
		0x02, 1, 3,				/* user security model */
		0x04, 16,				/* security parameters */
		0x30, 14, 0x04, 0, 0x02, 1, 0, 0x02, 1, 0, 0x04, 0, 0x04, 0, 0x04, 0,
		0x30, 20,				/* scoped PDU */
		0x04, 0, 0x04, 0,			/* context engine, context */
		0xa0, 14,				/* get */
		0x02, 4, 0, 0, 0, 0,			/* request id, at 52 */
		0x02, 1, 0, 0x02, 1, 0, 0x30, 0,	/* no error, no variables */
	};
	_Static_assert(sizeof text == 64, "lengths above are counted by hand");

	memcpy(out, text, sizeof text);
	for (unsigned i = 0; i < 4; i++)
		out[9 + i] = out[52 + i] = (uint8_t)(id >> (24 - 8 * i));
	return sizeof text;
}

struct bytes { const uint8_t *p, *end; };

/* Steps over the header of the next value, which must be of this type; *v is its content. */
static int
take(struct bytes *b, uint8_t type, struct bytes *v)
{
	size_t len;
	unsigned more;

	if (b->end - b->p < 2 || b->p[0] != type)
		return -EBADMSG;
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
	*v = (struct bytes){ b->p, b->p + len };
	b->p += len;
	return 0;
}

static int
take_number(struct bytes *b, uint32_t *out)
{
	struct bytes v;
	uint64_t n = 0;

	if (take(b, BER_INTEGER, &v) != 0 || v.end - v.p < 1 || v.end - v.p > 5 ||
	    (v.p[0] & 0x80) != 0)
		return -EBADMSG;
	while (v.p < v.end)
		n = n << 8 | *v.p++;
	if (n > INT32_MAX)
		return -EBADMSG;
	*out = (uint32_t)n;
	return 0;
}

int
snmp_discovery_answer(const uint8_t *p, size_t n, uint32_t *id, struct snmp_engine *out)
{
	struct bytes all = { p, p + n }, message, header, secure, params, engine;
	uint32_t version, most;

	if (take(&all, BER_SEQUENCE, &message) != 0 || take_number(&message, &version) != 0 ||
	    version != 3 || take(&message, BER_SEQUENCE, &header) != 0 ||
	    take_number(&header, id) != 0 || take_number(&header, &most) != 0 ||
	    take(&message, BER_STRING, &secure) != 0 ||
	    take(&secure, BER_SEQUENCE, &params) != 0 || take(&params, BER_STRING, &engine) != 0 ||
	    take_number(&params, &out->boots) != 0 || take_number(&params, &out->time) != 0)
		return -EBADMSG;
	out->len = (size_t)(engine.end - engine.p);
	if (out->len < 5 || out->len > SNMP_ENGINE_MAX)
		return -EBADMSG;
	memcpy(out->id, engine.p, out->len);
	return 0;
}
