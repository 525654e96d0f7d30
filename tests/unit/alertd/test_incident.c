/*
 * test_incident.c - an incident survives its JSON byte for byte; what is no
 * incident is refused.
 */
#include "alertd/incident.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/alertd/suite.h"

/* Every byte that a number or text may have is set, so that a member forgotten in JSON shows. */
static struct incident *
full(void)
{
	struct incident *i = xcalloc(1, sizeof(*i));
	struct wall *walls[] = { &i->first_fail, &i->opened, &i->acked, &i->recovered, &i->closed,
		&i->updated, &i->clean_since, &i->outage_start, &i->next_reminder, &i->ack_due,
		&i->recover_due, &i->eta, &i->announce_at, &i->announced,
		&i->raise_base, &i->flap_mute };

	i->number = 17;
	i->code = 3721;
	strcpy(i->fingerprint, "path:a1/gw");
	i->state = INC_HANDLING;
	i->kind = ANOMALY_LATENCY;
	i->severity = SEVERITY_MAJOR;
	i->grade = 2, i->grade_initial = 4, i->grade_final = 1;
	strcpy(i->vendor, "ayun"), strcpy(i->zone, "z1");
	strcpy(i->agent, "a1"), strcpy(i->link, "gw");
	i->segment = SEG_EDGE;
	strcpy(i->located, "ambiguous: 3 or 4");
	i->link_state = LINK_DEGRADED;
	i->links = 70;
	for (int k = 0; k < INCIDENT_LINKS; k++) {
		strcpy(i->link_list[k].agent, "a1");
		i->link_list[k].link[0] = (char)('a' + k % 26);
		i->link_list[k].state = LINK_UP + (enum link_state)(k % 5);
	}
	for (size_t k = 0; k < sizeof(walls) / sizeof(walls[0]); k++)
		walls[k]->ns = INT64_C(1768437000123456789) + (int64_t)k;
	i->outage_ns = 123456789012345;
	i->outages = 3, i->relapses = 2, i->reminders = 5, i->escalation = 4;
	strcpy(i->handler, "张三");
	i->field[FIELD_CAUSE] = xstrdup("101");
	i->field[FIELD_MEASURE] = xstrdup("更换\"光缆\"");
	i->told_n = 2;
	strcpy(i->told[0].recipient, "duty"), strcpy(i->told[0].channel, "sms");
	strcpy(i->told[1].recipient, "managers"), strcpy(i->told[1].channel, "trap");
	i->version = 9, i->evidence = UINT64_C(1) << 60;
	strcpy(i->title_zh, "A云浦东中断"), strcpy(i->title_en, "A-Pudong DOWN");
	strcpy(i->object_zh, "A云浦东"), strcpy(i->object_en, "A-Pudong");
	i->guarded = i->flapping = i->stale = i->stormy = i->digest = true;
	i->overdue = i->lapsed = i->grade_set = true;
	i->messages = 11, i->escalated = 0x15;
	i->figure = 0.1, i->limit = 1e7;
	return i;
}

static void
drop(struct incident *i)
{
	incident_clear(i);
	free(i);
}

static json_t *
through_text(const struct incident *i)
{
	json_t *o = incident_to_json(i), *back;
	char *text = json_dumps(o, 0);

	json_decref(o);
	back = json_loads(text, 0, NULL);
	free(text);
	ck_assert_ptr_nonnull(back);
	return back;
}

START_TEST(test_round_trip)
{
	struct incident *a = full(), *b = xcalloc(1, sizeof(*b)), *c = xcalloc(1, sizeof(*c));
	json_t *o = through_text(a);

	ck_assert_int_eq(incident_from_json(o, b), 0);
	for (int f = 0; f < FIELD_MAX; f++) {
		ck_assert_pstr_eq(a->field[f], b->field[f]);
		free(b->field[f]);
		b->field[f] = a->field[f];	/* the same pointers: all else must be alike */
	}
	ck_assert_mem_eq(a, b, sizeof(*a));
	memset(b->field, 0, sizeof(b->field));
	incident_copy(c, a);
	ck_assert_str_eq(c->field[FIELD_MEASURE], a->field[FIELD_MEASURE]);
	ck_assert_ptr_ne(c->field[FIELD_MEASURE], a->field[FIELD_MEASURE]);
	incident_copy(c, c);
	ck_assert_str_eq(c->field[FIELD_CAUSE], "101");
	json_decref(o);
	drop(a);
	drop(b);
	drop(c);
}
END_TEST

START_TEST(test_readable)
{
	struct incident *a = full();
	json_t *o = through_text(a);

	ck_assert_str_eq(json_string_value(json_object_get(o, "state")), "handling");
	ck_assert_str_eq(json_string_value(json_object_get(o, "state_zh")), "处理中");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "links")), INCIDENT_LINKS);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "missing")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(o, "fields"), "cause")),
	    "101");
	ck_assert_double_eq_tol(json_number_value(json_object_get(o, "outage_s")), 123456.789, 0.01);
	json_decref(o);
	drop(a);
}
END_TEST

/* Each member taken away, or of another type, makes it no incident. */
START_TEST(test_refused)
{
	struct incident *a = full(), *b = xcalloc(1, sizeof(*b));
	json_t *whole = through_text(a), *o;
	const char *key;
	json_t *value;
	int kept = 0;

	json_object_foreach(whole, key, value) {
		o = json_deep_copy(whole);
		json_object_set_new(o, key, json_string("\xef\xbf\xbd wrong wrong wrong wrong wrong wrong "
		    "wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong "
		    "wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong wrong"));
		if (incident_from_json(o, b) == 0) {
			kept++;		/* readable twins of what stands elsewhere */
			incident_clear(b);
		}
		json_decref(o);
	}
	/* seconds (their exact twins stand in "ns"), and lists that may be missing */
	ck_assert_int_le(kept, 25);
	o = json_deep_copy(whole);
	json_object_set_new(o, "grade", json_integer(5));
	ck_assert_int_eq(incident_from_json(o, b), -EINVAL);
	json_object_set_new(o, "grade", json_integer(-1));
	ck_assert_int_eq(incident_from_json(o, b), -EINVAL);
	json_object_set_new(o, "grade", json_integer(300));
	ck_assert_int_eq(incident_from_json(o, b), -EINVAL);
	json_object_set_new(o, "grade", json_integer(1));
	ck_assert_int_eq(incident_from_json(o, b), 0);
	incident_clear(b);
	json_object_set_new(o, "links_total", json_integer(2));	/* fewer than are listed */
	ck_assert_int_eq(incident_from_json(o, b), -EINVAL);
	json_decref(o);
	o = json_null();
	ck_assert_int_eq(incident_from_json(o, b), -EINVAL);
	json_decref(whole);
	drop(a);
	drop(b);
}
END_TEST

START_TEST(test_names)
{
	struct incident i = { .state = INC_OPEN };

	for (int s = INC_OPEN; s <= INC_MERGED; s++) {
		ck_assert_int_eq(incident_state_parse(incident_state_name((enum incident_state)s)), s);
		ck_assert_str_ne(incident_state_zh((enum incident_state)s), "?");
		i.state = (enum incident_state)s;
		ck_assert_int_eq(incident_is_open(&i), s <= INC_REVIEW);
	}
	ck_assert_int_eq(incident_state_parse("ajar"), -1);
	ck_assert_str_eq(incident_state_name(0), "?");
	ck_assert_str_eq(incident_state_zh(10), "?");
	ck_assert_str_eq(incident_field_name(FIELD_MAX), "?");
	ck_assert_str_eq(incident_field_name(FIELD_ROOT_CAUSE), "root-cause");
}
END_TEST

RUN_SUITE("incident", test_round_trip, test_readable, test_refused, test_names)
