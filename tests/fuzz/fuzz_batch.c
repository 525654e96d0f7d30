/*
 * fuzz_batch.c - bytes of a batch: what batch_check() passes can be walked to
 * the end, built again and comes out the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_again(const Linkwatch__Pb__Batch *b, struct batch_builder *bb)
{
	struct batch_cursor x, y;
	struct sample s, t;
	Linkwatch__Pb__Batch *c;
	uint8_t *p, *plain;
	size_t n, m;
	char why[200];

	assert(batch_builder_finish(bb, b->boot_id.data, b->seq, &p, &n) == 0);
	assert(n <= BATCH_PACKED_MAX);
	assert(batch_to_plain(p, n, &plain, &m) == 0 && m <= BATCH_PACKED_MAX);
	free(plain);
	c = batch_unpack(p, n);
	assert(c != NULL && batch_check(c, why, sizeof why) == 0);
	batch_cursor_init(&x, b);
	batch_cursor_init(&y, c);
	while (batch_cursor_next(&x, &s)) {
		assert(batch_cursor_next(&y, &t));
		assert(strcmp(s.link, t.link) == 0 && s.start_ns == t.start_ns);
		assert(s.sent == t.sent && s.rtt_count == t.rtt_count && s.flags == t.flags);
		assert(s.causes == t.causes && s.values == t.values);
		for (uint32_t i = 0; i < s.rtt_count; i++)
			assert(s.rtt_100ns[i] == t.rtt_100ns[i]);
	}
	assert(!batch_cursor_next(&y, &t));
	linkwatch__pb__batch__free_unpacked(c, NULL);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Linkwatch__Pb__Batch *b = batch_unpack(data, size);
	struct batch_builder *bb;
	struct batch_cursor c;
	struct sample s;
	char why[200];
	uint64_t sum = 0;
	bool all = true;

	if (b == NULL)
		return 0;
	if (batch_check(b, why, sizeof why) != 0) {
		assert(why[0] != '\0');
		linkwatch__pb__batch__free_unpacked(b, NULL);
		return 0;
	}
	bb = batch_builder_new();
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &s)) {
		assert(s.rtt_count <= s.sent && s.sent <= SAMPLE_RTT_MAX);
		for (uint32_t i = 0; i < s.rtt_count; i++)
			sum += s.rtt_100ns[i];
		if (batch_builder_add(bb, &s) != 0)
			all = false;	/* a batch may be longer than we would build one */
	}
	assert(c.i == b->n_sent && c.rtt == b->n_rtt_100ns && c.cause == b->n_cause &&
	    c.value == b->n_value);
	if (all)
		same_again(b, bb);
	batch_builder_free(bb);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return (int)(sum & 0);
}
