/*
 * sim_oracle.c - what really happened (see sim_oracle.h).
 */
#include "tests/sim/sim_oracle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"
#include "common/crc32c.h"
#include "common/mem.h"

enum fate { SAMPLE_UNSURE = 1, SAMPLE_SURE = 2, SAMPLE_EXCUSED = 3 };
enum arrival { ARRIVED_BATCH = 1, ARRIVED_REFUSED = 2 };

struct sent {				/* one batch as it went out */
	int agent;
	uint8_t boot[BOOT_ID_LEN];
	uint64_t seq;
	uint64_t hash;
	uint64_t first, last;		/* its samples; 0: none */
	uint64_t *ids;			/* owned */
	size_t n_ids;
	uint64_t told;			/* samples that gaps in it count */
	uint64_t record;		/* of the journal that holds it; 0: none seen yet */
	uint8_t arrived;		/* in this scan */
	bool given_up;			/* the agent said that it holds it no more */
	bool in_gap;			/* in this scan: a gap names its number */
};

struct promise {
	int agent;
	uint8_t boot[BOOT_ID_LEN];
	uint64_t seq;
};

struct made {				/* by one agent */
	uint8_t *fate;			/* by sample number */
	uint8_t *delivered;		/* in this scan: how often */
	size_t n, cap;
};

struct oracle {
	struct world *world;
	struct made made[ORACLE_AGENTS];
	struct sent *sent;
	size_t sents, sents_cap;
	uint32_t *index;		/* hash table over sent: place + 1 */
	size_t index_size;
	struct promise *promise;
	size_t promises, promises_cap;
	uint64_t *seen;			/* of records that a reader has seen: their hash */
	uint64_t seen_next, seen_cap;
	uint64_t purged;
	uint64_t gaps[ORACLE_AGENTS];	/* counts told, in this scan */
	struct oracle_stat stat;
};

struct oracle *
oracle_new(struct world *w)
{
	struct oracle *o = xcalloc(1, sizeof *o);

	o->world = w;
	o->seen_next = 1;
	o->purged = 1;
	o->index_size = 1 << 14;
	o->index = xcalloc(o->index_size, sizeof *o->index);
	return o;
}

void
oracle_free(struct oracle *o)
{
	for (size_t i = 0; i < o->sents; i++)
		free(o->sent[i].ids);
	for (int a = 0; a < ORACLE_AGENTS; a++) {
		free(o->made[a].fate);
		free(o->made[a].delivered);
	}
	free(o->sent);
	free(o->index);
	free(o->promise);
	free(o->seen);
	free(o);
}

static uint64_t
hash_bytes(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n-- > 0)
		h = (h ^ *p++) * UINT64_C(1099511628211);
	return h;
}

/* ------------------------------------------------------------ what was made */

void
oracle_produced(struct oracle *o, int agent, uint64_t first, uint64_t last, bool sure)
{
	struct made *m = &o->made[agent];

	if (last >= m->cap) {
		size_t cap = last * 2 + 1024;

		m->fate = xreallocarray(m->fate, cap, 1);
		m->delivered = xreallocarray(m->delivered, cap, 1);
		m->cap = cap;
	}
	for (uint64_t i = first; i <= last; i++)
		m->fate[i] = sure ? SAMPLE_SURE : SAMPLE_UNSURE;
	m->n = last;
}

static void
settle(struct made *m, uint8_t fate)
{
	for (size_t i = 1; i <= m->n; i++)
		if (m->fate[i] == SAMPLE_UNSURE)
			m->fate[i] = fate;
}

void
oracle_sure(struct oracle *o, int agent)
{
	settle(&o->made[agent], SAMPLE_SURE);
}

void
oracle_forgets(struct oracle *o, int agent)
{
	settle(&o->made[agent], SAMPLE_EXCUSED);
}

/* ------------------------------------------------------------ what was said */

static struct sent *
find_sent(struct oracle *o, int agent, const uint8_t *boot, uint64_t seq, size_t *slot)
{
	uint64_t h =
	    hash_bytes(hash_bytes((uint64_t)agent * 31 + 7, boot, BOOT_ID_LEN), &seq, sizeof seq);
	size_t i = h % o->index_size;

	for (; o->index[i] != 0; i = (i + 1) % o->index_size) {
		struct sent *s = &o->sent[o->index[i] - 1];

		if (s->agent == agent && s->seq == seq && memcmp(s->boot, boot, BOOT_ID_LEN) == 0)
			return s;
	}
	if (slot != NULL)
		*slot = i;
	return NULL;
}

static void
grow_index(struct oracle *o)
{
	free(o->index);
	o->index_size *= 2;
	o->index = xcalloc(o->index_size, sizeof *o->index);
	for (size_t i = 0; i < o->sents; i++) {
		size_t slot = 0;

		find_sent(o, o->sent[i].agent, o->sent[i].boot, o->sent[i].seq, &slot);
		o->index[slot] = (uint32_t)i + 1;
	}
}

static void
take_ids(struct sent *s, const Linkwatch__Pb__Batch *b)
{
	s->ids = xcalloc(b->n_value + 1, sizeof *s->ids);
	for (size_t i = 0; i < b->n_value; i++)
		if (b->value_role[i] == ROLE_OID0)
			s->ids[s->n_ids++] = b->value_raw[i];
	for (size_t i = 0; i < b->n_gap; i++)
		s->told += b->gap[i]->count;
}

void
oracle_batch(struct oracle *o, int agent, const uint8_t *payload, size_t len)
{
	Linkwatch__Pb__Batch *b = batch_unpack(payload, len);
	uint64_t hash = hash_bytes(0, payload, len);
	size_t slot;
	struct sent *s;

	if (b == NULL || b->boot_id.len != BOOT_ID_LEN) {
		world_fail(o->world, "agent %d sent a batch that is none", agent);
	} else if ((s = find_sent(o, agent, b->boot_id.data, b->seq, &slot)) != NULL) {
		if (s->hash != hash)
			world_fail(o->world, "agent %d sent two batches as number %" PRIu64
			    " of one numbering", agent, b->seq);
	} else {
		if (o->sents == o->sents_cap) {
			o->sents_cap = o->sents_cap * 2 + 256;
			o->sent = xreallocarray(o->sent, o->sents_cap, sizeof *o->sent);
		}
		s = &o->sent[o->sents++];
		*s = (struct sent){ .agent = agent, .seq = b->seq, .hash = hash };
		memcpy(s->boot, b->boot_id.data, BOOT_ID_LEN);
		take_ids(s, b);
		o->index[slot] = (uint32_t)o->sents;
		o->stat.batches++;
		if (o->sents * 2 > o->index_size)
			grow_index(o);
	}
	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
}

void
oracle_hello(struct oracle *o, int agent, const uint8_t boot[BOOT_ID_LEN], uint64_t first_seq)
{
	for (size_t i = 0; i < o->sents; i++)
		if (o->sent[i].agent == agent && o->sent[i].seq < first_seq &&
		    memcmp(o->sent[i].boot, boot, BOOT_ID_LEN) == 0)
			o->sent[i].given_up = true;
}

void
oracle_promise(struct oracle *o, int agent, const uint8_t boot[BOOT_ID_LEN], uint64_t seq)
{
	if (seq == 0)
		return;
	o->stat.acks++;
	for (size_t i = 0; i < o->promises; i++) {
		struct promise *p = &o->promise[i];

		if (p->agent == agent && memcmp(p->boot, boot, BOOT_ID_LEN) == 0) {
			if (seq > p->seq)
				p->seq = seq;
			return;
		}
	}
	if (o->promises == o->promises_cap) {
		o->promises_cap = o->promises_cap * 2 + 16;
		o->promise = xreallocarray(o->promise, o->promises_cap, sizeof *o->promise);
	}
	o->promise[o->promises] = (struct promise){ .agent = agent, .seq = seq };
	memcpy(o->promise[o->promises++].boot, boot, BOOT_ID_LEN);
}

void
oracle_purged(struct oracle *o, uint64_t seq)
{
	if (seq > o->purged)
		o->purged = seq;
}

/* -------------------------------------------------------------- what arrived */

static uint64_t
hash_record(const struct journal_record *r)
{
	uint64_t h =
	    hash_bytes(hash_bytes(r->seq, &r->type, sizeof r->type), &r->wall, sizeof r->wall);

	return hash_bytes(h, r->data, r->len);
}

static void
compare_seen(struct oracle *o, const struct journal_record *r, bool remember)
{
	uint64_t h = hash_record(r);

	if (r->seq < o->seen_next) {
		if (o->seen[r->seq] != h)
			world_fail(
			    o->world, "record %" PRIu64 " is not what a reader has seen", r->seq);
		return;
	}
	if (!remember)
		return;
	if (r->seq >= o->seen_cap) {
		o->seen_cap = r->seq * 2 + 1024;
		o->seen = xreallocarray(o->seen, o->seen_cap, sizeof *o->seen);
	}
	while (o->seen_next < r->seq)
		o->seen[o->seen_next++] = 0;	/* purged before anybody looked */
	o->seen[o->seen_next++] = h;
}

void
oracle_look(struct oracle *o, struct disk *disk)
{
	struct journal_reader *rd;
	struct journal_record r;
	int e;

	journal_reader_open(&rd, disk, o->seen_next);
	while ((e = journal_reader_next(rd, &r)) == 1 || e == -ESTALE)
		if (e == 1)
			compare_seen(o, &r, true);
	if (e == -EBADMSG)
		world_fail(o->world, "a reader finds damage: %s", journal_reader_detail(rd));
	journal_reader_close(rd);
}

static void
arrived(struct oracle *o, int agent, const uint8_t *boot, uint64_t seq, uint8_t how,
    uint64_t record)
{
	struct sent *s = find_sent(o, agent, boot, seq, NULL);

	if (s == NULL) {
		world_fail(o->world, "batch %" PRIu64 " of agent %d stands in the journal, "
		    "but was never sent", seq, agent);
		return;
	}
	/* Also when the first one has been purged since. */
	if (s->arrived != 0 || (s->record != 0 && s->record != record))
		world_fail(o->world, "batch %" PRIu64 " of agent %d was written twice", seq, agent);
	s->arrived = how;
	s->record = record;
	for (size_t i = 0; i < s->n_ids; i++) {
		uint64_t id = s->ids[i];

		if (id == 0 || id > o->made[agent].n)
			world_fail(
			    o->world, "sample %" PRIu64 " of agent %d was never made", id, agent);
		else if (how == ARRIVED_BATCH && ++o->made[agent].delivered[id] > 1)
			world_fail(o->world, "sample %" PRIu64 " of agent %d was written twice", id,
			    agent);
		else if (how == ARRIVED_REFUSED)
			o->stat.refused++;
	}
}

static int
agent_number(const char *id)
{
	return id[0] == 'a' && id[1] >= '0' && id[1] < '0' + ORACLE_AGENTS && id[2] == '\0' ?
	    id[1] - '0' : -1;
}

static void
take_gap(struct oracle *o, int agent, const uint8_t *boot, const Linkwatch__Pb__Gap *g)
{
	o->gaps[agent] += g->count;
	world_trace(o->world, "oracle: a%d tells a gap of %" PRIu64 " samples, batches %" PRIu64
	    "..%" PRIu64 ": %s", agent, g->count, g->first_seq, g->last_seq, g->reason);
	if (strcmp(g->reason, "spool damaged") == 0)
		world_fail(o->world,
		    "agent %d says that its spool was damaged, and nobody damaged it", agent);
	for (size_t i = 0; i < o->sents; i++)
		if (o->sent[i].agent == agent && o->sent[i].seq >= g->first_seq &&
		    o->sent[i].seq <= g->last_seq &&
		    memcmp(o->sent[i].boot, boot, BOOT_ID_LEN) == 0)
			o->sent[i].in_gap = true;
}

static void
take_batch(struct oracle *o, const struct journal_record *r)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	Linkwatch__Pb__Batch *b = sb != NULL ?
	    batch_unpack(sb->batch.data, sb->batch.len) : NULL;
	int agent = sb != NULL ? agent_number(sb->agent) : -1;

	if (b == NULL || agent < 0 || b->boot_id.len != BOOT_ID_LEN) {
		world_fail(o->world, "record %" PRIu64 " is no batch of ours", r->seq);
	} else {
		arrived(o, agent, b->boot_id.data, b->seq, ARRIVED_BATCH, r->seq);
		for (size_t i = 0; i < b->n_gap; i++)
			take_gap(o, agent, b->boot_id.data, b->gap[i]);
	}
	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

static void
take_refused(struct oracle *o, const struct journal_record *r)
{
	Linkwatch__Pb__Refused *m = linkwatch__pb__refused__unpack(NULL, r->len, r->data);
	int agent = m != NULL ? agent_number(m->peer) : -1;

	if (m != NULL && agent >= 0 && m->seq > 0 && m->boot_id.len == BOOT_ID_LEN)
		arrived(o, agent, m->boot_id.data, m->seq, ARRIVED_REFUSED, r->seq);
	if (m != NULL)
		linkwatch__pb__refused__free_unpacked(m, NULL);
}

static void
begin_scan(struct oracle *o)
{
	o->stat.scans++;
	o->stat.refused = 0;
	memset(o->gaps, 0, sizeof o->gaps);
	for (size_t i = 0; i < o->sents; i++)
		o->sent[i].arrived = o->sent[i].in_gap = 0;
	for (int a = 0; a < ORACLE_AGENTS; a++)
		if (o->made[a].n > 0)
			memset(o->made[a].delivered, 0, o->made[a].n + 1);
}

/* Every batch that went out under a number that was acknowledged must be there. */
static void
check_promises(struct oracle *o)
{
	for (size_t k = 0; k < o->promises && o->purged <= 1; k++) {
		const struct promise *p = &o->promise[k];

		for (size_t i = 0; i < o->sents; i++) {
			const struct sent *s = &o->sent[i];

			if (s->agent == p->agent && s->seq <= p->seq && s->arrived == 0 &&
			    !s->given_up && !s->in_gap &&
			    memcmp(s->boot, p->boot, BOOT_ID_LEN) == 0)
				world_fail(o->world,
				    "batch %" PRIu64 " of agent %d was acknowledged "
				    "(up to %" PRIu64 ") and is lost",
				    s->seq, s->agent, p->seq);
		}
	}
}

/*
 * Of agent a: samples refused, and what is told twice: samples of batches that
 * arrived although a gap names them, and what gaps in those tell.
 */
static void
sum_sent(const struct oracle *o, int a, uint64_t *refused, uint64_t *doubted)
{
	*refused = *doubted = 0;
	for (size_t i = 0; i < o->sents; i++) {
		if (o->sent[i].agent != a)
			continue;
		if (o->sent[i].arrived == ARRIVED_REFUSED)
			*refused += o->sent[i].n_ids;
		if (o->sent[i].arrived != 0 && o->sent[i].in_gap)
			*doubted += o->sent[i].n_ids + o->sent[i].told;
	}
}

/* Made = delivered + told by gaps + refused, but for what only a killed process had. */
static void
check_sums(struct oracle *o)
{
	o->stat.produced = o->stat.delivered = o->stat.gaps = o->stat.excused = 0;
	for (int a = 0; a < ORACLE_AGENTS; a++) {
		const struct made *m = &o->made[a];
		uint64_t missing = 0, excused = 0, refused, doubted, told;

		sum_sent(o, a, &refused, &doubted);
		told = o->gaps[a] + refused;
		for (size_t i = 1; i <= m->n; i++) {
			o->stat.delivered += m->delivered[i];
			missing += m->delivered[i] == 0;
			excused += m->delivered[i] == 0 && m->fate[i] == SAMPLE_EXCUSED;
		}
		o->stat.produced += m->n;
		o->stat.gaps += o->gaps[a];
		o->stat.excused += excused;
		if (o->purged <= 1 && (told > missing + doubted || told + excused < missing))
			world_fail(o->world,
			    "agent %d: %zu made, %" PRIu64 " missing, but %" PRIu64
			    " told by gaps, %" PRIu64 " refused, %" PRIu64
			    " were in the memory of a killed process",
			    a, m->n, missing, o->gaps[a], refused, excused);
	}
}

void
oracle_scan(struct oracle *o, struct disk *disk, bool final)
{
	struct journal_recovery rec;
	struct journal_reader *rd;
	struct journal_record r;
	uint64_t next = 0;
	int e;

	begin_scan(o);
	journal_reader_open(&rd, disk, 1);
	while ((e = journal_reader_next(rd, &r)) == 1) {
		if (next == 0 && r.seq > o->purged)
			world_fail(o->world, "the journal begins with record %" PRIu64, r.seq);
		next = r.seq + 1;
		compare_seen(o, &r, false);
		if (r.type == JREC_BATCH)
			take_batch(o, &r);
		else if (r.type == JREC_REFUSED)
			take_refused(o, &r);
	}
	if (e != 0)
		world_fail(o->world, "the journal cannot be read: %s", journal_reader_detail(rd));
	if (next < o->seen_next && o->seen_next > 1)
		world_fail(o->world,
		    "the journal ends before record %" PRIu64 ", which a reader has seen",
		    o->seen_next - 1);
	journal_reader_close(rd);
	if (journal_verify(disk, &rec) != 0)
		world_fail(o->world, "the journal does not verify: %s", rec.detail);
	check_promises(o);
	if (final)
		check_sums(o);
}

void
oracle_stat(const struct oracle *o, struct oracle_stat *st)
{
	*st = o->stat;
}
