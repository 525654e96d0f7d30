/*
 * admit_state.c - the table of numbers across restarts (pure).
 *
 * The checkpoint, all numbers little endian:
 *   8   "LWADMIT1"
 *   8   next_seq: records of the journal from here on are not in it
 *   4   number of agents; for each:
 *         1 + n   id
 *         1       1: in the plan that holds
 *         4       links; for each: 1 + n id, 8 until_ns
 *         1       numberings; for each: 16 boot id, 8 taken, 8 used,
 *                 2 hashes, 8 each: of taken, taken - 1, ...
 *   4   CRC32C of everything before
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/admit_table.h"
#include "common/crc32c.h"
#include "common/mem.h"

#define MAGIC "LWADMIT1"
#define SAVED_HASHES 64
#define AGENTS_MAX 1000000
#define LINKS_MAX 1000000

/* ------------------------------------------------------------------ saving */

struct out { uint8_t *p; size_t n, cap; };

static void
put(struct out *o, const void *p, size_t n)
{
	if (o->n + n > o->cap) {
		o->cap = 2 * (o->n + n);
		o->p = xreallocarray(o->p, o->cap, 1);
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void
put_u(struct out *o, uint64_t v, size_t bytes)
{
	uint8_t b[8];

	for (size_t i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put(o, b, bytes);
}

static void
put_id(struct out *o, const char *id)
{
	put_u(o, strlen(id), 1);
	put(o, id, strlen(id));
}

static void
put_numbering(struct out *o, const struct admit_numbering *nb)
{
	uint64_t hashes = nb->taken < SAVED_HASHES ? nb->taken : SAVED_HASHES;

	put(o, nb->boot, BOOT_ID_LEN);
	put_u(o, nb->taken, 8);
	put_u(o, nb->used, 8);
	put_u(o, hashes, 2);
	for (uint64_t i = 0; i < hashes; i++)
		put_u(o, nb->hash[(nb->taken - i) % ADMIT_HASHES], 8);
}

void
admit_save(const struct admit *a, uint64_t next_seq, uint8_t **out, size_t *n)
{
	struct out o = { 0 };
	struct admit_agent *ag;
	struct admit_link *l;

	put(&o, MAGIC, 8);
	put_u(&o, next_seq, 8);
	put_u(&o, a->agents.n, 4);
	for (size_t i = 0; (ag = table_next(&a->agents, &i)) != NULL;) {
		put_id(&o, ag->id);
		put_u(&o, ag->current, 1);
		put_u(&o, ag->links.n, 4);
		for (size_t k = 0; (l = table_next(&ag->links, &k)) != NULL;) {
			put_id(&o, l->id);
			put_u(&o, (uint64_t)l->until_ns, 8);
		}
		put_u(&o, ag->boots, 1);
		for (size_t k = 0; k < ag->boots; k++)
			put_numbering(&o, ag->boot[k]);
	}
	put_u(&o, crc32c(0, o.p, o.n), 4);
	*out = o.p;
	*n = o.n;
}

/* ----------------------------------------------------------------- loading */

struct in { const uint8_t *p; size_t n; bool bad; };

static const uint8_t *
take(struct in *in, size_t n)
{
	const uint8_t *p = in->p;

	if (in->bad || in->n < n) {
		in->bad = true;
		return NULL;
	}
	in->p += n;
	in->n -= n;
	return p;
}

static uint64_t
take_u(struct in *in, size_t bytes)
{
	const uint8_t *p = take(in, bytes);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static bool
take_id(struct in *in, char id[ID_MAX + 1])
{
	size_t n = (size_t)take_u(in, 1);
	const uint8_t *p = n <= ID_MAX ? take(in, n) : NULL;

	if (p == NULL) {
		in->bad = true;
		return false;
	}
	memcpy(id, p, n);
	id[n] = '\0';
	if (strlen(id) != n || !id_is_valid(id))
		in->bad = true;
	return !in->bad;
}

static void
take_numbering(struct in *in, struct admit *a, const char *agent)
{
	const uint8_t *boot = take(in, BOOT_ID_LEN);
	uint64_t taken = take_u(in, 8), used = take_u(in, 8), hashes = take_u(in, 2);
	struct admit_numbering *nb;

	if (in->bad || hashes > taken || hashes > SAVED_HASHES || taken > INT64_MAX) {
		in->bad = true;
		return;
	}
	nb = admit_numbering_of(a, agent, boot);
	nb->taken = nb->durable = taken;
	nb->used = used;
	if (a->tick < used)
		a->tick = used;
	for (uint64_t i = 0; i < hashes; i++)
		nb->hash[(taken - i) % ADMIT_HASHES] = take_u(in, 8);
}

static void
take_agent(struct in *in, struct admit *a)
{
	char id[ID_MAX + 1], link[ID_MAX + 1];
	struct admit_agent *ag;
	uint64_t n;

	if (!take_id(in, id))
		return;
	ag = admit_agent_of(a, id);
	ag->current = take_u(in, 1) != 0;
	n = take_u(in, 4);
	if (n > LINKS_MAX)
		in->bad = true;
	for (uint64_t i = 0; i < n && !in->bad; i++)
		if (take_id(in, link))
			admit_link_of(ag, link)->until_ns = (int64_t)take_u(in, 8);
	n = take_u(in, 1);
	if (n > ADMIT_BOOTS)
		in->bad = true;
	for (uint64_t i = 0; i < n && !in->bad; i++)
		take_numbering(in, a, id);
}

int
admit_load(struct admit *a, const uint8_t *p, size_t n, uint64_t *next_seq)
{
	struct in in = { .p = p, .n = n };
	struct in crc;
	uint64_t agents;

	*next_seq = 0;
	if (n < 24 || memcmp(p, MAGIC, 8) != 0)
		return -EBADMSG;
	crc = (struct in){ .p = p + n - 4, .n = 4 };
	if (take_u(&crc, 4) != crc32c(0, p, n - 4))
		return -EBADMSG;
	in.n -= 4;
	take(&in, 8);
	*next_seq = take_u(&in, 8);
	agents = take_u(&in, 4);
	if (agents > AGENTS_MAX)
		in.bad = true;
	for (uint64_t i = 0; i < agents && !in.bad; i++)
		take_agent(&in, a);
	if (in.bad || in.n != 0) {
		admit_clear(a);
		*next_seq = 0;
		return -EBADMSG;
	}
	return 0;
}

/* --------------------------------------------------------------- replaying */

static void
replay_batch(struct admit *a, const struct journal_record *r)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	uint8_t boot[BOOT_ID_LEN];
	uint64_t seq;

	if (sb == NULL)
		return;
	if (id_is_valid(sb->agent) && admit_peek(sb->batch.data, sb->batch.len, boot, &seq) &&
	    seq <= INT64_MAX)
		admit_took(a, sb->agent, boot, seq, admit_hash(a, sb->batch.data, sb->batch.len));
	linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

static void
replay_refused(struct admit *a, const struct journal_record *r)
{
	Linkwatch__Pb__Refused *rf = linkwatch__pb__refused__unpack(NULL, r->len, r->data);

	if (rf == NULL)
		return;
	if (rf->seq != 0 && rf->seq <= INT64_MAX && rf->boot_id.len == BOOT_ID_LEN && id_is_valid(rf->peer))
		admit_took(a, rf->peer, rf->boot_id.data, rf->seq, 0);
	linkwatch__pb__refused__free_unpacked(rf, NULL);
}

static void
replay_plan(struct admit *a, const struct journal_record *r)
{
	Linkwatch__Pb__Plan *plan = linkwatch__pb__plan__unpack(NULL, r->len, r->data);

	if (plan == NULL)
		return;
	admit_plan(a, plan, r->wall);
	linkwatch__pb__plan__free_unpacked(plan, NULL);
}

void
admit_replay(struct admit *a, const struct journal_record *r)
{
	switch (r->type) {
	case JREC_BATCH:
		replay_batch(a, r);
		break;
	case JREC_REFUSED:
		replay_refused(a, r);
		break;
	case JREC_PLAN:
		replay_plan(a, r);
		break;
	}
}
