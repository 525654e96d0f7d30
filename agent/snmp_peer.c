/*
 * snmp_peer.c - sealing requests and opening answers.
 */
#include "agent/snmp_peer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "agent/snmp_secret.h"
#include "common/agent_conf.h"
#include "common/clock.h"
#include "common/mem.h"

void
snmp_peer_forget(struct snmp_peer *p)
{
	if (p->seal != NULL)
		OPENSSL_cleanse(p->seal, sizeof *p->seal);
	free(p->seal);
	*p = (struct snmp_peer){ 0 };
}

bool
snmp_peer_is_new(const struct snmp_peer *p, const struct snmp_secret *k)
{
	return k->version == SNMP_V3 && p->seal == NULL;
}

static uint32_t
engine_time(const struct snmp_peer *p, int64_t now_ns)
{
	int64_t t = p->engine_s + (now_ns - p->engine_ns) / NS_PER_S;

	return t < 0 ? 0 : t > INT32_MAX ? INT32_MAX : (uint32_t)t;
}

int
snmp_peer_put(struct snmp_peer *p, const struct snmp_secret *k, const struct snmp_request *r,
    uint64_t salt, int64_t now_ns, struct ber_out *o)
{
	if (k->version == SNMP_V2C) {
		snmp_put_v2c(o, k->community, r);
		return o->full ? -EMSGSIZE : 0;
	}
	p->seal->engine.time = engine_time(p, now_ns);
	return snmp_usm_put(o, p->seal, r, salt);
}

/* From now on its clock is this. */
static void
set_time(struct snmp_peer *p, const struct snmp_engine *e, int64_t now_ns)
{
	p->seal->engine.boots = e->boots;
	p->engine_s = e->time;
	p->engine_ns = now_ns;
}

static enum snmp_said
learn(struct snmp_peer *p, struct snmp_secret *k, const struct snmp_engine *e, int64_t now_ns)
{
	if (e->len == 0)
		return SNMP_SAID_NOTHING;
	snmp_peer_forget(p);
	p->seal = xcalloc(1, sizeof *p->seal);
	if (snmp_secret_seal(k, e, p->seal) != 0) {
		snmp_peer_forget(p);
		return SNMP_SAID_DENIED;
	}
	set_time(p, e, now_ns);
	return SNMP_SAID_ENGINE;
}

static enum snmp_said
reported(struct snmp_peer *p, struct snmp_secret *k, const struct snmp_v3 *v3,
    const struct snmp_answer *a, int64_t now_ns)
{
	switch (snmp_report_kind(a)) {
	case SNMP_REPORT_ENGINE:
		return learn(p, k, &v3->engine, now_ns);
	case SNMP_REPORT_TIME:
		if ((v3->flags & SNMP_FLAG_AUTH) == 0)
			return SNMP_SAID_NOTHING;	/* anybody can say that */
		set_time(p, &v3->engine, now_ns);
		return SNMP_SAID_ENGINE;
	}
	return SNMP_SAID_DENIED;
}

static enum snmp_said
take_v3(struct snmp_peer *p, struct snmp_secret *k, uint8_t *text, size_t n, int64_t now_ns,
    struct snmp_answer *out)
{
	static const struct snmp_seal none;
	const struct snmp_seal *seal = p->seal != NULL ? p->seal : &none;
	uint8_t level = (k->auth != SNMP_AUTH_NONE ? SNMP_FLAG_AUTH : 0) |
	    (k->priv != SNMP_PRIV_NONE ? SNMP_FLAG_PRIV : 0);
	struct snmp_v3 v3;

	if (snmp_take_v3(text, n, &v3) != 0 || snmp_usm_take(seal, text, n, &v3, out) != 0)
		return SNMP_SAID_NOTHING;
	if (out->pdu == SNMP_PDU_REPORT)
		return reported(p, k, &v3, out, now_ns);
	if (p->seal == NULL || (v3.flags & (SNMP_FLAG_AUTH | SNMP_FLAG_PRIV)) != level)
		return SNMP_SAID_NOTHING;
	if (v3.engine.boots > p->seal->engine.boots ||
	    (v3.engine.boots == p->seal->engine.boots && v3.engine.time > engine_time(p, now_ns)))
		set_time(p, &v3.engine, now_ns);
	return SNMP_SAID_ANSWER;
}

enum snmp_said
snmp_peer_take(struct snmp_peer *p, struct snmp_secret *k, uint8_t *text, size_t n,
    int64_t now_ns, struct snmp_answer *out)
{
	if (k->version == SNMP_V3)
		return take_v3(p, k, text, n, now_ns, out);
	return snmp_take_v2c(text, n, out) == 0 ? SNMP_SAID_ANSWER : SNMP_SAID_RUBBISH;
}
