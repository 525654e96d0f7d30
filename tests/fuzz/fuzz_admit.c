/*
 * fuzz_admit.c - bytes of a batch at the collector's gate, and bytes of its
 * checkpoint.
 *
 * Byte 0 even: the rest is offered as batch after batch (u16 length, big
 * endian, each); what is taken must be sound, owned and in time.  Odd: the rest is a
 * checkpoint; with bit 1 its checksum is made to fit.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collector/admit.h"
#include "common/batch.h"
#include "common/crc32c.h"

#define NOW (INT64_C(1768000000) * NS_PER_S)
#define HOUR (3600 * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct admit *
gate(void)
{
	struct admit_limits l = { .past_ns = HOUR, .future_ns = HOUR };
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Link link = LINKWATCH__PB__LINK__INIT, *links[] = { &link };
	struct admit *a = admit_new(&l);

	link.agent = (char *)"a1";
	link.id = (char *)"gw";
	plan.n_link = 1;
	plan.link = links;
	admit_plan(a, &plan, (struct wall){ NOW });
	return a;
}

/* What was taken: is it what admit.h promises? */
static void
check_taken(const struct admit *a, const uint8_t *p, size_t n, const struct admit_result *r)
{
	Linkwatch__Pb__Batch *b = batch_unpack(p, n);
	struct batch_cursor c;
	struct sample s;
	char why[200];

	assert(b != NULL && batch_check(b, why, sizeof why) == 0);
	assert(b->seq == r->seq && b->n_sent == r->samples);
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &s)) {
		assert(admit_owns(a, "a1", s.link));
		assert(s.start_ns >= NOW - HOUR && s.start_ns <= NOW + HOUR);
	}
	linkwatch__pb__batch__free_unpacked(b, NULL);
}

static void
offer(struct admit *a, const uint8_t *p, size_t n)
{
	static const uint8_t boot[BOOT_ID_LEN] = { 1 };
	struct admit_result r, again;

	admit_batch(a, "a1", boot, 1, p, n, (struct wall){ NOW }, &r);
	switch (r.verdict) {
	case ADMIT_TAKE:
		check_taken(a, p, n, &r);
		admit_took(a, "a1", boot, r.seq, r.hash);
		admit_batch(a, "a1", boot, 1, p, n, (struct wall){ NOW }, &again);
		assert(again.verdict == ADMIT_REPEAT);
		break;
	case ADMIT_REPEAT:
		break;
	case ADMIT_REFUSE:
		assert(r.code != 0 && r.why[0] != '\0');
		assert(r.drop || r.end);
		assert(!r.drop || r.seq != 0);
		if (r.drop && !r.forked)
			admit_took(a, "a1", boot, r.seq, 0);
		break;
	}
}

static void
load(const uint8_t *p, size_t n, bool fit)
{
	struct admit_limits l = { .past_ns = HOUR, .future_ns = HOUR };
	struct admit *a = admit_new(&l), *b = admit_new(&l);
	uint8_t *copy = malloc(n + 1), *out;
	uint64_t next, again;
	uint32_t crc;
	size_t m;

	memcpy(copy, p, n);
	if (fit && n >= 4) {
		crc = crc32c(0, copy, n - 4);
		for (int i = 0; i < 4; i++)
			copy[n - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
	}
	/* What loads can be saved and loads again. */
	if (admit_load(a, copy, n, &next) == 0) {
		admit_save(a, next, &out, &m);
		assert(admit_load(b, out, m, &again) == 0 && again == next);
		free(out);
	} else {
		assert(!admit_knows(a, "a1"));
	}
	admit_free(a);
	admit_free(b);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct admit *a;

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		load(data + 1, size - 1, (data[0] & 2) != 0);
		return 0;
	}
	a = gate();
	data++, size--;
	while (size >= 2) {
		size_t n = (size_t)data[0] << 8 | data[1];

		data += 2, size -= 2;
		if (n > size)
			n = size;
		offer(a, data, n);
		data += n, size -= n;
	}
	admit_free(a);
	return 0;
}
