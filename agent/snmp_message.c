/*
 * snmp_message.c - writing requests, reading answers (pure).
 */
#include "agent/snmp_message.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------------ writing */

void
snmp_put_pdu(struct ber_out *o, const struct snmp_request *r)
{
	const uint8_t *end = o->p;

	for (size_t i = r->vars; i-- > 0;) {
		const uint8_t *bind = o->p;

		ber_put(o, "\x05\x00", 2);
		ber_put_name(o, r->var[i].name, r->var[i].len);
		ber_head(o, BER_SEQUENCE, bind);
	}
	ber_head(o, BER_SEQUENCE, end);
	ber_put_number(o, r->pdu == SNMP_PDU_GETBULK ? r->rows : 0);
	ber_put_number(o, 0);
	ber_put_number(o, r->id);
	ber_head(o, r->pdu, end);
}

void
snmp_put_v2c(struct ber_out *o, const char *community, const struct snmp_request *r)
{
	const uint8_t *end = o->p;

	snmp_put_pdu(o, r);
	ber_put_string(o, community, strlen(community));
	ber_put_number(o, 1);
	ber_head(o, BER_SEQUENCE, end);
}

void
snmp_put_discovery(struct ber_out *o, uint32_t id)
{
	static const uint8_t nobody[] = { 0x04, 16, 0x30, 14, 0x04, 0, 0x02, 1, 0, 0x02, 1, 0,
		0x04, 0, 0x04, 0, 0x04, 0 };
	const struct snmp_request none = { .pdu = SNMP_PDU_GET, .id = id };
	const uint8_t *end = o->p, *header;

	snmp_put_pdu(o, &none);
	ber_put(o, "\x04\x00\x04\x00", 4);	/* context engine, context */
	ber_head(o, BER_SEQUENCE, end);
	ber_put(o, nobody, sizeof nobody);
	header = o->p;
	ber_put_number(o, 3);
	ber_put(o, "\x04\x01\x04", 3);		/* reportable */
	ber_put_number(o, SNMP_ANSWER_MAX);
	ber_put_number(o, id);
	ber_head(o, BER_SEQUENCE, header);
	ber_put_number(o, 3);
	ber_head(o, BER_SEQUENCE, end);
}

/* ------------------------------------------------------------------ reading */

/* Opens the message and takes its version. */
static int
take_version(const uint8_t *p, size_t n, struct ber_in *message, uint32_t *version)
{
	struct ber_in all = { p, p + n };

	return ber_expect(&all, BER_SEQUENCE, message) == 0 ?
	    ber_expect_number(message, version) : -EBADMSG;
}

/* Goes into the next value; of one that was cut short there is what is left. */
static int
enter(struct ber_in *b, uint8_t *type)
{
	size_t skip;

	if (b->end - b->p < 2)
		return -EBADMSG;
	*type = b->p[0];
	skip = b->p[1] > 0x80 ? 2U + (b->p[1] & 0x7f) : 2;
	if ((size_t)(b->end - b->p) < skip)
		return -EBADMSG;
	b->p += skip;
	return 0;
}

/* Reads no more than it must: whoever sent rubbish with our id did answer. */
int
snmp_message_id(const uint8_t *p, size_t n, uint32_t *id)
{
	struct ber_in message = { p, p + n }, community;
	uint32_t version;
	uint8_t type;

	if (enter(&message, &type) != 0 || type != BER_SEQUENCE ||
	    ber_expect_number(&message, &version) != 0 || (version != 1 && version != 3) ||
	    (version == 1 && ber_expect(&message, BER_STRING, &community) != 0) ||
	    enter(&message, &type) != 0)
		return -EBADMSG;
	return ber_expect_number(&message, id);
}

static int
take_pdu(struct ber_in *in, struct snmp_answer *out)
{
	struct ber_in pdu;

	if (ber_take(in, &out->pdu, &pdu) != 0 || ber_expect_number(&pdu, &out->id) != 0 ||
	    ber_expect_number(&pdu, &out->status) != 0 ||
	    ber_expect_number(&pdu, &out->index) != 0 ||
	    ber_expect(&pdu, BER_SEQUENCE, &out->binds) != 0)
		return -EBADMSG;
	return out->pdu == SNMP_PDU_RESPONSE || out->pdu == SNMP_PDU_REPORT ? 0 : -EBADMSG;
}

int
snmp_take_v2c(const uint8_t *p, size_t n, struct snmp_answer *out)
{
	struct ber_in message, community;
	uint32_t version;

	if (take_version(p, n, &message, &version) != 0 || version != 1 ||
	    ber_expect(&message, BER_STRING, &community) != 0 || take_pdu(&message, out) != 0)
		return -EBADMSG;
	return out->pdu == SNMP_PDU_RESPONSE ? 0 : -EBADMSG;
}

static int
take_header(struct ber_in *message, struct snmp_v3 *out)
{
	struct ber_in header, flags;
	uint32_t most, model;

	if (ber_expect(message, BER_SEQUENCE, &header) != 0 ||
	    ber_expect_number(&header, &out->id) != 0 ||
	    ber_expect_number(&header, &most) != 0 ||
	    ber_expect(&header, BER_STRING, &flags) != 0 || flags.end - flags.p != 1 ||
	    ber_expect_number(&header, &model) != 0 || model != 3)
		return -EBADMSG;
	out->flags = *flags.p;
	return 0;
}

static int
take_security(struct ber_in *message, struct snmp_v3 *out)
{
	struct ber_in text, params, engine;

	if (ber_expect(message, BER_STRING, &text) != 0 ||
	    ber_expect(&text, BER_SEQUENCE, &params) != 0 ||
	    ber_expect(&params, BER_STRING, &engine) != 0 ||
	    ber_expect_number(&params, &out->engine.boots) != 0 ||
	    ber_expect_number(&params, &out->engine.time) != 0 ||
	    ber_expect(&params, BER_STRING, &out->user) != 0 ||
	    ber_expect(&params, BER_STRING, &out->mac) != 0 ||
	    ber_expect(&params, BER_STRING, &out->salt) != 0)
		return -EBADMSG;
	out->engine.len = (size_t)(engine.end - engine.p);
	if (out->engine.len != 0 && (out->engine.len < 5 || out->engine.len > SNMP_ENGINE_MAX))
		return -EBADMSG;
	memcpy(out->engine.id, engine.p, out->engine.len);
	return 0;
}

int
snmp_take_v3(const uint8_t *p, size_t n, struct snmp_v3 *out)
{
	struct ber_in message;
	uint32_t version;

	if (take_version(p, n, &message, &version) != 0 || version != 3 ||
	    take_header(&message, out) != 0 || take_security(&message, out) != 0)
		return -EBADMSG;
	if ((out->flags & SNMP_FLAG_PRIV) != 0)
		return ber_expect(&message, BER_STRING, &out->data);
	out->data = message;
	return 0;
}

int
snmp_take_scoped(struct ber_in data, struct snmp_answer *out)
{
	struct ber_in scoped, engine, context;

	if (ber_expect(&data, BER_SEQUENCE, &scoped) != 0 ||
	    ber_expect(&scoped, BER_STRING, &engine) != 0 ||
	    ber_expect(&scoped, BER_STRING, &context) != 0)
		return -EBADMSG;
	return take_pdu(&scoped, out);
}

/* A float or double in an Opaque: 9f 78 04 ...., 9f 79 08 ........ */
static bool
opaque_number(struct ber_in v, double *out)
{
	size_t n = (size_t)(v.end - v.p);
	uint64_t bits = 0;
	uint32_t half;
	float f;

	if (n < 3 || v.p[0] != 0x9f || v.p[2] != n - 3 ||
	    !((v.p[1] == 0x78 && n == 7) || (v.p[1] == 0x79 && n == 11)))
		return false;
	for (size_t i = 3; i < n; i++)
		bits = bits << 8 | v.p[i];
	if (n == 11) {
		memcpy(out, &bits, sizeof *out);
		return true;
	}
	half = (uint32_t)bits;
	memcpy(&f, &half, sizeof f);
	*out = (double)f;
	return true;
}

static enum snmp_type
number_type(uint8_t type)
{
	switch (type) {
	case BER_COUNTER32:
		return SNMP_TYPE_COUNTER32;
	case BER_COUNTER64:
		return SNMP_TYPE_COUNTER64;
	case BER_TICKS:
		return SNMP_TYPE_TICKS;
	}
	return SNMP_TYPE_GAUGE;
}

static int
take_value(uint8_t type, struct ber_in v, struct snmp_value *out)
{
	uint64_t n;

	*out = (struct snmp_value){ .type = SNMP_TYPE_NONE, .text = v.p,
		.len = (size_t)(v.end - v.p) };
	switch (type) {
	case BER_INTEGER:
		out->type = SNMP_TYPE_INTEGER;
		return ber_signed(v, &out->number);
	case BER_COUNTER32:
	case BER_GAUGE32:
	case BER_UNSIGNED32:
	case BER_TICKS:
	case BER_COUNTER64:
		out->type = number_type(type);
		if (ber_unsigned(v, &n) != 0)
			return -EBADMSG;
		out->number = (int64_t)n;
		break;
	case BER_STRING:
		out->type = SNMP_TYPE_STRING;
		break;
	case BER_OID:
		out->type = SNMP_TYPE_OID;
		break;
	case BER_OPAQUE:
		if (opaque_number(v, &out->real))
			out->type = SNMP_TYPE_DOUBLE;
		break;
	case BER_NO_OBJECT:
	case BER_NO_INSTANCE:
	case BER_END_OF_VIEW:
		out->type = SNMP_TYPE_MISSING;
		break;
	}
	return 0;
}

int
snmp_take_bind(struct snmp_answer *a, struct snmp_bind *out)
{
	struct ber_in bind, name, v;
	uint8_t type;
	int n;

	if (a->binds.p == a->binds.end)
		return 0;
	if (ber_expect(&a->binds, BER_SEQUENCE, &bind) != 0 ||
	    ber_expect(&bind, BER_OID, &name) != 0 || ber_take(&bind, &type, &v) != 0)
		return -EBADMSG;
	n = ber_name(name, out->name, SNMP_NAME_MAX);
	if (n < 0 || take_value(type, v, &out->value) != 0)
		return -EBADMSG;
	out->len = (size_t)n;
	return 1;
}

unsigned
snmp_report_kind(const struct snmp_answer *a)
{
	static const uint32_t stats[] = { 1, 3, 6, 1, 6, 3, 15, 1, 1 };
	struct snmp_answer copy = *a;
	struct snmp_bind bind;

	if (snmp_take_bind(&copy, &bind) != 1 || bind.len < 10 ||
	    memcmp(bind.name, stats, sizeof stats) != 0 || bind.name[9] > 6)
		return 0;
	return bind.name[9];
}
