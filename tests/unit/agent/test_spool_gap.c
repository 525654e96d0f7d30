/*
 * test_spool_gap.c - the account of what the spool has lost.
 */
#include <errno.h>

#include "agent/spool_gap.h"
#include "common/mem.h"
#include "common/model.h"
#include "tests/unit/agent/suite.h"

static const uint8_t boot[BOOT_ID_LEN] = "0123456789abcde";

static void
add(struct gaps *g, enum gap_reason reason, uint64_t count, int64_t from, int64_t to, uint64_t seq)
{
	gaps_add(g, reason, &(struct gap){ .any = true, .count = count, .from_ns = from,
	    .to_ns = to, .first_seq = seq, .last_seq = seq });
}

/* A packed batch of two steps of 1 s that begin at base and 2 s later. */
static void
batch(uint64_t seq, int64_t base, uint8_t **out, size_t *len)
{
	Linkwatch__Pb__Batch b = LINKWATCH__PB__BATCH__INIT;
	uint32_t sent[] = { 5, 5 }, step[] = { 1000, 1000 };
	int64_t dt[] = { 0, 2000000 };

	b.seq = seq;
	b.base_ns = base;
	b.n_sent = b.n_step_ms = b.n_dt_us = 2;
	b.sent = sent;
	b.step_ms = step;
	b.dt_us = dt;
	*len = linkwatch__pb__batch__get_packed_size(&b);
	*out = xmalloc(*len);
	linkwatch__pb__batch__pack(&b, *out);
}

START_TEST(test_each_reason_has_its_own)
{
	struct gaps g = { 0 };

	ck_assert(!gaps_any(&g));
	gaps_add(&g, GAP_DISK, &(struct gap){ .count = 7 });	/* nothing was lost */
	ck_assert(!gaps_any(&g));
	add(&g, GAP_DISK, 3, 100, 200, 0);
	add(&g, GAP_SPOOL_FULL, 2, 50, 60, 9);
	ck_assert(gaps_any(&g));
	add(&g, GAP_SPOOL_FULL, 4, 10, 55, 4);
	add(&g, GAP_SPOOL_FULL, 1, 58, 90, 0);			/* never had a number */
	ck_assert_uint_eq(g.gap[GAP_DISK].count, 3);
	ck_assert_uint_eq(g.gap[GAP_DISK].first_seq, 0);
	ck_assert_uint_eq(g.gap[GAP_SPOOL_FULL].count, 7);
	ck_assert_int_eq(g.gap[GAP_SPOOL_FULL].from_ns, 10);
	ck_assert_int_eq(g.gap[GAP_SPOOL_FULL].to_ns, 90);
	ck_assert_uint_eq(g.gap[GAP_SPOOL_FULL].first_seq, 4);
	ck_assert_uint_eq(g.gap[GAP_SPOOL_FULL].last_seq, 9);
	ck_assert(!g.gap[GAP_DAMAGED].any);
}
END_TEST

START_TEST(test_a_batch_is_counted)
{
	struct gaps again = { 0 };
	struct gap lost = { 0 };
	uint8_t *p;
	size_t n;

	batch(12, 1000, &p, &n);
	ck_assert_int_eq(gap_count_batch(&lost, &again, p, n, true), 0);
	ck_assert_uint_eq(lost.count, 2);
	ck_assert_int_eq(lost.from_ns, 1000);
	ck_assert_int_eq(lost.to_ns, 1000 + INT64_C(3000000000));
	ck_assert_uint_eq(lost.first_seq, 12);
	ck_assert_uint_eq(lost.last_seq, 12);
	ck_assert(!gaps_any(&again));

	lost = (struct gap){ 0 };
	ck_assert_int_eq(gap_count_batch(&lost, &again, p, n, false), 0);
	ck_assert_uint_eq(lost.count, 2);
	ck_assert_uint_eq(lost.first_seq, 0);
	ck_assert_int_eq(gap_count_batch(&lost, &again, p, n - 1, false), -EBADMSG);
	ck_assert_int_eq(gap_count_batch(&lost, &again, "\xff\xff\xff", 3, false), -EBADMSG);
	free(p);
}
END_TEST

/* A lost batch that told of a loss: its number and that older loss are both kept. */
START_TEST(test_what_a_lost_batch_told_is_told_again)
{
	struct gaps g = { 0 }, again = { 0 };
	struct gap lost = { 0 };
	uint8_t *p;
	size_t n;

	add(&g, GAP_DISK, 3, 100, 200, 7);
	add(&g, GAP_DAMAGED, 0, 5, 6, 8);
	ck_assert(gaps_tell(&g));
	gaps_pack(&g, boot, 9, &p, &n);
	ck_assert_int_eq(gap_count_batch(&lost, &again, p, n, true), 0);
	ck_assert(lost.any);
	ck_assert_uint_eq(lost.count, 0);
	ck_assert_uint_eq(lost.first_seq, 9);
	ck_assert_uint_eq(again.gap[GAP_DISK].count, 3);
	ck_assert_int_eq(again.gap[GAP_DISK].to_ns, 200);
	ck_assert_uint_eq(again.gap[GAP_DISK].first_seq, 7);
	ck_assert_uint_eq(again.gap[GAP_DAMAGED].first_seq, 8);
	ck_assert(!again.gap[GAP_SPOOL_FULL].any);
	free(p);
}
END_TEST

/* Told is forgotten, but not what was lost meanwhile; not told comes back. */
START_TEST(test_told_and_not_told)
{
	struct gaps g = { 0 };
	uint8_t *p;
	size_t n;

	ck_assert(!gaps_tell(&g));
	add(&g, GAP_DISK, 3, 100, 200, 0);
	ck_assert(gaps_tell(&g));
	ck_assert(gaps_are_being_told(&g));
	gaps_pack(&g, boot, 1, &p, &n);
	add(&g, GAP_DISK, 1, 300, 400, 0);
	ck_assert(!gaps_tell(&g));		/* one at a time */
	ck_assert(!gaps_are_told_by(&g, "\xff\xff", 2));
	ck_assert(gaps_are_told_by(&g, p, n));
	gaps_resolve(&g, false);
	ck_assert(!gaps_are_being_told(&g));
	ck_assert(!gaps_are_told_by(&g, p, n));
	ck_assert_uint_eq(g.gap[GAP_DISK].count, 4);
	ck_assert_int_eq(g.gap[GAP_DISK].from_ns, 100);
	free(p);

	ck_assert(gaps_tell(&g));
	gaps_pack(&g, boot, 2, &p, &n);
	add(&g, GAP_DISK, 5, 500, 600, 0);
	ck_assert(gaps_are_told_by(&g, p, n));
	gaps_resolve(&g, true);
	ck_assert_uint_eq(g.gap[GAP_DISK].count, 5);
	ck_assert_int_eq(g.gap[GAP_DISK].from_ns, 500);
	free(p);
}
END_TEST

int
main(void)
{
	return run_suite("spool_gap", (const TTest *const[]){ test_each_reason_has_its_own,
	    test_a_batch_is_counted, test_what_a_lost_batch_told_is_told_again,
	    test_told_and_not_told, NULL });
}
