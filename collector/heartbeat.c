/*
 * heartbeat.c - a byte a second into the supervisor's pipe (see heartbeat.h).
 */
#include "collector/heartbeat.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mem.h"

struct heartbeat {
	int fd;				/* owned */
	struct event *timer;
};

void
heartbeat_beat(struct heartbeat *hb)
{
	ssize_t r;

	if (hb == NULL)
		return;
	/* A full pipe says the same: the supervisor has not looked yet. */
	do
		r = write(hb->fd, "", 1);
	while (r < 0 && errno == EINTR);
	/* Nobody holds the other end: no supervisor is left to restart or to stop us. */
	if (r < 0 && errno == EPIPE)
		raise(SIGTERM);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	heartbeat_beat(arg);
}

struct heartbeat *
heartbeat_new(struct event_base *base)
{
	static const struct timeval second = { .tv_sec = 1 };
	const char *text = getenv(HEARTBEAT_ENV);
	struct heartbeat *hb;
	char *end;
	long fd;

	if (text == NULL)
		return NULL;
	fd = strtol(text, &end, 10);
	if (*text == '\0' || *end != '\0' || fd < 3 || fd > 1024 || fcntl((int)fd, F_GETFD) < 0)
		return NULL;
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	fcntl((int)fd, F_SETFL, O_NONBLOCK);
	hb = xcalloc(1, sizeof *hb);
	hb->fd = (int)fd;
	hb->timer = event_new(base, -1, EV_PERSIST, on_timer, hb);
	event_add(hb->timer, &second);
	heartbeat_beat(hb);
	return hb;
}

void
heartbeat_free(struct heartbeat *hb)
{
	if (hb == NULL)
		return;
	event_free(hb->timer);
	close(hb->fd);
	free(hb);
}
