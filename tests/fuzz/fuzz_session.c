/*
 * fuzz_session.c - whatever an authenticated peer may say to a collector.
 *
 * The input is a list of acts, each one byte and what it needs:
 *   'A' an agent connects   'B' a second session of it   'D' alertd connects
 *   'f' WHO TYPE LEN16 payload: a frame (WHO: index of the connection)
 *   'x' WHO: the connection breaks   'c' commit   't' a second passes   'k' crash and restart
 *   'e' the disk is full   'E' it is not
 *
 * Whatever is said: nobody is talked to after the close, an ACK never goes
 * back or beyond what is durable, and after a restart everything acknowledged
 * is still known.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/session.h"
#include "common/log.h"
#include "tests/sim/sim_disk.h"

#define NOW (INT64_C(1768000000) * NS_PER_S)
#define CONNS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct link_end {
	struct conn conn;
	bool is_open, is_agent;
};

static struct world {
	struct clock clock;
	int64_t ns;
	struct sim_platter *platter;
	struct disk *disk;
	struct hub *hub;
	struct link_end end[CONNS];
	size_t n;
	uint64_t acked;			/* the highest ACK of boot id 1 */
	uint8_t boot[BOOT_ID_LEN];
} w;

static struct mono mono(const struct clock *c) { (void)c; return (struct mono){ w.ns - NOW + NS_PER_S }; }
static struct wall wall(const struct clock *c) { (void)c; return (struct wall){ w.ns }; }

static int
end_send(struct conn *conn, uint8_t type, const void *p, size_t n)
{
	struct link_end *e = (struct link_end *)conn;
	Linkwatch__Pb__Ack *a;

	assert(e->is_open);
	assert(n <= FRAME_MAX);
	if (type != FRAME_ACK)
		return 0;
	assert(e->is_agent);
	a = linkwatch__pb__ack__unpack(NULL, n, p);
	assert(a != NULL && a->boot_id.len == BOOT_ID_LEN);
	if (memcmp(a->boot_id.data, w.boot, BOOT_ID_LEN) == 0) {
		assert(a->seq >= w.acked);
		w.acked = a->seq;
	}
	linkwatch__pb__ack__free_unpacked(a, NULL);
	return 0;
}

static size_t end_queued(const struct conn *c) { (void)c; return 0; }
static void end_pause(struct conn *c, int on) { (void)c, (void)on; }
static void end_close(struct conn *c) { ((struct link_end *)c)->is_open = false; }
static const char *end_address(const struct conn *c) { (void)c; return "192.0.2.7:4433"; }

static const struct conn_ops end_ops = { end_send, end_queued, end_pause, end_close, end_address };

static void
open_hub(void)
{
	struct hub_opts o = { .clock = &w.clock, .disk = w.disk, .window = 8, .segment_bytes = 4096,
		.admit = { .past_ns = 3600 * NS_PER_S, .future_ns = 3600 * NS_PER_S } };
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT;
	Linkwatch__Pb__Link link = LINKWATCH__PB__LINK__INIT, *links[] = { &link };
	Linkwatch__Pb__AgentInfo agent = LINKWATCH__PB__AGENT_INFO__INIT, *agents[] = { &agent };
	char why[200];

	agent.id = link.agent = (char *)"a1";
	link.id = (char *)"gw";
	link.target = (char *)"192.0.2.1";
	plan.revision = 77;
	plan.n_link = plan.n_agent = 1;
	plan.link = links;
	plan.agent = agents;
	assert(hub_open(&w.hub, &o, why, sizeof why) == 0);
	assert(hub_plan(w.hub, &plan) == 0);
	hub_commit(w.hub);
}

static void
connect_as(enum role role, const char *id)
{
	struct identity who = { .role = role };
	struct link_end *e;

	if (w.n == CONNS)
		return;
	e = &w.end[w.n++];
	e->conn.ops = &end_ops;
	e->is_open = true;
	e->is_agent = role == ROLE_AGENT;
	memcpy(who.id, id, strlen(id));
	hub_handler()->opened(w.hub, &e->conn, &who);
}

static void
restart(void)
{
	hub_close(w.hub, false);
	memset(w.end, 0, sizeof w.end);
	w.n = 0;
	sim_platter_faults(w.platter, &(struct sim_disk_faults){ 0 });
	open_hub();
	/* All that was acknowledged stands: the table of numbers was made anew from the journal. */
	if (w.acked > 0) {
		struct admit_limits l = { 0 };
		struct admit *a = admit_new(&l);
		struct journal_reader *r;
		struct journal_record rec;

		assert(journal_reader_open(&r, w.disk, 0) == 0);
		while (journal_reader_next(r, &rec) == 1)
			admit_replay(a, &rec);
		admit_committed(a);
		assert(admit_durable(a, "a1", w.boot) >= w.acked);
		journal_reader_close(r);
		admit_free(a);
	}
}

/* One act off the front; the bytes it took. */
static size_t
act(const uint8_t *p, size_t n)
{
	struct link_end *e = n > 1 && w.n > 0 ? &w.end[p[1] % w.n] : NULL;
	size_t len;

	switch (p[0]) {
	case 'A': case 'B':
		connect_as(ROLE_AGENT, "a1");
		return 1;
	case 'D':
		connect_as(ROLE_ALERTD, "main");
		return 1;
	case 'f':
		if (n < 5)
			return n;
		len = (size_t)p[3] << 8 | p[4];
		if (len > n - 5)
			len = n - 5;
		if (e != NULL && e->is_open)
			hub_handler()->frame(w.hub, &e->conn, p[2], p + 5, len);
		return 5 + len;
	case 'x':
		if (e != NULL && e->is_open) {
			e->is_open = false;
			hub_handler()->closed(w.hub, &e->conn, "broken");
		}
		return n > 1 ? 2 : 1;
	case 'c':
		hub_commit(w.hub);
		return 1;
	case 't':
		w.ns += NS_PER_S;
		hub_tick(w.hub);
		return 1;
	case 'k':
		restart();
		return 1;
	case 'e': case 'E':
		sim_platter_faults(w.platter, &(struct sim_disk_faults){ .capacity = p[0] == 'e' ? 1 : 0 });
		return 1;
	}
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set_level((enum log_level)0);
	memset(&w, 0, sizeof w);
	w.clock = (struct clock){ .mono = mono, .wall = wall };
	w.ns = NOW;
	w.boot[0] = 1;
	w.platter = sim_platter_new(1);
	w.disk = sim_disk_view(w.platter);
	open_hub();
	while (size > 0) {
		size_t n = act(data, size);

		data += n;
		size -= n;
	}
	sim_platter_faults(w.platter, &(struct sim_disk_faults){ 0 });
	hub_commit(w.hub);
	restart();
	hub_stop(w.hub);
	hub_close(w.hub, true);
	w.disk->ops->close(w.disk);
	sim_platter_free(w.platter);
	return 0;
}
