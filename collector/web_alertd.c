/*
 * web_alertd.c - client of alertd's control socket.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collector/web_alertd.h"
#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"

#define RETRY_S 2
#define STATUS_S 5
#define LIST_S 30			/* lists again now and then: subscriptions only tell changes */
#define ANSWER_S 10
#define REQUESTS_MAX 256

struct request {
	int64_t id;
	int age_s;
	void (*done)(void *arg, json_t *answer);
	void *arg;
	struct request *next;
};

struct alertd {
	struct event_base *base;
	char *path;
	struct bufferevent *bev;
	struct event *timer;		/* each second */
	bool up;			/* the subscription was answered */
	bool told;
	int seconds;			/* since the last attempt or list */
	int64_t next_id;
	struct request *requests;
	size_t n_requests;
	json_t *links, *agents, *incidents, *status, *changed;
	uint64_t counter;
	void (*incident)(void *arg, json_t *incident);
	void *arg;
};

static void send_request(struct alertd *, const char *cmd, json_t *args, json_t *as,
    void (*done)(void *arg, json_t *answer), void *arg);

static void
forget(struct alertd *a)
{
	json_object_clear(a->links);
	json_object_clear(a->agents);
	json_object_clear(a->incidents);
	json_object_clear(a->changed);
	json_decref(a->status);
	a->status = NULL;
	a->counter++;
}

static void
fail_requests(struct alertd *a)
{
	while (a->requests != NULL) {
		struct request *r = a->requests;

		a->requests = r->next;
		a->n_requests--;
		if (r->done != NULL)
			r->done(r->arg, NULL);
		free(r);
	}
}

static void
disconnect(struct alertd *a, const char *why)
{
	if (a->bev != NULL)
		bufferevent_free(a->bev);
	a->bev = NULL;
	a->seconds = 0;
	if (a->up || !a->told)
		log_warning("web: alertd is away: %s", why);
	a->told = true;
	a->up = false;
	forget(a);
	fail_requests(a);
}

static void
note_link(struct alertd *a, json_t *link)
{
	const char *agent = json_string_value(json_object_get(link, "agent"));
	const char *id = json_string_value(json_object_get(link, "link"));
	char key[2 * ID_MAX + 2];

	if (agent == NULL || id == NULL || !id_is_valid(agent) || !id_is_valid(id))
		return;
	snprintf(key, sizeof key, "%.*s/%.*s", ID_MAX, agent, ID_MAX, id);
	if (json_equal(json_object_get(a->links, key), link))
		return;
	json_object_set(a->links, key, link);
	json_object_set_new(a->changed, key, json_integer((json_int_t)++a->counter));
}

static void
note_agent(struct alertd *a, json_t *agent)
{
	const char *id = json_string_value(json_object_get(agent, "agent"));

	if (id != NULL)
		json_object_set(a->agents, id, agent);
}

static void
note_incident(struct alertd *a, json_t *incident)
{
	json_int_t number = json_integer_value(json_object_get(incident, "number"));
	char key[24];

	if (number <= 0)
		return;
	snprintf(key, sizeof key, "%lld", (long long)number);
	json_object_set(a->incidents, key, incident);
}

static void
each(struct alertd *a, json_t *answer, const char *list, void (*note)(struct alertd *, json_t *))
{
	json_t *v = json_object_get(json_object_get(answer, "data"), list), *item;
	size_t i;

	json_array_foreach(v, i, item)
		note(a, item);
}

/* The list that was asked for; NULL: alertd is away or said no, and what is known stays. */
static json_t *
list_of(json_t *answer, const char *name)
{
	json_t *list = json_object_get(json_object_get(answer, "data"), name);
	const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "en"));

	if (answer != NULL && !json_is_array(list))
		log_limited(LOG_WARNING, "web-list", 1, "web: alertd gives no %s: %s", name,
		    why != NULL ? why : "its answer has none");
	return json_is_array(list) ? list : NULL;
}

/* What is not in the new list any more is forgotten. */
static void
got_links(void *arg, json_t *answer)
{
	struct alertd *a = arg;
	json_t *list = list_of(answer, "links"), *item;
	size_t i;

	if (list == NULL)
		return;
	if (json_array_size(list) < json_object_size(a->links))
		json_object_clear(a->links);
	json_array_foreach(list, i, item)
		note_link(a, item);
}

static void
got_agents(void *arg, json_t *answer)
{
	struct alertd *a = arg;

	if (list_of(answer, "agents") == NULL)
		return;
	json_object_clear(a->agents);
	each(a, answer, "agents", note_agent);
}

static void
got_incidents(void *arg, json_t *answer)
{
	struct alertd *a = arg;

	if (list_of(answer, "incidents") == NULL)
		return;
	json_object_clear(a->incidents);
	each(a, answer, "incidents", note_incident);
}

static void
got_status(void *arg, json_t *answer)
{
	struct alertd *a = arg;
	json_t *data = json_object_get(answer, "data");

	if (data == NULL)
		return;
	json_decref(a->status);
	a->status = json_incref(data);
}

static void
ask_lists(struct alertd *a)
{
	a->seconds = 0;
	send_request(a, "link.list", NULL, NULL, got_links, a);
	send_request(a, "agent.list", NULL, NULL, got_agents, a);
	send_request(a, "incident.list", json_pack("{s:b,s:i}", "all", 1, "limit", 300), NULL,
	    got_incidents, a);
}

static void
got_subscription(void *arg, json_t *answer)
{
	struct alertd *a = arg;

	if (!json_is_true(json_object_get(answer, "ok")))
		return;
	a->up = true;
	a->told = false;
	log_notice("web: alertd answers");
	send_request(a, "status", NULL, NULL, got_status, a);
	ask_lists(a);
}

static void
take_event(struct alertd *a, json_t *line)
{
	const char *event = json_string_value(json_object_get(line, "event"));
	json_t *v;

	if (event == NULL)
		return;
	v = json_object_get(line, event);
	if (strcmp(event, "link") == 0) {
		note_link(a, v);
	} else if (strcmp(event, "agent") == 0) {
		note_agent(a, v);
	} else if (strcmp(event, "incident") == 0) {
		note_incident(a, v);
		a->incident(a->arg, v);
	}
}

static void
take_answer(struct alertd *a, json_t *line)
{
	json_int_t id = json_integer_value(json_object_get(line, "id"));

	for (struct request **at = &a->requests; *at != NULL; at = &(*at)->next) {
		struct request *r = *at;

		if (r->id != id)
			continue;
		*at = r->next;
		a->n_requests--;
		if (r->done != NULL)
			r->done(r->arg, line);
		free(r);
		return;
	}
}

static void
alertd_read(struct bufferevent *bev, void *arg)
{
	struct alertd *a = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *text;
	size_t len;

	while (a->bev == bev && (text = evbuffer_readln(in, &len, EVBUFFER_EOL_LF)) != NULL) {
		json_t *line = json_loadb(text, len, 0, NULL);

		free(text);
		if (!json_is_object(line)) {
			json_decref(line);
			disconnect(a, "it sent a line that is no JSON object");
			return;
		}
		if (json_object_get(line, "id") != NULL)
			take_answer(a, line);
		else
			take_event(a, line);
		json_decref(line);
	}
	if (a->bev == bev && evbuffer_get_length(in) > CONTROL_LINE_MAX)
		disconnect(a, "its line is too long");
}

static void
alertd_event(struct bufferevent *bev, short what, void *arg)
{
	struct alertd *a = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		send_request(a, "subscribe", NULL, NULL, got_subscription, a);
	else if ((what & BEV_EVENT_EOF) != 0)
		disconnect(a, "it closed the connection");
	else
		disconnect(a, strerror(errno));
}

static void
try_connect(struct alertd *a)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	a->seconds = 0;
	snprintf(un.sun_path, sizeof un.sun_path, "%s", a->path);
	a->bev = bufferevent_socket_new(a->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(a->bev, alertd_read, NULL, alertd_event, a);
	bufferevent_enable(a->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(a->bev, (struct sockaddr *)&un, sizeof un) != 0 && a->bev != NULL)
		disconnect(a, strerror(errno));
}

static void
age_requests(struct alertd *a)
{
	bool silent = false;

	for (struct request *r = a->requests; r != NULL; r = r->next)
		if (++r->age_s > ANSWER_S)
			silent = true;
	if (silent)
		disconnect(a, "it does not answer");
}

static void
each_second(evutil_socket_t fd, short what, void *arg)
{
	struct alertd *a = arg;

	(void)fd;
	(void)what;
	a->seconds++;
	if (a->bev == NULL) {
		if (a->seconds >= RETRY_S)
			try_connect(a);
		return;
	}
	age_requests(a);
	if (!a->up)
		return;
	if (a->seconds % STATUS_S == 0)
		send_request(a, "status", NULL, NULL, got_status, a);
	if (a->seconds >= LIST_S)
		ask_lists(a);
}

static void
send_request(struct alertd *a, const char *cmd, json_t *args, json_t *as,
    void (*done)(void *arg, json_t *answer), void *arg)
{
	struct request *r;
	json_t *line;
	char *text;

	if (a->bev == NULL || a->n_requests >= REQUESTS_MAX) {
		json_decref(args);
		json_decref(as);
		if (done != NULL)
			done(arg, NULL);
		return;
	}
	r = xcalloc(1, sizeof *r);
	*r = (struct request){ .id = ++a->next_id, .done = done, .arg = arg, .next = a->requests };
	a->requests = r;
	a->n_requests++;
	line = json_pack("{s:I,s:s,s:o}", "id", (json_int_t)r->id, "cmd", cmd, "args",
	    args != NULL ? args : json_object());
	if (as != NULL)
		json_object_set_new(line, "as", as);
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	evbuffer_add_printf(bufferevent_get_output(a->bev), "%s\n", text);
	free(text);
}

struct alertd *
alertd_new(struct event_base *base, const char *path, void (*incident)(void *arg, json_t *incident),
    void *arg)
{
	struct timeval second = { 1, 0 };
	struct alertd *a = xcalloc(1, sizeof *a);

	a->base = base;
	a->path = xstrdup(path != NULL ? path : "");
	a->incident = incident;
	a->arg = arg;
	a->links = json_object();
	a->agents = json_object();
	a->incidents = json_object();
	a->changed = json_object();
	if (*a->path == '\0')
		return a;
	a->timer = event_new(base, -1, EV_PERSIST, each_second, a);
	event_add(a->timer, &second);
	try_connect(a);
	return a;
}

void
alertd_free(struct alertd *a)
{
	if (a == NULL)
		return;
	if (a->bev != NULL)
		bufferevent_free(a->bev);
	a->bev = NULL;
	fail_requests(a);
	if (a->timer != NULL)
		event_free(a->timer);
	json_decref(a->links);
	json_decref(a->agents);
	json_decref(a->incidents);
	json_decref(a->changed);
	json_decref(a->status);
	free(a->path);
	free(a);
}

bool
alertd_is_up(const struct alertd *a)
{
	return a->up;
}

bool
alertd_is_configured(const struct alertd *a)
{
	return *a->path != '\0';
}

json_t *
alertd_link(const struct alertd *a, const char *key)
{
	return json_object_get(a->links, key);
}

json_t *
alertd_agent(const struct alertd *a, const char *agent)
{
	return json_object_get(a->agents, agent);
}

json_t *
alertd_status(const struct alertd *a)
{
	return a->status;
}

json_t *
alertd_incidents(const struct alertd *a)
{
	return a->incidents;
}

uint64_t
alertd_link_changed(const struct alertd *a, const char *key)
{
	return key == NULL ? a->counter : (uint64_t)json_integer_value(json_object_get(a->changed, key));
}

void
alertd_ask(struct alertd *a, const char *cmd, json_t *args, json_t *as,
    void (*done)(void *arg, json_t *answer), void *arg)
{
	send_request(a, cmd, args, as, done, arg);
}
