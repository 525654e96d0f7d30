/*
 * channel_curl.h - libcurl's transfers on libevent's loop, for kannel, http
 * and smtp.  Nothing here blocks; names are resolved in libcurl's threads.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "alertd/channel.h"

#define CURL_ANSWER_MAX (64 * 1024)	/* of a gateway's answer; what is longer is cut off */

struct curl_pool;
struct curl_job;

struct curl_result {
	CURLcode code;			/* CURLE_OK also when only the answer was too long */
	long status;			/* HTTP status or last SMTP code; 0 none */
	const char *body;		/* NUL-terminated, at most CURL_ANSWER_MAX */
	bool began;			/* the request may have reached the far side */
	const char *error;		/* one line, free of control characters */
};

/* Called once from the loop; the job is freed after it. */
typedef void curl_done(void *arg, const struct curl_result *);

struct curl_pool *curl_pool_new(struct event_base *base);	/* NULL: libcurl does not start */
void curl_pool_free(struct curl_pool *);	/* ends all jobs without done() */

/*
 * A fresh handle with our limits and the channel's timeout and CA set; the
 * caller adds what the request is and gives it to curl_job_start(), which owns
 * it from then on.
 */
CURL *curl_job_handle(const struct channel *ch);
/*
 * list (headers or recipients, set by the caller), payload and arg (malloc'd),
 * each may be NULL, are freed with the job, after done().
 */
struct curl_job *curl_job_start(struct curl_pool *, CURL *, struct curl_slist *list,
    char *payload, curl_done *done, void *arg);
/* Ends every job of arg's without done(). */
void curl_pool_cancel(struct curl_pool *, const void *owner);
/* The owner for curl_pool_cancel(). */
void curl_job_owner(struct curl_job *, const void *owner);
