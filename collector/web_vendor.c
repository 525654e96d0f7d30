/*
 * web_vendor.c - who sees what: the one place that decides what a vendor gets.
 *
 * A vendor's engineer sees the links, agents and incidents of his vendor, and
 * neither that others have any nor whom the supervisor told of his.  What is
 * not his looks as if it were not there (404), so that ids cannot be guessed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_alertd.h"
#include "collector/web_state.h"

const char *
web_scope(const struct session *who)
{
	return who->role == WEB_VENDOR ? who->vendor : "";
}

bool
web_scope_has(const char *scope, const char *vendor)
{
	return *scope == '\0' || (vendor != NULL && strcmp(scope, vendor) == 0);
}

bool
web_sees(const struct session *who, const char *vendor)
{
	return web_scope_has(web_scope(who), vendor);
}

const struct live_link *
web_find_link(const struct web_req *q, const char *agent, const char *link)
{
	const struct live_link *k = live_find(q->web->live, agent, link);

	return k != NULL && web_sees(&q->who, k->conf->vendor) ? k : NULL;
}

bool
web_scope_has_incident(const char *scope, const json_t *incident)
{
	return web_scope_has(scope, json_string_value(json_object_get(incident, "vendor")));
}

json_t *
web_scope_link(struct web *w, const char *scope, json_t *link)
{
	json_int_t number = json_integer_value(json_object_get(link, "incident"));
	char key[24];

	snprintf(key, sizeof key, "%lld", (long long)number);
	if (*scope != '\0' && number != 0 && !web_scope_has_incident(scope,
	    json_object_get(alertd_incidents(w->alertd), key)))
		json_object_set_new(link, "incident", json_integer(0));
	return link;
}

/* The items of list (links or anomalies: "agent" and "link") that are links of the scope. */
static json_t *
own_links(struct web *w, const char *scope, const json_t *list)
{
	json_t *own = json_array(), *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		const char *agent = json_string_value(json_object_get(one, "agent"));
		const char *link = json_string_value(json_object_get(one, "link"));
		const struct live_agent *a = agent != NULL ? live_agent_find(w->live, agent) : NULL;
		const struct live_link *k = agent != NULL && link != NULL ?
		    live_find(w->live, agent, link) : NULL;

		if (k != NULL ? web_scope_has(scope, k->conf->vendor) :
		    a != NULL && (link == NULL || *link == '\0') && web_scope_has(scope, a->conf->vendor))
			json_array_append(own, one);
	}
	return own;
}

json_t *
web_scope_incident(struct web *w, const char *scope, json_t *incident)
{
	json_t *copy;

	if (*scope == '\0')
		return json_incref(incident);
	copy = json_copy(incident);
	json_object_set_new(copy, "links", own_links(w, scope, json_object_get(incident, "links")));
	json_object_set_new(copy, "told", json_array());
	return copy;
}

json_t *
web_scope_incident_doc(struct web *w, const char *scope, json_t *data)
{
	json_t *copy;

	if (*scope == '\0')
		return json_incref(data);
	copy = json_copy(data);
	json_object_set_new(copy, "incident", web_scope_incident(w, scope, json_object_get(data,
	    "incident")));
	if (json_object_get(data, "messages") != NULL)
		json_object_set_new(copy, "messages", json_array());
	if (json_object_get(data, "anomalies") != NULL)
		json_object_set_new(copy, "anomalies", own_links(w, scope, json_object_get(data,
		    "anomalies")));
	return copy;
}

json_t *
web_scope_link_doc(struct web *w, const char *scope, json_t *data)
{
	json_t *copy, *list, *one;
	size_t i;

	if (*scope == '\0' || data == NULL)
		return json_incref(data);
	copy = json_copy(data);
	list = json_array();
	json_object_set_new(copy, "link", web_scope_link(w, scope, json_copy(json_object_get(data,
	    "link"))));
	json_array_foreach(json_object_get(data, "incidents"), i, one)
		if (web_scope_has_incident(scope, one))
			json_array_append_new(list, web_scope_incident(w, scope, one));
	json_object_set_new(copy, "incidents", list);
	return copy;
}

void
web_ask_alertd(struct web_req *q, const char *cmd, json_t *args,
    void (*done)(void *arg, json_t *answer), void *arg)
{
	json_t *as = json_pack("{s:s,s:s}", "user", q->who.user, "role", web_role_name(q->who.role));

	if (q->who.role == WEB_VENDOR)
		json_object_set_new(as, "vendor", json_string(q->who.vendor));
	alertd_ask(q->web->alertd, cmd, args, as, done, arg);
}
