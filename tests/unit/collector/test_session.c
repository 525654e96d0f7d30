/*
 * test_session.c - peers of a collector on a connection of no net: who may say
 * what when, what is acknowledged and what survives a crash.
 */
#include "tests/unit/collector/hubtest.h"

static int hurries;			/* hub_opts.hurry was called so often */

/* -------------------------------------------------------------------- agents */

START_TEST(an_agent_is_let_in_and_acknowledged)
{
	struct test_conn *c = connect_as(ROLE_AGENT, "a1");
	struct sent *s;
	Linkwatch__Pb__Plan *p;

	hello(c, 1, 1, 1);
	ck_assert_uint_eq(expect_welcome(c), 0);
	s = EXPECT(c, FRAME_PLAN);
	p = linkwatch__pb__plan__unpack(NULL, s->n, s->p);
	ck_assert_uint_eq(p->n_link, 2);
	linkwatch__pb__plan__free_unpacked(p, NULL);
	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2 });
	/* Not before it is durable. */
	ck_assert_ptr_null(test_next(c));
	ck_assert(hub_is_dirty(hub));
	ck_assert_int_eq(hub_commit(hub), 0);
	ck_assert_uint_eq(expect_ack(c), 2);
	ck_assert(!hub_is_dirty(hub));
	ck_assert_uint_eq(count_records(JREC_BATCH), 2);
	ck_assert_uint_eq(count_records(JREC_SESSION), 1);
	ck_assert_uint_eq(count_records(JREC_PLAN), 1);
}
END_TEST

START_TEST(no_plan_is_sent_to_who_has_it)
{
	Linkwatch__Pb__Plan *mine = links_for_agent(plan, "a1");
	Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;
	struct test_conn *c = connect_as(ROLE_AGENT, "a1");
	uint8_t b[BOOT_ID_LEN];

	boot_id(b, 1);
	m.version_min = 1;
	m.version_max = PROTOCOL_MAX;
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = b };
	m.plan_revision = mine->revision;
	say(c, FRAME_HELLO, &m.base);
	expect_welcome(c);
	ck_assert_ptr_null(test_next(c));
	links_free(mine);
}
END_TEST

/* F15, S05. */
START_TEST(acked_batches_survive_a_crash_once)
{
	struct test_conn *c = agent("a1", 1, 1, 3);

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_ack(c), 1);
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2 });	/* never durable */
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 3);
	ck_assert_uint_eq(expect_welcome(c), 1);
	EXPECT(c, FRAME_PLAN);
	/* The ack was lost on the way: both come again. */
	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_ack(c), 2);
	ck_assert_uint_eq(count_records(JREC_BATCH), 2);
}
END_TEST

START_TEST(a_checkpoint_shortens_the_replay_and_says_the_same)
{
	struct test_conn *c = agent("a1", 1, 1, 3);

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	tc.ns += 61 * NS_PER_S;
	hub_tick(hub);				/* writes the checkpoint */
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2 });
	hub_commit(hub);
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 3);
	ck_assert_uint_eq(expect_welcome(c), 2);
}
END_TEST

START_TEST(a_broken_checkpoint_only_costs_time)
{
	struct test_conn *c = agent("a1", 1, 1, 3);

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	ck_assert_int_eq(disk_write_file(disk, "admit", "rubbish", 7), 0);
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 3);
	ck_assert_uint_eq(expect_welcome(c), 1);
}
END_TEST

START_TEST(a_bad_batch_is_refused_and_the_next_taken)
{
	struct test_conn *c = agent("a1", 1, 1, 4);
	uint64_t seq;
	bool drop;

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2, .link = "stranger" });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 3 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_refusal(c, &seq, &drop), REFUSE_LINK);
	ck_assert_uint_eq(seq, 2);
	ck_assert(drop);
	ck_assert_uint_eq(expect_ack(c), 3);
	ck_assert(!c->is_closed);
	ck_assert_uint_eq(count_records(JREC_REFUSED), 1);
	ck_assert_uint_eq(count_records(JREC_BATCH), 2);
	/* Its number stays used up over a crash. */
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 4);
	ck_assert_uint_eq(expect_welcome(c), 3);
}
END_TEST

/*
 * S03, S04, K01: measured by a clock that ran false.  Refused, and said so with the number of
 * samples; but what was measured stays as evidence.
 */
START_TEST(false_times_are_kept_as_evidence)
{
	struct test_conn *c = agent("a1", 1, 1, 4);
	struct journal_reader *reader;
	struct journal_record rec;
	int seen = 0;

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1, .start_ns = T0 + 7200 * NS_PER_S, .samples = 5 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2, .start_ns = T0 - 7200 * NS_PER_S, .samples = 6 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 3, .link = "stranger", .samples = 7 });
	hub_commit(hub);
	for (int i = 0; i < 3; i++)
		expect_refusal(c, NULL, NULL);
	ck_assert_uint_eq(expect_ack(c), 3);
	ck_assert_int_eq(journal_reader_open(&reader, disk, 0), 0);
	while (journal_reader_next(reader, &rec) == 1) {
		Linkwatch__Pb__Refused *m;
		Linkwatch__Pb__Batch *b;

		if (rec.type != JREC_REFUSED)
			continue;
		m = linkwatch__pb__refused__unpack(NULL, rec.len, rec.data);
		ck_assert_uint_eq(m->seq, ++seen);
		ck_assert_uint_eq(m->samples, 4 + m->seq);
		ck_assert_uint_eq(m->code, seen < 3 ? REFUSE_TIME : REFUSE_LINK);
		if (seen < 3) {
			b = batch_unpack(m->batch.data, m->batch.len);
			ck_assert_ptr_nonnull(b);
			ck_assert_uint_eq(b->n_sent, m->samples);
			linkwatch__pb__batch__free_unpacked(b, NULL);
		} else {
			ck_assert_uint_eq(m->batch.len, 0);	/* not his to speak of: S13 */
		}
		linkwatch__pb__refused__free_unpacked(m, NULL);
	}
	journal_reader_close(reader);
	ck_assert_int_eq(seen, 3);
	ck_assert_uint_eq(count_records(JREC_BATCH), 0);
}
END_TEST

START_TEST(too_many_bad_batches_end_it)
{
	struct test_conn *c = agent("a1", 1, 1, 1000);
	uint64_t seq = 1;

	while (!c->is_closed && seq < 1000) {
		batch(c, &(struct test_batch){ .boot = 1, .seq = seq++, .link = "stranger" });
		hub_commit(hub);
	}
	ck_assert_uint_gt(seq, 50);
	ck_assert_uint_lt(seq, 70);
	while (c->seen < c->n - 1)
		c->seen++;
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_RATE);
}
END_TEST

/* F16. */
START_TEST(a_fork_is_told_apart_from_a_repeat)
{
	struct test_conn *c = agent("a1", 1, 1, 4);
	struct hub_stat st;
	uint64_t seq;
	bool drop;

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	batch(c, &(struct test_batch){ .boot = 1, .seq = 1, .rtt_100ns = 99 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_refusal(c, &seq, &drop), REFUSE_ORDER);
	ck_assert(drop && seq == 1);
	ck_assert_uint_eq(expect_ack(c), 1);
	hub_stat(hub, &st);
	ck_assert_uint_eq(st.forked, 1);
	ck_assert_uint_eq(count_records(JREC_BATCH), 1);
	ck_assert_uint_eq(count_records(JREC_REFUSED), 1);
	/* The record of the fork must not use up a number again. */
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 4);
	ck_assert_uint_eq(expect_welcome(c), 1);
}
END_TEST

/* F17. */
START_TEST(a_hole_ends_the_session_until_hello_explains_it)
{
	struct test_conn *c = agent("a1", 1, 1, 9);

	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	expect_ack(c);
	batch(c, &(struct test_batch){ .boot = 1, .seq = 5 });
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_ORDER);
	ck_assert(c->is_closed);
	c = agent("a1", 1, 5, 9);
	batch(c, &(struct test_batch){ .boot = 1, .seq = 5 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_ack(c), 5);
}
END_TEST

START_TEST(the_window_holds)
{
	struct test_conn *c = agent("a1", 1, 1, 9);

	for (uint64_t i = 1; i <= 4; i++)
		batch(c, &(struct test_batch){ .boot = 1, .seq = i });
	hub_commit(hub);
	ck_assert_uint_eq(expect_ack(c), 4);
	for (uint64_t i = 5; i <= 9; i++)
		batch(c, &(struct test_batch){ .boot = 1, .seq = i });
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_RATE);
	ck_assert(c->is_closed);
}
END_TEST

static void
count_hurry(void *arg)
{
	(void)arg;
	hurries++;
}

/* Who has a backlog does not wait for the timer: half a window is a reason to commit, once. */
START_TEST(half_a_window_is_in_a_hurry)
{
	struct test_conn *c;

	hub_close(hub, false);
	opts.hurry = count_hurry;
	open_hub();
	c = agent("a1", 1, 1, 99);
	hurries = 0;
	for (uint64_t i = 1; i <= 12; i++) {
		batch(c, &(struct test_batch){ .boot = 1, .seq = i });
		ck_assert_int_eq(hurries, (int)((i + 1) / 3));	/* with the 2nd, 5th, 8th ... */
		if (i % 3 == 0)
			hub_commit(hub);
	}
	opts.hurry = NULL;
}
END_TEST

/* F18. */
START_TEST(the_second_session_ends_the_first)
{
	struct test_conn *a = agent("a1", 1, 1, 2), *b;

	batch(a, &(struct test_batch){ .boot = 1, .seq = 1 });
	b = connect_as(ROLE_AGENT, "a1");
	ck_assert(!a->is_closed);
	hello(b, 1, 1, 2);
	ck_assert_uint_eq(expect_refusal(a, NULL, NULL), REFUSE_REPLACED);
	ck_assert(a->is_closed);
	/* Not durable yet: the new session is told so, and what it repeats is stored once. */
	ck_assert_uint_eq(expect_welcome(b), 0);
	EXPECT(b, FRAME_PLAN);
	batch(b, &(struct test_batch){ .boot = 1, .seq = 1 });
	hub_commit(hub);
	ck_assert_uint_eq(expect_ack(b), 1);
	ck_assert_uint_eq(count_records(JREC_BATCH), 1);
	/* Another agent is none of its business. */
	agent("a2", 1, 1, 1);
	ck_assert(!b->is_closed);
}
END_TEST

START_TEST(a_changed_plan_is_pushed)
{
	struct test_conn *a = agent("a1", 1, 1, 2), *b = agent("a2", 1, 1, 2);
	char *text = strdup(LINKS), *at = strstr(text, "192.0.2.2");
	Linkwatch__Pb__Plan *other;

	memcpy(at, "192.0.2.9", 9);
	other = test_plan(text);
	ck_assert_int_eq(hub_plan(hub, other), 0);
	EXPECT(a, FRAME_PLAN);
	ck_assert_ptr_null(test_next(b));
	ck_assert_int_eq(hub_plan(hub, other), 0);
	ck_assert_ptr_null(test_next(a));
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_PLAN), 2);
	links_free(other);
	/* a2 leaves the plan altogether. */
	*strstr(text, "  - {id: gw, agent: a2") = '\0';
	at = strstr(text, "  - {id: a2");
	memmove(at, strchr(at, '\n') + 1, strlen(strchr(at, '\n') + 1) + 1);
	other = test_plan(text);
	ck_assert_int_eq(hub_plan(hub, other), 0);
	ck_assert_uint_eq(expect_refusal(b, NULL, NULL), REFUSE_UNKNOWN_PEER);
	ck_assert(b->is_closed && !a->is_closed);
	b = connect_as(ROLE_AGENT, "a2");
	hello(b, 1, 1, 1);
	ck_assert_uint_eq(expect_refusal(b, NULL, NULL), REFUSE_UNKNOWN_PEER);
	links_free(other);
	free(text);
}
END_TEST

START_TEST(clock_and_plan_result)
{
	struct test_conn *c = agent("a1", 1, 1, 1);
	Linkwatch__Pb__ClockPing ping = LINKWATCH__PB__CLOCK_PING__INIT;
	Linkwatch__Pb__PlanResult result = LINKWATCH__PB__PLAN_RESULT__INIT;
	Linkwatch__Pb__ClockPong *pong;
	char *links[] = { (char *)"web", (char *)"no id!" };
	char *reasons[] = { (char *)"not in\nallow-list", (char *)"x" };
	struct sent *s;

	ping.t1_ns = 42;
	say(c, FRAME_CLOCK_PING, &ping.base);
	s = EXPECT(c, FRAME_CLOCK_PONG);
	pong = linkwatch__pb__clock_pong__unpack(NULL, s->n, s->p);
	ck_assert_int_eq(pong->t1_ns, 42);
	ck_assert_int_eq(pong->t2_ns, T0);
	linkwatch__pb__clock_pong__free_unpacked(pong, NULL);
	result.n_link = result.n_reason = 2;
	result.link = links;
	result.reason = reasons;
	say(c, FRAME_PLAN_RESULT, &result.base);
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_PLANRESULT), 1);
	result.n_reason = 1;
	say(c, FRAME_PLAN_RESULT, &result.base);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_MALFORMED);
}
END_TEST

/* Reasons of control characters grow fourfold when they are escaped: the record still fits. */
START_TEST(plan_result_that_grows)
{
	enum { LINKS_N = 3000 };
	struct test_conn *c = agent("a1", 1, 1, 1);
	Linkwatch__Pb__PlanResult result = LINKWATCH__PB__PLAN_RESULT__INIT;
	char **links = xcalloc(LINKS_N, sizeof(*links)), **reasons = xcalloc(LINKS_N, sizeof(*reasons));
	char reason[61];

	memset(reason, 1, sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	for (int i = 0; i < LINKS_N; i++) {
		links[i] = xasprintf("link-%d", i);
		reasons[i] = reason;
	}
	result.n_link = result.n_reason = LINKS_N;
	result.link = links;
	result.reason = reasons;
	say(c, FRAME_PLAN_RESULT, &result.base);
	ck_assert_int_eq(hub_commit(hub), 0);
	ck_assert_uint_eq(count_records(JREC_PLANRESULT), 1);
	for (int i = 0; i < LINKS_N; i++)
		free(links[i]);
	free(links);
	free(reasons);
}
END_TEST

/* ------------------------------------------------------------ who says what when */

/* F01, F03, F21: every message from every role in every state: only what the table allows lives on. */
START_TEST(the_whole_matrix)
{
	static const uint8_t types[] = { 0, FRAME_HELLO, FRAME_WELCOME, FRAME_PLAN, FRAME_PLAN_RESULT, FRAME_BATCH,
		FRAME_ACK, FRAME_REFUSAL, FRAME_CLOCK_PING, FRAME_CLOCK_PONG, FRAME_PAUSE, FRAME_RESUME,
		FRAME_FEED_START, FRAME_FEED_RECORD, FRAME_FEED_ACK, FRAME_RELOAD, FRAME_RELOAD_RESULT, 99, 255 };
	static const enum role roles[] = { ROLE_AGENT, ROLE_ALERTD };

	for (size_t k = 0; k < 2; k++)
		for (int up = 0; up < 2; up++)
			for (size_t i = 0; i < sizeof types; i++) {
				struct test_conn *c = connect_as(roles[k], k == 0 ? "a1" : "main");
				bool may, is_agent = k == 0;

				if (up)
					hello(c, 1, 1, 1);
				c->seen = c->n;
				if (types[i] == FRAME_HELLO)
					hello(c, 1, 1, 1);
				else
					say_raw(c, types[i], NULL, 0);	/* all zero: a valid message of any type */
				switch (types[i]) {
				case FRAME_HELLO: may = !up; break;
				case FRAME_CLOCK_PING: may = up; break;
				case FRAME_PLAN_RESULT: may = up && is_agent; break;
				case FRAME_FEED_START: case FRAME_RELOAD: may = up && !is_agent; break;
				default: may = false;	/* an empty batch or ack is refused for what it says */
				}
				ck_assert_msg(c->is_closed == !may, "role %zu up %d type %d", k, up, types[i]);
				if (!may)
					expect_refusal(c, NULL, NULL);
				hub_handler()->closed(hub, &c->conn, "test");
				test_conn_free(conns[--n_conns]);
			}
}
END_TEST

START_TEST(a_collector_has_no_business_here)
{
	struct test_conn *c = connect_as(ROLE_COLLECTOR, "main");

	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_ROLE);
	ck_assert(c->is_closed);
}
END_TEST

START_TEST(strange_hellos)
{
	struct test_conn *c;

	c = connect_as(ROLE_AGENT, "stranger");
	hello(c, 1, 1, 1);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_UNKNOWN_PEER);
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 5, 2);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_MALFORMED);
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, UINT64_MAX);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_MALFORMED);
	c = connect_as(ROLE_AGENT, "a1");
	say_raw(c, FRAME_HELLO, "\xff\xff\xff", 3);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_MALFORMED);
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_REFUSED), 2);	/* one for each peer and code */
	c = connect_as(ROLE_AGENT, "a1");
	tc.ns += 11 * NS_PER_S;
	hub_tick(hub);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_STATE);
}
END_TEST

static uint32_t
greet_with(uint32_t min, uint32_t max)
{
	Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;
	struct test_conn *c = connect_as(ROLE_AGENT, "a1");
	Linkwatch__Pb__Welcome *w;
	uint8_t b[BOOT_ID_LEN];
	struct sent *s;
	uint32_t v;

	boot_id(b, 1);
	m.version_min = min;
	m.version_max = max;
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = b };
	say(c, FRAME_HELLO, &m.base);
	s = test_next(c);
	ck_assert_ptr_nonnull(s);
	if (s->type != FRAME_WELCOME) {
		c->seen--;
		ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_VERSION);
		return 0;
	}
	w = linkwatch__pb__welcome__unpack(NULL, s->n, s->p);
	v = w->version;
	linkwatch__pb__welcome__free_unpacked(w, NULL);
	return v;
}

/* F02. */
START_TEST(versions_one_apart_agree)
{
	ck_assert_uint_eq(greet_with(1, 1), 1);
	ck_assert_uint_eq(greet_with(1, 2), 2);
	ck_assert_uint_eq(greet_with(2, 3), 2);
	ck_assert_uint_eq(greet_with(3, 4), 0);
	ck_assert_uint_eq(greet_with(0, 0), 0);
	ck_assert_uint_eq(greet_with(3, 1), 0);
	hub_close(hub, false);
	opts.version_min = 2;
	opts.version_max = 3;
	open_hub();
	ck_assert_uint_eq(greet_with(1, 1), 0);
	ck_assert_uint_eq(greet_with(1, 2), 2);
	ck_assert_uint_eq(greet_with(1, 9), 3);
	ck_assert_uint_eq(greet_with(4, 5), 0);
}
END_TEST

/* F24. */
START_TEST(a_flood_of_small_talk_ends_it)
{
	struct test_conn *c = agent("a1", 1, 1, 1);
	Linkwatch__Pb__ClockPing ping = LINKWATCH__PB__CLOCK_PING__INIT;
	int n = 0;

	while (!c->is_closed && n < 1000) {
		say(c, FRAME_CLOCK_PING, &ping.base);
		n++;
	}
	ck_assert_int_gt(n, 50);
	ck_assert_int_lt(n, 110);
	/* At a calm rate it lives. */
	c = agent("a1", 1, 1, 1);
	for (n = 0; n < 1000; n++) {
		tc.ns += NS_PER_S / 10;
		say(c, FRAME_CLOCK_PING, &ping.base);
	}
	ck_assert(!c->is_closed);
}
END_TEST

/* X12. */
START_TEST(strangers_are_counted_not_told_each)
{
	for (int i = 0; i < 500; i++)
		hub_handler()->refused(hub, i % 2 ? "198.51.100.7:1" : "198.51.100.7:2", "no certificate");
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_REFUSED), 1);
	tc.ns += 61 * NS_PER_S;
	hub_tick(hub);
	hub_commit(hub);
	ck_assert_uint_eq(count_records(JREC_REFUSED), 2);
	for (int i = 0; i < 5000; i++) {
		char who[64];

		snprintf(who, sizeof who, "10.%d.%d.1:5", i / 250, i % 250);
		hub_handler()->refused(hub, who, "no certificate");
	}
	hub_commit(hub);
	ck_assert_uint_lt(count_records(JREC_REFUSED), 1100);
}
END_TEST

/* -------------------------------------------------------------- the full disk */

/* X06, F25: what still comes after PAUSE is bounded by the window. */
START_TEST(a_full_disk_pauses_and_loses_nothing)
{
	struct test_conn *c = agent("a1", 1, 1, 9), *b;

	hub_commit(hub);
	faulty.fail = -ENOSPC;
	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	ck_assert_int_eq(hub_commit(hub), -ENOSPC);
	EXPECT(c, FRAME_PAUSE);
	ck_assert_ptr_null(test_next(c));
	ck_assert(hub_is_dirty(hub));
	/* Was in flight already: kept, not acknowledged. */
	batch(c, &(struct test_batch){ .boot = 1, .seq = 2 });
	ck_assert_int_eq(hub_commit(hub), -ENOSPC);
	ck_assert_ptr_null(test_next(c));
	/* Who comes now is let in and told to wait. */
	b = connect_as(ROLE_AGENT, "a2");
	hello(b, 1, 1, 1);
	expect_welcome(b);
	EXPECT(b, FRAME_PAUSE);
	EXPECT(b, FRAME_PLAN);
	faulty.fail = 0;
	tc.ns += 5 * NS_PER_S;
	ck_assert_int_eq(hub_commit(hub), 0);
	ck_assert_uint_eq(expect_ack(c), 2);
	EXPECT(c, FRAME_RESUME);
	EXPECT(b, FRAME_RESUME);
	ck_assert_uint_eq(count_records(JREC_BATCH), 2);
	ck_assert(!hub_is_dirty(hub));
}
END_TEST

START_TEST(a_disk_error_is_not_survived_in_place)
{
	struct test_conn *c = agent("a1", 1, 1, 9);

	hub_commit(hub);
	faulty.fail = -EIO;
	batch(c, &(struct test_batch){ .boot = 1, .seq = 1 });
	ck_assert_int_eq(hub_commit(hub), -EIO);
	faulty.fail = 0;
	ck_assert_int_eq(hub_commit(hub), -EIO);
	crash();
	c = connect_as(ROLE_AGENT, "a1");
	hello(c, 1, 1, 9);
	ck_assert_uint_eq(expect_welcome(c), 0);
}
END_TEST

/* T09, K10. */
START_TEST(an_expired_certificate_ends_a_session)
{
	struct test_conn *c = agent("a1", 1, 1, 1), *f = alertd();

	tc.ns += 86400 * NS_PER_S;
	hub_tick(hub);
	ck_assert(!c->is_closed && !f->is_closed);
	tc.ns += NS_PER_S;
	hub_tick(hub);
	ck_assert_uint_eq(expect_refusal(c, NULL, NULL), REFUSE_UNKNOWN_PEER);
	ck_assert(c->is_closed && f->is_closed);
}
END_TEST

START_TEST(it_says_that_it_is_alive)
{
	size_t before = count_records(JREC_COLLECTOR);

	for (int i = 0; i < 20; i++) {
		tc.ns += NS_PER_S;
		hub_tick(hub);
		hub_commit(hub);
	}
	ck_assert_uint_eq(count_records(JREC_COLLECTOR), before + 4);
}
END_TEST

#define ADD(name) tcase_add_test(t, name)

int
main(void)
{
	Suite *s = suite_create("session");
	TCase *t = tcase_create("session");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	ADD(an_agent_is_let_in_and_acknowledged);
	ADD(no_plan_is_sent_to_who_has_it);
	ADD(acked_batches_survive_a_crash_once);
	ADD(a_checkpoint_shortens_the_replay_and_says_the_same);
	ADD(a_broken_checkpoint_only_costs_time);
	ADD(a_bad_batch_is_refused_and_the_next_taken);
	ADD(false_times_are_kept_as_evidence);
	ADD(too_many_bad_batches_end_it);
	ADD(a_fork_is_told_apart_from_a_repeat);
	ADD(a_hole_ends_the_session_until_hello_explains_it);
	ADD(the_window_holds);
	ADD(half_a_window_is_in_a_hurry);
	ADD(the_second_session_ends_the_first);
	ADD(a_changed_plan_is_pushed);
	ADD(clock_and_plan_result);
	ADD(plan_result_that_grows);
	ADD(the_whole_matrix);
	ADD(a_collector_has_no_business_here);
	ADD(strange_hellos);
	ADD(versions_one_apart_agree);
	ADD(a_flood_of_small_talk_ends_it);
	ADD(strangers_are_counted_not_told_each);
	ADD(a_full_disk_pauses_and_loses_nothing);
	ADD(a_disk_error_is_not_survived_in_place);
	ADD(an_expired_certificate_ends_a_session);
	ADD(it_says_that_it_is_alive);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
