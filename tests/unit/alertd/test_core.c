/*
 * test_core.c - the door of the core: what it refuses, what it ignores, what
 * it shows, and how much it bears.  What it decides is told by tests/scenario.
 */
#include "alertd/core.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alertd/core_state.h"
#include "alertd/policy.h"
#include "common/mem.h"
#include "tests/unit/alertd/suite.h"

#define T0 (INT64_C(1768437000) * NS_PER_S)

static struct policy *policy;
static struct core *core;
static int64_t now;

/* n links of 100 agents, step 1 s. */
static Linkwatch__Pb__Plan *
plan_of(size_t n)
{
	Linkwatch__Pb__Plan *p = xmalloc(sizeof(*p));

	linkwatch__pb__plan__init(p);
	p->revision = n;
	p->n_link = n;
	p->link = xcalloc(n + 1, sizeof(*p->link));
	for (size_t i = 0; i < n; i++) {
		Linkwatch__Pb__Link *l = p->link[i] = xmalloc(sizeof(*l));

		linkwatch__pb__link__init(l);
		l->id = xasprintf("link-%zu", i);
		l->agent = xasprintf("agent-%zu", i % 100);
		l->target = xasprintf("192.0.2.%zu", i);
		l->vendor = xasprintf("vendor-%zu", i % 3);
		l->zone = xasprintf("zone-%zu", i % 100);
		l->chain = xstrdup("");
		l->name_zh = xasprintf("链路%zu", i);
		l->name_en = xasprintf("Link %zu", i);
		l->short_zh = xstrdup("");
		l->short_en = xstrdup("");
		l->probe = PROBE_ICMP;
		l->step_ms = 1000;
		l->count = 2;
		l->timeout_ms = 500;
		l->class_ = 1 + i % 3;
	}
	return p;
}

static const struct decisions *
give(struct event ev)
{
	ev.now.ns = now;
	return core_event(core, &ev);
}

static size_t
count(const struct decisions *ds, enum decision_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < ds->n; i++)
		n += ds->v[i].type == type;
	return n;
}

static const struct decisions *
sample_at(const char *agent, const char *link, int64_t start, bool lost)
{
	static uint32_t rtt[2] = { 8000, 9000 };
	struct sample s = { .link = link, .start_ns = start, .step_ms = 1000, .sent = 2,
		.rtt_count = lost ? 0 : 2, .rtt_100ns = rtt };

	if (lost)
		s.cause[s.causes++] = (struct cause_count){ CAUSE_TIMEOUT, 2 };
	return give((struct event){ .type = EV_SAMPLE, .agent = agent, .sample = &s,
	    .journal_seq = 7 });
}

static void
start(size_t links)
{
	Linkwatch__Pb__Plan *p = plan_of(links);

	now = T0;
	policy = policy_default();
	core = core_new(policy);
	give((struct event){ .type = EV_FEED, .feed_up = true });
	give((struct event){ .type = EV_PLAN, .plan = p });
	linkwatch__pb__plan__free_unpacked(p, NULL);
}

static void
stop(void)
{
	core_free(core);
	policy_free(policy);
}

static void
see_link(void *arg, const struct link_view *v)
{
	struct link_view *out = arg;

	if (strcmp(v->link, "link-0") == 0)
		*out = *v;
}

START_TEST(test_view)
{
	struct link_view v;
	char buf[8192];
	json_t *o;

	start(2);
	core_each_link(core, see_link, &v);
	ck_assert_int_eq(v.state, LINK_NOT_OBSERVED);
	ck_assert(isnan(v.loss));
	now += NS_PER_S;
	sample_at("agent-0", "link-0", T0, false);
	core_each_link(core, see_link, &v);
	ck_assert_int_eq(v.state, LINK_UP);
	ck_assert_double_eq(v.loss, 0);
	ck_assert_double_eq(v.rtt_p50_ns, 850000);
	ck_assert_int_eq(core_why(core, "agent-0", "link-0", buf, sizeof(buf)), 0);
	o = json_loads(buf, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")), "up");
	ck_assert_ptr_nonnull(json_object_get(json_object_get(o, "detectors"), "down"));
	json_decref(o);
	ck_assert_int_eq(core_why(core, "agent-0", "link-9", buf, sizeof(buf)), -ENOENT);
	ck_assert_int_eq(core_why(core, "agent-0", "link-0", buf, 20), -ENOSPC);
	ck_assert_ptr_null(core_incident(core, 1));
	ck_assert_str_eq(core_cause_name(LINK_NOT_OBSERVED, CAUSE_OF_ANOMALY + ANOMALY_SILENT), "silent");
	ck_assert_str_eq(core_cause_name(LINK_NOT_OBSERVED, CAUSE_RESOLVE), "resolve");
	ck_assert_str_eq(core_cause_name(LINK_DOWN, ANOMALY_DOWN), "down");
	ck_assert_str_eq(core_cause_name(LINK_UP, 0), "");
	stop();
}
END_TEST

/* Repeated, old, far future, unknown: they change nothing. */
START_TEST(test_ignored_samples)
{
	start(2);
	for (int i = 0; i < 10; i++) {
		now += NS_PER_S;
		sample_at("agent-0", "link-0", T0 + i * NS_PER_S, false);
	}
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(count(sample_at("agent-0", "link-0", T0 + 9 * NS_PER_S, true),
		    DEC_LINK), 0);
	ck_assert_uint_eq(count(sample_at("agent-0", "link-0", now + 3600 * NS_PER_S, true),
	    DEC_LINK_SAVE), 0);
	ck_assert_uint_eq(count(sample_at("agent-0", "link-0", INT64_MAX - 5, true), DEC_LINK_SAVE), 0);
	ck_assert_uint_eq(count(sample_at("agent-0", "link-0", -1, true), DEC_LINK_SAVE), 0);
	ck_assert_uint_eq(count(sample_at("agent-0", "link-77", now, true), DEC_LINK_SAVE), 0);
	ck_assert_uint_eq(count(sample_at("agent-77", "link-0", now, true), DEC_LINK_SAVE), 0);
	for (int i = 0; i < 20; i++) {	/* a small way back, again and again: late, no news */
		ck_assert_uint_eq(count(sample_at("agent-0", "link-0", T0 + 5 * NS_PER_S, true),
		    DEC_INCIDENT), 0);
	}
	stop();
}
END_TEST

/* What was saved comes back; from a build with another layout, or damaged, it does not. */
START_TEST(test_restore_own)
{
	const struct decisions *ds;
	const struct link_mem *m;
	struct dec_blob b = { "agent-0", "link-0", NULL, 0 };
	unsigned char *bytes;

	start(1);
	ds = sample_at("agent-0", "link-0", now, false);
	for (size_t i = 0; i < ds->n; i++)
		if (ds->v[i].type == DEC_LINK_SAVE)
			b = ds->v[i].blob;
	ck_assert_uint_eq(b.len, sizeof(*m));
	bytes = xmalloc(b.len);
	memcpy(bytes, b.data, b.len);
	b = (struct dec_blob){ "agent-0", "link-0", bytes, b.len };
	ck_assert_int_eq(core_restore_link(core, &b), 0);
	/* As a build without a layout in the head wrote it. */
	((struct mem_head *)bytes)->magic = LINK_MAGIC;
	ck_assert_int_eq(core_restore_link(core, &b), -EINVAL);
	*(struct mem_head *)bytes = save_head(LINK_MAGIC, b.len);
	ck_assert_int_eq(core_restore_link(core, &b), 0);
	for (size_t row = 0; detect_table[row] != NULL; row++) {
		unsigned char *head = bytes + offsetof(struct link_mem, detect) +
		    detect_offset(row);

		head[offsetof(struct detect_head, raised)] = 0x8b;
		ck_assert_int_eq(core_restore_link(core, &b), -EINVAL);
		head[offsetof(struct detect_head, raised)] = 0;
		head[offsetof(struct detect_head, severity)] = 77;
		ck_assert_int_eq(core_restore_link(core, &b), -EINVAL);
		head[offsetof(struct detect_head, severity)] = 0;
	}
	ck_assert_int_eq(core_restore_link(core, &b), 0);
	free(bytes);
	stop();
}
END_TEST

/* A blob of another version: that link starts afresh, the core goes on. */
START_TEST(test_restore_refuses)
{
	char bytes[64] = "not ours";
	struct dec_blob b = { "agent-0", "link-0", bytes, sizeof(bytes) };
	struct incident *inc = xcalloc(1, sizeof(*inc));
	struct anomaly a = { .id = 9, .kind = ANOMALY_DOWN, .agent = "agent-9", .link = "no" };

	start(1);
	ck_assert_int_eq(core_restore_link(core, &b), -EINVAL);
	b.len = 0;
	ck_assert_int_eq(core_restore_link(core, &b), -EINVAL);
	ck_assert_int_eq(core_restore_agent(core, &b), -EINVAL);
	b.agent = "@core";
	ck_assert_int_eq(core_restore_agent(core, &b), -EINVAL);
	b.agent = "@contact/";
	ck_assert_int_eq(core_restore_agent(core, &b), -EINVAL);
	b.agent = "@what";
	ck_assert_int_eq(core_restore_agent(core, &b), -EINVAL);
	b.agent = "../x";
	ck_assert_int_eq(core_restore_agent(core, &b), -EINVAL);
	ck_assert_int_eq(core_restore_incident(core, inc), -EINVAL);	/* number 0 */
	inc->number = 5;
	ck_assert_int_eq(core_restore_incident(core, inc), -EINVAL);	/* grade 0 */
	inc->grade = 3;
	inc->state = INC_OPEN;
	inc->kind = ANOMALY_DOWN;
	ck_assert_int_eq(core_restore_incident(core, inc), 0);
	ck_assert_int_eq(core_restore_incident(core, inc), -EINVAL);	/* twice */
	ck_assert_int_eq(core_restore_anomaly(core, &a), -EINVAL);	/* its link is gone */
	a.end.ns = 5;
	ck_assert_int_eq(core_restore_anomaly(core, &a), -EINVAL);
	core_restore_done(core, 40, 90, (struct wall){ now });
	ck_assert_ptr_nonnull(core_incident(core, 5));
	now += NS_PER_S;
	give((struct event){ .type = EV_FEED, .feed_up = true });
	for (int i = 0; i < 5; i++) {
		const struct decisions *ds;

		now += NS_PER_S;
		ds = sample_at("agent-0", "link-0", now - NS_PER_S, true);
		for (size_t k = 0; k < ds->n; k++) {
			if (ds->v[k].type == DEC_INCIDENT)	/* numbers go on where they were */
				ck_assert_uint_eq(ds->v[k].incident->number, 41);
			if (ds->v[k].type == DEC_ANOMALY)
				ck_assert_uint_eq(ds->v[k].anomaly.id, 91);
		}
	}
	ck_assert_ptr_nonnull(core_incident(core, 41));
	free(inc);
	stop();
}
END_TEST

static void
see_agent(void *arg, const struct agent_view *v)
{
	*(int *)arg += v->silent ? 1 : 0;
}

/* Ten thousand links: a second of their samples and a tick take well under a second, and the
 * decisions of one sample do not grow with the number of links. */
START_TEST(test_many_links)
{
	struct timespec a, b;
	int silent = 0;
	double s;

	start(10000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int t = 0; t < 10; t++) {
		now += NS_PER_S;
		for (size_t i = 0; i < 10000; i++) {
			char agent[32], link[32];
			const struct decisions *ds;

			snprintf(agent, sizeof(agent), "agent-%zu", i % 100);
			snprintf(link, sizeof(link), "link-%zu", i);
			ds = sample_at(agent, link, now - NS_PER_S, i == 4711);
			ck_assert_uint_lt(ds->n, 16);
		}
		give((struct event){ .type = EV_TICK });
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	ck_assert_msg(s < 10 * 5, "%.1f s of CPU for 10 s of samples", s);
	ck_assert_ptr_nonnull(core_incident(core, 1));
	ck_assert_str_eq(core_incident(core, 1)->link, "link-4711");
	core_each_agent(core, see_agent, &silent);
	ck_assert_int_eq(silent, 0);
	stop();
}
END_TEST

/* Time that goes back is held; the same plan again changes nothing. */
START_TEST(test_clock_and_plan)
{
	Linkwatch__Pb__Plan *p = plan_of(2);
	struct link_view v;

	start(2);
	now += 5 * NS_PER_S;
	sample_at("agent-0", "link-0", now - NS_PER_S, false);
	ck_assert_uint_eq(count(give((struct event){ .type = EV_PLAN, .plan = p }), DEC_LINK_SAVE), 0);
	now -= 4 * NS_PER_S;
	give((struct event){ .type = EV_TICK });
	core_each_link(core, see_link, &v);
	ck_assert_int_eq(v.state, LINK_UP);
	core_policy(core, policy);
	linkwatch__pb__plan__free_unpacked(p, NULL);
	stop();
}
END_TEST

RUN_SUITE("core", test_view, test_ignored_samples, test_restore_own, test_restore_refuses,
    test_many_links, test_clock_and_plan)
