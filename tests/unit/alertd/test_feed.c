/*
 * test_feed.c - the session with the collector against a scripted far side:
 * order, repeats, gaps, parts, refusals, garbage, deadlines.
 */
#include "alertd/feed.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/journal.h"

#define T0 (INT64_C(1768437067) * NS_PER_S)

/* --------------------------------------------------------------- the far side */

static struct far_side {
	struct conn conn;
	uint8_t type[64];		/* frames that the feed sent */
	uint8_t payload[64][512];
	size_t len[64], n;
	bool closed, paused;
} far;

static int
far_send(struct conn *c, uint8_t type, const void *p, size_t n)
{
	(void)c;
	ck_assert_uint_lt(far.n, 64);
	ck_assert_uint_lt(n, 512);
	far.type[far.n] = type;
	memcpy(far.payload[far.n], p, n);
	far.len[far.n++] = n;
	return 0;
}

static size_t
far_queued(const struct conn *c)
{
	(void)c;
	return 0;
}

static void
far_pause(struct conn *c, int on)
{
	(void)c;
	far.paused = on;
}

static void
far_close(struct conn *c)
{
	(void)c;
	far.closed = true;
}

static const char *
far_address(const struct conn *c)
{
	(void)c;
	return "far";
}

static const struct conn_ops far_ops = { far_send, far_queued, far_pause, far_close, far_address };

static struct { struct clock clock; int64_t mono, wall; } moving;

static struct mono
moving_mono(const struct clock *c)
{
	(void)c;
	return (struct mono){ moving.mono };
}

static struct wall
moving_wall(const struct clock *c)
{
	(void)c;
	return (struct wall){ moving.wall };
}

/* ------------------------------------------------------------------ the events */

static struct got {
	int samples, healths, sessions, plans, refused, collectors, stale, done, up, down;
	uint64_t last_done, lost, lost_at, reload_revision;
	bool reload_ok;
	char why[256], agent[64];
	int64_t sample_at[16];
} got;

static void
on_event(void *arg, struct event *ev)
{
	(void)arg;
	got.stale += ev->stale;
	ck_assert_uint_gt(ev->journal_seq, 0);
	snprintf(got.agent, sizeof(got.agent), "%s", ev->agent == NULL ? "" : ev->agent);
	switch (ev->type) {
	case EV_SAMPLE:
		ck_assert_int_lt(got.samples, 16);
		got.sample_at[got.samples++] = ev->sample->start_ns;
		break;
	case EV_HEALTH:
		got.healths++;
		break;
	case EV_SESSION:
		got.sessions++;
		break;
	case EV_PLAN:
		got.plans++;
		break;
	case EV_REFUSED:
		got.refused++;
		break;
	case EV_COLLECTOR:
		got.collectors++;
		break;
	default:
		ck_abort_msg("event %d", ev->type);
	}
}

static void
on_done(void *arg, uint64_t seq)
{
	(void)arg;
	ck_assert_uint_gt(seq, got.last_done);
	got.last_done = seq;
	got.done++;
}

static void
on_state(void *arg, bool up, const char *why)
{
	(void)arg;
	got.up += up;
	got.down += !up;
	snprintf(got.why, sizeof(got.why), "%s", why);
}

static void
on_lost(void *arg, uint64_t seq, uint64_t count)
{
	(void)arg;
	got.lost_at = seq;
	got.lost += count;
}

static void
on_reloaded(void *arg, uint64_t id, bool ok, uint64_t revision, const char *errors)
{
	(void)arg;
	ck_assert_uint_eq(id, 42);
	ck_assert_str_eq(errors, "");
	got.reload_ok = ok;
	got.reload_revision = revision;
}

static const struct feed_ops ops = { on_event, on_done, on_state, on_lost, on_reloaded };

static struct feed *feed;
static struct rng_seed seed;

static void
make_feed(uint64_t next_seq)
{
	struct feed_opts opts = { .next_seq = next_seq, .stale_after_ns = 600 * NS_PER_S,
		.clock = &moving.clock, .rng = rng_seeded(&seed, 3), .ops = &ops };

	feed = feed_new(&opts);
}

static void
setup(void)
{
	far = (struct far_side){ .conn.ops = &far_ops };
	got = (struct got){ 0 };
	moving.clock = (struct clock){ moving_mono, moving_wall };
	moving.mono = 1000 * NS_PER_S;
	moving.wall = T0;
	make_feed(1);
}

static void
teardown(void)
{
	feed_free(feed);
}

static void
give(uint8_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n + 1);

	protobuf_c_message_pack(m, p);
	feed_conn_handler.frame(feed, &far.conn, type, p, n);
	free(p);
}

static void
connect_feed(void)
{
	struct identity peer = { .role = ROLE_COLLECTOR, .id = "main" };
	Linkwatch__Pb__Welcome w = LINKWATCH__PB__WELCOME__INIT;

	far.n = 0;
	far.closed = false;
	feed_connecting(feed, &far.conn);
	feed_conn_handler.opened(feed, &far.conn, &peer);
	ck_assert_uint_eq(far.n, 1);
	ck_assert_uint_eq(far.type[0], FRAME_HELLO);
	w.version = FRAME_VERSION;
	give(FRAME_WELCOME, &w.base);
}

static void
give_record(uint64_t seq, uint32_t type, const void *p, size_t n, bool more)
{
	Linkwatch__Pb__FeedRecord r = LINKWATCH__PB__FEED_RECORD__INIT;

	r.seq = seq;
	r.type = type;
	r.wall_ns = moving.wall;
	r.payload.data = (uint8_t *)(uintptr_t)p;
	r.payload.len = n;
	r.more = more;
	give(FRAME_FEED_RECORD, &r.base);
}

static void
give_message(uint64_t seq, uint32_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n + 1);

	protobuf_c_message_pack(m, p);
	give_record(seq, type, p, n, false);
	free(p);
}

static void
give_alive(uint64_t seq)
{
	Linkwatch__Pb__CollectorEvent e = LINKWATCH__PB__COLLECTOR_EVENT__INIT;

	e.what = (char *)"alive";
	e.at_ns = moving.wall;
	give_message(seq, JREC_COLLECTOR, &e.base);
}

/* A stored batch of two samples, the second a second after the first, and health. */
static uint8_t *
make_batch(int64_t at_ns, size_t *n)
{
	static const uint8_t boot[BOOT_ID_LEN] = "0123456789abcde";
	static const uint32_t rtt[2] = { 100, 200 };
	Linkwatch__Pb__StoredBatch stored = LINKWATCH__PB__STORED_BATCH__INIT;
	Linkwatch__Pb__Health health = LINKWATCH__PB__HEALTH__INIT;
	struct batch_builder *bb = batch_builder_new();
	struct sample s = { .link = "gw", .start_ns = at_ns, .step_ms = 1000, .sent = 2,
		.rtt_count = 2, .rtt_100ns = rtt };
	uint8_t *p;

	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	s.start_ns += NS_PER_S;
	ck_assert_int_eq(batch_builder_add(bb, &s), 0);
	health.wall_ns = at_ns;
	health.software = (char *)"0.1.0";
	batch_builder_health(bb, &health);
	ck_assert_int_eq(batch_builder_finish(bb, boot, 1, &stored.batch.data,
	    &stored.batch.len), 0);
	batch_builder_free(bb);
	stored.agent = (char *)"a1";
	*n = linkwatch__pb__stored_batch__get_packed_size(&stored);
	p = malloc(*n);
	linkwatch__pb__stored_batch__pack(&stored, p);
	free(stored.batch.data);
	return p;
}

/* ---------------------------------------------------------------------- tests */

START_TEST(hello_start_records_ack)
{
	Linkwatch__Pb__FeedStart *start;
	Linkwatch__Pb__FeedAck *ack;
	struct feed_stat st;
	size_t n;
	uint8_t *p = make_batch(T0 - NS_PER_S, &n);

	ck_assert_int_eq(feed_retry_at(feed).ns, 0);	/* at once */
	connect_feed();
	ck_assert_int_eq(feed_retry_at(feed).ns, INT64_MAX);
	ck_assert_int_eq(got.up, 1);
	ck_assert_uint_eq(far.type[1], FRAME_FEED_START);
	start = linkwatch__pb__feed_start__unpack(NULL, far.len[1], far.payload[1]);
	ck_assert_uint_eq(start->from_seq, 1);
	ck_assert_uint_gt(start->window, 0);
	linkwatch__pb__feed_start__free_unpacked(start, NULL);
	give_record(1, JREC_BATCH, p, n, false);
	ck_assert_int_eq(got.samples, 2);
	ck_assert_int_eq(got.healths, 1);
	ck_assert_int_eq(got.sample_at[1] - got.sample_at[0], NS_PER_S);
	ck_assert_str_eq(got.agent, "a1");
	ck_assert_uint_eq(got.last_done, 1);
	ck_assert_int_eq(got.stale, 0);
	feed_ack(feed, 1);
	ck_assert_uint_eq(far.type[2], FRAME_FEED_ACK);
	ack = linkwatch__pb__feed_ack__unpack(NULL, far.len[2], far.payload[2]);
	ck_assert_uint_eq(ack->seq, 1);
	linkwatch__pb__feed_ack__free_unpacked(ack, NULL);
	feed_stat(feed, &st);
	ck_assert(st.up && st.seq == 1 && st.bad == 0);
	free(p);
}
END_TEST

START_TEST(every_kind_of_record)
{
	Linkwatch__Pb__Session s = LINKWATCH__PB__SESSION__INIT;
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Refused refused = LINKWATCH__PB__REFUSED__INIT;

	connect_feed();
	s.agent = (char *)"a1";
	give_message(1, JREC_SESSION, &s.base);
	give_message(2, JREC_PLAN, &plan.base);
	refused.peer = (char *)"192.0.2.7:1234";
	give_message(3, JREC_REFUSED, &refused.base);
	ck_assert_str_eq(got.agent, "");		/* a stranger is no agent */
	give_alive(4);
	give_record(5, JREC_PLANRESULT, "", 0, false);
	give_record(6, 999, "whatever", 8, false);	/* of a newer collector */
	ck_assert(got.sessions == 1 && got.plans == 1 && got.refused == 1 && got.collectors == 1);
	ck_assert_int_eq(got.done, 6);
}
END_TEST

START_TEST(old_samples_are_stale)
{
	size_t n;
	uint8_t *p = make_batch(T0 - 601 * NS_PER_S, &n);

	connect_feed();
	give_record(1, JREC_BATCH, p, n, false);
	ck_assert_int_eq(got.stale, 2);		/* the first sample and health; the second is in time */
	feed_stale_after(feed, 3600 * NS_PER_S);
	give_record(2, JREC_BATCH, p, n, false);
	ck_assert_int_eq(got.stale, 2);
	free(p);
}
END_TEST

START_TEST(unreadable_records_are_passed_over)
{
	static const char junk[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	struct feed_stat st;
	size_t n;
	uint8_t *p = make_batch(T0, &n);

	connect_feed();
	for (uint32_t type = 1; type <= 6; type++)
		give_record(type, type, junk, sizeof(junk) - 1, false);
	/* each truncation of a good batch: no crash, one step on */
	for (size_t i = 0; i < n; i++)
		give_record(7 + i, JREC_BATCH, p, i, false);
	ck_assert_uint_eq(got.last_done, 6 + n);
	feed_stat(feed, &st);
	ck_assert_uint_ge(st.bad, 5);
	ck_assert(!far.closed);
	give_alive(7 + n);
	ck_assert_int_ge(got.collectors, 1);
	free(p);
}
END_TEST

START_TEST(repeats_and_gaps)
{
	struct feed_stat st;

	connect_feed();
	give_alive(1);
	give_alive(2);
	give_alive(2);
	give_alive(1);
	ck_assert_int_eq(got.collectors, 2);
	give_alive(10);
	ck_assert_uint_eq(got.lost, 7);
	ck_assert_uint_eq(got.lost_at, 10);
	feed_stat(feed, &st);
	ck_assert_uint_eq(st.repeated, 2);
	ck_assert_uint_eq(st.lost, 7);
}
END_TEST

START_TEST(a_record_in_parts)
{
	size_t n;
	uint8_t *p = make_batch(T0, &n);

	connect_feed();
	give_record(1, JREC_BATCH, p, 10, true);
	give_record(1, JREC_BATCH, p + 10, 5, true);
	ck_assert_int_eq(got.done, 0);
	give_record(1, JREC_BATCH, p + 15, n - 15, false);
	ck_assert_int_eq(got.samples, 2);
	ck_assert_int_eq(got.done, 1);
	give_record(2, JREC_BATCH, p, 10, true);
	give_record(3, JREC_BATCH, p, n, false);	/* of another record */
	ck_assert(far.closed);
	ck_assert_int_eq(got.down, 1);
	/* what was begun is forgotten with the connection */
	connect_feed();
	give_record(2, JREC_BATCH, p, n, false);
	ck_assert_int_eq(got.samples, 4);
	free(p);
}
END_TEST

START_TEST(endless_parts)
{
	static uint8_t block[200000];

	connect_feed();
	for (size_t n = 0; n <= JOURNAL_RECORD_MAX && !far.closed; n += sizeof(block))
		give_record(1, JREC_BATCH, block, sizeof(block), true);
	ck_assert(far.closed);
}
END_TEST

START_TEST(goes_on_where_it_was)
{
	Linkwatch__Pb__FeedStart *start;

	connect_feed();
	give_alive(1);
	give_alive(2);
	feed_conn_handler.closed(feed, &far.conn, "gone");
	ck_assert_int_eq(got.down, 1);
	ck_assert_str_eq(got.why, "gone");
	feed_ack(feed, 2);				/* nobody to tell: no crash */
	ck_assert_int_eq(feed_reload(feed, 42), -ENOTCONN);
	connect_feed();
	start = linkwatch__pb__feed_start__unpack(NULL, far.len[1], far.payload[1]);
	ck_assert_uint_eq(start->from_seq, 3);
	linkwatch__pb__feed_start__free_unpacked(start, NULL);
}
END_TEST

START_TEST(backs_off)
{
	int64_t last = 0;

	for (int i = 0; i < 12; i++) {
		int64_t wait;
		feed_failed(feed, "refused");
		wait = feed_retry_at(feed).ns - moving.mono;
		ck_assert_int_ge(wait, NS_PER_S / 4);
		ck_assert_int_le(wait, 10 * NS_PER_S);
		if (i == 11)
			ck_assert_int_ge(wait, 5 * NS_PER_S);
		last = wait;
		moving.mono += wait;
	}
	connect_feed();
	feed_conn_handler.closed(feed, &far.conn, "gone");
	ck_assert_int_lt(feed_retry_at(feed).ns - moving.mono, last);
	ck_assert_int_le(feed_retry_at(feed).ns - moving.mono, NS_PER_S / 2);
}
END_TEST

START_TEST(deadlines)
{
	struct identity peer = { .role = ROLE_COLLECTOR };

	feed_connecting(feed, &far.conn);
	moving.mono += 16 * NS_PER_S;
	feed_tick(feed);
	ck_assert(far.closed);				/* never opened */
	far.closed = false;
	feed_connecting(feed, &far.conn);
	feed_conn_handler.opened(feed, &far.conn, &peer);
	moving.mono += 16 * NS_PER_S;
	feed_tick(feed);
	ck_assert(far.closed);				/* no WELCOME */
	connect_feed();
	moving.mono += 44 * NS_PER_S;
	feed_tick(feed);
	ck_assert(!far.closed);
	moving.mono += 2 * NS_PER_S;
	feed_tick(feed);
	ck_assert(far.closed);				/* not even "alive" */
	connect_feed();
	feed_pause(feed, true);
	ck_assert(far.paused);
	moving.mono += 100 * NS_PER_S;
	feed_tick(feed);
	ck_assert(!far.closed);				/* it is we who do not listen */
	feed_pause(feed, false);
	ck_assert(!far.paused);
	feed_tick(feed);
	ck_assert(!far.closed);
}
END_TEST

START_TEST(refusals)
{
	Linkwatch__Pb__Refusal r = LINKWATCH__PB__REFUSAL__INIT;
	Linkwatch__Pb__FeedStart *start;

	feed_free(feed);
	make_feed(500);
	connect_feed();
	r.code = REFUSE_ROLE;
	r.reason = (char *)"no \033[31m";
	give(FRAME_REFUSAL, &r.base);
	ck_assert(far.closed);
	ck_assert_ptr_nonnull(strstr(got.why, "refuses"));
	ck_assert_ptr_null(strchr(got.why, '\033'));
	/* another journal: from its beginning */
	connect_feed();
	r.code = REFUSE_ORDER;
	give(FRAME_REFUSAL, &r.base);
	connect_feed();
	start = linkwatch__pb__feed_start__unpack(NULL, far.len[1], far.payload[1]);
	ck_assert_uint_eq(start->from_seq, 1);
	linkwatch__pb__feed_start__free_unpacked(start, NULL);
	give_alive(1);
	ck_assert_int_eq(got.collectors, 1);
}
END_TEST

START_TEST(reload)
{
	Linkwatch__Pb__ReloadResult r = LINKWATCH__PB__RELOAD_RESULT__INIT;

	connect_feed();
	ck_assert_int_eq(feed_reload(feed, 42), 0);
	ck_assert_uint_eq(far.type[far.n - 1], FRAME_RELOAD);
	r.id = 42;
	r.ok = true;
	r.revision = 7;
	give(FRAME_RELOAD_RESULT, &r.base);
	ck_assert(got.reload_ok && got.reload_revision == 7);
}
END_TEST

/* Each frame at a time when it has no place, and bytes that are no message. */
START_TEST(frames_out_of_place)
{
	static const uint8_t junk[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct identity peer = { .role = ROLE_COLLECTOR };

	for (int type = 0; type < 256; type++) {
		far.n = 0;
		far.closed = false;
		feed_connecting(feed, &far.conn);
		feed_conn_handler.opened(feed, &far.conn, &peer);
		feed_conn_handler.frame(feed, &far.conn, (uint8_t)type, junk, sizeof(junk));
		if (!far.closed)
			feed_conn_handler.closed(feed, &far.conn, "end");
		connect_feed();
		far.n = 0;
		feed_conn_handler.frame(feed, &far.conn, (uint8_t)type, junk, sizeof(junk));
		if (!far.closed)
			feed_conn_handler.frame(feed, &far.conn, (uint8_t)type, junk, 0);
		if (!far.closed)
			feed_conn_handler.closed(feed, &far.conn, "end");
	}
	ck_assert_int_eq(got.done, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("feed");
	TCase *tc = tcase_create("feed");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hello_start_records_ack);
	tcase_add_test(tc, every_kind_of_record);
	tcase_add_test(tc, old_samples_are_stale);
	tcase_add_test(tc, unreadable_records_are_passed_over);
	tcase_add_test(tc, repeats_and_gaps);
	tcase_add_test(tc, a_record_in_parts);
	tcase_add_test(tc, endless_parts);
	tcase_add_test(tc, goes_on_where_it_was);
	tcase_add_test(tc, backs_off);
	tcase_add_test(tc, deadlines);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, frames_out_of_place);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
