/*
 * channel_http.c - SMS gateways spoken to by HTTP: Kannel's sendsms and any
 * other by a template.
 *
 * What an answer means (a gateway that answered has decided; one that was cut
 * off in the middle has perhaps):
 *   2xx, and the `success` expression fits   sent
 *   2xx, and it does not                     retry: 200 with an error inside
 *   408 429 5xx, 401 403 404 405 3xx         retry: the gateway or our access to it
 *   504                                      unknown: somebody behind it may have it
 *   other 4xx                                refused: this message
 *   no answer, nothing sent yet              retry
 *   no answer, something sent                unknown
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alertd/channel.h"
#include "alertd/channel_curl.h"
#include "alertd/channel_template.h"
#include "common/log.h"
#include "common/mem.h"

struct http_state {
	char *password;
	regex_t success;
	bool has_success;
};

struct http_request {		/* one attempt */
	struct channel *ch;
	uint64_t id;
};

static enum outbox_outcome
judge_status(const struct http_state *st, const struct curl_result *res)
{
	long s = res->status;

	if (s >= 200 && s < 300)
		return !st->has_success || regexec(&st->success, res->body, 0, NULL, 0) == 0 ?
			   OUTCOME_SENT : OUTCOME_RETRY;
	if (s == 504)
		return OUTCOME_UNKNOWN;
	if (s >= 400 && s < 500 && s != 401 && s != 403 && s != 404 && s != 405 && s != 408 &&
	    s != 429)
		return OUTCOME_REFUSED;
	return OUTCOME_RETRY;
}

static void
on_done(void *arg, const struct curl_result *res)
{
	const struct http_request *req = arg;
	struct channel *ch = req->ch;
	const struct http_state *st = ch->state;
	enum outbox_outcome how;
	char detail[200], answer[120];

	if (res->code == CURLE_OK) {
		how = judge_status(st, res);
		size_t line = strcspn(res->body, "\r\n");
		log_escape(answer, sizeof(answer), res->body, line < 60 ? line : 60);
		snprintf(detail, sizeof(detail), "HTTP %ld: %s", res->status, answer);
	} else {
		how = res->began ? OUTCOME_UNKNOWN : OUTCOME_RETRY;
		snprintf(detail, sizeof(detail), "%.190s", res->error);
	}
	ch->env->done(ch->env->arg, req->id, how, detail);
}

static void
start(struct channel *ch, uint64_t id, CURL *easy, struct curl_slist *headers, char *payload)
{
	struct http_request *req = xcalloc(1, sizeof(*req));

	req->ch = ch;
	req->id = id;
	curl_job_owner(curl_job_start(ch->env->curl, easy, headers, payload, on_done, req), ch);
}

static void
values_of(const struct channel *ch, const struct channel_message *m, const char *text,
    struct template_values *v)
{
	const struct http_state *st = ch->state;

	*v = (struct template_values){ .phone = m->address, .text = text, .key = m->key,
		.user = ch->conf->user, .password = st->password };
}

static const char *
content_type(const struct channel_conf *conf)
{
	for (size_t i = 0; i < conf->headers.n; i++) {
		const char *h = ((char **)conf->headers.v)[i];
		if (strncasecmp(h, "Content-Type:", 13) == 0)
			return h + 13;
	}
	return NULL;
}

static void
http_send(struct channel *ch, const struct channel_message *m)
{
	const struct channel_conf *conf = ch->conf;
	char *text = channel_text(m, conf->units), *url, *payload = NULL;
	struct curl_slist *headers = NULL;
	struct template_values v;
	CURL *easy = curl_job_handle(ch);

	values_of(ch, m, text, &v);
	url = template_expand(conf->url, &v, ESCAPE_URL);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	for (size_t i = 0; i < conf->headers.n; i++) {
		char *h = template_expand(((char **)conf->headers.v)[i], &v, ESCAPE_HEADER);
		headers = curl_slist_append(headers, h);
		free(h);
	}
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (conf->method == HTTP_POST) {
		payload = template_expand(conf->body == NULL ? "" : conf->body, &v,
		    template_escape_for(content_type(conf)));
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(payload));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload);
	}
	start(ch, m->id, easy, headers, payload);
	free(url);
	free(text);
}

static void
add_parameter(char **url, const char *name, const char *value)
{
	char *escaped = template_escape(value, ESCAPE_URL);
	char *longer = xasprintf("%s%c%s=%s", *url, strchr(*url, '?') == NULL ? '?' : '&', name,
	    escaped);

	free(escaped);
	free(*url);
	*url = longer;
}

/* coding=2 always: without it Kannel sends Chinese as "??" and says 202 all the same. */
static void
kannel_send(struct channel *ch, const struct channel_message *m)
{
	const struct channel_conf *conf = ch->conf;
	const struct http_state *st = ch->state;
	char *text = channel_text(m, conf->units), *url = xstrdup(conf->url);
	CURL *easy = curl_job_handle(ch);

	add_parameter(&url, "username", conf->user);
	add_parameter(&url, "password", st->password);
	add_parameter(&url, "to", m->address);
	if (conf->from != NULL)
		add_parameter(&url, "from", conf->from);
	add_parameter(&url, "coding", "2");
	add_parameter(&url, "charset", "UTF-8");
	add_parameter(&url, "text", text);
	if (conf->dlr_url != NULL) {
		struct template_values v;
		values_of(ch, m, text, &v);
		char *dlr = template_expand(conf->dlr_url, &v, ESCAPE_URL);
		add_parameter(&url, "dlr-mask", "31");
		add_parameter(&url, "dlr-url", dlr);
		free(dlr);
	}
	curl_easy_setopt(easy, CURLOPT_URL, url);
	start(ch, m->id, easy, NULL, NULL);
	explicit_bzero(url, strlen(url));
	free(url);
	free(text);
}

static int
http_open(struct channel *ch, char *why, size_t n)
{
	struct http_state *st = xcalloc(1, sizeof(*st));
	const struct channel_conf *conf = ch->conf;

	if (conf->password_file != NULL) {
		st->password = channel_secret(conf->password_file, why, n);
		if (st->password == NULL) {
			free(st);
			return -EACCES;
		}
	}
	if (conf->success != NULL) {
		st->has_success = regcomp(&st->success, conf->success,
				      REG_EXTENDED | REG_NOSUB) == 0;
		if (!st->has_success) {
			snprintf(why, n, "channel=%s: 'success' is no expression", conf->name);
			free(st->password);
			free(st);
			return -EINVAL;
		}
	}
	ch->state = st;
	return 0;
}

static void
http_free(struct channel *ch)
{
	struct http_state *st = ch->state;

	curl_pool_cancel(ch->env->curl, ch);
	if (st->password != NULL)
		explicit_bzero(st->password, strlen(st->password));
	free(st->password);
	if (st->has_success)
		regfree(&st->success);
	free(st);
}

const struct channel_ops channel_http_ops = {
	.kind = "http", .open = http_open, .send = http_send, .free = http_free,
};

const struct channel_ops channel_kannel_ops = {
	.kind = "kannel", .open = http_open, .send = kannel_send, .free = http_free,
};
