/*
 * test_feed.c - alertd at the collector: the feed, its window, what retention
 * took, and the wish to reload.
 */
#include "tests/unit/collector/hubtest.h"

static void
feed_from(struct test_conn *c, uint64_t from, uint32_t window)
{
	Linkwatch__Pb__FeedStart m = LINKWATCH__PB__FEED_START__INIT;

	m.from_seq = from;
	m.window = window;
	say(c, FRAME_FEED_START, &m.base);
}

static void
feed_acked(struct test_conn *c, uint64_t seq)
{
	Linkwatch__Pb__FeedAck m = LINKWATCH__PB__FEED_ACK__INIT;

	m.seq = seq;
	say(c, FRAME_FEED_ACK, &m.base);
}

static Linkwatch__Pb__FeedRecord *
expect_record(struct test_conn *c)
{
	struct sent *s = EXPECT(c, FRAME_FEED_RECORD);

	return linkwatch__pb__feed_record__unpack(NULL, s->n, s->p);
}

START_TEST(the_feed_tells_all_within_its_window)
{
	struct test_conn *a = agent("a1", 1, 1, 99), *c = alertd();
	Linkwatch__Pb__FeedRecord *r;
	uint64_t last = 0;

	hub_commit(hub);
	feed_from(c, 0, 3);
	for (int i = 0; i < 3; i++) {		/* start, plan, session */
		r = expect_record(c);
		ck_assert_uint_eq(r->seq, last + 1);
		last = r->seq;
		linkwatch__pb__feed_record__free_unpacked(r, NULL);
	}
	batch(a, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	ck_assert_ptr_null(test_next(c));	/* the window is full */
	feed_acked(c, 1);
	r = expect_record(c);
	ck_assert_uint_eq(r->type, JREC_BATCH);
	linkwatch__pb__feed_record__free_unpacked(r, NULL);
	ck_assert_ptr_null(test_next(c));
	feed_acked(c, 4);
	/* It wakes with the next commit. */
	batch(a, &(struct test_batch){ .boot = 1, .seq = 2 });
	hub_commit(hub);
	r = expect_record(c);
	ck_assert_uint_eq(r->seq, 5);
	linkwatch__pb__feed_record__free_unpacked(r, NULL);
	/* An ack for what was never sent. */
	feed_acked(c, 6);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_ORDER);
}
END_TEST

START_TEST(the_feed_goes_on_where_it_was)
{
	struct test_conn *c = alertd();
	Linkwatch__Pb__FeedRecord *r;

	hub_commit(hub);
	feed_from(c, 2, 0);
	r = expect_record(c);
	ck_assert_uint_eq(r->seq, 2);
	ck_assert_uint_eq(r->lost_before, 0);
	linkwatch__pb__feed_record__free_unpacked(r, NULL);
	c = alertd();
	feed_from(c, 3, 0);			/* the next that will be written */
	ck_assert_ptr_null(test_next(c));
	ck_assert(!c->is_closed);
	c = alertd();
	feed_from(c, 4, 0);			/* of another journal */
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_ORDER);
	ck_assert(c->is_closed);
}
END_TEST

/* An alertd of protocol 1 is told plain columns, a newer one what the journal holds. */
START_TEST(an_older_reader_gets_plain_batches)
{
	struct test_conn *a = agent("a1", 1, 1, 99);

	batch(a, &(struct test_batch){ .boot = 1, .seq = 1, .samples = 30 });
	hub_commit(hub);
	for (uint32_t version = PROTOCOL_MIN; version <= PROTOCOL_MAX; version++) {
		struct test_conn *c = connect_as(ROLE_ALERTD, "main");
		Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;
		Linkwatch__Pb__FeedRecord *r;
		Linkwatch__Pb__StoredBatch *sb;
		Linkwatch__Pb__Batch *b;

		m.version_min = PROTOCOL_MIN;
		m.version_max = version;
		say(c, FRAME_HELLO, &m.base);
		EXPECT(c, FRAME_WELCOME);
		feed_from(c, 4, 0);
		r = expect_record(c);
		ck_assert_uint_eq(r->type, JREC_BATCH);
		sb = linkwatch__pb__stored_batch__unpack(NULL, r->payload.len, r->payload.data);
		b = linkwatch__pb__batch__unpack(NULL, sb->batch.len, sb->batch.data);
		ck_assert_str_eq(sb->agent, "a1");
		ck_assert_uint_eq(b->n_sent, version < PROTOCOL_SHORT ? 30 : 0);
		linkwatch__pb__batch__free_unpacked(b, NULL);
		b = batch_unpack(sb->batch.data, sb->batch.len);
		ck_assert_uint_eq(b->n_sent, 30);
		linkwatch__pb__batch__free_unpacked(b, NULL);
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
		linkwatch__pb__feed_record__free_unpacked(r, NULL);
	}
}
END_TEST

START_TEST(what_retention_took_is_told)
{
	struct test_conn *a, *c;
	Linkwatch__Pb__FeedRecord *r;
	struct journal_stat st;

	hub_close(hub, false);
	opts.segment_bytes = 1024;
	open_hub();
	a = agent("a1", 1, 1, 99);
	for (uint64_t i = 1; i <= 60; i++) {
		batch(a, &(struct test_batch){ .boot = 1, .seq = i });
		hub_commit(hub);
	}
	ck_assert_int_eq(hub_retain(hub, 3000, INT64_C(1) << 60, 0), 0);
	journal_stat(hub_journal(hub), &st);
	ck_assert_uint_gt(st.first_seq, 10);
	c = alertd();
	feed_from(c, 3, 0);
	r = expect_record(c);
	ck_assert_uint_eq(r->seq, st.first_seq);
	ck_assert_uint_eq(r->lost_before, st.first_seq - 3);
	linkwatch__pb__feed_record__free_unpacked(r, NULL);
	/* The plan still stands behind the first record. */
	ck_assert_uint_ge(count_records(JREC_PLAN), 1);
	/* And the numbers are still known, although their records are gone. */
	crash();
	a = connect_as(ROLE_AGENT, "a1");
	hello(a, 1, 1, 99);
	ck_assert_uint_eq(expect_welcome(a), 60);
}
END_TEST

START_TEST(a_reader_holds_retention_back_for_a_while)
{
	struct test_conn *a;
	struct journal_stat st;

	hub_close(hub, false);
	opts.segment_bytes = 1024;
	open_hub();
	ck_assert_int_eq(journal_cursor_save(disk, "store", 1), 0);
	a = agent("a1", 1, 1, 99);
	for (uint64_t i = 1; i <= 60; i++) {
		batch(a, &(struct test_batch){ .boot = 1, .seq = i });
		hub_commit(hub);
	}
	ck_assert_int_eq(hub_retain(hub, 3000, INT64_C(1) << 60, 1 << 20), 0);
	journal_stat(hub_journal(hub), &st);
	ck_assert_uint_eq(st.first_seq, 1);
	ck_assert_int_eq(hub_retain(hub, 3000, INT64_C(1) << 60, 1000), 0);
	journal_stat(hub_journal(hub), &st);
	ck_assert_uint_gt(st.first_seq, 10);
}
END_TEST

START_TEST(a_record_longer_than_a_frame_spans_several)
{
	size_t cap = 300 * 1024, at;
	char *text = xmalloc(cap + 4096);
	struct test_conn *c;
	Linkwatch__Pb__FeedRecord *r;
	Linkwatch__Pb__Plan *big, *got;
	uint8_t *all = NULL;
	size_t n = 0;
	bool more;

	/* Many agents, so that each part stays small. */
	at = (size_t)snprintf(text, cap, "vendors:\n  - {id: va, code: A云, code_en: A, name: 甲, name_en: A}\nagents:\n");
	for (int i = 0; i < 1200; i++)
		at += (size_t)snprintf(text + at, cap - at,
		    "  - {id: agent-number-%d-of-many-in-this-plan, vendor: va, zone: z}\n", i);
	at += (size_t)snprintf(text + at, cap - at, "links:\n");
	for (int i = 0; i < 1200; i++)
		at += (size_t)snprintf(text + at, cap - at, "  - {id: l, agent: agent-number-%d-of-many-in-this-plan, "
		    "probe: icmp, target: 192.0.2.1, class: A}\n", i);
	big = test_plan(text);
	ck_assert_int_eq(hub_plan(hub, big), 0);
	hub_commit(hub);
	c = alertd();
	feed_from(c, 3, 0);
	do {
		r = expect_record(c);
		ck_assert_uint_eq(r->seq, 3);
		all = xreallocarray(all, n + r->payload.len, 1);
		memcpy(all + n, r->payload.data, r->payload.len);
		n += r->payload.len;
		more = r->more;
		linkwatch__pb__feed_record__free_unpacked(r, NULL);
	} while (more);
	got = linkwatch__pb__plan__unpack(NULL, n, all);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(got->n_link, 1200);
	ck_assert_uint_gt(n, FRAME_MAX);
	linkwatch__pb__plan__free_unpacked(got, NULL);
	free(all);
	links_free(big);
	free(text);
}
END_TEST

START_TEST(reload_is_answered)
{
	struct test_conn *c = alertd();
	Linkwatch__Pb__ReloadRequest m = LINKWATCH__PB__RELOAD_REQUEST__INIT;
	Linkwatch__Pb__ReloadResult *res;
	struct sent *s;

	m.id = 17;
	for (int i = 0; i < 2; i++) {
		reload_result = i == 0 ? 0 : -EINVAL;
		say(c, FRAME_RELOAD, &m.base);
		s = EXPECT(c, FRAME_RELOAD_RESULT);
		res = linkwatch__pb__reload_result__unpack(NULL, s->n, s->p);
		ck_assert_uint_eq(res->id, 17);
		ck_assert(res->ok == (i == 0));
		ck_assert_str_eq(res->errors, i == 0 ? "" : "links.yaml:1:1: bad\n");
		linkwatch__pb__reload_result__free_unpacked(res, NULL);
	}
	ck_assert_int_eq(reloads, 2);
}
END_TEST

#define ADD(name) tcase_add_test(t, name)

int
main(void)
{
	Suite *s = suite_create("feed");
	TCase *t = tcase_create("feed");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	ADD(the_feed_tells_all_within_its_window);
	ADD(the_feed_goes_on_where_it_was);
	ADD(an_older_reader_gets_plain_batches);
	ADD(what_retention_took_is_told);
	ADD(a_reader_holds_retention_back_for_a_while);
	ADD(a_record_longer_than_a_frame_spans_several);
	ADD(reload_is_answered);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
