/*
 * channel_file.c - messages as files, as a phone or a mailbox would show them.
 *
 *   DIRECTORY/sms/20260115-083107-000017.txt   one message each, written whole
 *   DIRECTORY/sms.txt                          all of them, to follow with tail
 *   DIRECTORY/mail/20260115-083107-000018.eml  a whole mail, as it would be sent
 *   DIRECTORY/mail.txt                         head and text, readable
 *
 * The file named after the message is the delivery: made under another name,
 * synced, then renamed.  A second attempt of the same message replaces it, so
 * a repeat costs nothing.  The .txt is for eyes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alertd/channel.h"
#include "alertd/channel_mime.h"
#include "common/mem.h"

static const char *
form_name(const struct channel *ch)
{
	return ch->conf->form == FORM_MAIL ? "mail" : "sms";
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Writes dir/name whole or not at all. */
static int
write_file(int dir, const char *name, const char *text)
{
	char *tmp = xasprintf(".%s.new", name);
	int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	int rc = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0 && renameat(dir, tmp, dir, name) != 0)
		rc = -errno;
	if (rc == 0 && fsync(dir) != 0)
		rc = -errno;
	if (rc != 0)
		unlinkat(dir, tmp, 0);
	free(tmp);
	return rc;
}

static int
append_file(const char *directory, const char *form, const char *text)
{
	char *path = xasprintf("%s/%s.txt", directory, form);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	int rc = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

static int
open_directory(const struct channel *ch)
{
	char *path = xasprintf("%s/%s", ch->conf->directory, form_name(ch));
	int fd;

	if (mkdir(ch->conf->directory, 0750) != 0 && errno != EEXIST)
		goto failed;
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		goto failed;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		goto failed;
	free(path);
	return fd;
failed:
	free(path);
	return -errno;
}

/* What the reader sees of it in the running file; malloc'd. */
static char *
readable(const struct channel *ch, const struct channel_message *m, const char *text)
{
	char at[32];

	wall_format(at, sizeof(at), m->now);
	if (ch->conf->form == FORM_MAIL)
		return xasprintf("---- %s  To: %s\nSubject: %s\n\n%s\n\n", at, m->address,
		    m->subject == NULL ? "" : m->subject, text);
	return xasprintf("%s  To: %s  %s\n", at, m->address, text);
}

/* What the file of one message holds; malloc'd. */
static char *
whole(const struct channel *ch, const struct channel_message *m, const char *text)
{
	struct mime_mail mail = {
		.from = ch->conf->from != NULL ? ch->conf->from : "linkwatch@localhost",
		.from_name = ch->conf->from_name, .to = m->address, .subject = m->subject,
		.body = text, .key = m->key, .host = ch->env->host, .date = m->now,
	};
	char at[32];

	if (ch->conf->form == FORM_MAIL)
		return mime_build(&mail);
	wall_format(at, sizeof(at), m->now);
	return xasprintf("To: %s\nTime: %s\nKey: %s\n\n%s\n", m->address, at, m->key, text);
}

static int
deliver(const struct channel *ch, const struct channel_message *m)
{
	char at[32], *name, *text, *file, *line;
	int dir = open_directory(ch), rc;

	if (dir < 0)
		return dir;
	wall_format(at, sizeof(at), m->decided);	/* "2026-01-15 08:31:07" */
	name = xasprintf("%.4s%.2s%.2s-%.2s%.2s%.2s-%06" PRIu64 "%s", at, at + 5, at + 8, at + 11,
	    at + 14, at + 17, m->id, ch->conf->form == FORM_MAIL ? ".eml" : ".txt");
	text = channel_text(m, ch->conf->units);
	file = whole(ch, m, text);
	line = readable(ch, m, text);
	rc = file == NULL ? -EINVAL : write_file(dir, name, file);
	if (rc == 0)
		append_file(ch->conf->directory, form_name(ch), line);
	free(line);
	free(file);
	free(text);
	free(name);
	close(dir);
	return rc;
}

static void
file_send(struct channel *ch, const struct channel_message *m)
{
	int rc = deliver(ch, m);

	if (rc == 0)
		channel_later(ch, m->id, OUTCOME_SENT, "written");
	else if (rc == -EINVAL)
		channel_later(ch, m->id, OUTCOME_REFUSED, "the address is no mail address");
	else
		channel_later(ch, m->id, OUTCOME_RETRY, strerror(-rc));
}

static int
file_open(struct channel *ch, char *why, size_t n)
{
	int dir = open_directory(ch);

	if (dir < 0) {
		snprintf(why, n, "channel=%s: %s: %s", ch->conf->name, ch->conf->directory,
		    strerror(-dir));
		return dir;
	}
	close(dir);
	return 0;
}

static void
file_free(struct channel *ch)
{
	(void)ch;	/* nothing is under way after send() */
}

const struct channel_ops channel_file_ops = {
	.kind = "file", .open = file_open, .send = file_send, .free = file_free,
};
