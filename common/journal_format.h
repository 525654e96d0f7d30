/*
 * journal_format.h - the bytes of a journal (pure; journal_format.c opens
 * with the format).  Only the journal's own files and its fuzz target use it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/journal.h"

#define SEGMENT_HEADER 64
#define SEGMENT_NAME_LEN 24		/* "00000000000000000001.seg" */
#define RECORD_HEADER 76
#define TIP_LEN 40

struct segment_header {
	uint64_t first_seq;
	uint8_t prev_hash[JOURNAL_HASH_LEN];	/* of the record before the first; zero: none */
	int64_t wall_ns;			/* of the first record */
	uint32_t seed;				/* starts every CRC of this segment */
};

struct record_header {
	uint32_t len;
	uint16_t type;
	uint64_t seq;
	int64_t wall_ns;
	uint64_t durable;	/* every record below was synced before this one was written */
	uint8_t hash[JOURNAL_HASH_LEN];
};

struct journal_tip {
	uint64_t next_seq;	/* the first number that is not published */
	uint64_t segment;	/* first_seq of the segment where it ends; 0: none yet */
	uint64_t offset;	/* its end there */
};

void journal_segment_name(char name[SEGMENT_NAME_LEN + 1], uint64_t first_seq);
/* Is name that of a segment?  *first_seq gets its number. */
bool journal_segment_name_parse(const char *name, uint64_t *first_seq);

/* Sets h->seed too. */
void journal_segment_encode(uint8_t p[SEGMENT_HEADER], struct segment_header *h);
/* 0, or -EBADMSG. */
int journal_segment_decode(const uint8_t *p, size_t n, struct segment_header *h);

/* Writes the header of a record whose fields (hash too) stand in h. */
void journal_record_encode(uint8_t p[RECORD_HEADER], const struct record_header *h,
    const void *data, uint32_t seed);
/*
 * Looks at n bytes: >0: a sound record that takes so many; its data begin at
 * p + RECORD_HEADER.  0: it is longer than n.  -EBADMSG: no record.
 */
ssize_t journal_record_decode(const uint8_t *p, size_t n, uint32_t seed, struct record_header *h);
/* The header alone (n >= RECORD_HEADER), not yet its data: 0 or -EBADMSG. */
int journal_record_decode_header(const uint8_t *p, uint32_t seed, struct record_header *h);

void journal_tip_encode(uint8_t p[TIP_LEN], const struct journal_tip *t);
int journal_tip_decode(const uint8_t *p, size_t n, struct journal_tip *t);

/* SHA-256 over many records with one context. */
struct journal_chain;
struct journal_chain *journal_chain_new(void);
void journal_chain_free(struct journal_chain *);
/* out = SHA-256(prev, the fixed fields of h, data); out may be h->hash. */
void journal_chain_hash(struct journal_chain *, const uint8_t prev[JOURNAL_HASH_LEN],
    const struct record_header *h, const void *data, uint8_t out[JOURNAL_HASH_LEN]);
