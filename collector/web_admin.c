/*
 * web_admin.c - what an administrator may do beyond an operator: see who may come in and who is in, and
 * show somebody out.  Users and tokens themselves are changed on the host (`passwd`, `token`), not from afar.
 *
 *   api/users               {"users":[{"user","role","vendor","sessions"}...]}
 *   api/tokens              {"tokens":[{"name","role","vendor","expires","expired","used"}...]}
 *   api/sessions            {"sessions":[{"id","user","role","vendor","opened_s","idle_s","own"}...]}: ages in seconds
 *   POST api/session/N/end  {"ended":N}; 404 when there is none
 *   api/openapi.json        the description of all this; for everybody
 *
 * No answer has a hash, a cookie or a CSRF token in it.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/http_server.h"
#include "collector/page.h"
#include "collector/sse.h"
#include "collector/web_state.h"
#include "common/log.h"

static bool
keep_all(void *arg, const struct session *s)
{
	json_t *list = ((json_t **)arg)[0];
	const struct mono *now = ((void **)arg)[1];
	const struct session *asker = ((void **)arg)[2];

	json_array_append_new(list, json_pack("{s:I,s:s,s:s,s:s,s:f,s:f,s:b}", "id", (json_int_t)s->id,
	    "user", s->user, "role", web_role_name(s->role), "vendor", s->vendor, "opened_s",
	    (double)((now->ns - s->opened.ns) / NS_PER_MS) / 1e3, "idle_s",
	    (double)((now->ns - s->used.ns) / NS_PER_MS) / 1e3, "own", s->id == asker->id));
	return true;
}

static json_t *
sessions_of(struct web_req *q)
{
	struct mono now = clock_mono(q->web->clock);
	json_t *list = json_array();
	void *arg[] = { list, &now, &q->who };

	sessions_filter(q->web->sessions, keep_all, arg);
	return list;
}

void
web_api_sessions(struct web_req *q)
{
	web_answer_json(q, 200, json_pack("{s:o}", "sessions", sessions_of(q)));
}

void
web_api_users(struct web_req *q)
{
	json_t *list = json_array(), *in = sessions_of(q), *one;
	size_t k;

	for (size_t i = 0; i < q->web->users.n; i++) {
		const struct user *u = &q->web->users.v[i];
		int n = 0;

		json_array_foreach(in, k, one)
			n += strcmp(json_string_value(json_object_get(one, "user")), u->name) == 0;
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:i}", "user", u->name, "role",
		    web_role_name(u->role), "vendor", u->vendor, "sessions", n));
	}
	json_decref(in);
	web_answer_json(q, 200, json_pack("{s:o}", "users", list));
}

void
web_api_tokens(struct web_req *q)
{
	int64_t now_s = clock_wall(q->web->clock).ns / NS_PER_S;
	json_t *list = json_array();

	for (size_t i = 0; i < q->web->tokens.n; i++) {
		const struct token *t = &q->web->tokens.v[i];

		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I,s:b,s:I}", "name", t->name, "role",
		    web_role_name(t->role), "vendor", t->vendor, "expires", (json_int_t)t->expires_s,
		    "expired", t->expires_s <= now_s, "used", (json_int_t)t->used_s));
	}
	web_answer_json(q, 200, json_pack("{s:o}", "tokens", list));
}

void
web_api_session_end(struct web_req *q)
{
	struct web *w = q->web;
	const char *s = q->path.seg[2];
	uint64_t id = strlen(s) < 16 && strspn(s, "0123456789") == strlen(s) ? strtoull(s, NULL, 10) : 0;
	const struct session *found = id != 0 ? session_by_id(w->sessions, id, clock_mono(w->clock)) : NULL;

	if (found == NULL) {
		web_fail(q, 404, "not-found", "没有这个会话", "there is no such session");
		return;
	}
	log_notice("user=%s: shown out by %s", found->user, q->who.user);
	session_close(w->sessions, id);
	sse_filter(w->sse, web_owner_stands, w);
	web_answer_json(q, 200, json_pack("{s:I}", "ended", (json_int_t)id));
}

void
web_api_openapi(struct web_req *q)
{
	const struct page_asset *a = page_asset("openapi.json");

	web_answer(q, 200, "application/json; charset=utf-8", a->data, (size_t)(a->end - a->data));
}
