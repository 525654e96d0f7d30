/*
 * test_web_live.c - the table of the latest: plan, samples, sessions, garbage.
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_live.h"
#include "common/batch.h"
#include "common/links.h"
#include "common/mem.h"

#define T0 (INT64_C(1767225600) * NS_PER_S)

static const char yaml[] =
    "vendors: [{id: v, code: V, name: 甲}]\n"
    "agents: [{id: a1, vendor: v}, {id: a2, vendor: v}]\n"
    "links:\n"
    "  - {id: x, agent: a1, probe: icmp, target: 10.0.0.1, step: 1s, count: 4}\n"
    "  - {id: y, agent: a1, probe: tcp, target: 10.0.0.1, port: 80, step: 10s, count: 2}\n"
    "  - {id: x, agent: a2, probe: icmp, target: 10.0.0.2, step: 30s, count: 4}\n";

static struct live *
with_plan(const char *text)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *p;
	struct live *l = live_new();

	ck_assert_int_eq(links_parse(text, strlen(text), "links.yaml", &p, &errs), 0);
	live_plan(l, p);
	return l;
}

static int
put(struct live *l, uint16_t type, int64_t wall, const ProtobufCMessage *m)
{
	static uint64_t seq;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = xmalloc(n + 1);
	struct journal_record r = { .seq = ++seq, .type = type, .wall = { wall }, .data = buf, .len = n };
	int rc;

	protobuf_c_message_pack(m, buf);
	rc = live_record(l, &r);
	free(buf);
	return rc;
}

/* One batch with one sample of got out of sent replies of rtt ms. */
static int
sample(struct live *l, const char *agent, const char *link, int64_t start, uint32_t step_ms, uint32_t sent,
    uint32_t got, double ms, uint32_t flags)
{
	static const uint8_t boot[BOOT_ID_LEN] = "test-boot-id-01";
	Linkwatch__Pb__StoredBatch sb = LINKWATCH__PB__STORED_BATCH__INIT;
	struct batch_builder *b = batch_builder_new();
	uint32_t rtt[SAMPLE_RTT_MAX];
	struct sample s = { .link = link, .start_ns = start, .step_ms = step_ms, .sent = sent, .rtt_count = got,
		.flags = flags, .rtt_100ns = rtt };
	uint8_t *data;
	size_t len;
	int rc;

	for (uint32_t i = 0; i < got; i++)
		rtt[i] = (uint32_t)(ms * 10000);
	if (got < sent)
		s.cause[s.causes++] = (struct cause_count){ CAUSE_TIMEOUT, sent - got };
	ck_assert_int_eq(batch_builder_add(b, &s), 0);
	ck_assert_int_eq(batch_builder_finish(b, boot, 1, &data, &len), 0);
	batch_builder_free(b);
	sb.agent = (char *)agent;
	sb.received_ns = start + NS_PER_S;
	sb.batch.data = data;
	sb.batch.len = len;
	rc = put(l, JREC_BATCH, start, &sb.base);
	free(data);
	return rc;
}

START_TEST(latest_sample_wins)
{
	struct live *l = with_plan(yaml);
	const struct live_link *k = live_find(l, "a1", "x");
	uint64_t before;

	ck_assert_ptr_nonnull(k);
	ck_assert_int_eq(k->at_ns, 0);
	ck_assert(isnan(live_loss(k)));
	ck_assert(isnan(k->rtt.p50) && isnan(k->rtt.min) && isnan(k->rtt.pdv));
	ck_assert_int_eq(sample(l, "a1", "x", T0, 1000, 4, 4, 2.0, 0), 0);
	ck_assert_int_eq(k->at_ns, T0 + NS_PER_S);
	ck_assert_double_eq_tol(k->rtt.p50, 2e6, 1);
	before = live_changed(l);
	ck_assert_int_eq(sample(l, "a1", "x", T0 - 5 * NS_PER_S, 1000, 4, 0, 0, 0), 0);	/* backlog */
	ck_assert_double_eq_tol(k->rtt.p50, 2e6, 1);
	ck_assert_uint_eq(k->points, 1);
	ck_assert_uint_le(k->changed, before);
	ck_assert_int_eq(sample(l, "a1", "x", T0 + NS_PER_S, 1000, 4, 1, 3.0, 0), 0);
	ck_assert_double_eq_tol(live_loss(k), 3.0 / 8, 1e-9);
	ck_assert_uint_gt(k->changed, before);
	ck_assert_int_eq(live_find(l, "a2", "x")->at_ns, 0);	/* the same id under another agent */
	live_free(l);
}
END_TEST

START_TEST(not_observed_is_not_loss)
{
	struct live *l = with_plan(yaml);
	const struct live_link *k = live_find(l, "a1", "x");

	sample(l, "a1", "x", T0, 1000, 4, 0, 0, SAMPLE_NOT_OBSERVED);
	ck_assert(isnan(live_loss(k)));
	ck_assert(isnan(k->rtt.p50));
	ck_assert(k->at_ns > 0);
	live_free(l);
}
END_TEST

START_TEST(loss_has_a_window)
{
	struct live *l = with_plan(yaml);
	const struct live_link *k = live_find(l, "a1", "x");

	sample(l, "a1", "x", T0, 1000, 4, 0, 0, 0);
	for (int i = 1; i <= 59; i++)
		sample(l, "a1", "x", T0 + i * NS_PER_S, 1000, 4, 4, 1, 0);
	ck_assert_double_eq_tol(live_loss(k), 4.0 / 240, 1e-9);
	sample(l, "a1", "x", T0 + 60 * NS_PER_S, 1000, 4, 4, 1, 0);
	ck_assert_double_eq_tol(live_loss(k), 0, 1e-9);
	ck_assert_uint_eq(k->points, LIVE_POINTS);
	for (unsigned i = 1; i < k->points; i++)
		ck_assert(live_point(k, i)->at_ns > live_point(k, i - 1)->at_ns);
	live_free(l);
}
END_TEST

START_TEST(new_plan_carries_over)
{
	struct live *l = with_plan(yaml);
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *p;
	char *text = xstrdup(yaml);
	size_t n;

	sample(l, "a1", "x", T0, 1000, 4, 4, 2.0, 0);
	sample(l, "a1", "y", T0, 10000, 2, 2, 5.0, 0);
	memcpy(strstr(text, "id: y"), "id: z", 5);
	ck_assert_int_eq(links_parse(text, strlen(text), "links.yaml", &p, &errs), 0);
	ck_assert_int_eq(put(l, JREC_PLAN, T0, &p->base), 0);
	ck_assert_double_eq_tol(live_find(l, "a1", "x")->rtt.p50, 2e6, 1);
	ck_assert_ptr_null(live_find(l, "a1", "y"));
	ck_assert_int_eq(live_find(l, "a1", "z")->at_ns, 0);
	ck_assert_uint_eq(live_agent_find(l, "a1")->links, 2);
	live_links(l, &n);
	ck_assert_uint_eq(n, 3);
	links_free(p);
	free(text);
	live_free(l);
}
END_TEST

START_TEST(unknown_names_are_ignored)
{
	struct live *l = with_plan(yaml);
	char longest[200];

	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	ck_assert_int_eq(sample(l, "stranger", "x", T0, 1000, 1, 1, 1, 0), 0);
	ck_assert_int_eq(sample(l, "a1", "no-such", T0, 1000, 1, 1, 1, 0), 0);
	ck_assert_ptr_null(live_find(l, "a1", longest));
	ck_assert_ptr_null(live_find(l, longest, longest));
	ck_assert_ptr_null(live_find(l, "", ""));
	live_free(l);
}
END_TEST

START_TEST(sessions_are_followed)
{
	struct live *l = with_plan(yaml);
	const struct live_agent *a = live_agent_find(l, "a1");
	Linkwatch__Pb__Session s = LINKWATCH__PB__SESSION__INIT;
	Linkwatch__Pb__Refused r = LINKWATCH__PB__REFUSED__INIT;

	ck_assert(!a->known);
	s.agent = (char *)"a1";
	s.up = true;
	s.at_ns = T0;
	s.address = (char *)"192.0.2.1:4433";
	s.software = (char *)"0.1.0";
	ck_assert_int_eq(put(l, JREC_SESSION, T0, &s.base), 0);
	ck_assert(a->known && a->connected);
	ck_assert_str_eq(a->address, "192.0.2.1:4433");
	ck_assert_str_eq(a->error, "");
	s.up = false;
	s.at_ns = T0 + NS_PER_S;
	s.reason = (char *)"nothing heard for 45 s";
	ck_assert_int_eq(put(l, JREC_SESSION, T0 + NS_PER_S, &s.base), 0);
	ck_assert(!a->connected);
	ck_assert_str_eq(a->error, "nothing heard for 45 s");
	ck_assert_int_eq(a->error_ns, T0 + NS_PER_S);
	s.agent = (char *)"stranger";
	ck_assert_int_eq(put(l, JREC_SESSION, T0, &s.base), 0);
	ck_assert_int_eq(live_last_ns(l), T0 + NS_PER_S);
	r.peer = (char *)"a1";
	r.reason = (char *)"samples from the future";
	r.at_ns = T0 + 2 * NS_PER_S;
	ck_assert_int_eq(put(l, JREC_REFUSED, T0 + 2 * NS_PER_S, &r.base), 0);
	ck_assert_str_eq(a->error, "samples from the future");
	/* too long, and a character lies across the end */
	s.agent = (char *)"a1";
	s.software = (char *)"0123456789012345678901234567890\u00e9";
	ck_assert_int_eq(put(l, JREC_SESSION, T0, &s.base), 0);
	ck_assert_str_eq(a->software, "0123456789012345678901234567890");
	s.software = (char *)"012345678901234567890123456789\u00e9";
	ck_assert_int_eq(put(l, JREC_SESSION, T0, &s.base), 0);
	ck_assert_str_eq(a->software, "012345678901234567890123456789");
	live_free(l);
}
END_TEST

START_TEST(counts_outlive_a_plan)
{
	struct live *l = with_plan(yaml);
	Linkwatch__Pb__Refused m = LINKWATCH__PB__REFUSED__INIT;
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *p;
	struct live_counts c;

	sample(l, "a1", "x", T0, 1000, 4, 4, 1, 0);
	sample(l, "a2", "x", T0, 1000, 4, 4, 1, 0);
	m.peer = (char *)"a1";
	m.count = 7;
	ck_assert_int_eq(put(l, JREC_REFUSED, T0, &m.base), 0);
	ck_assert_int_eq(links_parse(yaml, strlen(yaml), "links.yaml", &p, &errs), 0);
	live_plan(l, p);
	live_counts(l, &c);
	ck_assert_uint_eq(c.batches, 2);
	ck_assert_uint_eq(c.samples, 2);
	ck_assert_uint_eq(c.refused, 7);
	live_free(l);
}
END_TEST

START_TEST(garbage_changes_nothing)
{
	struct live *l = with_plan(yaml);
	uint8_t junk[64];
	uint64_t before = live_changed(l);

	for (uint16_t type = 0; type < 20; type++) {
		struct journal_record r = { .seq = 1, .type = type, .wall = { T0 }, .data = junk, .len = sizeof junk };

		memset(junk, 0xff, sizeof junk);
		if (type == JREC_BATCH || type == JREC_SESSION || type == JREC_PLAN || type == JREC_REFUSED)
			ck_assert_int_eq(live_record(l, &r), -EBADMSG);
		else
			ck_assert_int_eq(live_record(l, &r), 0);
		r.len = 0;
		if (type != JREC_PLAN)		/* an empty plan is a plan */
			live_record(l, &r);
	}
	ck_assert_uint_eq(live_changed(l), before);
	ck_assert_ptr_nonnull(live_find(l, "a1", "x"));
	live_free(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("web_live");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, latest_sample_wins);
	tcase_add_test(t, not_observed_is_not_loss);
	tcase_add_test(t, loss_has_a_window);
	tcase_add_test(t, new_plan_carries_over);
	tcase_add_test(t, unknown_names_are_ignored);
	tcase_add_test(t, sessions_are_followed);
	tcase_add_test(t, garbage_changes_nothing);
	tcase_add_test(t, counts_outlive_a_plan);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
