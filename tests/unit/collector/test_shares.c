/*
 * test_shares.c - what one agent may take of the collector, and what may wait for its disk.
 */
#include "tests/unit/collector/hubtest.h"

static void
reopen(void)
{
	hub_close(hub, false);
	open_hub();
}

/* Over its quota an agent is not read; nothing is refused, and the others do not feel it. */
START_TEST(who_sends_too_much_is_read_no_faster)
{
	struct test_conn *a, *b;
	struct hub_stat st;
	uint64_t seq = 1, taken = 0;

	opts.window = 1024;
	opts.quota = (struct quota_limits){ .bytes = 1e6, .batches = 10, .samples = 1e6, .sessions = 60 };
	reopen();
	a = agent("a1", 1, 1, 1000);
	b = agent("a2", 1, 1, 2);
	/* A peer that sends whenever it is read, for ten seconds. */
	for (int s = 0; s < 10; s++) {
		for (int i = 0; i < 200 && !a->is_paused; i++, taken++)
			batch(a, &(struct test_batch){ .boot = 1, .seq = seq++ });
		ck_assert(a->is_paused);
		hub_stat(hub, &st);
		ck_assert_uint_eq(st.throttled, 1);
		tc.ns += NS_PER_S;
		hub_tick(hub);
		hub_commit(hub);
		ck_assert(!a->is_paused);
	}
	ck_assert_uint_ge(taken, 20 + 9 * 10);
	ck_assert_uint_le(taken, 30 + 9 * 10);
	ck_assert_uint_eq(count_records(JREC_BATCH), taken);
	ck_assert(!a->is_closed && !b->is_closed && !b->is_paused);
	batch(b, &(struct test_batch){ .boot = 1, .seq = 1 });
	ck_assert(!b->is_paused);
	/* A new session finds the bucket as empty as the old one left it. */
	while (!a->is_paused)
		batch(a, &(struct test_batch){ .boot = 1, .seq = seq++ });
	hub_commit(hub);
	a = agent("a1", 1, 1, 1000);
	batch(a, &(struct test_batch){ .boot = 1, .seq = seq++ });
	ck_assert(a->is_paused);
	/* Who has gone, and could begin anew by now, is forgotten. */
	tc.ns += 100 * NS_PER_S;
	hub_handler()->closed(hub, &a->conn, "gone");
	hub_tick(hub);
	a = agent("a1", 1, 1, 1000);
	ck_assert(!a->is_paused);
}
END_TEST

START_TEST(bytes_and_samples_are_counted_too)
{
	struct test_conn *a;

	opts.quota = (struct quota_limits){ .bytes = 100, .batches = 1e6, .samples = 1e6, .sessions = 60 };
	reopen();
	a = agent("a1", 1, 1, 1000);
	batch(a, &(struct test_batch){ .boot = 1, .seq = 1, .samples = 400 });
	ck_assert(a->is_paused);
	opts.quota = (struct quota_limits){ .bytes = 1e6, .batches = 1e6, .samples = 100, .sessions = 60 };
	reopen();
	a = agent("a1", 1, 1, 1000);
	batch(a, &(struct test_batch){ .boot = 1, .seq = 1, .samples = 150 });
	ck_assert(!a->is_paused);
	batch(a, &(struct test_batch){ .boot = 1, .seq = 2, .samples = 150 });
	ck_assert(a->is_paused);
}
END_TEST

START_TEST(too_many_sessions_and_connections)
{
	struct test_conn *c, *open[4];

	opts.quota = (struct quota_limits){ .bytes = 1e6, .batches = 1e6, .samples = 1e6, .sessions = 10 };
	reopen();
	for (int i = 0; i < 10; i++) {
		c = agent("a1", 1, 1, 1);
		hub_handler()->closed(hub, &c->conn, "gone");
	}
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 1);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_RATE);
	ck_assert(c->is_closed);
	agent("a2", 1, 1, 1);
	tc.ns += 7 * NS_PER_S;
	c = agent("a1", 1, 1, 1);
	/* And of connections that say nothing, however fast they come. */
	for (int i = 0; i < 4; i++)
		open[i] = connect_as(ROLE_AGENT, "a1");
	ck_assert(!c->is_closed && !open[0]->is_closed && !open[1]->is_closed);
	ck_assert_uint_eq(expect_refusal(open[2], NULL, NULL), REFUSE_RATE);
	ck_assert_uint_eq(expect_refusal(open[3], NULL, NULL), REFUSE_RATE);
	hub_handler()->closed(hub, &open[0]->conn, "gone");
	c = connect_as(ROLE_AGENT, "a1");
	ck_assert(!c->is_closed);
}
END_TEST

/* X07: what waits for the disk is bounded; the loop that waits for the disk reads nobody. */
START_TEST(what_waits_for_the_disk_is_bounded)
{
	struct test_conn *a, *b;
	struct hub_stat st;
	uint64_t most = 0;
	int syncs;

	opts.window = 1024;
	opts.pending_max = 20000;
	reopen();
	a = agent("a1", 1, 1, 1000);
	b = agent("a2", 1, 1, 1000);
	syncs = faulty.syncs;
	for (uint64_t i = 1; i <= 200; i++) {
		batch(a, &(struct test_batch){ .boot = 1, .seq = i, .samples = 50 });
		batch(b, &(struct test_batch){ .boot = 1, .seq = i, .samples = 50 });
		hub_stat(hub, &st);
		most = st.pending > most ? st.pending : most;
	}
	/* Nobody called hub_commit(): it did itself, as seldom as it could. */
	ck_assert_uint_ge(most, 20000);
	ck_assert_uint_lt(most, 20000 + 1000);
	ck_assert_int_ge(faulty.syncs - syncs, 2);
	ck_assert_int_le(faulty.syncs - syncs, 10);
	ck_assert_uint_ge(expect_ack(a), 10);
	ck_assert(!a->is_closed && !b->is_closed);
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_BATCH), 400);
	/* A full disk meanwhile: as ever. */
	faulty.fail = -ENOSPC;
	for (uint64_t i = 201; i <= 400 && !a->is_closed; i++)
		batch(a, &(struct test_batch){ .boot = 1, .seq = i, .samples = 50 });
	hub_stat(hub, &st);
	ck_assert(st.stalled);
	faulty.fail = 0;
}
END_TEST

#define ADD(name) tcase_add_test(t, name)

int
main(void)
{
	Suite *s = suite_create("shares");
	TCase *t = tcase_create("shares");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	ADD(who_sends_too_much_is_read_no_faster);
	ADD(bytes_and_samples_are_counted_too);
	ADD(too_many_sessions_and_connections);
	ADD(what_waits_for_the_disk_is_bounded);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
