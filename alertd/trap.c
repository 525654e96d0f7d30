/*
 * trap.c - from an incident's JSON to the values of a notification.
 */
#include "alertd/trap.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "alertd/incident.h"
#include "common/model.h"
#include "common/utf.h"

static enum trap_notification
what_of(const char *event)
{
	if (strcmp(event, "open") == 0)
		return TRAP_OPENED;
	if (strcmp(event, "recover") == 0)
		return TRAP_RECOVERED;
	if (strcmp(event, "close") == 0)
		return TRAP_CLOSED;
	return TRAP_RAISED;
}

static struct trap_value *
add(struct trap *t, enum trap_column column, enum trap_type type)
{
	struct trap_value *v = &t->value[t->values++];

	memset(v, 0, sizeof(*v));
	v->column = column;
	v->type = type;
	return v;
}

static void
add_text(struct trap *t, enum trap_column column, const json_t *doc, const char *key)
{
	struct trap_value *v = add(t, column, TRAP_OCTETS);
	const char *s = json_string_value(json_object_get(doc, key));
	uint32_t cp;

	for (size_t n; s != NULL && *s != '\0'; s += n) {
		n = utf_next(s, strlen(s), &cp);
		if (n == 0 || v->len + n > sizeof(v->octets))
			break;
		memcpy(v->octets + v->len, s, n);
		v->len += n;
	}
}

/* The number whose name stands under key: names are few and the table is the model's own. */
static void
add_named(struct trap *t, enum trap_column column, const json_t *doc, const char *key,
    const char *(*name_of)(uint32_t), uint32_t max)
{
	struct trap_value *v = add(t, column, TRAP_INTEGER);
	const char *s = json_string_value(json_object_get(doc, key));

	v->number = 1;
	for (uint32_t i = 1; s != NULL && i <= max; i++)
		if (strcmp(name_of(i), s) == 0)
			v->number = i;
}

static void
add_number(struct trap *t, enum trap_column column, const json_t *doc, const char *key)
{
	double d = json_number_value(json_object_get(doc, key));

	add(t, column, TRAP_UNSIGNED)->number = d >= 0 && d < 4294967295.0 ? (uint32_t)d : 0;
}

static const char *
state_name(uint32_t n)
{
	return incident_state_name((enum incident_state)n);
}

size_t
trap_date(uint8_t buf[11], int64_t seconds)
{
	time_t t = (time_t)(seconds + 8 * 3600);
	struct tm tm;

	memset(buf, 0, 11);
	if (seconds <= 0 || gmtime_r(&t, &tm) == NULL)
		return 8;
	buf[0] = (uint8_t)((tm.tm_year + 1900) >> 8);
	buf[1] = (uint8_t)((tm.tm_year + 1900) & 0xff);
	buf[2] = (uint8_t)(tm.tm_mon + 1);
	buf[3] = (uint8_t)tm.tm_mday;
	buf[4] = (uint8_t)tm.tm_hour;
	buf[5] = (uint8_t)tm.tm_min;
	buf[6] = (uint8_t)tm.tm_sec;
	buf[8] = '+';
	buf[9] = 8;
	return 11;
}

int
trap_build(struct trap *out, const char *event, const char *doc)
{
	json_t *json = doc == NULL ? NULL : json_loads(doc, 0, NULL);
	json_int_t number = json_integer_value(json_object_get(json, "number"));
	struct trap_value *v;

	memset(out, 0, sizeof(*out));
	if (number < 1 || number > UINT32_MAX) {
		json_decref(json);
		return -EINVAL;
	}
	out->what = what_of(event == NULL ? "" : event);
	out->incident = (uint32_t)number;
	add_named(out, TRAP_STATE, json, "state", state_name, INC_MERGED);
	add_number(out, TRAP_GRADE, json, "grade");
	add_named(out, TRAP_SEVERITY, json, "severity", severity_name, SEVERITY_INFO);
	add_named(out, TRAP_KIND, json, "kind", anomaly_kind_name, ANOMALY_SELF);
	add_text(out, TRAP_VENDOR, json, "vendor");
	add_text(out, TRAP_AGENT, json, "agent");
	add_text(out, TRAP_LINK, json, "link");
	add_named(out, TRAP_LINK_STATE, json, "link_state", link_state_name, LINK_NOT_OBSERVED);
	add_text(out, TRAP_TITLE_ZH, json, "title_zh");
	add_text(out, TRAP_TITLE_EN, json, "title_en");
	v = add(out, TRAP_FIRST_FAIL, TRAP_OCTETS);
	v->len = trap_date(v->octets,
	    (int64_t)json_number_value(json_object_get(json, "first_fail")));
	if (out->what == TRAP_RECOVERED || out->what == TRAP_CLOSED)
		add_number(out, TRAP_OUTAGE, json, "outage_s");
	json_decref(json);
	return 0;
}
