/*
 * admit_table.h - the tables behind admit.h, shared by admit.c (judging) and
 * admit_state.c (saving and restoring).  Nobody else includes this.
 */
#pragma once

#include "collector/admit.h"
#include "collector/table.h"

struct admit_link {
	char id[ID_MAX + 1];
	int64_t until_ns;		/* INT64_MAX: in the plan that holds */
};

struct admit_numbering {
	uint8_t boot[BOOT_ID_LEN];
	uint64_t taken, durable;
	uint64_t used;			/* admit.tick of the last use */
	uint64_t hash[ADMIT_HASHES];	/* of seq, at seq % ADMIT_HASHES; 0: not known */
};

struct admit_agent {
	char id[ID_MAX + 1];
	bool current;			/* in the plan that holds */
	struct table links;		/* struct admit_link */
	struct admit_numbering *boot[ADMIT_BOOTS];
	size_t boots;
};

struct admit {
	struct admit_limits limits;
	struct table agents;		/* struct admit_agent */
	uint64_t tick;
	struct batch_space *space;	/* owned: of the batch that is being judged */
	struct evp_md_st *sha256;	/* owned, as is its context: fetched once */
	struct evp_md_ctx_st *digest;
};

/* The entry of an agent, made if it is new. */
struct admit_agent *admit_agent_of(struct admit *, const char *agent);
struct admit_link *admit_link_of(struct admit_agent *, const char *link);
struct admit_numbering *admit_numbering_find(const struct admit *, const char *agent,
    const uint8_t boot[BOOT_ID_LEN]);
/* Made if it is new; the one unused for longest goes for it. */
struct admit_numbering *admit_numbering_of(struct admit *, const char *agent,
    const uint8_t boot[BOOT_ID_LEN]);
uint64_t admit_hash(const struct admit *, const uint8_t *bytes, size_t len);
/* Reads boot id and number off the front of a packed Batch without unpacking it. */
bool admit_peek(const uint8_t *p, size_t n, uint8_t boot[BOOT_ID_LEN], uint64_t *seq);
/* Forgets everything. */
void admit_clear(struct admit *);
