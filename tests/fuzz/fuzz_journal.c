/*
 * fuzz_journal.c - a journal's files as a stranger or a broken disk left them.
 *
 * Byte 0: 0 - byte 1 is the length of the tip, then the tip, then the segment
 * as they stand.  1 - the rest is a list of records (type, data length, seq
 * step, durable step, flip), whose checksums and hashes are made to fit, so
 * that the fuzzer gets behind them.
 *
 * Whatever stands there: opening refuses it or makes it sound.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/journal.h"
#include "common/journal_format.h"
#include "tests/sim/sim_disk.h"

#define SEGMENT "00000000000000000001.seg"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Records from five bytes each; returns the length of the segment. */
static size_t
craft(const uint8_t *d, size_t size, uint8_t *out, size_t max)
{
	struct journal_chain *chain = journal_chain_new();
	struct segment_header sh = { .first_seq = 1 };
	uint8_t hash[JOURNAL_HASH_LEN] = { 0 }, payload[256];
	uint64_t seq = 0;
	size_t at = SEGMENT_HEADER;

	memset(payload, 'p', sizeof payload);
	journal_segment_encode(out, &sh);
	for (; size >= 5 && at + RECORD_HEADER + 256 < max; size -= 5, d += 5) {
		struct record_header h = { .type = d[0], .len = d[1] };
		uint64_t durable;

		seq += (uint64_t)(int64_t)(int8_t)d[2];
		durable = seq - d[3] % 8;
		h.seq = seq;
		h.durable = durable;
		journal_chain_hash(chain, hash, &h, payload, h.hash);
		memcpy(hash, h.hash, sizeof hash);
		journal_record_encode(out + at, &h, payload, sh.seed);
		memcpy(out + at + RECORD_HEADER, payload, h.len);
		if ((d[4] & 0x80) != 0)
			out[at + (d[4] & 0x7f) % (RECORD_HEADER + h.len)] ^= 1;
		at += RECORD_HEADER + h.len;
	}
	journal_chain_free(chain);
	return at;
}

static uint64_t
read_all(struct disk *disk, uint64_t from)
{
	struct journal_reader *r;
	struct journal_record rec;
	uint64_t n = 0, sum = 0;

	assert(journal_reader_open(&r, disk, from) == 0);
	while (journal_reader_next(r, &rec) == 1) {
		assert(rec.seq == from + n && rec.len <= JOURNAL_RECORD_MAX);
		for (size_t i = 0; i < rec.len; i++)
			sum += ((const uint8_t *)rec.data)[i];
		n++;
	}
	journal_reader_close(r);
	return n + (sum & 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sim_platter *p;
	struct disk *disk;
	struct journal *j;
	struct journal_recovery rec;
	static uint8_t segment[65536];
	size_t tip;

	if (size < 2)
		return 0;
	p = sim_platter_new(1);
	if (data[0] % 2 == 0) {
		tip = data[1] < size - 2 ? data[1] : size - 2;
		if (tip > 0)
			sim_platter_put(p, "tip", data + 2, tip);
		sim_platter_put(p, SEGMENT, data + 2 + tip, size - 2 - tip);
	} else {
		sim_platter_put(
		    p, SEGMENT, segment, craft(data + 1, size - 1, segment, sizeof segment));
	}
	disk = sim_disk_view(p);
	read_all(disk, 1);
	(void)journal_verify(disk, &rec);
	if (journal_open(&j, disk, NULL, &rec) == 0) {
		uint64_t first = rec.first_seq, next = rec.next_seq;

		assert(read_all(disk, first) == next - first);
		assert(journal_append(j, 1, (struct wall){ 1 }, "x", 1, NULL) == 0);
		assert(journal_sync(j) == 0);
		assert(read_all(disk, first) == next + 1 - first);
		journal_close(j);
		assert(journal_verify(disk, &rec) == 0);
		assert(rec.first_seq == first && rec.next_seq == next + 1 && rec.torn_bytes == 0);
	} else {
		assert(rec.detail[0] != '\0');
	}
	disk->ops->close(disk);
	sim_platter_free(p);
	return 0;
}
