/*
 * channel.c - the table of kinds, and what all of them share.
 */
#include "alertd/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/utf.h"

#define SECRET_MAX 1024

struct channel_answer {
	TAILQ_ENTRY(channel_answer) link;
	uint64_t id;
	enum outbox_outcome outcome;
	char detail[200];
};

static const struct channel_ops *const kinds[] = {
	[CHANNEL_FILE] = &channel_file_ops, [CHANNEL_KANNEL] = &channel_kannel_ops,
	[CHANNEL_HTTP] = &channel_http_ops, [CHANNEL_SMTP] = &channel_smtp_ops,
	[CHANNEL_TRAP] = &channel_trap_ops,
};

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct channel *ch = arg;
	struct channel_answer *a;

	(void)fd;
	(void)what;
	while ((a = TAILQ_FIRST(&ch->answers)) != NULL) {
		TAILQ_REMOVE(&ch->answers, a, link);
		ch->env->done(ch->env->arg, a->id, a->outcome, a->detail);
		free(a);
	}
}

void
channel_later(struct channel *ch, uint64_t id, enum outbox_outcome outcome, const char *detail)
{
	static const struct timeval now = { 0, 0 };
	struct channel_answer *a = xcalloc(1, sizeof(*a));

	a->id = id;
	a->outcome = outcome;
	snprintf(a->detail, sizeof(a->detail), "%s", detail);
	TAILQ_INSERT_TAIL(&ch->answers, a, link);
	evtimer_add(ch->later, &now);
}

struct channel *
channel_new(const struct channel_conf *conf, const struct channel_env *env, char *why, size_t n)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	int rc;

	ch->ops = kinds[conf->kind];
	ch->conf = conf;
	ch->env = env;
	TAILQ_INIT(&ch->answers);
	rc = ch->ops->open(ch, why, n);
	if (rc != 0) {
		free(ch);
		errno = -rc;
		return NULL;
	}
	ch->later = evtimer_new(env->base, on_later, ch);
	return ch;
}

void
channel_free(struct channel *ch)
{
	struct channel_answer *a;

	if (ch == NULL)
		return;
	ch->ops->free(ch);
	event_free(ch->later);
	while ((a = TAILQ_FIRST(&ch->answers)) != NULL) {
		TAILQ_REMOVE(&ch->answers, a, link);
		free(a);
	}
	free(ch);
}

void
channel_send(struct channel *ch, const struct channel_message *m)
{
	ch->ops->send(ch, m);
}

char *
channel_text(const struct channel_message *m, int64_t units)
{
	bool zh = m->lang == NULL || strcmp(m->lang, "en") != 0;
	const char *mark = zh ? "(可能重复)" : " (may be repeated)";
	const char *body = m->body == NULL ? "" : m->body;

	if (!m->repeat || (units > 0 && utf_units(body) + utf_units(mark) > (size_t)units))
		mark = "";
	return xasprintf("%s%s", body, mark);
}

char *
channel_secret(const char *path, char *why, size_t n)
{
	char buf[SECRET_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, SECRET_MAX);
	char *secret = NULL;

	if (fd < 0 || len < 0) {
		snprintf(why, n, "%s: %s", path, strerror(errno));
		goto out;
	}
	buf[len] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	if (buf[0] == '\0')
		snprintf(why, n, "%s: its first line is empty", path);
	else
		secret = xstrdup(buf);
out:
	explicit_bzero(buf, sizeof(buf));
	if (fd >= 0)
		close(fd);
	return secret;
}
