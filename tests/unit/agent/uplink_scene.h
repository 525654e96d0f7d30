/*
 * uplink_scene.h - what test_uplink.c plays with: a connection that only
 * notes what is sent, a clock that the test moves, a real spool on disk.
 */
#pragma once

#include "agent/uplink.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/spool.h"
#include "common/batch.h"
#include "common/frame.h"
#include "common/mem.h"
#include "common/model.h"
#include "suite.h"

#define S NS_PER_S
#define SENT_MAX 4096

struct sent { uint8_t type; uint64_t seq; uint8_t *payload; size_t len; };

struct fake {
	struct conn conn;		/* first: what the uplink holds */
	bool open;
	size_t queued;
	int send_error;
};

static struct fake conn;
static struct sent sent[SENT_MAX];
static size_t sents;
static unsigned connects, plans, refusals;
static size_t last_index;
static int connect_error;
static char last_detail[256];
static enum uplink_state last_state;

static int64_t mono_now, wall_offset;
static struct rng_seed seed;
static char dir[64];
static struct disk *disk;
static struct spool *spool;
static struct batch_builder *builder;
static struct uplink *up;
static uint8_t boot[BOOT_ID_LEN];

/* ------------------------------------------------------------------- fakes */

static struct mono fake_mono(const struct clock *c) { (void)c; return (struct mono){ mono_now }; }
static struct wall fake_wall(const struct clock *c)
{
	(void)c;
	return (struct wall){ mono_now + wall_offset };
}
static const struct clock fake_clock = { fake_mono, fake_wall };

static int
fake_send(struct conn *c, uint8_t type, const void *payload, size_t len)
{
	struct sent *s = &sent[sents];

	ck_assert_ptr_eq(c, &conn.conn);
	ck_assert(conn.open);
	if (conn.send_error != 0)
		return conn.send_error;
	ck_assert_uint_lt(sents, SENT_MAX);
	*s = (struct sent){ .type = type, .len = len, .payload = xmalloc(len) };
	memcpy(s->payload, payload, len);
	if (type == FRAME_BATCH) {
		Linkwatch__Pb__Batch *b = batch_unpack(payload, len);

		ck_assert_ptr_nonnull(b);
		s->seq = b->seq;
		linkwatch__pb__batch__free_unpacked(b, NULL);
	}
	sents++;
	return 0;
}

static size_t fake_queued(const struct conn *c) { (void)c; return conn.queued; }
static void fake_pause(struct conn *c, int on) { (void)c; (void)on; }
static void fake_close(struct conn *c) { (void)c; ck_assert(conn.open); conn.open = false; }
static const char *fake_address(const struct conn *c) { (void)c; return "192.0.2.1:4433"; }
static const struct conn_ops fake_ops = { fake_send, fake_queued, fake_pause, fake_close,
	fake_address };

static int
on_connect(void *arg, size_t index, struct uplink *u, struct conn **out)
{
	(void)arg;
	(void)u;
	ck_assert(!conn.open);
	connects++;
	last_index = index;
	if (connect_error != 0)
		return connect_error;
	conn = (struct fake){ .conn = { &fake_ops }, .open = true };
	*out = &conn.conn;
	return 0;
}

static void
on_plan(void *arg, const Linkwatch__Pb__Plan *plan)
{
	Linkwatch__Pb__PlanResult r = LINKWATCH__PB__PLAN_RESULT__INIT;

	(void)arg;
	plans++;
	r.revision = plan->revision;
	uplink_plan_result(up, &r);
}

static void
on_state(void *arg, enum uplink_state state, const char *detail)
{
	(void)arg;
	last_state = state;
	if (state == UPLINK_WAITING)		/* why it ended */
		snprintf(last_detail, sizeof last_detail, "%s", detail);
}

static void
on_refused(void *arg, uint64_t seq, uint32_t code, const char *reason)
{
	(void)arg;
	(void)seq;
	ck_assert_uint_eq(code, REFUSE_TIME);
	ck_assert_str_eq(reason, "too \\x1b[2Jold");
	refusals++;
}

static const struct uplink_ops ops = { on_connect, on_plan, on_state, on_refused };

/* ---------------------------------------------------------------- the scene */

static void
begin(size_t collectors)
{
	struct uplink_opts opts = { .collectors = collectors, .collector_id = "main", .host = "h" };
	struct spool_opts spool_opts = { .max_bytes = 1 << 20, .segment_bytes = 64 * 1024 };
	char why[320];

	strcpy(dir, "/tmp/test_uplink.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(disk_open_real(dir, &disk), 0);
	mono_now = 1000 * S;
	wall_offset = INT64_C(1760000000) * S;
	rng_seeded(&seed, 7);
	ck_assert_int_eq(spool_open(&spool, disk, &seed.rng, &spool_opts,
	    fake_wall(NULL), why, sizeof why), 0);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	builder = batch_builder_new();
	up = uplink_new(&opts, &ops, NULL, spool, &fake_clock, &seed.rng);
}

static void
end(void)
{
	char command[128];

	uplink_free(up);
	ck_assert(!conn.open);
	spool_close(spool);
	disk->ops->close(disk);
	batch_builder_free(builder);
	for (size_t i = 0; i < sents; i++)
		free(sent[i].payload);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
put(unsigned batches, uint32_t rtts)
{
	static uint32_t rtt[SAMPLE_RTT_MAX];

	for (uint32_t i = 0; i < rtts; i++)
		rtt[i] = UINT32_MAX - i;
	while (batches-- > 0) {
		struct sample s = { .link = "l1", .start_ns = mono_now + wall_offset,
			.step_ms = 1000, .sent = rtts, .rtt_count = rtts, .rtt_100ns = rtt };

		ck_assert_int_eq(batch_builder_add(builder, &s), 0);
		ck_assert_int_eq(spool_put(spool, builder, fake_wall(NULL)), 0);
	}
}

/* One batch of twenty samples that are shorter in short. */
static void
put_usual(void)
{
	static const uint32_t rtt[] = { 31000, 31200, 31100, 30900 };

	for (int i = 0; i < 20; i++) {
		struct sample s = { .link = "l1", .start_ns = mono_now + wall_offset + i * S,
			.step_ms = 1000, .sent = 4, .rtt_count = 4, .rtt_100ns = rtt };

		ck_assert_int_eq(batch_builder_add(builder, &s), 0);
	}
	ck_assert_int_eq(spool_put(spool, builder, fake_wall(NULL)), 0);
}

static void
frame(uint8_t type, const void *message)
{
	size_t len = message != NULL ? protobuf_c_message_get_packed_size(message) : 0;
	uint8_t *payload = xmalloc(len + 1);

	if (message != NULL)
		protobuf_c_message_pack(message, payload);
	uplink_handler.frame(up, &conn.conn, type, payload, len);
	free(payload);
}

static void
opened(enum role role, const char *id)
{
	struct identity peer = { .role = role };

	snprintf(peer.id, sizeof peer.id, "%s", id);
	uplink_handler.opened(up, &conn.conn, &peer);
}

static void
welcome(uint64_t acked, uint32_t window)
{
	Linkwatch__Pb__Welcome w = LINKWATCH__PB__WELCOME__INIT;

	w.version = 1;
	w.acked_seq = acked;
	w.window = window;
	frame(FRAME_WELCOME, &w);
}

static void
ack(uint64_t seq)
{
	Linkwatch__Pb__Ack a = LINKWATCH__PB__ACK__INIT;

	a.boot_id.data = boot;
	a.boot_id.len = sizeof boot;
	a.seq = seq;
	frame(FRAME_ACK, &a);
}

static void
refuse(uint64_t seq, bool drop, uint32_t retry_ms)
{
	Linkwatch__Pb__Refusal r = LINKWATCH__PB__REFUSAL__INIT;

	r.boot_id.data = boot;
	r.boot_id.len = sizeof boot;
	r.seq = seq;
	r.code = REFUSE_TIME;
	r.reason = "too \x1b[2Jold";
	r.drop = drop;
	r.retry_after_ms = retry_ms;
	frame(FRAME_REFUSAL, &r);
}

/* Lets time pass the way the loop does: from one due moment to the next. */
static void
pass(int64_t ns)
{
	int64_t until = mono_now + ns;

	for (;;) {
		struct mono due = uplink_tick(up);

		if (due.ns > until)
			break;
		mono_now = due.ns > mono_now ? due.ns : mono_now + NS_PER_MS;
	}
	mono_now = until;
	uplink_tick(up);
}

static void
connected(uint64_t acked, uint32_t window)
{
	uplink_tick(up);
	ck_assert(conn.open);
	opened(ROLE_COLLECTOR, "main");
	welcome(acked, window);
	uplink_tick(up);
	ck_assert_int_eq(last_state, UPLINK_UP);
}

static unsigned
count(uint8_t type)
{
	unsigned n = 0;

	for (size_t i = 0; i < sents; i++)
		n += sent[i].type == type;
	return n;
}

static void
forget(void)
{
	for (size_t i = 0; i < sents; i++)
		free(sent[i].payload);
	sents = 0;
}

/* The batches sent since forget() are exactly from .. to, in order. */
static void
assert_batches(uint64_t from, uint64_t to)
{
	uint64_t want = from;

	for (size_t i = 0; i < sents; i++) {
		if (sent[i].type != FRAME_BATCH)
			continue;
		ck_assert_uint_eq(sent[i].seq, want);
		want++;
	}
	ck_assert_uint_eq(want, to + 1);
}

static struct uplink_stat
now(void)
{
	struct uplink_stat st;

	uplink_stat(up, &st);
	return st;
}

static struct spool_stat
spooled(void)
{
	struct spool_stat st;

	spool_stat(spool, &st);
	return st;
}
