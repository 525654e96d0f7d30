/*
 * incident_json.c - an incident as JSON and back: one table of members, so
 * that nothing can be written that is not read again.
 *
 * Times stand as seconds for readers; "ns" holds them exactly for restoring.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/incident.h"
#include "common/mem.h"

enum member_type { M_U64, M_U32, M_U16, M_U8, M_BOOL, M_TEXT, M_WALL, M_NS, M_DOUBLE, M_NAME };

struct member {
	const char *name;
	enum member_type type;
	size_t offset, size;		/* size: of a text */
	const char *(*name_of)(uint32_t);	/* M_NAME: an enum by its key word */
	uint32_t low, high;
};

static const char *
state_name(uint32_t s)
{
	return incident_state_name((enum incident_state)s);
}

#define AT(m) offsetof(struct incident, m)
#define TEXT(n, m) { n, M_TEXT, AT(m), sizeof(((struct incident *)0)->m), NULL, 0, 0 }
#define PLAIN(n, t, m) { n, t, AT(m), 0, NULL, 0, 0 }
#define NAME(n, m, f, low, high) { n, M_NAME, AT(m), 0, f, low, high }

static const struct member members[] = {
	PLAIN("number", M_U64, number), PLAIN("code", M_U16, code),
	TEXT("fingerprint", fingerprint),
	NAME("state", state, state_name, INC_OPEN, INC_MERGED),
	NAME("kind", kind, anomaly_kind_name, ANOMALY_DOWN, ANOMALY_SELF),
	NAME("severity", severity, severity_name, SEVERITY_CRITICAL, SEVERITY_INFO),
	PLAIN("grade", M_U8, grade), PLAIN("grade_initial", M_U8, grade_initial),
	PLAIN("grade_final", M_U8, grade_final),
	TEXT("vendor", vendor), TEXT("zone", zone), TEXT("agent", agent), TEXT("link", link),
	NAME("segment", segment, segment_name, SEG_NONE, SEG_APP), TEXT("located", located),
	NAME("link_state", link_state, link_state_name, LINK_UP, LINK_NOT_OBSERVED),
	PLAIN("links_total", M_U32, links),
	PLAIN("first_fail", M_WALL, first_fail), PLAIN("opened", M_WALL, opened),
	PLAIN("acked", M_WALL, acked), PLAIN("recovered", M_WALL, recovered),
	PLAIN("closed", M_WALL, closed), PLAIN("updated", M_WALL, updated),
	PLAIN("clean_since", M_WALL, clean_since), PLAIN("outage_start", M_WALL, outage_start),
	PLAIN("outage_s", M_NS, outage_ns),
	PLAIN("outages", M_U32, outages), PLAIN("relapses", M_U32, relapses),
	PLAIN("reminders", M_U32, reminders),
	PLAIN("next_reminder", M_WALL, next_reminder), PLAIN("ack_due", M_WALL, ack_due),
	PLAIN("recover_due", M_WALL, recover_due), PLAIN("escalation", M_U8, escalation),
	TEXT("handler", handler), PLAIN("eta", M_WALL, eta),
	PLAIN("version", M_U32, version), PLAIN("evidence", M_U64, evidence),
	TEXT("title_zh", title_zh), TEXT("title_en", title_en),
	PLAIN("guarded", M_BOOL, guarded), PLAIN("flapping", M_BOOL, flapping),
	PLAIN("announce_at", M_WALL, announce_at), PLAIN("announced", M_WALL, announced),
	PLAIN("raise_base", M_WALL, raise_base),
	PLAIN("flap_mute", M_WALL, flap_mute), PLAIN("messages", M_U32, messages),
	PLAIN("escalated", M_U32, escalated), PLAIN("stale", M_BOOL, stale),
	PLAIN("stormy", M_BOOL, stormy), PLAIN("digest", M_BOOL, digest),
	PLAIN("overdue", M_BOOL, overdue), PLAIN("lapsed", M_BOOL, lapsed),
	PLAIN("grade_set", M_BOOL, grade_set),
	TEXT("object_zh", object_zh), TEXT("object_en", object_en),
	PLAIN("figure", M_DOUBLE, figure), PLAIN("limit", M_DOUBLE, limit),
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static int64_t
wall_of(const void *p)
{
	return ((const struct wall *)p)->ns;
}

static json_t *
member_to_json(const struct member *m, const void *p)
{
	switch (m->type) {
	case M_U64:
		return json_integer((json_int_t)*(const uint64_t *)p);
	case M_U32:
		return json_integer(*(const uint32_t *)p);
	case M_U16:
		return json_integer(*(const uint16_t *)p);
	case M_U8:
		return json_integer(*(const uint8_t *)p);
	case M_BOOL:
		return json_boolean(*(const bool *)p);
	case M_TEXT:
		return json_string(p);
	case M_WALL:
		return json_real((double)wall_of(p) / 1e9);
	case M_NS:
		return json_real((double)*(const int64_t *)p / 1e9);
	case M_DOUBLE:
		return json_real(*(const double *)p);
	case M_NAME:
		return json_string(m->name_of(*(const uint32_t *)p));
	}
	return NULL;
}

/* What people read and restoring does not need, but for links and told. */
static void
add_readable(json_t *o, const struct incident *inc)
{
	json_t *missing = json_array(), *set = json_object();

	for (int f = 0; f < FIELD_MAX; f++)
		if (inc->field[f] == NULL)
			json_array_append_new(missing, json_string(incident_field_name(f)));
		else
			json_object_set_new(set, incident_field_name(f), json_string(inc->field[f]));
	json_object_set_new(o, "fields", set);
	json_object_set_new(o, "missing", missing);
	json_object_set_new(o, "state_zh", json_string(incident_state_zh(inc->state)));
}

struct json_t *
incident_to_json(const struct incident *inc)
{
	json_t *o = json_object(), *ns = json_object(), *links = json_array(), *told = json_array();
	uint32_t n = inc->links < INCIDENT_LINKS ? inc->links : INCIDENT_LINKS;

	for (size_t i = 0; i < MEMBERS; i++) {
		const struct member *m = &members[i];
		const void *p = (const char *)inc + m->offset;

		json_object_set_new(o, m->name, member_to_json(m, p));
		if ((m->type == M_WALL || m->type == M_NS) && *(const int64_t *)p != 0)
			json_object_set_new(ns, m->name, json_integer(*(const int64_t *)p));
	}
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(links, json_pack("{s:s,s:s,s:s}",
		    "agent", inc->link_list[i].agent, "link", inc->link_list[i].link,
		    "state", link_state_name(inc->link_list[i].state)));
	for (uint32_t i = 0; i < inc->told_n && i < INCIDENT_TOLD; i++)
		json_array_append_new(told, json_pack("{s:s,s:s}",
		    "recipient", inc->told[i].recipient, "channel", inc->told[i].channel));
	json_object_set_new(o, "ns", ns);
	json_object_set_new(o, "links", links);
	json_object_set_new(o, "told", told);
	add_readable(o, inc);
	return o;
}

/* A text into a fixed array.  -EINVAL: no text, or too long. */
static int
text_from(const json_t *v, char *buf, size_t n)
{
	const char *s = json_string_value(v);

	if (s == NULL || strlen(s) >= n)
		return -EINVAL;
	memcpy(buf, s, strlen(s) + 1);
	return 0;
}

static int
integer_from(const json_t *v, const struct member *m, void *p)
{
	uint64_t max = m->type == M_U8 ? UINT8_MAX : m->type == M_U16 ? UINT16_MAX :
	    m->type == M_U32 ? UINT32_MAX : INT64_MAX;
	json_int_t i = json_integer_value(v);

	if (!json_is_integer(v) || i < 0 || (uint64_t)i > max)
		return -EINVAL;
	if (m->type == M_U8)
		*(uint8_t *)p = (uint8_t)i;
	else if (m->type == M_U16)
		*(uint16_t *)p = (uint16_t)i;
	else if (m->type == M_U32)
		*(uint32_t *)p = (uint32_t)i;
	else
		*(uint64_t *)p = (uint64_t)i;
	return 0;
}

static int
name_from(const json_t *v, const char *(*name_of)(uint32_t), uint32_t low, uint32_t high,
    uint32_t *out)
{
	const char *s = json_string_value(v);

	for (uint32_t i = low; s != NULL && i <= high; i++)
		if (strcmp(name_of(i), s) == 0) {
			*out = i;
			return 0;
		}
	return -EINVAL;
}

static int
member_from_json(const struct member *m, const json_t *o, const json_t *ns, void *p)
{
	const json_t *v = json_object_get(o, m->name);

	switch (m->type) {
	case M_BOOL:
		*(bool *)p = json_is_true(v);
		return json_is_boolean(v) ? 0 : -EINVAL;
	case M_TEXT:
		return text_from(v, p, m->size);
	case M_WALL:
	case M_NS:
		*(int64_t *)p = json_integer_value(json_object_get(ns, m->name));
		return 0;
	case M_DOUBLE:
		*(double *)p = json_number_value(v);
		return json_is_number(v) ? 0 : -EINVAL;
	case M_NAME:
		return name_from(v, m->name_of, m->low, m->high, p);
	default:
		return integer_from(v, m, p);
	}
}

static int
lists_from_json(const json_t *o, struct incident *inc)
{
	const json_t *links = json_object_get(o, "links"), *told = json_object_get(o, "told"), *v;
	uint32_t state;
	size_t i;

	if (json_array_size(links) > INCIDENT_LINKS || json_array_size(told) > INCIDENT_TOLD ||
	    json_array_size(links) > inc->links)
		return -EINVAL;
	json_array_foreach(links, i, v) {
		struct incident_link *l = &inc->link_list[i];

		if (text_from(json_object_get(v, "agent"), l->agent, sizeof(l->agent)) < 0 ||
		    text_from(json_object_get(v, "link"), l->link, sizeof(l->link)) < 0 ||
		    name_from(json_object_get(v, "state"), link_state_name, LINK_UP,
		    LINK_NOT_OBSERVED, &state) < 0)
			return -EINVAL;
		l->state = (enum link_state)state;
	}
	json_array_foreach(told, i, v)
		if (text_from(json_object_get(v, "recipient"), inc->told[i].recipient,
		    sizeof(inc->told[i].recipient)) < 0 ||
		    text_from(json_object_get(v, "channel"), inc->told[i].channel,
		    sizeof(inc->told[i].channel)) < 0)
			return -EINVAL;
	inc->told_n = (uint32_t)json_array_size(told);
	return 0;
}

int
incident_from_json(const struct json_t *o, struct incident *out)
{
	const json_t *ns = json_object_get(o, "ns"), *set = json_object_get(o, "fields");
	int rc = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < MEMBERS && rc == 0; i++)
		rc = member_from_json(&members[i], o, ns, (char *)out + members[i].offset);
	if (rc == 0)
		rc = lists_from_json(o, out);
	if (rc == 0 && (out->number == 0 || out->grade < 1 || out->grade > 4))
		rc = -EINVAL;
	for (int f = 0; f < FIELD_MAX && rc == 0; f++) {
		const char *s = json_string_value(json_object_get(set, incident_field_name(f)));

		out->field[f] = s == NULL ? NULL : xstrdup(s);
	}
	if (rc < 0)
		incident_clear(out);
	return rc;
}
