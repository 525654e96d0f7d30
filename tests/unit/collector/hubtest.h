/*
 * hubtest.h - a hub, its disk and its peers for test_session.c and test_feed.c:
 * everything real but the net, the clock and the faults of the disk.
 */
#pragma once

#include <check.h>

#include "tests/unit/collector/peer.h"

static struct test_clock tc;
static struct disk *disk;
static struct hub *hub;
static char *dir;
static Linkwatch__Pb__Plan *plan;
static struct hub_opts opts;
static struct test_conn *conns[64];
static size_t n_conns;
static int reloads, reload_result;

static inline int
reload(void *arg, uint64_t *revision, char **errors)
{
	(void)arg;
	reloads++;
	*revision = 7;
	*errors = reload_result != 0 ? strdup("links.yaml:1:1: bad\n") : NULL;
	return reload_result;
}

/* ------------------------------------------------------------- a faulty disk */

static struct { struct disk disk; struct disk *under; int fail, syncs; } faulty;

struct faulty_file { struct disk_file f; struct disk_file *under; };

static inline ssize_t
ff_pread(struct disk_file *f, void *p, size_t n, int64_t off)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	return u->ops->pread(u, p, n, off);
}

static inline int
ff_pwritev(struct disk_file *f, const struct iovec *v, int n, int64_t off)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	return faulty.fail != 0 ? faulty.fail : u->ops->pwritev(u, v, n, off);
}

static inline int
ff_sync(struct disk_file *f)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	faulty.syncs++;
	return u->ops->sync(u);
}

static inline int
ff_truncate(struct disk_file *f, int64_t n)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	return u->ops->truncate(u, n);
}

static inline int64_t
ff_size(struct disk_file *f)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	return u->ops->size(u);
}


static inline void
ff_close(struct disk_file *f)
{
	struct disk_file *u = ((struct faulty_file *)f)->under;

	u->ops->close(u);
	free(f);
}

static const struct disk_file_ops ff_ops = { ff_pread, ff_pwritev, ff_sync, ff_truncate, ff_size, ff_close };

static inline int
fd_open(struct disk *d, const char *name, int flags, struct disk_file **out)
{
	struct faulty_file *f = xcalloc(1, sizeof *f);
	int r = faulty.under->ops->open(faulty.under, name, flags, &f->under);

	(void)d;
	f->f.ops = &ff_ops;
	*out = &f->f;
	if (r != 0)
		free(f);
	return r;
}

static inline int
fd_unlink(struct disk *d, const char *n)
{
	(void)d;
	return faulty.under->ops->unlink(faulty.under, n);
}

static inline int
fd_rename(struct disk *d, const char *a, const char *b)
{
	(void)d;
	return faulty.under->ops->rename(faulty.under, a, b);
}

static inline int
fd_sync_dir(struct disk *d)
{
	(void)d;
	return faulty.under->ops->sync_dir(faulty.under);
}

static inline int
fd_list(struct disk *d, void (*each)(void *, const char *), void *arg)
{
	(void)d;
	return faulty.under->ops->list(faulty.under, each, arg);
}

static inline void fd_close(struct disk *d) { (void)d; faulty.under->ops->close(faulty.under); }

static const struct disk_ops fd_ops = { fd_open, fd_unlink, fd_rename, fd_sync_dir, fd_list, fd_close };

/* ------------------------------------------------------------------ fixture */

static inline void
open_hub(void)
{
	char why[256];

	if (hub_open(&hub, &opts, why, sizeof why) != 0)
		ck_abort_msg("hub_open: %s", why);
	ck_assert_int_eq(hub_plan(hub, plan), 0);
	ck_assert_int_eq(hub_commit(hub), 0);
}

static inline void
setup(void)
{
	test_clock_init(&tc);
	dir = test_dir();
	ck_assert_int_eq(disk_open_real(dir, &faulty.under), 0);
	faulty.disk.ops = &fd_ops;
	faulty.fail = 0;
	disk = &faulty.disk;
	opts = (struct hub_opts){ .clock = &tc.clock, .disk = disk, .window = 4, .reload = reload,
		.admit = { .past_ns = 3600 * NS_PER_S, .future_ns = 3600 * NS_PER_S } };
	plan = test_plan(LINKS);
	n_conns = 0;
	reloads = reload_result = 0;
	open_hub();
}

static inline void
teardown(void)
{
	hub_close(hub, false);
	for (size_t i = 0; i < n_conns; i++)
		test_conn_free(conns[i]);
	links_free(plan);
	disk->ops->close(disk);
	test_dir_remove(dir);
}

/* kill -9 and a new start. */
static inline void
crash(void)
{
	hub_close(hub, false);
	open_hub();
}

static struct test_conn *
connect_as(enum role role, const char *id)
{
	struct identity who = { .role = role, .not_after_ns = T0 + 86400 * NS_PER_S };
	struct test_conn *c = test_conn_new();

	conns[n_conns++] = c;
	snprintf(who.id, sizeof who.id, "%s", id);
	hub_handler()->opened(hub, &c->conn, &who);
	return c;
}

static inline void
say_raw(struct test_conn *c, uint8_t type, const void *p, size_t n)
{
	hub_handler()->frame(hub, &c->conn, type, p, n);
}

static inline void
say(struct test_conn *c, uint8_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = xmalloc(n + 1);

	protobuf_c_message_pack(m, p);
	say_raw(c, type, p, n);
	free(p);
}

static inline void
hello(struct test_conn *c, int boot, uint64_t first, uint64_t next)
{
	Linkwatch__Pb__Hello m = LINKWATCH__PB__HELLO__INIT;
	uint8_t b[BOOT_ID_LEN];

	boot_id(b, boot);
	m.version_min = 1;
	m.version_max = PROTOCOL_MAX;
	m.software = (char *)"0.1.0";
	m.boot_id = (ProtobufCBinaryData){ .len = BOOT_ID_LEN, .data = b };
	m.first_seq = first;
	m.next_seq = next;
	say(c, FRAME_HELLO, &m.base);
}

static inline void
batch(struct test_conn *c, const struct test_batch *t)
{
	size_t n;
	uint8_t *p = test_batch(t, &n);

	say_raw(c, FRAME_BATCH, p, n);
	free(p);
}

#define EXPECT(c, what) expect((c), (what), __LINE__)
static inline struct sent *
expect(struct test_conn *c, uint8_t type, int line)
{
	struct sent *s = test_next(c);

	ck_assert_msg(s != NULL, "line %d: nothing was sent, expected %s", line, frame_type_name(type));
	ck_assert_msg(s->type == type, "line %d: %s was sent, expected %s", line, frame_type_name(s->type),
	    frame_type_name(type));
	return s;
}

static inline uint64_t
expect_welcome(struct test_conn *c)
{
	struct sent *s = EXPECT(c, FRAME_WELCOME);
	Linkwatch__Pb__Welcome *w = linkwatch__pb__welcome__unpack(NULL, s->n, s->p);
	uint64_t acked = w->acked_seq;

	ck_assert_uint_eq(w->version, PROTOCOL_MAX);
	linkwatch__pb__welcome__free_unpacked(w, NULL);
	return acked;
}

static inline uint64_t
expect_ack(struct test_conn *c)
{
	struct sent *s = EXPECT(c, FRAME_ACK);
	Linkwatch__Pb__Ack *a = linkwatch__pb__ack__unpack(NULL, s->n, s->p);
	uint64_t seq = a->seq;

	linkwatch__pb__ack__free_unpacked(a, NULL);
	return seq;
}

/* The code of the refusal that is next; *seq and *drop if asked for. */
static inline uint32_t
expect_refusal(struct test_conn *c, uint64_t *seq, bool *drop)
{
	struct sent *s = EXPECT(c, FRAME_REFUSAL);
	Linkwatch__Pb__Refusal *r = linkwatch__pb__refusal__unpack(NULL, s->n, s->p);
	uint32_t code = r->code;

	ck_assert(r->reason[0] != '\0');
	if (seq != NULL)
		*seq = r->seq;
	if (drop != NULL)
		*drop = r->drop;
	linkwatch__pb__refusal__free_unpacked(r, NULL);
	return code;
}

/* An agent that is up. */
static struct test_conn *
agent(const char *id, int boot, uint64_t first, uint64_t next)
{
	struct test_conn *c = connect_as(ROLE_AGENT, id);

	hello(c, boot, first, next);
	expect_welcome(c);
	EXPECT(c, FRAME_PLAN);
	return c;
}

/* Records of one type in the journal. */
static inline size_t
count_records(uint16_t type)
{
	struct journal_reader *r;
	struct journal_record rec;
	size_t n = 0;

	ck_assert_int_eq(journal_reader_open(&r, disk, 0), 0);
	while (journal_reader_next(r, &rec) == 1)
		n += rec.type == type;
	journal_reader_close(r);
	return n;
}

/* alertd, let in. */
static inline struct test_conn *
alertd(void)
{
	struct test_conn *c = connect_as(ROLE_ALERTD, "main");

	hello(c, 0, 0, 0);
	expect_welcome(c);
	return c;
}
