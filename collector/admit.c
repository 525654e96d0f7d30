/*
 * admit.c - judging batches (pure; see admit.h).
 */
#include "collector/admit.h"

#include <openssl/evp.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/admit_table.h"
#include "common/batch.h"
#include "common/mem.h"

/* ------------------------------------------------------------- the tables */

struct admit *
admit_new(const struct admit_limits *limits)
{
	struct admit *a = xcalloc(1, sizeof *a);

	a->limits = *limits;
	a->space = batch_space_new();
	a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	a->digest = EVP_MD_CTX_new();
	if (a->sha256 == NULL || a->digest == NULL || EVP_DigestInit_ex(a->digest, a->sha256, NULL) != 1) {
		fputs("SHA-256 is not to be had\n", stderr);
		abort();
	}
	return a;
}

static void
agent_free(struct admit_agent *ag)
{
	struct admit_link *l;

	for (size_t i = 0; (l = table_next(&ag->links, &i)) != NULL;)
		free(l);
	table_fini(&ag->links);
	for (size_t i = 0; i < ag->boots; i++)
		free(ag->boot[i]);
	free(ag);
}

void
admit_clear(struct admit *a)
{
	struct admit_agent *ag;

	for (size_t i = 0; (ag = table_next(&a->agents, &i)) != NULL;)
		agent_free(ag);
	table_fini(&a->agents);
	a->tick = 0;
}

void
admit_free(struct admit *a)
{
	if (a == NULL)
		return;
	admit_clear(a);
	batch_space_free(a->space);
	EVP_MD_CTX_free(a->digest);
	EVP_MD_free(a->sha256);
	free(a);
}

struct admit_agent *
admit_agent_of(struct admit *a, const char *agent)
{
	struct admit_agent *ag = table_gets(&a->agents, agent);

	if (ag == NULL) {
		ag = xcalloc(1, sizeof *ag);
		snprintf(ag->id, sizeof ag->id, "%s", agent);
		table_puts(&a->agents, ag->id, ag);
	}
	return ag;
}

struct admit_link *
admit_link_of(struct admit_agent *ag, const char *link)
{
	struct admit_link *l = table_gets(&ag->links, link);

	if (l == NULL) {
		l = xcalloc(1, sizeof *l);
		snprintf(l->id, sizeof l->id, "%s", link);
		table_puts(&ag->links, l->id, l);
	}
	return l;
}

struct admit_numbering *
admit_numbering_find(const struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN])
{
	const struct admit_agent *ag = table_gets(&a->agents, agent);

	for (size_t i = 0; ag != NULL && i < ag->boots; i++)
		if (memcmp(ag->boot[i]->boot, boot, BOOT_ID_LEN) == 0)
			return ag->boot[i];
	return NULL;
}

struct admit_numbering *
admit_numbering_of(struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN])
{
	struct admit_numbering *nb = admit_numbering_find(a, agent, boot);
	struct admit_agent *ag;
	size_t at;

	if (nb == NULL) {
		ag = admit_agent_of(a, agent);
		if (ag->boots < ADMIT_BOOTS) {
			at = ag->boots++;
			ag->boot[at] = xmalloc(sizeof *nb);
		} else {
			at = 0;
			for (size_t i = 1; i < ADMIT_BOOTS; i++)
				if (ag->boot[i]->used < ag->boot[at]->used)
					at = i;
		}
		nb = ag->boot[at];
		memset(nb, 0, sizeof *nb);
		memcpy(nb->boot, boot, BOOT_ID_LEN);
	}
	nb->used = ++a->tick;
	return nb;
}

/* ------------------------------------------------------------------- plans */

/* What no plan names any more and no spool can still hold is forgotten. */
static void
forget_links(struct admit_agent *ag, struct wall now)
{
	bool again = true;

	while (again) {
		struct admit_link *l;

		again = false;
		for (size_t i = 0; (l = table_next(&ag->links, &i)) != NULL;)
			if (l->until_ns < now.ns) {
				free(table_dels(&ag->links, l->id));
				again = true;
				break;
			}
	}
}

void
admit_plan(struct admit *a, const Linkwatch__Pb__Plan *plan, struct wall now)
{
	int64_t until = now.ns > INT64_MAX - 1 - a->limits.past_ns ? INT64_MAX - 1 :
	    now.ns + a->limits.past_ns;
	struct admit_agent *ag;
	struct admit_link *l;

	for (size_t i = 0; (ag = table_next(&a->agents, &i)) != NULL;) {
		ag->current = false;
		for (size_t k = 0; (l = table_next(&ag->links, &k)) != NULL;)
			if (l->until_ns == INT64_MAX)
				l->until_ns = until;
	}
	for (size_t i = 0; i < plan->n_agent; i++)
		if (id_is_valid(plan->agent[i]->id))
			admit_agent_of(a, plan->agent[i]->id)->current = true;
	for (size_t i = 0; i < plan->n_link; i++) {
		const Linkwatch__Pb__Link *pl = plan->link[i];

		if (!id_is_valid(pl->agent) || !id_is_valid(pl->id))
			continue;
		ag = admit_agent_of(a, pl->agent);
		ag->current = true;
		admit_link_of(ag, pl->id)->until_ns = INT64_MAX;
	}
	for (size_t i = 0; (ag = table_next(&a->agents, &i)) != NULL;)
		forget_links(ag, now);
}

bool
admit_knows(const struct admit *a, const char *agent)
{
	const struct admit_agent *ag = table_gets(&a->agents, agent);

	return ag != NULL && ag->current;
}

bool
admit_owns(const struct admit *a, const char *agent, const char *link)
{
	const struct admit_agent *ag = table_gets(&a->agents, agent);

	return ag != NULL && table_gets(&ag->links, link) != NULL;
}

/* ----------------------------------------------------------------- numbers */

void
admit_took(struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN], uint64_t seq,
    uint64_t hash)
{
	struct admit_numbering *nb = admit_numbering_of(a, agent, boot);

	if (seq <= nb->taken)
		return;
	if (seq - nb->taken > ADMIT_HASHES)
		memset(nb->hash, 0, sizeof nb->hash);
	else
		for (uint64_t s = nb->taken + 1; s < seq; s++)
			nb->hash[s % ADMIT_HASHES] = 0;
	nb->taken = seq;
	nb->hash[seq % ADMIT_HASHES] = hash;
}

void
admit_committed(struct admit *a)
{
	struct admit_agent *ag;

	for (size_t i = 0; (ag = table_next(&a->agents, &i)) != NULL;)
		for (size_t k = 0; k < ag->boots; k++)
			ag->boot[k]->durable = ag->boot[k]->taken;
}

uint64_t
admit_durable(const struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN])
{
	const struct admit_numbering *nb = admit_numbering_find(a, agent, boot);

	return nb != NULL ? nb->durable : 0;
}

uint64_t
admit_hash(const struct admit *a, const uint8_t *bytes, size_t len)
{
	uint8_t md[EVP_MAX_MD_SIZE];
	uint64_t h;

	if (EVP_DigestInit_ex(a->digest, NULL, NULL) != 1 || EVP_DigestUpdate(a->digest, bytes, len) != 1 ||
	    EVP_DigestFinal_ex(a->digest, md, NULL) != 1) {
		fputs("SHA-256 failed\n", stderr);
		abort();
	}
	memcpy(&h, md, sizeof h);
	return h != 0 ? h : 1;
}

/* ----------------------------------------------------------------- judging */

/* One varint of at most 10 bytes; returns its length or 0. */
static size_t
varint(const uint8_t *p, size_t n, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < n && i < 10; i++) {
		*v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if ((p[i] & 0x80) == 0)
			return i + 1;
	}
	return 0;
}

bool
admit_peek(const uint8_t *p, size_t n, uint8_t boot[BOOT_ID_LEN], uint64_t *seq)
{
	/* Field 1, 16 bytes, then field 2: protobuf-c packs fields in their order. */
	if (n < 2 + BOOT_ID_LEN + 2 || p[0] != 0x0a || p[1] != BOOT_ID_LEN || p[2 + BOOT_ID_LEN] != 0x10)
		return false;
	memcpy(boot, p + 2, BOOT_ID_LEN);
	return varint(p + 3 + BOOT_ID_LEN, n - 3 - BOOT_ID_LEN, seq) != 0;
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct admit_result *r, uint32_t code, const char *fmt, ...)
{
	va_list ap;

	r->verdict = ADMIT_REFUSE;
	r->code = code;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof r->why, fmt, ap);
	va_end(ap);
}

/* Is every number of first..seq-1 named by HELLO or by a Gap of this batch? b may be NULL. */
static bool
is_explained(uint64_t first, uint64_t seq, uint64_t hello_first, const Linkwatch__Pb__Batch *b)
{
	uint64_t at = hello_first > first ? hello_first : first;
	bool moved = true;

	/* batch_check() comes later: what it would refuse must not cost a walk of all by all. */
	if (b != NULL && b->n_gap > BATCH_GAPS_MAX)
		b = NULL;
	while (at < seq && moved) {
		moved = false;
		for (size_t i = 0; b != NULL && i < b->n_gap && at < seq; i++) {
			const Linkwatch__Pb__Gap *g = b->gap[i];

			if (g->first_seq != 0 && g->first_seq <= at && g->last_seq >= at &&
			    g->last_seq < UINT64_MAX) {
				at = g->last_seq + 1;
				moved = true;
			}
		}
	}
	return at >= seq;
}

/* Sets the verdict on the number alone: TAKE if it may be taken. */
static void
judge_number(const struct admit_numbering *nb, uint64_t seq, uint64_t hello_first,
    const Linkwatch__Pb__Batch *b, struct admit_result *r)
{
	uint64_t taken = nb != NULL ? nb->taken : 0;

	r->verdict = ADMIT_TAKE;
	if (seq == 0 || seq > INT64_MAX) {
		refuse(r, REFUSE_ORDER, "batch number %llu", (unsigned long long)seq);
		r->end = true;
	} else if (seq <= taken) {
		uint64_t had = taken - seq < ADMIT_HASHES ? nb->hash[seq % ADMIT_HASHES] : 0;

		r->verdict = ADMIT_REPEAT;
		if (had != 0 && had != r->hash) {
			refuse(r, REFUSE_ORDER, "batch %llu came before with another content",
			    (unsigned long long)seq);
			r->forked = r->drop = true;
		}
	} else if (seq > taken + 1) {
		if (is_explained(taken + 1, seq, hello_first, b)) {
			r->missing_first = taken + 1;
			r->missing_last = seq - 1;
		} else {
			refuse(r, REFUSE_ORDER, "batch %llu after %llu, and nothing says why",
			    (unsigned long long)seq, (unsigned long long)taken);
			r->end = true;
		}
	}
}

/*
 * Was this very batch taken with plain columns, when its agent spoke to a collector of an older
 * protocol?  That collector stopped before it could acknowledge, and this one took its place.
 */
static bool
is_other_form(const struct admit *a, const struct admit_numbering *nb, uint64_t seq, const uint8_t *bytes,
    size_t len)
{
	uint8_t *plain;
	size_t n;
	bool same;

	if (batch_to_plain(bytes, len, &plain, &n) != 0)
		return false;
	same = admit_hash(a, plain, n) == nb->hash[seq % ADMIT_HASHES];
	free(plain);
	return same;
}

/* Ownership and times; the shape is sound. */
static void
judge_content(const struct admit *a, const char *agent, const Linkwatch__Pb__Batch *b,
    struct wall now, struct admit_result *r)
{
	struct batch_cursor c;
	struct sample s;

	for (size_t i = 0; i < b->n_link; i++)
		if (!admit_owns(a, agent, b->link[i])) {
			refuse(r, REFUSE_LINK, "link '%.63s' is not in the plan of this agent", b->link[i]);
			return;
		}
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &s)) {
		int64_t ahead;

		if (__builtin_sub_overflow(s.start_ns, now.ns, &ahead))
			ahead = s.start_ns < 0 ? -INT64_MAX : INT64_MAX;
		if (ahead > a->limits.future_ns) {
			refuse(r, REFUSE_TIME, "a sample of %.63s lies %lld s in the future", s.link,
			    (long long)(ahead / NS_PER_S));
			return;
		}
		if (ahead < -a->limits.past_ns) {
			refuse(r, REFUSE_TIME, "a sample of %.63s lies %lld s in the past", s.link,
			    (long long)(-ahead / NS_PER_S));
			return;
		}
	}
}

/* A batch that does not unpack: its number can still be read off the front, mostly. */
static void
judge_garbage(const struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN],
    uint64_t hello_first, const uint8_t *bytes, size_t len, struct admit_result *r)
{
	uint8_t front[BOOT_ID_LEN];

	if (!admit_peek(bytes, len, front, &r->seq) || memcmp(front, boot, BOOT_ID_LEN) != 0) {
		r->seq = 0;
		refuse(r, REFUSE_MALFORMED, "no batch: %zu bytes that do not decode", len);
		r->end = true;
		return;
	}
	judge_number(admit_numbering_find(a, agent, boot), r->seq, hello_first, NULL, r);
	if (r->verdict != ADMIT_TAKE)
		return;
	refuse(r, REFUSE_MALFORMED, "batch of %zu bytes that does not decode", len);
	r->drop = true;
}

static void
judge(const struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN],
    uint64_t hello_first, const Linkwatch__Pb__Batch *b, const uint8_t *bytes, size_t len,
    struct wall now, struct admit_result *r)
{
	const struct admit_numbering *nb;
	uint8_t front[BOOT_ID_LEN];
	uint64_t front_seq;
	int code;

	if (b->boot_id.len != BOOT_ID_LEN || memcmp(b->boot_id.data, boot, BOOT_ID_LEN) != 0) {
		refuse(r, REFUSE_STATE, "the boot id is not that of HELLO");
		r->end = true;
		return;
	}
	r->seq = b->seq;
	nb = admit_numbering_find(a, agent, boot);
	judge_number(nb, b->seq, hello_first, b, r);
	if (r->forked && is_other_form(a, nb, b->seq, bytes, len)) {
		r->verdict = ADMIT_REPEAT;
		r->forked = r->drop = false;
	}
	if (r->verdict != ADMIT_TAKE)
		return;
	if (!admit_peek(bytes, len, front, &front_seq) || front_seq != b->seq ||
	    memcmp(front, boot, BOOT_ID_LEN) != 0) {
		/* A replay reads the number off the front: it must find the same one. */
		refuse(r, REFUSE_MALFORMED, "a batch that does not begin with its boot id and number");
	} else if ((code = batch_check(b, r->why, sizeof r->why)) != 0) {
		r->verdict = ADMIT_REFUSE;
		r->code = (uint32_t)code;
	} else {
		judge_content(a, agent, b, now, r);
	}
	r->drop = r->verdict == ADMIT_REFUSE;
	r->samples = (uint32_t)b->n_sent;
}

void
admit_batch(const struct admit *a, const char *agent, const uint8_t boot[BOOT_ID_LEN],
    uint64_t first_seq, const uint8_t *bytes, size_t len, struct wall now, struct admit_result *r)
{
	Linkwatch__Pb__Batch *b = NULL;

	memset(r, 0, sizeof *r);
	r->hash = admit_hash(a, bytes, len);
	if (len <= ADMIT_BATCH_MAX)
		b = batch_unpack_into(a->space, bytes, len);
	if (b == NULL) {
		judge_garbage(a, agent, boot, first_seq, bytes, len, r);
		return;
	}
	judge(a, agent, boot, first_seq, b, bytes, len, now, r);
}
