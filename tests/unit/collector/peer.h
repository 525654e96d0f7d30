/*
 * peer.h - what the tests of the collector share: plans, batches, and a
 * connection that only notes what is sent.
 */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/session.h"
#include "common/batch.h"
#include "common/frame.h"
#include "common/links.h"
#include "common/mem.h"

#define T0 (INT64_C(1768000000) * NS_PER_S)	/* when tests begin */

static const char LINKS[] =
    "vendors:\n"
    "  - {id: va, code: A云, code_en: A, name: 甲云, name_en: Cloud A}\n"
    "agents:\n"
    "  - {id: a1, vendor: va, zone: z1, name: 一号, name_en: one}\n"
    "  - {id: a2, vendor: va, zone: z1, name: 二号, name_en: two}\n"
    "links:\n"
    "  - {id: gw, agent: a1, probe: icmp, target: 192.0.2.1, step: 1s, count: 1, timeout: 500ms,\n"
    "     class: A, name: 网关, name_en: gateway}\n"
    "  - {id: web, agent: a1, probe: tcp, target: 192.0.2.2, port: 443, step: 10s, count: 5, timeout: 1s,\n"
    "     class: B, name: 网页, name_en: web}\n"
    "  - {id: gw, agent: a2, probe: icmp, target: 192.0.2.3, step: 1s, count: 1, timeout: 500ms,\n"
    "     class: C, name: 网关二, name_en: gateway2}\n";

/* Ends the test with the lines that it could not parse. */
static inline Linkwatch__Pb__Plan *
test_plan(const char *text)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan = NULL;
	int r = links_parse(text, strlen(text), "links.yaml", &plan, &errs);

	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (r != 0)
		abort();
	return plan;
}

static inline void
boot_id(uint8_t boot[BOOT_ID_LEN], int n)
{
	memset(boot, 0xb0, BOOT_ID_LEN);
	boot[0] = (uint8_t)n;
}

struct test_batch {
	int boot;
	uint64_t seq;
	const char *link;		/* NULL: "gw" */
	int64_t start_ns;		/* of the first sample; 0: T0 + seq seconds */
	int samples;			/* 0: 1 */
	uint32_t rtt_100ns;		/* 0: 12345 */
	uint64_t gap_first, gap_last;
	bool lost;			/* no reply */
	bool plain;			/* as protocol 1 has it */
};

/* Packed, malloc'd. */
static inline uint8_t *
test_batch(const struct test_batch *t, size_t *len)
{
	struct batch_builder *bb = batch_builder_new();
	uint32_t rtt = t->rtt_100ns != 0 ? t->rtt_100ns : 12345;
	uint8_t boot[BOOT_ID_LEN], *out;

	for (int i = 0; i < (t->samples != 0 ? t->samples : 1); i++) {
		struct sample s = { .link = t->link != NULL ? t->link : "gw", .step_ms = 1000, .sent = 1,
			.rtt_count = t->lost ? 0 : 1, .rtt_100ns = &rtt,
			.start_ns = (t->start_ns != 0 ? t->start_ns : T0 + (int64_t)t->seq * NS_PER_S) +
			    i * NS_PER_S };

		if (t->lost) {
			s.causes = 1;
			s.cause[0] = (struct cause_count){ .cause = CAUSE_TIMEOUT, .count = 1 };
		}
		if (batch_builder_add(bb, &s) != 0)
			abort();
	}
	if (t->gap_first != 0) {
		Linkwatch__Pb__Gap g = LINKWATCH__PB__GAP__INIT;

		g.from_ns = T0;
		g.to_ns = T0 + NS_PER_S;
		g.count = 1;
		g.reason = (char *)"spool full";
		g.first_seq = t->gap_first;
		g.last_seq = t->gap_last;
		batch_builder_gap(bb, &g);
	}
	boot_id(boot, t->boot);
	if (batch_builder_finish(bb, boot, t->seq, &out, len) != 0)
		abort();
	batch_builder_free(bb);
	if (t->plain) {
		uint8_t *in_short = out;

		if (batch_to_plain(in_short, *len, &out, len) != 0)
			abort();
		free(in_short);
	}
	return out;
}

/* A batch bent by bend() before it is packed, malloc'd. */
static inline uint8_t *
bent_batch(const struct test_batch *t, void (*bend)(Linkwatch__Pb__Batch *), size_t *len)
{
	uint8_t *p = test_batch(t, len), *out;
	Linkwatch__Pb__Batch *b = batch_unpack(p, *len);

	bend(b);
	*len = linkwatch__pb__batch__get_packed_size(b);
	out = xmalloc(*len + 1);
	linkwatch__pb__batch__pack(b, out);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	free(p);
	return out;
}

/* ----------------------------------------------------- a connection of no net */

struct sent { uint8_t type; uint8_t *p; size_t n; };

struct test_conn {
	struct conn conn;
	struct sent *sent;
	size_t n, seen;			/* seen: how many the test has looked at */
	bool is_closed, is_paused;
	size_t queued;
};

static inline int
test_send(struct conn *conn, uint8_t type, const void *p, size_t n)
{
	struct test_conn *c = (struct test_conn *)conn;
	struct sent *s;

	if (c->is_closed)
		abort();		/* nobody may talk to a closed one */
	if (n > FRAME_MAX)
		return -EMSGSIZE;
	c->sent = xreallocarray(c->sent, c->n + 1, sizeof *c->sent);
	s = &c->sent[c->n++];
	*s = (struct sent){ .type = type, .p = xmalloc(n + 1), .n = n };
	if (n > 0)
		memcpy(s->p, p, n);
	return 0;
}

static inline size_t test_queued(const struct conn *c) { return ((const struct test_conn *)c)->queued; }
static inline void test_pause(struct conn *c, int on) { ((struct test_conn *)c)->is_paused = on != 0; }
static inline void test_close(struct conn *c) { ((struct test_conn *)c)->is_closed = true; }
static inline const char *test_address(const struct conn *c) { (void)c; return "192.0.2.7:4433"; }

static const struct conn_ops test_conn_ops = { .send = test_send, .queued = test_queued,
	.pause = test_pause, .close = test_close, .address = test_address };

static inline struct test_conn *
test_conn_new(void)
{
	struct test_conn *c = xcalloc(1, sizeof *c);

	c->conn.ops = &test_conn_ops;
	return c;
}

static inline void
test_conn_free(struct test_conn *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->sent[i].p);
	free(c->sent);
	free(c);
}

/* The next frame that was sent and not looked at, or NULL. */
static inline struct sent *
test_next(struct test_conn *c)
{
	return c->seen < c->n ? &c->sent[c->seen++] : NULL;
}

/* ------------------------------------------------------------- a moving clock */

struct test_clock { struct clock clock; int64_t ns; };

static inline struct mono
test_mono(const struct clock *c)
{
	return (struct mono){ ((const struct test_clock *)c)->ns - T0 + 1000 * NS_PER_S };
}

static inline struct wall
test_wall(const struct clock *c)
{
	return (struct wall){ ((const struct test_clock *)c)->ns };
}

static inline void
test_clock_init(struct test_clock *c)
{
	*c = (struct test_clock){ .clock = { .mono = test_mono, .wall = test_wall }, .ns = T0 };
}

/* ------------------------------------------------------------- a directory */

static inline char *
test_dir(void)
{
	char *dir = xstrdup("/tmp/lw-collector-XXXXXX");

	if (mkdtemp(dir) == NULL)
		abort();
	return dir;
}

static inline void
test_dir_remove(char *dir)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);

	if (system(cmd) != 0)
		abort();
	free(cmd);
	free(dir);
}
