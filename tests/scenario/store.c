/*
 * store.c - what a core decided, kept as the database would.
 */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/scenario/store.h"

struct blob { bool is_link; char *agent, *link; void *data; size_t len; };

struct store {
	struct blob *blob;
	size_t blobs;
	struct anomaly *anomaly;
	size_t anomalies;
	json_t **incident;
	size_t incidents;
	uint64_t last_incident, last_anomaly;
	uint8_t *plan;
	size_t plan_len;
};

struct store *
store_new(void)
{
	return xcalloc(1, sizeof(struct store));
}

void
store_free(struct store *s)
{
	for (size_t i = 0; i < s->blobs; i++) {
		free(s->blob[i].agent);
		free(s->blob[i].link);
		free(s->blob[i].data);
	}
	for (size_t i = 0; i < s->incidents; i++)
		json_decref(s->incident[i]);
	free(s->blob);
	free(s->anomaly);
	free(s->incident);
	free(s->plan);
	free(s);
}

void
store_plan(struct store *s, const Linkwatch__Pb__Plan *p)
{
	s->plan_len = linkwatch__pb__plan__get_packed_size(p);
	s->plan = xreallocarray(s->plan, s->plan_len + 1, 1);
	linkwatch__pb__plan__pack(p, s->plan);
}

static void
keep_blob(struct store *s, const struct dec_blob *b, bool is_link)
{
	struct blob *k = NULL;

	for (size_t i = 0; i < s->blobs && k == NULL; i++)
		if (s->blob[i].is_link == is_link && strcmp(s->blob[i].agent, b->agent) == 0 &&
		    strcmp(s->blob[i].link, b->link) == 0)
			k = &s->blob[i];
	if (k == NULL) {
		s->blob = xreallocarray(s->blob, s->blobs + 1, sizeof(*s->blob));
		k = &s->blob[s->blobs++];
		*k = (struct blob){ .is_link = is_link, .agent = xstrdup(b->agent),
			.link = xstrdup(b->link) };
	}
	k->data = xreallocarray(k->data, b->len, 1);
	memcpy(k->data, b->data, b->len);
	k->len = b->len;
}

static void
keep_anomaly(struct store *s, const struct anomaly *a)
{
	size_t i = 0;

	if (a->id > s->last_anomaly)
		s->last_anomaly = a->id;
	while (i < s->anomalies && s->anomaly[i].id != a->id)
		i++;
	if (i == s->anomalies) {
		s->anomaly = xreallocarray(s->anomaly, s->anomalies + 1, sizeof(*s->anomaly));
		s->anomalies++;
	}
	s->anomaly[i] = *a;
	if (a->end.ns != 0)	/* only lasting ones are restored */
		s->anomaly[i] = s->anomaly[--s->anomalies];
}

static void
keep_incident(struct store *s, const struct incident *inc)
{
	json_t *o = incident_to_json(inc);
	size_t i = 0;

	if (inc->number > s->last_incident)
		s->last_incident = inc->number;
	while (i < s->incidents && (uint64_t)json_integer_value(json_object_get(s->incident[i],
	    "number")) != inc->number)
		i++;
	if (i == s->incidents) {
		s->incident = xreallocarray(s->incident, s->incidents + 1, sizeof(json_t *));
		s->incidents++;
	} else {
		json_decref(s->incident[i]);
	}
	s->incident[i] = o;
	if (inc->state == INC_ARCHIVED) {
		json_decref(o);
		s->incident[i] = s->incident[--s->incidents];
	}
}

void
store_decisions(struct store *s, const struct decisions *ds)
{
	for (size_t i = 0; i < ds->n; i++) {
		const struct decision *d = &ds->v[i];

		if (d->type == DEC_LINK_SAVE || d->type == DEC_AGENT_SAVE)
			keep_blob(s, &d->blob, d->type == DEC_LINK_SAVE);
		else if (d->type == DEC_ANOMALY)
			keep_anomaly(s, &d->anomaly);
		else if (d->type == DEC_INCIDENT)
			keep_incident(s, d->incident);
	}
}

static void
restore_incidents(const struct store *s, struct core *c)
{
	struct incident *inc = xcalloc(1, sizeof(*inc));

	for (size_t i = 0; i < s->incidents; i++) {
		char *text = json_dumps(s->incident[i], 0);
		json_t *o = json_loads(text, 0, NULL);

		if (o == NULL || incident_from_json(o, inc) != 0 ||
		    core_restore_incident(c, inc) != 0) {
			fprintf(stderr, "an incident does not come back from its JSON: %s\n", text);
			abort();
		}
		incident_clear(inc);
		json_decref(o);
		free(text);
	}
	free(inc);
}

struct core *
store_restore(const struct store *s, const struct policy *policy, struct wall now)
{
	struct core *c = core_new(policy);

	if (s->plan != NULL) {
		Linkwatch__Pb__Plan *p = linkwatch__pb__plan__unpack(NULL, s->plan_len, s->plan);

		core_restore_plan(c, p);
		linkwatch__pb__plan__free_unpacked(p, NULL);
	}
	restore_incidents(s, c);
	for (size_t i = 0; i < s->anomalies; i++)
		core_restore_anomaly(c, &s->anomaly[i]);
	for (size_t i = 0; i < s->blobs; i++) {
		struct dec_blob b = { s->blob[i].agent, s->blob[i].link, s->blob[i].data,
			s->blob[i].len };

		if (s->blob[i].is_link)
			core_restore_link(c, &b);
		else
			core_restore_agent(c, &b);
	}
	core_restore_done(c, s->last_incident, s->last_anomaly, now);
	return c;
}
