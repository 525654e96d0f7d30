/*
 * test_uplink.c - the session against a collector that the test plays, good
 * and bad, on a clock that the test moves.
 */
#include "uplink_scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

/* -------------------------------------------------------------------- tests */

START_TEST(test_greeting)
{
	Linkwatch__Pb__Hello *h;

	begin(1);
	put(3, 1);
	uplink_set_plan_revision(up, 99);
	uplink_tick(up);
	ck_assert_uint_eq(connects, 1);
	ck_assert_int_eq(now().state, UPLINK_CONNECTING);
	opened(ROLE_COLLECTOR, "main");
	ck_assert_uint_eq(sents, 1);
	h = linkwatch__pb__hello__unpack(NULL, sent[0].len, sent[0].payload);
	ck_assert_uint_eq(sent[0].type, FRAME_HELLO);
	ck_assert_mem_eq(h->boot_id.data, boot, sizeof boot);
	ck_assert_uint_eq(h->first_seq, 1);
	ck_assert_uint_eq(h->next_seq, 4);
	ck_assert_uint_eq(h->plan_revision, 99);
	linkwatch__pb__hello__free_unpacked(h, NULL);
	pass(5 * S);
	ck_assert_uint_eq(count(FRAME_BATCH), 0);	/* TLS stands, but nobody has let us in */
	ck_assert_int_eq(now().state, UPLINK_GREETING);
	welcome(0, 10);
	uplink_tick(up);
	assert_batches(1, 3);
	ck_assert_uint_eq(now().sessions, 1);
	end();
}
END_TEST

/* F20, T16: a plan comes from the collector whose certificate says so, or from nobody. */
START_TEST(test_wrong_peers)
{
	begin(1);
	uplink_tick(up);
	opened(ROLE_AGENT, "main");
	ck_assert(!conn.open);
	ck_assert_ptr_nonnull(strstr(last_detail, "not a collector"));
	pass(2 * S);
	opened(ROLE_COLLECTOR, "other");
	ck_assert(!conn.open);
	ck_assert_ptr_nonnull(strstr(last_detail, "expected 'main'"));
	ck_assert_uint_eq(sents, 0);		/* not one byte for them */
	end();
}
END_TEST

START_TEST(test_window_and_acks)
{
	begin(1);
	put(50, 1);
	connected(0, 8);
	assert_batches(1, 8);
	pass(5 * S);
	assert_batches(1, 8);
	ack(3);
	uplink_tick(up);
	assert_batches(1, 11);
	ack(11);
	uplink_tick(up);
	assert_batches(1, 19);
	ck_assert_uint_eq(spooled().acked_seq, 11);
	ack(5);					/* old: nothing */
	uplink_tick(up);
	assert_batches(1, 19);
	ck_assert_uint_eq(spooled().acked_seq, 11);
	end();
}
END_TEST

/* F14. */
START_TEST(test_ack_for_what_was_not_sent)
{
	begin(1);
	put(50, 1);
	connected(0, 8);
	ack(9);
	ck_assert(!conn.open);
	ck_assert_int_eq(now().state, UPLINK_WAITING);
	ck_assert_uint_eq(spooled().acked_seq, 0);	/* not one batch is gone */
	ck_assert_uint_eq(spooled().batches, 50);
	end();
}
END_TEST

/* F14. */
START_TEST(test_ack_of_another_numbering)
{
	begin(1);
	put(5, 1);
	connected(0, 8);
	boot[0] ^= 1;
	ack(5);
	boot[0] ^= 1;
	ck_assert(conn.open);
	ck_assert_uint_eq(spooled().acked_seq, 0);
	end();
}
END_TEST

START_TEST(test_resumes_behind_the_ack)
{
	begin(1);
	put(20, 1);
	connected(0, 8);
	assert_batches(1, 8);
	uplink_handler.closed(up, &conn.conn, "reset");
	conn.open = false;
	forget();
	pass(2 * S);
	ck_assert(conn.open);
	connected(6, 100);			/* two acks were lost on the way */
	assert_batches(7, 20);
	ck_assert_uint_eq(spooled().acked_seq, 6);
	end();
}
END_TEST

START_TEST(test_collector_forgot)
{
	begin(1);
	put(20, 1);
	connected(0, 100);
	ack(20);
	uplink_handler.closed(up, &conn.conn, "reset");
	conn.open = false;
	forget();
	pass(2 * S);
	connected(15, 100);			/* it lost five: we still hold them */
	assert_batches(16, 20);
	end();
}
END_TEST

START_TEST(test_back_off)
{
	int64_t before = 0, gap, longest = 0;

	begin(3);
	connect_error = -ECONNREFUSED;
	for (unsigned i = 0; i < 20; i++) {
		unsigned was = connects;
		struct mono due = { 0 };

		while (connects == was) {
			due = uplink_tick(up);
			if (connects == was)
				mono_now = due.ns;
		}
		ck_assert_uint_eq(connects, was + 1);
		ck_assert_uint_eq(last_index, i % 3);	/* in turn */
		gap = mono_now - before;
		if (i == 1) {
			ck_assert_int_ge(gap, S / 4);
			ck_assert_int_le(gap, S / 2);
		}
		if (i > 0 && gap > longest)
			longest = gap;
		ck_assert(i == 0 || gap <= 60 * S);
		before = mono_now;
	}
	ck_assert_int_ge(longest, 30 * S);
	end();
}
END_TEST

START_TEST(test_back_off_is_forgotten)
{
	begin(1);
	connect_error = -ECONNREFUSED;
	pass(600 * S);
	connect_error = 0;
	pass(60 * S);
	connected(0, 8);
	for (unsigned i = 0; i < 8; i++) {
		Linkwatch__Pb__Ack a = LINKWATCH__PB__ACK__INIT;

		pass(5 * S);
		frame(FRAME_ACK, &a);		/* something is heard */
	}
	uplink_handler.closed(up, &conn.conn, "reset");
	conn.open = false;
	connects = 0;
	pass(S / 2);
	ck_assert_uint_eq(connects, 1);
	end();
}
END_TEST

START_TEST(test_name_is_being_looked_up)
{
	begin(1);
	connect_error = -EAGAIN;
	pass(3 * S);
	ck_assert_uint_ge(connects, 10);	/* no back-off: it is not a failure */
	connect_error = 0;
	pass(S);
	ck_assert(conn.open);
	end();
}
END_TEST

START_TEST(test_deadlines)
{
	begin(1);
	uplink_tick(up);
	pass(31 * S);				/* nothing opens */
	ck_assert_ptr_nonnull(strstr(last_detail, "no connection"));
	pass(5 * S);
	opened(ROLE_COLLECTOR, "main");
	pass(16 * S);				/* no WELCOME */
	ck_assert_ptr_nonnull(strstr(last_detail, "no WELCOME"));
	pass(5 * S);
	connected(0, 8);
	pass(31 * S);				/* pings go unanswered */
	ck_assert_ptr_nonnull(strstr(last_detail, "nothing heard"));
	end();
}
END_TEST

START_TEST(test_refused_for_good)
{
	begin(1);
	put(5, 1);
	connected(0, 8);
	refuse(2, true, 0);
	ck_assert_uint_eq(refusals, 1);
	ck_assert_uint_eq(now().refused_batches, 1);
	ack(5);					/* covers what was refused */
	uplink_tick(up);
	ck_assert_uint_eq(spooled().acked_seq, 5);
	ck_assert(conn.open);
	refuse(6, true, 0);			/* of one never sent: ignored */
	ck_assert_uint_eq(refusals, 1);
	end();
}
END_TEST

START_TEST(test_refused_for_now)
{
	begin(1);
	put(5, 1);
	connected(0, 8);
	ack(1);
	forget();
	refuse(2, false, 3000);
	refuse(3, false, 1000);
	pass(2900 * NS_PER_MS);
	ck_assert_uint_eq(count(FRAME_BATCH), 0);
	pass(200 * NS_PER_MS);
	assert_batches(2, 5);
	ack(5);					/* an ack of the first round may still come */
	ck_assert(conn.open);
	end();
}
END_TEST

START_TEST(test_session_refused)
{
	begin(1);
	uplink_tick(up);
	opened(ROLE_COLLECTOR, "main");
	refuse(0, false, 20000);
	ck_assert(!conn.open);
	ck_assert_ptr_nonnull(strstr(last_detail, "too \\x1b[2Jold"));
	connects = 0;
	pass(19 * S);
	ck_assert_uint_eq(connects, 0);
	pass(2 * S);
	ck_assert_uint_eq(connects, 1);
	opened(ROLE_COLLECTOR, "main");
	refuse(0, false, UINT32_MAX);		/* no collector may silence us for weeks */
	connects = 0;
	pass(601 * S);
	ck_assert_uint_ge(connects, 1);
	end();
}
END_TEST

/* F25. */
START_TEST(test_pause)
{
	begin(1);
	put(5, 1);
	connected(0, 3);
	frame(FRAME_PAUSE, NULL);
	ack(3);
	forget();
	pass(11 * S);
	ck_assert_uint_eq(count(FRAME_BATCH), 0);
	ck_assert_uint_ge(count(FRAME_CLOCK_PING), 1);
	ck_assert(now().paused);
	frame(FRAME_RESUME, NULL);
	uplink_tick(up);
	assert_batches(4, 5);
	end();
}
END_TEST

START_TEST(test_slow_connection)
{
	begin(1);
	put(5, 1);
	uplink_tick(up);
	opened(ROLE_COLLECTOR, "main");
	conn.queued = UPLINK_BYTES;
	welcome(0, 100);
	uplink_tick(up);
	ck_assert_uint_eq(count(FRAME_BATCH), 0);
	conn.queued = 0;
	uplink_tick(up);
	assert_batches(1, 5);
	conn.send_error = -EPIPE;
	put(1, 1);
	uplink_tick(up);
	ck_assert_int_eq(now().state, UPLINK_WAITING);
	ck_assert_uint_eq(spooled().batches, 6);
	end();
}
END_TEST

static void
pong(int64_t t1, int64_t t2, int64_t t3)
{
	Linkwatch__Pb__ClockPong p = LINKWATCH__PB__CLOCK_PONG__INIT;

	p.t1_ns = t1;
	p.t2_ns = t2;
	p.t3_ns = t3;
	frame(FRAME_CLOCK_PONG, &p);
}

START_TEST(test_clock)
{
	int64_t t1;

	begin(1);
	connected(0, 8);			/* a ping went out with it */
	ck_assert_uint_eq(count(FRAME_CLOCK_PING), 1);
	t1 = mono_now + wall_offset;
	mono_now += 40 * NS_PER_MS;
	wall_offset += 3600 * S;		/* our clock jumps meanwhile: no harm */
	pong(t1, t1 + 5 * S + 10 * NS_PER_MS, t1 + 5 * S + 20 * NS_PER_MS);
	ck_assert_int_eq(now().clock_rtt_ns, 30 * NS_PER_MS);
	ck_assert_int_eq(now().clock_offset_ns, 5 * S - 5 * NS_PER_MS);
	pong(t1, t1, t1);			/* a second answer to the same */
	ck_assert_int_eq(now().clock_rtt_ns, 30 * NS_PER_MS);
	pass(S);
	t1 += 3601 * S;				/* of the second ping: each left a second after the last */
	ck_assert_uint_eq(count(FRAME_CLOCK_PING), 2);
	pong(t1 + 1, t1, t1);			/* to nothing that we asked */
	pong(t1, t1 + 10, t1);			/* it answered before it was asked */
	ck_assert_int_eq(now().clock_rtt_ns, 30 * NS_PER_MS);
	pass(S);
	pong(t1 + S, INT64_MIN, INT64_MAX);
	pass(S);
	pong(t1 + 2 * S, INT64_MAX, INT64_MIN);
	pass(10 * S);
	ck_assert_uint_eq(count(FRAME_CLOCK_PING), 5);
	/* in less time than the first, before there was any */
	pong(t1 + 12 * S, INT64_MIN, INT64_MIN + 30 * NS_PER_MS);
	ck_assert_int_eq(now().clock_rtt_ns, 30 * NS_PER_MS);
	end();
}
END_TEST

START_TEST(test_plan)
{
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__PlanResult *r;

	begin(1);
	connected(0, 8);
	plan.revision = 77;
	frame(FRAME_PLAN, &plan);
	ck_assert_uint_eq(plans, 1);
	ck_assert_uint_eq(count(FRAME_PLAN_RESULT), 1);
	r = linkwatch__pb__plan_result__unpack(NULL, sent[sents - 1].len, sent[sents - 1].payload);
	ck_assert_uint_eq(r->revision, 77);
	linkwatch__pb__plan_result__free_unpacked(r, NULL);
	end();
}
END_TEST

START_TEST(test_plan_result_waits)
{
	Linkwatch__Pb__PlanResult r = LINKWATCH__PB__PLAN_RESULT__INIT;

	begin(1);
	r.revision = 5;
	uplink_plan_result(up, &r);
	uplink_plan_result(up, &r);		/* the newer one counts */
	connected(0, 8);
	ck_assert_uint_eq(count(FRAME_PLAN_RESULT), 1);
	end();
}
END_TEST

/* Each frame that a bad collector may send, in each state: the spool stays whole. */
/* F21. */
START_TEST(test_frames_out_of_turn)
{
	begin(1);
	put(3, 1);
	for (unsigned type = 0; type < 256; type++)
		for (unsigned state = 0; state < 2; state++)
			for (unsigned body = 0; body < 3; body++) {
				static const uint8_t junk[] = { 0xff, 0xff, 0xff, 0xff, 0xff };

				while (!conn.open)
					mono_now = uplink_tick(up).ns;
				if (now().state == UPLINK_CONNECTING)
					opened(ROLE_COLLECTOR, "main");
				if (state == 1 && now().state == UPLINK_GREETING)
					welcome(0, 8);
				uplink_handler.frame(up, &conn.conn, (uint8_t)type,
				    body == 0 ? NULL : junk, body == 0 ? 0 : body == 1 ? 1 : 5);
				uplink_tick(up);
				forget();
			}
	ck_assert_uint_eq(spooled().acked_seq, 0);
	ck_assert_uint_eq(spooled().batches, 3);
	end();
}
END_TEST

/* F03. */
START_TEST(test_unknown_frames_pass)
{
	begin(1);
	connected(0, 8);
	uplink_handler.frame(up, &conn.conn, 99, (const uint8_t *)"x", 1);
	ck_assert(conn.open);			/* of a later version */
	welcome(0, 8);				/* but not twice */
	ck_assert(!conn.open);
	end();
}
END_TEST

START_TEST(test_wrong_version)
{
	Linkwatch__Pb__Welcome w = LINKWATCH__PB__WELCOME__INIT;

	begin(1);
	uplink_tick(up);
	opened(ROLE_COLLECTOR, "main");
	w.version = PROTOCOL_MAX + 1;
	frame(FRAME_WELCOME, &w);
	ck_assert(!conn.open);
	ck_assert_ptr_nonnull(strstr(last_detail, "version"));
	end();
}
END_TEST

/* A collector of protocol 1 reads plain columns only; a newer one gets what the spool holds. */
START_TEST(test_an_older_collector_gets_plain_batches)
{
	for (uint32_t version = PROTOCOL_MIN; version <= PROTOCOL_MAX; version++) {
		Linkwatch__Pb__Welcome w = LINKWATCH__PB__WELCOME__INIT;
		Linkwatch__Pb__Batch *b;
		size_t i = 0;

		begin(1);
		put_usual();
		uplink_tick(up);
		opened(ROLE_COLLECTOR, "main");
		w.version = version;
		w.window = 8;
		frame(FRAME_WELCOME, &w);
		uplink_tick(up);
		assert_batches(1, 1);
		while (sent[i].type != FRAME_BATCH)
			i++;
		b = linkwatch__pb__batch__unpack(NULL, sent[i].len, sent[i].payload);
		ck_assert_ptr_nonnull(b);
		ck_assert_uint_eq(b->n_sent, version < PROTOCOL_SHORT ? 20 : 0);
		ck_assert_int_eq(b->samples.len > 0, version >= PROTOCOL_SHORT);
		linkwatch__pb__batch__free_unpacked(b, NULL);
		end();
		sents = 0;
	}
}
END_TEST

/* Batches go from the spool while a session lives: the next HELLO says from where it goes on. */
START_TEST(test_dropped_under_our_feet)
{
	Linkwatch__Pb__Hello *h;

	begin(1);
	put(2, 1);
	connected(0, 100);
	frame(FRAME_PAUSE, NULL);
	while (spooled().dropped_samples == 0)
		put(1, 900);
	frame(FRAME_RESUME, NULL);
	forget();
	uplink_tick(up);
	ck_assert_ptr_nonnull(strstr(last_detail, "dropped"));
	uplink_tick(up);
	ck_assert(conn.open);			/* at once */
	opened(ROLE_COLLECTOR, "main");
	h = linkwatch__pb__hello__unpack(NULL, sent[0].len, sent[0].payload);
	ck_assert_uint_eq(h->first_seq, spooled().first_seq);
	linkwatch__pb__hello__free_unpacked(h, NULL);
	forget();
	welcome(0, 10);
	uplink_tick(up);
	assert_batches(spooled().first_seq, spooled().first_seq + 9);
	end();
}
END_TEST

/* The first record of the second segment cannot be read any more; its number. */
static uint64_t
damage_second_segment(void)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), segments = 0, fd;
	uint64_t first = 0;
	char path[400];

	for (int i = 0; i < n; i++) {
		if (strstr(names[i]->d_name, ".seg") != NULL && ++segments == 2) {
			first = strtoull(names[i]->d_name, NULL, 10);
			snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		}
		free(names[i]);
	}
	free(names);
	ck_assert_uint_gt(first, 1);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "XXXX", 4, 300), 4);
	close(fd);
	return first;
}

/* What stands before the damage arrives first; then HELLO says where it goes on. */
START_TEST(test_damage_is_passed_over)
{
	Linkwatch__Pb__Hello *h;
	uint64_t bad;

	begin(1);
	put(200, 900);
	bad = damage_second_segment();
	connected(0, 1000);
	assert_batches(1, bad - 1);
	pass(S);
	assert_batches(1, bad - 1);
	ack(bad - 2);
	uplink_tick(up);
	assert_batches(1, bad - 1);
	ck_assert(conn.open);
	ack(bad - 1);
	uplink_tick(up);
	ck_assert_ptr_nonnull(strstr(last_detail, "dropped"));
	forget();
	uplink_tick(up);
	ck_assert(conn.open);			/* at once */
	opened(ROLE_COLLECTOR, "main");
	h = linkwatch__pb__hello__unpack(NULL, sent[0].len, sent[0].payload);
	ck_assert_uint_eq(h->first_seq, bad + 1);
	linkwatch__pb__hello__free_unpacked(h, NULL);
	forget();
	welcome(bad - 1, 1000);
	uplink_tick(up);
	assert_batches(bad + 1, 200);
	put(1, 1);				/* tells the gap */
	uplink_tick(up);
	assert_batches(bad + 1, 202);
	end();
}
END_TEST

START_TEST(test_lost_numbers)
{
	begin(1);
	put(2, 1);
	uplink_tick(up);
	opened(ROLE_COLLECTOR, "main");
	welcome(7, 8);				/* it has seven of a spool that wrote two */
	ck_assert(!conn.open);
	ck_assert_mem_ne(boot, spool_boot_id(spool), sizeof boot);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	forget();
	connected(0, 8);
	assert_batches(1, 2);			/* both were made since the start */
	ack(2);
	ck_assert_uint_eq(spooled().acked_seq, 2);
	end();
}
END_TEST

START_TEST(test_reconnect)
{
	begin(2);
	connected(0, 8);
	uplink_reconnect(up, 1);
	ck_assert(!conn.open);
	connects = 0;
	uplink_tick(up);
	ck_assert_uint_eq(connects, 1);
	ck_assert_uint_eq(last_index, 0);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_greeting, test_wrong_peers, test_window_and_acks,
		test_ack_for_what_was_not_sent, test_ack_of_another_numbering,
		test_resumes_behind_the_ack, test_collector_forgot, test_back_off,
		test_back_off_is_forgotten, test_name_is_being_looked_up, test_deadlines,
		test_refused_for_good, test_refused_for_now, test_session_refused, test_pause,
		test_slow_connection, test_clock, test_plan, test_plan_result_waits,
		test_frames_out_of_turn, test_unknown_frames_pass, test_wrong_version,
		test_an_older_collector_gets_plain_batches,
		test_dropped_under_our_feet, test_damage_is_passed_over, test_lost_numbers, test_reconnect, NULL,
	};

	return run_suite("uplink", tests);
}
