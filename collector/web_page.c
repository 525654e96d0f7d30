/*
 * web_page.c - pages: the shell that the scripts fill, the log-in form, errors, assets.
 */
#include <event2/http.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/http_server.h"
#include "collector/page.h"
#include "collector/web_state.h"

static const char *
say(const struct web_req *q, const char *zh, const char *en)
{
	return q->lang == WEB_ZH ? zh : en;
}

/* "light" or "dark" if the browser's cookie says so, else "auto". */
static const char *
theme_of(struct web_req *q)
{
	const char *cookies = evhttp_find_header(evhttp_request_get_input_headers(q->req), "Cookie");
	char theme[8];

	if (!http_cookie(cookies, "lw_theme", theme, sizeof theme))
		return "auto";
	return strcmp(theme, "light") == 0 ? "light" : strcmp(theme, "dark") == 0 ? "dark" : "auto";
}

static void
answer_template(struct web_req *q, int code, const char *name, const struct page_var *vars)
{
	size_t len;
	char *html = page_render(page_asset(name), vars, &len);

	web_answer(q, code, page_type(name), html, len);
	free(html);
}

/* Path of a page whose ids are none of ours: the browser learns it here, not from an empty page. */
static bool
page_exists(struct web_req *q)
{
	char *end;

	if (q->path.n == 3)		/* link/AGENT/LINK */
		return web_find_link(q, q->path.seg[1], q->path.seg[2]) != NULL;
	if (q->path.n == 2 && strcmp(q->path.seg[0], "agent") == 0) {
		const struct live_agent *a = live_agent_find(q->web->live, q->path.seg[1]);

		return a != NULL && web_sees(&q->who, a->conf->vendor);
	}
	if (q->path.n == 2)		/* incident/N */
		return strspn(q->path.seg[1], "0123456789") == strlen(q->path.seg[1]) &&
		    strtoull(q->path.seg[1], &end, 10) > 0 && strlen(q->path.seg[1]) < 19;
	return true;
}

void
web_page_shell(struct web_req *q)
{
	const struct page_var vars[] = {
		{ "lang", say(q, "zh-CN", "en") },
		{ "theme", theme_of(q) },
		{ "title", say(q, "链路监控", "LinkWatch") },
		{ "page", q->path.n == 0 ? "wall" : q->path.seg[0] },
		{ "a", q->path.n > 1 ? q->path.seg[1] : "" },
		{ "b", q->path.n > 2 ? q->path.seg[2] : "" },
		{ "user", q->who.user },
		{ "role", web_role_name(q->who.role) },
		{ "csrf", q->who.csrf },
		{ "version", LW_VERSION },
		{ NULL, NULL },
	};

	if (!page_exists(q)) {
		bool agent = strcmp(q->path.seg[0], "agent") == 0;

		web_fail(q, 404, "not-found", q->path.n == 3 ? "计划中没有这条链路" : agent ?
		    "计划中没有这个探针" : "没有这个故障", q->path.n == 3 ? "the plan has no such link" :
		    agent ? "the plan has no such agent" : "there is no such incident");
		return;
	}
	answer_template(q, 200, "shell.html", vars);
}

/* Only a path of this site may follow the log-in. */
const char *
web_safe_next(struct web_req *q)
{
	const char *next = http_param(q->method == WEB_POST ? &q->form : &q->query, "next");

	if (next == NULL || next[0] != '/' || next[1] == '/' || next[1] == '\\' ||
	    strlen(next) > 300 || strpbrk(next, "\r\n\t\\") != NULL)
		return "/";
	return next;
}

void
web_page_login_again(struct web_req *q, int code, const char *zh, const char *en)
{
	const struct page_var vars[] = {
		{ "lang", say(q, "zh-CN", "en") },
		{ "theme", theme_of(q) },
		{ "title", say(q, "登录 - 链路监控", "Log in - LinkWatch") },
		{ "product", say(q, "链路监控", "LinkWatch") },
		{ "about", say(q, "云链路端到端监测与故障处置", "End-to-end link monitoring and incidents") },
		{ "user", say(q, "用户名", "User") },
		{ "password", say(q, "密码", "Password") },
		{ "submit", say(q, "登录", "Log in") },
		{ "other", say(q, "English", "中文") },
		{ "otherlang", say(q, "en", "zh") },
		{ "next", web_safe_next(q) },
		{ "error", say(q, zh, en) },
		{ "class", *zh != '\0' ? "failed" : "" },
		{ NULL, NULL },
	};

	answer_template(q, code, "login.html", vars);
}

void
web_page_login(struct web_req *q)
{
	if (q->logged_in)
		web_redirect(q, web_safe_next(q));
	else
		web_page_login_again(q, 200, "", "");
}

void
web_page_error(struct web_req *q, int code, const char *zh, const char *en)
{
	char number[8];
	const struct page_var vars[] = {
		{ "lang", say(q, "zh-CN", "en") },
		{ "theme", theme_of(q) },
		{ "title", say(q, "链路监控", "LinkWatch") },
		{ "code", number },
		{ "what", say(q, zh, en) },
		{ "other", say(q, en, zh) },
		{ "home", say(q, "回到链路墙", "Back to the wall") },
		{ NULL, NULL },
	};

	snprintf(number, sizeof number, "%d", code);
	answer_template(q, code, "error.html", vars);
}

void
web_page_asset(struct web_req *q)
{
	const char *name = q->path.n == 1 ? "favicon.svg" : q->path.seg[1], *seen;
	const struct page_asset *a = page_asset(name);
	uint8_t d[SHA256_DIGEST_LENGTH];
	char tag[24];

	if (a == NULL || strncmp(page_type(name), "text/html", 9) == 0 ||
	    strcmp(name, "openapi.json") == 0) {	/* that one has its own address */
		web_fail(q, 404, "not-found", "没有这个文件", "there is no such file");
		return;
	}
	SHA256(a->data, (size_t)(a->end - a->data), d);
	snprintf(tag, sizeof tag, "\"%02x%02x%02x%02x%02x%02x%02x%02x\"", d[0], d[1], d[2], d[3], d[4],
	    d[5], d[6], d[7]);
	http_header(q->req, "ETag", tag);
	http_header(q->req, "Cache-Control", "no-cache");
	seen = evhttp_find_header(evhttp_request_get_input_headers(q->req), "If-None-Match");
	if (seen != NULL && strcmp(seen, tag) == 0)
		web_answer(q, 304, NULL, NULL, 0);
	else
		web_answer(q, 200, page_type(name), a->data, (size_t)(a->end - a->data));
}
