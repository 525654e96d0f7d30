/*
 * channel_smtp.c - mail by SMTP: STARTTLS required, AUTH, one recipient a mail.
 *
 * What an answer means:
 *   250 after the last line            sent
 *   4xx at any place                   retry
 *   5xx to RCPT or the text            refused: this mail
 *   5xx elsewhere, wrong password, TLS retry: the server or our access to it
 *   cut off after the text had gone    unknown (RFC 5321, 4.5.3.2.6)
 *   cut off before                     retry
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/channel.h"
#include "alertd/channel_curl.h"
#include "alertd/channel_mime.h"
#include "common/mem.h"

struct smtp_state { char *password; };

struct smtp_mail {		/* one attempt; owned by its job */
	struct channel *ch;
	uint64_t id;
	char *text;		/* the payload of the job */
	size_t len, read;
	struct curl_slist *rcpt;
};

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct smtp_mail *mail = arg;
	size_t len = mail->len - mail->read;

	if (len > size * n)
		len = size * n;
	memcpy(p, mail->text + mail->read, len);
	mail->read += len;
	return len;
}

static enum outbox_outcome
judge(const struct smtp_mail *mail, const struct curl_result *res)
{
	bool all = mail->read == mail->len;	/* the text has gone out */

	if (res->code == CURLE_OK)
		return OUTCOME_SENT;
	if (res->code == CURLE_LOGIN_DENIED || res->code == CURLE_USE_SSL_FAILED ||
	    res->code == CURLE_PEER_FAILED_VERIFICATION)
		return OUTCOME_RETRY;
	if (res->status >= 500 && res->status < 600 &&
	    (all || res->code == CURLE_SEND_ERROR))
		return OUTCOME_REFUSED;
	if (all && (res->status < 400 || res->status >= 600))
		return OUTCOME_UNKNOWN;
	return OUTCOME_RETRY;
}

static void
on_done(void *arg, const struct curl_result *res)
{
	struct smtp_mail *mail = arg;
	const struct channel_env *env = mail->ch->env;
	char detail[200];

	if (res->code == CURLE_OK)
		snprintf(detail, sizeof(detail), "SMTP %ld", res->status);
	else
		snprintf(detail, sizeof(detail), "SMTP %ld: %.170s", res->status, res->error);
	env->done(env->arg, mail->id, judge(mail, res), detail);
}

static void
smtp_send(struct channel *ch, const struct channel_message *m)
{
	const struct channel_conf *conf = ch->conf;
	const struct smtp_state *st = ch->state;
	char *text = channel_text(m, conf->units);
	struct mime_mail mime = { .from = conf->from, .from_name = conf->from_name,
		.to = m->address, .subject = m->subject, .body = text, .key = m->key,
		.host = ch->env->host, .date = m->now };
	struct smtp_mail *mail = xcalloc(1, sizeof(*mail));
	CURL *easy;

	mail->ch = ch;
	mail->id = m->id;
	mail->text = mime_build(&mime);
	free(text);
	if (mail->text == NULL) {
		free(mail);
		channel_later(ch, m->id, OUTCOME_REFUSED, "the address is no mail address");
		return;
	}
	mail->len = strlen(mail->text);
	mail->rcpt = curl_slist_append(NULL, m->address);
	easy = curl_job_handle(ch);
	curl_easy_setopt(easy, CURLOPT_MAIL_FROM, conf->from);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->rcpt);
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, mail);
	curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->len);
	if (conf->user != NULL)
		curl_easy_setopt(easy, CURLOPT_USERNAME, conf->user);
	if (st->password != NULL)
		curl_easy_setopt(easy, CURLOPT_PASSWORD, st->password);
	curl_job_owner(curl_job_start(ch->env->curl, easy, mail->rcpt, mail->text, on_done, mail),
	    ch);
}

static int
smtp_open(struct channel *ch, char *why, size_t n)
{
	struct smtp_state *st;

	if (!mime_address_is_valid(ch->conf->from)) {
		snprintf(why, n, "channel=%s: 'from' is no mail address", ch->conf->name);
		return -EINVAL;
	}
	st = xcalloc(1, sizeof(*st));
	if (ch->conf->password_file != NULL) {
		st->password = channel_secret(ch->conf->password_file, why, n);
		if (st->password == NULL) {
			free(st);
			return -EACCES;
		}
	}
	ch->state = st;
	return 0;
}

static void
smtp_free(struct channel *ch)
{
	struct smtp_state *st = ch->state;

	curl_pool_cancel(ch->env->curl, ch);
	if (st->password != NULL)
		explicit_bzero(st->password, strlen(st->password));
	free(st->password);
	free(st);
}

const struct channel_ops channel_smtp_ops = {
	.kind = "smtp", .open = smtp_open, .send = smtp_send, .free = smtp_free,
};
