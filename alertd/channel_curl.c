/*
 * channel_curl.c - curl_multi_socket_action() on libevent.
 */
#include "alertd/channel_curl.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/mem.h"

struct curl_job {
	TAILQ_ENTRY(curl_job) link;
	struct curl_pool *pool;
	CURL *easy;
	struct curl_slist *list;
	char *payload;
	curl_done *done;
	void *arg;
	const void *owner;
	char *body;			/* CURL_ANSWER_MAX + 1 bytes */
	size_t len;
	bool cut;			/* the answer was longer */
	char error[CURL_ERROR_SIZE];
};

struct curl_pool {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	TAILQ_HEAD(, curl_job) jobs;
};

static void
job_free(struct curl_job *job)
{
	TAILQ_REMOVE(&job->pool->jobs, job, link);
	curl_multi_remove_handle(job->pool->multi, job->easy);
	curl_easy_cleanup(job->easy);
	curl_slist_free_all(job->list);
	if (job->payload != NULL)
		explicit_bzero(job->payload, strlen(job->payload));
	free(job->payload);
	free(job->arg);
	free(job->body);
	free(job);
}

static size_t
on_answer(char *p, size_t size, size_t n, void *arg)
{
	struct curl_job *job = arg;
	size_t len = size * n, room = CURL_ANSWER_MAX - job->len;

	job->cut = len > room;
	if (job->cut)
		len = room;
	memcpy(job->body + job->len, p, len);
	job->len += len;
	job->body[job->len] = '\0';
	return job->cut ? 0 : len;	/* 0 ends the transfer */
}

static void
finish(struct curl_job *job, CURLcode code)
{
	struct curl_result res = { .code = code, .body = job->body };
	curl_off_t pretransfer = 0;
	char error[2 * CURL_ERROR_SIZE];
	const char *text = job->error[0] != '\0' ? job->error : curl_easy_strerror(code);

	curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &res.status);
	curl_easy_getinfo(job->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
	res.began = pretransfer > 0;
	if (code == CURLE_WRITE_ERROR && job->cut)
		res.code = CURLE_OK;
	res.error = log_escape(error, sizeof(error), text, strlen(text));
	job->done(job->arg, &res);
	job_free(job);
}

static void
collect(struct curl_pool *pool)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL) {
		struct curl_job *job = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&job);
		finish(job, msg->data.result);
	}
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct curl_pool *pool = arg;
	int running, action = 0;

	if ((what & EV_READ) != 0)
		action |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		action |= CURL_CSELECT_OUT;
	curl_multi_socket_action(pool->multi, fd, action, &running);
	collect(pool);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct curl_pool *pool = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(pool);
}

static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *old)
{
	struct curl_pool *pool = arg;
	struct event *ev = old;
	short flags = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	curl_multi_assign(pool->multi, fd, NULL);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		flags |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		flags |= EV_WRITE;
	ev = event_new(pool->base, fd, flags, on_socket, pool);
	event_add(ev, NULL);
	curl_multi_assign(pool->multi, fd, ev);
	return 0;
}

static int
want_timer(CURLM *multi, long ms, void *arg)
{
	struct curl_pool *pool = arg;
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	(void)multi;
	if (ms < 0)
		evtimer_del(pool->timer);
	else
		evtimer_add(pool->timer, &tv);
	return 0;
}

struct curl_pool *
curl_pool_new(struct event_base *base)
{
	struct curl_pool *pool = xcalloc(1, sizeof(*pool));

	pool->base = base;
	TAILQ_INIT(&pool->jobs);
	pool->multi = curl_multi_init();
	if (pool->multi == NULL) {
		free(pool);
		return NULL;
	}
	pool->timer = evtimer_new(base, on_timer, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	return pool;
}

void
curl_pool_free(struct curl_pool *pool)
{
	if (pool == NULL)
		return;
	while (!TAILQ_EMPTY(&pool->jobs))
		job_free(TAILQ_FIRST(&pool->jobs));
	curl_multi_cleanup(pool->multi);
	event_free(pool->timer);
	free(pool);
}

CURL *
curl_job_handle(const struct channel *ch)
{
	CURL *easy = curl_easy_init();
	long ms = (long)(ch->conf->timeout_ns / NS_PER_MS);
	bool smtp = ch->conf->kind == CHANNEL_SMTP;

	if (easy == NULL)
		abort();
	curl_easy_setopt(easy, CURLOPT_URL, ch->conf->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, smtp ? "smtp,smtps" : "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, ms < 10000 ? ms : 10000L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ch->conf->ca != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, ch->conf->ca);
	if (smtp)
		curl_easy_setopt(easy, CURLOPT_USE_SSL,
		    (long)(ch->conf->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	return easy;
}

struct curl_job *
curl_job_start(struct curl_pool *pool, CURL *easy, struct curl_slist *list, char *payload,
    curl_done *done, void *arg)
{
	struct curl_job *job = xcalloc(1, sizeof(*job));

	job->pool = pool;
	job->easy = easy;
	job->list = list;
	job->payload = payload;
	job->done = done;
	job->arg = arg;
	job->body = xcalloc(1, CURL_ANSWER_MAX + 1);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, job->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, job);
	TAILQ_INSERT_TAIL(&pool->jobs, job, link);
	curl_multi_add_handle(pool->multi, easy);	/* asks for the timer; starts from the loop */
	return job;
}

void
curl_job_owner(struct curl_job *job, const void *owner)
{
	job->owner = owner;
}

void
curl_pool_cancel(struct curl_pool *pool, const void *owner)
{
	struct curl_job *job, *next;

	for (job = TAILQ_FIRST(&pool->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (job->owner == owner)
			job_free(job);
	}
}
