/*
 * journal_format.c - the bytes of a journal.  All numbers are little endian.
 * linkwatch-journal(5) says the same to others, and a test holds it to its word.
 *
 * A journal is a directory:
 *   00000000000000000001.seg   a segment; the name is the number of its first record
 *   tip                        what is published
 *   lock                       locked by the writer
 *   cursor.NAME                a reader's own place (journal_cursor.c)
 *
 * A segment is its header and then records without anything between them:
 *   byte 0..7    "LWJRNL01"
 *   byte 8..15   number of the first record
 *   byte 16..47  SHA-256 of the record before it; zero when there was none.  So the chain can be
 *                followed from any segment on, also when older ones were purged.
 *   byte 48..55  wall clock of the first record, ns since 1970
 *   byte 56..59  zero
 *   byte 60..63  CRC32C of byte 0..59; it also starts ("seeds") every CRC in this segment.  A
 *                sender that puts bytes looking like a record into its data cannot know it.
 *
 * A record:
 *   byte 0..3    "LWRC"
 *   byte 4..7    CRC32C of byte 8..75: the length is good before anybody follows it
 *   byte 8..11   length of the data, at most JOURNAL_RECORD_MAX
 *   byte 12..13  type
 *   byte 14..15  zero
 *   byte 16..23  number
 *   byte 24..31  wall clock, ns since 1970
 *   byte 32..39  durable: all records below this number were synced before this one was written.
 *                The first of the records that one sync makes durable has its own number here.
 *   byte 40..71  SHA-256 of (hash of the record before, byte 8..39, data)
 *   byte 72..75  CRC32C of the data
 *   byte 76..    data
 *
 * "durable" tells a torn tail from damage: when record n is bad and a good one behind it says that
 * n was durable when it was written, n was damaged later.  If none says so, n belongs to the last
 * records, which were never synced, in whatever order the disk took them.
 *
 * tip (rewritten in place, never synced: after a power cut it may be old, never ahead):
 *   byte 0..7    "LWTIP001"
 *   byte 8..15   number of the first record that is not published
 *   byte 16..23  name of the segment in which what is published ends; 0: nothing is
 *   byte 24..31  where it ends there
 *   byte 32..35  zero
 *   byte 36..39  CRC32C of byte 0..35
 */
#include "common/journal_format.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/crc32c.h"
#include "common/mem.h"

#define RECORD_FIXED 32			/* byte 8..39 */

static const char segment_magic[8] = "LWJRNL01";
static const char record_magic[4] = "LWRC";
static const char tip_magic[8] = "LWTIP001";

static void
put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof v);
}

static void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static void
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static uint16_t
get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return le16toh(v);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

void
journal_segment_name(char name[SEGMENT_NAME_LEN + 1], uint64_t first_seq)
{
	snprintf(name, SEGMENT_NAME_LEN + 1, "%020" PRIu64 ".seg", first_seq);
}

bool
journal_segment_name_parse(const char *name, uint64_t *first_seq)
{
	uint64_t v = 0;

	if (strlen(name) != SEGMENT_NAME_LEN || strcmp(name + 20, ".seg") != 0)
		return false;
	for (int i = 0; i < 20; i++)
		if (name[i] < '0' || name[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(name[i] - '0'), &v))
			return false;
	*first_seq = v;
	return v > 0;
}

void
journal_segment_encode(uint8_t p[SEGMENT_HEADER], struct segment_header *h)
{
	memset(p, 0, SEGMENT_HEADER);
	memcpy(p, segment_magic, sizeof segment_magic);
	put64(p + 8, h->first_seq);
	memcpy(p + 16, h->prev_hash, sizeof h->prev_hash);
	put64(p + 48, (uint64_t)h->wall_ns);
	h->seed = crc32c(0, p, 60);
	put32(p + 60, h->seed);
}

int
journal_segment_decode(const uint8_t *p, size_t n, struct segment_header *h)
{
	memset(h, 0, sizeof *h);
	if (n < SEGMENT_HEADER || memcmp(p, segment_magic, sizeof segment_magic) != 0)
		return -EBADMSG;
	h->first_seq = get64(p + 8);
	memcpy(h->prev_hash, p + 16, sizeof h->prev_hash);
	h->wall_ns = (int64_t)get64(p + 48);
	h->seed = get32(p + 60);
	if (h->seed != crc32c(0, p, 60) || h->first_seq == 0)
		return -EBADMSG;
	return 0;
}

static void
put_fixed(uint8_t p[RECORD_FIXED], const struct record_header *h)
{
	put32(p, h->len);
	put16(p + 4, h->type);
	put16(p + 6, 0);
	put64(p + 8, h->seq);
	put64(p + 16, (uint64_t)h->wall_ns);
	put64(p + 24, h->durable);
}

void
journal_record_encode(uint8_t p[RECORD_HEADER], const struct record_header *h, const void *data,
    uint32_t seed)
{
	memcpy(p, record_magic, sizeof record_magic);
	put_fixed(p + 8, h);
	memcpy(p + 40, h->hash, sizeof h->hash);
	put32(p + 72, crc32c(seed, data, h->len));
	put32(p + 4, crc32c(seed, p + 8, RECORD_HEADER - 8));
}

int
journal_record_decode_header(const uint8_t *p, uint32_t seed, struct record_header *h)
{
	memset(h, 0, sizeof *h);
	if (memcmp(p, record_magic, sizeof record_magic) != 0 ||
	    get32(p + 4) != crc32c(seed, p + 8, RECORD_HEADER - 8))
		return -EBADMSG;
	h->len = get32(p + 8);
	h->type = get16(p + 12);
	h->seq = get64(p + 16);
	h->wall_ns = (int64_t)get64(p + 24);
	h->durable = get64(p + 32);
	memcpy(h->hash, p + 40, sizeof h->hash);
	if (h->len > JOURNAL_RECORD_MAX || get16(p + 14) != 0 || h->seq == 0 || h->durable > h->seq)
		return -EBADMSG;
	return 0;
}

ssize_t
journal_record_decode(const uint8_t *p, size_t n, uint32_t seed, struct record_header *h)
{
	memset(h, 0, sizeof *h);
	if (n < RECORD_HEADER)
		return 0;
	if (journal_record_decode_header(p, seed, h) != 0)
		return -EBADMSG;
	if (n - RECORD_HEADER < h->len)
		return 0;
	if (get32(p + 72) != crc32c(seed, p + RECORD_HEADER, h->len))
		return -EBADMSG;
	return RECORD_HEADER + (ssize_t)h->len;
}

void
journal_tip_encode(uint8_t p[TIP_LEN], const struct journal_tip *t)
{
	memset(p, 0, TIP_LEN);
	memcpy(p, tip_magic, sizeof tip_magic);
	put64(p + 8, t->next_seq);
	put64(p + 16, t->segment);
	put64(p + 24, t->offset);
	put32(p + 36, crc32c(0, p, 36));
}

int
journal_tip_decode(const uint8_t *p, size_t n, struct journal_tip *t)
{
	memset(t, 0, sizeof *t);
	if (n < TIP_LEN || memcmp(p, tip_magic, sizeof tip_magic) != 0 ||
	    get32(p + 36) != crc32c(0, p, 36))
		return -EBADMSG;
	t->next_seq = get64(p + 8);
	t->segment = get64(p + 16);
	t->offset = get64(p + 24);
	return t->next_seq > 0 ? 0 : -EBADMSG;
}

struct journal_chain {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct journal_chain *
journal_chain_new(void)
{
	struct journal_chain *c = xcalloc(1, sizeof *c);

	c->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->ctx = EVP_MD_CTX_new();
	if (c->md == NULL || c->ctx == NULL || EVP_DigestInit_ex(c->ctx, c->md, NULL) != 1) {
		fputs("SHA-256 is not to be had\n", stderr);
		abort();
	}
	return c;
}

void
journal_chain_free(struct journal_chain *c)
{
	if (c == NULL)
		return;
	EVP_MD_CTX_free(c->ctx);
	EVP_MD_free(c->md);
	free(c);
}

void
journal_chain_hash(struct journal_chain *c, const uint8_t prev[JOURNAL_HASH_LEN],
    const struct record_header *h, const void *data, uint8_t out[JOURNAL_HASH_LEN])
{
	uint8_t fixed[RECORD_FIXED];

	put_fixed(fixed, h);
	if (EVP_DigestInit_ex(c->ctx, NULL, NULL) != 1 ||
	    EVP_DigestUpdate(c->ctx, prev, JOURNAL_HASH_LEN) != 1 ||
	    EVP_DigestUpdate(c->ctx, fixed, sizeof fixed) != 1 ||
	    EVP_DigestUpdate(c->ctx, data, h->len) != 1 ||
	    EVP_DigestFinal_ex(c->ctx, out, NULL) != 1) {
		fputs("SHA-256 failed\n", stderr);
		abort();
	}
}
